/* check_tiles.c - convolutions with bf16 arithmetic (tiles.h) without the machines that have it: the AMX
 * micro-kernel runs on an emulation of its six instructions, and the driver on the emulated and the portable
 * micro-kernel; both against the reference. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/bf16.h"
#include "tensor/tiles/tiles.h"
#include "tensor/base/cpu.h"
#include "tensor/base/rng.h"
#include "tests/unit/expect.h"

/* ---- the emulation ------------------------------------------------------------------------------------- */

static unsigned char tile[8][16][64];
static int configured;

static void emulate_load(int t, const void *p, size_t stride)
{
    CHECK(configured, "a tile is loaded before the configuration");
    for (int row = 0; row < 16; row++) memcpy(tile[t][row], (const char *)p + (size_t)row * stride, 64);
}

static void emulate_store(int t, void *p, size_t stride)
{
    for (int row = 0; row < 16; row++) memcpy((char *)p + (size_t)row * stride, tile[t][row], 64);
}

/* Intel's description of TDPBF16PS: even and odd values are summed apart. */
static void emulate_dot(int c, int a, int b)
{
    for (int m = 0; m < 16; m++)
        for (int n = 0; n < 16; n++) {
            float even = 0, odd = 0, sum;
            uint16_t x[32], y[2];
            memcpy(x, tile[a][m], sizeof x);
            for (int k = 0; k < 16; k++) {
                memcpy(y, &tile[b][k][4 * n], sizeof y);
                even = fmaf(f32_from_bf16(x[2 * k]), f32_from_bf16(y[0]), even);
                odd = fmaf(f32_from_bf16(x[2 * k + 1]), f32_from_bf16(y[1]), odd);
            }
            memcpy(&sum, &tile[c][m][4 * n], sizeof sum);
            sum += even + odd;
            memcpy(&tile[c][m][4 * n], &sum, sizeof sum);
        }
}

#define TILE_CONFIG(p) (configured = (p)->palette == 1 && (p)->rows[7] == 16 && (p)->row_bytes[7] == 64)
#define TILE_RELEASE() (configured = 0)
#define TILE_ZERO(t) memset(tile[t], 0, sizeof tile[t])
#define TILE_LOAD(t, p, stride) emulate_load(t, p, stride)
#define TILE_STORE(t, p, stride) emulate_store(t, p, stride)
#define TILE_DOT(c, a, b) emulate_dot(c, a, b)
#include "tensor/tiles/tiles_template_amx.h"

static struct tile_kernels emulated(void)
{
    struct tile_kernels k = tile_kernels_portable;
    k.name = "emulated amx";
    k.quantum = TILE_HALF;
    k.begin = begin;
    k.end = end;
    k.product = product;
    k.outer = NULL;
    return k;
}

/* ---- products ------------------------------------------------------------------------------------------ */

enum {
    STEPS = 5,
    ROW = 3 * TILE_DEPTH,
    A = STEPS * TILE_DEPTH + TILE_ROWS * ROW,
    B = STEPS * TILE_VALUES,
    C = TILE_ROWS * CONV_PANEL
};

/* whole: small whole numbers, whose sums are exact in every order; else the order counts, and only
 * `same_order` gives equal bits. */
static void check_product(const struct tile_kernels *k, int rows, int width, int steps, int accumulate,
                          int whole, int same_order)
{
    static uint16_t a[A], b[B];
    static float got[C], want[C], size[C];
    static const int32_t offset[STEPS] = {0, 2 * TILE_DEPTH, TILE_DEPTH, 4 * TILE_DEPTH, 3 * TILE_DEPTH};
    struct rng rng = rng_stream((uint64_t)(rows * 64 + width + steps), 0, 0, RNG_TEST);
    for (int i = 0; i < A; i++)
        a[i] = bf16_from_f32(whole ? (float)(int)(rng_float(&rng) * 31 - 15) : 2 * rng_float(&rng) - 1);
    for (int i = 0; i < B; i++)
        b[i] = bf16_from_f32(whole ? (float)(int)(rng_float(&rng) * 29 - 14) : 2 * rng_float(&rng) - 1);
    for (int i = 0; i < C; i++) got[i] = want[i] = size[i] = (float)(i % 97);
    struct tile_product t = {.c = want,
                             .rows = rows,
                             .width = width,
                             .accumulate = accumulate,
                             .a = a,
                             .a_row = ROW,
                             .offset = offset,
                             .b = b,
                             .steps = steps};
    tile_kernels_portable.product(&t);
    t.c = got;
    k->begin();
    k->product(&t);
    k->end();
    double worst = 0;
    int wrong = 0;
    for (int i = 0; i < rows * width; i++) {
        wrong += memcmp(&got[i], &want[i], sizeof got[i]) != 0;
        worst = fmax(worst, fabs((double)got[i] - (double)want[i]));
    }
    /* Values below 1 in n products, sums and start below n + 97: each of n roundings is at most 2^-24 of
     * it. */
    const double n = steps * TILE_DEPTH, bound = (n + 97) * sqrt(n) * 0x1p-23;
    if (whole || same_order)
        CHECK(wrong == 0, "%s, %d x %d, %d steps: %d values differ", k->name, rows, width, steps, wrong);
    else
        CHECK(worst <= bound, "%s, %d x %d, %d steps: off by %g, bound %g", k->name, rows, width, steps,
              worst, bound);
}

