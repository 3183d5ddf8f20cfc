/* elem.c - elementwise kernels and optimisers over the threads: fixed chunks, so that a job is the same work
 * for any number of threads. */
#include "tensor/elem/elem.h"

#include <math.h>

#include "tensor/base/check.h"
#include "tensor/base/level_kernels.h"
#include "tensor/elem/elem_kernels.h"

/* 64 KiB of floats a job: long enough to hide the cost of a job, short enough to share out evenly. */
enum { CHUNK = 16384 };

const struct elem_kernels *elem_kernels(void)
{
    return level_kernels(cpu_isa())->elem;
}

/* One elementwise call; y is what is written, a b c what else is read or written. */
struct call {
    const struct elem_kernels *kernels;
    enum elem_type type; /* of y, a and b */
    void *y;
    const void *a, *b;
    float *m, *v, *g;
    size_t n;
    float factor;
    int accumulate;
    const void *options;
};

static void run(struct call *call, pool_job *fn, struct pool *pool)
{
    call->kernels = elem_kernels();
    pool_run(pool, (int)((call->n + CHUNK - 1) / CHUNK), fn, call);
}

/* Where the job's chunk starts; *n is its length. */
static size_t chunk(const struct call *call, int job, size_t *n)
{
    const size_t start = (size_t)job * CHUNK;
    *n = call->n - start < CHUNK ? call->n - start : CHUNK;
    return start;
}

static void act_fwd_job(void *arg, int job, int thread)
{
    const struct call *k = arg;
    size_t n;
    const size_t i = chunk(k, job, &n);
    (void)thread;
    k->kernels->act[k->type]->act_fwd(elem_at(k->y, k->type, i), elem_at(k->a, k->type, i), n, k->factor);
}

void elem_act_fwd(void *y, const void *x, enum elem_type type, size_t n, float slope, struct pool *pool)
{
    run(&(struct call){.type = type, .y = y, .a = x, .n = n, .factor = slope}, act_fwd_job, pool);
}

static void act_bwd_job(void *arg, int job, int thread)
{
    const struct call *k = arg;
    size_t n;
    const size_t i = chunk(k, job, &n);
    (void)thread;
    k->kernels->act[k->type]->act_bwd(elem_at(k->y, k->type, i), elem_at(k->a, k->type, i),
                                      elem_at(k->b, k->type, i), n, k->factor, k->accumulate);
}

void elem_act_bwd(void *dx, const void *dy, const void *ref, enum elem_type type, size_t n, float slope,
                  int accumulate, struct pool *pool)
{
    run(
        &(struct call){
            .type = type, .y = dx, .a = dy, .b = ref, .n = n, .factor = slope, .accumulate = accumulate},
        act_bwd_job, pool);
}

static void add_act_job(void *arg, int job, int thread)
{
    const struct call *k = arg;
    size_t n;
    const size_t i = chunk(k, job, &n);
    (void)thread;
    k->kernels->act[k->type]->add_act(elem_at(k->y, k->type, i), elem_at(k->a, k->type, i),
                                      elem_at(k->b, k->type, i), n, k->factor);
}

void elem_add_act_fwd(void *y, const void *a, const void *b, enum elem_type type, size_t n, float slope,
                      struct pool *pool)
{
    run(&(struct call){.type = type, .y = y, .a = a, .b = b, .n = n, .factor = slope}, add_act_job, pool);
}

static void axpy_job(void *arg, int job, int thread)
{
    const struct call *k = arg;
    size_t n;
    const size_t i = chunk(k, job, &n);
    (void)thread;
    k->kernels->axpy(elem_at(k->y, k->type, i), k->factor, elem_at(k->a, k->type, i), n);
}

void elem_f32_axpy(float *y, float a, const float *x, size_t n, struct pool *pool)
{
    run(&(struct call){.y = y, .a = x, .n = n, .factor = a}, axpy_job, pool);
}

static void scale_job(void *arg, int job, int thread)
{
    const struct call *k = arg;
    size_t n;
    const size_t i = chunk(k, job, &n);
    (void)thread;
    k->kernels->scale(elem_at(k->y, k->type, i), k->factor, n);
}

void elem_f32_scale(float *x, float a, size_t n, struct pool *pool)
{
    run(&(struct call){.y = x, .n = n, .factor = a}, scale_job, pool);
}

/* ---- sum of squares ------------------------------------------------------------------------------------ */

struct squares {
    const struct elem_kernels *kernels;
    const float *x;
    size_t n;
    double part[ELEM_STRIPES];
};

static void squares_job(void *arg, int job, int thread)
{
    struct squares *s = arg;
    const size_t unit = 1024, units = (s->n + unit - 1) / unit;
    const size_t begin = (size_t)job * units / ELEM_STRIPES * unit;
    const size_t end = ((size_t)job + 1) * units / ELEM_STRIPES * unit;
    (void)thread;
    s->part[job] = s->kernels->sum_squares(s->x + begin, (end < s->n ? end : s->n) - begin);
}

