#include "fl/federate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fl/fedavg.h"
#include "fl/history.h"
#include "io/base/file.h"
#include "nn/train/checkpoint.h"
#include "nn/folder/run.h"
#include "tensor/base/check.h"

/* A site between rounds: its optimiser and the weights it sent. */
struct client_state {
    struct optimizer optimizer;
    float *weights;
    double loss, seconds;
};

struct federation {
    const struct federate_options *o;
    const struct federate_events *events;
    struct model *global;
    struct learner *worker;        /* [workers]: a graph with a model of its own */
    int workers;
    struct client_state *client;   /* [o->clients] */
    struct history history;
    int round;                     /* the one being run, from 0 */
    double best_metric, ema;       /* nnU-Net's moving average 0.9/0.1 of the validation metric */
    int best_round;
};

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- data of the clients ------------------------------------------------------------------------------------------- */

void learner_view(struct learner_data *view, const struct learner_data *all, const int *group, int which)
{
    int n = 0;
    memset(view, 0, sizeof *view);
    for (int i = 0; i < all->store.cases; i++) n += group[i] == which;
    struct case_store *s = &view->store;
    s->groups = all->store.groups;
    s->sample = calloc((size_t)n + 1, sizeof *s->sample);
    s->index = calloc((size_t)n + 1, sizeof *s->index);
    s->location = calloc((size_t)n + 1, sizeof *s->location);
    s->location_count = calloc((size_t)n + 1, sizeof *s->location_count);
    view->target = all->target ? calloc((size_t)n + 1, sizeof *view->target) : NULL;
    ENSURE(s->sample && s->index && s->location && s->location_count, "out of memory for a view of %d cases", n);
    for (int i = 0; i < all->store.cases; i++) {
        if (group[i] != which) continue;
        s->sample[s->cases] = all->store.sample[i];
        s->index[s->cases] = all->store.index[i];
        if (all->store.location) s->location[s->cases] = all->store.location[i];
        if (all->store.location_count) s->location_count[s->cases] = all->store.location_count[i];
        if (view->target) view->target[s->cases] = all->target[i];
        s->cases++;
    }
}

void learner_view_free(struct learner_data *view)
{
    free(view->store.sample);
    free(view->store.index);
    free(view->store.location);
    free(view->store.location_count);
    free(view->target);
    memset(view, 0, sizeof *view);
}

/* ---- one round ------------------------------------------------------------------------------------------------------- */

/* Client k trains on a worker: takes the global weights, its own optimiser and data, and leaves its weights. */
static void train_client(struct federation *f, int k, struct learner *w, int reports)
{
    const struct federate_options *o = f->o;
    struct client_state *c = &f->client[k];
    double start = now_seconds(), sum = 0;
    int iterations = o->train.iterations;
    memcpy(w->model->data, f->global->data, f->global->count * sizeof(float));
    learner_switch(w, &o->client[k].data, (uint32_t)k);
    w->optimizer = c->optimizer;
    for (int i = 0; i < iterations; i++) {
        uint64_t step = (uint64_t)f->round * (uint64_t)iterations + (uint64_t)i;
        double loss = learner_step(w, step, learner_lr(&o->train, step));
        sum += loss;
        if (reports && f->events && f->events->step_done) {
            double of = (double)o->train.epochs * iterations * o->clients;
            double done = ((double)f->round * o->clients + k) * iterations + i + 1;
            f->events->step_done(f->events->arg, done, of, loss);
        }
    }
    c->optimizer = w->optimizer;
    memcpy(c->weights, w->model->data, f->global->count * sizeof(float));
    c->loss = sum / iterations;
    c->seconds = now_seconds() - start;
}

static void train_clients_of_worker(void *arg, int job, int thread)
{
    struct federation *f = arg;
    (void)thread;
    for (int k = job; k < f->o->clients; k += f->workers) train_client(f, k, &f->worker[job], job == 0);
}

