/* inflate.c - decompression of deflate streams (RFC 1951).
 *
 * A code is decoded by one look-up of its first TABLE_BITS bits; longer codes continue in a second table
 * behind it. Input comes through a 64-bit buffer that is filled eight bytes at a time while they last.
 * The book: docs/book/25_hostile_files.md */
#include <stdlib.h>
#include <string.h>

#include "io/pack/gzip.h"
#include "io/pack/inflate.h"

#ifdef HAVE_ZLIB
#include <zlib.h>
#endif

#ifndef HAVE_ZLIB

#include "io/pack/deflate_symbols.h"

enum { CODE_BITS_MAX = 15, TABLE_BITS = 10, LITERALS = 288, DISTANCES = 32, TABLE_MAX = 4096 };

/* Entry: value << 8 | code length; for a link to a second table: its offset << 8 | LINK | its extra bits. 0:
 * no such code. */
enum { LINK = 0x80 };
struct table {
    uint32_t entry[TABLE_MAX];
};

struct reader {
    const unsigned char *in;
    size_t size, at;
    uint64_t bits;
    int count;      /* valid bits */
    int overrun;    /* bits taken beyond the end */
};

#define INLINE static inline __attribute__((always_inline))

/* At least 56 bits, of input that has eight bytes more. */
INLINE void refill_whole(struct reader *r)
{
    const unsigned char *p = r->in + r->at; /* one load on little-endian machines */
    const uint64_t v = (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
                       (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
                       (uint64_t)p[7] << 56;
    const int bytes = (63 - r->count) >> 3;
    r->bits |= v << r->count;
    r->at += (size_t)bytes;
    r->count += 8 * bytes;
    r->bits &= ~(uint64_t)0 >> (64 - r->count); /* count is 56 to 63 */
}

static void refill(struct reader *r)
{
    if (r->size - r->at >= 8) {
        refill_whole(r);
        return;
    }
    while (r->count <= 56 && r->at < r->size) {
        r->bits |= (uint64_t)r->in[r->at++] << r->count;
        r->count += 8;
    }
}

/* n <= 32 bits; beyond the end zeros come, and overrun tells. */
static uint32_t take(struct reader *r, int n)
{
    if (r->count < n) refill(r);
    uint32_t v = (uint32_t)(r->bits & (((uint64_t)1 << n) - 1));
    if (r->count < n) {
        r->overrun = 1;
        r->count = 0;
        r->bits = 0;
        return v;
    }
    r->bits >>= n;
    r->count -= n;
    return v;
}

/* The lowest bits of a code, at most 16, in the other order. */
static uint32_t reverse(uint32_t code, int bits)
{
    code = (code & 0x5555) << 1 | (code >> 1 & 0x5555);
    code = (code & 0x3333) << 2 | (code >> 2 & 0x3333);
    code = (code & 0x0f0f) << 4 | (code >> 4 & 0x0f0f);
    code = (code & 0x00ff) << 8 | code >> 8;
    return code >> (16 - bits);
}

/* Canonical codes from lengths. Returns -1 where more codes than fit are asked for, or fewer (unless there is
 * just one). */
static int build_table(struct table *t, const unsigned char *length, int symbols)
{
    int count[CODE_BITS_MAX + 1] = {0}, used = 0;
    uint32_t next[CODE_BITS_MAX + 2] = {0}, code = 0, end = 1 << TABLE_BITS;
    unsigned char link_bits[1 << TABLE_BITS] = {0};
    for (int i = 0; i < symbols; i++) count[length[i]]++;
    count[0] = 0;
    int32_t left = 1;
    for (int b = 1; b <= CODE_BITS_MAX; b++) {
        left = 2 * left - count[b];
        if (left < 0) return -1;
        code = (code + (uint32_t)count[b - 1]) << 1;
        next[b] = code;
        used += count[b];
    }
    if (left > 0 && used > 1) return -1;
    for (int i = 0; i < 1 << TABLE_BITS; i++) t->entry[i] = 0;
    uint32_t start[CODE_BITS_MAX + 2];
    memcpy(start, next, sizeof start);
    /* How many extra bits each first-table slot needs: the longest code that starts with it. */
    for (int i = 0; i < symbols; i++) {
        int b = length[i];
        if (b == 0) continue;
        uint32_t r = reverse(next[b]++, b) & ((1 << TABLE_BITS) - 1);
        if (b > TABLE_BITS && link_bits[r] < b - TABLE_BITS) link_bits[r] = (unsigned char)(b - TABLE_BITS);
    }
    for (uint32_t r = 0; r < 1 << TABLE_BITS; r++) {
        if (!link_bits[r]) continue;
        if (end + (1u << link_bits[r]) > TABLE_MAX) return -1;
        t->entry[r] = end << 8 | LINK | link_bits[r];
        memset(t->entry + end, 0, sizeof(uint32_t) << link_bits[r]);
        end += 1u << link_bits[r];
    }
    for (int i = 0; i < symbols; i++) {
        int b = length[i];
        if (b == 0) continue;
        uint32_t r = reverse(start[b]++, b), entry = (uint32_t)i << 8 | (uint32_t)b;
        if (b <= TABLE_BITS) {
            for (uint32_t k = r; k < 1 << TABLE_BITS; k += 1u << b) t->entry[k] = entry;
        } else {
            uint32_t first = r & ((1 << TABLE_BITS) - 1), base = t->entry[first] >> 8;
            for (uint32_t k = r >> TABLE_BITS; k < 1u << link_bits[first]; k += 1u << (b - TABLE_BITS))
                t->entry[base + k] = entry;
        }
    }
    return 0;
}

/* The entry of the code that comes next. */
INLINE uint32_t look_up(const struct table *t, uint64_t bits)
{
    const uint32_t entry = t->entry[bits & ((1 << TABLE_BITS) - 1)];
    if (!(entry & LINK)) return entry;
    return t->entry[(entry >> 8) + ((bits >> TABLE_BITS) & ((1u << (entry & 0x1f)) - 1))];
}

/* The next symbol, or -1. */
static int decode(struct reader *r, const struct table *t)
{
    if (r->count < CODE_BITS_MAX) refill(r);
    const uint32_t entry = look_up(t, r->bits);
    const int bits = (int)(entry & 0x1f);
    if (bits == 0 || bits > r->count) {
        r->overrun |= bits > r->count;
        return -1;
    }
    r->bits >>= bits;
    r->count -= bits;
    return (int)(entry >> 8);
}

struct output {
    unsigned char *data;
    size_t size, room, limit, stop; /* stop: not 0 where so many bytes are enough */
};

/* What one step may add beyond where the output was to stop: a stored block. */
enum { STEP_MAX = 65536 + 258 };

static int reserve(struct output *o, size_t more, struct error *e)
{
    if (o->room - o->size >= more) return 0;
    if (o->stop && o->size >= o->stop) return error_set(e, "more than the %zu bytes wanted", o->stop);
    if (more > o->limit - o->size) return error_set(e, "unpacks to more than %zu bytes", o->limit);
    size_t room = o->room < o->limit / 2 ? 2 * o->room : o->limit;
    if (room < o->size + more) room = o->size + more;
    unsigned char *data = realloc(o->data, room ? room : 1);
    if (!data) return error_set(e, "out of memory for %zu bytes", room);
    o->data = data;
    o->room = room;
    return 0;
}

static int copy_match(struct output *o, size_t distance, size_t length, struct error *e)
{
    if (distance > o->size) return error_set(e, "deflate: distance %zu before the start", distance);
    if (reserve(o, length, e)) return -1;
    unsigned char *to = o->data + o->size;
    const unsigned char *from = to - distance;
    if (distance >= length) memcpy(to, from, length);
    else for (size_t i = 0; i < length; i++) to[i] = from[i];
    o->size += length;
    return 0;
}

/* The next n bits, which are there. */
INLINE uint32_t take_sure(struct reader *r, int n)
{
    const uint32_t v = (uint32_t)(r->bits & (((uint64_t)1 << n) - 1));
    r->bits >>= n;
    r->count -= n;
    return v;
}

/* What a step reads at most: three codes and the extra bits of two, below 56 bits; and what it writes: two
 * literals and a match in pieces of 16 bytes, which may write behind its end what comes over it later. */
enum { FAST_IN = 8, PIECE = 16, FAST_OUT = 2 + 258 + PIECE };

/* length bytes, of which each is the one `distance` before it. */
INLINE void copy_back(unsigned char *to, size_t distance, size_t length)
{
    const unsigned char *const end = to + length;
    if (distance >= PIECE) {
        do {
            memcpy(to, to - distance, PIECE);
            to += PIECE;
        } while (to < end);
    } else if (distance == 1) {
        memset(to, to[-1], length);
    } else {
        for (; to < end; to++) *to = *(to - distance);
    }
}

/* As long as neither input nor output can end within a step: literals and matches without looking at either
 * each time. It stops before whatever is not such: the end of the block, an invalid code, a distance before
 * the start. */
static void read_codes_fast(struct reader *reader, struct output *output, const struct table *literal,
                            const struct table *distance)
{
    struct reader r = *reader; /* in registers */
    unsigned char *const data = output->data;
    size_t size = output->size;
    while (r.size - r.at >= FAST_IN && output->room - size >= FAST_OUT) {
        refill_whole(&r);
        uint32_t entry = look_up(literal, r.bits);
        for (int k = 0; k < 2 && entry & 0x1f && entry >> 8 < 256; k++) { /* 56 bits: two literals, a code */
            take_sure(&r, (int)(entry & 0x1f));
            data[size++] = (unsigned char)(entry >> 8);
            entry = look_up(literal, r.bits);
        }
        const uint32_t symbol = entry >> 8;
        if (!(entry & 0x1f) || symbol == 256 || symbol > 285) break;
        if (symbol < 256 || r.count < 2 * CODE_BITS_MAX + 5 + 13) continue; /* of the next step */
        struct reader ahead = r;
        take_sure(&ahead, (int)(entry & 0x1f));
        const size_t length = length_base[symbol - 257] + take_sure(&ahead, length_extra[symbol - 257]);
        entry = look_up(distance, ahead.bits);
        const uint32_t d = entry >> 8;
        take_sure(&ahead, (int)(entry & 0x1f));
        if (!(entry & 0x1f) || d > 29) break;
        const size_t from = distance_base[d] + take_sure(&ahead, distance_extra[d]);
        if (from > size) break;
        r.bits = ahead.bits;
        r.count = ahead.count;
        copy_back(data + size, from, length);
        size += length;
    }
    *reader = r;
    output->size = size;
}

static int read_codes(struct reader *r, struct output *o, const struct table *literal,
                      const struct table *distance, struct error *e)
{
    for (;;) {
        read_codes_fast(r, o, literal, distance);
        int symbol = decode(r, literal);
        if (symbol < 0)
            return error_set(e, r->overrun ? "deflate stream is cut off" : "deflate: invalid code");
        if (symbol < 256) {
            if (o->size == o->room && reserve(o, 1, e)) return -1;
            o->data[o->size++] = (unsigned char)symbol;
            continue;
        }
        if (symbol == 256) return 0;
        if (symbol > 285) return error_set(e, "deflate: length symbol %d", symbol);
        size_t length = length_base[symbol - 257] + take(r, length_extra[symbol - 257]);
        int d = decode(r, distance);
        if (d < 0 || d > 29)
            return error_set(e, r->overrun ? "deflate stream is cut off" : "deflate: invalid distance code");
        size_t from = distance_base[d] + take(r, distance_extra[d]);
        if (r->overrun) return error_set(e, "deflate stream is cut off");
        if (copy_match(o, from, length, e)) return -1;
    }
}

static int read_stored(struct reader *r, struct output *o, struct error *e)
{
    take(r, r->count & 7);
    uint32_t n = take(r, 16), check = take(r, 16);
    if (r->overrun) return error_set(e, "deflate stream is cut off");
    if ((n ^ check) != 0xffff) return error_set(e, "deflate: stored block of length %u fails its check", n);
    if (reserve(o, n, e)) return -1;
    while (n > 0 && r->count >= 8) {
        o->data[o->size++] = (unsigned char)take(r, 8);
        n--;
    }
    if (n > r->size - r->at) return error_set(e, "deflate stream is cut off");
    memcpy(o->data + o->size, r->in + r->at, n);
    o->size += n;
    r->at += n;
    return 0;
}

static int read_dynamic(struct reader *r, struct table *literal, struct table *distance, struct error *e)
{
    static const unsigned char order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    unsigned char length[LITERALS + DISTANCES] = {0}, code_length[19] = {0};
    int literals = (int)take(r, 5) + 257, distances = (int)take(r, 5) + 1, codes = (int)take(r, 4) + 4, n = 0;
    if (literals > 286 || distances > 30)
        return error_set(e, "deflate: %d literal and %d distance codes", literals, distances);
    for (int i = 0; i < codes; i++) code_length[order[i]] = (unsigned char)take(r, 3);
    if (build_table(literal, code_length, 19)) return error_set(e, "deflate: invalid code lengths");
    while (n < literals + distances) {
        int symbol = decode(r, literal), repeat = 1;
        unsigned char value = 0;
        if (symbol < 0)
            return error_set(e, r->overrun ? "deflate stream is cut off" : "deflate: invalid code lengths");
        if (symbol < 16) value = (unsigned char)symbol;
        else if (symbol == 16) {
            if (n == 0) return error_set(e, "deflate: repeats a code length before the first");
            value = length[n - 1];
            repeat = 3 + (int)take(r, 2);
        } else repeat = symbol == 17 ? 3 + (int)take(r, 3) : 11 + (int)take(r, 7);
        if (n + repeat > literals + distances) return error_set(e, "deflate: too many code lengths");
        while (repeat--) length[n++] = value;
    }
    if (r->overrun) return error_set(e, "deflate stream is cut off");
    if (length[256] == 0) return error_set(e, "deflate: no code for the end of the block");
    if (build_table(literal, length, literals) || build_table(distance, length + literals, distances))
        return error_set(e, "deflate: invalid code lengths");
    return 0;
}

static void fixed_tables(struct table *literal, struct table *distance)
{
    unsigned char length[LITERALS], thirty[30];
    for (int i = 0; i < LITERALS; i++) length[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    memset(thirty, 5, sizeof thirty);
    build_table(literal, length, LITERALS);
    /* 30 codes of 5 bits are two short of complete: the last two exist but are invalid, so fill in as 32 and
     * let decode's caller refuse them. */
    unsigned char all[DISTANCES];
    memset(all, 5, sizeof all);
    build_table(distance, all, DISTANCES);
}

static int inflate_blocks(struct reader *r, struct output *o, struct table *t, struct error *e)
{
    int last;
    do {
        last = (int)take(r, 1);
        int kind = (int)take(r, 2);
        if (r->overrun) return error_set(e, "deflate stream is cut off");
        if (kind == 0) {
            if (read_stored(r, o, e)) return -1;
            continue;
        }
        if (kind == 3) return error_set(e, "deflate: block of kind 3");
        if (kind == 1) fixed_tables(&t[0], &t[1]);
        else if (read_dynamic(r, &t[0], &t[1], e)) return -1;
        if (read_codes(r, o, &t[0], &t[1], e)) return -1;
    } while (!last);
    return 0;
}

static int inflate_until(const unsigned char *in, size_t in_size, size_t expected, size_t limit, size_t stop,
                         unsigned char **out, size_t *out_size, size_t *used, struct error *e)
{
    struct reader r = {.in = in, .size = in_size};
    struct output o = {.limit = limit, .stop = stop};
    struct table *t = malloc(2 * sizeof *t);
    /* A byte of deflate gives at most 1032 bytes: a false `expected` does not make us allocate for
     * nothing. */
    size_t most = in_size < SIZE_MAX / 1040 ? in_size * 1040 + 64 : limit,
           room = expected ? expected : in_size * 3 + 64;
    if (room > most) room = most;
    if (room > limit) room = limit;
    o.data = malloc(room + 1);
    o.room = room;
    int status = t && o.data ? 0 : error_set(e, "out of memory for %zu bytes", room);
    struct error why; /* e stays as it is where more than was wanted is no error */
    if (!status && (status = inflate_blocks(&r, &o, t, &why)) && !(stop && o.size >= stop))
        error_set(e, "%s", why.text);
    free(t);
    if (status && stop && o.data && o.size >= stop) { /* more than was wanted */
        status = 0;
        r.at = in_size;
        r.count = 0;
    }
    if (status) {
        free(o.data);
        return -1;
    }
    if (used) *used = r.at - (size_t)(r.count / 8);
    *out = o.data;
    *out_size = o.size;
    return 0;
}

int inflate_raw(const unsigned char *in, size_t in_size, size_t expected, size_t limit, unsigned char **out,
                size_t *out_size, size_t *used, struct error *e)
{
    return inflate_until(in, in_size, expected, limit, 0, out, out_size, used, e);
}

int inflate_begin(const unsigned char *in, size_t in_size, size_t want, unsigned char **out, size_t *out_size,
                  size_t *used, struct error *e)
{
    size_t limit = want < SIZE_MAX / 2 ? want + STEP_MAX : want;
    const size_t room = want < SIZE_MAX / 2 ? want + FAST_OUT : want; /* where it stops, at a step's end */
    return inflate_until(in, in_size, room, limit, want, out, out_size, used, e);
}

#else

static int inflate_until(const unsigned char *in, size_t in_size, size_t expected, size_t limit, size_t stop,
                         unsigned char **out, size_t *out_size, size_t *used, struct error *e)
{
    z_stream z;
    size_t cap = limit < SIZE_MAX ? limit + 1 : limit; /* a byte more shows that there are more */
    size_t room = expected ? expected : 3 * in_size + 64, size = 0;
    if (room > cap) room = cap;
    unsigned char *data = malloc(room ? room : 1);
    memset(&z, 0, sizeof z);
    if (!data || inflateInit2(&z, -15) != Z_OK) {
        free(data);
        return error_set(e, "out of memory for %zu bytes", room);
    }
    z.next_in = (unsigned char *)in;
    int status = Z_OK;
    size_t fed = 0;
    while (status == Z_OK) {
        if (z.avail_in == 0 && fed < in_size) {
            z.avail_in = in_size - fed < 1u << 30 ? (unsigned)(in_size - fed) : 1u << 30;
            fed += z.avail_in;
        }
        if (size == room) {
            size_t more = room < cap / 2 ? 2 * room + 64 : cap;
            if (more > cap) more = cap;
            unsigned char *grown = more > room ? realloc(data, more) : NULL;
            if (!grown) break;
            data = grown;
            room = more;
        }
        unsigned give = room - size < 1u << 30 ? (unsigned)(room - size) : 1u << 30;
        z.next_out = data + size;
        z.avail_out = give;
        status = inflate(&z, Z_NO_FLUSH);
        size += give - z.avail_out;
        if (status == Z_BUF_ERROR && z.avail_in == 0 && fed == in_size) break;
        if (status == Z_BUF_ERROR) status = Z_OK;
    }
    size_t taken = fed - z.avail_in;
    inflateEnd(&z);
    if (status != Z_STREAM_END && stop && size >= stop) {
        taken = in_size;
        status = Z_STREAM_END;
    }
    if (status != Z_STREAM_END || (!stop && size > limit)) {
        free(data);
        if (size > limit) return error_set(e, "unpacks to more than %zu bytes", limit);
        return error_set(e, status == Z_DATA_ERROR ? "deflate: invalid code" : "deflate stream is cut off");
    }
    if (used) *used = taken;
    *out = data;
    *out_size = size;
    return 0;
}

int inflate_raw(const unsigned char *in, size_t in_size, size_t expected, size_t limit, unsigned char **out,
                size_t *out_size, size_t *used, struct error *e)
{
    return inflate_until(in, in_size, expected, limit, 0, out, out_size, used, e);
}

int inflate_begin(const unsigned char *in, size_t in_size, size_t want, unsigned char **out, size_t *out_size,
                  size_t *used, struct error *e)
{
    return inflate_until(in, in_size, want, want, want, out, out_size, used, e);
}

#endif
