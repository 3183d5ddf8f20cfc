/* strategy_fednova.c - FedNova (Wang et al., NeurIPS 2020): displacements are divided by the local steps that
 * made them, so that a site of many steps does not pull the optimum to itself.
 *
 *     w += tau_eff sum_k p_k (w_k - w) / tau_k,  p_k = n_k / n,  tau_eff = sum_k p_k tau_k
 *
 * With momentum tau_k counts a step as what the velocity makes of a gradient that is always the same (struct
 * contribution, `effective`).
 * The book: docs/book/15_drift.md */
#include "fl/strategy/table.h"

static double weight(const double *option, const struct contribution *c, int sum)
{
    (void)option;
    (void)sum;
    return c->examples / c->effective;
}

/* sum / n is mean * total / n; the distance to w gets the factor total * tau_eff / n. */
static void move(const struct element *e, size_t i)
{
    double factor = *(const double *)e->extra, w = e->a->global[i];
    e->out[i] = (float)(w + factor * (element_mean(e, i) - w));
}

static int aggregate(float *out, struct aggregation *a, struct error *e)
{
    double total = strategy_total(a, weight, 0), n = 0, steps = 0;
    (void)e;
    for (int k = 0; k < a->updates; k++) {
        n += a->update[k].examples;
        steps += a->update[k].examples * a->update[k].effective;
    }
    double factor = total / n * (steps / n);
    strategy_each(a, out, total, &factor, move);
    return 0;
}

const struct strategy strategy_fednova = {
    .name = "fednova",
    .text = "FedAvg normalised by local steps (Wang 2020)",
    .sums = 1,
    .weight = weight,
    .aggregate = aggregate,
};
