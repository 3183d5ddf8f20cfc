/* predict_cases.h - what to predict: the cases that files and folders on the command line hold. */
#ifndef APPS_PREDICT_CASES_H
#define APPS_PREDICT_CASES_H

#include "apps/base/options.h"
#include "nn/data/dataset.h"

struct image_case {
    char id[ID_MAX];
    char (*path)[1300]; /* [channels + 1] a file a channel; those that hold several leave the others empty,
                           and the last always is */
    const struct image_choice *choice;
    const char *ending;            /* of its label map: as the image's, .nii.gz for DICOM */
};
struct image_cases {
    struct image_case *item;
    int count, room; /* room: items that are allocated, zeroed */
    const struct image_choice *choice;
    const char *ending;
    char own_ending[16];           /* where a folder's is not the run's */
};

/* The cases of every input: a file; a folder of CASE_0000.ending, of DICOM series CASE_0000, of one series,
 * or of images of any other name, each a case that holds all channels. d: the run's channels and file ending.
 * A name that comes twice is an error. Images of a folder that are passed over because others are called
 * CASE_0000 are told on stderr. Free them, also after an error. */
int image_cases_list(struct image_cases *c, const struct option_texts *inputs, const struct dataset *d,
                     const struct image_choice *choice, struct error *e);
void image_cases_free(struct image_cases *c);
/* Paths of a case's files, NULL behind the last; how many. */
int image_case_paths(const char *path[CHANNELS_MAX], const struct image_case *c, int channels);

#endif
