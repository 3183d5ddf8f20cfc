/* gather_walk.c - a job of a gather: the lines of y class by class, and their tiles through the kernel. For
 * any kernel, stride and padding.
 *
 *     gather_job       sections, blocks of c, parts, phases: packs the weights of a block
 *       run_groups     classes: the lines whose taps are inside of x alike
 *         run_group    up to CONV_LINES lines together, where they are short
 *           run_span   one window of x
 *             run_tile each panel of k
 * The book: docs/book/19_drivers.md, 22_strides.md */
#include "tensor/direct/gather.h"

/* ---- tiles --------------------------------------------------------------------------------------------- */

/* The voxel of y that position o of the group's line i is. */
static size_t y_voxel(const struct gather_work *a, const struct gather_group *r, int i, int o)
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
static void run_tile(struct gather_work *a, struct gather_tile t, const struct gather_group *r, int o,
                     int count)
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
        t.w = gather_packed_panel(a, panel) + (size_t)(az->w_first + r->z0 * az->w_step) * z_taps +
              (size_t)(ay->w_first + r->y0 * ay->w_step) * y_taps +
              (size_t)gather_sorted_tap(g, ax->w_first) * x_taps;
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
static void run_span(struct gather_work *a, const struct gather_group *r, int o, int end, int tiles)
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
        if (gather_read_in_place(a, &t, r, o)) {
            x = t.x;
            t.y_voxel = (ptrdiff_t)ax->out_step * g->k;
        } else {
            gather_fill_window(a, r, o, count, positions);
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

size_t gather_tile_window(const struct gather *g, const struct gather_axis axis[3])
{
    return ((size_t)CONV_TILE * (size_t)axis[2].step + (size_t)CONV_LINES * (size_t)axis[2].taps) *
           (size_t)conv_min(CONV_BLOCK, g->c) * (size_t)axis[0].taps * (size_t)axis[1].taps;
}

static void run_group(struct gather_work *a, const struct gather_group *r)
{
    const struct gather_call *s = a->call;
    const int out = a->axis[2].out, most = s->kernels->gather_count / a->lines,
              tiles = (out + most - 1) / most;
    const size_t windows = (size_t)tiles * gather_tile_window(s->g, a->axis);
    const int fit = (int)((windows + GATHER_WINDOW_FLOATS - 1) / GATHER_WINDOW_FLOATS),
              spans = windows ? conv_min(tiles, fit) : 1;
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
        z_end = gather_class_end(&a->axis[0], z);
        for (int y = 0, y_end; y < a->axis[1].out; y = y_end) {
            y_end = gather_class_end(&a->axis[1], y);
            groups += class_groups(a, z_end - z, y_end - y);
        }
    }
    return groups;
}

/* Groups [first, end) of the class of lines [z, z_end) x [y, y_end). */
static void run_class(struct gather_work *a, int z, int z_end, int y, int y_end, int first, int end)
{
    const int nz = z_end - z, ny = y_end - y, lines = a->call->g->n * nz * ny;
    struct gather_group r;
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
        z_end = gather_class_end(&a->axis[0], z);
        for (int y = 0, y_end; y < a->axis[1].out; y = y_end) {
            y_end = gather_class_end(&a->axis[1], y);
            const int groups = class_groups(a, z_end - z, y_end - y);
            run_class(a, z, z_end, y, y_end, conv_max(0, first - before), conv_min(groups, end - before));
            before += groups;
        }
    }
}

long long gather_enter_phase(struct gather_work *a, int phase)
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
    const long long parts = (long long)s->chunks * s->sections * s->parts,
                    groups = gather_enter_phase(a, phase);
    run_groups(a, (int)(groups * part / parts), (int)(groups * (part + 1) / parts));
}

void gather_job(void *arg, int job, int thread)
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
                gather_pack(gather_packed_panel(&a, panel), g, panel, c0, cn);
            for (int part = 0; part < s->parts; part++)
                for (int phase = 0; phase < s->phases; phase++) run_part(&a, first + part, phase);
        }
}
