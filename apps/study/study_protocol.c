/* study_protocol.c - protocol.json: what is to be shown and with which margins, written before the first
 * training. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apps/study/study.h"
#include "io/base/file.h"
#include "io/base/json.h"

/* What a study that is continued may not change: a margin chosen after the results is none. */
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
    return 0;
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

int study_protocol(const struct study *s, struct error *e)
{
    char path[1300], name[80];
    if (file_join(path, sizeof path, s->out, "protocol.json", e)) return -1;
    if (s->resume && file_exists(path)) {
        struct json *before = json_read(path, e);
        const int status = before ? is_kept(s, before, path, e) : -1;
        json_free(before);
        return status;
    }
    struct json *j = json_object();
    struct json *words = json_add_array(j, "arguments");
    for (int i = 0; i < s->words; i++) json_add_text(words, NULL, s->word[i]);
    json_add_text(j, "primary",
                  s->skip_segment ? "AUC, federated - centralised" : "mean Dice, federated - centralised");
    json_add_text(j, "key_secondary",
                  s->skip_segment || s->skip_classify ? "none" : "AUC, federated - centralised");
    json_add_text(j, "question",
                  "non-inferiority of the federated arm, one-sided, alpha 0.025; patients and seeds as "
                  "random where there are seeds");
    json_add_number(j, "dice_margin", s->dice_margin);
    json_add_number(j, "auc_margin", s->auc_margin);
    json_add_number(j, "power_for_equivalence", 0.8);
    json_add_int(j, "segmentation_seeds", s->sizes.segment_seeds);
    json_add_int(j, "classification_seeds", s->sizes.classify_seeds);
    json_add_int(j, "first_seed", (int64_t)s->seed);
    json_add_text(j, "external", s->external ? s->external : "none");
    struct json *arms = json_add_array(j, "arms");
    for (int a = 0; a < s->arms; a++) {
        study_arm_key(name, s, a);
        json_add_text(arms, NULL, name);
    }
    const int status = json_write(j, path, e);
    json_free(j);
    return status;
}
