/* network_norm.c - the normalisations that networks are built with. */
#include "nn/network/network_norm.h"

#include <stdio.h>
#include <string.h>

static struct tensor *instance(struct graph *g, const char *name, struct tensor *x, int groups, float slope)
{
    (void)groups;
    return op_instance_norm(g, name, x, slope);
}

static struct tensor *batch(struct graph *g, const char *name, struct tensor *x, int groups, float slope)
{
    (void)groups;
    return op_batch_norm(g, name, x, slope);
}

const struct network_norm network_norm_instance = {.name = "instance",
                                                   .torch = "torch.nn.modules.instancenorm.InstanceNorm",
                                                   .dimensional = 1,
                                                   .record = instance},
                          network_norm_batch = {.name = "batch",
                                                .torch = "torch.nn.modules.batchnorm.BatchNorm",
                                                .dimensional = 1,
                                                .over_batch = 1,
                                                .record = batch},
                          network_norm_group = {.name = "group",
                                                .torch = "torch.nn.modules.normalization.GroupNorm",
                                                .grouped = 1,
                                                .record = op_group_norm};

const struct network_norm *const network_norms[] = {&network_norm_instance, &network_norm_batch,
                                                    &network_norm_group, NULL};

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

void network_norm_class(char name[NETWORK_NORM_CLASS], const struct network_norm *n, int dims)
{
    snprintf(name, NETWORK_NORM_CLASS, "%s%s", n->torch, !n->dimensional ? "" : dims == 2 ? "2d" : "3d");
}

const struct network_norm *network_norm_of_class(const char *name)
{
    const char *last = strrchr(name, '.');
    for (int i = 0; last && network_norms[i]; i++) {
        const char *own = strrchr(network_norms[i]->torch, '.');
        if (strncmp(last, own, strlen(own)) != 0 || strncmp(name, "torch.", 6) != 0) continue;
        const char *rest = last + strlen(own);
        if (network_norms[i]->dimensional ? !strcmp(rest, "2d") || !strcmp(rest, "3d") : !*rest)
            return network_norms[i];
    }
    return NULL;
}

int network_norm_groups(const struct network_norm *n, const int *channels, int layers)
{
    int groups = n->grouped ? 8 : 0;
    for (int i = 0; groups && i < layers; i++)
        while (channels[i] % groups != 0) groups /= 2;
    return groups;
}
