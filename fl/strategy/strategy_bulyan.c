/* strategy_bulyan.c - Bulyan (El Mhamdi et al., ICML 2018): Multi-Krum keeps n - 2f updates; of each weight,
 * the n - 4f that lie closest to their median are averaged. Needs n >= 4f + 3.
 * The book: docs/book/15_drift.md */
#include <math.h>
#include <stdlib.h>

#include "fl/strategy/robust.h"
#include "fl/strategy/table.h"

enum { MALICIOUS };

/* The closest to the median follow each other in the sorted list: the window whose farther end is nearest. */
static double mean_around_median(const float *sorted, int n, const void *arg)
{
    int keep = *(const int *)arg, first = 0;
    double median = sorted_median(sorted, n, NULL), sum = 0;
    /* Signed, so that equal values below the median do not hold the window. */
    while (first + keep < n && median - (double)sorted[first] > (double)sorted[first + keep] - median)
        first++;
    for (int k = first; k < first + keep; k++) sum += (double)sorted[k];
    return sum / keep;
}

static int least(const double *option)
{
    return (int)fmin(4 * option[MALICIOUS] + 3, 2e9);
}

static int aggregate(float *out, struct aggregation *a, struct error *e)
{
    int f = (int)a->option[MALICIOUS], n = a->updates, selected = n - 2 * f, keep = selected - 2 * f;
    if (n < 4 * f + 3)
        return error_set(e,
                         "--strategy bulyan: --bulyan-malicious %d needs %d updates (4 f + 3), there are %d",
                         f, 4 * f + 3, n);
    int *best = calloc((size_t)selected + 1, sizeof *best);
    int status =
        best ? krum_select(best, selected, a, f, e) : error_set(e, "out of memory for %d updates", selected);
    if (!status) status = sorted_each(out, a, best, selected, mean_around_median, &keep, e);
    free(best);
    return status;
}

const struct strategy strategy_bulyan = {
    .name = "bulyan",
    .text = "Multi-Krum, then the weights closest to their median (El Mhamdi 2018); needs 4 f + 3 sites",
    .option = {{"malicious", 1, 0, 1e6, "N", "sites that may be malicious or broken"}},
    .least = least,
    .robust = least,
    .aggregate = aggregate,
};
