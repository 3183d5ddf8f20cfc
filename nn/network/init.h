/* init.h - initial weights: He et al. 2015, in the variants of nnU-Net and torchvision. */
#ifndef NN_INIT_H
#define NN_INIT_H

#include <stdint.h>
#include "tensor/graph/graph.h"

/* He normal: weights N(0, gain^2 / fan), gain = sqrt(2 / (1 + a^2)), bias 0. a 0.01: nnU-Net (fan_in);
 * fan_out != 0: torchvision's ResNet. Linear layers: N(0, 1/(3 fan_in)), the variance of PyTorch's default.
 * Norm scales and running variances 1, the rest 0. Each parameter has its own stream, keyed by (seed, its
 * index), so the threads of the pool change nothing. */
void init_he(struct model *m, uint64_t seed, float a, int fan_out, struct pool *pool);

#endif
