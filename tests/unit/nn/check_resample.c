/* check_resample.c - resampling against nnU-Net's own (tests/data/golden/data.json), and cropping. */
#include <stdint.h>

#include "nn/prepare/restore.h"
#include "tensor/ops/ops.h"
#include "tests/unit/nn/data_golden.h"

/* ---- resampling ---------------------------------------------------------------------------------------- */

static void check_resample(const struct json *g)
{
    int in[3], out[3], order = (int)json_integer(g, "order", 0),
                       separate = (int)json_integer(g, "separate", 0);
    const struct json *want = json_get(g, "value");
    float from[600], to[600];
    sizes_from(in, json_get(g, "in"));
    sizes_from(out, json_get(g, "out"));
    for (size_t i = 0; i < voxels_of(in); i++) from[i] = formula(i);
    CHECK(resample_image(to, out, from, in, order, separate) == 0, "no memory");
    double worst = 0;
    for (int i = 0; i < want->count; i++) worst = fmax(worst, fabs(to[i] - want->item[i]->number));
    CHECK(worst <= 2e-5, "%d x %d x %d to %d x %d x %d, order %d, separate %d: off by %g", in[0], in[1],
          in[2], out[0], out[1], out[2], order, separate, worst);
}

/* Both neighbours of every output voxel are voxels of the input, those whose centres lie at most one voxel
 * below and above; beyond the outermost centre both are the edge. */
static void check_points(void)
{
    struct resample_point point[9];
    for (int n_in = 1; n_in <= 7; n_in++)
        for (int n_out = 1; n_out <= 9; n_out++)
            for (int order = 0; order <= 1; order++) {
                int wrong = 0;
                resample_linear_axis(point, n_out, n_in, order);
                for (int i = 0; i < n_out; i++) {
                    const int *at = point[i].at, last = n_in - 1;
                    const double *w = point[i].weight;
                    const double x = fmin(fmax((i + 0.5) * n_in / n_out - 0.5, 0), last);
                    wrong += at[0] < 0 || at[1] < at[0] || at[1] > last || fabs(w[0] + w[1] - 1) > 1e-12;
                    if (order == 1) wrong += fabs(w[0] * at[0] + w[1] * at[1] - x) > 1e-9;
                    else wrong += at[0] != at[1] || fabs(at[0] - x) > 0.5 + 1e-9;
                }
                CHECK(wrong == 0, "%d of %d points of %d on %d, order %d", wrong, n_out, n_in, n_out, order);
            }
}

static void check_resample_label(const struct json *g)
{
    int in[3], out[3], separate = (int)json_integer(g, "separate", 0), differ = 0;
    const struct json *want = json_get(g, "value");
    uint8_t from[2000], to[2000];
    sizes_from(in, json_get(g, "in"));
    sizes_from(out, json_get(g, "out"));
    for (size_t i = 0; i < voxels_of(in); i++) {
        int label = (int)(i * 31 % 11) % 4 - 1;
        from[i] = label < 0 ? LABEL_OUTSIDE : (uint8_t)label;
    }
    CHECK(resample_label(to, out, from, in, 1, separate) == 0, "no memory");
    for (int i = 0; i < want->count; i++)
        differ += (to[i] == LABEL_OUTSIDE ? -1 : to[i]) != want->item[i]->integer;
    CHECK(differ == 0, "labels %d x %d x %d to %d x %d x %d, separate %d: %d differ", in[0], in[1], in[2],
          out[0], out[1], out[2], separate, differ);
}

static void check_separate_axis(void)
{
    static const struct {
        double spacing[3], target[3];
        int axis;
    } test[] = {{{1, 1, 1}, {1, 1, 1}, -1}, {{5, 1, 1}, {1, 1, 1}, 0},           {{1, 1, 1}, {1, 1, 3.1}, 2},
                {{3, 1, 1}, {1, 1, 1}, -1}, {{0.24, 1.25, 1.25}, {4, 1, 1}, -1}, {{1, 4, 1}, {4, 1, 1}, 1}};
    for (size_t i = 0; i < sizeof test / sizeof *test; i++) {
        int axis = resample_separate_axis(test[i].spacing, test[i].target);
        CHECK(axis == test[i].axis, "case %zu: axis %d, want %d", i, axis, test[i].axis);
    }
}

