/* conv_kernels.c - the kernels of convolutions that the level in use has. */
#include "tensor/conv/conv_kernels.h"

#include "tensor/base/isa.h"

const struct conv_kernels *conv_kernels(void)
{
    switch (cpu_isa()) {
#if ISA_X86
    case ISA_AMX:
    case ISA_AVX512_BF16:
    case ISA_AVX512: return &conv_kernels_avx512;
    case ISA_AVX2: return &conv_kernels_avx2;
#endif
#if ISA_ARM64
    case ISA_NEON: return &conv_kernels_neon;
#endif
#if ISA_WASM
    case ISA_SIMD128: return &conv_kernels_wasm;
#endif
    default: return &conv_kernels_scalar;
    }
}

/* Eight lanes: twice as many of these products start in a cycle on AMD, and as many on Intel. */
const struct conv_kernels *conv_kernels_few(int k)
{
#if ISA_X86
    if (k <= 8 && conv_kernels() == &conv_kernels_avx512) return &conv_kernels_avx2;
#endif
    (void)k;
    return conv_kernels();
}
