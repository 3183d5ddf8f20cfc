/* federate.c - the loop of a federated run (training alone is one of a single site): rounds, workers,
 * records. Its files are run_files.c's.
 * The book: docs/book/14_federated_averaging.md */
#include "fl/run_files.h"
#include "fl/federate.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/round/private.h"
#include "fl/simulation.h"
#include "io/base/lock.h"
#include "tensor/base/check.h"
#include "tensor/base/clock.h"

/* ---- one round ----------------------------------------------------------------------------------------- */

struct round_work {
    struct simulation *s;
    pthread_mutex_t lock;
};

struct step_report {
    struct simulation *s;
    int reports;
};

/* For the progress bar; a site whose iterations follow from its cases counts as one of train.iterations. */
static double round_steps(const struct simulation *s)
{
    return (double)agreement_drawn(&s->f) * s->f.train.iterations;
}

static void on_step(void *arg, int done, int of, double loss)
{
    struct step_report *r = arg;
    struct simulation *s = r->s;
    if (!r->reports || !s->events || !s->events->step_done) return;
    s->events->step_done(s->events->arg, s->done_steps + (double)done * s->f.train.iterations / of,
                         s->f.train.epochs * round_steps(s), loss);
}

static int on_stop(void *arg)
{
    return simulation_stops(((struct step_report *)arg)->s);
}

/* Trains client k unless its update of the round lies on disk already. Returns CLIENT_STOPPED, 2 where it
 * failed by itself, -1 where the machine did. */
static int train_client(struct simulation *s, int k, struct worker *w, int reports)
{
    const struct federate_client *c = &s->o->client[k];
    struct site_result *r = &s->result[k];
    struct step_report report = {s, reports};
    struct client_events events = {on_step, on_stop, &report};
    struct error failure = {""};
    int there = site_store_load(&s->store, k, s->task.round, &w->state, &w->update, &w->error);
    if (there > 0 && strcmp(w->update.base, s->task.base) != 0) { /* the rounds before were repeated */
        site_store_forget(&s->store, k);
        there = site_store_load(&s->store, k, s->task.round, &w->state, &w->update, &w->error);
    }
    if (there < 0) return -1;
    if (!there) {
        int status =
            client_update(&w->update, &w->state, &w->learner, &c->data, &s->task, &s->f, &events, &failure);
        if (status > 0) return status;
        if (status) {
            snprintf(r->failure, sizeof r->failure, "%.500s", failure.text);
            return 2;
        }
        int batches = s->o->clients > 1 ? simulation_site_batches(s->o) : 0;
        if (client_validate(&w->update, 1, w->update.values, &w->learner, &c->validation, batches, &w->error))
            return -1;
        if (client_pack(&w->update, &w->state, &s->task, &s->f, s->global, &failure)) {
            snprintf(r->failure, sizeof r->failure, "%.500s", failure.text);
            return 2;
        }
        if (site_store_save(&s->store, k, &w->state, &w->update, &w->error)) return -1;
    }
    r->loss = w->update.loss;
    r->seconds = there ? 0 : w->update.seconds;
    r->metric_local = w->update.metric_after;
    return 0;
}

/* A hidden update is in the masked sum and noted, or neither. */
static int take_update(struct simulation *s, const struct update *u, struct error *e)
{
    if (!s->f.secure_range) return server_add(&s->server, u, e);
    if (server_note(&s->server, u, e)) return -1;
    if (secure_session_take(&s->secure, u, e) == 0) return 0;
    server_unnote(&s->server);
    return -1;
}

/* An update that is not taken in: its site goes on from the state before it. */
static void leave_out(struct simulation *s, int k, const char *why)
{
    snprintf(s->result[k].failure, sizeof s->result[k].failure, "%.500s", why);
    s->result[k].left_out = 1;
    if (agreement_pairs(&s->f)) site_store_forget(&s->store, k);
}

