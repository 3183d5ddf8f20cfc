/* check_learning.c - patches and augmentation against nnU-Net's own code
 * (tests/golden/make_learning.py) and against plain loops. The sources are included, so that each change can
 * be tested with given parameters. */
#include "nn/batch/augment.c"
#include "nn/batch/deform.c"
#include "nn/batch/intensity.h"
#include "nn/batch/sampler.c"

#include "io/base/json.h"
#include "tests/unit/expect.h"

static struct json *golden;

/* ---- the inputs of make_learning.py -------------------------------------------------------------------- */

static float *make_noise(size_t n)
{
    float *v = malloc(n * sizeof *v);
    for (size_t i = 0; i < n; i++) v[i] = (float)((double)(uint32_t)(i * 2654435761u) / 4294967296.0 - 0.5);
    return v;
}

static uint8_t *make_labels(const int size[3])
{
    uint8_t *v = malloc((size_t)size[0] * size[1] * size[2]), *o = v;
    for (int z = 0; z < size[0]; z++)
        for (int y = 0; y < size[1]; y++)
            for (int x = 0; x < size[2]; x++) *o++ = (uint8_t)((z * z + 2 * y + 3 * x * y) / 7 % 3);
    return v;
}

static struct prepared make_sample(int d, int h, int w, int channels)
{
    struct prepared s = {.size = {d, h, w}, .channels = channels};
    s.image = make_noise((size_t)d * h * w * channels);
    s.label = make_labels(s.size);
    return s;
}

static void free_sample(struct prepared *s)
{
    free(s->image);
    free(s->label);
}

static void read_size(int out[3], const struct json *j, const char *key)
{
    for (int a = 0; a < 3; a++) out[a] = (int)json_at(json_get(j, key), a)->integer;
}

static double worst(const float *v, const struct json *want)
{
    double worst = 0;
    for (int i = 0; i < want->count; i++) worst = fmax(worst, fabs(v[i] - want->item[i]->number));
    return worst;
}

/* ---- augmentation -------------------------------------------------------------------------------------- */

static void check_deform(void)
{
    const struct json *all = json_get(golden, "deform");
    for (int k = 0; k < all->count; k++) {
        const struct json *g = all->item[k];
        int size[3], differ = 0;
        float angle[3];
        struct patch p = {.channels = 1, .voxels = 1};
        struct deformation d;
        read_size(size, g, "size");
        read_size(p.size, g, "patch");
        struct prepared s = make_sample(size[0], size[1], size[2], 1);
        for (int a = 0; a < 3; a++) {
            angle[a] = (float)(json_at(json_get(g, "degrees"), a)->number / 360);
            p.begin[a] = (size[a] - p.size[a]) / 2;
            p.voxels *= (size_t)p.size[a];
        }
        p.plane = malloc(p.voxels * sizeof(float));
        p.label = malloc(p.voxels);
        make_deformation(&d, angle, (float)json_number(g, "scale", 0), (int)json_integer(g, "flat", 0));
        patch_deform(&p, &s, &d);
        for (size_t i = 0; i < p.voxels; i++)
            differ +=
                (p.label[i] == LABEL_OUTSIDE ? -1 : p.label[i]) != json_get(g, "label")->item[i]->integer;
        CHECK_NEAR(worst(p.plane, json_get(g, "image")), 0, 5e-6, "deformed image %d", k);
        CHECK(differ == 0, "deformed labels %d: %d of %zu differ", k, differ, p.voxels);
        free(p.plane);
        free(p.label);
        free_sample(&s);
    }
}

/* What is found a stretch of a row at a time is what deform_voxel finds one by one: on noise and on labels of
 * large and of small parts, inside of the case and beyond it, at every level. */
