/* check_networks.c - whole networks against PyTorch: losses, every gradient, running statistics, ten steps of
 * each optimiser; then the same bits for every number of threads and every instruction set.
 *
 * Golden values: tests/golden/make_networks.py, whose generator of weights and inputs is repeated in
 * tests/unit/lcg.h.
 */
#include "tensor/base/bf16.h"
#include "tests/unit/expect.h"
#include "tests/unit/nn/small_networks.h"
#include "tests/unit/nn/test_optimizer.h"

#include <stdint.h>

#include "io/weights/safetensors.h"
#include "nn/optimize/optimizer.h"
#include "nn/optimize/schedule.h"
#include "nn/network/network.h"
#include "nn/batch/sampler.h"
#include "tensor/base/cpu.h"
#include "tests/unit/lcg.h"

/* ---- the data of make_networks.py ---------------------------------------------------------------------- */

static void fill_segmentation(struct network_training *t, const char *name)
{
    struct shape s = t->image->shape;
    struct lcg g = lcg_start("", name);
    float *image = tensor_f32(t->image);
    uint8_t *label = t->label[0]->data;
    for (int n = 0; n < s.n; n++)
        for (int z = 0; z < s.d; z++)
            for (int y = 0; y < s.h; y++)
                for (int x = 0; x < s.w; x++) {
                    *label = ball_label(n, z, y, x);
                    for (int c = 0; c < s.c; c++)
                        *image++ = (float)(lcg_next(&g) + 0.5 * (*label == LABEL_IGNORE ? 3 : *label));
                    label++;
                }
    const int size_in[3] = {s.d, s.h, s.w};
    for (int i = 1; i < t->out.heads; i++) {
        struct shape h = t->label[i]->shape;
        const int size_out[3] = {h.d, h.h, h.w};
        sampler_downsample(t->label[i]->data, size_out, t->label[0]->data, size_in, s.n);
    }
}

/* ---- against PyTorch ----------------------------------------------------------------------------------- */

static const struct safetensor *golden_find(const struct safetensors *s, const char *prefix, const char *name)
{
    char key[200];
    snprintf(key, sizeof key, "%s%s", prefix, name);
    const struct safetensor *t = safetensors_find(s, key);
    CHECK(t != NULL, "%s: no golden value", key);
    return t;
}

static double golden_double(const struct safetensor *t, size_t i)
{
    double v;
    memcpy(&v, (const char *)t->data + i * sizeof v, sizeof v);
    return v;
}

static void check_gradient(const char *net, const struct safetensors *s, const struct model *m,
                           const struct param *p, double floor)
{
    const float *g = m->grad + p->offset;
    const struct safetensor *shape = golden_find(s, "shape.", p->name),
                            *summary = golden_find(s, "summary.", p->name);
    const struct safetensor *value = golden_find(s, "grad.", p->name);
    struct lcg r = lcg_start("project ", p->name);
    double norm = 0, projection = 0, difference = 0, reference = 0, worst = 0, largest = 0;
    if (!shape || !summary || !value) return;
    int same = shape->dim[0] == p->ndim;
    for (int a = 0; same && a < p->ndim; a++) same = (int)safetensors_value(shape, (size_t)a) == p->dim[a];
    CHECK(same, "%s: shape of %s", net, p->name);
    for (size_t i = 0; i < p->count; i++) {
        norm += (double)g[i] * g[i];
        projection += g[i] * lcg_next(&r);
    }
    size_t stored = (size_t)value->dim[0], stride = stored == p->count ? 1 : 5;
    for (size_t i = 0; i < stored; i++) {
        double want = safetensors_value(value, i), d = g[i * stride] - want;
        difference += d * d;
        reference += want * want;
        worst = fmax(worst, fabs(d));
        largest = fmax(largest, fabs(want));
    }
    double whole = golden_double(summary, 0), tolerance = 1e-4 * whole + floor;
    CHECK(sqrt(difference) <= 1e-4 * sqrt(reference) + floor, "%s: gradient of %s is off by %.3g of %.3g",
          net, p->name, sqrt(difference), sqrt(reference));
    CHECK(worst <= 1e-4 * largest + floor,
          "%s: gradient of %s is off by %.3g at one place, largest value %.3g", net, p->name, worst, largest);
    CHECK_NEAR(sqrt(norm), whole, tolerance, "%s: norm of the gradient of %s", net, p->name);
    CHECK_NEAR(projection, golden_double(summary, 1), tolerance, "%s: projection of the gradient of %s", net,
               p->name);
}

