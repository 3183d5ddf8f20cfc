/* voxels.c - numbers of image files to float32 and back, exact ones beside them, and the geometry that
 * readers share. */
#include "io/image/voxels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "io/base/text.h"

#define INLINE static inline __attribute__((always_inline))

/* One load, and on the other machine or for the other order a reversal: compilers know these sums. */
INLINE uint32_t get_16(const unsigned char *p, int big)
{
    return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

INLINE uint32_t get_32(const unsigned char *p, int big)
{
    return big ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
               : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

INLINE uint64_t get_number(const unsigned char *p, int n, int big)
{
    if (n == 1) return p[0];
    if (n == 2) return get_16(p, big);
    if (n == 4) return get_32(p, big);
    const uint64_t first = get_32(p, big), second = get_32(p + 4, big);
    return big ? first << 32 | second : second << 32 | first;
}

uint64_t bytes_get(const unsigned char *p, int n, int big)
{
    uint64_t v = 0;
    if (n == 1 || n == 2 || n == 4 || n == 8) return get_number(p, n, big);
    for (int i = 0; i < n; i++) v |= (uint64_t)p[big ? n - 1 - i : i] << (8 * i);
    return v;
}

void bytes_set(unsigned char *p, uint64_t v, int n, int big)
{
    for (int i = 0; i < n; i++) p[big ? n - 1 - i : i] = (unsigned char)(v >> (8 * i));
}

double bytes_get_f32(const unsigned char *p, int big)
{
    uint32_t bits = (uint32_t)bytes_get(p, 4, big);
    float v;
    memcpy(&v, &bits, 4);
    return v;
}

double bytes_get_f64(const unsigned char *p, int big)
{
    uint64_t bits = bytes_get(p, 8, big);
    double v;
    memcpy(&v, &bits, 8);
    return v;
}

/* A number as the file has it; 64-bit integers are rounded to float or, where scaled, to double: by one
 * rounding only. */
INLINE double number_of(const unsigned char *p, enum voxel_type type, int bytes, int big, int to_float)
{
    const uint64_t bits = get_number(p, bytes, big);
    const uint32_t low_bits = (uint32_t)bits;
    float f32;
    double f64;
    switch (type) {
    case VOXEL_I8: return (int8_t)bits;
    case VOXEL_I16: return (int16_t)bits;
    case VOXEL_I32: return (int32_t)bits;
    case VOXEL_U64: return to_float ? (float)bits : (double)bits;
    case VOXEL_I64: return to_float ? (float)(int64_t)bits : (double)(int64_t)bits;
    case VOXEL_F32: memcpy(&f32, &low_bits, sizeof f32); return f32;
    case VOXEL_F64: memcpy(&f64, &bits, sizeof f64); return f64;
    default: return (double)bits;
    }
}

/* A loop without choices for each type and order that the caller gives as constants. */
INLINE void decode_run(float *out, const unsigned char *in, size_t n, enum voxel_type type, int bytes,
                       int big, double slope, double inter)
{
    if (slope == 1 && inter == 0)
        for (size_t i = 0; i < n; i++)
            out[i] = (float)number_of(in + i * (size_t)bytes, type, bytes, big, 1);
    else
        for (size_t i = 0; i < n; i++)
            out[i] = (float)(number_of(in + i * (size_t)bytes, type, bytes, big, 0) * slope + inter);
}

void voxels_decode(float *out, const unsigned char *in, size_t n, enum voxel_type type, int big, double slope,
                   double inter)
{
    switch (big ? -1 : (int)type) { /* what most files have */
    case VOXEL_U8: decode_run(out, in, n, VOXEL_U8, 1, 0, slope, inter); break;
    case VOXEL_U16: decode_run(out, in, n, VOXEL_U16, 2, 0, slope, inter); break;
    case VOXEL_I16: decode_run(out, in, n, VOXEL_I16, 2, 0, slope, inter); break;
    case VOXEL_F32: decode_run(out, in, n, VOXEL_F32, 4, 0, slope, inter); break;
    default: decode_run(out, in, n, type, voxel_type_bytes(type), big, slope, inter);
    }
}

int voxels_decode_exact(double *out, const unsigned char *in, size_t n, enum voxel_type type, int big,
                        double slope, double inter, struct error *e)
{
    int bytes = voxel_type_bytes(type);
    for (size_t i = 0; i < n; i++) {
        const unsigned char *p = in + i * (size_t)bytes;
        double v = number_of(p, type, bytes, big, 0);
        uint64_t bits = bytes_get(p, bytes, big), size = type == VOXEL_I64 && bits >> 63 ? 0 - bits : bits;
        if ((type == VOXEL_U64 || type == VOXEL_I64) && size > (uint64_t)1 << 53)
            return error_set(e, "voxel %zu is %s%llu: " VOXELS_BEYOND, i,
                             size == bits ? "" : "-", (unsigned long long)size);
        out[i] = v * slope + inter;
    }
    return 0;
}

/* Numbers that float32 may not hold. Values of 16 bits with a scale that is no whole number are measured
 * ones: rounded once, to float32, as long as neighbours stay well apart. */
static int may_be_inexact(enum voxel_type type, double slope, double inter)
{
    const int whole = slope == floor(slope) && inter == floor(inter);
    if (type == VOXEL_F32) return inter != 0;
    return voxel_type_bytes(type) > 2 ||
           fabs(slope) * 65536 + fabs(inter) > (whole ? 0x1p24 : fabs(slope) * 0x1p22);
}

/* A scale so small, by itself or beside what is added, that all integers of the type become one float32. */
static int is_lost(enum voxel_type type, double slope, double inter)
{
    const double reach = ldexp(slope, 8 * voxel_type_bytes(type));
    return type != VOXEL_F32 && type != VOXEL_F64 && (float)(inter + reach) == (float)inter &&
           (float)(inter - reach) == (float)inter;
}

int voxels_allocate(struct volume *v, int what, double slope, double inter, struct error *e)
{
    if (is_lost(v->type, slope, inter))
        return error_set(e, "values are scaled by %g and %g is added, which makes all of them the same",
                         slope, inter);
    size_t n = volume_voxels(v);
    int exact = what & VOLUME_EXACT && may_be_inexact(v->type, slope, inter);
    v->voxel = malloc(n * sizeof *v->voxel);
    v->exact = exact ? malloc(n * sizeof *v->exact) : NULL;
    if (v->voxel && (v->exact || !exact)) return 0;
    volume_free(v);
    return error_set(e, "out of memory for %zu voxels", n);
}

void voxels_settle(struct volume *v)
{
    size_t n = v->exact ? volume_voxels(v) : 0, i = 0;
    while (i < n && (v->exact[i] == (double)v->voxel[i] || isnan(v->exact[i]))) i++;
    if (i < n) return;
    free(v->exact);
    v->exact = NULL;
}

/* How many of the first of n integers are whole numbers from 0 to 65535. */
INLINE size_t take_whole(uint16_t *out, const unsigned char *in, size_t n, int bytes, int negative, int big)
{
    size_t i = 0;
    for (; i < n; i++) {
        const uint64_t bits = get_number(in + i * (size_t)bytes, bytes, big);
        if (bits > 65535 || (negative && bits >> (8 * bytes - 1))) break;
        out[i] = (uint16_t)bits;
    }
    return i;
}

/* Integers without a scale, all from 0 to 65535, into v->whole; 0 where they are not, or memory is out: then
 * they are read as float32. */
static int read_whole(struct volume *v, const unsigned char *in, int big)
{
    const size_t n = volume_voxels(v);
    const int bytes = voxel_type_bytes(v->type), negative = v->type == VOXEL_I8 || v->type == VOXEL_I16 ||
                                                            v->type == VOXEL_I32 || v->type == VOXEL_I64;
    if (v->type >= VOXEL_F32 || !(v->whole = malloc(n * sizeof *v->whole))) return 0;
    const size_t taken = v->type == VOXEL_U8           ? take_whole(v->whole, in, n, 1, 0, 0)
                         : v->type == VOXEL_I16 && !big ? take_whole(v->whole, in, n, 2, 1, 0)
                                                        : take_whole(v->whole, in, n, bytes, negative, big);
    if (taken == n) return 1;
    free(v->whole);
    v->whole = NULL;
    return 0;
}

int voxels_read(struct volume *v, const unsigned char *in, int big, double slope, double inter, int what,
                struct error *e)
{
    size_t n = volume_voxels(v);
    if (what & VOLUME_WHOLE && v->size[3] == 1 && slope == 1 && inter == 0 && read_whole(v, in, big))
        return 0;
    if (voxels_allocate(v, what, slope, inter, e)) return -1;
    voxels_decode(v->voxel, in, n, v->type, big, slope, inter);
    if (v->exact && voxels_decode_exact(v->exact, in, n, v->type, big, slope, inter, e)) {
        volume_free(v);
        return -1;
    }
    voxels_settle(v);
    return 0;
}

static const double low[] = {0, -128, 0, -32768, 0, -2147483648.0, 0, -9223372036854774784.0};
static const double high[] = {
    255, 127, 65535, 32767, 4294967295.0, 2147483647.0, 18446744073709549568.0, 9223372036854774784.0};

static void encode(unsigned char *p, double value, enum voxel_type type)
{
    if (type == VOXEL_F32) {
        float v = (float)value;
        uint32_t bits;
        memcpy(&bits, &v, 4);
        bytes_set(p, bits, 4, 0);
    } else if (type == VOXEL_F64) {
        uint64_t bits;
        memcpy(&bits, &value, 8);
        bytes_set(p, bits, 8, 0);
    } else {
        double v = isnan(value) ? 0 : nearbyint(value);
        v = v < low[type] ? low[type] : v > high[type] ? high[type] : v;
        bytes_set(p, v < 0 ? (uint64_t)(int64_t)v : (uint64_t)v, voxel_type_bytes(type), 0);
    }
}

/* As what is there has it. */
static double value_at(const struct volume *v, size_t i)
{
    return v->whole ? v->whole[i] : v->exact ? v->exact[i] : (double)v->voxel[i];
}

void voxels_encode(unsigned char *out, const struct volume *v, size_t first, size_t n, enum voxel_type type)
{
    size_t bytes = (size_t)voxel_type_bytes(type);
    for (size_t i = 0; i < n; i++) encode(out + i * bytes, value_at(v, first + i), type);
}

void voxels_round(const struct volume *v, enum voxel_type type)
{
    size_t n = type >= VOXEL_F32 ? 0 : volume_voxels(v);
    for (size_t i = 0; i < n; i++) {
        double x = isnan(v->voxel[i]) ? 0 : nearbyint(v->voxel[i]);
        v->voxel[i] = (float)(x < low[type] ? low[type] : x > high[type] ? high[type] : x);
    }
}

int voxels_check(const struct volume *v, enum voxel_type type, struct error *e)
{
    size_t n = volume_voxels(v), x = (size_t)v->size[0], y = (size_t)v->size[1], i = 0;
    double value = 0;
    if (type == VOXEL_F64 || (type == VOXEL_F32 && !v->exact)) return 0; /* as is every whole one */
    for (; i < n; i++) {
        value = value_at(v, i);
        if (type == VOXEL_F32 ? !((double)(float)value == value || isnan(value))
                              : !(value >= low[type] && value <= high[type] && value == floor(value)))
            break;
    }
    if (i == n) return 0;
    return error_set(e, "voxel (%zu, %zu, %zu) is %.*g, which %s cannot hold", i % x, i / x % y, i / x / y,
                     v->exact ? 17 : 7, value, voxel_type_name(type));
}

static int is_gap(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',';
}

int voxels_parse(float *out, double *exact, int *followed, const char *text, size_t size, size_t n,
                 enum voxel_type type, struct error *e)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        while (at < size && is_gap(text[at])) at++;
        size_t begin = at;
        double v;
        while (at < size && !is_gap(text[at])) at++;
        if (at == begin) return error_set(e, "cut off: %zu numbers, the header asks for %zu", i, n);
        size_t length = at - begin;
        if (length == 3 && strncasecmp(text + begin, "nan", 3) == 0) v = NAN;
        else if (text_parse_double(&v, text + begin, length))
            return error_set(e, "voxel %zu is '%.*s', no number", i, (int)(length < 20 ? length : 20),
                             text + begin);
        if (type < VOXEL_F32 && !(v >= low[type] && v <= high[type] && v == floor(v)))
            return error_set(e, "voxel %zu is %.*s, which %s cannot hold", i,
                             (int)(length < 20 ? length : 20), text + begin, voxel_type_name(type));
        /* 2^53 + 1 becomes 2^53 */
        if (exact && (type == VOXEL_U64 || type == VOXEL_I64) && fabs(v) >= 0x1p53)
            return error_set(e, "voxel %zu is %.*s: " VOXELS_BEYOND, i, (int)(length < 20 ? length : 20),
                             text + begin);
        out[i] = (float)v;
        if (exact) exact[i] = v;
    }
    while (at < size && is_gap(text[at])) at++;
    *followed |= at < size;
    return 0;
}

