/* check_nnunet.c - what nnU-Net's training has beside plain labels, against nnU-Net itself: losses and
 * gradients with regions and with an ignore label, class locations, twenty iterations of its training, and
 * the bits of a region-based training on every instruction set.
 *
 * Golden values: tests/golden/make_nnunet.py.
 */
#include "io/formats/image_formats.h"
#include "nn/prepare/case_store.h"
#include "tests/unit/expect.h"
#include "tests/unit/nn/test_optimizer.h"

#include <unistd.h>

#include "io/base/file.h"
#include "io/weights/safetensors.h"
#include "nn/folder/nnunet.h"
#include "nn/folder/run.h"
#include "nn/infer/sliding.h"
#include "nn/optimize/optimizer.h"
#include "nn/optimize/schedule.h"
#include "nn/prepare/preprocess.h"
#include "nn/prepare/previous.c"
#include "nn/batch/sampler.h"
#include "nn/network/network.h"
#include "nn/train/checkpoint.h"
#include "tensor/base/cpu.h"
#include "tests/unit/lcg.h"

static struct safetensors golden;

static const struct safetensor *golden_find(const char *prefix, const char *name)
{
    char key[200];
    snprintf(key, sizeof key, "%s%s", prefix, name);
    const struct safetensor *t = safetensors_find(&golden, key);
    CHECK(t != NULL, "%s: no golden value", key);
    return t;
}

static double golden_double(const struct safetensor *t, size_t i)
{
    double v;
    memcpy(&v, (const char *)t->data + i * sizeof v, sizeof v);
    return v;
}

/* ---- one loss ------------------------------------------------------------------------------------------ */

static const struct label_set regions[3] = {{{0xe}}, {{0xc}}, {{0x8}}}; /* (1, 2, 3), (2, 3), 3 */

struct loss_case {
    const char *name;
    int regions, batch_dice, values, ignores, nothing;
};

static void check_loss(const struct loss_case *c)
{
    enum { N = 2, D = 3, H = 5, W = 7, VOXELS = D * H * W };
    const struct safetensor *loss = golden_find("loss.", c->name), *grad = golden_find("grad.", c->name);
    struct model *m = model_create();
    struct graph *g = graph_create(m, NULL, GRAPH_TRAIN);
    struct tensor *x = graph_input(g, "logits", SHAPE(N, D, H, W, 3), DT_F32, 1),
                  *y = graph_input(g, "labels", SHAPE(N, D, H, W, 1), DT_U8, 0);
    struct seg_loss l = {.heads = 1, .logits = {x}, .labels = {y}, .weight = {1}, .batch_dice = c->batch_dice,
                         .region = c->regions ? regions : NULL, .ignores = c->ignores};
    struct tensor *value = op_segmentation_loss(g, &l);
    graph_keep(g, x);
    graph_keep(g, value);
    model_finish(m);
    graph_plan(g);
    CHECK(graph_bind(g) == 0, "no memory");
    struct lcg label = lcg_start("labels ", c->name), logit = lcg_start("logits ", c->name);
    for (int i = 0; i < N * VOXELS; i++) {
        int v = (int)((lcg_next(&label) + 0.5) * (c->values + c->ignores));
        ((uint8_t *)y->data)[i] = c->nothing || v == c->values ? LABEL_IGNORE : (uint8_t)v;
    }
    for (int i = 0; i < N * VOXELS * 3; i++) tensor_f32(x)[i] = (float)(8 * lcg_next(&logit));
    graph_forward(g);
    graph_backward(g, value);
    if (loss) CHECK_NEAR(*tensor_f32(value), golden_double(loss, 0), 1e-6, "%s: loss", c->name);
    for (size_t i = 0; grad && i < N * VOXELS * 3; i++)
        CHECK_NEAR(tensor_grad_f32(x)[i], safetensors_value(grad, i), 2e-8, "%s: gradient %zu", c->name, i);
    graph_destroy(g);
    model_destroy(m);
}

