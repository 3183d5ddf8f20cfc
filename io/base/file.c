/* file.c - whole files read, files written that are complete or absent.
 * The book: docs/book/25_hostile_files.md */
#include "io/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/base/bytes.h"

/* ---- reading ------------------------------------------------------------------------------------------- */

/* Opens a regular file for reading; a folder, pipe, device or socket is refused at once, without waiting for
 * its other end. */
static int open_regular(const char *path, struct stat *st, struct error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return error_set(e, "%s: %s", path,
                         errno == ENXIO ? "is a socket or device, no file" : strerror(errno));
    if (fstat(fd, st)) error_set(e, "%s: %s", path, strerror(errno));
    else if (S_ISREG(st->st_mode)) return fd;
    else
        error_set(e, "%s: is a %s, no file", path,
                  S_ISDIR(st->st_mode)    ? "folder"
                  : S_ISFIFO(st->st_mode) ? "pipe"
                  : S_ISSOCK(st->st_mode) ? "socket"
                                          : "device");
    close(fd);
    return -1;
}

/* Reads on until size bytes, the end of the file (then fewer come back) or an error. */
static ssize_t read_all(int fd, unsigned char *data, size_t size)
{
    size_t used = 0;
    while (used < size) {
        ssize_t n = read(fd, data + used, size - used);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) break;
        used += (size_t)n;
    }
    return (ssize_t)used;
}

/* The whole file, or its first `most` bytes. */
static int read_file(const char *path, size_t limit, size_t most, unsigned char **data, size_t *size,
                     struct error *e)
{
    struct stat st;
    int fd = open_regular(path, &st, e), status = 0;
    if (fd < 0) return -1;
    size_t bytes = (size_t)st.st_size < most ? (size_t)st.st_size : most;
    unsigned char *all = NULL, more;
    ssize_t got = 0;
    if (limit && bytes > limit) status = error_set(e, "%s: %zu bytes, more than %zu", path, bytes, limit);
    else if (bytes > (size_t)SSIZE_MAX - 1 || !(all = malloc(bytes + 1)))
        status = error_set(e, "%s: out of memory for %zu bytes", path, bytes);
    else if ((got = read_all(fd, all, bytes)) < 0) status = error_set(e, "%s: %s", path, strerror(errno));
    else if ((size_t)got == bytes && bytes < most && read_all(fd, &more, 1) == 1)
        status = error_set(e, "%s: grew while it was read, or does not tell its size", path);
    close(fd);
    if (status) {
        free(all);
        return -1;
    }
    all[got] = 0;
    *data = all;
    *size = (size_t)got;
    return 0;
}

int file_read(const char *path, size_t limit, unsigned char **data, size_t *size, struct error *e)
{
    return read_file(path, limit, SIZE_MAX, data, size, e);
}

int file_read_begin(const char *path, size_t most, unsigned char **data, size_t *size, struct error *e)
{
    return read_file(path, 0, most, data, size, e);
}

int file_pieces(const char *path, file_take *take, void *context, struct error *e)
{
    unsigned char data[1 << 15];
    struct stat st;
    const int fd = open_regular(path, &st, e);
    ssize_t n;
    if (fd < 0) return -1;
    while ((n = read_all(fd, data, sizeof data)) > 0) take(context, data, (size_t)n);
    if (n < 0) error_set(e, "%s: %s", path, strerror(errno));
    close(fd);
    return n < 0 ? -1 : 0;
}

int file_check(const char *path, struct error *e)
{
    struct stat st;
    int fd = open_regular(path, &st, e);
    if (fd >= 0) close(fd);
    return fd >= 0 ? 0 : -1;
}

