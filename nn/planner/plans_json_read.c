/* plans_json_read.c - plans.json, read: each configuration with what it inherits, and whether a network can
 * be built of it.
 * The book: docs/book/10_planning.md */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/plan/fingerprint.h"
#include "nn/planner/planner.h"
#include "nn/planner/plans_json.h"

static int is_number(const struct json *j)
{
    return j && (j->type == JSON_INT || j->type == JSON_DOUBLE);
}

/* n whole numbers in [low, high]; a single number stands for n of them, as in nnU-Net. */
static int read_ints(int *v, const struct json *j, const char *key, int n, int low, int high, struct error *e)
{
    if (!j || (!is_number(j) && (j->type != JSON_ARRAY || j->count != n)))
        return error_set(e, "%s is not a list of %d numbers", key, n);
    for (int i = 0; i < n; i++) {
        const struct json *x = j->type == JSON_ARRAY ? j->item[i] : j;
        if (!is_number(x) || x->number != floor(x->number) || !(x->number >= low && x->number <= high))
            return error_set(e, "%s[%d] is not a whole number from %d to %d", key, i, low, high);
        v[i] = (int)x->number;
    }
    return 0;
}

static int read_numbers(double *v, const struct json *j, const char *key, int n, struct error *e)
{
    if (!j || j->type != JSON_ARRAY || j->count != n)
        return error_set(e, "%s is not a list of %d numbers", key, n);
    for (int i = 0; i < n; i++) {
        const struct json *x = j->item[i];
        if (!is_number(x) || !(x->number >= 1e-6 && x->number <= 1e7))
            return error_set(e, "%s[%d] is not a number above 0", key, i);
        v[i] = x->number;
    }
    return 0;
}

/* One entry a stage, each a number or one number an axis. Axes before `first` are 1. */
static int read_stages(int (*v)[3], const struct json *j, const char *key, const struct plan *p, int high,
                       struct error *e)
{
    int first = 3 - p->dims;
    if (!j || (!is_number(j) && (j->type != JSON_ARRAY || j->count != p->stages)))
        return error_set(e, "%s is not a list of %d stages", key, p->stages);
    for (int s = 0; s < p->stages; s++) {
        v[s][0] = 1;
        if (read_ints(v[s] + first, j->type == JSON_ARRAY ? j->item[s] : j, key, p->dims, 1, high, e))
            return error_prefix(e, "stage %d", s);
    }
    return 0;
}

/* Members whose default would be taken for a value of another type, without a word. null is no value of a
 * text; of the others it is another type, too: Python's None is false where it is not an error. */
static int check_types(const struct json *j, struct error *e)
{
    enum type { TEXT, NUMBER, TRUTH };
    static const struct {
        const char *key;
        enum type type;
    } member[] = {{"affine", TRUTH},
                  {"batch_dice", TRUTH},
                  {"conv_bias", TRUTH},
                  {"eps", NUMBER},
                  {"image_reader_writer", TEXT},
                  {"inherits_from", TEXT},
                  {"is_seg", TRUTH},
                  {"label_manager", TEXT},
                  {"momentum", NUMBER},
                  {"order", NUMBER},
                  {"order_z", NUMBER},
                  {"preprocessor_name", TEXT},
                  {"previous_stage", TEXT},
                  {"resampling_fn_data", TEXT},
                  {"resampling_fn_probabilities", TEXT},
                  {"resampling_fn_seg", TEXT},
                  {"separate_z_anisotropy_threshold", NUMBER},
                  {"track_running_stats", TRUTH}};
    for (size_t i = 0; i < sizeof member / sizeof *member; i++) {
        const struct json *m = json_get(j, member[i].key);
        if (!m) continue;
        if (member[i].type == TEXT && m->type != JSON_STRING && m->type != JSON_NULL)
            return error_set(e, "%s is no text", m->key);
        if (member[i].type == NUMBER && !is_number(m)) return error_set(e, "%s is no number", m->key);
        if (member[i].type == TRUTH && m->type != JSON_BOOL)
            return error_set(e, "%s is neither true nor false", m->key);
    }
    return 0;
}

/* ---- what the network is built of ----------------------------------------------------------------------
 *
 * Anything else would train or predict something else than the plan says; nnU-Net itself refuses members that
 * its classes do not know.
 */

