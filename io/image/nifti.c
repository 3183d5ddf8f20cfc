/* nifti.c - NIfTI-1, NIfTI-2 and Analyze 7.5.
 * The book: docs/book/01_voxel.md */
#include "io/image/nifti.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/pack/gzip.h"
#include "io/image/voxels.h"

enum { HEADER_1 = 348, HEADER_2 = 540 };

static int read_i16(const unsigned char *p, int big)
{
    return (int16_t)bytes_get(p, 2, big);
}

/* ---- headers ------------------------------------------------------------------------------------------- */

/* What both versions say, as numbers. */
struct header {
    int version, big, pair, analyze; /* pair: the voxels are in a .img */
    int64_t dim[8];
    int datatype, bitpix;
    double pixdim[8], stated[8]; /* stated: pixdim as the file has it */
    double slope, inter, offset;
    double analyze_scale; /* what SPM writes in the place of scl_slope in an Analyze header */
    int qform, sform, units;
    double quatern[3], qoffset[3], srow[3][4];
    char description[81];
};

static int detect(struct header *h, const unsigned char *p, size_t size, const char *name, struct error *e)
{
    if (size < 4) return error_set(e, "%s: %zu bytes, no NIfTI header", name, size);
    for (h->big = 0; h->big < 2; h->big++) {
        uint64_t n = bytes_get(p, 4, h->big);
        if (n == HEADER_1 || n == HEADER_2) {
            h->version = n == HEADER_1 ? 1 : 2;
            if (size < n) return error_set(e, "%s: header is cut off: %zu of %d bytes", name, size, (int)n);
            return 0;
        }
    }
    return error_set(e, "%s: no NIfTI file: sizeof_hdr is %u", name, (unsigned)bytes_get(p, 4, 0));
}

static void read_header_1(struct header *h, const unsigned char *p)
{
    int big = h->big;
    h->pair = memcmp(p + 344, "ni1", 4) == 0;
    h->analyze = !h->pair && memcmp(p + 344, "n+1", 4) != 0;
    h->pair |= h->analyze;
    for (int i = 0; i < 8; i++) {
        h->dim[i] = read_i16(p + 40 + 2 * i, big);
        h->pixdim[i] = bytes_get_f32(p + 76 + 4 * i, big);
    }
    h->datatype = read_i16(p + 70, big);
    h->bitpix = read_i16(p + 72, big);
    h->offset = bytes_get_f32(p + 108, big);
    h->slope = bytes_get_f32(p + 112, big);
    h->inter = bytes_get_f32(p + 116, big);
    h->units = p[123];
    memcpy(h->description, p + 148, 80);
    h->qform = read_i16(p + 252, big);
    h->sform = read_i16(p + 254, big);
    for (int i = 0; i < 3; i++) {
        h->quatern[i] = bytes_get_f32(p + 256 + 4 * i, big);
        h->qoffset[i] = bytes_get_f32(p + 268 + 4 * i, big);
        for (int k = 0; k < 4; k++) h->srow[i][k] = bytes_get_f32(p + 280 + 16 * i + 4 * k, big);
    }
    if (h->analyze) { /* none of these fields is there */
        h->analyze_scale = h->slope;
        h->slope = 0;
        h->qform = h->sform = h->units = 0;
        h->offset = 0;
    }
}

static void read_header_2(struct header *h, const unsigned char *p)
{
    int big = h->big;
    h->pair = memcmp(p + 4, "ni2", 3) == 0;
    h->datatype = read_i16(p + 12, big);
    h->bitpix = read_i16(p + 14, big);
    for (int i = 0; i < 8; i++) {
        h->dim[i] = (int64_t)bytes_get(p + 16 + 8 * i, 8, big);
        h->pixdim[i] = bytes_get_f64(p + 104 + 8 * i, big);
    }
    h->offset = (double)(int64_t)bytes_get(p + 168, 8, big);
    h->slope = bytes_get_f64(p + 176, big);
    h->inter = bytes_get_f64(p + 184, big);
    memcpy(h->description, p + 240, 80);
    h->qform = (int32_t)bytes_get(p + 344, 4, big);
    h->sform = (int32_t)bytes_get(p + 348, 4, big);
    for (int i = 0; i < 3; i++) {
        h->quatern[i] = bytes_get_f64(p + 352 + 8 * i, big);
        h->qoffset[i] = bytes_get_f64(p + 376 + 8 * i, big);
        for (int k = 0; k < 4; k++) h->srow[i][k] = bytes_get_f64(p + 400 + 32 * i + 8 * k, big);
    }
    h->units = (int32_t)bytes_get(p + 500, 4, big);
}

