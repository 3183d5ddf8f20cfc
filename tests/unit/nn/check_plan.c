/* check_plan.c - folds and plans against scikit-learn's and nnU-Net's own: tests/data/golden_plans.json,
 * golden/data.json. And inputs on which nnU-Net's planner fails or never ends. */
#include <stdint.h>
#include <unistd.h>

#include "io/base/file.h"
#include "nn/plan/fingerprint.h"
#include "nn/planner/planner.h"
#include "nn/data/splits.h"
#include "nn/planner/plans_json.h"
#include "tests/unit/expect.h"

static const char golden_plans[] = "tests/data/golden_plans.json",
                  golden_data[] = "tests/data/golden/data.json";

static struct json *must_read(const char *path)
{
    struct error e;
    struct json *j = json_read(path, &e);
    if (!j) {
        printf("%s\n", e.text);
        exit(1);
    }
    return j;
}

/* ---- splits -------------------------------------------------------------------------------------------- */

static void check_kfold(const struct json *golden)
{
    const struct json *list = json_get(golden, "splits");
    CHECK(list && list->count == 4, "splits in %s", golden_data);
    for (int g = 0; g < list->count; g++) {
        int n = (int)json_integer(list->item[g], "n", 0), fold[300], bad = 0;
        const struct json *want = json_get(list->item[g], "fold");
        CHECK(splits_kfold(fold, n, 5, 12345) == 0, "no memory");
        for (int i = 0; i < n; i++) bad += fold[i] != want->item[i]->integer;
        CHECK(bad == 0, "KFold of %d: %d items differ", n, bad);
    }
    /* numpy.random.RandomState(0).permutation(10) and (42) */
    static const int want[2][10] = {{2, 8, 4, 9, 1, 6, 7, 3, 0, 5}, {8, 1, 5, 0, 7, 2, 9, 4, 3, 6}};
    for (int k = 0; k < 2; k++) {
        int index[10];
        splits_permutation(index, 10, k ? 42 : 0);
        CHECK(memcmp(index, want[k], sizeof index) == 0, "permutation with seed %d", k ? 42 : 0);
    }
}

static void check_splits_refused(const char *path, const char *const *ids, int n, const char *text,
                                 const char *message)
{
    int role[16];
    struct error e = {""};
    CHECK(file_write(path, text, strlen(text), &e) == 0, "%s", e.text);
    CHECK(splits_read(role, ids, n, path, 0, &e) == -1 && strstr(e.text, message) && strstr(e.text, path),
          "%s: got '%s'", text, e.text);
}

static void check_splits_file(const char *folder)
{
    static const char *const ids[] = {"a", "b", "c", "d", "e", "f", "g"};
    char path[600];
    int role[7], fold[7];
    struct error e = {""};
    CHECK(file_join(path, sizeof path, folder, "splits.json", &e) == 0, "%s", e.text);
    CHECK(splits_kfold(fold, 7, 5, 12345) == 0, "no memory");
    CHECK(splits_write(ids, fold, 7, 5, path, &e) == 0, "%s", e.text);
    for (int k = 0; k < 5; k++) {
        CHECK(splits_read(role, ids, 7, path, k, &e) == 0, "%s", e.text);
        for (int i = 0; i < 7; i++)
            CHECK(role[i] == (fold[i] == k ? 2 : 1), "fold %d, id %d: role %d", k, i, role[i]);
    }
    /* A fold beyond the file's: RandomState(12345 + 9).choice(7, 5, replace=False). */
    CHECK(splits_read(role, ids, 7, path, 9, &e) == 0, "%s", e.text);
    int train = 0;
    for (int i = 0; i < 7; i++) train += role[i] == 1;
    CHECK(train == 5, "random split trains on %d of 7", train);
    check_splits_refused(path, ids, 7, "{}", "not a list of folds");
    check_splits_refused(path, ids, 7, "[{\"train\": [\"a\"]}]", "val");
    check_splits_refused(path, ids, 7, "[{\"train\": [\"z\"], \"val\": []}]", "'z' is not in the dataset");
    check_splits_refused(path, ids, 7, "[{\"train\": [\"a\"], \"val\": [\"a\"]}]",
                         "'a' is in training and in validation");
    check_splits_refused(path, ids, 7, "[{\"train\": [1], \"val\": [\"a\"]}]", "not a case id");
    check_splits_refused(path, ids, 7, "[{\"train\"", "line");
    unlink(path);
}

