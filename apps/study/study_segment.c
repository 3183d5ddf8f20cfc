/* study_segment.c - segmentation: the plan from the training cases, every arm and seed trained, the test
 * cases predicted. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/measure/evaluation.h"
#include "nn/data/labelmap.h"
#include "apps/base/progress.h"
#include "nn/infer/segmenter.h"
#include "apps/study/study.h"
#include "io/base/file.h"
#include "nn/folder/run.h"
#include "nn/planner/plans_json.h"
#include "nn/train/learner_data.h"
#include "tensor/base/clock.h"
#include "tensor/base/pool.h"

/* ---- plan ---------------------------------------------------------------------------------------------- */

/* nnU-Net's planner at a budget that shrinks until the patch is small enough; a budget that nothing fits into
 * ends the search. */
static int plan_small(struct study *s, const struct fingerprint *f, struct error *e)
{
    const struct study_sizes *z = &s->sizes;
    struct plan_options o = plan_options_default();
    struct error ignored;
    if (plan_options_network(&o, s->network, NULL, e)) return -1;
    o.norm = s->norm;
    o.base_features = z->base_features;
    o.batch = z->batch;
    if (plans_make(&s->plans, f, &s->dataset, &o, e)) return -1;
    for (double gb = 8; z->patch_voxels > 0; gb *= 0.85) {
        const struct plan *p = plans_find(&s->plans, "3d_fullres", e);
        struct plans smaller = {.count = 0};
        if (!p) return -1;
        if ((double)p->patch[0] * p->patch[1] * p->patch[2] <= z->patch_voxels) break;
        o.memory_gb = gb;
        if (plans_make(&smaller, f, &s->dataset, &o, &ignored)) break;
        plans_free(&s->plans);
        s->plans = smaller;
    }
    return 0;
}

int segment_design(struct study *s, const struct fingerprint *f, struct error *e)
{
    const struct study_sizes *z = &s->sizes;
    struct train_options o = train_options_default(&task_segment);
    if (plan_small(s, f, e)) return -1;
    s->plan = plans_find(&s->plans, "3d_fullres", e);
    if (!s->plan) return -1;
    o.epochs = z->rounds;
    o.iterations = z->local_iterations;
    train_options_use(&o, z->optimizer);
    o.lr = (float)z->lr;
    o.augment = z->augment;
    o.batch = s->plan->batch;
    o.bf16 = z->bf16;
    s->segment.options = o;
    return learner_check(&s->segment.options, s->plan, e);
}

static int make_plan(struct study *s, const int *training, struct error *e)
{
    struct fingerprint f;
    char path[1300];
    struct progress bar = progress_begin("fingerprint of the training cases", s->quiet);
    const struct reading how = {.pool = s->pool, .progress = progress_callback, .arg = &bar};
    int status = fingerprint_extract(&f, &s->dataset, training, &how, e);
    progress_end(&bar);
    if (status) return -1;
    status = segment_design(s, &f, e);
    fingerprint_free(&f);
    if (status || s->estimate) return status;
    return study_path(path, sizeof path, s, "runs", "plans.json", e) ? -1 : plans_write(&s->plans, path, e);
}

/* ---- test cases ---------------------------------------------------------------------------------------- */

/* Maps of training cases lie beside the weights: they are no result, the classifier learns from them. */
static int predicted_path(char *path, size_t size, const struct study *s, int arm, int seed, int item,
                          struct error *e)
{
    char file[80], folder[200], name[ID_MAX + 24];
    int tested = s->item[item].role == STUDY_TEST || s->item[item].role == STUDY_EXTERNAL;
    study_arm_file(file, s, arm);
    snprintf(folder, sizeof folder,
             tested ? "predictions/segmentation/%s_seed_%d" : "runs/segmentation/%s_seed_%d/training_cases",
             file, seed + 1);
    snprintf(name, sizeof name, "%s%s", s->dataset.item[item].id, s->dataset.file_ending);
    return study_path(path, size, s, folder, name, e);
}

/* All foreground of a prediction in ml, the mean Dice, lesions, and 95th percentile distances: the mean of
 * the finite ones, the mean with the image's diagonal where one mask is empty, and how often that was.
 * external: counts and sums are of the test alone. */
