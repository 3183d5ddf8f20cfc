/* carried_aggregate.c - the server's step: sums the answers that are sound, names those that are not, writes
 * the next global message.
 * The book: docs/book/14_federated_averaging.md */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/carried/secure_aggregate.h"
#include "fl/round/private.h"
#include "io/base/csv.h"
#include "io/base/file.h"
#include "io/base/lock.h"

static void work_free(struct round_work *w)
{
    server_free(&w->server);
    task_free(&w->message);
    update_free(&w->update);
    free(w->history.record);
    free(w->row);
    free(w->chosen);
    free(w->metric);
    json_free(w->updates);
    json_free(w->refused);
}

static int create_work(struct round_work *w, struct pool *pool, struct error *e)
{
    struct carried *c = w->c;
    size_t n = (size_t)c->f.sites + 1;
    w->row = calloc(n, sizeof *w->row);
    w->chosen = calloc(3 * n, 1);
    w->metric = calloc(3 * n, sizeof *w->metric);
    if (!w->row || !w->chosen || !w->metric) return error_set(e, "out of memory for %d sites", c->f.sites);
    w->answered = w->chosen + n;
    w->in = w->answered + n;
    w->metric_cases = w->metric + n;
    w->validation_loss = w->metric_cases + n;
    w->updates = json_array();
    w->refused = json_array();
    if (carried_read_task(&w->message, c, e)) return -1;
    memcpy(c->model->data, w->message.task.weights, c->model->count * sizeof(float));
    if (server_init(&w->server, &c->f, c->model, pool, c->folder, e) ||
        carried_read_server(c, &w->server, &w->history, c->round, e))
        return -1;
    w->server.round = c->round;
    struct task ignored;
    return server_begin(&w->server, &ignored, e) || update_init(&w->update, c->model->count, e) ||
                   agreement_draw(w->chosen, &c->f, c->round, e)
               ? -1
               : 0;
}

/* ---- taking in ----------------------------------------------------------------------------------------- */

static int take_site(struct round_work *w, int i, struct error *e)
{
    char path[1400], name[SITE_NAME_MAX + 16], file[SITE_NAME_MAX + 40], hex[65];
    const char *site = w->c->site[i];
    struct error why = {""};
    snprintf(name, sizeof name, "%s.safetensors", site);
    snprintf(file, sizeof file, "round_%04d/%s", w->c->round, name);
    if (carried_path(path, w->c, w->c->round, name, e)) return -1;
    if (!file_exists(path)) return 0;
    w->answered[i] = 1;
    int status = update_read(&w->update, &w->c->f, w->c->model, path, hex, &why);
    if (!status) status = carried_check_answer(w->c, &w->update, site, w->message.task.base, &why);
    if (!status && !w->chosen[i]) status = error_set(&why, "the site was not drawn for this round");
    if (!status) status = server_add(&w->server, &w->update, &why);
    if (!status)
        aggregate_note(w, i, hex);
    else
        aggregate_refuse(w, site, file, why.text);
    return 0;
}

/* Files of the round that no site of the federation may have written. */
static int name_strangers(struct round_work *w, struct error *e)
{
    char path[1400];
    struct file_list list;
    if (carried_path(path, w->c, w->c->round, "", e) || file_list(path, &list, e)) return -1;
    for (int i = 0; i < list.count; i++) {
        char stem[SITE_NAME_MAX], whole[SITE_NAME_MAX + 32], file[400];
        const char *dot = strrchr(list.name[i], '.');
        if (!dot || strcmp(dot, ".safetensors") != 0 || strcmp(list.name[i], "global.safetensors") == 0 ||
            strcmp(list.name[i], "server.safetensors") == 0)
            continue;
        size_t n = (size_t)(dot - list.name[i]);
        snprintf(whole, sizeof whole, "%.*s", (int)n, list.name[i]);
        snprintf(file, sizeof file, "round_%04d/%.300s", w->c->round, list.name[i]);
        if (!w->c->f.secure_range || !secure_file_site(stem, whole))
            snprintf(stem, sizeof stem, "%.*s", (int)(n < sizeof stem ? n : sizeof stem - 1), whole);
        else if (!*stem) continue;
        if (n >= sizeof whole || !carried_is_site(w->c, stem))
            aggregate_refuse(w, stem, file, "no site of this federation has the name");
    }
    file_list_free(&list);
    return 0;
}

