/* cmd_predict.c - segment images, or give class probabilities, with a trained run. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apps/base/console.h"
#include "apps/base/interrupt.h"
#include "apps/base/options.h"
#include "apps/command/commands.h"
#include "apps/command/predict.h"
#include "apps/training/predictions.h"
#include "apps/base/progress.h"
#include "io/base/csv.h"
#include "io/formats/image_formats.h"
#include "io/base/file.h"
#include "io/base/text.h"
#include "nn/folder/run.h"
#include "nn/train/classify.h"
#include "nn/data/labelmap.h"
#include "nn/train/learner_data.h"
#include "tensor/base/clock.h"
#include "tensor/base/cpu.h"

static int load_images(struct sample *s, const struct predict *p, const struct image_case *c, struct error *e)
{
    const char *path[CHANNELS_MAX];
    const int channels = p->run.dataset.channels;
    const struct grid_check grids = grid_warnings_check(p->grids);
    image_case_paths(path, c, channels);
    return sample_load(s, path, channels, c->choice, &grids, e);
}

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

/* Nothing but our own predictions is written over: no image, and no label map that may be somebody's work. */
static int check_outputs(const struct predict *p, const struct image_cases *cases, struct error *e)
{
    char record[1300], path[1300], npz[1300];
    if (p->to_file && cases->count != 1)
        return error_set(e, "-o %s: is a file, but there are %d cases", p->out, cases->count);
    if (file_join(record, sizeof record, p->out, "prediction.json", e)) return -1;
    int ours = !p->to_file && file_exists(record);
    for (int i = 0; i < cases->count; i++) {
        if (output_paths(path, npz, p, &cases->item[i], e)) return -1;
        if (!file_exists(path)) continue;
        for (int k = 0; cases->item[i].path[k][0]; k++)
            if (file_is_same(cases->item[i].path[k], path))
                return error_set(e, "%s: is an image to predict, the label map would replace it", path);
        if (!ours && !p->overwrite)
            return error_set(e, "%s: is there already, and %s; --overwrite replaces it", path,
                             p->to_file ? "may be somebody's work"
                                        : "no prediction.json tells that it is a prediction");
    }
    for (int k = 0; !p->to_file && k < p->inputs.count; k++)
        if (file_is_same(p->out, p->inputs.text[k]))
            return error_set(e, "-o %s: is the folder of the images: give another", p->out);
    return 0;
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
    if (load_images(&raw, p, c, e)) return -1;
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
    if (file_join(path, sizeof path, p->run_path, "postprocessing.json", e)) return -1;
    return file_exists(path) ? postprocess_read(post, path, &p->run.dataset, e) : 0;
}

static int run_previous(struct predict *p, struct error *e);

static void record_segmenter(struct predict *p, const struct segmenter *s, double announced)
{
    struct json *axes = json_add_array(p->record, "mirrored_axes");
    for (int a = 0; a < 3; a++)
        if (s->sliding.mirror[a]) json_add_int(axes, NULL, a);
    postprocess_to_json(p->record, &s->post, s->dataset);
    json_add_int(p->record, "announced_peak_bytes", (int64_t)announced);
}

