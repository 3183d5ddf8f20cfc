/* vec_neon.h - four lanes, aarch64. The names are told in vec_scalar.h. */
#ifndef TENSOR_VEC_NEON_H
#define TENSOR_VEC_NEON_H

#include <arm_neon.h>
#include <string.h>

enum { LANES = 4 };
typedef float32x4_t vf;
typedef uint32x4_t vi;
typedef uint32x4_t vm;

static inline vf vf_load(const float *p) { return vld1q_f32(p); }
static inline void vf_store(float *p, vf v) { vst1q_f32(p, v); }
static inline vf vf_load_n(const float *p, int n)
{
    float lane[4] = {0};
    memcpy(lane, p, (size_t)n * sizeof *p);
    return vld1q_f32(lane);
}
static inline void vf_store_n(float *p, vf v, int n)
{
    float lane[4];
    vst1q_f32(lane, v);
    memcpy(p, lane, (size_t)n * sizeof *p);
}

static inline vf vf_load_bf16(const uint16_t *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
static inline void vf_store_bf16(uint16_t *p, vf v)
{
    const uint32x4_t bits = vreinterpretq_u32_f32(v), even = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(even, vdupq_n_u32(0x7fff)));
    const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
    vst1_u16(p, vshrn_n_u32(vbslq_u32(vceqq_f32(v, v), rounded, quiet), 16));
}
static inline vf vf_load_bf16_n(const uint16_t *p, int n)
{
    uint16_t lane[4] = {0};
    memcpy(lane, p, (size_t)n * sizeof *p);
    return vf_load_bf16(lane);
}
static inline void vf_store_bf16_n(uint16_t *p, vf v, int n)
{
    uint16_t lane[4];
    vf_store_bf16(lane, v);
    memcpy(p, lane, (size_t)n * sizeof *p);
}

static inline vf vf_set(float x) { return vdupq_n_f32(x); }
static inline vf vf_add(vf a, vf b) { return vaddq_f32(a, b); }
static inline vf vf_sub(vf a, vf b) { return vsubq_f32(a, b); }
static inline vf vf_mul(vf a, vf b) { return vmulq_f32(a, b); }
static inline vf vf_div(vf a, vf b) { return vdivq_f32(a, b); }
static inline vf vf_sqrt(vf a) { return vsqrtq_f32(a); }
static inline vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline vf vf_fnma(vf a, vf b, vf c) { return vfmsq_f32(c, a, b); }
static inline vm vm_gt(vf a, vf b) { return vcgtq_f32(a, b); }
static inline vm vm_eq(vf a, vf b) { return vceqq_f32(a, b); }
static inline vm vm_ne(vf a, vf b) { return vmvnq_u32(vceqq_f32(a, b)); }
static inline vm vm_or(vm a, vm b) { return vorrq_u32(a, b); }
static inline vf vf_select(vm m, vf a, vf b) { return vbslq_f32(m, a, b); }
static inline vf vf_zip_low(vf a, vf b) { return vzip1q_f32(a, b); }
static inline vf vf_zip_high(vf a, vf b) { return vzip2q_f32(a, b); }
/* vmaxq treats NaN and the sign of zero differently from the other levels. */
static inline vf vf_max(vf a, vf b) { return vf_select(vm_gt(a, b), a, b); }
static inline vf vf_min(vf a, vf b) { return vf_select(vm_gt(b, a), a, b); }

static inline vi vi_of(vf v) { return vreinterpretq_u32_f32(v); }
static inline vf vf_of(vi v) { return vreinterpretq_f32_u32(v); }
static inline vi vi_load(const int32_t *p) { return vreinterpretq_u32_s32(vld1q_s32(p)); }
static inline void vi_store(int32_t *p, vi v) { vst1q_s32(p, vreinterpretq_s32_u32(v)); }
static inline vi vi_load_n(const int32_t *p, int n)
{
    int32_t lane[4] = {0};
    memcpy(lane, p, (size_t)n * sizeof *p);
    return vi_load(lane);
}
static inline void vi_store_n(int32_t *p, vi v, int n)
{
    int32_t lane[4];
    vi_store(lane, v);
    memcpy(p, lane, (size_t)n * sizeof *p);
}
static inline vi vi_set(int32_t x) { return vdupq_n_u32((uint32_t)x); }
static inline vi vi_add(vi a, vi b) { return vaddq_u32(a, b); }
static inline vi vi_and(vi a, vi b) { return vandq_u32(a, b); }
static inline vi vi_shl23(vi a) { return vshlq_n_u32(a, 23); }
static inline vi vi_shr23(vi a) { return vshrq_n_u32(a, 23); }
static inline vf vf_from_vi(vi a) { return vcvtq_f32_s32(vreinterpretq_s32_u32(a)); }
static inline vm vm_eqi(vi a, vi b) { return vceqq_u32(a, b); }
static inline vi vi_select(vm m, vi a, vi b) { return vbslq_u32(m, a, b); }

#endif