/* ---- voxel types --------------------------------------------------------------------------------------- */

static const struct {
    int code;
    enum voxel_type type;
} types[] = {{2, VOXEL_U8},    {4, VOXEL_I16},   {8, VOXEL_I32},  {16, VOXEL_F32},  {64, VOXEL_F64},
             {256, VOXEL_I8},  {512, VOXEL_U16}, {768, VOXEL_U32}, {1024, VOXEL_I64}, {1280, VOXEL_U64}};
enum { TYPES = sizeof types / sizeof *types };

static int find_type(enum voxel_type *type, const struct header *h, const char *name, struct error *e)
{
    for (int i = 0; i < TYPES; i++) {
        if (types[i].code != h->datatype) continue;
        *type = types[i].type;
        if (h->bitpix != 8 * voxel_type_bytes(*type))
            return error_set(e, "%s: bitpix is %d, datatype %d (%s) has %d", name, h->bitpix, h->datatype,
                             voxel_type_name(*type), 8 * voxel_type_bytes(*type));
        return 0;
    }
    const int d = h->datatype;
    const char *what = d == 128 || d == 2304               ? " (RGB: save each colour alone)"
                       : d == 32 || d == 1792 || d == 2048 ? " (complex: save magnitudes)"
                       : d == 1536                         ? " (128-bit float)"
                       : d == 1                            ? " (binary)" : "";
    return error_set(e, "%s: datatype %d%s is not supported", name, d, what);
}

/* ---- geometry ------------------------------------------------------------------------------------------ */

/* NIfTI-1's method 2: rotation from the quaternion, columns scaled by pixdim, the third turned by qfac. */
static void affine_from_qform(double a[3][4], const struct header *h)
{
    double b = h->quatern[0], c = h->quatern[1], d = h->quatern[2], square = 1 - (b * b + c * c + d * d), w;
    if (square < 1e-7) { /* a half turn: normalise instead */
        double n = sqrt(b * b + c * c + d * d);
        w = 0;
        if (n > 0) b /= n, c /= n, d /= n;
    } else w = sqrt(square);
    const double r[3][3] = {{w * w + b * b - c * c - d * d, 2 * (b * c - w * d), 2 * (b * d + w * c)},
                            {2 * (b * c + w * d), w * w + c * c - b * b - d * d, 2 * (c * d - w * b)},
                            {2 * (b * d - w * c), 2 * (c * d + w * b), w * w + d * d - b * b - c * c}};
    double qfac = h->pixdim[0] < 0 ? -1 : 1;
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++) a[i][k] = r[i][k] * h->pixdim[k + 1] * (k == 2 ? qfac : 1);
        a[i][3] = h->qoffset[i];
    }
}

static double to_mm(int units)
{
    switch (units & 7) {
    case 1: return 1e3;  /* metre */
    case 3: return 1e-3; /* micrometre */
    default: return 1;   /* millimetre, or unknown */
    }
}

/* Lengths of the columns; -1 where one is no direction. */
static int column_lengths(double length[3], const double a[3][4])
{
    int bad = 0;
    for (int k = 0; k < 3; k++) {
        length[k] = 0;
        for (int i = 0; i < 3; i++) length[k] += a[i][k] * a[i][k];
        length[k] = sqrt(length[k]);
        bad |= !(length[k] > 0) || !isfinite(length[k]);
    }
    return bad ? -1 : 0;
}

/* The columns stand at right angles, as closely as ITK wants it (it takes 1e-4 and refuses 3e-4). */
static int is_rectangular(const double a[3][4])
{
    double length[3];
    if (column_lengths(length, a)) return 0;
    for (int k = 0; k < 3; k++) {
        int l = (k + 1) % 3;
        double dot = a[0][k] * a[0][l] + a[1][k] * a[1][l] + a[2][k] * a[2][l];
        if (fabs(dot) > 2e-4 * length[k] * length[l]) return 0;
    }
    return 1;
}

