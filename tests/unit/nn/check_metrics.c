/* check_metrics.c - metrics against MONAI, SciPy, SimpleITK, scikit-image and scikit-learn
 * (tests/golden/make_stats.py). */
#include <stdint.h>

#include "nn/data/components.h"
#include "nn/measure/classification.h"
#include "nn/measure/overlap.h"
#include "nn/measure/surface.h"
#include "tests/unit/nn/golden_json.h"

/* ---- metrics ----------------------------------------------------------------------------------------- */

/* weight . (v - centre)^2 < radius - noise: make_stats.py's blob, all in integers. */
static uint8_t *make_blob(const int size[3], const int centre[3], const int weight[3], int radius, int rough)
{
    size_t n = (size_t)size[0] * size[1] * size[2], i = 0;
    uint8_t *mask = malloc(n);
    for (int z = 0; z < size[0]; z++)
        for (int y = 0; y < size[1]; y++)
            for (int x = 0; x < size[2]; x++, i++) {
                uint32_t hash = (uint32_t)i * 2654435761u;
                int noise = (int)(((hash ^ hash >> 15) * 2246822519u >> 8) % (uint32_t)rough);
                int distance = weight[0] * (z - centre[0]) * (z - centre[0]) +
                               weight[1] * (y - centre[1]) * (y - centre[1]) +
                               weight[2] * (x - centre[2]) * (x - centre[2]);
                mask[i] = distance < radius - noise;
            }
    return mask;
}

static uint8_t *read_blob(const struct json *g, int which, const int size[3])
{
    const struct json *b = json_at(json_get(g, "blobs"), which);
    int v[8];
    for (int k = 0; k < 8; k++) v[k] = (int)number_at(b, k);
    return make_blob(size, v, v + 3, v[6], v[7]);
}

static void check_surfaces(void)
{
    static const double tolerance[3] = {0, 1, 2.5};
    const struct json *all = json_get(golden, "surfaces");
    for (int i = 0; i < all->count; i++) {
        const struct json *g = all->item[i], *want = json_get(g, "distances"),
                          *counts = json_get(g, "overlap");
        int *size = integers(g, "size");
        double *spacing = numbers(g, "spacing", NULL);
        uint8_t *ref = read_blob(g, 0, size), *pred = read_blob(g, 1, size);
        struct surface_distance r, swapped;
        for (int t = 0; t < 3; t++) {
            CHECK(metrics_surface(&r, ref, pred, size, 1, spacing,
                                  &(struct surface_limits){tolerance[t], 2}) == 0,
                  "memory");
            CHECK_NEAR(r.nsd, number_at(json_get(g, "nsd"), t), 1e-12, "NSD at %g mm, masks %d", tolerance[t],
                       i);
        }
        for (int w = 0; w < 3; w++) {
            static const double width[3] = {1, 2.5, 6};
            CHECK(metrics_surface(&swapped, ref, pred, size, 1, spacing,
                                  &(struct surface_limits){1, width[w]}) == 0,
                  "memory");
            CHECK_NEAR(swapped.boundary_iou, number_at(json_get(g, "boundary_iou"), w), 1e-12,
                       "boundary IoU at %g mm, masks %d", width[w], i);
        }
        CHECK(metrics_surface(&swapped, ref, pred, size, 1, spacing, &(struct surface_limits){1, 1e4}) == 0,
              "memory");
        CHECK_NEAR(swapped.boundary_iou,
                   overlap_measure(ref, pred, (size_t)size[0] * size[1] * size[2], 1, -1, 1).iou, 1e-14,
                   "wide bands are the masks %d", i);
        CHECK_NEAR(r.hd, number_at(want, 0), 1e-10, "Hausdorff distance, masks %d", i);
        CHECK_NEAR(r.hd95, number_at(want, 1), 1e-10, "HD95, masks %d", i);
        CHECK_NEAR(r.assd, number_at(want, 2), 1e-10, "ASSD, masks %d", i);
        CHECK(metrics_surface(&swapped, pred, ref, size, 1, spacing, &(struct surface_limits){2.5, 2}) == 0 &&
                  swapped.hd == r.hd && fabs(swapped.assd - r.assd) < 1e-12 &&
                  swapped.boundary_iou == r.boundary_iou,
              "symmetry %d", i);
        CHECK(metrics_surface(&r, ref, ref, size, 1, spacing, &(struct surface_limits){0, 2}) == 0 &&
                  r.hd == 0 && r.assd == 0 && r.nsd == 1 && r.boundary_iou == 1,
              "a mask against itself %d", i);
        CHECK(metrics_surface(&r, ref, pred, size, 7, spacing, &(struct surface_limits){1, 2}) == 0 &&
                  isnan(r.hd) && isnan(r.nsd),
              "absent from both %d", i);
        size_t voxels = (size_t)size[0] * size[1] * size[2];
        struct overlap o = overlap_measure(ref, pred, voxels, 1, -1, spacing[0] * spacing[1] * spacing[2]);
        CHECK(o.tp == (int64_t)number_at(counts, 0) && o.fp == (int64_t)number_at(counts, 1) &&
                  o.fn == (int64_t)number_at(counts, 2),
              "overlap %d", i);
        CHECK(o.tp + o.fp + o.fn + o.tn == (int64_t)voxels, "all voxels count %d", i);
        CHECK_NEAR(o.dice, number_at(counts, 3), 1e-14, "Dice %d", i);
        CHECK_NEAR(o.iou, o.dice / (2 - o.dice), 1e-14, "IoU %d", i);
        CHECK_NEAR(o.volume_ref, (double)(o.tp + o.fn) * spacing[0] * spacing[1] * spacing[2], 1e-9,
                   "volume %d", i);
        memset(pred, 0, voxels);
        CHECK(metrics_surface(&r, ref, pred, size, 1, spacing, &(struct surface_limits){1, 2}) == 0 &&
                  isinf(r.hd95) && r.nsd == 0 && r.boundary_iou == 0,
              "one mask empty %d", i);
        free(size);
        free(spacing);
        free(ref);
        free(pred);
    }
}

