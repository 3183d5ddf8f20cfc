/* training_options.c - the option tables of train and federate, and how they become train_options. */
#include "apps/training/training_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/grid_warnings.h"
#include "apps/base/options.h"
#include "apps/training/budget.h"
#include "io/base/file.h"
#include "io/base/json.h"
#include "nn/data/roles.h"
#include "nn/folder/run.h"
#include "tensor/base/check.h"

#define FILES                                                                                                \
    "DATA is an nnU-Net dataset (dataset.json, imagesTr, labelsTr; labels.csv for classification) or a "     \
    "MedMNIST .npz.\n"                                                                                       \
    "RUN receives plans.json, dataset.json, manifest.json and fold_K/ with checkpoints (safetensors), "      \
    "progress.csv,\n"                                                                                        \
    "progress.svg and validation/. A hash of the weights is printed after every epoch or round: same seed, " \
    "same data,\nsame bits, for any number of threads and on every instruction set.\n"

static const char train_details[] =
    FILES "A cascade is two runs: --configuration 3d_lowres for each of the folds 0 to 4, then\n"
          "--configuration 3d_cascade_fullres with --previous-stage: each case's map is of the fold that "
          "held it out,\nresampled as nnU-Net does it (RUN/predicted_next_stage).\n\n"
          "  nephron train Dataset004_Hippocampus -o run --epochs 20 --iterations 50\n"
          "  nephron train --resume run                      as it was begun, from its latest checkpoint\n"
          "  nephron train adrenalmnist3d.npz -o run_adrenal --task classify --epochs 20";

static const char federate_details[] =
    FILES "\n  nephron federate Dataset004_Hippocampus -o run_fl --sites sites.csv --rounds 20 "
          "--local-iterations 50\n"
          "  nephron federate --resume run_fl                as it was begun, from its latest checkpoint\n"
          "  nephron federate Dataset004_Hippocampus -o run_sc --sites 5 --partition quantity:0.5 --strategy "
          "scaffold --optimizer sgd\n"
          "Between machines the same steps go over a folder FED (docs/hospitals.md); exit code 3: nothing to "
          "do yet.\n"
          "  nephron federate DATA --as fingerprint A -o FED            at each site\n"
          "  nephron federate --as init -o FED --rounds 20              at the server\n"
          "  nephron federate DATA --as site A -o FED                   at each site, then\n"
          "  nephron federate --as aggregate -o FED                     at the server, for each round; at "
          "last\n"
          "  nephron federate --as result -o FED RUN";

/* ---- the tables ---------------------------------------------------------------------------------------- */

#define ADD(...) *s++ = (struct option_spec){__VA_ARGS__}

static struct option_spec *add_data(struct option_spec *s, struct training_arguments *a)
{
    ADD(OPTION_HEADING("data and run"));
    ADD("output", 'o', OPTION_OUTPUT, &a->run, "RUN", "folder of the run", 0, 0, 0);
    ADD("task", 0, OPTION_TEXT, &a->task, "TASK", "default: by the network, or by what the data have", 0, 0,
        "segment|classify");
    ADD("network", 0, OPTION_TEXT, &a->network, "NAME", "default: unet, or resnet for classification", 0, 0,
        a->networks);
    ADD("norm", 0, OPTION_TEXT, &a->norm, "NAME",
        "between layers (default: the network's own)", 0, 0, a->norms);
    ADD("fold", 0, OPTION_TEXT, &a->fold, "K|all",
        a->federated ? "fold of nnU-Net's five, or of those of splits_final.json (default 0; with --as: all);"
                       " or all cases"
                     : "fold of nnU-Net's five, or of those of splits_final.json (default 0); or all cases",
        0, 0, 0);
    ADD("patients", 0, OPTION_TEXT, &a->patients_file, "FILE",
        "case,patient: a patient's cases stay together (default: DATA/patients.csv)", 0, 0, 0);
    ADD("resume", 0, OPTION_FLAG, &a->resume, NULL,
        "continue from the latest checkpoint, to the same bits; RUN alone knows its options", 0, 0, 0);
    ADD("overwrite", 0, OPTION_FLAG, &a->overwrite, NULL, "replace a fold that is already there", 0, 0, 0);
    *s++ = (struct option_spec)OPTION_STRICT(a->strict);
    ADD("checkpoint-every", 0, OPTION_INT, &a->checkpoint_every, "N",
        "epochs or rounds between checkpoints (1); a better one is kept at once", 1, 1e6, 0);
    ADD("pretrained", 0, OPTION_TEXT, &a->pretrained, "FILE",
        "initial weights: a checkpoint, .safetensors, .npz, or a .pth (nnU-Net's, or a state_dict); last "
        "layers of other classes stay drawn", 0, 0, 0);
    return s;
}

