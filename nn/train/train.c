/* train.c - what a learner does in one step, and how it is validated. Segmentation is here, the data of
 * classification in classify.c.
 *
 * The book: docs/book/08_deterministic_step.md */
#include "nn/train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/train/classifier.h"
#include "nn/train/classify.h"
#include "nn/measure/stats_auc.h"
#include "nn/plan/outputs.h"
#include "nn/train/sampler.h"
#include "nn/train/schedule.h"
#include "tensor/base/check.h"
#include "tensor/base/vmath.h"

static int segments(const struct train_options *o)
{
    return o->task == TASK_SEGMENT;
}

static int graph_precision(const struct train_options *o)
{
    return o->bf16 ? GRAPH_BF16 : 0;
}

static int batch_size(const struct train_options *o, const struct plan *p)
{
    if (o->batch > 0) return o->batch;
    return segments(o) ? p->batch : 32;
}

/* The plan with the batch that the options ask for. */
static struct plan effective_plan(const struct train_options *o, const struct plan *p)
{
    struct plan copy = *p;
    copy.batch = batch_size(o, p);
    return copy;
}

int learner_check(const struct train_options *o, const struct plan *p, struct error *e)
{
    if (o->batch < 0 || o->batch > 4096) return error_set(e, "batch is %d, not 0 to 4096", o->batch);
    if (!(o->ema >= 0 && o->ema < 1))
        return error_set(e, "ema is %g, not above 0 and below 1 (0: no average)", o->ema);
    if (o->epochs < 1 || o->iterations < 1)
        return error_set(e, "%d epochs of %d iterations: both must be at least 1", o->epochs, o->iterations);
    if (segments(o)) {
        struct plan copy = effective_plan(o, p);
        return network_plan_check(&copy, e);
    }
    for (int a = 0; a < 3; a++)
        if (o->crop[a] < 1 || o->crop[a] > 1024)
            return error_set(e, "crop[%d] is %d, not 1 to 1024", a, o->crop[a]);
    if (o->loss)
        return error_set(e, "loss is '%s', which is of segmentation: classification has cross-entropy",
                         o->loss->name);
    ENSURE(o->classifier.covariates == o->covariates.count, "a network of %d covariates, %d named",
           o->classifier.covariates, o->covariates.count);
    return network_classifier_check(&o->classifier, o->crop, batch_size(o, NULL), e);
}

/* ---- model --------------------------------------------------------------------------------------------- */

/* The covariates' mean and variance are weights that are not trained. */
static void set_covariates(struct model *m, const struct covariates *c)
{
    const struct param *mean = model_find(m, "covariates.running_mean"),
                       *variance = model_find(m, "covariates.running_var");
    for (int k = 0; mean && variance && k < c->count; k++) {
        m->data[mean->offset + (size_t)k] = (float)c->mean[k];
        m->data[variance->offset + (size_t)k] = (float)c->variance[k];
    }
}

int learner_fit_covariates(struct train_options *o, int *missing, const struct learner_data *train,
                           struct error *e)
{
    return covariates_fit(&o->covariates, missing, train->covariate, train->store.cases, e);
}

struct model *learner_model(const struct train_options *o, const struct plan *p)
{
    struct model *m = model_create();
    int status;
    if (segments(o)) {
        struct network_training t = network_train_create(m, p, 0, NULL);
        status = model_finish(m);
        if (!status) p->network->init(m, o->seed);
        graph_destroy(t.graph);
    } else {
        struct graph *g = graph_create(m, NULL, GRAPH_TRAIN);
        struct tensor *image, *covariates;
        classifier_record(g, o, 2, &image, &covariates);
        status = model_finish(m);
        if (!status) o->classifier.network->init(m, o->seed);
        if (!status) set_covariates(m, &o->covariates);
        graph_destroy(g);
    }
    if (!status) return m;
    model_destroy(m);
    return NULL;
}

