/* lock.c - POSIX record locks on a file in the folder. */
#include "io/base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/base/file.h"

/* The length of the folder above: of "a/b/" that of "a", of "a" 0. */
static size_t above(const char *path, size_t length)
{
    while (length && path[length - 1] == '/') length--;
    while (length && path[length - 1] != '/') length--;
    while (length && path[length - 1] == '/') length--;
    return length;
}

/* Whether the open file is the one of that name: its holder has removed it, or somebody else. */
static int is_there(int fd, const char *path)
{
    struct stat held, named;
    return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

static int take(struct folder_hold *h, const char *path, struct error *e)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    for (;;) {
        const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0) return error_set(e, "%s: %s", path, strerror(errno));
        if (fcntl(fd, F_SETLK, &whole) == 0 || (errno != EACCES && errno != EAGAIN)) {
            h->fd = fd;
            if (is_there(fd, path)) return 0;
            close(fd);
            h->fd = -1;
            continue; /* of one who was just leaving */
        }
        struct flock holder = whole;
        const int known = fcntl(fd, F_GETLK, &holder) == 0 && holder.l_type != F_UNLCK;
        close(fd);
        return known ? error_set(e, "%s: process %ld is at work in this folder", h->path, (long)holder.l_pid)
                     : error_set(e, "%s: another process is at work in this folder", h->path);
    }
}

int folder_hold(struct folder_hold *h, const char *folder, struct error *e)
{
    char path[sizeof h->path + 8];
    const size_t length = strlen(folder);
    *h = (struct folder_hold)FOLDER_FREE;
    if (length >= sizeof h->path) return error_set(e, "%.100s...: path is too long", folder);
    memcpy(h->path, folder, length + 1);
    for (h->kept = length; h->kept && !file_exists(h->path); h->path[h->kept] = 0)
        h->kept = above(h->path, h->kept);
    memcpy(h->path, folder, length + 1);
    if (!file_mkdirs(folder, e) && !file_join(path, sizeof path, folder, ".lock", e) && !take(h, path, e))
        return 0;
    folder_release(h);
    return -1;
}

void folder_release(struct folder_hold *h)
{
    char path[sizeof h->path + 8];
    struct error ignored;
    size_t length = strlen(h->path);
    if (h->fd >= 0) {
        if (!file_join(path, sizeof path, h->path, ".lock", &ignored)) unlink(path);
        close(h->fd);
        h->fd = -1;
    }
    while (length > h->kept && rmdir(h->path) == 0) h->path[length = above(h->path, length)] = 0;
    h->path[0] = 0;
    h->kept = 0;
}
