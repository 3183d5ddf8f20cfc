/* learner_room.h - what the tasks and train.c share of a learner's inside: for nn/train/task_*.c. */
#ifndef NN_LEARNER_ROOM_H
#define NN_LEARNER_ROOM_H

#include "nn/train/train.h"

/* GRAPH_BF16 or 0, and the examples of a batch. */
int learner_precision(const struct train_options *o);
int learner_batch(const struct train_options *o, const struct plan *p);
/* Binds a planned graph that runs in turn with the learner's: into the block of one that is as large, else
 * into memory of its own, which l->room.blocks counts. */
int learner_bind(struct learner *l, struct graph *g, struct error *e);
/* Frees l->room and l->order; the blocks stay. */
void learner_room_free(struct learner *l);

#endif
