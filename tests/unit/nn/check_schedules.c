/* check_schedules.c - learning-rate schedules beside their formulas: every member of the table has a line
 * here, and a member without one is a failure.
 */
#include <math.h>
#include <string.h>

#include "nn/optimize/schedule.h"
#include "tests/unit/expect.h"

static const double pi = 3.14159265358979323846;

/* torch.optim.lr_scheduler.PolynomialLR as nnU-Net steps it: once an epoch, power 0.9. */
static double poly(double lr, int step, int epochs, int iterations)
{
    return lr * pow(1 - (double)(step / iterations) / epochs, 0.9);
}

/* 5 % of warmup in a line, then half a cosine; the rate of a step is that of its middle. */
static double cosine(double lr, int step, int epochs, int iterations)
{
    double at = (step + 0.5) / (epochs * iterations);
    return at < 0.05 ? lr * at / 0.05 : lr * (1 + cos(pi * (at - 0.05) / 0.95)) / 2;
}

static const struct {
    const char *name;
    double (*formula)(double lr, int step, int epochs, int iterations);
} cases[] = {{"poly", poly}, {"cosine", cosine}};

/* Every step of trainings of these lengths: the formula, above 0 to the end, and 0 or nearly after it. */
static void test_course(const struct schedule_method *m, double (*formula)(double, int, int, int))
{
    static const int epochs[] = {1, 2, 7, 50}, iterations[] = {1, 3, 20};
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 3; k++) {
            int steps = epochs[i] * iterations[k];
            double worst = 0, smallest = 1;
            for (int s = 0; s < steps; s++) {
                double rate = m->rate(0.01, (uint64_t)s, epochs[i], iterations[k]);
                worst = fmax(worst, fabs(rate - formula(0.01, s, epochs[i], iterations[k])));
                smallest = fmin(smallest, rate);
            }
            CHECK(worst < 1e-9, "%s over %d epochs of %d: %g from the formula", m->name, epochs[i],
                  iterations[k], worst);
            CHECK(smallest > 0, "%s over %d epochs of %d has a step of length %g", m->name, epochs[i],
                  iterations[k], smallest);
            CHECK(m->rate(0.01, (uint64_t)steps, epochs[i], iterations[k]) == 0, "%s after the end", m->name);
        }
    CHECK(m->rate(2, 3, 10, 4) == 2 * m->rate(1, 3, 10, 4), "%s is not linear in the rate", m->name);
}

static void test_table(void)
{
    char names[SCHEDULE_NAMES];
    struct error e = {0};
    schedule_names(names);
    for (int i = 0; schedules[i]; i++) {
        const struct schedule_method *m = schedules[i];
        size_t k = 0;
        while (k < sizeof cases / sizeof *cases && strcmp(cases[k].name, m->name) != 0) k++;
        CHECK(k < sizeof cases / sizeof *cases, "schedule %s has no case", m->name);
        if (k < sizeof cases / sizeof *cases) test_course(m, cases[k].formula);
        CHECK(schedule_find(m->name) == m && schedule_named(m->name, "f", "x", &e) == m, "%s", m->name);
        CHECK(strstr(names, m->name) != NULL, "'%s' lacks %s", names, m->name);
    }
    CHECK(schedule_find("linear") == NULL, "a schedule that there is not");
    CHECK(!schedule_named("linear", "manifest.json", "schedule", &e) &&
              strstr(e.text, "manifest.json: schedule") && strstr(e.text, "'linear'") &&
              strstr(e.text, names),
          "an unknown name gives '%s'", e.text);
    CHECK(!schedule_named(NULL, "manifest.json", "schedule", &e) && strstr(e.text, "no text"),
          "a field that is no text gives '%s'", e.text);
}

static void test_formulas(void)
{
    CHECK(schedule_poly(0.01, 0, 0.9) == 0.01, "poly starts at lr");
    CHECK(schedule_poly(0.01, 1, 0.9) == 0, "poly ends at 0");
    CHECK_NEAR(schedule_poly(0.01, 0.5, 0.9), 0.01 * pow(0.5, 0.9), 1e-9, "poly half way");
    CHECK_NEAR(schedule_poly(0.01, 0.999, 0.9), 0.01 * pow(0.001, 0.9), 1e-9, "poly near the end");
    CHECK_NEAR(schedule_cosine(1, 0.05, 0.1), 0.5, 1e-9, "warmup half way");
    CHECK_NEAR(schedule_cosine(1, 0.1, 0.1), 1, 1e-6, "warmup done");
    CHECK_NEAR(schedule_cosine(1, 0.55, 0.1), 0.5, 1e-6, "cosine half way");
    CHECK(schedule_cosine(1, 1, 0.1) == 0, "cosine ends at 0");
}

int main(void)
{
    test_formulas();
    test_table();
    return check_done("check_schedules");
}
