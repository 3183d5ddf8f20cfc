/* check_study.c - the parts of the study that can be known by hand: split, distance of sites, arms, what
 * comparisons may say, ROC, net benefit, base64. */
#include "apps/report/report_plot.h"
#include "apps/study/study_region.h"
#include "apps/study/study_results.h"
#include "tensor/base/rng.h"
#include "tests/unit/expect.h"

static void check_split(void)
{
    enum { N = 987 };
    int strata[N], role[N], again[N], count[4] = {0};
    for (int i = 0; i < N; i++) strata[i] = i % 7 == 0 ? -1 : i % 6; /* 141 unused */
    CHECK(study_split(role, strata, N, 1) == 0, "no memory");
    CHECK(study_split(again, strata, N, 1) == 0, "no memory");
    CHECK(memcmp(role, again, sizeof role) == 0, "the same seed gives another split");
    CHECK(study_split(again, strata, N, 2) == 0, "no memory");
    CHECK(memcmp(role, again, sizeof role) != 0, "another seed gives the same split");
    for (int i = 0; i < N; i++) {
        count[role[i]]++;
        CHECK((role[i] == STUDY_UNUSED) == (strata[i] < 0), "case %d: role %d, stratum %d", i, role[i],
              strata[i]);
    }
    CHECK(count[STUDY_TEST] == 85 && count[STUDY_VALIDATION] == 89,
          "846 cases: %d test, %d validation; 846 * 99 / 988 = 84.8, 846 * 104 / 988 = 89.05",
          count[STUDY_TEST], count[STUDY_VALIDATION]);
    for (int k = 0; k < 6; k++) {
        int all = 0, test = 0, validation = 0;
        for (int i = 0; i < N; i++) {
            if (strata[i] != k) continue;
            all++;
            test += role[i] == STUDY_TEST;
            validation += role[i] == STUDY_VALIDATION;
        }
        CHECK(fabs(test - all * 85 / 846.0) < 1 && fabs(validation - all * 89 / 846.0) < 1.5,
              "stratum %d of %d: %d test, %d validation", k, all, test, validation);
    }
    for (int i = 0; i < N; i++) strata[i] = 0;
    CHECK(study_split(role, strata, N, 1) == 0, "no memory");
    memset(count, 0, sizeof count);
    for (int i = 0; i < N; i++) count[role[i]]++;
    CHECK(count[STUDY_TRAIN] == 784 && count[STUDY_VALIDATION] == 104 && count[STUDY_TEST] == 99,
          "987 cases: %d, %d, %d", count[1], count[2], count[3]);
}

/* Ninety cases of thirty patients at two sites: no patient is in two parts. */
static void check_patients(void)
{
    enum { CASES = 90, PATIENTS = 30 };
    struct data_case cases[CASES];
    struct study_case items[CASES];
    struct study s = {.data = "x",
                      .seed = 3,
                      .sites = 2,
                      .item = items,
                      .dataset = {.cases = CASES, .item = cases, .classes = 2}};
    struct error e = {""};
    memset(cases, 0, sizeof cases);
    memset(items, 0, sizeof items);
    for (int i = 0; i < CASES; i++) {
        snprintf(cases[i].id, sizeof cases[i].id, "case_%02d", i);
        snprintf(cases[i].patient, sizeof cases[i].patient, "p%d", i * 7 % PATIENTS);
        cases[i].target = i * 7 % PATIENTS % 2;
        items[i].site = i * 7 % PATIENTS % 2;
    }
    CHECK(study_roles(&s, &e) == 0, "%s", e.text);
    for (int i = PATIENTS; i < CASES; i++)
        CHECK(items[i].role == items[i - PATIENTS].role, "patient of case %d: roles %d and %d", i,
              items[i].role, items[i - PATIENTS].role);
    CHECK(study_count(&s, -1, STUDY_TEST, -1) == 9, "%d test cases of three patients",
          study_count(&s, -1, STUDY_TEST, -1));
}

static void check_emd(void)
{
    float a[400], b[800];
    for (int i = 0; i < 400; i++) a[i] = (float)((i * 37) % 400);
    for (int i = 0; i < 800; i++) b[i] = (float)((i * 37) % 800) / 2;
    CHECK(study_emd(a, 400, b, 800) < 0.51, "the same distribution: %g", study_emd(a, 400, b, 800));
    for (int i = 0; i < 800; i++) b[i] += 25;
    CHECK_NEAR(study_emd(a, 400, b, 800), 25, 0.51, "moved by 25");
    float low[2] = {0, 0}, split[2] = {-1, 3};
    CHECK_NEAR(study_emd(low, 2, split, 2), 2, 1e-12, "half goes 1 down, half 3 up");
    CHECK(isnan(study_emd(low, 0, split, 2)), "a site without voxels has a distance");
}

