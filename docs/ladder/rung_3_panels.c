/* rung_3_panels.c - the sums of sixteen channels at six places stay in registers. A weight that was loaded
 * serves six places, an x that was loaded serves sixteen channels, and twelve independent chains hide the
 * time that each multiply-add takes. x has a border of zeros, so that no place has to be asked whether it is
 * inside.
 * The book: docs/book/18_ladder.md */
#include "docs/ladder/ladder.h"

#include "docs/ladder/ladder_lanes.h"

enum { VECTORS = PANEL / LANES };

void pad_input(float *to, const float *x, const struct layer *l, int more)
{
    const size_t row = (size_t)l->w * (size_t)l->c, line = (size_t)(l->w + 2 + more) * (size_t)l->c;
    memset(to, 0, padded_floats(l, more) * sizeof *to);
    for (int z = 0; z < l->d; z++)
        for (int y = 0; y < l->h; y++, x += row)
            memcpy(to + ((size_t)(z + 1) * (size_t)(l->h + 3) + (size_t)(y + 1)) * line + l->c, x,
                   row * sizeof *x);
}

/* [panel][tap][c][PANEL]: in the order in which they are read. */
static void pack_weights(float *to, const float *w, const struct layer *l)
{
    const size_t c = (size_t)l->c;
    memset(to, 0, panels_of(l) * TAPS * c * PANEL * sizeof *to);
    for (size_t o = 0; o < (size_t)l->k; o++)
        for (size_t i = 0; i < c; i++)
            for (size_t tap = 0; tap < TAPS; tap++)
                to[((o / PANEL * TAPS + tap) * c + i) * PANEL + o % PANEL] = w[(o * c + i) * TAPS + tap];
}

size_t panels_scratch(const struct layer *l, int threads)
{
    (void)threads;
    return (panels_of(l) * TAPS * (size_t)l->c * PANEL + padded_floats(l, ALONG)) * sizeof(float);
}

struct panels_call {
    const struct layer *l;
    const float *padded, *packed;
    float *y;
};

/* Six places along w from x on, one panel: the kernel. */
static void tile(vf out[ALONG][VECTORS], const float *x, const float *w, size_t c, size_t line, size_t plane)
{
    vf sum[ALONG][VECTORS];
    UNROLL for (int p = 0; p < ALONG; p++)
        UNROLL for (int v = 0; v < VECTORS; v++) sum[p][v] = vf_set(0);
    for (size_t tap = 0; tap < TAPS; tap++) {
        const float *at = x + tap / 9 * plane + tap / 3 % 3 * line + tap % 3 * c;
        for (size_t j = 0; j < c; j++, w += PANEL) {
            vf weight[VECTORS];
            UNROLL for (int v = 0; v < VECTORS; v++) weight[v] = vf_load(w + v * LANES);
            UNROLL for (size_t p = 0; p < ALONG; p++) {
                const vf value = vf_set(at[p * c + j]);
                UNROLL for (int v = 0; v < VECTORS; v++) sum[p][v] = vf_fma(value, weight[v], sum[p][v]);
            }
        }
    }
    UNROLL for (int p = 0; p < ALONG; p++)
        UNROLL for (int v = 0; v < VECTORS; v++) out[p][v] = sum[p][v];
}

/* A job is one line of outputs. */
static void line_job(void *arg, int job, int thread)
{
    const struct panels_call *call = arg;
    const struct layer *l = call->l;
    const size_t c = (size_t)l->c, line = (size_t)(l->w + 2 + ALONG) * c, plane = (size_t)(l->h + 3) * line;
    const float *x = call->padded + (size_t)(job / l->h) * plane + (size_t)(job % l->h) * line;
    (void)thread;
    for (size_t panel = 0; panel < panels_of(l); panel++)
        for (int i = 0; i < l->w; i += ALONG) {
            vf sum[ALONG][VECTORS];
            tile(sum, x + (size_t)i * c, call->packed + panel * TAPS * c * PANEL, c, line, plane);
            for (int p = 0; p < ALONG && i + p < l->w; p++)
                for (int v = 0; v < VECTORS; v++) {
                    const int k = (int)panel * PANEL + v * LANES, rest = l->k - k;
                    float *y = call->y + ((size_t)job * (size_t)l->w + (size_t)(i + p)) * (size_t)l->k + k;
                    if (rest > 0) vf_store_n(y, sum[p][v], rest < LANES ? rest : LANES);
                }
        }
}

void panels_run(float *y, const float *x, const float *w, const struct layer *l, void *scratch,
                struct pool *pool)
{
    float *packed = scratch, *padded = packed + panels_of(l) * TAPS * (size_t)l->c * PANEL;
    struct panels_call call = {l, padded, packed, y};
    pack_weights(packed, w, l);
    pad_input(padded, x, l, ALONG);
    pool_run(pool, l->d * l->h, line_job, &call);
}
REGION_END
