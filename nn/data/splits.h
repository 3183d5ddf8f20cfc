/* splits.h - folds as nnU-Net makes them (scikit-learn KFold(5, shuffle=True, random_state=12345) over sorted
 * ids, MT19937), and splits over sites. Functions that return int give -1 where memory is out.
 */
#ifndef NN_SPLITS_H
#define NN_SPLITS_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

/* NumPy's RandomState: MT19937 (Matsumoto and Nishimura 1998) seeded by init_genrand, drawn as NumPy's legacy
 * functions do. Only what has to repeat nnU-Net's choices uses it; everything of ours uses
 * tensor/base/rng.h. */
struct random_state {
    uint32_t key[624];
    int next;
};
void random_state_seed(struct random_state *r, uint32_t seed);
uint32_t random_state_u32(struct random_state *r);
/* Uniform in [0, max], by masked rejection: random_interval and randint of NumPy for max < 2^32. */
uint32_t random_state_interval(struct random_state *r, uint32_t max);
/* times[v]++ for each v of `draws` of these; times has room for random_state_count_room(max) values, of which
 * those beyond max mean nothing afterwards. */
void random_state_count(struct random_state *r, uint32_t *times, uint32_t max, int draws);
size_t random_state_count_room(uint32_t max);
/* The beginning that counts of so many draws from one seed have in common, whatever their max: how often each
 * value came up to a few places in the stream, kept once for all of them. */
enum { PREFIX_PLACES = 8, PREFIX_VALUES = 16384 };
struct random_prefix {
    struct random_state first, at[PREFIX_PLACES];
    uint32_t (*times)[PREFIX_VALUES]; /* [place]: of the values' low bits; NULL for too few counts to pay */
    int draws;
};
int random_prefix_create(struct random_prefix *p, uint32_t seed, int draws, int counts);
void random_prefix_free(struct random_prefix *p);
/* random_state_count of p's draws from p's seed; times is 0 before. r becomes the state after it. */
void random_prefix_count(const struct random_prefix *p, struct random_state *r, uint32_t *times,
                         uint32_t max);
/* RandomState.shuffle of n values. */
void random_state_shuffle(struct random_state *r, int32_t *value, int32_t n);

/* fold_of[i] = validation fold of item i of n (n >= folds). Bit-identical to scikit-learn. */
int splits_kfold(int *fold_of, int n, int folds, uint32_t random_state);
/* Numbers the distinct values of patient[n] (>= 0) 0, 1, ... in their order, into index. Returns how many
 * there are, or -1. */
int splits_patients(int *index, const int *patient, int n);
/* splits_kfold of the patients: items of one patient share a fold. With a patient for each item it is
 * splits_kfold of the items. */
int splits_kfold_patients(int *fold_of, const int *patient, int n, int folds, uint32_t random_state);
/* NumPy's RandomState(seed).permutation(n). */
void splits_permutation(int *index, int n, uint32_t seed);
/* nnU-Net's choice for a fold that no file lists: 80 % of n for training, seeded by 12345 + fold. Marks
 * role[i]: 1 train, 2 validation. */
int splits_random(int *role, int n, int fold);
/* Training and validation ids of fold K from splits_final.json at path. Marks role[i]: 0 absent, 1 train, 2
 * validation. An id of the file that is not among `ids`, or that is in both lists, is an error; a fold beyond
 * the file's is splits_random. */
int splits_read(int *role, const char *const *ids, int n, const char *path, int fold, struct error *e);
/* Writes nnU-Net's splits_final.json for these ids and their folds. */
int splits_write(const char *const *ids, const int *fold_of, int n, int folds, const char *path,
                 struct error *e);
/* Stratified assignment of n items to `sites` sites of near-equal size: strata[i] >= 0 (NULL: one stratum).
 * Keyed by seed. */
int splits_sites(int *site, const int *strata, int n, int sites, uint64_t seed);
/* splits_sites of the patients, each in the stratum of its first item: items of one patient share a site. */
int splits_sites_patients(int *site, const int *patient, const int *strata, int n, int sites, uint64_t seed);

#endif
