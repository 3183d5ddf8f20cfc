/* task_segment.c - segmentation: patches of cases, a network built from a plan, Dice. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/plan/outputs.h"
#include "nn/train/learner_data.h"
#include "nn/train/learner_room.h"
#include "nn/batch/sampler.h"
#include "nn/optimize/schedule.h"
#include "tensor/base/check.h"

static const char *metric(const struct train_options *o)
{
    (void)o;
    return "Dice";
}

/* nnU-Net's. */
static void defaults(struct train_options *o)
{
    o->lr = 0.01f;
    o->schedule = &poly_schedule;
    o->optimizer = &optimizer_sgd;
    o->momentum = 0.99f;
    o->weight_decay = 3e-5f;
    o->clip = 12;
    o->loss = losses[0];
}

static int batch(const struct plan *p)
{
    return p->batch;
}

/* The plan with the batch that the options ask for. */
static struct plan effective_plan(const struct train_options *o, const struct plan *p)
{
    struct plan copy = *p;
    copy.batch = learner_batch(o, p);
    return copy;
}

static int check(const struct train_options *o, const struct plan *p, struct error *e)
{
    struct plan copy = effective_plan(o, p);
    return network_plan_check(&copy, e);
}

static int check_data(const struct train_options *o, const struct plan *p, const struct learner_data *d,
                      struct error *e)
{
    (void)o;
    if (d->store.structures != output_structures(p))
        return error_set(e, "plan %s: %d classes, the data has %d", p->configuration, output_structures(p),
                         d->store.structures);
    for (int i = 0; i < d->store.cases; i++) {
        const struct prepared *s = &d->store.prepared[i];
        if (s->channels != p->channels)
            return error_set(e, "case %d has %d channels, the network %d", i, s->channels, p->channels);
        if (s->label == NULL) return error_set(e, "case %d has no label map", i);
    }
    return 0;
}

static int model(struct model *m, const struct train_options *o, const struct plan *p)
{
    struct network_training t = network_train_create(m, p, 0, NULL);
    int status = model_finish(m);
    (void)o;
    graph_destroy(t.graph);
    return status;
}

static void weights(struct model *m, const struct train_options *o, const struct plan *p, struct pool *pool)
{
    p->network->init(m, o->seed, pool);
}

static struct tensor *infer(struct graph *g, const struct train_options *o, const struct plan *p, int batch,
                            struct tensor **image)
{
    (void)o;
    const int *s = p->patch;
    *image = graph_input(g, "image", SHAPE(batch, s[0], s[1], s[2], plan_inputs(p)), DT_F32, 0);
    return network_segment(g, p, *image, 0).logits[0];
}

/* ---- a learner ----------------------------------------------------------------------------------------- */

static void record(struct learner *l)
{
    struct plan p = effective_plan(l->options, l->plan);
    struct network_training t = network_train_create(l->model, &p, learner_precision(l->options), l->pool);
    l->graph = t.graph;
    l->image = t.image;
    l->heads = t.out.heads;
    for (int i = 0; i < t.out.heads; i++) l->label[i] = t.label[i];
    l->output = t.out.logits[0];
    l->loss = t.loss;
    if (l->options->loss) op_segmentation_loss_gamma(l->loss, l->options->loss->gamma);
}

static int reserve(struct learner *l, const struct learner_data *d, struct error *e)
{
    (void)d;
    struct learner_room *room = &l->room;
    struct shape s = l->image->shape;
    const int patch[3] = {s.d, s.h, s.w};
    if (room->patches) return 0;
    room->bytes = sampler_scratch(patch, s.c, s.n, l->pool);
    room->patches = malloc(room->bytes);
    return room->patches ? 0 : error_set(e, "out of memory: %zu bytes to augment a batch", room->bytes);
}

/* Labels of the lower heads from those of the first. */
static void downsample_labels(struct learner *l)
{
    struct shape full = l->label[0]->shape;
    const int size_in[3] = {full.d, full.h, full.w};
    for (int i = 1; i < l->heads; i++) {
        struct shape s = l->label[i]->shape;
        const int size_out[3] = {s.d, s.h, s.w};
        sampler_downsample(l->label[i]->data, size_out, l->label[0]->data, size_in, full.n);
    }
}

