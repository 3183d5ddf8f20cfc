/* elem_kernels.h - the inside of elem.h: what each level provides, on ranges, in one thread.
 *
 * elem*.c cut the work into jobs and call these; elem_<isa>.c make them from elem_template*.h. Not for other
 * rooms.
 */
#ifndef TENSOR_ELEM_KERNELS_H
#define TENSOR_ELEM_KERNELS_H

#include "tensor/base/bf16.h"
#include "tensor/elem/elem.h"

/* Rows of the norm coefficients of one set, coef[NORM_COEFS][c]:
 *   z = (x - MEAN) * SCALE + SHIFT          the activation's input
 *   xhat = (x - MEAN) * RSTD + XSHIFT
 *   dx = SCALE * g + (x - MEAN) * DX + DSHIFT   with g the gradient of z */
enum { COEF_MEAN, COEF_SCALE, COEF_SHIFT, COEF_RSTD, COEF_XSHIFT, COEF_DX, COEF_DSHIFT, NORM_COEFS };

/* A job of the norm works on `width` of the channels: rows are `stride` floats apart. */
struct columns {
    size_t rows;
    int width;
    size_t stride;
};

struct adam_factors {
    float clip, keep, coupled, beta1_rest, beta2, beta2_rest, step, inverse_root, eps;
};

/* Softmax and loss work on tiles of loss_tile(c) voxels. Part of the order of arithmetic: it depends on c
 * only. */
enum { LOSS_TILE_FLOATS = 4096, LOSS_TILE_WIDTH = 256 };
static inline int loss_tile(int c)
{
    return c <= 16 ? LOSS_TILE_WIDTH : LOSS_TILE_FLOATS / c / 16 * 16;
}

/* Activations are float or uint16_t (bf16.h), all of a call the same. */
struct act_kernels {
    void (*act_fwd)(void *y, const void *x, size_t n, float slope);
    void (*act_bwd)(void *dx, const void *dy, const void *ref, size_t n, float slope, int accumulate);
    void (*add_act)(void *y, const void *a, const void *b, size_t n, float slope);

    /* Add to sum and square (of width doubles) the sums over the rows. */
    void (*norm_sums)(double *sum, double *square, const void *x, struct columns s);
    void (*norm_apply)(void *y, const void *x, const float *coef, struct columns s, float slope);
    /* Add to sum and product the sums of g and of g * xhat. coef points at the first channel, its rows are
     * s.stride apart. */
    void (*norm_bwd_sums)(double *sum, double *product, const void *dy, const void *x, const float *coef,
                          struct columns s, float slope);
    void (*norm_bwd_apply)(void *dx, const void *dy, const void *x, const float *coef, struct columns s,
                           float slope, int accumulate);
    void (*column_sums)(double *sum, const void *x, struct columns s);
    /* y (+)= row, to each of the rows. */
    void (*broadcast)(void *y, const float *row, struct columns s, int accumulate);

    /* One line of the output (input for _bwd) along w: case n, position z, y. */
    void (*max_fwd)(void *y, int32_t *index, const void *x, const struct pooling_shape *s, int n, int z,
                    int line);
    void (*max_bwd)(void *dx, const void *dy, const int32_t *index, const struct pooling_shape *s, int n,
                    int z, int line, int accumulate);
    void (*avg_fwd)(void *y, const void *x, const struct pooling_shape *s, int n, int z, int line);
    void (*avg_bwd)(void *dx, const void *dy, const struct pooling_shape *s, int n, int z, int line,
                    int accumulate);
};

struct elem_kernels {
    const struct act_kernels *act[2]; /* by enum elem_type */

    void (*axpy)(float *y, float a, const float *x, size_t n);
    void (*scale)(float *x, float a, size_t n);
    double (*sum_squares)(const float *x, size_t n);
    void (*sgd)(float *w, float *m, float *g, size_t n, const struct elem_sgd *o);
    void (*adam)(float *w, float *m, float *v, float *g, size_t n, const struct adam_factors *o);
    float (*dot)(const float *a, const float *b, int n);
    /* y[j] (+)= sum over i < rows of coef[i * coef_stride] * x[i * x_stride + j], one chain each. */
    void (*combine)(float *y, const float *coef, size_t coef_stride, const float *x, size_t x_stride,
                    int rows, int width, int accumulate);

    void (*softmax)(float *y, const float *x, size_t rows, int c);
    /* Add one tile to sums[LOSS_SUMS(c)]. */
    void (*loss_sums)(double *sums, const float *logits, const uint8_t *labels, int voxels, int c,
                      const float *class_weight, int gamma);
    void (*loss_bwd)(float *dlogits, const float *logits, const uint8_t *labels, int voxels, int c,
                     float ce_scale, const float *tp_scale, const float *p_scale, const float *class_weight,
                     int gamma, int accumulate);
    void (*region_sums)(double *sums, const float *logits, const uint8_t *labels, int voxels, int c,
                        const struct label_set *region, int gamma);
    void (*region_bwd)(float *dlogits, const float *logits, const uint8_t *labels, int voxels, int c,
                       float ce_scale, const float *tp_scale, const float *p_scale,
                       const struct label_set *region, int gamma, int accumulate);
};

/* Where element i of an array of that type is. */
static inline void *elem_at(const void *p, enum elem_type type, size_t i)
{
    return (char *)p + i * (type == ELEM_BF16 ? sizeof(uint16_t) : sizeof(float));
}

/* Defined where the architecture has them. */
extern const struct elem_kernels elem_kernels_scalar, elem_kernels_avx2, elem_kernels_avx512,
    elem_kernels_neon, elem_kernels_wasm;

/* The kernels of cpu_isa(). */
const struct elem_kernels *elem_kernels(void);

#endif
