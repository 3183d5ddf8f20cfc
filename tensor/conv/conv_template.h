/* conv_template.h - the kernels of conv_kernels.h over the vector of a vec_*.h. No include guard: each
 * conv_<isa>.c includes it once, inside its ISA region, with CONV_TABLE the name of the table, and
 * GATHER_COUNT, OUTER_COUNT (most broadcast values) and VECS (most vectors of k) such that count * VECS
 * accumulators, VECS operands and one broadcast value fit the registers.
 *
 * A tile's loops over voxels and vectors have constant bounds in each instance of the inlined function, are
 * unrolled fully, and the accumulators become registers.
 */
#define INLINE static inline __attribute__((always_inline))

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

/* Hides from the compiler how a pointer was computed, so that it stays in a register of its own. */
#define KEEP(pointer) __asm__("" : "+r"(pointer))

INLINE vf get(const float *p, int n)
{
    return n >= LANES ? vf_load(p) : n > 0 ? vf_load_n(p, n) : vf_set(0);
}

/* get from an array of that type, i values on. */
INLINE vf get_as(const void *p, const int bf16, ptrdiff_t i, int n)
{
    if (!bf16) return get((const float *)p + i, n);
    const uint16_t *h = (const uint16_t *)p + i;
    return n >= LANES ? vf_load_bf16(h) : n > 0 ? vf_load_bf16_n(h, n) : vf_set(0);
}

INLINE void put(float *p, vf v, int n)
{
    if (n >= LANES)
        vf_store(p, v);
    else if (n > 0)
        vf_store_n(p, v, n);
}

/* ---- gather -------------------------------------------------------------------------------------------- */

/* Three voxels share a pointer: pointer, + 1 voxel, + 2 voxels are x86 addresses. */
#define SHARED 3
enum { FLOATS_PER_CACHE_LINE = 16 };
#define POINTERS(count) (((count) + SHARED - 1) / SHARED)

/* Voxels whose accumulators fit the registers where they are one vector each. */
enum { GATHER_ONE = GATHER_COUNT * VECS < CONV_TILE ? GATHER_COUNT * VECS : CONV_TILE };

/* thin: one line, one channel and three taps, so that 14 voxels read 16 neighbours: no pointers to set up, no
 * loop. */
INLINE void gather_block(const struct gather_tile *t, int col, const int lines, const int count,
                         const int vecs, const int thin)
{
    vf acc[GATHER_ONE][VECS];
    UNROLL for (int v = 0; v < vecs; v++) {
        const int k = col + v * LANES;
        if (t->accumulate) {
            UNROLL for (int i = 0; i < lines; i++)
                UNROLL for (int j = 0; j < count; j++)
                    acc[i * count + j][v] = get(t->y[i] + j * t->y_voxel + k, t->k - k);
        } else {
            /* The stores at the end would wait for these lines. */
            UNROLL for (int i = 0; i < lines; i++)
                UNROLL for (int j = 0; j < count; j++)
                    if (k % FLOATS_PER_CACHE_LINE == 0) __builtin_prefetch(t->y[i] + j * t->y_voxel + k, 1);
            const vf start = t->start ? get(t->start + k, t->k - k) : vf_set(0);
            UNROLL for (int i = 0; i < lines * count; i++) acc[i][v] = start;
        }
    }
    const size_t voxel = t->x_voxel, width = (size_t)t->width;
    const float *row = t->x;
    for (int z = 0; z < t->nz; z++, row += t->x_skip) {
        for (int y = 0; y < t->ny; y++, row += t->x_row) {
            const float *w = t->w + (size_t)z * t->w_z + (size_t)y * t->w_y + col;
            if (thin) {
                UNROLL for (int c = 0; c < 3; c++, w += width) {
                    vf b[VECS];
                    UNROLL for (int v = 0; v < vecs; v++) b[v] = vf_load(w + v * LANES);
                    const float *x_tap = row + c;
                    KEEP(x_tap); /* or the compiler would keep what the taps share, and spill */
                    UNROLL for (int j = 0; j < count; j++) {
                        const vf a = vf_set(x_tap[j]);
                        UNROLL for (int v = 0; v < vecs; v++) acc[j][v] = vf_fma(a, b[v], acc[j][v]);
                    }
                }
                continue;
            }
            const float *x[CONV_LINES * POINTERS(GATHER_ONE)];
            UNROLL for (int i = 0; i < lines; i++)
                UNROLL for (int j = 0; j < POINTERS(count); j++) {
                    x[i * POINTERS(count) + j] = row + (size_t)i * t->x_line + (size_t)(SHARED * j) * voxel;
                    KEEP(x[i * POINTERS(count) + j]);
                }
            for (int c = 0; c < t->length; c++, w += width) {
                vf b[VECS];
                UNROLL for (int v = 0; v < vecs; v++) b[v] = vf_load(w + v * LANES);
                UNROLL for (int i = 0; i < lines; i++)
                    UNROLL for (int j = 0; j < count; j++) {
                    const vf a = vf_set(x[i * POINTERS(count) + j / SHARED][(size_t)(j % SHARED) * voxel]);
                    UNROLL for (int v = 0; v < vecs; v++) acc[i * count + j][v] =
                        vf_fma(a, b[v], acc[i * count + j][v]);
                    }
                UNROLL for (int i = 0; i < lines * POINTERS(count); i++) x[i]++;
            }
        }
    }
    UNROLL for (int v = 0; v < vecs; v++) {
        const int k = col + v * LANES;
        UNROLL for (int i = 0; i < lines; i++) UNROLL for (int j = 0; j < count; j++)
            put(t->y[i] + j * t->y_voxel + k, acc[i * count + j][v], t->k - k);
    }
}

