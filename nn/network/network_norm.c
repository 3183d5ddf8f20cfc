/* network_norm.c - the normalisations that networks are built with. */
#include "nn/network/network_norm.h"

#include <stdio.h>
#include <string.h>

const struct network_norm network_norm_instance = {"instance", 0, op_instance_norm},
                          network_norm_batch = {"batch", 1, op_batch_norm};

const struct network_norm *const network_norms[] = {&network_norm_instance, &network_norm_batch, NULL};

const struct network_norm *network_norm_find(const char *name)
{
    for (int i = 0; network_norms[i]; i++)
        if (strcmp(network_norms[i]->name, name) == 0) return network_norms[i];
    return NULL;
}

void network_norm_names(char names[NETWORK_NORM_NAMES])
{
    size_t used = 0;
    for (int i = 0; network_norms[i] && used < NETWORK_NORM_NAMES; i++)
        used += (size_t)snprintf(names + used, NETWORK_NORM_NAMES - used, "%s%s", i ? "|" : "",
                                 network_norms[i]->name);
}
