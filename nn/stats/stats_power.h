/* stats_power.h - what a test could have shown: its power for a given true effect, and the smallest effect
 * that it finds with a given power.
 *
 * By formula, no simulation. Assumptions: the standard deviation (or standard error) seen in the data is the
 * true one; differences are normal. Power at the effect that was observed says nothing beyond the p (Hoenig &
 * Heisey 2001): give an effect that matters, such as the margin. df > 0: t distributions; df INFINITY:
 * normal. se > 0, else NaN.
 */
#ifndef NN_STATS_POWER_H
#define NN_STATS_POWER_H

/* Two-sided test of an estimate with standard error se at level alpha, when the truth is `effect`: noncentral
 * t. */
double stats_power_two_sided(double effect, double se, double df, double alpha);
/* The smallest effect with at least that power. */
double stats_detectable_effect(double power, double se, double df, double alpha);
/* One-sided non-inferiority when the truth is `effect` (0: equal; below 0: worse) and the margin is > 0. */
double stats_power_noninferiority(double effect, double margin, double se, double df, double alpha);
/* Two one-sided tests: noncentral t approximation (Phillips 1990; exact for df INFINITY), never below 0. */
double stats_power_tost(double effect, double margin, double se, double df, double alpha);
/* The smallest margin with at least that power when the truth is 0. */
double stats_detectable_margin(double power, double se, double df, double alpha);

/* se is NaN, and so is every power, of fewer than STATS_LEAST_FOR_POWER cases, and where it would be no more
 * than STATS_LEAST_ERROR.
 * Standard error and degrees of freedom that stand for n paired differences with this deviation. The
 * signed-rank test has as many pairs as its asymptotic relative efficiency leaves, 3/pi of them for normal
 * differences (Lehmann 2006; the A.R.E. method of G*Power). */
struct power_basis {
    double se, df;
};
struct power_basis stats_power_wilcoxon(double sd, int n);
/* Of the rank-sum test of two samples, likewise 3/pi of each. */
struct power_basis stats_power_mann_whitney(double sd_a, int n_a, double sd_b, int n_b);
/* Of McNemar's test: the difference of the two shares, whose variance without a difference is (b + c) / n^2
 * (Connor 1987), or the sum of patients' squares (mcnemar.squares) for b + c. Normal; the exact test finds a
 * little less. patients: n, where each case is one. */
struct power_basis stats_power_mcnemar(double squares, int n, int patients);
/* Of a difference of areas over n cases with this standard error. */
struct power_basis stats_power_areas(double se, int n);

#endif
