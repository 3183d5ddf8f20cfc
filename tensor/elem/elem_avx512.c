/* elem_avx512.c - the kernels of elem_kernels.h for x86-64 with AVX-512 (F, BW, DQ, VL). */
#include "tensor/elem/elem_kernels.h"
#include "tensor/base/isa.h"

#if ISA_X86
#include <immintrin.h>
#include <math.h>

ISA_BEGIN(ISA_FEATURES_AVX512)
#include "tensor/vec/vec_avx512.h"

#define ELEM_TABLE elem_kernels_avx512
#include "tensor/elem/elem_template.h"
ISA_END
#endif
