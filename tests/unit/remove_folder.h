/* remove_folder.h - a test's folder, taken away with all that is in it. */
#ifndef TESTS_UNIT_REMOVE_FOLDER_H
#define TESTS_UNIT_REMOVE_FOLDER_H

#include <dirent.h>
#include <unistd.h>

#include "io/base/file.h"
#include "tests/unit/expect.h"

/* With what file_list passes over: locks, and temporary files that a killed child left. */
static inline void remove_folder(const char *folder)
{
    char path[4400];
    DIR *d = opendir(folder);
    if (!d) return;
    for (struct dirent *f; (f = readdir(d));) {
        if (strcmp(f->d_name, ".") == 0 || strcmp(f->d_name, "..") == 0) continue;
        snprintf(path, sizeof path, "%.2000s/%.255s", folder, f->d_name);
        if (file_is_dir(path))
            remove_folder(path);
        else
            unlink(path);
    }
    closedir(d);
    CHECK(rmdir(folder) == 0, "%s is not empty", folder);
}

#endif
