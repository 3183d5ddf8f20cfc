/* simulation.h - the state of a federated run in one process, or in the processes of MPI: for federate.c and
 * federate_records.c (the loop), run_files.c (its files), peers.c (the other processes) and site_models.c
 * (models of a site's own) alone. */
#ifndef FL_SIMULATION_H
#define FL_SIMULATION_H

#include "fl/federate.h"
#include "fl/round/secure_round.h"
#include "fl/round/server.h"
#include "fl/round/site_store.h"

struct site_result { /* of the open round */
    int trained;     /* its update is in */
    unsigned char left_out; /* it was not taken in, and the site goes on from the state before it */
    double loss, seconds, metric_local;
    char failure[512];
};

struct worker {
    struct learner learner; /* a graph with a model of its own */
    struct site_state state;
    struct update update;
    struct error error;
    int failed; /* by what is no site's fault: a full disk, no memory */
    int stopped; /* its state is that of client `stopped - 1`, in the middle of a round; 0: none */
};

struct simulation {
    const struct federate_options *o;
    const struct federate_events *events;
    struct agreement f;
    struct train_options graph; /* of the workers' learners */
    int smallest;               /* training cases of the site that has the fewest */
    struct model *global;
    struct server server;
    struct task task;
    struct secure_session secure; /* of the open round, with f.secure_range */
    struct worker *worker;
    int workers;
    struct site_store store;
    int *training;              /* [f.sites] the clients that have training cases, in the order of names */
    unsigned char *chosen;      /* [f.sites] of the open round */
    struct site_result *result; /* [clients] */
    struct history history;
    double best_metric;
    double metric_average; /* nnU-Net's, 0.9/0.1, of the validation metric; "ema" in a checkpoint's state */
    int best_round;
    int joined;        /* a peer that was told of a round */
    double done_steps; /* for the progress bar */
    int stopped;       /* the run ends early, to be resumed */
    int unvalidated;   /* the last round's validation was stopped, and is made again when the run goes on */
};

/* ---- federate_records.c -------------------------------------------------------------------------------- */
/* Whether the caller wants the run to stop; s->stopped is then set by who does. */
int simulation_stops(const struct simulation *s);
/* Whether rounds are validated at all; batches of a site's validation. */
int simulation_validates(const struct federate_options *o);
int simulation_site_batches(const struct federate_options *o);
/* Adds the round that has ended to the history, without what a validation tells. */
int simulation_record(struct simulation *s, double seconds, struct error *e);
/* Validates the history's last round by the weights that are there, and tells of its sites. 1: it was
 * stopped, and is to be made again from its beginning. */
int simulation_validate(struct simulation *s, struct error *e);
/* The only site's average of weights, with training.ema; else NULL. */
struct weight_average *simulation_average(const struct simulation *s);
/* What is validated and kept in the end: the average, or the global weights. */
const float *simulation_weights(const struct simulation *s);

/* ---- peers.c ------------------------------------------------------------------------------------------- */
/* Before anything is made: rank 0 tells the others whether it could begin. Without peers: status. */
int peers_start(const struct federate_peers *p, int status, struct error *e);
/* The task of a round from rank 0 to all; returns whether there is none any more. */
int peers_begin(struct simulation *s, int over, struct error *e);
/* The answer of client k, trained or failed, to rank 0; and there, into a worker's update and the client's
 * result. */
int peers_send(struct simulation *s, const struct worker *w, int k, struct error *e);
int peers_receive(struct simulation *s, struct worker *w, int k, int from, struct error *e);

/* ---- run_files.c ------------------------------------------------------------------------------------- */
/* The hash of options, strategy, data and sites, into f.hash. */
int run_files_identity(struct simulation *s, struct error *e);
/* Everything that the round left: after it is known to be sound. last: it is the final one. */
int run_files_write(struct simulation *s, int last, struct error *e);
/* Of a run that is stopped between two rounds or in one: the checkpoint of the last round and the clients'
 * pauses. */
int run_files_stop(struct simulation *s, struct error *e);
/* Reads checkpoint_latest where it is there; server.round is then the round that comes. */
int run_files_resume(struct simulation *s, struct error *e);
/* Of a run that is resumed: checkpoint_best where it was killed before it was written, and the tables as
 * checkpoint_latest knows them, where it was killed in a later round. */
int run_files_mend(struct simulation *s, struct error *e);
/* Writes checkpoint_final where it is missing: of a run that was killed between its last two files. */
int run_files_final(struct simulation *s, struct error *e);

/* ---- site_models.c ------------------------------------------------------------------------------------- */
/* After the last round: every model at every site (cross_site.csv), and fine-tuned ones (fine_tune.csv). */
int site_models_write(struct simulation *s, struct error *e);
/* Removes all of it: of a run that was over, and is made longer. */
int site_models_forget(const struct simulation *s, struct error *e);

#endif
