/* check_device.c - the kernels of an exported network (nn/device) against the program's own, bit for bit,
 * over shapes that the networks do not have: each of Winograd's forms with borders, more than one block of
 * channels, zeros of either sign, two inputs, steps of three. And the arithmetic that they make themselves:
 * the fused multiply-add from doubles, the square root.
 */
#include "nn/device/device_program.h"
#include "tensor/base/rng.h"
#include "tensor/base/vmath.h"
#include "tensor/elem/elem.h"
#include "tensor/ops/ops.h"
#include "tests/unit/expect.h"

static struct rng rng;

/* Normal numbers, some of them zero: 0 or -0. */
static float *numbers(size_t n)
{
    float *x = malloc((n + 1) * sizeof *x);
    rng_normals(&rng, x, n);
    for (size_t i = 0; i < n; i++)
        if (rng_below(&rng, 8) == 0) x[i] = rng_below(&rng, 2) ? 0.0f : -0.0f;
    return x;
}

static void compare(const float *got, const float *want, size_t n, const char *what)
{
    size_t different = 0;
    for (size_t i = 0; i < n; i++) different += memcmp(&got[i], &want[i], sizeof *got) != 0;
    CHECK(different == 0, "%s: %zu of %zu differ", what, different, n);
}

static void *aligned(size_t floats)
{
    void *p = NULL;
    return posix_memalign(&p, 64, (floats + 16) * sizeof(float)) ? NULL : p;
}

/* ---- convolutions -------------------------------------------------------------------------------------- */

static int forms_seen[4];

static void check_conv(int c, int k, const int in[3], const int kernel[3], const int stride[3],
                       const int pad[3], int accumulate, int bias)
{
    char what[160];
    const struct conv3d_shape s = conv3d_shape(1, c, k, in, kernel, stride, pad);
    const struct conv3d chosen = conv3d_choose(&s, 0, 1);
    const struct device_conv d = device_conv_of(&s);
    const size_t taps = (size_t)(kernel[0] * kernel[1] * kernel[2]), weights = (size_t)c * (size_t)k * taps;
    const size_t xs = (size_t)c * (size_t)(in[0] * in[1] * in[2]),
                 ys = (size_t)k * (size_t)(s.out[0] * s.out[1] * s.out[2]);
    float *x = numbers(xs), *w = numbers(weights), *b = numbers((size_t)k), *want = numbers(ys),
          *got = malloc(ys * sizeof *got);
    float *packed = malloc(weights * sizeof *packed), *scratch = aligned(chosen.scratch[CONV_FORWARD]);
    float *mine = malloc((device_conv_scratch(&d) + 1) * sizeof *mine);
    memcpy(got, want, ys * sizeof *got);
    conv3d_fwd(want, x, w, bias ? b : NULL, &chosen, accumulate, scratch, NULL);
    device_pack_conv(packed, w, &s);
    device_conv3d(got, x, packed, bias ? b : NULL, accumulate, &d, mine);
    snprintf(what, sizeof what,
             "convolution %d to %d of %dx%dx%d, kernel %dx%dx%d, stride %dx%dx%d, pad %dx%dx%d, accumulate "
             "%d, forms %d %d",
             c, k, in[0], in[1], in[2], kernel[0], kernel[1], kernel[2], stride[0], stride[1], stride[2],
             pad[0], pad[1], pad[2], accumulate, d.depth, d.plane);
    compare(got, want, ys, what);
    forms_seen[d.plane]++;
    free(x), free(w), free(b), free(want), free(got), free(packed), free(scratch), free(mine);
}

