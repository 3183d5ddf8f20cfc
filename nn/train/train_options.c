/* train_options.c - the options of a training: their defaults, and what a manifest or a message says of
 * them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/text.h"
#include "nn/train/train_options.h"

struct train_options train_options_default(const struct learning_task *task)
{
    struct train_options o = {
        .task = task, .seed = 1, .epochs = 100, .iterations = 50, .oversample = 0.33f, .augment = 2};
    task->defaults(&o);
    return o;
}

void train_options_use(struct train_options *o, const struct optimizer_method *method)
{
    const struct train_options own = train_options_default(o->task);
    if (o->optimizer == method) return;
    const int of_task = method == own.optimizer;
    o->optimizer = method;
    o->lr = of_task ? own.lr : method->lr;
    o->momentum = of_task ? own.momentum : method->standard.momentum;
    o->weight_decay = of_task ? own.weight_decay : method->standard.weight_decay;
}

void train_options_covariates(struct train_options *o, const struct covariates *c)
{
    o->covariates = *c;
    o->classifier.covariates = c->count;
}

/* Mean and variance are for the reader: a model has its own. */
static void add_covariates(struct json *j, const struct covariates *c)
{
    struct json *list = json_add_array(j, "covariates");
    for (int k = 0; k < c->count; k++) {
        struct json *one = json_add_object(list, NULL);
        json_add_text(one, "name", c->name[k]);
        json_add_number(one, "mean", c->mean[k]);
        json_add_number(one, "variance", c->variance[k]);
    }
}

static int take_covariates(struct train_options *o, const struct json *list, const char *name,
                           struct error *e)
{
    struct text names = {0};
    struct covariates c;
    if (list->type != JSON_ARRAY)
        return error_set(e, "%s: training.covariates is no list of objects with a name", name);
    for (int k = 0; k < list->count; k++) {
        if (!*json_text(list->item[k], "name", "")) {
            free(text_take(&names));
            return error_set(e, "%s: training.covariates[%d] has no name", name, k);
        }
        text_printf(&names, "%s%s", k ? "," : "", json_text(list->item[k], "name", ""));
    }
    char *text = text_take(&names);
    if (!text) return error_set(e, "%s: out of memory for the names of covariates", name);
    const int status = covariates_parse(&c, text, e);
    free(text);
    if (status) return error_prefix(e, "%s: training", name);
    if (c.count != list->count) /* a comma in a name */
        return error_set(e, "%s: training.covariates has %d objects with %d names", name, list->count,
                         c.count);
    for (int k = 0; k < c.count; k++) {
        c.mean[k] = json_number(list->item[k], "mean", NAN);
        c.variance[k] = json_number(list->item[k], "variance", NAN);
        if (!isfinite(c.mean[k]) || isnan(c.variance[k]))
            return error_set(e,
                             "%s: training.covariates: '%s' is without the mean and the variance of the "
                             "training cases' values",
                             name, c.name[k]);
        if (!(c.variance[k] > 0))
            return error_set(e, "%s: training.covariates: variance of '%s' is %g, not above 0", name,
                             c.name[k], c.variance[k]);
    }
    train_options_covariates(o, &c);
    return 0;
}

