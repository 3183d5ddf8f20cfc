/* client.h - the site's step of a round: client_update(data, task) -> update, and what a site keeps between
 * rounds.
 *
 * Optimiser moments and the strategy's own vectors stay at the site, in a value that can be written, read and
 * hashed: a site that was killed in a round repeats it from the state before, to the same bits.
 */
#ifndef FL_CLIENT_H
#define FL_CLIENT_H

#include "fl/round/site_state.h"

/* Which cases a site trains and validates on: of their places in the dataset, whose own hash tells the
 * rest. */
void client_hash_cases(char hex[65], const struct learner_data *data, const struct learner_data *validation);

struct client_events {
    void (*step)(void *arg, int done, int of, double loss); /* may be NULL */
    int (*stop)(void *arg); /* asked after each step but a pass's last: not 0 stops there; may be NULL */
    void *arg;
};
enum { CLIENT_STOPPED = 1 };
/* A round at a site: trains l from the task's weights on data, fills u and advances s. The learner serves any
 * site (learner_switch). A state with a pause goes on from there. Returns CLIENT_STOPPED where events->stop
 * said so: s then has a pause and u nothing. A loss or weights that are not finite are an error, as a pause
 * of other global weights is; the state is then to be read again, or reset. */
int client_update(struct update *u, struct site_state *s, struct learner *l, const struct learner_data *data,
                  const struct task *t, const struct agreement *f, const struct client_events *events,
                  struct error *e);
/* Metric and loss of weights on the site's validation cases: before (after = 0) or after local training. */
int client_validate(struct update *u, int after, const float *weights, struct learner *l,
                    const struct learner_data *validation, int batches, struct error *e);

/* Whether an update's steps, what they count with momentum, and their learning rates are those that the
 * agreement makes of its cases in the round. */
int client_check_steps(const struct agreement *f, int round, const struct contribution *c, struct error *e);

/* What the strategy keeps for the site's own use, beside these global weights, into out [layout->count]. 0:
 * nothing, and out stays. */
int client_own(float *out, const struct site_state *s, const float *global, const struct agreement *f,
               struct model *layout);

/* What leaves the site: the update as it was trained; or clipped and noised (private.h); or its difference to
 * the task's weights, packed; what packing lost stays in the state and goes with the next update. After
 * client_update and client_validate, before site_state_write and update_write. */
int client_pack(struct update *u, struct site_state *s, const struct task *t, const struct agreement *f,
                const struct model *layout, struct error *e);

#endif
