/* strategy_ditto.c - Ditto (Li et al., ICML 2021): beside FedAvg's, each site has a model v_k of its own,
 * that is trained for as many steps a round on its loss + lambda/2 ||v_k - w||^2. The personal pass is
 * client_update's (`personal`); slot 0 is v_k.
 * The book: docs/book/15_drift.md */
#include <string.h>

#include "fl/strategy/table.h"

enum { LAMBDA };

static void pull_range(const struct local_round *l, size_t begin, size_t end)
{
    float lambda = (float)l->option[LAMBDA];
    for (size_t i = begin; i < end; i++) l->model->grad[i] += lambda * (l->model->data[i] - l->global[i]);
}

static void gradient(struct local_round *l)
{
    local_each(l, pull_range);
}

static void own(float *out, const struct local_round *l)
{
    memcpy(out, l->rounds_before > 0 ? l->slot[0] : l->global, l->model->count * sizeof *out);
}

const struct strategy strategy_ditto = {
    .name = "ditto",
    .text = "FedAvg, and a personal model at each site (Li 2021)",
    .option = {{"lambda", 0.1, 0, 1e6, "X", "strength of the pull to the global weights"}},
    .site_slots = 3,
    .sums = 1,
    .personal = 1,
    .own = own,
    .gradient = gradient,
    .weight = strategy_by_examples,
};
