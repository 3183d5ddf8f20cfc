/* check_dicom.c - DICOM files and series: what pydicom wrote (tests/golden/make_dicom.py), files built here
 * for what pydicom does not write, what must be refused, and every way to cut or flip a byte.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "io/dicom/dicom.h"
#include "io/dicom/dicom_file.h"
#include "io/base/file.h"
#include "io/pack/gzip.h"
#include "io/jpeg/jpeg_lossless.h"
#include "tests/unit/io/dicom_build.h"
#include "io/formats/image_formats.h"
#include "tests/unit/expect.h"

static uint32_t state = 1;
static uint32_t next_random(void)
{
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

/* ---- files of pydicom ---------------------------------------------------------------------------------- */

enum { COLUMNS = 7, ROWS = 5 };

/* As stored_value in make_dicom.py. */
static double stored_value(int x, int y, int z, int stored, int is_signed)
{
    int64_t v = (37 * x * x + 101 * y + 1009 * z + 3 * x * y) & (((int64_t)1 << stored) - 1);
    return (double)(is_signed ? v - ((int64_t)1 << (stored - 1)) : v);
}

/* Slice z has slope 1 + rescale * z / 2 and intercept -100 * rescale * z. */
static int equal_voxels(const struct volume *v, int slices, int stored, int is_signed, int rescale)
{
    if (v->size[0] != COLUMNS || v->size[1] != ROWS || v->size[2] != slices || v->size[3] != 1) return 0;
    for (int i = 0; i < slices * ROWS * COLUMNS; i++) {
        int x = i % COLUMNS, y = i / COLUMNS % ROWS, z = i / COLUMNS / ROWS;
        float want = (float)(stored_value(x, y, z, stored, is_signed) * (1 + 0.5 * rescale * z) -
                             100 * rescale * z);
        if (v->voxel[i] != want) return 0;
    }
    return 1;
}

static void check_golden_geometry(const struct volume *v, const char *name)
{
    /* LPS: rows along (0.8, 0.6, 0), columns along (0, 0, -1), so the normal is (-0.6, 0.8, 0). */
    static const double want[3][4] = {{-0.4, 0, 1.5, -10.5}, {-0.3, 0, -2, 20.25}, {0, -0.75, 0, 30}},
                        spacing[3] = {0.5, 0.75, 2.5};
    for (int i = 0; i < 3; i++) {
        CHECK_NEAR(v->spacing[i], spacing[i], 1e-9, "%s: spacing %d", name, i);
        for (int k = 0; k < 4; k++)
            CHECK_NEAR(v->affine[i][k], want[i][k], 1e-9, "%s: affine[%d][%d]", name, i, k);
    }
}

static const struct golden {
    const char *name;
    int slices, stored, is_signed, rescale;
    enum voxel_type type;
    const char *syntax;
} goldens[] = {
    {"series", 4, 12, 1, 1, VOXEL_I16, "Explicit VR Little Endian"},
    {"implicit.dcm", 1, 16, 1, 0, VOXEL_I16, "Implicit VR Little Endian"},
    {"big.dcm", 1, 12, 0, 0, VOXEL_U16, "Explicit VR Big Endian"},
    {"big8.dcm", 1, 8, 0, 0, VOXEL_U8, "Explicit VR Big Endian"},
    {"big32.dcm", 1, 20, 1, 0, VOXEL_I32, "Explicit VR Big Endian"},
    {"deflated.dcm", 1, 8, 0, 0, VOXEL_U8, "Deflated Explicit VR Little Endian"},
    {"rle.dcm", 3, 16, 1, 0, VOXEL_I16, "RLE Lossless"},
    {"jpeg57.dcm", 7, 12, 0, 0, VOXEL_U16, "JPEG Lossless (Process 14)"},
    {"jpeg70.dcm", 2, 8, 0, 0, VOXEL_U8,
     "JPEG Lossless, First-Order Prediction (Process 14, Selection Value 1)"},
    {"enhanced.dcm", 3, 16, 0, 1, VOXEL_U16, "Explicit VR Little Endian"},
};
enum { GOLDENS = sizeof goldens / sizeof *goldens };

