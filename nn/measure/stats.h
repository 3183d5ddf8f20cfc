/* stats.h - the tests of the study. Each names its source; two-sided unless said.
 *
 * Built on our own special functions, so that a p-value has the same digits on every machine. What cannot be computed (a variance of
 * one value, an AUC of one class) is NaN, never an error; functions that return int return -1 only when memory is out.
 */
#ifndef NN_STATS_H
#define NN_STATS_H

#include <stdint.h>

double stats_normal_cdf(double z);                    /* relative error below 1e-13, tails too */
double stats_normal_quantile(double p);               /* 1e-14; -+infinity at 0 and 1 */
double stats_log_gamma(double x);                     /* x > 0 */
double stats_beta_cdf(double x, double a, double b);  /* regularised incomplete beta function; 1e-12 */
double stats_beta_quantile(double p, double a, double b);
double stats_t_cdf(double t, double df);              /* Student */
double stats_t_quantile(double p, double df);
double stats_chi2_upper(double x, double df);         /* P(chi-squared > x); 1e-12 */
double stats_mean(const double *x, int n);
double stats_median(const double *x, int n); /* does not change x */
double stats_sd(const double *x, int n);     /* n - 1 */

enum wilcoxon_zeros { WILCOXON_ZEROS_WILCOX, WILCOXON_ZEROS_PRATT };
struct wilcoxon {
    double statistic;   /* min(W+, W-), as SciPy */
    double w_plus, w_minus;
    double p;           /* 1 if all differences are zero */
    int n;              /* pairs used: without zeros (Wilcox) or with them (Pratt) */
    int exact;          /* else the normal approximation with ties corrected and continuity correction */
};
/* Signed-rank test of a - b (SciPy wilcoxon; exact without ties and zeros for n <= 50). Pairs with NaN are left out. */
int stats_wilcoxon(struct wilcoxon *r, const double *a, const double *b, int n, enum wilcoxon_zeros zeros);

struct delong {
    double auc_a, auc_b, difference, se, z, p, ci[2]; /* 95 % of the difference */
    double se_a, se_b, covariance;
};
/* Paired (DeLong 1988 with the midranks of Sun & Xu 2014). label 0/1. With se 0, p is 1 if the areas are equal, else 0. */
int stats_delong(struct delong *r, const int *label, const double *a, const double *b, int n);
/* Two independent sets of cases; normal distribution as in the paired test. */
int stats_delong_unpaired(struct delong *r, const int *label_a, const double *a, int n_a, const int *label_b,
                          const double *b, int n_b);

struct mcnemar {
    int b, c;   /* a right and b wrong; a wrong and b right */
    double p;   /* exact binomial, 1 if b + c = 0 */
};
void stats_mcnemar(struct mcnemar *r, const int *right_a, const int *right_b, int n);

/* Of k in n; [0, 1] for n = 0. Wilson 1927 without continuity correction; Clopper & Pearson 1934. */
void stats_wilson(double ci[2], int k, int n, double level);
void stats_clopper_pearson(double ci[2], int k, int n, double level);
/* Percentile and BCa intervals of the mean (Efron & Tibshirani 1993, chapter 14). n >= 1. */
void stats_bootstrap_mean(double percentile[2], double bca[2], const double *x, int n, int resamples, uint64_t seed,
                          double level);
/* The same from given resamples (which are sorted in place) of any estimate; jackknife: the n leave-one-out estimates. */
void stats_bootstrap_intervals(double percentile[2], double bca[2], double estimate, double *resampled, int resamples,
                               const double *jackknife, int n, double level);
/* The same for an AUC: cases are drawn within each class, so that every resample has both (as pROC does). NaN with one class. */
void stats_bootstrap_auc(double percentile[2], double bca[2], const int *label, const double *score, int n, int resamples, uint64_t seed,
                         double level);
/* Holm 1979. NaN stays NaN and does not count. */
void stats_holm(double *adjusted, const double *p, int n);

struct tost {
    double difference, ci[2]; /* 90 % interval */
    double p;                 /* larger of the two one-sided p */
    int equivalent;           /* p < 0.05 */
};
/* Paired t (Schuirmann 1987): is mean(a - b) within (-margin, margin)? Pairs with NaN are left out. */
int stats_tost_paired(struct tost *r, const double *a, const double *b, int n, double margin);

struct hosmer_lemeshow {
    double statistic, p;
    int groups;               /* and degrees of freedom: the probabilities were not fitted to these cases */
};
/* Hosmer, Lemeshow & Sturdivant 2013: cases in `groups` groups of equal size by rising probability, observed against expected numbers. NaN with fewer
 * cases than groups. */
int stats_hosmer_lemeshow(struct hosmer_lemeshow *r, const int *label, const double *probability, int n, int groups);

struct bland_altman {
    double bias, sd, limits[2]; /* bias -+ 1.96 sd */
    double icc;                 /* ICC(2,1): two-way random, absolute agreement, single measure */
};
/* Bland & Altman 1986; Shrout & Fleiss 1979. Pairs with NaN are left out. */
int stats_bland_altman(struct bland_altman *r, const double *a, const double *b, int n);

#endif
