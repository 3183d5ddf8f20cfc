/* study_classify.c - classification of the tumour region, a window of a fixed size in mm, tested twice:
 * around the reference mask, and around the mask that the same arm's segmentation found. Every arm learns
 * from both kinds of windows of its training cases: one by a predicted mask is moved or lies on another
 * organ, and a network that never saw such a window says nothing of use about it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/base/interrupt.h"
#include "apps/training/predictions.h"
#include "apps/study/study.h"
#include "apps/study/study_cost.h"
#include "nn/train/classify.h"
#include "nn/train/train_covariates.h"
#include "nn/data/components.h"
#include "nn/stats/stats_auc.h"
#include "nn/folder/run.h"
#include "nn/train/learner_data.h"
#include "tensor/base/clock.h"
#include "tensor/base/pool.h"

void classify_design(struct study *s)
{
    const struct study_sizes *z = &s->sizes;
    struct train_options o = train_options_default(&task_classify);
    o.epochs = z->class_rounds;
    o.iterations = z->class_iterations;
    o.batch = z->class_batch;
    o.lr = (float)z->class_lr;
    o.augment = 2;
    o.class_weighting = 1;
    o.classifier = (struct classifier_options){.depth = z->depth,
                                               .channels = s->window_mm[0] > 0
                                                               ? region_channels(s->dataset.channels)
                                                               : s->dataset.channels,
                                               .classes = s->dataset.classes > 2 ? s->dataset.classes : 2,
                                               .base = z->base,
                                               .stem7 = z->strided,
                                               .norm = s->norm,
                                               .network = network_default(1)};
    memcpy(o.crop, z->crop, sizeof o.crop);
    o.bf16 = z->bf16;
    s->classify.options = o;
}

/* Whether any case has the column. */
static int has_column(const struct study *s, int sex)
{
    int some = 0;
    for (int i = 0; i < s->dataset.cases; i++)
        some |= sex ? s->item[i].female >= 0 : isfinite(s->item[i].age);
    return some;
}

int classify_covariates(struct study *s, struct error *e)
{
    struct covariates c;
    char list[32] = "";
    if (!s->covariates) {
        if (s->window_mm[0] > 0) strcat(list, ",volume");
        if (has_column(s, 0)) strcat(list, ",age");
        if (has_column(s, 1)) strcat(list, ",sex");
    }
    const char *names = s->covariates ? s->covariates : list + (*list == ',');
    if (!*names || strcmp(names, "none") == 0) return 0;
    if (covariates_parse(&c, names, e)) return error_prefix(e, "--covariates");
    train_options_covariates(&s->classify.options, &c);
    return 0;
}

/* ---- the region that was predicted --------------------------------------------------------------------- */

/* Leaves only the largest connected part of a mask: a patient has one tumour here, and a box around every
 * stray voxel would hide it. */
