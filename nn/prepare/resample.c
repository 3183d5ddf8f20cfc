/* resample.c - splines of an image, indicators of a label map, on another grid.
 * The book: docs/book/11_batch.md */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/prepare/preprocess.h"
#include "nn/prepare/resample.h"
#include "tensor/base/check.h"

/* Output index i lies at (i + 1/2) * n_in / n_out - 1/2 of the input. */
static double position(int i, double zoom)
{
    return (i + 0.5) * zoom - 0.5;
}

static int clamp_index(double x, int n)
{
    return x < 0 ? 0 : x > n - 1 ? n - 1 : (int)x;
}

static int nearest_index(int i, int n_out, int n_in)
{
    return clamp_index(floor(position(i, (double)n_in / n_out) + 0.5), n_in);
}

/* NULL without memory. */
static void *allocate(size_t count, size_t bytes)
{
    return calloc(count ? count : 1, bytes);
}

int resample_separate_axis(const double spacing[3], const double target[3])
{
    const double *test[2] = {spacing, target};
    for (int k = 0; k < 2; k++) {
        const double *s = test[k];
        double most = fmax(s[0], fmax(s[1], s[2])), least = fmin(s[0], fmin(s[1], s[2]));
        if (!(most / least > 3)) continue;
        int axis = -1, count = 0;
        for (int a = 0; a < 3; a++)
            if (most / s[a] == 1) {
                axis = a;
                count++;
            }
        return count == 1 ? axis : -1; /* two coarse axes: no single axis to keep apart */
    }
    return -1;
}

void resample_linear_axis(struct resample_point *point, int n_out, int n_in, int order)
{
    double zoom = (double)n_in / n_out;
    for (int i = 0; i < n_out; i++) {
        double x = position(i, zoom), low = floor(x);
        if (order == 0) {
            int at = nearest_index(i, n_out, n_in);
            point[i] = (struct resample_point){{at, at}, {1, 0}};
        } else {
            double near = 1 - (x - low);
            point[i] = (struct resample_point){{clamp_index(low, n_in), clamp_index(low + 1, n_in)},
                                               {near, 1 - near}};
        }
    }
}

/* ---- cubic spline along one axis --------------------------------------------------------------------------
 *
 * The cubic B-spline through n samples (Unser, Aldroubi and Eden 1991) has coefficients that a two-pass
 * recursive filter of pole sqrt(3) - 2 finds. SciPy's mode 'nearest' has no exact boundary for it: it repeats
 * the edge 12 times and reflects beyond, where the filter's memory has faded to 0.27^12. Filter, then sample:
 * along one axis at a time, for LINES lines at once. */

enum { PAD = 12, LINES = 16 };

struct cubic_axis {
    int n_in, n_out;
    int *start;         /* [n_out] first of four coefficients, padded index */
    double (*weight)[4]; /* [n_out] */
    double *line;       /* [n_in + 2*PAD][LINES] */
};

/* -1 without memory; to be destroyed in either case. */
static int cubic_axis_create(struct cubic_axis *c, int n_out, int n_in)
{
    double zoom = (double)n_in / n_out;
    c->n_in = n_in;
    c->n_out = n_out;
    c->start = allocate((size_t)n_out, sizeof *c->start);
    c->weight = allocate((size_t)n_out, sizeof *c->weight);
    c->line = allocate((size_t)(n_in + 2 * PAD) * LINES, sizeof *c->line);
    if (!c->start || !c->weight || !c->line) return -1;
    for (int i = 0; i < n_out; i++) {
        double x = position(i, zoom) + PAD, low = floor(x), y = x - low, z = 1 - y;
        double *w = c->weight[i];
        c->start[i] = (int)low - 1;
        w[0] = z * z * z / 6;
        w[1] = (y * y * (y - 2) * 3 + 4) / 6;
        w[2] = (z * z * (z - 2) * 3 + 4) / 6;
        w[3] = 1 - w[0] - w[1] - w[2];
    }
    return 0;
}

static void cubic_axis_destroy(struct cubic_axis *c)
{
    free(c->start);
    free(c->weight);
    free(c->line);
}

