/* check_dicom_jpeg.c - DICOM with JPEG, JPEG-LS and JPEG 2000 pixels against pydicom's plugins
 * (tests/golden/make_dicom_jpeg.py): lossless and JPEG-LS to the bit, the others within 1; every cut and
 * flipped bytes give an error or a picture, never a crash. What Bits Stored, the sign and the byte order make
 * of samples, in files built here. Run under sanitizers by check-all.
 */
#include "io/base/file.h"
#include "io/dicom/dicom.h"
#include "io/dicom/dicom_file.h"
#include "io/jpeg/jpeg_2000.h"
#include "io/jpeg/jpeg_baseline.h"
#include "io/jpeg/jpeg_ls.h"
#include "tests/unit/expect.h"
#include "tests/unit/io/dicom_build.h"

enum { ROWS = 37, COLUMNS = 29, FRAMES = 2, SAMPLES = ROWS * COLUMNS };
typedef int decoder(uint16_t *out, int *bits, int rows, int columns, const unsigned char *in, size_t size,
                    struct error *e);

static const struct {
    const char *name;
    decoder *decode;
    int tolerance, is_signed;
} files[] = {{"baseline", jpeg_baseline_decode, 1, 0},
             {"extended", jpeg_baseline_decode, 1, 0},
             {"ls", jpeg_ls_decode, 0, 0},
             {"ls8", jpeg_ls_decode, 0, 0},
             {"ls_near", jpeg_ls_decode, 0, 0},
             {"j2k", jpeg_2000_decode, 0, 0},
             {"j2k_signed", jpeg_2000_decode, 0, 1},
             {"j2k_lossy", jpeg_2000_decode, 1, 0},
             {"j2k_rlcp", jpeg_2000_decode, 0, 0},
             {"j2k_rpcl", jpeg_2000_decode, 0, 0},
             {"j2k_pcrl", jpeg_2000_decode, 0, 0},
             {"j2k_cprl", jpeg_2000_decode, 0, 0},
             {"j2k_styles", jpeg_2000_decode, 0, 0}};
enum { FILES = sizeof files / sizeof *files };

static unsigned char *load(const char *name, const char *suffix, size_t *size)
{
    char path[200];
    unsigned char *data = NULL;
    struct error e = {""};
    snprintf(path, sizeof path, "tests/data/dicom_jpeg/%s.%s", name, suffix);
    CHECK(!file_read(path, 0, &data, size, &e), "%s", e.text);
    return data;
}

static void check_values(int f, const struct volume *v)
{
    size_t size;
    int worst = 0;
    unsigned char *want = load(files[f].name, "raw", &size);
    CHECK(size == 2 * FRAMES * SAMPLES && v->size[2] == FRAMES, "%s: %zu bytes, %d frames", files[f].name,
          size, (int)v->size[2]);
    for (int i = 0; want && i < FRAMES * SAMPLES; i++) {
        int sample = want[2 * i] | want[2 * i + 1] << 8,
            difference = abs((int)v->voxel[i] - (files[f].is_signed ? (int16_t)sample : sample));
        worst = difference > worst ? difference : worst;
    }
    CHECK(worst <= files[f].tolerance, "%s: differs by %d", files[f].name, worst);
    free(want);
}

/* In memory of its own size, so that a byte read beyond the end is seen. */
static void try_bytes(decoder *decode, const unsigned char *data, size_t size)
{
    static uint16_t out[SAMPLES];
    struct error e = {""};
    unsigned char *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    int bits, status = decode(out, &bits, ROWS, COLUMNS, copy, size, &e);
    CHECK(status == 0 || (status == -1 && e.text[0]), "an error without words");
    free(copy);
}

