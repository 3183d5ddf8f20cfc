/* check_elem - elementwise and optimiser kernels: every level and thread count against plain double
 * references; and those that read and write bf16.
 *
 *     check_elem            the test
 *     check_elem --bench    speed
 */
#include "tests/kernels/levels.h"

#include "tensor/base/bf16.h"
#include "tensor/elem/elem.h"
#include "tests/kernels/elem_bench.h"

static struct pool *pools[3]; /* none, 2 and 3 threads */

static const double U = 0x1p-24; /* half a unit in the last place of 1: what one rounding costs */

/* ---- elementwise --------------------------------------------------------------------------------------- */

static const size_t sizes[] = {1,  2,  3,  4,  5,   7,    8,     9,     15,   16,
                               17, 31, 32, 33, 100, 1023, 16384, 16385, 40001};
static const float slopes[] = {1.0f, 0.0f, 0.01f};

static void run_act_fwd(struct problem *p, struct pool *pool)
{
    elem_act_fwd(p->out[0], p->in[0], ELEM_F32, p->in_count[0], p->value, pool);
}

static void run_act_fwd_in_place(struct problem *p, struct pool *pool)
{
    memcpy(p->out[0], p->in[0], p->in_count[0] * sizeof(float));
    elem_act_fwd(p->out[0], p->out[0], ELEM_F32, p->in_count[0], p->value, pool);
}

static void run_act_bwd(struct problem *p, struct pool *pool)
{
    elem_act_bwd(p->out[0], p->in[1], p->in[0], ELEM_F32, p->in_count[0], p->value, p->accumulate, pool);
}

static void run_add_act(struct problem *p, struct pool *pool)
{
    elem_add_act_fwd(p->out[0], p->in[0], p->in[1], ELEM_F32, p->in_count[0], p->value, pool);
}

static void run_axpy(struct problem *p, struct pool *pool)
{
    elem_f32_axpy(p->out[0], p->value, p->in[0], p->in_count[0], pool);
}

static void run_scale(struct problem *p, struct pool *pool)
{
    elem_f32_scale(p->out[0], p->value, p->out_count[0], pool);
}

static float act(float x, float slope)
{
    return x > 0 ? x : slope * x;
}

/* These are one or two roundings: the reference is the same expression, and the bits are compared (NaN with
 * NaN). */
static float elementwise(problem_fn *fn, float before, float a, float b, const struct problem *p)
{
    if (fn == run_act_fwd || fn == run_act_fwd_in_place) return act(a, p->value);
    if (fn == run_act_bwd) return (p->accumulate ? before : 0.0f) + (a > 0 ? b : p->value * b);
    if (fn == run_add_act) return act(a + b, p->value);
    if (fn == run_axpy) return fmaf(p->value, a, before);
    return before * p->value; /* run_scale */
}

static void check_elementwise(const char *name, problem_fn *fn, size_t n, float value, int accumulate)
{
    static const float special[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 0x1p-149f, -0x1p-149f};
    struct problem p = {.value = value, .accumulate = accumulate};
    float *a = problem_in(&p, 0, n, 0.0f, 1.0f), *b = problem_in(&p, 1, n, 0.0f, 1.0f);
    problem_out(&p, 0, n);
    for (size_t i = 0; n > 30 && i < 7; i++) a[i * 3] = special[i], b[i * 3 + 1] = special[i];
    levels_run(name, &p, fn, pools);
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++) {
        const float want = elementwise(fn, p.before[0][i], a[i], b[i], &p), got = p.out[0][i];
        wrong += !(got == want || (isnan(got) && isnan(want)));
    }
    CHECK(!wrong, "%s, n = %zu, value %g, accumulate %d: %zu wrong", name, n, (double)value, accumulate,
          wrong);
    problem_free(&p, name);
}