struct json *train_options_json(const struct train_options *o)
{
    struct json *j = json_object();
    json_add_text(j, "task", o->task->name);
    if (o->bf16) json_add_text(j, "precision", "bf16"); /* else as before there was a choice */
    json_add_int(j, "seed", (int64_t)o->seed);
    json_add_int(j, "epochs", o->epochs);
    json_add_int(j, "iterations", o->iterations);
    json_add_int(j, "batch", o->batch);
    json_add_number(j, "learning_rate", o->lr);
    if (o->schedule && o->schedule != train_options_default(o->task).schedule)
        json_add_text(j, "schedule", o->schedule->name); /* else as before there was a choice */
    json_add_text(j, "optimizer", o->optimizer->name);
    json_add_number(j, "momentum", o->momentum);
    json_add_number(j, "weight_decay", o->weight_decay);
    json_add_number(j, "clip", o->clip);
    if (o->ema > 0) json_add_number(j, "ema", o->ema);
    if (o->loss && o->loss != losses[0])
        json_add_text(j, "loss", o->loss->name); /* else as before there was a choice */
    json_add_number(j, "oversample", o->oversample);
    json_add_int(j, "augment", o->augment);
    if (!o->task->planned) {
        struct json *r = json_add_object(j, o->classifier.network->name);
        json_add_int(r, "depth", o->classifier.depth);
        json_add_int(r, "channels", o->classifier.channels);
        json_add_int(r, "classes", o->classifier.classes);
        json_add_int(r, "base", o->classifier.base);
        json_add_bool(r, "stem7", o->classifier.stem7);
        json_add_text(r, "norm", network_classifier_norm_of(&o->classifier)->name);
        json_add_number(r, "dropout", o->classifier.dropout);
        struct json *crop = json_add_array(j, "crop");
        for (int i = 0; i < 3; i++) json_add_int(crop, NULL, o->crop[i]);
        json_add_bool(j, "class_weighting", o->class_weighting);
        if (o->covariates.count) add_covariates(j, &o->covariates);
    }
    return j;
}

int train_options_omits(const char *field, const struct learning_task *task)
{
    return !strcmp(field, "precision") || !strcmp(field, "ema") || !strcmp(field, "loss") ||
           !strcmp(field, "schedule") || (!strcmp(field, "covariates") && !task->planned);
}

/* ---- members ------------------------------------------------------------------------------------------- */

/* A member that is there is of its type and range: the default in its place, or its lower 32 bits, would be
 * another training without a word. */
static int take_number(double *v, const struct json *j, const char *key, double min, double max,
                       const char *name, struct error *e)
{
    const struct json *m = json_get(j, key);
    if (!m) return 0;
    if ((m->type != JSON_INT && m->type != JSON_DOUBLE) || !(m->number >= min && m->number <= max))
        return error_set(e, "%s: training.%s is no number from %g to %g", name, key, min, max);
    *v = m->number;
    return 0;
}

static int take_float(float *v, const struct json *j, const char *key, double min, double max,
                      const char *name, struct error *e)
{
    double number = *v;
    if (take_number(&number, j, key, min, max, name, e)) return -1;
    *v = (float)number;
    return 0;
}

static int take_int(int *v, const struct json *j, const char *key, int min, int max, const char *name,
                    struct error *e)
{
    const struct json *m = json_get(j, key);
    if (!m) return 0;
    if (m->type != JSON_INT || m->integer < min || m->integer > max)
        return error_set(e, "%s: training.%s is no whole number from %d to %d", name, key, min, max);
    *v = (int)m->integer;
    return 0;
}

static int take_seed(uint64_t *v, const struct json *j, const char *name, struct error *e)
{
    const struct json *m = json_get(j, "seed");
    if (m && (m->type != JSON_INT || m->integer < 0))
        return error_set(e, "%s: training.seed is no whole number from 0", name);
    *v = (uint64_t)json_integer(j, "seed", 1);
    return 0;
}

static int take_bool(int *v, const struct json *j, const char *key, const char *name, struct error *e)
{
    const struct json *m = json_get(j, key);
    if (m && m->type != JSON_BOOL)
        return error_set(e, "%s: training.%s is neither true nor false", name, key);
    *v = json_boolean(j, key, *v);
    return 0;
}

