/* receptive_field.c - exercise 1 of the chapter on networks: which voxels of the image have a gradient, if
 * the loss is one voxel of the third stage. */
#include <math.h>
#include <stdio.h>

#include "nn/network/init.h"
#include "tensor/ops/ops.h"

enum { SIZE = 64 };

/* Along one axis only, so that it is quick: what holds for one axis holds for each. */
static const int kernel[3] = {1, 1, 3}, pad[3] = {0, 0, 1}, one[3] = {1, 1, 1}, two[3] = {1, 1, 2};

int main(void)
{
    struct model *m = model_create();
    struct graph *g = graph_create(m, NULL, GRAPH_TRAIN);
    struct tensor *image = graph_input(g, "image", SHAPE(1, 1, 1, SIZE, 1), DT_F32, 1), *x = image;
    for (int i = 0; i < 6; i++) {
        char name[32];
        snprintf(name, sizeof name, "conv.%d", i);
        x = op_conv3d(g, name, x, NULL, 4, kernel, i == 2 || i == 4 ? two : one, pad, 1);
    }
    x = op_head(g, "head", x, 2);
    struct tensor *label = graph_input(g, "label", SHAPE(1, 1, 1, SIZE / 4, 1), DT_U8, 0);
    struct tensor *loss = op_cross_entropy(g, x, label, NULL);
    graph_keep(g, image);
    if (model_finish(m) || graph_plan(g) || graph_bind(g)) return 1;
    init_he(m, 1, 1, 0, NULL);
    for (int i = 0; i < SIZE; i++) tensor_f32(image)[i] = 1;
    /* All voxels of the third stage are ignored but the one in the middle. */
    for (int i = 0; i < SIZE / 4; i++) ((uint8_t *)label->data)[i] = i == SIZE / 8 ? 1 : LABEL_IGNORE;
    graph_forward(g);
    graph_backward(g, loss);
    int first = SIZE, last = -1;
    for (int i = 0; i < SIZE; i++)
        if (fabsf(tensor_grad_f32(image)[i]) > 0) {
            first = i < first ? i : first;
            last = i;
        }
    printf("voxels %d to %d: it sees %d voxels\n", first, last, last - first + 1);
    graph_destroy(g);
    model_destroy(m);
    return last - first + 1 != 23;
}
