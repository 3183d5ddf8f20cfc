/* dicom_write.h - DICOM files written: data elements in explicit VR, little endian, one after the other in
 * the order of their tags.
 *
 *     struct text set = {0}, item = {0}, items = {0};
 *     dicom_put_text(&set, 0x00080060, "CS", "SEG");
 *     dicom_put_number(&item, 0x00620004, "US", 1);
 *     dicom_put_item(&items, &item);                      (item is empty again)
 *     dicom_put_sequence(&set, 0x00620002, &items);
 *     dicom_write_file(path, class_uid, instance_uid, &set, &e);
 *
 * Memory that runs out shows in dicom_write_file (io/base/text.h). Source: DICOM PS3.5 sections 6 and 7,
 * PS3.10 section 7.
 */
#ifndef IO_DICOM_WRITE_H
#define IO_DICOM_WRITE_H

#include <stdint.h>
#include "io/base/error.h"
#include "io/base/text.h"

/* vr: two letters. The value is padded to an even length as its VR wants. */
void dicom_put(struct text *t, uint32_t tag, const char *vr, const void *value, size_t size);
void dicom_put_text(struct text *t, uint32_t tag, const char *vr, const char *value);
void dicom_put_number(struct text *t, uint32_t tag, const char *vr, uint32_t value); /* US, UL, AT */
void dicom_put_integer(struct text *t, uint32_t tag, int value); /* IS */
/* DS: at most 16 characters a number, as many digits as go into them. */
void dicom_put_decimals(struct text *t, uint32_t tag, const double *v, int n);
/* An item goes to the end of a sequence's items; both are then empty. */
void dicom_put_item(struct text *items, struct text *item);
void dicom_put_sequence(struct text *t, uint32_t tag, struct text *items);
/* Code Value, Coding Scheme Designator and Code Meaning: a sequence of one. */
void dicom_put_code(struct text *t, uint32_t tag, const char *value, const char *scheme, const char *meaning);

/* A UID below 2.25 (PS3.5 annex B) from the SHA-256 of the seed and of what it names: the same for the
 * same. */
void dicom_make_uid(char uid[65], const void *seed, size_t size, const char *what);

/* Preamble, file meta information and the data set, which is given up. */
int dicom_write_file(const char *path, const char *class_uid, const char *instance_uid, struct text *set,
                     struct error *e);

#endif
