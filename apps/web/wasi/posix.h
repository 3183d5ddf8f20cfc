/* posix.h - included before every file of the WebAssembly build: what wasi-libc leaves out of POSIX and the
 * library asks for. A module in a browser is alone with its file system in memory: there is nobody to lock
 * out and there are no permissions. */
#ifndef WEB_POSIX_H
#define WEB_POSIX_H

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/types.h>

#define F_WRLCK 1
#define F_UNLCK 2
#define F_GETLK 5
#define F_SETLK 6
#define LOCK_EX 2
#define LOCK_NB 4

static inline int web_no_lock(int fd) { return (void)fd, 0; }
static inline int fchmod(int fd, mode_t mode) { return (void)fd, (void)mode, 0; }
static inline int dup(int fd) { return (void)fd, errno = ENOTSUP, -1; }
static inline char *realpath(const char *path, char *real) { return (void)path, (void)real, NULL; }
static inline int mkstemp(char *path) { return (void)path, errno = ENOTSUP, -1; }
#define flock(fd, how) web_no_lock(fd)
#undef MADV_HUGEPAGE /* the headers name it, the library has no madvise */

#endif
