/* check_tests.c - distributions and statistical tests against SciPy, scikit-learn, statsmodels and mpmath
 * (tests/golden/make_stats.py) and against published examples. Those of studies: check_stats.c. */
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

/* ---- special functions ------------------------------------------------------------------------------- */

static void check_special(void)
{
    const struct json *s = json_get(golden, "special"), *t;
    t = json_get(s, "normal_cdf");
    for (int i = 0; i < t->count; i++) {
        double z = number_at(t->item[i], 0);
        CHECK_RELATIVE(stats_normal_cdf(z), number_at(t->item[i], 1), 1e-13, "normal cdf of %g", z);
        CHECK_NEAR(stats_normal_cdf(z) + stats_normal_cdf(-z), 1, 1e-15, "symmetry at %g", z);
    }
    t = json_get(s, "normal_quantile");
    for (int i = 0; i < t->count; i++) {
        double want = number_at(t->item[i], 1);
        CHECK_NEAR(stats_normal_quantile(number_at(t->item[i], 0)), want, 1e-14 * (1 + fabs(want)),
                   "normal quantile of %g", number_at(t->item[i], 0));
    }
    t = json_get(s, "log_gamma");
    for (int i = 0; i < t->count; i++) {
        double want = number_at(t->item[i], 1);
        CHECK_NEAR(stats_log_gamma(number_at(t->item[i], 0)), want, 1e-14 * (1 + fabs(want)),
                   "log gamma of %g", number_at(t->item[i], 0));
    }
    t = json_get(s, "beta_cdf");
    for (int i = 0; i < t->count; i++) {
        double x = number_at(t->item[i], 0), a = number_at(t->item[i], 1), b = number_at(t->item[i], 2),
               want = number_at(t->item[i], 3);
        CHECK_RELATIVE(stats_beta_cdf(x, a, b), want, 1e-12, "beta cdf of %g (%g, %g)", x, a, b);
        if (want < 0.999999)
            CHECK_RELATIVE(stats_beta_quantile(want, a, b), x, 1e-9, "beta quantile (%g, %g)", a, b);
    }
    t = json_get(s, "t_lower");
    for (int i = 0; i < t->count; i++) {
        double x = number_at(t->item[i], 0), df = number_at(t->item[i], 1), want = number_at(t->item[i], 2);
        CHECK_RELATIVE(stats_t_cdf(x, df), want, 1e-12, "t cdf of %g with %g", x, df);
        CHECK_NEAR(stats_t_cdf(-x, df), 1 - want, 1e-13, "t cdf of %g with %g", -x, df);
    }
    t = json_get(s, "t_quantile");
    for (int i = 0; i < t->count; i++)
        CHECK_RELATIVE(stats_t_quantile(number_at(t->item[i], 0), number_at(t->item[i], 1)),
                       number_at(t->item[i], 2), 1e-11, "t quantile %d", i);
    CHECK(stats_normal_quantile(0) == -INFINITY && stats_normal_quantile(1) == INFINITY &&
              isnan(stats_normal_quantile(1.5)),
          "ends of the normal quantile");
    CHECK(stats_t_quantile(0, 9) == -INFINITY && stats_t_quantile(1, 9) == INFINITY &&
              stats_t_quantile(0.5, 9) == 0 && isnan(stats_t_quantile(-0.1, 9)) &&
              isnan(stats_t_quantile(1.1, 9)) && isnan(stats_t_quantile(NAN, 9)) &&
              isnan(stats_t_quantile(0.3, 0)) &&
              stats_t_quantile(0.3, INFINITY) == stats_normal_quantile(0.3),
          "ends of the t quantile");
    CHECK(isnan(stats_t_cdf(NAN, 3)) && stats_t_cdf(INFINITY, 3) == 1 && isnan(stats_beta_cdf(0.5, 0, 1)),
          "ends of t and beta");
}

static void check_descriptive(void)
{
    const double x[4] = {4, 1, 3, 2.5};
    CHECK_NEAR(stats_mean(x, 4), 2.625, 1e-15, "mean");
    CHECK_NEAR(stats_median(x, 4), 2.75, 1e-15, "median of four");
    CHECK_NEAR(stats_median(x, 3), 3, 1e-15, "median of three");
    CHECK_NEAR(stats_sd(x, 4), 1.25, 1e-14, "standard deviation");
    CHECK(isnan(stats_sd(x, 1)) && isnan(stats_mean(x, 0)) && isnan(stats_median(x, 0)), "too few values");
}

