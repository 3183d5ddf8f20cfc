/* carried.c - the folder FED: agreeing, opening, and the server's file of a round. */
#include "fl/carried/carried.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fl/message/vectors.h"
#include "fl/round/private.h"
#include "fl/round/secure_round.h"
#include "io/base/file.h"
#include "io/base/sha256.h"
#include "io/weights/seal.h"
#include "nn/folder/run.h"
#include "nn/planner/plans_json.h"
#include "nn/train/checkpoint.h"

enum { SITES_MOST = 1000000 };

/* ---- names and places ---------------------------------------------------------------------------------- */

int carried_path(char path[1400], const struct carried *c, int round, const char *name, struct error *e)
{
    int n = snprintf(path, 1400, "%s/round_%04d%s%s", c->folder, round, *name ? "/" : "", name);
    return n > 0 && n < 1400 ? 0 : error_set(e, "%.200s: path is too long", c->folder);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int carried_is_site(const struct carried *c, const char *name)
{
    return bsearch(&name, c->site, (size_t)c->f.sites, sizeof *c->site, compare_names) != NULL;
}

/* CON, PRN, AUX, NUL, COM0 to LPT9. */
static int is_device(const char *name)
{
    static const char *const device[] = {"con", "prn", "aux", "nul", "com", "lpt"};
    for (int i = 0; i < 6; i++)
        if (strncasecmp(name, device[i], 3) == 0 &&
            (i < 4 ? !name[3] : name[3] >= '0' && name[3] <= '9' && !name[4]))
            return 1;
    return 0;
}

/* A name becomes a file's name, on any system. */
int carried_check_name(const char *name, struct error *e)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t n = strlen(name);
    if (n < 1 || n >= SITE_NAME_MAX || strspn(name, letters) != n)
        return error_set(e, "site '%.80s': a name has 1 to %d letters, digits, - and _", name,
                         SITE_NAME_MAX - 1);
    if (strcasecmp(name, "global") == 0 || strcasecmp(name, "server") == 0)
        return error_set(e, "site '%s': the name is taken by the server's files", name);
    return is_device(name) ? error_set(e, "site '%s': no file can have this name under Windows", name) : 0;
}

