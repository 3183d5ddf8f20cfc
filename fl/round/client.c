/* client.c - local training of a round.
 * The book: docs/book/14_federated_averaging.md */
#include "fl/round/client.h"

#include "fl/base/vector.h"
#include "fl/round/private.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/sha256.h"
#include "nn/train/learner_data.h"
#include "tensor/base/check.h"
#include "tensor/base/clock.h"

/* ---- its cases ----------------------------------------------------------------------------------------- */

void client_hash_cases(char hex[65], const struct learner_data *data, const struct learner_data *validation)
{
    struct sha256 h;
    unsigned char digest[32];
    const struct case_store *part[2] = {&data->store, &validation->store};
    sha256_init(&h);
    for (int p = 0; p < 2; p++) {
        char text[32];
        for (int i = 0; i < part[p]->cases; i++)
            sha256_update(&h, text, (size_t)snprintf(text, sizeof text, "%d,", part[p]->index[i]));
        sha256_update(&h, ";", 1);
    }
    sha256_final(&h, digest);
    for (int i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

/* ---- local training ------------------------------------------------------------------------------------ */

struct pass {
    const struct agreement *f;
    const struct train_options *options; /* with the site's own number of iterations */
    struct learner *l;
    struct local_round *local;
    int round, with_gradient, reports;
    const char *site;
    const struct client_events *events;
    int steps; /* done */
    double loss, first, lr_sum, effective; /* sums over these; first: of the first */
};

static int stops(const struct pass *p)
{
    return p->events && p->events->stop && p->steps < p->options->iterations &&
           p->events->stop(p->events->arg);
}

/* What a step (1: the optimiser's first) moves the weights, in learning rates, where every gradient until
 * then was 1. The velocity stays at the site, with the gradients of the rounds before in it: the first step
 * of a round moves as far as the last of the round before. */
static double applied(const struct train_options *o, int64_t step)
{
    double power = 1, rho = o->optimizer->linear ? (double)o->momentum : 0;
    if (rho == 0) return 1;
    for (int64_t i = 0; i <= step && power > 1e-12; i++) power *= rho; /* Nesterov looks one step ahead */
    return (1 - power) / (1 - rho);
}

/* Between steps that each count once and steps that count with all of their momentum. */
static int check_sum(const char *what, double v, double least, double most, struct error *e)
{
    if (v >= least * (1 - 1e-6) && v <= most * (1 + 1e-6)) return 0;
    return error_set(e, "%s are %g, what was agreed on makes %g to %g", what, v, least, most);
}

int client_check_steps(const struct agreement *f, int round, const struct contribution *c, struct error *e)
{
    enum { MOST = 1000000 }; /* of which the learning rates are summed */
    struct train_options o = f->train;
    double rates = 0, most = 1 / (1 - (o.optimizer->linear ? (double)o.momentum : 0));
    o.iterations = local_iterations(f, (int)fmin(c->examples, 1e9));
    if (c->steps != o.iterations)
        return error_set(e, "took %g steps, %d were agreed on", c->steps, o.iterations);
    if (check_sum("effective steps", c->effective, c->steps, c->steps * most, e)) return -1;
    if (o.iterations > MOST) return 0;
    for (int i = 0; i < o.iterations; i++)
        rates += (double)learner_lr(&o, (uint64_t)round * (uint64_t)o.iterations + (uint64_t)i);
    return check_sum("learning rates", c->lr_sum, rates, rates * most, e);
}

/* From the step where p is. */
static int run_pass(struct pass *p, struct error *e)
{
    int n = p->options->iterations;
    while (p->steps < n) {
        int i = p->steps++;
        uint64_t step = (uint64_t)p->round * (uint64_t)n + (uint64_t)i;
        float lr = learner_lr(p->options, step);
        double loss = p->steps > 1 ? p->loss / (p->steps - 1) : 0; /* of a step that takes no case */
        if (p->f->privacy.kind != PRIVACY_SGD)
            loss = learner_backward(p->l, step);
        else if (private_gradient(&loss, p->l, step, p->site, p->f, e))
            return -1;
        if (!(fabs(loss) <= LOSS_LARGEST))
            return error_set(e, "the loss became %g at local step %d", loss, i + 1);
        if (p->with_gradient) p->f->strategy->gradient(p->local);
        learner_update(p->l, lr);
        p->loss += loss;
        if (i == 0) p->first = loss;
        double times = applied(p->options, p->l->optimizer->steps);
        p->effective += times;
        p->lr_sum += times * (double)lr;
        if (p->reports && p->events && p->events->step) p->events->step(p->events->arg, i + 1, n, loss);
        if (stops(p)) return CLIENT_STOPPED;
    }
    for (size_t i = 0; i < p->l->model->count; i++)
        if (!isfinite(p->l->model->data[i]))
            return error_set(e, "weights became %g", (double)p->l->model->data[i]);
    return 0;
}

static void hash_weights(char hash[17], const struct model *layout, const float *weights)
{
    struct model m = *layout;
    m.data = (float *)weights; /* model_hash only reads */
    snprintf(hash, 17, "%016" PRIx64, model_hash(&m));
}

/* Copies what a pause needs into the state; the learner's model is the one in training. */
static int pause_site(struct site_state *s, const struct pass *global, const struct update *u, int personal,
                      int steps, struct error *e)
{
    struct site_pause *p = &s->pause;
    size_t count = global->l->model->count;
    if (!p->weights) p->weights = malloc((count + 1) * sizeof *p->weights);
    if (!p->values) p->values = malloc((count + 1) * sizeof *p->values);
    if (!p->weights || !p->values) return error_set(e, "out of memory for the pause of site %s", s->name);
    memcpy(p->weights, global->l->model->data, count * sizeof *p->weights);
    memset(p->values, 0, count * sizeof *p->values);
    if (personal) memcpy(p->values, u->values, count * sizeof *p->values);
    p->round = global->round;
    p->personal = personal;
    p->steps = steps;
    p->loss = global->loss, p->first = global->first;
    p->lr_sum = global->lr_sum, p->effective = global->effective;
    hash_weights(p->weights_hash, global->l->model, global->local->global);
    return CLIENT_STOPPED;
}

/* The personal model: slot 0 its weights, slots 1 and 2 its moments, with the step count that the global pass
 * began with. */
static int train_personal(const struct pass *trained, struct site_state *s, const struct update *u,
                          struct error *e)
{
    struct pass p = *trained;
    struct learner *l = p.l;
    struct optimizer *global = l->optimizer;
    struct optimizer personal = {.method = global->method, .settings = global->settings, .clip = global->clip,
                                 .steps = global->steps - trained->steps, .count = global->count};
    size_t bytes = l->model->count * sizeof(float);
    int goes_on = s->pause.round >= 0 && s->pause.personal;
    if (s->rounds_before == 0 && !goes_on) memcpy(s->slot[0], p.local->global, bytes);
    memcpy(l->model->data, goes_on ? s->pause.weights : s->slot[0], bytes);
    p.steps = goes_on ? s->pause.steps : 0;
    personal.steps += p.steps;
    for (int k = 0; k < global->method->moments; k++) personal.moment[k] = s->slot[1 + k];
    l->optimizer = &personal;
    p.with_gradient = 1;
    p.reports = 0;
    int status = run_pass(&p, e);
    l->optimizer = global;
    if (status > 0) return pause_site(s, trained, u, 1, p.steps, e);
    if (!status) memcpy(s->slot[0], l->model->data, bytes);
    return status ? error_prefix(e, "personal model") : 0;
}

/* A pass goes on where it was stopped; one that is over has all its steps. */
static void take_pause(struct pass *p, const struct site_pause *pause)
{
    p->steps = pause->personal ? p->options->iterations : pause->steps;
    p->loss = pause->loss, p->first = pause->first;
    p->lr_sum = pause->lr_sum, p->effective = pause->effective;
}

static int train_global(struct update *u, struct site_state *s, struct learner *l, struct pass *p,
                        struct error *e)
{
    const struct strategy *strategy = p->f->strategy;
    size_t bytes = u->count * sizeof *u->values;
    if (s->pause.round >= 0)
        memcpy(l->model->data, s->pause.weights, bytes);
    else if (strategy->begin)
        strategy->begin(p->local);
    p->with_gradient = strategy->gradient && !strategy->personal;
    int status = run_pass(p, e);
    if (status > 0) return pause_site(s, p, u, 0, p->steps, e);
    if (status) return -1;
    p->local->lr_sum = p->lr_sum;
    if (strategy->end) strategy->end(p->local);
    memcpy(u->values, l->model->data, bytes);
    return 0;
}

static int train_site(struct update *u, struct site_state *s, struct learner *l, struct pass *p,
                      struct error *e)
{
    const struct site_pause *pause = &s->pause;
    int status = 0;
    if (pause->round >= 0) take_pause(p, pause);
    if (pause->round >= 0 && pause->personal)
        memcpy(u->values, pause->values, u->count * sizeof *u->values);
    else
        status = train_global(u, s, l, p, e);
    return status == 0 && p->f->strategy->personal ? train_personal(p, s, u, e) : status;
}

/* The pause of a state belongs to this round and its weights. */
static int check_pause(struct site_state *s, const struct task *t, const struct model *layout, int iterations,
                       struct error *e)
{
    char hash[17];
    struct site_pause *p = &s->pause;
    if (p->round < 0) {
        p->seconds = 0;
        return 0;
    }
    hash_weights(hash, layout, t->weights);
    if (p->round != t->round || p->steps > iterations)
        return error_set(e, "site %s was stopped at step %d of round %d, asked for round %d of %d steps",
                         s->name, p->steps, p->round, t->round, iterations);
    if (strcmp(p->weights_hash, hash) == 0) return 0;
    return error_set(e, "site %s was stopped in a round %d of weights %s, not %s", s->name, p->round,
                     p->weights_hash, hash);
}

static int check_finite(const float *v, size_t count, const char *what, struct error *e)
{
    const double most = v ? vector_max_abs(v, count) : 0;
    return isfinite(most) ? 0 : error_set(e, "%s are not finite", what);
}

/* What a site keeps is finite, as its weights are: a moment can overflow before they do. */
static int check_kept(const struct site_state *s, size_t count, struct error *e)
{
    for (int k = 0; k < s->optimizer.method->moments; k++)
        if (check_finite(s->optimizer.moment[k], count, "the optimizer's moments", e)) return -1;
    for (int k = 0; k < STRATEGY_SLOTS; k++)
        if (check_finite(s->slot[k], count, "the strategy's vectors", e)) return -1;
    return check_finite(s->average.weights, count, "averaged weights", e);
}

struct copying {
    float *to;
    const float *from;
};

static void copy_part(void *arg, size_t begin, size_t end)
{
    const struct copying *c = arg;
    memcpy(c->to + begin, c->from + begin, (end - begin) * sizeof *c->to);
}

int client_update(struct update *u, struct site_state *s, struct learner *l, const struct learner_data *data,
                  const struct task *t, const struct agreement *f, const struct client_events *events,
                  struct error *e)
{
    double start = clock_seconds();
    struct train_options options = f->train;
    struct local_round local = {.option = f->option,
                                .model = l->model,
                                .global = t->weights,
                                .rounds_before = s->rounds_before,
                                .pool = l->pool};
    struct pass pass = {.f = f,
                        .options = &options,
                        .l = l,
                        .local = &local,
                        .round = t->round,
                        .site = s->name,
                        .reports = 1,
                        .events = events};
    ENSURE(u->count == l->model->count && s->next_round <= t->round, "site %s is in round %d, asked for %d",
           s->name, s->next_round, t->round);
    options.iterations = local_iterations(f, data->store.cases);
    for (int k = 0; k < STRATEGY_SLOTS; k++) local.shared[k] = t->shared[k], local.slot[k] = s->slot[k];
    if (learner_reserve(l, data, e)) return error_prefix(e, "site %s", s->name);
    /* By all threads: the first time, all of this memory is new. */
    vector_for(u->count, copy_part, &(struct copying){l->model->data, t->weights}, l->pool);
    if (check_pause(s, t, l->model, options.iterations, e)) return -1;
    learner_switch(l, data, site_key(s->name, f->sites));
    struct optimizer *before = l->optimizer;
    l->optimizer = &s->optimizer;
    l->average = s->average.weights ? &s->average : NULL;
    int status = train_site(u, s, l, &pass, e);
    if (!status) status = check_kept(s, u->count, e);
    l->optimizer = before;
    l->average = NULL;
    s->pause.seconds += clock_seconds() - start;
    if (status > 0) return CLIENT_STOPPED;
    if (status) {
        model_zero_grad(l->model, l->pool); /* of the step that failed: the next site must not find it */
        return error_prefix(e, "site %s, round %d", s->name, t->round);
    }
    site_state_go_on(s);
    s->next_round = t->round + 1;
    s->rounds_before++;
    snprintf(u->site, sizeof u->site, "%s", s->name);
    u->round = t->round;
    u->kind = UPDATE_WEIGHTS;
    u->loss = pass.loss / options.iterations;
    u->numbers = (struct contribution){.site = u->site,
                                       .examples = data->store.cases,
                                       .steps = options.iterations,
                                       .effective = pass.effective,
                                       .lr_sum = pass.lr_sum,
                                       .start_loss = pass.first,
                                       .distance2 = NAN};
    snprintf(u->base, sizeof u->base, "%s", t->base);
    u->metric_before = u->loss_before = u->metric_after = u->loss_after = NAN;
    u->validation_cases = 0;
    u->within = -1;
    u->seconds = s->pause.seconds;
    return 0;
}

int client_validate(struct update *u, int after, const float *weights, struct learner *l,
                    const struct learner_data *validation, int batches, struct error *e)
{
    struct validation v;
    u->validation_cases = validation->store.cases;
    if (u->validation_cases == 0 || batches == 0) return 0;
    memcpy(l->model->data, weights, l->model->count * sizeof(float));
    if (learner_validate(&v, l, validation, batches, e)) return error_prefix(e, "site %s", u->site);
    *(after ? &u->metric_after : &u->metric_before) = v.metric;
    *(after ? &u->loss_after : &u->loss_before) = fabs(v.loss) <= LOSS_LARGEST ? v.loss : NAN;
    return 0;
}

int client_own(float *out, const struct site_state *s, const float *global, const struct agreement *f,
               struct model *layout)
{
    struct local_round l = {
        .option = f->option, .model = layout, .global = global, .rounds_before = s->rounds_before};
    if (!f->strategy->own) return 0;
    for (int i = 0; i < STRATEGY_SLOTS; i++) l.slot[i] = s->slot[i];
    f->strategy->own(out, &l);
    return 1;
}

int client_pack(struct update *u, struct site_state *s, const struct task *t, const struct agreement *f,
                const struct model *layout, struct error *e)
{
    struct compress_options o = compress_options_default();
    bytes_free(&u->packed);
    if (private_update(u, t, f, layout, e)) return -1;
    if (!f->compress) return 0;
    o.share = f->compress_share;
    o.stochastic = 1;
    o.seed = f->train.seed;
    o.client = site_key(s->name, f->sites);
    o.round = (uint64_t)t->round;
    update_to(u, UPDATE_DIFFERENCE, t->weights);
    if (compress_encode_feedback(&u->packed, f->compress, &o, u->values, s->residual, u->count, e))
        return error_prefix(e, "site %s", s->name);
    return compress_decode(u->values, u->count, u->packed.data, u->packed.size, e);
}
