/* nrrd.c - NRRD: the header's fields, axes of space and others, voxels in every encoding that we know. */
#include "io/image/nrrd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "io/base/file.h"
#include "io/pack/gzip.h"
#include "io/image/imagetext.h"
#include "io/base/text.h"
#include "io/image/voxels.h"

enum { AXES = 4, FIELDS_MAX = 40, VALUE_MAX = 1200, HEADER_BYTES = 1 << 20 };
enum encoding { ENCODING_NONE, ENCODING_RAW, ENCODING_GZIP, ENCODING_TEXT, ENCODING_HEX };

struct nrrd {
    int axes, has_type, has_space;
    int64_t size[AXES];
    enum encoding encoding;
    int endian;                   /* 0 not told, 1 little, 2 big */
    double sign[2];               /* of x and y, to LPS */
    double direction[AXES][4], spacing[AXES], min[AXES], max[AXES], origin[4];
    char axis_unit[AXES][16], space_unit[AXES][16]; /* those that are not millimetres */
    int directed[AXES], placed[AXES]; /* has a direction; is an axis of space by its kind */
    int node[AXES];               /* centering: the samples are at the ends of the axis */
    int placed_origin;            /* a space origin was there */
    int plain_space;              /* 1 + which of plain_spaces; 0: a space of the patient, or none */
    const char *quantised;        /* the field that says that values were scaled */
    int segments;                 /* keys of 3D Slicer's segmentations */
    int64_t skip_bytes, skip_lines;
    char files[VALUE_MAX], content[VALUE_MAX];
    char seen[FIELDS_MAX][40]; /* the fields so far: one twice is an error, to ITK too */
    int fields;
};

/* ---- fields -------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum voxel_type type;
} types[] = {
    {"signedchar", VOXEL_I8},
    {"int8", VOXEL_I8},
    {"int8_t", VOXEL_I8},
    {"uchar", VOXEL_U8},
    {"unsignedchar", VOXEL_U8},
    {"uint8", VOXEL_U8},
    {"uint8_t", VOXEL_U8},
    {"short", VOXEL_I16},
    {"shortint", VOXEL_I16},
    {"signedshort", VOXEL_I16},
    {"signedshortint", VOXEL_I16},
    {"int16", VOXEL_I16},
    {"int16_t", VOXEL_I16},
    {"ushort", VOXEL_U16},
    {"unsignedshort", VOXEL_U16},
    {"unsignedshortint", VOXEL_U16},
    {"uint16", VOXEL_U16},
    {"uint16_t", VOXEL_U16},
    {"int", VOXEL_I32},
    {"signedint", VOXEL_I32},
    {"int32", VOXEL_I32},
    {"int32_t", VOXEL_I32},
    {"uint", VOXEL_U32},
    {"unsignedint", VOXEL_U32},
    {"uint32", VOXEL_U32},
    {"uint32_t", VOXEL_U32},
    {"longlong", VOXEL_I64},
    {"longlongint", VOXEL_I64},
    {"signedlonglong", VOXEL_I64},
    {"signedlonglongint", VOXEL_I64},
    {"int64", VOXEL_I64},
    {"int64_t", VOXEL_I64},
    {"ulonglong", VOXEL_U64},
    {"unsignedlonglong", VOXEL_U64},
    {"unsignedlonglongint", VOXEL_U64},
    {"uint64", VOXEL_U64},
    {"uint64_t", VOXEL_U64},
    {"float", VOXEL_F32},
    {"double", VOXEL_F64},
};

/* Small letters, no spaces: "Space Directions" and "spacedirections" are one. */
static void squeeze(char *out, size_t room, const char *in, size_t length)
{
    size_t n = 0;
    for (size_t i = 0; i < length && n + 1 < room; i++)
        if (in[i] != ' ' && in[i] != '\t')
            out[n++] = (char)(in[i] >= 'A' && in[i] <= 'Z' ? in[i] + 32 : in[i]);
    out[n] = 0;
}