static int compare_letters(const void *a, const void *b)
{
    return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

static void hash_json(char hex[65], const struct json *j)
{
    char *text = json_format(j, 0);
    sha256_hex(hex, text ? text : "", text ? strlen(text) : 0);
    free(text);
}

/* ---- agreeing ------------------------------------------------------------------------------------------ */

static int add_sites(struct json *agreed, const char *const *site, int sites, struct error *e)
{
    struct json *list = json_add_array(agreed, "site_names");
    const char **sorted = malloc(((size_t)sites + 1) * sizeof *sorted);
    int status = sorted ? 0 : error_set(e, "out of memory for %d sites", sites);
    for (int i = 0; !status && i < sites; i++) {
        sorted[i] = site[i];
        status = carried_check_name(site[i], e);
    }
    if (!status) qsort(sorted, (size_t)sites, sizeof *sorted, compare_letters);
    for (int i = 1; !status && i < sites; i++)
        if (strcmp(sorted[i], sorted[i - 1]) == 0)
            status = error_set(e, "site %s stands twice", sorted[i]);
        else if (strcasecmp(sorted[i], sorted[i - 1]) == 0)
            status = error_set(e,
                               "sites %s and %s: their files would be one where letters' case is not told "
                               "apart",
                               sorted[i - 1], sorted[i]);
    if (!status) qsort(sorted, (size_t)sites, sizeof *sorted, compare_names);
    for (int i = 0; !status && i < sites; i++) json_add_text(list, NULL, sorted[i]);
    free(sorted);
    return status;
}

static int write_start(const struct carried *c, const struct model *m, struct error *e)
{
    char path[1400];
    struct task t = {.round = 0, .weights = m->data, .clip = c->f.privacy.clip};
    float *zero = calloc(m->count + 1, sizeof *zero);
    if (!zero) return error_set(e, "out of memory for %zu weights", m->count);
    for (int k = 0; k < STRATEGY_SLOTS; k++) t.shared[k] = zero;
    int status = carried_path(path, c, 0, "", e) ? -1 : file_mkdirs(path, e);
    if (!status) status = carried_path(path, c, 0, "global.safetensors", e);
    if (!status) status = task_write(&t, &c->f, c->agreed, NULL, m, path, NULL, e);
    free(zero);
    return status;
}

/* Files of the agreed, federation.json last: with it the federation is there. */
static int write_agreed(const struct carried *c, const struct model *initial, struct error *e)
{
    char path[1200];
    const struct json *dataset = json_get(c->agreed, "dataset"), *plans = json_get(c->agreed, "plans");
    struct model *m = learner_model(&c->f.train, c->f.plan);
    if (!m) return error_set(e, "out of memory for the weights of a network");
    if (initial && initial->count == m->count) memcpy(m->data, initial->data, m->count * sizeof *m->data);
    int status = initial && initial->count != m->count
                     ? error_set(e, "the initial weights are of another network")
                     : 0;
    if (!status) status = file_mkdirs(c->folder, e);
    if (!status && dataset)
        status = file_join(path, sizeof path, c->folder, "dataset.json", e) || json_write(dataset, path, e)
                     ? -1
                     : 0;
    if (!status && plans)
        status =
            file_join(path, sizeof path, c->folder, "plans.json", e) || json_write(plans, path, e) ? -1 : 0;
    if (!status) status = write_start(c, m, e);
    if (!status)
        status =
            file_join(path, sizeof path, c->folder, "federation.json", e) || json_write(c->agreed, path, e)
                ? -1
                : 0;
    model_destroy(m);
    return status;
}

/* 1 where the same is agreed already. */
static int agreed_before(const struct carried *c, struct error *e)
{
    char path[1200], hash[65];
    if (file_join(path, sizeof path, c->folder, "federation.json", e)) return -1;
    if (!file_exists(path)) return 0;
    struct json *there = json_read(path, e);
    if (!there) return -1;
    hash_json(hash, there);
    json_free(there);
    return strcmp(hash, c->f.hash) == 0
               ? 1
               : error_set(e, "%s: another federation was agreed on in this folder", path);
}

/* A round that may end without the others must be one that can end. */
static int check_quorum(const struct agreement *f, int quorum, struct error *e)
{
    const int least = f->strategy->least ? f->strategy->least(f->option) : 1;
    if (quorum < 1 || quorum > f->sites) return error_set(e, "quorum %d of %d sites", quorum, f->sites);
    if (quorum < f->minimum)
        return error_set(e, "--quorum %d with --minimum %d: no round could end with so few answers", quorum,
                         f->minimum);
    if (quorum < least)
        return error_set(e, "--quorum %d with --strategy %s, which needs the updates of %d sites a round",
                         quorum, f->strategy->name, least);
    if (f->secure_range > 0 && quorum < secure_least(f))
        return error_set(e, "--secure with --quorum %d: of %d sites a round at least %d have to answer",
                         quorum, agreement_drawn(f), secure_least(f));
    return 0;
}

int carried_init(const char *folder, const struct agreement *f, const char *const *site, int quorum,
                 const char *fold, const struct json *dataset_json, const struct json *plans,
                 const char *configuration, int cases, int masked, const struct model *initial,
                 struct error *e)
{
    struct carried c = {.f = *f, .agreed = agreement_json(f)};
    if (strlen(folder) >= sizeof c.folder)
        return json_free(c.agreed), error_set(e, "%.100s...: path is too long", folder);
    snprintf(c.folder, sizeof c.folder, "%s", folder);
    json_add_int(c.agreed, "format", MESSAGE_FORMAT);
    json_add_int(c.agreed, "quorum", quorum);
    json_add_text(c.agreed, "fold", fold);
    if (dataset_json) json_add(c.agreed, "dataset", json_copy(dataset_json));
    if (plans) json_add(c.agreed, "plans", json_copy(plans));
    if (plans) json_add_text(c.agreed, "configuration", configuration);
    if (masked >= 0) json_add_int(c.agreed, "fingerprint_cases", cases);
    if (masked >= 0) json_add_int(c.agreed, "fingerprint_masked_cases", masked);
    if (initial) {
        char hash[17];
        snprintf(hash, sizeof hash, "%016" PRIx64, model_hash(initial));
        json_add_text(c.agreed, "initial_weights", hash);
    }
    int status = agreement_check(f, e) || private_check(f, e) || secure_check(f, e) ||
                         add_sites(c.agreed, site, f->sites, e)
                     ? -1
                     : 0;
    if (!status) status = check_quorum(f, quorum, e);
    hash_json(c.f.hash, c.agreed);
    int before = status ? -1 : agreed_before(&c, e);
    if (before == 0) status = write_agreed(&c, initial, e);
    json_free(c.agreed);
    return before < 0 ? -1 : status;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

static int take_sites(struct carried *c, const char *path, struct error *e)
{
    const struct json *list = json_get(c->agreed, "site_names");
    int64_t quorum;
    if (!list || list->type != JSON_ARRAY || list->count != c->f.sites || list->count > SITES_MOST)
        return error_set(e, "%s: site_names is no list of %d names", path, c->f.sites);
    if (take_integer(&quorum, c->agreed, "quorum", 1, c->f.sites, path, e)) return -1;
    c->quorum = (int)quorum;
    c->site = calloc((size_t)list->count + 1, sizeof *c->site);
    if (!c->site) return error_set(e, "%s: out of memory", path);
    for (int i = 0; i < list->count; i++) {
        if (list->item[i]->type != JSON_STRING || carried_check_name(list->item[i]->string, e))
            return error_prefix(e, "%s", path);
        c->site[i] = list->item[i]->string;
        if (i && strcmp(c->site[i - 1], c->site[i]) >= 0)
            return error_set(e, "%s: site_names are not sorted", path);
    }
    return 0;
}

static int take_plan(struct carried *c, const char *path, struct error *e)
{
    char name[1200];
    const struct json *dataset = json_get(c->agreed, "dataset"), *plans = json_get(c->agreed, "plans");
    const char *fold = json_text(c->agreed, "fold", "");
    if (strlen(fold) >= sizeof c->fold || !*fold) return error_set(e, "%s: fold is missing", path);
    snprintf(c->fold, sizeof c->fold, "%s", fold);
    if (dataset) {
        char ours[65], theirs[65];
        struct json *there;
        if (file_join(name, sizeof name, c->folder, "dataset.json", e)) return -1;
        if (!file_exists(name) && json_write(dataset, name, e))
            return -1; /* only the message was carried here */
        if (!(there = json_read(name, e))) return -1;
        hash_json(ours, dataset);
        hash_json(theirs, there);
        json_free(there);
        if (strcmp(ours, theirs) != 0)
            return error_set(e, "%s: is not the one that federation.json has", name);
        if (dataset_read_header(&c->dataset, name, e)) return -1;
    }
    if (!c->f.train.task->planned) return 0;
    if (!dataset || !plans) return error_set(e, "%s: segmentation without dataset or plans", path);
    if (plans_from_json(&c->plans, plans, &c->dataset, path, e)) return -1;
    c->f.plan = plans_find(&c->plans, json_text(c->agreed, "configuration", ""), e);
    return c->f.plan ? 0 : error_prefix(e, "%s", path);
}

/* The newest round with a global message; older ones may have been cleared away, or never been carried
 * here. */
int carried_find_round(struct carried *c, struct error *e)
{
    struct file_list list;
    char path[1400], name[32];
    c->round = -1;
    if (file_check_folder(c->folder, "folder: the federation is not begun (--as init)", e) ||
        file_list(c->folder, &list, e)) return -1;
    for (int i = 0; i < list.count; i++) {
        int round;
        if (sscanf(list.name[i], "round_%9d", &round) != 1 || round <= c->round) continue;
        snprintf(name, sizeof name, "round_%04d", round);
        if (strcmp(name, list.name[i]) == 0 && carried_path(path, c, round, "global.safetensors", e) == 0 &&
            file_exists(path))
            c->round = round;
    }
    file_list_free(&list);
    return c->round >= 0
               ? 0
               : error_set(
                     e,
                     "%s: there is no round_NNNN/global.safetensors: the federation is not begun (--as init)",
                     c->folder);
}

int carried_begun(const char *folder)
{
    struct carried c = {.round = -1};
    struct error ignored;
    if (strlen(folder) >= sizeof c.folder) return 0;
    snprintf(c.folder, sizeof c.folder, "%s", folder);
    return carried_find_round(&c, &ignored) == 0;
}

int carried_read_task(struct task_message *m, const struct carried *c, struct error *e)
{
    char path[1400];
    if (carried_path(path, c, c->round, "global.safetensors", e) || task_read(m, &c->f, c->model, path, e))
        return -1;
    if (m->task.round == c->round) return 0;
    error_set(e, "%s: is the task of round %d", path, m->task.round);
    task_free(m);
    return -1;
}

int carried_check_answer(const struct carried *c, const struct update *u, const char *site, const char *base,
                         struct error *e)
{
    if (strcmp(u->site, site) != 0) return error_set(e, "holds an update of site %s", u->site);
    if (u->round != c->round) return error_set(e, "is of round %d, this is round %d", u->round, c->round);
    if (strcmp(u->base, base) != 0)
        return error_set(e, "began with another global message than round %d has", u->round);
    return client_check_steps(&c->f, c->round, &u->numbers, e);
}

/* federation.json; where only a global message was carried here, what it says. */
static int read_agreed(struct carried *c, char path[1400], struct error *e)
{
    char hash[65];
    if (file_join(path, 1400, c->folder, "federation.json", e)) return -1;
    if (file_exists(path)) return (c->agreed = json_read(path, e)) ? 0 : -1;
    if (carried_path(path, c, c->round, "global.safetensors", e)) return -1;
    return (c->agreed = task_agreed(path, hash, e)) ? 0 : -1;
}

/* All that the agreed says, checked. */
static int take_agreed(struct carried *c, const char *path, struct error *e)
{
    if (json_integer(c->agreed, "format", -1) != MESSAGE_FORMAT)
        return error_set(e, "%s: has format %lld, this program reads %d", path,
                         (long long)json_integer(c->agreed, "format", -1), MESSAGE_FORMAT);
    if (agreement_from_json(&c->f, c->agreed, path, e) || take_sites(c, path, e) || take_plan(c, path, e))
        return -1;
    if (agreement_check(&c->f, e) || private_check(&c->f, e) || secure_check(&c->f, e))
        return error_prefix(e, "%s", path);
    if (c->round > c->f.train.epochs)
        return error_set(e, "%s: there is a round %d of %d", c->folder, c->round, c->f.train.epochs);
    return 0;
}

int carried_open(struct carried *c, const char *folder, struct error *e)
{
    char path[1400];
    memset(c, 0, sizeof *c);
    if (strlen(folder) >= sizeof c->folder) return error_set(e, "%.100s...: path is too long", folder);
    snprintf(c->folder, sizeof c->folder, "%s", folder);
    if (carried_find_round(c, e) || read_agreed(c, path, e)) return -1;
    if (take_agreed(c, path, e)) return carried_close(c), -1;
    hash_json(c->f.hash, c->agreed);
    c->model = learner_model(&c->f.train, c->f.plan);
    if (c->model) return 0;
    carried_close(c);
    return error_set(e, "out of memory for the weights of a network");
}

void carried_close(struct carried *c)
{
    if (c->model) model_destroy(c->model);
    plans_free(&c->plans);
    dataset_close(&c->dataset);
    json_free(c->agreed);
    free(c->site);
    memset(c, 0, sizeof *c);
}

/* ---- the server's file --------------------------------------------------------------------------------- */

void carried_privacy(char text[200], const struct carried *c, const struct history *h, int rounds,
                     double clip)
{
    int all, cases = history_fewest_cases(h, c->f.sites, &all);
    private_text(text, &c->f, rounds, clip, cases);
    if (c->f.privacy.kind == PRIVACY_SGD && !all) {
        size_t n = strlen(text);
        snprintf(text + n, 200 - n, ", of the sites that answered");
    }
}

int carried_write_server(const struct carried *c, const struct server *s, const struct history *h, int round,
                         struct error *e)
{
    char path[1400];
    struct safetensors t = {0};
    struct json *j = json_object();
    json_add_text(j, "kind", "server");
    json_add_text(j, "federation", c->f.hash);
    json_add_int(j, "round", round);
    if (c->f.privacy.adaptive) json_add_number(j, "clip", s->clip);
    json_add(j, "history", history_json(h));
    for (int k = 0; k < c->f.strategy->server_slots; k++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "slot.%d.", k);
        vectors_add(&t, prefix, c->model, s->slot[k]);
    }
    add_meta(&t, "nephron", j);
    json_free(j);
    int status = carried_path(path, c, round, "server.safetensors", e) ? -1 : seal_write(&t, path, e);
    safetensors_free(&t);
    return status;
}

int carried_read_server(const struct carried *c, struct server *s, struct history *h, int round,
                        struct error *e)
{
    char path[1400];
    struct safetensors t;
    if (round == 0) return 0; /* zero vectors, no rows */
    if (carried_path(path, c, round, "server.safetensors", e) || seal_read(&t, path, 1, e)) return -1;
    struct json *j = take_meta(&t, "nephron", path, e);
    int status = j ? 0 : -1;
    if (!status &&
        (strcmp(json_text(j, "federation", ""), c->f.hash) != 0 || json_integer(j, "round", -1) != round))
        status = error_set(e, "%s: belongs to another federation or round", path);
    if (!status) status = history_from_json(h, json_get(j, "history"), round, c->f.sites, path, e);
    if (!status && h->record[h->count - 1].hash != model_hash(c->model))
        status = error_set(e, "%s: is of the weights %016" PRIx64 ", global.safetensors has %016" PRIx64
                              ": they are of different copies of this folder, bring both of one",
                           path, h->record[h->count - 1].hash, model_hash(c->model));
    if (!status && s && c->f.privacy.adaptive)
        status = take_number(&s->clip, j, "clip", 1e-30, 1e30, path, e);
    for (int k = 0; !status && s && k < c->f.strategy->server_slots; k++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "slot.%d.", k);
        status = vectors_take_finite(s->slot[k], &t, prefix, c->model, path, e);
    }
    json_free(j);
    safetensors_free(&t);
    return status;
}
