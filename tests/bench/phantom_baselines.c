/* phantom_baselines.c - how hard a dataset's classification is for simple models: the study's own features
 * and baselines (apps/study/study_region, nn/baseline), cross-validated, without training a network.
 *
 *     cc -O2 -I. -D_GNU_SOURCE -o build/phantom_baselines tests/bench/phantom_baselines.c build/apps.a \
 *         libnephron.a -lm -pthread
 *     build/phantom_baselines DATASET
 *
 * Prints one JSON object: areas under ROC curves of out-of-fold scores, means over REPEATS splits into FOLDS:
 *   volume      log volume of the reference mask itself, nothing fitted
 *   clinical    volume, age and sex, logistic regression
 *   trees       shape and first-order features, age and sex, boosted trees as the study grows them
 *   trees_image first-order features alone
 *   hospital    share of malignant cases of the case's hospital in the other folds: the case mix
 *   background  boosted trees on intensities of the image without the tumour: what the scanner says of the
 *               label
 * and hospital_accuracy, the share of hospitals named rightly from the background's features (nearest mean in
 * units of the deviation within hospitals), beside the largest hospital's share.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/study/study_region.h"
#include "io/base/csv.h"
#include "nn/baseline/boosting.h"
#include "nn/baseline/logistic.h"
#include "nn/stats/stats_auc.h"
#include "tensor/base/rng.h"

enum { FOLDS = 10, REPEATS = 5, AGE = REGION_FEATURES, SEX, MIX, BACK, BACK_FEATURES = 14,
       COLUMNS = BACK + BACK_FEATURES, HOSPITALS_MAX = 16 };

struct row {
    double x[COLUMNS];
    int hospital, fold;
};
struct table {
    struct row *row;
    int *label, n, hospitals;
    char name[HOSPITALS_MAX][64];
};

static void die(const char *text)
{
    fprintf(stderr, "phantom_baselines: %s\n", text);
    exit(1);
}

static int compare_floats(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Of the image without the tumour and without air (below a tenth of the mean): log mean; deviation and five
 * percentiles over the mean. */
static void background(double *out, const struct sample *v, int c, float *some)
{
    const size_t n = (size_t)v->size[0] * v->size[1] * v->size[2];
    double mean = 0, second = 0;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) mean += v->image[i * v->channels + c] / (double)n;
    for (size_t i = 0; i < n; i++)
        if (!v->label[i] && v->image[i * v->channels + c] > 0.1 * mean)
            some[count++] = v->image[i * v->channels + c];
    if (!count) die("an image without tissue");
    mean = 0;
    for (size_t i = 0; i < count; i++) mean += some[i] / (double)count;
    for (size_t i = 0; i < count; i++) second += (some[i] - mean) * (some[i] - mean) / (double)count;
    qsort(some, count, sizeof *some, compare_floats);
    out[0] = log(mean);
    out[1] = sqrt(second) / mean;
    for (int k = 0; k < 5; k++) out[2 + k] = some[(size_t)((double)(count - 1) * (0.05 + 0.225 * k))] / mean;
}

/* Only the tumour counts, where there are labels of kidney and tumor. */
static void read_case(struct row *r, const struct dataset *d, int i)
{
    struct sample v;
    struct error e;
    if (dataset_load(&v, d, i, NULL, &e)) die(e.text);
    const size_t n = (size_t)v.size[0] * v.size[1] * v.size[2];
    float *some = malloc(n * sizeof *some);
    if (!some) die("out of memory");
    for (size_t k = 0; k < n; k++) v.label[k] = v.label[k] == d->labels - 1;
    if (region_features(r->x, &v) < 0) die("out of memory");
    for (int c = 0; c < 2; c++) background(r->x + BACK + BACK_FEATURES / 2 * c, &v, c, some);
    free(some);
    sample_free(&v);
}

