/* fuzz_bytes.c - the readers of formats, which take bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/compress/compress.h"
#include "fl/privacy/randomness.h"
#include "fl/privacy/secure.h"
#include "io/base/bytes.h"
#include "io/base/csv.h"
#include "io/base/file.h"
#include "io/base/json.h"
#include "io/dicom/dicom.h"
#include "io/jpeg/jpeg_2000.h"
#include "io/jpeg/jpeg_baseline.h"
#include "io/jpeg/jpeg_lossless.h"
#include "io/jpeg/jpeg_ls.h"
#include "io/image/metaimage.h"
#include "io/image/nifti.h"
#include "io/image/nrrd.h"
#include "io/image/png_volume.h"
#include "io/tiff/tiff.h"
#include "io/pack/gzip.h"
#include "io/pack/inflate.h"
#include "io/pack/zip.h"
#include "io/weights/npy.h"
#include "io/weights/pickle.h"
#include "io/weights/pth.h"
#include "io/weights/safetensors.h"
#include "tests/fuzz/fuzz.h"

enum { OUTPUT_MOST = 1 << 24 }; /* of what is unpacked */

void fuzz_must(int condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

void fuzz_said(int status, const char *message)
{
    fuzz_must(status == 0 || message[0], "an error without a message");
}

/* ---- text ---------------------------------------------------------------------------------------------- */

/* What was read and written must read back as the same text. */
static void run_json(const uint8_t *data, size_t size)
{
    struct error e = {""};
    struct json *j = json_parse((const char *)data, size, &e), *again;
    fuzz_said(j ? 0 : -1, e.text);
    if (j == NULL) return;
    for (int indent = 0; indent <= 4; indent += 4) {
        char *text = json_format(j, indent), *second;
        again = json_parse(text, strlen(text), &e);
        fuzz_must(again != NULL, "JSON does not read back");
        second = json_format(again, indent);
        fuzz_must(strcmp(text, second) == 0, "JSON reads back changed");
        json_free(again);
        free(text);
        free(second);
    }
    json_free(j);
}

static void run_csv(const uint8_t *data, size_t size)
{
    struct error e = {""};
    struct csv c;
    double v;
    const int status = csv_parse(&c, (const char *)data, size, "fuzz", &e);
    fuzz_said(status, e.text);
    if (status) return;
    for (int r = 0; r < c.rows; r++)
        for (int i = 0; i < c.columns; i++) (void)csv_number(&c, "fuzz", r, i, &v, &e);
    (void)csv_column(&c, "absent", &e);
    csv_free(&c);
}

/* ---- packed -------------------------------------------------------------------------------------------- */

/* By address: the call that makes them is an argument too, and may come after the others. */
static void unpacked(int status, unsigned char *const *out, const size_t *size, const struct error *e)
{
    fuzz_said(status, e->text);
    if (status) return;
    fuzz_must(*size <= OUTPUT_MOST + 65536, "more than the limit");
    free(*out);
}

static void run_inflate(const uint8_t *data, size_t size)
{
    struct error e = {""};
    unsigned char *out = NULL;
    size_t n = 0, used = 0;
    unpacked(inflate_raw(data, size, 0, OUTPUT_MOST, &out, &n, &used, &e), &out, &n, &e);
    unpacked(inflate_zlib(data, size, OUTPUT_MOST, &out, &n, &e), &out, &n, &e);
    unpacked(inflate_begin(data, size, 1000, &out, &n, &used, &e), &out, &n, &e);
}

static void run_gzip(const uint8_t *data, size_t size)
{
    struct error e = {""};
    unsigned char *out = NULL;
    size_t n = 0;
    unpacked(gzip_decompress(data, size, OUTPUT_MOST, &out, &n, &e), &out, &n, &e);
    unpacked(gzip_begin(data, size, 352, &out, &n, &e), &out, &n, &e);
}

static void run_zip(const uint8_t *data, size_t size)
{
    struct error e = {""};
    struct zip z;
    const int status = zip_open(&z, data, size, "fuzz", &e);
    fuzz_said(status, e.text);
    if (status) return;
    for (int i = 0; i < z.count && i < 64; i++) {
        unsigned char *out = NULL;
        size_t n = 0;
        unpacked(zip_extract(&z, i, OUTPUT_MOST, &out, &n, &e), &out, &n, &e);
    }
    zip_free(&z);
}

/* ---- images -------------------------------------------------------------------------------------------- */

typedef int parse(struct volume *v, const unsigned char *data, size_t size, const char *name, int what,
                  struct error *e);

static void image(parse *reader, const uint8_t *data, size_t size)
{
    for (int header_only = 0; header_only < 2; header_only++) {
        struct volume v;
        struct error e = {""};
        const int status = reader(&v, data, size, "fuzz", header_only, &e);
        fuzz_said(status, e.text);
        if (status) continue;
        fuzz_must(v.spacing[0] > 0 && v.spacing[1] > 0 && v.spacing[2] > 0, "a spacing that is not positive");
        fuzz_must(v.size[0] > 0 && v.size[1] > 0 && v.size[2] > 0 && v.size[3] > 0, "an empty volume");
        volatile float sum = 0; /* every voxel is there */
        for (size_t i = 0; !header_only && i < volume_voxels(&v); i++) sum = sum + v.voxel[i];
        volume_free(&v);
    }
}

static int nifti(struct volume *v, const unsigned char *data, size_t size, const char *name, int what,
                 struct error *e)
{
    return nifti_parse(v, data, size, NULL, 0, name, what, e);
}

static void run_nifti(const uint8_t *data, size_t size) { image(nifti, data, size); }
static void run_nrrd(const uint8_t *data, size_t size) { image(nrrd_parse, data, size); }
static void run_metaimage(const uint8_t *data, size_t size) { image(metaimage_parse, data, size); }
static void run_png(const uint8_t *data, size_t size) { image(png_parse, data, size); }
static void run_tiff(const uint8_t *data, size_t size) { image(tiff_parse, data, size); }
static void run_dicom(const uint8_t *data, size_t size) { image(dicom_parse, data, size); }

/* Pixels as DICOM packs them: the stream alone, without the file around it. */
typedef int decode(uint16_t *out, int *bits, int rows, int columns, const unsigned char *in, size_t size,
                   struct error *e);

static void picture(decode *reader, const uint8_t *data, size_t size)
{
    enum { ROWS = 37, COLUMNS = 29 };
    struct error e = {""};
    int bits;
    uint16_t *out = malloc(ROWS * COLUMNS * sizeof *out); /* of its own, so that a write beyond it is seen */
    if (out) fuzz_said(reader(out, &bits, ROWS, COLUMNS, data, size, &e), e.text);
    free(out);
}

static void run_jpeg(const uint8_t *data, size_t size) { picture(jpeg_baseline_decode, data, size); }
static void run_jpeg_lossless(const uint8_t *data, size_t size) { picture(jpeg_lossless_decode, data, size); }
static void run_jpeg_ls(const uint8_t *data, size_t size) { picture(jpeg_ls_decode, data, size); }
static void run_jpeg_2000(const uint8_t *data, size_t size) { picture(jpeg_2000_decode, data, size); }

/* ---- weights ------------------------------------------------------------------------------------------- */

static void run_npy(const uint8_t *data, size_t size)
{
    struct error e = {""};
    struct npy a;
    volatile double sink = 0;
    const int status = npy_parse(&a, data, size, "fuzz", &e);
    fuzz_said(status, e.text);
    if (status) return;
    for (size_t i = 0; i < npy_count(&a); i++) sink = npy_value(&a, i);
    (void)sink;
    npy_free(&a);
}

static void run_npz(const uint8_t *data, size_t size)
{
    struct error e = {""};
    struct npz z;
    const int status = npz_parse(&z, data, size, "fuzz", &e);
    fuzz_said(status, e.text);
    if (status) return;
    for (int i = 0; i < z.count; i++)
        fuzz_must(npz_find(&z, z.array[i].name) == &z.array[i], "an array is not found");
    npz_free(&z);
}

static void touch_tensors(const struct safetensors *s)
{
    volatile float sink = 0;
    for (int i = 0; i < s->count; i++) {
        const struct safetensor *t = &s->tensor[i];
        size_t bytes = safetensors_dtype_bytes(t->dtype);
        for (size_t k = 0; bytes > 0 && k < t->bytes / bytes; k++) sink = safetensors_value(t, k);
    }
    (void)sink;
}

static unsigned char *copy_of(const uint8_t *data, size_t size)
{
    unsigned char *copy = malloc(size ? size : 1);
    fuzz_must(copy != NULL, "out of memory");
    if (size > 0) memcpy(copy, data, size);
    return copy;
}

static void run_safetensors(const uint8_t *data, size_t size)
{
    struct error e = {""};
    struct safetensors s;
    unsigned char *copy = copy_of(data, size);
    const int status = safetensors_parse(&s, copy, size, "fuzz", &e);
    fuzz_said(status, e.text);
    if (status) {
        free(copy);
        return;
    }
    touch_tensors(&s);
    safetensors_free(&s);
}

static void run_pth(const uint8_t *data, size_t size)
{
    struct error e = {""};
    struct pth p;
    unsigned char *copy = copy_of(data, size);
    const int status = pth_parse(&p, copy, size, "fuzz", &e);
    fuzz_said(status, e.text);
    if (status) {
        free(copy);
        return;
    }
    touch_tensors(&p.tensors);
    fuzz_must(p.values != NULL, "a file without values");
    pth_free(&p);
}

/* The pickle alone, which in an archive would need a right CRC. */
static void run_pickle(const uint8_t *data, size_t size)
{
    struct error e = {""};
    struct pickle p;
    const int status = pickle_parse(&p, data, size, &e);
    fuzz_said(status, e.text);
    if (status) return;
    fuzz_must(p.root != NULL, "a pickle without a value");
    pickle_free(&p);
}

/* ---- what sites send ----------------------------------------------------------------------------------- */

static void run_compressed(const uint8_t *data, size_t size)
{
    struct error e = {""};
    float *x = malloc(300 * sizeof *x);
    if (x && compress_decode(x, 300, data, size, &e) == 0)
        for (int i = 0; i < 300; i++) fuzz_must(x[i] - x[i] == 0, "a value that is not finite");
    else fuzz_said(-1, e.text);
    free(x);
}

static void run_secure_site(const uint8_t *data, size_t size)
{
    struct error e = {""};
    struct secure_site s;
    const int status = secure_site_read(&s, data, size, &e);
    fuzz_said(status, e.text);
    if (status == 0) secure_site_end(&s);
}

static void run_secure_server(const uint8_t *data, size_t size)
{
    struct error e = {""};
    struct secure_server s;
    const int status = secure_server_read(&s, data, size, &e);
    fuzz_said(status, e.text);
    if (status == 0) secure_server_end(&s);
}

static void put_bytes(const char *folder, const char *name, const struct bytes *b)
{
    char path[1200];
    struct error e;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    fuzz_must(file_mkdirs(path, &e) == 0, e.text);
    snprintf(path, sizeof path, "%s/%s/seed", folder, name);
    fuzz_must(file_write(path, b->data, b->size, &e) == 0, e.text);
}

void fuzz_seeds_of_sites(const char *folder)
{
    struct secure_parameters p = {
        .sites = 3, .threshold = 2, .bits = 32, .range = 4, .weight_max = 100, .count = 20};
    static struct secure_site site;
    struct secure_server server;
    struct randomness r;
    struct bytes out = {0}, message = {0};
    struct error e = {""};
    float x[300];
    randomness_for_tests(&r, 1);
    for (int i = 0; i < 300; i++) x[i] = (float)i - 7.5f;
    const struct compress_options o = compress_options_default();
    fuzz_must(compress_encode(&out, compress_find("int8"), &o, x, 300, &e) == 0, e.text);
    put_bytes(folder, "compressed", &out);
    out.size = 0;
    randomness_bytes(&r, p.session, sizeof p.session);
    fuzz_must(secure_site_begin(&site, &p, 0, &r, &message, &e) == 0, e.text);
    secure_site_write(&site, &out);
    put_bytes(folder, "secure_site", &out);
    out.size = 0;
    fuzz_must(secure_server_begin(&server, &p, &e) == 0, e.text);
    fuzz_must(secure_server_take(&server, -1, message.data, message.size, &e) == 0, e.text);
    secure_server_write(&server, &out);
    put_bytes(folder, "secure_server", &out);
    secure_server_end(&server);
    secure_site_end(&site);
    bytes_free(&out);
    bytes_free(&message);
    randomness_end(&r);
}

const struct fuzz_target fuzz_bytes[] = {
    {.name = "json", .run = run_json},
    {.name = "csv", .run = run_csv},
    {.name = "inflate", .run = run_inflate},
    {.name = "gzip", .run = run_gzip},
    {.name = "zip", .run = run_zip},
    {.name = "nifti", .run = run_nifti},
    {.name = "nrrd", .run = run_nrrd},
    {.name = "metaimage", .run = run_metaimage},
    {.name = "png", .run = run_png},
    {.name = "tiff", .run = run_tiff},
    {.name = "dicom", .run = run_dicom},
    {.name = "jpeg", .run = run_jpeg},
    {.name = "jpeg_lossless", .run = run_jpeg_lossless},
    {.name = "jpeg_ls", .run = run_jpeg_ls},
    {.name = "jpeg_2000", .run = run_jpeg_2000},
    {.name = "npy", .run = run_npy},
    {.name = "npz", .run = run_npz},
    {.name = "safetensors", .run = run_safetensors},
    {.name = "pth", .run = run_pth},
    {.name = "pickle", .run = run_pickle},
    {.name = "compressed", .run = run_compressed},
    {.name = "secure_site", .run = run_secure_site},
    {.name = "secure_server", .run = run_secure_server},
    {0},
};
