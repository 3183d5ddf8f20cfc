/* nephron_federation.c - the public library: the three steps of a round over flat vectors, and aggregation
 * alone. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/message/vectors.h"
#include "fl/nephron_handles.h"
#include "io/base/file.h"
#include "io/base/sha256.h"
#include "io/base/text.h"
#include "tensor/base/clock.h"
#include "tensor/graph/node.h"

/* ---- aggregation alone --------------------------------------------------------------------------------- */

/* A model of one weight vector: what the strategies need to know of its layout. */
static struct model *flat_layout(size_t count, struct error *e)
{
    if (count < 1 || count > INT32_MAX)
        return error_set(e, "vectors of %zu values, not 1 to 2^31", count), NULL;
    struct model *m = model_create();
    struct param p = {.name = "weights",
                      .kind = PARAM_WEIGHT,
                      .ndim = 1,
                      .dim = {(int)count},
                      .count = count,
                      .fan_in = 1,
                      .fan_out = 1};
    if (!m) return error_set(e, "out of memory"), NULL;
    model_param(m, &p);
    if (model_finish(m) == 0) return m;
    model_destroy(m);
    return error_set(e, "out of memory for %zu values", count), NULL;
}

static int add_vectors(struct server *s, struct update *u, const struct model *layout, const float *const *in,
                       const double *weights, int vectors, struct error *e)
{
    for (int k = 0; k < vectors; k++) {
        if (!in[k]) return error_set(e, "nephron_aggregate: vector %d is NULL", k);
        snprintf(u->site, sizeof u->site, "%09d", k);
        u->numbers = (struct contribution){
            .site = u->site, .examples = weights[k], .steps = 1, .effective = 1, .lr_sum = 1};
        nephron_unpack(u->values, layout, in[k]);
        if (server_add(s, u, e)) return error_prefix(e, "vector %d", k);
    }
    return server_end(s, e);
}

int nephron_aggregate(nephron *n, const char *strategy, float *out, const float *const *in,
                      const double *weights, int vectors, size_t count)
{
    if (!n) return -1;
    struct error *e = &n->e;
    const struct strategy *s = strategy ? strategy_find(strategy) : NULL;
    struct train_options o = train_options_default(&task_classify);
    double option[STRATEGY_OPTIONS];
    if (!s) return error_set(e, "there is no strategy '%s'", strategy ? strategy : "(NULL)");
    if (s->server_slots || s->site_slots || s->needs_linear)
        return error_set(e, "strategy %s remembers rounds or sites: use nephron_server_open", s->name);
    strategy_standard(option, s);
    if (strategy_weighs_by_loss(s, option))
        return error_set(e, "strategy %s weighs by losses and moves from the global weights: use "
                            "nephron_server_open", s->name);
    if (!out || !in || !weights || vectors < 1)
        return error_set(e, "nephron_aggregate: %d vectors, or no out, in or weights", vectors);
    struct model *layout = flat_layout(count, e);
    if (!layout) return -1;
    struct agreement f = agreement_default(&o, NULL, vectors);
    struct server server = {0};
    struct update u = {0};
    struct task task;
    fenv_t before;
    f.strategy = s;
    memcpy(f.option, option, sizeof f.option);
    if (nephron_enter(n, &before)) {
        model_destroy(layout);
        return -1;
    }
    int status = server_init(&server, &f, layout, n->pool, NULL, e);
    server.no_similarity = 1;
    if (!status) status = server_begin(&server, &task, e);
    if (!status) status = update_init(&u, layout->count, e);
    if (!status) status = add_vectors(&server, &u, layout, in, weights, vectors, e);
    if (!status) nephron_pack(out, layout, layout->data);
    update_free(&u);
    server_free(&server);
    model_destroy(layout);
    return nephron_leave(&before, status);
}

/* ---- the server ---------------------------------------------------------------------------------------- */

static const struct own_option server_option[] = {
    {"strategy", JSON_OBJECT}, {"minimum", JSON_INT}, {"local_epochs", JSON_INT}, {0}};