static void keep_case(struct study_run *r, int k, const struct evaluation *ev, int external)
{
    const struct case_metrics *c = &ev->item[ev->cases - 1];
    const struct metric *distance = metric_named("HD95"), *penalised = metric_named(distance->penalised);
    struct metric_mean plain = {0}, all = {0};
    double volume = 0;
    int lesions = 0, found = 0;
    for (int l = 1; l < ev->labels; l++) {
        const struct label_metrics *m = &c->label[l];
        volume += m->overlap.volume_pred * 1e-3;
        lesions += m->lesions.ref;
        found += m->lesions.found;
        metric_mean_add(&plain, distance->value(m));
        metric_mean_add(&all, penalised->value(m));
        if (external) continue;
        r->lesions.ref += m->lesions.ref;
        r->lesions.pred += m->lesions.pred;
        r->lesions.found += m->lesions.found;
        r->lesions.false_positive += m->lesions.false_positive;
    }
    r->value[k] = evaluation_case_dice(ev, ev->cases - 1);
    r->volume[k] = volume;
    r->hd95[k] = metric_mean_value(&plain);
    r->penalised[k] = metric_mean_value(&all);
    r->found[k] = lesions ? (double)found / lesions : NAN;
    if (external) return;
    r->missed += plain.infinite;
    r->distances += plain.infinite + plain.n;
}

/* Label indices of a map on disk, malloc'ed. */
static uint8_t *read_map(const struct study *s, const char *path, struct error *e)
{
    struct label_index index;
    struct labelmap m;
    if (label_index_create(&index, &s->dataset, path, e)) return NULL;
    const int status = labelmap_read(&m, path, &index, e);
    label_index_free(&index);
    if (status) return NULL;
    return m.index; /* the rest of it owns nothing */
}

/* The test of one arm and seed. */
struct testing {
    struct study *s;
    struct segmenter *seg;   /* NULL: the cases were predicted before the study was resumed */
    struct arm_weights *weights;
    struct evaluation *ev;
    int arm, seed;
};

