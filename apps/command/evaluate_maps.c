/* evaluate_maps.c - evaluate for label maps: pairs of files, their labels, the measurements in parallel,
 * summary.json and one table. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/base/progress.h"
#include "apps/base/result_tables.h"
#include "apps/command/evaluate.h"
#include "io/base/file.h"
#include "io/formats/image_formats.h"
#include "nn/measure/evaluation.h"
#include "nn/data/labelmap.h"
#include "nn/stats/stats.h"
#include "nn/stats/stats_agreement.h"
#include "tensor/base/pool.h"

struct file_pair {
    char id[ID_MAX];
    char reference[1300], prediction[1300];
};

struct work {
    const struct evaluate *o; /* options */
    struct pool *pool;
    struct file_pair *pair;
    int pairs;
    struct json *left_out; /* names by reason */
    uint8_t *seen;         /* [threads][LABEL_VALUES]: label values in the files */
    struct label_index index;
    struct grid_check grids;
    struct evaluation result;
    struct error *error; /* [pairs], empty where all is well */
};

/* ---- which files ------------------------------------------------------------------------------------- */

static int set_pair(struct file_pair *p, const char *ref, const char *pred, struct error *e)
{
    if (strlen(ref) >= sizeof p->reference || strlen(pred) >= sizeof p->prediction)
        return error_set(e, "%s: path is too long", ref);
    if (labelmap_case_name(p->id, ref, e)) return -1;
    snprintf(p->reference, sizeof p->reference, "%s", ref);
    snprintf(p->prediction, sizeof p->prediction, "%s", pred);
    return 0;
}

/* Files of a folder that the other lacks; returns how many. text: the first names. */
static int leave_out(struct work *v, const struct file_list *names, const char *other, const char *reason,
                     char text[800], struct error *e)
{
    char path[1300];
    int absent = 0;
    struct json *list = NULL;
    *text = 0;
    for (int i = 0; i < names->count; i++) {
        if (!volume_suffix(names->name[i])) continue;
        if (file_join(path, sizeof path, other, names->name[i], e)) return -1;
        if (file_exists(path)) continue;
        if (!list) list = json_add_array(v->left_out, reason);
        json_add_text(list, NULL, names->name[i]);
        const size_t used = strlen(text);
        if (++absent <= 10) snprintf(text + used, 800 - used, "%s%s", absent > 1 ? ", " : "", names->name[i]);
        else if (absent == 11) snprintf(text + used, 800 - used, " ...");
    }
    return absent;
}

/* CASE.nii beside CASE.nii.gz would count twice. */
static int check_twice(const struct work *v, struct error *e)
{
    const struct file_pair *last = &v->pair[v->pairs - 1];
    for (const struct file_pair *p = v->pair; p < last; p++)
        if (strcmp(p->id, last->id) == 0)
            return error_set(e, "case %s stands twice: %s and %s", p->id, p->reference, last->reference);
    return 0;
}

static int pair_folders(struct work *v, const struct file_list *names, const struct file_list *predicted,
                        struct error *e)
{
    char ref[1300], pred[1300], text[800];
    v->pair = calloc((size_t)names->count + 1, sizeof *v->pair);
    if (!v->pair) return error_set(e, "out of memory for %d cases", names->count);
    for (int i = 0; i < names->count; i++) {
        if (!volume_suffix(names->name[i])) continue;
        if (file_join(ref, sizeof ref, v->o->ref, names->name[i], e) ||
            file_join(pred, sizeof pred, v->o->pred, names->name[i], e))
            return -1;
        if (!file_exists(pred)) continue;
        if (set_pair(&v->pair[v->pairs++], ref, pred, e) || check_twice(v, e)) return -1;
    }
    if (leave_out(v, predicted, v->o->ref, "without a reference", text, e) < 0) return -1;
    const int absent = leave_out(v, names, v->o->pred, "not predicted", text, e);
    if (absent < 0) return -1;
    if (absent && !v->o->chill)
        return error_set(e, "%s: %d of %d predictions missing: %s (--chill evaluates those that are there)",
                         v->o->pred, absent, absent + v->pairs, text);
    if (!v->pairs)
        return error_set(e, "%s: no label map (.nii.gz, .nrrd, .mha, .png, .tif ...) that %s has too",
                         v->o->ref, v->o->pred);
    return 0;
}

static int find_pairs(struct work *v, struct error *e)
{
    int folders = file_is_dir(v->o->ref);
    if (!file_exists(v->o->ref)) return error_set(e, "%s: %s", v->o->ref, file_absence(v->o->ref));
    if (!file_exists(v->o->pred)) return error_set(e, "%s: %s", v->o->pred, file_absence(v->o->pred));
    if (folders != file_is_dir(v->o->pred))
        return error_set(e, "%s is a folder, %s is a file", folders ? v->o->ref : v->o->pred,
                         folders ? v->o->pred : v->o->ref);
    if (!folders) {
        v->pair = calloc(1, sizeof *v->pair);
        if (!v->pair) return error_set(e, "out of memory");
        v->pairs = 1;
        return set_pair(v->pair, v->o->ref, v->o->pred, e);
    }
    struct file_list names, predicted;
    if (file_list(v->o->ref, &names, e)) return -1;
    int status = file_list(v->o->pred, &predicted, e);
    if (!status) {
        status = pair_folders(v, &names, &predicted, e);
        file_list_free(&predicted);
    }
    file_list_free(&names);
    return status;
}

