/* secure_aggregate.c - the server in a masked round over carried files: one stage at a time, each closed when
 * all, or the quorum after the deadline, have answered. Whoever answered no more is lost to the round, and
 * what hides the others' sum from his masks is taken off with the shares that the rest reveals. */
#include "fl/carried/secure_aggregate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/carried/carried_secure.h"
#include "io/base/file.h"

struct stage_work {
    struct round_work *w;
    struct carried *c;
    struct secure_server server;
    int drawn;
    int *rank;            /* [sites] place among the drawn, or -1 */
    struct json *numbers; /* [{rank, sha256, bytes, update}] of the masked updates that are in */
};

static void stage_free(struct stage_work *s)
{
    secure_server_end(&s->server);
    json_free(s->numbers);
    free(s->rank);
}

static struct message_head head_of(const struct stage_work *s, const char *kind, const char *site)
{
    return (struct message_head){kind, site, s->c->round, s->w->message.task.base, 0};
}

/* ---- where the round is -------------------------------------------------------------------------------- */

/* The stage whose question is the newest. */
int secure_open_stage(const struct carried *c, struct error *e)
{
    char path[1400];
    for (int stage = SECURE_REVEAL; stage > SECURE_KEYS; stage--) {
        if (secure_question_path(path, c, stage, e)) return -1;
        if (file_exists(path)) return stage;
    }
    return SECURE_KEYS;
}

static int read_state(struct stage_work *s, int stage, struct error *e)
{
    char path[1400];
    struct bytes state = {0}, numbers = {0};
    struct message_head h = head_of(s, secure_question[stage], "");
    if (secure_question_path(path, s->c, stage, e)) return -1;
    int status = parts_read(&state, &h, "state", &s->c->f, path, e);
    if (!status && stage == SECURE_REVEAL) status = parts_read(&numbers, &h, "numbers", &s->c->f, path, e);
    if (status > 0) status = error_set(e, "%s: has not all of its parts", path);
    if (!status && secure_server_read(&s->server, state.data, state.size, e))
        status = error_prefix(e, "%s", path);
    if (!status && ((int)s->server.stage != stage || s->server.p.sites != s->drawn))
        status =
            error_set(e, "%s: is of stage %d and %d sites", path, (int)s->server.stage, s->server.p.sites);
    if (!status && stage == SECURE_REVEAL) {
        json_free(s->numbers);
        s->numbers = json_parse((const char *)numbers.data, numbers.size, e);
        if (!s->numbers) status = error_prefix(e, "%s", path);
    }
    bytes_free(&state);
    bytes_free(&numbers);
    return status;
}

static int begin_stage(struct stage_work *s, struct error *e)
{
    struct secure_parameters p;
    s->rank = calloc((size_t)s->c->f.sites + 1, sizeof *s->rank);
    s->numbers = json_array();
    if (!s->rank) return error_set(e, "out of memory for %d sites", s->c->f.sites);
    for (int i = 0; i < s->c->f.sites; i++) s->rank[i] = s->w->chosen[i] ? s->drawn++ : -1;
    int stage = s->w->stage;
    if (stage > SECURE_KEYS) return read_state(s, stage, e);
    return secure_round_parameters(&p, &s->c->f, s->drawn, &s->w->message.task, s->c->model->count, e) ||
                   secure_server_begin(&s->server, &p, e)
               ? -1
               : 0;
}

/* ---- taking in ----------------------------------------------------------------------------------------- */

static int take_masked(struct stage_work *s, int i, const char *path, struct error *e)
{
    char hex[65];
    struct update *u = &s->w->update;
    if (update_read(u, &s->c->f, s->c->model, path, hex, e) ||
        carried_check_answer(s->c, u, s->c->site[i], s->w->message.task.base, e) ||
        server_note(&s->w->server, u, e))
        return -1;
    if (secure_server_take(&s->server, s->rank[i], u->packed.data, u->packed.size, e)) {
        server_unnote(&s->w->server);
        return -1;
    }
    struct json *j = json_add_object(s->numbers, NULL);
    json_add_int(j, "site", i);
    json_add_text(j, "sha256", hex);
    json_add_number(j, "bytes", (double)u->packed.size);
    json_add(j, "update", update_json(u));
    return 0;
}

