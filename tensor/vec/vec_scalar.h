/* vec_scalar.h - the vector of one lane: plain C. Also the list of what a vec_*.h has to define.
 *
 * vf: LANES floats; vi: LANES 32-bit integers; vm: LANES truth values. The _n forms touch only the first n
 * lanes in memory (0 < n < LANES); the others load as 0. A comparison with NaN is false, except vm_ne. The
 * _bf16 forms convert as bf16.h does.
 */
#ifndef TENSOR_VEC_SCALAR_H
#define TENSOR_VEC_SCALAR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "tensor/base/bf16.h"

enum { LANES = 1 };
typedef float vf;
typedef uint32_t vi;
typedef int vm;

static inline vf vf_load(const float *p) { return *p; }
static inline void vf_store(float *p, vf v) { *p = v; }
static inline vf vf_load_n(const float *p, int n) { return n ? *p : 0.0f; }
static inline void vf_store_n(float *p, vf v, int n) { if (n) *p = v; }
static inline vf vf_load_bf16(const uint16_t *p) { return f32_from_bf16(*p); }
static inline void vf_store_bf16(uint16_t *p, vf v) { *p = bf16_from_f32(v); }
static inline vf vf_load_bf16_n(const uint16_t *p, int n) { return n ? f32_from_bf16(*p) : 0.0f; }
static inline void vf_store_bf16_n(uint16_t *p, vf v, int n) { if (n) *p = bf16_from_f32(v); }
static inline vf vf_set(float x) { return x; }
static inline vf vf_add(vf a, vf b) { return a + b; }
static inline vf vf_sub(vf a, vf b) { return a - b; }
static inline vf vf_mul(vf a, vf b) { return a * b; }
static inline vf vf_div(vf a, vf b) { return a / b; }
static inline vf vf_sqrt(vf a) { return sqrtf(a); }
static inline vf vf_fma(vf a, vf b, vf c) { return fmaf(a, b, c); }  /* a * b + c */
static inline vf vf_fnma(vf a, vf b, vf c) { return fmaf(-a, b, c); } /* c - a * b */
static inline vf vf_max(vf a, vf b) { return a > b ? a : b; }        /* b where unordered */
static inline vf vf_min(vf a, vf b) { return a < b ? a : b; }
static inline vm vm_gt(vf a, vf b) { return a > b; }
static inline vm vm_eq(vf a, vf b) { return a == b; }
static inline vm vm_ne(vf a, vf b) { return a != b; }
static inline vm vm_or(vm a, vm b) { return a | b; }
static inline vf vf_select(vm m, vf a, vf b) { return m ? a : b; } /* m ? a : b, lane by lane */
static inline vf vf_zip_low(vf a, vf b)
{
    (void)b;
    return a;
} /* a0 b0 a1 b1 ..., the first LANES of them */
static inline vf vf_zip_high(vf a, vf b) { (void)a; return b; }    /* and the others */

static inline vi vi_load(const int32_t *p) { return (vi)*p; }
static inline void vi_store(int32_t *p, vi v) { *p = (int32_t)v; }
static inline vi vi_load_n(const int32_t *p, int n) { return n ? (vi)*p : 0; }
static inline void vi_store_n(int32_t *p, vi v, int n) { if (n) *p = (int32_t)v; }
static inline vi vi_set(int32_t x) { return (vi)x; }
static inline vi vi_of(vf v) { vi i; memcpy(&i, &v, sizeof i); return i; } /* the bits */
static inline vf vf_of(vi v) { vf f; memcpy(&f, &v, sizeof f); return f; }
static inline vi vi_add(vi a, vi b) { return a + b; }
static inline vi vi_and(vi a, vi b) { return a & b; }
static inline vi vi_shl23(vi a) { return a << 23; }
static inline vi vi_shr23(vi a) { return a >> 23; } /* zeros come in */
static inline vf vf_from_vi(vi a) { return (float)(int32_t)a; } /* conversion */
static inline vm vm_eqi(vi a, vi b) { return a == b; }
static inline vi vi_select(vm m, vi a, vi b) { return m ? a : b; }

#endif