static int set_strategy(struct agreement *f, const struct json *options, struct error *e)
{
    const struct json *strategy = json_get(options, "strategy");
    int64_t minimum = 1, epochs = 0;
    if (json_get(options, "minimum") &&
        take_integer(&minimum, options, "minimum", 1, f->sites, "options", e))
        return -1;
    if (json_get(options, "local_epochs") &&
        take_integer(&epochs, options, "local_epochs", 0, 1000000, "options", e))
        return -1;
    f->minimum = (int)minimum;
    f->local_epochs = (int)epochs;
    if (strategy && !(f->strategy = strategy_from_json(f->option, strategy, e)))
        return error_prefix(e, "options");
    return agreement_check(f, e);
}

/* By which a site's file of its state is known again: what its vectors were made with, as same_state. A
 * schedule may change from round to round, and the number of sites. */
static int identify(struct agreement *f, struct error *e)
{
    struct json *j = json_object();
    json_add_text(j, "strategy", f->strategy->name);
    json_add_number(j, "momentum", (double)f->train.momentum);
    json_add_number(j, "weight_decay", (double)f->train.weight_decay);
    json_add_number(j, "clip", (double)f->train.clip);
    char *text = json_failed(j) ? NULL : json_format(j, 0);
    json_free(j);
    if (!text) return error_set(e, "out of memory for the terms of the rounds");
    sha256_hex(f->hash, text, strlen(text));
    free(text);
    return 0;
}

static nephron_server *open_server(nephron_model *m, const char *options, int sites)
{
    struct error *e = &m->n->e;
    struct model *one = nephron_single(m);
    nephron_server *s = one ? calloc(1, sizeof *s) : NULL;
    if (!s) return one ? (error_set(e, "out of memory"), NULL) : NULL;
    *s = (nephron_server){.n = m->n, .m = m};
    struct json *given = NULL;
    struct train_options o = m->run.options;
    int status = nephron_merge_options(&o, options, server_option, &given, e);
    if (!status) status = nephron_same_network(&o, &m->run.options, e);
    s->federation = agreement_default(&o, m->run.plan, sites);
    if (!status) status = set_strategy(&s->federation, given, e);
    if (!status) status = identify(&s->federation, e);
    json_free(given);
    if (!status) status = server_init(&s->server, &s->federation, one, m->n->pool, NULL, e);
    if (!status) return s;
    free(s);
    return NULL;
}

nephron_server *nephron_server_open(nephron_model *m, const char *options, int sites)
{
    fenv_t before;
    if (!m || nephron_enter(m->n, &before)) return NULL;
    nephron_server *result = open_server(m, options, sites);
    nephron_leave(&before, 0);
    return result;
}

void nephron_server_free(nephron_server *s)
{
    if (!s) return;
    server_free(&s->server);
    free(s->begun);
    free(s->history.record);
    free(s->name);
    free(s->description);
    free(s);
}

size_t nephron_task_count(const nephron_server *s)
{
    return s ? nephron_weights_count(s->m) * (size_t)(1 + s->federation.strategy->shared_slots) : 0;
}

static size_t weights_bytes(const nephron_server *s)
{
    return s->server.global->count * sizeof(float);
}

/* As in the column of a sites.csv: the tables of the rounds have this name in them. */
static int check_site(const char *site, struct error *e)
{
    if (!site || !*site || strlen(site) >= SITE_NAME_MAX)
        return error_set(e, "site '%.80s': a name has 1 to %d characters", site ? site : "",
                         SITE_NAME_MAX - 1);
    const char *fault = text_name_fault(site);
    if (fault) return error_set(e, "site '%s' %s", site, fault);
    return strcmp(site, "global") == 0
               ? error_set(e, "site 'global': in the tables this name stands for all sites")
               : 0;
}

/* The sums of a round are there from its begin to its end. */
static int check_round(const nephron_server *s, struct error *e)
{
    return s->open ? 0 : error_set(e, "no round is open: nephron_server_begin opens one");
}

/* Strategies look at the weights that the round began with, whatever the model became meanwhile. */
static void put_back(nephron_server *s)
{
    if (s->open) memcpy(s->server.global->data, s->begun, weights_bytes(s));
}

