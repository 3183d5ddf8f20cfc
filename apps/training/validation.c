/* validation.c - after training: every held-out case predicted with the final weights, measured, and the best
 * and worst drawn. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/base/result_tables.h"
#include "apps/training/validation.h"
#include "nn/measure/evaluation.h"
#include "nn/data/labelmap.h"
#include "apps/base/interrupt.h"
#include "apps/training/overlay.h"
#include "apps/training/predictions.h"
#include "apps/base/progress.h"
#include "nn/infer/segmenter.h"
#include "apps/training/training.h"
#include "io/base/csv.h"
#include "io/base/file.h"
#include "nn/data/previous_map.h"
#include "nn/train/learner_data.h"

/* ---- segmentation -------------------------------------------------------------------------------------- */

/* "<folder>/ID<ending>". */
static int case_path(char *path, size_t size, const char *folder, const char *id, const char *ending,
                     struct error *e)
{
    char name[ID_MAX + 32];
    snprintf(name, sizeof name, "%s%s", id, ending);
    return file_join(path, size, folder, name, e);
}

/* The configuration that takes this one's label maps, or NULL. */
static const struct plan *next_stage(const struct training *t)
{
    for (int k = 0; k < t->plans.count; k++)
        if (t->plans.plan[k].previous_labels &&
            strcmp(t->plans.plan[k].previous_stage, t->plan->configuration) == 0)
            return &t->plans.plan[k];
    return NULL;
}

/* Where its training looks for the map of a case (training_previous). */
static int write_next(const struct training *t, const struct infer_next *next, const char *id,
                      struct error *e)
{
    char folder[1300], path[1400];
    int n =
        snprintf(folder, sizeof folder, "%s/predicted_next_stage/%s", t->args.run, next->plan->configuration);
    if (n >= (int)sizeof folder) return error_set(e, "%s: path is too long", t->args.run);
    if (file_mkdirs(folder, e) || case_path(path, sizeof path, folder, id, ".npz", e)) return -1;
    return previous_write(path, next->label, next->size, e);
}

static int remove_maps(const struct training *t, const char *folder, const char *ending, struct error *e)
{
    char path[1600];
    for (int i = 0; i < t->dataset.cases; i++)
        if (t->role[i] == ROLE_VALIDATION &&
            (case_path(path, sizeof path, folder, t->dataset.item[i].id, ending, e) || file_remove(path, e)))
            return -1;
    return 0;
}

int training_forget_maps(const struct training *t, struct error *e)
{
    char folder[1400], next[1300];
    struct file_list stages = {NULL, 0};
    if (!t->plan) return 0;
    int status = file_join(folder, sizeof folder, t->fold_path, "validation", e) ||
                         remove_maps(t, folder, t->dataset.file_ending, e) ||
                         remove_maps(t, folder, ".npz", e) || remove_maps(t, folder, ".pkl", e) ||
                         file_join(next, sizeof next, t->args.run, "predicted_next_stage", e)
                     ? -1
                     : 0;
    if (!status && file_is_dir(next)) status = file_list(next, &stages, e);
    for (int k = 0; !status && k < stages.count; k++)
        status = file_join(folder, sizeof folder, next, stages.name[k], e) ||
                         remove_maps(t, folder, ".npz", e)
                     ? -1
                     : 0;
    file_list_free(&stages);
    return status;
}

