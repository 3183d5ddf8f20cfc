/* evaluate: predictions against a reference. Label maps (folders or two files) give nnU-Net's summary.json with more keys, tables of
 * probabilities give discrimination and calibration. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/measure/evaluation.h"
#include "nn/measure/labelmap.h"
#include "apps/base/options.h"
#include "apps/base/progress.h"
#include "apps/base/result_tables.h"
#include "apps/base/scores.h"
#include "io/base/file.h"
#include "io/formats/image_formats.h"
#include "nn/measure/classification.h"
#include "nn/measure/stats_agreement.h"
#include "nn/measure/stats_proportion.h"
#include "tensor/base/cpu.h"
#include "tensor/ops/ops.h"
#include "tensor/base/pool.h"

struct file_pair {
    char id[ID_MAX];
    char reference[1300], prediction[1300];
};

struct evaluate {
    const char *ref, *pred, *out, *dataset;
    double tolerance, boundary, threshold, lesion_overlap;
    int threads, quiet, chill;
    struct pool *pool;
    struct file_pair *pair;
    int pairs;
    uint8_t *seen;             /* [threads][LABEL_VALUES]: label values in the files */
    struct label_index index;
    struct evaluation result;
    struct error *error;       /* [pairs], empty where all is well */
};

/* ---- which files ---------------------------------------------------------------------------------------------------- */

static int set_pair(struct file_pair *p, const char *ref, const char *pred, struct error *e)
{
    if (strlen(ref) >= sizeof p->reference || strlen(pred) >= sizeof p->prediction) return error_set(e, "%s: path is too long", ref);
    if (labelmap_case_name(p->id, ref, e)) return -1;
    snprintf(p->reference, sizeof p->reference, "%s", ref);
    snprintf(p->prediction, sizeof p->prediction, "%s", pred);
    return 0;
}

/* Appends name to a list that is cut after some. */
static void list_missing(char *list, size_t size, int count, const char *name)
{
    size_t used = strlen(list);
    if (count <= 10) snprintf(list + used, size - used, "%s%s", count > 1 ? ", " : "", name);
    else if (count == 11) snprintf(list + used, size - used, " ...");
}

static int pair_folders(struct evaluate *v, const struct file_list *names, struct error *e)
{
    char ref[1300], pred[1300], missing[800] = "";
    int absent = 0;
    v->pair = calloc((size_t)names->count + 1, sizeof *v->pair);
    if (!v->pair) return error_set(e, "out of memory for %d cases", names->count);
    for (int i = 0; i < names->count; i++) {
        if (!volume_suffix(names->name[i])) continue;
        if (file_join(ref, sizeof ref, v->ref, names->name[i], e) || file_join(pred, sizeof pred, v->pred, names->name[i], e)) return -1;
        if (!file_exists(pred)) list_missing(missing, sizeof missing, ++absent, names->name[i]);
        else if (set_pair(&v->pair[v->pairs++], ref, pred, e)) return -1;
    }
    if (absent && !v->chill)
        return error_set(e, "%s: %d of %d predictions missing: %s (--chill evaluates those that are there)", v->pred, absent, absent + v->pairs, missing);
    if (!v->pairs) return error_set(e, "%s: no label map (.nii.gz, .nrrd, .mha, .png, .tif ...) that %s has too", v->ref, v->pred);
    return 0;
}

static int find_pairs(struct evaluate *v, struct error *e)
{
    int folders = file_is_dir(v->ref);
    if (!file_exists(v->ref)) return error_set(e, "%s: no such file or folder", v->ref);
    if (!file_exists(v->pred)) return error_set(e, "%s: no such file or folder", v->pred);
    if (folders != file_is_dir(v->pred)) return error_set(e, "%s is a folder, %s is a file", folders ? v->ref : v->pred, folders ? v->pred : v->ref);
    if (!folders) {
        v->pair = calloc(1, sizeof *v->pair);
        if (!v->pair) return error_set(e, "out of memory");
        v->pairs = 1;
        return set_pair(v->pair, v->ref, v->pred, e);
    }
    struct file_list names;
    if (file_list(v->ref, &names, e)) return -1;
    int status = pair_folders(v, &names, e);
    file_list_free(&names);
    return status;
}

