/* check_norm - the kernels of instance, batch and group norm: every level and thread count against plain
 * double references. */
#include "tests/kernels/levels.h"

#include "tensor/elem/elem.h"

static struct pool *pools[3]; /* none, 2 and 3 threads */

static const double U = 0x1p-24; /* half a unit in the last place of 1: what one rounding costs */

static const struct norm_shape norm_shapes[] = {
    {1, 1, 1, ELEM_F32, 0}, {2, 2, 3, ELEM_F32, 0}, {1, 3, 16, ELEM_F32, 0}, {3, 5, 17, ELEM_F32, 0},
    {2, 63, 4, ELEM_F32, 0}, {2, 64, 8, ELEM_F32, 0}, {1, 65, 15, ELEM_F32, 0}, {2, 66, 32, ELEM_F32, 0},
    {1, 67, 33, ELEM_F32, 0}, {2, 127, 31, ELEM_F32, 0}, {1, 1000, 5, ELEM_F32, 0},
    {2, 343, 48, ELEM_F32, 0}, {1, 1024, 64, ELEM_F32, 0}, {2, 1025, 2, ELEM_F32, 0},
    {2, 100, 320, ELEM_F32, 0}, {1, 130, 129, ELEM_F32, 0}, {3, 1111, 1, ELEM_F32, 0},
    {1, 200, 127, ELEM_F32, 0}, {1, 4099, 24, ELEM_F32, 0}};

struct norm_case {
    struct norm_shape s;
    float slope;
};

static size_t norm_count(const struct norm_shape *s)
{
    return (size_t)s->sets * s->rows * (size_t)s->c;
}

static double *reals(size_t n)
{
    return calloc(n, sizeof(double));
}

/* in: x, gamma, beta, dy. */
static void run_norm_fwd(struct problem *p, struct pool *pool)
{
    const struct norm_case *k = p->shape;
    float *scratch = guard_alloc(norm_scratch(&k->s) * sizeof(float));
    norm_stats(p->out[0], p->in[0], &k->s, 1e-5f, scratch, pool);
    norm_fwd(p->out[1], p->in[0], p->out[0], p->in[1], p->in[2], &k->s, k->slope, scratch, pool);
    CHECK(!guard_free(scratch, norm_scratch(&k->s) * sizeof(float)), "norm wrote in front of its scratch");
}

static void run_norm_bwd(struct problem *p, struct pool *pool)
{
    const struct norm_case *k = p->shape;
    const size_t stats_count = (size_t)k->s.sets * NORM_STATS * (size_t)k->s.c;
    float *scratch = guard_alloc(norm_scratch(&k->s) * sizeof(float));
    float *stats = guard_alloc(stats_count * sizeof(float));
    norm_stats(stats, p->in[0], &k->s, 1e-5f, scratch, pool);
    norm_bwd(p->out[0], p->out[1], p->out[2], p->in[3], p->in[0], stats, p->in[1], p->in[2], &k->s, k->slope,
                 p->accumulate, scratch, pool);
    guard_free(stats, stats_count * sizeof(float));
    CHECK(!guard_free(scratch, norm_scratch(&k->s) * sizeof(float)), "norm wrote in front of its scratch");
}

/* Mean, variance and 1/sqrt(var + eps) of one set and channel, in two passes. */
static void moments(double out[3], const float *x, const struct norm_shape *s)
{
    double mean = 0, var = 0;
    for (size_t r = 0; r < s->rows; r++) mean += (double)x[r * (size_t)s->c];
    mean /= (double)s->rows;
    for (size_t r = 0; r < s->rows; r++) {
        const double d = (double)x[r * (size_t)s->c] - mean;
        var += d * d;
    }
    var /= (double)s->rows;
    out[0] = mean;
    out[1] = var;
    out[2] = 1 / sqrt(var + (double)1e-5f);
}

