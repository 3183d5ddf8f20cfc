/* fingerprint.h - what a plan is made from: spacing, shape and intensities of a dataset's training cases, as
 * nnU-Net extracts them (dataset_fingerprint.json).
 */
#ifndef NN_FINGERPRINT_H
#define NN_FINGERPRINT_H

#include "nn/data/sample.h"
#include "nn/plan/plan.h"

struct fingerprint {
    int cases, channels;
    double (*spacing)[3];        /* [cases] */
    int (*shape)[3];             /* [cases], after crop */
    double median_relative_size; /* after cropping */
    struct intensity intensity[CHANNELS_MAX];
};
void fingerprint_free(struct fingerprint *f);
/* Reads all training cases. role[i] != 0 selects cases, NULL takes all. */
int fingerprint_extract(struct fingerprint *f, const struct dataset *d, const int *role,
                        const struct reading *how, struct error *e);
/* Voxels left by the crop, one rounding as in nnU-Net: 3/4 is not below its bound of 3/4. */
double fingerprint_relative_size(const int cropped[3], const int whole[3]);
/* dataset_fingerprint.json, nnU-Net's keys. */
struct json *fingerprint_json(const struct fingerprint *f);
int fingerprint_from_json(struct fingerprint *f, const struct json *j, const char *name, struct error *e);
/* Member "foreground_intensity_properties_per_channel" of a fingerprint or a plan; t has room for
 * CHANNELS_MAX. */
void intensity_to_json(struct json *parent, const struct intensity *t, int channels);
int intensity_from_json(struct intensity *t, int *channels, const struct json *parent, struct error *e);

#endif
