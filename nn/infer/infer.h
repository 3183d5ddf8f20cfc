/* infer.h - from a raw case to its label map: preprocess, sliding window, ensemble of folds, back to the
 * original grid.
 */
#ifndef NN_INFER_H
#define NN_INFER_H

#include "nn/prepare/preprocess.h"
#include "nn/infer/sliding.h"

/* The label map that the next stage of a cascade is trained with: on that stage's grid. */
struct infer_next {
    const struct plan *plan;   /* given */
    int size[3];
    uint8_t *label;            /* malloc'ed */
};

/* Segments the raw case s, preprocessed in place and its image freed when it is no longer needed. Logits of
 * `predictors` networks (folds) are averaged. label receives a malloc'ed map [d][h][w] of label indices on
 * the original grid; probabilities, where not NULL, malloc'ed [classes][d][h][w]; next, where not NULL, the
 * map for the next stage. */
int infer_segment(uint8_t **label, float **probabilities, struct infer_next *next,
                  struct predictor *predictor, int predictors, const struct plan *p, struct sample *s,
                  const struct sliding_options *o, struct error *e);
/* A case as its files' headers tell it. */
struct infer_case {
    int size[3];
    double spacing[3];         /* d, h, w of the file */
    double affine[3][4];       /* RAS; zero where it is not known */
    size_t stored, packed;     /* bytes of the voxels of one file, and of the file itself */
};
/* The most bytes that a case of these headers holds at a time from reading to writing (label map, and
 * probabilities as .npz where wanted), beside the networks: an upper bound, as nothing is cropped yet. */
int infer_bytes(size_t *bytes, const struct infer_case *c, const struct predictor *predictor,
                const struct plan *p, int probabilities, struct error *e);
/* The label map as a volume with the case's geometry and the dataset's label values; free with
 * volume_free. */
int infer_volume(struct volume *v, const uint8_t *label, const struct sample *s, const struct dataset *d,
                 struct error *e);

#endif
