/* conv_ref.c - convolution as it is defined: plain loops, double accumulation. What the kernels are tested
 * against, and the place to read first.
 * The book: docs/book/02_convolution.md, 24_testing.md */
#include "tensor/reference/conv_ref.h"

#include <stddef.h>

struct conv3d_shape conv3d_shape(int n, int c, int k, const int in[3], const int kernel[3],
                                 const int stride[3], const int pad[3])
{
    struct conv3d_shape s = {.n = n, .c = c, .k = k, .w_channels = c};
    for (int i = 0; i < 3; i++) {
        s.in[i] = in[i];
        s.kernel[i] = kernel[i];
        s.stride[i] = stride[i];
        s.pad[i] = pad[i];
        s.out[i] = (in[i] + 2 * pad[i] - kernel[i]) / stride[i] + 1;
    }
    return s;
}

struct conv3d_shape conv3d_shape_transposed(int n, int c, int k, const int in[3], const int stride[3])
{
    struct conv3d_shape s = {.n = n, .c = c, .k = k, .w_channels = c};
    for (int i = 0; i < 3; i++) {
        s.in[i] = in[i];
        s.kernel[i] = s.stride[i] = stride[i];
        s.out[i] = in[i] * stride[i];
    }
    return s;
}

/* A voxel's number in [n][size], and whether there is such a voxel. */
static size_t voxel(const int size[3], int n, const int at[3])
{
    return (((size_t)n * (size_t)size[0] + (size_t)at[0]) * (size_t)size[1] + (size_t)at[1]) *
               (size_t)size[2] +
           (size_t)at[2];
}

static int inside(const int size[3], const int at[3])
{
    return at[0] >= 0 && at[0] < size[0] && at[1] >= 0 && at[1] < size[1] && at[2] >= 0 && at[2] < size[2];
}

/* The next position in size, the last axis running fastest; 0 after the last one. Starts from {0, 0, 0}. */
static int next(const int size[3], int at[3])
{
    for (int i = 2; i >= 0; i--) {
        if (++at[i] < size[i]) return 1;
        at[i] = 0;
    }
    return 0;
}

/* Where w[k][c][tap] is. */
static size_t weight(const struct conv3d_shape *s, int k, int c, const int tap[3])
{
    return voxel(s->kernel, k * s->w_channels + s->w_offset + c, tap);
}

/* The position in x that output `out` sees through `tap`; 0 if it is outside. */
static int tap_in(const struct conv3d_shape *s, const int out[3], const int tap[3], int in[3])
{
    for (int i = 0; i < 3; i++) in[i] = out[i] * s->stride[i] - s->pad[i] + tap[i];
    return inside(s->in, in);
}

/* The output that sees position `in` of x through `tap`; 0 if there is none. */
static int tap_out(const struct conv3d_shape *s, const int in[3], const int tap[3], int out[3])
{
    for (int i = 0; i < 3; i++) {
        const int at = in[i] + s->pad[i] - tap[i];
        if (at < 0 || at % s->stride[i]) return 0;
        out[i] = at / s->stride[i];
    }
    return inside(s->out, out);
}

void conv3d_ref_fwd(float *y, const float *x, const float *w, const float *bias, const struct conv3d_shape *s,
                    int accumulate)
{
    for (int n = 0; n < s->n; n++) {
        int out[3] = {0}, in[3];
        do {
            float *to = y + voxel(s->out, n, out) * (size_t)s->k;
            for (int k = 0; k < s->k; k++) {
                double sum = accumulate ? (double)to[k] : bias ? (double)bias[k] : 0.0;
                int tap[3] = {0};
                do {
                    if (!tap_in(s, out, tap, in)) continue;
                    const float *from = x + voxel(s->in, n, in) * (size_t)s->c;
                    for (int c = 0; c < s->c; c++) sum += (double)from[c] * (double)w[weight(s, k, c, tap)];
                } while (next(s->kernel, tap));
                to[k] = (float)sum;
            }
        } while (next(s->out, out));
    }
}

void conv3d_ref_bwd_d(float *dx, const float *dy, const float *w, const struct conv3d_shape *s,
                      int accumulate)
{
    for (int n = 0; n < s->n; n++) {
        int in[3] = {0}, out[3];
        do {
            float *to = dx + voxel(s->in, n, in) * (size_t)s->c;
            for (int c = 0; c < s->c; c++) {
                double sum = accumulate ? (double)to[c] : 0.0;
                int tap[3] = {0};
                do {
                    if (!tap_out(s, in, tap, out)) continue;
                    const float *from = dy + voxel(s->out, n, out) * (size_t)s->k;
                    for (int k = 0; k < s->k; k++) sum += (double)from[k] * (double)w[weight(s, k, c, tap)];
                } while (next(s->kernel, tap));
                to[c] = (float)sum;
            }
        } while (next(s->in, in));
    }
}

