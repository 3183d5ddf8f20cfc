#include "nn/infer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/check.h"

size_t infer_bytes(const int size[3], int classes, int predictors)
{
    size_t map = (size_t)size[0] * size[1] * size[2] * classes * sizeof(float);
    return map * (predictors > 1 ? 3 : 2);
}

int infer_segment(uint8_t **label, float **probabilities, struct predictor *predictor, int predictors,
                  const struct plan *p, struct sample *s, const struct sliding_options *o, struct error *e)
{
    *label = NULL;
    if (preprocess_case(s, p, e)) return -1;
    size_t count = (size_t)s->size[0] * s->size[1] * s->size[2] * p->classes;
    float *logits = malloc(count * sizeof(float)), *sum = predictors > 1 ? calloc(count, sizeof(float)) : NULL;
    int status = 0;
    if (!logits || (predictors > 1 && !sum))
        status = error_set(e, "out of memory: %zu bytes of logits for a case of %d x %d x %d", infer_bytes(s->size, p->classes, predictors),
                           s->size[0], s->size[1], s->size[2]);
    for (int k = 0; !status && k < predictors; k++) {
        status = sliding_predict(logits, &predictor[k], s->image, s->size, o, e);
        for (size_t i = 0; !status && sum && i < count; i++) sum[i] += logits[i];
    }
    for (size_t i = 0; !status && sum && i < count; i++) sum[i] /= (float)predictors;
    if (!status) status = preprocess_restore(label, probabilities, sum ? sum : logits, p->classes, s, p, e);
    free(sum);
    free(logits);
    return status;
}

int infer_volume(struct volume *v, const uint8_t *label, const struct sample *s, const struct dataset *d, struct error *e)
{
    memset(v, 0, sizeof *v);
    size_t n = 1;
    for (int i = 0; i < 3; i++) {
        v->size[i] = s->full_size[2 - i];
        n *= (size_t)v->size[i];
    }
    v->size[3] = 1;
    memcpy(v->affine, s->affine, sizeof v->affine);
    for (int i = 0; i < 3; i++) {
        double sum = 0;
        for (int k = 0; k < 3; k++) sum += s->affine[k][i] * s->affine[k][i];
        v->spacing[i] = sqrt(sum);
    }
    v->type = VOXEL_U8;
    snprintf(v->description, sizeof v->description, "nephron");
    v->voxel = malloc(n * sizeof(float));
    if (!v->voxel) return error_set(e, "out of memory for a label map of %zu voxels", n);
    for (size_t i = 0; i < n; i++) {
        ENSURE(label[i] < d->labels, "label index %d of %d", label[i], d->labels);
        v->voxel[i] = (float)d->label_value[label[i]];
    }
    return 0;
}