static int set_type(struct nrrd *h, struct volume *v, const char *value, struct error *e)
{
    char name[64];
    squeeze(name, sizeof name, value, strlen(value));
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0) {
            v->type = types[i].type;
            h->has_type = 1;
            return 0;
        }
    return error_set(e, "type '%.60s' is not supported", value);
}

static int set_encoding(struct nrrd *h, const char *value, struct error *e)
{
    static const struct {
        const char *name;
        enum encoding encoding;
    } known[] = {{"raw", ENCODING_RAW},    {"gzip", ENCODING_GZIP}, {"gz", ENCODING_GZIP},
                 {"ascii", ENCODING_TEXT}, {"text", ENCODING_TEXT}, {"txt", ENCODING_TEXT},
                 {"hex", ENCODING_HEX}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(known[i].name, value) == 0) {
            h->encoding = known[i].encoding;
            return 0;
        }
    return error_set(e, "encoding '%.60s' is not supported (raw, gzip, ascii and hex are)", value);
}

/* Spaces whose axes have no name in the patient; the last of a space that has only a dimension. */
static const char *const plain_spaces[] = {"scanner-xyz", "3d-right-handed", "3d-left-handed", "not named"};

static int set_space(struct nrrd *h, const char *value, struct error *e)
{
    static const char *const name[][2] = {{"left-posterior-superior", "lps"},
                                          {"right-anterior-superior", "ras"},
                                          {"left-anterior-superior", "las"}};
    static const double sign[][2] = {{1, 1}, {-1, -1}, {1, -1}};
    char text[64];
    squeeze(text, sizeof text, value, strlen(value));
    size_t n = strlen(text);
    if (n > 5 && strcmp(text + n - 5, "-time") == 0)
        text[n - 5] = 0; /* a fourth component, which is left out */
    else if (n == 4 && text[3] == 't') text[3] = 0;
    h->has_space = 1;
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, name[i][0]) == 0 || strcmp(text, name[i][1]) == 0)
            memcpy(h->sign, sign[i], sizeof h->sign);
        else if (strcmp(text, plain_spaces[i]) != 0) continue;
        else h->plain_space = 1 + i;
        return 0;
    }
    return error_set(e, "space '%.60s' is not known", value);
}

/* One whole number, or -1 with a message. */
static int take_whole(int64_t *out, const char *field, const char *value, double low, double high,
                      struct error *e)
{
    double d;
    if (image_numbers(&d, 1, value) != 1 || d != floor(d) || d < low || d > high)
        return error_set(e, "%s is '%.60s'", field, value);
    *out = (int64_t)d;
    return 0;
}

/* A number for each axis. */
static int take_axes(double out[AXES], const struct nrrd *h, const char *field, const char *value,
                     struct error *e)
{
    double d[AXES];
    if (!h->axes) return error_set(e, "%s stands before dimension", field);
    if (image_numbers(d, AXES, value) != h->axes)
        return error_set(e, "%s '%.100s' is not a number for each of %d axes", field, value, h->axes);
    memcpy(out, d, (size_t)h->axes * sizeof *out);
    return 0;
}

static int set_sizes(struct nrrd *h, const char *value, struct error *e)
{
    double d[AXES];
    if (take_axes(d, h, "sizes", value, e)) return -1;
    for (int i = 0; i < h->axes; i++) {
        if (!(d[i] >= 1) || d[i] > 1e12 || d[i] != floor(d[i]))
            return error_set(e, "sizes[%d] is %g", i, d[i]);
        h->size[i] = (int64_t)d[i];
    }
    return 0;
}

/* "(1,0,0)" into out; returns what is behind it, or NULL. */
static const char *take_vector(double out[4], const char *text)
{
    char inside[200];
    const char *end = *text == '(' ? strchr(text, ')') : NULL;
    if (!end || (size_t)(end - text) >= sizeof inside) return NULL;
    memcpy(inside, text + 1, (size_t)(end - text - 1));
    inside[end - text - 1] = 0;
    memset(out, 0, 4 * sizeof *out);
    return image_numbers(out, 4, inside) >= 2 ? end + 1 : NULL;
}

