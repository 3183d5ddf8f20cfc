/* fedavg.h - central aggregation: FedAvg (McMahan et al., AISTATS 2017).
 * w = sum n_k w_k / sum n_k over flat parameter vectors, in client order, with double accumulation: the result does not depend on
 * threads or on which client finished first. One client: w is w_0 bit for bit.
 */
#ifndef FL_FEDAVG_H
#define FL_FEDAVG_H

#include <stddef.h>
#include "tensor/base/pool.h"

/* out may be one of the inputs. weight[k] >= 0, sum > 0. */
void fedavg_aggregate(float *out, const float *const *client, const double *weight, int clients, size_t count,
                      struct pool *pool);

#endif
