/* site_state.c - what a site keeps between rounds, as one sealed file. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/base/vector.h"
#include "fl/message/vectors.h"
#include "fl/round/client.h"
#include "io/weights/seal.h"

static void begin(struct site_state *s, const char *name)
{
    snprintf(s->name, sizeof s->name, "%s", name);
    s->next_round = s->rounds_before = 0;
    site_state_go_on(s);
}

int site_state_init(struct site_state *s, const char *name, const struct agreement *f,
                    const struct model *layout, struct error *e)
{
    memset(s, 0, sizeof *s);
    if (optimizer_init_for(&s->optimizer, &f->train, layout, e)) return error_prefix(e, "site %s", name);
    if (f->train.ema > 0 && weight_average_init(&s->average, f->train.ema, layout, e)) {
        site_state_free(s);
        return -1;
    }
    for (int k = 0; k < f->strategy->site_slots; k++)
        if (!(s->slot[k] = calloc(layout->count + 1, sizeof(float)))) {
            site_state_free(s);
            return error_set(e, "out of memory for the state of site %s", name);
        }
    if (f->compress && !(s->residual = calloc(layout->count + 1, sizeof(float)))) {
        site_state_free(s);
        return error_set(e, "out of memory for the state of site %s", name);
    }
    begin(s, name); /* its numbers are 0: memory that nobody touches before it is needed */
    return 0;
}

void site_state_reset(struct site_state *s, const char *name, const struct model *layout)
{
    begin(s, name);
    optimizer_reset(&s->optimizer);
    weight_average_reset(&s->average);
    if (s->residual) memset(s->residual, 0, layout->count * sizeof(float));
    for (int k = 0; k < STRATEGY_SLOTS; k++)
        if (s->slot[k]) memset(s->slot[k], 0, layout->count * sizeof(float));
}

void site_state_go_on(struct site_state *s)
{
    s->pause.round = -1;
    s->pause.personal = s->pause.steps = 0;
}

void site_state_free(struct site_state *s)
{
    free(s->pause.weights);
    free(s->pause.values);
    optimizer_free(&s->optimizer);
    weight_average_free(&s->average);
    for (int k = 0; k < STRATEGY_SLOTS; k++) free(s->slot[k]);
    free(s->residual);
    memset(s, 0, sizeof *s);
}

/* ---- files --------------------------------------------------------------------------------------------- */

/* Of the optimiser's moment k, "optimizer.momentum.NAME" for each parameter. */
static void moment_name(char name[64], const struct optimizer *o, int k)
{
    snprintf(name, sizeof(char[64]), "optimizer.%s.", o->method->moment[k]);
}

static void slot_name(char name[32], int k)
{
    snprintf(name, sizeof(char[32]), "slot.%d.", k);
}

static void add_pause(struct safetensors *t, struct json *j, const struct site_pause *p,
                      const struct model *layout)
{
    struct json *pause = json_add_object(j, "pause");
    json_add_int(pause, "round", p->round);
    json_add_bool(pause, "personal", p->personal);
    json_add_int(pause, "steps", p->steps);
    json_add_number(pause, "loss", p->loss);
    json_add_number(pause, "first", p->first);
    json_add_number(pause, "lr_sum", p->lr_sum);
    json_add_number(pause, "effective", p->effective);
    json_add_number(pause, "seconds", p->seconds);
    json_add_text(pause, "weights_hash", p->weights_hash);
    vectors_add(t, "pause.weights.", layout, p->weights);
    if (p->personal) vectors_add(t, "pause.values.", layout, p->values);
}

int site_state_write(const struct site_state *s, const struct update *u, const struct agreement *f,
                     const struct model *layout, const char *path, struct error *e)
{
    struct safetensors t = {.private = 1}; /* under --secure too it holds the update that is not masked */
    struct json *j = json_object();
    json_add_text(j, "kind", "site");
    json_add_int(j, "format", MESSAGE_FORMAT);
    json_add_text(j, "federation", f->hash);
    json_add_text(j, "site", s->name);
    json_add_int(j, "next_round", s->next_round);
    json_add_int(j, "rounds_before", s->rounds_before);
    json_add_text(j, "optimizer", s->optimizer.method->name);
    json_add_int(j, "optimizer_steps", s->optimizer.steps);
    if (s->average.weights) json_add_int(j, "average_steps", s->average.steps);
    if (u) json_add(j, "update", update_json(u));
    if (s->pause.round >= 0) add_pause(&t, j, &s->pause, layout);
    for (int k = 0; k < s->optimizer.method->moments; k++) {
        char name[64];
        moment_name(name, &s->optimizer, k);
        vectors_add(&t, name, layout, s->optimizer.moment[k]);
    }
    for (int k = 0; k < f->strategy->site_slots; k++) {
        char name[32];
        slot_name(name, k);
        vectors_add(&t, name, layout, s->slot[k]);
    }
    if (s->residual) vectors_add(&t, "residual.", layout, s->residual);
    if (s->average.weights) vectors_add(&t, "average.", layout, s->average.weights);
    if (u) update_add_values(&t, "update.", layout, u);
    add_meta(&t, "nephron", j);
    json_free(j);
    int status = seal_write(&t, path, e);
    safetensors_free(&t);
    return status;
}