static int set_directions(struct nrrd *h, const char *value, struct error *e)
{
    const char *at = value;
    if (!h->axes) return error_set(e, "space directions stand before dimension");
    for (int i = 0; i < h->axes; i++) {
        at += strspn(at, " \t");
        h->directed[i] = strncasecmp(at, "none", 4) != 0;
        at = h->directed[i] ? take_vector(h->direction[i], at) : at + 4;
        if (!at)
            return error_set(e, "space directions '%.100s': axis %d is neither (x,y,z) nor none", value, i);
        const double *d = h->direction[i];
        if (h->directed[i] && isnan(d[0]) && isnan(d[1])) h->directed[i] = 0; /* some writers' none */
    }
    return at[strspn(at, " \t")] ? error_set(e, "space directions '%.100s' are more than %d", value, h->axes)
                                 : 0;
}

/* "mm" "um": a unit for each axis. */
static void set_units(char unit[AXES][16], const char *value)
{
    const char *at = value;
    for (int i = 0; i < AXES; i++) {
        if (!(at = strchr(at, '"'))) return;
        size_t n = strcspn(++at, "\"");
        if (!unit_is_millimetre(at, n)) snprintf(unit[i], sizeof unit[i], "%.*s", n < 15 ? (int)n : 15, at);
        at += n + (at[n] == '"');
    }
}

/* Axes whose kind is not one of place. */
static int set_words(struct nrrd *h, const char *value, int kinds, struct error *e)
{
    static const char *const of_place[] = {"domain", "space", "???", "none"};
    const char *at = value;
    if (!h->axes) return error_set(e, "%s stand before dimension", kinds ? "kinds" : "centerings");
    for (int i = 0; i < h->axes; i++) {
        at += strspn(at, " \t\"");
        size_t n = strcspn(at, " \t\"");
        if (!kinds) h->node[i] = n == 4 && strncasecmp(at, "node", 4) == 0;
        int place = n == 0;
        for (int k = 0; k < 4; k++) place |= n == strlen(of_place[k]) && strncasecmp(at, of_place[k], n) == 0;
        if (kinds) h->placed[i] = place;
        if (kinds && n == 7 && strncasecmp(at, "complex", n) == 0)
            return error_set(e, "kinds '%.100s': complex numbers are not supported", value);
        at += n;
    }
    return 0;
}

static int set_field(struct nrrd *h, struct volume *v, const char *field, const char *value, struct error *e)
{
    int64_t n;
    if (strcmp(field, "dimension") == 0) {
        if (take_whole(&n, "dimension", value, 1, 16, e)) return -1;
        if (n < 2 || n > AXES) return error_set(e, "dimension is %d, 2 to %d are supported", (int)n, AXES);
        h->axes = (int)n;
        return 0;
    }
    if (strcmp(field, "type") == 0) return set_type(h, v, value, e);
    if (strcmp(field, "encoding") == 0) return set_encoding(h, value, e);
    if (strcmp(field, "sizes") == 0) return set_sizes(h, value, e);
    if (strcmp(field, "spacings") == 0) return take_axes(h->spacing, h, "spacings", value, e);
    if (strcmp(field, "axismins") == 0) return take_axes(h->min, h, "axis mins", value, e);
    if (strcmp(field, "axismaxs") == 0) return take_axes(h->max, h, "axis maxs", value, e);
    if (strcmp(field, "units") == 0) set_units(h->axis_unit, value);
    if (strcmp(field, "spaceunits") == 0) set_units(h->space_unit, value);
    if (strcmp(field, "space") == 0) return set_space(h, value, e);
    if (strcmp(field, "spacedimension") == 0) {
        h->has_space = 1;
        if (take_whole(&n, "space dimension", value, 2, 4, e)) return -1;
        h->plain_space = n > 2 ? 4 : 0;
    }
    if (strcmp(field, "spacedirections") == 0) return set_directions(h, value, e);
    if (strcmp(field, "spaceorigin") == 0)
        return take_vector(h->origin, value) ? (h->placed_origin = 1, 0)
                                             : error_set(e, "space origin is '%.100s'", value);
    if (strcmp(field, "kinds") == 0) return set_words(h, value, 1, e);
    if (strcmp(field, "centers") == 0 || strcmp(field, "centerings") == 0) return set_words(h, value, 0, e);
    if (strcmp(field, "byteskip") == 0) return take_whole(&h->skip_bytes, "byte skip", value, -1, 1e12, e);
    if (strcmp(field, "lineskip") == 0) return take_whole(&h->skip_lines, "line skip", value, 0, 1e9, e);
    if (strcmp(field, "content") == 0) snprintf(h->content, sizeof h->content, "%s", value);
    if (strcmp(field, "datafile") == 0) snprintf(h->files, sizeof h->files, "%s", value);
    if (strcmp(field, "oldmin") == 0 || strcmp(field, "oldmax") == 0) h->quantised = "old min, old max";
    if (strcmp(field, "endian") == 0) {
        h->endian = strcasecmp(value, "little") == 0 ? 1 : strcasecmp(value, "big") == 0 ? 2 : 0;
        if (!h->endian) return error_set(e, "endian is '%.60s'", value);
    }
    return 0; /* labels, thicknesses, ... do not change the image */
}