static void check_all_elementwise(void)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_t n = sizes[i];
        for (int j = 0; j < 3; j++) {
            check_elementwise("act_fwd", run_act_fwd, n, slopes[j], 0);
            check_elementwise("act_bwd", run_act_bwd, n, slopes[j], 0);
            check_elementwise("act_bwd", run_act_bwd, n, slopes[j], 1);
            check_elementwise("add_act_fwd", run_add_act, n, slopes[j], 0);
        }
        check_elementwise("act_fwd in place", run_act_fwd_in_place, n, 0.01f, 0);
        check_elementwise("axpy", run_axpy, n, -0.3f, 1);
        check_elementwise("scale", run_scale, n, 1.7f, 0);
    }
}

static void run_sum_squares(struct problem *p, struct pool *pool)
{
    const double sum = elem_f32_sum_squares(p->in[0], p->in_count[0], pool);
    memcpy(p->out[0], &sum, sizeof sum);
}

/* Chains of 64 positive terms: relative error below 64 U. */
static void check_sum_squares(void)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct problem p = {0};
        double want = 0, got;
        problem_in(&p, 0, sizes[i], 0.5f, 2.0f);
        problem_out(&p, 0, 2);
        levels_run("sum_squares", &p, run_sum_squares, pools);
        memcpy(&got, p.out[0], sizeof got);
        for (size_t j = 0; j < sizes[i]; j++) want += (double)p.in[0][j] * (double)p.in[0][j];
        CHECK_NEAR(got, want, want * 64 * U, "sum of %zu squares", sizes[i]);
        problem_free(&p, "sum_squares");
    }
    CHECK(elem_f32_sum_squares(NULL, 0, NULL) == 0, "an empty sum is 0");
}

/* ---- optimisers ---------------------------------------------------------------------------------------- */

enum { OPTIMISER_STEPS = 5 };

/* in[0] holds the gradients of all steps; out: w, m, g, and v of Adam. */
static void run_sgd(struct problem *p, struct pool *pool)
{
    const size_t n = p->out_count[0];
    memset(p->out[1], 0, n * sizeof(float));
    for (int step = 0; step < OPTIMISER_STEPS; step++) {
        memcpy(p->out[2], p->in[0] + (size_t)step * n, n * sizeof(float));
        elem_f32_sgd(p->out[0], p->out[1], p->out[2], n, p->shape, pool);
    }
}

static void run_adam(struct problem *p, struct pool *pool)
{
    const size_t n = p->out_count[0];
    struct elem_adam o = *(const struct elem_adam *)p->shape;
    memset(p->out[1], 0, n * sizeof(float));
    memset(p->out[3], 0, n * sizeof(float));
    for (o.step = 1; o.step <= OPTIMISER_STEPS; o.step++) {
        memcpy(p->out[2], p->in[0] + (size_t)(o.step - 1) * n, n * sizeof(float));
        elem_f32_adam(p->out[0], p->out[1], p->out[3], p->out[2], n, &o, pool);
    }
}

/* torch.optim.SGD, _single_tensor_sgd, in double. */
static double sgd_reference(double w, const float *g, size_t stride, const struct elem_sgd *o)
{
    double m = 0;
    for (int step = 0; step < OPTIMISER_STEPS; step++) {
        const double d = (double)g[(size_t)step * stride] * (double)o->clip + (double)o->decay * w;
        m = step == 0 ? d : (double)o->momentum * m + d;
        w -= (double)o->lr * (o->nesterov ? d + (double)o->momentum * m : m);
    }
    return w;
}

/* torch.optim.Adam and AdamW, _single_tensor_adam with coupled and decoupled decay, in double. */
static double adam_reference(double w, const float *g, size_t stride, const struct elem_adam *o)
{
    double m = 0, v = 0;
    for (int step = 1; step <= OPTIMISER_STEPS; step++) {
        const double d =
            (double)g[(size_t)(step - 1) * stride] * (double)o->clip + (o->coupled ? o->decay * w : 0);
        if (!o->coupled) w *= 1 - o->lr * o->decay;
        m += (1 - o->beta1) * (d - m);
        v = o->beta2 * v + (1 - o->beta2) * d * d;
        const double root = sqrt(v) / sqrt(1 - pow(o->beta2, step));
        w -= o->lr / (1 - pow(o->beta1, step)) * m / (root + o->eps);
    }
    return w;
}

