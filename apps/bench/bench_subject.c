/* bench_subject.c - the cases, and setting one up. */
#include "apps/bench/bench_subject.h"

#include <stdlib.h>
#include <string.h>

#include "nn/network/init.h"
#include "tensor/base/rng.h"

/* U-Nets: 32 features, doubled up to 320, one channel, three classes. ResNets: 18 layers, 3x3x3 stem, 11
 * classes. The flat one is nnU-Net's plan for spacing 5 x 1.5625 x 1.5625 mm (golden_plans.json). */
static const struct bench_case cases[] = {
    {"unet_hippo", 0, "unet", 9, {40, 56, 40}, 4, 0, {0}},
    {"unet_hippo_b2", 0, "unet", 2, {40, 56, 40}, 4, 0, {0}},
    {"unet5_64", 0, "unet", 2, {64, 64, 64}, 5, 0, {0}},
    {"unet6_128_b2", 0, "unet", 2, {128, 128, 128}, 6, 0, {0}},
    {"unet7_20x256x224_b2", 0, "unet", 2, {20, 256, 224}, 6, 2, {0}},
    {"resnet18_28", 0, "resnet", 32, {28, 28, 28}, 0, 0, {0}},
    {"resnet18_64", 0, "resnet", 4, {64, 64, 64}, 0, 0, {0}},
    {"infer_unet5_128", 1, "unet", 1, {128, 128, 128}, 5, 0, {0}},
    {"infer_resnet18_28_b32", 1, "resnet", 32, {28, 28, 28}, 0, 0, {0}},
    {"unet6_128x256x256_mirror", 1, "unet", 1, {128, 128, 128}, 6, 0, {128, 256, 256}},
};

static int classifies(const struct bench_case *c)
{
    return network_find(c->network)->classify != NULL;
}

static struct plan make_plan(const struct bench_case *c)
{
    struct plan p = {.network = network_find(c->network),
                     .dims = 3,
                     .batch = c->batch,
                     .stages = c->stages,
                     .channels = 1,
                     .classes = 3,
                     .deep_supervision = 1};
    int size[3];
    memcpy(p.patch, c->patch, sizeof p.patch);
    memcpy(size, c->patch, sizeof size);
    for (int s = 0; s < c->stages; s++) {
        int features = 32 << s;
        p.features[s] = features < 320 ? features : 320;
        p.encoder_blocks[s] = p.decoder_blocks[s] = 2;
        for (int a = 0; a < 3; a++) {
            p.kernel[s][a] = a == 0 && s < c->flat_stages ? 1 : 3;
            p.stride[s][a] = s > 0 && !(a == 0 && s <= c->flat_stages) && size[a] >= 8 ? 2 : 1;
            size[a] = (size[a] + p.stride[s][a] - 1) / p.stride[s][a];
        }
    }
    return p;
}

static struct classifier_options make_classifier(const struct bench_case *c)
{
    return (struct classifier_options){
        .depth = 18, .channels = 1, .classes = 11, .base = 64, .network = network_find(c->network)};
}

static void fill_random(float *x, size_t n)
{
    struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
    for (size_t i = 0; i < n; i++) x[i] = rng_float(&rng) * 2 - 1;
}

const struct bench_case *bench_case(int i)
{
    return i < (int)(sizeof cases / sizeof *cases) ? &cases[i] : NULL;
}

