/* crossval.h - the held-out cases of a cross-validation, their mean Dice, and nnU-Net's postprocessing
 * decided on them. Shared by postprocess and best.
 */
#ifndef NN_CROSSVAL_H
#define NN_CROSSVAL_H

#include "nn/measure/evaluation.h"
#include "nn/data/labelmap.h"
#include "nn/infer/postprocess.h"
#include "nn/folder/run.h"
#include "tensor/base/pool.h"

struct pair {
    char reference[1300], prediction[1300];
};

struct crossval_trial {   /* of one step of postprocessing */
    const char *name;     /* of the label or region; "all foreground" */
    double before, after; /* mean Dice that decides */
    int kept;
};

struct crossval {
    const struct dataset *dataset;
    struct label_index index;
    struct evaluation sets; /* labels or regions, no cases */
    struct pair *pair;
    int pairs;
    double *dice;        /* [pairs][LABELS_MAX + 1] of the last measurement */
    struct error *error; /* [pairs] */
    struct pool *pool;
    struct postprocessing steps;                 /* applied before measuring */
    struct crossval_trial trial[LABELS_MAX + 1]; /* what crossval_determine tried, in order */
    int trials;
    double before, after; /* foreground mean Dice without and with the steps that were kept */
};

/* The dataset (its labels; name: for messages) must outlive v. End it also after an error. */
int crossval_begin(struct crossval *v, const struct dataset *d, const char *name, int threads,
                   struct error *e);
void crossval_end(struct crossval *v);
/* The cases of folder/summary.json; their predictions lie beside it. ref: folder of the references, NULL:
 * where summary.json says. */
int crossval_add_folder(struct crossval *v, const char *folder, const char *ref, struct error *e);
/* Those of all validated folds of a run. A case that two of them hold out, which would count twice, is an
 * error, as it is to nnU-Net. */
int crossval_add_run(struct crossval *v, const struct run *run, const char *ref, struct error *e);
/* Mean Dice of each label over the cases, and in [0] over the labels. */
int crossval_measure(double mean[LABELS_MAX + 1], struct crossval *v, struct error *e);
/* Decides the steps by nnU-Net's rule, and writes them to the file `out`. */
int crossval_determine(struct crossval *v, const char *out, struct error *e);

#endif
