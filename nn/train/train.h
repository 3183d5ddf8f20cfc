/* train.h - one learner: a model, its optimiser, its data, its step. Centralised training has one, federated
 * training has one a client.
 *
 * A task hides what differs between segmentation and classification. The loop (epochs, validation,
 * checkpoints) is fl/federate.c, for one learner as for many: training alone is a federation of one site.
 * nn/folder/run.h reads the folder that it leaves.
 */
#ifndef NN_TRAIN_H
#define NN_TRAIN_H

#include "nn/prepare/case_store.h"
#include "nn/batch/augment.h"
#include "nn/optimize/losses.h"
#include "nn/optimize/optimizer.h"
#include "nn/train/task.h"
#include "nn/optimize/schedule.h"
#include "nn/optimize/weight_average.h"
#include "nn/data/covariates.h"
#include "nn/prepare/preprocess.h"
#include "nn/network/network.h"

struct learner_data; /* learner_data.h */

enum { CROP_MAX = 1024 };

struct train_options {
    const struct learning_task *task;
    int bf16; /* activations and their gradients in bf16; weights, statistics and the optimiser stay fp32 */
    uint64_t seed;
    int epochs, iterations;         /* E epochs of I iterations */
    float lr;                       /* 0: the task's default (segment 0.01, classify 1e-3) */
    const struct schedule_method *schedule; /* NULL: the task's default (segment poly, classify cosine) */
    const struct optimizer_method *optimizer;
    float momentum, weight_decay, clip;
    double ema;                     /* decay of the average of weights (weight_average.h); 0: none */
    float oversample;
    const struct loss_method *loss; /* segmentation (NULL: the first of losses); classification has its own:
                                       NULL */
    int augment;                    /* 0 none, 1 mirroring and intensity, 2 the full table */
    int batch;                      /* 0: from the plan (classify: 32) */
    struct classifier_options classifier; /* classification */
    int crop[3];                    /* classification: input size, up to CROP_MAX; 28,28,28 */
    int class_weighting;            /* classification: inverse frequency */
    struct covariates covariates;   /* classification; classifier.covariates of them */
    const char *covariates_file;    /* table of their values; NULL: those of the dataset */
};

/* Classification: the shuffle of one pass over the cases, kept between steps (classify.h). */
struct class_order {
    int *index;                     /* [at least cases], the learner's */
    int cases;
    uint32_t client;
    uint64_t pass;
};

/* A classification network for inference (classifier.h), for `batch` cases a pass. */
enum { CLASSIFIER_BATCH = 32 }; /* the most */
struct classifier {
    struct graph *graph;
    struct tensor *image, *covariates, *softmax; /* covariates: or NULL */
    int batch, classes;
};

/* What steps and validations need beside the block of the graph, planned before them. */
struct learner_room {
    float *patches;                 /* segmentation: what augmentation needs, for each thread */
    int cases;                      /* classification, of the largest data that was reserved: */
    float *probability;             /* [cases][classes] */
    double *score;                  /* [cases] */
    void *ranks;                    /* stats_auc_bytes(cases) */
    size_t bytes;                   /* of all this, and of the order of the cases */
    size_t blocks; /* of the graphs: the step's, and of those that validate and do not fit into it */
};

struct learner {
    const struct train_options *options;
    const struct plan *plan;        /* segmentation */
    const struct learner_data *data;
    struct model *model;            /* not owned: the caller's */
    struct graph *graph;
    struct tensor *image, *covariates, *label[STAGES_MAX], *loss, *output; /* covariates: or NULL */
    int heads;
    /* takes the steps: a site's, or the learner's own; NULL until there is one */
    struct optimizer *optimizer;
    struct optimizer *own;          /* learner_own_optimizer's, or NULL */
    struct weight_average *average; /* takes in the weights of each step; the caller's, or NULL */
    uint32_t client;                /* rng key; 0 for centralised training and for client 0 */
    struct pool *pool;
    struct class_order order;
    struct classifier
        classifier[CLASSIFIER_BATCH + 1]; /* by batch, those that validate: in the memory of the step */
    struct learner_room room;
    int (*stop)(void *arg); /* asked before each batch of a validation: not 0 ends it; may be NULL */
    void *stop_arg;
};

