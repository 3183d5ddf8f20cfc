/* The kernels of conv_winograd_bf16.h for x86-64 with AVX512-BF16. */
#include "tensor/conv/conv_winograd_bf16.h"
#include "tensor/base/isa.h"

#if ISA_X86
#include <immintrin.h>

ISA_BEGIN(ISA_FEATURES_AVX512_BF16)
#include "tensor/vec/vec_avx512.h"
#include "tensor/vec/vec_avx512bf16.h"

/* ---- transforms ---------------------------------------------------------------------------------------- */

static inline __m256i round_bf16(__m512 v) { return (__m256i)_mm512_cvtneps_pbh(v); }

INLINE void transform_x(__m512 *v, __m512 d0, __m512 d1, __m512 d2, __m512 d3)
{
    v[0] = _mm512_sub_ps(d0, d2);
    v[1] = _mm512_add_ps(d1, d2);
    v[2] = _mm512_sub_ps(d2, d1);
    v[3] = _mm512_sub_ps(d1, d3);
}

/* The 16 channels from c on that mask has. */
INLINE void plane_x_step(const struct plane_x *t, int c, const int whole, __mmask16 mask)
{
    __m512 rows[4][4];
    UNROLL for (int y = 0; y < 4; y++) {
        __m512 d[4];
        UNROLL for (int x = 0; x < 4; x++) {
            const __mmask16 here = whole ? mask : t->outside >> (4 * y + x) & 1 ? 0 : mask;
            const uint16_t *p = t->x + y * t->row + x * t->voxel + c;
            d[x] = widen_bf16(whole == 2 ? _mm256_loadu_si256((const __m256i *)p)
                                         : _mm256_maskz_loadu_epi16(here, p));
        }
        transform_x(rows[y], d[0], d[1], d[2], d[3]);
    }
    uint16_t *v = t->v + c;
    UNROLL for (int x = 0; x < 4; x++) {
        __m512 column[4];
        transform_x(column, rows[0][x], rows[1][x], rows[2][x], rows[3][x]);
        UNROLL for (int y = 0; y < 4; y++) {
            uint16_t *to = v + (size_t)(4 * y + x) * t->point;
            if (whole == 2)
                _mm256_storeu_si256((__m256i *)to, round_bf16(column[y]));
            else
                _mm256_mask_storeu_epi16(to, mask, round_bf16(column[y]));
        }
    }
}

void plane_x_avx512bf16(const struct plane_x *t)
{
    int c = 0;
    if (!t->outside)
        for (; c + 16 <= t->channels; c += 16) plane_x_step(t, c, 2, 0xffff);
    for (; c + 16 <= t->channels; c += 16) plane_x_step(t, c, 0, 0xffff);
    if (c < t->channels) plane_x_step(t, c, 0, first_lanes(t->channels - c));
    if (t->channels % 2) /* the other half of the last pair */
        for (int i = 0; i < PLANE_POINTS; i++) t->v[(size_t)i * t->point + (size_t)t->channels] = 0;
}

INLINE __m512 pair_load(const struct plane_pair *t, const int tile, const int size, int y, int x, int c,
                        __mmask16 mask)
{
    const __mmask16 here = t->outside[tile] >> (size * y + x) & 1 ? 0 : mask;
    return widen_bf16(_mm256_maskz_loadu_epi16(here, t->at[tile] + y * t->row + x * t->voxel + c));
}

INLINE __mmask16 lanes_from(const struct plane_pair *t, int c)
{
    return t->channels - c >= 16 ? 0xffff : t->channels > c ? first_lanes(t->channels - c) : 0;
}

void plane_pair_x_avx512bf16(const struct plane_pair *t)
{
    for (int c = 0; c < t->width; c += 16) {
        const __mmask16 mask = lanes_from(t, c);
        __m512 v[2][PLANE_POINTS]; /* [4 x + y] */
        for (int tile = 0; tile < 2; tile++) {
            __m512 rows[4][4];
            UNROLL for (int y = 0; y < 4; y++) {
                __m512 d[4];
                UNROLL for (int x = 0; x < 4; x++) d[x] = pair_load(t, tile, 4, y, x, c, mask);
                transform_x(rows[y], d[0], d[1], d[2], d[3]);
            }
            UNROLL for (int x = 0; x < 4; x++)
                transform_x(v[tile] + 4 * x, rows[0][x], rows[1][x], rows[2][x], rows[3][x]);
        }
        UNROLL for (int i = 0; i < PLANE_POINTS; i++)
            _mm512_storeu_si512(t->v + (size_t)i * t->point + 2 * c,
                                round_pairs(v[0][i % 4 * 4 + i / 4], v[1][i % 4 * 4 + i / 4]));
    }
}

