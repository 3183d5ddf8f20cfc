/* plans_json.c - plans.json, written; plans_json_read.c reads it.
 * The book: docs/book/10_planning.md */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "nn/plan/fingerprint.h"
#include "nn/planner/planner.h"
#include "nn/planner/plans_json.h"

const char plans_resampling_fn[] = "resample_data_or_seg_to_shape";

/* ---- writing ------------------------------------------------------------------------------------------- */

static void add_ints(struct json *j, const char *key, const int *v, int n)
{
    struct json *list = json_add_array(j, key);
    for (int i = 0; i < n; i++) json_add_int(list, NULL, v[i]);
}

static void add_numbers(struct json *j, const char *key, const double *v, int n)
{
    struct json *list = json_add_array(j, key);
    for (int i = 0; i < n; i++) json_add_number(list, NULL, v[i]);
}

static void add_triples(struct json *j, const char *key, const int (*v)[3], int n, int first)
{
    struct json *list = json_add_array(j, key);
    for (int i = 0; i < n; i++) add_ints(list, NULL, v[i] + first, 3 - first);
}

static void add_resampling(struct json *j, const char *key, int is_seg, int order)
{
    struct json *k = json_add_object(j, key);
    json_add_bool(k, "is_seg", is_seg);
    json_add_int(k, "order", order);
    json_add_int(k, "order_z", 0);
    json_add_null(k, "force_separate_z");
}

static void add_architecture(struct json *j, const struct plan *p)
{
    static const char *const imported[] = {"conv_op", "norm_op", "dropout_op", "nonlin"};
    const struct network *n = p->network;
    char norm_class[NETWORK_NORM_CLASS];
    int first = 3 - p->dims;
    struct json *a = json_add_object(j, "architecture");
    json_add_text(a, "network_class_name", n->class_name);
    struct json *k = json_add_object(a, "arch_kwargs");
    json_add_int(k, "n_stages", p->stages);
    add_ints(k, "features_per_stage", p->features, p->stages);
    json_add_text(k, "conv_op",
                  p->dims == 2 ? "torch.nn.modules.conv.Conv2d" : "torch.nn.modules.conv.Conv3d");
    add_triples(k, "kernel_sizes", p->kernel, p->stages, first);
    add_triples(k, "strides", p->stride, p->stages, first);
    add_ints(k, n->encoder_key, p->encoder_blocks, p->stages);
    add_ints(k, n->decoder_key, p->decoder_blocks, p->stages - 1);
    json_add_bool(k, "conv_bias", n->conv_bias);
    network_norm_class(norm_class, network_plan_norm_of(p), p->dims);
    json_add_text(k, "norm_op", norm_class);
    struct json *norm = json_add_object(k, "norm_op_kwargs");
    if (p->norm_groups) json_add_int(norm, "num_groups", p->norm_groups);
    json_add_number(norm, "eps", 1e-5);
    json_add_bool(norm, "affine", 1);
    json_add_null(k, "dropout_op");
    json_add_null(k, "dropout_op_kwargs");
    json_add_text(k, "nonlin", n->nonlin);
    json_add_bool(json_add_object(k, "nonlin_kwargs"), "inplace", 1);
    struct json *list = json_add_array(a, "_kw_requires_import");
    for (int i = 0; i < 4; i++) json_add_text(list, NULL, imported[i]);
}

/* The residual planners share the preprocessed data of the default one where they do not differ. */
static void add_data_identifier(struct json *j, const struct plans *all, const struct plan *p)
{
    char text[160];
    int own = strcmp(p->configuration, "2d") != 0 && strcmp(p->configuration, "3d_fullres") != 0;
    snprintf(text, sizeof text, "%s_%s", own ? all->name : "nnUNetPlans", p->configuration);
    json_add_text(j, "data_identifier", text);
}

