/* metaimage.c - MetaImage: fields, geometry and voxels, in one file or two. */
#include "io/image/metaimage.h"

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

enum { AXES = 4, VALUE_MAX = 1200, HEADER_BYTES = 1 << 20 };

struct meta {
    int axes, has_type, text, packed, big;
    int64_t channels, skip;
    double size[AXES], spacing[AXES], element[AXES], origin[AXES], matrix[AXES * AXES];
    char unit[32]; /* of its distances, where it is not the millimetre */
    int scaled; /* the file says that values are to be scaled, which ITK does not */
    int sizes, spacings, elements, origins, cosines; /* how many numbers were there */
    char files[VALUE_MAX], comment[VALUE_MAX];
};

/* A long is four bytes to MetaIO, wherever. */
static const struct {
    const char *name;
    enum voxel_type type;
} types[] = {{"UCHAR", VOXEL_U8},      {"CHAR", VOXEL_I8},   {"USHORT", VOXEL_U16},
             {"SHORT", VOXEL_I16},     {"UINT", VOXEL_U32},  {"INT", VOXEL_I32},
             {"ULONG", VOXEL_U32},     {"LONG", VOXEL_I32},  {"ULONG_LONG", VOXEL_U64},
             {"LONG_LONG", VOXEL_I64}, {"FLOAT", VOXEL_F32}, {"DOUBLE", VOXEL_F64}, {"ASCII_CHAR", VOXEL_I8}};
enum { TYPES = sizeof types / sizeof *types };

/* ---- fields -------------------------------------------------------------------------------------------- */

static int set_type(struct meta *h, struct volume *v, const char *value, struct error *e)
{
    size_t n = strlen(value);
    if (n > 6 && strcmp(value + n - 6, "_ARRAY") == 0) n -= 6; /* older: of components */
    for (int i = 0; i < TYPES; i++)
        if (strncmp(value, "MET_", 4) == 0 && n == 4 + strlen(types[i].name) &&
            strncmp(value + 4, types[i].name, n - 4) == 0) {
            v->type = types[i].type;
            h->has_type = 1;
            return 0;
        }
    return error_set(e, "ElementType '%.60s' is not supported", value);
}

static int is_true(const char *value)
{
    return value[0] == 'T' || value[0] == 't' || value[0] == '1';
}

static int take_numbers(double *out, int *count, int max, const char *field, const char *value,
                        struct error *e)
{
    *count = image_numbers(out, max, value);
    return *count < 1 ? error_set(e, "%s is '%.100s'", field, value) : 0;
}

static int take_whole(int64_t *out, const char *field, const char *value, double low, double high,
                      struct error *e)
{
    double d;
    if (image_numbers(&d, 1, value) != 1 || d != floor(d) || d < low || d > high)
        return error_set(e, "%s is '%.60s'", field, value);
    *out = (int64_t)d;
    return 0;
}

static int set_field(struct meta *h, struct volume *v, const char *field, const char *value, struct error *e)
{
    static const char *const origins[] = {"Offset", "Origin", "Position"}, *const matrices[] = {
                                                                               "TransformMatrix", "Rotation",
                                                                               "Orientation"};
    int64_t n;
    double number;
    if (strcmp(field, "ObjectType") == 0 && strcmp(value, "Image") != 0)
        return error_set(e, "ObjectType is '%.60s', no Image", value);
    if (strcmp(field, "NDims") == 0) {
        if (take_whole(&n, field, value, 1, 100, e)) return -1;
        if (n < 2 || n > AXES) return error_set(e, "NDims is %d, 2 to %d are supported", (int)n, AXES);
        h->axes = (int)n;
    }
    if (strcmp(field, "DimSize") == 0) return take_numbers(h->size, &h->sizes, AXES, field, value, e);
    if (strcmp(field, "ElementSpacing") == 0)
        return take_numbers(h->spacing, &h->spacings, AXES, field, value, e);
    if (strcmp(field, "ElementSize") == 0)
        return take_numbers(h->element, &h->elements, AXES, field, value, e);
    for (int i = 0; i < 3; i++) {
        if (strcmp(field, origins[i]) == 0)
            return take_numbers(h->origin, &h->origins, AXES, field, value, e);
        if (strcmp(field, matrices[i]) == 0)
            return take_numbers(h->matrix, &h->cosines, AXES * AXES, field, value, e);
    }
    if (strcmp(field, "ElementNumberOfChannels") == 0)
        return take_whole(&h->channels, field, value, 1, 65536, e);
    if (strcmp(field, "HeaderSize") == 0) return take_whole(&h->skip, field, value, -1, 1e12, e);
    if (strcmp(field, "ElementType") == 0) return set_type(h, v, value, e);
    if (strcmp(field, "BinaryData") == 0) h->text = !is_true(value);
    if (strcmp(field, "CompressedData") == 0) h->packed = is_true(value);
    if (strcmp(field, "BinaryDataByteOrderMSB") == 0 || strcmp(field, "ElementByteOrderMSB") == 0)
        h->big = is_true(value);
    if (strcmp(field, "ElementToIntensityFunctionSlope") == 0)
        h->scaled |= image_numbers(&number, 1, value) != 1 || number != 1;
    if (strcmp(field, "ElementToIntensityFunctionOffset") == 0)
        h->scaled |= image_numbers(&number, 1, value) != 1 || number != 0;
    if (strcmp(field, "DistanceUnits") == 0 && !unit_is_millimetre(value, strlen(value)))
        snprintf(h->unit, sizeof h->unit, "%.30s", value);
    if (strcmp(field, "Comment") == 0) snprintf(h->comment, sizeof h->comment, "%s", value);
    if (strcmp(field, "ElementDataFile") == 0) snprintf(h->files, sizeof h->files, "%s", value);
    return 0;
}