static void read_clinical(struct table *t, const struct dataset *d, const char *folder)
{
    struct csv c;
    struct error e, ignored;
    char path[1200];
    snprintf(path, sizeof path, "%s/clinical.csv", folder);
    if (csv_read(&c, path, &e)) die(e.text);
    const int name = csv_column(&c, "case", &e), age = csv_column(&c, "age", &e),
              sex = csv_column(&c, "sex", &e), hospital = csv_column(&c, "hospital", &e);
    if (name < 0 || age < 0 || sex < 0 || hospital < 0) die(e.text);
    for (int k = 0; k < c.rows; k++) {
        const int i = dataset_find(d, csv_cell(&c, k, name), &ignored);
        int h = 0;
        if (i < 0) continue;
        if (csv_number(&c, path, k, age, &t->row[i].x[AGE], &e)) die(e.text);
        t->row[i].x[SEX] = *csv_cell(&c, k, sex) == 'F';
        while (h < t->hospitals && strcmp(t->name[h], csv_cell(&c, k, hospital)) != 0) h++;
        if (h == HOSPITALS_MAX) die("too many hospitals");
        if (h == t->hospitals)
            snprintf(t->name[t->hospitals++], sizeof t->name[0], "%s", csv_cell(&c, k, hospital));
        t->row[i].hospital = h;
    }
    csv_free(&c);
}

/* Folds with as many of either class, and each case's MIX from the other folds. */
static void draw_folds(struct table *t, int *order, int repeat)
{
    struct rng rng = rng_stream(1, (uint32_t)repeat, 0, RNG_TEST);
    int seen[2] = {0, 0};
    for (int i = 0; i < t->n; i++) order[i] = i;
    rng_shuffle(&rng, order, t->n);
    for (int i = 0; i < t->n; i++) t->row[order[i]].fold = seen[t->label[order[i]]]++ % FOLDS;
    for (int i = 0; i < t->n; i++) {
        double malignant = 1, all = 2;
        for (int j = 0; j < t->n; j++)
            if (t->row[j].fold != t->row[i].fold && t->row[j].hospital == t->row[i].hospital) {
                malignant += t->label[j];
                all++;
            }
        t->row[i].x[MIX] = malignant / all;
    }
}

static double score_folds(const struct table *t, const int *column, int columns, int trees)
{
    double *x = malloc((size_t)t->n * columns * sizeof *x), *score = malloc((size_t)t->n * sizeof *score);
    int *y = malloc((size_t)t->n * sizeof *y);
    struct boosting *forest = malloc(sizeof *forest);
    struct logistic line;
    double one[COLUMNS];
    if (!x || !score || !y || !forest) die("out of memory");
    for (int f = 0; f < FOLDS; f++) {
        int n = 0;
        for (int i = 0; i < t->n; i++) {
            if (t->row[i].fold == f) continue;
            for (int k = 0; k < columns; k++) x[n * columns + k] = t->row[i].x[column[k]];
            y[n++] = t->label[i];
        }
        if (trees ? boosting_fit(forest, x, y, n, columns, 100, 0.05)
                  : logistic_fit(&line, x, y, n, columns, 1))
            die("a model cannot be fitted: one class?");
        for (int i = 0; i < t->n; i++) {
            for (int k = 0; k < columns; k++) one[k] = t->row[i].x[column[k]];
            if (t->row[i].fold == f)
                score[i] = trees ? boosting_probability(forest, one) : logistic_probability(&line, one);
        }
    }
    const double area = stats_auc(t->label, score, t->n);
    free(x);
    free(score);
    free(y);
    free(forest);
    return area;
}

