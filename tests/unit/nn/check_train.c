/* check_train.c - learners and checkpoints: a step is a function of its number, a resumed run is the
 * uninterrupted one bit for bit, bad files are named and change nothing.
 */
#include "nn/train/classifier.h"
#include "nn/train/learner_data.h"
#include "tests/unit/nn/small_training.h"

#include <stdint.h>

#include "io/base/file.h"
#include "io/weights/safetensors.h"
#include "nn/train/checkpoint.h"
#include "nn/train/classify.h"
#include "nn/train/train.h"
#include "tensor/base/rng.h"

static const char *const scratch = "tests/data/check_train.safetensors"; /* written and removed again */

enum { CLASS_CASES = 7, EDGE = 10 };

static struct learner_data class_data(void)
{
    static const int size[3] = {EDGE, EDGE, EDGE};
    struct learner_data d = {0};
    d.store.cases = CLASS_CASES;
    d.store.structures = 2;
    d.store.prepared = calloc(CLASS_CASES, sizeof *d.store.prepared);
    d.store.index = calloc(CLASS_CASES, sizeof *d.store.index);
    d.target = calloc(CLASS_CASES, sizeof *d.target);
    for (int i = 0; i < CLASS_CASES; i++) {
        struct prepared *s = &d.store.prepared[i];
        *s = blank_sample(size, 1, 0);
        d.target[i] = i % 2;
        size_t v = 0;
        for (int z = 0; z < EDGE; z++)
            for (int y = 0; y < EDGE; y++)
                for (int x = 0; x < EDGE; x++, v++)
                    s->image[v] =
                        (z - 5) * (z - 5) + (y - 5) * (y - 5) + (x - 5) * (x - 5) < (i % 2 ? 3 : 14) + i
                            ? 1.5f
                            : -0.5f;
    }
    return d;
}

static struct train_options class_options(void)
{
    return (struct train_options){
        .task = &task_classify,
        .seed = 1,
        .epochs = 10,
        .iterations = 4,
        .lr = 2e-3f,
        .optimizer = &optimizer_adamw,
        .weight_decay = 0.01f,
        .augment = 2,
        .batch = 4,
        .classifier = {.depth = 10,
                       .channels = 1,
                       .classes = 2,
                       .base = 3,
                       .dropout = 0.1f,
                       .network = network_find("resnet")},
        .crop = {EDGE, EDGE, EDGE}};
}

/* ---- learners ------------------------------------------------------------------------------------------ */

struct run {
    struct model *model;
    struct learner learner;
};

static struct run run_start(const struct train_options *o, const struct plan *p, const struct learner_data *d,
                            struct pool *pool)
{
    struct run r = {.model = learner_model(o, p)};
    struct error e = {{0}};
    CHECK(learner_create(&r.learner, o, p, d, r.model, 0, pool, &e) == 0, "%s", e.text);
    CHECK(learner_own_optimizer(&r.learner, &e) == 0, "%s", e.text);
    return r;
}

static void run_end(struct run *r)
{
    learner_destroy(&r->learner);
    model_destroy(r->model);
}

static double run_steps(struct run *r, uint64_t first, uint64_t last)
{
    double loss = 0;
    for (uint64_t i = first; i < last; i++)
        loss = learner_step(&r->learner, i, learner_lr(r->learner.options, i));
    return loss;
}

/* Twenty steps in one go; ten steps, a checkpoint, and ten more by a new learner: the same weights. Threads
 * change nothing. */
static void check_resume(const char *what, const struct train_options *o, const struct plan *p,
                         const struct learner_data *d)
{
    struct error e = {{0}};
    struct pool *pool = pool_create(2);
    struct run whole = run_start(o, p, d, pool), half = run_start(o, p, d, NULL);
    run_steps(&whole, 0, 20);
    run_steps(&half, 0, 10);
    struct json *state = json_object(), *read = NULL;
    json_add_int(state, "epoch", 10);
    CHECK(checkpoint_write(scratch, half.model, half.learner.optimizer, 1, state, &e) == 0, "%s", e.text);

    struct train_options other = *o;
    other.seed = 99; /* other initial weights: all must come from the file */
    struct run rest = {.model = learner_model(&other, p)};
    CHECK(model_hash(rest.model) != model_hash(half.model), "%s: seeds", what);
    CHECK(learner_create(&rest.learner, o, p, d, rest.model, 0, NULL, &e) == 0, "%s", e.text);
    CHECK(learner_own_optimizer(&rest.learner, &e) == 0, "%s", e.text);
    CHECK(checkpoint_read(scratch, rest.model, rest.learner.optimizer, 1, &read, &e) == 0, "%s", e.text);
    CHECK(json_integer(read, "epoch", -1) == 10, "%s: state", what);
    CHECK(model_hash(rest.model) == model_hash(half.model), "%s: weights after reading", what);
    CHECK(rest.learner.optimizer->steps == 10, "%s: %d steps", what, (int)rest.learner.optimizer->steps);
    run_steps(&rest, 10, 20);
    CHECK(model_hash(rest.model) == model_hash(whole.model), "%s: resumed and uninterrupted runs differ",
          what);

    json_free(read);
    json_free(state);
    run_end(&rest);
    run_end(&half);
    run_end(&whole);
    pool_destroy(pool);
    remove(scratch);
}

