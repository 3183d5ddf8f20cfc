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
enum { REGION_KEY_SIZE = 5 * LABELS_MAX + 8 };
struct region {
    char name[64];
    char key[REGION_KEY_SIZE]; /* nnU-Net's in summary.json, in the file's order: "(2, 1)"; "3" of a number */
    struct label_set labels;
    int written; /* the label that its voxels get (regions_class_order); later regions go over earlier ones */
};

struct dataset {
    char path[1024];
    char name[128];
    int channels;
    char (*channel_name)[64];        /* [channels] */
    int labels;                      /* label values including background, without ignore; 0 if none */
    char (*label_name)[64];          /* [labels] */
    int *label_value;                /* [labels] */
    int regions;                     /* region-based labels: number of regions, else 0 */
    struct region *region;           /* [regions] */
    int entries; /* of "labels", background and ignore too: what nnU-Net's planner counts */
    int ignore_label;                /* value of the label called "ignore", or -1 */
    char file_ending[16];
    int to_ras; /* overwrite_image_reader_writer turns images to RAS (struct plan has it too) */
    int bare; /* images are imagesTr/CASE.ending, as the label maps: the Decathlon's names */
    int files; /* image files of a case: one a channel, or fewer that hold several (red, green and blue in a
                  PNG) */
    int classes;                     /* of classification targets; 0 if none */
    int has_patients;                /* a patients.csv was read */
    int cases;
    struct data_case *item;          /* sorted by id */
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
/* Empty, with nothing ignored. */
void dataset_init(struct dataset *d);
/* Room for so many channels, labels and regions, empty, in d whose fields are zero: for who fills in a
 * description by hand. dataset_close frees it, also after -1. */
int dataset_room(struct dataset *d, int channels, int labels, int regions, struct error *e);
/* dataset.json at path into d, whose fields are zero; what dataset_open and dataset_read_header share. */
int dataset_read_description(struct dataset *d, const char *path, struct error *e);
/* The same of JSON in memory, which d then owns (also after an error); name for messages. */
int dataset_take_description(struct dataset *d, struct json *json, const char *name, struct error *e);
/* The values of a dataset.json's "labels" from 0 to LABEL_NAMES_MAX, each once, with their names: NULL of one
 * that occurs in regions of several alone. Of any of the file's forms, and the file need hold no more. */
enum { LABEL_NAMES_MAX = 65535 };
typedef void (*dataset_take_name)(void *context, int value, const char *name);
int dataset_list_labels(const char *path, dataset_take_name take, void *context, struct error *e);
/* dataset.json of d: as it was read, or what a MedMNIST file would have. To be freed; NULL when memory is
 * out. */
struct json *dataset_describe(const struct dataset *d);
/* Whether nnU-Net's reader of this name turns images to RAS before anything looks at them; NULL or "None":
 * no. Others than nnU-Net's own may do what they like: an error that names the key. */
int reader_turns(int *to_ras, const char *reader, const char *key, struct error *e);
void dataset_close(struct dataset *d);
/* Patients of the cases from a table with columns case,patient. Every case of the dataset has to be there,
 * once. dataset_open reads patients.csv in the folder, where there is one. */
int dataset_read_patients(struct dataset *d, const char *path, struct error *e);
/* patient[i]: the patient of case i, numbered by sorted names. Returns the number of patients, or -1 without
 * memory. */
int dataset_patients(int *patient, const struct dataset *d);
/* Does a MedMNIST file divide its cases: are some for validation or for the test? */
int dataset_has_parts(const struct dataset *d);
/* Index of the case, or -1 with a message. */
int dataset_find(const struct dataset *d, const char *id, struct error *e);
/* Path of channel c of case i (imagesTr) or of its label map. */
int dataset_image_path(char *buf, size_t size, const struct dataset *d, int i, int channel, struct error *e);
int dataset_label_path(char *buf, size_t size, const struct dataset *d, int i, struct error *e);

/* The images [n][d][h][w] of a part of a MedMNIST file. */
const struct npy *dataset_part_images(const struct dataset *d, enum data_part part, struct error *e);

/* -1 with a message where the folder is a dataset (imagesTr): a command that writes a dataset.json or a
 * sites.csv of its own there would lose the dataset's. */
int dataset_spare(const char *folder, struct error *e);

/* SHA-256 over the bytes of every file of the dataset in sorted order: for manifests. */
int dataset_hash(const struct dataset *d, char hex[65], struct error *e);

#endif
