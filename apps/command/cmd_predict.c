/* cmd_predict.c - segment images, or give class probabilities, with a trained run. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "apps/base/options.h"
#include "apps/training/predictions.h"
#include "apps/base/progress.h"
#include "nn/infer/segmenter.h"
#include "io/base/csv.h"
#include "io/formats/image_formats.h"
#include "io/base/file.h"
#include "nn/train/classify.h"
#include "tensor/base/clock.h"
#include "tensor/base/cpu.h"

struct predict {
    const char *run_path, *images, *out, *previous_stage, *folds_text, *checkpoint, *masks, *part, *postprocessing, *precision;
    double step;
    int postprocess, mirror, probabilities, threads, quiet;
    struct image_choice choice;
    struct run run;
    struct pool *pool;
    char folds[FOLDS_MAX][16];
    int fold_count;
    char previous[1300]; /* of a cascade: folder of the first stage's label maps */
};

/* ---- what to predict: cases named by their files ------------------------------------------------------------------ */

struct image_case {
    char id[ID_MAX];
    char path[CHANNELS_MAX][1300];
    const struct image_choice *choice;
};
struct image_cases {
    struct image_case *item;
    int count;
    const struct image_choice *choice;
    const char *ending; /* of the label maps: as the images, .nii.gz for DICOM */
};

/* "CASE_0000.nii.gz" -> CASE and channel 0. */
static int split_name(char id[ID_MAX], int *channel, const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);
    if (n < m + 6 || strcmp(name + n - m, ending) || n - m - 5 >= ID_MAX) return 0;
    const char *digits = name + n - m - 5;
    if (digits[0] != '_' || strspn(digits + 1, "0123456789") < 4) return 0;
    *channel = atoi(digits + 1);
    memcpy(id, name, n - m - 5);
    id[n - m - 5] = 0;
    return 1;
}

/* NULL behind the last file. */
static int case_paths(const char *path[CHANNELS_MAX], const struct image_case *c, int channels)
{
    int files = 0;
    for (int k = 0; k < channels; k++) path[k] = c->path[k][0] ? c->path[k] : NULL;
    while (files < channels && path[files]) files++;
    return files;
}

/* A file for each channel, or fewer that hold them all. */
static int check_channels(const struct image_case *c, const char *folder, const char *ending, const struct dataset *d, struct error *e)
{
    const char *path[CHANNELS_MAX];
    int files = case_paths(path, c, d->channels), held = files > 0 && files < d->channels ? sample_channels(path, files, c->choice, e) : files;
    if (held < 0) return -1;
    if (held != d->channels && held > files)
        return error_set(e, "%s: %s %d channels (a colour image has 3, with alpha 4), the run has %d", path[0],
                         files > 1 ? "with the files beside it holds" : "holds", held, d->channels);
    if (held != d->channels)
        return error_set(e, "%s/%s_%04d%s: missing channel %d (%s)", folder, c->id, files, ending, files, d->channel_name[files]);
    return 0;
}

/* Files CASE_0000.ending, or folders of DICOM series CASE_0000 where the ending is "". */
static int list_names(struct image_cases *c, const char *folder, const struct file_list *files, const char *ending, const struct dataset *d, struct error *e)
{
    int status = 0;
    for (int i = 0; !status && i < files->count; i++) {
        char id[ID_MAX], path[1300];
        int channel;
        if (!split_name(id, &channel, files->name[i], ending)) continue;
        if (!ending[0] && (file_join(path, sizeof path, folder, files->name[i], e) || !file_is_dir(path) || !image_format_of(path))) continue;
        if (channel >= d->channels) {
            status = error_set(e, "%s/%s: channel %d, the run has %d", folder, files->name[i], channel, d->channels);
            break;
        }
        struct image_case *last = c->count ? &c->item[c->count - 1] : NULL;
        if (!last || strcmp(last->id, id)) {
            last = &c->item[c->count++];
            last->choice = c->choice;
            snprintf(last->id, sizeof last->id, "%s", id);
        }
        status = file_join(last->path[channel], sizeof last->path[channel], folder, files->name[i], e);
    }
    for (int i = 0; !status && i < c->count; i++) status = check_channels(&c->item[i], folder, ending, d, e);
    return status;
}

