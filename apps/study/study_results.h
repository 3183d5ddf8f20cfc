/* study_results.h - what the study found: each arm with its uncertainty, arms against each other.
 *
 * Per case, the Dice of an arm is the mean over seeds (what a training of this kind gives on average), the
 * probability is the mean over seeds (the ensemble). NaN where undefined. All intervals 95 % unless said.
 */
#ifndef APPS_STUDY_STUDY_RESULTS_H
#define APPS_STUDY_STUDY_RESULTS_H

#include <stddef.h>

#include "apps/study/study.h"
#include "apps/study/study_compare.h"
#include "nn/measure/classification.h"
#include "nn/measure/overlap.h"
#include "nn/stats/stats_agreement.h"
#include "nn/stats/stats_calibration.h"
#include "nn/stats/stats_proportion.h"

enum { PAIRS_MAX = 2 * STUDY_ARMS_MAX };

/* An endpoint over the test cases of one site, hospital, or of the external one. */
struct subgroup_value {
    double value, ci[2]; /* mean Dice with BCa's interval; AUC with the logit interval */
    int n, positives;
};
struct subgroups {
    struct subgroup_value site[STUDY_SITES_MAX], hospital[STUDY_HOSPITALS_MAX], external;
};

enum subgroup_kind { SUBGROUP_SITE, SUBGROUP_HOSPITAL, SUBGROUP_EXTERNAL };

struct arm_dice {
    double *value;          /* [tests + externals] */
    double mean, sd, median, ci[2];
    double seed_mean[STUDY_SEEDS_MAX], seed_sd;
    double hd95, penalised; /* mm: means over the cases with a distance; over all, misses as the diagonal */
    /* labels of all cases and seeds of which one mask was empty, of those with any mask */
    int missed, distances;
    struct lesions lesions; /* of all test cases and seeds together */
    struct subgroups by;
};

struct segment_results {
    int arms;
    struct arm_dice *arm;    /* [arms] */
    struct comparison *pair; /* [PAIRS_MAX] Dice; [0]: federated - centralised */
    int pairs;
    /* federated - without an institution, on its test cases; federated - centralised on the external ones */
    struct comparison unseen[STUDY_SITES_MAX + 1];
    int unseens;
    /* federated - centralised: minus the penalised distance, share of lesions found */
    struct comparison distance, found;
    double *reference_ml, *volume_ml[ARMS_MAIN];
    int empty;                  /* test cases without foreground in the reference */
    int patients;               /* of the test cases */
    struct bland_altman volume[ARMS_MAIN]; /* predicted - reference, ml */
};

/* Empirical curve: points in order, from (0, 0) to (1, 1); and a pointwise bootstrap band at ROC_POINTS false
 * positive rates i / (ROC_POINTS - 1). */
enum { ROC_POINTS = 51 };
struct roc {
    double *fpr, *tpr;    /* [points] */
    int points;
    double sensitivity[ROC_POINTS], low[ROC_POINTS], high[ROC_POINTS];
};

/* A threshold and what the test says of it. */
struct operating_point {
    const char *name;
    double threshold; /* NaN: the validation cases have one class */
    struct classification c;
};
enum { POINTS = 3 };

/* Another model of the same test cases. */
enum {
    BASELINE_VOLUME,
    BASELINE_CLINICAL,
    BASELINE_TREES,
    BASELINES
};
struct baseline {
    int present;
    const char *name;
    double *probability;             /* [tests] */
    struct classification c;
    struct delong against[ARMS_MAIN]; /* the arm's network less this model */
};

