/* check_study_results.c - from values per case to intervals and tests: what counts patients. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/report/report.h"
#include "apps/study/study_results.h"
#include "apps/study/study_tables.h"
#include "io/base/json.h"
#include "nn/train/train_options.h"
#include "tensor/base/rng.h"
#include "tests/unit/expect.h"

/* A study of both tasks whose every test case stands `times` times, of one seed and one site. */
static void fill_study(struct study *s, struct data_case *item, int times)
{
    enum { PATIENTS = 40, VALIDATIONS = 12 };
    const int tests = PATIENTS * times, cases = tests + VALIDATIONS;
    struct rng rng = rng_stream(3, 0, 0, RNG_TEST);
    *s = (struct study){.seed = 1,
                        .sites = 1,
                        .arms = ARMS_MAIN,
                        .patients = PATIENTS + VALIDATIONS,
                        .dice_margin = 0.05,
                        .auc_margin = 0.05,
                        .site_name = {"a"}};
    s->dataset = (struct dataset){.cases = cases, .item = item, .classes = 2, .labels = 2};
    s->item = calloc((size_t)cases, sizeof *s->item);
    s->patient = malloc((size_t)cases * sizeof *s->patient);
    struct study_task *task[] = {&s->segment, &s->classify};
    static const struct arm_design design = {.name = "arm", .text = ""};
    for (int a = 0; a < ARMS_MAIN; a++) s->arm[a] = (struct study_arm){&design, -1};
    double value[PATIENTS][ARMS_MAIN][2];
    for (int i = 0; i < PATIENTS; i++)
        for (int a = 0; a < ARMS_MAIN; a++)
            value[i][a][0] = 0.3 + 0.6 * rng_float(&rng),
            value[i][a][1] = 0.25 * (i % 2) + 0.75 * rng_float(&rng);
    for (int i = 0; i < cases; i++) {
        s->patient[i] = i < tests ? i / times : PATIENTS + i - tests;
        s->item[i] = (struct study_case){
            .role = i < tests ? STUDY_TEST : STUDY_VALIDATION, .hospital = -1, .volume_ml = 10 + i / times};
        item[i].target = s->patient[i] % 2;
    }
    for (int k = 0; k < 2; k++) {
        struct study_task *t = task[k];
        t->present = 1;
        t->seeds = 1;
        t->arms = ARMS_MAIN;
        t->tests = tests;
        t->validated = VALIDATIONS;
        t->options.classifier.classes = 2;
        t->test = malloc((size_t)tests * sizeof *t->test);
        t->run = calloc(ARMS_MAIN, sizeof *t->run);
        for (int i = 0; i < tests; i++) t->test[i] = i;
        for (int a = 0; a < ARMS_MAIN; a++) {
            struct study_run *r = &t->run[a][0];
            r->value = malloc((size_t)tests * sizeof *r->value);
            for (int i = 0; i < tests; i++) r->value[i] = value[i / times][a][k];
            r->validation = malloc(VALIDATIONS * sizeof *r->validation);
            for (int i = 0; i < VALIDATIONS; i++) r->validation[i] = 0.3 * (i % 2) + 0.05 * i;
            double **more[] = {&r->volume, &r->hd95, &r->penalised, &r->found};
            for (int m = 0; !k && m < 4; m++) {
                *more[m] = malloc((size_t)tests * sizeof **more[m]);
                memcpy(*more[m], r->value, (size_t)tests * sizeof **more[m]);
            }
        }
    }
}

static void empty_study(struct study *s)
{
    struct study_task *task[] = {&s->segment, &s->classify};
    for (int k = 0; k < 2; k++) {
        for (int a = 0; a < ARMS_MAIN; a++) {
            struct study_run *r = &task[k]->run[a][0];
            double *all[] = {r->value, r->validation, r->volume, r->hd95, r->penalised, r->found};
            for (int m = 0; m < 6; m++) free(all[m]);
        }
        free(task[k]->run);
        free(task[k]->test);
    }
    free(s->item);
    free(s->patient);
}

/* Whatever the report says of how sure something is: cases that stand three times under their patient add
 * nothing to it. */
