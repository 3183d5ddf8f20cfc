/* conv_avx512.c - the kernels of conv_kernels.h for x86-64 with AVX-512 (F, BW, DQ, VL): 32 registers, up to
 * 28 of them accumulators. */
#include "tensor/conv/conv_kernels.h"
#include "tensor/base/isa.h"

#if ISA_X86
#include <immintrin.h>

ISA_BEGIN(ISA_FEATURES_AVX512)
#include "tensor/vec/vec_avx512.h"

#define CONV_TABLE conv_kernels_avx512
#define GATHER_COUNT 14
#define OUTER_COUNT 14
#define VECS 2
#include "tensor/conv/conv_template.h"
ISA_END
#endif