static void add_update(struct round_work *work, int k, const struct worker *w)
{
    struct simulation *s = work->s;
    struct error why = {""};
    pthread_mutex_lock(&work->lock);
    if (take_update(s, &w->update, &why) == 0)
        s->result[k].trained = 1;
    else
        leave_out(s, k, why.text);
    pthread_mutex_unlock(&work->lock);
}

/* Site k, the i-th that was drawn, masks its update. It is lost to the round where it cannot. */
static int hide_update(struct simulation *s, int i, int k, struct worker *w)
{
    struct error why = {""};
    if (!s->f.secure_range || secure_session_hide(&s->secure, i, &w->update, &s->task, &s->f, &why) == 0)
        return 0;
    leave_out(s, k, why.text);
    return 2;
}

static void train_and_add(struct round_work *work, int i, int k, int job)
{
    struct simulation *s = work->s;
    struct worker *w = &s->worker[job];
    int sends = s->o->peers && s->o->peers->rank;
    if (w->failed || w->stopped) return;
    int status = simulation_stops(s) ? CLIENT_STOPPED : train_client(s, k, w, job == 0);
    if (status == 0) status = hide_update(s, i, k, w);
    w->failed = status < 0;
    if (status == CLIENT_STOPPED) w->stopped = k + 1;
    if (status == CLIENT_STOPPED) return;
    if (sends && status >= 0)
        w->failed = peers_send(s, w, k, &w->error) != 0;
    else if (status == 0)
        add_update(work, k, w);
    if (job == 0) s->done_steps += (double)s->f.train.iterations * s->workers;
}

/* With peers: those of this process, by one worker. */
static void train_clients_of_worker(void *arg, int job, int thread)
{
    struct round_work *work = arg;
    struct simulation *s = work->s;
    const struct federate_peers *p = s->o->peers;
    int turn = 0, turns = p ? p->ranks : s->workers, own = p ? p->rank : job;
    (void)thread;
    for (int i = 0; i < s->f.sites; i++)
        if (s->chosen[i] && turn++ % turns == own) train_and_add(work, turn - 1, s->training[i], job);
}

/* At rank 0: the answers of the others, in the order in which each sends them. */
static int collect(struct round_work *work, struct error *e)
{
    struct simulation *s = work->s;
    const struct federate_peers *p = s->o->peers;
    int turn = 0;
    for (int i = 0; i < s->f.sites; i++) {
        int k = s->training[i], from = s->chosen[i] ? turn++ % p->ranks : 0;
        if (!s->chosen[i] || from == 0) continue;
        if (peers_receive(s, &s->worker[0], k, from, e)) return -1;
        if (s->result[k].failure[0]) continue;
        site_store_saved(&s->store, k, s->task.round + 1);
        add_update(work, k, &s->worker[0]);
    }
    return 0;
}

/* Clients that failed are named and left out; too many end the run. */
static int report_failures(struct simulation *s, struct error *e)
{
    int chosen = 0, failed = 0, first = -1;
    for (int i = 0; i < s->f.sites; i++) {
        int k = s->training[i];
        chosen += s->chosen[i];
        if (!s->result[k].failure[0]) continue;
        failed++;
        if (first < 0) first = k;
        if (s->events && s->events->site_failed)
            s->events->site_failed(s->events->arg, s->task.round, s->o->client[k].name, s->result[k].failure);
    }
    int minimum = s->o->minimum > 1 ? s->o->minimum < chosen ? s->o->minimum : chosen : 1;
    if (chosen - failed >= minimum) return 0;
    const char *more = s->o->clients > 1 ? "" : ": lower the learning rate";
    return error_set(e, "round %d: %d of %d sites failed: %.500s%s", s->task.round, failed, chosen,
                     s->result[first].failure, more);
}

/* Keys and shares of the sites that were drawn, before they train. */
static int begin_secure(struct simulation *s, struct error *e)
{
    int drawn = 0;
    for (int i = 0; i < s->f.sites; i++) drawn += s->chosen[i];
    if (!s->f.secure_range) return 0;
    secure_session_end(&s->secure);
    return secure_session_begin(&s->secure, &s->f, drawn, &s->task, s->global->count, e);
}

