/* conv_gather.c - the gather of conv_kernels.h over the threads.
 *
 * The outputs of direction -1 with a stride fall into phases, the residues of their position: each phase has
 * taps of its own and is a problem with step 1, whose outputs are `stride` apart. Direction 1 has one phase.
 *
 * A job is a range of panels of k times a chunk of the lines of y. For each block of c it packs the weights
 * of its panels, which then stay in the second cache over all lines; copies, span by span, what the taps read
 * into a window that stays in the first two caches; and runs the kernel tile by tile for each panel.
 *
 * A bf16 y takes a tile's sums when all blocks of c are in them. Until then they are kept in scratch as
 * floats; where they would be too many, the lines of a job are cut into sections, which take the blocks one
 * after the other.
 *
 * Lines shorter than half a tile are taken up to CONV_LINES at a time. All lines of a tile must skip the same
 * taps, so lines are walked class by class: a class is the lines that have the same valid taps along d and
 * along h. */
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/conv/conv_algorithm.h"

enum {
    WEIGHT_FLOATS = 120000, /* packed weights of a job's panels for one block of c: half of the smallest
                               second cache, 1 MiB */
    WINDOW_FLOATS = 12288, /* a span's window, where one tile does not need more */
    /* sums that wait for their next block, where one group of each phase does not need more */
    SUMS_FLOATS = 131072,
    PACK_COST = 4, /* packing a weight takes as long as copying so many floats into windows */
    PHASED_FLOATS = 131072 /* y that one phase writes before the next one, which reads the same x and writes
                              to the same pages */
};

struct gather_call {
    const struct gather *g;
    const struct conv_kernels *kernels;
    struct gather_source source; /* what tiles read without a window; x NULL: nothing */
    float *packed, *window, *sums;                   /* of the first thread */
    size_t packed_floats, window_floats, sums_floats; /* of one thread */
    int panels, blocks, taps, phases;
    int ranges;          /* of panels */
    int chunks, sections; /* chunks that the lines are cut into; sections of a chunk, all blocks of c each */
    int parts;           /* of a section, which all phases take in turn */
};

/* What one job needs to know. */
struct gather_work {
    const struct gather_call *call;
    struct gather_axis axis[3];
    float *packed, *window;
    float *sums;       /* of the next tile, where y is bf16 */
    int block, p0, p1; /* panels [p0, p1) */
    int lines;         /* of y in a tile */
};

/* ---- axes and taps ------------------------------------------------------------------------------------- */

struct gather_axis gather_axis(const struct gather *g, int i, int phase)
{
    const int stride = g->stride[i];
    struct gather_axis a = {.in = g->x_size[i], .direction = g->direction};
    if (g->direction > 0) {
        a.out = g->y_size[i];
        a.out_step = 1;
        a.step = stride;
        a.first = -g->pad[i];
        a.taps = g->kernel[i];
        a.w_step = 1;
    } else {
        const int k0 = (phase + g->pad[i]) % stride; /* the first tap of this phase */
        a.out = phase < g->y_size[i] ? (g->y_size[i] - 1 - phase) / stride + 1 : 0;
        a.out_first = phase;
        a.out_step = stride;
        a.step = 1;
        a.first = (phase + g->pad[i] - k0) / stride;
        a.taps = k0 < g->kernel[i] ? (g->kernel[i] - 1 - k0) / stride + 1 : 0;
        a.w_first = k0;
        a.w_step = stride;
    }
    return a;
}

int gather_phases(const struct gather *g, int i)
{
    return g->direction > 0 ? 1 : g->stride[i];
}

static int phases_of(const struct gather *g)
{
    return gather_phases(g, 0) * gather_phases(g, 1) * gather_phases(g, 2);
}

/* Taps along w that come before tap kx in the order by residue. */
static int sorted_tap(const struct gather *g, int kx)
{
    const int step = g->direction > 0 ? 1 : g->stride[2];
    if (step == 1) return kx;
    int before = kx / step;
    for (int residue = 0; residue < kx % step && residue < g->kernel[2]; residue++)
        before += (g->kernel[2] - 1 - residue) / step + 1;
    return before;
}

