/* conv_scalar.c - the kernels of conv_kernels.h in plain C: the level that every machine has. */
#include "tensor/conv/conv_kernels.h"
#include "tensor/vec/vec_scalar.h"

#define CONV_TABLE conv_kernels_scalar
#define GATHER_COUNT 4
#define OUTER_COUNT 4
#define VECS 2
#include "tensor/conv/conv_template.h"
