/* machine_memory.c - the machine's memory, and the limits of control groups. */
#include "tensor/graph/machine_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_ROOM = 4096 };

/* The number of bytes in a file of one line; 0: no such file, "max", or no number. */
static double read_limit(const char *path)
{
    char line[64] = "";
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    if (!fgets(line, sizeof line, f)) line[0] = 0;
    fclose(f);
    const double bytes = strtod(line, NULL);
    return bytes > 0 ? bytes : 0; /* version 1 has no "max" but a number near 2^63: above any machine's */
}

static double smaller(double a, double b)
{
    if (a == 0 || b == 0) return a + b;
    return a < b ? a : b;
}

/* Of the group at `group` below `folder` and of all around it. Inside of a container the path may be the
 * host's and not be there: then the folder itself is the container's group. */
static double limit_of_groups(const char *folder, const char *group, const char *file)
{
    char path[2 * PATH_ROOM + 64], part[PATH_ROOM];
    double limit = 0;
    snprintf(part, sizeof part, "%s", strcmp(group, "/") == 0 ? "" : group);
    for (;;) {
        snprintf(path, sizeof path, "%s%s/%s", folder, part, file);
        limit = smaller(limit, read_limit(path));
        char *slash = strrchr(part, '/');
        if (!slash) return limit;
        *slash = 0;
    }
}

/* "memory" among the controllers "cpu,memory". */
static int names_memory(const char *list)
{
    for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (strncmp(at, "memory", 6) == 0 && (at[6] == ',' || at[6] == 0)) return 1;
    return 0;
}

double machine_memory_limit(const char *root)
{
    char line[PATH_ROOM], folder[PATH_ROOM];
    double limit = 0;
    snprintf(folder, sizeof folder, "%s/proc/self/cgroup", root);
    FILE *f = fopen(folder, "r");
    while (f && fgets(line, sizeof line, f)) { /* 0::/path, or 4:memory:/path */
        line[strcspn(line, "\n")] = 0;
        char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
        if (!path || path[1] != '/') continue;
        *path++ = 0;
        list++;
        const int version_1 = names_memory(list);
        if (!version_1 && *list) continue;
        snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s", root, version_1 ? "/memory" : "");
        limit = smaller(limit, limit_of_groups(folder, path,
                                               version_1 ? "memory.limit_in_bytes" : "memory.max"));
    }
    if (f) fclose(f);
    return limit;
}

double machine_memory(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    const double all = pages > 0 && page > 0 ? (double)pages * (double)page : 0;
    return smaller(all, machine_memory_limit(""));
}
