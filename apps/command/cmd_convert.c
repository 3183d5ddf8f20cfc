/* cmd_convert.c - weights from PyTorch's, nnU-Net's and NumPy's files to safetensors or .npz; images to
 * NIfTI. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apps/base/console.h"
#include "apps/base/options.h"
#include "apps/command/commands.h"
#include "io/base/file.h"
#include "io/dicom/dicom_labels.h"
#include "io/formats/image_formats.h"
#include "io/formats/weights_formats.h"
#include "io/image/voxels.h"
#include "io/weights/seal.h"
#include "nn/data/nnunet_paths.h"
#include "nn/folder/nnunet.h"
#include "nn/folder/onnx_export.h"
#include "nn/folder/run.h"
#include "tensor/graph/graph.h"

/* ---- choosing ------------------------------------------------------------------------------------------ */

/* Copies metadata, and the tensors below prefix (NULL: nnU-Net's network where there is one, else all)
 * without it. What was sealed is sealed anew. */
static int select_tensors(struct safetensors *out, const struct weights *w, const char *prefix,
                          const char *path, struct error *e)
{
    int nnunet = prefix == NULL && w->values != NULL && json_get(w->values, NNUNET_NETWORK) != NULL;
    if (nnunet) prefix = NNUNET_NETWORK;
    size_t n = prefix != NULL ? strlen(prefix) : 0;
    if (safetensors_meta(&w->tensors, "format") == NULL)
        safetensors_add_meta(out, "format", "pt"); /* some readers insist on it */
    for (int i = 0; i < w->tensors.metas; i++)
        if (strcmp(w->tensors.meta_key[i], SEAL_KEY) != 0)
            safetensors_add_meta(out, w->tensors.meta_key[i], w->tensors.meta_value[i]);
    for (int i = 0; i < w->tensors.count; i++) {
        const struct safetensor *t = &w->tensors.tensor[i];
        const char *name = t->name;
        if (n > 0 && (strncmp(name, prefix, n) != 0 || name[n] != '.')) continue;
        if (n > 0) name += n + 1;
        if (nnunet) name = nnunet_tensor_name(name);
        if (name != NULL) safetensors_add(out, name, t->dtype, t->ndim, t->dim, t->data);
    }
    if (safetensors_meta(&w->tensors, SEAL_KEY)) seal_add(out);
    if (out->count > 0) return 0;
    return error_set(e, "%s: no tensors%s%s%s (of %d in the file)", path,
                     nnunet ? " encoder.* or decoder.*" : "", n ? " below " : "", n ? prefix : "",
                     w->tensors.count);
}

/* ---- writing ------------------------------------------------------------------------------------------- */

/* A network with such a value predicts nothing: train and predict refuse it, a file of it may be wanted. */
static void tell_diverged(const struct safetensors *s, const char *path)
{
    for (int i = 0; i < s->count; i++) {
        const struct safetensor *t = &s->tensor[i];
        const size_t width = safetensors_dtype_bytes(t->dtype);
        size_t bad = 0;
        if (t->dtype[0] != 'F' && t->dtype[0] != 'B') continue;
        for (size_t k = 0; width && k < t->bytes / width; k++)
            if (!isfinite(safetensors_value(t, k))) bad++;
        if (bad)
            console_to(stderr, "nephron: warning: %s: tensor %s has %zu values that are NaN or infinite\n",
                       path, t->name, bad);
    }
}

static int write_tensors(const struct safetensors *s, const char *path, struct error *e)
{
    size_t bytes = 0, changed;
    if (weights_write(s, path, &changed, e)) return -1;
    if (changed > 0) printf("%zu tensors of bfloat16 or 8-bit floats became float32\n", changed);
    for (int i = 0; i < s->count; i++) bytes += s->tensor[i].bytes;
    tell_diverged(s, path);
    console("%s: %d tensors, %zu bytes\n", path, s->count, bytes);
    return 0;
}

