/* strategy_geomedian.c - geometric median (RFA, Pillutla et al., IEEE TSP 2022), by Weiszfeld's iteration
 * from the weighted mean on, smoothed:
 *
 *     z = sum b_k w_k / sum b_k,  b_k = n_k / max(nu, ||z - w_k||)
 * The book: docs/book/15_drift.md */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fl/base/vector.h"
#include "fl/strategy/robust.h"
#include "fl/strategy/table.h"

enum { ITERATIONS, NU };

struct weiszfeld {
    const struct aggregation *a;
    const double *factor;
    double total;
    float *z;
};

static void mean_range(void *arg, size_t begin, size_t end)
{
    const struct weiszfeld *w = arg;
    for (size_t i = begin; i < end; i++) {
        double sum = 0;
        for (int k = 0; k < w->a->updates; k++) sum += w->factor[k] * (double)w->a->row[k][i];
        w->z[i] = (float)(sum / w->total);
    }
}

static int aggregate(float *out, struct aggregation *a, struct error *e)
{
    int n = a->updates;
    double *factor = calloc((size_t)n + 1, sizeof *factor);
    if (!factor) return error_set(e, "out of memory for %d updates", n);
    struct weiszfeld w = {a, factor, 0, out};
    for (int k = 0; k < n; k++) w.total += factor[k] = a->update[k].examples;
    for (int r = 0; r <= (int)a->option[ITERATIONS]; r++) {
        vector_for(a->layout->count, mean_range, &w, a->pool);
        w.total = 0;
        for (int k = 0; k < n; k++) {
            double distance = sqrt(vector_distance2(out, a->row[k], a->layout->count));
            w.total += factor[k] = a->update[k].examples / fmax(a->option[NU], distance);
        }
    }
    if (n == 1) memcpy(out, a->row[0], a->layout->count * sizeof *out);
    free(factor);
    return 0;
}

const struct strategy strategy_geomedian = {
    .name = "geomedian",
    .text = "geometric median of the updates (RFA, Pillutla 2022)",
    .option = {{"iterations", 8, 1, 1000, "N", "of Weiszfeld's method"},
               {"nu", 1e-6, 1e-12, 1, "X", "smoothing: no distance counts as smaller"}},
    .robust = strategy_from_three,
    .aggregate = aggregate,
};