static int take_frame(struct stage_work *s, int i, const char *path, struct error *e)
{
    struct bytes frame = {0};
    struct message_head h = head_of(s, secure_answer[s->server.stage], s->c->site[i]);
    int status = parts_read(&frame, &h, "message", &s->c->f, path, e);
    if (status > 0) status = error_set(e, "%s: has no message", path);
    if (!status) status = secure_server_take(&s->server, s->rank[i], frame.data, frame.size, e);
    bytes_free(&frame);
    return status;
}

/* The file of site i, if it is there. Who is not of this stage any more is not expected. */
static int take_site(struct stage_work *s, int i, struct error *e)
{
    char path[1400], file[1400];
    struct round_work *w = s->w;
    struct error why = {""};
    int stage = (int)s->server.stage, rank = s->rank[i];
    if (rank < 0) return 0;
    w->chosen[i] = stage == SECURE_KEYS || s->server.came[stage - 1][rank];
    if (!w->chosen[i]) return 0;
    if (secure_answer_path(path, s->c, s->c->site[i], stage, e)) return -1;
    if (!file_exists(path)) return 0;
    w->answered[i] = 1;
    int status = stage == SECURE_MASKED ? take_masked(s, i, path, &why) : take_frame(s, i, path, &why);
    snprintf(file, sizeof file, "%s", path + strlen(s->c->folder) + 1);
    if (status) secure_name_site(&why, s->c, NULL);
    if (status) aggregate_refuse(w, s->c->site[i], file, why.text);
    return 0;
}

/* ---- closing a stage ----------------------------------------------------------------------------------- */

static int add_questions(struct stage_work *s, struct message_part *part, struct bytes *question,
                         int *parts, struct error *e)
{
    for (int i = 0; i < s->c->f.sites; i++) {
        int rank = s->rank[i];
        if (rank < 0 || !s->server.came[s->server.stage - 1][rank]) continue;
        if (secure_server_message(&s->server, rank, &question[rank], e)) return -1;
        struct message_part *p = &part[(*parts)++];
        snprintf(p->name, sizeof p->name, "question.%s", s->c->site[i]);
        p->data = question[rank].data;
        p->size = question[rank].size;
    }
    return 0;
}

/* The state after the stage, with what the sites are asked next. */
static int write_question(struct stage_work *s, struct error *e)
{
    char path[1400];
    int stage = (int)s->server.stage, parts = 0;
    struct bytes state = {0}, *question = calloc((size_t)s->drawn + 1, sizeof *question);
    struct message_part *part = calloc((size_t)s->drawn + 2, sizeof *part);
    struct message_head h = head_of(s, secure_question[stage], "");
    char *numbers = json_format(s->numbers, 0);
    int status = question && part && numbers ? 0 : error_set(e, "out of memory for %d sites", s->drawn);
    if (!status) secure_server_write(&s->server, &state);
    if (!status) status = bytes_done(&state, "state of the server", e);
    if (!status) {
        part[parts++] = (struct message_part){"state", state.data, state.size};
        part[parts++] = (struct message_part){"numbers", (unsigned char *)numbers, strlen(numbers)};
        status = add_questions(s, part, question, &parts, e);
    }
    if (!status) status = secure_question_path(path, s->c, stage, e);
    if (!status) status = parts_write(&h, part, parts, &s->c->f, path, e);
    for (int i = 0; question && i < s->drawn; i++) bytes_free(&question[i]);
    bytes_free(&state);
    free(question);
    free(part);
    free(numbers);
    return status;
}

static void refuse_reveal(struct stage_work *s, int i)
{
    char path[1400];
    struct error ignored;
    if (secure_answer_path(path, s->c, s->c->site[i], SECURE_REVEAL, &ignored)) return;
    aggregate_refuse(s->w, s->c->site[i], path + strlen(s->c->folder) + 1,
                     "its shares are not those that the other sites' fit to: done without it");
}

/* Whose cases are not the weight that it masked nobody can see: that it is so stands where what is refused
 * does. */
static void tell_weights(struct stage_work *s, const char *what)
{
    char path[1400], reason[400];
    struct error ignored;
    if (secure_question_path(path, s->c, SECURE_REVEAL, &ignored)) return;
    snprintf(reason, sizeof reason, "%.200s: a site counted with another weight than its examples are", what);
    aggregate_refuse(s->w, "", path + strlen(s->c->folder) + 1, reason);
}

