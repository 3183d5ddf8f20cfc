/* check_pooling_loss - pooling, linear, dropout, softmax and loss kernels: every level and thread count
 * against plain double references. */
#include "tests/kernels/levels.h"

#include "tensor/elem/elem_ref.h"
#include "tensor/base/vmath.h"

static struct pool *pools[3]; /* none, 2 and 3 threads */

static const double U = 0x1p-24;

static double *reals(size_t n)
{
    return calloc(n, sizeof(double));
}

/* ---- pooling ------------------------------------------------------------------------------------------- */

static const struct {
    int n, c, in[3], kernel[3], stride[3], pad[3];
} pooling_shapes[] = {
    {1, 1, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}},  {2, 3, {4, 6, 8}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}},
    {1, 16, {5, 5, 5}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}}, {2, 17, {3, 7, 6}, {1, 3, 3}, {1, 2, 2}, {0, 1, 1}},
    {1, 33, {7, 4, 5}, {3, 2, 1}, {1, 2, 3}, {1, 0, 0}}, {1, 8, {6, 6, 6}, {2, 3, 2}, {3, 1, 2}, {1, 1, 0}},
    {1, 5, {2, 9, 3}, {2, 4, 3}, {1, 3, 1}, {0, 2, 1}},
};

struct window {
    int begin[3], end[3];
};

static struct window window_of(const struct pooling_shape *s, const int out[3])
{
    struct window w;
    for (int i = 0; i < 3; i++) {
        const int start = out[i] * s->stride[i] - s->pad[i], end = start + s->kernel[i];
        w.begin[i] = start < 0 ? 0 : start;
        w.end[i] = end > s->in[i] ? s->in[i] : end;
    }
    return w;
}

