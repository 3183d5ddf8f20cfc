/* private.c - clipping, noise and its account in the rounds of a federation. */
#include "fl/round/private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/privacy/accountant.h"
#include "fl/privacy/dp.h"
#include "nn/train/learner_data.h"

static const char *kind_name(const struct agreement *f)
{
    static const char *const name[] = {"none", "central", "local", "sgd, of each case"};
    return name[f->privacy.kind];
}

/* Two updates that differ in everything count 1 each. */
static int weighs_equally(const struct agreement *f)
{
    struct contribution a = {
        .examples = 3, .steps = 5, .effective = 5, .lr_sum = 0.5, .start_loss = 1, .distance2 = 1};
    struct contribution b = {
        .examples = 70, .steps = 9, .effective = 11, .lr_sum = 2, .start_loss = 0.1, .distance2 = 4};
    const struct strategy *s = f->strategy;
    return s->sums == 1 && s->weight(f->option, &a, 0) == 1 && s->weight(f->option, &b, 0) == 1;
}

/* Of the noise on the number of sites whose update was short enough. */
static double count_deviation(const struct agreement *f)
{
    return fmax(agreement_drawn(f) / 20.0, f->privacy.noise);
}

/* What would let one case into more than its own gradient. */
static int check_sgd(const struct agreement *f, struct error *e)
{
    const struct train_options *o = &f->train;
    if (!o->task->one_case)
        return error_set(e, "--dp sgd is for classification: a case of %s is many patches", o->task->title);
    if (o->class_weighting)
        return error_set(e, "--dp sgd with class weights, which count the classes of all cases: add "
                            "--no-class-weights");
    if (o->covariates.count)
        return error_set(e, "--dp sgd with covariates, whose mean and variance are of all cases");
    if (network_classifier_norm_of(&o->classifier)->over_batch)
        return error_set(
            e, "--dp sgd with batch norm, whose statistics are of several cases: add --norm group or --norm "
               "instance");
    if (f->local_epochs)
        return error_set(e, "--dp sgd with --local-epochs: how many steps a site takes would follow from its "
                            "cases, and the account is of a given number: use --local-iterations");
    if (strategy_weighs_by_loss(f->strategy, f->option))
        return error_set(e, "--dp sgd with --strategy %s: it weighs the sites by the losses of their cases, "
                            "which get no noise",
                         f->strategy->name);
    if (f->strategy->personal)
        return error_set(e, "--dp sgd with --strategy %s: its personal models train on every case once more",
                         f->strategy->name);
    return 0;
}

int private_check(const struct agreement *f, struct error *e)
{
    const struct privacy_terms *p = &f->privacy;
    if (p->kind == PRIVACY_NONE) return 0;
    if (!(p->noise > 0 && p->noise <= 1e6) || !(p->clip > 0 && p->clip <= 1e6) ||
        !(p->delta > 0 && p->delta < 1))
        return error_set(
            e, "privacy: noise %g, clip %g, delta %g: noise and clip are above 0, delta between 0 and 1",
            p->noise, p->clip, p->delta);
    if (p->adaptive && p->kind != PRIVACY_CENTRAL)
        return error_set(
            e,
            "--dp-adaptive with --dp %s: the norm follows a count that the server adds noise to; it needs "
            "--dp central",
            p->kind == PRIVACY_SGD ? "sgd" : "local");
    if (p->adaptive && (!(p->quantile > 0 && p->quantile < 1) || !(p->rate > 0 && p->rate <= 100)))
        return error_set(
            e, "adaptive clipping: quantile %g, rate %g: the first is between 0 and 1, the second above 0",
            p->quantile, p->rate);
    if (p->kind == PRIVACY_SGD && check_sgd(f, e)) return -1;
    if (p->kind == PRIVACY_CENTRAL && !weighs_equally(f))
        return error_set(e,
                         "--dp central needs a strategy that weighs sites equally (fedavg with "
                         "--fedavg-equal 1, or feddyn), not %s as it is asked for",
                         f->strategy->name);
    if (p->kind == PRIVACY_CENTRAL && f->compress)
        return error_set(e, "--dp central and --compress do not go together: what packing gives back "
                            "later is not clipped");
    return 0;
}

/* Of the system, or, for tests, of a stated seed. */
static int open_randomness(struct randomness *r, uint32_t key, int round, const struct agreement *f,
                           struct error *e)
{
    if (!f->privacy.test_seed) return randomness_system(r, e);
    randomness_for_tests(r, f->privacy.test_seed * 1000003u + (uint64_t)round * 4294967291u + key);
    return 0;
}

/* put: dp_noise or dp_normal. */
static int put_noise(void (*put)(float *, size_t, double, struct randomness *), float *x, double deviation,
                     uint32_t key, int round, const struct agreement *f, const struct model *layout,
                     struct error *e)
{
    struct randomness r;
    if (open_randomness(&r, key, round, f, e)) return -1;
    for (int i = 0; i < layout->params; i++)
        put(x + layout->param[i].offset, layout->param[i].count, deviation, &r);
    randomness_end(&r);
    return 0;
}

double private_clip(const struct task *t, const struct agreement *f)
{
    return f->privacy.adaptive ? t->clip : f->privacy.clip;
}