/* Gradients that are zero but for rounding (a bias before a norm) are measured against the whole gradient's
 * norm. */
static void check_gradients(const char *net, const struct safetensors *s, const struct model *m)
{
    double total = 0;
    int expected = 0, trained = 0;
    for (size_t i = 0; i < m->count; i++) total += (double)m->grad[i] * m->grad[i];
    for (int i = 0; i < s->count; i++) expected += strncmp(s->tensor[i].name, "shape.", 6) == 0;
    for (int i = 0; i < m->params; i++) {
        if (!param_trained(&m->param[i])) continue;
        check_gradient(net, s, m, &m->param[i], 2e-7 * sqrt(total));
        trained++;
    }
    CHECK(trained == expected, "%s: %d parameters, PyTorch has %d", net, trained, expected);
}

/* Running mean and variance after one step. */
static void check_buffers(const char *net, const struct safetensors *s, const struct model *m)
{
    for (int i = 0; i < m->params; i++) {
        const struct param *p = &m->param[i];
        const struct safetensor *b = param_trained(p) ? NULL : golden_find(s, "buffer.", p->name);
        for (size_t j = 0; b && j < p->count; j++)
            CHECK_NEAR(m->data[p->offset + j], safetensors_value(b, j), 1e-5, "%s: %s[%d]", net, p->name,
                       (int)j);
    }
}

static int golden_read(struct safetensors *s, const char *path)
{
    struct error e = {{0}};
    int status = safetensors_read(s, path, &e);
    CHECK(status == 0, "%s", e.text);
    return status;
}

/* Ten steps on one batch; losses within 1e-3 of PyTorch's, and each parameter's norm afterwards. */
static void check_ten_steps(const char *net, const struct safetensors *s, struct graph *g,
                            struct tensor *loss, struct optimizer *o, float lr)
{
    struct model *m = graph_model(g);
    const struct safetensor *losses = golden_find(s, "losses", "");
    set_weights(m);
    model_zero_grad(m, NULL);
    for (size_t i = 0; losses && i < 10; i++) {
        double want = golden_double(losses, i);
        graph_forward(g);
        graph_backward(g, loss);
        double got = *tensor_f32(loss);
        optimizer_step(o, m, lr, NULL);
        CHECK_NEAR(got, want, 1e-3 * fabs(want), "%s: loss of step %d", net, (int)i + 1);
    }
    for (int i = 0; i < m->params; i++) {
        const struct param *p = &m->param[i];
        /* The coarsest head has weight 0. PyTorch skips a parameter without gradient, here it decays by
         * 3e-5. */
        if (!param_trained(p)) continue;
        const struct safetensor *moved = golden_find(s, "moved.", p->name);
        double norm = 0, want = moved ? golden_double(moved, 0) : NAN;
        for (size_t j = 0; j < p->count; j++) norm += (double)m->data[p->offset + j] * m->data[p->offset + j];
        CHECK_NEAR(sqrt(norm), want, 1e-3 * want, "%s: norm of %s after ten steps", net, p->name);
    }
    optimizer_free(o);
}

static struct network_training unet_bound(struct model *m, const struct plan *p, int flags, struct pool *pool)
{
    struct network_training t = network_train_create(m, p, flags, pool);
    if (!m->finished) model_finish(m);
    graph_plan(t.graph);
    CHECK(graph_bind(t.graph) == 0, "no memory");
    return t;
}