static void check_stretches(void)
{
    enum { D = 9, H = 20, W = 45, N = D * H * W };
    static const int flats[] = {0, 1};
    static float plane[2][2 * N], spare[N + W];
    static uint8_t label[2][N], previous[2][N];
    struct prepared s = {.channels = 2, .size = {11, 19, 30}, .previous_labels = 3};
    const size_t n = 11 * 19 * 30;
    struct rng rng = rng_stream(5, 6, 7, RNG_TEST);
    s.image = make_noise(2 * n);
    s.label = malloc(n);
    s.previous = malloc(n);
    for (size_t i = 0; i < n; i++) {
        s.label[i] = (uint8_t)(i % 30 / 9 + (i / 570) / 6 * 2);
        if (s.label[i] == 2) s.label[i] = LABEL_OUTSIDE;
        s.previous[i] = (uint8_t)rng_below(&rng, 4);
    }
    const enum isa isa = cpu_isa();
    for (int level = ISA_SCALAR; level <= ISA_AMX; level++) {
        if ((int)cpu_isa_set((enum isa)level) != level) continue;
        for (size_t k = 0; k < 2; k++) {
            struct patch p[2];
            struct deformation d;
            const float angle[3] = {0.03f, -0.05f, 0.04f};
            int wrong = 0;
            make_deformation(&d, angle, k ? 0.7f : 0.9f, flats[k]);
            for (int j = 0; j < 2; j++)
                p[j] = (struct patch){.size = {D, H, W}, .channels = 2, .voxels = N, .begin = {3, 0, -8},
                                      .plane = plane[j], .label = label[j], .previous = previous[j],
                                      .previous_labels = 3, .spare = spare};
            patch_deform(&p[0], &s, &d);
            for (int i = 0; i < N; i++) {
                const float x = (float)(i % W) - 0.5f * (W - 1), y = (float)(i / W % H) - 0.5f * (H - 1),
                            z = (float)(i / W / H) - 0.5f * (D - 1);
                float point[3];
                for (int a = 0; a < 3; a++) {
                    const float centre = (float)p[1].begin[a] + 0.5f * (float)(p[1].size[a] - 1),
                                row = d.m[a][0] * z + d.m[a][1] * y + centre;
                    point[a] = row + d.m[a][2] * x;
                }
                deform_voxel(&p[1], &s, point, (size_t)i);
                wrong += memcmp(&plane[0][i], &plane[1][i], sizeof(float)) ||
                         memcmp(&plane[0][N + i], &plane[1][N + i], sizeof(float)) ||
                         label[0][i] != label[1][i] || previous[0][i] != previous[1][i];
            }
            CHECK(!wrong, "%s: %d of %d voxels deformed otherwise", cpu_isa_name((enum isa)level), wrong, N);
        }
    }
    cpu_isa_set(isa);
    free(s.image);
    free(s.label);
    free(s.previous);
}

/* Half of the weight each: the label of the nearest voxel wins, though it is not the smallest; where the
 * nearest one has lost, the smallest. */
static void check_ties(void)
{
    const uint8_t label[8] = {2, 2, 1, 1, 0, 0, 0, 0}, three[8] = {0, 2, 2, 1, 1, 0, 0, 0};
    const struct corners tied = {{0, 1, 2, 3, 4, 5, 6, 7}, {0.375f, 0.125f, 0.25f, 0.25f, 0, 0, 0, 0}};
    const struct corners lost = {{0, 1, 2, 3, 4, 5, 6, 7},
                                 {0.25f, 0.1875f, 0.1875f, 0.1875f, 0.1875f, 0, 0, 0}};
    CHECK(vote(label, &tied) == 2, "tie: label %d", vote(label, &tied));
    CHECK(vote(three, &lost) == 1, "tie of others: label %d", vote(three, &lost));
}

