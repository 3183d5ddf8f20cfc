/* fuzz_values.c - the values of a text: those of JSON (whole arrays and objects too), or the cells of a
 * table; and what may stand in their place. Random bytes seldom make another JSON; this does. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static const char *const instead[] = {
    "-5",          "0",       "1",       "3",   "255",   "2147483653", "-2147483648",
    "1e19",        "1e308",   "-1e-320", "1.5", "\"x\"", "\"\"",       "\"\\u001b[31m=1+1,\\n\"",
    "\"../../x\"", "null",    "true",    "[]",  "{}",    "[[]]",       "[1,2,3]",
    "nan",         "\"nan\"", "=1+1",    ""};
enum { INSTEAD = sizeof instead / sizeof *instead };

static size_t string_end(const char *text, size_t at, size_t size) /* from its first quotation mark */
{
    for (at++; at < size && text[at] != '"'; at++)
        if (text[at] == '\\') at++;
    return at < size ? at + 1 : size;
}

static size_t value_end(const char *text, size_t at, size_t size)
{
    int depth = 0;
    if (text[at] == '"') return string_end(text, at, size);
    for (; at < size; at++) {
        const char c = text[at];
        if (c == '"') {
            at = string_end(text, at, size) - 1;
        } else if (c == '[' || c == '{') {
            depth++;
        } else if (c == ']' || c == '}') {
            if (depth == 0) return at;
            if (--depth == 0) return at + 1;
        } else if (depth == 0 && (c == ',' || c == '\n' || c == ' ')) {
            return at;
        }
    }
    return size;
}

/* Begin and end of value k; 0 where there are fewer. *seen: how many there are, or k + 1. */
static int find_value(size_t span[2], const char *text, size_t size, size_t k, size_t *seen)
{
    *seen = 0;
    const int json = size && (text[0] == '{' || text[0] == '[');
    int begins = 1;
    for (size_t at = 0; at < size; at++) {
        const char c = text[at];
        if (c == ' ' || (json && c == '\n')) continue;
        if (begins && c != ']' && c != '}' && (*seen)++ == k) {
            span[0] = at;
            span[1] = json ? value_end(text, at, size) : at + strcspn(text + at, ",\n");
            return 1;
        }
        begins = c == ',' || c == '\n' || (json && (c == ':' || c == '['));
        if (json && c == '"') at = string_end(text, at, size) - 1;
    }
    return 0;
}

size_t fuzz_values(const uint8_t *data, size_t size)
{
    size_t count, span[2];
    find_value(span, (const char *)data, size, SIZE_MAX, &count);
    return count;
}

size_t fuzz_changes(void)
{
    return INSTEAD;
}

size_t fuzz_change(uint8_t *out, size_t room, const uint8_t *data, size_t size, size_t value, size_t change)
{
    size_t span[2], seen;
    const char *text = instead[change % INSTEAD];
    const size_t n = strlen(text);
    if (!find_value(span, (const char *)data, size, value, &seen) || size - (span[1] - span[0]) + n > room)
        return 0;
    memcpy(out, data, span[0]);
    memcpy(out + span[0], text, n);
    memcpy(out + span[0] + n, data + span[1], size - span[1]);
    return span[0] + n + size - span[1];
}
