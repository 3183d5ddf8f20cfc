/* tiff_file.c - the names of TIFF files: their endings, and the spacing file beside one. */
#include "io/tiff/tiff_file.h"

#include <stdio.h>
#include <string.h>

const struct image_ending tiff_endings[] = {
    {".tif", 1, 0, "Tiff3DIO"}, {".tiff", 1, 0, "Tiff3DIO"}, {NULL, 0, 0, NULL}};

int tiff_spacing_path(char *path, size_t size, const char *image, int shared)
{
    const struct image_ending *ending = image_format_ending(tiff_endings, image);
    size_t n = strlen(image) - (ending ? strlen(ending->text) : 0);
    int named = n > 5 && image[n - 5] == '_' && strspn(image + n - 4, "0123456789") >= 4;
    snprintf(path, size, "%.*s.json", (int)(shared && named ? n - 5 : n), image);
    return named || !shared;
}
