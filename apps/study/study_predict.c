/* study_predict.c - the cases of a trained arm segmented and measured several at a time, each by one thread
 * from reading to writing: reading, resampling, packing and distances of surfaces have no threads, and with
 * one network on all threads the others would wait for them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/interrupt.h"
#include "apps/base/progress.h"
#include "apps/study/study.h"
#include "apps/study/study_cost.h"
#include "io/base/file.h"
#include "nn/data/labelmap.h"
#include "nn/infer/segmenter.h"
#include "nn/measure/evaluation.h"
#include "tensor/base/clock.h"
#include "tensor/base/pool.h"

/* ---- files --------------------------------------------------------------------------------------------- */

static int is_tested(const struct study *s, int item)
{
    return s->item[item].role == STUDY_TEST || s->item[item].role == STUDY_EXTERNAL;
}

/* OUT/predictions/... of test cases; maps of training cases lie beside the weights: they are no result, the
 * classifier learns from them. */
static int folder_of(char *path, size_t size, const struct study *s, int tested, int arm, int seed,
                     struct error *e)
{
    char file[80], folder[200];
    study_arm_file(file, s, arm);
    snprintf(folder, sizeof folder,
             tested ? "predictions/segmentation/%s_seed_%d" : "runs/segmentation/%s_seed_%d/training_cases",
             file, seed + 1);
    return file_join(path, size, s->out, folder, e);
}

