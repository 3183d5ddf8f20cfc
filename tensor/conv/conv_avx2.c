/* conv_avx2.c - the kernels of conv_kernels.h for x86-64 with AVX2 and FMA: 16 registers, 12 of them
 * accumulators. */
#include "tensor/conv/conv_kernels.h"
#include "tensor/base/isa.h"

#if ISA_X86
#include <immintrin.h>

ISA_BEGIN(ISA_FEATURES_AVX2)
#include "tensor/vec/vec_avx2.h"

#define CONV_TABLE conv_kernels_avx2
#define GATHER_COUNT 6
#define OUTER_COUNT 6
#define VECS 2
#include "tensor/conv/conv_template.h"
ISA_END
#endif