/* Samples to coefficients, in place, m rows of LINES. Both ends reflect. */
static void cubic_filter(double *line, int m)
{
    const double pole = -0.267949192431122706472553658494127633, gain = (1 - pole) * (1 - 1 / pole);
    double pole_m = 1, sum[LINES], power = pole;
    for (int i = 0; i < m; i++) pole_m *= pole;
    for (int i = 0; i < m * LINES; i++) line[i] *= gain;
    double *last = line + (size_t)(m - 1) * LINES;
    for (int k = 0; k < LINES; k++) sum[k] = line[k] + pole_m * last[k];
    for (int i = 1; i < m && i < 64; i++, power *= pole) { /* 0.27^64 is beyond double */
        const double *a = line + (size_t)i * LINES, *b = last - (size_t)i * LINES;
        for (int k = 0; k < LINES; k++) sum[k] += power * (a[k] + pole_m * b[k]);
    }
    for (int k = 0; k < LINES; k++) line[k] += sum[k] * pole / (1 - pole_m * pole_m);
    for (int i = 1; i < m; i++) {
        double *c = line + (size_t)i * LINES;
        for (int k = 0; k < LINES; k++) c[k] += pole * c[k - LINES];
    }
    for (int k = 0; k < LINES; k++) last[k] *= pole / (pole - 1);
    for (int i = m - 2; i >= 0; i--) {
        double *c = line + (size_t)i * LINES;
        for (int k = 0; k < LINES; k++) c[k] = pole * (c[k + LINES] - c[k]);
    }
}

/* `lines` <= LINES lines: sample i of line k is in[i*step + k*apart]; likewise for out. */
static void cubic_lines(const struct cubic_axis *c, float *out, const float *in, int lines, size_t step,
                        size_t apart, size_t step_out, size_t apart_out)
{
    for (int i = 0; i < c->n_in; i++)
        for (int k = 0; k < lines; k++)
            c->line[(size_t)(i + PAD) * LINES + (size_t)k] = in[(size_t)i * step + (size_t)k * apart];
    double *first = c->line + PAD * LINES, *last = first + (size_t)(c->n_in - 1) * LINES;
    for (int i = 0; i < PAD; i++) {
        memcpy(c->line + i * LINES, first, LINES * sizeof *first);
        memcpy(last + (i + 1) * LINES, last, LINES * sizeof *last);
    }
    cubic_filter(c->line, c->n_in + 2 * PAD);
    for (int i = 0; i < c->n_out; i++) {
        const double *a = c->line + (size_t)c->start[i] * LINES, *w = c->weight[i];
        for (int k = 0; k < lines; k++)
            out[(size_t)i * step_out + (size_t)k * apart_out] = (float)(w[0] * a[k] + w[1] * a[k + LINES] +
                                                        w[2] * a[k + 2 * LINES] + w[3] * a[k + 3 * LINES]);
    }
}

/* A channel of an image: voxel i of [d][h][w] is v[i * step]. */
struct channel {
    float *v;
    size_t step;
    int size[3];
};

static size_t plane_voxels(const struct channel *c)
{
    return (size_t)c->size[1] * (size_t)c->size[2];
}

static size_t channel_voxels(const struct channel *c)
{
    return (size_t)c->size[0] * plane_voxels(c);
}

static void range_of(float range[2], const struct channel *c)
{
    range[0] = range[1] = c->v[0];
    for (size_t i = 1; i < channel_voxels(c); i++) {
        float v = c->v[i * c->step];
        range[0] = v < range[0] ? v : range[0];
        range[1] = v > range[1] ? v : range[1];
    }
}

static void clip(struct channel *c, const float range[2])
{
    for (size_t i = 0; i < channel_voxels(c); i++) {
        float *v = &c->v[i * c->step];
        *v = *v < range[0] ? range[0] : *v > range[1] ? range[1] : *v;
    }
}

/* Plane z of `in` along x, then y, to the contiguous plane `out`; axes of equal size are left alone: the
 * spline passes through its samples. */
