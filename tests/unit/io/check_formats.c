/* check_formats.c - files, PNG and NIfTI: known answers, round trips, and every way to cut or flip a byte.
 * Damage must give an error or a valid result, never a crash. Run under sanitizers by check-all. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/base/file.h"
#include "io/image/nifti.h"
#include "io/image/voxels.h"
#include "io/pack/gzip.h"
#include "io/pack/inflate.h"
#include "io/picture/png.h"
#include "io/formats/image_formats.h"
#include "tests/unit/io/damage.h"

static int try_nifti(const unsigned char *data, size_t size)
{
    struct volume v;
    struct error e = {""};
    int status = nifti_parse(&v, data, size, NULL, 0, "test.nii", 0, &e);
    if (status) CHECK(strncmp(e.text, "test.nii", 8) == 0, "message without the file: %s", e.text);
    else volume_free(&v);
    return status;
}

/* ---- NIfTI --------------------------------------------------------------------------------------------- */

static struct volume make_volume(int nx, int ny, int nz)
{
    struct volume v = {.size = {nx, ny, nz, 1}, .spacing = {0.5, 2, 3}};
    /* A turn about two axes, mirrored: qfac is -1. */
    static const double r[3][3] = {{0.36, 0.48, -0.8}, {-0.8, 0.6, 0}, {-0.48, -0.64, -0.6}};
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++) v.affine[i][k] = r[i][k] * v.spacing[k];
        v.affine[i][3] = 10 * i - 7.25;
    }
    v.voxel = malloc((size_t)nx * ny * nz * sizeof(float));
    for (int i = 0; i < nx * ny * nz; i++) v.voxel[i] = (float)(i % 120);
    return v;
}

static void check_nifti_types(void)
{
    struct volume v = make_volume(5, 4, 3), r;
    struct error e = {""};
    v.voxel[0] = -3.6f;
    v.voxel[1] = 300.4f;
    v.voxel[2] = NAN;
    for (int type = VOXEL_U8; type <= VOXEL_F64; type++)
        for (int gz = 0; gz < 2; gz++) {
            const char *path = in_folder(gz ? "a.nii.gz" : "a.nii"),
                       *name = voxel_type_name((enum voxel_type)type);
            CHECK(type >= VOXEL_F32 || (volume_write(&v, path, (enum voxel_type)type, &e) == -1 &&
                                        strstr(e.text, "voxel (0, 0, 0) is -3.6") && strstr(e.text, name)),
                  "%s: %s", name, e.text);
            CHECK(nifti_write(&v, path, (enum voxel_type)type, &e) == 0 && volume_read(&r, path, &e) == 0,
                  "%s: %s", name, e.text);
            CHECK((int)r.type == type && volume_same_geometry(&v, &r, &e) == 0, "%s: %s", name, e.text);
            for (int i = 3; i < 60; i++)
                CHECK(r.voxel[i] == v.voxel[i], "%s voxel %d: %g", name, i, r.voxel[i]);
            int is_unsigned = type == VOXEL_U8 || type == VOXEL_U16 || type == VOXEL_U32 || type == VOXEL_U64,
                real = type >= VOXEL_F32;
            CHECK(r.voxel[0] == (real          ? -3.6f
                                 : is_unsigned ? 0
                                               : -4),
                  "%s: -3.6 becomes %g", name, r.voxel[0]);
            CHECK(r.voxel[1] == (real               ? 300.4f
                                 : type == VOXEL_U8 ? 255
                                 : type == VOXEL_I8 ? 127
                                                    : 300),
                  "%s: 300.4 becomes %g", name, r.voxel[1]);
            CHECK(real ? isnan(r.voxel[2]) : r.voxel[2] == 0, "%s: NaN becomes %g", name, r.voxel[2]);
            volume_free(&r);
        }
    volume_free(&v);
}

static void put16(unsigned char *p, int v) { p[0] = (unsigned char)v, p[1] = (unsigned char)(v >> 8); }
static void put_float(unsigned char *p, float v) { memcpy(p, &v, 4); }
static void put_double(unsigned char *p, double v, int big)
{
    uint64_t bits;
    memcpy(&bits, &v, 8);
    bytes_set(p, bits, 8, big);
}