static int is_one_of(const char *key, const char *const *names)
{
    while (*names && strcmp(*names, key)) names++;
    return *names != NULL;
}

/* The last word of a class: the way to it differs between versions of PyTorch. */
static const char *last_word(const char *class_name)
{
    const char *last = strrchr(class_name, '.');
    return last ? last + 1 : class_name;
}

/* Of the same package and by the same last word; nnU-Net before 2.4 has that alone. */
static int is_class(const char *name, const char *own)
{
    return strcmp(last_word(name), last_word(own)) == 0 &&
           (!strchr(name, '.') || strncmp(name, own, strcspn(own, ".") + 1) == 0);
}

static int check_class(const struct json *k, const char *key, const char *want, struct error *e)
{
    const char *got = json_text(k, key, "null");
    if (is_class(got, want)) return 0;
    return error_set(e, "%s '%.200s' is not supported", key, got);
}

static int check_operations(const struct plan *p, const struct json *k, struct error *e)
{
    const struct network *n = p->network;
    const struct json *dropout = json_get(k, "dropout_op");
    if (check_class(k, "conv_op", p->dims == 2 ? "torch.nn.Conv2d" : "torch.nn.Conv3d", e) ||
        check_class(k, "nonlin", n->nonlin, e))
        return -1;
    if (dropout && dropout->type != JSON_NULL) return error_set(e, "dropout_op is not supported");
    if (json_boolean(k, "conv_bias", 0) == n->conv_bias) return 0;
    return error_set(e, "conv_bias %s is not supported", n->conv_bias ? "false" : "true");
}

/* Keyword arguments are an object, null, or not there: the members of a list have no names. */
static int check_kwargs(const struct json *k, const char *name, struct error *e)
{
    const struct json *m = json_get(k, name);
    return !m || m->type == JSON_OBJECT || m->type == JSON_NULL ? 0 : error_set(e, "%s is no object", name);
}

/* Members beside those that are read elsewhere; null or false asks for nothing. */
static int check_members(const struct plan *p, const struct json *k, struct error *e)
{
    static const char *const elsewhere[] = {"n_stages", "features_per_stage", "kernel_sizes", "strides",
                                            "conv_op", "conv_bias", "norm_op", "norm_op_kwargs", "dropout_op",
                                            "dropout_op_kwargs", "nonlin", "nonlin_kwargs",
                                            "deep_supervision", NULL};
    for (int i = 0; i < k->count; i++) {
        const struct json *m = k->item[i];
        const char *const own[] = {p->network->encoder_key, p->network->decoder_key, NULL};
        int fits = is_one_of(m->key, elsewhere) || is_one_of(m->key, own) || m->type == JSON_NULL ||
                   (m->type == JSON_BOOL && !m->integer);
        if (strcmp(m->key, "block") == 0 && m->type == JSON_STRING)
            fits = is_class(m->string, "dynamic_network_architectures.building_blocks.residual.BasicBlockD");
        if (strcmp(m->key, "stem_channels") == 0 && is_number(m)) fits = m->number == p->features[0];
        if (!fits) return error_set(e, "arch_kwargs: this value of %s is not supported", m->key);
    }
    const struct json *nonlin = json_get(k, "nonlin_kwargs");
    for (int i = 0; nonlin && i < nonlin->count; i++) {
        const struct json *m = nonlin->item[i];
        if (strcmp(m->key, "inplace") == 0) continue;
        if (strcmp(m->key, "negative_slope") || strcmp(last_word(p->network->nonlin), "LeakyReLU") ||
            !is_number(m) || fabs(m->number - 0.01) > 1e-9)
            return error_set(e, "nonlin_kwargs: %s differs from what the network has, which is not supported",
                             m->key);
    }
    return 0;
}

/* norm_op and its kwargs; what is not there is PyTorch's default. Another eps, or a norm without weights,
 * would be another network; momentum is of the running averages of batch norm alone. */
