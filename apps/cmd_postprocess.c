/* cmd_postprocess.c - nnU-Net's determine_postprocessing on the validation cases of a run: postprocessing.json. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/evaluation.h"
#include "apps/labelmap.h"
#include "apps/options.h"
#include "io/file.h"
#include "nn/outputs.h"
#include "nn/postprocess.h"
#include "nn/run.h"
#include "tensor/cpu.h"
#include "tensor/ops.h"
#include "tensor/pool.h"

struct pair {
    char reference[1300], prediction[1300];
};

struct determine {
    const char *run_path, *ref, *out;
    int threads, quiet;
    struct run run;
    struct label_index index;
    struct evaluation sets;      /* labels or regions, no cases */
    struct pair *pair;
    int pairs;
    double *dice;                /* [pairs][LABELS_MAX + 1] of the last pass */
    struct error *error;         /* [pairs] */
    struct pool *pool;
    struct postprocessing steps; /* accepted, and the candidate during its pass */
};

/* ---- which cases --------------------------------------------------------------------------------------------------- */

/* Cases of one fold's summary.json; their predictions lie beside it, whatever path it had when it was written. */
static int add_cases(struct determine *v, const char *folder, const struct json *summary, const char *name, struct error *e)
{
    const struct json *cases = json_get(summary, "metric_per_case");
    if (!cases || cases->type != JSON_ARRAY) return error_set(e, "%s: has no list metric_per_case", name);
    struct pair *more = realloc(v->pair, (size_t)(v->pairs + cases->count + 1) * sizeof *more);
    if (!more) return error_set(e, "out of memory for %d cases", v->pairs + cases->count);
    v->pair = more;
    for (int i = 0; i < cases->count; i++) {
        struct pair *p = &v->pair[v->pairs++];
        const char *reference = json_text(cases->item[i], "reference_file", ""), *prediction = json_text(cases->item[i], "prediction_file", "");
        if (!*reference || !*prediction) return error_set(e, "%s: metric_per_case[%d] lacks reference_file or prediction_file", name, i);
        if (file_join(p->prediction, sizeof p->prediction, folder, file_name(prediction), e)) return -1;
        if (v->ref && file_join(p->reference, sizeof p->reference, v->ref, file_name(reference), e)) return -1;
        if (!v->ref && snprintf(p->reference, sizeof p->reference, "%s", reference) >= (int)sizeof p->reference) return error_set(e, "%s: path is too long", name);
    }
    return 0;
}

static int find_cases(struct determine *v, struct error *e)
{
    char fold[64][16], path[1300], folder[1400], name[1500];
    int n = run_folds(fold, 64, &v->run, NULL);
    for (int k = 0; k < n; k++) {
        if (run_fold_path(path, sizeof path, v->run_path, fold[k], e) || file_join(folder, sizeof folder, path, "validation", e) ||
            file_join(name, sizeof name, folder, "summary.json", e))
            return -1;
        if (!file_exists(name)) continue;
        struct json *j = json_read(name, e);
        int status = j ? add_cases(v, folder, j, name, e) : -1;
        json_free(j);
        if (status) return -1;
    }
    return v->pairs ? 0 : error_set(e, "%s: no fold_*/validation/summary.json with cases", v->run_path);
}

/* ---- a pass over all cases ----------------------------------------------------------------------------------------- */

static double dice_of(const uint8_t *ref, const uint8_t *pred, size_t n, uint64_t set)
{
    int64_t both = 0, either = 0;
    for (size_t i = 0; i < n; i++) {
        if (ref[i] == LABEL_IGNORE) continue;
        int a = label_is_in(set, ref[i]), b = label_is_in(set, pred[i]);
        both += a & b;
        either += a + b;
    }
    return either ? 2.0 * (double)both / (double)either : NAN;
}

static void measure_job(void *arg, int i, int thread)
{
    struct determine *v = arg;
    struct volume g;
    uint8_t *ref, *pred;
    (void)thread;
    if (labelmap_pair(&ref, &pred, &g, v->pair[i].reference, v->pair[i].prediction, &v->index, &v->error[i])) return;
    const int size[3] = {(int)g.size[2], (int)g.size[1], (int)g.size[0]};
    if (postprocess_apply(&v->steps, pred, size)) error_set(&v->error[i], "%s: out of memory", v->pair[i].prediction);
    for (int k = 1; k < v->sets.labels; k++)
        v->dice[(size_t)i * (LABELS_MAX + 1) + (size_t)k] = dice_of(ref, pred, (size_t)size[0] * size[1] * size[2], v->sets.set[k]);
    free(ref);
    free(pred);
}