/* "field: value", "key:=value" or "# comment". */
static int take_line(struct nrrd *h, struct volume *v, const char *line, size_t length, struct error *e)
{
    char field[40], value[VALUE_MAX];
    const char *colon = memchr(line, ':', length);
    if (line[0] == '#') return 0;
    if (!colon) return error_set(e, "line '%.*s' is no field", (int)(length < 60 ? length : 60), line);
    if (colon + 1 < line + length && colon[1] == '=') {
        h->segments |= strncmp(line, "Segment", 7) == 0;
        return 0;
    }
    squeeze(field, sizeof field, line, (size_t)(colon - line));
    for (int i = 0; i < h->fields; i++)
        if (strcmp(h->seen[i], field) == 0) return error_set(e, "field '%s' is there twice", field);
    if (h->fields < FIELDS_MAX) strcpy(h->seen[h->fields++], field);
    const char *begin = colon + 1, *end = line + length;
    while (begin < end && (*begin == ' ' || *begin == '\t')) begin++;
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t')) end--;
    if ((size_t)(end - begin) >= sizeof value) return 0; /* no field that counts is that long */
    memcpy(value, begin, (size_t)(end - begin));
    value[end - begin] = 0;
    if (memchr(value, 0, (size_t)(end - begin))) return error_set(e, "%s holds a zero byte", field);
    return set_field(h, v, field, value, e);
}

/* ---- geometry ------------------------------------------------------------------------------------------ */

/* The axis that is none of space: a list, a vector, time; -1 where there is none. */
static int other_axis(const struct nrrd *h, int *other, struct error *e)
{
    int directed = 0;
    *other = -1;
    for (int i = 0; i < h->axes; i++) directed += h->directed[i];
    for (int i = 0; i < h->axes; i++) {
        if (directed ? h->directed[i] : h->placed[i]) continue;
        if (*other >= 0) return error_set(e, "axes %d and %d are both none of space", *other, i);
        *other = i;
    }
    if (h->axes == 4 && *other < 0) *other = 3;
    return 0;
}

/* Millimetres along an axis without a direction: spacings, or what its ends leave; 0 where neither tells. A
 * negative one runs the other way. */
static double axis_spacing(const struct nrrd *h, int i)
{
    const double steps = (double)h->size[i] - h->node[i], across = (h->max[i] - h->min[i]) / steps;
    if (h->spacing[i] != 0 && isfinite(h->spacing[i])) return h->spacing[i];
    return across != 0 && isfinite(across) ? across : 0;
}

static void tell_unit(struct volume *v, const char *unit)
{
    if (*unit) volume_assume(v, "millimetres, as ITK does: the unit '%s' is not applied", unit);
}

/* From one volume to the next: the spacing of the axis that is none of space, or its fourth component. 1 of
 * no unit is what writers put there for nothing. */
