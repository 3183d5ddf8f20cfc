/* jpeg_2000_block.c - a code-block of JPEG 2000: the arithmetic decoder (T.800 annex C) and the three passes
 * over each bit plane (annex D). */
#include <stdlib.h>
#include <string.h>

#include "io/jpeg/jpeg_2000.h"

enum { STYLE_BYPASS = 1, STYLE_RESET = 2, STYLE_TERMINATE = 4, STYLE_CAUSAL = 8, STYLE_SYMBOLS = 32 };
enum {
    CONTEXT_SIGN = 9, CONTEXT_REFINE = 14, CONTEXT_RUN = 17, CONTEXT_UNIFORM = 18, CONTEXTS = 19, STRIPE = 4,
    PASSES_ARITHMETIC = 10
};

/* ---- the arithmetic decoder ---------------------------------------------------------------------------- */

/* Table C.2: probability of the less probable symbol; the next states; whether the symbols change places. */
static const struct {
    uint16_t qe;
    uint8_t nmps, nlps, change;
} states[47] = {
    {0x5601, 1, 1, 1},   {0x3401, 2, 6, 0},   {0x1801, 3, 9, 0},   {0x0ac1, 4, 12, 0},  {0x0521, 5, 29, 0},
    {0x0221, 38, 33, 0}, {0x5601, 7, 6, 1},   {0x5401, 8, 14, 0},  {0x4801, 9, 14, 0},  {0x3801, 10, 14, 0},
    {0x3001, 11, 17, 0}, {0x2401, 12, 18, 0}, {0x1c01, 13, 20, 0}, {0x1601, 29, 21, 0}, {0x5601, 15, 14, 1},
    {0x5401, 16, 14, 0}, {0x5101, 17, 15, 0}, {0x4801, 18, 16, 0}, {0x3801, 19, 17, 0}, {0x3401, 20, 18, 0},
    {0x3001, 21, 19, 0}, {0x2801, 22, 19, 0}, {0x2401, 23, 20, 0}, {0x2201, 24, 21, 0}, {0x1c01, 25, 22, 0},
    {0x1801, 26, 23, 0}, {0x1601, 27, 24, 0}, {0x1401, 28, 25, 0}, {0x1201, 29, 26, 0}, {0x1101, 30, 27, 0},
    {0x0ac1, 31, 28, 0}, {0x09c1, 32, 29, 0}, {0x08a1, 33, 30, 0}, {0x0521, 34, 31, 0}, {0x0441, 35, 32, 0},
    {0x02a1, 36, 33, 0}, {0x0221, 37, 34, 0}, {0x0141, 38, 35, 0}, {0x0111, 39, 36, 0}, {0x0085, 40, 37, 0},
    {0x0049, 41, 38, 0}, {0x0025, 42, 39, 0}, {0x0015, 43, 40, 0}, {0x0009, 44, 41, 0}, {0x0005, 45, 42, 0},
    {0x0001, 45, 43, 0}, {0x5601, 46, 46, 0}};

struct coder {
    const unsigned char *at, *end;
    uint32_t c, a;
    int count;                          /* bits left in c; of raw bits, in the byte */
    uint8_t state[CONTEXTS], mps[CONTEXTS];
};

static void reset_contexts(struct coder *m)
{
    memset(m->state, 0, sizeof m->state);
    memset(m->mps, 0, sizeof m->mps);
    m->state[0] = 4;
    m->state[CONTEXT_RUN] = 3;
    m->state[CONTEXT_UNIFORM] = 46;
}

/* Beyond the end come ones. */
static void next_byte(struct coder *m)
{
    unsigned next = m->end - m->at > 1 ? m->at[1] : 0xff;
    if (m->at >= m->end || (*m->at == 0xff && next > 0x8f)) {
        m->c += 0xff00;
        m->count = 8;
        return;
    }
    int stuffed = *m->at == 0xff;
    m->at++;
    m->c += next << (stuffed ? 9 : 8);
    m->count = stuffed ? 7 : 8;
}

static void begin_arithmetic(struct coder *m, const unsigned char *data, size_t size)
{
    m->at = data;
    m->end = data + size;
    m->c = (uint32_t)(size ? data[0] : 0xff) << 16;
    next_byte(m);
    m->c <<= 7;
    m->count -= 7;
    m->a = 0x8000;
}

