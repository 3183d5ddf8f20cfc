/* strategy_fedavgm.c - FedAvgM (Hsu et al., 2019): the server moves by a velocity.
 *
 *     v = beta v + (mean - w);  w += eta v
 * The book: docs/book/15_drift.md */
#include "fl/strategy/table.h"

enum { ETA, BETA };

static void move(const struct element *e, size_t i)
{
    const double *o = e->a->option;
    double v = o[BETA] * (double)e->a->slot[0][i] + (element_mean(e, i) - (double)e->a->global[i]);
    e->a->slot[0][i] = (float)v;
    e->out[i] = (float)((double)e->a->global[i] + o[ETA] * v);
}

static int aggregate(float *out, struct aggregation *a, struct error *e)
{
    (void)e;
    strategy_each(a, out, strategy_total(a, strategy_by_examples, 0), NULL, move);
    return 0;
}

const struct strategy strategy_fedavgm = {
    .name = "fedavgm",
    .text = "FedAvg with momentum at the server (Hsu 2019)",
    .option = {{"lr", 1, 1e-9, 100, "X", "learning rate of the server"},
               {"momentum", 0.9, 0, 0.99999, "X", "of the server"}},
    .server_slots = 1,
    .sums = 1,
    .weight = strategy_by_examples,
    .aggregate = aggregate,
};
