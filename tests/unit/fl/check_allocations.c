/* check_allocations.c - after planning nothing is allocated: 50 steps (check_allocations long: 10,000, in
 * memory that does not grow) of segmentation and of classification with their validations, and the rounds of
 * a federation, call malloc not once; and the printed bytes are the bytes. Statistics tell that memory is
 * out.
 */
#include <string.h>
#include <sys/resource.h>

#include "fl/federate.h"
#include "nn/folder/run.h"
#include "nn/train/classifier.h"
#include "nn/stats/stats_auc.h"
#include "nn/stats/stats_seeds.h"
#include "tests/unit/allocations.h"
#include "tests/unit/nn/small_training.h"

enum { IMAGES = 40, EDGE = 12, SITES = 3 };

static int steps = 50;

/* ---- data ---------------------------------------------------------------------------------------------- */

/* A bright ball in noise, brighter in the odd cases: the class. */
static struct learner_data class_data(void)
{
    static const int size[3] = {EDGE, EDGE, EDGE};
    struct learner_data d = {.store = {.cases = IMAGES, .structures = 2}};
    struct case_store *c = &d.store;
    c->prepared = calloc(IMAGES, sizeof *c->prepared);
    c->index = calloc(IMAGES, sizeof *c->index);
    d.target = calloc(IMAGES, sizeof *d.target);
    for (int i = 0; i < IMAGES; i++) {
        struct rng rng = rng_stream(9, 0, (uint64_t)i, RNG_TEST);
        c->prepared[i] = blank_sample(size, 1, 0);
        c->index[i] = i;
        d.target[i] = i % 2;
        for (int v = 0; v < EDGE * EDGE * EDGE; v++) {
            const int z = v / (EDGE * EDGE) - 6, y = v / EDGE % EDGE - 6, x = v % EDGE - 6;
            const int inside = z * z + y * y + x * x < 9 + i % 3;
            c->prepared[i].image[v] = (float)inside * (1 + (float)(i % 2)) + 0.3f * rng_normal(&rng);
        }
    }
    return d;
}

static struct train_options make_options(const struct learning_task *task)
{
    struct train_options o = train_options_default(task);
    o.epochs = steps / 10;
    o.iterations = 10;
    o.batch = 4;
    o.classifier.depth = 10;
    o.classifier.base = 4;
    o.class_weighting = 1;
    for (int a = 0; a < 3; a++) o.crop[a] = EDGE;
    return o;
}

static long resident_most(void) /* kB */
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) ? -1 : u.ru_maxrss;
}

/* ---- a learner ----------------------------------------------------------------------------------------- */

static void check_steps(const char *name, const struct train_options *o, const struct plan *p,
                        const struct learner_data *d, int threads)
{
    struct pool *pool = pool_create(threads);
    struct model *m = learner_model(o, p);
    struct learner l;
    struct validation v;
    struct error e = {""};
    CHECK(learner_create(&l, o, p, d, m, 0, pool, &e) == 0 && learner_own_optimizer(&l, &e) == 0, "%s: %s",
          name, e.text);
    size_t planned = learner_bytes(&l);
    long before = 0, resident = 0;
    for (int i = 0; i < steps; i++) {
        learner_step(&l, (uint64_t)i, learner_lr(o, (uint64_t)i));
        if (i % 10 == 0) CHECK(learner_validate(&v, &l, d, 4, &e) == 0, "%s: %s", name, e.text);
        if (i == 0) before = allocations;
        if (i == 20) resident = resident_most();
    }
    CHECK(allocations == before, "%s, %d threads: %ld allocations in %d steps and their validations",
          name, threads, allocations - before, steps - 1);
    CHECK(resident_most() - resident < 512, "%s, %d threads: %ld kB more after %d steps", name, threads,
          resident_most() - resident, steps);
    CHECK(learner_bytes(&l) == planned && planned >= graph_bytes(l.graph) + l.room.bytes,
          "%s: %zu bytes planned, %zu held", name, planned, learner_bytes(&l));
    CHECK(isfinite(v.loss), "%s: loss %g", name, v.loss);
    learner_destroy(&l);
    model_destroy(m);
    pool_destroy(pool);
}

/* What validates beside the step gives what learner_classify gives, and leaves the training as it was. */
static void check_beside(const struct learner_data *d)
{
    struct train_options o = make_options(&task_classify);
    struct error e = {""};
    struct validation v;
    uint64_t hash[2];
    float alone[IMAGES * 2];
    for (int validates = 0; validates < 2; validates++) {
        struct model *m = learner_model(&o, NULL);
        struct learner l;
        CHECK(learner_create(&l, &o, NULL, d, m, 0, NULL, &e) == 0 && learner_own_optimizer(&l, &e) == 0,
              "%s", e.text);
        for (int i = 0; i < 6; i++) {
            learner_step(&l, (uint64_t)i, 1e-3f);
            if (validates) CHECK(learner_validate(&v, &l, d, 1, &e) == 0, "%s", e.text);
        }
        hash[validates] = model_hash(m);
        CHECK(learner_classify(alone, m, &o, d, NULL, NULL, NULL, &e) == 0, "%s", e.text);
        if (validates)
            CHECK(memcmp(alone, l.room.probability, sizeof alone) == 0,
                  "validation and learner_classify differ");
        learner_destroy(&l);
        model_destroy(m);
    }
    CHECK(hash[0] == hash[1], "validation changed the training");
}

