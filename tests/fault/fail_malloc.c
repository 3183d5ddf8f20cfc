/* fail_malloc.c - preloaded into a program, fails its allocation number FAIL_AT, and writes to the file
 * FAIL_COUNT how many there were. For glibc:
 *
 *     cc -shared -fPIC -I. -o fail_malloc.so tests/fault/fail_malloc.c
 *     FAIL_AT=7 LD_PRELOAD=./fail_malloc.so ./nephron info image.nii.gz
 */
#include <errno.h>

#include "tests/fault/fail_count.h"

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);

static int fails(void)
{
    if (!fails_now()) return 0;
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
