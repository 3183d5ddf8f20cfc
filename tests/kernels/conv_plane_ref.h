/* conv_plane_ref.h - the definition of int16.h in plain loops, for tests/kernels/conv_case.h.
 *
 * Transforms and units of the integers are computed in fp32 as the kernels compute them, so that the integers
 * are the same; what follows is in double precision, so that only the roundings of the kernels' sums remain
 * between the two. */
#ifndef TESTS_CONV_PLANE_REF_H
#define TESTS_CONV_PLANE_REF_H

#include <math.h>
#include <stdlib.h>

#include "tensor/winograd/int16.h"

#define PLANE_A 0.75
#define PLANE_B 1.5
/* What a transform of x and of dy can multiply a magnitude by. */
static const double plane_x_gain[6] = {
    (1 + PLANE_A * PLANE_A) * (1 + PLANE_B * PLANE_B), (1 + PLANE_A) * (1 + PLANE_B * PLANE_B),
    (1 + PLANE_A) * (1 + PLANE_B * PLANE_B),           (1 + PLANE_B) * (1 + PLANE_A * PLANE_A),
    (1 + PLANE_B) * (1 + PLANE_A * PLANE_A),           (1 + PLANE_A * PLANE_A) * (1 + PLANE_B * PLANE_B)};
static const double plane_dy_gain[6] = {1,
                                        (1 + PLANE_A) * (1 + PLANE_A * PLANE_A),
                                        (1 + PLANE_A) * (1 + PLANE_A * PLANE_A),
                                        (1 + PLANE_B) * (1 + PLANE_B * PLANE_B),
                                        (1 + PLANE_B) * (1 + PLANE_B * PLANE_B),
                                        1};
#define PLANE_A2 ((float)(PLANE_A * PLANE_A))
#define PLANE_B2 ((float)(PLANE_B * PLANE_B))

static inline void plane_ref_opposite(float *v, int step, float even, float odd, double p)
{
    const float o = (float)p * odd;
    v[0] = even + o;
    v[step] = even - o;
}

/* One axis: values `step` apart. */
static inline void plane_ref_axis_x(float *v, const float *d, int step)
{
    const float product = (float)(PLANE_A * PLANE_A * PLANE_B * PLANE_B),
                sum = (float)(PLANE_A * PLANE_A + PLANE_B * PLANE_B), *d1 = d + step, *d2 = d + 2 * step,
                *d3 = d + 3 * step, *d4 = d + 4 * step, *d5 = d + 5 * step;
    v[0] = fmaf(product, *d, fmaf(-sum, *d2, *d4));
    plane_ref_opposite(v + step, step, fmaf(-PLANE_B2, *d2, *d4), fmaf(-PLANE_B2, *d1, *d3), PLANE_A);
    plane_ref_opposite(v + 3 * step, step, fmaf(-PLANE_A2, *d2, *d4), fmaf(-PLANE_A2, *d1, *d3), PLANE_B);
    v[5 * step] = fmaf(product, *d1, fmaf(-sum, *d3, *d5));
}

static inline void plane_ref_axis_dy(float *v, const float *d, int step)
{
    const float *d1 = d + step, *d2 = d + 2 * step, *d3 = d + 3 * step;
    v[0] = *d;
    plane_ref_opposite(v + step, step, fmaf(PLANE_A2, *d2, *d), fmaf(PLANE_A2, *d3, *d1), PLANE_A);
    plane_ref_opposite(v + 3 * step, step, fmaf(PLANE_B2, *d2, *d), fmaf(PLANE_B2, *d3, *d1), PLANE_B);
    v[5 * step] = *d3;
}

static inline void plane_ref_axis_w(float *v, const float *d, int step)
{
    const double a2 = PLANE_A * PLANE_A, b2 = PLANE_B * PLANE_B;
    const float a = (float)(1 / (2 * a2 * (a2 - b2))), b = (float)(1 / (2 * b2 * (b2 - a2)));
    v[0] = (float)(1 / (a2 * b2)) * *d;
    plane_ref_opposite(v + step, step, a * fmaf(PLANE_A2, d[2 * step], *d), a * d[step], PLANE_A);
    plane_ref_opposite(v + 3 * step, step, b * fmaf(PLANE_B2, d[2 * step], *d), b * d[step], PLANE_B);
    v[5 * step] = d[2 * step];
}

/* v[6][6] of d[size][size]: along w, then h. */
static inline void plane_ref_transform(float v[36], const float *d, int size,
                                       void (*axis)(float *v, const float *d, int step))
{
    float rows[36], line[6], column[36] = {0};
    for (int y = 0; y < size; y++) axis(rows + 6 * y, d + size * y, 1);
    for (int x = 0; x < 6; x++) {
        for (int y = 0; y < size; y++) line[y] = rows[6 * y + x];
        axis(column, line, 1);
        for (int y = 0; y < 6; y++) v[6 * y + x] = column[y];
    }
}

