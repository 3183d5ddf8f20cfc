/* previous.h - the second stage of a cascade (nnU-Net's 3d_cascade_fullres): the labels that the previous
 * stage gave are input channels, one for each foreground label, 1 where the voxel has it.
 */
#ifndef NN_PREVIOUS_H
#define NN_PREVIOUS_H

#include "nn/data/dataset.h"
#include "nn/prepare/prepared.h"
#include "tensor/base/rng.h"

/* nnU-Net's two augmentations of these channels, so that the second stage does not trust the first: with
 * probability 0.4 a random one of dilation, erosion, closing, opening by a ball of radius 1 to 8 of each
 * label with probability 0.5 (what a label gains, others lose); with probability 0.2 one connected component
 * (26 neighbours, below 15 % of the patch) of each label with probability 0.5 goes. map [d][h][w] of label
 * indices below `labels`; strength scales 0.4 and 0.2. work: 5 bytes a voxel, aligned for int32_t. Source:
 * batchgeneratorsv2 ApplyRandomBinaryOperatorTransform,
 * RemoveRandomConnectedComponentFromOneHotEncodingTransform. */
void previous_augment(uint8_t *map, const int size[3], int labels, float strength, struct rng *rng,
                      void *work);
/* The preprocessed case's image gets s->previous_labels more channels, from s->previous. */
int previous_join(struct prepared *s, struct error *e);
/* The most bytes beside the maps themselves that a previous stage's map of so many labels takes: while it is
 * read (sample_load_previous) beside the raw image, and joined to the prepared one. Both in voxels. */
size_t previous_bytes(int channels, int labels, size_t raw, size_t prepared);

#endif
