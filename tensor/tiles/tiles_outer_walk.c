/* tiles_outer_walk.c - the jobs of the weight gradient of tiles.h.
 *
 *     tiles_outer_job      one stripe of units, one block of 32 c, one panel of k
 *       run_unit           window of x and pairs of dy, for all taps
 *         add_tap          products of 32 positions at a time
 *     tiles_outer_add_job  one block and panel: the stripes in order, to dw
 * The book: docs/book/21_pairs.md */
#include <string.h>

#include "tensor/tiles/tiles_outer.h"

static void add_tap(const struct tiles_outer_work *a, float *sums, size_t position, int steps)
{
    const struct tile_kernels *kernels = a->call->kernels;
    for (int s = 0; s < steps; s++) a->offset[s] = (int32_t)position + s * TILE_DEPTH;
    struct tile_product t = {.width = a->width,
                             .accumulate = 1,
                             .a_row = a->window.positions,
                             .offset = a->offset,
                             .b = a->dy,
                             .steps = steps};
    for (int i = 0; i < tile_count(kernels, a->window.channels); i++) {
        const int row = tile_split(kernels, a->window.channels, i);
        t.rows = tile_split(kernels, a->window.channels, i + 1) - row;
        t.c = sums + (size_t)row * (size_t)a->width;
        t.a = a->window.data + (size_t)row * a->window.positions;
        kernels->product(&t);
    }
}

static void run_unit(struct tiles_outer_work *a, int n, int plane, int line)
{
    const struct gather *g = a->call->g;
    const struct gather_axis z = gather_axis(g, 0, 0), y = gather_axis(g, 1, 0), x = gather_axis(g, 2, 0);
    const int lines = conv_min(a->call->lines, g->y_size[1] - line);
    const int steps = ((lines - 1) * a->window.pitch + g->y_size[2] + TILE_DEPTH - 1) / TILE_DEPTH;
    int t0, t1;
    gather_valid_taps(&z, plane, &t0, &t1);
    tile_window_load(&a->window, n, line, plane, plane + 1);
    tiles_outer_load_dy(a, n, plane, line, lines, steps);
    for (int tz = t0; tz < t1; tz++)
        for (int ty = 0; ty < y.taps; ty++)
            for (int tx = 0; tx < x.taps; tx++) {
                const int kz = z.w_first + tz * z.w_step, ky = y.w_first + ty * y.w_step,
                          kx = x.w_first + tx * x.w_step;
                const size_t tap = (size_t)((kz * g->kernel[1] + ky) * g->kernel[2] + kx);
                add_tap(a, a->sums + tap * TILES_OUTER_FLOATS,
                        tile_window_position(&a->window, plane * z.step + z.first + tz * z.direction,
                                             y.first + ty * y.direction, x.first + tx * x.direction),
                        steps);
            }
}

/* ---- jobs ---------------------------------------------------------------------------------------------- */

void tiles_outer_job(void *arg, int job, int thread)
{
    const struct tiles_outer_call *s = arg;
    const struct gather *g = s->g;
    const int stripe = job / s->panels / s->blocks, block = job / s->panels % s->blocks;
    const long long units = (long long)g->n * s->planes * s->pieces;
    struct tiles_outer_work a = {.call = s, .window = s->window, .panel = job % s->panels};
    a.width = conv_width(g->k, a.panel);
    a.window.c0 = block * TILE_DEPTH;
    a.window.channels = conv_min(TILE_DEPTH, g->c - a.window.c0);
    a.window.data += (size_t)thread * s->window_values;
    a.dy = s->dy + (size_t)thread * s->dy_values;
    a.offset = s->offsets + (size_t)thread * tiles_outer_offset_floats(s);
    a.sums = s->sums + (size_t)job * (size_t)s->taps * TILES_OUTER_FLOATS;
    memset(a.sums, 0, (size_t)s->taps * TILES_OUTER_FLOATS * sizeof *a.sums);
    if (s->kernels->outer && tiles_outer_points_only(g)) {
        const long long all = (long long)g->n * g->y_size[0] * g->y_size[1] * g->y_size[2];
        tiles_outer_run_points(&a, all * stripe / s->stripes, all * (stripe + 1) / s->stripes);
        return;
    }
    memset(a.window.data, 0, s->window_values * sizeof *a.window.data);
    memset(a.dy, 0, s->dy_values * sizeof *a.dy);
    s->kernels->begin();
    for (int u = (int)(units * stripe / s->stripes); u < (int)(units * (stripe + 1) / s->stripes); u++)
        run_unit(&a, u / s->planes / s->pieces, u % s->planes, u / s->planes % s->pieces * s->lines);
    s->kernels->end();
}

void tiles_outer_add_job(void *arg, int job, int thread)
{
    const struct tiles_outer_call *s = arg;
    const struct gather *g = s->g;
    const int panel = job % s->panels, c0 = job / s->panels * TILE_DEPTH, k0 = panel * CONV_PANEL,
              width = conv_width(g->k, panel);
    const size_t stripe = (size_t)(s->blocks * s->panels * s->taps) * TILES_OUTER_FLOATS;
    const float *from = s->sums + (size_t)job * (size_t)s->taps * TILES_OUTER_FLOATS;
    (void)thread;
    for (int k = k0; k < conv_min(k0 + width, g->k); k++)
        for (int c = c0; c < conv_min(c0 + TILE_DEPTH, g->c); c++)
            for (int tap = 0; tap < s->taps; tap++) {
                const float *at =
                    from + (size_t)tap * TILES_OUTER_FLOATS + (size_t)((c - c0) * width + (k - k0));
                float sum = 0;
                for (int i = 0; i < s->stripes; i++) sum += at[(size_t)i * stripe];
                s->dw[(size_t)k * g->w_k + (size_t)c * g->w_c + (size_t)tap] += sum;
            }
}