/* Do the two matrices place some corner of the image a tenth of a voxel apart? */
static int places_differ(const double a[3][4], const double b[3][4], const struct header *h)
{
    double most = 0, least = fmin(h->pixdim[1], fmin(h->pixdim[2], h->pixdim[3]));
    for (int i = 0; i < 3; i++) {
        double apart = fabs(a[i][3] - b[i][3]);
        for (int k = 0; k < 3; k++)
            apart += fabs(a[i][k] - b[i][k]) * (double)(h->dim[0] > k ? h->dim[k + 1] - 1 : 0);
        most = fmax(most, apart);
    }
    return !(most <= 0.1 * least);
}

/* What the sform and the qform say beside each other, and the sform beside pixdim. */
static void tell_matrices(struct volume *v, const struct header *h, const double given[3], int takes_sform)
{
    double qform[3][4], length[3];
    const int usable = !column_lengths(length, h->srow);
    affine_from_qform(qform, h);
    if (h->sform > 0 && h->qform > 0 && !takes_sform && h->sform == 1)
        volume_assume(v, "the qform: the sform is %s", usable ? "sheared" : "singular");
    else if (h->sform > 0 && h->qform > 0 && places_differ(h->srow, qform, h))
        volume_assume(v, "the %s: the %s lies elsewhere", takes_sform ? "sform" : "qform",
                      takes_sform ? "qform" : "sform");
    for (int k = 0; takes_sform && usable && k < 3; k++)
        if (given[k] > 0 && fabs(given[k] - length[k]) > 0.001 * given[k])
            volume_assume(v, "spacing of pixdim[%d], %.6g: the sform has %.6g", k + 1, given[k], length[k]);
    const double *q = h->quatern, square = q[0] * q[0] + q[1] * q[1] + q[2] * q[2];
    if (h->qform > 0 && !takes_sform && square > 1.001)
        volume_assume(v, "a half turn: the quaternion has the length %.6g", sqrt(square));
}

/* What the header leaves open, or cannot mean, and what is put in its place. */
static void tell_assumed(struct volume *v, const struct header *h, const double given[3])
{
    int matrix = h->sform > 0 || h->qform > 0, unit = h->units & 7;
    for (int k = 0; k < 3 && k < h->dim[0]; k++)
        if (given[k] == 0)
            volume_assume(v, "pixdim[%d] is %g: spacing %s", k + 1, h->stated[k + 1],
                          matrix ? "of the matrix" : "1 mm");
    for (int k = 0; k < 3 && k < h->dim[0]; k++)
        if (h->stated[k + 1] < 0)
            volume_assume(v, "pixdim[%d] is %g: its size is taken", k + 1, h->stated[k + 1]);
    if (unit == 0) volume_assume(v, "millimetres");
    if (unit > 3) volume_assume(v, "millimetres: xyzt_units is %d", h->units);
    if (!matrix) volume_assume(v, "place and direction: no sform or qform");
    if ((h->slope == 0 || !isfinite(h->slope)) &&
        (isinf(h->slope) || (isfinite(h->inter) && h->inter != 0 && !h->analyze)))
        volume_assume(v, "values as stored: scl_slope is %g, scl_inter %g", h->slope, h->inter);
    else if (h->slope != 0 && isfinite(h->slope) && !isfinite(h->inter))
        volume_assume(v, "scl_inter 0: it is %g", h->inter);
    if (h->analyze && isfinite(h->analyze_scale) && h->analyze_scale != 0 && h->analyze_scale != 1)
        volume_assume(v, "values as stored: SPM's scale %.6g is not applied", h->analyze_scale);
}

/* As ITK reads it, and through it nnU-Net: the sform where it is the scanner's or stands alone and is
 * rectangular, else the qform; the spacing is pixdim's, and the matrix gives only directions and origin.
 * Where pixdim is none, the matrix gives the spacing too. */