static void check_products(const struct tile_kernels *k, int same_order)
{
    for (int rows = 1; rows <= k->rows; rows++)
        for (int width = CONV_HALF_PANEL; width <= CONV_PANEL; width += CONV_HALF_PANEL)
            for (int v = 0; v < 4; v++)
                check_product(k, rows, width, 1 + (rows + v) % STEPS, v & 1, v >> 1, same_order);
}

#if defined(__x86_64__)
/* The weights of a panel, against plain C; nothing behind the last one is read. */
static void check_weights(const struct tile_kernels *k)
{
    enum { TAPS = 27, CHANNELS = 33, PADDED = 64, K = 32, ROOM = TAPS * PADDED * K };
    static uint16_t got[ROOM], want[ROOM];
    size_t offset[TAPS];
    for (int taps = 1; taps <= TAPS; taps += 13)
        for (int kn = 5; kn <= K; kn += 9)
            for (int swap = 0; swap < 2; swap++) {
                const size_t n = (size_t)(taps * CHANNELS * kn);
                float *w = malloc(n * sizeof *w);
                struct rng rng = rng_stream((uint64_t)(taps + kn), 0, 0, RNG_TEST);
                for (size_t i = 0; i < n; i++) w[i] = 2 * rng_float(&rng) - 1;
                for (int i = 0; i < taps; i++) offset[i] = (size_t)((i * 5 + 3) % taps * PADDED * K);
                struct tile_weights t = {.dst = want,
                                         .offset = offset,
                                         .w = w,
                                         .taps = taps,
                                         .channels = CHANNELS,
                                         .padded = PADDED,
                                         .kn = kn};
                t.width = kn > CONV_HALF_PANEL ? CONV_PANEL : CONV_HALF_PANEL;
                t.w_k = (size_t)(swap ? taps : taps * CHANNELS);
                t.w_c = (size_t)(swap ? taps * kn : taps);
                for (int i = 0; i < ROOM; i++) got[i] = want[i] = 0x1234;
                tile_kernels_portable.weights(&t);
                t.dst = got;
                k->weights(&t);
                CHECK(!memcmp(got, want, sizeof got), "%s: weights of %d taps, %d channels k differ", k->name,
                      taps, kn);
                free(w);
            }
}
#endif

/* ---- the driver ---------------------------------------------------------------------------------------- */

static uint16_t *random_bf16(float **values, size_t n, uint64_t seed)
{
    uint16_t *h = malloc(n * sizeof *h);
    struct rng rng = rng_stream(seed, 0, 0, RNG_TEST);
    *values = malloc(n * sizeof **values);
    for (size_t i = 0; i < n; i++) {
        h[i] = bf16_from_f32(2 * rng_float(&rng) - 1);
        (*values)[i] = f32_from_bf16(h[i]);
    }
    return h;
}

