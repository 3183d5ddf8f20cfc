/* sha256.c - SHA-256 as FIPS 180-4 defines it, in plain C and by the instructions that x86-64 has for it:
 * every checkpoint carries the hash of its contents, which plain C makes at a quarter of a gigabyte a
 * second. */
#include "io/base/sha256.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>
#endif

static const uint32_t k256[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static inline uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

/* One round: the letters' values stay where they are, and the caller's next round takes them one further. */
static inline __attribute__((always_inline)) void digest_round(uint32_t a, uint32_t b, uint32_t c,
                                                               uint32_t *d, uint32_t e, uint32_t f,
                                                               uint32_t g, uint32_t *h, uint32_t kw)
{
    const uint32_t t1 = *h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (g ^ (e & (f ^ g))) + kw;
    *d += t1;
    *h = t1 + (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) | (c & (a | b)));
}

void sha256_blocks(uint32_t s[8], const unsigned char *p, size_t blocks)
{
    for (; blocks > 0; blocks--, p += 64) {
        uint32_t w[64], a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
        for (int i = 0; i < 16; i++)
            w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 |
                   p[4 * i + 3];
        for (int i = 16; i < 64; i++) {
            const uint32_t x = w[i - 15], y = w[i - 2];
            w[i] = w[i - 16] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) + w[i - 7] +
                   (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
        }
        for (int i = 0; i < 64; i += 8) {
            digest_round(a, b, c, &d, e, f, g, &h, k256[i] + w[i]);
            digest_round(h, a, b, &c, d, e, f, &g, k256[i + 1] + w[i + 1]);
            digest_round(g, h, a, &b, c, d, e, &f, k256[i + 2] + w[i + 2]);
            digest_round(f, g, h, &a, b, c, d, &e, k256[i + 3] + w[i + 3]);
            digest_round(e, f, g, &h, a, b, c, &d, k256[i + 4] + w[i + 4]);
            digest_round(d, e, f, &g, h, a, b, &c, k256[i + 5] + w[i + 5]);
            digest_round(c, d, e, &f, g, h, a, &b, k256[i + 6] + w[i + 6]);
            digest_round(b, c, d, &e, f, g, h, &a, k256[i + 7] + w[i + 7]);
        }
        const uint32_t change[8] = {a, b, c, d, e, f, g, h};
        for (int i = 0; i < 8; i++) s[i] += change[i];
    }
}

#if defined(__x86_64__)
/* sha (cpuid 7, ebx 29), ssse3 and sse4.1 (cpuid 1, ecx 9 and 19). Asked once: under a hypervisor cpuid takes
 * longer than many a hash. */
static int has_sha(void)
{
    static atomic_int cached = -1;
    int there = atomic_load_explicit(&cached, memory_order_relaxed);
    if (there < 0) {
        unsigned a, b, c, d;
        there = __get_cpuid(1, &a, &b, &c, &d) && c >> 9 & 1 && c >> 19 & 1 &&
                __get_cpuid_count(7, 0, &a, &b, &c, &d) && b >> 29 & 1;
        atomic_store_explicit(&cached, there, memory_order_relaxed);
    }
    return there;
}

#define SHA_TARGET __attribute__((target("sha,sse4.1,ssse3")))

/* Four rounds; the instruction does two, with the letters in the order abef and cdgh. */
SHA_TARGET static inline void four_rounds(__m128i *abef, __m128i *cdgh, __m128i w, const uint32_t *k)
{
    const __m128i kw = _mm_add_epi32(w, _mm_loadu_si128((const __m128i *)k));
    *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, kw);
    *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(kw, 0x0e));
}

/* The four words that follow the sixteen of a to d. */
SHA_TARGET static inline __m128i next_words(__m128i a, __m128i b, __m128i c, __m128i d)
{
    const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8(d, c, 4));
    return _mm_sha256msg2_epu32(sum, d);
}

SHA_TARGET static inline __m128i load_words(const unsigned char *p)
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)p), big_endian);
}

SHA_TARGET static void digest_sha(uint32_t s[8], const unsigned char *p, size_t blocks)
{
    const __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)s), 0xb1),
                  efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(s + 4)), 0x1b);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8), cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
    for (; blocks > 0; blocks--, p += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i a = load_words(p), b = load_words(p + 16), c = load_words(p + 32), d = load_words(p + 48);
        for (int i = 0; i < 64; i += 16) {
            four_rounds(&abef, &cdgh, a, k256 + i);
            four_rounds(&abef, &cdgh, b, k256 + i + 4);
            four_rounds(&abef, &cdgh, c, k256 + i + 8);
            four_rounds(&abef, &cdgh, d, k256 + i + 12);
            a = next_words(a, b, c, d);
            b = next_words(b, c, d, a);
            c = next_words(c, d, a, b);
            d = next_words(d, a, b, c);
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    const __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)s, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(s + 4), _mm_alignr_epi8(dchg, feba, 8));
}
#endif

static void digest_blocks(uint32_t s[8], const unsigned char *p, size_t blocks)
{
#if defined(__x86_64__)
    if (has_sha()) {
        digest_sha(s, p, blocks);
        return;
    }
#endif
    sha256_blocks(s, p, blocks);
}

void sha256_init(struct sha256 *s)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(s->h, start, sizeof start);
    s->bytes = 0;
}

void sha256_update(struct sha256 *s, const void *data, size_t size)
{
    const unsigned char *p = data;
    size_t have = s->bytes % 64;
    s->bytes += size;
    if (have) {
        size_t n = 64 - have < size ? 64 - have : size;
        memcpy(s->block + have, p, n);
        p += n;
        size -= n;
        if (have + n < 64) return;
        digest_blocks(s->h, s->block, 1);
    }
    digest_blocks(s->h, p, size / 64);
    if (size % 64) memcpy(s->block, p + size / 64 * 64, size % 64);
}

void sha256_final(struct sha256 *s, unsigned char digest[32])
{
    uint64_t bits = 8 * s->bytes;
    unsigned char end[72] = {0x80};
    size_t have = s->bytes % 64, pad = have < 56 ? 56 - have : 120 - have;
    for (int i = 0; i < 8; i++) end[pad + (size_t)i] = (unsigned char)(bits >> (56 - 8 * i));
    sha256_update(s, end, pad + 8);
    for (int i = 0; i < 32; i++) digest[i] = (unsigned char)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

void sha256_hex(char hex[65], const void *data, size_t size)
{
    static const char digit[] = "0123456789abcdef";
    unsigned char d[32];
    struct sha256 s;
    sha256_init(&s);
    sha256_update(&s, data, size);
    sha256_final(&s, d);
    for (int i = 0; i < 32; i++) {
        hex[2 * i] = digit[d[i] >> 4];
        hex[2 * i + 1] = digit[d[i] & 15];
    }
    hex[64] = 0;
}
