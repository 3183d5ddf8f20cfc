/* check_sliding.c - sliding windows against nnU-Net's own code (tests/golden/make_learning.py) and against
 * plain loops. */
#include "io/base/json.h"
#include "nn/infer/infer.h"
#include "nn/infer/postprocess.h"
#include "nn/infer/sliding.h"
#include "nn/network/network.h"
#include "tensor/base/check.h"
#include "tests/unit/expect.h"

static struct json *golden;

static float *make_noise(size_t n)
{
    float *v = malloc(n * sizeof *v);
    for (size_t i = 0; i < n; i++) v[i] = (float)((double)(uint32_t)(i * 2654435761u) / 4294967296.0 - 0.5);
    return v;
}

/* ---- sliding windows ----------------------------------------------------------------------------------- */

static void check_steps(void)
{
    const struct json *all = json_get(golden, "steps");
    for (int k = 0; k < all->count; k++) {
        const struct json *g = all->item[k], *want = json_get(g, "start");
        int start[600], same;
        int n = sliding_starts(start, 600, (int)json_integer(g, "size", 0), (int)json_integer(g, "patch", 0),
                               json_number(g, "step", 0));
        same = n == want->count;
        for (int i = 0; same && i < n; i++) same = start[i] == want->item[i]->integer;
        CHECK(same, "window starts %d", k);
    }
    int start[30];
    CHECK(sliding_starts(start, 30, 24, 1, 0.5) == 24 && start[23] == 23, "every slice of a 2D plan once");
    CHECK(sliding_starts(start, 30, 20, 4, 0.05) == 17 && start[16] == 16, "steps below a voxel");
}

static void check_gaussian(void)
{
    const int patch[3] = {6, 5, 8};
    float map[240];
    const struct json *want = json_get(json_get(golden, "gaussian"), "map");
    double worst = 0;
    sliding_gaussian(map, patch);
    for (int i = 0; i < 240; i++) worst = fmax(worst, fabs(map[i] / want->item[i]->number - 1));
    CHECK(map[(3 * 5 + 2) * 8 + 4] == 10, "the middle is %g", map[(3 * 5 + 2) * 8 + 4]);
    CHECK_NEAR(worst, 0, 1e-6, "importance map");
}

/* A predictor around any graph. kernel 0: the identity. Else the mean over a box of 3 voxels that counts no
 * border, so that a window's result depends on where it is cut. */
static struct predictor make_predictor(struct model *m, const int patch[3], int channels, int box,
                                       struct pool *pool)
{
    struct predictor p = {.patch = {patch[0], patch[1], patch[2]}, .channels = channels, .classes = channels};
    const int kernel[3] = {3, 3, 3}, stride[3] = {1, 1, 1}, pad[3] = {1, 1, 1};
    p.graph = graph_create(m, pool, 0);
    p.image = graph_input(p.graph, "image", SHAPE(1, patch[0], patch[1], patch[2], channels), DT_F32, 0);
    p.logits =
        box ? op_avg_pool3d(p.graph, p.image, kernel, stride, pad) : op_activation(p.graph, p.image, 1);
    graph_keep(p.graph, p.logits);
    graph_plan(p.graph);
    ENSURE(graph_bind(p.graph) == 0, "memory");
    return p;
}

static int count_calls(void *arg, int done, int of)
{
    int *last = arg;
    CHECK(done == last[0] + 1 && of > 0, "progress %d of %d", done, of);
    last[0] = done;
    last[1] = of;
    return 0;
}

static int stop_at_two(void *arg, int done, int of)
{
    (void)of;
    *(int *)arg = done;
    return done == 2;
}

static double box_mean(const float *image, const int size[3], const int corner[3], const int patch[3],
                       const int at[3])
{
    double sum = 0;
    int n = 0;
    for (int k = 0; k < 27; k++) {
        const int v[3] = {at[0] + k / 9 - 1, at[1] + k / 3 % 3 - 1, at[2] + k % 3 - 1};
        int inside = 1, in_window = 1;
        for (int a = 0; a < 3; a++) {
            in_window &= v[a] >= corner[a] && v[a] < corner[a] + patch[a];
            inside &= v[a] >= 0 && v[a] < size[a];
        }
        n += in_window; /* voxels of 0 around a small image count */
        if (in_window && inside) sum += image[(v[0] * size[1] + v[1]) * size[2] + v[2]];
    }
    return sum / n;
}

