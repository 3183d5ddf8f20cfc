/* check_wide.c - many labels and channels: TotalSegmentator's 118 classes, 200 values in regions, 40
 * channels. */
#include "nn/train/learner_data.h"
#include "tests/unit/expect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/infer/infer.h"
#include "nn/measure/evaluation.h"
#include "nn/train/train.h"

enum { EDGE = 16, VOXELS = EDGE * EDGE * EDGE };

static void check_sets(void)
{
    struct label_set s = label_set_of(200), same = label_set_of(200);
    CHECK(label_set_has(&s, 200) && !label_set_has(&s, 200 - 64) && !label_set_has(&s, 8), "value 200 alone");
    label_set_add(&s, 3);
    CHECK(label_set_has(&s, 3) && !label_set_equal(&s, &same) && !label_set_empty(&s), "and 3");
    CHECK(!label_set_has(&s, 254) && !label_set_has(&s, 255) && !label_set_has(&s, 256 + 3),
          "outside and ignored are in no set");
}

static struct plan wide_plan(int channels, int classes)
{
    struct plan p = {.dims = 3,
                     .batch = 2,
                     .stages = 2,
                     .channels = channels,
                     .classes = classes,
                     .labels = classes,
                     .deep_supervision = 1,
                     .transpose = {0, 1, 2},
                     .spacing = {1, 1, 1}};
    snprintf(p.configuration, sizeof p.configuration, "test");
    p.network = network_find("unet");
    for (int s = 0; s < 2; s++) {
        p.features[s] = 8;
        p.encoder_blocks[s] = p.decoder_blocks[s] = 1;
        for (int a = 0; a < 3; a++) {
            p.kernel[s][a] = 3;
            p.stride[s][a] = s ? 2 : 1;
            p.patch[a] = EDGE;
        }
    }
    return p;
}

/* Labels in slabs; channel c is the label's number, scaled and shifted. */
static struct sample wide_sample(int channels, int labels, int k)
{
    struct sample s = {.channels = channels,
                       .size = {EDGE, EDGE, EDGE},
                       .spacing = {1, 1, 1}};
    s.image = malloc((size_t)VOXELS * (size_t)channels * sizeof(float));
    s.label = malloc(VOXELS);
    for (int i = 0; i < VOXELS; i++) {
        s.label[i] = (uint8_t)((i / 32 + k) % labels);
        for (int c = 0; c < channels; c++)
            s.image[i * channels + c] = (float)((s.label[i] * (c + 1)) % 17) + 1;
    }
    return s;
}

static void train_and_predict(const char *name, const struct plan *p, int labels)
{
    struct error e = {""};
    struct train_options o = {.task = &task_segment,
                              .seed = 1,
                              .epochs = 1,
                              .iterations = 4,
                              .lr = 0.01f,
                              .optimizer = &optimizer_sgd,
                              .momentum = 0.9f,
                              .clip = 12,
                              .oversample = 0.33f,
                              .augment = 0};
    struct learner_data d = {0};
    struct learner l;
    struct pool *pool = pool_create(2);
    for (int k = 0; k < 3; k++) {
        struct sample s = wide_sample(p->channels, labels, k);
        CHECK(case_store_add(&d.store, &s, p, &e) == 0, "%s: %s", name, e.text);
    }
    CHECK(d.store.structures == (p->regions ? p->regions + 1 : labels), "%s: %d structures", name,
          d.store.structures);
    for (int g = 1; g < d.store.structures; g++)
        CHECK(d.store.location_count[0][g] > 0, "%s: no voxel of group %d", name, g);
    struct model *m = learner_model(&o, p);
    CHECK(learner_create(&l, &o, p, &d, m, 0, pool, &e) == 0 && learner_own_optimizer(&l, &e) == 0, "%s: %s",
          name, e.text);
    double first = learner_step(&l, 0, 0.01f), last = first;
    for (int i = 1; i < 4; i++) last = learner_step(&l, (uint64_t)i, 0.01f);
    CHECK(last < first, "%s: loss %g, then %g", name, first, last);
    learner_destroy(&l);
    struct predictor r;
    struct sliding_options step = {.step = 0.5};
    struct sample s = wide_sample(p->channels, labels, 1);
    uint8_t *map = NULL;
    float *probability = NULL;
    CHECK(predictor_create(&r, m, p, 0, pool, &e) == 0 &&
              infer_segment(&map, &probability, NULL, &r, 1, p, &s, &step, &e) == 0,
          "%s: %s", name, e.text);
    int beyond = 0;
    for (int i = 0; i < VOXELS; i++) beyond += map[i] >= labels;
    CHECK(beyond == 0, "%s: %d voxels of no label", name, beyond);
    m->data[0] = NAN; /* a diverged network */
    struct sample again = wide_sample(p->channels, labels, 1);
    uint8_t *none = NULL;
    CHECK(infer_segment(&none, NULL, NULL, &r, 1, p, &again, &step, &e) == -1 && !none &&
              strstr(e.text, "not finite"),
          "%s: NaN predicts: %s", name, e.text);
    free(map);
    free(probability);
    sample_free(&s);
    sample_free(&again);
    predictor_destroy(&r);
    model_destroy(m);
    learner_data_free(&d);
    pool_destroy(pool);
}

