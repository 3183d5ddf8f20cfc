/* evaluate.h - what the parts of `nephron evaluate` share: its options. */
#ifndef APPS_EVALUATE_H
#define APPS_EVALUATE_H

#include "apps/base/grid_warnings.h"

struct evaluate {
    const char *ref, *pred, *out;
    /* Label maps. */
    const char *dataset;
    double tolerance, boundary, lesion_overlap;
    int threads, chill;
    struct grid_warnings grids; /* of reference and prediction */
    /* Tables. */
    const char *patients, *validation, *two_classes; /* the first option given that is for two classes; NULL */
    double threshold, sensitivity, prior_from, prior_to;
    int quiet;
};

/* Folders or files of label maps: evaluate_maps.c. Tables of labels and of probabilities:
 * evaluate_tables.c. */
int evaluate_maps(struct evaluate *o, struct error *e);
int evaluate_tables(const struct evaluate *o, struct error *e);

#endif
