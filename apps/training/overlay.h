/* overlay.h - a case as a picture: image, image with the reference's outlines, image with the prediction's.
 */
#ifndef APPS_OVERLAY_H
#define APPS_OVERLAY_H

#include "nn/data/dataset.h"
#include "nn/data/sample.h"

/* Writes a PNG of the slice with the most labelled voxels (of reference, else prediction), across the axis of
 * the largest spacing.
 *
 * The patient lies as radiologists look at them, whatever the file's axes: right on the left, front or head
 * up; the letters R, L, A, P, S, I stand where raw->affine puts these sides. Pixels have the spacing's
 * proportions. A border without signal is cut off. Above stand the case, the channel and the place of the
 * slice; below the labels with their colours and, where there are both maps, the Dice of the whole case. raw:
 * the case before preprocessing, its channel 0 is shown; reference and prediction: label indices [d][h][w],
 * either may be NULL. */
int overlay_write(const char *path, const char *case_name, const struct dataset *d, const struct sample *raw,
                  const uint8_t *reference, const uint8_t *prediction, struct error *e);

#endif
