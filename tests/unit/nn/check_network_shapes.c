/* check_network_shapes.c - parameters of the depths that other libraries count, what is no network, and what
 * weights begin with. */
#include "nn/network/network.h"
#include "tests/unit/nn/small_networks.h"

/* ---- shapes of the other depths, and what is rejected -------------------------------------------------- */

static size_t resnet_parameters(int depth, int stem7)
{
    struct classifier_options c = {.depth = depth,
                                   .channels = 1,
                                   .classes = 2,
                                   .base = 64,
                                   .stem7 = stem7,
                                   .network = network_find("resnet")};
    struct model *m = model_create();
    struct graph *g = graph_create(m, NULL, GRAPH_TRAIN);
    size_t n = 0;
    struct tensor *x = graph_input(g, "image", SHAPE(2, 32, 32, 32, 1), DT_F32, 0);
    struct tensor *y = network_classify(g, &c, x, NULL);
    CHECK(y->shape.n == 2 && y->shape.c == 2 && shape_voxels(y->shape) == 1, "resnet%d: output", depth);
    for (int i = 0; i < m->params; i++)
        if (param_trained(&m->param[i])) n += m->param[i].count;
    graph_destroy(g);
    model_destroy(m);
    return n;
}

/* Counts of MONAI's resnet10/18/34/50(spatial_dims=3, n_input_channels=1, num_classes=2,
 * bias_downsample=False). */
static void test_depths(void)
{
    static const struct {
        int depth;
        size_t count;
    } known[] = {{10, 14356546}, {18, 33161026}, {34, 63470658}, {50, 46159170}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n = resnet_parameters(known[i].depth, 1);
        CHECK(n == known[i].count, "resnet%d has %zu parameters, MONAI's %zu", known[i].depth, n,
              known[i].count);
    }
    CHECK(resnet_parameters(18, 0) == 33161026 - 64 * (343 - 27), "small stem");
}

static void expect_rejected(const struct plan *p, const char *word)
{
    struct error e = {{0}};
    CHECK(network_plan_check(p, &e) == -1, "a plan with bad %s was accepted", word);
    CHECK(strstr(e.text, word) != NULL, "message \"%s\" does not name %s", e.text, word);
}

