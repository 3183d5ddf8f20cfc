/* check_baselines.c - logistic regression and boosted trees against scikit-learn
 * (tests/golden/make_baselines.py), missing values, one class. */
#include "io/base/json.h"
#include "nn/baseline/boosting.h"
#include "nn/baseline/logistic.h"
#include "tests/unit/expect.h"

enum { CASES = 80, FEATURES = 4 };
static double x[CASES * FEATURES];
static int label[CASES];

static double number(const struct json *list, int i)
{
    const struct json *v = json_at(list, i);
    return v ? v->number : NAN;
}

static void check_logistic(const struct json *golden)
{
    for (int g = 0; g < 3; g++) {
        const struct json *want = json_at(json_get(golden, "logistic"), g);
        struct logistic m;
        const double c = json_number(want, "c", NAN);
        CHECK(logistic_fit(&m, x, label, CASES, FEATURES, c) == 0 && m.steps < 20, "C %g: %d steps", c,
              m.steps);
        CHECK_NEAR(m.intercept, json_number(want, "intercept", NAN), 1e-6, "intercept, C %g", c);
        for (int k = 0; k < FEATURES; k++)
            CHECK_NEAR(m.coefficient[k], number(json_get(want, "coefficient"), k), 1e-6,
                       "coefficient %d, C %g", k, c);
        for (int i = 0; i < CASES; i++)
            CHECK_NEAR(logistic_probability(&m, x + i * FEATURES), number(json_get(want, "probability"), i),
                       1e-7, "case %d, C %g", i, c);
    }
}

/* A rare class, one case of it far from all others: whole steps of Newton's method go back and forth. */
static void check_outlier(const struct json *golden)
{
    enum { MANY = 150 };
    double far[MANY];
    int is[MANY];
    struct logistic m;
    for (int i = 0; i < MANY; i++) far[i] = i < MANY - 1 ? (i * 37 % MANY) / (double)MANY : 60;
    for (int i = 0; i < MANY; i++) is[i] = i == 3 || i == MANY - 1;
    CHECK(logistic_fit(&m, far, is, MANY, 1, 1) == 0, "an outlying case of a rare class");
    CHECK_NEAR(m.intercept, json_number(golden, "intercept", NAN), 1e-6, "intercept, an outlying case");
    CHECK_NEAR(m.coefficient[0], json_number(golden, "coefficient", NAN), 1e-6,
               "coefficient, an outlying case");
}

static void check_boosting(const struct json *golden)
{
    static struct boosting m;
    for (int g = 0; g < 3; g++) {
        const struct json *want = json_at(json_get(golden, "boosting"), g);
        const int trees = (int)json_integer(want, "trees", 0);
        CHECK(boosting_fit(&m, x, label, CASES, FEATURES, trees, json_number(want, "rate", NAN)) == 0 &&
                  m.trees == trees,
              "%d trees", m.trees);
        for (int i = 0; i < CASES; i++)
            CHECK_NEAR(boosting_probability(&m, x + i * FEATURES), number(json_get(want, "probability"), i),
                       1e-7, "case %d of %d trees", i, trees);
    }
}

static void check_odd(void)
{
    static struct boosting b;
    struct logistic m;
    int one[CASES] = {0};
    double missing[CASES * FEATURES], alike[CASES];
    CHECK(logistic_fit(&m, x, one, CASES, FEATURES, 1) &&
              boosting_fit(&b, x, one, CASES, FEATURES, 10, 0.1) == 1,
          "one class");
    CHECK(logistic_fit(&m, x, label, CASES, LOGISTIC_FEATURES + 1, 1), "too many features");
    memcpy(missing, x, sizeof missing);
    for (int i = 0; i < CASES; i += 3) missing[i * FEATURES + 1] = NAN;
    CHECK(logistic_fit(&m, missing, label, CASES, FEATURES, 1) == 0 &&
              isfinite(logistic_probability(&m, missing)),
          "missing values");
    CHECK(boosting_fit(&b, missing, label, CASES, FEATURES, 50, 0.1) == 0 &&
              isfinite(boosting_probability(&b, missing)),
          "missing values");
    for (int i = 0; i < CASES; i++) alike[i] = 7;
    CHECK(logistic_fit(&m, alike, label, CASES, 1, 1) == 0 &&
              boosting_fit(&b, alike, label, CASES, 1, 10, 0.1) == 0,
          "a constant feature");
    CHECK_NEAR(logistic_probability(&m, alike), boosting_probability(&b, alike), 1e-9,
               "of a constant both know the share of the class");
}

int main(void)
{
    struct error e;
    struct json *golden = json_read("tests/data/golden/baselines.json", &e);
    CHECK(golden != NULL, "%s", e.text);
    for (int i = 0; i < CASES * FEATURES; i++) x[i] = number(json_get(golden, "x"), i);
    for (int i = 0; i < CASES; i++) label[i] = (int)number(json_get(golden, "label"), i);
    check_logistic(golden);
    check_outlier(json_get(golden, "outlier"));
    check_boosting(golden);
    check_odd();
    json_free(golden);
    return check_done("check_baselines");
}
