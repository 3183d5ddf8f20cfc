/* device_program.h - a recorded graph as C: a call of device_kernels.h for each op, with fixed offsets into
 * one block.
 *
 * What the kernels read is packed into one array of floats in the order of the calls: weights as they want
 * them, parameters of norms together. All memory is the block's; its plan is the graph's (tensor/graph), with
 * the scratch that these kernels need.
 */
#ifndef NN_DEVICE_PROGRAM_H
#define NN_DEVICE_PROGRAM_H

#include "io/base/error.h"
#include "io/base/text.h"
#include "nn/device/device_kernels.h"
#include "tensor/conv/conv.h"
#include "tensor/graph/graph.h"

struct device_program {
    struct text calls; /* the statements; `b` is the block and `w` the weights, both float * */
    float *weights;
    size_t weight_count, weight_room;
    size_t block_bytes;
    int steps;
};

/* Plans g, an inference graph in fp32 of one image, recorded on the finished model m and not yet planned; it
 * cannot be run afterwards. An op that has no kernel for devices is an error that names it. Free p also
 * then. */
int device_program_create(struct device_program *p, struct graph *g, const struct model *m, struct error *e);
void device_program_free(struct device_program *p);

/* A convolution (without its batch), whose form is that of the program's own kernels. */
struct device_conv device_conv_of(const struct conv3d_shape *s);
/* The stored weights (O,I,kD,kH,kW) that s uses as device_conv3d reads them; to: as many floats. */
void device_pack_conv(float *to, const float *w, const struct conv3d_shape *s);
/* The same of a transposed convolution (I,O,kD,kH,kW). */
void device_pack_transposed(float *to, const float *w, int c, int k, int taps);

#endif
