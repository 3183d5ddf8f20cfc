/* federate.h - federated training on one machine: rounds of the three steps (fl/round), sites taking turns or
 * side by side.
 *
 * Centralised training is the same loop with one client: rounds are epochs, and the average of one model is
 * that model, bit for bit. Each client has its own data, random-number key (a hash of its name; the only
 * client's is 0) and optimiser, whose state stays at the client between rounds. The result does not depend on
 * the number of threads, on the order of the clients or in which they finish, or on whether they run side by
 * side (one thread each) or one after the other (all threads in each layer).
 *
 * Files in `folder` (fold_K): checkpoint_{latest,best,final}.safetensors, progress.csv and .svg; with more
 * than one client rounds.csv, similarity.csv and sites/, where each client's state lies
 * (fl/round/site_store.h): memory holds one model, one sum and a state for each worker, for any number of
 * clients. A killed run is continued inside its round: clients that were done with it are not trained again.
 * One that is stopped (events->stop) is continued at the very step, in the middle of a client's training too;
 * a validation that was stopped is made again.
 * Two runs in one folder are refused.
 */
#ifndef FL_FEDERATE_H
#define FL_FEDERATE_H

#include "fl/peers.h"
#include "fl/round/history.h"
#include "nn/train/learner_data.h"

/* How clients share the machine. */
enum federate_parallel { PARALLEL_AUTO, PARALLEL_LAYERS, PARALLEL_CLIENTS };

struct federate_client {
    char name[SITE_NAME_MAX]; /* unlike the others' */
    /* a view: federate never frees it; no cases: it only takes part in evaluation */
    struct learner_data data;
    struct learner_data validation; /* its share of the validation cases; store.cases may be 0 */
};

struct federate_options {
    struct train_options train; /* epochs = rounds, iterations = local iterations */
    const struct plan *plan;    /* segmentation, else NULL */
    int clients;
    struct federate_client *client;
    const struct strategy *strategy; /* NULL: fedavg */
    double option[STRATEGY_OPTIONS]; /* of the strategy; not read where it is NULL */
    int local_epochs;   /* > 0: passes over a client's cases a round, instead of train.iterations */
    double fraction;    /* of the clients that train in a round; 0 or 1: all */
    int minimum;        /* updates that a round needs, the others may fail; 0: one */
    int plain_variance; /* struct agreement */
    int fine_tune; /* iterations of the final weights at each site: fine_tune.csv and weights in sites/ */
    const struct compressor *compress; /* of the updates; NULL: none */
    struct privacy_terms privacy;
    double secure_range; /* above 0: secure aggregation (fl/round/secure_round.h); not with peers */
    double compress_share;                 /* top-k: the share of the values that is sent; 0: 0.01 */
    const struct learner_data *validation; /* all validation cases; NULL or no cases: none */
    int validation_batches;                /* a round; 0: none */
    enum federate_parallel parallel;
    const struct federate_peers *peers; /* NULL: this process alone */
    struct pool *pool;
    const char *folder;    /* NULL: nothing is written */
    const char *data_hash; /* of the dataset: compared at resume; NULL: not */
    const char *inputs_hash; /* of what is read beside it; NULL: nothing is */
    int resume;            /* continue from folder/checkpoint_latest.safetensors where it exists */
    int write_rounds;      /* rounds.csv with a row for each site */
    int checkpoint_every;  /* rounds between checkpoint_latest; the best and the last round always */
    int patience; /* stop after so many rounds without a better moving average of the validation metric, once
                     there was one; 0: never */
};

struct federate_events {
    /* Before the first round: bytes of a step and of a validation (learner_bytes), forward FLOP of a step,
     * parameters, workers. May be NULL. */
    void (*planned)(void *arg, size_t step_bytes, double flops, size_t parameters, int workers);
    /* Once, before what an earlier run left in the folder goes: what tells of that run has to go first. Not
     * of a run that is resumed. -1 ends it. May be NULL. */
    int (*replaces)(void *arg, struct error *e);
    /* Once, when it is certain that the run goes on: the folder is ours, and what is resumed fits. -1 ends
     * it. May be NULL. */
    int (*begins)(void *arg, struct error *e);
    /* Before checkpoint_final is written: what was measured of an earlier one means nothing from now on. -1
     * ends the run. May be NULL. */
    int (*final)(void *arg, struct error *e);
    void (*round_done)(void *arg, const struct round_record *global, int rounds); /* may be NULL */
    void (*site_done)(void *arg, const struct round_record *site,
                      const char *name); /* before round_done; may be NULL */
    void (*site_failed)(void *arg, int round, const char *name,
                        const char *why); /* left out of the round; -1: of fine-tuning; may be NULL */
    void (*step_done)(void *arg, double done, double of,
                      double loss); /* iterations; called by one thread; may be NULL */
    /* Asked by any thread after each step, before each site and each batch of a round's validation: not 0
     * ends the run there, to be resumed. May be NULL; not asked with peers. */
    int (*stop)(void *arg);
    void *arg;
};

struct federate_result {
    struct model *model;         /* final global weights; the caller frees it */
    struct round_record *record; /* every row, in order; malloc'ed */
    int records;
    double best_metric;
    int best_round;
    int rounds;        /* done: fewer than train.epochs where patience ran out, or it was stopped */
    int stopped;       /* by events->stop: `resume` goes on to the bits of a run that was not */
    char privacy[160]; /* what was spent; "": nothing was asked for */
    size_t step_bytes; /* learner_bytes of a worker */
    int workers;       /* step blocks in use at once */
    double seconds;    /* of this run, without earlier ones that it resumed */
};

/* Initial weights: from train.seed, or a copy of `initial` (pretrained) where not NULL. */
int federate_run(struct federate_result *r, const struct federate_options *o, const struct model *initial,
                 const struct federate_events *events, struct error *e);
void federate_result_free(struct federate_result *r);

/* Exact bytes that a run needs for steps, weights, gradients and optimisers (without the cases). */
size_t federate_bytes(const struct federate_options *o, size_t step_bytes, size_t parameters, int workers);

#endif
