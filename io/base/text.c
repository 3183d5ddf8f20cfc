/* text.c - numbers as text under every locale, UTF-8, a string that grows, and text made safe to show. */
#include "io/base/text.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits of |v| without a point, and the power of ten of the first one. */
static int shortest_digits(char digits[20], int *exponent, double v)
{
    int precision = v < DBL_MIN ? 1 : 15; /* 15 digits always survive, except below the normal numbers */
    char text[48];
    for (;; precision++) {
        snprintf(text, sizeof text, "%.*e", precision - 1, v);
        if (precision == 17 || strtod(text, NULL) == v) break;
    }
    int n = 0;
    for (const char *p = text; *p != 'e'; p++)
        if (*p >= '0' && *p <= '9') digits[n++] = *p; /* whatever the locale's point is */
    *exponent = atoi(strchr(text, 'e') + 1);
    while (n > 1 && digits[n - 1] == '0') n--;
    digits[n] = 0;
    return n;
}

int text_format_double(char buf[TEXT_NUMBER], double v)
{
    if (isnan(v)) return snprintf(buf, TEXT_NUMBER, "nan");
    const char *sign = signbit(v) ? "-" : "";
    v = fabs(v);
    if (isinf(v)) return snprintf(buf, TEXT_NUMBER, "%sinf", sign);
    char d[20];
    int x, n = shortest_digits(d, &x, v);
    if (x < -4 || x >= 16)
        return snprintf(buf, TEXT_NUMBER, "%s%c%s%se%c%02d", sign, d[0], n > 1 ? "." : "", d + 1,
                        x < 0 ? '-' : '+', abs(x));
    if (x < 0) return snprintf(buf, TEXT_NUMBER, "%s0.%.*s%s", sign, -x - 1, "000", d);
    if (n > x + 1) return snprintf(buf, TEXT_NUMBER, "%s%.*s.%s", sign, x + 1, d, d + x + 1);
    return snprintf(buf, TEXT_NUMBER, "%s%s%.*s.0", sign, d, x + 1 - n, "000000000000000");
}

static size_t skip_digits(const char *text, size_t size, size_t i)
{
    while (i < size && text[i] >= '0' && text[i] <= '9') i++;
    return i;
}

/* Where the number's grammar is met, the place of its point (or size) in *point; else -1. */
static int scan_number(const char *text, size_t size, size_t *point)
{
    size_t i = 0, digits;
    *point = size;
    if (i < size && (text[i] == '+' || text[i] == '-')) i++;
    digits = skip_digits(text, size, i) - i;
    i += digits;
    if (i < size && text[i] == '.') {
        *point = i++;
        size_t fraction = skip_digits(text, size, i) - i;
        digits += fraction;
        i += fraction;
    }
    if (digits == 0) return -1;
    if (i < size && (text[i] == 'e' || text[i] == 'E')) {
        i++;
        if (i < size && (text[i] == '+' || text[i] == '-')) i++;
        size_t end = skip_digits(text, size, i);
        if (end == i) return -1;
        i = end;
    }
    return i == size ? 0 : -1;
}

int text_parse_double(double *v, const char *text, size_t size)
{
    char small[64], *copy = small;
    size_t point, length;
    if (scan_number(text, size, &point)) return -1;
    const char *mark = localeconv()->decimal_point;
    length = strlen(mark);
    if (size + length + 1 > sizeof small && (copy = malloc(size + length + 1)) == NULL) return -1;
    memcpy(copy, text, point);
    size_t n = point;
    if (point < size) {
        memcpy(copy + n, mark, length);
        n += length;
        memcpy(copy + n, text + point + 1, size - point - 1);
        n += size - point - 1;
    }
    copy[n] = 0;
    *v = strtod(copy, NULL);
    if (copy != small) free(copy);
    return 0;
}

int text_utf8_length(const char *p, const char *end)
{
    const unsigned char *b = (const unsigned char *)p;
    size_t left = (size_t)(end - p);
    int n;
    uint32_t c;
    if (left == 0) return 0;
    if (b[0] < 0x80) return 1;
    if (b[0] < 0xC2) return 0; /* a continuation byte, or overlong */
    if (b[0] < 0xE0) n = 2, c = b[0] & 0x1F;
    else if (b[0] < 0xF0) n = 3, c = b[0] & 0x0F;
    else if (b[0] < 0xF5) n = 4, c = b[0] & 0x07;
    else return 0;
    if (left < (size_t)n) return 0;
    for (int i = 1; i < n; i++) {
        if ((b[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (b[i] & 0x3F);
    }
    if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10FFFF)) || (c >= 0xD800 && c < 0xE000))
        return 0;
    return n;
}

