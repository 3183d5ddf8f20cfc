/* run_files.c - the files of a federated run, so that it can be killed at any moment and continued to the
 * same bits.
 *
 * Order of writing after a round: the tables, the server's vectors, the latest checkpoint, the final and the
 * best. A run that is killed before the latest is written repeats the round, and its tables are put back
 * until then; one that is killed behind it has the final and the best in the latest. So no checkpoint is of a
 * round that the latest does not know.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fl/run_files.h"
#include "fl/message/vectors.h"
#include "fl/simulation.h"
#include "io/base/file.h"
#include "io/base/sha256.h"
#include "io/weights/seal.h"
#include "nn/folder/run.h"
#include "nn/train/checkpoint.h"

static const char latest_name[] = "checkpoint_latest.safetensors",
                  best_name[] = "checkpoint_best.safetensors",
                  final_name[] = "checkpoint_final.safetensors";

/* ---- who and what -------------------------------------------------------------------------------------- */

static struct json *sites_json(const struct simulation *s)
{
    struct json *all = json_array();
    for (int k = 0; k < s->o->clients; k++) {
        const struct federate_client *c = &s->o->client[k];
        char hex[65];
        struct json *j = json_add_object(all, NULL);
        client_hash_cases(hex, &c->data, &c->validation);
        json_add_text(j, "name", c->name);
        json_add_int(j, "training_cases", c->data.store.cases);
        json_add_int(j, "validation_cases", c->validation.store.cases);
        json_add_text(j, "cases_sha256", hex);
    }
    return all;
}

int run_files_identity(struct simulation *s, struct error *e)
{
    struct json *j = agreement_json(&s->f), *training = train_options_json(&s->f.train);
    json_remove(training, "epochs"); /* a longer training goes on from the same states */
    json_remove(j, "training");
    json_add(j, "training", training);
    json_add(j, "clients", sites_json(s));
    if (s->o->data_hash) json_add_text(j, "data_sha256", s->o->data_hash);
    char *text = json_format(j, 0);
    json_free(j);
    if (!text) return error_set(e, "out of memory for the description of %d sites", s->o->clients);
    sha256_hex(s->f.hash, text, strlen(text));
    free(text);
    return 0;
}

/* ---- the server's vectors ------------------------------------------------------------------------------ */

static int server_path(char path[1300], const struct simulation *s, int round, struct error *e)
{
    char name[40];
    snprintf(name, sizeof name, "server.%04d.safetensors", round);
    return file_join(path, 1300, s->o->folder, name, e);
}

static int write_server(const struct simulation *s, struct error *e)
{
    char path[1300], weights[17];
    struct safetensors t = {0};
    if (s->f.strategy->server_slots == 0) return 0;
    if (server_path(path, s, s->server.round, e)) return -1;
    for (int k = 0; k < s->f.strategy->server_slots; k++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "slot.%d.", k);
        vectors_add(&t, prefix, s->global, s->server.slot[k]);
    }
    safetensors_add_meta(&t, "federation", s->f.hash);
    snprintf(weights, sizeof weights, "%016" PRIx64, model_hash(s->global));
    safetensors_add_meta(&t, "weights", weights);
    int status = seal_write(&t, path, e);
    safetensors_free(&t);
    return status;
}

static int read_server(struct simulation *s, struct error *e)
{
    char path[1300];
    struct safetensors t;
    if (s->f.strategy->server_slots == 0 || s->server.round == 0) return 0;
    if (server_path(path, s, s->server.round, e) || seal_read(&t, path, 1, e)) return -1;
    const char *federation = safetensors_meta(&t, "federation"),
               *of = safetensors_meta(&t, "weights"); /* older files do not say */
    char weights[17];
    snprintf(weights, sizeof weights, "%016" PRIx64, model_hash(s->global));
    int status = federation && strcmp(federation, s->f.hash) == 0
                     ? 0
                     : error_set(e, "%s: belongs to another federation", path);
    if (!status && of && strcmp(of, weights) != 0)
        status = error_set(e, "%s: is of the weights %.16s, %s has %s", path, of, latest_name, weights);
    for (int k = 0; !status && k < s->f.strategy->server_slots; k++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "slot.%d.", k);
        status = vectors_take(s->server.slot[k], &t, prefix, s->global, path, e);
    }
    safetensors_free(&t);
    return status;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static struct json *describe(const struct simulation *s)
{
    struct json *j = json_object(), *federation = agreement_json(&s->f);
    json_add_int(j, "rounds_done", s->server.round);
    json_add_int(j, "clients", s->o->clients);
    json_add_number(j, "ema", s->metric_average);
    json_add_number(j, "best_metric", s->best_metric);
    json_add_int(j, "best_round", s->best_round);
    if (s->unvalidated) json_add_bool(j, "unvalidated", 1);
    if (s->f.privacy.adaptive) json_add_number(j, "clip", s->server.clip);
    json_add(j, "options", train_options_json(&s->f.train));
    json_remove(federation, "training");
    json_add(j, "federation", federation);
    json_add(j, "sites", sites_json(s));
    if (s->o->data_hash) json_add_text(j, "data_sha256", s->o->data_hash);
    if (s->o->inputs_hash) json_add_text(j, "inputs_sha256", s->o->inputs_hash);
    json_add(j, "history", history_json(&s->history));
    return j;
}

