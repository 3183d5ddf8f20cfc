/* thin.h - the copy of an x of few channels, for gathers and outer products. Not outside of tensor/direct. */
#ifndef TENSOR_THIN_H
#define TENSOR_THIN_H

#include "tensor/direct/gather.h"

/* A convolution with few input channels: floats of a copy of x with the padding as zeros around it; else
 * 0. */
size_t thin_floats(const struct gather *g);
void thin_copy(struct gather_source *s, float *to, const struct gather *g, struct pool *pool);

#endif