/* The taps of y position o that lie inside of x: [*t0, *t1). */
void gather_valid_taps(const struct gather_axis *a, int o, int *t0, int *t1)
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
    gather_valid_taps(a, o, &t0, &t1);
    for (; end < a->out; end++) {
        gather_valid_taps(a, end, &u0, &u1);
        if (u0 != t0 || u1 != t1) break;
    }
    return end;
}

/* ---- weights ------------------------------------------------------------------------------------------- */

static float *packed_panel(const struct gather_work *a, int panel)
{
    const struct gather *g = a->call->g;
    const size_t cn = (size_t)conv_min(CONV_BLOCK, g->c - a->block * CONV_BLOCK);
    return a->packed + (size_t)(panel - a->p0) * CONV_PANEL * cn * (size_t)a->call->taps;
}

/* The weights of a k go in runs: those of all its channels follow one another, or those of one channel. */
void gather_pack(float *packed, const struct gather *g, int panel, int c0, int cn)
{
    const struct conv_kernels *kernels = conv_kernels();
    const int k0 = panel * CONV_PANEL, taps = g->kernel[0] * g->kernel[1] * g->kernel[2];
    const int width = conv_width(g->k, panel), kn = conv_min(width, g->k - k0),
              run = g->w_c == (size_t)taps ? cn : 1;
    for (int c = 0; c < cn; c += run) {
        const float *from = g->w + (size_t)k0 * g->w_k + (size_t)(c0 + c) * g->w_c;
        for (int first = 0, count; first < run * taps; first += count) {
            float *to[CONV_COLUMNS];
            count = conv_min(CONV_COLUMNS, run * taps - first);
            if (count < CONV_HALF_PANEL && first > 0) { /* some again: whole squares are faster */
                first -= CONV_HALF_PANEL - count;
                count = CONV_HALF_PANEL;
            }
            int tap = first % taps, kx = tap % g->kernel[2], channel = c + first / taps;
            for (int i = 0; i < count; i++) {
                to[i] = packed + ((size_t)(tap - kx + sorted_tap(g, kx)) * (size_t)cn + (size_t)channel) *
                                     (size_t)width;
                if (++kx == g->kernel[2]) kx = 0;
                if (++tap == taps) tap = 0, channel++;
            }
            /* What comes next, also after this call. */
            const int rest = g->c - c0 - c,
                      next = conv_min(CONV_COLUMNS, (run > 1 ? rest : 1) * taps - first - count);
            if (next)
                conv_prefetch(from + first + count, kn, g->w_k, next, 0);
            else if (rest > run)
                conv_prefetch(from + g->w_c, kn, g->w_k, conv_min(CONV_COLUMNS, taps), 0);
            kernels->pack(to, from + first, g->w_k, kn, width, count);
        }
    }
}

/* ---- windows ------------------------------------------------------------------------------------------- */

/* Lines with the same valid taps. */
struct group {
    int lines;
    int n[CONV_LINES], z[CONV_LINES], y[CONV_LINES];
    int z0, z1, y0, y1; /* the valid taps */
};

/* Copies `n` positions along w of line `line` of x, from position `first` on, in ascending or descending
 * order; zeros outside. */
static void copy_line(const struct conv_kernels *kernels, float *dst, const struct gather *g, size_t line,
                      int first, int n, const struct gather_axis *a, int c0, int cn)
{
    const int before = conv_min(n, a->direction > 0 ? conv_max(0, -first) : conv_max(0, first - (a->in - 1)));
    const int inside = conv_max(0, conv_min(n, a->direction > 0 ? a->in - first : first + 1) - before);
    const int after = n - before - inside;
    const size_t row = (size_t)cn;
    if (before) memset(dst, 0, (size_t)before * row * sizeof *dst);
    dst += (size_t)before * row;
    if (inside) {
        const size_t at =
            (line * (size_t)a->in + (size_t)(first + a->direction * before)) * (size_t)g->c + (size_t)c0;
        conv_copy(kernels, dst, conv_at(g->x, g->x_type, at), g->x_type, inside, cn,
                  (ptrdiff_t)a->direction * g->c);
    }
    if (after) memset(dst + (size_t)inside * row, 0, (size_t)after * row * sizeof *dst);
}

/* The window of y positions [o, o + count) of the group's lines. It runs along w in the direction of the
 * taps, so that the taps of one line and their channels are one run of floats. Going down, the last voxel
 * comes first. */
