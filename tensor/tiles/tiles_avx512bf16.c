/* tiles_avx512bf16.c - the micro-kernels of tiles.h for x86-64 with AVX512-BF16. What surrounds the
 * product serves the AMX level too.
 * The book: docs/book/21_pairs.md */
#include "tensor/tiles/tiles.h"
#include "tensor/base/isa.h"

#if ISA_X86
#include <immintrin.h>

ISA_BEGIN(ISA_FEATURES_AVX512_BF16)
#include "tensor/vec/vec_avx512.h"
#include "tensor/vec/vec_avx512bf16.h"

enum {
    ROWS = 14,  /* times two vectors: 28 accumulators, and three registers for the operands */
    SHARED = 3, /* rows share a pointer: pointer, + 1 row, + 2 rows are x86 addresses */
    POINTERS = (ROWS + SHARED - 1) / SHARED
};

static void nothing(void)
{
}

/* ---- product ------------------------------------------------------------------------------------------- */

INLINE __m512 dot(__m512 sum, __m512i a, __m512i b)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

INLINE __m512i pair_of(const uint16_t *a)
{
    int32_t two;
    memcpy(&two, a, sizeof two);
    return _mm512_set1_epi32(two);
}

INLINE void product_block(const struct tile_product *t, const int rows, const int vecs)
{
    __m512 acc[ROWS][2];
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < vecs; v++)
            acc[r][v] = t->accumulate ? _mm512_loadu_ps(t->c + (r * vecs + v) * LANES) : _mm512_setzero_ps();
    const uint16_t *b = t->b;
    for (int s = 0; s < t->steps; s++) {
        const uint16_t *a[POINTERS];
        UNROLL for (int j = 0; j * SHARED < rows; j++) {
            a[j] = t->a + t->offset[s] + (size_t)(SHARED * j) * t->a_row;
            __asm__("" : "+r"(a[j])); /* a register of its own */
        }
        for (int i = 0; i < TILE_DEPTH; i += 2, b += 2 * vecs * LANES) {
            __m512i w[2];
            UNROLL for (int v = 0; v < vecs; v++) w[v] = _mm512_loadu_si512(b + 2 * v * LANES);
            UNROLL for (int r = 0; r < rows; r++) {
                const __m512i x = pair_of(a[r / SHARED] + (size_t)(r % SHARED) * t->a_row);
                UNROLL for (int v = 0; v < vecs; v++) acc[r][v] = dot(acc[r][v], x, w[v]);
            }
            UNROLL for (int j = 0; j * SHARED < rows; j++) a[j] += 2;
        }
    }
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < vecs; v++) _mm512_storeu_ps(t->c + (r * vecs + v) * LANES, acc[r][v]);
}

#define PRODUCT_CASE(rows) \
    case rows: product_block(t, rows, vecs); break;

INLINE void product_rows(const struct tile_product *t, const int vecs)
{
    switch (t->rows) {
        PRODUCT_CASE(1)
        PRODUCT_CASE(2) PRODUCT_CASE(3) PRODUCT_CASE(4) PRODUCT_CASE(5) PRODUCT_CASE(6) PRODUCT_CASE(7)
            PRODUCT_CASE(8) PRODUCT_CASE(9) PRODUCT_CASE(10) PRODUCT_CASE(11) PRODUCT_CASE(12)
                PRODUCT_CASE(13) PRODUCT_CASE(14)
    }
}

static __attribute__((noinline)) void product_half(const struct tile_product *t)
{
    product_rows(t, 1);
}

static void product(const struct tile_product *t)
{
    if (t->width == CONV_PANEL)
        product_rows(t, 2);
    else
        product_half(t);
}

/* ---- what surrounds it --------------------------------------------------------------------------------- */

INLINE vf get(const void *p, enum conv_type type, size_t i, int n)
{
    return type == CONV_BF16 ? vf_load_bf16_n((const uint16_t *)p + i, n)
                             : vf_load_n((const float *)p + i, n);
}

