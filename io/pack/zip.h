/* zip.h - zip archives in memory: stored and deflated entries, zip64, data descriptors. */
#ifndef IO_ZIP_H
#define IO_ZIP_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

struct zip_entry {
    char *name;
    int method;                 /* 0 stored, 8 deflated */
    uint32_t crc;
    size_t size, packed;        /* bytes, unpacked and packed */
    const unsigned char *data;  /* packed bytes, inside the archive */
};
struct zip {
    struct zip_entry *entry;
    int count;
};

/* The archive must stay in memory. Every offset is checked against its size; overlapping entries are an
 * error. */
int zip_open(struct zip *z, const unsigned char *data, size_t size, const char *name, struct error *e);
/* Unpacks (or copies) entry i into malloc'ed memory; CRC checked; limit bytes at most. */
int zip_extract(const struct zip *z, int i, size_t limit, unsigned char **out, size_t *size, struct error *e);
void zip_free(struct zip *z);

/* Writing: entries in order, fixed time stamp, data aligned to `align` bytes where stored (1: no
 * alignment). */
struct zip_writer;
struct file_out;
struct zip_writer *zip_create(struct file_out *f);
int zip_add(struct zip_writer *w, const char *name, const void *data, size_t size, int level, int align,
            struct error *e);
int zip_finish(struct zip_writer *w,
               struct error *e); /* writes the directory, frees w; file_commit is the caller's */

#endif