/* Three sites of one case, its intensities around 0, 1 and 101: the distances of all pairs have one unit, and
 * as scaled images the sites do not differ. A test case changes nothing. */
static void check_shift(void)
{
    enum { SITES = 3, CASES = 4 };
    static const float middle[CASES] = {0, 1, 101, 5000};
    struct study_case item[CASES];
    struct study s = {.sites = SITES, .item = item, .dataset = {.cases = CASES, .channels = 1}};
    float v[CASES][INTENSITIES];
    double mean = 0, square = 0;
    memset(item, 0, sizeof item);
    for (int i = 0; i < CASES; i++) {
        item[i].site = i % SITES;
        item[i].role = i < SITES ? STUDY_TRAIN : STUDY_TEST;
        item[i].intensity = v[i];
        for (int k = 0; k < INTENSITIES; k++) v[i][k] = middle[i] + (float)(k % 2) - 0.5f;
    }
    for (int i = 0; i < SITES; i++) mean += middle[i] / SITES;
    for (int i = 0; i < SITES; i++) square += ((middle[i] - mean) * (middle[i] - mean) + 0.25) / SITES;
    for (int a = 0; a < SITES; a++)
        for (int b = 0; b < SITES; b++) {
            double raw = NAN, scaled = NAN;
            CHECK(study_shift(&raw, &s, a, b, 0, 0) == 0 && study_shift(&scaled, &s, a, b, 0, 1) == 0,
                  "no memory");
            CHECK_NEAR(raw, fabs(middle[a] - middle[b]) / sqrt(square), 1e-9, "sites %d and %d", a, b);
            CHECK_NEAR(scaled, 0, 1e-6, "scaled, sites %d and %d", a, b);
        }
}

/* Order by probability: 1 0 1 1 0 0. Points (fpr, tpr): (0, 1/3) (1/3, 1/3) (1/3, 2/3) (1/3, 1) (2/3, 1) (1,
 * 1). */
static void check_roc(void)
{
    const int label[6] = {1, 0, 1, 1, 0, 0};
    const double p[6] = {0.9, 0.8, 0.7, 0.6, 0.3, 0.1}, tied[6] = {0.5, 0.5, 0.5, 0.5, 0.5, 0.5};
    struct roc r;
    CHECK(results_roc(&r, label, p, 6, 200, 1) == 0, "memory");
    const double fpr[7] = {0, 0, 1 / 3.0, 1 / 3.0, 1 / 3.0, 2 / 3.0, 1},
                 tpr[7] = {0, 1 / 3.0, 1 / 3.0, 2 / 3.0, 1, 1, 1};
    CHECK(r.points == 7, "%d corners", r.points);
    for (int i = 0; i < 7 && i < r.points; i++) {
        CHECK_NEAR(r.fpr[i], fpr[i], 1e-12, "false positive rate of corner %d", i);
        CHECK_NEAR(r.tpr[i], tpr[i], 1e-12, "true positive rate of corner %d", i);
    }
    CHECK_NEAR(r.sensitivity[0], 1 / 3.0, 1e-12, "at false positive rate 0");
    CHECK_NEAR(r.sensitivity[16], 1 / 3.0, 1e-12, "at 0.32, below a third");
    CHECK_NEAR(r.sensitivity[17], 1, 1e-12, "at 0.34, above a third");
    CHECK_NEAR(r.sensitivity[50], 1, 1e-12, "at 1");
    for (int i = 0; i < ROC_POINTS; i++)
        CHECK(r.low[i] <= r.sensitivity[i] && r.sensitivity[i] <= r.high[i],
              "point %d: band %g to %g, curve %g", i, r.low[i], r.high[i], r.sensitivity[i]);
    roc_free(&r);
    CHECK(results_roc(&r, label, tied, 6, 10, 1) == 0 && r.points == 2, "%d corners of a constant", r.points);
    CHECK(r.sensitivity[49] == 0 && r.sensitivity[50] == 1, "equal probabilities: %g, %g", r.sensitivity[49],
          r.sensitivity[50]);
    roc_free(&r);
    const int one_class[2] = {1, 1};
    CHECK(results_roc(&r, one_class, p, 2, 10, 1) == 0 && r.points == 0, "corners of one class");
    CHECK(isnan(r.sensitivity[0]), "a curve of one class");
    roc_free(&r);
}