static void check_losses(void)
{
    static const struct loss_case cases[] = {{"regions", 1, 0, 4, 0, 0},
                                             {"regions batch", 1, 1, 4, 0, 0},
                                             {"regions ignore", 1, 0, 4, 1, 0},
                                             {"regions batch ignore", 1, 1, 4, 1, 0},
                                             {"regions nothing", 1, 1, 4, 1, 1},
                                             {"labels ignore", 0, 0, 3, 1, 0},
                                             {"labels batch ignore", 0, 1, 3, 1, 0},
                                             {"labels nothing", 0, 1, 3, 1, 1}};
    enum isa before = cpu_isa();
    static const enum isa levels[] = {ISA_SCALAR, ISA_NEON, ISA_AVX2, ISA_AVX512};
    for (size_t k = 0; k < sizeof levels / sizeof *levels; k++)
        for (size_t i = 0; cpu_isa_set(levels[k]) == levels[k] && i < sizeof cases / sizeof *cases; i++)
            check_loss(&cases[i]);
    cpu_isa_set(before);
}

/* ---- class locations ----------------------------------------------------------------------------------- */

/* A dataset of one case of 40^3 voxels whose labels are those of make_nnunet.py, in a folder of its own. */
static void write_case(const char *folder, const char *labels)
{
    enum { EDGE = 40, COUNT = EDGE * EDGE * EDGE };
    static float voxel[COUNT];
    char path[300];
    struct error e = {{0}};
    struct volume v = {.size = {EDGE, EDGE, EDGE, 1},
                       .spacing = {1, 1, 1},
                       .affine = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}},
                       .voxel = voxel};
    snprintf(path, sizeof path, "%s/dataset.json", folder);
    FILE *f = fopen(path, "w");
    fprintf(f, "{\"channel_names\": {\"0\": \"MRI\"}, \"file_ending\": \".nii\", \"numTraining\": 1, %s}",
            labels);
    fclose(f);
    for (int i = 0; i < COUNT; i++) voxel[i] = (float)(i % 7 + 1);
    snprintf(path, sizeof path, "%s/imagesTr", folder);
    CHECK(file_mkdirs(path, &e) == 0, "%s", e.text);
    snprintf(path, sizeof path, "%s/labelsTr", folder);
    CHECK(file_mkdirs(path, &e) == 0, "%s", e.text);
    snprintf(path, sizeof path, "%s/imagesTr/a_0000.nii", folder);
    CHECK(volume_write(&v, path, VOXEL_U8, &e) == 0, "%s", e.text);
    struct lcg g = lcg_start("", "map");
    for (int i = 0; i < COUNT; i++) voxel[i] = (float)floor((lcg_next(&g) + 0.5) * 5);
    snprintf(path, sizeof path, "%s/labelsTr/a.nii", folder);
    CHECK(volume_write(&v, path, VOXEL_U8, &e) == 0, "%s", e.text);
}

static void check_locations(const char *name, const char *labels)
{
    const struct safetensor *want = golden_find("locations.", name);
    char folder[] = "/tmp/check_nnunet_XXXXXX", command[64];
    struct error e = {{0}};
    struct dataset d;
    struct case_store c;
    struct plan p = {.dims = 3, .channels = 1, .transpose = {0, 1, 2}, .spacing = {1, 1, 1}};
    CHECK(mkdtemp(folder) != NULL, "no temporary folder");
    write_case(folder, labels);
    CHECK(dataset_open(&d, folder, &e) == 0, "%s", e.text);
    plan_take_labels(&p, &d);
    CHECK(case_store_load(&c, &d, &p, NULL, 0, NULL, &e) == 0, "%s", e.text);
    CHECK(c.structures == 4, "%s: %d structures", name, c.structures);
    for (int k = 0; want && k < c.structures; k++) { /* group 0, all annotated voxels, stands last there */
        int row = (k + 3) % 4, count = c.location_count[0][k];
        const int32_t *at = c.location[0][k];
        long long sum = 0;
        for (int i = 0; i < count; i++) sum += at[i];
        CHECK(count == (int)safetensors_value(want, (size_t)row * 7), "%s: %d voxels of group %d", name,
              count, k);
        CHECK(sum % 1000003 == (long long)safetensors_value(want, (size_t)row * 7 + 1), "%s: sum of group %d",
              name, k);
        for (int i = 0; i < 5; i++)
            CHECK(at[i] == (int32_t)safetensors_value(want, (size_t)(row * 7 + 2 + i)),
                  "%s: group %d, voxel %d is %d", name, k, i, at[i]);
    }
    case_store_free(&c);
    dataset_close(&d);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0, "%s", command);
}

