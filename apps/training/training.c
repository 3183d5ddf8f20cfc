#include "apps/training/training.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "apps/base/options.h"
#include "apps/base/progress.h"
#include "io/base/file.h"
#include "nn/train/checkpoint.h"
#include "tensor/base/cpu.h"

static const char train_details[] =
    "DATA is an nnU-Net dataset (dataset.json, imagesTr, labelsTr; labels.csv for classification) or a MedMNIST .npz.\n"
    "RUN receives plans.json, dataset.json, manifest.json and fold_K/ with checkpoints (safetensors), progress.csv,\n"
    "progress.svg and validation/. A hash of the weights is printed after every epoch or round: same seed, same data,\n"
    "same bits, for any number of threads and on every instruction set.\n"
    "A cascade is two runs: --configuration 3d_lowres for each of the folds 0 to 4, then --configuration 3d_cascade_fullres\n"
    "with --previous-stage: each case's map is of the fold that held it out, resampled as nnU-Net does it (RUN/predicted_next_stage).\n\n"
    "  nephron train Dataset004_Hippocampus -o run --epochs 20 --iterations 50\n"
    "  nephron federate Dataset004_Hippocampus -o run_fl --sites sites.csv --rounds 20 --local-iterations 50\n"
    "  nephron train adrenalmnist3d.npz -o run_adrenal --task classify --epochs 20";

