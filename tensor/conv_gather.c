/* The gather of conv_kernels.h over the threads.
 *
 * A job is a range of panels of k times a range of lines of y. For each block of c it copies, tile by tile, what the taps read
 * into a window that stays in the first two caches, and runs the kernel for each of its panels: their weights
 * of one block stay in the second cache over all tiles.
 *
 * Lines shorter than half a tile are taken up to CONV_LINES at a time. All lines of a tile must skip the same taps, so
 * lines are walked class by class: a class is the lines that have the same valid taps along d and along h. */
#include <string.h>

#include "tensor/check.h"
#include "tensor/conv_kernels.h"

/* Packed weights of a job's panels for one block of c; half of the smallest second cache in use, 512 KiB. */
enum { WEIGHT_FLOATS = 120000 };

struct gather_call {
    const struct gather *g;
    const struct conv_kernels *kernels;
    float *packed, *window;
    size_t window_floats; /* of one thread */
    int panels, blocks, taps;
    int ranges, range;    /* ranges of panels; panels in a range */
    int lines;            /* lines of y in a tile */
    int groups, chunks;   /* tiles-high groups of lines; parts that they are cut into */
};

/* The taps of y position o that lie inside of x: [*t0, *t1). */
static void valid_taps(const struct gather_axis *a, int o, int *t0, int *t1)
{
    const int first = o * a->step + a->first;
    if (a->direction > 0) {
        *t0 = conv_max(0, -first);
        *t1 = conv_min(a->taps, a->in - first);
    } else {
        *t0 = conv_max(0, first - (a->in - 1));
        *t1 = conv_min(a->taps, first + 1);
    }
    if (*t1 < *t0) *t1 = *t0 = 0;
}

/* y positions [o, end) that have the same valid taps as o. */
static int class_end(const struct gather_axis *a, int o)
{
    int t0, t1, u0, u1, end = o + 1;
    valid_taps(a, o, &t0, &t1);
    for (; end < a->out; end++) {
        valid_taps(a, end, &u0, &u1);
        if (u0 != t0 || u1 != t1) break;
    }
    return end;
}

/* ---- weights ---------------------------------------------------------------------------------------------------------- */

static size_t panel_floats(const struct gather_call *s, int panel)
{
    return (size_t)conv_width(s->g->k, panel) * (size_t)s->g->c * (size_t)s->taps;
}

static const float *packed_block(const struct gather_call *s, int panel, int block)
{
    const size_t width = (size_t)conv_width(s->g->k, panel), taps = (size_t)s->taps;
    return s->packed + (size_t)panel * CONV_PANEL * (size_t)s->g->c * taps + (size_t)block * CONV_BLOCK * width * taps;
}

static void pack_job(void *arg, int job, int thread)
{
    const struct gather_call *s = arg;
    const struct gather *g = s->g;
    const struct gather_axis *az = &g->axis[0], *ay = &g->axis[1], *ax = &g->axis[2];
    const int panel = job / s->blocks, block = job % s->blocks, k0 = panel * CONV_PANEL, c0 = block * CONV_BLOCK;
    const int width = conv_width(g->k, panel), kn = conv_min(width, g->k - k0), cn = conv_min(CONV_BLOCK, g->c - c0);
    float *dst = (float *)packed_block(s, panel, block);
    (void)thread;
    for (int z = 0; z < az->taps; z++)
        for (int y = 0; y < ay->taps; y++)
            for (int x = 0; x < ax->taps; x++) {
                const int kz = az->w_first + z * az->w_step, ky = ay->w_first + y * ay->w_step,
                          kx = ax->w_first + x * ax->w_step;
                const float *src = g->w + ((size_t)kz * (size_t)g->kernel[1] + (size_t)ky) * (size_t)g->kernel[2] +
                                   (size_t)kx + (size_t)k0 * g->w_k + (size_t)c0 * g->w_c;
                for (int c = 0; c < cn; c++, src += g->w_c, dst += width) {
                    for (int k = 0; k < kn; k++) dst[k] = src[(size_t)k * g->w_k];
                    for (int k = kn; k < width; k++) dst[k] = 0;
                }
            }
}

/* ---- tiles ------------------------------------------------------------------------------------------------------------ */

/* A group of lines with the same valid taps. */
struct group {
    int lines;
    int n[CONV_LINES], z[CONV_LINES], y[CONV_LINES];
    int z0, z1, y0, y1; /* the valid taps */
};

