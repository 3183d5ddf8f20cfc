/* carried_secure.c - a site in a masked round over carried files: keys, shares, the masked update, what it
 * reveals.
 *
 * The site's state, with the last message that it made, lies in its own folder, and is written before the
 * message: whatever is killed, the same bytes are sent again, and nothing is masked twice. It holds secrets;
 * those of earlier rounds are removed.
 */
#include "fl/carried/carried_secure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/privacy/chacha20.h"
#include "io/base/file.h"

const char *const secure_answer[SECURE_DONE + 1] = {"", "keys", "shares", "masked", "reveal", ""};
const char *const secure_question[SECURE_DONE + 1] = {"", "", "roster", "inbox", "survivors", ""};

int secure_answer_path(char path[1400], const struct carried *c, const char *site, int stage,
                       struct error *e)
{
    char name[SITE_NAME_MAX + 32];
    const char *kind = stage == SECURE_MASKED ? "" : secure_answer[stage];
    snprintf(name, sizeof name, "%s%s%s.safetensors", site, *kind ? "." : "", kind);
    return carried_path(path, c, c->round, name, e);
}

int secure_question_path(char path[1400], const struct carried *c, int stage, struct error *e)
{
    char name[64];
    snprintf(name, sizeof name, "server.%s.safetensors", secure_question[stage]);
    return carried_path(path, c, c->round, name, e);
}

void secure_name_site(struct error *e, const struct carried *c, const char *path)
{
    struct error why = *e, ignored;
    unsigned char *chosen = calloc((size_t)c->f.sites + 1, 1);
    const char *at = NULL, *next = why.text;
    int rank = -1, used = 0, drawn = 0, number, length;
    while ((next = strstr(next, "site ")) != NULL) {
        if (sscanf(next, "site %d%n", &number, &length) == 1) at = next, rank = number, used = length;
        next++;
    }
    if (at && chosen && agreement_draw(chosen, &c->f, c->round, &ignored) == 0)
        for (int i = 0; i < c->f.sites; i++)
            if (chosen[i] && drawn++ == rank)
                error_set(e, "%.*s (%s)%s", (int)(at + used - why.text), why.text, c->site[i], at + used);
    if (path) error_prefix(e, "%s", path);
    free(chosen);
}

struct step {
    struct carried *c;
    const struct secure_place *p;
    const struct task *t;
    struct update *u;
    struct secure_site site;
    struct bytes message; /* the last that it made */
    char secret[1300];    /* path of its state */
};

/* ---- the state ----------------------------------------------------------------------------------------- */

static const char secret_kind[] = "secure state", secret_prefix[] = "secure_";

static struct message_head head_of(const struct step *s, const char *kind, const char *site)
{
    return (struct message_head){kind, site, s->c->round, s->t->base, kind == secret_kind};
}

static int write_secret(const struct step *s, struct error *e)
{
    struct bytes site = {0};
    struct message_head h = head_of(s, secret_kind, s->p->name);
    secure_site_write(&s->site, &site);
    struct message_part part[2] = {{"site", site.data, site.size},
                                   {"message", s->message.data, s->message.size}};
    int status = bytes_done(&site, s->secret, e);
    if (!status) status = parts_write(&h, part, 2, &s->c->f, s->secret, e);
    if (site.data) secret_wipe(site.data, site.size);
    bytes_free(&site);
    return status;
}

static int read_secret(struct step *s, struct error *e)
{
    struct bytes site = {0};
    struct message_head h = head_of(s, secret_kind, s->p->name);
    int status = parts_read(&site, &h, "site", &s->c->f, s->secret, e);
    if (!status) status = parts_read(&s->message, &h, "message", &s->c->f, s->secret, e);
    if (status > 0) status = error_set(e, "%s: has not all of its parts", s->secret);
    if (!status)
        status = secure_site_read(&s->site, site.data, site.size, e) ? error_prefix(e, "%s", s->secret) : 0;
    if (!status && (s->site.index != s->p->rank || s->site.p.sites != s->p->drawn))
        status = error_set(e, "%s: is of site %d of %d, not %d of %d", s->secret, s->site.index,
                           s->site.p.sites, s->p->rank, s->p->drawn);
    if (site.data) secret_wipe(site.data, site.size);
    bytes_free(&site);
    return status;
}

int secure_forget(const char *state, const char *keep, struct error *e)
{
    struct file_list list;
    char path[1400];
    int status = file_list(state, &list, e);
    if (status) return -1;
    for (int i = 0; !status && i < list.count; i++) {
        if (strncmp(list.name[i], secret_prefix, strlen(secret_prefix)) != 0) continue;
        status = file_join(path, sizeof path, state, list.name[i], e);
        if (!status && strcmp(path, keep) != 0) status = file_remove(path, e);
    }
    file_list_free(&list);
    return status;
}

/* ---- sending ------------------------------------------------------------------------------------------- */

/* The last message into FED. */
static int send_message(struct step *s, int stage, struct error *e)
{
    char path[1400];
    struct message_head h = head_of(s, secure_answer[stage], s->p->name);
    struct message_part part = {"message", s->message.data, s->message.size};
    if (secure_answer_path(path, s->c, s->p->name, stage, e)) return -1;
    if (stage != SECURE_MASKED) return parts_write(&h, &part, 1, &s->c->f, path, e);
    bytes_free(&s->u->packed);
    bytes_put(&s->u->packed, s->message.data, s->message.size);
    if (bytes_done(&s->u->packed, path, e)) return -1;
    s->u->kind = UPDATE_HIDDEN;
    return update_write(s->u, &s->c->f, s->c->model, path, NULL, e);
}