static void check_optimisers(void)
{
    static const struct elem_sgd sgd[] = {
        {0.01f, 0.99f, 3e-5f, 1.0f, 1}, {0.1f, 0.9f, 0.0f, 0.3f, 0}, {0.5f, 0.0f, 0.01f, 1.0f, 0}};
    static const struct elem_adam adam[] = {{3e-4, 0.9, 0.999, 1e-8, 0.01, 0.7f, 0, 1},
                                            {3e-4, 0.9, 0.999, 1e-8, 0.05, 0.7f, 1, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int k = 0; k < 5; k++) {
            const size_t n = sizes[i];
            const struct elem_adam *a = k < 3 ? NULL : &adam[k - 3];
            const char *name = !a ? "sgd" : a->coupled ? "adam" : "adamw";
            struct problem p = {.shape = a ? (const void *)a : &sgd[k]};
            double *want = malloc(n * sizeof *want), *tolerance = malloc(n * sizeof *tolerance);
            problem_in(&p, 0, n * OPTIMISER_STEPS, 0.0f, 0.5f);
            for (int j = 0; j < 4; j++)
                if (j < 3 || a) problem_out(&p, j, n);
            levels_run(name, &p, a ? run_adam : run_sgd, pools);
            size_t left = 0;
            for (size_t j = 0; j < n; j++) {
                const double w = (double)p.before[0][j];
                want[j] =
                    a ? adam_reference(w, p.in[0] + j, n, a) : sgd_reference(w, p.in[0] + j, n, &sgd[k]);
                /* Each step rounds w twice and adds a step with a few roundings of its own; |step| < 10
                 * lr. */
                tolerance[j] =
                    OPTIMISER_STEPS * (3 * U * (fabs(w) + 2) + 30 * U * (a ? a->lr : (double)sgd[k].lr) * 10);
                left += p.out[2][j] != 0;
            }
            check_values(name, p.out[0], want, tolerance, n);
            CHECK(!left, "%zu gradients were not cleared", left);
            problem_free(&p, "optimiser");
            free(want);
            free(tolerance);
        }
}

/* ---- bf16 in memory ------------------------------------------------------------------------------------ */

enum { BF16_ROWS = 133, BF16_C = 19, BF16_N = 2 * BF16_ROWS * BF16_C };

struct halves {
    uint16_t *x, *dy, *y; /* BF16_N each, at the end of a page */
    float wide_x[BF16_N], wide_dy[BF16_N], wide_y[BF16_N];
};

/* The bf16 result is the fp32 result of the same inputs, rounded once. */
static void check_rounded(const char *name, struct halves *h)
{
    size_t wrong = 0;
    for (size_t i = 0; i < BF16_N; i++) wrong += h->y[i] != bf16_from_f32(h->wide_y[i]);
    CHECK(!wrong, "%s in bf16 at %s: %zu of %d are not the rounded fp32 result", name,
          cpu_isa_name(cpu_isa()), wrong, BF16_N);
    for (size_t i = 0; i < BF16_N; i++)
        h->wide_y[i] =
            f32_from_bf16(h->y[i] = h->dy[BF16_N - 1 - i]); /* before the next: something to add to */
}

static void check_bf16_level(struct halves *h, struct pool *pool)
{
    const struct norm_shape wide = {2, BF16_ROWS, BF16_C, ELEM_F32, 0},
                            half = {2, BF16_ROWS, BF16_C, ELEM_BF16, 0};
    float stats[2][2 * NORM_STATS * BF16_C], gamma[BF16_C], beta[BF16_C], sums[2][2 * BF16_C] = {{0}};
    float *scratch = malloc(norm_scratch(&wide) * sizeof(float));
    const struct rng stream = rng_stream(3, 0, 0, RNG_DROPOUT);
    for (int c = 0; c < BF16_C; c++) gamma[c] = 1 + 0.03f * (float)c, beta[c] = 0.2f - 0.04f * (float)c;
    elem_act_fwd(h->wide_y, h->wide_x, ELEM_F32, BF16_N, 0.01f, pool);
    elem_act_fwd(h->y, h->x, ELEM_BF16, BF16_N, 0.01f, pool);
    check_rounded("act_fwd", h);
    elem_add_act_fwd(h->wide_y, h->wide_x, h->wide_dy, ELEM_F32, BF16_N, 0.01f, pool);
    elem_add_act_fwd(h->y, h->x, h->dy, ELEM_BF16, BF16_N, 0.01f, pool);
    check_rounded("add_act_fwd", h);
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        elem_act_bwd(h->wide_y, h->wide_dy, h->wide_x, ELEM_F32, BF16_N, 0.01f, accumulate, pool);
        elem_act_bwd(h->y, h->dy, h->x, ELEM_BF16, BF16_N, 0.01f, accumulate, pool);
        check_rounded("act_bwd", h);
        elem_dropout(h->wide_y, h->wide_x, ELEM_F32, BF16_N, 0.3f, &stream, accumulate, pool);
        elem_dropout(h->y, h->x, ELEM_BF16, BF16_N, 0.3f, &stream, accumulate, pool);
        check_rounded("dropout", h);
        norm_stats(stats[0], h->wide_x, &wide, 1e-5f, scratch, pool);
        norm_stats(stats[1], h->x, &half, 1e-5f, scratch, pool);
        norm_bwd(h->wide_y, sums[0], sums[0] + BF16_C, h->wide_dy, h->wide_x, stats[0], gamma, beta, &wide,
                 0.01f, accumulate, scratch, pool);
        norm_bwd(h->y, sums[1], sums[1] + BF16_C, h->dy, h->x, stats[1], gamma, beta, &half, 0.01f,
                 accumulate, scratch, pool);
        check_rounded("norm_bwd", h);
        CHECK(memcmp(stats[0], stats[1], sizeof stats[0]) == 0,
              "statistics of the same values in bf16 differ");
        CHECK(memcmp(sums[0], sums[1], sizeof sums[0]) == 0,
              "dgamma or dbeta of the same values in bf16 differ");
    }
    norm_fwd(h->wide_y, h->wide_x, stats[0], gamma, beta, &wide, 0.01f, scratch, pool);
    norm_fwd(h->y, h->x, stats[1], gamma, beta, &half, 0.01f, scratch, pool);
    check_rounded("norm_fwd", h);
    free(scratch);
}

