/* dataset_warnings.h - what a dataset says of itself that its files, or another's, do not bear out. */
#ifndef APPS_DATASET_WARNINGS_H
#define APPS_DATASET_WARNINGS_H

#include "fl/fingerprint/site_fingerprint.h"
#include "nn/data/dataset.h"
#include "nn/train/learner_data.h"

/* On stderr; where strict an error, -1. */
int warning_tell(const char *text, int strict, struct error *e);
/* numTraining, which the planner's batch rests on, is another number than that of the cases; label maps of no
 * image. nnU-Net's verify_dataset_integrity refuses the first: told on stderr, an error where strict. */
int dataset_warn(const struct dataset *d, int strict, struct error *e);
/* Of labels.csv, for a classification: a class below the highest that no case has is an error (labels 1 and 2
 * would train three classes); cases without a row are told, an error where strict. */
int dataset_warn_classes(const struct dataset *d, int strict, struct error *e);
/* Of the cases of a classification's fold: a class that none of those for training has, and with two classes
 * one that none of those held out has, which leaves no AUC. */
int dataset_warn_fold(const struct dataset *d, const char *fold, const struct learner_data *train,
                      const struct learner_data *validation, int classes, int strict, struct error *e);
/* Of a classification: some cases are cut to their masks, and others, which have none, are not. */
int dataset_warn_masks(const struct dataset *d, const struct learner_data *train,
                       const struct learner_data *validation, int strict, struct error *e);
/* The same of the sites of a federation, by their fingerprints; all: merged. */
int dataset_warn_site_masks(const struct site_fingerprint *one, int sites, const struct site_fingerprint *all,
                            int strict, struct error *e);
/* The same of a site's cases beside those of the federation, of which so many are masked (-1: nobody
 * told). */
int dataset_warn_other_masks(const struct dataset *d, const struct learner_data *train,
                             const struct learner_data *validation, int others, int others_masked, int strict,
                             struct error *e);
/* Whether channel k of d is channel k of `other`: one of the same name at another place is an error, other
 * names are told, an error where strict. */
int dataset_same_channels(const struct dataset *d, const struct dataset *other, const char *name, int strict,
                          struct error *e);
/* Whether output k of a network for d is output k of one for `other`, so that their probabilities have a mean
 * and their Dice can be compared: a label that has another number there is an error, one that is called
 * otherwise is told. */
int dataset_same_labels(const struct dataset *d, const struct dataset *other, struct error *e);

#endif
