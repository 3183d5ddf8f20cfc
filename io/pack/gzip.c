/* gzip.c - the wrappers around deflate: gzip (RFC 1952) and zlib (RFC 1950), with their checksums. */
#include <stdlib.h>
#include <string.h>

#include "io/pack/deflate.h"
#include "io/pack/gzip.h"
#include "io/pack/inflate.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>
#endif

static uint32_t read_le32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Eight tables: eight bytes a step (Intel's slicing-by-8). Made on first need would want a lock: so by the
 * caller's stack, 8 KB. */
struct crc_tables {
    uint32_t t[8][256];
};

static void make_tables(struct crc_tables *c)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t v = i;
        for (int k = 0; k < 8; k++) v = v & 1 ? v >> 1 ^ 0xedb88320u : v >> 1;
        c->t[0][i] = v;
    }
    for (int k = 1; k < 8; k++)
        for (int i = 0; i < 256; i++) c->t[k][i] = c->t[k - 1][i] >> 8 ^ c->t[0][c->t[k - 1][i] & 255];
}

/* The remainder, uninverted, goes on over these bytes. */
static uint32_t crc_bytes(uint32_t crc, const unsigned char *p, size_t size)
{
    struct crc_tables c;
    make_tables(&c);
    for (; size >= 8; p += 8, size -= 8) {
        uint32_t low = crc ^ read_le32(p);
        crc = c.t[7][low & 255] ^ c.t[6][low >> 8 & 255] ^ c.t[5][low >> 16 & 255] ^ c.t[4][low >> 24] ^
              c.t[3][p[4]] ^ c.t[2][p[5]] ^ c.t[1][p[6]] ^ c.t[0][p[7]];
    }
    while (size--) crc = crc >> 8 ^ c.t[0][(crc ^ *p++) & 255];
    return crc;
}

#if defined(__x86_64__)
/* cpuid 1, ecx 1; asked once, as in sha256.c. */
static int has_clmul(void)
{
    static atomic_int cached = -1;
    int there = atomic_load_explicit(&cached, memory_order_relaxed);
    if (there < 0) {
        unsigned a, b, c, d;
        there = __get_cpuid(1, &a, &b, &c, &d) && c >> 1 & 1;
        atomic_store_explicit(&cached, there, memory_order_relaxed);
    }
    return there;
}

#define CLMUL_TARGET __attribute__((target("pclmul")))

/* 16 bytes that have the remainder of x, moved by as many bytes as the powers stand for, and of `more`. */
CLMUL_TARGET static inline __m128i fold(__m128i x, __m128i powers, __m128i more)
{
    return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(x, powers, 0x00),
                                       _mm_clmulepi64_si128(x, powers, 0x11)), more);
}

/* The remainder of 64 bytes and more by products of polynomials: V. Gopal et al., Fast CRC computation for
 * generic polynomials using PCLMULQDQ (Intel, 2009). Of n bytes the first n - n % 64 are folded into 64,
 * these into 16; the remainder of these and of the rest is that of all. */
CLMUL_TARGET static uint32_t crc_folded(uint32_t crc, const unsigned char *p, size_t n)
{
    const __m128i by64 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4),
                  by16 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    const unsigned char *const end = p + n - n % 64;
    unsigned char last[16 + 63];
    __m128i x[4];
    for (int i = 0; i < 4; i++) x[i] = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
    x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128((int)crc));
    for (p += 64; p < end; p += 64)
        for (int i = 0; i < 4; i++)
            x[i] = fold(x[i], by64, _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i)));
    for (int i = 1; i < 4; i++) x[i] = fold(x[i - 1], by16, x[i]);
    _mm_storeu_si128((__m128i *)(void *)last, x[3]);
    memcpy(last + 16, end, n % 64);
    return crc_bytes(0, last, 16 + n % 64);
}
#endif

uint32_t crc32_update(uint32_t crc, const void *data, size_t size)
{
#if defined(__x86_64__)
    if (size >= 64 && has_clmul()) return ~crc_folded(~crc, data, size);
#endif
    return ~crc_bytes(~crc, data, size);
}

uint32_t adler32_update(uint32_t adler, const void *data, size_t size)
{
    const unsigned char *p = data;
    uint32_t a = adler & 0xffff, b = adler >> 16;
    while (size) {
        size_t n = size < 5552 ? size : 5552; /* the largest n whose sums stay below 2^32 */
        size -= n;
        while (n--) b += a += *p++;
        a %= 65521;
        b %= 65521;
    }
    return b << 16 | a;
}

static void write_le32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)(v >> (8 * i));
}

int inflate_zlib(const unsigned char *in, size_t in_size, size_t limit, unsigned char **out, size_t *out_size,
                 struct error *e)
{
    size_t used;
    if (in_size < 6) return error_set(e, "zlib stream is cut off");
    if ((in[0] & 15) != 8 || (in[0] * 256 + in[1]) % 31 || in[1] & 32)
        return error_set(e, "zlib header is %02x %02x", in[0], in[1]);
    if (inflate_raw(in + 2, in_size - 2, 0, limit, out, out_size, &used, e)) return -1;
    const unsigned char *sum = in + 2 + used;
    if (in_size - 2 - used < 4) error_set(e, "zlib stream is cut off");
    else if (adler32_update(1, *out, *out_size) !=
             ((uint32_t)sum[0] << 24 | (uint32_t)sum[1] << 16 | (uint32_t)sum[2] << 8 | sum[3]))
        error_set(e, "zlib checksum is wrong");
    else return 0;
    free(*out);
    return -1;
}

