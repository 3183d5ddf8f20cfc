/* check_stats.c - the statistics of studies against SciPy, statsmodels, scikit-learn and definitions written
 * out (tests/golden/make_study_stats.py). */
#include <stdint.h>

#include "nn/stats/stats.h"
#include "nn/stats/stats_agreement.h"
#include "nn/stats/stats_auc.h"
#include "nn/stats/stats_bootstrap.h"
#include "nn/stats/stats_calibration.h"
#include "nn/stats/stats_distributions.h"
#include "nn/stats/stats_paired.h"
#include "nn/stats/stats_power.h"
#include "nn/stats/stats_proportion.h"
#include "nn/stats/stats_rank.h"
#include "nn/stats/stats_seeds.h"
#include "tensor/base/rng.h"
#include "tests/unit/nn/golden_json.h"

/* ---- ranks ------------------------------------------------------------------------------------------- */

static void check_hodges_lehmann(void)
{
    const struct json *all = json_get(golden, "hodges_lehmann");
    struct hodges_lehmann r;
    for (int i = 0; i < all->count; i++) {
        const struct json *g = all->item[i], *ci = json_get(g, "ci");
        int n;
        double *a = numbers(g, "a", &n), *b = numbers(g, "b", NULL);
        CHECK(stats_hodges_lehmann(&r, a, b, n, 0.95) == 0 && r.n == n, "memory");
        CHECK_NEAR(r.shift, json_number(g, "shift", NAN), 1e-12, "shift %d", i);
        for (int side = 0; side < 2; side++)
            CHECK_NEAR(r.ci[side], number_at(ci, side), 1e-12, "interval %d, n %d", i, n);
        CHECK_NEAR(r.level, json_number(g, "level", NAN), 1e-12, "level %d", i);
        free(a);
        free(b);
    }
    const double missed[4] = {INFINITY, 3, 2, INFINITY}, other[4] = {4, 1, 1, INFINITY};
    CHECK(stats_hodges_lehmann(&r, missed, other, 4, 0.95) == 0 && r.n == 4 && r.shift == 1.75 &&
              r.ci[1] == INFINITY,
          "a missed structure: shift %g", r.shift);
    const double none[1] = {NAN};
    CHECK(stats_hodges_lehmann(&r, none, other, 1, 0.95) == 0 && r.n == 0 && isnan(r.shift), "no pair");
}

static void check_mann_whitney(void)
{
    const struct json *all = json_get(golden, "mann_whitney");
    for (int i = 0; i < all->count; i++) {
        const struct json *g = all->item[i];
        struct mann_whitney r, swapped;
        int n, m;
        double *a = numbers(g, "a", &n), *b = numbers(g, "b", &m);
        CHECK(stats_mann_whitney(&r, a, n, b, m) == 0 && stats_mann_whitney(&swapped, b, m, a, n) == 0,
              "memory");
        CHECK_NEAR(r.u, json_number(g, "u", -1), 1e-9, "U %d", i);
        CHECK_RELATIVE(r.p, json_number(g, "p", -1), 1e-10, "Mann-Whitney %d, %d and %d", i, n, m);
        CHECK(r.exact == json_integer(g, "exact", -1) && r.u + swapped.u == (double)n * m &&
                  fabs(r.p - swapped.p) < 1e-12,
              "symmetry %d", i);
        free(a);
        free(b);
    }
    /* A few against many, by SciPy's method="exact". */
    enum { MANY = 200 };
    const double one[1] = {100}, eight[8] = {3.5, 180.5, 190.5, 150.5, 199.5, 120.5, 170.5, 160.5};
    double many[MANY];
    struct mann_whitney r, back;
    for (int i = 0; i < MANY; i++) many[i] = i;
    CHECK(stats_mann_whitney(&r, one, 1, many, 60) == 0 && r.exact && fabs(61 * r.p - 2) < 1e-9, "p %g", r.p);
    CHECK(stats_mann_whitney(&r, eight, 8, many, MANY) == 0 && r.exact &&
              stats_mann_whitney(&back, many, MANY, eight, 8) == 0 && back.p == r.p, "eight: %g", r.p);
    CHECK_RELATIVE(r.p, 0.02096390116301757, 1e-10, "eight and two hundred");
}

