/* classification.c - counts, shares, discrimination and calibration of one table of probabilities. */
#include "nn/measure/classification.h"

#include <math.h>
#include <string.h>

#include "nn/stats/stats_auc.h"

int classification_class(const double *probability, int classes, double threshold)
{
    int best = 0;
    for (int k = 0; k < (classes > 2 ? classes : 1); k++) {
        if (isnan(probability[k])) return -1;
        if (probability[k] > probability[best]) best = k;
    }
    return classes > 2 ? best : probability[0] >= threshold;
}

static double share(int k, int of) { return of > 0 ? (double)k / of : NAN; }

static void count_at_threshold(struct classification *c, const int *label, const double *probability, int n,
                               double threshold)
{
    for (int i = 0; i < n; i++) {
        const int true_class = label[i] != 0,
                  right = classification_class(&probability[i], 2, threshold) == true_class;
        c->positives += true_class;
        *(true_class ? right ? &c->tp : &c->fn : right ? &c->tn : &c->fp) += 1;
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
