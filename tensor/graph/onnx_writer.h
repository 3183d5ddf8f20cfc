/* onnx_writer.h - how an op tells what its node is in ONNX's operators (opset 13), without knowing of files.
 * For tensor/ops, and for who writes (nn/folder/onnx_export.c), who fills in the functions.
 *
 * An operator is its inputs and attributes in any order, then `end`. The value of a tensor has the suffix "";
 * values between the operators that one node becomes go by the node's output and a suffix. ONNX's order of
 * axes is N C D H W; that is the writer's business alone.
 *
 *     w->value(w->to, n->in[0]->id, "");
 *     w->number(w->to, "alpha", 0.01f);
 *     w->end(w->to, "LeakyRelu", n->out->id, "");
 */
#ifndef TENSOR_ONNX_WRITER_H
#define TENSOR_ONNX_WRITER_H

#include "tensor/graph/node.h"

struct onnx_writer {
    void *to;
    void (*value)(void *to, int tensor, const char *suffix); /* the next input */
    void (*param)(void *to, int param); /* a parameter of the model, as it is stored: the next input */
    void (*channels)(void *to, int param); /* one of a value a channel, as [channels][1][1][1]: the next
                                              input */
    void (*integer)(void *to, const char *attribute, int v);
    void (*integers)(void *to, const char *attribute, const int *v, int count);
    void (*number)(void *to, const char *attribute, float v);
    void (*numbers)(void *to, const char *attribute, float v, int count); /* a list of the same */
    void (*end)(void *to, const char *operator_name, int tensor, const char *suffix); /* the output's */
};

/* ---- what several ops share ---------------------------------------------------------------------------- */

/* All parameters of n, in the order of registration: the next inputs. */
static inline void onnx_params(const struct onnx_writer *w, const struct node *n)
{
    for (int i = 0; i < n->params; i++) w->param(w->to, n->param[i]);
}

static inline void onnx_window(const struct onnx_writer *w, const struct node *n)
{
    int pads[6]; /* of each axis's begin, then of each end */
    for (int a = 0; a < 6; a++) pads[a] = n->pad[a % 3];
    w->integers(w->to, "kernel_shape", n->kernel, 3);
    w->integers(w->to, "strides", n->stride, 3);
    w->integers(w->to, "pads", pads, 6);
}

/* The activation of n of a value, as n's output. */
static inline void onnx_activation(const struct onnx_writer *w, const struct node *n, int tensor,
                                   const char *suffix)
{
    w->value(w->to, tensor, suffix);
    if (n->slope > 0) w->number(w->to, "alpha", n->slope);
    w->end(w->to, n->slope == 1 ? "Identity" : n->slope > 0 ? "LeakyRelu" : "Relu", n->out->id, "");
}

/* Ends an operator that is followed by the activation fused into n. */
static inline void onnx_end_activated(const struct onnx_writer *w, const char *operator_name,
                                      const struct node *n)
{
    w->end(w->to, operator_name, n->out->id, n->slope == 1 ? "" : "_sum");
    if (n->slope != 1) onnx_activation(w, n, n->out->id, "_sum");
}

#endif