static void train_round(struct federation *f)
{
    const struct federate_options *o = f->o;
    if (f->workers > 1) pool_run(o->pool, f->workers, train_clients_of_worker, f);
    else train_clients_of_worker(f, 0, 0);

    const float *weights[CLIENTS_MAX];
    double examples[CLIENTS_MAX];
    for (int k = 0; k < o->clients; k++) {
        weights[k] = f->client[k].weights;
        examples[k] = o->client[k].data.store.cases;
    }
    fedavg_aggregate(f->global->data, weights, examples, o->clients, f->global->count, o->pool);
}

/* ---- validation and records -------------------------------------------------------------------------------------- */

static int has_validation(const struct federate_options *o)
{
    return o->validation && o->validation->store.cases > 0 && o->validation_batches > 0;
}

static int validate_global(struct federation *f, struct validation *v, const struct learner_data *d, int batches,
                           struct error *e)
{
    struct learner *w = &f->worker[0];
    memcpy(w->model->data, f->global->data, f->global->count * sizeof(float));
    return learner_validate(v, w, d, batches, e);
}

static int record_round(struct federation *f, double seconds, struct error *e)
{
    const struct federate_options *o = f->o;
    double examples = 0, loss = 0, exchanged = 2.0 * (double)f->global->count * sizeof(float);
    float lr = learner_lr(&o->train, (uint64_t)f->round * (uint64_t)o->train.iterations);
    for (int k = 0; k < o->clients; k++) {
        const struct federate_client *c = &o->client[k];
        struct round_record r = {f->round, k, c->data.store.cases, f->client[k].loss, NAN, NAN, lr,
                                 f->client[k].seconds, exchanged, 0};
        if (o->clients > 1 && has_validation(o) && c->validation.store.cases > 0) {
            struct validation v;
            int batches = (o->validation_batches + o->clients - 1) / o->clients;
            if (validate_global(f, &v, &c->validation, batches, e)) return -1;
            r.metric = v.metric;
            r.validation_loss = v.loss;
        }
        if (o->clients > 1) history_add(&f->history, &r);
        examples += r.examples;
        loss += r.examples * r.loss;
    }
    struct round_record g = {f->round, -1, examples, loss / examples, NAN, NAN, lr, seconds,
                             o->clients > 1 ? exchanged * o->clients : 0, model_hash(f->global)};
    if (has_validation(o)) {
        struct validation v;
        if (validate_global(f, &v, o->validation, o->validation_batches, e)) return -1;
        g.metric = v.metric;
        g.validation_loss = v.loss;
    }
    history_add(&f->history, &g);
    if (isfinite(g.metric)) {
        f->ema = isnan(f->ema) ? g.metric : 0.9 * f->ema + 0.1 * g.metric;
        if (!(f->ema <= f->best_metric)) {
            f->best_metric = f->ema;
            f->best_round = f->round;
        }
    }
    return 0;
}

/* ---- checkpoints -------------------------------------------------------------------------------------------------- */

static struct json *describe_state(const struct federation *f)
{
    struct json *j = json_object();
    json_add_int(j, "rounds_done", f->round + 1);
    json_add_int(j, "clients", f->o->clients);
    json_add_number(j, "ema", f->ema);
    json_add_number(j, "best_metric", f->best_metric);
    json_add_int(j, "best_round", f->best_round);
    json_add(j, "options", train_options_json(&f->o->train));
    json_add(j, "history", history_json(&f->history));
    return j;
}

static int write_checkpoint(const struct federation *f, const char *name, int with_optimizers, struct error *e)
{
    char path[1200];
    if (file_join(path, sizeof path, f->o->folder, name, e)) return -1;
    struct json *state = describe_state(f);
    struct optimizer optimizers[CLIENTS_MAX];
    for (int k = 0; k < f->o->clients; k++) optimizers[k] = f->client[k].optimizer;
    int status = checkpoint_write(path, f->global, optimizers, with_optimizers ? f->o->clients : 0, state, e);
    json_free(state);
    return status;
}