static int prepare_training(struct subject *s, struct error *e)
{
    const struct bench_case *c = s->c;
    struct tensor *image, *label[STAGES_MAX] = {NULL};
    int labels = 1;
    s->model = model_create();
    if (classifies(c)) {
        const struct classifier_options config = make_classifier(c);
        s->graph = graph_create(s->model, s->pool, GRAPH_TRAIN | s->flags);
        image = graph_input(s->graph, "image", SHAPE(c->batch, c->patch[0], c->patch[1], c->patch[2], 1),
                            DT_F32, 0);
        label[0] = graph_input(s->graph, "label", SHAPE(c->batch, 1, 1, 1, 1), DT_U8, 0);
        s->loss = op_cross_entropy(s->graph, network_classify(s->graph, &config, image, NULL),
                                     label[0], NULL);
    } else {
        struct network_training t = network_train_create(s->model, &s->plan, s->flags, s->pool);
        s->graph = t.graph;
        s->loss = t.loss;
        image = t.image;
        labels = t.out.heads;
        memcpy(label, t.label, sizeof t.label);
    }
    if (model_finish(s->model)) return error_set(e, "%s: out of memory for the weights", c->name);
    init_he(s->model, 1, 0.01f, 0, NULL);
    struct optimizer_settings settings = {.momentum = classifies(c) ? 0.9f : 0.99f, .weight_decay = 3e-5f};
    if (optimizer_init(&s->optimizer, &optimizer_sgd, &settings, classifies(c) ? 0 : 12, s->model, e))
        return -1;
    if (graph_plan(s->graph)) return error_set(e, "%s: out of memory for the plan of a step", c->name);
    if (graph_bind(s->graph))
        return error_set(e, "%s: out of memory for %zu bytes", c->name, graph_bytes(s->graph));
    fill_random(image->data, shape_count(image->shape));
    struct rng rng = rng_stream(2, 0, 0, RNG_TEST);
    for (int i = 0; i < labels; i++) {
        uint8_t *v = label[i] ? label[i]->data : NULL;
        for (size_t k = 0; v && k < shape_count(label[i]->shape); k++)
            v[k] = (uint8_t)rng_below(&rng, classifies(c) ? 11 : 3);
    }
    return 0;
}

static int prepare_inference(struct subject *s, struct error *e)
{
    const struct bench_case *c = s->c;
    s->model = model_create();
    if (classifies(c)) {
        const struct classifier_options config = make_classifier(c);
        s->graph = graph_create(s->model, s->pool, s->flags);
        struct tensor *x = graph_input(s->graph, "image",
                                       SHAPE(c->batch, c->patch[0], c->patch[1], c->patch[2], 1), DT_F32, 0);
        graph_keep(s->graph, network_classify(s->graph, &config, x, NULL));
        if (model_finish_inference(s->model))
            return error_set(e, "%s: out of memory for the weights", c->name);
        init_he(s->model, 1, 0, 1, NULL);
        if (graph_plan(s->graph))
            return error_set(e, "%s: out of memory for the plan of an inference", c->name);
        if (graph_bind(s->graph))
            return error_set(e, "%s: out of memory for %zu bytes", c->name, graph_bytes(s->graph));
        fill_random(x->data, shape_count(x->shape));
        return 0;
    }
    /* Registers the parameters. */
    struct network_training t = network_train_create(s->model, &s->plan, 0, NULL);
    int status = model_finish_inference(s->model);
    graph_destroy(t.graph);
    if (status) return error_set(e, "%s: out of memory for the weights", c->name);
    init_he(s->model, 1, 0.01f, 0, NULL);
    if (predictor_create(&s->predictor, s->model, &s->plan, s->flags, s->pool, e)) return -1;
    fill_random(s->predictor.image->data, shape_count(s->predictor.image->shape));
    if (!c->volume[0]) return 0;
    size_t n = (size_t)c->volume[0] * (size_t)c->volume[1] * (size_t)c->volume[2];
    s->volume = malloc(n * sizeof(float));
    s->logits = malloc(3 * n * sizeof(float));
    if (!s->volume || !s->logits) return error_set(e, "%s: out of memory", c->name);
    fill_random(s->volume, n);
    return 0;
}

int subject_prepare(struct subject *s, struct error *e)
{
    s->plan = make_plan(s->c);
    return s->c->inference ? prepare_inference(s, e) : prepare_training(s, e);
}

int subject_run(struct subject *s, struct error *e)
{
    if (!s->c->inference) {
        graph_forward(s->graph);
        graph_backward(s->graph, s->loss);
        optimizer_step(&s->optimizer, s->model, 1e-3f, s->pool);
    } else if (s->c->volume[0]) {
        struct sliding_options o = {.step = 0.5, .mirror = {1, 1, 1}};
        return sliding_predict(s->logits, &s->predictor, s->volume, s->c->volume, &o, e);
    } else {
        graph_forward(s->graph ? s->graph : s->predictor.graph);
    }
    return 0;
}