static int keep_largest(uint8_t *mask, const int size[3], struct error *e)
{
    const size_t n = (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
    int32_t *id = malloc(n * sizeof *id), parts = id ? components_find(id, mask, size) : -1, largest = 0;
    size_t *count = parts < 0 ? NULL : calloc((size_t)parts + 1, sizeof *count);
    for (size_t i = 0; count && i < n; i++) count[id[i]]++;
    for (int32_t k = 1; count && k <= parts; k++)
        if (largest == 0 || count[k] > count[largest]) largest = k;
    for (size_t i = 0; count && i < n; i++)
        if (id[i] != largest) mask[i] = 0;
    int status = count ? 0 : error_set(e, "out of memory for a mask of %zu voxels", n);
    free(count);
    free(id);
    return status;
}

struct loading {
    struct learner_data *d;
    const struct study *s;
    const float *value;  /* covariates of all cases of the dataset; NULL: none */
    int arm, seed, first;
    struct error *error; /* [jobs of a turn] */
};

/* The region around the reference mask (arm -1), or around the largest part of the mask that an arm
 * predicted; the whole image where the dataset has no masks. */
static int load_region(struct sample *v, const struct loading *l, int item, struct error *e)
{
    const struct study *s = l->s;
    if (dataset_load(v, &s->dataset, item, NULL, e)) return -1;
    if (l->arm >= 0) {
        free(v->label);
        v->label = segment_predicted(s, l->arm, segment_seed(s, l->seed), item, e);
        if (!v->label || keep_largest(v->label, v->size, e)) return -1;
    }
    return 0;
}

/* Covariates of a case whose label map is still there: the volume is that of the mask at hand. */
static void take_covariates(float *covariate, const struct sample *v, const struct loading *l, int item)
{
    const struct covariates *c = &l->s->classify.options.covariates;
    const int volume = covariates_volume(c);
    memcpy(covariate, l->value + (size_t)item * (size_t)c->count, (size_t)c->count * sizeof *covariate);
    if (volume >= 0) covariate[volume] = covariate_volume(v);
}

static int prepare_region(struct prepared *out, struct sample *v, const struct study *s, struct error *e)
{
    if (s->window_mm[0] > 0) return region_prepare(out, v, s->classify.options.crop, s->window_mm, e);
    return classify_prepare(out, v, s->classify.options.crop, 1, e);
}

static void load_job(void *arg, int job, int thread)
{
    struct loading *l = arg;
    (void)thread;
    const int i = l->first + job, item = l->d->store.index[i];
    struct sample v = {.channels = 0};
    struct error *e = &l->error[job];
    e->text[0] = 0;
    int status = load_region(&v, l, item, e);
    if (!status && l->d->covariate)
        take_covariates(l->d->covariate + (size_t)i * (size_t)l->d->covariates, &v, l, item);
    if (!status) status = prepare_region(&l->d->store.prepared[i], &v, l->s, e);
    sample_free(&v);
    if (!status) e->text[0] = 0;
    else if (!e->text[0]) error_set(e, "a case was not read");
}

/* value: covariates of the dataset's cases. */
static int load_cases(struct learner_data *d, struct study *s, const float *value, int arm, int seed,
                      const int *item, int n, struct error *e)
{
    const int turn = pool_turn(s->pool);
    struct loading l = {d, s, value, arm, seed, 0, calloc((size_t)turn, sizeof *l.error)};
    int status = 0;
    memset(d, 0, sizeof *d);
    const int bad = case_store_create(&d->store, n, 0);
    d->target = calloc((size_t)n + 1, sizeof *d->target);
    if (value) d->covariates = s->classify.options.covariates.count;
    if (value) d->covariate = calloc(((size_t)n + 1) * (size_t)d->covariates, sizeof *d->covariate);
    if (bad || !l.error || !d->target || (value && !d->covariate))
        status = error_set(e, "out of memory for %d cases", n);
    for (int k = 0; !status && k < n; k++) {
        d->store.index[k] = item[k];
        d->target[k] = s->dataset.item[item[k]].target;
    }
    for (; !status && l.first < n; l.first += turn) {
        const int jobs = n - l.first < turn ? n - l.first : turn;
        if (study_stops(s)) status = error_set(e, "stopped");
        else pool_take(s->pool, jobs, load_job, &l);
        for (int j = 0; !status && j < jobs; j++)
            if (l.error[j].text[0]) status = error_set(e, "%s", l.error[j].text);
    }
    free(l.error);
    return status;
}

static int load_predicted_training(struct learner_data *d, struct study *s, const float *value, int arm,
                                   int seed, struct error *e)
{
    int n = 0, *item = malloc(((size_t)s->dataset.cases + 1) * sizeof *item);
    if (!item) return error_set(e, "out of memory for %d cases", s->dataset.cases);
    for (int i = 0; i < s->dataset.cases; i++)
        if (study_trains_classifier(s, arm, i)) item[n++] = i;
    int status = load_cases(d, s, value, arm, seed, item, n, e);
    free(item);
    return status;
}

/* Labelled cases of a role by their reference masks. */
static int load_role(struct learner_data *d, struct study *s, const float *value, enum study_role role,
                     struct error *e)
{
    int n = 0, *item = malloc(((size_t)s->dataset.cases + 1) * sizeof *item);
    if (!item) return error_set(e, "out of memory for %d cases", s->dataset.cases);
    for (int i = 0; i < s->dataset.cases; i++)
        if (s->item[i].role == role && s->dataset.item[i].target >= 0) item[n++] = i;
    int status = load_cases(d, s, value, -1, 0, item, n, e);
    free(item);
    return status;
}

struct class_cases { /* of the task */
    struct learner_data train, validation, test, external; /* by their reference masks */
    int with_maps;                               /* every arm has predicted masks */
    float *value;                                /* [dataset.cases][covariates]; NULL without any */
};

/* ---- test ---------------------------------------------------------------------------------------------- */

static int stop_wanted(void *arg)
{
    (void)arg;
    return interrupt_signal() != 0;
}

/* By the weights of each case's site where sites have their own. */
static int run_network(struct predictions *p, struct study *s, struct arm_weights *w,
                       const struct learner_data *d, struct error *e)
{
    const size_t row = (size_t)p->classes * sizeof *p->probability;
    struct predictions site = {0};
    int status = predictions_run(p, &w->model, 1, &s->classify.options, d, s->pool, stop_wanted, e);
    for (int k = 0; !status && w->global && k < s->sites; k++) {
        arm_weights_use(w, k);
        status = predictions_create(&site, p->cases, p->classes, e);
        if (!status)
            status = predictions_run(&site, &w->model, 1, &s->classify.options, d, s->pool, stop_wanted, e);
        for (int i = 0; !status && i < p->cases; i++)
            if (s->item[d->store.index[i]].site == k)
                memcpy(p->probability + (size_t)i * (size_t)p->classes,
                       site.probability + (size_t)i * (size_t)p->classes, row);
        predictions_free(&site);
    }
    arm_weights_use(w, -1);
    return status > 0 && study_stops(s) ? error_set(e, "stopped") : status;
}

/* probability: of class 1, or of a case's own class where there are more than two; of_class [cases][classes]
 * then too, where not NULL. */
static int classify_cases(double *probability, double *of_class, struct study *s, struct arm_weights *w,
                          const struct learner_data *d, const char *csv, struct error *e)
{
    char path[1300];
    struct predictions p = {0};
    const int classes = s->classify.options.classifier.classes;
    int n = d->store.cases, status = predictions_create(&p, n, classes, e);
    for (int i = 0; !status && i < n; i++) {
        p.id[i] = s->dataset.item[d->store.index[i]].id;
        p.label[i] = d->target[i];
    }
    if (!status) status = run_network(&p, s, w, d, e);
    if (!status) status = study_path(path, sizeof path, s, "predictions/classification", csv, e);
    if (!status) status = predictions_write(&p, path, e);
    for (int i = 0; !status && i < n; i++)
        probability[i] = p.probability[classes * i + (classes == 2 ? 1 : d->target[i])];
    for (int i = 0; !status && of_class && i < n * classes; i++) of_class[i] = p.probability[i];
    predictions_free(&p);
    return status;
}

static int test_cases(struct study *s, struct arm_weights *m, int arm, int seed,
                      const struct class_cases *cases, const struct learner_data *piped, struct error *e)
{
    struct study_task *t = &s->classify;
    struct study_run *r = &t->run[arm][seed];
    char file[80], name[140];
    double start = clock_seconds();
    study_arm_file(file, s, arm);
    snprintf(name, sizeof name, "%s_seed_%d.csv", file, seed + 1);
    const int classes = t->options.classifier.classes, all = t->tests + t->externals;
    if (classes > 2 && !(r->of_class = malloc(((size_t)all * (size_t)classes + 1) * sizeof *r->of_class)))
        return error_set(e, "out of memory for %d cases", all);
    if (classify_cases(r->value, r->of_class, s, m, &cases->test, name, e)) return -1;
    r->validation = malloc(((size_t)cases->validation.store.cases + 1) * sizeof *r->validation);
    if (!r->validation) return error_set(e, "out of memory for %d cases", cases->validation.store.cases);
    snprintf(name, sizeof name, "%s_seed_%d_validation.csv", file, seed + 1);
    if (cases->validation.store.cases > 0 &&
        classify_cases(r->validation, NULL, s, m, &cases->validation, name, e))
        return -1;
    if (cases->external.store.cases > 0) {
        snprintf(name, sizeof name, "%s_seed_%d_external.csv", file, seed + 1);
        double *of_class = r->of_class ? r->of_class + (size_t)t->tests * (size_t)classes : NULL;
        if (classify_cases(r->value + t->tests, of_class, s, m, &cases->external, name, e)) return -1;
    }
    if (piped->store.cases > 0) {
        r->piped = malloc(((size_t)piped->store.cases + 1) * sizeof *r->piped);
        if (!r->piped) return error_set(e, "out of memory for %d cases", piped->store.cases);
        snprintf(name, sizeof name, "%s_seed_%d_predicted_mask.csv", file, seed + 1);
        if (classify_cases(r->piped, NULL, s, m, piped, name, e)) return -1;
    }
    r->test_seconds = clock_seconds() - start;
    return 0;
}

static int test_arm(struct study *s, struct model *m, int arm, int seed, const struct class_cases *cases,
                    const struct learner_data *piped, struct error *e)
{
    struct arm_weights w;
    if (arm_weights_load(&w, s, "classification", arm, seed, m, e)) return -1;
    const int status = test_cases(s, &w, arm, seed, cases, piped, e);
    arm_weights_free(&w);
    return status;
}

static int print_arm(const struct study *s, int arm, int seed, struct error *e)
{
    const struct study_task *t = &s->classify;
    const struct study_run *r = &t->run[arm][seed];
    int *target = malloc(((size_t)t->tests + 1) * sizeof *target);
    if (!target) return error_set(e, "out of memory for %d cases", t->tests);
    for (int k = 0; k < t->tests; k++) target[k] = s->dataset.item[t->test[k]].target;
    struct macro_auc macro = {.macro = NAN};
    double ignored[STUDY_CLASSES_MAX];
    const int many = r->of_class != NULL;
    if (many && stats_auc_macro(&macro, ignored, target, r->of_class, t->tests, t->options.classifier.classes,
                                NULL, 0)) {
        free(target);
        return error_set(e, "out of memory for %d cases", t->tests);
    }
    if (!s->quiet) {
        study_print_arm("classification", s, arm, seed);
        printf("  test %sAUC %.3f  trained %.1f s\n", many ? "macro " : "",
               many ? macro.macro : stats_auc(target, r->value, t->tests), r->seconds);
        fflush(stdout);
    }
    free(target);
    return 0;
}

/* ---- the task ------------------------------------------------------------------------------------------ */

/* One arm and seed: its cases by predicted masks live as long as it is trained and tested. */
static int run_arm(struct study *s, struct class_cases *m, int arm, int seed, struct error *e)
{
    struct study_task *t = &s->classify;
    struct learner_data found = {0}, piped = {0}, train = {0};
    struct model *model = NULL;
    int status = 0;
    if (m->with_maps)
        status = load_predicted_training(&found, s, m->value, arm, seed, e) ||
                         load_cases(&piped, s, m->value, arm, seed, t->test, t->tests + t->externals, e)
                     ? -1
                     : 0;
    if (!status) status = learner_view_join(&train, &m->train, &found, e);
    if (!status) status = study_train(s, t, "classification", arm, seed, &train, &m->validation, &model, e);
    learner_view_free(&train);
    const enum study_stage before = study_stage(s, STAGE_TEST);
    if (!status) status = test_arm(s, model, arm, seed, m, &piped, e);
    study_stage(s, before);
    if (model) model_destroy(model);
    classify_free(&found);
    classify_free(&piped);
    return status;
}

static int run_arms(struct study *s, struct class_cases *m, struct error *e)
{
    struct study_task *t = &s->classify;
    t->began = clock_seconds();
    interrupt_begin();
    for (int seed = 0; seed < t->seeds; seed++)
        for (int arm = 0; arm < t->arms; arm++) {
            if (study_stops(s)) return error_set(e, "stopped");
            if (run_arm(s, m, arm, seed, e) || print_arm(s, arm, seed, e)) return -1;
            study_progress(s, t, arm, seed);
        }
    return study_arms_end(s, e);
}

static int load(struct study *s, struct class_cases *m, struct error *e)
{
    struct study_task *t = &s->classify;
    struct learner_data *part[] = {&m->train, &m->validation, &m->test, &m->external};
    static const enum study_role which[] = {STUDY_TRAIN, STUDY_VALIDATION, STUDY_TEST, STUDY_EXTERNAL};
    const int count = t->options.covariates.count;
    int status = 0, cases = 0;
    if (count && !(m->value = malloc(((size_t)s->dataset.cases + 1) * (size_t)count * sizeof *m->value)))
        status = error_set(e, "out of memory for %d cases", s->dataset.cases);
    if (!status && count)
        status = covariates_of_dataset(m->value, &t->options.covariates, &s->dataset, NULL, e);
    for (int i = 0; !status && i < 4; i++) {
        status = load_role(part[i], s, m->value, which[i], e);
        cases += part[i]->store.cases;
    }
    if (!status && count) status = learner_fit_covariates(&t->options, NULL, &m->train, NULL, 1, e);
    m->with_maps = s->segment.present && !s->estimate;
    for (int k = 0; m->with_maps && k < t->tests + t->externals; k++)
        m->with_maps = s->dataset.item[t->test[k]].has_label_map;
    if (m->with_maps) cases += t->trained + t->tests + t->externals;
    t->case_bytes = (size_t)cases * (size_t)t->options.crop[0] * (size_t)t->options.crop[1] *
                    (size_t)t->options.crop[2] * (size_t)t->options.classifier.channels * sizeof(float);
    return status;
}

static int has_class(const struct study *s, int class)
{
    int i = 0;
    while (i < s->dataset.cases && s->dataset.item[i].target != class) i++;
    return i < s->dataset.cases;
}

/* All classes at every site and in the test, or a reason why not. */
void classify_plan(struct study *s)
{
    struct study_task *t = &s->classify;
    int labelled = 0;
    for (int c = 0; c < s->dataset.classes; c++) labelled += study_count(s, -1, STUDY_TRAIN, c);
    if (s->skip_classify) snprintf(t->why_not, sizeof t->why_not, "left out by --task");
    else if (!labelled) snprintf(t->why_not, sizeof t->why_not, "the dataset has no labels.csv (case,label)");
    else if (s->dataset.classes < 2)
        snprintf(t->why_not, sizeof t->why_not, "labels.csv has one class");
    else if (s->dataset.classes > STUDY_CLASSES_MAX)
        snprintf(t->why_not, sizeof t->why_not, "labels.csv has %d classes; at most %d are compared",
                 s->dataset.classes, STUDY_CLASSES_MAX);
    for (int c = 0; c < s->dataset.classes && !t->why_not[0]; c++) {
        if (!has_class(s, c))
            snprintf(t->why_not, sizeof t->why_not, "labels.csv has no label %d: classes are 0, 1 and so on",
                     c);
        else if (study_count(s, -1, STUDY_TEST, c) == 0)
            snprintf(t->why_not, sizeof t->why_not, "no test case of class %d", c);
        for (int k = 0; k < s->sites && !t->why_not[0]; k++)
            if (study_count(s, k, STUDY_TRAIN, c) == 0)
                snprintf(t->why_not, sizeof t->why_not, "site %s has no training case of class %d",
                         s->site_name[k], c);
    }
    t->present = !t->why_not[0];
}

int classify_check(struct study *s, struct error *e)
{
    struct study_task *t = &s->classify;
    if (!t->present) return 0;
    classify_design(s);
    if (classify_covariates(s, e) || learner_check(&t->options, NULL, e)) return -1;
    const size_t count = (size_t)t->options.covariates.count;
    float *value = count ? malloc(((size_t)s->dataset.cases + 1) * count * sizeof *value) : NULL;
    int status = count && !value ? error_set(e, "out of memory for %d cases", s->dataset.cases) : 0;
    if (value) status = covariates_of_dataset(value, &t->options.covariates, &s->dataset, NULL, e);
    free(value);
    return status;
}

void classify_print(const struct study *s)
{
    const struct study_task *t = &s->classify;
    const int *crop = t->options.crop;
    char names[COVARIATE_LIST];
    if (s->quiet) return;
    printf("classification: %s-%d of width %d, input %d x %d x %d, batch %d; %d training, %d validation, %d "
           "test cases; %d rounds of %d steps, %d seed%s\n",
           t->options.classifier.network->title, t->options.classifier.depth, t->options.classifier.base,
           crop[0], crop[1], crop[2], t->options.batch, t->trained, t->validated, t->tests, t->options.epochs,
           t->options.iterations, t->seeds, t->seeds > 1 ? "s" : "");
    covariates_list(names, &t->options.covariates);
    if (*names) printf("  beside the image: %s\n", names);
}

int classify_run(struct study *s, struct error *e)
{
    struct study_task *t = &s->classify;
    struct class_cases m = {0};
    int n = s->dataset.cases, status = 0;
    if (!t->present) return 0;
    int *usable = calloc((size_t)n + 1, sizeof *usable);
    if (!usable) status = error_set(e, "out of memory for %d cases", n);
    for (int i = 0; !status && i < n; i++)
        usable[i] = s->dataset.item[i].target >= 0 && s->item[i].role != STUDY_UNUSED;
    if (!status) status = study_task_begin(s, t, usable, s->sizes.classify_seeds, e);
    if (!status) status = load(s, &m, e);
    if (!status) classify_print(s);
    if (!status) status = study_announce(s, t, &m.train, e);
    if (!status && !s->estimate) status = run_arms(s, &m, e);
    classify_free(&m.train);
    classify_free(&m.validation);
    classify_free(&m.test);
    classify_free(&m.external);
    free(m.value);
    free(usable);
    return status;
}