static void check_norm_fwd(const struct norm_shape *s, float mean, float std, float slope)
{
    const struct norm_case k = {*s, slope};
    const size_t c = (size_t)s->c, n = norm_count(s);
    struct problem p = {.shape = &k};
    char name[120];
    snprintf(name, sizeof name, "norm_fwd %dx%zux%d mean %g std %g slope %g", s->sets, s->rows, s->c,
             (double)mean, (double)std, (double)slope);
    float *x = problem_in(&p, 0, n, mean, std), *gamma = problem_in(&p, 1, c, 1.0f, 0.3f);
    float *beta = problem_in(&p, 2, c, 0.0f, 0.3f);
    problem_out(&p, 0, (size_t)s->sets * NORM_STATS * c);
    problem_out(&p, 1, n);
    levels_run(name, &p, run_norm_fwd, pools);
    double *want = reals(n), *tolerance = reals(n);
    for (size_t i = 0; i < (size_t)s->sets * c; i++) {
        const size_t set = i / c, channel = i % c, start = set * s->rows * c + channel;
        const float *stats = p.out[0] + set * NORM_STATS * c + channel;
        double m[3];
        moments(m, x + start, s);
        const double got_mean = (double)stats[NORM_MEAN * c] + (double)stats[NORM_MEAN_LOW * c];
        CHECK_NEAR(got_mean, m[0], 1e-6 * sqrt(m[1]) + 1e-12 * fabs(m[0]), "%s: mean", name);
        CHECK_NEAR((double)stats[NORM_VAR * c], m[1], 1e-6 * m[1] + 1e-13 * m[0] * m[0], "%s: variance",
                   name);
        CHECK_NEAR((double)stats[NORM_RSTD * c], m[2], 1e-6 * m[2], "%s: 1/std", name);
        for (size_t r = 0; r < s->rows; r++) {
            const double xhat = ((double)x[start + r * c] - m[0]) * m[2];
            const double z = (double)gamma[channel] * xhat + (double)beta[channel];
            want[start + r * c] = z > 0 ? z : (double)slope * z;
            tolerance[start + r * c] =
                2e-6 * (fabs((double)gamma[channel] * xhat) + fabs((double)beta[channel]) + 1);
        }
    }
    check_values(name, p.out[1], want, tolerance, n);
    problem_free(&p, name);
    free(want);
    free(tolerance);
}

/* The gradient of one set and channel: adds to dgamma and dbeta, writes dx. g is the gradient behind the
 * activation. */
static void norm_bwd_reference(double *dx, double *dgamma, double *dbeta, const double m[3], const float *x,
                               const double *g, double gamma, const struct norm_shape *s)
{
    const size_t c = (size_t)s->c;
    double sum = 0, product = 0;
    for (size_t r = 0; r < s->rows; r++) {
        sum += g[r * c];
        product += g[r * c] * ((double)x[r * c] - m[0]) * m[2];
    }
    *dgamma += product;
    *dbeta += sum;
    for (size_t r = 0; r < s->rows; r++) {
        const double xhat = ((double)x[r * c] - m[0]) * m[2];
        dx[r * c] = gamma * m[2] * (g[r * c] - sum / (double)s->rows - xhat * product / (double)s->rows);
    }
}

