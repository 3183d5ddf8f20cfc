/* cmd_study.c - `nephron study`: the whole study from data to report. apps/study/ has the parts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "apps/base/console.h"
#include "apps/base/interrupt.h"
#include "apps/base/options.h"
#include "apps/base/progress.h"
#include "apps/command/commands.h"
#include "apps/report/report.h"
#include "apps/study/study_cost.h"
#include "apps/study/study_tables.h"
#include "io/base/file.h"
#include "io/base/json.h"
#include "io/base/lock.h"
#include "io/base/text.h"
#include "tensor/base/clock.h"
#include "tensor/base/cpu.h"
#include "tensor/base/pool.h"
#include "tensor/graph/machine.h"

/* quick: minutes on two cores. standard: five seeds in about an hour. paper: the paper's 987 patients in a
 * day. full: nnU-Net's width and schedule too, months; `--estimate` tells before. */
static const struct study_sizes presets[] = {
    {.preset = "quick",
     .cases = 500,
     .phantom_size = "kidneys-small",
     .difficulty = 0,
     .segment_seeds = 1,
     .classify_seeds = 2,
     .arms = "alone",
     .rounds = 8,
     .local_iterations = 60,
     .base_features = 16,
     .batch = 1,
     .patch_voxels = 60000,
     .step = 0.9,
     .class_rounds = 12,
     .class_iterations = 25,
     .class_batch = 16,
     .depth = 10,
     .base = 16,
     .crop = {8, 12, 12},
     .augment = 0,
     .optimizer = &optimizer_adamw,
     .lr = 2e-3,
     .class_lr = 5e-3},
    {.preset = "standard",
     .cases = 987,
     .phantom_size = "tiny",
     .difficulty = 1,
     .segment_seeds = 5,
     .classify_seeds = 5,
     .arms = "alone,federated_equal_images,centralised_long",
     .rounds = 12,
     .local_iterations = 100,
     .base_features = 16,
     .batch = 1,
     .patch_voxels = 60000,
     .step = 0.9,
     .class_rounds = 20,
     .class_iterations = 30,
     .class_batch = 16,
     .depth = 10,
     .base = 16,
     .crop = {8, 12, 12},
     .augment = 0,
     .optimizer = &optimizer_adamw,
     .lr = 2e-3,
     .class_lr = 5e-3},
    {.preset = "paper",
     .cases = 987,
     .phantom_size = "kidneys",
     .difficulty = 1,
     .segment_seeds = 1,
     .classify_seeds = 3,
     .arms = "alone,federated_equal_images",
     .rounds = 36,
     .local_iterations = 50,
     .base_features = 32,
     .batch = 2,
     .patch_voxels = 260000,
     .step = 0.75,
     .class_rounds = 40,
     .class_iterations = 20,
     .class_batch = 16,
     .depth = 18,
     .base = 32,
     .crop = {24, 64, 64},
     .strided = 1,
     .augment = 1,
     .optimizer = &optimizer_adamw,
     .lr = 1e-3,
     .class_lr = 1e-3,
     .cache = 1,
     .bf16 = 1},
    {.preset = "full",
     .cases = 987,
     .phantom_size = "full",
     .difficulty = 1,
     .segment_seeds = 3,
     .classify_seeds = 5,
     .arms = "alone",
     .rounds = 250,
     .local_iterations = 50,
     .base_features = 32,
     .step = 0.5,
     .mirror = 1,
     .class_rounds = 50,
     .class_iterations = 50,
     .class_batch = 16,
     .depth = 18,
     .base = 64,
     .crop = {24, 48, 48},
     .augment = 2,
     .optimizer = &optimizer_sgd,
     .lr = 1e-2,
     .class_lr = 1e-3,
     .cache = 1},
};

