/* check_arrays.c - NumPy's arrays and safetensors: the files of other writers, round trips, and headers that
 * must be refused. */
#include <stdint.h>
#include <unistd.h>

#include "io/base/file.h"
#include "io/pack/zip.h"
#include "io/weights/npy.h"
#include "io/weights/safetensors.h"
#include "tests/unit/expect.h"

#define GOLDEN "tests/data/golden/io_"
static char scratch[64] = "check_arrays_scratch_XXXXXX";

/* ---- NumPy --------------------------------------------------------------------------------------------- */

/* As tests/golden/make_io.py fills them. */
static void check_arrays(const struct npz *z, const char *name)
{
    static const char *const codes[] = {"b1", "i1", "i2", "i4", "i8", "u1",
                                        "u2", "u4", "u8", "f2", "f4", "f8"};
    static const char *const variants[] = {"", "_fortran", "_big", "_big_fortran"};
    for (int i = 0; i < 48; i++) {
        char key[32];
        const char *code = codes[i / 4];
        snprintf(key, sizeof key, "%s%s", code, variants[i % 4]);
        const struct npy *a = npz_find(z, key);
        CHECK(a != NULL && a->kind == code[0] && a->bytes == code[1] - '0' && a->ndim == 3 &&
                  npy_count(a) == 24,
              "%s: %s", name, key);
        for (int k = 0; a != NULL && k < 24; k++)
            CHECK(npy_value(a, (size_t)k) == (code[0] == 'b'   ? k % 2
                                              : code[0] == 'u' ? k * 5
                                                               : k * 5 - 7),
                  "%s: %s[%d]", name, key, k);
    }
    const struct npy *scalar = npz_find(z, "scalar"), *vector = npz_find(z, "vector"),
                     *empty = npz_find(z, "empty"), *h = npz_find(z, "halves");
    CHECK(scalar && scalar->ndim == 0 && npy_count(scalar) == 1 && npy_value(scalar, 0) == 2.5, "%s: scalar",
          name);
    CHECK(vector && vector->ndim == 1 && npy_value(vector, 1) == -0.25, "%s: vector", name);
    CHECK(empty && empty->ndim == 3 && empty->dim[0] == 3 && npy_count(empty) == 0, "%s: empty", name);
    const double halves[] = {0x1p-24, -0x3FFp-24, 0x1p-14, 65504, -INFINITY, NAN, 1, 0.333251953125};
    for (int i = 0; h != NULL && i < 8; i++)
        CHECK_NEAR(npy_value(h, (size_t)i), halves[i], 0, "%s: halves[%d]", name, i);
    CHECK(h != NULL && npz_find(z, "absent") == NULL, "%s: halves", name);
}

static void check_npz(void)
{
    static const char *const paths[] = {GOLDEN "stored.npz", GOLDEN "deflated.npz"};
    for (int i = 0; i < 2; i++) {
        struct npz z;
        struct error e;
        int status = npz_read(&z, paths[i], &e);
        CHECK(status == 0, "%s", e.text);
        if (status) continue;
        check_arrays(&z, paths[i]);
        for (int level = 0; level < 10; level += 6) {
            struct npz back;
            CHECK(npz_write(&z, scratch, level, &e) == 0 && npz_read(&back, scratch, &e) == 0, "%s", e.text);
            check_arrays(&back, scratch);
            npz_free(&back);
        }
        npz_free(&z);
    }
    static float value;
    struct npy same[2] = {{.name = "a", .kind = 'f', .bytes = 4, .data = &value},
                          {.name = "a", .kind = 'f', .bytes = 4, .data = &value}};
    struct npz twice = {same, 2}, back;
    struct error e;
    CHECK(npz_write(&twice, scratch, 0, &e) == 0 && npz_read(&back, scratch, &e) &&
              strstr(e.text, "named 'a'"),
          "two arrays of one name: %s", e.text);
}

static void check_medmnist(void)
{
    struct npz z;
    struct error e;
    CHECK(npz_read(&z, "tests/data/adrenalmnist3d/adrenalmnist3d.npz", &e) == 0, "%s", e.text);
    const struct npy *images = npz_find(&z, "train_images"), *labels = npz_find(&z, "train_labels");
    CHECK(images && images->kind == 'u' && images->bytes == 1 && images->ndim == 4 && images->dim[3] == 28,
          "train_images");
    CHECK(labels && labels->dim[0] == images->dim[0], "train_labels");
    double sum = 0;
    for (size_t i = 0; images && i < npy_count(images); i++) sum += npy_value(images, i) > 0;
    CHECK(sum > 1000, "train_images has %g voxels of adrenal gland", sum);
    npz_free(&z);
}