/* Bytes of the member's header, or 0 with a message. */
static size_t gzip_header(const unsigned char *in, size_t size, struct error *e)
{
    size_t at = 10;
    if (size < 18) return error_set(e, "gzip file is cut off"), 0;
    if (in[0] != 0x1f || in[1] != 0x8b)
        return error_set(e, "no gzip file: starts with %02x %02x", in[0], in[1]), 0;
    if (in[2] != 8 || in[3] & 0xe0) return error_set(e, "gzip method %d, flags %02x", in[2], in[3]), 0;
    if (in[3] & 4) at += 2 + (size_t)in[10] + 256 * (size_t)in[11];
    for (int flag = 8; flag <= 16; flag *= 2) { /* name, comment */
        if (!(in[3] & flag)) continue;
        while (at < size && in[at]) at++;
        at++;
    }
    if (in[3] & 2) at += 2;
    if (at + 8 > size) return error_set(e, "gzip header is cut off"), 0;
    return at;
}

/* want: 0 for everything, with all checksums, and an error beyond `limit` bytes. */
static int unpack(const unsigned char *in, size_t in_size, size_t limit, size_t want, unsigned char **out,
                  size_t *out_size, struct error *e)
{
    unsigned char *all = NULL;
    size_t total = 0, at = 0;
    do {
        unsigned char *part;
        size_t size, used, header = gzip_header(in + at, in_size - at, e);
        if (header == 0) goto fail;
        /* The length at the end of the file is right for a single member below 4 GB, and only a hint. */
        size_t hint = at == 0 ? read_le32(in + in_size - 4) : 0;
        const unsigned char *body = in + at + header;
        if (want ? inflate_begin(body, in_size - at - header, want - total, &part, &size, &used, e)
                 : inflate_raw(body, in_size - at - header, hint, limit - total, &part, &size, &used, e))
            goto fail;
        at += header + used;
        int enough = want && size >= want - total && at == in_size; /* stopped there */
        if (enough) at -= 8;
        else if (in_size - at < 8 || crc32_update(0, part, size) != read_le32(in + at) ||
                 (uint32_t)size != read_le32(in + at + 4)) {
            error_set(e, in_size - at < 8 ? "gzip file is cut off" : "gzip checksum or length is wrong");
            free(part);
            goto fail;
        }
        at += 8;
        if (!all) {
            all = part;
        } else {
            unsigned char *more = realloc(all, total + size + 1);
            if (more) {
                all = more;
                memcpy(all + total, part, size);
            }
            free(part);
            if (!more) {
                error_set(e, "out of memory for %zu bytes", total + size);
                goto fail;
            }
        }
        total += size;
        while (at < in_size && in[at] == 0) at++; /* padding of tapes and block devices */
    } while (at < in_size && (!want || total < want));
    *out = all;
    *out_size = total;
    return 0;
fail:
    free(all);
    return -1;
}

int gzip_decompress(const unsigned char *in, size_t in_size, size_t limit, unsigned char **out,
                    size_t *out_size, struct error *e)
{
    return unpack(in, in_size, limit, 0, out, out_size, e);
}

int gzip_begin(const unsigned char *in, size_t in_size, size_t want, unsigned char **out, size_t *out_size,
               struct error *e)
{
    return unpack(in, in_size, 0, want ? want : 1, out, out_size, e);
}

/* header + raw deflate + trailer. */
static unsigned char *wrap(const unsigned char *in, size_t size, int level, const unsigned char *header,
                           size_t header_size, const unsigned char trailer[8], size_t trailer_size,
                           size_t *out_size)
{
    size_t n;
    unsigned char *raw = deflate_raw(in, size, level, &n),
                  *out = raw ? malloc(header_size + n + trailer_size) : NULL;
    if (out) {
        memcpy(out, header, header_size);
        memcpy(out + header_size, raw, n);
        memcpy(out + header_size + n, trailer, trailer_size);
        *out_size = header_size + n + trailer_size;
    }
    free(raw);
    return out;
}

unsigned char *deflate_zlib(const unsigned char *in, size_t size, int level, size_t *out_size)
{
    static const unsigned char header[2] = {0x78, 0x9c};
    uint32_t sum = adler32_update(1, in, size);
    unsigned char trailer[8] = {(unsigned char)(sum >> 24), (unsigned char)(sum >> 16),
                                (unsigned char)(sum >> 8), (unsigned char)sum};
    return wrap(in, size, level, header, 2, trailer, 4, out_size);
}

/* No name and no time: the same bytes for the same data. */
unsigned char *gzip_compress(const unsigned char *in, size_t size, int level, size_t *out_size)
{
    static const unsigned char header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    unsigned char trailer[8];
    write_le32(trailer, crc32_update(0, in, size));
    write_le32(trailer + 4, (uint32_t)size);
    return wrap(in, size, level, header, 10, trailer, 8, out_size);
}
