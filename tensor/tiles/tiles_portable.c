/* tiles_portable.c - the micro-kernels of tiles.h in plain C: the definition, with vdpbf16ps's
 * order of arithmetic. What the others are tested against.
 * The book: docs/book/21_pairs.md */
#include <math.h>

#include "tensor/tiles/tiles.h"

static void nothing(void)
{
}

/* A chain of fused multiply-adds, the odd value of a pair first. The products of two bf16 are exact in fp32,
 * so that fused or not is the same; written as a product and a sum, GCC 12.2 -O2 vectorises this loop into
 * code that gives wrong sums. */
static float add_pairs(float sum, const uint16_t *a, const uint16_t *b, size_t b_pair)
{
    for (int i = 0; i < TILE_DEPTH; i += 2, b += b_pair) {
        sum = fmaf(f32_from_bf16(a[i + 1]), f32_from_bf16(b[1]), sum);
        sum = fmaf(f32_from_bf16(a[i]), f32_from_bf16(b[0]), sum);
    }
    return sum;
}

static void product(const struct tile_product *t)
{
    const size_t width = (size_t)t->width;
    for (int row = 0; row < t->rows; row++)
        for (size_t col = 0; col < width; col++) {
            float *c = t->c + (size_t)row * width + col;
            float sum = t->accumulate ? *c : 0;
            for (int s = 0; s < t->steps; s++)
                sum = add_pairs(sum, t->a + t->offset[s] + (size_t)row * t->a_row,
                                t->b + ((size_t)s * TILE_DEPTH * width + 2 * col), 2 * width);
            *c = sum;
        }
}

static float load(const void *p, enum conv_type type, size_t i)
{
    return type == CONV_BF16 ? f32_from_bf16(((const uint16_t *)p)[i]) : ((const float *)p)[i];
}

static void store(const struct tile_store *t)
{
    for (int i = 0; i < t->count; i++) {
        void *y = conv_at_out(t->y, t->type, 0);
        const ptrdiff_t voxel = i * t->y_voxel;
        for (int col = 0; col < t->k; col++) {
            const size_t at = (size_t)(voxel + col);
            const float start = t->accumulate ? load(y, t->type, at) : t->start ? t->start[col] : 0;
            const float sum = t->c[(size_t)i * (size_t)t->width + (size_t)col] + start;
            if (t->type == CONV_BF16)
                ((uint16_t *)y)[at] = bf16_from_f32(sum);
            else
                ((float *)y)[at] = sum;
        }
    }
}

/* Channel c of voxel i. */
static uint16_t value(const struct tile_source *s, int i, int c)
{
    const size_t at = (size_t)(i * s->step + c);
    return s->type == CONV_BF16 ? ((const uint16_t *)s->at)[at] : bf16_from_f32(((const float *)s->at)[at]);
}

static void copy(uint16_t *dst, const struct tile_source *s)
{
    for (int i = 0; i < s->n; i++, dst += TILE_DEPTH)
        for (int c = 0; c < TILE_DEPTH; c++) dst[c] = c < s->channels ? value(s, i, c) : 0;
}

static void transpose(uint16_t *dst, size_t row, const struct tile_source *s)
{
    for (int c = 0; c < s->channels; c++)
        for (int i = 0; i < s->n; i++) dst[(size_t)c * row + (size_t)i] = value(s, i, c);
}

static void pair(uint16_t *dst, int width, const struct tile_source *s)
{
    for (int i = 0; i < s->n + s->n % 2; i++)
        for (int c = 0; c < width; c++)
            dst[(i / 2 * width + c) * 2 + i % 2] = i < s->n && c < s->channels ? value(s, i, c) : 0;
}

static void weights(const struct tile_weights *t)
{
    for (int tap = 0; tap < t->taps; tap++)
        for (int c = 0; c < t->padded; c++)
            for (int k = 0; k < t->width; k++)
                t->dst[t->offset[tap] + (size_t)(c / 2 * t->width + k) * 2 + (size_t)(c % 2)] =
                    k < t->kn && c < t->channels
                        ? bf16_from_f32(t->w[(size_t)k * t->w_k + (size_t)c * t->w_c + (size_t)tap])
                        : 0;
}

static void outer(const struct tile_outer *t)
{
    for (int row = 0; row < t->rows; row++)
        for (int col = 0; col < t->width; col++) {
            float sum = t->sums[row * t->width + col];
            for (int p = 0; p < t->pairs; p++) {
                const uint16_t *a = t->a + (size_t)p * t->a_pair + 2 * row,
                               *b = t->b + (size_t)(p * t->width + col) * 2;
                sum = fmaf(f32_from_bf16(a[1]), f32_from_bf16(b[1]), sum);
                sum = fmaf(f32_from_bf16(a[0]), f32_from_bf16(b[0]), sum);
            }
            t->sums[row * t->width + col] = sum;
        }
}

static double peak(long n)
{
    volatile float sum = 0;
    for (long i = 0; i < n; i++) sum = sum + 1.0f;
    return 1;
}

const struct tile_kernels tile_kernels_portable = {
    "portable", TILE_ROWS, 1, nothing, nothing, product, store, copy, transpose, pair, weights, outer, peak};