/* Whether the sentences of a comparison hold a text, and do not hold another one. */
static void check_words(const struct comparison *c, const char *there, const char *not_there,
                        const char *what)
{
    struct text t = {0};
    comparison_say(&t, c, "Mean Dice", "federated", "centralised");
    char *s = text_take(&t);
    CHECK(s && strstr(s, there) && !strstr(s, not_there), "%s: '%s' without '%s' in: %s", what, there,
          not_there, s ? s : "");
    free(s);
}

/* Differences of known mean and spread: what is claimed, and what is not. */
static void check_comparison(void)
{
    enum { N = 60, SEEDS = 3 };
    static double a[SEEDS * N], b[SEEDS * N], few[SEEDS * N], none[SEEDS * N];
    int patient[N], pairs[N];
    struct comparison c = {0};
    for (int i = 0; i < N; i++) patient[i] = i, pairs[i] = i / 2;
    for (int k = 0; k < SEEDS; k++)
        for (int i = 0; i < N; i++) {
            b[k * N + i] = 0.5 + 0.3 * ((i * 7 % N) / (double)N);
            a[k * N + i] = b[k * N + i] + 0.01 * ((i * 11 % 13) - 6.0) / 6 + 0.001 * (k - 1);
        }
    CHECK(comparison_means(&c, a, b, SEEDS, N, patient, N, 0.05, 1) == 0 && c.n == N && c.left_out == 0,
          "%d patients", c.n);
    CHECK(c.equivalent && c.worse_shown && c.power_equal > 0.99, "small differences: p %g, power %g",
          c.equal.p, c.power_equal);
    check_words(&c, "patients and seeds as random", "not shown (one-sided", "small differences");
    /* Four cases whose differences are hundredths: the two one-sided tests may pass, equality is not claimed
     * of so few. */
    double few_a[4] = {0.061, 0.059, 0.073, 0.047}, few_b[4] = {0.06, 0.06, 0.06, 0.06};
    CHECK(comparison_means(&c, few_a, few_b, 1, 4, patient, 4, 0.012, 1) == 0, "memory");
    CHECK(!c.equivalent && isnan(c.power_equal) && isnan(c.power_margin) && isnan(c.power_worse) &&
              isnan(c.detectable) && isnan(c.equal.p) && isnan(c.worse.p),
          "four cases: power %g, detectable %g", c.power_equal, c.detectable);
    check_words(&c, "interval not estimable", "would have been found", "four cases");
    check_words(&c, "4 test cases, 1 seed", "Within the margin the two", "four cases");
    CHECK(isnan(c.ci[0]) && isnan(c.ci[1]) && isnan(c.shift.ci[0]) && isnan(c.shift.ci[1]),
          "an interval of four cases: %g to %g", c.ci[0], c.ci[1]);
    check_words(&c, "with one seed there is one model of each", "seeds as random", "one seed");
    /* One seed, many patients, a clear difference: said of the two models, and nothing of the trainings. */
    for (int i = 0; i < N; i++) a[i] += 0.04;
    CHECK(comparison_means(&c, a, b, 1, N, patient, N, 0.05, 1) == 0 && c.main_p < 0.001 && c.worse.shown &&
              !c.noninferior && !c.equivalent && c.no_claim,
          "one seed: p %g", c.main_p);
    check_words(&c, "Of these two trained models the federated one is better", "was shown", "one seed");
    check_words(&c, "was not tested", "power", "one seed");
    check_words(&c, "neither non-inferiority within the margin of 0.050 nor equivalence is claimed",
                "was shown", "one seed");
    for (int i = 0; i < N; i++) a[i] -= 0.04;
    /* Small differences of most up, large ones of a few down: by ranks better, by the mean worse. */
    for (int i = 0; i < N; i++) few[i] = b[i] + (i % 11 ? 0.01 : -0.4) + 0.0001 * (i % 7);
    CHECK(comparison_means(&c, few, b, 1, N, patient, N, 0.05, 1) == 0 && c.p < 0.001 && c.difference < 0 &&
              c.shift.shift > 0,
          "ranks against the mean: p %g, difference %g, shift %g", c.p, c.difference, c.shift.shift);
    check_words(&c, "none is called better: Wilcoxon's test", "one is worse", "ranks against the mean");
    CHECK(comparison_means(&c, a, b, SEEDS, N, pairs, N / 2, 0.05, 1) == 0, "memory");
    check_words(&c, "60 test cases of 30 patients, 3 seeds", "these two", "patients with two cases");
    for (int i = 0; i < SEEDS * N; i++) few[i] = 0.06 + 0.0001 * (i % 5), none[i] = 0.06;
    CHECK(comparison_means(&c, few, none, SEEDS, N, patient, N, 0.05, 1) == 0 && c.equal.equivalent &&
              !c.equivalent && !c.noninferior,
          "Dice of 0.06");
    check_words(&c, "is not claimed", "Within the margin the two", "Dice of 0.06");
    CHECK(comparison_means(&c, few, none, 1, N, patient, N, 0.05, 1) == 0, "memory");
    check_words(&c, "equivalence is claimed; and the arms do so badly", "worse by less than it",
                "Dice of 0.06, one seed");
    /* A case that one seed has no Dice of leaves; cases of a patient are one. */
    a[N + 5] = NAN;
    CHECK(comparison_means(&c, a, b, SEEDS, N, patient, N, 0.05, 1) == 0 && c.n == N - 1 && c.left_out == 1,
          "%d patients, %d left out", c.n, c.left_out);
    a[N + 5] = 0.5;
    CHECK(comparison_means(&c, a, b, SEEDS, N, pairs, N / 2, 0.05, 1) == 0 && c.n == N / 2 && c.cases == N,
          "%d patients of %d cases", c.n, c.cases);
    CHECK(c.random.cases == N / 2 && c.wilcoxon.n <= N / 2, "%d patients in the mixed model", c.random.cases);
    /* Seeds that differ more than patients do: the models differ, the ways of training do not. */
    for (int k = 0; k < SEEDS; k++)
        for (int i = 0; i < N; i++) a[k * N + i] = b[k * N + i] + (k == 0 ? 0.16 : -0.03) + 0.005 * (i % 3);
    CHECK(comparison_means(&c, a, b, SEEDS, N, patient, N, 0.05, 1) == 0 && c.p < 0.001 && c.random.p > 0.2,
          "conditional p %g, p of the ways %g", c.p, c.random.p);
    CHECK(c.main_p == fmax(c.random.p, c.bootstrap.p), "main p %g", c.main_p);
    check_words(&c, "A difference was not shown", "was shown.", "seeds that differ");
}