static int read_norm(struct plan *p, const struct json *k, struct error *e)
{
    static const char *const known[] = {"eps", "affine", "num_groups", "momentum", "track_running_stats",
                                        NULL};
    const struct json *kwargs = json_get(k, "norm_op_kwargs");
    const char *name = json_text(k, "norm_op", NULL);
    p->network_norm = name ? network_norm_of_class(name) : NULL;
    if (check_types(kwargs, e)) return error_prefix(e, "norm_op_kwargs");
    if (!p->network_norm)
        return error_set(e, "norm_op '%.200s' is not supported", name ? name : "null");
    for (int i = 0; kwargs && i < kwargs->count; i++)
        if (!is_one_of(kwargs->item[i]->key, known))
            return error_set(e, "norm_op_kwargs: %s is not supported", kwargs->item[i]->key);
    const int over_batch = p->network_norm->over_batch, weights = over_batch || p->network_norm->grouped;
    if (fabs(json_number(kwargs, "eps", 1e-5) - 1e-5) > 1e-12 || !json_boolean(kwargs, "affine", weights) ||
        json_boolean(kwargs, "track_running_stats", over_batch) != over_batch ||
        (over_batch && fabs(json_number(kwargs, "momentum", 0.1) - 0.1) > 1e-9))
        return error_set(e, "norm_op_kwargs differ from eps 1e-5, affine true and PyTorch's own momentum and "
                            "track_running_stats, which is not supported");
    if (!p->network_norm->grouped) return 0;
    if (read_ints(&p->norm_groups, json_get(kwargs, "num_groups"), "norm_op_kwargs.num_groups", 1, 1, 4096,
                  e))
        return -1;
    for (int s = 0; s < p->stages; s++)
        if (p->features[s] % p->norm_groups != 0)
            return error_set(e, "norm_op_kwargs.num_groups %d does not divide features_per_stage[%d] %d",
                             p->norm_groups, s, p->features[s]);
    return 0;
}

static const struct network *network_of_class(const char *name)
{
    for (int i = 0; network_table[i]; i++) {
        const char *own = network_table[i]->class_name;
        if (own && is_class(name, own)) return network_table[i];
    }
    return NULL;
}

static int read_architecture(struct plan *p, const struct json *a, struct error *e)
{
    const struct json *k = json_get(a, "arch_kwargs");
    const char *name = json_text(a, "network_class_name", NULL);
    if (!name || !k || k->type != JSON_OBJECT)
        return error_set(e, "no network_class_name with arch_kwargs");
    const struct network *n = p->network = network_of_class(name);
    if (!n) return error_set(e, "network_class_name: network '%.200s' is not supported", name);
    const char *convs = n->encoder_key;
    if (check_types(k, e) ||
        read_ints(&p->stages, json_get(k, "n_stages"), "n_stages", 1, 2, STAGES_MAX, e) ||
        check_operations(p, k, e) || check_kwargs(k, "norm_op_kwargs", e) ||
        check_kwargs(k, "nonlin_kwargs", e) ||
        read_ints(p->features, json_get(k, "features_per_stage"), "features_per_stage", p->stages, 1, 4096,
                  e) ||
        read_stages(p->kernel, json_get(k, "kernel_sizes"), "kernel_sizes", p, 7, e) ||
        read_stages(p->stride, json_get(k, "strides"), "strides", p, 8, e) ||
        read_ints(p->encoder_blocks, json_get(k, convs), convs, p->stages, 1, 64, e) ||
        read_ints(p->decoder_blocks, json_get(k, n->decoder_key), n->decoder_key, p->stages - 1, 1, 64, e) ||
        read_norm(p, k, e) || check_members(p, k, e))
        return -1;
    for (int a2 = 0; a2 < 3; a2++) {
        int product = 1;
        for (int s = 0; s < p->stages; s++) {
            if (p->kernel[s][a2] % 2 == 0)
                return error_set(e, "kernel_sizes: stage %d has the even size %d", s, p->kernel[s][a2]);
            if ((product *= p->stride[s][a2]) > 65536)
                return error_set(e, "strides multiply to more than 65536");
        }
        if (p->patch[a2] % product != 0)
            return error_set(e, "patch_size %d is no multiple of the strides' product %d", p->patch[a2],
                             product);
        if (p->stride[0][a2] != 1)
            return error_set(e, "strides: the first stage has stride %d, expected 1", p->stride[0][a2]);
    }
    return 0;
}