int text_is_utf8(const char *s)
{
    const char *end = s + strlen(s);
    int n = 1;
    for (; s < end && n > 0; s += n) n = text_utf8_length(s, end);
    return n > 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *text_repeated(const char **name, int count)
{
    qsort(name, (size_t)count, sizeof *name, compare_names);
    for (int i = 1; i < count; i++)
        if (strcmp(name[i - 1], name[i]) == 0) return name[i];
    return NULL;
}

/* ---- the string that grows ----------------------------------------------------------------------------- */

/* 0 where there is room for so much more; else the text is given up. */
static int reserve(struct text *t, size_t more)
{
    if (t->failed) return -1;
    if (t->data != NULL && more < t->capacity - t->size) return 0;
    size_t capacity = more > SIZE_MAX / 8 || t->size > SIZE_MAX / 8 ? 0 : 2 * (t->size + more) + 64;
    char *data = capacity ? realloc(t->data, capacity) : NULL;
    if (data == NULL) {
        free(t->data);
        *t = (struct text){.failed = 1};
        return -1;
    }
    t->data = data;
    t->capacity = capacity;
    return 0;
}

void text_put(struct text *t, const void *data, size_t size)
{
    if (reserve(t, size)) return;
    if (size > 0) memcpy(t->data + t->size, data, size);
    t->size += size;
    t->data[t->size] = 0;
}

void text_append(struct text *t, const struct text *part)
{
    if (!part->failed) {
        text_put(t, part->data, part->size);
    } else if (!t->failed) {
        free(t->data);
        *t = (struct text){.failed = 1};
    }
}

void text_puts(struct text *t, const char *s)
{
    text_put(t, s, strlen(s));
}

void text_printf(struct text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n >= 0 && !reserve(t, (size_t)n)) {
        vsnprintf(t->data + t->size, (size_t)n + 1, format, again);
        t->size += (size_t)n;
    }
    va_end(again);
}

void text_put_double(struct text *t, double v)
{
    char buf[TEXT_NUMBER];
    text_put(t, buf, (size_t)text_format_double(buf, v));
}

static void put_escaped(struct text *t, unsigned char c)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    const char *p = c != 0 ? strchr(from, c) : NULL;
    if (p != NULL) text_printf(t, "\\%c", to[p - from]);
    else text_printf(t, "\\u%04x", c);
}

void text_put_json(struct text *t, const char *s)
{
    const char *end = s + strlen(s), *plain = s;
    text_put(t, "\"", 1);
    while (s < end) {
        int n = text_utf8_length(s, end);
        unsigned char c = (unsigned char)*s;
        if (n > 0 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7F) {
            s += n;
            continue;
        }
        text_put(t, plain, (size_t)(s - plain));
        if (n == 0) text_puts(t, "\xEF\xBF\xBD");
        else put_escaped(t, c);
        plain = ++s;
    }
    text_put(t, plain, (size_t)(s - plain));
    text_put(t, "\"", 1);
}

char *text_take(struct text *t)
{
    char *data = reserve(t, 0) ? NULL : t->data;
    if (data) data[t->size] = 0;
    *t = (struct text){0};
    return data;
}

int text_is_utf16(const char *text, size_t size)
{
    return size >= 2 && (memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0);
}

/* ---- for people to see --------------------------------------------------------------------------------- */

/* C0 and C1 control characters, and DEL. */
static int is_control(const char *s)
{
    const unsigned char *c = (const unsigned char *)s;
    return c[0] < 0x20 || c[0] == 0x7F || (c[0] == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0);
}

const char *text_name_fault(const char *s)
{
    const char *end = s + strlen(s);
    for (int n; s < end; s += n) {
        n = text_utf8_length(s, end);
        if (n == 0) return "has bytes that are not UTF-8";
        if (is_control(s)) return "has a control character";
    }
    return NULL;
}

char *text_shell(char *buf, size_t size, const char *s)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+=:,@%";
    const int bare = *s && strspn(s, plain) == strlen(s);
    size_t used = 0;
    if (size < 8) {
        if (size > 0) *buf = 0;
        return buf;
    }
    if (!bare) buf[used++] = '\'';
    for (; *s && used + 6 < size; s++) {
        if (*s != '\'') buf[used++] = *s;
        else used += (size_t)sprintf(buf + used, "'\\''"); /* ends, one that is escaped, begins */
    }
    if (!bare) buf[used++] = '\'';
    buf[used] = 0;
    return buf;
}

char *text_command_line(int argc, char *const *argv)
{
    struct text line = {0};
    text_puts(&line, "nephron");
    for (int i = 0; i < argc; i++) {
        const size_t size = 4 * strlen(argv[i]) + 16;
        char *word = malloc(size);
        if (!word) return free(text_take(&line)), NULL;
        text_printf(&line, " %s", text_shell(word, size, argv[i]));
        free(word);
    }
    return text_take(&line);
}

char *text_shown(char *buf, size_t size, const char *s)
{
    const char *end = s + strlen(s);
    size_t used = 0;
    for (int n; s < end; s += n > 0 ? n : 1) {
        n = text_utf8_length(s, end);
        if (n > 0 && !is_control(s)) {
            if (used + (size_t)n >= size) break;
            memcpy(buf + used, s, (size_t)n);
            used += (size_t)n;
            continue;
        }
        for (int i = 0; i < (n > 0 ? n : 1); i++) {
            if (used + 4 >= size) break;
            used += (size_t)snprintf(buf + used, size - used, "\\x%02x", (unsigned char)s[i]);
        }
    }
    if (size > 0) buf[used] = 0;
    return buf;
}