static void set_geometry(struct volume *v, struct header *h)
{
    double mm = to_mm(h->units), length[3], given[3];
    memcpy(h->stated, h->pixdim, sizeof h->stated);
    for (int i = 1; i <= 3; i++) { /* a spacing of 0 or NaN means unknown */
        h->pixdim[i] = fabs(h->pixdim[i]);
        given[i - 1] = h->pixdim[i] > 0 && isfinite(h->pixdim[i]) && h->dim[0] >= i ? h->pixdim[i] : 0;
        if (given[i - 1] == 0) h->pixdim[i] = 1;
    }
    tell_assumed(v, h, given);
    memset(v->affine, 0, sizeof v->affine);
    const int takes_sform = h->sform > 0 && (h->qform <= 0 || (h->sform == 1 && is_rectangular(h->srow)));
    tell_matrices(v, h, given, takes_sform);
    if (takes_sform) memcpy(v->affine, h->srow, sizeof v->affine);
    else if (h->qform > 0) affine_from_qform(v->affine, h);
    else
        for (int i = 0; i < 3; i++) {
            /* no place: ITK's axes, or the centre of an Analyze header, whose x goes to the left */
            v->affine[i][i] = i == 0 || (i == 1 && !h->analyze) ? -h->pixdim[i + 1] : h->pixdim[i + 1];
            if (h->analyze) v->affine[i][3] = -v->affine[i][i] * (double)(v->size[i] - 1) / 2;
        }
    int bad = column_lengths(length, v->affine);
    if (bad)
        volume_assume(v, "axes along x, y and z, place 0: the %s is singular",
                      takes_sform ? "sform" : "qform");
    for (int k = 0; k < 3; k++) {
        double want = bad ? h->pixdim[k + 1] : given[k] > 0 ? given[k] : length[k];
        for (int i = 0; i < 3; i++)
            v->affine[i][k] = (bad ? i == k : v->affine[i][k] / length[k]) * want *
                              mm; /* a singular matrix places nothing */
        if (!bad && !isfinite(v->affine[k][3]))
            volume_assume(v, "place 0 along %c: the %s has %g", "xyz"[k], takes_sform ? "sform" : "qform",
                          v->affine[k][3]);
        v->affine[k][3] = bad || !isfinite(v->affine[k][3]) ? 0 : v->affine[k][3] * mm;
        v->spacing[k] = want * mm;
    }
    if (h->dim[0] == 2) volume_set_flat(v);
    v->step_unit = h->units & 0x38;
    if (v->size[3] > 1 && h->dim[4] > 1 && isfinite(h->pixdim[4]) && h->pixdim[4] > 0 &&
        (v->step_unit || h->pixdim[4] != 1)) { /* 1 of no unit is what writers put there for nothing */
        v->step = h->pixdim[4];
    }
}

/* ---- parsing ------------------------------------------------------------------------------------------- */

static int set_size(struct volume *v, struct header *h, const char *name, struct error *e)
{
    if (h->dim[0] < 1 || h->dim[0] > 7)
        return error_set(e, "%s: dim[0] is %lld, must be 1 to 7", name, (long long)h->dim[0]);
    for (int i = 0; i < 4; i++) v->size[i] = 1;
    uint64_t total = 1;
    for (int i = 1; i <= h->dim[0]; i++) {
        int64_t n = h->dim[i];
        if (n < 1 && !(n == 0 && i > 3)) return error_set(e, "%s: dim[%d] is %lld", name, i, (long long)n);
        if (n == 0) n = 1;
        if (i > 4 && n != 1 && (i > 5 || v->size[3] > 1)) /* dim[5]: the components of a voxel */
            return error_set(e, "%s: dim[%d] is %lld: more than four dimensions", name, i, (long long)n);
        if ((uint64_t)n > ((uint64_t)1 << 40) / total)
            return error_set(e, "%s: dim asks for more than 2^40 voxels", name);
        total *= (uint64_t)n;
        if (i <= 4 || n > 1) v->size[i < 4 ? i - 1 : 3] = n;
    }
    return volume_check_limit(v, e) ? error_prefix(e, "%s: dim", name) : 0;
}

/* Where the voxels begin, and where they end. */
static int find_voxels(double *offset, double *end, const struct header *h, const struct volume *v,
                       const char *name, struct error *e)
{
    double least = h->pair ? 0 : h->version == 1 ? HEADER_1 : HEADER_2;
    *offset = h->offset == 0 && !h->pair ? least + 4
                                         : h->offset; /* 0: the header and the four bytes after it */
    if (!(*offset >= least) || *offset > 1e15 || *offset != floor(*offset))
        return error_set(e, "%s: vox_offset is %g", name, h->offset);
    *end = *offset + (double)volume_voxels(v) * voxel_type_bytes(v->type);
    return 0;
}