size_t file_begin(const char *path, void *data, size_t size)
{
    struct stat st;
    struct error ignored;
    int fd = open_regular(path, &st, &ignored);
    ssize_t n = fd < 0 ? 0 : read_all(fd, data, size);
    if (fd >= 0) close(fd);
    return n > 0 ? (size_t)n : 0;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

struct file_out {
    FILE *stream;
    char *path;      /* the real name */
    char *temporary; /* NULL where the target is no regular file, or is open already */
    int failure;     /* the first errno */
    locale_t plain;  /* of numbers: a program that links us may have set another */
};

/* Opens the temporary file of a target, which has one name: ".NAME.tmp-nephron" beside it. Who writes holds a
 * lock on it, which the system takes back when a process dies: so a file without one was left by a killed
 * writer, and is used again. What umask leaves of `mode` are the permissions of a new one: umask is of the
 * whole process, of threads that write at the same time too, and cannot be looked at without changing it. */
static int open_temporary(const char *path, const char *target, mode_t mode, struct error *e)
{
    for (int tries = 0; tries < 100; tries++) {
        struct stat mine, named;
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
        if (fd < 0) return error_set(e, "%s: %s", target, strerror(errno));
        int locked = flock(fd, LOCK_EX | LOCK_NB) == 0 ||
                     (errno != EWOULDBLOCK && errno != EINTR); /* some network file systems have no locks */
        /* A writer that has just finished has given the file its real name. */
        if (locked && fstat(fd, &mine) == 0 && S_ISREG(mine.st_mode) && stat(path, &named) == 0 &&
            mine.st_ino == named.st_ino && mine.st_dev == named.st_dev) {
            if (ftruncate(fd, 0) == 0) return fd;
            error_set(e, "%s: %s", target, strerror(errno));
            close(fd);
            return -1;
        }
        close(fd);
        nanosleep(&(struct timespec){0, 20000000}, NULL);
    }
    return error_set(e, "%s: another program is writing this file", target);
}

/* The descriptor that /dev/stdout, /dev/fd/3 or a link to one of them stands for; -1: it is none. */
static int descriptor_of(const char *path)
{
    static const char *const folder[] = {"/dev/fd/", "/proc/self/fd/"};
    char at[4096], to[4096];
    if (strlen(path) >= sizeof at) return -1;
    strcpy(at, path);
    for (int links = 0; links < 40; links++) {
        for (size_t i = 0; i < sizeof folder / sizeof *folder; i++) {
            const size_t n = strlen(folder[i]);
            if (strncmp(at, folder[i], n) != 0) continue;
            const size_t digits = strspn(at + n, "0123456789");
            if (digits && digits < 9 && !at[n + digits]) return atoi(at + n);
        }
        const ssize_t n = readlink(at, to, sizeof to);
        const size_t before = n > 0 && to[0] != '/' ? (size_t)(file_name(at) - at) : 0;
        if (n <= 0 || before + (size_t)n >= sizeof at) return -1;
        memcpy(at + before, to, (size_t)n);
        at[before + (size_t)n] = 0;
    }
    return -1;
}

/* What is open already is written to from where it stands: another name of the file behind it, or a file in
 * the place of /dev/stdout, would lose what others write there. */
static FILE *open_descriptor(int given)
{
    const int fd = dup(given);
    FILE *stream = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!stream && fd >= 0) close(fd);
    return stream;
}

static struct file_out *create(const char *path, int private, struct error *e)
{
    struct stat st;
    struct file_out *f = calloc(1, sizeof *f);
    size_t n = strlen(path), folder = (size_t)(file_name(path) - path);
    int fd;
    if (!f || !(f->path = malloc(n + 1)) || !(f->temporary = malloc(n + 16)) ||
        !(f->plain = newlocale(LC_ALL_MASK, "C", NULL))) {
        if (f) free(f->path), free(f->temporary);
        free(f);
        error_set(e, "%s: out of memory", path);
        return NULL;
    }
    memcpy(f->path, path, n + 1);
    snprintf(f->temporary, n + 16, "%.*s.%s.tmp-nephron", (int)folder, path, path + folder);
    int there = stat(path, &st) == 0;
    const int narrow = private || there; /* permissions are set below */
    const int given = descriptor_of(path);
    errno = 0;
    if (there && S_ISDIR(st.st_mode)) {
        error_set(e, "%s: is a folder", path);
    } else if (given >= 0 || (there && !S_ISREG(st.st_mode))) {
        free(f->temporary);
        f->temporary = NULL;
        f->stream = given >= 0 ? open_descriptor(given) : fopen(path, "wb");
        if (!f->stream) error_set(e, "%s: %s", path, strerror(errno));
    } else if ((fd = open_temporary(f->temporary, path, narrow ? 0600 : 0666, e)) >= 0) {
        if (narrow) fchmod(fd, private ? 0600 : st.st_mode & 0777);
        f->stream = fdopen(fd, "wb");
        if (!f->stream) {
            error_set(e, "%s: %s", path, strerror(errno));
            close(fd);
        }
    }
    if (f->stream) return f;
    free(f->temporary); /* not ours to remove */
    f->temporary = NULL;
    file_abandon(f);
    return NULL;
}

struct file_out *file_create(const char *path, struct error *e)
{
    return create(path, 0, e);
}

struct file_out *file_create_private(const char *path, struct error *e)
{
    return create(path, 1, e);
}

static void note_failure(struct file_out *f)
{
    if (!f->failure) f->failure = errno ? errno : EIO;
}

void file_put(struct file_out *f, const void *data, size_t size)
{
    if (f->failure || size == 0) return;
    errno = 0;
    if (fwrite(data, 1, size, f->stream) != size) note_failure(f);
}