INLINE void transform_dy(__m512 *m, __m512 y0, __m512 y1)
{
    m[0] = y0;
    m[1] = _mm512_add_ps(y0, y1);
    m[2] = _mm512_sub_ps(y0, y1);
    m[3] = _mm512_sub_ps(_mm512_setzero_ps(), y1);
}

void plane_pair_dy_avx512bf16(const struct plane_pair *t)
{
    for (int k = 0; k < t->width; k += 16) {
        const __mmask16 mask = lanes_from(t, k);
        __m512 m[2][PLANE_POINTS]; /* [4 x + y] */
        for (int tile = 0; tile < 2; tile++) {
            __m512 rows[2][4];
            UNROLL for (int y = 0; y < 2; y++) transform_dy(rows[y], pair_load(t, tile, 2, y, 0, k, mask),
                                                            pair_load(t, tile, 2, y, 1, k, mask));
            UNROLL for (int x = 0; x < 4; x++) transform_dy(m[tile] + 4 * x, rows[0][x], rows[1][x]);
        }
        UNROLL for (int i = 0; i < PLANE_POINTS; i++)
            _mm512_storeu_si512(t->v + (size_t)i * t->point + 2 * k,
                                round_pairs(m[0][i % 4 * 4 + i / 4], m[1][i % 4 * 4 + i / 4]));
    }
}

INLINE void transform_w(__m512 *u, __m512 g0, __m512 g1, __m512 g2)
{
    const __m512 half = _mm512_set1_ps(0.5f), outer = _mm512_add_ps(g0, g2);
    u[0] = g0;
    u[1] = _mm512_mul_ps(half, _mm512_add_ps(outer, g1));
    u[2] = _mm512_mul_ps(half, _mm512_sub_ps(outer, g1));
    u[3] = g2;
}

enum {
    PLANE_TAPS = 32, /* room for the most taps, 27, in whole vectors */
    AHEAD = 4        /* channels that are fetched before they are read */
};

/* tap[i] = weights of tap i (flip: of taps - 1 - i), i in [first, first + 16) and below taps, for 16 channels
 * k of one c, of which there are kn. */
INLINE void plane_w_some_taps(__m512 tap[PLANE_TAPS], const float *w, size_t w_k, const int kn,
                              const int first, const int taps, const int flip, size_t ahead)
{
    const int n = taps - first < 16 ? taps - first : 16;
    __m512i r[16];
    const float *row = w + first;
    UNROLL for (int i = 0; i < 16; i++, row += w_k) {
        r[i] = i < kn ? _mm512_maskz_loadu_epi32(first_lanes(n), row) : _mm512_setzero_si512();
        __builtin_prefetch(row + ahead);
    }
    transpose_16(r);
    UNROLL for (int i = 0; i < 16; i++)
        if (i < n) tap[flip ? taps - 1 - first - i : first + i] = _mm512_castsi512_ps(r[i]);
}

INLINE void plane_w_taps(__m512 tap[PLANE_TAPS], const float *w, size_t w_k, const int kn, const int taps,
                         const int flip, size_t ahead)
{
    plane_w_some_taps(tap, w, w_k, kn, 0, taps, flip, ahead);
    if (taps > 16) plane_w_some_taps(tap, w, w_k, kn, 16, taps, flip, ahead);
}

INLINE void plane_w_points(__m512 u[16], const __m512 tap[9])
{
    __m512 rows[3][4];
    UNROLL for (int y = 0; y < 3; y++) transform_w(rows[y], tap[3 * y], tap[3 * y + 1], tap[3 * y + 2]);
    UNROLL for (int x = 0; x < 4; x++) {
        __m512 column[4];
        transform_w(column, rows[0][x], rows[1][x], rows[2][x]);
        UNROLL for (int y = 0; y < 4; y++) u[4 * y + x] = column[y];
    }
}