static struct option_spec *add_schedule(struct option_spec *s, struct training_arguments *a)
{
    ADD(OPTION_HEADING("schedule"));
    ADD("hours", 0, OPTION_NUMBER, &a->hours, "H",
        "segmentation: choose features, batch, precision, epochs and how to optimise so that all is done in "
        "H hours",
        1e-6, 10000, 0);
    ADD("epochs", 0, OPTION_INT, &a->epochs, "E",
        "epochs (default 100); with --resume more than before make the training longer", 1, 1e6, 0);
    ADD("iterations", 0, OPTION_INT, &a->iterations, "I", "iterations an epoch (default 50)", 1, 1e6, 0);
    return s;
}

static struct option_spec *add_optimisation(struct option_spec *s, struct training_arguments *a)
{
    ADD(OPTION_HEADING("optimisation"));
    ADD("precision", 0, OPTION_TEXT, &a->precision, "P",
        "of activations in memory (fp32); bf16 halves the memory of a step", 0, 0, "fp32|bf16");
    ADD("batch", 0, OPTION_INT, &a->batch, "N", "batch (default: planned; classification 32)", 1, 4096, 0);
    ADD("lr", 0, OPTION_NUMBER, &a->lr, "X", a->lr_help, 1e-9, 10, 0);
    ADD("schedule", 0, OPTION_TEXT, &a->schedule, "NAME",
        "of the learning rate: poly, nnU-Net's (segmentation), or cosine after 5 % warmup (classification)",
        0, 0, a->schedules);
    ADD("optimizer", 0, OPTION_TEXT, &a->optimizer, "NAME",
        "segmentation sgd (Nesterov), classification adamw", 0, 0, a->optimizers);
    ADD("momentum", 0, OPTION_NUMBER, &a->momentum, "X", "of sgd (segmentation 0.99, classification 0.9)", 0,
        0.99999, 0);
    ADD("weight-decay", 0, OPTION_NUMBER, &a->weight_decay, "X", a->weight_decay_help, 0, 1, 0);
    ADD("clip", 0, OPTION_NUMBER, &a->clip, "X", "largest gradient norm (segmentation 12; 0: no clipping)", 0,
        1e9, 0);
    ADD("ema", 0, OPTION_NUMBER, &a->ema, "D",
        "train: validate and keep the moving average of the weights, with decay D (0: none; 0.999 is usual)",
        0, 0.999999, 0);
    ADD("augment", 0, OPTION_INT, &a->augment, "L",
        "0 none, 1 mirrors and intensities, 2 all of nnU-Net's (default)", 0, 2, 0);
    ADD("patience", 0, OPTION_INT, &a->patience, "N",
        "stop after N epochs or rounds without a better average validation metric; 0: never", 0, 1e6, 0);
    ADD("validation-batches", 0, OPTION_INT, &a->validation_batches, "N",
        "a round, of patches (default: a fifth of the iterations, 50 at most); 0: none; a classifier looks "
        "at all cases",
        0, 1e6, 0);
    return s;
}