/* ---- tests ------------------------------------------------------------------------------------------- */

static void check_wilcoxon(void)
{
    const struct json *all = json_get(golden, "wilcoxon");
    struct wilcoxon r;
    for (int i = 0; i < all->count; i++) {
        const struct json *g = all->item[i];
        int n, pratt = (int)json_integer(g, "pratt", 0);
        double *a = numbers(g, "a", &n), *b = numbers(g, "b", NULL), p = json_number(g, "p", -1);
        CHECK(stats_wilcoxon(&r, a, b, n, pratt ? WILCOXON_ZEROS_PRATT : WILCOXON_ZEROS_WILCOX) == 0,
              "memory");
        CHECK_NEAR(r.statistic, json_number(g, "statistic", -1), 1e-9, "Wilcoxon %d, n %d", i, n);
        CHECK_RELATIVE(r.p, p, 1e-10, "Wilcoxon %d, n %d, exact %d", i, n, r.exact);
        CHECK(r.exact == json_integer(g, "exact", -1), "Wilcoxon %d: exact %d", i, r.exact);
        CHECK_RELATIVE(r.p_greater, json_number(g, "greater", -1), 1e-10, "Wilcoxon %d, one-sided", i);
        free(a);
        free(b);
    }
    /* Hollander & Wolfe 1973, p. 29, as in R's example of wilcox.test: V = 40, p = 0.01953 one-sided. */
    const double x[9] = {1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30},
                 y[9] = {0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29};
    stats_wilcoxon(&r, x, y, 9, WILCOXON_ZEROS_WILCOX);
    CHECK(r.w_plus == 40 && r.w_minus == 5 && r.statistic == 5 && r.n == 9, "depression: V = %g", r.w_plus);
    CHECK_NEAR(r.p, 2 * 0.01953125, 1e-15, "depression");
    const double hole[4] = {1, NAN, 3, 4}, other[4] = {0, 0, 1, NAN};
    stats_wilcoxon(&r, hole, other, 4, WILCOXON_ZEROS_WILCOX);
    CHECK(r.n == 2 && r.p == 0.5, "pairs with NaN are left out: n %d, p %g", r.n, r.p);
    const double half[5] = {0.5, 0.5, 0.5, 1, 0.5}, less[5] = {0, 0, 0, 0.5, 0};
    stats_wilcoxon(&r, half, less, 5, WILCOXON_ZEROS_PRATT);
    CHECK(r.p == 0.0625 && r.exact, "five equal differences: p %g", r.p); /* five pairs cannot reach 0.05 */
    const double missed[6] = {2, 3, INFINITY, 4, INFINITY, 2}, found[6] = {3, 4, 9, 5, 8, 3},
                 both[6] = {2, 3, INFINITY, 4, INFINITY, 1};
    stats_wilcoxon(&r, missed, found, 6, WILCOXON_ZEROS_PRATT);
    CHECK(r.n == 6 && r.w_plus == 11 && r.w_minus == 10, "missed structures rank as largest: %g, %g",
          r.w_plus, r.w_minus);
    stats_wilcoxon(&r, missed, both, 6, WILCOXON_ZEROS_PRATT);
    CHECK(r.n == 6 && r.zeros == 5 && r.p == 1, "missed by both is no difference: %d zeros, p %g", r.zeros,
          r.p);
    stats_wilcoxon(&r, x, x, 9, WILCOXON_ZEROS_WILCOX);
    CHECK(r.n == 0 && r.p == 1 && r.statistic == 0, "no difference at all");
    double up_and_down[60], nothing[60] = {0};
    for (int i = 0; i < 60; i++) up_and_down[i] = i % 2 ? 1 + i / 2 : -1 - i / 2;
    stats_wilcoxon(&r, up_and_down, nothing, 60, WILCOXON_ZEROS_PRATT);
    CHECK(!r.exact && r.w_plus == r.w_minus && r.p == 1, "the mean itself is not corrected: p %g", r.p);
}

static int least_of_class(const int *label, int n)
{
    int positives = 0;
    for (int i = 0; i < n; i++) positives += label[i] != 0;
    return positives < n - positives ? positives : n - positives;
}

