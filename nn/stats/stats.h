/* stats.h - what all statistics of this folder share: descriptive values, pairs, p-values and their
 * adjustment.
 *
 * What cannot be computed (a variance of one value, an AUC of one class) is NaN, never an error; functions
 * that return int return -1 only when memory is out. All tests are two-sided unless said. No global state:
 * any number of threads.
 *
 * The rooms: stats_rank (Wilcoxon and its relatives), stats_paired (t tests of differences: equivalence,
 * non-inferiority), stats_power, stats_auc, _delong and _interval (areas under ROC curves), stats_seeds
 * (patients and seeds both random), stats_proportion, stats_calibration, stats_bootstrap, stats_agreement,
 * and below them all stats_distributions.
 */
#ifndef NN_STATS_H
#define NN_STATS_H

#include <stddef.h>

/* What fewer cases cannot bear is NaN too, whoever asks ("not estimable"). Values and exact p-values stand
 * for any number. */
enum {
    /* An interval, or a p or a standard error from how the cases scatter: of five values a bootstrap knows
     * too little of that, and no p of Wilcoxon's two-sided test is below 0.05. */
    STATS_LEAST_CASES = 6,
    /* Cases of each class, of an area's standard error, interval and p: the exact test of four and four
     * hardly reaches 0.05, and DeLong's is an approximation for many. */
    STATS_LEAST_OF_CLASS = 5,
    /* A power, a detectable difference, a statement within a margin, a test of calibration: they take the
     * deviation that was seen for the true one, which 20 cases know to a sixth. */
    STATS_LEAST_FOR_POWER = 20
};
/* A standard error of no more than that is what rounding leaves where all cases differ alike: it estimates
 * nothing, and gives no power and no statement within a margin. */
#define STATS_LEAST_ERROR 1e-12

double stats_mean(const double *x, int n);
double stats_median(const double *x, int n); /* O(n^2), without memory */
double stats_sd(const double *x, int n);     /* n - 1 */
/* Of sorted values, linear between them (NumPy's default). n >= 1. */
double stats_quantile_sorted(const double *sorted, int n, double p);
void stats_sort(double *x, int n);
/* a - b of the pairs in which neither is NaN; two equal infinities differ by 0 (both missed the structure).
 * Malloc'ed; NULL when memory is out. */
double *stats_differences(int *count, const double *a, const double *b, int n);

/* No test that this program makes can give a p of 0: what underflows, or comes from a variance of 0, is
 * this. */
#define STATS_P_FLOOR 1e-16
double stats_p_floor(double p); /* NaN stays NaN; never below STATS_P_FLOOR, never above 1 */
/* As many decimals as asked for, or more where these would write a p below 0.05 or 0.025, the levels of the
 * tests, as that level: "0.0497", not "0.050" beside a difference that is called shown. */
int stats_p_decimals(double p, int least);
/* "0.0421", "< 0.0001", "undefined": four decimals below 0.1, three from there on. */
enum { STATS_P_TEXT = 16 };
void stats_p_text(char text[STATS_P_TEXT], double p);
/* "0.12 to 0.34", or "not estimable": an interval for people. */
enum { STATS_RANGE_TEXT = 64 };
const char *stats_range_text(char text[STATS_RANGE_TEXT], const double range[2], int decimals);
/* Holm 1979. NaN stays NaN and does not count. */
void stats_holm(double *adjusted, const double *p, int n);

#endif
