/* tiff_stack.c - ImageJ's, OME's, tifffile's and MetaMorph's descriptions of the planes in a TIFF. */
#include "io/tiff/tiff_stack.h"

#include <stdlib.h>
#include <string.h>

#include "io/base/json.h"

enum { SLICE, CHANNEL, FRAME, PLANES_MAX = 1 << 24 };

int64_t tiff_stack_planes(const struct tiff_stack *s)
{
    return s->size[SLICE] * s->size[CHANNEL] * s->size[FRAME];
}

void tiff_stack_place(int64_t *slice, int64_t *volume, const struct tiff_stack *s, int64_t page)
{
    int64_t at[3], plane = page;
    if (s->plane) {
        plane = s->plane[page];
        *slice = plane % s->size[SLICE];
        *volume = plane / s->size[SLICE];
        return;
    }
    for (int k = 0; k < 3; k++) {
        at[s->fastest[k]] = plane % s->size[s->fastest[k]];
        plane /= s->size[s->fastest[k]];
    }
    *slice = at[SLICE];
    *volume = at[CHANNEL] + s->size[CHANNEL] * at[FRAME];
}

/* Sizes from 1 on, whose product is not absurd. */
static int check_sizes(const struct tiff_stack *s, struct error *e)
{
    for (int k = 0; k < 3; k++)
        if (s->size[k] < 1 || s->size[k] > PLANES_MAX)
            return error_set(e, "%s's description has a size of %lld", s->writer, (long long)s->size[k]);
    if (s->size[0] * s->size[1] > PLANES_MAX || s->size[0] * s->size[1] * s->size[2] > PLANES_MAX)
        return error_set(e, "%s's description has more than %d planes", s->writer, PLANES_MAX);
    return 0;
}

/* A whole number at text; -1 where there is none, or it is too long. */
static int64_t whole_at(const char *text, const char *end)
{
    int64_t v = 0;
    int digits = 0;
    for (; text < end && *text >= '0' && *text <= '9' && digits < 12; text++, digits++)
        v = 10 * v + (*text - '0');
    return digits == 0 || digits == 12 ? -1 : v;
}

static int contains(const char *text, size_t size, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= size; i++)
        if (memcmp(text + i, word, n) == 0) return 1;
    return 0;
}

/* ---- ImageJ -------------------------------------------------------------------------------------------- */

/* "name=12" at the begin of a line. */
static int64_t imagej_number(const char *text, size_t size, const char *name, int64_t otherwise)
{
    size_t n = strlen(name);
    const char *end = text + size;
    for (const char *line = text; line && line < end;) {
        if ((size_t)(end - line) > n && memcmp(line, name, n) == 0 && line[n] == '=')
            return whole_at(line + n + 1, end);
        line = memchr(line, '\n', (size_t)(end - line));
        if (line) line++;
    }
    return otherwise;
}

static int describe_imagej(struct tiff_stack *s, const char *text, size_t size, struct error *e)
{
    static const int fastest[] = {CHANNEL, SLICE, FRAME};
    int64_t images = imagej_number(text, size, "images", 1);
    s->writer = "ImageJ";
    s->contiguous = 1;
    s->calibrated = imagej_number(text, size, "cf", -2) != -2;
    memcpy(s->fastest, fastest, sizeof fastest);
    s->size[CHANNEL] = imagej_number(text, size, "channels", 1);
    s->size[FRAME] = imagej_number(text, size, "frames", 1);
    s->size[SLICE] = imagej_number(text, size, "slices", 1);
    if (check_sizes(s, e)) return -1;
    if (tiff_stack_planes(s) == 1) s->size[SLICE] = images; /* older ones tell no more */
    if (check_sizes(s, e)) return -1;
    if (s->size[CHANNEL] > 1 && s->size[SLICE] == 1 && s->size[FRAME] == 1 &&
        contains(text, size, "mode=grayscale"))
        return error_set(e,
                         "ImageJ's description has channels=%lld of one grey slice, as some writers call "
                         "slices: save it with slices=%lld, or as a composite of channels",
                         (long long)s->size[CHANNEL], (long long)s->size[CHANNEL]);
    if (tiff_stack_planes(s) == images) return 0;
    return error_set(
        e, "ImageJ's description has images=%lld, but %lld channels, %lld slices and %lld frames",
        (long long)images, (long long)s->size[CHANNEL], (long long)s->size[SLICE], (long long)s->size[FRAME]);
}

/* ---- OME ----------------------------------------------------------------------------------------------- */

