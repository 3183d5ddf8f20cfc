/* training_options.h - the command lines of `train` and `federate`: what was asked for, apart from what
 * becomes of it. */
#ifndef APPS_TRAINING_OPTIONS_H
#define APPS_TRAINING_OPTIONS_H

#include <stdint.h>
#include "apps/training/federation_options.h"
#include "nn/planner/planner.h"
#include "nn/train/train.h"

enum { OPTIMIZER_HELP = 160 };

/* Texts are the command line's (or those of the manifest that --resume read, kept in `kept`). Numbers below
 * 0, and 0 where it means nothing, were not given: the task's defaults hold. */
struct training_arguments {
    const char *command;
    int federated;
    /* data and run */
    const char *data, *run, *task, *fold, *patients_file, *pretrained, *previous_stage, *sites_text;
    int resume, overwrite, strict;
    /* plan and network */
    const char *configuration, *plans_file, *network, *preset, *norm, *precision, *covariates;
    struct plan_options plan_options;
    int width, depth, base, stem7, crop[3];
    double dropout;
    /* schedule and optimiser */
    int epochs, iterations, batch, augment, weighting, patience, checkpoint_every, validation_batches;
    double hours_before; /* that a resumed training was begun with: what they chose is given by now */
    double ema, hours, lr, momentum, weight_decay, clip, oversample;
    const char *optimizer, *loss, *schedule;
    char optimizers[OPTIMIZER_NAMES], losses[LOSS_NAMES], schedules[SCHEDULE_NAMES]; /* what they may be */
    char lr_help[OPTIMIZER_HELP], weight_decay_help[OPTIMIZER_HELP]; /* with each method's standard */
    char networks[NETWORK_NAMES], presets[NETWORK_NAMES], norms[NETWORK_NORM_NAMES];
    struct federation_arguments federation;
    uint64_t seed;
    /* the validation at the end */
    int validate_at_end, pictures, probabilities, mirror;
    double step;
    const char *of_segmentation, *of_classification; /* an option that is for this task alone and was given */
    const char *of_maps; /* the same of segmentation's validation at the end */
    int quiet, threads;
    struct json *kept; /* the manifest whose texts are used, or NULL */
    char **word;       /* the command line that gives all of this at once: for the manifest */
    int words;
};

/* Returns 1 to go on; else *status is the exit code. With --resume alone, the operand is a RUN folder: its
 * manifest gives the command line that began it, and what is given now comes after it. */
int training_options_parse(struct training_arguments *a, int argc, char **argv, int federated, int *status);
void training_options_free(struct training_arguments *a);
/* What was asked for over the task's defaults. channels, classes: of the dataset. */
struct train_options training_options_complete(const struct training_arguments *a,
                                               const struct learning_task *task, int channels, int classes);

#endif