struct arm_classes {
    double *probability;  /* [tests + externals] */
    double *validation;   /* [validations] */
    /* [tests + externals] probability, recalibrated on the validation cases; as it was where these do not
     * allow it (!recalibration.usable), and c_calibrated's values are NaN then */
    double *calibrated;
    struct recalibration recalibration;
    struct classification c_calibrated;
    struct hosmer_lemeshow hosmer_calibrated;
    struct operating_point point[POINTS];
    struct classification c;
    double accuracy_ci[2], sensitivity_ci[2], specificity_ci[2]; /* Wilson */
    double accuracy_exact[2], sensitivity_exact[2], specificity_exact[2]; /* Clopper-Pearson */
    double auc_percentile[2], auc_bca[2];                        /* bootstrap over cases within each class */
    struct hosmer_lemeshow hosmer;
    double seed_auc[STUDY_SEEDS_MAX], seed_sd;
    struct roc roc;
    int piped;            /* the same with the predicted mask was made */
    struct classification c_piped;
    struct subgroups by;
    /* Of three and more classes: c.auc is the macro area, probability that of the case's own class. */
    struct macro_auc macro;
    double auc_of[STUDY_CLASSES_MAX], *of_class; /* each against the rest; [tests + externals][classes] */
};

enum { SHARE_ACCURACY, SHARE_SENSITIVITY, SHARE_SPECIFICITY, SHARES };

struct class_results {
    int classes;
    int *label;           /* [tests + externals] */
    int *patient, patients; /* [tests] of the tests count patients; NULL where each case is one */
    struct delong macro;  /* of three and more classes: federated - centralised; most of the rest is empty
                             then */
    int *validation_label, validations;
    struct baseline baseline[BASELINES];
    int arms;
    struct arm_classes *arm; /* [arms] */
    struct comparison *pair; /* [PAIRS_MAX] AUC; [0]: federated - centralised */
    int pairs;
    struct comparison unseen[STUDY_SITES_MAX + 1]; /* as of segmentation */
    int unseens;
    double one_sided;     /* DeLong's p of the alternative that federated is less */
    struct mcnemar mcnemar[SHARES]; /* of federated and centralised */
};

struct results {
    struct segment_results segment;
    struct class_results classify;
    double *shift;        /* results_shift reads it */
};

/* ---- study_subgroups.c: -1 when memory is out ---- */
/* Numbers the patients of the test cases at `place` (NULL: all, in order) from 0 on; returns how many. */
int study_patients_of(int *patient, const struct study *s, const struct study_task *t, const int *place,
                      int n);
/* Test cases of site or hospital k, or all external ones, as places in the task's list; returns how many. */
int subgroup_list(int *place, const struct study *s, const struct study_task *t, enum subgroup_kind kind,
                  int k);
/* label NULL: means of value [tests + externals]; else areas: of two classes of value, of more the macro
 * areas of value [tests + externals][classes]. */
int subgroups_measure(struct subgroups *g, const struct study *s, const struct study_task *t,
                      const int *label, const double *value);

/* Mean of the finite ones of n values with BCa's interval, of resampled patients (patient [n]: 0 to n - 1).
 * -1 when memory is out. */
int results_mean(double *mean, double ci[2], const double *v, int n, const int *patient, uint64_t seed);
/* metrics_classification, with the area's error and interval of patients, 0 to patients - 1 (NULL: as there).
 */
int results_classes(struct classification *c, const int *label, const double *probability, int n,
                    double threshold, const int *patient, int patients);

/* ---- study_baseline.c: -1 when memory is out ---- */
int baselines_make(struct class_results *r, const struct study *s);
int calibration_make(struct arm_classes *a, const struct class_results *r, const struct study *s);

/* ---- study_multiclass.c ---- */
int multiclass_make(struct class_results *r, const struct study *s); /* label and classes are there */
void multiclass_say(struct text *t, const struct study *s, const struct class_results *r);

/* ---- study_results.c ---- */
int results_make(struct results *r, const struct study *s, struct error *e);
void results_free(struct results *r);
/* study_shift of two sites. */
double results_shift(const struct results *r, const struct study *s, int a, int b, int channel, int z);
/* Sentences of the main comparisons, one text for each task that is present. */
void results_headline(struct text *t, const struct study *s, const struct results *r, int classify);
/* Curve and band of `resamples`. -1 when memory is out; free with roc_free. */
int results_roc(struct roc *r, const int *label, const double *probability, int n, int resamples,
                uint64_t seed);
void roc_free(struct roc *r);
/* Net benefit of treating where probability >= threshold (Vickers & Elkin 2006). */
double results_net_benefit(const int *label, const double *probability, int n, double threshold);

#endif
