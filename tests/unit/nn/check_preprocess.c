/* check_preprocess.c - preprocessing and the way back against nnU-Net's own (tests/data/golden/data.json). */
#include <stdint.h>

#include "nn/prepare/restore.h"
#include "tensor/ops/ops.h"
#include "tests/unit/allocations.h"
#include "tests/unit/nn/data_golden.h"

/* ---- preprocessing ------------------------------------------------------------------------------------- */

/* The map for a cascade's next stage, of the spacing in make_data.py. */
static void check_restore_next(const float *logits, const struct prepared *s, const struct plan *p,
                               const struct json *g, const char *what)
{
    const struct plan next = {.dims = 3, .spacing = {1.3, 0.7, 1.6}};
    const struct json *want = json_get(g, "label");
    struct restore r;
    struct error e = {""};
    int size[3], differ = 0;
    sizes_from(size, json_get(g, "size"));
    CHECK(restore_begin_next(&r, 3, s, p, &next, NULL, &e) == 0, "%s: %s", what, e.text);
    for (int z = 0; z < s->size[0]; z++)
        restore_plane(&r, z, logits + (size_t)z * s->size[1] * s->size[2] * 3);
    restore_end(&r);
    CHECK(memcmp(size, r.size, sizeof size) == 0, "%s: next stage of %d x %d x %d", what, r.size[0],
          r.size[1], r.size[2]);
    for (int i = 0; i < want->count && i < size[0] * size[1] * size[2]; i++)
        differ += r.label[i] != want->item[i]->integer;
    CHECK((size_t)want->count == voxels_of(size) && differ == 0, "%s: %d labels for the next stage differ",
          what, differ);
    free(r.label);
}

static void check_restore(const struct prepared *s, const struct plan *p, const struct json *g,
                          const char *what)
{
    size_t n = voxels_of(s->size), plane = n / (size_t)s->size[0];
    float *logits = malloc(3 * n * sizeof *logits), *probability;
    uint8_t *label;
    struct error e;
    for (size_t i = 0; i < n; i++) {
        logits[3 * i] = formula(i);
        logits[3 * i + 1] = -formula(i);
        logits[3 * i + 2] = formula(((size_t)s->size[0] - 1 - i / plane) * plane + i % plane) * 0.5f;
    }
    if (restore_logits(&label, &probability, logits, 3, s, p, &e)) {
        CHECK(0, "%s: %s", what, e.text);
        exit(1);
    }
    const struct json *want = json_get(g, "restored"), *want_probability = json_get(g, "probability");
    int differ = 0;
    double worst = 0;
    for (int i = 0; i < want->count; i++) differ += label[i] != want->item[i]->integer;
    for (int i = 0; i < want_probability->count; i++)
        worst = fmax(worst, fabs(probability[7 * i] - want_probability->item[i]->number));
    CHECK(want->count == 9 * 8 * 12 && differ == 0, "%s: %d restored labels differ", what, differ);
    CHECK(worst <= 2e-5, "%s: probabilities off by %g", what, worst);
    check_restore_next(logits, s, p, json_get(g, "next"), what);
    free(label);
    free(probability);
    free(logits);
}

static void check_preprocess(const struct json *g, const char *what)
{
    enum { N = 9 * 8 * 12 };
    struct sample s = {
        .size = {9, 8, 12}, .channels = 2, .image = malloc(2 * N * sizeof(float)), .label = malloc(N)};
    struct plan p = make_plan(g);
    struct error e = {""};
    make_case(s.image, s.label);
    for (int a = 0; a < 3; a++) s.spacing[a] = json_get(g, "spacing")->item[a]->number;
    struct prepared ready;
    CHECK(preprocess_case(&ready, &s, &p, &e) == 0, "%s: %s", what, e.text);
    CHECK(!s.image && !s.label && s.size[0] == 9, "%s: the raw sample keeps its geometry alone", what);
    check_sample(&ready, g, what);
    check_restore(&ready, &p, g, what);
    prepared_free(&ready);
}

/* A previous stage's map, in nnU-Net's prediction: it is what a label map is in training, whose voxels beyond
 * the nonzero region count as outside, and whose foreground counts in the mask of a normalisation. */
