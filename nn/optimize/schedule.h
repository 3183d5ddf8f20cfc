/* schedule.h - learning rates over the course of a training: a table of descriptors. A schedule is found by
 * its name wherever one is asked for: command line, manifest, checkpoint, message of a federation.
 */
#ifndef NN_SCHEDULE_H
#define NN_SCHEDULE_H

#include <stdint.h>
#include "io/base/error.h"

enum { SCHEDULE_NAMES = 80 };

double schedule_poly(double lr, double progress, double power); /* lr * (1 - progress)^power; nnU-Net 0.9 */
double schedule_cosine(double lr, double progress, double warmup); /* warmup share, then half a cosine to 0 */

/* The rate at `step` of epochs * iterations steps; lr is the largest one. */
struct schedule_method {
    const char *name;
    double (*rate)(double lr, uint64_t step, int epochs, int iterations);
};
extern const struct schedule_method poly_schedule; /* "poly": nnU-Net's, constant within an epoch */
extern const struct schedule_method cosine_schedule; /* "cosine": 5 % warmup, then half a cosine */
extern const struct schedule_method *const schedules[]; /* NULL at the end */

/* NULL if there is none of that name. */
const struct schedule_method *schedule_find(const char *name);
/* "poly|cosine|...": all names. */
void schedule_names(char names[SCHEDULE_NAMES]);
/* The schedule of that name (NULL: the field is no text) in a file, else NULL with an error that names file,
 * field and value. */
const struct schedule_method *schedule_named(const char *name, const char *file, const char *field,
                                             struct error *e);

#endif
