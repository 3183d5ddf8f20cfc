/* cmd_predict.c - segment images, or give class probabilities, with a trained run. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apps/base/console.h"
#include "apps/base/dataset_warnings.h"
#include "apps/base/interrupt.h"
#include "apps/base/options.h"
#include "apps/command/commands.h"
#include "apps/command/predict.h"
#include "apps/base/progress.h"
#include "apps/training/run_notes.h"
#include "io/base/csv.h"
#include "io/formats/image_formats.h"
#include "io/base/file.h"
#include "io/base/text.h"
#include "nn/folder/run.h"
#include "tensor/base/clock.h"
#include "tensor/graph/machine.h"

/* ---- segmentation -------------------------------------------------------------------------------------- */

static int copy_json(const struct predict *p, const char *name, struct error *e)
{
    char from[1300], to[1300];
    unsigned char *data;
    size_t size;
    if (file_join(from, sizeof from, p->run.path, name, e) || file_join(to, sizeof to, p->out, name, e))
        return -1;
    if (file_read(from, 1 << 26, &data, &size, e)) return -1;
    int status = file_write(to, data, size, e);
    free(data);
    return status;
}

/* Where the label map of a case goes, and its probabilities. */
static int output_paths(char path[1300], char npz[1300], const struct predict *p, const struct image_case *c,
                        struct error *e)
{
    size_t stem = strlen(p->out) - volume_suffix(p->out);
    int a, b;
    if (p->to_file) {
        a = snprintf(path, 1300, "%s", p->out);
        b = snprintf(npz, 1300, "%.*s.npz", (int)stem, p->out);
    } else {
        a = snprintf(path, 1300, "%s/%s%s", p->out, c->id, c->ending);
        b = snprintf(npz, 1300, "%s/%s.npz", p->out, c->id);
    }
    return a >= 1300 || b >= 1300 ? error_set(e, "%s: path is too long", p->out) : 0;
}

/* The probabilities' place, and that of nnU-Net's properties beside them. */
static int check_probabilities(const struct predict *p, const char *npz, struct error *e)
{
    char pkl[1400];
    snprintf(pkl, sizeof pkl, "%.*s.pkl", (int)(strlen(npz) - 4), npz);
    return predict_check_file(p, npz, e) || predict_check_file(p, pkl, e) ? -1 : 0;
}

/* Nothing but our own predictions is written over: no image, and no file that may be somebody's work. */
static int check_outputs(const struct predict *p, const struct image_cases *cases, struct error *e)
{
    static const char *const copied[] = {"dataset.json", "plans.json", NULL};
    char record[1300], path[1300], npz[1300];
    if (p->to_file && cases->count != 1)
        return error_set(e, "-o %s: is a file, but there are %d cases", p->out, cases->count);
    if (file_join(record, sizeof record, p->out, "prediction.json", e)) return -1;
    int ours = !p->to_file && file_exists(record);
    for (int i = 0; i < cases->count; i++) {
        if (output_paths(path, npz, p, &cases->item[i], e)) return -1;
        for (int k = 0; file_exists(path) && cases->item[i].path[k][0]; k++)
            if (file_is_same(cases->item[i].path[k], path))
                return error_set(e, "%s: is an image to predict, the label map would replace it", path);
        if (!ours && (predict_check_file(p, path, e) || (p->probabilities && check_probabilities(p, npz, e))))
            return -1;
    }
    for (int k = 0; !p->to_file && k < p->inputs.count; k++)
        if (file_is_same(p->out, p->inputs.text[k]))
            return error_set(e, "-o %s: is the folder of the images: give another", p->out);
    return p->to_file ? 0 : predict_check_folder(p, copied, e);
}

static int segment_case(const struct predict *p, struct segmenter *s, const struct image_case *c,
                        struct error *e)
{
    char path[1300], npz[1300], first[1500];
    struct sample raw;
    uint8_t *label = NULL;
    if (output_paths(path, npz, p, c, e)) return -1;
    if (p->resume && predict_recorded(p, c->id) && file_exists(path) &&
        (!p->probabilities || file_exists(npz)))
        return 0;
    if (predict_load_images(&raw, p, c, e)) return -1;
    size_t voxels = (size_t)raw.size[0] * (size_t)raw.size[1] * (size_t)raw.size[2];
    double voxel_ml = raw.spacing[0] * raw.spacing[1] * raw.spacing[2] * 1e-3;
    snprintf(first, sizeof first, "%.1300s/%s%s", p->previous, c->id, c->ending);
    const struct grid_check grids = grid_warnings_check(p->grids);
    int status = p->previous[0] ? sample_load_previous(&raw, &p->run.dataset, first, &grids, e) : 0;
    if (!status) status = segmenter_run(s, &raw, path, p->probabilities ? npz : NULL, NULL, &label, e);
    if (status) error_prefix(e, "%s", c->id);
    if (!status && predict_record_case(p, c, path, label, voxels, voxel_ml))
        status = error_set(e, "out of memory for the table of volumes");
    free(label);
    sample_free(&raw);
    return status;
}

