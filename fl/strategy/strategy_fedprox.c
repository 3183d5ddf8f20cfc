/* strategy_fedprox.c - FedProx (Li et al., MLSys 2020): sites minimise their loss + mu/2 ||v - w||^2.
 * The book: docs/book/15_drift.md */
#include "fl/strategy/table.h"

enum { MU };

static void pull_range(const struct local_round *l, size_t begin, size_t end)
{
    float mu = (float)l->option[MU];
    for (size_t i = begin; i < end; i++) l->model->grad[i] += mu * (l->model->data[i] - l->global[i]);
}

static void gradient(struct local_round *l)
{
    if (l->option[MU] > 0) local_each(l, pull_range);
}

const struct strategy strategy_fedprox = {
    .name = "fedprox",
    .text = "FedAvg whose sites are pulled to the global weights (Li 2020)",
    .option = {{"mu", 0.01, 0, 1e6, "X", "strength of the pull"}},
    .sums = 1,
    .gradient = gradient,
    .weight = strategy_by_examples,
};
