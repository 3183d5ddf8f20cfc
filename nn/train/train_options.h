/* train_options.h - the options of a training (struct train_options, train.h): their defaults, and as
 * JSON. */
#ifndef NN_TRAIN_OPTIONS_H
#define NN_TRAIN_OPTIONS_H

#include "io/base/json.h"
#include "nn/train/train.h"

/* nnU-Net's constants for segmentation; AdamW with a cosine schedule for classification. */
struct train_options train_options_default(const struct learning_task *task);
/* Another optimiser, with its own standard learning rate, momentum and weight decay, or the task's where it
 * is the task's own; where it is the options' already, theirs stay. */
void train_options_use(struct train_options *o, const struct optimizer_method *method);
/* These covariates, and a network that takes them. */
void train_options_covariates(struct train_options *o, const struct covariates *c);
/* What decides the bits of a run: for the manifest and for the comparison at resume. */
struct json *train_options_json(const struct train_options *o);
/* Whether it leaves out the field of that name while the default holds (precision, schedule, ema, loss, of a
 * classifier covariates): so files from before there was a choice stay equal. */
int train_options_omits(const char *field, const struct learning_task *task);
int train_options_from_json(struct train_options *o, const struct json *j, const char *name, struct error *e);

#endif
