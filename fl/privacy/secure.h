/* secure.h - secure aggregation: the server learns the weighted mean of the sites' vectors and nothing else
 * of them.
 *
 * Bonawitz et al., Practical secure aggregation for privacy-preserving machine learning (CCS 2017), the
 * protocol for a server that keeps to the protocol but looks at everything ("semi-honest"). A session serves
 * one round:
 *
 *     site                                        server
 *     secure_site_begin     -> KEYS               secure_server_take of each, secure_server_next
 *     secure_site_share     <- ROSTER
 *                           -> SHARES             secure_server_take of each, secure_server_next
 *     secure_site_mask      <- INBOX
 *                           -> MASKED             secure_server_take of each, secure_server_next
 *     secure_site_reveal    <- SURVIVORS
 *                           -> REVEAL             secure_server_take of each, secure_server_mean
 *
 * Every site adds to its vector one mask for itself and one with each other site, which that one subtracts.
 * Sites may vanish at every stage: the masks of those that sent SHARES and no MASKED are rebuilt from their
 * shares, which the others hold. As long as `threshold` sites answer, the mean is that of the sites whose
 * MASKED arrived. With fewer the server gets an error and has seen only masked numbers. A site gives shares
 * of the own mask or of the pair secret of another site, never both, and answers one set of survivors only;
 * with threshold > sites / 2 a server cannot obtain both by asking different sites differently.
 *
 * What it does not do: keys are not certified. Whoever can replace messages on the way to all others, or a
 * server that invents sites, needs channels that authenticate (TLS, signatures) against it. The server and
 * sites - 1 colluding sites can subtract what they know from the mean. And the mean itself tells something
 * about each of a few sites: that is what noise (dp.h) is for.
 *
 * Numbers. A value x in -range..range becomes the nearest whole number of quanta of range / levels, and is
 * multiplied by the site's weight (1..weight_max); sums are modulo 2^bits. levels is the largest power of
 * two, up to 2^40, with sites * weight_max * levels < 2^(bits - 1), so that no sum overflows. The mean
 * differs from the exact one by at most half a quantum. Values outside of the range are clipped, and counted;
 * NaN and infinity are errors.
 *
 * Messages and states are bytes. Each ends with its SHA-256, names its session (all parameters and 16 random
 * bytes) and its sender; a damaged, foreign, repeated or late one is refused with the reason and changes
 * nothing. A state (secure_site_write, secure_server_write) lets every step run in a process of its own. A
 * site's state holds its secrets and must not leave the site; it must be stored before the message is sent.
 *
 * Cost: a site sends 96 + 80 * sites + (count + 1) * bits / 8 + 32 * sites bytes, and makes `sites` masks.
 * Time does not depend on secrets (tests/program/check_constant_time.sh), but for the clipping of one's own
 * values.
 * The book: docs/book/16_privacy.md */
#ifndef FL_SECURE_H
#define FL_SECURE_H

#include "fl/privacy/shamir.h"
#include "fl/privacy/x25519.h"
#include "io/base/bytes.h"

struct secure_parameters {
    int sites, threshold; /* 3 to 255; more than half of the sites */
    int bits; /* 32 or 64 */
    double range; /* > 0 */
    uint32_t weight_max; /* 1 to 2^20 */
    uint64_t count; /* values of a vector, 1 to 2^34 */
    unsigned char session[16];
};
int secure_parameters_check(const struct secure_parameters *p, struct error *e);
double secure_quantum(const struct secure_parameters *p);

enum { SECURE_PUBLIC = 96, SECURE_SHARE = 64 };
enum secure_stage { SECURE_KEYS = 1, SECURE_SHARES, SECURE_MASKED, SECURE_REVEAL, SECURE_DONE };

/* ---- a site ------------------------------------------------------------------------------------------ */

struct secure_site {
    struct secure_parameters p;
    int index; /* 0 .. sites-1 */
    enum secure_stage stage; /* what it sends next */
    unsigned char cipher_secret[X25519_KEY], mask_secret[X25519_KEY], self_seed[32];
    unsigned char present[SHAMIR_SITES]; /* in the roster */
    unsigned char sharing[SHAMIR_SITES]; /* in the inbox */
    unsigned char survivor[SHAMIR_SITES]; /* the set that was answered */
    unsigned char public_keys[SHAMIR_SITES][SECURE_PUBLIC];
    unsigned char share[SHAMIR_SITES]
                       [SECURE_SHARE]; /* of the others' mask_secret and self_seed; and the own */
};

/* Each appends its message to out. On an error the site is as before. */
int secure_site_begin(struct secure_site *s, const struct secure_parameters *p, int index,
                      struct randomness *r, struct bytes *out, struct error *e);
int secure_site_share(struct secure_site *s, const unsigned char *roster, size_t size, struct randomness *r,
                      struct bytes *out, struct error *e);
/* weight: 1 .. weight_max. *clipped (may be NULL): how many values were outside of the range. Once only: the
 * masks would give away the difference of two vectors. */
int secure_site_mask(struct secure_site *s, const unsigned char *inbox, size_t size, const float *x,
                     uint32_t weight, uint64_t *clipped, struct bytes *out, struct error *e);
/* The same survivors may be answered again, others not. */
int secure_site_reveal(struct secure_site *s, const unsigned char *survivors, size_t size, struct bytes *out,
                       struct error *e);
void secure_site_end(struct secure_site *s); /* wipes everything */
void secure_site_write(const struct secure_site *s, struct bytes *out);
int secure_site_read(struct secure_site *s, const unsigned char *data, size_t size, struct error *e);

/* ---- the server -------------------------------------------------------------------------------------- */

struct secure_server {
    struct secure_parameters p;
    enum secure_stage stage; /* what it takes next */
    unsigned char came[SECURE_DONE][SHAMIR_SITES]; /* [stage][site] */
    unsigned char (*public_keys)[SECURE_PUBLIC]; /* [sites] */
    unsigned char *sealed; /* [from][to][SECURE_SHARE + AEAD_TAG] */
    unsigned char *revealed; /* [from][of][32] */
    unsigned char *sum; /* [count + 1] words of the masked vectors */
    unsigned char wrong[SHAMIR_SITES]; /* secure_server_mean did without the reveal of site i: it fits to no
                                          other */
};

int secure_server_begin(struct secure_server *s, const struct secure_parameters *p, struct error *e);
void secure_server_end(struct secure_server *s);
/* A message of the stage that is open, in any order. from: the site that it must be of; -1: any. */
int secure_server_take(struct secure_server *s, int from, const unsigned char *message, size_t size,
                       struct error *e);
int secure_server_came(const struct secure_server *s); /* to the stage that is open */
/* Closes the stage: nobody else is waited for. -1 with fewer than `threshold` answers (the stage stays
 * open). */
int secure_server_next(struct secure_server *s, struct error *e);
/* What the stage's question to a site is (none at SECURE_KEYS); appended to out. */
int secure_server_message(const struct secure_server *s, int site, struct bytes *out, struct error *e);
/* Closes SECURE_REVEAL: the weighted mean and the sum of weights of the survivors. One wrong reveal is left
 * out where the others are enough. The stage stays open on an error. */
int secure_server_mean(struct secure_server *s, float *mean, double *weight, struct error *e);
void secure_server_write(const struct secure_server *s, struct bytes *out);
int secure_server_read(struct secure_server *s, const unsigned char *data, size_t size, struct error *e);

#endif
