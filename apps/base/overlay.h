/* overlay.h - a case as a picture: image, image with the reference's outlines, image with the prediction's. */
#ifndef APPS_OVERLAY_H
#define APPS_OVERLAY_H

#include "nn/data/dataset.h"

/* Writes a PNG of the axial slice with the most labelled voxels (of reference, else prediction). raw: the case before preprocessing, its
 * channel 0 is shown; reference and prediction: label indices [d][h][w], either may be NULL. */
int overlay_write(const char *path, const struct sample *raw, const uint8_t *reference, const uint8_t *prediction,
                  struct error *e);

#endif
