/* json.c - reading JSON and looking things up. json_write.c builds and writes. */
#include "io/base/json.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/base/text.h"

enum { DEPTH_MAX = 128 };

struct parser {
    const char *start, *p, *end;
    int depth, unique; /* unique: a repeated key is an error */
    struct error *e;
};

static struct json *parse_value(struct parser *s);

/* Sets the message, with the place where the parser stands, and returns NULL. */
static void *fail(struct parser *s, const char *message)
{
    int line = 1, column = 1;
    for (const char *q = s->start; q < s->p; q++) {
        if (*q == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*q & 0xC0) != 0x80) { /* count characters, not bytes */
            column++;
        }
    }
    error_set(s->e, "line %d column %d: %s", line, column, message);
    return NULL;
}

/* What people write and JSON does not have, or the message. */
static const char *or_foreign(const struct parser *s, const char *message)
{
    const char *p = s->p;
    if (p < s->end && (*p == '/' || *p == '#')) return "a comment, which JSON does not have";
    if (p == s->end || (*p != '}' && *p != ']')) return message;
    while (p > s->start && strchr(" \n\r\t", p[-1])) p--;
    return p > s->start && p[-1] == ',' ? "a comma with nothing behind it" : message;
}

static void skip_space(struct parser *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t')) s->p++;
}

static int next_is(const struct parser *s, char c)
{
    return s->p < s->end && *s->p == c;
}

static int accept(struct parser *s, char c)
{
    if (!next_is(s, c)) return 0;
    s->p++;
    return 1;
}

static struct json *new_value(struct parser *s, enum json_type type)
{
    struct json *j = calloc(1, sizeof *j);
    if (j == NULL) return fail(s, "out of memory");
    j->type = type;
    return j;
}

/* ---- strings ------------------------------------------------------------------------------------------- */

/* Four hexadecimal digits after \u, or -1. */
static long parse_hex4(struct parser *s)
{
    long v = 0;
    if (s->end - s->p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = s->p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        v = v * 16 + digit;
    }
    s->p += 4;
    return v;
}

static char *put_utf8(char *out, long c)
{
    if (c < 0x80) {
        *out++ = (char)c;
        return out;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
    *out++ = (char)(lead[more] | c >> 6 * more);
    while (more-- > 0) *out++ = (char)(0x80 | (c >> 6 * more & 0x3F));
    return out;
}

/* After "\u": one code point, of two escapes where it lies beyond U+FFFF. NULL after an error. */
static char *parse_unicode(struct parser *s, char *out)
{
    const char *start = s->p - 2;
    long c = parse_hex4(s), low;
    if (c < 0) return fail(s, "\\u without four hexadecimal digits");
    if (c >= 0xD800 && c < 0xDC00 && s->end - s->p >= 2 && s->p[0] == '\\' && s->p[1] == 'u') {
        s->p += 2;
        low = parse_hex4(s);
        if (low >= 0xDC00 && low < 0xE000)
            return put_utf8(out, 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00));
    }
    if (c >= 0xD800 && c < 0xE000) {
        s->p = start;
        return fail(s, "half of a surrogate pair");
    }
    if (c == 0) {
        s->p = start;
        return fail(s, "\\u0000 in a string is not supported");
    }
    return put_utf8(out, c);
}

static char *parse_escape(struct parser *s, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (s->p == s->end) return fail(s, "the string does not end");
    char c = *s->p;
    if (c == 'u') {
        s->p++;
        return parse_unicode(s, out);
    }
    const char *at = c != 0 ? strchr(from, c) : NULL;
    if (at == NULL) return fail(s, "unknown escape in a string");
    s->p++;
    *out++ = to[at - from];
    return out;
}

/* Beyond the opening quote: decodes into out, which has room (no escape is shorter than its UTF-8). */
static int decode_string(struct parser *s, char *out)
{
    while (s->p < s->end && *s->p != '"') {
        if (*s->p == '\\') {
            s->p++;
            out = parse_escape(s, out);
            if (out == NULL) return -1;
            continue;
        }
        int n = text_utf8_length(s->p, s->end);
        if (n == 0 || (unsigned char)*s->p < 0x20) {
            fail(s, n == 0 ? "bytes that are not UTF-8" : "a control character in a string must be escaped");
            return -1;
        }
        memcpy(out, s->p, (size_t)n);
        out += n;
        s->p += n;
    }
    *out = 0;
    if (accept(s, '"')) return 0;
    fail(s, "the string does not end");
    return -1;
}

static char *parse_string(struct parser *s)
{
    if (!accept(s, '"')) return fail(s, or_foreign(s, "a string in double quotes expected"));
    const char *q = s->p;
    while (q < s->end && *q != '"') q += *q == '\\' && s->end - q > 1 ? 2 : 1;
    char *out = malloc((size_t)(q - s->p) + 1);
    if (out == NULL) return fail(s, "out of memory");
    if (decode_string(s, out) == 0) return out;
    free(out);
    return NULL;
}

/* ---- numbers and words --------------------------------------------------------------------------------- */

