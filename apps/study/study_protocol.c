/* study_protocol.c - protocol.json: what is to be shown and with which margins, written before the first
 * training. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/study/study.h"
#include "io/base/file.h"
#include "io/base/json.h"
#include "io/base/sha256.h"
#include "io/base/text.h"

/* What a study that is continued may not change: a margin chosen after the results is none, and trainings of
 * other data are of another study. A protocol without the data's hash is of an older program. */
static int is_kept(const struct study *s, const struct json *j, const char *path, struct error *e)
{
    const struct {
        const char *key;
        double now;
    } margin[] = {{"dice_margin", s->dice_margin}, {"auc_margin", s->auc_margin}};
    for (int i = 0; i < 2; i++) {
        const double then = json_number(j, margin[i].key, NAN);
        if (fabs(then - margin[i].now) < 1e-12) continue;
        return error_set(e,
                         "%s: %s was stated as %g and is now %g; a study that goes on keeps its margins "
                         "(another -o begins another study)",
                         path, margin[i].key, then, margin[i].now);
    }
    const char *data = json_text(j, "data_sha256", s->data_hash);
    if (strcmp(data, s->data_hash) == 0) return 0;
    return error_set(e,
                     "%s: the data of %s have changed: SHA-256 %.16s, when the study began %.16s; a study "
                     "that goes on keeps its data (another -o begins another study)",
                     path, s->data, s->data_hash, data);
}

struct json *study_arguments(const char *out, struct error *e)
{
    char path[1300];
    if (file_join(path, sizeof path, out, "protocol.json", e)) return NULL;
    if (!file_exists(path))
        return error_set(e, "%s: is not there: no study was begun in %s", path, out), NULL;
    struct json *j = json_read(path, e);
    const struct json *list = json_get(j, "arguments");
    int bad = !list || list->type != JSON_ARRAY || list->count < 1;
    for (int i = 0; !bad && i < list->count; i++) bad = list->item[i]->type != JSON_STRING;
    if (j && bad) {
        error_set(e, "%s: has no list of texts \"arguments\"", path);
        json_free(j);
        return NULL;
    }
    return j;
}

static const char *primary_of(const struct study *s)
{
    return s->segment.present       ? "mean Dice, federated - centralised"
           : s->dataset.classes > 2 ? "macro AUC, federated - centralised"
                                    : "AUC, federated - centralised";
}

static const char *secondary_of(const struct study *s)
{
    return !s->segment.present || !s->classify.present ? "none"
           : s->dataset.classes > 2                    ? "macro AUC, federated - centralised"
                                                       : "AUC, federated - centralised";
}

/* Whose cases they are, what for, and what clinical.csv says of them: the data's hash is of images, maps and
 * classes alone. Sixteen digits of SHA-256; "" where memory is out. */
static void hash_cases(char hex[65], const struct study *s)
{
    struct text t = {0};
    for (int i = 0; i < s->dataset.cases; i++) {
        const struct study_case *c = &s->item[i];
        text_printf(&t, "%s,%s,%d,%d,", s->dataset.item[i].id, c->site < 0 ? "" : s->site_name[c->site],
                    (int)c->role, s->patient[i]);
        text_put_double(&t, c->age);
        text_printf(&t, ",%d\n", c->female);
    }
    const size_t size = t.size;
    char *all = text_take(&t);
    hex[0] = 0;
    if (all) sha256_hex(hex, all, size);
    if (all) hex[16] = 0;
    free(all);
}

static void add_segment_design(struct json *j, const struct study *s)
{
    const struct study_sizes *z = &s->sizes;
    json_add_text(j, "network_of_segmentation", s->network ? s->network : "unet");
    json_add_int(j, "rounds_of_segmentation", z->rounds);
    json_add_int(j, "steps_of_a_round_of_segmentation", z->local_iterations);
    json_add_int(j, "features_of_the_first_stage", z->base_features);
    json_add_int(j, "batch_of_segmentation", z->batch);
    json_add_number(j, "largest_patch", z->patch_voxels);
    json_add_text(j, "optimizer_of_segmentation", z->optimizer->name);
    json_add_number(j, "learning_rate_of_segmentation", z->lr);
    json_add_number(j, "window_step_of_the_test", z->step);
    json_add_bool(j, "mirror_images_in_the_test", z->mirror);
}

static void add_classify_design(struct json *j, const struct study *s)
{
    const struct study_sizes *z = &s->sizes;
    json_add_text(j, "covariates", s->covariates ? s->covariates : "volume, age and sex, where they are");
    json_add_int(j, "rounds_of_classification", z->class_rounds);
    json_add_int(j, "steps_of_a_round_of_classification", z->class_iterations);
    json_add_int(j, "depth_of_the_classifier", z->depth);
    json_add_int(j, "width_of_the_classifier", z->base);
    json_add_int(j, "batch_of_classification", z->class_batch);
    struct json *crop = json_add_array(j, "input_size_of_the_classifier");
    for (int a = 0; a < 3; a++) json_add_int(crop, NULL, z->crop[a]);
    json_add_number(j, "learning_rate_of_classification", z->class_lr);
}

