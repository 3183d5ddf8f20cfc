/* secure_common.h - what sites and server of secure aggregation (secure.h) share: frames, masks, whole
 * numbers. */
#ifndef FL_SECURE_COMMON_H
#define FL_SECURE_COMMON_H

#include "fl/privacy/chacha20.h"
#include "fl/privacy/secure.h"

enum frame_kind {
    FRAME_KEYS = 1,
    FRAME_ROSTER,
    FRAME_SHARES,
    FRAME_INBOX,
    FRAME_MASKED,
    FRAME_SURVIVORS,
    FRAME_REVEAL,
    FRAME_SITE = 9,
    FRAME_SERVER
};
enum { FROM_SERVER = 255, SECURE_SEALED = SECURE_SHARE + AEAD_TAG };

/* Hash of all parameters, session id included: the salt of every key and the name of the session in every
 * frame. */
void secure_session(unsigned char digest[32], const struct secure_parameters *p);

/* A frame: "NSA1", kind, sender, two zeros, session digest, body, SHA-256 of all that. frame_end fails if
 * memory ran out; out is then as before frame_begin. */
size_t frame_begin(struct bytes *out, enum frame_kind kind, int sender, const struct secure_parameters *p);
int frame_end(struct bytes *out, size_t begin, struct error *e);
/* Opens a frame of the session (p NULL: any): a reader of the body. sender: who it must be from (-1: any site
 * below p->sites, returned). */
int frame_open(struct bytes_reader *body, enum frame_kind kind, int *sender,
               const struct secure_parameters *p, const unsigned char *data, size_t size, struct error *e);

void parameters_put(struct bytes *out, const struct secure_parameters *p);
int parameters_take(struct secure_parameters *p, struct bytes_reader *r, struct error *e);

size_t secure_word_bytes(const struct secure_parameters *p); /* of count + 1 words */
/* word += or -= (sign -1) the mask's key stream. */
void mask_apply(unsigned char *word, const struct secure_parameters *p, const unsigned char key[32],
                int sign);
void words_add(unsigned char *word, const unsigned char *other, const struct secure_parameters *p);
/* Signed value of word i. */
int64_t word_value(const unsigned char *word, uint64_t i, int bits);
/* The vector as weighted quanta, and the weight as last word. -1 on NaN and infinity. */
int words_from_floats(unsigned char *word, const float *x, uint32_t weight, uint64_t *clipped,
                      const struct secure_parameters *p, struct error *e);

/* Keys: of the mask that two sites share, of a site's own mask, of the cipher from one site to another. -1: a
 * key of small order. */
int pair_key(unsigned char key[32], const unsigned char mask_secret[32], const unsigned char other_public[32],
             const struct secure_parameters *p);
void self_key(unsigned char key[32], const unsigned char self_seed[32], const struct secure_parameters *p);
int cipher_key(unsigned char key[32], const unsigned char cipher_secret[32],
               const unsigned char other_public[32], int from, int to, const struct secure_parameters *p);
/* What binds a self_seed before it is shared. */
void seed_commitment(unsigned char digest[32], const unsigned char self_seed[32]);
/* The sign with which `site` adds the mask that it shares with `other`. */
int mask_sign(int site, int other);
int count_set(const unsigned char *flag, int n);

#endif
