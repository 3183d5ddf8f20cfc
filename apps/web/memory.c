/* memory.c - mmap of memory without a file, for the graph's block: as aligned as pages are, and zero. WASI
 * has no mapped files. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    enum { ALIGNMENT = 4096 };
    (void)address, (void)protection, (void)offset;
    void *p = flags & MAP_ANONYMOUS && fd < 0
                  ? aligned_alloc(ALIGNMENT, (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT)
                  : NULL;
    if (!p) return errno = ENOMEM, MAP_FAILED;
    return memset(p, 0, size);
}

int munmap(void *p, size_t size)
{
    (void)size;
    free(p);
    return 0;
}
