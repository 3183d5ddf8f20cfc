/* file_names.c - of names and folders: what is there, what is the same, made, listed and removed. */
#include "io/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- names and folders --------------------------------------------------------------------------------- */

int file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

const char *file_absence(const char *path)
{
    errno = 0;
    return file_exists(path) || errno == ENOENT || errno == ENOTDIR ? "no such file or folder"
                                                                     : strerror(errno);
}

int file_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int file_is_broken_link(const char *path)
{
    struct stat st;
    return !file_exists(path) && lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static int is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int file_is_same(const char *a, const char *b)
{
    struct stat sa, sb;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && is_same(&sa, &sb);
}

int file_is_inside(const char *path, const char *folder)
{
    char at[4096];
    struct stat goal, here, above;
    int n = snprintf(at, sizeof at, "%s", path);
    if (stat(folder, &goal)) return 0;
    for (; n > 0 && n + 4 < (int)sizeof at && stat(at, &here) == 0; n += 3) {
        if (is_same(&here, &goal)) return 1;
        strcpy(at + n, "/..");
        if (stat(at, &above) || is_same(&here, &above)) return 0;
    }
    return 0;
}

/* Removes what killed writers have left in the folder: temporary files whose lock nobody holds. One that is
 * just being made, and not locked yet, may go too: its writer sees that and makes another. */
static void remove_left_over(const char *folder)
{
    static const char tail[] = ".tmp-nephron";
    char path[4096];
    struct error ignored;
    struct dirent *entry;
    DIR *d = opendir(folder);
    while (d && (entry = readdir(d))) {
        if (entry->d_name[0] != '.' || !file_has_suffix(entry->d_name, tail)) continue;
        if (file_join(path, sizeof path, folder, entry->d_name, &ignored)) continue;
        struct stat st;
        int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0) continue;
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0) unlink(path);
        close(fd);
    }
    if (d) closedir(d);
}

int file_mkdirs(const char *path, struct error *e)
{
    char part[4096];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return error_set(e, "%.100s: name of a folder must have 1 to %zu characters", path, sizeof part - 1);
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != 0) continue;
        char kept = part[i];
        part[i] = 0;
        if (mkdir(part, 0777) && errno != EEXIST) return error_set(e, "%s: %s", part, strerror(errno));
        part[i] = kept;
    }
    if (!file_is_dir(path)) return error_set(e, "%s: is a file, not a folder", path);
    remove_left_over(path);
    return 0;
}

/* a/b/c to a/b, a to ".", /a to "/". */
static void cut_last(char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    while (n && path[n - 1] != '/') n--;
    while (n > 1 && path[n - 1] == '/') n--;
    if (n == 0) path[n++] = '.';
    path[n] = 0;
}

int file_check_folder(const char *path, const char *what, struct error *e)
{
    if (file_is_dir(path)) return 0;
    return error_set(e, file_exists(path) ? "%s: is a file, not a %s" : "%s: no such %s", path, what);
}

int file_check_place(const char *path, struct error *e)
{
    char folder[4096];
    struct stat st;
    if (strlen(path) + 2 > sizeof folder) return error_set(e, "%.100s...: path is too long", path);
    if (strlen(file_name(path)) > NAME_MAX - strlen("..tmp-nephron"))
        return error_set(e, "%s: %s", path, strerror(ENAMETOOLONG));
    if (file_is_dir(path)) return error_set(e, "%s: is a folder, not a file", path);
    if (!*file_name(path)) return error_set(e, "%s: is the name of a folder, not of a file", path);
    if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) return 0; /* a link, or /dev/stdout */
    strcpy(folder, path);
    cut_last(folder);
    return access(folder, W_OK | X_OK) ? error_set(e, "%s: %s", path, strerror(errno)) : 0;
}

int file_check_folder_place(const char *path, struct error *e)
{
    char part[4096];
    if (strlen(path) + 2 > sizeof part) return error_set(e, "%.100s...: path is too long", path);
    strcpy(part, path);
    while (!file_exists(part) && strcmp(part, ".") && strcmp(part, "/")) cut_last(part);
    if (!file_is_dir(part)) return error_set(e, "%s: is a file, not a folder", part);
    return access(part, W_OK | X_OK) ? error_set(e, "%s: %s", part, strerror(errno)) : 0;
}