/* Values that scatter freely over patients and seeds: the mixed model is sure, the crossed bootstrap, whose
 * variance is too large there, is not. The words claim what both say. */
static void check_both(void)
{
    enum { N = 40, SEEDS = 3 };
    static double a[SEEDS * N], b[SEEDS * N];
    int patient[N];
    struct comparison c = {0};
    struct rng rng = rng_stream(1, 2, 3, RNG_TEST);
    for (int i = 0; i < N; i++) patient[i] = i;
    for (int i = 0; i < SEEDS * N; i++) {
        b[i] = 0.5;
        a[i] = 0.5 + (double)rng_normal(&rng);
    }
    double mean = 0;
    for (int i = 0; i < SEEDS * N; i++) mean += (a[i] - b[i]) / (SEEDS * N);
    for (int i = 0; i < SEEDS * N; i++) a[i] = b[i] + 0.05 * (a[i] - b[i] - mean) + 0.0125;
    CHECK(comparison_means(&c, a, b, SEEDS, N, patient, N, 0.02, 1) == 0, "memory");
    CHECK(c.random.p < 0.05 && c.bootstrap.p > 0.05, "mixed model %g, bootstrap %g", c.random.p,
          c.bootstrap.p);
    CHECK(c.main_p == c.bootstrap.p && c.main_ci[0] <= 0 && c.main_ci[1] >= c.random.ci[1],
          "p %g, interval %g to %g", c.main_p, c.main_ci[0], c.main_ci[1]);
    check_words(&c, "The two do not agree, so that a difference is not claimed", "better was shown",
                "one of two");
    check_words(&c, "by the crossed bootstrap", "A difference was not shown", "one of two");
    /* Shifted down: worse by less than 0.02 by the mixed model alone. */
    for (int i = 0; i < SEEDS * N; i++) a[i] -= 0.0195;
    CHECK(comparison_means(&c, a, b, SEEDS, N, patient, N, 0.02, 1) == 0 && c.worse.shown && !c.worse_shown &&
              !c.noninferior && !c.no_claim,
          "non-inferiority by the mixed model p %g, the bootstrap's bound %g", c.worse.p,
          c.bootstrap.ci95[0]);
    check_words(&c, "was not shown (one-sided", "was shown (one-sided", "non-inferiority of one of two");
    /* Far apart: both. */
    for (int i = 0; i < SEEDS * N; i++) a[i] += 0.08;
    CHECK(comparison_means(&c, a, b, SEEDS, N, patient, N, 0.02, 1) == 0 && c.main_p < 0.01 && c.noninferior,
          "p %g", c.main_p);
    check_words(&c, "That federated training is better was shown, by both.", "do not agree", "both");
}

