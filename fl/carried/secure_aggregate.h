/* secure_aggregate.h - the server in a masked round over carried files, for carried_aggregate.c alone. */
#ifndef FL_SECURE_AGGREGATE_H
#define FL_SECURE_AGGREGATE_H

#include "fl/carried/aggregate.h"

/* One stage of a masked round: takes its files in and, when there are enough, writes the next question.
 * CARRIED_WAITS; CARRIED_DONE: the stage is over; AGGREGATE_MEAN: the mean is in w->server, the round can
 * end. */
enum { AGGREGATE_MEAN = 10 };
int secure_aggregate(struct round_work *w, int late, char told[256], struct error *e);
/* Whether a file's name (without .safetensors) is one of a masked round's stages, of site or server; fills
 * the site's name in ("" for the server). */
int secure_file_site(char site[SITE_NAME_MAX], const char *stem);
/* The stage that is open, and whether a file belongs to it. */
int secure_open_stage(const struct carried *c, struct error *e);
int secure_file_of(int stage, const char *file);


#endif