/* A disc and a smaller one beside it, on a 2D image across each axis: the boundary is the rim. The numbers
 * are those of SciPy's binary_erosion and distance_transform_edt on the plane. */
static void check_plane(void)
{
    enum { H = 40, W = 50 };
    static const int sizes[3][3] = {{1, H, W}, {H, 1, W}, {H, W, 1}};
    static const double spacing[3] = {1, 1, 1};
    uint8_t ref[H * W], pred[H * W];
    for (int i = 0; i < H * W; i++) {
        const int y = i / W, x = i % W;
        ref[i] = (y - 18) * (y - 18) + (x - 22) * (x - 22) < 144;
        pred[i] = (y - 20) * (y - 20) + (x - 25) * (x - 25) < 100;
    }
    for (int k = 0; k < 3; k++) {
        struct surface_distance r;
        CHECK(surface_flat_axis(sizes[k]) == k, "the slice lies across axis %d", k);
        CHECK(metrics_surface(&r, ref, pred, sizes[k], 1, spacing, &(struct surface_limits){1, 2}) == 0,
              "memory");
        CHECK_NEAR(r.hd, 5.656854249492381, 1e-12, "Hausdorff distance of a plane across axis %d", k);
        CHECK_NEAR(r.hd95, 5.342243013103245, 1e-12, "HD95 of a plane across axis %d", k);
        CHECK_NEAR(r.assd, 2.5349394264568503, 1e-12, "ASSD of a plane across axis %d", k);
        CHECK_NEAR(r.nsd, 1.0 / 3, 1e-12, "NSD of a plane across axis %d", k);
        CHECK_NEAR(r.boundary_iou, 0.15789473684210525, 1e-12, "boundary IoU of a plane across axis %d", k);
    }
    CHECK(surface_flat_axis((const int[3]){3, 4, 5}) == -1, "a volume is no plane");
    CHECK(surface_flat_axis((const int[3]){1, 1, 5}) == -1, "a line is no plane");
}

static void check_overlap(void)
{
    const uint8_t ref[6] = {0, 1, 1, 255, 2, 0}, pred[6] = {0, 1, 2, 1, 2, 1};
    struct overlap o = overlap_measure(ref, pred, 6, 1, 255, 2);
    CHECK(o.tp == 1 && o.fn == 1 && o.fp == 1 && o.tn == 2 && o.dice == 0.5 && o.volume_ref == 4,
          "ignored voxel: %d %d %d %d", (int)o.tp, (int)o.fp, (int)o.fn, (int)o.tn);
    o = overlap_measure(ref, pred, 6, 9, 255, 2);
    CHECK(isnan(o.dice) && isnan(o.iou) && o.tn == 5, "absent label");
}