/* Patients whose cases stand four times say as much as once, and no more; one seed is Obuchowski's test of
 * clusters, with patients of both classes too. */
static void check_seeds_of_patients(void)
{
    enum { N = 40, COPIES = 4, SEEDS = 3, ALL = N * COPIES };
    int label[N], all_label[ALL], patient[ALL];
    static double a[SEEDS * N], b[SEEDS * N], all_a[SEEDS * ALL], all_b[SEEDS * ALL];
    struct rng rng = rng_stream(5, 0, 0, RNG_TEST);
    struct seeds_test one, all, wrong;
    struct seeds_bootstrap once, again;
    for (int i = 0; i < N; i++) label[i] = i % 3 == 0;
    for (int i = 0; i < N; i++) {
        const double of_a = 0.8 * label[i] + rng_normal(&rng), of_b = 0.4 * label[i] + rng_normal(&rng);
        for (int k = 0; k < SEEDS; k++) {
            a[k * N + i] = of_a + 0.2 * rng_normal(&rng);
            b[k * N + i] = of_b + 0.2 * rng_normal(&rng);
        }
    }
    for (int i = 0; i < ALL; i++) {
        patient[i] = i % N;
        all_label[i] = label[i % N];
        for (int k = 0; k < SEEDS; k++) {
            all_a[k * ALL + i] = a[k * N + i % N];
            all_b[k * ALL + i] = b[k * N + i % N];
        }
    }
    CHECK(!stats_seeds_auc(&one, label, a, b, SEEDS, N, NULL, 0) &&
              !stats_seeds_auc(&all, all_label, all_a, all_b, SEEDS, ALL, patient, N) &&
              !stats_seeds_auc(&wrong, all_label, all_a, all_b, SEEDS, ALL, NULL, 0),
          "memory");
    CHECK_NEAR(all.difference, one.difference, 1e-12, "difference of patients' areas");
    CHECK_NEAR(all.se, one.se, 1e-12, "its standard error");
    CHECK_NEAR(all.p, one.p, 1e-12, "its p");
    CHECK(wrong.se < 0.8 * one.se, "cases counted alone: se %g, %g of patients", wrong.se, one.se);
    CHECK(!stats_seeds_bootstrap_auc(&once, label, a, b, SEEDS, N, NULL, 0, 500, 1, 0.95) &&
              !stats_seeds_bootstrap_auc(&again, all_label, all_a, all_b, SEEDS, ALL, patient, N, 500, 1,
                                         0.95),
          "memory");
    CHECK_NEAR(again.ci95[0], once.ci95[0], 1e-12, "bootstrap of patients");
    CHECK_NEAR(again.ci95[1], once.ci95[1], 1e-12, "bootstrap of patients");
    CHECK_NEAR(again.p, once.p, 1e-12, "bootstrap of patients");
    /* Two cases a patient, of both classes in some, and each patient with a case of class 1. */
    struct delong d;
    for (int i = 0; i < N; i++) patient[i] = i / 2;
    CHECK(!stats_seeds_auc(&one, label, a, b, 1, N, patient, N / 2) &&
              !stats_delong_clustered(&d, label, a, b, patient, N, N / 2),
          "memory");
    CHECK_NEAR(one.se, d.se, 1e-12, "one seed: Obuchowski's se");
    CHECK_NEAR(one.p, d.p, 1e-12, "one seed: Obuchowski's p");
    for (int i = 0; i < N; i++) label[i] = i % 2;
    CHECK(!stats_seeds_bootstrap_auc(&once, label, a, b, SEEDS, N, patient, N / 2, 500, 1, 0.95) &&
              isfinite(once.p) && once.ci95[0] < once.ci95[1],
          "every patient has both classes: p %g", once.p);
}