/* Elements of `bytes` bytes, through a copy. */
static void *split(const void *in, size_t bytes, size_t outer, size_t parts, size_t inner)
{
    unsigned char *out = malloc(outer * parts * inner * bytes);
    for (size_t o = 0; out && o < outer; o++)
        for (size_t p = 0; p < parts; p++)
            memcpy(out + (p * outer + o) * inner * bytes,
                   (const unsigned char *)in + (o * parts + p) * inner * bytes, inner * bytes);
    return out;
}

int voxels_split(struct volume *v, size_t outer, size_t parts, size_t inner, struct error *e)
{
    if (outer == 1 || parts == 1) return 0;
    float *voxel = split(v->voxel, sizeof *voxel, outer, parts, inner);
    double *exact = v->exact && voxel ? split(v->exact, sizeof *exact, outer, parts, inner) : NULL;
    int bad = !voxel || (v->exact && !exact);
    volume_free(v);
    v->voxel = voxel;
    v->exact = exact;
    if (bad) volume_free(v);
    return bad ? error_set(e, "out of memory for %zu voxels", outer * parts * inner) : 0;
}

int volume_set_size(struct volume *v, const int64_t size[4], const char *what, struct error *e)
{
    uint64_t total = 1;
    for (int i = 0; i < 4; i++) {
        if (size[i] < 1) return error_set(e, "%s: axis %d has %lld voxels", what, i, (long long)size[i]);
        if ((uint64_t)size[i] > ((uint64_t)1 << 40) / total)
            return error_set(e, "%s asks for more than 2^40 voxels", what);
        total *= (uint64_t)size[i];
        v->size[i] = size[i];
    }
    return volume_check_limit(v, e) ? error_prefix(e, "%s", what) : 0;
}