/* A pair of channels c and 16 channels k. */
INLINE void plane_w_pair(const struct plane_w *t, int c, int k, size_t ahead, const int kn, const int planes,
                         const int flip)
{
    __m512 even[PLANE_TAPS], odd[PLANE_TAPS];
    const float *w = t->w + (size_t)c * t->w_c + (size_t)k * t->w_k;
    plane_w_taps(even, w, t->w_k, kn, 9 * planes, flip, ahead);
    if (c + 1 < t->channels)
        plane_w_taps(odd, w + t->w_c, t->w_k, kn, 9 * planes, flip, ahead);
    else
        for (int i = 0; i < 9 * planes; i++) odd[i] = _mm512_setzero_ps();
    uint16_t *to = t->u + (size_t)(c / 2 * t->width + k) * 2;
    const size_t point = (size_t)planes * t->plane;
    for (int z = 0; z < planes; z++, to += t->plane) {
        __m512 low[16], high[16];
        plane_w_points(low, even + 9 * z);
        plane_w_points(high, odd + 9 * z);
        uint16_t *at = to;
        UNROLL for (int i = 0; i < 16; i++, at += point)
            _mm512_storeu_si512(at, round_pairs(low[i], high[i]));
    }
}

static __attribute__((noinline)) void plane_w_some(const struct plane_w *t, int c, int k, size_t ahead)
{
    plane_w_pair(t, c, k, ahead, conv_min(16, t->kn - k), t->planes, t->flip);
}

INLINE void plane_w_all(const struct plane_w *t, const int flip)
{
    for (int c = 0; c < t->channels; c += 2) {
        const size_t ahead = (c + AHEAD < t->channels ? AHEAD : 0) * t->w_c;
        for (int k = 0; k < t->width; k += 16) {
            if (t->planes == 3 && t->kn - k >= 16)
                plane_w_pair(t, c, k, ahead, 16, 3, flip);
            else
                plane_w_some(t, c, k, ahead);
        }
    }
}

void plane_w_avx512bf16(const struct plane_w *t)
{
    if (t->flip)
        plane_w_all(t, 1);
    else
        plane_w_all(t, 0);
}

INLINE void transform_y(__m512 *y, __m512 m0, __m512 m1, __m512 m2, __m512 m3)
{
    y[0] = _mm512_add_ps(_mm512_add_ps(m0, m1), m2);
    y[1] = _mm512_sub_ps(_mm512_sub_ps(m1, m2), m3);
}

INLINE void plane_y_store(const struct plane_y *t, ptrdiff_t at, __m512 v, __m512 start, __mmask16 mask)
{
    if (t->type == CONV_F32) {
        float *y = (float *)t->y + at;
        _mm512_mask_storeu_ps(y, mask,
                              _mm512_add_ps(t->accumulate ? _mm512_maskz_loadu_ps(mask, y) : start, v));
    } else {
        uint16_t *y = (uint16_t *)t->y + at;
        _mm256_mask_storeu_epi16(
            y, mask,
            narrow_bf16(
                _mm512_add_ps(t->accumulate ? widen_bf16(_mm256_maskz_loadu_epi16(mask, y)) : start, v)));
    }
}

void plane_y_avx512bf16(const struct plane_y *t)
{
    for (int k = 0; k < t->k; k += 16) {
        const __mmask16 mask = t->k - k >= 16 ? 0xffff : first_lanes(t->k - k);
        const __m512 start = t->start ? _mm512_maskz_loadu_ps(mask, t->start + k) : _mm512_setzero_ps();
        __m512 rows[4][2];
        const float *m = t->m + k;
        UNROLL for (int y = 0; y < 4; y++, m += 4 * t->point)
            transform_y(rows[y], _mm512_loadu_ps(m), _mm512_loadu_ps(m + t->point),
                        _mm512_loadu_ps(m + 2 * t->point), _mm512_loadu_ps(m + 3 * t->point));
        UNROLL for (int x = 0; x < 2; x++) {
            __m512 column[2];
            transform_y(column, rows[0][x], rows[1][x], rows[2][x], rows[3][x]);
            UNROLL for (int y = 0; y < 2; y++) if (t->inside >> (2 * y + x) & 1)
                plane_y_store(t, y * t->row + x * t->voxel + k, column[y], start, mask);
        }
    }
}

/* ---- products ------------------------------------------------------------------------------------------ */

