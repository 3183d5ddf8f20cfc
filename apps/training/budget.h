/* budget.h - a network and a number of iterations for a time limit on this machine, from measured steps:
 * --hours of plan and train. */
#ifndef APPS_BUDGET_H
#define APPS_BUDGET_H

#include "nn/plan/fingerprint.h"
#include "nn/planner/planner.h"
#include "nn/train/train.h"

struct budget {
    /* asked for */
    double hours;
    double spent;            /* seconds that are gone already */
    int fixed_features;      /* the base features are given: only the batch is open */
    int fixed_precision;     /* as the options say; else bf16 where a step is faster so */
    int fixed_augment;       /* as the options say; else all of it from 8000 iterations on */
    int validation_batches;  /* as asked: budget_validation_batches */
    int validation_cases;    /* predicted at the end; 0: none */
    double window_step;
    int mirror;
    /* chosen */
    int base_features, batch, epochs, iterations, bf16, augment;
    double step_seconds, training_seconds, validation_seconds;
};

/* What a training of hours wants, where nothing else is asked for: AdamW from 0.001 on; of the augmentation
 * mirrors and intensities, to begin with (docs/results.md has the measurements). */
void budget_recipe(struct train_options *o);
/* Plans of f with nnU-Net's patch and the first of these that the time is enough for: its features and batch
 * with 25000 iterations; batch 2, and its features with 4000 iterations, half of them with 500, a quarter.
 * Steps of real size are measured, augmentation included. */
int budget_plans(struct budget *b, struct plans *p, const struct fingerprint *f, const struct dataset *d,
                 const struct plan_options *o, const char *configuration, const struct train_options *t,
                 struct pool *pool, struct error *e);
/* The iterations that a given plan gets. */
int budget_fit(struct budget *b, const struct plan *p, const struct train_options *t, struct pool *pool,
               struct error *e);
/* Batches of validation an epoch: as asked, or of less than 0 a fifth as many as of training, 50 at most. */
int budget_validation_batches(int asked, int iterations);
/* A case of noise a quarter larger than the patch, with some foreground of each kind, to measure steps with;
 * learner_data_free, also after -1 (out of memory). */
int budget_case(struct learner_data *data, const struct plan *p);
void budget_print(const struct budget *b);

#endif
