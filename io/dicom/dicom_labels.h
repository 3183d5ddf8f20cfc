/* dicom_labels.h - label maps as DICOM objects that a hospital's viewer shows over the series they were made
 * of: Segmentation (SEG) and RT Structure Set (RTSTRUCT).
 *
 * Of the referenced series are copied: what places the object with its patient and study, which the standard
 * asks for and viewers match by (Patient's Name, ID, Birth Date and Sex; Study Instance UID, ID, Date and
 * Time, Accession Number, Referring Physician's Name; the character set), the Frame of Reference, and the
 * UIDs of its images; and that these were compressed with a loss. Nothing else: no private elements, no
 * descriptions, no other patient data. Source: DICOM PS3.3 A.51 and C.8.20 (Segmentation), A.19
 * and C.8.8.5 to C.8.8.8 (RT Structure Set).
 */
#ifndef IO_DICOM_LABELS_H
#define IO_DICOM_LABELS_H

#include <stdint.h>
#include "io/base/text.h"
#include "io/image/image_format.h"

struct dicom_label {
    int value; /* in the map, from 1 */
    char name[128];
};

struct dicom_image_uid {
    char class_uid[65], instance_uid[65];
    int frame; /* of a multi-frame image, from 1; 0: it has one */
};

/* A copied element. */
struct dicom_identity {
    uint32_t tag;
    const char *vr;
    unsigned char value[256];
    size_t size;
};
enum { DICOM_IDENTITIES = 14 };

struct dicom_reference {
    /* of patient, study and loss, in the order of their tags */
    struct dicom_identity identity[DICOM_IDENTITIES];
    int is_utf8;                                      /* its character set is, as that of label names */
    char study_uid[65], series_uid[65], frame_of_reference[65];
    struct volume geometry;                           /* without voxels */
    struct dicom_image_uid *image;                    /* [geometry.size[2]]: of each slice */
};

/* The series (or its chosen volume) at the path; out: what will be written, which must be none of its files.
 * Free with dicom_reference_free. */
int dicom_reference_read(struct dicom_reference *r, const char *path, const struct image_choice *choice,
                         const char *out, struct error *e);
void dicom_reference_free(struct dicom_reference *r);
/* The copied elements from tag `from` to tag `to`. */
void dicom_put_identity(struct text *t, const struct dicom_reference *r, uint32_t from, uint32_t to);
/* The name of a label as an object over the series can hold it: in its character set, in 64 bytes. */
void dicom_label_name(char plain[65], const char *name, const struct dicom_reference *r);
void dicom_put_name(struct text *t, uint32_t tag, const char *vr, const char *name,
                    const struct dicom_reference *r);
/* UIDs of the images of the slices z0 to z1 (exclusive), each once: items with Referenced SOP Class and
 * Instance UID; of one slice of a multi-frame image its frame, for without it an item is all frames. */
void dicom_put_images(struct text *items, const struct dicom_reference *r, int z0, int z1);
/* A new UID of the object: of its labels, series, name and moment. */
void dicom_object_uid(char uid[65], const uint16_t *map, const struct dicom_reference *r, const char *what,
                      const char *date, const char *time);

/* Both write one object of all labels; map as from grids_labels (io/image/grids.h). `software`: name and
 * version of the program that made the labels. date: "YYYYMMDD", time: "HHMMSS", of the object. */
int dicom_seg_write(const char *path, const uint16_t *map, const struct dicom_label *label, int labels,
                    const struct dicom_reference *r, const char *software, const char *date, const char *time,
                    struct error *e);
int dicom_rtstruct_write(const char *path, const uint16_t *map, const struct dicom_label *label, int labels,
                         const struct dicom_reference *r, const char *software, const char *date,
                         const char *time, struct error *e);

#endif
