/* site_store.h - where the simulated sites keep their states between rounds: in memory, or in files, so that
 * memory does not grow with them.
 *
 * Files: folder/NAME.ROUND.safetensors is the state after which ROUND comes, with the update of the round
 * before (site names with their unusual bytes as %XX). A state stays until a newer one is written and the
 * checkpoint does not need it: a run that was killed finds every site's state of the checkpoint's round, and
 * the updates of those that were already done with it. A site that was stopped in its local training lies in
 * folder/NAME.paused.safetensors (states in memory: in the run's folder, checkpoint_paused.safetensors) until
 * its round is done.
 */
#ifndef FL_SITE_STORE_H
#define FL_SITE_STORE_H

#include "fl/round/client.h"

struct site_store {
    const struct agreement *f;
    const struct model *layout;
    char folder[1100]; /* "": memory */
    const char *run;   /* states in memory: the run's folder, where the only site's pause lies; NULL: none */
    int count;
    const char **name;        /* [count], views */
    struct site_state *state; /* [count], memory */
    int (*round)[3]; /* [count] files that are there: the newest, the newest that the checkpoint needs, and
                        with agreement_pairs the one before the newest, where this run wrote both; -1 none */
    int checkpoint;  /* the round that a resumed run would begin with */
};

/* folder NULL: memory; else its folder `sites` is made with the first file. The names are views. */
int site_store_init(struct site_store *s, const struct agreement *f, const struct model *layout,
                    const char *folder, const char *const *name, int count, struct error *e);
void site_store_free(struct site_store *s);
/* Of files: finds those that are there, for a run that begins with `round`; states of later rounds count as
 * done. */
int site_store_resume(struct site_store *s, int round, struct error *e);
/* The state of a site that was stopped in the round; site_store_load finds it. */
int site_store_pause(struct site_store *s, int i, const struct site_state *state, struct error *e);
/* The state of site i before the round, or in it, into an initialised value. Returns 1 where its update of
 * the round is there already: then u is filled and the state is the one after it. -1: an error. */
int site_store_load(struct site_store *s, int i, int round, struct site_state *state, struct update *u,
                    struct error *e);
/* Drops the newest state, with its update: the one before it is the newest again; after a resume that of the
 * checkpoint. */
void site_store_forget(struct site_store *s, int i);
/* Files: drops the newest state, of an update that was not taken in, where the one before it is still there
 * or it was the site's first. state: scratch. To be followed by site_store_resume. */
int site_store_undo(struct site_store *s, int i, struct site_state *state, struct error *e);
/* The newest round that a file of site i comes before; -1: there is none. */
int site_store_newest(const struct site_store *s, int i);
/* The state after a round, with the update that it gave. */
int site_store_save(struct site_store *s, int i, const struct site_state *state, const struct update *u,
                    struct error *e);
/* Another process has written the state before `round` of site i into the same folder. */
void site_store_saved(struct site_store *s, int i, int round);
/* The newest update of a site into u: 0; 1 where there is none; -1. Files only. */
int site_store_update(struct site_store *s, int i, struct site_state *state, struct update *u,
                      struct error *e);
/* sites/NAME.KIND.safetensors: for other files of a site. Files only. */
void site_store_path(char path[1400], const struct site_store *s, int i, const char *kind);
/* The same of a site by its name, in the folder `sites` of a run. */
void site_store_file(char path[1400], const char *folder, const char *site, const char *kind);
/* A checkpoint was written: a resumed run begins with `round` from now on. */
void site_store_checkpoint(struct site_store *s, int round);

#endif
