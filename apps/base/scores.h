/* scores.h - tables of classification: one row a case, its class, its probability. What evaluate and compare read.
 */
#ifndef APPS_SCORES_H
#define APPS_SCORES_H

#include "io/base/csv.h"

struct score {
    const char *id;      /* points into csv */
    int label;           /* 0 or 1; -1 where the table has no column "label" or the cell is empty */
    double probability;  /* of class 1, in [0, 1]; NaN where the table has no column "probability" */
};

struct scores {
    const char *path;
    struct score *item;  /* sorted by id, each id once */
    int count;
    struct csv csv;
};

/* Columns case, label, probability; which of the last two must be there is the caller's to say. */
int scores_read(struct scores *s, const char *path, int need_label, int need_probability, struct error *e);
void scores_free(struct scores *s);
/* NULL if there is no such case. */
const struct score *scores_find(const struct scores *s, const char *id);

#endif