static void check_goldens(void)
{
    for (int i = 0; i < GOLDENS; i++) {
        const struct golden *g = &goldens[i];
        char path[256];
        struct volume v, h;
        struct image_info d;
        struct error e = {""};
        snprintf(path, sizeof path, "tests/data/dicom/%s", g->name);
        int status = dicom_read_series(&v, &d, path, NULL, 0, &e);
        CHECK(status == 0, "%s", e.text);
        if (status) continue;
        CHECK(equal_voxels(&v, g->slices, g->stored, g->is_signed, g->rescale), "%s: voxels differ", path);
        CHECK(v.type == g->type && strcmp(v.format, "DICOM") == 0 && strcmp(v.description, "t2 tse") == 0,
              "%s: type %d, '%s'", path, v.type, v.description);
        CHECK(strcmp(d.syntax, g->syntax) == 0 && strcmp(d.modality, "MR") == 0 &&
                  strcmp(d.manufacturer, "ACME") == 0 && strcmp(d.series_uid, "1.2.3") == 0 &&
                  d.field_strength == 1.5 && d.repetition_time == 4000 && d.echo_time == 85.5 &&
                  d.files == (i ? 1 : 4),
              "%s: what is told: %s, %s, %s, %s, %g T, TR %g, TE %g, %d files", path, d.syntax, d.modality,
              d.manufacturer, d.series_uid, d.field_strength, d.repetition_time, d.echo_time, d.files);
        check_golden_geometry(&v, path);
        CHECK(volume_read_header(&h, path, &e) == 0 && !h.voxel && volume_same_geometry(&v, &h, &e) == 0,
              "%s: header: %s", path, e.text);
        volume_free(&v);
    }
}

/* Any file of a series stands for it, also without a folder before its name. */
static void check_named(void)
{
    struct volume v;
    struct error e = {""};
    char here[2048];
    CHECK(volume_read(&v, "tests/data/dicom/series/c.ima", &e) == 0 && equal_voxels(&v, 4, 12, 1, 1),
          "by a file: %s", e.text);
    volume_free(&v);
    if (!getcwd(here, sizeof here) || chdir("tests/data/dicom/series")) return;
    CHECK(volume_read(&v, "d.dcm", &e) == 0 && equal_voxels(&v, 4, 12, 1, 1), "by a file of this folder: %s",
          e.text);
    volume_free(&v);
    CHECK(volume_read(&v, ".", &e) == 0 && equal_voxels(&v, 4, 12, 1, 1), "this folder: %s", e.text);
    volume_free(&v);
    if (chdir(here)) abort();
}

/* ---- files built here ---------------------------------------------------------------------------------- */

static int parse(struct volume *v, const struct image *m, struct error *e)
{
    struct bytes *b = malloc(sizeof *b);
    build(b, m);
    unsigned char *exact = malloc(b->size); /* so that a sanitizer sees a byte read too far */
    memcpy(exact, b->data, b->size);
    int status = dicom_parse(v, exact, b->size, "memory", 0, e);
    free(exact);
    free(b);
    return status;
}

static void check_bits(void)
{
    struct volume v;
    struct error e = {""};
    struct image m = plain();
    unsigned char noise[24];
    for (int is_signed = 0; is_signed < 2; is_signed++)
        for (int stored = 1; stored <= 16; stored++)
            for (int high = stored - 1; high < 16; high++) {
                for (int i = 0; i < 24; i++) noise[i] = (unsigned char)next_random();
                m.stored = stored, m.high = high, m.is_signed = is_signed, m.pixels = noise;
                int status = parse(&v, &m, &e), wrong = 0;
                for (int i = 0; i < 12 && !status; i++) {
                    int raw = (noise[2 * i] | noise[2 * i + 1] << 8) >> (high + 1 - stored) &
                              ((1 << stored) - 1);
                    if (is_signed && raw >> (stored - 1)) raw -= 1 << stored;
                    wrong += v.voxel[i] != (float)raw;
                }
                CHECK(!status && !wrong, "%d bits up to bit %d, signed %d: %d wrong, %s", stored, high,
                      is_signed, wrong, e.text);
                if (!status) volume_free(&v);
            }
    m = plain();
    m.photometric = "MONOCHROME1"; /* as stored */
    m.slope = "-0.5";
    CHECK(parse(&v, &m, &e) == 0 && v.voxel[2] == -1.5f, "MONOCHROME1 with a slope: %s", e.text);
    volume_free(&v);
}