/* The only site's moments and average lie in the checkpoint, what several sites have in files of their own.
 * Without them it is for use, and holds the average of the weights where there is one. */
static int write_checkpoint(const struct simulation *s, const char *name, int with_moments, struct error *e)
{
    char path[1300];
    if (file_join(path, sizeof path, s->o->folder, name, e)) return -1;
    struct json *state = describe(s);
    struct model served = *s->global;
    int moments = with_moments && s->store.state; /* of one site: more of them have files */
    if (!with_moments) served.data = (float *)simulation_weights(s); /* which is only read */
    int status = checkpoint_write_average(path, &served, moments ? &s->store.state[0].optimizer : NULL,
                                          moments, moments ? simulation_average(s) : NULL, state, e);
    json_free(state);
    return status;
}

static int write_tables(const struct simulation *s, struct error *e)
{
    const struct federate_options *o = s->o;
    const char *metric = o->train.task->metric(&o->train);
    if (history_write_progress(&s->history, o->folder, metric, s->store.name, e)) return -1;
    if (!o->write_rounds) return 0;
    return history_write_rounds(&s->history, o->folder, s->store.name, 0, e) ||
                   history_write_similarity(&s->server, s->task.round, o->folder, e)
               ? -1
               : 0;
}

static int write_latest(struct simulation *s, struct error *e)
{
    char path[1300];
    int before = s->store.checkpoint;
    if (write_server(s, e) || write_checkpoint(s, latest_name, 1, e)) return -1;
    if (s->f.strategy->server_slots && before > 0 && before != s->server.round &&
        server_path(path, s, before, e) == 0)
        unlink(path);
    site_store_checkpoint(&s->store, s->server.round);
    return 0;
}

/* A round without a client's pause is begun again from its clients' files. One whose validation was stopped
 * is done: its updates are here now alone, and so is their similarity. */
int run_files_stop(struct simulation *s, struct error *e)
{
    if (s->unvalidated && write_tables(s, e)) return -1;
    if (s->server.round > 0 && s->store.checkpoint != s->server.round && write_latest(s, e)) return -1;
    for (int w = 0; w < s->workers; w++) {
        const struct worker *x = &s->worker[w];
        if (x->stopped && x->state.pause.round == s->server.round &&
            strcmp(x->state.name, s->o->client[x->stopped - 1].name) == 0 &&
            site_store_pause(&s->store, x->stopped - 1, &x->state, e))
            return -1;
    }
    return 0;
}

static int write_final(struct simulation *s, struct error *e)
{
    if (s->events && s->events->final && s->events->final(s->events->arg, e)) return -1;
    return write_checkpoint(s, final_name, 0, e);
}

int run_files_write(struct simulation *s, int last, struct error *e)
{
    const int best = s->best_round == s->task.round;
    if (write_tables(s, e)) return -1;
    if (!last && !best && s->server.round % s->o->checkpoint_every) return 0;
    return write_latest(s, e) || (last && write_final(s, e)) || (best && write_checkpoint(s, best_name, 0, e))
               ? -1
               : 0;
}

/* Whether the file is of so many rounds. */
static int is_of_rounds(const struct simulation *s, const char *name, int rounds)
{
    char path[1300];
    struct json *state = NULL;
    struct error ignored;
    const int is = file_join(path, sizeof path, s->o->folder, name, &ignored) == 0 && file_exists(path) &&
                   checkpoint_state(path, &state, &ignored) == 0 &&
                   json_integer(state, "rounds_done", 0) == rounds;
    json_free(state);
    return is;
}

