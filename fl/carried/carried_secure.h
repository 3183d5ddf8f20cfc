/* carried_secure.h - names of the files of a masked round.
 *
 *     NAME.keys, NAME.shares, NAME.safetensors (the masked update), NAME.reveal      from the sites
 *     server.roster, server.inbox, server.survivors                                 from the server
 *
 * each with .safetensors behind, in round_NNNN. A server's file is written when the stage before it is
 * closed: it holds the server's state and a question to each site that was there.
 */
#ifndef FL_CARRIED_SECURE_H
#define FL_CARRIED_SECURE_H

#include "fl/carried/carried.h"
#include "fl/round/secure_round.h"

/* By the stage (enum secure_stage): what a site sends, and what it is asked before that ("" at first). */
extern const char *const secure_answer[SECURE_DONE + 1], *const secure_question[SECURE_DONE + 1];

/* "FED/round_NNNN/NAME.keys.safetensors" of the stage. */
int secure_answer_path(char path[1400], const struct carried *c, const char *site, int stage,
                       struct error *e);
int secure_question_path(char path[1400], const struct carried *c, int stage, struct error *e);

/* The step of site `rank` of `drawn` in the round of t. u: what it trained; its state lies in the site's own
 * folder. As carried_site. */
struct secure_place {
    const char *name, *state;
    int rank, drawn;
};
int secure_site_step(struct carried *c, const struct secure_place *p, const struct task *t, struct update *u,
                     char told[256], struct error *e);
/* fl/privacy counts the sites that were drawn: behind the last "site N" of an error its name; before it the
 * path, where it is not NULL. */
void secure_name_site(struct error *e, const struct carried *c, const char *path);
/* Removes the secrets of all rounds from a site's folder, but for the file `keep` ("": none). */
int secure_forget(const char *state, const char *keep, struct error *e);

#endif
