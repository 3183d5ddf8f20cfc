/* tiles_walk.c - a job of tiles.h, forward and backward-data, kernels of several taps or a stride:
 *
 *     tiles_job        units, some lines of one plane of y each
 *       run_unit       the window of x; the phases of y
 *         run_piece    each panel of k: products of the positions of the window
 *           store_rows those that are voxels of y
 * The book: docs/book/21_pairs.md */
#include "tensor/tiles/tiles.h"

/* A phase of y, and where a piece of it is. */
struct piece {
    struct gather_axis z, y, x;
    int n, plane, line, lines; /* lines [line, line + lines) of the phase */
    int first, taps;           /* in the order of all taps */
};

/* The offsets of the steps of the piece's taps [t0, t1) along d. Returns their number. */
static int list_steps(const struct tiles_work *a, const struct piece *p, int t0, int t1)
{
    int32_t *offset = a->offset;
    const int blocks = a->call->blocks;
    for (int tz = t0; tz < t1; tz++)
        for (int ty = 0; ty < p->y.taps; ty++)
            for (int tx = 0; tx < p->x.taps; tx++) {
                const int iz = p->plane * p->z.step + p->z.first + tz * p->z.direction;
                const size_t at = tile_window_position(&a->window, iz, p->y.first + ty * p->y.direction,
                                                       p->x.first + tx * p->x.direction);
                for (int b = 0; b < blocks; b++)
                    *offset++ = (int32_t)(((size_t)b * a->window.positions + at) * TILE_DEPTH);
            }
    return (int)(offset - a->offset);
}

/* Rows [first, end) of the piece's positions: to y, but for those behind the end of a line. */
static void store_rows(const struct tiles_work *a, const struct piece *p, int panel, int first, int end)
{
    const struct tiles_call *s = a->call;
    const struct gather *g = s->g;
    const int k0 = panel * CONV_PANEL, pitch = a->window.pitch;
    struct tile_store t = {
        .type = g->y_type, .y_voxel = (ptrdiff_t)p->x.out_step * g->k, .width = conv_width(g->k, panel)};
    t.k = conv_min(t.width, g->k - k0);
    t.start = g->bias ? g->bias + k0 : NULL;
    t.accumulate = g->accumulate;
    const size_t plane =
        (size_t)p->n * (size_t)g->y_size[0] + (size_t)(p->z.out_first + p->plane * p->z.out_step);
    for (int row = first, count; row < end; row += count) {
        const int line = p->line + row / pitch, column = row % pitch;
        count = conv_min(end - row, (column < p->x.out ? p->x.out : pitch) - column);
        if (column >= p->x.out) continue;
        const size_t y = plane * (size_t)g->y_size[1] + (size_t)(p->y.out_first + line * p->y.out_step);
        const size_t voxel = y * (size_t)g->y_size[2] + (size_t)(p->x.out_first + column * p->x.out_step);
        t.y = conv_at_out(g->y, g->y_type, voxel * (size_t)g->k + (size_t)k0);
        t.c = a->sums + (size_t)(row - first) * (size_t)t.width;
        t.count = count;
        s->kernels->store(&t);
    }
}

static void run_piece(const struct tiles_work *a, const struct piece *p)
{
    const struct tiles_call *s = a->call;
    int t0, t1;
    gather_valid_taps(&p->z, p->plane, &t0, &t1);
    struct tile_product t = {.c = a->sums, .a = a->window.data, .a_row = TILE_DEPTH, .offset = a->offset};
    t.steps = list_steps(a, p, t0, t1);
    const size_t first = (size_t)(p->first + t0 * p->y.taps * p->x.taps) * (size_t)s->blocks;
    const int total = (p->lines - 1) * a->window.pitch + p->x.out, tiles = tile_count(s->kernels, total);
    for (int panel = a->p0; panel < a->p1; panel++) {
        t.width = conv_width(s->g->k, panel);
        t.b = s->packed + (size_t)panel * tiles_panel_values(s) + first * TILE_DEPTH * (size_t)t.width;
        for (int i = 0; i < tiles; i++) {
            const int row = tile_split(s->kernels, total, i), end = tile_split(s->kernels, total, i + 1);
            t.a = a->window.data + (size_t)row * TILE_DEPTH;
            t.rows = end - row;
            s->kernels->product(&t);
            store_rows(a, p, panel, row, end);
        }
    }
}

/* All phases of lines [line, line + lines) of a plane. */
static void run_unit(struct tiles_work *a, int n, int plane, int line)
{
    const struct gather *g = a->call->g;
    struct piece p = {.n = n, .plane = plane, .line = line};
    tile_window_load(&a->window, n, line, plane, plane + 1);
    for (int pz = 0; pz < gather_phases(g, 0); pz++)
        for (int py = 0; py < gather_phases(g, 1); py++)
            for (int px = 0; px < gather_phases(g, 2); px++) {
                p.z = gather_axis(g, 0, pz);
                p.y = gather_axis(g, 1, py);
                p.x = gather_axis(g, 2, px);
                p.lines = conv_min(a->call->lines, p.y.out - line);
                if (plane < p.z.out && p.lines > 0 && p.x.out > 0) run_piece(a, &p);
                p.first += p.z.taps * p.y.taps * p.x.taps;
            }
}

void tiles_job(void *arg, int job, int thread)
{
    const struct tiles_call *s = arg;
    const long long units = (long long)s->g->n * s->pieces * s->planes;
    const int chunk = job % s->chunks, range = job / s->chunks;
    struct tiles_work a = {.call = s, .window = s->window, .p0 = range * s->range};
    a.p1 = conv_min(a.p0 + s->range, s->panels);
    a.window.data += (size_t)thread * s->window_values;
    a.offset = s->offsets + (size_t)thread * tiles_offset_floats(s);
    a.sums = s->sums + (size_t)thread * TILE_ROWS * CONV_PANEL;
    tile_window_clear(&a.window);
    s->kernels->begin();
    for (int u = (int)(units * chunk / s->chunks); u < (int)(units * (chunk + 1) / s->chunks); u++)
        run_unit(&a, u / s->planes / s->pieces, u % s->planes, u / s->planes % s->pieces * s->lines);
    s->kernels->end();
}
