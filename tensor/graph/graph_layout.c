/* graph_layout.c - where a planned graph lies in its block, for code that is written from it. */
#include "tensor/graph/graph_layout.h"

#include "tensor/base/check.h"
#include "tensor/graph/node.h"

static struct node *node_at(const struct graph *g, int i)
{
    ENSURE(i >= 0 && i < g->nodes, "op %d of %d", i, g->nodes);
    return g->node[i];
}

void graph_set_scratch(struct graph *g, int i, size_t bytes)
{
    struct node *n = node_at(g, i);
    ENSURE(!g->planned && !(g->flags & GRAPH_TRAIN),
           "graph_set_scratch of a graph that is planned or for training");
    n->saved_bytes = 0;
    n->scratch_bytes[PASS_FORWARD] = bytes;
}

const char *graph_op_name(const struct graph *g, int i)
{
    return node_at(g, i)->name;
}

size_t graph_offset(const struct graph *g, int id)
{
    ENSURE(g->planned && id >= 0 && id < g->values, "tensor %d of %d", id, g->values);
    return g->buffer[g->value[id]->buffer].offset;
}

size_t graph_scratch_offset(const struct graph *g, int i)
{
    const struct node *n = node_at(g, i);
    for (int s = 0; s < g->forward_passes; s++)
        if (g->pass[s].node == n && g->pass[s].scratch >= 0) return g->buffer[g->pass[s].scratch].offset;
    return 0;
}
