/* message.c - tasks and updates to safetensors and back. */
#include "fl/message/message.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/message/vectors.h"
#include "io/base/sha256.h"
#include "io/weights/seal.h"

/* ---- updates ------------------------------------------------------------------------------------------- */

int update_init(struct update *u, size_t count, struct error *e)
{
    memset(u, 0, sizeof *u);
    u->count = count;
    u->values = calloc(count + 1, sizeof *u->values);
    return u->values ? 0 : error_set(e, "out of memory for an update of %zu weights", count);
}

void update_free(struct update *u)
{
    free(u->values);
    bytes_free(&u->packed);
    memset(u, 0, sizeof *u);
}

void update_to(struct update *u, int kind, const float *global)
{
    if (u->kind == kind) return;
    for (size_t i = 0; i < u->count; i++)
        u->values[i] = kind == UPDATE_WEIGHTS ? global[i] + u->values[i] : u->values[i] - global[i];
    u->kind = kind;
}

static const char packed_name[] = "packed";

void update_add_values(struct safetensors *s, const char *prefix, const struct model *layout,
                       const struct update *u)
{
    char name[96];
    int64_t size = (int64_t)u->packed.size;
    snprintf(name, sizeof name, "%.60s%s", prefix, packed_name);
    if (size > 0)
        safetensors_add(s, name, "U8", 1, &size, u->packed.data);
    else
        vectors_add(s, prefix, layout, u->values);
}

int update_take_values(struct update *u, const struct safetensors *s, const char *prefix,
                       const struct model *layout, const char *path, struct error *e)
{
    char name[96];
    snprintf(name, sizeof name, "%.60s%s", prefix, packed_name);
    const struct safetensor *t = safetensors_find(s, name);
    bytes_free(&u->packed);
    if (!t && u->kind == UPDATE_HIDDEN) return error_set(e, "%s: has no tensor %s", path, name);
    if (!t) return vectors_take(u->values, s, prefix, layout, path, e);
    if (strcmp(t->dtype, "U8") != 0 || u->kind == UPDATE_WEIGHTS)
        return error_set(e, "%s: tensor %s is no packed difference", path, name);
    bytes_put(&u->packed, t->data, t->bytes);
    if (bytes_done(&u->packed, path, e)) return -1;
    if (u->kind == UPDATE_HIDDEN) return memset(u->values, 0, u->count * sizeof *u->values), 0;
    return compress_decode(u->values, u->count, t->data, t->bytes, e) ? error_prefix(e, "%s", path) : 0;
}

static const char *const kind_name[] = {"weights", "difference", "hidden"};

struct json *update_json(const struct update *u)
{
    const struct contribution *c = &u->numbers;
    struct json *j = json_object();
    json_add_text(j, "site", u->site);
    json_add_int(j, "round", u->round);
    json_add_text(j, "values", kind_name[u->kind]);
    json_add_number(j, "examples", c->examples);
    json_add_number(j, "steps", c->steps);
    json_add_number(j, "effective_steps", c->effective);
    json_add_number(j, "learning_rates", c->lr_sum);
    json_add_number(j, "start_loss", c->start_loss);
    json_add_number(j, "loss", u->loss);
    json_add_int(j, "validation_cases", u->validation_cases);
    json_add_number(j, "metric_before", u->metric_before);
    json_add_number(j, "loss_before", u->loss_before);
    json_add_number(j, "metric_after", u->metric_after);
    json_add_number(j, "loss_after", u->loss_after);
    if (u->within >= 0) json_add_int(j, "within_clip", u->within);
    json_add_text(j, "base", u->base);
    return j;
}

/* NaN where it is not told. */
static int take_optional(double *v, const struct json *j, const char *key, double min, double max,
                         const char *path, struct error *e)
{
    const struct json *m = json_get(j, key);
    *v = NAN;
    return !m || (m->type == JSON_DOUBLE && isnan(m->number)) ? 0 : take_number(v, j, key, min, max, path, e);
}

/* Losses are of any sign; a metric is a share. */
static int take_measures(struct update *u, const struct json *j, const char *path, struct error *e)
{
    int64_t within = -1;
    struct {
        const char *key;
        double *v;
        int metric;
    } part[] = {{"start_loss", &u->numbers.start_loss, 0}, {"loss", &u->loss, 0},
                {"metric_before", &u->metric_before, 1},   {"loss_before", &u->loss_before, 0},
                {"metric_after", &u->metric_after, 1},     {"loss_after", &u->loss_after, 0}};
    for (size_t k = 0; k < sizeof part / sizeof *part; k++)
        if (take_optional(part[k].v, j, part[k].key, part[k].metric ? 0 : -LOSS_LARGEST,
                          part[k].metric ? 1 : LOSS_LARGEST, path, e))
            return -1;
    if (json_get(j, "within_clip") && take_integer(&within, j, "within_clip", 0, 1, path, e)) return -1;
    u->within = (int)within;
    return 0;
}

