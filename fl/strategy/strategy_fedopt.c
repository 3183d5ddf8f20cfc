/* strategy_fedopt.c - FedAdam, FedYogi, FedAdagrad (Reddi et al., ICLR 2021): the server takes the mean
 * displacement D for a gradient.
 *
 *     m = b1 m + (1 - b1) D;  w += eta m / (sqrt(v) + tau)
 *     Adam:     v = b2 v + (1 - b2) D^2
 *     Yogi:     v -= (1 - b2) D^2 sign(v - D^2)
 *     Adagrad:  v += D^2
 *
 * FedAdam corrects the bias of the first rounds as Flower does, whose first round counts as 2: eta sqrt(1 -
 * b2^t) / (1 - b1^t).
 * The book: docs/book/15_drift.md */
#include <math.h>

#include "fl/strategy/table.h"

enum { ETA, TAU, BETA1, BETA2 };

/* What one round does to an element: the second moment's rule, and the length of the step. */
struct rule {
    double eta, beta1;
    double (*second)(double v, double square, double beta2);
};

static double adam(double v, double square, double beta2)
{
    return beta2 * v + (1 - beta2) * square;
}

static double yogi(double v, double square, double beta2)
{
    return v - (1 - beta2) * square * (double)((v > square) - (v < square));
}

static double adagrad(double v, double square, double beta2)
{
    (void)beta2;
    return v + square;
}

static void move(const struct element *e, size_t i)
{
    const struct rule *r = e->extra;
    const double *o = e->a->option;
    double delta = element_mean(e, i) - (double)e->a->global[i];
    double m = r->beta1 * (double)e->a->slot[0][i] + (1 - r->beta1) * delta;
    double v = r->second((double)e->a->slot[1][i], delta * delta, o[BETA2]);
    e->a->slot[0][i] = (float)m;
    e->a->slot[1][i] = (float)v;
    e->out[i] = (float)((double)e->a->global[i] + r->eta * m / (sqrt(v) + o[TAU]));
}

static int apply(float *out, struct aggregation *a, struct rule rule)
{
    strategy_each(a, out, strategy_total(a, strategy_by_examples, 0), &rule, move);
    return 0;
}

/* Powers by multiplication, so that they are the same everywhere. */
static double power(double x, int n)
{
    double p = 1;
    for (int i = 0; i < n && p > 0; i++) p *= x;
    return p;
}

static int aggregate_adam(float *out, struct aggregation *a, struct error *e)
{
    const double *o = a->option;
    int t = a->round + 2;
    (void)e;
    return apply(
        out, a,
        (struct rule){o[ETA] * sqrt(1 - power(o[BETA2], t)) / (1 - power(o[BETA1], t)), o[BETA1], adam});
}

static int aggregate_yogi(float *out, struct aggregation *a, struct error *e)
{
    (void)e;
    return apply(out, a, (struct rule){a->option[ETA], a->option[BETA1], yogi});
}

static int aggregate_adagrad(float *out, struct aggregation *a, struct error *e)
{
    (void)e;
    return apply(out, a, (struct rule){a->option[ETA], 0, adagrad});
}

#define LR(standard) {"lr", standard, 1e-9, 100, "X", "learning rate of the server"}
#define ADAPTIVITY {"tau", 1e-3, 1e-12, 1e6, "X", "adaptivity: smaller follows the variance more"}
#define MOMENTS                                             \
    {"beta1", 0.9, 0, 0.99999, "X", "of the first moment"}, \
        {"beta2", 0.99, 0, 0.99999, "X", "of the second moment"}

const struct strategy strategy_fedadam = {
    .name = "fedadam",
    .text = "Adam at the server (Reddi 2021)",
    .option = {LR(0.1), ADAPTIVITY, MOMENTS},
    .server_slots = 2,
    .sums = 1,
    .weight = strategy_by_examples,
    .aggregate = aggregate_adam,
};
const struct strategy strategy_fedyogi = {
    .name = "fedyogi",
    .text = "Yogi at the server (Reddi 2021)",
    .option = {LR(0.01), ADAPTIVITY, MOMENTS},
    .server_slots = 2,
    .sums = 1,
    .weight = strategy_by_examples,
    .aggregate = aggregate_yogi,
};
const struct strategy strategy_fedadagrad = {
    .name = "fedadagrad",
    .text = "Adagrad at the server (Reddi 2021)",
    .option = {LR(0.1), ADAPTIVITY},
    .server_slots = 2,
    .sums = 1,
    .weight = strategy_by_examples,
    .aggregate = aggregate_adagrad,
};