int optimizer_init_for(struct optimizer *o, const struct train_options *t, const struct model *m,
                       struct error *e)
{
    ENSURE(t->optimizer, "training without an optimiser");
    struct optimizer_settings settings = t->optimizer->standard;
    settings.momentum = t->momentum;
    settings.weight_decay = t->weight_decay;
    return optimizer_init(o, t->optimizer, &settings, t->clip, m, e);
}

int learner_own_optimizer(struct learner *l, struct error *e)
{
    ENSURE(!l->own, "a learner's second optimiser");
    struct optimizer *o = malloc(sizeof *o);
    if (!o) return error_set(e, "out of memory for an optimizer");
    if (optimizer_init_for(o, l->options, l->model, e)) return free(o), -1;
    l->optimizer = l->own = o;
    return 0;
}

/* ---- learner ------------------------------------------------------------------------------------------- */

static void record_segmentation(struct learner *l)
{
    struct plan p = effective_plan(l->options, l->plan);
    struct network_training t = network_train_create(l->model, &p, graph_precision(l->options), l->pool);
    l->graph = t.graph;
    l->image = t.image;
    l->heads = t.out.heads;
    for (int i = 0; i < t.out.heads; i++) l->label[i] = t.label[i];
    l->output = t.out.logits[0];
    l->loss = t.loss;
    if (l->options->loss) op_segmentation_loss_gamma(l->loss, l->options->loss->gamma);
}

static void record_classification(struct learner *l)
{
    const struct train_options *o = l->options;
    int batch = batch_size(o, NULL);
    float weight[256];
    if (o->class_weighting) classify_weights(weight, o->classifier.classes, l->data);
    struct graph *g = l->graph = graph_create(l->model, l->pool, GRAPH_TRAIN | graph_precision(o));
    l->label[0] = graph_input(g, "label", SHAPE(batch, 1, 1, 1, 1), DT_U8, 0);
    l->heads = 1;
    l->output = classifier_record(g, o, batch, &l->image, &l->covariates);
    l->loss = op_cross_entropy(g, l->output, l->label[0], o->class_weighting ? weight : NULL);
    graph_keep(g, l->loss);
}

void learner_switch(struct learner *l, const struct learner_data *data, uint32_t client)
{
    l->data = data;
    l->client = client;
    if (segments(l->options) || !l->options->class_weighting) return;
    float weight[256];
    classify_weights(weight, l->options->classifier.classes, data);
    op_cross_entropy_weights(l->loss, weight);
}

/* Data against network: a plan may come from another dataset than the cases. */
static int check_data(const struct train_options *o, const struct plan *p, const struct learner_data *d,
                      struct error *e)
{
    int channels = segments(o) ? p->channels : o->classifier.channels;
    if (d->store.cases < 1) return error_set(e, "there are no cases to train on");
    if (!segments(o) && classifier_check(o, d, e)) return -1;
    if (segments(o) && d->store.groups != output_groups(p))
        return error_set(e, "plan %s: %d classes, the data has %d", p->configuration, output_groups(p),
                         d->store.groups);
    for (int i = 0; i < d->store.cases; i++) {
        const struct sample *s = &d->store.sample[i];
        if (s->channels != channels)
            return error_set(e, "case %d has %d channels, the network %d", i, s->channels, channels);
        if (segments(o) && s->label == NULL) return error_set(e, "case %d has no label map", i);
        if (!segments(o) && memcmp(s->size, o->crop, sizeof s->size) != 0)
            return error_set(e, "case %d is %dx%dx%d, not the crop size", i, s->size[0], s->size[1],
                             s->size[2]);
    }
    return 0;
}

static void room_free(struct learner *l)
{
    free(l->order.index);
    free(l->room.patches);
    free(l->room.probability);
    free(l->room.score);
    free(l->room.ranks);
    memset(&l->order, 0, sizeof l->order);
    l->room = (struct learner_room){.blocks = l->room.blocks};
}

