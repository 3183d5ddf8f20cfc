/* fail_write.c - preloaded into a program, fails its write number FAIL_AT (a full disk, or a broken one: in
 * turn ENOSPC and EIO), and writes to the file FAIL_COUNT how many there were. Writes are what changes the
 * disk: fwrite and fsync of files (not of the terminal), rename, mkdir, ftruncate, posix_fallocate. For glibc:
 *
 *     cc -shared -fPIC -o fail_write.so tests/fault/fail_write.c -ldl
 *     FAIL_AT=7 LD_PRELOAD=./fail_write.so ./nephron info image.nii.gz
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static long number, fail_at = -1;

static int fails(void)
{
    const long n = __atomic_add_fetch(&number, 1, __ATOMIC_RELAXED);
    if (n != fail_at) return 0;
    return errno = n % 2 ? ENOSPC : EIO;
}

/* ISO C has no cast from void * to a function. */
#define NEXT(type, name)                                                                                     \
    union {                                                                                                  \
        void *object;                                                                                        \
        type;                                                                                                \
    } next = {dlsym(RTLD_NEXT, name)}

size_t fwrite(const void *data, size_t size, size_t count, FILE *f)
{
    NEXT(size_t (*call)(const void *, size_t, size_t, FILE *), "fwrite");
    return fileno(f) > 2 && fails() ? 0 : next.call(data, size, count, f);
}

int fsync(int fd)
{
    NEXT(int (*call)(int), "fsync");
    return fails() ? -1 : next.call(fd);
}

int rename(const char *from, const char *to)
{
    NEXT(int (*call)(const char *, const char *), "rename");
    return fails() ? -1 : next.call(from, to);
}

int mkdir(const char *path, mode_t mode)
{
    NEXT(int (*call)(const char *, mode_t), "mkdir");
    return fails() ? -1 : next.call(path, mode);
}

int ftruncate(int fd, off_t size)
{
    NEXT(int (*call)(int, off_t), "ftruncate");
    return fails() ? -1 : next.call(fd, size);
}

int posix_fallocate(int fd, off_t from, off_t size)
{
    NEXT(int (*call)(int, off_t, off_t), "posix_fallocate");
    return fails() ? errno : next.call(fd, from, size);
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
