/* bench_kernels.c - speed of the convolution kernels on layers that networks have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/bench/bench.h"
#include "tensor/base/bf16.h"
#include "tensor/base/clock.h"
#include "tensor/conv/conv.h"
#include "tensor/tiles/peak.h"
#include "tensor/base/cpu.h"
#include "tensor/base/pool.h"
#include "tensor/base/rng.h"

/* nnU-Net's stages for a hippocampus (patch 40x56x40) and for 128x128x128, a ResNet's, heads (p) and
 * transposed ones (t). */
static const struct layer {
    const char *name;
    int n, c, k, in[3], kernel, stride, transposed;
} layers[] = {
    {"c1_32_40x56x40_b2", 2, 1, 32, {40, 56, 40}, 3, 1, 0},
    {"c32_32_40x56x40_b2", 2, 32, 32, {40, 56, 40}, 3, 1, 0},
    {"c64_32_40x56x40_b2", 2, 64, 32, {40, 56, 40}, 3, 1, 0},
    {"c32_64_s2_40x56x40_b2", 2, 32, 64, {40, 56, 40}, 3, 2, 0},
    {"c64_64_20x28x20_b2", 2, 64, 64, {20, 28, 20}, 3, 1, 0},
    {"c64_128_s2_20x28x20_b2", 2, 64, 128, {20, 28, 20}, 3, 2, 0},
    {"c128_128_10x14x10_b2", 2, 128, 128, {10, 14, 10}, 3, 1, 0},
    {"c256_256_5x7x5_b2", 2, 256, 256, {5, 7, 5}, 3, 1, 0},
    {"c320_320_4x4x4_b2", 2, 320, 320, {4, 4, 4}, 3, 1, 0},
    {"c32_32_128x128x128_b1", 1, 32, 32, {128, 128, 128}, 3, 1, 0},
    {"c1_32_128x128x128_b1", 1, 1, 32, {128, 128, 128}, 3, 1, 0},
    {"c64_64_28x28x28_b4", 4, 64, 64, {28, 28, 28}, 3, 1, 0},
    {"p32_3_40x56x40_b2", 2, 32, 3, {40, 56, 40}, 1, 1, 0},
    {"p64_32_40x56x40_b2", 2, 64, 32, {40, 56, 40}, 1, 1, 0},
    {"t64_32_20x28x20_b2", 2, 64, 32, {20, 28, 20}, 2, 2, 1},
    {"t256_128_5x7x5_b2", 2, 256, 128, {5, 7, 5}, 2, 2, 1},
};

enum pass { FWD, BWD_D, BWD_W, PASSES };
static const char *const pass_names[PASSES] = {"fwd", "bwd_d", "bwd_w"};

/* A layer with its buffers, which all passes share: x dx, y dy, w dw, bias db, scratch. */
struct run {
    struct conv3d c;
    void *x, *dx, *y, *dy;
    float *w, *dw, *bias, *db, *scratch;
    char *block;
    double flops;
};