/* Mean Dice of each label over the cases, and in [0] over the labels. */
static int measure(double mean[LABELS_MAX + 1], struct determine *v, struct error *e)
{
    double total = 0;
    int counted = 0;
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

/* ---- nnU-Net's rule --------------------------------------------------------------------------------------------------- */

/* Tries one more step. All foreground (only 0): better in the mean and worse for no label; a label: better for it. */
static int try_step(struct determine *v, double now[LABELS_MAX + 1], uint64_t labels, int only, struct error *e)
{
    double then[LABELS_MAX + 1];
    v->steps.labels[v->steps.steps++] = labels;
    if (measure(then, v, e)) return -1;
    int better = then[only] > now[only];
    for (int k = 1; only == 0 && k < v->sets.labels; k++) better = better && !(then[k] < now[k]);
    if (!v->quiet)
        printf("largest component of %-20s Dice %.5f to %.5f: %s\n", only ? v->sets.name[only] : "all foreground", now[only], then[only], better ? "kept alone" : "no");
    if (better) memcpy(now, then, sizeof then);
    else v->steps.steps--;
    return 0;
}

static int determine(struct determine *v, struct error *e)
{
    double before[LABELS_MAX + 1], now[LABELS_MAX + 1];
    uint64_t all = 0;
    char path[1300];
    for (int k = 1; k < v->run.dataset.labels; k++) all |= (uint64_t)1 << k;
    if (measure(before, v, e)) return -1;
    memcpy(now, before, sizeof now);
    if (try_step(v, now, all, 0, e)) return -1;
    for (int k = 1; v->sets.labels > 2 && k < v->sets.labels; k++)
        if (try_step(v, now, v->sets.set[k], k, e)) return -1;
    if (!v->out && file_join(path, sizeof path, v->run_path, "postprocessing.json", e)) return -1;
    struct json *j = json_object(), *dice = json_add_object(j, "foreground_mean_dice");
    json_add_number(dice, "input", before[0]);
    json_add_number(dice, "postprocessed", now[0]);
    json_add_int(j, "cases", v->pairs);
    postprocess_to_json(j, &v->steps, &v->run.dataset);
    int status = json_write(j, v->out ? v->out : path, e);
    json_free(j);
    if (!status && !v->quiet)
        printf("%s: %d step%s from %d cases, mean Dice %.5f to %.5f\n", v->out ? v->out : path, v->steps.steps, v->steps.steps == 1 ? "" : "s", v->pairs, before[0], now[0]);
    return status;
}

static int run_determine(struct determine *v, struct error *e)
{
    if (run_open(&v->run, v->run_path, e)) return -1;
    int status = v->run.plan ? 0 : error_set(e, "%s: is no segmentation run", v->run_path);
    if (!status) status = label_index_create(&v->index, &v->run.dataset, v->run_path, e);
    if (!status) status = find_cases(v, e);
    if (!status) {
        v->sets = evaluation_begin(&v->run.dataset, 1);
        v->dice = calloc((size_t)v->pairs * (LABELS_MAX + 1), sizeof *v->dice);
        v->error = calloc((size_t)v->pairs, sizeof *v->error);
        v->pool = pool_create(v->threads);
        if (!v->dice || !v->error || !v->pool) status = error_set(e, "out of memory, or cannot start %d threads", v->threads);
    }
    if (!status) status = determine(v, e);
    if (v->pool) pool_destroy(v->pool);
    free(v->dice);
    free(v->error);
    free(v->pair);
    run_close(&v->run);
    return status;
}

int cmd_postprocess(int argc, char **argv)
{
    struct determine v = {0};
    struct option_spec spec[] = {
        {"ref", 'r', OPTION_TEXT, &v.ref, "DIR", "folder of the references (default: where summary.json says)", 0, 0, 0},
        {"output", 'o', OPTION_TEXT, &v.out, "FILE", "default: RUN/postprocessing.json, which predict applies", 0, 0, 0},
        OPTION_THREADS(v.threads), OPTION_QUIET(v.quiet), {0}};
    struct command_help help = {"postprocess RUN [OPTIONS]", "Decides on the validation cases of all folds which labels keep only their largest component",
                                "nnU-Net's rule: first of all foreground together, if the mean Dice rises and falls for no label; then of each label\n"
                                "or region, if its Dice rises. Components join through faces, edges and corners.\n\n"
                                "  nephron postprocess run && nephron predict run -i images -o predictions",
                                spec};
    struct operands operands;
    struct error e = {""};
    int status;
    if (!options_parse(&operands, argc, argv, &help, 1, 1, &status)) return status;
    v.run_path = operands.text[0];
    if (v.threads <= 0) v.threads = cpu_count();
    return run_determine(&v, &e) ? app_fail(&e) : 0;
}
