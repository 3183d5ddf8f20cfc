/* aggregate.h - the answers of an open round as the server takes them in: for carried_aggregate.c and, where
 * updates are masked, secure_aggregate.c alone. */
#ifndef FL_AGGREGATE_H
#define FL_AGGREGATE_H

#include "fl/carried/carried.h"

struct round_work {
    struct carried *c;
    struct server server;
    struct task_message message; /* of the open round */
    struct update update;        /* one at a time */
    struct history history;
    struct round_record *row;              /* [sites] of this round */
    unsigned char *chosen, *answered, *in; /* [sites]: drawn, a file is there, it was taken in */
    double *metric, *metric_cases;         /* [sites]: of the global message, as the sites measured it */
    double *validation_loss;
    struct json *updates; /* [{site, sha256}] that are in */
    struct json *refused; /* [{site, file, reason}] */
    int stage;            /* of a masked round: enum secure_stage, that was open when the step began */
};

/* A line of refused.csv. */
void aggregate_refuse(struct round_work *w, const char *site, const char *file, const char *reason);
/* w->update, of site i, is in: its row and its hash. */
void aggregate_note(struct round_work *w, int i, const char *hex);
/* `in` answers of those sites that chosen has. 1: enough to go on; 0: not yet, told says for whom it
 * waits. */
int aggregate_can_end(struct round_work *w, int in, int late, char told[256], struct error *e);

#endif
