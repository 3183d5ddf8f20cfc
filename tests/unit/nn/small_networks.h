/* small_networks.h - plans of small networks: what check_networks trains and check_network_shapes looks
 * at. */
#ifndef TESTS_UNIT_NN_SMALL_NETWORKS_H
#define TESTS_UNIT_NN_SMALL_NETWORKS_H

#include "nn/network/network.h"
#include "tests/unit/expect.h"

static inline struct plan small_plan(const char *network, int stages, const int *features, int channels)
{
    struct plan p = {
        .dims = 3, .batch = 2, .stages = stages, .channels = channels, .classes = 3, .deep_supervision = 1};
    snprintf(p.configuration, sizeof p.configuration, "test");
    p.network = network_find(network);
    for (int a = 0; a < 3; a++) p.patch[a] = 16;
    for (int s = 0; s < stages; s++) {
        p.features[s] = features[s];
        p.encoder_blocks[s] = p.decoder_blocks[s] = strcmp(network, "unet") == 0 ? 2 : 1; /* convolutions */
        for (int a = 0; a < 3; a++) {
            p.kernel[s][a] = 3;
            p.stride[s][a] = s > 0 ? 2 : 1;
        }
    }
    return p;
}

static inline struct plan mri_plan(void)
{
    static const int features[3] = {8, 16, 32};
    struct plan p = small_plan("unet", 3, features, 2);
    p.batch_dice = 1;
    p.kernel[0][0] = 1; /* thick slices */
    p.stride[1][0] = 1;
    return p;
}

#endif
