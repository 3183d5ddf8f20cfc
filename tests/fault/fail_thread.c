/* fail_thread.c - preloaded into a program, fails the start of thread number FAIL_AT, and writes to the file
 * FAIL_COUNT how many there were. For glibc:
 *
 *     cc -shared -fPIC -I. -o fail_thread.so tests/fault/fail_thread.c -ldl -pthread
 *     FAIL_COUNT=count LD_PRELOAD=./fail_thread.so ./nephron plan DATASET --threads 4
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include "tests/fault/fail_count.h"

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *arg)
{
    union { /* ISO C has no cast from void * to a function */
        void *object;
        int (*call)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    } next = {dlsym(RTLD_NEXT, "pthread_create")};
    return fails_now() ? EAGAIN : next.call(thread, attributes, start, arg);
}
