/* sample.h - a case in memory: its voxels, label map and geometry, read from its files and checked. */
#ifndef NN_SAMPLE_H
#define NN_SAMPLE_H

#include "nn/data/dataset.h"

/* A case in memory: what networks see. Axes d, h, w (z, y, x), image [d][h][w][channels], label [d][h][w] or
 * NULL. Label values are indices into dataset labels, LABEL_IGNORE (255) for the ignore label; after
 * preprocess_case LABEL_OUTSIDE (254) for nnU-Net's -1, background outside of the nonzero region. */
struct sample {
    int size[3];
    int channels;
    float *image;
    uint8_t *label;
    uint8_t *previous;           /* label indices that the previous stage of a cascade gave, or NULL */
    int previous_size[3]; /* of `previous` where it is on the network's grid already; else 0: it is resampled
                             like a label map */
    int previous_labels; /* after preprocess_case of a cascade: foreground labels, each an input channel of
                            the network */
    double spacing[3];           /* mm along d, h, w */
    double affine[3][4];         /* of the original image, RAS */
    int flat;                    /* of a 2D image: label maps are written as one */
    int full_size[3];            /* before cropping, d, h, w, original spacing and axis order */
    double full_spacing[3];      /* likewise; set by preprocess_case */
    int crop_begin[3], crop_end[3]; /* on the full, transposed grid */
    int cropped_size[3];         /* after cropping, before resampling, transposed */
    size_t mapped; /* bytes of the file_scratch that holds image and label; 0: each is malloc'ed */
};
/* Raw voxels of a case, checked: one grid of all channels and the label map (d->grids), known label
 * values, finite. Cases of a .npz are scaled to [0, 1] (v / 255); z-scoring is the learner's. A dataset
 * without labels in dataset.json: any mask value but 0 is 1. */
int dataset_load(struct sample *s, const struct dataset *d, int i, struct error *e);
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
/* s->previous of a raw sample: a map on the grid of its image (d->grids). */
int sample_load_previous(struct sample *s, const struct dataset *d, const char *path, struct error *e);
void sample_free(struct sample *s);

#endif