static void bias_gradient(float *db, const float *dy, size_t voxels, int channels)
{
    for (int k = 0; k < channels; k++) {
        double sum = (double)db[k];
        for (size_t i = 0; i < voxels; i++) sum += (double)dy[i * (size_t)channels + (size_t)k];
        db[k] = (float)sum;
    }
}

static size_t voxels_out(const struct conv3d_shape *s)
{
    return (size_t)s->n * (size_t)s->out[0] * (size_t)s->out[1] * (size_t)s->out[2];
}

void conv3d_ref_bwd_w(float *dw, float *db, const float *x, const float *dy, const struct conv3d_shape *s)
{
    int tap[3] = {0}, in[3];
    do {
        for (int k = 0; k < s->k; k++)
            for (int c = 0; c < s->c; c++) {
                double sum = (double)dw[weight(s, k, c, tap)];
                for (int n = 0; n < s->n; n++) {
                    int out[3] = {0};
                    do {
                        if (!tap_in(s, out, tap, in)) continue;
                        sum += (double)x[voxel(s->in, n, in) * (size_t)s->c + (size_t)c] *
                               (double)dy[voxel(s->out, n, out) * (size_t)s->k + (size_t)k];
                    } while (next(s->out, out));
                }
                dw[weight(s, k, c, tap)] = (float)sum;
            }
    } while (next(s->kernel, tap));
    if (db) bias_gradient(db, dy, voxels_out(s), s->k);
}

/* Each voxel of y has one tap: its position is that of x times the stride, plus the tap. */
static void split(const struct conv3d_shape *s, const int out[3], int in[3], int tap[3])
{
    for (int i = 0; i < 3; i++) {
        in[i] = out[i] / s->stride[i];
        tap[i] = out[i] % s->stride[i];
    }
}

/* Where w[c][k][tap] is. */
static size_t tweight(const struct conv3d_shape *s, int c, int k, const int tap[3])
{
    return voxel(s->kernel, c * s->k + k, tap);
}

void tconv3d_ref_fwd(float *y, const float *x, const float *w, const float *bias,
                     const struct conv3d_shape *s)
{
    for (int n = 0; n < s->n; n++) {
        int out[3] = {0}, in[3], tap[3];
        do {
            split(s, out, in, tap);
            const float *from = x + voxel(s->in, n, in) * (size_t)s->c;
            float *to = y + voxel(s->out, n, out) * (size_t)s->k;
            for (int k = 0; k < s->k; k++) {
                double sum = bias ? (double)bias[k] : 0.0;
                for (int c = 0; c < s->c; c++) sum += (double)from[c] * (double)w[tweight(s, c, k, tap)];
                to[k] = (float)sum;
            }
        } while (next(s->out, out));
    }
}

void tconv3d_ref_bwd_d(float *dx, const float *dy, const float *w, const struct conv3d_shape *s,
                       int accumulate)
{
    for (int n = 0; n < s->n; n++) {
        int in[3] = {0}, out[3];
        do {
            float *to = dx + voxel(s->in, n, in) * (size_t)s->c;
            for (int c = 0; c < s->c; c++) {
                double sum = accumulate ? (double)to[c] : 0.0;
                int tap[3] = {0};
                do {
                    for (int i = 0; i < 3; i++) out[i] = in[i] * s->stride[i] + tap[i];
                    const float *from = dy + voxel(s->out, n, out) * (size_t)s->k;
                    for (int k = 0; k < s->k; k++) sum += (double)from[k] * (double)w[tweight(s, c, k, tap)];
                } while (next(s->kernel, tap));
                to[c] = (float)sum;
            }
        } while (next(s->in, in));
    }
}

void tconv3d_ref_bwd_w(float *dw, float *db, const float *x, const float *dy, const struct conv3d_shape *s)
{
    int tap[3] = {0}, out[3];
    do {
        for (int c = 0; c < s->c; c++)
            for (int k = 0; k < s->k; k++) {
                double sum = (double)dw[tweight(s, c, k, tap)];
                for (int n = 0; n < s->n; n++) {
                    int in[3] = {0};
                    do {
                        for (int i = 0; i < 3; i++) out[i] = in[i] * s->stride[i] + tap[i];
                        sum += (double)x[voxel(s->in, n, in) * (size_t)s->c + (size_t)c] *
                               (double)dy[voxel(s->out, n, out) * (size_t)s->k + (size_t)k];
                    } while (next(s->in, in));
                }
                dw[tweight(s, c, k, tap)] = (float)sum;
            }
    } while (next(s->kernel, tap));
    if (db) bias_gradient(db, dy, voxels_out(s), s->k);
}