static int parse_npy(struct npy *a, const char *head, size_t data, struct error *e)
{
    unsigned char buf[512] = "\x93NUMPY\x01";
    size_t n = strlen(head);
    buf[8] = (unsigned char)n;
    memcpy(buf + 10, head, n);
    return npy_parse(a, buf, 10 + n + data, "t.npy", e);
}

static void check_npy(void)
{
    struct npy a;
    struct zip z = {0};
    struct error e = {""};
    unsigned char *saved = NULL, *ours = NULL;
    size_t saved_size = 0, ours_size = 0;
    CHECK(npy_read(&a, GOLDEN "saved.npy", &e) == 0 && npy_value(&a, 9) == 9, "%s", e.text);
    CHECK(npz_write(&(struct npz){&a, 1}, scratch, 0, &e) == 0, "%s", e.text);
    CHECK(file_read(GOLDEN "saved.npy", 0, &saved, &saved_size, &e) == 0 &&
              file_read(scratch, 0, &ours, &ours_size, &e) == 0 &&
              zip_open(&z, ours, ours_size, scratch, &e) == 0,
          "%s", e.text);
    CHECK(z.count == 1 && z.entry[0].size == saved_size && memcmp(z.entry[0].data, saved, saved_size) == 0,
          "not the bytes numpy.save writes");
    zip_free(&z);
    npy_free(&a);
    free(saved);
    free(ours);
    static const struct { const char *head; size_t data; const char *message;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 7, "7 bytes of data"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 9, "has 9 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", 0,
         "shape[0] is 4611686018427387904"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 2), }", 16, "shape[0]"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 8, "too large"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 8, "whole number"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1), }", 4, "tuple"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 4, "more than 8"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8, "descr is '|O'"},
        {"{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }", 16, "descr is"},
        {"{'descr': '<f3', 'fortran_order': False, 'shape': (1,), }", 3, "descr is"},
        {"{'descr': '|f4', 'fortran_order': False, 'shape': (1,), }", 4, "descr is"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4, "records"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }", 4, "fortran_order"},
        {"{'descr': '<f4', 'shape': (1,), }", 4, "no descr"},
        {"{'descr': '<f4', 'descr': '<f4'}", 4, "repeated"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x", 4, "text after"},
        {"", 0, "not a dict"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK(parse_npy(&a, cases[i].head, cases[i].data, &e) && strstr(e.text, cases[i].message), "%s: '%s'",
              cases[i].head, e.text);
    CHECK(parse_npy(&a, "{\"shape\":(1L,2L),'fortran_order':True,'descr':'=i2'}\n", 4, &e) == 0 &&
              a.dim[1] == 2,
          "%s", e.text);
    npy_free(&a);
    static const unsigned char v3[] =
        "\x93NUMPY\x03\0\x37\0\0\0{'descr':'|u1','fortran_order':False,'shape':(2,)}    \nAB";
    CHECK(npy_parse(&a, v3, sizeof v3 - 1, "v3", &e) == 0 && npy_value(&a, 1) == 'B', "%s", e.text);
    npy_free(&a);
}

/* ---- safetensors --------------------------------------------------------------------------------------- */

static void check_types(const struct safetensors *s)
{
    static const char *const types[] = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I64", "I32",
                                        "I16", "I8",  "U8",  "U16",  "U32",     "U64",     "BOOL"};
    for (int k = 0; k < 15; k++) {
        const struct safetensor *t = safetensors_find(s, types[k]);
        CHECK(t && strcmp(t->dtype, types[k]) == 0 && t->ndim == 3 && t->dim[2] == 4 &&
                  t->bytes == 24 * safetensors_dtype_bytes(types[k]),
              "%s", types[k]);
        for (int i = 0; t && i < 24; i++) {
            double want = k == 14 ? i % 2 : k >= 10 ? i + 200 : i - 7;
            if (k == 5 && want > 8) want = 2 * nearbyint(want / 2); /* E5M2 has 3 bits */
            CHECK_NEAR(safetensors_value(t, (size_t)i), want, 0, "%s[%d]", types[k], i);
        }
    }
    static const char *const small[][2] = {{"every_e4m3", "every_e4m3_as_f32"},
                                           {"every_e5m2", "every_e5m2_as_f32"}};
    for (int k = 0; k < 2; k++) {
        const struct safetensor *a = safetensors_find(s, small[k][0]), *b = safetensors_find(s, small[k][1]);
        CHECK(a && b, "%s", small[k][0]);
        for (size_t i = 0; a && b && i < 256; i++)
            CHECK_NEAR(safetensors_value(a, i), safetensors_value(b, i), 0, "%s[%zu]", small[k][0], i);
    }
}