/* Gaussian-weighted mean over all windows of the box mean, in double, straight from the definition. */
static double expected(const float *image, const int size[3], const int patch[3], const int at[3])
{
    int start[3][64], n[3], pad[3];
    double sum = 0, weight = 0;
    for (int a = 0; a < 3; a++) {
        int padded = size[a] > patch[a] ? size[a] : patch[a];
        pad[a] = (padded - size[a]) / 2;
        n[a] = sliding_starts(start[a], 64, padded, patch[a], 0.5);
    }
    for (int k = 0; k < n[0] * n[1] * n[2]; k++) {
        const int index[3] = {k / n[2] / n[1], k / n[2] % n[1], k % n[2]};
        int corner[3], inside = 1;
        double exponent = 0;
        for (int a = 0; a < 3; a++) {
            corner[a] = start[a][index[a]] - pad[a];
            inside &= at[a] >= corner[a] && at[a] < corner[a] + patch[a];
            double d = (at[a] - corner[a] - patch[a] / 2) * 8.0 / patch[a];
            exponent -= d * d / 2;
        }
        if (!inside) continue;
        sum += exp(exponent) * box_mean(image, size, corner, patch, at);
        weight += exp(exponent);
    }
    return sum / weight;
}

/* The same bits, mirrored along some axes and not along others, whoever adds them up. */
static void check_threads(void)
{
    const int size[3] = {12, 13, 9}, patch[3] = {6, 5, 8};
    const size_t bytes = 12 * 13 * 9 * 2 * sizeof(float);
    float *image = make_noise(12 * 13 * 9 * 2), *one = malloc(bytes), *many = malloc(bytes);
    struct model *m = model_create();
    struct error e = {""};
    model_finish(m);
    for (int mirrored = 0; mirrored < 8; mirrored++)
        for (int threads = 1; threads <= 7; threads += 3) {
            struct sliding_options o = {
                .step = 0.5, .mirror = {mirrored & 1, mirrored >> 1 & 1, mirrored >> 2}};
            struct pool *pool = pool_create(threads);
            struct predictor p = make_predictor(m, patch, 2, 1, pool);
            CHECK(sliding_predict(threads == 1 ? one : many, &p, image, size, &o, &e) == 0, "%s", e.text);
            CHECK(threads == 1 || memcmp(one, many, bytes) == 0, "%d threads, mirrors %d", threads, mirrored);
            predictor_destroy(&p);
            pool_destroy(pool);
        }
    model_destroy(m);
    free(image);
    free(one);
    free(many);
}

static void check_sliding(void)
{
    const int sizes[3][3] = {{12, 13, 9}, {3, 20, 7}, {1, 1, 1}}, patch[3] = {6, 5, 8};
    struct model *m = model_create();
    model_finish(m);
    struct error e = {""};
    for (int k = 0; k < 3; k++)
        for (int mirrored = 0; mirrored < 2; mirrored++) {
            const int *size = sizes[k];
            size_t voxels = (size_t)size[0] * size[1] * size[2];
            int calls[2] = {-1, 0};
            struct sliding_options o = {0.5, {mirrored, mirrored, mirrored}, count_calls, calls};
            float *image = make_noise(voxels * 2), *logits = malloc(voxels * 2 * sizeof(float));
            struct predictor p = make_predictor(m, patch, 2, 0, NULL);
            double worst = 0;
            CHECK(sliding_predict(logits, &p, image, size, &o, &e) == 0, "%s", e.text);
            for (size_t i = 0; i < voxels * 2; i++)
                worst = fmax(worst, fabs((double)logits[i] - (double)image[i]));
            CHECK_NEAR(worst, 0, 1e-6, "the identity, size %d", k);
            CHECK(calls[0] == calls[1], "progress ends: %d of %d", calls[0], calls[1]);
            predictor_destroy(&p);
            p = make_predictor(m, patch, 1, 1, NULL);
            if (calls[1] > 2 && !mirrored) { /* no pass after the one that was the last wanted */
                int last = 0;
                o.progress = stop_at_two;
                o.arg = &last;
                CHECK(sliding_predict(logits, &p, image, size, &o, &e) == -1 && last == 2, "stopped at %d",
                      last);
            }
            o.progress = NULL;
            CHECK(sliding_predict(logits, &p, image, size, &o, &e) == 0, "%s", e.text);
            worst = 0;
            for (int i = 0; i < (int)voxels; i++) {
                const int at[3] = {i / size[2] / size[1], i / size[2] % size[1], i % size[2]};
                worst = fmax(worst, fabs(logits[i] - expected(image, size, patch, at)));
            }
            CHECK_NEAR(worst, 0, 1e-6, "box mean, size %d, mirrored %d", k, mirrored);
            o.step = 0;
            CHECK(sliding_predict(logits, &p, image, size, &o, &e) != 0 && strstr(e.text, "step"),
                  "a step of 0: %s", e.text);
            predictor_destroy(&p);
            free(image);
            free(logits);
        }
    model_destroy(m);
}

