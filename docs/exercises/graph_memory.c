/* graph_memory.c - exercise 1 of the chapter on the graph: ten convolutions in a row, planned for inference
 * and for training. Every value has 16 x 16 x 64 x 16 floats: 1 MB. */
#include <stdio.h>

#include "tensor/ops/ops.h"

enum { LAYERS = 10 };

static const int one[3] = {1, 1, 1}, zero[3] = {0, 0, 0};

/* Bytes of the block. A training graph has to end in a loss: that of two classes, from the mean of each
 * channel. */
static size_t bytes_of(struct model *m, int flags)
{
    struct graph *g = graph_create(m, NULL, flags);
    struct tensor *x = graph_input(g, "image", SHAPE(1, 16, 16, 64, 16), DT_F32, 0);
    struct tensor *label = graph_input(g, "label", SHAPE(1, 1, 1, 1, 1), DT_U8, 0);
    for (int i = 0; i < LAYERS; i++) {
        char name[32];
        snprintf(name, sizeof name, "layer.%d", i);
        x = op_conv3d(g, name, x, NULL, 16, one, one, zero, 1);
    }
    x = op_linear(g, "fc", op_global_avg_pool(g, x), 2, 1);
    if (flags & GRAPH_TRAIN) x = op_cross_entropy(g, x, label, NULL);
    else graph_keep(g, x);
    size_t bytes = graph_plan(g) ? 0 : graph_bytes(g);
    graph_destroy(g);
    return bytes;
}

int main(void)
{
    struct model *m = model_create();
    const double mb = 1024 * 1024;
    const double training = (double)bytes_of(m, GRAPH_TRAIN) / mb, inference = (double)bytes_of(m, 0) / mb;
    model_destroy(m);
    printf("inference %.1f MB, training %.1f MB\n", inference, training);
    return !(inference > 2.9 && inference < 3.1 && training > 10.9 && training < 11.2);
}