int file_join(char *buf, size_t size, const char *dir, const char *name, struct error *e)
{
    size_t n = strlen(dir);
    const char *slash = n && dir[n - 1] != '/' ? "/" : "";
    int length = snprintf(buf, size, "%s%s%s", dir, slash, name);
    return length >= 0 && (size_t)length < size ? 0
                                                : error_set(e, "%.200s/%.200s: path is too long", dir, name);
}

const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *file_name_written(const char *path)
{
    const char drive = path[0] ? (char)(path[0] | 32) : 0, *slash = strrchr(path, '/');
    const int windows = (drive >= 'a' && drive <= 'z' && path[1] == ':') || path[0] == '\\' || !slash;
    const char *back = windows ? strrchr(path, '\\') : NULL;
    return back && (!slash || back > slash) ? back + 1 : slash ? slash + 1 : path;
}

void file_own_name(char *buf, size_t size, const char *path)
{
    size_t end = strlen(path), begin;
    while (end > 1 && path[end - 1] == '/') end--;
    for (begin = end; begin > 0 && path[begin - 1] != '/';) begin--;
    const size_t n = end - begin;
    char *real = n && strspn(path + begin, ".") >= n && n <= 2 ? realpath(path, NULL) : NULL;
    if (real) snprintf(buf, size, "%s", file_name(real));
    else snprintf(buf, size, "%.*s", (int)(n < size ? n : size - 1), path + begin);
    free(real);
}

int file_has_suffix(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && strcasecmp(path + n - m, suffix) == 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* dotted: those that begin with a dot too, but for the folder itself and the one above. */
static int list_names(const char *dir, int dotted, struct file_list *list, struct error *e)
{
    DIR *d = opendir(dir);
    int room = 0, status = 0;
    struct dirent *entry;
    memset(list, 0, sizeof *list);
    if (!d) return error_set(e, "%s: %s", dir, strerror(errno));
    while (!status && (errno = 0, entry = readdir(d))) {
        const char *name = entry->d_name;
        if (name[0] == '.' && (!dotted || !strcmp(name, ".") || !strcmp(name, ".."))) continue;
        if (list->count == room) {
            room = room ? 2 * room : 64;
            char **more = realloc(list->name, (size_t)room * sizeof *more);
            if (!more) {
                status = error_set(e, "%s: out of memory for %d names", dir, room);
                break;
            }
            list->name = more;
        }
        if (!(list->name[list->count] = strdup(name)))
            status = error_set(e, "%s: out of memory", dir);
        else list->count++;
    }
    if (!status && errno) status = error_set(e, "%s: %s", dir, strerror(errno)); /* not all of its names */
    closedir(d);
    if (status) file_list_free(list);
    else if (list->count) qsort(list->name, (size_t)list->count, sizeof *list->name, compare_names);
    return status;
}

int file_list(const char *dir, struct file_list *list, struct error *e)
{
    return list_names(dir, 0, list, e);
}

void file_list_free(struct file_list *list)
{
    for (int i = 0; i < list->count; i++) free(list->name[i]);
    free(list->name);
    memset(list, 0, sizeof *list);
}

/* ---- removing ------------------------------------------------------------------------------------------ */

int file_remove(const char *path, struct error *e)
{
    return unlink(path) && errno != ENOENT && errno != ENOTDIR
               ? error_set(e, "%s: cannot be removed: %s", path, strerror(errno))
               : 0;
}

int file_remove_tree(const char *path, struct error *e)
{
    struct stat st;
    struct file_list list;
    char below[4096];
    int status = 0;
    if (lstat(path, &st))
        return errno == ENOENT || errno == ENOTDIR ? 0 : error_set(e, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode)) return file_remove(path, e);
    if (list_names(path, 1, &list, e)) return -1;
    for (int i = 0; !status && i < list.count; i++) {
        status = file_join(below, sizeof below, path, list.name[i], e);
        if (!status) status = file_remove_tree(below, e);
    }
    file_list_free(&list);
    return status || !rmdir(path) ? status : error_set(e, "%s: cannot be removed: %s", path, strerror(errno));
}
