/* vec_wasm.h - four lanes, WebAssembly with SIMD128. The names are told in vec_scalar.h.
 *
 * SIMD128 has no fused multiply-add, so it is made from doubles, exactly: the product of two floats is exact
 * in a double, the sum is rounded to odd instead of to nearest, and a double rounded to odd has enough bits
 * (53 >= 24 + 2) for the last rounding to float to be the only one that counts (Boldo and Melquiond,
 * Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd, IEEE Transactions on
 * Computers 57(4), 2008). That costs about 25 instructions. Relaxed SIMD (clang 16 or later, -mrelaxed-simd)
 * has one that an engine may round once or twice, as its processor can: once wherever there is an FMA. cpu.c
 * tries it; where it rounds twice, the level of such a module is scalar, and a module without relaxed SIMD is
 * the one to load.
 * The book: docs/book/26_devices.md */
#ifndef TENSOR_VEC_WASM_H
#define TENSOR_VEC_WASM_H

#include <stdint.h>
#include <string.h>
#include <wasm_simd128.h>

enum { LANES = 4 };
typedef v128_t vf;
typedef v128_t vi;
typedef v128_t vm;

static inline vf vf_load(const float *p) { return wasm_v128_load(p); }
static inline void vf_store(float *p, vf v) { wasm_v128_store(p, v); }
static inline vf vf_load_n(const float *p, int n)
{
    float lane[4] = {0};
    memcpy(lane, p, (size_t)n * sizeof *p);
    return wasm_v128_load(lane);
}
static inline void vf_store_n(float *p, vf v, int n)
{
    float lane[4];
    wasm_v128_store(lane, v);
    memcpy(p, lane, (size_t)n * sizeof *p);
}

