/* json.h - JSON values (RFC 8259) in memory, in the order of the file.
 *
 * Numbers keep their text's int64 where it fits, else a double; doubles are written with the fewest digits
 * that read back equal. NaN and Infinity are read (Python writes them) and written as Python does.
 */
#ifndef IO_JSON_H
#define IO_JSON_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_DOUBLE, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_type type;
    char *key;             /* inside an object */
    int64_t integer;       /* JSON_INT, JSON_BOOL */
    double number;         /* JSON_DOUBLE and JSON_INT */
    char *string;          /* UTF-8, NUL-terminated */
    struct json **item;    /* array elements or object members, in order */
    int count;
    int failed;            /* memory ran out while it was built */
};

/* NULL on error; the message names line and column. Depth is limited to 128. A byte order mark is skipped; of
 * a repeated key the last value counts. Text that is not UTF-8, half a surrogate pair and \u0000 (which a C
 * string cannot hold) are errors. */
struct json *json_parse(const char *text, size_t size, struct error *e);
/* The same, but a repeated key is an error. */
struct json *json_parse_unique(const char *text, size_t size, struct error *e);
/* Of a file, which people may have written: a repeated key is an error. */
struct json *json_read(const char *path, struct error *e);
void json_free(struct json *j);

/* NULL where absent or j is not an object (array). */
struct json *json_get(const struct json *j, const char *key);
struct json *json_at(const struct json *j, int i);
/* Defaults where absent or of another type. */
double json_number(const struct json *j, const char *key, double otherwise);
int64_t json_integer(const struct json *j, const char *key, int64_t otherwise);
int json_boolean(const struct json *j, const char *key, int otherwise);
const char *json_text(const struct json *j, const char *key, const char *otherwise);
/* Deep copy (key not copied). */
struct json *json_copy(const struct json *j);

/* Building. Memory that runs out gives NULL, which every function here takes and passes on, and marks the
 * value that should have grown: a caller has to look only at json_failed, json_format (NULL) or json_write
 * (an error). The json_add_* put a new member (array element: key NULL) and return it; `j` owns it. An
 * existing key is replaced. */
struct json *json_object(void);
struct json *json_array(void);
struct json *json_add(struct json *j, const char *key, struct json *value);
struct json *json_add_object(struct json *j, const char *key);
struct json *json_add_array(struct json *j, const char *key);
struct json *json_add_int(struct json *j, const char *key, int64_t v);
struct json *json_add_number(struct json *j, const char *key, double v);
struct json *json_add_bool(struct json *j, const char *key, int v);
struct json *json_add_text(struct json *j, const char *key, const char *v);
struct json *json_add_null(struct json *j, const char *key);
/* Is something lost in j, or all of it (NULL)? */
int json_failed(const struct json *j);
void json_remove(struct json *j, const char *key);

/* malloc'ed text, NULL where memory ran out. indent 0: one line; else spaces a level (arrays of numbers stay
 * on one line). */
char *json_format(const struct json *j, int indent);
/* Whether both have the same text, or both are NULL. Not where memory ran out. */
int json_same(const struct json *a, const struct json *b);
int json_write(const struct json *j, const char *path, struct error *e); /* indent 4, newline at the end */

#endif