/* Of the cases of a fold, by the hospitals' means in the others. */
static int count_named(const struct table *t, int f)
{
    double mean[HOSPITALS_MAX][BACK_FEATURES] = {{0}}, square[BACK_FEATURES] = {0},
           count[HOSPITALS_MAX] = {0};
    int right = 0;
    for (int i = 0; i < t->n; i++) {
        const struct row *r = &t->row[i];
        count[r->hospital] += r->fold != f;
        for (int k = 0; r->fold != f && k < BACK_FEATURES; k++) mean[r->hospital][k] += r->x[BACK + k];
    }
    for (int h = 0; h < t->hospitals; h++)
        for (int k = 0; k < BACK_FEATURES; k++) mean[h][k] /= count[h] > 0 ? count[h] : 1;
    for (int i = 0; i < t->n; i++)
        for (int k = 0; t->row[i].fold != f && k < BACK_FEATURES; k++)
            square[k] += pow(t->row[i].x[BACK + k] - mean[t->row[i].hospital][k], 2);
    for (int i = 0; i < t->n; i++) {
        int best = -1;
        double least = INFINITY;
        for (int h = 0; t->row[i].fold == f && h < t->hospitals; h++) {
            double far = count[h] > 0 ? 0 : INFINITY;
            for (int k = 0; k < BACK_FEATURES; k++)
                far += pow(t->row[i].x[BACK + k] - mean[h][k], 2) / (square[k] > 0 ? square[k] : 1);
            if (far < least) least = far, best = h;
        }
        right += best == t->row[i].hospital;
    }
    return right;
}

static void print_areas(struct table *t)
{
    enum { MODELS = 5 };
    static const char *const name[MODELS] = {"clinical", "trees", "trees_image", "hospital", "background"};
    int column[MODELS][COLUMNS], columns[MODELS] = {3, 0, 0, 1, 0}, named = 0, most = 0;
    double sum[MODELS] = {0}, *volume = malloc((size_t)t->n * sizeof *volume);
    int *order = malloc((size_t)t->n * sizeof *order), size[HOSPITALS_MAX] = {0};
    if (!order || !volume) die("out of memory");
    const int features = 3 + 6 * 2;
    column[0][0] = 0, column[0][1] = AGE, column[0][2] = SEX, column[3][0] = MIX;
    for (int k = 0; k < features; k++) column[1][columns[1]++] = k;
    column[1][columns[1]++] = AGE, column[1][columns[1]++] = SEX;
    for (int k = 3; k < features; k++) column[2][columns[2]++] = k;
    for (int k = 0; k < BACK_FEATURES; k++) column[4][columns[4]++] = BACK + k;
    for (int i = 0; i < t->n; i++) volume[i] = t->row[i].x[0], size[t->row[i].hospital]++;
    for (int h = 0; h < t->hospitals; h++) most = size[h] > most ? size[h] : most;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        draw_folds(t, order, repeat);
        for (int m = 0; m < MODELS; m++)
            sum[m] += score_folds(t, column[m], columns[m], m == 1 || m == 2 || m == 4);
        for (int f = 0; f < FOLDS; f++) named += count_named(t, f);
    }
    printf("{\"cases\": %d, \"volume\": %.4f", t->n, stats_auc(t->label, volume, t->n));
    for (int m = 0; m < MODELS; m++) printf(", \"%s\": %.4f", name[m], sum[m] / REPEATS);
    printf(", \"hospital_accuracy\": %.4f, \"largest_hospital\": %.4f}\n", named / (double)(REPEATS * t->n),
           most / (double)t->n);
    free(volume);
    free(order);
}

int main(int argc, char **argv)
{
    struct dataset d;
    struct error e;
    struct table t = {0};
    if (argc != 2) die("phantom_baselines DATASET");
    if (dataset_open(&d, argv[1], &e)) die(e.text);
    if (d.channels != 2 || d.labels < 2 || d.classes != 2) die("not a dataset of `nephron phantom`");
    t.n = d.cases;
    t.row = calloc((size_t)t.n, sizeof *t.row);
    t.label = calloc((size_t)t.n, sizeof *t.label);
    if (!t.row || !t.label) die("out of memory");
    for (int i = 0; i < t.n; i++) {
        read_case(&t.row[i], &d, i);
        t.label[i] = d.item[i].target == 1;
    }
    read_clinical(&t, &d, argv[1]);
    print_areas(&t);
    free(t.row);
    free(t.label);
    dataset_close(&d);
    return 0;
}
