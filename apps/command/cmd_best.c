/* cmd_best.c - nnU-Net's find_best_configuration: which run, or which ensemble of two, has the best Dice on
 * the held-out cases of the cross-validation; and the postprocessing for it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/command/commands.h"
#include "nn/infer/crossval.h"
#include "nn/infer/ensemble.h"
#include "apps/base/console.h"
#include "apps/base/dataset_warnings.h"
#include "apps/base/options.h"
#include "apps/base/progress.h"
#include "apps/base/result_tables.h"
#include "io/base/file.h"
#include "io/base/lock.h"
#include "io/base/text.h"
#include "tensor/graph/machine.h"

enum { RUNS_MAX = 16 };

struct candidate {
    int run[2];  /* [1] is -1 for a run alone */
    double dice; /* foreground mean */
    int cases;
};

struct best {
    const char *out, *ref;
    int ensembles, threads, quiet, runs;
    struct run run[RUNS_MAX];
    struct crossval held_out[RUNS_MAX]; /* of each run */
    struct candidate candidate[RUNS_MAX * (RUNS_MAX + 1) / 2];
    int candidates;
};

static int ensemble_folder(char path[1300], const struct best *v, const struct candidate *c, struct error *e)
{
    return snprintf(path, 1300, "%s/ensemble_%d_%d", v->out, c->run[0], c->run[1]) < 1300
               ? 0
               : error_set(e, "%s: path is too long", v->out);
}

/* "a/b/case.nii.gz" -> "a/b" and "case". */
static int split_prediction(char folder[1300], char id[ID_MAX], const char *path, const char *ending,
                            struct error *e)
{
    const char *name = file_name(path);
    size_t before = (size_t)(name - path), n = strlen(name), m = strlen(ending);
    if (before < 2 || n <= m || strcmp(name + n - m, ending) || n - m >= ID_MAX)
        return error_set(e, "%s: does not end in %s", path, ending);
    snprintf(folder, 1300, "%.*s", (int)before - 1, path);
    snprintf(id, ID_MAX, "%.*s", (int)(n - m), name);
    return 0;
}

/* The run's prediction of the case that the other one predicted in that file. */
static const struct pair *find_pair(const struct best *v, int run, int other, const char *prediction,
                                    struct error *e)
{
    const struct crossval *h = &v->held_out[run];
    for (int i = 0; i < h->pairs; i++)
        if (strcmp(file_name(h->pair[i].prediction), file_name(prediction)) == 0) return &h->pair[i];
    error_set(e, "%s: has no held-out prediction of %s, which %s has: runs are compared on the same cases",
              v->run[run].path, file_name(prediction), v->run[other].path);
    return NULL;
}

static int add_ensembled(struct evaluation *ev, const struct best *v, const struct candidate *c,
                         const struct pair *a, const char *folder, struct error *e)
{
    const struct dataset *d = &v->run[c->run[0]].dataset;
    const struct crossval *h = &v->held_out[c->run[0]];
    char first[1300], second[1300], id[ID_MAX], path[1400];
    const struct pair *b = find_pair(v, c->run[1], c->run[0], a->prediction, e);
    if (!b || split_prediction(first, id, a->prediction, d->file_ending, e) ||
        split_prediction(second, id, b->prediction, d->file_ending, e) ||
        file_join(path, sizeof path, folder, file_name(a->prediction), e))
        return -1;
    const struct ensemble_case one = {.id = id, .folder = {first, second}, .folders = 2};
    if (ensemble_run(&one, d, NULL, path, NULL, NULL, e))
        return error_set(e, "%s (or --no-ensembles compares the runs alone)", e->text);
    const struct grid_check grids = {.rule = GRIDS_AS_NNUNET}; /* told when the runs were trained */
    struct labelmap ref, pred;
    if (labelmap_read_pair(&ref, &pred, a->reference, path, &h->index, &grids, e)) return -1;
    int status = evaluation_add(ev, id, a->reference, path, ref.index, pred.index, ref.size, ref.spacing, e);
    labelmap_free(&ref);
    labelmap_free(&pred);
    return status;
}

/* OUT/ensemble_A_B receives the label maps and summary.json. */
static int make_ensemble(struct best *v, const struct candidate *c, struct error *e)
{
    const struct crossval *h = &v->held_out[c->run[0]];
    char folder[1300], path[1400];
    struct evaluation ev;
    if (evaluation_begin(&ev, &v->run[c->run[0]].dataset, 1, e)) return evaluation_free(&ev), -1;
    int status = ensemble_folder(folder, v, c, e) || file_mkdirs(folder, e) ? -1 : 0;
    struct progress bar = progress_begin("ensemble", v->quiet);
    for (int i = 0; !status && i < h->pairs; i++) {
        progress_update(&bar, i, h->pairs, file_name(h->pair[i].prediction));
        status = add_ensembled(&ev, v, c, &h->pair[i], folder, e);
    }
    progress_end(&bar);
    if (!status) status = file_join(path, sizeof path, folder, "summary.json", e);
    if (!status) status = evaluation_write(&ev, path, e);
    evaluation_free(&ev);
    return status;
}

