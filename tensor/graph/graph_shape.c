/* graph_shape.c - how many elements a shape has, and how many bytes one takes. */
#include "tensor/graph/graph.h"

size_t shape_voxels(struct shape s)
{
    return (size_t)s.d * (size_t)s.h * (size_t)s.w;
}

size_t shape_count(struct shape s)
{
    return (size_t)s.n * shape_voxels(s) * (size_t)s.c;
}

size_t dtype_bytes(enum dtype dtype)
{
    return dtype == DT_F32 ? sizeof(float) : dtype == DT_BF16 ? sizeof(uint16_t) : 1;
}
