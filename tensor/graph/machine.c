/* machine.c - the machine's memory and processors, and the limits of control groups. */
#include "tensor/graph/machine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tensor/base/cpu.h"

enum { PATH_ROOM = 4096 };

/* A limit that control groups set: the controller of version 1 that does, and what the group in `folder`
 * says, 0 for nothing. */
struct limit {
    const char *controller;
    double (*of_group)(const char *folder, int version_1);
};

/* The first line of a file of a group, "" where there is none. Returns its first number, 0 for "max". */
static double read_number(char line[64], const char *folder, const char *name)
{
    char path[2 * PATH_ROOM + 128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    line[0] = 0;
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    if (!fgets(line, 64, f)) line[0] = 0;
    fclose(f);
    const double number = strtod(line, NULL);
    return number > 0 ? number : 0;
}

/* Version 1 has no "max" but a number near 2^63: above any machine's. */
static double bytes_of_group(const char *folder, int version_1)
{
    char line[64];
    return read_number(line, folder, version_1 ? "memory.limit_in_bytes" : "memory.max");
}

/* "200000 100000": two processors' time in each period. */
static double processors_of_group(const char *folder, int version_1)
{
    char line[64];
    const double time = read_number(line, folder, version_1 ? "cpu.cfs_quota_us" : "cpu.max");
    const char *second = strchr(line, ' ');
    const double period =
        version_1 ? read_number(line, folder, "cpu.cfs_period_us") : second ? strtod(second, NULL) : 0;
    return period > 0 ? time / period : 0;
}

static double smaller(double a, double b)
{
    if (a == 0 || b == 0) return a + b;
    return a < b ? a : b;
}

/* Of the group at `group` below `folder` and of all around it. Inside of a container the path may be the
 * host's and not be there: then the folder itself is the container's group. */
static double limit_of_groups(const char *folder, const char *group, const struct limit *of, int version_1)
{
    char path[2 * PATH_ROOM + 64], part[PATH_ROOM];
    double limit = 0;
    snprintf(part, sizeof part, "%s", strcmp(group, "/") == 0 ? "" : group);
    for (;;) {
        snprintf(path, sizeof path, "%s%s", folder, part);
        limit = smaller(limit, of->of_group(path, version_1));
        char *slash = strrchr(part, '/');
        if (!slash) return limit;
        *slash = 0;
    }
}

/* "memory" among the controllers "cpu,memory". */
static int names(const char *list, const char *controller)
{
    const size_t n = strlen(controller);
    for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (strncmp(at, controller, n) == 0 && (at[n] == ',' || at[n] == 0)) return 1;
    return 0;
}

static double smallest_limit(const char *root, const struct limit *of)
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
        const int version_1 = names(list, of->controller);
        if (!version_1 && *list) continue;
        snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s%s", root, version_1 ? "/" : "",
                 version_1 ? of->controller : "");
        limit = smaller(limit, limit_of_groups(folder, path, of, version_1));
    }
    if (f) fclose(f);
    return limit;
}

double machine_memory_limit(const char *root)
{
    return smallest_limit(root, &(struct limit){"memory", bytes_of_group});
}

double machine_memory(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    const double all = pages > 0 && page > 0 ? (double)pages * (double)page : 0;
    return smaller(all, machine_memory_limit(""));
}

double machine_processor_limit(const char *root)
{
    return smallest_limit(root, &(struct limit){"cpu", processors_of_group});
}

int machine_processors(void)
{
    const int all = cpu_count();
    const double limit = ceil(machine_processor_limit(""));
    return limit > 0 && limit < all ? (int)limit : all;
}