/* The axes d, h, w that a network of these options knows mirrored, so that a prediction may be the mean over
 * mirror images (nnU-Net's inference_allowed_mirroring_axes): those of the plan (NULL: all), none where the
 * training does without (augment 0). */
void learner_mirrors(int mirror[3], const struct train_options *o, const struct plan *p);
/* Whether options and plan (perhaps from files) make a network. Call it before the functions below. */
int learner_check(const struct train_options *o, const struct plan *p, struct error *e);
/* A finished model of the task's parameters; initial weights from options->seed, mean, variance and first
 * weights of the covariates from the options. NULL without memory. */
struct model *learner_model(const struct train_options *o, const struct plan *p);
/* The same without its weights, for those of a file, or of the task's weights() on a pool. */
struct model *learner_layout(const struct train_options *o, const struct plan *p);
/* Graph planned and bound; the optimiser is still to be given. The optimiser and the model's weights may be
 * exchanged between steps, data and client by learner_switch: one graph serves many clients. Returns -1 with
 * a message if memory cannot be had. */
int learner_create(struct learner *l, const struct train_options *o, const struct plan *p,
                   const struct learner_data *data, struct model *m, uint32_t client, struct pool *pool,
                   struct error *e);
/* Room to train and validate on d: afterwards, its steps and validations allocate nothing. learner_create
 * reserves for its own data; -1 with a message if memory cannot be had. */
int learner_reserve(struct learner *l, const struct learner_data *d, struct error *e);
/* Exact bytes of its steps and validations: the blocks of the graphs, and the room beside them; without model
 * and optimiser. */
size_t learner_bytes(const struct learner *l);
/* A fresh optimiser of the method and constants that the options ask for (optimizer_init). */
int optimizer_init_for(struct optimizer *o, const struct train_options *t, const struct model *m,
                       struct error *e);
/* Gives the learner such a one, which is freed with it. */
int learner_own_optimizer(struct learner *l, struct error *e);
/* The model stays. */
void learner_destroy(struct learner *l);
/* The learner becomes another client: its data (checked by learner_create's rules, and reserved, before),
 * random numbers and class weights. */
void learner_switch(struct learner *l, const struct learner_data *data, uint32_t client);
/* One iteration with global number `step` (its batch, augmentation and dropout are functions of it). Returns
 * the loss. */
double learner_step(struct learner *l, uint64_t step, float lr);
/* Its two halves, for who changes the gradient (model->grad) between them: forward and backward, then the
 * optimiser. */
double learner_backward(struct learner *l, uint64_t step);
/* A learner of batch 1 whose task has one_case: the gradient of case i alone, into model->grad, which is
 * zeroed. Augmentation and dropout are functions of `step`. */
double learner_backward_case(struct learner *l, int i, uint64_t step);
void learner_update(struct learner *l, float lr);
/* Learning rate at iteration `step` of options->epochs * iterations, by the schedule of the options. */
float learner_lr(const struct train_options *o, uint64_t step);

/* Fast validation. Segmentation: mean foreground pseudo-Dice over `batches` batches of patches, the same ones
 * at each call (nnU-Net's online metric); classification: AUC (two classes; else accuracy) over all cases of
 * d. loss: mean loss. NaN where undefined: a Dice without a voxel in reference or prediction (left out of the
 * mean), an AUC of one class.
 * Returns 1 where l->stop ended it, which leaves no figures; -1 with a message. */
struct validation {
    double loss;
    double metric;                  /* mean foreground Dice, or AUC */
    double dice[LABELS_MAX];        /* segmentation: of each foreground label or region */
};
int learner_validate(struct validation *v, struct learner *l, const struct learner_data *d, int batches,
                     struct error *e);

#endif
