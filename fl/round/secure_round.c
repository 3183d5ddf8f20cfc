/* secure_round.c - terms, sessions and masks of secure aggregation in the rounds of a federation.
 * The book: docs/book/14_federated_averaging.md */
#include "fl/round/secure_round.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/base/vector.h"
#include "io/base/sha256.h"
#include "tensor/base/check.h"

/* ---- terms --------------------------------------------------------------------------------------------- */

/* Whether each update enters one sum with a whole number that the site knows: its examples, or 1. */
static int weighs_wholly(const struct agreement *f)
{
    static const struct contribution probe[2] = {
        {.examples = 3, .steps = 5, .effective = 5, .lr_sum = 0.5, .start_loss = 1, .distance2 = 1},
        {.examples = 70, .steps = 9, .effective = 11, .lr_sum = 2, .start_loss = 0.1, .distance2 = 4}};
    if (f->strategy->sums != 1) return 0;
    for (int i = 0; i < 2; i++) {
        double w = f->strategy->weight(f->option, &probe[i], 0);
        if (w != 1 && w != probe[i].examples) return 0;
    }
    return 1;
}

int secure_least(const struct agreement *f)
{
    return agreement_drawn(f) / 2 + 1;
}

int secure_check(const struct agreement *f, struct error *e)
{
    const char *strategy = f->strategy->name;
    int drawn = agreement_drawn(f);
    if (f->secure_range == 0) return 0;
    if (!(f->secure_range >= 1e-6 && f->secure_range <= 1e9))
        return error_set(e, "--secure-range %g: not from 1e-6 to 1e9", f->secure_range);
    if (f->strategy->sums == 0)
        return error_set(e, "--secure with --strategy %s: it compares the sites' single updates, which "
                            "secure aggregation hides",
                         strategy);
    if (!weighs_wholly(f))
        return error_set(e, "--secure with --strategy %s: it weighs updates by other numbers than cases, or "
                            "needs more than one sum of them",
                         strategy);
    if (f->compress)
        return error_set(e, "--secure with --compress %s: a masked update looks random and cannot be packed",
                         compress_name(f->compress));
    if (drawn < 3 || drawn > SHAMIR_SITES)
        return error_set(e, "--secure: %d of %d sites train in a round (--sites, --fraction), not 3 to %d",
                         drawn, f->sites, SHAMIR_SITES);
    return 0;
}

/* ---- sessions ------------------------------------------------------------------------------------------ */

int secure_round_parameters(struct secure_parameters *p, const struct agreement *f, int sites,
                            const struct task *t, size_t count, struct error *e)
{
    struct sha256 h;
    unsigned char digest[32], round[4];
    *p = (struct secure_parameters){.sites = sites,
                                    .threshold = sites / 2 + 1,
                                    .bits = 64,
                                    .range = f->secure_range,
                                    .weight_max = SECURE_WEIGHT,
                                    .count = count};
    bytes_store_u32(round, (uint32_t)t->round);
    sha256_init(&h);
    sha256_update(&h, f->hash, strlen(f->hash));
    sha256_update(&h, round, sizeof round);
    sha256_update(&h, t->base, strlen(t->base));
    sha256_final(&h, digest);
    memcpy(p->session, digest, sizeof p->session);
    return secure_parameters_check(p, e);
}

static int check_range(const struct update *u, const struct agreement *f, struct error *e)
{
    double most = vector_max_abs(u->values, u->count);
    if (most <= f->secure_range) return 0;
    return error_set(e, "site %s: a weight moved by %g, beyond --secure-range %g", u->site, most,
                     f->secure_range);
}

