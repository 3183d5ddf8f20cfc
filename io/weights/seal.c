/* seal.c - the hash of a safetensors file inside of it. */
#include "io/weights/seal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/base/bytes.h"
#include "io/base/sha256.h"

static void put_text(struct sha256 *h, const char *text)
{
    sha256_update(h, text, strlen(text) + 1);
}

static void put_number(struct sha256 *h, int64_t v)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)v >> (8 * i));
    sha256_update(h, bytes, sizeof bytes);
}

/* As they are in the file. */
static void put_values(struct sha256 *h, const struct safetensor *t)
{
    unsigned char part[4096]; /* a multiple of every width */
    const unsigned char *from = t->data;
    for (size_t at = 0; at < t->bytes; at += sizeof part) {
        const size_t n = t->bytes - at < sizeof part ? t->bytes - at : sizeof part;
        bytes_little(part, from + at, n, safetensors_width(t));
        sha256_update(h, part, n);
    }
}

void seal_hash(char hex[65], const struct safetensors *s)
{
    struct sha256 h;
    unsigned char digest[32];
    sha256_init(&h);
    for (int i = 0; i < s->metas; i++) {
        if (strcmp(s->meta_key[i], SEAL_KEY) == 0) continue;
        put_text(&h, s->meta_key[i]);
        put_text(&h, s->meta_value[i]);
    }
    for (int i = 0; i < s->count; i++) {
        const struct safetensor *t = &s->tensor[i];
        put_text(&h, t->name);
        put_text(&h, t->dtype);
        put_number(&h, t->ndim);
        for (int a = 0; a < t->ndim; a++) put_number(&h, t->dim[a]);
        put_values(&h, t);
    }
    sha256_final(&h, digest);
    for (int i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

void seal_add(struct safetensors *s)
{
    char hex[65];
    seal_hash(hex, s);
    safetensors_add_meta(s, SEAL_KEY, hex);
}

int seal_write(struct safetensors *s, const char *path, struct error *e)
{
    for (int i = 0; i < s->count; i++) {
        const struct safetensor *t = &s->tensor[i];
        const size_t values = strcmp(t->dtype, "F32") == 0 ? t->bytes / sizeof(float) : 0;
        for (size_t k = 0; k < values; k++)
            if (!isfinite(safetensors_value(t, k)))
                return error_set(e, "%s: not written: tensor %s has %g as value %zu: its training diverged",
                                 path, t->name, (double)safetensors_value(t, k), k);
    }
    seal_add(s);
    return safetensors_write(s, path, e);
}

int seal_check(const struct safetensors *s, const char *path, int needed, struct error *e)
{
    char hex[65];
    const char *stored = safetensors_meta(s, SEAL_KEY);
    if (!stored) return needed ? error_set(e, "%s: has no metadata " SEAL_KEY, path) : 0;
    seal_hash(hex, s);
    if (strcmp(stored, hex) == 0) return 0;
    return error_set(e, "%s: is damaged: its contents have SHA-256 %.16s..., its metadata say %.16s...", path,
                     hex, stored);
}

int seal_read(struct safetensors *s, const char *path, int needed, struct error *e)
{
    if (safetensors_read(s, path, e)) return -1;
    if (seal_check(s, path, needed, e) == 0) return 0;
    safetensors_free(s);
    return -1;
}
