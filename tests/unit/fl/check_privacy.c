/* check_privacy.c - clipping, noise, adaptive clipping, DP-SGD, and the accountant against Opacus,
 * dp-accounting and numerical integration (tests/golden/make_privacy.py). */
#include "fl/privacy/accountant.h"
#include "fl/privacy/dp.h"
#include "io/base/json.h"
#include "tensor/base/rng.h"
#include "tests/unit/expect.h"

static void check_clipping(void)
{
    enum { N = 5000 };
    static float x[N], y[N];
    struct error e;
    struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
    for (int trial = 0; trial < 200; trial++) {
        double before, norm = exp(20 * rng_double(&rng) - 12);
        for (int i = 0; i < N; i++) x[i] = y[i] = rng_normal(&rng);
        CHECK(dp_clip(y, N, norm, &before, &e) == 0, "%s", e.text);
        CHECK_NEAR(before, dp_norm(x, N), 0, "norm before");
        if (before <= norm) CHECK(memcmp(x, y, sizeof x) == 0, "a short vector was changed");
        else {
            double dot = 0;
            for (int i = 0; i < N; i++) dot += (double)x[i] * (double)y[i];
            CHECK(dp_norm(y, N) <= norm && dp_norm(y, N) > norm * (1 - 1e-6), "norm %.9g, bound %.9g",
                  dp_norm(y, N), norm);
            CHECK_NEAR(dot, dp_norm(y, N) * before, 1e-6 * norm * before, "direction");
        }
    }
    x[7] = NAN;
    CHECK(dp_clip(x, N, 1, NULL, &e) == -1 && strstr(e.text, "value 7"), "%s", e.text);
    x[7] = INFINITY;
    CHECK(dp_clip(x, N, 1, NULL, &e) == -1 && strstr(e.text, "value 7"), "%s", e.text);
    CHECK(dp_clip(y, N, 0, NULL, &e) == -1 && dp_clip(y, N, NAN, NULL, &e) == -1, "norm 0 or NaN");
}

static double normal_cdf(double z)
{
    return 0.5 * erfc(-z / sqrt(2));
}

static int compare_floats(const void *a, const void *b)
{
    return (*(const float *)a > *(const float *)b) - (*(const float *)a < *(const float *)b);
}

static void check_noise(void)
{
    enum { N = 200000 };
    static float x[N], y[N];
    struct randomness r;
    randomness_for_tests(&r, 4);
    for (int i = 0; i < N; i++) x[i] = 0;
    dp_noise(x, N, 2.5, &r);
    double sum = 0, square = 0, fourth = 0, lag = 0, distance = 0;
    for (int i = 0; i < N; i++)
        sum += x[i], square += x[i] * (double)x[i], fourth += pow(x[i], 4),
            lag += i ? x[i] * (double)x[i - 1] : 0;
    /* Bounds: five deviations of each statistic under N(0, 2.5^2). */
    CHECK_NEAR(sum / N, 0, 5 * 2.5 / sqrt(N), "mean");
    CHECK_NEAR(square / N, 6.25, 5 * 6.25 * sqrt(2.0 / N), "variance");
    CHECK_NEAR(fourth / N / (6.25 * 6.25), 3, 5 * sqrt(96.0 / N), "kurtosis");
    CHECK_NEAR(lag / N, 0, 5 * 6.25 / sqrt(N), "neighbours are correlated");
    memcpy(y, x, sizeof y);
    qsort(y, N, sizeof *y, compare_floats);
    for (int i = 0; i < N; i++) distance = fmax(distance, fabs(normal_cdf(y[i] / 2.5) - (i + 0.5) / N));
    CHECK(distance < 1.95 / sqrt(N), "Kolmogorov distance %g, 0.1 %% is %g", distance, 1.95 / sqrt(N));
    int off = 0; /* the grid is 2^(1 - 20) */
    for (int i = 0; i < N; i++) off += x[i] * 0x1p19f != rintf(x[i] * 0x1p19f);
    CHECK(off == 0, "%d values are between multiples of 2^-19", off);
    /* The same test seed gives the same noise; the system's gives another each time. */
    randomness_for_tests(&r, 4);
    memset(y, 0, sizeof y);
    dp_noise(y, N, 2.5, &r);
    CHECK(memcmp(x, y, sizeof x) == 0, "the test seed does not repeat");
    struct randomness a, b;
    struct error e;
    double first = 0;
    CHECK(randomness_system(&a, &e) == 0 && randomness_system(&b, &e) == 0, "%s", e.text);
    first = randomness_uniform(&a);
    CHECK(first != randomness_uniform(&b), "two streams of the system are the same");
    CHECK(first != randomness_uniform(&a), "a stream repeats itself");
    dp_noise(y, N, 0, &r);
    CHECK(memcmp(x, y, sizeof x) == 0, "noise of deviation 0 changes values");
}

