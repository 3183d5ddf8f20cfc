/* peak.h - the machine's peak, which `nephron bench` measures the kernels against. */
#ifndef TENSOR_PEAK_H
#define TENSOR_PEAK_H

#include "tensor/base/pool.h"

/* GFLOP/s of independent fp32 FMAs in registers at cpu_isa() with this pool, measured for about 0.1 s. */
double kernel_peak_f32(struct pool *pool);
/* The same in pairs of bf16 products, where the level has the instruction and it is faster; else
 * kernel_peak_f32. */
double kernel_peak_bf16(struct pool *pool);

#endif
