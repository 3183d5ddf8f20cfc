/* segmenter.c - the networks of a run, or of several folds, that segment one case after the other.
 * The book: docs/book/12_windows.md */
#include "nn/infer/segmenter.h"

#include <stdlib.h>
#include <string.h>

#include "nn/infer/ensemble.h"
#include "tensor/base/check.h"

int segmenter_add(struct segmenter *s, struct model *m, struct pool *pool, struct error *e)
{
    ENSURE(s->predictors < FOLDS_MAX, "%d predictors", s->predictors);
    const struct predictor *first = s->predictors ? &s->predictor[0] : NULL;
    if (predictor_create_beside(&s->predictor[s->predictors], first, m, s->plan, s->bf16 ? GRAPH_BF16 : 0,
                                pool, e))
        return -1;
    s->predictors++;
    return 0;
}

void segmenter_free(struct segmenter *s)
{
    for (int k = s->predictors - 1; k >= 0; k--) predictor_destroy(&s->predictor[k]);
    s->predictors = 0;
}

int segmenter_run(struct segmenter *s, struct sample *raw, const char *path, const char *npz_path,
                  struct infer_next *next, uint8_t **label, struct error *e)
{
    float *probabilities = NULL;
    uint8_t *map;
    struct volume v = {0};
    if (label) *label = NULL;
    if (infer_segment(&map, npz_path ? &probabilities : NULL, next, s->predictor, s->predictors, s->plan, raw,
                      &s->sliding, e))
        return -1;
    int status = postprocess_apply(&s->post, map, raw->size)
                     ? error_set(e, "%s: out of memory for postprocessing", path)
                     : 0;
    if (!status) status = infer_volume(&v, map, raw, s->dataset, e);
    if (!label) { /* what follows needs memory */
        free(map);
        map = NULL;
    }
    if (!status) status = volume_write(&v, path, VOXEL_U8, e);
    volume_free(&v);
    if (!status && npz_path)
        status = probabilities_write(npz_path, probabilities, s->plan->classes, &v, s->plan->to_ras, e);
    free(probabilities);
    if (status) free(map);
    else if (label) *label = map;
    return status;
}
