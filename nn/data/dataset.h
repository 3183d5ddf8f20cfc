/* dataset.h - an nnU-Net dataset on disk (dataset.json, imagesTr/CASE_0000.nii.gz, labelsTr/CASE.nii.gz),
 * with labels.csv for classification; or a MedMNIST .npz. Lists and checks files; voxels are read case by
 * case.
 */
#ifndef NN_DATASET_H
#define NN_DATASET_H

#include <stdint.h>
#include "tensor/base/label_set.h"
#include "io/base/error.h"
#include "io/base/json.h"
#include "io/weights/npy.h"
#include "io/formats/image_formats.h"
#include "io/image/grids.h"

enum { CHANNELS_MAX = 64, LABELS_MAX = LABEL_SET_MAX, ID_MAX = 128 };

enum data_part {
    PART_TRAIN = 0,
    PART_VAL = 1,
    PART_TEST = 2
}; /* of a MedMNIST file; nnU-Net: all cases of imagesTr are PART_TRAIN */

struct data_case {
    char id[ID_MAX];
    char patient[ID_MAX]; /* of patients.csv; else the id */
    int has_label_map;   /* labelsTr/ID exists */
    int target;          /* class of labels.csv (or of the .npz), -1 if none */
    enum data_part part;
    int index;           /* row in its .npz array */
};

/* An entry of dataset.json's labels where some entry is a list of values: the network then has an output for
 * each region. */
struct region {
    char name[64];
    struct label_set labels;
    int written; /* the label that its voxels get (regions_class_order); later regions go over earlier ones */
    int list;            /* the value is a list in the file */
};

struct dataset {
    char path[1024];
    char name[128];
    int channels;
    char channel_name[CHANNELS_MAX][64];
    int labels;                      /* label values including background, without ignore; 0 if none */
    char label_name[LABELS_MAX][64];
    int label_value[LABELS_MAX];
    int regions;                     /* region-based labels: number of regions, else 0 */
    struct region region[LABELS_MAX];
    int entries; /* of "labels", background and ignore too: what nnU-Net's planner counts */
    int ignore_label;                /* value of the label called "ignore", or -1 */
    char file_ending[16];
    int bare; /* images are imagesTr/CASE.ending, as the label maps: the Decathlon's names */
    int files; /* image files of a case: one a channel, or fewer that hold several (red, green and blue in a
                  PNG) */
    int classes;                     /* of classification targets; 0 if none */
    int has_patients;                /* a patients.csv was read */
    struct grid_check grids; /* between the channels of a case, its image and its label map; to be set before cases
                                are read */
    int cases;
    struct data_case *item;          /* sorted by id */
    const char *cache; /* folder where case_store_load keeps prepared voxels in files instead of memory; NULL:
                          memory */
    char (*previous)[1400]; /* [cases] label maps of the previous stage of a cascade, or .npz on the grid of
                               this one (nn/prepare/previous.h), malloc'ed by who trains one; else NULL */
    struct json *json;               /* dataset.json, NULL for .npz */
    struct npz arrays;               /* of a .npz */
};

/* A folder with dataset.json, or a MedMNIST .npz (3D only). A path that is not there and reads as a number or
 * as DatasetNNN_NAME is looked for in the folder that the environment variable nnUNet_raw names
 * (nn/data/nnunet_paths.h). dataset.json may have the form of nnU-Net v1 and of the Medical Segmentation
 * Decathlon (modality; labels by value); images that are called as their label maps, without _0000, hold all
 * channels. Checks: channel_names, labels (consecutive from 0, `ignore` the highest), file_ending; regions
 * (lists of values) with regions_class_order; every case has all its channels, and its label map unless
 * labels.csv makes this a classification. Cases of a .npz are called PART_ROW, "train_0000". */
int dataset_open(struct dataset *d, const char *path, struct error *e);
/* Only what a dataset.json says (channels, labels, file ending), no cases: of a run folder, or for planning
 * without images. */
int dataset_read_header(struct dataset *d, const char *json_path, struct error *e);
/* dataset.json at path into d, whose fields are zero; what dataset_open and dataset_read_header share. */
int dataset_read_description(struct dataset *d, const char *path, struct error *e);
/* The same of JSON in memory, which d then owns (also after an error); name for messages. */
int dataset_take_description(struct dataset *d, struct json *json, const char *name, struct error *e);
/* dataset.json of d: as it was read, or what a MedMNIST file would have. To be freed; NULL when memory is
 * out. */
struct json *dataset_describe(const struct dataset *d);
/* nnU-Net's key of a region in summary.json: "(1, 2)", or "3" where the file has the number alone. */
enum { REGION_KEY_SIZE = 4 * LABELS_MAX + 8 };
void dataset_region_key(char *buf, size_t size, const struct region *r);
void dataset_close(struct dataset *d);
/* Patients of the cases from a table with columns case,patient. Every case of the dataset has to be there,
 * once. dataset_open reads patients.csv in the folder, where there is one. */
int dataset_read_patients(struct dataset *d, const char *path, struct error *e);
/* group[i]: the patient of case i, numbered by sorted names. Returns the number of patients, or -1 without
 * memory. */
int dataset_patients(int *group, const struct dataset *d);
/* Index of the case, or -1 with a message. */
int dataset_find(const struct dataset *d, const char *id, struct error *e);
/* Path of channel c of case i (imagesTr) or of its label map. */
int dataset_image_path(char *buf, size_t size, const struct dataset *d, int i, int channel, struct error *e);
int dataset_label_path(char *buf, size_t size, const struct dataset *d, int i, struct error *e);

/* The images [n][d][h][w] of a part of a MedMNIST file. */
const struct npy *dataset_part_images(const struct dataset *d, enum data_part part, struct error *e);

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
/* Raw voxels of a case, checked: one grid of all channels and the label map (d->grids), known label values, finite.
 * Cases of a .npz are scaled to [0, 1] (v / 255); z-scoring is the learner's. A dataset without labels in
 * dataset.json: any mask value but 0 is 1. */
int dataset_load(struct sample *s, const struct dataset *d, int i, struct error *e);
/* The same for free-standing files (prediction): paths[channels], NULL behind the last file. A file gives one
 * channel or several: its components, or the volumes of a 4D file. choice: of DICOM files, NULL where only
 * one is expected. grids: of several files, NULL: GRIDS_EQUAL. */
int sample_load(struct sample *s, const char *const *paths, int channels, const struct image_choice *choice,
                const struct grid_check *grids, struct error *e);
/* Channels that the files give by their headers, -1 with a message. */
int sample_channels(const char *const *paths, int files, const struct image_choice *choice, struct error *e);
/* One of these files. */
int sample_read_volume(struct volume *v, const char *path, const struct image_choice *choice, int header_only,
                       struct error *e);
/* s->previous of a raw sample: a map on the grid of its image (d->grids). */
int sample_load_previous(struct sample *s, const struct dataset *d, const char *path, struct error *e);
void sample_free(struct sample *s);
/* SHA-256 over the bytes of every file of the dataset in sorted order: for manifests. */
int dataset_hash(const struct dataset *d, char hex[65], struct error *e);

#endif