/* ---- label maps -------------------------------------------------------------------------------------- */

static void scan_job(void *arg, int i, int thread)
{
    struct work *v = arg;
    uint8_t *seen = v->seen + (size_t)thread * LABEL_VALUES;
    if (labelmap_values(seen, v->pair[i].reference, &v->error[i]) == 0 &&
        labelmap_values(seen, v->pair[i].prediction, &v->error[i]) == 0)
        v->error[i].text[0] = 0;
}

/* Writes result.item[i]: an evaluation of its own with room for one. */
static void measure_job(void *arg, int i, int thread)
{
    struct work *v = arg;
    struct evaluation one = v->result;
    const struct file_pair *p = &v->pair[i];
    struct error *e = &v->error[i];
    struct labelmap ref, pred;
    (void)thread;
    one.item = &v->result.item[i];
    one.cases = 0;
    one.room = 1;
    if (labelmap_read_pair(&ref, &pred, p->reference, p->prediction, &v->index, &v->grids, e))
        return;
    if (evaluation_add(&one, p->id, p->reference, p->prediction, ref.index, pred.index, ref.size, ref.spacing,
                       e) == 0)
        e->text[0] = 0;
    labelmap_free(&ref);
    labelmap_free(&pred);
}

struct turn {
    pool_job *job;
    struct work *v;
    int first;
};

static void turn_job(void *arg, int job, int thread)
{
    const struct turn *t = arg;
    t->job(t->v, t->first + job, thread);
}

/* All pairs, in turns between which progress is shown; the first error in order counts. */
static int run_all(struct work *v, pool_job *job, const char *title, struct error *e)
{
    struct turn t = {job, v, 0};
    struct progress bar = progress_begin(title, v->o->quiet);
    int status = 0, jobs = pool_turn(v->pool);
    for (; !status && t.first < v->pairs; t.first += jobs) {
        int now = v->pairs - t.first < jobs ? v->pairs - t.first : jobs;
        progress_update(&bar, t.first, v->pairs, v->pair[t.first].id);
        pool_take(v->pool, now, turn_job, &t);
        for (int i = t.first; !status && i < t.first + now; i++)
            if (v->error[i].text[0]) status = error_set(e, "%s", v->error[i].text);
    }
    progress_end(&bar);
    return status;
}

/* ---- which labels ------------------------------------------------------------------------------------ */

/* --dataset, else the dataset.json beside the folder of references or in the folder of predictions. Returns 0
 * if there is none. */
static int find_dataset(char *path, size_t size, const struct work *v)
{
    int length = file_is_dir(v->o->ref) ? (int)strlen(v->o->ref) : (int)(file_name(v->o->ref) - v->o->ref);
    if (v->o->dataset) return snprintf(path, size, "%s", v->o->dataset) < (int)size;
    if (snprintf(path, size, "%.*s%s../dataset.json", length, v->o->ref,
                 length && v->o->ref[length - 1] != '/' ? "/" : "") < (int)size &&
        file_exists(path))
        return 1;
    return file_is_dir(v->o->pred) && snprintf(path, size, "%s/dataset.json", v->o->pred) < (int)size &&
           file_exists(path);
}

/* Every value in the files but 0. */
static int labels_of_data(struct dataset *d, struct work *v, struct error *e)
{
    memset(d, 0, sizeof *d);
    d->ignore_label = -1;
    if (dataset_room(d, 0, LABELS_MAX, 0, e)) return -1;
    v->seen = calloc((size_t)v->o->threads, LABEL_VALUES);
    if (!v->seen) return error_set(e, "out of memory");
    if (run_all(v, scan_job, "labels", e)) return -1;
    for (int value = 0; value < LABEL_VALUES; value++) {
        int present = value == 0;
        for (int t = 0; t < v->o->threads; t++) present |= v->seen[(size_t)t * LABEL_VALUES + (size_t)value];
        if (!present) continue;
        if (d->labels == LABELS_MAX)
            return error_set(e, "%s: more than %d labels; is it a label map?", v->o->ref, LABELS_MAX - 1);
        d->label_value[d->labels] = value;
        snprintf(d->label_name[d->labels], sizeof d->label_name[0], value ? "label %d" : "background", value);
        d->labels++;
    }
    return 0;
}