static void check_delong(void)
{
    const struct json *all = json_get(golden, "delong");
    struct delong r;
    for (int i = 0; i < all->count; i++) {
        const struct json *g = all->item[i], *u = json_get(g, "unpaired");
        int n, *label = integers(g, "label");
        double *a = numbers(g, "a", &n), *b = numbers(g, "b", NULL), p = json_number(g, "p", -1),
               se = json_number(g, "se", -1);
        CHECK(stats_delong(&r, label, a, b, n) == 0, "memory");
        CHECK_NEAR(r.auc_a, json_number(g, "auc_a", -1), 1e-14, "AUC a %d", i);
        CHECK_NEAR(r.auc_b, json_number(g, "auc_b", -1), 1e-14, "AUC b %d", i);
        CHECK_NEAR(r.se_a, json_number(g, "se_a", -1), 1e-14, "se a %d", i);
        CHECK_NEAR(r.se_b, json_number(g, "se_b", -1), 1e-14, "se b %d", i);
        CHECK_NEAR(r.covariance, json_number(g, "covariance", -1), 1e-15, "covariance %d", i);
        CHECK_RELATIVE(r.se, se, 1e-11, "se %d", i);
        CHECK_RELATIVE(r.p, p, 1e-10, "p %d", i);
        CHECK_NEAR(r.ci[1] - r.ci[0], 2 * 1.959963984540054 * se, 1e-12, "interval %d", i);
        CHECK_NEAR((r.ci[0] + r.ci[1]) / 2, r.difference, 1e-14, "middle of the interval %d", i);
        CHECK(stats_delong_unpaired(&r, label, a, n / 2, label + n / 2, b + n / 2, n - n / 2) == 0, "memory");
        CHECK_NEAR(r.auc_a, number_at(u, 0), 1e-14, "unpaired AUC a %d", i);
        CHECK_NEAR(r.auc_b, number_at(u, 1), 1e-14, "unpaired AUC b %d", i);
        if (least_of_class(label, n / 2) >= STATS_LEAST_OF_CLASS &&
            least_of_class(label + n / 2, n - n / 2) >= STATS_LEAST_OF_CLASS) {
            CHECK_RELATIVE(r.se, number_at(u, 2), 1e-11, "unpaired se %d", i);
            CHECK_RELATIVE(r.p, number_at(u, 3), 1e-10, "unpaired p %d", i);
        } else {
            CHECK(isnan(r.se) && isnan(r.p) && isnan(r.ci[0]), "unpaired, few of a class: p %g", r.p);
        }
        CHECK(stats_delong(&r, label, a, a, n) == 0 && r.p == 1 && r.difference == 0 && r.se < 1e-9,
              "a curve against itself: p %g", r.p);
        free(label);
        free(a);
        free(b);
    }
    const int one_class[3] = {1, 1, 1}, both[4] = {0, 1, 0, 1};
    const double score[4] = {0.1, 0.2, 0.3, 0.4}, hole[4] = {0.1, NAN, 0.3, 0.4};
    CHECK(isnan(stats_auc(one_class, score, 3)), "AUC of one class");
    CHECK_NEAR(stats_auc(both, score, 4), 0.75, 1e-15, "AUC by hand");
    CHECK(isnan(stats_auc(both, hole, 4)), "AUC of NaN");
    CHECK(stats_delong(&r, one_class, score, score, 3) == 0 && isnan(r.p), "one class: p %g", r.p);
}

static void check_proportions(void)
{
    const struct json *g = json_get(golden, "proportions"), *t = json_get(g, "intervals");
    for (int i = 0; i < t->count; i++) {
        int k = (int)number_at(t->item[i], 0), n = (int)number_at(t->item[i], 1);
        for (int l = 0; l < 2; l++) {
            double ci[2], level = l ? 0.9 : 0.95;
            stats_wilson(ci, k, n, level);
            for (int side = 0; side < 2; side++)
                CHECK_NEAR(ci[side], number_at(t->item[i], 2 + 4 * l + side), 1e-13, "Wilson %d of %d", k, n);
            stats_clopper_pearson(ci, k, n, level);
            for (int side = 0; side < 2; side++)
                CHECK_NEAR(ci[side], number_at(t->item[i], 4 + 4 * l + side), 1e-11,
                           "Clopper-Pearson %d of %d", k, n);
        }
    }
    t = json_get(g, "mcnemar");
    for (int i = 0; i < t->count; i++) {
        int b = (int)number_at(t->item[i], 0), c = (int)number_at(t->item[i], 1), n = b + c + 7,
            *x = calloc((size_t)n, sizeof *x), *y = calloc((size_t)n, sizeof *y);
        struct mcnemar r;
        for (int k = 0; k < n; k++) {
            x[k] = k < b || k == b + c;
            y[k] = (k >= b && k < b + c) || k == b + c;
        }
        CHECK(stats_mcnemar(&r, x, y, NULL, -1, n, NULL, 0) == 0 && r.b == b && r.c == c,
              "McNemar counts %d %d", r.b, r.c);
        CHECK_RELATIVE(r.p, number_at(t->item[i], 2), 1e-10, "McNemar %d %d", b, c);
        free(x);
        free(y);
    }
}