/* A file's header changed in one field, and what must come of it. */
static void check_nifti_headers(void)
{
    struct volume v = make_volume(5, 4, 3), r;
    struct error e = {""};
    unsigned char *good, *data;
    size_t size = 0;
    CHECK(volume_write(&v, in_folder("h.nii"), VOXEL_I16, &e) == 0 &&
              file_read(in_folder("h.nii"), 0, &good, &size, &e) == 0,
          "%s", e.text);
    data = malloc(size);
#define TRY(change, good_or_bad, message_)                                                                \
    do {                                                                                                  \
        memcpy(data, good, size);                                                                         \
        change;                                                                                           \
        int status_ = nifti_parse(&r, data, size, NULL, 0, "h.nii", 0, &e);                               \
        CHECK(status_ == (good_or_bad), "%s: %s", #change, status_ ? e.text : "accepted");                \
        if (status_)                                                                                      \
            CHECK(strstr(e.text, message_) != NULL, "%s: message is '%s', without '%s'", #change, e.text, \
                  message_);                                                                              \
    } while (0)
    TRY(put16(data + 40, 0), -1, "dim[0] is 0");
    TRY(put16(data + 40, 8), -1, "dim[0] is 8");
    TRY(put16(data + 42, -4), -1, "dim[1] is -4");
    TRY(put16(data + 42, 32767), -1, "cut off");
    TRY((put16(data + 40, 7), put16(data + 50, 32767), put16(data + 52, 32767)), -1, "more than four");
    TRY((put16(data + 42, 32767), put16(data + 44, 32767), put16(data + 46, 32767)), -1, "");
    TRY(put16(data + 70, 128), -1, "datatype 128 (RGB: save each");
    TRY(put16(data + 70, 1792), -1, "datatype 1792 (complex: save");
    TRY(put16(data + 70, 1536), -1, "128-bit");
    TRY(put16(data + 70, 3), -1, "datatype 3");
    TRY(put16(data + 72, 8), -1, "bitpix is 8");
    TRY(put_float(data + 108, 1e9f), -1, "cut off");
    TRY(put_float(data + 108, -5), -1, "vox_offset");
    TRY(put_float(data + 108, NAN), -1, "vox_offset");
    TRY(data[344] = 'x', -1, ".img");
    TRY(put16(data, 349), -1, "sizeof_hdr");
    TRY((put_float(data + 112, 2), put_float(data + 116, 5)), 0, "");
    CHECK(r.voxel[3] == 11, "slope 2, intercept 5: voxel is %g", r.voxel[3]);
    volume_free(&r);
    TRY((put_float(data + 112, 0), put_float(data + 116, 5)), 0, "");
    CHECK(r.voxel[3] == 3, "slope 0: voxel is %g", r.voxel[3]);
    volume_free(&r);
    TRY((put_float(data + 112, NAN), put_float(data + 116, NAN)), 0, "");
    CHECK(r.voxel[3] == 3, "slope NaN: voxel is %g", r.voxel[3]);
    volume_free(&r);
    TRY(put16(data + 254, 0), 0, ""); /* sform off: the quaternion gives the same matrix */
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++) CHECK_NEAR(r.affine[i][k], v.affine[i][k], 1e-5, "qform [%d][%d]", i, k);
    volume_free(&r);
    TRY((put16(data + 254, 0), put_float(data + 92, 0)), 0, ""); /* no length of an axis */
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++)
            CHECK_NEAR(r.affine[i][k], v.affine[i][k], 1e-5, "qform, no time: [%d][%d]", i, k);
    volume_free(&r);
    TRY((put16(data + 254, 0), put16(data + 252, 0)), 0, ""); /* neither: spacing alone */
    CHECK_NEAR(r.affine[0][0], -0.5, 1e-6, "Analyze's x");
    CHECK_NEAR(r.affine[2][2], 3, 1e-6, "Analyze's z");
    volume_free(&r);
    TRY(memset(data + 280, 0, 48), 0, ""); /* singular sform */
    CHECK_NEAR(r.spacing[1], 2, 1e-6, "spacing from pixdim");
    volume_free(&r);
