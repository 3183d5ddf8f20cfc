/* study_data.c - which cases there are, whose they are, what they are for, and how the sites differ. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/base/grid_warnings.h"
#include "apps/base/progress.h"
#include "apps/study/study_cost.h"
#include "io/base/csv.h"
#include "io/base/file.h"
#include "nn/data/covariates.h"
#include "nn/data/sites.h"
#include "nn/data/splits.h"
#include "tensor/base/pool.h"
#include "tensor/base/rng.h"

/* ---- sites --------------------------------------------------------------------------------------------- */

/* Number of a site by its name, -1: none. */
static int sites_index(const struct sites *of, const char *name)
{
    for (int k = 0; k < of->count; k++)
        if (strcmp(of->name[k], name) == 0) return k;
    return -1;
}

static int take_sites(struct study *s, const struct sites *of, struct error *e)
{
    if (of->count < 2) return error_set(e, "%s: a federation needs two sites or more", s->data);
    if (of->count > STUDY_SITES_MAX) return error_set(e, "%s: more than %d sites", s->data, STUDY_SITES_MAX);
    const int out = s->external ? sites_index(of, s->external) : -1;
    for (int k = 0; k < of->count; k++)
        if (k != out) snprintf(s->site_name[s->sites++], SITE_NAME_MAX, "%s", of->name[k]);
    for (int i = 0; i < s->dataset.cases; i++) {
        const int k = of->of[i];
        s->item[i].site = k < 0 || k == out ? -1 : k - (out >= 0 && k > out);
        if (out >= 0 && k == out) s->item[i].role = STUDY_EXTERNAL;
    }
    if (s->sites < 2)
        return error_set(e, "%s: without the external site %s one site is left; a federation needs two",
                         s->data, s->external);
    return 0;
}

/* sites.csv; without one, three sites of equal size and equal classes. */
static int find_sites(struct study *s, const char *path, struct error *e)
{
    struct sites sites;
    s->sites_drawn = !s->sites_file && !file_exists(path);
    if (s->sites_drawn ? sites_draw(&sites, 3, NULL, &s->dataset, s->seed, e)
                       : sites_read(&sites, path, &s->dataset, e))
        return -1;
    int status = take_sites(s, &sites, e);
    sites_free(&sites);
    return status;
}

/* ---- clinical.csv -------------------------------------------------------------------------------------- */

/* Number of a hospital by its name, given to new ones. */
static int number_hospital(int *number, struct study *s, const char *path, int line, const char *name,
                           struct error *e)
{
    int k = 0;
    while (k < s->hospitals && strcmp(s->hospital_name[k], name) != 0) k++;
    *number = k;
    if (k < s->hospitals) return 0;
    if (k == STUDY_HOSPITALS_MAX)
        return error_set(e, "%s: line %d: column hospital has more than %d hospitals", path, line,
                         STUDY_HOSPITALS_MAX);
    if (strlen(name) >= SITE_NAME_MAX)
        return error_set(e, "%s: line %d: column hospital: a name is 1 to %d bytes long", path, line,
                         SITE_NAME_MAX - 1);
    snprintf(s->hospital_name[s->hospitals++], SITE_NAME_MAX, "%s", name);
    return 0;
}

static int take_kind(struct study_case *item, const char *name, struct error *e)
{
    item->kind = malloc(strlen(name) + 1);
    if (!item->kind) return error_set(e, "out of memory for a case's histology");
    strcpy(item->kind, name);
    return 0;
}

/* By name, as reports list them; a table has them as its cases come. */
static void sort_hospitals(struct study *s)
{
    char name[STUDY_HOSPITALS_MAX][SITE_NAME_MAX];
    int place[STUDY_HOSPITALS_MAX] = {0};
    memcpy(name, s->hospital_name, sizeof name);
    for (int k = 0; k < s->hospitals; k++) {
        for (int j = 0; j < s->hospitals; j++) place[k] += strcmp(name[j], name[k]) < 0;
        memcpy(s->hospital_name[place[k]], name[k], sizeof name[k]);
    }
    for (int i = 0; i < s->dataset.cases; i++)
        if (s->item[i].hospital >= 0) s->item[i].hospital = place[s->item[i].hospital];
}