/* In units of gain / scale. */
static inline void plane_ref_integers(int *to, const float v[36], const double gain[6], float scale)
{
    for (int i = 0; i < 36; i++)
        to[i] = (int)lrintf(v[i] * ((float)(1 / (gain[i / 6] * gain[i % 6])) * scale));
}

/* A^T and G^T. */
static inline double plane_ref_point(int i)
{
    return i < 3 ? (i == 1 ? PLANE_A : -PLANE_A) : i == 3 ? PLANE_B : -PLANE_B;
}
static inline double plane_ref_a(int o, int i)
{
    return i == 5 ? o == 3 : i == 0 ? o == 0 : pow(plane_ref_point(i), o);
}
static inline double plane_ref_g(int tap, int i)
{
    const double a2 = PLANE_A * PLANE_A, b2 = PLANE_B * PLANE_B;
    if (i == 5) return tap == 2;
    if (i == 0) return tap == 0 ? 1 / (a2 * b2) : 0;
    return pow(plane_ref_point(i), tap) / (i < 3 ? 2 * a2 * (a2 - b2) : 2 * b2 * (b2 - a2));
}

/* d = size x size values of channel c from line y, column x of plane `plane` on; outside of the plane 0. */
static inline void plane_ref_patch(float *d, int size, const float *values, const int extent[3], int channels,
                                   int plane, int y, int x, int c)
{
    for (int i = 0; i < size * size; i++) {
        const int iy = y + i / size, ix = x + i % size;
        const size_t at = ((size_t)plane * (size_t)extent[1] + (size_t)iy) * (size_t)extent[2] + (size_t)ix;
        d[i] = iy >= 0 && iy < extent[1] && ix >= 0 && ix < extent[2]
                   ? values[at * (size_t)channels + (size_t)c]
                   : 0;
    }
}

/* u[kz][c][point] and unit[block][point] of channel k. */
static inline void plane_ref_weights(int *u, float *unit, const struct gather *g, const float *w, int k)
{
    float *v = malloc((size_t)(g->kernel[0] * g->c) * 36 * sizeof *v);
    for (int i = 0; i < g->kernel[0] * g->c; i++) {
        const int c = i % g->c, kz = g->direction > 0 ? i / g->c : g->kernel[0] - 1 - i / g->c;
        float f[9];
        for (int j = 0; j < 9; j++)
            f[j] = w[(size_t)k * g->w_k + (size_t)c * g->w_c +
                     (size_t)(kz * 9 + (g->direction > 0 ? j : 8 - j))];
        plane_ref_transform(v + 36 * i, f, 3, plane_ref_axis_w);
    }
    for (int i = 0; i < conv_blocks(g->c) * 36; i++) {
        const int point = i % 36, c0 = i / 36 * CONV_BLOCK, c1 = conv_min(g->c, c0 + CONV_BLOCK);
        float sum = 0, most = 0;
        for (int c = c0; c < c1; c++)
            for (int kz = 0; kz < g->kernel[0]; kz++) {
                const float size = fabsf(v[(kz * g->c + c) * 36 + point]);
                sum += size;
                most = fmaxf(most, size);
            }
        const float by_sum = (float)(0x1p31 * 0.99 / (PLANE_X_MOST + 1)) / fmaxf(PLANE_LEAST, sum),
                    by_most = 32766 / fmaxf(PLANE_LEAST, most), factor = fminf(by_most, by_sum);
        unit[i] = (float)(plane_x_gain[point / 6] * plane_x_gain[point % 6]) / factor;
        for (int c = c0; c < c1; c++)
            for (int kz = 0; kz < g->kernel[0]; kz++) {
                const int at = (kz * g->c + c) * 36 + point;
                u[at] = (int)lrintf(v[at] * factor);
            }
    }
    free(v);
}

/* Where tile `tile` of all planes is: image, plane, line, column. */
struct plane_ref_tile {
    int n, z, y, x;
};
static inline struct plane_ref_tile plane_ref_tile(const struct gather *g, int tile)
{
    const int h = (g->y_size[1] + 3) / 4, w = (g->y_size[2] + 3) / 4;
    return (struct plane_ref_tile){tile / w / h / g->y_size[0], tile / w / h % g->y_size[0], tile / w % h * 4,
                                   tile % w * 4};
}

/* v[kz][c][point] of a tile; returns the largest magnitude of its column. first: of the plane, line and
 * column of x that an output begins at. */
