/* bench_subject.h - the networks that are measured: the cases that tools for PyTorch have too, and how one is
 * set up and run. */
#ifndef APPS_BENCH_SUBJECT_H
#define APPS_BENCH_SUBJECT_H

#include "io/base/error.h"
#include "nn/infer/sliding.h"
#include "nn/train/train.h"

struct bench_case {
    const char *name;
    int inference;
    const char *network; /* of the table; one that classifies has 18 layers */
    int batch, patch[3];
    /* stages; how many of them have kernel 1x3x3 and, after the first, stride 1x2x2 */
    int stages, flat_stages;
    int volume[3];           /* sliding window over this volume, with all mirrors; 0: one forward pass */
};

/* Case i; NULL behind the last one. */
const struct bench_case *bench_case(int i);

/* One thing to be timed. */
struct subject {
    struct train_options options;
    struct plan plan;
    struct model *model;
    struct graph *graph;
    struct tensor *loss;
    struct optimizer optimizer;
    struct predictor predictor;
    float *volume, *logits;
    const struct bench_case *c;
    int flags; /* GRAPH_BF16 or 0 */
    struct pool *pool;
};

/* s->c, s->flags and s->pool are given; all memory that a run needs is there afterwards. It is not given
 * back. */
int subject_prepare(struct subject *s, struct error *e);
/* A step of training, or one inference. */
int subject_run(struct subject *s, struct error *e);

#endif