/* Whether `done` rounds are all: of the schedule, or patience has run out. */
static int is_over(const struct federation *f, int done)
{
    const struct federate_options *o = f->o;
    return done >= o->train.epochs || (o->patience > 0 && done - 1 - f->best_round >= o->patience);
}

static int write_round(const struct federation *f, struct error *e)
{
    const struct federate_options *o = f->o;
    int last = is_over(f, f->round + 1);
    if (!o->folder) return 0;
    if (history_write_progress(&f->history, o->folder, o->train.task, e)) return -1;
    if (o->write_rounds && history_write_rounds(&f->history, o->folder, o->client, e)) return -1;
    if (f->best_round == f->round && write_checkpoint(f, "checkpoint_best.safetensors", 0, e)) return -1;
    if ((last || (f->round + 1) % o->checkpoint_every == 0) && write_checkpoint(f, "checkpoint_latest.safetensors", 1, e))
        return -1;
    if (last) return write_checkpoint(f, "checkpoint_final.safetensors", 0, e);
    return 0;
}

/* Reads checkpoint_latest if there is one. f->round becomes the first round that is left. */
static int resume(struct federation *f, struct error *e)
{
    const struct federate_options *o = f->o;
    char path[1200];
    struct json *state = NULL;
    if (file_join(path, sizeof path, o->folder, "checkpoint_latest.safetensors", e)) return -1;
    if (!file_exists(path)) return 0;
    if (checkpoint_state(path, &state, e)) return -1;
    struct json *mine = train_options_json(&o->train);
    char *ours = json_format(mine, 0), *theirs = json_get(state, "options") ? json_format(json_get(state, "options"), 0) : NULL;
    int same = theirs && strcmp(ours, theirs) == 0, clients = (int)json_integer(state, "clients", -1), status = 0;
    if (!same) status = error_set(e, "%s: was trained with other options: %.400s, asked for %.400s", path, theirs ? theirs : "none", ours);
    else if (clients != o->clients) status = error_set(e, "%s: has %d clients, asked for %d", path, clients, o->clients);
    free(ours);
    free(theirs);
    json_free(mine);
    struct optimizer optimizers[CLIENTS_MAX];
    for (int k = 0; k < o->clients; k++) optimizers[k] = f->client[k].optimizer;
    if (!status) status = checkpoint_read(path, f->global, optimizers, o->clients, NULL, e);
    for (int k = 0; k < o->clients; k++) f->client[k].optimizer = optimizers[k];
    if (!status) status = history_from_json(&f->history, json_get(state, "history"), path, e);
    f->round = (int)json_integer(state, "rounds_done", 0);
    f->ema = json_number(state, "ema", NAN);
    f->best_metric = json_number(state, "best_metric", -INFINITY);
    f->best_round = (int)json_integer(state, "best_round", -1);
    json_free(state);
    return status;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

/* Side by side, clients leave threads idle where their number does not divide; layers lose about a tenth to waiting. */
static int choose_workers(const struct federate_options *o)
{
    int threads = pool_threads(o->pool), together = o->clients < threads ? o->clients : threads;
    if (o->parallel == PARALLEL_LAYERS || together < 2) return 1;
    if (o->parallel == PARALLEL_CLIENTS) return together;
    int turns = (o->clients + together - 1) / together;
    double used = (double)o->clients / ((double)turns * threads);
    return used > 0.9 ? together : 1;
}

size_t federate_bytes(const struct federate_options *o, size_t step_bytes, size_t parameters, int workers)
{
    int moments = o->train.optimizer == OPTIM_ADAMW ? 2 : 1;
    size_t vector = parameters * sizeof(float);
    return (size_t)workers * (step_bytes + 2 * vector) + 2 * vector + (size_t)o->clients * (size_t)(moments + 1) * vector;
}

static void federation_free(struct federation *f)
{
    for (int w = 0; f->worker && w < f->workers; w++) {
        struct model *m = f->worker[w].model;
        memset(&f->worker[w].optimizer, 0, sizeof f->worker[w].optimizer); /* the clients own the optimisers */
        if (f->worker[w].graph) learner_destroy(&f->worker[w]);
        if (m) model_destroy(m);
    }
    for (int k = 0; f->client && k < f->o->clients; k++) {
        optimizer_free(&f->client[k].optimizer);
        free(f->client[k].weights);
    }
    free(f->worker);
    free(f->client);
}

static int federation_create(struct federation *f, const struct model *initial, struct error *e)
{
    const struct federate_options *o = f->o;
    f->global = learner_model(&o->train, o->plan);
    if (initial) {
        ENSURE(initial->count == f->global->count, "initial weights %zu, model %zu", initial->count, f->global->count);
        memcpy(f->global->data, initial->data, initial->count * sizeof(float));
    }
    f->workers = choose_workers(o);
    f->worker = calloc((size_t)f->workers, sizeof *f->worker);
    f->client = calloc((size_t)o->clients, sizeof *f->client);
    if (!f->worker || !f->client) return error_set(e, "out of memory for %d clients", o->clients);
    for (int w = 0; w < f->workers; w++) {
        struct model *m = model_clone(f->global);
        int status = learner_create(&f->worker[w], &o->train, o->plan, &o->client[0].data, m, 0,
                                    f->workers > 1 ? NULL : o->pool, e);
        f->worker[w].model = m;
        if (status) return -1;
        optimizer_free(&f->worker[w].optimizer); /* the clients' optimisers take turns in it */
    }
    for (int k = 0; k < o->clients; k++) {
        f->client[k].optimizer = learner_optimizer(&o->train, f->global);
        f->client[k].weights = malloc(f->global->count * sizeof(float));
        if (!f->client[k].weights) return error_set(e, "out of memory for client %s", o->client[k].name);
    }
    return 0;
}

static int run_rounds(struct federation *f, struct error *e)
{
    const struct federate_options *o = f->o;
    if (o->resume && o->folder && resume(f, e)) return -1;
    for (; !is_over(f, f->round); f->round++) {
        double start = now_seconds();
        train_round(f);
        if (record_round(f, now_seconds() - start, e) || write_round(f, e)) return -1;
        const struct round_record *last = &f->history.record[f->history.count - 1];
        if (!isfinite(last->loss)) return error_set(e, "the loss became %g in round %d: lower the learning rate", last->loss, f->round);
        if (f->events && f->events->round_done) f->events->round_done(f->events->arg, last, o->train.epochs);
    }
    return 0;
}

int federate_run(struct federate_result *r, const struct federate_options *o, const struct model *initial,
                 const struct federate_events *events, struct error *e)
{
    struct federation f = {.o = o, .events = events, .best_metric = -INFINITY, .ema = NAN, .best_round = -1};
    double start = now_seconds();
    memset(r, 0, sizeof *r);
    ENSURE(o->clients > 0 && o->clients <= CLIENTS_MAX && o->checkpoint_every > 0, "%d clients, checkpoint every %d", o->clients, o->checkpoint_every);
    for (int k = 0; k < o->clients; k++)
        if (o->client[k].data.store.cases == 0) return error_set(e, "site %s has no training case", o->client[k].name);
    int status = federation_create(&f, initial, e);
    if (!status && events && events->planned)
        events->planned(events->arg, graph_bytes(f.worker[0].graph), graph_flops(f.worker[0].graph), f.global->count, f.workers);
    if (!status) status = run_rounds(&f, e);
    if (!status) {
        r->step_bytes = graph_bytes(f.worker[0].graph);
        r->workers = f.workers;
        r->best_metric = f.best_metric;
        r->best_round = f.best_round;
        r->rounds = f.round;
        r->record = f.history.record;
        r->records = f.history.count;
        r->model = f.global;
        r->seconds = now_seconds() - start;
    } else {
        free(f.history.record);
        if (f.global) model_destroy(f.global);
    }
    federation_free(&f);
    return status;
}

void federate_result_free(struct federate_result *r)
{
    if (r->model) model_destroy(r->model);
    free(r->record);
    memset(r, 0, sizeof *r);
}
