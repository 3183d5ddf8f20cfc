/* history.h - what each round gave: kept in the checkpoint (so that a resumed run has all of it), written as
 * progress.csv, progress.svg and rounds.csv.
 */
#ifndef FL_HISTORY_H
#define FL_HISTORY_H

#include "fl/round/server.h"

/* One row of rounds.csv. site -1: the global model. Numbers that there are not are NaN. */
struct round_record {
    int round, site;
    double examples, loss, metric, validation_loss, lr, seconds, bytes;
    double metric_local; /* of the site's own weights after its training, on its validation cases */
    /* ||w_k - w||, over running statistics too; mean cosine between its displacement and the others' */
    double norm, cosine;
    uint64_t hash;       /* of the global weights after the round; global rows only */
    double epsilon, clip; /* spent until then, and the round's norm: struct privacy_terms; clip 0: without */
};

struct history {
    struct round_record *record;
    int count, room;
};

/* Of a round and a site of which nothing is known yet. */
struct round_record round_record_of(int round, int site);
/* The row of a round takes that of a site whose update is in it: examples, bytes and the loss, by examples,
 * which is a sum until round_record_close divides it. */
void round_record_add(struct round_record *round, const struct round_record *site);
void round_record_close(struct round_record *round);
/* Room for so many rows more, so that adding them cannot fail. */
int history_reserve(struct history *h, int rows, struct error *e);
int history_add(struct history *h, const struct round_record *r, struct error *e);
struct json *history_json(const struct history *h);
/* Rows of rounds 0 to rounds - 1 in order, sites 0 to sites - 1 or -1, each round ending with its global row;
 * else an error, and h is empty. */
int history_from_json(struct history *h, const struct json *j, int rounds, int sites, const char *name,
                      struct error *e);
/* Training cases of the site that has the fewest, of all that have answered in any round. *all: whether that
 * is every one of `sites`; what another has sent, and by how few cases, is not known here. */
int history_fewest_cases(const struct history *h, int sites, int *all);
/* folder/progress.csv (one row an epoch or round) and progress.svg. */
int history_write_progress(const struct history *h, const char *folder, const char *metric,
                           const char *const *names, struct error *e);
/* names[k]: of site k. folder/rounds.csv: round, site, examples, local loss, metric, seconds, bytes, then
 * what there is more. Where `sites` is not 0 each round has a row of each of so many sites: those that the
 * history has none of were not drawn, were refused or came too late. */
int history_write_rounds(const struct history *h, const char *folder, const char *const *names, int sites,
                         struct error *e);

/* folder/similarity.csv: round,site,other,cosine of the round that the server ended; rows of earlier rounds
 * stay, of later ones go. No new rows where there are fewer than two updates, or too many to compare; an
 * empty cosine with an update of norm 0. */
int history_write_similarity(const struct server *s, int round, const char *folder, struct error *e);

#endif
