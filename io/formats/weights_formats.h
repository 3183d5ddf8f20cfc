/* weights_formats.h - the table of file formats of weights. A new one is a source file with a descriptor
 * (io/weights/weights_format.h) and a line in the table of weights_formats.c. The format of a file is told by
 * its name.
 */
#ifndef IO_WEIGHTS_FORMATS_H
#define IO_WEIGHTS_FORMATS_H

#include "io/weights/weights_format.h"

/* Number i of the table; NULL beyond its end. */
const struct weights_format *weights_format_at(int i);
/* By the ending of a name; NULL where none has it. */
const struct weights_format *weights_format_named(const char *path);
/* Free with weights_free, also where it fails. */
int weights_read(struct weights *w, const char *path, struct error *e);
/* Writes in the format of the name; changed: as of struct weights_format. */
int weights_write(const struct safetensors *s, const char *path, size_t *changed, struct error *e);

#endif