static void patch_batch(struct learner *l, const struct learner_data *d, uint32_t client, uint64_t step,
                        const struct augment_options *augment)
{
    struct shape s = l->image->shape;
    struct batch_spec b = {.seed = l->options->seed,
                           .client = client,
                           .step = step,
                           .batch = s.n,
                           .patch = {s.d, s.h, s.w},
                           .oversample = l->options->oversample,
                           .augment = augment,
                           .scratch = l->room.patches};
    sampler_batch(tensor_f32(l->image), l->label[0]->data, &d->store, &b, l->pool);
    downsample_labels(l);
}

static void next_batch(struct learner *l, uint64_t step)
{
    const struct train_options *o = l->options;
    struct augment_options augment = augment_options_default(l->plan->patch);
    if (o->augment == 1) augment.spatial = 0;
    memcpy(augment.mask, l->plan->use_mask_for_norm, sizeof augment.mask);
    patch_batch(l, l->data, l->client, step, o->augment ? &augment : NULL);
}

/* ---- validation ---------------------------------------------------------------------------------------- */

struct overlap_counts {
    int64_t tp[LABELS_MAX], fp[LABELS_MAX], fn[LABELS_MAX];
};

/* Adds the voxels of one batch: what each foreground output claims (the label of the largest logit, the first
 * of equals as PyTorch; a region whose sigmoid is above 0.5) against the labels. */
static void count_overlap(struct overlap_counts *n, const float *logits, const uint8_t *label, size_t voxels,
                          const struct plan *p)
{
    for (size_t i = 0; i < voxels; i++, logits += p->classes) {
        int best = p->regions ? 0 : output_label(p, logits);
        if (label[i] == LABEL_IGNORE) continue;
        for (int k = output_first(p); k < p->classes; k++) {
            int claimed = p->regions ? logits[k] > 0 : k == best;
            int there = p->regions ? label_set_has(&p->region[k], label[i]) : k == label[i];
            n->tp[k] += claimed && there;
            n->fp[k] += claimed && !there;
            n->fn[k] += !claimed && there;
        }
    }
}

static int validate(struct validation *v, struct learner *l, const struct learner_data *d, int batches)
{
    ENSURE(batches > 0, "validation of %d batches", batches);
    const uint32_t validation_client = UINT32_MAX; /* its patches are drawn by a key that no training uses */
    struct overlap_counts n = {0};
    int classes = l->plan->classes, first = output_first(l->plan), defined = 0;
    for (int b = 0; b < batches; b++) {
        if (l->stop && l->stop(l->stop_arg)) return 1;
        patch_batch(l, d, validation_client, (uint64_t)b, NULL);
        graph_set_inference(l->graph, 1); /* no running statistics of validation cases */
        graph_forward(l->graph);
        graph_set_inference(l->graph, 0);
        v->loss += *tensor_f32(l->loss) / (double)batches;
        struct shape s = l->output->shape;
        count_overlap(&n, tensor_f32(l->output), l->label[0]->data, (size_t)s.n * shape_voxels(s), l->plan);
    }
    for (int c = first; c < classes; c++) {
        int64_t all = 2 * n.tp[c] + n.fp[c] + n.fn[c];
        v->dice[c - first] = all > 0 ? 2.0 * (double)n.tp[c] / (double)all : NAN;
        if (all > 0) v->metric += v->dice[c - first], defined++;
    }
    v->metric = defined > 0 ? v->metric / defined : NAN;
    return 0;
}

static int load(struct learner_data *d, const struct dataset *set, const struct train_options *o,
                const struct plan *p, const int *role, int which, const struct reading *how,
                struct error *e)
{
    (void)o;
    return case_store_load(&d->store, set, p, role, which, how, e);
}

const struct learning_task task_segment = {
    .name = "segment",
    .title = "segmentation",
    .planned = 1,
    .least_loss = -1,
    .metric = metric,
    .defaults = defaults,
    .batch = batch,
    .check = check,
    .check_data = check_data,
    .model = model,
    .weights = weights,
    .infer = infer,
    .record = record,
    .reserve = reserve,
    .next_batch = next_batch,
    .validate = validate,
    .load = load,
};
