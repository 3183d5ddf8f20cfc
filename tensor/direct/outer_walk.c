/* outer_walk.c - a job of a weight gradient: its stripe chunk by chunk, and of each the products of every
 * tap; then the stripes are added up. For any kernel, stride and padding.
 *
 *     outer_job        one stripe, one panel of k (or all), one block of c
 *       run_panels     one chunk of its lines
 *         run_chunk    tap by tap, or the taps of a line together
 *           run_tiles  the kernel
 *     outer_add_up_job one panel and block: the stripes in order, to dw
 * The book: docs/book/08_deterministic_step.md, 19_drivers.md, 22_strides.md */
#include <string.h>

#include "tensor/direct/outer.h"

/* ---- sums ---------------------------------------------------------------------------------------------- */

/* The lines of the chunk that have the tap (kz, ky) inside of x; of them, from voxel `first` on, tap kx. */
static int tap_lines(const struct outer_call *a, struct outer_line *line, const struct outer_chunk *k,
                     const struct outer_x *x, const struct outer_dy *dy, int kz, int ky, int kx, int first)
{
    const struct conv3d_shape *s = a->s;
    int count = 0;
    for (int i = 0; i < k->lines; i++) {
        const int z = k->z + (k->y + i) / s->out[1], y = (k->y + i) % s->out[1];
        const int iz = z * s->stride[0] - s->pad[0] + kz, iy = y * s->stride[1] - s->pad[1] + ky;
        if (!a->all_taps && (iz < 0 || iz >= s->in[0] || iy < 0 || iy >= s->in[1])) continue;
        line[count].x = x->x + ((size_t)(iz + x->z0) * (size_t)x->height + (size_t)(iy + x->y0)) * x->row +
                        (size_t)(first * s->stride[2] + kx) * x->voxel;
        line[count++].dy = dy->dy + (size_t)(i * s->out[2] + first) * ((size_t)dy->width + dy->skip);
    }
    return count;
}

/* The voxels of a line, [*first, *end), for which taps [kx, kx + taps) along w are not all outside of x: the
 * others would add zeros. */
static void tap_voxels(const struct conv3d_shape *s, int kx, int taps, int *first, int *end)
{
    const int stride = s->stride[2], low = s->pad[2] - kx - taps + 1,
              high = s->in[2] + s->pad[2] - kx; /* low <= o * stride < high */
    *first = low > 0 ? (low + stride - 1) / stride : 0;
    *end = high > 0 ? conv_min(s->out[2], (high + stride - 1) / stride) : 0;
}

/* `length` sums from t->acc on, evenly cut into tiles. */
static void run_tiles(const struct outer_call *a, struct outer_tile t, float *sums, int length)
{
    const int tiles = (length + a->kernels->outer_count - 1) / a->kernels->outer_count;
    for (int i = 0; i < tiles; i++) {
        const int first = (int)((long long)length * i / tiles);
        t.count = (int)((long long)length * (i + 1) / tiles) - first;
        t.x_first = (size_t)first;
        t.acc = sums + (size_t)first * (size_t)t.width;
        a->kernels->outer(&t);
    }
}

/* Taps along w are taken together where the channels of one of them are too few for whole tiles and follow
 * one another. */
static void run_chunk(const struct outer_call *a, float *sums, struct outer_line *line,
                      const struct outer_chunk *k, const struct outer_x *x, const struct outer_dy *dy, int cn)
{
    const struct conv3d_shape *s = a->s;
    struct outer_tile t = {.line = line,
                           .width = dy->width,
                           .dy_skip = dy->skip,
                           .x_row = x->row,
                           .x_voxel = (size_t)s->stride[2] * x->voxel};
    const int together = cn < CONV_BLOCK && x->voxel == (size_t)cn ? s->kernel[2] : 1, length = together * cn;
    const int most = a->all_taps && length == 3 ? conv_min(3, a->kernels->outer_count / 3) : 1;
    for (int tap = 0; tap < a->taps;
         tap += t.rows * together, sums += (size_t)(t.rows * length) * (size_t)t.width) {
        const int kx = tap % s->kernel[2], ky = tap / s->kernel[2] % s->kernel[1],
                  kz = tap / s->kernel[2] / s->kernel[1];
        int first, end;
        tap_voxels(s, kx, together, &first, &end);
        t.rows = conv_min(most, s->kernel[1] - ky);
        t.voxels = end - first;
        t.lines = tap_lines(a, line, k, x, dy, kz, ky, kx, first);
        if (t.lines && t.voxels > 0) run_tiles(a, t, sums, length);
    }
}

/* Lines [first, end) of dy, channels k of a panel. */
static void add_bias(const struct outer_call *a, float *bias_sums, int first, int end, int k0, int kn)
{
    const struct conv3d_shape *s = a->s;
    const size_t at = (size_t)first * (size_t)s->out[2] * (size_t)s->k + (size_t)k0,
                 voxels = (size_t)(end - first) * (size_t)s->out[2];
    a->kernels->add_rows(bias_sums, conv_at(a->dy, s->y_type, at), s->y_type, voxels, kn, (size_t)s->k);
}

static size_t sums_offset(const struct outer_call *a, int panel, int block)
{
    const size_t width = (size_t)conv_width(a->s->k, panel), taps = (size_t)a->taps;
    return (size_t)panel * CONV_PANEL * (size_t)a->s->c * taps + (size_t)(block * a->block) * width * taps;
}