/* Batch norm of one value, instance norm of one voxel: refused with the names of the options. */
static void check_small_crops(void)
{
    struct error e = {""};
    struct train_options o = {
        .task = &task_classify,
        .epochs = 1,
        .iterations = 1,
        .batch = 1,
        .crop = {8, 8, 8},
        .classifier = {10, 1, 2, 8, 0, &network_norm_batch, 0, 0, network_find("resnet")}};
    CHECK(learner_check(&o, NULL, &e) == -1 && strstr(e.text, "--batch 1") && strstr(e.text, "--crop 8,8,8"),
          "%s", e.text);
    o.batch = 2;
    CHECK(learner_check(&o, NULL, &e) == 0, "two values: %s", e.text);
    o.batch = 1;
    o.crop[2] = 9;
    CHECK(learner_check(&o, NULL, &e) == 0, "two voxels: %s", e.text);
    o.crop[2] = 8;
    o.batch = 4;
    o.classifier.norm = &network_norm_instance;
    CHECK(learner_check(&o, NULL, &e) == -1 && strstr(e.text, "--crop 8,8,8"), "%s", e.text);
    o.crop[0] = 33;
    o.classifier.stem7 = 1;
    CHECK(o.classifier.network->stage_voxels(&o.classifier, o.crop, 1) == 2 &&
              learner_check(&o, NULL, &e) == 0,
          "33 with the large stem: %s", e.text);
    /* Of groups it is the first stage that has one channel in each, where its width is their number. */
    o.crop[0] = o.crop[1] = o.crop[2] = 4;
    o.classifier.norm = &network_norm_group;
    CHECK(learner_check(&o, NULL, &e) == -1 && strstr(e.text, "--crop 4,4,4 with --base 8"), "%s", e.text);
    o.crop[1] = 5;
    CHECK(learner_check(&o, NULL, &e) == 0, "two voxels, of one channel: %s", e.text);
    o.crop[1] = 4;
    o.classifier.base = 16;
    CHECK(learner_check(&o, NULL, &e) == 0, "one voxel, of two channels: %s", e.text);
    for (int edge = 1; edge < 40; edge++) /* the rule against the network itself */
        for (int stem = 0; stem < 2; stem++) {
            struct classifier_options c = {
                10, 1, 2, 4, stem, &network_norm_instance, 0, 0, network_find("resnet")};
            const int crop[3] = {edge, 1, 1};
            struct model *m = model_create();
            struct graph *g = graph_create(m, NULL, 0);
            struct tensor *x = graph_input(g, "x", SHAPE(1, edge, 1, 1, 1), DT_F32, 0);
            struct tensor *y = network_classify(g, &c, x, NULL);
            struct graph_op op, first = {.in = {0}}, last = first; /* first: the skip of the first block */
            for (int i = 0; graph_read_op(g, i, &op); i++) {
                if (strcmp(op.kind, "global_avg_pool") == 0) last = op;
                if (strcmp(op.kind, "add") == 0 && !first.inputs) first = op;
            }
            CHECK(first.inputs == 2 && c.network->stage_voxels(&c, crop, 0) == graph_shape(g, first.in[0]).d,
                  "first stage, crop %d, stem7 %d", edge, stem);
            CHECK(y && last.inputs == 1 &&
                      c.network->stage_voxels(&c, crop, 1) == graph_shape(g, last.in[0]).d,
                  "crop %d, stem7 %d", edge, stem);
            graph_destroy(g);
            model_destroy(m);
        }
}

int main(void)
{
    check_sets();
    struct plan p = wide_plan(1, 118);
    train_and_predict("118 labels", &p, 118);
    p = wide_plan(40, 3);
    train_and_predict("40 channels", &p, 3);
    p = wide_plan(1, 2);
    p.labels = 200;
    p.regions = 2;
    for (int v = 1; v < 200; v++) label_set_add(&p.region[v > 100], (unsigned)v);
    p.region_written[0] = 1;
    p.region_written[1] = 199;
    train_and_predict("regions of 200 labels", &p, 200);
    check_small_crops();
    return check_done("check_wide");
}
