/* tiles_window.c - windows of tiles.h.
 *
 * Along w, a line of x is followed by as many zeros as its last outputs, or the first ones of the next line,
 * reach beyond it: one column of zeros serves both. Lines outside of x are zeros, planes outside of it are
 * not there. Everything but the lines of x is zero from the start and stays so.
 * The book: docs/book/21_pairs.md */
#include <string.h>

#include "tensor/tiles/tiles.h"

static int floor_div(int a, int b)
{
    return a >= 0 ? a / b : -((b - 1 - a) / b);
}

static struct tile_reach reach_of(const struct gather *g, int i)
{
    struct tile_reach r = {.step = g->direction > 0 && i > 0 ? g->stride[i] : 1};
    int taps = 0;
    for (int phase = 0; phase < gather_phases(g, i); phase++) {
        const struct gather_axis a = gather_axis(g, i, phase);
        for (int j = 0; j < a.taps; j++) {
            const int t = a.first + j * a.direction, index = floor_div(t, r.step);
            r.low = taps == 0 ? index : conv_min(r.low, index);
            r.high = taps++ == 0 ? index : conv_max(r.high, index);
            r.used |= 1u << (t - index * r.step);
        }
    }
    return r;
}

struct tile_window tile_window(const struct gather *g, const struct tile_kernels *kernels, int transposed,
                               int channels, int lines, int planes)
{
    struct tile_window w = {
        .g = g, .kernels = kernels, .transposed = transposed, .channels = channels, .lines = lines, .n = -1};
    w.z = reach_of(g, 0);
    w.y = reach_of(g, 1);
    w.x = reach_of(g, 2);
    const struct gather_axis z = gather_axis(g, 0, 0), x = gather_axis(g, 2, 0);
    const int length = (g->x_size[2] + w.x.step - 1) / w.x.step;
    w.slots = w.z.high - w.z.low + 1 + (planes - 1) * z.step;
    w.height = lines + w.y.high - w.y.low;
    w.pitch = length + conv_max(0, conv_max(-w.x.low, x.out + w.x.high - length));
    if (transposed) w.pitch += w.pitch % 2; /* a pair of positions lies in one line */
    w.plane = (size_t)conv_max(0, -w.x.low) + (size_t)w.height * (size_t)w.pitch;
    /* A product may read TILE_ROWS beyond the last one. Transposed: an odd number of cache lines between
     * channels. */
    const size_t all = (size_t)w.slots * (size_t)(w.y.step * w.x.step) * w.plane + TILE_ROWS;
    w.positions = (all + 63) / 64 * 64 + (transposed ? 32 : 0);
    return w;
}

size_t tile_window_values(const struct tile_window *w)
{
    return (size_t)tile_blocks(w->channels) * TILE_DEPTH * w->positions;
}

void tile_window_clear(struct tile_window *w)
{
    memset(w->data, 0, tile_window_values(w) * sizeof *w->data);
    w->n = -1;
}

/* Position of index 0 of a line of the window. */
static size_t line_position(const struct tile_window *w, int iz, int py, int px, int line)
{
    const size_t sub =
        ((size_t)(iz % w->slots) * (size_t)w->y.step + (size_t)py) * (size_t)w->x.step + (size_t)px;
    return sub * w->plane + (size_t)conv_max(0, -w->x.low) + (size_t)line * (size_t)w->pitch;
}

size_t tile_window_position(const struct tile_window *w, int iz, int ty, int tx)
{
    const int y = floor_div(ty, w->y.step), x = floor_div(tx, w->x.step);
    return line_position(w, iz, ty - y * w->y.step, tx - x * w->x.step, y - w->y.low) + (size_t)x;
}

/* One line of x, of one phase along x; NULL: zeros. */
static void load_line(struct tile_window *w, size_t position, const void *line, int px)
{
    const struct gather *g = w->g;
    const int n = (g->x_size[2] - px + w->x.step - 1) / w->x.step;
    for (int b = 0; b < tile_blocks(w->channels); b++) {
        const int c = w->c0 + b * TILE_DEPTH;
        struct tile_source s = {.type = g->x_type, .step = (ptrdiff_t)w->x.step * g->c, .n = n};
        s.channels = conv_min(TILE_DEPTH, w->channels - b * TILE_DEPTH);
        uint16_t *dst =
            w->data + (size_t)b * TILE_DEPTH * w->positions + position * (w->transposed ? 1 : TILE_DEPTH);
        if (line) s.at = conv_at(line, g->x_type, (size_t)px * (size_t)g->c + (size_t)c);
        if (line && w->transposed)
            w->kernels->transpose(dst, w->positions, &s);
        else if (line)
            w->kernels->copy(dst, &s);
        else
            for (int i = 0; i < (w->transposed ? s.channels : 1); i++)
                memset(dst + (size_t)i * w->positions, 0,
                       (size_t)n * (w->transposed ? 1 : TILE_DEPTH) * sizeof *dst);
    }
}

static void load_plane(struct tile_window *w, int iz)
{
    const struct gather *g = w->g;
    for (int line = 0; line < w->height; line++)
        for (int py = 0; py < w->y.step; py++) {
            const int iy = (w->line + w->y.low + line) * w->y.step + py,
                      inside = iy >= 0 && iy < g->x_size[1];
            if (!(w->y.used >> py & 1)) continue;
            const size_t voxel = (((size_t)w->n * (size_t)g->x_size[0] + (size_t)iz) * (size_t)g->x_size[1] +
                                  (size_t)conv_max(0, iy)) *
                                 (size_t)g->x_size[2];
            const void *from = inside ? conv_at(g->x, g->x_type, voxel * (size_t)g->c) : NULL;
            for (int px = 0; px < w->x.step; px++)
                if (w->x.used >> px & 1) load_line(w, line_position(w, iz, py, px, line), from, px);
        }
}

void tile_window_load(struct tile_window *w, int n, int line, int z, int z_end)
{
    const int step = w->g->direction > 0 ? w->g->stride[0] : 1;
    if (n != w->n || line != w->line) w->next = 0;
    w->n = n;
    w->line = line;
    const int end = conv_min(w->g->x_size[0], (z_end - 1) * step + w->z.high + 1);
    for (int iz = conv_max(w->next, z * step + w->z.low); iz < end; iz++) load_plane(w, iz);
    w->next = conv_max(w->next, end);
}
