/* infer.c - from a raw case to its label map, and the bytes that this takes.
 * The book: docs/book/12_windows.md */
#include "nn/infer/infer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/infer/postprocess.h"
#include "nn/plan/orientation.h"
#include "nn/prepare/previous.h"
#include "nn/prepare/restore.h"
#include "tensor/base/check.h"

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Label indices, and the largest components of them; or label values of 16 bits (infer_volume), and these
 * packed. Probabilities thrice: as they are, as the .npy, and packed. */
static size_t writing_bytes(size_t voxels, int classes, int probabilities)
{
    return voxels + larger(postprocess_bytes(voxels), voxels * (2 + 2)) +
           (probabilities ? 3 * voxels * (size_t)classes * sizeof(float) : 0);
}

/* Each part's own count, of which the largest is needed: they follow each other. */
int infer_bytes(size_t *bytes, const struct infer_case *c, const struct predictor *predictor,
                const struct plan *p, int probabilities, struct error *e)
{
    struct prepared s = {.channels = p->channels};
    size_t raw = 1, prepared = 1, preparing;
    int order[3] = {0, 1, 2}, flip[3];
    if (p->to_ras) orientation_to_ras(order, flip, c->affine);
    for (int a = 0; a < 3; a++) {
        s.full_size[a] = c->size[a];
        s.cropped_size[a] = c->size[order[p->transpose[a]]];
        s.spacing[a] = c->spacing[order[p->transpose[a]]];
    }
    if (preprocess_bytes(&preparing, s.size, s.cropped_size, s.spacing, p, e)) return -1;
    for (int a = 0; a < 3; a++) {
        raw *= (size_t)s.cropped_size[a];
        prepared *= (size_t)s.size[a];
    }
    size_t maps = p->previous_labels ? raw + prepared : 0; /* of the previous stage, from reading on */
    size_t image = prepared * (size_t)(p->channels + p->previous_labels) * sizeof(float);
    size_t most = larger(sample_load_bytes(p->channels, raw, c->packed, c->stored), preparing);
    if (maps) most = larger(most, previous_bytes(p->channels, p->previous_labels, raw, prepared));
    most = larger(most, image + sliding_bytes(predictor, s.size) +
                            restore_bytes(p->classes, &s, probabilities));
    *bytes = larger(most + maps, writing_bytes(raw, p->classes, probabilities));
    return 0;
}

/* Where the planes of logits go: the original file's grid, and that of a cascade's next stage. */
struct sinks {
    struct restore original, next;
    int both;
    size_t plane; /* logits of one */
    int bad;      /* a logit was not finite: where + 1 */
};

static void sink_plane(void *arg, int z, const float *logits)
{
    struct sinks *k = arg;
    for (size_t i = 0; !k->bad && i < k->plane; i++)
        if (!isfinite(logits[i])) k->bad = z + 1;
    restore_plane(&k->original, z, logits);
    if (k->both) restore_plane(&k->next, z, logits);
}

static int begin_sinks(struct sinks *k, const struct prepared *s, const struct plan *p, int probabilities,
                       const struct infer_next *next, struct pool *pool, struct error *e)
{
    k->both = next != NULL;
    if (restore_begin(&k->original, p->classes, s, p, probabilities, pool, e)) return -1;
    if (!next || !restore_begin_next(&k->next, p->classes, s, p, next->plan, pool, e)) return 0;
    restore_end(&k->original);
    free(k->original.label);
    free(k->original.probability);
    return -1;
}

int infer_segment(uint8_t **label, float **probabilities, struct infer_next *next,
                  struct predictor *predictor, int predictors, const struct plan *p, struct sample *raw,
                  const struct sliding_options *o, struct error *e)
{
    struct sinks k = {.both = 0};
    struct prepared s;
    *label = NULL;
    if (preprocess_case(&s, raw, p, e)) return -1;
    if ((p->previous_labels && previous_join(&s, e)) ||
        begin_sinks(&k, &s, p, probabilities != NULL, next, graph_pool(predictor->graph), e)) {
        prepared_free(&s);
        return -1;
    }
    k.plane = (size_t)s.size[1] * (size_t)s.size[2] * (size_t)p->classes;
    int status = sliding_run(predictor, predictors, s.image, s.size, o, sink_plane, &k, e);
    if (!status && k.bad)
        status = error_set(e,
                           "the network's output is not finite (plane %d of its grid): its weights or this "
                           "image's values are too large",
                           k.bad - 1);
    restore_end(&k.original);
    restore_end(&k.next); /* all NULL without a next stage */
    prepared_free(&s); /* what follows needs memory */
    if (status) {
        free(k.original.label);
        free(k.original.probability);
        free(k.next.label);
        return -1;
    }
    *label = k.original.label;
    if (probabilities) *probabilities = k.original.probability;
    if (next) next->label = k.next.label;
    if (next) memcpy(next->size, k.next.size, sizeof next->size);
    return 0;
}

int infer_volume(struct volume *v, const uint8_t *label, const struct sample *s, const struct dataset *d,
                 struct error *e)
{
    memset(v, 0, sizeof *v);
    size_t n = 1;
    for (int i = 0; i < 3; i++) {
        v->size[i] = s->size[2 - i];
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
    v->whole = malloc(n * sizeof *v->whole);
    if (!v->whole) return error_set(e, "out of memory for a label map of %zu voxels", n);
    for (size_t i = 0; i < n; i++) {
        ENSURE(label[i] < d->labels, "label index %d of %d", label[i], d->labels);
        v->whole[i] = (uint16_t)d->label_value[label[i]];
    }
    return 0;
}
