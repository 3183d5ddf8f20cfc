/* site_fingerprint.h - what a site tells of its data before a federation begins, so that all get one plan;
 * and what sites differ in.
 *
 * It is exact and can be merged: counts are whole numbers, means and variances are merged moments (Chan et
 * al., 1979: equal to the pooled ones to 1e-12), minima and maxima are what they are. Intensities of the
 * foreground are counted in bins with 13 significant bits: whole numbers up to 8191 (all of CT's) have a bin
 * of their own, other values lie at most 1/4096 of themselves above their bin. Percentiles of merged sites
 * are those of the pooled histogram, so that they are exact to that width. Every foreground voxel counts
 * once; nnU-Net's planner draws voxels with replacement, the same number from each case: its percentiles are
 * a random sample of others.
 *
 * What leaves the site: number of cases (and of each class, and of those with a mask), each case's spacing
 * and size after cropping, moments and histograms of the foreground's intensities over all cases, and
 * dataset.json; of covariates how many cases have each, mean, squared distances to it, and the slopes of a
 * regression of the class on them; and a hash of all files together, by which the site knows later that it
 * trains on the same data. No image, no label map, no name and no covariate of a case.
 * The book: docs/book/10_planning.md */
#ifndef FL_SITE_FINGERPRINT_H
#define FL_SITE_FINGERPRINT_H

#include "nn/data/sample.h"
#include "nn/plan/fingerprint.h"
#include "nn/planner/planner.h"
#include "nn/train/train_covariates.h"
#include "tensor/base/pool.h"

struct intensity_bin {
    uint32_t key; /* order of the values */
    uint64_t count;
};

struct channel_fingerprint {
    uint64_t count;  /* foreground voxels */
    double mean, m2; /* m2: sum of squared distances to the mean */
    double min, max;
    struct intensity_bin *bin;
    int bins; /* in the order of keys */
};

struct site_fingerprint {
    char site[64];
    int cases, channels, classes;
    double (*spacing)[3];  /* [cases] */
    int (*shape)[3];       /* [cases], after cropping */
    double *relative_size; /* [cases], after cropping over before */
    int64_t class_cases[LABELS_MAX];
    int masked; /* cases of a classification of images that have a mask; -1: not told */
    struct channel_fingerprint channel[CHANNELS_MAX];
    struct covariates covariates; /* their names; count 0: none */
    struct covariate_part part;   /* of the training cases that have a class */
    char fold[8];                 /* whose training cases these are; "": no covariates, or not told */
    struct json *dataset; /* dataset.json */
    char data_hash[65];   /* dataset_hash; "": not told */
};

/* segments: cases with label maps are read; else only classes are counted. dataset_json is copied. */
int site_fingerprint_extract(struct site_fingerprint *f, const char *site, const struct dataset *d,
                             const int *role, int segments, const struct json *dataset_json,
                             const struct reading *how, struct error *e);
void site_fingerprint_free(struct site_fingerprint *f);
/* Takes the covariates c of the dataset's training cases (role[i] ROLE_TRAIN) that have a class into a
 * fingerprint of classes. Volumes are those of the label maps. */
int site_fingerprint_covariates(struct site_fingerprint *f, const struct covariates *c,
                                const struct dataset *d, const int *role, const struct reading *how,
                                struct error *e);
/* Adds `from`; channels, labels, classes and names of covariates must be the same. Into an empty one:
 * copies. */
int site_fingerprint_merge(struct site_fingerprint *to, const struct site_fingerprint *from, struct error *e);
/* Whether two dataset.json have the same channels, labels and order of regions. */
int site_fingerprint_same_labels(const struct json *a, const struct json *b);
/* nnU-Net's fingerprint of it, for plans_make; free with fingerprint_free. */
int site_fingerprint_plan(struct fingerprint *p, const struct site_fingerprint *f, struct error *e);
/* The value under which a share q of the voxels lies, interpolated between neighbouring voxels as numpy
 * does. */
double site_fingerprint_percentile(const struct channel_fingerprint *c, double q);
/* Earth mover's distance of two intensity histograms, in units of the intensity: the area between their
 * distributions. */
double site_fingerprint_distance(const struct channel_fingerprint *a, const struct channel_fingerprint *b);

#endif