static void check_clustered_wilcoxon(void)
{
    const struct json *all = json_get(golden, "clustered_wilcoxon");
    for (int i = 0; i < all->count; i++) {
        const struct json *g = all->item[i];
        struct wilcoxon r, plain;
        int n, used, clusters = (int)json_integer(g, "clusters", 0), *cluster = integers(g, "cluster");
        double *a = numbers(g, "a", &n), *b = numbers(g, "b", NULL);
        CHECK(stats_wilcoxon_clustered(&r, &used, a, b, cluster, n, clusters, WILCOXON_ZEROS_PRATT) == 0,
              "memory");
        CHECK_RELATIVE(r.p, json_number(g, "p", -1), 1e-10, "clusters %d", i);
        CHECK(used == json_integer(g, "used", -1), "clusters used %d", used);
        CHECK(stats_wilcoxon(&plain, a, b, n, WILCOXON_ZEROS_PRATT) == 0 && plain.w_plus == r.w_plus,
              "the sums are those of the plain test");
        if (clusters == n) CHECK_RELATIVE(r.p, plain.p, 1e-12, "clusters of one");
        free(cluster);
        free(a);
        free(b);
    }
}

/* ---- power and margins ------------------------------------------------------------------------------- */

static void check_power(void)
{
    const struct json *t = json_get(golden, "noncentral_t"), *all = json_get(golden, "power");
    for (int i = 0; i < t->count; i++)
        CHECK_NEAR(stats_noncentral_t_cdf(number_at(t->item[i], 0), number_at(t->item[i], 1),
                                          number_at(t->item[i], 2)),
                   number_at(t->item[i], 3), 1e-10, "noncentral t %d", i);
    CHECK_NEAR(stats_noncentral_t_cdf(1.3, 11, 0), stats_t_cdf(1.3, 11), 1e-12, "delta 0 is Student's");
    CHECK_NEAR(stats_noncentral_t_cdf(1.3, INFINITY, 0.4), stats_normal_cdf(0.9), 1e-15,
               "infinite df is normal");
    /* Far out it is an approximation: these are integrals over the chi-squared density. */
    static const double far[][4] = {{41, 30, 40, 0.5406640947770458},
                                    {38, 200, 40, 0.1699192985772532},
                                    {-39, 100, -40, 0.6490476032953373},
                                    {45, 60, 40, 0.8737848935391719}};
    for (int i = 0; i < 4; i++)
        CHECK_NEAR(stats_noncentral_t_cdf(far[i][0], far[i][1], far[i][2]), far[i][3], 0.01,
                   "noncentral t with delta %g", far[i][2]);
    for (int i = 0; i < all->count; i++) {
        const struct json *g = all->item[i];
        const double sd = json_number(g, "sd", 0), effect = json_number(g, "effect", 0);
        const int n = (int)json_integer(g, "n", 0);
        const struct power_basis b = {sd / sqrt(n), n - 1};
        CHECK_NEAR(stats_power_two_sided(effect, b.se, b.df, 0.05), json_number(g, "two_sided", -1), 1e-9,
                   "power %d", i);
        CHECK_NEAR(stats_power_noninferiority(effect / 2, 0.03, b.se, b.df, 0.025),
                   json_number(g, "noninferiority", -1), 1e-9, "non-inferiority %d", i);
        CHECK_NEAR(stats_power_tost(effect / 2, 0.08, b.se, b.df, 0.05), json_number(g, "tost", -1), 1e-9,
                   "equivalence %d", i);
        CHECK_NEAR(stats_power_two_sided(effect, b.se, INFINITY, 0.05), json_number(g, "normal", -1), 1e-12,
                   "normal power %d", i);
        CHECK_RELATIVE(stats_detectable_effect(0.8, b.se, b.df, 0.05), json_number(g, "detectable", -1), 1e-6,
                       "detectable effect %d", i);
        CHECK_NEAR(stats_power_tost(0, stats_detectable_margin(0.8, b.se, b.df, 0.05), b.se, b.df, 0.05), 0.8,
                   1e-9, "detectable margin %d", i);
    }
    const struct power_basis w = stats_power_wilcoxon(1, 100);
    CHECK_NEAR(0.1 / w.se, sqrt(3 / 3.14159265358979323846), 1e-12,
               "the signed-rank test uses 3/pi of the pairs");
    /* 100 pairs with 9 + 16 that differ: variance 25 / 100^2, so that 2.8 standard errors are found 8 times
     * in 10. */
    const struct power_basis m = stats_power_mcnemar(25, 100, 100),
                             u = stats_power_mann_whitney(1, 100, 1, 100);
    CHECK_NEAR(stats_detectable_effect(0.8, m.se, m.df, 0.05),
               0.05 * (1.959963984540054 + 0.8416212335729143), 1e-6, "McNemar");
    CHECK_NEAR(u.se, w.se * sqrt(2), 1e-12, "two samples of 100");
    CHECK(isnan(stats_power_two_sided(1, 0, 5, 0.05)) && isnan(stats_detectable_effect(0.8, NAN, 5, 0.05)),
          "no standard error, no power");
}