static struct json *protocol_make(const struct study *s)
{
    char name[80], hex[65];
    struct json *j = json_object();
    struct json *words = json_add_array(j, "arguments");
    for (int i = 0; i < s->words; i++) json_add_text(words, NULL, s->word[i]);
    json_add_text(j, "primary", primary_of(s));
    json_add_text(j, "key_secondary", secondary_of(s));
    json_add_text(j, "question",
                  "non-inferiority of the federated arm, one-sided, alpha 0.025; patients and seeds as "
                  "random where there are seeds");
    if (s->classify.present && s->dataset.classes > 2)
        json_add_text(j, "question_of_macro_auc",
                      "a difference, two-sided, without a margin; conditional on the trained models");
    json_add_text(j, "order",
                  "a fixed sequence, each at the same alpha: the key secondary endpoint counts where the "
                  "primary was shown, and is exploratory else");
    json_add_number(j, "dice_margin", s->dice_margin);
    json_add_number(j, "auc_margin", s->auc_margin);
    json_add_number(j, "power_for_equivalence", 0.8);
    json_add_int(j, "segmentation_seeds", s->sizes.segment_seeds);
    json_add_int(j, "classification_seeds", s->sizes.classify_seeds);
    json_add_int(j, "first_seed", (int64_t)s->seed);
    json_add_text(j, "external", s->external ? s->external : "none");
    json_add_text(j, "data_sha256", s->data_hash);
    hash_cases(hex, s);
    json_add_text(j, "cases_hash", hex);
    struct json *design = json_add_object(j, "design");
    json_add_text(design, "precision", s->sizes.bf16 ? "bf16" : "fp32");
    json_add_text(design, "norm", s->norm ? s->norm->name : "their own");
    if (s->segment.present) add_segment_design(design, s);
    if (s->classify.present) add_classify_design(design, s);
    struct json *arms = json_add_array(j, "arms");
    for (int a = 0; a < s->arms; a++) {
        study_arm_key(name, s, a);
        json_add_text(arms, NULL, name);
    }
    return j;
}

/* A value of the protocol in plain words; names with blanks for underscores, as arms were once stated. */
static char *in_words(const struct json *j)
{
    struct text t = {0};
    const int list = j && j->type == JSON_ARRAY;
    for (int i = 0; i < (list ? j->count : 1); i++) {
        const struct json *one = list ? j->item[i] : j;
        char *text = one && one->type != JSON_STRING ? json_format(one, 0) : NULL;
        text_printf(&t, "%s%s", i ? ", " : "", text ? text : one ? one->string : "not stated");
        free(text);
    }
    char *words = text_take(&t);
    for (char *c = words; c && *c; c++)
        if (*c == '_') *c = ' ';
    return words;
}

/* Adds a value to the text where it is not as stated. -1: memory is out. */
static int tell_departure(struct text *t, const char *name, const struct json *then, const struct json *now)
{
    char *before = in_words(then), *after = in_words(now);
    const int status = before && after ? 0 : -1;
    if (!status && strcmp(before, after) != 0) {
        if (t->size) text_puts(t, "; ");
        for (const char *c = name; *c; c++) text_put(t, *c == '_' ? " " : c, 1);
        text_printf(t, ": stated %s, done %s", before, after);
    }
    free(before);
    free(after);
    return status;
}

/* What was stated and is not done so; NULL where nothing is. Of the design what both have: a task that was
 * left out has none, and protocols of an older program neither. */
static int find_departures(char **departed, const struct json *then, const struct json *now, struct error *e)
{
    static const struct {
        const char *key, *name;
    } kept[] = {{"primary", "primary endpoint"},
                {"key_secondary", "key secondary endpoint"},
                {"segmentation_seeds", "seeds of segmentation"},
                {"classification_seeds", "seeds of classification"},
                {"first_seed", "first seed"},
                {"external", "external"},
                {"arms", "arms"}};
    const struct json *design = json_get(then, "design"), *mine = json_get(now, "design");
    struct text t = {0};
    int failed = 0;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        failed |= tell_departure(&t, kept[i].name, json_get(then, kept[i].key), json_get(now, kept[i].key));
    if (json_get(then, "cases_hash"))
        failed |= tell_departure(&t, "sites, patients, age and sex of the cases (SHA-256)",
                                 json_get(then, "cases_hash"), json_get(now, "cases_hash"));
    for (int i = 0; design && mine && i < mine->count; i++) {
        const struct json *stated = json_get(design, mine->item[i]->key);
        if (stated) failed |= tell_departure(&t, mine->item[i]->key, stated, mine->item[i]);
    }
    const int some = t.size > 0;
    *departed = text_take(&t);
    if (failed || (some && !*departed)) return error_set(e, "out of memory for the protocol");
    if (!some) {
        free(*departed);
        *departed = NULL;
    }
    return 0;
}

int study_protocol(struct study *s, struct error *e)
{
    char path[1300];
    if (file_join(path, sizeof path, s->out, "protocol.json", e)) return -1;
    struct json *now = protocol_make(s);
    int status = 0;
    if (s->resume && file_exists(path)) {
        struct json *then = json_read(path, e);
        s->continued = 1;
        status = then ? is_kept(s, then, path, e) : -1;
        if (!status) status = find_departures(&s->departed, then, now, e);
        if (s->departed)
            console_to(stderr, "nephron: note: not as %s says, and the report tells it: %s\n", path,
                       s->departed);
        json_free(then);
    } else {
        status = json_write(now, path, e);
    }
    json_free(now);
    return status;
}