/* The mean of the sites that are left, where their updates were hidden. */
static int reveal_mean(struct simulation *s, struct error *e)
{
    double weight;
    if (!s->f.secure_range) return 0;
    float *mean = malloc((s->global->count + 1) * sizeof *mean);
    if (!mean) return error_set(e, "out of memory for the mean of %zu weights", s->global->count);
    int status = secure_session_mean(&s->secure, mean, &weight, e);
    if (!status) status = server_take_mean(&s->server, mean, weight, e) ? -1 : 0;
    free(mean);
    secure_session_end(&s->secure);
    return status ? error_prefix(e, "round %d", s->task.round) : 0;
}

/* Its base tells by which weights, and which schedule, an update was trained that lies on disk or is masked;
 * of those in memory nobody asks. */
static int begin_task(struct simulation *s, struct error *e)
{
    if (server_begin(&s->server, &s->task, e)) return -1;
    if (s->store.state && !s->f.secure_range) return 0;
    snprintf(s->task.base, sizeof s->task.base, "%016" PRIx64 " of %d rounds", model_hash(s->global),
             s->f.train.epochs);
    return 0;
}

/* Where s->stopped is set afterwards, the round is still open. */
static int train_round(struct simulation *s, struct error *e)
{
    struct round_work work = {.s = s};
    if (begin_task(s, e) || agreement_draw(s->chosen, &s->f, s->task.round, e) ||
        begin_secure(s, e))
        return -1;
    memset(s->result, 0, (size_t)s->o->clients * sizeof *s->result);
    for (int k = 0; k < s->o->clients; k++) s->result[k].loss = s->result[k].metric_local = NAN;
    s->done_steps = s->task.round * round_steps(s);
    pthread_mutex_init(&work.lock, NULL);
    s->server.pool = s->workers > 1 ? NULL : s->o->pool; /* a job of the pool may not use the pool */
    if (s->workers > 1)
        pool_run(s->o->pool, s->workers, train_clients_of_worker, &work);
    else
        train_clients_of_worker(&work, 0, 0);
    s->server.pool = s->o->pool;
    int status = 0;
    for (int w = 0; !status && w < s->workers; w++)
        if (s->worker[w].failed) status = error_set(e, "%s", s->worker[w].error.text);
        else s->stopped |= s->worker[w].stopped > 0;
    if (!status && s->o->peers && s->o->peers->rank == 0) status = collect(&work, e);
    pthread_mutex_destroy(&work.lock);
    if (status || s->stopped || (s->o->peers && s->o->peers->rank)) return status;
    return report_failures(s, e) || reveal_mean(s, e) ? -1 : server_end(&s->server, e);
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

/* Side by side, clients leave threads idle where their number does not divide; layers lose about a tenth to
 * waiting. */
static int choose_workers(const struct federate_options *o)
{
    int threads = pool_threads(o->pool), together = o->clients < threads ? o->clients : threads;
    if (o->parallel == PARALLEL_LAYERS || together < 2 || o->peers) return 1;
    if (o->parallel == PARALLEL_CLIENTS) return together;
    int turns = (o->clients + together - 1) / together;
    double used = (double)o->clients / ((double)turns * threads);
    return used > 0.9 ? together : 1;
}

/* A worker: a step, a model with gradients, an update and a state of moments; the server: weights, gradients
 * (unused), the next weights and a sum of 24 bytes an element for each of the strategy's. Without a folder
 * the states of all clients are in memory too. */
size_t federate_bytes(const struct federate_options *o, size_t step_bytes, size_t parameters, int workers)
{
    const struct strategy *strategy = o->strategy ? o->strategy : strategy_find("fedavg");
    size_t vector = parameters * sizeof(float),
           state = (size_t)o->train.optimizer->moments + (o->train.ema > 0) + (size_t)strategy->site_slots;
    size_t sums = o->clients > 1 ? 6 * (size_t)strategy->sums : 1;
    size_t in_memory = o->folder && o->clients > 1 ? 0 : (size_t)o->clients * state;
    return (size_t)workers * (step_bytes + (3 + state) * vector) +
           (3 + (size_t)strategy->server_slots + sums + in_memory) * vector;
}

static void worker_free(struct worker *w)
{
    struct model *m = w->learner.model;
    if (w->learner.graph) learner_destroy(&w->learner);
    if (m) model_destroy(m);
    site_state_free(&w->state);
    update_free(&w->update);
}

static void simulation_free(struct simulation *s)
{
    for (int w = 0; s->worker && w < s->workers; w++) worker_free(&s->worker[w]);
    free(s->worker);
    server_free(&s->server);
    secure_session_end(&s->secure);
    site_store_free(&s->store);
    free(s->training);
    free(s->chosen);
    free(s->result);
}

static int compare_clients(const void *a, const void *b)
{
    return strcmp((*(const struct federate_client *const *)a)->name,
                  (*(const struct federate_client *const *)b)->name);
}

/* The clients that train, in the order of their names; every client has cases of some kind, and no two the
 * same name. */
static int list_sites(struct simulation *s, struct error *e)
{
    const struct federate_options *o = s->o;
    const struct federate_client **order = malloc(((size_t)o->clients + 1) * sizeof *order);
    int status = order ? 0 : error_set(e, "out of memory for %d sites", o->clients), n = 0;
    for (int k = 0; !status && k < o->clients; k++) order[k] = &o->client[k];
    if (!status) qsort(order, (size_t)o->clients, sizeof *order, compare_clients);
    for (int k = 0; !status && k < o->clients; k++) {
        if (k && strcmp(order[k]->name, order[k - 1]->name) == 0)
            status = error_set(e, "two sites are called %s", order[k]->name);
        else if (order[k]->data.store.cases > 0)
            s->training[n++] = (int)(order[k] - o->client);
        else if (order[k]->validation.store.cases == 0)
            status = error_set(e, "site %s has no training case, and none to validate on", order[k]->name);
    }
    if (!status && n == 0) status = error_set(e, "no site has a training case");
    for (int i = 0; !status && i < n; i++) {
        int cases = o->client[s->training[i]].data.store.cases;
        if (i == 0 || cases < s->smallest) s->smallest = cases;
    }
    free(order);
    s->f.sites = n;
    return status;
}

/* Room for the cases of every client, and of the global validation, which the first worker does. */
static int reserve_cases(struct learner *l, const struct federate_options *o, int validates, struct error *e)
{
    for (int k = 0; k < o->clients; k++)
        if (learner_reserve(l, &o->client[k].data, e) || learner_reserve(l, &o->client[k].validation, e))
            return -1;
    return validates && o->validation ? learner_reserve(l, o->validation, e) : 0;
}

static int create_workers(struct simulation *s, struct error *e)
{
    const struct federate_options *o = s->o;
    const struct federate_client *first = &o->client[s->training[0]];
    s->workers = choose_workers(o);
    s->graph = agreement_graph_options(&s->f);
    s->worker = calloc((size_t)s->workers, sizeof *s->worker);
    if (!s->worker) return error_set(e, "out of memory for %d workers", s->workers);
    for (int w = 0; w < s->workers; w++) {
        struct worker *x = &s->worker[w];
        struct model *m = model_alike(s->global); /* each use begins by giving it weights */
        int status = learner_create(&x->learner, &s->graph, o->plan, &first->data, m, 0,
                                    s->workers > 1 ? NULL : o->pool, e);
        x->learner.model = m;
        if (status || reserve_cases(&x->learner, o, w == 0, e)) return -1;
        if (site_state_init(&x->state, first->name, &s->f, s->global, e) ||
            update_init(&x->update, s->global->count, e))
            return -1;
    }
    return 0;
}

static int create_store(struct simulation *s, struct error *e)
{
    const struct federate_options *o = s->o;
    const char **name = malloc(((size_t)o->clients + 1) * sizeof *name);
    if (!name) return error_set(e, "out of memory for %d sites", o->clients);
    for (int k = 0; k < o->clients; k++) name[k] = o->client[k].name;
    int files = o->folder && (o->clients > 1 || s->f.strategy->site_slots > 0 || s->f.compress);
    int status = site_store_init(&s->store, &s->f, s->global, files ? o->folder : NULL, name, o->clients, e);
    free(name);
    if (!files) s->store.run = o->folder;
    return status;
}

static int simulation_create(struct simulation *s, const struct model *initial, struct error *e)
{
    const struct federate_options *o = s->o;
    size_t n = (size_t)o->clients + 1;
    s->f = agreement_default(&o->train, o->plan, o->clients);
    if (o->strategy) {
        s->f.strategy = o->strategy;
        memcpy(s->f.option, o->option, sizeof s->f.option);
    }
    s->f.local_epochs = o->local_epochs;
    s->f.fraction = o->fraction > 0 ? o->fraction : 1;
    s->f.minimum = o->minimum > 1 ? o->minimum : 1;
    s->f.plain_variance = o->plain_variance;
    s->f.compress = o->compress;
    s->f.privacy = o->privacy;
    s->f.secure_range = o->secure_range;
    if (o->compress_share > 0) s->f.compress_share = o->compress_share;
    s->training = calloc(n, sizeof *s->training);
    s->chosen = calloc(n, 1);
    s->result = calloc(n, sizeof *s->result);
    if (!s->training || !s->chosen || !s->result)
        return error_set(e, "out of memory for %d sites", o->clients);
    if (o->privacy.kind == PRIVACY_SGD && o->fine_tune > 0)
        return error_set(e, "--dp sgd with --fine-tune, whose steps have no noise");
    if (o->peers && o->secure_range > 0)
        return error_set(e,
                         "--secure is not for MPI, whose ranks are one trusted machine: the simulation and "
                         "carried files (--as) have it");
    if (list_sites(s, e) || agreement_check(&s->f, e) || private_check(&s->f, e) ||
        secure_check(&s->f, e) || run_files_identity(s, e))
        return -1;
    s->global = learner_layout(&s->f.train, o->plan);
    if (!s->global) return error_set(e, "out of memory for the weights of a network");
    if (initial) {
        ENSURE(initial->count == s->global->count, "initial weights %zu, model %zu", initial->count,
               s->global->count);
        memcpy(s->global->data, initial->data, initial->count * sizeof(float));
    } else s->f.train.task->weights(s->global, &s->f.train, o->plan, o->pool);
    if (create_workers(s, e)) return -1;
    return server_init(&s->server, &s->f, s->global, o->pool, o->folder, e) || create_store(s, e) ? -1 : 0;
}

/* Whether `done` rounds are all: of the schedule, or patience has run out. Where no round had a metric yet
 * (all of the held-out voxels are ignored, say), none is known to be better than the next. */
static int is_over(const struct simulation *s, int done)
{
    return done >= s->f.train.epochs || (s->o->patience > 0 && simulation_validates(s->o) &&
                                         s->best_round >= 0 && done - 1 - s->best_round >= s->o->patience);
}

/* A rank that is not the server: it trains its sites until there is no round any more. */
static int follow_rounds(struct simulation *s, struct error *e)
{
    int over = 0;
    while (!over) {
        if ((over = peers_begin(s, 0, e)) < 0) return -1;
        if (!over && train_round(s, e)) return -1;
    }
    return 0;
}

/* From its validation on. */
static int finish_round(struct simulation *s, struct error *e)
{
    const int status = simulation_validate(s, e);
    if (status < 0) return -1;
    s->unvalidated = status;
    s->stopped |= status;
    if (status) return 0;
    if (s->o->folder && run_files_write(s, is_over(s, s->server.round), e)) return -1;
    const struct round_record *last = &s->history.record[s->history.count - 1];
    if (s->events && s->events->round_done)
        s->events->round_done(s->events->arg, last, s->f.train.epochs);
    return 0;
}

static int run_rounds(struct simulation *s, struct error *e)
{
    const struct federate_options *o = s->o;
    if (o->peers && o->peers->rank) return follow_rounds(s, e);
    /* What an earlier run left goes only here, where this one is certain to begin: one that is refused leaves
     * it. */
    if (!o->resume && s->events && s->events->replaces && s->events->replaces(s->events->arg, e)) return -1;
    if (o->folder && !o->resume && run_files_clear(o->folder, s->store.folder[0] != 0, e)) return -1;
    if (o->folder && o->resume && run_files_resume(s, e)) return -1;
    if (s->events && s->events->begins && s->events->begins(s->events->arg, e)) return -1;
    if (o->folder && o->resume && run_files_mend(s, e)) return -1;
    if (o->folder && o->resume && !is_over(s, s->server.round) && site_models_forget(s, e)) return -1;
    if (s->unvalidated && finish_round(s, e)) return -1;
    while (!s->stopped && !is_over(s, s->server.round)) {
        double start = clock_seconds();
        if (o->peers && peers_begin(s, 0, e) < 0) return -1;
        if (train_round(s, e)) return -1;
        if (s->stopped) break;
        if (simulation_record(s, clock_seconds() - start, e) || finish_round(s, e)) return -1;
    }
    if (s->stopped) return o->folder ? run_files_stop(s, e) : 0;
    if (o->peers && peers_begin(s, 1, e) < 0) return -1;
    if (!o->folder) return 0;
    if (o->peers && site_store_resume(&s->store, s->server.round, e)) return -1; /* the others' files */
    return run_files_final(s, e) || site_models_write(s, e) ? -1 : 0;
}

int federate_run(struct federate_result *r, const struct federate_options *o, const struct model *initial,
                 const struct federate_events *events, struct error *e)
{
    struct simulation s = {
        .o = o, .events = events, .best_metric = -INFINITY, .metric_average = NAN, .best_round = -1};
    double start = clock_seconds();
    memset(r, 0, sizeof *r);
    ENSURE(o->clients > 0 && o->checkpoint_every > 0, "%d clients, checkpoint every %d", o->clients,
           o->checkpoint_every);
    int serves = o->folder && !(o->peers && o->peers->rank); /* it has the folder's files */
    struct folder_hold hold = FOLDER_FREE;
    int status = serves ? folder_hold(&hold, o->folder, e) : 0;
    status = peers_start(o->peers, status, e);
    if (!status) status = simulation_create(&s, initial, e);
    if (!status && events && events->planned) {
        const struct graph *g = s.worker[0].learner.graph;
        events->planned(events->arg, learner_bytes(&s.worker[0].learner), graph_flops(g), s.global->count,
                        s.workers);
    }
    if (!status) status = run_rounds(&s, e);
    if (!status) {
        if (simulation_average(&s))
            memcpy(s.global->data, simulation_weights(&s), s.global->count * sizeof(float));
        r->step_bytes = learner_bytes(&s.worker[0].learner);
        r->workers = s.workers;
        r->best_metric = s.best_metric;
        r->best_round = s.best_round;
        r->rounds = s.server.round;
        r->stopped = s.stopped;
        private_text(r->privacy, &s.f, r->rounds, s.server.clip, s.smallest);
        r->record = s.history.record;
        r->records = s.history.count;
        r->model = s.global;
        r->seconds = clock_seconds() - start;
    } else {
        free(s.history.record);
    }
    simulation_free(&s);
    folder_release(&hold);
    if (status && s.global) model_destroy(s.global);
    return status;
}

void federate_result_free(struct federate_result *r)
{
    if (r->model) model_destroy(r->model);
    free(r->record);
    memset(r, 0, sizeof *r);
}
