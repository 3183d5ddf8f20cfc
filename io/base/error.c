#include "io/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *e, const char *format, ...)
{
    char text[sizeof e->text]; /* the arguments may point into e */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(e->text, text, sizeof text);
    return -1;
}

int error_prefix(struct error *e, const char *format, ...)
{
    char text[sizeof e->text];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0 || n >= (int)sizeof text) n = (int)strlen(text);
    strncat(text, ": ", sizeof text - 1 - (size_t)n);
    strncat(text, e->text, sizeof text - 1 - strlen(text));
    memcpy(e->text, text, sizeof text);
    return -1;
}