#define GATHER_CASE(lines, count)                                                                            \
    case (lines)*16 + (count):                                                                               \
        if ((lines) * (count) <= (vecs == 1 ? (int)GATHER_ONE : GATHER_COUNT))                               \
            gather_block(t, col, lines, count, vecs, 0);                                                     \
        break;

#define THIN_CASE(count)                                                                                     \
    case count:                                                                                              \
        if ((count) <= (vecs == 1 ? (int)GATHER_ONE : GATHER_COUNT))                                         \
            gather_block(t, col, 1, count, vecs, 1);                                                         \
        break;

INLINE void gather_thin(const struct gather_tile *t, int col, const int vecs)
{
    switch (t->count) {
        THIN_CASE(1) THIN_CASE(2) THIN_CASE(3) THIN_CASE(4) THIN_CASE(5) THIN_CASE(6) THIN_CASE(7)
        THIN_CASE(8) THIN_CASE(9) THIN_CASE(10) THIN_CASE(11) THIN_CASE(12) THIN_CASE(13) THIN_CASE(14)
    }
}

INLINE void gather_columns(const struct gather_tile *t, int col, const int vecs)
{
    if (t->x_voxel == 1 && t->length == 3 && t->lines == 1) {
        gather_thin(t, col, vecs);
        return;
    }
    switch (t->lines * 16 + t->count) {
        GATHER_CASE(1, 1)
        GATHER_CASE(1, 2) GATHER_CASE(1, 3) GATHER_CASE(1, 4) GATHER_CASE(1, 5) GATHER_CASE(1, 6)
            GATHER_CASE(1, 7) GATHER_CASE(1, 8) GATHER_CASE(1, 9) GATHER_CASE(1, 10) GATHER_CASE(1, 11)
                GATHER_CASE(1, 12) GATHER_CASE(1, 13) GATHER_CASE(1, 14) GATHER_CASE(2, 1) GATHER_CASE(2, 2)
                    GATHER_CASE(2, 3) GATHER_CASE(2, 4) GATHER_CASE(2, 5) GATHER_CASE(2, 6) GATHER_CASE(2, 7)
                        GATHER_CASE(3, 1) GATHER_CASE(3, 2) GATHER_CASE(3, 3) GATHER_CASE(3, 4)
                            GATHER_CASE(4, 1) GATHER_CASE(4, 2) GATHER_CASE(4, 3)
    }
}

static __attribute__((noinline)) void gather_one(const struct gather_tile *t, int col)
{
    gather_columns(t, col, 1);
}

static __attribute__((noinline)) void gather_all(const struct gather_tile *t, int col)
{
    gather_columns(t, col, VECS);
}

/* A line longer than a tile is cut into tiles here. */
static void gather(const struct gather_tile *all)
{
    const int most = all->k <= LANES && all->lines == 1 ? (int)GATHER_ONE : GATHER_COUNT;
    const int pieces = all->lines == 1 ? (all->count + most - 1) / most : 1;
    struct gather_tile t = *all;
    for (int i = 0, rest = all->count; i < pieces; i++, rest -= t.count) {
        int col = 0;
        t.count = rest / (pieces - i);
        for (; t.k - col > LANES; col += VECS * LANES) gather_all(&t, col);
        if (col < t.k) gather_one(&t, col);
        t.x += (size_t)t.count * t.x_voxel;
        t.y[0] += t.count * t.y_voxel;
    }
}

/* ---- outer --------------------------------------------------------------------------------------------- */

