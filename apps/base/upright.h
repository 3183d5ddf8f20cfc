/* upright.h - a slice of a case as people expect to see it: by its affine, the patient's front or head up and his right side on the left of
 * the picture, with letters on the edges, and pixels as wide as high in mm whatever the voxels are.
 */
#ifndef APPS_UPRIGHT_H
#define APPS_UPRIGHT_H

#include "nn/data/dataset.h"

struct upright { /* [0]: rows of the picture, from the top; [1]: its columns, from the left */
    int z;       /* slice along the array's first axis */
    int axis[2]; /* of the array: 1 or 2 */
    int flip[2]; /* the picture runs against the array */
    int begin[2], count[2]; /* voxels along axis that are shown */
    int pixels[2];
    char mark[4]; /* at the left, right, top and bottom: R L A P S I */
};

/* The whole slice z. longest: pixels of its longer side. */
void upright_choose(struct upright *u, const struct sample *s, int z, int longest);
/* Shows at most `voxels` along each axis, around the middle of label's foreground in the slice, never beyond the image. */
void upright_narrow(struct upright *u, const struct sample *s, const uint8_t *label, int voxels, int longest);
/* Index of the voxel under a pixel into a map [d][h][w]; pixels outside of the picture have none: -1. */
ptrdiff_t upright_voxel(const struct upright *u, const struct sample *s, int row, int column);
/* Whether the label at a pixel is another one than at a pixel beside it. */
int upright_edge(const struct upright *u, const struct sample *s, const uint8_t *map, int row, int column);
/* Writes the letters into a picture of `width` pixels whose panel begins at column `left`. */
void upright_marks(unsigned char *rgb, int width, int left, const struct upright *u);

#endif
