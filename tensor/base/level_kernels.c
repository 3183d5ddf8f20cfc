/* level_kernels.c - a row of kernels for each instruction set level. */
#include "tensor/base/level_kernels.h"

#include <stddef.h>

#include "tensor/base/isa.h"

extern const struct conv_kernels conv_kernels_scalar, conv_kernels_neon, conv_kernels_wasm, conv_kernels_avx2,
    conv_kernels_avx512;
extern const struct elem_kernels elem_kernels_scalar, elem_kernels_neon, elem_kernels_wasm, elem_kernels_avx2,
    elem_kernels_avx512;
extern const struct tile_kernels tile_kernels_avx512bf16, tile_kernels_amx;

/* Few channels take eight lanes: twice as many of these products start in a cycle on AMD, and as many on
 * Intel. */
static const struct level_kernels table[] = {
    [ISA_SCALAR] = {&conv_kernels_scalar, &conv_kernels_scalar, &elem_kernels_scalar, NULL, 0},
#if ISA_ARM64
    [ISA_NEON] = {&conv_kernels_neon, &conv_kernels_neon, &elem_kernels_neon, NULL, 0},
#elif ISA_WASM
    [ISA_SIMD128] = {&conv_kernels_wasm, &conv_kernels_wasm, &elem_kernels_wasm, NULL, 0},
#elif ISA_X86
    [ISA_AVX2] = {&conv_kernels_avx2, &conv_kernels_avx2, &elem_kernels_avx2, NULL, 0},
    [ISA_AVX512] = {&conv_kernels_avx512, &conv_kernels_avx2, &elem_kernels_avx512, NULL, 0},
    [ISA_AVX512_BF16] = {&conv_kernels_avx512, &conv_kernels_avx2, &elem_kernels_avx512,
                         &tile_kernels_avx512bf16, 1},
    [ISA_AMX] = {&conv_kernels_avx512, &conv_kernels_avx2, &elem_kernels_avx512, &tile_kernels_amx, 1},
#endif
};

const struct level_kernels *level_kernels(enum isa level)
{
    const size_t i = (size_t)level, rows = sizeof table / sizeof *table;
    return &table[i < rows && table[i].conv ? i : ISA_SCALAR];
}