static const char details[] = "Arms (--arms): federated (FedAvg over the sites) and centralised, each site "
                              "alone, and more; the same untouched test cases. Margins\n"
                              "are written to OUT/protocol.json first. Without --data, a synthetic renal MRI "
                              "dataset is written to OUT/data first. DATASET is nnU-Net's, with labels.csv\n"
                              "(case,label) for classification and sites.csv (case,site); what is missing is "
                              "left out, or sites are drawn at random, and the report\n"
                              "says so. OUT receives report.html, report.json, cases.csv, sites.csv, "
                              "rounds.csv, overlays/, predictions/ and runs/.\n\n"
                              "  nephron study -o study --preset quick\n"
                              "  nephron study -o study --preset standard --data Dataset500_Renal --resume";

/* ---- the phantom --------------------------------------------------------------------------------------- */

/* Whether the dataset at `data` is the phantom that would be written: then it is used again. */
static int is_same_phantom(const struct study *s, const char *data)
{
    char path[1300], seed[24];
    struct error ignored;
    if (file_join(path, sizeof path, data, "phantom.json", &ignored) || !file_exists(path)) return 0;
    struct json *j = json_read(path, &ignored);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->seed);
    int same = strcmp(json_text(j, "program", ""), "nephron " NEPHRON_VERSION) == 0 &&
               strcmp(json_text(j, "seed", ""), seed) == 0 &&
               json_integer(j, "cases_written", -1) == s->sizes.cases && !json_boolean(j, "with_kidney", 0) &&
               strcmp(json_text(j, "size", ""), s->sizes.phantom_size) == 0 &&
               fabs(json_number(j, "difficulty", -1) - s->sizes.difficulty) < 1e-6;
    json_free(j);
    return same;
}

static int make_phantom(struct study *s, char *data, size_t size, struct error *e)
{
    char dataset[1300], cases[16], seed[24], threads[16], difficulty[32];
    if (file_join(data, size, s->out, "data", e) ||
        file_join(dataset, sizeof dataset, data, "dataset.json", e))
        return -1;
    s->data = data;
    s->synthetic = 1;
    if (file_exists(dataset)) {
        if (is_same_phantom(s, data)) return 0;
        return error_set(e,
                         "%s: is another dataset than this preset and seed would write; choose another -o, "
                         "or pass it as --data",
                         data);
    }
    snprintf(cases, sizeof cases, "%d", s->sizes.cases);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->seed);
    snprintf(threads, sizeof threads, "%d", s->threads);
    snprintf(difficulty, sizeof difficulty, "%.9g", s->sizes.difficulty);
    char *argv[] = {
        "phantom",  data,     "--cases", cases,       "--size", (char *)s->sizes.phantom_size, "--difficulty",
        difficulty, "--seed", seed,      "--threads", threads,  s->quiet ? "--quiet" : NULL,   NULL};
    if (cmd_phantom(s->quiet ? 13 : 12, argv))
        return error_set(e, "%s: the synthetic dataset was not made", data);
    return 0;
}

/* ---- the work ------------------------------------------------------------------------------------------ */

static void measure(struct study *s)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    s->peak_bytes = (double)u.ru_maxrss * 1024;
    s->seconds = clock_seconds() - s->start;
    study_stage(s, s->stage);
}

static int write_reports(struct study *s, struct error *e)
{
    struct results r;
    char text[STAGES_TEXT];
    study_stage(s, STAGE_STATISTICS);
    int status = results_make(&r, s, e);
    measure(s);
    if (!status) status = tables_csv(s, &r, e);
    if (!status) status = tables_json(s, &r, e);
    if (!status) status = report_write(s, &r, e);
    if (!status && !s->quiet) report_print(s, &r);
    study_stage(s, STAGE_PREPARE);
    if (!status && !s->quiet) printf("  %s\n", study_stages(text, s->spent));
    results_free(&r);
    return status;
}

/* What --task did not leave out and the data do not allow, also where the run is quiet. */
static void say_absent(const char *name, const struct study_task *t, int skipped)
{
    if (!t->present && !skipped)
        console_to(stderr, "nephron: warning: no %s: %s\n", name, t->why_not);
}

