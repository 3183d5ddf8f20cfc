/* carried.h - federation by carried files: the three steps over a folder FED that any means may bring to the
 * sites and back.
 *
 *     FED/federation.json                  what was agreed on: sites, options, strategy, plan, labels; its
 *                                          hash is in every message
 *     FED/dataset.json, plans.json         of the same, for people and programs
 *     FED/fingerprint/NAME.json            of a site's data (fl/fingerprint)
 *     FED/round_NNNN/global.safetensors    the task of round NNNN; the last round's is the result
 *     FED/round_NNNN/NAME.safetensors      a site's answer
 *     FED/round_NNNN/NAME.keys, .shares, .reveal, server.*    of masked rounds (fl/carried/carried_secure.h)
 *     FED/round_NNNN/server.safetensors    the server's vectors and history
 *     FED/round_NNNN/NAME.json             after the last round: a site's evaluation of the result
 *     FED/rounds.csv, similarity.csv, progress.csv, progress.svg, refused.csv
 *
 * Every step can be killed and repeated: what it writes is complete or absent, and the file that says that a
 * step was done is written last. A site's data and optimiser state never enter FED. Damage is found (seals),
 * and what is old, foreign, of another federation, not finite or too large is refused by name; malice is not:
 * whoever may write into FED is trusted to be who the file name says.
 */
#ifndef FL_CARRIED_H
#define FL_CARRIED_H

#include "fl/round/history.h"
#include "nn/planner/planner.h"

/* What a step came to. */
enum { CARRIED_DONE = 0, CARRIED_WAITS = 3, CARRIED_STOPPED = 4 };

struct carried {
    char folder[1024];
    struct json *agreed;
    struct agreement f;    /* f.plan points into plans */
    struct dataset dataset; /* channels and labels, no cases */
    struct plans plans;
    char fold[8];
    int quorum; /* updates with which a round may end after its deadline, or when the others are refused */
    const char **site;   /* [f.sites], sorted, views into agreed */
    struct model *model; /* the network: places of the weights */
    int round;           /* the newest that has a global message */
};

/* Agrees and draws the initial weights, or takes `initial` where not NULL, whose hash is agreed on too.
 * dataset_json: NULL for an .npz; plans NULL: classification. Of the `cases` of the fingerprints so many are
 * masked (a classification of images; -1: not told, or something else). Repeated with the same terms it
 * changes nothing; with others it is an error. */
int carried_init(const char *folder, const struct agreement *f, const char *const *site, int quorum,
                 const char *fold, const struct json *dataset_json, const struct json *plans,
                 const char *configuration, int cases, int masked, const struct model *initial,
                 struct error *e);
/* Whether a folder has a global message: all of FED that a site may have. */
int carried_begun(const char *folder);
int carried_open(struct carried *c, const char *folder, struct error *e);
void carried_close(struct carried *c);
/* Looks again which round is the newest: for who has waited for a lock meanwhile. */
int carried_find_round(struct carried *c, struct error *e);
/* "FOLDER/round_NNNN/NAME". */
int carried_path(char path[1400], const struct carried *c, int round, const char *name, struct error *e);
/* The newest global message, which must be of the round that its folder says. */
int carried_read_task(struct task_message *m, const struct carried *c, struct error *e);
/* Whether an update is of this site and answers the newest global message, whose hash is `base`, with as many
 * steps as were agreed on: the account of privacy counts these. So are the learning rates, which strategies
 * divide by. */
int carried_check_answer(const struct carried *c, const struct update *u, const char *site, const char *base,
                         struct error *e);
/* Whether a name can be a file's name on any system (Windows' devices cannot), and is none of the
 * server's. */
int carried_check_name(const char *name, struct error *e);
int carried_is_site(const struct carried *c, const char *name);

/* One local round at a site from the newest global message, and its evaluation of the result after the last.
 * state: the site's own folder, not in FED. data_hash: of the whole dataset: a state that began with another,
 * or with other cases of it, is refused, and a first round on another than that of FED/fingerprint/NAME.json,
 * unless the cases are from_pool: taken by name out of a folder that has those of several sites.
 * Returns CARRIED_DONE or CARRIED_WAITS (its answer is there already, or it was not drawn for the round),
 * CARRIED_STOPPED (events.stop; the state has the very step, and the next call goes on from there), or -1.
 * told: one line of what was done. */
struct carried_site {
    const char *name, *state, *data_hash;
    const struct learner_data *data, *validation;
    int from_pool, validation_batches;
    struct pool *pool;
    struct client_events events;
};
int carried_site(struct carried *c, const struct carried_site *s, char told[256], struct error *e);

/* Measures the newest global weights on the validation cases and writes round_NNNN/NAME.json; name need not
 * be a site that trains. state is not read. */
int carried_evaluate(struct carried *c, const struct carried_site *s, char told[256], struct error *e);

/* Ends the newest round if it can: all sites that were drawn have answered; or those that have are the quorum
 * and the deadline is past, or the missing ones were refused. CARRIED_WAITS: it cannot yet. late: the
 * deadline is past. */
int carried_aggregate(struct carried *c, int late, struct pool *pool, char told[256], struct error *e);

/* A RUN folder of the newest global weights. command: for its manifest. */
int carried_result(struct carried *c, const char *run, const char *command, char told[256], struct error *e);

/* What was spent after so many rounds, for a line or a manifest; "" without privacy. */
void carried_privacy(char text[200], const struct carried *c, const struct history *h, int rounds,
                     double clip);
/* The server's file of a round: its vectors, and the rows of the rounds before it. */
int carried_write_server(const struct carried *c, const struct server *s, const struct history *h, int round,
                         struct error *e);
/* c->model holds the round's global weights: the file of another copy of FED is not theirs. */
int carried_read_server(const struct carried *c, struct server *s, struct history *h, int round,
                        struct error *e);

#endif