/* ---- tables -------------------------------------------------------------------------------------------- */

/* A row of this round about a file that was looked at again: all, or those of a masked round's stage. */
static int is_anew(const struct round_work *w, const char *file)
{
    for (int i = 0; i < w->refused->count; i++)
        if (strcmp(json_text(w->refused->item[i], "file", ""), file) == 0) return 1;
    return !w->c->f.secure_range || secure_file_of(w->stage, file);
}

/* refused.csv: site,file,reason; rows of earlier rounds stay, those of this round are written anew. */
static int write_refused(const struct round_work *w, struct error *e)
{
    char path[1300], cell[3][1100], round[32];
    struct csv old = {0};
    if (file_join(path, sizeof path, w->c->folder, "refused.csv", e)) return -1;
    int there = file_exists(path);
    if (!there && w->refused->count == 0) return 0;
    if (there && csv_read(&old, path, e)) return -1;
    struct file_out *f = file_create(path, e);
    if (!f) return csv_free(&old), -1;
    snprintf(round, sizeof round, "round_%04d/", w->c->round);
    file_printf(f, "site,file,reason\n");
    for (int r = 0; r < old.rows && old.columns == 3; r++) {
        if (strncmp(csv_cell(&old, r, 1), round, strlen(round)) == 0 && is_anew(w, csv_cell(&old, r, 1)))
            continue;
        for (int k = 0; k < 3; k++) csv_quote(cell[k], sizeof cell[k], csv_cell(&old, r, k));
        file_printf(f, "%s,%s,%s\n", cell[0], cell[1], cell[2]);
    }
    csv_free(&old);
    for (int i = 0; i < w->refused->count; i++) {
        const struct json *j = w->refused->item[i];
        csv_quote(cell[0], sizeof cell[0], json_text(j, "site", ""));
        csv_quote(cell[1], sizeof cell[1], json_text(j, "file", ""));
        csv_quote(cell[2], sizeof cell[2], json_text(j, "reason", ""));
        file_printf(f, "%s,%s,%s\n", cell[0], cell[1], cell[2]);
    }
    return file_commit(f, e);
}

/* The sites measured the global weights of the round before: its rows get their metric. */
static void fill_metrics(struct round_work *w)
{
    struct history *h = &w->history;
    double metric = 0, loss = 0, cases = 0;
    for (int i = 0; i < w->c->f.sites; i++) {
        if (!w->in[i] || !isfinite(w->metric[i])) continue;
        metric += w->metric[i] * w->metric_cases[i];
        loss += w->validation_loss[i] * w->metric_cases[i];
        cases += w->metric_cases[i];
    }
    for (int k = 0; k < h->count; k++) {
        struct round_record *r = &h->record[k];
        if (r->round != w->c->round - 1) continue;
        if (r->site < 0 && cases > 0) r->metric = metric / cases, r->validation_loss = loss / cases;
        if (r->site >= 0 && w->in[r->site])
            r->metric = w->metric[r->site], r->validation_loss = w->validation_loss[r->site];
    }
}

static int add_rows(struct round_work *w, struct error *e)
{
    const struct carried *c = w->c;
    struct round_record g = round_record_of(w->server.round - 1, -1);
    int all;
    g.hash = model_hash(c->model);
    g.lr = learner_lr(&c->f.train, (uint64_t)c->round * (uint64_t)c->f.train.iterations);
    for (int i = 0; i < c->f.sites; i++) {
        struct round_record *r = &w->row[i];
        double up;
        if (!w->in[i]) continue;
        server_measure(&w->server, c->site[i], &r->norm, &r->cosine, &up);
        r->bytes = (double)c->model->count * sizeof(float) + up;
        r->lr = g.lr;
        if (history_add(&w->history, r, e)) return -1;
        round_record_add(&g, r);
    }
    round_record_close(&g);
    if (c->f.privacy.kind) {
        const int cases = history_fewest_cases(&w->history, c->f.sites, &all);
        g.epsilon = private_epsilon(&c->f, w->server.round, cases);
        g.clip = private_clip(&w->message.task, &c->f);
    }
    return history_add(&w->history, &g, e);
}