static void check_previous(const struct json *g, const char *what)
{
    enum { N = 9 * 8 * 12 };
    struct sample s = {
        .size = {9, 8, 12}, .channels = 2, .image = malloc(2 * N * sizeof(float)), .previous = malloc(N)};
    struct plan p = make_plan(g);
    struct prepared ready;
    struct error e = {""};
    p.previous_labels = 2;
    make_case(s.image, s.previous);
    for (int a = 0; a < 3; a++) s.spacing[a] = json_get(g, "spacing")->item[a]->number;
    CHECK(preprocess_case(&ready, &s, &p, &e) == 0, "%s: %s", what, e.text);
    CHECK(!ready.label && ready.previous, "%s: no map of the previous stage", what);
    ready.label = ready.previous;
    check_sample(&ready, g, what);
    ready.label = NULL;
    prepared_free(&ready);
}

/* Four values, 100 to 400, prepared by the plan; after an error nothing is left to free. */
static int prepare_four(struct prepared *ready, const struct plan *p, struct error *e)
{
    struct sample s = {
        .size = {1, 1, 4}, .spacing = {1, 1, 1}, .channels = 1, .image = malloc(4 * sizeof(float))};
    for (int i = 0; i < 4; i++) s.image[i] = 100.0f * (float)(i + 1);
    const int status = preprocess_case(ready, &s, p, e);
    CHECK(!s.image && !ready->image == (status != 0), "the voxels are the prepared case's or nobody's");
    return status;
}

static void check_normalization_refused(void)
{
    struct prepared s;
    struct plan p = {.dims = 3,
                     .channels = 1,
                     .classes = 2,
                     .transpose = {0, 1, 2},
                     .spacing = {1, 1, 1},
                     .normalization = {NORM_RGB_0_1}};
    struct error e = {""};
    CHECK(prepare_four(&s, &p, &e) == -1 && strstr(e.text, "rgb_to_0_1"), "400 is no RGB value: '%s'",
          e.text);
    p.channels = 2;
    CHECK(prepare_four(&s, &p, &e) == -1 && strstr(e.text, "1 channels"), "channels: '%s'", e.text);
    p.channels = 1;
    p.normalization[0] = NORM_RESCALE_0_1;
    CHECK(prepare_four(&s, &p, &e) == 0 && s.image[0] == 0 && s.image[3] == 1, "rescaled to %g .. %g",
          s.image[0], s.image[3]);
    prepared_free(&s);
    p.spacing[2] = 1e-6;
    p.spacing[1] = 1e-6;
    CHECK(prepare_four(&s, &p, &e) == -1 && strstr(e.text, "too many voxels"), "'%s'", e.text);
}

/* ---- turned to RAS ------------------------------------------------------------------------------------- */

enum { TURNED = 4 * 5 * 6 };

/* A case in RAS, 4 x 5 x 6 voxels from feet to head, back to front, left to right, as a file would have it
 * whose axis b is axis order[b] of it, against it where bit b of `flips` is set; from[i]: the voxel of it
 * that voxel i of the file is. */
static struct sample turned_file(int from[TURNED], const int order[3], int flips)
{
    static const int size[3] = {4, 5, 6}, step[3] = {30, 6, 1};
    static const double spacing[3] = {2.5, 1, 0.8};
    struct sample s = {.channels = 1, .image = malloc(TURNED * sizeof(float)), .label = malloc(TURNED)};
    for (int b = 0; b < 3; b++) {
        s.size[b] = size[order[b]];
        s.spacing[b] = spacing[order[b]];
        s.affine[2 - order[b]][2 - b] = (flips >> b & 1 ? -1 : 1) * s.spacing[b];
        s.affine[order[b]][2 - b] += 0.1; /* oblique */
    }
    for (int i = 0; i < TURNED; i++) {
        const int at[3] = {i / s.size[2] / s.size[1], i / s.size[2] % s.size[1], i % s.size[2]};
        from[i] = 0;
        for (int b = 0; b < 3; b++)
            from[i] += step[order[b]] * (flips >> b & 1 ? s.size[b] - 1 - at[b] : at[b]);
        s.image[i] = formula((size_t)from[i]) + 2;
        s.label[i] = (uint8_t)(from[i] % 3);
    }
    return s;
}

