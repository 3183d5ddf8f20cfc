/* secure_site.c - a site's part of secure aggregation: keys, shares for the others, the masked vector, and
 * the shares that the server may have.
 * The book: docs/book/16_privacy.md */
#include <string.h>

#include "fl/privacy/secure_common.h"

static int check_stage(const struct secure_site *s, enum secure_stage stage, struct error *e)
{
    static const char *const name[] = {"", "keys", "shares", "masked vector", "reveal", "nothing"};
    if (s->stage == stage) return 0;
    return error_set(e, "site %d: the next thing that it gives is its %s, not its %s", s->index,
                     name[s->stage], name[stage]);
}

/* One flag for each site: 0 or 1, at least `threshold` of them set, and only where `within` allows. */
static int take_flags(unsigned char *flag, struct bytes_reader *r, const struct secure_site *s,
                      const unsigned char *within, const char *what, struct error *e)
{
    for (int i = 0; i < s->p.sites; i++) {
        flag[i] = bytes_u8(r);
        if (flag[i] > 1 || (flag[i] && !within[i]))
            return error_set(e, "%s: site %d is not to be in it", what, i);
    }
    if (r->failed) return error_set(e, "%s: the bytes end too early", what);
    if (!flag[s->index]) return error_set(e, "%s: this site (%d) is not in it", what, s->index);
    if (count_set(flag, s->p.sites) < s->p.threshold)
        return error_set(e, "%s: %d sites, the threshold is %d; nothing is revealed", what,
                         count_set(flag, s->p.sites), s->p.threshold);
    return 0;
}

int secure_site_begin(struct secure_site *s, const struct secure_parameters *p, int index,
                      struct randomness *r, struct bytes *out, struct error *e)
{
    if (secure_parameters_check(p, e)) return -1;
    if (index < 0 || index >= p->sites) return error_set(e, "site %d of %d", index, p->sites);
    memset(s, 0, sizeof *s);
    s->p = *p;
    s->index = index;
    s->stage = SECURE_SHARES;
    randomness_bytes(r, s->cipher_secret, sizeof s->cipher_secret);
    randomness_bytes(r, s->mask_secret, sizeof s->mask_secret);
    randomness_bytes(r, s->self_seed, sizeof s->self_seed);
    unsigned char *own = s->public_keys[index];
    x25519_public(own, s->cipher_secret);
    x25519_public(own + 32, s->mask_secret);
    seed_commitment(own + 64, s->self_seed);
    const size_t begin = frame_begin(out, FRAME_KEYS, index, p);
    bytes_put(out, own, SECURE_PUBLIC);
    return frame_end(out, begin, e);
}

/* ---- shares ------------------------------------------------------------------------------------------ */

static int take_roster(struct secure_site *s, const unsigned char *roster, size_t size, struct error *e)
{
    unsigned char everyone[SHAMIR_SITES];
    struct bytes_reader r;
    int sender = FROM_SERVER;
    memset(everyone, 1, sizeof everyone);
    if (frame_open(&r, FRAME_ROSTER, &sender, &s->p, roster, size, e) ||
        take_flags(s->present, &r, s, everyone, "roster", e))
        return -1;
    for (int i = 0; i < s->p.sites; i++) {
        if (!s->present[i]) continue;
        const unsigned char *keys = bytes_take(&r, SECURE_PUBLIC);
        if (keys == NULL) return error_set(e, "roster: the bytes end too early");
        if (i == s->index && memcmp(keys, s->public_keys[i], SECURE_PUBLIC) != 0)
            return error_set(e, "roster: the keys of this site (%d) are not its own", i);
        memcpy(s->public_keys[i], keys, SECURE_PUBLIC);
        for (int j = 0; j < i; j++)
            if (s->present[j] && (memcmp(s->public_keys[j], keys, 32) == 0 ||
                                  memcmp(s->public_keys[j] + 32, keys + 32, 32) == 0))
                return error_set(e, "roster: sites %d and %d have the same keys", j, i);
    }
    return bytes_end(&r, "roster", e);
}

/* The extra data of a sealed share: between whom it travels (the key is bound to the session). */
static void seal_share(unsigned char *sealed, const unsigned char *share, const unsigned char key[32],
                       int from, int to)
{
    static const unsigned char nonce[CHACHA20_NONCE]; /* every key seals one message */
    const unsigned char extra[2] = {(unsigned char)from, (unsigned char)to};
    aead_seal(sealed, share, SECURE_SHARE, extra, sizeof extra, key, nonce);
}

