/* grids.h - whether two images that should lie on one grid do, and what becomes of it where they do not:
 * channels of a case, a label map and its image, a prediction and its reference.
 *
 * nnU-Net's decision (nnunetv2 2.8: the readers of imageio/ for channels, verify_dataset_integrity.py for
 * label maps): other sizes or another spacing is an error; another origin or direction is a warning, and the
 * voxels count as they lie in the files. Numbers are the same by numpy's allclose: |a - b| <= 1e-8 + 1e-5
 * |b|.
 */
#ifndef IO_GRIDS_H
#define IO_GRIDS_H

#include <stdint.h>
#include "io/image/volume.h"

enum grid_rule {
    GRIDS_EQUAL = 0, /* sizes, and the affine within a thousandth of a voxel (volume_same_geometry) */
    GRIDS_AS_NNUNET, /* nnU-Net's decision; what is a warning is told and no error */
    GRIDS_STRICT     /* nnU-Net's decision, with its warnings as errors */
};

struct grid_check {
    enum grid_rule rule;
    /* GRIDS_AS_NNUNET: a warning, one line that names both files; may come from several threads at once, and
     * again each time the files are read. NULL: they are not told. */
    void (*tell)(void *context, const char *text);
    /* What the reader of the file at `path` put in the place of what the file does not say (assumed of struct
     * volume); under every rule, from several threads and again likewise. NULL: it is not told. */
    void (*tell_assumed)(void *context, const char *path, const char *assumed);
    /* The voxels of that channel of the file at `path` (from 0) all have this value; likewise. */
    void (*tell_constant)(void *context, const char *path, int channel, double value);
    void *context;
};

/* 0 where b may stand beside a; else -1 with an error that names both files. c NULL: GRIDS_EQUAL. */
int grids_check(const struct grid_check *c, const struct volume *a, const char *a_path,
                const struct volume *b, const char *b_path, struct error *e);

/* Tells what was assumed of an image that has been read; c may be NULL. */
void grids_assumed(const struct grid_check *c, const struct volume *v, const char *path);

/* ---- label maps from one grid to another ---- */

#define GRIDS_APART 0.25 /* voxels: the most that a voxel may lie beside the grid's */
#define GRIDS_THE "the grid: " /* errors that are of both: the label map and the grid */
#define GRIDS_OTHER "its voxels are not those of " GRIDS_THE

/* RAS mm to voxel indices of g; -1 where its affine has no inverse. */
int grids_inverse(double inverse[3][4], const struct volume *g);
void grids_voxel(double at[3], const double inverse[3][4], const double ras[3]);
/* The labels on the grid, malloc'ed: [z][y][x] of its size, of 4D images of the first three; 0 outside of the
 * label map, which may have its axes in another order or direction, but not between the voxels of the grid.
 * NULL with a message. */
uint16_t *grids_labels(const struct volume *labels, const struct volume *grid, struct error *e);

#endif