#undef TRY
    unsigned char *small = malloc(size);
    memcpy(small, good, size);
    check_damage(small, size, try_nifti, "nii");
    free(small);
    free(data);
    free(good);
    volume_free(&v);
}

static void expect_voxels(const struct volume *v, const char *path, const char *what)
{
    struct volume r;
    struct error e = {""};
    CHECK(!volume_read_header(&r, path, &e) && r.voxel == NULL && r.size[0] == v->size[0], "%s: %s", what,
          e.text);
    if (volume_read(&r, path, &e)) {
        CHECK(0, "%s: %s", what, e.text);
        return;
    }
    CHECK(memcmp(r.voxel, v->voxel, volume_voxels(v) * sizeof *r.voxel) == 0, "%s: other voxels", what);
    volume_free(&r);
}

/* Files longer than the beginning that is read first: packed, with a name of its own in front that is longer
 * than this, with packed voxels in a file of their own, plain; and cut off behind it. */
static void check_nifti_beginnings(void)
{
    enum { SIDE = 30, NAME = 20000 };
    struct volume v = make_volume(SIDE, SIDE, SIDE), r;
    struct error e = {""};
    unsigned char *data = NULL, *packed = NULL;
    size_t size = 0, packed_size = 0;
    uint32_t random = 1;
    for (size_t i = 0; i < volume_voxels(&v); i++) v.voxel[i] = (float)((random = random * 1664525 + 1) >> 8);
    CHECK(!nifti_write(&v, in_folder("b.nii"), VOXEL_F32, &e) &&
              !file_read(in_folder("b.nii"), 0, &data, &size, &e) &&
              (packed = gzip_compress(data, size, 6, &packed_size)) && packed_size > 50000 &&
              !file_write(in_folder("b.nii.gz"), packed, packed_size, &e),
          "%zu bytes: %s", packed_size, e.text);
    expect_voxels(&v, in_folder("b.nii"), "plain");
    expect_voxels(&v, in_folder("b.nii.gz"), "packed");
    unsigned char *named = malloc(packed_size + NAME);
    memcpy(named, packed, 10);
    memset(named + 10, 'n', NAME - 1);
    named[10 + NAME - 1] = 0;
    named[3] |= 8; /* RFC 1952: FNAME */
    memcpy(named + 10 + NAME, packed + 10, packed_size - 10);
    CHECK(!file_write(in_folder("n.nii.gz"), named, packed_size + NAME, &e), "%s", e.text);
    expect_voxels(&v, in_folder("n.nii.gz"), "a long name");
    for (int cut = 0; cut < 2; cut++) { /* the header is there, or not even its code */
        const size_t part = cut ? NAME : NAME + packed_size / 2;
        CHECK(!file_write(in_folder("n.nii.gz"), named, part, &e), "%s", e.text);
        CHECK(volume_read_header(&r, in_folder("n.nii.gz"), &e) == (cut ? -1 : 0), "cut off: %s", e.text);
        CHECK(volume_read(&r, in_folder("n.nii.gz"), &e) && strstr(e.text, "n.nii.gz: ") &&
                  strstr(e.text, "cut off"),
              "cut off: %s", e.text);
    }
    free(packed);
    memcpy(data + 344, "ni1", 4);
    memset(data + 108, 0, 4);
    packed = gzip_compress(data + 352, size - 352, 6, &packed_size);
    CHECK(!file_write(in_folder("b.hdr"), data, 348, &e) &&
              !file_write(in_folder("b.img.gz"), packed, packed_size, &e),
          "%s", e.text);
    expect_voxels(&v, in_folder("b.hdr"), "pair");
    CHECK(!file_write(in_folder("b.img.gz"), packed, packed_size / 2, &e), "%s", e.text);
    CHECK(volume_read(&r, in_folder("b.hdr"), &e) && strstr(e.text, "b.img.gz: ") &&
              strstr(e.text, "cut off"),
          "half of a pair: %s", e.text);
    free(named);
    free(packed);
    free(data);
    volume_free(&v);
}