static inline float plane_ref_values(int *v, const struct gather *g, const float *x, struct plane_ref_tile t,
                                     const int first[3])
{
    float most = PLANE_LEAST, d[36], transformed[36];
    for (int i = 0; i < g->x_size[0] * g->c; i++) {
        plane_ref_patch(d, 6, x, g->x_size, g->c, t.n * g->x_size[0] + i / g->c, t.y + first[1],
                        t.x + first[2], i % g->c);
        for (int j = 0; j < 36; j++) most = fmaxf(most, fabsf(d[j]));
    }
    for (int i = 0; i < g->kernel[0] * g->c; i++) {
        const int z = t.z + first[0] + i / g->c;
        memset(v + 36 * i, 0, 36 * sizeof *v);
        if (z < 0 || z >= g->x_size[0]) continue;
        plane_ref_patch(d, 6, x, g->x_size, g->c, t.n * g->x_size[0] + z, t.y + first[1], t.x + first[2],
                        i % g->c);
        plane_ref_transform(transformed, d, 6, plane_ref_axis_x);
        plane_ref_integers(v + 36 * i, transformed, plane_x_gain, PLANE_X_MOST / most);
    }
    return most;
}

/* want[] += y, and tolerance[] = the roundings of some sums of the magnitudes, for the whole of y; w as
 * g->w_k and g->w_c say. */
static inline void plane_ref(double *want, double *tolerance, const struct gather *g, const float *x,
                             const float *w)
{
    const int rows = g->kernel[0] * g->c, blocks = conv_blocks(g->c);
    int *u = malloc((size_t)g->k * (size_t)rows * 36 * sizeof *u), *v = malloc((size_t)rows * 36 * sizeof *v),
        first[3];
    float *unit = malloc((size_t)(g->k * blocks) * 36 * sizeof *unit);
    for (int a = 0; a < 3; a++) first[a] = g->direction > 0 ? -g->pad[a] : g->pad[a] - (g->kernel[a] - 1);
    for (int k = 0; k < g->k; k++)
        plane_ref_weights(u + (size_t)(k * rows) * 36, unit + k * blocks * 36, g, w, k);
    double a[16][36]; /* of output o and point p */
    for (int i = 0; i < 16 * 36; i++)
        a[i / 36][i % 36] =
            plane_ref_a(i / 36 / 4, i % 36 / 6) * plane_ref_a(i / 36 % 4, i % 36 % 6);
    const int tiles = g->n * g->y_size[0] * ((g->y_size[1] + 3) / 4) * ((g->y_size[2] + 3) / 4);
    for (int i = 0; i < tiles * g->k; i++) {
        const struct plane_ref_tile t = plane_ref_tile(g, i / g->k);
        const int k = i % g->k;
        static float most;
        if (k == 0) most = plane_ref_values(v, g, x, t, first);
        double m[36] = {0}, size[36] = {0};
        for (int row = 0; row < rows; row++)
            for (int p = 0; p < 36; p++) {
                const double value = (double)u[((size_t)k * (size_t)rows + (size_t)row) * 36 + (size_t)p] *
                                     v[36 * row + p] *
                                     (double)unit[(k * blocks + row % g->c / CONV_BLOCK) * 36 + p];
                m[p] += value;
                size[p] += fabs(value); /* only of the blocks' sums, of which this is more */
            }
        for (int o = 0; o < 16; o++) {
            const int y = t.y + o / 4, xx = t.x + o % 4;
            if (y >= g->y_size[1] || xx >= g->y_size[2]) continue;
            const size_t plane = (size_t)t.n * (size_t)g->y_size[0] + (size_t)t.z,
                         at = ((plane * (size_t)g->y_size[1] + (size_t)y) * (size_t)g->y_size[2] +
                               (size_t)xx) *
                                  (size_t)g->k +
                              (size_t)k;
            double total = 0, magnitude = 0;
            for (int p = 0; p < 36; p++) {
                total += a[o][p] * m[p];
                magnitude += fabs(a[o][p]) * (blocks > 1 ? size[p] : fabs(m[p]));
            }
            const double scale = (double)most / PLANE_X_MOST;
            tolerance[at] = 2 * sqrt((double)(blocks + 16)) * 0x1p-24 * (magnitude * scale + fabs(want[at]));
            want[at] += total * scale;
        }
    }
    free(u);
    free(v);
    free(unit);
}

