/* wasm_levels.c - for a WebAssembly engine (check_wasm.sh): the FMA made from doubles has the bits of fmaf,
 * and the level simd128 has those of plain C in each pass of convolutions and in elementwise calls, fp32 and
 * bf16. The page's pool of one thread (apps/web/pool_single.c) stands in for pool.c. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/cpu.h"
#include "tensor/base/pool.h"
#include "tensor/conv/conv.h"
#include "tensor/elem/elem.h"
#include "tensor/vec/vec_wasm.h"
#include "tests/unit/expect.h"

static uint64_t state = 1;

static uint32_t random_bits(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

static float random_float(void)
{
    return (float)(int32_t)random_bits() * 0x1p-31f;
}

/* ---- fused multiply-add -------------------------------------------------------------------------------- */

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Every float there is, in four ways: any bits, few bits set (exact ties), an addend close to the product,
 * and results below the normal range. */
static void operands(int way, float *a, float *b, float *c)
{
    *a = float_of(random_bits());
    *b = float_of(random_bits());
    *c = float_of(random_bits());
    if (way == 0) return;
    *a = float_of((random_bits() & 0x8f800000u) | 0x38000000u |
                  (random_bits() & random_bits() & random_bits() & 0x7fffffu));
    *b = float_of((random_bits() & 0x8f800000u) | 0x38000000u |
                  (random_bits() & random_bits() & random_bits() & 0x7fffffu));
    *c = float_of((random_bits() & 0x8f800000u) | 0x38000000u |
                  (random_bits() & random_bits() & random_bits() & 0x7fffffu));
    if (way == 2) *c = -(*a * *b) * (1 + (float)(random_bits() & 7) * 0x1p-23f);
    if (way == 3) {
        *a *= 0x1p-70f;
        *b *= 0x1p-70f;
        *c *= 0x1p-140f;
    }
}

static void check_fma(void)
{
    static const float special[] = {0.0f,          -0.0f,           1.0f,
                                    -1.0f,         0x1p-149f,       -0x1p-149f,
                                    0x1p-126f,     0x1.fffffep127f, -0x1.fffffep127f,
                                    INFINITY,      -INFINITY,       NAN,
                                    0x1.000002p0f, 0x1p24f,         -0x1p-24f,
                                    0x1p-75f};
    enum { SPECIAL = sizeof special / sizeof *special, RANDOM = 100000 };
    long wrong = 0, tried = 0;
    for (int i = 0; i < RANDOM + SPECIAL * SPECIAL * SPECIAL; i++) {
        float a[4], b[4], c[4], got[4], minus[4];
        for (int lane = 0; lane < 4; lane++) {
            const int k = i - RANDOM;
            operands(i % 4, &a[lane], &b[lane], &c[lane]);
            if (k < 0) continue;
            a[lane] = special[k % SPECIAL];
            b[lane] = special[k / SPECIAL % SPECIAL];
            c[lane] = special[k / SPECIAL / SPECIAL];
        }
        vf_store(got, vf_fma(vf_load(a), vf_load(b), vf_load(c)));
        vf_store(minus, vf_fnma(vf_load(a), vf_load(b), vf_load(c)));
        for (int lane = 0; lane < 4; lane++) {
            const float right = fmaf(a[lane], b[lane], c[lane]),
                        right_minus = fmaf(-a[lane], b[lane], c[lane]);
            wrong += isnan(right) ? !isnan(got[lane]) : memcmp(&right, &got[lane], sizeof right) != 0;
            wrong += isnan(right_minus) ? !isnan(minus[lane])
                                        : memcmp(&right_minus, &minus[lane], sizeof right) != 0;
            tried += 2;
        }
    }
    CHECK(wrong == 0, "%ld of %ld fused multiply-adds have other bits than fmaf", wrong, tried);
}

/* ---- levels -------------------------------------------------------------------------------------------- */

static float *random_floats(size_t n)
{
    float *x = malloc(n * sizeof *x);
    if (!x) abort();
    for (size_t i = 0; i < n; i++) x[i] = random_float();
    return x;
}

enum { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS, PASSES }; /* as enum conv_pass */

