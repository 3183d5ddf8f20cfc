/* hkdf.c - HMAC and HKDF over io/base/sha256.h, whose time depends on lengths alone.
 * The book: docs/book/16_privacy.md */
#include "fl/privacy/hkdf.h"

#include <string.h>

#include "fl/privacy/chacha20.h"
#include "io/base/sha256.h"
#include "tensor/base/check.h"

struct hmac {
    struct sha256 inner;
    unsigned char key[64];
};

static void hmac_start(struct hmac *h, const void *key, size_t key_size)
{
    unsigned char pad[64];
    memset(h->key, 0, sizeof h->key);
    if (key_size > 64) {
        sha256_init(&h->inner);
        sha256_update(&h->inner, key, key_size);
        sha256_final(&h->inner, h->key);
    } else if (key_size > 0) memcpy(h->key, key, key_size);
    for (int i = 0; i < 64; i++) pad[i] = h->key[i] ^ 0x36;
    sha256_init(&h->inner);
    sha256_update(&h->inner, pad, sizeof pad);
    secret_wipe(pad, sizeof pad);
}

static void hmac_finish(struct hmac *h, unsigned char mac[32])
{
    unsigned char pad[64], digest[32];
    sha256_final(&h->inner, digest);
    for (int i = 0; i < 64; i++) pad[i] = h->key[i] ^ 0x5c;
    sha256_init(&h->inner);
    sha256_update(&h->inner, pad, sizeof pad);
    sha256_update(&h->inner, digest, sizeof digest);
    sha256_final(&h->inner, mac);
    secret_wipe(pad, sizeof pad);
    secret_wipe(h, sizeof *h);
}

void hmac_sha256(unsigned char mac[32], const void *key, size_t key_size, const void *data, size_t size)
{
    struct hmac h;
    hmac_start(&h, key, key_size);
    if (size) sha256_update(&h.inner, data, size);
    hmac_finish(&h, mac);
}

void hkdf_sha256(unsigned char *out, size_t out_size, const void *secret, size_t secret_size,
                 const void *salt, size_t salt_size, const void *info, size_t info_size)
{
    unsigned char master[32], block[32];
    ENSURE(out_size <= 255 * 32, "hkdf: %zu bytes", out_size);
    hmac_sha256(master, salt, salt_size, secret, secret_size);
    for (size_t at = 0; at < out_size; at += 32) {
        const unsigned char number = (unsigned char)(at / 32 + 1);
        struct hmac h;
        hmac_start(&h, master, sizeof master);
        if (at > 0) sha256_update(&h.inner, block, sizeof block);
        if (info_size) sha256_update(&h.inner, info, info_size);
        sha256_update(&h.inner, &number, 1);
        hmac_finish(&h, block);
        memcpy(out + at, block, out_size - at < 32 ? out_size - at : 32);
    }
    secret_wipe(master, sizeof master);
    secret_wipe(block, sizeof block);
}
