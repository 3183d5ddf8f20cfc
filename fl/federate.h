/* federate.h - the training loop: rounds of local iterations at every client, then central aggregation.
 *
 * Centralised training is the same loop with one client: rounds are epochs, and the average of one model is that model, bit
 * for bit. Each client has its own data, random-number key and optimiser (whose state stays at the client between rounds).
 * The result does not depend on the number of threads, on the order in which clients finish, or on whether clients run side by
 * side (one thread each) or one after the other (all threads in each layer).
 */
#ifndef FL_FEDERATE_H
#define FL_FEDERATE_H

#include "nn/data/sites.h"
#include "nn/train/train.h"

enum { CLIENTS_MAX = 256 };

/* How clients share the machine. */
enum federate_parallel { PARALLEL_AUTO, PARALLEL_LAYERS, PARALLEL_CLIENTS };

struct federate_client {
    char name[SITE_NAME_MAX];
    struct learner_data data;        /* a view: federate never frees it */
    struct learner_data validation;  /* its share of the validation cases; store.cases may be 0 */
};

struct federate_options {
    struct train_options train;      /* epochs = rounds, iterations = local iterations */
    const struct plan *plan;         /* segmentation, else NULL */
    int clients;
    struct federate_client *client;
    const struct learner_data *validation; /* all validation cases; NULL or no cases: none */
    int validation_batches;          /* a round; 0: none */
    enum federate_parallel parallel;
    struct pool *pool;
    const char *folder;              /* fold_K: checkpoints, progress.csv, rounds.csv; NULL: nothing is written */
    int resume;                      /* continue from folder/checkpoint_latest.safetensors where it exists */
    int write_rounds;                /* rounds.csv with a row for each site */
    int checkpoint_every;            /* rounds between checkpoint_latest; the last round always */
    int patience;                    /* stop after so many rounds without a better moving average of the validation metric; 0: never */
};

/* One row of rounds.csv. site -1: the global model. */
struct round_record {
    int round, site;
    double examples, loss, metric, validation_loss, lr, seconds, bytes;
    uint64_t hash;                   /* of the global weights after the round; global rows only */
};

struct federate_events {
    /* Before the first round: bytes and forward FLOP of a step, parameters, step blocks in use at once. May be NULL. */
    void (*planned)(void *arg, size_t step_bytes, double flops, size_t parameters, int workers);
    void (*round_done)(void *arg, const struct round_record *global, int rounds); /* may be NULL */
    void (*step_done)(void *arg, double done, double of, double loss);           /* iterations; called by one thread; may be NULL */
    void *arg;
};

struct federate_result {
    struct model *model;             /* final global weights; the caller frees it */
    struct round_record *record;     /* every row, in order; malloc'ed */
    int records;
    double best_metric;
    int best_round;
    int rounds;                      /* done: fewer than train.epochs where patience ran out */
    size_t step_bytes;               /* memory plan of one training step */
    int workers;                     /* step blocks in use at once */
    double seconds;                  /* of this run, without earlier ones that it resumed */
};

/* Initial weights: from train.seed, or a copy of `initial` (pretrained) where not NULL. */
int federate_run(struct federate_result *r, const struct federate_options *o, const struct model *initial,
                 const struct federate_events *events, struct error *e);
void federate_result_free(struct federate_result *r);

/* A view of those cases of `all` with group[i] == which. The samples stay all's; free with learner_view_free. */
void learner_view(struct learner_data *view, const struct learner_data *all, const int *group, int which);
void learner_view_free(struct learner_data *view);

/* Exact bytes that a run needs for steps, weights, gradients and optimisers (without the cases). */
size_t federate_bytes(const struct federate_options *o, size_t step_bytes, size_t parameters, int workers);

#endif
