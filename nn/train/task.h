/* task.h - what a learner is taught: a table of descriptors, each beside its code. The loop of steps, rounds,
 * checkpoints and files (train.h, fl/federate.h) asks the descriptor wherever tasks differ.
 *
 * A new task is a file task_NAME.c here with its descriptor, and its line in task.c's table.
 */
#ifndef NN_TASK_H
#define NN_TASK_H

#include <stdint.h>
#include "io/base/error.h"
#include "tensor/graph/graph.h"

struct reading;
struct dataset;
struct learner;
struct learner_data;
struct plan;
struct train_options;
struct validation;

struct learning_task {
    const char *name;    /* "segment": --task NAME, and the word of manifest.json */
    const char *title;   /* "segmentation": for people */
    int planned;         /* its network is built from a plan and its cases have label maps; else from
                            options->classifier, and they have a class */
    double least_loss;   /* that no loss of its training is below: nnU-Net's Dice loss reaches -1 */
    /* Of what learner_validate measures: Dice; AUC or accuracy. More is better. */
    const char *(*metric)(const struct train_options *o);
    void (*defaults)(struct train_options *o); /* the constants of its training */
    int (*batch)(const struct plan *p);        /* where the options name none */
    /* Whether options and plan make a network; whether the cases are such as it takes. */
    int (*check)(const struct train_options *o, const struct plan *p, struct error *e);
    int (*check_data)(const struct train_options *o, const struct plan *p, const struct learner_data *d,
                      struct error *e);
    /* Registers the parameters and finishes the model. -1 without memory. */
    int (*model)(struct model *m, const struct train_options *o, const struct plan *p);
    /* Gives it its first weights, by all threads. */
    void (*weights)(struct model *m, const struct train_options *o, const struct plan *p, struct pool *pool);
    /* Records the network for inference on `batch` images of the plan's patch or the options' crop: the
     * logits at full resolution. Returns NULL where the graph has failed. */
    struct tensor *(*infer)(struct graph *g, const struct train_options *o, const struct plan *p, int batch,
                            struct tensor **image);

    /* Of a learner: its training graph with image, labels, output and loss; what changes with its client;
     * room for steps and validations on d; the inputs of a step; what it measures on d. */
    void (*record)(struct learner *l);
    void (*adopt)(struct learner *l);
    int (*reserve)(struct learner *l, const struct learner_data *d, struct error *e);
    void (*next_batch)(struct learner *l, uint64_t step);
    /* The inputs of case i alone, for a learner of batch 1; NULL where a step has no gradients of cases. */
    void (*one_case)(struct learner *l, uint64_t step, int i);
    /* 1 where the learner's `stop` ended it. */
    int (*validate)(struct validation *v, struct learner *l, const struct learner_data *d, int batches);

    /* Loads the cases with role[i] == which. */
    int (*load)(struct learner_data *d, const struct dataset *set, const struct train_options *o,
                const struct plan *p, const int *role, int which, const struct reading *how,
                struct error *e);
};

extern const struct learning_task task_segment, task_classify;
/* Every one there is; NULL-terminated. */
extern const struct learning_task *const task_table[];
const struct learning_task *task_find(const char *name); /* NULL: none of that name */

#endif
