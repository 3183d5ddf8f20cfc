/* deflate.c - compression to deflate streams (RFC 1951): hash chains, lazy matching, dynamic Huffman codes.
 * Deterministic: the same bytes for the same input and level, on every machine.
 */
#include <stdlib.h>
#include <string.h>

#include "io/pack/deflate.h"
#include "io/pack/deflate_symbols.h"
#include "io/pack/gzip.h"

enum {
    WINDOW = 32768, HASH_BITS = 15, MATCH_MIN = 3, MATCH_MAX = 258, BLOCK_TOKENS = 32768,
    LITERALS = 286, DISTANCES = 30, CODE_LENGTHS = 19, CODE_BITS_MAX = 15, CODE_LENGTH_BITS_MAX = 7
};

/* How hard to look: chain links followed, length that is good enough, whether to look one byte ahead before
 * taking a match. */
static const struct effort {
    int chain, good, lazy;
} efforts[10] = {{4, 8, 0},   {4, 8, 0},    {8, 16, 0},    {16, 32, 0},   {16, 32, 1},
                 {32, 64, 1}, {64, 128, 1}, {128, 258, 1}, {512, 258, 1}, {2048, 258, 1}};

struct bytes {
    unsigned char *data;
    size_t size, room;
    uint64_t bits;
    int count;
    int failed; /* memory is out */
};

static void reserve(struct bytes *b, size_t more)
{
    if (b->failed || b->room - b->size >= more) return;
    size_t room = 2 * b->room + more + 1024;
    unsigned char *data = realloc(b->data, room);
    if (!data) {
        b->failed = 1;
        return;
    }
    b->data = data;
    b->room = room;
}

static void put_bits(struct bytes *b, uint32_t value, int n)
{
    b->bits |= (uint64_t)value << b->count;
    b->count += n;
    if (b->count < 32) return;
    reserve(b, 4);
    if (!b->failed)
        for (int i = 0; i < 4; i++) b->data[b->size++] = (unsigned char)(b->bits >> (8 * i));
    b->bits >>= 32;
    b->count -= 32;
}

static void align_bits(struct bytes *b)
{
    reserve(b, 8);
    while (b->count > 0 && !b->failed) {
        b->data[b->size++] = (unsigned char)b->bits;
        b->bits >>= 8;
        b->count -= 8;
    }
    b->bits = 0;
    b->count = 0;
}

/* ---- symbols ------------------------------------------------------------------------------------------- */

static int length_symbol(int length)
{
    int low = 0, high = 28;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (length_base[middle] <= length) low = middle;
        else high = middle - 1;
    }
    return low;
}

static int distance_symbol(int distance)
{
    int low = 0, high = 29;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (distance_base[middle] <= distance) low = middle;
        else high = middle - 1;
    }
    return low;
}

/* ---- Huffman codes ------------------------------------------------------------------------------------- */

struct leaf {
    uint32_t weight;
    int symbol;
};

static int compare_leaves(const void *a, const void *b)
{
    const struct leaf *x = a, *y = b;
    return x->weight != y->weight ? (x->weight > y->weight) - (x->weight < y->weight) : x->symbol - y->symbol;
}

/* Code lengths of at most `limit` bits. Huffman by two queues over the sorted weights; codes that come out
 * too long are shortened at the expense of the cheapest shorter ones (Kraft's sum kept at 1). */