static int put_shares(struct secure_site *s, struct randomness *r, struct bytes *out, struct error *e)
{
    unsigned char of_mask[SHAMIR_SITES][32], of_seed[SHAMIR_SITES][32], both[SECURE_SHARE], key[32];
    int status = 0;
    shamir_split(&of_mask[0][0], s->mask_secret, 32, s->p.threshold, s->p.sites, r);
    shamir_split(&of_seed[0][0], s->self_seed, 32, s->p.threshold, s->p.sites, r);
    for (int i = 0; i < s->p.sites && !status; i++) {
        if (!s->present[i]) continue;
        memcpy(both, of_mask[i], 32);
        memcpy(both + 32, of_seed[i], 32);
        if (i == s->index) {
            memcpy(s->share[i], both, SECURE_SHARE);
            continue;
        }
        if (cipher_key(key, s->cipher_secret, s->public_keys[i], s->index, i, &s->p))
            status = error_set(e, "roster: the key of site %d is of small order", i);
        unsigned char *sealed = bytes_grow(out, SECURE_SEALED);
        if (sealed) seal_share(sealed, both, key, s->index, i);
    }
    secret_wipe(of_mask, sizeof of_mask);
    secret_wipe(of_seed, sizeof of_seed);
    secret_wipe(both, sizeof both);
    secret_wipe(key, sizeof key);
    return status;
}

int secure_site_share(struct secure_site *s, const unsigned char *roster, size_t size, struct randomness *r,
                      struct bytes *out, struct error *e)
{
    struct secure_site next = *s;
    if (check_stage(s, SECURE_SHARES, e)) return -1;
    int status = take_roster(&next, roster, size, e);
    if (!status) {
        const size_t begin = frame_begin(out, FRAME_SHARES, s->index, &s->p);
        status = put_shares(&next, r, out, e);
        if (status) out->size = begin;
        else status = frame_end(out, begin, e);
    }
    if (!status) {
        next.stage = SECURE_MASKED;
        *s = next;
    }
    secret_wipe(&next, sizeof next);
    return status;
}

/* ---- the masked vector ------------------------------------------------------------------------------- */

static int take_inbox(struct secure_site *s, const unsigned char *inbox, size_t size, struct error *e)
{
    static const unsigned char nonce[CHACHA20_NONCE];
    struct bytes_reader r;
    unsigned char key[32];
    int sender = FROM_SERVER, status = 0;
    if (frame_open(&r, FRAME_INBOX, &sender, &s->p, inbox, size, e) ||
        take_flags(s->sharing, &r, s, s->present, "shares from the others", e))
        return -1;
    for (int i = 0; i < s->p.sites && !status; i++) {
        if (!s->sharing[i] || i == s->index) continue;
        const unsigned char extra[2] = {(unsigned char)i, (unsigned char)s->index},
                            *sealed = bytes_take(&r, SECURE_SEALED);
        if (sealed == NULL) break; /* bytes_end reports it */
        cipher_key(key, s->cipher_secret, s->public_keys[i], i, s->index,
                   &s->p); /* checked with the roster */
        if (aead_open(s->share[i], sealed, SECURE_SHARE, extra, sizeof extra, key, nonce))
            status = error_set(e, "the share from site %d is not what that site sealed for this one", i);
    }
    secret_wipe(key, sizeof key);
    return status ? -1 : bytes_end(&r, "shares from the others", e);
}

static int put_masked(const struct secure_site *s, const float *x, uint32_t weight, uint64_t *clipped,
                      struct bytes *out, struct error *e)
{
    unsigned char key[32], *word = bytes_grow(out, secure_word_bytes(&s->p));
    int status = 0;
    if (word == NULL) return 0; /* frame_end reports it */
    if (words_from_floats(word, x, weight, clipped, &s->p, e)) return -1;
    self_key(key, s->self_seed, &s->p);
    mask_apply(word, &s->p, key, 1);
    for (int i = 0; i < s->p.sites && !status; i++) {
        if (!s->sharing[i] || i == s->index) continue;
        if (pair_key(key, s->mask_secret, s->public_keys[i] + 32, &s->p))
            status = error_set(e, "roster: the key of site %d is of small order", i);
        else mask_apply(word, &s->p, key, mask_sign(s->index, i));
    }
    secret_wipe(key, sizeof key);
    return status;
}

