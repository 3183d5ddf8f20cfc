/* scores.h - tables of classification: one row a case, its class, its probabilities. What evaluate and
 * compare read.
 *
 * Two classes: columns case, label (0 or 1), probability (of class 1). More: probability_0, probability_1,
 * ... as predict writes them.
 */
#ifndef APPS_SCORES_H
#define APPS_SCORES_H

#include "io/base/csv.h"

enum { SCORE_CLASSES_MAX = 256 };

struct score {
    const char *id;     /* points into csv */
    int label;          /* -1 where the table has no column "label" or the cell is empty */
    double probability; /* two classes: of class 1, in [0, 1]; NaN where the table has no such column */
    const double *of;   /* [classes] where classes > 2, else NULL */
};

struct scores {
    const char *path;
    struct score *item; /* sorted by id, each id once */
    int count;
    int classes;  /* columns of probabilities; without them one more than the largest label, at least 2 */
    double *room; /* of item[].of */
    struct csv csv;
};

/* Which of label and probability must be there is the caller's to say. */
int scores_read(struct scores *s, const char *path, int need_label, int need_probability, struct error *e);
void scores_free(struct scores *s);
/* NULL if there is no such case. */
const struct score *scores_find(const struct scores *s, const char *id);

#endif
