/* strategy_feddyn.c - FedDyn (Acar et al., ICLR 2021): sites minimise their loss - <g_k, v> +
 * alpha/2 ||v - w||^2.
 *
 *     site:    afterwards g_k -= alpha (w_k - w)
 *     server:  h -= alpha/N sum_k (w_k - w);  w = mean_k w_k - h / alpha
 *
 * Sites count the same, as in the paper.
 * The book: docs/book/15_drift.md */
#include "fl/strategy/table.h"

enum { ALPHA };

static void gradient_range(const struct local_round *l, size_t begin, size_t end)
{
    float alpha = (float)l->option[ALPHA];
    for (size_t i = begin; i < end; i++)
        l->model->grad[i] += alpha * (l->model->data[i] - l->global[i]) - l->slot[0][i];
}

static void gradient(struct local_round *l)
{
    local_each(l, gradient_range);
}

static void end_range(const struct local_round *l, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        double moved = (double)l->model->data[i] - (double)l->global[i];
        l->slot[0][i] = (float)((double)l->slot[0][i] - l->option[ALPHA] * moved);
    }
}

static void end(struct local_round *l)
{
    local_each(l, end_range);
}

static void move(const struct element *e, size_t i)
{
    const struct aggregation *a = e->a;
    double alpha = a->option[ALPHA], mean = element_mean(e, i), w = a->global[i];
    double h = (double)a->slot[0][i] - alpha * a->updates / a->sites * (mean - w);
    a->slot[0][i] = (float)h;
    e->out[i] = (float)(mean - h / alpha);
}

static int aggregate(float *out, struct aggregation *a, struct error *e)
{
    (void)e;
    strategy_each(a, out, a->updates, NULL, move);
    return 0;
}

const struct strategy strategy_feddyn = {
    .name = "feddyn",
    .text = "dynamic regularisation (Acar 2021)",
    .option = {{"alpha", 0.01, 1e-9, 1e6, "X", "strength of the regularisation"}},
    .server_slots = 1,
    .site_slots = 1,
    .sums = 1,
    .gradient = gradient,
    .end = end,
    .weight = strategy_equally,
    .aggregate = aggregate,
};