static void code_lengths(unsigned char *length, const uint32_t *weight, int symbols, int limit)
{
    struct leaf leaf[LITERALS];
    uint32_t sum[LITERALS];
    int parent[2 * LITERALS], depth[2 * LITERALS], n = 0, count[64] = {0};
    memset(length, 0, (size_t)symbols);
    for (int i = 0; i < symbols; i++)
        if (weight[i]) leaf[n++] = (struct leaf){weight[i], i};
    if (n == 0) return;
    if (n == 1) {
        length[leaf[0].symbol] = 1;
        return;
    }
    qsort(leaf, (size_t)n, sizeof *leaf, compare_leaves);
    int next_leaf = 0, next_node = 0;
    for (int made = 0; made < n - 1; made++) {
        uint32_t total = 0;
        for (int k = 0; k < 2; k++) {
            if (next_leaf < n && (next_node >= made || leaf[next_leaf].weight <= sum[next_node])) {
                total += leaf[next_leaf].weight;
                parent[next_leaf++] = n + made;
            } else {
                total += sum[next_node];
                parent[n + next_node++] = n + made;
            }
        }
        sum[made] = total;
    }
    depth[2 * n - 2] = 0;
    for (int i = 2 * n - 3; i >= 0; i--) depth[i] = depth[parent[i]] + 1;
    for (int i = 0; i < n; i++) count[depth[i] < limit ? depth[i] : limit]++;
    uint32_t kraft = 0;
    for (int b = 1; b <= limit; b++) kraft += (uint32_t)count[b] << (limit - b);
    while (kraft > 1u << limit) { /* one code of the longest shorter length moves down, and takes a longest
                                     one beside it */
        int b = limit - 1;
        while (count[b] == 0) b--;
        count[b]--;
        count[b + 1] += 2;
        count[limit]--;
        kraft--;
    }
    int i = 0;
    for (int b = limit; b >= 1; b--)
        for (int k = 0; k < count[b]; k++) length[leaf[i++].symbol] = (unsigned char)b;
}

static void assign_codes(uint16_t *code, const unsigned char *length, int symbols)
{
    uint32_t count[CODE_BITS_MAX + 1] = {0}, next[CODE_BITS_MAX + 2] = {0};
    for (int i = 0; i < symbols; i++) count[length[i]]++;
    count[0] = 0;
    for (int b = 1; b <= CODE_BITS_MAX; b++) next[b] = (next[b - 1] + count[b - 1]) << 1;
    for (int i = 0; i < symbols; i++) {
        uint32_t c = length[i] ? next[length[i]]++ : 0, r = 0;
        for (int b = 0; b < length[i]; b++) r |= (c >> b & 1) << (length[i] - 1 - b);
        code[i] = (uint16_t)r;
    }
}

struct codes {
    unsigned char length[LITERALS + 2];
    uint16_t code[LITERALS + 2];
};

/* ---- blocks -------------------------------------------------------------------------------------------- */

struct deflater {
    struct bytes out;
    const unsigned char *in;
    size_t size;
    int32_t *head, *previous;
    uint32_t *token; /* a literal, or a match: length in the low 16 bits, distance above */
    int tokens;
    size_t block_start;
    uint32_t literal_weight[LITERALS], distance_weight[DISTANCES];
};

static uint32_t tokens_cost(const struct deflater *d, const struct codes *l, const struct codes *s)
{
    uint32_t bits = 0;
    for (int i = 0; i < LITERALS; i++)
        bits += d->literal_weight[i] * (uint32_t)(l->length[i] + (i > 256 ? length_extra[i - 257] : 0));
    for (int i = 0; i < DISTANCES; i++)
        bits += d->distance_weight[i] * (uint32_t)(s->length[i] + distance_extra[i]);
    return bits;
}

/* Code lengths as runs (16: the last 3..6 times, 17: 3..10 zeros, 18: 11..138 zeros). */
static int run_lengths(unsigned char *symbol, unsigned char *extra, const unsigned char *length, int n)
{
    int out = 0;
    for (int i = 0; i < n;) {
        int run = 1;
        while (i + run < n && length[i + run] == length[i]) run++;
        int left = run;
        if (length[i] == 0) {
            while (left >= 3) {
                int take = left < 138 ? left : 138;
                symbol[out] = take < 11 ? 17 : 18;
                extra[out++] = (unsigned char)(take < 11 ? take - 3 : take - 11);
                left -= take;
            }
        } else {
            symbol[out] = length[i];
            extra[out++] = 0;
            left--;
            while (left >= 3) {
                int take = left < 6 ? left : 6;
                symbol[out] = 16;
                extra[out++] = (unsigned char)(take - 3);
                left -= take;
            }
        }
        for (; left > 0; left--) {
            symbol[out] = length[i];
            extra[out++] = 0;
        }
        i += run;
    }
    return out;
}