static int has_value(const struct csv *c, int row, int column)
{
    return column >= 0 && !csv_is_missing(csv_cell(c, row, column));
}

/* A number may be a covariate, whatever it stands for; to the report it says nothing. */
static int take_sex(struct study *s, int *female, const struct csv *c, const char *path, int row, int column,
                    struct error *e)
{
    const char *cell = csv_cell(c, row, column);
    struct error ignored;
    double v;
    *female = covariate_sex(cell);
    if (*female >= 0) return 0;
    if (csv_number(c, path, row, column, &v, &ignored) == 0) return s->sex_numbers++, 0;
    return error_set(e, "%s: line %d: sex is '%.40s', not f or m (or female, male ...); a value that is not "
                        "known is an empty cell or NA", path, c->line[row], cell);
}

/* Columns age, sex, histology and hospital, each where it is there; cases of other datasets are passed
 * over. */
static int read_clinical(struct study *s, const char *path, struct error *e)
{
    struct csv c;
    struct error ignored;
    int age, sex, kind, hospital;
    if (csv_read(&c, path, e)) return -1;
    char *seen = calloc((size_t)s->dataset.cases + 1, 1);
    const int cases = csv_column(&c, "case", e);
    int status = cases < 0 || csv_optional(&age, &c, "age", e) || csv_optional(&sex, &c, "sex", e) ||
                         csv_optional(&kind, &c, "histology", e) || csv_optional(&hospital, &c, "hospital", e)
                     ? error_prefix(e, "%s", path)
                     : 0;
    if (!status && !seen) status = error_set(e, "%s: out of memory for %d cases", path, s->dataset.cases);
    for (int r = 0; !status && r < c.rows; r++) {
        int i = dataset_find(&s->dataset, csv_cell(&c, r, cases), &ignored);
        if (i < 0) continue;
        if (seen[i]++) {
            status = error_set(e, "%s: line %d: case '%s' is there twice", path, c.line[r],
                               s->dataset.item[i].id);
            break;
        }
        struct study_case *item = &s->item[i];
        if (has_value(&c, r, age)) status = csv_number(&c, path, r, age, &item->age, e);
        if (!status && has_value(&c, r, sex)) status = take_sex(s, &item->female, &c, path, r, sex, e);
        if (!status && has_value(&c, r, hospital))
            status = number_hospital(&item->hospital, s, path, c.line[r], csv_cell(&c, r, hospital), e);
        if (!status && has_value(&c, r, kind)) status = take_kind(item, csv_cell(&c, r, kind), e);
    }
    if (!status) sort_hospitals(s);
    if (!status && s->sex_numbers)
        console_to(stderr,
                   "nephron: note: %s: sex of %d case%s is a number, which does not tell who is a woman: the "
                   "report and its simpler models go without, and the network unless --covariates names it; "
                   "write f or m\n",
                   path, s->sex_numbers, s->sex_numbers > 1 ? "s" : "");
    free(seen);
    csv_free(&c);
    return status;
}

/* A patient of external cases trains nothing: its other cases are of no site, and so unused. */
static int spare_external_patients(struct study *s, struct error *e)
{
    char *external = calloc((size_t)s->patients + 1, 1);
    int spared = 0;
    if (!external) return error_set(e, "out of memory for %d patients", s->patients);
    for (int i = 0; i < s->dataset.cases; i++)
        if (s->item[i].role == STUDY_EXTERNAL) external[s->patient[i]] = 1;
    for (int i = 0; i < s->dataset.cases; i++)
        if (s->item[i].role != STUDY_EXTERNAL && s->item[i].site >= 0 && external[s->patient[i]]) {
            s->item[i].site = -1;
            spared++;
        }
    free(external);
    s->spared = spared;
    if (spared)
        console_to(stderr,
                   "nephron: note: --external %s: %d other case%s of its patients train%s nothing and %s not "
                   "tested\n",
                   s->external, spared, spared > 1 ? "s" : "", spared > 1 ? "" : "s",
                   spared > 1 ? "are" : "is");
    return 0;
}