/* ---- use_mask_for_norm --------------------------------------------------------------------------------- */

/* MaskImageTransform: the masked channel is 0 outside of the nonzero region after noise and all, the other is
 * not. */
static void check_mask(void)
{
    enum { EDGE = 8, COUNT = EDGE * EDGE * EDGE };
    static float image[2][2 * COUNT], raw[2 * COUNT], scratch[8 * COUNT];
    static uint8_t map[COUNT], label[COUNT];
    const int patch[3] = {EDGE, EDGE, EDGE}, centre[3] = {EDGE / 2, EDGE / 2, EDGE / 2};
    struct prepared s = {.size = {EDGE, EDGE, EDGE}, .channels = 2, .image = raw, .label = map};
    struct augment_options o = {.intensity = 1, .strength = 5}; /* every change at once */
    int wrong = 0, zeros = 0, outside = 0;
    CHECK(augment_scratch(patch, 2) <= sizeof scratch / sizeof *scratch, "scratch");
    for (int i = 0; i < COUNT; i++) map[i] = i % EDGE < 3 ? LABEL_OUTSIDE : i % 2;
    for (int i = 0; i < 2 * COUNT; i++) raw[i] = (float)(i % 11 + 1);
    for (int k = 0; k < 2; k++) {
        struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
        o.mask[1] = k;
        augment_patch(image[k], label, &s, centre, patch, &o, &rng, scratch);
    }
    for (int i = 0; i < COUNT; i++) {
        int out = map[i] == LABEL_OUTSIDE;
        outside += out;
        zeros += image[1][2 * i + 1] == 0;
        wrong += image[1][2 * i] != image[0][2 * i] ||
                 image[1][2 * i + 1] != (out ? 0 : image[0][2 * i + 1]) || label[i] != (out ? 0 : map[i]);
    }
    CHECK(wrong == 0 && outside == COUNT * 3 / 8 && zeros == outside,
          "%d voxels wrong, %d of %d outside are 0", wrong, zeros, outside);
}

/* ---- cascade ------------------------------------------------------------------------------------------- */

static void check_operators(void)
{
    enum { COUNT = 12 * 11 * 10 };
    static const float radius[4] = {1.2f, 1.7f, 2.1f, 2.9f};
    static uint16_t work[2 * COUNT];
    const struct safetensor *want = golden_find("operators", "");
    const int size[3] = {12, 11, 10};
    for (int r = 0; want && r < 4; r++)
        for (int op = 0; op < OPERATORS; op++) {
            uint8_t mask[COUNT];
            int differ = 0;
            memcpy(mask, want->data, COUNT);
            apply_operator(mask, (enum operator)op, size, (int)(2 * radius[r] + 1), work);
            for (int i = 0; i < COUNT; i++)
                differ +=
                    mask[i] != ((const uint8_t *)want->data)[(size_t)(1 + 4 * r + op) * COUNT + (size_t)i];
            CHECK(differ == 0, "operator %d, radius %g: %d voxels differ", op, radius[r], differ);
        }
}