/* The next <name ...> at or behind *at: its attributes, up to `>`; *at moves behind it. */
static int next_tag(const char **begin, const char **end, const char **at, const char *stop, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = *at; p < stop && (p = memchr(p, '<', (size_t)(stop - p))) != NULL; p++) {
        const char *word = p + 1;
        for (const char *c = word; c < stop && c - word < 24 && *c != ' ' && *c != '>'; c++)
            if (*c == ':') word = c + 1; /* a name space */
        if ((size_t)(stop - word) <= n || memcmp(word, name, n) || !strchr(" \t\r\n/>", word[n])) continue;
        *begin = word + n;
        *end = memchr(*begin, '>', (size_t)(stop - *begin));
        if (!*end) return 0;
        *at = *end;
        return 1;
    }
    return 0;
}

/* The value of an attribute; NULL where it is not there. */
static const char *attribute(const char *begin, const char *end, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = begin; (size_t)(end - p) > n + 2; p++)
        if (strchr(" \t\r\n", *p) && memcmp(p + 1, name, n) == 0 && p[n + 1] == '=' &&
            (p[n + 2] == '"' || p[n + 2] == '\''))
            return p + n + 3;
    return NULL;
}

static int64_t number_attribute(const char *begin, const char *end, const char *name, int64_t otherwise)
{
    const char *value = attribute(begin, end, name);
    return value ? whole_at(value, end) : otherwise;
}

/* As many directories as planes are placed: where none has the plane of another, every plane is there. */
static int check_planes(const struct tiff_stack *s, int64_t pages, struct error *e)
{
    unsigned char *seen = calloc((size_t)tiff_stack_planes(s), 1);
    int status = seen ? 0 : error_set(e, "out of memory for %lld planes", (long long)tiff_stack_planes(s));
    for (int64_t i = 0; i < pages && !status; i++)
        if (s->plane[i] >= 0 && seen[s->plane[i]]++)
            status = error_set(e, "OME's TiffData places slice %lld of volume %lld twice, another nowhere",
                               (long long)(s->plane[i] % s->size[SLICE]),
                               (long long)(s->plane[i] / s->size[SLICE]));
    free(seen);
    return status;
}

/* <TiffData>: which planes lie in which directories. Without any, or one that says nothing, all in order. */
static int read_tiff_data(struct tiff_stack *s, const char *at, const char *stop, int64_t samples,
                          int64_t pages, struct error *e)
{
    const char *begin, *end;
    int64_t planes = tiff_stack_planes(s), placed = 0;
    while (next_tag(&begin, &end, &at, stop, "TiffData")) {
        int64_t page = number_attribute(begin, end, "IFD", 0), first[3], plane = 0, step = 1;
        int64_t count = number_attribute(begin, end, "PlaneCount", attribute(begin, end, "IFD") ? 1 : planes);
        first[SLICE] = number_attribute(begin, end, "FirstZ", 0);
        first[CHANNEL] = number_attribute(begin, end, "FirstC", 0) / samples;
        first[FRAME] = number_attribute(begin, end, "FirstT", 0);
        for (int k = 0; k < 3; k++) {
            if (first[k] < 0 || first[k] >= s->size[k])
                return error_set(e, "OME's TiffData begins beyond the sizes of its Pixels");
            plane += step * first[s->fastest[k]];
            step *= s->size[s->fastest[k]];
        }
        if (page < 0 || count < 0 || count > pages || page > pages - count || plane > planes - count)
            return error_set(
                e, "OME's TiffData has %lld planes from directory %lld on, the file has %lld directories",
                (long long)count, (long long)page, (long long)pages);
        if (!s->plane && !(s->plane = malloc((size_t)pages * sizeof *s->plane)))
            return error_set(e, "out of memory for %lld pages", (long long)pages);
        for (int64_t i = 0; placed == 0 && i < pages; i++) s->plane[i] = -1;
        for (int64_t i = 0; i < count; i++) {
            struct tiff_stack plain = *s;
            int64_t slice, volume;
            plain.plane = NULL;
            tiff_stack_place(&slice, &volume, &plain, plane + i);
            if (s->plane[page + i] >= 0)
                return error_set(e, "OME's TiffData names directory %lld twice", (long long)(page + i));
            s->plane[page + i] = slice + s->size[SLICE] * volume;
        }
        placed += count;
    }
    if (placed && placed != planes)
        return error_set(e, "OME's TiffData places %lld of %lld planes: the others are in other files",
                         (long long)placed, (long long)planes);
    return placed ? check_planes(s, pages, e) : 0;
}

