/* tiff.c - TIFF reader: pages, their chunks (strips or tiles), and the spacing file. The codecs are in
 * tiff_codec.c. */
#include "io/tiff/tiff.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/pack/gzip.h"
#include "io/base/json.h"
#include "io/base/text.h"
#include "io/tiff/tiff_codec.h"
#include "io/tiff/tiff_file.h"
#include "io/tiff/tiff_stack.h"
#include "io/image/voxels.h"

enum { PAGES_MAX = 65536, REDUCED = 1, MASK = 4 };

/* An array of whole numbers in the file. */
struct numbers {
    const unsigned char *at;
    uint64_t count;
    int bytes;
};

struct page {
    struct tiff_layout layout; /* of a chunk */
    int64_t width, height;
    int64_t subfile, photometric, orientation, planar, fill, depth, format, bits, samples, rows;
    int64_t tile_width, tile_height;
    struct numbers offset, length; /* of the chunks */
    struct numbers text;           /* the description */
    int64_t metamorph;             /* entries of UIC2 */
    uint64_t shift; /* to be added to every offset: planes that follow the one of a directory */
};

struct tiff {
    const unsigned char *data;
    size_t size;
    int big, wide;   /* byte order; BigTIFF */
    struct page *page;
    int pages, spaced; /* spaced: three spacings are beside it */
    struct tiff_stack stack;
    uint64_t packed; /* bytes of all chunks: may not be more than the file has, so that nothing is unpacked
                        twice */
};

/* ---- directories --------------------------------------------------------------------------------------- */

static int get(uint64_t *out, const struct tiff *t, uint64_t at, int bytes, struct error *e)
{
    if (at > t->size || t->size - at < (uint64_t)bytes)
        return error_set(e, "cut off: offset %llu of %zu bytes", (unsigned long long)at, t->size);
    *out = bytes_get(t->data + at, bytes, t->big);
    return 0;
}

static uint64_t number_at(const struct numbers *n, uint64_t i, int big)
{
    return bytes_get(n->at + i * (uint64_t)n->bytes, n->bytes, big);
}

/* The values of the entry at `at`: inside it where they fit. Entries that hold no whole numbers come out
 * empty. */
static int entry_numbers(struct numbers *n, const struct tiff *t, uint64_t at, int type, int tag,
                         struct error *e)
{
    static const unsigned char bytes_of[] = {0, 1, 0, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 8};
    int pointer = t->wide ? 8 : 4;
    uint64_t where = at + 4 + (uint64_t)pointer;
    memset(n, 0, sizeof *n);
    if (get(&n->count, t, at + 4, pointer, e)) return -1;
    n->bytes = type < (int)sizeof bytes_of ? bytes_of[type] : 0;
    if (!n->bytes) n->count = 0;
    if (n->count > t->size) return error_set(e, "tag %d has %llu values", tag, (unsigned long long)n->count);
    if (n->count * (uint64_t)n->bytes > (uint64_t)pointer && get(&where, t, where, pointer, e)) return -1;
    if (where > t->size || n->count * (uint64_t)n->bytes > t->size - where)
        return error_set(e, "cut off: tag %d lies beyond the end", tag);
    n->at = t->data + where;
    return 0;
}

