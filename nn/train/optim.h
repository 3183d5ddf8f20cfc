/* optim.h - optimisers and schedules. Each optimiser makes one pass over the flat blocks.
 */
#ifndef NN_OPTIM_H
#define NN_OPTIM_H

#include <stdint.h>
#include "tensor/graph/graph.h"
#include "tensor/base/pool.h"

enum optimizer_kind { OPTIM_SGD, OPTIM_ADAMW };
struct optimizer {
    enum optimizer_kind kind;
    float momentum;      /* SGD 0.99 nesterov */
    int nesterov;
    float weight_decay;  /* 3e-5 coupled for SGD; decoupled for AdamW */
    float beta1, beta2, eps;
    float clip;          /* L2 norm of the whole gradient; 0: none; nnU-Net 12 */
    int64_t steps;       /* taken */
    size_t count;
    float *m, *v;        /* momentum; AdamW's second moment (NULL for SGD) */
};
struct optimizer optimizer_sgd(const struct model *m, float momentum, int nesterov, float weight_decay, float clip);
struct optimizer optimizer_adamw(const struct model *m, float beta1, float beta2, float weight_decay, float clip);
void optimizer_free(struct optimizer *o);
void optimizer_reset(struct optimizer *o);
/* Updates m->data from m->grad (PyTorch's SGD and AdamW, step for step), then zeroes the gradient. Returns the
 * gradient's norm before clipping. Untrained parameters (running statistics) are left alone. */
double optimizer_step(struct optimizer *o, struct model *m, float lr, struct pool *pool);

double schedule_poly(double lr, double progress, double power);   /* lr * (1 - progress)^power; nnU-Net 0.9 */
double schedule_cosine(double lr, double progress, double warmup); /* warmup share, then half a cosine to 0 */

#endif