/* A study that is there is gone on with, or left alone: its protocol was stated before its results. */
static int check_new(const struct study *s, struct error *e)
{
    char path[1300];
    if (s->resume || s->estimate) return 0;
    if (file_join(path, sizeof path, s->out, "protocol.json", e)) return -1;
    if (!file_exists(path)) return 0;
    return error_set(e,
                     "%s: a study was begun in this folder; --resume goes on with it, another -o begins "
                     "another",
                     path);
}

static int work(struct study *s, struct error *e)
{
    char data[1300];
    if (!s->data) {
        study_stage(s, STAGE_DATA);
        if (make_phantom(s, data, sizeof data, e)) return -1;
        study_stage(s, STAGE_PREPARE);
    }
    if (study_open(s, e) || study_roles(s, e) || arms_choose(s, s->sizes.arms, e) || study_measure(s, e))
        return -1;
    if (!s->quiet) {
        console("%s: %d cases, %d sites%s; %d for training, %d for validation, %d for the test\n", s->data,
                s->dataset.cases, s->sites, s->sites_drawn ? " drawn at random (no sites.csv)" : "",
                study_count(s, -1, STUDY_TRAIN, -1), study_count(s, -1, STUDY_VALIDATION, -1),
                study_count(s, -1, STUDY_TEST, -1));
        fflush(stdout);
    }
    segment_plan(s);
    classify_plan(s);
    if (classify_check(s, e)) return -1;
    if (s->estimate && cost_of_dataset(s, e)) return -1;
    if (!s->estimate && study_protocol(s, e)) return -1;
    if (segment_run(s, e) || classify_run(s, e)) return -1;
    if (!s->segment.present && !s->classify.present)
        return error_set(e, "%s: nothing to study: segmentation: %.150s; classification: %.150s", s->data,
                         s->segment.why_not, s->classify.why_not);
    if (s->estimate) {
        s->expected_stage[STAGE_PREPARE] += s->dataset.cases * (s->cost.read + s->cost.features) / s->threads;
        return study_announce_total(s), 0;
    }
    say_absent("segmentation", &s->segment, s->skip_segment);
    say_absent("classification", &s->classify, s->skip_classify);
    return write_reports(s, e);
}

static int run_study(struct study *s, struct error *e)
{
    if (check_new(s, e)) return -1;
    if (!s->data && (s->estimate || !s->quiet) && study_estimate(s, e)) return -1;
    if (!s->data && s->estimate) return 0;
    if (s->estimate) return work(s, e);
    struct folder_hold hold;
    if (!s->resume && options_check_kept(s->word, s->words, s->out, "protocol.json", e)) return -1;
    if (dataset_spare(s->out, e) || folder_hold(&hold, s->out, e)) return -1;
    const int status = work(s, e);
    folder_release(&hold);
    return status;
}

/* --task leaves the other one out. Numbers of the command line (0 or less: not given) replace the
 * preset's. */
static void choose(struct study *s, const char *preset, const char *task, const struct study_sizes *given)
{
    struct study_sizes *z = &s->sizes;
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (strcmp(presets[i].preset, preset) == 0) *z = presets[i];
    s->skip_segment = strcmp(task, "classify") == 0;
    s->skip_classify = strcmp(task, "segment") == 0;
    if (given->cases) z->cases = given->cases;
    if (given->segment_seeds) z->segment_seeds = z->classify_seeds = given->segment_seeds;
    if (given->rounds) z->rounds = given->rounds;
    if (given->local_iterations) z->local_iterations = given->local_iterations;
    if (given->base_features) z->base_features = given->base_features;
    if (given->batch) z->batch = given->batch;
    if (given->patch_voxels > 0) z->patch_voxels = given->patch_voxels;
    if (given->step > 0) z->step = given->step;
    if (given->class_rounds) z->class_rounds = given->class_rounds;
    if (given->class_iterations) z->class_iterations = given->class_iterations;
    if (given->class_batch) z->class_batch = given->class_batch;
    if (given->base) z->base = given->base;
    if (given->difficulty >= 0) z->difficulty = given->difficulty;
    if (given->crop[0]) memcpy(z->crop, given->crop, sizeof z->crop);
    if (given->cache) z->cache = 1;
    z->bf16 = given->bf16 >= 0 ? given->bf16 : z->bf16 && cpu_isa() >= ISA_AVX512_BF16;
    if (given->lr > 0) z->lr = given->lr;
    if (given->class_lr > 0) z->class_lr = given->class_lr;
    if (given->arms) z->arms = given->arms;
}

