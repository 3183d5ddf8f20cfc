/* allocations.h - malloc replaced in a check program: how often it was called, how many blocks are in use,
 * the most bytes at a time, and calls that fail. Included by one source of the program.
 */
#ifndef TESTS_ALLOCATIONS_H
#define TESTS_ALLOCATIONS_H

#include <errno.h>
#include <stdlib.h>

/* Counted where malloc may be replaced: glibc, without a sanitizer of its own malloc. */
static long allocations;
static long failing = -1; /* so many more succeed, then one fails; negative: none does */

static int allocation_fails(void)
{
    __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
    if (__atomic_load_n(&failing, __ATOMIC_RELAXED) < 0) return 0;
    return __atomic_fetch_sub(&failing, 1, __ATOMIC_RELAXED) == 0;
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__GLIBC__) && !defined(SANITIZED) && !defined(__SANITIZE_ADDRESS__) &&                           \
    !defined(__SANITIZE_THREAD__)
#define ALLOCATIONS_FAIL 1
#include <malloc.h>
/* Seen by the C library too, whose strdup and fopen then count and fail as well. */
#pragma GCC visibility push(default)
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);

static long blocks; /* in use */
static long long block_bytes, most_block_bytes; /* in them; the most so far, of a program of one thread */

static void count_bytes(void *p, int sign)
{
    const long long now =
        __atomic_add_fetch(&block_bytes, sign * (long long)malloc_usable_size(p), __ATOMIC_RELAXED);
    if (now > __atomic_load_n(&most_block_bytes, __ATOMIC_RELAXED))
        __atomic_store_n(&most_block_bytes, now, __ATOMIC_RELAXED);
}

static void *counted(void *p)
{
    if (p) __atomic_fetch_add(&blocks, 1, __ATOMIC_RELAXED);
    count_bytes(p, 1);
    return p;
}

void *malloc(size_t size)
{
    return allocation_fails() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : counted(__libc_calloc(count, size));
}

void *realloc(void *old, size_t size)
{
    if (allocation_fails()) return NULL;
    if (!old) return counted(__libc_malloc(size));
    count_bytes(old, -1);
    void *p = __libc_realloc(old, size);
    count_bytes(p || !size ? p : old, 1); /* of size 0: freed */
    return p;
}

int posix_memalign(void **out, size_t align, size_t size)
{
    *out = allocation_fails() ? NULL : counted(__libc_memalign(align, size));
    return *out ? 0 : ENOMEM;
}

void *aligned_alloc(size_t align, size_t size)
{
    return allocation_fails() ? NULL : counted(__libc_memalign(align, size));
}

void free(void *p)
{
    if (p) __atomic_fetch_sub(&blocks, 1, __ATOMIC_RELAXED);
    count_bytes(p, -1);
    __libc_free(p);
}
#pragma GCC visibility pop
#endif

#endif