static int find_labels(struct work *v, struct error *e)
{
    struct dataset d;
    char path[1300];
    int known = find_dataset(path, sizeof path, v),
        status = known ? dataset_read_header(&d, path, e) : labels_of_data(&d, v, e);
    if (!status) status = label_index_create(&v->index, &d, known ? path : v->o->ref, e);
    if (!status) status = evaluation_begin(&v->result, &d, v->o->tolerance, e);
    v->result.lesion_overlap = v->o->lesion_overlap;
    v->result.limits.boundary = v->o->boundary;
    dataset_close(&d);
    return status;
}

/* ---- segmentation ------------------------------------------------------------------------------------ */

/* Predicted against reference volume, a label at a time. */
static int add_agreement(struct json *j, const struct evaluation *ev, int print, struct error *e)
{
    double *volume = malloc(2 * (size_t)ev->cases * sizeof *volume);
    if (!volume) return error_set(e, "out of memory for %d cases", ev->cases);
    struct json *all = json_add_object(j, "volume_agreement");
    for (int k = 1; k < ev->labels; k++) {
        struct bland_altman r;
        for (int i = 0; i < ev->cases; i++) {
            volume[i] = ev->item[i].label[k].overlap.volume_pred / 1000;
            volume[ev->cases + i] = ev->item[i].label[k].overlap.volume_ref / 1000;
        }
        if (stats_bland_altman(&r, volume, volume + ev->cases, ev->cases)) {
            free(volume);
            return error_set(e, "out of memory for %d cases", ev->cases);
        }
        struct json *one = json_add_object(all, ev->of[k].key), *limits;
        json_add_number(one, "bias_ml", r.bias);
        json_add_number(one, "sd_ml", r.sd);
        limits = json_add_array(one, "limits_ml");
        json_add_number(limits, NULL, r.limits[0]);
        json_add_number(limits, NULL, r.limits[1]);
        json_add_number(one, "icc", r.icc);
        char icc[64] = "not defined: the volumes are all the same", limits_text[STATS_RANGE_TEXT];
        if (isfinite(r.icc)) snprintf(icc, sizeof icc, "%.3f", r.icc);
        else if (ev->cases < STATS_LEAST_CASES)
            snprintf(icc, sizeof icc, "not estimable: fewer than %d cases", STATS_LEAST_CASES);
        if (print)
            console_paragraph("", "volume of %s: predicted - reference %.3f ml, 95 %% limits of agreement "
                                  "%s, ICC(2,1) %s",
                              ev->of[k].name, r.bias, stats_range_text(limits_text, r.limits, 3), icc);
    }
    free(volume);
    return 0;
}

static void print_left_out(const struct work *v)
{
    for (int i = 0; i < v->left_out->count; i++) {
        const struct json *names = v->left_out->item[i];
        console("left out, %s: %d (", names->key, names->count);
        for (int k = 0; k < names->count && k < 5; k++)
            console("%s%s", k ? ", " : "", names->item[k]->string);
        printf("%s)\n", names->count > 5 ? ", ..." : "");
    }
}

static int report(struct work *v, struct error *e)
{
    if (!v->o->quiet) {
        evaluation_print(&v->result);
        printf("%d case%s. Dice is NaN where a label is in neither map; means leave out NaN and\n"
               "infinite values.\n",
               v->pairs, v->pairs > 1 ? "s" : "");
        print_left_out(v);
    }
    struct json *j = evaluation_json(&v->result);
    json_add(j, "left_out", json_copy(v->left_out));
    int status = v->pairs > 1 ? add_agreement(j, &v->result, !v->o->quiet, e) : 0;
    if (!status && v->o->out) status = json_write(j, v->o->out, e);
    json_free(j);
    return status;
}

static int evaluate_work(struct work *v, struct error *e)
{
    int status = find_pairs(v, e);
    v->pool = status ? NULL : pool_create(v->o->threads);
    if (!status && !v->pool) status = error_set(e, "cannot start %d threads", v->o->threads);
    if (!status && !(v->error = calloc((size_t)v->pairs, sizeof *v->error)))
        status = error_set(e, "out of memory for %d cases", v->pairs);
    if (!status) status = find_labels(v, e);
    if (!status && !(v->result.item = calloc((size_t)v->pairs, sizeof *v->result.item)))
        status = error_set(e, "out of memory for %d cases", v->pairs);
    if (!status) status = run_all(v, measure_job, "evaluate", e);
    v->result.cases = v->result.room = v->pairs;
    if (!status) status = report(v, e);
    evaluation_free(&v->result);
    label_index_free(&v->index);
    json_free(v->left_out);
    if (v->pool) pool_destroy(v->pool);
    free(v->seen);
    free(v->error);
    free(v->pair);
    return status;
}

int evaluate_maps(struct evaluate *options, struct error *e)
{
    struct work *v = calloc(1, sizeof *v);
    if (!v) return error_set(e, "out of memory");
    v->o = options;
    v->grids = grid_warnings_check(&options->grids);
    v->left_out = json_object();
    int status = evaluate_work(v, e);
    free(v);
    return status;
}