static void check_components(void)
{
    const struct json *all = json_get(golden, "components");
    const int zero[3] = {0};
    for (int i = 0; i < all->count; i++) {
        const struct json *g = all->item[i];
        int *size = integers(g, "size");
        size_t voxels = (size_t)size[0] * size[1] * size[2];
        uint8_t *mask =
            make_blob(size, zero, zero, (int)json_integer(g, "radius", 0), (int)json_integer(g, "rough", 1));
        int32_t *id = malloc(voxels * sizeof *id);
        int64_t sum = 0;
        int n = components_find(id, mask, size);
        for (size_t k = 0; k < voxels; k++) sum += id[k] * (int64_t)(k % 1009);
        CHECK(n == json_integer(g, "n", -1), "%d components", n);
        CHECK(sum == json_integer(g, "sum", -1), "components %d numbered in order of their first voxels", i);
        free(size);
        free(mask);
        free(id);
    }
}

/* A tolerance and a width of whole voxels mean the same whether float32 rounds the spacing up (0.1, 0.3, 1.1)
 * or down (0.7, 0.9): a cube moved by a voxel lies within a tolerance of one, and a band of one is the
 * boundary voxels alone. */
static void check_rounded_spacings(void)
{
    enum { N = 10 };
    static const double spacing[] = {0.1, 0.3, 0.7, 0.9, 1, 1.1};
    const int size[3] = {N, N, N};
    uint8_t ref[N * N * N] = {0}, pred[N * N * N] = {0};
    struct surface_distance want, r;
    for (int i = 0; i < N * N * N; i++) {
        const int z = i / (N * N), y = i / N % N, x = i % N, inner = y > 1 && y < 8 && x > 1 && x < 8;
        ref[i] = inner && z > 1 && z < 7;
        pred[i] = inner && z > 2 && z < 8;
    }
    CHECK(metrics_surface(&want, ref, pred, size, 1, (const double[3]){1, 1, 1},
                          &(struct surface_limits){1, 1}) == 0 && want.nsd == 1,
          "NSD %g", want.nsd);
    for (size_t k = 0; k < sizeof spacing / sizeof *spacing; k++) {
        const double s = (double)(float)spacing[k];
        CHECK(metrics_surface(&r, ref, pred, size, 1, (const double[3]){s, s, s},
                              &(struct surface_limits){spacing[k], spacing[k]}) == 0 && r.nsd == 1 &&
                  r.boundary_iou == want.boundary_iou,
              "spacing %g: NSD %g, boundary IoU %g", spacing[k], r.nsd, r.boundary_iou);
    }
}

static void check_lesions(void)
{
    const struct json *all = json_get(golden, "lesions");
    for (int i = 0; i < all->count; i++) {
        const struct json *g = all->item[i];
        int *size = integers(g, "size");
        uint8_t *ref = read_blob(g, 0, size), *pred = read_blob(g, 1, size);
        struct lesions r;
        CHECK(overlap_lesions(&r, ref, pred, size, json_number(g, "least", -1)) == 0, "memory");
        CHECK(r.ref == json_integer(g, "ref", -1) && r.pred == json_integer(g, "pred", -1) &&
                  r.found == json_integer(g, "found", -1) && r.false_positive == json_integer(g, "false", -1),
              "lesions %d: %d and %d, %d found, %d false", i, r.ref, r.pred, r.found, r.false_positive);
        const double s = (double)r.found / r.ref, p = (double)(r.pred - r.false_positive) / r.pred;
        if (!r.ref && !r.pred)
            CHECK(isnan(r.f1) && isnan(r.sensitivity) && isnan(r.precision), "no lesions: F1 %g", r.f1);
        else
            CHECK_NEAR(r.f1, r.ref && r.pred && s + p > 0 ? 2 * s * p / (s + p) : 0, 1e-15,
                       "F1 of lesions %d", i);
        free(size);
        free(ref);
        free(pred);
    }
    const int line[3] = {1, 1, 6};
    const uint8_t ref[6] = {1, 1, 255, 0, 1, 0}, pred[6] = {0, 1, 255, 0, 0, 1};
    struct lesions r;
    CHECK(overlap_lesions(&r, ref, pred, line, 0.5) == 0 && r.ref == 2 && r.pred == 2 && r.found == 0 &&
              r.false_positive == 1,
          "half is not more than half: %d, %d", r.found, r.false_positive);
    const int hundred[3] = {1, 1, 100};
    uint8_t whole[100], part[100];
    for (int least = 1; least < 100; least++) {
        for (int i = 0; i < 100; i++) whole[i] = 1, part[i] = i < least;
        CHECK(overlap_lesions(&r, whole, part, hundred, least / 100.0) == 0 && r.found == 0 &&
                  overlap_lesions(&r, whole, part, hundred, (least - 1) / 100.0) == 0 && r.found == 1,
              "%d of 100 are more than the share before, and not than their own", least);
    }
}

