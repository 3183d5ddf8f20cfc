/* secure_server.c - the server's part of secure aggregation: it carries keys and sealed shares, sums what it
 * cannot read, and takes off the masks of those who were there and of those who were lost.
 * The book: docs/book/16_privacy.md */
#include <stdlib.h>
#include <string.h>

#include "fl/privacy/secure_common.h"

static const char *const stage_name[] = {"", "keys", "shares", "masked vectors", "reveals", "nothing"};

static unsigned char *sealed_at(const struct secure_server *s, int from, int to)
{
    return s->sealed + ((size_t)from * (size_t)s->p.sites + (size_t)to) * SECURE_SEALED;
}

static unsigned char *revealed_at(const struct secure_server *s, int from, int of)
{
    return s->revealed + ((size_t)from * (size_t)s->p.sites + (size_t)of) * 32;
}

static int allocate(struct secure_server *s, struct error *e)
{
    const size_t n = (size_t)s->p.sites;
    s->public_keys = calloc(n, sizeof *s->public_keys);
    s->sealed = calloc(n * n, SECURE_SEALED);
    s->revealed = calloc(n * n, 32);
    s->sum = calloc(secure_word_bytes(&s->p), 1);
    if (s->public_keys && s->sealed && s->revealed && s->sum) return 0;
    secure_server_end(s);
    return error_set(e, "secure aggregation: out of memory for %llu values", (unsigned long long)s->p.count);
}

int secure_server_begin(struct secure_server *s, const struct secure_parameters *p, struct error *e)
{
    memset(s, 0, sizeof *s);
    if (secure_parameters_check(p, e)) return -1;
    s->p = *p;
    s->stage = SECURE_KEYS;
    return allocate(s, e);
}

void secure_server_end(struct secure_server *s)
{
    free(s->public_keys);
    free(s->sealed);
    free(s->revealed);
    free(s->sum);
    memset(s, 0, sizeof *s);
}

/* ---- taking messages --------------------------------------------------------------------------------- */

static int take_keys(struct secure_server *s, int site, struct bytes_reader *r, struct error *e)
{
    const unsigned char *keys = bytes_take(r, SECURE_PUBLIC);
    static const unsigned char any[32] = {8};
    unsigned char shared[32];
    if (bytes_end(r, "keys", e)) return -1;
    if (x25519(shared, any, keys) || x25519(shared, any, keys + 32)) /* no other site could go on with it */
        return error_set(e, "keys of site %d: one is of small order", site);
    for (int i = 0; i < s->p.sites; i++)
        if (s->came[SECURE_KEYS][i] &&
            (memcmp(s->public_keys[i], keys, 32) == 0 || memcmp(s->public_keys[i] + 32, keys + 32, 32) == 0))
            return error_set(e, "site %d has the keys of site %d", site, i);
    memcpy(s->public_keys[site], keys, SECURE_PUBLIC);
    return 0;
}

static int take_shares(struct secure_server *s, int site, struct bytes_reader *r, struct error *e)
{
    const int others = count_set(s->came[SECURE_KEYS], s->p.sites) - 1;
    if (bytes_left(r) != (size_t)others * SECURE_SEALED)
        return error_set(e, "shares of site %d: %zu bytes for %d other sites", site, bytes_left(r), others);
    for (int i = 0; i < s->p.sites; i++)
        if (s->came[SECURE_KEYS][i] && i != site)
            memcpy(sealed_at(s, site, i), bytes_take(r, SECURE_SEALED), SECURE_SEALED);
    return 0;
}

static int take_masked(struct secure_server *s, int site, struct bytes_reader *r, struct error *e)
{
    const size_t size = secure_word_bytes(&s->p);
    if (bytes_left(r) != size)
        return error_set(e, "masked vector of site %d: %zu bytes instead of %zu", site, bytes_left(r), size);
    words_add(s->sum, bytes_take(r, size), &s->p);
    return 0;
}

static int take_reveal(struct secure_server *s, int site, struct bytes_reader *r, struct error *e)
{
    const int sharing = count_set(s->came[SECURE_SHARES], s->p.sites);
    if (bytes_left(r) != (size_t)sharing * 32)
        return error_set(e, "reveal of site %d: %zu bytes for %d sites", site, bytes_left(r), sharing);
    for (int i = 0; i < s->p.sites; i++)
        if (s->came[SECURE_SHARES][i]) memcpy(revealed_at(s, site, i), bytes_take(r, 32), 32);
    return 0;
}

