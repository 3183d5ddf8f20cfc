/* secure_common.c - frames, parameters, masks and whole numbers of secure aggregation.
 * The book: docs/book/16_privacy.md */
#include "fl/privacy/secure_common.h"

#include <math.h>
#include <string.h>

#include "fl/privacy/hkdf.h"
#include "io/base/sha256.h"

/* ---- parameters -------------------------------------------------------------------------------------- */

/* 0 where there is no room for a single level. */
static uint64_t levels(const struct secure_parameters *p)
{
    const uint64_t room = ((uint64_t)1 << (p->bits - 1)) - 1, each = (uint64_t)p->sites * p->weight_max;
    uint64_t level = (uint64_t)1 << 40;
    while (level > 0 && level > room / each) level /= 2;
    return level;
}

int secure_parameters_check(const struct secure_parameters *p, struct error *e)
{
    if (p->sites < 3 || p->sites > SHAMIR_SITES)
        return error_set(
            e, "secure aggregation needs 3 to 255 sites, not %d (of two, each would know the other's)",
            p->sites);
    if (p->threshold <= p->sites / 2 || p->threshold > p->sites)
        return error_set(e, "threshold is %d, not more than half of %d sites and at most all", p->threshold,
                         p->sites);
    if (p->bits != 32 && p->bits != 64) return error_set(e, "words have %d bits, not 32 or 64", p->bits);
    if (!(p->range > 0 && p->range <= 1e30)) return error_set(e, "range is %g, not above 0", p->range);
    if (p->weight_max < 1 || p->weight_max > 1 << 20)
        return error_set(e, "largest weight is %u, not 1 to 2^20", p->weight_max);
    if (p->count < 1 || p->count > (uint64_t)1 << 34)
        return error_set(e, "%llu values, not 1 to 2^34", (unsigned long long)p->count);
    if (levels(p) < 1024)
        return error_set(e, "%d sites of weight up to %u leave %llu levels in %d bits, fewer than 1024",
                         p->sites, p->weight_max, (unsigned long long)levels(p), p->bits);
    return 0;
}

double secure_quantum(const struct secure_parameters *p)
{
    return p->range / (double)levels(p);
}

void parameters_put(struct bytes *out, const struct secure_parameters *p)
{
    bytes_put_u32(out, (uint32_t)p->sites);
    bytes_put_u32(out, (uint32_t)p->threshold);
    bytes_put_u32(out, (uint32_t)p->bits);
    bytes_put_u32(out, p->weight_max);
    bytes_put_double(out, p->range);
    bytes_put_u64(out, p->count);
    bytes_put(out, p->session, sizeof p->session);
}

int parameters_take(struct secure_parameters *p, struct bytes_reader *r, struct error *e)
{
    memset(p, 0, sizeof *p);
    p->sites = (int)bytes_u32(r);
    p->threshold = (int)bytes_u32(r);
    p->bits = (int)bytes_u32(r);
    p->weight_max = bytes_u32(r);
    p->range = bytes_double(r);
    p->count = bytes_u64(r);
    const unsigned char *session = bytes_take(r, sizeof p->session);
    if (session == NULL) return error_set(e, "parameters of the session: the bytes end too early");
    memcpy(p->session, session, sizeof p->session);
    return secure_parameters_check(p, e);
}

void secure_session(unsigned char digest[32], const struct secure_parameters *p)
{
    unsigned char text[56] = {0};
    struct sha256 s;
    uint64_t range;
    memcpy(&range, &p->range, sizeof range);
    bytes_store_u32(text, (uint32_t)p->sites);
    bytes_store_u32(text + 4, (uint32_t)p->threshold);
    bytes_store_u32(text + 8, (uint32_t)p->bits);
    bytes_store_u32(text + 12, p->weight_max);
    bytes_store_u64(text + 16, range);
    bytes_store_u64(text + 24, p->count);
    memcpy(text + 32, p->session, sizeof p->session);
    sha256_init(&s);
    sha256_update(&s, text, sizeof text);
    sha256_final(&s, digest);
}

