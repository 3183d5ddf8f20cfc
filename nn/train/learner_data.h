/* learner_data.h - the cases that a learner trains on, prepared, and views of some of them. */
#ifndef NN_LEARNER_DATA_H
#define NN_LEARNER_DATA_H

#include "nn/train/train.h"

/* The data of one learner, ready: preprocessed. Classification keeps every case at crop size in
 * store.prepared, class in target. */
struct learner_data {
    struct case_store store;
    int *target;                    /* [store.cases]; NULL for segmentation */
    float *covariate;               /* [store.cases][covariates], NaN where missing; NULL without any */
    int covariates;
};

/* Loads data for cases with role[i] == which. how: NULL: struct reading says. */
int learner_data_load(struct learner_data *d, const struct dataset *set, const struct train_options *o,
                      const struct plan *p, const int *role, int which, const struct reading *how,
                      struct error *e);
void learner_data_free(struct learner_data *d);
/* A view of those cases of `all` with part[i] == which. The samples stay all's; to be freed with
 * learner_view_free, also after -1: no memory. */
int learner_view(struct learner_data *view, const struct learner_data *all, const int *part, int which,
                 struct error *e);
/* A view of the cases of a, and then of those of b. */
int learner_view_join(struct learner_data *view, const struct learner_data *a, const struct learner_data *b,
                      struct error *e);
void learner_view_free(struct learner_data *view);

#endif
