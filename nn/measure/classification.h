/* classification.h - what a table of labels and probabilities of two classes says at one threshold: counts,
 * shares, AUC, calibration.
 */
#ifndef NN_CLASSIFICATION_H
#define NN_CLASSIFICATION_H

struct classification {
    int n, positives;
    int tp, fp, tn, fn; /* at the threshold */
    double accuracy, balanced_accuracy, sensitivity, specificity, ppv, npv;
    double auc; /* Mann-Whitney with ties; NaN with one class */
    /* DeLong's standard error; 95 % interval on the logit scale (stats_auc_interval) */
    double auc_se, auc_ci[2];
    double brier, ece; /* expected calibration error of the probability of class 1, 10 equal bins */
};
/* The class that a case's probabilities say: of two, which are given by that of class 1 alone, 1 from the
 * threshold on; of more, [classes], the largest, of equal ones the first. -1 where one is NaN. */
int classification_class(const double *probability, int classes, double threshold);
/* label 0/1, probability of class 1; positive where probability >= threshold; NaN is wrong. Shares of
 * nothing are NaN. Returns -1 when memory is out. */
int metrics_classification(struct classification *c, const int *label, const double *probability, int n,
                           double threshold);

#endif