INLINE void outer_block(const struct outer_tile *t, int col, const int rows, const int per_row,
                        const int vecs)
{
    vf acc[OUTER_COUNT][VECS];
    float *const out = t->acc + col;
    const size_t width = (size_t)t->width, voxel = t->x_voxel, x_row = t->x_row,
                 dy_voxel = width + t->dy_skip;
    const int count = rows * per_row;
    UNROLL for (int i = 0; i < count; i++)
        UNROLL for (int v = 0; v < vecs; v++) acc[i][v] = vf_load(out + (size_t)i * width + v * LANES);
    for (int l = 0; l < t->lines; l++) {
        const float *x = t->line[l].x + t->x_first, *dy = t->line[l].dy + col;
        for (int o = 0; o < t->voxels; o++, x += voxel, dy += dy_voxel) {
            vf b[VECS];
            UNROLL for (int v = 0; v < vecs; v++) b[v] = vf_load(dy + v * LANES);
            UNROLL for (int i = 0; i < count; i++) {
                const vf a = vf_set(x[(size_t)(i / per_row) * x_row + (size_t)(i % per_row)]);
                UNROLL for (int v = 0; v < vecs; v++) acc[i][v] = vf_fma(a, b[v], acc[i][v]);
            }
        }
    }
    UNROLL for (int i = 0; i < count; i++)
        UNROLL for (int v = 0; v < vecs; v++) vf_store(out + (size_t)i * width + v * LANES, acc[i][v]);
}

#define OUTER_CASE(count)                                                 \
    case count:                                                           \
        if ((count) <= OUTER_COUNT) outer_block(t, col, 1, count, vecs);  \
        break;

INLINE void outer_columns(const struct outer_tile *t, int col, const int vecs)
{
    if (t->rows == 3 && OUTER_COUNT >= 9) {
        outer_block(t, col, OUTER_COUNT >= 9 ? 3 : 1, 3, vecs);
        return;
    }
    if (t->rows == 2 && OUTER_COUNT >= 6) {
        outer_block(t, col, OUTER_COUNT >= 6 ? 2 : 1, 3, vecs);
        return;
    }
    switch (t->count) {
        OUTER_CASE(1) OUTER_CASE(2) OUTER_CASE(3) OUTER_CASE(4) OUTER_CASE(5) OUTER_CASE(6) OUTER_CASE(7)
        OUTER_CASE(8) OUTER_CASE(9) OUTER_CASE(10) OUTER_CASE(11) OUTER_CASE(12) OUTER_CASE(13) OUTER_CASE(14)
    }
}

static void outer(const struct outer_tile *t)
{
    int col = 0;
    for (; col + VECS * LANES <= t->width; col += VECS * LANES) outer_columns(t, col, VECS);
    for (; col < t->width; col += LANES) outer_columns(t, col, 1);
}

/* ---- winograd ------------------------------------------------------------------------------------------ */

/* The level may have another multiply-add for the transforms, which are long and wait for memory. */
#ifdef TRANSFORM_FMA
#define vf_fma TRANSFORM_FMA
#define vf_fnma TRANSFORM_FNMA
#endif
#include "tensor/conv/conv_template_winograd.h"
#undef vf_fma
#undef vf_fnma

/* ---- weights ------------------------------------------------------------------------------------------- */

/* The rows of a square become its columns: half of a perfect shuffle each time. */
INLINE void transpose_square(vf *v)
{
    UNROLL for (int step = 1; step < LANES; step *= 2) {
        vf old[LANES];
        UNROLL for (int i = 0; i < LANES; i++) old[i] = v[i];
        UNROLL for (int i = 0; i < LANES / 2; i++) {
            v[2 * i] = vf_zip_low(old[i], old[i + LANES / 2]);
            v[2 * i + 1] = vf_zip_high(old[i], old[i + LANES / 2]);
        }
    }
}

INLINE void pack_square(float *const to[], int i, const float *from, size_t row, int rows, int columns)
{
    vf v[LANES];
    UNROLL for (int r = 0; r < LANES; r++) v[r] = r < rows ? get(from + (size_t)r * row, columns) : vf_set(0);
    transpose_square(v);
    UNROLL for (int c = 0; c < LANES; c++)
        if (c < columns) vf_store(to[c] + i, v[c]);
}

static void pack(float *const to[], const float *from, size_t row, int rows, int width, int columns)
{
    for (int i = 0; i < width; i += LANES)
        for (int left = columns, j; left > 0; left -= LANES) {
            j = left >= LANES     ? columns - left
                : columns > LANES ? columns - LANES
                                  : 0; /* the last square has some columns again */
            const float *at = from + (size_t)i * row + j;
            if (rows - i >= LANES && columns - j >= LANES)
                pack_square(to + j, i, at, row, LANES, LANES);
            else
                pack_square(to + j, i, at, row, rows - i, columns - j);
        }
}

