/* elem_ref.h - what norms, pooling, softmax and the losses' sums are: the definition of elem.h's forms in
 * plain loops with double accumulation, on fp32 tensors. The ops' references (struct op) and the kernel tests
 * use them; nothing else does.
 */
#ifndef TENSOR_ELEM_REF_H
#define TENSOR_ELEM_REF_H

#include "tensor/elem/elem.h"

/* x, or slope times x where it is not above 0. */
double activation_ref(double x, double slope);

/* y = act(gamma * (x - mean) / sqrt(variance + eps) + beta) with the mean and the biased variance of each
 * set's rows, over s->shared channels together. x, y: [sets][rows][c]. */
void norm_ref_fwd(float *y, const float *x, const float *gamma, const float *beta, const struct norm_shape *s,
                  double eps, double slope);

/* The maximum, or the mean of what lies inside, of each window. */
enum pooling_ref { POOLING_REF_MAX, POOLING_REF_MEAN };
void pooling_ref_fwd(float *y, const float *x, const struct pooling_shape *s, enum pooling_ref kind);

/* Softmax of one row of c; p may be the logits. */
void softmax_ref(double *p, const double *logit, int c);

/* Adds one voxel to the sums of its case (LOSS_SUMS(c), see loss_f32_sums). weight: c floats or NULL. */
void loss_ref_voxel(double *sums, const double *logit, int label, const struct loss_shape *s,
                    const float *weight);
/* All voxels: sums[n][LOSS_SUMS(c)]. */
void loss_ref_sums(double *sums, const float *logits, const uint8_t *labels, const struct loss_shape *s,
                   const float *weight);

#endif