static void check_sites(void)
{
    enum { N = 53, SITES = 4 };
    int strata[N], site[N], again[N], size[SITES] = {0}, of[3][SITES] = {{0}};
    for (int i = 0; i < N; i++) strata[i] = i * i % 7 % 3;
    CHECK(splits_sites(site, strata, N, SITES, 5) == 0, "no memory");
    CHECK(splits_sites(again, strata, N, SITES, 5) == 0, "no memory");
    CHECK(memcmp(site, again, sizeof site) == 0, "the same seed gives the same sites");
    CHECK(splits_sites(again, strata, N, SITES, 6) == 0, "no memory");
    CHECK(memcmp(site, again, sizeof site) != 0, "another seed gives other sites");
    for (int i = 0; i < N; i++) {
        size[site[i]]++;
        of[strata[i]][site[i]]++;
    }
    for (int s = 0; s < SITES; s++) {
        CHECK(size[s] == N / SITES || size[s] == N / SITES + 1, "site %d has %d of %d", s, size[s], N);
        for (int k = 0; k < 3; k++)
            CHECK(abs(of[k][s] - of[k][0]) <= 1, "stratum %d: %d at site %d, %d at site 0", k, of[k][s], s,
                  of[k][0]);
    }
    CHECK(splits_sites(site, NULL, N, 1, 5) == 0, "no memory");
    for (int i = 0; i < N; i++) CHECK(site[i] == 0, "one site");
}

/* ---- golden plans -------------------------------------------------------------------------------------- */

static int same_ints(const int *v, const struct json *want)
{
    int same = want != NULL;
    for (int i = 0; same && i < want->count; i++) same = v[i] == (int)want->item[i]->number;
    return same;
}

static const char *preset_of(const char *planner)
{
    static const char *const map[][2] = {
        {"plain8GB", "default"}, {"ResEncM", "resenc_m"}, {"ResEncL", "resenc_l"}, {"ResEncXL", "resenc_xl"}};
    for (int i = 0; i < 4; i++)
        if (strcmp(map[i][0], planner) == 0) return map[i][1];
    return "unknown";
}

static void check_golden_plan(const struct json *v)
{
    const struct json *spacings = json_get(v, "spacing"), *medians = json_get(v, "median");
    const char *name = json_text(v, "name", "?"), *planner = json_text(v, "planner", "?");
    int dims = spacings->count, first = 3 - dims;
    double spacing[3] = {1, 1, 1}, median[3] = {1, 1, 1}, voxels = json_number(v, "n_train", 0);
    for (int a = 0; a < dims; a++) {
        spacing[first + a] = spacings->item[a]->number;
        median[first + a] = medians->item[a]->number;
        voxels *= median[first + a];
    }
    struct plan_options o = plan_options_default();
    struct plan p;
    struct error e;
    o.preset = preset_of(planner);
    if (plan_topology(&p, spacing, median, dims, (int)json_integer(v, "n_labels_incl_bg", 0), voxels, &o,
                      &e)) {
        CHECK(0, "%s, %s: %s", name, planner, e.text);
        return;
    }
    CHECK(same_ints(p.patch + first, json_get(v, "patch")), "%s, %s: patch %d %d %d", name, planner,
          p.patch[0], p.patch[1], p.patch[2]);
    CHECK(p.batch == json_integer(v, "batch", 0), "%s, %s: batch %d", name, planner, p.batch);
    CHECK(p.estimate == json_number(v, "estimate", 0), "%s, %s: estimate %.0f", name, planner, p.estimate);
    CHECK(p.stages == json_get(v, "features")->count && same_ints(p.features, json_get(v, "features")),
          "%s, %s: features", name, planner);
    for (int s = 0; s < p.stages; s++) {
        CHECK(same_ints(p.kernel[s] + first, json_at(json_get(v, "kernels"), s)),
              "%s, %s: kernel of stage %d", name, planner, s);
        CHECK(same_ints(p.stride[s] + first, json_at(json_get(v, "strides"), s)),
              "%s, %s: stride of stage %d", name, planner, s);
    }
}

