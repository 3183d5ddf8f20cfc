/* strategy_fedavg.c - FedAvg (McMahan et al., AISTATS 2017): w = sum n_k w_k / sum n_k, by examples or
 * equally.
 * The book: docs/book/14_federated_averaging.md, 15_drift.md */
#include "fl/strategy/table.h"

enum { EQUAL };

static double weight(const double *option, const struct contribution *c, int sum)
{
    (void)sum;
    return option[EQUAL] ? 1 : c->examples;
}

const struct strategy strategy_fedavg = {
    .name = "fedavg",
    .text = "average of the sites' weights (McMahan 2017)",
    .option = {{"equal", 0, 0, 1, "0|1", "1: every site counts the same; 0: by its training cases"}},
    .sums = 1,
    .weight = weight,
};