/* A U-Net of two stages: a window that is the whole image is one run of the network; a plan that no network
 * can be built of is an error. */
static void check_predictor(void)
{
    struct plan plan = {.configuration = "3d_fullres",
                        .network = network_find("unet"),
                        .dims = 3,
                        .patch = {8, 8, 12},
                        .batch = 2,
                        .stages = 2,
                        .features = {8, 16},
                        .kernel = {{3, 3, 3}, {3, 3, 3}},
                        .stride = {{1, 1, 1}, {2, 2, 2}},
                        .encoder_blocks = {2, 2},
                        .decoder_blocks = {2},
                        .channels = 2,
                        .classes = 3,
                        .deep_supervision = 1};
    struct model *m = model_create();
    struct network_training t = network_train_create(m, &plan, 0, NULL);
    struct predictor p;
    struct error e = {""};
    model_finish(m);
    plan.network->init(m, 1, NULL);
    graph_destroy(t.graph);
    CHECK(predictor_create(&p, m, &plan, 0, NULL, &e) == 0, "%s", e.text);
    size_t voxels = 8 * 8 * 12;
    float *image = make_noise(voxels * 2), *logits = malloc(voxels * 3 * sizeof(float)), worst = 0;
    struct sliding_options o = {.step = 0.5};
    CHECK(sliding_predict(logits, &p, image, plan.patch, &o, &e) == 0, "%s", e.text);
    memcpy(p.image->data, image, voxels * 2 * sizeof(float));
    graph_forward(p.graph);
    for (size_t i = 0; i < voxels * 3; i++) worst = fmaxf(worst, fabsf(logits[i] - tensor_f32(p.logits)[i]));
    CHECK_NEAR(worst, 0, 1e-6, "one window");
    CHECK(fabsf(logits[0] - logits[3 * voxels - 1]) > 1e-6f, "the network does something");
    predictor_destroy(&p);
    plan.patch[0] = 7;
    CHECK(predictor_create(&p, m, &plan, 0, NULL, &e) != 0 && e.text[0],
          "a patch that the strides do not divide");
    model_destroy(m);
    free(image);
    free(logits);
}

/* Of a long image of bytes the windows hold little: the most is what looks for the largest components of the
 * label map. */
static void check_announced(void)
{
    const struct plan plan = {.dims = 3, .transpose = {0, 1, 2}, .spacing = {1, 1, 1}, .channels = 1,
                              .classes = 2};
    const struct predictor p = {.patch = {16, 64, 64}, .channels = 1, .classes = 2};
    const size_t voxels = 2000 * 64 * 64;
    const struct infer_case c = {.size = {2000, 64, 64}, .spacing = {1, 1, 1}, .stored = voxels};
    struct error e = {""};
    size_t bytes = 0;
    CHECK(infer_bytes(&bytes, &c, &p, &plan, 0, &e) == 0, "%s", e.text);
    CHECK(bytes >= voxels + postprocess_bytes(voxels), "%zu bytes announced, postprocessing takes %zu", bytes,
          voxels + postprocess_bytes(voxels));
}

int main(void)
{
    struct error e;
    golden = json_read("tests/data/golden/learning.json", &e);
    if (!golden) {
        printf("FAILED %s\n", e.text);
        return 1;
    }
    check_steps();
    check_gaussian();
    check_sliding();
    check_threads();
    check_predictor();
    check_announced();
    json_free(golden);
    return check_done("check_sliding");
}