/* ---- adding the stripes up ----------------------------------------------------------------------------- */

static void add_up(const struct outer_call *a, int panel, int block, const float *sums)
{
    const struct conv3d_shape *s = a->s;
    const int k0 = panel * CONV_PANEL, c0 = block * a->block;
    const int width = conv_width(s->k, panel), kn = conv_min(width, s->k - k0),
              cn = conv_min(a->block, s->c - c0);
    const int run = a->w_c == (size_t)a->taps ? cn : 1; /* channels whose weights follow one another */
    for (int c = 0; c < cn; c += run) {
        float *dw = a->dw + (size_t)k0 * a->w_k + (size_t)(c0 + c) * a->w_c;
        int tap = 0, channel = c;
        for (int first = 0, count; first < run * a->taps; first += count) {
            const float *from[CONV_COLUMNS];
            count = conv_min(CONV_COLUMNS, run * a->taps - first);
            for (int i = 0; i < count; i++) {
                from[i] = sums + ((size_t)tap * (size_t)cn + (size_t)channel) * (size_t)width;
                if (++tap == a->taps) tap = 0, channel++;
            }
            conv_prefetch(dw + first + count, kn, a->w_k,
                          conv_min(CONV_COLUMNS, run * a->taps - first - count), 1);
            a->kernels->unpack(dw + first, a->w_k, from, a->sums_floats, a->stripes, count, kn);
        }
    }
    for (int k = 0; a->db && block == 0 && k < kn; k++) {
        const float *sum = a->bias_sums + k0 + k;
        float all = sum[0];
        for (int i = 1; i < a->stripes; i++) all += sum[(size_t)i * conv_padded(s->k)];
        a->db[k0 + k] += all;
    }
}

/* ---- jobs ---------------------------------------------------------------------------------------------- */

/* Lines [first, end) of a chunk for panels [p0, p1), from `sums` of the first one on. */
static void run_panels(const struct outer_call *a, const struct outer_chunk *k, int block, int p0, int p1,
                       float *sums, float *copies)
{
    const struct conv3d_shape *s = a->s;
    const int c0 = block * a->block, cn = conv_min(a->block, s->c - c0);
    float *dy = copies + a->x_floats;
    struct outer_line *line = (struct outer_line *)(dy + a->dy_floats);
    const struct outer_x x = outer_lines_of_x(a, copies, k, c0, cn);
    for (int panel = p0; panel < p1; panel++) {
        const int k0 = panel * CONV_PANEL, width = conv_width(s->k, panel), kn = conv_min(width, s->k - k0);
        const struct outer_dy panel_dy = outer_panel_of_dy(a, dy, k, k0, kn, width);
        run_chunk(a, sums + (sums_offset(a, panel, block) - sums_offset(a, p0, block)), line, k, &x,
                  &panel_dy, cn);
    }
}

/* All panels of a stripe and a block where their sums stay in the second cache together: then x is copied
 * once for all of them. */
void outer_job(void *arg, int job, int thread)
{
    const struct outer_call *a = arg;
    const struct conv3d_shape *s = a->s;
    const int ranges = a->panels / a->together, block = job % a->blocks,
              p0 = job / a->blocks % ranges * a->together, p1 = p0 + a->together;
    const int stripe = job / a->blocks / ranges, cn = conv_min(a->block, s->c - block * a->block);
    float *sums = a->stripes == 1 ? a->sums + (size_t)thread * a->sums_floats
                                  : a->sums + (size_t)stripe * a->sums_floats + sums_offset(a, p0, block);
    const int k0 = p0 * CONV_PANEL, kn = conv_min(s->k, p1 * CONV_PANEL) - k0;
    float *bias_sums = a->db && block == 0 ? a->bias_sums + (size_t)stripe * conv_padded(s->k) + k0 : NULL;
    float *copies = a->copies + (size_t)thread * a->copy_floats;
    const long long lines = outer_lines(s);
    const int end = (int)(lines * (stripe + 1) / a->stripes);
    const int direct = !a->form;
    for (int panel = p0; direct && panel < p1; panel++)
        memset(sums + (sums_offset(a, panel, block) - sums_offset(a, p0, block)), 0,
               (size_t)conv_width(s->k, panel) * (size_t)cn * (size_t)a->taps * sizeof *sums);
    if (bias_sums) memset(bias_sums, 0, (size_t)kn * sizeof *bias_sums);
    for (int first = (int)(lines * stripe / a->stripes); (direct || bias_sums) && first < end;) {
        const struct outer_chunk k = outer_chunk_at(s, first, end);
        if (direct) run_panels(a, &k, block, p0, p1, sums, copies);
        if (bias_sums) add_bias(a, bias_sums, first, first + k.lines, k0, kn);
        first += k.lines;
    }
    if (a->form) a->form->sums(sums, a->forward, p0, block * a->block, cn, stripe, a->stripes, copies);
    if (a->stripes == 1) add_up(a, p0, block, sums);
}

void outer_add_up_job(void *arg, int job, int thread)
{
    const struct outer_call *a = arg;
    const int panel = job / a->blocks, block = job % a->blocks;
    (void)thread;
    add_up(a, panel, block, a->sums + sums_offset(a, panel, block));
}