int private_update(struct update *u, const struct task *t, const struct agreement *f,
                   const struct model *layout, struct error *e)
{
    const struct privacy_terms *p = &f->privacy;
    double before, clip = private_clip(t, f);
    if (p->kind == PRIVACY_NONE || p->kind == PRIVACY_SGD) return 0;
    update_to(u, UPDATE_DIFFERENCE, t->weights);
    if (dp_clip(u->values, u->count, clip, &before, e)) return error_prefix(e, "site %s", u->site);
    if (p->adaptive) u->within = before <= clip;
    if (p->kind != PRIVACY_LOCAL) return 0;
    return put_noise(dp_noise, u->values, p->noise * clip, site_key(u->site, 2), t->round, f, layout, e);
}

int private_noise(float *noise, int *grid, int round, double clip, const struct agreement *f,
                  const struct model *layout, struct error *e)
{
    double multiplier = f->privacy.noise;
    if (f->privacy.kind != PRIVACY_CENTRAL) return 0;
    if (f->privacy.adaptive && dp_adaptive_split(&multiplier, multiplier, count_deviation(f), e)) return -1;
    memset(noise, 0, layout->count * sizeof *noise);
    *grid = dp_grid(multiplier * clip);
    return put_noise(dp_normal, noise, multiplier * clip, 0, round, f, layout, e) ? -1 : 1;
}

/* The key is none of a vector's: 0 the server's, the others hashes of names. */
int private_follow(double *clip, int within, int updates, int round, const struct agreement *f,
                   struct error *e)
{
    struct randomness r;
    struct dp_adaptive a = {*clip, f->privacy.quantile, f->privacy.rate};
    if (!f->privacy.adaptive) return 0;
    if (open_randomness(&r, 1, round, f, e)) return -1;
    dp_adaptive_update(&a, within, updates, count_deviation(f), &r);
    randomness_end(&r);
    *clip = fmin(fmax(a.norm, 1e-20), 1e20); /* noise alone could lead it anywhere, in many rounds */
    return 0;
}

/* ---- gradients of single cases ------------------------------------------------------------------------- */

struct case_gradient {
    struct learner *l;
    uint64_t step;
    double loss;
    int taken;
};

static int gradient_of_case(void *arg, int i, float *out, struct error *e)
{
    struct case_gradient *g = arg;
    const struct model *m = g->l->model;
    double loss = learner_backward_case(g->l, i, g->step * (uint64_t)g->l->data->store.cases + (uint64_t)i);
    if (!isfinite(loss)) return error_set(e, "the loss became %g", loss);
    for (int p = 0; p < m->params; p++)
        memcpy(out + m->param[p].offset, m->grad + m->param[p].offset, m->param[p].count * sizeof *out);
    g->loss += loss;
    g->taken++;
    return 0;
}

int private_gradient(double *loss, struct learner *l, uint64_t step, const char *site,
                     const struct agreement *f, struct error *e)
{
    struct model *m = l->model;
    struct randomness r;
    struct case_gradient g = {.l = l, .step = step};
    int cases = l->data->store.cases, batch = agreement_batch(f);
    struct dp_sgd d = {.rate = batch < cases ? (double)batch / cases : 1,
                       .clip = f->privacy.clip,
                       .noise = f->privacy.noise,
                       .gradient = gradient_of_case,
                       .arg = &g};
    float *sum = calloc(2 * (m->count + 1), sizeof *sum);
    int status = sum ? open_randomness(&r, site_key(site, 2), (int)(step % 1000000007), f, e)
                     : error_set(e, "out of memory for a gradient of %zu values", m->count);
    if (!status) {
        status = dp_sgd_sum(sum, sum + m->count, m->count, cases, &d, &r, e) < 0 ? -1 : 0;
        randomness_end(&r);
    }
    model_zero_grad(m, l->pool);
    for (int p = 0; !status && p < m->params; p++)
        for (size_t i = m->param[p].offset; i < m->param[p].offset + m->param[p].count; i++)
            m->grad[i] = param_trained(&m->param[p]) ? (float)((double)sum[i] / (d.rate * cases)) : 0;
    if (g.taken) *loss = g.loss / g.taken;
    free(sum);
    return status;
}

/* ---- the account --------------------------------------------------------------------------------------- */

double private_epsilon(const struct agreement *f, int rounds, int cases)
{
    struct accountant a = {{0}};
    struct error ignored;
    double rate = 1, steps = rounds;
    if (f->privacy.kind == PRIVACY_SGD) {
        rate = fmin(1, (double)agreement_batch(f) / cases);
        steps *= local_iterations(f, cases);
    }
    if (f->privacy.kind == PRIVACY_NONE || accountant_add(&a, rate, f->privacy.noise, steps, &ignored))
        return NAN;
    return accountant_epsilon(&a, f->privacy.delta, NULL);
}

void private_told(char text[128], const struct agreement *f, double clip)
{
    const struct privacy_terms *p = &f->privacy;
    text[0] = 0;
    if (p->kind == PRIVACY_NONE) return;
    snprintf(text, 128, "%s%s, noise %g, clip %.4g%s", p->test_seed ? "TEST SEED, NOT PRIVATE: " : "",
             kind_name(f), p->noise, p->adaptive ? clip : p->clip, p->adaptive ? " (adaptive)" : "");
}

void private_text(char text[160], const struct agreement *f, int rounds, double clip, int cases)
{
    char terms[128];
    private_told(terms, f, clip);
    text[0] = 0;
    if (!terms[0]) return;
    snprintf(text, 160, "%.100s: epsilon %.3g at delta %g after %d round%s", terms,
             private_epsilon(f, rounds, cases), f->privacy.delta, rounds, rounds == 1 ? "" : "s");
}