static int read_voxels(struct volume *v, const struct header *h, const unsigned char *data, size_t size,
                       const char *name, int what, struct error *e)
{
    double offset, end;
    if (find_voxels(&offset, &end, h, v, name, e)) return -1;
    if (end > (double)size)
        return error_set(e, "%s: cut off: %zu bytes, dim and datatype ask for %.0f", name, size, end);
    if (end < (double)size) volume_assume(v, VOXELS_FOLLOWED);
    double slope = h->slope, inter = h->inter;
    if (slope == 0 || !isfinite(slope)) slope = 1, inter = 0;
    if (!isfinite(inter)) inter = 0;
    return voxels_read(v, data + (size_t)offset, h->big, slope, inter, what, e) ? error_prefix(e, "%s", name)
                                                                                : 0;
}

/* All but the voxels. */
static int read_header(struct volume *v, struct header *h, const unsigned char *data, size_t size,
                       const char *name, struct error *e)
{
    memset(v, 0, sizeof *v);
    memset(h, 0, sizeof *h);
    if (detect(h, data, size, name, e)) return -1;
    if (h->version == 1) read_header_1(h, data);
    else read_header_2(h, data);
    if (set_size(v, h, name, e) || find_type(&v->type, h, name, e)) return -1;
    set_geometry(v, h);
    snprintf(v->format, sizeof v->format,
             h->analyze        ? "Analyze 7.5"
             : h->version == 1 ? "NIfTI-1"
                               : "NIfTI-2");
    snprintf(v->description, sizeof v->description, "%s", h->description);
    return 0;
}

int nifti_parse(struct volume *v, const unsigned char *data, size_t size, const unsigned char *img,
                size_t img_size, const char *name, int what, struct error *e)
{
    struct header h;
    if (read_header(v, &h, data, size, name, e)) return -1;
    if (what & VOLUME_HEADER) return 0;
    if (h.pair && !img) return error_set(e, "%s: its voxels are in a .img file, which is not there", name);
    return h.pair ? read_voxels(v, &h, img, img_size, name, what, e)
                  : read_voxels(v, &h, data, size, name, what, e);
}

static int is_gzip(const unsigned char *data, size_t size)
{
    return size >= 2 && data[0] == 0x1f && data[1] == 0x8b;
}

/* A file as it is: all of it, or its beginning. */
struct source {
    const char *path;
    unsigned char *data;
    size_t size;
    int whole;
};

static int source_read(struct source *s, size_t most, struct error *e)
{
    free(s->data);
    s->data = NULL;
    if (file_read_begin(s->path, most, &s->data, &s->size, e)) return -1;
    s->whole = s->size < most;
    return 0;
}

/* The first `want` bytes of a file and as many as `more` behind them, unpacked where it is gzipped,
 * malloc'ed; fewer where there are no more. What follows is not unpacked, nor read where the beginning is
 * enough. */
static int unpack(unsigned char **data, size_t *size, struct source *s, double want, size_t more,
                  struct error *e)
{
    const size_t most = (want < 1e18 ? (size_t)want : SIZE_MAX / 4) + more;
    struct error ignored;
    if (!is_gzip(s->data, s->size)) return file_read_begin(s->path, most, data, size, e);
    if (!s->whole && most < s->size && !gzip_begin(s->data, s->size, most, data, size, &ignored)) {
        if (*size >= most) return 0;
        free(*data);
        *data = NULL;
    }
    if (!s->whole && source_read(s, SIZE_MAX, e)) return -1;
    if (want > (double)s->size * 1040 + 1024)
        return error_set(e, "%s: cut off: %zu packed bytes cannot hold the %.0f that dim and datatype ask "
                            "for", s->path, s->size, want);
    return gzip_begin(s->data, s->size, most, data, size, e) ? error_prefix(e, "%s", s->path) : 0;
}

/* name.hdr -> name.img, name.hdr.gz -> name.img.gz (or the other of both). */
static int find_image(char *path, size_t size, const char *header, struct error *e)
{
    size_t n = strlen(header);
    const char *suffix = file_has_suffix(header, ".gz") ? ".hdr.gz" : ".hdr";
    if (!file_has_suffix(header, suffix) || n + 4 > size)
        return error_set(e, "%s: is a header of a pair, but is not named .hdr", header);
    int stem = (int)(n - strlen(suffix));
    snprintf(path, size, "%.*s.img%s", stem, header, suffix + 4);
    if (file_exists(path)) return 0;
    snprintf(path, size, "%.*s.img%s", stem, header, suffix[4] ? "" : ".gz");
    return file_exists(path) ? 0
                             : error_set(e, "%s: its voxels, %.*s.img, are not there", header, stem, header);
}

