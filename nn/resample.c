#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/preprocess.h"
#include "tensor/check.h"

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

static void *allocate(size_t count, size_t bytes)
{
    void *p = calloc(count ? count : 1, bytes);
    ENSURE(p, "no memory to resample: %zu elements of %zu bytes", count, bytes);
    return p;
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
            point[i] = (struct resample_point){{clamp_index(low, n_in), clamp_index(low + 1, n_in)}, {near, 1 - near}};
        }
    }
}

/* ---- cubic spline along one axis ------------------------------------------------------------------------------------
 *
 * The cubic B-spline through n samples (Unser, Aldroubi and Eden 1991) has coefficients that a two-pass recursive filter of pole
 * sqrt(3) - 2 finds. SciPy's mode 'nearest' has no exact boundary for it: it repeats the edge 12 times and reflects beyond, where the
 * filter's memory has faded to 0.27^12. Filter, then sample: along one axis at a time, for LINES lines at once. */

enum { PAD = 12, LINES = 16 };

struct cubic_axis {
    int n_in, n_out;
    int *start;         /* [n_out] first of four coefficients, padded index */
    double (*weight)[4]; /* [n_out] */
    double *line;       /* [n_in + 2*PAD][LINES] */
};

static void cubic_axis_create(struct cubic_axis *c, int n_out, int n_in)
{
    double zoom = (double)n_in / n_out;
    c->n_in = n_in;
    c->n_out = n_out;
    c->start = allocate((size_t)n_out, sizeof *c->start);
    c->weight = allocate((size_t)n_out, sizeof *c->weight);
    c->line = allocate((size_t)(n_in + 2 * PAD) * LINES, sizeof *c->line);
    for (int i = 0; i < n_out; i++) {
        double x = position(i, zoom) + PAD, low = floor(x), y = x - low, z = 1 - y;
        double *w = c->weight[i];
        c->start[i] = (int)low - 1;
        w[0] = z * z * z / 6;
        w[1] = (y * y * (y - 2) * 3 + 4) / 6;
        w[2] = (z * z * (z - 2) * 3 + 4) / 6;
        w[3] = 1 - w[0] - w[1] - w[2];
    }
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
static void cubic_lines(const struct cubic_axis *c, float *out, const float *in, int lines, size_t step, size_t apart,
                        size_t step_out, size_t apart_out)
{
    for (int i = 0; i < c->n_in; i++)
        for (int k = 0; k < lines; k++) c->line[(size_t)(i + PAD) * LINES + k] = in[i * step + k * apart];
    double *first = c->line + PAD * LINES, *last = first + (size_t)(c->n_in - 1) * LINES;
    for (int i = 0; i < PAD; i++) {
        memcpy(c->line + i * LINES, first, LINES * sizeof *first);
        memcpy(last + (i + 1) * LINES, last, LINES * sizeof *last);
    }
    cubic_filter(c->line, c->n_in + 2 * PAD);
    for (int i = 0; i < c->n_out; i++) {
        const double *a = c->line + (size_t)c->start[i] * LINES, *w = c->weight[i];
        for (int k = 0; k < lines; k++)
            out[i * step_out + k * apart_out] =
                (float)(w[0] * a[k] + w[1] * a[k + LINES] + w[2] * a[k + 2 * LINES] + w[3] * a[k + 3 * LINES]);
    }
}

/* [outer][n_in][inner] to [outer][n_out][inner]. */
static void cubic_axis_apply(float *out, const float *in, int n_out, int n_in, size_t outer, size_t inner)
{
    struct cubic_axis c;
    cubic_axis_create(&c, n_out, n_in);
    if (inner == 1) { /* lines are whole rows */
        for (size_t o = 0; o < outer; o += LINES) {
            int lines = outer - o < LINES ? (int)(outer - o) : LINES;
            cubic_lines(&c, out + o * (size_t)n_out, in + o * (size_t)n_in, lines, 1, (size_t)n_in, 1, (size_t)n_out);
        }
    } else {
        for (size_t o = 0; o < outer; o++)
            for (size_t k = 0; k < inner; k += LINES) {
                int lines = inner - k < LINES ? (int)(inner - k) : LINES;
                cubic_lines(&c, out + o * (size_t)n_out * inner + k, in + o * (size_t)n_in * inner + k, lines, inner, 1, inner, 1);
            }
    }
    cubic_axis_destroy(&c);
}

static void range_of(float range[2], const float *v, size_t n)
{
    range[0] = range[1] = v[0];
    for (size_t i = 1; i < n; i++) {
        range[0] = v[i] < range[0] ? v[i] : range[0];
        range[1] = v[i] > range[1] ? v[i] : range[1];
    }
}

static void clip(float *v, size_t n, const float range[2])
{
    for (size_t i = 0; i < n; i++) v[i] = v[i] < range[0] ? range[0] : v[i] > range[1] ? range[1] : v[i];
}

/* Axes of equal size are left alone: the spline passes through its samples. */
static void resample_cubic(float *out, const int size_out[3], const float *in, const int size_in[3])
{
    const float *now = in;
    float *owned = NULL, range[2];
    int size[3] = {size_in[0], size_in[1], size_in[2]};
    range_of(range, in, (size_t)size[0] * size[1] * size[2]);
    for (int a = 2; a >= 0; a--) {
        if (size_in[a] == size_out[a]) continue;
        size_t outer = a == 0 ? 1 : a == 1 ? (size_t)size[0] : (size_t)size[0] * size[1];
        size_t inner = a == 2 ? 1 : a == 1 ? (size_t)size[2] : (size_t)size[1] * size[2];
        float *next = allocate(outer * inner * (size_t)size_out[a], sizeof *next);
        cubic_axis_apply(next, now, size_out[a], size_in[a], outer, inner);
        free(owned);
        now = owned = next;
        size[a] = size_out[a];
    }
    size_t count = (size_t)size[0] * size[1] * size[2];
    memcpy(out, now, count * sizeof *out);
    free(owned);
    clip(out, count, range);
}

/* ---- nearest and linear ------------------------------------------------------------------------------------------------ */

struct linear_map {
    struct resample_point *axis[3];
};

static void linear_map_create(struct linear_map *m, const int size_out[3], const int size_in[3], int order, int separate)
{
    for (int a = 0; a < 3; a++) {
        m->axis[a] = allocate((size_t)size_out[a], sizeof **m->axis);
        resample_linear_axis(m->axis[a], size_out[a], size_in[a], a == separate ? 0 : order);
    }
}

static void linear_map_destroy(struct linear_map *m)
{
    for (int a = 0; a < 3; a++) free(m->axis[a]);
}

/* The eight neighbours of an output voxel, in SciPy's order, and their weights. */
static void linear_corners(size_t at[8], double weight[8], const struct linear_map *m, const int size_in[3], int z, int y,
                           int x)
{
    const struct resample_point *pz = &m->axis[0][z], *py = &m->axis[1][y], *px = &m->axis[2][x];
    for (int k = 0; k < 8; k++) {
        int i = k >> 2, j = k >> 1 & 1, l = k & 1;
        at[k] = ((size_t)pz->at[i] * size_in[1] + py->at[j]) * size_in[2] + px->at[l];
        weight[k] = pz->weight[i] * py->weight[j] * px->weight[l];
    }
}

static void resample_linear(float *out, const int size_out[3], const float *in, const int size_in[3], int order)
{
    struct linear_map m;
    linear_map_create(&m, size_out, size_in, order, -1);
    for (int z = 0; z < size_out[0]; z++)
        for (int y = 0; y < size_out[1]; y++)
            for (int x = 0; x < size_out[2]; x++) {
                size_t at[8];
                double weight[8], sum = 0;
                linear_corners(at, weight, &m, size_in, z, y, x);
                for (int k = 0; k < 8; k++) sum += weight[k] * in[at[k]];
                *out++ = (float)sum;
            }
    linear_map_destroy(&m);
}

static void resample_whole(float *out, const int size_out[3], const float *in, const int size_in[3], int order)
{
    if (memcmp(size_out, size_in, 3 * sizeof *size_in) == 0)
        memcpy(out, in, (size_t)size_in[0] * size_in[1] * size_in[2] * sizeof *out);
    else if (order == 3)
        resample_cubic(out, size_out, in, size_in);
    else
        resample_linear(out, size_out, in, size_in, order);
}

/* Plane i of axis a of a volume is [rows][columns] with these strides. */
struct plane {
    size_t offset, row, column;
};

static struct plane plane_of(const int size[3], int axis, int i)
{
    size_t stride[3] = {(size_t)size[1] * size[2], (size_t)size[2], 1};
    int r = axis == 0 ? 1 : 0, c = axis == 2 ? 1 : 2;
    return (struct plane){stride[axis] * (size_t)i, stride[r], stride[c]};
}

/* Planes across `axis` one by one: each is clipped to its own range, and only those that the nearest rule picks are made. */
static void resample_planes(float *out, const int size_out[3], const float *in, const int size_in[3], int order, int axis)
{
    int r = axis == 0 ? 1 : 0, c = axis == 2 ? 1 : 2, made = -1;
    int from[3] = {1, size_in[r], size_in[c]}, to[3] = {1, size_out[r], size_out[c]};
    float *plane_in = allocate((size_t)from[1] * from[2], sizeof *plane_in);
    float *plane_out = allocate((size_t)to[1] * to[2], sizeof *plane_out);
    for (int i = 0; i < size_out[axis]; i++) {
        int source = nearest_index(i, size_out[axis], size_in[axis]);
        struct plane a = plane_of(size_in, axis, source), b = plane_of(size_out, axis, i);
        if (source != made) {
            for (int y = 0; y < from[1]; y++)
                for (int x = 0; x < from[2]; x++)
                    plane_in[(size_t)y * from[2] + x] = in[a.offset + y * a.row + x * a.column];
            resample_whole(plane_out, to, plane_in, from, order);
            made = source;
        }
        for (int y = 0; y < to[1]; y++)
            for (int x = 0; x < to[2]; x++)
                out[b.offset + y * b.row + x * b.column] = plane_out[(size_t)y * to[2] + x];
    }
    free(plane_in);
    free(plane_out);
}

void resample_image(float *out, const int size_out[3], const float *in, const int size_in[3], int order, int separate)
{
    ENSURE(order == 0 || order == 1 || order == 3, "spline order %d", order);
    for (int a = 0; a < 3; a++) ENSURE(size_in[a] > 0 && size_out[a] > 0, "axis %d: %d to %d voxels", a, size_in[a], size_out[a]);
    if (separate >= 0)
        resample_planes(out, size_out, in, size_in, order, separate);
    else
        resample_whole(out, size_out, in, size_in, order);
}

/* ---- labels -------------------------------------------------------------------------------------------------------------- */

static int label_rank(uint8_t label)
{
    return label == LABEL_OUTSIDE ? -1 : label;
}

/* The label with the largest sum of weights among eight neighbours; `nearest` decides ties that it is part of. */
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

void resample_label(uint8_t *out, const int size_out[3], const uint8_t *in, const int size_in[3], int order, int separate)
{
    ENSURE(order == 0 || order == 1, "order %d for labels", order);
    struct linear_map m, n;
    linear_map_create(&m, size_out, size_in, order, separate);
    linear_map_create(&n, size_out, size_in, 0, -1);
    for (int z = 0; z < size_out[0]; z++)
        for (int y = 0; y < size_out[1]; y++)
            for (int x = 0; x < size_out[2]; x++) {
                size_t at[8], middle = ((size_t)n.axis[0][z].at[0] * size_in[1] + n.axis[1][y].at[0]) * size_in[2] + n.axis[2][x].at[0];
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
}