/* Whether FED has it, sound. */
static int is_there(struct step *s, int stage)
{
    char path[1400];
    struct error ignored;
    struct bytes there = {0};
    struct message_head h = head_of(s, secure_answer[stage], s->p->name);
    if (secure_answer_path(path, s->c, s->p->name, stage, &ignored) || !file_exists(path)) return 0;
    int same = 0;
    if (stage != SECURE_MASKED) {
        same = parts_read(&there, &h, "message", &s->c->f, path, &ignored) == 0 &&
               there.size == s->message.size && memcmp(there.data, s->message.data, there.size) == 0;
    } else {
        struct update u;
        if (update_init(&u, s->c->model->count, &ignored)) return 0;
        same = update_read(&u, &s->c->f, s->c->model, path, NULL, &ignored) == 0 &&
               u.packed.size == s->message.size && memcmp(u.packed.data, s->message.data, u.packed.size) == 0;
        update_free(&u);
    }
    bytes_free(&there);
    return same;
}

/* ---- the stages ---------------------------------------------------------------------------------------- */

static int begin(struct step *s, struct error *e)
{
    struct secure_parameters p;
    struct randomness r;
    if (secure_round_parameters(&p, &s->c->f, s->p->drawn, s->t, s->c->model->count, e) ||
        randomness_system(&r, e))
        return -1;
    int status = secure_site_begin(&s->site, &p, s->p->rank, &r, &s->message, e);
    randomness_end(&r);
    return status;
}

/* The answer to the question of a stage. */
static int answer(struct step *s, int stage, const struct bytes *question, struct error *e)
{
    struct randomness r;
    bytes_free(&s->message);
    if (stage == SECURE_REVEAL)
        return secure_site_reveal(&s->site, question->data, question->size, &s->message, e);
    if (stage == SECURE_MASKED) {
        int status = secure_round_mask(s->u, &s->site, question, s->t, &s->c->f, e);
        if (!status) bytes_put(&s->message, s->u->packed.data, s->u->packed.size);
        return status ? -1 : bytes_done(&s->message, s->p->name, e);
    }
    if (randomness_system(&r, e)) return -1;
    int status = secure_site_share(&s->site, question->data, question->size, &r, &s->message, e);
    randomness_end(&r);
    return status;
}

/* 1: there is no question yet; 2: this site was left out, or the others are further. */
static int read_question(struct step *s, int stage, struct bytes *question, struct error *e)
{
    char path[1400], part[SITE_NAME_MAX + 16];
    struct message_head h = head_of(s, secure_question[stage], "");
    if (stage == SECURE_DONE) return 1;
    for (int later = stage + 1; later <= SECURE_REVEAL; later++) {
        if (secure_question_path(path, s->c, later, e)) return -1;
        if (file_exists(path)) return 2;
    }
    if (secure_question_path(path, s->c, stage, e)) return -1;
    if (!file_exists(path)) return 1;
    snprintf(part, sizeof part, "question.%s", s->p->name);
    int status = parts_read(question, &h, part, &s->c->f, path, e);
    return status > 0 ? 2 : status;
}

static int tell(char told[256], const struct step *s, int stage, int status)
{
    const char *what = stage == SECURE_MASKED ? "masked update" : secure_answer[stage];
    const struct carried *c = s->c;
    if (status == CARRIED_WAITS)
        snprintf(told, 256, "site %s: round %d of %d: its %s are sent, waits for the server", s->p->name,
                 c->round + 1, c->f.train.epochs, what);
    else
        snprintf(told, 256, "site %s: round %d of %d, %s: %.0f cases, loss %.4f", s->p->name, c->round + 1,
                 c->f.train.epochs, what, s->u->numbers.examples, s->u->loss);
    return status;
}

static int run(struct step *s, char told[256], struct error *e)
{
    struct bytes question = {0};
    int fresh = !file_exists(s->secret);
    if (secure_forget(s->p->state, s->secret, e) || (fresh ? begin(s, e) : read_secret(s, e))) return -1;
    int stage = (int)s->site.stage; /* what it sends next */
    if (fresh)
        return write_secret(s, e) || send_message(s, SECURE_KEYS, e) ? -1 : tell(told, s, SECURE_KEYS, 0);
    int last = stage - 1, status = read_question(s, stage, &question, e);
    if (status == 0) {
        char path[1400];
        status = answer(s, stage, &question, e);
        if (status && secure_question_path(path, s->c, stage, &(struct error){""}) == 0)
            secure_name_site(e, s->c, path);
        if (!status) status = write_secret(s, e);
        if (!status) status = send_message(s, stage, e);
        bytes_free(&question);
        return status ? -1 : tell(told, s, stage, CARRIED_DONE);
    }
    if (status < 0) return -1;
    if (status == 2) {
        snprintf(told, 256, "site %s: came too late for round %d of %d, waits for the next", s->p->name,
                 s->c->round + 1, s->c->f.train.epochs);
        return CARRIED_WAITS;
    }
    if (is_there(s, last)) return tell(told, s, last, CARRIED_WAITS);
    return send_message(s, last, e) ? -1 : tell(told, s, last, CARRIED_DONE);
}

int secure_site_step(struct carried *c, const struct secure_place *p, const struct task *t, struct update *u,
                     char told[256], struct error *e)
{
    struct step *s = calloc(1, sizeof *s); /* some 40 kB */
    char name[64];
    if (!s) return error_set(e, "out of memory for site %s", p->name);
    s->c = c, s->p = p, s->t = t, s->u = u;
    snprintf(name, sizeof name, "%s%04d.safetensors", secret_prefix, c->round);
    int status = file_join(s->secret, sizeof s->secret, p->state, name, e);
    if (!status) status = run(s, told, e);
    secure_site_end(&s->site);
    bytes_free(&s->message);
    free(s);
    return status;
}