/* ---- frames ------------------------------------------------------------------------------------------ */

enum { FRAME_HEAD = 40, FRAME_HASH = 32 };
static const unsigned char magic[4] = {'N', 'S', 'A', '1'};

size_t frame_begin(struct bytes *out, enum frame_kind kind, int sender, const struct secure_parameters *p)
{
    const size_t begin = out->size;
    unsigned char *head = bytes_grow(out, FRAME_HEAD);
    if (head == NULL) return begin;
    memset(head, 0, FRAME_HEAD);
    memcpy(head, magic, sizeof magic);
    head[4] = (unsigned char)kind;
    head[5] = (unsigned char)sender;
    secure_session(head + 8, p);
    return begin;
}

static void hash_of(unsigned char digest[32], const unsigned char *data, size_t size)
{
    struct sha256 s;
    sha256_init(&s);
    sha256_update(&s, data, size);
    sha256_final(&s, digest);
}

int frame_end(struct bytes *out, size_t begin, struct error *e)
{
    unsigned char *hash = bytes_grow(out, FRAME_HASH);
    if (hash == NULL) {
        out->size = begin;
        out->failed = 0;
        return error_set(e, "secure aggregation: out of memory for a message");
    }
    hash_of(hash, out->data + begin, out->size - FRAME_HASH - begin);
    return 0;
}

int frame_open(struct bytes_reader *body, enum frame_kind kind, int *sender,
               const struct secure_parameters *p, const unsigned char *data, size_t size, struct error *e)
{
    unsigned char digest[32];
    if (size < FRAME_HEAD + FRAME_HASH || memcmp(data, magic, sizeof magic) != 0 || data[6] || data[7])
        return error_set(e, "not a message of secure aggregation, or cut off");
    hash_of(digest, data, size - FRAME_HASH);
    if (memcmp(digest, data + size - FRAME_HASH, FRAME_HASH) != 0)
        return error_set(e, "damaged: its hash is not that of its bytes");
    if (data[4] != kind) return error_set(e, "message of kind %d where %d is due", data[4], (int)kind);
    if (p) secure_session(digest, p);
    if (p && memcmp(digest, data + 8, 32) != 0) return error_set(e, "a message of another session");
    if (*sender == -1) {
        if (p && data[5] >= p->sites) return error_set(e, "from site %d of %d", data[5], p->sites);
        *sender = data[5];
    } else if (data[5] != *sender)
        return error_set(e, "is of place %d, not %d, among the sites", data[5], *sender);
    *body = bytes_reader(data + FRAME_HEAD, size - FRAME_HEAD - FRAME_HASH);
    return 0;
}

/* ---- words ------------------------------------------------------------------------------------------- */

size_t secure_word_bytes(const struct secure_parameters *p)
{
    return (size_t)(p->count + 1) * (size_t)p->bits / 8;
}

static void add_words(unsigned char *word, const unsigned char *other, size_t bytes, int bits, int sign)
{
    if (bits == 32)
        for (size_t i = 0; i < bytes; i += 4) {
            const uint32_t v = bytes_load_u32(other + i);
            bytes_store_u32(word + i, bytes_load_u32(word + i) + (sign > 0 ? v : 0 - v));
        }
    else
        for (size_t i = 0; i < bytes; i += 8) {
            const uint64_t v = bytes_load_u64(other + i);
            bytes_store_u64(word + i, bytes_load_u64(word + i) + (sign > 0 ? v : 0 - v));
        }
}

void words_add(unsigned char *word, const unsigned char *other, const struct secure_parameters *p)
{
    add_words(word, other, secure_word_bytes(p), p->bits, 1);
}