static void test_unet(const char *net, const char *path, const struct plan *p, const char *image,
                      int ten_steps)
{
    struct safetensors s = {0};
    if (golden_read(&s, path)) return;
    struct model *m = model_create();
    struct network_training t = unet_bound(m, p, 0, NULL);
    set_weights(m);
    fill_segmentation(&t, image);
    graph_forward(t.graph);
    graph_backward(t.graph, t.loss);
    const struct safetensor *loss = golden_find(&s, "loss", "");
    if (loss) CHECK_NEAR(*tensor_f32(t.loss), golden_double(loss, 0), 1e-5, "%s: loss", net);
    check_gradients(net, &s, m);
    check_buffers(net, &s, m);
    if (ten_steps) {
        struct optimizer o;
        test_optimizer(&o, &optimizer_sgd, 0.99f, 3e-5f, 12, m);
        check_ten_steps(net, &s, t.graph, t.loss, &o, 0.01f);
    }
    graph_destroy(t.graph);
    model_destroy(m);
    safetensors_free(&s);
}

static void test_plain_unet(void)
{
    struct plan p = mri_plan();
    test_unet("unet", "tests/data/golden/network_unet.safetensors", &p, "image 8", 1);
}

static void test_residual_unet(void)
{
    static const int features[4] = {4, 6, 8, 8}; /* the last stage keeps its width: a skip of pooling alone */
    struct plan p = small_plan("resenc", 4, features, 1);
    p.encoder_blocks[1] = 2;
    p.stride[2][0] = 1;
    test_unet("resenc", "tests/data/golden/network_resenc.safetensors", &p, "image 1", 0);
}

/* MONAI's class: as many blocks as its default has in three stages. */
static void test_segresnet(void)
{
    static const int features[3] = {8, 16, 32};
    struct plan p = small_plan("segresnet", 3, features, 2);
    p.encoder_blocks[1] = p.encoder_blocks[2] = 2;
    p.norm_groups = 8;
    test_unet("segresnet", "tests/data/golden/network_segresnet.safetensors", &p, "image 21", 1);
}

struct classifier {
    struct graph *graph;
    struct tensor *image, *label, *loss;
};

static struct classifier classifier_bound(struct model *m, const struct classifier_options *c, int batch,
                                          int edge, int flags, struct pool *pool)
{
    struct classifier n = {.graph = graph_create(m, pool, GRAPH_TRAIN | flags)};
    n.image = graph_input(n.graph, "image", SHAPE(batch, edge, edge, edge, c->channels), DT_F32, 0);
    n.label = graph_input(n.graph, "label", SHAPE(batch, 1, 1, 1, 1), DT_U8, 0);
    n.loss = op_cross_entropy(n.graph, network_classify(n.graph, c, n.image, NULL), n.label, NULL);
    graph_keep(n.graph, n.loss);
    if (!m->finished) model_finish(m);
    graph_plan(n.graph);
    CHECK(graph_bind(n.graph) == 0, "no memory");
    return n;
}

static void fill_classes(struct classifier *n, const char *name)
{
    static const uint8_t target[4] = {0, 1, 1, 0};
    struct lcg g = lcg_start("", name);
    size_t voxels = shape_voxels(n->image->shape);
    float *image = tensor_f32(n->image);
    for (int i = 0; i < n->image->shape.n; i++) {
        ((uint8_t *)n->label->data)[i] = target[i % 4];
        for (size_t j = 0; j < voxels; j++) *image++ = (float)(lcg_next(&g) + 0.25 * target[i % 4]);
    }
}