/* The same header in the other byte order, and as a pair of files. */
static void check_nifti_layouts(void)
{
    struct volume v = make_volume(3, 2, 2), r;
    struct error e = {""};
    unsigned char *data;
    size_t size = 0;
    CHECK(volume_write(&v, in_folder("o.nii"), VOXEL_I16, &e) == 0 &&
              file_read(in_folder("o.nii"), 0, &data, &size, &e) == 0,
          "%s", e.text);
    static const struct {
        int at, bytes, count;
    } fields[] = {{0, 4, 1},   {40, 2, 8},  {70, 2, 2},   {76, 4, 8},
                  {108, 4, 3}, {252, 2, 2}, {256, 4, 18}, {352, 2, 12}};
    unsigned char *big = malloc(size);
    memcpy(big, data, size);
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
        for (int i = 0; i < fields[f].count; i++)
            for (int k = 0; k < fields[f].bytes; k++) {
                int at = fields[f].at + i * fields[f].bytes;
                big[at + k] = data[at + fields[f].bytes - 1 - k];
            }
    CHECK(nifti_parse(&r, big, size, NULL, 0, "big.nii", 0, &e) == 0, "%s", e.text);
    CHECK(volume_same_geometry(&v, &r, &e) == 0 && memcmp(r.voxel, v.voxel, 12 * sizeof(float)) == 0,
          "big endian: %s", e.text);
    volume_free(&r);
    memcpy(data + 344, "ni1", 4);
    memset(data + 108, 0, 4);
    CHECK(file_write(in_folder("p.hdr"), data, 348, &e) == 0 &&
              file_write(in_folder("p.img"), data + 352, size - 352, &e) == 0,
          "%s", e.text);
    for (int i = 0; i < 2; i++) {
        CHECK(volume_read(&r, in_folder(i ? "p.img" : "p.hdr"), &e) == 0, "pair: %s", e.text);
        CHECK(memcmp(r.voxel, v.voxel, 12 * sizeof(float)) == 0, "pair: other voxels");
        volume_free(&r);
    }
    unlink(in_folder("p.img"));
    CHECK(volume_read(&r, in_folder("p.hdr"), &e) == -1 && strstr(e.text, "p.img"),
          "header without image: %s", e.text);
    CHECK(volume_read_header(&r, in_folder("p.hdr"), &e) == 0 && r.voxel == NULL, "header alone: %s", e.text);
    CHECK(volume_read(&r, in_folder("absent.nii"), &e) == -1 && strstr(e.text, "absent.nii"),
          "absent file: %s", e.text);
    CHECK(volume_read(&r, in_folder("absent.xyz"), &e) == -1, "unknown suffix accepted");
    free(big);
    free(data);
    volume_free(&v);
}

