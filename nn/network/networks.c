/* networks.c - the table of networks: one of a name, of a preset, and their names.
 * The book: docs/book/06_networks.md */
#include "nn/network/network.h"

#include <stdio.h>
#include <string.h>

#include "tensor/base/check.h"

extern const struct network unet_network, resenc_network; /* unet.c */
extern const struct network segresnet_network;            /* segresnet.c */
extern const struct network resnet_network;               /* resnet.c */

const struct network *const network_table[] = {&unet_network, &resenc_network, &segresnet_network,
                                               &resnet_network, NULL};

const struct network *network_find(const char *name)
{
    for (int i = 0; network_table[i]; i++)
        if (strcmp(network_table[i]->name, name) == 0) return network_table[i];
    return NULL;
}

const struct network *network_default(int classifies)
{
    int i = 0;
    while (!network_table[i]->classify != !classifies) i++;
    return network_table[i];
}

static void add_name(char names[NETWORK_NAMES], const char *name)
{
    size_t used = strlen(names);
    int n = snprintf(names + used, NETWORK_NAMES - used, "%s%s", used ? "|" : "", name);
    ENSURE(used + (size_t)n < NETWORK_NAMES, "names of networks take more than %d characters", NETWORK_NAMES);
}

void network_names(char names[NETWORK_NAMES], int which)
{
    names[0] = 0;
    for (int i = 0; network_table[i]; i++)
        if (which & (network_table[i]->segment ? NETWORKS_THAT_SEGMENT : NETWORKS_THAT_CLASSIFY))
            add_name(names, network_table[i]->name);
}

void network_preset_names(char names[NETWORK_NAMES])
{
    names[0] = 0;
    for (int i = 0; network_table[i]; i++)
        for (const struct plan_preset *p = network_table[i]->presets; p && p->name; p++)
            add_name(names, p->name);
}

const struct network *network_of_preset(const char *name, const struct plan_preset **preset)
{
    for (int i = 0; network_table[i]; i++)
        for (const struct plan_preset *p = network_table[i]->presets; p && p->name; p++)
            if (strcmp(p->name, name) == 0) {
                *preset = p;
                return network_table[i];
            }
    *preset = NULL;
    return NULL;
}