/* "Field = value". */
static int take_line(struct meta *h, struct volume *v, const char *line, size_t length, struct error *e)
{
    char field[40], value[VALUE_MAX];
    const char *sign = memchr(line, '=', length);
    if (!sign)
        return length == 0 ? 0
                           : error_set(e, "line '%.*s' is no field", (int)(length < 60 ? length : 60), line);
    const char *begin = sign + 1, *end = line + length, *stop = sign;
    while (line < stop && (*line == ' ' || *line == '\t')) line++;
    while (stop > line && (stop[-1] == ' ' || stop[-1] == '\t')) stop--;
    while (begin < end && (*begin == ' ' || *begin == '\t')) begin++;
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t')) end--;
    if ((size_t)(stop - line) >= sizeof field || (size_t)(end - begin) >= sizeof value)
        return 0; /* no field that counts is that long */
    memcpy(field, line, (size_t)(stop - line));
    field[stop - line] = 0;
    memcpy(value, begin, (size_t)(end - begin));
    value[end - begin] = 0;
    if (memchr(value, 0, (size_t)(end - begin))) return error_set(e, "%s holds a zero byte", field);
    return set_field(h, v, field, value, e);
}

/* ---- geometry ------------------------------------------------------------------------------------------ */

static int check_counts(const struct meta *h, struct error *e)
{
    if (!h->axes) return error_set(e, "has no NDims");
    if (!h->has_type) return error_set(e, "has no ElementType");
    if (h->sizes != h->axes) return error_set(e, "DimSize has %d numbers, NDims is %d", h->sizes, h->axes);
    if (h->spacings && h->spacings != h->axes)
        return error_set(e, "ElementSpacing has %d numbers, NDims is %d", h->spacings, h->axes);
    if (h->origins && h->origins != h->axes)
        return error_set(e, "Offset has %d numbers, NDims is %d", h->origins, h->axes);
    if (h->cosines && h->cosines != h->axes * h->axes)
        return error_set(e, "TransformMatrix has %d numbers, NDims is %d", h->cosines, h->axes);
    if (h->axes == 4 && h->channels > 1)
        return error_set(e, "four dimensions and %lld channels", (long long)h->channels);
    if (h->text && h->packed) return error_set(e, "CompressedData is True, but BinaryData is not");
    return 0;
}

