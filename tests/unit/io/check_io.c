/* check_io.c - JSON, CSV, NumPy, safetensors and SVG: known answers, round trips, damaged and hostile files.
 */
#include <locale.h>
#include <stdint.h>
#include <unistd.h>

#include "io/base/csv.h"
#include "io/base/file.h"
#include "io/base/json.h"
#include "io/weights/npy.h"
#include "io/weights/safetensors.h"
#include "io/picture/svg.h"
#include "io/base/text.h"
#include "tests/unit/expect.h"

#define GOLDEN "tests/data/golden/io_"
static char scratch[64] = "check_io_scratch_XXXXXX";

/* ---- numbers ------------------------------------------------------------------------------------------- */

static void check_numbers(void)
{
    static const struct { double v; const char *text;
    } cases[] = {{0.0, "0.0"},
                 {-0.0, "-0.0"},
                 {1, "1.0"},
                 {-3, "-3.0"},
                 {0.1, "0.1"},
                 {0.5, "0.5"},
                 {123456.75, "123456.75"},
                 {1e15, "1000000000000000.0"},
                 {1e16, "1e+16"},
                 {1.5e16, "1.5e+16"},
                 {9007199254740993.0, "9007199254740992.0"},
                 {0.0001, "0.0001"},
                 {0.00012, "0.00012"},
                 {0.00001, "1e-05"},
                 {1.0 / 3, "0.3333333333333333"},
                 {2.0 / 3, "0.6666666666666666"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {5e-324, "5e-324"},
                 {2.2250738585072014e-308, "2.2250738585072014e-308"},
                 {1.7976931348623157e308, "1.7976931348623157e+308"},
                 {-1e-300, "-1e-300"},
                 {1e100, "1e+100"},
                 {NAN, "nan"},
                 {-INFINITY, "-inf"},
                 {100.0, "100.0"},
                 {0.01f, "0.009999999776482582"}};
    char buf[TEXT_NUMBER];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int n = text_format_double(buf, cases[i].v);
        CHECK(strcmp(buf, cases[i].text) == 0 && n == (int)strlen(buf), "%s is written %s", cases[i].text,
              buf);
    }
    uint64_t state = 12345;
    int bad = 0;
    for (int i = 0; i < 20000; i++) { /* any bits: what is written reads back equal */
        double v, back = 0;
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t bits = state ^ state >> 31;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v)) continue;
        int n = text_format_double(buf, v);
        if (n >= TEXT_NUMBER || text_parse_double(&back, buf, (size_t)n) || memcmp(&back, &v, sizeof v))
            bad++;
    }
    CHECK(bad == 0, "%d of 20000 numbers did not survive", bad);
    static const char *const wrong[] = {"",   ".",   "-",   "1e",  "1e+", "0x10", " 1",
                                        "1 ", "nan", "inf", "1,5", "--1", "1.2.3"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        double v;
        CHECK(text_parse_double(&v, wrong[i], strlen(wrong[i])), "'%s' is no number", wrong[i]);
    }
}

/* ---- JSON ---------------------------------------------------------------------------------------------- */

/* Parses a copy of exactly that size, so that memory checkers see every read beyond. */
static struct json *parse_json(const char *text, size_t size, struct error *e)
{
    char *copy = malloc(size ? size : 1);
    memcpy(copy, text, size);
    struct json *j = json_parse(copy, size, e);
    free(copy);
    return j;
}

static void check_json_text(const char *in, const char *want, int indent)
{
    struct error e = {""};
    struct json *j = parse_json(in, strlen(in), &e);
    CHECK(j != NULL, "%s: %s", in, e.text);
    if (j == NULL) return;
    char *out = json_format(j, indent);
    CHECK(strcmp(out, want) == 0, "%s gives %s, not %s", in, out, want);
    struct json *copy = json_copy(j);
    char *again = json_format(copy, indent);
    CHECK(strcmp(out, again) == 0, "%s differs in its copy: %s", in, again);
    free(again);
    free(out);
    json_free(copy);
    json_free(j);
}