/* Frames without functional groups lie along the normal. */
static void check_stack(void)
{
    struct volume v;
    struct error e = {""};
    struct image m = plain();
    unsigned char pixels[24];
    for (int i = 0; i < 24; i++) pixels[i] = (unsigned char)i;
    m.bits = m.stored = 8, m.high = -1, m.frames = "2", m.distance = "4", m.pixels = pixels,
    m.position = "1\\2\\3";
    int status = parse(&v, &m, &e);
    CHECK(!status && v.size[2] == 2 && v.voxel[23] == 23 && v.affine[2][2] == 4 && v.affine[0][3] == -1 &&
              v.affine[2][3] == 3,
          "frames: %s", e.text);
    if (!status) volume_free(&v);
    m.position = m.orientation = m.spacing = m.distance = m.series = m.instance = "";
    status = parse(&v, &m, &e);
    CHECK(!status && v.affine[0][0] == -1 && v.affine[2][2] == 1 && v.spacing[1] == 1,
          "frames without a place: %s", e.text);
    if (!status) volume_free(&v);
}

/* Without preamble and meta information, also after a stray byte; sequences within sequences and private
 * elements on the way. */
/* What the last digit of a decimal text is worth: of its own characters, not of one behind them. */
static void check_units(void)
{
    static const struct {
        const char *text; /* all of the buffer */
        size_t size;      /* of the value */
        double unit[3];   /* 0: there is none */
    } test[] = {{"1.25", 4, {0.01, 0, 0}},         {"1.257", 4, {0.01, 0, 0}},
                {"-3.25e-1", 8, {1e-3, 0, 0}},     {"-3.25e-12", 8, {1e-3, 0, 0}},
                {"3.5E2", 5, {10, 0, 0}},          {"7", 1, {1, 0, 0}},
                {"1\\-2.5\\ 1.125 9", 13, {1, 0.1, 1e-3}}, {"1\\\\0.5", 6, {1, 0, 0.1}}};
    for (size_t i = 0; i < sizeof test / sizeof *test; i++) {
        struct dicom_element element[DICOM_FIELDS] = {0};
        double unit[3];
        element[DICOM_IMAGE_POSITION].value.data = (const unsigned char *)test[i].text;
        element[DICOM_IMAGE_POSITION].value.size = test[i].size;
        dicom_units(unit, 3, element, DICOM_IMAGE_POSITION);
        for (int k = 0; k < 3; k++)
            CHECK_NEAR(unit[k], test[i].unit[k], 1e-12 * test[i].unit[k], "unit %d of '%.*s'", k,
                       (int)test[i].size, test[i].text);
    }
}

static void check_heads(void)
{
    struct volume v;
    struct error e = {""};
    struct image m = plain();
    static struct bytes b, x;
    x.size = 0;
    put_head(&x, 0x00290010, "UN", 0xffffffff); /* of unknown VR and length: implicit inside */
    put_head(&x, 0xfffee000, "", 0xffffffff);
    put_number(&x, 0x00100029, 4);
    put_number(&x, 2, 4);
    put(&x, "ab", 2);
    put_head(&x, 0xfffee00d, "", 0);
    put_head(&x, 0xfffee0dd, "", 0);
    put_head(&x, 0x00291001, "SQ", 8 + 10);
    put_item(&x, "\x28\0\x10\0US\2\0\7\0", 10); /* Rows of another thing */
    put_number(&x, 0x10020029, 4); /* an implicit element among explicit ones */
    put_number(&x, 4, 4);
    put(&x, "\1\2\3\4", 4);
    m.extra = x.data, m.extra_size = x.size;
    CHECK(parse(&v, &m, &e) == 0 && v.size[1] == 3 && v.voxel[3] == 4, "sequences: %s", e.text);
    volume_free(&v);
    m.syntax = NULL;
    CHECK(parse(&v, &m, &e) == 0 && v.voxel[3] == 4, "without a preamble: %s", e.text);
    volume_free(&v);
    build(&b, &m);
    memmove(b.data + 1, b.data, b.size++);
    b.data[0] = ' ';
    CHECK(dicom_parse(&v, b.data, b.size, "memory", 0, &e) == 0 && v.voxel[3] == 4, "after a stray byte: %s",
          e.text);
    volume_free(&v);
}

