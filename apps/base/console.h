/* console.h - text for people: whatever names it holds, it moves no cursor and colours nothing.
 *
 * Names of files, cases, labels and sites come from others. In what goes to the terminal, control characters
 * (but the ends of lines) and bytes that are not UTF-8 are shown as \xNN (text_shown); csv_quote does the
 * same for tables.
 */
#ifndef APPS_CONSOLE_H
#define APPS_CONSOLE_H

#include <stdio.h>

/* First of all: a standard stream that was closed (>&-) is taken by /dev/null, opened the other way round.
 * Else the next file that is opened has its number, and what is printed would be written into a checkpoint.
 * Printing fails as before. */
void console_open(void);

/* printf to standard output, and fprintf, of such text. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
int console(const char *format, ...);
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int console_to(FILE *f, const char *format, ...);

/* Sentences of such text as a paragraph behind `first`, with which the other lines are level: lines of 110
 * characters at most, and of a terminal's, where that has fewer. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void console_paragraph(const char *first, const char *format, ...);

/* Something that was to be printed was left out: there was no memory for it. Asked when the command ends. */
void console_lose(void);
int console_lost(void);

/* Characters of a line: as COLUMNS tells, else of the terminal at standard output; 0 where there is none. */
int console_columns(void);

#endif
