/* splits.h - folds as nnU-Net makes them (scikit-learn KFold(5, shuffle=True, random_state=12345) over sorted ids,
 * MT19937), and splits over sites.
 */
#ifndef NN_SPLITS_H
#define NN_SPLITS_H

#include <stdint.h>
#include "io/error.h"

/* fold_of[i] = validation fold of item i of n (n >= folds). Bit-identical to scikit-learn. */
void splits_kfold(int *fold_of, int n, int folds, uint32_t random_state);
/* NumPy's RandomState(seed).permutation(n). */
void splits_permutation(int *index, int n, uint32_t seed);
/* Training and validation ids of fold K from splits_final.json at path. Marks role[i]: 0 absent, 1 train, 2 validation. */
int splits_read(int *role, const char *const *ids, int n, const char *path, int fold, struct error *e);
/* Writes nnU-Net's splits_final.json for these ids. */
int splits_write(const char *const *ids, int n, int folds, const char *path, struct error *e);
/* Stratified assignment of n items to `sites` sites of near-equal size: strata[i] >= 0 (NULL: one stratum). Keyed by seed. */
void splits_sites(int *site, const int *strata, int n, int sites, uint64_t seed);

#endif