static void check_results_of_patients(void)
{
    enum { CASES = 200 };
    static struct data_case item[2][CASES];
    struct study s[2];
    struct results r[2];
    struct error e = {""};
    for (int k = 0; k < 2; k++) {
        fill_study(&s[k], item[k], k ? 3 : 1);
        CHECK(results_make(&r[k], &s[k], &e) == 0, "%s", e.text);
    }
    const struct class_results *one = &r[0].classify, *three = &r[1].classify;
    const struct segment_results *once = &r[0].segment, *thrice = &r[1].segment;
    for (int a = 0; a < ARMS_MAIN; a++) {
        CHECK_NEAR(three->arm[a].c.auc, one->arm[a].c.auc, 1e-12, "area of arm %d", a);
        CHECK(fabs(three->arm[a].c.auc_se - one->arm[a].c.auc_se) < 0.02 * one->arm[a].c.auc_se &&
                  isnan(three->arm[a].auc_bca[0]) && isfinite(one->arm[a].auc_bca[0]),
              "error of the area of arm %d: %g of patients, %g once", a, three->arm[a].c.auc_se,
              one->arm[a].c.auc_se);
        for (int side = 0; side < 2; side++) {
            CHECK_NEAR(thrice->arm[a].ci[side], once->arm[a].ci[side], 1e-9, "interval of Dice, arm %d", a);
            CHECK_NEAR(thrice->arm[a].by.site[0].ci[side], once->arm[a].by.site[0].ci[side], 1e-9,
                       "Dice of a site, arm %d", a);
            CHECK_NEAR(three->arm[a].by.site[0].ci[side], three->arm[a].c.auc_ci[side], 1e-12,
                       "area of the only site, arm %d", a);
        }
    }
    for (int k = 0; k < SHARES; k++)
        CHECK(three->mcnemar[k].b == 3 * one->mcnemar[k].b &&
                  fabs(three->mcnemar[k].p - one->mcnemar[k].p) < 1e-12,
              "McNemar %d: p %g of patients, %g once", k, three->mcnemar[k].p, one->mcnemar[k].p);
    for (int k = 0; k < 2; k++) {
        results_free(&r[k]);
        empty_study(&s[k]);
    }
}

/* Validation cases of one class bear neither a recalibration nor a threshold: what these would give is
 * undefined, and not 0, and charts are not called recalibrated. */
static void check_validation_of_one_class(void)
{
    enum { CASES = 200 };
    static struct data_case item[CASES];
    struct study s;
    struct results r;
    struct error e = {""};
    fill_study(&s, item, 1);
    s.classify.options = train_options_default(&task_classify);
    for (int i = 0; i < s.dataset.cases; i++)
        if (s.item[i].role == STUDY_VALIDATION) item[i].target = 1;
    CHECK(results_make(&r, &s, &e) == 0, "%s", e.text);
    for (int a = 0; a < ARMS_MAIN; a++) {
        const struct arm_classes *arm = &r.classify.arm[a];
        CHECK(!arm->recalibration.usable && isnan(arm->c_calibrated.brier) && isnan(arm->c_calibrated.ece) &&
                  isnan(arm->hosmer_calibrated.p) && isfinite(arm->c.brier) &&
                  arm->calibrated[0] == arm->probability[0],
              "arm %d: Brier score recalibrated %g", a, arm->c_calibrated.brier);
        CHECK(isfinite(arm->point[0].c.sensitivity), "arm %d: at 0.5", a);
        for (int k = 1; k < POINTS; k++)
            CHECK(isnan(arm->point[k].threshold) && isnan(arm->point[k].c.sensitivity) &&
                      isnan(arm->point[k].c.specificity) && isnan(arm->point[k].c.ppv),
                  "arm %d, point %d: sensitivity %g", a, k, arm->point[k].c.sensitivity);
    }
    struct text t = {0};
    CHECK(report_classify(&t, &s, &r, &e) == 0, "%s", e.text);
    char *text = text_take(&t);
    CHECK(text && !strstr(text, "fter recalibration on the validation cases") &&
              strstr(text, "Probabilities as trained, since the validation cases allow no recalibration") &&
              strstr(text, "by probabilities as trained") && !strstr(text, ">nan"),
          "captions of charts that nothing recalibrated");
    free(text);
    results_free(&r);
    empty_study(&s);
}

/* Whether a section of the report holds a text, and does not hold another one. */
static void check_said(int (*section)(struct text *, const struct study *, const struct results *,
                                      struct error *),
                       const struct study *s, const struct results *r, const char *there, const char *absent)
{
    struct text t = {0};
    struct error e = {""};
    CHECK(section(&t, s, r, &e) == 0, "%s", e.text);
    char *text = text_take(&t);
    CHECK(text && strstr(text, there) && !strstr(text, absent), "not '%s', or '%s'", there, absent);
    free(text);
}

/* The flow tells patients where these have several cases, and a task that has not all cases; the classifier,
 * of which segmentation's seeds its windows come. */