static void store(const struct tile_store *t)
{
    for (int col = 0; col < t->k; col += LANES) {
        const int n = conv_min(LANES, t->k - col);
        const vf start = t->start && !t->accumulate ? vf_load_n(t->start + col, n) : vf_set(0);
        const float *c = t->c + col;
        for (int i = 0; i < t->count; i++, c += t->width) {
            const size_t at = (size_t)(i * t->y_voxel + col);
            const vf sum = vf_add(vf_load(c), t->accumulate ? get(t->y, t->type, at, n) : start);
            if (t->type == CONV_BF16)
                vf_store_bf16_n((uint16_t *)t->y + at, sum, n);
            else
                vf_store_n((float *)t->y + at, sum, n);
        }
    }
}

/* Voxel i: 32 channels, zeros behind the last one. */
INLINE __m512i voxel(const struct tile_source *s, int i, const enum conv_type type)
{
    const size_t at = (size_t)(i * s->step);
    if (type == CONV_BF16) {
        const __mmask32 valid = s->channels == TILE_DEPTH ? 0xffffffffu : (1u << s->channels) - 1;
        return _mm512_maskz_loadu_epi16(valid, (const uint16_t *)s->at + at);
    }
    const int low = conv_min(LANES, s->channels);
    const float *p = (const float *)s->at + at;
    const __m256i lower = narrow_bf16(vf_load_n(p, low)),
                  upper = narrow_bf16(vf_load_n(p + low, s->channels - low));
    return _mm512_inserti64x4(_mm512_castsi256_si512(lower), upper, 1);
}

INLINE void copy_as(uint16_t *dst, const struct tile_source *s, const enum conv_type type)
{
    for (int i = 0; i < s->n; i++) _mm512_storeu_si512(dst + i * TILE_DEPTH, voxel(s, i, type));
}

static void copy(uint16_t *dst, const struct tile_source *s)
{
    if (s->type == CONV_BF16)
        copy_as(dst, s, CONV_BF16);
    else
        copy_as(dst, s, CONV_F32);
}

/* Values 2 c and 2 c + 1 of the result are channel c of a and of b: 16 channels from the first, 16 from the
 * second half. */
INLINE void interleave(__m512i a, __m512i b, __m512i *first, __m512i *second)
{
    const __m512i order =
        _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7); /* unpack works on quarters: lower halves first */
    a = _mm512_permutexvar_epi64(order, a);
    b = _mm512_permutexvar_epi64(order, b);
    *first = _mm512_unpacklo_epi16(a, b);
    *second = _mm512_unpackhi_epi16(a, b);
}

/* Voxels [i, i + n), n <= 32. */
INLINE void transpose_some(uint16_t *dst, size_t row, const struct tile_source *s, int i, int n)
{
    __m512i half[2][16];
    for (int j = 0; j < 16; j++) {
        const __m512i zero = _mm512_setzero_si512();
        const __m512i a = 2 * j < n ? voxel(s, i + 2 * j, s->type) : zero,
                      b = 2 * j + 1 < n ? voxel(s, i + 2 * j + 1, s->type) : zero;
        interleave(a, b, &half[0][j], &half[1][j]);
    }
    const __mmask32 valid = n == 32 ? 0xffffffffu : (1u << n) - 1;
    for (int h = 0; h * 16 < s->channels; h++) {
        transpose_16(half[h]);
        for (int c = 0; c < conv_min(16, s->channels - 16 * h); c++)
            _mm512_mask_storeu_epi16(dst + (size_t)(16 * h + c) * row + i, valid, half[h][c]);
    }
}

static void transpose(uint16_t *dst, size_t row, const struct tile_source *s)
{
    for (int i = 0; i < s->n; i += 32) transpose_some(dst, row, s, i, conv_min(32, s->n - i));
}

enum { AHEAD = 24 }; /* voxels that are fetched before they are read: half lines that are far apart */

INLINE void pair_as(uint16_t *dst, const int width, const struct tile_source *s, const enum conv_type type)
{
    for (int i = 0; i < s->n; i += 2, dst += 2 * width) {
        __m512i first, second;
        if (type == CONV_BF16) {
            const uint16_t *ahead = (const uint16_t *)s->at + (i + AHEAD) * s->step;
            __builtin_prefetch(ahead);
            __builtin_prefetch(ahead + s->step);
        }
        interleave(voxel(s, i, type), i + 1 < s->n ? voxel(s, i + 1, type) : _mm512_setzero_si512(), &first,
                   &second);
        _mm512_storeu_si512(dst, first);
        if (width == CONV_PANEL) _mm512_storeu_si512(dst + 32, second);
    }
}