int secure_server_take(struct secure_server *s, int from, const unsigned char *message, size_t size,
                       struct error *e)
{
    static const enum frame_kind kind[] = {0, FRAME_KEYS, FRAME_SHARES, FRAME_MASKED, FRAME_REVEAL};
    static int (*const take[])(struct secure_server *, int, struct bytes_reader *,
                               struct error *) = {NULL, take_keys, take_shares, take_masked, take_reveal};
    struct bytes_reader r;
    int site = from;
    if (s->stage == SECURE_DONE) return error_set(e, "the session is over");
    if (frame_open(&r, kind[s->stage], &site, &s->p, message, size, e)) return -1;
    if (s->came[s->stage][site])
        return error_set(e, "%s of site %d: a second time", stage_name[s->stage], site);
    if (s->stage > SECURE_KEYS && !s->came[s->stage - 1][site])
        return error_set(e, "%s of site %d, which was left out at the stage of %s", stage_name[s->stage],
                         site, stage_name[s->stage - 1]);
    if (take[s->stage](s, site, &r, e)) return -1;
    s->came[s->stage][site] = 1;
    return 0;
}

int secure_server_came(const struct secure_server *s)
{
    return s->stage == SECURE_DONE ? 0 : count_set(s->came[s->stage], s->p.sites);
}

static int check_enough(const struct secure_server *s, struct error *e)
{
    const int came = secure_server_came(s);
    if (came >= s->p.threshold) return 0;
    return error_set(e, "%s came from %d of %d sites, the threshold is %d: nothing is revealed",
                     stage_name[s->stage], came, s->p.sites, s->p.threshold);
}

int secure_server_next(struct secure_server *s, struct error *e)
{
    if (s->stage >= SECURE_REVEAL) return error_set(e, "after the reveals comes the mean");
    if (check_enough(s, e)) return -1;
    s->stage++;
    return 0;
}

/* ---- questions --------------------------------------------------------------------------------------- */

int secure_server_message(const struct secure_server *s, int site, struct bytes *out, struct error *e)
{
    static const enum frame_kind kind[] = {0, 0, FRAME_ROSTER, FRAME_INBOX, FRAME_SURVIVORS};
    if (s->stage < SECURE_SHARES || s->stage > SECURE_REVEAL)
        return error_set(e, "there is no question at this stage");
    const unsigned char *there = s->came[s->stage - 1];
    if (site < 0 || site >= s->p.sites || !there[site])
        return error_set(e, "site %d did not send its %s and is asked nothing", site,
                         stage_name[s->stage - 1]);
    const size_t begin = frame_begin(out, kind[s->stage], FROM_SERVER, &s->p);
    bytes_put(out, there, (size_t)s->p.sites);
    for (int i = 0; i < s->p.sites; i++) {
        if (!there[i]) continue;
        if (s->stage == SECURE_SHARES) bytes_put(out, s->public_keys[i], SECURE_PUBLIC);
        if (s->stage == SECURE_MASKED && i != site) bytes_put(out, sealed_at(s, i, site), SECURE_SEALED);
    }
    return frame_end(out, begin, e);
}

/* ---- the mean ---------------------------------------------------------------------------------------- */

/* The secret of site `of` that the first `threshold` reveals, but for that of site `without`, are shares
 * of. */
static void join_secret(unsigned char secret[32], const struct secure_server *s, int of, int without)
{
    unsigned char share[SHAMIR_SITES][32];
    int number[SHAMIR_SITES], n = 0;
    for (int i = 0; i < s->p.sites && n < s->p.threshold; i++) {
        if (i == without || !s->came[SECURE_REVEAL][i]) continue;
        memcpy(share[n], revealed_at(s, i, of), 32);
        number[n++] = i;
    }
    shamir_join(secret, 32, &share[0][0], number, n);
}

/* Whether it is what the site told of it with its keys: the seed of its own mask, or its key. */
static int is_secret_of(const unsigned char secret[32], const struct secure_server *s, int site, int seed)
{
    unsigned char told[32];
    if (seed) seed_commitment(told, secret);
    else x25519_public(told, secret);
    return memcmp(told, s->public_keys[site] + (seed ? 64 : 32), 32) == 0;
}

/* Joined, and of one wrong reveal the others where there are enough of them: that one is noted. */
static int find_secret(unsigned char secret[32], struct secure_server *s, int site, int seed, struct error *e)
{
    join_secret(secret, s, site, -1);
    if (is_secret_of(secret, s, site, seed)) return 0;
    for (int i = 0; i < s->p.sites && secure_server_came(s) > s->p.threshold; i++) {
        if (!s->came[SECURE_REVEAL][i]) continue;
        join_secret(secret, s, site, i);
        if (is_secret_of(secret, s, site, seed)) return s->wrong[i] = 1, 0;
    }
    return error_set(e,
                     "the shares of the %s of site %d do not fit together: a reveal is wrong, or what that "
                     "site had shared out",
                     seed ? "mask" : "key", site);
}

/* Of a site whose vector is in the sum: its own mask. */
static int take_off_self(unsigned char *sum, struct secure_server *s, int site, struct error *e)
{
    unsigned char seed[32], key[32];
    if (find_secret(seed, s, site, 1, e)) return -1;
    self_key(key, seed, &s->p);
    mask_apply(sum, &s->p, key, -1);
    return 0;
}

