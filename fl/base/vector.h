/* vector.h - flat weight vectors: norms, products and element-wise work, the same bits for any number of
 * threads.
 *
 * A vector is cut into chunks of VECTOR_CHUNK elements; a chunk is summed in 16 stripes of doubles, and
 * chunks are added in index order.
 */
#ifndef FL_VECTOR_H
#define FL_VECTOR_H

#include <stddef.h>
#include "tensor/base/pool.h"

enum { VECTOR_CHUNK = 1 << 16 };

/* fn(arg, begin, end) for every chunk. Chunks are independent: what fn writes may not overlap. */
void vector_for(size_t count, void (*fn)(void *arg, size_t begin, size_t end), void *arg, struct pool *pool);
/* max |x|; infinite where an element is not finite. */
double vector_max_abs(const float *x, size_t count);
/* Sum of (x - x0) * (y - y0); x0 and y0 may be NULL, for 0. */
double vector_dot(const float *x, const float *x0, const float *y, const float *y0, size_t count);
/* Sum of (x - y)^2; y may be NULL, for 0. */
double vector_distance2(const float *x, const float *y, size_t count);

#endif
