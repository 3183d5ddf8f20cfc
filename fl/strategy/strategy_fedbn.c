/* strategy_fedbn.c - FedBN (Li et al., ICLR 2021): scale, shift and running statistics of norms stay at the
 * site; the rest is averaged. The global model gets the average of the norms too: that is what a site without
 * a history begins with.
 * The book: docs/book/15_drift.md */
#include <string.h>

#include "fl/strategy/table.h"

static int is_local(const struct param *p)
{
    return p->kind == PARAM_GAMMA || p->kind == PARAM_BETA || p->kind == PARAM_MEAN || p->kind == PARAM_VAR;
}

static void copy_norms(float *to, const float *from, const struct model *m)
{
    for (int p = 0; p < m->params; p++)
        if (is_local(&m->param[p]))
            memcpy(to + m->param[p].offset, from + m->param[p].offset, m->param[p].count * sizeof *to);
}

static void begin(struct local_round *l)
{
    if (l->rounds_before > 0) copy_norms(l->model->data, l->slot[0], l->model);
}

static void own(float *out, const struct local_round *l)
{
    memcpy(out, l->global, l->model->count * sizeof *out);
    if (l->rounds_before > 0) copy_norms(out, l->slot[0], l->model);
}

static void end(struct local_round *l)
{
    copy_norms(l->slot[0], l->model->data, l->model);
}

const struct strategy strategy_fedbn = {
    .name = "fedbn",
    .text = "norms stay at the sites (Li 2021)",
    .site_slots = 1,
    .sums = 1,
    .own = own,
    .begin = begin,
    .end = end,
    .weight = strategy_by_examples,
};