/* Of a site that was lost after its shares: the masks with it that are in the vectors of the survivors. */
static int take_off_pairs(unsigned char *sum, struct secure_server *s, int site, struct error *e)
{
    unsigned char secret[32], key[32];
    if (find_secret(secret, s, site, 0, e)) return -1;
    for (int i = 0; i < s->p.sites; i++) {
        if (!s->came[SECURE_MASKED][i]) continue;
        if (pair_key(key, secret, s->public_keys[i] + 32, &s->p)) return error_set(e, "key of site %d", i);
        mask_apply(sum, &s->p, key, -mask_sign(i, site));
    }
    return 0;
}

int secure_server_mean(struct secure_server *s, float *mean, double *weight, struct error *e)
{
    if (s->stage != SECURE_REVEAL) return error_set(e, "the mean comes after the reveals");
    if (check_enough(s, e)) return -1;
    memset(s->wrong, 0, sizeof s->wrong);
    const size_t size = secure_word_bytes(&s->p);
    unsigned char *sum = malloc(size); /* the state stays as it is until all masks are off */
    if (sum == NULL) return error_set(e, "secure aggregation: out of memory for %zu bytes", size);
    memcpy(sum, s->sum, size);
    int status = 0, survivors = count_set(s->came[SECURE_MASKED], s->p.sites);
    for (int i = 0; i < s->p.sites && !status; i++) {
        if (s->came[SECURE_MASKED][i]) status = take_off_self(sum, s, i, e);
        else if (s->came[SECURE_SHARES][i]) status = take_off_pairs(sum, s, i, e);
    }
    const int64_t total = status ? 0 : word_value(sum, s->p.count, s->p.bits);
    if (!status && (total < survivors || total > (int64_t)survivors * s->p.weight_max))
        status = error_set(e, "the weights of %d sites add up to %lld: a masked vector is wrong", survivors,
                           (long long)total);
    for (uint64_t i = 0; i < s->p.count && !status; i++)
        mean[i] = (float)((double)word_value(sum, i, s->p.bits) / (double)total * secure_quantum(&s->p));
    free(sum);
    if (status) return -1;
    *weight = (double)total;
    s->stage = SECURE_DONE;
    return 0;
}

/* ---- state ------------------------------------------------------------------------------------------- */

void secure_server_write(const struct secure_server *s, struct bytes *out)
{
    struct error e;
    const size_t n = (size_t)s->p.sites, begin = frame_begin(out, FRAME_SERVER, FROM_SERVER, &s->p);
    parameters_put(out, &s->p);
    bytes_put_u8(out, (uint8_t)s->stage);
    for (int stage = SECURE_KEYS; stage < SECURE_DONE; stage++) bytes_put(out, s->came[stage], n);
    bytes_put(out, s->public_keys, n * SECURE_PUBLIC);
    bytes_put(out, s->sealed, n * n * SECURE_SEALED);
    bytes_put(out, s->revealed, n * n * 32);
    bytes_put(out, s->sum, secure_word_bytes(&s->p));
    if (frame_end(out, begin, &e)) out->failed = 1;
}

static int check_state(const struct secure_server *s, const struct bytes_reader *r, const unsigned char *data,
                       struct error *e)
{
    unsigned char digest[32];
    if (bytes_end(r, "state of the server", e)) return -1;
    secure_session(digest, &s->p);
    if (s->stage < SECURE_KEYS || s->stage > SECURE_DONE || memcmp(digest, data + 8, 32) != 0)
        return error_set(e, "state of the server: stage %d", (int)s->stage);
    for (int stage = SECURE_KEYS; stage < SECURE_DONE; stage++)
        for (int i = 0; i < s->p.sites; i++) {
            const int flag = s->came[stage][i];
            if (flag > 1 ||
                (flag && (stage > (int)s->stage || (stage > SECURE_KEYS && !s->came[stage - 1][i]))))
                return error_set(e, "state of the server: %s of site %d", stage_name[stage], i);
        }
    return 0;
}

int secure_server_read(struct secure_server *s, const unsigned char *data, size_t size, struct error *e)
{
    struct bytes_reader r;
    int sender = FROM_SERVER;
    memset(s, 0, sizeof *s);
    if (frame_open(&r, FRAME_SERVER, &sender, NULL, data, size, e) || parameters_take(&s->p, &r, e))
        return -1;
    const size_t n = (size_t)s->p.sites;
    if (bytes_left(&r) < secure_word_bytes(&s->p))
        return error_set(e, "state of the server: the bytes end too early");
    if (allocate(s, e)) return -1;
    s->stage = bytes_u8(&r);
    for (int stage = SECURE_KEYS; stage < SECURE_DONE; stage++) bytes_copy(s->came[stage], &r, n);
    bytes_copy(s->public_keys, &r, n * SECURE_PUBLIC);
    bytes_copy(s->sealed, &r, n * n * SECURE_SEALED);
    bytes_copy(s->revealed, &r, n * n * 32);
    bytes_copy(s->sum, &r, secure_word_bytes(&s->p));
    if (check_state(s, &r, data, e) == 0) return 0;
    secure_server_end(s);
    return -1;
}
