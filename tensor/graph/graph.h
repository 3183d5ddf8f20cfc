/* graph.h - record, plan, run.
 *
 * A network is a C function that calls ops (ops.h). Each op appends a node; shapes are checked there. Then
 * graph_plan decides where every activation, gradient and scratch buffer lives in one block, graph_forward
 * runs the nodes in order and graph_backward in reverse. After planning a step allocates nothing.
 *
 *     struct model *m = model_create();
 *     struct graph *g = graph_create(m, pool, GRAPH_TRAIN);
 *     struct tensor *x = graph_input(g, "image", SHAPE(2, 40, 56, 40, 1), DT_F32, 0);
 *     ... ops ...                           (first recording registers the parameters in m)
 *     if (model_finish(m)) ...              (allocates the flat blocks; later graphs find parameters by name)
 *     if (graph_plan(g)) ...  printf("%zu bytes\n", graph_bytes(g));
 *     if (graph_bind(g)) ...                (allocates the block; a page is first touched by a thread that
 *                                           uses it)
 *     memcpy(x->data, ...); graph_forward(g); graph_backward(g, loss);
 *
 * Memory that cannot be had is an error that stays: model_create and graph_create return NULL, an op of a
 * failed (or NULL) graph returns NULL and takes NULL, and at the end model_finish and graph_plan return -1.
 * So a caller asks there, once, and destroys both; only code that looks into a tensor while it records asks
 * before (graph_failed).
 * The book: docs/book/05_graph.md */
#ifndef TENSOR_GRAPH_H
#define TENSOR_GRAPH_H

#include <stddef.h>
#include <stdint.h>
#include "tensor/graph/model.h"

enum dtype { DT_F32 = 0, DT_U8 = 1, DT_BF16 = 2 };
size_t dtype_bytes(enum dtype dtype);

/* All activations are five-dimensional, channels last; a vector per case is [n][1][1][1][c]. */
struct shape {
    int n, d, h, w, c;
};
#define SHAPE(n, d, h, w, c) ((struct shape){(n), (d), (h), (w), (c)})
size_t shape_count(struct shape s);  /* elements */
size_t shape_voxels(struct shape s); /* d*h*w */

/* ---- graph --------------------------------------------------------------------------------------------- */

/* GRAPH_TRAIN: dropout on, batch statistics, gradients; without it: inference, smallest memory.
 * GRAPH_BF16: activations and their gradients are bf16 in memory (bf16.h). The rule: convolutions give
 * bf16, except op_head; norms, activations, additions, poolings and dropout give the type of their input;
 * everything else (heads, global average, linear layers, softmax, losses) is fp32, and so are inputs,
 * parameters, their gradients, statistics and all sums. */
enum graph_flags { GRAPH_TRAIN = 1, GRAPH_BF16 = 2 };

struct graph;

/* A value in the graph. data is valid after graph_bind: for an input always, for results after
 * graph_forward and, in the plan with the smallest memory, only until its last use, unless graph_keep was
 * called on it or no op reads it. */
struct tensor {
    struct shape shape;
    enum dtype dtype;
    void *data;
    void *
        grad; /* of the same type; NULL where no gradient is needed; else valid during graph_backward, or
                 after it with graph_keep */
    int id;
    int needs_grad;
};
/* Of a DT_F32 tensor. */
static inline float *tensor_f32(const struct tensor *t) { return (float *)t->data; }
static inline float *tensor_grad_f32(const struct tensor *t) { return (float *)t->grad; }

/* An op: what there is to a node. Each lies beside its code in tensor/ops, where its recorder checks
 * shapes and declares the bytes that a node needs; op_table (ops.h) has all of them, and
 * tests/unit/tensor/op_cases.h a case of each. */
struct node;
struct onnx_writer;
struct op {
    const char *name;
    void (*forward)(struct graph *g, struct node *n);
    void (*backward)(struct graph *g, struct node *n); /* NULL: no gradient (softmax in inference) */
    /* What forward is to give, in plain loops from the inputs, which are fp32 and not yet written over:
     * [n][d][h][w][c] floats into y. What backward is to give is its derivative (check_gradients). */
    void (*reference)(float *y, const struct graph *g, const struct node *n);
    void (*onnx)(const struct onnx_writer *w, const struct node *n); /* NULL: it has no form in ONNX */
};
enum { NODE_INPUTS_MAX = 26, NODE_PARAMS_MAX = 4 };

