/* infer.h - from a raw case to its label map: preprocess, sliding window, ensemble of folds, back to the original grid.
 */
#ifndef NN_INFER_H
#define NN_INFER_H

#include "nn/preprocess.h"
#include "nn/sliding.h"

/* Segments the raw case s, preprocessed in place and its image freed when it is no longer needed. Logits of `predictors` networks (folds) are averaged. label receives a
 * malloc'ed map [d][h][w] of label indices on the original grid; probabilities, where not NULL, malloc'ed
 * [classes][d][h][w]. */
int infer_segment(uint8_t **label, float **probabilities, struct predictor *predictor, int predictors,
                  const struct plan *p, struct sample *s, const struct sliding_options *o, struct error *e);
/* The label map as a volume with the case's geometry and the dataset's label values; free with volume_free. */
int infer_volume(struct volume *v, const uint8_t *label, const struct sample *s, const struct dataset *d, struct error *e);

#endif