static int test_case(const struct testing *t, int k, struct error *e)
{
    struct study *s = t->s;
    struct segmenter *seg = t->seg;
    int item = s->segment.test[k], size[3];
    char path[1300], reference_path[1300];
    struct sample raw;
    uint8_t *label = NULL;
    if (predicted_path(path, sizeof path, s, t->arm, t->seed, item, e) ||
        dataset_label_path(reference_path, sizeof reference_path, &s->dataset, item, e) ||
        dataset_load(&raw, &s->dataset, item, NULL, e))
        return -1;
    double spacing[3];
    memcpy(size, raw.size, sizeof size);
    memcpy(spacing, raw.spacing, sizeof spacing);
    size_t voxels = (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
    uint8_t *reference = malloc(voxels);
    int status = reference ? 0 : error_set(e, "%s: out of memory", s->dataset.item[item].id);
    if (!status) memcpy(reference, raw.label, voxels);
    arm_weights_use(t->weights, s->item[item].site);
    if (!status && seg) status = segmenter_run(seg, &raw, path, NULL, NULL, &label, e);
    if (!status && !seg) status = (label = read_map(s, path, e)) ? 0 : -1;
    if (!status)
        status = evaluation_add(t->ev, s->dataset.item[item].id, reference_path, path, reference, label, size,
                                spacing, e);
    if (!status) keep_case(&s->segment.run[t->arm][t->seed], k, t->ev, k >= s->segment.tests);
    free(label);
    free(reference);
    sample_free(&raw);
    return status;
}

/* The training cases of an arm that have a class, once more: where its classifier will have to look. Without
 * mirrors, which change little. */
static int predict_training(const struct testing *t, struct error *e)
{
    struct study *s = t->s;
    struct segmenter *seg = t->seg;
    int n = s->dataset.cases, status = 0;
    struct progress bar = progress_begin("training cases for the classifier", s->quiet);
    memset(seg->sliding.mirror, 0, sizeof seg->sliding.mirror);
    for (int i = 0; !status && i < n; i++) {
        char path[1300];
        struct sample raw;
        progress_update(&bar, i, n, s->dataset.item[i].id);
        if (!study_trains_classifier(s, t->arm, i)) continue;
        if (study_stops(s)) {
            status = error_set(e, "stopped");
            break;
        }
        if (predicted_path(path, sizeof path, s, t->arm, t->seed, i, e) ||
            dataset_load(&raw, &s->dataset, i, NULL, e)) {
            status = -1;
            break;
        }
        arm_weights_use(t->weights, s->item[i].site);
        status = segmenter_run(seg, &raw, path, NULL, NULL, NULL, e);
        sample_free(&raw);
    }
    progress_end(&bar);
    return status;
}

static int test_cases(struct testing *test, struct error *e)
{
    struct study *s = test->s;
    struct study_task *t = &s->segment;
    char file[80], name[120], path[1300];
    struct evaluation ev;
    struct progress bar = progress_begin("test cases", s->quiet);
    int status = evaluation_begin(&ev, &s->dataset, 1.0, e);
    test->ev = &ev;
    for (int k = 0; !status && k < t->tests + t->externals; k++) {
        progress_update(&bar, k, t->tests + t->externals, s->dataset.item[t->test[k]].id);
        status = study_stops(s) ? error_set(e, "stopped") : test_case(test, k, e);
    }
    progress_end(&bar);
    study_arm_file(file, s, test->arm);
    snprintf(name, sizeof name, "%s_seed_%d.json", file, test->seed + 1);
    if (!status) status = study_path(path, sizeof path, s, "predictions/segmentation", name, e);
    if (!status) status = evaluation_write(&ev, path, e);
    evaluation_free(&ev);
    test->ev = NULL; /* nothing outside points here */
    return status;
}

/* What the predictions of an arm depend on, kept beside its weights when they are complete: a resumed study
 * reads them instead. */
static int tested_path(char *path, size_t size, char text[120], const struct study *s, int arm, int seed,
                       struct error *e)
{
    char file[80], folder[140];
    study_arm_file(file, s, arm);
    snprintf(folder, sizeof folder, "runs/segmentation/%s_seed_%d", file, seed + 1);
    const char *strategy = s->arm[arm].design->strategy;
    snprintf(text, 120, "weights %016" PRIx64 ", step %.9g, mirror %d, training cases %d%s\n",
             s->segment.run[arm][seed].hash, s->sizes.step, s->sizes.mirror, s->classify.present,
             strategy && strategy_find(strategy)->own ? ", weights of sites" : "");
    return study_path(path, size, s, folder, "tested.txt", e);
}

static int was_tested(const struct study *s, const char *path, const char *text)
{
    unsigned char *data;
    size_t size;
    struct error ignored;
    if (!s->resume || !file_exists(path) || file_read(path, 4096, &data, &size, &ignored)) return 0;
    int same = size == strlen(text) && memcmp(data, text, size) == 0;
    free(data);
    return same;
}

static int test_arm(struct study *s, struct model *m, int arm, int seed, struct error *e)
{
    struct segmenter seg = {
        .plan = s->plan, .dataset = &s->dataset, .bf16 = s->sizes.bf16, .sliding = {.step = s->sizes.step}};
    char path[1300], text[120];
    struct arm_weights weights;
    double start = clock_seconds();
    if (tested_path(path, sizeof path, text, s, arm, seed, e)) return -1;
    int tested = was_tested(s, path, text), status;
    for (int a = 0; a < 3; a++) seg.sliding.mirror[a] = s->sizes.mirror;
    if (arm_weights_load(&weights, s, "segmentation", arm, seed, m, e)) return -1;
    struct testing test = {s, tested ? NULL : &seg, &weights, NULL, arm, seed};
    status = tested ? 0 : segmenter_add(&seg, m, s->pool, e);
    if (!status) status = test_cases(&test, e);
    if (!status && !tested && s->classify.present) status = predict_training(&test, e);
    if (!status && !tested) status = file_write(path, text, strlen(text), e);
    segmenter_free(&seg);
    arm_weights_free(&weights);
    s->segment.run[arm][seed].test_seconds = clock_seconds() - start;
    return status;
}

int segment_seed(const struct study *s, int seed)
{
    return seed % s->segment.seeds;
}

uint8_t *segment_predicted(const struct study *s, int arm, int seed, int item, struct error *e)
{
    char path[1300];
    return predicted_path(path, sizeof path, s, arm, seed, item, e) ? NULL : read_map(s, path, e);
}

/* ---- the task ------------------------------------------------------------------------------------------ */

static void print_arm(const struct study *s, int arm, int seed)
{
    const struct study_run *r = &s->segment.run[arm][seed];
    double sum = 0;
    int n = 0;
    if (s->quiet) return;
    for (int k = 0; k < s->segment.tests; k++)
        if (isfinite(r->value[k])) sum += r->value[k], n++;
    study_print_arm("segmentation", s, arm, seed);
    printf("  test Dice %.3f  trained %.1f s  tested %.1f s\n", n ? sum / n : NAN, r->seconds,
           r->test_seconds);
    fflush(stdout);
}

static int run_arms(struct study *s, const struct learner_data *train, const struct learner_data *validation,
                    struct error *e)
{
    struct study_task *t = &s->segment;
    t->began = clock_seconds();
    for (int seed = 0; seed < t->seeds; seed++)
        for (int arm = 0; arm < t->arms; arm++) {
            struct model *m = NULL;
            if (study_train(s, t, "segmentation", arm, seed, train, validation, &m, e)) return -1;
            int status = test_arm(s, m, arm, seed, e);
            model_destroy(m);
            if (status) return -1;
            print_arm(s, arm, seed);
            study_progress(s, t, arm);
        }
    return 0;
}

void segment_print(const struct study *s)
{
    const struct study_task *t = &s->segment;
    const int *p = s->plan->patch;
    if (s->quiet) return;
    printf("segmentation: %s of %d stages, %d features first, patch %d x %d x %d, batch %d; %d training, %d "
           "validation, %d test cases\n",
           s->plan->network->title, s->plan->stages, s->plan->features[0], p[0], p[1], p[2], t->options.batch,
           t->trained, t->validated, t->tests);
    printf("  %d arms, %d seed%s, %d rounds of %d steps at each site\n", t->arms, t->seeds,
           t->seeds > 1 ? "s" : "", t->options.epochs, t->options.iterations);
}

int segment_run(struct study *s, struct error *e)
{
    struct study_task *t = &s->segment;
    int n = s->dataset.cases, trainable = 0, status = 0;
    int *usable = calloc((size_t)n + 1, sizeof *usable), *training = calloc((size_t)n + 1, sizeof *training),
        *role = calloc((size_t)n + 1, sizeof *role);
    struct learner_data train = {0}, validation = {0};
    if (!usable || !training || !role) status = error_set(e, "out of memory for %d cases", n);
    for (int i = 0; !status && i < n; i++) {
        usable[i] = s->dataset.item[i].has_label_map && s->item[i].role != STUDY_UNUSED;
        role[i] = usable[i] ? (int)s->item[i].role : STUDY_UNUSED;
        trainable += training[i] = role[i] == STUDY_TRAIN;
    }
    if (s->skip_segment) snprintf(t->why_not, sizeof t->why_not, "left out by --task");
    else if (!trainable) snprintf(t->why_not, sizeof t->why_not, "the dataset has no label maps in labelsTr");
    t->present = !status && !t->why_not[0];
    if (t->present) {
        status = study_task_begin(s, t, usable, s->sizes.segment_seeds, e);
        for (int k = 0; !status && k < s->sites; k++) {
            int cases = 0;
            for (int i = 0; i < n; i++) cases += training[i] && s->item[i].site == k;
            if (!cases)
                status = error_set(e, "%s: site %s has no training case with a label map", s->data,
                                   s->site_name[k]);
        }
        if (!status) status = make_plan(s, training, e);
        struct progress bar = progress_begin("prepare cases", s->quiet);
        const struct reading how = {.cache = s->sizes.cache ? s->out : NULL,
                                    .pool = s->pool,
                                    .progress = progress_callback,
                                    .arg = &bar};
        if (!status)
            status =
                learner_data_load(&train, &s->dataset, &t->options, s->plan, role, STUDY_TRAIN, &how, e);
        if (!status)
            status = learner_data_load(&validation, &s->dataset, &t->options, s->plan, role, STUDY_VALIDATION,
                                       &how, e);
        progress_end(&bar);
        t->case_bytes = train.store.bytes + validation.store.bytes;
        if (!status) segment_print(s);
        if (!status) status = study_announce(s, t, &train, e);
        if (!status && !s->estimate) status = run_arms(s, &train, &validation, e);
        learner_data_free(&train);
        learner_data_free(&validation);
    }
    free(usable);
    free(training);
    free(role);
    return status;
}
