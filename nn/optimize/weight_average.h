/* weight_average.h - the exponential moving average of a model's weights, beside them and without effect on
 * them.
 *
 * The first step's weights are taken as they are. After n of them a = d a + (1 - d) w, where d is the smaller
 * of decay and (1 + n) / (10 + n): the warm-up of TensorFlow's ExponentialMovingAverage, so that the first
 * weights, which are random, are soon forgotten. Running statistics of batch norm are averaged as weights are
 * (as in timm's ModelEma, and PyTorch's AveragedModel with use_buffers). Source: Polyak and Juditsky 1992;
 * Tarvainen and Valpola 2017.
 */
#ifndef NN_WEIGHT_AVERAGE_H
#define NN_WEIGHT_AVERAGE_H

#include <stdint.h>
#include "io/base/error.h"
#include "tensor/base/pool.h"
#include "tensor/graph/graph.h"

struct weight_average {
    double decay; /* above 0 and below 1 */
    int64_t steps; /* taken in */
    size_t count;
    float *weights; /* [count] in the model's order; NULL: there is no average */
};
/* Of no steps yet, for a finished model; -1 without memory. */
int weight_average_init(struct weight_average *a, double decay, const struct model *m, struct error *e);
void weight_average_free(struct weight_average *a);
void weight_average_reset(struct weight_average *a);
/* Steps and weights of `from`, which is of the same model. */
void weight_average_assign(struct weight_average *a, const struct weight_average *from);
/* d of the step after n. */
double weight_average_decay(double decay, int64_t n);
/* After a step: takes the model's weights in. The same bits for any number of threads. */
void weight_average_add(struct weight_average *a, const struct model *m, struct pool *pool);

#endif