/* Parses into t. Returns 1 to go on; else *status is the exit code. */
static int parse(struct training *t, int argc, char **argv, int *status)
{
    struct train_options *o = &t->options;
    struct resnet_config *r = &o->resnet;
    int epochs = 0, iterations = 0, batch = 0, depth = 18, base = 64, width = 0, stem7 = 0, augment = -1, weighting = 1;
    int crop[3] = {0, 0, 0};
    uint64_t seed = 1;
    t->lr = t->momentum = t->weight_decay = t->clip = t->oversample = -1;
    t->dropout = 0;
    t->step = 0.5;
    t->mirror = 1;
    t->plan_options = plan_options_default();
    t->checkpoint_every = 1;
    t->validation_batches = -1;
    t->validate_at_end = 1;
    t->pictures = 3;
    t->configuration = "3d_fullres";
    t->fold = "0";
    t->precision = "fp32";
    t->parallel = "auto";
    t->strategy = "fedavg";
    struct option_spec spec[64], *s = spec;
#define ADD(...) *s++ = (struct option_spec){__VA_ARGS__}
    ADD("output", 'o', OPTION_TEXT, &t->run, "RUN", "folder of the run", 0, 0, 0);
    ADD("task", 0, OPTION_TEXT, &t->task, "TASK", "default: by what the data have", 0, 0, "segment|classify");
    ADD("fold", 0, OPTION_TEXT, &t->fold, "K", "fold of nnU-Net's five (default 0), or all cases", 0, 0, "0|1|2|3|4|all");
    ADD("patients", 0, OPTION_TEXT, &t->patients_file, "FILE", "case,patient: a patient's cases stay together (default: DATA/patients.csv)", 0, 0, 0);
    if (t->federated) {
        ADD("sites", 0, OPTION_TEXT, &t->sites_text, "FILE|N", "sites.csv with case,site; or a random stratified split over N sites", 0, 0, 0);
        ADD("strategy", 0, OPTION_TEXT, &t->strategy, "NAME", "aggregation", 0, 0, "fedavg");
        ADD("rounds", 0, OPTION_INT, &epochs, "R", "rounds (default 100)", 1, 1e6, 0);
        ADD("local-iterations", 0, OPTION_INT, &iterations, "K", "iterations of each site a round (default 50)", 1, 1e6, 0);
        ADD("parallel", 0, OPTION_TEXT, &t->parallel, "HOW", "threads to clients or to layers; same bits", 0, 0, "auto|clients|layers");
    } else {
        ADD("hours", 0, OPTION_NUMBER, &t->budget.hours, "H", "segmentation: choose base features, batch, epochs so that all is done in H hours here", 0.001, 10000, 0);
        ADD("epochs", 0, OPTION_INT, &epochs, "E", "epochs (default 100)", 1, 1e6, 0);
        ADD("iterations", 0, OPTION_INT, &iterations, "I", "iterations an epoch (default 50)", 1, 1e6, 0);
    }
    ADD("resume", 0, OPTION_FLAG, &t->resume, NULL, "continue from the latest checkpoint, to the same bits", 0, 0, 0);
    ADD("overwrite", 0, OPTION_FLAG, &t->overwrite, NULL, "replace a fold that is already there", 0, 0, 0);
    ADD("precision", 0, OPTION_TEXT, &t->precision, "P", "of activations in memory (fp32); bf16 halves the memory of a step", 0, 0, "fp32|bf16");
    ADD("batch", 0, OPTION_INT, &batch, "N", "batch (default: planned; classification 32)", 1, 4096, 0);
    ADD("lr", 0, OPTION_NUMBER, &t->lr, "X", "initial learning rate (segmentation 0.01, classification 0.001)", 1e-9, 10, 0);
    ADD("optimizer", 0, OPTION_TEXT, &t->optimizer, "NAME", "segmentation sgd (Nesterov), classification adamw", 0, 0, "sgd|adamw");
    ADD("momentum", 0, OPTION_NUMBER, &t->momentum, "X", "of sgd (0.99)", 0, 0.99999, 0);
    ADD("weight-decay", 0, OPTION_NUMBER, &t->weight_decay, "X", "segmentation 3e-5, classification 0.01", 0, 1, 0);
    ADD("clip", 0, OPTION_NUMBER, &t->clip, "X", "largest gradient norm (segmentation 12; 0: no clipping)", 0, 1e9, 0);
    ADD("augment", 0, OPTION_INT, &augment, "L", "0 none, 1 mirrors and intensities, 2 all of nnU-Net's (default)", 0, 2, 0);
    ADD("oversample", 0, OPTION_NUMBER, &t->oversample, "X", "share of patches centred on foreground (0.33)", 0, 1, 0);
    ADD("validation-batches", 0, OPTION_INT, &t->validation_batches, "N", "a round (default: a fifth of the iterations); 0: none", 0, 1e6, 0);
    ADD("patience", 0, OPTION_INT, &t->patience, "N", "stop after N epochs or rounds without a better average validation metric; 0: never", 0, 1e6, 0);
    ADD("no-validation", 0, OPTION_NOFLAG, &t->validate_at_end, NULL, "no predictions of the validation cases at the end", 0, 0, 0);
    ADD("step", 0, OPTION_NUMBER, &t->step, "X", "window step of the final validation (0.5)", 0.05, 1, 0);
    ADD("no-mirror", 0, OPTION_NOFLAG, &t->mirror, NULL, "no mirroring in the final validation", 0, 0, 0);
    ADD("probabilities", 0, OPTION_FLAG, &t->probabilities, NULL, "the final validation also keeps CASE.npz, for ensembles (nephron best)", 0, 0, 0);
    ADD("pictures", 0, OPTION_INT, &t->pictures, "N", "overlays of the N best and N worst validation cases (3)", 0, 1000, 0);
    ADD("checkpoint-every", 0, OPTION_INT, &t->checkpoint_every, "N", "epochs or rounds between checkpoints (1)", 1, 1e6, 0);
    ADD("pretrained", 0, OPTION_TEXT, &t->pretrained, "FILE", "initial weights (.safetensors with the same parameters)", 0, 0, 0);
    ADD("configuration", 0, OPTION_TEXT, &t->configuration, "C", "of the plan (3d_fullres)", 0, 0, 0);
    ADD("previous-stage", 0, OPTION_TEXT, &t->previous_stage, "RUN", "3d_cascade_fullres: the run of 3d_lowres with its folds validated, or label maps", 0, 0, 0);
    ADD("plans", 0, OPTION_TEXT, &t->plans_file, "FILE", "a plans.json instead of planning", 0, 0, 0);
    ADD("preset", 0, OPTION_TEXT, &t->preset, "NAME", "planner", 0, 0, "default|resenc_m|resenc_l|resenc_xl");
    ADD("memory-gb", 0, OPTION_NUMBER, &t->plan_options.memory_gb, "G", "planner's budget (8, nnU-Net's)", 0.1, 4096, 0);
    ADD("base-features", 0, OPTION_INT, &width, "N", "features of the first stage (32)", 1, 512, 0);
    ADD("patch", 0, OPTION_SIZE3, t->plan_options.patch, "Z,Y,X", "patch instead of the planned one", 0, 0, 0);
    ADD("depth", 0, OPTION_INT, &depth, "N", "ResNet: 10, 18 (default), 34 or 50", 10, 50, 0);
    ADD("base", 0, OPTION_INT, &base, "N", "ResNet: width of its first stage (64)", 4, 512, 0);
    ADD("stem7", 0, OPTION_FLAG, &stem7, NULL, "ResNet: 7x7x7 stride 2 and max pooling first, for large crops", 0, 0, 0);
    ADD("norm", 0, OPTION_TEXT, &t->norm, "NAME", "ResNet: batch (default) or instance", 0, 0, "batch|instance");
    ADD("dropout", 0, OPTION_NUMBER, &t->dropout, "X", "ResNet: before the last layer (0)", 0, 0.95, 0);
    ADD("crop", 0, OPTION_SIZE3, crop, "Z,Y,X", "classification: input size (28,28,28)", 0, 0, 0);
    ADD("no-class-weights", 0, OPTION_NOFLAG, &weighting, NULL, "classification: all cases count the same", 0, 0, 0);
    *s++ = (struct option_spec)OPTION_THREADS(t->threads);
    *s++ = (struct option_spec)OPTION_SEED_(seed);
    *s++ = (struct option_spec)OPTION_QUIET(t->quiet);
    *s = (struct option_spec){0};
#undef ADD
    struct command_help help = {t->federated ? "federate DATA -o RUN --sites FILE.csv|N [OPTIONS]" : "train DATA -o RUN [OPTIONS]",
                                t->federated ? "Trains one model over several sites: local training, central weight aggregation"
                                             : "Trains a segmentation (U-Net) or classification (ResNet) model",
                                train_details, spec};
    struct operands operands;
    if (!options_parse(&operands, argc, argv, &help, 1, 1, status)) return 0;
    t->data = operands.text[0];
    *status = 2;
    if (!t->run) return app_usage(t->command, "needs -o RUN"), 0;
    if (t->federated && !t->sites_text) return app_usage(t->command, "needs --sites FILE.csv or --sites N"), 0;
    if (!resnet_valid_depth(depth)) return app_usage(t->command, "--depth is %d, must be 10, 18, 34 or 50", depth), 0;
    if (t->budget.hours > 0 && (epochs || iterations || t->resume))
        return app_usage(t->command, "--hours chooses the epochs and iterations: not with --epochs, --iterations or --resume (manifest.json tells what it chose)"), 0;
    if (width) t->plan_options.base_features = width;
    t->budget.fixed_features = width > 0;
    if (t->preset) t->plan_options.preset = t->preset;
    t->plan_options.batch = batch;
    o->seed = seed;
    o->epochs = epochs;
    o->iterations = iterations;
    o->batch = batch;
    o->augment = augment;
    o->class_weighting = weighting;
    *r = (struct resnet_config){depth, 1, 2, base, stem7, t->norm && strcmp(t->norm, "instance") == 0, (float)t->dropout};
    memcpy(o->crop, crop, sizeof crop);
    *status = 0;
    return 1;
}

