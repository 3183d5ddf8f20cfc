/* labelmap.h - files of label values, and the indices of a dataset's labels that stand for them. Shared by evaluate and postprocess.
 */
#ifndef APPS_LABELMAP_H
#define APPS_LABELMAP_H

#include "nn/data/dataset.h"

enum { LABEL_VALUES = 1 << 16, LABEL_UNKNOWN = 253 }; /* values that a file may hold; index of those that no label has */

struct label_index {
    uint8_t of[LABEL_VALUES]; /* LABEL_IGNORE for the ignore label */
};

/* path: for messages. */
int label_index_create(struct label_index *x, const struct dataset *d, const char *path, struct error *e);
/* The whole number from 0 to LABEL_VALUES - 1 that a voxel is, or -1. */
int labelmap_value(float voxel);
/* One 3D volume. */
int labelmap_volume(struct volume *v, const char *path, struct error *e);
/* Malloc'ed indices of the voxels; NULL with a message. */
uint8_t *labelmap_indices(const struct volume *v, const struct label_index *x, const char *path, struct error *e);
/* Reference and prediction of one geometry, as indices; free both. v receives the reference's geometry, no voxels. */
int labelmap_pair(uint8_t **reference, uint8_t **prediction, struct volume *v, const char *reference_path, const char *prediction_path,
                  const struct label_index *x, struct error *e);
#endif