static void fill_window(const struct gather_work *a, const struct group *r, int o, int count, int positions)
{
    const struct gather *g = a->call->g;
    const struct gather_axis *az = &a->axis[0], *ay = &a->axis[1], *ax = &a->axis[2];
    const int c0 = a->block * CONV_BLOCK, cn = conv_min(CONV_BLOCK, g->c - c0);
    const int first = (ax->direction > 0 ? o : o + count - 1) * ax->step + ax->first;
    float *dst = a->window;
    for (int i = 0; i < r->lines; i++)
        for (int z = r->z0; z < r->z1; z++)
            for (int y = r->y0; y < r->y1; y++, dst += (size_t)positions * (size_t)cn) {
                const int iz = r->z[i] * az->step + az->first + z * az->direction;
                const int iy = r->y[i] * ay->step + ay->first + y * ay->direction;
                const size_t line =
                    ((size_t)r->n[i] * (size_t)az->in + (size_t)iz) * (size_t)ay->in + (size_t)iy;
                copy_line(a->call->kernels, dst, g, line, first, positions, ax, c0, cn);
            }
}

/* ---- x in place ---------------------------------------------------------------------------------------- */

int gather_in_place(struct gather_source *s, const struct gather *g)
{
    if (g->x_type != CONV_F32 || g->pad[2] != 0) return 0;
    for (int i = 0; i < 3; i++)
        if (g->kernel[i] > (g->direction > 0 ? 1 : g->stride[i])) return 0;
    if (g->direction < 0 && g->y_size[2] > g->x_size[2] * g->stride[2])
        return 0; /* outputs behind the last x */
    *s = (struct gather_source){.x = g->x};
    memcpy(s->size, g->x_size, sizeof s->size);
    return 1;
}

/* The first float that the taps of y position o in the group's line i read. */
static const float *first_x(const struct gather_work *a, const struct group *r, int i, int o)
{
    const struct gather *g = a->call->g;
    const struct gather_source *s = &a->call->source;
    const struct gather_axis *az = &a->axis[0], *ay = &a->axis[1], *ax = &a->axis[2];
    const int z = r->z[i] * az->step + az->first + r->z0 * az->direction + s->before[0];
    const int y = r->y[i] * ay->step + ay->first + r->y0 * ay->direction + s->before[1];
    const size_t line = ((size_t)r->n[i] * (size_t)s->size[0] + (size_t)z) * (size_t)s->size[1] + (size_t)y;
    return s->x +
           (line * (size_t)s->size[2] + (size_t)(o * ax->step + ax->first + s->before[2])) * (size_t)g->c +
           (size_t)a->block * CONV_BLOCK;
}

/* Lets the tiles of y positions from o on read x in place, where its lines are evenly apart. */
static int read_in_place(const struct gather_work *a, struct gather_tile *t, const struct group *r, int o)
{
    const struct gather_source *s = &a->call->source;
    const size_t c = (size_t)a->call->g->c;
    if (!s->x) return 0;
    const float *x = first_x(a, r, 0, o);
    const size_t line = r->lines > 1 ? (size_t)(first_x(a, r, 1, o) - x) : 0;
    for (int i = 2; i < r->lines; i++)
        if (first_x(a, r, i, o) != x + (size_t)i * line) return 0;
    t->x = x;
    t->x_line = line;
    t->x_voxel = (size_t)a->axis[2].step * c;
    t->x_row = (size_t)s->size[2] * c;
    t->x_skip = (size_t)(s->size[1] - t->ny) * t->x_row;
    return 1;
}

/* ---- tiles --------------------------------------------------------------------------------------------- */

/* The voxel of y that position o of the group's line i is. */
static size_t y_voxel(const struct gather_work *a, const struct group *r, int i, int o)
{
    const struct gather *g = a->call->g;
    const struct gather_axis *az = &a->axis[0], *ay = &a->axis[1], *ax = &a->axis[2];
    const size_t z = (size_t)(az->out_first + r->z[i] * az->out_step),
                 y = (size_t)(ay->out_first + r->y[i] * ay->out_step);
    return (((size_t)r->n[i] * (size_t)g->y_size[0] + z) * (size_t)g->y_size[1] + y) * (size_t)g->y_size[2] +
           (size_t)(ax->out_first + o * ax->out_step);
}