/* Graphs that run in turn share memory: g lies in the block of one that is as large, else it gets its own. */
static int bind_graph(struct learner *l, struct graph *g, struct error *e)
{
    size_t bytes = graph_bytes(g);
    struct graph *host = graph_block(l->graph) && graph_bytes(l->graph) >= bytes ? l->graph : NULL;
    for (int b = 1; !host && b <= CLASSIFIER_BATCH; b++) {
        struct graph *other = l->classifier[b].graph;
        if (other && graph_block(other) && graph_bytes(other) >= bytes) host = other;
    }
    if (host) {
        graph_bind_to(g, graph_block(host));
        return 0;
    }
    if (graph_bind(g))
        return error_set(
            e,
            "out of memory: a training step or its validation needs %zu bytes (%.1f GiB); lower the batch or the patch",
            bytes, (double)bytes / 1073741824.0);
    l->room.blocks += bytes;
    return 0;
}

/* The network that validates n cases. */
static int reserve_classifier(struct learner *l, int n, struct error *e)
{
    int batch = n < CLASSIFIER_BATCH ? n : CLASSIFIER_BATCH;
    struct classifier *c = &l->classifier[batch];
    if (c->graph) return 0;
    if (classifier_plan(c, l->model, l->options, batch, l->pool, e)) return -1;
    if (!bind_graph(l, c->graph, e)) return 0;
    classifier_destroy(c);
    return -1;
}

int learner_create(struct learner *l, const struct train_options *o, const struct plan *p,
                   const struct learner_data *data, struct model *m, uint32_t client, struct pool *pool,
                   struct error *e)
{
    memset(l, 0, sizeof *l);
    if (learner_check(o, p, e) || check_data(o, p, data, e)) return -1;
    if (!m) return error_set(e, "out of memory for the weights of a network");
    l->options = o;
    l->plan = p;
    l->data = data;
    l->model = m;
    l->client = client;
    l->pool = pool;
    if (segments(o)) record_segmentation(l);
    else record_classification(l);
    int status = graph_plan(l->graph) ? error_set(e, "out of memory for the plan of a training step") : 0;
    if (status || bind_graph(l, l->graph, e) || learner_reserve(l, data, e)) {
        learner_destroy(l);
        return -1;
    }
    return 0;
}

int learner_reserve(struct learner *l, const struct learner_data *d, struct error *e)
{
    int n = d->store.cases;
    struct learner_room *room = &l->room;
    if (segments(l->options)) {
        struct shape s = l->image->shape;
        const int patch[3] = {s.d, s.h, s.w};
        if (room->patches) return 0;
        room->bytes = sampler_scratch(patch, s.c, l->pool);
        room->patches = malloc(room->bytes);
        return room->patches ? 0 : error_set(e, "out of memory: %zu bytes to augment a batch", room->bytes);
    }
    if (n < 1) return 0;
    if (reserve_classifier(l, n, e)) return -1;
    if (n <= room->cases) return 0;
    size_t classes = (size_t)l->options->classifier.classes,
           of_case = sizeof(int) + classes * sizeof(float) + sizeof(double);
    room_free(l);
    l->order.index = malloc((size_t)n * sizeof *l->order.index);
    room->probability = malloc((size_t)n * classes * sizeof *room->probability);
    room->score = malloc((size_t)n * sizeof *room->score);
    room->ranks = malloc(stats_auc_bytes(n));
    if (!l->order.index || !room->probability || !room->score || !room->ranks)
        return error_set(e, "out of memory for %d cases", n);
    room->cases = n;
    room->bytes = (size_t)n * of_case + stats_auc_bytes(n);
    return 0;
}

size_t learner_bytes(const struct learner *l)
{
    return l->room.blocks + l->room.bytes;
}

void learner_destroy(struct learner *l)
{
    if (l->graph) graph_destroy(l->graph);
    for (int b = 1; b <= CLASSIFIER_BATCH; b++) classifier_destroy(&l->classifier[b]);
    if (l->own) optimizer_free(l->own);
    free(l->own);
    room_free(l);
    memset(l, 0, sizeof *l);
}