static int measure(struct best *v, struct candidate *c, struct crossval *cases, struct error *e)
{
    double mean[LABELS_MAX + 1];
    if (crossval_measure(mean, cases, e)) return -1;
    c->dice = mean[0];
    c->cases = cases->pairs;
    if (!v->quiet)
        console("%.4f  %4d cases  %s%s%s\n", c->dice, c->cases, v->run[c->run[0]].path,
               c->run[1] < 0 ? "" : " + ", c->run[1] < 0 ? "" : v->run[c->run[1]].path);
    return 0;
}

/* cases: begun, without cases; those of the candidate are added. */
static int cases_of(struct crossval *cases, const struct best *v, const struct candidate *c, struct error *e)
{
    char folder[1300];
    const struct run *r = &v->run[c->run[0]];
    if (crossval_begin(cases, &r->dataset, r->path, v->threads, e)) return -1;
    if (c->run[1] < 0) return crossval_add_run(cases, r, v->ref, e);
    return ensemble_folder(folder, v, c, e) ? -1 : crossval_add_folder(cases, folder, v->ref, e);
}

/* The held-out cases of each run; they and the labels have to be those of the others, or means over them say
 * nothing of the runs. */
static int take_cases(struct best *v, struct error *e)
{
    for (int k = 0; k < v->runs; k++) {
        const struct candidate alone = {.run = {k, -1}};
        if (k && dataset_same_labels(&v->run[0].dataset, &v->run[k].dataset, e)) return -1;
        if (cases_of(&v->held_out[k], v, &alone, e)) return -1;
        for (int i = 0; k && i < v->held_out[k].pairs; i++)
            if (!find_pair(v, 0, k, v->held_out[k].pair[i].prediction, e)) return -1;
        for (int i = 0; k && i < v->held_out[0].pairs; i++)
            if (!find_pair(v, k, 0, v->held_out[0].pair[i].prediction, e)) return -1;
    }
    return 0;
}

static int add_candidate(struct best *v, int a, int b, struct error *e)
{
    struct candidate *c = &v->candidate[v->candidates++];
    struct crossval cases = {0};
    *c = (struct candidate){.run = {a, b}};
    if (b < 0) return measure(v, c, &v->held_out[a], e);
    int status = make_ensemble(v, c, e);
    if (!status) status = cases_of(&cases, v, c, e);
    if (!status) status = measure(v, c, &cases, e);
    crossval_end(&cases);
    return status;
}

static void add_command(struct json *commands, char *const *word, size_t words)
{
    char *line = text_command_line((int)words, word);
    if (line) json_add_text(commands, NULL, line);
    free(line);
}

/* The steps from images to label maps, to be typed. */
static void print_commands(const struct best *v, const struct candidate *c, struct json *commands)
{
    char path[1400], run[1024], out[16];
    snprintf(path, sizeof path, "%s/postprocessing.json", v->out);
    for (int k = 0; k < 2 && c->run[k] >= 0; k++) {
        char *one[] = {"predict", run, "-i", "IMAGES", "-o", "OUT", "--postprocessing", path},
             *part[] = {"predict", run, "-i", "IMAGES", "-o", out, "--probabilities"};
        snprintf(run, sizeof run, "%s", v->run[c->run[k]].path);
        snprintf(out, sizeof out, "OUT_%d", k);
        if (c->run[1] < 0) add_command(commands, one, sizeof one / sizeof *one);
        else add_command(commands, part, sizeof part / sizeof *part);
    }
    if (c->run[1] >= 0) {
        char *both[] = {"ensemble", "OUT_0", "OUT_1", "-o", "OUT", "--postprocessing", path};
        add_command(commands, both, sizeof both / sizeof *both);
    }
    for (int k = 0; !v->quiet && k < commands->count; k++) console("  %s\n", commands->item[k]->string);
}

static void add_runs(struct json *j, const struct best *v, const struct candidate *c)
{
    struct json *runs = json_add_array(j, "runs");
    for (int k = 0; k < 2 && c->run[k] >= 0; k++) json_add_text(runs, NULL, v->run[c->run[k]].path);
}