void file_put_little(struct file_out *f, const void *data, size_t size, size_t width)
{
    unsigned char part[4096]; /* a multiple of every width */
    const unsigned char *from = data;
    if (bytes_host_is_little()) {
        file_put(f, data, size);
        return;
    }
    for (size_t at = 0; at < size; at += sizeof part) {
        const size_t n = size - at < sizeof part ? size - at : sizeof part;
        bytes_little(part, from + at, n, width);
        file_put(f, part, n);
    }
}

void file_printf(struct file_out *f, const char *format, ...)
{
    va_list args;
    if (f->failure) return;
    const locale_t before = uselocale(f->plain);
    errno = 0;
    va_start(args, format);
    if (vfprintf(f->stream, format, args) < 0) note_failure(f);
    va_end(args);
    uselocale(before);
}

void file_abandon(struct file_out *f)
{
    if (!f) return;
    if (f->temporary) unlink(f->temporary); /* while it is locked */
    if (f->stream) fclose(f->stream);
    freelocale(f->plain);
    free(f->temporary);
    free(f->path);
    free(f);
}

/* All that a full disk can refuse. */
static void settle(struct file_out *f)
{
    errno = 0;
    if (!f->failure && fflush(f->stream)) note_failure(f);
    errno = 0;
    if (!f->failure && f->temporary && fsync(fileno(f->stream))) note_failure(f);
}

int file_commit(struct file_out *f, struct error *e)
{
    settle(f);
    errno = 0;
    if (!f->failure && f->temporary && rename(f->temporary, f->path))
        note_failure(f); /* while it is locked: nobody else may take it up */
    if (!f->failure) {
        free(f->temporary);
        f->temporary = NULL;
    }
    int status = f->failure ? error_set(e, "%s: %s", f->path, strerror(f->failure)) : 0;
    if (!f->temporary && !status) {
        errno = 0;
        if (fclose(f->stream))
            status = error_set(e, "%s: %s", f->path,
                               strerror(errno ? errno : EIO)); /* a device: the rest was flushed */
        f->stream = NULL;
    }
    file_abandon(f);
    return status;
}

int file_write(const char *path, const void *data, size_t size, struct error *e)
{
    if (!data) return error_set(e, "%s: out of memory for what is to be written", path);
    struct file_out *f = file_create(path, e);
    if (!f) return -1;
    file_put(f, data, size);
    return file_commit(f, e);
}

static void put_piece(void *out, const void *data, size_t size)
{
    file_put(out, data, size);
}

int file_write_parts(const struct file_part *part, int parts, struct error *e)
{
    struct file_out *f[FILE_PARTS_MAX] = {NULL}, *last;
    int status = parts > FILE_PARTS_MAX ? error_set(e, "%s: %d files", part[0].path, parts) : 0;
    for (int i = 0; !status && i < parts; i++) {
        if (!part[i].data) status = error_set(e, "%s: out of memory for what is to be written", part[i].path);
        else if (!(f[i] = file_create(part[i].path, e))) status = -1;
        if (status) break;
        file_put(f[i], part[i].data, part[i].size);
        settle(f[i]);
        if (f[i]->failure) status = error_set(e, "%s: %s", part[i].path, strerror(f[i]->failure));
    }
    last = status ? NULL : f[parts - 1];
    if (parts > 1 && last && last->temporary && unlink(last->path) && errno != ENOENT)
        status = error_set(e, "%s: %s", last->path, strerror(errno));
    for (int i = 0; i < parts && i < FILE_PARTS_MAX; i++)
        if (status) file_abandon(f[i]);
        else status = file_commit(f[i], e);
    return status;
}

int file_copy(const char *from, const char *to, struct error *e)
{
    struct file_out *out = file_check(from, e) ? NULL : file_create(to, e);
    if (out && !file_pieces(from, put_piece, out, e)) return file_commit(out, e);
    file_abandon(out);
    return -1;
}

/* ---- scratch ------------------------------------------------------------------------------------------- */

void *file_scratch(const char *dir, size_t size, struct error *e)
{
    char path[1300];
    if (file_join(path, sizeof path, dir, ".scratch-XXXXXX", e)) return NULL;
    int fd = mkstemp(path), why;
    if (fd < 0) {
        error_set(e, "%s: %s", path, strerror(errno));
        return NULL;
    }
    unlink(path);
    void *p = MAP_FAILED;
    if ((why = posix_fallocate(fd, 0, (off_t)size)) == 0) {
        /* a full disk shows here, not as a signal later */
        p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        why = errno;
    }
    close(fd);
    if (p != MAP_FAILED) return p;
    error_set(e, "%s: no room for %zu bytes: %s", dir, size, strerror(why));
    return NULL;
}

void file_scratch_free(void *p, size_t size)
{
    munmap(p, size);
}
