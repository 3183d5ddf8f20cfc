/* image_files.h - where check_images and check_geometry find and write images. */
#ifndef TESTS_UNIT_IO_IMAGE_FILES_H
#define TESTS_UNIT_IO_IMAGE_FILES_H

#include "io/base/file.h"
#include "io/formats/image_formats.h"
#include "tests/unit/expect.h"

static char folder[] = "/tmp/nephron_check_XXXXXX";
static const char *const golden = "tests/data/images";

static inline const char *in_folder(const char *name)
{
    static char path[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static inline const char *in_golden(const char *name)
{
    static char path[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", golden, name);
    return path[turn];
}

static inline void expect_refused(const char *name, const char *text)
{
    struct volume v;
    struct error e = {""};
    int status = volume_read(&v, name, &e);
    CHECK(status == -1 && strstr(e.text, text) && strstr(e.text, file_name(name)), "%s: '%s' is not '%s'",
          name, e.text, text);
    if (!status) volume_free(&v);
}

#endif