static int read_normalization(struct plan *p, const struct json *j, struct error *e)
{
    const struct json *schemes = json_get(j, "normalization_schemes"),
                      *masks = json_get(j, "use_mask_for_norm");
    if (!schemes || schemes->type != JSON_ARRAY || schemes->count != p->channels || !masks ||
        masks->type != JSON_ARRAY || masks->count != p->channels)
        return error_set(e, "normalization_schemes and use_mask_for_norm are not lists of %d channels",
                         p->channels);
    for (int c = 0; c < p->channels; c++) {
        const char *name = schemes->item[c]->type == JSON_STRING ? schemes->item[c]->string : "";
        int n = NORM_ZSCORE;
        while (n <= NORM_RGB_0_1 && strcmp(normalization_name((enum normalization)n), name) != 0) n++;
        if (n > NORM_RGB_0_1) return error_set(e, "normalization_schemes[%d] '%s' is not supported", c, name);
        p->normalization[c] = (enum normalization)n;
        if (masks->item[c]->type != JSON_BOOL)
            return error_set(e, "use_mask_for_norm[%d] is neither true nor false", c);
        p->use_mask_for_norm[c] = (int)masks->item[c]->integer;
    }
    return 0;
}

static int check_resampling(const struct json *j, struct error *e)
{
    static const char *const key[] = {"resampling_fn_data", "resampling_fn_seg",
                                      "resampling_fn_probabilities"};
    static const int order[] = {3, 1, 1};
    static const char *const known[] = {"is_seg", "order", "order_z", "force_separate_z",
                                        "separate_z_anisotropy_threshold", NULL};
    for (int i = 0; i < 3; i++) {
        char name[64];
        const char *fn = json_text(j, key[i], plans_resampling_fn);
        if (strcmp(fn, plans_resampling_fn) != 0) return error_set(e, "%s '%s' is not supported", key[i], fn);
        snprintf(name, sizeof name, "%s_kwargs", key[i]);
        const struct json *k = json_get(j, name), *separate = json_get(k, "force_separate_z");
        if (check_types(k, e)) return error_prefix(e, "%s", name);
        int fits = !k || (k->type == JSON_OBJECT && json_number(k, "order", 3) == order[i] &&
                          json_number(k, "order_z", 0) == 0 && separate && separate->type == JSON_NULL &&
                          json_boolean(k, "is_seg", 0) == (i == 1) &&
                          json_number(k, "separate_z_anisotropy_threshold", 3) == 3);
        for (int m = 0; fits && k && m < k->count; m++) fits = is_one_of(k->item[m]->key, known);
        if (!fits)
            return error_set(e,
                             "%s differ from nnU-Net's (is_seg %s, order %d, order_z 0, force_separate_z "
                             "null), which is not supported",
                             name, i == 1 ? "true" : "false", order[i]);
    }
    return 0;
}

/* Classes that a plan names beside its network: nnU-Net's own, or they may do what they like. */
static int check_own(const struct json *j, const char *key, const char *own, struct error *e)
{
    const char *name = json_text(j, key, own);
    return strcmp(name, own) ? error_set(e, "%s '%.100s' is not supported", key, name) : 0;
}

static int read_configuration(struct plan *p, const struct json *j, struct error *e)
{
    const struct json *patch = json_get(j, "patch_size");
    p->dims = patch && patch->type == JSON_ARRAY ? patch->count : 0;
    if (p->dims != 2 && p->dims != 3) return error_set(e, "patch_size is not a list of 2 or 3 numbers");
    int first = 3 - p->dims;
    p->patch[0] = 1;
    p->spacing[0] = 0;
    p->median_size[0] = 1;
    p->deep_supervision = 1;
    p->batch_dice = json_boolean(j, "batch_dice", 0);
    if (read_ints(p->patch + first, patch, "patch_size", p->dims, 1, 65536, e) ||
        read_numbers(p->spacing + first, json_get(j, "spacing"), "spacing", p->dims, e) ||
        read_numbers(p->median_size + first, json_get(j, "median_image_size_in_voxels"),
                     "median_image_size_in_voxels", p->dims, e) ||
        read_ints(&p->batch, json_get(j, "batch_size"), "batch_size", 1, 1, 65536, e) ||
        read_normalization(p, j, e) || check_resampling(j, e) ||
        check_own(j, "preprocessor_name", "DefaultPreprocessor", e))
        return -1;
    return read_architecture(p, json_get(j, "architecture"), e) ? error_prefix(e, "architecture") : 0;
}

