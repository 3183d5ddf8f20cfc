/* elem_wasm.c - the kernels of elem_kernels.h for WebAssembly with SIMD128 (clang -msimd128). */
#include "tensor/elem/elem_kernels.h"
#include "tensor/base/isa.h"

#if ISA_WASM
#include <math.h>
#include "tensor/vec/vec_wasm.h"

#define ELEM_TABLE elem_kernels_wasm
#include "tensor/elem/elem_template.h"
#endif