/* What the headers of a case say; the largest of its files counts. */
static int read_headers(struct infer_case *h, const struct image_case *c, int channels, struct error *e)
{
    memset(h, 0, sizeof *h);
    for (int k = 0; k < channels && c->path[k][0]; k++) { /* the first may hold all */
        struct volume v;
        struct stat st;
        if (sample_read_volume(&v, c->path[k], c->choice, 1, e)) return -1;
        size_t stored = volume_voxels(&v) * (size_t)voxel_type_bytes(v.type),
               packed = stat(c->path[k], &st) == 0 && S_ISREG(st.st_mode) ? (size_t)st.st_size : 0;
        stored += volume_voxels(&v) / (size_t)v.size[3] * (size_t)(v.size[3] - 1) *
                  sizeof(float); /* more channels while it is read */
        if (stored > h->stored) h->stored = stored;
        if (packed > h->packed) h->packed = packed;
        for (int a = 0; a < 3; a++) {
            if (v.size[2 - a] > 100000)
                return error_set(e, "%s: axis %d has %lld voxels", c->path[k], 2 - a,
                                 (long long)v.size[2 - a]);
            h->size[a] = (int)v.size[2 - a];
            h->spacing[a] = v.spacing[2 - a];
        }
        memcpy(h->affine, v.affine, sizeof h->affine);
        volume_free(&v);
    }
    return 0;
}

/* An upper bound of the resident memory for all cases, from their headers: the program and its heap, the
 * weights, the network's block, and the largest case. Loading the weights may have taken more: the peak so
 * far counts too. */
static int announce_peak(double *bytes, const struct predict *p, const struct segmenter *s,
                         const struct image_cases *cases, struct model **model, struct error *e)
{
    const double program = 48e6;
    double base = program + (double)graph_bytes(s->predictor[0].graph);
    size_t largest = 0;
    for (int k = 0; k < s->predictors; k++) base += (double)model[k]->count * sizeof(float);
    for (int i = 0; i < cases->count; i++) {
        struct infer_case h;
        size_t one;
        if (read_headers(&h, &cases->item[i], p->run.dataset.channels, e)) return -1;
        if (infer_bytes(&one, &h, &s->predictor[0], s->plan, p->probabilities, e))
            return error_prefix(e, "%s", cases->item[i].id);
        if (one > largest) largest = one;
    }
    *bytes = fmax(base + (double)largest, predict_peak_bytes());
    return 0;
}

/* --postprocessing, else the run's own postprocessing.json where it is. */
static int read_postprocessing(struct postprocessing *post, const struct predict *p, struct error *e)
{
    char path[1300];
    if (!p->postprocess) return 0;
    if (p->postprocessing) return postprocess_read(post, p->postprocessing, &p->run.dataset, e);
    if (file_join(path, sizeof path, p->run.path, "postprocessing.json", e)) return -1;
    return file_exists(path) ? postprocess_read(post, path, &p->run.dataset, e) : 0;
}

static int check_previous(char dir[1300], const struct predict *p, struct error *e);
static int run_previous(struct predict *p, const char *dir, struct error *e);

static void record_segmenter(struct predict *p, const struct segmenter *s, double announced)
{
    struct json *axes = json_add_array(p->record, "mirrored_axes");
    for (int a = 0; a < 3; a++)
        if (s->sliding.mirror[a]) json_add_int(axes, NULL, a);
    json_add_int(p->record, "announced_peak_bytes", (int64_t)announced);
}

