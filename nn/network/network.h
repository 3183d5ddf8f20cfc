/* network.h - the networks: a table of descriptors, each beside its code, and what they have in common.
 *
 * A network of segmentation is built from a plan (nn/plan/plan.h), one of classification from struct
 * classifier_options. A new network is a file here with its descriptor, and its line in networks.c's table:
 * nothing else in the tree names one. --network, plans.json and manifest.json go through the table.
 */
#ifndef NN_NETWORK_H
#define NN_NETWORK_H

#include <stdint.h>
#include "nn/network/network_norm.h"
#include "nn/plan/plan.h"

/* A way of planning a network: the constants of one of nnU-Net's planners. */
struct plan_preset {
    const char *name;                   /* "resenc_m": --preset NAME */
    const char *plans_name, *planner;   /* as plans.json has them */
    double reference_3d, reference_2d;  /* feature-map elements at memory_gb, for batch 2 and 12 */
    double share_2d;                    /* how many times reference_2d one example may take */
    double memory_gb;
    double covered;                     /* the part of the dataset's voxels that a batch may hold */
};

struct network_outputs {
    int heads;
    struct tensor *logits[STAGES_MAX]; /* full resolution first; without training just one */
};

/* What a network of classification is built from. */
struct classifier_options {
    int depth;               /* layers: which there are, the network tells */
    int channels, classes;
    int base;                /* width of the first stage: 64 */
    int stem7;               /* 7x7x7 stride 2 and max pooling (large images); else 3x3x3 stride 1 (28^3) */
    const struct network_norm *norm; /* NULL: the network's own */
    float dropout;           /* before the last layer; 0 none */
    int covariates;          /* numbers of a case beside its image (nn/data/covariates.h); 0 none */
    const struct network *network;
};

/* Functions of segmentation are NULL in a network that classifies, and the other way round. */
struct network {
    const char *name;                /* "unet": --network NAME; of a classifier the member of manifest.json */
    const char *title;               /* "U-Net": for people */
    const struct network_norm *norm; /* the one that it has unless another is asked for */
    void (*init)(struct model *m, uint64_t seed, struct pool *pool); /* initial weights */

    /* Segmentation: how it is planned, */
    const struct plan_preset *presets; /* the first is the one without --preset; ends with one without name */
    int encoder_blocks[4]; /* convolutions, or blocks of some, of an encoder's stage; the fourth is every
                              later stage's too */
    int decoder_blocks;    /* likewise, of any stage of the decoder */
    int encoder_block_convs, decoder_block_convs; /* convolutions of such a block */
    /* Feature maps of the size of stage s that nnU-Net's estimate counts, without the logits. */
    int (*maps)(const struct plan *p, int s);
    /* how plans.json says it, */
    const char *class_name;          /* network_class_name; its package and last word decide */
    const char *encoder_key, *decoder_key; /* of arch_kwargs: the blocks of each stage */
    const char *nonlin;              /* activation */
    int conv_bias;
    /* and how it is recorded. training: all heads of deep supervision. */
    struct network_outputs (*segment)(struct graph *g, const struct plan *p, struct tensor *x, int training);

    /* Classification: whether the numbers that this network alone reads are right, the voxels of its first
     * stage, whose width is the base, or of its last (norms see so many values a channel and case), and its
     * logits [n][1][1][1][classes]. */
    int (*check)(const struct classifier_options *o, struct error *e);
    int64_t (*stage_voxels)(const struct classifier_options *o, const int crop[3], int last);
    struct tensor *(*classify)(struct graph *g, const struct classifier_options *o, struct tensor *x,
                               struct tensor *covariates);
};

/* Every network there is; NULL-terminated. The first that segments, and the first that classifies, is its
 * task's own. */
extern const struct network *const network_table[];
const struct network *network_find(const char *name); /* NULL: none of that name */
const struct network *network_default(int classifies);
/* Names for an option's list, "unet|resenc": of networks, of their presets. */
enum { NETWORK_NAMES = 160, NETWORKS_THAT_SEGMENT = 1, NETWORKS_THAT_CLASSIFY = 2 };
void network_names(char names[NETWORK_NAMES], int which);
void network_preset_names(char names[NETWORK_NAMES]);
/* The network that has the preset of that name; NULL where there is none. */
const struct network *network_of_preset(const char *name, const struct plan_preset **preset);

/* The most weights of a network (8 GB of floats; nnU-Net's largest preset has a tenth), and the most values
 * of one feature map of a batch (256 GB). */
#define NETWORK_WEIGHTS_MAX 2147483648.0
#define NETWORK_VALUES_MAX 68719476736.0
/* Whether a plan (perhaps from a file) describes a network that can be built: stages, sizes, patch a multiple
 * of the strides, and all of it together within the limits above. Call it before the functions below, which
 * take that for granted. */
int network_plan_check(const struct plan *p, struct error *e);
/* graph_bind; where memory cannot be had, -1 with an error of what needs it, how much, and how much the
 * machine has. voxels: that the graph takes in. */
int network_bind(struct graph *g, const char *what, double voxels, struct error *e);
/* The norm that the plan asks for, and one such layer with its activation: for networks. */
const struct network_norm *network_plan_norm_of(const struct plan *p);
struct tensor *network_plan_norm(struct graph *g, const struct plan *p, const char *name, struct tensor *x,
                                 float slope);
/* training: record all deep-supervision heads. Inference graphs share the model's parameters. The first
 * recording must be with training = 1 so that all heads exist, as in nnU-Net's files. */
struct network_outputs network_segment(struct graph *g, const struct plan *p, struct tensor *x, int training);
/* A training graph, recorded but neither planned nor bound (the model may not be finished yet): image and one
 * label input per head, outputs, loss. */
struct network_training {
    struct graph *graph;
    struct tensor *image;                  /* [batch][patch][channels] */
    struct tensor *label[STAGES_MAX];      /* DT_U8, full resolution first */
    struct network_outputs out;
    struct tensor *loss;
};
/* Heads weigh 1/2^i, the coarsest 0, sum 1; without plan->deep_supervision the first alone counts. The loss
 * and the first logits are kept: they can be read after graph_forward. flags: 0 or GRAPH_BF16. */
struct network_training network_train_create(struct model *m, const struct plan *p, int flags,
                                             struct pool *pool);

/* Whether the numbers of o (perhaps from a file or the command line) make a network that can be trained on
 * batches of crops. */
enum { CLASSES_MAX = 254 };
int network_classifier_check(const struct classifier_options *o, const int crop[3], int batch,
                             struct error *e);
/* Logits [n][1][1][1][classes] of options that passed it. Covariates [n][1][1][1][o->covariates], NULL
 * without any: standardised (covariates.running_mean, covariates.running_var), they are inputs of the last
 * layer beside the pooled features; its weights of them are fc_covariates.weight, so that fc is what it is
 * without them. */
struct tensor *network_classify(struct graph *g, const struct classifier_options *o, struct tensor *x,
                                struct tensor *covariates);
/* The norm that the options ask for, and one such layer with its activation: for networks. */
const struct network_norm *network_classifier_norm_of(const struct classifier_options *o);
struct tensor *network_classifier_norm(struct graph *g, const struct classifier_options *o, const char *name,
                                       struct tensor *x, float slope);

#endif