void mask_apply(unsigned char *word, const struct secure_parameters *p, const unsigned char key[32], int sign)
{
    static const unsigned char nonce[CHACHA20_NONCE];
    unsigned char stream[8192];
    const size_t size = secure_word_bytes(p);
    for (size_t at = 0; at < size; at += sizeof stream) {
        const size_t n = size - at < sizeof stream ? size - at : sizeof stream;
        chacha20_stream(stream, n, key, nonce, (uint32_t)(at / 64));
        add_words(word + at, stream, n, p->bits, sign);
    }
    secret_wipe(stream, sizeof stream);
}

int64_t word_value(const unsigned char *word, uint64_t i, int bits)
{
    if (bits == 32) {
        const uint32_t v = bytes_load_u32(word + 4 * i);
        return v < 0x80000000u ? (int64_t)v : (int64_t)v - ((int64_t)1 << 32);
    }
    const uint64_t v = bytes_load_u64(word + 8 * i);
    return v < (uint64_t)1 << 63 ? (int64_t)v : -(int64_t)(~v) - 1;
}

static void put_word(unsigned char *word, uint64_t i, int64_t v, int bits)
{
    if (bits == 32) bytes_store_u32(word + 4 * i, (uint32_t)(uint64_t)v);
    else bytes_store_u64(word + 8 * i, (uint64_t)v);
}

int words_from_floats(unsigned char *word, const float *x, uint32_t weight, uint64_t *clipped,
                      const struct secure_parameters *p, struct error *e)
{
    const double per_step = (double)levels(p) / p->range;
    uint64_t outside = 0;
    for (uint64_t i = 0; i < p->count; i++) {
        double v = (double)x[i];
        if (!isfinite(v)) return error_set(e, "value %llu of the update is %g", (unsigned long long)i, v);
        outside += fabs(v) > p->range;
        v = v > p->range ? p->range : v < -p->range ? -p->range : v;
        put_word(word, i, (int64_t)weight * (int64_t)nearbyint(v * per_step), p->bits);
    }
    put_word(word, p->count, weight, p->bits);
    if (clipped) *clipped = outside;
    return 0;
}

/* ---- keys -------------------------------------------------------------------------------------------- */

static void derive(unsigned char key[32], const unsigned char secret[32], const char *purpose, int from,
                   int to, const struct secure_parameters *p)
{
    unsigned char session[32], info[34] = {0};
    secure_session(session, p);
    memcpy(info, purpose, strlen(purpose));
    info[32] = (unsigned char)from;
    info[33] = (unsigned char)to;
    hkdf_sha256(key, 32, secret, 32, session, sizeof session, info, sizeof info);
}

int pair_key(unsigned char key[32], const unsigned char mask_secret[32], const unsigned char other_public[32],
             const struct secure_parameters *p)
{
    unsigned char shared[32];
    const int status = x25519(shared, mask_secret, other_public);
    derive(key, shared, "nephron mask of a pair", 0, 0, p);
    secret_wipe(shared, sizeof shared);
    return status;
}

void self_key(unsigned char key[32], const unsigned char self_seed[32], const struct secure_parameters *p)
{
    derive(key, self_seed, "nephron mask of a site", 0, 0, p);
}

int cipher_key(unsigned char key[32], const unsigned char cipher_secret[32],
               const unsigned char other_public[32], int from, int to, const struct secure_parameters *p)
{
    unsigned char shared[32];
    const int status = x25519(shared, cipher_secret, other_public);
    derive(key, shared, "nephron cipher of shares", from, to, p);
    secret_wipe(shared, sizeof shared);
    return status;
}

void seed_commitment(unsigned char digest[32], const unsigned char self_seed[32])
{
    static const char purpose[] = "nephron commitment to a seed";
    hmac_sha256(digest, self_seed, 32, purpose, sizeof purpose);
}

int mask_sign(int site, int other)
{
    return site < other ? 1 : -1;
}

int count_set(const unsigned char *flag, int n)
{
    int count = 0;
    for (int i = 0; i < n; i++) count += flag[i] != 0;
    return count;
}