static struct option_spec *add_segmentation(struct option_spec *s, struct training_arguments *a)
{
    ADD(OPTION_HEADING("segmentation"));
    ADD("configuration", 0, OPTION_TEXT, &a->configuration, "C", "of the plan (3d_fullres)", 0, 0, 0);
    ADD("plans", 0, OPTION_TEXT, &a->plans_file, "FILE", "a plans.json instead of planning", 0, 0, 0);
    ADD("preset", 0, OPTION_TEXT, &a->preset, "NAME", "planner (default: the network's first)", 0, 0,
        a->presets);
    ADD("memory-gb", 0, OPTION_NUMBER, &a->plan_options.memory_gb, "G",
        "planner's budget (nnU-Net's: 8; resenc_l 24, resenc_xl 40)", 0.1, 4096, 0);
    ADD("base-features", 0, OPTION_INT, &a->width, "N", "features of the first stage (32)", 1,
        BASE_FEATURES_MAX, 0);
    ADD("patch", 0, OPTION_SIZE3, a->plan_options.patch, "Z,Y,X",
        "patch along the image's axes instead of the planned one", 1, PATCH_MAX, 0);
    ADD("loss", 0, OPTION_TEXT, &a->loss, "NAME",
        "Dice with cross-entropy (dice_ce) or with focal loss of gamma 2", 0, 0, a->losses);
    ADD("oversample", 0, OPTION_NUMBER, &a->oversample, "X", "share of patches centred on foreground (0.33)",
        0, 1, 0);
    ADD("previous-stage", 0, OPTION_TEXT, &a->previous_stage, "RUN",
        "3d_cascade_fullres: the run of 3d_lowres with its folds validated, or label maps", 0, 0, 0);
    return s;
}

static struct option_spec *add_classification(struct option_spec *s, struct training_arguments *a)
{
    ADD(OPTION_HEADING("classification"));
    ADD("crop", 0, OPTION_SIZE3, a->crop, "Z,Y,X", "input size (28,28,28)", 1, CROP_MAX, 0);
    ADD("depth", 0, OPTION_INT, &a->depth, "N", "ResNet: 10, 18 (default), 34 or 50", 10, 50, 0);
    ADD("base", 0, OPTION_INT, &a->base, "N", "ResNet: width of its first stage (64)", 4, 512, 0);
    ADD("stem7", 0, OPTION_FLAG, &a->stem7, NULL,
        "ResNet: 7x7x7 stride 2 and max pooling first, for large crops", 0, 0, 0);
    ADD("dropout", 0, OPTION_NUMBER, &a->dropout, "X", "ResNet: before the last layer (0)", 0, 0.95, 0);
    ADD("covariates", 0, OPTION_TEXT, &a->covariates, "LIST",
        "inputs of the last layer beside the image: volume (log ml of the mask), columns of labels.csv, "
        "clinical.csv or patients.csv",
        0, 0, 0);
    ADD("no-class-weights", 0, OPTION_NOFLAG, &a->weighting, NULL, "all cases count the same", 0, 0, 0);
    return s;
}

static struct option_spec *add_end(struct option_spec *s, struct training_arguments *a)
{
    ADD(OPTION_HEADING("validation at the end"));
    ADD("no-validation", 0, OPTION_NOFLAG, &a->validate_at_end, NULL,
        "no predictions of the validation cases", 0, 0, 0);
    ADD("step", 0, OPTION_NUMBER, &a->step, "X", "window step (0.5)", 0.05, 1, 0);
    ADD("no-mirror", 0, OPTION_NOFLAG, &a->mirror, NULL, "no mirroring", 0, 0, 0);
    ADD("probabilities", 0, OPTION_FLAG, &a->probabilities, NULL,
        "keep CASE.npz and CASE.pkl, for ensembles (nephron best)", 0, 0, 0);
    ADD("pictures", 0, OPTION_INT, &a->pictures, "N", "overlays of the N best and N worst cases (3)", 0, 1000,
        0);
    ADD(OPTION_HEADING("common"));
    *s++ = (struct option_spec)OPTION_THREADS(a->threads);
    *s++ = (struct option_spec)OPTION_SEED_(a->seed);
    *s++ = (struct option_spec)OPTION_QUIET(a->quiet);
    *s = (struct option_spec){0};
    return s;
}