/* The cases of the external hospital, or of the site that take_sites has set aside. */
static int take_external(struct study *s, struct error *e)
{
    int found = 0;
    for (int i = 0; s->external && i < s->dataset.cases; i++) {
        struct study_case *item = &s->item[i];
        if (item->role != STUDY_EXTERNAL &&
            (item->hospital < 0 || strcmp(s->hospital_name[item->hospital], s->external) != 0))
            continue;
        item->role = STUDY_EXTERNAL;
        item->site = -1;
        found++;
    }
    if (!s->external) return 0;
    return found ? spare_external_patients(s, e)
                 : error_set(e, "--external %s: %s has no such site, and its clinical.csv no such hospital",
                             s->external, s->data);
}

int study_open(struct study *s, struct error *e)
{
    char path[1300];
    if (file_check_folder(s->data, "dataset folder (dataset.json, imagesTr, labelsTr)", e) ||
        dataset_open(&s->dataset, s->data, e) || dataset_hash(&s->dataset, s->data_hash, e)) return -1;
    s->item = calloc((size_t)s->dataset.cases + 1, sizeof *s->item);
    if (!s->item) return error_set(e, "out of memory for %d cases", s->dataset.cases);
    for (int i = 0; i < s->dataset.cases; i++)
        s->item[i] =
            (struct study_case){.site = -1, .hospital = -1, .volume_ml = NAN, .age = NAN, .female = -1};
    for (int i = 0; i < s->dataset.cases; i++)
        for (int k = 0; k < REGION_FEATURES; k++) s->item[i].feature[k] = NAN;
    if (s->sites_file) snprintf(path, sizeof path, "%s", s->sites_file);
    else if (file_join(path, sizeof path, s->data, "sites.csv", e)) return -1;
    if (find_sites(s, path, e)) return -1;
    if (file_join(path, sizeof path, s->data, "clinical.csv", e)) return -1;
    if (file_exists(path) && read_clinical(s, path, e)) return -1;
    s->patient = malloc(((size_t)s->dataset.cases + 1) * sizeof *s->patient);
    if (!s->patient) return error_set(e, "out of memory for %d cases", s->dataset.cases);
    s->patients = dataset_patients(s->patient, &s->dataset);
    if (s->patients < 0) return error_set(e, "out of memory for %d cases", s->dataset.cases);
    return take_external(s, e);
}

/* ---- split --------------------------------------------------------------------------------------------- */

enum {
    PAPER_TRAIN = 785,
    PAPER_VALIDATION = 104,
    PAPER_TEST = 99,
    PAPER_ALL = PAPER_TRAIN + PAPER_VALIDATION + PAPER_TEST
};

/* Of a list of n, every (n/count)th: as evenly over the list as can be. */
static int is_picked(int i, int count, int n)
{
    return (int64_t)(i + 1) * count / n > (int64_t)i * count / n;
}

/* Each stratum is shuffled, the strata are put one after the other, and test and validation cases are taken
 * at even distances: totals are exact and each stratum's share is off by less than one case. */
