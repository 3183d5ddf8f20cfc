/* model.h - the parameters of a network: named views of one flat block, which graphs record and train.
 */
#ifndef TENSOR_MODEL_H
#define TENSOR_MODEL_H

#include <stddef.h>
#include <stdint.h>
#include "tensor/base/pool.h"

enum param_kind {
    PARAM_WEIGHT, /* convolution, linear: decayed, initialised from its fan */
    PARAM_BIAS,
    PARAM_GAMMA,  /* norm scale, starts at 1 */
    PARAM_BETA,   /* norm shift, starts at 0 */
    PARAM_MEAN,   /* batch norm running mean, starts at 0; not trained */
    PARAM_VAR     /* batch norm running variance, starts at 1; not trained */
};

struct param {
    char name[120];      /* PyTorch-style: "encoder.stages.0.0.convs.0.conv.weight" */
    enum param_kind kind;
    int ndim;
    int dim[5];          /* as PyTorch stores it */
    size_t offset, count; /* floats, into model data and grad; offsets are multiples of 16 */
    int fan_in;          /* of weights: C*kd*kh*kw (transposed convolution: PyTorch's K*kd*kh*kw) */
    int fan_out;
};

/* Lifetime "model": one aligned block of data and one of gradients with named views. FedAvg is a weighted
 * sum of flat vectors, a copy is memcpy. Gaps between views are zero and stay zero. */
struct model {
    struct param *param;
    int params;
    size_t count;     /* floats in each block, gaps included */
    float *data;
    float *grad;
    int finished;
    int failed;       /* memory ran out while its parameters were recorded */
};

/* NULL without memory; the functions below that take a model to record into take NULL for a failed one. */
struct model *model_create(void);
void model_destroy(struct model *m);
/* Allocates data and grad, zeroed (gamma and var 1). After it no new parameters may be registered. -1
 * where memory cannot be had, now or while a graph recorded the parameters; else 0. */
int model_finish(struct model *m);
/* The same without gradients: half the memory, for models that only infer. One that is alike has
 * gradients and may be trained. */
int model_finish_inference(struct model *m);
/* A new model with the same views; data and grad zero, and memory that nobody has touched. NULL without
 * memory. */
struct model *model_alike(const struct model *m);
/* Gives up the gradients: from then on the model is for inference. */
void model_drop_gradients(struct model *m);
struct param *model_find(const struct model *m, const char *name); /* NULL if absent */
int param_trained(const struct param *p); /* 0 for running statistics */
/* FNV-1a style 64-bit hash over the bits of all parameters in order: the weight hash that runs print. */
uint64_t model_hash(const struct model *m);
/* For the graph: registers a parameter, or finds the one of that name; shapes must agree. Its index, or -1
 * without memory. */
int model_param(struct model *m, const struct param *want);
void model_zero_grad(struct model *m, struct pool *pool);

#endif
