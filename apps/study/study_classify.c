/* study_classify.c - classification of the tumour region, tested twice: in the box around the reference mask, and around the mask that the same
 * arm's segmentation found. Every arm learns from both kinds of boxes of its training cases: a predicted box is moved, too small or too
 * large, or lies on another organ, and a network that never saw such a box says nothing of use about it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/training/predictions.h"
#include "apps/base/progress.h"
#include "apps/study/study.h"
#include "nn/train/classify.h"
#include "nn/data/components.h"
#include "nn/measure/stats_auc.h"
#include "nn/folder/run.h"
#include "tensor/base/check.h"
#include "tensor/base/clock.h"
#include "tensor/base/pool.h"

void classify_design(struct study *s)
{
    const struct study_sizes *z = &s->sizes;
    struct train_options o = train_options_default(TASK_CLASSIFY);
    o.epochs = z->class_rounds;
    o.iterations = z->class_iterations;
    o.batch = z->class_batch;
    o.lr = (float)z->class_lr;
    o.augment = 2;
    o.class_weighting = 1;
    o.resnet = (struct resnet_config){.depth = z->depth, .channels = s->dataset.channels, .classes = 2, .base = z->base};
    memcpy(o.crop, z->crop, sizeof o.crop);
    o.bf16 = z->bf16;
    s->classify.options = o;
}

/* ---- the region that was predicted ---------------------------------------------------------------------------------------- */

