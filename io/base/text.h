/* text.h - numbers and UTF-8 in text files, the same under every locale, and a string that grows.
 *
 * printf and strtod follow the locale of the program that links us ("0,5" in a German one); files do not.
 */
#ifndef IO_TEXT_H
#define IO_TEXT_H

#include <stddef.h>

enum { TEXT_NUMBER = 32 }; /* holds any formatted double */

/* v with the fewest digits (15 to 17, fewer for subnormal numbers) that read back equal, laid out as Python's
 * repr does: 0.1, 1.0, 1e+16, 1e-05, nan, inf. Returns the length. */
int text_format_double(char buf[TEXT_NUMBER], double v);
/* The whole of size bytes as a decimal number: [+-] digits [. digits] [e [+-] digits], correctly rounded; too
 * large is infinite. No spaces, hexadecimal numbers or words. Returns 0, or -1 where it is no number (or
 * memory ran out). */
int text_parse_double(double *v, const char *text, size_t size);
/* Bytes (1 to 4) of the UTF-8 character at p; 0 if it is not valid: cut off, overlong, a surrogate, beyond
 * U+10FFFF. */
int text_utf8_length(const char *p, const char *end);
int text_is_utf8(const char *s); /* all of it */

/* Sorts the names; returns one that is there twice, or NULL. */
const char *text_repeated(const char **name, int count);

/* A NUL-terminated string that grows; start from {0}. text_take gives it to the caller, who frees it.
 * Where memory runs out, the text is given up: data is NULL and size 0, and stays so; file_write and
 * text_take then fail, so that a caller has to look only there. What takes a part of a text over into another
 * hands the failure on with text_append. */
struct text {
    char *data;
    size_t size, capacity; /* size without the NUL */
    int failed;
};
void text_put(struct text *t, const void *data, size_t size);
void text_puts(struct text *t, const char *s);
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void text_printf(struct text *t, const char *format, ...); /* no %g or %f: use text_put_double */
void text_put_double(struct text *t, double v);
/* As a JSON string, with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void text_put_json(struct text *t, const char *s);
/* Puts the whole of part, and its failure. */
void text_append(struct text *t, const struct text *part);
/* NULL where memory ran out. */
char *text_take(struct text *t);

/* s for people to see: what would move a terminal's cursor or colour it (control characters, C1 ones too) and
 * bytes that are not UTF-8 become \xNN; cut off to size - 1 bytes. Returns buf. s may be buf only where it
 * needs no change. */
char *text_shown(char *buf, size_t size, const char *s);

/* s as a word of a command that people copy: as it is, or in single quotes where a shell would take it for
 * more or less than one word; cut off as text_shown. Returns buf. */
char *text_shell(char *buf, size_t size, const char *s);
/* "nephron WORD WORD...", for people to copy: each word as text_shell has it. The caller frees it; NULL when
 * memory is out. */
char *text_command_line(int argc, char *const *argv);

/* Whether it begins with a byte order mark of UTF-16. */
int text_is_utf16(const char *text, size_t size);

/* What no name of a case, a patient or a site may have, to stand behind the name in a message: a control
 * character (as text_shown knows them), bytes that are not UTF-8; NULL where there is nothing. */
const char *text_name_fault(const char *s);

#endif