/* What previous_augment does to two cubes: how often, and that no voxel becomes an unknown label. */
static void check_previous(void)
{
    enum { EDGE = 20, COUNT = EDGE * EDGE * EDGE, TRIALS = 400 };
    static uint8_t map[COUNT], before[COUNT];
    static int32_t work[2 * COUNT];
    const int size[3] = {EDGE, EDGE, EDGE};
    int changed = 0, unknown = 0, gone = 0;
    for (int i = 0; i < COUNT; i++) {
        int z = i / (EDGE * EDGE), y = i / EDGE % EDGE, x = i % EDGE;
        before[i] = y > 3 && y < 9 && x > 3 && x < 9 ? (z > 2 && z < 8 ? 1 : z > 12 && z < 18 ? 2 : 0) : 0;
    }
    for (int t = 0; t < TRIALS; t++) {
        struct rng rng = rng_stream(1, 0, (uint64_t)t, RNG_TEST);
        int left[3] = {0};
        memcpy(map, before, COUNT);
        previous_augment(map, size, 3, 1, &rng, work);
        changed += memcmp(map, before, COUNT) != 0;
        for (int i = 0; i < COUNT; i++) {
            unknown += map[i] > 2;
            left[map[i] > 2 ? 0 : map[i]]++;
        }
        gone += !left[1] || !left[2];
    }
    /* At least one label is chosen in 0.75 of the 0.4 and of the 0.2; not every operator changes a cube. */
    CHECK(unknown == 0 && changed > 0.25 * TRIALS && changed < 0.41 * TRIALS && gone > 0.1 * TRIALS,
          "%d of %d maps changed, %d lost a label", changed, TRIALS, gone);
    memcpy(map, before, COUNT);
    for (int i = 0; i < COUNT; i++) map[i] = i < COUNT / 5; /* 20 % of the patch stay */
    struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
    remove_component(map, 1, size, &rng, work, (uint8_t *)(work + COUNT));
    CHECK(map[0] == 1, "a component above 15 %% was removed");
    map[COUNT - 1] = 1;
    remove_component(map, 1, size, &rng, work, (uint8_t *)(work + COUNT));
    CHECK(map[0] == 1 && map[COUNT - 1] == 0, "the small component goes");
}

/* The one-hot channels of a patch follow the image through cutting. */
static void check_one_hot(void)
{
    enum { EDGE = 6, COUNT = EDGE * EDGE * EDGE };
    static float raw[COUNT], image[3 * COUNT], scratch[8 * COUNT];
    static uint8_t map[COUNT], previous[COUNT], label[COUNT];
    const int patch[3] = {EDGE, EDGE, EDGE}, centre[3] = {EDGE / 2 + 2, EDGE / 2, EDGE / 2};
    struct prepared s = {.size = {EDGE, EDGE, EDGE},
                       .channels = 1,
                       .image = raw,
                       .label = map,
                       .previous = previous,
                       .previous_labels = 2};
    struct augment_options o = {.mirror = {1, 1, 1}}; /* strength 0: nothing of chance */
    int wrong = 0, ones = 0;
    CHECK(augment_scratch(patch, 1) <= sizeof scratch / sizeof *scratch, "scratch");
    for (int i = 0; i < COUNT; i++) raw[i] = (float)(previous[i] = i * 7 % 5 % 3) + 1;
    for (int k = 0; k < 2; k++) {
        struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
        augment_patch(image, label, &s, centre, patch, k ? &o : NULL, &rng, scratch);
        for (int i = 0; i < COUNT; i++) {
            wrong += image[3 * i + 1] != (image[3 * i] == 2) || image[3 * i + 2] != (image[3 * i] == 3);
            ones += image[3 * i + 1] == 1;
        }
    }
    CHECK(wrong == 0 && ones > 0, "%d voxels whose channels differ from the labels, %d of label 1", wrong,
          ones);
    struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
    augment_patch(image, label, &s, centre, patch, NULL, &rng, scratch);
    CHECK(image[0] == raw[2 * EDGE * EDGE] && image[3 * COUNT - 3] == 0 && image[3 * COUNT - 2] == 0,
          "beyond the case");
}

/* ---- twenty iterations --------------------------------------------------------------------------------- */

enum { STEPS = 20, EPOCHS = 4 };

static struct plan small_plan(int with_regions)
{
    static const int features[3] = {8, 16, 32};
    struct plan p = {.dims = 3,
                     .batch = 2,
                     .stages = 3,
                     .channels = 2,
                     .classes = 3,
                     .labels = 3,
                     .deep_supervision = 1,
                     .batch_dice = 1,
                     .ignores = 1};
    snprintf(p.configuration, sizeof p.configuration, "test");
    p.network = network_find("unet");
    for (int s = 0; s < 3; s++) {
        p.features[s] = features[s];
        p.encoder_blocks[s] = p.decoder_blocks[s] = 2;
        for (int a = 0; a < 3; a++) {
            p.kernel[s][a] = s == 0 && a == 0 ? 1 : 3;
            p.stride[s][a] = s == 0 || (s == 1 && a == 0) ? 1 : 2;
            p.patch[a] = 16;
        }
    }
    if (with_regions) {
        p.classes = p.regions = 2;
        p.batch_dice = 0;
        p.region[0].word[0] = 6; /* (1, 2) */
        p.region[1].word[0] = 4;
    }
    return p;
}

