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

int private_check(const struct federation *f, struct error *e)
{
    const struct privacy_terms *p = &f->privacy;
    if (p->kind == PRIVACY_NONE) return 0;
    if (!(p->noise > 0 && p->noise <= 1e6) || !(p->clip > 0 && p->clip <= 1e6) ||
        !(p->delta > 0 && p->delta < 1))
        return error_set(
            e, "privacy: noise %g, clip %g, delta %g: noise and clip are above 0, delta between 0 and 1",
            p->noise, p->clip, p->delta);
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

/* Noise of the system's randomness, or, for tests, of a stated seed. */
static int add_noise(float *x, uint32_t key, int round, const struct federation *f,
                     const struct model *layout, struct error *e)
{
    struct randomness r;
    const struct privacy_terms *p = &f->privacy;
    if (p->test_seed)
        randomness_for_tests(&r, p->test_seed * 1000003u + (uint64_t)round * 4294967291u + key);
    else if (randomness_system(&r, e))
        return -1;
    for (int i = 0; i < layout->params; i++)
        dp_noise(x + layout->param[i].offset, layout->param[i].count, p->noise * p->clip, &r);
    randomness_end(&r);
    return 0;
}

int private_update(struct update *u, const struct task *t, const struct federation *f,
                   const struct model *layout, struct error *e)
{
    double before;
    if (f->privacy.kind == PRIVACY_NONE) return 0;
    update_to(u, UPDATE_DIFFERENCE, t->weights);
    if (dp_clip(u->values, u->count, f->privacy.clip, &before, e)) return error_prefix(e, "site %s", u->site);
    return f->privacy.kind == PRIVACY_LOCAL
               ? add_noise(u->values, site_key(u->site, 2), t->round, f, layout, e)
               : 0;
}

int private_noise(float *noise, int round, const struct federation *f, const struct model *layout,
                  struct error *e)
{
    if (f->privacy.kind != PRIVACY_CENTRAL) return 0;
    memset(noise, 0, layout->count * sizeof *noise);
    return add_noise(noise, 0, round, f, layout, e) ? -1 : 1;
}

double private_epsilon(const struct federation *f, int rounds)
{
    struct accountant a = {{0}};
    struct error ignored;
    if (f->privacy.kind == PRIVACY_NONE || accountant_add(&a, 1, f->privacy.noise, rounds, &ignored))
        return NAN;
    return accountant_epsilon(&a, f->privacy.delta, NULL);
}

void private_text(char text[160], const struct federation *f, int rounds)
{
    const struct privacy_terms *p = &f->privacy;
    text[0] = 0;
    if (p->kind == PRIVACY_NONE) return;
    snprintf(text, 160, "%s%s, noise %g, clip %g: epsilon %.3g at delta %g after %d round%s",
             p->test_seed ? "TEST SEED, NOT PRIVATE: " : "", kind_name(f), p->noise, p->clip,
             private_epsilon(f, rounds), p->delta, rounds, rounds == 1 ? "" : "s");
}