static void cubic_plane(float *out, float *rows, const struct channel *in, int z, const struct cubic_axis *ay,
                        const struct cubic_axis *ax)
{
    const float *from = in->v + (size_t)z * plane_voxels(in) * in->step;
    size_t step = in->step, h = (size_t)ay->n_in, w = (size_t)ax->n_in, w_out = (size_t)ax->n_out;
    int along_x = ax->n_in != ax->n_out, along_y = ay->n_in != ay->n_out;
    if (along_x) {
        float *to = along_y ? rows : out;
        for (size_t y = 0; y < h; y += LINES)
            cubic_lines(ax, to + y * w_out, from + y * w * step, h - y < LINES ? (int)(h - y) : LINES, step,
                        w * step, 1, w_out);
        from = to;
        step = 1;
    }
    for (size_t x = 0; along_y && x < w_out; x += LINES)
        cubic_lines(ay, out + x, from + x * step, w_out - x < LINES ? (int)(w_out - x) : LINES, w_out * step,
                    step, w_out, 1);
    for (size_t i = 0; !along_x && !along_y && i < h * w; i++) out[i] = from[i * step];
}

/* Planes first, then along z between them; only the planes' result is held beside input and output. */
static int cubic_channel(struct channel *out, const struct channel *in, float **release,
                         const struct cubic_axis *axis)
{
    size_t plane = plane_voxels(out);
    int along_z = in->size[0] != out->size[0];
    float *planes = allocate(plane * (along_z ? (size_t)in->size[0] : 1), sizeof *planes);
    float *rows = allocate((size_t)in->size[1] * (size_t)out->size[2], sizeof *rows);
    int status = planes && rows ? 0 : -1;
    for (int z = 0; !status && z < in->size[0]; z++) {
        float *to = along_z ? planes + (size_t)z * plane : planes;
        cubic_plane(to, rows, in, z, &axis[1], &axis[2]);
        for (size_t i = 0; !along_z && i < plane; i++) out->v[((size_t)z * plane + i) * out->step] = to[i];
    }
    if (release && !status) {
        free(*release);
        *release = NULL;
    }
    for (size_t k = 0; !status && along_z && k < plane; k += LINES)
        cubic_lines(&axis[0], out->v + k * out->step, planes + k,
                    plane - k < LINES ? (int)(plane - k) : LINES, plane, 1, plane * out->step, out->step);
    free(planes);
    free(rows);
    return status;
}

/* release: NULL, or memory of the input to be freed where it is no longer needed. */
static int resample_cubic(struct channel *out, const struct channel *in, float **release)
{
    struct cubic_axis axis[3];
    float range[2];
    range_of(range, in);
    int status = 0;
    for (int a = 0; a < 3; a++) status |= cubic_axis_create(&axis[a], out->size[a], in->size[a]);
    if (!status) status = cubic_channel(out, in, release, axis);
    for (int a = 0; a < 3; a++) cubic_axis_destroy(&axis[a]);
    if (!status) clip(out, range);
    return status;
}

/* ---- nearest and linear -------------------------------------------------------------------------------- */

struct linear_map {
    struct resample_point *axis[3];
};

/* -1 without memory; to be destroyed in either case. */
static int linear_map_create(struct linear_map *m, const int size_out[3], const int size_in[3], int order,
                             int separate)
{
    int status = 0;
    for (int a = 0; a < 3; a++) {
        m->axis[a] = allocate((size_t)size_out[a], sizeof **m->axis);
        if (m->axis[a]) resample_linear_axis(m->axis[a], size_out[a], size_in[a], a == separate ? 0 : order);
        else status = -1;
    }
    return status;
}

static void linear_map_destroy(struct linear_map *m)
{
    for (int a = 0; a < 3; a++) free(m->axis[a]);
}

/* The eight neighbours of an output voxel, in SciPy's order, and their weights. */
static void linear_corners(size_t at[8], double weight[8], const struct linear_map *m, const int size_in[3],
                           int z, int y, int x)
{
    const struct resample_point *pz = &m->axis[0][z], *py = &m->axis[1][y], *px = &m->axis[2][x];
    for (int k = 0; k < 8; k++) {
        int i = k >> 2, j = k >> 1 & 1, l = k & 1;
        at[k] = ((size_t)pz->at[i] * (size_t)size_in[1] + (size_t)py->at[j]) * (size_t)size_in[2] +
                (size_t)px->at[l];
        weight[k] = pz->weight[i] * py->weight[j] * px->weight[l];
    }
}

