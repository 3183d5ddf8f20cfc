/* x25519.c - the Montgomery ladder of RFC 7748, section 5. Every step does the same work; the bits of the
 * secret only choose, by masks, which of two values is which.
 * The book: docs/book/16_privacy.md */
#include "fl/privacy/x25519.h"

#include <stdint.h>
#include <string.h>

#include "fl/privacy/chacha20.h"

/* A number modulo p = 2^255 - 19: the sum of limb[i] * 2^(16 i). Limbs are signed and may be a little outside
 * of 16 bits between carries. */
struct field {
    int64_t limb[16];
};

/* Brings limbs back to 16 bits (the first a little more); what leaves at the top comes back times 2^256 =
 * 38. */
static void carry(struct field *a)
{
    for (int i = 0; i < 16; i++) {
        const int64_t over = a->limb[i] >> 16;
        a->limb[i] -= over * 65536;
        if (i < 15) a->limb[i + 1] += over;
        else a->limb[0] += 38 * over;
    }
}

static struct field add(const struct field *a, const struct field *b)
{
    struct field out;
    for (int i = 0; i < 16; i++) out.limb[i] = a->limb[i] + b->limb[i];
    return out;
}

static struct field subtract(const struct field *a, const struct field *b)
{
    struct field out;
    for (int i = 0; i < 16; i++) out.limb[i] = a->limb[i] - b->limb[i];
    return out;
}

/* Limbs of the factors are below 2^18 in magnitude: sums of 16 products times 39 stay below 2^46. */
static struct field multiply(const struct field *a, const struct field *b)
{
    int64_t product[32] = {0};
    struct field out;
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 16; j++) product[i + j] += a->limb[i] * b->limb[j];
    for (int i = 0; i < 16; i++) out.limb[i] = product[i] + 38 * product[i + 16];
    carry(&out);
    carry(&out);
    return out;
}

/* a^(p - 2); p - 2 = 2^255 - 21 has all of its 255 bits set but numbers 2 and 4. */
static struct field invert(const struct field *a)
{
    struct field out = *a;
    for (int bit = 253; bit >= 0; bit--) {
        out = multiply(&out, &out);
        if (bit != 2 && bit != 4) out = multiply(&out, a);
    }
    return out;
}

/* Exchanges a and b where swap is 1. */
static void exchange(struct field *a, struct field *b, int64_t swap)
{
    for (int i = 0; i < 16; i++) {
        const int64_t different = -swap & (a->limb[i] ^ b->limb[i]);
        a->limb[i] ^= different;
        b->limb[i] ^= different;
    }
}

/* The one representative in 0..p-1, little-endian. */
static void pack(unsigned char out[32], struct field a)
{
    static const int64_t p[16] = {0xffed, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff,
                                  0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0x7fff};
    for (int i = 0; i < 3; i++) carry(&a);
    for (int times = 0; times < 2; times++) { /* a < 2^256 < 2p + 38: two conditional subtractions */
        struct field less;
        int64_t borrow = 0;
        for (int i = 0; i < 16; i++) {
            less.limb[i] = a.limb[i] - p[i] + borrow;
            borrow = less.limb[i] >> 16;
            less.limb[i] -= borrow * 65536;
        }
        exchange(&a, &less, 1 + borrow); /* borrow is -1 where a < p: a stays */
    }
    for (int i = 0; i < 16; i++) {
        out[2 * i] = (unsigned char)a.limb[i];
        out[2 * i + 1] = (unsigned char)(a.limb[i] >> 8);
    }
}

static struct field unpack(const unsigned char in[32])
{
    struct field out;
    for (int i = 0; i < 16; i++) out.limb[i] = in[2 * i] | (int64_t)in[2 * i + 1] << 8;
    out.limb[15] &= 0x7fff;
    return out;
}

int x25519(unsigned char shared[X25519_KEY], const unsigned char secret[X25519_KEY],
           const unsigned char other[X25519_KEY])
{
    static const struct field one = {{1}}, a24 = {{0xdb41, 1}}; /* 121665 */
    struct field x1 = unpack(other), x2 = one, z2 = {{0}}, x3 = x1, z3 = one;
    unsigned char k[32], all = 0;
    memcpy(k, secret, 32);
    k[0] &= 248; /* RFC 7748: clamp */
    k[31] = (k[31] & 127) | 64;
    for (int bit = 254; bit >= 0; bit--) {
        const int64_t swap = k[bit / 8] >> bit % 8 & 1;
        exchange(&x2, &x3, swap);
        exchange(&z2, &z3, swap);
        struct field a = add(&x2, &z2), b = subtract(&x2, &z2), c = add(&x3, &z3), d = subtract(&x3, &z3);
        struct field aa = multiply(&a, &a), bb = multiply(&b, &b), e = subtract(&aa, &bb);
        struct field da = multiply(&d, &a), cb = multiply(&c, &b);
        struct field sum = add(&da, &cb), difference = subtract(&da, &cb);
        x3 = multiply(&sum, &sum);
        difference = multiply(&difference, &difference);
        z3 = multiply(&x1, &difference);
        x2 = multiply(&aa, &bb);
        difference = multiply(&a24, &e);
        difference = add(&aa, &difference);
        z2 = multiply(&e, &difference);
        exchange(&x2, &x3, swap);
        exchange(&z2, &z3, swap);
    }
    z2 = invert(&z2);
    x2 = multiply(&x2, &z2);
    pack(shared, x2);
    for (int i = 0; i < 32; i++) all |= shared[i];
    secret_wipe(k, sizeof k);
    secret_wipe(&x2, sizeof x2);
    secret_wipe(&z2, sizeof z2);
    secret_wipe(&x3, sizeof x3);
    secret_wipe(&z3, sizeof z3);
    return all == 0 ? -1 : 0;
}

void x25519_public(unsigned char public_key[X25519_KEY], const unsigned char secret[X25519_KEY])
{
    static const unsigned char base[32] = {9};
    x25519(public_key, secret, base);
}
