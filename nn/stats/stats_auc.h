/* stats_auc.h - areas under ROC curves and their differences.
 *
 * The area is the share of (positive, negative) pairs in the right order, ties counting half. label 0 or not;
 * a NaN among the scores, or one class only, makes the area NaN; standard errors, intervals and p are NaN
 * with fewer than STATS_LEAST_OF_CLASS cases of a class (of clusters: patients who have one). Functions that
 * return int return -1 when memory is out.
 */
#ifndef NN_STATS_AUC_H
#define NN_STATS_AUC_H

#include <stddef.h>
#include <stdint.h>

/* NaN with one class only. */
double stats_auc(const int *label, const double *score, int n);
/* The same with the caller's memory, stats_auc_bytes(n) long: nothing is allocated. */
size_t stats_auc_bytes(int n);
double stats_auc_in(void *memory, const int *label, const double *score, int n);
/* The same, and placement[i]: of a positive the share of negatives below it, of a negative the share of
 * positives above it, ties counting half. -1 when memory is out. */
double stats_auc_placements(double *placement, const int *label, const double *score, int n);
/* Covariance of two areas over the same cases, from their placements (DeLong's). */
double stats_auc_covariance(const int *label, const double *placement_a, const double *placement_b, int n);
/* covariance [areas][areas] of several areas over the same cases, from the areas and their placements
 * [areas][n]. cluster NULL: DeLong's; else of cases in clusters, 0 to clusters - 1 (Obuchowski 1997, below).
 * -1 when memory is out. */
int stats_auc_covariances(double *covariance, const double *area, const double *placement, int areas,
                          const int *label, int n, const int *cluster, int clusters);
/* How many cases, or clusters with such a case, class 0 and class 1 have; -1 when memory is out. */
int stats_auc_units(int units[2], const int *label, int n, const int *cluster, int clusters);

struct delong {
    double auc_a, auc_b, difference, se, z, p, ci[2]; /* 95 % of the difference; p at least STATS_P_FLOOR */
    double se_a, se_b, covariance;
};
/* Paired (DeLong 1988 with the midranks of Sun & Xu 2014). Where the standard error is 0 and the areas differ
 * (one is perfect, the other constant) DeLong says p = 0 and an interval of one point, for any number of
 * cases: there z, p and the interval come from the two areas' own intervals (stats_auc_interval) by
 * square-and-add (Zou & Donner 2008), as if they were independent. Equal areas have p 1. */
int stats_delong(struct delong *r, const int *label, const double *a, const double *b, int n);
/* Two independent sets of cases; normal distribution as in the paired test. */
int stats_delong_unpaired(struct delong *r, const int *label_a, const double *a, int n_a, const int *label_b,
                          const double *b, int n_b);
/* Cases in clusters (patients with several tumours), which may hold both classes: Obuchowski 1997,
 * doi 10.2307/2533958. cluster[i]: 0 to clusters - 1. With one case a cluster it is DeLong's; NULL is
 * stats_delong itself. */
int stats_delong_clustered(struct delong *r, const int *label, const double *a, const double *b,
                           const int *cluster, int n, int clusters);

/* z, p and the interval of two areas that differ by an error of 0: by square-and-add, as above. r: areas,
 * their difference and their own errors; of each, the cases of either class. */
void stats_auc_certain(struct delong *r, int positives_a, int negatives_a, int positives_b, int negatives_b);
/* The interval alone, of any level. */
void stats_auc_certain_interval(double ci[2], const struct delong *r, int positives_a, int negatives_a,
                                int positives_b, int negatives_b, double level);

/* Interval of one area that is never a point and stays within [0, 1] (NaN where se is), of so many cases of
 * either class, or patients who have one (stats_auc_units) where they have several: DeLong's standard error
 * on the logit scale (Pepe 2003, section 5.2.4). Where the area is 0 or 1 or se is 0 that is undefined, and
 * Newcombe's score-like interval (2006, part 2, method 5, doi 10.1002/sim.2324) is given. */
void stats_auc_interval(double ci[2], double auc, double se, int positives, int negatives, double level);

/* Percentile and BCa intervals of an area: cases are drawn within each class, so that every resample has both
 * (as pROC does). Where every resample is the estimate (a perfect
 * separation) both are stats_auc_interval's. */
int stats_bootstrap_auc(double percentile[2], double bca[2], const int *label, const double *score, int n,
                        int resamples, uint64_t seed, double level);

/* Three and more classes: probability [n][classes], label 0 to classes - 1. */
struct macro_auc {
    double macro, se, ci[2]; /* mean of the one-versus-rest areas of the classes that occur; 95 % */
    int classes;             /* those that occur */
};
/* auc[classes]: each class against the rest, NaN where it does not occur. The standard error sums each case's
 * placements in all curves, so that the curves' covariances are in it (DeLong's idea; for two classes it is
 * DeLong's). cluster NULL: every case for itself; else the sums of clusters, 0 to clusters - 1, are what
 * varies (patients with several cases), times clusters / (clusters - 1). */
int stats_auc_macro(struct macro_auc *r, double *auc, const int *label, const double *probability, int n,
                    int classes, const int *cluster, int clusters);
/* The same of two models' probabilities of the same cases: the difference a - b of the macro areas with the
 * standard error of the difference, and a normal test; where the error is 0 and they differ,
 * stats_auc_certain's. */
int stats_auc_macro_difference(struct delong *d, const int *label, const double *a, const double *b, int n,
                               int classes, const int *cluster, int clusters);

#endif