/* One of fewer rounds is of a shorter training, where patience ends at once what was resumed to be longer. */
int run_files_final(struct simulation *s, struct error *e)
{
    return is_of_rounds(s, final_name, s->server.round) ? 0 : write_final(s, e);
}

int run_files_mend(struct simulation *s, struct error *e)
{
    const int rounds = s->server.round;
    if (rounds == 0) return 0;
    if (s->best_round == rounds - 1 && !is_of_rounds(s, best_name, rounds) &&
        write_checkpoint(s, best_name, 0, e))
        return -1;
    return write_tables(s, e);
}

/* ---- resuming ------------------------------------------------------------------------------------------ */

/* Adds the member to the message where the two differ in it. Returns the mark before the next one. */
static const char *tell_other(const char *mark, const struct json *theirs, const struct json *mine,
                              const struct json *member, struct error *e)
{
    const struct json *a = json_get(theirs, member->key), *b = json_get(mine, member->key);
    const size_t n = strlen(e->text);
    if (json_same(a, b)) return mark;
    char *one = a ? json_format(a, 0) : NULL, *other = b ? json_format(b, 0) : NULL;
    snprintf(e->text + n, sizeof e->text - n, "%s %.40s %.200s, asked for %.200s", mark, member->key,
             one ? one : "none", other ? other : "none");
    free(one);
    free(other);
    return ",";
}

static int same_json(const char *path, const char *what, const struct json *theirs, struct json *mine,
                     struct error *e)
{
    const int status =
        json_same(theirs, mine) ? 0 : error_set(e, "%s: was trained with other %s", path, what);
    const char *mark = ":";
    for (int k = 0; status && k < mine->count; k++) mark = tell_other(mark, theirs, mine, mine->item[k], e);
    for (int k = 0; status && theirs && theirs->type == JSON_OBJECT && k < theirs->count; k++)
        if (!json_get(mine, theirs->item[k]->key)) mark = tell_other(mark, theirs, mine, theirs->item[k], e);
    json_free(mine);
    return status;
}

/* The same names with the same cases, in the same order. */
static int same_sites(const char *path, const struct json *theirs, const struct simulation *s,
                      struct error *e)
{
    struct json *mine = sites_json(s);
    int status = 0, n = s->o->clients;
    if (!theirs || theirs->type != JSON_ARRAY || theirs->count != n)
        status = error_set(e, "%s: has %d sites, asked for %d", path,
                           theirs && theirs->type == JSON_ARRAY ? theirs->count : 0, n);
    for (int k = 0; !status && k < n; k++) {
        const struct json *a = theirs->item[k], *b = mine->item[k];
        const char *name = json_text(b, "name", ""), *other = json_text(a, "name", "");
        if (strcmp(name, other) != 0)
            status = error_set(e, "%s: site %d is %.80s, asked for %s", path, k + 1, other, name);
        else if (strcmp(json_text(a, "cases_sha256", ""), json_text(b, "cases_sha256", "")) != 0)
            status = error_set(e, "%s: site %s had other cases (%lld for training, now %lld others)", path,
                               name, (long long)json_integer(a, "training_cases", 0),
                               (long long)json_integer(b, "training_cases", 0));
    }
    json_free(mine);
    return status;
}

/* The options that the checkpoint keeps; more epochs than it was to have are a longer training, which may be
 * asked for: the steps that are done stay, and the learning rate of the rest is that of the longer schedule.
 * NULL where it keeps none or memory is out. */
static struct json *kept_options(const struct json *state, int epochs)
{
    const struct json *kept = json_get(state, "options");
    struct json *options = kept ? json_copy(kept) : NULL;
    if (options && json_integer(options, "epochs", epochs) < epochs) json_add_int(options, "epochs", epochs);
    return options;
}

static int same_run(const char *path, const struct json *state, const struct simulation *s, struct error *e)
{
    const char *data = json_text(state, "data_sha256", NULL);
    struct json *federation = agreement_json(&s->f);
    json_remove(federation, "training");
    struct json *kept = kept_options(state, s->f.train.epochs);
    int other = same_json(path, "options", kept, train_options_json(&s->f.train), e);
    json_free(kept);
    if (other) return json_free(federation), -1;
    if (same_json(path, "federation options", json_get(state, "federation"), federation, e)) return -1;
    if (s->o->data_hash && (!data || strcmp(data, s->o->data_hash) != 0))
        return error_set(e, "%s: the data have changed: SHA-256 %.16s, when it began %.16s", path,
                         s->o->data_hash, data ? data : "unknown");
    const char *inputs = json_text(state, "inputs_sha256", NULL); /* older checkpoints have none */
    if (inputs && s->o->inputs_hash && strcmp(inputs, s->o->inputs_hash) != 0)
        return error_set(e, "%s: label maps of the previous stage or covariates have changed", path);
    return same_sites(path, json_get(state, "sites"), s, e);
}