int nephron_server_begin(nephron_server *s, float *task, size_t count, int *round)
{
    fenv_t before;
    if (!s) return -1;
    struct error *e = &s->n->e;
    const struct model *layout = s->server.global;
    if (!task || count != nephron_task_count(s))
        return error_set(e, "a task of %zu values, it has %zu", count, nephron_task_count(s));
    if (s->server.round >= s->federation.train.epochs)
        return error_set(e, "all %d rounds are done", s->federation.train.epochs);
    if (!s->begun && !(s->begun = malloc(weights_bytes(s) + 1)))
        return error_set(e, "out of memory for the weights of a round");
    if (nephron_enter(s->n, &before)) return -1;
    put_back(s);
    s->open = 0;
    if (nephron_leave(&before, server_begin(&s->server, &s->task, e))) return -1;
    memcpy(s->begun, layout->data, weights_bytes(s));
    s->open = 1;
    s->opened = clock_seconds();
    task += nephron_pack(task, layout, s->task.weights);
    for (int k = 0; k < s->federation.strategy->shared_slots; k++)
        task += nephron_pack(task, layout, s->task.shared[k]);
    if (round) *round = s->task.round;
    return 0;
}

int nephron_server_add(nephron_server *s, const char *site, const float *weights, size_t count,
                       const double numbers[NEPHRON_NUMBERS])
{
    if (!s) return -1;
    struct error *e = &s->n->e;
    struct update u = {0};
    fenv_t before;
    const struct model *layout = s->server.global;
    if (!weights || !numbers) return error_set(e, "nephron_server_add: no weights or numbers");
    if (check_site(site, e)) return -1;
    if (count != nephron_weights_count(s->m))
        return error_set(e, "site %s: %zu weights, the model has %zu", site, count,
                         nephron_weights_count(s->m));
    if (check_round(s, e) || update_init(&u, layout->count, e)) return -1;
    if (nephron_enter(s->n, &before)) {
        update_free(&u);
        return -1;
    }
    snprintf(u.site, sizeof u.site, "%s", site);
    u.round = s->server.round;
    u.kind = UPDATE_WEIGHTS;
    u.loss = numbers[5];
    u.seconds = numbers[7] > 0 && isfinite(numbers[7]) ? numbers[7] : NAN;
    u.numbers = (struct contribution){.site = u.site,
                                      .examples = numbers[0],
                                      .steps = numbers[1],
                                      .effective = numbers[2],
                                      .lr_sum = numbers[3],
                                      .start_loss = numbers[4]};
    nephron_unpack(u.values, layout, weights);
    put_back(s);
    int status = numbers[6] == u.round
                     ? server_add(&s->server, &u, e)
                     : error_set(e, "answers round %g, round %d is open", numbers[6], u.round);
    update_free(&u);
    return nephron_leave(&before, status ? error_prefix(e, "site %s", site) : 0);
}

/* ---- what the rounds gave ------------------------------------------------------------------------------ */

/* Room for what an ended round adds, so that it cannot fail then. */
static int reserve_rows(nephron_server *s, struct error *e)
{
    const size_t most = (size_t)(s->names + s->server.updates) + 1;
    void *more = realloc(s->name, most * sizeof *s->name);
    if (!more) return error_set(e, "out of memory for the names of %zu sites", most);
    s->name = more;
    return history_reserve(&s->history, s->server.updates + 1, e);
}

static int site_number(nephron_server *s, const char *site)
{
    int k = 0;
    while (k < s->names && strcmp(s->name[k], site)) k++;
    if (k == s->names) snprintf(s->name[s->names++], sizeof *s->name, "%s", site);
    return k;
}

/* A row for each update of the round that was ended, and one for the global weights. */
static int add_rows(nephron_server *s, int round, struct error *e)
{
    const struct train_options *o = &s->federation.train;
    struct round_record g = round_record_of(round, -1);
    int status = 0;
    g.lr = learner_lr(o, (uint64_t)round * (uint64_t)o->iterations);
    g.seconds = clock_seconds() - s->opened;
    g.hash = model_hash(s->server.global);
    for (int i = 0; !status && i < s->server.updates; i++) {
        const struct server_update *u = &s->server.update[i];
        struct round_record r = round_record_of(round, site_number(s, u->site));
        double up;
        server_measure(&s->server, u->site, &r.norm, &r.cosine, &up);
        r.examples = u->numbers.examples;
        r.loss = u->loss;
        r.lr = g.lr;
        r.seconds = u->seconds;
        r.bytes = (double)weights_bytes(s) + up;
        round_record_add(&g, &r);
        status = history_add(&s->history, &r, e);
    }
    round_record_close(&g);
    return status ? status : history_add(&s->history, &g, e);
}

