/* conv_neon.c - the kernels of conv_kernels.h for aarch64, where NEON with FMA is always there: 32 registers,
 * 24 of them accumulators. */
#include "tensor/conv/conv_kernels.h"
#include "tensor/base/isa.h"

#if ISA_ARM64
#include "tensor/vec/vec_neon.h"

#define CONV_TABLE conv_kernels_neon
#define GATHER_COUNT 6
#define OUTER_COUNT 6
#define VECS 4
#include "tensor/conv/conv_template.h"
#endif