static int convert_file(const char *in, const char *out, const char *prefix, struct error *e)
{
    const struct weights_format *f = weights_format_named(out);
    struct weights w = {0};
    struct safetensors chosen = {0};
    if (f && f->of_network)
        return error_set(e,
                         "%s: %s is written of a run or model folder, which knows the network; %s is a file",
                         out, f->name, in);
    if (f && !f->write)
        return error_set(e, "%s: %s is only read; PyTorch loads .safetensors (safetensors.torch.load_file)",
                         out, f->name);
    if (!f)
        return error_set(e,
                         "%s: must end in .safetensors or .npz; of an image in .nii, .nii.gz, .nrrd, .nhdr, "
                         ".mha, .mhd, .png or .tif",
                         out);
    int status = nnunet_refuse_version_1(in, e);
    if (!status) status = weights_read(&w, in, e);
    if (!status) status = select_tensors(&chosen, &w, prefix, in, e);
    if (!status) status = write_tensors(&chosen, out, e);
    safetensors_free(&chosen);
    weights_free(&w);
    return status;
}

/* ---- a model folder of nnU-Net ------------------------------------------------------------------------- */

static const char *const kinds[] = {"final", "best", "latest"};
enum { FOLDS_MAX = 64, KINDS = 3 };

struct model_folder {
    const char *in, *out;
    char fold[FOLDS_MAX + 1][16]; /* every one that predict finds, and "all" */
    int folds, checkpoints;
    struct json *manifest; /* of the first checkpoint */
};

/* "ROOT/fold_K/checkpoint_KIND.SUFFIX" */
static int checkpoint_path(char *buf, size_t size, const char *root, const char *fold, int kind,
                           const char *suffix, struct error *e)
{
    char folder[1200], name[64];
    snprintf(name, sizeof name, "checkpoint_%s.%s", kinds[kind], suffix);
    if (run_fold_path(folder, sizeof folder, root, fold, e)) return -1;
    return file_join(buf, size, folder, name, e);
}

static int copy_file(const struct model_folder *m, const char *name, struct error *e)
{
    char from[1300], to[1300];
    if (file_join(from, sizeof from, m->in, name, e) || file_join(to, sizeof to, m->out, name, e)) return -1;
    return file_copy(from, to, e);
}

static int convert_checkpoint(struct model_folder *m, const char *fold, int kind, struct error *e)
{
    char from[1300], to[1300], folder[1200];
    struct weights w = {0};
    struct safetensors chosen = {0};
    if (checkpoint_path(from, sizeof from, m->in, fold, kind, "pth", e)) return -1;
    if (!file_exists(from)) return 0;
    if (run_fold_path(folder, sizeof folder, m->out, fold, e) || file_mkdirs(folder, e) ||
        checkpoint_path(to, sizeof to, m->out, fold, kind, "safetensors", e))
        return -1;
    int status = weights_read(&w, from, e);
    if (!status) status = select_tensors(&chosen, &w, NULL, from, e);
    if (!status) status = write_tensors(&chosen, to, e);
    if (!status && m->manifest == NULL) {
        m->manifest = nnunet_manifest(w.values, m->in);
        json_add_text(m->manifest, "version", NEPHRON_VERSION);
    }
    safetensors_free(&chosen);
    weights_free(&w);
    return status;
}

static int find_folds(struct model_folder *m, struct error *e)
{
    struct run r;
    char path[1300];
    if (nnunet_find_model(r.path, sizeof r.path, m->in, e)) return -1;
    m->folds = run_folds(m->fold, FOLDS_MAX, &r, NULL);
    if (m->folds > FOLDS_MAX)
        return error_set(e, "%s: has %d folds, more than %d", m->in, m->folds, FOLDS_MAX);
    if (strcmp(m->fold[0], "all") != 0 && run_checkpoint(path, sizeof path, &r, "all", NULL))
        strcpy(m->fold[m->folds++], "all");
    return 0;
}

/* Loads every checkpoint into the network of the plan: what does not fit is said before anything is written,
 * not at the first image. */