static int take_entry(struct page *p, const struct tiff *t, uint64_t at, struct error *e)
{
    uint64_t tag = 0, type = 0;
    struct numbers n;
    if (get(&tag, t, at, 2, e) || get(&type, t, at + 2, 2, e) ||
        entry_numbers(&n, t, at, (int)type, (int)tag, e))
        return -1;
    if (tag == TAG_DESCRIPTION && type == 2)
        return entry_numbers(&p->text, t, at, 1, (int)tag, e); /* letters are read as bytes */
    if (tag == TAG_UIC2 && type == 5) {
        uint64_t planes = 0;
        if (get(&planes, t, at + 4, t->wide ? 8 : 4, e)) return -1;
        p->metamorph = planes > INT32_MAX ? INT32_MAX : (int64_t)planes;
    }
    if (n.count == 0) return 0;
    uint64_t value = number_at(&n, 0, t->big);
    int64_t first = value > INT64_MAX ? -1 : (int64_t)value;
    switch (tag) {
    case TAG_SUBFILE: p->subfile = first; break;
    case TAG_WIDTH: p->width = first; break;
    case TAG_HEIGHT: p->height = first; break;
    case TAG_COMPRESSION: p->layout.compression = first > 65535 ? 65535 : (int)first; break;
    case TAG_PHOTOMETRIC: p->photometric = first; break;
    case TAG_ORIENTATION: p->orientation = first; break;
    case TAG_FILL: p->fill = first; break;
    case TAG_SAMPLES: p->samples = first; break;
    case TAG_ROWS: p->rows = first; break;
    case TAG_PLANAR: p->planar = first; break;
    case TAG_PREDICTOR: p->layout.predictor = first > 65535 ? 65535 : (int)first; break;
    case TAG_TILE_WIDTH: p->tile_width = first; break;
    case TAG_TILE_HEIGHT: p->tile_height = first; break;
    case TAG_DEPTH: p->depth = first; break;
    case TAG_STRIPS: case TAG_TILES: p->offset = n; break;
    case TAG_STRIP_BYTES: case TAG_TILE_BYTES: p->length = n; break;
    case TAG_BITS: case TAG_FORMAT:
        for (uint64_t i = 1; i < n.count; i++)
            if (number_at(&n, i, t->big) != value)
                return error_set(e, "tag %d differs between the samples of a pixel", (int)tag);
        *(tag == TAG_BITS ? &p->bits : &p->format) = first;
        break;
    default: break;
    }
    return 0;
}

static int check_page(struct page *p, struct error *e)
{
    struct tiff_layout *l = &p->layout;
    if (p->width < 1 || p->width > INT32_MAX || p->height < 1 || p->height > INT32_MAX)
        return error_set(e, "size is %lld x %lld", (long long)p->width, (long long)p->height);
    if (p->samples < 1 || p->samples > 65535)
        return error_set(e, "SamplesPerPixel is %lld", (long long)p->samples);
    if (p->width * p->height > ((int64_t)1 << 40) / p->samples)
        return error_set(e, "%lld x %lld pixels of %lld samples", (long long)p->width, (long long)p->height,
                         (long long)p->samples);
    if (p->photometric < 0 || p->photometric > 4)
        return error_set(e, "PhotometricInterpretation %lld is not supported", (long long)p->photometric);
    if (p->planar != 1 && p->planar != 2)
        return error_set(e, "PlanarConfiguration is %lld", (long long)p->planar);
    if (p->fill != 1) return error_set(e, "FillOrder %lld is not supported", (long long)p->fill);
    if (p->depth != 1) return error_set(e, "ImageDepth %lld is not supported", (long long)p->depth);
    if (p->format < 1 || p->format > 4)
        return error_set(e, "SampleFormat %lld is not supported", (long long)p->format);
    int whole = p->bits == 8 || p->bits == 16 || p->bits == 32 || p->bits == 64,
        narrow = p->bits == 1 || p->bits == 2 || p->bits == 4;
    if (p->format == 3 ? p->bits != 32 && p->bits != 64 : !whole && (!narrow || p->format == 2))
        return error_set(e, "%lld bits of SampleFormat %lld are not supported", (long long)p->bits,
                         (long long)p->format);
    l->bits = (int)p->bits;
    l->real = p->format == 3;
    l->samples = p->planar == 2 ? 1 : (int)p->samples;
    l->tiled = p->tile_width > 0 || p->tile_height > 0;
    if (l->tiled &&
        (p->tile_width < 1 || p->tile_width > 1 << 20 || p->tile_height < 1 || p->tile_height > 1 << 20))
        return error_set(e, "tiles are %lld x %lld", (long long)p->tile_width, (long long)p->tile_height);
    l->width = l->tiled ? p->tile_width : p->width;
    l->height = l->tiled ? p->tile_height : p->rows < 1 || p->rows > p->height ? p->height : p->rows;
    return tiff_codec_check(l, e);
}

