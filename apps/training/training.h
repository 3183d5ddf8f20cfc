/* training.h - what `train` and `federate` share: options, data, plan, the run folder, validation at the end. */
#ifndef APPS_TRAINING_H
#define APPS_TRAINING_H

#include "apps/training/budget.h"
#include "fl/federate.h"
#include "nn/data/dataset.h"
#include "nn/plan/plan.h"
#include "nn/folder/run.h"

struct training {
    /* the command line */
    const char *command, *data, *run, *task, *configuration, *fold, *plans_file, *sites_text, *strategy, *precision,
        *optimizer, *norm, *parallel, *pretrained, *preset, *patients_file, *previous_stage;
    struct train_options options;
    struct plan_options plan_options;
    int federated, resume, quiet, threads, overwrite, validation_batches, checkpoint_every, validate_at_end, pictures, patience, probabilities;
    double lr, momentum, weight_decay, clip, oversample, dropout;
    double step;
    int mirror;
    struct budget budget;         /* --hours */

    /* what becomes of it */
    struct dataset dataset;
    struct plans plans;
    const struct plan *plan;      /* segmentation, else NULL */
    int *role;                    /* [cases] 1 training, 2 validation, 3 test, 0 none */
    int *site;                    /* [cases] index, -1 none */
    char (*site_name)[SITE_NAME_MAX];
    int sites;
    char fold_path[1200];
    struct learner_data train, validation;
    struct pool *pool;
    double start;
};

/* Runs the command: exit code. federated: --sites is there and asked for. */
int training_main(int argc, char **argv, int federated);

/* ---- training_data.c ---- */
int training_fold(struct training *t, struct error *e);  /* fills role */
int training_sites(struct training *t, struct error *e); /* fills site, site_name, sites */
int training_plan(struct training *t, struct error *e);  /* fills plans, plan; adapts options */
int training_previous(struct training *t, struct error *e); /* of a cascade: finds the maps of the first stage */
int training_load(struct training *t, struct error *e);  /* fills train, validation */

/* ---- validation.c ---- */
/* Predicts every validation (and test) case with the final weights; writes fold_K/validation and its summary. */
int training_validate(struct training *t, struct model *m, struct error *e);

#endif
