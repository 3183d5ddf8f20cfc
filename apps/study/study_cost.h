/* study_cost.h - what becomes of a case beside the network, measured on one: reading, preparing, measuring.
 * */
#ifndef APPS_STUDY_STUDY_COST_H
#define APPS_STUDY_STUDY_COST_H

#include "apps/study/study.h"

/* The case that costs are measured on: of the dataset, or of the phantom that is not made yet (taken over).
 * read: processor seconds that reading it takes. */
int cost_of_case(struct study *s, struct sample *v, double read, struct error *e);
/* The same, of a training case of the dataset, unless there is one already. */
int cost_of_dataset(struct study *s, struct error *e);
void cost_free(struct study_cost *c);
/* What a task adds beside its steps to s->expected_stage: forward passes of its test take `test` seconds,
 * with all threads. Segmentation's plan is there. */
int cost_of_task(struct study *s, struct study_task *t, double train, double test, struct error *e);
/* Seconds of the tests of a task, which one thread makes, from one comparison of two arms. */
double cost_of_statistics(const struct study *s, const struct study_task *t);

#endif