/* ---- plans.json ---------------------------------------------------------------------------------------- */

/* Equal JSON: keys in the same order, numbers of the same kind. */
static int same_json(const struct json *a, const struct json *b, char *where, size_t size)
{
    if (a->type != b->type || a->count != b->count) return 0;
    switch (a->type) {
    case JSON_INT:
    case JSON_BOOL: return a->integer == b->integer;
    case JSON_DOUBLE: return fabs(a->number - b->number) <= 1e-12 * fabs(b->number);
    case JSON_STRING: return strcmp(a->string, b->string) == 0;
    default: break;
    }
    for (int i = 0; i < a->count; i++)
        if ((a->type == JSON_OBJECT && strcmp(a->item[i]->key, b->item[i]->key) != 0) ||
            !same_json(a->item[i], b->item[i], where, size)) {
            if (a->item[i]->key) snprintf(where, size, "%s", a->item[i]->key);
            return 0;
        }
    return 1;
}

static struct dataset described(const struct json *description, const char *name, const char *path)
{
    struct dataset d;
    struct error e = {""};
    CHECK(json_write(description, path, &e) == 0 && dataset_read_header(&d, path, &e) == 0, "%s", e.text);
    snprintf(d.name, sizeof d.name, "%s", name);
    return d;
}

static void check_plan_read_back(const struct plans *p, const struct dataset *d, const char *path)
{
    struct plans q;
    struct error e = {""};
    if (plans_write(p, path, &e) || plans_read(&q, path, d, &e)) {
        CHECK(0, "%s", e.text);
        return;
    }
    CHECK(q.count == p->count, "%d configurations read back of %d", q.count, p->count);
    for (int i = 0; i < q.count; i++)
        CHECK(memcmp(&q.plan[i], &p->plan[i], sizeof q.plan[i]) == 0, "%s: read back differs",
              q.plan[i].configuration);
    plans_free(&q);
    unlink(path);
}

/* Our plan of a fingerprint is nnU-Net's, member by member. */
static void check_planned(const struct json *g, const char *folder)
{
    const char *name = json_text(g, "name", "?");
    char path[600], where[64] = "";
    struct fingerprint f;
    struct plans p;
    struct error e = {""};
    struct plan_options o = plan_options_default();
    CHECK(file_join(path, sizeof path, folder, "x.json", &e) == 0, "%s", e.text);
    struct dataset d = described(json_get(g, "dataset"), name, path);
    CHECK(fingerprint_from_json(&f, json_get(g, "fingerprint"), "golden", &e) == 0, "%s", e.text);
    struct json *back = fingerprint_json(&f);
    CHECK(same_json(back, json_get(g, "fingerprint"), where, sizeof where),
          "%s: fingerprint written differs at %s", name, where);
    json_free(back);
    if (plans_make(&p, &f, &d, &o, &e)) {
        CHECK(0, "%s: %s", name, e.text);
        return;
    }
    CHECK(same_json(p.json, json_get(g, "plans"), where, sizeof where),
          "%s: plans.json differs from nnU-Net's at %s", name, where);
    check_plan_read_back(&p, &d, path);
    plans_free(&p);
    fingerprint_free(&f);
    dataset_close(&d);
}