/* The numbers of the survivors, that were written when the masked updates were closed, and the mean. */
static int take_mean(struct stage_work *s, struct error *e)
{
    struct round_work *w = s->w;
    double weight;
    char path[1400];
    if (secure_question_path(path, s->c, SECURE_REVEAL, e)) return -1;
    for (int k = 0; k < s->numbers->count; k++) {
        const struct json *j = s->numbers->item[k], *update = json_get(j, "update");
        int64_t i = json_integer(j, "site", -1);
        if (!update || i < 0 || i >= s->c->f.sites) return error_set(e, "%s: numbers are of no site", path);
        if (update_from_json(&w->update, update, path, e) || server_note(&w->server, &w->update, e))
            return -1;
        w->server.update[w->server.updates - 1].bytes = json_number(j, "bytes", 0);
        aggregate_note(w, (int)i, json_text(j, "sha256", ""));
    }
    float *mean = malloc((s->c->model->count + 1) * sizeof *mean);
    if (!mean) return error_set(e, "out of memory for the mean of %zu weights", s->c->model->count);
    int status = secure_server_mean(&s->server, mean, &weight, e);
    if (status) secure_name_site(e, s->c, path);
    for (int i = 0; !status && i < s->c->f.sites; i++)
        if (s->rank[i] >= 0 && s->server.wrong[s->rank[i]]) refuse_reveal(s, i);
    if (!status) status = server_take_mean(&w->server, mean, weight, e);
    free(mean);
    if (status > 0) tell_weights(s, e->text);
    return status < 0 ? -1 : AGGREGATE_MEAN;
}

static int close_stage(struct stage_work *s, char told[256], struct error *e)
{
    int stage = (int)s->server.stage, came = secure_server_came(&s->server);
    if (stage == SECURE_REVEAL) return take_mean(s, e);
    if (secure_server_next(&s->server, e) || write_question(s, e)) return -1;
    snprintf(told, 256, "round %d of %d: %s of %d sites, %d refused; the sites send %s next", s->c->round + 1,
             s->c->f.train.epochs, stage == SECURE_MASKED ? "masked updates" : secure_answer[stage], came,
             s->w->refused->count, stage + 1 == SECURE_MASKED ? "masked updates" : secure_answer[stage + 1]);
    return CARRIED_DONE;
}

static int run_stage(struct stage_work *s, int late, char told[256], struct error *e)
{
    int sites = s->c->f.sites;
    if (begin_stage(s, e)) return -1;
    for (int i = 0; i < sites; i++)
        if (take_site(s, i, e)) return -1;
    /* Any `threshold` reveals are enough, and give the same mean. */
    int in = secure_server_came(&s->server),
        enough = s->server.stage == SECURE_REVEAL && in >= s->server.p.threshold;
    int ends = enough ? 1 : aggregate_can_end(s->w, in, late, told, e);
    if (ends <= 0) return ends < 0 ? -1 : CARRIED_WAITS;
    return close_stage(s, told, e);
}

int secure_aggregate(struct round_work *w, int late, char told[256], struct error *e)
{
    struct stage_work s = {.w = w, .c = w->c};
    int status = run_stage(&s, late, told, e);
    stage_free(&s);
    return status;
}

/* ---- names of files ------------------------------------------------------------------------------------ */

int secure_file_site(char site[SITE_NAME_MAX], const char *stem)
{
    const char *dot = strchr(stem, '.');
    size_t n = dot ? (size_t)(dot - stem) : 0;
    if (!dot || n >= SITE_NAME_MAX) return 0;
    int server = n == 6 && strncmp(stem, "server", n) == 0, known = 0;
    for (int stage = SECURE_KEYS; stage < SECURE_DONE; stage++)
        known |= strcmp(dot + 1, server ? secure_question[stage] : secure_answer[stage]) == 0;
    snprintf(site, SITE_NAME_MAX, "%.*s", server ? 0 : (int)n, stem);
    return known;
}

int secure_file_of(int stage, const char *file)
{
    char ending[40];
    snprintf(ending, sizeof ending, ".%s.safetensors", secure_answer[stage]);
    if (stage != SECURE_MASKED) return file_has_suffix(file, ending);
    const char *name = strrchr(file, '/'), *dot = strchr(name ? name : file, '.');
    return dot && strcmp(dot, ".safetensors") == 0;
}