static void check_learns(const char *what, const struct train_options *o, const struct plan *p,
                         const struct learner_data *d, double metric)
{
    struct run r = run_start(o, p, d, NULL);
    struct validation before, after, again;
    struct error e = {{0}};
    CHECK(learner_validate(&before, &r.learner, d, 3, &e) == 0, "%s", e.text);
    uint64_t hash = model_hash(r.model);
    CHECK(learner_validate(&again, &r.learner, d, 3, &e) == 0, "%s", e.text);
    CHECK(before.loss == again.loss && before.metric == again.metric, "%s: two validations differ", what);
    CHECK(model_hash(r.model) == hash, "%s: validation changes weights", what);
    run_steps(&r, 0, (uint64_t)o->epochs * (uint64_t)o->iterations);
    CHECK(learner_validate(&after, &r.learner, d, 3, &e) == 0, "%s", e.text);
    CHECK(after.loss < 0.6 * fabs(before.loss), "%s: loss %.4f, then %.4f", what, before.loss, after.loss);
    CHECK(after.metric >= metric && after.metric <= 1, "%s: metric %.4f, then %.4f", what, before.metric,
          after.metric);
    run_end(&r);
}

static void test_segmentation(void)
{
    struct learner_data d = segmentation_data();
    struct plan p = segmentation_plan();
    struct train_options o = segmentation_options();
    struct error e = {{0}};
    check_resume("segmentation", &o, &p, &d);
    o.augment = 0;
    check_learns("segmentation", &o, &p, &d, 0.4); /* 120 steps of a network of two stages */

    struct run r = run_start(&o, &p, &d, NULL);
    CHECK(r.learner.image->shape.n == 2 && r.learner.heads == 1, "batch and heads of the plan");
    run_end(&r);
    o.batch = 3;
    r = run_start(&o, &p, &d, NULL);
    CHECK(r.learner.image->shape.n == 3, "batch of the options");
    run_end(&r);

    struct learner l;
    struct model *m = learner_model(&o, &p);
    d.store.prepared[2].channels = 2;
    CHECK(learner_create(&l, &o, &p, &d, m, 0, NULL, &e) == -1 && strstr(e.text, "channels"),
          "two channels: %s", e.text);
    d.store.prepared[2].channels = 1;
    d.store.structures = 4;
    CHECK(learner_create(&l, &o, &p, &d, m, 0, NULL, &e) == -1 && strstr(e.text, "classes"),
          "four classes: %s", e.text);
    d.store.structures = CLASSES;
    d.store.cases = 0;
    CHECK(learner_create(&l, &o, &p, &d, m, 0, NULL, &e) == -1 && strstr(e.text, "no cases"), "no cases: %s",
          e.text);
    d.store.cases = CASES;
    model_destroy(m);
    learner_data_free(&d);
}

/* Each pass shows each case once; the order depends on seed, client and pass, not on what was asked
 * before. */
