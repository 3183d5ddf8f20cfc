/* nnunet.h - a model folder as nnU-Net leaves it: plans.json, dataset.json,
 * fold_K/checkpoint_{final,best,latest}.pth. Source: nnU-Net v2.8.1 nnUNetTrainer.save_checkpoint,
 * predict_from_raw_data.py. Nothing in a checkpoint is executed (io/weights/pth.h).
 */
#ifndef NN_NNUNET_H
#define NN_NNUNET_H

#include "io/image/volume.h"
#include "io/weights/pth.h"
#include "tensor/graph/graph.h"

/* The dict of a checkpoint that holds the network. */
#define NNUNET_NETWORK "network_weights"

/* nnU-Net stores tensors under up to three names. Of a name below network_weights: the name that the network
 * here has, without the wrappers of checkpoint_plain_name, or NULL for a second name of the same tensor
 * (all_modules, decoder.encoder). */
const char *nnunet_tensor_name(const char *name);
/* Whether a network with these names has the parts of nnU-Net's, "encoder." or "decoder.". */
int nnunet_has_unet(const struct safetensors *s);
/* The network of a checkpoint, as views: out lives no longer than p. all: with what the U-Net has not, which
 * is no part of a network that is predicted with, but does no harm where weights begin from the others. */
int nnunet_network(struct safetensors *out, const struct pth *p, int all, const char *path, struct error *e);
/* Reads the network of a .pth into a finished model. */
int nnunet_read(const char *path, struct model *m, struct error *e);
/* 0, or -1 with an error where the path is a model folder, one of its folds or one of the files of nnU-Net
 * version 1 (plans.pkl, model_*.model): those networks are not read, nor are they by version 2. */
int nnunet_refuse_version_1(const char *path, struct error *e);
/* 0, or -1 with an error where nnU-Net has trained a fold there, which a training here would replace. */
int nnunet_spare(const char *folder, struct error *e);
/* Whether the probabilities beside the .pkl, which nnU-Net writes with them, lie as its reader has turned the
 * image, to RAS (NibabelIOWithReorient, SimpleITKIOWithReorient), and not as the image and the label map do.
 * No such file: they do not. */
int nnunet_turned(int *turned, const char *pkl, struct error *e);
/* Such a .pkl, of pickle protocol 2, for nnU-Net's ensemble: what the writer of any of its readers takes from
 * it. v: the geometry of the label map; turned: the probabilities lie in RAS. */
int nnunet_properties_write(const char *path, const struct volume *v, int turned, struct error *e);
/* The manifest.json of a run with this checkpoint's values and tensors: configuration, training options, and
 * under "converted_from" the folder, trainer, inference_allowed_mirroring_axes (null, none, where it has no
 * such value) and, where the network has one, the norm that the trainer has put into the place of the plan's
 * (nnUNetTrainerBN). */
struct json *nnunet_manifest(const struct json *values, const struct safetensors *tensors,
                             const char *folder);

#endif