static float *run_pass(int pass, const struct conv3d_shape *s, const float *x, const float *dy,
                       const float *w, size_t *count)
{
    const size_t in = (size_t)s->n * s->in[0] * s->in[1] * s->in[2] * s->c;
    const size_t out = (size_t)s->n * s->out[0] * s->out[1] * s->out[2] * s->k;
    const size_t weights = (size_t)s->kernel[0] * s->kernel[1] * s->kernel[2] * s->c * s->k;
    const struct conv3d c = conv3d_choose(s, 0, 1);
    const size_t floats = c.scratch[pass];
    float *scratch = aligned_alloc(64, (floats * sizeof *scratch + 127) / 64 * 64),
          *result = calloc(in + out + weights + s->k, sizeof *result);
    if (!scratch || !result) abort();
    *count = pass == FORWARD ? out : pass == BACKWARD_DATA ? in : weights + (size_t)s->k;
    if (pass == FORWARD) conv3d_fwd(result, x, w, dy, &c, 0, scratch, NULL);
    if (pass == BACKWARD_DATA) conv3d_bwd_d(result, dy, w, &c, 0, scratch, NULL);
    if (pass == BACKWARD_WEIGHTS) conv3d_bwd_w(result, result + weights, x, dy, &c, scratch, NULL);
    free(scratch);
    return result;
}

static void check_conv(int c, int k, int d, int h, int kernel, int stride)
{
    static const char *const names[] = {"forward", "backward-data", "backward-weights"};
    const int in[3] = {d, h, h + 1}, kernels[3] = {kernel, kernel, kernel},
              strides[3] = {stride, stride, stride};
    const int pad[3] = {kernel / 2, kernel / 2, kernel / 2};
    const struct conv3d_shape s = conv3d_shape(1, c, k, in, kernels, strides, pad);
    float *x = random_floats((size_t)d * h * (h + 1) * c),
          *w = random_floats((size_t)kernel * kernel * kernel * c * k);
    float *dy = random_floats((size_t)s.out[0] * s.out[1] * s.out[2] * k + k);
    for (int pass = 0; pass < PASSES; pass++) {
        size_t count;
        cpu_isa_set(ISA_SCALAR);
        float *right = run_pass(pass, &s, x, dy, w, &count);
        CHECK(cpu_isa_set(ISA_SIMD128) == ISA_SIMD128, "no level simd128");
        float *got = run_pass(pass, &s, x, dy, w, &count);
        CHECK(!memcmp(right, got, count * sizeof *got),
              "convolution %d to %d channels, kernel %d, stride %d, %s: other bits than plain C", c, k,
              kernel, stride, names[pass]);
        free(right);
        free(got);
    }
    free(x);
    free(w);
    free(dy);
}

static void check_elementwise(enum elem_type type)
{
    enum { N = 1003 };
    float *a = random_floats(N), *b = random_floats(N), y[2][N];
    a[5] = NAN, a[6] = -0.0f, a[7] = INFINITY;
    memset(y, 0, sizeof y);
    for (int level = 0; level < 2; level++) {
        cpu_isa_set(level ? ISA_SIMD128 : ISA_SCALAR);
        elem_add_act_fwd(y[level], a, b, type, N, 0.01f, NULL);
        if (type == ELEM_F32) elem_f32_axpy(y[level], 0.3f, b, N, NULL);
        if (type == ELEM_F32) softmax_f32_fwd(y[level] + 16, b, 140, 7, NULL);
    }
    CHECK(!memcmp(y[0], y[1], sizeof y[0]), "elementwise calls, type %d: other bits than plain C", (int)type);
    free(a);
    free(b);
}

int main(void)
{
    CHECK(cpu_isa_hardware() == ISA_SIMD128, "the level of the engine is %s",
          cpu_isa_name(cpu_isa_hardware()));
    check_fma();
    check_conv(1, 8, 5, 7, 3, 1);
    check_conv(3, 5, 4, 6, 3, 2);
    check_conv(32, 48, 6, 9, 3, 1); /* Winograd's form */
    check_conv(70, 33, 4, 5, 3, 1);
    check_conv(16, 4, 4, 5, 1, 1);
    check_elementwise(ELEM_F32);
    check_elementwise(ELEM_BF16);
    return check_done("check_wasm");
}
