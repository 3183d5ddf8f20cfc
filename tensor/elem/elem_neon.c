/* elem_neon.c - the kernels of elem_kernels.h for aarch64, where NEON with FMA is always there. */
#include "tensor/elem/elem_kernels.h"
#include "tensor/base/isa.h"

#if ISA_ARM64
#include <math.h>
#include "tensor/vec/vec_neon.h"

#define ELEM_TABLE elem_kernels_neon
#include "tensor/elem/elem_template.h"
#endif