static void fill_batch(struct network_training *t, int k)
{
    char name[16];
    struct shape s = t->image->shape;
    snprintf(name, sizeof name, "batch %d", k);
    struct lcg g = lcg_start("", name);
    float *image = tensor_f32(t->image);
    uint8_t *label = t->label[0]->data;
    for (int i = 0; i < s.n * s.d * s.h * s.w; i++) {
        int x = i % s.w, y = i / s.w % s.h, z = i / s.w / s.h % s.d, n = i / s.w / s.h / s.d;
        label[i] = ball_label(n + 2 * (k % 2), z, y, x);
        for (int c = 0; c < s.c; c++)
            *image++ = (float)(lcg_next(&g) + 0.5 * (label[i] == LABEL_IGNORE ? 3 : label[i]));
    }
    const int size_in[3] = {s.d, s.h, s.w};
    for (int i = 1; i < t->out.heads; i++) {
        struct shape h = t->label[i]->shape;
        const int size_out[3] = {h.d, h.h, h.w};
        sampler_downsample(t->label[i]->data, size_out, label, size_in, s.n);
    }
}

/* nnU-Net's training: its optimiser, schedule by epoch and clipping. Losses of the steps; returns the hash of
 * the weights. */
static uint64_t train(double losses[STEPS], const struct plan *p, struct pool *pool)
{
    struct model *m = model_create();
    struct network_training t = network_train_create(m, p, 0, pool);
    model_finish(m);
    graph_plan(t.graph);
    CHECK(graph_bind(t.graph) == 0, "no memory");
    set_weights(m);
    struct optimizer o;
    test_optimizer(&o, &optimizer_sgd, 0.99f, 3e-5f, 12, m);
    for (int i = 0; i < STEPS; i++) {
        fill_batch(&t, i % 4);
        graph_forward(t.graph);
        graph_backward(t.graph, t.loss);
        losses[i] = *tensor_f32(t.loss);
        optimizer_step(&o, m, (float)schedule_poly(0.01, (double)(i * EPOCHS / STEPS) / EPOCHS, 0.9), pool);
    }
    uint64_t hash = model_hash(m);
    graph_destroy(t.graph);
    optimizer_free(&o);
    model_destroy(m);
    return hash;
}

static void check_training(const char *name, int with_regions)
{
    const struct safetensor *want = golden_find("losses.", name);
    struct plan p = small_plan(with_regions);
    double losses[STEPS], worst = 0;
    train(losses, &p, NULL);
    for (int i = 0; want && i < STEPS; i++) {
        double w = golden_double(want, (size_t)i);
        CHECK_NEAR(losses[i], w, 1e-3 * fabs(w), "%s: loss of iteration %d", name, i + 1);
        worst = fmax(worst, fabs(losses[i] / w - 1));
    }
    printf("  %s: twenty iterations follow PyTorch's losses within %.1e\n", name, worst);
}

