/* fail_write.c - preloaded into a program, fails its write number FAIL_AT (a full disk, or a broken one: in
 * turn ENOSPC and EIO), and writes to the file FAIL_COUNT how many there were. Writes are what changes the
 * disk: fwrite and fsync of files (not of the terminal), rename, mkdir, ftruncate, posix_fallocate.
 * FAIL_ONLY=rename,fsync counts only calls of these names (and unlink, which counts where it is named alone),
 * and FAIL_KILL is SIGKILL instead of a failure. For glibc:
 *
 *     cc -shared -fPIC -I. -o fail_write.so tests/fault/fail_write.c -ldl -pthread
 *     FAIL_AT=7 LD_PRELOAD=./fail_write.so ./nephron info image.nii.gz
 *
 * A kill leaves what was written in the system's memory; a power cut does not. So a file that takes a real
 * name (rename) before fsync has seen all that it holds ends the program, whatever else was asked.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fault/fail_count.h"

static int fails(const char *call)
{
    const char *only = getenv("FAIL_ONLY");
    if (only && !strstr(only, call)) return 0;
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

/* The files that fsync saw last, as they were then. */
enum { SEEN = 64 };
static struct stat seen[SEEN];
static unsigned seen_count;
static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;

int fsync(int fd)
{
    struct stat st;
    NEXT(int (*call)(int), "fsync");
    if (fails("fsync")) return -1;
    const int status = next.call(fd);
    if (status == 0 && fstat(fd, &st) == 0) {
        pthread_mutex_lock(&seen_lock);
        seen[seen_count++ % SEEN] = st;
        pthread_mutex_unlock(&seen_lock);
    }
    return status;
}

static int on_disk(const struct stat *st)
{
    int found = 0;
    pthread_mutex_lock(&seen_lock);
    for (int i = 0; i < SEEN && !found; i++)
        found = seen[i].st_dev == st->st_dev && seen[i].st_ino == st->st_ino &&
                seen[i].st_size == st->st_size && seen[i].st_mtim.tv_sec == st->st_mtim.tv_sec &&
                seen[i].st_mtim.tv_nsec == st->st_mtim.tv_nsec;
    pthread_mutex_unlock(&seen_lock);
    return found;
}

int rename(const char *from, const char *to)
{
    struct stat st;
    NEXT(int (*call)(const char *, const char *), "rename");
    if (fails("rename")) return -1;
    if (stat(from, &st) == 0 && S_ISREG(st.st_mode) && !on_disk(&st)) {
        fprintf(stderr, "%s: has its name before it is on the disk\n", to);
        abort();
    }
    return next.call(from, to);
}

/* A full disk does not hinder it: it fails, or kills, only where FAIL_ONLY names it. */
int unlink(const char *path)
{
    const char *only = getenv("FAIL_ONLY");
    NEXT(int (*call)(const char *), "unlink");
    return only && strstr(only, "unlink") && fails("unlink") ? -1 : next.call(path);
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