static int segment(struct predict *p, struct model **model, struct error *e)
{
    struct segmenter s = {.plan = p->run.plan, .dataset = &p->run.dataset, .bf16 = p->run.options.bf16};
    struct image_cases cases;
    char again[1300], previous[1300] = "";
    double announced = 0, start = clock_seconds();
    s.sliding.step = p->step;
    for (int a = 0; a < 3; a++) s.sliding.mirror[a] = p->mirror && p->run.mirror[a];
    int status = image_cases_list(&cases, &p->inputs, &p->run.dataset, &p->choice, e);
    if (!status && !p->to_file) status = dataset_spare(p->out, e) || run_spare(p->out, e) ? -1 : 0;
    if (!status) status = check_outputs(p, &cases, e);
    if (!status) status = read_postprocessing(&s.post, p, e);
    for (int k = 0; !status && k < p->fold_count; k++) status = segmenter_add(&s, model[k], p->pool, e);
    if (!status) status = announce_peak(&announced, p, &s, &cases, model, e);
    if (!status) status = check_previous(previous, p, e);
    if (!status) status = predict_record_begin(p, model, &s.post, e);
    if (!status) status = predict_record_write(p, e);
    if (!status && previous[0]) status = run_previous(p, previous, e);
    if (!status && !p->quiet) {
        console("%s: %d case%s, %d network%s, peak memory at most %.1f MB (%.1f MB the networks' block)\n",
                p->run_path, cases.count, cases.count == 1 ? "" : "s", s.predictors,
                s.predictors > 1 ? "s" : "", announced * 1e-6,
                (double)graph_bytes(s.predictor[0].graph) * 1e-6);
        fflush(stdout);
    }
    int done = 0;
    struct progress bar = progress_begin("predict", p->quiet);
    struct case_progress at = {.bar = &bar, .of = cases.count};
    s.sliding.progress = case_progress;
    s.sliding.arg = &at;
    interrupt_begin();
    for (; !status && !p->stopped && done < cases.count; done += !p->stopped) {
        at.at = done;
        at.name = cases.item[done].id;
        status = interrupt_signal() ? -1 : segment_case(p, &s, &cases.item[done], e);
        p->stopped = status && interrupt_signal();
        if (p->stopped) status = 0; /* nothing of this case is kept */
        else if (!status) status = predict_record_keep(p, e);
    }
    progress_end(&bar);
    interrupt_end();
    if (!status && p->stopped) status = predict_record_write(p, e);
    if (p->stopped && p->to_file)
        console_to(stderr, "nephron: stopped by signal %d before %s was written\n", interrupt_signal(),
                   p->out);
    else if (p->stopped)
        console_to(stderr,
                   "nephron: stopped by signal %d after %d of %d cases; the label maps in %s are whole, and "
                   "`nephron predict --resume %s` goes on\n",
                   interrupt_signal(), done, cases.count, p->out, text_shell(again, sizeof again, p->out));
    if (!status && !p->stopped && !p->to_file) status = copy_json(p, "dataset.json", e);
    if (!status && !p->stopped && !p->to_file) status = copy_json(p, "plans.json", e);
    if (!p->stopped) record_segmenter(p, &s, announced);
    if (!status && !p->stopped) status = predict_record_finish(p, cases.count, clock_seconds() - start, e);
    if (!status && !p->stopped && !p->quiet) predict_record_print(p);
    if (!status && !p->stopped && !p->quiet)
        console("%s: %d label map%s, peak memory %.1f MB\n", p->out, cases.count, cases.count == 1 ? "" : "s",
                predict_peak_bytes() * 1e-6);
    json_free(p->record);
    p->record = NULL;
    segmenter_free(&s);
    image_cases_free(&cases);
    return status;
}

/* ---- the command --------------------------------------------------------------------------------------- */

/* "0,1,2" or "all" of --folds. */
static int parse_folds(struct predict *p, struct error *e)
{
    const char *at = p->folds_text;
    do {
        const size_t n = strcspn(at, ",");
        const int number = n > 0 && n <= 4 && strspn(at, "0123456789") == n;
        if (!number && !(n == 3 && strncmp(at, "all", 3) == 0))
            return error_set(e, "--folds %s: not \"all\" or a list as 0,1,2", p->folds_text);
        if (p->fold_count == FOLDS_MAX)
            return error_set(e, "--folds %s: more than %d folds", p->folds_text, FOLDS_MAX);
        char *fold = p->folds[p->fold_count++];
        snprintf(fold, sizeof p->folds[0], "%.*s", (int)n, at);
        for (int k = 0; k + 1 < p->fold_count; k++)
            if (strcmp(p->folds[k], fold) == 0)
                return error_set(e, "--folds %s: fold %s is there twice", p->folds_text, fold);
        at += n;
    } while (*at++);
    return 0;
}