/* ---- label maps ---------------------------------------------------------------------------------------------------- */

static void scan_job(void *arg, int i, int thread)
{
    struct evaluate *v = arg;
    uint8_t *seen = v->seen + (size_t)thread * LABEL_VALUES;
    if (labelmap_values(seen, v->pair[i].reference, &v->error[i]) == 0) labelmap_values(seen, v->pair[i].prediction, &v->error[i]);
}

/* Writes result.item[i]: an evaluation of its own with room for one. */
static void measure_job(void *arg, int i, int thread)
{
    struct evaluate *v = arg;
    struct evaluation one = v->result;
    const struct file_pair *p = &v->pair[i];
    struct error *e = &v->error[i];
    struct labelmap ref, pred;
    (void)thread;
    one.item = &v->result.item[i];
    one.cases = 0;
    one.room = 1;
    if (labelmap_read_pair(&ref, &pred, p->reference, p->prediction, &v->index, e)) return;
    evaluation_add(&one, p->id, p->reference, p->prediction, ref.index, pred.index, ref.size, ref.spacing, e);
    labelmap_free(&ref);
    labelmap_free(&pred);
}

struct turn {
    pool_job *job;
    struct evaluate *v;
    int first;
};

static void turn_job(void *arg, int job, int thread)
{
    const struct turn *t = arg;
    t->job(t->v, t->first + job, thread);
}

/* All pairs, in turns between which progress is shown; the first error in order counts. */
static int run_all(struct evaluate *v, pool_job *job, const char *title, struct error *e)
{
    struct turn t = {job, v, 0};
    struct progress bar = progress_begin(title, v->quiet);
    int status = 0, jobs = 4 * v->threads;
    for (; !status && t.first < v->pairs; t.first += jobs) {
        int now = v->pairs - t.first < jobs ? v->pairs - t.first : jobs;
        progress_update(&bar, t.first, v->pairs, v->pair[t.first].id);
        pool_run(v->pool, now, turn_job, &t);
        for (int i = t.first; !status && i < t.first + now; i++)
            if (v->error[i].text[0]) status = error_set(e, "%s", v->error[i].text);
    }
    progress_end(&bar);
    return status;
}

/* ---- which labels -------------------------------------------------------------------------------------------------- */

/* --dataset, else the dataset.json beside the folder of references or in the folder of predictions. Returns 0 if there is none. */
static int find_dataset(char *path, size_t size, const struct evaluate *v)
{
    int length = file_is_dir(v->ref) ? (int)strlen(v->ref) : (int)(file_name(v->ref) - v->ref);
    if (v->dataset) return snprintf(path, size, "%s", v->dataset) < (int)size;
    if (snprintf(path, size, "%.*s%s../dataset.json", length, v->ref, length && v->ref[length - 1] != '/' ? "/" : "") < (int)size && file_exists(path)) return 1;
    return file_is_dir(v->pred) && snprintf(path, size, "%s/dataset.json", v->pred) < (int)size && file_exists(path);
}

/* Every value in the files but 0. */
static int labels_of_data(struct dataset *d, struct evaluate *v, struct error *e)
{
    memset(d, 0, sizeof *d);
    d->ignore_label = -1;
    v->seen = calloc((size_t)v->threads, LABEL_VALUES);
    if (!v->seen) return error_set(e, "out of memory");
    if (run_all(v, scan_job, "labels", e)) return -1;
    for (int value = 0; value < LABEL_VALUES; value++) {
        int present = value == 0;
        for (int t = 0; t < v->threads; t++) present |= v->seen[(size_t)t * LABEL_VALUES + (size_t)value];
        if (!present) continue;
        if (d->labels == LABELS_MAX) return error_set(e, "%s: more than %d labels; is it a label map?", v->ref, LABELS_MAX - 1);
        d->label_value[d->labels] = value;
        snprintf(d->label_name[d->labels], sizeof d->label_name[0], value ? "label %d" : "background", value);
        d->labels++;
    }
    return 0;
}