static size_t voxels(const int size[3])
{
    return (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
}

static size_t in_voxel(const struct pooling_shape *s, int z, int y, int x)
{
    return ((size_t)z * (size_t)s->in[1] + (size_t)y) * (size_t)s->in[2] + (size_t)x;
}

/* Where the maximum of the window is: PyTorch's rule. */
static size_t chosen(const float *x, size_t c, const struct pooling_shape *s, const struct window *w)
{
    size_t at = in_voxel(s, w->begin[0], w->begin[1], w->begin[2]);
    float best = -INFINITY;
    for (int z = w->begin[0]; z < w->end[0]; z++)
        for (int y = w->begin[1]; y < w->end[1]; y++)
            for (int v = w->begin[2]; v < w->end[2]; v++) {
                const size_t i = in_voxel(s, z, y, v);
                if (x[i * c] > best || isnan(x[i * c])) best = x[i * c], at = i;
            }
    return at;
}

/* Maximum and mean of every window, and their gradients added to the dx arrays. */
static void pool_reference(double *max, double *avg, double *dx_max, double *dx_avg, const float *x,
                           const float *dy, const struct pooling_shape *s)
{
    const size_t c = (size_t)s->c;
    size_t o = 0;
    for (int n = 0; n < s->n; n++) {
        const size_t base = (size_t)n * voxels(s->in) * c;
        for (size_t v = 0; v < voxels(s->out); v++) {
            const int out[3] = {(int)v / s->out[2] / s->out[1], (int)v / s->out[2] % s->out[1],
                                (int)v % s->out[2]};
            const struct window w = window_of(s, out);
            const int count = (w.end[0] - w.begin[0]) * (w.end[1] - w.begin[1]) * (w.end[2] - w.begin[2]);
            for (size_t k = 0; k < c; k++, o++) {
                const size_t at = base + chosen(x + base + k, c, s, &w) * c + k;
                max[o] = (double)x[at];
                dx_max[at] += (double)dy[o];
                for (int z = w.begin[0]; z < w.end[0]; z++)
                    for (int y = w.begin[1]; y < w.end[1]; y++)
                        for (int i = w.begin[2]; i < w.end[2]; i++) {
                            avg[o] += (double)x[base + in_voxel(s, z, y, i) * c + k] / count;
                            dx_avg[base + in_voxel(s, z, y, i) * c + k] += (double)dy[o] / count;
                        }
            }
        }
    }
}

/* in: x, dy. out: y, dx, index as floats' bits. */
static void run_max(struct problem *p, struct pool *pool)
{
    int32_t *index = (int32_t *)(void *)p->out[2];
    max_pool3d_fwd(p->out[0], NULL, p->in[0], p->shape, pool);
    max_pool3d_fwd(p->out[0], index, p->in[0], p->shape, pool);
    max_pool3d_bwd(p->out[1], p->in[1], index, p->shape, p->accumulate, pool);
}

static void run_avg(struct problem *p, struct pool *pool)
{
    avg_pool3d_fwd(p->out[0], p->in[0], p->shape, pool);
    avg_pool3d_bwd(p->out[1], p->in[1], p->shape, p->accumulate, pool);
}

static void check_pooling(const struct pooling_shape *s, int maximum, int accumulate)
{
    const size_t in = (size_t)s->n * voxels(s->in) * (size_t)s->c,
                 out = (size_t)s->n * voxels(s->out) * (size_t)s->c;
    struct problem p = {.shape = s, .accumulate = accumulate};
    char name[80];
    snprintf(name, sizeof name, "%s pool %dx%dx%dx%dx%d accumulate %d", maximum ? "max" : "avg", s->n,
             s->in[0], s->in[1], s->in[2], s->c, accumulate);
    float *x = problem_in(&p, 0, in, 0.0f, 1.0f), *dy = problem_in(&p, 1, out, 0.0f, 1.0f);
    problem_out(&p, 0, out), problem_out(&p, 1, in);
    if (maximum) problem_out(&p, 2, out);
    for (size_t i = 0; i < in; i++) x[i] = floorf(x[i] * 2); /* many equals */
    if (maximum && in > 100) x[30] = NAN, x[70] = x[71] = -INFINITY;
    double *max = reals(out), *avg = reals(out), *dx[2] = {reals(in), reals(in)},
           *tolerance = reals(in > out ? in : out);
    pool_reference(max, avg, dx[1], dx[0], x, dy, s);
    for (size_t i = 0; i < in || i < out; i++) tolerance[i] = 200 * U; /* at most 27 terms below 4 */
    levels_run(name, &p, maximum ? run_max : run_avg, pools);
    for (size_t i = 0; accumulate && i < in; i++) dx[maximum][i] += (double)p.before[1][i];
    check_values(name, p.out[0], maximum ? max : avg, tolerance, out);
    check_values(name, p.out[1], dx[maximum], tolerance, in);
    problem_free(&p, name);
    free(max), free(avg), free(dx[0]), free(dx[1]), free(tolerance);
}

/* in: x, dy. */
static void run_global(struct problem *p, struct pool *pool)
{
    const struct norm_shape *s = p->shape;
    float *scratch = guard_alloc(norm_scratch(s) * sizeof(float));
    global_avg_fwd(p->out[0], p->in[0], s, scratch, pool);
    global_avg_bwd(p->out[1], p->in[1], s, p->accumulate, pool);
    CHECK(!guard_free(scratch, norm_scratch(s) * sizeof(float)), "wrote in front of the scratch");
}

static void check_global(struct norm_shape s, int accumulate)
{
    const size_t c = (size_t)s.c, n = (size_t)s.sets * s.rows * c, means = (size_t)s.sets * c;
    struct problem p = {.shape = &s, .accumulate = accumulate};
    float *x = problem_in(&p, 0, n, 1.0f, 1.0f), *dy = problem_in(&p, 1, means, 0.0f, 1.0f);
    problem_out(&p, 0, means), problem_out(&p, 1, n);
    levels_run("global average", &p, run_global, pools);
    double *y = reals(means), *dx = reals(n), *tolerance = reals(n);
    for (size_t i = 0; i < n; i++) {
        const size_t mean = i / c / s.rows * c + i % c;
        y[mean] += (double)x[i] / (double)s.rows;
        dx[i] = (double)dy[mean] / (double)s.rows + (accumulate ? (double)p.before[1][i] : 0);
        tolerance[i] = 20 * U * 4;
    }
    check_values("global average", p.out[0], y, tolerance, means);
    check_values("global average gradient", p.out[1], dx, tolerance, n);
    problem_free(&p, "global average");
    free(y), free(dx), free(tolerance);
}

/* ---- linear -------------------------------------------------------------------------------------------- */

/* in: x, w, bias, dy. out: y, dx, dw, db. */
static void run_linear(struct problem *p, struct pool *pool)
{
    const int *d = p->shape, n = d[0], c = d[1], k = d[2];
    linear_f32_fwd(p->out[0], p->in[0], p->in[1], p->in[2], n, c, k, pool);
    linear_f32_bwd_d(p->out[1], p->in[3], p->in[1], n, c, k, p->accumulate, pool);
    linear_f32_bwd_w(p->out[2], p->out[3], p->in[0], p->in[3], n, c, k, pool);
}

/* One sum of products and its tolerance: sum |ab| times the length of the chain. */
static void add_product(double *sum, double *tolerance, double a, double b, int chain)
{
    *sum += a * b;
    *tolerance += fabs(a * b) * (chain + 2) * U;
}

static void check_linear(int n, int c, int k, int accumulate)
{
    const int shape[3] = {n, c, k};
    const size_t N = (size_t)n, C = (size_t)c, K = (size_t)k, size[4] = {N * K, N * C, K * C, K};
    struct problem p = {.shape = shape, .accumulate = accumulate};
    const float *x = problem_in(&p, 0, N * C, 0.0f, 1.0f), *w = problem_in(&p, 1, K * C, 0.0f, 1.0f);
    const float *bias = problem_in(&p, 2, K, 0.0f, 1.0f), *dy = problem_in(&p, 3, N * K, 0.0f, 1.0f);
    double *want[4], *tolerance[4];
    for (int i = 0; i < 4; i++) {
        problem_out(&p, i, size[i]);
        want[i] = reals(size[i]), tolerance[i] = reals(size[i]);
        for (size_t j = 0; j < size[i]; j++) {
            want[i][j] = i == 0 ? (double)bias[j % K] : i > 1 || accumulate ? (double)p.before[i][j] : 0;
            tolerance[i][j] = fabs(want[i][j]) * (2 + n + k) * U;
        }
    }
    for (size_t a = 0; a < N; a++)
        for (size_t b = 0; b < K; b++) {
            const double g = (double)dy[a * K + b];
            add_product(&want[3][b], &tolerance[3][b], g, 1, n);
            for (size_t i = 0; i < C; i++) {
                const double xi = (double)x[a * C + i], wi = (double)w[b * C + i];
                add_product(&want[0][a * K + b], &tolerance[0][a * K + b], xi, wi, c / 16 + 16);
                add_product(&want[1][a * C + i], &tolerance[1][a * C + i], g, wi, k);
                add_product(&want[2][b * C + i], &tolerance[2][b * C + i], g, xi, n);
            }
        }
    levels_run("linear", &p, run_linear, pools);
    for (int i = 0; i < 4; i++) {
        char name[80];
        snprintf(name, sizeof name, "linear %d %d %d, output %d", n, c, k, i);
        check_values(name, p.out[i], want[i], tolerance[i], size[i]);
        free(want[i]), free(tolerance[i]);
    }
    problem_free(&p, "linear");
}

/* ---- dropout ------------------------------------------------------------------------------------------- */

static void run_dropout(struct problem *p, struct pool *pool)
{
    const struct rng stream = rng_stream(5, 6, 7, RNG_DROPOUT);
    elem_dropout(p->out[0], p->in[0], ELEM_F32, p->in_count[0], p->value, &stream, p->accumulate, pool);
}

/* The mask is the stream read in order. */
static void check_dropout(size_t n, float rate, int accumulate)
{
    struct problem p = {.value = rate, .accumulate = accumulate};
    struct rng stream = rng_stream(5, 6, 7, RNG_DROPOUT);
    const float *x = problem_in(&p, 0, n, 0.0f, 1.0f);
    problem_out(&p, 0, n);
    levels_run("dropout", &p, run_dropout, pools);
    size_t kept = 0, wrong = 0;
    for (size_t i = 0; i < n; i++) {
        const int keep = (double)rng_u32(&stream) >= (double)rate * 4294967296.0;
        const float value = keep ? x[i] * (1.0f / (1.0f - rate)) : 0.0f;
        wrong += p.out[0][i] != (accumulate ? p.before[0][i] + value : value);
        kept += (size_t)keep;
    }
    CHECK(!wrong, "dropout %g of %zu: %zu wrong", (double)rate, n, wrong);
    CHECK_NEAR((double)kept / (double)n, 1 - (double)rate, 5 * 0.5 / sqrt((double)n), "kept by dropout %g",
               (double)rate);
    problem_free(&p, "dropout");
}

/* ---- softmax and loss ---------------------------------------------------------------------------------- */

static void run_softmax(struct problem *p, struct pool *pool)
{
    const int c = *(const int *)p->shape;
    softmax_f32_fwd(p->out[0], p->in[0], p->in_count[0] / (size_t)c, c, pool);
}

/* In double, and in float in the kernel's order: the vector exponential has vmath's bits. */
static void check_softmax(size_t rows, int c)
{
    const size_t n = rows * (size_t)c;
    struct problem p = {.shape = &c};
    float *x = problem_in(&p, 0, n, 0.0f, 8.0f);
    problem_out(&p, 0, n);
    x[0] = 200.0f;
    levels_run("softmax", &p, run_softmax, pools);
    size_t wrong = 0, bits = 0;
    for (size_t r = 0; r < rows; r++) {
        const float *row = x + r * (size_t)c, *got = p.out[0] + r * (size_t)c;
        float max = row[0], sum = 0;
        double exact = 0;
        for (int k = 1; k < c; k++) max = row[k] > max ? row[k] : max;
        for (int k = 0; k < c; k++)
            sum += vmath_exp(row[k] - max), exact += exp((double)row[k] - (double)max);
        for (int k = 0; k < c; k++) {
            const double want = exp((double)row[k] - (double)max) / exact;
            bits += got[k] != vmath_exp(row[k] - max) * (1.0f / sum);
            wrong += !(fabs((double)got[k] - want) <= (c + 40) * U * want + 0x1p-140);
        }
    }
    CHECK(!wrong, "softmax %zu x %d: %zu wrong", rows, c, wrong);
    CHECK(!bits, "softmax %zu x %d: %zu differ from the scalar functions", rows, c, bits);
    problem_free(&p, "softmax");
}

struct loss_case {
    struct loss_shape s;
    const uint8_t *labels;
    int weighted;
    float ce_scale;
};

/* in: logits, class weights, tp_scale, p_scale. out: the sums (doubles), dlogits. */
static void run_loss(struct problem *p, struct pool *pool)
{
    const struct loss_case *k = p->shape;
    const float *weight = k->weighted ? p->in[1] : NULL;
    float *scratch = guard_alloc(loss_scratch(&k->s) * sizeof(float));
    loss_f32_sums((double *)(void *)p->out[0], p->in[0], k->labels, &k->s, weight, scratch, pool);
    loss_f32_bwd(p->out[1], p->in[0], k->labels, &k->s, k->ce_scale, p->in[2], p->in[3], weight,
                 p->accumulate, pool);
    CHECK(!guard_free(scratch, loss_scratch(&k->s) * sizeof(float)),
          "the loss wrote in front of its scratch");
}

/* The functional whose gradient loss_f32_bwd gives, for one voxel. */
static double functional(const double *logit, int label, const struct loss_case *k, const float *tp,
                         const float *p, const float *weight)
{
    double sums[LOSS_SUMS(ELEM_CLASSES_MAX)] = {0};
    const int c = k->s.c;
    loss_ref_voxel(sums, logit, label, &k->s, weight);
    double value = (double)k->ce_scale * sums[LOSS_CE(c)];
    for (int i = 0; i < c; i++)
        value += (double)tp[i] * sums[LOSS_TP * c + i] + (double)p[i] * sums[LOSS_P * c + i];
    return value;
}

/* By central differences of the double reference: an error of the formula would show. */
static double numeric_gradient(double *logit, int i, int label, const struct loss_case *k, const float *tp,
                               const float *p, const float *weight)
{
    const double h = 1e-4, middle = logit[i];
    logit[i] = middle + h;
    const double above = functional(logit, label, k, tp, p, weight);
    logit[i] = middle - h;
    const double below = functional(logit, label, k, tp, p, weight);
    logit[i] = middle;
    return (above - below) / (2 * h);
}

static void check_loss(struct loss_shape s, int weighted, int accumulate)
{
    const int n = s.n, c = s.c;
    const size_t count = s.voxels;
    const size_t C = (size_t)c, all = (size_t)n * count, sums = (size_t)n * LOSS_SUMS(C);
    uint8_t *labels = guard_alloc(all);
    struct rng rng = rng_stream(all, (uint32_t)c, 3, RNG_TEST);
    for (size_t i = 0; i < all; i++)
        labels[i] = rng_below(&rng, 10) == 0              ? 255
                    : rng_below(&rng, 50) == 0 && c < 255 ? (uint8_t)c
                                                          : (uint8_t)rng_below(&rng, (uint32_t)c);
    for (size_t i = 0; s.region && i < all; i += 7)
        labels[i] = (uint8_t)(60 + i * 31 % 194); /* all values up to 253 count */
    const struct loss_case k = {s, labels, weighted, 0.7f};
    struct problem p = {.shape = &k, .accumulate = accumulate};
    char name[80];
    snprintf(name, sizeof name, "loss %dx%zux%d weighted %d regions %d gamma %d", n, count, c, weighted,
             s.region != NULL, s.gamma);
    const float *x = problem_in(&p, 0, all * C, 0.0f, 3.0f), *weight = problem_in(&p, 1, C, 1.0f, 0.2f);
    const float *tp = problem_in(&p, 2, (size_t)n * C, 0.0f, 1.0f),
                *sp = problem_in(&p, 3, (size_t)n * C, 0.0f, 1.0f);
    problem_out(&p, 0, sums * 2), problem_out(&p, 1, all * C);
    levels_run(name, &p, run_loss, pools);
    double *want = reals(sums), logit[ELEM_CLASSES_MAX];
    const double *got = (const double *)(const void *)p.out[0];
    const size_t stride = 1 + all * C * C / 400000; /* of the voxels whose gradient is looked at */
    size_t wrong = 0;
    for (size_t v = 0; v < all; v++) {
        const size_t set = v / count * C;
        for (size_t i = 0; i < C; i++) logit[i] = (double)x[v * C + i];
        loss_ref_voxel(want + v / count * LOSS_SUMS(C), logit, labels[v], &s, weighted ? weight : NULL);
        for (int i = 0; v % stride == 0 && i < c; i++) {
            const size_t at = v * C + (size_t)i;
            const double base = accumulate ? (double)p.before[1][at] : 0;
            const double d =
                numeric_gradient(logit, i, labels[v], &k, tp + set, sp + set, weighted ? weight : NULL);
            wrong += !(fabs((double)p.out[1][at] - base - d) <= 2e-6 + 2e-6 * fabs(d));
        }
    }
    CHECK(!wrong, "%s: %zu wrong gradients", name, wrong);
    for (size_t i = 0; i < sums;
         i++) /* exp, division and chains of 16: below 60 roundings of positive terms */
        CHECK_NEAR(got[i], want[i],
                   60 * U * (fabs(want[i]) + (i % LOSS_SUMS(C) == LOSS_CE(C) ? (double)count : 0)),
                   "%s: sum %zu", name, i);
    problem_free(&p, name);
    CHECK(!guard_free(labels, all), "%s wrote in front of the labels", name);
    free(want);
}

/* One voxel: the entropy has the bits of vmath_log. And a NaN must be seen, but not where the voxel is
 * ignored. */
static void check_loss_details(void)
{
    const struct loss_shape s = {1, 1, 3, NULL, 0}, two = {1, 2, 3, NULL, 0};
    float scratch[16 * LOSS_SUMS(3) * 2], gradient[6];
    double sums[LOSS_SUMS(3)];
    size_t wrong = 0;
    struct rng rng = rng_stream(9, 0, 0, RNG_TEST);
    for (int i = 0; i < 20000; i++) {
        const float x[3] = {rng_range(&rng, -9, 9), rng_range(&rng, -1, 1), rng_range(&rng, -9, 9)};
        const uint8_t label = (uint8_t)rng_below(&rng, 3);
        float max = x[0], sum = 0;
        for (int k = 1; k < 3; k++) max = x[k] > max ? x[k] : max;
        for (int k = 0; k < 3; k++) sum += vmath_exp(x[k] - max);
        loss_f32_sums(sums, x, &label, &s, NULL, scratch, NULL);
        wrong += (float)sums[LOSS_CE(3)] != vmath_log(sum) + (max - x[label]);
    }
    CHECK(!wrong, "entropy: %zu of 20000 differ from the scalar functions", wrong);
    for (int ignored = 0; ignored < 2; ignored++)
        for (int at = 0; at < 3; at++) {
            float x[6] = {1, 2, 3, 1, 2, 3};
            const uint8_t labels[2] = {0, ignored ? 255 : 1};
            x[3 + at] = NAN;
            loss_f32_sums(sums, x, labels, &two, NULL, scratch, NULL);
            loss_f32_bwd(gradient, x, labels, &two, 1.0f, NULL, NULL, NULL, 0, NULL);
            CHECK(isnan(sums[LOSS_CE(3)]) == !ignored, "NaN in logit %d, ignored %d: entropy %g", at, ignored,
                  sums[LOSS_CE(3)]);
            CHECK(isnan(gradient[3]) == !ignored && !isnan(gradient[0]),
                  "NaN in logit %d, ignored %d: gradient", at, ignored);
        }
}

/* The focal losses, and the regions of both kinds. */
static void check_focal(void)
{
    /* Labels 1 and 2; 2; 0, 64 to 127 and 130; none. */
    static const struct label_set region[4] = {{{0x6}}, {{0x4}}, {{0x1, ~(uint64_t)0, 0x4}}, {{0}}};
    static const size_t rows[] = {1, 17, 255, 2100};
    for (size_t j = 0; j < sizeof rows / sizeof *rows; j++)
        for (int gamma = 0; gamma <= LOSS_GAMMA_MAX; gamma++) {
            const int odd = (int)(j + (size_t)gamma) % 2;
            if (gamma > 0) {
                check_loss((struct loss_shape){2, rows[j], 3, NULL, gamma}, odd, !odd);
                check_loss((struct loss_shape){1, rows[j], 17, NULL, gamma}, !odd, !odd);
            }
            check_loss((struct loss_shape){2, rows[j], 4, region, gamma}, 0, odd);
        }
}

int main(void)
{
    pools[1] = pool_create(2);
    pools[2] = pool_create(3);
    for (size_t i = 0; i < sizeof pooling_shapes / sizeof *pooling_shapes; i++) {
        const struct pooling_shape s =
            pooling_shape(pooling_shapes[i].n, pooling_shapes[i].c, pooling_shapes[i].in,
                          pooling_shapes[i].kernel, pooling_shapes[i].stride, pooling_shapes[i].pad);
        for (int j = 0; j < 4; j++) check_pooling(&s, j & 1, j / 2);
    }
    check_global((struct norm_shape){1, 1, 1, ELEM_F32, 0}, 0);
    check_global((struct norm_shape){3, 77, 20, ELEM_F32, 0}, 1);
    check_global((struct norm_shape){2, 1300, 3, ELEM_F32, 0}, 0);
    check_global((struct norm_shape){1, 343, 300, ELEM_F32, 0}, 1);
    for (int j = 0; j < 2; j++) {
        check_linear(1, 1, 1, j);
        check_linear(2, 512, 3, j);
        check_linear(8, 33, 17, j);
        check_linear(5, 320, 100, j);
        check_linear(3, 15, 2, j);
    }
    for (int j = 0; j < 2; j++) {
        check_dropout(1, 0.0f, j);
        check_dropout(17, 0.5f, j);
        check_dropout(40001, 0.2f, j);
        check_dropout(16385, 0.9f, j);
    }
    static const int classes[] = {1, 2, 3, 4, 5, 8, 16, 17, 100, 256};
    static const size_t rows[] = {1, 2, 15, 16, 17, 255, 257, 2100};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j++) {
            if (classes[i] > 16 && rows[j] > 257) continue;
            check_softmax(rows[j], classes[i]);
            check_loss((struct loss_shape){1 + (int)j % 2, rows[j], classes[i], NULL, 0}, (int)(i + j) % 2,
                       (int)(i + j) / 2 % 2);
        }
    check_loss((struct loss_shape){2, 9999, 4, NULL, 0}, 0, 0);
    check_loss_details();
    check_levels_hash(0xada84b54u);
    check_focal();
    check_levels_hash(0x4771ebd7u);
    pool_destroy(pools[1]);
    pool_destroy(pools[2]);
    return check_done("check_pooling_loss");
}
