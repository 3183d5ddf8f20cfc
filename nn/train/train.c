/* train.c - what a learner does in one step; what of that is its task's, the descriptor does (task.h).
 *
 * The book: docs/book/08_deterministic_step.md */
#include "nn/train/learner_data.h"
#include "nn/train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/train/classifier.h"
#include "nn/train/learner_room.h"
#include "nn/optimize/schedule.h"
#include "tensor/base/check.h"

int learner_precision(const struct train_options *o)
{
    return o->bf16 ? GRAPH_BF16 : 0;
}

int learner_batch(const struct train_options *o, const struct plan *p)
{
    return o->batch > 0 ? o->batch : o->task->batch(p);
}

void learner_mirrors(int mirror[3], const struct train_options *o, const struct plan *p)
{
    for (int a = 0; a < 3; a++) mirror[a] = o->augment > 0 && (!p || p->dims == 3 || a > 0);
}

int learner_check(const struct train_options *o, const struct plan *p, struct error *e)
{
    if (o->batch < 0 || o->batch > RNG_STREAMS)
        return error_set(e, "batch is %d, not 0 to %d", o->batch, RNG_STREAMS);
    if (!(o->ema >= 0 && o->ema < 1))
        return error_set(e, "ema is %g, not above 0 and below 1 (0: no average)", o->ema);
    if (o->epochs < 1 || o->iterations < 1)
        return error_set(e, "%d epochs of %d iterations: both must be at least 1", o->epochs, o->iterations);
    return o->task->check(o, p, e);
}

/* ---- model --------------------------------------------------------------------------------------------- */

struct model *learner_layout(const struct train_options *o, const struct plan *p)
{
    struct model *m = model_create();
    if (o->task->model(m, o, p) == 0) return m;
    model_destroy(m);
    return NULL;
}

struct model *learner_model(const struct train_options *o, const struct plan *p)
{
    struct model *m = learner_layout(o, p);
    if (m) o->task->weights(m, o, p, NULL);
    return m;
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

void learner_switch(struct learner *l, const struct learner_data *data, uint32_t client)
{
    l->data = data;
    l->client = client;
    if (l->options->task->adopt) l->options->task->adopt(l);
}

void learner_room_free(struct learner *l)
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
int learner_bind(struct learner *l, struct graph *g, struct error *e)
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
    const int *size = l->plan ? l->plan->patch : l->options->crop;
    const int batch = l->options->batch || !l->plan ? l->options->batch : l->plan->batch;
    const double voxels = (double)batch * size[0] * size[1] * size[2];
    if (network_bind(g, l->plan ? "a step of that --patch and --batch" : "a step of that --crop and --batch",
                     voxels, e))
        return -1;
    l->room.blocks += bytes;
    return 0;
}

/* Data against network: a plan may come from another dataset than the cases. */
static int check_data(const struct train_options *o, const struct plan *p, const struct learner_data *d,
                      struct error *e)
{
    if (d->store.cases < 1) return error_set(e, "there are no cases to train on");
    return o->task->check_data(o, p, d, e);
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
    o->task->record(l);
    int status = graph_plan(l->graph) ? error_set(e, "out of memory for the plan of a training step") : 0;
    if (status || learner_bind(l, l->graph, e) || learner_reserve(l, data, e)) {
        learner_destroy(l);
        return -1;
    }
    return 0;
}

int learner_reserve(struct learner *l, const struct learner_data *d, struct error *e)
{
    return l->options->task->reserve(l, d, e);
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
    learner_room_free(l);
    memset(l, 0, sizeof *l);
}

/* ---- a step -------------------------------------------------------------------------------------------- */

double learner_backward(struct learner *l, uint64_t step)
{
    l->options->task->next_batch(l, step);
    graph_set_step(l->graph, l->options->seed, l->client, step);
    graph_forward(l->graph);
    graph_backward(l->graph, l->loss);
    return *tensor_f32(l->loss);
}

double learner_backward_case(struct learner *l, int i, uint64_t step)
{
    ENSURE(l->options->task->one_case && l->image->shape.n == 1, "the gradient of one case of a batch of %d",
           l->image->shape.n);
    model_zero_grad(l->model, l->pool);
    l->options->task->one_case(l, step, i);
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
    struct train_options standard = {.task = o->task};
    if (!(o->lr > 0) || !o->schedule) o->task->defaults(&standard);
    const struct schedule_method *s = o->schedule ? o->schedule : standard.schedule;
    return (float)s->rate(o->lr > 0 ? (double)o->lr : (double)standard.lr, step, o->epochs, o->iterations);
}

/* ---- validation ---------------------------------------------------------------------------------------- */

int learner_validate(struct validation *v, struct learner *l, const struct learner_data *d, int batches,
                     struct error *e)
{
    memset(v, 0, sizeof *v);
    if (d->store.cases < 1) return error_set(e, "validation: there are no cases to validate on");
    if (check_data(l->options, l->plan, d, e) || learner_reserve(l, d, e))
        return error_prefix(e, "validation");
    return l->options->task->validate(v, l, d, batches);
}
