/* manifest.h - manifest.json: how the weights of a run came about. */
#ifndef APPS_MANIFEST_H
#define APPS_MANIFEST_H

#include "apps/training/training.h"

/* RUN/manifest.json and the fold's own copy; before the first step (r NULL) and again with what became of
 * it. */
int training_manifest(const struct training *t, const struct federate_result *r, struct error *e);
double training_peak_memory(void); /* bytes */

#endif