static int end_round(nephron_server *s, struct error *e)
{
    if (check_round(s, e)) return -1;
    put_back(s);
    if (reserve_rows(s, e) || server_end(&s->server, e)) return -1;
    s->open = 0;
    return add_rows(s, s->server.round - 1, e);
}

int nephron_server_end(nephron_server *s)
{
    fenv_t before;
    if (!s || nephron_enter(s->n, &before)) return -1;
    return nephron_leave(&before, end_round(s, &s->n->e));
}

static const char *describe_server(nephron_server *s)
{
    struct json *j = agreement_json(&s->federation);
    free(s->description);
    s->description = j && !json_failed(j) ? json_format(j, 0) : NULL;
    json_free(j);
    if (!s->description) error_set(&s->n->e, "out of memory for the description of the rounds");
    return s->description;
}

const char *nephron_server_describe(nephron_server *s)
{
    fenv_t before;
    if (!s || nephron_enter(s->n, &before)) return NULL;
    const char *result = describe_server(s);
    nephron_leave(&before, 0);
    return result;
}

static int write_tables(const nephron_server *s, const char *folder)
{
    struct error *e = &s->n->e;
    const struct train_options *o = &s->federation.train;
    if (!folder || !s->history.count)
        return error_set(e, "nephron_server_tables: no folder, or no round yet");
    const char **names = malloc(((size_t)s->names + 1) * sizeof *names);
    if (!names) return error_set(e, "%s: out of memory for the names of %d sites", folder, s->names);
    for (int k = 0; k < s->names; k++) names[k] = s->name[k];
    int status = history_write_rounds(&s->history, folder, names, 0, e) ||
                         history_write_progress(&s->history, folder, o->task->metric(o), names, e) ||
                         history_write_similarity(&s->server, s->server.round - 1, folder, e)
                     ? -1
                     : 0;
    free(names);
    return status;
}

int nephron_server_tables(const nephron_server *s, const char *folder)
{
    fenv_t before;
    if (!s || nephron_enter(s->n, &before)) return -1;
    return nephron_leave(&before, write_tables(s, folder));
}

/* ---- a site -------------------------------------------------------------------------------------------- */

uint32_t nephron_site_key(const char *site, int sites)
{
    return site ? site_key(site, sites) : 0;
}

/* Of a round that failed halfway: the next call reads it again, or begins anew. */
static int forget_state(nephron_trainer *t)
{
    site_state_free(&t->state);
    return -1;
}

/* What the state was made for, the file of one says itself (f->hash). */
static int same_state(const nephron_trainer *t, const struct agreement *f)
{
    const struct optimizer *o = &t->state.optimizer;
    return t->strategy == f->strategy && o->settings.momentum == f->train.momentum &&
           o->settings.weight_decay == f->train.weight_decay && o->clip == f->train.clip;
}

/* The state of the round before: from the file where there is one, else as it lies in the trainer, or new. */
static int take_state(nephron_trainer *t, const struct agreement *f, const char *site, const char *path,
                      struct error *e)
{
    if (!*t->state.name) {
        if (site_state_init(&t->state, site, f, t->learner.model, e)) return -1;
        snprintf(t->state.name, sizeof t->state.name, "%s", site);
        t->strategy = f->strategy;
        if (path && file_exists(path) && site_state_read(&t->state, NULL, f, t->learner.model, path, e))
            return forget_state(t);
    }
    if (strcmp(t->state.name, site))
        return error_set(e, "the trainer is site %s, asked to be %s", t->state.name, site);
    return same_state(t, f) ? 0
                            : error_set(e, "nephron_client_update: the trainer keeps the state of a "
                                           "federation of another strategy, momentum, weight_decay or clip: "
                                           "open another trainer");
}

/* A task is laid out as the server's model. */
static int check_layout(const struct model *own, const struct model *global, struct error *e)
{
    int same = own->params == global->params;
    for (int i = 0; same && i < own->params; i++) same = own->param[i].count == global->param[i].count;
    return same ? 0 : error_set(e, "nephron_client_update: the trainer's network is not the server's");
}