static void check_norm_bwd(const struct norm_shape *s, float mean, float slope, int accumulate)
{
    const struct norm_case k = {*s, slope};
    const size_t c = (size_t)s->c, n = norm_count(s);
    struct problem p = {.shape = &k, .accumulate = accumulate};
    char name[120];
    snprintf(name, sizeof name, "norm_bwd %dx%zux%d mean %g slope %g accumulate %d", s->sets, s->rows, s->c,
             (double)mean, (double)slope, accumulate);
    float *x = problem_in(&p, 0, n, mean, 2.0f), *gamma = problem_in(&p, 1, c, 1.0f, 0.3f);
    float *beta = problem_in(&p, 2, c, 0.0f, 0.3f), *dy = problem_in(&p, 3, n, 0.0f, 1.0f);
    problem_out(&p, 0, n);
    problem_out(&p, 1, c);
    problem_out(&p, 2, c);
    double *g = reals(n), *dx = reals(n), *tolerance = reals(n), *dgamma = reals(c), *dbeta = reals(c),
           *bound = reals(c);
    for (size_t i = 0; i < c; i++) dgamma[i] = (double)p.before[1][i], dbeta[i] = (double)p.before[2][i];
    for (size_t i = 0; i < (size_t)s->sets * c; i++) {
        const size_t channel = i % c, start = i / c * s->rows * c + channel;
        double m[3];
        moments(m, x + start, s);
        for (size_t r = 0, j = start; r < s->rows; r++, j += c) {
            const double z = (double)gamma[channel] * ((double)x[j] - m[0]) * m[2] + (double)beta[channel];
            if (fabs(z) < 1e-4) dy[j] = 0; /* too near the kink to know the side */
            g[j] = z > 0 ? (double)dy[j] : (double)slope * (double)dy[j];
            bound[channel] += fabs(g[j]) * (1 + fabs((double)x[j] - m[0]) * m[2]);
            tolerance[j] = 4e-6 * fabs((double)gamma[channel]) * m[2] *
                           (fabs(g[j]) + 2 + fabs((double)x[j] - m[0]) * m[2]);
        }
        norm_bwd_reference(dx + start, &dgamma[channel], &dbeta[channel], m, x + start, g + start,
                           (double)gamma[channel], s);
    }
    for (size_t i = 0; accumulate && i < n; i++) {
        dx[i] += (double)p.before[0][i];
        tolerance[i] += 4 * U;
    }
    for (size_t i = 0; i < c; i++) bound[i] = 1e-6 * (bound[i] + 4);
    levels_run(name, &p, run_norm_bwd, pools);
    check_values(name, p.out[0], dx, tolerance, n);
    check_values("dgamma", p.out[1], dgamma, bound, c);
    check_values("dbeta", p.out[2], dbeta, bound, c);
    problem_free(&p, name);
    free(g), free(dx), free(tolerance), free(dgamma), free(dbeta), free(bound);
}

/* Group norm of one case and set of channels in plain loops: y, and dx for the gradient dy behind the
 * activation. */
static void group_norm_reference(double *y, double *dx, const struct problem *p, const struct norm_case *k,
                                 size_t start)
{
    const size_t c = (size_t)k->s.c, shared = (size_t)k->s.shared;
    const float *gamma = p->in[1] + start % c, *beta = p->in[2] + start % c;
    const double values = (double)k->s.rows * (double)shared;
    double mean = 0, var = 0, sum = 0, product = 0;
#define EACH                                                                                                 \
    for (size_t r = 0; r < k->s.rows; r++)                                                                   \
        for (size_t i = 0, j = start + r * c; i < shared; i++, j++)
    EACH mean += (double)p->in[0][j] / values;
    EACH var += ((double)p->in[0][j] - mean) * ((double)p->in[0][j] - mean) / values;
    const double rstd = 1 / sqrt(var + (double)1e-5f);
    EACH {
        const double xhat = ((double)p->in[0][j] - mean) * rstd,
                     z = (double)gamma[i] * xhat + (double)beta[i];
        if (fabs(z) < 1e-4) p->in[3][j] = 0; /* too near the kink to know the side */
        const double g = (z > 0 ? 1 : (double)k->slope) * (double)p->in[3][j] * (double)gamma[i];
        y[j] = z > 0 ? z : (double)k->slope * z;
        sum += g;
        product += g * xhat;
        dx[j] = g;
    }
    EACH dx[j] = rstd * (dx[j] - sum / values - ((double)p->in[0][j] - mean) * rstd * product / values);
#undef EACH
}