/* ---- parsing ------------------------------------------------------------------------------------------- */

/* "WHAT (sgd 0.01, adamw 0.001, ...)": the standard of each method. */
static void write_standards(char text[OPTIMIZER_HELP], const char *what, int of_lr)
{
    size_t n = (size_t)snprintf(text, OPTIMIZER_HELP, "%s (", what);
    for (int k = 0; optimizers[k]; k++) {
        const struct optimizer_method *m = optimizers[k];
        n += (size_t)snprintf(text + n, OPTIMIZER_HELP - n, "%s%s %g", k ? ", " : "", m->name,
                              (double)(of_lr ? m->lr : m->standard.weight_decay));
        ENSURE(n + 1 < OPTIMIZER_HELP, "the optimisers' standards take %zu characters", n);
    }
    snprintf(text + n, OPTIMIZER_HELP - n, ")");
}

static struct training_arguments arguments_default(const char *command, int federated)
{
    struct training_arguments a = {.command = command,
                                   .federated = federated,
                                   .configuration = "3d_fullres",
                                   .plan_options = plan_options_default(),
                                   .depth = 18,
                                   .base = 64,
                                   .augment = -1,
                                   .ema = -1,
                                   .weighting = 1,
                                   .checkpoint_every = 1,
                                   .validation_batches = -1,
                                   .lr = -1,
                                   .momentum = -1,
                                   .weight_decay = -1,
                                   .clip = -1,
                                   .oversample = -1,
                                   .seed = 1,
                                   .validate_at_end = 1,
                                   .pictures = 3,
                                   .mirror = 1,
                                   .step = 0.5};
    optimizer_names(a.optimizers);
    write_standards(a.lr_help, "initial learning rate", 1);
    write_standards(a.weight_decay_help, "decay of the weights", 0);
    loss_names(a.losses);
    network_names(a.networks, NETWORKS_THAT_SEGMENT | NETWORKS_THAT_CLASSIFY);
    network_preset_names(a.presets);
    network_norm_names(a.norms);
    schedule_names(a.schedules);
    federation_arguments_default(&a.federation);
    return a;
}

/* DATA, and of --as fingerprint NAME, site NAME and result RUN the word behind the step. */
static void take_operands(struct training_arguments *a, const struct operands *o, int argc, char **argv)
{
    const char *step = a->federation.as, *behind = NULL;
    int named = step && (!strcmp(step, "fingerprint") || !strcmp(step, "site") || !strcmp(step, "evaluate") ||
                         !strcmp(step, "result"));
    for (int i = 1; named && i + 1 < argc; i++)
        if (argv[i] == step || (strncmp(argv[i], "--as=", 5) == 0 && argv[i] + 5 == step))
            behind = argv[i + 1];
    for (int i = 0; i < o->count; i++)
        if (o->text[i] == behind) a->federation.name = behind;
        else a->data = o->text[i];
    if (!named || a->federation.name || o->count == 0) return;
    a->federation.name = o->text[o->count - 1]; /* the last word, where options stand between */
    a->data = o->count == 2 ? o->text[0] : NULL;
}