/* nnU-Net before 2.4 (TotalSegmentator's models) has the numbers of a network beside the other members, and
 * no word of the rest: they become an "architecture", as its plans_handler.py makes one; j fails without
 * memory. */
static int modernise(struct json *j, struct error *e)
{
    static const char *const moved[][2] = {{"conv_kernel_sizes", "kernel_sizes"},
                                           {"pool_op_kernel_sizes", "strides"},
                                           {"n_conv_per_stage_decoder", "n_conv_per_stage_decoder"}};
    const char *name = json_text(j, "UNet_class_name", NULL);
    const struct json *blocks = json_get(j, "n_conv_per_stage_encoder"), *patch = json_get(j, "patch_size");
    char norm_class[NETWORK_NORM_CLASS];
    int base, most;
    if (!name || json_get(j, "architecture")) return 0;
    const struct network *n = network_of_class(name);
    if (!n) return error_set(e, "UNet_class_name: network '%.200s' is not supported", name);
    if (!blocks || blocks->type != JSON_ARRAY || blocks->count > STAGES_MAX)
        return error_set(e, "n_conv_per_stage_encoder is not a list of at most %d stages", STAGES_MAX);
    for (int i = 0; i < 3; i++)
        if (!json_get(j, moved[i][0])) return error_set(e, "no %s", moved[i][0]);
    if (read_ints(&base, json_get(j, "UNet_base_num_features"), "UNet_base_num_features", 1, 1, 4096, e) ||
        read_ints(&most, json_get(j, "unet_max_num_features"), "unet_max_num_features", 1, 1, 4096, e))
        return -1;
    struct json *a = json_add_object(j, "architecture"), *k = json_add_object(a, "arch_kwargs"),
                *features = json_add_array(k, "features_per_stage");
    json_add_text(a, "network_class_name", n->class_name);
    json_add_int(k, "n_stages", blocks->count);
    for (int s = 0; s < blocks->count; s++)
        json_add_int(features, NULL, base << s < most ? base << s : most);
    json_add(k, n->encoder_key, json_copy(blocks));
    for (int i = 0; i < 3; i++) json_add(k, moved[i][1], json_copy(json_get(j, moved[i][0])));
    const int dims = patch ? patch->count : 0;
    network_norm_class(norm_class, n->norm, dims);
    json_add_text(k, "norm_op", norm_class);
    json_add_bool(json_add_object(k, "norm_op_kwargs"), "affine", 1);
    json_add_text(k, "conv_op", dims == 2 ? "torch.nn.Conv2d" : "torch.nn.Conv3d");
    json_add_bool(k, "conv_bias", n->conv_bias);
    json_add_text(k, "nonlin", n->nonlin);
    return 0;
}

/* A configuration with what it inherits filled in, a new object. 1: it inherits from nothing there or in a
 * circle; -1: out of memory. */
static int resolve(struct json **out, const struct json *all, const char *name, int depth, struct error *e)
{
    const struct json *own = json_get(all, name);
    int status = 0;
    *out = NULL;
    if (!own || own->type != JSON_OBJECT || depth > CONFIGURATIONS_MAX) {
        error_set(e, "inherits_from: '%s' %s", name, own ? "leads in a circle" : "is not there");
        return 1;
    }
    if (check_types(own, e)) return 1;
    const char *parent = json_text(own, "inherits_from", NULL);
    if (!parent) *out = json_copy(own);
    else status = resolve(out, all, parent, depth + 1, e);
    if (status) return status;
    for (int i = 0; parent && i < own->count; i++) json_add(*out, own->item[i]->key, json_copy(own->item[i]));
    if (!json_failed(*out)) return 0;
    json_free(*out);
    return error_set(e, "out of memory");
}

static int is_permutation(const int v[3])
{
    int seen[3] = {0, 0, 0};
    for (int a = 0; a < 3; a++) seen[v[a]] = 1;
    return seen[0] && seen[1] && seen[2];
}

