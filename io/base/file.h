/* file.h - whole files, folders, and output that is complete or absent.
 *
 * Writing goes to a temporary name beside the target, is fsynced and renamed on file_commit: a crash or a
 * full disk never leaves half a file under a real name. The temporary file of NAME is .NAME.tmp-nephron,
 * locked while it is written: one that a killed writer left is taken up by the next, and two writers of one
 * target never mix. A target that exists and is no regular file (/dev/full, a pipe) is written to directly,
 * and so is what is open already, also where that is a file (/dev/stdout, /dev/fd/3, a link to them).
 */
#ifndef IO_FILE_H
#define IO_FILE_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

/* Reads a whole regular file; folders, pipes, devices and sockets are an error, at once. Into malloc'ed
 * memory, NUL-terminated beyond size; at most `limit` bytes (0: no limit). */
int file_read(const char *path, size_t limit, unsigned char **data, size_t *size, struct error *e);
/* The same of the first `most` bytes, or of all of a shorter file. */
int file_read_begin(const char *path, size_t most, unsigned char **data, size_t *size, struct error *e);
/* The bytes of a regular file in their order, a piece of it at a time. */
typedef void file_take(void *context, const void *data, size_t size);
int file_pieces(const char *path, file_take *take, void *context, struct error *e);
/* -1 with a message where the path cannot be opened for reading or is no regular file. */
int file_check(const char *path, struct error *e);
/* The first bytes of a regular file, at most size; how many, 0 where it cannot be read or is none. */
size_t file_begin(const char *path, void *data, size_t size);
/* Writes a whole file, atomically. */
int file_write(const char *path, const void *data, size_t size, struct error *e);
/* The same of what another file holds. */
int file_copy(const char *from, const char *to, struct error *e);
/* Files that belong together, the last of which says what the others are: voxels and their header. They are
 * on the disk before any takes its name, and a former last one goes before the others are replaced: a crash
 * leaves the former files, the new ones, or no last one; never one of each. */
enum { FILE_PARTS_MAX = 4 };
struct file_part {
    const char *path;
    const void *data;
    size_t size;
};
int file_write_parts(const struct file_part *part, int parts, struct error *e);

struct file_out; /* an output being written */
struct file_out *file_create(const char *path, struct error *e);
/* One that no other user may read, whatever umask says and whoever might read what it replaces. */
struct file_out *file_create_private(const char *path, struct error *e);
/* Both keep the first failure and report it at commit. */
void file_put(struct file_out *f, const void *data, size_t size);
/* Numbers of `width` bytes in the machine's order, written as little-endian. */
void file_put_little(struct file_out *f, const void *data, size_t size, size_t width);
/* Numbers have a point under every locale. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void file_printf(struct file_out *f, const char *format, ...);
/* fsync, rename, free. On error the temporary file is removed. */
int file_commit(struct file_out *f, struct error *e);
void file_abandon(struct file_out *f);

int file_exists(const char *path);
/* Why it does not, for a message: "no such file or folder", or as the system says, where a folder above may
 * not be looked into. */
const char *file_absence(const char *path);
int file_is_dir(const char *path);
int file_is_broken_link(const char *path); /* to a file that is not there, or in a ring */
int file_is_same(const char *a, const char *b); /* two names of one file or folder that is there */
/* Whether a folder that is there is the other one or lies below it, however both are written. */
int file_is_inside(const char *path, const char *folder);
/* The file if it is there; a folder is an error. */
int file_remove(const char *path, struct error *e);
/* The folder and all below it, if it is there; links are removed, not followed. */
int file_remove_tree(const char *path, struct error *e);
/* mkdir -p; and what killed writers have left in the folder is removed. */
int file_mkdirs(const char *path, struct error *e);
/* As file_check, of a folder: -1 with a message where there is none, or a file in its place. what: "run
 * folder" and the like. */
int file_check_folder(const char *path, const char *what, struct error *e);
/* Whether a file can be written there, and whether a folder can be made there or takes files: -1 with a
 * message, which is better known before the work than after it. Neither makes anything. */
int file_check_place(const char *path, struct error *e);
int file_check_folder_place(const char *path, struct error *e);
/* Joins dir and name into buf; an error if it does not fit. */
int file_join(char *buf, size_t size, const char *dir, const char *name, struct error *e);
/* The last component of path (points into it). */
const char *file_name(const char *path);
/* The same of a path that stands in a file, which another machine may have written: in those of Windows,
 * which begin with a drive or a backslash or have no slash, backslashes part folders too. */
const char *file_name_written(const char *path);
/* The same without slashes behind it, cut to size; of . and .. the folder's own name. */
void file_own_name(char *buf, size_t size, const char *path);
int file_has_suffix(const char *path, const char *suffix); /* case-insensitive */

/* Zeroed memory of `size` bytes in an unnamed file in dir, which the system may write out and read again: for
 * what memory would not hold. The file is gone with the mapping, also after a crash. NULL with a message; a
 * full disk is one. */
void *file_scratch(const char *dir, size_t size, struct error *e);
void file_scratch_free(void *p, size_t size);

/* Names in a folder, sorted bytewise. Names that begin with a dot are passed over: "." and "..", and what
 * desktops leave beside files
 * ("._case.nii.gz", ".DS_Store"). Free with file_list_free. */
struct file_list {
    char **name;
    int count;
};
int file_list(const char *dir, struct file_list *list, struct error *e);
void file_list_free(struct file_list *list);

#endif
