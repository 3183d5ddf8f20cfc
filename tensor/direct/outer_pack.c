/* outer_pack.c - what the kernel of a weight gradient reads: a chunk of lines of dy, a panel of it and the
 * lines of x under it, in place where that is possible, or copied. For any kernel, stride and padding.
 * The book: docs/book/19_drivers.md */
#include <string.h>

#include "tensor/direct/outer.h"

/* Voxels in a chunk: a tile's accumulators are loaded and stored once for these. Few input channels make
 * small tiles, which are loaded fast and need dy from the first cache. */
enum { CHUNK_VOXELS = 256, THIN_CHUNK_VOXELS = 96 };

/* ---- chunks -------------------------------------------------------------------------------------------- */

int outer_lines(const struct conv3d_shape *s)
{
    return s->n * s->out[0] * s->out[1];
}

int outer_chunk_lines(const struct conv3d_shape *s)
{
    return conv_max(1, (s->c <= CONV_THIN ? THIN_CHUNK_VOXELS : CHUNK_VOXELS) / s->out[2]);
}

/* x positions [*first, *end) along an axis that outputs [o, o + n) reach, inside of the volume. */
static void reach(const struct conv3d_shape *s, int axis, int o, int n, int *first, int *end)
{
    *first = conv_max(0, o * s->stride[axis] - s->pad[axis]);
    *end = conv_max(*first,
                    conv_min(s->in[axis], (o + n - 1) * s->stride[axis] - s->pad[axis] + s->kernel[axis]));
}

struct outer_chunk outer_chunk_at(const struct conv3d_shape *s, int line, int end)
{
    const int h = s->out[1], most = conv_min(outer_chunk_lines(s), end - line);
    struct outer_chunk k = {.n = line / (h * s->out[0]), .z = line / h % s->out[0], .y = line % h};
    const int planes = k.y == 0 ? conv_min(most / h, s->out[0] - k.z) : 0;
    k.lines = planes ? planes * h : conv_min(most, h - k.y);
    reach(s, 0, k.z, planes ? planes : 1, &k.z0, &k.z1);
    reach(s, 1, k.y, planes ? h : k.lines, &k.y0, &k.y1);
    return k;
}

/* ---- copies -------------------------------------------------------------------------------------------- */

static void copy_x(const struct outer_call *a, float *dst, const struct outer_chunk *k, int c0, int cn)
{
    const struct conv3d_shape *s = a->s;
    const size_t row = (size_t)cn;
    const int before = conv_min(s->pad[2], a->positions),
              inside = conv_max(0, conv_min(s->in[2], a->positions - before));
    const int after = a->positions - before - inside;
    for (int z = k->z0; z < k->z1; z++)
        for (int y = k->y0; y < k->y1; y++) {
            const size_t line = ((size_t)k->n * (size_t)s->in[0] + (size_t)z) * (size_t)s->in[1] + (size_t)y;
            const void *src = conv_at(a->x, s->x_type, line * (size_t)s->in[2] * (size_t)s->c + (size_t)c0);
            memset(dst, 0, (size_t)before * row * sizeof *dst);
            dst += (size_t)before * row;
            conv_copy(a->kernels, dst, src, s->x_type, inside, cn, s->c);
            dst += (size_t)inside * row;
            memset(dst, 0, (size_t)after * row * sizeof *dst);
            dst += (size_t)after * row;
        }
}

struct outer_dy outer_panel_of_dy(const struct outer_call *a, float *dst, const struct outer_chunk *k, int k0,
                                   int kn, int width)
{
    const struct conv3d_shape *s = a->s;
    const struct outer_dy copied = {dst, width, 0};
    const size_t line = ((size_t)k->n * (size_t)s->out[0] + (size_t)k->z) * (size_t)s->out[1] + (size_t)k->y;
    const void *from = conv_at(a->dy, s->y_type, line * (size_t)s->out[2] * (size_t)s->k + (size_t)k0);
    const float *src = from;
    const int voxels = k->lines * s->out[2];
    int step = s->k;
    if (s->y_type == CONV_F32 && kn == width) return (struct outer_dy){src, width, (size_t)(s->k - width)};
    if (s->y_type == CONV_BF16) {
        float *rows = dst + (size_t)voxels *
                                (size_t)(width - kn); /* where filling them up below does not overtake them */
        conv_copy(a->kernels, rows, from, s->y_type, voxels, kn, s->k);
        if (kn == width) return copied;
        src = rows;
        step = kn;
    }
    for (int i = 0; i < voxels; i++, src += step, dst += width) {
        for (int j = 0; j < kn; j++) dst[j] = src[j];
        for (int j = kn; j < width; j++) dst[j] = 0;
    }
    return copied;
}

struct outer_x outer_lines_of_x(const struct outer_call *a, float *copy, const struct outer_chunk *k, int c0,
                                 int cn)
{
    const struct conv3d_shape *s = a->s;
    const struct gather_source *p = &a->source;
    if (!p->x) {
        copy_x(a, copy, k, c0, cn);
        return (struct outer_x){copy,      -k->z0, -k->y0, k->y1 - k->y0, (size_t)a->positions * (size_t)cn,
                                (size_t)cn};
    }
    const size_t row = (size_t)p->size[2] * (size_t)s->c;
    for (int z = k->z0; a->fetch && z < k->z1; z++) {
        const float *from =
            p->x + (((size_t)k->n * (size_t)s->in[0] + (size_t)z) * (size_t)s->in[1] + (size_t)k->y0) * row +
            (size_t)c0;
        conv_prefetch(from, (k->y1 - k->y0) * s->in[2], (size_t)s->c, cn, 0);
    }
    return (struct outer_x){p->x + (size_t)k->n * (size_t)p->size[0] * (size_t)p->size[1] * row + (size_t)c0,
                            p->before[0],
                            p->before[1],
                            p->size[1],
                            row,
                            (size_t)s->c};
}