/* Configurations by name, and plans with options of ours, on the dataset with a cascade. */
static void check_configurations(const struct json *g, const char *folder)
{
    char path[600];
    struct fingerprint f;
    struct plans p;
    struct error e = {""};
    struct plan_options o = plan_options_default();
    CHECK(file_join(path, sizeof path, folder, "x.json", &e) == 0, "%s", e.text);
    struct dataset d = described(json_get(g, "dataset"), "Dataset001_Cascade", path);
    CHECK(d.ignore_label == 3 && d.labels == 3, "ignore %d, labels %d", d.ignore_label, d.labels);
    CHECK(fingerprint_from_json(&f, json_get(g, "fingerprint"), "golden", &e) == 0 &&
              plans_make(&p, &f, &d, &o, &e) == 0,
          "%s", e.text);
    CHECK(p.count == 4 && plans_find(&p, "3d_lowres", &e) != NULL, "%d configurations", p.count);
    const struct plan *cascade = plans_find(&p, "3d_cascade_fullres", &e);
    CHECK(cascade && strcmp(cascade->previous_stage, "3d_lowres") == 0 && cascade->previous_labels == 2 &&
              plan_inputs(cascade) == cascade->channels + 2,
          "cascade: %s", e.text);
    CHECK(plans_find(&p, "4d", &e) == NULL && strstr(e.text, "2d, 3d_lowres, 3d_fullres"),
          "unknown configuration: %s", e.text);
    plans_free(&p);
    o.base_features = 8;
    o.batch = 3;
    o.patch[0] = 30, o.patch[1] = 64, o.patch[2] = 65;
    CHECK(plans_make(&p, &f, &d, &o, &e) == 0, "%s", e.text);
    const struct plan *full = plans_find(&p, "3d_fullres", &e);
    CHECK(full && full->features[0] == 8 && full->batch == 3 && full->patch[0] == 32 &&
              full->patch[1] == 64 && full->patch[2] == 80,
          "options: features %d, batch %d, patch %d %d %d", full->features[0], full->batch, full->patch[0],
          full->patch[1], full->patch[2]);
    check_plan_read_back(&p, &d, path);
    plans_free(&p);
    fingerprint_free(&f);
    dataset_close(&d);
}

/* The members that nnU-Net before 2.4 had in the place of "architecture", of its own plans. */
static void make_old(struct json *configuration)
{
    static const char *const moved[][2] = {{"n_conv_per_stage", "n_conv_per_stage_encoder"},
                                           {"n_conv_per_stage_decoder", "n_conv_per_stage_decoder"},
                                           {"strides", "pool_op_kernel_sizes"},
                                           {"kernel_sizes", "conv_kernel_sizes"}};
    const struct json *a = json_get(configuration, "architecture"), *k = json_get(a, "arch_kwargs");
    const int flat = json_get(configuration, "patch_size")->count == 2;
    if (!a) return;
    json_add_text(configuration, "UNet_class_name", "PlainConvUNet");
    json_add_int(configuration, "UNet_base_num_features", 32);
    json_add_int(configuration, "unet_max_num_features", flat ? 512 : 320);
    for (int i = 0; i < 4; i++) json_add(configuration, moved[i][1], json_copy(json_get(k, moved[i][0])));
    json_remove(configuration, "architecture");
}

