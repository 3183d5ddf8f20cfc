/* Shapes, and the passes of conv.h as gather and outer problems (conv_kernels.h). */
#include "tensor/conv/conv.h"


#include "tensor/base/check.h"
#include "tensor/base/clock.h"
#include "tensor/conv/conv_kernels.h"
#include "tensor/conv/conv_tiles.h"
#include "tensor/conv/conv_winograd_bf16.h"
#include "tensor/base/isa.h"

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

/* ---- shapes ----------------------------------------------------------------------------------------------------------- */

static void check_shape(const struct conv3d_shape *s)
{
    ENSURE(s->n > 0 && s->c > 0 && s->k > 0 && s->w_offset >= 0 && s->w_offset + s->c <= s->w_channels,
           "convolution: batch %d, channels %d of %d from %d to %d", s->n, s->c, s->w_channels, s->w_offset, s->k);
    for (int i = 0; i < 3; i++)
        ENSURE(s->in[i] > 0 && s->kernel[i] > 0 && s->stride[i] > 0 && s->pad[i] >= 0 &&
                   s->out[i] == (s->in[i] + 2 * s->pad[i] - s->kernel[i]) / s->stride[i] + 1 && s->out[i] > 0,
               "convolution: axis %d: %d to %d with kernel %d, stride %d, pad %d", i, s->in[i], s->out[i], s->kernel[i],
               s->stride[i], s->pad[i]);
}