static void check_intensities(void)
{
    enum { N = 6 * 7 * 5 };
    const int size[3] = {6, 7, 5}, coarse[3] = {4, 5, 3}; /* round(0.7f * size) */
    const float sigma[3] = {0.55f, 0.8f, 0.97f};
    const struct json *g = json_get(golden, "intensity");
    float *input = make_noise(N), v[N], spare[N + 5];
    memcpy(v, input, sizeof v);
    intensity_blur(v, spare, size, sigma);
    CHECK_NEAR(worst(v, json_get(g, "blur")), 0, 1e-6, "blur");
    memcpy(v, input, sizeof v);
    intensity_contrast(v, N, 1.2f);
    CHECK_NEAR(worst(v, json_get(g, "contrast")), 0, 1e-6, "contrast");
    memcpy(v, input, sizeof v);
    intensity_gamma(v, N, 0.8f, 1);
    CHECK_NEAR(worst(v, json_get(g, "gamma")), 0, 2e-6, "gamma");
    memcpy(v, input, sizeof v);
    intensity_gamma(v, N, 1.4f, -1);
    CHECK_NEAR(worst(v, json_get(g, "gamma_inverted")), 0, 2e-6, "gamma of the inverted image");
    memcpy(v, input, sizeof v);
    intensity_coarsen(v, spare, size, coarse);
    CHECK_NEAR(worst(v, json_get(g, "low_resolution")), 0, 1e-6, "low resolution");
    free(input);
}

/* Voxel i of n along an axis of a blurred line, by the definition; sigma 0.8: a kernel of 5. */
static double blurred(const double *line, int n, int i)
{
    double sum = 0, weights = 0;
    for (int k = -2; k <= 2; k++) {
        const double weight = exp(-0.5 * k * k / 0.64);
        int at = i + k < 0 ? -(i + k) : i + k;
        if (at >= n) at = 2 * (n - 1) - at;
        sum += weight * line[at];
        weights += weight;
    }
    return sum / weights;
}

/* Rows that are several blocks long, and what is left of them: within the row and across rows. */
static void check_long_rows(void)
{
    enum { D = 4, H = 5, W = 107, N = D * H * W };
    static const int size[3] = {D, H, W}, stride[3] = {H * W, W, 1};
    const float sigma[3] = {0.8f, 0.8f, 0.8f};
    float *v = make_noise(N), *spare = malloc(N * sizeof *spare);
    double *want = malloc(N * sizeof *want), line[W], worst_voxel = 0;
    for (int i = 0; i < N; i++) want[i] = v[i];
    for (int a = 0; a < 3; a++)
        for (int i = 0; i < N; i++) {
            if (i / stride[a] % size[a]) continue; /* no first voxel of a line */
            for (int k = 0; k < size[a]; k++) line[k] = want[i + k * stride[a]];
            for (int k = 0; k < size[a]; k++) want[i + k * stride[a]] = blurred(line, size[a], k);
        }
    intensity_blur(v, spare, size, sigma);
    for (int i = 0; i < N; i++) worst_voxel = fmax(worst_voxel, fabs(v[i] - want[i]));
    CHECK_NEAR(worst_voxel, 0, 1e-6, "blur of rows of %d", W);
    free(v);
    free(spare);
    free(want);
}

static void check_noise(void)
{
    enum { N = 20001 };
    float *v = calloc(N, sizeof *v);
    struct rng rng = rng_stream(3, 0, 0, RNG_TEST);
    rng_add_normals(&rng, v, N, 0.1f);
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) sum += v[i];
    for (int i = 0; i < N; i++) squares += (v[i] - sum / N) * (v[i] - sum / N);
    CHECK_NEAR(sum / N, 0, 0.1 * 4 / sqrt(N), "mean of the noise");
    CHECK_NEAR(sqrt(squares / (N - 1)), 0.1, 0.1 * 4 / sqrt(2.0 * N), "deviation of the noise");
    free(v);
}

/* How a patch ought to look: voxel by voxel. */
static int same_patch(const float *image, const uint8_t *label, const struct prepared *s, const int centre[3],
                      const int patch[3], const int flip[3])
{
    size_t i = 0;
    for (int z = 0; z < patch[0]; z++)
        for (int y = 0; y < patch[1]; y++)
            for (int x = 0; x < patch[2]; x++, i++) {
                int at[3] = {z, y, x}, inside = 1;
                for (int a = 0; a < 3; a++) {
                    at[a] = centre[a] - patch[a] / 2 + (flip[a] ? patch[a] - 1 - at[a] : at[a]);
                    inside &= at[a] >= 0 && at[a] < s->size[a];
                }
                size_t from = inside ? ((size_t)at[0] * s->size[1] + at[1]) * s->size[2] + at[2] : 0;
                if (label[i] != (inside ? s->label[from] : 0)) return 0;
                for (int c = 0; c < s->channels; c++)
                    if (image[i * s->channels + c] != (inside ? s->image[from * s->channels + c] : 0))
                        return 0;
            }
    return 1;
}

