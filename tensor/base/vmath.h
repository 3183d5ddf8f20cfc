/* vmath.h - our own elementary functions, built of fmaf: the same bits on every machine.
 *
 * libm's exp and log differ between C libraries; these do not. Errors measured by
 * tests/unit/tensor/check_tensor.c over dense grids against double libm and stated beside each definition.
 */
#ifndef TENSOR_VMATH_H
#define TENSOR_VMATH_H

#include <stddef.h>

float vmath_exp(float x);
float vmath_log(float x);
float vmath_tanh(float x);
float vmath_pow(float x, float y); /* x >= 0 */
/* v[i] = vmath_pow(v[i], y), the same bits. */
void vmath_pow_many(float *v, size_t n, float y);
void vmath_sincos_2pi(float *s, float *c, float turns); /* sin and cos of 2*pi*turns, turns in [0,1) */
double vmath_exp_d(double x);
double vmath_log_d(double x);

#endif
