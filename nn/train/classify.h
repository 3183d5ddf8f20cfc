/* classify.h - the data side of classification: cases of one size, and the batches made of them.
 *
 * A case of an nnU-Net dataset is cut to the bounding box of its mask's foreground, plus 10 % and 2 voxels on
 * each side (the whole image where there is no mask), and resampled linearly to options->crop; then each
 * channel gets mean 0 and standard deviation 1. A case of an .npz is taken as it is (values 0 to 1), and
 * resampled only where its size differs.
 */
#ifndef NN_CLASSIFY_H
#define NN_CLASSIFY_H

#include "nn/train/train.h"

/* learner_data_load and learner_data_free of classification. Covariates come from the tables of the dataset,
 * or from o->covariates_file. */
int classify_load(struct learner_data *d, const struct dataset *set, const struct train_options *o,
                  const int *role, int which, const struct reading *how, struct error *e);
void classify_free(struct learner_data *d);
/* How many of the cases were cut to their masks; first: the first that was not, -1 where there is none. */
int classify_masked(int *first, const struct learner_data *d);
/* One case: crop to the mask, resample, normalise (0: not, as for an .npz). Without a label map: the network
 * does not see it. After an error there is nothing in out. */
int classify_prepare(struct prepared *out, const struct sample *s, const int crop[3], int zscore,
                     struct error *e);

/* Batch number `step` of a client: position p = step*batch + j is entry p % cases of the shuffle of pass p /
 * cases, so that each pass sees each case once. With options->augment 1: mirrored on every axis, scaled and
 * shifted in intensity, noise; 2: moved by up to 3 voxels as well. image [batch][crop][channels],
 * covariates [batch][d->covariates] (NULL without any), label [batch]; order->index has room for all
 * cases. */
void classify_batch(float *image, float *covariates, uint8_t *label, const struct learner_data *d,
                    const struct train_options *o, uint32_t client, uint64_t step, int batch,
                    struct class_order *order, struct pool *pool);
/* Case i alone, augmented by the stream of `step`. */
void classify_case(float *image, float *covariates, uint8_t *label, const struct learner_data *d,
                   const struct train_options *o, uint32_t client, uint64_t step, int i);
/* n / (classes * n_c) of each class, 0 for absent ones. */
void classify_weights(float *weight, int classes, const struct learner_data *d);

#endif