static void test_classifier(const char *net, const char *path, const char *image, const char *norm,
                            int ten_steps)
{
    struct classifier_options c = {.depth = 18,
                                   .channels = 1,
                                   .classes = 2,
                                   .base = 4,
                                   .norm = norm ? network_norm_find(norm) : NULL,
                                   .network = network_find("resnet")};
    struct safetensors s = {0};
    if (golden_read(&s, path)) return;
    struct model *m = model_create();
    struct classifier n = classifier_bound(m, &c, 4, 16, 0, NULL);
    set_weights(m);
    fill_classes(&n, image);
    graph_forward(n.graph);
    graph_backward(n.graph, n.loss);
    const struct safetensor *loss = golden_find(&s, "loss", "");
    if (loss) CHECK_NEAR(*tensor_f32(n.loss), golden_double(loss, 0), 1e-5, "%s: loss", net);
    check_gradients(net, &s, m);
    check_buffers(net, &s, m);
    if (ten_steps) {
        struct optimizer o;
        test_optimizer(&o, &optimizer_adamw, 0, 0.01f, 0, m);
        check_ten_steps(net, &s, n.graph, n.loss, &o, 2e-4f);
    }
    graph_destroy(n.graph);
    model_destroy(m);
    safetensors_free(&s);
}

static void test_resnet(void)
{
    test_classifier("resnet", "tests/data/golden/network_resnet.safetensors", "image 6", NULL, 1);
}

/* Every norm of the table has a line here: the networks with it, against PyTorch. */
static void norm_instance(void)
{
    test_plain_unet();
}

static void norm_batch(void)
{
    struct plan p = mri_plan();
    p.network_norm = network_norm_find("batch");
    test_unet("unet, batch norm", "tests/data/golden/network_unet_batch.safetensors", &p, "image 1", 0);
}

static void norm_group(void)
{
    struct plan p = mri_plan();
    p.network_norm = network_norm_find("group");
    p.norm_groups = 4;
    test_unet("unet, group norm", "tests/data/golden/network_unet_group.safetensors", &p, "image 4", 0);
    test_classifier("resnet, group norm", "tests/data/golden/network_resnet_group.safetensors", "image 14",
                    "group", 0);
}

static void test_norms(void)
{
    static const struct {
        const char *name, *class2d;
        void (*against_judge)(void);
    } norms[] = {{"instance", "torch.nn.InstanceNorm2d", norm_instance},
                 {"batch", "torch.nn.modules.batchnorm.BatchNorm2d", norm_batch},
                 {"group", "torch.nn.GroupNorm", norm_group}};
    for (int i = 0; network_norms[i]; i++) {
        const struct network_norm *n = network_norms[i];
        char name[NETWORK_NORM_CLASS];
        size_t k = 0;
        while (k < sizeof norms / sizeof *norms && strcmp(norms[k].name, n->name) != 0) k++;
        CHECK(k < sizeof norms / sizeof *norms, "norm %s has no case", n->name);
        if (k == sizeof norms / sizeof *norms) continue;
        norms[k].against_judge();
        for (int dims = 2; dims <= 3; dims++) {
            network_norm_class(name, n, dims);
            CHECK(network_norm_of_class(name) == n, "%s is not %s", name, n->name);
        }
        CHECK(network_norm_of_class(norms[k].class2d) == n && network_norm_find(n->name) == n, "%s", n->name);
    }
    CHECK(network_norm_of_class("torch.nn.LayerNorm") == NULL && network_norm_find("layer") == NULL &&
              network_norm_of_class("torch.nn.GroupNorm3d") == NULL,
          "unknown norms");
    static const int widths[3] = {24, 20, 32};
    CHECK(network_norm_groups(network_norm_find("group"), widths, 1) == 8 &&
              network_norm_groups(network_norm_find("group"), widths, 3) == 4 &&
              network_norm_groups(network_norm_find("group"), &(const int){7}, 1) == 1 &&
              network_norm_groups(network_norm_find("batch"), widths, 3) == 0,
          "groups");
}

/* ---- the same bits everywhere -------------------------------------------------------------------------- */

enum { BIT_STEPS = 20 };