/* Numbers of the file are checked before anything is believed. */
static int take_state(struct simulation *s, const struct json *state, const char *path, struct error *e)
{
    int64_t done, best;
    if (take_integer(&done, state, "rounds_done", 1, s->f.train.epochs, path, e) ||
        take_integer(&best, state, "best_round", -1, done - 1, path, e))
        return -1;
    if (history_from_json(&s->history, json_get(state, "history"), (int)done, s->o->clients, path, e))
        return -1;
    if (s->f.privacy.adaptive && take_number(&s->server.clip, state, "clip", 1e-30, 1e30, path, e)) return -1;
    s->server.round = (int)done;
    s->best_round = (int)best;
    s->task.round = s->server.round - 1;
    s->unvalidated = json_boolean(state, "unvalidated", 0);
    s->metric_average = json_number(state, "ema", NAN);
    s->best_metric = json_number(state, "best_metric", -INFINITY);
    if (isnan(s->best_metric)) s->best_metric = -INFINITY;
    return 0;
}

static int check_weights(const struct simulation *s, const char *path, struct error *e)
{
    char hash[17];
    const struct round_record *last = &s->history.record[s->history.count - 1];
    snprintf(hash, sizeof hash, "%016" PRIx64, model_hash(s->global));
    for (size_t i = 0; i < s->global->count; i++)
        if (!isfinite(s->global->data[i])) return error_set(e, "%s: has weights that are not finite", path);
    if (model_hash(s->global) == last->hash) return 0;
    return error_set(e, "%s: its weights have hash %s, its history says %016" PRIx64, path, hash, last->hash);
}

static int read_latest(struct simulation *s, const char *path, struct error *e)
{
    struct json *state = NULL;
    if (checkpoint_state(path, &state, e)) return -1;
    int moments = s->store.state != NULL;
    struct optimizer *o = moments ? &s->store.state[0].optimizer : NULL;
    int status = same_run(path, state, s, e);
    if (!status)
        status = checkpoint_read_average(path, s->global, o, moments, simulation_average(s), NULL, e);
    if (!status) status = take_state(s, state, path, e);
    if (!status) status = check_weights(s, path, e);
    json_free(state);
    return status;
}

int run_files_resume(struct simulation *s, struct error *e)
{
    char path[1300];
    if (file_join(path, sizeof path, s->o->folder, latest_name, e)) return -1;
    if (file_exists(path) && read_latest(s, path, e)) return -1;
    if (read_server(s, e)) return -1;
    return site_store_resume(&s->store, s->server.round, e);
}

/* ---- clearing ------------------------------------------------------------------------------------------ */

static int clear_matching(const char *folder, const char *prefix, const char *suffix, struct error *e)
{
    struct file_list list;
    char path[1400];
    int status = 0;
    if (!file_is_dir(folder)) return 0;
    if (file_list(folder, &list, e)) return -1;
    for (int i = 0; !status && i < list.count; i++) {
        const char *name = list.name[i];
        if (strncmp(name, prefix, strlen(prefix)) != 0 || !file_has_suffix(name, suffix)) continue;
        status = file_join(path, sizeof path, folder, name, e);
        if (!status && unlink(path)) status = error_set(e, "%s: cannot be removed", path);
    }
    file_list_free(&list);
    return status;
}

int run_files_clear(const char *folder, int keep_sites, struct error *e)
{
    static const char *const table[] = {"progress.",        "rounds.csv",     "similarity.csv",
                                        "site_results.csv", "cross_site.csv", "fine_tune.csv"};
    static const char *const sub[] = {"sites", "validation", "test"};
    char path[1300];
    if (clear_matching(folder, "checkpoint_", ".safetensors", e) ||
        clear_matching(folder, "server.", ".safetensors", e))
        return -1;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (clear_matching(folder, table[i], "", e)) return -1;
    for (size_t i = 0; i < sizeof sub / sizeof *sub; i++) {
        if (file_join(path, sizeof path, folder, sub[i], e) || clear_matching(path, "", "", e)) return -1;
        if (i > 0 || !keep_sites) rmdir(path);
    }
    return 0;
}