/* The same of what pydicom wrote: implicit and big endian are told without the meta information. Voxels are
 * not taken for it. */
static void check_bare(void)
{
    static const char *const names[] = {"tests/data/dicom/implicit.dcm", "tests/data/dicom/big.dcm"};
    static const unsigned char raw[64] = {2}, eights[64] = {8, 0, 5, 0, 10, 0};
    struct volume v;
    struct error e = {""};
    for (int i = 0; i < 2; i++) {
        unsigned char *data;
        size_t size;
        if (file_read(names[i], 0, &data, &size, &e)) abort();
        size_t meta = 132 + 12 + (size_t)data[140]; /* preamble, and what the group's length says */
        int status = dicom_parse(&v, data + meta, size - meta, "bare", 0, &e);
        CHECK(!status && equal_voxels(&v, 1, i ? 12 : 16, !i, 0), "%s without its head: %s", names[i],
              e.text);
        if (!status) volume_free(&v);
        free(data);
    }
    CHECK(dicom_parse(&v, raw, sizeof raw, "raw", 0, &e) == -1 && strstr(e.text, "no DICOM file"),
          "voxels of 2: %s", e.text);
    CHECK(dicom_parse(&v, eights, sizeof eights, "raw", 0, &e) == -1 && strstr(e.text, "no DICOM file"),
          "voxels 8, 5, 10: %s", e.text);
}

/* ---- run lengths --------------------------------------------------------------------------------------- */

static void check_rle(void)
{
    struct volume v;
    struct error e = {""};
    static struct bytes b;
    unsigned char pixels[2 * 12 * 4];
    for (int bits = 8; bits <= 32; bits *= 2) {
        struct image m = plain();
        size_t bytes = (size_t)bits / 8;
        for (size_t i = 0; i < sizeof pixels; i++)
            pixels[i] = (unsigned char)(next_random() & 1 ? 7 : next_random() % 250);
        b.size = 0;
        put_item(&b, "", 0);
        for (int k = 0; k < 2; k++) put_rle(&b, pixels + 12 * bytes * (size_t)k, 12, bytes);
        m.syntax = rle, m.bits = bits, m.stored = m.high = -1, m.frames = "2", m.pixels = b.data,
        m.size = b.size;
        int status = parse(&v, &m, &e), wrong = 0;
        for (size_t i = 0; i < 24 && !status; i++) {
            uint32_t raw = 0;
            for (size_t k = 0; k < bytes; k++) raw |= (uint32_t)pixels[bytes * i + k] << (8 * k);
            wrong += v.voxel[i] != (float)raw;
        }
        CHECK(!status && !wrong, "RLE of %d bits: %d wrong, %s", bits, wrong, e.text);
        if (!status) volume_free(&v);
    }
}

/* Few bits stored in 16, signed or not, with rubbish above them; and as some encoders write it, the high
 * bytes left out, which is no image of 16 bits. */
static void check_rle_stored(void)
{
    struct volume v;
    struct error e = {""};
    static struct bytes b;
    unsigned char pixels[12 * 2];
    for (int stored = 1; stored <= 16; stored++)
        for (int is_signed = 0; is_signed < 2; is_signed++) {
            struct image m = plain();
            for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (unsigned char)next_random();
            b.size = 0;
            put_item(&b, "", 0);
            put_rle(&b, pixels, 12, 2);
            m.syntax = rle, m.stored = stored, m.high = stored - 1, m.is_signed = is_signed,
            m.pixels = b.data, m.size = b.size;
            int status = parse(&v, &m, &e), wrong = 0;
            for (size_t i = 0; i < 12 && !status; i++) {
                int raw = (pixels[2 * i] | pixels[2 * i + 1] << 8) & ((1 << stored) - 1);
                wrong += v.voxel[i] != (float)(is_signed && raw >> (stored - 1) ? raw - (1 << stored) : raw);
            }
            CHECK(!status && !wrong, "RLE of %d bits stored in 16, signed %d: %d wrong, %s", stored,
                  is_signed, wrong, e.text);
            if (!status) volume_free(&v);
        }
    struct image m = plain();
    b.size = 0;
    put_item(&b, "", 0);
    put_rle(&b, pixels, 12, 1);
    m.syntax = rle, m.stored = 8, m.high = 7, m.pixels = b.data, m.size = b.size;
    CHECK(parse(&v, &m, &e) == -1 && strstr(e.text, "segment"), "one segment for 16 bits: %s", e.text);
}