int study_split(int *role, const int *strata, int n, uint64_t seed)
{
    int *order = malloc(((size_t)n + 1) * sizeof *order), count = 0, highest = -1;
    if (!order) return -1;
    for (int i = 0; i < n; i++) {
        role[i] = STUDY_UNUSED;
        if (strata[i] > highest) highest = strata[i];
    }
    for (int k = 0; k <= highest; k++) {
        int first = count;
        for (int i = 0; i < n; i++)
            if (strata[i] == k) order[count++] = i;
        struct rng rng = rng_stream(seed, 1, (uint64_t)k, RNG_SPLIT);
        rng_shuffle(&rng, order + first, count - first);
    }
    int tests = (count * PAPER_TEST + PAPER_ALL / 2) / PAPER_ALL,
        validations = (count * PAPER_VALIDATION + PAPER_ALL / 2) / PAPER_ALL;
    for (int i = 0, rest = 0; i < count; i++) {
        if (is_picked(i, tests, count)) role[order[i]] = STUDY_TEST;
        else role[order[i]] = is_picked(rest++, validations, count - tests) ? STUDY_VALIDATION : STUDY_TRAIN;
    }
    free(order);
    return 0;
}

int study_count(const struct study *s, int site, enum study_role role, int target)
{
    int n = 0;
    for (int i = 0; i < s->dataset.cases; i++)
        n += s->item[i].role == role && (site < 0 || s->item[i].site == site) &&
             (target < 0 || s->dataset.item[i].target == target);
    return n;
}

/* The split of the patients, each in the stratum of its first usable case: its cases stay together. */
static int split_patients(int *role, const int *strata, const struct dataset *d, uint64_t seed,
                          struct error *e)
{
    size_t room = (size_t)d->cases + 1;
    int *patient = malloc(room * sizeof *patient), *of_patient = malloc(room * sizeof *of_patient),
        *its_role = malloc(room * sizeof *its_role);
    int patients = patient && of_patient && its_role ? dataset_patients(patient, d) : -1;
    for (int k = 0; k < patients; k++) of_patient[k] = -1;
    for (int i = d->cases - 1; patients >= 0 && i >= 0; i--)
        if (strata[i] >= 0) of_patient[patient[i]] = strata[i];
    int status = patients < 0 || study_split(its_role, of_patient, patients, seed) ? -1 : 0;
    for (int i = 0; !status && i < d->cases; i++)
        role[i] = strata[i] < 0 ? STUDY_UNUSED : its_role[patient[i]];
    free(patient);
    free(of_patient);
    free(its_role);
    return status ? error_set(e, "out of memory for the split of %d cases", d->cases) : 0;
}

/* Of a case of a site and a class (-1: none). The classes of every other site stand in reverse order: taken
 * at even distances, two test cases of two sites are then not both of one class. */
static int stratum_of(int site, int target, int classes)
{
    const int place = target + 1;
    return site * (classes + 1) + (site % 2 ? classes - place : place);
}

int study_roles(struct study *s, struct error *e)
{
    const struct dataset *d = &s->dataset;
    int n = d->cases, used = 0;
    int *strata = malloc(((size_t)n + 1) * sizeof *strata), *role = malloc(((size_t)n + 1) * sizeof *role);
    int status = strata && role ? 0 : error_set(e, "out of memory for %d cases", n);
    for (int i = 0; !status && i < n; i++) {
        int usable = s->item[i].site >= 0 && (d->item[i].has_label_map || d->item[i].target >= 0);
        used += usable;
        strata[i] = usable ? stratum_of(s->item[i].site, d->item[i].target, d->classes) : -1;
    }
    if (!status) status = split_patients(role, strata, d, s->seed, e);
    for (int i = 0; !status && i < n; i++)
        if (s->item[i].role != STUDY_EXTERNAL) s->item[i].role = (enum study_role)role[i];
        else if (!d->item[i].has_label_map && d->item[i].target < 0) s->item[i].role = STUDY_UNUSED;
    free(strata);
    free(role);
    if (status) return -1;
    if (study_count(s, -1, STUDY_TEST, -1) < 2)
        return error_set(e,
                         "%s: %d labelled cases with a site leave %d for the test; a study needs 15 or more",
                         s->data, used, study_count(s, -1, STUDY_TEST, -1));
    for (int k = 0; k < s->sites; k++)
        if (study_count(s, k, STUDY_TRAIN, -1) == 0)
            return error_set(e, "%s: site %s has no training case", s->data, s->site_name[k]);
    return 0;
}