static void check_bootstrap(void)
{
    const struct json *g = json_get(golden, "bootstrap"), *want;
    int n, count;
    double *x = numbers(g, "x", &n), *resampled = numbers(g, "resampled", &count),
           *jackknife = malloc((size_t)n * sizeof *x), sum = 0;
    double percentile[2], bca[2], again[2][2];
    for (int i = 0; i < n; i++) sum += x[i];
    for (int i = 0; i < n; i++) jackknife[i] = (sum - x[i]) / (n - 1);
    stats_bootstrap_intervals(percentile, bca, sum / n, resampled, count, jackknife, n,
                              json_number(g, "level", 0));
    for (int side = 0; side < 2; side++) {
        want = json_get(g, "percentile");
        CHECK_NEAR(percentile[side], number_at(want, side), 1e-12, "percentile interval, side %d", side);
        want = json_get(g, "bca");
        CHECK_NEAR(bca[side], number_at(want, side), 1e-10, "BCa interval, side %d", side);
    }
    stats_bootstrap_mean(percentile, bca, x, n, 2000, 1, 0.95);
    stats_bootstrap_mean(again[0], again[1], x, n, 2000, 1, 0.95);
    CHECK(memcmp(percentile, again[0], sizeof percentile) == 0 && memcmp(bca, again[1], sizeof bca) == 0,
          "the same seed, the same interval");
    stats_bootstrap_mean(again[0], again[1], x, n, 2000, 2, 0.95);
    CHECK(memcmp(percentile, again[0], sizeof percentile) != 0, "another seed, another interval");
    const double same[STATS_LEAST_CASES] = {2, 2, 2, 2, 2, 2};
    stats_bootstrap_mean(percentile, bca, same, STATS_LEAST_CASES, 100, 1, 0.95);
    CHECK(percentile[0] == 2 && percentile[1] == 2 && bca[0] == 2 && bca[1] == 2, "equal values: %g to %g",
          bca[0], bca[1]);
    stats_bootstrap_mean(percentile, bca, same, STATS_LEAST_CASES - 1, 100, 1, 0.95);
    CHECK(isnan(percentile[0]) && isnan(bca[1]), "an interval of five values");
    free(x);
    free(resampled);
    free(jackknife);
}

/* 95 % intervals of the mean of 40 normal values hold the true mean in about 95 of 100 samples. */
static void check_coverage(void)
{
    enum { TRIALS = 1000, N = 40 };
    int inside[2] = {0, 0};
    for (int k = 0; k < TRIALS; k++) {
        struct rng rng = rng_stream(11, 0, (uint64_t)k, RNG_TEST);
        double x[N], ci[2][2];
        for (int i = 0; i < N; i++) x[i] = 5 + rng_normal(&rng);
        stats_bootstrap_mean(ci[0], ci[1], x, N, 1000, (uint64_t)k, 0.95);
        for (int m = 0; m < 2; m++) inside[m] += ci[m][0] <= 5 && ci[m][1] >= 5;
    }
    for (int m = 0; m < 2; m++)
        CHECK(inside[m] > 0.9 * TRIALS && inside[m] < 0.97 * TRIALS,
              "method %d holds the mean %d of %d times", m, inside[m], TRIALS);
}

