/* chacha20.c - ChaCha20, Poly1305 and their authenticated cipher, after RFC 8439; eight blocks side by
 * side.
 * The book: docs/book/16_privacy.md */
#include "fl/privacy/chacha20.h"

#include <stdlib.h>
#include <string.h>

#include "io/base/bytes.h"
#include "tensor/base/check.h"

void secret_wipe(void *p, size_t size)
{
    volatile unsigned char *v = p;
    for (size_t i = 0; i < size; i++) v[i] = 0;
}

int secret_equal(const void *a, const void *b, size_t size)
{
    const unsigned char *x = a, *y = b;
    uint32_t different = 0;
    for (size_t i = 0; i < size; i++) different |= (uint32_t)(x[i] ^ y[i]);
    return (int)((different - 1) >> 31);
}

/* ---- the cipher ------------------------------------------------------------------------------------- */

enum { LANES = 8, BLOCK = 64 };

static inline void add_xor_rotate(uint32_t *a, const uint32_t *b, uint32_t *d, int left)
{
    for (int l = 0; l < LANES; l++) {
        a[l] += b[l];
        const uint32_t x = d[l] ^ a[l];
        d[l] = x << left | x >> (32 - left);
    }
}

static inline void quarter_round(uint32_t (*x)[LANES], int a, int b, int c, int d)
{
    add_xor_rotate(x[a], x[b], x[d], 16);
    add_xor_rotate(x[c], x[d], x[b], 12);
    add_xor_rotate(x[a], x[b], x[d], 8);
    add_xor_rotate(x[c], x[d], x[b], 7);
}

/* Blocks counter .. counter + 7; word w of block l is x[w][l]. */
static void eight_blocks(uint32_t (*x)[LANES], const uint32_t start[16], uint32_t counter)
{
    for (int w = 0; w < 16; w++)
        for (int l = 0; l < LANES; l++) x[w][l] = w == 12 ? counter + (uint32_t)l : start[w];
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 4; i++) quarter_round(x, i, i + 4, i + 8, i + 12);
        for (int i = 0; i < 4; i++) quarter_round(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
    }
    for (int w = 0; w < 16; w++)
        for (int l = 0; l < LANES; l++) x[w][l] += w == 12 ? counter + (uint32_t)l : start[w];
}

void chacha20_stream(unsigned char *out, size_t size, const unsigned char key[CHACHA20_KEY],
                     const unsigned char nonce[CHACHA20_NONCE], uint32_t counter)
{
    uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574},
             x[16][LANES]; /* "expand 32-byte k" */
    unsigned char block[LANES * BLOCK];
    ENSURE((size + BLOCK - 1) / BLOCK <= (uint64_t)1 << 32 &&
               counter <= ((uint64_t)1 << 32) - (size + BLOCK - 1) / BLOCK,
           "chacha20: %zu bytes from block %u", size, counter);
    for (int i = 0; i < 8; i++) start[4 + i] = bytes_load_u32(key + 4 * i);
    for (int i = 0; i < 3; i++) start[13 + i] = bytes_load_u32(nonce + 4 * i);
    while (size > 0) {
        const size_t n = size < sizeof block ? size : sizeof block;
        eight_blocks(x, start, counter);
        for (int l = 0; l < LANES; l++)
            for (int w = 0; w < 16; w++) bytes_store_u32(block + BLOCK * l + 4 * w, x[w][l]);
        memcpy(out, block, n);
        out += n;
        size -= n;
        counter += LANES;
    }
    secret_wipe(start, sizeof start);
    secret_wipe(x, sizeof x);
    secret_wipe(block, sizeof block);
}

void chacha20_xor(unsigned char *out, const unsigned char *in, size_t size,
                  const unsigned char key[CHACHA20_KEY], const unsigned char nonce[CHACHA20_NONCE],
                  uint32_t counter)
{
    unsigned char stream[LANES * BLOCK];
    for (size_t at = 0; at < size; at += sizeof stream, counter += LANES) {
        const size_t n = size - at < sizeof stream ? size - at : sizeof stream;
        chacha20_stream(stream, n, key, nonce, counter);
        for (size_t i = 0; i < n; i++) out[at + i] = in[at + i] ^ stream[i];
    }
    secret_wipe(stream, sizeof stream);
}

/* ---- Poly1305 --------------------------------------------------------------------------------------- */

/* Numbers modulo 2^130 - 5 in five limbs of 26 bits. */
struct poly {
    uint32_t r[5], h[5];
    unsigned char block[16];
    size_t held;
};

enum { LIMB = 0x3ffffff };

static void poly_split(uint32_t limb[5], const unsigned char block[16], uint32_t top)
{
    const uint64_t lo = bytes_load_u64(block), hi = bytes_load_u64(block + 8);
    limb[0] = (uint32_t)lo & LIMB;
    limb[1] = (uint32_t)(lo >> 26) & LIMB;
    limb[2] = (uint32_t)(lo >> 52 | hi << 12) & LIMB;
    limb[3] = (uint32_t)(hi >> 14) & LIMB;
    limb[4] = (uint32_t)(hi >> 40) | top << 24;
}

static void poly_carry(uint64_t d[5], uint32_t h[5])
{
    uint64_t carry = 0;
    for (int i = 0; i < 5; i++) {
        d[i] += carry;
        carry = d[i] >> 26;
        h[i] = (uint32_t)d[i] & LIMB;
    }
    carry = h[0] + 5 * carry; /* 2^130 = 5 */
    h[0] = (uint32_t)carry & LIMB;
    h[1] += (uint32_t)(carry >> 26);
}