/* The convolution whose backward-data the transposed convolution is: from the large y to the small x. */
static struct conv3d_shape adjoint(const struct conv3d_shape *s)
{
    struct conv3d_shape a = {.n = s->n, .c = s->k, .k = s->c, .w_channels = s->k, .x_type = s->y_type, .y_type = s->x_type};
    for (int i = 0; i < 3; i++) {
        ENSURE(s->kernel[i] == s->stride[i] && s->pad[i] == 0 && s->out[i] == s->in[i] * s->stride[i],
               "transposed convolution: axis %d: %d to %d with kernel %d, stride %d, pad %d", i, s->in[i], s->out[i],
               s->kernel[i], s->stride[i], s->pad[i]);
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

/* ---- forward and backward-data ---------------------------------------------------------------------------------------- */

struct gather gather_forward(const struct conv3d_shape *s)
{
    check_shape(s);
    struct gather g = {.n = s->n, .c = s->c, .k = s->k, .direction = 1, .x_type = s->x_type, .y_type = s->y_type};
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

/* Fills in the operands and runs. */
static void run(struct gather g, void *y, const void *x, const float *w, const float *bias, const struct conv3d_shape *s,
                int accumulate, float *scratch, struct pool *pool)
{
    ENSURE(!(bias && accumulate), "convolution: a bias and values to continue from");
    g.y = y;
    g.x = x;
    g.w = w + (size_t)s->w_offset * taps(s);
    g.bias = bias;
    g.accumulate = accumulate;
    g.scratch = scratch;
    if (plane_fits(&g))
        plane_run(&g, pool);
    else if (tiles_pay(&g))
        tiles_run(&g, tile_kernels(), pool);
    else if (winograd_form(&g))
        winograd_run(&g, pool);
    else
        gather_run(&g, pool);
}

static size_t scratch_floats(struct gather g, int threads)
{
    return plane_fits(&g) ? plane_scratch(&g, threads)
         : tiles_pay(&g) ? tiles_scratch(&g, threads) : winograd_form(&g) ? winograd_scratch(&g, threads) : gather_scratch(&g, threads);
}

size_t conv3d_scratch_fwd(const struct conv3d_shape *s, int threads)
{
    return scratch_floats(gather_forward(s), threads);
}

size_t conv3d_scratch_bwd_d(const struct conv3d_shape *s, int threads)
{
    return scratch_floats(gather_backward(s), threads);
}

void conv3d_fwd(void *y, const void *x, const float *w, const float *bias, const struct conv3d_shape *s,
                    int accumulate, float *scratch, struct pool *pool)
{
    run(gather_forward(s), y, x, w, bias, s, accumulate, scratch, pool);
}

void conv3d_bwd_d(void *dx, const void *dy, const float *w, const struct conv3d_shape *s, int accumulate,
                      float *scratch, struct pool *pool)
{
    run(gather_backward(s), dx, dy, w, NULL, s, accumulate, scratch, pool);
}

/* ---- backward-weights ------------------------------------------------------------------------------------------------- */

/* Few outputs of one tap fill a panel badly: the same products with x and dy in exchanged roles, the many channels of x in the lanes. */
static int exchanges(struct conv3d_shape *e, const struct conv3d_shape *s)
{
    static const int one[3] = {1, 1, 1}, zero[3] = {0, 0, 0};
    for (int i = 0; i < 3; i++)
        if (s->kernel[i] != 1 || s->stride[i] != 1 || s->pad[i] != 0) return 0;
    *e = conv3d_shape(s->n, s->k, s->c, s->in, one, one, zero);
    e->x_type = s->y_type;
    e->y_type = s->x_type;
    return s->k < CONV_HALF_PANEL && s->c >= CONV_HALF_PANEL;
}

size_t conv3d_scratch_bwd_w(const struct conv3d_shape *s, int threads)
{
    const struct gather g = gather_forward(s);
    struct conv3d_shape e;
    const size_t alone = outer_scratch(s, outer_stripes(s), threads), exchanged = exchanges(&e, s) ? outer_scratch(&e, outer_stripes(s), threads) : 0;
    const size_t plain = alone > exchanged ? alone : exchanged, tiles = !plane_outer_fits(&g) && tiles_outer_pay(&g) ? tiles_outer_scratch(&g, threads) : 0;
    return plain > tiles ? plain : tiles;
}

/* dw points at the first of the weights of s, whose strides are those of gather_forward. */
static void backward_weights(float *dw, float *db, const void *x, const void *dy, const struct conv3d_shape *s, float *scratch, struct pool *pool)
{
    struct gather g = gather_forward(s);
    g.x = x;
    g.y = (void *)(uintptr_t)dy; /* is only read */
    g.scratch = scratch;
    const int tiles = dw && !plane_outer_fits(&g) && tiles_outer_pay(&g);
    if (tiles) tiles_outer_run(dw, &g, tile_kernels(), pool);
    struct conv3d_shape e;
    const int exchanged = dw && !tiles && exchanges(&e, s), stripes = outer_stripes(s);
    if (exchanged) outer_run(dw, g.w_c, g.w_k, NULL, dy, x, &e, stripes, scratch, pool);
    if (tiles || exchanged) dw = NULL;
    if (dw || db) outer_run(dw, g.w_k, g.w_c, db, x, dy, s, stripes, scratch, pool);
}

void conv3d_bwd_w(float *dw, float *db, const void *x, const void *dy, const struct conv3d_shape *s,
                      float *scratch, struct pool *pool)
{
    check_shape(s);
    backward_weights(dw + (size_t)s->w_offset * taps(s), db, x, dy, s, scratch, pool);
}

/* ---- transposed ------------------------------------------------------------------------------------------------------- */

size_t tconv3d_scratch_fwd(const struct conv3d_shape *s, int threads)
{
    const struct conv3d_shape a = adjoint(s);
    return conv3d_scratch_bwd_d(&a, threads);
}

size_t tconv3d_scratch_bwd_d(const struct conv3d_shape *s, int threads)
{
    const struct conv3d_shape a = adjoint(s);
    return conv3d_scratch_fwd(&a, threads);
}

/* For the bias the roles do not change sides: its gradient is the sum of dy over all voxels, the y of a 1x1x1 convolution. */
static struct conv3d_shape bias_shape(const struct conv3d_shape *s)
{
    static const int one[3] = {1, 1, 1}, zero[3] = {0, 0, 0};
    struct conv3d_shape b = conv3d_shape(s->n, 1, s->k, s->out, one, one, zero);
    b.y_type = s->y_type;
    return b;
}

size_t tconv3d_scratch_bwd_w(const struct conv3d_shape *s, int threads)
{
    const struct conv3d_shape a = adjoint(s), b = bias_shape(s);
    const size_t weights = conv3d_scratch_bwd_w(&a, threads), bias = outer_scratch(&b, outer_stripes(&b), threads);
    return weights > bias ? weights : bias;
}

void tconv3d_fwd(void *y, const void *x, const float *w, const float *bias, const struct conv3d_shape *s,
                     float *scratch, struct pool *pool)
{
    const struct conv3d_shape a = adjoint(s);
    run(gather_backward(&a), y, x, w, bias, &a, 0, scratch, pool);
}

void tconv3d_bwd_d(void *dx, const void *dy, const float *w, const struct conv3d_shape *s, int accumulate,
                       float *scratch, struct pool *pool)
{
    const struct conv3d_shape a = adjoint(s);
    conv3d_fwd(dx, dy, w, NULL, &a, accumulate, scratch, pool);
}

void tconv3d_bwd_w(float *dw, float *db, const void *x, const void *dy, const struct conv3d_shape *s,
                       float *scratch, struct pool *pool)
{
    const struct conv3d_shape a = adjoint(s);
    backward_weights(dw, NULL, dy, x, &a, scratch, pool);
    if (!db) return;
    const struct conv3d_shape b = bias_shape(s);
    outer_run(NULL, 0, 0, db, NULL, dy, &b, outer_stripes(&b), scratch, pool);
}

/* ---- peak ------------------------------------------------------------------------------------------------------------- */

struct peak {
    int (*fma)(float *out, long n); /* either this one */
    double (*products)(long n);     /* or this one */
    long rounds;
};

static double peak_rounds(const struct peak *p, long rounds)
{
    volatile float sink; /* so that the work is not removed */
    float out;
    if (p->products) return p->products(rounds);
    const int flops = p->fma(&out, rounds);
    sink = out;
    (void)sink;
    return flops;
}

static void peak_job(void *arg, int job, int thread)
{
    const struct peak *p = arg;
    (void)job;
    (void)thread;
    peak_rounds(p, p->rounds);
}

static double measure_peak(struct peak p, struct pool *pool)
{
    p.rounds = 1000;
    const int threads = pool_threads(pool);
    const double flops = peak_rounds(&p, 1);
    double best = 0, spent = 0;
    while (spent < 0.1) {
        const double start = clock_seconds();
        pool_run(pool, threads, peak_job, &p);
        const double seconds = clock_seconds() - start;
        spent += seconds;
        if (seconds < 0.002) { /* too short to time well */
            p.rounds *= 2;
            continue;
        }
        const double rate = flops * (double)p.rounds * threads / seconds * 1e-9;
        best = rate > best ? rate : best;
    }
    return best;
}

double kernel_peak_f32(struct pool *pool)
{
    return measure_peak((struct peak){.fma = conv_kernels()->peak}, pool);
}

double kernel_peak_bf16(struct pool *pool)
{
    const double f32 = kernel_peak_f32(pool);
    if (!tile_kernels()) return f32;
    const double bf16 = measure_peak((struct peak){.products = tile_kernels()->peak}, pool);
    return bf16 > f32 ? bf16 : f32;
}