/* One file, or the folder of one series, is a case of one channel; its name may lack _0000. */
static int list_one(struct image_cases *c, const char *path, const char *ending, const struct dataset *d, struct error *e)
{
    int channel;
    char name[ID_MAX];
    size_t end = strlen(path);
    if (d->channels != 1) {
        int held = sample_channels(&path, 1, c->choice, e);
        if (held < 0) return -1;
        if (held > 1 && held != d->channels)
            return error_set(e, "%s: holds %d channels (a colour image has 3, with alpha 4), the run has %d", path, held,
                             d->channels);
        if (held != d->channels)
            return error_set(e, "%s: the run has %d channels: give the folder with CASE_0000%s and so on", path,
                             d->channels, ending);
    }
    if (end >= sizeof c->item[0].path[0]) return error_set(e, "%.100s...: path is too long", path);
    snprintf(c->item[0].path[0], sizeof c->item[0].path[0], "%s", path);
    while (end > 1 && path[end - 1] == '/') end--;
    c->item[0].path[0][end] = 0;
    snprintf(name, sizeof name, "%s", file_name(c->item[0].path[0]));
    c->item[0].choice = c->choice;
    c->count = 1;
    if (!split_name(c->item[0].id, &channel, name, ending)) {
        size_t n = strlen(name), suffix = volume_suffix(name);
        if (ending[0]) n -= suffix; /* a name without a known ending keeps its dots */
        memcpy(c->item[0].id, name, n);
    }
    if (strspn(c->item[0].id, ".") == strlen(c->item[0].id)) strcpy(c->item[0].id, "image"); /* of the folders "." and "/" */
    return 0;
}

static int list_folder(struct image_cases *c, const char *folder, const struct dataset *d, struct error *e)
{
    struct file_list files;
    if (file_list(folder, &files, e)) return -1;
    c->item = calloc((size_t)files.count + 1, sizeof *c->item);
    int status = c->item ? list_names(c, folder, &files, d->file_ending, d, e) : error_set(e, "%s: out of memory for %d files", folder, files.count);
    if (!status && c->count == 0) {
        c->ending = ".nii.gz";
        status = list_names(c, folder, &files, "", d, e);
    }
    if (!status && c->count == 0)
        status = image_format_of(folder) ? list_one(c, folder, "", d, e)
                                  : error_set(e, "%s: no image named CASE_0000%s, no DICOM series, no folder CASE_0000 of one", folder, d->file_ending);
    file_list_free(&files);
    return status;
}

static int list_images(struct image_cases *c, const char *path, const struct dataset *d, const struct image_choice *choice, struct error *e)
{
    memset(c, 0, sizeof *c);
    c->ending = d->file_ending;
    c->choice = choice;
    if (file_is_dir(path)) return list_folder(c, path, d, e);
    if (!file_exists(path)) return error_set(e, "%s: no such file or folder", path);
    const struct image_format *f = image_format_of(path);
    if (f && !f->write) c->ending = ".nii.gz";
    c->item = calloc(1, sizeof *c->item);
    return c->item ? list_one(c, path, d->file_ending, d, e) : error_set(e, "%s: out of memory", path);
}

static int load_images(struct sample *s, const struct image_case *c, int channels, struct error *e)
{
    const char *path[CHANNELS_MAX];
    case_paths(path, c, channels);
    return sample_load(s, path, channels, c->choice, e);
}

/* ---- segmentation --------------------------------------------------------------------------------------------------- */

static int copy_json(const struct predict *p, const char *name, struct error *e)
{
    char from[1300], to[1300];
    unsigned char *data;
    size_t size;
    if (file_join(from, sizeof from, p->run.path, name, e) || file_join(to, sizeof to, p->out, name, e)) return -1;
    if (file_read(from, 1 << 26, &data, &size, e)) return -1;
    int status = file_write(to, data, size, e);
    free(data);
    return status;
}