/* The first option that was given of what only label maps have at the end. */
static const char *of_label_maps(const struct operands *o)
{
    static const char *const names[] = {"step", "no-mirror", "probabilities", "pictures"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (options_given(o, names[i])) return names[i];
    return NULL;
}

/* One command line into a. Returns 1 to go on; else *status is the exit code. */
static int parse_line(struct training_arguments *a, int argc, char **argv, int *status)
{
    static const char *const usage[] = {"train DATA -o RUN [OPTIONS]",
                                        "federate DATA -o RUN --sites FILE.csv|N [OPTIONS]"};
    struct option_spec spec[160];
    char federated[sizeof federate_details + 3000];
    struct option_spec *s = add_data(spec, a);
    s = a->federated ? federation_options_add(s, &a->federation, &a->sites_text, &a->epochs, &a->iterations)
                     : add_schedule(s, a);
    add_end(add_classification(add_segmentation(add_optimisation(s, a), a), a), a);
    const int n = snprintf(federated, sizeof federated, "%s\n\n", federate_details);
    federation_strategies_told(federated + n, sizeof federated - (size_t)n);
    struct command_help help = {
        usage[a->federated],
        a->federated ? "Trains one model over several sites: local training, central weight aggregation"
                     : "Trains a segmentation (U-Net) or classification (ResNet) model",
        a->federated ? federated : train_details, spec};
    struct operands operands;
    if (!options_parse(&operands, argc, argv, &help, a->federated ? 0 : 1, a->federated ? 2 : 1, status))
        return 0;
    take_operands(a, &operands, argc, argv);
    if (a->fold && !roles_is_fold(a->fold)) {
        *status = app_usage(a->command, "--fold is '%s', must be 0, 1 and so on, or all", a->fold);
        return 0;
    }
    struct error e;
    if (a->federated && federation_options_check(&a->federation, &operands, spec, a->sites_text, &e)) {
        *status = app_usage(a->command, "%s", e.text);
        return 0;
    }
    if (!a->of_segmentation) a->of_segmentation = options_given_below(&operands, spec, "segmentation");
    if (!a->of_classification) a->of_classification = options_given_below(&operands, spec, "classification");
    if (!a->of_maps) a->of_maps = of_label_maps(&operands);
    if (a->federation.as || (a->data && operands.count == 1)) return 1;
    *status = app_usage(a->command, operands.count ? "unexpected '%s'" : "usage: nephron %s",
                        operands.count ? operands.text[1] : help.usage);
    return 0;
}

/* Whether the n words stand at `at`. */
static int stand_at(char *const *at, char *const *word, int n)
{
    while (n > 0 && strcmp(at[n - 1], word[n - 1]) == 0) n--;
    return n == 0;
}

/* word: the n words of `first`, then those of argv but its name, --resume and the operand; before the "--" of
 * `first`, where one ends its options. Where `first` has these already they only go to the end, so that the
 * line of a run which is resumed for ever stays short. */
static int keep_words(struct training_arguments *a, char **first, int n, int argc, char **argv,
                      const char *operand)
{
    char **more = malloc(((size_t)argc + 1) * sizeof *more);
    int added = 0, end = n;
    free(a->word);
    a->words = 0;
    a->word = malloc(((size_t)n + (size_t)argc + 1) * sizeof *a->word);
    if (!a->word || !more) {
        free(more);
        return -1;
    }
    for (int i = 1; i < argc; i++)
        if (argv[i] != operand && strcmp(argv[i], "--resume") &&
            !(operand && argv[i + 1] == operand && strcmp(argv[i], "--") == 0))
            more[added++] = argv[i];
    if (operand && n > 2 && strcmp(first[n - 2], "--") == 0) end = n - 2; /* DATA is behind it, alone */
    for (int i = 0; i < end; i++)
        if (i > 0 && added && i + added <= end && stand_at(first + i, more, added)) i += added - 1;
        else a->word[a->words++] = first[i];
    for (int i = 0; i < added; i++) a->word[a->words++] = more[i];
    for (int i = end; i < n; i++) a->word[a->words++] = first[i];
    free(more);
    return 0;
}

/* Of a run with --hours: what it chose, which the manifest keeps; another measurement would choose
 * otherwise. */
static int take_chosen(struct training_arguments *a, const char *path, struct error *e)
{
    struct train_options o;
    if (train_options_from_json(&o, json_get(a->kept, "training"), path, e)) return -1;
    a->hours_before = a->hours;
    a->hours = 0;
    a->epochs = o.epochs;
    a->iterations = o.iterations;
    a->batch = o.batch;
    a->precision = o.bf16 ? "bf16" : "fp32";
    a->optimizer = o.optimizer->name;
    a->schedule = o.schedule->name;
    a->lr = o.lr;
    a->momentum = o.momentum;
    a->weight_decay = o.weight_decay;
    a->ema = o.ema;
    a->augment = o.augment;
    return 0;
}

/* The manifest of --resume RUN: RUN's own is of the fold that was trained last, and each fold has its. */
static int find_manifest(char path[1300], const char *run, const char *fold, struct error *e)
{
    char folder[1200];
    if (fold && (run_fold_path(folder, sizeof folder, run, fold, e) ||
                 file_join(path, 1300, folder, "manifest.json", e)))
        return -1;
    return fold && file_exists(path) ? 0 : file_join(path, 1300, run, "manifest.json", e);
}

/* --resume RUN without -o: the command line that the manifest keeps, then this one. */
static int parse_resumed(struct training_arguments *a, int argc, char **argv, int *status)
{
    char path[1300], *line[256];
    struct error e;
    const char *run = a->data;
    if (find_manifest(path, run, a->fold, &e)) return *status = app_fail(&e), 0;
    if (!file_exists(path)) {
        error_set(&e, "%s: is not there: no training was begun in %s, or it was killed as it began: give "
                      "DATA -o %s and its options", path, run, run);
        return *status = app_fail(&e), 0;
    }
    if (!(a->kept = json_read(path, &e))) return *status = app_fail(&e), 0;
    const struct json *list = json_get(a->kept, "arguments");
    int n = list && list->type == JSON_ARRAY ? list->count : 0;
    const int most = (int)(sizeof line / sizeof *line) - 1;
    if (n < 2 || n > most) {
        error_set(&e, "%s: 'arguments' has %d words, not 2 to %d: resume with DATA -o RUN and the options of "
                      "'%s'", path, n, most, a->command);
        return *status = app_fail(&e), 0;
    }
    for (int i = 0; i < n; i++) {
        line[i] = json_at(list, i)->string;
        if (json_at(list, i)->type == JSON_STRING) continue;
        error_set(&e, "%s: arguments[%d] is no text", path, i);
        return *status = app_fail(&e), 0;
    }
    line[n] = NULL;
    if (strcmp(line[0], a->command)) {
        error_set(&e, "%s: was begun by '%s', not by '%s'", path, line[0], a->command);
        return *status = app_fail(&e), 0;
    }
    struct json *kept = a->kept;
    free(a->word);
    *a = arguments_default(a->command, a->federated);
    a->kept = kept;
    if (!parse_line(a, n, line, status) || (a->federated && !a->federation.as && !a->sites_text)) {
        error_set(&e, "%s: 'arguments' is no command line of '%s'", path, a->command);
        return *status = app_fail(&e), 0;
    }
    if (a->hours > 0 && take_chosen(a, path, &e)) return *status = app_fail(&e), 0;
    const char *data = a->data;
    a->overwrite = 0; /* it may have begun with it */
    if (!parse_line(a, argc, argv, status)) return 0;
    if (keep_words(a, line, n, argc, argv, run))
        return error_set(&e, "out of memory"), *status = app_fail(&e), 0;
    a->data = data;
    a->run = run;
    return 1;
}

static const struct network *classifier_network(const struct training_arguments *a)
{
    const struct network *named = a->network ? network_find(a->network) : NULL;
    return named && named->classify ? named : network_default(1);
}

/* --network decides the task and the planner where they are not given; where they are, they must fit it. */
static int choose_network(struct training_arguments *a, struct error *e)
{
    const struct network *named = a->network ? network_find(a->network) : NULL;
    const char *task = !named ? a->task : named->classify ? "classify" : "segment";
    if (named && a->task && strcmp(task, a->task))
        return error_set(e, "--network %s is not for --task %s", a->network, a->task);
    a->task = task;
    a->plan_options.norm = a->norm ? network_norm_find(a->norm) : NULL;
    if (!(named && named->classify) && plan_options_network(&a->plan_options, a->network, a->preset, e))
        return -1;
    const struct network *classifier = classifier_network(a);
    return classifier->check(&(struct classifier_options){.depth = a->depth}, e);
}

static int parse_all(struct training_arguments *a, int argc, char **argv, int federated, int *status)
{
    struct error e;
    *a = arguments_default(argv[0], federated);
    if (!parse_line(a, argc, argv, status)) return 0;
    if (keep_words(a, argv, 1, argc, argv, NULL))
        return error_set(&e, "out of memory"), *status = app_fail(&e), 0;
    if (a->resume && !a->run && !parse_resumed(a, argc, argv, status)) return 0;
    *status = 2;
    if (a->resume && a->overwrite)
        return app_usage(a->command, "--resume goes on with what --overwrite replaces: give one of them"), 0;
    if (!a->run) return app_usage(a->command, a->federation.as ? "needs -o FED" : "needs -o RUN"), 0;
    if (!a->resume && !a->federation.as && options_check_kept(a->word, a->words, a->run, "manifest.json", &e))
        return *status = app_fail(&e), 0;
    if (!a->fold) a->fold = a->federation.as ? "all" : "0";
    if (a->federated && !a->federation.as && !a->sites_text)
        return app_usage(a->command, "needs --sites FILE.csv or --sites N"), 0;
    if (a->federated && a->ema > 0)
        return app_usage(a->command, "--ema averages the weights of single steps, which each round replaces "
                                     "by the sites' mean: it is for train"),
               0;
    if (choose_network(a, &e)) return app_usage(a->command, "%s", e.text), 0;
    if (a->hours > 0 && (a->epochs || a->iterations || a->resume))
        return app_usage(
                   a->command,
                   "--hours chooses the epochs and iterations: not with --epochs, --iterations or --resume "
                   "(manifest.json tells what it chose)"),
               0;
    if (a->width) a->plan_options.base_features = a->width;
    a->plan_options.batch = a->batch;
    *status = 0;
    return 1;
}

void training_options_free(struct training_arguments *a)
{
    json_free(a->kept);
    free(a->word);
    a->kept = NULL;
    a->word = NULL;
}

int training_options_parse(struct training_arguments *a, int argc, char **argv, int federated, int *status)
{
    if (parse_all(a, argc, argv, federated, status)) return 1;
    training_options_free(a);
    return 0;
}

struct train_options training_options_complete(const struct training_arguments *a,
                                               const struct learning_task *task, int channels, int classes)
{
    struct train_options o = train_options_default(task);
    o.seed = a->seed;
    if (a->hours > 0 && task->planned) budget_recipe(&o);
    o.bf16 = a->precision && strcmp(a->precision, "bf16") == 0;
    if (a->epochs) o.epochs = a->epochs;
    if (a->iterations) o.iterations = a->iterations;
    if (a->batch) o.batch = a->batch;
    if (a->augment >= 0) o.augment = a->augment;
    if (a->ema >= 0) o.ema = a->ema;
    if (a->optimizer) train_options_use(&o, optimizer_find(a->optimizer)); /* a name of the option's list */
    if (a->schedule) o.schedule = schedule_find(a->schedule);
    if (a->lr >= 0) o.lr = (float)a->lr;
    if (a->momentum >= 0) o.momentum = (float)a->momentum;
    if (a->weight_decay >= 0) o.weight_decay = (float)a->weight_decay;
    if (a->clip >= 0) o.clip = (float)a->clip;
    if (a->oversample >= 0) o.oversample = (float)a->oversample;
    if (a->loss) o.loss = loss_find(a->loss); /* a name of the option's list */
    if (task->planned) return o;
    o.classifier = (struct classifier_options){.depth = a->depth,
                                               .channels = channels,
                                               .classes = classes,
                                               .base = a->base,
                                               .stem7 = a->stem7,
                                               .norm = a->plan_options.norm,
                                               .dropout = (float)a->dropout,
                                               .network = classifier_network(a)};
    o.class_weighting = a->weighting;
    if (a->crop[0]) memcpy(o.crop, a->crop, sizeof o.crop);
    return o;
}
