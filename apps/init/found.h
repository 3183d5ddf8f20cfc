/* found.h - what `init` finds in a folder of images and label maps: which folders and cases there are, what
 * their headers and label values say, and the layout anew for -o.
 *
 *     found_folders(&f, e); found_cases(&f, e); found_values(&f, e); found_lay_out(&f, e); found_free(&f);
 */
#ifndef APPS_FOUND_H
#define APPS_FOUND_H

#include "apps/base/grid_warnings.h"
#include "io/base/error.h"
#include "nn/data/dataset.h"

struct found_case {
    char id[ID_MAX];
    char label[1300];                /* its label map, "" where there is none */
    char *image[CHANNELS_MAX];       /* [files], malloc'ed: a file a channel, or one that holds all */
    int files;
};

struct found {
    const char *folder, *out;        /* as given; out NULL: in place */
    int overwrite;
    struct grid_warnings grids;
    char images[1100], labels[1100], test[1100]; /* folders, "" where there is none */
    char ending[16];
    int digits;                      /* images are CASE_0000 */
    int plain;                       /* the layout can be read as it is */
    int classify;                    /* there is a labels.csv */
    struct found_case *item;
    int cases, channels, values;
    int seen_in[LABELS_MAX];         /* cases in which a label value occurs */
    int first_with[LABELS_MAX];      /* the first of them */
    double spacing[2][3], size[2][3]; /* least and largest along x, y, z */
};

/* ---- found_cases.c ---- */
/* imagesTr and its relatives. Other than what is wrong, `plain` and `classify` are told. */
int found_folders(struct found *w, struct error *e);
/* The ending that all images have in common, the cases, and a label map of each. */
int found_cases(struct found *w, struct error *e);
/* CASE_0000 without its ending: the length of CASE, and the channel; 0 where the name is not of that form. */
size_t found_channel(const char *name, size_t length, int *channel);
void found_free(struct found *w);

/* ---- found_values.c ---- */
/* The headers and the label values of every case: channels, values, seen_in, spacing, size. */
int found_values(struct found *w, struct error *e);

/* ---- found_layout.c ---- */
/* A dataset in `out` of links to the files, with the tables beside it; nothing where one of them is somebody
 * else's. */
int found_lay_out(const struct found *w, struct error *e);

#endif