/* NULL without memory, or where m is NULL. */
struct graph *graph_create(struct model *m, struct pool *pool, int flags);
/* Memory ran out while it was recorded or planned: it can only be destroyed. NULL is a failed graph. */
int graph_failed(const struct graph *g);
void graph_destroy(struct graph *g);
/* needs_grad: also compute the gradient with respect to this input. Inputs live through the whole step. */
struct tensor *graph_input(struct graph *g, const char *name, struct shape s, enum dtype dtype,
                           int needs_grad);
/* Data (and gradient) of t stay valid after the run. */
void graph_keep(struct graph *g, struct tensor *t);
/* Places every buffer. To be called once, after recording. -1 where memory ran out, now or while
 * recording, else 0. */
int graph_plan(struct graph *g);
/* Bytes of the block; exact, known after graph_plan. */
size_t graph_bytes(const struct graph *g);
/* The passes of a planned graph: those of graph_forward, then those of graph_backward. */
struct graph_pass {
    const char *node, *pass; /* pass: forward, recompute, backward, backward_data */
    size_t bytes; /* of activations, their gradients, parameters that it reads and writes, each counted
                     once */
};
int graph_passes(const struct graph *g);
struct graph_pass graph_pass(const struct graph *g, int i);
/* For measurements: after every pass that runs comes watch(arg, pass). NULL: no more. */
void graph_watch(struct graph *g, void (*watch)(void *arg, int pass), void *arg);
/* Sum over convolutions and linear layers of 2*multiply-adds: forward; a training step is about 3 times
 * it. */
double graph_flops(const struct graph *g);
/* Allocates the block (huge pages where the system offers them) and sets the data pointers. Returns -1 if
 * memory cannot be had (machine.h), else 0. */
int graph_bind(struct graph *g);
/* Binds to memory of the caller's, graph_bytes long, 64-byte aligned. */
void graph_bind_to(struct graph *g, void *block);
/* The block of a bound graph: graphs that run in turn can share it. */
void *graph_block(const struct graph *g);
/* Keys the random numbers of the step (dropout). */
void graph_set_step(struct graph *g, uint64_t seed, uint32_t client, uint64_t step);
/* on: graph_forward of a training graph computes what an inference graph does (batch norm takes the running
 * statistics and leaves them, dropout keeps all), until it is off again. Not for graph_backward. */
void graph_set_inference(struct graph *g, int on);
void graph_forward(struct graph *g);
/* Gradients of the scalar `loss` ([1][1][1][1][1], read by no op); parameter gradients are added to model
 * grad. */
void graph_backward(struct graph *g, struct tensor *loss);
/* The plan as a table, one line a node (op, output shape, buffers, offsets), appended to buf by snprintf
 * rules. */
int graph_describe(const struct graph *g, char *buf, size_t size);
/* What was recorded, for translation into other forms. */
struct graph_op {
    const char *kind;                   /* "conv3d": the op of ops.h */
    int inputs, in[2], out;             /* ids of tensors; an op's first two inputs */
    int params, param[4];               /* indices into the model's, in the order of registration */
    int kernel[3], stride[3], pad[3];   /* convolutions and poolings */
    float slope;                        /* of the activation after it; 1 none */
    int groups;                         /* of channels, of a group norm; else 0 */
};
/* Of the tensor with that id. */
struct shape graph_shape(const struct graph *g, int id);
/* The op at place i; 0 beyond the last, or where the graph has failed. */
int graph_read_op(const struct graph *g, int i, struct graph_op *op);
/* Writes all nodes in order (onnx_writer.h). -1 at the first whose op has no form in ONNX: *op and *name
 * are that op's and that node's; else 0. */
int graph_write_onnx(const struct graph *g, const struct onnx_writer *w, const char **op, const char **name);
struct model *graph_model(const struct graph *g);
struct pool *graph_pool(const struct graph *g);

#endif
