/* small_training.h - data, a plan and options of a segmentation that trains in a blink. */
#ifndef TESTS_UNIT_NN_SMALL_TRAINING_H
#define TESTS_UNIT_NN_SMALL_TRAINING_H

#include "nn/train/learner_data.h"
#include "nn/train/train.h"
#include "tensor/base/rng.h"
#include "tests/unit/expect.h"

enum { CASES = 5, CLASSES = 3 };

static inline struct prepared blank_sample(const int size[3], int channels, int labelled)
{
    struct prepared s = {.channels = channels, .spacing = {1, 1, 1}};
    size_t n = 1;
    for (int a = 0; a < 3; a++) {
        s.size[a] = size[a];
        n *= (size_t)size[a];
    }
    s.image = calloc(n * (size_t)channels, sizeof(float));
    s.label = labelled ? calloc(n, 1) : NULL;
    return s;
}

/* Cases with two bright balls, labels 1 and 2, in noise. */
static inline void fill_case(struct prepared *s, int index)
{
    struct rng rng = rng_stream(3, 0, (uint64_t)index, RNG_TEST);
    size_t i = 0;
    for (int z = 0; z < s->size[0]; z++)
        for (int y = 0; y < s->size[1]; y++)
            for (int x = 0; x < s->size[2]; x++, i++) {
                int a = (z - 4) * (z - 4) + (y - 4 - index) * (y - 4 - index) + (x - 4) * (x - 4);
                int b = (z - 7) * (z - 7) + (y - 9) * (y - 9) + (x - 10) * (x - 10);
                s->label[i] = a < 10 ? 1 : b < 12 ? 2 : 0;
                s->image[i] = 2 * (float)s->label[i] - 1 + 0.3f * rng_normal(&rng);
            }
}

static inline void locate_classes(struct case_store *c, int i)
{
    const struct prepared *s = &c->prepared[i];
    size_t voxels = (size_t)s->size[0] * s->size[1] * s->size[2];
    c->location[i] = calloc(CLASSES, sizeof *c->location[i]);
    c->location_count[i] = calloc(CLASSES, sizeof *c->location_count[i]);
    for (int k = 1; k < CLASSES; k++) {
        c->location[i][k] = calloc(voxels, sizeof(int32_t));
        for (size_t v = 0; v < voxels; v++)
            if (s->label[v] == k) c->location[i][k][c->location_count[i][k]++] = (int32_t)v;
    }
}

static inline struct learner_data segmentation_data(void)
{
    static const int size[3] = {11, 16, 14};
    struct learner_data d = {0};
    struct case_store *c = &d.store;
    c->cases = CASES;
    c->structures = CLASSES;
    c->prepared = calloc(CASES, sizeof *c->prepared);
    c->index = calloc(CASES, sizeof *c->index);
    c->location = calloc(CASES, sizeof *c->location);
    c->location_count = calloc(CASES, sizeof *c->location_count);
    for (int i = 0; i < CASES; i++) {
        c->index[i] = i;
        c->prepared[i] = blank_sample(size, 1, 1);
        fill_case(&c->prepared[i], i);
        locate_classes(c, i);
    }
    return d;
}

static inline struct plan segmentation_plan(void)
{
    struct plan p = {
        .dims = 3, .batch = 2, .stages = 2, .channels = 1, .classes = CLASSES, .deep_supervision = 1};
    snprintf(p.configuration, sizeof p.configuration, "test");
    p.network = network_find("unet");
    for (int s = 0; s < 2; s++) {
        p.features[s] = s ? 8 : 4;
        p.encoder_blocks[s] = p.decoder_blocks[s] = 1;
        for (int a = 0; a < 3; a++) {
            p.kernel[s][a] = 3;
            p.stride[s][a] = s ? 2 : 1;
            p.patch[a] = 8;
        }
    }
    return p;
}

static inline struct train_options segmentation_options(void)
{
    return (struct train_options){.task = &task_segment,
                                  .seed = 1,
                                  .epochs = 10,
                                  .iterations = 12,
                                  .lr = 0.05f,
                                  .optimizer = &optimizer_sgd,
                                  .momentum = 0.9f,
                                  .weight_decay = 3e-5f,
                                  .clip = 12,
                                  .oversample = 0.33f,
                                  .augment = 2};
}

/* Two classes that differ by the size of a ball; 7 cases, so that batches of 4 straddle passes. */

#endif