static int write_tables(struct round_work *w, struct error *e)
{
    const struct carried *c = w->c;
    fill_metrics(w);
    if (add_rows(w, e) || history_write_rounds(&w->history, c->folder, c->site, c->f.sites, e) ||
        history_write_progress(&w->history, c->folder, c->f.train.task->metric(&c->f.train), c->site,
                               e))
        return -1;
    return history_write_similarity(&w->server, w->server.round - 1, c->folder, e);
}

/* ---- the step ------------------------------------------------------------------------------------------ */

static int write_next(struct round_work *w, struct error *e)
{
    const struct carried *c = w->c;
    char path[1400];
    int next = w->server.round;
    struct task t = {.round = next, .weights = c->model->data, .clip = w->server.clip};
    for (int k = 0; k < c->f.strategy->shared_slots; k++) t.shared[k] = w->server.slot[k];
    if (carried_path(path, c, next, "", e) || file_mkdirs(path, e) ||
        carried_write_server(c, &w->server, &w->history, next, e))
        return -1;
    if (carried_path(path, c, next, "global.safetensors", e)) return -1;
    return task_write(&t, &c->f, c->agreed, w->updates, c->model, path, NULL,
                      e); /* last: with it the round has ended */
}

/* All that is there, and whether the round can end with it: CARRIED_DONE, CARRIED_WAITS, or -1. */
static int take_all(struct round_work *w, int late, char told[256], struct error *e)
{
    for (int i = 0; i < w->c->f.sites; i++)
        if (take_site(w, i, e)) return -1;
    if (name_strangers(w, e) || write_refused(w, e)) return -1;
    int status = aggregate_can_end(w, w->server.updates, late, told, e);
    return status < 0 ? -1 : status ? CARRIED_DONE : CARRIED_WAITS;
}

/* The same of a masked round: AGGREGATE_MEAN where it can end. What was refused is named in any case. */
static int take_stage(struct round_work *w, int late, char told[256], struct error *e)
{
    struct error why = {""};
    if (name_strangers(w, e) || (w->stage = secure_open_stage(w->c, e)) < 0) return -1;
    int status = secure_aggregate(w, late, told, &why);
    if (write_refused(w, e)) return -1;
    return status < 0 ? error_set(e, "%s", why.text) : status;
}

static int run_step(struct round_work *w, int late, struct pool *pool, char told[256], struct error *e)
{
    struct carried *c = w->c;
    char spent[200];
    if (c->round == c->f.train.epochs) {
        snprintf(told, 256, "the federation is complete, %d rounds", c->round);
        return CARRIED_DONE;
    }
    if (create_work(w, pool, e)) return -1;
    int ends = c->f.secure_range ? AGGREGATE_MEAN : CARRIED_DONE,
        status = c->f.secure_range ? take_stage(w, late, told, e) : take_all(w, late, told, e);
    if (status != ends) return status;
    if (server_end(&w->server, e) || write_tables(w, e) || write_next(w, e)) return -1;
    snprintf(told, 256, "round %d of %d: %d updates, %d refused, weights %016" PRIx64, c->round + 1,
             c->f.train.epochs, w->server.updates, w->refused->count, model_hash(c->model));
    carried_privacy(spent, c, &w->history, w->server.round, w->server.clip);
    if (spent[0]) snprintf(told + strlen(told), 256 - strlen(told), "; %s", spent);
    c->round = w->server.round;
    return CARRIED_DONE;
}

int carried_aggregate(struct carried *c, int late, struct pool *pool, char told[256], struct error *e)
{
    struct round_work w = {.c = c};
    struct folder_hold hold;
    if (folder_hold(&hold, c->folder, e)) return -1;
    int status = carried_find_round(c, e) ? -1 : run_step(&w, late, pool, told, e);
    work_free(&w);
    folder_release(&hold);
    return status;
}