static int check_state(const struct site_state *s, const struct json *j, const struct agreement *f,
                       const char *path, struct error *e)
{
    if (strcmp(json_text(j, "kind", ""), "site") != 0 || json_integer(j, "format", -1) != MESSAGE_FORMAT)
        return error_set(e, "%s: is no state of a site that this program reads", path);
    if (strcmp(json_text(j, "federation", ""), f->hash) != 0)
        return error_set(e, "%s: belongs to another federation (other options, plan, data or sites)", path);
    if (strcmp(json_text(j, "site", ""), s->name) != 0)
        return error_set(e, "%s: is the state of site '%.80s', not %s", path, json_text(j, "site", ""),
                         s->name);
    if (strcmp(json_text(j, "optimizer", ""), s->optimizer.method->name) != 0)
        return error_set(e, "%s: optimizer is '%.20s', not %s", path, json_text(j, "optimizer", ""),
                         s->optimizer.method->name);
    return 0;
}

static int take_pause(struct site_pause *p, const struct safetensors *t, const struct json *j,
                      const struct agreement *f, const struct model *layout, const char *path,
                      struct error *e)
{
    int64_t round, steps;
    if (take_integer(&round, j, "round", 0, f->train.epochs - 1, path, e) ||
        take_integer(&steps, j, "steps", 1, INT32_MAX, path, e))
        return -1;
    if (!p->weights) p->weights = calloc(layout->count + 1, sizeof *p->weights);
    if (!p->values) p->values = calloc(layout->count + 1, sizeof *p->values);
    if (!p->weights || !p->values) return error_set(e, "%s: out of memory", path);
    p->personal = json_boolean(j, "personal", 0);
    p->loss = json_number(j, "loss", NAN), p->first = json_number(j, "first", NAN);
    p->lr_sum = json_number(j, "lr_sum", NAN), p->effective = json_number(j, "effective", NAN);
    p->seconds = json_number(j, "seconds", 0);
    snprintf(p->weights_hash, sizeof p->weights_hash, "%s", json_text(j, "weights_hash", ""));
    if (vectors_take(p->weights, t, "pause.weights.", layout, path, e)) return -1;
    if (p->personal && vectors_take(p->values, t, "pause.values.", layout, path, e)) return -1;
    p->round = (int)round;
    p->steps = (int)steps;
    return 0;
}

static int take_state(struct site_state *s, struct update *u, const struct safetensors *t,
                      const struct json *j, const struct agreement *f, const struct model *layout,
                      const char *path, struct error *e)
{
    int64_t next, before, steps;
    if (check_state(s, j, f, path, e) || take_integer(&next, j, "next_round", 0, f->train.epochs, path, e) ||
        take_integer(&before, j, "rounds_before", 0, next, path, e) ||
        take_integer(&steps, j, "optimizer_steps", 0, INT64_MAX / 2, path, e))
        return -1;
    for (int k = 0; k < s->optimizer.method->moments; k++) {
        char name[64];
        moment_name(name, &s->optimizer, k);
        if (vectors_take(s->optimizer.moment[k], t, name, layout, path, e)) return -1;
        if (steps == 0 && vector_max_abs(s->optimizer.moment[k], layout->count) > 0)
            return error_set(e, "%s: optimizer_steps is 0, but %s* are not", path, name);
    }
    for (int k = 0; k < f->strategy->site_slots; k++) {
        char name[32];
        slot_name(name, k);
        if (vectors_take(s->slot[k], t, name, layout, path, e)) return -1;
    }
    if (s->residual && vectors_take(s->residual, t, "residual.", layout, path, e)) return -1;
    if (s->average.weights &&
        (take_integer(&s->average.steps, j, "average_steps", 0, INT64_MAX / 2, path, e) ||
         vectors_take(s->average.weights, t, "average.", layout, path, e)))
        return -1;
    s->next_round = (int)next;
    s->rounds_before = (int)before;
    s->optimizer.steps = steps;
    site_state_go_on(s);
    const struct json *pause = json_get(j, "pause");
    if (pause && take_pause(&s->pause, t, pause, f, layout, path, e)) return -1;
    if (!u) return 0;
    const struct json *numbers = json_get(j, "update");
    if (!numbers || numbers->type != JSON_OBJECT) return error_set(e, "%s: holds no update", path);
    if (update_from_json(u, numbers, path, e)) return -1;
    return update_take_values(u, t, "update.", layout, path, e);
}

int site_state_read(struct site_state *s, struct update *u, const struct agreement *f,
                    const struct model *layout, const char *path, struct error *e)
{
    struct safetensors t;
    if (seal_read(&t, path, 1, e)) return -1;
    struct json *j = take_meta(&t, "nephron", path, e);
    int status = j ? take_state(s, u, &t, j, f, layout, path, e) : -1;
    json_free(j);
    safetensors_free(&t);
    return status;
}