static inline vf vf_load_bf16(const uint16_t *p) { return wasm_i32x4_shl(wasm_u32x4_load16x4(p), 16); }
static inline void vf_store_bf16(uint16_t *p, vf v)
{
    const v128_t even = wasm_v128_and(wasm_u32x4_shr(v, 16), wasm_i32x4_splat(1));
    const v128_t rounded = wasm_i32x4_add(v, wasm_i32x4_add(even, wasm_i32x4_splat(0x7fff)));
    const v128_t quiet = wasm_v128_or(v, wasm_i32x4_splat(0x400000));
    const v128_t high = wasm_u32x4_shr(wasm_v128_bitselect(rounded, quiet, wasm_f32x4_eq(v, v)), 16);
    uint32_t lane[4];
    wasm_v128_store(lane, high);
    for (int i = 0; i < 4; i++) p[i] = (uint16_t)lane[i];
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

static inline vf vf_set(float x) { return wasm_f32x4_splat(x); }
static inline vf vf_add(vf a, vf b) { return wasm_f32x4_add(a, b); }
static inline vf vf_sub(vf a, vf b) { return wasm_f32x4_sub(a, b); }
static inline vf vf_mul(vf a, vf b) { return wasm_f32x4_mul(a, b); }
static inline vf vf_div(vf a, vf b) { return wasm_f32x4_div(a, b); }
static inline vf vf_sqrt(vf a) { return wasm_f32x4_sqrt(a); }

#if defined(__wasm_relaxed_simd__)
static inline vf vf_fma(vf a, vf b, vf c)
{
    return (vf)__builtin_wasm_relaxed_madd_f32x4((__f32x4)a, (__f32x4)b, (__f32x4)c);
}
static inline vf vf_fnma(vf a, vf b, vf c)
{
    return (vf)__builtin_wasm_relaxed_nmadd_f32x4((__f32x4)a, (__f32x4)b, (__f32x4)c);
}
#else
/* The two low lanes of a * b + c. The error of the sum is exact (Knuth's TwoSum; no double here can
 * overflow). Where it is not zero the sum is cut towards zero and its last bit set. An infinite or undefined
 * sum has an undefined error, which is neither: it stays. */
static inline v128_t vf_fma_low(v128_t a, v128_t b, v128_t c)
{
    const v128_t product = wasm_f64x2_mul(wasm_f64x2_promote_low_f32x4(a), wasm_f64x2_promote_low_f32x4(b));
    const v128_t addend = wasm_f64x2_promote_low_f32x4(c), sum = wasm_f64x2_add(product, addend);
    const v128_t part = wasm_f64x2_sub(sum, product);
    const v128_t error =
        wasm_f64x2_add(wasm_f64x2_sub(product, wasm_f64x2_sub(sum, part)), wasm_f64x2_sub(addend, part));
    const v128_t inexact = wasm_f64x2_gt(wasm_f64x2_abs(error), wasm_f64x2_splat(0));
    const v128_t beyond = wasm_v128_and(wasm_i64x2_shr(wasm_v128_xor(error, sum), 63), inexact);
    const v128_t odd = wasm_v128_or(wasm_i64x2_add(sum, beyond), wasm_v128_and(inexact, wasm_i64x2_splat(1)));
    return wasm_f32x4_demote_f64x2_zero(odd);
}
static inline v128_t vf_high_half(v128_t a) { return wasm_i64x2_shuffle(a, a, 1, 1); }
static inline vf vf_fma(vf a, vf b, vf c)
{
    const v128_t low = vf_fma_low(a, b, c),
                 high = vf_fma_low(vf_high_half(a), vf_high_half(b), vf_high_half(c));
    return wasm_i64x2_shuffle(low, high, 0, 2);
}
static inline vf vf_fnma(vf a, vf b, vf c) { return vf_fma(wasm_f32x4_neg(a), b, c); }
/* For the long transforms, where inlined they would be a megabyte of code. */
static __attribute__((noinline, unused)) vf vf_fma_call(vf a, vf b, vf c) { return vf_fma(a, b, c); }
static __attribute__((noinline, unused)) vf vf_fnma_call(vf a, vf b, vf c) { return vf_fnma(a, b, c); }
#endif
static inline vm vm_gt(vf a, vf b) { return wasm_f32x4_gt(a, b); }
static inline vm vm_eq(vf a, vf b) { return wasm_f32x4_eq(a, b); }
static inline vm vm_ne(vf a, vf b) { return wasm_f32x4_ne(a, b); }
static inline vm vm_or(vm a, vm b) { return wasm_v128_or(a, b); }
static inline vf vf_select(vm m, vf a, vf b) { return wasm_v128_bitselect(a, b, m); }
static inline vf vf_zip_low(vf a, vf b) { return wasm_i32x4_shuffle(a, b, 0, 4, 1, 5); }
static inline vf vf_zip_high(vf a, vf b) { return wasm_i32x4_shuffle(a, b, 2, 6, 3, 7); }
/* f32x4.max treats NaN and the sign of zero differently from the other levels; pmax(b, a) is b < a ? a :
 * b. */
static inline vf vf_max(vf a, vf b) { return wasm_f32x4_pmax(b, a); }
static inline vf vf_min(vf a, vf b) { return wasm_f32x4_pmin(b, a); }

static inline vi vi_of(vf v) { return v; }
static inline vf vf_of(vi v) { return v; }
static inline vi vi_load(const int32_t *p) { return wasm_v128_load(p); }
static inline void vi_store(int32_t *p, vi v) { wasm_v128_store(p, v); }
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
static inline vi vi_set(int32_t x) { return wasm_i32x4_splat(x); }
static inline vi vi_add(vi a, vi b) { return wasm_i32x4_add(a, b); }
static inline vi vi_and(vi a, vi b) { return wasm_v128_and(a, b); }
static inline vi vi_shl23(vi a) { return wasm_i32x4_shl(a, 23); }
static inline vi vi_shr23(vi a) { return wasm_u32x4_shr(a, 23); }
static inline vf vf_from_vi(vi a) { return wasm_f32x4_convert_i32x4(a); }
static inline vm vm_eqi(vi a, vi b) { return wasm_i32x4_eq(a, b); }
static inline vi vi_select(vm m, vi a, vi b) { return wasm_v128_bitselect(a, b, m); }

#endif
