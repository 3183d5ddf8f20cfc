/* init.c - initial weights, each parameter from a stream of its own.
 * The book: docs/book/06_networks.md */
#include "nn/network/init.h"

#include <math.h>

#include "tensor/base/rng_normals.h"

/* Numbers of a parameter that one job makes; even, and so few that they are still near when they are
 * scaled. */
enum { PART = 1 << 12 };

struct init_jobs {
    struct model *m;
    uint64_t seed;
    double gain2;
    int fan_out;
};

static int parts_of(const struct param *p)
{
    return (int)((p->count + PART - 1) / PART);
}

static double variance_of(const struct param *p, const struct init_jobs *j)
{
    if (p->ndim == 2) return 1.0 / (3.0 * p->fan_in);
    return j->gain2 / (j->fan_out ? p->fan_out : p->fan_in);
}

/* A part of a parameter: jobs go through the parameters in their order. */
static void init_job(void *arg, int job, int thread)
{
    const struct init_jobs *j = arg;
    int i = 0;
    (void)thread;
    for (; job >= parts_of(&j->m->param[i]); i++) job -= parts_of(&j->m->param[i]);
    const struct param *p = &j->m->param[i];
    const size_t from = (size_t)job * PART, n = p->count - from < PART ? p->count - from : PART;
    float *w = j->m->data + p->offset + from;
    if (p->kind == PARAM_WEIGHT) {
        struct rng rng = rng_normals_from(rng_stream(j->seed, 0, (uint64_t)i, RNG_INIT), from);
        const float std = (float)sqrt(variance_of(p, j));
        rng_normals(&rng, w, n);
        for (size_t k = 0; k < n; k++) w[k] = std * w[k];
    } else {
        const float constant = p->kind == PARAM_GAMMA || p->kind == PARAM_VAR ? 1 : 0;
        for (size_t k = 0; k < n; k++) w[k] = constant;
    }
}

void init_he(struct model *m, uint64_t seed, float a, int fan_out, struct pool *pool)
{
    struct init_jobs j = {m, seed, 2.0 / (1.0 + (double)a * a), fan_out};
    int jobs = 0;
    for (int i = 0; i < m->params; i++) jobs += parts_of(&m->param[i]);
    pool_run(pool, jobs, init_job, &j);
}