static void check_margins(void)
{
    const struct json *all = json_get(golden, "noninferiority");
    for (int i = 0; i < all->count; i++) {
        const struct json *g = all->item[i];
        int n;
        double *a = numbers(g, "a", &n), *b = numbers(g, "b", NULL), margin = json_number(g, "margin", 0);
        struct noninferiority r, turned;
        CHECK(stats_noninferiority_paired(&r, a, b, n, margin, 1, 0.025) == 0, "memory");
        if (n < STATS_LEAST_FOR_POWER) { /* the formula alone */
            CHECK(isnan(r.p) && isnan(r.bound) && !r.shown, "a margin of %d pairs", n);
            struct seeds_test t;
            CHECK(stats_seeds_mean(&t, a, b, 1, n) == 0, "memory");
            stats_noninferiority_estimate(&r, t.difference, t.se, t.df, margin, 1, 0.025);
        }
        CHECK_RELATIVE(r.p, json_number(g, "p", -1), 1e-10, "non-inferiority %d", i);
        CHECK_NEAR(r.bound, json_number(g, "bound", -1), 1e-12, "bound %d", i);
        CHECK(r.shown == (r.bound > -margin), "shown where the bound is above the margin %d", i);
        CHECK(stats_noninferiority_paired(&turned, b, a, n, margin, -1, 0.025) == 0 &&
                  (n < STATS_LEAST_FOR_POWER || fabs(turned.p - r.p) < 1e-14),
              "smaller is better %d", i);
        free(a);
        free(b);
    }
    struct noninferiority z;
    struct tost t;
    stats_noninferiority_estimate(&z, -0.02, 0.03, INFINITY, 0.1, 1, 0.025);
    CHECK_NEAR(z.p, stats_normal_cdf(-0.08 / 0.03), 1e-12, "normal non-inferiority");
    stats_tost_estimate(&t, 0.02, 0.03, INFINITY, 0.1);
    CHECK_NEAR(t.p, stats_normal_cdf(-0.08 / 0.03), 1e-12, "normal equivalence");
    CHECK_NEAR(t.ci[1], 0.02 + 1.6448536269514722 * 0.03, 1e-12, "its interval");
}

/* ---- patients and seeds ------------------------------------------------------------------------------ */

static void compare_test(const struct seeds_test *r, const struct json *want, const char *what, int i)
{
    CHECK_RELATIVE(r->p, number_at(want, 0), 1e-8, "%s %d: p", what, i);
    CHECK_RELATIVE(r->se, number_at(want, 1), 1e-10, "%s %d: se", what, i);
    CHECK_RELATIVE(r->df, number_at(want, 2), 1e-8, "%s %d: df", what, i);
}

static void check_seeds(void)
{
    const struct json *all = json_get(golden, "seeds");
    for (int i = 0; i < all->count; i++) {
        const struct json *g = all->item[i];
        int total, seeds = (int)json_integer(g, "seeds", 0), *label = integers(g, "label");
        double *a = numbers(g, "a", &total), *b = numbers(g, "b", NULL);
        const int n = total / seeds;
        struct seeds_test r;
        struct seeds_bootstrap boot, again;
        CHECK(stats_seeds_auc(&r, label, a, b, seeds, n, NULL, 0) == 0 && r.seeds == seeds && r.cases == n,
              "memory");
        compare_test(&r, json_get(g, "auc"), "AUC", i);
        CHECK_NEAR(r.difference, json_number(g, "auc_difference", NAN), 1e-12, "difference of areas %d", i);
        CHECK(stats_seeds_mean_or(&r, a, b, seeds, n) == 0, "memory");
        compare_test(&r, json_get(g, "mean_or"), "mean by Obuchowski-Rockette", i);
        CHECK(stats_seeds_mean(&r, a, b, seeds, n) == 0, "memory");
        compare_test(&r, json_get(g, "mean"), "mixed model", i);
        CHECK_NEAR(r.difference, json_number(g, "difference", NAN), 1e-12, "difference %d", i);
        CHECK_NEAR(r.sd_difference, json_number(g, "sd_difference", NAN), 1e-12, "deviation between seeds %d",
                   i);
        CHECK(stats_seeds_bootstrap_mean(&boot, a, b, seeds, n, NULL, 0, 20000, 1, 0.95) == 0, "memory");
        CHECK_NEAR(boot.difference, r.difference, 1e-12, "difference of the bootstrap %d", i);
        const double width = number_at(json_get(g, "bootstrap"), 1) - number_at(json_get(g, "bootstrap"), 0);
        for (int side = 0; side < 2; side++)
            CHECK_NEAR(boot.ci[side], number_at(json_get(g, "bootstrap"), side), 0.03 * width,
                       "crossed bootstrap %d", i);
        int *own = malloc((size_t)n * sizeof *own);
        for (int k = 0; k < n; k++) own[k] = n - 1 - k;
        CHECK(stats_seeds_bootstrap_mean(&again, a, b, seeds, n, own, n, 20000, 2, 0.95) == 0 &&
                  fabs(again.ci[0] - boot.ci[0]) < 0.03 * width,
              "clusters of one");
        free(own);
        CHECK(stats_seeds_bootstrap_auc(&boot, label, a, b, seeds, n, NULL, 0, 4000, 1, 0.95) == 0 &&
                  fabs(boot.difference - json_number(g, "auc_difference", NAN)) < 1e-12,
              "memory");
        const double wide =
            number_at(json_get(g, "bootstrap_auc"), 1) - number_at(json_get(g, "bootstrap_auc"), 0);
        for (int side = 0; side < 2; side++)
            CHECK_NEAR(boot.ci[side], number_at(json_get(g, "bootstrap_auc"), side), 0.06 * wide,
                       "crossed bootstrap of AUC %d", i);
        free(label);
        free(a);
        free(b);
    }
}

