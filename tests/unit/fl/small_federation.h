/* small_federation.h - a tiny classification federation for tests: images whose mean tells the class a
 * little, a ResNet of a few weights. */
#ifndef TESTS_SMALL_FEDERATION_H
#define TESTS_SMALL_FEDERATION_H

#include "fl/federate.h"
#include "io/base/file.h"
#include "nn/folder/run.h"
#include "nn/train/learner_data.h"
#include "tensor/base/rng.h"
#include "tests/unit/expect.h"
#include "tests/unit/remove_folder.h"

enum { SMALL_SIZE = 8, SMALL_CLIENTS = 400 };

static inline void small_data(struct learner_data *d, int cases)
{
    memset(d, 0, sizeof *d);
    d->store.cases = cases;
    d->store.structures = 2;
    d->store.prepared = calloc((size_t)cases, sizeof *d->store.prepared);
    d->store.index = calloc((size_t)cases, sizeof *d->store.index);
    d->target = calloc((size_t)cases, sizeof *d->target);
    for (int i = 0; i < cases; i++) {
        struct prepared *s = &d->store.prepared[i];
        struct rng rng = rng_stream(5, 0, (uint64_t)i, RNG_TEST);
        s->channels = 1;
        s->image = calloc(SMALL_SIZE * SMALL_SIZE * SMALL_SIZE, sizeof(float));
        for (int a = 0; a < 3; a++) s->size[a] = SMALL_SIZE;
        d->store.index[i] = i;
        d->target[i] = i % 2;
        for (int k = 0; k < SMALL_SIZE * SMALL_SIZE * SMALL_SIZE; k++)
            s->image[k] = rng_normal(&rng) + (k % 3 == 0 ? 0.8f : 0) * (float)(i % 2);
    }
}

static inline void small_data_free(struct learner_data *d)
{
    for (int i = 0; i < d->store.cases; i++) free(d->store.prepared[i].image);
    free(d->store.prepared);
    free(d->store.index);
    free(d->target);
}

static inline struct train_options small_options(int rounds, int iterations)
{
    struct train_options o = train_options_default(&task_classify);
    o.epochs = rounds;
    o.iterations = iterations;
    o.batch = 3;
    o.classifier.depth = 10;
    o.classifier.base = 4;
    o.classifier.dropout = 0.2f;
    o.class_weighting = 1; /* each client has its own weights */
    for (int a = 0; a < 3; a++) o.crop[a] = SMALL_SIZE;
    return o;
}

/* The clients of a federation over data, by part[case]; free with small_clients_free. */
static inline struct federate_client *small_clients(const struct learner_data *data, const int *part,
                                                    int clients)
{
    struct federate_client *c = calloc((size_t)clients, sizeof *c);
    for (int k = 0; k < clients; k++) {
        snprintf(c[k].name, sizeof c[k].name, "site_%d", k % 1000);
        CHECK(learner_view(&c[k].data, data, part, k, &(struct error){""}) == 0, "no memory");
    }
    return c;
}

static inline void small_clients_free(struct federate_client *c, int clients)
{
    for (int k = 0; k < clients; k++) {
        learner_view_free(&c[k].data);
        learner_view_free(&c[k].validation);
    }
    free(c);
}

#endif
