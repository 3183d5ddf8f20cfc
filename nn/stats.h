/* stats.h - the tests of the study. Each names its source; two-sided unless said.
 */
#ifndef NN_STATS_H
#define NN_STATS_H

#include <stdint.h>

double stats_normal_cdf(double z);
double stats_normal_quantile(double p);
double stats_mean(const double *x, int n);
double stats_median(const double *x, int n); /* does not change x */
double stats_sd(const double *x, int n);     /* n - 1 */

enum wilcoxon_zeros { WILCOXON_ZEROS_WILCOX, WILCOXON_ZEROS_PRATT };
struct wilcoxon {
    double statistic;   /* min(W+, W-), as SciPy */
    double w_plus, w_minus;
    double p;
    int n;              /* pairs used */
    int exact;          /* else the normal approximation with ties corrected and continuity correction */
};
/* Signed-rank test of a - b (SciPy wilcoxon; exact without ties and zeros for n <= 50). Pairs with NaN are left out. */
int stats_wilcoxon(struct wilcoxon *r, const double *a, const double *b, int n, enum wilcoxon_zeros zeros);

struct delong {
    double auc_a, auc_b, difference, se, z, p, ci[2]; /* 95 % of the difference */
    double se_a, se_b, covariance;
};
/* Paired (DeLong 1988 with the midranks of Sun & Xu 2014). */
int stats_delong(struct delong *r, const int *label, const double *a, const double *b, int n);
int stats_delong_unpaired(struct delong *r, const int *label_a, const double *a, int n_a, const int *label_b,
                          const double *b, int n_b);

struct mcnemar {
    int b, c;   /* a right and b wrong; a wrong and b right */
    double p;   /* exact binomial */
};
void stats_mcnemar(struct mcnemar *r, const int *right_a, const int *right_b, int n);

void stats_wilson(double ci[2], int k, int n, double level);
void stats_clopper_pearson(double ci[2], int k, int n, double level);
/* Percentile and BCa intervals of the mean. */
void stats_bootstrap_mean(double percentile[2], double bca[2], const double *x, int n, int resamples, uint64_t seed,
                          double level);
void stats_holm(double *adjusted, const double *p, int n);

struct tost {
    double difference, ci[2]; /* 90 % interval */
    double p;                 /* larger of the two one-sided p */
    int equivalent;           /* p < 0.05 */
};
/* Paired t: is mean(a - b) within (-margin, margin)? */
int stats_tost_paired(struct tost *r, const double *a, const double *b, int n, double margin);

struct bland_altman {
    double bias, sd, limits[2]; /* bias -+ 1.96 sd */
    double icc;                 /* ICC(2,1): two-way random, absolute agreement, single measure */
};
int stats_bland_altman(struct bland_altman *r, const double *a, const double *b, int n);

#endif
