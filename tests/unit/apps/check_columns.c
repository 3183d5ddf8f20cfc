/* check_columns.c - tables on the console: columns begin and end at the same place in every row, whatever the
 * names are; nothing is cut in a file, and on a terminal only as much as it demands. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "apps/base/columns.h"
#include "apps/base/console.h"
#include "tests/unit/expect.h"

static const char *const names[] = {"a",
                                    "",
                                    "hippocampus anterior and posterior, both sides of the body",
                                    "Niere",
                                    "Nière gauche",
                                    "左腎",
                                    "e\xCC\x81tage",
                                    "bad \xFF byte",
                                    "\x1b[31mred"};
enum { NAMES = sizeof names / sizeof *names };

static void print_names(void)
{
    struct column_table c = columns_begin(1, "lr");
    columns_more(&c, 'l');
    for (int i = 0; i < NAMES; i++) {
        columns_add(&c, "%s", names[i]);
        if (i == 1) columns_add_number(&c, 2, NAN);
        else columns_add_number(&c, 2, i * 100.0);
        columns_add(&c, "end");
    }
    columns_print(&c);
}

/* What print writes to standard output, which is `to` for as long. */
static void capture(void (*print)(void), int to)
{
    fflush(stdout);
    const int kept = dup(STDOUT_FILENO);
    dup2(to, STDOUT_FILENO);
    print();
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
}

static size_t captured_in_file(char *text, size_t size)
{
    FILE *f = tmpfile();
    capture(print_names, fileno(f));
    rewind(f);
    const size_t n = fread(text, 1, size - 1, f);
    fclose(f);
    text[n] = 0;
    return n;
}

/* A row that ends "  end": the places before it are those of every row. */
static void check_rows(const char *text, int want_width, const char *where)
{
    int rows = 0;
    for (const char *line = text, *end; *line; line = end + 1, rows++) {
        char row[512];
        end = strchr(line, '\n');
        snprintf(row, sizeof row, "%.*s", (int)(end - line), line);
        row[strcspn(row, "\r")] = 0;
        CHECK(columns_width(row) == want_width, "%s: row %d has %d places, not %d: %s", where, rows,
              columns_width(row), want_width, row);
        CHECK(strlen(row) > 5 && strcmp(row + strlen(row) - 5, "  end") == 0, "%s: row %d: %s", where, rows,
              row);
    }
    CHECK(rows == NAMES, "%s: %d rows", where, rows);
}

static void check_file(void)
{
    char text[4096];
    captured_in_file(text, sizeof text);
    check_rows(text, 1 + (int)strlen(names[2]) + 2 + 6 + 2 + 3, "a file");
    CHECK(strstr(text, names[2]) && !strstr(text, "…"), "a name is cut in a file");
    CHECK(strstr(text, "\\x1b[31mred") && strstr(text, "bad \\xff byte"), "names that a terminal would obey");
    CHECK(strstr(text, "  -  end"), "NaN is a dash");
}

/* What a pseudo-terminal of so many columns shows; 0 where there are none. */
static int captured_on_terminal(char *text, size_t size, int columns, void (*print)(void))
{
    struct winsize w = {.ws_row = 24, .ws_col = (unsigned short)columns};
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) || unlockpt(master)) return 0;
    const int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    if (slave < 0) return 0;
    ioctl(slave, TIOCSWINSZ, &w);
    capture(print, slave);
    ssize_t n = 0, got;
    fcntl(master, F_SETFL, O_NONBLOCK);
    while ((got = read(master, text + n, size - 1 - (size_t)n)) > 0) n += got;
    text[n] = 0;
    close(slave);
    close(master);
    return 1;
}

/* Too narrow for the three columns: two tables, each with the names, cut, and one of the others. */
static void check_parts(void)
{
    char text[8192], row[512];
    int rows = 0;
    if (!captured_on_terminal(text, sizeof text, 24, print_names)) return;
    for (const char *line = text, *end; *line; line = end + 1, rows++) {
        end = strchr(line, '\n');
        snprintf(row, sizeof row, "%.*s", (int)(end - line), line);
        row[strcspn(row, "\r")] = 0;
        const int want = rows == NAMES ? 0 : rows < NAMES ? 1 + 12 + 2 + 6 : 1 + 12 + 2 + 3;
        CHECK(columns_width(row) == want, "row %d has %d places, not %d: %s", rows, columns_width(row), want,
              row);
        CHECK((strstr(row, "end") != NULL) == (rows > NAMES), "row %d: %s", rows, row);
    }
    CHECK(rows == 2 * NAMES + 1, "%d rows in two parts", rows);
}

static void check_terminal(int columns, int want_width)
{
    char text[8192], where[40];
    if (!captured_on_terminal(text, sizeof text, columns, print_names)) return;
    snprintf(where, sizeof where, "a terminal of %d", columns);
    check_rows(text, want_width, where);
    CHECK(strstr(text, "hippocampus"), "%s: so much of a name stays", where);
    CHECK(!strstr(text, "…") == (columns >= 72), "%s: an ellipsis where a name is cut, and only there",
          where);
}

static void check_widths(void)
{
    CHECK(columns_width("Nière") == 5 && columns_width("左腎") == 4 && columns_width("e\xCC\x81") == 1,
          "characters, not bytes");
    CHECK(columns_width("\x1b") == 4, "shown as \\x1b");
}

static void put_names(void)
{
    for (int i = 0; i < NAMES; i++) {
        columns_put(names[i], 20);
        printf("|\n");
    }
}

static void check_put(void)
{
    char line[512];
    FILE *f = tmpfile();
    capture(put_names, fileno(f));
    rewind(f);
    for (int i = 0; i < NAMES && fgets(line, sizeof line, f); i++) {
        line[strcspn(line, "\n")] = 0;
        const int own = columns_width(names[i]), want = (own > 20 ? own : 20) + 1;
        CHECK(columns_width(line) == want, "'%s' takes %d places, not %d", names[i], columns_width(line),
              want);
    }
    fclose(f);
}

static const char sentence[] = "Margin 0.1: power of the test if that is the difference; TOST: equivalence, "
                               "and its power if A and B are equal; non-inf.: is A worse by less? "
                               "C:/a/word/longer/than/every/line/of/the/narrow/terminal/below";

static void print_paragraph(void)
{
    console_paragraph("- ", "%s", sentence);
}

/* No line but that of a long word is wider than asked, and the words are all there, in their order. */
static void check_paragraph(int columns)
{
    char text[2048], joined[2048] = "";
    int lines = 0;
    if (!captured_on_terminal(text, sizeof text, columns, print_paragraph)) return;
    for (char *line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n"), lines++) {
        const char *words = line + 2;
        CHECK((int)strlen(line) <= columns || !strchr(words, ' '), "%d columns: '%s'", columns, line);
        CHECK(memcmp(line, lines ? "  " : "- ", 2) == 0 && *words != ' ', "line %d: '%s'", lines, line);
        if (lines) strcat(joined, " ");
        strcat(joined, words);
    }
    CHECK(strcmp(joined, sentence) == 0, "%d columns: '%s'", columns, joined);
    CHECK(lines > (columns < 110 ? 2 : 1), "%d columns: %d lines", columns, lines);
}

int main(void)
{
    unsetenv("COLUMNS");
    check_widths();
    check_file();
    check_put();
    check_terminal(200, 72);
    check_terminal(72, 72);
    check_terminal(50, 50);
    check_terminal(30, 30);
    check_parts();
    check_paragraph(300);
    check_paragraph(80);
    check_paragraph(30);
    return check_done("check_columns");
}
