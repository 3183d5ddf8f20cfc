/* predict_record.c - prediction.json: how the results of a prediction came about, and what --resume needs;
 * what lies in OUT already; and the images of a case. */
#include "apps/command/predict.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "apps/base/columns.h"
#include "apps/base/console.h"
#include "io/base/file.h"
#include "io/base/text.h"
#include "io/formats/image_formats.h"
#include "nn/data/labelmap.h"
#include "nn/train/learner_data.h"
#include "tensor/base/clock.h"

enum {
    SECONDS_BETWEEN = 10
}; /* writes of the record while cases are done: what a kill can make predict do again */

/* The entry of a case in the record; NULL where it has none. */
static struct json *find_case(const struct predict *p, const char *id)
{
    const struct json *cases = json_get(p->record, "case");
    for (int i = 0; cases && i < cases->count; i++)
        if (strcmp(json_text(cases->item[i], "case", ""), id) == 0) return cases->item[i];
    return NULL;
}

/* Voxels and millilitres of each label, for the table and for --json; of a case that was done before, in its
 * own entry. */
int predict_record_case(const struct predict *p, const struct image_case *c, const char *path,
                        const uint8_t *label, size_t voxels, double voxel_ml)
{
    const struct dataset *d = &p->run.dataset;
    size_t count[256] = {0};
    for (size_t i = 0; i < voxels; i++) count[label[i]]++;
    struct json *j = find_case(p, c->id), *labels;
    if (!j) j = json_add_object(json_get(p->record, "case"), NULL);
    json_add_text(j, "case", c->id);
    json_add_text(j, "file", path);
    labels = json_add_object(j, "labels");
    for (int k = 1; k < d->labels; k++) {
        struct json *l = json_add_object(labels, d->label_name[k]);
        json_add_int(l, "voxels", (int64_t)count[k]);
        json_add_number(l, "ml", (double)count[k] * voxel_ml);
    }
    return json_failed(j);
}

/* Was the case done before the prediction was stopped? */
int predict_recorded(const struct predict *p, const char *id)
{
    return find_case(p, id) != NULL;
}

static void record_options(struct json *j, const struct predict *p)
{
    struct json *inputs = json_add_array(j, "inputs");
    for (int k = 0; k < p->inputs.count; k++) json_add_text(inputs, NULL, p->inputs.text[k]);
    if (p->folds_text) json_add_text(j, "folds", p->folds_text);
    if (p->checkpoint) json_add_text(j, "checkpoint", p->checkpoint);
    if (p->previous_stage) json_add_text(j, "previous_stage", p->previous_stage);
    if (p->postprocessing) json_add_text(j, "postprocessing", p->postprocessing);
    if (p->choice.series) json_add_text(j, "series", p->choice.series);
    if (p->masks) json_add_text(j, "masks", p->masks);
    if (p->covariates) json_add_text(j, "covariates", p->covariates);
    json_add_text(j, "precision", p->precision);
    if (p->part) json_add_text(j, "part", p->part);
    if (p->json && strncmp(p->json, "/dev/fd/", 8)) json_add_text(j, "json", p->json);
    json_add_number(j, "step", p->step);
    json_add_number(j, "max_gb", p->max_gb);
    json_add_int(j, "volume", p->choice.volume);
    json_add_bool(j, "mirror", p->mirror);
    json_add_bool(j, "strict", p->grids->strict);
    json_add_bool(j, "postprocess", p->postprocess);
    json_add_bool(j, "probabilities", p->probabilities);
}

/* The results that are there were made with what the old record says: those to come have to be, too. */
static int same_member(const struct predict *p, const struct json *old, const char *name, const char *what,
                       const char *path, struct error *e)
{
    return json_same(json_get(old, name), json_get(p->record, name))
               ? 0
               : error_set(e,
                           "%s: was begun with other %s than %s holds now; predict without --resume begins "
                           "anew",
                           path, what, p->run_path);
}