static uint64_t segment_bits(const char *network, float loss[BIT_STEPS], int flags, struct pool *pool)
{
    static const int features[3] = {5, 9, 17}; /* not multiples of any vector */
    struct plan p = small_plan(network, 3, features, 2);
    struct model *m = model_create();
    p.norm_groups = 1;
    p.kernel[0][0] = p.stride[1][0] = 1;
    p.encoder_blocks[0] = p.decoder_blocks[1] = 1; /* for the sake of the scalar level */
    p.patch[0] = p.patch[2] = 8;
    p.patch[1] = 12;
    struct network_training t = unet_bound(m, &p, flags, pool);
    struct optimizer o;
    test_optimizer(&o, &optimizer_sgd, 0.99f, 3e-5f, 12, m);
    p.network->init(m, 1, pool);
    fill_segmentation(&t, "image");
    for (int i = 0; i < BIT_STEPS; i++) {
        graph_set_step(t.graph, 1, 0, (uint64_t)i);
        graph_forward(t.graph);
        loss[i] = *tensor_f32(t.loss);
        graph_backward(t.graph, t.loss);
        optimizer_step(&o, m, (float)schedule_poly(0.01, i / (double)BIT_STEPS, 0.9), pool);
    }
    uint64_t hash = model_hash(m);
    graph_destroy(t.graph);
    optimizer_free(&o);
    model_destroy(m);
    return hash;
}

static uint64_t classify_bits(const char *network, float loss[BIT_STEPS], int flags, struct pool *pool)
{
    struct classifier_options c = {.depth = 10,
                                   .channels = 1,
                                   .classes = 3,
                                   .base = 3,
                                   .dropout = 0.2f,
                                   .network = network_find(network)};
    struct model *m = model_create();
    struct classifier n = classifier_bound(m, &c, 3, 9, flags, pool);
    struct optimizer o;
    test_optimizer(&o, &optimizer_adamw, 0, 0.01f, 1, m);
    c.network->init(m, 1, pool);
    fill_classes(&n, "image");
    for (int i = 0; i < BIT_STEPS; i++) {
        graph_set_step(n.graph, 1, 0, (uint64_t)i);
        graph_forward(n.graph);
        loss[i] = *tensor_f32(n.loss);
        graph_backward(n.graph, n.loss);
        optimizer_step(&o, m, (float)schedule_cosine(1e-3, (i + 0.5) / BIT_STEPS, 0.05), pool);
    }
    uint64_t hash = model_hash(m);
    graph_destroy(n.graph);
    optimizer_free(&o);
    model_destroy(m);
    return hash;
}

/* Every network of the table has a line here. hash: of the weights after twenty steps, on every machine, with
 * every compiler; it changes when the arithmetic does. */
static const struct network_case {
    const char *name;
    void (*against_judge)(void); /* known losses and gradients */
    uint64_t hash;
} cases[] = {
    {"unet", test_plain_unet, 0x854e6fb3989a2e4d},
    {"resenc", test_residual_unet, 0x0fef324f471c173a},
    {"segresnet", test_segresnet, 0x1a0caf71e0f659dd},
    {"resnet", test_resnet, 0x2161b7a344d67cfa},
};

static const struct network_case *case_of(const struct network *n)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(cases[i].name, n->name) == 0) return &cases[i];
    CHECK(0, "network %s has no case", n->name);
    return NULL;
}

static uint64_t train_bits(const struct network *n, float loss[BIT_STEPS], int flags, struct pool *pool)
{
    return (n->segment ? segment_bits : classify_bits)(n->name, loss, flags, pool);
}