static int predicted_path(char *path, size_t size, const struct study *s, int arm, int seed, int item,
                          struct error *e)
{
    char folder[1300], name[ID_MAX + 24];
    snprintf(name, sizeof name, "%s%s", s->dataset.item[item].id, s->dataset.file_ending);
    return folder_of(folder, sizeof folder, s, is_tested(s, item), arm, seed, e)
               ? -1
               : file_join(path, size, folder, name, e);
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

uint8_t *segment_predicted(const struct study *s, int arm, int seed, int item, struct error *e)
{
    char path[1300];
    return predicted_path(path, sizeof path, s, arm, seed, item, e) ? NULL : read_map(s, path, e);
}

/* ---- what was predicted before the study was resumed --------------------------------------------------- */

/* What the maps of an arm depend on. It lies beside the weights before the first map is written: maps that
 * are there are of these weights, and each is whole. */
static int describe_maps(char *path, size_t size, char text[120], const struct study *s, int arm, int seed,
                         struct error *e)
{
    char folder[1300];
    const char *strategy = s->arm[arm].design->strategy;
    snprintf(text, 120, "weights %016" PRIx64 ", step %.9g, mirror %d%s\n", s->segment.run[arm][seed].hash,
             s->sizes.step, s->sizes.mirror,
             strategy && strategy_find(strategy)->own ? ", weights of sites" : "");
    if (study_arm_folder(folder, sizeof folder, s, "segmentation", arm, seed, e)) return -1;
    return file_join(path, size, folder, "predictions.txt", e);
}

static int is_described(const char *path, const char *text)
{
    unsigned char *data;
    size_t size;
    struct error ignored;
    if (!file_exists(path) || file_read(path, 4096, &data, &size, &ignored)) return 0;
    const int same = size == strlen(text) && memcmp(data, text, size) == 0;
    free(data);
    return same;
}

/* Makes the folders of the maps; what is there of other weights goes. */
static int begin_maps(const struct study *s, int arm, int seed, struct error *e)
{
    char path[1300], text[120], map[1300];
    if (describe_maps(path, sizeof path, text, s, arm, seed, e)) return -1;
    for (int tested = !s->classify.present; tested < 2; tested++)
        if (folder_of(map, sizeof map, s, tested, arm, seed, e) || file_mkdirs(map, e)) return -1;
    if (s->resume && is_described(path, text)) return 0;
    if (file_remove(path, e)) return -1;
    for (int i = 0; i < s->dataset.cases; i++)
        if (predicted_path(map, sizeof map, s, arm, seed, i, e) || file_remove(map, e)) return -1;
    return file_write(path, text, strlen(text), e);
}

/* ---- cases side by side -------------------------------------------------------------------------------- */

struct predicting {
    struct study *s;
    struct segmenter *seg;       /* [threads], each with a network that runs on its thread */
    struct arm_weights *weights; /* of all of them */
    int arm, seed;
    const int *item;             /* [items] of the dataset */
    int items;
    int *order;                  /* [items] positions in item, by site */
    struct evaluation *ev;       /* of item; NULL: nothing is measured */
    int first, turn;             /* the jobs of this turn begin at order[first]; at most so many */
    struct error *error;         /* [turn] */
};

static int stop_wanted(void *arg, int done, int of)
{
    (void)arg, (void)done, (void)of;
    return interrupt_signal() != 0;
}

/* Segments a case whose map is not there yet. *label: the map, where the cases are measured. */
static int predict(uint8_t **label, const struct predicting *p, struct segmenter *seg, struct sample *raw,
                   const char *path, struct error *e)
{
    if (!file_exists(path)) return segmenter_run(seg, raw, path, NULL, NULL, p->ev ? label : NULL, e);
    return !p->ev || (*label = read_map(p->s, path, e)) ? 0 : -1;
}

/* All foreground of a prediction, as of the reference (study_data.c): regions share voxels, and a sum over
 * them would count some twice. Ignored voxels are of neither. */
static double foreground_ml(const uint8_t *label, const uint8_t *reference, size_t voxels,
                            const double spacing[3])
{
    size_t inside = 0;
    for (size_t i = 0; i < voxels; i++) inside += label[i] != 0 && reference[i] != LABEL_IGNORE;
    return (double)inside * spacing[0] * spacing[1] * spacing[2] * 1e-3;
}

static int predict_case(const struct predicting *p, struct segmenter *seg, int k, struct error *e)
{
    const struct study *s = p->s;
    const int item = p->item[k];
    char path[1300], reference_path[1300];
    struct sample raw;
    uint8_t *label = NULL, *reference = NULL;
    if (predicted_path(path, sizeof path, s, p->arm, p->seed, item, e)) return -1;
    if (!p->ev && file_exists(path)) return 0;
    if (dataset_label_path(reference_path, sizeof reference_path, &s->dataset, item, e) ||
        dataset_load(&raw, &s->dataset, item, NULL, e))
        return -1;
    int size[3], status = 0;
    double spacing[3];
    memcpy(size, raw.size, sizeof size);
    memcpy(spacing, raw.spacing, sizeof spacing);
    const size_t voxels = (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
    if (p->ev && !(reference = malloc(voxels)))
        status = error_set(e, "%s: out of memory", s->dataset.item[item].id);
    if (reference) memcpy(reference, raw.label, voxels);
    if (!status) status = predict(&label, p, seg, &raw, path, e);
    if (!status && p->ev)
        status = evaluation_set(p->ev, k, s->dataset.item[item].id, reference_path, path, reference, label,
                                size, spacing, e);
    if (!status && p->ev)
        s->segment.run[p->arm][p->seed].volume[k] = foreground_ml(label, reference, voxels, spacing);
    free(label);
    free(reference);
    sample_free(&raw);
    return status;
}

static void predict_job(void *arg, int job, int thread)
{
    const struct predicting *p = arg;
    struct error *e = &p->error[job];
    e->text[0] = 0;
    const int status = interrupt_signal() ? error_set(e, "stopped")
                                          : predict_case(p, &p->seg[thread], p->order[p->first + job], e);
    if (!status) e->text[0] = 0;
    else if (!e->text[0]) error_set(e, "a case was not segmented");
}

/* By site: the weights change between sites, where these have their own. */
static void sort_cases(const struct predicting *p)
{
    int n = 0;
    for (int site = -1; site < p->s->sites; site++)
        for (int k = 0; k < p->items; k++)
            if (p->s->item[p->item[k]].site == site) p->order[n++] = k;
}

/* Jobs of the next turn: of one site, where sites have their own weights. */
static int next_turn(const struct predicting *p)
{
    const int left = p->items - p->first, most = left < p->turn ? left : p->turn;
    const int *order = p->order + p->first, site = p->s->item[p->item[order[0]]].site;
    int jobs = 1;
    arm_weights_use(p->weights, site);
    while (jobs < most && (!p->weights->global || p->s->item[p->item[order[jobs]]].site == site)) jobs++;
    return jobs;
}

static int predict_cases(struct predicting *p, const char *title, struct error *e)
{
    struct study *s = p->s;
    int status = 0;
    p->turn = pool_turn(s->pool);
    p->order = malloc(((size_t)p->items + 1) * sizeof *p->order);
    p->error = calloc((size_t)p->turn, sizeof *p->error);
    if (!p->order || !p->error) status = error_set(e, "out of memory for %d cases", p->items);
    else sort_cases(p);
    struct progress bar = progress_begin(title, s->quiet);
    for (int jobs = p->first = 0; !status && p->first < p->items; p->first += jobs) {
        progress_update(&bar, p->first, p->items, s->dataset.item[p->item[p->order[p->first]]].id);
        jobs = next_turn(p);
        pool_take(s->pool, jobs, predict_job, p);
        for (int j = 0; !status && j < jobs; j++)
            if (p->error[j].text[0]) status = error_set(e, "%s", p->error[j].text);
        if (study_stops(s)) status = error_set(e, "stopped"); /* a job's error may be no more than that */
    }
    progress_end(&bar);
    free(p->order);
    free(p->error);
    return status;
}

/* ---- an arm -------------------------------------------------------------------------------------------- */

/* The mean Dice, lesions, and 95th percentile distances: the mean of the finite ones, the mean with the
 * image's diagonal where one mask is empty, and how often that was. external: counts and sums are of the test
 * alone. */
static void keep_case(struct study_run *r, int k, const struct evaluation *ev, int external)
{
    const struct case_metrics *c = &ev->item[k];
    const struct metric *distance = metric_named("HD95"), *penalised = metric_named(distance->penalised);
    struct metric_mean plain = {0}, all = {0};
    int lesions = 0, found = 0;
    for (int l = 1; l < ev->labels; l++) {
        const struct label_metrics *m = &c->label[l];
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
    r->value[k] = evaluation_case_dice(ev, k);
    r->hd95[k] = metric_mean_value(&plain);
    r->penalised[k] = metric_mean_value(&all);
    r->found[k] = lesions ? (double)found / lesions : NAN;
    if (external) return;
    r->missed += plain.infinite;
    r->distances += plain.infinite + plain.n;
}

/* Measured into the run and into predictions/segmentation/ARM_seed_K.json. */
static int test_cases(struct predicting *p, struct error *e)
{
    struct study *s = p->s;
    const struct study_task *t = &s->segment;
    char file[80], name[120], path[1300];
    struct evaluation ev;
    p->item = t->test;
    p->items = t->tests + t->externals;
    p->ev = &ev;
    int status = evaluation_begin(&ev, &s->dataset, 1.0, e);
    if (!status) status = evaluation_expect(&ev, p->items, e);
    if (!status) status = predict_cases(p, "test cases", e);
    for (int k = 0; !status && k < p->items; k++)
        keep_case(&t->run[p->arm][p->seed], k, &ev, k >= t->tests);
    study_arm_file(file, s, p->arm);
    snprintf(name, sizeof name, "%s_seed_%d.json", file, p->seed + 1);
    if (!status) status = study_path(path, sizeof path, s, "predictions/segmentation", name, e);
    if (!status) status = evaluation_write(&ev, path, e);
    evaluation_free(&ev);
    p->ev = NULL; /* nothing outside points here */
    return status;
}

/* The training cases of the arm that have a class: where its classifier will have to look. Without mirrors,
 * which change little. */
static int training_cases(struct predicting *p, struct error *e)
{
    const struct study *s = p->s;
    int *item = malloc(((size_t)s->dataset.cases + 1) * sizeof *item);
    if (!item) return error_set(e, "out of memory for %d cases", s->dataset.cases);
    p->items = 0;
    for (int i = 0; i < s->dataset.cases; i++)
        if (study_trains_classifier(s, p->arm, i)) item[p->items++] = i;
    p->item = item;
    for (int k = 0; k < pool_threads(s->pool); k++)
        memset(p->seg[k].sliding.mirror, 0, sizeof p->seg[k].sliding.mirror);
    const int status = predict_cases(p, "training cases for the classifier", e);
    free(item);
    p->item = NULL;
    return status;
}

/* A network for each thread. */
static int make_segmenters(struct predicting *p, struct model *m, struct error *e)
{
    const struct study *s = p->s;
    const int threads = pool_threads(s->pool);
    p->seg = calloc((size_t)threads, sizeof *p->seg);
    if (!p->seg) return error_set(e, "out of memory for %d networks", threads);
    int status = 0;
    for (int k = 0; !status && k < threads; k++) {
        struct segmenter *seg = &p->seg[k];
        *seg = (struct segmenter){.plan = s->plan,
                                  .dataset = &s->dataset,
                                  .bf16 = s->sizes.bf16,
                                  .sliding = {.step = s->sizes.step, .progress = stop_wanted}};
        for (int a = 0; a < 3; a++) seg->sliding.mirror[a] = s->sizes.mirror;
        status = segmenter_add(seg, m, NULL, e);
    }
    return status;
}

int segment_test(struct study *s, struct model *m, int arm, int seed, struct error *e)
{
    struct arm_weights weights;
    struct predicting p = {.s = s, .weights = &weights, .arm = arm, .seed = seed};
    const double start = clock_seconds();
    const enum study_stage before = study_stage(s, STAGE_TEST);
    if (begin_maps(s, arm, seed, e) || arm_weights_load(&weights, s, "segmentation", arm, seed, m, e))
        return -1;
    int status = make_segmenters(&p, m, e);
    if (!status) status = test_cases(&p, e);
    if (!status && s->classify.present) status = training_cases(&p, e);
    for (int k = 0; p.seg && k < pool_threads(s->pool); k++) segmenter_free(&p.seg[k]);
    free(p.seg);
    arm_weights_free(&weights);
    s->segment.run[arm][seed].test_seconds = clock_seconds() - start;
    study_stage(s, before);
    return status;
}