static int resample_linear(struct channel *out, const struct channel *in, int order)
{
    struct linear_map m;
    float *to = out->v;
    int status = linear_map_create(&m, out->size, in->size, order, -1);
    for (int z = 0; !status && z < out->size[0]; z++)
        for (int y = 0; y < out->size[1]; y++)
            for (int x = 0; x < out->size[2]; x++, to += out->step) {
                size_t at[8];
                double weight[8], sum = 0;
                linear_corners(at, weight, &m, in->size, z, y, x);
                for (int k = 0; k < 8; k++) sum += weight[k] * in->v[at[k] * in->step];
                *to = (float)sum;
            }
    linear_map_destroy(&m);
    return status;
}

static int resample_whole(struct channel *out, const struct channel *in, int order, float **release)
{
    if (memcmp(out->size, in->size, sizeof out->size) == 0)
        for (size_t i = 0; i < channel_voxels(in); i++) out->v[i * out->step] = in->v[i * in->step];
    else
        return order == 3 ? resample_cubic(out, in, release) : resample_linear(out, in, order);
    return 0;
}

/* Plane i of axis a of a channel is [rows][columns] with these strides. */
struct plane {
    size_t offset, row, column;
};

static struct plane plane_of(const struct channel *v, int axis, int i)
{
    size_t stride[3] = {plane_voxels(v) * v->step, (size_t)v->size[2] * v->step, v->step};
    int r = axis == 0 ? 1 : 0, c = axis == 2 ? 1 : 2;
    return (struct plane){stride[axis] * (size_t)i, stride[r], stride[c]};
}

/* Planes across `axis` one by one: each is clipped to its own range, and only those that the nearest rule
 * picks are made. */
static int resample_planes(struct channel *out, const struct channel *in, int order, int axis)
{
    int r = axis == 0 ? 1 : 0, c = axis == 2 ? 1 : 2, made = -1;
    struct channel from = {NULL, 1, {1, in->size[r], in->size[c]}},
                   to = {NULL, 1, {1, out->size[r], out->size[c]}};
    from.v = allocate(plane_voxels(&from), sizeof *from.v);
    to.v = allocate(plane_voxels(&to), sizeof *to.v);
    int status = from.v && to.v ? 0 : -1;
    for (int i = 0; !status && i < out->size[axis]; i++) {
        int source = nearest_index(i, out->size[axis], in->size[axis]);
        struct plane a = plane_of(in, axis, source), b = plane_of(out, axis, i);
        if (source != made) {
            for (int y = 0; y < from.size[1]; y++)
                for (int x = 0; x < from.size[2]; x++)
                    from.v[(size_t)y * (size_t)from.size[2] + (size_t)x] =
                        in->v[a.offset + (size_t)y * a.row + (size_t)x * a.column];
            status = resample_whole(&to, &from, order, NULL);
            made = source;
        }
        for (int y = 0; y < to.size[1]; y++)
            for (int x = 0; x < to.size[2]; x++)
                out->v[b.offset + (size_t)y * b.row + (size_t)x * b.column] =
                    to.v[(size_t)y * (size_t)to.size[2] + (size_t)x];
    }
    free(from.v);
    free(to.v);
    return status;
}

static int resample_channel(struct channel *out, const struct channel *in, int order, int separate,
                            float **release)
{
    ENSURE(order == 0 || order == 1 || order == 3, "spline order %d", order);
    for (int a = 0; a < 3; a++)
        ENSURE(in->size[a] > 0 && out->size[a] > 0, "axis %d: %d to %d voxels", a, in->size[a], out->size[a]);
    return separate >= 0 ? resample_planes(out, in, order, separate)
                         : resample_whole(out, in, order, release);
}

