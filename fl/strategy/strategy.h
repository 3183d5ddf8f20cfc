/* strategy.h - what a federation does with the weights of its sites: a table of descriptors in small files,
 * relatives in one.
 *
 * A round: the server sends w (and shared vectors); a site trains from it, where begin, gradient and end may
 * act; the server aggregates. Two kinds of aggregation:
 *   - linear ones (`sums` > 0) read updates one at a time into exact sums (exact_sum.h): server memory does
 * not depend on the number of sites, and the result not on their order. weight() says with which factor an
 * update enters each sum.
 *   - robust ones (`sums` == 0) need all updates at once: rows of a mapping that the system may keep on disk.
 * Running statistics of batch norm are no gradients: every linear strategy averages them (with the variance
 * between the sites, or plainly), whatever it does to the trained weights. Robust ones take them as weights
 * among the others.
 *
 * Options are numbers: --NAME-OPTION on the command line, "strategy_options" in messages and manifests.
 */
#ifndef FL_STRATEGY_H
#define FL_STRATEGY_H

#include "fl/base/exact_sum.h"
#include "io/base/json.h"
#include "tensor/graph/graph.h"

enum { STRATEGY_OPTIONS = 6, STRATEGY_SLOTS = 3, STRATEGY_SUMS = 2 };

struct strategy_option {
    const char *name; /* "mu": --fedprox-mu */
    double standard, min, max;
    const char *argument; /* what help calls the value: "X"; "N" or "0|1" where it is whole */
    const char *text;
};

/* What the server knows of an update beside its weights. */
struct contribution {
    const char *site;
    double examples;  /* training cases */
    double steps;     /* local iterations */
    double effective; /* steps as gradients count: with momentum rho a step moves the weights by up to
                         1/(1-rho) gradients, those of the rounds before among them */
    double lr_sum; /* the same with the learning rate of each step: what a gradient that was always 1 moves in
                      the round */
    double start_loss; /* mean loss of the first local step: of the global weights, on one batch; at the
                          server above the least that it can be (struct learning_task) */
    double distance2;  /* ||w_k - w||^2 of the trained weights, by the server */
};

/* The end of a round at the server. Vectors have `layout->count` floats in the layout's order. */
struct aggregation {
    const double *option;
    const struct model *layout;        /* names, kinds and places; its data is not read */
    const float *global;               /* w, that the sites began with */
    float *slot[STRATEGY_SLOTS];       /* the server's vectors; zero before the first round */
    struct exact_sum *sum;             /* [sums], linear strategies */
    const struct contribution *update; /* [updates], in the order of site names */
    int updates;
    const float *const *row; /* [updates] weights, robust strategies */
    int sites;               /* of the federation, whether or not they took part */
    int round;               /* from 0 */
    struct pool *pool;
};

/* A site in its round. The model holds weights, and in gradient() the gradients of the step. */
struct local_round {
    const double *option;
    struct model *model;
    const float *global;                 /* w */
    const float *shared[STRATEGY_SLOTS]; /* the server's first `shared_slots` vectors */
    float *slot[STRATEGY_SLOTS];         /* the site's own vectors; zero before its first round */
    int rounds_before;                   /* in which the site took part */
    double lr_sum;                       /* in end(): as in struct contribution */
    struct pool *pool;
};

struct strategy {
    const char *name, *text; /* text: what it does and the paper, one line */
    struct strategy_option option[STRATEGY_OPTIONS];
    int server_slots, shared_slots, site_slots;
    int sums;
    int needs_linear; /* displacement divided by the learning rate is taken for a gradient: the optimiser
                         has to be linear in it (optimizer.h) */
    int (*least)(const double *option); /* updates that it needs; NULL: 1 */
    /* Updates from which on faulty ones are withstood, for which it was chosen; with fewer it is a mean by
     * another name. NULL: it claims nothing. */
    int (*robust)(const double *option);
    int personal;  /* slot 0 of a site is a model of its own, trained beside the global one (Ditto) */
    /* Fills out with the weights that a site uses for itself, from its slots and the global weights; NULL:
     * the global ones. */
    void (*own)(float *out, const struct local_round *l);
    void (*begin)(struct local_round *l); /* any may be NULL */
    void (*gradient)(struct local_round *l);
    void (*end)(struct local_round *l);
    double (*weight)(const double *option, const struct contribution *c, int sum);
    /* Linear: out holds the mean under the weights of sum 0 and is changed, where trained, to the new
     * weights; NULL: it stays. Robust: fills out[layout->count]. Both change the slots. */
    int (*aggregate)(float *out, struct aggregation *a, struct error *e);
};

extern const struct strategy *const strategies[];       /* NULL behind the last */
const struct strategy *strategy_find(const char *name); /* NULL if absent */
int strategy_options(const struct strategy *s);         /* how many there are */
/* Whether a value is a count, or yes or no, that is not whole: cut off, it would be another than was asked
 * for. */
int strategy_option_is_cut(const struct strategy_option *o, double value);
void strategy_standard(double option[STRATEGY_OPTIONS], const struct strategy *s);
/* {"name": "fedprox", "mu": 0.01} and back; a missing option has its standard value, an unknown or bad one is
 * an error. */
struct json *strategy_json(const struct strategy *s, const double *option);
const struct strategy *strategy_from_json(double option[STRATEGY_OPTIONS], const struct json *j,
                                          struct error *e);

/* Whether the losses that sites tell move the mean of their updates. */
int strategy_weighs_by_loss(const struct strategy *s, const double *option);

/* What the sums of a round become: aggregate, then the running statistics. out may not be global. */
int strategy_aggregate(float *out, const struct strategy *s, struct aggregation *a, struct error *e);

/* ---- for the descriptors' files ------------------------------------------------------------------------ */
double strategy_by_examples(const double *option, const struct contribution *c, int sum);
double strategy_equally(const double *option, const struct contribution *c, int sum);
int strategy_from_three(const double *option); /* .robust of medians: of two, each is as good as the other */
/* Sum of weight() over the updates. */
double strategy_total(const struct aggregation *a,
                      double (*weight)(const double *, const struct contribution *, int), int sum);
/* fn for every trained element: i, and the mean of sum 0 in double under the total. */
struct element {
    const struct aggregation *a;
    float *out;
    double total;
    const void *extra;
};
void strategy_each(const struct aggregation *a, float *out, double total, const void *extra,
                   void (*fn)(const struct element *e, size_t i));
/* fn for ranges of the trained elements of a site's model. */
void local_each(const struct local_round *l,
                void (*fn)(const struct local_round *l, size_t begin, size_t end));
static inline double element_mean(const struct element *e, size_t i)
{
    return exact_sum_value(&e->a->sum[0], i) / e->total;
}

#endif