/* Names, and what the two kinds of networks must tell. */
static void test_table(void)
{
    char all[NETWORK_NAMES], presets[NETWORK_NAMES];
    network_names(all, NETWORKS_THAT_SEGMENT | NETWORKS_THAT_CLASSIFY);
    network_preset_names(presets);
    CHECK(strlen(all) < NETWORK_NAMES - 1 && strlen(presets) < NETWORK_NAMES - 1, "%s, %s", all, presets);
    for (int i = 0; network_table[i]; i++) {
        const struct network *n = network_table[i];
        const struct plan_preset *preset;
        const struct network_case *c = case_of(n);
        CHECK(network_find(n->name) == n && n->title && n->norm && n->init, "%s", n->name);
        CHECK(!n->segment != !n->classify && strstr(all, n->name), "%s segments or classifies", n->name);
        if (n->classify) CHECK(n->check && n->stage_voxels, "%s", n->name);
        if (n->segment)
            CHECK(n->presets[0].name && network_of_preset(n->presets[0].name, &preset) == n &&
                      preset == n->presets && strchr(n->class_name, '.') && n->maps,
                  "%s", n->name);
        if (c) c->against_judge();
    }
    CHECK(network_find("vnet") == NULL && network_of_preset("huge", &(const struct plan_preset *){0}) == NULL,
          "unknown names");
    CHECK(network_default(0)->segment && network_default(1)->classify, "the tasks' own");
}

/* Numbers of threads are tried at the level of this machine, the levels below it with three (in bf16 the
 * lowest without); with CHECK_ALL set (check_all.sh) all at all. */
static int first_threads(enum isa level, enum isa machine, int first)
{
    return level < machine && !getenv("CHECK_ALL") ? 3 : first;
}

static void test_bits(void)
{
    static const enum isa levels[] = {ISA_SCALAR, ISA_NEON, ISA_AVX2, ISA_AVX512};
    enum isa before = cpu_isa();
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (cpu_isa_set(levels[i]) != levels[i]) continue;
        for (int threads = first_threads(levels[i], before, 1); threads <= 3; threads++) {
            struct pool *pool = pool_create(threads);
            CHECK(pool != NULL, "a pool of %d threads", threads);
            for (int k = 0; network_table[k]; k++) {
                const struct network_case *c = case_of(network_table[k]);
                float loss[BIT_STEPS];
                uint64_t hash = c ? train_bits(network_table[k], loss, 0, pool) : 0;
                CHECK(c && hash == c->hash, "%s, %s, %d threads: hash %016llx", network_table[k]->title,
                      cpu_isa_name(levels[i]), threads, (unsigned long long)hash);
            }
            pool_destroy(pool);
        }
    }
    cpu_isa_set(before);
}

/* The gradient of the first step in bf16 against fp32. A value passes through at most `depth` roundings of
 * relative error BF16_U, forward and back; where they are independent the error of the gradient grows with
 * the root of their number. Norms amplify it by a small factor: 3. */
static void check_bf16_gradient(const struct plan *p, double depth)
{
    double error = 0, size = 0;
    float *gradient = NULL;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        struct model *m = model_create();
        struct network_training t = unet_bound(m, p, bf16 ? GRAPH_BF16 : 0, NULL);
        p->network->init(m, 1, NULL);
        fill_segmentation(&t, "image");
        graph_forward(t.graph);
        graph_backward(t.graph, t.loss);
        if (!bf16) gradient = malloc(m->count * sizeof(float));
        for (size_t i = 0; i < m->count; i++) {
            const double g = (double)m->grad[i];
            if (!bf16) gradient[i] = m->grad[i], size += g * g;
            else error += (g - (double)gradient[i]) * (g - (double)gradient[i]);
        }
        graph_destroy(t.graph);
        model_destroy(m);
    }
    free(gradient);
    const double relative = sqrt(error / size);
    CHECK(relative < 3 * sqrt(depth) * BF16_U, "the gradient in bf16 is off by %.3g of its length", relative);
    CHECK(relative > 1e-4, "the gradient in bf16 is off by only %.3g: nothing was rounded", relative);
}

/* In bf16: the same bits for any number of threads and at every level without bf16 arithmetic, and losses
 * that follow those of fp32. A level with such arithmetic has bits of its own. */
