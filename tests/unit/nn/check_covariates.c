/* check_covariates.c - numbers beside the image: their tables, their statistics, and that the classifier uses
 * them and nothing else where they alone tell the class.
 */
#include "nn/train/classifier.h"
#include "nn/train/learner_data.h"
#include "tests/unit/expect.h"

#include <stdint.h>

#include "io/base/file.h"
#include "nn/baseline/logistic.h"
#include "nn/data/covariates.h"
#include "nn/stats/stats_auc.h"
#include "nn/folder/run.h"
#include "nn/train/checkpoint.h"
#include "nn/train/train_covariates.h"
#include "tensor/base/rng.h"

static const char *const one = "tests/data/check_covariates_1.csv",
                  *const two = "tests/data/check_covariates_2.csv",
                  *const weights = "tests/data/check_covariates.safetensors"; /* written and removed again */

/* ---- names, tables ------------------------------------------------------------------------------------- */

static void put(const char *path, const char *text)
{
    struct error e;
    if (file_write(path, text, strlen(text), &e)) exit(2);
}

static void refuses(const char *list, const char *text)
{
    struct covariates c;
    struct error e = {""};
    CHECK(covariates_parse(&c, list, &e) && strstr(e.text, text), "'%s': '%s' in: %s", list, text, e.text);
}

