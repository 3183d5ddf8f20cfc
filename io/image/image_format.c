/* image_format.c - the ending of a file's name, as a format knows it. */
#include "io/image/image_format.h"

#include "io/base/file.h"

const struct image_ending *image_format_ending(const struct image_ending *endings, const char *name)
{
    for (const struct image_ending *n = endings; n && n->text; n++)
        if (file_has_suffix(name, n->text)) return n;
    return NULL;
}
