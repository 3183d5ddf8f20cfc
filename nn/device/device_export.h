/* device_export.h - a trained network as a folder of C11 for a device: `nephron export`.
 *
 *     network.c, network.h       the network: calls with fixed offsets into one block of NETWORK_BLOCK_BYTES
 *     weights.c                  or weights.bin (floats, little-endian) with weights.S that includes it
 *     device_kernels.c and .h    the arithmetic, as the program has it
 *     main.c                     patches (behind each its covariates, where the network takes any) from
 *                                standard input, results to standard output
 *     sample.input, .logits, .result   random voxels and what the program makes of them, floats
 *                                      little-endian: a self-test
 *
 * The result of a patch has the bits of the program's fp32 inference, on every machine with IEEE floats.
 */
#ifndef NN_DEVICE_EXPORT_H
#define NN_DEVICE_EXPORT_H

#include "nn/folder/run.h"

struct device_options {
    int patch[3]; /* of a segmentation; 0: the plan's */
    int blob;     /* weights.bin instead of weights.c */
};
struct device_figures {
    int size[3], channels, outputs;         /* of the input, and the network's outputs a voxel (or a patch) */
    int steps;
    size_t block_bytes, weight_bytes, result_bytes;
    double products;                        /* multiply-adds of the direct form, a voxel of the input */
};

/* Into dir, which does not exist or is empty; it is complete afterwards, or (on errors) not there or empty.
 * m: the run's weights, of one fold. */
int device_export(struct device_figures *f, const struct run *r, struct model *m, const char *dir,
                  const struct device_options *o, struct error *e);

#endif
