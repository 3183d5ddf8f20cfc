/* check_io.c - CSV, SVG and text that is shown; and files of every small format, cut and damaged. */
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/base/csv.h"
#include "io/base/file.h"
#include "io/base/json.h"
#include "io/weights/npy.h"
#include "io/weights/safetensors.h"
#include "io/picture/svg.h"
#include "io/base/text.h"
#include "tests/unit/expect.h"
#include "tests/unit/io/other_locale.h"
#include "tests/unit/remove_folder.h"

#define GOLDEN "tests/data/golden/io_"
static char scratch[64] = "check_io_scratch_XXXXXX";

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
    int column;
    CHECK(csv_column(&c, "case", &e) == 0 && csv_column(&c, "x", &e) == 2 &&
              !csv_optional(&column, &c, "x", &e) && column == 2 && !csv_optional(&column, &c, "y", &e) &&
              column == -1,
          "columns");
    CHECK(csv_column(&c, "y", &e) == -1 && strstr(e.text, "case, site \"A\", x"), "%s", e.text);
    CHECK(csv_number(&c, "t.csv", 1, 2, &v, &e) == 0 && v == 1000, "%g", v);
    CHECK(csv_number(&c, "t.csv", 1, 1, &v, &e) && strstr(e.text, "t.csv: line 5: site \"A\" is ''"), "%s",
          e.text);
    CHECK(csv_is_missing("") && csv_is_missing("na") && csv_is_missing("N/A") && csv_is_missing("NAN") &&
              csv_is_missing("Unknown") && csv_is_missing(".") && !csv_is_missing("0") &&
              !csv_is_missing("nano") && !csv_is_missing("-"),
          "words for a value that is not known");
    csv_free(&c);
    CHECK(parse_csv(&c, "a\n1e999\nnan\n0x1\n-7.5e-1\n", &e) == 0 && c.rows == 4, "%s", e.text);
    for (int i = 0; i < 3; i++)
        CHECK(csv_number(&c, "t.csv", i, 0, &v, &e), "'%s' is not finite decimal", csv_cell(&c, i, 0));
    CHECK(csv_number(&c, "t.csv", 3, 0, &v, &e) == 0 && v == -0.75, "%g", v);
    csv_free(&c);
    CHECK(parse_csv(&c, "a\n\" 5  \"\n", &e) == 0 && csv_number(&c, "t.csv", 0, 0, &v, &e) == 0 && v == 5,
          "blanks around a number: %s", e.text);
    csv_free(&c);
    CHECK(parse_csv(&c, "only,header", &e) == 0 && c.rows == 0 && c.columns == 2, "%s", e.text);
    csv_free(&c);
    CHECK(parse_csv(&c, "a,a\r1,2\r", &e) == 0 && c.rows == 1 && csv_column(&c, "a", &e) == -1 &&
              strstr(e.text, "two columns"),
          "%s", e.text);
    CHECK(csv_optional(&column, &c, "a", &e) && strstr(e.text, "two columns"), "%s", e.text);
    csv_free(&c);
    static const struct { const char *text, *message;
    } cases[] = {{"", "empty"},
                 {"\n\n", "empty"},
                 {"a,b\n1,2\n3\n", "line 3 has 1 cells, the header has 2"},
                 {"a\n1,2\n", "line 2 has 2"},
                 {"a\n\"1", "line 2: a quote that does not end"},
                 {"a\n\"1\"2", "line 2: text after"},
                 {"a\n1\"2\"", "line 2: a quote inside"},
                 {"a,b\n1,2\n,,\n3,4,5\n", "line 4 has 3 cells"},
                 {"a,b\r\n1,2\r\n3,M\xFCnchen\r\n", "line 3 has bytes that are not UTF-8"},
                 {"\xFF\xFE" "a", "UTF-16"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK(parse_csv(&c, cases[i].text, &e) && strstr(e.text, cases[i].message), "%s: %s", cases[i].text,
              e.text);
    CHECK(csv_parse(&c, "a\0b", 3, "t.csv", &e) && strstr(e.text, "zero bytes"), "%s", e.text);
    static const char *const same[] = {"case,site\nx,A b\ny,B\n", "case;site\nx;A b\ny;B",
                                       "\n case , site \n x,A b \ny ,\tB\n , \n",
                                       "case\tsite\r\nx\tA b\r\ny\tB\r\n",
                                       "sep=;\r\ncase;site\r\nx;A b\r\ny;B\r\n",
                                       "\"case\" , \"site\"\n\n \"x\" ,\"A b\" \n,\ny,B\n,\n"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        CHECK(parse_csv(&c, same[i], &e) == 0 && c.rows == 2 && c.columns == 2 &&
                  strcmp(c.header[1], "site") == 0 && strcmp(csv_cell(&c, 0, 0), "x") == 0 &&
                  strcmp(csv_cell(&c, 0, 1), "A b") == 0 && strcmp(csv_cell(&c, 1, 1), "B") == 0,
              "%s: %d rows of %d: %s", same[i], c.rows, c.columns, e.text);
        csv_free(&c);
    }
    CHECK(parse_csv(&c, "a;b\n1,5;2\n", &e) == 0 && csv_number(&c, "t.csv", 0, 0, &v, &e) &&
              strstr(e.text, "line 2: a is '1,5', not a number (decimals follow a point)"),
          "%s", e.text);
    csv_free(&c);
    char buf[32];
    CHECK(csv_quote(buf, sizeof buf, "a\033[31m\177") == 13 && strcmp(buf, "a\\x1b[31m\\x7f") == 0, "%s",
          buf);
    CHECK(csv_quote(buf, sizeof buf, "plain") == 5 && strcmp(buf, "plain") == 0, "%s", buf);
    CHECK(csv_quote(buf, sizeof buf, "a,\"b\"") == 9 && strcmp(buf, "\"a,\"\"b\"\"\"") == 0, "%s", buf);
    CHECK(csv_quote(buf, 4, "a,\"b\"") == 9 && strcmp(buf, "\"a,") == 0 && csv_quote(NULL, 0, "a,") == 4,
          "cut off: %s", buf);
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
                                        "'x",   "-3.5", "plain", "=\"a\",b", "-",   "'",   " a ", "b\t"};
    char buf[64];
    struct error e;
    CHECK(strcmp(text_shown(buf, sizeof buf, "a\x1b[31mb\n\xc2\x9b\xff\xc3\xa9"),
                 "a\\x1b[31mb\\x0a\\xc2\\x9b\\xff\xc3\xa9") == 0,
          "%s", buf);
    CHECK(strcmp(text_shown(buf, 6, "ab\x1b"), "ab") == 0 &&
              strcmp(text_shown(buf, 7, "ab\x1b"), "ab\\x1b") == 0,
          "cut off: %s", buf);
    static const char *const words[][2] = {
        {"run/a-1", "run/a-1"}, {"a b", "'a b'"}, {"", "''"}, {"a'b", "'a'\\''b'"}, {"$x;", "'$x;'"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        CHECK(strcmp(text_shell(buf, sizeof buf, words[i][0]), words[i][1]) == 0, "a word of a shell: %s",
              buf);
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

/* ---- files that are written ---------------------------------------------------------------------------- */

/* In the place of the C library's: who calls it. */
static int umask_calls;
mode_t umask(mode_t mask)
{
    umask_calls++;
    return (mode_t)syscall(SYS_umask, mask);
}

static int permissions(const char *path)
{
    struct stat st;
    return stat(path, &st) ? -1 : (int)(st.st_mode & 0777);
}

/* umask belongs to all threads of a process: two that looked at it at once, by setting it, would leave it
 * changed. */
static void check_permissions(const char *path)
{
    struct error e = {""};
    const mode_t before = umask(027);
    CHECK(!file_write(path, "a", 1, &e) && permissions(path) == 0640, "a new file: %o", permissions(path));
    CHECK(chmod(path, 0606) == 0 && !file_write(path, "b", 1, &e) && permissions(path) == 0606,
          "of the file that is replaced: %o", permissions(path));
    struct file_out *f = file_create_private(path, &e);
    CHECK(f && !file_commit(f, &e) && permissions(path) == 0600, "a private file: %o", permissions(path));
    CHECK(umask_calls == 1, "writing asks for umask %d times", umask_calls - 1);
    umask(before);
}

/* A program that links us may have set any locale. */
static void check_numbers_in_files(const char *path)
{
    struct error e = {""};
    unsigned char *data = NULL;
    size_t size;
    struct file_out *f = file_create(path, &e);
    if (!f) {
        CHECK(0, "%s", e.text);
        return;
    }
    file_printf(f, "%.2f,%.3g", 0.25, 1e-7);
    CHECK(!file_commit(f, &e) && !file_read(path, 0, &data, &size, &e) &&
              strcmp((const char *)data, "0.25,1e-07") == 0,
          "%s %s", e.text, (const char *)data);
    free(data);
    char text[8];
    snprintf(text, sizeof text, "%.1f", 0.5);
    CHECK(text[1] == *localeconv()->decimal_point, "the program's own locale stays: %s", text);
}

static void check_written(void)
{
    char folder[] = "/tmp/check_io_XXXXXX", path[64];
    CHECK(mkdtemp(folder), "a folder");
    snprintf(path, sizeof path, "%s/file", folder);
    check_permissions(path);
    check_numbers_in_files(path);
    if (other_locale(folder)) check_numbers_in_files(path);
    setlocale(LC_NUMERIC, "C");
    remove_folder(folder);
}

int main(void)
{
    check_shown();
    check_written();
    int fd = mkstemp(scratch);
    CHECK(fd >= 0, "no scratch file");
    close(fd);
    check_csv();
    check_all_damage();
    check_svg();
    unlink(scratch);
    return check_done("check_io");
}
