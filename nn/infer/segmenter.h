/* segmenter.h - trained networks ready to segment cases: shared by predict and by the validation after
 * training. */
#ifndef NN_SEGMENTER_H
#define NN_SEGMENTER_H

#include "nn/infer/infer.h"
#include "nn/infer/postprocess.h"
#include "nn/folder/run.h"

enum { FOLDS_MAX = 16 };

struct segmenter {
    const struct plan *plan;
    const struct dataset *dataset;   /* label values */
    int bf16;                        /* activations in bf16 */
    struct predictor predictor[FOLDS_MAX];
    int predictors;
    struct sliding_options sliding;
    struct postprocessing post;      /* of the label maps; no steps: none */
};

/* Adds a network (its model must outlive the segmenter). */
int segmenter_add(struct segmenter *s, struct model *m, struct pool *pool, struct error *e);
void segmenter_free(struct segmenter *s);
/* Segments a raw case and writes the label map to path; npz_path: NULL, or receives the probabilities
 * (probabilities_write); next: infer.h. The case is preprocessed in place and its image freed. *label, where
 * label is not NULL, receives the map of label indices (malloc'ed). */
int segmenter_run(struct segmenter *s, struct sample *raw, const char *path, const char *npz_path,
                  struct infer_next *next, uint8_t **label, struct error *e);

#endif