static int segment_case(const struct predict *p, struct segmenter *s, const struct image_case *c, const char *ending, struct error *e)
{
    char path[1300], npz[1300];
    struct sample raw;
    if (snprintf(path, sizeof path, "%s/%s%s", p->out, c->id, ending) >= (int)sizeof path ||
        snprintf(npz, sizeof npz, "%s/%s.npz", p->out, c->id) >= (int)sizeof npz)
        return error_set(e, "%s: path is too long", p->out);
    if (load_images(&raw, c, p->run.dataset.channels, e)) return -1;
    char first[1500];
    snprintf(first, sizeof first, "%.1300s/%s%s", p->previous, c->id, ending);
    int status = p->previous[0] ? sample_load_previous(&raw, &p->run.dataset, first, e) : 0;
    if (!status) status = segmenter_run(s, &raw, path, p->probabilities ? npz : NULL, NULL, NULL, e);
    if (status) error_prefix(e, "%s", c->id);
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
        size_t stored = volume_voxels(&v) * (size_t)voxel_type_bytes(v.type), packed = stat(c->path[k], &st) == 0 && S_ISREG(st.st_mode) ? (size_t)st.st_size : 0;
        stored += volume_voxels(&v) / (size_t)v.size[3] * (size_t)(v.size[3] - 1) * sizeof(float); /* more channels while it is read */
        if (stored > h->stored) h->stored = stored;
        if (packed > h->packed) h->packed = packed;
        for (int a = 0; a < 3; a++) {
            if (v.size[2 - a] > 100000) return error_set(e, "%s: axis %d has %lld voxels", c->path[k], 2 - a, (long long)v.size[2 - a]);
            h->size[a] = (int)v.size[2 - a];
            h->spacing[a] = v.spacing[2 - a];
        }
        volume_free(&v);
    }
    return 0;
}

static double peak_bytes(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss * 1024;
}

/* An upper bound of the resident memory for all cases, from their headers: the program and its heap, the weights, the network's block, and the largest
 * case. Loading the weights may have taken more: the peak so far counts too. */
static int announce_peak(double *bytes, const struct predict *p, const struct segmenter *s, const struct image_cases *cases, struct model **model, struct error *e)
{
    const double program = 48e6;
    double base = program + (double)graph_bytes(s->predictor[0].graph);
    size_t largest = 0;
    for (int k = 0; k < s->predictors; k++) base += (double)model[k]->count * sizeof(float);
    for (int i = 0; i < cases->count; i++) {
        struct infer_case h;
        size_t one;
        if (read_headers(&h, &cases->item[i], p->run.dataset.channels, e)) return -1;
        if (infer_bytes(&one, &h, &s->predictor[0], s->plan, p->probabilities, e)) return error_prefix(e, "%s", cases->item[i].id);
        if (one > largest) largest = one;
    }
    *bytes = fmax(base + (double)largest, peak_bytes());
    return 0;
}

