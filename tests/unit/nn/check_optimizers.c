/* check_optimizers.c - every optimiser of the table against PyTorch (tests/golden/make_optimizers.py), its
 * state, and what names are refused. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/folder/run.h"
#include "nn/optimize/optimizer.h"
#include "tensor/ops/ops.h"
#include "tests/unit/expect.h"
#include "tests/unit/nn/golden_json.h"
#include "tests/unit/nn/test_optimizer.h"

enum { COUNT = 37, STEPS = 8 };

static float noise(uint64_t i)
{
    return (float)((double)(uint32_t)(i * 2654435761u) / 4294967296.0 - 0.5);
}

/* A model of one parameter with COUNT weights. */
static struct model *vector_model(void)
{
    struct model *m = model_create();
    struct graph *g = graph_create(m, NULL, GRAPH_TRAIN);
    op_linear(g, "w", graph_input(g, "x", SHAPE(1, 1, 1, 1, COUNT), DT_F32, 0), 1, 0);
    graph_destroy(g);
    CHECK(model_finish(m) == 0 && m->params == 1 && m->param[0].count == COUNT, "a model of %d weights",
          COUNT);
    return m;
}

static void run_steps(struct optimizer *o, struct model *m, int first, int last, struct pool *pool)
{
    float *gradient = m->grad + m->param[0].offset;
    for (int step = first; step < last; step++) {
        for (int i = 0; i < COUNT; i++) gradient[i] = noise((uint64_t)(1000 * (step + 1) + i));
        optimizer_step(o, m, 0.05f / (float)(step + 1), pool);
    }
}

static void start(struct model *m)
{
    for (int i = 0; i < COUNT; i++) m->data[m->param[0].offset + (size_t)i] = noise((uint64_t)(1 + i));
}

static void begin_case(struct optimizer *o, const struct json *c, const struct model *m)
{
    const struct optimizer_method *method = optimizer_find(json_text(c, "name", ""));
    CHECK(method, "'%s' is in the table", json_text(c, "name", ""));
    test_optimizer(o, method, (float)json_number(c, "momentum", NAN),
                   (float)json_number(c, "weight_decay", NAN), (float)json_number(c, "clip", NAN), m);
}

static void check_against_pytorch(const struct json *c)
{
    struct optimizer o, other;
    struct model *m = vector_model();
    begin_case(&o, c, m);
    start(m);
    run_steps(&o, m, 0, STEPS, NULL);
    const float *w = m->data + m->param[0].offset;
    for (int i = 0; i < COUNT; i++) {
        double want = number_at(json_get(c, "weights"), i);
        CHECK_NEAR(w[i], want, 4e-7 * (1 + fabs(want)), "%s: weight %d", o.method->name, i);
        CHECK(m->grad[m->param[0].offset + (size_t)i] == 0, "%s: gradient %d is cleared", o.method->name, i);
    }
    /* Half way, the state goes over to another optimiser: the same weights. */
    uint64_t hash = model_hash(m);
    begin_case(&other, c, m);
    optimizer_reset(&o);
    start(m);
    run_steps(&o, m, 0, STEPS / 2, NULL);
    optimizer_assign(&other, &o);
    run_steps(&other, m, STEPS / 2, STEPS, NULL);
    CHECK(model_hash(m) == hash && other.steps == STEPS, "%s: state taken over", o.method->name);
    /* One that took no step has no moments. */
    optimizer_reset(&o);
    optimizer_assign(&other, &o);
    start(m);
    run_steps(&other, m, 0, STEPS, NULL);
    CHECK(model_hash(m) == hash && other.steps == STEPS, "%s: the beginning taken over", o.method->name);
    optimizer_free(&o);
    optimizer_free(&o); /* an empty one */
    optimizer_free(&other);
    model_destroy(m);
}

static void check_table(void)
{
    char names[OPTIMIZER_NAMES];
    optimizer_names(names);
    for (int k = 0; optimizers[k]; k++) {
        const struct optimizer_method *o = optimizers[k];
        int cases = 0;
        for (int i = 0; i < golden->count; i++)
            cases += strcmp(json_text(json_at(golden, i), "name", ""), o->name) == 0;
        CHECK(cases > 0, "optimizer %s has no case", o->name);
        CHECK(optimizer_find(o->name) == o && strstr(names, o->name), "%s is found by its name", o->name);
        CHECK(o->moments >= 1 && o->moments <= OPTIMIZER_MOMENTS && o->lr > 0,
              "%s: moments and learning rate", o->name);
        for (int j = 0; j < o->moments; j++) CHECK(o->moment[j], "%s: moment %d has no name", o->name, j);
    }
}

/* A name that is none is refused wherever it stands, never taken for another one. */
static void check_names(void)
{
    struct error e = {""};
    struct train_options o = train_options_default(&task_segment), read;
    CHECK(!optimizer_find("adamax"), "no such optimiser");
    CHECK(!optimizer_named("AdamW", "run/manifest.json", "training.optimizer", &e) &&
              strstr(e.text, "'AdamW'") && strstr(e.text, "sgd|adamw|adam"),
          "%s", e.text);
    struct json *j = train_options_json(&o);
    for (int k = 0; optimizers[k]; k++) {
        json_add_text(j, "optimizer", optimizers[k]->name);
        CHECK(train_options_from_json(&read, j, "manifest.json", &e) == 0 && read.optimizer == optimizers[k],
              "%s: %s", optimizers[k]->name, e.text);
    }
    json_add_text(j, "optimizer", "lion");
    CHECK(train_options_from_json(&read, j, "manifest.json", &e) == -1 &&
              strstr(e.text, "manifest.json: training.optimizer is 'lion'"),
          "%s", e.text);
    json_add_int(j, "optimizer", 3);
    CHECK(train_options_from_json(&read, j, "manifest.json", &e) == -1 &&
              strstr(e.text, "training.optimizer"),
          "%s", e.text);
    json_free(j);
}

static void check_standards(void)
{
    struct train_options o = train_options_default(&task_segment);
    train_options_use(&o, &optimizer_sgd); /* the task's own stays as it is */
    CHECK(o.lr == 0.01f && o.momentum == 0.99f && o.weight_decay == 3e-5f, "sgd of segmentation");
    train_options_use(&o, &optimizer_adamw);
    CHECK(o.lr == 1e-3f && o.momentum == 0 && o.weight_decay == 1e-2f && o.clip == 12,
          "adamw of segmentation");
    train_options_use(&o, &optimizer_sgd); /* as --hours --optimizer sgd, whose recipe has another */
    CHECK(o.lr == 0.01f && o.momentum == 0.99f && o.weight_decay == 3e-5f,
          "sgd of segmentation after adamw: %g, %g, %g", o.lr, o.momentum, o.weight_decay);
    o = train_options_default(&task_classify);
    train_options_use(&o, &optimizer_sgd);
    CHECK(o.lr == 0.01f && o.momentum == 0.9f && o.weight_decay == 3e-5f, "sgd of classification");
}

int main(void)
{
    if (!read_golden("tests/data/golden/optimizers.json")) return 1;
    for (int i = 0; i < golden->count; i++) check_against_pytorch(json_at(golden, i));
    check_table();
    check_names();
    check_standards();
    json_free(golden);
    return check_done("check_optimizers");
}