INLINE void unpack_square(float *to, size_t row, const float *const from[], int j, size_t stripe, int stripes,
                          int rows, int columns)
{
    vf v[LANES];
    UNROLL for (int r = 0; r < LANES; r++) {
        v[r] = vf_set(0);
        if (r >= rows) continue;
        v[r] = vf_load(from[r] + j);
        for (int s = 1; s < stripes; s++) v[r] = vf_add(v[r], vf_load(from[r] + (size_t)s * stripe + j));
    }
    transpose_square(v);
    UNROLL for (int c = 0; c < LANES; c++)
        if (c < columns) put(to + (size_t)c * row, vf_add(get(to + (size_t)c * row, rows), v[c]), rows);
}

static void unpack(float *to, size_t row, const float *const from[], size_t stripe, int stripes, int rows,
                   int columns)
{
    for (int j = 0; j < columns; j += LANES)
        for (int i = 0; i < rows; i += LANES) {
            float *at = to + (size_t)j * row + i;
            if (rows - i >= LANES && columns - j >= LANES && stripes == 1)
                unpack_square(at, row, from + i, j, stripe, 1, LANES, LANES);
            else
                unpack_square(at, row, from + i, j, stripe, stripes, rows - i, columns - j);
        }
}

/* ---- the rest ------------------------------------------------------------------------------------------ */

static void copy(float *dst, const float *src, int n, int channels, ptrdiff_t step)
{
    for (int i = 0; i < n; i++, src += step, dst += channels) {
        int c = 0;
        for (; c + LANES <= channels; c += LANES) vf_store(dst + c, vf_load(src + c));
        if (c < channels) vf_store_n(dst + c, vf_load_n(src + c, channels - c), channels - c);
    }
}

static void widen(float *dst, const uint16_t *src, int n, int channels, ptrdiff_t step)
{
    for (int i = 0; i < n; i++, src += step, dst += channels) {
        int c = 0;
        for (; c + LANES <= channels; c += LANES) vf_store(dst + c, vf_load_bf16(src + c));
        if (c < channels) vf_store_n(dst + c, vf_load_bf16_n(src + c, channels - c), channels - c);
    }
}

static void narrow(uint16_t *dst, const float *src, int n, int channels, ptrdiff_t step)
{
    for (int i = 0; i < n; i++, dst += step, src += channels) {
        int c = 0;
        for (; c + LANES <= channels; c += LANES) vf_store_bf16(dst + c, vf_load(src + c));
        if (c < channels) vf_store_bf16_n(dst + c, vf_load_n(src + c, channels - c), channels - c);
    }
}

/* Channels from c on, `vecs` vectors. */
INLINE void add_columns(float *sum, const void *src, const int bf16, size_t n, int c, int channels,
                        size_t step, const int vecs)
{
    vf s[VECS];
    UNROLL for (int v = 0; v < vecs; v++) s[v] = get(sum + c + v * LANES, channels - c - v * LANES);
    for (size_t i = 0; i < n; i++)
        UNROLL for (int v = 0; v < vecs; v++) s[v] =
            vf_add(s[v], get_as(src, bf16, (ptrdiff_t)(i * step) + c + v * LANES, channels - c - v * LANES));
    UNROLL for (int v = 0; v < vecs; v++) put(sum + c + v * LANES, s[v], channels - c - v * LANES);
}

static void add_rows(float *sum, const void *src, enum conv_type type, size_t n, int channels, size_t step)
{
    int c = 0;
    for (; channels - c >= VECS * LANES;
         c += VECS * LANES) /* whole vectors together, so that each cache line comes once */
        if (type == CONV_BF16)
            add_columns(sum, src, 1, n, c, c + VECS * LANES, step, VECS);
        else
            add_columns(sum, src, 0, n, c, c + VECS * LANES, step, VECS);
    for (; c < channels; c += LANES)
        if (type == CONV_BF16)
            add_columns(sum, src, 1, n, c, channels, step, 1);
        else
            add_columns(sum, src, 0, n, c, channels, step, 1);
}

/* As many chains as the largest tile has: no operand comes from memory, and none waits for another. */
static int peak(float *out, long n)
{
    enum { CHAINS = GATHER_COUNT * VECS < 24 ? GATHER_COUNT * VECS : 24 };
    vf acc[CHAINS], a = vf_set(0.999f), b = vf_set(0.001f);
    UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = vf_set((float)(i + 2));
    for (long r = 0; r < n; r++)
        UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = vf_fma(acc[i], a, b);
    vf sum = acc[0];
    UNROLL for (int i = 1; i < CHAINS; i++) sum = vf_add(sum, acc[i]);
    vf_store_n(out, sum, 1);
    return 2 * CHAINS * LANES;
}

const struct conv_kernels CONV_TABLE = {
    GATHER_COUNT, OUTER_COUNT, gather, outer, winograd_x, winograd_dy, winograd_w, winograd_y,
    winograd_dw,  pack,        unpack, copy,  widen,      narrow,      add_rows,   peak};
