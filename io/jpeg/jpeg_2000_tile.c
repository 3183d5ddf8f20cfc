/* jpeg_2000_tile.c - a tile of JPEG 2000: its resolutions, bands, precincts and code-blocks, the packets that
 * tell them (T.800 annex B), and from coefficients to samples (annex E).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/jpeg/jpeg_2000.h"

enum { PLANES_MAX = 30, UNKNOWN = 1 << 20, SOP = 0xff91, EPH = 0xff92 };

static unsigned read_u16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* a / 2^n, rounded up. */
static int64_t ceil_shift(int64_t a, int n)
{
    return n > 62 ? a > 0 : (a + ((int64_t)1 << n) - 1) >> n;
}

/* ---- tag trees: B.10.2 --------------------------------------------------------------------------------- */

struct packet_bits {
    const unsigned char *at, *end;
    unsigned byte;
    int left, failed;
};

static int next_bit(struct packet_bits *b)
{
    if (b->left == 0) {
        b->left = b->byte == 0xff ? 7 : 8;
        b->failed |= b->at >= b->end;
        b->byte = b->at < b->end ? *b->at++ : 0;
    }
    return (int)(b->byte >> --b->left & 1);
}

static int next_bits(struct packet_bits *b, int n)
{
    int v = 0;
    while (n-- > 0) v = v << 1 | next_bit(b);
    return v;
}

struct node {
    int value, low; /* value: UNKNOWN until it is told; low: it is no smaller */
};

struct tag_tree {
    struct node *node;
    int64_t width, height; /* of the leaves, which come first */
};

static int tree_create(struct tag_tree *t, int64_t width, int64_t height)
{
    int64_t nodes = 0;
    for (int64_t w = width, h = height;; w = (w + 1) / 2, h = (h + 1) / 2) {
        nodes += w * h;
        if (w * h <= 1) break;
    }
    *t = (struct tag_tree){malloc((size_t)(nodes + 1) * sizeof *t->node), width, height};
    for (int64_t i = 0; t->node && i < nodes; i++) t->node[i] = (struct node){UNKNOWN, 0};
    return t->node ? 0 : -1;
}

/* Is the leaf's value below the threshold? */
static int tree_decode(struct tag_tree *t, int64_t x, int64_t y, int threshold, struct packet_bits *b)
{
    struct node *path[40];
    int depth = 0, low = 0;
    int64_t base = 0;
    for (int64_t w = t->width, h = t->height;; w = (w + 1) / 2, h = (h + 1) / 2, x /= 2, y /= 2) {
        path[depth++] = &t->node[base + y * w + x];
        base += w * h;
        if (w * h <= 1) break;
    }
    while (depth-- > 0) {
        struct node *n = path[depth];
        if (n->low < low) n->low = low;
        while (n->low < threshold && n->low < n->value && !b->failed) {
            if (next_bit(b)) n->value = n->low;
            else n->low++;
        }
        low = n->low;
    }
    return path[0]->value < threshold;
}

/* ---- precincts and code-blocks: B.6, B.7 --------------------------------------------------------------- */

struct block {
    int64_t x0, y0; /* within the band */
    int width, height;
    int included, zero_planes, length_bits, passes;
    struct jpeg_2000_segment *segment;
    int segments;
    unsigned char *data;
    size_t size;
};

/* A band's part of a precinct. */
struct part {
    int64_t across, down;
    struct block *block;
    struct tag_tree inclusion, planes;
};

struct band {
    struct jpeg_2000_area area;
    enum jpeg_2000_band kind;
    int planes;   /* of bits */
    float step;   /* of quantisation */
    void *sample; /* int32_t or float */
};

struct precinct {
    struct part part[3];
    int open; /* its code-blocks are there */
};

struct resolution {
    struct jpeg_2000_area area;
    int bands, width_log, height_log; /* of precincts */
    struct band band[3];
    int64_t across, down;
    struct precinct *precinct;
};