/* Row k of the matrix is the direction of axis k. */
static int set_geometry(struct volume *v, const struct meta *h, struct error *e)
{
    double column[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, origin[3] = {0}, told[3] = {1, 1, 1};
    int64_t size[4] = {1, 1, 1, 1};
    int space = h->axes < 3 ? h->axes : 3;
    for (int k = 0; k < h->axes; k++) {
        if (!(h->size[k] >= 1) || h->size[k] > 1e12 || h->size[k] != floor(h->size[k]))
            return error_set(e, "DimSize[%d] is %g", k, h->size[k]);
        size[k] = (int64_t)h->size[k];
    }
    if (h->channels > 1) size[3] = h->channels;
    for (int k = 0; k < space; k++) {
        double s = h->spacings ? h->spacing[k] : h->elements > k ? h->element[k] : 1;
        if (!h->spacings)
            volume_assume(v, "spacing%s along axis %d: no ElementSpacing",
                          h->elements > k ? " of ElementSize" : " 1 mm", k);
        if (s == 0 || !isfinite(s)) return error_set(e, "ElementSpacing[%d] is %g", k, s);
        told[k] = fabs(s);
        for (int i = 0; i < space; i++)
            column[k][i] = s * (h->cosines ? h->matrix[k * h->axes + i] : i == k);
        origin[k] = h->origins ? h->origin[k] : 0;
    }
    if (!h->origins) volume_assume(v, "place 0: no Offset");
    if (!h->cosines) volume_assume(v, "axes along x, y and z: no TransformMatrix");
    if (*h->unit) volume_assume(v, "millimetres, as ITK does: the unit '%s' is not applied", h->unit);
    if (h->scaled) volume_assume(v, "values as stored: ElementToIntensityFunction is not applied");
    if (volume_set_size(v, size, "DimSize", e) || volume_set_lps(v, column, origin, e)) return -1;
    for (int k = 0; k < space; k++) /* a last bit more would make 12.5 voxels 13, where nnU-Net has 12 */
        if (fabs(v->spacing[k] - told[k]) < 1e-6 * told[k]) v->spacing[k] = told[k];
    if (h->axes == 2) volume_set_flat(v);
    /* 1 is what writers put there for nothing */
    if (h->axes == 4 && size[3] > 1 && h->spacings && isfinite(h->spacing[3]) && h->spacing[3] > 0 &&
        h->spacing[3] != 1)
        v->step = h->spacing[3];
    return 0;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

/* Files of a list or a pattern, as MetaIO counts them: one for each step along the last axis, or for each of
 * those that "LIST N" leaves to them. */
static int64_t count_files(const struct meta *h)
{
    double axes = h->axes - 1, given;
    int64_t files = 1;
    if (strncmp(h->files, "LIST ", 5) == 0 && image_numbers(&given, 1, h->files + 5) == 1 && given >= 1 &&
        given <= h->axes)
        axes = floor(given);
    for (int k = (int)axes; k < h->axes; k++) files *= (int64_t)h->size[k];
    return files;
}

static int parse(struct volume *v, const unsigned char *data, size_t size, const char *path, int what,
                 struct error *e)
{
    struct meta h = {.channels = 1};
    const char *at = (const char *)data, *end = at + size, *line;
    size_t length;
    while (!h.files[0]) {
        if (!image_line(&line, &length, &at, end)) return error_set(e, "has no ElementDataFile");
        if (take_line(&h, v, line, length, e)) return -1;
    }
    if (check_counts(&h, e) || set_geometry(v, &h, e)) return -1;
    snprintf(v->format, sizeof v->format, "MetaImage");
    snprintf(v->description, sizeof v->description, "%.95s", h.comment);
    if (what & VOLUME_HEADER) return 0;
    const int local = strcasecmp(h.files, "LOCAL") == 0;
    const int64_t head = at - (const char *)data,
                  begin = local && h.skip > 0 ? h.skip : head; /* counted from the file's */
    if (begin < head || begin > (int64_t)size)
        return error_set(e, "HeaderSize is %lld: the header has %lld bytes, the file %zu", (long long)h.skip,
                         (long long)head, size);
    if (h.packed && h.skip > 0 && !local)
        return error_set(e, "HeaderSize is %lld with CompressedData in another file", (long long)h.skip);
    struct image_source s = {.header = path,
                             .files = local ? NULL : h.files,
                             .parts = count_files(&h),
                             .list = at,
                             .list_end = end,
                             .data = data + begin,
                             .size = size - (size_t)begin,
                             .packed = h.packed,
                             .skip_bytes = local && h.skip > 0 ? 0 : h.skip};
    if (image_source_voxels(v, &s, h.text, h.big, what, e)) return -1;
    size_t plane = (size_t)(v->size[0] * v->size[1] * v->size[2]);
    return h.channels > 1 ? voxels_split(v, plane, (size_t)h.channels, 1, e) : 0;
}

int metaimage_parse(struct volume *v, const unsigned char *data, size_t size, const char *path, int what,
                    struct error *e)
{
    memset(v, 0, sizeof *v);
    if (parse(v, data, size, path, what, e) == 0) return 0;
    volume_free(v);
    return error_prefix(e, "%s", path);
}

int metaimage_read(struct volume *v, const char *path, int what, struct error *e)
{
    unsigned char *data;
    size_t size;
    if (what & VOLUME_HEADER) { /* no voxels: the header is text at the begin, and longer ones are read whole
                                   below */
        if (file_read_begin(path, HEADER_BYTES, &data, &size, e)) return -1;
        int status = metaimage_parse(v, data, size, path, what, e);
        free(data);
        if (!status || size < HEADER_BYTES) return status;
    }
    if (file_read(path, 0, &data, &size, e)) return -1;
    int status = metaimage_parse(v, data, size, path, what, e);
    free(data);
    return status;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static void put_number(struct text *t, double v)
{
    text_puts(t, " ");
    text_put_double(t, v == 0 ? 0 : v);
}

static double to_lps(const struct volume *v, int row, int column)
{
    return row < 2 ? -v->affine[row][column] : v->affine[row][column];
}

static void put_header(struct text *t, const struct volume *v, enum voxel_type type, size_t packed_size,
                       const char *file)
{
    const int plane = volume_is_plane_xy(v), channels = plane && v->size[3] > 1;
    int axes = plane ? 2 : v->size[3] > 1 ? 4 : 3, name = 0;
    while (types[name].type != type) name++;
    text_printf(t,
                "ObjectType = Image\nNDims = %d\nBinaryData = True\nBinaryDataByteOrderMSB = "
                "False\nCompressedData = True\nCompressedDataSize = %zu\n",
                axes, packed_size);
    text_puts(t, "TransformMatrix =");
    for (int k = 0; k < axes; k++)
        for (int i = 0; i < axes; i++)
            put_number(t, k == 3 || i == 3 ? k == i : to_lps(v, i, k) / v->spacing[k]);
    text_puts(t, "\nOffset =");
    for (int i = 0; i < axes; i++) put_number(t, i == 3 ? 0 : to_lps(v, i, 3));
    text_puts(t, "\nElementSpacing =");
    for (int i = 0; i < axes; i++) put_number(t, i < 3 ? v->spacing[i] : v->step > 0 ? v->step : 1);
    text_puts(t, "\nDimSize =");
    for (int i = 0; i < axes; i++) text_printf(t, " %lld", (long long)v->size[i]);
    if (channels) text_printf(t, "\nElementNumberOfChannels = %lld", (long long)v->size[3]);
    text_printf(t, "\nElementType = MET_%s\nElementDataFile = %s\n", types[name].name, file);
}

/* Voxels as the file holds them: of a plane with several channels, these are innermost. */
static unsigned char *encode(const struct volume *v, enum voxel_type type, size_t *size)
{
    size_t n = volume_voxels(v), bytes = (size_t)voxel_type_bytes(type),
           parts = volume_is_plane_xy(v) ? (size_t)v->size[3] : 1, plane = n / parts;
    unsigned char *raw = malloc(n * bytes);
    *size = n * bytes;
    for (size_t i = 0; raw && parts > 1 && i < n; i++)
        voxels_encode(raw + i * bytes, v, i % parts * plane + i / parts, 1, type);
    if (raw && parts == 1) voxels_encode(raw, v, 0, n, type);
    return raw;
}

int metaimage_write(const struct volume *v, const char *path, enum voxel_type type, struct error *e)
{
    char other[2048];
    struct text t = {0};
    size_t size, packed_size;
    unsigned char *raw = encode(v, type, &size),
                  *packed = raw ? deflate_zlib(raw, size, 6, &packed_size) : NULL;
    free(raw);
    if (!packed) return error_set(e, "%s: out of memory for %zu bytes", path, size);
    int status = 0, detached = file_has_suffix(path, ".mhd");
    if (snprintf(other, sizeof other, "%.*s.zraw", (int)(strlen(path) - 4), path) >= (int)sizeof other)
        status = error_set(e, "%s: path is too long", path);
    put_header(&t, v, type, packed_size, detached ? file_name(other) : "LOCAL");
    if (!detached) text_put(&t, packed, packed_size);
    const struct file_part part[] = {{other, packed, packed_size}, {path, t.data, t.size}};
    if (!status) status = file_write_parts(part + !detached, 1 + detached, e);
    free(packed);
    free(t.data);
    return status;
}

/* ---- the format ---------------------------------------------------------------------------------------- */

static int is_metaimage(const unsigned char *begin, size_t size)
{
    return (size >= 10 && memcmp(begin, "ObjectType", 10) == 0) ||
           (size >= 5 && memcmp(begin, "NDims", 5) == 0);
}

static const struct image_ending endings[] = {{".mha", 1, 0, NULL}, {".mhd", 1, 0, NULL}, {NULL, 0, 0, NULL}};
const struct image_format metaimage_format = {
    "MetaImage", endings, 1, 0, is_metaimage, metaimage_read, NULL, NULL, metaimage_write};