static int find_labels(struct evaluate *v, struct error *e)
{
    struct dataset d;
    char path[1300];
    int known = find_dataset(path, sizeof path, v), status = known ? dataset_read_header(&d, path, e) : labels_of_data(&d, v, e);
    if (status) return -1;
    status = label_index_create(&v->index, &d, known ? path : v->ref, e);
    if (!status) v->result = evaluation_begin(&d, v->tolerance);
    v->result.lesion_overlap = v->lesion_overlap;
    v->result.limits.boundary = v->boundary;
    if (known) dataset_close(&d);
    return status;
}

/* ---- segmentation -------------------------------------------------------------------------------------------------- */

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
        struct json *one = json_add_object(all, ev->key[k]), *limits;
        json_add_number(one, "bias_ml", r.bias);
        json_add_number(one, "sd_ml", r.sd);
        limits = json_add_array(one, "limits_ml");
        json_add_number(limits, NULL, r.limits[0]);
        json_add_number(limits, NULL, r.limits[1]);
        json_add_number(one, "icc", r.icc);
        if (print)
            printf("volume of %s: predicted - reference %.3f ml, 95 %% limits of agreement %.3f to %.3f, ICC(2,1) %.3f\n", ev->name[k], r.bias, r.limits[0],
                   r.limits[1], r.icc);
    }
    free(volume);
    return 0;
}

static int report(struct evaluate *v, struct error *e)
{
    if (!v->quiet) {
        evaluation_print(&v->result);
        printf("%d case%s. Dice is NaN where a label is in neither map; means leave out NaN and infinite values.\n", v->pairs, v->pairs > 1 ? "s" : "");
    }
    struct json *j = evaluation_json(&v->result);
    int status = v->pairs > 1 ? add_agreement(j, &v->result, !v->quiet, e) : 0;
    if (!status && v->out) status = json_write(j, v->out, e);
    json_free(j);
    return status;
}

static int evaluate_maps(struct evaluate *v, struct error *e)
{
    int status = find_pairs(v, e);
    v->pool = status ? NULL : pool_create(v->threads);
    if (!status && !v->pool) status = error_set(e, "cannot start %d threads", v->threads);
    if (!status && !(v->error = calloc((size_t)v->pairs, sizeof *v->error))) status = error_set(e, "out of memory for %d cases", v->pairs);
    if (!status) status = find_labels(v, e);
    if (!status && !(v->result.item = calloc((size_t)v->pairs, sizeof *v->result.item))) status = error_set(e, "out of memory for %d cases", v->pairs);
    if (!status) status = run_all(v, measure_job, "evaluate", e);
    v->result.cases = v->result.room = v->pairs;
    if (!status) status = report(v, e);
    evaluation_free(&v->result);
    if (v->pool) pool_destroy(v->pool);
    free(v->seen);
    free(v->error);
    free(v->pair);
    return status;
}

/* ---- classification -------------------------------------------------------------------------------------------------- */

/* Labels and probabilities of the reference's cases, in its order. */
static int pair_scores(int *label, double *probability, const struct scores *ref, const struct scores *pred, struct error *e)
{
    char missing[800] = "";
    int absent = 0;
    for (int i = 0; i < ref->count; i++) {
        const struct score *r = &ref->item[i], *p = scores_find(pred, r->id);
        if (!p) {
            list_missing(missing, sizeof missing, ++absent, r->id);
            continue;
        }
        if (p->label >= 0 && p->label != r->label) return error_set(e, "case %s: label is %d in %s, %d in %s", r->id, r->label, ref->path, p->label, pred->path);
        label[i] = r->label;
        probability[i] = p->probability;
    }
    return absent ? error_set(e, "%s: %d of %d cases missing: %s", pred->path, absent, ref->count, missing) : 0;
}

