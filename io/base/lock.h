/* lock.h - one program at a time in a folder.
 *
 * The lock is of the system and ends with the process, also when it is killed: the file `.lock` that stays
 * behind means nothing. Threads: of one process, a second lock of the same folder is not refused.
 */
#ifndef IO_LOCK_H
#define IO_LOCK_H

#include "io/base/error.h"

/* A descriptor to be given to folder_unlock; -1 with a message where another program holds the folder. A file
 * system without locks is no error. */
int folder_lock(const char *folder, struct error *e);
void folder_unlock(int lock);

#endif