/* A learner that was made for few cases makes room where more come, and says so in its bytes. */
static void check_reserve(const struct learner_data *d)
{
    struct train_options o = make_options(&task_classify);
    struct learner_data few = *d;
    struct error e = {""};
    struct model *m = learner_model(&o, NULL);
    struct learner l;
    few.store.cases = 33;
    CHECK(learner_create(&l, &o, NULL, &few, m, 0, NULL, &e) == 0 && learner_own_optimizer(&l, &e) == 0, "%s",
          e.text);
    size_t small = learner_bytes(&l);
    CHECK(learner_reserve(&l, d, &e) == 0, "%s", e.text);
    size_t of_case =
        sizeof(int) + 2 * sizeof(float) + sizeof(double) + stats_auc_bytes(1) - stats_auc_bytes(0);
    CHECK(learner_bytes(&l) == small + (IMAGES - 33) * of_case, "%zu bytes, then %zu", small,
          learner_bytes(&l));
    learner_switch(&l, d, 7);
    CHECK(isfinite(learner_step(&l, 0, 1e-3f)), "a step with %d cases", IMAGES);
    learner_destroy(&l);
    model_destroy(m);
}

/* ---- a federation -------------------------------------------------------------------------------------- */

struct seen {
    long first, last; /* allocations when the first and the last round were done */
    size_t bytes;
};

static void on_planned(void *arg, size_t bytes, double flops, size_t parameters, int workers)
{
    (void)flops;
    (void)parameters;
    (void)workers;
    ((struct seen *)arg)->bytes = bytes;
}

static void on_round(void *arg, const struct round_record *g, int rounds)
{
    struct seen *s = arg;
    (void)rounds;
    if (g->round == 0) s->first = allocations;
    s->last = allocations;
}

/* Allocations of all rounds but the first, of so many iterations each. */
static long count_rounds(const char *name, struct train_options o, const struct plan *p,
                         const struct learner_data *d, int iterations, int batches,
                         enum federate_parallel parallel)
{
    struct federate_client client[SITES];
    struct federate_result r;
    struct error e = {""};
    struct seen seen = {0};
    int group[IMAGES];
    for (int i = 0; i < d->store.cases; i++) group[i] = i % 4 % SITES; /* the first has most */
    memset(client, 0, sizeof client);
    for (int k = 0; k < SITES; k++) {
        snprintf(client[k].name, sizeof client[k].name, "site_%d", k);
        CHECK(learner_view(&client[k].data, d, group, k, &(struct error){""}) == 0, "no memory");
        CHECK(learner_view(&client[k].validation, d, group, SITES - 1 - k, &(struct error){""}) == 0,
              "no memory");
    }
    struct pool *pool = pool_create(2);
    o.epochs = 5;
    o.iterations = iterations;
    struct federate_options f = {.train = o,
                                 .plan = p,
                                 .clients = SITES,
                                 .client = client,
                                 .validation = d,
                                 .validation_batches = batches,
                                 .parallel = parallel,
                                 .pool = pool,
                                 .checkpoint_every = 1};
    struct federate_events events = {.planned = on_planned, .round_done = on_round, .arg = &seen};
    CHECK(federate_run(&r, &f, NULL, &events, &e) == 0, "%s: %s", name, e.text);
    CHECK(r.rounds == o.epochs, "%s: %d rounds", name, r.rounds);
    CHECK(seen.bytes == r.step_bytes && seen.bytes > 0, "%s: %zu bytes planned, %zu at the end", name,
          seen.bytes, r.step_bytes);
    federate_result_free(&r);
    for (int k = 0; k < SITES; k++) {
        learner_view_free(&client[k].data);
        learner_view_free(&client[k].validation);
    }
    pool_destroy(pool);
    return seen.last - seen.first;
}

/* What a round allocates is the server's, at its end: steps and validations of the sites take nothing. */
static void check_rounds(const char *name, const struct train_options *o, const struct plan *p,
                         const struct learner_data *d)
{
    for (int side = 0; side < 2; side++) {
        enum federate_parallel parallel = side ? PARALLEL_CLIENTS : PARALLEL_LAYERS;
        long one = count_rounds(name, *o, p, d, 1, 1, parallel),
             more = count_rounds(name, *o, p, d, 4, 6, parallel);
        CHECK(one == more, "%s: %ld allocations in rounds of one step, %ld of four", name, one, more);
    }
}

/* Statistics that have no memory say so, wherever it is missing. */
static void check_seeds(void)
{
#ifdef ALLOCATIONS_FAIL
    enum { N = 8 };
    double a[2 * N], b[2 * N];
    struct seeds_test r;
    for (int i = 0; i < 2 * N; i++) a[i] = i % 5, b[i] = i % 3;
    for (int seeds = 1; seeds <= 2; seeds++) {
        const long before = allocations;
        CHECK(stats_seeds_mean(&r, a, b, seeds, N) == 0, "%d seeds", seeds);
        const long total = allocations - before;
        for (long at = 0; at < total; at++) {
            __atomic_store_n(&failing, at, __ATOMIC_RELAXED);
            const int status = stats_seeds_mean(&r, a, b, seeds, N);
            __atomic_store_n(&failing, -1, __ATOMIC_RELAXED);
            CHECK(status == -1, "%d seeds, allocation %ld of %ld fails: status %d", seeds, at, total, status);
        }
    }
#endif
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "long") == 0) steps = 10000;
    struct plan p = segmentation_plan();
    struct learner_data labelled = segmentation_data(), classes = class_data();
    struct train_options segment = make_options(&task_segment), classify = make_options(&task_classify);
    for (int threads = 1; threads <= 3; threads += 2) {
        check_steps("segmentation", &segment, &p, &labelled, threads);
        check_steps("classification", &classify, NULL, &classes, threads);
    }
    check_seeds();
    check_beside(&classes);
    check_reserve(&classes);
    check_rounds("segmentation", &segment, &p, &labelled);
    check_rounds("classification", &classify, NULL, &classes);
    learner_data_free(&labelled);
    learner_data_free(&classes);
    return check_done("check_allocations");
}
