/* error.c - messages; what comes from files is made safe to show. */
#include "io/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "io/base/text.h"

int error_set(struct error *e, const char *format, ...)
{
    char text[sizeof e->text]; /* the arguments may point into e */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    text_shown(e->text, sizeof e->text, text);
    return -1;
}

int error_prefix(struct error *e, const char *format, ...)
{
    char text[sizeof e->text], all[2 * sizeof e->text + 4];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(all, sizeof all, "%s: %s", text, e->text);
    text_shown(e->text, sizeof e->text, all);
    return -1;
}