/* nnU-Net's planner makes up to 14 stages for long thin images. */
static void check_stages(void)
{
    struct plan p = {.dims = 2,
                     .batch = 2,
                     .channels = 1,
                     .classes = 2,
                     .deep_supervision = 1,
                     .stages = STAGES_MAX,
                     .patch = {1, 1024, 32}};
    struct error e = {{0}};
    p.network = network_find("unet");
    for (int s = 0; s < p.stages; s++) {
        p.features[s] = 2;
        p.encoder_blocks[s] = p.decoder_blocks[s] = 1;
        p.kernel[s][0] = p.stride[s][0] = 1;
        p.kernel[s][1] = p.kernel[s][2] = 3;
        p.stride[s][1] = s > 0 && s < 10 ? 2 : 1;
        p.stride[s][2] = s >= 10 ? 2 : 1;
    }
    CHECK(network_plan_check(&p, &e) == 0, "%s", e.text);
    struct model *m = model_create();
    struct network_training t = network_train_create(m, &p, 0, NULL);
    CHECK(t.out.heads == STAGES_MAX - 1, "%d heads", t.out.heads);
    model_finish(m);
    graph_plan(t.graph);
    CHECK(graph_bind(t.graph) == 0, "no memory");
    p.network->init(m, 1, NULL);
    struct optimizer o;
    test_optimizer(&o, &optimizer_sgd, 0.9f, 0, 12, m);
    double first = 0, last = 0;
    for (int i = 0; i < 2 * 1024 * 32; i++)
        tensor_f32(t.image)[i] = (float)(((uint8_t *)t.label[0]->data)[i] = i / 32 % 64 < 20);
    const int full[3] = {1, 1024, 32};
    for (int i = 1; i < t.out.heads; i++) {
        struct shape s = t.label[i]->shape;
        const int size[3] = {s.d, s.h, s.w};
        sampler_downsample(t.label[i]->data, size, t.label[0]->data, full, 2);
    }
    for (int i = 0; i < 10; i++) {
        graph_forward(t.graph);
        graph_backward(t.graph, t.loss);
        last = *tensor_f32(t.loss);
        if (i == 0) first = last;
        optimizer_step(&o, m, 0.05f, NULL);
    }
    CHECK(last < first - 0.2, "fourteen stages: loss %.4f, then %.4f", first, last);
    graph_destroy(t.graph);
    optimizer_free(&o);
    model_destroy(m);
}

static void check_bits(void)
{
    static const enum isa levels[] = {ISA_SCALAR, ISA_NEON, ISA_AVX2, ISA_AVX512};
    enum isa before = cpu_isa();
    struct plan p = small_plan(1);
    uint64_t first = 0;
    p.encoder_blocks[0] = p.decoder_blocks[1] = 1;
    for (int s = 0; s < 3; s++) p.features[s] = 3 + 2 * s;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        double losses[STEPS];
        if (cpu_isa_set(levels[i]) != levels[i]) continue;
        struct pool *pool = pool_create(1 + (int)i % 3);
        uint64_t hash = train(losses, &p, pool);
        if (!first) first = hash;
        CHECK(hash == first, "regions, %s: hash %016llx, not %016llx", cpu_isa_name(levels[i]),
              (unsigned long long)hash, (unsigned long long)first);
        pool_destroy(pool);
    }
    cpu_isa_set(before);
}

/* Components of 15 % of the voxels or more, against a count of each. */
static void check_large_components(void)
{
    enum { N = 400, IDS = 30 };
    int32_t id[N], large[LARGE_MAX];
    for (int round = 0; round < 300; round++) {
        struct rng rng = rng_stream(8, 0, (uint64_t)round, RNG_TEST);
        int count[IDS] = {0}, want = 0, right = 1;
        uint32_t kinds = 1 + rng_below(&rng, IDS - 1); /* a few large ones, or many small ones */
        for (int i = 0; i < N; i++) count[id[i] = (int32_t)rng_below(&rng, kinds + 1)]++;
        int n = large_components(large, id, N);
        for (int k = 1; k < IDS; k++)
            if (!(count[k] < N * 0.15)) right &= want < n && large[want] == k, want++;
        CHECK(right && want == n, "round %d: %d large components, %d found", round, want, n);
    }
}

/* nnU-Net's predict_from_raw_data takes no axes where the checkpoint has none, null or no such value. */
static void check_mirroring(void)
{
    static const struct {
        const char *values;
        int axes; /* -1: null */
    } known[] = {{"{}", -1},
                 {"{\"inference_allowed_mirroring_axes\": null}", -1},
                 {"{\"inference_allowed_mirroring_axes\": [0, 1]}", 2}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct error e = {{0}};
        struct json *values = json_parse(known[i].values, strlen(known[i].values), &e),
                    *j = nnunet_manifest(values, &(struct safetensors){0}, "folder");
        const struct json *axes =
            json_get(json_get(j, "converted_from"), "inference_allowed_mirroring_axes");
        CHECK(axes && (axes->type == JSON_NULL ? -1 : axes->count) == known[i].axes, "axes of %s",
              known[i].values);
        json_free(values);
        json_free(j);
    }
}

/* ---- a trainer that builds another network ------------------------------------------------------------- */

