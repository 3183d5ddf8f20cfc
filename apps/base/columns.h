/* columns.h - tables for people: each column as wide as what is in it, whatever the names are.
 *
 * The cells are collected, row by row, and printed together. Widths are of characters on a terminal (a letter
 * of several bytes is one, a Chinese one two); names are shown as by console.h. Nothing is cut but where a
 * terminal is narrower than the table: there the left-aligned columns give way, widest first and to no less
 * than 12 characters, and an ellipsis stands for what is missing; a table that is too wide even so comes in
 * parts, each with the first column.
 */
#ifndef APPS_COLUMNS_H
#define APPS_COLUMNS_H

#include "io/base/text.h"

enum { COLUMNS_MAX = 32 };

struct column_table {
    char align[COLUMNS_MAX + 1]; /* a letter a column: l left, r right */
    int indent, count;           /* spaces before each row; cells so far */
    struct text cells;           /* each ends with its NUL */
};

/* At most COLUMNS_MAX columns; columns_print releases what the table holds. */
struct column_table columns_begin(int indent, const char *align);
/* One more column, before the first cell. */
void columns_more(struct column_table *c, char align);
/* The next cell; the row ends with the last column. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void columns_add(struct column_table *c, const char *format, ...);
/* A number, or a dash where it is NaN. */
void columns_add_number(struct column_table *c, int decimals, double v);
/* Text cut to `most` characters, whatever the terminal is. */
void columns_add_cut(struct column_table *c, int most, const char *text);
/* To standard output; a table for which there was no memory is lost (console.h). */
void columns_print(struct column_table *c);

/* For lines that are printed one by one: characters that the name takes, and the name padded to a width. */
int columns_width(const char *name);
void columns_put(const char *name, int width);

#endif
