/* optimizer.h - optimisers: a table of descriptors (optimizers.c has it), relatives in one file.
 *
 * An optimiser's state is flat blocks as the model's: each method keeps `moments` of them, and makes one pass
 * over memory a step. A method is found by its name wherever one is asked for: command line, manifest,
 * checkpoint, message of a federation.
 */
#ifndef NN_OPTIMIZER_H
#define NN_OPTIMIZER_H

#include <stdint.h>
#include "io/base/error.h"
#include "io/base/json.h"
#include "tensor/graph/graph.h"
#include "tensor/base/pool.h"

enum { OPTIMIZER_MOMENTS = 2, OPTIMIZER_NAMES = 80 };

/* What may be chosen of a method; each reads those that it has. */
struct optimizer_settings {
    float momentum; /* sgd: 0 none; Nesterov's where it is not 0 */
    float weight_decay;
    float beta1, beta2, eps;
};

/* A stretch of parameters that follow each other, and the step that is done on it. */
struct optimizer_range {
    float *weight, *gradient; /* [count]; the update leaves the gradient zero */
    float *moment[OPTIMIZER_MOMENTS];
    size_t count;
    float lr;
    float clip; /* factor on the gradient; 1 none */
    int64_t step; /* 1 for the first */
    struct pool *pool;
};

struct optimizer_method {
    const char *name;
    int moments;
    const char *moment[OPTIMIZER_MOMENTS]; /* their names in checkpoints */
    /* Whether a step is a linear function of the gradients so far, so that what the weights moved, divided by
     * the learning rate, is a sum of gradients (some aggregation strategies rest on it). */
    int linear;
    float lr; /* the standard of both, where the task has no other */
    struct optimizer_settings standard;
    void (*update)(const struct optimizer_range *r, const struct optimizer_settings *s);
    /* Its settings beside the weight decay, for checkpoints. */
    void (*describe)(struct json *j, const struct optimizer_settings *s);
};

extern const struct optimizer_method optimizer_sgd, optimizer_adamw, optimizer_adam;
extern const struct optimizer_method *const optimizers[]; /* ends with NULL */
const struct optimizer_method *optimizer_find(const char *name); /* NULL: unknown */
/* "sgd|adamw|...", as option tables and messages show them. */
void optimizer_names(char names[OPTIMIZER_NAMES]);
/* The method of that name (NULL: the field is no text) in a file, else NULL with an error that names file,
 * field and value. */
const struct optimizer_method *optimizer_named(const char *name, const char *file, const char *field,
                                               struct error *e);

/* Owned: its blocks are freed by optimizer_free. It is not copied; who takes turns with another exchanges
 * pointers. */
struct optimizer {
    const struct optimizer_method *method;
    struct optimizer_settings settings;
    float clip; /* L2 norm of the whole gradient; 0: none; nnU-Net 12 */
    int64_t steps; /* taken; 0: the moments are 0 */
    size_t count;
    float *moment[OPTIMIZER_MOMENTS]; /* [count]; NULL beyond the method's */
};
/* For a finished model, as before the first step. -1 without memory; o is then empty, and may be freed. */
int optimizer_init(struct optimizer *o, const struct optimizer_method *method,
                   const struct optimizer_settings *s, float clip, const struct model *m, struct error *e);
void optimizer_free(struct optimizer *o);
void optimizer_reset(struct optimizer *o);
/* Counter and moments of `from`, which is of the same method and model. */
void optimizer_assign(struct optimizer *o, const struct optimizer *from);
/* Updates m->data from m->grad (PyTorch's optimisers, step for step), then zeroes the gradient. Returns the
 * gradient's norm before clipping. Untrained parameters (running statistics) are left alone. */
double optimizer_step(struct optimizer *o, struct model *m, float lr, struct pool *pool);

#endif
