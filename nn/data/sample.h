/* sample.h - a case in memory: its voxels, label map and geometry, read from its files and checked. */
#ifndef NN_SAMPLE_H
#define NN_SAMPLE_H

#include "nn/data/dataset.h"

/* A case in memory as its files have it. Axes d, h, w (z, y, x), image [d][h][w][channels], label [d][h][w]
 * or NULL. Label values are indices into dataset labels, LABEL_IGNORE (255) for the ignore label. What
 * networks see is struct prepared (nn/prepare/prepared.h). */
struct sample {
    int size[3];
    int channels;
    float *image;
    uint8_t *label;
    uint8_t *previous;           /* label indices that the previous stage of a cascade gave, or NULL */
    int previous_size[3]; /* of `previous` where it is on the network's grid already; else 0: it is resampled
                             like a label map */
    double spacing[3];           /* mm along d, h, w */
    double affine[3][4];         /* RAS */
    int flat;                    /* of a 2D image: label maps are written as one */
};

/* How the cases of a dataset are read. All zero, or NULL where one is taken: strictly on one grid, into
 * memory, by one thread, without a word. */
struct pool;
struct reading {
    struct grid_check grids;   /* between the channels of a case, its image and its label map */
    char (*previous)[1400];    /* [cases] label maps of the previous stage of a cascade, or .npz on the grid
                                  of this one (nn/data/previous_map.h), malloc'ed by who trains one; else
                                  NULL */
    const char *cache;         /* folder for prepared voxels in files instead of memory (case_store_load) */
    struct pool *pool;         /* a case a thread */
    void (*progress)(void *arg, int done, int of);
    void *arg;
};

/* The voxels of a case, checked: one grid of all channels and the label map, known label values, finite.
 * Cases of a .npz are scaled to [0, 1] (v / 255); z-scoring is the learner's. A dataset without labels in
 * dataset.json: any mask value but 0 is 1. */
int dataset_load(struct sample *s, const struct dataset *d, int i, const struct reading *how,
                 struct error *e);
/* The same for free-standing files (prediction): paths[channels], NULL behind the last file. A file gives one
 * channel or several: its components, or the volumes of a 4D file. choice: of DICOM files, NULL where only
 * one is expected. grids: of several files, NULL: GRIDS_EQUAL. */
int sample_load(struct sample *s, const char *const *paths, int channels, const struct image_choice *choice,
                const struct grid_check *grids, struct error *e);
/* The most bytes that sample_load holds at a time, for files of one channel each: `packed` bytes of a file,
 * `stored` of its voxels. */
size_t sample_load_bytes(int channels, size_t voxels, size_t packed, size_t stored);
/* Channels that the files give by their headers, -1 with a message. */
int sample_channels(const char *const *paths, int files, const struct image_choice *choice, struct error *e);
/* One of these files. */
int sample_read_volume(struct volume *v, const char *path, const struct image_choice *choice, int header_only,
                       struct error *e);
/* s->size, within what an image may have: 1 to SAMPLE_AXIS_MAX voxels along an axis, 2^31 in all, and
 * s->channels of them that can be addressed. */
enum { SAMPLE_AXIS_MAX = 100000 };
int sample_set_size(struct sample *s, const int64_t size[3], const char *name, struct error *e);
/* The grid of its image, for who compares another with it. */
struct volume sample_grid(const struct sample *s);
/* s->previous: a map on the grid of its image (grids NULL: GRIDS_EQUAL). */
int sample_load_previous(struct sample *s, const struct dataset *d, const char *path,
                         const struct grid_check *grids, struct error *e);
void sample_free(struct sample *s);

#endif