static void check_calibration(void)
{
    const struct json *g = json_get(golden, "calibration"), *t = json_get(g, "chi2");
    struct hosmer_lemeshow r;
    for (int i = 0; i < t->count; i++) {
        double x = number_at(t->item[i], 0), df = number_at(t->item[i], 1);
        CHECK_RELATIVE(stats_chi2_upper(x, df), number_at(t->item[i], 2), 1e-12, "chi-squared of %g with %g",
                       x, df);
    }
    t = json_get(g, "hosmer_lemeshow");
    for (int i = 0; i < t->count; i++) {
        int n, *label = integers(t->item[i], "label"), groups = (int)json_integer(t->item[i], "groups", 0);
        double *p = numbers(t->item[i], "p", &n);
        CHECK(stats_hosmer_lemeshow(&r, label, p, n, groups) == 0 && r.groups == groups, "memory");
        CHECK_RELATIVE(r.statistic, json_number(t->item[i], "statistic", -1), 1e-10, "Hosmer-Lemeshow %d", i);
        CHECK_RELATIVE(r.p, json_number(t->item[i], "pvalue", -1), 1e-9, "p of Hosmer-Lemeshow %d", i);
        CHECK(stats_hosmer_lemeshow(&r, label, p, groups - 1, groups) == 0 && isnan(r.p), "too few cases");
        free(label);
        free(p);
    }
    enum { N = STATS_LEAST_FOR_POWER };
    int label[N];
    double right[N], wrong[N];
    for (int i = 0; i < N; i++) label[i] = i % 2, right[i] = label[i], wrong[i] = i % 4 == 1;
    CHECK(stats_hosmer_lemeshow(&r, label, right, N, 2) == 0 && r.statistic == 0 && r.p == 1,
          "certain and right");
    CHECK(stats_hosmer_lemeshow(&r, label, wrong, N, 4) == 0 && isinf(r.statistic) && r.p == STATS_P_FLOOR,
          "certain and wrong");
    CHECK(stats_hosmer_lemeshow(&r, label, right, N - 1, 2) == 0 && isnan(r.statistic) && isnan(r.p),
          "calibration of too few cases");
    /* Two probabilities of twenty cases each, 7 and 11 positive, in whatever order: two groups, as R's
     * hoslem.test makes them, (7 - 4)^2 / 3.2 + (11 - 12)^2 / 4.8, and p = exp(-half of it). */
    for (int order = 0; order < 2; order++) {
        int of[2 * N];
        double p[2 * N];
        for (int i = 0; i < 2 * N; i++) {
            const int positives = i < N ? 7 : 11, place = i % N;
            of[i] = order ? place >= N - positives : place < positives;
            p[i] = i < N ? 0.2 : 0.6;
        }
        CHECK(stats_hosmer_lemeshow(&r, of, p, 2 * N, 10) == 0 && r.groups == 2, "%d groups of two values",
              r.groups);
        CHECK_RELATIVE(r.statistic, 145.0 / 48, 1e-12, "ties in order %d", order);
        CHECK_RELATIVE(r.p, 0.2208179513087787, 1e-9, "p of ties in order %d", order);
        for (int i = 0; i < 2 * N; i++) of[i] = order ? i % 2 : i < N, p[i] = 0.5;
        CHECK(stats_hosmer_lemeshow(&r, of, p, 2 * N, 10) == 0 && r.groups == 1 && r.p == 1,
              "one probability that is right, in order %d: p %g", order, r.p);
    }
    CHECK(stats_chi2_upper(0, 3) == 1 && stats_chi2_upper(INFINITY, 3) == 0 && isnan(stats_chi2_upper(1, 0)),
          "ends of chi-squared");
}

static void check_holm(void)
{
    const double p[6] = {0.01, 0.04, NAN, 0.03, 0.005, 0.6}, want[6] = {0.04, 0.09, NAN, 0.09, 0.025, 0.6};
    double adjusted[6];
    stats_holm(adjusted, p, 6);
    for (int i = 0; i < 6; i++) CHECK_NEAR(adjusted[i], want[i], 1e-15, "Holm %d", i);
    const double equal[3] = {0.5, 0.5, 0.5};
    stats_holm(adjusted, equal, 3);
    CHECK(adjusted[0] == 1 && adjusted[2] == 1, "Holm ends at 1");
}