static int check_model(struct model_folder *m, struct error *e)
{
    struct run r = {.path = ""};
    char path[1300];
    int status = find_folds(m, e);
    for (int i = 0; !status && i < m->folds * KINDS; i++) {
        const char *fold = m->fold[i / KINDS], *kind = kinds[i % KINDS];
        status = checkpoint_path(path, sizeof path, m->in, fold, i % KINDS, "pth", e);
        if (status || !file_exists(path)) continue;
        if (m->checkpoints++ == 0) status = run_open(&r, m->in, e);
        struct model *model = status ? NULL : run_model(&r, fold, kind, e);
        status = model ? 0 : -1;
        model_destroy(model);
    }
    run_close(&r);
    if (!status && m->checkpoints == 0)
        status = error_set(e, "%s: no fold_*/checkpoint_{final,best,latest}.pth", m->in);
    return status;
}

static void print_notes(const struct model_folder *m)
{
    const struct json *axes = json_get(json_get(m->manifest, "converted_from"),
                                       "inference_allowed_mirroring_axes");
    console("%s: run of %d checkpoints, configuration %s; every tensor fits the plan's network\n", m->out,
           m->checkpoints, json_text(m->manifest, "configuration", ""));
    if (axes != NULL && axes->type != JSON_ARRAY)
        printf("trained without mirroring: predict will not mirror\n");
}

static int convert_folds(struct model_folder *m, struct error *e)
{
    char path[1300];
    for (int i = 0; i < m->folds * KINDS; i++)
        if (convert_checkpoint(m, m->fold[i / KINDS], i % KINDS, e)) return -1;
    if (copy_file(m, "plans.json", e) || copy_file(m, "dataset.json", e) ||
        file_join(path, sizeof path, m->out, "manifest.json", e))
        return -1;
    return json_write(m->manifest, path, e);
}

static int convert_folder(const char *in, const char *out, struct error *e)
{
    static const char *const needed[] = {"plans.json", "dataset.json"};
    struct model_folder m = {.in = in, .out = out};
    char path[1300];
    for (int i = 0; i < 2; i++) {
        if (file_join(path, sizeof path, in, needed[i], e)) return -1;
        if (!file_exists(path))
            return error_set(e,
                             "%s: is missing, so %s is no model folder of nnU-Net, and %s does not end as an "
                             "image does",
                             path, in, out);
    }
    if (file_join(path, sizeof path, out, "manifest.json", e)) return -1;
    if (file_exists(path)) return error_set(e, "%s: there is a run already", out);
    if (dataset_spare(out, e) || check_model(&m, e) || file_mkdirs(out, e)) return -1;
    int status = convert_folds(&m, e);
    if (!status) print_notes(&m);
    json_free(m.manifest);
    return status;
}

/* ---- images -------------------------------------------------------------------------------------------- */

/* The type of the file it comes from where that holds every voxel; else int16 (CT: unsigned with an intercept
 * of -1024); else a float. */
static enum voxel_type lossless_type(const struct volume *v)
{
    struct error ignored;
    if (!voxels_check(v, v->type, &ignored)) return v->type;
    if (!voxels_check(v, VOXEL_I16, &ignored)) return VOXEL_I16;
    return voxels_check(v, VOXEL_F32, &ignored) ? VOXEL_F64 : VOXEL_F32;
}

/* A format that knows no place, no axes, or no spacing reads as another image than what was written. */
static void tell_lost(const struct volume *v, const char *path)
{
    struct volume again;
    struct error e;
    if (volume_read_header(&again, path, &e)) return;
    if (volume_same_geometry(v, &again, &e))
        console_to(stderr, "nephron: warning: %s: %s does not hold all of the geometry: read again, %s\n",
                   path, again.format, e.text);
    if (v->step > 0 && fabs(v->step - again.step) > 1e-6 * v->step)
        console_to(stderr, "nephron: warning: %s: %s does not hold the step from volume to volume, %.6g %s\n",
                   path, again.format, v->step, volume_step_unit(v));
    else if (v->step > 0 && v->step_unit && !again.step_unit)
        console_to(stderr, "nephron: warning: %s: %s does not hold the unit of the step, %.6g %s\n", path,
                   again.format, v->step, volume_step_unit(v));
    volume_free(&again);
}

