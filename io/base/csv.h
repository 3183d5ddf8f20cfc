/* csv.h - tables of text (RFC 4180: quotes, CRLF or LF, optional UTF-8 BOM), first row the header.
 *
 * Beyond that, as spreadsheets and people write them: where the header has no comma, semicolons or else tabs
 * separate, or what the first line "sep=;" says; blanks around a cell do not count, unless they are inside
 * its quotes; a row of empty cells alone is no row. Bytes that are not UTF-8 are an error. */
#ifndef IO_CSV_H
#define IO_CSV_H

#include <stddef.h>
#include "io/base/error.h"

struct csv {
    int rows, columns;  /* rows without the header */
    char **header;      /* [columns] */
    char **cell;        /* [rows*columns], row-major */
    int *line;          /* [rows]: of the file, counted from 1, where the row begins */
    char *storage;
};

int csv_parse(struct csv *c, const char *text, size_t size, const char *name, struct error *e);
int csv_read(struct csv *c, const char *path, struct error *e);
void csv_free(struct csv *c);
/* Index of the column, or -1 with a message that lists the columns there are. */
int csv_column(const struct csv *c, const char *name, struct error *e);
/* The same of one that may be absent, which is -1 in *column; two of the name are an error. */
int csv_optional(int *column, const struct csv *c, const char *name, struct error *e);
static inline const char *csv_cell(const struct csv *c, int row, int column)
{
    return c->cell[row * c->columns + column];
}
/* Whether a cell says that its value is not known: it is empty, or one of NA, N/A, NaN, null, none, unknown,
 * missing, . and ? in letters of any case. */
int csv_is_missing(const char *cell);
/* The cell as a finite number; an error names file, line and column. */
int csv_number(const struct csv *c, const char *name, int row, int column, double *v, struct error *e);
/* Writes text, quoted where needed, to buf (size bytes); returns its length as snprintf. Text that begins
 * with = + - @ or a tab, and is no number, gets an apostrophe in front, so that no spreadsheet runs it;
 * escape, delete, backspace and bell, which a terminal would obey, become \xNN.
 * csv_parse takes one apostrophe in front of these away again (and of others' files too), so that what was
 * written is read back. */
int csv_quote(char *buf, size_t size, const char *text);

#endif