int resample_image(float *out, const int size_out[3], const float *in, const int size_in[3], int order,
                   int separate)
{
    struct channel to = {out, 1, {size_out[0], size_out[1], size_out[2]}};
    const struct channel from = {(float *)in, 1, {size_in[0], size_in[1], size_in[2]}};
    return resample_channel(&to, &from, order, separate, NULL);
}

/* Between the axes: the rows and columns of the result in the planes of the input, or in one plane at a time
 * where an axis is resampled apart. The last channel frees the input before the result is filled. */
size_t resample_channels_bytes(const int size_out[3], const int size_in[3], int channels, int separate)
{
    const struct channel to = {NULL, 1, {size_out[0], size_out[1], size_out[2]}};
    const struct channel from = {NULL, 1, {size_in[0], size_in[1], size_in[2]}};
    size_t in = channel_voxels(&from) * (size_t)channels, out = channel_voxels(&to) * (size_t)channels;
    size_t between = (size_t)size_out[1] * (size_t)size_out[2] * (separate >= 0 ? 1 : (size_t)size_in[0]);
    return (between + (channels > 1 ? in + out : in > out ? in : out)) * sizeof(float);
}

float *resample_channels(float **in, const int size_out[3], const int size_in[3], int channels, int separate)
{
    struct channel to = {NULL, (size_t)channels, {size_out[0], size_out[1], size_out[2]}};
    struct channel from = {NULL, (size_t)channels, {size_in[0], size_in[1], size_in[2]}};
    float *out = malloc(channel_voxels(&to) * (size_t)channels * sizeof *out);
    if (!out) return NULL;
    for (int c = 0; c < channels; c++) {
        to.v = out + c;
        from.v = *in + c;
        if (resample_channel(&to, &from, 3, separate, c == channels - 1 ? in : NULL)) {
            free(out);
            return NULL;
        }
    }
    free(*in);
    *in = NULL;
    return out;
}

/* ---- labels -------------------------------------------------------------------------------------------- */

static int label_rank(uint8_t label)
{
    return label == LABEL_OUTSIDE ? -1 : label;
}

/* The label with the largest sum of weights among eight neighbours; `nearest` decides ties that it is part
 * of. */
static uint8_t label_vote(const uint8_t label[8], const double weight[8], uint8_t nearest)
{
    uint8_t seen[8], best = label[0];
    double score[8], top = -1;
    int count = 0;
    for (int k = 0; k < 8; k++) {
        int i = 0;
        while (i < count && seen[i] != label[k]) i++;
        if (i == count) {
            seen[count] = label[k];
            score[count++] = 0;
        }
        score[i] += weight[k];
    }
    for (int i = 0; i < count; i++)
        if (score[i] > top || (score[i] == top && label_rank(seen[i]) < label_rank(best))) {
            top = score[i];
            best = seen[i];
        }
    for (int i = 0; i < count; i++)
        if (seen[i] == nearest && score[i] == top) best = nearest;
    return best;
}

int resample_label(uint8_t *out, const int size_out[3], const uint8_t *in, const int size_in[3], int order,
                   int separate)
{
    ENSURE(order == 0 || order == 1, "order %d for labels", order);
    struct linear_map m, n;
    int status = linear_map_create(&m, size_out, size_in, order, separate);
    status |= linear_map_create(&n, size_out, size_in, 0, -1);
    for (int z = 0; !status && z < size_out[0]; z++)
        for (int y = 0; y < size_out[1]; y++)
            for (int x = 0; x < size_out[2]; x++) {
                size_t at[8],
                    middle = ((size_t)n.axis[0][z].at[0] * (size_t)size_in[1] + (size_t)n.axis[1][y].at[0]) *
                                 (size_t)size_in[2] +
                             (size_t)n.axis[2][x].at[0];
                double weight[8];
                uint8_t label[8];
                int same = 1;
                linear_corners(at, weight, &m, size_in, z, y, x);
                for (int k = 0; k < 8; k++) {
                    label[k] = in[at[k]];
                    same &= label[k] == label[0];
                }
                *out++ = same ? label[0] : label_vote(label, weight, in[middle]);
            }
    linear_map_destroy(&m);
    linear_map_destroy(&n);
    return status;
}