static int write_image(struct volume *v, const char *in, const char *out, const char *part, struct error *e)
{
    enum voxel_type type = lossless_type(v);
    int status = volume_write(v, out, type, e);
    if (!status) {
        console("%s: %lld x %lld x %lld voxels, ", out, (long long)v->size[0], (long long)v->size[1],
                (long long)v->size[2]);
        if (v->size[3] > 1) console("%lld volumes, ", (long long)v->size[3]);
        console("%s, from %s%s%s\n", voxel_type_name(type), v->format, part[0] ? ", " : "", part);
        tell_lost(v, out);
    }
    if (!status && v->assumed[0]) console_to(stderr, "nephron: note: %s: assumed %s\n", in, v->assumed);
    volume_free(v);
    return status;
}

/* "OUT.nii.gz" of series and volume, counted from 1, 0 where there is but one:
 * "OUT_series2_volume1.nii.gz". */
static int part_name(char *buf, size_t size, const char *out, int series, int volume, struct error *e)
{
    size_t stem = strlen(out) - volume_suffix(out), used = stem < size ? stem : size;
    memcpy(buf, out, used);
    if (series && used < size) used += (size_t)snprintf(buf + used, size - used, "_series%d", series);
    if (volume && used < size) used += (size_t)snprintf(buf + used, size - used, "_volume%d", volume);
    if (used < size) used += (size_t)snprintf(buf + used, size - used, "%s", out + stem);
    return used < size ? 0 : error_set(e, "%.100s...: path is too long", out);
}

/* The volumes of a series: one has the name as it is given. */
static int convert_series(const char *in, const char *out, const char *uid, int number, int volume,
                          struct error *e)
{
    char name[2048];
    struct image_info d;
    struct image_choice choice = {uid, volume ? volume : volume_first(in)};
    int status = 0;
    d.volumes = choice.volume;
    for (; !status && choice.volume <= d.volumes; choice.volume++) {
        struct volume v;
        status = volume_read_choice(&v, &d, in, &choice, VOLUME_EXACT, e);
        if (!status &&
            part_name(name, sizeof name, out, number, volume || d.volumes == 1 ? 0 : choice.volume, e)) {
            volume_free(&v);
            return -1;
        }
        if (!status) status = write_image(&v, in, name, d.part, e);
        if (volume || d.volumes == 1) break;
    }
    return status;
}

static int convert_image(const char *in, const char *out, const char *series, int volume, struct error *e)
{
    char (*uid)[65];
    int count, status = volume_list_series(&uid, &count, in, series, e);
    for (int i = 0; !status && i < count; i++) {
        if (count > 1) console("series %d: %s\n", i + 1, uid[i]);
        status = convert_series(in, out, uid[i][0] ? uid[i] : NULL, count > 1 ? i + 1 : 0, volume, e);
    }
    free(uid);
    return status;
}

/* ---- label maps to DICOM ------------------------------------------------------------------------------- */

struct to_dicom {
    const char *like, *as, *labels; /* the series, "seg" or "rtstruct", dataset.json or NULL */
    struct image_choice choice;     /* of the series */
};

struct label_list {
    struct dicom_label *label; /* [LABEL_NAMES_MAX] */
    int count;
};

/* Of any value but the background's; without a name it is called by its value. */
static void add_label(void *context, int value, const char *name)
{
    struct label_list *list = context;
    if (value == 0) return;
    struct dicom_label *l = &list->label[list->count++];
    l->value = value;
    if (name) snprintf(l->name, sizeof l->name, "%s", name);
    else snprintf(l->name, sizeof l->name, "label %d", value);
}