static void set_step(struct volume *v, const struct nrrd *h, int other)
{
    if (other < 0 || v->size[3] < 2) return;
    const double step = h->directed[other] ? h->direction[other][3] : axis_spacing(h, other);
    const char *unit = h->directed[other] ? h->space_unit[3] : h->axis_unit[other];
    v->step_unit = 48;
    while (v->step_unit && strcmp(unit, volume_step_unit(v))) v->step_unit -= 8;
    if (!(step > 0) || (step == 1 && !*unit)) return;
    v->step = step;
    if (*unit && !v->step_unit) volume_assume(v, "a step from volume to volume of no unit: it is '%s'", unit);
}

static int set_geometry(struct volume *v, const struct nrrd *h, int other, struct error *e)
{
    double column[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, origin[3] = {0};
    int k = 0, directed = 0, mins = 0;
    for (int i = 0; i < h->axes; i++) {
        if (i == other) continue;
        const double told = axis_spacing(h, i), s = told != 0 ? told : 1;
        if (!h->directed[i]) tell_unit(v, h->axis_unit[i]);
        if (told == 0 && !h->directed[i]) volume_assume(v, "spacing 1 mm along axis %d", i);
        if (told != 0 && !h->directed[i] && told != h->spacing[i])
            volume_assume(v, "spacing of axis mins and maxs along axis %d, where ITK takes 1 mm", i);
        for (int c = 0; c < 3; c++)
            column[k][c] = !h->directed[i] ? (c == k ? s : 0) : h->direction[i][c];
        if (!h->has_space && isfinite(h->min[i])) origin[k] = h->min[i] + (h->node[i] ? 0 : s / 2), mins++;
        directed += h->directed[i];
        k++;
    }
    if (k == 2 && directed) { /* a plane: its normal, so that no column is empty */
        const double *a = column[0], *b = column[1],
                     n[3] = {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
        if (n[0] != 0 || n[1] != 0 || n[2] != 0) memcpy(column[2], n, sizeof n);
    }
    if (!directed) volume_assume(v, "axes along x, y and z: no space directions");
    if (h->has_space ? !h->placed_origin : k == 3 && mins < 3) volume_assume(v, "place 0");
    if (h->plain_space)
        volume_assume(v, "x to the left, y to the back, z to the head: the space is '%s'",
                      plain_spaces[h->plain_space - 1]);
    if (h->quantised) volume_assume(v, "values as stored: %s is not applied", h->quantised);
    for (int c = 0; h->has_space && c < 3; c++) {
        origin[c] = h->origin[c];
        tell_unit(v, h->space_unit[c]);
    }
    for (int i = 0; i < 2; i++) {
        for (int c = 0; c < 3; c++) column[c][i] *= h->sign[i];
        origin[i] *= h->sign[i];
    }
    if (volume_set_lps(v, column, origin, e)) return -1;
    if (k == 2) volume_set_flat(v);
    set_step(v, h, other);
    return 0;
}

static int check_header(struct volume *v, struct nrrd *h, int *other, struct error *e)
{
    if (!h->axes) return error_set(e, "has no dimension");
    if (!h->size[0]) return error_set(e, "has no sizes");
    if (!h->has_type) return error_set(e, "has no type");
    if (!h->encoding) return error_set(e, "has no encoding");
    if (other_axis(h, other, e)) return -1;
    if (h->segments && *other >= 0)
        return error_set(e,
                         "a segmentation of %lld layers, whose segments overlap: export it as one label map",
                         (long long)h->size[*other]);
    if (h->axes == 2 && *other >= 0) return error_set(e, "axis %d is none of space, one is left", *other);
    if (!h->endian && voxel_type_bytes(v->type) > 1 &&
        (h->encoding == ENCODING_RAW || h->encoding == ENCODING_GZIP || h->encoding == ENCODING_HEX))
        return error_set(e, "has no endian");
    int64_t size[4] = {1, 1, 1, 1};
    for (int i = 0, k = 0; i < h->axes; i++) size[i == *other ? 3 : k++] = h->size[i];
    if (volume_set_size(v, size, "sizes", e) || set_geometry(v, h, *other, e)) return -1;
    return 0;
}

/* ---- voxels -------------------------------------------------------------------------------------------- */

/* Two hexadecimal digits a byte, in whatever lines; the bytes lie in memory as in a raw file. */
static int read_hex(struct volume *v, const struct image_source *s, int big, int what, struct error *e)
{
    unsigned char *text;
    size_t size = 0, n = volume_voxels(v), need = n * (size_t)voxel_type_bytes(v->type), got = 0;
    int half = -1, followed = 0, status = image_source_read(&text, &size, s, e);
    for (size_t i = 0; !status && i < size; i++) {
        int c = text[i], d = c >= '0' && c <= '9'                 ? c - '0'
                             : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                                  : -1;
        const int gap = d < 0 && strchr(" \t\r\n", c);
        if (!gap && (followed = got == need)) break;
        if (d < 0 && !gap)
            status = error_set(e, "byte 0x%02x among hexadecimal digits", (unsigned)c);
        if (d < 0) continue;
        if (half >= 0) text[got++] = (unsigned char)(16 * half + d); /* behind what has been read */
        half = half >= 0 ? -1 : d;
    }
    if (!status && got < need)
        status = error_set(e, "cut off: %zu bytes of voxels, the header asks for %zu", got, need);
    if (!status) status = voxels_read(v, text, big, 1, 0, what, e);
    if (followed) volume_assume(v, VOXELS_FOLLOWED);
    free(text);
    return status;
}

/* The components of a voxel go behind the others: a volume each. */
static int move_axis(struct volume *v, const struct nrrd *h, int axis, struct error *e)
{
    size_t inner = 1, outer = 1;
    for (int i = 0; i < axis; i++) inner *= (size_t)h->size[i];
    for (int i = axis + 1; i < h->axes; i++) outer *= (size_t)h->size[i];
    return axis < 0 ? 0 : voxels_split(v, outer, (size_t)h->size[axis], inner, e);
}

static int parse(struct volume *v, const unsigned char *data, size_t size, const char *path, int what,
                 struct error *e)
{
    struct nrrd h = {.sign = {1, 1}, .placed = {1, 1, 1, 1}};
    const char *at = (const char *)data, *end = at + size, *line;
    size_t length;
    int other = -1;
    for (int i = 0; i < AXES; i++) h.min[i] = h.max[i] = NAN;
    if (!image_line(&line, &length, &at, end) || length < 8 || memcmp(line, "NRRD000", 7) || line[7] < '1' ||
        line[7] > '5')
        return error_set(e, "does not start with NRRD0001 to NRRD0005");
    while (image_line(&line, &length, &at, end) && length) {
        if (take_line(&h, v, line, length, e)) return -1;
        if (strncmp(h.files, "LIST", 4) == 0) break; /* the rest of the header are names */
    }
    if (check_header(v, &h, &other, e)) return -1;
    snprintf(v->format, sizeof v->format, "NRRD");
    snprintf(v->description, sizeof v->description, "%.95s", h.content);
    if (what & VOLUME_HEADER) return 0;
    struct image_source s = {.header = path,
                             .files = h.files[0] ? h.files : NULL,
                             .list = at,
                             .list_end = end,
                             .data = (const unsigned char *)at,
                             .size = (size_t)(end - at),
                             .packed = h.encoding == ENCODING_GZIP,
                             .skip_bytes = h.skip_bytes,
                             .skip_lines = h.skip_lines};
    int status = h.encoding == ENCODING_HEX
                     ? read_hex(v, &s, h.endian == 2, what, e)
                     : image_source_voxels(v, &s, h.encoding == ENCODING_TEXT, h.endian == 2, what, e);
    return status ? -1 : move_axis(v, &h, other, e);
}

int nrrd_parse(struct volume *v, const unsigned char *data, size_t size, const char *path, int what,
               struct error *e)
{
    memset(v, 0, sizeof *v);
    if (parse(v, data, size, path, what, e) == 0) return 0;
    volume_free(v);
    return error_prefix(e, "%s", path);
}

int nrrd_read(struct volume *v, const char *path, int what, struct error *e)
{
    unsigned char *data;
    size_t size;
    if (what & VOLUME_HEADER) { /* no voxels: the header is text at the begin, and longer ones are read whole
                                   below */
        if (file_read_begin(path, HEADER_BYTES, &data, &size, e)) return -1;
        int status = nrrd_parse(v, data, size, path, what, e);
        free(data);
        if (!status || size < HEADER_BYTES) return status;
    }
    if (file_read(path, 0, &data, &size, e)) return -1;
    int status = nrrd_parse(v, data, size, path, what, e);
    free(data);
    return status;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static void put_vector(struct text *t, const struct volume *v, int column, int axes)
{
    text_puts(t, "(");
    for (int i = 0; i < axes; i++) {
        if (i) text_puts(t, ",");
        text_put_double(t, i < 2 ? 0 - v->affine[i][column] : v->affine[i][column]);
    }
    text_puts(t, ")");
}

static void put_header(struct text *t, const struct volume *v, enum voxel_type type)
{
    const int plane = volume_is_plane_xy(v), axes = plane ? 2 : 3, list = v->size[3] > 1;
    text_printf(t, "NRRD0004\ntype: %s\ndimension: %d\n",
                type == VOXEL_F32   ? "float"
                : type == VOXEL_F64 ? "double"
                                    : voxel_type_name(type),
                axes + list);
    if (plane) text_puts(t, "space dimension: 2\n");
    else text_puts(t, "space: left-posterior-superior\n");
    text_puts(t, "sizes:");
    for (int i = 0; i < axes; i++) text_printf(t, " %lld", (long long)v->size[i]);
    if (list) text_printf(t, " %lld", (long long)v->size[3]);
    text_puts(t, "\nspace directions:");
    for (int i = 0; i < axes; i++) {
        text_puts(t, " ");
        put_vector(t, v, i, axes);
    }
    text_printf(t, "%s\nkinds:%s%s\n", list ? " none" : "",
                plane ? " domain domain" : " domain domain domain", list ? " list" : "");
    if (list && v->step > 0) { /* the axes of space have theirs in their directions */
        text_puts(t, plane ? "spacings: nan nan " : "spacings: nan nan nan ");
        text_put_double(t, v->step);
        text_printf(t, "\nunits: %s\"%s\"\n", plane ? "\"\" \"\" " : "\"\" \"\" \"\" ",
                    v->step_unit ? volume_step_unit(v) : "");
    }
    text_puts(t, "endian: little\nencoding: gzip\nspace origin: ");
    put_vector(t, v, 3, axes);
    text_puts(t, "\n");
}

int nrrd_write(const struct volume *v, const char *path, enum voxel_type type, struct error *e)
{
    char other[2048] = "";
    struct text t = {0};
    size_t n = volume_voxels(v), size = n * (size_t)voxel_type_bytes(type), packed_size;
    unsigned char *raw = malloc(size), *packed = NULL;
    if (raw) voxels_encode(raw, v, 0, n, type);
    if (raw) packed = gzip_compress(raw, size, 6, &packed_size);
    free(raw);
    if (!packed) return error_set(e, "%s: out of memory for %zu bytes", path, size);
    put_header(&t, v, type);
    int status = 0;
    if (file_has_suffix(path, ".nhdr")) {
        if (snprintf(other, sizeof other, "%.*s.raw.gz", (int)(strlen(path) - 5), path) >= (int)sizeof other)
            status = error_set(e, "%s: path is too long", path);
        text_printf(&t, "data file: %s\n", file_name(other));
    } else {
        text_puts(&t, "\n");
        text_put(&t, packed, packed_size);
    }
    const struct file_part part[] = {{other, packed, packed_size}, {path, t.data, t.size}};
    if (!status) status = file_write_parts(part + !*other, 1 + !!*other, e);
    free(packed);
    free(t.data);
    return status;
}

/* ---- the format ---------------------------------------------------------------------------------------- */

static int is_nrrd(const unsigned char *begin, size_t size)
{
    return size >= 7 && memcmp(begin, "NRRD000", 7) == 0;
}

static const struct image_ending endings[] = {
    {".nrrd", 1, 0, NULL}, {".nhdr", 1, 0, NULL}, {NULL, 0, 0, NULL}};
const struct image_format nrrd_format = {"NRRD", endings, 1, 0, is_nrrd, nrrd_read, NULL, NULL, nrrd_write};