/* A prediction that was stopped must have had the same weights and the same postprocessing. */
int predict_record_begin(struct predict *p, struct model **model, const struct postprocessing *post,
                         struct error *e)
{
    char path[1300], hash[20];
    const size_t below = strlen(p->run.path) + 1;
    if (!p->to_file && folder_hold(&p->hold, p->out, e)) return -1;
    struct json *j = json_object(), *old = NULL, *weights;
    json_add_text(j, "program", "nephron");
    json_add_text(j, "version", NEPHRON_VERSION);
    json_add_text(j, "run", p->run_path);
    json_add_text(j, "configuration", p->run.configuration);
    weights = json_add_array(j, "weights");
    for (int k = 0; k < p->fold_count; k++) {
        struct json *w = json_add_object(weights, NULL);
        snprintf(hash, sizeof hash, "%016llx", (unsigned long long)model_hash(model[k]));
        json_add_text(w, "fold", p->folds[k]);
        if (run_checkpoint(path, sizeof path, &p->run, p->folds[k], p->checkpoint))
            json_add_text(w, "checkpoint", path + below);
        json_add_text(w, "weight_hash", hash);
    }
    record_options(json_add_object(j, "options"), p);
    if (post) postprocess_to_json(j, post, &p->run.dataset);
    json_add_int(j, "threads", p->threads);
    json_add_bool(j, "finished", 0);
    json_add_array(j, "case");
    p->record = j;
    if (json_failed(j)) return error_set(e, "out of memory for prediction.json");
    if (!p->resume) return 0;
    if (file_join(path, sizeof path, p->out, "prediction.json", e) || !(old = json_read(path, e))) return -1;
    int status = same_member(p, old, "weights", "weights", path, e);
    if (!status && post)
        status = same_member(p, old, "postprocessing_kwargs", "postprocessing", path, e);
    struct json *done = json_get(old, "case");
    if (!status && done) json_add(j, "case", json_copy(done));
    json_free(old);
    return status;
}

int predict_record_write(struct predict *p, struct error *e)
{
    char path[1300];
    p->written = clock_seconds();
    if (p->to_file) return 0;
    return file_join(path, sizeof path, p->out, "prediction.json", e) || json_write(p->record, path, e) ? -1
                                                                                                        : 0;
}

int predict_record_keep(struct predict *p, struct error *e)
{
    return clock_seconds() - p->written < SECONDS_BETWEEN ? 0 : predict_record_write(p, e);
}

/* Label maps that lie in OUT and are not of this prediction: whoever measures the folder would mix two. */
static void tell_others(const struct predict *p)
{
    struct file_list list;
    struct error ignored;
    char id[ID_MAX], first[ID_MAX] = "";
    int others = 0;
    if (p->to_file || !p->run.plan || file_list(p->out, &list, &ignored)) return;
    for (int i = 0; i < list.count; i++) {
        if (!volume_suffix(list.name[i]) || labelmap_case_name(id, list.name[i], &ignored) ||
            predict_recorded(p, id))
            continue;
        if (others++ == 0) snprintf(first, sizeof first, "%s", id);
    }
    file_list_free(&list);
    if (others)
        console_to(stderr,
                   "nephron: warning: %s: %d label map%s of an earlier prediction %s there too, the first is "
                   "%s\n",
                   p->out, others, others == 1 ? "" : "s", others == 1 ? "is" : "are", first);
}

int predict_record_finish(struct predict *p, int cases, double seconds, struct error *e)
{
    json_add_int(p->record, "cases", cases);
    json_add_number(p->record, "seconds", seconds);
    json_add_int(p->record, "peak_bytes", (int64_t)predict_peak_bytes());
    json_add_bool(p->record, "finished", 1);
    if (predict_record_write(p, e)) return -1;
    tell_others(p);
    return p->json ? json_write(p->record, p->json, e) : 0;
}

/* The options of a prediction that was begun, from its prediction.json, which *record keeps. */
int predict_resume(struct predict *p, const char *out, struct json **record, struct error *e)
{
    char path[1300];
    if (file_join(path, sizeof path, out, "prediction.json", e)) return -1;
    if (!file_exists(path))
        return error_set(e, "%s: no such file, so there is no prediction to resume", path);
    if (!(*record = json_read(path, e))) return -1;
    const struct json *o = json_get(*record, "options"), *inputs = json_get(o, "inputs");
    if (!json_text(*record, "run", NULL) || !inputs || inputs->type != JSON_ARRAY || inputs->count < 1 ||
        inputs->count > OPTION_TEXTS_MAX)
        return error_set(e, "%s: does not tell the run and the inputs of the prediction", path);
    for (int k = 0; k < inputs->count; k++) {
        if (inputs->item[k]->type != JSON_STRING)
            return error_set(e, "%s: options.inputs[%d] is no text", path, k);
        p->inputs.text[p->inputs.count++] = inputs->item[k]->string;
    }
    p->run_path = json_text(*record, "run", NULL);
    p->out = out;
    p->folds_text = json_text(o, "folds", NULL);
    p->checkpoint = json_text(o, "checkpoint", NULL);
    p->previous_stage = json_text(o, "previous_stage", NULL);
    p->postprocessing = json_text(o, "postprocessing", NULL);
    p->choice.series = json_text(o, "series", NULL);
    p->choice.volume = (int)json_integer(o, "volume", 0);
    p->masks = json_text(o, "masks", NULL);
    p->covariates = json_text(o, "covariates", NULL);
    p->precision = json_text(o, "precision", "fp32");
    p->part = json_text(o, "part", NULL);
    if (!p->json) p->json = json_text(o, "json", NULL);
    p->grids->strict |= json_boolean(o, "strict", 0);
    p->step = json_number(o, "step", 0.5);
    p->max_gb = json_number(o, "max_gb", 0);
    p->mirror = json_boolean(o, "mirror", 1);
    p->postprocess = json_boolean(o, "postprocess", 1);
    p->probabilities = json_boolean(o, "probabilities", 0);
    if (!(p->step >= 0.05 && p->step <= 1) || (strcmp(p->precision, "fp32") && strcmp(p->precision, "bf16")))
        return error_set(e, "%s: options.step or options.precision is not one that predict takes", path);
    return 0;
}

