/* network_norm.h - the normalisations between the layers of a network: a table of descriptors.
 *
 * Each is one op (tensor/ops/ops.h) before or behind a convolution. A new one is a descriptor in
 * network_norm.c; nothing else in the tree names one but networks, that say which is theirs.
 */
#ifndef NN_NETWORK_NORM_H
#define NN_NETWORK_NORM_H

#include "tensor/ops/ops.h"

struct network_norm {
    const char *name;     /* "instance": --norm NAME, and the word of manifest.json */
    const char *torch;    /* PyTorch's class, plans.json's norm_op */
    int dimensional;      /* the class ends with 2d or 3d */
    int over_batch;       /* its statistics are over the cases of a batch too */
    int grouped;          /* its statistics are of groups of channels */
    /* The norm of x, then the activation; name prefixes its parameters. groups: of a grouped one. */
    struct tensor *(*record)(struct graph *g, const char *name, struct tensor *x, int groups, float slope);
};

extern const struct network_norm network_norm_instance, network_norm_batch, network_norm_group;
/* Every one there is; NULL-terminated. */
extern const struct network_norm *const network_norms[];
const struct network_norm *network_norm_find(const char *name); /* NULL: none of that name */
enum { NETWORK_NORM_NAMES = 64 };
void network_norm_names(char names[NETWORK_NORM_NAMES]); /* "instance|batch": for an option's list */
/* plans.json's norm_op for networks of 2 or 3 dimensions, and the norm that one names: by its last word, the
 * way to it differs between versions; NULL for others. */
enum { NETWORK_NORM_CLASS = 80 };
void network_norm_class(char name[NETWORK_NORM_CLASS], const struct network_norm *n, int dims);
const struct network_norm *network_norm_of_class(const char *name);
/* Groups for layers of so many channels: 8 (MONAI's), or the largest power of 2 below it that divides all of
 * them; 0 of a norm without groups. */
int network_norm_groups(const struct network_norm *n, const int *channels, int layers);

#endif
