/* crossval.c - measuring the held-out cases of all folds together, and nnU-Net's rule for the largest
 * component. */
#include "nn/infer/crossval.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "nn/plan/outputs.h"
#include "tensor/ops/ops.h"

int crossval_begin(struct crossval *v, const struct dataset *d, const char *name, int threads,
                   struct error *e)
{
    memset(v, 0, sizeof *v);
    v->dataset = d;
    if (label_index_create(&v->index, d, name, e)) return -1;
    if (evaluation_begin(&v->sets, d, 1, e)) return -1;
    v->pool = pool_create(threads);
    return v->pool ? 0 : error_set(e, "cannot start %d threads", threads);
}

void crossval_end(struct crossval *v)
{
    if (v->pool) pool_destroy(v->pool);
    label_index_free(&v->index);
    evaluation_free(&v->sets);
    free(v->dice);
    free(v->error);
    free(v->pair);
}

/* ---- which cases ------------------------------------------------------------------------------------- */

/* Cases of one fold's summary.json; their predictions lie beside it, whatever path it had when it was
 * written. */
static int add_cases(struct crossval *v, const char *folder, const struct json *summary, const char *name,
                     const char *ref, struct error *e)
{
    const struct json *cases = json_get(summary, "metric_per_case");
    if (!cases || cases->type != JSON_ARRAY) return error_set(e, "%s: has no list metric_per_case", name);
    struct pair *more = realloc(v->pair, (size_t)(v->pairs + cases->count + 1) * sizeof *more);
    if (!more) return error_set(e, "out of memory for %d cases", v->pairs + cases->count);
    v->pair = more;
    for (int i = 0; i < cases->count; i++) {
        struct pair *p = &v->pair[v->pairs++];
        const char *reference = json_text(cases->item[i], "reference_file", ""),
                   *prediction = json_text(cases->item[i], "prediction_file", "");
        if (!*reference || !*prediction)
            return error_set(e, "%s: metric_per_case[%d] lacks reference_file or prediction_file", name, i);
        if (file_join(p->prediction, sizeof p->prediction, folder, file_name_written(prediction), e) ||
            (ref && file_join(p->reference, sizeof p->reference, ref, file_name_written(reference), e)))
            return -1;
        if (!ref && snprintf(p->reference, sizeof p->reference, "%s", reference) >= (int)sizeof p->reference)
            return error_set(e, "%s: path is too long", name);
        if (!file_exists(p->reference))
            return error_set(e, "%s: metric_per_case[%d].reference_file %s: no such file%s", name, i,
                             p->reference, ref ? "" : " from here: --ref with its folder");
    }
    return 0;
}

int crossval_add_folder(struct crossval *v, const char *folder, const char *ref, struct error *e)
{
    char name[1500];
    if (file_join(name, sizeof name, folder, "summary.json", e)) return -1;
    struct json *j = json_read(name, e);
    int status = j ? add_cases(v, folder, j, name, ref, e) : -1;
    json_free(j);
    return status;
}

static int check_twice(const struct crossval *v, struct error *e)
{
    for (int i = 0; i < v->pairs; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(file_name(v->pair[i].prediction), file_name(v->pair[j].prediction)) == 0)
                return error_set(e, "%s and %s: a case that two folds hold out would count twice",
                                 v->pair[j].prediction, v->pair[i].prediction);
    return 0;
}

int crossval_add_run(struct crossval *v, const struct run *run, const char *ref, struct error *e)
{
    enum { MOST = 64 };
    char fold[MOST][16], path[1300], folder[1400], name[1500];
    int n = run_folds(fold, MOST, run, NULL), before = v->pairs;
    if (n > MOST) return error_set(e, "%s: has %d folds, more than %d", run->path, n, MOST);
    for (int k = 0; k < n; k++) {
        if (run_fold_path(path, sizeof path, run->path, fold[k], e) ||
            file_join(folder, sizeof folder, path, "validation", e) ||
            file_join(name, sizeof name, folder, "summary.json", e))
            return -1;
        if (file_exists(name) && crossval_add_folder(v, folder, ref, e)) return -1;
    }
    return v->pairs > before ? check_twice(v, e)
                             : error_set(e, "%s: no fold_*/validation/summary.json with cases", run->path);
}

/* ---- a pass over all cases --------------------------------------------------------------------------- */

