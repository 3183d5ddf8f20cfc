/* fail_malloc.c - preloaded into a program, fails its allocation number FAIL_AT, and writes to the file
 * FAIL_COUNT how many there were. For glibc:
 *
 *     cc -shared -fPIC -o fail_malloc.so tests/fault/fail_malloc.c
 *     FAIL_AT=7 LD_PRELOAD=./fail_malloc.so ./nephron info image.nii.gz
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);

static long number, fail_at;

static int fails(void)
{
    if (__atomic_add_fetch(&number, 1, __ATOMIC_RELAXED) != fail_at) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
    return fails() ? NULL : __libc_realloc(p, size);
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("FAIL_AT");
    fail_at = text ? atol(text) : -1;
    number = 0;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("FAIL_COUNT");
    FILE *f = path ? fopen(path, "w") : NULL;
    if (f) {
        fprintf(f, "%ld\n", number);
        fclose(f);
    }
}
