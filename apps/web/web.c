/* web.c - what the page (page.html) calls: fl/nephron.h with one image and one model at a time, and what a
 * viewer needs of them.
 *
 * Files lie in the module's file system, which worker.js keeps in memory. Every function returns 0 or a
 * pointer, else -1 or NULL with the reason in web_error. A failed call leaves the image and the model that
 * were loaded before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/nephron_handles.h"
#include "io/base/file.h"
#include "nn/train/checkpoint.h"
#include "tensor/base/cpu.h"

#define EXPORT(name) __attribute__((export_name(#name)))
#define IMPORT(name) __attribute__((import_module("env"), import_name(#name)))

IMPORT(web_progress) void web_progress(int done, int of);

static nephron *n;
static nephron_image *image;
static nephron_model *model;
static char *text; /* of the last call that gave one */

/* 0, or -1 where memory is out. */
EXPORT(web_open) int web_open(void)
{
    if (!n) n = nephron_open(NEPHRON_API, 1);
    return n ? 0 : -1;
}

EXPORT(web_error) const char *web_error(void)
{
    return nephron_error(n);
}

/* The level of the kernels: "simd128", or "scalar" in a module with relaxed SIMD whose engine rounds
 * twice. */
EXPORT(web_level) const char *web_level(void)
{
    return cpu_isa_name(cpu_isa());
}

EXPORT(web_malloc) void *web_malloc(size_t bytes)
{
    return malloc(bytes);
}

EXPORT(web_free) void web_free(void *p)
{
    free(p);
}

/* ---- the image ----------------------------------------------------------------------------------------- */

/* paths: names between line feeds, a channel each (or one file of several, or the folder of a DICOM
 * series). */
EXPORT(web_image_read) int web_image_read(char *paths)
{
    const char *list[CHANNELS_MAX + 1];
    int files = 0;
    for (char *p = strtok(paths, "\n"); p && files <= CHANNELS_MAX; p = strtok(NULL, "\n")) list[files++] = p;
    nephron_image *next = nephron_image_read(n, list, files);
    if (!next) return -1;
    nephron_image_free(image);
    image = next;
    return 0;
}

/* Voxels [z][y][x][channel]. */
EXPORT(web_image_voxels) const float *web_image_voxels(void)
{
    return image ? image->sample.image : NULL;
}

static const char *keep_text(struct json *j)
{
    free(text);
    text = j ? json_format(j, 0) : NULL;
    json_free(j);
    if (!text) error_set(&n->e, "out of memory for a description");
    return text;
}

/* {"size": [z, y, x], "channels", "spacing": [z, y, x], "affine": 3 rows of 4, of the voxel x, y, z to mm
 * right, anterior, superior}. */
EXPORT(web_image_describe) const char *web_image_describe(void)
{
    struct json *j = json_object(), *size = json_add_array(j, "size"),
                *spacing = json_add_array(j, "spacing"), *rows;
    const struct sample *s = &image->sample;
    rows = json_add_array(j, "affine");
    for (int a = 0; a < 3; a++) {
        struct json *row = json_array();
        json_add_int(size, NULL, s->size[a]);
        json_add_number(spacing, NULL, s->spacing[a]);
        for (int b = 0; b < 4; b++) json_add_number(row, NULL, s->affine[a][b]);
        json_add(rows, NULL, row);
    }
    json_add_int(j, "channels", s->channels);
    return keep_text(j);
}

/* ---- the model ----------------------------------------------------------------------------------------- */

static int take_model(nephron_model *next)
{
    if (!next) return -1;
    const struct run *r = &next->run;
    const int numbers = r->options.covariates.count, arrays = !r->plan && run_of_arrays(r);
    if (arrays)
        error_set(&n->e,
                  "%s: was trained on a MedMNIST file, whose values are from 0 to 1: the program predicts "
                  "such files",
                  r->dataset.name);
    else if (numbers)
        error_set(&n->e,
                  "%s: takes %d covariates beside the image, the first is %s: the program reads them from "
                  "tables",
                  r->dataset.name, numbers, r->options.covariates.name[0]);
    if (arrays || numbers) {
        nephron_model_free(next);
        return -1;
    }
    nephron_model_free(model);
    model = next;
    return 0;
}

/* A run folder or a model folder of nnU-Net. */
EXPORT(web_model_load) int web_model_load(const char *folder)
{
    return take_model(nephron_model_load(n, folder, NULL));
}

