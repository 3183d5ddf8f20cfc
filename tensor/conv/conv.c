/* conv.c - convolutions: their passes as problems, the algorithm of each chosen once, and the calls.
 * The book: docs/book/08_deterministic_step.md */
#include "tensor/conv/conv.h"

#include "tensor/base/check.h"
#include "tensor/base/isa.h"
#include "tensor/conv/conv_algorithm.h"

const struct conv_kernels *conv_kernels(void)
{
    switch (cpu_isa()) {
#if ISA_X86
    case ISA_AMX:
    case ISA_AVX512_BF16:
    case ISA_AVX512: return &conv_kernels_avx512;
    case ISA_AVX2: return &conv_kernels_avx2;
#endif
#if ISA_ARM64
    case ISA_NEON: return &conv_kernels_neon;
#endif
#if ISA_WASM
    case ISA_SIMD128: return &conv_kernels_wasm;
#endif
    default: return &conv_kernels_scalar;
    }
}

/* Eight lanes: twice as many of these products start in a cycle on AMD, and as many on Intel. */
const struct conv_kernels *conv_kernels_few(int k)
{
#if ISA_X86
    if (k <= 8 && conv_kernels() == &conv_kernels_avx512) return &conv_kernels_avx2;
#endif
    (void)k;
    return conv_kernels();
}

/* ---- shapes -------------------------------------------------------------------------------------------- */

static void check_shape(const struct conv3d_shape *s)
{
    ENSURE(s->n > 0 && s->c > 0 && s->k > 0 && s->w_offset >= 0 && s->w_offset + s->c <= s->w_channels,
           "convolution: batch %d, channels %d of %d from %d to %d", s->n, s->c, s->w_channels, s->w_offset,
           s->k);
    for (int i = 0; i < 3; i++)
        ENSURE(s->in[i] > 0 && s->kernel[i] > 0 && s->stride[i] > 0 && s->pad[i] >= 0 &&
                   s->out[i] == (s->in[i] + 2 * s->pad[i] - s->kernel[i]) / s->stride[i] + 1 && s->out[i] > 0,
               "convolution: axis %d: %d to %d with kernel %d, stride %d, pad %d", i, s->in[i], s->out[i],
               s->kernel[i], s->stride[i], s->pad[i]);
}

/* The convolution whose backward-data the transposed convolution is: from the large y to the small x. */
static struct conv3d_shape adjoint(const struct conv3d_shape *s)
{
    struct conv3d_shape a = {
        .n = s->n, .c = s->k, .k = s->c, .w_channels = s->k, .x_type = s->y_type, .y_type = s->x_type};
    for (int i = 0; i < 3; i++) {
        ENSURE(s->kernel[i] == s->stride[i] && s->pad[i] == 0 && s->out[i] == s->in[i] * s->stride[i],
               "transposed convolution: axis %d: %d to %d with kernel %d, stride %d, pad %d", i, s->in[i],
               s->out[i], s->kernel[i], s->stride[i], s->pad[i]);
        a.in[i] = s->out[i];
        a.out[i] = s->in[i];
        a.kernel[i] = a.stride[i] = s->stride[i];
    }
    return a;
}

static size_t taps(const struct conv3d_shape *s)
{
    return (size_t)s->kernel[0] * (size_t)s->kernel[1] * (size_t)s->kernel[2];
}

/* ---- problems ------------------------------------------------------------------------------------------ */

struct gather gather_forward(const struct conv3d_shape *s)
{
    check_shape(s);
    struct gather g = {
        .n = s->n, .c = s->c, .k = s->k, .direction = 1, .x_type = s->x_type, .y_type = s->y_type};
    g.w_c = taps(s);
    g.w_k = (size_t)s->w_channels * taps(s);
    for (int i = 0; i < 3; i++) {
        g.x_size[i] = s->in[i];
        g.y_size[i] = s->out[i];
        g.kernel[i] = s->kernel[i];
        g.stride[i] = s->stride[i];
        g.pad[i] = s->pad[i];
    }
    return g;
}

struct gather gather_backward(const struct conv3d_shape *s)
{
    struct gather g = gather_forward(s);
    g.direction = -1;
    g.c = s->k;
    g.k = s->c;
    g.x_type = s->y_type;
    g.y_type = s->x_type;
    g.w_k = taps(s);
    g.w_c = (size_t)s->w_channels * taps(s);
    for (int i = 0; i < 3; i++) {
        g.x_size[i] = s->out[i];
        g.y_size[i] = s->in[i];
    }
    return g;
}

/* Lines are cut into as many stripes as make CONV_PARTS jobs of panels and blocks; by the shape alone. */
int conv_stripes(const struct conv3d_shape *s)
{
    const int lines = s->n * s->out[0] * s->out[1];
    return conv_max(1, conv_min(lines, CONV_PARTS / (conv_panels(s->k) * conv_blocks(s->c))));
}

struct conv_problem conv_problem(const struct conv3d_shape *s, int transposed, enum conv_pass pass)
{
    static const enum conv_pass of_adjoint[CONV_PASSES] = {CONV_BACKWARD_DATA, CONV_FORWARD,
                                                           CONV_BACKWARD_WEIGHTS};
    struct conv_problem p = {.pass = transposed ? of_adjoint[pass] : pass,
                             .shape = transposed ? adjoint(s) : *s};
    p.gather = p.pass == CONV_BACKWARD_DATA ? gather_backward(&p.shape) : gather_forward(&p.shape);
    p.stripes = conv_stripes(&p.shape);
    return p;
}

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
    p.gather.w = w + (size_t)p.shape.w_offset * taps(&p.shape);
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
    p.dw = dw + (size_t)p.shape.w_offset * taps(&p.shape);
    p.db = c->transposed ? NULL : db;
    run(c, CONV_BACKWARD_WEIGHTS, &p, scratch, pool);
    if (!c->transposed || !db) return;
    const struct conv3d_shape b = bias_shape(&c->shape);
    bias_run(db, dy, &b, scratch, pool);
}