static int describe_ome(struct tiff_stack *s, const char *text, size_t size, int64_t samples, int64_t pages,
                        struct error *e)
{
    const char *at = text, *stop = text + size, *begin, *end, *other = text, *ignored;
    s->writer = "OME";
    if (!next_tag(&begin, &end, &at, stop, "Pixels")) return 0; /* the description is in another file */
    other = at;
    if (next_tag(&ignored, &ignored, &other, stop, "Pixels"))
        return error_set(e, "OME's description has several images; one a file is supported");
    s->size[SLICE] = number_attribute(begin, end, "SizeZ", 1);
    s->size[CHANNEL] = number_attribute(begin, end, "SizeC", 1);
    s->size[FRAME] = number_attribute(begin, end, "SizeT", 1);
    if (samples > 1 && s->size[CHANNEL] % samples == 0) s->size[CHANNEL] /= samples;
    const char *order = attribute(begin, end, "DimensionOrder");
    for (int k = 0; order && k < 3; k++) {
        static const char letters[] = "ZCT";
        const char *letter = end - order > 4 && order[2 + k] ? strchr(letters, order[2 + k]) : NULL;
        if (!letter) return error_set(e, "OME's DimensionOrder is '%.5s'", order);
        s->fastest[k] = (int)(letter - letters);
    }
    if (s->fastest[0] == s->fastest[1] || s->fastest[0] == s->fastest[2] || s->fastest[1] == s->fastest[2])
        return error_set(e, "OME's DimensionOrder is '%.5s'", order ? order : "");
    return check_sizes(s, e) || read_tiff_data(s, at, stop, samples, pages, e) ? -1 : 0;
}

/* ---- tifffile ------------------------------------------------------------------------------------------ */

/* The last sizes are those of a page: height, width and, of several, samples, which of separate planes are
 * before them. Of what is before all these one is the slices, two are volumes of slices. */
static int describe_shape(struct tiff_stack *s, const struct json *shape, int64_t samples, int64_t height,
                          int64_t width, struct error *e)
{
    const int inner = samples > 1 ? 3 : 2, n = shape->count - inner;
    int64_t planes[2] = {1, 1}, page[3] = {0};
    int axes = 0;
    for (int i = 0; i < inner && n >= 0; i++) page[i] = json_at(shape, n + i)->integer;
    const int separate = inner == 3 && page[0] == samples && page[1] == height && page[2] == width;
    if (n < 0 || (!separate && (page[0] != height || page[1] != width))) return 0; /* of something else */
    s->writer = "tifffile";
    s->contiguous = 1;
    for (int i = 0; i < n; i++) {
        int64_t size = json_at(shape, i)->integer;
        if (size == 1) continue;
        if (axes == 2) return error_set(e, "tifffile's shape has more than two axes beside those of a page");
        planes[axes++] = size;
    }
    s->size[SLICE] = planes[axes == 2];
    s->size[FRAME] = axes == 2 ? planes[0] : 1;
    return check_sizes(s, e);
}

static int describe_tifffile(struct tiff_stack *s, const char *text, size_t size, int64_t samples,
                             int64_t height, int64_t width, struct error *e)
{
    struct error ignored;
    struct json *j = json_parse(text, strnlen(text, size), &ignored);
    const struct json *shape = json_get(j, "shape");
    int status = 0;
    if (shape && shape->type == JSON_ARRAY && shape->count >= 2)
        status = describe_shape(s, shape, samples, height, width, e);
    json_free(j);
    return status;
}

/* ---- whoever wrote it ---------------------------------------------------------------------------------- */

int tiff_stack_describe(struct tiff_stack *s, const char *text, size_t size, int64_t metamorph,
                        int64_t samples, int64_t height, int64_t width, int64_t pages, struct error *e)
{
    *s = (struct tiff_stack){.size = {1, 1, 1}, .fastest = {SLICE, CHANNEL, FRAME}};
    if (metamorph > 0 && pages == 1) {
        s->writer = "MetaMorph";
        s->contiguous = 1;
        s->size[SLICE] = metamorph;
        return check_sizes(s, e);
    }
    if (size >= 7 && memcmp(text, "ImageJ=", 7) == 0) return describe_imagej(s, text, size, e);
    if (size >= 8 && text[0] == '{') return describe_tifffile(s, text, size, samples, height, width, e);
    if (size >= 8 && text[0] == '<' && contains(text, size, "OME"))
        return describe_ome(s, text, size, samples, pages, e);
    return 0;
}
