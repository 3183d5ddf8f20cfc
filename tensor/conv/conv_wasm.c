/* conv_wasm.c - the kernels of conv_kernels.h for WebAssembly with SIMD128 (clang -msimd128). Engines map
 * locals to the 16 registers of x86 or the 32 of ARM; without relaxed SIMD a multiply-add needs eight of them
 * for itself. */
#include "tensor/conv/conv_kernels.h"
#include "tensor/base/isa.h"

#if ISA_WASM
#include "tensor/vec/vec_wasm.h"

#define CONV_TABLE conv_kernels_wasm
#define VECS 2
#if defined(__wasm_relaxed_simd__)
#define GATHER_COUNT 6
#define OUTER_COUNT 6
#else
#define GATHER_COUNT 2
#define OUTER_COUNT 4
#define TRANSFORM_FMA vf_fma_call
#define TRANSFORM_FNMA vf_fnma_call
#endif
#include "tensor/conv/conv_template.h"
#endif