static void call(const struct run *r, enum pass pass, struct pool *pool)
{
    switch (pass) {
    case FWD: conv3d_fwd(r->y, r->x, r->w, r->bias, &r->c, 0, r->scratch, pool); break;
    case BWD_D: conv3d_bwd_d(r->dx, r->dy, r->w, &r->c, 0, r->scratch, pool); break;
    default: conv3d_bwd_w(r->dw, r->db, r->x, r->dy, &r->c, r->scratch, pool);
    }
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t scratch_floats(const struct conv3d *c)
{
    return larger(c->scratch[CONV_FORWARD],
                  larger(c->scratch[CONV_BACKWARD_DATA], c->scratch[CONV_BACKWARD_WEIGHTS]));
}

enum { BUFFERS = 9 };

/* In whole cache lines. */
static size_t padded_bytes(size_t values, enum conv_type type)
{
    return (values * (type == CONV_BF16 ? sizeof(uint16_t) : sizeof(float)) + 63) / 64 * 64;
}

static void fill(void *values, size_t n, enum conv_type type, struct rng *rng)
{
    uint16_t *h = values;
    float *f = values;
    for (size_t i = 0; i < n; i++) {
        const float v = rng_float(rng) - 0.5f;
        if (type == CONV_BF16)
            h[i] = bf16_from_f32(v);
        else
            f[i] = v;
    }
}

static int run_create(struct run *r, const struct layer *l, int bf16, int threads, struct error *e)
{
    const int pad = l->kernel / 2, size[3] = {l->kernel, l->kernel, l->kernel},
              stride[3] = {l->stride, l->stride, l->stride}, pads[3] = {pad, pad, pad};
    struct conv3d_shape shape = l->transposed ? conv3d_shape_transposed(l->n, l->c, l->k, l->in, stride)
                                              : conv3d_shape(l->n, l->c, l->k, l->in, size, stride, pads);
    /* An image comes as floats, and logits leave as floats. */
    shape.x_type = bf16 && l->c > 1 ? CONV_BF16 : CONV_F32;
    shape.y_type = bf16 && l->k > 8 ? CONV_BF16 : CONV_F32;
    *r = (struct run){.c = conv3d_choose(&shape, l->transposed, threads)};
    const struct conv3d_shape *s = &shape;
    const enum conv_type types[BUFFERS] = {s->x_type, s->x_type, s->y_type, s->y_type};
    const size_t taps = (size_t)l->kernel * (size_t)l->kernel * (size_t)l->kernel, c = (size_t)s->c,
                 k = (size_t)s->k;
    const size_t in = (size_t)s->n * (size_t)s->in[0] * (size_t)s->in[1] * (size_t)s->in[2];
    const size_t out = (size_t)s->n * (size_t)s->out[0] * (size_t)s->out[1] * (size_t)s->out[2];
    const size_t values[BUFFERS] = {
        in * c, in * c, out * k, out * k, c * k * taps, c * k * taps, k, k, scratch_floats(&r->c)};
    size_t bytes = 0;
    for (int i = 0; i < BUFFERS; i++) bytes += padded_bytes(values[i], types[i]);
    char *at = r->block = aligned_alloc(64, bytes);
    if (!r->block) return error_set(e, "bench: no memory for %s: %zu bytes", l->name, bytes);
    struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
    void *buffer[BUFFERS];
    for (int i = 0; i < BUFFERS; i++) {
        fill(at, values[i], types[i], &rng);
        buffer[i] = at;
        at += padded_bytes(values[i], types[i]);
    }
    r->x = buffer[0], r->dx = buffer[1], r->y = buffer[2], r->dy = buffer[3];
    r->w = buffer[4], r->dw = buffer[5], r->bias = buffer[6], r->db = buffer[7], r->scratch = buffer[8];
    r->flops = 2.0 * (double)(l->transposed ? in : out) * (double)(c * k * taps);
    return 0;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median of one call: two to warm up, then at least 5 and up to 101 within half a second. */
static double median_seconds(const struct run *r, enum pass pass, struct pool *pool)
{
    double seconds[101];
    int n = 0;
    for (int i = 0; i < 2; i++) call(r, pass, pool);
    for (const double start = clock_seconds(); n < 5 || (n < 101 && clock_seconds() - start < 0.5); n++) {
        const double before = clock_seconds();
        call(r, pass, pool);
        seconds[n] = clock_seconds() - before;
    }
    qsort(seconds, (size_t)n, sizeof *seconds, ascending);
    return seconds[n / 2];
}

static void bench_layer(const struct run *r, const char *name, const char *precision, struct pool *pool,
                        double peak, struct text *table)
{
    const int threads = pool_threads(pool);
    printf("%-24s", name);
    for (int pass = FWD; pass < PASSES; pass++) {
        const double seconds = median_seconds(r, (enum pass)pass, pool), gflops = r->flops / seconds * 1e-9;
        printf(" %9.2f ms %6.1f %4.0f%%", seconds * 1e3, gflops, 100 * gflops / peak);
        fflush(stdout);
        char row[200];
        snprintf(row, sizeof row, "%s,%s,%s,%d,%.6g,%.4g,%.4g\n", name, precision, pass_names[pass], threads,
                 seconds, gflops, peak);
        text_puts(table, row);
    }
    printf("\n");
}

/* All layers whose names contain filter; returns how many, or -1. */
static int bench_layers(int bf16, const char *filter, struct pool *pool, struct text *table, struct error *e)
{
    const char *precision = bf16 ? "bf16" : "fp32";
    const double peak = bf16 ? kernel_peak_bf16(pool) : kernel_peak_f32(pool);
    int found = 0;
    printf("%s, %s, %d threads, peak %.1f GFLOP/s\n%-24s %25s %25s %25s\n", precision,
           cpu_isa_name(cpu_isa()), pool_threads(pool), peak, "median, GFLOP/s, of peak", "forward",
           "backward-data", "backward-weights");
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        struct run r;
        if (filter && !strstr(layers[i].name, filter)) continue;
        if (run_create(&r, &layers[i], bf16, pool_threads(pool), e)) return -1;
        bench_layer(&r, layers[i].name, precision, pool, peak, table);
        free(r.block);
        found++;
    }
    return found;
}

int bench_kernels(struct text *table, int threads, const char *filter, const char *precision, struct error *e)
{
    struct pool *pool = pool_create(threads);
    if (!pool) return error_set(e, "bench: cannot start %d threads", threads);
    int found = 1;
    text_puts(table, "name,precision,pass,threads,seconds,gflops,peak_gflops\n");
    for (int bf16 = 0; bf16 < 2 && found > 0; bf16++)
        if (!precision || !strcmp(precision, bf16 ? "bf16" : "fp32"))
            found = bench_layers(bf16, filter, pool, table, e);
    pool_destroy(pool);
    if (found == 0) error_set(e, "--case %s: no layer of bench kernels has it in its name", filter);
    return found > 0 ? 0 : -1;
}
