/* csv.c - tables of text, read and written. */
#include "io/base/csv.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "io/base/file.h"
#include "io/base/text.h"

/* All cells go into one block as long as the text (and one byte): unquoted they do not grow, and the
 * separator makes room for the NUL. */
struct reader {
    const char *p, *end;
    char *out;            /* next free byte of storage */
    const char *name;
    int line, line_cell;  /* of p, and where the cell began */
    char separator;
    char **cell;
    size_t cells, capacity;
    struct error *e;
};

static int fail(struct reader *r, const char *message)
{
    return error_set(r->e, "%s: line %d: %s", r->name, r->line_cell, message);
}

static int at_line_end(const struct reader *r)
{
    return r->p == r->end || *r->p == '\n' || *r->p == '\r';
}

/* CRLF, LF, or the CR of old Macs. */
static void skip_line_end(struct reader *r)
{
    if (r->p < r->end && *r->p == '\r') r->p++;
    if (r->p < r->end && *r->p == '\n') r->p++;
    r->line++;
}

static int at_cell_end(const struct reader *r)
{
    return at_line_end(r) || *r->p == r->separator;
}

static int is_blank(const struct reader *r, char c)
{
    return c == ' ' || (c == '\t' && r->separator != '\t');
}

static void skip_blanks(struct reader *r)
{
    while (r->p < r->end && is_blank(r, *r->p)) r->p++;
}

static int read_quoted(struct reader *r)
{
    for (r->p++;; r->p++) {
        if (r->p == r->end) return fail(r, "a quote that does not end");
        if (*r->p == '"') {
            r->p++;
            if (r->p == r->end || *r->p != '"') break; /* two quotes are one */
        }
        if (*r->p == '\n') r->line++;
        *r->out++ = *r->p;
    }
    skip_blanks(r);
    return at_cell_end(r) ? 0 : fail(r, "text after a closing quote");
}

static int read_plain(struct reader *r)
{
    char *cell = r->out;
    while (!at_cell_end(r)) {
        if (*r->p == '"') return fail(r, "a quote inside a cell that does not begin with one");
        *r->out++ = *r->p++;
    }
    while (r->out > cell && is_blank(r, r->out[-1])) r->out--;
    return 0;
}

/* A spreadsheet would take a cell that begins so for a formula; apostrophes in front are marks that it is
 * none. */
static int begins_formula(const char *text)
{
    const char *p = text + strspn(text, "'");
    return *p != 0 && strchr("=+-@\t\r", *p) != NULL;
}

static int push_cell(struct reader *r, char *cell)
{
    if (r->cells == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 64;
        char **grown = capacity <= INT_MAX ? realloc(r->cell, capacity * sizeof *grown) : NULL;
        if (grown == NULL) return fail(r, "out of memory");
        r->cell = grown;
        r->capacity = capacity;
    }
    r->cell[r->cells++] = *cell == '\'' && begins_formula(cell) ? cell + 1 : cell; /* csv_quote's mark */
    return 0;
}

/* Returns the number of cells, or -1. */
static int read_row(struct reader *r)
{
    size_t before = r->cells;
    for (;;) {
        char *cell = r->out;
        r->line_cell = r->line;
        skip_blanks(r);
        int quoted = r->p < r->end && *r->p == '"';
        if (quoted ? read_quoted(r) : read_plain(r)) return -1;
        int more = r->p < r->end && *r->p == r->separator;
        if (more) r->p++;
        else skip_line_end(r);
        *r->out++ = 0; /* after the step over the separator */
        if (push_cell(r, cell)) return -1;
        if (!more) return (int)(r->cells - before);
    }
}

/* The line's number; the capacity is the next power of two, so it need not be kept. */
static int push_line(struct csv *c, struct reader *r, int line)
{
    const size_t n = (size_t)c->rows;
    if ((n & (n - 1)) == 0) {
        int *grown = realloc(c->line, (n ? 2 * n : 1) * sizeof *grown);
        if (grown == NULL) return fail(r, "out of memory");
        c->line = grown;
    }
    c->line[c->rows++] = line;
    return 0;
}

static int row_is_empty(const struct reader *r, int n)
{
    for (int i = 1; i <= n; i++)
        if (*r->cell[r->cells - (size_t)i]) return 0;
    return n > 1;
}

static int read_rows(struct csv *c, struct reader *r)
{
    while (r->p < r->end) {
        skip_blanks(r);
        if (at_line_end(r)) { /* an empty line */
            skip_line_end(r);
            continue;
        }
        int line = r->line, n = read_row(r);
        if (n < 0) return -1;
        if (c->columns == 0) {
            c->columns = n;
            continue;
        }
        if (row_is_empty(r, n)) {
            r->cells -= (size_t)n;
            continue;
        }
        if (n != c->columns)
            return error_set(r->e, "%s: line %d has %d cells, the header has %d", r->name, line, n,
                             c->columns);
        if (push_line(c, r, line)) return -1;
    }
    if (c->columns == 0) return error_set(r->e, "%s: empty, no header", r->name);
    return 0;
}

