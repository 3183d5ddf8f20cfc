/* lock.c - POSIX record locks on a file in the folder. */
#include "io/base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "io/base/file.h"

int folder_lock(const char *folder, struct error *e)
{
    char path[4200];
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (file_join(path, sizeof path, folder, ".lock", e)) return -1;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return error_set(e, "%s: %s", path, strerror(errno));
    if (fcntl(fd, F_SETLK, &whole) == 0 || (errno != EACCES && errno != EAGAIN)) return fd;
    struct flock holder = whole;
    int known = fcntl(fd, F_GETLK, &holder) == 0 && holder.l_type != F_UNLCK;
    close(fd);
    return known ? error_set(e, "%s: process %ld is at work in this folder", folder, (long)holder.l_pid)
                 : error_set(e, "%s: another process is at work in this folder", folder);
}

void folder_unlock(int lock)
{
    if (lock >= 0) close(lock);
}