static void check_areas(void)
{
    enum { N = 40 };
    int label[N], patient[N];
    double a[2 * N], b[2 * N];
    struct comparison c = {0};
    for (int i = 0; i < N; i++) {
        label[i] = i % 2;
        patient[i] = i;
        for (int k = 0; k < 2; k++) {
            a[k * N + i] = label[i] ? 0.6 + 0.01 * (i % 7) : 0.4 - 0.01 * (i % 5);
            b[k * N + i] = 0.5;
        }
    }
    CHECK(comparison_areas(&c, label, a, b, 2, N, patient, N, 0.05, 1) == 0, "memory");
    CHECK_NEAR(c.difference, 0.5, 1e-12, "a perfect and a constant score");
    CHECK(c.p > 0 && c.ci[0] < c.ci[1], "no p of 0, no interval of one point: %g, %g to %g", c.p, c.ci[0],
          c.ci[1]);
    /* Two cases a patient: patients are counted. */
    for (int i = 0; i < N; i++) patient[i] = i / 2;
    CHECK(comparison_areas(&c, label, a, b, 2, N, patient, N / 2, 0.05, 1) == 0 && c.n == N / 2 &&
              c.cases == N,
          "%d patients, %d cases", c.n, c.cases);
    for (int i = 0; i < N; i++) patient[i] = i;
    /* Two seeds that say opposite things: what could have been found is more than an area can differ by. */
    for (int i = 0; i < N; i++) {
        b[N + i] = a[i] + 0.001 * (i % 3);
        a[N + i] = 0.5 + 0.001 * (i % 11);
    }
    CHECK(comparison_areas(&c, label, a, b, 2, N, patient, N, 0.05, 1) == 0 && c.detectable > 1,
          "detectable %g", c.detectable);
    check_words(&c, ": none up to 1 would have been found in 80 of 100 such studies", ": one of",
                "two seeds");
}

/* The difference of macro areas is DeLong's for two classes; of three it has a sign, and is 0 to itself. */
static void check_macro(void)
{
    enum { N = 36 };
    int label[N], three[N];
    double a[2 * N], b[2 * N], one[2][N], p[3 * N], q[3 * N];
    struct delong d, want;
    struct rng rng = rng_stream(9, 0, 0, RNG_TEST);
    for (int i = 0; i < N; i++) {
        label[i] = i % 2;
        three[i] = i % 3;
        one[0][i] = a[2 * i + 1] = 0.4 * label[i] + 0.5 * rng_float(&rng);
        one[1][i] = b[2 * i + 1] = 0.2 * label[i] + 0.7 * rng_float(&rng);
        a[2 * i] = 1 - a[2 * i + 1];
        b[2 * i] = 1 - b[2 * i + 1];
        for (int k = 0; k < 3; k++) {
            q[3 * i + k] = rng_float(&rng);
            p[3 * i + k] = q[3 * i + k] + (k == three[i]);
        }
    }
    CHECK(stats_delong(&want, label, one[0], one[1], N) == 0 &&
              stats_auc_macro_difference(&d, label, a, b, N, 2, NULL, 0) == 0,
          "memory");
    CHECK_NEAR(d.difference, want.difference, 1e-12, "difference of two classes");
    CHECK_NEAR(d.se, want.se, 1e-12, "standard error of two classes");
    CHECK_NEAR(d.p, want.p, 1e-9, "p of two classes");
    for (int k = 0; k < 2; k++)
        CHECK_NEAR(d.ci[k], d.difference + (k ? 1 : -1) * 1.959963984540054 * d.se, 1e-12, "end %d", k);
    CHECK(stats_auc_macro_difference(&d, three, p, q, N, 3, NULL, 0) == 0 && d.auc_a == 1 &&
              d.difference > 0 && d.p < 0.001 && d.ci[0] < d.difference && d.difference < d.ci[1],
          "three classes: %g, difference %g, p %g", d.auc_a, d.difference, d.p);
    CHECK(stats_auc_macro_difference(&d, three, q, q, N, 3, NULL, 0) == 0 && d.difference == 0 && d.p == 1,
          "a model and itself: %g, p %g", d.difference, d.p);
    /* Perfect against equal scores: the standard error is 0, and neither is p nor has the interval no width.
     */
    for (int i = 0; i < N; i++)
        for (int k = 0; k < 3; k++) p[3 * i + k] = k == three[i], q[3 * i + k] = 1 / 3.0;
    CHECK(stats_auc_macro_difference(&d, three, p, q, N, 3, NULL, 0) == 0 && d.difference == 0.5 && d.p > 0 &&
              d.p < 0.05 && d.ci[0] < 0.5 && d.ci[1] > 0.5,
          "perfect against equal scores: p %g, %g to %g", d.p, d.ci[0], d.ci[1]);
}

