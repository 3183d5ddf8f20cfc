/* console.c - text for people, with what a terminal would obey made visible. */
#include "apps/base/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "io/base/text.h"

void console_open(void)
{
    for (int fd = 0; fd < 3; fd++) /* the lowest that is free is the one that is taken */
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd ? O_RDONLY : O_WRONLY) < 0)
            return;
}

static int lost; /* as the error of a stream is kept until it is asked for */

void console_lose(void)
{
    lost = 1;
}

int console_lost(void)
{
    return lost;
}

/* Line by line: their ends are the program's own. */
static int put_lines(FILE *f, char *text)
{
    int written = 0;
    for (char *line = text, *end; *line; line = end) {
        char shown[4096];
        end = line + strcspn(line, "\n");
        char last = *end;
        *end = 0;
        for (size_t size = strlen(line), at = 0; at < size;) {
            /* pieces that end between characters of UTF-8 */
            size_t piece = size - at < sizeof shown / 4 - 1 ? size - at : sizeof shown / 4 - 1;
            while (piece > 1 && at + piece < size && ((unsigned char)line[at + piece] & 0xC0) == 0x80)
                piece--;
            char next = line[at + piece];
            line[at + piece] = 0;
            written += fprintf(f, "%s", text_shown(shown, sizeof shown, line + at));
            line[at += piece] = next;
        }
        if (last) written += fprintf(f, "\n");
        if (last) end++;
    }
    return written;
}

static int print(FILE *f, const char *format, va_list args)
{
    char small[1024], *text = small;
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, format, args);
    if (n >= (int)sizeof small) text = malloc((size_t)n + 1);
    if (n >= (int)sizeof small && text) vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    if (n < 0) return n;
    if (!text) console_lose();
    int written = put_lines(f, text ? text : small); /* without memory its beginning */
    if (text != small) free(text);
    return written;
}

int console(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = print(stdout, format, args);
    va_end(args);
    return n;
}

int console_to(FILE *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = print(f, format, args);
    va_end(args);
    return n;
}

void console_paragraph(const char *first, const char *format, ...)
{
    const int narrow = isatty(STDOUT_FILENO) ? console_columns() : 0,
              most = narrow && narrow < 110 ? narrow : 110, indent = (int)strlen(first);
    char text[2048];
    int column = console("%s", first);
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (const char *word = text; *word; word += *word == ' ') {
        const int length = (int)strcspn(word, " ");
        const int begins = column == indent, breaks = !begins && column + 1 + length > most;
        if (breaks) console("\n%*s", indent, "");
        column = (breaks ? indent : column + !begins) + length;
        console("%s%.*s", begins || breaks ? "" : " ", length, word);
        word += length;
    }
    console("\n");
}

int console_columns(void)
{
    const char *told = getenv("COLUMNS");
    const long columns = told ? strtol(told, NULL, 10) : 0;
    struct winsize w;
    if (columns > 0) return columns > 100000 ? 100000 : (int)columns;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) ? 0 : w.ws_col;
}
