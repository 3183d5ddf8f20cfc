/* network_norm.h - the normalisations between the layers of a network: a table of descriptors.
 *
 * Each is one op (tensor/ops/ops.h) behind a convolution. A new one is a descriptor in network_norm.c; nothing
 * else in the tree names one.
 */
#ifndef NN_NETWORK_NORM_H
#define NN_NETWORK_NORM_H

#include "tensor/ops/ops.h"

struct network_norm {
    const char *name;     /* "instance": --norm NAME, and the word of manifest.json */
    int over_batch;       /* its statistics are over the cases of a batch too */
    /* The norm of x, then the activation; name prefixes its parameters. */
    struct tensor *(*record)(struct graph *g, const char *name, struct tensor *x, float slope);
};

extern const struct network_norm network_norm_instance, network_norm_batch;
/* Every one there is; NULL-terminated. */
extern const struct network_norm *const network_norms[];
const struct network_norm *network_norm_find(const char *name); /* NULL: none of that name */
enum { NETWORK_NORM_NAMES = 64 };
void network_norm_names(char names[NETWORK_NORM_NAMES]); /* "instance|batch": for an option's list */

#endif
