/* history.h - what each round gave: kept in the checkpoint (so that a resumed run has all of it), written as progress.csv,
 * progress.svg and rounds.csv.
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
int history_from_json(struct history *h, const struct json *j, const char *name, struct error *e);
/* folder/progress.csv (one row an epoch or round) and progress.svg. */
int history_write_progress(const struct history *h, const char *folder, enum task_kind task, struct error *e);
/* folder/rounds.csv: round, site, examples, local loss, metric, seconds, bytes. */
int history_write_rounds(const struct history *h, const char *folder, const struct federate_client *client,
                         struct error *e);

#endif