/* 1: the configuration is refused; -1: out of memory. */
static int take_configuration(struct plans *p, const struct plan *common, const struct json *all,
                              const char *name, int labels, struct error *e)
{
    struct json *j;
    struct plan plan = *common;
    int bad = resolve(&j, all, name, 0, e);
    if (bad) return error_prefix(e, "configurations: %s", name), bad;
    const char *previous = json_text(j, "previous_stage", NULL);
    if (strlen(name) >= sizeof plan.configuration)
        bad = error_set(e, "the name is longer than %zu characters", sizeof plan.configuration - 1);
    else if (previous && (strlen(previous) >= sizeof plan.previous_stage || !json_get(all, previous)))
        bad = error_set(e, "previous_stage '%s' is no configuration here", previous);
    else
        bad = modernise(j, e);
    const int lost = !bad && json_failed(j);
    if (lost) bad = error_set(e, "out of memory");
    if (!bad) bad = read_configuration(&plan, j, e);
    if (!bad) {
        strcpy(plan.configuration, name);
        plan.estimate = plan_estimate(&plan, labels);
        if (previous && plan.labels > 1) plan_cascade(&plan, previous);
        p->plan[p->count++] = plan;
    }
    json_free(j);
    if (!bad) return 0;
    error_prefix(e, "configurations: %s", name);
    return lost ? -1 : 1;
}

static int take_plans(struct plans *p, const struct json *j, const struct dataset *d, struct error *e)
{
    struct plan common;
    int channels, labels = d ? d->entries : 0, backward[3];
    const struct json *all = json_get(j, "configurations");
    memset(&common, 0, sizeof common);
    if (!all || all->type != JSON_OBJECT) return error_set(e, "no configurations");
    if (check_types(j, e)) return -1;
    if (intensity_from_json(common.intensity, &channels, j, e)) return -1;
    common.channels = d ? d->channels : channels;
    if (d) plan_take_labels(&common, d);
    if (common.channels != channels)
        return error_set(e, "is for %d channels, the dataset has %d", channels, common.channels);
    if (read_ints(common.transpose, json_get(j, "transpose_forward"), "transpose_forward", 3, 0, 2, e))
        return -1;
    if (!is_permutation(common.transpose))
        return error_set(e, "transpose_forward is no permutation of 0, 1, 2");
    const struct json *back = json_get(j, "transpose_backward");
    if (back && read_ints(backward, back, "transpose_backward", 3, 0, 2, e)) return -1;
    for (int a = 0; back && a < 3; a++)
        if (backward[common.transpose[a]] != a)
            return error_set(e, "transpose_backward does not undo transpose_forward");
    if (reader_turns(&common.to_ras, json_text(j, "image_reader_writer", NULL), "image_reader_writer", e) ||
        check_own(j, "label_manager", "LabelManager", e))
        return -1;
    snprintf(p->name, sizeof p->name, "%s", json_text(j, "plans_name", "plans"));
    if (all->count > CONFIGURATIONS_MAX)
        return error_set(e, "more than %d configurations", CONFIGURATIONS_MAX);
    if (!(p->plan = calloc((size_t)all->count + 1, sizeof *p->plan))) return error_set(e, "out of memory");
    for (int i = 0; i < all->count; i++) {
        struct error why;
        const char *name = all->item[i]->key;
        const int status = take_configuration(p, &common, all, name, labels, &why);
        if (status == 0) continue;
        if (status < 0) return error_set(e, "%s", why.text);
        if (!p->refused) p->refused = json_object();
        json_add_text(p->refused, name, why.text);
        if (json_failed(p->refused)) return error_set(e, "out of memory");
    }
    const struct json *first = json_at(p->refused, 0);
    if (p->count) return 0;
    return first ? error_set(e, "%s", first->string) : error_set(e, "no configurations");
}

int plans_from_json(struct plans *p, const struct json *j, const struct dataset *d, const char *name,
                    struct error *e)
{
    memset(p, 0, sizeof *p);
    if (take_plans(p, j, d, e)) {
        plans_free(p);
        return error_prefix(e, "%s", name);
    }
    p->json = json_copy(j);
    plans_take_slices(p);
    if (p->json) return 0;
    plans_free(p);
    return error_set(e, "%s: out of memory", name);
}

int plans_read(struct plans *p, const char *path, const struct dataset *d, struct error *e)
{
    memset(p, 0, sizeof *p);
    struct json *j = json_read(path, e);
    if (!j) return -1;
    int status = plans_from_json(p, j, d, path, e);
    json_free(j);
    return status;
}