static double dice_of(const uint8_t *ref, const uint8_t *pred, size_t n, const struct label_set *set)
{
    int64_t both = 0, either = 0;
    for (size_t i = 0; i < n; i++) {
        if (ref[i] == LABEL_IGNORE) continue;
        int a = label_set_has(set, ref[i]), b = label_set_has(set, pred[i]);
        both += a & b;
        either += a + b;
    }
    return either ? 2.0 * (double)both / (double)either : NAN;
}

static void measure_job(void *arg, int i, int thread)
{
    struct crossval *v = arg;
    /* A prediction lies as its image does, and how the label map does was told when it was trained with. */
    const struct grid_check grids = {.rule = GRIDS_AS_NNUNET};
    struct labelmap ref, pred;
    (void)thread;
    if (labelmap_read_pair(&ref, &pred, v->pair[i].reference, v->pair[i].prediction, &v->index, &grids,
                           &v->error[i]))
        return;
    v->error[i].text[0] = 0;
    const size_t voxels = (size_t)ref.size[0] * (size_t)ref.size[1] * (size_t)ref.size[2];
    if (postprocess_apply(&v->steps, pred.index, ref.size))
        error_set(&v->error[i], "%s: out of memory", v->pair[i].prediction);
    for (int k = 1; k < v->sets.labels; k++)
        v->dice[(size_t)i * (LABELS_MAX + 1) + (size_t)k] =
            dice_of(ref.index, pred.index, voxels, &v->sets.of[k].set);
    labelmap_free(&ref);
    labelmap_free(&pred);
}

int crossval_measure(double mean[LABELS_MAX + 1], struct crossval *v, struct error *e)
{
    double total = 0;
    int counted = 0;
    free(v->dice);
    free(v->error);
    v->dice = calloc((size_t)v->pairs * (LABELS_MAX + 1), sizeof *v->dice);
    v->error = calloc((size_t)v->pairs, sizeof *v->error);
    if (!v->dice || !v->error) return error_set(e, "out of memory for %d cases", v->pairs);
    pool_run(v->pool, v->pairs, measure_job, v);
    for (int i = 0; i < v->pairs; i++)
        if (v->error[i].text[0]) return error_set(e, "%s", v->error[i].text);
    for (int k = 1; k < v->sets.labels; k++) {
        double sum = 0;
        int n = 0;
        for (int i = 0; i < v->pairs; i++) {
            double dice = v->dice[(size_t)i * (LABELS_MAX + 1) + (size_t)k];
            if (isnan(dice)) continue;
            sum += dice;
            n++;
        }
        mean[k] = n ? sum / n : NAN;
        if (!n) continue;
        total += mean[k];
        counted++;
    }
    mean[0] = counted ? total / counted : NAN;
    return 0;
}

/* ---- nnU-Net's rule ---------------------------------------------------------------------------------- */

/* Tries one more step. All foreground (only 0): better in the mean and worse for no label; a label: better
 * for it. */
static int try_step(struct crossval *v, double now[LABELS_MAX + 1], struct label_set labels, int only,
                    struct error *e)
{
    double then[LABELS_MAX + 1];
    v->steps.labels[v->steps.steps++] = labels;
    if (crossval_measure(then, v, e)) return -1;
    int better = then[only] > now[only];
    for (int k = 1; only == 0 && k < v->sets.labels; k++) better = better && !(then[k] < now[k]);
    v->trial[v->trials++] =
        (struct crossval_trial){only ? v->sets.of[only].name : "all foreground", now[only], then[only],
                                better};
    if (better) memcpy(now, then, sizeof then);
    else v->steps.steps--;
    return 0;
}

int crossval_determine(struct crossval *v, const char *out, struct error *e)
{
    double now[LABELS_MAX + 1];
    struct label_set all = {{0}};
    v->trials = 0;
    for (int k = 1; k < v->dataset->labels; k++) label_set_add(&all, (unsigned)k);
    if (crossval_measure(now, v, e)) return -1;
    v->before = now[0];
    if (try_step(v, now, all, 0, e)) return -1;
    for (int k = 1; v->sets.labels > 2 && k < v->sets.labels; k++)
        if (try_step(v, now, v->sets.of[k].set, k, e)) return -1;
    v->after = now[0];
    struct json *j = json_object(), *dice = json_add_object(j, "foreground_mean_dice");
    json_add_number(dice, "input", v->before);
    json_add_number(dice, "postprocessed", v->after);
    json_add_int(j, "cases", v->pairs);
    postprocess_to_json(j, &v->steps, v->dataset);
    int status = json_write(j, out, e);
    json_free(j);
    return status;
}