/* Which client has a site's cases, and how much is computed. */
static void check_arms(void)
{
    struct study s = {.sites = 3, .site_name = {"a", "b", "c"}};
    struct study_task t = {.options = {.epochs = 13, .iterations = 100}};
    struct error e = {""};
    char name[80];
    int rounds, iterations;
    CHECK(arms_choose(&s, "leave_one_out,alone,federated_equal_images,centralised_long", &e) == 0 &&
              s.arms == 10,
          "%d arms: %s", s.arms, e.text);
    for (int a = 0; a < s.arms; a++) {
        const struct arm_design *d = s.arm[a].design;
        for (int k = 0; k < arm_clients(&s, a); k++)
            if (d->federated) CHECK(arm_client(&s, a, arm_site(&s, a, k)) == k, "%s: client %d", d->name, k);
        arm_effort(&rounds, &iterations, &s, &t, a);
        const double steps = (double)rounds * iterations * arm_clients(&s, a) / 1300;
        const double want = strcmp(d->name, "federated_equal_images") == 0 ? 1
                            : d->effort == EFFORT_SITES                    ? 3
                                                                           : arm_clients(&s, a);
        CHECK_NEAR(steps, want, 0.03, "steps of %s in units of the centralised model's", d->name);
    }
    study_arm_name(name, &s, s.arms - 1);
    CHECK(strcmp(name, "without: c") == 0 && arm_client(&s, s.arms - 1, 2) < 0 &&
              arm_client(&s, s.arms - 1, 1) == 1,
          "%s", name);
    study_arm_name(name, &s, 2);
    CHECK(strcmp(name, "local: a") == 0 && arm_client(&s, 2, 0) == 0 && arm_client(&s, 2, 1) < 0, "%s", name);
    CHECK(arms_choose(&s, "alone,nothing", &e) && strstr(e.text, "'nothing'"), "%s", e.text);
    s.sites = 2;
    CHECK(arms_choose(&s, "leave_one_out", &e), "a federation of one site");
    CHECK(arms_choose(&s, "", &e) == 0 && s.arms == 2, "%d arms", s.arms);
}

static void check_net_benefit(void)
{
    const int label[4] = {1, 1, 0, 0};
    const double p[4] = {0.9, 0.4, 0.6, 0.1};
    CHECK_NEAR(results_net_benefit(label, p, 4, 0.5), 0, 1e-12, "one true, one false positive at even odds");
    CHECK_NEAR(results_net_benefit(label, p, 4, 0.2), (2 - 0.25) / 4, 1e-12, "odds of a quarter");
}

static void check_text(void)
{
    struct text t = {0};
    html_base64(&t, (const unsigned char *)"foobar", 6);
    html_base64(&t, (const unsigned char *)"foob", 4);
    html_base64(&t, (const unsigned char *)"fooba", 5);
    html_escaped(&t, "<a&\"b\">");
    html_number(&t, -0.001, 2);
    html_number(&t, -1.25, 2);
    html_number(&t, NAN, 2);
    char *s = text_take(&t);
    CHECK(strcmp(s, "Zm9vYmFyZm9vYg==Zm9vYmE=&lt;a&amp;&quot;b&quot;&gt;0.00−1.25–") == 0, "%s", s);
    free(s);
}

/* Two channels of 8 x 8 x 8 mm; the mask is an L of `edge` voxels a side in one slice. */
static struct sample region_case(int edge)
{
    enum { N = 8 };
    struct sample v = {.size = {N, N, N}, .channels = 2, .spacing = {1, 1, 1}};
    struct rng rng = rng_stream(3, 0, 0, RNG_TEST);
    v.image = malloc(N * N * N * 2 * sizeof *v.image);
    v.label = calloc(N * N * N, 1);
    for (int i = 0; i < N * N * N * 2; i++) v.image[i] = 100 + 20 * rng_normal(&rng);
    for (int k = 1; k <= edge; k++) v.label[3 * N * N + 1 * N + k] = v.label[3 * N * N + k * N + 1] = 1;
    return v;
}

static double mean_of(const struct prepared *v, int channel)
{
    const int n = v->size[0] * v->size[1] * v->size[2];
    double sum = 0;
    for (int i = 0; i < n; i++) sum += v->image[i * v->channels + channel] / n;
    return sum;
}

