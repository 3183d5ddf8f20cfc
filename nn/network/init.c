/* init.c - initial weights, each parameter from a stream of its own.
 * The book: docs/book/06_networks.md */
#include "nn/network/init.h"

#include <math.h>

#include "tensor/base/rng.h"

static void init_weight(float *w, const struct param *p, struct rng *rng, double variance)
{
    float std = (float)sqrt(variance);
    rng_normals(rng, w, p->count);
    for (size_t j = 0; j < p->count; j++) w[j] = std * w[j];
}

void init_he(struct model *m, uint64_t seed, float a, int fan_out)
{
    double gain2 = 2.0 / (1.0 + (double)a * a);
    for (int i = 0; i < m->params; i++) {
        const struct param *p = &m->param[i];
        float *w = m->data + p->offset;
        struct rng rng = rng_stream(seed, 0, (uint64_t)i, RNG_INIT);
        float constant = p->kind == PARAM_GAMMA || p->kind == PARAM_VAR ? 1 : 0;
        if (p->kind == PARAM_WEIGHT && p->ndim == 2)
            init_weight(w, p, &rng, 1.0 / (3.0 * p->fan_in));
        else if (p->kind == PARAM_WEIGHT)
            init_weight(w, p, &rng, gain2 / (fan_out ? p->fan_out : p->fan_in));
        else
            for (size_t j = 0; j < p->count; j++) w[j] = constant;
    }
}