/* Those of --folds, else those that are there. */
static int choose_folds(struct predict *p, struct error *e)
{
    if (!p->folds_text) {
        const int there = run_folds(p->folds, FOLDS_MAX, &p->run, p->checkpoint);
        if (there > FOLDS_MAX)
            return error_set(e, "%s: has %d folds, %d can be averaged: --folds names them", p->run_path,
                             there, FOLDS_MAX);
        p->fold_count = there;
        run_note_unfinished(&p->run, p->folds, p->fold_count, p->checkpoint);
        if (p->fold_count) return 0;
        return error_set(e, "%s: no fold_*/checkpoint_%s.safetensors or .pth: is it a trained run?",
                         p->run_path, p->checkpoint ? p->checkpoint : "*");
    }
    run_note_unfinished(&p->run, p->folds, p->fold_count, p->checkpoint);
    return 0;
}

static int run_predict(struct predict *p, struct error *e);

/* Where the first stage of a cascade is: as asked, as the manifest says, or the run of the same name but for
 * the configuration, as nnU-Net's model folders lie side by side. */
static int find_previous(char *dir, size_t size, const struct predict *p)
{
    const struct run *r = &p->run;
    const char *mine = NULL; /* the last place: a folder above may have the word too */
    for (const char *at = r->path; *at && (at = strstr(at, r->configuration)); at++) mine = at;
    if (p->previous_stage || file_is_dir(r->previous_stage))
        return snprintf(dir, size, "%s", p->previous_stage ? p->previous_stage : r->previous_stage) <
               (int)size;
    return mine &&
           snprintf(dir, size, "%.*s%s%s", (int)(mine - r->path), r->path, r->plan->previous_stage,
                    mine + strlen(r->configuration)) < (int)size &&
           file_is_dir(dir);
}

/* dir: of the first stage; "" where there is none. */
static int check_previous(char dir[1300], const struct predict *p, struct error *e)
{
    const struct plan *plan = p->run.plan;
    dir[0] = 0;
    if (!plan->previous_labels)
        return p->previous_stage ? error_set(e, "--previous-stage %s: configuration %s has no previous stage",
                                             p->previous_stage, p->run.configuration)
                                 : 0;
    if (find_previous(dir, 1300, p)) return 0;
    return error_set(e,
                     "%s: %s needs the segmentations of %s: --previous-stage with its run, or with a folder "
                     "of label maps",
                     p->run_path, p->run.configuration, plan->previous_stage);
}

/* Label maps of the first stage: those of the folder, or predicted now into OUT/previous_stage. */
static int run_previous(struct predict *p, const char *dir, struct error *e)
{
    if (!run_is_folder(dir)) {
        snprintf(p->previous, sizeof p->previous, "%s", dir);
        return 0;
    }
    if (p->to_file
            ? snprintf(p->previous, sizeof p->previous, "%.*s_previous_stage",
                       (int)(strlen(p->out) - volume_suffix(p->out)), p->out) >= (int)sizeof p->previous
            : file_join(p->previous, sizeof p->previous, p->out, "previous_stage", e))
        return p->to_file ? error_set(e, "%s: path is too long", p->out) : -1;
    struct predict first = {.run_path = dir,
                            .inputs = p->inputs,
                            .out = p->previous,
                            .checkpoint = p->checkpoint,
                            .overwrite = p->overwrite,
                            .step = p->step,
                            .mirror = p->mirror,
                            .threads = p->threads,
                            .quiet = p->quiet,
                            .pool = p->pool,
                            .part = p->part,
                            .precision = p->precision,
                            .choice = p->choice,
                            .grids = p->grids};
    int status = run_predict(&first, e);
    p->stopped = first.stopped;
    return status;
}

/* The channels of the dataset that an input is, or is a folder of, where it tells them. */
static int check_channels(const struct predict *p, struct error *e)
{
    static const char *const place[] = {"dataset.json", "../dataset.json"};
    const int inputs = run_of_arrays(&p->run) ? 0 : p->inputs.count; /* of those predict_classify says more */
    int status = 0;
    for (int k = 0; k < inputs; k++)
        for (int i = 0; !status && i < 2; i++) {
            char path[1300];
            struct dataset d;
            struct error ignored;
            if (!file_is_dir(p->inputs.text[k]) ||
                file_join(path, sizeof path, p->inputs.text[k], place[i], &ignored) || !file_exists(path) ||
                dataset_read_header(&d, path, &ignored))
                continue;
            status = dataset_same_channels(&p->run.dataset, &d, path, p->grids->strict, e);
            dataset_close(&d);
        }
    return status;
}