static void pair(uint16_t *dst, int width, const struct tile_source *s)
{
    if (s->type == CONV_BF16 && width == CONV_PANEL)
        pair_as(dst, CONV_PANEL, s, CONV_BF16);
    else
        pair_as(dst, width, s, s->type);
}

/* Taps [first, first + n) of a pair of channels, and 16 channels k. */
INLINE void weights_some(const struct tile_weights *t, int c, int k, int first, int n)
{
    const __mmask16 taps = first_lanes(n), even = c < t->channels ? taps : 0,
                    odd = c + 1 < t->channels ? taps : 0;
    const float *w = t->w + (size_t)k * t->w_k + (size_t)c * t->w_c + first;
    const int kn = t->kn - k;
    __m512i r[16];
    UNROLL for (int i = 0; i < 16; i++, w += t->w_k) r[i] =
        i < kn ? round_pairs(_mm512_maskz_loadu_ps(even, w), _mm512_maskz_loadu_ps(odd, w + t->w_c))
               : _mm512_setzero_si512();
    transpose_16(r);
    uint16_t *dst = t->dst + (size_t)(c / 2 * t->width + k) * 2;
    UNROLL for (int i = 0; i < 16; i++)
        if (i < n) _mm512_storeu_si512(dst + t->offset[first + i], r[i]);
}

static void weights(const struct tile_weights *t)
{
    for (int c = 0; c < t->padded; c += 2)
        for (int k = 0; k < t->width; k += 16)
            for (int first = 0; first < t->taps; first += 16)
                weights_some(t, c, k, first, conv_min(16, t->taps - first));
}

/* ---- weight gradients of one tap ----------------------------------------------------------------------- */

INLINE void outer_block(const struct tile_outer *t, const int rows, const int vecs)
{
    __m512 acc[TILE_OUTER_ROWS][2];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int v = 0; v < vecs; v++) acc[i][v] = _mm512_loadu_ps(t->sums + (i * vecs + v) * 16);
    const uint16_t *a = t->a, *b = t->b;
    for (int p = 0; p < t->pairs; p++, a += t->a_pair, b += vecs * 32) {
        __m512bh w[2];
        UNROLL for (int v = 0; v < vecs; v++) w[v] = (__m512bh)_mm512_loadu_si512(b + v * 32);
        UNROLL for (int i = 0; i < rows; i++) {
            int pair;
            memcpy(&pair, a + 2 * i, sizeof pair);
            const __m512bh x = (__m512bh)_mm512_set1_epi32(pair);
            UNROLL for (int v = 0; v < vecs; v++) acc[i][v] = dot(acc[i][v], (__m512i)x, (__m512i)w[v]);
        }
    }
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int v = 0; v < vecs; v++) _mm512_storeu_ps(t->sums + (i * vecs + v) * 16, acc[i][v]);
}

INLINE void outer_rows(const struct tile_outer *t, const int vecs) { EACH_ROWS(outer_block) }

static __attribute__((noinline)) void outer_narrow(const struct tile_outer *t) { outer_rows(t, 1); }
static __attribute__((noinline)) void outer_wide(const struct tile_outer *t) { outer_rows(t, 2); }

static void outer(const struct tile_outer *t)
{
    if (t->width == CONV_PANEL)
        outer_wide(t);
    else
        outer_narrow(t);
}

static double peak(long n)
{
    enum { CHAINS = 24 };
    __m512 acc[CHAINS];
    const __m512i one = _mm512_set1_epi32(0x3f803f80);
    UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_set1_ps((float)i);
    for (long r = 0; r < n; r++)
        UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = dot(acc[i], one, one);
    UNROLL for (int i = 0; i < CHAINS;
                i++) __asm__ volatile("" : : "v"(acc[i])); /* so that the work is not removed */
    return 4.0 * CHAINS * LANES;
}

const struct tile_kernels tile_kernels_avx512bf16 = {
    "avx512bf16",           ROWS, 1, nothing, nothing, product, store, copy, transpose, pair, weights,
    outer,                  peak};
ISA_END
#endif
