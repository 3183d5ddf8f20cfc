/* convert_weights.c - weights from PyTorch's, nnU-Net's and NumPy's files to safetensors or .npz: of a file,
 * of a model folder of nnU-Net, of one network of a run (also to ONNX). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/training/run_notes.h"
#include "apps/convert/convert.h"
#include "io/base/file.h"
#include "io/formats/weights_formats.h"
#include "io/weights/seal.h"
#include "nn/data/dataset.h"
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
    if (nnunet ? nnunet_has_unet(out) : out->count > 0) return 0;
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

int convert_file(const char *in, const char *out, const char *prefix, struct error *e)
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
        m->manifest = nnunet_manifest(w.values, &w.tensors, m->in);
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
        file_join(path, sizeof path, m->in, "postprocessing.json", e) || /* predict applies it */
        (file_exists(path) && copy_file(m, "postprocessing.json", e)) ||
        file_join(path, sizeof path, m->out, "manifest.json", e))
        return -1;
    return json_write(m->manifest, path, e);
}

int convert_folder(const char *in, const char *out, struct error *e)
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

/* ---- one network of a run ------------------------------------------------------------------------------ */

/* flat: of a 2D network, whose kernels PyTorch has without the axis that is 1 here. */
static int write_model(const struct model *m, int flat, const char *out, struct error *e)
{
    struct safetensors s = {0};
    safetensors_add_meta(&s, "format", "pt");
    for (int i = 0; i < m->params; i++) {
        const struct param *p = &m->param[i];
        int64_t dim[5];
        int axes = 0;
        for (int k = 0; k < p->ndim; k++)
            if (!flat || p->ndim < 5 || k != 2) dim[axes++] = p->dim[k];
        safetensors_add(&s, p->name, "F32", axes, dim, m->data + p->offset);
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
int convert_run(const char *in, const char *out, const char *fold, const char *checkpoint,
                struct error *e)
{
    struct run r;
    if (run_open(&r, in, e)) return -1;
    struct model *m = run_one_model(&r, fold, checkpoint, e);
    int status = !m                ? -1
                 : is_network(out) ? write_onnx(&r, m, out, e)
                                   : write_model(m, r.plan && r.plan->dims == 2, out, e);
    if (m) model_destroy(m);
    run_close(&r);
    return status;
}