/* A tile whose y are bf16: the y of its lines, for a sum that is a float until its last block. */
static void run_narrow(struct gather_work *a, struct gather_tile *t, uint16_t *const y[CONV_LINES])
{
    const struct gather_call *s = a->call;
    const ptrdiff_t step = t->y_voxel;
    const size_t line = (size_t)t->count * (size_t)t->k;
    for (int i = 0; i < t->lines; i++) {
        t->y[i] = a->sums + (size_t)i * line;
        if (a->block == 0 && t->accumulate) s->kernels->widen(t->y[i], y[i], t->count, t->k, step);
    }
    t->y_voxel = t->k;
    s->kernels->gather(t);
    t->y_voxel = step;
    for (int i = 0; i < t->lines && a->block == s->blocks - 1; i++)
        s->kernels->narrow(y[i], t->y[i], t->count, t->k, step);
    if (s->blocks > 1) a->sums += (size_t)t->lines * line;
}

/* y positions [o, o + count), for each panel. t has what all tiles of the window share. */
static void run_tile(struct gather_work *a, struct gather_tile t, const struct group *r, int o, int count)
{
    const struct gather_call *s = a->call;
    const struct gather *g = s->g;
    const struct gather_axis *az = &a->axis[0], *ay = &a->axis[1], *ax = &a->axis[2];
    const size_t cn = (size_t)conv_min(CONV_BLOCK, g->c - a->block * CONV_BLOCK);
    t.count = count;
    for (int panel = a->p0; panel < a->p1; panel++) {
        const int k0 = panel * CONV_PANEL;
        t.width = conv_width(g->k, panel);
        t.k = conv_min(t.width, g->k - k0);
        t.start = g->bias ? g->bias + k0 : NULL;
        const size_t x_taps = cn * (size_t)t.width, y_taps = x_taps * (size_t)g->kernel[2],
                     z_taps = y_taps * (size_t)g->kernel[1];
        t.w_y = y_taps * (size_t)ay->w_step;
        t.w_z = z_taps * (size_t)az->w_step;
        t.w = packed_panel(a, panel) + (size_t)(az->w_first + r->z0 * az->w_step) * z_taps +
              (size_t)(ay->w_first + r->y0 * ay->w_step) * y_taps +
              (size_t)sorted_tap(g, ax->w_first) * x_taps;
        void *y[CONV_LINES];
        for (int i = 0; i < r->lines; i++)
            y[i] =
                conv_at_out(g->y, g->y_type,
                            y_voxel(a, r, i, t.y_voxel > 0 ? o : o + count - 1) * (size_t)g->k + (size_t)k0);
        if (g->y_type == CONV_BF16) {
            run_narrow(a, &t, (uint16_t *const *)y);
        } else {
            for (int i = 0; i < r->lines; i++) t.y[i] = y[i];
            s->kernels->gather(&t);
        }
    }
}

/* y positions [o, end) of the group: one window, `tiles` tiles. */
static void run_span(struct gather_work *a, const struct group *r, int o, int end, int tiles)
{
    const struct gather *g = a->call->g;
    const struct gather_axis *ax = &a->axis[2];
    const int cn = conv_min(CONV_BLOCK, g->c - a->block * CONV_BLOCK);
    const int count = end - o, positions = (count - 1) * ax->step + ax->taps;
    struct gather_tile t = {
        .lines = r->lines, .nz = r->z1 - r->z0, .ny = r->y1 - r->y0, .length = ax->taps * cn};
    t.x_row = (size_t)positions * (size_t)cn;
    t.x_line = t.x_row * (size_t)t.nz * (size_t)t.ny;
    t.x_voxel = (size_t)ax->step * (size_t)cn;
    t.y_voxel = (ptrdiff_t)ax->out_step * g->k * ax->direction;
    t.accumulate = g->accumulate || a->block > 0;
    if (t.length == 0) t.nz = 0; /* no taps along w: nothing but the start value */
    const float *x = a->window;
    if (t.nz > 0 && t.ny > 0) {
        if (read_in_place(a, &t, r, o)) {
            x = t.x;
            t.y_voxel = (ptrdiff_t)ax->out_step * g->k;
        } else {
            fill_window(a, r, o, count, positions);
        }
    }
    if (r->lines == 1 && a->p1 - a->p0 == 1 && g->y_type == CONV_F32)
        tiles = 1; /* the kernel cuts them: no panels take turns */
    for (int i = 0, first = 0, last; i < tiles; i++, first = last) {
        last = (int)((long long)count * (i + 1) / tiles);
        t.x = x + (size_t)(t.y_voxel > 0 ? first : count - last) * t.x_voxel;
        run_tile(a, t, r, o + first, last - first);
    }
}