/* The window shows how large a mask is, and the magnified inside what is in it and nothing else. */
static void check_region(void)
{
    const int crop[3] = {8, 8, 8};
    const double window[3] = {8, 8, 8};
    double feature[REGION_FEATURES];
    struct error e = {""};
    for (int edge = 3; edge <= 5; edge += 2) {
        struct sample v = region_case(edge), other = region_case(edge);
        region_features(feature, &v);
        for (int i = 0; i < 8 * 8 * 8; i++) /* outside of the mask something else, of the same mean and
                                               deviation */
            if (!other.label[i]) other.image[2 * i] = 200 - other.image[2 * i];
        struct prepared w, another;
        CHECK(region_prepare(&w, &v, crop, window, &e) == 0 && w.channels == region_channels(2) && !w.label,
              "%s", e.text);
        CHECK_NEAR(mean_of(&w, 2), (2 * edge - 1) / 512.0, 1e-6, "the mask's share of the window");
        CHECK_NEAR(mean_of(&w, 0), 0, 0.15, "a channel in the window, scaled over the image");
        double least = INFINITY, most = -INFINITY, corner = w.image[(8 * 8 * 8 - 1) * 5 + 3];
        for (int i = 0; i < 8 * 8 * 8; i++) {
            least = fmin(least, w.image[i * 5 + 3]);
            most = fmax(most, w.image[i * 5 + 3]);
        }
        CHECK_NEAR(corner, feature[3], 1e-5, "what the L leaves of its box is the mean inside");
        CHECK(least < feature[3] - 0.1 && most > feature[3] + 0.1, "texture inside: %g to %g of %g", least,
              most, feature[3]);
        region_features(feature, &other);
        CHECK(region_prepare(&another, &other, crop, window, &e) == 0, "%s", e.text);
        CHECK_NEAR(another.image[(8 * 8 * 8 - 1) * 5 + 3], feature[3], 1e-5, "another image around it");
        prepared_free(&w);
        prepared_free(&another);
        sample_free(&v);
        sample_free(&other);
    }
    struct sample none = region_case(0);
    struct prepared w;
    CHECK(region_prepare(&w, &none, crop, window, &e) == 0 && mean_of(&w, 2) == 0 && mean_of(&w, 3) == 0,
          "without a voxel of the mask there is no inside");
    prepared_free(&w);
    sample_free(&none);
}

/* Names of sites below a chart: those that have room stand whole, of others beginning and end, so that
 * they do not run into each other. */
static void check_ticks(void)
{
    static const char *const name[] = {"Bonn", "University Hospital of Málaga, Department A",
                                       "University Hospital of Málaga, Department B"};
    struct plot p = {.x0 = -0.5, .x1 = 2.5, .y0 = 0, .y1 = 1, .x_tick = name, .x_ticks = 3};
    struct text t = {0};
    plot_begin(&p, &t, "Dice by institution", "institution", "Dice");
    plot_end(&p, "");
    char *s = text_take(&t);
    CHECK(s && strstr(s, ">Bonn</text>") && strstr(s, "</title>Universit…rtment A</text>") &&
              strstr(s, "<title>University Hospital of Málaga, Department B</title>Universit…rtment B<"),
          "names below a chart: %s", s ? s : "");
    free(s);
    double v = 0.0497;
    html_p(&t, v);
    s = text_take(&t);
    CHECK(s && strcmp(s, "p = 0.0497") == 0, "%g is written %s", v, s ? s : "");
    free(s);
}

/* A curve of one round is a point, and so is a value between two that are not there: a path of one point
 * draws nothing. */
static void check_lone_points(void)
{
    static const double x[] = {1, 2, 3, 4, 5, 6}, y[] = {0.5, NAN, 0.4, 0.3, NAN, 0.2};
    static const struct {
        int n;
        const char *path;
        int circles;
    } want[] = {{1, " d=\"M", 1}, {2, " d=\"M", 1}, {4, "M", 1}, {6, "M", 2}, {0, " d=\"\"", 0}};
    for (size_t k = 0; k < sizeof want / sizeof *want; k++) {
        struct plot p = {.x0 = 0, .x1 = 7, .y0 = 0, .y1 = 1};
        struct text t = {0};
        int circles = 0;
        p.t = &t;
        plot_line(&p, 0, x, y, want[k].n);
        char *s = text_take(&t);
        for (const char *at = s; at && (at = strstr(at, "<circle")); at++) circles++;
        CHECK(s && strstr(s, want[k].path) && circles == want[k].circles, "%d values: %s", want[k].n,
              s ? s : "");
        free(s);
    }
}

int main(void)
{
    check_split();
    check_patients();
    check_emd();
    check_shift();
    check_roc();
    check_comparison();
    check_both();
    check_seeds_of_patients();
    check_areas();
    check_macro();
    check_arms();
    check_net_benefit();
    check_lone_points();
    check_text();
    check_ticks();
    check_region();
    return check_done("check_study");
}
