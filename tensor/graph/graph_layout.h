/* graph_layout.h - where a planned graph lies, for code that is written from it and runs elsewhere
 * (nn/device).
 *
 * Such code has kernels of its own: it says, between recording and graph_plan, what scratch each node needs
 * there; nothing is saved between ops. A graph planned so cannot be run here.
 */
#ifndef TENSOR_GRAPH_LAYOUT_H
#define TENSOR_GRAPH_LAYOUT_H

#include "tensor/graph/graph.h"

/* Of the op at place i of an inference graph that is not planned yet. */
void graph_set_scratch(struct graph *g, int i, size_t bytes);
/* Name of the op at place i, as its parameters begin: "encoder.stages.0.0.convs.0.conv"; else the op's. */
const char *graph_op_name(const struct graph *g, int i);
/* Bytes from the block's begin to the data of the tensor with that id, and to the scratch of the op at place
 * i (0: it has none). */
size_t graph_offset(const struct graph *g, int id);
size_t graph_scratch_offset(const struct graph *g, int i);

#endif
