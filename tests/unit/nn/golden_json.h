/* golden_json.h - numbers and lists of a golden file, for the checks of metrics and statistics. Include it
 * once. */
#ifndef TESTS_GOLDEN_JSON_H
#define TESTS_GOLDEN_JSON_H

#include "io/base/json.h"
#include "tests/unit/expect.h"

static struct json *golden;

static inline double number_at(const struct json *j, int i) { return json_at(j, i)->number; }

static inline double *numbers(const struct json *j, const char *key, int *n)
{
    const struct json *array = json_get(j, key);
    double *v = malloc(((size_t)array->count + 1) * sizeof *v);
    for (int i = 0; i < array->count; i++) v[i] = number_at(array, i);
    if (n) *n = array->count;
    return v;
}

static inline int *integers(const struct json *j, const char *key)
{
    const struct json *array = json_get(j, key);
    int *v = malloc(((size_t)array->count + 1) * sizeof *v);
    for (int i = 0; i < array->count; i++) v[i] = (int)json_at(array, i)->integer;
    return v;
}

#define CHECK_RELATIVE(got, want, tolerance, ...) CHECK_NEAR(got, want, (tolerance)*fabs(want), __VA_ARGS__)

/* Reads the golden file; 0 with a message where it cannot. */
static inline int read_golden(const char *path)
{
    struct error e;
    golden = json_read(path, &e);
    if (!golden) printf("FAILED %s\n", e.text);
    return golden != NULL;
}

#endif
