/* classifier.h - the classes of cases: a classification network recorded for inference, planned once.
 *
 * A classifier may lie in the memory of another graph that runs in turn with it (a learner's training step);
 * after classifier_plan and its binding nothing is allocated.
 */
#ifndef NN_CLASSIFIER_H
#define NN_CLASSIFIER_H

#include "nn/train/learner_data.h"

/* The logits [batch][1][1][1][classes] and their inputs; *covariates NULL where the network has none. */
struct tensor *classifier_record(struct graph *g, const struct train_options *o, int batch,
                                 struct tensor **image, struct tensor **covariates);
/* Whether the data have the covariates that the network takes; the message names them. */
int classifier_check(const struct train_options *o, const struct learner_data *d, struct error *e);
/* Recorded and planned for batches of `batch` cases, not bound. On -1 there is nothing to destroy. */
int classifier_plan(struct classifier *c, struct model *m, const struct train_options *o, int batch,
                    struct pool *pool, struct error *e);
void classifier_destroy(struct classifier *c);
/* Class probabilities [cases][classes] of d, in whole batches: the rest of the last one is unread. 1 where
 * stop, asked before each batch (NULL: never), was not 0: they are not all there. */
int classifier_run(float *probability, const struct classifier *c, const struct learner_data *d,
                   int (*stop)(void *), void *arg);
/* The same of all cases of the data under the model m, planned and freed here; an error where one is not
 * finite. */
int learner_classify(float *probability, struct model *m, const struct train_options *o,
                     const struct learner_data *d, struct pool *pool, int (*stop)(void *), void *arg,
                     struct error *e);
/* Their mean over several models, summed in double and rounded once: the mean of equal ones is what each
 * says. */
int learner_classify_mean(float *probability, struct model *const *model, int models,
                          const struct train_options *o, const struct learner_data *d, struct pool *pool,
                          int (*stop)(void *), void *arg, struct error *e);

#endif
