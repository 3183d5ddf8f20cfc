/* infer.c - from a raw case to its label map, and the bytes that this takes. */
#include "nn/infer/infer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/prepare/previous.h"
#include "nn/prepare/restore.h"
#include "tensor/base/check.h"

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Follows sample_load, preprocess_case, resample_channels, sliding_run, restore and volume_write. */
int infer_bytes(size_t *bytes, const struct infer_case *c, const struct predictor *predictor,
                const struct plan *p, int probabilities, struct error *e)
{
    struct sample s = {.channels = p->channels};
    size_t v = 1, n = 1, planes = 1, channels = (size_t)p->channels, one = 4, most;
    int mask = 0, moved = 0, spread = 0;
    double target[3];
    for (int a = 0; a < 3; a++) {
        s.full_size[a] = c->size[a];
        s.cropped_size[a] = c->size[p->transpose[a]];
        s.spacing[a] = c->spacing[p->transpose[a]];
        v *= (size_t)c->size[a];
        moved |= p->transpose[a] != a;
    }
    for (int k = 0; k < p->channels; k++) mask |= p->use_mask_for_norm[k];
    if (preprocess_size(s.size, s.cropped_size, s.spacing, p, e)) return -1;
    preprocess_target(target, p, s.spacing);
    for (int a = 0; a < 3; a++) {
        n *= (size_t)s.size[a];
        planes *= (size_t)(a == 0 ? s.cropped_size[0] : s.size[a]);
        spread |= s.size[a] != s.cropped_size[a];
    }
    if (resample_separate_axis(s.spacing, target) >= 0) planes /= (size_t)s.cropped_size[0];
    size_t image = one * v * channels, network = one * n * channels, in_between = one * planes;
    most = larger(c->packed + c->stored, c->stored + one * v) + (channels > 1 ? image : 0);
    most = larger(most, (moved ? 2 * image : image) + (mask ? v : 0));
    if (spread)
        most =
            larger(most, channels > 1 ? image + in_between + network : in_between + larger(image, network));
    size_t all = one * n * (size_t)(p->channels + p->previous_labels); /* with the previous stage's labels */
    if (p->previous_labels) most = larger(larger(most, image + 2 * one * v), network + all) + v + n;
    most = larger(most, all + (p->previous_labels ? v + n : 0) + sliding_bytes(predictor, s.size) +
                            restore_bytes(p->classes, &s, probabilities));
    /* Writing: labels as uint16, bytes, and packed; probabilities thrice: as they are, as the .npy, and
     * packed. */
    most = larger(most, (2 + 3) * v + (probabilities ? 3 * one * v * (size_t)p->classes : 0));
    *bytes = most;
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

static int begin_sinks(struct sinks *k, const struct sample *s, const struct plan *p, int probabilities,
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
                  struct predictor *predictor, int predictors, const struct plan *p, struct sample *s,
                  const struct sliding_options *o, struct error *e)
{
    struct sinks k = {.both = 0};
    *label = NULL;
    if (preprocess_case(s, p, e) || (p->previous_labels && previous_join(s, e)) ||
        begin_sinks(&k, s, p, probabilities != NULL, next, graph_pool(predictor->graph), e))
        return -1;
    k.plane = (size_t)s->size[1] * (size_t)s->size[2] * (size_t)p->classes;
    int status = sliding_run(predictor, predictors, s->image, s->size, o, sink_plane, &k, e);
    if (!status && k.bad)
        status = error_set(
            e,
            "the network's output is not finite (plane %d of its grid): its weights or this image's values are too large",
            k.bad - 1);
    restore_end(&k.original);
    restore_end(&k.next); /* all NULL without a next stage */
    free(s->image); /* what follows needs memory */
    s->image = NULL;
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
    v->whole = malloc(n * sizeof *v->whole);
    if (!v->whole) return error_set(e, "out of memory for a label map of %zu voxels", n);
    for (size_t i = 0; i < n; i++) {
        ENSURE(label[i] < d->labels, "label index %d of %d", label[i], d->labels);
        v->whole[i] = (uint16_t)d->label_value[label[i]];
    }
    return 0;
}