/* They are read as the plans with it. */
static void check_old_plans(const struct json *golden)
{
    struct json *j = json_copy(golden), *all = json_get(j, "configurations");
    const char *const intensities[] = {"foreground_intensity_properties_per_channel",
                                       "foreground_intensity_properties_by_modality"};
    struct error e = {""};
    struct plans p, old;
    for (int i = 0; i < all->count; i++)
        if (!json_get(all->item[i], "inherits_from")) make_old(all->item[i]);
    json_add(j, intensities[1], json_copy(json_get(j, intensities[0])));
    json_remove(j, intensities[0]);
    CHECK(plans_from_json(&p, golden, NULL, "new", &e) == 0, "%s", e.text);
    CHECK(plans_from_json(&old, j, NULL, "old", &e) == 0, "%s", e.text);
    CHECK(old.count == p.count && p.count == 4, "%d of %d configurations", old.count, p.count);
    for (int i = 0; i < p.count && i < old.count; i++)
        CHECK(memcmp(&old.plan[i], &p.plan[i], sizeof *p.plan) == 0, "%s of old plans is another",
              p.plan[i].configuration);
    plans_free(&old);
    json_add_text(json_get(all, "2d"), "UNet_class_name", "SwinUNETR");
    json_remove(json_get(all, "3d_lowres"), "pool_op_kernel_sizes");
    CHECK(plans_from_json(&old, j, NULL, "old", &e) == 0 && !plans_find(&old, "2d", &e) &&
              strstr(e.text, "2d: UNet_class_name: network 'SwinUNETR' is not supported"),
          "got '%s'", e.text);
    CHECK(!plans_find(&old, "3d_lowres", &e) && strstr(e.text, "3d_lowres: no pool_op_kernel_sizes"),
          "got '%s'", e.text);
    plans_free(&old);
    plans_free(&p);
    json_free(j);
}

/* What PyTorch and nnU-Net's classes have without a member is another network than with it. */
static void check_left_out(const struct json *golden)
{
    static const char *const member[][3] = {{"conv_bias", NULL, "conv_bias"},
                                            {"norm_op", NULL, "norm_op 'null'"},
                                            {"nonlin", NULL, "nonlin 'null'"},
                                            {"norm_op_kwargs", NULL, "norm_op_kwargs differ"},
                                            {"norm_op_kwargs", "affine", "norm_op_kwargs differ"}};
    for (size_t i = 0; i < sizeof member / sizeof *member; i++) {
        struct json *j = json_copy(golden), *at = json_get(j, "configurations");
        struct error e = {""};
        struct plans p;
        at = json_get(json_get(json_get(at, "2d"), "architecture"), "arch_kwargs");
        if (member[i][1]) json_remove(json_get(at, member[i][0]), member[i][1]);
        else json_remove(at, member[i][0]);
        CHECK(plans_from_json(&p, j, NULL, "some.json", &e) == 0 && !plans_find(&p, "2d", &e) &&
                  strstr(e.text, member[i][2]),
              "without %s: got '%s'", member[i][member[i][1] ? 1 : 0], e.text);
        plans_free(&p);
        json_free(j);
    }
}

/* Where no configuration is left, the first one's fault is that of the file. */
static void check_no_configuration(const struct json *golden)
{
    struct json *j = json_copy(golden), *all = json_get(j, "configurations");
    struct error e = {""};
    struct plans p;
    for (int i = 0; i < all->count; i++) {
        json_remove(all->item[i], "patch_size");
        if (!json_get(all->item[i], "inherits_from")) json_add_text(all->item[i], "batch_size", "two");
    }
    CHECK(plans_from_json(&p, j, NULL, "some.json", &e) == -1 &&
              strstr(e.text, "some.json: configurations: 2d: patch_size"),
          "got '%s'", e.text);
    json_free(j);
}

/* A plans.json with one member changed has to be refused, with the file and the member in the message; one of
 * a configuration where this is asked for, as nnU-Net does. */