/* Copies `n` positions along w of one line of x, from position `first` on, in ascending or descending order; zeros outside. */
static void copy_line(const struct conv_kernels *kernels, float *dst, const float *line, int first, int n, int size,
                      int direction, int c0, int cn, int c)
{
    const int before = conv_min(n, direction > 0 ? conv_max(0, -first) : conv_max(0, first - (size - 1)));
    const int inside = conv_max(0, conv_min(n, direction > 0 ? size - first : first + 1) - before);
    const size_t row = (size_t)cn;
    memset(dst, 0, (size_t)before * row * sizeof *dst);
    if (inside) {
        const float *src = line + (size_t)(first + direction * before) * (size_t)c + c0;
        if (cn == c && direction > 0)
            memcpy(dst + (size_t)before * row, src, (size_t)inside * row * sizeof *dst);
        else
            kernels->copy(dst + (size_t)before * row, src, inside, cn, (ptrdiff_t)direction * c);
    }
    memset(dst + (size_t)(before + inside) * row, 0, (size_t)(n - before - inside) * row * sizeof *dst);
}

/* The window of a tile: y positions [o, o + count) of the group's lines. A window along w runs in the direction of the taps, so that the
 * taps of one line and their channels are one run of floats. Going down, the last voxel of the tile comes first. */
static void fill_window(const struct gather_call *s, float *window, const struct group *r, int o, int count, int c0, int cn)
{
    const struct gather *g = s->g;
    const struct gather_axis *az = &g->axis[0], *ay = &g->axis[1], *ax = &g->axis[2];
    const int positions = (count - 1) * ax->step + ax->taps;
    const int first = (ax->direction > 0 ? o : o + count - 1) * ax->step + ax->first;
    float *dst = window;
    for (int i = 0; i < r->lines; i++)
        for (int z = r->z0; z < r->z1; z++)
            for (int y = r->y0; y < r->y1; y++, dst += (size_t)positions * (size_t)cn) {
                const int iz = r->z[i] * az->step + az->first + z * az->direction;
                const int iy = r->y[i] * ay->step + ay->first + y * ay->direction;
                const float *line = g->x + (((size_t)r->n[i] * (size_t)az->in + (size_t)iz) * (size_t)ay->in + (size_t)iy) *
                                               (size_t)ax->in * (size_t)g->c;
                copy_line(s->kernels, dst, line, first, positions, ax->in, ax->direction, c0, cn, g->c);
            }
}

static void run_tile(const struct gather_call *s, float *window, const struct group *r, int block, int p0, int p1, int o,
                     int count)
{
    const struct gather *g = s->g;
    const struct gather_axis *az = &g->axis[0], *ay = &g->axis[1], *ax = &g->axis[2];
    const int c0 = block * CONV_BLOCK, cn = conv_min(CONV_BLOCK, g->c - c0);
    const size_t row = ((size_t)(count - 1) * (size_t)ax->step + (size_t)ax->taps) * (size_t)cn;
    struct gather_tile t = {.lines = r->lines, .count = count, .nz = r->z1 - r->z0, .ny = r->y1 - r->y0};
    t.x = window;
    t.x_row = row;
    t.x_line = row * (size_t)t.nz * (size_t)t.ny;
    t.x_voxel = (size_t)ax->step * (size_t)cn;
    t.length = ax->taps * cn;
    t.accumulate = g->accumulate || block > 0;
    if (t.length == 0) t.nz = 0; /* no taps along w: nothing but the start value */
    if (t.nz > 0) fill_window(s, window, r, o, count, c0, cn);
    const ptrdiff_t voxel = (ptrdiff_t)ax->out_step * g->k * ax->direction;
    t.y_voxel = voxel;
    const int first = ax->out_first + (ax->direction > 0 ? o : o + count - 1) * ax->out_step;
    for (int panel = p0; panel < p1; panel++) {
        const int k0 = panel * CONV_PANEL;
        t.width = conv_width(g->k, panel);
        t.k = conv_min(t.width, g->k - k0);
        t.start = g->bias ? g->bias + k0 : NULL;
        t.w_y = (size_t)ax->taps * (size_t)cn * (size_t)t.width;
        t.w_z = t.w_y * (size_t)ay->taps;
        t.w = packed_block(s, panel, block) + (size_t)r->z0 * t.w_z + (size_t)r->y0 * t.w_y;
        for (int i = 0; i < r->lines; i++) {
            const size_t z = (size_t)(az->out_first + r->z[i] * az->out_step), y = (size_t)(ay->out_first + r->y[i] * ay->out_step);
            t.y[i] = g->y + ((((size_t)r->n[i] * (size_t)g->y_size[0] + z) * (size_t)g->y_size[1] + y) * (size_t)g->y_size[2] +
                             (size_t)first) * (size_t)g->k + k0;
        }
        s->kernels->gather(&t);
    }
}

/* ---- lines ------------------------------------------------------------------------------------------------------------ */