static void check_json_values(void)
{
    check_json_text(
        " [1, -0, 9223372036854775807, -9223372036854775808, 9223372036854775808, 1.0, 1e2, 1E+2, -0.0] ",
        "[1, 0, 9223372036854775807, -9223372036854775808, 9.223372036854776e+18, 1.0, 100.0, 100.0, -0.0]",
        0);
    check_json_text("[NaN,Infinity,-Infinity,true,false,null,1e999]",
                    "[NaN, Infinity, -Infinity, true, false, null, Infinity]", 0);
    check_json_text("\"\\u00e9\\ud83d\\ude00\\n\\/\\\\\\\"\\u0001\\b\\f\\r\\t\\u007f\"",
                    "\"\xC3\xA9\xF0\x9F\x98\x80\\n/\\\\\\\"\\u0001\\b\\f\\r\\t\\u007f\"", 0);
    check_json_text("\xEF\xBB\xBF{\"a\":1,\"b\":2,\"a\":3,\"c\":4,\"a\":5}", "{\"a\": 5, \"b\": 2, \"c\": 4}",
                    0);
    check_json_text("{\"a\":[[1,2],[3.5,4]],\"b\":{},\"c\":[],\"d\":[\"x\"]}",
                    "{\n  \"a\": [\n    [1, 2],\n    [3.5, 4]\n  ],\n  \"b\": {},\n  \"c\": [],\n  \"d\": "
                    "[\n    \"x\"\n  ]\n}",
                    2);
    check_json_text("\"\\u0800\\uffff\\u07ff\"", "\"\xE0\xA0\x80\xEF\xBF\xBF\xDF\xBF\"", 0);
}