static void check_convs(void)
{
    static const int cases[][14] = { /* c, k, in, kernel, stride, pad */
        {1, 5, 4, 5, 6, 3, 3, 3, 1, 1, 1, 1, 1, 1},      {3, 17, 5, 4, 7, 3, 3, 3, 2, 2, 2, 1, 1, 1},
        {16, 16, 6, 8, 8, 3, 3, 3, 1, 1, 1, 1, 1, 1},    {16, 19, 7, 9, 11, 3, 3, 3, 1, 1, 1, 1, 1, 1},
        {70, 33, 5, 12, 13, 3, 3, 3, 1, 1, 1, 1, 1, 1},  {130, 16, 4, 6, 6, 3, 3, 3, 1, 1, 1, 1, 1, 1},
        {32, 20, 9, 11, 12, 3, 3, 3, 2, 2, 2, 1, 1, 1},  {66, 32, 8, 8, 10, 3, 3, 3, 1, 2, 2, 1, 1, 1},
        {24, 24, 3, 16, 20, 1, 3, 3, 1, 1, 1, 0, 1, 1},  {24, 24, 3, 17, 21, 1, 3, 3, 1, 2, 2, 0, 1, 1},
        {130, 10, 3, 4, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0},   {16, 8, 6, 5, 7, 1, 1, 1, 2, 2, 2, 0, 0, 0},
        {2, 9, 9, 10, 11, 7, 7, 7, 2, 2, 2, 3, 3, 3},    {5, 4, 2, 2, 2, 3, 3, 3, 1, 1, 1, 2, 2, 2},
        {16, 16, 1, 1, 1, 3, 3, 3, 1, 1, 1, 1, 1, 1},    {17, 16, 20, 5, 4, 3, 1, 3, 3, 1, 2, 1, 0, 1},
        {32, 32, 24, 25, 26, 3, 3, 3, 2, 2, 2, 1, 1, 1}, {66, 18, 11, 33, 30, 3, 3, 3, 1, 2, 2, 1, 1, 1},
        {20, 18, 12, 12, 12, 3, 3, 3, 1, 1, 1, 0, 0, 0}, {20, 18, 10, 10, 9, 3, 3, 3, 1, 1, 1, 2, 2, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int how = 0; how < 3; how++)
            check_conv(cases[i][0], cases[i][1], cases[i] + 2, cases[i] + 5, cases[i] + 8, cases[i] + 11,
                       how == 1, how == 2);
    for (int form = 0; form < 4; form++) CHECK(forms_seen[form] > 0, "no convolution has form %d", form);
}

static void check_transposed(void)
{
    static const int cases[][8] = {
        {70, 33, 3, 4, 5, 2, 2, 2}, {16, 8, 4, 3, 2, 1, 2, 2}, {3, 5, 2, 3, 4, 4, 1, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int c = cases[i][0], k = cases[i][1], *in = cases[i] + 2, *stride = cases[i] + 5;
        const struct conv3d_shape s = conv3d_shape_transposed(1, c, k, in, stride);
        const struct conv3d chosen = conv3d_choose(&s, 1, 1);
        struct device_conv d = {.c = c, .k = k};
        const int taps = stride[0] * stride[1] * stride[2];
        const size_t weights = (size_t)(c * k * taps), ys = (size_t)(k * taps * in[0] * in[1] * in[2]);
        float *x = numbers((size_t)(c * in[0] * in[1] * in[2])), *w = numbers(weights),
              *b = numbers((size_t)k);
        float *want = malloc(ys * sizeof *want), *got = malloc(ys * sizeof *got),
              *packed = malloc(weights * sizeof *packed);
        float *scratch = aligned(chosen.scratch[CONV_FORWARD]);
        memcpy(d.in, s.in, sizeof d.in), memcpy(d.out, s.out, sizeof d.out),
            memcpy(d.stride, s.stride, sizeof d.stride);
        memcpy(d.kernel, s.kernel, sizeof d.kernel);
        device_pack_transposed(packed, w, c, k, taps);
        for (int bias = 0; bias < 2; bias++) {
            conv3d_fwd(want, x, w, bias ? b : NULL, &chosen, 0, scratch, NULL);
            device_conv_transpose3d(got, x, packed, bias ? b : NULL, &d);
            compare(got, want, ys, "transposed convolution");
        }
        free(x), free(w), free(b), free(want), free(got), free(packed), free(scratch);
    }
}

/* ---- the other ops ------------------------------------------------------------------------------------- */

static void check_norms(void)
{
    static const int voxels[] = {1, 2, 63, 64, 65, 200, 1024, 1100, 5000};
    for (size_t i = 0; i < sizeof voxels / sizeof *voxels; i++)
        for (int c = 1; c < 40; c += 19) {
            const struct norm_shape s = {1, (size_t)voxels[i], c, ELEM_F32, 1};
            const size_t n = s.rows * (size_t)c;
            float *x = numbers(n), *param = numbers(4 * (size_t)c), *want = malloc(n * sizeof *want),
                  *got = malloc(n * sizeof *got);
            float *stats = malloc(NORM_STATS * (size_t)c * sizeof *stats),
                  *scratch = aligned(norm_scratch(&s));
            for (size_t j = 0; j < n; j++) x[j] += j % (size_t)c == 0 ? 1000 : 0; /* a mean far from zero */
            for (int j = 0; j < c; j++) param[3 * c + j] = param[3 * c + j] * param[3 * c + j];
            norm_stats(stats, x, &s, 1e-5f, scratch, NULL);
            norm_fwd(want, x, stats, param, param + c, &s, 0.01f, scratch, NULL);
            device_instance_norm(got, x, param, s.rows, c, 0.01f);
            compare(got, want, n, "instance norm");
            for (int groups = 1; groups <= c; groups++) {
                if (c % groups != 0) continue;
                const struct norm_shape shared = {1, s.rows, c, ELEM_F32, c / groups};
                norm_stats(stats, x, &shared, 1e-5f, scratch, NULL);
                norm_fwd(want, x, stats, param, param + c, &shared, 0.01f, scratch, NULL);
                device_group_norm(got, x, param, s.rows, c, groups, 0.01f);
                compare(got, want, n, "group norm");
            }
            norm_running_stats(stats, param + 2 * c, param + 3 * c, c, 1e-5f);
            norm_fwd(want, x, stats, param, param + c, &s, 0, scratch, NULL);
            device_batch_norm(got, x, param, s.rows, c, 0);
            compare(got, want, n, "batch norm");
            global_avg_fwd(want, x, &s, scratch, NULL);
            device_global_avg_pool(got, x, s.rows, c);
            compare(got, want, (size_t)c, "global average");
            elem_act_fwd(want, x, ELEM_F32, n, 0.2f, NULL);
            device_activation(got, x, n, 0.2f);
            compare(got, want, n, "activation");
            device_instance_norm(x, x, param, s.rows, c, 1); /* in place */
            norm_stats(stats, got, &s, 1e-5f, scratch, NULL);
            elem_add_act_fwd(want, x, got, ELEM_F32, n, 0, NULL);
            device_add(got, x, got, n, 0);
            compare(got, want, n, "addition");
            free(x), free(param), free(want), free(got), free(stats), free(scratch);
        }
}

static void check_pools(void)
{
    static const int cases[][12] = {{5, 6, 7, 3, 3, 3, 2, 2, 2, 1, 1, 1},
                                    {4, 6, 8, 2, 2, 2, 2, 2, 2, 0, 0, 0},
                                    {3, 9, 5, 1, 3, 2, 1, 2, 1, 0, 1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int *in = cases[i], c = 9;
        const struct pooling_shape s = pooling_shape(1, c, in, in + 3, in + 6, in + 9);
        struct device_window d = {.c = c};
        const size_t n = (size_t)(s.out[0] * s.out[1] * s.out[2] * c),
                     xs = (size_t)(in[0] * in[1] * in[2] * c);
        float *x = numbers(xs), *want = malloc(n * sizeof *want), *got = malloc(n * sizeof *got);
        memcpy(d.in, s.in, sizeof d.in), memcpy(d.out, s.out, sizeof d.out),
            memcpy(d.kernel, s.kernel, sizeof d.kernel);
        memcpy(d.stride, s.stride, sizeof d.stride), memcpy(d.pad, s.pad, sizeof d.pad);
        max_pool3d_fwd(want, NULL, x, &s, NULL);
        device_max_pool3d(got, x, &d);
        compare(got, want, n, "maximum");
        avg_pool3d_fwd(want, x, &s, NULL);
        device_avg_pool3d(got, x, &d);
        compare(got, want, n, "average");
        x[xs / 2] = NAN;
        max_pool3d_fwd(want, NULL, x, &s, NULL);
        device_max_pool3d(got, x, &d);
        for (size_t j = 0; j < n; j++)
            if (isnan(want[j]) || isnan(got[j])) CHECK(isnan(want[j]) && isnan(got[j]), "maximum with NaN");
        free(x), free(want), free(got);
    }
}

static void check_linear(void)
{
    for (int c = 1; c < 70; c += 17)
        for (int k = 2; k < 20; k += 5) {
            float *x = numbers((size_t)c), *w = numbers((size_t)(c * k)), *b = numbers((size_t)k), want[20],
                  got[20];
            for (int bias = 0; bias < 2; bias++) {
                linear_f32_fwd(want, x, w, bias ? b : NULL, 1, c, k, NULL);
                device_linear(got, x, w, bias ? b : NULL, c, k);
                compare(got, want, (size_t)k, "linear layer");
            }
            for (int i = 0; i < k; i++) got[i] = want[i] * (float)(1 << k); /* up to large differences */
            softmax_f32_fwd(want, got, 1, k, NULL);
            device_softmax(got, got, k);
            compare(got, want, (size_t)k, "softmax");
            free(x), free(w), free(b);
        }
    for (float x = -120; x < 120; x += 0.37f) {
        const float e = vmath_exp(x < 0 ? x : -x), want = (x < 0 ? e : 1) / (1 + e);
        CHECK(device_sigmoid(x) == want, "sigmoid of %g", (double)x);
    }
    CHECK(device_largest((const float[]){1, 3, 3, 2}, 4) == 1, "the first of equals");
}

/* Covariates: the op of the program on one case, with missing values and a variance of 0. */
static void check_standardize(void)
{
    enum { C = 16 };
    struct model *m = model_create();
    struct graph *g = graph_create(m, NULL, 0);
    struct tensor *x = graph_input(g, "covariates", SHAPE(1, 1, 1, 1, C), DT_F32, 0),
                  *y = op_standardize(g, "covariates", x);
    CHECK(model_finish_inference(m) == 0 && graph_plan(g) == 0 && graph_bind(g) == 0, "a graph");
    for (int round = 0; round < 100; round++) {
        float *values = numbers(C), *param = numbers(2 * C), got[C];
        for (int c = 0; c < C; c++) {
            param[C + c] = fabsf(param[C + c]) * (float)(1 << (round % 20));
            if (c == round % C) values[c] = NAN;
            if (c == 3) param[C + c] = 0;
        }
        memcpy(tensor_f32(x), values, sizeof got);
        memcpy(m->data + model_find(m, "covariates.running_mean")->offset, param, sizeof got);
        memcpy(m->data + model_find(m, "covariates.running_var")->offset, param + C, sizeof got);
        graph_forward(g);
        device_standardize(got, values, param, C);
        compare(got, tensor_f32(y), C, "standardisation");
        CHECK(got[round % C] == 0, "a missing value is %g", (double)got[round % C]);
        free(values), free(param);
    }
    graph_destroy(g);
    model_destroy(m);
}

/* ---- a fused multiply-add, and a square root, through what uses them ----------------------------------- */

static float any_float(void)
{
    uint32_t bits = rng_u32(&rng);
    float x;
    if (rng_below(&rng, 3) == 0) bits &= 0xfffff000u;                       /* few digits: ties */
    if (rng_below(&rng, 3) == 0)
        bits = (bits & 0x807fffffu) | (120u + rng_below(&rng, 16)) << 23; /* near in size */
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* device_linear of one channel is fma(x, w, 0), and of two such channels, 16 apart, fma(x1, w1, fma(x0, w0,
 * 0)). */
static void check_fma(void)
{
    int different = 0, checked = 0;
    for (int i = 0; i < 300000; i++) {
        float x[17] = {0}, w[17] = {0}, got;
        x[0] = any_float(), w[0] = 1;
        x[16] = any_float(), w[16] = any_float();
        if (i % 4 == 0) x[0] = -(x[16] * w[16]); /* what cancels all but the last digits */
        if (i % 16 == 1) x[0] *= 0x1p-100f;      /* down to the subnormal numbers */
        const float want = fmaf(x[16], w[16], x[0]);
        device_linear(&got, x, w, NULL, 17, 1);
        if (isnan(want) && isnan(got)) continue;
        checked++;
        different += got != want;
    }
    CHECK(different == 0 && checked > 200000, "%d of %d fused multiply-adds differ from fmaf", different,
          checked);
}

/* A batch norm of mean 0 and gamma 1 multiplies by 1 / sqrt(var + 1e-5f), rounded to float. */
static void check_root(void)
{
    int different = 0;
    for (int i = 0; i < 100000; i++) {
        float param[4] = {1, 0, 0, fabsf(any_float())}, x = 1, got;
        if (!isfinite(param[3])) continue;
        device_batch_norm(&got, &x, param, 1, 1, 1);
        different += got != (float)(1 / sqrt((double)param[3] + (double)1e-5f));
    }
    CHECK(different == 0, "%d roots differ from sqrt", different);
}

/* ---- errors -------------------------------------------------------------------------------------------- */

static void check_unknown_op(void)
{
    struct device_program p;
    struct error e;
    struct model *m = model_create();
    struct graph *g = graph_create(m, NULL, 0);
    struct tensor *x = graph_input(g, "image", SHAPE(1, 4, 4, 4, 8), DT_F32, 0);
    op_softmax(g, op_group_norm(g, "norm", x, 2, 0.01f));
    CHECK(model_finish_inference(m) == 0, "a model");
    CHECK(device_program_create(&p, g, m, &e) == -1, "a softmax of feature maps has no kernel");
    CHECK(strstr(e.text, "softmax") != NULL, "%s", e.text);
    device_program_free(&p);
    graph_destroy(g);
    model_destroy(m);
}

int main(void)
{
    rng = rng_stream(1, 0, 0, RNG_TEST);
    check_convs();
    check_transposed();
    check_norms();
    check_pools();
    check_linear();
    check_standardize();
    check_fma();
    check_root();
    check_unknown_op();
    return check_done("check_device");
}
