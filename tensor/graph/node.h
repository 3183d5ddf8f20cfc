/* node.h - what an op may know of the graph. Private to tensor/ (and to tests that add ops of their own or
 * inspect a plan).
 *
 * An op is a function that records a node and a descriptor that runs it, in one file:
 *
 *     struct node *n = node_create(g, &max_pool3d_op, name, sizeof(struct max_pool));
 *     struct max_pool *a = n->attr;                    the op's own constants
 *     node_input(n, x);
 *     n->saved_bytes = ...; n->reads_in = 1;           what its passes need: the plan is made from it
 *     return node_output(g, n, shape);
 *
 * The schedule. graph_plan turns the nodes into passes: every node's PASS_FORWARD in order of recording; with
 * GRAPH_TRAIN then, in reverse, PASS_BACKWARD (and PASS_BACKWARD_DATA where `split`), with a PASS_RECOMPUTE
 * just before the first pass that reads a value that was thrown away. A buffer's lifetime is an interval of
 * passes.
 * The book: docs/book/05_graph.md */
#ifndef TENSOR_NODE_H
#define TENSOR_NODE_H

#include "tensor/elem/elem.h"
#include "tensor/graph/graph.h"

enum pass {
    PASS_FORWARD,
    PASS_RECOMPUTE,     /* op->forward again: same output, no side effects (running statistics stay) */
    PASS_BACKWARD,      /* op->backward; of a split node: the gradients of the parameters */
    PASS_BACKWARD_DATA, /* op->backward of a split node: the gradients of the inputs */
    PASSES
};

/* What becomes of a cheap output between its last use in forward and its uses in backward. */
enum recompute {
    KEPT,
    RECOMPUTED_ONCE, /* before the first use in backward, and held until the last */
    RECOMPUTED_EACH  /* before each use in backward: a skip connection has two, far apart */
};

struct node {
    const struct op *op;
    int index;
    char name[96];                      /* prefix of the parameters, or the op's name */
    int inputs, params;
    struct tensor *in[NODE_INPUTS_MAX];
    struct tensor *out;
    int param[NODE_PARAMS_MAX];         /* indices into model->param: the array moves while recording */
    void *attr;                         /* the op's own struct, zeroed */
    int kernel[3], stride[3], pad[3];   /* of a convolution or pooling, and */
    float slope;                        /* of the activation in it, and */
    int groups;                         /* of channels of a group norm: told to readers of the graph */
    double flops;

    /* Declared by the op, before node_output. */
    size_t saved_bytes;                 /* lives from forward to the end of backward */
    size_t scratch_bytes[PASSES];       /* lives for one pass */
    unsigned reads_in;                  /* bit i: PASS_BACKWARD reads in[i]->data */
    int reads_out;                      /* PASS_BACKWARD reads out->data */
    int split; /* backward is two passes: dw reads x, then dx is written, so that dx may lie where x lay */
    int cheap; /* the output may be thrown away and computed again for the backward pass */
    int in_place;                       /* forward may write out over in[0] */
    int grad_in_place;                  /* backward may write the gradient of in[0] over that of out */

    /* Set by the plan. */
    int accumulate[NODE_INPUTS_MAX]; /* the gradient of in[i] already holds another consumer's part: add to
                                        it */
    enum recompute recompute;           /* cheap, and it saves memory */
    int reached;                        /* a gradient arrives: backward runs */
    int saved_buffer;

    /* Set by the run. */
    enum pass pass;
    void *saved, *scratch;
};

/* A tensor and what the graph knows of it. */
struct value {
    struct tensor tensor;  /* first: a pointer to a graph's tensor is a pointer to its value */
    char name[64];         /* of an input */
    struct node *producer; /* NULL for an input */
    int keep, consumers;
    int root;              /* a scalar that nothing consumes: a loss */
    int buffer;            /* of data */
    int grad_buffer;       /* -1: none */
    int fresh_for; /* while scheduling: index of the last backward node that it was recomputed for; -1:
                      none */
    int current;           /* while scheduling: its data at this pass */
};

enum buffer_kind { BUFFER_DATA, BUFFER_GRAD, BUFFER_SAVED, BUFFER_SCRATCH };

