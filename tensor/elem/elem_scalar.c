/* elem_scalar.c - the kernels of elem_kernels.h in plain C: the level that every machine has. */
#include "tensor/elem/elem_kernels.h"
#include "tensor/vec/vec_scalar.h"

#define ELEM_TABLE elem_kernels_scalar
#include "tensor/elem/elem_template.h"