static int run_predict(struct predict *p, struct error *e)
{
    struct model *model[FOLDS_MAX] = {NULL};
    p->hold = (struct folder_hold)FOLDER_FREE;
    if (run_open(&p->run, p->run_path, e)) return -1;
    p->run.options.bf16 = strcmp(p->precision, "bf16") == 0;
    int status = choose_folds(p, e);
    for (int k = 0; !status && k < p->fold_count; k++)
        if (!(model[k] = run_model(&p->run, p->folds[k], p->checkpoint, e))) status = -1;
        else model_drop_gradients(model[k]);
    if (!status) status = predict_check_task(p, e);
    if (!status) status = check_channels(p, e);
    if (!status && p->to_file && !p->run.options.task->planned)
        status = error_set(e, "-o %s: %s is a classification, OUT is a folder", p->out, p->run_path);
    if (!status)
        status = p->run.options.task->planned ? segment(p, model, e) : predict_classify(p, model, e);
    for (int k = 0; k < p->fold_count; k++)
        if (model[k]) model_destroy(model[k]);
    run_close(&p->run);
    folder_release(&p->hold);
    return status;
}

static const char predict_details[] =
    "RUN is a run of `nephron train` or `federate`, or a model folder of nnU-Net with plans.json, "
    "dataset.json and\n"
    "fold_K/checkpoint_*.pth as it is; its inference_allowed_mirroring_axes are honoured.\n"
    "Segmentation: IMAGES is a folder of CASE_0000.nii.gz files (one a channel), or of images of any other "
    "name that hold all\n"
    "channels, or one file; OUT receives CASE.nii.gz in the geometry of the image, or is itself the one "
    "label map. A DICOM series is an image too: for one channel IMAGES may be its folder or a file of it; "
    "for\n"
    "several cases or channels a folder with the series in sub-folders CASE_0000, CASE_0001 ...\n"
    "All trained folds of RUN are averaged unless --fold names one; the one of all cases counts only where "
    "there is no other.\n"
    "Classification: IMAGES is a dataset folder or a folder of images (with --masks for the region to crop), "
    "for a RUN that\n"
    "was trained on a MedMNIST .npz such a file; OUT/predictions.csv receives case,label,probability (label "
    "only where it is\n"
    "known; with more than two classes a column probability_K each).\n\n"
    "  nephron predict run -i Dataset004_Hippocampus/imagesTs -o predictions";

