#include "nn/infer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/previous.h"
#include "nn/restore.h"
#include "tensor/check.h"

int infer_segment(uint8_t **label, float **probabilities, struct predictor *predictor, int predictors,
                  const struct plan *p, struct sample *s, const struct sliding_options *o, struct error *e)
{
    struct restore r;
    *label = NULL;
    if (preprocess_case(s, p, e) || (p->previous_labels && previous_join(s, e)) || restore_begin(&r, p->classes, s, p, probabilities != NULL, graph_pool(predictor->graph), e)) return -1;
    int status = sliding_run(predictor, predictors, s->image, s->size, o, restore_plane, &r, e);
    restore_end(&r);
    free(s->image); /* what follows needs memory */
    s->image = NULL;
    if (status) {
        free(r.label);
        free(r.probability);
        return -1;
    }
    *label = r.label;
    if (probabilities) *probabilities = r.probability;
    return 0;
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
    v->flat = s->flat;
    snprintf(v->description, sizeof v->description, "nephron");
    v->voxel = malloc(n * sizeof(float));
    if (!v->voxel) return error_set(e, "out of memory for a label map of %zu voxels", n);
    for (size_t i = 0; i < n; i++) {
        ENSURE(label[i] < d->labels, "label index %d of %d", label[i], d->labels);
        v->voxel[i] = (float)d->label_value[label[i]];
    }
    return 0;
}
