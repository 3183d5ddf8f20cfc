/* roles.h - what each case is for: training, validation or test. A MedMNIST file brings its own split; a
 * dataset's splits_final.json is obeyed; else nnU-Net's five folds are made, of patients where the dataset
 * tells them.
 */
#ifndef NN_ROLES_H
#define NN_ROLES_H

#include "io/base/error.h"
#include "nn/data/dataset.h"

enum { FOLDS = 5 };
enum role { ROLE_NONE = 0, ROLE_TRAIN = 1, ROLE_VALIDATION = 2, ROLE_TEST = 3 };

/* Whether a text is a fold as folders are called by it: "0", "1" and so on to "999", or "all". Whether there
 * is such a fold, the data's splits know. */
int roles_is_fold(const char *text);
/* role[i] of each case: ROLE_NONE where it has no label of the kind asked for (maps: a label map; else a
 * class). fold: roles_is_fold; of "all" everything is trained on. A patient in training and held out at once
 * is an error. */
int roles_choose(int *role, const struct dataset *d, int maps, const char *fold, struct error *e);
/* How many folds splits_final.json has, where `fold` is none of them: its cases are drawn then, as nnU-Net
 * does it, 80 % for training. -1: it is one of them, or there is no such file. */
int roles_beyond(const struct dataset *d, const char *fold);
/* folder/splits_final.json, as nnU-Net writes it, where folds are made; nothing where the data bring their
 * split. */
int roles_write(const struct dataset *d, int maps, const char *fold, const char *folder, struct error *e);

#endif