/* One rule for tables, studies and predictions: of equal probabilities the first class, and NaN says none, so
 * that it is wrong whatever the label. */
static void check_classes(void)
{
    const double tie[3] = {0.2, 0.4, 0.4}, all[3] = {1 / 3.0, 1 / 3.0, 1 / 3.0}, first[3] = {NAN, 0.9, 0.1},
                 last[3] = {0.5, 0.5, NAN}, two[4] = {0.5, 0.49, NAN, 1};
    CHECK(classification_class(tie, 3, 0) == 1 && classification_class(all, 3, 0) == 0, "ties");
    CHECK(classification_class(first, 3, 0) == -1 && classification_class(last, 3, 0) == -1 &&
              classification_class(&two[2], 2, 0.5) == -1,
          "NaN is of no class");
    CHECK(classification_class(&two[0], 2, 0.5) == 1 && classification_class(&two[1], 2, 0.5) == 0 &&
              classification_class(&two[3], 2, 1) == 1,
          "positive from the threshold on");
    const int label[4] = {0, 0, 0, 1}, other[4] = {1, 1, 1, 0};
    struct classification c;
    CHECK(metrics_classification(&c, label, two, 4, 0.5) == 0 && c.tp == 1 && c.fp == 2 && c.tn == 1 &&
              c.fn == 0 && isnan(c.auc),
          "%d %d %d %d", c.tp, c.fp, c.tn, c.fn);
    CHECK(metrics_classification(&c, other, two, 4, 0.5) == 0 && c.tp == 1 && c.fp == 1 && c.tn == 0 &&
              c.fn == 2,
          "%d %d %d %d", c.tp, c.fp, c.tn, c.fn);
}

static void check_classification(void)
{
    const struct json *g = json_get(golden, "classification"), *counts = json_get(g, "counts");
    int n, *label = integers(g, "label");
    double *p = numbers(g, "p", &n);
    struct classification c;
    CHECK(metrics_classification(&c, label, p, n, 0.5) == 0, "memory");
    CHECK_NEAR(c.auc, json_number(g, "auc", -1), 1e-14, "AUC");
    CHECK_NEAR(c.brier, json_number(g, "brier", -1), 1e-14, "Brier");
    CHECK_NEAR(c.ece, json_number(g, "ece", -1), 1e-13, "calibration error");
    CHECK(c.tp == (int)number_at(counts, 0) && c.fp == (int)number_at(counts, 1) &&
              c.tn == (int)number_at(counts, 2) && c.fn == (int)number_at(counts, 3),
          "counts %d %d %d %d", c.tp, c.fp, c.tn, c.fn);
    CHECK(c.n == n && c.positives == c.tp + c.fn, "%d cases, %d positive", c.n, c.positives);
    CHECK_NEAR(c.accuracy, (double)(c.tp + c.tn) / n, 1e-15, "accuracy");
    CHECK_NEAR(c.balanced_accuracy, (c.sensitivity + c.specificity) / 2, 1e-15, "balanced accuracy");
    CHECK_NEAR(c.ppv, (double)c.tp / (c.tp + c.fp), 1e-15, "positive predictive value");
    CHECK(c.auc_ci[0] < c.auc && c.auc < c.auc_ci[1] && c.auc_ci[1] < 1, "interval around the AUC: %g to %g",
          c.auc_ci[0], c.auc_ci[1]);
    for (int i = 0; i < n; i++) p[i] = label[i] * 0.9;
    CHECK(metrics_classification(&c, label, p, n, 0.5) == 0 && c.auc == 1 && c.auc_ci[1] == 1 &&
              c.auc_ci[0] < 0.99 && c.accuracy == 1,
          "perfect separation");
    for (int i = 0; i < n; i++) label[i] = 1;
    CHECK(metrics_classification(&c, label, p, n, 0.5) == 0 && isnan(c.auc) && isnan(c.specificity) &&
              c.positives == n,
          "one class");
    free(label);
    free(p);
}

int main(void)
{
    if (!read_golden("tests/data/golden/stats.json")) return 1;
    check_surfaces();
    check_plane();
    check_overlap();
    check_components();
    check_rounded_spacings();
    check_lesions();
    check_classes();
    check_classification();
    json_free(golden);
    return check_done("check_metrics");
}