static int decode(struct coder *m, int context)
{
    uint8_t *state = &m->state[context], *mps = &m->mps[context];
    uint32_t qe = states[*state].qe;
    int less;
    m->a -= qe;
    if (m->c >> 16 < qe) {
        less = m->a >= qe;
        m->a = qe;
    } else {
        m->c -= qe << 16;
        if (m->a & 0x8000) return *mps;
        less = m->a < qe;
    }
    int bit = less ? 1 - *mps : *mps;
    if (less && states[*state].change) *mps ^= 1;
    *state = less ? states[*state].nlps : states[*state].nmps;
    do {
        if (m->count == 0) next_byte(m);
        m->a <<= 1;
        m->c <<= 1;
        m->count--;
    } while (!(m->a & 0x8000));
    return bit;
}

/* Bits as they are, of passes that are not coded: a byte behind FF has seven. */
static void begin_raw(struct coder *m, const unsigned char *data, size_t size)
{
    m->at = data;
    m->end = data + size;
    m->c = 0;
    m->count = 0;
}

static int raw_bit(struct coder *m)
{
    if (m->count == 0) {
        int seven = m->c == 0xff;
        m->c = m->at < m->end ? *m->at++ : 0xff;
        m->count = seven ? 7 : 8;
    }
    m->count--;
    return (int)(m->c >> m->count & 1);
}

/* ---- bit planes ---------------------------------------------------------------------------------------- */

enum { SIGNIFICANT = 1, NEGATIVE = 2, VISITED = 4, REFINED = 8 };

struct plane {
    struct coder m;
    const struct jpeg_2000_block *b;
    enum jpeg_2000_band band;
    int32_t *value;
    uint8_t *flag; /* with a border of one */
    size_t stride; /* of flags */
    int32_t one;   /* a bit of this plane, twice: see jpeg_2000_decode_block */
    int raw;
};

/* Flags of the rows below, without what a later stripe would tell. */
static int below(const struct plane *p, int y, const uint8_t *f, int shift)
{
    if (p->b->style & STYLE_CAUSAL && y % STRIPE == STRIPE - 1) return 0;
    return f[(ptrdiff_t)p->stride + shift];
}

/* Table D.1. */
static int zero_context(const struct plane *p, int y, const uint8_t *f)
{
    ptrdiff_t s = (ptrdiff_t)p->stride;
    int h = (f[-1] & SIGNIFICANT) + (f[1] & SIGNIFICANT),
        v = (f[-s] & SIGNIFICANT) + (below(p, y, f, 0) & SIGNIFICANT);
    int d = (f[-s - 1] & SIGNIFICANT) + (f[-s + 1] & SIGNIFICANT) + (below(p, y, f, -1) & SIGNIFICANT) +
            (below(p, y, f, 1) & SIGNIFICANT);
    if (p->band == BAND_HH) {
        int hv = h + v > 2 ? 2 : h + v;
        return d >= 3 ? 8 : d == 2 ? (hv ? 7 : 6) : d == 1 ? 3 + hv : hv;
    }
    if (p->band == BAND_HL) {
        int swapped = h;
        h = v;
        v = swapped;
    }
    if (h == 2) return 8;
    if (h == 1) return v ? 7 : d ? 6 : 5;
    return v ? 2 + v : d > 2 ? 2 : d;
}

static int has_neighbour(const struct plane *p, int y, const uint8_t *f)
{
    ptrdiff_t s = (ptrdiff_t)p->stride;
    int all = f[-1] | f[1] | f[-s] | f[-s - 1] | f[-s + 1] | below(p, y, f, 0) | below(p, y, f, -1) |
              below(p, y, f, 1);
    return all & SIGNIFICANT;
}

static int contribution(int flag)
{
    return flag & SIGNIFICANT ? (flag & NEGATIVE ? -1 : 1) : 0;
}

/* Tables D.2 and D.3. */
static int read_sign(struct plane *p, int y, const uint8_t *f)
{
    if (p->raw) return raw_bit(&p->m);
    int h = contribution(f[-1]) + contribution(f[1]),
        v = contribution(f[-(ptrdiff_t)p->stride]) + contribution(below(p, y, f, 0));
    h = h > 0 ? 1 : h < 0 ? -1 : 0;
    v = v > 0 ? 1 : v < 0 ? -1 : 0;
    int flip = h < 0 || (h == 0 && v < 0);
    if (flip) h = -h, v = -v;
    return decode(&p->m, CONTEXT_SIGN + (h ? 3 + v : v)) ^ flip;
}

static void become_significant(struct plane *p, int y, uint8_t *f, int32_t *value)
{
    int negative = read_sign(p, y, f);
    int32_t v = p->one | p->one >> 1;
    *value = negative ? -v : v;
    *f |= (uint8_t)(SIGNIFICANT | (negative ? NEGATIVE : 0));
}

/* A sample of one of the passes. */
typedef void visit(struct plane *p, int y, uint8_t *f, int32_t *value);

