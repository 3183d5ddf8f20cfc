/* carried_site.c - the step of a site: a local round from the newest global message, and the evaluation after
 * the last one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/carried/carried_secure.h"
#include "fl/round/private.h"
#include "fl/round/site_store.h"
#include "io/base/file.h"
#include "io/base/lock.h"
#include "nn/train/checkpoint.h"
#include "nn/train/learner_data.h"
#include "tensor/base/check.h"

struct site_work {
    struct carried *c;
    const struct carried_site *s;
    struct task_message message;
    struct train_options graph; /* of the learner */
    struct learner learner;
    struct model *model;
    struct site_state state;
    struct update update;
    struct site_store store;
    char answer[1400]; /* the update's path */
};

static void work_free(struct site_work *w)
{
    if (w->learner.graph) learner_destroy(&w->learner);
    if (w->model) model_destroy(w->model);
    site_state_free(&w->state);
    update_free(&w->update);
    site_store_free(&w->store);
    task_free(&w->message);
}

static int same_text(const struct json *j, const char *key, const char *text)
{
    return strcmp(json_text(j, key, ""), text) == 0;
}

/* A site that begins has the data of its fingerprint, where that is in FED: another folder of the same
 * labels, or another hospital's, would be trained on without a word. */
static int check_fingerprint(const struct site_work *w, struct error *e)
{
    char path[1400];
    const char *hash = w->s->data_hash;
    int n = snprintf(path, sizeof path, "%s/fingerprint/%s.json", w->c->folder, w->s->name);
    if (n < 0 || n >= (int)sizeof path) return error_set(e, "%s: path is too long", w->c->folder);
    if (!hash || w->s->from_pool || !file_exists(path)) return 0;
    struct json *j = json_read(path, e);
    if (!j) return -1;
    int same = strcmp(json_text(j, "data_sha256", hash), hash) == 0;
    json_free(j);
    return same ? 0
                : error_set(e,
                            "%s: is the fingerprint of other data than these: take the folder that it was "
                            "made of, or make it again (--as fingerprint %s)",
                            path, w->s->name);
}

/* The state's folder belongs to one site of one federation, with the cases that it began with: else it would
 * go on silently to other weights, or lose what another federation needs. */
static int check_owner(const struct site_work *w, struct error *e)
{
    char path[1300];
    const struct carried_site *s = w->s;
    const char *hash = s->data_hash ? s->data_hash : "";
    char cases[65];
    client_hash_cases(cases, s->data, s->validation);
    if (file_join(path, sizeof path, s->state, "site.json", e)) return -1;
    if (file_exists(path)) {
        struct json *j = json_read(path, e);
        if (!j) return -1;
        const char *what = !same_text(j, "federation", w->c->f.hash) ? "of another federation"
                           : !same_text(j, "site", s->name)          ? "of another site"
                           : !same_text(j, "data_sha256", hash)      ? "of other data"
                           : json_get(j, "cases_sha256") && !same_text(j, "cases_sha256", cases)
                               ? "of other cases of these data (--sites, splits_final.json, patients.csv)"
                               : NULL;
        json_free(j);
        return what ? error_set(e, "%s: is the state %s: take back the change, or begin with another --state",
                                path, what)
                    : 0;
    }
    if (check_fingerprint(w, e)) return -1;
    struct json *j = json_object();
    json_add_text(j, "federation", w->c->f.hash);
    json_add_text(j, "site", s->name);
    json_add_text(j, "data_sha256", hash);
    json_add_text(j, "cases_sha256", cases);
    int status = json_write(j, path, e);
    json_free(j);
    return status;
}

/* A sound answer to this very task. */
static int answered(struct site_work *w)
{
    struct error ignored;
    if (!file_exists(w->answer)) return 0;
    return update_read(&w->update, &w->c->f, w->c->model, w->answer, NULL, &ignored) == 0 &&
           carried_check_answer(w->c, &w->update, w->s->name, w->message.task.base, &ignored) == 0;
}

/* Whether the round's sample has the site; its place in it and how many it has. */
static int is_drawn(const struct carried *c, const char *name, struct secure_place *p, struct error *e)
{
    unsigned char *chosen = malloc((size_t)c->f.sites + 1);
    if (!chosen) return error_set(e, "out of memory for %d sites", c->f.sites);
    int status = agreement_draw(chosen, &c->f, c->round, e);
    int drawn = 0;
    for (int i = 0; !status && i < c->f.sites; i++) {
        int own = strcmp(c->site[i], name) == 0;
        if (own) drawn = chosen[i], p->rank = p->drawn;
        p->drawn += chosen[i];
    }
    free(chosen);
    return status ? -1 : drawn;
}

