/* isa.h - compile a region of a file for an instruction set, without compiler flags.
 *
 *     ISA_BEGIN("avx2,fma")
 *     ... functions with intrinsics ...
 *     ISA_END
 *
 * GCC takes a target pragma, clang an attribute; both then need no -m option, so that every Makefile
 * rule is the same and `cc -O2 -I. -c FILE.c` works for every file. Include <immintrin.h> before
 * the region, static helpers inside it. ISA_X86, ISA_ARM64 and ISA_WASM tell the architecture; WebAssembly
 * has no regions: a module that holds one SIMD instruction needs an engine that knows them, so -msimd128 is
 * for all of it.
 */
#ifndef TENSOR_ISA_H
#define TENSOR_ISA_H

#if defined(__x86_64__)
#define ISA_X86 1
#else
#define ISA_X86 0
#endif
#if defined(__aarch64__)
#define ISA_ARM64 1
#else
#define ISA_ARM64 0
#endif
#if defined(__wasm_simd128__)
#define ISA_WASM 1
#else
#define ISA_WASM 0
#endif

#define ISA_PRAGMA_(x) _Pragma(#x)
#if defined(__clang__)
#define ISA_BEGIN(features) \
    ISA_PRAGMA_(clang attribute push(__attribute__((target(features))), apply_to = function))
#define ISA_END ISA_PRAGMA_(clang attribute pop)
#else
#define ISA_BEGIN(features) ISA_PRAGMA_(GCC push_options) ISA_PRAGMA_(GCC target(features))
#define ISA_END ISA_PRAGMA_(GCC pop_options)
#endif

/* The feature strings of the levels (cpu.h). */
#define ISA_FEATURES_AVX2 "avx2,fma"
#define ISA_FEATURES_AVX512 "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"
#define ISA_FEATURES_AVX512_BF16 ISA_FEATURES_AVX512 ",avx512bf16,avx512vnni" /* ISA_AVX512_BF16 */

#endif