/* What the command line left open gets the task's defaults. */
static void complete_options(struct training *t, enum task_kind task)
{
    struct train_options *o = &t->options, given = *o, standard = train_options_default(task);
    *o = standard;
    o->seed = given.seed;
    o->bf16 = strcmp(t->precision, "bf16") == 0;
    if (given.epochs) o->epochs = given.epochs;
    if (given.iterations) o->iterations = given.iterations;
    if (given.batch) o->batch = given.batch;
    if (given.augment >= 0) o->augment = given.augment;
    if (t->lr >= 0) o->lr = (float)t->lr;
    if (t->momentum >= 0) o->momentum = (float)t->momentum;
    if (t->weight_decay >= 0) o->weight_decay = (float)t->weight_decay;
    if (t->clip >= 0) o->clip = (float)t->clip;
    if (t->oversample >= 0) o->oversample = (float)t->oversample;
    if (t->optimizer) o->optimizer = strcmp(t->optimizer, "sgd") == 0 ? OPTIM_SGD : OPTIM_ADAMW;
    if (o->optimizer == OPTIM_SGD && task == TASK_CLASSIFY && t->momentum < 0) o->momentum = 0.9f;
    if (task == TASK_CLASSIFY) {
        o->resnet = given.resnet;
        o->resnet.channels = t->dataset.channels;
        o->resnet.classes = t->dataset.classes;
        o->class_weighting = given.class_weighting;
        if (given.crop[0]) memcpy(o->crop, given.crop, sizeof o->crop);
    }
}

/* Batches of validation an epoch: a fifth as many as of training, 50 at most. */
static void complete_validation(struct training *t)
{
    if (t->validation_batches < 0) t->validation_batches = (t->options.iterations + 4) / 5;
    if (t->validation_batches > 50) t->validation_batches = 50;
}

