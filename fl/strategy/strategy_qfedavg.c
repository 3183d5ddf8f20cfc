/* strategy_qfedavg.c - q-FedAvg (Li et al., ICLR 2020): sites of a larger loss F_k count more, so that
 * accuracy is fairer.
 *
 *     L = 1 / eta;  D_k = F_k^q L (w - w_k);  h_k = q F_k^(q-1) ||L (w - w_k)||^2 + L F_k^q
 *     w -= sum D_k / sum h_k
 *
 * F_k is the loss of the global weights on the site's first batch of the round, above the least that it can
 * be (-1 for nnU-Net's Dice loss: powers need what is not negative), plus 1e-10 as in Flower. eta is the step
 * that a site's displacement stands for. w is what is trained: Flower's norm has the running statistics of
 * batch norm in it, whose displacement is no gradient.
 * The book: docs/book/15_drift.md */
#include <math.h>

#include "fl/strategy/table.h"
#include "tensor/base/vmath.h"

enum { Q, ETA };

static double loss_power(const struct contribution *c, double q)
{
    return vmath_exp_d(q * vmath_log_d(fmax(c->start_loss, 0) + 1e-10));
}

static double weight(const double *option, const struct contribution *c, int sum)
{
    (void)sum;
    return loss_power(c, option[Q]) / option[ETA];
}

static void move(const struct element *e, size_t i)
{
    double factor = *(const double *)e->extra, w = e->a->global[i];
    e->out[i] = (float)(w + factor * (element_mean(e, i) - w));
}

static int aggregate(float *out, struct aggregation *a, struct error *e)
{
    double q = a->option[Q], lipschitz = 1 / a->option[ETA], total = strategy_total(a, weight, 0), h = 0;
    (void)e;
    for (int k = 0; k < a->updates; k++) {
        const struct contribution *c = &a->update[k];
        h += lipschitz * loss_power(c, q);
        if (q > 0) h += q * loss_power(c, q - 1) * (lipschitz * lipschitz * c->distance2); /* NaN if masked */
    }
    double factor = total / h;
    strategy_each(a, out, total, &factor, move);
    return 0;
}

const struct strategy strategy_qfedavg = {
    .name = "qfedavg",
    .text = "fairness: sites of a larger loss count more (Li 2020)",
    .option = {{"q", 0.1, 0, 100, "X", "0: every site counts the same"},
               {"lr", 0.1, 1e-9, 1e6, "X", "of the sites, for the estimate of Lipschitz' constant"}},
    .sums = 1,
    .weight = weight,
    .aggregate = aggregate,
};