static void check_damage(decoder *decode, const unsigned char *data, size_t size)
{
    int all = getenv("CHECK_ALL") != NULL; /* every byte; else the headers and a part of the rest */
    unsigned char *copy = malloc(size);
    for (size_t n = 0; n < size; n += all || n < 120 ? 1 : 13) try_bytes(decode, data, n);
    for (size_t i = 0; i < size; i += all || i < 200 ? 1 : 7)
        for (int k = 0; k < (all ? 8 : 2); k++) {
            memcpy(copy, data, size);
            copy[i] ^= (unsigned char)(all ? 1 << k : k ? 0xff : 1 << i % 8);
            try_bytes(decode, copy, size);
        }
    free(copy);
}

/* ---- Bits Stored, the sign, the byte order ------------------------------------------------------------- */

/* A frame of lossless JPEG whose third sample is `sample`. */
static int read_sample(float *value, int sample, int precision, int bits, int stored, int high, int is_signed,
                       struct error *e)
{
    static struct bytes b, one, all;
    const struct jpeg_case c = {3, 4, precision, 1, 0, 0};
    const uint16_t image[12] = {1, 2, (uint16_t)sample, 3};
    struct image m = plain();
    struct volume v;
    one.size = all.size = 0;
    put_jpeg(&one, image, &c);
    put_item(&all, NULL, 0);
    put_item(&all, one.data, one.size);
    m.syntax = jpeg, m.pixels = all.data, m.size = all.size;
    m.bits = bits, m.stored = stored, m.high = high, m.is_signed = is_signed;
    build(&b, &m);
    if (dicom_parse(&v, b.data, b.size, "memory", 0, e)) return -1;
    *value = v.voxel[2];
    volume_free(&v);
    return 0;
}

static void check_stored(void)
{
    static const struct {
        int sample, precision, bits, stored, is_signed, want; /* want: the value, or REFUSED */
    } c[] = {{4095, 12, 16, 12, 0, 4095},    {4095, 16, 16, 12, 0, 4095},  {4096, 16, 16, 12, 0, 1 << 20},
             {5000, 13, 16, 12, 0, 1 << 20}, {200, 8, 8, 8, 0, 200},       {200, 8, 8, 7, 0, 1 << 20},
             {300, 9, 8, 8, 0, 1 << 20},     {2047, 12, 16, 12, 1, 2047},  {4091, 12, 16, 12, 1, -5},
             {4091, 16, 16, 12, 1, -5},      {65531, 16, 16, 12, 1, -5},   {16379, 14, 16, 12, 1, -5},
             {63487, 16, 16, 12, 1, 1 << 20}, {5000, 16, 16, 12, 1, 1 << 20}, {65531, 16, 16, 16, 1, -5},
             {2047, 12, 16, 16, 1, 2047},    {4091, 12, 16, 16, 1, 1 << 20}, {251, 8, 8, 8, 1, -5}};
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        struct error e = {""};
        float value = NAN;
        const int refused = c[i].want == 1 << 20,
                  status = read_sample(&value, c[i].sample, c[i].precision, c[i].bits, c[i].stored,
                                       c[i].stored - 1, c[i].is_signed, &e);
        CHECK(refused ? status && strstr(e.text, "sample 2 is") && strstr(e.text, "Bits Stored (0028,0101)")
                      : !status && value == (float)c[i].want,
              "%d of %d bits, %d stored, signed %d: %g, %s", c[i].sample, c[i].precision, c[i].stored,
              c[i].is_signed, (double)value, e.text);
    }
    struct error e = {""};
    float value;
    CHECK(read_sample(&value, 7, 12, 16, 12, 15, 0, &e) && strstr(e.text, "High Bit (0028,0102) is 15"),
          "a high bit that is not the highest stored one: %s", e.text);
}

/* One bit fewer stored than the stream has: what loss leads beyond is held to the largest that they hold, as
 * at the edges of a picture of 10 bits, which JPEG Extended codes with 12; without loss it is refused. */