/* Every level and number of threads gives the same bits, and the values of the definition. Sets of 60
 * channels reach from one job of channels into the next. */
static void check_group_norm(void)
{
    static const struct norm_shape shapes[] = {{2, 67, 6, ELEM_F32, 3},
                                               {1, 130, 18, ELEM_F32, 18},
                                               {2, 1025, 32, ELEM_F32, 4},
                                               {1, 90, 300, ELEM_F32, 60},
                                               {1, 1, 8, ELEM_F32, 2}};
    for (size_t at = 0; at < sizeof shapes / sizeof *shapes; at++) {
        const struct norm_case k = {shapes[at], at % 2 ? 1 : 0.01f};
        const size_t c = (size_t)k.s.c, n = norm_count(&k.s),
                     sets = (size_t)k.s.sets * c / (size_t)k.s.shared;
        struct problem fwd = {.shape = &k}, bwd = {.shape = &k};
        struct problem *each[2] = {&fwd, &bwd};
        for (int i = 0; i < 2; i++) {
            problem_in(each[i], 0, n, 0.5f, 2.0f);
            problem_in(each[i], 1, c, 1.0f, 0.3f);
            problem_in(each[i], 2, c, 0.0f, 0.3f);
            problem_in(each[i], 3, n, 0.0f, 1.0f);
        }
        problem_out(&fwd, 0, (size_t)k.s.sets * NORM_STATS * c);
        problem_out(&fwd, 1, n);
        problem_out(&bwd, 0, n);
        problem_out(&bwd, 1, c);
        problem_out(&bwd, 2, c);
        double *y = reals(n), *dx = reals(n), *tolerance = reals(n);
        for (size_t i = 0; i < sets; i++) {
            const size_t set = i * (size_t)k.s.shared / c, channel = i * (size_t)k.s.shared % c;
            group_norm_reference(y, dx, &bwd, &k, set * k.s.rows * c + channel);
        }
        for (size_t i = 0; i < n; i++) tolerance[i] = 1e-5 * (fabs(y[i]) + fabs(dx[i]) + 1);
        levels_run("group_norm_fwd", &fwd, run_norm_fwd, pools);
        levels_run("group_norm_bwd", &bwd, run_norm_bwd, pools);
        check_values("group_norm_fwd", fwd.out[1], y, tolerance, n);
        check_values("group_norm_bwd", bwd.out[0], dx, tolerance, n);
        problem_free(&fwd, "group_norm_fwd");
        problem_free(&bwd, "group_norm_bwd");
        free(y), free(dx), free(tolerance);
    }
}

/* In place gives the same bits; a gradient of the parameters alone too. */
static void check_norm_in_place(void)
{
    const struct norm_shape s = {2, 300, 20, ELEM_F32, 0};
    const struct norm_case k = {s, 0.01f};
    const size_t n = norm_count(&s), c = (size_t)s.c;
    struct problem p = {.shape = &k};
    float *scratch = guard_alloc(norm_scratch(&s) * sizeof(float)), stats[2 * NORM_STATS * 20],
          *copy = malloc(n * 4);
    problem_in(&p, 0, n, 1.0f, 2.0f), problem_in(&p, 1, c, 1.0f, 0.3f), problem_in(&p, 2, c, 0.0f, 0.3f);
    problem_in(&p, 3, n, 0.0f, 1.0f);
    problem_out(&p, 0, n), problem_out(&p, 1, c), problem_out(&p, 2, c);
    norm_stats(stats, p.in[0], &s, 1e-5f, scratch, NULL);
    norm_fwd(p.out[0], p.in[0], stats, p.in[1], p.in[2], &s, 0.01f, scratch, NULL);
    memcpy(copy, p.in[0], n * 4);
    norm_fwd(copy, copy, stats, p.in[1], p.in[2], &s, 0.01f, scratch, NULL);
    CHECK(!different_bits(copy, p.out[0], n), "norm_fwd in place");
    float first[2][20] = {{0}}, second[2][20] = {{0}};
    norm_bwd(p.out[0], first[0], first[1], p.in[3], p.in[0], stats, p.in[1], p.in[2], &s, 0.01f, 0, scratch,
             NULL);
    norm_bwd(NULL, second[0], second[1], p.in[3], p.in[0], stats, p.in[1], p.in[2], &s, 0.01f, 0, scratch,
             NULL);
    memcpy(copy, p.in[3], n * 4);
    CHECK(!memcmp(first, second, sizeof first), "norm_bwd without dx");
    norm_bwd(copy, second[0], second[1], copy, p.in[0], stats, p.in[1], p.in[2], &s, 0.01f, 0, scratch, NULL);
    CHECK(!different_bits(copy, p.out[0], n), "norm_bwd in place");
    guard_free(scratch, norm_scratch(&s) * sizeof(float));
    problem_free(&p, "norm in place");
    free(copy);
}

