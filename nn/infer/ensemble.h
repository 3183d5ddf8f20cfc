/* ensemble.h - label maps from the mean of several predictions' probabilities (CASE.npz, as predict and
 * nnU-Net write them). Shared by ensemble and best. Source: nnU-Net v2 ensembling/ensemble.py.
 */
#ifndef NN_ENSEMBLE_H
#define NN_ENSEMBLE_H

#include "nn/data/dataset.h"
#include "nn/infer/postprocess.h"

enum { ENSEMBLE_MAX = 32 };

struct ensemble_case {
    const char *id;
    /* with ID.npz; the first also with the label map, whose geometry counts */
    const char *folder[ENSEMBLE_MAX];
    int folders;
};

/* Means the probabilities and writes the label map to `path`, after the steps of `post` (NULL: none);
 * npz_path: NULL, or receives the mean. *label, where label is not NULL, receives the map of label indices
 * (malloc'ed), size[3] and spacing[3] as d, h, w. */
int ensemble_run(const struct ensemble_case *c, const struct dataset *d, const struct postprocessing *post,
                 const char *path, const char *npz_path, uint8_t **label, struct error *e);
/* CASE.npz of "probabilities" [outputs][d][h][w], and CASE.pkl (nnunet_properties_write). The array given
 * lies as the label map of the geometry v; turned: it is turned to RAS in its place and written so, as
 * nnU-Net does with a reader that turns its images. */
int probabilities_write(const char *path, float *probabilities, int outputs, const struct volume *v,
                        int turned, struct error *e);

#endif