static int choose_task(struct training *t, enum task_kind *task, struct error *e)
{
    int maps = 0;
    for (int i = 0; i < t->dataset.cases; i++) maps += t->dataset.item[i].has_label_map;
    *task = t->task ? (strcmp(t->task, "classify") == 0 ? TASK_CLASSIFY : TASK_SEGMENT) : maps ? TASK_SEGMENT : TASK_CLASSIFY;
    if (*task == TASK_SEGMENT && !maps) return error_set(e, "%s: no label maps in labelsTr: cannot train segmentation", t->data);
    if (*task == TASK_CLASSIFY && t->dataset.classes < 2)
        return error_set(e, "%s: classification needs labels.csv (case,label) with two classes or more", t->data);
    return 0;
}

/* ---- manifest.json ----------------------------------------------------------------------------------------------- */

static char *command_line(int argc, char **argv)
{
    size_t n = 16;
    for (int i = 0; i < argc; i++) n += strlen(argv[i]) + 1;
    char *text = malloc(n);
    if (!text) return NULL;
    char *p = text + sprintf(text, "nephron");
    for (int i = 0; i < argc; i++) p += sprintf(p, " %s", argv[i]);
    return text;
}

static double peak_memory_bytes(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss * 1024;
}

/* Written before the first step and again at the end, with what became of it. */
static int write_manifest(const struct training *t, const char *line, const char *data_hash,
                          const struct federate_result *r, struct error *e)
{
    char path[1200];
    struct json *j = json_object();
    json_add_text(j, "program", "nephron");
    json_add_text(j, "version", NEPHRON_VERSION);
    json_add_text(j, "command", line);
    json_add_int(j, "seed", (int64_t)t->options.seed);
    json_add_text(j, "precision", t->precision);
    json_add_text(j, "isa", cpu_isa_name(cpu_isa()));
    json_add_int(j, "threads", t->threads);
    json_add_text(j, "data", t->data);
    json_add_text(j, "data_sha256", data_hash);
    json_add_text(j, "fold", t->fold);
    if (t->plan) json_add_text(j, "configuration", t->configuration);
    json_add(j, "training", train_options_json(&t->options));
    json_add_int(j, "training_cases", t->train.store.cases);
    json_add_int(j, "validation_cases", t->validation.store.cases);
    if (t->budget.hours > 0) json_add_number(j, "hours", t->budget.hours);
    if (t->patience) json_add_int(j, "patience", t->patience);
    if (t->previous_stage) json_add_text(j, "previous_stage", t->previous_stage);
    if (t->dataset.has_patients) json_add_text(j, "patients", t->patients_file ? t->patients_file : "patients.csv of the dataset");
    if (t->federated) {
        struct json *f = json_add_object(j, "federation"), *sites = json_add_array(f, "sites");
        json_add_text(f, "strategy", t->strategy);
        for (int k = 0; k < t->sites; k++) {
            struct json *s = json_add_object(sites, NULL);
            int n = 0;
            for (int i = 0; i < t->dataset.cases; i++) n += t->site[i] == k && t->role[i] == 1;
            json_add_text(s, "name", t->site_name[k]);
            json_add_int(s, "training_cases", n);
        }
    }
    if (r) {
        struct json *hashes = json_add_array(j, "weight_hashes");
        for (int i = 0; i < r->records; i++) {
            char hash[17];
            if (r->record[i].site >= 0) continue;
            snprintf(hash, sizeof hash, "%016" PRIx64, r->record[i].hash);
            json_add_text(hashes, NULL, hash);
        }
        json_add_int(j, "best_epoch", r->best_round);
        json_add_int(j, "epochs_done", r->rounds);
        if (t->patience) json_add_bool(j, "stopped_early", r->rounds < t->options.epochs);
        json_add_number(j, "training_seconds", r->seconds);
        json_add_number(j, "wall_seconds", clock_seconds() - t->start);
        json_add_number(j, "peak_memory_bytes", peak_memory_bytes());
        json_add_number(j, "step_bytes", (double)r->step_bytes);
    }
    int status = file_join(path, sizeof path, t->run, "manifest.json", e) ? -1 : json_write(j, path, e);
    json_free(j);
    return status;
}