static void run_group(const struct gather_call *s, float *window, const struct group *r, int block, int p0, int p1)
{
    const int out = s->g->axis[2].out, most = s->kernels->gather_count / s->lines, tiles = (out + most - 1) / most;
    for (int i = 0; i < tiles; i++) {
        const int o = (int)((long long)out * i / tiles), end = (int)((long long)out * (i + 1) / tiles);
        run_tile(s, window, r, block, p0, p1, o, end - o);
    }
}

/* Runs the groups [first, end) of one block; with window NULL only counts: returns the number of all groups. */
static int walk_groups(const struct gather_call *s, float *window, int block, int p0, int p1, int first, int end)
{
    const struct gather_axis *az = &s->g->axis[0], *ay = &s->g->axis[1];
    int before = 0; /* groups of the classes so far */
    for (int z = 0, z_end; z < az->out; z = z_end) {
        z_end = class_end(az, z);
        for (int y = 0, y_end; y < ay->out; y = y_end) {
            y_end = class_end(ay, y);
            const int ny = y_end - y, nz = z_end - z, lines = s->g->n * nz * ny, groups = (lines + s->lines - 1) / s->lines;
            struct group r;
            valid_taps(az, z, &r.z0, &r.z1);
            valid_taps(ay, y, &r.y0, &r.y1);
            for (int i = conv_max(0, first - before); window && i < conv_min(groups, end - before); i++) {
                r.lines = conv_min(s->lines, lines - i * s->lines);
                for (int j = 0; j < r.lines; j++) {
                    const int line = i * s->lines + j;
                    r.n[j] = line / (nz * ny);
                    r.z[j] = z + line / ny % nz;
                    r.y[j] = y + line % ny;
                }
                run_group(s, window, &r, block, p0, p1);
            }
            before += groups;
        }
    }
    return before;
}

static void gather_job(void *arg, int job, int thread)
{
    const struct gather_call *s = arg;
    const int range = job / s->chunks, chunk = job % s->chunks;
    const int p0 = range * s->range, p1 = conv_min(p0 + s->range, s->panels);
    const int first = (int)((long long)s->groups * chunk / s->chunks), end = (int)((long long)s->groups * (chunk + 1) / s->chunks);
    float *window = s->window + (size_t)thread * s->window_floats;
    for (int block = 0; block < s->blocks; block++) walk_groups(s, window, block, p0, p1, first, end);
}

/* ---- the call --------------------------------------------------------------------------------------------------------- */

static size_t packed_floats(const struct gather *g)
{
    return conv_align(conv_padded(g->k) * (size_t)g->c * (size_t)g->axis[0].taps * (size_t)g->axis[1].taps *
                      (size_t)g->axis[2].taps);
}

/* At most CONV_TILE voxels in up to CONV_LINES lines. */
static size_t window_floats(const struct gather *g)
{
    const struct gather_axis *ax = &g->axis[2];
    return conv_align(((size_t)CONV_TILE * (size_t)ax->step + (size_t)CONV_LINES * (size_t)ax->taps) *
                      (size_t)conv_min(CONV_BLOCK, g->c) * (size_t)g->axis[0].taps * (size_t)g->axis[1].taps);
}

size_t gather_scratch(const struct gather *g, int threads)
{
    return packed_floats(g) + (size_t)threads * window_floats(g);
}

void gather_run(const struct gather *g, struct pool *pool)
{
    struct gather_call s = {.g = g, .kernels = conv_kernels()};
    const int threads = pool_threads(pool);
    if (g->axis[0].out == 0 || g->axis[1].out == 0 || g->axis[2].out == 0) return;
    s.taps = g->axis[0].taps * g->axis[1].taps * g->axis[2].taps;
    s.panels = conv_panels(g->k);
    s.blocks = conv_blocks(g->c);
    s.packed = g->scratch;
    s.window = g->scratch + packed_floats(g);
    s.window_floats = window_floats(g);
    s.lines = conv_max(1, conv_min(CONV_LINES, s.kernels->gather_count / g->axis[2].out));
    const size_t one = panel_floats(&s, 0) / (size_t)g->c * (size_t)conv_min(g->c, CONV_BLOCK);
    s.range = one == 0 ? s.panels : conv_max(1, conv_min(s.panels, (int)(WEIGHT_FLOATS / one)));
    s.ranges = (s.panels + s.range - 1) / s.range;
    s.groups = walk_groups(&s, NULL, 0, 0, 0, 0, 0);
    s.chunks = s.ranges % threads == 0 ? 1 : conv_min(threads, s.groups);
    if (s.taps) pool_run(pool, s.panels * s.blocks, pack_job, &s);
    pool_run(pool, s.ranges * s.chunks, gather_job, &s);
}
