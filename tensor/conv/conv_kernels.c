/* conv_kernels.c - the kernels of convolutions that the level in use has. */
#include "tensor/conv/conv_kernels.h"

#include "tensor/base/level_kernels.h"

const struct conv_kernels *conv_kernels(void)
{
    return level_kernels(cpu_isa())->conv;
}

const struct conv_kernels *conv_kernels_few(int k)
{
    const struct level_kernels *level = level_kernels(cpu_isa());
    return k <= 8 ? level->few : level->conv;
}