static void check_json_errors(void)
{
    static const struct { const char *text, *message;
    } cases[] = {{"", "line 1 column 1: the text ends"},
                 {"[1,]", "line 1 column 4"},
                 {"[1 2]", "line 1 column 4: ',' or ']'"},
                 {"{\"a\" 1}", "line 1 column 6: ':'"},
                 {"{a:1}", "line 1 column 2"},
                 {"[01]", "line 1 column 3"},
                 {"[1.]", "column 2"},
                 {"[.5]", "column 2"},
                 {"[+1]", "column 2"},
                 {"[1e]", "column 2"},
                 {"[-]", "column 2"},
                 {"\"\t\"", "control character"},
                 {"\"\\x\"", "unknown escape"},
                 {"\"\\u12g4\"", "hexadecimal"},
                 {"\"\\ud800\"", "surrogate"},
                 {"\"\\ud800\\u0041\"", "surrogate"},
                 {"\"\\udc00\"", "surrogate"},
                 {"\"\\u0000\"", "\\u0000"},
                 {"\"abc", "does not end"},
                 {"\"abc\\", "does not end"},
                 {"tru", "not a JSON value"},
                 {"nan", "not a JSON value"},
                 {"[1]x", "more text"},
                 {"{\"a\":1,}", "column 8"},
                 {"\"\xFF\"", "UTF-8"},
                 {"\"\xC0\x80\"", "UTF-8"},
                 {"\"\xED\xA0\x80\"", "UTF-8"},
                 {"\"\xF4\x90\x80\x80\"", "UTF-8"},
                 {"\"\xC3\"", "UTF-8"},
                 {"[1,\n \"\xC3\xA9\", x]", "line 2 column 7"},
                 {"'a'", "not a JSON value"},
                 {"[1]//", "more text"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error e = {""};
        struct json *j = parse_json(cases[i].text, strlen(cases[i].text), &e);
        CHECK(j == NULL && strstr(e.text, cases[i].message) != NULL, "%s: '%s'", cases[i].text, e.text);
        json_free(j);
    }
    struct error e;
    struct json *j = json_parse_unique("{\"a\":1,\"a\":2}", 13, &e);
    CHECK(j == NULL && strstr(e.text, "\"a\" is there twice"), "%s", e.text);
    char deep[300];
    for (int n = 127; n <= 130; n++) {
        memset(deep, '[', (size_t)n);
        memset(deep + n, ']', (size_t)n);
        j = parse_json(deep, 2 * (size_t)n, &e);
        CHECK((j != NULL) == (n <= 128), "%d deep", n);
        json_free(j);
    }
}

static void check_json_building(void)
{
    struct error e;
    struct json *j = json_object(), *list;
    json_add_int(j, "n", 3);
    json_add_number(j, "x", 0.25);
    json_add_bool(j, "yes", 7);
    json_add_text(j, "s", "a\"b\xFF");
    json_add_null(j, "none");
    list = json_add_array(j, "list");
    for (int i = 0; i < 9; i++) json_add_int(list, NULL, i);
    json_add_int(j, "n", 4); /* replaces in place */
    json_remove(j, "yes");
    json_remove(j, "absent");
    CHECK(json_write(j, scratch, &e) == 0, "%s", e.text);
    json_free(j);
    j = json_read(scratch, &e);
    CHECK(j != NULL, "%s", e.text);
    CHECK(json_integer(j, "n", 0) == 4 && json_number(j, "n", 0) == 4 && json_number(j, "x", 0) == 0.25,
          "numbers");
    CHECK(json_integer(j, "x", -1) == -1 && json_integer(j, "absent", -2) == -2 &&
              json_number(j, "s", -3) == -3,
          "other types");
    CHECK(json_boolean(j, "yes", 5) == 5 && json_boolean(j, "n", 6) == 6, "removed");
    CHECK(strcmp(json_text(j, "s", ""), "a\"b\xEF\xBF\xBD") == 0 && json_get(j, "none")->type == JSON_NULL,
          "text");
    CHECK(json_at(json_get(j, "list"), 8)->integer == 8 && json_at(json_get(j, "list"), 9) == NULL &&
              json_at(j, -1) == NULL,
          "list");
    CHECK(json_get(NULL, "x") == NULL && json_get(json_get(j, "list"), "x") == NULL &&
              json_at(json_get(j, "n"), 0) == NULL,
          "absent");
    json_free(j);
    struct text many = {0}; /* 200000 members, every key twice: done at once where time is linear */
    for (int i = 0; i < 200000; i++) text_printf(&many, "%s\"key%d\":%d", i ? "," : "{", i % 100000, i);
    text_puts(&many, "}");
    j = json_parse(many.data, many.size, &e);
    CHECK(j != NULL && j->count == 100000 && j->item[99999]->integer == 199999 &&
              j->item[0]->integer == 100000,
          "many members");
    json_free(j);
    free(many.data);
}

/* A program that links us may have set any locale; some machines have only C. */
static void check_locale(void)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8",
                                        "nl_NL.UTF-8", "de_DE",      "fr_FR"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (setlocale(LC_NUMERIC, names[i]) != NULL) break;
    check_json_text("[0.5, 1e-7]", "[0.5, 1e-07]", 0);
    setlocale(LC_NUMERIC, "C");
}

/* ---- CSV ----------------------------------------------------------------------------------------------- */

static int parse_csv(struct csv *c, const char *text, struct error *e)
{
    size_t size = strlen(text);
    char *copy = malloc(size ? size : 1);
    memcpy(copy, text, size);
    int status = csv_parse(c, copy, size, "t.csv", e);
    free(copy);
    return status;
}