/* A .safetensors file that tells its own plan (nephron_model_save). */
EXPORT(web_model_read) int web_model_read(const char *path)
{
    struct json *state = NULL;
    unsigned char *bytes = NULL;
    size_t size;
    if (checkpoint_state(path, &state, &n->e)) return -1;
    char *description = json_get(state, "dataset") ? json_format(state, 0) : NULL;
    json_free(state);
    int status =
        description
            ? file_read(path, 0, &bytes, &size, &n->e)
            : error_set(&n->e, "%s: holds weights without a plan: add plans.json and dataset.json of its run",
                        file_name(path));
    if (!status) status = take_model(nephron_model_parse(n, description, bytes, size));
    free(bytes);
    free(description);
    return status;
}

/* {"name", "task", "channels": [names], "labels": [{"name", "value"}], "networks", "parameters", "patch"}. */
EXPORT(web_model_describe) const char *web_model_describe(void)
{
    struct json *j = json_object(), *channels = json_add_array(j, "channels"),
                *labels = json_add_array(j, "labels");
    const struct run *r = &model->run;
    const struct dataset *d = &r->dataset;
    json_add_text(j, "name", d->name);
    json_add_text(j, "task", r->plan ? "segment" : "classify");
    json_add_text(j, "configuration", r->plan ? r->configuration : "");
    for (int k = 0; k < d->channels; k++) json_add_text(channels, NULL, d->channel_name[k]);
    int classes = r->plan ? d->labels : r->options.classifier.classes;
    for (int k = 0; k < classes; k++) {
        struct json *label = json_object();
        char name[80]; /* the labels of a classifier's dataset are those of its masks */
        snprintf(name, sizeof name, "class %d", k);
        json_add_text(label, "name", r->plan ? d->label_name[k] : name);
        json_add_int(label, "value", r->plan ? d->label_value[k] : k);
        json_add(labels, NULL, label);
    }
    json_add_int(j, "networks", model->folds);
    json_add_int(j, "parameters", model->folds ? (int64_t)nephron_pack(NULL, model->model[0], NULL) : 0);
    return keep_text(j);
}

/* ---- prediction ---------------------------------------------------------------------------------------- */

/* Sizes are 32 bits here. What a prediction holds of the whole image at a time, roughly: the image twice, and
 * for each class a map of floats; refused before any of these sizes can wrap. */
static int check_size(void)
{
    if (!image || !model) return error_set(&n->e, "an image and a model are needed");
    const struct sample *s = &image->sample;
    double voxels = (double)s->size[0] * s->size[1] * s->size[2], spacing = 1;
    const struct plan *p = model->run.plan;
    for (int a = 0; p && a < 3; a++) spacing *= p->spacing[a] > 0 ? s->spacing[a] / p->spacing[a] : 1;
    double bytes = voxels * (s->channels * 4.0 + 2) +
                   voxels * (p && spacing > 1 ? spacing : 1) * (s->channels + (p ? p->classes : 0)) * 4.0;
    if (bytes < 3.5e9) return 0;
    return error_set(&n->e,
                     "the image of %d x %d x %d voxels needs about %.1f GB with this model, and a page has "
                     "4: use the program",
                     s->size[2], s->size[1], s->size[0], bytes / 1e9);
}

static int tell(void *arg, int done, int of)
{
    (void)arg;
    web_progress(done, of);
    return 0;
}

/* Label values [z][y][x], or NULL; the caller frees them. */
EXPORT(web_segment) uint8_t *web_segment(void)
{
    if (check_size() || !nephron_predict_bytes(model, image)) return NULL; /* sets the networks up */
    model->segmenter.sliding.progress = tell;
    uint8_t *map = malloc((size_t)image->sample.size[0] * image->sample.size[1] * image->sample.size[2]);
    if (!map) error_set(&n->e, "out of memory for the label map");
    if (map && nephron_predict(model, image, map, NULL) == 0) return map;
    free(map);
    return NULL;
}

/* Probabilities of the classes; the caller frees them. */
EXPORT(web_classify) float *web_classify(void)
{
    if (check_size()) return NULL;
    float *probabilities = calloc(LABELS_MAX, sizeof *probabilities);
    if (!probabilities) error_set(&n->e, "out of memory for the probabilities");
    if (probabilities && nephron_predict(model, image, NULL, probabilities) == 0) return probabilities;
    free(probabilities);
    return NULL;
}

/* A map of web_segment into a file in the image's geometry. */
EXPORT(web_labels_write) int web_labels_write(const char *path, const uint8_t *map)
{
    return nephron_labels_write(image, path, map);
}
