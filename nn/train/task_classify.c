/* task_classify.c - classification: whole cases, a network built from options, AUC or accuracy. The cases
 * themselves are classify.c's. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/stats/stats_auc.h"
#include "nn/train/classifier.h"
#include "nn/train/classify.h"
#include "nn/train/learner_room.h"
#include "nn/optimize/schedule.h"
#include "tensor/base/check.h"
#include "tensor/base/vmath.h"

static const char *metric(const struct train_options *o)
{
    return o->classifier.classes == 2 ? "AUC" : "accuracy";
}

static void defaults(struct train_options *o)
{
    o->lr = 1e-3f;
    o->schedule = &cosine_schedule;
    o->optimizer = &optimizer_adamw;
    o->weight_decay = 1e-2f;
    o->batch = 32;
    o->classifier = (struct classifier_options){
        .depth = 18, .channels = 1, .classes = 2, .base = 64, .network = network_default(1)};
    for (int i = 0; i < 3; i++) o->crop[i] = 28;
}

static int batch(const struct plan *p)
{
    (void)p;
    return 32;
}

static int check(const struct train_options *o, const struct plan *p, struct error *e)
{
    (void)p;
    for (int a = 0; a < 3; a++)
        if (o->crop[a] < 1 || o->crop[a] > CROP_MAX)
            return error_set(e, "crop[%d] is %d, not 1 to %d", a, o->crop[a], CROP_MAX);
    if (o->loss)
        return error_set(e, "loss is '%s', which is of segmentation: classification has cross-entropy",
                         o->loss->name);
    ENSURE(o->classifier.covariates == o->covariates.count, "a network of %d covariates, %d named",
           o->classifier.covariates, o->covariates.count);
    return network_classifier_check(&o->classifier, o->crop, learner_batch(o, NULL), e);
}

static int check_data(const struct train_options *o, const struct plan *p, const struct learner_data *d,
                      struct error *e)
{
    (void)p;
    if (classifier_check(o, d, e)) return -1;
    for (int i = 0; i < d->store.cases; i++) {
        const struct prepared *s = &d->store.prepared[i];
        if (s->channels != o->classifier.channels)
            return error_set(e, "case %d has %d channels, the network %d", i, s->channels,
                             o->classifier.channels);
        if (memcmp(s->size, o->crop, sizeof s->size) != 0)
            return error_set(e, "case %d is %dx%dx%d, not the crop size", i, s->size[0], s->size[1],
                             s->size[2]);
    }
    return 0;
}

/* The covariates' mean and variance are weights that are not trained. */
static void set_covariates(struct model *m, const struct covariates *c, int classes)
{
    const struct param *mean = model_find(m, "covariates.running_mean"),
                       *variance = model_find(m, "covariates.running_var"),
                       *weight = model_find(m, "fc_covariates.weight");
    for (int k = 0; mean && variance && k < c->count; k++) {
        m->data[mean->offset + (size_t)k] = (float)c->mean[k];
        m->data[variance->offset + (size_t)k] = (float)c->variance[k];
    }
    for (int i = 0; weight && i < classes && i < COVARIATE_CLASSES; i++)
        memcpy(m->data + weight->offset + (size_t)i * (size_t)c->count, c->start[i],
               (size_t)c->count * sizeof *m->data);
}

static int model(struct model *m, const struct train_options *o, const struct plan *p)
{
    (void)p;
    struct graph *g = graph_create(m, NULL, GRAPH_TRAIN);
    struct tensor *image, *covariates;
    classifier_record(g, o, 2, &image, &covariates);
    int status = model_finish(m);
    graph_destroy(g);
    return status;
}

static void weights(struct model *m, const struct train_options *o, const struct plan *p, struct pool *pool)
{
    (void)p;
    o->classifier.network->init(m, o->seed, pool);
    set_covariates(m, &o->covariates, o->classifier.classes);
}

static struct tensor *infer(struct graph *g, const struct train_options *o, const struct plan *p, int batch,
                            struct tensor **image)
{
    (void)p;
    struct tensor *covariates;
    return classifier_record(g, o, batch, image, &covariates);
}

/* ---- a learner ----------------------------------------------------------------------------------------- */