/* What is claimed is said by the analysis and by the bootstrap: each end is the outer one, p the larger. */
static void check_strict(void)
{
    const double t95 = 2.2281388519649385, t90 = 1.8124611228107335; /* of 10 degrees of freedom */
    const struct seeds_test t = {.difference = 1, .se = 0.5, .df = 10, .p = 0.03,
                                 .ci = {1 - 0.5 * t95, 1 + 0.5 * t95}};
    struct seeds_bootstrap b = {.ci95 = {-3, 1.5}, .ci90 = {0.5, 4}, .p = 0.01};
    struct seeds_strict r;
    stats_seeds_strict(&r, &t, &b);
    CHECK(r.p == 0.03 && r.ci95[0] == -3 && r.ci95[1] == t.ci[1] && r.ci90[1] == 4, "p %g, %g to %g", r.p,
          r.ci95[0], r.ci95[1]);
    CHECK_NEAR(r.ci90[0], 1 - 0.5 * t90, 1e-9, "the lower end of 90 %%");
    b = (struct seeds_bootstrap){.ci95 = {0, 7}, .ci90 = {-2, 1}, .p = 0.2};
    stats_seeds_strict(&r, &t, &b);
    CHECK(r.p == 0.2 && r.ci95[0] == t.ci[0] && r.ci95[1] == 7 && r.ci90[0] == -2, "p %g, %g to %g", r.p,
          r.ci95[0], r.ci95[1]);
    CHECK_NEAR(r.ci90[1], 1 + 0.5 * t90, 1e-9, "the upper end of 90 %%");
    stats_seeds_strict(&r, &t, &stats_seeds_no_bootstrap);
    CHECK(isnan(r.p) && isnan(r.ci95[0]) && isnan(r.ci95[1]) && isnan(r.ci90[0]) && isnan(r.ci90[1]),
          "without a bootstrap nothing is claimed");
}

/* Pairs that all differ by the same: there is no doubt, and the margin alone decides. */
static void check_constant_differences(void)
{
    for (int k = 0; k < 2; k++) {
        struct noninferiority r;
        stats_noninferiority_estimate(&r, k ? -0.1 : -0.05, 0, 29, 0.1, 1, 0.025);
        CHECK(r.shown == !k && r.bound == r.difference && r.p == (k ? 1 : STATS_P_FLOOR), "%g: p %g",
              r.difference, r.p);
    }
}

/* One seed: the paired t test, and DeLong's. */
static void check_one_seed(void)
{
    const struct json *g = json_at(json_get(golden, "seeds"), 0);
    int total, seeds = (int)json_integer(g, "seeds", 0), *label = integers(g, "label");
    double *a = numbers(g, "a", &total), *b = numbers(g, "b", NULL);
    const int n = total / seeds;
    struct seeds_test r;
    struct delong d;
    CHECK(stats_seeds_auc(&r, label, a, b, 1, n, NULL, 0) == 0 && stats_delong(&d, label, a, b, n) == 0,
          "memory");
    CHECK_NEAR(r.p, d.p, 1e-12, "one seed: DeLong's p");
    CHECK_NEAR(r.se, d.se, 1e-12, "one seed: DeLong's se");
    CHECK(stats_seeds_mean(&r, a, b, 1, n) == 0 && r.df == n - 1 && isnan(r.sd_difference),
          "one seed: paired t with %g", r.df);
    struct noninferiority t;
    CHECK(stats_noninferiority_paired(&t, a, b, n, 0, 1, 0.025) == 0, "memory");
    CHECK_NEAR(fmin(t.p, 1 - t.p) * 2, r.p, 1e-12, "one seed: the t test's p");
    free(label);
    free(a);
    free(b);
}