struct tile_decoder {
    const struct jpeg_2000_coding *c;
    struct resolution resolution[JPEG_2000_LEVELS + 1];
    struct packet_bits bits;
    const unsigned char *at, *end;
};

static void free_tile(struct tile_decoder *t)
{
    for (int r = 0; r <= t->c->levels; r++) {
        struct resolution *s = &t->resolution[r];
        for (int64_t p = 0; s->precinct && p < s->across * s->down; p++)
            for (int k = 0; k < s->bands; k++) {
                struct part *q = &s->precinct[p].part[k];
                for (int64_t i = 0; q->block && i < q->across * q->down; i++) {
                    free(q->block[i].segment);
                    free(q->block[i].data);
                }
                free(q->block);
                free(q->inclusion.node);
                free(q->planes.node);
            }
        free(s->precinct);
        for (int k = 0; k < s->bands; k++) free(s->band[k].sample);
    }
}

/* Equations B-15, E-2 to E-4. */
static int set_band(struct band *b, const struct jpeg_2000_coding *c, const struct jpeg_2000_area *tile,
                    int r, int kind, int depth, struct error *e)
{
    static const int gain[] = {0, 1, 1, 2};
    int level = r ? c->levels - r + 1 : c->levels, index = r ? 3 * (r - 1) + kind : 0,
        step = c->quantisation == 1 ? 0 : index;
    int64_t x = kind & 1 && level ? (int64_t)1 << (level - 1) : 0,
            y = kind & 2 && level ? (int64_t)1 << (level - 1) : 0;
    b->kind = (enum jpeg_2000_band)kind;
    b->area = (struct jpeg_2000_area){ceil_shift(tile->x0 - x, level), ceil_shift(tile->y0 - y, level),
                                      ceil_shift(tile->x1 - x, level), ceil_shift(tile->y1 - y, level)};
    if (step >= c->steps) return error_set(e, "JPEG 2000: no quantisation step for band %d", index);
    int exponent = c->exponent[step] - (c->quantisation == 1 && index ? (index - 1) / 3 : 0);
    b->planes = c->guard + exponent - 1;
    b->step = (float)ldexp(1 + c->mantissa[step] / 2048.0, depth + gain[kind] - exponent);
    return 0;
}

