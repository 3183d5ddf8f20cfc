/* plan.c - the names of normalisations, and what a plan takes from its dataset. */
#include "nn/plan/plan.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum normalization normalization_of_channel(const char *channel_name)
{
    static const struct {
        const char *name;
        enum normalization norm;
    } map[] = {{"ct", NORM_CT},
               {"nonorm", NORM_NONE},
               {"rescale_to_0_1", NORM_RESCALE_0_1},
               {"rgb_to_0_1", NORM_RGB_0_1}};
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (strcasecmp(map[i].name, channel_name) == 0) return map[i].norm;
    return NORM_ZSCORE;
}

const char *normalization_name(enum normalization n)
{
    static const char *const name[] = {[NORM_ZSCORE] = "ZScoreNormalization",
                                       [NORM_CT] = "CTNormalization",
                                       [NORM_NONE] = "NoNormalization",
                                       [NORM_RESCALE_0_1] = "RescaleTo01Normalization",
                                       [NORM_RGB_0_1] = "RGBTo01Normalization"};
    return name[n];
}

void plan_take_labels(struct plan *p, const struct dataset *d)
{
    p->labels = d->labels;
    p->regions = d->regions;
    p->ignores = d->ignore_label >= 0;
    p->classes = d->regions ? d->regions : d->labels;
    for (int r = 0; r < d->regions; r++) {
        p->region[r] = d->region[r].labels;
        p->region_written[r] = d->region[r].written;
    }
}

void plan_cascade(struct plan *p, const char *previous_stage)
{
    snprintf(p->previous_stage, sizeof p->previous_stage, "%s", previous_stage);
    p->previous_labels = p->labels - 1;
}

int plan_place(const struct plan *p, int axis)
{
    for (int k = 0; k < 3; k++)
        if (p->transpose[k] == axis) return k;
    return axis;
}