int unit_is_millimetre(const char *unit, size_t n)
{
    static const char *const names[] = {"", "none", "???", "?", "mm", "millimeter", "millimetre"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == n && strncasecmp(names[i], unit, n) == 0) return 1;
    return 0;
}

int volume_set_lps(struct volume *v, double column[3][3], const double origin[3], struct error *e)
{
    for (int k = 0; k < 3; k++) {
        double sum = 0;
        for (int i = 0; i < 3; i++) {
            sum += column[k][i] * column[k][i];
            v->affine[i][k] = i < 2 ? 0 - column[k][i] : column[k][i]; /* 0 - x: no negative zeros to print */
        }
        v->spacing[k] = sqrt(sum);
        if (!(sum > 0) || !isfinite(sum))
            return error_set(e, "axis %d has direction (%g, %g, %g)", k, column[k][0], column[k][1],
                             column[k][2]);
    }
    const double *a = column[0], *b = column[1], *c = column[2],
                 det = a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) +
                       a[2] * (b[0] * c[1] - b[1] * c[0]);
    if (!(fabs(det) > 1e-6 * v->spacing[0] * v->spacing[1] * v->spacing[2]))
        return error_set(e, "its three axes lie in a plane: (%g, %g, %g), (%g, %g, %g), (%g, %g, %g)", a[0],
                         a[1], a[2], b[0], b[1], b[2], c[0], c[1], c[2]);
    for (int i = 0; i < 3; i++) {
        if (!isfinite(origin[i]))
            return error_set(e, "origin is (%g, %g, %g)", origin[0], origin[1], origin[2]);
        v->affine[i][3] = i < 2 ? 0 - origin[i] : origin[i];
    }
    return 0;
}

