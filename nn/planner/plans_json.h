/* plans_json.h - plans as plans.json of nnU-Net. */
#ifndef NN_PLANS_JSON_H
#define NN_PLANS_JSON_H

#include "nn/planner/planner.h"

/* plans.json as nnU-Net writes it; median_spacing and median_shape of the original images, transposed. */
struct json *plans_json(const struct plans *p, const struct dataset *d, const struct plan_options *o,
                        const double median_spacing[3], const double median_shape[3]);
/* nnU-Net's function that resamples images, label maps and probabilities. */
extern const char plans_resampling_fn[];
/* d gives channels and classes; NULL: channels from the file, classes 0. `name` for messages. A configuration
 * that no network can be built of is an error where it is asked for (plans_find), as in nnU-Net, or where
 * there is no other. Plans of nnU-Net before 2.4, without "architecture", are read as it reads them. */
int plans_from_json(struct plans *p, const struct json *j, const struct dataset *d, const char *name,
                    struct error *e);
int plans_read(struct plans *p, const char *path, const struct dataset *d, struct error *e);
int plans_write(const struct plans *p, const char *path, struct error *e);

#endif