/* NIfTI-2 in both byte orders: 540 bytes of wider fields, in another order than NIfTI-1's. */
static void check_nifti_2(void)
{
    enum { HEADER = 540, VOXELS = 544, COUNT = 5 * 4 * 3 };
    struct volume v = make_volume(5, 4, 3), r;
    struct error e = {""};
    for (int k = 0; k < 6; k++) {
        const int big = k % 2, qform = k / 2 == 1, cut = k / 2 == 2;
        unsigned char file[VOXELS + 2 * COUNT] = {0};
        const double quatern[3] = {0, 0.6, 0}; /* by 73.7 degrees about y */
        bytes_set(file, HEADER, 4, big);
        memcpy(file + 4, "n+2\0\r\n\032\n", 8);
        bytes_set(file + 12, 4, 2, big); /* int16 */
        bytes_set(file + 14, 16, 2, big);
        for (int i = 0; i < 4; i++) bytes_set(file + 16 + 8 * i, i ? 6 - (uint64_t)i : 3, 8, big);
        put_double(file + 104, 1, big); /* qfac */
        for (int i = 0; i < 3; i++) put_double(file + 112 + 8 * i, v.spacing[i], big);
        bytes_set(file + 168, VOXELS, 8, big);
        put_double(file + 176, 2, big); /* slope and intercept */
        put_double(file + 184, -5, big);
        memcpy(file + 240, "of NIfTI-2", 10);
        bytes_set(file + (qform ? 344 : 348), 1, 4, big);
        for (int i = 0; i < 3; i++) {
            put_double(file + 352 + 8 * i, quatern[i], big);
            put_double(file + 376 + 8 * i, 100 + i, big);
            for (int j = 0; j < 4; j++) put_double(file + 400 + 32 * i + 8 * j, v.affine[i][j], big);
        }
        bytes_set(file + 500, 2, 4, big); /* millimetres */
        for (int i = 0; i < COUNT; i++) bytes_set(file + VOXELS + 2 * i, (uint64_t)(i * 7), 2, big);
        const int status = nifti_parse(&r, file, sizeof file - (size_t)cut, NULL, 0, "two.nii", 0, &e);
        if (cut) {
            CHECK(status == -1 && strstr(e.text, "cut off"), "cut: %s", status ? e.text : "accepted");
            continue;
        }
        CHECK(status == 0, "%s", e.text);
        if (status) continue;
        CHECK(strcmp(r.format, "NIfTI-2") == 0 && strcmp(r.description, "of NIfTI-2") == 0 &&
                  r.type == VOXEL_I16 && r.size[0] == 5 && r.size[1] == 4 && r.size[2] == 3 && r.size[3] == 1,
              "%s, '%s', type %d, %lld x %lld x %lld", r.format, r.description, r.type, (long long)r.size[0],
              (long long)r.size[1], (long long)r.size[2]);
        int wrong = 0;
        for (int i = 0; i < COUNT; i++) wrong += r.voxel[i] != (float)(2 * 7 * i - 5);
        CHECK(wrong == 0, "%d voxels differ", wrong);
        /* a = 0.8, c = 0.6: cosine 0.28, sine 0.96 */
        const double turned[3][4] = {
            {0.28 * 0.5, 0, 0.96 * 3, 100}, {0, 2, 0, 101}, {-0.96 * 0.5, 0, 0.28 * 3, 102}};
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 4; j++)
                CHECK_NEAR(r.affine[i][j], qform ? turned[i][j] : v.affine[i][j], 1e-9, "%s [%d][%d]",
                           qform ? "qform" : "sform", i, j);
        volume_free(&r);
    }
    volume_free(&v);
}

/* Files of others, where they are beside the project. */
static void check_others(void)
{
    struct volume v;
    struct error e = {""};
    if (!file_is_dir("../shared/data/formats/nifti")) {
        printf("check_formats: ../shared/data is absent, the files of others are skipped\n");
        return;
    }
    static const struct { const char *name, *format; int x, y, z, t; double first;
    } files[] = {{"anatomical.nii", "NIfTI-1", 33, 41, 25, 1, NAN},
                 {"functional.nii", "NIfTI-1", 17, 21, 3, 20, NAN},
                 {"example4d.nii.gz", "NIfTI-1", 128, 96, 24, 2, NAN},
                 {"example_nifti2.nii.gz", "NIfTI-2", 32, 20, 12, 2, NAN},
                 {"standard.nii.gz", "NIfTI-1", 4, 5, 7, 1, NAN}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[256];
        snprintf(path, sizeof path, "../shared/data/formats/nifti/%s", files[i].name);
        int status = volume_read(&v, path, &e);
        CHECK(status == 0, "%s", e.text);
        if (status) continue;
        CHECK(strcmp(v.format, files[i].format) == 0 && v.size[0] == files[i].x && v.size[1] == files[i].y &&
                  v.size[2] == files[i].z && v.size[3] == files[i].t,
              "%s: %s %lld x %lld x %lld x %lld", path, v.format, (long long)v.size[0], (long long)v.size[1],
              (long long)v.size[2], (long long)v.size[3]);
        volume_free(&v);
    }
    CHECK(volume_read(&v, "../shared/data/formats/nifti/row_major.dconn.nii", &e) == -1,
          "a CIFTI matrix is taken for a volume");
}

