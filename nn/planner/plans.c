/* plans.c - the plans of a dataset: one of them, and nnU-Net's estimate of what one takes.
 * The book: docs/book/10_planning.md */
#include "nn/planner/plans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void plans_free(struct plans *p)
{
    json_free(p->json);
    json_free(p->refused);
    free(p->plan);
    memset(p, 0, sizeof *p);
}

void plans_take_slices(struct plans *p)
{
    const struct json *v = json_at(json_get(p->json, "original_median_shape_after_transp"), 0);
    for (int i = 0; i < p->count; i++)
        p->plan[i].slices = p->plan[i].dims == 2 && v && v->number >= 1 && v->number <= 1e6 ? v->number : 1;
}

const struct plan *plans_find(const struct plans *p, const char *configuration, struct error *e)
{
    char names[512] = "";
    size_t used = 0;
    for (int i = 0; i < p->count; i++) {
        if (strcmp(p->plan[i].configuration, configuration) == 0) return &p->plan[i];
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                                 p->plan[i].configuration);
        if (used >= sizeof names) used = sizeof names - 1;
    }
    const char *why = json_text(p->refused, configuration, NULL);
    if (why) error_set(e, "%s", why);
    else error_set(e, "%s: no configuration '%s', there is %s", p->name, configuration, names);
    return NULL;
}

double plan_estimate(const struct plan *p, int labels)
{
    double voxels = (double)p->patch[0] * p->patch[1] * p->patch[2], sum = 0;
    for (int s = 0; s < p->stages; s++) {
        voxels /= p->stride[s][0] * p->stride[s][1] * p->stride[s][2];
        sum += p->features[s] * voxels * p->network->maps(p, s);
        if (s == 0) sum += labels * voxels;
    }
    return sum;
}