static void test_bf16(void)
{
    static const enum isa levels[] = {ISA_SCALAR, ISA_NEON, ISA_AVX2, ISA_AVX512, ISA_AVX512_BF16, ISA_AMX};
    enum isa before = cpu_isa();
    float unet[2][BIT_STEPS], resnet[2][BIT_STEPS];
    static const int features[3] = {4, 8, 12};
    struct plan p = small_plan("resenc", 3, features, 2);
    check_bf16_gradient(
        &p, 60); /* about 15 convolutions, norms and additions to the loss and as many gradients back */
    segment_bits("unet", unet[0], 0, NULL);
    classify_bits("resnet", resnet[0], 0, NULL);
    uint64_t u = 0, r = 0;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (cpu_isa_set(levels[i]) != levels[i]) continue;
        const char *name = cpu_isa_name(levels[i]);
        const int lowest = u == 0;
        if (lowest || levels[i] >= ISA_AVX512_BF16) {
            u = segment_bits("unet", unet[1], GRAPH_BF16, NULL);
            r = classify_bits("resnet", resnet[1], GRAPH_BF16, NULL);
            CHECK(u != case_of(network_find("unet"))->hash && r != case_of(network_find("resnet"))->hash,
                  "%s: bf16 gives the weights of fp32", name);
            for (int j = 0; j < BIT_STEPS; j++) {
                /* Dice and cross-entropy of a few thousand voxels average the roundings out; the ResNet has
                 * three cases. */
                CHECK_NEAR((double)unet[1][j], (double)unet[0][j], 0.02, "%s: U-Net, step %d: loss in bf16",
                           name, j);
                CHECK_NEAR((double)resnet[1][j], (double)resnet[0][j], 0.05,
                           "%s: ResNet, step %d: loss in bf16", name, j);
            }
        }
        if (lowest && levels[i] < before && !getenv("CHECK_ALL")) continue;
        for (int threads = first_threads(levels[i], before, 2); threads <= 3; threads++) {
            struct pool *pool = pool_create(threads);
            CHECK(segment_bits("unet", unet[1], GRAPH_BF16, pool) == u,
                  "U-Net in bf16, %s, %d threads: other bits", name, threads);
            CHECK(classify_bits("resnet", resnet[1], GRAPH_BF16, pool) == r,
                  "ResNet in bf16, %s, %d threads: other bits", name, threads);
            pool_destroy(pool);
        }
    }
    cpu_isa_set(before);
}

/* ---- first weights ------------------------------------------------------------------------------------- */

/* A parameter that several jobs draw: one stream from its beginning, whoever draws. */
static void test_wide_init(void)
{
    static const int features[3] = {8, 40, 80};
    struct plan p = small_plan("unet", 3, features, 2);
    struct model *m = model_create();
    struct pool *pool = pool_create(3);
    struct network_training t = unet_bound(m, &p, 0, NULL);
    int wide = 0;
    p.network->init(m, 5, pool);
    for (int i = 0; i < m->params; i++) {
        const struct param *w = &m->param[i];
        if (w->kind != PARAM_WEIGHT || w->count <= 1 << 15) continue;
        const float std = (float)sqrt(2.0 / (1.0 + (double)0.01f * 0.01f) / w->fan_in);
        struct rng rng = rng_stream(5, 0, (uint64_t)i, RNG_INIT);
        int wrong = 0;
        for (size_t k = 0; k < w->count; k++) wrong += m->data[w->offset + k] != std * rng_normal(&rng);
        CHECK(!wrong, "%s: %d of %zu first weights", w->name, wrong, w->count);
        wide++;
    }
    CHECK(wide >= 3, "%d parameters of several jobs", wide);
    graph_destroy(t.graph);
    pool_destroy(pool);
    model_destroy(m);
}

int main(void)
{
    test_wide_init();
    test_table();
    test_norms();
    test_bits();
    test_bf16();
    return check_done("check_networks");
}