int nifti_read(struct volume *v, const char *path, int what, struct error *e)
{
    char other[2048], header[2048];
    const char *name = path;
    size_t n = strlen(path), size;
    if (n >= sizeof header) return error_set(e, "%.100s...: path is too long", path);
    if (file_has_suffix(path, ".img") || file_has_suffix(path, ".img.gz")) {
        /* named by its voxels: find the header */
        const char *gz = file_has_suffix(path, ".gz") ? ".gz" : "";
        int stem = (int)(n - 4 - strlen(gz));
        snprintf(header, sizeof header, "%.*s.hdr%s", stem, path, gz);
        if (!file_exists(header)) snprintf(header, sizeof header, "%.*s.hdr%s", stem, path, *gz ? "" : ".gz");
        name = header;
    }
    struct header h;
    struct source file = {.path = name};
    unsigned char *data = NULL;
    double offset, end;
    /* A header is within the first BEGIN bytes, packed or not. What lies behind the last voxel is told; where
     * that is no more than BEHIND, a packed file is unpacked to its end, where its checksum is. */
    enum { BEGIN = 16384, BEHIND = 65536 };
    if (source_read(&file, BEGIN, e)) return -1;
    int status = unpack(&data, &size, &file, HEADER_2, 0, e) || read_header(v, &h, data, size, name, e);
    if (!status && !(what & VOLUME_HEADER)) {
        status = find_voxels(&offset, &end, &h, v, name, e);
        if (!status && h.pair) {
            status = find_image(other, sizeof other, name, e);
            file.path = other;
            if (!status) status = source_read(&file, BEGIN, e);
        }
        free(data);
        data = NULL;
        if (!status) status = unpack(&data, &size, &file, end, BEHIND, e);
    }
    free(file.data); /* before there are voxels, which are larger */
    if (!status && !(what & VOLUME_HEADER)) status = read_voxels(v, &h, data, size, name, what, e);
    free(data);
    return status ? -1 : 0;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static void write_le(unsigned char *p, uint64_t v, int bytes)
{
    bytes_set(p, v, bytes, 0);
}

static void write_f32(unsigned char *p, double value)
{
    float v = (float)value;
    uint32_t bits;
    memcpy(&bits, &v, 4);
    write_le(p, bits, 4);
}

/* Quaternion and qfac of the affine's directions, made orthonormal by Gram-Schmidt. */
static void write_qform(unsigned char *p, const struct volume *v)
{
    double r[3][3], qfac = 1, q[4];
    for (int k = 0; k < 3; k++) {
        double column[3], n = 0;
        for (int i = 0; i < 3; i++) column[i] = v->affine[i][k];
        for (int j = 0; j < k; j++) {
            double dot = 0;
            for (int i = 0; i < 3; i++) dot += r[i][j] * column[i];
            for (int i = 0; i < 3; i++) column[i] -= dot * r[i][j];
        }
        for (int i = 0; i < 3; i++) n += column[i] * column[i];
        n = n > 0 ? sqrt(n) : 1;
        for (int i = 0; i < 3; i++) r[i][k] = column[i] / n;
    }
    double det = r[0][0] * (r[1][1] * r[2][2] - r[1][2] * r[2][1]) -
                 r[0][1] * (r[1][0] * r[2][2] - r[1][2] * r[2][0]) +
                 r[0][2] * (r[1][0] * r[2][1] - r[1][1] * r[2][0]);
    if (det < 0) {
        qfac = -1;
        for (int i = 0; i < 3; i++) r[i][2] = -r[i][2];
    }
    /* The largest of the four components is taken from the diagonal, the others from it. */
    double t[4] = {1 + r[0][0] + r[1][1] + r[2][2], 1 + r[0][0] - r[1][1] - r[2][2],
                   1 - r[0][0] + r[1][1] - r[2][2], 1 - r[0][0] - r[1][1] + r[2][2]};
    int big = 0;
    for (int i = 1; i < 4; i++) if (t[i] > t[big]) big = i;
    double s = sqrt(t[big]) / 2, d = 1 / (4 * s);
    double x = r[2][1] - r[1][2], y = r[0][2] - r[2][0], z = r[1][0] - r[0][1];
    double xy = r[0][1] + r[1][0], xz = r[0][2] + r[2][0], yz = r[1][2] + r[2][1];
    const double all[4][4] = {{s, x * d, y * d, z * d},
                              {x * d, s, xy * d, xz * d},
                              {y * d, xy * d, s, yz * d},
                              {z * d, xz * d, yz * d, s}};
    double sign = all[big][0] < 0 ? -1 : 1; /* the first component is implied, and positive */
    for (int i = 0; i < 4; i++) q[i] = sign * all[big][i];
    write_f32(p + 76, qfac);
    for (int i = 0; i < 3; i++) {
        write_f32(p + 256 + 4 * i, q[i + 1]);
        write_f32(p + 268 + 4 * i, v->affine[i][3]);
    }
}

static int write_header(unsigned char *p, const struct volume *v, enum voxel_type type, const char *path,
                        struct error *e)
{
    int dims = v->size[3] > 1 ? 4 : v->flat ? 2 : 3;
    memset(p, 0, 352);
    write_le(p, HEADER_1, 4);
    write_le(p + 40, (uint64_t)dims, 2);
    for (int i = 0; i < 7; i++) {
        int64_t n = i < 4 ? v->size[i] : 1;
        if (n < 1 || n > 32767)
            return error_set(e, "%s: size %lld along axis %d does not fit NIfTI-1", path, (long long)n,
                             i + 1);
        write_le(p + 42 + 2 * i, (uint64_t)n, 2);
        write_f32(p + 80 + 4 * i, i < 3 ? v->spacing[i] : i == 3 && dims == 4 && v->step > 0 ? v->step : 1);
    }
    for (int i = 0; i < TYPES; i++)
        if (types[i].type == type) write_le(p + 70, (uint64_t)types[i].code, 2);
    write_le(p + 72, (uint64_t)(8 * voxel_type_bytes(type)), 2);
    write_f32(p + 108, 352);
    write_f32(p + 112, 1);
    p[123] = (unsigned char)(2 | (dims == 4 && v->step > 0 ? v->step_unit : 0)); /* 2: millimetres */
    memcpy(p + 148, v->description, strnlen(v->description, 79));
    write_le(p + 254, 1, 2);
    if (is_rectangular(v->affine)) { /* a quaternion cannot hold a shear: then the sform stands alone */
        write_le(p + 252, 1, 2);
        write_qform(p, v);
    }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++) write_f32(p + 280 + 16 * i + 4 * k, v->affine[i][k]);
    memcpy(p + 344, "n+1", 4);
    return 0;
}