static int validate_case(struct segmenter *s, struct evaluation *ev, const struct training *t, int i,
                         const char *folder, struct error *e)
{
    const struct dataset *d = &t->dataset;
    char path[1300], npz[1300], reference_path[1300];
    struct sample raw;
    uint8_t *label = NULL, *reference = NULL;
    struct infer_next next = {.plan = next_stage(t)};
    if (case_path(path, sizeof path, folder, d->item[i].id, d->file_ending, e) ||
        case_path(npz, sizeof npz, folder, d->item[i].id, ".npz", e) ||
        dataset_label_path(reference_path, sizeof reference_path, d, i, e) ||
        dataset_load(&raw, d, i, &t->reading, e))
        return -1;
    int size[3], status = 0;
    double spacing[3];
    memcpy(size, raw.size, sizeof size);
    memcpy(spacing, raw.spacing, sizeof spacing);
    size_t voxels = (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
    if (!(reference = malloc(voxels))) status = error_set(e, "%s: out of memory", d->item[i].id);
    else memcpy(reference, raw.label, voxels);
    if (!status)
        status = segmenter_run(s, &raw, path, t->args.probabilities ? npz : NULL, next.plan ? &next : NULL,
                               &label, e);
    if (!status && next.plan) status = write_next(t, &next, d->item[i].id, e);
    if (!status)
        status = evaluation_add(ev, d->item[i].id, reference_path, path, reference, label, size, spacing, e);
    free(next.label);
    free(label);
    free(reference);
    sample_free(&raw);
    return status;
}

/* Overlay of one case, from the files. */
static int draw_case(const struct training *t, const struct case_metrics *c, const char *folder,
                     struct error *e)
{
    char path[1300];
    struct sample raw;
    struct labelmap prediction;
    struct label_index index;
    int i = dataset_find(&t->dataset, c->id, e);
    const char *ending =
        strcmp(t->dataset.file_ending, ".png") ? ".png" : "_overlay.png"; /* not over the prediction */
    if (i < 0 || case_path(path, sizeof path, folder, c->id, ending, e) ||
        dataset_load(&raw, &t->dataset, i, &t->reading, e))
        return -1;
    int status = label_index_create(&index, &t->dataset, path, e);
    if (!status) {
        status = labelmap_read(&prediction, c->prediction, &index, e);
        label_index_free(&index);
    }
    if (!status) {
        status = overlay_write(path, c->id, &t->dataset, &raw, raw.label, prediction.index, e);
        labelmap_free(&prediction);
    }
    sample_free(&raw);
    return status;
}

struct ranked {
    double dice;
    int item;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    double dx = isnan(x->dice) ? 2 : x->dice, dy = isnan(y->dice) ? 2 : y->dice;
    return dx != dy ? (dx > dy) - (dx < dy) : x->item - y->item;
}

static int draw_cases(const struct training *t, const struct evaluation *ev, const char *folder,
                      struct error *e)
{
    int n = ev->cases, status = 0;
    struct ranked *rank = malloc(((size_t)n + 1) * sizeof *rank);
    if (!rank) return error_set(e, "out of memory for %d cases", n);
    for (int i = 0; i < n; i++) rank[i] = (struct ranked){evaluation_case_dice(ev, i), i};
    qsort(rank, (size_t)n, sizeof *rank, compare_ranked);
    for (int i = 0; !status && i < n; i++)
        if (i < t->args.pictures || i >= n - t->args.pictures)
            status = draw_case(t, &ev->item[rank[i].item], folder, e);
    free(rank);
    return status;
}

/* sites.csv of the fold: mean Dice of each label over each site's validation cases. */
static int write_site_results(const struct training *t, const struct evaluation *ev, struct error *e)
{
    char path[1300];
    int *select = calloc((size_t)ev->cases + 1, sizeof *select);
    if (!select) return error_set(e, "out of memory for %d cases", ev->cases);
    struct file_out *f =
        file_join(path, sizeof path, t->fold_path, "site_results.csv", e) ? NULL : file_create(path, e);
    if (!f) {
        free(select);
        return -1;
    }
    file_printf(f, "site,validation_cases");
    for (int k = 1; k < ev->labels; k++) {
        char name[160];
        csv_quote(name, sizeof name, ev->of[k].name);
        file_printf(f, ",dice_%s", name);
    }
    file_printf(f, "\n");
    for (int s = 0; s < t->sites.count; s++) {
        int n = 0;
        struct error ignored;
        for (int i = 0; i < ev->cases; i++) {
            int index = dataset_find(&t->dataset, ev->item[i].id, &ignored);
            n += select[i] = index >= 0 && t->sites.of[index] == s;
        }
        char name[160];
        csv_quote(name, sizeof name, t->sites.name[s]);
        file_printf(f, "%s,%d", name, n);
        for (int k = 1; k < ev->labels; k++) {
            double dice = evaluation_label_dice(ev, k, select);
            if (isnan(dice)) file_printf(f, ",");
            else file_printf(f, ",%.6f", dice);
        }
        file_printf(f, "\n");
    }
    free(select);
    return file_commit(f, e);
}

static int validate_segmentation(struct training *t, struct model *m, struct error *e)
{
    char folder[1300], path[1300];
    struct segmenter s = {.plan = t->plan, .dataset = &t->dataset, .bf16 = t->options.bf16};
    struct evaluation ev;
    int n = 0, status = 0;
    s.sliding.step = t->args.step;
    if (t->args.mirror) learner_mirrors(s.sliding.mirror, &t->options, t->plan);
    for (int i = 0; i < t->dataset.cases; i++) n += t->role[i] == ROLE_VALIDATION;
    if (n == 0) return 0;
    if (file_join(folder, sizeof folder, t->fold_path, "validation", e) || file_mkdirs(folder, e) ||
        segmenter_add(&s, m, t->pool, e))
        return -1;
    if (evaluation_begin(&ev, &t->dataset, 1.0, e)) status = -1;
    struct progress bar = progress_begin("validate", t->args.quiet);
    struct case_progress at = {.bar = &bar, .of = n};
    s.sliding.progress = case_progress;
    s.sliding.arg = &at;
    for (int i = 0; !status && !t->stopped && i < t->dataset.cases; i++) {
        if (t->role[i] != ROLE_VALIDATION) continue;
        at.name = t->dataset.item[i].id;
        status = interrupt_signal() ? -1 : validate_case(&s, &ev, t, i, folder, e);
        t->stopped = status && interrupt_signal();
        if (t->stopped) status = 0; /* all of them again, when it goes on */
        at.at++;
    }
    progress_end(&bar);
    if (t->stopped || status) {
        evaluation_free(&ev);
        segmenter_free(&s);
        return status;
    }
    status = file_join(path, sizeof path, folder, "summary.json", e);
    if (!status) status = evaluation_write(&ev, path, e);
    if (!status && t->args.federated) status = write_site_results(t, &ev, e);
    if (!status && t->args.pictures) status = draw_cases(t, &ev, folder, e);
    if (!status && !t->args.quiet) {
        console("validation of the final weights, %d cases (%s):\n", n, path);
        evaluation_print(&ev);
    }
    evaluation_free(&ev);
    segmenter_free(&s);
    return status;
}

/* ---- classification ------------------------------------------------------------------------------------ */

static int stop_wanted(void *arg)
{
    (void)arg;
    return interrupt_signal() != 0;
}

static int classify_part(struct training *t, struct model *m, const struct learner_data *data,
                         const char *name, struct error *e)
{
    char folder[1300], path[1300];
    struct predictions p = {0};
    int n = data->store.cases;
    if (n == 0) return 0;
    int status = file_join(folder, sizeof folder, t->fold_path, name, e);
    if (!status) status = file_mkdirs(folder, e);
    if (!status) status = file_join(path, sizeof path, folder, "predictions.csv", e);
    if (!status) status = predictions_create(&p, n, t->options.classifier.classes, e);
    for (int i = 0; !status && i < n; i++) {
        p.id[i] = t->dataset.item[data->store.index[i]].id;
        p.label[i] = data->target[i];
    }
    if (!status) status = predictions_run(&p, &m, 1, &t->options, data, t->pool, stop_wanted, e);
    t->stopped = status > 0; /* all of them again, when it goes on */
    if (!status) status = predictions_write(&p, path, e);
    if (!status && !t->args.quiet) predictions_print(&p, path);
    predictions_free(&p);
    return status < 0 ? -1 : 0;
}

/* Validation cases, and the test part where the data have one. */
static int validate_classification(struct training *t, struct model *m, struct error *e)
{
    struct learner_data test = {0};
    if (classify_part(t, m, &t->validation, "validation", e)) return -1;
    if (t->stopped) return 0;
    struct reading how = t->reading;
    how.progress = NULL;
    int status = learner_data_load(&test, &t->dataset, &t->options, NULL, t->role, ROLE_TEST, &how, e);
    if (!status) status = classify_part(t, m, &test, "test", e);
    learner_data_free(&test);
    return status;
}

int training_validate(struct training *t, struct model *m, struct error *e)
{
    return t->plan ? validate_segmentation(t, m, e) : validate_classification(t, m, e);
}