/* No difference, but seeds that differ much: the conditional test errs often, those with random seeds in
 * about 5 of 100. */
static void check_level(void)
{
    enum { TRIALS = 400, SEEDS = 4, N = 30 };
    int conditional = 0, crossed = 0, rockette = 0;
    for (int t = 0; t < TRIALS; t++) {
        struct rng rng = rng_stream(21, 0, (uint64_t)t, RNG_TEST);
        double a[SEEDS * N], b[SEEDS * N], mean_a[N] = {0}, mean_b[N] = {0};
        for (int k = 0; k < SEEDS; k++) {
            const double shift_a = rng_normal(&rng), shift_b = rng_normal(&rng);
            for (int i = 0; i < N; i++) {
                a[k * N + i] = shift_a + rng_normal(&rng);
                b[k * N + i] = shift_b + rng_normal(&rng);
                mean_a[i] += a[k * N + i];
                mean_b[i] += b[k * N + i];
            }
        }
        struct wilcoxon w;
        struct seeds_test m, o;
        if (stats_wilcoxon(&w, mean_a, mean_b, N, WILCOXON_ZEROS_PRATT) ||
            stats_seeds_mean(&m, a, b, SEEDS, N) || stats_seeds_mean_or(&o, a, b, SEEDS, N))
            return;
        conditional += w.p < 0.05;
        crossed += m.p < 0.05;
        rockette += o.p < 0.05;
    }
    CHECK(conditional > TRIALS / 3, "the conditional test rejects %d of %d", conditional, TRIALS);
    CHECK(crossed < 0.09 * TRIALS && rockette < 0.09 * TRIALS, "with random seeds %d and %d of %d", crossed,
          rockette, TRIALS);
}

/* ---- areas ------------------------------------------------------------------------------------------- */

static void check_clustered_auc(void)
{
    const struct json *all = json_get(golden, "clustered_auc");
    for (int i = 0; i < all->count; i++) {
        const struct json *g = all->item[i];
        int n, *label = integers(g, "label"), *cluster = integers(g, "cluster");
        double *a = numbers(g, "a", &n), *b = numbers(g, "b", NULL);
        struct delong r, plain;
        CHECK(stats_delong_clustered(&r, label, a, b, cluster, n, (int)json_integer(g, "clusters", 0)) == 0 &&
                  stats_delong(&plain, label, a, b, n) == 0,
              "memory");
        CHECK_RELATIVE(r.se_a, json_number(g, "se_a", -1), 1e-10, "se of A in clusters %d", i);
        CHECK_RELATIVE(r.covariance, json_number(g, "covariance", -1), 1e-9, "covariance in clusters %d", i);
        CHECK_RELATIVE(r.se, json_number(g, "se", -1), 1e-10, "se in clusters %d", i);
        CHECK_RELATIVE(r.p, json_number(g, "p", -1), 1e-9, "p in clusters %d", i);
        if (json_integer(g, "single", 0))
            CHECK_RELATIVE(r.se, plain.se, 1e-10, "clusters of one are DeLong's");
        free(label);
        free(cluster);
        free(a);
        free(b);
    }
}

static void check_intervals(void)
{
    const struct json *all = json_get(golden, "intervals");
    for (int i = 0; i < all->count; i++) {
        double v[6], ci[2];
        for (int k = 0; k < 6; k++) v[k] = number_at(all->item[i], k);
        stats_auc_interval(ci, v[0], v[1], (int)v[2], (int)v[3], 0.95);
        for (int side = 0; side < 2; side++)
            CHECK_NEAR(ci[side], v[4 + side], 1e-9, "interval of AUC %g, %g and %g cases, side %d", v[0],
                       v[2], v[3], side);
    }
    /* Perfect separation against a fair one: neither a point nor a p of 0. */
    const int label[10] = {1, 1, 1, 1, 1, 0, 0, 0, 0, 0};
    const double perfect[10] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, constant[10] = {0},
                 other[10] = {19, 18, 17, 16, 15, 4, 3, 2, 1, 0};
    struct delong d;
    double ci[2][2];
    CHECK(stats_delong(&d, label, perfect, constant, 10) == 0 && d.se == 0 && d.p > 0.0001 && d.p < 0.2 &&
              d.ci[0] < 0.5 && d.ci[1] > 0.5,
          "p %g, %g to %g", d.p, d.ci[0], d.ci[1]);
    CHECK(stats_delong(&d, label, perfect, other, 10) == 0 && d.p == 1 && d.ci[0] < 0 && d.ci[1] > 0,
          "both perfect: %g to %g", d.ci[0], d.ci[1]);
    CHECK(stats_bootstrap_auc(ci[0], ci[1], label, perfect, 10, 200, 1, 0.95) == 0 && ci[0][0] < 0.95 &&
              ci[1][0] < 0.95 && ci[1][1] == 1,
          "bootstrap: %g to %g", ci[1][0], ci[1][1]);
}

