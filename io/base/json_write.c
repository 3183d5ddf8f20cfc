/* json_write.c - building JSON values and writing them. Where memory runs out, a value is marked and not
 * written. */
#include "io/base/json.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/base/text.h"

/* ---- building ------------------------------------------------------------------------------------------ */

static struct json *new_value(enum json_type type)
{
    struct json *j = calloc(1, sizeof *j);
    if (j != NULL) j->type = type;
    return j;
}

static char *copy_text(const char *s)
{
    size_t n = s != NULL ? strlen(s) + 1 : 0;
    char *copy = n > 0 ? malloc(n) : NULL;
    return copy != NULL ? memcpy(copy, s, n) : NULL;
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
static int append(struct json *j, struct json *item)
{
    size_t n = (size_t)j->count;
    if ((n & (n - 1)) == 0) {
        struct json **grown = n < INT_MAX / 2 ? realloc(j->item, (n ? 2 * n : 1) * sizeof *grown) : NULL;
        if (grown == NULL) return -1;
        j->item = grown;
    }
    j->item[j->count++] = item;
    return 0;
}

/* Memory ran out: j is not what it should be, which json_failed, json_format and json_write tell. */
static struct json *lose(struct json *j, struct json *value)
{
    json_free(value);
    if (j != NULL) j->failed = 1;
    return NULL;
}

struct json *json_add(struct json *j, const char *key, struct json *value)
{
    if (j == NULL || value == NULL) return lose(j, value);
    free(value->key);
    value->key = copy_text(key);
    if (key != NULL && value->key == NULL) return lose(j, value);
    for (int i = 0; key != NULL && i < j->count; i++) {
        if (strcmp(j->item[i]->key, key) != 0) continue;
        json_free(j->item[i]);
        return j->item[i] = value;
    }
    return append(j, value) ? lose(j, value) : value;
}

int json_failed(const struct json *j)
{
    if (j == NULL || j->failed) return 1;
    for (int i = 0; i < j->count; i++)
        if (json_failed(j->item[i])) return 1;
    return 0;
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
    if (item != NULL) {
        item->integer = v;
        item->number = (double)v;
    }
    return json_add(j, key, item);
}

struct json *json_add_number(struct json *j, const char *key, double v)
{
    struct json *item = new_value(JSON_DOUBLE);
    if (item != NULL) item->number = v;
    return json_add(j, key, item);
}

struct json *json_add_bool(struct json *j, const char *key, int v)
{
    struct json *item = new_value(JSON_BOOL);
    if (item != NULL) item->integer = v != 0;
    return json_add(j, key, item);
}

struct json *json_add_text(struct json *j, const char *key, const char *v)
{
    struct json *item = new_value(JSON_STRING);
    if (item != NULL && (item->string = copy_text(v)) == NULL) return lose(j, item);
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
    if (copy == NULL) return NULL;
    copy->integer = j->integer;
    copy->number = j->number;
    copy->failed = j->failed;
    if (j->string != NULL && (copy->string = copy_text(j->string)) == NULL) copy->failed = 1;
    for (int i = 0; i < j->count && !copy->failed; i++) {
        struct json *item = json_copy(j->item[i]);
        if (item == NULL) copy->failed = 1;
        else if (j->item[i]->key != NULL && (item->key = copy_text(j->item[i]->key)) == NULL)
            lose(copy, item);
        else if (append(copy, item)) lose(copy, item);
    }
    if (!copy->failed || j->failed) return copy;
    json_free(copy);
    return NULL;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

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
    if (json_failed(j)) return NULL;
    put_value(&t, j, indent, 0);
    return text_take(&t);
}

int json_same(const struct json *a, const struct json *b)
{
    if (!a && !b) return 1;
    char *one = json_format(a, 0), *other = json_format(b, 0);
    const int same = one && other && strcmp(one, other) == 0;
    free(one);
    free(other);
    return same;
}

int json_write(const struct json *j, const char *path, struct error *e)
{
    struct text t = {0};
    if (json_failed(j)) return error_set(e, "%s: out of memory", path);
    put_value(&t, j, 4, 0);
    text_puts(&t, "\n");
    int r = file_write(path, t.data, t.size, e);
    free(t.data);
    return r;
}