static int segment(struct predict *p, struct model **model, struct error *e)
{
    struct segmenter s = {.plan = p->run.plan, .dataset = &p->run.dataset, .bf16 = p->run.options.bf16};
    struct image_cases cases;
    char again[1300];
    double announced = 0, start = clock_seconds();
    s.sliding.step = p->step;
    for (int a = 0; a < 3; a++) s.sliding.mirror[a] = p->mirror && p->run.mirror[a];
    int status = image_cases_list(&cases, &p->inputs, &p->run.dataset, &p->choice, e);
    if (!status) status = check_outputs(p, &cases, e);
    if (!status) status = read_postprocessing(&s.post, p, e);
    for (int k = 0; !status && k < p->fold_count; k++) status = segmenter_add(&s, model[k], p->pool, e);
    if (!status) status = announce_peak(&announced, p, &s, &cases, model, e);
    if (!status) status = predict_record_begin(p, model, e);
    if (!status && !p->to_file)
        status = dataset_spare(p->out, e) || run_spare(p->out, e) || file_mkdirs(p->out, e) ? -1 : 0;
    if (!status) status = predict_record_write(p, e);
    if (!status) status = run_previous(p, e);
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

/* ---- classification ------------------------------------------------------------------------------------ */

/* Cases of a dataset or .npz: all that are there, or one part of a MedMNIST file. */
static int load_dataset_cases(struct predict *p, struct dataset *d, struct learner_data *data,
                              struct error *e)
{
    int part = strcmp(p->part, "train") == 0  ? PART_TRAIN
               : strcmp(p->part, "val") == 0  ? PART_VAL
               : strcmp(p->part, "test") == 0 ? PART_TEST
                                              : -1;
    if (dataset_open(d, p->inputs.text[0], e)) return -1;
    p->run.options.covariates_file = p->covariates;
    int *role = calloc((size_t)d->cases + 1, sizeof *role);
    int any = d->json == NULL;
    if (!role) return error_set(e, "out of memory for %d cases", d->cases);
    for (int i = 0; i < d->cases; i++) role[i] = part < 0 || !any || (int)d->item[i].part == part;
    struct progress bar = progress_begin("load", p->quiet);
    const struct reading how = {grid_warnings_check(p->grids), NULL, NULL, p->pool, progress_callback, &bar};
    int status = learner_data_load(data, d, &p->run.options, NULL, role, 1, &how, e);
    progress_end(&bar);
    free(role);
    return status;
}

/* Mask of the region to crop, masks/CASE.ending: any value but 0 is inside. */
static int load_mask(struct sample *s, const struct predict *p, const char *id, struct error *e)
{
    const struct dataset unlabelled = {.ignore_label = -1};
    char path[1300];
    struct label_index any;
    struct labelmap m;
    if (snprintf(path, sizeof path, "%s/%s%s", p->masks, id, p->run.dataset.file_ending) >= (int)sizeof path)
        return error_set(e, "%s: path is too long", p->masks);
    if (label_index_create(&any, &unlabelled, path, e)) return -1;
    int status = labelmap_read(&m, path, &any, e);
    label_index_free(&any);
    if (status) return -1;
    s->label = m.index;
    if (memcmp(m.size, s->size, sizeof m.size) == 0) return 0;
    return error_set(e, "%s: mask is %d x %d x %d, the image %d x %d x %d", path, m.size[2], m.size[1],
                     m.size[0], s->size[2], s->size[1], s->size[0]);
}

/* Of images without a dataset: from --covariates, and volumes from --masks. */
static int read_covariates(struct predict *p, const struct image_cases *c, struct learner_data *data,
                           struct error *e)
{
    const struct covariates *v = &p->run.options.covariates;
    char names[COVARIATE_LIST];
    const int volume = covariates_volume(v), columns = v->count - (volume >= 0);
    if (!v->count) return 0;
    covariates_list(names, v);
    if (columns && !p->covariates)
        return error_set(e, "%s: takes %s beside the image: --covariates FILE with a column case and theirs",
                         p->run_path, names);
    if (volume >= 0 && !p->masks)
        return error_set(e, "%s: takes %s beside the image: --masks DIR for the volume", p->run_path, names);
    const char **id = malloc(((size_t)c->count + 1) * sizeof *id);
    data->covariate = malloc(((size_t)c->count + 1) * (size_t)v->count * sizeof *data->covariate);
    data->covariates = v->count;
    int status = id && data->covariate ? 0 : error_set(e, "out of memory for %d cases", c->count);
    for (int i = 0; !status && i < c->count; i++) id[i] = c->item[i].id;
    if (!status) status = covariates_read(data->covariate, v, id, c->count, &p->covariates, columns > 0, e);
    free(id);
    return status;
}

static int load_folder_cases(struct predict *p, struct image_cases *c, struct learner_data *data,
                             struct error *e)
{
    if (image_cases_list(c, &p->inputs, &p->run.dataset, &p->choice, e) || read_covariates(p, c, data, e))
        return -1;
    struct case_store *store = &data->store;
    const int volume = covariates_volume(&p->run.options.covariates);
    if (case_store_create(store, c->count, 0)) return error_set(e, "out of memory for %d cases", c->count);
    for (int i = 0; i < c->count; i++) {
        struct sample s;
        if (load_images(&s, p, &c->item[i], e)) return -1;
        int status = p->masks ? load_mask(&s, p, c->item[i].id, e) : 0;
        if (!status && volume >= 0)
            data->covariate[i * data->covariates + volume] = covariate_volume(&s);
        if (!status) status = classify_prepare(&store->prepared[i], &s, p->run.options.crop, 1, e);
        sample_free(&s);
        if (status) return -1;
    }
    return 0;
}

static int classify(struct predict *p, struct model **model, struct error *e)
{
    struct dataset d = {0};
    struct image_cases images = {0};
    struct learner_data data = {0};
    char json[1300], path[1300];
    if (file_join(json, sizeof json, p->inputs.text[0], "dataset.json", e) ||
        file_join(path, sizeof path, p->out, "predictions.csv", e))
        return -1;
    if (p->covariates && !p->run.options.covariates.count)
        return error_set(e, "--covariates: %s takes images alone", p->run_path);
    int from_dataset = file_exists(json) || file_has_suffix(p->inputs.text[0], ".npz");
    if (from_dataset && p->inputs.count > 1)
        return error_set(e, "%s: is a dataset, and no other -i can stand beside it", p->inputs.text[0]);
    const double start = clock_seconds();
    int status = predict_record_begin(
        p, model, e); /* before anything is replaced: other weights are an error at --resume */
    if (!status) status = file_mkdirs(p->out, e);
    if (!status) status = predict_record_write(p, e);
    if (!status)
        status = from_dataset ? load_dataset_cases(p, &d, &data, e) : load_folder_cases(p, &images, &data, e);
    struct predictions r = {0};
    if (!status) predict_tell_missing(p, &data);
    if (!status) status = predictions_create(&r, data.store.cases, p->run.options.classifier.classes, e);
    for (int i = 0; !status && i < r.cases; i++) {
        r.id[i] = from_dataset ? d.item[data.store.index[i]].id : images.item[i].id;
        r.label[i] = from_dataset ? d.item[data.store.index[i]].target : -1;
    }
    if (!status) status = predictions_run(&r, model, p->fold_count, &p->run.options, &data, p->pool, e);
    if (!status) status = predictions_write(&r, path, e);
    if (!status) status = predict_record_finish(p, r.cases, clock_seconds() - start, e);
    json_free(p->record);
    p->record = NULL;
    if (!status && !p->quiet) predictions_print(&r, path);
    predictions_free(&r);
    learner_data_free(&data);
    dataset_close(&d);
    image_cases_free(&images);
    return status;
}

/* ---- the command --------------------------------------------------------------------------------------- */

/* "0,1,2" or "all" of --folds, else those that are there. */
static int choose_folds(struct predict *p, struct error *e)
{
    const char *at = p->folds_text;
    if (!at) {
        p->fold_count = run_folds(p->folds, FOLDS_MAX, &p->run, p->checkpoint);
        if (p->fold_count) return 0;
        return error_set(e, "%s: no fold_*/checkpoint_%s.safetensors or .pth: is it a trained run?",
                         p->run_path, p->checkpoint ? p->checkpoint : "*");
    }
    for (; *at; at += strcspn(at, ","), at += *at == ',') {
        size_t n = strcspn(at, ",");
        int number = n > 0 && n <= 4 && strspn(at, "0123456789") == n;
        if (!number && !(n == 3 && strncmp(at, "all", 3) == 0))
            return error_set(e, "--folds %s: not \"all\" or a list as 0,1,2", p->folds_text);
        if (p->fold_count == FOLDS_MAX)
            return error_set(e, "--folds %s: more than %d folds", p->folds_text, FOLDS_MAX);
        char *fold = p->folds[p->fold_count++];
        snprintf(fold, sizeof p->folds[0], "%.*s", (int)n, at);
        for (int k = 0; k + 1 < p->fold_count; k++)
            if (strcmp(p->folds[k], fold) == 0)
                return error_set(e, "--folds %s: fold %s is there twice", p->folds_text, fold);
    }
    return p->fold_count ? 0 : error_set(e, "--folds: names no fold");
}

static int run_predict(struct predict *p, struct error *e);

/* Where the first stage of a cascade is: as asked, as the manifest says, or the run of the same name but for
 * the configuration, as nnU-Net's model folders lie side by side. */
static int find_previous(char *dir, size_t size, const struct predict *p)
{
    const struct run *r = &p->run;
    const char *mine = NULL; /* the last place: a folder above may have the word too */
    for (const char *at = p->run_path; *at && (at = strstr(at, r->configuration)); at++) mine = at;
    if (p->previous_stage || file_is_dir(r->previous_stage))
        return snprintf(dir, size, "%s", p->previous_stage ? p->previous_stage : r->previous_stage) <
               (int)size;
    return mine &&
           snprintf(dir, size, "%.*s%s%s", (int)(mine - p->run_path), p->run_path, r->plan->previous_stage,
                    mine + strlen(r->configuration)) < (int)size &&
           file_is_dir(dir);
}

/* Label maps of the first stage: those of the folder, or predicted now into OUT/previous_stage. */
static int run_previous(struct predict *p, struct error *e)
{
    char dir[1300];
    const struct plan *plan = p->run.plan;
    if (!plan || !plan->previous_labels)
        return p->previous_stage ? error_set(e, "--previous-stage %s: configuration %s has no previous stage",
                                             p->previous_stage, p->run.configuration)
                                 : 0;
    if (!find_previous(dir, sizeof dir, p))
        return error_set(e,
                         "%s: %s needs the segmentations of %s: --previous-stage with its run, or with a "
                         "folder of label maps",
                         p->run_path, p->run.configuration, plan->previous_stage);
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

static int run_predict(struct predict *p, struct error *e)
{
    struct model *model[FOLDS_MAX] = {NULL};
    if (run_open(&p->run, p->run_path, e)) return -1;
    p->run.options.bf16 = strcmp(p->precision, "bf16") == 0;
    int status = choose_folds(p, e);
    for (int k = 0; !status && k < p->fold_count; k++)
        if (!(model[k] = run_model(&p->run, p->folds[k], p->checkpoint, e))) status = -1;
        else model_drop_gradients(model[k]);
    if (!status) status = predict_check_task(p, e);
    if (!status && p->to_file && !p->run.options.task->planned)
        status = error_set(e, "-o %s: %s is a classification, OUT is a folder", p->out, p->run_path);
    if (!status) status = p->run.options.task->planned ? segment(p, model, e) : classify(p, model, e);
    for (int k = 0; k < p->fold_count; k++)
        if (model[k]) model_destroy(model[k]);
    run_close(&p->run);
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
    "All trained folds of RUN are averaged unless --fold names one.\n"
    "Classification: IMAGES is a dataset folder, a MedMNIST .npz or a folder of images (with --masks for the "
    "region to\n"
    "crop); OUT/predictions.csv receives case,label,probability (label only where it is known; with more "
    "than two classes\n"
    "a column probability_K each).\n\n"
    "  nephron predict run -i Dataset004_Hippocampus/imagesTs -o predictions";

int cmd_predict(int argc, char **argv)
{
    const char *resume = NULL;
    struct json *record = NULL;
    struct grid_warnings grids = GRID_WARNINGS_NONE;
    struct predict p = {
        .step = 0.5, .mirror = 1, .postprocess = 1, .part = "test", .precision = "fp32", .grids = &grids};
    struct option_spec spec[] = {
        {"input", 'i', OPTION_TEXTS, &p.inputs, "IMAGES",
         "folder of images, image, dataset or .npz; may be given several times", 0, 0, 0},
        {"output", 'o', OPTION_OUTPUT, &p.out, "OUT",
         "folder of the results, or the label map of one image (out.nii.gz)", 0, 0, 0},
        {"overwrite", 0, OPTION_FLAG, &p.overwrite, NULL,
         "replace label maps in OUT that are no predictions of ours", 0, 0, 0},
        {"resume", 0, OPTION_TEXT, &resume, "OUT",
         "go on with the prediction that was begun in OUT; it knows its options", 0, 0, 0},
        {"json", 0, OPTION_OUTPUT, &p.json, "FILE", "volumes of every case and what predicted them, as JSON",
         0, 0, 0},
        {"folds", 'f', OPTION_TEXT, &p.folds_text, "LIST",
         "folds to average, as 0,1,2; all: the one trained on all cases (default: those found)", 0, 0, 0},
        {"fold", 0, OPTION_TEXT, &p.folds_text, "K", "the same", 0, 0, 0},
        {"checkpoint", 0, OPTION_TEXT, &p.checkpoint, "NAME",
         "which weights (default: final, else best, else latest)", 0, 0, "final|best|latest"},
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
         "postprocessing.json to apply (default: the run's, where it is)", 0, 0, 0},
        {"no-postprocessing", 0, OPTION_NOFLAG, &p.postprocess, NULL, "label maps as the network gives them",
         0, 0, 0},
        {"probabilities", 0, OPTION_FLAG, &p.probabilities, NULL,
         "also CASE.npz with the class probabilities", 0, 0, 0},
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
        if (operands.count || p.inputs.count || p.out)
            return app_usage(argv[0], "--resume OUT stands alone: RUN, -i and -o are in its prediction.json");
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
    if (p.max_gb > 0) volume_set_limit(p.max_gb);
    if (!p.inputs.count) return app_usage(argv[0], "needs -i IMAGES");
    if (!p.out) return app_usage(argv[0], "needs -o OUT");
    const struct image_format *format =
        volume_suffix(p.out) && !file_is_dir(p.out) ? image_format_named(p.out) : NULL;
    p.to_file = format != NULL;
    if (format && !format->write)
        return app_usage(argv[0], "-o %s: %s files are read, not written", p.out, format->name);
    if (p.threads <= 0) p.threads = cpu_count();
    p.pool = pool_create(p.threads);
    if (!p.pool) status = error_set(&e, "cannot start %d threads", p.threads);
    if (!status) status = run_predict(&p, &e);
    if (p.pool) pool_destroy(p.pool);
    grid_warnings_free(&grids);
    json_free(record);
    return status ? app_fail(&e) : p.stopped ? interrupt_status() : 0;
}