double elem_f32_sum_squares(const float *x, size_t n, struct pool *pool)
{
    struct squares s = {.kernels = elem_kernels(), .x = x, .n = n};
    double sum = 0;
    if (n == 0) return 0;
    pool_run(n > CHUNK ? pool : NULL, ELEM_STRIPES, squares_job, &s);
    for (int i = 0; i < ELEM_STRIPES; i++) sum += s.part[i];
    return sum;
}

/* ---- dropout ------------------------------------------------------------------------------------------- */

struct dropout {
    const struct rng *stream;
    uint32_t threshold;
    float scale;
};

static float element(const void *p, enum elem_type type, size_t i)
{
    return type == ELEM_BF16 ? f32_from_bf16(((const uint16_t *)p)[i]) : ((const float *)p)[i];
}

static void put_element(void *p, enum elem_type type, size_t i, float v)
{
    if (type == ELEM_BF16) ((uint16_t *)p)[i] = bf16_from_f32(v);
    else ((float *)p)[i] = v;
}

static void dropout_job(void *arg, int job, int thread)
{
    const struct call *k = arg;
    const struct dropout *d = k->options;
    size_t n;
    const size_t start = chunk(k, job, &n);
    (void)thread;
    for (size_t i = start; i < start + n; i += 4) {
        uint32_t counter[4] = {d->stream->counter[0] + (uint32_t)(i / 4), d->stream->counter[1],
                               d->stream->counter[2], d->stream->counter[3]};
        uint32_t word[4];
        rng_philox(word, counter, d->stream->key);
        for (size_t j = 0; j < 4 && i + j < start + n; j++) {
            const float v = word[j] < d->threshold ? 0.0f : element(k->a, k->type, i + j) * d->scale;
            put_element(k->y, k->type, i + j, k->accumulate ? element(k->y, k->type, i + j) + v : v);
        }
    }
}

void elem_dropout(void *y, const void *x, enum elem_type type, size_t n, float p, const struct rng *stream,
                  int accumulate, struct pool *pool)
{
    ENSURE(p >= 0.0f && p < 1.0f, "dropout: p is %g", (double)p);
    ENSURE((n + 3) / 4 <= UINT32_MAX - stream->counter[0], "dropout: %zu elements exceed the stream", n);
    const struct dropout d = {stream, (uint32_t)((double)p * 4294967296.0), 1.0f / (1.0f - p)};
    run(&(struct call){.type = type, .y = y, .a = x, .n = n, .accumulate = accumulate, .options = &d},
        dropout_job, pool);
}

/* ---- optimisers ---------------------------------------------------------------------------------------- */

static void sgd_job(void *arg, int job, int thread)
{
    const struct call *k = arg;
    size_t n;
    const size_t i = chunk(k, job, &n);
    (void)thread;
    k->kernels->sgd(elem_at(k->y, k->type, i), k->m + i, k->g + i, n, k->options);
}

void elem_f32_sgd(float *w, float *m, float *g, size_t n, const struct elem_sgd *o, struct pool *pool)
{
    run(&(struct call){.y = w, .m = m, .g = g, .n = n, .options = o}, sgd_job, pool);
}

static void adam_job(void *arg, int job, int thread)
{
    const struct call *k = arg;
    size_t n;
    const size_t i = chunk(k, job, &n);
    (void)thread;
    k->kernels->adam(elem_at(k->y, k->type, i), k->m + i, k->v + i, k->g + i, n, k->options);
}

/* By squaring, because libm's pow is not the same everywhere. */
static double power(double base, int64_t exponent)
{
    double result = 1;
    for (; exponent > 0; exponent >>= 1, base *= base)
        if (exponent & 1) result *= base;
    return result;
}

void elem_f32_adam(float *w, float *m, float *v, float *g, size_t n, const struct elem_adam *o,
                   struct pool *pool)
{
    ENSURE(o->step >= 1, "adam: step %lld is below 1", (long long)o->step);
    const struct adam_factors factors = {
        .clip = o->clip,
        .keep = (float)(o->coupled ? 1 : 1 - o->lr * o->decay),
        .coupled = (float)(o->coupled ? o->decay : 0),
        .beta1_rest = (float)(1 - o->beta1),
        .beta2 = (float)o->beta2,
        .beta2_rest = (float)(1 - o->beta2),
        .step = (float)(o->lr / (1 - power(o->beta1, o->step))),
        .inverse_root = (float)(1 / sqrt(1 - power(o->beta2, o->step))),
        .eps = (float)o->eps,
    };
    run(&(struct call){.y = w, .m = m, .v = v, .g = g, .n = n, .options = &factors}, adam_job, pool);
}