static void check_csv(void)
{
    struct csv c;
    struct error e = {""};
    double v = 0;
    CHECK(parse_csv(&c,
                    "\xEF\xBB\xBF"
                    "case,\"site \"\"A\"\"\",x\r\n\r\n1,\"two\r\nlines, one cell\",0.5\n\"\",, 1e3 ",
                    &e) == 0,
          "%s", e.text);
    CHECK(c.rows == 2 && c.columns == 3 && strcmp(c.header[1], "site \"A\"") == 0, "%d rows, %d columns",
          c.rows, c.columns);
    CHECK(strcmp(csv_cell(&c, 0, 1), "two\r\nlines, one cell") == 0 && *csv_cell(&c, 1, 0) == 0 &&
              *csv_cell(&c, 1, 1) == 0,
          "cells");
    CHECK(csv_column(&c, "x", &e) == 2 && csv_column(&c, "y", NULL) == -1, "columns");
    CHECK(csv_column(&c, "y", &e) == -1 && strstr(e.text, "case, site \"A\", x"), "%s", e.text);
    CHECK(csv_number(&c, "t.csv", 1, 2, &v, &e) == 0 && v == 1000, "%g", v);
    CHECK(csv_number(&c, "t.csv", 1, 1, &v, &e) && strstr(e.text, "t.csv: row 2: site \"A\" is ''"), "%s",
          e.text);
    csv_free(&c);
    CHECK(parse_csv(&c, "a\n1e999\nnan\n0x1\n-7.5e-1\n", &e) == 0 && c.rows == 4, "%s", e.text);
    for (int i = 0; i < 3; i++)
        CHECK(csv_number(&c, "t.csv", i, 0, &v, &e), "'%s' is not finite decimal", csv_cell(&c, i, 0));
    CHECK(csv_number(&c, "t.csv", 3, 0, &v, &e) == 0 && v == -0.75, "%g", v);
    csv_free(&c);
    CHECK(parse_csv(&c, "only,header", &e) == 0 && c.rows == 0 && c.columns == 2, "%s", e.text);
    csv_free(&c);
    CHECK(parse_csv(&c, "a,a\r1,2\r", &e) == 0 && c.rows == 1 && csv_column(&c, "a", &e) == -1 &&
              strstr(e.text, "two columns"),
          "%s", e.text);
    csv_free(&c);
    static const struct { const char *text, *message;
    } cases[] = {{"", "empty"},
                 {"\n\n", "empty"},
                 {"a,b\n1,2\n3\n", "row 2 (line 3) has 1 cells, the header has 2"},
                 {"a\n1,2\n", "row 1 (line 2) has 2"},
                 {"a\n\"1", "line 2: a quote that does not end"},
                 {"a\n\"1\"2", "line 2: text after"},
                 {"a\n1\"2\"", "line 2: a quote inside"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK(parse_csv(&c, cases[i].text, &e) && strstr(e.text, cases[i].message), "%s: %s", cases[i].text,
              e.text);
    CHECK(csv_parse(&c, "a\0b", 3, "t.csv", &e) && strstr(e.text, "zero bytes"), "%s", e.text);
    char buf[32];
    CHECK(csv_quote(buf, sizeof buf, "plain") == 5 && strcmp(buf, "plain") == 0, "%s", buf);
    CHECK(csv_quote(buf, sizeof buf, "a,\"b\"") == 9 && strcmp(buf, "\"a,\"\"b\"\"\"") == 0, "%s", buf);
    CHECK(csv_quote(buf, 4, "a,\"b\"") == 9 && strcmp(buf, "\"a,") == 0 && csv_quote(NULL, 0, "a,") == 4,
          "cut off: %s", buf);
}

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
    struct error e = {""};
    unsigned char *saved = NULL, *ours = NULL;
    size_t saved_size = 0, ours_size = 0;
    CHECK(npy_read(&a, GOLDEN "saved.npy", &e) == 0 && npy_value(&a, 9) == 9, "%s", e.text);
    CHECK(npy_write(&a, scratch, &e) == 0, "%s", e.text);
    CHECK(file_read(GOLDEN "saved.npy", 0, &saved, &saved_size, &e) == 0 &&
              file_read(scratch, 0, &ours, &ours_size, &e) == 0,
          "%s", e.text);
    CHECK(saved_size == ours_size && memcmp(saved, ours, ours_size) == 0, "not the bytes numpy.save writes");
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

/* ---- damage -------------------------------------------------------------------------------------------- */

/* Each reads one format from a block of exactly `size` bytes and frees what it got; 0 where it was
 * accepted. */
static int try_json(unsigned char *data, size_t size)
{
    struct error e;
    struct json *j = json_parse((char *)data, size, &e);
    json_free(j);
    free(data);
    return j != NULL ? 0 : -1;
}

static int try_csv(unsigned char *data, size_t size)
{
    struct error e;
    struct csv c;
    int status = csv_parse(&c, (char *)data, size, "damaged", &e);
    if (!status) csv_free(&c);
    free(data);
    return status;
}

static int try_npy(unsigned char *data, size_t size)
{
    struct error e;
    struct npy a;
    int status = npy_parse(&a, data, size, "damaged", &e);
    if (!status) npy_free(&a);
    free(data);
    return status;
}

static int try_npz(unsigned char *data, size_t size)
{
    struct error e;
    struct npz z;
    int status = npz_parse(&z, data, size, "damaged", &e);
    if (!status) npz_free(&z);
    free(data);
    return status;
}

static int try_safetensors(unsigned char *data, size_t size)
{
    struct error e;
    struct safetensors s;
    int status = safetensors_parse(&s, data, size, "damaged", &e);
    if (!status) safetensors_free(&s);
    else free(data);
    return status;
}

/* Cut off after every byte (which must be noticed, unless `open`), and with each byte changed: no crash,
 * whatever comes out. */
static void check_damage(const char *name, int (*parse)(unsigned char *, size_t), const void *data,
                         size_t size, size_t step, int open)
{
    int accepted = 0;
    for (size_t n = 0; n < size; n += step) {
        unsigned char *cut = malloc(n ? n : 1);
        memcpy(cut, data, n);
        accepted += parse(cut, n) == 0;
    }
    CHECK(open || accepted == 0, "%s: %d cut files were accepted", name, accepted);
    for (size_t n = 0; n < size; n += step)
        for (int bit = 0; bit < 8; bit += 1 + (int)(n % 3)) {
            unsigned char *changed = malloc(size);
            memcpy(changed, data, size);
            changed[n] ^= (unsigned char)(1 << bit);
            parse(changed, size);
        }
    unsigned char *whole = malloc(size);
    memcpy(whole, data, size);
    CHECK(parse(whole, size) == 0, "%s: undamaged", name);
}

static void check_damaged_file(const char *path, int (*parse)(unsigned char *, size_t), size_t step)
{
    unsigned char *data;
    size_t size;
    struct error e;
    CHECK(file_read(path, 0, &data, &size, &e) == 0, "%s", e.text);
    check_damage(path, parse, data, size, step, 0);
    free(data);
}

static void check_all_damage(void)
{
    static const char json[] = "{\"plans\": [1, -2.5e3, NaN, true, null, \"\\u00e9\\ud83d\\ude00\xC3\xA9\"], "
                               "\"b\": {\"c\": [[], {}]}}";
    static const char csv[] = "case,\"si\"\"te\",x\r\n1,\"a,b\",3\r\n2,,\n";
    check_damage("json", try_json, json, sizeof json - 1, 1, 0);
    check_damage("csv", try_csv, csv, sizeof csv - 1, 1, 1);
    check_damaged_file(GOLDEN "saved.npy", try_npy, 1);
    check_damaged_file(GOLDEN "types.safetensors", try_safetensors, 5);
    check_damaged_file(GOLDEN "deflated.npz", try_npz, 41);
    check_damaged_file(GOLDEN "stored.npz", try_npz, 53);
}

/* ---- SVG ----------------------------------------------------------------------------------------------- */

static int count_of(const char *text, const char *part)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, part)) != NULL; p += strlen(part)) n++;
    return n;
}