static void check_patches(void)
{
    const int patch[3] = {6, 5, 8}, none[3] = {0},
              centres[4][3] = {{5, 4, 6}, {0, 0, 0}, {9, 8, 11}, {40, 4, -30}};
    float image[240 * 2];
    uint8_t label[240];
    struct prepared s = make_sample(10, 9, 12, 2);
    float *scratch = malloc(augment_scratch(patch, 2) * sizeof(float));
    s.label[0] = LABEL_IGNORE;
    for (int k = 0; k < 4; k++) {
        struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
        augment_patch(image, label, &s, centres[k], patch, NULL, &rng, scratch);
        CHECK(same_patch(image, label, &s, centres[k], patch, none), "plain patch %d", k);
        for (int axes = 0; axes < 8; axes++) { /* strength 2: mirrored for certain */
            struct augment_options o = {.mirror = {axes & 1, axes >> 1 & 1, axes >> 2}, .strength = 2};
            augment_patch(image, label, &s, centres[k], patch, &o, &rng, scratch);
            CHECK(same_patch(image, label, &s, centres[k], patch, o.mirror), "patch %d mirrored along %d", k,
                  axes);
        }
    }
    free(scratch);
    free_sample(&s);
}

/* Share of patches that leave the intensity changes as they came, and of those deformed. */
static void check_probabilities(void)
{
    enum { TRIALS = 40000, N = 6 * 7 * 5 };
    const int patch[3] = {6, 7, 5}, centre[3] = {3, 3, 2}, none[3] = {0};
    float image[N], *scratch = malloc(augment_scratch(patch, 1) * sizeof(float));
    uint8_t label[N];
    int plain[2] = {0}, flipped[3] = {0}, foreign = 0;
    struct prepared s = make_sample(6, 7, 5, 1);
    for (int k = 0; k < TRIALS; k++) {
        struct rng rng = rng_stream(7, 0, (uint64_t)k, RNG_AUGMENT);
        struct augment_options o = {.intensity = 1, .strength = 1};
        augment_patch(image, label, &s, centre, patch, &o, &rng, scratch);
        plain[0] += same_patch(image, label, &s, centre, patch, none);
        o = (struct augment_options){.spatial = 1, .strength = 1};
        augment_patch(image, label, &s, centre, patch, &o, &rng, scratch);
        plain[1] += same_patch(image, label, &s, centre, patch, none);
        for (int i = 0; i < N; i++) foreign += label[i] > 2;
        for (int a = 0; a < 3; a++) {
            const int flip[3] = {a == 0, a == 1, a == 2};
            o = (struct augment_options){.mirror = {flip[0], flip[1], flip[2]}, .strength = 1};
            augment_patch(image, label, &s, centre, patch, &o, &rng, scratch);
            flipped[a] += same_patch(image, label, &s, centre, patch, flip);
        }
    }
    /* Blur and low resolution are drawn for the one channel with probability 1/2 again; a scale from 6.5/7 on
     * rounds to the whole size. */
    double low_resolution = 0.25 * 0.5 * (6.5 / 7 - 0.5) / 0.5;
    double untouched = 0.9 * (1 - 0.2 * 0.5) * 0.85 * 0.85 * (1 - low_resolution) * 0.9 * 0.7;
    CHECK_NEAR((double)plain[0] / TRIALS, untouched, 0.008, "share of unchanged intensities");
    CHECK_NEAR((double)plain[1] / TRIALS, 0.64, 0.008, "share of undeformed patches");
    for (int a = 0; a < 3; a++)
        CHECK_NEAR((double)flipped[a] / TRIALS, 0.5, 0.009, "share mirrored along axis %d", a);
    CHECK(foreign == 0, "%d voxels of labels that the case does not have", foreign);
    free(scratch);
    free_sample(&s);
}