/* The end of a number in JSON's grammar, or NULL. *whole: without fraction and exponent. */
static const char *scan_number(const char *p, const char *end, int *whole)
{
#define DIGIT(p) ((p) < end && *(p) >= '0' && *(p) <= '9')
    *whole = 1;
    if (p < end && *p == '-') p++;
    if (!DIGIT(p)) return NULL;
    if (*p == '0') p++;
    else while (DIGIT(p)) p++;
    if (p < end && *p == '.') {
        *whole = 0;
        p++;
        if (!DIGIT(p)) return NULL;
        while (DIGIT(p)) p++;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        *whole = 0;
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        if (!DIGIT(p)) return NULL;
        while (DIGIT(p)) p++;
    }
    return p;
#undef DIGIT
}

/* 1 where the digits fit an int64. Counts downwards, since there is one more negative number. */
static int parse_int64(int64_t *v, const char *p, const char *end)
{
    int negative = *p == '-';
    *v = 0;
    for (p += negative; p < end; p++) {
        int digit = *p - '0';
        if (*v < (INT64_MIN + digit) / 10) return 0;
        *v = *v * 10 - digit;
    }
    if (!negative && *v == INT64_MIN) return 0;
    if (!negative) *v = -*v;
    return 1;
}

static struct json *parse_number(struct parser *s)
{
    int whole;
    const char *end = scan_number(s->p, s->end, &whole);
    if (end == NULL) return fail(s, or_foreign(s, "not a JSON value"));
    struct json *j = new_value(s, JSON_DOUBLE);
    if (j == NULL) return NULL;
    if (whole && parse_int64(&j->integer, s->p, end)) {
        j->type = JSON_INT;
        j->number = (double)j->integer;
    } else if (text_parse_double(&j->number, s->p, (size_t)(end - s->p))) {
        free(j);
        return fail(s, "out of memory");
    } else {
        j->integer = 0;
    }
    s->p = end;
    return j;
}

static struct json *parse_word(struct parser *s)
{
    static const struct {
        const char *word;
        enum json_type type;
        int64_t integer;
        double number;
    } words[] = {{"null", JSON_NULL, 0, 0},         {"true", JSON_BOOL, 1, 0},
                 {"false", JSON_BOOL, 0, 0},        {"NaN", JSON_DOUBLE, 0, NAN},
                 {"Infinity", JSON_DOUBLE, 0, INFINITY}, {"-Infinity", JSON_DOUBLE, 0, -INFINITY}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].word);
        if ((size_t)(s->end - s->p) < n || memcmp(s->p, words[i].word, n) != 0) continue;
        struct json *j = new_value(s, words[i].type);
        if (j == NULL) return NULL;
        j->integer = words[i].integer;
        j->number = words[i].number;
        s->p += n;
        return j;
    }
    return parse_number(s);
}

/* ---- arrays and objects -------------------------------------------------------------------------------- */

/* The capacity is the next power of two, so it need not be kept. */
static int append(struct parser *s, struct json *j, struct json *item)
{
    size_t n = (size_t)j->count;
    if ((n & (n - 1)) == 0) {
        struct json **grown = n < INT_MAX / 2 ? realloc(j->item, (n ? 2 * n : 1) * sizeof *grown) : NULL;
        if (grown == NULL) {
            fail(s, "out of memory");
            return -1;
        }
        j->item = grown;
    }
    j->item[j->count++] = item;
    return 0;
}

struct member {
    uint64_t hash;
    const char *key;
    int index;
};

static int compare_members(const void *pa, const void *pb)
{
    const struct member *a = pa, *b = pb;
    if (a->hash != b->hash) return a->hash < b->hash ? -1 : 1;
    int order = strcmp(a->key, b->key);
    return order ? order : a->index - b->index;
}

/* Of members with one key the first keeps its place and takes the last's value, as in Python. */
static int merge_duplicates(struct parser *s, struct json *j)
{
    if (j->count < 2) return 0;
    struct member *m = malloc((size_t)j->count * sizeof *m);
    if (m == NULL) {
        fail(s, "out of memory");
        return -1;
    }
    for (int i = 0; i < j->count; i++) {
        uint64_t hash = 14695981039346656037u; /* FNV-1a */
        for (const char *p = j->item[i]->key; *p; p++) hash = (hash ^ (unsigned char)*p) * 1099511628211u;
        m[i] = (struct member){hash, j->item[i]->key, i};
    }
    qsort(m, (size_t)j->count, sizeof *m, compare_members);
    int first = 0, kept = 0, failed = 0;
    for (int i = 1; i < j->count && !failed; i++) {
        if (m[i].hash != m[first].hash || strcmp(m[i].key, m[first].key) != 0) {
            first = i;
            continue;
        }
        if (s->unique) {
            error_set(s->e, "the key \"%.200s\" is there twice", m[i].key);
            failed = 1;
            continue;
        }
        struct json *old = j->item[m[first].index];
        j->item[m[first].index] = j->item[m[i].index];
        j->item[m[i].index] = NULL;
        m[first].key = m[i].key;
        json_free(old);
    }
    free(m);
    for (int i = 0; i < j->count; i++)
        if (j->item[i] != NULL) j->item[kept++] = j->item[i];
    j->count = kept;
    return failed ? -1 : 0;
}

