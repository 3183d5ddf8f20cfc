/* level_kernels.h - the kernels that each instruction set level has: one row a level.
 *
 * A new level is its name (cpu.h), how the processor says that it has it (cpu.c), its features (isa.h), its
 * files of kernels and their tables, and a row here. The rooms of kernels declare their tables themselves
 * (conv_kernels.h, elem_kernels.h, tiles.h); here they are only pointed at.
 */
#ifndef TENSOR_LEVEL_KERNELS_H
#define TENSOR_LEVEL_KERNELS_H

#include "tensor/base/cpu.h"

struct level_kernels {
    const struct conv_kernels *conv;
    const struct conv_kernels *few; /* for convolutions to at most eight channels */
    const struct elem_kernels *elem;
    const struct tile_kernels *tiles; /* NULL: no products of bf16 */
    int int16;                        /* it multiplies int16 (winograd/int16.h) */
};

/* Of a level that this architecture has, else those of scalar. */
const struct level_kernels *level_kernels(enum isa level);

#endif