static void check_names(void)
{
    struct covariates c;
    struct error e = {""};
    char text[COVARIATE_LIST];
    CHECK(covariates_parse(&c, "age,volume,sex", &e) == 0 && c.count == 3 && covariates_volume(&c) == 1, "%s",
          e.text);
    covariates_list(text, &c);
    CHECK(strcmp(text, "age, volume, sex") == 0, "%s", text);
    refuses("", "no name");
    refuses("age,,sex", "no value");
    refuses("age,", "no value");
    refuses("age,label", "'label' is no value to learn from");
    refuses("age,age", "twice");
    refuses("a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "more than 16");
    refuses("a_name_that_is_far_longer_than_a_column_of_any_table_has", "longer");
}

static void check_tables(void)
{
    static const char *const id[] = {"c2", "c1", "c3"}, *const both[] = {one, two};
    struct covariates c;
    struct error e = {""};
    float v[9];
    covariates_parse(&c, "age,sex,volume", &e);
    put(one, "case,label,age\nc1,0,41.5\nc2,1,\nother,1,x\n");
    put(two, "case,sex,age\nc1,F,1\nc2,male,2\nc3,W,3\n");
    CHECK(covariates_read(v, &c, id, 3, both, 2, &e) && strstr(e.text, two) &&
              strstr(e.text, "line 2: age of case c1 is 1, but 41.5 in a table before it"),
          "%s", e.text);
    put(two, "case,sex,age\nc1,F,41.5\nc2,male,2\nc3,W,3\n");
    CHECK(covariates_read(v, &c, id, 3, both, 2, &e) == 0, "%s", e.text);
    CHECK(isnan(v[0]) && v[1] == 0 && v[3] == 41.5f && v[4] == 1 && isnan(v[6]) && v[7] == 1,
          "age of the first table alone, an empty cell and no row missing, sexes: %g %g %g %g %g %g", v[0],
          v[1], v[3], v[4], v[6], v[7]);
    CHECK(isnan(v[2]) && isnan(v[5]), "volumes come from masks");
    CHECK(covariates_read(v, &c, id, 3, both, 1, &e) && strstr(e.text, one) &&
              strstr(e.text, "no column 'sex'"),
          "%s", e.text);
    CHECK(covariates_read(v, &c, id, 3, both, 0, &e) && strstr(e.text, "no table"), "%s", e.text);
    put(two, "case,sex\nc1,F\nc1,M\n");
    CHECK(covariates_read(v, &c, id, 3, both, 2, &e) && strstr(e.text, two) && strstr(e.text, "line 3") &&
              strstr(e.text, "twice"),
          "%s", e.text);
    put(two, "case,sex\nc1,F\nc3,perhaps\n");
    CHECK(covariates_read(v, &c, id, 3, both, 2, &e) && strstr(e.text, two) &&
              strstr(e.text, "line 3: sex is 'perhaps'") && strstr(e.text, "case c3"),
          "%s", e.text);
    put(one, "case,age\nc1,NA\nc2, n/a \nc3,NaN\n");
    put(two, "case,sex\nc1,unknown\nc2,?\nc3,Weiblich\n");
    CHECK(covariates_read(v, &c, id, 3, both, 2, &e) == 0, "%s", e.text);
    CHECK(isnan(v[0]) && isnan(v[3]) && isnan(v[6]) && isnan(v[1]) && isnan(v[4]) && v[7] == 1,
          "words for what is missing: %g %g %g, %g %g %g", v[0], v[3], v[6], v[1], v[4], v[7]);
    CHECK(covariate_sex("missing") == -1 && covariate_sex("M\xc3\xa4nnlich") == 0 && covariate_sex("") == -1,
          "sexes");
    put(one, "case,age\nc1,1e39\n");
    put(two, "case,sex\nc1,F\n");
    CHECK(covariates_read(v, &c, id, 3, both, 2, &e) && strstr(e.text, one) &&
              strstr(e.text, "line 2: age is 1e+39"),
          "%s", e.text);
    put(one, "case,age\n");
    put(two, "patient,sex\nc1,F\n");
    CHECK(covariates_read(v, &c, id, 3, both, 2, &e) && strstr(e.text, "case"), "%s", e.text);
    remove(one);
    remove(two);
}

static void check_values(void)
{
    const float v[] = {1, 5, 3, NAN, 8, 5};
    struct covariates c;
    struct error e = {""};
    const int target[] = {0, 1, 1};
    struct covariate_part p;
    covariates_parse(&c, "a,b", &e);
    CHECK(covariate_part_take(&p, &c, v, target, 3, 2, &e) == 0 && covariate_part_use(&c, &p, 2, &e) == 0,
          "%s", e.text);
    CHECK(p.count[0] == 3 && p.count[1] == 2, "%d and %d values", p.count[0], p.count[1]);
    CHECK(c.mean[0] == 4 && c.variance[0] == 13 && c.mean[1] == 5 && c.variance[1] == 1,
          "mean %g, variance %g; of a constant %g, %g", c.mean[0], c.variance[0], c.mean[1], c.variance[1]);
    CHECK(covariate_part_take(&p, &c, v + 2, target, 1, 2, &e) == 0 && covariate_part_use(&c, &p, 2, &e) &&
              strstr(e.text, "'b'"),
          "%s", e.text);
    uint8_t label[8] = {0, 1, 2, LABEL_IGNORE, 0, 0, 1, 0};
    struct sample s = {.size = {2, 2, 2}, .spacing = {10, 10, 10}, .label = label};
    CHECK_NEAR(covariate_volume(&s), log(3), 1e-6, "three voxels of a ml");
    memset(label, 0, sizeof label);
    CHECK(isnan(covariate_volume(&s)), "an empty mask");
    s.label = NULL;
    CHECK(isnan(covariate_volume(&s)), "no mask");
}

/* ---- in the network ------------------------------------------------------------------------------------ */

enum { CASES = 24, EDGE = 6, VALUES = 2 };

/* Images of noise. The class is whether the first value is above 60; the second is missing in every third
 * case. */
static struct learner_data noise_cases(void)
{
    struct learner_data d = {.store = {.cases = CASES}, .covariates = VALUES};
    struct rng rng = rng_stream(5, 0, 0, RNG_TEST);
    d.store.prepared = calloc(CASES, sizeof *d.store.prepared);
    d.store.index = calloc(CASES, sizeof *d.store.index);
    d.target = calloc(CASES, sizeof *d.target);
    d.covariate = calloc(CASES * VALUES, sizeof *d.covariate);
    for (int i = 0; i < CASES; i++) {
        struct prepared *s = &d.store.prepared[i];
        *s = (struct prepared){.size = {EDGE, EDGE, EDGE}, .channels = 1, .spacing = {1, 1, 1}};
        s->image = calloc(EDGE * EDGE * EDGE, sizeof *s->image);
        for (int k = 0; k < EDGE * EDGE * EDGE; k++) s->image[k] = rng_normal(&rng);
        d.covariate[i * VALUES] = 60 + (float)(i * 7 % CASES - CASES / 2) + 0.5f;
        d.covariate[i * VALUES + 1] = i % 3 ? rng_normal(&rng) : NAN;
        d.target[i] = d.covariate[i * VALUES] > 60;
        d.store.index[i] = i;
    }
    return d;
}

static struct train_options options(void)
{
    struct train_options o = train_options_default(&task_classify);
    struct covariates c;
    struct error e;
    o.epochs = 1;
    o.iterations = 60;
    o.batch = 8;
    o.lr = 0.005f;
    o.augment = 0;
    o.classifier = (struct classifier_options){
        .depth = 10, .channels = 1, .classes = 2, .base = 2, .network = network_find("resnet")};
    for (int a = 0; a < 3; a++) o.crop[a] = EDGE;
    covariates_parse(&c, "age,marker", &e);
    train_options_covariates(&o, &c);
    return o;
}

static double auc(struct model *m, const struct train_options *o, const struct learner_data *d)
{
    float p[CASES * 2];
    double score[CASES];
    struct error e;
    if (learner_classify(p, m, o, d, NULL, NULL, NULL, &e)) return -1;
    for (int i = 0; i < d->store.cases; i++) score[i] = p[2 * i + 1];
    return stats_auc(d->target, score, d->store.cases);
}

/* Before training, the network is the logistic regression of the class on the values: of two classes, and of
 * three, each against the rest. */
static void check_start(void)
{
    for (int classes = 2; classes <= 3; classes++) {
        struct learner_data d = noise_cases();
        struct train_options o = options();
        struct error e = {""};
        float p[CASES * 3];
        double value[CASES * VALUES];
        int is_class[CASES];
        o.classifier.classes = classes;
        for (int i = 0; i < CASES && classes == 3; i++) d.target[i] = i * 7 % CASES / 8;
        for (int i = 0; i < CASES * VALUES; i++) value[i] = d.covariate[i];
        CHECK(learner_fit_covariates(&o, NULL, &d, NULL, 1, &e) == 0, "%s", e.text);
        struct model *m = learner_model(&o, NULL);
        CHECK(learner_classify(p, m, &o, &d, NULL, NULL, NULL, &e) == 0, "%s", e.text);
        for (int k = 1; k < classes; k++) {
            struct logistic of[2] = {{0}, {0}};
            for (int side = 0; side < 2; side++) {
                for (int i = 0; i < CASES; i++) is_class[i] = d.target[i] == (side ? k : 0);
                CHECK(logistic_fit(&of[side], value, is_class, CASES, VALUES, 1) == 0, "class %d", k);
            }
            for (int i = 0; i < CASES; i++) {
                double odds = 0; /* of class k against class 0, without intercepts */
                for (int side = 0; side < 2; side++) {
                    const double q = logistic_probability(&of[side], value + i * VALUES);
                    odds +=
                        (side ? 1 : -1) * (log(q / (1 - q)) - of[side].intercept) / (classes == 2 ? 2 : 1);
                }
                CHECK_NEAR(log(p[i * classes + k] / p[i * classes]), odds, 1e-4, "%d classes, case %d",
                           classes, i);
            }
        }
        model_destroy(m);
        learner_data_free(&d);
    }
}

/* Parts of three sites, one of which has a single class and no second value: mean and variance are those of
 * all cases, the slopes the mean of the two that have some. */
static void check_parts(void)
{
    struct learner_data d = noise_cases();
    struct train_options pooled = options(), parted = options();
    struct error e = {""};
    int site[CASES], missing[VALUES], counts[3] = {0};
    struct covariate_part part[3], all = {.count = {0}};
    for (int i = 0; i < CASES; i++) {
        site[i] = d.target[i] && i % 3 == 0 ? 2 : i % 2;
        if (site[i] == 2) d.covariate[i * VALUES + 1] = NAN;
        counts[site[i]]++;
    }
    CHECK(counts[2] > 1 && learner_fit_covariates(&pooled, NULL, &d, NULL, 1, &e) == 0 &&
              learner_fit_covariates(&parted, missing, &d, site, 3, &e) == 0,
          "%s", e.text);
    for (int k = 0; k < VALUES; k++) {
        CHECK_NEAR(parted.covariates.mean[k], pooled.covariates.mean[k], 1e-12, "mean %d", k);
        CHECK_NEAR(parted.covariates.variance[k] / pooled.covariates.variance[k], 1, 1e-12, "variance %d", k);
    }
    CHECK(missing[0] == 0 && missing[1] == CASES / 3, "%d and %d missing", missing[0], missing[1]);
    for (int s = 0; s < 3; s++) {
        float value[CASES * VALUES];
        int target[CASES], n = 0;
        for (int i = 0; i < CASES; i++) {
            if (site[i] != s) continue;
            memcpy(value + n * VALUES, d.covariate + i * VALUES, VALUES * sizeof *value);
            target[n++] = d.target[i];
        }
        CHECK(covariate_part_take(&part[s], &pooled.covariates, value, target, n, 2, &e) == 0, "%s", e.text);
        CHECK(part[s].cases[1] == (s < 2 ? n : 0), "site %d: a regression of %d cases", s, part[s].cases[1]);
        covariate_part_merge(&all, &part[s], VALUES);
    }
    const double want = (part[0].slope[1][0] * counts[0] + part[1].slope[1][0] * counts[1]) /
                        (counts[0] + counts[1]) * sqrt(pooled.covariates.variance[0]) / 2;
    CHECK_NEAR((double)parted.covariates.start[1][0], want, 1e-6, "the first weight");
    CHECK(want > 0.3 && parted.covariates.start[0][0] == -parted.covariates.start[1][0], "weights %g and %g",
          want, (double)parted.covariates.start[0][0]);
    learner_data_free(&d);
}

/* Logits with the values are those without, plus the weights times the standardised values: a missing one
 * adds nothing. */
static void check_forward(void)
{
    struct learner_data d = noise_cases();
    struct train_options o = options(), plain = options();
    struct error e = {""};
    float with[CASES * 2], without[CASES * 2];
    CHECK(learner_fit_covariates(&o, NULL, &d, NULL, 1, &e) == 0, "%s", e.text);
    struct model *m = learner_model(&o, NULL);
    const struct covariates none = {.count = 0};
    train_options_covariates(&plain, &none);
    struct model *bare = learner_model(&plain, NULL);
    for (int i = 0; i < bare->params; i++) { /* the same weights, drawn by the same streams; the last layer's
                                                are 0 */
        float *mine = m->data + model_find(m, bare->param[i].name)->offset;
        const size_t bytes = bare->param[i].count * sizeof(float);
        if (strncmp(bare->param[i].name, "fc.", 3) == 0)
            memcpy(mine, bare->data + bare->param[i].offset, bytes);
        CHECK(memcmp(bare->data + bare->param[i].offset, mine, bytes) == 0, "%s", bare->param[i].name);
    }
    float *w = m->data + model_find(m, "fc_covariates.weight")->offset;
    const float given[4] = {0.3f, -0.2f, -0.1f, 0.5f};
    memcpy(w, given, sizeof given);
    CHECK(learner_classify(with, m, &o, &d, NULL, NULL, NULL, &e) == 0, "%s", e.text);
    CHECK(learner_classify(without, bare, &plain, &d, NULL, NULL, NULL, &e) && strstr(e.text, "given 2"),
          "%s", e.text);
    d.covariates = 0;
    CHECK(learner_classify(without, bare, &plain, &d, NULL, NULL, NULL, &e) == 0, "%s", e.text);
    CHECK(learner_classify(with, m, &o, &d, NULL, NULL, NULL, &e) && strstr(e.text, "age, marker"),
          "%s", e.text);
    for (int i = 0; i < CASES; i++) {
        double more = 0;
        for (int k = 0; k < VALUES; k++) {
            const double x = d.covariate[i * VALUES + k];
            const double z = (x - o.covariates.mean[k]) / sqrt(o.covariates.variance[k]);
            if (!isnan(x)) more += (given[VALUES + k] - given[k]) * z;
        }
        const double odds = log(without[2 * i + 1] / without[2 * i]) + more;
        CHECK_NEAR(log(with[2 * i + 1] / with[2 * i]), odds, 1e-4, "log odds of case %d", i);
    }
    model_destroy(m);
    model_destroy(bare);
    learner_data_free(&d);
}

static void check_training(void)
{
    struct learner_data d = noise_cases(), half, again;
    struct train_options o = options();
    struct learner l;
    struct error e = {""};
    int group[CASES];
    for (int i = 0; i < CASES; i++) group[i] = i % 2;
    CHECK(learner_fit_covariates(&o, NULL, &d, NULL, 1, &e) == 0, "%s", e.text);
    CHECK(learner_view(&half, &d, group, 1, &e) == 0 && half.covariate[2 * VALUES] == d.covariate[5 * VALUES],
          "a view has its own cases' values");
    CHECK(learner_view_join(&again, &half, &half, &e) == 0 &&
              again.covariate[(CASES / 2 + 2) * VALUES] == d.covariate[5 * VALUES],
          "a joined view");
    struct model *m = learner_model(&o, NULL);
    CHECK(learner_create(&l, &o, NULL, &half, m, 0, NULL, &e) == 0 && learner_own_optimizer(&l, &e) == 0,
          "%s", e.text);
    const float *mean = m->data + model_find(m, "covariates.running_mean")->offset;
    const float before = mean[0];
    CHECK(auc(m, &o, &d) > 0.95, "before the first step: AUC %g", auc(m, &o, &d));
    for (int step = 0; step < o.iterations; step++)
        learner_step(&l, (uint64_t)step, learner_lr(&o, (uint64_t)step));
    CHECK(mean[0] == before && before > 50, "the mean is no weight that moves: %g, %g", before, mean[0]);
    CHECK(auc(m, &o, &d) > 0.95, "the class is above 60: AUC %g", auc(m, &o, &d));
    CHECK(checkpoint_write(weights, m, NULL, 0, NULL, &e) == 0, "%s", e.text);
    struct train_options other = options(); /* of a reader who has not seen the training cases */
    struct model *read = learner_model(&other, NULL);
    CHECK(checkpoint_read(weights, read, NULL, 0, NULL, &e) == 0 && auc(read, &other, &d) == auc(m, &o, &d),
          "mean and variance come with the weights: %s", e.text);
    float missing[CASES * 2], average[CASES * 2];
    for (int i = 0; i < CASES; i++) d.covariate[i * VALUES] = NAN;
    CHECK(learner_classify(missing, m, &o, &d, NULL, NULL, NULL, &e) == 0, "%s", e.text);
    for (int i = 0; i < CASES; i++) d.covariate[i * VALUES] = mean[0];
    CHECK(learner_classify(average, m, &o, &d, NULL, NULL, NULL, &e) == 0 &&
              memcmp(missing, average, sizeof missing) == 0,
          "a missing value is the mean of the training cases");
    remove(weights);
    learner_destroy(&l);
    model_destroy(m);
    model_destroy(read);
    learner_view_free(&half);
    learner_view_free(&again);
    learner_data_free(&d);
}

static void check_json(void)
{
    struct train_options o = options(), read;
    struct error e = {""};
    o.covariates.mean[1] = 0.1;
    o.covariates.variance[1] = 1.0 / 3;
    struct json *j = train_options_json(&o);
    CHECK(train_options_from_json(&read, j, "x", &e) == 0 && read.classifier.covariates == 2 &&
              strcmp(read.covariates.name[1], "marker") == 0 && read.covariates.mean[1] == 0.1 &&
              read.covariates.variance[1] == 1.0 / 3,
          "%s", e.text);
    struct json *list = json_get(j, "covariates");
    json_add_number(json_at(list, 1), "variance", -1);
    CHECK(train_options_from_json(&read, j, "x", &e) && strstr(e.text, "variance of 'marker' is -1"), "%s",
          e.text);
    json_remove(json_at(list, 1), "variance");
    CHECK(train_options_from_json(&read, j, "x", &e) && strstr(e.text, "'marker' is without the mean"), "%s",
          e.text);
    json_add_number(json_at(list, 1), "variance", 1);
    json_add_text(json_at(list, 1), "name", "marker,sex");
    CHECK(train_options_from_json(&read, j, "x", &e) && strstr(e.text, "2 objects with 3 names"), "%s",
          e.text);
    json_add_int(j, "covariates", 5);
    CHECK(train_options_from_json(&read, j, "x", &e) && strstr(e.text, "is no list"), "%s", e.text);
    json_free(j);
}

int main(void)
{
    check_names();
    check_tables();
    check_values();
    check_start();
    check_parts();
    check_forward();
    check_training();
    check_json();
    return check_done("check_covariates");
}
