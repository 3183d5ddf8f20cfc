/* predict.h - a prediction: what it was asked for, its record on disk, and the prediction of a classifier.
 * For cmd_predict.c, predict_classify.c and predict_record.c. */
#ifndef APPS_PREDICT_H
#define APPS_PREDICT_H

#include "apps/base/grid_warnings.h"
#include "apps/command/predict_cases.h"
#include "io/base/lock.h"
#include "nn/infer/segmenter.h"

struct predict {
    const char *run_path, *out, *json, *previous_stage, *folds_text, *checkpoint, *masks, *covariates, *part,
        *postprocessing, *precision;
    const char *of_segmentation, *of_classification; /* first option that is given of each task alone */
    struct option_texts inputs;
    double step, max_gb;
    int postprocess, mirror, probabilities, threads, quiet, overwrite, resume;
    int to_file;         /* OUT is the label map of the only case, not a folder */
    struct json *record; /* prediction.json as it stands */
    double written;      /* when it was last written, clock_seconds */
    struct image_choice choice;
    struct grid_warnings *grids; /* between channels, and with the map of a previous stage */
    struct run run;
    struct pool *pool;
    char folds[FOLDS_MAX][16];
    int fold_count;
    char previous[1300]; /* of a cascade: folder of the first stage's label maps */
    int stopped; /* by a signal, between two cases */
    struct folder_hold hold; /* of OUT, which two predictions at once would mix up */
};

int predict_load_images(struct sample *s, const struct predict *p, const struct image_case *c,
                        struct error *e);
/* A file that may be somebody's work is written over only with --overwrite. */
int predict_check_file(const struct predict *p, const char *path, struct error *e);
/* Of a folder without a prediction of ours: none of the names is there, or --overwrite is given. NULL ends
 * them. */
int predict_check_folder(const struct predict *p, const char *const *names, struct error *e);
/* OUT/predictions.csv. */
int predict_classify(struct predict *p, struct model **model, struct error *e);

/* Makes the folder OUT and holds it until p->hold is released, and p->record before the first case: run, hash
 * of the weights of each fold, options, the steps of postprocessing (NULL: a classification has none). Where
 * a prediction is resumed, the cases of its file are taken over, and other weights or steps are an error.
 * predict_record_write writes it. */
int predict_record_begin(struct predict *p, struct model **model, const struct postprocessing *post,
                         struct error *e);
/* Volumes of a case that is done: label [voxels] are indices. -1 when memory is out. */
int predict_record_case(const struct predict *p, const struct image_case *c, const char *path,
                        const uint8_t *label, size_t voxels, double voxel_ml);
/* Was the case done before the prediction was stopped? */
int predict_recorded(const struct predict *p, const char *id);
int predict_record_write(struct predict *p, struct error *e);
/* The same, but only where some seconds have passed since the last time: a record of many cases is long. */
int predict_record_keep(struct predict *p, struct error *e);
/* Writes the finished record, and --json. */
int predict_record_finish(struct predict *p, int cases, double seconds, struct error *e);
void predict_record_print(const struct predict *p);
/* The options of the prediction that was begun in `out`. *record keeps their texts and is to be freed after
 * p, also after an error. */
int predict_resume(struct predict *p, const char *out, struct json **record, struct error *e);
/* The first option that --resume has in prediction.json and would pass over; NULL: none is given. */
const char *predict_more_than_resume(const struct operands *o);
/* Options of the other task: told, or an error where the result would be another. */
int predict_check_task(const struct predict *p, struct error *e);
/* Covariates that cases lack, unless quiet: they get the mean of the training cases. */
struct learner_data;
void predict_tell_missing(const struct predict *p, const struct learner_data *d);
double predict_peak_bytes(void);

#endif
