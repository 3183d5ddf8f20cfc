/* lock.h - one program at a time in a folder.
 *
 * The lock is of the system and ends with the process, also when it is killed: a file `.lock` that stays
 * behind then means nothing. Threads: of one process, a second lock of the same folder is not refused.
 */
#ifndef IO_LOCK_H
#define IO_LOCK_H

#include <stddef.h>
#include "io/base/error.h"

struct folder_hold {
    int fd;          /* -1: not held */
    size_t kept;     /* of path: the folder that was there before */
    char path[4096]; /* "": nothing to release */
};
#define FOLDER_FREE {.fd = -1}

/* Makes the folder where it is missing, and holds it; -1 with a message where another program does. A file
 * system without locks is no error. */
int folder_hold(struct folder_hold *h, const char *folder, struct error *e);
/* Removes `.lock`, and what folder_hold has made and nobody has written to: who is refused leaves everything
 * as it was. Nothing where the folder is not held. */
void folder_release(struct folder_hold *h);

#endif
