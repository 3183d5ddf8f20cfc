/* elem_pooling.c - pooling and linear layers over the threads. */
#include "tensor/base/check.h"
#include "tensor/elem/elem_kernels.h"

/* ---- pooling: a job is one line of what is written ----------------------------------------------------- */

struct pooling_shape pooling_shape(int n, int c, const int in[3], const int kernel[3], const int stride[3],
                                   const int pad[3])
{
    struct pooling_shape s = {.n = n, .c = c};
    for (int i = 0; i < 3; i++) {
        ENSURE(kernel[i] >= 1 && stride[i] >= 1 && pad[i] >= 0 && 2 * pad[i] <= kernel[i] &&
                   in[i] + 2 * pad[i] >= kernel[i],
               "pooling: axis %d: input %d, kernel %d, stride %d, padding %d", i, in[i], kernel[i], stride[i],
               pad[i]);
        s.in[i] = in[i];
        s.kernel[i] = kernel[i];
        s.stride[i] = stride[i];
        s.pad[i] = pad[i];
        s.out[i] = (in[i] + 2 * pad[i] - kernel[i]) / stride[i] + 1;
    }
    return s;
}

struct pooling_call {
    const struct elem_kernels *kernels;
    const struct pooling_shape *s;
    void *out;
    int32_t *index;
    const void *in;
    const int32_t *from;
    int accumulate;
};

/* Job number to case, position along d, position along h. */
static void line_of(const int size[3], int job, int *n, int *z, int *line)
{
    *line = job % size[1];
    *z = job / size[1] % size[0];
    *n = job / size[1] / size[0];
}

static void max_fwd_job(void *arg, int job, int thread)
{
    const struct pooling_call *k = arg;
    int n, z, line;
    line_of(k->s->out, job, &n, &z, &line);
    (void)thread;
    k->kernels->act[k->s->type]->max_fwd(k->out, k->index, k->in, k->s, n, z, line);
}

void max_pool3d_fwd(void *y, int32_t *index, const void *x, const struct pooling_shape *s, struct pool *pool)
{
    struct pooling_call k = {.kernels = elem_kernels(), .s = s, .out = y, .index = index, .in = x};
    pool_run(pool, s->n * s->out[0] * s->out[1], max_fwd_job, &k);
}

static void max_bwd_job(void *arg, int job, int thread)
{
    const struct pooling_call *k = arg;
    int n, z, line;
    line_of(k->s->in, job, &n, &z, &line);
    (void)thread;
    k->kernels->act[k->s->type]->max_bwd(k->out, k->in, k->from, k->s, n, z, line, k->accumulate);
}

void max_pool3d_bwd(void *dx, const void *dy, const int32_t *index, const struct pooling_shape *s,
                    int accumulate, struct pool *pool)
{
    struct pooling_call k = {
        .kernels = elem_kernels(), .s = s, .out = dx, .in = dy, .from = index, .accumulate = accumulate};
    pool_run(pool, s->n * s->in[0] * s->in[1], max_bwd_job, &k);
}

static void avg_fwd_job(void *arg, int job, int thread)
{
    const struct pooling_call *k = arg;
    int n, z, line;
    line_of(k->s->out, job, &n, &z, &line);
    (void)thread;
    k->kernels->act[k->s->type]->avg_fwd(k->out, k->in, k->s, n, z, line);
}

void avg_pool3d_fwd(void *y, const void *x, const struct pooling_shape *s, struct pool *pool)
{
    struct pooling_call k = {.kernels = elem_kernels(), .s = s, .out = y, .in = x};
    pool_run(pool, s->n * s->out[0] * s->out[1], avg_fwd_job, &k);
}

static void avg_bwd_job(void *arg, int job, int thread)
{
    const struct pooling_call *k = arg;
    int n, z, line;
    line_of(k->s->in, job, &n, &z, &line);
    (void)thread;
    k->kernels->act[k->s->type]->avg_bwd(k->out, k->in, k->s, n, z, line, k->accumulate);
}

void avg_pool3d_bwd(void *dx, const void *dy, const struct pooling_shape *s, int accumulate,
                    struct pool *pool)
{
    struct pooling_call k = {
        .kernels = elem_kernels(), .s = s, .out = dx, .in = dy, .accumulate = accumulate};
    pool_run(pool, s->n * s->in[0] * s->in[1], avg_bwd_job, &k);
}

/* ---- linear -------------------------------------------------------------------------------------------- */

struct linear_call {
    const struct elem_kernels *kernels;
    float *out, *db;
    const float *x, *dy, *w, *bias;
    int n, c, k, accumulate;
};

/* Waking threads costs more than a small product. */
static struct pool *worth(const struct linear_call *l, struct pool *pool)
{
    return (double)l->n * l->c * l->k > 65536 ? pool : NULL;
}

static void linear_fwd_job(void *arg, int k, int thread)
{
    const struct linear_call *l = arg;
    const float bias = l->bias ? l->bias[k] : 0.0f;
    (void)thread;
    for (size_t n = 0; n < (size_t)l->n; n++)
        l->out[n * (size_t)l->k + (size_t)k] =
            l->kernels->dot(l->x + n * (size_t)l->c, l->w + (size_t)k * (size_t)l->c, l->c) + bias;
}

void linear_f32_fwd(float *y, const float *x, const float *w, const float *bias, int n, int c, int k,
                    struct pool *pool)
{
    struct linear_call l = {
        .kernels = elem_kernels(), .out = y, .x = x, .w = w, .bias = bias, .n = n, .c = c, .k = k};
    pool_run(worth(&l, pool), k, linear_fwd_job, &l);
}

static void linear_bwd_d_job(void *arg, int n, int thread)
{
    const struct linear_call *l = arg;
    const size_t c = (size_t)l->c;
    (void)thread;
    l->kernels->combine(l->out + (size_t)n * c, l->dy + (size_t)n * (size_t)l->k, 1, l->w, c, l->k, l->c,
                        l->accumulate);
}

void linear_f32_bwd_d(float *dx, const float *dy, const float *w, int n, int c, int k, int accumulate,
                      struct pool *pool)
{
    struct linear_call l = {.kernels = elem_kernels(), .out = dx, .dy = dy, .w = w, .n = n, .c = c, .k = k,
                            .accumulate = accumulate};
    pool_run(worth(&l, pool), n, linear_bwd_d_job, &l);
}

static void linear_bwd_w_job(void *arg, int k, int thread)
{
    const struct linear_call *l = arg;
    const size_t c = (size_t)l->c;
    (void)thread;
    l->kernels->combine(l->out + (size_t)k * c, l->dy + k, (size_t)l->k, l->x, c, l->n, l->c, 1);
    if (!l->db) return;
    for (size_t n = 0; n < (size_t)l->n; n++) l->db[k] += l->dy[n * (size_t)l->k + (size_t)k];
}

void linear_f32_bwd_w(float *dw, float *db, const float *x, const float *dy, int n, int c, int k,
                      struct pool *pool)
{
    struct linear_call l = {
        .kernels = elem_kernels(), .out = dw, .db = db, .x = x, .dy = dy, .n = n, .c = c, .k = k};
    pool_run(worth(&l, pool), k, linear_bwd_w_job, &l);
}
