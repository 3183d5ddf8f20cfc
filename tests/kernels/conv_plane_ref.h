/* conv_plane_ref.h - the definition of conv_winograd_bf16.h in plain loops, for tests/kernels/conv_case.h.
 *
 * The transformed operands are rounded to bf16 as the kernels round them; what follows is in double
 * precision, so that only the roundings of the kernels' sums remain between the two. */
#ifndef TESTS_CONV_PLANE_REF_H
#define TESTS_CONV_PLANE_REF_H

#include <math.h>
#include <stdlib.h>

#include "tensor/base/bf16.h"
#include "tensor/conv/conv_kernels.h"

static inline float plane_rounded(float v) { return f32_from_bf16(bf16_from_f32(v)); }

/* v = B^T d B, d[y][x]: along x first, as the kernels do. */
static inline void plane_ref_x(float v[4][4], float d[4][4])
{
    float r[4][4];
    for (int y = 0; y < 4; y++) {
        r[y][0] = d[y][0] - d[y][2], r[y][1] = d[y][1] + d[y][2];
        r[y][2] = d[y][2] - d[y][1], r[y][3] = d[y][1] - d[y][3];
    }
    for (int x = 0; x < 4; x++) {
        v[0][x] = plane_rounded(r[0][x] - r[2][x]), v[1][x] = plane_rounded(r[1][x] + r[2][x]);
        v[2][x] = plane_rounded(r[2][x] - r[1][x]), v[3][x] = plane_rounded(r[1][x] - r[3][x]);
    }
}

/* u = G g G^T. */
static inline void plane_ref_w(float u[4][4], float g[3][3])
{
    float r[3][4];
    for (int y = 0; y < 3; y++) {
        const float outer = g[y][0] + g[y][2];
        r[y][0] = g[y][0], r[y][1] = 0.5f * (outer + g[y][1]), r[y][2] = 0.5f * (outer - g[y][1]),
        r[y][3] = g[y][2];
    }
    for (int x = 0; x < 4; x++) {
        const float outer = r[0][x] + r[2][x];
        u[0][x] = plane_rounded(r[0][x]), u[3][x] = plane_rounded(r[2][x]);
        u[1][x] = plane_rounded(0.5f * (outer + r[1][x])), u[2][x] = plane_rounded(0.5f * (outer - r[1][x]));
    }
}

/* m = A y A^T, y[y][x]: the adjoint of the last step. */
static inline void plane_ref_dy(float m[4][4], float y[2][2])
{
    float r[2][4];
    for (int i = 0; i < 2; i++)
        r[i][0] = y[i][0], r[i][1] = y[i][0] + y[i][1], r[i][2] = y[i][0] - y[i][1], r[i][3] = -y[i][1];
    for (int x = 0; x < 4; x++) {
        m[0][x] = plane_rounded(r[0][x]), m[1][x] = plane_rounded(r[0][x] + r[1][x]);
        m[2][x] = plane_rounded(r[0][x] - r[1][x]), m[3][x] = plane_rounded(-r[1][x]);
    }
}

/* Row `o` of A^T. */
static const double plane_ref_a[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};

/* Row `o` of G^T. */
static const double plane_ref_g[3][4] = {{1, 0.5, 0.5, 0}, {0, 0.5, -0.5, 0}, {0, 0.5, 0.5, 1}};

/* d = size x size values of channel c from line y, column x of plane `plane` on; outside of the plane 0. */
static inline void plane_ref_patch(float *d, int size, const float *values, const int extent[3], int channels,
                                   int plane, int y, int x, int c)
{
    for (int i = 0; i < size * size; i++) {
        const int iy = y + i / size, ix = x + i % size;
        const int inside = iy >= 0 && iy < extent[1] && ix >= 0 && ix < extent[2];
        d[i] =
            inside
                ? values[(((size_t)plane * (size_t)extent[1] + (size_t)iy) * (size_t)extent[2] + (size_t)ix) *
                             (size_t)channels +
                         (size_t)c]
                : 0;
    }
}

/* The tile at plane z, line y0, column x0 of image n: sum[p] and the sum of magnitudes size[p] for channel k
 * of y. */
