/* check_dicom_jpeg.c - DICOM with JPEG, JPEG-LS and JPEG 2000 pixels against pydicom's plugins
 * (tests/golden/make_dicom_jpeg.py): lossless and JPEG-LS to the bit, the others within 1; every cut and
 * flipped bytes give an error or a picture, never a crash. Run under sanitizers by check-all.
 */
#include "io/base/file.h"
#include "io/dicom/dicom.h"
#include "io/dicom/dicom_file.h"
#include "io/jpeg/jpeg_2000.h"
#include "io/jpeg/jpeg_baseline.h"
#include "io/jpeg/jpeg_ls.h"
#include "tests/unit/expect.h"

enum { ROWS = 37, COLUMNS = 29, FRAMES = 2, SAMPLES = ROWS * COLUMNS };
typedef int decoder(uint16_t *out, int rows, int columns, const unsigned char *in, size_t size,
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

static unsigned char *read(const char *name, const char *suffix, size_t *size)
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
    unsigned char *want = read(files[f].name, "raw", &size);
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
    int status = decode(out, ROWS, COLUMNS, copy, size, &e);
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

int main(void)
{
    for (int f = 0; f < FILES; f++) {
        size_t size;
        struct volume v;
        struct dicom_file file;
        struct dicom_pixels p;
        struct error e = {""};
        unsigned char *data = read(files[f].name, "dcm", &size);
        int status = dicom_parse(&v, data, size, files[f].name, 0, &e);
        CHECK(!status, "%s", e.text);
        if (!status) check_values(f, &v);
        if (!status) volume_free(&v);
        CHECK(!dicom_file_open(&file, data, size, files[f].name, &e) && !dicom_pixels_open(&p, &file, &e),
              "%s", e.text);
        check_damage(files[f].decode, p.fragment[0].data, p.fragment[0].size);
        uint16_t few[SAMPLES];
        CHECK(files[f].decode(few, ROWS - 1, COLUMNS, p.fragment[0].data, p.fragment[0].size, &e) &&
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