static int create_work(struct site_work *w, struct error *e)
{
    struct carried *c = w->c;
    const struct carried_site *s = w->s;
    if (carried_read_task(&w->message, c, e)) return -1;
    char name[SITE_NAME_MAX + 16];
    snprintf(name, sizeof name, "%s.safetensors", s->name);
    if (carried_path(w->answer, c, c->round, name, e) || update_init(&w->update, c->model->count, e))
        return -1;
    return site_state_init(&w->state, s->name, &c->f, c->model, e) ||
                   site_store_init(&w->store, &c->f, c->model, s->state, &s->name, 1, e)
               ? -1
               : 0;
}

static int create_learner(struct site_work *w, const struct learner_data *data, struct error *e)
{
    w->model = model_alike(w->c->model); /* NULL is for learner_create to refuse */
    w->graph = agreement_graph_options(&w->c->f);
    return learner_create(&w->learner, &w->graph, w->c->f.plan, data, w->model, 0, w->s->pool, e);
}

/* An answer that came too late for its round is in no weights: the site goes on from the state before it. */
static int drop_untaken(struct site_work *w, struct error *e)
{
    char path[1400];
    struct error ignored;
    struct carried *c = w->c;
    const int after = site_store_newest(&w->store, 0);
    if (!agreement_pairs(&c->f) || after < 1 || after > c->round) return 0;
    if (carried_path(path, c, after, "global.safetensors", e)) return -1;
    if (!file_exists(path) || task_has(path, &c->f, w->s->name, &ignored)) return 0; /* it is, or who knows */
    return site_store_undo(&w->store, 0, &w->state, e) || site_store_resume(&w->store, c->round, e) ? -1 : 0;
}

/* Trains, unless a killed step left the state after the round: then the update is in it. */
static int local_round(struct site_work *w, struct error *e)
{
    const struct carried_site *s = w->s;
    struct carried *c = w->c;
    if (site_store_resume(&w->store, c->round, e) || drop_untaken(w, e)) return -1;
    if (site_store_newest(&w->store, 0) > c->round + 1)
        return error_set(
            e,
            "%s: is the state before round %d, and %s is at round %d: it was set back; bring the newest "
            "global message, or begin with another --state",
            s->state, site_store_newest(&w->store, 0), c->folder, c->round);
    int there = site_store_load(&w->store, 0, c->round, &w->state, &w->update, e);
    if (there < 0) return -1;
    if (there && strcmp(w->update.base, w->message.task.base) == 0) return 0;
    if (there)
        return error_set(
            e, "%s: holds an answer to another global message of round %d: begin with another --state",
            s->state, c->round);
    if (create_learner(w, s->data, e)) return -1;
    int status =
        client_update(&w->update, &w->state, &w->learner, s->data, &w->message.task, &c->f, &s->events, e);
    if (status > 0) return site_store_pause(&w->store, 0, &w->state, e) ? -1 : CARRIED_STOPPED;
    if (status) return -1;
    if (client_validate(&w->update, 0, w->message.task.weights, &w->learner, s->validation,
                        s->validation_batches, e))
        return -1;
    if (client_validate(&w->update, 1, w->update.values, &w->learner, s->validation, s->validation_batches,
                        e))
        return -1;
    if (client_pack(&w->update, &w->state, &w->message.task, &c->f, c->model, e)) return -1;
    site_store_checkpoint(&w->store, c->round);
    return site_store_save(&w->store, 0, &w->state, &w->update, e);
}

/* Metric and loss of the newest global weights on the validation cases, as round_NNNN/NAME.json. */
static int evaluate_global(struct site_work *w, char told[256], struct error *e)
{
    const struct carried_site *s = w->s;
    char path[1400], name[SITE_NAME_MAX + 8];
    snprintf(name, sizeof name, "%s.json", s->name);
    if (carried_path(path, w->c, w->c->round, name, e)) return -1;
    if (create_learner(w, s->data->store.cases ? s->data : s->validation, e)) return -1;
    if (client_validate(&w->update, 0, w->message.task.weights, &w->learner, s->validation,
                        s->validation_batches, e))
        return -1;
    struct json *j = json_object();
    json_add_text(j, "site", s->name);
    json_add_int(j, "round", w->c->round);
    json_add_text(j, "base", w->message.task.base);
    json_add_int(j, "validation_cases", w->update.validation_cases);
    json_add_number(j, "metric", w->update.metric_before);
    json_add_number(j, "loss", w->update.loss_before);
    int status = json_write(j, path, e);
    json_free(j);
    char batches[40] = ""; /* a segmentation sees patches */
    if (w->c->f.train.task->planned)
        snprintf(batches, sizeof batches, "%d batches of patches of ", s->validation_batches);
    snprintf(told, 256, "site %s: evaluated the weights after %d of %d rounds: %s %.4f on %s%d cases",
             s->name, w->c->round, w->c->f.train.epochs, w->c->f.train.task->metric(&w->c->f.train),
             w->update.metric_before, batches, w->update.validation_cases);
    return status ? -1 : CARRIED_DONE;
}