int update_from_json(struct update *u, const struct json *j, const char *path, struct error *e)
{
    struct contribution *c = &u->numbers;
    int64_t round, cases;
    int kind = UPDATE_WEIGHTS;
    const char *site = json_text(j, "site", ""), *values = json_text(j, "values", ""),
               *base = json_text(j, "base", "");
    if (!*site || strlen(site) >= sizeof u->site)
        return error_set(e, "%s: site '%.80s' is no name", path, site);
    while (kind < UPDATE_HIDDEN && strcmp(values, kind_name[kind]) != 0) kind++;
    if (strcmp(values, kind_name[kind]) != 0)
        return error_set(e, "%s: values are '%.40s'", path, values);
    if (strlen(base) >= sizeof u->base) return error_set(e, "%s: base is no hash", path);
    if (take_integer(&round, j, "round", 0, INT32_MAX - 1, path, e) ||
        take_integer(&cases, j, "validation_cases", 0, INT32_MAX, path, e) ||
        take_number(&c->examples, j, "examples", 1, 1e9, path, e) ||
        take_number(&c->steps, j, "steps", 1, 1e9, path, e) ||
        take_number(&c->effective, j, "effective_steps", 1, 1e15, path, e) ||
        take_number(&c->lr_sum, j, "learning_rates", 0, 1e15, path, e) || take_measures(u, j, path, e))
        return -1;
    snprintf(u->site, sizeof u->site, "%s", site);
    snprintf(u->base, sizeof u->base, "%s", base);
    c->site = u->site;
    c->distance2 = NAN;
    u->round = (int)round;
    u->kind = kind;
    u->validation_cases = (int)cases;
    return 0;
}

/* ---- heads --------------------------------------------------------------------------------------------- */

static struct json *head(const char *kind, const struct agreement *f, int round)
{
    struct json *j = json_object();
    json_add_text(j, "kind", kind);
    json_add_int(j, "format", MESSAGE_FORMAT);
    json_add_int(j, "round", round);
    json_add_int(j, "rounds", f->train.epochs);
    json_add_text(j, "federation", f->hash);
    return j;
}

static int check_head(const struct json *j, const char *kind, const struct agreement *f, const char *path,
                      struct error *e)
{
    const char *has = json_text(j, "kind", "");
    if (strcmp(has, kind) != 0)
        return error_set(e, "%s: is a message of kind '%.40s', not '%s'", path, has, kind);
    if (json_integer(j, "format", -1) != MESSAGE_FORMAT)
        return error_set(e, "%s: has message format %lld, this program reads %d", path,
                         (long long)json_integer(j, "format", -1), MESSAGE_FORMAT);
    if (strcmp(json_text(j, "federation", ""), f->hash) != 0)
        return error_set(e, "%s: belongs to another federation (other options, plan or sites)", path);
    return 0;
}

static int write_sealed(struct safetensors *s, struct json *head, const char *path, char hex[65],
                        struct error *e)
{
    add_meta(s, "nephron", head);
    json_free(head);
    seal_add(s);
    if (hex) seal_hash(hex, s);
    int status = safetensors_write(s, path, e);
    safetensors_free(s);
    return status;
}

/* ---- updates as files ---------------------------------------------------------------------------------- */

int update_write(const struct update *u, const struct agreement *f, const struct model *layout,
                 const char *path, char hex[65], struct error *e)
{
    struct safetensors s = {0};
    struct json *j = head("update", f, u->round);
    json_add(j, "update", update_json(u));
    update_add_values(&s, "", layout, u);
    return write_sealed(&s, j, path, hex, e);
}

int update_read(struct update *u, const struct agreement *f, const struct model *layout, const char *path,
                char hex[65], struct error *e)
{
    struct safetensors s;
    if (seal_read(&s, path, 1, e)) return -1;
    struct json *j = take_meta(&s, "nephron", path, e);
    const struct json *numbers = j ? json_get(j, "update") : NULL;
    int status = !j ? -1 : check_head(j, "update", f, path, e);
    if (!status && (!numbers || numbers->type != JSON_OBJECT))
        status = error_set(e, "%s: has no numbers of an update", path);
    if (!status) status = update_from_json(u, numbers, path, e);
    if (!status) status = update_take_values(u, &s, "", layout, path, e);
    if (!status && hex) seal_hash(hex, &s);
    json_free(j);
    safetensors_free(&s);
    return status;
}

/* ---- tasks as files ------------------------------------------------------------------------------------ */

static void shared_name(char name[32], int k)
{
    snprintf(name, sizeof(char[32]), "shared.%d.", k);
}

int task_write(const struct task *t, const struct agreement *f, const struct json *agreed,
               const struct json *updates, const struct model *layout, const char *path, char hex[65],
               struct error *e)
{
    struct safetensors s = {0};
    struct json *j = head("global", f, t->round);
    if (updates) json_add(j, "updates", json_copy(updates));
    if (f->privacy.adaptive) json_add_number(j, "clip", t->clip);
    vectors_add(&s, "", layout, t->weights);
    for (int k = 0; k < f->strategy->shared_slots; k++) {
        char name[32];
        shared_name(name, k);
        vectors_add(&s, name, layout, t->shared[k]);
    }
    add_meta(&s, "federation", agreed);
    return write_sealed(&s, j, path, hex, e);
}

