/* check_grids.c - two images that should lie on one grid: nnU-Net's decision (tests/golden/make_grids.py
 * asked nnunetv2 for it), with warnings told and with warnings as errors, and the library's own rule.
 */
#include "io/base/json.h"
#include "io/image/grids.h"
#include "tests/unit/expect.h"

static void set_volume(struct volume *v, const struct json *j)
{
    memset(v, 0, sizeof *v);
    v->size[3] = 1;
    for (int k = 0; k < 3; k++) {
        v->size[k] = json_at(json_get(j, "size"), k)->integer;
        v->spacing[k] = json_at(json_get(j, "spacing"), k)->number;
        const double lps = k < 2 ? -1 : 1; /* ITK's axes are LPS */
        for (int i = 0; i < 3; i++)
            v->affine[k][i] = lps * json_at(json_get(j, "direction"), 3 * k + i)->number *
                              json_at(json_get(j, "spacing"), i)->number;
        v->affine[k][3] = lps * json_at(json_get(j, "origin"), k)->number;
    }
}

static void count_warning(void *context, const char *text)
{
    *(int *)context += strstr(text, "b.nii.gz") && strstr(text, "a.nii.gz");
}

static const char *decision(const struct volume *a, const struct volume *b, enum grid_rule rule)
{
    struct error e = {""};
    int warnings = 0;
    const struct grid_check check = {.rule = rule, .tell = count_warning, .context = &warnings};
    if (grids_check(&check, a, "a.nii.gz", b, "b.nii.gz", &e))
        return strstr(e.text, "a.nii.gz") && strstr(e.text, "b.nii.gz") && !warnings ? "error" : "bad error";
    return warnings == 1 ? "warning" : warnings ? "several warnings" : "same";
}

/* A label map whose spacing or direction is another one by little lies beside its grid at the far end. */
static void check_far_corners(void)
{
    static float voxel[512 * 2 * 2];
    const struct volume grid = {.size = {512, 2, 2, 1},
                                .spacing = {1, 1, 1},
                                .affine = {{1, 0, 0, -20}, {0, 1, 0, 5}, {0, 0, 1, 7}}};
    struct error e = {""};
    for (int k = 0; k < 4; k++) {
        const double by[] = {4e-4, 9e-4, 4e-4, 9e-4};
        struct volume v = grid;
        v.voxel = voxel;
        v.affine[k < 2 ? 0 : 1][0] += by[k]; /* 0.2 and 0.46 voxels */
        uint16_t *map = grids_labels(&v, &grid, &e);
        CHECK((map != NULL) == (k % 2 == 0), "%g a step: %s", by[k], e.text);
        CHECK(map || strstr(e.text, k < 2 ? "voxel (511, 0, 0) lies at voxel (511.460, 0.000, 0.000) there"
                                          : "voxel (511, 0, 0) lies at voxel (511.000, 0.460, 0.000) there"),
              "%g a step: %s", by[k], e.text);
        free(map);
    }
    struct volume half = grid; /* finer voxels than those of the grid */
    half.voxel = voxel;
    half.affine[0][0] = 2;
    CHECK(!grids_labels(&half, &grid, &e) && strstr(e.text, "each has the volume of 2 there"), "%s", e.text);
    half.affine[0][0] = 0.5;
    CHECK(!grids_labels(&half, &grid, &e) &&
              strstr(e.text, "a step along its axis x is (0.5000, 0.0000, 0.0000) voxels there"),
          "%s", e.text);
}

int main(void)
{
    struct error e;
    struct json *pairs = json_read("tests/data/golden/grids.json", &e);
    if (!pairs) return printf("FAILED %s\n", e.text), 1;
    for (int i = 0; i < pairs->count; i++) {
        const struct json *pair = json_at(pairs, i);
        const char *label = json_text(pair, "label", ""), *channels = json_text(pair, "channels", "");
        struct volume a, b;
        set_volume(&a, json_get(pair, "a"));
        set_volume(&b, json_get(pair, "b"));
        const char *got = decision(&a, &b, GRIDS_AS_NNUNET);
        CHECK(!strcmp(got, label), "pair %d as label map: %s, nnU-Net %s", i, got, label);
        CHECK(!strcmp(got, channels), "pair %d as channels: %s, nnU-Net %s", i, got, channels);
        got = decision(&a, &b, GRIDS_STRICT);
        CHECK(!strcmp(got, strcmp(label, "same") ? "error" : "same"), "pair %d, strict: %s, nnU-Net %s", i,
              got, label);
        int refused = grids_check(NULL, &a, "a", &b, "b", &e) != 0;
        CHECK(refused == (volume_same_geometry(&a, &b, &e) != 0), "pair %d, the library's rule", i);
    }
    const struct grid_check quiet = {.rule = GRIDS_AS_NNUNET};
    struct volume a, b;
    set_volume(&a, json_get(json_at(pairs, 0), "a"));
    b = a;
    b.affine[0][3] += 5;
    CHECK(grids_check(&quiet, &a, "a", &b, "b", &e) == 0, "nobody to tell");
    json_free(pairs);
    check_far_corners();
    return check_done("check_grids");
}
