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

static int on_stop(void *s)
{
    return simulation_stops(s);
}

/* By the weights of the round: 1 where it was stopped. */
static int validate_row(struct simulation *s, struct round_record *r, const struct learner_data *d,
                        int batches, struct error *e)
{
    struct learner *l = &s->worker[0].learner;
    struct validation v;
    memcpy(l->model->data, simulation_weights(s), s->global->count * sizeof(float));
    l->stop = on_stop;
    l->stop_arg = s;
    const int status = learner_validate(&v, l, d, batches, e);
    l->stop = NULL;
    if (status) return status;
    r->metric = v.metric;
    r->validation_loss = v.loss;
    return 0;
}

static void record_site(struct simulation *s, int k, float lr, struct round_record *r)
{
    const struct federate_options *o = s->o;
    const struct federate_client *c = &o->client[k];
    const struct site_result *done = &s->result[k];
    double down = (double)s->global->count * sizeof(float), up = 0;
    *r = round_record_of(s->task.round, k);
    r->examples = done->trained ? c->data.store.cases : 0;
    r->loss = done->loss;
    r->lr = lr;
    r->seconds = done->seconds;
    r->metric_local = done->metric_local;
    if (done->trained) {
        server_measure(&s->server, c->name, &r->norm, &r->cosine, &up);
        if (o->clients > 1) r->bytes = down + up; /* else nothing travels */
    }
}

/* nnU-Net's moving average tells which round was best. */
static void follow_metric(struct simulation *s, const struct round_record *g)
{
    if (!isfinite(g->metric)) return;
    s->metric_average = isnan(s->metric_average) ? g->metric : 0.9 * s->metric_average + 0.1 * g->metric;
    if (s->metric_average <= s->best_metric) return;
    s->best_metric = s->metric_average;
    s->best_round = g->round;
}

int simulation_record(struct simulation *s, double seconds, struct error *e)
{
    const struct federate_options *o = s->o;
    float lr = learner_lr(&s->f.train, (uint64_t)s->task.round * (uint64_t)s->f.train.iterations);
    struct round_record g = round_record_of(s->task.round, -1);
    g.lr = lr;
    g.seconds = seconds;
    g.hash = model_hash(s->global);
    if (s->f.privacy.kind) {
        g.epsilon = private_epsilon(&s->f, s->task.round + 1, s->smallest);
        g.clip = private_clip(&s->task, &s->f);
    }
    for (int k = 0; k < o->clients; k++) {
        struct round_record r;
        record_site(s, k, lr, &r);
        if (s->result[k].trained) round_record_add(&g, &r);
        if (o->clients > 1 && history_add(&s->history, &r, e)) return -1;
    }
    round_record_close(&g);
    return history_add(&s->history, &g, e);
}

int simulation_validate(struct simulation *s, struct error *e)
{
    const struct federate_options *o = s->o;
    const int last = s->history.count - 1, validates = simulation_validates(o);
    struct round_record *row = s->history.record, *g = &row[last];
    int first = last, status = 0;
    while (first > 0 && row[first - 1].site >= 0) first--;
    for (int i = first; i < last; i++) {
        const struct federate_client *c = &o->client[row[i].site];
        if (validates && c->validation.store.cases > 0)
            status = validate_row(s, &row[i], &c->validation, simulation_site_batches(o), e);
        if (status) return status;
        if (s->events && s->events->site_done) s->events->site_done(s->events->arg, &row[i], c->name);
    }
    if (validates) status = validate_row(s, g, o->validation, o->validation_batches, e);
    if (status) return status;
    if (validates && isnan(g->validation_loss)) /* finite weights, but too large to compute with */
        return error_set(e, "round %d: the validation's loss became nan: lower the learning rate", g->round);
    follow_metric(s, g);
    return 0;
}