int secure_site_mask(struct secure_site *s, const unsigned char *inbox, size_t size, const float *x,
                     uint32_t weight, uint64_t *clipped, struct bytes *out, struct error *e)
{
    struct secure_site next = *s;
    if (check_stage(s, SECURE_MASKED, e)) return -1;
    if (weight < 1 || weight > s->p.weight_max)
        return error_set(e, "site %d: weight %u, not 1 to %u", s->index, weight, s->p.weight_max);
    int status = take_inbox(&next, inbox, size, e);
    if (!status) {
        const size_t begin = frame_begin(out, FRAME_MASKED, s->index, &s->p);
        status = put_masked(&next, x, weight, clipped, out, e);
        if (status) {
            if (out->data) secret_wipe(out->data + begin, out->size - begin); /* perhaps not masked yet */
            out->size = begin;
        } else status = frame_end(out, begin, e);
    }
    if (!status) {
        next.stage = SECURE_REVEAL;
        *s = next;
    }
    secret_wipe(&next, sizeof next);
    return status;
}

/* ---- what the server may have ------------------------------------------------------------------------ */

int secure_site_reveal(struct secure_site *s, const unsigned char *survivors, size_t size, struct bytes *out,
                       struct error *e)
{
    struct bytes_reader r;
    unsigned char flag[SHAMIR_SITES] = {0};
    int sender = FROM_SERVER;
    if (s->stage != SECURE_DONE && check_stage(s, SECURE_REVEAL, e)) return -1;
    if (frame_open(&r, FRAME_SURVIVORS, &sender, &s->p, survivors, size, e) ||
        take_flags(flag, &r, s, s->sharing, "survivors", e) || bytes_end(&r, "survivors", e))
        return -1;
    if (s->stage == SECURE_DONE && memcmp(flag, s->survivor, sizeof flag) != 0)
        return error_set(e, "site %d has answered for other survivors: both answers would unmask a site",
                         s->index);
    const size_t begin = frame_begin(out, FRAME_REVEAL, s->index, &s->p);
    for (int i = 0; i < s->p.sites; i++)
        if (s->sharing[i]) bytes_put(out, s->share[i] + (flag[i] ? 32 : 0), 32);
    if (frame_end(out, begin, e)) return -1;
    memcpy(s->survivor, flag, sizeof flag);
    s->stage = SECURE_DONE;
    return 0;
}

/* ---- state ------------------------------------------------------------------------------------------- */

void secure_site_end(struct secure_site *s)
{
    secret_wipe(s, sizeof *s);
}

void secure_site_write(const struct secure_site *s, struct bytes *out)
{
    struct error e;
    const size_t n = (size_t)s->p.sites, begin = frame_begin(out, FRAME_SITE, s->index, &s->p);
    parameters_put(out, &s->p);
    bytes_put_u8(out, (uint8_t)s->stage);
    bytes_put(out, s->cipher_secret, sizeof s->cipher_secret);
    bytes_put(out, s->mask_secret, sizeof s->mask_secret);
    bytes_put(out, s->self_seed, sizeof s->self_seed);
    bytes_put(out, s->present, n);
    bytes_put(out, s->sharing, n);
    bytes_put(out, s->survivor, n);
    bytes_put(out, s->public_keys, n * SECURE_PUBLIC);
    bytes_put(out, s->share, n * SECURE_SHARE);
    if (frame_end(out, begin, &e)) out->failed = 1;
}

int secure_site_read(struct secure_site *s, const unsigned char *data, size_t size, struct error *e)
{
    struct bytes_reader r;
    unsigned char digest[32];
    int sender = -1;
    memset(s, 0, sizeof *s);
    if (frame_open(&r, FRAME_SITE, &sender, NULL, data, size, e) || parameters_take(&s->p, &r, e)) return -1;
    const size_t n = (size_t)s->p.sites;
    s->index = sender;
    s->stage = bytes_u8(&r);
    bytes_copy(s->cipher_secret, &r, sizeof s->cipher_secret);
    bytes_copy(s->mask_secret, &r, sizeof s->mask_secret);
    bytes_copy(s->self_seed, &r, sizeof s->self_seed);
    bytes_copy(s->present, &r, n);
    bytes_copy(s->sharing, &r, n);
    bytes_copy(s->survivor, &r, n);
    bytes_copy(s->public_keys, &r, n * SECURE_PUBLIC);
    bytes_copy(s->share, &r, n * SECURE_SHARE);
    secure_session(digest, &s->p);
    int status = bytes_end(&r, "state of a site", e);
    if (!status && (s->index >= s->p.sites || s->stage < SECURE_SHARES || s->stage > SECURE_DONE ||
                    memcmp(digest, data + 8, 32) != 0))
        status = error_set(e, "state of a site: site %d of %d at stage %d", s->index, s->p.sites,
                           (int)s->stage);
    if (status) secure_site_end(s);
    return status;
}
