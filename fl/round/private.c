/* private.c - clipping, noise and its account in the rounds of a federation. */
#include "fl/round/private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fl/privacy/accountant.h"
#include "fl/privacy/dp.h"

static const char *kind_name(const struct federation *f)
{
    return f->privacy.kind == PRIVACY_CENTRAL ? "central" : "local";
}

/* Two updates that differ in everything count 1 each. */
static int weighs_equally(const struct federation *f)
{
    struct contribution a = {
        .examples = 3, .steps = 5, .effective = 5, .lr_sum = 0.5, .start_loss = 1, .distance2 = 1};
    struct contribution b = {
        .examples = 70, .steps = 9, .effective = 11, .lr_sum = 2, .start_loss = 0.1, .distance2 = 4};
    const struct strategy *s = f->strategy;
    return s->sums == 1 && s->weight(f->option, &a, 0) == 1 && s->weight(f->option, &b, 0) == 1;
}

/* Of the noise on the number of sites whose update was short enough. */
static double count_deviation(const struct federation *f)
{
    double drawn = ceil(f->fraction * f->sites - 1e-9);
    if (drawn < f->minimum) drawn = f->minimum;
    return fmax(drawn / 20, f->privacy.noise);
}

int private_check(const struct federation *f, struct error *e)
{
    const struct privacy_terms *p = &f->privacy;
    if (p->kind == PRIVACY_NONE) return 0;
    if (!(p->noise > 0 && p->noise <= 1e6) || !(p->clip > 0 && p->clip <= 1e6) ||
        !(p->delta > 0 && p->delta < 1))
        return error_set(
            e, "privacy: noise %g, clip %g, delta %g: noise and clip are above 0, delta between 0 and 1",
            p->noise, p->clip, p->delta);
    if (p->adaptive && p->kind != PRIVACY_CENTRAL)
        return error_set(e, "--dp-adaptive with --dp local: the norm follows a count that the server adds noise to; "
                            "it needs --dp central");
    if (p->adaptive && (!(p->quantile > 0 && p->quantile < 1) || !(p->rate > 0 && p->rate <= 100)))
        return error_set(e, "adaptive clipping: quantile %g, rate %g: the first is between 0 and 1, the second above 0",
                         p->quantile, p->rate);
    if (p->kind == PRIVACY_CENTRAL && !weighs_equally(f))
        return error_set(e,
                         "central privacy needs a strategy that weighs sites equally (fedavg with equal 1, "
                         "feddyn), not %s as it is asked for",
                         f->strategy->name);
    if (p->kind == PRIVACY_CENTRAL && f->compress)
        return error_set(e, "central privacy and compression do not go together: what packing gives back "
                            "later is not clipped");
    return 0;
}

/* Of the system, or, for tests, of a stated seed. */
static int open_randomness(struct randomness *r, uint32_t key, int round, const struct federation *f,
                           struct error *e)
{
    if (!f->privacy.test_seed) return randomness_system(r, e);
    randomness_for_tests(r, f->privacy.test_seed * 1000003u + (uint64_t)round * 4294967291u + key);
    return 0;
}

static int add_noise(float *x, double deviation, uint32_t key, int round, const struct federation *f,
                     const struct model *layout, struct error *e)
{
    struct randomness r;
    if (open_randomness(&r, key, round, f, e)) return -1;
    for (int i = 0; i < layout->params; i++)
        dp_noise(x + layout->param[i].offset, layout->param[i].count, deviation, &r);
    randomness_end(&r);
    return 0;
}

double private_clip(const struct task *t, const struct federation *f)
{
    return f->privacy.adaptive ? t->clip : f->privacy.clip;
}

int private_update(struct update *u, const struct task *t, const struct federation *f,
                   const struct model *layout, struct error *e)
{
    const struct privacy_terms *p = &f->privacy;
    double before, clip = private_clip(t, f);
    if (p->kind == PRIVACY_NONE) return 0;
    update_to(u, UPDATE_DIFFERENCE, t->weights);
    if (dp_clip(u->values, u->count, clip, &before, e)) return error_prefix(e, "site %s", u->site);
    if (p->adaptive) u->within = before <= clip;
    if (p->kind != PRIVACY_LOCAL) return 0;
    return add_noise(u->values, p->noise * clip, site_key(u->site, 2), t->round, f, layout, e);
}

int private_noise(float *noise, int round, double clip, const struct federation *f,
                  const struct model *layout, struct error *e)
{
    double multiplier = f->privacy.noise;
    if (f->privacy.kind != PRIVACY_CENTRAL) return 0;
    if (f->privacy.adaptive && dp_adaptive_split(&multiplier, multiplier, count_deviation(f), e)) return -1;
    memset(noise, 0, layout->count * sizeof *noise);
    return add_noise(noise, multiplier * clip, 0, round, f, layout, e) ? -1 : 1;
}

/* The key is none of a vector's: 0 the server's, the others hashes of names. */
int private_follow(double *clip, int within, int updates, int round, const struct federation *f,
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

double private_epsilon(const struct federation *f, int rounds)
{
    struct accountant a = {{0}};
    struct error ignored;
    if (f->privacy.kind == PRIVACY_NONE || accountant_add(&a, 1, f->privacy.noise, rounds, &ignored))
        return NAN;
    return accountant_epsilon(&a, f->privacy.delta, NULL);
}

void private_text(char text[160], const struct federation *f, int rounds, double clip)
{
    const struct privacy_terms *p = &f->privacy;
    text[0] = 0;
    if (p->kind == PRIVACY_NONE) return;
    snprintf(text, 160, "%s%s, noise %g, clip %.4g%s: epsilon %.3g at delta %g after %d round%s",
             p->test_seed ? "TEST SEED, NOT PRIVATE: " : "", kind_name(f), p->noise,
             p->adaptive ? clip : p->clip, p->adaptive ? " (adaptive)" : "", private_epsilon(f, rounds),
             p->delta, rounds, rounds == 1 ? "" : "s");
}