/* Leaves only the largest connected part of a mask: a patient has one tumour here, and a box around every stray voxel would hide it. */
static int keep_largest(uint8_t *mask, const int size[3], struct error *e)
{
    const size_t n = (size_t)size[0] * size[1] * size[2];
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

/* Cases cut by the largest part of the mask that an arm predicted (the whole image where it is empty). */
static int load_predicted(struct learner_data *d, const struct study *s, int arm, int seed, const int *item, int n, struct error *e)
{
    memset(d, 0, sizeof *d);
    d->store.sample = calloc((size_t)n + 1, sizeof *d->store.sample);
    d->store.index = calloc((size_t)n + 1, sizeof *d->store.index);
    d->target = calloc((size_t)n + 1, sizeof *d->target);
    if (!d->store.sample || !d->store.index || !d->target) return error_set(e, "out of memory for %d cases", n);
    for (int k = 0; k < n; k++) {
        struct sample *v = &d->store.sample[k];
        if (dataset_load(v, &s->dataset, item[k], e)) return -1;
        d->store.cases++;
        free(v->label);
        v->label = segment_predicted(s, arm, segment_seed(s, seed), item[k], e);
        if (!v->label || keep_largest(v->label, v->size, e) || classify_prepare(v, s->classify.options.crop, 1, e)) return -1;
        d->store.index[k] = item[k];
        d->target[k] = s->dataset.item[item[k]].target;
    }
    return 0;
}

int study_trains_classifier(const struct study *s, int arm, int item)
{
    return s->item[item].role == STUDY_TRAIN && s->dataset.item[item].target >= 0 && arm_client(s, arm, s->item[item].site) >= 0;
}

static int load_predicted_training(struct learner_data *d, const struct study *s, int arm, int seed, struct error *e)
{
    int n = 0, *item = malloc(((size_t)s->dataset.cases + 1) * sizeof *item);
    if (!item) return error_set(e, "out of memory for %d cases", s->dataset.cases);
    for (int i = 0; i < s->dataset.cases; i++)
        if (study_trains_classifier(s, arm, i)) item[n++] = i;
    int status = load_predicted(d, s, arm, seed, item, n, e);
    free(item);
    return status;
}

struct prepared { /* cases of the task */
    struct learner_data train, validation, test, external; /* by their reference masks */
    int with_maps;                               /* every arm has predicted masks */
};

/* ---- test ------------------------------------------------------------------------------------------------------------------- */

static int classify_cases(double *probability, struct study *s, struct model *m, const struct learner_data *d, const char *csv, struct error *e)
{
    char path[1300];
    struct predictions p = {0};
    int n = d->store.cases, status = predictions_create(&p, n, 2, e);
    for (int i = 0; !status && i < n; i++) {
        p.id[i] = s->dataset.item[d->store.index[i]].id;
        p.label[i] = d->target[i];
    }
    if (!status) status = predictions_run(&p, &m, 1, &s->classify.options, d, s->pool, e);
    if (!status) status = study_path(path, sizeof path, s, "predictions/classification", csv, e);
    if (!status) status = predictions_write(&p, path, e);
    for (int i = 0; !status && i < n; i++) probability[i] = p.probability[2 * i + 1];
    predictions_free(&p);
    return status;
}

static int test_arm(struct study *s, struct model *m, int arm, int seed, const struct prepared *cases, const struct learner_data *piped, struct error *e)
{
    struct study_run *r = &s->classify.run[arm][seed];
    char file[80], name[140];
    double start = clock_seconds();
    study_arm_file(file, s, arm);
    snprintf(name, sizeof name, "%s_seed_%d.csv", file, seed + 1);
    if (classify_cases(r->value, s, m, &cases->test, name, e)) return -1;
    if (cases->external.store.cases > 0) {
        snprintf(name, sizeof name, "%s_seed_%d_external.csv", file, seed + 1);
        if (classify_cases(r->value + s->classify.tests, s, m, &cases->external, name, e)) return -1;
    }
    if (piped->store.cases > 0) {
        r->piped = malloc(((size_t)piped->store.cases + 1) * sizeof *r->piped);
        if (!r->piped) return error_set(e, "out of memory for %d cases", piped->store.cases);
        snprintf(name, sizeof name, "%s_seed_%d_predicted_mask.csv", file, seed + 1);
        if (classify_cases(r->piped, s, m, piped, name, e)) return -1;
    }
    r->test_seconds = clock_seconds() - start;
    return 0;
}

static void print_arm(const struct study *s, int arm, int seed)
{
    const struct study_task *t = &s->classify;
    const struct study_run *r = &t->run[arm][seed];
    char name[80];
    int *target = malloc(((size_t)t->tests + 1) * sizeof *target);
    ENSURE(target, "out of memory for %d cases", t->tests);
    for (int k = 0; k < t->tests; k++) target[k] = s->dataset.item[t->test[k]].target;
    study_arm_name(name, s, arm);
    if (!s->quiet) {
        printf("classification  %-24s seed %d  test AUC %.3f  trained %.1f s\n", name, seed + 1, stats_auc(target, r->value, t->tests), r->seconds);
        fflush(stdout);
    }
    free(target);
}

/* ---- the task ----------------------------------------------------------------------------------------------------------- */

/* One arm and seed: its cases by predicted masks live as long as it is trained and tested. */
static int run_arm(struct study *s, struct prepared *m, int arm, int seed, struct error *e)
{
    struct study_task *t = &s->classify;
    struct learner_data found = {0}, piped = {0}, train = {0};
    struct model *model = NULL;
    int status = 0;
    if (m->with_maps) status = load_predicted_training(&found, s, arm, seed, e) || load_predicted(&piped, s, arm, seed, t->test, t->tests + t->externals, e) ? -1 : 0;
    if (!status) status = learner_view_join(&train, &m->train, &found, e);
    if (!status) status = study_train(s, t, "classification", arm, seed, &train, &m->validation, &model, e);
    learner_view_free(&train);
    if (!status) status = test_arm(s, model, arm, seed, m, &piped, e);
    if (model) model_destroy(model);
    classify_free(&found);
    classify_free(&piped);
    return status;
}

static int run_arms(struct study *s, struct prepared *m, struct error *e)
{
    struct study_task *t = &s->classify;
    for (int seed = 0; seed < t->seeds; seed++)
        for (int arm = 0; arm < t->arms; arm++) {
            if (run_arm(s, m, arm, seed, e)) return -1;
            print_arm(s, arm, seed);
        }
    return 0;
}

static int load(struct study *s, struct prepared *m, const int *role, struct error *e)
{
    struct study_task *t = &s->classify;
    struct progress bar = progress_begin("cut out tumour regions", s->quiet);
    struct learner_data *part[] = {&m->train, &m->validation, &m->test, &m->external};
    static const enum study_role which[] = {STUDY_TRAIN, STUDY_VALIDATION, STUDY_TEST, STUDY_EXTERNAL};
    int status = 0;
    for (int i = 0; !status && i < 4; i++)
        status = learner_data_load(part[i], &s->dataset, &t->options, NULL, role, which[i], s->pool, progress_callback, &bar, e);
    m->with_maps = s->segment.present && !s->estimate;
    for (int k = 0; m->with_maps && k < t->tests + t->externals; k++) m->with_maps = s->dataset.item[t->test[k]].has_label_map;
    progress_end(&bar);
    size_t one = (size_t)t->options.crop[0] * (size_t)t->options.crop[1] * (size_t)t->options.crop[2] * (size_t)s->dataset.channels * sizeof(float);
    t->case_bytes = m->train.store.bytes + m->validation.store.bytes + m->test.store.bytes;
    if (m->with_maps) t->case_bytes += one * (size_t)(t->trained + t->tests + t->externals);
    return status;
}

/* Both classes at every site and in the test, or a reason why not. */
void classify_plan(struct study *s)
{
    struct study_task *t = &s->classify;
    int labelled = study_count(s, -1, STUDY_TRAIN, 0) + study_count(s, -1, STUDY_TRAIN, 1);
    if (s->skip_classify) snprintf(t->why_not, sizeof t->why_not, "left out by --task");
    else if (!labelled) snprintf(t->why_not, sizeof t->why_not, "the dataset has no labels.csv (case,label)");
    else if (s->dataset.classes != 2) snprintf(t->why_not, sizeof t->why_not, "labels.csv has %d classes; the study compares two", s->dataset.classes);
    for (int c = 0; c < 2 && !t->why_not[0]; c++) {
        if (study_count(s, -1, STUDY_TEST, c) == 0) snprintf(t->why_not, sizeof t->why_not, "no test case of class %d", c);
        for (int k = 0; k < s->sites && !t->why_not[0]; k++)
            if (study_count(s, k, STUDY_TRAIN, c) == 0)
                snprintf(t->why_not, sizeof t->why_not, "site %s has no training case of class %d", s->site_name[k], c);
    }
    t->present = !t->why_not[0];
}

void classify_print(const struct study *s)
{
    const struct study_task *t = &s->classify;
    const int *crop = t->options.crop;
    if (s->quiet) return;
    printf("classification: ResNet-%d of width %d, input %d x %d x %d, batch %d; %d training, %d validation, %d test cases; %d rounds of %d steps, %d seed%s\n",
           t->options.resnet.depth, t->options.resnet.base, crop[0], crop[1], crop[2], t->options.batch, t->trained, t->validated, t->tests,
           t->options.epochs, t->options.iterations, t->seeds, t->seeds > 1 ? "s" : "");
}

int classify_run(struct study *s, struct error *e)
{
    struct study_task *t = &s->classify;
    struct prepared m = {0};
    int n = s->dataset.cases, status = 0;
    if (!t->present) return 0;
    int *usable = calloc((size_t)n + 1, sizeof *usable), *role = calloc((size_t)n + 1, sizeof *role);
    if (!usable || !role) status = error_set(e, "out of memory for %d cases", n);
    for (int i = 0; !status && i < n; i++) {
        usable[i] = s->dataset.item[i].target >= 0 && s->item[i].role != STUDY_UNUSED;
        role[i] = usable[i] ? (int)s->item[i].role : STUDY_UNUSED;
    }
    classify_design(s);
    if (!status) status = learner_check(&t->options, NULL, e);
    if (!status) status = study_task_begin(s, t, usable, s->sizes.classify_seeds, e);
    if (!status) status = load(s, &m, role, e);
    if (!status) classify_print(s);
    if (!status) status = study_announce(s, t, &m.train, e);
    if (!status && !s->estimate) status = run_arms(s, &m, e);
    learner_data_free(&m.train);
    learner_data_free(&m.validation);
    learner_data_free(&m.test);
    learner_data_free(&m.external);
    free(usable);
    free(role);
    return status;
}
