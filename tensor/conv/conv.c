/* conv.c - convolutions: the algorithm of each pass chosen once, and the calls. */
#include "tensor/conv/conv.h"

#include "tensor/base/check.h"
#include "tensor/conv/conv_algorithm.h"

/* For the bias of a transposed convolution the roles do not change sides: its gradient is the sum of dy over
 * all voxels, the y of a 1x1x1 convolution. */
static struct conv3d_shape bias_shape(const struct conv3d_shape *s)
{
    static const int one[3] = {1, 1, 1}, zero[3] = {0, 0, 0};
    struct conv3d_shape b = conv3d_shape(s->n, 1, s->k, s->out, one, one, zero);
    b.y_type = s->y_type;
    return b;
}

void conv_use(struct conv3d *c, enum conv_pass pass, const struct conv_algorithm *a)
{
    const struct conv_problem p = conv_problem(&c->shape, c->transposed, pass);
    const struct conv3d_shape b = bias_shape(&c->shape);
    const size_t own = a->scratch(&p, c->threads),
                 bias = c->transposed && pass == CONV_BACKWARD_WEIGHTS ? bias_scratch(&b) : 0;
    c->algorithm[pass] = a;
    c->scratch[pass] = own > bias ? own : bias;
}

struct conv3d conv3d_choose(const struct conv3d_shape *s, int transposed, int threads)
{
    struct conv3d c = {.shape = *s, .transposed = transposed, .threads = threads, .level = cpu_isa()};
    for (enum conv_pass pass = CONV_FORWARD; pass < CONV_PASSES; pass++) {
        const struct conv_problem p = conv_problem(s, transposed, pass);
        conv_use(&c, pass, conv_choose(&p, c.level));
    }
    return c;
}

const char *conv3d_algorithm(const struct conv3d *c, enum conv_pass pass)
{
    return c->algorithm[pass]->name;
}

/* ---- calls --------------------------------------------------------------------------------------------- */

static void run(const struct conv3d *c, enum conv_pass pass, const struct conv_problem *p, float *scratch,
                struct pool *pool)
{
    ENSURE(c->level == cpu_isa() && pool_threads(pool) <= c->threads,
           "convolution: chosen for %s and %d threads, called at %s with %d", cpu_isa_name(c->level),
           c->threads, cpu_isa_name(cpu_isa()), pool_threads(pool));
    c->algorithm[pass]->run(p, scratch, pool);
}

/* Forward or backward-data. */
static void run_gather(const struct conv3d *c, enum conv_pass pass, void *y, const void *x, const float *w,
                       const float *bias, int accumulate, float *scratch, struct pool *pool)
{
    ENSURE(!(bias && accumulate), "convolution: a bias and values to continue from");
    struct conv_problem p = conv_problem(&c->shape, c->transposed, pass);
    p.gather.y = y;
    p.gather.x = x;
    p.gather.w = w + (size_t)p.shape.w_offset * conv_taps(&p.shape);
    p.gather.bias = bias;
    p.gather.accumulate = accumulate;
    run(c, pass, &p, scratch, pool);
}

void conv3d_fwd(void *y, const void *x, const float *w, const float *bias, const struct conv3d *c,
                int accumulate, float *scratch, struct pool *pool)
{
    run_gather(c, CONV_FORWARD, y, x, w, bias, accumulate, scratch, pool);
}

void conv3d_bwd_d(void *dx, const void *dy, const float *w, const struct conv3d *c, int accumulate,
                  float *scratch, struct pool *pool)
{
    run_gather(c, CONV_BACKWARD_DATA, dx, dy, w, NULL, accumulate, scratch, pool);
}

void conv3d_bwd_w(float *dw, float *db, const void *x, const void *dy, const struct conv3d *c, float *scratch,
                  struct pool *pool)
{
    struct conv_problem p = conv_problem(&c->shape, c->transposed, CONV_BACKWARD_WEIGHTS);
    p.gather.x = c->transposed ? dy : x;
    p.gather.y = (void *)(uintptr_t)(c->transposed ? x : dy); /* is only read */
    p.dw = dw + (size_t)p.shape.w_offset * conv_taps(&p.shape);
    p.db = c->transposed ? NULL : db;
    run(c, CONV_BACKWARD_WEIGHTS, &p, scratch, pool);
    if (!c->transposed || !db) return;
    const struct conv3d_shape b = bias_shape(&c->shape);
    bias_run(db, dy, &b, scratch, pool);
}
