/* nephron_handles.h - what the handles of nephron.h are. Private to fl/nephron*.c. */
#ifndef FL_NEPHRON_HANDLES_H
#define FL_NEPHRON_HANDLES_H

#include <fenv.h>

#include "fl/nephron.h"
#include "fl/round/history.h"
#include "io/base/error.h"
#include "nn/folder/run.h"
#include "nn/infer/segmenter.h"
#include "nn/train/learner_data.h"

struct nephron {
    struct pool *pool;
    struct error e;
};

struct nephron_image {
    nephron *n;
    struct sample sample; /* image and geometry alone */
};

struct nephron_model {
    nephron *n;
    struct run run;
    struct model *model[FOLDS_MAX];
    int folds;
    struct segmenter segmenter; /* filled at the first prediction */
    char *description;          /* of nephron_model_describe */
};

struct nephron_data {
    nephron *n;
    struct nephron_model *m;
    struct dataset dataset;
    struct learner_data train, validation;
};

struct nephron_trainer {
    nephron *n;
    struct nephron_model *m;
    struct nephron_data *data;
    struct train_options options;
    struct learner learner;
    struct site_state state; /* of nephron_client_update; name "" before */
    const struct strategy *strategy; /* whose vectors it keeps */
};

struct nephron_server {
    nephron *n;
    struct nephron_model *m;
    struct agreement federation;
    struct server server;
    struct task task;
    /* The weights that the open round began with: a site may train in the model itself meanwhile. */
    float *begun;
    int open;
    double opened;           /* when, by clock_seconds */
    struct history history;  /* of the rounds that were ended */
    char (*name)[SITE_NAME_MAX]; /* [names], of the sites in it, as they came */
    int names;
    char *description; /* of nephron_server_describe */
};

/* What every call begins and ends with that computes, reads or writes numbers: in a child of fork the pool's
 * threads are started again, and arithmetic is that of every other program, whatever the caller's thread does
 * (rounding upwards, traps, denormal numbers as zero, which a library built with -ffast-math sets when it is
 * loaded). Enter returns -1 with a message where threads cannot be started; leave returns status. */
int nephron_enter(nephron *n, fenv_t *before);
int nephron_leave(const fenv_t *before, int status);

/* An option that a call takes beside those of training, and what its value must be. */
struct own_option {
    const char *name;
    enum json_type type;
};
/* Members of a JSON text over options. text NULL: nothing. own ends with one without name; NULL: none. A name
 * that neither knows is an error, and a value of another type. *whole, where whole is not NULL, receives the
 * JSON (NULL for none). */
int nephron_merge_options(struct train_options *o, const char *text, const struct own_option *own,
                          struct json **whole, struct error *e);
/* Whether options are still of the network that own are of: a model's weights have one layout. */
int nephron_same_network(const struct train_options *o, const struct train_options *own, struct error *e);
/* A sample of one's own: preprocessing works in place. */
int nephron_copy_image(struct sample *s, const nephron_image *i, struct error *e);
/* The only fold's model; NULL with a message where there are several. */
struct model *nephron_single(nephron_model *m);
/* Flat vectors without gaps, as callers see them, from and to those of the model. Return the number of
 * floats. */
size_t nephron_pack(float *out, const struct model *layout, const float *in);
size_t nephron_unpack(float *out, const struct model *layout, const float *in);

#endif
