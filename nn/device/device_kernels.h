/* device_kernels.h - the arithmetic of an exported network, for a machine with a C compiler and nothing else.
 *
 * `nephron export` copies this file and device_kernels.c beside the network that it writes. They need no
 * library, no memory but what the caller passes, no threads, no files: of C's headers only stdint.h, stddef.h
 * and string.h (memcpy). The bits are those of the program at every instruction set: each output is the same
 * chain of fused multiply-adds. To be compiled with -ffp-contract=off, and never with -ffast-math. A machine
 * without a fused multiply-add gets it from doubles.
 *
 * Activations are [d][h][w][c], one image; axes are in the order d, h, w. slope is the negative slope of the
 * activation behind an op: 1 none, 0 ReLU. y may be x (in place) where that is said, else they must not
 * overlap.
 */
#ifndef DEVICE_KERNELS_H
#define DEVICE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum {
    DEVICE_BLOCK = 64, /* input channels whose products follow one another: part of the order of arithmetic */
    DEVICE_GROUP = 8   /* output channels at a time; changes no bits */
};

/* What a tile of a convolution is along an axis; others than DIRECT are Winograd's, for kernels of 3 (or 1
 * along d). */
enum device_form {
    DEVICE_DIRECT, /* all taps; along d, beside other forms in the plane: one tap */
    DEVICE_TWO,    /* two outputs at a time */
    DEVICE_FOUR,   /* four */
    DEVICE_DOWN    /* two, with stride 2 */
};

struct device_conv {
    int c, k;           /* input and output channels */
    int in[3], out[3], kernel[3], stride[3], pad[3];
    unsigned char depth, plane; /* enum device_form along d, and along both h and w */
};

struct device_window {
    int c;
    int in[3], out[3], kernel[3], stride[3], pad[3];
};

/* Floats of scratch that device_conv3d needs; 0 for direct convolutions. */
size_t device_conv_scratch(const struct device_conv *s);
/* y = conv(x) + bias. bias: k floats, or NULL. accumulate: adds to what y holds, without bias.
 * w: for each block of DEVICE_BLOCK input channels [taps][channels of the block][k]. */
void device_conv3d(float *y, const float *x, const float *w, const float *bias, int accumulate,
                   const struct device_conv *s, float *scratch);
/* Transposed convolution with kernel = stride, no padding; out = in * stride. w: [taps][c][k]. */
void device_conv_transpose3d(float *y, const float *x, const float *w, const float *bias,
                             const struct device_conv *s);

/* param: gamma[c], beta[c]. In place allowed, here and in the next four. */
void device_instance_norm(float *y, const float *x, const float *param, size_t voxels, int c, float slope);
/* The mean and variance are of c / groups neighbouring channels together. */
void device_group_norm(float *y, const float *x, const float *param, size_t voxels, int c, int groups,
                       float slope);
/* param: gamma[c], beta[c], running mean[c], running variance[c]. */
void device_batch_norm(float *y, const float *x, const float *param, size_t voxels, int c, float slope);
void device_activation(float *y, const float *x, size_t n, float slope);
/* y = act(a + b). */
void device_add(float *y, const float *a, const float *b, size_t n, float slope);

/* Means are over the voxels inside of x. */
void device_max_pool3d(float *y, const float *x, const struct device_window *s);
void device_avg_pool3d(float *y, const float *x, const struct device_window *s);
/* y[c]: the mean over the voxels. */
void device_global_avg_pool(float *y, const float *x, size_t voxels, int c);
/* y[k] = w[k][c] x[c] + bias (k floats, or NULL). */
void device_linear(float *y, const float *x, const float *w, const float *bias, int c, int k);

/* y = (x - mean) / sqrt(variance), and 0 where x is NaN, a missing value. param: mean[c], variance[c]. */
void device_standardize(float *y, const float *x, const float *param, int c);

/* y[c] of the logits x[c]. In place allowed. */
void device_softmax(float *y, const float *x, int c);
float device_sigmoid(float x);
/* The index of the largest, the first of equals. */
int device_largest(const float *x, int c);
/* FNV-1a over the bits of n floats, 32 at a time: whether weights arrived as they were written. */
uint64_t device_hash(const float *x, size_t n);

#endif