static size_t tile_window(const struct gather *g, const struct gather_axis axis[3])
{
    return ((size_t)CONV_TILE * (size_t)axis[2].step + (size_t)CONV_LINES * (size_t)axis[2].taps) *
           (size_t)conv_min(CONV_BLOCK, g->c) * (size_t)axis[0].taps * (size_t)axis[1].taps;
}

static void run_group(struct gather_work *a, const struct group *r)
{
    const struct gather_call *s = a->call;
    const int out = a->axis[2].out, most = s->kernels->gather_count / a->lines,
              tiles = (out + most - 1) / most;
    const size_t window = tile_window(s->g, a->axis);
    const int spans =
        window ? conv_min(tiles, (int)(((size_t)tiles * window + WINDOW_FLOATS - 1) / WINDOW_FLOATS)) : 1;
    for (int i = 0; i < spans; i++) {
        const int t0 = (int)((long long)tiles * i / spans), t1 = (int)((long long)tiles * (i + 1) / spans);
        run_span(a, r, (int)((long long)out * t0 / tiles), (int)((long long)out * t1 / tiles), t1 - t0);
    }
}

/* ---- lines --------------------------------------------------------------------------------------------- */

/* The groups of a class are `lines` at a time of its n x nz x ny lines. */
static int class_groups(const struct gather_work *a, int nz, int ny)
{
    return (a->call->g->n * nz * ny + a->lines - 1) / a->lines;
}

static int count_groups(const struct gather_work *a)
{
    int groups = 0;
    for (int z = 0, z_end; z < a->axis[0].out; z = z_end) {
        z_end = class_end(&a->axis[0], z);
        for (int y = 0, y_end; y < a->axis[1].out; y = y_end) {
            y_end = class_end(&a->axis[1], y);
            groups += class_groups(a, z_end - z, y_end - y);
        }
    }
    return groups;
}

/* Groups [first, end) of the class of lines [z, z_end) x [y, y_end). */
static void run_class(struct gather_work *a, int z, int z_end, int y, int y_end, int first, int end)
{
    const int nz = z_end - z, ny = y_end - y, lines = a->call->g->n * nz * ny;
    struct group r;
    gather_valid_taps(&a->axis[0], z, &r.z0, &r.z1);
    gather_valid_taps(&a->axis[1], y, &r.y0, &r.y1);
    for (int i = first; i < end; i++) {
        r.lines = conv_min(a->lines, lines - i * a->lines);
        for (int j = 0; j < r.lines; j++) {
            const int line = i * a->lines + j;
            r.n[j] = line / (nz * ny);
            r.z[j] = z + line / ny % nz;
            r.y[j] = y + line % ny;
        }
        run_group(a, &r);
    }
}

static void run_groups(struct gather_work *a, int first, int end)
{
    int before = 0; /* groups of the classes so far */
    for (int z = 0, z_end; z < a->axis[0].out; z = z_end) {
        z_end = class_end(&a->axis[0], z);
        for (int y = 0, y_end; y < a->axis[1].out; y = y_end) {
            y_end = class_end(&a->axis[1], y);
            const int groups = class_groups(a, z_end - z, y_end - y);
            run_class(a, z, z_end, y, y_end, conv_max(0, first - before), conv_min(groups, end - before));
            before += groups;
        }
    }
}

