/* strategy_scaffold.c - SCAFFOLD (Karimireddy et al., ICML 2020), option II: control variates take the drift
 * of the sites out of their steps.
 *
 *     site:    each step's gradient + c - c_k; afterwards c_k = c_k - c + (w - w_k) / (K eta_l)
 *     server:  w += eta (mean_k w_k - w);  c += sum_k (change of c_k) / N
 *
 * The server needs no second vector from the sites: (w - w_k) / (K eta_l) follows from w_k and the learning
 * rates that were used. Sites count the same, as in the paper.
 * The book: docs/book/15_drift.md */
#include "fl/strategy/table.h"

enum { ETA };

static void correct_range(const struct local_round *l, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) l->model->grad[i] += l->shared[0][i] - l->slot[0][i];
}

static void gradient(struct local_round *l)
{
    local_each(l, correct_range);
}

static void end_range(const struct local_round *l, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        double moved = ((double)l->global[i] - (double)l->model->data[i]) / l->lr_sum;
        l->slot[0][i] = (float)((double)l->slot[0][i] - (double)l->shared[0][i] + moved);
    }
}

static void end(struct local_round *l)
{
    local_each(l, end_range);
}

static double weight(const double *option, const struct contribution *c, int sum)
{
    (void)option;
    return sum == 0 ? 1 : 1 / c->lr_sum;
}

/* The change of c_k is (w - w_k) / L_k - c: summed over the sites that took part, w sum(1/L_k) - sum(w_k/L_k)
 * - S c. */
static void move(const struct element *e, size_t i)
{
    const struct aggregation *a = e->a;
    double inverse = *(const double *)e->extra, w = a->global[i], c = a->slot[0][i];
    double change = w * inverse - exact_sum_value(&a->sum[1], i) - a->updates * c;
    a->slot[0][i] = (float)(c + change / a->sites);
    e->out[i] = (float)(w + a->option[ETA] * (element_mean(e, i) - w));
}

static int aggregate(float *out, struct aggregation *a, struct error *e)
{
    double inverse = strategy_total(a, weight, 1);
    (void)e;
    strategy_each(a, out, a->updates, &inverse, move);
    return 0;
}

const struct strategy strategy_scaffold = {
    .name = "scaffold",
    .text = "control variates against client drift (Karimireddy 2020); sgd, best with --momentum 0",
    .option = {{"lr", 1, 1e-9, 100, "X", "learning rate of the server"}},
    .server_slots = 1,
    .shared_slots = 1,
    .site_slots = 1,
    .sums = 2,
    .needs_linear = 1,
    .gradient = gradient,
    .end = end,
    .weight = weight,
    .aggregate = aggregate,
};
