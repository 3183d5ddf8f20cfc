/* data_golden.h - tests/data/golden/data.json and the inputs of tests/golden/make_data.py, for
 * check_resample, check_preprocess and check_data.
 */
#ifndef TESTS_DATA_GOLDEN_H
#define TESTS_DATA_GOLDEN_H

#include "nn/prepare/preprocess.h"
#include "tests/unit/expect.h"

static const char golden_data[] = "tests/data/golden/data.json";

static inline void sizes_from(int v[3], const struct json *list)
{
    for (int a = 0; a < 3; a++) v[a] = (int)list->item[a]->integer;
}

static inline size_t voxels_of(const int size[3])
{
    return (size_t)size[0] * size[1] * size[2];
}

/* The inputs of tests/golden/make_data.py. */
static inline float formula(size_t i)
{
    return (float)(i * 7919 % 1009) / 8 - 30;
}

/* The case of make_data.py: two channels of 9 x 8 x 12. */
static inline void make_case(float *image, uint8_t *label)
{
    for (int z = 0, i = 0; z < 9; z++)
        for (int y = 0; y < 8; y++)
            for (int x = 0; x < 12; x++, i++) {
                int inside = z >= 1 && z < 8 && y >= 2 && x >= 1 && x < 10;
                inside = inside && !(z >= 3 && z < 5 && y >= 4 && y < 6 && x >= 4 && x < 6);
                inside = inside && !(z >= 1 && z < 3 && y >= 2 && y < 4 && x >= 1 && x < 9);
                image[2 * i] =
                    inside ? formula((size_t)((z - 1) * 6 + y - 2) * 9 + (size_t)(x - 1)) + 100 : 0;
                image[2 * i + 1] =
                    inside ? formula((size_t)((7 - z) * 6 + y - 2) * 9 + (size_t)(x - 1)) * 3 + 500 : 0;
                label[i] = z >= 3 && z < 7 && y >= 4 && y < 7 && x >= 3 && x < 8;
                if (z >= 5 && z < 7 && y >= 4 && y < 7 && x >= 3 && x < 6) label[i] = 2;
                if (z == 1 && y == 2 && x == 2) label[i] = 1;
            }
}

static inline struct plan make_plan(const struct json *g)
{
    struct plan p = {
        .dims = 3, .channels = 2, .classes = 3, .normalization = {NORM_CT, NORM_ZSCORE},
        .use_mask_for_norm = {0, 1}};
    p.intensity[0] =
        (struct intensity){.mean = 110, .std = 25, .percentile_00_5 = 75, .percentile_99_5 = 180};
    sizes_from(p.transpose, json_get(g, "transpose"));
    for (int a = 0; a < 3; a++) p.spacing[a] = json_get(g, "target")->item[a]->number;
    return p;
}

static inline void check_sample(const struct prepared *s, const struct json *g, const char *what)
{
    int size[3], differ = 0;
    double worst = 0;
    const struct json *image = json_get(g, "image"), *label = json_get(g, "label"), *box = json_get(g, "box");
    sizes_from(size, json_get(g, "size"));
    CHECK(memcmp(size, s->size, sizeof size) == 0, "%s: size %d x %d x %d", what, s->size[0], s->size[1],
          s->size[2]);
    if (memcmp(size, s->size, sizeof size) != 0) return;
    size_t n = voxels_of(size);
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < 2; c++)
            worst = fmax(worst, fabs(s->image[2 * i + c] - image->item[c * n + i]->number));
        int64_t want = label->item[i]->integer;
        differ += (s->label[i] == LABEL_OUTSIDE ? -1 : s->label[i]) != want;
    }
    CHECK(worst <= 3e-6, "%s: image off by %g", what, worst);
    CHECK(differ == 0, "%s: %d labels differ", what, differ);
    for (int a = 0; a < 3; a++)
        CHECK(s->crop_begin[a] == box->item[a]->item[0]->integer &&
                  s->crop_end[a] == box->item[a]->item[1]->integer,
              "%s: box of axis %d", what, a);
}

#endif
