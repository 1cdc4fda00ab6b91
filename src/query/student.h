#pragma once

// The two distributions that comparisons stand on: Student's t and the beta distribution, for
// degrees of freedom and counts that need not be whole. Good to about ten digits, also far out in
// the tails. Pure functions.
//
// The incomplete beta function is its continued fraction, by Lentz's method; the quantiles come
// from bisection of it. Formulae: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.5
// and 26.7.

// I_x(a, b): the probability that a beta(a, b) variable is at most x. a, b > 0.
double student_beta(double x, double a, double b);

// The x with I_x(a, b) = p.
double student_beta_quantile(double p, double a, double b);

// The probability that |T| is at least |t|, T with `df` degrees of freedom.
double student_two_sided(double t, double df);

// The t that T exceeds with probability `p`, 0 < p < 0.5.
double student_quantile(double p, double df);

// With these few degrees of freedom, the probability of what a normal variable does with
// probability `p` (both sides): the same distance from zero, fatter tails. And back.
double student_from_normal(double p, double df);
double student_to_normal(double p, double df);