/* One case less than each statement needs: the value stands, and nothing says how sure it is. */
static void check_few(void)
{
    enum { N = STATS_LEAST_FOR_POWER, SEEDS = 2 };
    double a[SEEDS * N], b[SEEDS * N], ci[2][2];
    int label[N];
    for (int k = 0; k < 2; k++) { /* too few, enough */
        const int n = STATS_LEAST_CASES - 1 + k, of_class = STATS_LEAST_OF_CLASS - 1 + k;
        for (int i = 0; i < SEEDS * N; i++) a[i] = 0.1 * (i * 7 % 11), b[i] = 0.1 * (i * 5 % 13);
        for (int i = 0; i < N; i++) label[i] = i < of_class;
        struct delong d;
        struct seeds_test t;
        struct seeds_bootstrap s;
        struct macro_auc m;
        double auc[2], of[2 * N];
        CHECK(stats_delong(&d, label, a, b, N) == 0 && isfinite(d.difference) && isfinite(d.se) == k &&
                  isfinite(d.se_a) == k && isfinite(d.p) == k && isfinite(d.ci[0]) == k,
              "DeLong of %d cases of a class: p %g", of_class, d.p);
        CHECK(stats_delong_unpaired(&d, label, a, N, label, b, N) == 0 && isfinite(d.difference) &&
                  isfinite(d.p) == k && isfinite(d.ci[1]) == k,
              "unpaired, of %d: p %g", of_class, d.p);
        int cluster[N];
        for (int i = 0; i < N; i++) cluster[i] = i < 6 ? i % of_class : i;
        for (int i = 0; i < N; i++) label[i] = i < 6;
        CHECK(stats_delong_clustered(&d, label, a, b, cluster, N, N) == 0 && isfinite(d.difference) &&
                  isfinite(d.p) == k,
              "by patients, %d of whom are positive: p %g", of_class, d.p);
        for (int i = 0; i < N; i++) label[i] = i < of_class;
        stats_auc_interval(ci[0], 0.8, 0.1, of_class, N - of_class, 0.95);
        stats_auc_interval(ci[1], 1, 0, N - of_class, of_class, 0.95);
        CHECK(isfinite(ci[0][0]) == k && isfinite(ci[1][1]) == k, "interval of an area, %d of a class",
              of_class);
        CHECK(stats_bootstrap_auc(ci[0], ci[1], label, a, N, 50, 1, 0.95) == 0 && isfinite(ci[0][0]) == k &&
                  isfinite(ci[1][0]) == k,
              "bootstrap of an area, %d of a class", of_class);
        for (int i = 0; i < N; i++) of[2 * i + 1] = a[i], of[2 * i] = 1 - a[i];
        CHECK(stats_auc_macro(&m, auc, label, of, N, 2, NULL, 0) == 0 && isfinite(m.macro) &&
                  isfinite(m.se) == k && isfinite(m.ci[0]) == k,
              "macro area, %d of a class", of_class);
        CHECK(stats_seeds_auc(&t, label, a, b, SEEDS, N, NULL, 0) == 0 && isfinite(t.difference) &&
                  isfinite(t.se) == k && isfinite(t.p) == k && isfinite(t.ci[0]) == k,
              "seeds and areas, %d of a class: p %g", of_class, t.p);
        CHECK(stats_seeds_bootstrap_auc(&s, label, a, b, SEEDS, N, NULL, 0, 50, 1, 0.95) == 0 &&
                  isfinite(s.difference) && isfinite(s.p) == k && isfinite(s.ci90[0]) == k,
              "crossed bootstrap of areas, %d of a class: p %g", of_class, s.p);
        CHECK(stats_seeds_mean(&t, a, b, SEEDS, n) == 0 && isfinite(t.difference) && isfinite(t.p) == k &&
                  isfinite(t.ci[0]) == k,
              "seeds and means of %d cases: p %g", n, t.p);
        CHECK(stats_seeds_mean_or(&t, a, b, SEEDS, n) == 0 && isfinite(t.p) == k, "the same, %d: p %g", n,
              t.p);
        CHECK(stats_seeds_bootstrap_mean(&s, a, b, SEEDS, n, NULL, 0, 50, 1, 0.95) == 0 &&
                  isfinite(s.difference) && isfinite(s.p) == k && isfinite(s.ci95[1]) == k,
              "crossed bootstrap of %d cases: p %g", n, s.p);
        CHECK(stats_bootstrap_mean(ci[0], ci[1], a, n, 50, 1, 0.95) == 0 && isfinite(ci[0][0]) == k &&
                  isfinite(ci[1][0]) == k,
              "bootstrap of %d values", n);
        struct bland_altman agree;
        CHECK(stats_bland_altman(&agree, a, b, n) == 0 && isfinite(agree.bias) &&
                  isfinite(agree.limits[0]) == k && isfinite(agree.icc) == k,
              "limits of agreement of %d cases", n);
        struct tost equal;
        struct noninferiority worse;
        const int many = STATS_LEAST_FOR_POWER - 1 + k;
        CHECK(stats_tost_paired(&equal, a, b, many, 5) == 0 && isfinite(equal.p) == k &&
                  equal.equivalent == k,
              "a margin and %d pairs: p %g", many, equal.p);
        CHECK(stats_noninferiority_paired(&worse, a, b, many, 5, 1, 0.025) == 0 && isfinite(worse.p) == k &&
                  worse.shown == k,
              "non-inferiority and %d pairs: p %g", many, worse.p);
        CHECK(isfinite(stats_power_wilcoxon(1, many).se) == k &&
                  isfinite(stats_power_mcnemar(5, many, many).se) == k &&
                  isfinite(stats_power_mann_whitney(1, 10, 1, many - 10).se) == k &&
                  isfinite(stats_power_areas(0.1, many).se) == k,
              "power of %d cases", many);
        CHECK(isfinite(stats_power_mann_whitney(1, 40, 1, n).se) == k, "power of 40 against %d", n);
    }
}