/* Labels of the map that have no name: without dataset.json all; with one they are an error. */
static int unnamed_labels(struct label_list *list, const uint16_t *map, size_t n, const char *names,
                          struct error *e)
{
    unsigned char *known = calloc(LABEL_NAMES_MAX + 1, 1);
    if (!known) return error_set(e, "out of memory for labels");
    for (int i = 0; i < list->count; i++) known[list->label[i].value] = 1;
    int status = 0;
    for (size_t i = 0; i < n; i++)
        if (map[i] && !known[map[i]]) known[map[i]] = 2;
    for (int value = 1; value <= LABEL_NAMES_MAX && !status; value++) {
        if (known[value] == 2 && names)
            status = error_set(e, "label %d is not among the labels of %s", value, names);
        else if (known[value] == 2) add_label(list, value, NULL);
    }
    free(known);
    if (!status && list->count == 0)
        status = error_set(e, "has no label but the background, and --labels names none");
    return status;
}

static int compare_labels(const void *a, const void *b)
{
    return ((const struct dicom_label *)a)->value - ((const struct dicom_label *)b)->value;
}

/* Segments are numbered from 1 without gaps, and are what a reader of label maps takes for labels: those that
 * come out otherwise are told. */
static void tell_numbers(const char *out, const struct dicom_label *label, int count)
{
    int others = 0;
    for (int l = 0; l < count; l++) {
        if (label[l].value == l + 1 || others++ >= 5) continue;
        console_to(stderr, "nephron: note: %s: label %d (%s) is segment %d\n", out, label[l].value,
                   label[l].name, l + 1);
    }
    if (others > 5) console_to(stderr, "nephron: note: %s: so are %d more\n", out, others - 5);
}

/* The map, its labels named so far, and those that have no name. */
static int write_labels(const char *in, const char *out, const struct to_dicom *o, struct label_list *list,
                        const uint16_t *map, const struct dicom_reference *r, struct error *e)
{
    struct dicom_label *label = list->label;
    char date[16], clock[16];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%Y%m%d", &utc);
    strftime(clock, sizeof clock, "%H%M%S", &utc);
    if (unnamed_labels(list, map, volume_voxels(&r->geometry), o->labels, e))
        return error_prefix(e, "%s", in);
    const int count = list->count;
    qsort(label, (size_t)count, sizeof *label, compare_labels);
    int seg = strcmp(o->as, "seg") == 0;
    if ((seg ? dicom_seg_write : dicom_rtstruct_write)(out, map, label, count, r, "nephron " NEPHRON_VERSION,
                                                       date, clock, e))
        return -1;
    console("%s: %s of %d labels over series %s\n", out, seg ? "segmentation" : "structure set", count,
           r->series_uid);
    if (seg) tell_numbers(out, label, count);
    return 0;
}

static int convert_map(const char *in, const char *out, const struct to_dicom *o, struct label_list *list,
                       struct error *e)
{
    struct dicom_reference r;
    struct volume v;
    if (dicom_reference_read(&r, o->like, &o->choice, out, e)) return -1;
    if (volume_read_exact(&v, in, e)) {
        dicom_reference_free(&r);
        return -1;
    }
    uint16_t *map = voxels_check(&v, VOXEL_F32, e) ? NULL : dicom_labels_map(&v, &r, e);
    volume_free(&v);
    int status = map ? write_labels(in, out, o, list, map, &r, e) : error_prefix(e, "%s", in);
    free(map);
    dicom_reference_free(&r);
    return status;
}

static int convert_to_dicom(const char *in, const char *out, const struct to_dicom *o, struct error *e)
{
    struct label_list list = {calloc(LABEL_NAMES_MAX, sizeof *list.label), 0};
    int status = list.label ? 0 : error_set(e, "%s: out of memory for labels", in);
    if (!status && o->labels) status = dataset_list_labels(o->labels, add_label, &list, e);
    if (!status) status = convert_map(in, out, o, &list, e);
    free(list.label);
    return status;
}

/* ---- one network of a run ------------------------------------------------------------------------------ */

static int write_model(const struct model *m, const char *out, struct error *e)
{
    struct safetensors s = {0};
    safetensors_add_meta(&s, "format", "pt");
    for (int i = 0; i < m->params; i++) {
        const struct param *p = &m->param[i];
        int64_t dim[5];
        for (int k = 0; k < p->ndim; k++) dim[k] = p->dim[k];
        safetensors_add(&s, p->name, "F32", p->ndim, dim, m->data + p->offset);
    }
    int status = write_tensors(&s, out, e);
    safetensors_free(&s);
    return status;
}