static void put_stored(struct deflater *d, size_t from, size_t to, int last)
{
    do {
        size_t n = to - from < 65535 ? to - from : 65535;
        put_bits(&d->out, last && from + n == to, 1);
        put_bits(&d->out, 0, 2);
        align_bits(&d->out);
        put_bits(&d->out, (uint32_t)n, 16);
        put_bits(&d->out, (uint32_t)n ^ 0xffff, 16);
        align_bits(&d->out);
        reserve(&d->out, n);
        if (!d->out.failed && n) memcpy(d->out.data + d->out.size, d->in + from, n);
        if (!d->out.failed) d->out.size += n;
        from += n;
    } while (from < to);
}

static void put_tokens(struct deflater *d, const struct codes *l, const struct codes *s)
{
    for (int i = 0; i < d->tokens; i++) {
        uint32_t t = d->token[i];
        int length = (int)(t & 0xffff), distance = (int)(t >> 16);
        if (distance == 0) {
            put_bits(&d->out, l->code[length], l->length[length]);
            continue;
        }
        int a = length_symbol(length), b = distance_symbol(distance);
        put_bits(&d->out, l->code[257 + a], l->length[257 + a]);
        put_bits(&d->out, (uint32_t)(length - length_base[a]), length_extra[a]);
        put_bits(&d->out, s->code[b], s->length[b]);
        put_bits(&d->out, (uint32_t)(distance - distance_base[b]), distance_extra[b]);
    }
    put_bits(&d->out, l->code[256], l->length[256]);
}

/* The block as stored or with codes of its own, whichever is shorter. */
static void put_block(struct deflater *d, size_t end, int last)
{
    static const unsigned char order[CODE_LENGTHS] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                      11, 4,  12, 3, 13, 2, 14, 1, 15};
    static const unsigned char extra_bits[CODE_LENGTHS] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                                           0, 0, 0, 0, 0, 0, 2, 3, 7};
    struct codes l, s, c;
    unsigned char both[LITERALS + DISTANCES], symbol[LITERALS + DISTANCES], extra[LITERALS + DISTANCES];
    uint32_t weight[CODE_LENGTHS] = {0};
    d->literal_weight[256] = 1;
    code_lengths(l.length, d->literal_weight, LITERALS, CODE_BITS_MAX);
    code_lengths(s.length, d->distance_weight, DISTANCES, CODE_BITS_MAX);
    assign_codes(l.code, l.length, LITERALS);
    assign_codes(s.code, s.length, DISTANCES);
    int literals = LITERALS, distances = DISTANCES, codes = CODE_LENGTHS;
    while (literals > 257 && l.length[literals - 1] == 0) literals--;
    while (distances > 1 && s.length[distances - 1] == 0) distances--;
    memcpy(both, l.length, (size_t)literals);
    memcpy(both + literals, s.length, (size_t)distances);
    int runs = run_lengths(symbol, extra, both, literals + distances);
    for (int i = 0; i < runs; i++) weight[symbol[i]]++;
    code_lengths(c.length, weight, CODE_LENGTHS, CODE_LENGTH_BITS_MAX);
    assign_codes(c.code, c.length, CODE_LENGTHS);
    while (codes > 4 && c.length[order[codes - 1]] == 0) codes--;
    uint64_t cost = 17 + 3 * (uint64_t)codes + tokens_cost(d, &l, &s);
    for (int i = 0; i < runs; i++) cost += (uint64_t)c.length[symbol[i]] + extra_bits[symbol[i]];
    size_t raw = end - d->block_start;
    if (cost >= 8 * ((uint64_t)raw + 5 * (raw / 65535 + 1))) {
        put_stored(d, d->block_start, end, last);
    } else {
        put_bits(&d->out, (uint32_t)last, 1);
        put_bits(&d->out, 2, 2);
        put_bits(&d->out, (uint32_t)(literals - 257), 5);
        put_bits(&d->out, (uint32_t)(distances - 1), 5);
        put_bits(&d->out, (uint32_t)(codes - 4), 4);
        for (int i = 0; i < codes; i++) put_bits(&d->out, c.length[order[i]], 3);
        for (int i = 0; i < runs; i++) {
            put_bits(&d->out, c.code[symbol[i]], c.length[symbol[i]]);
            put_bits(&d->out, extra[i], extra_bits[symbol[i]]);
        }
        put_tokens(d, &l, &s);
    }
    memset(d->literal_weight, 0, sizeof d->literal_weight);
    memset(d->distance_weight, 0, sizeof d->distance_weight);
    d->tokens = 0;
    d->block_start = end;
}

