/* agreement.h - what all who take part agree on before the first round, and the key of a site.
 *
 * A round is three pure steps (fl/round/server.h, client.h): server_begin gives a task, client_update makes
 * an update of it, server_end makes the next state of the updates. Simulation, MPI, Flower and carried files
 * differ in who calls them and how bytes travel, and give the same bits.
 */
#ifndef FL_AGREEMENT_H
#define FL_AGREEMENT_H

#include "fl/compress/compress.h"
#include "fl/strategy/strategy.h"
#include "nn/data/sites.h"
#include "nn/train/train.h"

enum privacy_kind { PRIVACY_NONE, PRIVACY_CENTRAL, PRIVACY_LOCAL, PRIVACY_SGD };
struct privacy_terms { /* fl/round/private.h */
    enum privacy_kind kind;
    double noise, clip, delta; /* multiplier z, norm C */
    uint64_t test_seed;        /* above 0: the same noise again, which is no privacy */
    int adaptive;              /* central: the norm begins at clip and follows the updates' norms (dp.h) */
    double quantile, rate;     /* of adaptive clipping: 0.5, 0.2 */
};

struct agreement {
    struct train_options train; /* epochs = rounds, iterations = local iterations of a round */
    const struct plan *plan;    /* segmentation, else NULL */
    const struct strategy *strategy;
    double option[STRATEGY_OPTIONS];
    int sites;          /* that train */
    int local_epochs;   /* > 0: a site's iterations of a round are so many passes over its cases */
    double fraction;    /* of the sites that train in a round; 1: all */
    int minimum;        /* updates without which a round fails; at least 1 */
    char hash[65];      /* of all that was agreed on, data and sites included; "" where nothing is written */
    int plain_variance; /* running variances are averaged, without the variance between sites */
    /* of the sites' answers, differences then; NULL: weights as they are */
    const struct compressor *compress;
    struct privacy_terms privacy;
    double compress_share; /* of top-k */
    double secure_range;   /* above 0: secure aggregation of differences up to it (fl/round/secure_round.h) */
};

/* The options that a learner's graph is made of: those of training, with batch 1 where gradients are of
 * single cases (PRIVACY_SGD). */
struct train_options agreement_graph_options(const struct agreement *f);
/* The batch that training asks for. */
int agreement_batch(const struct agreement *f);
/* FedAvg over all sites. */
struct agreement agreement_default(const struct train_options *o, const struct plan *p, int sites);
int agreement_check(const struct agreement *f, struct error *e);
/* Options, strategy and schedule; the plan is not in it. */
struct json *agreement_json(const struct agreement *f);
int agreement_from_json(struct agreement *f, const struct json *j, const char *path, struct error *e);

/* The key of a site's random numbers: a hash of its name, so that it does not change when others come or go.
 * The only site of a federation has key 0, as centralised training: the one is the other, bit for bit. Sites
 * that share a key by accident (one pair in 4 * 10^9) draw the same augmentations of their own cases; nothing
 * else follows. */
uint32_t site_key(const char *name, int sites);
/* Local iterations of a round at a site with so many training cases. */
int local_iterations(const struct agreement *f, int cases);
/* Whether what sites keep belongs to what the server has taken in: control variates, what packing has not
 * sent yet. The state after an update that was not taken in would count it at the site alone. */
int agreement_pairs(const struct agreement *f);
/* How many sites train in a round: ceil(fraction * sites), at least the minimum. */
int agreement_drawn(const struct agreement *f);
/* chosen[i] = 1 for those sites, in the order of names; the seed draws them. */
int agreement_draw(unsigned char *chosen, const struct agreement *f, int round, struct error *e);

#endif