static void propagate(struct plane *p, int y, uint8_t *f, int32_t *value)
{
    if (*f & SIGNIFICANT || !has_neighbour(p, y, f)) return;
    *f |= VISITED;
    if (p->raw ? raw_bit(&p->m) : decode(&p->m, zero_context(p, y, f))) become_significant(p, y, f, value);
}

static void refine(struct plane *p, int y, uint8_t *f, int32_t *value)
{
    if ((*f & (SIGNIFICANT | VISITED)) != SIGNIFICANT) return;
    int context = CONTEXT_REFINE + (*f & REFINED ? 2 : has_neighbour(p, y, f) != 0);
    int bit = p->raw ? raw_bit(&p->m) : decode(&p->m, context);
    int32_t half = p->one >> 1, change = bit ? half : -half;
    *value += *value < 0 ? -change : change;
    *f |= REFINED;
}

static void in_stripes(struct plane *p, visit *each)
{
    for (int top = 0; top < p->b->height; top += STRIPE)
        for (int x = 0; x < p->b->width; x++)
            for (int y = top; y < top + STRIPE && y < p->b->height; y++)
                each(p, y, p->flag + (size_t)(y + 1) * p->stride + (size_t)x + 1,
                     p->value + (size_t)y * (size_t)p->b->width + (size_t)x);
}

/* A column of a stripe, of which nothing is known and around which nothing is: how many zeros come first;
 * STRIPE: all. */
static int read_run(struct plane *p)
{
    if (!decode(&p->m, CONTEXT_RUN)) return STRIPE;
    int high = decode(&p->m, CONTEXT_UNIFORM);
    return 2 * high + decode(&p->m, CONTEXT_UNIFORM);
}

static int is_quiet(const struct plane *p, int top, const uint8_t *f)
{
    for (int k = 0; k < STRIPE; k++, f += p->stride)
        if (*f & (SIGNIFICANT | VISITED) || has_neighbour(p, top + k, f)) return 0;
    return 1;
}

static void clean_up(struct plane *p)
{
    for (int top = 0; top < p->b->height; top += STRIPE)
        for (int x = 0; x < p->b->width; x++) {
            uint8_t *f = p->flag + (size_t)(top + 1) * p->stride + (size_t)x + 1;
            int32_t *value = p->value + (size_t)top * (size_t)p->b->width + (size_t)x;
            int run = top + STRIPE <= p->b->height && is_quiet(p, top, f) ? read_run(p) : -1;
            for (int k = 0; k < STRIPE && top + k < p->b->height; k++, f += p->stride, value += p->b->width) {
                if (k < run || *f & (SIGNIFICANT | VISITED)) continue;
                if (k == run || decode(&p->m, zero_context(p, top + k, f)))
                    become_significant(p, top + k, f, value);
            }
        }
    if (p->b->style & STYLE_SYMBOLS)
        for (int i = 0; i < 4; i++) decode(&p->m, CONTEXT_UNIFORM);
    for (int y = 0; y < p->b->height; y++)
        for (int x = 0; x < p->b->width; x++)
            p->flag[(size_t)(y + 1) * p->stride + (size_t)x + 1] &= (uint8_t)~VISITED;
}

static void run_pass(struct plane *p, int number)
{
    int kind = (number + 2) % 3; /* the first is a clean-up */
    p->one = (int32_t)1 << (p->b->planes - (number + 2) / 3);
    if (kind == 0) in_stripes(p, propagate);
    else if (kind == 1) in_stripes(p, refine);
    else clean_up(p);
    if (p->b->style & STYLE_RESET) reset_contexts(&p->m);
}

int jpeg_2000_decode_block(int32_t *value, const struct jpeg_2000_block *b, enum jpeg_2000_band band,
                           struct error *e)
{
    struct plane p = {.b = b, .band = band, .value = value, .stride = (size_t)b->width + 2};
    const unsigned char *data = b->data;
    int number = 0;
    memset(value, 0, (size_t)b->width * (size_t)b->height * sizeof *value);
    p.flag = calloc((size_t)(b->height + 2) * p.stride, 1);
    if (!p.flag) return error_set(e, "out of memory for a code-block");
    reset_contexts(&p.m);
    for (int i = 0; i < b->segments; i++) {
        p.raw = b->style & STYLE_BYPASS && number >= PASSES_ARITHMETIC && (number + 2) % 3 < 2;
        if (p.raw) begin_raw(&p.m, data, b->segment[i].size);
        else begin_arithmetic(&p.m, data, b->segment[i].size);
        for (int k = 0; k < b->segment[i].passes && number < 3 * b->planes - 2; k++) run_pass(&p, number++);
        data += b->segment[i].size;
    }
    free(p.flag);
    return 0;
}