/* Ten updates of the running values, then inference with them. */
static void check_norm_running(void)
{
    enum { C = 5, ROWS = 77 };
    const struct norm_shape s = {1, ROWS, C, ELEM_F32, 0};
    struct problem p = {0};
    float *x = problem_in(&p, 0, ROWS * C, 3.0f, 2.0f), mean[C] = {0}, var[C] = {1, 1, 1, 1, 1};
    float stats[NORM_STATS * C], gamma[C], beta[C], y[ROWS * C];
    float *scratch = guard_alloc(norm_scratch(&s) * sizeof(float));
    norm_stats(stats, x, &s, 1e-5f, scratch, NULL);
    for (int i = 0; i < 10; i++) norm_running_update(mean, var, stats, &s, 0.1f);
    const double kept = pow(0.9, 10);
    for (int i = 0; i < C; i++) {
        double m[3];
        moments(m, x + i, &s);
        CHECK_NEAR((double)mean[i], (1 - kept) * m[0], 1e-5, "running mean");
        CHECK_NEAR((double)var[i], kept + (1 - kept) * m[1] * ROWS / (ROWS - 1), 1e-5, "running variance");
        gamma[i] = 1.0f + 0.1f * (float)i, beta[i] = -0.2f * (float)i;
    }
    norm_running_stats(stats, mean, var, C, 1e-5f);
    norm_fwd(y, x, stats, gamma, beta, &s, 0.0f, scratch, NULL);
    for (int i = 0; i < ROWS * C; i++) {
        const int c = i % C;
        const double z = (double)gamma[c] * ((double)x[i] - (double)mean[c]) / sqrt((double)var[c] + 1e-5) +
                         (double)beta[c];
        CHECK_NEAR((double)y[i], z > 0 ? z : 0, 3e-6, "inference");
    }
    guard_free(scratch, norm_scratch(&s) * sizeof(float));
    problem_free(&p, "running");
}

static void check_norm(void)
{
    for (size_t i = 0; i < sizeof norm_shapes / sizeof *norm_shapes; i++) {
        const struct norm_shape *s = &norm_shapes[i];
        check_norm_fwd(s, 0.0f, 1.0f, 0.01f);
        check_norm_fwd(s, 1000.0f, 1.0f, 1.0f);
        check_norm_fwd(s, -3.0f, 50.0f, 0.0f);
        check_norm_bwd(s, 0.0f, 0.01f, 0);
        check_norm_bwd(s, 200.0f, 1.0f, 1);
        check_norm_bwd(s, -1.0f, 0.0f, 1);
    }
    check_norm_in_place();
    check_norm_running();
}

int main(void)
{
    pools[1] = pool_create(2);
    pools[2] = pool_create(3);
    check_norm();
    check_levels_hash(0xae75a373u);
    check_group_norm();
    pool_destroy(pools[1]);
    pool_destroy(pools[2]);
    return check_done("check_norm");
}
