#include "query/student.h"

#include "base/base.h"

#include <float.h>
#include <math.h>

// Thread-safe, unlike lgamma(): which sign it was does not matter to positive arguments.
static double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

// Lentz's method divides by these: never by zero.
static double not_zero(double x)
{
    return fabs(x) < DBL_MIN ? DBL_MIN : x;
}

// The continued fraction of A&S 26.5.8, of which two steps at a time are taken.
static double fraction(double x, double a, double b)
{
    enum { STEPS = 10000 };
    double c = 1;
    double d = 1 / not_zero(1 - (a + b) * x / (a + 1));
    double value = d;
    for (int m = 1; m <= STEPS; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / not_zero(1 + even * d);
        c = not_zero(1 + even / c);
        value *= d * c;
        d = 1 / not_zero(1 + odd * d);
        c = not_zero(1 + odd / c);
        double factor = d * c;
        value *= factor;
        if (fabs(factor - 1) < 1e-14) {
            break;
        }
    }
    return value;
}

double student_beta(double x, double a, double b)
{
    if (x <= 0 || x >= 1) {
        return x <= 0 ? 0 : 1;
    }
    double front = exp(a * log(x) + b * log1p(-x) + log_gamma(a + b) - log_gamma(a) - log_gamma(b));
    // Where the fraction converges fast; elsewhere its mirror image does.
    if (x < (a + 1) / (a + b + 2)) {
        return MIN(1.0, front * fraction(x, a, b) / a);
    }
    return MAX(0.0, 1 - front * fraction(1 - x, b, a) / b);
}

double student_beta_quantile(double p, double a, double b)
{
    double low = 0;
    double high = 1;
    for (int i = 0; i < 200 && high - low > 1e-14 * high; i++) {
        double middle = (low + high) / 2;
        if (student_beta(middle, a, b) < p) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return (low + high) / 2;
}

double student_two_sided(double t, double df)
{
    return student_beta(df / (df + t * t), df / 2, 0.5);
}

double student_quantile(double p, double df)
{
    double low = 0;
    double high = 1;
    while (high < 1e150 && student_two_sided(high, df) > 2 * p) {
        high *= 2;
    }
    for (int i = 0; i < 200 && high - low > 1e-12 * high; i++) {
        double middle = (low + high) / 2;
        if (student_two_sided(middle, df) > 2 * p) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return (low + high) / 2;
}

static double normal_two_sided(double z)
{
    return erfc(z / sqrt(2));
}

static double normal_quantile(double p)
{
    double low = 0;
    double high = 40; // beyond, the probability is no number any more
    for (int i = 0; i < 100; i++) {
        double middle = (low + high) / 2;
        if (normal_two_sided(middle) > p) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

double student_from_normal(double p, double df)
{
    return p >= 1 ? 1 : student_two_sided(normal_quantile(p), df);
}

double student_to_normal(double p, double df)
{
    return p >= 1 ? 1 : normal_two_sided(student_quantile(p / 2, df));
}