/* ---- lossless JPEG ------------------------------------------------------------------------------------- */

static void check_jpeg_case(const struct jpeg_case *c)
{
    static struct bytes b;
    uint16_t image[20 * 20], out[20 * 20];
    struct error e = {""};
    int n = c->rows * c->columns, wrong = 0, bits;
    for (int i = 0; i < n; i++)
        image[i] = (uint16_t)(next_random() & ((1u << (c->precision - c->shift)) - 1));
    b.size = 0;
    put_jpeg(&b, image, c);
    int status = jpeg_lossless_decode(out, &bits, c->rows, c->columns, b.data, b.size, &e);
    for (int i = 0; i < n && !status; i++) wrong += out[i] != (uint16_t)(image[i] << c->shift);
    CHECK(!status && !wrong && bits == c->precision,
          "JPEG %d x %d, %d bits, predictor %d, shift %d, restart %d: %d wrong, %s", c->columns,
          c->rows, c->precision, c->predictor, c->shift, c->restart, wrong, e.text);
    for (size_t k = 0; k + 2 < b.size; k++) /* the end marker is not needed */
        if (jpeg_lossless_decode(out, &bits, c->rows, c->columns, b.data, k, &e) == 0) {
            CHECK(k + 3 >= b.size, "JPEG cut to %zu of %zu bytes is taken", k,
                  b.size); /* but for bits that only fill the last byte */
            break;
        }
}

