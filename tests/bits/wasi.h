/* wasi.h - included before every file of the WebAssembly build of bits.c: what apps/web/wasi/posix.h gives
 * the page, and temporary files, for node has a file system where a page has none. A file that is mapped is
 * only ever one that nobody else can open (file_scratch): memory does for it. */
#ifndef TESTS_BITS_WASI_H
#define TESTS_BITS_WASI_H

#define mkstemp mkstemp_of_a_page
#include "apps/web/wasi/posix.h"
#undef mkstemp
#include <string.h>

/* One process, one file after another: a letter that is free tells them apart. */
static inline int mkstemp(char *path)
{
    char *end = path + strlen(path) - 1;
    for (*end = 'a'; *end <= 'z'; ++*end) {
        const int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd >= 0) return fd;
    }
    return -1;
}

#define mmap(address, size, protection, flags, fd, offset)                                                   \
    mmap(address, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, ((void)(fd), -1), offset)

#endif