int secure_round_mask(struct update *u, struct secure_site *s, const struct bytes *inbox,
                      const struct task *t, const struct agreement *f, struct error *e)
{
    double weight = f->strategy->weight(f->option, &u->numbers, 0);
    ENSURE(u->kind != UPDATE_HIDDEN, "the update of site %s is hidden already", u->site);
    update_to(u, UPDATE_DIFFERENCE, t->weights);
    if (check_range(u, f, e)) return -1;
    if (!(weight >= 1 && weight <= SECURE_WEIGHT))
        return error_set(e, "site %s: has %g training cases, --secure counts up to %d", u->site, weight,
                         SECURE_WEIGHT);
    bytes_free(&u->packed);
    if (secure_site_mask(s, inbox->data, inbox->size, u->values, (uint32_t)weight, NULL, &u->packed, e))
        return error_prefix(e, "site %s", u->site);
    memset(u->values, 0, u->count * sizeof *u->values);
    u->kind = UPDATE_HIDDEN;
    return 0;
}

/* ---- a whole session in one process -------------------------------------------------------------------- */

void secure_session_end(struct secure_session *s)
{
    for (int i = 0; s->site && i < s->server.p.sites; i++) secure_site_end(&s->site[i]);
    free(s->site);
    secure_server_end(&s->server);
    memset(s, 0, sizeof *s);
}

static int take_message(struct secure_session *s, struct bytes *message, struct error *e)
{
    int status = secure_server_take(&s->server, -1, message->data, message->size, e);
    bytes_free(message);
    return status;
}

static int exchange_keys(struct secure_session *s, const struct secure_parameters *p, struct randomness *r,
                         struct error *e)
{
    struct bytes message = {0}, question = {0};
    int status = 0;
    for (int i = 0; !status && i < p->sites; i++) {
        status = secure_site_begin(&s->site[i], p, i, r, &message, e);
        if (!status) status = take_message(s, &message, e);
    }
    if (!status) status = secure_server_next(&s->server, e);
    for (int i = 0; !status && i < p->sites; i++) {
        status = secure_server_message(&s->server, i, &question, e);
        if (!status) status = secure_site_share(&s->site[i], question.data, question.size, r, &message, e);
        if (!status) status = take_message(s, &message, e);
        bytes_free(&question);
    }
    bytes_free(&message);
    return status ? -1 : secure_server_next(&s->server, e);
}

int secure_session_begin(struct secure_session *s, const struct agreement *f, int sites,
                         const struct task *t, size_t count, struct error *e)
{
    struct secure_parameters p;
    struct randomness r;
    memset(s, 0, sizeof *s);
    if (secure_round_parameters(&p, f, sites, t, count, e) || secure_server_begin(&s->server, &p, e))
        return -1;
    s->site = calloc((size_t)sites, sizeof *s->site);
    int status = s->site ? randomness_system(&r, e) : error_set(e, "out of memory for %d sites", sites);
    if (!status) {
        status = exchange_keys(s, &p, &r, e);
        randomness_end(&r);
    }
    if (status) secure_session_end(s);
    return status;
}

int secure_session_hide(struct secure_session *s, int i, struct update *u, const struct task *t,
                        const struct agreement *f, struct error *e)
{
    struct bytes inbox = {0};
    int status = secure_server_message(&s->server, i, &inbox, e);
    if (!status) status = secure_round_mask(u, &s->site[i], &inbox, t, f, e);
    bytes_free(&inbox);
    return status;
}

int secure_session_take(struct secure_session *s, const struct update *u, struct error *e)
{
    return secure_server_take(&s->server, -1, u->packed.data, u->packed.size, e);
}

int secure_session_mean(struct secure_session *s, float *mean, double *weight, struct error *e)
{
    struct bytes message = {0}, question = {0};
    int status = secure_server_next(&s->server, e);
    for (int i = 0; !status && i < s->server.p.sites; i++) {
        if (!s->server.came[SECURE_MASKED][i]) continue;
        status = secure_server_message(&s->server, i, &question, e);
        if (!status)
            status = secure_site_reveal(&s->site[i], question.data, question.size, &message, e);
        if (!status) status = take_message(s, &message, e);
        bytes_free(&question);
    }
    bytes_free(&message);
    return status ? -1 : secure_server_mean(&s->server, mean, weight, e);
}