/* prediction.json: how the label maps came about. */
static int write_record(const struct predict *p, const struct segmenter *s, int cases, double announced, double seconds, struct error *e)
{
    char path[1300];
    struct json *j = json_object(), *folds, *axes;
    json_add_text(j, "program", "nephron");
    json_add_text(j, "version", NEPHRON_VERSION);
    json_add_text(j, "run", p->run_path);
    json_add_text(j, "configuration", p->run.configuration);
    folds = json_add_array(j, "folds");
    for (int k = 0; k < p->fold_count; k++) json_add_text(folds, NULL, p->folds[k]);
    json_add_text(j, "checkpoint", p->checkpoint ? p->checkpoint : "final, best, latest");
    json_add_number(j, "step", p->step);
    axes = json_add_array(j, "mirrored_axes");
    for (int a = 0; a < 3; a++)
        if (s->sliding.mirror[a]) json_add_int(axes, NULL, a);
    postprocess_to_json(j, &s->post, s->dataset);
    json_add_int(j, "cases", cases);
    json_add_int(j, "threads", p->threads);
    json_add_number(j, "seconds", seconds);
    json_add_int(j, "announced_peak_bytes", (int64_t)announced);
    json_add_int(j, "peak_bytes", (int64_t)peak_bytes());
    int status = file_join(path, sizeof path, p->out, "prediction.json", e) || json_write(j, path, e) ? -1 : 0;
    json_free(j);
    return status;
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

static int segment(struct predict *p, struct model **model, struct error *e)
{
    struct segmenter s = {.plan = p->run.plan, .dataset = &p->run.dataset, .bf16 = p->run.options.bf16};
    struct image_cases cases;
    double announced = 0, start = clock_seconds();
    s.sliding.step = p->step;
    for (int a = 0; a < 3; a++) s.sliding.mirror[a] = p->mirror && p->run.mirror[a];
    int status = list_images(&cases, p->images, &p->run.dataset, &p->choice, e);
    if (!status) status = read_postprocessing(&s.post, p, e);
    for (int k = 0; !status && k < p->fold_count; k++) status = segmenter_add(&s, model[k], p->pool, e);
    if (!status) status = announce_peak(&announced, p, &s, &cases, model, e);
    if (!status && !p->quiet) {
        printf("%s: %d cases, %d network%s, peak memory at most %.1f MB (%.1f MB the networks' block)\n", p->run_path, cases.count, s.predictors,
               s.predictors > 1 ? "s" : "", announced * 1e-6, (double)graph_bytes(s.predictor[0].graph) * 1e-6);
        fflush(stdout);
    }
    struct progress bar = progress_begin("predict", p->quiet);
    for (int i = 0; !status && i < cases.count; i++) {
        progress_update(&bar, i, cases.count, cases.item[i].id);
        status = segment_case(p, &s, &cases.item[i], cases.ending, e);
    }
    progress_end(&bar);
    if (!status) status = copy_json(p, "dataset.json", e);
    if (!status) status = copy_json(p, "plans.json", e);
    if (!status) status = write_record(p, &s, cases.count, announced, clock_seconds() - start, e);
    if (!status && !p->quiet) printf("%s: %d label maps, peak memory %.1f MB\n", p->out, cases.count, peak_bytes() * 1e-6);
    segmenter_free(&s);
    free(cases.item);
    return status;
}

/* ---- classification ------------------------------------------------------------------------------------------------- */

/* Cases of a dataset or .npz: all that are there, or one part of a MedMNIST file. */
static int load_dataset_cases(struct predict *p, struct dataset *d, struct learner_data *data, struct error *e)
{
    int part = strcmp(p->part, "train") == 0 ? PART_TRAIN : strcmp(p->part, "val") == 0 ? PART_VAL : strcmp(p->part, "test") == 0 ? PART_TEST : -1;
    if (dataset_open(d, p->images, e)) return -1;
    int *role = calloc((size_t)d->cases + 1, sizeof *role);
    int any = d->json == NULL;
    if (!role) return error_set(e, "out of memory for %d cases", d->cases);
    for (int i = 0; i < d->cases; i++) role[i] = part < 0 || !any || (int)d->item[i].part == part;
    struct progress bar = progress_begin("load", p->quiet);
    int status = learner_data_load(data, d, &p->run.options, NULL, role, 1, p->pool, progress_callback, &bar, e);
    progress_end(&bar);
    free(role);
    return status;
}

/* Mask of the region to crop: masks/CASE.ending. */
static int load_mask(struct sample *s, const struct predict *p, const char *id, struct error *e)
{
    char path[1300];
    struct volume v;
    if (snprintf(path, sizeof path, "%s/%s%s", p->masks, id, p->run.dataset.file_ending) >= (int)sizeof path)
        return error_set(e, "%s: path is too long", p->masks);
    if (volume_read(&v, path, e)) return -1;
    size_t n = volume_voxels(&v);
    int status = 0;
    if (v.size[0] != s->size[2] || v.size[1] != s->size[1] || v.size[2] != s->size[0] || v.size[3] != 1)
        status = error_set(e, "%s: mask is %lld x %lld x %lld, the image %d x %d x %d", path, (long long)v.size[0], (long long)v.size[1],
                           (long long)v.size[2], s->size[2], s->size[1], s->size[0]);
    if (!status && !(s->label = malloc(n))) status = error_set(e, "%s: out of memory", path);
    for (size_t i = 0; !status && i < n; i++) s->label[i] = v.voxel[i] > 0.5f;
    volume_free(&v);
    return status;
}

static int load_folder_cases(struct predict *p, struct image_cases *c, struct learner_data *data, struct error *e)
{
    if (list_images(c, p->images, &p->run.dataset, &p->choice, e)) return -1;
    struct case_store *store = &data->store;
    store->sample = calloc((size_t)c->count, sizeof *store->sample);
    store->index = calloc((size_t)c->count, sizeof *store->index);
    if (!store->sample || !store->index) return error_set(e, "out of memory for %d cases", c->count);
    for (int i = 0; i < c->count; i++, store->cases++) {
        struct sample *s = &store->sample[i];
        store->index[i] = i;
        if (load_images(s, &c->item[i], p->run.dataset.channels, e)) return -1;
        if ((p->masks && load_mask(s, p, c->item[i].id, e)) || classify_prepare(s, p->run.options.crop, 1, e)) {
            sample_free(s);
            return -1;
        }
    }
    return 0;
}

static int classify(struct predict *p, struct model **model, struct error *e)
{
    struct dataset d = {0};
    struct image_cases images = {0};
    struct learner_data data = {0};
    char json[1300], path[1300];
    if (file_join(json, sizeof json, p->images, "dataset.json", e) || file_join(path, sizeof path, p->out, "predictions.csv", e)) return -1;
    int from_dataset = file_exists(json) || file_has_suffix(p->images, ".npz");
    int status = from_dataset ? load_dataset_cases(p, &d, &data, e) : load_folder_cases(p, &images, &data, e);
    struct predictions r = {0};
    if (!status) status = predictions_create(&r, data.store.cases, p->run.options.resnet.classes, e);
    for (int i = 0; !status && i < r.cases; i++) {
        r.id[i] = from_dataset ? d.item[data.store.index[i]].id : images.item[i].id;
        r.label[i] = from_dataset ? d.item[data.store.index[i]].target : -1;
    }
    if (!status) status = predictions_run(&r, model, p->fold_count, &p->run.options, &data, p->pool, e);
    if (!status) status = predictions_write(&r, path, e);
    if (!status && !p->quiet) predictions_print(&r, path);
    predictions_free(&r);
    learner_data_free(&data);
    dataset_close(&d);
    free(images.item);
    return status;
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

/* "0,1,2" or "all" of --folds, else those that are there. */
static int choose_folds(struct predict *p, struct error *e)
{
    const char *at = p->folds_text;
    if (!at) {
        p->fold_count = run_folds(p->folds, FOLDS_MAX, &p->run, p->checkpoint);
        if (p->fold_count) return 0;
        return error_set(e, "%s: no fold_*/checkpoint_%s.safetensors or .pth: is it a trained run?", p->run_path, p->checkpoint ? p->checkpoint : "*");
    }
    for (; *at; at += strcspn(at, ","), at += *at == ',') {
        size_t n = strcspn(at, ",");
        int number = n > 0 && n <= 4 && strspn(at, "0123456789") == n;
        if (!number && !(n == 3 && strncmp(at, "all", 3) == 0)) return error_set(e, "--folds %s: not \"all\" or a list as 0,1,2", p->folds_text);
        if (p->fold_count == FOLDS_MAX) return error_set(e, "--folds %s: more than %d folds", p->folds_text, FOLDS_MAX);
        snprintf(p->folds[p->fold_count++], sizeof p->folds[0], "%.*s", (int)n, at);
    }
    return p->fold_count ? 0 : error_set(e, "--folds: names no fold");
}

static int run_predict(struct predict *p, struct error *e);

static int has_folds(const char *run)
{
    static const char *const name[] = {"0", "1", "2", "3", "4", "all"};
    char path[1300];
    struct error ignored;
    for (int k = 0; k < 6; k++)
        if (run_fold_path(path, sizeof path, run, name[k], &ignored) == 0 && file_is_dir(path)) return 1;
    return 0;
}

/* Where the first stage of a cascade is: as asked, as the manifest says, or the run of the same name but for the configuration, as nnU-Net's
 * model folders lie side by side. */
static int find_previous(char *dir, size_t size, const struct predict *p)
{
    const struct run *r = &p->run;
    const char *mine = strstr(p->run_path, r->configuration);
    if (p->previous_stage || file_is_dir(r->previous_stage))
        return snprintf(dir, size, "%s", p->previous_stage ? p->previous_stage : r->previous_stage) < (int)size;
    return mine && snprintf(dir, size, "%.*s%s%s", (int)(mine - p->run_path), p->run_path, r->plan->previous_stage, mine + strlen(r->configuration)) < (int)size &&
           file_is_dir(dir);
}

/* Label maps of the first stage: those of the folder, or predicted now into OUT/previous_stage. */
static int run_previous(struct predict *p, struct error *e)
{
    char dir[1300];
    const struct plan *plan = p->run.plan;
    if (!plan || !plan->previous_labels)
        return p->previous_stage ? error_set(e, "--previous-stage %s: configuration %s has no previous stage", p->previous_stage, p->run.configuration) : 0;
    if (!find_previous(dir, sizeof dir, p))
        return error_set(e, "%s: %s needs the segmentations of %s: --previous-stage with its run, or with a folder of label maps", p->run_path, p->run.configuration,
                         plan->previous_stage);
    if (!has_folds(dir)) {
        snprintf(p->previous, sizeof p->previous, "%s", dir);
        return 0;
    }
    if (file_join(p->previous, sizeof p->previous, p->out, "previous_stage", e)) return -1;
    struct predict first = {.run_path = dir, .images = p->images, .out = p->previous, .step = p->step, .mirror = p->mirror, .threads = p->threads,
                            .quiet = p->quiet, .pool = p->pool, .part = p->part, .precision = p->precision, .choice = p->choice};
    return run_predict(&first, e);
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
    if (!status) status = file_mkdirs(p->out, e);
    if (!status) status = run_previous(p, e);
    if (!status) status = p->run.options.task == TASK_SEGMENT ? segment(p, model, e) : classify(p, model, e);
    for (int k = 0; k < p->fold_count; k++)
        if (model[k]) model_destroy(model[k]);
    run_close(&p->run);
    return status;
}

static const char predict_details[] =
    "RUN is a run of `nephron train` or `federate`, or a model folder of nnU-Net with plans.json, dataset.json and\n"
    "fold_K/checkpoint_*.pth as it is; its inference_allowed_mirroring_axes are honoured.\n"
    "Segmentation: IMAGES is a folder of CASE_0000.nii.gz files (one a channel) or one file; OUT receives CASE.nii.gz in the\n"
    "geometry of the image. A DICOM series is an image too: for one channel IMAGES may be its folder or a file of it; for\n"
    "several cases or channels a folder with the series in sub-folders CASE_0000, CASE_0001 ... All trained folds of RUN are averaged unless --fold names one.\n"
    "Classification: IMAGES is a dataset folder, a MedMNIST .npz or a folder of images (with --masks for the region to\n"
    "crop); OUT/predictions.csv receives case,label,probability (label only where it is known; with more than two classes\n"
    "a column probability_K each).\n\n"
    "  nephron predict run -i Dataset004_Hippocampus/imagesTs -o predictions";

int cmd_predict(int argc, char **argv)
{
    double max_gb = 0;
    struct predict p = {.step = 0.5, .mirror = 1, .postprocess = 1, .part = "test", .precision = "fp32"};
    struct option_spec spec[] = {
        {"input", 'i', OPTION_TEXT, &p.images, "IMAGES", "folder of images, image, dataset or .npz", 0, 0, 0},
        {"output", 'o', OPTION_TEXT, &p.out, "OUT", "folder of the results", 0, 0, 0},
        {"folds", 'f', OPTION_TEXT, &p.folds_text, "LIST", "folds to average, as 0,1,2; all: the one trained on all cases (default: those found)", 0, 0, 0},
        {"fold", 0, OPTION_TEXT, &p.folds_text, "K", "the same", 0, 0, 0},
        {"checkpoint", 0, OPTION_TEXT, &p.checkpoint, "NAME", "which weights (default: final, else best, else latest)", 0, 0, "final|best|latest"},
        {"step", 0, OPTION_NUMBER, &p.step, "X", "window step as a share of the patch (0.5)", 0.05, 1, 0},
        {"no-mirror", 0, OPTION_NOFLAG, &p.mirror, NULL, "one pass instead of all mirrored ones: eight times faster", 0, 0, 0},
        {"postprocessing", 0, OPTION_TEXT, &p.postprocessing, "FILE", "postprocessing.json to apply (default: the run's, where it is)", 0, 0, 0},
        {"no-postprocessing", 0, OPTION_NOFLAG, &p.postprocess, NULL, "label maps as the network gives them", 0, 0, 0},
        {"probabilities", 0, OPTION_FLAG, &p.probabilities, NULL, "also CASE.npz with the class probabilities", 0, 0, 0},
        {"previous-stage", 0, OPTION_TEXT, &p.previous_stage, "DIR", "3d_cascade_fullres: run of 3d_lowres, predicted first, or its label maps (default: as trained)", 0, 0, 0},
        {"series", 0, OPTION_TEXT, &p.choice.series, "UID", "of DICOM folders with several series: the one to predict (`nephron info` lists them)", 0, 0, 0},
        {"volume", 0, OPTION_INT, &p.choice.volume, "N", "of DICOM series with several volumes (times, echoes): the one to predict", 1, 100000, 0},
        {"max-gb", 0, OPTION_NUMBER, &max_gb, "G", "refuse images of more than G gigabytes in memory (default 8)", 1e-6, 1e6, 0},
        {"masks", 0, OPTION_TEXT, &p.masks, "DIR", "classification: masks CASE.nii.gz of the region to crop", 0, 0, 0},
        {"precision", 0, OPTION_TEXT, &p.precision, "P", "of activations in memory (fp32), however the network was trained", 0, 0, "fp32|bf16"},
        {"part", 0, OPTION_TEXT, &p.part, "PART", "of a MedMNIST file (test)", 0, 0, "train|val|test|all"},
        OPTION_THREADS(p.threads), OPTION_QUIET(p.quiet), {0}};
    struct command_help help = {"predict RUN -i IMAGES -o OUT [OPTIONS]", "Predicts with a trained run: label maps by sliding window, or class probabilities",
                                predict_details, spec};
    struct operands operands;
    struct error e = {""};
    int status;
    if (!options_parse(&operands, argc, argv, &help, 1, 1, &status)) return status;
    if (max_gb > 0) volume_set_limit(max_gb);
    p.run_path = operands.text[0];
    if (!p.images) return app_usage(argv[0], "needs -i IMAGES");
    if (!p.out) return app_usage(argv[0], "needs -o OUT");
    if (p.threads <= 0) p.threads = cpu_count();
    p.pool = pool_create(p.threads);
    if (!p.pool) status = error_set(&e, "cannot start %d threads", p.threads);
    if (!status) status = run_predict(&p, &e);
    if (p.pool) pool_destroy(p.pool);
    return status ? app_fail(&e) : 0;
}
