/* site_state.h - what a site keeps between rounds, and where it was stopped in one: a value that can be
 * written, read and hashed.
 */
#ifndef FL_SITE_STATE_H
#define FL_SITE_STATE_H

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
int site_state_init(struct site_state *s, const char *name, const struct agreement *f,
                    const struct model *layout, struct error *e);
void site_state_reset(struct site_state *s, const char *name,
                      const struct model *layout); /* as before the first round */
void site_state_free(struct site_state *s);
void site_state_go_on(struct site_state *s); /* forgets a pause */
/* One sealed file holds the state with its pause and, where not NULL, the update that the round before it
 * gave. */
int site_state_write(const struct site_state *s, const struct update *u, const struct agreement *f,
                     const struct model *layout, const char *path, struct error *e);
/* Into initialised values; the file's federation, site and shapes must be these. u NULL: the update is not
 * read. */
int site_state_read(struct site_state *s, struct update *u, const struct agreement *f,
                    const struct model *layout, const char *path, struct error *e);

#endif
