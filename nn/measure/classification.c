/* classification.c - counts, shares, discrimination and calibration of one table of probabilities. */
#include "nn/measure/classification.h"

#include <math.h>
#include <string.h>

#include "nn/stats/stats_auc.h"

static double share(int k, int of) { return of > 0 ? (double)k / of : NAN; }

static void count_at_threshold(struct classification *c, const int *label, const double *probability, int n,
                               double threshold)
{
    for (int i = 0; i < n; i++) {
        int positive = probability[i] >= threshold;
        c->positives += label[i] != 0;
        c->tp += positive && label[i];
        c->fp += positive && !label[i];
        c->fn += !positive && label[i];
        c->tn += !positive && !label[i];
    }
    c->accuracy = share(c->tp + c->tn, n);
    c->sensitivity = share(c->tp, c->tp + c->fn);
    c->specificity = share(c->tn, c->tn + c->fp);
    c->balanced_accuracy = (c->sensitivity + c->specificity) / 2;
    c->ppv = share(c->tp, c->tp + c->fp);
    c->npv = share(c->tn, c->tn + c->fn);
}

/* Mean |mean probability - share of positives| over the bins, weighted by their cases. */
static void measure_calibration(struct classification *c, const int *label, const double *probability, int n)
{
    enum { BINS = 10 };
    double difference[BINS] = {0};
    c->brier = c->ece = n > 0 ? 0 : NAN;
    for (int i = 0; i < n; i++) {
        double d = probability[i] - (label[i] != 0);
        int bin = probability[i] > 0 ? (int)(probability[i] * BINS) : 0;
        difference[bin < BINS ? bin : BINS - 1] += d;
        c->brier += d * d / n;
    }
    for (int b = 0; n > 0 && b < BINS; b++) c->ece += fabs(difference[b]) / n;
}

int metrics_classification(struct classification *c, const int *label, const double *probability, int n,
                           double threshold)
{
    struct delong d;
    memset(c, 0, sizeof *c);
    c->n = n;
    count_at_threshold(c, label, probability, n, threshold);
    measure_calibration(c, label, probability, n);
    if (stats_delong(&d, label, probability, probability, n)) return -1;
    c->auc = d.auc_a;
    c->auc_se = d.se_a;
    stats_auc_interval(c->auc_ci, c->auc, c->auc_se, c->positives, n - c->positives, 0.95);
    return 0;
}