/* ---- what the images are like -------------------------------------------------------------------------- */

struct measuring {
    struct study *s;
    int first;
    struct error *error; /* [jobs of a turn] */
    struct reading how;
};

/* Every k-th voxel that is not 0; an image of zeros gives zeros. */
static void sample_intensities(float *out, const struct sample *v, int channel)
{
    size_t n = (size_t)v->size[0] * (size_t)v->size[1] * (size_t)v->size[2], some = 0, k = 0;
    for (size_t i = 0; i < n; i++) some += v->image[i * (size_t)v->channels + (size_t)channel] != 0;
    int taken = 0;
    for (size_t i = 0; some > 0 && i < n && taken < INTENSITIES; i++) {
        float x = v->image[i * (size_t)v->channels + (size_t)channel];
        if (x != 0 && k++ * INTENSITIES >= (size_t)taken * some) out[taken++] = x;
    }
    for (int i = taken; i < INTENSITIES; i++) out[i] = taken > 0 ? out[i % taken] : 0;
}

static void measure_job(void *arg, int job, int thread)
{
    struct measuring *m = arg;
    struct study_case *item = &m->s->item[m->first + job];
    struct sample v;
    (void)thread;
    m->error[job].text[0] = 0;
    if (item->role == STUDY_UNUSED ||
        dataset_load(&v, &m->s->dataset, m->first + job, &m->how, &m->error[job]))
        return;
    m->error[job].text[0] = 0;
    item->intensity = malloc((size_t)v.channels * INTENSITIES * sizeof *item->intensity);
    if (item->intensity) {
        size_t n = (size_t)v.size[0] * (size_t)v.size[1] * (size_t)v.size[2], inside = 0;
        for (int c = 0; c < v.channels; c++) sample_intensities(item->intensity + c * INTENSITIES, &v, c);
        for (size_t i = 0; v.label && i < n; i++) inside += v.label[i] != 0 && v.label[i] != LABEL_IGNORE;
        memcpy(item->size, v.size, sizeof item->size);
        memcpy(item->spacing, v.spacing, sizeof item->spacing);
        region_box(item->box_mm, &v);
        if (region_features(item->feature, &v) < 0)
            error_set(&m->error[job], "%s: out of memory", m->s->dataset.item[m->first + job].id);
        if (v.label) item->volume_ml = (double)inside * v.spacing[0] * v.spacing[1] * v.spacing[2] * 1e-3;
    } else {
        error_set(&m->error[job], "%s: out of memory", m->s->dataset.item[m->first + job].id);
    }
    sample_free(&v);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The classifier's window: on each axis a quarter more than 19 of 20 training masks need. Larger ones are
 * cut, and fill it. */
static int choose_window(struct study *s, struct error *e)
{
    double *mm = malloc(((size_t)s->dataset.cases + 1) * sizeof *mm);
    if (!mm) return error_set(e, "out of memory for %d cases", s->dataset.cases);
    for (int a = 0; a < 3; a++) {
        int n = 0;
        for (int i = 0; i < s->dataset.cases; i++)
            if (s->item[i].role == STUDY_TRAIN && s->item[i].box_mm[a] > 0) mm[n++] = s->item[i].box_mm[a];
        qsort(mm, (size_t)n, sizeof *mm, compare_doubles);
        s->window_mm[a] = n ? 1.25 * mm[(n - 1) * 19 / 20] : 0;
        if (n)
            s->features =
                3 + 6 * (s->dataset.channels < REGION_CHANNELS ? s->dataset.channels : REGION_CHANNELS);
    }
    free(mm);
    return 0;
}

int study_measure(struct study *s, struct error *e)
{
    int n = s->dataset.cases, turn = pool_turn(s->pool), status = 0;
    struct grid_warnings grids = GRID_WARNINGS_NONE;
    struct measuring m = {.s = s, .error = calloc((size_t)turn, sizeof *m.error)};
    m.how.grids = grid_warnings_check(&grids);
    m.how.grids.rule = GRIDS_EQUAL;
    if (!m.error) return error_set(e, "out of memory");
    struct progress bar = progress_begin("read cases", s->quiet);
    for (; !status && m.first < n; m.first += turn) {
        int jobs = n - m.first < turn ? n - m.first : turn;
        pool_take(s->pool, jobs, measure_job, &m);
        for (int j = 0; !status && j < jobs; j++)
            if (m.error[j].text[0]) status = error_set(e, "%s", m.error[j].text);
        progress_update(&bar, m.first + jobs, n, "");
    }
    progress_end(&bar);
    grid_warnings_free(&grids);
    free(m.error);
    return status ? -1 : choose_window(s, e);
}

/* ---- distance of sites --------------------------------------------------------------------------------- */

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

double study_emd(float *a, int n_a, float *b, int n_b)
{
    enum { QUANTILES = 1000 };
    double sum = 0;
    if (n_a == 0 || n_b == 0) return NAN;
    qsort(a, (size_t)n_a, sizeof *a, compare_floats);
    qsort(b, (size_t)n_b, sizeof *b, compare_floats);
    for (int q = 0; q < QUANTILES; q++) {
        int i = (int)((2 * (int64_t)q + 1) * n_a / (2 * QUANTILES)),
            j = (int)((2 * (int64_t)q + 1) * n_b / (2 * QUANTILES));
        sum += fabs((double)a[i] - (double)b[j]);
    }
    return sum / QUANTILES;
}

static void mean_and_deviation(double *mean, double *deviation, const float *v, int n)
{
    double sum = 0, square = 0;
    for (int i = 0; i < n; i++) sum += v[i];
    *mean = n ? sum / n : 0;
    for (int i = 0; i < n; i++) square += (v[i] - *mean) * (v[i] - *mean);
    *deviation = n && square > 0 ? sqrt(square / n) : 1;
}

/* Intensities of the training cases of a site (-1: of all); room: INTENSITIES a case. */
static int collect(float *out, const struct study *s, int site, int channel, int z)
{
    int n = 0;
    for (int i = 0; i < s->dataset.cases; i++) {
        const struct study_case *item = &s->item[i];
        if ((site >= 0 && item->site != site) || item->role != STUDY_TRAIN || !item->intensity) continue;
        double mean = 0, deviation = 1;
        const float *v = item->intensity + channel * INTENSITIES;
        if (z) mean_and_deviation(&mean, &deviation, v, INTENSITIES);
        for (int k = 0; k < INTENSITIES; k++) out[n++] = (float)((v[k] - mean) / deviation);
    }
    return n;
}

int study_shift(double *distance, const struct study *s, int site_a, int site_b, int channel, int z)
{
    size_t room = (size_t)s->dataset.cases * INTENSITIES;
    float *v = malloc((2 * room + 1) * sizeof *v);
    if (!v) return -1;
    double mean, deviation = 1; /* one unit for every pair of sites */
    if (!z) mean_and_deviation(&mean, &deviation, v, collect(v, s, -1, channel, 0));
    const int a = collect(v, s, site_a, channel, z), b = collect(v + a, s, site_b, channel, z);
    *distance = study_emd(v, a, v + a, b) / deviation;
    free(v);
    return 0;
}

void study_close(struct study *s)
{
    for (int i = 0; s->item && i < s->dataset.cases; i++) {
        free(s->item[i].intensity);
        free(s->item[i].kind);
    }
    free(s->item);
    free(s->patient);
    free(s->departed);
    cost_free(&s->cost);
    study_task_free(&s->segment);
    study_task_free(&s->classify);
    plans_free(&s->plans);
    dataset_close(&s->dataset);
}