/* Every case three times: of as many patients as before, the error is what it was with each its own. */
static void check_macro_patients(const int *label, const double *p, int n, int classes, double se)
{
    const size_t width = (size_t)classes;
    int *three = malloc(3 * (size_t)n * sizeof *three), *patient = malloc(3 * (size_t)n * sizeof *patient);
    double *of = malloc(3 * (size_t)n * width * sizeof *of), auc[8];
    struct macro_auc once, thrice;
    for (int k = 0; k < 3 * n; k++) {
        three[k] = label[k / 3];
        patient[k] = k / 3;
        memcpy(of + (size_t)k * width, p + (size_t)(k / 3) * width, width * sizeof *of);
    }
    int *own = patient + 2 * n; /* 0 to n - 1, where the last third is written anew */
    CHECK(stats_auc_macro(&thrice, auc, three, of, 3 * n, classes, patient, n) == 0, "memory");
    for (int k = 0; k < n; k++) own[k] = k;
    CHECK(stats_auc_macro(&once, auc, label, p, n, classes, own, n) == 0, "memory");
    CHECK_RELATIVE(thrice.se, once.se, 1e-9, "se of cases that stand three times");
    CHECK_RELATIVE(once.se, se, 0.1, "se of patients with one case");
    free(three);
    free(patient);
    free(of);
}

static void check_macro(void)
{
    const struct json *all = json_get(golden, "macro");
    for (int i = 0; i < all->count; i++) {
        const struct json *g = all->item[i];
        int total, classes = (int)json_integer(g, "classes", 0), *label = integers(g, "label");
        double *p = numbers(g, "p", &total), auc[8];
        const int n = total / classes;
        struct macro_auc r;
        CHECK(stats_auc_macro(&r, auc, label, p, n, classes, NULL, 0) == 0 && r.classes == classes, "memory");
        for (int k = 0; k < classes; k++)
            CHECK_NEAR(auc[k], number_at(json_get(g, "auc"), k), 1e-12, "class %d against the rest, %d", k,
                       i);
        CHECK_NEAR(r.macro, json_number(g, "macro", NAN), 1e-12, "macro %d", i);
        CHECK_RELATIVE(r.se, json_number(g, "se", NAN), 1e-10, "se of macro %d", i);
        CHECK(r.ci[0] < r.macro && r.macro < r.ci[1], "interval %d", i);
        if (classes == 2) {
            struct delong d;
            double *one = malloc((size_t)n * sizeof *one);
            for (int k = 0; k < n; k++) one[k] = p[2 * k + 1];
            CHECK(stats_delong(&d, label, one, one, n) == 0 && fabs(d.se_a - r.se) < 1e-12,
                  "two classes are DeLong's");
            free(one);
        }
        check_macro_patients(label, p, n, classes, r.se);
        for (int k = 0; k < n; k++) label[k] = label[k] ? 1 : 0;
        CHECK(stats_auc_macro(&r, auc, label, p, n, classes, NULL, 0) == 0 && r.classes == 2 &&
                  (classes == 2 || isnan(auc[2])),
              "a class that does not occur is left out");
        free(label);
        free(p);
    }
}