static void check_svg(void)
{
    const double x[] = {0, 1, 2, 3, 4}, y[] = {0, 0.5, NAN, 1, INFINITY},
                 wide[] = {-1e308, 1e308, 0, 1e-320, -0.0};
    struct svg_chart c = {
        .title = "a <b> & \"c\"\x01\xFF", .x_label = "x", .y_label = "y", .right_label = "r"};
    c.series[c.count++] = (struct svg_series){"left", x, y, 5, 0};
    c.series[c.count++] = (struct svg_series){"right", x, x, 5, 1};
    char *svg = svg_format(&c);
    CHECK(strstr(svg, "a &lt;b&gt; &amp; &quot;c&quot; \xEF\xBF\xBD</text>") != NULL, "escaped title");
    CHECK(strstr(svg, "d=\"M0 320L164 160M492 0m-4 0h8m-4 -4v8\"") == NULL,
          "the right axis narrows the plot");
    CHECK(strstr(svg, "d=\"M0 320L152 160M456 0m-4 0h8m-4 -4v8\"") != NULL, "a gap, and a point alone");
    CHECK(strstr(svg, "d=\"M0 320L152 240L304 160L456 80L608 0\"") != NULL,
          "the right axis has its own scale");
    CHECK(strstr(svg, "prefers-color-scheme:dark") != NULL && strstr(svg, "right (right)") != NULL,
          "dark mode, legend");
    CHECK(count_of(svg, "<svg") == 2 && count_of(svg, "</svg>") == 2 &&
              count_of(svg, "<text") == count_of(svg, "</text>"),
          "elements close");
    free(svg);
    c.series[0].y = wide;
    c.y_min = 0.25;
    c.y_max = 0.75;
    svg = svg_format(&c);
    CHECK(strstr(svg, ">0.25<") == NULL && strstr(svg, ">0.3<") != NULL && strstr(svg, ">0.8<") == NULL,
          "fixed range");
    CHECK(strstr(svg, "inf") == NULL && strstr(svg, "nan") == NULL, "numbers that are none");
    free(svg);
    struct error e;
    struct svg_chart empty = {0};
    unsigned char *data = NULL;
    size_t size = 0;
    CHECK(svg_write(&empty, scratch, &e) == 0 && file_read(scratch, 0, &data, &size, &e) == 0 && size > 500,
          "%s", e.text);
    free(data);
}