void task_free(struct task_message *m)
{
    for (int k = 0; k <= STRATEGY_SLOTS; k++) free(m->vector[k]);
    memset(m, 0, sizeof *m);
}

static int take_task(struct task_message *m, const struct safetensors *s, const struct json *j,
                     const struct agreement *f, const struct model *layout, const char *path,
                     struct error *e)
{
    int64_t round;
    if (check_head(j, "global", f, path, e) || take_integer(&round, j, "round", 0, f->train.epochs, path, e))
        return -1;
    for (int k = 0; k <= f->strategy->shared_slots; k++) {
        char name[32] = "";
        if (k) shared_name(name, k - 1);
        if (!(m->vector[k] = malloc((layout->count + 1) * sizeof(float))))
            return error_set(e, "%s: out of memory", path);
        if (vectors_take_finite(m->vector[k], s, name, layout, path, e)) return -1;
        if (k) m->task.shared[k - 1] = m->vector[k];
    }
    if (f->privacy.adaptive && take_number(&m->task.clip, j, "clip", 1e-30, 1e30, path, e)) return -1;
    m->task.weights = m->vector[0];
    m->task.round = (int)round;
    seal_hash(m->task.base, s);
    return 0;
}

int task_read(struct task_message *m, const struct agreement *f, const struct model *layout,
              const char *path, struct error *e)
{
    struct safetensors s;
    memset(m, 0, sizeof *m);
    if (seal_read(&s, path, 1, e)) return -1;
    struct json *j = take_meta(&s, "nephron", path, e);
    int status = j ? take_task(m, &s, j, f, layout, path, e) : -1;
    json_free(j);
    safetensors_free(&s);
    if (status) task_free(m);
    return status;
}

int task_has(const char *path, const struct agreement *f, const char *site, struct error *e)
{
    struct safetensors s;
    if (seal_read(&s, path, 1, e)) return -1;
    struct json *j = take_meta(&s, "nephron", path, e);
    const struct json *list = j ? json_get(j, "updates") : NULL;
    int has = !j || check_head(j, "global", f, path, e) ? -1 : 0;
    for (int i = 0; has == 0 && list && list->type == JSON_ARRAY && i < list->count; i++)
        has = strcmp(json_text(list->item[i], "site", ""), site) == 0;
    json_free(j);
    safetensors_free(&s);
    return has;
}

struct json *task_agreed(const char *path, char hash[65], struct error *e)
{
    struct safetensors s;
    if (seal_read(&s, path, 1, e)) return NULL;
    const char *text = safetensors_meta(&s, "federation");
    struct json *j = take_meta(&s, "federation", path, e);
    if (j) sha256_hex(hash, text, strlen(text));
    safetensors_free(&s);
    return j;
}

/* ---- bytes as files ------------------------------------------------------------------------------------ */

int parts_write(const struct message_head *h, const struct message_part *part, int parts,
                const struct agreement *f, const char *path, struct error *e)
{
    struct safetensors s = {.private = h->private};
    struct json *j = head(h->kind, f, h->round);
    json_add_text(j, "site", h->site);
    json_add_text(j, "base", h->base);
    for (int i = 0; i < parts; i++) {
        int64_t size = (int64_t)part[i].size;
        safetensors_add(&s, part[i].name, "U8", 1, &size, part[i].data);
    }
    return write_sealed(&s, j, path, NULL, e);
}

static int check_parts_head(const struct json *j, const struct message_head *h, const struct agreement *f,
                            const char *path, struct error *e)
{
    if (check_head(j, h->kind, f, path, e)) return -1;
    if (strcmp(json_text(j, "site", "?"), h->site) != 0)
        return error_set(e, "%s: is of site '%.80s', not '%s'", path, json_text(j, "site", "?"), h->site);
    if (json_integer(j, "round", -1) != h->round)
        return error_set(e, "%s: is of round %lld, this is round %d", path,
                         (long long)json_integer(j, "round", -1), h->round);
    if (strcmp(json_text(j, "base", "?"), h->base) != 0)
        return error_set(e, "%s: belongs to another global message than round %d has", path, h->round);
    return 0;
}

int parts_read(struct bytes *out, const struct message_head *h, const char *part, const struct agreement *f,
               const char *path, struct error *e)
{
    struct safetensors s;
    if (seal_read(&s, path, 1, e)) return -1;
    struct json *j = take_meta(&s, "nephron", path, e);
    const struct safetensor *t = safetensors_find(&s, part);
    int status = j ? check_parts_head(j, h, f, path, e) : -1;
    if (!status && !t) status = 1;
    if (!status && strcmp(t->dtype, "U8") != 0)
        status = error_set(e, "%s: tensor %s is no bytes", path, part);
    if (!status) bytes_put(out, t->data, t->bytes);
    if (!status) status = bytes_done(out, path, e);
    json_free(j);
    safetensors_free(&s);
    return status;
}