static void test_order(void)
{
    struct learner_data d = class_data();
    struct train_options o = class_options();
    int room[2][CLASS_CASES];
    struct class_order order = {.index = room[0]}, fresh = {.index = room[1]};
    float *image = calloc((size_t)4 * EDGE * EDGE * EDGE, sizeof *image),
          *other = calloc((size_t)4 * EDGE * EDGE * EDGE, sizeof *other);
    uint8_t label[4], again[4];
    int seen[CLASS_CASES] = {0};
    o.augment = 0;
    for (int i = 0; i < CLASS_CASES; i++) d.store.prepared[i].image[0] = (float)(100 + i);
    for (int step = 0; step < CLASS_CASES; step++) { /* 28 examples: four passes */
        classify_batch(image, NULL, label, &d, &o, 0, (uint64_t)step, 4, &order, NULL);
        for (int j = 0; j < 4; j++) {
            int i = (int)image[(size_t)j * EDGE * EDGE * EDGE] - 100;
            int pass = (step * 4 + j) / CLASS_CASES;
            CHECK(i >= 0 && i < CLASS_CASES && label[j] == d.target[i], "example %d of step %d", j, step);
            CHECK(seen[i]++ == pass, "case %d was seen %d times before pass %d", i, seen[i] - 1, pass);
        }
    }
    o.augment = 2;
    classify_batch(image, NULL, label, &d, &o, 3, 5, 4, &order, NULL);
    classify_batch(other, NULL, again, &d, &o, 3, 5, 4, &fresh, NULL);
    CHECK(memcmp(image, other, (size_t)4 * EDGE * EDGE * EDGE * sizeof *image) == 0 &&
              memcmp(label, again, 4) == 0,
          "a batch depends on earlier batches");
    classify_batch(other, NULL, again, &d, &o, 4, 5, 4, &fresh, NULL);
    CHECK(memcmp(image, other, (size_t)4 * EDGE * EDGE * EDGE * sizeof *image) != 0,
          "two clients, one batch");
    free(image);
    free(other);
    learner_data_free(&d);
}

static int at_once(void *arg)
{
    (void)arg;
    return 1;
}

static void test_classification(void)
{
    struct learner_data d = class_data();
    struct train_options o = class_options();
    struct error e = {{0}};
    check_resume("classification", &o, NULL, &d);
    o.augment = 0;
    check_learns("classification", &o, NULL, &d, 1);
    o.classifier.norm = &network_norm_instance;
    o.class_weighting = 1;
    check_learns("classification, instance norm, weighted", &o, NULL, &d, 1);

    float weight[3], probability[CLASS_CASES * 2];
    classify_weights(weight, 3, &d); /* 4 cases of class 0, 3 of class 1 */
    CHECK_NEAR(weight[0], 7.0 / 12, 1e-6, "weight of class 0");
    CHECK_NEAR(weight[1], 7.0 / 9, 1e-6, "weight of class 1");
    CHECK(weight[2] == 0, "weight of an absent class");
    struct model *m = learner_model(&o, NULL);
    CHECK(learner_classify(probability, m, &o, &d, NULL, NULL, NULL, &e) == 0, "%s", e.text);
    for (int i = 0; i < CLASS_CASES; i++)
        CHECK_NEAR(probability[2 * i] + probability[2 * i + 1], 1, 1e-6, "probabilities of case %d", i);
    struct model *same[16]; /* folds that agree: their mean is what each says, and decides as each does */
    float mean[CLASS_CASES * 2];
    for (int k = 0; k < 16; k++) same[k] = m;
    for (int k = 1; k <= 16; k++)
        CHECK(learner_classify_mean(mean, same, k, &o, &d, NULL, NULL, NULL, &e) == 0 &&
                  memcmp(mean, probability, sizeof mean) == 0,
              "the mean of %d equal models is another: %s", k, e.text);
    const struct param *fc = model_find(m, "fc.weight");
    for (size_t i = 0; i < fc->count; i++) m->data[fc->offset + i] = 3e38f;
    CHECK(learner_classify(probability, m, &o, &d, NULL, NULL, NULL, &e) == -1 &&
              strstr(e.text, "case 1 of 7 is not"),
          "logits beyond a float: %s", e.text);
    CHECK(learner_classify(probability, m, &o, &d, NULL, at_once, NULL, &e) == 1,
          "a signal is not asked for");
    model_destroy(m);
    learner_data_free(&d);
}

