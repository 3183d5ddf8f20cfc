/* onnx_export.h - the network of a run as an ONNX file (io/weights/onnx.h): what inference computes, for any
 * runtime.
 *
 * Input "image" [N][channels][D][H][W], output "logits". A U-Net takes any size whose axes are multiples of
 * the metadata's "divisor" (a 2D configuration: D is 1, slices are the batch) and gives logits
 * [N][classes][D][H][W]. A ResNet takes its crop, and gives logits [N][classes] and "probabilities", their
 * softmax; where it takes covariates, "covariates" [N][count] is a second input: values as the tables have
 * them in the order of the metadata's "covariates", NaN where one is missing. The names of the weights are
 * those of the parameters. The metadata tells what belongs before and after the network (JSON values):
 * channel_names, labels, spacing, patch, normalization, ...
 */
#ifndef NN_ONNX_EXPORT_H
#define NN_ONNX_EXPORT_H

#include "io/weights/onnx.h"
#include "nn/folder/run.h"
#include "tensor/graph/graph.h"

/* The operators and weights of a graph for inference, without the ends, into o; `image`, `covariates` (-1:
 * none) and `logits` are the ids of the tensors that get these names, path the file that an error names. -1
 * where an op has no form in ONNX: the error names it and its node. */
int onnx_export_graph(struct onnx *o, const struct graph *g, int image, int covariates, int logits,
                      const char *path, struct error *e);
int onnx_export(const struct run *r, const struct model *m, const char *path, struct error *e);

#endif
