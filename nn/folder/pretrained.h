/* pretrained.h - initial weights of a training from another one's file.
 */
#ifndef NN_PRETRAINED_H
#define NN_PRETRAINED_H

#include "io/base/error.h"
#include "tensor/graph/graph.h"

/* Reads a checkpoint of ours or another .safetensors, a .npz, or a .pth (nnU-Net's, or a state_dict) over the
 * drawn weights of m, a network with that many classes. Last layers of another number of classes (their first
 * axis) stay as they are, *drawn counts these tensors: a network of other labels goes on with the rest.
 * Everything else has to fit; an error names file and tensor and leaves m as it was. */
int pretrained_read(const char *path, struct model *m, int classes, int *drawn, struct error *e);

#endif
