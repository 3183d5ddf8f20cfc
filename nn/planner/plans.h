/* plans.h - the plans of a dataset, a configuration each. */
#ifndef NN_PLANS_H
#define NN_PLANS_H

#include "io/base/json.h"
#include "nn/network/network.h"

struct plans {
    char name[64];               /* "nnUNetPlans" */
    int count;
    struct plan *plan;           /* [count] */
    struct json *json;           /* the file as read or as nnU-Net would write it */
    struct json *refused; /* of a file's configurations that are none of `plan`: name and reason; or NULL */
};
void plans_free(struct plans *p);
/* Fills in the slices of 2D plans, from what p->json tells of the cases; 1 where it does not. */
void plans_take_slices(struct plans *p);
/* NULL with the reason where the file has it, but no network can be built of it. */
const struct plan *plans_find(const struct plans *p, const char *configuration, struct error *e);
/* nnU-Net's feature-map estimate of a topology for batch 1; labels: entries of dataset.json's "labels". */
double plan_estimate(const struct plan *p, int labels);

#endif