static int write_onnx(const struct run *r, const struct model *m, const char *out, struct error *e)
{
    if (onnx_export(r, m, out, e)) return -1;
    if (r->plan)
        console("%s: image [N][%d][%s][H][W] to logits\n", out, plan_inputs(r->plan),
               r->plan->dims == 2 ? "1" : "D");
    else
        console("%s: image [N][%d][%d][%d][%d] to logits and probabilities\n", out,
                r->options.classifier.channels, r->options.crop[0], r->options.crop[1], r->options.crop[2]);
    return 0;
}

static int is_network(const char *path)
{
    const struct weights_format *f = weights_format_named(path);
    return f && f->of_network;
}

/* The network of one fold without what training kept beside it, whoever trained it. */
static int convert_run(const char *in, const char *out, const char *fold, const char *checkpoint,
                       struct error *e)
{
    struct run r;
    char first[1][16];
    if (run_open(&r, in, e)) return -1;
    if (!fold && run_folds(first, 1, &r, checkpoint) > 0) fold = first[0];
    struct model *m = fold ? run_model(&r, fold, checkpoint, e) : NULL;
    int status = m      ? (is_network(out) ? write_onnx(&r, m, out, e) : write_model(m, out, e))
                 : fold ? -1
                        : error_set(e, "%s: has no fold_*/checkpoint_%s: is it a trained run?", in,
                                    checkpoint ? checkpoint : "*");
    if (m) model_destroy(m);
    run_close(&r);
    return status;
}

/* Options of another conversion would change nothing. */
static int check_options(const struct operands *given, const struct option_spec *spec, int to_dicom)
{
    static const char *const heading[] = {"weights", "images", "label maps to DICOM"};
    const char *out = given->text[1];
    const int image = to_dicom || volume_suffix(out), is[] = {!image, image, to_dicom};
    for (int k = 0; k < 3; k++) {
        const char *other = is[k] ? NULL : options_given_below(given, spec, heading[k]);
        if (other && k == 2) return app_usage("convert", "--%s needs --like SERIES", other);
        if (other) return app_usage("convert", "--%s is for %s, %s is none of them", other, heading[k], out);
    }
    return 0;
}