/* ---- cropping ------------------------------------------------------------------------------------------ */

/* A shell with a hole, an open tunnel in one variant, seen by brute force: repeated passes until nothing
 * changes. */
static void fill_slowly(uint8_t *mask, const int size[3])
{
    static const int step[6][3] = {{1, 0, 0}, {-1, 0, 0}, {0, 1, 0}, {0, -1, 0}, {0, 0, 1}, {0, 0, -1}};
    for (int changed = 1; changed;) {
        changed = 0;
        for (int z = 0, i = 0; z < size[0]; z++)
            for (int y = 0; y < size[1]; y++)
                for (int x = 0; x < size[2]; x++, i++) {
                    int open = 0;
                    for (int k = 0; k < 6; k++) {
                        int at[3] = {z + step[k][0], y + step[k][1], x + step[k][2]}, inside = 1;
                        for (int a = 0; a < 3; a++) inside = inside && at[a] >= 0 && at[a] < size[a];
                        open |= !inside || mask[(at[0] * size[1] + at[1]) * size[2] + at[2]] == 2;
                    }
                    if (mask[i] == 0 && open) {
                        mask[i] = 2;
                        changed = 1;
                    }
                }
    }
    for (size_t i = 0; i < voxels_of(size); i++) mask[i] = mask[i] != 2;
}

static void check_crop(void)
{
    enum { N = 9 * 8 * 11 };
    int size[3] = {9, 8, 11}, begin[3], end[3];
    float image[2 * N];
    uint8_t mask[N], want[N];
    for (int variant = 0; variant < 40; variant++) {
        struct sample s = {.size = {9, 8, 11}, .channels = 2, .image = image};
        uint32_t noise = (uint32_t)variant * 2654435761u + 1;
        for (int i = 0; i < N; i++) {
            noise = noise * 1664525u + 1013904223u;
            int x = i % 11, y = i / 11 % 8, z = i / 88, inner = z > 0 && z < 8 && x > 1 && x < 9;
            image[2 * i] = inner && noise >> 28 < 9 ? -1.5f : 0;
            image[2 * i + 1] = inner && y == 3 && noise >> 30 ? 7 : 0;
            want[i] = image[2 * i] != 0 || image[2 * i + 1] != 0;
        }
        int low[3] = {9, 8, 11}, high[3] = {0, 0, 0};
        for (int i = 0; i < N; i++) {
            int at[3] = {i / 88, i / 11 % 8, i % 11};
            for (int a = 0; a < 3 && want[i]; a++) {
                low[a] = at[a] < low[a] ? at[a] : low[a];
                high[a] = at[a] + 1 > high[a] ? at[a] + 1 : high[a];
            }
        }
        fill_slowly(want, size);
        CHECK(crop_nonzero(begin, end, mask, s.image, s.channels, s.size) == 0, "no memory");
        CHECK(memcmp(begin, low, sizeof low) == 0 && memcmp(end, high, sizeof high) == 0, "variant %d: box",
              variant);
        CHECK(memcmp(mask, want, N) == 0, "variant %d: mask", variant);
    }
    memset(image, 0, sizeof image);
    struct sample zero = {.size = {9, 8, 11}, .channels = 2, .image = image};
    crop_nonzero(begin, end, NULL, zero.image, zero.channels, zero.size);
    CHECK(begin[0] == 0 && end[0] == 9 && end[1] == 8 && end[2] == 11, "an image of zeros is kept whole");
}

int main(void)
{
    struct error e = {""};
    struct json *golden = json_read(golden_data, &e);
    if (!golden) {
        printf("%s\n", e.text);
        return 1;
    }
    const struct json *list = json_get(golden, "resample"), *labels = json_get(golden, "resample_label");
    CHECK(list->count == 7 && labels->count == 5, "groups of %s", golden_data);
    for (int i = 0; i < list->count; i++) check_resample(list->item[i]);
    for (int i = 0; i < labels->count; i++) check_resample_label(labels->item[i]);
    check_points();
    check_separate_axis();
    check_crop();
    json_free(golden);
    return check_done("check_resample");
}
