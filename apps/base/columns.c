/* columns.c - tables whose columns are as wide as what is in them. */
#include "apps/base/columns.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/base/console.h"
#include "tensor/base/check.h"

enum { GAP = 2, LEAST = 12 };

/* ---- characters ---------------------------------------------------------------------------------------- */

/* Places that a character takes on a terminal: none for marks on the one before, two for the wide ones of
 * East Asia and pictures (Unicode's East Asian Width W and F, by blocks). */
static int places_of(unsigned code)
{
    static const struct {
        unsigned first, last;
        int places;
    } range[] = {{0x0300, 0x036F, 0}, {0x200B, 0x200F, 0},   {0x20D0, 0x20FF, 0},  {0xFE00, 0xFE0F, 0},
                 {0x1100, 0x115F, 2}, {0x2E80, 0x303E, 2},   {0x3041, 0xA4CF, 2},  {0xAC00, 0xD7A3, 2},
                 {0xF900, 0xFAFF, 2}, {0xFE30, 0xFE6F, 2},   {0xFF00, 0xFF60, 2},  {0xFFE0, 0xFFE6, 2},
                 {0x1F300, 0x1F64F, 2}, {0x1F900, 0x1F9FF, 2}, {0x20000, 0x3FFFD, 2}};
    for (size_t i = 0; i < sizeof range / sizeof *range; i++)
        if (code >= range[i].first && code <= range[i].last) return range[i].places;
    return 1;
}

/* Bytes of `text`, valid UTF-8, whose characters take at most `most` places, and those places. */
static size_t fitting(const char *text, int most, int *places)
{
    static const unsigned char lead[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    const char *end = text + strlen(text);
    size_t at = 0;
    *places = 0;
    while (text[at]) {
        const int length = text_utf8_length(text + at, end), bytes = length ? length : 1;
        unsigned code = (unsigned char)text[at] & lead[bytes];
        for (int k = 1; k < bytes; k++) code = code << 6 | ((unsigned char)text[at + (size_t)k] & 0x3F);
        const int more = places_of(code);
        if (*places + more > most) break;
        *places += more;
        at += (size_t)bytes;
    }
    return at;
}

/* `text` is shown already. */
static int width_of(const char *text)
{
    int places;
    fitting(text, 1 << 30, &places);
    return places;
}

static void put_cell(const char *text, int width, char align, int last)
{
    int places, whole = width_of(text);
    if (whole > width) {
        const size_t bytes = fitting(text, width - 1, &places);
        printf("%.*s…%*s", (int)bytes, text, last ? 0 : width - 1 - places, "");
    } else if (align == 'r') {
        printf("%*s%s", width - whole, "", text);
    } else {
        printf("%s%*s", text, last ? 0 : width - whole, "");
    }
}

int columns_width(const char *name)
{
    char shown[1024];
    return width_of(text_shown(shown, sizeof shown, name));
}

void columns_put(const char *name, int width)
{
    char shown[1024];
    text_shown(shown, sizeof shown, name);
    put_cell(shown, width > width_of(shown) ? width : width_of(shown), 'l', 0);
}

/* ---- the table ----------------------------------------------------------------------------------------- */

struct column_table columns_begin(int indent, const char *align)
{
    struct column_table c = {.indent = indent};
    for (; *align; align++) columns_more(&c, *align);
    return c;
}

void columns_more(struct column_table *c, char align)
{
    const size_t columns = strlen(c->align);
    ENSURE(columns < COLUMNS_MAX && c->count == 0, "column %zu of a table with %d cells", columns, c->count);
    c->align[columns] = align;
}

void columns_add(struct column_table *c, const char *format, ...)
{
    char text[1024], shown[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    text_shown(shown, sizeof shown, text);
    text_put(&c->cells, shown, strlen(shown) + 1);
    c->count++;
}

void columns_add_cut(struct column_table *c, int most, const char *text)
{
    char shown[4096];
    int places;
    text_shown(shown, sizeof shown, text);
    if (width_of(shown) > most) strcpy(shown + fitting(shown, most - 1, &places), "…");
    text_put(&c->cells, shown, strlen(shown) + 1);
    c->count++;
}

void columns_add_number(struct column_table *c, int decimals, double v)
{
    if (isnan(v)) columns_add(c, "-");
    else columns_add(c, "%.*f", decimals, v);
}

/* Where a terminal is narrower than the table, the widest of the left-aligned columns gives a place, until it
 * fits. Where that is not to be reached with LEAST for each, all stay as they are but a first one that would
 * fill the half of it. */
static void narrow(int *width, const struct column_table *c, int columns, int most)
{
    int given[COLUMNS_MAX], total = c->indent + GAP * (columns - 1);
    memcpy(given, width, sizeof given);
    for (int k = 0; k < columns; k++) total += width[k];
    for (; total > most; total--) {
        int widest = -1;
        for (int k = 0; k < columns; k++)
            if (c->align[k] == 'l' && width[k] > LEAST && (widest < 0 || width[k] > width[widest]))
                widest = k;
        if (widest < 0) break;
        width[widest]--;
    }
    if (total <= most) return;
    const int half = most / 2 > LEAST ? most / 2 : LEAST;
    memcpy(width, given, sizeof given);
    if (c->align[0] == 'l' && width[0] > half) width[0] = half;
}

/* The first column, and those from `from` to before `to`. */
static void print_rows(const struct column_table *c, const int *width, int columns, int from, int to)
{
    const char *cell = c->cells.data;
    for (int i = 0; i < c->count; i++, cell += strlen(cell) + 1) {
        const int k = i % columns, last = k == (to > from ? to - 1 : 0);
        if (k && (k < from || k >= to)) continue;
        printf("%*s", k ? GAP : c->indent, "");
        put_cell(cell, width[k], c->align[k], last);
        if (last) printf("\n");
    }
}

/* Of a table that the terminal is still too narrow for, as many columns at a time as fit beside the first. */
static void print_parts(const struct column_table *c, const int *width, int columns, int most)
{
    int from = 1, to;
    do {
        int total = c->indent + width[0];
        for (to = from; to < columns && (to == from || !most || total + GAP + width[to] <= most); to++)
            total += GAP + width[to];
        if (from > 1) printf("\n");
        print_rows(c, width, columns, from, to);
        from = to;
    } while (from < columns);
}

void columns_print(struct column_table *c)
{
    int width[COLUMNS_MAX] = {0};
    const int columns = (int)strlen(c->align);
    ENSURE(columns > 0 && c->count % columns == 0, "%d cells in %d columns", c->count, columns);
    const char *cell = c->cells.data;
    for (int i = 0; cell && i < c->count; i++, cell += strlen(cell) + 1)
        if (width_of(cell) > width[i % columns]) width[i % columns] = width_of(cell);
    const int most = isatty(STDOUT_FILENO) ? console_columns() : 0;
    if (most) narrow(width, c, columns, most);
    if (cell) print_parts(c, width, columns, most);
    else if (c->count) console_lose();
    free(text_take(&c->cells));
    *c = (struct column_table){0};
}
