/* validation.h - what the final weights of a run say of its validation cases. */
#ifndef APPS_VALIDATION_H
#define APPS_VALIDATION_H

#include "apps/training/training.h"

/* Predicts every validation (and test) case with the final weights; writes fold_K/validation and its summary.
 * A signal ends it between two cases, without a summary: t->stopped. */
int training_validate(struct training *t, struct model *m, struct error *e);
/* Removes what an earlier training's weights made of the fold's validation cases, and a cascade would train
 * with: label maps, probabilities, and the maps of a next stage. */
int training_forget_maps(const struct training *t, struct error *e);

#endif