static void check_safetensors_golden(void)
{
    struct safetensors s, copy = {0};
    struct error e;
    int status = safetensors_read(&s, GOLDEN "types.safetensors", &e);
    CHECK(status == 0, "%s", e.text);
    if (status) return;
    check_types(&s);
    CHECK(strcmp(safetensors_meta(&s, "note"), "quotes \" and \xC3\xA9") == 0 &&
              safetensors_meta(&s, "absent") == NULL,
          "metadata");
    CHECK(safetensors_find(&s, "scalar")->ndim == 0 &&
              safetensors_value(safetensors_find(&s, "scalar"), 0) == 2.5f,
          "scalar");
    CHECK(safetensors_find(&s, "empty")->bytes == 0 && safetensors_find(&s, "absent") == NULL, "empty");
    for (int i = 0; i < s.metas; i++) safetensors_add_meta(&copy, s.meta_key[i], s.meta_value[i]);
    for (int i = 0; i < s.count; i++) {
        const struct safetensor *t = &s.tensor[i];
        safetensors_add(&copy, t->name, t->dtype, t->ndim, t->dim, t->data);
    }
    unsigned char *theirs = NULL, *ours = NULL;
    size_t theirs_size = 0, ours_size = 0;
    CHECK(safetensors_write(&copy, scratch, &e) == 0, "%s", e.text);
    CHECK(file_read(GOLDEN "types.safetensors", 0, &theirs, &theirs_size, &e) == 0 &&
              file_read(scratch, 0, &ours, &ours_size, &e) == 0,
          "%s", e.text);
    CHECK(theirs_size == ours_size && memcmp(theirs, ours, ours_size) == 0,
          "not the bytes that safetensors writes");
    CHECK(safetensors_write(&copy, "check_arrays_no_folder/a", &e) == -1 && strstr(e.text, "no_folder"), "%s",
          e.text);
    free(theirs);
    free(ours);
    int64_t dim = 1;
    safetensors_add(&copy, "scalar", "U8", 1, &dim, "x");
    CHECK(safetensors_write(&copy, scratch, &e) && strstr(e.text, "'scalar'"), "two tensors of one name: %s",
          e.text);
    safetensors_free(&copy);
    safetensors_free(&s);
}

/* length: what the first 8 bytes say; 0 for the truth. */
static int parse_safetensors(struct safetensors *s, const char *header, size_t buffer, uint64_t length,
                             struct error *e)
{
    size_t n = strlen(header), size = 8 + n + buffer;
    unsigned char *data = calloc(1, size);
    if (length == 0) length = n;
    for (int i = 0; i < 8; i++) data[i] = (unsigned char)(length >> 8 * i);
    memcpy(data + 8, header, n);
    int status = safetensors_parse(s, data, size, "t", e);
    if (status) free(data);
    return status;
}

#define ENTRY(dtype, shape, b, e) \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" b "," e "]}"