/* What nnU-Net's readers WithReorient do: every order and direction of a file's axes gives the network the
 * same voxels, and its label map comes back in the file's own order. */
static void check_turned(void)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct plan p = {.dims = 3, .channels = 1, .classes = 3, .labels = 3, .transpose = {1, 2, 0},
                     .spacing = {0.9, 1, 2}, .normalization = {NORM_ZSCORE}, .to_ras = 1};
    struct prepared first = {0}, s;
    uint8_t *label, *back = NULL;
    struct error e = {""};
    int from[TURNED];
    for (int k = 0; k < 48; k++) {
        struct sample raw = turned_file(from, orders[k / 8], k % 8);
        CHECK(preprocess_case(&s, &raw, &p, &e) == 0, "turned file %d: %s", k, e.text);
        const size_t n = voxels_of(s.size);
        if (k == 0) first = s;
        CHECK(memcmp(s.size, first.size, sizeof s.size) == 0 && n == voxels_of(first.size) &&
                  memcmp(s.image, first.image, n * sizeof *s.image) == 0 &&
                  memcmp(s.label, first.label, n) == 0,
              "turned file %d: the network sees other voxels", k);
        float *logits = malloc(3 * n * sizeof *logits);
        for (size_t i = 0; i < 3 * n; i++) logits[i] = formula(i);
        CHECK(restore_logits(&label, NULL, logits, 3, &s, &p, &e) == 0, "turned file %d: %s", k, e.text);
        if (k == 0) back = label;
        int differ = 0;
        for (int i = 0; i < TURNED; i++) differ += label[i] != back[from[i]];
        CHECK(differ == 0, "turned file %d: %d labels come back elsewhere", k, differ);
        free(logits);
        if (k) free(label), prepared_free(&s);
    }
    free(back);
    prepared_free(&first);
}

/* ---- memory -------------------------------------------------------------------------------------------- */

/* What a masked case that is resampled to a finer grid holds at a time is announced, but for the lines of the
 * splines. */
static void check_announced(void)
{
#ifdef ALLOCATIONS_FAIL
    enum { EDGE = 48, VOXELS = EDGE * EDGE * EDGE, LINES = 1 << 16 };
    const struct plan p = {.dims = 3, .transpose = {0, 1, 2}, .spacing = {0.7, 0.7, 1}, .channels = 2,
                           .classes = 2, .use_mask_for_norm = {1, 1}};
    const long long before = block_bytes;
    struct sample s = {.size = {EDGE, EDGE, EDGE}, .spacing = {1, 1, 1}, .channels = 2,
                       .image = malloc(2 * VOXELS * sizeof(float))};
    struct prepared ready;
    struct error e = {""};
    size_t announced;
    int size[3];
    for (size_t i = 0; i < 2 * VOXELS; i++) s.image[i] = 1 + formula(i) * formula(i);
    CHECK(preprocess_bytes(&announced, size, s.size, s.spacing, &p, &e) == 0, "%s", e.text);
    most_block_bytes = block_bytes;
    CHECK(preprocess_case(&ready, &s, &p, &e) == 0 && memcmp(size, ready.size, sizeof size) == 0, "%s",
          e.text);
    CHECK(most_block_bytes - before <= (long long)announced + LINES, "%lld bytes at a time, announced %zu",
          most_block_bytes - before, announced);
    prepared_free(&ready);
#endif
}

int main(void)
{
    struct error e;
    struct json *golden = json_read(golden_data, &e);
    if (!golden) {
        printf("%s\n", e.text);
        return 1;
    }
    const struct json *cases = json_get(golden, "preprocess");
    CHECK(cases->count == 3, "groups of %s", golden_data);
    for (int i = 0; i < cases->count; i++) {
        char what[48];
        snprintf(what, sizeof what, "preprocessed case %d", i);
        check_preprocess(cases->item[i], what);
        snprintf(what, sizeof what, "previous stage of case %d", i);
        check_previous(cases->item[i], what);
    }
    check_normalization_refused();
    check_turned();
    check_announced();
    json_free(golden);
    return check_done("check_preprocess");
}