/* The mask's box with its margin, resampled; without a mask the whole image. */
static void test_prepare(void)
{
    static const int size[3] = {20, 24, 22}, crop[3] = {8, 8, 8};
    struct prepared blank = blank_sample(size, 2, 1), s;
    struct sample raw = {.size = {20, 24, 22},
                         .channels = 2,
                         .spacing = {1, 1, 1},
                         .image = blank.image,
                         .label = blank.label};
    struct error e = {{0}};
    for (int z = 0; z < 20; z++)
        for (int y = 0; y < 24; y++)
            for (int x = 0; x < 22; x++) {
                size_t i = ((size_t)z * 24 + y) * 22 + x;
                raw.image[2 * i] = (float)z;
                raw.image[2 * i + 1] = 5;
                const int inside = z >= 10 && z < 14 && y >= 3 && y < 13 && x >= 20;
                raw.label[i] = inside ? 1 : z == 0 ? LABEL_IGNORE : 0;
            }
    CHECK(classify_prepare(&s, &raw, crop, 1, &e) == 0, "%s", e.text);
    CHECK(s.size[0] == 8 && s.size[1] == 8 && s.size[2] == 8 && s.label == NULL, "size of a crop");
    /* z 10..13 and 3 voxels on each side: 10 of 8; y 3..12 and 3: 16 of 8; x 20..21 and 3, cut at the border:
     * 5 of 8 */
    CHECK_NEAR(s.spacing[0], 10 / 8.0, 1e-9, "spacing z");
    CHECK_NEAR(s.spacing[1], 16 / 8.0, 1e-9, "spacing y");
    CHECK_NEAR(s.spacing[2], 5 / 8.0, 1e-9, "spacing x");
    double sum = 0, squares = 0;
    for (int i = 0; i < 512; i++) {
        sum += s.image[2 * i];
        squares += (double)s.image[2 * i] * s.image[2 * i];
        CHECK(s.image[2 * i + 1] == 0, "a constant channel becomes 0");
    }
    CHECK_NEAR(sum / 512, 0, 1e-5, "mean");
    CHECK_NEAR(squares / 512, 1, 1e-5, "variance");
    CHECK(s.image[0] < -1 && s.image[2 * 511] > 1, "z grows along d");
    prepared_free(&s);
    prepared_free(&blank);
    blank = blank_sample(crop, 1, 0);
    raw = (struct sample){.size = {8, 8, 8}, .channels = 1, .spacing = {1, 1, 1}, .image = blank.image};
    raw.image[7] = 1;
    CHECK(classify_prepare(&s, &raw, crop, 0, &e) == 0 && s.spacing[0] == 1,
          "a case without mask stays whole");
    CHECK(s.image[6] == 0 && s.image[7] == 1, "a case taken as it is");
    prepared_free(&s);
    prepared_free(&blank);
}

static void test_rates(void)
{
    struct train_options o = segmentation_options();
    CHECK(learner_lr(&o, 0) == 0.05f && learner_lr(&o, 11) == 0.05f, "the rate is constant in an epoch");
    CHECK_NEAR(learner_lr(&o, 12), 0.05 * pow(0.9, 0.9), 1e-8, "second epoch");
    CHECK(learner_lr(&o, 119) > 0, "last step");
    o.lr = 0;
    CHECK(learner_lr(&o, 0) == 0.01f, "the default rate");
    o = class_options();
    for (uint64_t i = 0; i < 40; i++)
        CHECK(learner_lr(&o, i) > 0 && learner_lr(&o, i) <= o.lr, "rate of step %d", (int)i);
    o.epochs = 0;
    struct error e = {{0}};
    CHECK(learner_check(&o, NULL, &e) == -1 && strstr(e.text, "epochs"), "no epochs: %s", e.text);
}

/* Every task of the table has a line here: what it learns. */
static void test_tasks(void)
{
    static const struct {
        const char *name;
        void (*learns)(void);
        int planned;
        const char *metric; /* of two classes */
    } cases[] = {{"segment", test_segmentation, 1, "Dice"}, {"classify", test_classification, 0, "AUC"}};
    for (int i = 0; task_table[i]; i++) {
        const struct learning_task *t = task_table[i];
        struct train_options o = {.task = t};
        size_t k = 0;
        while (k < sizeof cases / sizeof *cases && strcmp(cases[k].name, t->name) != 0) k++;
        CHECK(k < sizeof cases / sizeof *cases, "task %s has no case", t->name);
        if (k == sizeof cases / sizeof *cases) continue;
        t->defaults(&o);
        CHECK(task_find(t->name) == t && t->planned == cases[k].planned && o.lr > 0 && o.schedule &&
                  o.optimizer,
              "task %s", t->name);
        CHECK(strcmp(t->metric(&o), cases[k].metric) == 0, "%s measures %s", t->name, t->metric(&o));
        o.classifier.classes = 3;
        CHECK(!t->planned == !strcmp(t->metric(&o), "accuracy"), "%s of three classes measures %s", t->name,
              t->metric(&o));
        cases[k].learns();
    }
    CHECK(task_find("detect") == NULL, "a task that there is not");
}

int main(void)
{
    test_rates();
    test_order();
    test_prepare();
    test_tasks();
    return check_done("check_train");
}