static void check_plans_refused(const struct json *golden)
{
    static const struct {
        const char *key[4], *value, *message;
    } bad[] = {
        {{"configurations"}, "[]", "no configurations"},
        {{"transpose_forward"}, "[0, 0, 2]", "transpose_forward"},
        {{"transpose_forward"}, "[0, 1, 3]", "transpose_forward"},
        {{"foreground_intensity_properties_per_channel"}, "{}", "foreground_intensity"},
        {{"configurations", "3d_fullres", "patch_size"}, "[96, 160, -160]", "patch_size"},
        {{"configurations", "3d_fullres", "patch_size"}, "[96, 160, 161]", "multiple"},
        {{"configurations", "3d_fullres", "spacing"}, "[1, 0, 1]", "spacing"},
        {{"configurations", "3d_fullres", "batch_size"}, "0", "batch_size"},
        {{"configurations", "3d_fullres", "normalization_schemes"}, "[\"Own\"]", "'Own' is not supported"},
        {{"configurations", "3d_fullres", "resampling_fn_data"}, "\"fast\"", "'fast' is not supported"},
        {{"configurations", "3d_fullres", "resampling_fn_data_kwargs"},
         "{\"order\": 1}",
         "resampling_fn_data_kwargs"},
        {{"configurations", "3d_fullres", "architecture"}, "null", "network_class_name"},
        {{"configurations", "3d_fullres", "batch_dice"}, "1", "3d_fullres: batch_dice is neither true nor"},
        {{"configurations", "3d_fullres", "use_mask_for_norm"}, "[1]", "use_mask_for_norm[0] is neither"},
        {{"configurations", "3d_fullres", "preprocessor_name"}, "7", "preprocessor_name is no text"},
        {{"configurations", "3d_cascade_fullres", "previous_stage"}, "3", "previous_stage is no text"},
        {{"configurations", "3d_fullres", "resampling_fn_data_kwargs"},
         "{\"is_seg\": 1, \"order\": 3, \"order_z\": 0, \"force_separate_z\": null}",
         "resampling_fn_data_kwargs: is_seg is neither true nor false"},
        {{"label_manager"}, "{}", "label_manager is no text"},
        {{"configurations", "3d_lowres", "architecture", "network_class_name"},
         "\"a.SwinUNETR\"",
         "'a.SwinUNETR' is not supported"},
        {{"configurations", "3d_lowres", "architecture", "network_class_name"},
         "\"mine.PlainConvUNet\"",
         "'mine.PlainConvUNet' is not supported"},
        {{"configurations", "3d_fullres", "resampling_fn_data_kwargs"},
         "{\"is_seg\": false, \"order\": 3.5, \"order_z\": 0, \"force_separate_z\": null}",
         "resampling_fn_data_kwargs"},
        {{"configurations", "3d_cascade_fullres", "inherits_from"}, "\"3d_cascade_fullres\"", "circle"},
        {{"configurations", "3d_cascade_fullres", "inherits_from"}, "\"x\"", "'x' is not there"},
        {{"configurations", "3d_cascade_fullres", "inherits_from"}, "1", "inherits_from is no text"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct json *j = json_copy(json_get(golden, "plans")), *at = j;
        struct error e = {""};
        struct plans p;
        int k = 0;
        for (; k < 3 && bad[i].key[k + 1]; k++) at = json_get(at, bad[i].key[k]);
        json_add(at, bad[i].key[k], json_parse(bad[i].value, strlen(bad[i].value), &e));
        const char *configuration = bad[i].key[1];
        int status = plans_from_json(&p, j, NULL, "some.json", &e);
        if (configuration) {
            CHECK(status == 0 && plans_find(&p, "2d", &e) && !plans_find(&p, "none", &e),
                  "%s: the other configurations are as they were: %s", configuration, e.text);
            status = plans_find(&p, configuration, &e) ? 0 : error_prefix(&e, "some.json");
            plans_free(&p);
        }
        CHECK(status == -1 && strstr(e.text, bad[i].message) && strncmp(e.text, "some.json: ", 11) == 0,
              "%s = %s: got '%s'", bad[i].key[k], bad[i].value, e.text);
        json_free(j);
    }
}

/* ---- inputs without a good answer ---------------------------------------------------------------------- */

static void check_usable(const struct plan *p, const char *what)
{
    CHECK(p->stages >= 2 && p->stages <= STAGES_MAX && p->batch >= 2, "%s, %s: %d stages, batch %d", what,
          p->configuration, p->stages, p->batch);
    for (int a = 0; a < 3; a++) {
        int product = 1;
        for (int s = 0; s < p->stages; s++) product *= p->stride[s][a];
        CHECK(p->patch[a] >= 1 && p->patch[a] % product == 0, "%s, %s: patch %d for strides of %d", what,
              p->configuration, p->patch[a], product);
    }
}

static void check_hostile(const char *folder)
{
    static const struct {
        double spacing[3];
        int shape[3];
    } bad[] = {
        {{1, 1, 1}, {7, 7, 7}},
        {{1, 1, 1}, {1, 1, 1}},
        {{1, 1, 1}, {2, 9, 1}},
        {{1, 1, 1}, {1, 512, 512}},
        {{1, 1, 1}, {512, 1, 512}},
        {{0.1, 1, 1}, {1, 4000, 4000}},
        {{1, 1, 1}, {4, 4000, 4000}},
        {{1, 1, 1}, {2, 100000, 2}},
        {{1e-5, 1, 1e5}, {3000, 10, 10}},
        {{1e-6, 1e6, 1}, {1, 1000000, 1}},
        {{1, 1, 1}, {1000000, 1000000, 1000000}},
        {{100, 1, 1}, {1, 20000, 20000}},
    };
    static const char description[] = "{\"channel_names\":{\"0\":\"x\"},\"labels\":{\"background\":0,"
                                      "\"a\":1},\"numTraining\":1,\"file_ending\":\".nii.gz\"}";
    static const char *const preset[] = {"default", "resenc_xl"};
    char path[600];
    struct error e = {""};
    CHECK(file_join(path, sizeof path, folder, "x.json", &e) == 0, "%s", e.text);
    struct json *j = json_parse(description, strlen(description), &e);
    struct dataset d = described(j, "Dataset009_Hostile", path);
    unlink(path);
    json_free(j);
    for (size_t i = 0; i < 2 * sizeof bad / sizeof *bad; i++) {
        double spacing[1][3];
        int shape[1][3];
        memcpy(spacing[0], bad[i / 2].spacing, sizeof spacing[0]);
        memcpy(shape[0], bad[i / 2].shape, sizeof shape[0]);
        struct fingerprint f = {
            .cases = 1, .channels = 1, .spacing = spacing, .shape = shape, .median_relative_size = 1};
        struct plan_options o = plan_options_default();
        struct plans p;
        char what[100];
        o.preset = preset[i % 2];
        snprintf(what, sizeof what, "%d x %d x %d at %g x %g x %g mm, %s", shape[0][0], shape[0][1],
                 shape[0][2], spacing[0][0], spacing[0][1], spacing[0][2], o.preset);
        if (plans_make(&p, &f, &d, &o, &e)) {
            CHECK(strstr(e.text, "plan: ") == e.text, "%s: %s", what, e.text);
            continue;
        }
        for (int k = 0; k < p.count; k++) check_usable(&p.plan[k], what);
        plans_free(&p);
        o.memory_gb = 1e-6;
        CHECK(plans_make(&p, &f, &d, &o, &e) == -1 && strstr(e.text, "fits into"), "%s in 1 KB: '%s'", what,
              e.text);
    }
    dataset_close(&d);
}

static void check_tiny(void)
{
    struct plan_options o = plan_options_default();
    struct plan p;
    struct error e;
    double one[3] = {1, 1, 1}, seven[3] = {7, 7, 7}, zero[3] = {1, 0, 1}, many[3] = {NAN, 1, 1};
    CHECK(plan_topology(&p, one, seven, 3, 2, 343, &o, &e) == 0 && p.patch[0] == 8 && p.stages == 2,
          "7 x 7 x 7: patch %d, %d stages", p.patch[0], p.stages);
    CHECK(plan_topology(&p, zero, seven, 3, 2, 343, &o, &e) == -1 && strstr(e.text, "spacing"), "spacing 0");
    CHECK(plan_topology(&p, one, many, 3, 2, 343, &o, &e) == -1 && strstr(e.text, "median size"),
          "median size NaN");
    o.preset = "huge";
    CHECK(plan_topology(&p, one, seven, 3, 2, 343, &o, &e) == -1 && strstr(e.text, "'huge'"),
          "unknown preset");
}

/* As many of each value as single draws give, from and to the same state. */
static void check_counted_draws(void)
{
    static const uint32_t most[] = {0, 1, 2, 63, 64, 700, 1023};
    enum { DRAWS = 5000, VALUES = 1024 };
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        const uint32_t max = most[i];
        struct random_state one, all;
        uint32_t expected[VALUES] = {0}, times[VALUES] = {0};
        CHECK(random_state_count_room(max) <= VALUES && random_state_count_room(max) > max, "room for %u",
              max);
        random_state_seed(&one, 1234);
        random_state_seed(&all, 1234);
        for (int draw = 0; draw < DRAWS; draw++) expected[random_state_interval(&one, max)]++;
        random_state_count(&all, times, max, DRAWS);
        CHECK(memcmp(expected, times, (max + 1) * sizeof *times) == 0, "draws up to %u", max);
        CHECK(random_state_u32(&one) == random_state_u32(&all), "the state after draws up to %u", max);
    }
}