static void poly_block(struct poly *p, const unsigned char block[16])
{
    uint32_t m[5];
    uint64_t d[5] = {0};
    poly_split(m, block, 1);
    for (int i = 0; i < 5; i++) p->h[i] += m[i];
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++) /* limb i + j; those beyond the fourth come back times 5 */
            d[(i + j) % 5] += (uint64_t)p->h[i] * (p->r[j] * (i + j < 5 ? 1u : 5u));
    poly_carry(d, p->h);
}

static void poly_update(struct poly *p, const void *data, size_t size)
{
    const unsigned char *at = data;
    for (; size > 0; size--) {
        p->block[p->held++] = *at++;
        if (p->held == 16) {
            poly_block(p, p->block);
            p->held = 0;
        }
    }
}

/* The last block is shorter: a 1 after it, zeros to the end, without the bit 2^128. */
static void poly_last(struct poly *p)
{
    uint32_t m[5];
    uint64_t d[5] = {0};
    if (p->held == 0) return;
    memset(p->block + p->held, 0, 16 - p->held);
    p->block[p->held] = 1;
    poly_split(m, p->block, 0);
    for (int i = 0; i < 5; i++) p->h[i] += m[i];
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++) d[(i + j) % 5] += (uint64_t)p->h[i] * (p->r[j] * (i + j < 5 ? 1u : 5u));
    poly_carry(d, p->h);
}

static void poly_finish(struct poly *p, unsigned char tag[AEAD_TAG], const unsigned char pad[16])
{
    uint64_t d[5], carry = 5;
    uint32_t less[5];
    poly_last(p);
    for (int i = 0; i < 5; i++) d[i] = p->h[i];
    poly_carry(d, p->h);
    for (int i = 0; i < 5; i++) d[i] = p->h[i];
    poly_carry(d, p->h);
    for (int i = 0; i < 5; i++) { /* h + 5: reaches 2^130 exactly where h >= 2^130 - 5 */
        carry += p->h[i];
        less[i] = (uint32_t)carry & LIMB;
        carry >>= 26;
    }
    const uint32_t mask = 0u - (uint32_t)carry;
    for (int i = 0; i < 5; i++) p->h[i] = (p->h[i] & ~mask) | (less[i] & mask);
    uint32_t word[4] = {p->h[0] | p->h[1] << 26, p->h[1] >> 6 | p->h[2] << 20, p->h[2] >> 12 | p->h[3] << 14,
                        p->h[3] >> 18 | p->h[4] << 8};
    uint64_t sum = 0;
    for (int i = 0; i < 4; i++) {
        sum += (uint64_t)word[i] + bytes_load_u32(pad + 4 * i);
        bytes_store_u32(tag + 4 * i, (uint32_t)sum);
        sum >>= 32;
    }
    secret_wipe(p, sizeof *p);
}

static struct poly poly_start(const unsigned char key[32])
{
    struct poly p = {{0}, {0}, {0}, 0};
    unsigned char r[16];
    memcpy(r, key, 16);
    for (int i = 3; i < 16; i += 4) r[i] &= 15; /* RFC 8439, 2.5: clamp */
    for (int i = 4; i < 16; i += 4) r[i] &= 252;
    poly_split(p.r, r, 0);
    secret_wipe(r, sizeof r);
    return p;
}

void poly1305(unsigned char tag[AEAD_TAG], const void *data, size_t size, const unsigned char key[32])
{
    struct poly p = poly_start(key);
    poly_update(&p, data, size);
    poly_finish(&p, tag, key + 16);
}

/* ---- both ------------------------------------------------------------------------------------------- */

static void aead_tag(unsigned char tag[AEAD_TAG], const unsigned char *cipher, size_t size, const void *extra,
                     size_t extras, const unsigned char *key, const unsigned char *nonce)
{
    static const unsigned char zeros[16];
    unsigned char once[64], lengths[16];
    chacha20_stream(once, sizeof once, key, nonce, 0);
    struct poly p = poly_start(once);
    poly_update(&p, extra, extras);
    poly_update(&p, zeros, (16 - extras % 16) % 16);
    poly_update(&p, cipher, size);
    poly_update(&p, zeros, (16 - size % 16) % 16);
    bytes_store_u64(lengths, extras);
    bytes_store_u64(lengths + 8, size);
    poly_update(&p, lengths, sizeof lengths);
    poly_finish(&p, tag, once + 16);
    secret_wipe(once, sizeof once);
}

void aead_seal(unsigned char *out, const unsigned char *plain, size_t size, const void *extra, size_t extras,
               const unsigned char key[CHACHA20_KEY], const unsigned char nonce[CHACHA20_NONCE])
{
    chacha20_xor(out, plain, size, key, nonce, 1);
    aead_tag(out + size, out, size, extra, extras, key, nonce);
}

int aead_open(unsigned char *plain, const unsigned char *sealed, size_t size, const void *extra,
              size_t extras, const unsigned char key[CHACHA20_KEY], const unsigned char nonce[CHACHA20_NONCE])
{
    unsigned char tag[AEAD_TAG];
    aead_tag(tag, sealed, size, extra, extras, key, nonce);
    if (!secret_equal(tag, sealed + size, AEAD_TAG)) {
        memset(plain, 0, size);
        return -1;
    }
    chacha20_xor(plain, sealed, size, key, nonce, 1);
    return 0;
}