/* Of x or of dy: integers [channel][plane][column][point] and units [channel][plane][batch]. */
struct plane_ref_side {
    int *v;
    float *unit;
};
static inline struct plane_ref_side plane_ref_side(const struct gather *g, const float *values, int of_dy,
                                                   int columns, int batches)
{
    const int *extent = of_dy ? g->y_size : g->x_size, channels = of_dy ? g->k : g->c, planes = extent[0],
              size = of_dy ? 4 : 6, h = (g->y_size[1] + 3) / 4, w = (g->y_size[2] + 3) / 4;
    struct plane_ref_side s = {malloc((size_t)(channels * planes) * (size_t)columns * 36 * sizeof *s.v),
                               malloc((size_t)(channels * planes) * (size_t)batches * sizeof *s.unit)};
    float *d = malloc((size_t)columns * 36 * sizeof *d), v[36];
    for (int i = 0; i < channels * planes; i++)
        for (int batch = 0; batch < batches; batch++) {
            float most = PLANE_LEAST;
            const int first = (int)((long long)columns * batch / batches),
                      end = (int)((long long)columns * (batch + 1) / batches);
            for (int t = first; t < end; t++) {
                plane_ref_patch(d + 36 * t, size, values, extent, channels, t / w / h * planes + i % planes,
                                t / w % h * 4 - (of_dy ? 0 : g->pad[1]), t % w * 4 - (of_dy ? 0 : g->pad[2]),
                                i / planes);
                for (int j = 0; j < size * size; j++) most = fmaxf(most, fabsf(d[36 * t + j]));
            }
            s.unit[i * batches + batch] = most / PLANE_PAIR_MOST;
            for (int t = first; t < end; t++) {
                plane_ref_transform(v, d + 36 * t, size, of_dy ? plane_ref_axis_dy : plane_ref_axis_x);
                plane_ref_integers(s.v + ((size_t)i * (size_t)columns + (size_t)t) * 36, v,
                                   of_dy ? plane_dy_gain : plane_x_gain, PLANE_PAIR_MOST / most);
            }
        }
    free(d);
    return s;
}

/* The sums of a tap along d over all voxels: sum[point] and its magnitudes. */
static inline void plane_ref_outer_sums(double sum[36], double size[36], const struct gather *g,
                                        const struct plane_ref_side *x, const struct plane_ref_side *dy,
                                        int k, int c, int kz, int columns, int batches)
{
    for (int p = 0; p < 36; p++) sum[p] = size[p] = 0;
    for (int z = 0; z < g->y_size[0]; z++)
        for (int batch = 0, iz = z - g->pad[0] + kz; iz >= 0 && iz < g->x_size[0] && batch < batches;
             batch++) {
            const int at = c * g->x_size[0] + iz, to = k * g->y_size[0] + z;
            const double unit =
                (double)x->unit[at * batches + batch] * (double)dy->unit[to * batches + batch];
            double exact[36] = {0};
            for (int t = (int)((long long)columns * batch / batches);
                 t < (int)((long long)columns * (batch + 1) / batches); t++)
                for (int p = 0; p < 36; p++)
                    exact[p] += (double)x->v[((size_t)at * (size_t)columns + (size_t)t) * 36 + (size_t)p] *
                                dy->v[((size_t)to * (size_t)columns + (size_t)t) * 36 + (size_t)p];
            for (int p = 0; p < 36; p++) {
                const double all = exact[p] * unit * plane_x_gain[p / 6] * plane_x_gain[p % 6] *
                                   plane_dy_gain[p / 6] * plane_dy_gain[p % 6];
                sum[p] += all;
                size[p] += fabs(all);
            }
        }
}

/* The same for the weight gradient of the forward gather g: want, tolerance and dw as [k][c][tap], by g->w_k
 * and g->w_c. */
static inline void plane_ref_outer(double *want, double *tolerance, const struct gather *g, const float *x,
                                   const float *dy)
{
    const int columns = g->n * ((g->y_size[1] + 3) / 4) * ((g->y_size[2] + 3) / 4),
              batches = (columns + 2 * PLANE_PAIRS - 1) / (2 * PLANE_PAIRS);
    const double error = 2 * sqrt((double)(batches * g->y_size[0] + 16)) * 0x1p-24;
    const struct plane_ref_side from = plane_ref_side(g, x, 0, columns, batches),
                                to = plane_ref_side(g, dy, 1, columns, batches);
    double a[9][36]; /* of tap o and point p */
    for (int i = 0; i < 9 * 36; i++)
        a[i / 36][i % 36] =
            plane_ref_g(i / 36 / 3, i % 36 / 6) * plane_ref_g(i / 36 % 3, i % 36 % 6);
    for (int i = 0; i < g->k * g->c * g->kernel[0]; i++) {
        const int k = i % g->k, c = i / g->k % g->c, kz = i / g->k / g->c;
        double sum[36], size[36];
        plane_ref_outer_sums(sum, size, g, &from, &to, k, c, kz, columns, batches);
        for (int o = 0; o < 9; o++) {
            const size_t at = (size_t)k * g->w_k + (size_t)c * g->w_c + (size_t)(9 * kz + o);
            double total = 0, magnitude = fabs(want[at]);
            for (int p = 0; p < 36; p++) {
                total += a[o][p] * sum[p];
                magnitude += fabs(a[o][p]) * size[p];
            }
            want[at] += total;
            tolerance[at] = error * magnitude;
        }
    }
    free(from.v), free(from.unit);
    free(to.v), free(to.unit);
}

#endif