/* The same counts and the same state from a beginning that is shared, and where nothing is. */
static void check_shared_draws(void)
{
    static const uint32_t most[] = {0,    1,    2,    500,  511,   512,   3000,
                                    4095, 4096, 8191, 8192, 16382, 16383, 16384, 20000};
    static const int draws[] = {1, 7, 1000, 50000, 1000003};
    struct random_prefix p;
    uint32_t *expected = malloc(32768 * sizeof *expected), *times = malloc(32768 * sizeof *times);
    for (size_t k = 0; k < 2 * sizeof draws / sizeof *draws; k++) {
        const int count = draws[k / 2], shared = k % 2;
        CHECK(random_prefix_create(&p, 1234, count, shared ? 3 : 1) == 0 && !p.times == !shared, "%d draws",
              count);
        for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
            const uint32_t max = most[i];
            struct random_state one, other;
            memset(expected, 0, 32768 * sizeof *expected);
            memset(times, 0, 32768 * sizeof *times);
            random_state_seed(&one, 1234);
            random_state_count(&one, expected, max, count);
            random_prefix_count(&p, &other, times, max);
            CHECK(memcmp(expected, times, (max + 1) * sizeof *times) == 0, "%d shared draws up to %u", count,
                  max);
            CHECK(random_state_u32(&one) == random_state_u32(&other),
                  "the state after %d shared draws up to %u", count, max);
        }
        random_prefix_free(&p);
    }
    free(expected);
    free(times);
}