static void test_rejections(void)
{
    static const int features[3] = {8, 16, 32};
    struct plan good = small_plan("unet", 3, features, 1), p;
    struct error e = {{0}};
    CHECK(network_plan_check(&good, &e) == 0, "%s", e.text);
    p = good, p.stages = 1, expect_rejected(&p, "stages");
    p = good, p.stages = STAGES_MAX + 1, expect_rejected(&p, "stages");
    p = good, p.patch[1] = 18, expect_rejected(&p, "patch_size[1]");
    p = good, p.kernel[1][2] = 2, expect_rejected(&p, "kernel[1][2]");
    p = good, p.stride[2][0] = 0, expect_rejected(&p, "stride[2][0]");
    p = good, p.features[0] = -3, expect_rejected(&p, "features[0]");
    p = good, p.classes = 1, expect_rejected(&p, "classes");
    p = good, p.batch = 0, expect_rejected(&p, "batch");
    p = good, p.encoder_blocks[0] = 0, expect_rejected(&p, "encoder_blocks[0]");
    p = good, p.network_norm = network_norm_find("group"),
    expect_rejected(&p, "num_groups of the group norm is 0");
    p.norm_groups = 8, p.features[1] = 12, expect_rejected(&p, "divide features_per_stage[1] 12");
    p = good, p.network_norm = network_norm_find("batch"), p.batch = 1,
    p.patch[0] = p.patch[1] = p.patch[2] = 4,
    expect_rejected(&p, "batch_size 1 with patch_size 4 x 4 x 4: batch norm");
    p.network_norm = network_norm_find("instance"), p.batch = 2;
    expect_rejected(&p, "patch_size 4 x 4 x 4: the last stage has one voxel, of which instance norm");
    p.network_norm = network_norm_find("group"), p.norm_groups = 8;
    CHECK(network_plan_check(&p, &e) == 0, "a group of channels has more values: %s", e.text);
    p.features[2] = 8;
    expect_rejected(&p, "stage 2 has one voxel and num_groups 8 one channel a group, of which group norm");
    p = good, p.network = network_find("resnet"), expect_rejected(&p, "resnet, which does not segment");
    /* Each number is in range, but not all together: what such plans hold is bounded before a graph is
     * recorded. */
    p = good;
    for (int s = 0; s < p.stages; s++) {
        p.features[s] = 4096;
        p.encoder_blocks[s] = 64;
        for (int a = 0; a < 3; a++) p.kernel[s][a] = 7;
    }
    expect_rejected(&p, "features_per_stage[0] 4096, kernel_sizes[0] 7 x 7 x 7 and n_conv_per_stage[0] 64");
    p.network = network_find("resenc");
    expect_rejected(&p, "n_blocks_per_stage[0] 64");
    p = good, p.features[2] = 4096, p.encoder_blocks[2] = 64,
    expect_rejected(&p, "features_per_stage[2] 4096");
    p = good, p.decoder_blocks[1] = 64, p.features[1] = 4096,
    expect_rejected(&p, "features_per_stage[1] 4096");
    p = good, p.batch = 4096, p.patch[0] = p.patch[1] = p.patch[2] = 512,
    expect_rejected(&p, "patch_size 512 x 512 x 512, batch_size 4096");
    p = good, p.patch[0] = p.patch[1] = p.patch[2] = 4096,
    expect_rejected(&p, "patch_size 4096 x 4096 x 4096");
    struct classifier_options c = {
        .depth = 20, .channels = 1, .classes = 2, .base = 8, .network = network_find("resnet")};
    const int crop[3] = {28, 28, 28};
    CHECK(network_classifier_check(&c, crop, 2, &e) == -1 && strstr(e.text, "depth"), "resnet depth 20");
    c.depth = 18, c.classes = 300;
    CHECK(network_classifier_check(&c, crop, 2, &e) == -1 && strstr(e.text, "classes"),
          "resnet of 300 classes");
    c.classes = 2, c.network = network_find("unet");
    CHECK(network_classifier_check(&c, crop, 2, &e) == -1 && strstr(e.text, "unet, which does not classify"),
          "a U-Net that classifies");
}

/* ---- initial weights ----------------------------------------------------------------------------------- */

static void test_init(void)
{
    static const int features[4] = {8, 16, 16, 16};
    struct plan p = small_plan("resenc", 4, features, 1);
    struct model *m = model_create();
    struct network_training t = network_train_create(m, &p, 0, NULL);
    model_finish(m);
    p.network->init(m, 7, NULL);
    for (int i = 0; i < m->params; i++) {
        const struct param *q = &m->param[i];
        double sum = 0, squares = 0, n = (double)q->count;
        for (size_t j = 0; j < q->count; j++)
            sum += m->data[q->offset + j], squares += pow(m->data[q->offset + j], 2);
        if (q->kind == PARAM_WEIGHT && n >= 1000) {
            double variance = 2 / (1 + 1e-4) / q->fan_in; /* five standard errors of the estimates */
            CHECK_NEAR(sum / n, 0, 5 * sqrt(variance / n), "mean of %s", q->name);
            CHECK_NEAR(squares / n, variance, 5 * variance * sqrt(2 / n), "variance of %s", q->name);
        } else if (q->kind == PARAM_GAMMA) {
            CHECK(sum == (strstr(q->name, ".conv2.norm.") ? 0 : n), "%s starts at %g", q->name, sum / n);
        } else if (q->kind == PARAM_BIAS || q->kind == PARAM_BETA) {
            CHECK(squares == 0, "%s does not start at 0", q->name);
        }
    }
    uint64_t first = model_hash(m);
    p.network->init(m, 8, NULL);
    CHECK(model_hash(m) != first, "two seeds, one hash");
    p.network->init(m, 7, NULL);
    CHECK(model_hash(m) == first, "one seed, two hashes");
    graph_destroy(t.graph);
    model_destroy(m);
}

int main(void)
{
    test_depths();
    test_rejections();
    test_init();
    return check_done("check_network_shapes");
}
