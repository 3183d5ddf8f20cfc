/* postprocess.h - nnU-Net's postprocessing: of some labels only the largest connected component stays.
 * Source: nnU-Net v2 remove_connected_components.py (26-neighbourhood; of equally large components all stay).
 * Which labels is decided on the cross-validation (apps/command/cmd_postprocess.c) and kept in
 * postprocessing.json.
 */
#ifndef NN_POSTPROCESS_H
#define NN_POSTPROCESS_H

#include "io/base/json.h"
#include "nn/data/dataset.h"

struct postprocessing { /* steps in order; bit i of a set: label index i */
    int steps;
    struct label_set labels[LABELS_MAX + 1];
};

/* Removes (to 0) every voxel of the labels that is not in the largest component of their union. Returns -1
 * when memory is out. */
int postprocess_keep_largest(uint8_t *label, const int size[3], const struct label_set *labels);
/* Bytes that it allocates. */
size_t postprocess_bytes(size_t voxels);
/* All steps. */
int postprocess_apply(const struct postprocessing *p, uint8_t *label, const int size[3]);
/* Members "postprocessing_fns" and "postprocessing_kwargs" of postprocessing.json, as nnU-Net writes them. */
void postprocess_to_json(struct json *j, const struct postprocessing *p, const struct dataset *d);
int postprocess_from_json(struct postprocessing *p, const struct json *j, const struct dataset *d,
                          struct error *e);
/* postprocessing.json, or nnU-Net's postprocessing.pkl, of which nothing is executed. */
int postprocess_read(struct postprocessing *p, const char *path, const struct dataset *d, struct error *e);

#endif
