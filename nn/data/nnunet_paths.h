/* nnunet_paths.h - folders by nnU-Net's numbers and names, below the folders that its environment variables
 * name.
 *
 * Who comes from nnU-Net has nnUNet_raw, nnUNet_preprocessed and nnUNet_results set and says "-d 4". A path
 * that exists is always taken as it is; only what is not there is looked for.
 */
#ifndef NN_NNUNET_PATHS_H
#define NN_NNUNET_PATHS_H

#include <stddef.h>
#include "io/base/error.h"

/* The dataset that `text` means: a path that exists; else "4", "004", "Dataset004" or
 * "Dataset004_Hippocampus" in nnUNet_raw. An error that says where it was looked for; where a number has two
 * folders, it names both. */
int nnunet_find_dataset(char *buf, size_t size, const char *text, struct error *e);
/* A trained model: a path that exists; else below nnUNet_results a folder of that path, or of a dataset named
 * as above the only model folder (TRAINER__PLANS__CONFIGURATION), or with "4/3d_fullres" the one of that
 * configuration (of several that of nnUNetTrainer and nnUNetPlans), or with "4/" and its name that one. */
int nnunet_find_model(char *buf, size_t size, const char *text, struct error *e);
/* The file nnUNet_preprocessed/NAME/FILE of the dataset in the folder `dataset` (its last component is NAME),
 * where that is there: returns 1. 0 where it is not. */
int nnunet_preprocessed(char *buf, size_t size, const char *dataset, const char *file);

#endif
