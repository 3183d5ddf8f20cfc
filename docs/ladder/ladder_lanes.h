/* ladder_lanes.h - opens a region with the vectors of this architecture (vec_scalar.h tells their names); end
 * it with REGION_END. On x86-64 these are AVX2's eight lanes, which every such processor of the last ten
 * years has. */
#include <math.h>
#include <string.h>

#include "tensor/base/isa.h"

/* The loops over registers have to be written out, or the sums would lie in memory. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

#if ISA_X86
#include <immintrin.h>
ISA_BEGIN(ISA_FEATURES_AVX2)
#include "tensor/vec/vec_avx2.h"
#define REGION_END ISA_END
#elif ISA_ARM64
#include <arm_neon.h>
#include "tensor/vec/vec_neon.h"
#define REGION_END
#else
#include "tensor/vec/vec_scalar.h"
#define REGION_END
#endif