/* Fills in the axes and the lines of a tile; returns the groups. */
static long long enter_phase(struct gather_work *a, int phase)
{
    const struct gather *g = a->call->g;
    a->axis[0] = gather_axis(g, 0, phase / g->stride[2] / g->stride[1]);
    a->axis[1] = gather_axis(g, 1, phase / g->stride[2] % g->stride[1]);
    a->axis[2] = gather_axis(g, 2, phase % g->stride[2]);
    if (a->axis[2].out == 0) return 0;
    a->lines = conv_max(1, conv_min(CONV_LINES, a->call->kernels->gather_count / a->axis[2].out));
    return count_groups(a);
}

/* Part `part` of all parts of the lines of one phase. */
static void run_part(struct gather_work *a, long long part, int phase)
{
    const struct gather_call *s = a->call;
    const long long parts = (long long)s->chunks * s->sections * s->parts, groups = enter_phase(a, phase);
    run_groups(a, (int)(groups * part / parts), (int)(groups * (part + 1) / parts));
}

static void gather_job(void *arg, int job, int thread)
{
    const struct gather_call *s = arg;
    const struct gather *g = s->g;
    const int chunk = job % s->chunks, range = job / s->chunks;
    struct gather_work a = {
        .call = s, .p0 = s->panels * range / s->ranges, .p1 = s->panels * (range + 1) / s->ranges};
    a.packed = s->packed + (size_t)thread * s->packed_floats;
    a.window = s->window + (size_t)thread * s->window_floats;
    for (int section = 0; section < s->sections; section++)
        for (a.block = 0; a.block < s->blocks; a.block++) {
            const long long first = ((long long)chunk * s->sections + section) * s->parts;
            a.sums = s->sums + (size_t)thread * s->sums_floats;
            const int c0 = a.block * CONV_BLOCK, cn = conv_min(CONV_BLOCK, g->c - c0);
            for (int panel = a.p0; panel < a.p1; panel++)
                gather_pack(packed_panel(&a, panel), g, panel, c0, cn);
            for (int part = 0; part < s->parts; part++)
                for (int phase = 0; phase < s->phases; phase++) run_part(&a, first + part, phase);
        }
}

/* ---- the call ------------------------------------------------------------------------------------------ */

/* Of one panel and block. */
static size_t panel_floats(const struct gather *g)
{
    return (size_t)conv_width(g->k, 0) * (size_t)conv_min(g->c, CONV_BLOCK) * (size_t)g->kernel[0] *
           (size_t)g->kernel[1] * (size_t)g->kernel[2];
}

/* Most panels whose weights stay in the second cache together. */
static int range_of(const struct gather *g)
{
    const size_t fit = WEIGHT_FLOATS / panel_floats(g);
    return fit < 1 ? 1 : fit < (size_t)conv_panels(g->k) ? (int)fit : conv_panels(g->k);
}

/* No phase has more taps than the first tap's. */
static size_t window_floats(const struct gather *g)
{
    struct gather_axis axis[3];
    for (int i = 0; i < 3; i++) {
        axis[i] = gather_axis(g, i, 0);
        if (g->direction < 0) axis[i].taps = (g->kernel[i] - 1) / g->stride[i] + 1;
    }
    const size_t tile = tile_window(g, axis);
    return conv_align(tile > WINDOW_FLOATS ? tile : WINDOW_FLOATS);
}

static size_t packed_floats(const struct gather *g)
{
    return conv_align((size_t)range_of(g) * panel_floats(g));
}

/* Channels k of a range. */
static size_t range_k(const struct gather *g)
{
    return (size_t)conv_min(range_of(g) * CONV_PANEL, g->k);
}

/* A group has lines * out <= max(out, CONV_TILE) voxels. */
static size_t sums_floats(const struct gather *g)
{
    if (g->y_type == CONV_F32) return 0;
    if (conv_blocks(g->c) == 1) return CONV_TILE * CONV_PANEL; /* of one tile */
    const int longest = (g->y_size[2] - 1) / (g->direction > 0 ? 1 : g->stride[2]) + 1;
    const size_t groups = (size_t)phases_of(g) * (size_t)conv_max(longest, CONV_TILE) * range_k(g);
    const size_t all =
        2 * (size_t)g->n * (size_t)g->y_size[0] * (size_t)g->y_size[1] * (size_t)g->y_size[2] * range_k(g);
    const size_t wanted = all < SUMS_FLOATS
                              ? all
                              : SUMS_FLOATS; /* twice: groups may have fewer lines than they have room for */
    return conv_align(groups > wanted ? groups : wanted);
}