/* ---- a step -------------------------------------------------------------------------------------------- */

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
    if (!segments(o)) {
        classify_batch(tensor_f32(l->image), l->covariates ? tensor_f32(l->covariates) : NULL,
                       l->label[0]->data, l->data, o, l->client, step, l->image->shape.n, &l->order, l->pool);
        return;
    }
    struct augment_options augment = augment_options_default(l->plan->patch);
    if (o->augment == 1) augment.spatial = 0;
    memcpy(augment.mask, l->plan->use_mask_for_norm, sizeof augment.mask);
    patch_batch(l, l->data, l->client, step, o->augment ? &augment : NULL);
}

double learner_backward(struct learner *l, uint64_t step)
{
    next_batch(l, step);
    graph_set_step(l->graph, l->options->seed, l->client, step);
    graph_forward(l->graph);
    graph_backward(l->graph, l->loss);
    return *tensor_f32(l->loss);
}

void learner_update(struct learner *l, float lr)
{
    ENSURE(l->optimizer, "a step without an optimiser");
    optimizer_step(l->optimizer, l->model, lr, l->pool);
    if (l->average) weight_average_add(l->average, l->model, l->pool);
}

double learner_step(struct learner *l, uint64_t step, float lr)
{
    double loss = learner_backward(l, step);
    learner_update(l, lr);
    return loss;
}

float learner_lr(const struct train_options *o, uint64_t step)
{
    double lr = o->lr > 0 ? (double)o->lr : segments(o) ? 0.01 : 1e-3;
    const struct schedule_method *s = o->schedule   ? o->schedule
                                      : segments(o) ? &schedule_by_epoch
                                                    : &schedule_one_cycle;
    return (float)s->rate(lr, step, o->epochs, o->iterations);
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

static void validate_patches(struct validation *v, struct learner *l, const struct learner_data *d,
                             int batches)
{
    const uint32_t validation_client = UINT32_MAX; /* its patches are drawn by a key that no training uses */
    struct overlap_counts n = {0};
    int classes = l->plan->classes, first = output_first(l->plan), defined = 0;
    for (int b = 0; b < batches; b++) {
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
}

/* Cross-entropy, and AUC or accuracy, of all cases from their probabilities. */
static void summarise_classes(struct validation *v, const struct learner_room *room,
                              const struct learner_data *d, int classes)
{
    const float *probability = room->probability;
    double *score = room->score;
    int n = d->store.cases, right = 0;
    for (int i = 0; i < n; i++) {
        const float *p = probability + (size_t)i * (size_t)classes;
        int best = 0;
        for (int c = 1; c < classes; c++)
            if (p[c] > p[best]) best = c;
        right += best == d->target[i];
        score[i] = p[1];
        double of_truth = p[d->target[i]] > 1e-30f ? p[d->target[i]] : 1e-30;
        v->loss -= vmath_log_d(of_truth) / n;
    }
    v->metric = classes == 2 ? stats_auc_in(room->ranks, d->target, score, n) : (double)right / n;
}

int learner_validate(struct validation *v, struct learner *l, const struct learner_data *d, int batches,
                     struct error *e)
{
    memset(v, 0, sizeof *v);
    if (check_data(l->options, l->plan, d, e) || learner_reserve(l, d, e))
        return error_prefix(e, "validation");
    if (segments(l->options)) {
        ENSURE(batches > 0, "validation of %d batches", batches);
        validate_patches(v, l, d, batches);
        return 0;
    }
    int n = d->store.cases, batch = n < CLASSIFIER_BATCH ? n : CLASSIFIER_BATCH;
    classifier_run(l->room.probability, &l->classifier[batch], d);
    summarise_classes(v, &l->room, d, l->options->classifier.classes);
    return 0;
}
