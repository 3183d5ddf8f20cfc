/* lcg.h - the generator of weights and inputs of tests/golden/make_networks.py and make_nnunet.py, so that
 * only results are stored. */
#ifndef TESTS_LCG_H
#define TESTS_LCG_H

#include <math.h>
#include <stdint.h>

#include "tensor/graph/graph.h"
#include "tensor/ops/ops.h"

struct lcg {
    uint32_t state;
};

static inline struct lcg lcg_start(const char *prefix, const char *name)
{
    struct lcg g = {2166136261u};
    for (; *prefix; prefix++) g.state = (g.state ^ (unsigned char)*prefix) * 16777619u;
    for (; *name; name++) g.state = (g.state ^ (unsigned char)*name) * 16777619u;
    return g;
}

static inline double lcg_next(struct lcg *g)
{
    g->state = g->state * 1664525u + 1013904223u;
    return (double)(g->state >> 8) / 16777216.0 - 0.5;
}

static inline void set_weights(struct model *m)
{
    for (int i = 0; i < m->params; i++) {
        const struct param *p = &m->param[i];
        struct lcg g = lcg_start("", p->name);
        double fan = 1;
        if (!param_trained(p)) continue;
        for (int a = 1; a < p->ndim; a++) fan *= p->dim[a];
        for (size_t j = 0; j < p->count; j++) {
            double u = lcg_next(&g), v = 0.2 * u;
            if (p->ndim > 1) v = u * (2 * sqrt(6.0 / fan));
            else if (p->kind == PARAM_GAMMA) v = 1 + 0.2 * u;
            m->data[p->offset + j] = (float)v;
        }
    }
}

static inline int square(int x)
{
    return x * x;
}

/* Two balls a case and a row of voxels to be ignored, as case_labels there. */
static inline uint8_t ball_label(int n, int z, int y, int x)
{
    if (z == 3 && y == 7) return LABEL_IGNORE;
    if (square(z - 6) + square(y - 11) + square(x - 6 - n) < 14) return 2;
    return square(z - 8) + square(y - 5 - n) + square(x - 9) < 20;
}

#endif