size_t gather_scratch(const struct gather *g, int threads)
{
    return (size_t)threads * (packed_floats(g) + window_floats(g) + sums_floats(g)) + thin_floats(g);
}

/* The fewest sections of a chunk whose sums fit. */
static int sections_of(const struct gather_call *s)
{
    struct gather_work a = {.call = s};
    for (int sections = 1;; sections++) {
        const long long all = (long long)s->chunks * sections;
        size_t floats = 0;
        for (int phase = 0; phase < s->phases; phase++) {
            const long long groups = (enter_phase(&a, phase) + all - 1) / all;
            floats += (size_t)groups * (size_t)a.lines * (size_t)a.axis[2].out * range_k(s->g);
        }
        if (floats <= s->sums_floats) return sections;
    }
}

static double y_floats(const struct gather *g)
{
    return (double)g->n * g->y_size[0] * g->y_size[1] * g->y_size[2] * g->k;
}

/* Floats of x that one range of panels copies into windows. */
static double copied_floats(const struct gather_call *s)
{
    const struct gather *g = s->g;
    double floats = s->source.x ? 0 : (double)g->n * g->c;
    for (int i = 0; i < 3; i++) {
        const struct gather_axis a = gather_axis(g, i, 0);
        floats *= (double)gather_phases(g, i) * a.out * (i < 2 ? a.taps : a.step);
    }
    return floats;
}

/* Cuts the work into ranges and chunks. Where `apart` groups of threads have panels of their own, fewer
 * threads pack the same weights, but more of them copy the same x, and each voxel of y is in the caches of
 * several. */
static void cut(struct gather_call *s, int threads)
{
    const struct gather *g = s->g;
    const double weights = (double)g->c * g->k * s->taps, x = copied_floats(s),
                 y = (double)s->blocks * y_floats(g);
    double best = 0;
    for (int apart = 1; apart <= threads; apart++) {
        if (threads % apart || s->panels % apart) continue;
        const int fit = range_of(g), ranges = apart * ((s->panels / apart + fit - 1) / fit),
                  chunks = threads / apart;
        const double cost = chunks * PACK_COST * weights + ranges * x + (apart > 1 ? y : 0);
        if (apart > 1 && cost >= best) continue;
        best = cost;
        s->ranges = ranges;
        s->chunks = chunks;
    }
}

void gather_run(const struct gather *g, struct pool *pool)
{
    struct gather_call s = {
        .g = g, .kernels = conv_kernels_few(g->k), .packed = g->scratch, .phases = phases_of(g)};
    const int threads = pool_threads(pool);
    s.taps = g->kernel[0] * g->kernel[1] * g->kernel[2];
    s.panels = conv_panels(g->k);
    s.blocks = conv_blocks(g->c);
    s.packed_floats = packed_floats(g);
    s.window_floats = window_floats(g);
    s.sums_floats = sums_floats(g);
    s.window = g->scratch + (size_t)threads * s.packed_floats;
    s.sums = s.window + (size_t)threads * s.window_floats;
    if (!gather_in_place(&s.source, g) && thin_floats(g))
        thin_copy(&s.source, s.sums + (size_t)threads * s.sums_floats, g, pool);
    cut(&s, threads);
    s.sections = g->y_type == CONV_BF16 && s.blocks > 1 ? sections_of(&s) : 1;
    s.parts = s.phases > 1 ? (int)(y_floats(g) / s.chunks / s.sections / PHASED_FLOATS) + 1 : 1;
    pool_run(pool, s.ranges * s.chunks, gather_job, &s);
}

/* ---- the algorithm ------------------------------------------------------------------------------------- */

static int supports(const struct conv_problem *p, enum isa level)
{
    (void)level;
    return p->pass != CONV_BACKWARD_WEIGHTS;
}

static size_t scratch_of(const struct conv_problem *p, int threads)
{
    return gather_scratch(&p->gather, threads);
}

static void run(const struct conv_problem *p, float *scratch, struct pool *pool)
{
    struct gather g = p->gather;
    g.scratch = scratch;
    gather_run(&g, pool);
}

const struct conv_algorithm gather_algorithm = {"direct", supports, NULL, scratch_of, run};
