/* secure_round.h - secure aggregation (fl/privacy/secure.h) in the rounds of a federation: which federations
 * can have it, the session of a round, and what a site hides.
 *
 * A session's sites are those that were drawn for the round, in the order of names. What is hidden is the
 * difference w_k - w, as whole numbers of quanta of secure_range / 2^40 at most (secure_quantum), weighted by
 * the strategy: the server learns the weighted mean of the differences and nothing else of them. The numbers
 * beside the weights (cases, steps, loss, metrics) are not hidden. Running variances are averaged plainly:
 * merging them exactly would need the square of each site's mean.
 *
 * The mean differs from that of plain updates by at most half a quantum; sums of whole numbers do not depend
 * on the order of the sites, so that the simulation and carried files give the same bits, whoever is lost.
 */
#ifndef FL_SECURE_ROUND_H
#define FL_SECURE_ROUND_H

#include "fl/message/message.h"
#include "fl/privacy/secure.h"

/* Differences beyond it are an error of the site, never cut silently. 1024 / 2^40 is 9.3e-10. */
#define SECURE_RANGE 1024.0
/* Of a site's examples, which are its weight. */
enum { SECURE_WEIGHT = 1 << 20 };

/* Whether sites, strategy, sample and compression go with it; names the options that do not. */
int secure_check(const struct agreement *f, struct error *e);
/* With how many sites a session works at least: more than half of those that were drawn. */
int secure_least(const struct agreement *f);
/* The session of a round among `sites` that were drawn. Its name follows from federation, round and the
 * task's hash; its secrets are those of the sites. */
int secure_round_parameters(struct secure_parameters *p, const struct agreement *f, int sites,
                            const struct task *t, size_t count, struct error *e);
/* Masks an update's difference: u->packed becomes the message, u->values zeros, its kind UPDATE_HIDDEN. */
int secure_round_mask(struct update *u, struct secure_site *s, const struct bytes *inbox,
                      const struct task *t, const struct agreement *f, struct error *e);

/* ---- a whole session in one process -------------------------------------------------------------------- */

/* Sites are lost where secure_session_hide was not called for them, or failed. */
struct secure_session {
    struct secure_server server;
    struct secure_site *site; /* [server.p.sites] */
};
/* Keys and shares of all sites, with new secrets. */
int secure_session_begin(struct secure_session *s, const struct agreement *f, int sites,
                         const struct task *t, size_t count, struct error *e);
/* Masks site i's update: any thread, no lock. Then, under the caller's lock, takes it in. */
int secure_session_hide(struct secure_session *s, int i, struct update *u, const struct task *t,
                        const struct agreement *f, struct error *e);
int secure_session_take(struct secure_session *s, const struct update *u, struct error *e);
/* What the sites that were taken in reveal: the mean of their differences, [count], and the sum of
 * weights. */
int secure_session_mean(struct secure_session *s, float *mean, double *weight, struct error *e);
void secure_session_end(struct secure_session *s); /* wipes all secrets */

#endif
