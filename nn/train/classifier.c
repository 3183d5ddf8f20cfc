/* classifier.c - a classification network recorded for inference, and its pass over cases. */
#include "nn/train/classifier.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/ops/ops.h"

struct tensor *classifier_record(struct graph *g, const struct train_options *o, int batch,
                                 struct tensor **image, struct tensor **covariates)
{
    const int *s = o->crop, values = o->classifier.covariates;
    *image = graph_input(g, "image", SHAPE(batch, s[0], s[1], s[2], o->classifier.channels), DT_F32, 0);
    *covariates = values ? graph_input(g, "covariates", SHAPE(batch, 1, 1, 1, values), DT_F32, 0) : NULL;
    return network_classify(g, &o->classifier, *image, *covariates);
}

int classifier_check(const struct train_options *o, const struct learner_data *d, struct error *e)
{
    char names[COVARIATE_LIST];
    if (o->classifier.covariates == d->covariates) return 0;
    covariates_list(names, &o->covariates);
    return error_set(e, "the network takes %d covariates beside the image (%s), and is given %d",
                     o->classifier.covariates, names, d->covariates);
}

int classifier_plan(struct classifier *c, struct model *m, const struct train_options *o, int batch,
                    struct pool *pool, struct error *e)
{
    *c = (struct classifier){.batch = batch, .classes = o->classifier.classes};
    struct graph *g = c->graph = graph_create(m, pool, o->bf16 ? GRAPH_BF16 : 0);
    c->softmax = op_softmax(g, classifier_record(g, o, batch, &c->image, &c->covariates));
    graph_keep(g, c->softmax);
    if (!graph_plan(g)) return 0;
    classifier_destroy(c);
    return error_set(e, "out of memory for the plan of a classification");
}

void classifier_destroy(struct classifier *c)
{
    if (c->graph) graph_destroy(c->graph);
    memset(c, 0, sizeof *c);
}

int classifier_run(float *probability, const struct classifier *c, const struct learner_data *d,
                   int (*stop)(void *), void *arg)
{
    int n = d->store.cases;
    size_t classes = (size_t)c->classes, values = shape_count(c->image->shape) / (size_t)c->batch;
    float *image = tensor_f32(c->image);
    float *covariates = c->covariates ? tensor_f32(c->covariates) : NULL;
    const size_t numbers = (size_t)d->covariates;
    memset(image, 0, values * (size_t)c->batch * sizeof *image);
    if (covariates) memset(covariates, 0, numbers * (size_t)c->batch * sizeof *covariates);
    for (int first = 0; first < n; first += c->batch) {
        int count = n - first < c->batch ? n - first : c->batch; /* after them old cases stay, unread */
        if (stop && stop(arg)) return 1;
        for (int j = 0; j < count; j++)
            memcpy(image + (size_t)j * values, d->store.prepared[first + j].image, values * sizeof *image);
        if (covariates)
            memcpy(covariates, d->covariate + (size_t)first * numbers,
                   (size_t)count * numbers * sizeof *covariates);
        graph_forward(c->graph);
        memcpy(probability + (size_t)first * classes, c->softmax->data,
               (size_t)count * classes * sizeof *probability);
    }
    return 0;
}

int learner_classify(float *probability, struct model *m, const struct train_options *o,
                     const struct learner_data *d, struct pool *pool, int (*stop)(void *), void *arg,
                     struct error *e)
{
    int n = d->store.cases;
    struct classifier c;
    if (n < 1) return error_set(e, "there are no cases to classify");
    if (classifier_check(o, d, e)) return -1;
    if (classifier_plan(&c, m, o, n < CLASSIFIER_BATCH ? n : CLASSIFIER_BATCH, pool, e)) return -1;
    const double voxels = (double)c.batch * o->crop[0] * o->crop[1] * o->crop[2];
    int status = network_bind(c.graph, "classification of crops of that size", voxels, e);
    if (!status) status = classifier_run(probability, &c, d, stop, arg);
    classifier_destroy(&c);
    const size_t classes = (size_t)o->classifier.classes;
    for (size_t i = 0; !status && i < (size_t)n * classes; i++)
        if (!isfinite(probability[i]))
            status = error_set(e,
                               "the network's output of case %zu of %d is not finite: its weights or this "
                               "case's values are too large",
                               i / classes + 1, n);
    return status;
}

int learner_classify_mean(float *probability, struct model *const *model, int models,
                          const struct train_options *o, const struct learner_data *d, struct pool *pool,
                          int (*stop)(void *), void *arg, struct error *e)
{
    const size_t n = (size_t)d->store.cases * (size_t)o->classifier.classes;
    double *sum = calloc(n + 1, sizeof *sum);
    int status = sum ? 0 : error_set(e, "out of memory for %d predictions", d->store.cases);
    for (int k = 0; !status && k < models; k++) {
        status = learner_classify(probability, model[k], o, d, pool, stop, arg, e);
        for (size_t i = 0; !status && i < n; i++) sum[i] += (double)probability[i];
    }
    for (size_t i = 0; !status && i < n; i++) probability[i] = (float)(sum[i] / models);
    free(sum);
    return status;
}
