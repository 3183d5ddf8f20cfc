/* fail_write.c - preloaded into a program, fails its write number FAIL_AT (a full disk, or a broken one: in
 * turn ENOSPC and EIO), and writes to the file FAIL_COUNT how many there were. Writes are what changes the
 * disk: fwrite and fsync of files (not of the terminal), rename, mkdir, ftruncate, posix_fallocate.
 * FAIL_ONLY=rename counts only calls of that name, and FAIL_KILL is SIGKILL instead of a failure. For glibc:
 *
 *     cc -shared -fPIC -I. -o fail_write.so tests/fault/fail_write.c -ldl
 *     FAIL_AT=7 LD_PRELOAD=./fail_write.so ./nephron info image.nii.gz
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fault/fail_count.h"

static int fails(const char *call)
{
    const char *only = getenv("FAIL_ONLY");
    if (only && strcmp(only, call) != 0) return 0;
    const long n = fails_now();
    if (n && getenv("FAIL_KILL")) raise(SIGKILL);
    return n ? (errno = n % 2 ? ENOSPC : EIO) : 0;
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
    return fileno(f) > 2 && fails("fwrite") ? 0 : next.call(data, size, count, f);
}

int fsync(int fd)
{
    NEXT(int (*call)(int), "fsync");
    return fails("fsync") ? -1 : next.call(fd);
}

int rename(const char *from, const char *to)
{
    NEXT(int (*call)(const char *, const char *), "rename");
    return fails("rename") ? -1 : next.call(from, to);
}

int mkdir(const char *path, mode_t mode)
{
    NEXT(int (*call)(const char *, mode_t), "mkdir");
    return fails("mkdir") ? -1 : next.call(path, mode);
}

int ftruncate(int fd, off_t size)
{
    NEXT(int (*call)(int, off_t), "ftruncate");
    return fails("ftruncate") ? -1 : next.call(fd, size);
}

int posix_fallocate(int fd, off_t from, off_t size)
{
    NEXT(int (*call)(int, off_t, off_t), "posix_fallocate");
    return fails("posix_fallocate") ? errno : next.call(fd, from, size);
}