/* A piece of the block, alive from pass `first` to pass `last`. */
struct buffer {
    enum buffer_kind kind;
    size_t bytes, offset;
    int first, last;
    int alias;             /* index of the buffer that this one shares (in place), or its own */
};

struct node_pass {
    struct node *node;
    enum pass pass;
    int buffer;            /* where a forward or recompute pass writes the output; -1 */
    int scratch;           /* -1: none */
};

struct graph {
    struct model *model;
    struct pool *pool;
    int flags;
    struct node **node;
    struct value **value;
    int nodes, values;
    struct buffer *buffer;
    struct node_pass *pass;
    int buffers, passes, forward_passes;
    int planned, failed;
    int infers;        /* graph_set_inference */
    size_t bytes;      /* of the block */
    size_t peak_bytes; /* the largest sum of live buffers: no placement can be smaller */
    char *block;
    size_t mapped;     /* bytes to unmap; 0: the block is the caller's */
    uint64_t seed, rng_step;
    uint32_t client;
    void (*watch)(void *arg, int pass);
    void *watch_arg;
};

/* ---- for ops: recording -------------------------------------------------------------------------------- */

/* NULL where the graph has failed or fails now: the op returns NULL then, and has not looked at its inputs
 * before. */
struct node *node_create(struct graph *g, const struct op *op, const char *name, size_t attr_bytes);
void node_input(struct node *n, struct tensor *x);
/* Registers (or finds) the parameter "<node name>.<suffix>"; its place in n->param is the order of the
 * calls. */
void node_param(struct graph *g, struct node *n, const char *suffix, enum param_kind kind, int ndim,
                const int *dim, int fan_in, int fan_out);
/* NULL where the graph has failed. */
struct tensor *node_output(struct graph *g, struct node *n, struct shape s); /* DT_F32 */
struct tensor *node_output_as(struct graph *g, struct node *n, struct shape s, enum dtype dtype);
static inline void node_window(struct node *n, const int kernel[3], const int stride[3], const int pad[3])
{
    for (int a = 0; a < 3; a++) {
        n->kernel[a] = kernel[a];
        n->stride[a] = stride[a];
        n->pad[a] = pad[a];
    }
}
/* The type of a convolution's output. */
static inline enum dtype graph_activation(const struct graph *g)
{
    return g && g->flags & GRAPH_BF16 ? DT_BF16 : DT_F32; /* of a failed graph: either */
}
/* The pass needs at least so many floats of scratch. */
static inline void node_scratch(struct node *n, enum pass pass, size_t floats)
{
    if (n->scratch_bytes[pass] < floats * sizeof(float)) n->scratch_bytes[pass] = floats * sizeof(float);
}
static inline int shape_equal(struct shape a, struct shape b)
{
    return a.n == b.n && a.d == b.d && a.h == b.h && a.w == b.w && a.c == b.c;
}

/* For elem.h. */
static inline enum elem_type tensor_elem(const struct tensor *t)
{
    return t->dtype == DT_BF16 ? ELEM_BF16 : ELEM_F32;
}

/* The pass is one of training: not of an inference graph, and not of graph_set_inference. */
static inline int graph_trains(const struct graph *g)
{
    return g->flags & GRAPH_TRAIN && !g->infers;
}

/* ---- for ops: running ---------------------------------------------------------------------------------- */

static inline float *node_data(const struct graph *g, const struct node *n, int i)
{
    return g->model->data + g->model->param[n->param[i]].offset;
}
static inline float *node_grad(const struct graph *g, const struct node *n, int i)
{
    return g->model->grad + g->model->param[n->param[i]].offset;
}
/* Where the gradient of in[i] goes; NULL if nobody wants it. */
static inline void *node_dx(const struct node *n, int i)
{
    return n->in[i]->needs_grad ? n->in[i]->grad : NULL;
}

/* ---- planning and running by passes -------------------------------------------------------------------- */

/* plan_memory.c: fills pass, buffer, bytes. -1 without memory. */
int plan_memory(struct graph *g);
/* One pass of a bound graph. */
void graph_run_pass(struct graph *g, int index);

#endif