/* ---- files and PNG ------------------------------------------------------------------------------------- */

struct pieces {
    unsigned char *data;
    size_t size;
};

static void take_piece(void *context, const void *data, size_t size)
{
    struct pieces *p = context;
    memcpy(p->data + p->size, data, size);
    p->size += size;
}

static void check_pieces(void)
{
    enum { SIZE = 100000 };
    struct error e = {""};
    struct pieces p = {malloc(SIZE), 0};
    unsigned char *all = malloc(SIZE), *copy = NULL;
    size_t size;
    for (int i = 0; i < SIZE; i++) all[i] = (unsigned char)(i % 251);
    CHECK(!file_write(in_folder("long"), all, SIZE, &e) &&
              !file_pieces(in_folder("long"), take_piece, &p, &e) && p.size == SIZE &&
              memcmp(p.data, all, SIZE) == 0,
          "%zu bytes in pieces: %s", p.size, e.text);
    CHECK(!file_copy(in_folder("long"), in_folder("copy"), &e) &&
              !file_read(in_folder("copy"), 0, &copy, &size, &e) && size == SIZE &&
              memcmp(copy, all, SIZE) == 0,
          "a copy: %s", e.text);
    CHECK(file_pieces(folder, take_piece, &p, &e) && strstr(e.text, "is a folder"), "%s", e.text);
    CHECK(file_copy(in_folder("none"), in_folder("copied"), &e) && strstr(e.text, "none: No such file") &&
              !file_exists(in_folder("copied")),
          "%s", e.text);
    free(copy);
    free(all);
    free(p.data);
}

static void check_files(void)
{
    struct error e = {""};
    unsigned char *data;
    size_t size;
    struct file_list list;
    CHECK(file_write(in_folder("x"), "old", 3, &e) == 0, "%s", e.text);
    struct file_out *f = file_create(in_folder("x"), &e);
    file_printf(f, "new %d", 7);
    CHECK(file_read(in_folder("x"), 0, &data, &size, &e) == 0 && size == 3,
          "the old file is gone before the new one is complete");
    free(data);
    CHECK(file_commit(f, &e) == 0 && file_read(in_folder("x"), 0, &data, &size, &e) == 0 &&
              strcmp((char *)data, "new 7") == 0,
          "%s", e.text);
    free(data);
    f = file_create(in_folder("x"), &e);
    file_put(f, "half", 4);
    file_abandon(f);
    CHECK(file_list(folder, &list, &e) == 0, "%s", e.text);
    for (int i = 0; i < list.count; i++)
        CHECK(strstr(list.name[i], "tmp") == NULL, "%s stays behind", list.name[i]);
    file_list_free(&list);
    CHECK(file_create(in_folder("no/such/folder"), &e) == NULL && strstr(e.text, "no/such/folder"), "%s",
          e.text);
    CHECK(file_create(folder, &e) == NULL && strstr(e.text, "folder"), "a folder is written to");
    CHECK(file_read(folder, 0, &data, &size, &e) == -1, "a folder is read");
    CHECK(file_read(in_folder("x"), 3, &data, &size, &e) == -1 && strstr(e.text, "more than 3"), "limit: %s",
          e.text);
    CHECK(file_mkdirs(in_folder("a/b/c"), &e) == 0 && file_is_dir(in_folder("a/b/c")), "%s", e.text);
    CHECK(file_mkdirs(in_folder("x/y"), &e) == -1 && strstr(e.text, "x"), "a folder inside a file");
    int full = open("/dev/full", O_WRONLY);
    if (full >= 0) {
        close(full);
        CHECK(file_write("/dev/full", "text", 4, &e) == -1 && strstr(e.text, "/dev/full: No space"),
              "full disk: %s", e.text);
        CHECK(open("/dev/full", O_WRONLY) >= 0, "/dev/full was replaced");
    }
}

