/* run.h - a RUN folder: plans.json, dataset.json, manifest.json and fold_K/ with checkpoints. What prediction
 * and resuming read.
 *
 * manifest.json says how the weights came about; its member "training" holds the options, so that a run is
 * self-contained. A model folder that nnU-Net trained is read as it is: what a manifest would say stands in
 * its checkpoints (.pth).
 */
#ifndef NN_RUN_H
#define NN_RUN_H

#include "io/base/json.h"
#include "nn/planner/planner.h"
#include "nn/train/train_options.h"

struct run {
    char path[1024];
    struct train_options options;
    char configuration[32];
    char previous_stage[1024]; /* of a cascade: the run of its first stage, where the manifest tells; else
                                  "" */
    struct dataset dataset;     /* of dataset.json: channels and labels, no cases */
    struct plans plans;         /* segmentation */
    const struct plan *plan;    /* the configuration's; NULL for classification */
    const struct network_norm *norm; /* that its weights have in the place of the plan's, which says it too;
                                        NULL: what plans.json says */
    struct json *postprocessing; /* of a description; that of a folder is its postprocessing.json. Or NULL */
    char data_hash[65]; /* dataset_hash of what trained the fold that was trained last; "": not told */
    int cases, masked; /* of a classification of images: those that trained it, and how many of them were cut
                          to their masks; cases 0: not told */
    int mirror[3]; /* axes d, h, w that may be flipped at prediction (inference_allowed_mirroring_axes); else
                      learner_mirrors */
};

int run_open(struct run *r, const char *path, struct error *e);
void run_close(struct run *r);
/* A run without a folder: {"manifest": {"training", "configuration", ...}, "dataset": dataset.json, "plans":
 * plans.json, "postprocessing": postprocessing.json where it is}. */
struct json *run_describe(const struct run *r); /* NULL when memory is out */
int run_parse(struct run *r, const struct json *description, const char *name, struct error *e);
/* The file of a fold's weights, "RUN/fold_K/checkpoint_KIND.safetensors", else ".pth"; kind NULL: final, else
 * best, else latest. 0 if there is none. */
int run_checkpoint(char *path, size_t size, const struct run *r, const char *fold, const char *kind);
/* Weights of one fold: checkpoint is "final", "best" or "latest", NULL for the first of these that is there.
 * The caller frees the model. */
struct model *run_model(const struct run *r, const char *fold, const char *checkpoint, struct error *e);
/* Folders fold_K of the run that hold the checkpoint, K in the order of numbers; "all" only where there is no
 * other, as nnU-Net finds them. Names without "fold_"; returns how many there are, of which the first max are
 * in fold. */
int run_folds(char fold[][16], int max, const struct run *r, const char *checkpoint);
/* Was a classifier trained on a MedMNIST file? Its voxels are values from 0 to 1; those of images get mean 0
 * and standard deviation 1 (nn/train/classify.h). */
int run_of_arrays(const struct run *r);
/* The same in words, of the crop's intensities. */
const char *run_intensities(const struct run *r);
/* Is it a run or nnU-Net's model folder: plans.json or manifest.json beside folders fold_K? */
int run_is_folder(const char *folder);
/* Nothing, or the error that the folder is a run, which label maps with their plans.json would spoil. */
int run_spare(const char *folder, struct error *e);
/* Whether two options are of one network, as far as a run tells it once: task and configuration, of a
 * classifier the network, the crop and the covariates. Else an error that begins with name and ends with
 * why. */
int run_same_network(const char *name, const struct train_options *theirs, const char *their_configuration,
                     const struct train_options *o, const char *configuration, const char *why,
                     struct error *e);
/* Whether a fold's manifest.json, where it is, says the same of that, which the folds of a run share. */
int run_same_folds(const char *manifest, const struct train_options *o, const char *configuration,
                   struct error *e);
/* "fold_K" below the run. */
int run_fold_path(char *buf, size_t size, const char *run, const char *fold, struct error *e);

#endif
