/* federation_steps.h - federate --as STEP: the steps of a federation over carried files. */
#ifndef APPS_FEDERATION_STEPS_H
#define APPS_FEDERATION_STEPS_H

#include "apps/training/training_options.h"

/* Exit code: 0 done, 1 failed or refused, 2 wrong usage, 3 nothing to do yet. */
int federation_step(const struct training_arguments *a);

#endif
