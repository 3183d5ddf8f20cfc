/* federate_records.c - what a round of a federated run has come to: validated, measured at each site, and
 * written into the history. */
#include "fl/simulation.h"

#include <math.h>
#include <string.h>

#include "fl/round/private.h"

int simulation_stops(const struct simulation *s)
{
    return s->events && s->events->stop && !s->o->peers && s->events->stop(s->events->arg);
}

int simulation_site_batches(const struct federate_options *o)
{
    return (o->validation_batches + o->clients - 1) / o->clients;
}

int simulation_validates(const struct federate_options *o)
{
    return o->validation && o->validation->store.cases > 0 && o->validation_batches > 0;
}

struct weight_average *simulation_average(const struct simulation *s)
{
    struct site_state *only = s->o->clients == 1 ? s->store.state : NULL;
    return only && only->average.weights ? &only->average : NULL;
}

const float *simulation_weights(const struct simulation *s)
{
    const struct weight_average *a = simulation_average(s);
    return a && a->steps ? a->weights : s->global->data;
}

static int validate_global(struct simulation *s, struct validation *v, const struct learner_data *d,
                           int batches, struct error *e)
{
    struct learner *l = &s->worker[0].learner;
    memcpy(l->model->data, simulation_weights(s), s->global->count * sizeof(float));
    return learner_validate(v, l, d, batches, e);
}

static int record_site(struct simulation *s, int k, struct round_record *r, struct error *e)
{
    const struct federate_options *o = s->o;
    const struct federate_client *c = &o->client[k];
    const struct site_result *done = &s->result[k];
    double down = (double)s->global->count * sizeof(float), up = 0;
    *r = (struct round_record){.round = s->task.round,
                               .site = k,
                               .examples = done->trained ? c->data.store.cases : 0,
                               .loss = done->loss,
                               .metric = NAN,
                               .validation_loss = NAN,
                               .lr = r->lr,
                               .seconds = done->seconds,
                               .metric_local = done->metric_local,
                               .norm = NAN,
                               .cosine = NAN};
    if (done->trained) {
        server_measure(&s->server, c->name, &r->norm, &r->cosine, &up);
        r->bytes = down + up;
    }
    if (o->clients == 1 || !simulation_validates(o) || c->validation.store.cases == 0) return 0;
    struct validation v;
    if (validate_global(s, &v, &c->validation, simulation_site_batches(o), e)) return -1;
    r->metric = v.metric;
    r->validation_loss = v.loss;
    return 0;
}

/* nnU-Net's moving average tells which round was best. */
static void follow_metric(struct simulation *s, double metric)
{
    if (!isfinite(metric)) return;
    s->metric_average = isnan(s->metric_average) ? metric : 0.9 * s->metric_average + 0.1 * metric;
    if (s->metric_average <= s->best_metric) return;
    s->best_metric = s->metric_average;
    s->best_round = s->task.round;
}

int simulation_record(struct simulation *s, double seconds, struct error *e)
{
    const struct federate_options *o = s->o;
    float lr = learner_lr(&s->f.train, (uint64_t)s->task.round * (uint64_t)s->f.train.iterations);
    struct round_record g = {.round = s->task.round,
                             .site = -1,
                             .metric = NAN,
                             .validation_loss = NAN,
                             .lr = lr,
                             .seconds = seconds,
                             .metric_local = NAN,
                             .norm = NAN,
                             .cosine = NAN,
                             .hash = model_hash(s->global)};
    if (s->f.privacy.kind) {
        g.epsilon = private_epsilon(&s->f, s->task.round + 1, s->smallest);
        g.clip = private_clip(&s->task, &s->f);
    }
    for (int k = 0; k < o->clients; k++) {
        struct round_record r = {.lr = lr};
        if (record_site(s, k, &r, e)) return -1;
        if (s->result[k].trained) g.examples += r.examples, g.loss += r.examples * r.loss;
        if (o->clients == 1) continue;
        g.bytes += r.bytes;
        if (history_add(&s->history, &r, e)) return -1;
        if (s->events && s->events->site_done) s->events->site_done(s->events->arg, &r, o->client[k].name);
    }
    g.loss /= g.examples;
    if (simulation_validates(o)) {
        struct validation v;
        if (validate_global(s, &v, o->validation, o->validation_batches, e)) return -1;
        g.metric = v.metric;
        g.validation_loss = v.loss;
        if (isnan(v.loss)) /* finite weights, but too large for the network to compute with */
            return error_set(e, "round %d: the validation's loss became nan: lower the learning rate",
                             s->task.round);
    }
    if (history_add(&s->history, &g, e)) return -1;
    follow_metric(s, g.metric);
    return 0;
}