int nifti_write(const struct volume *v, const char *path, enum voxel_type type, struct error *e)
{
    size_t n = volume_voxels(v), bytes = (size_t)voxel_type_bytes(type), size = 352 + n * bytes;
    unsigned char *data = malloc(size);
    if (!data) return error_set(e, "%s: out of memory for %zu bytes", path, size);
    int status = write_header(data, v, type, path, e);
    if (!status) voxels_encode(data + 352, v, 0, n, type);
    if (!status && file_has_suffix(path, ".gz")) {
        size_t packed_size;
        unsigned char *packed = gzip_compress(data, size, 6, &packed_size);
        status = packed ? file_write(path, packed, packed_size, e) : error_set(e, "%s: out of memory", path);
        free(packed);
    } else if (!status) {
        status = file_write(path, data, size, e);
    }
    free(data);
    return status;
}

/* ---- the format ---------------------------------------------------------------------------------------- */

/* An Analyze header has no magic: only its name tells. */
static int is_nifti(const unsigned char *p, size_t size)
{
    struct header h;
    struct error ignored;
    if (detect(&h, p, size, "", &ignored)) return 0;
    return h.version == 1 ? memcmp(p + 344, "n+1", 4) == 0 || memcmp(p + 344, "ni1", 4) == 0
                          : memcmp(p + 4, "n+2", 3) == 0 || memcmp(p + 4, "ni2", 3) == 0;
}

static const struct image_ending endings[] = {{".nii.gz", 1, 0, "SimpleITKIO"},
                                              {".nii", 1, 0, "NibabelIO"},
                                              {".hdr", 0, 0, NULL},
                                              {".hdr.gz", 0, 0, NULL},
                                              {".img", 0, 1, NULL},
                                              {".img.gz", 0, 1, NULL},
                                              {NULL, 0, 0, NULL}};
const struct image_format nifti_format = {"NIfTI",    endings, 1,    0,          is_nifti,
                                          nifti_read, NULL,    NULL, nifti_write};