int cmd_convert(int argc, char **argv)
{
    const char *prefix = NULL, *series = NULL, *fold = NULL, *checkpoint = NULL;
    int volume = 0;
    double max_gb = 0;
    struct to_dicom dicom = {.as = "seg"};
    struct option_spec spec[] = {
        {OPTION_HEADING("weights")},
        {"fold", 'f', OPTION_TEXT, &fold, "K",
         "of a folder to one file: the network of this fold (default: the first)", 0, 0, 0},
        {"checkpoint", 0, OPTION_TEXT, &checkpoint, "NAME",
         "of a folder to one file: which weights (default: final, else best, else latest)", 0, 0,
         "final|best|latest"},
        {"prefix", 'p', OPTION_TEXT, &prefix, "NAME", "only the tensors below NAME, without it (\"\": all)",
         0, 0, 0},
        {OPTION_HEADING("images")},
        {"series", 0, OPTION_TEXT, &series, "UID",
         "of a folder with several DICOM series: the one to convert (default: all)", 0, 0, 0},
        {"volume", 0, OPTION_INT, &volume, "N",
         "of a DICOM series with several volumes (times, echoes): the one to convert (default: all)", 1,
         100000, 0},
        {"max-gb", 0, OPTION_NUMBER, &max_gb, "G",
         "refuse images of more than G gigabytes in memory (default 8)", 1e-6, 1e6, 0},
        {OPTION_HEADING("label maps to DICOM")},
        {"like", 0, OPTION_TEXT, &dicom.like, "SERIES",
         "the DICOM series that the label map belongs to, a folder or a file of it", 0, 0, 0},
        {"as", 0, OPTION_TEXT, &dicom.as, "KIND",
         "a Segmentation or an RT Structure Set (seg)", 0, 0, "seg|rtstruct"},
        {"labels", 0, OPTION_TEXT, &dicom.labels, "FILE",
         "dataset.json with the names of the labels", 0, 0, 0},
        {0}};
    struct command_help help = {
        "convert IN OUT",
        "weights between nnU-Net's and PyTorch's files, safetensors and .npz, to ONNX; images between NIfTI, "
        "NRRD, MetaImage, TIFF, PNG; from DICOM",
        "IN is a .pth or .pt (nothing in it is executed), a .safetensors, a .npz, a run, or a model folder\n"
        "of nnU-Net with plans.json, dataset.json and fold_K/checkpoint_*.pth. OUT is a .safetensors or a\n"
        ".npz, of a folder the network of one fold, as PyTorch loads it into the same network\n"
        "(safetensors.torch.load_model); or, of a model folder, a new run folder of all its folds, which\n"
        "`nephron train` can continue from. Of an nnU-Net checkpoint the network is kept, each tensor under\n"
        "its first name; of other files every tensor, named by the path to it. In a .npz bfloat16 becomes\n"
        "float32 and metadata is lost.\n\n"
        "Of a run or model folder OUT may be an .onnx: the network of one fold (opset 13), input\n"
        "\"image\" [N][C][D][H][W], outputs \"logits\" and of a classifier \"probabilities\"; spacing,\n"
        "patch, labels, channels and normalisation stand in its metadata.\n\n"
        "Images: IN is a DICOM series (its folder, or any file of it) or an image file, OUT one of the\n"
        "other forms (.nii, .nii.gz, .nrrd, .nhdr, .mha, .mhd, .png, .tif): in the type of IN, else int16\n"
        "or float32 where values are scaled. Several DICOM series or volumes (times, echoes) become a file\n"
        "each: image_series1_volume2.nii.gz.\n\n"
        "A label map becomes a DICOM Segmentation or an RT Structure Set that a hospital's viewer shows\n"
        "over the series of --like: its voxels must be those of the series. Of the patient and the study\n"
        "the series' names and numbers are copied, as the standard asks for.\n\n"
        "  nephron convert SERIES_DIR image.nii.gz\n"
        "  nephron convert labels.nii.gz labels.dcm --like SERIES_DIR --labels dataset.json",
        spec};
    struct operands o;
    struct error e;
    int status;
    if (!options_parse(&o, argc, argv, &help, 2, 2, &status)) return status;
    const char *in = o.text[0], *out = o.text[1];
    if ((status = check_options(&o, spec, dicom.like != NULL))) return status;
    const char *lost = options_replaced(out, &o);
    if (lost) return app_usage("convert", "OUT %s: would replace what is read, %s", out, lost);
    const struct image_format *other = dicom.like ? image_format_named(out) : NULL;
    if ((other && other->write) || (dicom.like && weights_format_named(out)))
        return app_usage("convert", "--like writes DICOM, a .dcm, which %s is not", out);
    if (max_gb > 0) volume_set_limit(max_gb);
    if (dicom.like) {
        dicom.choice = (struct image_choice){series, volume};
        return convert_to_dicom(in, out, &dicom, &e) ? app_fail(&e) : 0;
    }
    if (file_has_suffix(out, ".dcm"))
        return app_usage("convert", "a .dcm is written of a label map, which needs --like SERIES");
    if (volume_suffix(out)) return convert_image(in, out, series, volume, &e) ? app_fail(&e) : 0;
    if (file_is_dir(in) && prefix != NULL)
        return app_usage("convert", "--prefix is for files, %s is a folder", in);
    if ((fold || checkpoint) && !(file_is_dir(in) && weights_format_named(out)))
        return app_usage("convert", "--fold and --checkpoint are for folders to one file, not %s to %s", in,
                         out);
    if (!file_is_dir(in)) status = convert_file(in, out, prefix, &e);
    else
        status = weights_format_named(out) ? convert_run(in, out, fold, checkpoint, &e)
                                           : convert_folder(in, out, &e);
    return status ? app_fail(&e) : 0;
}