static void add_range(struct json *j, const char *key, const double ci[2])
{
    struct json *a = json_add_array(j, key);
    json_add_number(a, NULL, ci[0]);
    json_add_number(a, NULL, ci[1]);
}

/* A share with its Wilson interval, as a line and as two members. */
static void add_share(struct json *j, const char *key, int k, int n, int print)
{
    char name[64];
    double ci[2], share = n ? (double)k / n : NAN;
    stats_wilson(ci, k, n, 0.95);
    json_add_number(j, key, share);
    snprintf(name, sizeof name, "%s_ci", key);
    add_range(j, name, ci);
    if (print) printf("%-12s %.4f  (%.4f to %.4f)  %d of %d\n", key, share, ci[0], ci[1], k, n);
}

/* The ten bins of the reliability diagram. */
static void add_calibration(struct json *j, const int *label, const double *probability, int n)
{
    struct json *bins = json_add_array(j, "calibration");
    for (int b = 0; b < 10; b++) {
        double sum = 0;
        int count = 0, positives = 0;
        for (int i = 0; i < n; i++) {
            int bin = (int)(probability[i] * 10);
            if ((bin < 10 ? bin : 9) != b) continue;
            sum += probability[i];
            positives += label[i];
            count++;
        }
        struct json *one = json_add_object(bins, NULL);
        json_add_number(one, "from", b / 10.0);
        json_add_number(one, "to", (b + 1) / 10.0);
        json_add_int(one, "n", count);
        json_add_number(one, "mean_probability", count ? sum / count : NAN);
        json_add_number(one, "observed", count ? (double)positives / count : NAN);
    }
}

static struct json *describe(const struct classification *c, double threshold, int print)
{
    struct json *j = json_object();
    json_add_int(j, "n", c->n);
    json_add_int(j, "positives", c->positives);
    json_add_number(j, "threshold", threshold);
    json_add_number(j, "auc", c->auc);
    json_add_number(j, "auc_se", c->auc_se);
    add_range(j, "auc_ci", c->auc_ci);
    if (print) {
        printf("%d cases, %d positive; positive where the probability is at least %g\n\n", c->n, c->positives, threshold);
        printf("%-12s %.4f  (%.4f to %.4f)  DeLong\n", "AUC", c->auc, c->auc_ci[0], c->auc_ci[1]);
    }
    add_share(j, "accuracy", c->tp + c->tn, c->n, print);
    add_share(j, "sensitivity", c->tp, c->tp + c->fn, print);
    add_share(j, "specificity", c->tn, c->tn + c->fp, print);
    add_share(j, "ppv", c->tp, c->tp + c->fp, print);
    add_share(j, "npv", c->tn, c->tn + c->fn, print);
    json_add_number(j, "balanced_accuracy", c->balanced_accuracy);
    json_add_number(j, "brier", c->brier);
    json_add_number(j, "ece", c->ece);
    if (print) printf("%-12s %.4f\n%-12s %.4f\n%-12s %.4f  (10 bins)\n\n95 %% intervals; Wilson's for shares.\n", "balanced", c->balanced_accuracy, "Brier", c->brier, "ECE", c->ece);
    struct json *counts = json_add_object(j, "confusion");
    json_add_int(counts, "tp", c->tp);
    json_add_int(counts, "fp", c->fp);
    json_add_int(counts, "tn", c->tn);
    json_add_int(counts, "fn", c->fn);
    return j;
}

static int evaluate_pairs(const struct evaluate *v, const struct scores *ref, const struct scores *pred, int *label, double *probability, struct error *e)
{
    struct classification c;
    int n = ref->count;
    if (pair_scores(label, probability, ref, pred, e)) return -1;
    if (metrics_classification(&c, label, probability, n, v->threshold)) return error_set(e, "out of memory for %d cases", n);
    struct json *j = describe(&c, v->threshold, !v->quiet);
    add_calibration(j, label, probability, n);
    if (!v->quiet && pred->count > n) printf("%d cases of %s are not in %s and are left out.\n", pred->count - n, pred->path, ref->path);
    int status = v->out ? json_write(j, v->out, e) : 0;
    json_free(j);
    return status;
}

