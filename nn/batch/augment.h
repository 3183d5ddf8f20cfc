/* augment.h - what one training example goes through: a patch is cut from a case, deformed and changed in
 * intensity. Source: nnU-Net v2 nnUNetTrainer.get_training_transforms, batchgeneratorsv2. Replayable: all
 * randomness from one rng stream.
 */
#ifndef NN_AUGMENT_H
#define NN_AUGMENT_H

#include "nn/data/dataset.h"
#include "nn/prepare/prepared.h"
#include "tensor/base/rng.h"

struct augment_options {
    int spatial;         /* rotation and scaling */
    int intensity;       /* noise, blur, brightness, contrast, low resolution, gamma */
    int mirror[3];       /* axes that may be mirrored */
    int dummy_2d;        /* in-plane rotation only (axis 0 apart) */
    int mask[CHANNELS_MAX]; /* channels set to 0 outside of the nonzero region, after all else
                               (use_mask_for_norm) */
    float strength;      /* 1: nnU-Net's table; scales probabilities */
};
struct augment_options augment_options_default(const int patch[3]);

/* Floats that augment_patch needs as scratch. */
size_t augment_scratch(const int patch[3], int channels);
/* Cuts the patch whose centre voxel is `centre` (may reach outside: image and label 0, as the labels
 * LABEL_OUTSIDE) with random spatial deformation, then mirrors and changes intensities. image
 * [pd][ph][pw][channels + s->previous_labels], label [pd][ph][pw] (NULL: none). scratch: augment_scratch
 * floats. o NULL: the plain patch. */
void augment_patch(float *image, uint8_t *label, const struct prepared *s, const int centre[3],
                   const int patch[3], const struct augment_options *o, struct rng *rng, float *scratch);

#endif