/* nnUNetTrainerBN: batch norm in the place of the plan's instance norm, which its tensors alone tell
 * (tests/golden/make_trainers.py). The logits are those of nnU-Net's own network. */
static void check_batch_norm(void)
{
    const char *file = "tests/data/golden/trainers/nnUNetTrainerBN.pth";
    struct error e = {{0}};
    struct pth p;
    struct run r, again;
    struct safetensors want;
    struct predictor net;
    CHECK(pth_read(&p, file, &e) == 0 &&
              safetensors_read(&want, "tests/data/golden/trainers/nnUNetTrainerBN.safetensors", &e) == 0,
          "%s", e.text);
    struct json *j = json_object();
    json_add(j, "manifest", nnunet_manifest(p.values, &p.tensors, "folder"));
    json_add(j, "dataset", json_read("tests/data/golden/nnunet_model/dataset.json", &e));
    json_add(j, "plans", json_read("tests/data/golden/nnunet_model/plans.json", &e));
    json_add_text(json_add_object(j, "postprocessing"), "of", "the weights");
    CHECK(run_parse(&r, j, "BN", &e) == 0, "%s", e.text);
    CHECK(r.plan->network_norm == &network_norm_batch, "the norm is the trainer's");
    struct json *told = run_describe(&r);
    CHECK(run_parse(&again, told, "described", &e) == 0 && again.plan->network_norm == &network_norm_batch,
          "the norm of a described run: %s", e.text);
    CHECK(strcmp(json_text(again.postprocessing, "of", ""), "the weights") == 0, "its postprocessing");
    struct model *m = learner_layout(&r.options, r.plan);
    CHECK(nnunet_read(file, m, &e) == 0, "%s", e.text);
    struct plan small = *r.plan;
    const struct safetensor *image = safetensors_find(&want, "image"),
                            *logits = safetensors_find(&want, "logits");
    for (int a = 0; a < 3; a++) small.patch[a] = (int)image->dim[a + 1];
    CHECK(predictor_create(&net, m, &small, 0, NULL, &e) == 0, "%s", e.text);
    memcpy(net.image->data, image->data, image->bytes);
    graph_forward(net.graph);
    for (size_t i = 0; i < logits->bytes / sizeof(float); i++)
        CHECK_NEAR(tensor_f32(net.logits)[i], safetensors_value(logits, i), 1e-5, "logit %zu", i);
    predictor_destroy(&net);
    /* What the network has no place for is told by its name, as PyTorch tells it. */
    const float one = 1;
    struct safetensors network;
    safetensors_add(&p.tensors, "network_weights.attention.weight", "F32", 1, &(int64_t){1}, &one);
    CHECK(nnunet_network(&network, &p, 1, file, &e) == 0, "%s", e.text);
    CHECK(checkpoint_load(&network, file, m, &e) != 0 && strstr(e.text, "attention.weight is not part of"),
          "a tensor beside the U-Net: %s", e.text);
    safetensors_free(&network);
    CHECK(nnunet_network(&network, &p, 0, file, &e) == 0 && checkpoint_load(&network, file, m, &e) == 0,
          "weights to begin with: %s", e.text);
    safetensors_free(&network);
    model_destroy(m);
    json_free(told);
    json_free(j);
    run_close(&again);
    run_close(&r);
    safetensors_free(&want);
    pth_free(&p);
}

int main(void)
{
    check_batch_norm();
    check_large_components();
    check_mirroring();
    struct error e = {{0}};
    CHECK(safetensors_read(&golden, "tests/data/golden/nnunet.safetensors", &e) == 0, "%s", e.text);
    check_losses();
    check_locations("labels", "\"labels\": {\"background\": 0, \"a\": 1, \"b\": 2, \"c\": 3, \"ignore\": 4}");
    check_locations("regions", "\"labels\": {\"background\": 0, \"whole\": [1, 2, 3], \"core\": [2, 3], "
                               "\"c\": 3, \"ignore\": 4}, \"regions_class_order\": [1, 2, 3]");
    check_mask();
    check_operators();
    check_previous();
    check_one_hot();
    check_training("labels", 0);
    check_training("regions", 1);
    check_stages();
    check_bits();
    safetensors_free(&golden);
    return check_done("check_nnunet");
}