static void check_options(void)
{
    const int cube[3] = {40, 56, 40}, flat[3] = {20, 320, 256}, slice[3] = {1, 256, 256};
    CHECK(!augment_options_default(cube).dummy_2d && augment_options_default(flat).dummy_2d &&
              augment_options_default(slice).dummy_2d,
          "dummy 2D where the patch is more than three times longer than thick");
    CHECK(augment_options_default(flat).mirror[0] && !augment_options_default(slice).mirror[0],
          "axes to mirror");
}

/* ---- sampling ------------------------------------------------------------------------------------------ */

static void check_bounds(void)
{
    const struct json *all = json_get(golden, "initial");
    for (int k = 0; k < all->count; k++) {
        int patch[3], want[3], got[3];
        read_size(patch, all->item[k], "patch");
        read_size(want, all->item[k], "initial");
        struct augment_options o = augment_options_default(patch);
        initial_patch(got, patch, &o);
        CHECK(memcmp(got, want, sizeof got) == 0, "initial patch %d: %d %d %d", k, got[0], got[1], got[2]);
        initial_patch(got, patch, NULL);
        CHECK(memcmp(got, patch, sizeof got) == 0, "no enlargement without augmentation");
    }
    all = json_get(golden, "bounds");
    for (int k = 0; k < all->count; k++) {
        int size[3], initial[3], patch[3], low[3], high[3], lo[3], hi[3];
        read_size(size, all->item[k], "size");
        read_size(initial, all->item[k], "initial");
        read_size(patch, all->item[k], "patch");
        read_size(low, all->item[k], "low");
        read_size(high, all->item[k], "high");
        centre_bounds(lo, hi, size, initial, patch);
        for (int a = 0; a < 3; a++)
            CHECK(lo[a] == low[a] && hi[a] == high[a], "centres %d axis %d: %d to %d", k, a, lo[a], hi[a]);
    }
}

enum { CASES = 3, CLASSES = 3 };

/* Three cases; foreground of class 2 in one voxel of case 1 alone, of class 1 in a few of the others. */
struct store {
    struct case_store c;
    struct prepared prepared[CASES];
    int count[CASES][CLASSES], *counts[CASES];
    int32_t at[CASES][CLASSES][8], *ats[CASES][CLASSES], **all[CASES];
};

static void make_store(struct store *t)
{
    *t = (struct store){.c = {.cases = CASES, .structures = CLASSES}};
    for (int i = 0; i < CASES; i++) {
        t->prepared[i] = make_sample(9 + i, 12, 7 + 4 * i, 1);
        struct prepared *s = &t->prepared[i];
        memset(s->label, 0, (size_t)s->size[0] * s->size[1] * s->size[2]);
        int label = i == 1 ? 2 : 1, n = i == 1 ? 1 : 8;
        t->counts[i] = t->count[i];
        t->all[i] = t->ats[i];
        for (int k = 0; k < CLASSES; k++) t->ats[i][k] = t->at[i][k];
        t->count[i][label] = n;
        for (int k = 0; k < n; k++) s->label[t->at[i][label][k] = 100 + 37 * k] = (uint8_t)label;
    }
    t->c.prepared = t->prepared;
    t->c.location_count = t->counts;
    t->c.location = t->all;
}

static void free_store(struct store *t)
{
    for (int i = 0; i < CASES; i++) free_sample(&t->prepared[i]);
}

