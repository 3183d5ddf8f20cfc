/* strategy_trimmed.c - trimmed mean (Yin et al., ICML 2018): of each weight, the share beta of the smallest
 * and of the largest is left out.
 * The book: docs/book/15_drift.md */
#include <math.h>

#include "fl/strategy/robust.h"
#include "fl/strategy/table.h"

enum { BETA };

static double trimmed_mean(const float *sorted, int n, const void *arg)
{
    int cut = (int)(*(const double *)arg * n);
    double sum = 0;
    for (int k = cut; k < n - cut; k++) sum += (double)sorted[k];
    return sum / (n - 2 * cut);
}

/* With fewer nothing is cut off. */
static int robust(const double *option)
{
    return option[BETA] > 1e-6 ? (int)ceil(1 / option[BETA]) : 0;
}

static int aggregate(float *out, struct aggregation *a, struct error *e)
{
    return sorted_each(out, a, NULL, a->updates, trimmed_mean, &a->option[BETA], e);
}

const struct strategy strategy_trimmed = {
    .name = "trimmed",
    .text = "trimmed mean of each weight over the sites (Yin 2018)",
    .option = {{"beta", 0.2, 0, 0.499, "X", "share of the sites that is cut off at each end"}},
    .robust = robust,
    .aggregate = aggregate,
};
