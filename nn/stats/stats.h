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
/* "0.0421", "< 0.0001", "undefined": four decimals below 0.1, three from there on. */
enum { STATS_P_TEXT = 16 };
void stats_p_text(char text[STATS_P_TEXT], double p);
/* Holm 1979. NaN stays NaN and does not count. */
void stats_holm(double *adjusted, const double *p, int n);

#endif