static void check_safetensors_errors(void)
{
    static const struct {
        const char *header;
        size_t buffer;
        uint64_t length;
        const char *message;
    } cases[] = {
        {"{\"a\":" ENTRY("F32", "[2]", "0", "8") "}", 7, 0, "data_offsets"},
        {"{\"a\":" ENTRY("F32", "[2]", "0", "8") "}", 9, 0, "the buffer has 9 bytes"},
        {"{\"a\":" ENTRY("F32", "[2]", "0", "8") "}", 8, 1ull << 63, "header's length"},
        {"{\"a\":" ENTRY("F32", "[2]", "0", "8") "}", 8, 100000001, "more than 100000000"},
        {"{\"a\":" ENTRY("F32", "[2]", "0", "8") "}", 8, 90000000, "beyond the end"},
        {"{\"a\":" ENTRY("F32", "[2]", "0", "8") ",\"b\":" ENTRY("F32", "[2]", "4", "12") "}", 12, 0,
         "b: data_offsets overlap"},
        {"{\"a\":" ENTRY("F32", "[2]", "0", "8") ",\"b\":" ENTRY("F32", "[2]", "12", "20") "}", 20, 0,
         "hole"},
        {"{\"a\":" ENTRY("F32", "[2]", "4", "12") "}", 12, 0, "hole"},
        {"{\"a\":" ENTRY("F32", "[2]", "0", "8") ",\"a\":" ENTRY("F32", "[2]", "0", "8") "}", 8, 0, "twice"},
        {"{\"a\":" ENTRY("F32", "[3]", "0", "8") "}", 8, 0, "which is not what shape"},
        {"{\"a\":" ENTRY("F32", "[4611686018427387904,4]", "0", "0") "}", 0, 0, "which is not what shape"},
        {"{\"a\":" ENTRY("U8", "[9223372036854775807,9223372036854775807]", "0", "1") "}", 1, 0,
         "which is not what shape"},
        {"{\"a\":" ENTRY("F32", "[-2]", "0", "8") "}", 8, 0, "shape[0]"},
        {"{\"a\":" ENTRY("F32", "[2.0]", "0", "8") "}", 8, 0, "shape[0]"},
        {"{\"a\":" ENTRY("F31", "[2]", "0", "8") "}", 8, 0, "dtype 'F31'"},
        {"{\"a\":" ENTRY("F32", "[2]", "8", "0") "}", 8, 0, "data_offsets"},
        {"{\"a\":" ENTRY("F32", "[2]", "-8", "0") "}", 8, 0, "data_offsets"},
        {"{\"a\":" ENTRY("F32", "[2]", "9223372036854775800", "9223372036854775807") "}", 8, 0,
         "data_offsets"},
        {"{\"a\":" ENTRY("F32", "[2]", "0", "99999999999999999999") "}", 8, 0, "two whole numbers"},
        {"{\"a\":" ENTRY("F32", "[1,1,1,1,1,1,1,1,2]", "0", "8") "}", 8, 0, "9 dimensions"},
        {"{\"a\":" ENTRY("F4", "[3]", "0", "1") "}", 1, 0, "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, 0, "no shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, 0, "data_offsets"},
        {"{\"a\":3}", 0, 0, "dtype"},
        {"{\"__metadata__\":{\"a\":3}}", 0, 0, "__metadata__ 'a'"},
        {"{\"__metadata__\":[]}", 0, 0, "__metadata__"},
        {" {}", 0, 0, "'{'"},
        {"[]", 0, 0, "'{'"},
        {"{", 0, 0, "header: line 1"},
        {"{}x", 0, 0, "more text"},
        {"", 0, 0, "'{'"}};
    struct safetensors s;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error e = {""};
        CHECK(parse_safetensors(&s, cases[i].header, cases[i].buffer, cases[i].length, &e) &&
                  strstr(e.text, cases[i].message),
              "%s: '%s'", cases[i].header, e.text);
    }
    struct error e = {""};
    CHECK(parse_safetensors(&s, "{}   ", 0, 0, &e) == 0 && s.count == 0, "%s", e.text);
    safetensors_free(&s);
    CHECK(parse_safetensors(
              &s,
              "{\"b\":" ENTRY("F4", "[4]", "4", "6") ",\"e\":" ENTRY(
                  "F32", "[0,9223372036854775807,9]", "4", "4") ",\"a\":" ENTRY("F32", "[]", "0", "4") "}",
              6, 0, &e) == 0 &&
              s.count == 3,
          "%s", e.text);
    CHECK(isnan(safetensors_value(safetensors_find(&s, "b"), 0)) && safetensors_dtype_bytes("F4") == 0,
          "4 bits");
    safetensors_free(&s);
}

int main(void)
{
    int fd = mkstemp(scratch);
    CHECK(fd >= 0, "no scratch file");
    close(fd);
    check_npz();
    check_medmnist();
    check_npy();
    check_safetensors_golden();
    check_safetensors_errors();
    unlink(scratch);
    return check_done("check_arrays");
}