static void add_token(struct deflater *d, int length_or_byte, int distance)
{
    d->token[d->tokens++] = (uint32_t)distance << 16 | (uint32_t)length_or_byte;
    if (distance == 0) d->literal_weight[length_or_byte]++;
    else {
        d->literal_weight[257 + length_symbol(length_or_byte)]++;
        d->distance_weight[distance_symbol(distance)]++;
    }
}

/* ---- matches ------------------------------------------------------------------------------------------- */

static uint32_t hash3(const unsigned char *p)
{
    return ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16) * 2654435761u >> (32 - HASH_BITS);
}

/* Positions are stored modulo 2^31: a link more than WINDOW back is no link. */
static void insert(struct deflater *d, size_t at)
{
    if (at + MATCH_MIN > d->size) return;
    uint32_t h = hash3(d->in + at);
    d->previous[at % WINDOW] = d->head[h];
    d->head[h] = (int32_t)(at & 0x7fffffff);
}

static int find_match(const struct deflater *d, size_t at, const struct effort *f, int longer_than,
                      int *distance)
{
    int best = longer_than, limit = d->size - at < MATCH_MAX ? (int)(d->size - at) : MATCH_MAX;
    if (limit < MATCH_MIN || best >= limit) return 0;
    const unsigned char *here = d->in + at;
    int32_t link = d->head[hash3(here)];
    size_t last = 0;
    for (int chain = f->chain; chain > 0 && link >= 0; chain--) {
        size_t back = (at - (size_t)link) & 0x7fffffff;
        if (back <= last || back > WINDOW - 262 || back > at) break; /* older entries only */
        last = back;
        const unsigned char *there = here - back;
        if (there[best] == here[best] && there[0] == here[0]) {
            int n = 0;
            while (n < limit && there[n] == here[n]) n++;
            if (n > best) {
                best = n;
                *distance = (int)back;
                if (n >= f->good || n == limit) break;
            }
        }
        link = d->previous[(at - back) % WINDOW];
    }
    return best > longer_than && best >= MATCH_MIN ? best : 0;
}

static void compress(struct deflater *d, const struct effort *f)
{
    size_t at = 0;
    while (at < d->size && !d->out.failed) {
        int distance = 0, length = find_match(d, at, f, MATCH_MIN - 1, &distance);
        insert(d, at);
        if (length && f->lazy && length < f->good && at + 1 < d->size) {
            int next = 0;
            if (find_match(d, at + 1, f, length, &next))
                length = 0; /* a longer one starts at the next byte */
        }
        if (length == 0) {
            add_token(d, d->in[at++], 0);
        } else {
            add_token(d, length, distance);
            for (int i = 1; i < length; i++) insert(d, at + (size_t)i);
            at += (size_t)length;
        }
        if (d->tokens == BLOCK_TOKENS && at < d->size) put_block(d, at, 0);
    }
    put_block(d, d->size, 1);
    align_bits(&d->out);
}

unsigned char *deflate_raw(const unsigned char *in, size_t size, int level, size_t *out_size)
{
    struct deflater *d = calloc(1, sizeof *d);
    unsigned char *result = NULL;
    if (!d) return NULL;
    d->in = in;
    d->size = size;
    d->head = malloc(sizeof *d->head << HASH_BITS);
    d->previous = malloc(sizeof *d->previous * WINDOW);
    d->token = malloc(sizeof *d->token * BLOCK_TOKENS);
    if (d->head && d->previous && d->token) {
        for (int i = 0; i < 1 << HASH_BITS; i++) d->head[i] = -1;
        for (int i = 0; i < WINDOW; i++) d->previous[i] = -1;
        compress(d, &efforts[level < 1 ? 1 : level > 9 ? 9 : level]);
        result = d->out.data;
        *out_size = d->out.size;
        if (d->out.failed) {
            free(result);
            result = NULL;
        }
    }
    free(d->head);
    free(d->previous);
    free(d->token);
    free(d);
    return result;
}
