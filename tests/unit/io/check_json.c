/* check_json.c - numbers in text, and JSON: known answers, errors that name their place, what is built, and
 * that a locale changes nothing. */
#include <unistd.h>

#include "io/base/file.h"
#include "io/base/json.h"
#include "io/base/text.h"
#include "tests/unit/expect.h"
#include "tests/unit/io/other_locale.h"
#include "tests/unit/remove_folder.h"

#define GOLDEN "tests/data/golden/io_"
static char scratch[64] = "check_json_scratch_XXXXXX";

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
    CHECK(json_same(j, copy) && json_same(NULL, NULL) && !json_same(j, NULL) && !json_same(NULL, j),
          "%s is the same as its copy alone", in);
    if (j->type == JSON_OBJECT) {
        json_add_int(copy, "one more", 1);
        CHECK(!json_same(j, copy), "%s is not the same with a member more", in);
    }
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
                 {"[1]//", "line 1 column 4: a comment"},
                 {"{ # x\n}", "line 1 column 3: a comment"},
                 {"[1, /* x */ 2]", "line 1 column 5: a comment"},
                 {"[1 // x\n]", "line 1 column 4: a comment"},
                 {"{\"a\": 1,\n}", "line 2 column 1: a comma with nothing behind it"},
                 {"[1, ]", "a comma with nothing behind it"},
                 {"[,]", "line 1 column 2: not a JSON value"},
                 {"\xFF\xFE{", "UTF-16; save the file as UTF-8"}};
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

/* A program that links us may have set any locale. */
static void check_locale(void)
{
    char folder[] = "/tmp/check_json_XXXXXX", text[8];
    CHECK(mkdtemp(folder), "a folder");
    if (other_locale(folder)) {
        snprintf(text, sizeof text, "%.1f", 0.5);
        CHECK(strcmp(text, "0,5") == 0, "the other locale has %s", text);
    }
    check_json_text("[0.5, 1e-7]", "[0.5, 1e-07]", 0);
    setlocale(LC_NUMERIC, "C");
    remove_folder(folder);
}

int main(void)
{
    int fd = mkstemp(scratch);
    CHECK(fd >= 0, "no scratch file");
    close(fd);
    check_numbers();
    check_json_values();
    check_json_errors();
    check_json_building();
    check_locale();
    unlink(scratch);
    return check_done("check_json");
}