static void check_who_is_counted(void)
{
    enum { CASES = 200 };
    static struct data_case item[CASES];
    struct study s;
    struct results r;
    struct error e = {""};
    fill_study(&s, item, 1);
    s.classify.options = train_options_default(&task_classify);
    s.window_mm[0] = 1;
    CHECK(results_make(&r, &s, &e) == 0, "%s", e.text);
    for (int i = 0; i < s.dataset.cases; i++) item[i].has_label_map = 1;
    check_said(report_flow, &s, &r, "<br>40 cases<br>", "patient");
    check_said(report_flow, &s, &r, "Test, untouched", "those of these cases");
    item[0].has_label_map = 0;
    s.segment.tests--;
    check_said(report_flow, &s, &r,
               "<p>Segmentation has those of these cases that have a label map: 0 for training, 12 for "
               "validation, 39 for the test.", "Classification has");
    check_said(report_flow, &s, &r, "<p>1 case with a class has no label map", "cases with a class");
    s.segment.tests++;
    r.classify.arm[0].piped = 1;
    check_said(report_classify, &s, &r, "segmentation of the same seed found", "of its one seed");
    s.classify.seeds = 2;
    check_said(report_classify, &s, &r, "segmentation of its one seed found", "of the same seed");
    s.classify.seeds = 1;
    char cyst[] = "cyst";
    for (int i = 0; i < 52; i++) s.item[i].age = 50, s.item[i].kind = cyst;
    check_said(report_sites, &s, &r, "<th>cyst<td>52", "not known");
    check_said(report_sites, &s, &r, "<td>50.0<td>", "(of ");
    for (int i = 0; i < 3; i++) s.item[i].age = NAN, s.item[i].kind = NULL;
    check_said(report_sites, &s, &r, "<th>cyst<td>49\n<tr><th>not known<td>3<", "cyst<td>52");
    check_said(report_sites, &s, &r, "<td>50.0 (of 49)<td>", "<td>50.0<td>");
    for (int i = 0; i < 52; i++) s.item[i].kind = NULL;
    results_free(&r);
    empty_study(&s);
    fill_study(&s, item, 3);
    check_said(report_flow, &s, &r, "<br>120 cases of 40 patients<br>", "<br>120 cases<br>");
    empty_study(&s);
}

/* report.json names the tests that were made: of patients, where these have several cases. */
static void check_names_of_tests(void)
{
    enum { CASES = 200 };
    static struct data_case item[CASES];
    static const char *const named[] = {"Obuchowski's error of clusters", "over the signs of patients",
                                        "of patients' means"};
    for (int times = 1; times <= 3; times += 2) {
        char folder[] = "/tmp/check_study_XXXXXX", path[100];
        struct study s;
        struct results r;
        struct error e = {""};
        CHECK(mkdtemp(folder) != NULL, "mkdtemp");
        fill_study(&s, item, times);
        s.out = folder;
        s.command = s.data = s.sizes.preset = "";
        s.segment.options = train_options_default(&task_segment);
        s.classify.options = train_options_default(&task_classify);
        s.classify.options.classifier.classes = 2;
        CHECK(results_make(&r, &s, &e) == 0 && tables_json(&s, &r, &e) == 0, "%s", e.text);
        snprintf(path, sizeof path, "%s/report.json", folder);
        struct json *j = json_read(path, &e);
        char *text = j ? json_format(j, 0) : NULL;
        for (size_t k = 0; k < sizeof named / sizeof *named; k++)
            CHECK(text && !strstr(text, named[k]) == (times == 1), "%d a patient: '%s'", times, named[k]);
        free(text);
        json_free(j);
        CHECK(remove(path) == 0 && remove(folder) == 0, "%s", folder);
        results_free(&r);
        empty_study(&s);
    }
}

/* The paper's table has rows of areas and shares where their tests were made: of two classes. */
static void check_paper(void)
{
    static struct study s;
    static struct results r;
    struct arm_classes arm[ARMS_MAIN] = {{.c.auc = 0.7}, {.c.auc = 0.6}};
    static struct comparison pair[PAIRS_MAX];
    struct error e = {""};
    r.classify = (struct class_results){.arm = arm, .arms = ARMS_MAIN, .pair = pair};
    for (int classes = 0; classes <= 3; classes++) {
        struct text t = {0};
        if (classes == 1) continue;
        s.classify.present = classes > 0;
        r.classify.classes = classes;
        if (!classes) r.classify.arm = NULL;
        else r.classify.arm = arm;
        CHECK(report_paper(&t, &s, &r, &e) == 0, "%s", e.text);
        char *text = text_take(&t);
        CHECK(text && !strstr(text, "(DeLong)") == (classes != 2) &&
                  !strstr(text, "(McNemar)") == (classes != 2),
              "the paper's table beside %d classes", classes);
        free(text);
    }
}

int main(void)
{
    check_results_of_patients();
    check_validation_of_one_class();
    check_who_is_counted();
    check_names_of_tests();
    check_paper();
    return check_done("check_study_results");
}
