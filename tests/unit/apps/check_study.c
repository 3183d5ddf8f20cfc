/* check_study.c - the parts of the study that can be known by hand: split, distance of sites, ROC points, equivalence, net benefit, base64. */
#include "apps/study/report_plot.h"
#include "apps/study/study_results.h"
#include "tests/unit/expect.h"

static void check_split(void)
{
    enum { N = 987 };
    int strata[N], role[N], again[N], count[4] = {0};
    for (int i = 0; i < N; i++) strata[i] = i % 7 == 0 ? -1 : i % 6; /* 141 unused */
    study_split(role, strata, N, 1);
    study_split(again, strata, N, 1);
    CHECK(memcmp(role, again, sizeof role) == 0, "the same seed gives another split");
    study_split(again, strata, N, 2);
    CHECK(memcmp(role, again, sizeof role) != 0, "another seed gives the same split");
    for (int i = 0; i < N; i++) {
        count[role[i]]++;
        CHECK((role[i] == STUDY_UNUSED) == (strata[i] < 0), "case %d: role %d, stratum %d", i, role[i], strata[i]);
    }
    CHECK(count[STUDY_TEST] == 85 && count[STUDY_VALIDATION] == 89, "846 cases: %d test, %d validation; 846 * 99 / 988 = 84.8, 846 * 104 / 988 = 89.05",
          count[STUDY_TEST], count[STUDY_VALIDATION]);
    for (int k = 0; k < 6; k++) {
        int all = 0, test = 0, validation = 0;
        for (int i = 0; i < N; i++) {
            if (strata[i] != k) continue;
            all++;
            test += role[i] == STUDY_TEST;
            validation += role[i] == STUDY_VALIDATION;
        }
        CHECK(fabs(test - all * 85 / 846.0) < 1 && fabs(validation - all * 89 / 846.0) < 1.5, "stratum %d of %d: %d test, %d validation", k, all, test, validation);
    }
    for (int i = 0; i < N; i++) strata[i] = 0;
    study_split(role, strata, N, 1);
    memset(count, 0, sizeof count);
    for (int i = 0; i < N; i++) count[role[i]]++;
    CHECK(count[STUDY_TRAIN] == 784 && count[STUDY_VALIDATION] == 104 && count[STUDY_TEST] == 99, "987 cases: %d, %d, %d", count[1], count[2], count[3]);
}

/* Ninety cases of thirty patients at two sites: no patient is in two parts. */
static void check_patients(void)
{
    enum { CASES = 90, PATIENTS = 30 };
    struct data_case cases[CASES];
    struct study_case items[CASES];
    struct study s = {.data = "x", .seed = 3, .sites = 2, .item = items, .dataset = {.cases = CASES, .item = cases, .classes = 2}};
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
    for (int i = PATIENTS; i < CASES; i++) CHECK(items[i].role == items[i - PATIENTS].role, "patient of case %d: roles %d and %d", i, items[i].role, items[i - PATIENTS].role);
    CHECK(study_count(&s, -1, STUDY_TEST, -1) == 9, "%d test cases of three patients", study_count(&s, -1, STUDY_TEST, -1));
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

/* Order by probability: 1 0 1 1 0 0. Points (fpr, tpr): (0, 1/3) (1/3, 1/3) (1/3, 2/3) (1/3, 1) (2/3, 1) (1, 1). */
static void check_roc(void)
{
    const int label[6] = {1, 0, 1, 1, 0, 0};
    const double p[6] = {0.9, 0.8, 0.7, 0.6, 0.3, 0.1}, tied[6] = {0.5, 0.5, 0.5, 0.5, 0.5, 0.5};
    struct roc r;
    results_roc(&r, label, p, 6, 200, 1);
    CHECK_NEAR(r.sensitivity[0], 1 / 3.0, 1e-12, "at false positive rate 0");
    CHECK_NEAR(r.sensitivity[16], 1 / 3.0, 1e-12, "at 0.32, below a third");
    CHECK_NEAR(r.sensitivity[17], 1, 1e-12, "at 0.34, above a third");
    CHECK_NEAR(r.sensitivity[50], 1, 1e-12, "at 1");
    for (int i = 0; i < ROC_POINTS; i++)
        CHECK(r.low[i] <= r.sensitivity[i] && r.sensitivity[i] <= r.high[i], "point %d: band %g to %g, curve %g", i, r.low[i], r.high[i], r.sensitivity[i]);
    results_roc(&r, label, tied, 6, 10, 1);
    CHECK(r.sensitivity[49] == 0 && r.sensitivity[50] == 1, "equal probabilities: %g, %g", r.sensitivity[49], r.sensitivity[50]);
    const int one_class[2] = {1, 1};
    results_roc(&r, one_class, p, 2, 10, 1);
    CHECK(isnan(r.sensitivity[0]), "a curve of one class");
}

static void check_equivalence(void)
{
    struct delong d = {.difference = 0.01, .se = 0.02};
    struct equivalence q = results_equivalence(&d, 0.05);
    CHECK_NEAR(q.p, 0.022750131948179, 1e-12, "p is that of z = -2"); /* (0.01 - 0.05) / 0.02 */
    CHECK_NEAR(q.ci[1], 0.01 + 1.6448536269514722 * 0.02, 1e-12, "upper end");
    CHECK(q.equivalent, "equivalent");
    d.difference = -0.03;
    q = results_equivalence(&d, 0.05);
    CHECK_NEAR(q.p, 0.158655253931457, 1e-12, "p is that of z = -1");
    CHECK(!q.equivalent, "not equivalent");
    d.se = NAN;
    q = results_equivalence(&d, 0.05);
    CHECK(isnan(q.p) && !q.equivalent, "an unknown error is no evidence: p %g", q.p);
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

int main(void)
{
    check_split();
    check_patients();
    check_emd();
    check_roc();
    check_equivalence();
    check_net_benefit();
    check_text();
    return check_done("check_study");
}