/* The weights that the strategy keeps at the site, as STATE/sites/NAME.own.safetensors; adds to told. */
static int write_own(struct site_work *w, char told[256], struct error *e)
{
    char path[1400];
    struct carried *c = w->c;
    if (!c->f.strategy->own) return 0;
    if (site_store_resume(&w->store, c->round, e)) return -1;
    const int there = site_store_update(&w->store, 0, &w->state, &w->update, e);
    if (there) return there < 0 ? -1 : 0; /* it never trained */
    struct model own = *c->model;
    if (!(own.data = malloc((own.count + 1) * sizeof *own.data)))
        return error_set(e, "out of memory for the own weights of site %s", w->s->name);
    client_own(own.data, &w->state, w->message.task.weights, &c->f, c->model);
    site_store_path(path, &w->store, 0, "own");
    const int status = checkpoint_write(path, &own, NULL, 0, NULL, e);
    free(own.data);
    const size_t n = strlen(told);
    /* half a path is none */
    if (snprintf(told + n, 256 - n, "; its own weights: %s", path) >= (int)(256 - n))
        snprintf(told + n, 256 - n, "; its own weights: sites/%s of its state", file_name(path));
    return status;
}

/* After the last round, once. */
static int evaluate_result(struct site_work *w, char told[256], struct error *e)
{
    char path[1400], name[SITE_NAME_MAX + 8];
    int status = CARRIED_DONE;
    snprintf(name, sizeof name, "%s.json", w->s->name);
    if (carried_path(path, w->c, w->c->round, name, e)) return -1;
    if (!file_exists(path) && w->s->validation->store.cases > 0)
        status = evaluate_global(w, told, e);
    else
        snprintf(told, 256, "site %s: the federation is complete, %d rounds", w->s->name, w->c->round);
    return status ? status : write_own(w, told, e);
}

static int run_step(struct site_work *w, char told[256], struct error *e)
{
    const struct carried_site *s = w->s;
    struct carried *c = w->c;
    if (check_owner(w, e) || create_work(w, e)) return -1;
    if (c->round == c->f.train.epochs)
        return secure_forget(s->state, "", e) ? -1 : evaluate_result(w, told, e);
    struct secure_place place = {s->name, s->state, 0, 0};
    char terms[128];
    int drawn = is_drawn(c, s->name, &place, e), hides = c->f.secure_range > 0;
    if (drawn < 0) return -1;
    if (!drawn || (!hides && answered(w))) {
        snprintf(told, 256, "site %s: %s round %d of %d, waits for the server", s->name,
                 drawn ? "has answered" : "is not drawn for", c->round + 1, c->f.train.epochs);
        return CARRIED_WAITS;
    }
    if (s->data->store.cases == 0) return error_set(e, "site %s has no training case", s->name);
    int status = local_round(w, e);
    if (status > 0)
        snprintf(told, 256,
                 "site %s: stopped after step %d of its round %d: the same command goes on from there",
                 s->name, w->state.pause.steps, c->round + 1);
    if (status) return status;
    private_told(terms, &c->f, private_clip(&w->message.task, &c->f));
    if (hides) {
        status = secure_site_step(c, &place, &w->message.task, &w->update, told, e);
        if (!status && terms[0]) snprintf(told + strlen(told), 256 - strlen(told), "; privacy: %s", terms);
        return status;
    }
    if (update_write(&w->update, &c->f, c->model, w->answer, NULL, e)) return -1;
    snprintf(told, 256, "site %s: round %d of %d, %.0f cases, %.0f steps, loss %.4f%s%s", s->name,
             c->round + 1, c->f.train.epochs, w->update.numbers.examples, w->update.numbers.steps,
             w->update.loss, terms[0] ? "; privacy: " : "", terms);
    snprintf(told + strlen(told), 256 - strlen(told), ": %.150s", w->answer);
    return CARRIED_DONE;
}

int carried_site(struct carried *c, const struct carried_site *s, char told[256], struct error *e)
{
    struct site_work w = {.c = c, .s = s};
    if (!carried_is_site(c, s->name))
        return error_set(e, "%s/federation.json: there is no site %s", c->folder, s->name);
    struct folder_hold hold;
    if (folder_hold(&hold, s->state, e)) return -1;
    int status = 0;
    if (file_is_inside(s->state, c->folder)) /* it has the site's moments, and its update as it was */
        status = error_set(e, "%s: is in %s, which is carried to the others: give another --state", s->state,
                           c->folder);
    if (!status) status = carried_find_round(c, e) ? -1 : run_step(&w, told, e);
    work_free(&w);
    folder_release(&hold);
    return status;
}

int carried_evaluate(struct carried *c, const struct carried_site *s, char told[256], struct error *e)
{
    struct site_work w = {.c = c, .s = s};
    int status = carried_check_name(s->name, e);
    if (!status && s->validation->store.cases == 0)
        status = error_set(e, "site %s has no case to evaluate on", s->name);
    if (!status)
        status = carried_read_task(&w.message, c, e) || update_init(&w.update, c->model->count, e) ? -1 : 0;
    if (!status) status = evaluate_global(&w, told, e);
    work_free(&w);
    return status;
}