/* Of the header, which is the first line that is not empty. */
static char find_separator(const char *p, const char *end)
{
    int semicolon = 0, tab = 0, quoted = 0;
    while (p < end && strchr(" \n\r", *p)) p++;
    for (; p < end && (quoted || (*p != '\n' && *p != '\r')); p++) {
        if (*p == '"') quoted = !quoted;
        if (quoted) continue;
        if (*p == ',') return ',';
        semicolon |= *p == ';';
        tab |= *p == '\t';
    }
    return semicolon ? ';' : tab ? '\t' : ',';
}

/* Excel's first line "sep=;" says it, and is no header. */
static int is_separator_line(const char *p, const char *end)
{
    return end - p > 5 && strncasecmp(p, "sep=", 4) == 0 && strchr(",;\t", p[4]) &&
           (p[5] == '\n' || p[5] == '\r');
}

static int check_utf8(const char *text, size_t size, const char *name, struct error *e)
{
    int line = 1;
    for (const char *p = text, *end = text + size; p < end;) {
        const int n = text_utf8_length(p, end);
        if (n == 0)
            return error_set(e, "%s: line %d has bytes that are not UTF-8; save the table as UTF-8", name,
                             line);
        line += *p == '\n' || (*p == '\r' && (p + 1 == end || p[1] != '\n'));
        p += n;
    }
    return 0;
}

int csv_parse(struct csv *c, const char *text, size_t size, const char *name, struct error *e)
{
    *c = (struct csv){0};
    if (text_is_utf16(text, size)) return error_set(e, "%s: is UTF-16; save the table as UTF-8", name);
    if (memchr(text, 0, size) != NULL)
        return error_set(e, "%s: has zero bytes, so it is no CSV in UTF-8 or ASCII", name);
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        size -= 3;
    }
    if (check_utf8(text, size, name, e)) return -1;
    c->storage = malloc(size + 1);
    if (c->storage == NULL) return error_set(e, "%s: out of memory", name);
    struct reader r = {.p = text,
                       .end = text + size,
                       .out = c->storage,
                       .name = name,
                       .line = 1,
                       .line_cell = 1,
                       .separator = find_separator(text, text + size),
                       .e = e};
    if (is_separator_line(r.p, r.end)) {
        r.separator = r.p[4];
        r.p += 5;
        skip_line_end(&r);
    }
    int status = read_rows(c, &r);
    c->header = r.cell;
    if (status) csv_free(c);
    else c->cell = c->header + c->columns;
    return status;
}

int csv_read(struct csv *c, const char *path, struct error *e)
{
    unsigned char *data;
    size_t size;
    *c = (struct csv){0};
    if (file_read(path, 0, &data, &size, e)) return -1;
    int status = csv_parse(c, (char *)data, size, path, e);
    free(data);
    return status;
}

void csv_free(struct csv *c)
{
    free(c->header); /* the cells follow in the same block */
    free(c->storage);
    free(c->line);
    *c = (struct csv){0};
}

int csv_optional(int *column, const struct csv *c, const char *name, struct error *e)
{
    *column = -1;
    for (int i = 0; i < c->columns; i++) {
        if (strcmp(c->header[i], name) != 0) continue;
        if (*column >= 0) return error_set(e, "two columns are named '%s'", name);
        *column = i;
    }
    return 0;
}

int csv_column(const struct csv *c, const char *name, struct error *e)
{
    int found;
    if (csv_optional(&found, c, name, e)) return -1;
    if (found >= 0) return found;
    char list[512] = "";
    size_t used = 0;
    for (int i = 0; i < c->columns && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", c->header[i]);
    error_set(e, "no column '%s'; there are: %s", name, list);
    return -1;
}

int csv_is_missing(const char *cell)
{
    static const char *const word[] = {"",     "NA",      "N/A",     "NaN", "null",
                                       "none", "unknown", "missing", ".",   "?"};
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        if (strcasecmp(cell, word[i]) == 0) return 1;
    return 0;
}

int csv_number(const struct csv *c, const char *name, int row, int column, double *v, struct error *e)
{
    const char *cell = csv_cell(c, row, column), *p = cell;
    while (*p == ' ') p++;
    size_t n = strlen(p);
    while (n > 0 && p[n - 1] == ' ') n--;
    if (text_parse_double(v, p, n) == 0 && isfinite(*v)) return 0;
    return error_set(e, "%s: line %d: %s is '%.100s', not a number%s", name, c->line[row], c->header[column],
                     cell, strchr(cell, ',') ? " (decimals follow a point)" : "");
}

int csv_quote(char *buf, size_t size, const char *text)
{
    size_t n = 0;
    double number;
    const size_t length = strlen(text);
    int quoted = strpbrk(text, "\",\r\n") != NULL ||
                 (length && (strchr(" \t", *text) || strchr(" \t", text[length - 1])));
#define PUT(c) do { if (n + 1 < size) buf[n] = (c); n++; } while (0)
    if (quoted) PUT('"');
    if (begins_formula(text) && text_parse_double(&number, text, length) != 0) PUT('\'');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"') PUT('"');
        if (c == 0x1B || c == 0x7F || c == 0x08 || c == 0x07) { /* a terminal would obey them */
            char code[8];
            snprintf(code, sizeof code, "\\x%02x", c);
            for (const char *p = code; *p; p++) PUT(*p);
        } else {
            PUT(*text);
        }
    }
    if (quoted) PUT('"');
#undef PUT
    if (size > 0) buf[n < size ? n : size - 1] = 0;
    return (int)n;
}