/* Norms are log-normal; the clip must settle at their quantile, whatever it started from (Andrew et al.,
 * section 3). */
static void check_adaptive(void)
{
    static const double quantiles[] = {0.5, 0.8};
    struct error e;
    for (int c = 0; c < 4; c++) {
        struct dp_adaptive a = dp_adaptive_default();
        struct randomness r;
        struct rng rng = rng_stream(9, 0, 0, RNG_TEST);
        double mean = 0;
        randomness_for_tests(&r, 5);
        CHECK(a.norm == 0.1 && a.quantile == 0.5 && a.rate == 0.2, "Andrew's defaults");
        if (c >= 2) a.norm = 1000;
        a.quantile = quantiles[c % 2];
        for (int round = 0; round < 400; round++) {
            int within = 0;
            for (int k = 0; k < 100; k++) within += 3 * exp(0.5 * (double)rng_normal(&rng)) <= a.norm;
            dp_adaptive_update(&a, within, 100, 5, &r);
            if (round >= 200) mean += log(a.norm) / 200;
        }
        double want = log(3) + 0.5 * (c % 2 ? 0.8416 : 0); /* the log-normal's quantile */
        CHECK_NEAR(mean, want, 0.05, "quantile %g from %g", a.quantile, c >= 2 ? 1000 : 0.1);
    }
    double z;
    CHECK(dp_adaptive_split(&z, 1, 10, &e) == 0, "%s", e.text);
    CHECK_NEAR(1 / (z * z) + 1 / 400.0, 1, 1e-12, "the two multipliers together are one");
    CHECK(dp_adaptive_split(&z, 1, 0.5, &e) == -1 && strstr(e.text, "twice"), "%s", e.text);
}

struct examples {
    int seen[300];
    int bad;
};

static int example_gradient(void *arg, int example, float *out, struct error *e)
{
    struct examples *x = arg;
    x->seen[example]++;
    if (example == x->bad) return error_set(e, "no such picture");
    out[0] = example % 2 ? 3.0f : 0.3f; /* norm 5, or 0.5 */
    out[1] = example % 2 ? 4.0f : 0.4f;
    return 0;
}

static void check_dp_sgd(void)
{
    struct examples x = {{0}, -1};
    struct dp_sgd d = {.rate = 1, .clip = 1, .noise = 0, .gradient = example_gradient, .arg = &x};
    struct randomness r;
    struct error e;
    float sum[2], scratch[2];
    randomness_for_tests(&r, 6);
    CHECK(dp_sgd_sum(sum, scratch, 2, 300, &d, &r, &e) == 300, "%s", e.text);
    CHECK_NEAR(sum[0], 150 * 0.6 + 150 * 0.3, 1e-3, "the sum of clipped gradients");
    CHECK_NEAR(sum[1], 150 * 0.8 + 150 * 0.4, 1e-3, "the sum of clipped gradients");
    d.rate = 0.25;
    int taken = 0, most = 0;
    memset(&x.seen, 0, sizeof x.seen);
    double square = 0;
    for (int step = 0; step < 400; step++) {
        int n = dp_sgd_sum(sum, scratch, 2, 300, &d, &r, &e);
        taken += n, square += (n - 75.0) * (n - 75.0) / 400;
    }
    CHECK_NEAR(taken / 400.0, 75, 5 * 7.5 / 20, "batches of 75 on average");
    CHECK_NEAR(square, 56.25, 5 * 56.25 * sqrt(2.0 / 400), "whose sizes are binomial");
    for (int i = 0; i < 300; i++) most = abs(x.seen[i] - 100) > most ? abs(x.seen[i] - 100) : most;
    CHECK(most < 45, "an example was taken %d times more or less than 100", most); /* deviation 8.7 */
    d.noise = 2;
    square = 0;
    for (int step = 0; step < 2000; step++) {
        d.rate = 1;
        dp_sgd_sum(sum, scratch, 2, 10, &d, &r, &e);
        square += pow(sum[0] - 5 * 0.9, 2) / 2000;
    }
    CHECK_NEAR(square, 4, 5 * 4 * sqrt(2.0 / 2000), "the noise's variance");
    x.bad = 3;
    CHECK(dp_sgd_sum(sum, scratch, 2, 10, &d, &r, &e) == -1 && strstr(e.text, "example 3: no such picture"),
          "%s", e.text);
    d.rate = 1.5;
    CHECK(dp_sgd_sum(sum, scratch, 2, 10, &d, &r, &e) == -1 && strstr(e.text, "rate"), "%s", e.text);
}