static void check_driver(const struct tile_kernels *k, const struct conv3d_shape *shape, struct pool *pool)
{
    struct conv3d_shape s = *shape;
    const size_t x_count = (size_t)s.n * (size_t)(s.in[0] * s.in[1] * s.in[2]) * (size_t)s.c,
                 y_count = (size_t)s.n * (size_t)(s.out[0] * s.out[1] * s.out[2]) * (size_t)s.k;
    const size_t w_count = (size_t)s.k * (size_t)s.c * (size_t)(s.kernel[0] * s.kernel[1] * s.kernel[2]);
    float *x, *w, *bias, *want = malloc(y_count * sizeof *want), *got = malloc(y_count * sizeof *got);
    uint16_t *x_half = random_bf16(&x, x_count, 1), *w_half = random_bf16(&w, w_count, 2),
             *bias_half = random_bf16(&bias, (size_t)s.k, 3);
    conv3d_ref_fwd(want, x, w, bias, &s, 0);
    s.x_type = CONV_BF16;
    struct gather g = gather_forward(&s);
    CHECK(tiles_fit(&g), "%s: the shape of %d to %d channels does not fit", k->name, s.c, s.k);
    g.y = got;
    g.x = x_half;
    g.w = w;
    g.bias = bias;
    g.scratch = aligned_alloc(64, (tiles_scratch(&g, pool_threads(pool)) * sizeof(float) + 63) / 64 * 64);
    tiles_run(&g, k, pool);
    const double n = (double)s.c * s.kernel[0] * s.kernel[1] * s.kernel[2] + 1,
                 bound = 2 * sqrt(n) * 0x1p-24 * n;
    double worst = 0;
    for (size_t i = 0; i < y_count; i++) worst = fmax(worst, fabs((double)got[i] - (double)want[i]));
    CHECK(worst <= bound, "%s, %d to %d channels, kernel %d: off by %g, bound %g", k->name, s.c, s.k,
          s.kernel[0], worst, bound);
    free(g.scratch);

    /* The weight gradient, from y's place as dy: dw is added to. */
    float *dy, *dw = calloc(w_count, sizeof *dw), *dw_want = calloc(w_count, sizeof *dw_want);
    uint16_t *dy_half = random_bf16(&dy, y_count, 4);
    for (size_t i = 0; i < w_count; i++) dw[i] = dw_want[i] = (float)(i % 5);
    conv3d_ref_bwd_w(dw_want, NULL, x, dy, shape);
    s.y_type = CONV_BF16;
    g = gather_forward(&s);
    g.x = x_half;
    g.y = dy_half;
    g.scratch =
        aligned_alloc(64, (tiles_outer_scratch(&g, pool_threads(pool)) * sizeof(float) + 63) / 64 * 64);
    tiles_outer_run(dw, &g, k, pool);
    const double m = (double)y_count / s.k + 5;
    worst = 0;
    for (size_t i = 0; i < w_count; i++) worst = fmax(worst, fabs((double)dw[i] - (double)dw_want[i]));
    CHECK(worst <= 2 * sqrt(m) * 0x1p-24 * m,
          "%s, weight gradient of %d to %d channels, kernel %d: off by %g", k->name, s.c, s.k, s.kernel[0],
          worst);
    free(g.scratch), free(dy), free(dy_half), free(dw), free(dw_want);
    free(x), free(w), free(bias), free(x_half), free(w_half), free(bias_half), free(want), free(got);
}

static void check_drivers(const struct tile_kernels *k, struct pool *pool)
{
    static const struct {
        int n, c, k, in[3], kernel[3], stride[3], pad[3];
    } list[] = {{1, 16, 16, {3, 4, 5}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}},
                {2, 32, 48, {2, 5, 19}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}},
                {1, 33, 17, {4, 5, 6}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}},
                {1, 40, 35, {3, 7, 9}, {1, 3, 3}, {1, 2, 2}, {0, 1, 1}},
                {2, 64, 32, {2, 3, 4}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}},
                {2, 64, 70, {4, 4, 5}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}},
                {1, 70, 64, {4, 4, 4}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        const struct conv3d_shape s = conv3d_shape(list[i].n, list[i].c, list[i].k, list[i].in,
                                                   list[i].kernel, list[i].stride, list[i].pad);
        check_driver(k, &s, pool);
    }
}

int main(void)
{
    const struct tile_kernels amx = emulated();
    struct pool *pool = pool_create(2);
    check_products(&tile_kernels_portable, 1);
    check_products(&amx, 0);
#if defined(__x86_64__)
    if (cpu_isa_hardware() >= ISA_AVX512_BF16) {
        check_products(&tile_kernels_avx512bf16, 1);
        check_weights(&tile_kernels_avx512bf16);
        check_drivers(&tile_kernels_avx512bf16, pool);
    }
#endif
    check_drivers(&tile_kernels_portable, pool);
    check_drivers(&amx, NULL); /* the emulated tiles are one set */
    pool_destroy(pool);
    return check_done("check_tiles");
}
