/* int16_avx512vnni.c - the kernels of int16.h for x86-64 with AVX512-VNNI.
 * The book: docs/book/21_pairs.md */
#include "tensor/winograd/int16.h"
#include "tensor/base/isa.h"

#if ISA_X86
#include <immintrin.h>

ISA_BEGIN(ISA_FEATURES_AVX512_BF16)
#include "tensor/vec/vec_avx512.h"
#include "tensor/vec/vec_avx512bf16.h"

#define ROUND_SUMMANDS
#include "tensor/conv/winograd_transforms.h"

/* acc += pairs of x times pairs of w. GCC 12 moves the operands of its builtin to and fro. */
INLINE __m512i dot(__m512i acc, __m512i x, __m512i w)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(acc) : "v"(x), "v"(w));
    return acc;
}

INLINE __m512i bf16_magnitude(__m512i v) { return _mm512_and_si512(v, _mm512_set1_epi16(0x7fff)); }

/* ---- x ------------------------------------------------------------------------------------------------- */

static uint16_t largest(__m512i v)
{
    const __m256i half = _mm256_max_epu16(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
    const __m128i quarter = _mm_max_epu16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    const __m128i smallest = _mm_minpos_epu16(_mm_xor_si128(quarter, _mm_set1_epi16(-1)));
    return (uint16_t)~_mm_extract_epi16(smallest, 0);
}

INLINE __mmask32 first_words(int n) { return n >= 32 ? 0xffffffffu : (1u << n) - 1; }

void plane_most_avx512vnni(uint16_t *most, uint16_t *lanes, const uint16_t *x, size_t plane, int planes,
                           int voxels, int channels)
{
    memset(lanes, 0, (size_t)voxels * 32 * sizeof *lanes);
    for (int z = 0; z < planes; z++) {
        const uint16_t *from = x + (size_t)z * plane;
        for (int v = 0; v < voxels; v++, from += channels) {
            __m512i m = _mm512_loadu_si512(lanes + 32 * v);
            for (int c = 0; c < channels; c += 32)
                m = _mm512_max_epu16(
                    m, bf16_magnitude(_mm512_maskz_loadu_epi16(first_words(channels - c), from + c)));
            _mm512_storeu_si512(lanes + 32 * v, m);
        }
    }
    for (int v = 0; v < voxels; v++) most[v] = largest(_mm512_loadu_si512(lanes + 32 * v));
}

/* 1 / gain of point [y][x]. */
struct shrink {
    float at[PLANE_SIDE][PLANE_SIDE];
};

INLINE struct shrink shrink_of(float scale)
{
    struct shrink s;
    UNROLL for (int y = 0; y < PLANE_SIDE; y++) UNROLL for (int x = 0; x < PLANE_SIDE; x++)
        s.at[y][x] = (float)(1 / (int16_gain(y, 0) * int16_gain(x, 0))) * scale;
    return s;
}

/* The 16 channels from c on that mask has. */
INLINE void plane_x_step(const struct plane_x *t, const struct shrink *shrink, int c, const int whole,
                         __mmask16 mask)
{
    __m512 rows[6][6];
    const uint16_t *line = t->x + c;
    uint64_t outside = t->outside;
    UNROLL for (int y = 0; y < 6; y++, line += t->row, outside >>= 6) {
        __m512 d[6];
        const uint16_t *p = line;
        UNROLL for (int x = 0; x < 6; x++, p += t->voxel) {
            if (whole == 2)
                d[x] = widen_bf16(_mm256_loadu_si256((const __m256i *)p));
            else
                d[x] = widen_bf16(
                    _mm256_maskz_loadu_epi16(!whole && outside >> x & 1 ? (__mmask16)0 : mask, p));
        }
        transform_x(rows[y], d, WINOGRAD_4);
    }
    UNROLL for (int x = 0; x < 6; x++) {
        __m512 column[6], d[6];
        UNROLL for (int y = 0; y < 6; y++) d[y] = rows[y][x];
        transform_x(column, d, WINOGRAD_4);
        int16_t *to = t->v + c + (size_t)x * t->point;
        UNROLL for (int y = 0; y < 6; y++, to += 6 * t->point) {
            const __m256i v = _mm512_cvtsepi32_epi16(
                _mm512_cvtps_epi32(_mm512_mul_ps(column[y], _mm512_set1_ps(shrink->at[y][x]))));
            if (whole == 2)
                _mm256_storeu_si256((__m256i *)to, v);
            else
                _mm256_mask_storeu_epi16(to, mask, v);
        }
    }
}

void plane_x_avx512vnni(const struct plane_x *t)
{
    const struct shrink shrink = shrink_of(t->scale);
    int c = 0;
    if (!t->outside)
        for (; c + 16 <= t->channels; c += 16) plane_x_step(t, &shrink, c, 2, 0xffff);
    for (; c + 16 <= t->channels; c += 16) plane_x_step(t, &shrink, c, 0, 0xffff);
    if (c < t->channels) plane_x_step(t, &shrink, c, 0, first_lanes(t->channels - c));
    if (t->channels % 2) /* the other half of the last pair */
        for (int i = 0; i < PLANE_POINTS; i++) t->v[(size_t)i * t->point + (size_t)t->channels] = 0;
}

/* ---- pairs of tiles ------------------------------------------------------------------------------------ */

INLINE __mmask16 lanes_from(const struct plane_pair *t, int c)
{
    return t->channels - c >= 16 ? 0xffff : t->channels > c ? first_lanes(t->channels - c) : 0;
}

void plane_pair_most_avx512vnni(uint16_t *most, const struct plane_pair *t, int side)
{
    for (int c = 0; c < t->width; c += 16) {
        const __mmask16 mask = lanes_from(t, c);
        __m256i m = _mm256_loadu_si256((const __m256i *)(most + c));
        for (int tile = 0; tile < 2; tile++) {
            uint64_t outside = t->outside[tile];
            const uint16_t *line = t->at[tile] + c;
            for (int y = 0; y < side; y++, line += t->row) {
                const uint16_t *p = line;
                for (int x = 0; x < side; x++, p += t->voxel, outside >>= 1)
                    m = _mm256_max_epu16(
                        m, _mm256_and_si256(_mm256_maskz_loadu_epi16(outside & 1 ? (__mmask16)0 : mask, p),
                                            _mm256_set1_epi16(0x7fff)));
            }
        }
        _mm256_storeu_si256((__m256i *)(most + c), m);
    }
}

/* A line of a tile. */
INLINE void pair_line(__m512 *d, const struct plane_pair *t, const int tile, const int side, int y, int c,
                      __mmask16 mask)
{
    const uint64_t outside = t->outside[tile] >> (side * y);
    const uint16_t *p = t->at[tile] + y * t->row + c;
    UNROLL for (int x = 0; x < side; x++, p += t->voxel) d[x] =
        widen_bf16(_mm256_maskz_loadu_epi16(outside >> x & 1 ? (__mmask16)0 : mask, p));
}

/* Even and odd as int16 behind each other. */
INLINE __m512i integer_pairs(__m512 even, __m512 odd)
{
    const __m512i high = _mm512_slli_epi32(_mm512_cvtps_epi32(odd), 16);
    return _mm512_mask_blend_epi16(0xaaaaaaaau, _mm512_cvtps_epi32(even), high);
}

INLINE void store_pairs(const struct plane_pair *t, __m512 v[2][PLANE_POINTS], const int of_dy, int c)
{
    const __m512 scale = _mm512_loadu_ps(t->scale + c);
    int16_t *to = t->v + 2 * c;
    UNROLL for (int y = 0; y < 6; y++) UNROLL for (int x = 0; x < 6; x++, to += t->point) {
        const double gain = int16_gain(y, of_dy) * int16_gain(x, of_dy);
        const __m512 factor = _mm512_mul_ps(scale, CONSTANT(1 / gain));
        _mm512_storeu_si512(to, integer_pairs(_mm512_mul_ps(v[0][6 * x + y], factor),
                                              _mm512_mul_ps(v[1][6 * x + y], factor)));
    }
}

INLINE void transform_line(__m512 *v, const __m512 *d, const int of_dy)
{
    if (of_dy)
        transform_dy(v, d, WINOGRAD_4);
    else
        transform_x(v, d, WINOGRAD_4);
}

INLINE void plane_pair(const struct plane_pair *t, const int of_dy)
{
    const int side = of_dy ? PLANE_OUTPUTS : PLANE_SIDE;
    for (int c = 0; c < t->width; c += 16) {
        const __mmask16 mask = lanes_from(t, c);
        __m512 v[2][PLANE_POINTS]; /* [6 x + y] */
        for (int tile = 0; tile < 2; tile++) {
            __m512 rows[PLANE_SIDE][6];
            UNROLL for (int y = 0; y < side; y++) {
                __m512 d[PLANE_SIDE];
                pair_line(d, t, tile, side, y, c, mask);
                transform_line(rows[y], d, of_dy);
            }
            UNROLL for (int x = 0; x < 6; x++) {
                __m512 d[PLANE_SIDE];
                UNROLL for (int y = 0; y < side; y++) d[y] = rows[y][x];
                transform_line(v[tile] + 6 * x, d, of_dy);
            }
        }
        store_pairs(t, v, of_dy, c);
    }
}

void plane_pair_x_avx512vnni(const struct plane_pair *t) { plane_pair(t, 0); }
void plane_pair_dy_avx512vnni(const struct plane_pair *t) { plane_pair(t, 1); }

/* ---- weights ------------------------------------------------------------------------------------------- */

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

INLINE void plane_w_points(__m512 u[PLANE_POINTS], const __m512 tap[9])
{
    __m512 rows[3][6];
    UNROLL for (int y = 0; y < 3; y++) transform_w(rows[y], tap + 3 * y, WINOGRAD_4);
    UNROLL for (int x = 0; x < 6; x++) {
        const __m512 d[3] = {rows[0][x], rows[1][x], rows[2][x]};
        __m512 column[6];
        transform_w(column, d, WINOGRAD_4);
        UNROLL for (int y = 0; y < 6; y++) u[6 * y + x] = column[y];
    }
}

/* Sums and the largest of magnitudes, of 16 channels k. */
struct plane_sizes {
    __m512 sum[PLANE_POINTS], most[PLANE_POINTS];
};

/* Channel c and 16 channels k. */
INLINE void plane_w_measure(struct plane_sizes *s, const struct plane_w *t, int c, int k, size_t ahead,
                            const int kn, const int planes, const int flip)
{
    __m512 tap[PLANE_TAPS];
    plane_w_taps(tap, t->w + (size_t)c * t->w_c + (size_t)k * t->w_k, t->w_k, kn, 9 * planes, flip, ahead);
    for (int z = 0; z < planes; z++) {
        __m512 u[PLANE_POINTS];
        plane_w_points(u, tap + 9 * z);
        UNROLL for (int i = 0; i < PLANE_POINTS; i++) {
            const __m512 size = _mm512_abs_ps(u[i]);
            s->sum[i] = _mm512_add_ps(s->sum[i], size);
            s->most[i] = _mm512_max_ps(s->most[i], size);
        }
    }
}

/* A pair of channels c and 16 channels k, times factor. */
INLINE void plane_w_pair(const struct plane_w *t, const __m512 factor[PLANE_POINTS], int c, int k,
                         size_t ahead, const int kn, const int planes, const int flip)
{
    __m512 even[PLANE_TAPS], odd[PLANE_TAPS];
    const float *w = t->w + (size_t)c * t->w_c + (size_t)k * t->w_k;
    plane_w_taps(even, w, t->w_k, kn, 9 * planes, flip, ahead);
    if (c + 1 < t->channels)
        plane_w_taps(odd, w + t->w_c, t->w_k, kn, 9 * planes, flip, ahead);
    else
        for (int i = 0; i < 9 * planes; i++) odd[i] = _mm512_setzero_ps();
    int16_t *to = t->u + (size_t)(c / 2 * t->width + k) * 2;
    const size_t point = (size_t)planes * t->plane;
    for (int z = 0; z < planes; z++, to += t->plane) {
        __m512 low[PLANE_POINTS], high[PLANE_POINTS];
        plane_w_points(low, even + 9 * z);
        plane_w_points(high, odd + 9 * z);
        int16_t *at = to;
        UNROLL for (int i = 0; i < PLANE_POINTS; i++, at += point) _mm512_storeu_si512(
            at, integer_pairs(_mm512_mul_ps(low[i], factor[i]), _mm512_mul_ps(high[i], factor[i])));
    }
}

/* factor: what the weights are multiplied by, at most 2^31 / PLANE_X_MOST in their sum, with room for
 * roundings, and 32767 each; and t->scale. */
static void plane_w_factor(const struct plane_w *t, __m512 factor[PLANE_POINTS], const struct plane_sizes *s,
                           int k)
{
    const __m512 sum_most = CONSTANT(0x1p31 * 0.99 / (PLANE_X_MOST + 1)), least = CONSTANT(PLANE_LEAST);
    for (int i = 0; i < PLANE_POINTS; i++) {
        /* the second operand where one is NaN */
        const __m512 by_sum = _mm512_div_ps(sum_most, _mm512_max_ps(least, s->sum[i])),
                     by_most = _mm512_div_ps(CONSTANT(32766), _mm512_max_ps(least, s->most[i]));
        factor[i] = _mm512_min_ps(by_most, by_sum);
        const __m512 gain = CONSTANT(int16_gain(i / 6, 0) * int16_gain(i % 6, 0));
        _mm512_storeu_ps(t->scale + i * t->width + k, _mm512_div_ps(gain, factor[i]));
    }
}

INLINE void plane_w_some(const struct plane_w *t, int k, const int kn, const int planes, const int flip)
{
    struct plane_sizes sizes;
    __m512 factor[PLANE_POINTS];
    memset(&sizes, 0, sizeof sizes);
    for (int c = 0; c < t->channels; c++)
        plane_w_measure(&sizes, t, c, k, (c + AHEAD < t->channels ? AHEAD : 0) * t->w_c, kn, planes, flip);
    plane_w_factor(t, factor, &sizes, k);
    for (int c = 0; c < t->channels; c += 2) plane_w_pair(t, factor, c, k, 0, kn, planes, flip);
}

static __attribute__((noinline)) void plane_w_any(const struct plane_w *t, int k)
{
    plane_w_some(t, k, conv_max(0, conv_min(16, t->kn - k)), t->planes, t->flip);
}

static __attribute__((noinline)) void plane_w_forward(const struct plane_w *t, int k)
{
    plane_w_some(t, k, 16, 3, 0);
}

static __attribute__((noinline)) void plane_w_backward(const struct plane_w *t, int k)
{
    plane_w_some(t, k, 16, 3, 1);
}

void plane_w_avx512vnni(const struct plane_w *t)
{
    for (int k = 0; k < t->width; k += 16) {
        if (t->planes != 3 || t->kn - k < 16)
            plane_w_any(t, k);
        else if (t->flip)
            plane_w_backward(t, k);
        else
            plane_w_forward(t, k);
    }
}

/* ---- y ------------------------------------------------------------------------------------------------- */

INLINE void plane_y_store(const struct plane_y *t, ptrdiff_t at, __m512 v, __m512 start, __mmask16 mask)
{
    const __m512 scale = _mm512_set1_ps(t->scale);
    if (t->type == CONV_F32) {
        float *y = (float *)t->y + at;
        _mm512_mask_storeu_ps(
            y, mask, _mm512_fmadd_ps(scale, v, t->accumulate ? _mm512_maskz_loadu_ps(mask, y) : start));
    } else {
        uint16_t *y = (uint16_t *)t->y + at;
        const __m512 from = t->accumulate ? widen_bf16(_mm256_maskz_loadu_epi16(mask, y)) : start;
        _mm256_mask_storeu_epi16(y, mask, narrow_bf16(_mm512_fmadd_ps(scale, v, from)));
    }
}

void plane_y_avx512vnni(const struct plane_y *t)
{
    for (int k = 0; k < t->k; k += 16) {
        const __mmask16 mask = t->k - k >= 16 ? 0xffff : first_lanes(t->k - k);
        const __m512 start = t->start ? _mm512_maskz_loadu_ps(mask, t->start + k) : _mm512_setzero_ps();
        __m512 rows[6][4];
        const float *m = t->m + k;
        UNROLL for (int y = 0; y < 6; y++) {
            __m512 d[6];
            UNROLL for (int x = 0; x < 6; x++, m += t->point) d[x] = _mm512_loadu_ps(m);
            transform_y(rows[y], d, WINOGRAD_4);
        }
        UNROLL for (int x = 0; x < 4; x++) {
            __m512 column[4], d[6];
            UNROLL for (int y = 0; y < 6; y++) d[y] = rows[y][x];
            transform_y(column, d, WINOGRAD_4);
            UNROLL for (int y = 0; y < 4; y++) if (t->inside >> (4 * y + x) & 1)
                plane_y_store(t, y * t->row + x * t->voxel + k, column[y], start, mask);
        }
    }
}

/* ---- products ------------------------------------------------------------------------------------------ */

/* Pairs [first, first + pairs) of all planes. */
INLINE void product_sums(const struct plane_product *t, __m512i acc[PLANE_ROWS][2], int first, int pairs,
                         const int rows, const int vecs)
{
    const size_t row = t->a_row * sizeof(int16_t);
    for (int z = 0; z < t->planes; z++) {
        const int16_t *b = t->b[z] + (size_t)(first * vecs) * 32;
        const char *a[(PLANE_ROWS + 2) / 3];
        UNROLL for (int i = 0; i < (rows + 2) / 3; i++) {
            a[i] = (const char *)(t->a[z] + 2 * first) + (size_t)(3 * i) * row;
            __asm__("" : "+r"(a[i])); /* three rows share a pointer: three x86 addresses */
        }
        for (int p = 0; p < pairs; p++, b += vecs * 32) {
            __m512i w[2];
            UNROLL for (int v = 0; v < vecs; v++) w[v] = _mm512_loadu_si512(b + v * 32);
            UNROLL for (int i = 0; i < rows; i++) {
                int pair;
                memcpy(&pair, a[i / 3] + (size_t)(i % 3) * row, sizeof pair);
                const __m512i x = _mm512_set1_epi32(pair);
                UNROLL for (int v = 0; v < vecs; v++) acc[i][v] = dot(acc[i][v], x, w[v]);
            }
            UNROLL for (int i = 0; i < (rows + 2) / 3; i++) a[i] += sizeof(int);
        }
    }
}

INLINE void product_block(const struct plane_product *t, const int rows, const int vecs)
{
    const float *scale = t->scale;
    for (int first = 0; first < t->pairs; first += PLANE_BLOCK_PAIRS, scale += t->scale_block) {
        __m512i acc[PLANE_ROWS][2];
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int v = 0; v < vecs; v++) acc[i][v] = _mm512_setzero_si512();
        product_sums(t, acc, first, conv_min(PLANE_BLOCK_PAIRS, t->pairs - first), rows, vecs);
        const int add = t->accumulate || first > 0;
        UNROLL for (int v = 0; v < vecs; v++) {
            const __m512 unit = _mm512_loadu_ps(scale + v * 16);
            UNROLL for (int i = 0; i < rows; i++) {
                float *c = t->c + (size_t)i * (size_t)(vecs * 16) + v * 16;
                const __m512 sum = _mm512_cvtepi32_ps(acc[i][v]);
                _mm512_storeu_ps(c, add ? _mm512_fmadd_ps(sum, unit, _mm512_loadu_ps(c))
                                        : _mm512_mul_ps(sum, unit));
            }
        }
    }
}