int cmd_predict(int argc, char **argv)
{
    const char *resume = NULL;
    struct json *record = NULL;
    struct grid_warnings grids = GRID_WARNINGS_NONE;
    struct predict p = {
        .step = 0.5, .mirror = 1, .postprocess = 1, .precision = "fp32", .grids = &grids};
    struct option_spec spec[] = {
        {"input", 'i', OPTION_TEXTS, &p.inputs, "IMAGES",
         "folder of images, image, dataset or .npz; may be given several times", 0, 0, 0},
        {"output", 'o', OPTION_OUTPUT, &p.out, "OUT",
         "folder of the results, or the label map of one image (out.nii.gz)", 0, 0, 0},
        {"overwrite", 0, OPTION_FLAG, &p.overwrite, NULL,
         "replace files in OUT that are no prediction of ours", 0, 0, 0},
        {"resume", 0, OPTION_TEXT, &resume, "OUT",
         "go on with the prediction that was begun in OUT; it knows its options", 0, 0, 0},
        {"json", 0, OPTION_OUTPUT, &p.json, "FILE", "volumes of every case and what predicted them, as JSON",
         0, 0, 0},
        {"folds", 'f', OPTION_TEXT, &p.folds_text, "LIST",
         "folds to average, as 0,1,2; all: the one trained on all cases (default: those found)", 0, 0, 0},
        {"fold", 0, OPTION_TEXT, &p.folds_text, "K", "the same", 0, 0, 0},
        {"checkpoint", 0, OPTION_TEXT, &p.checkpoint, "NAME",
         "which weights, of a first stage too (default: final, else best, else latest)", 0, 0,
         "final|best|latest"},
        {"series", 0, OPTION_TEXT, &p.choice.series, "UID",
         "of DICOM folders with several series: the one to predict (`nephron info` lists them)", 0, 0, 0},
        {"volume", 0, OPTION_INT, &p.choice.volume, "N",
         "of DICOM series with several volumes (times, echoes): the one to predict", 1, 100000, 0},
        {"max-gb", 0, OPTION_NUMBER, &p.max_gb, "G",
         "refuse images of more than G gigabytes in memory (default 8)", 1e-6, 1e6, 0},
        OPTION_STRICT(grids.strict),
        {"precision", 0, OPTION_TEXT, &p.precision, "P",
         "of activations in memory (fp32), however the network was trained", 0, 0, "fp32|bf16"},
        {OPTION_HEADING("segmentation")},
        {"step", 0, OPTION_NUMBER, &p.step, "X", "window step as a share of the patch (0.5)", 0.05, 1, 0},
        {"no-mirror", 0, OPTION_NOFLAG, &p.mirror, NULL,
         "one pass instead of all mirrored ones: up to eight times faster", 0, 0, 0},
        {"postprocessing", 0, OPTION_TEXT, &p.postprocessing, "FILE",
         "postprocessing.json or .pkl to apply (default: the run's .json, where it is)", 0, 0, 0},
        {"no-postprocessing", 0, OPTION_NOFLAG, &p.postprocess, NULL, "label maps as the network gives them",
         0, 0, 0},
        {"probabilities", 0, OPTION_FLAG, &p.probabilities, NULL,
         "also CASE.npz with the class probabilities, and CASE.pkl for nnUNetv2_ensemble", 0, 0, 0},
        {"previous-stage", 0, OPTION_TEXT, &p.previous_stage, "DIR",
         "3d_cascade_fullres: run of 3d_lowres, predicted first, or its label maps (default: as trained)", 0,
         0, 0},
        {OPTION_HEADING("classification")},
        {"masks", 0, OPTION_TEXT, &p.masks, "DIR", "masks CASE.nii.gz of the region to crop",
         0, 0, 0},
        {"covariates", 0, OPTION_TEXT, &p.covariates, "FILE",
         "table with a column case and those of the covariates (default: the dataset's)",
         0, 0, 0},
        {"part", 0, OPTION_TEXT, &p.part, "PART", "of a MedMNIST file (test)", 0, 0, "train|val|test|all"},
        {OPTION_HEADING("common")},
        OPTION_THREADS(p.threads),
        OPTION_QUIET(p.quiet),
        {0}};
    struct command_help help = {
        "predict RUN -i IMAGES -o OUT [OPTIONS]",
        "Predicts with a trained run: label maps by sliding window, or class probabilities", predict_details,
        spec};
    struct operands operands;
    struct error e = {""};
    int status;
    if (!options_parse(&operands, argc, argv, &help, 0, 1, &status)) return status;
    p.of_segmentation = options_given_below(&operands, spec, "segmentation");
    p.of_classification = options_given_below(&operands, spec, "classification");
    if (resume) {
        const char *more = predict_more_than_resume(&operands);
        if (operands.count || more)
            return app_usage(argv[0], "--resume OUT stands alone: %s%s is in its prediction.json",
                             more ? "--" : "", more ? more : "RUN");
        p.resume = 1;
        if (predict_resume(&p, resume, &record, &e)) {
            json_free(record);
            return app_fail(&e);
        }
    } else {
        if (!operands.count) return app_usage(argv[0], "needs RUN");
        p.run_path = operands.text[0];
    }
    if (p.postprocessing && !p.postprocess)
        return app_usage(argv[0], "--postprocessing and --no-postprocessing do not go together");
    if (p.folds_text && parse_folds(&p, &e)) return app_usage(argv[0], "%s", e.text);
    if (p.max_gb > 0) volume_set_limit(p.max_gb);
    if (!p.inputs.count) return app_usage(argv[0], "needs -i IMAGES");
    if (!p.out) return app_usage(argv[0], "needs -o OUT");
    const struct image_format *format =
        volume_suffix(p.out) && !file_is_dir(p.out) ? image_format_named(p.out) : NULL;
    p.to_file = format != NULL;
    if (format && !format->write)
        return app_usage(argv[0], "-o %s: %s files are read, not written", p.out, format->name);
    if (!resume && !p.to_file && options_check_kept(argv, argc, p.out, "prediction.json", &e))
        console_to(stderr, "nephron: note: %s\n", e.text);
    if (p.threads <= 0) p.threads = machine_processors();
    p.pool = pool_create(p.threads);
    if (!p.pool) status = error_set(&e, "cannot start %d threads", p.threads);
    if (!status) status = run_predict(&p, &e);
    if (p.pool) pool_destroy(p.pool);
    grid_warnings_free(&grids);
    json_free(record);
    return status ? app_fail(&e) : p.stopped ? interrupt_status() : 0;
}