INLINE void product_block(const struct plane_product *t, const int rows, const int vecs)
{
    const int parts = (t->pairs + PLANE_BLOCK_PAIRS - 1) / PLANE_BLOCK_PAIRS;
    __m512 acc[PLANE_ROWS][2];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int v = 0; v < vecs; v++)
            acc[i][v] = t->accumulate ? _mm512_loadu_ps(t->c + (i * vecs + v) * 16) : _mm512_setzero_ps();
    for (int part = 0; part < parts * t->planes; part++) {
        const int z = part % t->planes, first = part / t->planes * PLANE_BLOCK_PAIRS,
                  pairs = conv_min(PLANE_BLOCK_PAIRS, t->pairs - first);
        const uint16_t *b = t->b[z] + (size_t)(first * vecs) * 32;
        const char *a[(PLANE_ROWS + 2) / 3];
        const size_t row = t->a_row * sizeof(uint16_t);
        UNROLL for (int i = 0; i < (rows + 2) / 3; i++) {
            a[i] = (const char *)(t->a[z] + 2 * first) + (size_t)(3 * i) * row;
            __asm__("" : "+r"(a[i])); /* three rows share a pointer: three x86 addresses */
        }
        for (int p = 0; p < pairs; p++, b += vecs * 32) {
            __m512bh w[2];
            UNROLL for (int v = 0; v < vecs; v++) w[v] = (__m512bh)_mm512_loadu_si512(b + v * 32);
            UNROLL for (int i = 0; i < rows; i++) {
                int pair;
                memcpy(&pair, a[i / 3] + (size_t)(i % 3) * row, sizeof pair);
                const __m512bh x = (__m512bh)_mm512_set1_epi32(pair);
                UNROLL for (int v = 0; v < vecs; v++) acc[i][v] = _mm512_dpbf16_ps(acc[i][v], x, w[v]);
            }
            UNROLL for (int i = 0; i < (rows + 2) / 3; i++) a[i] += sizeof(int);
        }
    }
    UNROLL for (int i = 0; i < rows; i++) UNROLL for (int v = 0; v < vecs; v++)
        _mm512_storeu_ps(t->c + (size_t)i * (size_t)(vecs * 16) + v * 16, acc[i][v]);
}

INLINE void outer_block(const struct plane_outer *t, const int rows, const int vecs)
{
    __m512 acc[PLANE_ROWS][2];
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
            UNROLL for (int v = 0; v < vecs; v++) acc[i][v] = _mm512_dpbf16_ps(acc[i][v], x, w[v]);
        }
    }
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int v = 0; v < vecs; v++) _mm512_storeu_ps(t->sums + (i * vecs + v) * 16, acc[i][v]);
}

#define EACH_ROWS(block)                                                                                     \
    switch (t->rows) {                                                                                       \
    case 1: block(t, 1, vecs); break;                                                                        \
    case 2: block(t, 2, vecs); break;                                                                        \
    case 3: block(t, 3, vecs); break;                                                                        \
    case 4: block(t, 4, vecs); break;                                                                        \
    case 5: block(t, 5, vecs); break;                                                                        \
    case 6: block(t, 6, vecs); break;                                                                        \
    case 7: block(t, 7, vecs); break;                                                                        \
    case 8: block(t, 8, vecs); break;                                                                        \
    case 9: block(t, 9, vecs); break;                                                                        \
    case 10: block(t, 10, vecs); break;                                                                      \
    case 11: block(t, 11, vecs); break;                                                                      \
    case 12: block(t, 12, vecs); break;                                                                      \
    case 13: block(t, 13, vecs); break;                                                                      \
    case 14: block(t, 14, vecs); break;                                                                      \
    }

INLINE void product_rows(const struct plane_product *t, const int vecs) { EACH_ROWS(product_block) }
INLINE void outer_rows(const struct plane_outer *t, const int vecs) { EACH_ROWS(outer_block) }

static __attribute__((noinline)) void product_narrow(const struct plane_product *t) { product_rows(t, 1); }
static __attribute__((noinline)) void product_wide(const struct plane_product *t) { product_rows(t, 2); }
static __attribute__((noinline)) void outer_narrow(const struct plane_outer *t) { outer_rows(t, 1); }
static __attribute__((noinline)) void outer_wide(const struct plane_outer *t) { outer_rows(t, 2); }

void plane_product_avx512bf16(const struct plane_product *t)
{
    if (t->width == CONV_PANEL)
        product_wide(t);
    else
        product_narrow(t);
}

void plane_outer_avx512bf16(const struct plane_outer *t)
{
    if (t->width == CONV_PANEL)
        outer_wide(t);
    else
        outer_narrow(t);
}
ISA_END
#endif
