/* rng_normals.h - noise: normals added to what is there. (rng_normals, which only gives them, is in rng.h.)
 */
#ifndef TENSOR_RNG_NORMALS_H
#define TENSOR_RNG_NORMALS_H

#include "tensor/base/rng.h"

/* v[0..n) += sigma times normals, both of each of Box-Muller's pairs; of an odd n the last one's second is
 * lost. */
void rng_add_normals(struct rng *rng, float *v, size_t n, float sigma);

/* The stream behind its first n normals, n even; rng: as rng_stream gives it, nothing drawn yet. So the parts
 * of a long stream can be drawn apart. */
struct rng rng_normals_from(struct rng rng, size_t n);

#endif
