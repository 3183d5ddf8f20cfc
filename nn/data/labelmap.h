/* labelmap.h - files of label values, read as indices of a dataset's labels and written back: the one reader
 * of label maps.
 *
 * A label map is one 3D volume of whole numbers from 0 to LABEL_VALUES - 1. A value that no label of the
 * dataset has is an error that names the file, the value and the voxel: nothing unknown ever counts as
 * background.
 */
#ifndef NN_LABELMAP_H
#define NN_LABELMAP_H

#include "nn/data/dataset.h"

enum { LABEL_VALUES = 1 << 16 }; /* values that a file may hold */

struct label_index {
    int any;     /* of a dataset without labels: every value but 0 is index 1 */
    int16_t *of; /* [LABEL_VALUES] index of the label with that value; LABEL_IGNORE for the ignore label; -1:
                    none */
};

struct labelmap {
    uint8_t *index;         /* [d][h][w], malloc'ed */
    int size[3];            /* d, h, w */
    double spacing[3];      /* mm, d, h, w */
    struct volume geometry; /* of the file, without voxels */
};

/* path: for messages. A dataset whose dataset.json has no labels at all (d->labels 0: masks of a
 * classification) takes any map. After an error there is nothing to free. */
int label_index_create(struct label_index *x, const struct dataset *d, const char *path, struct error *e);
void label_index_free(struct label_index *x);
int labelmap_read(struct labelmap *m, const char *path, const struct label_index *x, struct error *e);
/* Reference and prediction, on one grid (grids NULL: GRIDS_EQUAL). Free both. */
int labelmap_read_pair(struct labelmap *reference, struct labelmap *prediction, const char *reference_path,
                       const char *prediction_path, const struct label_index *x,
                       const struct grid_check *grids, struct error *e);
void labelmap_free(struct labelmap *m);
/* Writes label indices [d][h][w] as the dataset's values, in the geometry given, in the smallest unsigned
 * type that holds every label of the dataset. */
int labelmap_write(const char *path, const uint8_t *index, const struct volume *geometry,
                   const struct dataset *d, struct error *e);
/* Sets seen[value] for every value in the file, whatever the labels are. */
int labelmap_values(uint8_t seen[LABEL_VALUES], const char *path, struct error *e);
/* The name of the case whose file this is: the file's name without a known image ending (".nii.gz", ".mha"
 * ...); dots within it stay, as in names made of DICOM UIDs. */
int labelmap_case_name(char id[ID_MAX], const char *path, struct error *e);

#endif
