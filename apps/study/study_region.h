/* study_region.h - what the classifier sees of a case, and what simpler models see: the region around the
 * mask, and numbers of shape and intensity.
 *
 * A box that is stretched to the network's input hides how large the tumour is; a window of the same size in
 * mm for all cases, with the mask as one more channel, shows it. In that window a small tumour is a few
 * voxels, whose texture a mean over the window drowns, so its inside is there magnified as well.
 */
#ifndef APPS_STUDY_STUDY_REGION_H
#define APPS_STUDY_STUDY_REGION_H

#include "nn/data/dataset.h"
#include "nn/prepare/prepared.h"
#include "tensor/ops/ops.h"

/* Channels of a region of a case with `channels`. */
int region_channels(int channels);
/* Into out the region around the mask, sampled at crop points an axis by trilinear interpolation
 * from channels scaled to mean 0 and deviation 1 over the whole image:
 *   each channel in a window of window_mm around the middle of the mask's box (of the image without a mask),
 *   0 outside of the image;
 *   the mask, 0 to 1, in the same window;
 *   each channel in the mask's box (the whole image without a mask), with the mean inside of the mask in
 *   place of what is outside of it.
 * Releases the label map. */
int region_prepare(struct prepared *out, struct sample *v, const int crop[3], const double window_mm[3],
                   struct error *e);
/* Extent of the mask's box in mm; 0 without a voxel. */
void region_box(double mm[3], const struct sample *v);

enum { REGION_CHANNELS = 4, REGION_FEATURES = 3 + 6 * REGION_CHANNELS };
/* Features of a case by its mask (any label that is not 0 or ignored): log volume (ml), sphericity, longest
 * over shortest side; of each of the first REGION_CHANNELS channels, scaled to the whole image's mean 0 and
 * deviation 1: mean, deviation, skewness and the 10th, 50th and 90th percentile inside of the mask. Returns
 * how many there are; NaN without a voxel. -1: no memory. */
int region_features(double feature[REGION_FEATURES], const struct sample *v);

#endif