/* The server's schedule replaces the trainer's for the round; what the trainer was built for must be the
 * server's too. */
static int take_schedule(nephron_trainer *t, const struct agreement *f, struct error *e)
{
    const struct train_options *own = &t->options, *all = &f->train;
    const struct {
        const char *name;
        int differs;
    } fixed[] = {{"task", own->task != all->task},
                 {"precision", own->bf16 != all->bf16},
                 {"batch", own->batch != all->batch},
                 {"optimizer", own->optimizer != all->optimizer},
                 {"loss", own->loss != all->loss},
                 {"augment", own->augment != all->augment},
                 {"crop", memcmp(own->crop, all->crop, sizeof own->crop) != 0},
                 {"class_weighting", own->class_weighting != all->class_weighting},
                 {"dropout", own->classifier.dropout != all->classifier.dropout},
                 {"covariates", !covariates_same(&own->covariates, &all->covariates)}};
    for (size_t k = 0; k < sizeof fixed / sizeof *fixed; k++)
        if (fixed[k].differs)
            return error_set(e, "nephron_client_update: %s is not the same in the trainer and in the server",
                             fixed[k].name);
    if (run_same_network("nephron_client_update", all, "", own, "", "this is the trainer's", e)) return -1;
    t->options = *all;
    t->options.ema = 0;
    return 0;
}

static int client_round(nephron_trainer *t, nephron_server *s, const char *site, const char *state,
                        const float *task, int round, float *weights, double numbers[NEPHRON_NUMBERS])
{
    struct error *e = &t->n->e;
    if (!s) return error_set(e, "nephron_client_update: no server");
    const struct agreement *f = &s->federation;
    const struct model *layout = t->learner.model;
    float *vector[1 + STRATEGY_SLOTS] = {NULL};
    struct update u = {0};
    struct task given = {.round = round};
    if (!task || !weights || !numbers || round < 0)
        return error_set(e, "nephron_client_update: no task, weights or numbers, or round %d", round);
    if (check_site(site, e)) return -1;
    int vectors = 1 + f->strategy->shared_slots, status = check_layout(layout, s->server.global, e);
    if (!status) status = take_schedule(t, f, e);
    if (!status) status = take_state(t, f, site, state, e);
    if (!status && (t->state.next_round > round || round >= f->train.epochs))
        status = error_set(e, "site %s is in round %d of %d, asked for %d", site, t->state.next_round,
                           f->train.epochs, round);
    if (!status) status = update_init(&u, layout->count, e);
    for (int k = 0; !status && k < vectors; k++) {
        vector[k] = calloc(layout->count, sizeof(float));
        if (!vector[k]) status = error_set(e, "out of memory for a task");
        else task += nephron_unpack(vector[k], layout, task);
    }
    given.weights = vector[0];
    for (int k = 1; k < vectors; k++) given.shared[k - 1] = vector[k];
    if (!status && client_update(&u, &t->state, &t->learner, &t->data->train, &given, f, NULL, e))
        status = forget_state(t);
    if (!status && state && site_state_write(&t->state, NULL, f, layout, state, e)) status = forget_state(t);
    if (!status) nephron_pack(weights, layout, u.values);
    if (!status) {
        const double all[NEPHRON_NUMBERS] = {u.numbers.examples,
                                             u.numbers.steps,
                                             u.numbers.effective,
                                             u.numbers.lr_sum,
                                             u.numbers.start_loss,
                                             u.loss,
                                             round,
                                             u.seconds};
        memcpy(numbers, all, sizeof all);
    }
    for (int k = 0; k < vectors; k++) free(vector[k]);
    update_free(&u);
    return status;
}

int nephron_client_update(nephron_trainer *t, nephron_server *s, const char *site, const char *state,
                          const float *task, int round, float *weights, double numbers[NEPHRON_NUMBERS])
{
    fenv_t before;
    if (!t || nephron_enter(t->n, &before)) return -1;
    const struct train_options own = t->options;
    const uint32_t client = t->learner.client;
    t->learner.order.cases = 0; /* shuffled anew: the server's seed may be another */
    const int status = client_round(t, s, site, state, task, round, weights, numbers);
    t->options = own; /* nephron_train and _validate go on with these */
    t->learner.client = client;
    t->learner.order.cases = 0;
    return nephron_leave(&before, status);
}
