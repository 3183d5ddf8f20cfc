/* study_cost.h - what becomes of a case beside the network, measured on one: reading, preparing, measuring;
 * and the clock of what the time went into. */
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

/* The time since the last call goes to the stage that ends here, which is returned; another begins. */
enum study_stage study_stage(struct study *s, enum study_stage next);
/* "data 0:31, reading and preparing 0:12, ..." of seconds by stage; those of nothing are left out. */
enum { STAGES_TEXT = 200 };
const char *study_stages(char text[STAGES_TEXT], const double seconds[STAGES]);

#endif
