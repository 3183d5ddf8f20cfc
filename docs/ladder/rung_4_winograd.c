/* rung_4_winograd.c - F(2x2x2, 3x3x3): eight outputs from 64 products in place of 216 (Winograd 1980; Lavin
 * and Gray 2016). In one dimension, two outputs of a kernel g from four inputs d:
 *
 *     v = (d0 - d2, d1 + d2, d2 - d1, d3 - d1)    u = (g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2)
 *     y = (m0 + m1 + m2, m1 - m2 + m3)            with m = u v, number by number
 *
 * and in three dimensions the same along each axis, one after the other. The products over the channels are
 * then 64 products of matrices, [tile][c] times [c][k].
 * The book: docs/book/20_winograd.md */
#include "docs/ladder/ladder.h"

#include "docs/ladder/ladder_lanes.h"

enum { VECTORS = PANEL / LANES, POINTS = 64, TILES = 6 * ALONG };

static const int axis_step[3] = {16, 4, 1};

/* First of the four numbers of line i of 16 along an axis. */
static int line_begin(int axis, int i)
{
    return axis == 0 ? i : axis == 1 ? i / 4 * 16 + i % 4 : 4 * i;
}

/* [panel][point][c][PANEL] */
static void transform_weights(float *to, const float *w, const struct layer *l)
{
    const size_t c = (size_t)l->c;
    memset(to, 0, panels_of(l) * POINTS * c * PANEL * sizeof *to);
    for (size_t o = 0; o < (size_t)l->k; o++)
        for (size_t i = 0; i < c; i++) {
            float u[POINTS] = {0};
            for (int tap = 0; tap < TAPS; tap++)
                u[tap / 9 * 16 + tap / 3 % 3 * 4 + tap % 3] = w[(o * c + i) * TAPS + (size_t)tap];
            for (int axis = 0; axis < 3; axis++)
                for (int line = 0; line < 16; line++) {
                    float *g = u + line_begin(axis, line), sum;
                    const int s = axis_step[axis];
                    sum = g[0] + g[2 * s];
                    g[3 * s] = g[2 * s];
                    g[2 * s] = 0.5f * (sum - g[s]);
                    g[s] = 0.5f * (sum + g[s]);
                }
            for (size_t p = 0; p < POINTS; p++)
                to[((o / PANEL * POINTS + p) * c + i) * PANEL + o % PANEL] = u[p];
        }
}

struct winograd_call {
    const struct layer *l;
    const float *padded, *weights;
    float *y, *room; /* room: of each thread, [point][TILES][c] and [point][TILES][PANEL] */
};

static size_t room_floats(const struct layer *l) { return POINTS * TILES * ((size_t)l->c + PANEL); }

size_t winograd_scratch(const struct layer *l, int threads)
{
    return (panels_of(l) * POINTS * (size_t)l->c * PANEL + padded_floats(l, 1) +
            room_floats(l) * (size_t)threads) *
           sizeof(float);
}

/* v [point][TILES][c] of one tile, whose first input is at x. */
static void transform_tile(float *v, const float *x, size_t c, size_t line, size_t plane)
{
    for (size_t j = 0; j < c; j += LANES) {
        vf d[POINTS];
        const int n = c - j < LANES ? (int)(c - j) : LANES;
        for (size_t p = 0; p < POINTS; p++)
            d[p] = vf_load_n(x + p / 16 * plane + p / 4 % 4 * line + p % 4 * c + j, n);
        for (int axis = 0; axis < 3; axis++)
            for (int i = 0; i < 16; i++) {
                vf *a = d + line_begin(axis, i);
                const int s = axis_step[axis];
                const vf d1 = a[s], d2 = a[2 * s];
                a[0] = vf_sub(a[0], d2);
                a[3 * s] = vf_sub(a[3 * s], d1);
                a[s] = vf_add(d1, d2);
                a[2 * s] = vf_sub(d2, d1);
            }
        for (size_t p = 0; p < POINTS; p++) vf_store_n(v + p * TILES * c + j, d[p], n);
    }
}

/* m [TILES][PANEL] = v [TILES][c] times u [c][PANEL]: the kernel of the panels, with a single tap. */
static void multiply(float *m, const float *v, const float *u, size_t c)
{
    for (size_t t = 0; t < TILES; t += ALONG) {
        vf sum[ALONG][VECTORS];
        UNROLL for (int p = 0; p < ALONG; p++)
            UNROLL for (int i = 0; i < VECTORS; i++) sum[p][i] = vf_set(0);
        for (size_t j = 0; j < c; j++)
            UNROLL for (size_t p = 0; p < ALONG; p++) UNROLL for (int i = 0; i < VECTORS; i++) sum[p][i] =
                vf_fma(vf_set(v[(t + p) * c + j]), vf_load(u + j * PANEL + i * LANES), sum[p][i]);
        UNROLL for (size_t p = 0; p < ALONG; p++)
            UNROLL for (int i = 0; i < VECTORS; i++) vf_store(m + (t + p) * PANEL + i * LANES, sum[p][i]);
    }
}
#include "docs/ladder/rung_4_outputs.h"
REGION_END