static int evaluate_scores(const struct evaluate *v, struct error *e)
{
    struct scores ref, pred;
    if (scores_read(&ref, v->ref, 1, 0, e)) return -1;
    if (scores_read(&pred, v->pred, 0, 1, e)) {
        scores_free(&ref);
        return -1;
    }
    int *label = malloc((size_t)ref.count * sizeof *label);
    double *probability = malloc((size_t)ref.count * sizeof *probability);
    int status = label && probability ? evaluate_pairs(v, &ref, &pred, label, probability, e) : error_set(e, "out of memory for %d cases", ref.count);
    free(label);
    free(probability);
    scores_free(&ref);
    scores_free(&pred);
    return status;
}

/* ---- the command ------------------------------------------------------------------------------------------------------ */

static const char details[] =
    "Label maps: REF and PRED are folders whose files have the same names, or two files. Labels come from --dataset, else from\n"
    "dataset.json beside REF or in PRED, else from the maps; with regions there, a row is a region. The JSON is nnU-Net's\n"
    "summary.json with HD95, ASSD, NSD, volumes and their errors, and lesion-wise detection: lesions are connected components (26 neighbours);\n"
    "F1 is the harmonic mean of the share of reference lesions found and that of predicted lesions met. Voxels that REF ignores count nowhere.\n"
    "Classification: REF is a table with columns case,label; PRED has case,probability (of class 1).\n\n"
    "  nephron evaluate Dataset004_Hippocampus/labelsTs predictions -o summary.json\n"
    "  nephron evaluate labels.csv predictions.csv -o result.json";

int cmd_evaluate(int argc, char **argv)
{
    struct evaluate v = {.tolerance = 1, .boundary = EVALUATION_BOUNDARY_MM, .threshold = 0.5};
    struct option_spec spec[] = {
        {"output", 'o', OPTION_TEXT, &v.out, "FILE", "write the results as JSON", 0, 0, 0},
        {"dataset", 0, OPTION_TEXT, &v.dataset, "FILE", "dataset.json with the labels", 0, 0, 0},
        {"tolerance", 0, OPTION_NUMBER, &v.tolerance, "MM", "of the normalised surface distance, NSD (1)", 0, 1e6, 0},
        {"boundary-mm", 0, OPTION_NUMBER, &v.boundary, "MM", "width of the bands of boundary IoU (2)", 1e-3, 1e6, 0},
        {"lesion-overlap", 0, OPTION_NUMBER, &v.lesion_overlap, "X", "a lesion counts as met where more than this share of it is in the other map (0: any voxel)", 0, 1, 0},
        {"chill", 0, OPTION_FLAG, &v.chill, NULL, "evaluate only the cases that were predicted, as nnU-Net's --chill", 0, 0, 0},
        {"threshold", 0, OPTION_NUMBER, &v.threshold, "P", "classification: positive from this probability on (0.5)", 0, 1, 0},
        OPTION_THREADS(v.threads), OPTION_QUIET(v.quiet), {0}};
    struct command_help help = {"evaluate REF PRED [OPTIONS]", "Measures predictions against a reference: label maps, or a table of probabilities", details, spec};
    struct operands operands;
    struct error e = {""};
    int status;
    if (!options_parse(&operands, argc, argv, &help, 2, 2, &status)) return status;
    v.ref = operands.text[0];
    v.pred = operands.text[1];
    if (v.threads <= 0) v.threads = cpu_count();
    int tables = file_has_suffix(v.ref, ".csv") && file_has_suffix(v.pred, ".csv");
    status = tables ? evaluate_scores(&v, &e) : evaluate_maps(&v, &e);
    return status ? app_fail(&e) : 0;
}