static void check_paired(void)
{
    const struct json *g = json_get(golden, "paired"), *want = json_get(g, "tost");
    int n;
    double *a = numbers(g, "a", &n), *b = numbers(g, "b", NULL);
    struct tost t;
    struct bland_altman r;
    CHECK(stats_tost_paired(&t, a, b, n, json_number(g, "margin", 0)) == 0, "memory");
    CHECK_RELATIVE(t.p, number_at(want, 0), 1e-10, "TOST");
    for (int side = 0; side < 2; side++)
        CHECK_NEAR(t.ci[side], number_at(want, 1 + side), 1e-12, "TOST interval");
    CHECK(t.equivalent == (number_at(want, 0) < 0.05), "equivalent %d", t.equivalent);
    CHECK(stats_tost_paired(&t, a, b, n, 1) == 0 && t.equivalent && t.p < 1e-10, "wide margin");
    CHECK(stats_tost_paired(&t, a, a, n, 0.1) == 0 && t.equivalent && t.p == STATS_P_FLOOR,
          "identical pairs");
    CHECK(stats_tost_paired(&t, a, b, 1, 0.1) == 0 && isnan(t.p) && !t.equivalent, "one pair");
    want = json_get(g, "agreement");
    CHECK(stats_bland_altman(&r, a, b, n) == 0, "memory");
    CHECK_NEAR(r.bias, number_at(want, 0), 1e-14, "bias");
    CHECK_NEAR(r.sd, number_at(want, 1), 1e-14, "deviation of the differences");
    CHECK_NEAR(r.icc, number_at(want, 2), 1e-12, "ICC");
    free(a);
    free(b);
    /* Bland & Altman 1986, Lancet: two peak flow meters; mean difference -2.1 l/min, standard deviation
     * 38.8. */
    const double wright[17] = {494, 395, 516, 434, 476, 557, 413, 442, 650,
                               433, 417, 656, 267, 478, 178, 423, 427};
    const double mini[17] = {512, 430, 520, 428, 500, 600, 364, 380, 658,
                             445, 432, 626, 260, 477, 259, 350, 451};
    CHECK(stats_bland_altman(&r, wright, mini, 17) == 0, "memory");
    CHECK_NEAR(r.bias, -2.1, 0.05, "Bland & Altman's bias");
    CHECK_NEAR(r.sd, 38.8, 0.05, "Bland & Altman's deviation");
    CHECK_NEAR(r.limits[1] - r.limits[0], 2 * 1.96 * r.sd, 1e-12, "limits of agreement");
}

static void check_mcnemar_patients(void)
{
    const int label[8] = {1, 1, 1, 1, 0, 0, 0, 0}, a[8] = {1, 1, 1, 0, 1, 0, 0, 0},
              b[8] = {0, 0, 1, 1, 0, 0, 1, 1};
    struct mcnemar m;
    CHECK(stats_mcnemar(&m, a, b, label, 1, 8, NULL, 0) == 0 && m.b == 2 && m.c == 1 && m.p == 1,
          "sensitivity: %d and %d", m.b, m.c);
    CHECK(stats_mcnemar(&m, a, b, label, 0, 8, NULL, 0) == 0 && m.b == 1 && m.c == 2,
          "specificity: %d and %d", m.b, m.c);
    /* Patients of one case: McNemar's own p; of b - c of 3, 1, 1 and -1: sums of random signs reach 4 or -4,
     * or beyond, in 2 * (1 + 3) of 16 ways. */
    const int own[8] = {0, 1, 2, 3, 4, 5, 6, 7}, of_four[8] = {0, 0, 0, 1, 2, 3, 3, 3},
              right[8] = {1, 1, 1, 1, 1, 0, 1, 0}, wrong[8] = {0, 0, 0, 0, 0, 1, 1, 0};
    struct mcnemar plain;
    CHECK(stats_mcnemar(&plain, right, wrong, NULL, -1, 8, NULL, 0) == 0 &&
              stats_mcnemar(&m, right, wrong, NULL, -1, 8, own, 8) == 0 && fabs(m.p - plain.p) < 1e-14 &&
              m.b == 5 && m.c == 1 && m.squares == 6,
          "patients of one case: %g and %g", m.p, plain.p);
    CHECK(stats_mcnemar(&m, right, wrong, NULL, -1, 8, of_four, 4) == 0 && m.b == 5 && m.c == 1 &&
              m.squares == 12 && fabs(m.p - 8 / 16.0) < 1e-14,
          "b - c of 3, 1, 1 and -1: p %g", m.p);
    CHECK(stats_mcnemar(&m, right, right, NULL, -1, 8, of_four, 4) == 0 && m.p == 1 && m.squares == 0,
          "no difference: p %g", m.p);
}