/* What would change nothing, and so is a wrong usage; 0 where all is well. Help says of an option what it is
 * of: of a task, it begins with its name. */
static int check_usage(const struct study *s, const char *task, const char *arms,
                       const struct operands *given)
{
    const int segment = strcmp(task, "classify") != 0, classify = strcmp(task, "segment") != 0;
    const char *absent = !segment ? "segmentation:" : !classify ? "classification:" : NULL;
    for (int i = 0; absent && i < given->options; i++)
        if (strncmp(given->option[i]->text, absent, strlen(absent)) == 0)
            return app_usage("study", "--%s is of %.*s, which --task %s leaves out", given->option[i]->name,
                             (int)strlen(absent) - 1, absent, task);
    for (int i = 0; s->data && i < given->options; i++)
        if (strstr(given->option[i]->text, "of the synthetic dataset"))
            return app_usage("study", "--%s is of the synthetic dataset, and --data names another",
                             given->option[i]->name);
    if (s->sites_file && !file_exists(s->sites_file))
        return app_usage("study", "--sites %s: no such file", s->sites_file);
    struct error e;
    return arms && arms_check(arms, &e) ? app_usage("study", "%s", e.text) : 0;
}

/* How to go on; the exit code says the signal. What a study is gone on with otherwise than it began stands in
 * this command line alone. */
static int tell_stopped(const struct study *s, int as_begun)
{
    char out[1300], line[1400];
    snprintf(line, sizeof line, "nephron study --resume %s", text_shell(out, sizeof out, s->out));
    console_to(stderr, "nephron: stopped by signal %d; `%s` goes on from this step to the same report\n",
               interrupt_signal(), as_begun ? line : s->command);
    return interrupt_status();
}

/* Words from argv[i] on that change no result: --quiet, and --threads N in every form; 0 where it is none. */
static int common_words(int i, int argc, char **argv)
{
    const char *a = argv[i];
    if (!strcmp(a, "--quiet") || !strcmp(a, "-q") || !strncmp(a, "--threads=", 10)) return 1;
    if (!strcmp(a, "--threads") || !strcmp(a, "-j")) return i + 1 < argc ? 2 : 0;
    return strncmp(a, "-j", 2) == 0;
}

/* argv, or where it is `study --resume OUT [--quiet] [--threads N]`, in any order: the words that began the
 * study in OUT, and --resume. *line has room for `room` of them. Returns their number, 0 with a message. */
static int choose_words(char **line, int room, int argc, char **argv, struct json **kept, struct error *e)
{
    const char *out = NULL;
    int resume = 0, others = 0, more = 0, at[8];
    for (int i = 1, n; i < argc; i += n) {
        n = common_words(i, argc, argv);
        for (int k = 0; k < n; k++)
            if (more < 8) at[more++] = i + k;
            else others = 1;
        if (n) continue;
        n = 1;
        if (strcmp(argv[i], "--resume") == 0) resume = 1;
        else if (argv[i][0] != '-' && !out) out = argv[i];
        else others = 1;
    }
    if (!out || !resume || others) {
        memcpy(line, argv, (size_t)argc * sizeof *line);
        return argc;
    }
    if (!(*kept = study_arguments(out, e))) return 0;
    const struct json *list = json_get(*kept, "arguments");
    if (list->count + 3 + more > room) return error_set(e, "%s/protocol.json: too many arguments", out), 0;
    int words = 0;
    for (int i = 0; i < list->count; i++)
        if (strcmp(list->item[i]->string, "--resume") != 0) line[words++] = list->item[i]->string;
    line[words++] = "--resume";
    line[words++] = "-o"; /* the folder may have been moved */
    line[words++] = (char *)out;
    for (int k = 0; k < more; k++) line[words++] = argv[at[k]];
    return words;
}