static void check_accountant(void)
{
    struct error e = {""};
    struct json *golden = json_read("tests/data/golden/privacy.json", &e);
    CHECK(golden != NULL, "%s", e.text);
    const struct json *cases = json_get(golden, "rdp");
    for (int i = 0; golden && i < cases->count; i++) {
        const struct json *c = json_at(cases, i);
        double order = json_number(c, "order", NAN), q = json_number(c, "q", NAN),
               z = json_number(c, "z", NAN);
        double want = json_number(c, "rdp", NAN);
        CHECK_NEAR(accountant_rdp(order, q, z), want, 1e-6 * want + 1e-11, "RDP of order %g, q %g, z %g",
                   order, q, z);
    }
    cases = json_get(golden, "epsilon");
    for (int i = 0; golden && i < cases->count; i++) {
        const struct json *c = json_at(cases, i);
        double q = json_number(c, "q", NAN), z = json_number(c, "z", NAN),
               steps = json_number(c, "steps", NAN);
        double want = fmin(json_number(c, "opacus", NAN), json_number(c, "dp_accounting", NAN));
        double delta = json_number(c, "delta", NAN);
        struct accountant a = {{0}};
        CHECK(accountant_add(&a, q, z, steps / 2, &e) == 0 && accountant_add(&a, q, z, steps / 2, &e) == 0,
              "%s", e.text);
        double epsilon = accountant_epsilon(&a, delta, NULL);
        CHECK(epsilon >= want * (1 - 1e-6) && epsilon <= want * 1.01,
              "q %g, z %g, %g steps: epsilon %.8g, the judges %.8g", q, z, steps, epsilon, want);
    }
    json_free(golden);
}

static void check_accountant_edges(void)
{
    struct error e;
    struct accountant a = {{0}};
    double order, last = 0;
    CHECK(accountant_epsilon(&a, 1e-5, NULL) == 0, "nothing was spent");
    CHECK(accountant_add(&a, 0, 1, 100, &e) == 0 && accountant_epsilon(&a, 1e-5, NULL) == 0, "rate 0");
    for (int i = 1; i < ACCOUNTANT_ORDERS; i++)
        CHECK(accountant_order(i) > accountant_order(i - 1), "order %d", i);
    CHECK(accountant_order(ACCOUNTANT_ORDERS - 1) == 1024, "the last order");
    for (int i = 1; i <= 20; i++) { /* more rounds, or more sites a round, never cost less */
        struct accountant b = {{0}};
        accountant_add(&b, i / 20.0, 1.5, 10, &e);
        CHECK(accountant_epsilon(&b, 1e-5, &order) > last, "rate %g costs less", i / 20.0);
        last = accountant_epsilon(&b, 1e-5, &order);
        CHECK(order >= 1.1 && order <= 1024, "order %g", order);
    }
    CHECK(accountant_add(&a, 0.5, 0, 1, &e) == 0 && isinf(accountant_epsilon(&a, 1e-5, NULL)),
          "noise 0 costs everything");
    CHECK(accountant_add(&a, 1.5, 1, 1, &e) == -1 && strstr(e.text, "rate"), "%s", e.text);
    CHECK(accountant_add(&a, NAN, 1, 1, &e) == -1 && accountant_add(&a, 0.1, -1, 1, &e) == -1,
          "NaN, or negative noise");
    CHECK(accountant_add(&a, 0.1, 1, -1, &e) == -1, "negative steps");
    CHECK(isinf(accountant_epsilon(&a, 0, NULL)), "delta 0");
}

/* The Gaussian mechanism without sampling has a closed form (Balle and Wang, Improving the Gaussian mechanism
 * for differential privacy, 2018, theorem 8): the chance that is left at the account's epsilon is at most
 * delta, and more at three quarters of it. */
static void check_closed_form(void)
{
    static const double noises[] = {0.5, 1, 2, 8}, rounds[] = {1, 10, 100}, deltas[] = {1e-9, 1e-5, 1e-3};
    for (int k = 0; k < 36; k++) {
        struct accountant a = {{0}};
        struct error e;
        const double steps = rounds[k / 3 % 3], m = sqrt(steps) / noises[k / 9], delta = deltas[k % 3];
        CHECK(accountant_add(&a, 1, noises[k / 9], steps, &e) == 0, "%s", e.text);
        const double told = accountant_epsilon(&a, delta, NULL);
        for (int way = 0; way < 2 && told < 600; way++) {
            const double epsilon = way ? 0.75 * told : told,
                         left = normal_cdf(m / 2 - epsilon / m) -
                                exp(epsilon) * normal_cdf(-m / 2 - epsilon / m);
            CHECK(way ? left > delta : left <= delta, "noise %g, %g rounds: epsilon %g leaves %g of %g",
                  noises[k / 9], steps, epsilon, left, delta);
        }
    }
}

int main(void)
{
    check_clipping();
    check_noise();
    check_adaptive();
    check_dp_sgd();
    check_accountant();
    check_accountant_edges();
    check_closed_form();
    return check_done("check_privacy");
}