static int finish(struct best *v, const struct candidate *c, struct error *e)
{
    char path[1400], record[1400];
    struct crossval cases = {0};
    if (file_join(path, sizeof path, v->out, "postprocessing.json", e) ||
        file_join(record, sizeof record, v->out, "best.json", e))
        return -1;
    if (!v->quiet)
        console("best: %s%s%s, mean Dice %.4f\n", v->run[c->run[0]].path, c->run[1] < 0 ? "" : " + ",
               c->run[1] < 0 ? "" : v->run[c->run[1]].path, c->dice);
    int status = cases_of(&cases, v, c, e);
    if (!status) status = crossval_determine(&cases, path, e);
    if (!status && !v->quiet) crossval_print(&cases, path);
    crossval_end(&cases);
    if (status) return -1;
    struct json *j = json_object(), *all = json_add_array(j, "candidates"),
                *best = json_add_object(j, "best");
    for (int i = 0; i < v->candidates; i++) {
        struct json *one = json_add_object(all, NULL);
        add_runs(one, v, &v->candidate[i]);
        json_add_number(one, "foreground_mean_dice", v->candidate[i].dice);
        json_add_int(one, "cases", v->candidate[i].cases);
    }
    add_runs(best, v, c);
    json_add_number(best, "foreground_mean_dice", c->dice);
    json_add_text(best, "postprocessing", path);
    print_commands(v, c, json_add_array(best, "commands"));
    status = json_write(j, record, e);
    json_free(j);
    return status;
}

/* OUT receives what is made of the runs and of their ensembles. */
static int compare_all(struct best *v, struct error *e)
{
    for (int a = 0; a < v->runs; a++)
        if (add_candidate(v, a, -1, e)) return -1;
    for (int a = 0; v->ensembles && a < v->runs; a++)
        for (int b = a + 1; b < v->runs; b++)
            if (add_candidate(v, a, b, e)) return -1;
    const struct candidate *best =
        &v->candidate[0]; /* of equally good ones the first: runs alone come before ensembles */
    for (int i = 1; i < v->candidates; i++)
        if (v->candidate[i].dice > best->dice) best = &v->candidate[i];
    return finish(v, best, e);
}

static int find_best(struct best *v, const char *const *path, struct error *e)
{
    for (int k = 0; k < v->runs; k++) {
        if (run_open(&v->run[k], path[k], e)) return -1;
        for (int i = 0; i < k; i++)
            if (file_is_same(v->run[i].path, v->run[k].path))
                return error_set(e, "%s: is given twice, which leaves nothing to compare", path[k]);
        if (!v->run[k].plan) return error_set(e, "%s: is no segmentation run", path[k]);
    }
    if (run_is_folder(v->out)) /* predict would apply what was decided for another run, or for two */
        return error_set(e, "-o %s: is a run, whose postprocessing.json would be lost: give another folder",
                         v->out);
    if (file_check_folder_place(v->out, e) || dataset_spare(v->out, e) || take_cases(v, e)) return -1;
    struct folder_hold hold;
    if (folder_hold(&hold, v->out, e)) return -1;
    const int status = compare_all(v, e);
    folder_release(&hold);
    return status;
}

int cmd_best(int argc, char **argv)
{
    const char *out = NULL, *ref = NULL;
    int ensembles = 1, threads = 0, quiet = 0;
    struct option_spec spec[] = {
        {"output", 'o', OPTION_OUTPUT, &out, "OUT",
         "folder of best.json, postprocessing.json and the ensembles' label maps", 0, 0, 0},
        {"ref", 'r', OPTION_TEXT, &ref, "DIR", "folder of the references (default: where summary.json says)",
         0, 0, 0},
        {"no-ensembles", 0, OPTION_NOFLAG, &ensembles, NULL, "compare the runs alone", 0, 0, 0},
        OPTION_THREADS(threads),
        OPTION_QUIET(quiet),
        {0}};
    struct command_help help = {
        "best RUN... -o OUT [OPTIONS]",
        "Which run, or ensemble of two, is best on the held-out cases; and its postprocessing",
        "nnU-Net's rule: the mean over the foreground labels of the mean Dice over all validated folds'\n"
        "cases, which have to be the same in all runs, as the labels have. Ensembles of two runs need the\n"
        "probabilities of the validation: train with --probabilities.\n\n"
        "  nephron best run_2d run_3d_fullres -o best",
        spec};
    struct operands operands;
    struct error e = {""};
    int status;
    if (!options_parse(&operands, argc, argv, &help, 1, RUNS_MAX, &status)) return status;
    if (!out) return app_usage(argv[0], "needs -o OUT");
    struct best *v = calloc(1, sizeof *v);
    if (v) {
        v->out = out;
        v->ref = ref;
        v->ensembles = ensembles;
        v->threads = threads > 0 ? threads : machine_processors();
        v->quiet = quiet;
        v->runs = operands.count;
        status = find_best(v, operands.text, &e);
    } else {
        status = error_set(&e, "out of memory for %d runs", operands.count);
    }
    for (int k = 0; v && k < v->runs; k++) {
        crossval_end(&v->held_out[k]);
        run_close(&v->run[k]);
    }
    free(v);
    return status ? app_fail(&e) : 0;
}
