/* study_results.h - what the study found: each arm with its uncertainty, arms against each other, with names of the tests.
 *
 * Per case, the Dice of an arm is the mean over seeds (what a training of this kind gives on average), the probability is the mean over
 * seeds (the ensemble). NaN where undefined. All intervals 95 % unless said.
 */
#ifndef APPS_STUDY_STUDY_RESULTS_H
#define APPS_STUDY_STUDY_RESULTS_H

#include <stddef.h>

#include "apps/study/study.h"
#include "nn/measure/classification.h"
#include "nn/measure/metrics.h"
#include "nn/measure/stats_agreement.h"
#include "nn/measure/stats_auc.h"
#include "nn/measure/stats_calibration.h"
#include "nn/measure/stats_paired.h"
#include "nn/measure/stats_proportion.h"
#include "nn/measure/stats_rank.h"

enum { PAIRS_MAX = 2 * STUDY_SITES_MAX + 1, ROC_POINTS = 51 };

struct pair_test {
    int a, b;             /* arms */
    double difference;    /* mean Dice, or AUC, of a minus b */
    double ci[2];
    double p, holm;       /* Holm over the pairs of the task */
};

struct arm_dice {
    double *value;        /* [tests] */
    double mean, sd, median, ci[2], hd95;
    struct lesions lesions; /* of all test cases and seeds together */
    double seed_mean[STUDY_SEEDS_MAX];
};

struct segment_results {
    struct arm_dice arm[STUDY_ARMS_MAX];
    struct wilcoxon wilcoxon;      /* federated - centralised; Pratt's zeros */
    double difference, ci[2];      /* mean Dice; BCa of the paired differences */
    struct tost tost;
    struct pair_test pair[PAIRS_MAX];
    int pairs;
    double *reference_ml, *volume_ml[ARM_LOCAL];
    struct bland_altman volume[ARM_LOCAL]; /* predicted - reference, ml */
};

struct roc {
    double sensitivity[ROC_POINTS], low[ROC_POINTS], high[ROC_POINTS]; /* at false positive rate i / (ROC_POINTS - 1) */
};

struct arm_classes {
    double *probability;  /* [tests] */
    struct classification c;
    double accuracy_ci[2], sensitivity_ci[2], specificity_ci[2]; /* Wilson */
    double accuracy_exact[2], sensitivity_exact[2], specificity_exact[2]; /* Clopper-Pearson */
    double auc_percentile[2], auc_bca[2];                        /* bootstrap over cases within each class */
    struct hosmer_lemeshow hosmer;
    double seed_auc[STUDY_SEEDS_MAX];
    struct roc roc;       /* with a pointwise bootstrap band over cases */
    int piped;            /* the same with the predicted mask was made */
    struct classification c_piped;
};

struct equivalence { /* of two AUC, normal distribution with DeLong's standard error */
    double margin, ci[2]; /* 90 % */
    double p;             /* larger of the two one-sided p */
    int equivalent;
};

struct class_results {
    int *label;           /* [tests] */
    struct arm_classes arm[STUDY_ARMS_MAX];
    struct delong delong; /* federated - centralised */
    double one_sided;     /* p of the alternative that federated is less */
    struct equivalence equivalence;
    struct mcnemar mcnemar;
    struct pair_test pair[PAIRS_MAX];
    int pairs;
};

struct results {
    struct segment_results segment;
    struct class_results classify;
};

int results_make(struct results *r, const struct study *s, struct error *e);
void results_free(struct results *r);
/* Mean of value over the test cases of one site (site -1: all), without NaN. */
double results_site_mean(const struct study *s, const struct study_task *t, const double *value, int site);
/* AUC over the test cases of one site. */
double results_site_auc(const struct study *s, const int *label, const double *probability, int site);
struct equivalence results_equivalence(const struct delong *d, double margin);
/* Empirical curve at ROC_POINTS false positive rates (the highest sensitivity reached at each), and its band of `resamples`. */
void results_roc(struct roc *r, const int *label, const double *probability, int n, int resamples, uint64_t seed);
/* Net benefit of treating where probability >= threshold (Vickers & Elkin 2006). */
double results_net_benefit(const int *label, const double *probability, int n, double threshold);

#endif