static int write_dataset_json(const struct training *t, struct error *e)
{
    char path[1200];
    const struct dataset *d = &t->dataset;
    if (file_join(path, sizeof path, t->run, "dataset.json", e)) return -1;
    if (d->json) return json_write(d->json, path, e);
    struct json *j = json_object(); /* a MedMNIST file has none */
    json_add_text(j, "name", d->name);
    json_add_text(json_add_object(j, "channel_names"), "0", d->channel_name[0]);
    struct json *labels = json_add_object(j, "labels");
    for (int k = 0; k < d->classes; k++) {
        char name[32];
        snprintf(name, sizeof name, "class_%d", k);
        json_add_int(labels, k ? name : "background", k);
    }
    json_add_int(j, "numTraining", d->cases);
    json_add_text(j, "file_ending", ".npz");
    int status = json_write(j, path, e);
    json_free(j);
    return status;
}

/* ---- the work ------------------------------------------------------------------------------------------------------ */

struct report {
    const struct training *t;
    struct progress bar;
};

static void on_step(void *arg, double done, double of, double loss)
{
    struct report *r = arg;
    char note[48];
    snprintf(note, sizeof note, "loss %.4f", loss);
    progress_update(&r->bar, done, of, note);
}

static void on_round(void *arg, const struct round_record *g, int rounds)
{
    struct report *r = arg;
    const struct training *t = r->t;
    if (t->quiet) return;
    progress_clear(&r->bar);
    printf("%s %d/%d  loss %.4f", t->federated ? "round" : "epoch", g->round + 1, rounds, g->loss);
    if (isfinite(g->metric))
        printf("  validation loss %.4f  %s %.4f", g->validation_loss,
               t->options.task == TASK_SEGMENT ? "Dice" : t->options.resnet.classes == 2 ? "AUC" : "accuracy", g->metric);
    printf("  lr %.3g  %.1f s  weights %016" PRIx64 "\n", g->lr, g->seconds, g->hash);
    fflush(stdout);
}

static void print_cases(const struct training *t)
{
    if (t->quiet) return;
    printf("%s: %s, %s, %d training and %d validation cases\n", t->data,
           t->options.task == TASK_SEGMENT ? "segmentation" : "classification", t->federated ? "federated" : "centralised",
           t->train.store.cases, t->validation.store.cases);
    for (int k = 0; t->federated && k < t->sites; k++) {
        int n = 0;
        for (int i = 0; i < t->train.store.cases; i++) n += t->site[t->train.store.index[i]] == k;
        printf("  site %-20s %d training cases\n", t->site_name[k], n);
    }
}

static void on_planned(void *arg, size_t step_bytes, double flops, size_t parameters, int workers)
{
    const struct training *t = ((struct report *)arg)->t;
    const struct train_options *o = &t->options;
    if (t->quiet) return;
    if (t->plan)
        printf("  U-Net of %d stages, patch %d x %d x %d, batch %d", t->plan->stages, t->plan->patch[0], t->plan->patch[1],
               t->plan->patch[2], o->batch);
    else
        printf("  ResNet-%d, input %d x %d x %d, batch %d", o->resnet.depth, o->crop[0], o->crop[1], o->crop[2], o->batch);
    printf(", %.2f M parameters\n  a step: %.1f MB in one block%s, %.1f GFLOP; %s, %d threads%s\n", (double)parameters * 1e-6,
           (double)step_bytes * 1e-6, workers > 1 ? " per client" : "", 3 * flops * 1e-9, cpu_isa_name(cpu_isa()), t->threads,
           workers > 1 ? ", clients side by side" : "");
    fflush(stdout);
}

static struct model *load_pretrained(struct training *t, struct error *e)
{
    struct model *m = learner_model(&t->options, t->plan);
    if (checkpoint_read(t->pretrained, m, NULL, 0, NULL, e)) {
        model_destroy(m);
        return NULL;
    }
    return m;
}