static void add_configuration(struct json *parent, const struct plans *all, const struct plan *p)
{
    int first = 3 - p->dims, lowres = strcmp(p->configuration, "3d_lowres") == 0;
    struct json *j = json_add_object(parent, p->configuration);
    add_data_identifier(j, all, p);
    json_add_text(j, "preprocessor_name", "DefaultPreprocessor");
    json_add_int(j, "batch_size", p->batch);
    add_ints(j, "patch_size", p->patch + first, p->dims);
    struct json *median = json_add_array(j, "median_image_size_in_voxels");
    for (int a = first; a < 3; a++) {
        if (lowres)
            json_add_int(median, NULL, (int64_t)p->median_size[a]);
        else
            json_add_number(median, NULL, p->median_size[a]);
    }
    add_numbers(j, "spacing", p->spacing + first, p->dims);
    struct json *schemes = json_add_array(j, "normalization_schemes"),
                *masks = json_add_array(j, "use_mask_for_norm");
    for (int c = 0; c < p->channels; c++) {
        json_add_text(schemes, NULL, normalization_name(p->normalization[c]));
        json_add_bool(masks, NULL, p->use_mask_for_norm[c]);
    }
    json_add_text(j, "resampling_fn_data", plans_resampling_fn);
    json_add_text(j, "resampling_fn_seg", plans_resampling_fn);
    add_resampling(j, "resampling_fn_data_kwargs", 0, 3);
    add_resampling(j, "resampling_fn_seg_kwargs", 1, 1);
    json_add_text(j, "resampling_fn_probabilities", plans_resampling_fn);
    add_resampling(j, "resampling_fn_probabilities_kwargs", 0, 1);
    add_architecture(j, p);
    json_add_bool(j, "batch_dice", p->batch_dice);
    if (lowres) json_add_text(j, "next_stage", "3d_cascade_fullres");
}

/* The images are 2D where their one slice is as thick as readers make it (struct volume). */
static const char *reader_of(const struct dataset *d, const double spacing[3], const double shape[3])
{
    const char *named = json_text(d->json, "overwrite_image_reader_writer", "None");
    const int flat = shape[0] == 1 && spacing[0] == 999 * fmax(spacing[1], spacing[2]);
    return strcmp(named, "None") != 0 ? named : volume_nnunet_reader(d->file_ending, flat);
}

struct json *plans_json(const struct plans *p, const struct dataset *d, const struct plan_options *o,
                        const double median_spacing[3], const double median_shape[3])
{
    const struct plan *any = &p->plan[0];
    int shape[3], backward[3], cascade = 0;
    for (int a = 0; a < 3; a++) {
        shape[a] = (int)nearbyint(median_shape[a]);
        backward[any->transpose[a]] = a;
    }
    struct json *j = json_object();
    json_add_text(j, "dataset_name", d->name);
    json_add_text(j, "plans_name", p->name);
    add_numbers(j, "original_median_spacing_after_transp", median_spacing, 3);
    add_ints(j, "original_median_shape_after_transp", shape, 3);
    json_add_text(j, "image_reader_writer", reader_of(d, median_spacing, median_shape));
    add_ints(j, "transpose_forward", any->transpose, 3);
    add_ints(j, "transpose_backward", backward, 3);
    struct json *all = json_add_object(j, "configurations");
    for (int i = 0; i < p->count; i++) {
        if (!p->plan[i].previous_labels) add_configuration(all, p, &p->plan[i]);
        cascade |= strcmp(p->plan[i].configuration, "3d_lowres") == 0;
    }
    if (cascade) {
        struct json *c = json_add_object(all, "3d_cascade_fullres");
        json_add_text(c, "inherits_from", "3d_fullres");
        json_add_text(c, "previous_stage", "3d_lowres");
    }
    const struct plan_preset *preset;
    if (network_of_preset(o->preset, &preset))
        json_add_text(j, "experiment_planner_used", preset->planner);
    json_add_text(j, "label_manager", "LabelManager");
    intensity_to_json(j, any->intensity, any->channels);
    return j;
}

int plans_write(const struct plans *p, const char *path, struct error *e)
{
    return json_write(p->json, path, e);
}