/* What is open already is written to from where it stands, by its number and by a link to it; neither the
 * file behind it nor the link is replaced. */
static void check_open_files(void)
{
    struct error e = {""};
    struct stat before, after, link;
    unsigned char *data;
    size_t size;
    char name[32];
    const int fd = open(in_folder("open"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    snprintf(name, sizeof name, "/dev/fd/%d", fd);
    if (fd < 0 || access(name, W_OK)) return; /* a system without them */
    CHECK(fstat(fd, &before) == 0 && write(fd, "one ", 4) == 4 && file_check_place(name, &e) == 0 &&
              file_write(name, "two ", 4, &e) == 0,
          "%s: %s", name, e.text);
    CHECK(symlink(name, in_folder("second")) == 0 && symlink("second", in_folder("first")) == 0 &&
              file_write(in_folder("first"), "three ", 6, &e) == 0 && write(fd, "four", 4) == 4,
          "a link to a link to %s: %s", name, e.text);
    CHECK(lstat(in_folder("first"), &link) == 0 && S_ISLNK(link.st_mode) &&
              lstat(in_folder("second"), &link) == 0 && S_ISLNK(link.st_mode),
          "a link is replaced");
    CHECK(stat(in_folder("open"), &after) == 0 && after.st_ino == before.st_ino, "the file is replaced");
    CHECK(file_read(in_folder("open"), 0, &data, &size, &e) == 0, "%s", e.text);
    CHECK(size == 18 && memcmp(data, "one two three four", 18) == 0, "%.*s", (int)size, (char *)data);
    free(data);
    close(fd);
    CHECK(file_write(name, "text", 4, &e) == -1 && strstr(e.text, name), "a closed one: %s", e.text);
}

/* A folder's own name, however it is called. */
static void check_own_names(void)
{
    static const char *const of[][2] = {{"/data/Dataset004", "Dataset004"}, {"a/b//", "b"}, {"..a", "..a"},
                                        {"a", "a"},                         {"/", ""},      {"...", "..."}};
    struct error e = {""};
    char name[64], path[400];
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        file_own_name(name, sizeof name, of[i][0]);
        CHECK(strcmp(name, of[i][1]) == 0, "%s is called %s", of[i][0], name);
    }
    CHECK(file_mkdirs(in_folder("kidneys/imagesTr"), &e) == 0, "%s", e.text);
    static const char *const ways[] = {"kidneys/.", "kidneys/imagesTr/..", "kidneys/imagesTr/../", "kidneys"};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        snprintf(path, sizeof path, "%s", in_folder(ways[i]));
        file_own_name(name, sizeof name, path);
        CHECK(strcmp(name, "kidneys") == 0, "%s is called %s", ways[i], name);
    }
    file_own_name(name, 4, "kidneys");
    CHECK(strcmp(name, "kid") == 0, "cut to %s", name);
    memset(path, 'x', 255);
    path[255] = 0; /* with what its temporary file is called beside it, too long for a system's 255 */
    CHECK(file_check_place(path, &e) == -1 && strstr(e.text, "too long"), "%s", e.text);
    path[255 - 13] = 0;
    CHECK(file_check_place(path, &e) == 0, "%s", e.text);
    CHECK(file_check_place(in_folder("kidneys.json/"), &e) == -1 && strstr(e.text, "name of a folder"), "%s",
          e.text);
}

