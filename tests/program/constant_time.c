/* constant_time.c - secrets that valgrind believes to be uninitialised: run under memcheck, every branch and
 * every address that depends on one is reported (the method of Langley's ctgrind).
 * tests/program/check_constant_time.sh runs it.
 *
 *     constant_time          all of fl/privacy that handles secrets; memcheck must find nothing
 *     constant_time branch   a branch on a secret bit, planted; memcheck must find it
 *     constant_time index    an index from a secret byte, planted; memcheck must find it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>

#include "fl/privacy/chacha20.h"
#include "fl/privacy/hkdf.h"
#include "fl/privacy/secure_common.h"
#include "fl/privacy/x25519.h"

static struct randomness test_random;

static void secret(void *p, size_t size)
{
    randomness_bytes(&test_random, p, size);
    VALGRIND_MAKE_MEM_UNDEFINED(p, size);
}

static void published(void *p, size_t size)
{
    VALGRIND_MAKE_MEM_DEFINED(p, size);
}

static void primitives(void)
{
    unsigned char key[32], data[300], sealed[316], tag[16], mac[32], shared[32], public_key[32],
        nonce[12] = {1};
    secret(key, sizeof key);
    secret(data, sizeof data);
    chacha20_xor(data, data, sizeof data, key, nonce, 0);
    poly1305(tag, data, sizeof data, key);
    aead_seal(sealed, data, sizeof data, nonce, sizeof nonce, key, nonce);
    hmac_sha256(mac, key, sizeof key, data, sizeof data);
    hkdf_sha256(data, 64, key, 32, mac, 32, nonce, 12);
    x25519_public(public_key, key);
    published(public_key, sizeof public_key);
    secret(key, sizeof key);
    /* Whether the shared secret is zero is told to the caller (RFC 7748, 6.1): that one bit is public. */
    int zero = x25519(shared, key, public_key);
    VALGRIND_MAKE_MEM_DEFINED(&zero, sizeof zero);
    if (zero) abort();
    int same = secret_equal(shared, key, sizeof key);
    VALGRIND_MAKE_MEM_DEFINED(&same, sizeof same);
    if (same) abort();
}

static void sharing(void)
{
    unsigned char whole[32], share[5][32], back[32];
    static const int number[3] = {0, 1, 2};
    secret(whole, sizeof whole);
    shamir_split(&share[0][0], whole, sizeof whole, 3, 5, &test_random);
    shamir_join(back, sizeof back, &share[0][0], number, 3);
    published(back, sizeof back);
    published(whole, sizeof whole);
    if (memcmp(back, whole, sizeof back) != 0) abort();
}

/* The masks of a vector, and their removal, from secret keys and a secret vector of steps. */
static void masks(void)
{
    struct secure_parameters p = {
        .sites = 3, .threshold = 2, .bits = 64, .range = 1, .weight_max = 1, .count = 2000};
    unsigned char key[32], other[32], other_public[32], derived[32],
        *word = malloc(secure_word_bytes(&p)); /* of 64 bits */
    for (p.bits = 32; p.bits <= 64; p.bits += 32) {
        secret(key, sizeof key);
        secret(other, sizeof other);
        secret(word, secure_word_bytes(&p));
        x25519_public(other_public, other);
        published(other_public, sizeof other_public);
        pair_key(derived, key, other_public, &p);
        mask_apply(word, &p, derived, 1);
        self_key(derived, key, &p);
        mask_apply(word, &p, derived, -1);
        cipher_key(derived, key, other_public, 0, 1, &p);
        seed_commitment(derived, key);
        words_add(word, word, &p);
    }
    free(word);
}

int main(int argc, char **argv)
{
    randomness_for_tests(&test_random, 1);
    if (argc > 1) {
        static const unsigned char table[256] = {1};
        unsigned char bit;
        volatile unsigned char out = 0;
        secret(&bit, 1);
        if (strcmp(argv[1], "branch") == 0) {
            if (bit & 1) out = 1;
            else puts("0");
        } else out = table[bit];
        return out > 200;
    }
    primitives();
    sharing();
    masks();
    puts("constant_time: all secrets handled");
    return 0;
}
