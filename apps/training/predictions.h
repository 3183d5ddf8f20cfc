/* predictions.h - class probabilities of cases: predictions.csv and its summary. */
#ifndef APPS_PREDICTIONS_H
#define APPS_PREDICTIONS_H

#include "nn/train/train.h"

struct predictions {
    int cases, classes;
    const char **id;     /* [cases], the caller's */
    int *label;          /* [cases], -1 unknown */
    float *probability;  /* [cases][classes] */
};

int predictions_create(struct predictions *p, int cases, int classes, struct error *e);
void predictions_free(struct predictions *p);
/* Mean of the models' probabilities. 1 where stop, asked before each batch (NULL: never), was not 0: they are
 * not all there. */
int predictions_run(struct predictions *p, struct model *const *model, int models,
                    const struct train_options *o, const struct learner_data *d, struct pool *pool,
                    int (*stop)(void *), struct error *e);
/* case,label,probability (of class 1) for two classes, probability_0.. for more; without column label where
 * no label is known. */
int predictions_write(const struct predictions *p, const char *path, struct error *e);
/* Labels known and two classes: AUC, accuracy, sensitivity, specificity; one line on stdout. */
void predictions_print(const struct predictions *p, const char *path);

#endif