static void check_oversampling(void)
{
    enum { BATCH = 9, VOXELS = 8 * 8 * 8 };
    static float image[BATCH * VOXELS], again[BATCH * VOXELS];
    static uint8_t label[BATCH * VOXELS], label_again[BATCH * VOXELS];
    struct store t;
    struct pool *pool = pool_create(3);
    float *scratch = malloc(sampler_scratch((const int[3]){8, 8, 8}, 1, BATCH, pool));
    struct augment_options o = augment_options_default((const int[3]){8, 8, 8});
    int missed = 0, by_chance = 0, classes[3] = {0}, different = 0;
    make_store(&t);
    for (uint64_t step = 0; step < 50; step++) {
        struct batch_spec b = {.seed = 5,
                               .client = 2,
                               .step = step,
                               .batch = BATCH,
                               .patch = {8, 8, 8},
                               .oversample = 0.33f,
                               .scratch = scratch};
        sampler_batch(image, label, &t.c, &b, NULL);
        for (int j = 0; j < BATCH; j++) { /* the patch reaches no lower than voxel 0: the voxel drawn is
                                             inside, not always the centre */
            uint8_t seen = 0;
            for (int i = 0; i < VOXELS; i++)
                if (label[j * VOXELS + i] > seen) seen = label[j * VOXELS + i];
            if (j >= 6) missed += seen == 0;
            else by_chance += seen == 0;
            if (j >= 6) classes[seen]++;
        }
        b.augment = &o;
        sampler_batch(image, label, &t.c, &b, NULL);
        sampler_batch(again, label_again, &t.c, &b, pool);
        CHECK(memcmp(image, again, sizeof image) == 0 && memcmp(label, label_again, sizeof label) == 0,
              "the same batch with one and three threads");
        b.client = 3;
        sampler_batch(again, label_again, &t.c, &b, pool);
        different += memcmp(image, again, sizeof image) != 0;
    }
    CHECK(missed == 0, "%d forced examples without foreground", missed);
    CHECK(by_chance > 0, "unforced examples all have foreground");
    CHECK(classes[1] > 50 && classes[2] > 20, "cases alike: %d of class 1, %d of class 2", classes[1],
          classes[2]);
    CHECK(different == 50, "another client draws other examples: %d of 50", different);
    free(scratch);
    pool_destroy(pool);
    free_store(&t);
}

/* Python's round(batch * (1 - share)), nnU-Net's rule, also where that is halfway between two numbers. */
static void check_forced_share(void)
{
    static const struct {
        int batch;
        float share;
        int first;
    } cases[] = {{2, 0.33f, 1}, {9, 0.33f, 6}, {12, 0.33f, 8}, {50, 0.33f, 34}, {150, 0.33f, 100},
                 {5, 0.3f, 4}, {25, 0.3f, 18}, {15, 0.1f, 14}, {5, 0.9f, 0}, {10, 0.35f, 6},
                 {30, 0.45f, 16}, {10, 0.05f, 10}, {1, 0.5f, 0}, {3, 0.5f, 2}, {7, 0, 7},
                 {7, 1, 0}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const struct batch_spec b = {.batch = cases[k].batch, .oversample = cases[k].share};
        int first = 0;
        while (first < b.batch && !is_forced(&b, first)) first++;
        CHECK(first == cases[k].first, "%d of a batch of %d with %g are drawn freely, not %d", first, b.batch,
              (double)b.oversample, cases[k].first);
    }
}

/* A forced patch lies around the voxel drawn, but begins inside the case; above it may reach out. */
static void check_forced_centres(void)
{
    struct store t;
    const struct batch_spec b = {.patch = {8, 4, 6}};
    make_store(&t);
    t.at[1][2][0] = (0 * 12 + 11) * 11 + 5; /* z, y, x = 0, 11, 5 */
    struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
    int centre[3];
    draw_centre(centre, &t.c, 1, &b, 1, &rng);
    CHECK(centre[0] == 4 && centre[1] == 11 && centre[2] == 5, "centre %d %d %d", centre[0], centre[1],
          centre[2]);
    t.count[1][2] = 0;
    for (int k = 0; k < 100; k++) {
        draw_centre(centre, &t.c, 1, &b, 1, &rng);
        CHECK(centre[0] >= 4 && centre[0] <= 6 && centre[1] >= 2 && centre[1] <= 10 && centre[2] >= 3 &&
                  centre[2] <= 8,
              "no foreground: centre %d %d %d", centre[0], centre[1], centre[2]);
    }
    free_store(&t);
}

