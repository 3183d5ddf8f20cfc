/* server.h - the server's steps of a round: server_begin(state) -> task; server_end(state, updates) -> state.
 *
 * The server holds one model, the strategy's vectors and, for linear strategies, one exact sum (or two): its
 * memory does not depend on the number of sites, but for some 100 bytes of numbers an update. Robust
 * strategies keep all updates of a round in a mapping of an unnamed file in `spill`. Updates may come in any
 * order, from any thread that holds the caller's lock: the new weights have the same bits.
 * The book: docs/book/14_federated_averaging.md */
#ifndef FL_SERVER_H
#define FL_SERVER_H

#include "fl/round/client.h"

/* Larger weights are refused where there is more than one site: no network that trains has them, and exact
 * sums stay in their range. */
#define UPDATE_LARGEST 1048576.0

/* Up to so many updates are kept until the end of the round, in a mapping that the system may put on disk,
 * and compared in pairs. */
enum { SIMILARITY_SITES = 20 };

struct server_update { /* what stays of an update */
    char site[SITE_NAME_MAX];
    struct contribution numbers;
    double loss, norm; /* norm: ||w_k - w|| */
    double bytes;      /* of its values as they were sent */
    double seconds;    /* struct update */
    int within;        /* struct update */
};

struct server {
    const struct agreement *f;
    struct model *global; /* the caller's */
    float *slot[STRATEGY_SLOTS];
    int round; /* the one that comes, or is open */
    struct pool *pool;
    const char *spill; /* folder of the rows; NULL: $TMPDIR, else /tmp */
    int no_similarity; /* set by who does not ask how alike updates are: no rows for that alone */
    double clip; /* adaptive clipping: the norm of the round that comes, or is open */
    /* the open round */
    struct exact_sum sum[STRATEGY_SUMS];
    struct server_update *update;
    int updates;
    float *rows; /* [sites][count], robust strategies, and where there are few sites: for their similarity */
    /* [updates][updates], in the order of names, of the round that was ended; NULL: too many */
    double *cosine;
    float *next; /* scratch: of an update that is a difference its weights; then the new ones */
};

/* Zero vectors, round 0. global: the initial weights. spill (or NULL) stays the caller's. */
int server_init(struct server *s, const struct agreement *f, struct model *global, struct pool *pool,
                const char *spill, struct error *e);
void server_free(struct server *s);
/* Opens the round: the task's vectors are views of the server's. Updates of an open round that was not ended
 * are forgotten. */
int server_begin(struct server *s, struct task *t, struct error *e);
/* Takes an update in, or refuses it with the reason (and the round stays as it was): another round, a site
 * that is there already, values that are not finite or larger than UPDATE_LARGEST, numbers that cannot be. */
int server_add(struct server *s, const struct update *u, struct error *e);
/* Secure aggregation: server_note keeps the numbers of an update whose values are hidden; when all are noted,
 * server_take_mean takes the mean of their differences in; weight: the hidden sum of their weights. Returns
 * 1 where that is not the sum of the examples that were noted: it is a mean all the same, but by others. */
int server_note(struct server *s, const struct update *u, struct error *e);
void server_unnote(struct server *s); /* forgets the last that was noted */
int server_take_mean(struct server *s, const float *mean, double weight, struct error *e);
/* Aggregates. On an error (fewer than the minimum; weights that are not finite) global, slots and round stay
 * as they were. */
int server_end(struct server *s, struct error *e);
/* Of the round that was ended: ||w_k - w|| of a site, running statistics of batch norm included; the mean
 * cosine between its displacement and the others' that are not 0 (NaN: there are none, or too many); bytes:
 * of its values as they were sent. After server_end, updates are in the order of names. */
void server_measure(const struct server *s, const char *site, double *norm, double *cosine, double *bytes);

#endif
