/* fail_count.h - one of a program's calls of some kind fails: number FAIL_AT of them; how many there were is
 * written to the file FAIL_COUNT at the end. For the libraries of this folder, which say what counts. */
#ifndef TESTS_FAIL_COUNT_H
#define TESTS_FAIL_COUNT_H

#include <stdio.h>
#include <stdlib.h>

static long number, fail_at = -1;

/* Counts a call: its number if it is the one to fail, else 0. */
static long fails_now(void)
{
    const long n = __atomic_add_fetch(&number, 1, __ATOMIC_RELAXED);
    return n == fail_at ? n : 0;
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

#endif
