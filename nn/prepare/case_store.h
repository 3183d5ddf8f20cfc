/* case_store.h - preprocessed training cases in memory. */
#ifndef NN_CASE_STORE_H
#define NN_CASE_STORE_H

#include "nn/prepare/preprocess.h"

/* Preprocessed training cases in memory, with class locations for foreground oversampling. */
struct case_store {
    int cases;
    struct prepared *prepared; /* [cases] */
    int *index;                /* index into the dataset */
    int **location_count;      /* [cases][structures]: number of sampled voxels of each (outputs.h) */
    int32_t ***location; /* [cases][structures][count]: linear voxel index (d*H+h)*W+w: 10 000 voxels of a
                          * foreground label or region, but no less than 1 %. Group 0 is empty, or holds any
                          * annotated voxel where the dataset has an ignore label. */
    int structures;
    size_t bytes;              /* in memory, without what reading.cache keeps in files */
};
/* So many empty cases, numbered from 0; with structures room for the locations of each. -1 without memory,
 * and then there is nothing to free. */
int case_store_create(struct case_store *c, int cases, int structures);
/* Loads and preprocesses the cases with role[i] == which (role NULL: all). Seeded by nnU-Net's 1234. A case
 * without a label map is an error; after an error nothing is left to free. */
int case_store_load(struct case_store *c, const struct dataset *d, const struct plan *p, const int *role,
                    int which, const struct reading *how, struct error *e);
/* One more case, of a raw sample with a label map, whose voxels the store takes; c is zeroed before the
 * first. After an error the store is as before. */
int case_store_add(struct case_store *c, struct sample *raw, const struct plan *p, struct error *e);
/* One more case that is prepared already and has no locations (classification); after an error it stays the
 * caller's. */
int case_store_take(struct case_store *c, struct prepared *ready, struct error *e);
void case_store_free(struct case_store *c);

#endif