static int64_t ceil_divide(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Chunks along x and y of a plane. */
static void grid(int64_t *across, int64_t *down, const struct page *p)
{
    *across = ceil_divide(p->width, p->layout.width);
    *down = ceil_divide(p->height, p->layout.height);
}

static int check_chunks(struct tiff *t, const struct page *p, struct error *e)
{
    int64_t across, down;
    grid(&across, &down, p);
    uint64_t chunks = (uint64_t)across * (uint64_t)down * (p->planar == 2 ? (uint64_t)p->samples : 1);
    int counted = p->length.count >= chunks;
    if (p->offset.count < chunks)
        return error_set(e, "%llu strips or tiles, the size asks for %llu",
                         (unsigned long long)p->offset.count, (unsigned long long)chunks);
    if (!counted && p->layout.compression != TIFF_RAW)
        return error_set(e, "lengths of strips or tiles are missing");
    for (uint64_t i = 0; i < chunks; i++) {
        uint64_t n = counted ? number_at(&p->length, i, t->big) : 0;
        if (n > t->size - t->packed)
            return error_set(e, "cut off: strips or tiles hold more bytes than the file");
        t->packed += n;
    }
    return 0;
}

static int read_page(struct tiff *t, uint64_t *at, struct error *e)
{
    struct page p = {.samples = 1,
                     .bits = 1,
                     .format = 1,
                     .planar = 1,
                     .fill = 1,
                     .depth = 1,
                     .photometric = 1,
                     .orientation = 1,
                     .layout = {.compression = TIFF_RAW, .predictor = 1}};
    int pointer = t->wide ? 8 : 4, entry = t->wide ? 20 : 12, header = t->wide ? 8 : 2;
    uint64_t entries = 0;
    if (get(&entries, t, *at, header, e)) return -1;
    if (entries > t->size / (uint64_t)entry)
        return error_set(e, "a directory of %llu entries", (unsigned long long)entries);
    for (uint64_t i = 0; i < entries; i++)
        if (take_entry(&p, t, *at + (uint64_t)header + i * (uint64_t)entry, e)) return -1;
    if (get(at, t, *at + (uint64_t)header + entries * (uint64_t)entry, pointer, e)) return -1;
    if (p.subfile & REDUCED) return 0; /* a thumbnail */
    if (check_page(&p, e) || check_chunks(t, &p, e)) return -1;
    struct page *more = t->pages % 64 ? t->page : realloc(t->page, (size_t)(t->pages + 64) * sizeof *more);
    if (!more) return error_set(e, "out of memory for %d pages", t->pages);
    t->page = more;
    t->page[t->pages++] = p;
    return 0;
}

static int read_pages(struct tiff *t, struct error *e)
{
    uint64_t magic = 0, at = 0;
    if (t->size < 8) return error_set(e, "cut off: %zu bytes", t->size);
    t->big = t->data[0] == 'M';
    if ((memcmp(t->data, "II", 2) && memcmp(t->data, "MM", 2)) || get(&magic, t, 2, 2, e) ||
        (magic != 42 && magic != 43))
        return error_set(e, "is no TIFF");
    t->wide = magic == 43;
    if (t->wide && (t->size < 16 || bytes_get(t->data + 4, 2, t->big) != 8))
        return error_set(e, "BigTIFF with offsets that are not of 8 bytes");
    if (get(&at, t, t->wide ? 8 : 4, t->wide ? 8 : 4, e)) return -1;
    for (int directories = 0; at; directories++) {
        if (directories == PAGES_MAX)
            return error_set(e, "more than %d directories, or they go in a circle", PAGES_MAX);
        if (read_page(t, &at, e)) return error_prefix(e, "page %d", t->pages);
    }
    return t->pages ? 0 : error_set(e, "has no image");
}

/* ---- voxels -------------------------------------------------------------------------------------------- */

static enum voxel_type type_of(const struct page *p)
{
    static const enum voxel_type unsigned_type[] = {VOXEL_U8, VOXEL_U16, VOXEL_U32, VOXEL_U64},
                                 signed_type[] = {VOXEL_I8, VOXEL_I16, VOXEL_I32, VOXEL_I64};
    int log = p->bits <= 8 ? 0 : p->bits == 16 ? 1 : p->bits == 32 ? 2 : 3;
    if (p->format == 3) return p->bits == 32 ? VOXEL_F32 : VOXEL_F64;
    return p->format == 2 ? signed_type[log] : unsigned_type[log];
}

static int same_layout(const struct page *a, const struct page *b)
{
    return a->width == b->width && a->height == b->height && a->samples == b->samples && a->bits == b->bits &&
           a->format == b->format;
}

/* A chunk, unpacked. */
struct scratch {
    float *voxel;
    double *exact; /* NULL where v->exact is */
};

/* A chunk's part of a page; its sample k goes to plane first + k of the pixel's. */
static void place(struct volume *v, const struct page *p, const struct scratch *from, int64_t x, int64_t y,
                  int64_t z, int64_t first)
{
    const struct tiff_layout *l = &p->layout;
    int64_t rows = p->height - y < l->height ? p->height - y : l->height,
            columns = p->width - x < l->width ? p->width - x : l->width;
    for (int64_t r = 0; r < rows; r++)
        for (int k = 0; k < l->samples; k++) {
            int64_t to = ((((first + k) * v->size[2]) + z) * p->height + y + r) * p->width + x;
            for (int64_t c = 0; c < columns; c++) {
                int64_t i = (r * l->width + c) * l->samples + k;
                v->voxel[to + c] = from->voxel[i];
                if (v->exact) v->exact[to + c] = from->exact[i];
            }
        }
}

static int read_chunks(struct volume *v, const struct tiff *t, int64_t number, const struct scratch *scratch,
                       struct error *e)
{
    const struct page *p = &t->page[number];
    int64_t across, down, planes = p->planar == 2 ? p->samples : 1;
    int64_t z, volume;
    uint64_t i = 0;
    tiff_stack_place(&z, &volume, &t->stack, number);
    grid(&across, &down, p);
    for (int64_t s = 0; s < planes; s++)
        for (int64_t y = 0; y < down; y++)
            for (int64_t x = 0; x < across; x++, i++) {
                struct tiff_layout l = p->layout;
                if (!l.tiled && p->height - y * l.height < l.height)
                    l.height = p->height - y * l.height; /* the last strip is shorter */
                uint64_t at = number_at(&p->offset, i, t->big) + p->shift,
                         n = p->length.count > i ? number_at(&p->length, i, t->big) : tiff_chunk_bytes(&l);
                if (at > t->size || n > t->size - at)
                    return error_set(e, "cut off: strip or tile %llu lies beyond the end",
                                     (unsigned long long)i);
                if (tiff_decode(scratch->voxel, scratch->exact, t->data + at, (size_t)n, &l, type_of(p),
                                t->big, e))
                    return error_prefix(e, "strip or tile %llu", (unsigned long long)i);
                struct page part = *p;
                part.layout = l;
                place(v, &part, scratch, x * p->layout.width, y * p->layout.height, z,
                      volume * p->samples + s);
            }
    return 0;
}

static int read_voxels(struct volume *v, const struct tiff *t, int what, struct error *e)
{
    size_t most = 0, n = volume_voxels(v);
    for (int z = 0; z < t->pages; z++) {
        const struct tiff_layout *l = &t->page[z].layout;
        size_t chunk = (size_t)l->width * (size_t)l->height * (size_t)l->samples;
        if (chunk > most) most = chunk;
    }
    /* A packed byte gives at most 1032: what cannot be there is not asked for. */
    if (n / 8320 > t->size || most / 8320 > t->size)
        return error_set(e, "cut off: %zu bytes cannot hold %zu voxels", t->size, n);
    if (voxels_allocate(v, what, 1, 0, e)) return -1;
    struct scratch scratch = {malloc(most * sizeof(float)), v->exact ? malloc(most * sizeof(double)) : NULL};
    int status = scratch.voxel && (scratch.exact || !v->exact)
                     ? 0
                     : error_set(e, "out of memory for %zu voxels", most);
    for (int64_t z = 0; !status && z < t->pages; z++)
        if (read_chunks(v, t, z, &scratch, e)) status = error_prefix(e, "page %lld", (long long)z);
    free(scratch.voxel);
    free(scratch.exact);
    voxels_settle(v);
    return status;
}

/* One directory stands for planes that follow each other: a page for each. Their bytes have to be there. */
static int follow_planes(struct tiff *t, int64_t planes, struct error *e)
{
    const struct page first = t->page[0];
    uint64_t chunks = first.offset.count, begin = number_at(&first.offset, 0, t->big), end = begin;
    uint64_t plane = ((uint64_t)first.width * (uint64_t)first.bits * (uint64_t)first.samples + 7) / 8 *
                     (uint64_t)first.height;
    if (first.layout.compression != TIFF_RAW || first.layout.tiled || first.planar != 1)
        return error_set(
            e, "%s's description has %lld planes, which cannot follow one directory: it is packed or tiled",
            t->stack.writer, (long long)planes);
    for (uint64_t i = 0; i < chunks && i * (uint64_t)first.layout.height < (uint64_t)first.height; i++) {
        uint64_t rows = (uint64_t)first.height - i * (uint64_t)first.layout.height;
        if (number_at(&first.offset, i, t->big) != end)
            return error_set(e, "%s's description has %lld planes, but strips do not follow each other",
                             t->stack.writer, (long long)planes);
        end += plane / (uint64_t)first.height *
               (rows < (uint64_t)first.layout.height ? rows : (uint64_t)first.layout.height);
    }
    if (planes > PAGES_MAX)
        return error_set(e, "%s's description has %lld planes, more than %d", t->stack.writer,
                         (long long)planes, PAGES_MAX);
    if (begin > t->size || (uint64_t)planes > (t->size - begin) / plane)
        return error_set(e,
                         "cut off: %s's description has %lld planes of %llu bytes from byte %llu on, the "
                         "file has %zu bytes",
                         t->stack.writer, (long long)planes, (unsigned long long)plane,
                         (unsigned long long)begin, t->size);
    struct page *more = realloc(t->page, (size_t)planes * sizeof *more);
    if (!more) return error_set(e, "out of memory for %lld pages", (long long)planes);
    t->page = more;
    for (int64_t i = 1; i < planes; i++) {
        t->page[i] = first;
        t->page[i].shift = (uint64_t)i * plane;
    }
    t->pages = (int)planes;
    return 0;
}

/* What the description says about planes, against the directories that are there. */
static int arrange_pages(struct volume *v, struct tiff *t, struct error *e)
{
    const struct page *p = &t->page[0];
    struct tiff_stack *s = &t->stack;
    if (tiff_stack_describe(s, (const char *)p->text.at, p->text.count, p->metamorph, p->samples, p->height,
                            p->width, t->pages, e))
        return -1;
    if (!s->writer) s->size[0] = t->pages;
    int64_t planes = tiff_stack_planes(s);
    if (s->calibrated) volume_assume(v, "values as stored: ImageJ's calibration is not applied");
    if (planes == t->pages) return 0;
    if (t->pages == 1 && s->contiguous) return follow_planes(t, planes, e);
    return error_set(
        e, "%s's description has %lld planes (%lld slices, %lld channels, %lld frames), the file %d",
        s->writer, (long long)planes, (long long)s->size[0], (long long)s->size[1], (long long)s->size[2],
        t->pages);
}

/* Numbers and rows come as they are stored, as tifffile reads them and with it nnU-Net. */
static void tell_shown(struct volume *v, const struct tiff *t)
{
    for (int z = 0; z < t->pages; z++) {
        const struct page *p = &t->page[z];
        if (p->photometric == 0)
            volume_assume(v, "values as stored: WhiteIsZero (PhotometricInterpretation 0), shown the other "
                             "way round");
        if (p->photometric == 3)
            volume_assume(v, "values as stored: numbers of a palette's colours (PhotometricInterpretation "
                             "3)");
        if (p->orientation != 1)
            volume_assume(v, "rows and columns as stored: Orientation %lld, shown turned or mirrored",
                          (long long)p->orientation);
    }
}

static int is_mask(const struct page *p)
{
    return p->subfile & MASK || p->photometric == MASK;
}

static int parse(struct volume *v, struct tiff *t, int what, struct error *e)
{
    if (read_pages(t, e) || arrange_pages(v, t, e)) return -1;
    const struct page *first = &t->page[0];
    for (int z = 1; z < t->pages; z++)
        if (is_mask(first) != is_mask(&t->page[z]))
            return error_set(e, "page %d is a transparency mask (NewSubfileType 4), no slice",
                             is_mask(first) ? 0 : z);
        else if (!same_layout(first, &t->page[z]))
            return error_set(
                e,
                "page %d is %lld x %lld with %lld samples of %lld bits, page 0 %lld x %lld with %lld of %lld",
                z, (long long)t->page[z].width, (long long)t->page[z].height, (long long)t->page[z].samples,
                (long long)t->page[z].bits, (long long)first->width, (long long)first->height,
                (long long)first->samples, (long long)first->bits);
    v->type = type_of(first);
    snprintf(v->format, sizeof v->format, t->wide ? "BigTIFF" : "TIFF");
    const int64_t *planes = t->stack.size;
    if (volume_set_natural(v, first->width, first->height, planes[0], planes[1] * planes[2] * first->samples,
                           "size", e))
        return -1;
    if (v->flat && t->spaced) v->flat = v->assumed[0] = 0; /* a volume of one slice, no picture */
    if (v->flat) volume_assume(v, "spacing 1 mm, place 0");
    tell_shown(v, t);
    if (!(what & VOLUME_HEADER) && read_voxels(v, t, what, e)) return -1;
    if (t->spaced && first->planar == 2 && planes[0] * planes[1] * planes[2] == 1) {
        v->size[2] = v->size[3]; /* slices that tifffile took for colours, for they are three or four */
        v->size[3] = 1;
    }
    return 0;
}

int tiff_parse(struct volume *v, const unsigned char *data, size_t size, const char *name, int what,
               struct error *e)
{
    struct tiff t = {.data = data, .size = size, .spaced = what & TIFF_SPACED};
    memset(v, 0, sizeof *v);
    int status = parse(v, &t, what, e);
    free(t.page);
    free(t.stack.plane);
    if (!status) return 0;
    volume_free(v);
    return error_prefix(e, "%s", name);
}

/* ---- the spacing file ---------------------------------------------------------------------------------- */

int tiff_find_spacing(char *path, size_t size, const char *image)
{
    for (int shared = 0; shared < 2; shared++)
        if (strlen(image) + 8 <= size && tiff_spacing_path(path, size, image, shared) && file_exists(path))
            return 1;
    return 0;
}

static int has_three_spacings(const char *image)
{
    char path[2048];
    struct error ignored;
    struct json *j = tiff_find_spacing(path, sizeof path, image) ? json_read(path, &ignored) : NULL;
    const struct json *list = json_get(j, "spacing");
    const int three = list && list->type == JSON_ARRAY && list->count == 3;
    json_free(j);
    return three;
}

static int read_spacing(struct volume *v, const char *image, struct error *e)
{
    char path[2048];
    if (!tiff_find_spacing(path, sizeof path, image)) {
        volume_assume(v, "spacing 1 mm, place 0: no spacing file");
        return 0;
    }
    struct json *j = json_read(path, e);
    if (!j) return -1;
    const struct json *list = json_get(j, "spacing");
    int status = 0;
    for (int i = 0; list && !status && i < 3; i++) {
        const struct json *s = json_at(list, i);
        double mm = s && (s->type == JSON_INT || s->type == JSON_DOUBLE) ? s->number : 0;
        if (list->type != JSON_ARRAY || list->count != 3 || !(mm > 0) || !isfinite(mm))
            status = error_set(e, "%s: spacing is not a list of three numbers above 0", path);
        else v->affine[2 - i][2 - i] = copysign(v->spacing[2 - i] = mm, v->affine[2 - i][2 - i]);
    }
    if (!list) volume_assume(v, "spacing 1 mm: %.60s names none", file_name(path));
    json_free(j);
    if (!status) volume_assume(v, "place 0, axes along x, y and z: a TIFF has none");
    return status;
}

int tiff_read(struct volume *v, const char *path, int what, struct error *e)
{
    unsigned char *data;
    size_t size;
    if (file_read(path, 0, &data, &size, e)) return -1;
    int status = tiff_parse(v, data, size, path, what | (has_three_spacings(path) ? TIFF_SPACED : 0), e);
    free(data);
    if (!status && !v->flat && read_spacing(v, path, e)) {
        volume_free(v);
        status = -1;
    }
    return status;
}

/* ---- the format ---------------------------------------------------------------------------------------- */

static int is_tiff(const unsigned char *begin, size_t size)
{
    static const char *const magic[] = {"II*\0", "MM\0*", "II+\0", "MM\0+"};
    for (int i = 0; i < 4; i++)
        if (size >= 4 && memcmp(begin, magic[i], 4) == 0) return 1;
    return 0;
}

const struct image_format tiff_format = {"TIFF", tiff_endings, 0, 0, is_tiff, tiff_read,
                                         NULL, NULL, tiff_write};