static int run_federation(struct training *t, struct federate_result *result, struct error *e)
{
    struct federate_options f = {.train = t->options, .plan = t->plan, .validation = &t->validation,
                                 .validation_batches = t->validation_batches, .pool = t->pool, .folder = t->fold_path,
                                 .resume = t->resume, .write_rounds = t->federated, .checkpoint_every = t->checkpoint_every,
                                 .patience = t->patience};
    f.parallel = strcmp(t->parallel, "clients") == 0 ? PARALLEL_CLIENTS : strcmp(t->parallel, "layers") == 0 ? PARALLEL_LAYERS : PARALLEL_AUTO;
    f.clients = t->sites;
    f.client = calloc((size_t)t->sites, sizeof *f.client);
    int *group = calloc((size_t)t->dataset.cases + 1, sizeof *group);
    if (!f.client || !group) {
        free(f.client);
        free(group);
        return error_set(e, "out of memory for %d sites", t->sites);
    }
    for (int k = 0; k < t->sites; k++) {
        snprintf(f.client[k].name, sizeof f.client[k].name, "%s", t->site_name[k]);
        for (int i = 0; i < t->train.store.cases; i++) group[i] = t->site[t->train.store.index[i]];
        learner_view(&f.client[k].data, &t->train, group, k);
        for (int i = 0; i < t->validation.store.cases; i++) group[i] = t->site[t->validation.store.index[i]];
        learner_view(&f.client[k].validation, &t->validation, group, k);
    }
    struct report report = {t, progress_begin(t->federated ? "federate" : "train", t->quiet)};
    struct federate_events events = {on_planned, on_round, on_step, &report};
    struct model *initial = NULL;
    int status = 0;
    if (t->pretrained && !(initial = load_pretrained(t, e))) status = -1;
    if (!status) status = federate_run(result, &f, initial, &events, e);
    progress_end(&report.bar);
    if (initial) model_destroy(initial);
    for (int k = 0; k < t->sites; k++) {
        learner_view_free(&f.client[k].data);
        learner_view_free(&f.client[k].validation);
    }
    free(f.client);
    free(group);
    return status;
}

static int prepare_folder(struct training *t, struct error *e)
{
    char path[1300];
    if (run_fold_path(t->fold_path, sizeof t->fold_path, t->run, t->fold, e)) return -1;
    static const char *const kinds[] = {"latest", "final"};
    for (int k = 0; k < 2 && !t->resume && !t->overwrite; k++) {
        snprintf(path, sizeof path, "%s/checkpoint_%s.safetensors", t->fold_path, kinds[k]);
        if (file_exists(path)) return error_set(e, "%s: this fold is already trained; --resume continues it, --overwrite replaces it", path);
    }
    return file_mkdirs(t->fold_path, e);
}

static int run_training(struct training *t, const char *line, struct error *e)
{
    enum task_kind task;
    char hash[65] = "";
    struct federate_result result;
    if (choose_task(t, &task, e)) return -1;
    complete_options(t, task);
    if (prepare_folder(t, e) || training_fold(t, e) || training_sites(t, e) || training_plan(t, e) || training_previous(t, e)) return -1;
    complete_validation(t);
    if (learner_check(&t->options, t->plan, e)) return error_prefix(e, "%s", t->data);
    if (t->patience && !t->validation_batches) return error_set(e, "--patience %d needs validation: --validation-batches is 0", t->patience);
    if (write_dataset_json(t, e) || training_load(t, e) || dataset_hash(&t->dataset, hash, e)) return -1;
    if (write_manifest(t, line, hash, NULL, e)) return -1;
    print_cases(t);
    if (run_federation(t, &result, e)) return -1;
    int status = write_manifest(t, line, hash, &result, e);
    if (result.rounds < t->options.epochs && !t->quiet)
        printf("stopped after %d of %d: the average validation metric was best after %d\n", result.rounds, t->options.epochs, result.best_round + 1);
    if (!status && t->validate_at_end) status = training_validate(t, result.model, e);
    if (!status) status = write_manifest(t, line, hash, &result, e);
    if (!status && !t->quiet) {
        char time[32];
        progress_time(time, clock_seconds() - t->start);
        printf("%s: done in %s, peak memory %.0f MB\n", t->run, time, peak_memory_bytes() * 1e-6);
    }
    federate_result_free(&result);
    return status;
}

int training_main(int argc, char **argv, int federated)
{
    struct training t = {.command = argv[0], .federated = federated, .start = clock_seconds()};
    struct error e = {""};
    int status;
    if (!parse(&t, argc, argv, &status)) return status;
    if (t.threads <= 0) t.threads = cpu_count();
    char *line = command_line(argc, argv);
    t.pool = pool_create(t.threads);
    if (!t.pool || !line) status = error_set(&e, "cannot start %d threads", t.threads);
    if (!status) status = dataset_open(&t.dataset, t.data, &e);
    if (!status) {
        status = run_training(&t, line, &e);
        learner_data_free(&t.train);
        learner_data_free(&t.validation);
        plans_free(&t.plans);
        dataset_close(&t.dataset);
    }
    free(t.role);
    free(t.site);
    free(t.site_name);
    free(line);
    if (t.pool) pool_destroy(t.pool);
    return status ? app_fail(&e) : 0;
}