/* ---- many, and certain ------------------------------------------------------------------------------- */

static int compare_averages(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The shift of some 100 differences with ties, zeros and infinite ones, from a table of all averages. */
static void check_selected_averages(void)
{
    enum { N = 101, ALL = N * (N + 1) / 2 };
    static double a[N], b[N], average[ALL];
    struct hodges_lehmann r;
    int k = 0;
    for (int i = 0; i < N; i++) a[i] = i % 25 == 7 ? INFINITY : i % 25 == 8 ? -INFINITY : i * 37 % 23 - 9.3;
    for (int i = 0; i < N; i++) b[i] = i % 5 ? 0.1 * (i % 3) : isinf(a[i]) ? 0 : a[i];
    for (int i = 0; i < N; i++)
        for (int j = i; j < N; j++) {
            const double x = a[i] - b[i], y = a[j] - b[j];
            average[k++] = isinf(x) && isinf(y) && x != y ? 0 : isinf(x) ? x : isinf(y) ? y : (x + y) / 2;
        }
    qsort(average, ALL, sizeof *average, compare_averages);
    const double sd = sqrt(N * (N + 1.0) * (2 * N + 1) / 24);
    const int bound = (int)floor(N * (N + 1) / 4.0 - 1.959963984540054 * sd + 0.5);
    CHECK(stats_hodges_lehmann(&r, a, b, N, 0.95) == 0 && r.shift == average[ALL / 2] &&
              r.ci[0] == average[bound - 1] && r.ci[1] == average[ALL - bound],
          "shift %g (%g to %g), of the table %g (%g to %g)", r.shift, r.ci[0], r.ci[1], average[ALL / 2],
          average[bound - 1], average[ALL - bound]);
}

/* So many pairs that their averages, and the sums of their ranks, are more than 2^31. */
static void check_many(void)
{
    enum { N = 50000, FEW = 60 };
    double *a = malloc(N * sizeof *a), *b = malloc(N * sizeof *b);
    int *cluster = malloc(N * sizeof *cluster), used;
    struct hodges_lehmann shift;
    struct mann_whitney rank_sum;
    struct wilcoxon w;
    for (int i = 0; i < N; i++) a[i] = i + 1, b[i] = 0;
    CHECK(stats_hodges_lehmann(&shift, a, b, N, 0.95) == 0 && shift.shift == (N + 1) / 2.0 &&
              shift.ci[0] > 24000 && shift.ci[0] < shift.shift && shift.ci[0] + shift.ci[1] == N + 1,
          "shift of %d pairs: %g (%g to %g)", N, shift.shift, shift.ci[0], shift.ci[1]);
    for (int few = 0; few < 2; few++) { /* one patient has nearly all, others one each */
        const int clusters = few ? 3 : FEW;
        for (int i = 0; i < N; i++) cluster[i] = i < clusters - 1 ? i + 1 : 0;
        double t = 0, variance = 0, sum = 0;
        for (int i = 0; i < N; i++) {
            t += 2.0 * (i + 1);
            if (cluster[i]) variance += 4.0 * (i + 1) * (i + 1);
            else sum += 2.0 * (i + 1);
        }
        const double want = 2 * stats_normal_cdf(-t / sqrt(variance + sum * sum));
        CHECK(stats_wilcoxon_clustered(&w, &used, a, b, cluster, N, clusters, WILCOXON_ZEROS_PRATT) == 0 &&
                  used == clusters && !w.exact && fabs(w.p - want) < 1e-9,
              "%d clusters of %d pairs: p %g, not %g", clusters, N, w.p, want);
    }
    for (int i = 0; i < N; i++) a[i] = 2 * i, b[i] = 2 * i + 1;
    CHECK(stats_mann_whitney(&rank_sum, a, N, b, N) == 0 && rank_sum.u == N * (N - 1.0) / 2 &&
              rank_sum.p > 0.9,
          "%d and %d values: u %g, p %g", N, N, rank_sum.u, rank_sum.p);
    for (int i = 0; i < N; i++) a[i] = 2 * N + i;
    CHECK(stats_mann_whitney(&rank_sum, a, N, b, N) == 0 && rank_sum.u == (double)N * N &&
              rank_sum.p == STATS_P_FLOOR,
          "all larger: u %g, p %g", rank_sum.u, rank_sum.p);
    struct mcnemar m;
    for (int i = 0; i < N; i++) cluster[i] = 1;
    int *wrong = calloc(N, sizeof *wrong), *one = calloc(N, sizeof *one);
    CHECK(stats_mcnemar(&m, cluster, wrong, NULL, -1, N, one, 1) == 0 && m.squares == (double)N * N,
          "%d cases of one patient: squares %g", N, m.squares);
    free(a), free(b), free(cluster), free(wrong), free(one);
}

/* Areas that no case scatters: no interval of a point, and no p of an error that rounding left. */
static void check_certain(void)
{
    enum { SEEDS = 3, N = 30, CLASSES = 3 };
    double right[N * CLASSES], even[N * CLASSES], a[SEEDS * N], b[SEEDS * N];
    int label[N], two[N];
    struct delong d;
    for (int i = 0; i < N; i++) {
        label[i] = i % CLASSES;
        two[i] = i % 2;
        for (int k = 0; k < CLASSES; k++) {
            right[i * CLASSES + k] = k == label[i];
            even[i * CLASSES + k] = 1.0 / CLASSES;
        }
    }
    CHECK(stats_auc_macro_difference(&d, label, right, even, N, CLASSES, NULL, 0) == 0 &&
              fabs(d.difference - 0.5) < 1e-12 && d.ci[0] < 0.45 && d.ci[1] > 0.5 && d.p > 1e-12 &&
              d.p < 0.01,
          "macro areas 1 and 0.5: %g to %g, p %g", d.ci[0], d.ci[1], d.p);
    for (int other = 0; other < 2; other++) {
        struct seeds_test t;
        struct seeds_bootstrap s;
        for (int i = 0; i < SEEDS * N; i++) {
            a[i] = 0.5 * two[i % N] + 0.01 * (i % 7);
            b[i] = other ? 0.5 : 0.6 * two[i % N] + 0.01 * (i % 5);
        }
        const double difference = other ? 0.5 : 0;
        CHECK(stats_seeds_auc(&t, two, a, b, SEEDS, N, NULL, 0) == 0 && t.difference == difference &&
                  t.ci[0] < difference - 0.05 && t.ci[1] > difference && isfinite(t.t) &&
                  (other ? t.p > 1e-12 && t.p < 0.01 : t.p == 1),
              "areas 1 and %g of all seeds: %g to %g, t %g, p %g", 1 - difference, t.ci[0], t.ci[1], t.t,
              t.p);
        CHECK(stats_seeds_bootstrap_auc(&s, two, a, b, SEEDS, N, NULL, 0, 100, 1, 0.8) == 0 &&
                  s.ci95[0] < s.ci90[0] && s.ci90[0] < s.ci[0] && s.ci[0] < difference &&
                  s.ci[1] < s.ci90[1] && s.ci90[1] < s.ci95[1] && s.ci[1] > difference,
              "the same, crossed bootstrap: %g to %g", s.ci[0], s.ci[1]);
        for (int side = 0; side < 2; side++)
            CHECK_NEAR(s.ci95[side], t.ci[side], 1e-12, "end %d of both intervals", side);
        CHECK(stats_seeds_auc(&t, two, a, a, SEEDS, N, NULL, 0) == 0 && t.ci[0] == 0 && t.ci[1] == 0 &&
                  t.p == 1,
              "the same numbers");
    }
}

/* What all cases say alike has no error, and so no power. */
static void check_no_error(void)
{
    CHECK(isnan(stats_power_areas(0, 40).se) && isnan(stats_power_wilcoxon(1e-17, 40).se) &&
              isnan(stats_power_mcnemar(0, 40, 40).se) && stats_power_areas(0.01, 40).se == 0.01,
          "an error of nothing");
}

int main(void)
{
    if (!read_golden("tests/data/golden/stats.json")) return 1;
    check_special();
    check_descriptive();
    check_wilcoxon();
    check_delong();
    check_proportions();
    check_mcnemar_patients();
    check_bootstrap();
    check_coverage();
    check_calibration();
    check_holm();
    check_paired();
    check_selected_averages();
    check_many();
    check_certain();
    check_no_error();
    json_free(golden);
    return check_done("check_tests");
}
