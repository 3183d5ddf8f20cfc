/* message.h - what travels between server and sites: the task of a round and the updates that answer it, in
 * memory and as safetensors.
 *
 * A file's metadata are JSON under "nephron": kind ("global", "update"), format (MESSAGE_FORMAT), round,
 * rounds, the hash of what was agreed on (federation), and of an update its site, numbers and the hash of the
 * global message that it began with (base); of a global message the updates that are in it. The seal
 * (io/weights/seal.h) is the message's own hash.
 */
#ifndef FL_MESSAGE_H
#define FL_MESSAGE_H

#include "fl/message/agreement.h"
#include "io/base/bytes.h"
#include "io/weights/safetensors.h"

enum { MESSAGE_FORMAT = 1 };

/* What the server asks for. Vectors are views. */
struct task {
    int round;                           /* from 0 */
    const float *weights;                /* [count] the global model */
    const float *shared[STRATEGY_SLOTS]; /* the strategy's shared_slots vectors */
    double clip;                         /* adaptive clipping: the round's norm */
    char base[65];                       /* hash of the message that brought it; "" in memory */
};

/* Values are w_k, or w_k - w; or nothing, and packed is the masked difference (fl/round/secure_round.h). */
enum { UPDATE_WEIGHTS, UPDATE_DIFFERENCE, UPDATE_HIDDEN };

/* A loss beyond it is that of a training that diverged: no site sends it, none is read. */
#define LOSS_LARGEST 1e9

/* What a site gives. Numbers that are not known are NaN. */
struct update {
    char site[SITE_NAME_MAX];
    int round, kind;
    size_t count;
    float *values; /* [count], owned */
    /* what is sent instead of values, which are then what it decodes to; empty: nothing */
    struct bytes packed;
    struct contribution numbers; /* numbers.site points to site */
    double loss;                 /* mean over the local steps */
    double seconds;
    double metric_before, loss_before; /* of the global weights on the site's validation cases */
    double metric_after, loss_after;   /* of the site's weights */
    int validation_cases;
    int within; /* adaptive clipping: whether the norm was at most the round's; -1: not told */
    char base[65]; /* the task's */
};
int update_init(struct update *u, size_t count, struct error *e);
void update_free(struct update *u);
/* Values become w_k - w, or w_k again (rounded once more). */
void update_to(struct update *u, int kind, const float *global);

/* Values, packed or not, to and from a file, under a prefix. */
void update_add_values(struct safetensors *s, const char *prefix, const struct model *layout,
                       const struct update *u);
int update_take_values(struct update *u, const struct safetensors *s, const char *prefix,
                       const struct model *layout, const char *path, struct error *e);
/* All but the values. */
struct json *update_json(const struct update *u);
int update_from_json(struct update *u, const struct json *j, const char *path, struct error *e);

/* hex: the message's seal. Values are written as they are (weights or difference). */
int update_write(const struct update *u, const struct agreement *f, const struct model *layout,
                 const char *path, char hex[65], struct error *e);
/* Into an initialised update. Refuses what is damaged, of another federation or another format; round and
 * base are the server's to check. */
int update_read(struct update *u, const struct agreement *f, const struct model *layout, const char *path,
                char hex[65], struct error *e);

/* The global message of a round: weights, shared vectors, and `agreed`, the JSON that everything can be made
 * of. updates: JSON array of
 * {"site", "sha256"} of the round before, or NULL. */
int task_write(const struct task *t, const struct agreement *f, const struct json *agreed,
               const struct json *updates, const struct model *layout, const char *path, char hex[65],
               struct error *e);
struct task_message {
    struct task task;
    float *vector[1 + STRATEGY_SLOTS]; /* weights, shared vectors: what task points to */
};
int task_read(struct task_message *m, const struct agreement *f, const struct model *layout,
              const char *path, struct error *e);
void task_free(struct task_message *m);
/* Whether the update of a site, of the round before, is in a global message; -1: an error. */
int task_has(const char *path, const struct agreement *f, const char *site, struct error *e);
/* A message of another kind: bytes under names, of a round and its task, from a site or (site "") the
 * server. */
struct message_part {
    char name[SITE_NAME_MAX + 16];
    const unsigned char *data;
    size_t size;
};
struct message_head {
    const char *kind, *site;
    int round;
    const char *base; /* hash of the task */
    int private;      /* to be written for the owner alone: what others may not read */
};
int parts_write(const struct message_head *h, const struct message_part *part, int parts,
                const struct agreement *f, const char *path, struct error *e);
/* One part, appended to out; all but kind and name is checked. 1: the message is sound and has no such
 * part. */
int parts_read(struct bytes *out, const struct message_head *h, const char *part, const struct agreement *f,
               const char *path, struct error *e);
/* The agreed JSON of a global message, and the hash of its text. */
struct json *task_agreed(const char *path, char hash[65], struct error *e);

#endif
