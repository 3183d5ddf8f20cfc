/* history.h - what each round gave: kept in the checkpoint (so that a resumed run has all of it), written as
 * progress.csv, progress.svg and rounds.csv.
 */
#ifndef FL_HISTORY_H
#define FL_HISTORY_H

#include "fl/federate.h"
#include "io/base/json.h"

struct history {
    struct round_record *record;
    int count, room;
};

void history_add(struct history *h, const struct round_record *r);
struct json *history_json(const struct history *h);
/* Rows of rounds 0 to rounds - 1 in order, sites 0 to sites - 1 or -1, each round ending with its global row;
 * else an error, and h is empty. */
int history_from_json(struct history *h, const struct json *j, int rounds, int sites, const char *name,
                      struct error *e);
/* folder/progress.csv (one row an epoch or round) and progress.svg. */
int history_write_progress(const struct history *h, const char *folder, enum task_kind task,
                           const struct federate_client *client, struct error *e);
/* folder/rounds.csv: round, site, examples, local loss, metric, seconds, bytes, then what there is more. */
int history_write_rounds(const struct history *h, const char *folder, const struct federate_client *client,
                         struct error *e);

/* A row round,site,other,cosine of similarity.csv. */
struct file_out;
void history_write_pair(struct file_out *f, int round, const char *site, const char *other, double cosine);

#endif