INLINE void outer_block(const struct plane_outer16 *t, const int rows, const int vecs)
{
    __m512i acc[PLANE_ROWS][2];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int v = 0; v < vecs; v++) acc[i][v] = _mm512_setzero_si512();
    const int16_t *a = t->a, *b = t->b;
    for (int p = 0; p < t->pairs; p++, a += t->a_pair, b += vecs * 32) {
        __m512i w[2];
        UNROLL for (int v = 0; v < vecs; v++) w[v] = _mm512_loadu_si512(b + v * 32);
        UNROLL for (int i = 0; i < rows; i++) {
            int pair;
            memcpy(&pair, a + 2 * i, sizeof pair);
            const __m512i x = _mm512_set1_epi32(pair);
            UNROLL for (int v = 0; v < vecs; v++) acc[i][v] = dot(acc[i][v], x, w[v]);
        }
    }
    UNROLL for (int v = 0; v < vecs; v++) {
        const __m512 unit = _mm512_mul_ps(_mm512_loadu_ps(t->b_unit + v * 16), _mm512_set1_ps(t->unit));
        UNROLL for (int i = 0; i < rows; i++) {
            float *sum = t->sums + (i * vecs + v) * 16;
            const __m512 both = _mm512_mul_ps(unit, _mm512_set1_ps(t->a_unit[i]));
            _mm512_storeu_ps(sum, _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc[i][v]), both, _mm512_loadu_ps(sum)));
        }
    }
}

INLINE void product_rows(const struct plane_product *t, const int vecs) { EACH_ROWS(product_block) }
INLINE void outer_rows(const struct plane_outer16 *t, const int vecs) { EACH_ROWS(outer_block) }

static __attribute__((noinline)) void product_narrow(const struct plane_product *t) { product_rows(t, 1); }
static __attribute__((noinline)) void product_wide(const struct plane_product *t) { product_rows(t, 2); }
static __attribute__((noinline)) void outer_narrow(const struct plane_outer16 *t) { outer_rows(t, 1); }
static __attribute__((noinline)) void outer_wide(const struct plane_outer16 *t) { outer_rows(t, 2); }

void plane_product_avx512vnni(const struct plane_product *t)
{
    if (t->width == CONV_PANEL)
        product_wide(t);
    else
        product_narrow(t);
}

void plane_outer_avx512vnni(const struct plane_outer16 *t)
{
    if (t->width == CONV_PANEL)
        outer_wide(t);
    else
        outer_narrow(t);
}
ISA_END
#endif