/* ---- calibration, proportions, texts ----------------------------------------------------------------- */

static void check_recalibration(void)
{
    const struct json *all = json_get(golden, "calibration");
    for (int i = 0; i < all->count; i++) {
        const struct json *g = all->item[i];
        int n, *label = integers(g, "label"), negative = 0, positive = 0;
        double *p = numbers(g, "p", &n), *shifted = numbers(g, "shifted", NULL),
               *copy = malloc((size_t)n * sizeof *copy);
        struct recalibration r;
        stats_recalibrate_fit(&r, label, p, n);
        CHECK(r.usable && r.n == n, "fit %d", i);
        CHECK_NEAR(r.intercept, number_at(json_get(g, "fit"), 0), 1e-6, "intercept %d", i);
        CHECK_NEAR(r.slope, number_at(json_get(g, "fit"), 1), 1e-6, "slope %d", i);
        memcpy(copy, p, (size_t)n * sizeof *p);
        stats_recalibrate(copy, n, &r);
        double sum = 0;
        for (int k = 0; k < n; k++) sum += copy[k];
        const double target = (r.positives * (r.positives + 1.0) / (r.positives + 2) +
                               (n - r.positives) / (n - r.positives + 2.0));
        CHECK_NEAR(sum, target, 1e-6, "the probabilities sum to the targets %d", i);
        memcpy(copy, p, (size_t)n * sizeof *p);
        stats_prior_shift(copy, n, 0.5, 0.7);
        for (int k = 0; k < n; k++) CHECK_NEAR(copy[k], shifted[k], 1e-12, "shifted prior, case %d", k);
        const double y = stats_threshold_youden(label, p, n),
                     s = stats_threshold_sensitivity(label, p, n, 0.9);
        const double want_y = json_number(g, "youden", NAN), want_s = json_number(g, "sensitivity90", NAN);
        CHECK(y <= want_y && s <= want_s, "thresholds %g and %g", y, s);
        for (int k = 0; k < n; k++) {
            negative += (p[k] >= y) != (p[k] >= want_y);
            positive += (p[k] >= s) != (p[k] >= want_s);
        }
        CHECK(negative == 0 && positive == 0, "thresholds %d divide the cases as scikit-learn's", i);
        for (int k = 0; k < n; k++) label[k] = 1;
        stats_recalibrate_fit(&r, label, p, n);
        CHECK(!r.usable && r.slope == 1 && isnan(stats_threshold_youden(label, p, n)) &&
                  isnan(stats_threshold_sensitivity(label, p, n, 0.9)),
              "one class");
        free(label);
        free(p);
        free(shifted);
        free(copy);
    }
}

static void check_small(void)
{
    static const struct {
        double p;
        const char *text;
    } want[] = {{0, "< 0.0001"}, {0.0421, "0.0421"}, {0.5, "0.500"}, {NAN, "undefined"}, {1, "1.000"},
                {0.04996, "0.04996"}, {0.05, "0.0500"}, {0.0249999, "0.0249999"}, {0.0251, "0.0251"}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        char text[STATS_P_TEXT];
        stats_p_text(text, want[i].p);
        CHECK(strcmp(text, want[i].text) == 0, "%g is written %s", want[i].p, text);
    }
    CHECK(stats_p_decimals(0.0497, 3) == 4 && stats_p_decimals(0.0491, 3) == 3 &&
              stats_p_decimals(0.05, 3) == 3 && stats_p_decimals(0.0247, 3) == 4 &&
              stats_p_decimals(0.0497, 2) == 4 && stats_p_decimals(NAN, 3) == 3,
          "a p below a level is not written as the level");
    CHECK(stats_p_floor(0) == STATS_P_FLOOR && stats_p_floor(2) == 1 && isnan(stats_p_floor(NAN)),
          "floor of p");
}

int main(void)
{
    if (!read_golden("tests/data/golden/study_stats.json")) return 1;
    check_hodges_lehmann();
    check_mann_whitney();
    check_clustered_wilcoxon();
    check_power();
    check_margins();
    check_seeds();
    check_strict();
    check_constant_differences();
    check_one_seed();
    check_level();
    check_clustered_auc();
    check_intervals();
    check_few();
    check_macro();
    check_recalibration();
    check_small();
    json_free(golden);
    return check_done("check_stats");
}