static void check_held(void)
{
    static const struct {
        const char *name;
        int tolerance; /* -1: refused */
    } held[] = {{"extended", 1}, {"ls_near", 0}, {"j2k_lossy", 1}, {"j2k", -1}, {"ls", -1}};
    for (size_t f = 0; f < sizeof held / sizeof *held; f++) {
        size_t size, raw_size;
        struct volume v;
        struct error e = {""};
        int worst = 0, beyond = 0, most = 0;
        unsigned char *data = load(held[f].name, "dcm", &size), *want = load(held[f].name, "raw", &raw_size);
        for (size_t i = 0; i + 10 < size; i++) /* Bits Stored and High Bit: group, element, US, 2 bytes */
            if (memcmp(data + i, "\x28\0\x01\x01US\2", 8) == 0) most = (1 << --data[i + 8]) - 1;
            else if (memcmp(data + i, "\x28\0\x02\x01US\2", 8) == 0) data[i + 8]--;
        const int status = dicom_parse(&v, data, size, "memory", 0, &e);
        for (int i = 0; !status && i < FRAMES * SAMPLES; i++) {
            const int sample = want[2 * i] | want[2 * i + 1] << 8,
                      difference = abs((int)v.voxel[i] - (sample < most ? sample : most));
            beyond += sample > most;
            worst = difference > worst ? difference : worst;
        }
        CHECK(held[f].tolerance < 0 ? status && strstr(e.text, "Bits Stored (0028,0101)")
                                    : !status && beyond > 0 && worst <= held[f].tolerance,
              "%s, %d at most: differs by %d, %d beyond: %s", held[f].name, most, worst, beyond, e.text);
        if (!status) volume_free(&v);
        free(data);
        free(want);
    }
}

/* A bit a sample, in words (OW): in big endian files the first is the lowest bit of the second byte. */
static void check_single_bits(void)
{
    static struct bytes b;
    static const unsigned char little[4] = {0x35, 0x0a, 0, 0}, big[4] = {0x0a, 0x35, 0, 0};
    for (int turned = 0; turned < 2; turned++) {
        struct image m = plain();
        struct error e = {""};
        struct volume v;
        int wrong = 0;
        if (turned) m.syntax = "1.2.840.10008.1.2.2";
        m.bits = m.stored = 1, m.high = 0, m.pixels = turned ? big : little, m.size = 4;
        build(&b, &m);
        if (turned) turn(&b);
        const int status = dicom_parse(&v, b.data, b.size, "memory", 0, &e);
        for (int i = 0; i < 12 && !status; i++) wrong += v.voxel[i] != (float)(0xa35 >> i & 1);
        CHECK(!status && !wrong, "single bits, turned %d: %d wrong, %s", turned, wrong, e.text);
        if (!status) volume_free(&v);
    }
}

int main(void)
{
    check_stored();
    check_held();
    check_single_bits();
    for (int f = 0; f < FILES; f++) {
        size_t size;
        struct volume v;
        struct dicom_file file;
        struct dicom_pixels p;
        struct error e = {""};
        unsigned char *data = load(files[f].name, "dcm", &size);
        int status = dicom_parse(&v, data, size, files[f].name, 0, &e);
        CHECK(!status, "%s", e.text);
        if (!status) check_values(f, &v);
        if (!status) volume_free(&v);
        CHECK(!dicom_file_open(&file, data, size, files[f].name, &e) && !dicom_pixels_open(&p, &file, &e),
              "%s", e.text);
        check_damage(files[f].decode, p.fragment[0].data, p.fragment[0].size);
        uint16_t few[SAMPLES];
        int bits;
        CHECK(files[f].decode(few, &bits, ROWS - 1, COLUMNS, p.fragment[0].data, p.fragment[0].size, &e) &&
                  strstr(e.text, "the file says 36 of 29"),
              "%s", e.text);
        for (int g = 0; g < FILES; g++) /* a stream of another kind is an error of words */
            if (files[g].decode != files[f].decode)
                try_bytes(files[g].decode, p.fragment[0].data, p.fragment[0].size);
        dicom_pixels_close(&p);
        dicom_file_close(&file);
        free(data);
    }
    return check_done("check_dicom_jpeg");
}