int cmd_study(int argc, char **argv)
{
    enum { WORDS = 400 };
    char *words[WORDS];
    struct json *kept = NULL;
    struct study *s = calloc(1, sizeof *s);
    struct study_sizes z = {.difficulty = -1};
    struct error e = {""};
    const char *preset = "quick", *task = "both", *precision = "", *norm = NULL;
    int status;
    if (!s) return error_set(&e, "out of memory"), app_fail(&e);
    *s = (struct study){.out = "study",
                        .seed = 1,
                        .threads = machine_processors(),
                        .dice_margin = 0.05,
                        .auc_margin = 0.05,
                        .start = clock_seconds(),
                        .stage = STAGE_PREPARE,
                        .stage_began = clock_seconds()};
    const int alone = argc == 3; /* --resume OUT */
    if (argc > WORDS || !(argc = choose_words(words, WORDS, argc, argv, &kept, &e))) {
        free(s);
        return argc ? app_usage("study", "more than %d words", WORDS) : app_fail(&e);
    }
    argv = words;
    s->word = argv;
    s->words = argc;
    char names[400], arms_text[500], networks[NETWORK_NAMES], norms[NETWORK_NORM_NAMES];
    network_names(networks, NETWORKS_THAT_SEGMENT);
    network_norm_names(norms);
    arms_choices(names, sizeof names);
    snprintf(arms_text, sizeof arms_text,
             "ways of training, separated by commas, of %s (federated and centralised always)", names);
    const struct option_spec spec[] = {
        {"output", 'o', OPTION_OUTPUT, &s->out, "OUT", "folder of the study (study)", 0, 0, 0},
        {"preset", 0, OPTION_TEXT, &preset, "NAME", "how much", 0, 0, "quick|standard|paper|full"},
        {"data", 0, OPTION_TEXT, &s->data, "DATASET",
         "an nnU-Net dataset (default: a synthetic one in OUT/data)", 0, 0, 0},
        {"sites", 0, OPTION_TEXT, &s->sites_file, "FILE", "case,site (default: DATASET/sites.csv)", 0, 0, 0},
        {"task", 0, OPTION_TEXT, &task, "TASK", "leave the other one out, and refuse its options", 0, 0,
         "both|segment|classify"},
        {"resume", 0, OPTION_FLAG, &s->resume, NULL,
         "continue from where it stopped, to the same bits; `study --resume OUT` alone knows its options", 0,
         0, 0},
        {"estimate", 0, OPTION_FLAG, &s->estimate, NULL,
         "print what it would cost, from measured steps, and stop (without --data nothing is written)", 0, 0,
         0},
        {"precision", 0, OPTION_TEXT, &precision, "P",
         "of activations in memory (fp32; preset paper: bf16 where the processor multiplies it)", 0, 0,
         "fp32|bf16"},
        {"cache", 0, OPTION_FLAG, &z.cache, NULL,
         "segmentation: prepared cases in unnamed files in OUT instead of memory (paper, full: always)", 0, 0,
         0},
        {"dice-margin", 0, OPTION_NUMBER, &s->dice_margin, "X",
         "segmentation: equivalence margin of Dice (0.05)", 1e-6, 1, 0},
        {"auc-margin", 0, OPTION_NUMBER, &s->auc_margin, "X",
         "classification: equivalence margin of AUC (0.05)", 1e-6, 1, 0},
        {"cases", 0, OPTION_INT, &z.cases, "N", "cases of the synthetic dataset", 20, 9999, 0},
        {"difficulty", 0, OPTION_NUMBER, &z.difficulty, "X",
         "of the synthetic dataset: 0 easy ... 2 nearly hopeless", 0, 2, 0},
        {"arms", 0, OPTION_TEXT, &z.arms, "LIST", arms_text, 0, 0, 0},
        {"covariates", 0, OPTION_TEXT, &s->covariates, "LIST",
         "classification: beside the image (volume,age,sex, where they are): columns of labels.csv, "
         "clinical.csv or patients.csv; none",
         0, 0, 0},
        {"external", 0, OPTION_TEXT, &s->external, "NAME",
         "a site, or a hospital of clinical.csv, that trains nothing and is tested on its own", 0, 0, 0},
        {"seeds", 0, OPTION_INT, &z.segment_seeds, "N", "trainings of each arm", 1, STUDY_SEEDS_MAX, 0},
        {"network", 0, OPTION_TEXT, &s->network, "NAME", "segmentation: that is planned (unet)", 0, 0,
         networks},
        {"norm", 0, OPTION_TEXT, &norm, "NAME", "between the layers of both networks (their own)", 0, 0,
         norms},
        {"rounds", 0, OPTION_INT, &z.rounds, "R", "segmentation: rounds", 1, 1e6, 0},
        {"local-iterations", 0, OPTION_INT, &z.local_iterations, "K",
         "segmentation: steps of each site a round", 1, 1e6, 0},
        {"base-features", 0, OPTION_INT, &z.base_features, "N", "segmentation: features of the first stage",
         1, BASE_FEATURES_MAX, 0},
        {"batch", 0, OPTION_INT, &z.batch, "N", "segmentation: batch", 1, 256, 0},
        {"patch-voxels", 0, OPTION_NUMBER, &z.patch_voxels, "N", "segmentation: largest patch", 64, 1e9, 0},
        {"step", 0, OPTION_NUMBER, &z.step, "X", "segmentation: window step of the test", 0.05, 1, 0},
        {"lr", 0, OPTION_NUMBER, &z.lr, "X", "segmentation: initial learning rate", 1e-9, 10, 0},
        {"class-rounds", 0, OPTION_INT, &z.class_rounds, "R", "classification: rounds", 1, 1e6, 0},
        {"class-iterations", 0, OPTION_INT, &z.class_iterations, "K",
         "classification: steps of each site a round", 1, 1e6, 0},
        {"class-batch", 0, OPTION_INT, &z.class_batch, "N", "classification: batch", 2, 4096, 0},
        {"class-lr", 0, OPTION_NUMBER, &z.class_lr, "X", "classification: initial learning rate", 1e-9, 10,
         0},
        {"base", 0, OPTION_INT, &z.base, "N", "classification: width of the first stage", 4, 512, 0},
        {"crop", 0, OPTION_SIZE3, z.crop, "Z,Y,X", "classification: input size", 1, CROP_MAX, 0},
        OPTION_SEED_(s->seed),
        OPTION_THREADS(s->threads),
        OPTION_QUIET(s->quiet),
        {0}};
    const struct command_help help = {
        "study [-o OUT] [--preset NAME] [--data DATASET] [OPTIONS]",
        "The whole study: local-only, federated, centralised; test set; statistics; report.html", details,
        spec};
    struct operands operands;
    char *line = text_command_line(argc, argv);
    if (options_parse(&operands, argc, argv, &help, 0, 0, &status) &&
        !(status = check_usage(s, task, z.arms, &operands))) {
        z.bf16 = !*precision ? -1 : strcmp(precision, "bf16") == 0;
        choose(s, preset, task, &z);
        s->norm = norm ? network_norm_find(norm) : NULL;
        s->command = line ? line : "nephron study";
        s->pool = pool_create(s->threads);
        status = s->pool ? run_study(s, &e) : error_set(&e, "cannot start %d threads", s->threads);
        status = status && s->stopped ? tell_stopped(s, kept || !s->continued) : status ? app_fail(&e) : 0;
        interrupt_end();
        study_close(s);
        if (s->pool) pool_destroy(s->pool);
    } else if (kept && alone) {
        error_set(&e, "%s/protocol.json: 'arguments' is no command line of 'study'", argv[argc - 1]);
        status = app_fail(&e);
    }
    free(line);
    free(s);
    json_free(kept);
    return status;
}
