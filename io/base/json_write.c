/* json_write.c - building JSON values and writing them. Memory that runs out aborts, as in text.h. */
#include "io/base/json.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/base/text.h"

/* ---- building -------------------------------------------------------------------------------------------------- */

static struct json *new_value(enum json_type type)
{
    struct json *j = calloc(1, sizeof *j);
    if (j == NULL) abort();
    j->type = type;
    return j;
}

static char *copy_text(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = malloc(n);
    if (copy == NULL) abort();
    return memcpy(copy, s, n);
}

struct json *json_object(void)
{
    return new_value(JSON_OBJECT);
}

struct json *json_array(void)
{
    return new_value(JSON_ARRAY);
}

/* As in json.c: the capacity is the next power of two. */
static void append(struct json *j, struct json *item)
{
    size_t n = (size_t)j->count;
    if ((n & (n - 1)) == 0) {
        if (n > INT_MAX / 2) abort();
        j->item = realloc(j->item, (n ? 2 * n : 1) * sizeof *j->item);
        if (j->item == NULL) abort();
    }
    j->item[j->count++] = item;
}

struct json *json_add(struct json *j, const char *key, struct json *value)
{
    free(value->key);
    value->key = key != NULL ? copy_text(key) : NULL;
    for (int i = 0; key != NULL && i < j->count; i++) {
        if (strcmp(j->item[i]->key, key) != 0) continue;
        json_free(j->item[i]);
        return j->item[i] = value;
    }
    append(j, value);
    return value;
}

struct json *json_add_object(struct json *j, const char *key)
{
    return json_add(j, key, json_object());
}

struct json *json_add_array(struct json *j, const char *key)
{
    return json_add(j, key, json_array());
}

struct json *json_add_int(struct json *j, const char *key, int64_t v)
{
    struct json *item = new_value(JSON_INT);
    item->integer = v;
    item->number = (double)v;
    return json_add(j, key, item);
}

struct json *json_add_number(struct json *j, const char *key, double v)
{
    struct json *item = new_value(JSON_DOUBLE);
    item->number = v;
    return json_add(j, key, item);
}

struct json *json_add_bool(struct json *j, const char *key, int v)
{
    struct json *item = new_value(JSON_BOOL);
    item->integer = v != 0;
    return json_add(j, key, item);
}

struct json *json_add_text(struct json *j, const char *key, const char *v)
{
    struct json *item = new_value(JSON_STRING);
    item->string = copy_text(v);
    return json_add(j, key, item);
}

struct json *json_add_null(struct json *j, const char *key)
{
    return json_add(j, key, new_value(JSON_NULL));
}

void json_remove(struct json *j, const char *key)
{
    if (j == NULL || j->type != JSON_OBJECT) return;
    for (int i = 0; i < j->count; i++) {
        if (strcmp(j->item[i]->key, key) != 0) continue;
        json_free(j->item[i]);
        memmove(j->item + i, j->item + i + 1, (size_t)(j->count - i - 1) * sizeof *j->item);
        j->count--;
        return;
    }
}

struct json *json_copy(const struct json *j)
{
    if (j == NULL) return NULL;
    struct json *copy = new_value(j->type);
    copy->integer = j->integer;
    copy->number = j->number;
    if (j->string != NULL) copy->string = copy_text(j->string);
    for (int i = 0; i < j->count; i++) {
        struct json *item = json_copy(j->item[i]);
        if (j->item[i]->key != NULL) item->key = copy_text(j->item[i]->key);
        append(copy, item);
    }
    return copy;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void put_number(struct text *t, double v)
{
    if (isnan(v)) text_puts(t, "NaN");
    else if (isinf(v)) text_puts(t, v < 0 ? "-Infinity" : "Infinity");
    else text_put_double(t, v);
}

static int is_number(const struct json *j)
{
    return j->type == JSON_INT || j->type == JSON_DOUBLE;
}

static int is_row(const struct json *j)
{
    if (j->type != JSON_ARRAY) return 0;
    for (int i = 0; i < j->count; i++)
        if (!is_number(j->item[i])) return 0;
    return 1;
}

static void put_line(struct text *t, int spaces)
{
    text_printf(t, "\n%*s", spaces, "");
}

static void put_value(struct text *t, const struct json *j, int indent, int level)
{
    switch (j->type) {
    case JSON_NULL: text_puts(t, "null"); return;
    case JSON_BOOL: text_puts(t, j->integer ? "true" : "false"); return;
    case JSON_INT: text_printf(t, "%lld", (long long)j->integer); return;
    case JSON_DOUBLE: put_number(t, j->number); return;
    case JSON_STRING: text_put_json(t, j->string); return;
    case JSON_ARRAY:
    case JSON_OBJECT: break;
    }
    int lines = indent > 0 && j->count > 0 && !is_row(j);
    text_puts(t, j->type == JSON_ARRAY ? "[" : "{");
    for (int i = 0; i < j->count; i++) {
        if (i > 0) text_puts(t, lines ? "," : ", ");
        if (lines) put_line(t, indent * (level + 1));
        if (j->type == JSON_OBJECT) {
            text_put_json(t, j->item[i]->key);
            text_puts(t, ": ");
        }
        put_value(t, j->item[i], indent, level + 1);
    }
    if (lines) put_line(t, indent * level);
    text_puts(t, j->type == JSON_ARRAY ? "]" : "}");
}

char *json_format(const struct json *j, int indent)
{
    struct text t = {0};
    put_value(&t, j, indent, 0);
    return text_take(&t);
}

int json_write(const struct json *j, const char *path, struct error *e)
{
    struct text t = {0};
    put_value(&t, j, 4, 0);
    text_puts(&t, "\n");
    int r = file_write(path, t.data, t.size, e);
    free(t.data);
    return r;
}