static inline void plane_ref_tile(double sum[4][4], double size[4][4], const struct gather *g, const float *x,
                                  const float *w, int n, int z, int y0, int x0, int k)
{
    for (int i = 0; i < 16; i++) sum[i / 4][i % 4] = size[i / 4][i % 4] = 0;
    int first[3];
    for (int a = 0; a < 3; a++) first[a] = g->direction > 0 ? -g->pad[a] : g->pad[a] - (g->kernel[a] - 1);
    for (int kz = 0; kz < g->kernel[0]; kz++) {
        const int iz = z + first[0] + kz, wz = g->direction > 0 ? kz : g->kernel[0] - 1 - kz;
        if (iz < 0 || iz >= g->x_size[0]) continue;
        for (int c = 0; c < g->c; c++) {
            float d[4][4], f[3][3], v[4][4], u[4][4];
            plane_ref_patch(&d[0][0], 4, x, g->x_size, g->c, n * g->x_size[0] + iz, y0 + first[1],
                            x0 + first[2], c);
            for (int i = 0; i < 9; i++) {
                const int tap = g->direction > 0 ? i : 8 - i;
                f[i / 3][i % 3] = w[(size_t)k * g->w_k + (size_t)c * g->w_c + (size_t)(wz * 9 + tap)];
            }
            plane_ref_x(v, d);
            plane_ref_w(u, f);
            for (int i = 0; i < 16; i++) {
                const double product = (double)u[i / 4][i % 4] * (double)v[i / 4][i % 4];
                sum[i / 4][i % 4] += product;
                size[i / 4][i % 4] += fabs(product);
            }
        }
    }
}

/* want[] += y, and tolerance[] = 2 sqrt(terms) u times the sum of magnitudes, for the whole of y; w as g->w_k
 * and g->w_c say. */
static inline void plane_ref(double *want, double *tolerance, const struct gather *g, const float *x,
                             const float *w)
{
    const double error = 2 * sqrt((double)(g->c * g->kernel[0] + 9)) * 0x1p-24;
    for (int tile = 0, h = (g->y_size[1] + 1) / 2, v = (g->y_size[2] + 1) / 2;
         tile < g->n * g->y_size[0] * h * v; tile++) {
        const int x0 = tile % v * 2, y0 = tile / v % h * 2, plane = tile / v / h;
        for (int k = 0; k < g->k; k++) {
            double sum[4][4], size[4][4];
            plane_ref_tile(sum, size, g, x, w, plane / g->y_size[0], plane % g->y_size[0], y0, x0, k);
            for (int o = 0; o < 4; o++) {
                const int y = y0 + o / 2, xx = x0 + o % 2;
                if (y >= g->y_size[1] || xx >= g->y_size[2]) continue;
                const size_t at =
                    (((size_t)plane * (size_t)g->y_size[1] + (size_t)y) * (size_t)g->y_size[2] + (size_t)xx) *
                        (size_t)g->k +
                    (size_t)k;
                double total = 0, magnitude = fabs(want[at]);
                for (int i = 0; i < 16; i++) {
                    const double a = plane_ref_a[o / 2][i / 4] * plane_ref_a[o % 2][i % 4];
                    total += a * sum[i / 4][i % 4];
                    magnitude += fabs(a) * size[i / 4][i % 4];
                }
                want[at] += total;
                tolerance[at] = error * magnitude;
            }
        }
    }
}

/* The same for the weight gradient of the forward gather g: want, tolerance and dw as [k][c][tap], by g->w_k
 * and g->w_c. */
static inline void plane_ref_outer(double *want, double *tolerance, const struct gather *g, const float *x,
                                   const float *dy)
{
    const int h = (g->y_size[1] + 1) / 2, v = (g->y_size[2] + 1) / 2, planes = g->n * g->y_size[0];
    const double error = 2 * sqrt((double)planes * h * v + 9) * 0x1p-24;
    for (int i = 0; i < g->k * g->c * g->kernel[0]; i++) {
        const int k = i % g->k, c = i / g->k % g->c, kz = i / g->k / g->c;
        double sum[4][4] = {{0}}, size[4][4] = {{0}};
        for (int tile = 0; tile < planes * h * v; tile++) {
            const int x0 = tile % v * 2, y0 = tile / v % h * 2, plane = tile / v / h,
                      iz = plane % g->y_size[0] - g->pad[0] + kz;
            float d[4][4], m[4][4], t[4][4], y[2][2];
            if (iz < 0 || iz >= g->x_size[0]) continue;
            plane_ref_patch(&d[0][0], 4, x, g->x_size, g->c, plane / g->y_size[0] * g->x_size[0] + iz,
                            y0 - g->pad[1], x0 - g->pad[2], c);
            plane_ref_patch(&y[0][0], 2, dy, g->y_size, g->k, plane, y0, x0, k);
            plane_ref_x(t, d);
            plane_ref_dy(m, y);
            for (int p = 0; p < 16; p++) {
                const double product = (double)t[p / 4][p % 4] * (double)m[p / 4][p % 4];
                sum[p / 4][p % 4] += product;
                size[p / 4][p % 4] += fabs(product);
            }
        }
        for (int o = 0; o < 9; o++) {
            const size_t at = (size_t)k * g->w_k + (size_t)c * g->w_c + (size_t)(9 * kz + o);
            double total = 0, magnitude = fabs(want[at]);
            for (int p = 0; p < 16; p++) {
                const double a = plane_ref_g[o / 3][p / 4] * plane_ref_g[o % 3][p % 4];
                total += a * sum[p / 4][p % 4];
                magnitude += fabs(a) * size[p / 4][p % 4];
            }
            want[at] += total;
            tolerance[at] = error * magnitude;
        }
    }
}

#endif