const char *predict_more_than_resume(const struct operands *o)
{
    static const char *const with[] = {"resume", "json", "strict", "threads", "seed", "quiet"};
    for (int i = 0; i < o->options; i++) {
        int known = 0;
        for (size_t k = 0; k < sizeof with / sizeof *with; k++)
            known |= strcmp(o->option[i]->name, with[k]) == 0;
        if (!known) return o->option[i]->name;
    }
    return NULL;
}

void predict_record_print(const struct predict *p)
{
    const struct json *cases = json_get(p->record, "case");
    int width = 0;
    for (int i = 0; cases && i < cases->count; i++) {
        const int own = columns_width(json_text(cases->item[i], "case", ""));
        width = own > width ? own : width;
    }
    for (int i = 0; cases && i < cases->count; i++) {
        const struct json *labels = json_get(cases->item[i], "labels");
        printf("  ");
        columns_put(json_text(cases->item[i], "case", ""), width);
        for (int k = 0; labels && k < labels->count; k++)
            console("%s%s %.2f ml", k ? ", " : "  ", labels->item[k]->key,
                    json_number(labels->item[k], "ml", 0));
        printf("\n");
    }
}

double predict_peak_bytes(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss * 1024;
}

/* Options of the other task: what a classification passes over is told, for scripts go over runs of both; a
 * segmentation without the mask that was asked for would be another one. */
int predict_check_task(const struct predict *p, struct error *e)
{
    const int planned = p->run.options.task->planned;
    if (planned && p->of_classification)
        return error_set(e, "--%s is for classification, %s is a segmentation", p->of_classification,
                         p->run_path);
    if (!planned && p->of_segmentation)
        console_to(stderr, "nephron: note: --%s is for segmentation, %s is a classification: it changes "
                           "nothing\n", p->of_segmentation, p->run_path);
    return 0;
}

void predict_tell_missing(const struct predict *p, const struct learner_data *d)
{
    const struct covariates *c = &p->run.options.covariates;
    for (int k = 0; !p->quiet && k < c->count; k++) {
        int missing = 0;
        for (int i = 0; i < d->store.cases; i++) missing += isnan(d->covariate[i * c->count + k]) != 0;
        if (missing)
            console("covariate %s is missing in %d of %d cases, which get the mean of the training cases, "
                    "%.4g\n",
                    c->name[k], missing, d->store.cases, c->mean[k]);
    }
}

/* ---- files --------------------------------------------------------------------------------------------- */

int predict_load_images(struct sample *s, const struct predict *p, const struct image_case *c,
                        struct error *e)
{
    const char *path[CHANNELS_MAX];
    const int channels = p->run.dataset.channels;
    const struct grid_check grids = grid_warnings_check(p->grids);
    image_case_paths(path, c, channels);
    return sample_load(s, path, channels, c->choice, &grids, e);
}

int predict_check_file(const struct predict *p, const char *path, struct error *e)
{
    if (p->overwrite || !file_exists(path)) return 0;
    return error_set(e, "%s: is there already, and %s; --overwrite replaces it", path,
                     p->to_file ? "may be somebody's work"
                                : "no prediction.json tells that it is a prediction");
}

int predict_check_folder(const struct predict *p, const char *const *names, struct error *e)
{
    char path[1300];
    if (file_join(path, sizeof path, p->out, "prediction.json", e)) return -1;
    if (file_exists(path)) return 0;
    for (; *names; names++)
        if (file_join(path, sizeof path, p->out, *names, e) || predict_check_file(p, path, e)) return -1;
    return 0;
}