void volume_set_flat(struct volume *v)
{
    double normal[3], sum = 0;
    v->flat = 1;
    v->spacing[2] = 999 * fmax(v->spacing[0], v->spacing[1]);
    volume_assume(v, "999 times the larger spacing across a plane");
    for (int i = 0; i < 3; i++) {
        int a = (i + 1) % 3, b = (i + 2) % 3;
        normal[i] = v->affine[a][0] * v->affine[b][1] - v->affine[b][0] * v->affine[a][1];
        sum += normal[i] * normal[i];
    }
    for (int i = 0; i < 3; i++)
        v->affine[i][2] = sum > 0 ? normal[i] / sqrt(sum) * v->spacing[2] : i == 2 ? v->spacing[2] : 0;
}

int volume_is_plane_xy(const struct volume *v)
{
    return v->flat && fabs(v->affine[2][0]) <= 1e-6 * v->spacing[0] &&
           fabs(v->affine[2][1]) <= 1e-6 * v->spacing[1];
}

int volume_set_natural(struct volume *v, int64_t width, int64_t height, int64_t slices, int64_t channels,
                       const char *what, struct error *e)
{
    const int64_t size[4] = {width, height, slices, channels};
    double column[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, origin[3] = {0};
    if (volume_set_size(v, size, what, e) || volume_set_lps(v, column, origin, e)) return -1;
    if (slices == 1) volume_set_flat(v);
    return 0;
}
