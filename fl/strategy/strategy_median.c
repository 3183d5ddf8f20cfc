/* strategy_median.c - coordinate-wise median (Yin et al., ICML 2018): of each weight, the middle one of the
 * sites.
 * The book: docs/book/15_drift.md */
#include "fl/strategy/robust.h"
#include "fl/strategy/table.h"

static int aggregate(float *out, struct aggregation *a, struct error *e)
{
    return sorted_each(out, a, NULL, a->updates, sorted_median, NULL, e);
}

const struct strategy strategy_median = {
    .name = "median",
    .text = "median of each weight over the sites (Yin 2018)",
    .robust = strategy_from_three,
    .aggregate = aggregate,
};
