/* crop.h - nnU-Net's crop to the nonzero region. */
#ifndef NN_CROP_H
#define NN_CROP_H

#include <stdint.h>

/* Of an image [d][h][w][channels]: bounding box of nonzero voxels of any channel, [begin, end) per axis; the
 * whole image where all are zero.
 * mask: NULL, or [d][h][w] for 1 inside: nonzero, or in a hole that no path of zeros (6 neighbours) joins to
 * the border. -1 without memory for the mask's holes; without a mask it cannot fail. */
int crop_nonzero(int begin[3], int end[3], uint8_t *mask, const float *image, int channels,
                 const int size[3]);

#endif