/* The member that is called as its network. */
static int read_classifier(struct classifier_options *c, const struct json *j, const char *name,
                           struct error *e)
{
    const struct json *r = NULL;
    char names[NETWORK_NAMES];
    for (int i = 0; network_table[i] && !r; i++) {
        c->network = network_table[i];
        r = c->network->classify ? json_get(j, c->network->name) : NULL;
    }
    network_names(names, NETWORKS_THAT_CLASSIFY);
    if (!r)
        return error_set(e, "%s: training has no member called as a network that classifies (%s)", name,
                         names);
    const char *norm = json_text(r, "norm", c->network->norm->name);
    c->norm = network_norm_find(norm);
    if (!c->norm)
        return error_set(e, "%s: training.%s.norm is '%.80s', which there is not", name, c->network->name,
                         norm);
    c->depth = c->channels = c->classes = c->stem7 = 0;
    c->base = 64;
    c->dropout = 0;
    return take_int(&c->depth, r, "depth", 0, 1000, name, e) ||
                   take_int(&c->channels, r, "channels", 0, CHANNELS_MAX, name, e) ||
                   take_int(&c->classes, r, "classes", 0, LABELS_MAX, name, e) ||
                   take_int(&c->base, r, "base", 0, 65536, name, e) ||
                   take_bool(&c->stem7, r, "stem7", name, e) ||
                   take_float(&c->dropout, r, "dropout", 0, 1, name, e)
               ? -1
               : 0;
}

static int take_numbers(struct train_options *o, const struct json *j, const char *name, struct error *e)
{
    enum { MOST = 1000000000 };
    o->ema = 0;
    return take_seed(&o->seed, j, name, e) || take_int(&o->epochs, j, "epochs", 1, MOST, name, e) ||
                   take_int(&o->iterations, j, "iterations", 1, MOST, name, e) ||
                   take_int(&o->batch, j, "batch", 0, 4096, name, e) ||
                   take_float(&o->lr, j, "learning_rate", 0, 1e6, name, e) ||
                   take_float(&o->momentum, j, "momentum", 0, 0.99999, name, e) ||
                   take_float(&o->weight_decay, j, "weight_decay", 0, 1e6, name, e) ||
                   take_float(&o->clip, j, "clip", 0, 1e30, name, e) ||
                   take_number(&o->ema, j, "ema", 0, 1, name, e) ||
                   take_float(&o->oversample, j, "oversample", 0, 1, name, e) ||
                   take_int(&o->augment, j, "augment", 0, 2, name, e)
               ? -1
               : 0;
}

int train_options_from_json(struct train_options *o, const struct json *j, const char *name, struct error *e)
{
    const char *word = json_text(j, "task", "");
    const struct learning_task *task = task_find(word);
    if (!task) return error_set(e, "%s: training.task is '%s', must be segment or classify", name, word);
    *o = train_options_default(task);
    const char *precision = json_get(j, "precision") ? json_text(j, "precision", "no text") : "fp32";
    o->bf16 = strcmp(precision, "bf16") == 0;
    if (!o->bf16 && strcmp(precision, "fp32"))
        return error_set(e, "%s: training.precision is '%.80s', must be fp32 or bf16", name, precision);
    if (take_numbers(o, j, name, e)) return -1;
    if (json_get(j, "schedule") &&
        !(o->schedule = schedule_named(json_text(j, "schedule", NULL), name, "training.schedule", e)))
        return -1;
    if (json_get(j, "optimizer") &&
        !(o->optimizer = optimizer_named(json_text(j, "optimizer", NULL), name, "training.optimizer", e)))
        return -1;
    if (json_get(j, "loss") && !(o->loss = loss_named(json_text(j, "loss", NULL), name, "training.loss", e)))
        return -1;
    if (task->planned) return 0;
    if (read_classifier(&o->classifier, j, name, e)) return -1;
    const struct json *crop = json_get(j, "crop");
    o->class_weighting = 0;
    if (take_bool(&o->class_weighting, j, "class_weighting", name, e)) return -1;
    if (json_get(j, "covariates") && take_covariates(o, json_get(j, "covariates"), name, e)) return -1;
    for (int i = 0; i < 3; i++) {
        const struct json *v = json_at(crop, i);
        o->crop[i] = v && v->type == JSON_INT ? (int)v->integer : 0;
        if (o->crop[i] < 1 || o->crop[i] > CROP_MAX)
            return error_set(e, "%s: training.crop[%d] is %d, must be 1 to %d", name, i, o->crop[i],
                             CROP_MAX);
    }
    return learner_check(o, NULL, e) ? error_prefix(e, "%s: training", name) : 0;
}