static void check_jpeg(void)
{
    for (int predictor = 1; predictor <= 7; predictor++)
        for (int precision = 2; precision <= 16; precision++)
            for (int restart = 0; restart <= 3; restart++)
                check_jpeg_case(&(struct jpeg_case){1 + (int)(next_random() % 12),
                                                    1 + (int)(next_random() % 12), precision, predictor,
                                                    restart == 2, restart});
    static struct bytes b;
    struct error e = {""};
    uint16_t image[12] = {1, 2, 3}, out[12];
    const struct jpeg_case c = {3, 4, 12, 1, 0, 1};
    static const struct {
        size_t at;
        unsigned char value;
        const char *says;
    } bad[] = {{0, 0, "does not begin with SOI"},
               {8, 0xc0, "baseline coding"},
               {8, 0xc2, "progressive coding"},
               {8, 0xc9, "arithmetic"},
               {8, 0xf7, "JPEG-LS"},
               {8, 0xd9, "no scan"},
               {7, 0, "where a marker should be"},
               {10, 200, "bytes, 8"},
               {11, 17, "precision of 17"},
               {13, 9, "9 rows"},
               {16, 3, "3 components"},
               {25, 0x14, "Huffman table"},
               {30, 0xff, "Huffman table"},
               {64, 1, "restart interval of 1 "},
               {71, 0, "Huffman table 0 is not defined"},
               {72, 0, "predictor 0"},
               {72, 8, "predictor 8"},
               {74, 12, "point transform 12"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        b.size = 0;
        put_jpeg(&b, image, &c);
        b.data[bad[i].at] = bad[i].value;
        int bits, status = jpeg_lossless_decode(out, &bits, 3, 4, b.data, b.size, &e);
        CHECK(status == -1 && strstr(e.text, bad[i].says), "JPEG with byte %zu %d: want '%s', got '%s'",
              bad[i].at, bad[i].value, bad[i].says, status ? e.text : "");
    }
}

/* Frames of several fragments: with an offset table, and without by their markers. */
static void check_fragments(void)
{
    static struct bytes b, table, one;
    uint16_t image[12];
    struct image m = plain();
    const struct jpeg_case c = {3, 4, 12, 6, 0, 0};
    for (int with_table = 0; with_table < 2; with_table++) {
        struct volume v;
        struct error e = {""};
        b.size = table.size = 0;
        for (int k = 0; k < 3; k++) {
            for (int i = 0; i < 12; i++) image[i] = (uint16_t)(100 * k + i * i);
            one.size = 0;
            put_jpeg(&one, image, &c);
            put_number(&table, b.size, 4);
            put_item(&b, one.data, 30);
            put_item(&b, one.data + 30, one.size - 30);
        }
        struct bytes *all = malloc(sizeof *all);
        all->size = 0;
        put_item(all, table.data, with_table ? table.size : 0);
        put(all, b.data, b.size);
        m.syntax = jpeg, m.frames = "3", m.pixels = all->data, m.size = all->size;
        int status = parse(&v, &m, &e);
        CHECK(!status && v.voxel[12] == 100 && v.voxel[35] == 200 + 121, "fragments, table %d: %s",
              with_table, e.text);
        if (!status) volume_free(&v);
        m.frames = ""; /* three pictures, and one frame is told */
        CHECK(parse(&v, &m, &e) == -1 && strstr(e.text, "6 fragments do not make up 1 frames"),
              "one frame: %s", e.text);
        m.frames = "4"; /* six fragments for four frames */
        CHECK(parse(&v, &m, &e) == -1 && strstr(e.text, "6 fragments do not make up 4 frames"),
              "four frames: %s", e.text);
        free(all);
    }
}

/* ---- what must be refused ------------------------------------------------------------------------------ */

static void refuse(const struct image *m, const char *says)
{
    struct volume v;
    struct error e = {""};
    int status = parse(&v, m, &e);
    CHECK(status == -1 && strstr(e.text, says) && strncmp(e.text, "memory: ", 8) == 0,
          "want '%s', got %d '%s'", says, status, e.text);
    if (!status) volume_free(&v);
}

#define REFUSE(says, ...)          \
    do {                           \
        struct image m_ = plain(); \
        __VA_ARGS__;               \
        refuse(&m_, says);         \
    } while (0)

static void check_refusals(void)
{
    static struct bytes x;
    REFUSE("no Rows (0028,0010)", m_.rows = -1);
    REFUSE("Columns (0028,0011) is 0", m_.columns = 0);
    REFUSE("no Bits Allocated (0028,0100)", m_.bits = -1);
    REFUSE("Bits Allocated (0028,0100) is 12", m_.bits = 12; m_.stored = m_.high = -1);
    REFUSE("Bits Stored (0028,0101) is 17", m_.stored = 17);
    REFUSE("High Bit (0028,0102) is 16", m_.high = 16);
    REFUSE("High Bit (0028,0102) is 14", m_.high = 14);
    REFUSE("Pixel Representation (0028,0103) is 2", m_.is_signed = 2);
    REFUSE("'RGB' with 3 samples", m_.samples = 3; m_.photometric = "RGB");
    REFUSE("'PALETTE COLOR' with 1", m_.photometric = "PALETTE COLOR");
    REFUSE("no Pixel Data", m_.pixels = NULL);
    REFUSE("Pixel Data (7FE0,0010) has 22 bytes, too few for 1 frames", m_.size = 22);
    REFUSE("Number of Frames (0028,0008) is 2000000000", m_.frames = "2000000000");
    REFUSE("Number of Frames (0028,0008) is 0", m_.frames = "0");
    REFUSE("too few for 30 frames of 65535 x 65535", m_.frames = "30"; m_.rows = m_.columns = 65535);
    REFUSE("Pixel Spacing (0028,0030) is '1\\x'", m_.spacing = "1\\x");
    REFUSE("Pixel Spacing (0028,0030) is 0", m_.spacing = "0\\1");
    REFUSE("has 1 values, not 2", m_.spacing = "1");
    REFUSE("Image Position (Patient) (0020,0032) is '1e999", m_.position = "1e999\\0\\0");
    REFUSE("not two perpendicular unit vectors", m_.orientation = "1\\0\\0\\1\\0\\0");
    REFUSE("not two perpendicular unit vectors", m_.orientation = "2\\0\\0\\0\\1\\0");
    REFUSE("JPEG XL Lossless (1.2.840.10008.1.2.4.110) is not supported",
           m_.syntax = "1.2.840.10008.1.2.4.110");
    REFUSE("JPEG-LS Lossless", m_.syntax = "1.2.840.10008.1.2.4.80");
    REFUSE("JPEG Baseline (Process 1)", m_.syntax = "1.2.840.10008.1.2.4.50");
    REFUSE("transfer syntax unknown (1.2.3.4) is not supported", m_.syntax = "1.2.3.4");
    REFUSE("has no fragments", m_.syntax = rle; m_.pixels = (const unsigned char *)"\xfe\xff\xdd\xe0\0\0\0\0";
           m_.size = 8);
    REFUSE("(0001,0002) where an item", m_.syntax = rle;
           m_.pixels = (const unsigned char *)"\1\0\2\0\0\0\0\0"; m_.size = 8);
    x.size = 0;
    put_head(&x, 0x00283000, "SQ", 0);
    REFUSE("Modality LUT Sequence", m_.extra = x.data; m_.extra_size = x.size);
    x.size = 0;
    for (int i = 0; i < 1000; i++) {
        put_head(&x, 0x00290001, "SQ", 0xffffffff);
        put_head(&x, 0xfffee000, "", 0xffffffff);
    }
    REFUSE("nested more than 16 deep", m_.extra = x.data; m_.extra_size = x.size);
    x.size = 0;
    put_head(&x, 0x00290001, "UN", 0xfffffff0);
    REFUSE("element (0029,0001) has 4294967280 bytes", m_.extra = x.data; m_.extra_size = x.size);
    x.size = 0;
    put_text(&x, 0x00181164, "DS", "0\\1");
    REFUSE("Imager Pixel Spacing (0018,1164) is 0", m_.extra = x.data; m_.extra_size = x.size);
    x.size = 0;
    put_head(&x, 0x52009230, "SQ", 0);
    REFUSE("has 0 items for 1 frames", m_.extra = x.data; m_.extra_size = x.size);
    struct volume v;
    struct error e;
    CHECK(dicom_parse(&v, (const unsigned char *)"hello, world", 12, "memory", 0, &e) == -1 &&
              strstr(e.text, "no DICOM file"),
          "text: %s", e.text);
}

/* ---- damage -------------------------------------------------------------------------------------------- */

/* Whatever comes out is an error, or a volume whose every voxel can be read. */
static void try_bytes(const unsigned char *data, size_t size)
{
    struct volume v;
    struct error e = {""};
    unsigned char *exact = malloc(size + 1);
    memcpy(exact, data, size);
    for (int header_only = 0; header_only < 2; header_only++) {
        int status = dicom_parse(&v, exact, size, "damaged", header_only, &e);
        if (status && strncmp(e.text, "damaged", 7) != 0) CHECK(0, "no name in '%s'", e.text);
        if (status) continue;
        double sum = 0;
        for (size_t i = 0; !header_only && i < volume_voxels(&v); i++) sum += v.voxel[i];
        if (isnan(sum) || !(v.spacing[0] > 0 && v.spacing[1] > 0 && v.spacing[2] > 0))
            CHECK(0, "a volume of NaN or without a spacing");
        volume_free(&v);
    }
    free(exact);
}

static void check_damage(void)
{
    for (int i = 0; i < GOLDENS; i++) {
        char path[256];
        unsigned char *data;
        size_t size;
        struct error e;
        struct volume v;
        snprintf(path, sizeof path, "tests/data/dicom/%s%s", goldens[i].name, i ? "" : "/a");
        int status = file_read(path, 0, &data, &size, &e);
        CHECK(!status, "%s", e.text);
        if (status) continue;
        for (size_t k = 0; k < size; k++) try_bytes(data, k);
        CHECK(dicom_parse(&v, data, size - 40, path, 0, &e) == -1, "%s without its end is taken",
              path); /* more than padding and delimiters */
        for (size_t k = 128; k < size; k++)
            for (int bit = 0; bit < 8; bit++) {
                data[k] ^= (unsigned char)(1 << bit);
                try_bytes(data, size);
                data[k] ^= (unsigned char)(1 << bit);
            }
        for (int round = 0; round < 2000; round++) {
            unsigned char kept[3];
            size_t at[3];
            for (int k = 0; k < 3; k++) {
                at[k] = 128 + next_random() % (size - 128);
                kept[k] = data[at[k]];
                data[at[k]] = (unsigned char)(next_random() & 1 ? next_random() : 0xff);
            }
            try_bytes(data, size);
            for (int k = 2; k >= 0; k--) data[at[k]] = kept[k];
        }
        free(data);
    }
}

int main(void)
{
    check_goldens();
    check_named();
    check_bits();
    check_stack();
    check_units();
    check_heads();
    check_bare();
    check_rle();
    check_rle_stored();
    check_jpeg();
    check_fragments();
    check_refusals();
    check_damage();
    return check_done("check_dicom");
}
