/* fuzz_tables.c - any bytes to the readers of JSON, CSV, .npy, .npz, safetensors and .pth: nothing may crash,
 * leak or hang.
 *
 *   replay:    cc ... tests/fuzz/fuzz_tables.c libnephron.a && ./fuzz_tables FILE...
 *   libFuzzer: clang -fsanitize=fuzzer,address,undefined -DLIBFUZZER ...
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/csv.h"
#include "io/base/file.h"
#include "io/base/json.h"
#include "io/weights/npy.h"
#include "io/weights/pickle.h"
#include "io/weights/pth.h"
#include "io/weights/safetensors.h"

static void must(int condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "fuzz_tables: %s\n", what);
    abort();
}

/* What was read and written must read back as the same text. */
static void try_json(const uint8_t *data, size_t size)
{
    struct error e;
    struct json *j = json_parse((const char *)data, size, &e), *again;
    if (j == NULL) return;
    for (int indent = 0; indent <= 4; indent += 4) {
        char *text = json_format(j, indent), *second;
        again = json_parse(text, strlen(text), &e);
        must(again != NULL, "JSON does not read back");
        second = json_format(again, indent);
        must(strcmp(text, second) == 0, "JSON reads back changed");
        json_free(again);
        free(text);
        free(second);
    }
    json_free(j);
}

static void try_csv(const uint8_t *data, size_t size)
{
    struct error e;
    struct csv c;
    double v;
    if (csv_parse(&c, (const char *)data, size, "fuzz", &e)) return;
    for (int r = 0; r < c.rows; r++)
        for (int i = 0; i < c.columns; i++) (void)csv_number(&c, "fuzz", r, i, &v, &e);
    (void)csv_column(&c, "absent", &e);
    csv_free(&c);
}

static void try_npy(const uint8_t *data, size_t size)
{
    struct error e;
    struct npy a;
    volatile double sink = 0;
    if (npy_parse(&a, data, size, "fuzz", &e)) return;
    for (size_t i = 0; i < npy_count(&a); i++) sink = npy_value(&a, i);
    (void)sink;
    npy_free(&a);
}

static void try_npz(const uint8_t *data, size_t size)
{
    struct error e;
    struct npz z;
    if (npz_parse(&z, data, size, "fuzz", &e)) return;
    for (int i = 0; i < z.count; i++)
        must(npz_find(&z, z.array[i].name) == &z.array[i], "an array is not found");
    npz_free(&z);
}

static void touch_tensors(const struct safetensors *s)
{
    volatile float sink = 0;
    for (int i = 0; i < s->count; i++) {
        const struct safetensor *t = &s->tensor[i];
        size_t bytes = safetensors_dtype_bytes(t->dtype);
        for (size_t k = 0; bytes > 0 && k < t->bytes / bytes; k++) sink = safetensors_value(t, k);
    }
    (void)sink;
}

static unsigned char *copy_of(const uint8_t *data, size_t size)
{
    unsigned char *copy = malloc(size ? size : 1);
    must(copy != NULL, "out of memory");
    if (size > 0) memcpy(copy, data, size);
    return copy;
}

static void try_safetensors(const uint8_t *data, size_t size)
{
    struct error e;
    struct safetensors s;
    unsigned char *copy = copy_of(data, size);
    if (safetensors_parse(&s, copy, size, "fuzz", &e)) {
        free(copy);
        return;
    }
    touch_tensors(&s);
    safetensors_free(&s);
}

static void try_pth(const uint8_t *data, size_t size)
{
    struct error e;
    struct pth p;
    unsigned char *copy = copy_of(data, size);
    if (pth_parse(&p, copy, size, "fuzz", &e)) {
        free(copy);
        return;
    }
    touch_tensors(&p.tensors);
    must(p.values != NULL, "a file without values");
    pth_free(&p);
}

/* The pickle alone, which in an archive would need a right CRC. */
static void try_pickle(const uint8_t *data, size_t size)
{
    struct error e;
    struct pickle p;
    if (pickle_parse(&p, data, size, &e)) return;
    must(p.root != NULL, "a pickle without a value");
    pickle_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_json(data, size);
    try_csv(data, size);
    try_npy(data, size);
    try_npz(data, size);
    try_safetensors(data, size);
    try_pth(data, size);
    try_pickle(data, size);
    return 0;
}

#ifndef LIBFUZZER
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct error e;
        unsigned char *data;
        size_t size;
        if (file_read(argv[i], 0, &data, &size, &e)) {
            fprintf(stderr, "fuzz_tables: %s\n", e.text);
            return 1;
        }
        LLVMFuzzerTestOneInput(data, size);
        free(data);
    }
    printf("fuzz_tables: %d files replayed\n", argc - 1);
    return 0;
}
#endif