static void check_png(void)
{
    struct error e = {""};
    unsigned char pixels[3 * 5 * 4], *data;
    size_t size;
    fill(pixels, sizeof pixels, 1);
    for (int channels = 1; channels <= 3; channels += 2) {
        CHECK(png_write(in_folder("p.png"), pixels, 5, 4, channels, &e) == 0 &&
                  file_read(in_folder("p.png"), 0, &data, &size, &e) == 0,
              "%s", e.text);
        /* Take it apart again: signature, IHDR, IDAT; undo the Paeth filter. */
        CHECK(size > 57 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0 && memcmp(data + 12, "IHDR", 4) == 0 &&
                  data[19] == 5 && data[23] == 4,
              "header");
        size_t length = (size_t)data[33] << 24 | (size_t)data[34] << 16 | (size_t)data[35] << 8 | data[36], n;
        unsigned char *rows = NULL;
        CHECK(inflate_zlib(data + 41, length, 1000, &rows, &n, &e) == 0 &&
                  n == (size_t)(5 * channels + 1) * 4,
              "IDAT: %s", e.text);
        unsigned char back[60] = {0};
        int row = 5 * channels, wrong = 0;
        for (int y = 0; rows && y < 4; y++)
            for (int i = 0; i < row; i++) {
                int a = i >= channels ? back[y * row + i - channels] : 0, b = y ? back[(y - 1) * row + i] : 0,
                    c = y && i >= channels ? back[(y - 1) * row + i - channels] : 0;
                int pa = abs(b - c), pb = abs(a - c), pc = abs(a + b - 2 * c),
                    p = pa <= pb && pa <= pc ? a
                        : pb <= pc           ? b
                                             : c;
                back[y * row + i] = (unsigned char)(rows[y * (row + 1) + 1 + i] + p);
                wrong += back[y * row + i] != pixels[y * row + i] || rows[y * (row + 1)] != 4;
            }
        CHECK(wrong == 0, "%d of %d bytes differ", wrong, 4 * row);
        free(rows);
        free(data);
    }
    CHECK(png_write(in_folder("q.png"), pixels, 0, 4, 1, &e) == -1, "a picture without columns");
}

/* A file that a killed writer left is taken up; nothing is left beside a target. */
static void check_left_over(void)
{
    struct error e = {""};
    struct file_list list;
    const char *left = in_folder(".left.txt.tmp-nephron");
    FILE *f = fopen(left, "w");
    CHECK(f && fputs("half of a file, longer than what is to come", f) >= 0 && fclose(f) == 0, "%s", left);
    CHECK(!file_write(in_folder("left.txt"), "whole", 5, &e) &&
              !file_exists(in_folder(".left.txt.tmp-nephron")),
          "%s", e.text);
    unsigned char *data;
    size_t size;
    CHECK(!file_read(in_folder("left.txt"), 0, &data, &size, &e) && size == 5 &&
              memcmp(data, "whole", 5) == 0,
          "%s", e.text);
    free(data);
    CHECK(file_write(in_folder("left.txt"), NULL, 0, &e) && strstr(e.text, "out of memory"), "%s", e.text);
    struct file_out *one = file_create(in_folder("left.txt"), &e), *two;
    CHECK(one && !(two = file_create(in_folder("left.txt"), &e)) && strstr(e.text, "another program"),
          "two writers of one file: %s", e.text);
    f = fopen(in_folder(".other.txt.tmp-nephron"), "w"); /* of a killed writer of something else */
    CHECK(f && fclose(f) == 0 && !file_mkdirs(folder, &e) &&
              !file_exists(in_folder(".other.txt.tmp-nephron")),
          "%s", e.text);
    CHECK(file_exists(in_folder(".left.txt.tmp-nephron")), "a living writer's file is removed");
    file_put(one, "more", 4);
    CHECK(!file_commit(one, &e), "%s", e.text);
    CHECK(!file_list(folder, &list, &e), "%s", e.text);
    for (int i = 0; i < list.count; i++) CHECK(list.name[i][0] != '.', "%s is listed", list.name[i]);
    file_list_free(&list);
}

int main(void)
{
    if (!mkdtemp(folder)) return 1;
    check_left_over();
    check_nifti_types();
    check_nifti_headers();
    check_nifti_beginnings();
    check_nifti_layouts();
    check_nifti_2();
    check_others();
    check_files();
    check_pieces();
    check_open_files();
    check_own_names();
    check_png();
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command)) printf("check_formats: %s is left behind\n", folder);
    return check_done("check_formats");
}
