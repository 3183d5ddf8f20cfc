/* preprocess.h - from a raw case to what the network sees, and back: transpose, crop to nonzero, normalise,
 * resample. Source: nnU-Net v2 default_preprocessor.py, default_resampling.py, scikit-image's resize.
 */
#ifndef NN_PREPROCESS_H
#define NN_PREPROCESS_H

#include "nn/data/crop.h"
#include "nn/data/dataset.h"
#include "nn/prepare/prepared.h"
#include "nn/plan/plan.h"

/* nnU-Net's -1: background outside of the nonzero mask. It competes with the other labels while a map is
 * resampled or deformed, and tells where an augmented image is set back to 0 (use_mask_for_norm); what leaves
 * augment_patch is background. Apart from the dataset's own ignore label (LABEL_IGNORE, 255), which stays. */
enum { LABEL_OUTSIDE = 254 };

/* Takes the voxels of the raw sample, which is empty afterwards (its geometry stays), also after an error;
 * then s is empty too. A previous stage's map is resampled as a label map (as nnU-Net does in prediction),
 * unless it was made on this grid, from logits (as for its training); without a label map it takes its place
 * in the nonzero mask, too. */
int preprocess_case(struct prepared *s, struct sample *raw, const struct plan *p, struct error *e);
/* The spacing of the network's grid for a case of this (transposed) spacing: 2D plans leave the slices where
 * they are; and its size there. */
void preprocess_target(double target[3], const struct plan *p, const double spacing[3]);
int preprocess_size(int size[3], const int from[3], const double spacing[3], const struct plan *p,
                    struct error *e);
/* The most bytes of images and masks that preprocess_case holds at a time for a case of this (transposed)
 * size and spacing, not cropped; its size on the network's grid. */
int preprocess_bytes(size_t *bytes, int size[3], const int from[3], const double spacing[3],
                     const struct plan *p, struct error *e);

#endif