/* More threads than patches: the memory is that of the patches, and enough. */
static void check_many_threads(void)
{
    enum { BATCH = 2, VOXELS = 8 * 8 * 8, GUARD = 64 };
    const int patch[3] = {8, 8, 8};
    float image[2][BATCH * VOXELS];
    uint8_t label[2][BATCH * VOXELS];
    struct store t;
    struct augment_options o = augment_options_default(patch);
    make_store(&t);
    for (int threads = 1; threads < 16; threads += 7) {
        struct pool *pool = pool_create(threads);
        const size_t bytes = sampler_scratch(patch, 1, BATCH, pool);
        CHECK(bytes == augment_scratch(patch, 1) * sizeof(float) * (threads < BATCH ? 1 : BATCH),
              "%zu bytes for %d threads", bytes, threads);
        unsigned char *scratch = malloc(bytes + GUARD);
        memset(scratch + bytes, 0xab, GUARD);
        struct batch_spec b = {.seed = 5, .batch = BATCH, .patch = {8, 8, 8}, .augment = &o,
                               .scratch = (float *)(void *)scratch};
        sampler_batch(image[threads > 1], label[threads > 1], &t.c, &b, pool);
        int touched = 0;
        for (int i = 0; i < GUARD; i++) touched |= scratch[bytes + (size_t)i] != 0xab;
        CHECK(!touched, "%d threads write behind their memory", threads);
        CHECK(threads == 1 || memcmp(image[0], image[1], sizeof image[0]) == 0, "the batch with %d threads",
              threads);
        free(scratch);
        pool_destroy(pool);
    }
    free_store(&t);
}

/* Where few voxels are labelled, every patch is drawn around one of them. */
static void check_ignored(void)
{
    struct store t;
    float image[64], *scratch = malloc(sampler_scratch((const int[3]){4, 4, 4}, 1, 1, NULL));
    uint8_t label[64];
    int with = 0;
    make_store(&t);
    for (int i = 0; i < CASES; i++) {
        struct prepared *s = &t.prepared[i];
        for (int k = 0; k < s->size[0] * s->size[1] * s->size[2]; k++)
            s->label[k] = k % 97 == 40 ? 1 : LABEL_IGNORE;
        for (t.count[i][0] = 0; t.count[i][0] < 8; t.count[i][0]++)
            t.at[i][0][t.count[i][0]] = 97 * t.count[i][0] + 40;
    }
    for (uint64_t step = 0; step < 60; step++) {
        struct batch_spec b = {
            .seed = 1, .step = step, .batch = 1, .patch = {4, 4, 4}, .oversample = 0, .scratch = scratch};
        sampler_batch(image, label, &t.c, &b, NULL);
        with += memchr(label, 1, sizeof label) != NULL;
    }
    CHECK(with == 60, "%d of 60 patches with a labelled voxel", with);
    free(scratch);
    free_store(&t);
}

static void check_downsample(void)
{
    const int size[3] = {12, 9, 10};
    uint8_t *in = make_labels(size), out[12 * 9 * 10];
    const struct json *all = json_get(golden, "downsample");
    for (int k = 0; k < all->count; k++) {
        int to[3], differ = 0;
        read_size(to, all->item[k], "size");
        sampler_downsample(out, to, in, size, 1);
        const struct json *want = json_get(all->item[k], "label");
        for (int i = 0; i < want->count; i++) differ += out[i] != want->item[i]->integer;
        CHECK(differ == 0, "downsampled labels %d: %d differ", k, differ);
    }
    free(in);
}

int main(void)
{
    struct error e;
    golden = json_read("tests/data/golden/learning.json", &e);
    if (!golden) {
        printf("FAILED %s\n", e.text);
        return 1;
    }
    check_deform();
    check_stretches();
    check_ties();
    check_intensities();
    check_long_rows();
    check_noise();
    check_patches();
    check_probabilities();
    check_options();
    check_bounds();
    check_oversampling();
    check_forced_share();
    check_many_threads();
    check_forced_centres();
    check_ignored();
    check_downsample();
    json_free(golden);
    return check_done("check_learning");
}