static void record(struct learner *l)
{
    const struct train_options *o = l->options;
    int batch = learner_batch(o, NULL);
    float weight[CLASSES_MAX];
    if (o->class_weighting) classify_weights(weight, o->classifier.classes, l->data);
    struct graph *g = l->graph = graph_create(l->model, l->pool, GRAPH_TRAIN | learner_precision(o));
    l->label[0] = graph_input(g, "label", SHAPE(batch, 1, 1, 1, 1), DT_U8, 0);
    l->heads = 1;
    l->output = classifier_record(g, o, batch, &l->image, &l->covariates);
    l->loss = op_cross_entropy(g, l->output, l->label[0], o->class_weighting ? weight : NULL);
    graph_keep(g, l->loss);
}

/* Each client has class weights of its own. */
static void adopt(struct learner *l)
{
    if (!l->options->class_weighting) return;
    float weight[CLASSES_MAX];
    classify_weights(weight, l->options->classifier.classes, l->data);
    op_cross_entropy_weights(l->loss, weight);
}

/* The network that validates n cases. */
static int reserve_network(struct learner *l, int n, struct error *e)
{
    int batch = n < CLASSIFIER_BATCH ? n : CLASSIFIER_BATCH;
    struct classifier *c = &l->classifier[batch];
    if (c->graph) return 0;
    if (classifier_plan(c, l->model, l->options, batch, l->pool, e)) return -1;
    if (!learner_bind(l, c->graph, e)) return 0;
    classifier_destroy(c);
    return -1;
}

static int reserve(struct learner *l, const struct learner_data *d, struct error *e)
{
    int n = d->store.cases;
    struct learner_room *room = &l->room;
    if (n < 1) return 0;
    if (reserve_network(l, n, e)) return -1;
    if (n <= room->cases) return 0;
    size_t classes = (size_t)l->options->classifier.classes,
           of_case = sizeof(int) + classes * sizeof(float) + sizeof(double);
    learner_room_free(l);
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

static void next_batch(struct learner *l, uint64_t step)
{
    classify_batch(tensor_f32(l->image), l->covariates ? tensor_f32(l->covariates) : NULL,
                   l->label[0]->data, l->data, l->options, l->client, step, l->image->shape.n, &l->order,
                   l->pool);
}

static void one_case(struct learner *l, uint64_t step, int i)
{
    classify_case(tensor_f32(l->image), l->covariates ? tensor_f32(l->covariates) : NULL, l->label[0]->data,
                  l->data, l->options, l->client, step, i);
}

/* ---- validation ---------------------------------------------------------------------------------------- */

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
        const double of_truth = p[d->target[i]] < 1e-30f ? 1e-30 : p[d->target[i]]; /* NaN stays NaN */
        v->loss -= vmath_log_d(of_truth) / n;
    }
    if (isnan(v->loss)) v->metric = NAN;
    else v->metric = classes == 2 ? stats_auc_in(room->ranks, d->target, score, n) : (double)right / n;
}

static int validate(struct validation *v, struct learner *l, const struct learner_data *d, int batches)
{
    int n = d->store.cases, batch = n < CLASSIFIER_BATCH ? n : CLASSIFIER_BATCH;
    (void)batches; /* all cases, each time */
    if (classifier_run(l->room.probability, &l->classifier[batch], d, l->stop, l->stop_arg)) return 1;
    summarise_classes(v, &l->room, d, l->options->classifier.classes);
    return 0;
}

static int load(struct learner_data *d, const struct dataset *set, const struct train_options *o,
                const struct plan *p, const int *role, int which, const struct reading *how,
                struct error *e)
{
    (void)p;
    return classify_load(d, set, o, role, which, how, e);
}

const struct learning_task task_classify = {
    .name = "classify",
    .title = "classification",
    .metric = metric,
    .defaults = defaults,
    .batch = batch,
    .check = check,
    .check_data = check_data,
    .model = model,
    .weights = weights,
    .infer = infer,
    .record = record,
    .adopt = adopt,
    .reserve = reserve,
    .next_batch = next_batch,
    .one_case = one_case,
    .validate = validate,
    .load = load,
};