static int set_resolution(struct tile_decoder *t, const struct jpeg_2000_area *tile, int r, int depth,
                          struct error *e)
{
    struct resolution *s = &t->resolution[r];
    int down = t->c->levels - r;
    s->area = (struct jpeg_2000_area){ceil_shift(tile->x0, down), ceil_shift(tile->y0, down),
                                      ceil_shift(tile->x1, down), ceil_shift(tile->y1, down)};
    s->width_log = t->c->precinct[r] & 15;
    s->height_log = t->c->precinct[r] >> 4;
    int empty = s->area.x1 <= s->area.x0 || s->area.y1 <= s->area.y0;
    s->across = empty ? 0 : ceil_shift(s->area.x1, s->width_log) - (s->area.x0 >> s->width_log);
    s->down = empty ? 0 : ceil_shift(s->area.y1, s->height_log) - (s->area.y0 >> s->height_log);
    s->bands = r ? 3 : 1;
    for (int k = 0; k < s->bands; k++) {
        struct band *b = &s->band[k];
        if (set_band(b, t->c, tile, r, r ? k + 1 : 0, depth, e)) return -1;
        int64_t samples = b->area.x1 > b->area.x0 && b->area.y1 > b->area.y0
                              ? (b->area.x1 - b->area.x0) * (b->area.y1 - b->area.y0)
                              : 0;
        if (!(b->sample = calloc((size_t)samples + 1, sizeof(int32_t))))
            return error_set(e, "out of memory for %lld coefficients", (long long)samples);
    }
    /* A packet is a byte or more, in each layer. */
    if (s->across * s->down > (t->end - t->at) / t->c->layers)
        return error_set(e, "JPEG 2000: cut off: %lld precincts and %d layers in %lld bytes",
                         (long long)(s->across * s->down), t->c->layers, (long long)(t->end - t->at));
    s->precinct = calloc((size_t)(s->across * s->down) + 1, sizeof *s->precinct);
    return s->precinct ? 0
                       : error_set(e, "out of memory for %lld precincts", (long long)(s->across * s->down));
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* The code-blocks of a precinct, when its first packet with anything in it comes. */
static int open_precinct(struct tile_decoder *t, int r, int64_t number, struct error *e)
{
    struct resolution *s = &t->resolution[r];
    struct precinct *p = &s->precinct[number];
    int shrink = r ? 1 : 0, w = s->width_log - shrink, h = s->height_log - shrink;
    int width_log = t->c->width_log < w ? t->c->width_log : w,
        height_log = t->c->height_log < h ? t->c->height_log : h;
    int64_t px = (s->area.x0 >> s->width_log) + number % s->across,
            py = (s->area.y0 >> s->height_log) + number / s->across;
    p->open = 1;
    for (int k = 0; k < s->bands; k++) {
        struct part *q = &p->part[k];
        const struct jpeg_2000_area *b = &s->band[k].area;
        struct jpeg_2000_area a = {clamp(px << w, b->x0, b->x1), clamp(py << h, b->y0, b->y1),
                                   clamp((px + 1) << w, b->x0, b->x1), clamp((py + 1) << h, b->y0, b->y1)};
        if (a.x1 <= a.x0 || a.y1 <= a.y0) continue;
        int64_t first_x = a.x0 >> width_log, first_y = a.y0 >> height_log;
        q->across = ceil_shift(a.x1, width_log) - first_x;
        q->down = ceil_shift(a.y1, height_log) - first_y;
        q->block = calloc((size_t)(q->across * q->down), sizeof *q->block);
        if (!q->block || tree_create(&q->inclusion, q->across, q->down) ||
            tree_create(&q->planes, q->across, q->down))
            return error_set(e, "out of memory for %lld code-blocks", (long long)(q->across * q->down));
        for (int64_t i = 0; i < q->across * q->down; i++) {
            int64_t x = first_x + i % q->across, y = first_y + i / q->across;
            int64_t x0 = clamp(x << width_log, a.x0, a.x1), y0 = clamp(y << height_log, a.y0, a.y1);
            q->block[i] = (struct block){.x0 = x0 - b->x0,
                                         .y0 = y0 - b->y0,
                                         .width = (int)(clamp((x + 1) << width_log, a.x0, a.x1) - x0),
                                         .height = (int)(clamp((y + 1) << height_log, a.y0, a.y1) - y0),
                                         .length_bits = 3};
        }
    }
    return 0;
}

/* ---- packets: B.9, B.10 -------------------------------------------------------------------------------- */

/* Table B.4. */
static int read_passes(struct packet_bits *b)
{
    if (!next_bit(b)) return 1;
    if (!next_bit(b)) return 2;
    int v = next_bits(b, 2);
    if (v < 3) return 3 + v;
    v = next_bits(b, 5);
    return v < 31 ? 6 + v : 37 + next_bits(b, 7);
}

/* How many passes a segment can take, by the one before (0: none): B.10.7 and table D.9. */
static int segment_room(int style, int before)
{
    if (style & 4) return 1;
    if (!(style & 1)) return 3 * PLANES_MAX;
    return before == 0 ? 10 : before == 1 || before == 10 ? 2 : 1;
}

static int log2_of(int v)
{
    int n = 0;
    while (v >> (n + 1)) n++;
    return n;
}

/* The lengths of a code-block's new passes; `fresh` gets where each segment grew. */
struct growth {
    struct block *block;
    int segment;
    size_t size;
};

struct growths {
    struct growth *item;
    size_t count, room;
};

static int add_growth(struct growths *g, struct block *b, int segment, size_t size)
{
    if (g->count == g->room) {
        size_t room = 2 * g->room + 64;
        struct growth *more = realloc(g->item, room * sizeof *more);
        if (!more) return -1;
        g->item = more;
        g->room = room;
    }
    g->item[g->count++] = (struct growth){b, segment, size};
    return 0;
}

static int read_lengths(struct tile_decoder *t, struct block *b, int passes, int planes, struct growths *g,
                        struct error *e)
{
    while (next_bit(&t->bits))
        if (++b->length_bits > 31 || t->bits.failed)
            return error_set(e, "JPEG 2000: a packet's header is cut off or wrong");
    if (b->passes + passes > 3 * (planes - b->zero_planes) - 2)
        return error_set(e, "JPEG 2000: %d passes over %d bit planes", b->passes + passes,
                         planes - b->zero_planes);
    b->passes += passes;
    while (passes > 0) {
        struct jpeg_2000_segment *last = b->segments ? &b->segment[b->segments - 1] : NULL;
        if (!last || last->passes == last->most) {
            int most = segment_room(t->c->style, last ? last->most : 0);
            struct jpeg_2000_segment *more = realloc(b->segment, (size_t)(b->segments + 1) * sizeof *more);
            if (!more) return error_set(e, "out of memory for passes");
            b->segment = more;
            last = &b->segment[b->segments++];
            *last = (struct jpeg_2000_segment){0, most, 0};
        }
        int n = last->most - last->passes < passes ? last->most - last->passes : passes,
            bits = b->length_bits + log2_of(n);
        if (bits > 31) return error_set(e, "JPEG 2000: a length of %d bits", bits);
        if (add_growth(g, b, b->segments - 1, (size_t)next_bits(&t->bits, bits)))
            return error_set(e, "out of memory for a packet");
        last->passes += n;
        passes -= n;
    }
    return 0;
}

static int read_block_header(struct tile_decoder *t, struct part *q, int64_t i, int layer, int planes,
                             struct growths *g, struct error *e)
{
    struct block *b = &q->block[i];
    int64_t x = i % q->across, y = i / q->across;
    int now = b->included ? next_bit(&t->bits) : tree_decode(&q->inclusion, x, y, layer + 1, &t->bits);
    if (!now) return 0;
    if (!b->included) {
        int zero = 0;
        while (!tree_decode(&q->planes, x, y, zero + 1, &t->bits))
            if (++zero > 80 || t->bits.failed)
                return error_set(e, "JPEG 2000: a packet's header is cut off or wrong");
        b->included = 1;
        b->zero_planes = zero;
        if (zero >= planes || planes - zero > PLANES_MAX)
            return error_set(e, "JPEG 2000: %d zero bit planes of %d", zero, planes);
    }
    return read_lengths(t, b, read_passes(&t->bits), planes, g, e);
}

/* The bytes behind the header; a segment that grew once more has its bytes at the end of the block's data,
 * for it is the last. */
static int take_bodies(struct tile_decoder *t, const struct growths *g, struct error *e)
{
    for (size_t i = 0; i < g->count; i++) {
        struct block *b = g->item[i].block;
        size_t n = g->item[i].size;
        if (n > (size_t)(t->end - t->at))
            return error_set(e, "JPEG 2000: a packet of %zu bytes, %zu are left", n,
                             (size_t)(t->end - t->at));
        unsigned char *more = realloc(b->data, b->size + n + 1);
        if (!more) return error_set(e, "out of memory for a code-block");
        memcpy(more + b->size, t->at, n);
        b->data = more;
        b->size += n;
        b->segment[g->item[i].segment].size += n;
        t->at += n;
    }
    return 0;
}

static int read_packet(struct tile_decoder *t, int r, int64_t number, int layer, struct error *e)
{
    struct resolution *s = &t->resolution[r];
    struct growths g = {NULL, 0, 0};
    if (t->end - t->at >= 6 && read_u16(t->at) == SOP) t->at += 6;
    t->bits = (struct packet_bits){t->at, t->end, 0, 0, 0};
    int status = 0;
    if (next_bit(&t->bits)) {
        if (!s->precinct[number].open) status = open_precinct(t, r, number, e);
        for (int k = 0; k < s->bands && !status; k++) {
            struct part *q = &s->precinct[number].part[k];
            for (int64_t i = 0; i < q->across * q->down && !status; i++)
                status = read_block_header(t, q, i, layer, s->band[k].planes, &g, e);
        }
    }
    if (t->bits.byte == 0xff && t->bits.left >= 0 && t->bits.at < t->bits.end && t->bits.at > t->at &&
        t->bits.at[-1] == 0xff)
        t->bits.at++; /* stuffing */
    if (!status && t->bits.failed) status = error_set(e, "JPEG 2000: cut off in a packet's header");
    t->at = t->bits.at;
    if (t->end - t->at >= 2 && read_u16(t->at) == EPH) t->at += 2;
    if (!status) status = take_bodies(t, &g, e);
    free(g.item);
    return status;
}

/* ---- the order of packets: B.12 ------------------------------------------------------------------------ */

struct place {
    int64_t y, x, number;
    int r;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *p = a, *q = b;
    if (p->y != q->y) return p->y < q->y ? -1 : 1;
    if (p->x != q->x) return p->x < q->x ? -1 : 1;
    return p->r != q->r ? p->r - q->r : (p->number > q->number) - (p->number < q->number);
}

/* By where precincts begin in the image. */
static int read_by_place(struct tile_decoder *t, const struct jpeg_2000_area *tile, struct error *e)
{
    int64_t count = 0, n = 0;
    for (int r = 0; r <= t->c->levels; r++) count += t->resolution[r].across * t->resolution[r].down;
    struct place *place = malloc((size_t)(count + 1) * sizeof *place);
    if (!place) return error_set(e, "out of memory for %lld precincts", (long long)count);
    for (int r = 0; r <= t->c->levels; r++) {
        const struct resolution *s = &t->resolution[r];
        int up = t->c->levels - r;
        for (int64_t k = 0; k < s->across * s->down; k++) {
            int64_t x = ((s->area.x0 >> s->width_log) + k % s->across) << s->width_log << up,
                    y = ((s->area.y0 >> s->height_log) + k / s->across) << s->height_log << up;
            place[n++] = (struct place){y < tile->y0 ? tile->y0 : y, x < tile->x0 ? tile->x0 : x, k, r};
        }
    }
    qsort(place, (size_t)n, sizeof *place, compare_places);
    int status = 0;
    for (int64_t i = 0; i < n && !status; i++)
        for (int l = 0; l < t->c->layers && !status; l++)
            status = read_packet(t, place[i].r, place[i].number, l, e);
    free(place);
    return status;
}

static int read_packets(struct tile_decoder *t, const struct jpeg_2000_area *tile, struct error *e)
{
    const struct jpeg_2000_coding *c = t->c;
    int64_t n;
    int status = 0;
    if (c->progression == PCRL || c->progression == CPRL) return read_by_place(t, tile, e);
    if (c->progression == LRCP) {
        for (int l = 0; l < c->layers; l++)
            for (int r = 0; r <= c->levels; r++)
                for (n = 0; n < t->resolution[r].across * t->resolution[r].down && !status; n++)
                    status = read_packet(t, r, n, l, e);
        return status;
    }
    for (int r = 0; r <= c->levels; r++) {
        int64_t precincts = t->resolution[r].across * t->resolution[r].down;
        for (int64_t i = 0; i < precincts * c->layers && !status; i++) {
            int by_layer = c->progression == RLCP;
            status = read_packet(t, r, by_layer ? i % precincts : i / c->layers,
                                 (int)(by_layer ? i / precincts : i % c->layers), e);
        }
    }
    return status;
}

/* ---- samples ------------------------------------------------------------------------------------------- */

static int decode_block(struct band *b, const struct block *q, const struct jpeg_2000_coding *c,
                        struct error *e)
{
    int64_t width = b->area.x1 - b->area.x0;
    int32_t *value = malloc((size_t)q->width * (size_t)q->height * sizeof *value);
    const struct jpeg_2000_block block = {
        q->width, q->height, b->planes - q->zero_planes, c->style, q->segment, q->segments, q->data};
    int status = value ? jpeg_2000_decode_block(value, &block, b->kind, e)
                       : error_set(e, "out of memory for a code-block");
    for (int y = 0; y < q->height && !status; y++)
        for (int x = 0; x < q->width; x++) {
            int64_t at = (q->y0 + y) * width + q->x0 + x;
            int32_t v = value[y * q->width + x];
            if (c->reversible) ((int32_t *)b->sample)[at] = v / 2;
            else ((float *)b->sample)[at] = (float)v * 0.5f * b->step;
        }
    free(value);
    return status;
}

static int decode_blocks(struct tile_decoder *t, struct error *e)
{
    for (int r = 0; r <= t->c->levels; r++) {
        struct resolution *s = &t->resolution[r];
        for (int64_t p = 0; p < s->across * s->down; p++)
            for (int k = 0; k < s->bands; k++) {
                struct part *q = &s->precinct[p].part[k];
                for (int64_t i = 0; i < q->across * q->down; i++)
                    if (q->block[i].segments && decode_block(&s->band[k], &q->block[i], t->c, e)) return -1;
            }
    }
    return 0;
}

/* Level by level: the low frequencies of one are the samples of the one before. */
static void *synthesise(struct tile_decoder *t, struct error *e)
{
    void *low = t->resolution[0].band[0].sample;
    t->resolution[0].band[0].sample = NULL;
    for (int r = 1; r <= t->c->levels && low; r++) {
        struct resolution *s = &t->resolution[r];
        void *const band[4] = {low, s->band[0].sample, s->band[1].sample, s->band[2].sample};
        void *next = jpeg_2000_synthesise(band, &s->area, t->c->reversible);
        free(low);
        low = next;
    }
    if (!low) error_set(e, "out of memory for a tile");
    return low;
}

static void place_samples(uint16_t *out, const struct jpeg_2000_image *d, const struct jpeg_2000_area *tile,
                          const void *sample, int reversible)
{
    int64_t width = tile->x1 - tile->x0, columns = d->x1 - d->x0;
    double low = d->is_signed ? -(1 << (d->depth - 1)) : 0,
           high = d->is_signed ? (1 << (d->depth - 1)) - 1 : (1 << d->depth) - 1,
           middle = d->is_signed ? 0 : 1 << (d->depth - 1);
    for (int64_t y = tile->y0; y < tile->y1; y++)
        for (int64_t x = tile->x0; x < tile->x1; x++) {
            int64_t i = (y - tile->y0) * width + x - tile->x0;
            double v = (reversible ? (double)((const int32_t *)sample)[i]
                                   : nearbyint(((const float *)sample)[i])) +
                       middle;
            v = !(v >= low) ? low : v > high ? high : v;
            out[(y - d->y0) * columns + x - d->x0] = (uint16_t)(int)v;
        }
}

int jpeg_2000_decode_tile(uint16_t *out, const struct jpeg_2000_image *image,
                          const struct jpeg_2000_area *tile, const struct jpeg_2000_coding *c,
                          const unsigned char *data, size_t size, struct error *e)
{
    struct tile_decoder t = {.c = c, .at = data, .end = data + size};
    int status = 0;
    for (int r = 0; r <= c->levels && !status; r++) status = set_resolution(&t, tile, r, image->depth, e);
    if (!status) status = read_packets(&t, tile, e);
    if (!status) status = decode_blocks(&t, e);
    void *sample = status ? NULL : synthesise(&t, e);
    if (sample) place_samples(out, image, tile, sample, c->reversible);
    else status = -1;
    free(sample);
    free_tile(&t);
    return status;
}