static int parse_member(struct parser *s, struct json *j)
{
    char *key = NULL;
    skip_space(s);
    if (j->type == JSON_OBJECT) {
        key = parse_string(s);
        if (key == NULL) return -1;
        skip_space(s);
        if (!accept(s, ':')) {
            free(key);
            fail(s, "':' expected after the key");
            return -1;
        }
    }
    struct json *item = parse_value(s);
    if (item == NULL) {
        free(key);
        return -1;
    }
    item->key = key;
    if (append(s, j, item) == 0) return 0;
    json_free(item);
    return -1;
}

static int parse_members(struct parser *s, struct json *j, char close)
{
    skip_space(s);
    if (accept(s, close)) return 0;
    do {
        if (parse_member(s, j)) return -1;
        skip_space(s);
    } while (accept(s, ','));
    if (!accept(s, close)) {
        fail(s, or_foreign(s, close == ']' ? "',' or ']' expected" : "',' or '}' expected"));
        return -1;
    }
    return j->type == JSON_OBJECT ? merge_duplicates(s, j) : 0;
}

static struct json *parse_value(struct parser *s)
{
    struct json *j;
    skip_space(s);
    if (s->p == s->end) return fail(s, "the text ends where a value is expected");
    if (*s->p == '"') {
        char *string = parse_string(s);
        if (string == NULL) return NULL;
        j = new_value(s, JSON_STRING);
        if (j != NULL) j->string = string;
        else free(string);
        return j;
    }
    if (*s->p != '[' && *s->p != '{') return parse_word(s);
    if (s->depth == DEPTH_MAX) return fail(s, "nested more than 128 deep");
    char open = *s->p++;
    j = new_value(s, open == '[' ? JSON_ARRAY : JSON_OBJECT);
    if (j == NULL) return NULL;
    s->depth++;
    int status = parse_members(s, j, open == '[' ? ']' : '}');
    s->depth--;
    if (status == 0) return j;
    json_free(j);
    return NULL;
}

static struct json *parse(const char *text, size_t size, int unique, struct error *e)
{
    struct parser s = {text, text, text + size, 0, unique, e};
    if (text_is_utf16(text, size)) return fail(&s, "UTF-16; save the file as UTF-8");
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) s.start = s.p = text + 3; /* a byte order mark */
    struct json *j = parse_value(&s);
    if (j == NULL) return NULL;
    skip_space(&s);
    if (s.p == s.end) return j;
    json_free(j);
    return fail(&s, or_foreign(&s, "more text after the value"));
}

struct json *json_parse(const char *text, size_t size, struct error *e)
{
    return parse(text, size, 0, e);
}

struct json *json_parse_unique(const char *text, size_t size, struct error *e)
{
    return parse(text, size, 1, e);
}

struct json *json_read(const char *path, struct error *e)
{
    unsigned char *data;
    size_t size;
    if (file_read(path, 0, &data, &size, e)) return NULL;
    struct json *j = json_parse_unique((char *)data, size, e);
    free(data);
    if (j == NULL) error_prefix(e, "%s", path);
    return j;
}

void json_free(struct json *j)
{
    if (j == NULL) return;
    for (int i = 0; i < j->count; i++) json_free(j->item[i]);
    free(j->item);
    free(j->key);
    free(j->string);
    free(j);
}

/* ---- looking things up --------------------------------------------------------------------------------- */

struct json *json_get(const struct json *j, const char *key)
{
    if (j == NULL || j->type != JSON_OBJECT) return NULL;
    for (int i = 0; i < j->count; i++)
        if (strcmp(j->item[i]->key, key) == 0) return j->item[i];
    return NULL;
}

struct json *json_at(const struct json *j, int i)
{
    if (j == NULL || (j->type != JSON_ARRAY && j->type != JSON_OBJECT) || i < 0 || i >= j->count) return NULL;
    return j->item[i];
}

double json_number(const struct json *j, const char *key, double otherwise)
{
    const struct json *v = json_get(j, key);
    return v != NULL && (v->type == JSON_DOUBLE || v->type == JSON_INT) ? v->number : otherwise;
}

int64_t json_integer(const struct json *j, const char *key, int64_t otherwise)
{
    const struct json *v = json_get(j, key);
    return v != NULL && v->type == JSON_INT ? v->integer : otherwise;
}

int json_boolean(const struct json *j, const char *key, int otherwise)
{
    const struct json *v = json_get(j, key);
    return v != NULL && v->type == JSON_BOOL ? (int)v->integer : otherwise;
}

const char *json_text(const struct json *j, const char *key, const char *otherwise)
{
    const struct json *v = json_get(j, key);
    return v != NULL && v->type == JSON_STRING ? v->string : otherwise;
}