/* fp32 kernels have the same bits at every level, so rounding their results checks that the bf16 ones do
 * too. */
static void check_bf16(void)
{
    const enum isa before = cpu_isa();
    struct halves *h = malloc(sizeof *h);
    struct rng rng = rng_stream(5, 0, 0, RNG_TEST);
    uint16_t **part[3] = {&h->x, &h->dy, &h->y};
    for (int i = 0; i < 3; i++) *part[i] = guard_alloc(BF16_N * sizeof(uint16_t));
    for (size_t i = 0; i < BF16_N; i++) {
        h->wide_x[i] = f32_from_bf16(h->x[i] = bf16_from_f32(0.5f + rng_normal(&rng)));
        h->wide_dy[i] = f32_from_bf16(h->dy[i] = bf16_from_f32(rng_normal(&rng)));
    }
    for (int level = ISA_SCALAR; level <= ISA_AVX512; level++)
        for (int t = 0; t < 3; t++)
            if (cpu_isa_set((enum isa)level) == (enum isa)level) check_bf16_level(h, pools[t]);
    for (int i = 0; i < 3; i++)
        CHECK(!guard_free(*part[i], BF16_N * sizeof(uint16_t)), "a bf16 kernel wrote in front of a buffer");
    free(h);
    cpu_isa_set(before);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--bench")) return elem_bench();
    pools[1] = pool_create(2);
    pools[2] = pool_create(3);
    levels_self_test();
    check_all_elementwise();
    check_sum_squares();
    check_optimisers();
    check_bf16();
    check_levels_hash(0x64541f64u);
    pool_destroy(pools[1]);
    pool_destroy(pools[2]);
    return check_done("check_elem");
}
