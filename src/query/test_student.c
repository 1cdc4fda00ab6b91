// Against values from printed tables, and against what the distributions are by definition.

#include "query/student.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_near(double a, double b, double within)
{
    if (!(fabs(a - b) <= within)) {
        fail_msg("%.12g is not %.12g", a, b);
    }
}

// NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2: upper critical values of t.
static void test_known_quantiles(void **state)
{
    (void)state;
    assert_near(student_quantile(0.025, 1), 12.706, 5e-4);
    assert_near(student_quantile(0.025, 10), 2.228, 5e-4);
    assert_near(student_quantile(0.001, 30), 3.385, 5e-4);
    assert_near(student_quantile(0.1, 100), 1.290, 5e-4);
}

static void test_two_degrees_of_freedom_have_a_formula(void **state)
{
    (void)state;
    for (double t = 0; t < 1000; t = t * 1.7 + 0.1) {
        double cdf = 0.5 + t / (2 * sqrt(2 + t * t));
        assert_near(student_two_sided(t, 2), 2 * (1 - cdf), 1e-9);
    }
}

// I_x(k, n - k + 1) is the probability of at least k successes of n.
static void test_beta_sums_the_binomial(void **state)
{
    (void)state;
    enum { N = 30 };
    for (double x = 0.01; x < 1; x += 0.07) {
        double tail = 0;
        for (int k = N; k >= 1; k--) {
            double log_ways = lgamma(N + 1) - lgamma(k + 1) - lgamma(N - k + 1);
            tail += exp(log_ways + k * log(x) + (N - k) * log1p(-x));
            assert_near(student_beta(x, k, N - k + 1), tail, 1e-11);
        }
    }
}

static void test_far_tails_keep_their_digits(void **state)
{
    (void)state;
    // 2^-40: forty draws, all on one side.
    assert_near(student_beta(0.5, 40, 1) / ldexp(1, -40), 1, 1e-10);
    double p = student_two_sided(40, 60);
    assert_true(p > 0 && p < 1e-40);
}

static void test_quantiles_invert(void **state)
{
    (void)state;
    for (double p = 1e-9; p < 0.5; p *= 7) {
        for (double a = 0.3; a < 5000; a *= 3.7) {
            double x = student_beta_quantile(p, a, 12.5);
            assert_near(student_beta(x, a, 12.5) / p, 1, 1e-6);
        }
        assert_near(student_two_sided(student_quantile(p, 17), 17) / (2 * p), 1, 1e-6);
    }
}

static void test_normal_and_back(void **state)
{
    (void)state;
    for (double p = 1e-12; p < 1; p *= 5) {
        double fatter = student_from_normal(p, 12);
        assert_true(fatter > p);
        assert_near(student_to_normal(fatter, 12) / p, 1, 1e-6);
    }
    assert_near(student_from_normal(0.05, 10), student_two_sided(1.959964, 10), 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_quantiles),
        cmocka_unit_test(test_two_degrees_of_freedom_have_a_formula),
        cmocka_unit_test(test_beta_sums_the_binomial),
        cmocka_unit_test(test_far_tails_keep_their_digits),
        cmocka_unit_test(test_quantiles_invert),
        cmocka_unit_test(test_normal_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
