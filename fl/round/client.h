/* client.h - the site's step of a round: client_update(data, task) -> update, and what a site keeps between
 * rounds.
 *
 * Optimiser moments and the strategy's own vectors stay at the site, in a value that can be written, read and
 * hashed: a site that was killed in a round repeats it from the state before, to the same bits.
 */
#ifndef FL_CLIENT_H
#define FL_CLIENT_H

#include "fl/message/message.h"

/* Where local training was stopped between two steps: what a site needs, beside its state, to go on to the
 * same bits. */
struct site_pause {
    int round;    /* -1: it was not stopped */
    int personal; /* in the pass of the personal model (Ditto): the global pass is over */
    int steps;    /* done, of the pass */
    double loss, first, lr_sum, effective; /* of the global pass, over the steps that are done */
    double seconds;
    char weights_hash[17]; /* of the global weights that the round began with */
    float *weights;        /* [count] the model in training */
    float *values;         /* [count] what the global pass gave; zero before it is over */
};

struct site_state {
    char name[SITE_NAME_MAX];
    int next_round;    /* rounds before it are behind this state */
    int rounds_before; /* in which the site trained */
    struct optimizer optimizer;
    struct weight_average average; /* of a site that trains alone, with training.ema */
    float *slot[STRATEGY_SLOTS]; /* the strategy's site_slots; NULL beyond */
    float *residual;             /* what compression has not sent yet; NULL without */
    struct site_pause pause;     /* weights and values NULL where it was never stopped */
};
int site_state_init(struct site_state *s, const char *name, const struct federation *f,
                    const struct model *layout, struct error *e);
void site_state_reset(struct site_state *s, const char *name,
                      const struct model *layout); /* as before the first round */
void site_state_free(struct site_state *s);
void site_state_go_on(struct site_state *s); /* forgets a pause */
/* One sealed file holds the state with its pause and, where not NULL, the update that the round before it
 * gave. */
int site_state_write(const struct site_state *s, const struct update *u, const struct federation *f,
                     const struct model *layout, const char *path, struct error *e);
/* Into initialised values; the file's federation, site and shapes must be these. u NULL: the update is not
 * read. */
int site_state_read(struct site_state *s, struct update *u, const struct federation *f,
                    const struct model *layout, const char *path, struct error *e);

struct client_events {
    void (*step)(void *arg, int done, int of, double loss); /* may be NULL */
    int (*stop)(void *arg); /* asked after each step but a pass's last: not 0 stops there; may be NULL */
    void *arg;
};
enum { CLIENT_STOPPED = 1 };
/* A round at a site: trains w from the task's weights on data, fills u and advances s. The learner serves any
 * site (learner_switch). A state with a pause goes on from there. Returns CLIENT_STOPPED where events->stop
 * said so: s then has a pause and u nothing. A loss or weights that are not finite are an error, as a pause
 * of other global weights is; the state is then to be read again, or reset. */
int client_update(struct update *u, struct site_state *s, struct learner *w, const struct learner_data *data,
                  const struct task *t, const struct federation *f, const struct client_events *events,
                  struct error *e);
/* Metric and loss of weights on the site's validation cases: before (after = 0) or after local training. */
int client_validate(struct update *u, int after, const float *weights, struct learner *w,
                    const struct learner_data *validation, int batches, struct error *e);

/* What leaves the site: the update as it was trained; or clipped and noised (private.h); or its difference to
 * the task's weights, packed; what packing lost stays in the state and goes with the next update. After
 * client_update and client_validate, before site_state_write and update_write. */
int client_pack(struct update *u, struct site_state *s, const struct task *t, const struct federation *f,
                const struct model *layout, struct error *e);

#endif
