/* upright.h - a slice of a case as people expect to see it: by its affine, the patient's front or head up and
 * the right side on the left of the picture, with letters on the edges, and pixels as wide as high in mm
 * whatever the voxels are. What the pictures of validation and of the study's report share.
 */
#ifndef APPS_UPRIGHT_H
#define APPS_UPRIGHT_H

#include "io/picture/letters.h"
#include "nn/data/dataset.h"
#include "nn/data/sample.h"

/* Pairs: [0] the rows of the picture, from the top; [1] its columns, from the left. */
struct upright {
    int through, slice; /* axis of the array (0: d, 1: h, 2: w) across the slice, and the voxel along it */
    int axis[2];        /* of the array */
    int flip[2];        /* the picture runs against the array */
    int begin[2], count[2]; /* voxels that are shown, in the picture's order */
    int pixels[2];      /* 0 before upright_size */
    const char *plane;  /* "axial", "coronal", "sagittal"; "" without an affine */
    char mark[4];       /* at the left, right, top and bottom: R L A P S I; spaces without an affine */
};

/* The slice with the most labelled voxels (label NULL: the middle one) across the axis of the largest
 * spacing, of equal ones the axis nearest to feet to head; all of it. Without an affine it lies as the array
 * does. */
void upright_choose(struct upright *u, const struct sample *s, const uint8_t *label);
/* Shows at most `voxels` along each axis, around the middle of label's foreground in the slice, within the
 * image. */
void upright_narrow(struct upright *u, const struct sample *s, const uint8_t *label, int voxels);
/* Leaves a border out that has neither signal nor a label of any of the maps (each may be NULL), but for a
 * margin. */
void upright_trim(struct upright *u, const struct sample *s, const uint8_t *const *map, int maps);
/* Gives the longer side this many pixels. */
void upright_size(struct upright *u, const struct sample *s, int longest);

/* The voxel of a map [d][h][w] under row and column of the voxels that are shown. */
size_t upright_at(const struct upright *u, const struct sample *s, int row, int column);
/* The same under a pixel; pixels outside of the picture have none: -1. */
ptrdiff_t upright_voxel(const struct upright *u, const struct sample *s, int row, int column);
/* The image of a channel at the middle of a pixel, linear between the voxels that are shown. */
float upright_value(const struct upright *u, const struct sample *s, int channel, int row, int column);
/* Whether the label at a pixel is another one than at a pixel beside it. */
int upright_edge(const struct upright *u, const struct sample *s, const uint8_t *map, int row, int column);
/* Grey values at the 1st and the 99.5th percentile of the voxels that are shown. */
void upright_window(float *low, float *high, const struct upright *u, const struct sample *s, int channel);
/* The grey of a value in this window: 0 to 255. */
unsigned char upright_grey(float value, float low, float high);
/* Draws the letters into a picture whose panel has its upper left corner at (left, top). */
void upright_marks(struct letters_canvas *c, int left, int top, const struct upright *u);

#endif
