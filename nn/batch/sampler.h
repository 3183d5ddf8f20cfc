/* sampler.h - which cases and patches make a batch: nnU-Net's foreground oversampling.
 * Example j of a batch is forced to hold foreground iff j >= round(batch * (1 - 0.33)); then a class present
 * in the case is drawn, then one of its stored voxels as the centre. Pure function of (seed, client, step).
 */
#ifndef NN_SAMPLER_H
#define NN_SAMPLER_H

#include "nn/prepare/case_store.h"
#include "nn/batch/augment.h"
#include "nn/prepare/preprocess.h"

struct batch_spec {
    uint64_t seed;
    uint32_t client;
    uint64_t step;
    int batch;
    int patch[3];
    float oversample;                    /* 0.33 */
    const struct augment_options *augment; /* NULL: none (validation) */
    float *scratch;                      /* sampler_scratch bytes */
};
/* Bytes that a batch of patches with so many channels (a previous stage's labels too) needs on the pool: for
 * each thread, or for each patch where these are fewer. */
size_t sampler_scratch(const int patch[3], int channels, int batch, const struct pool *pool);
/* Fills image [batch][pd][ph][pw][channels] and label [batch][pd][ph][pw] on the pool. Cases drawn with
 * replacement. */
void sampler_batch(float *image, uint8_t *label, const struct case_store *c, const struct batch_spec *b,
                   struct pool *pool);
/* Nearest-exact downsampling of label maps for deep supervision. */
void sampler_downsample(uint8_t *out, const int size_out[3], const uint8_t *in, const int size_in[3],
                        int batch);

#endif