int main(void)
{
    char folder[] = "/tmp/nephron_plan_XXXXXX";
    CHECK(mkdtemp(folder) != NULL, "mkdtemp");
    struct json *golden = must_read(golden_data), *vectors = must_read(golden_plans);
    check_kfold(golden);
    check_splits_file(folder);
    check_sites();
    const struct json *list = json_get(vectors, "vectors");
    CHECK(list && list->count == 17, "rows of %s", golden_plans);
    for (int i = 0; i < list->count; i++) check_golden_plan(list->item[i]);
    const struct json *planned = json_get(golden, "planned");
    CHECK(planned && planned->count == 5, "plans in %s", golden_data);
    for (int i = 0; i < planned->count; i++) check_planned(planned->item[i], folder);
    check_configurations(planned->item[0], folder);
    check_plans_refused(planned->item[0]);
    check_no_configuration(json_get(planned->item[0], "plans"));
    check_old_plans(json_get(planned->item[0], "plans"));
    check_left_out(json_get(planned->item[0], "plans"));
    check_hostile(folder);
    check_tiny();
    check_counted_draws();
    check_shared_draws();
    json_free(golden);
    json_free(vectors);
    char left[64];
    snprintf(left, sizeof left, "%s/x.json", folder);
    unlink(left);
    CHECK(rmdir(folder) == 0, "%s is not empty", folder);
    return check_done("check_plan");
}