/* Text that would move a terminal's cursor, and cells that a spreadsheet would run. */
static void check_shown(void)
{
    static const char *const cells[] = {"=1+2", "+x",   "-x",    "@cmd",     "\tx", "'=1", "''=1",
                                        "'x",   "-3.5", "plain", "=\"a\",b", "-",   "'"};
    char buf[64];
    struct error e;
    CHECK(strcmp(text_shown(buf, sizeof buf, "a\x1b[31mb\n\xc2\x9b\xff\xc3\xa9"),
                 "a\\x1b[31mb\\x0a\\xc2\\x9b\\xff\xc3\xa9") == 0,
          "%s", buf);
    CHECK(strcmp(text_shown(buf, 6, "ab\x1b"), "ab") == 0 &&
              strcmp(text_shown(buf, 7, "ab\x1b"), "ab\\x1b") == 0,
          "cut off: %s", buf);
    error_set(&e, "%s: no", "a\rb");
    CHECK(strcmp(e.text, "a\\x0db: no") == 0 && error_prefix(&e, "%s", "\x1b") &&
              strcmp(e.text, "\\x1b: a\\x0db: no") == 0,
          "%s", e.text);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        char cell[64], table[128];
        struct csv c;
        csv_quote(cell, sizeof cell, cells[i]);
        snprintf(table, sizeof table, "name\n%s\n", cell);
        CHECK(i > 7 || i == 7 || !strchr("=+-@\t", cell[cell[0] == '"']), "%s is written as %s", cells[i],
              cell);
        CHECK(csv_parse(&c, table, strlen(table), "cells", &e) == 0 &&
                  strcmp(csv_cell(&c, 0, 0), cells[i]) == 0,
              "%s comes back as %s", cells[i], csv_cell(&c, 0, 0));
        csv_free(&c);
    }
}

int main(void)
{
    check_shown();
    int fd = mkstemp(scratch);
    CHECK(fd >= 0, "no scratch file");
    close(fd);
    check_numbers();
    check_json_values();
    check_json_errors();
    check_json_building();
    check_locale();
    check_csv();
    check_npz();
    check_medmnist();
    check_npy();
    check_safetensors_golden();
    check_safetensors_errors();
    check_all_damage();
    check_svg();
    unlink(scratch);
    return check_done("check_io");
}
