/* onnx_export.h - the network of a run as an ONNX file (io/weights/onnx.h): what inference computes, for any runtime.
 *
 * Input "image" [N][channels][D][H][W], output "logits". A U-Net takes any size whose axes are multiples of the metadata's "divisor"
 * (a 2D configuration: D is 1, slices are the batch) and gives logits [N][classes][D][H][W]. A ResNet takes its crop, and gives logits
 * [N][classes] and "probabilities", their softmax. The names of the weights are those of the parameters. The metadata
 * tells what belongs before and after the network (JSON values): channel_names, labels, spacing, patch, normalization, ...
 */
#ifndef NN_ONNX_EXPORT_H
#define NN_ONNX_EXPORT_H

#include "nn/folder/run.h"

int onnx_export(const struct run *r, const struct model *m, const char *path, struct error *e);

#endif
