/* dicom_file.h - the inside of the DICOM reader: data elements of one file and its frames. Others use
 * io/dicom/dicom.h.
 *
 * A file is a list of data elements: tag, value representation (VR), length, value. A value can be a sequence
 * of items, each a list of data elements again. Nothing is copied: elements point into the caller's bytes
 * (into `inflated` of a deflated file). Source: DICOM PS3.5 sections 6, 7 and annexes A and G; PS3.10 section
 * 7; PS3.6 for the tags.
 */
#ifndef IO_DICOM_FILE_H
#define IO_DICOM_FILE_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"
#include "io/image/volume.h"

/* What we look at. Names as in PS3.6, shortened. */
enum dicom_field {
    DICOM_IMAGE_TYPE, DICOM_SOP_INSTANCE_UID, DICOM_MODALITY, DICOM_MANUFACTURER, DICOM_SERIES_DESCRIPTION,
    DICOM_SLICE_THICKNESS, DICOM_REPETITION_TIME, DICOM_ECHO_TIME, DICOM_ECHO_NUMBER, DICOM_FIELD_STRENGTH,
    DICOM_SLICE_SPACING, DICOM_TRIGGER_TIME, DICOM_IMAGER_PIXEL_SPACING, DICOM_EFFECTIVE_ECHO_TIME,
    DICOM_TIMING_SEQUENCE, DICOM_ECHO_SEQUENCE, DICOM_B_VALUE, DICOM_DIFFUSION_SEQUENCE,
    DICOM_SERIES_INSTANCE_UID, DICOM_ACQUISITION_NUMBER, DICOM_INSTANCE_NUMBER, DICOM_IMAGE_POSITION,
    DICOM_IMAGE_ORIENTATION, DICOM_TEMPORAL_POSITION, DICOM_FRAME_CONTENT_SEQUENCE,
    DICOM_PLANE_POSITION_SEQUENCE, DICOM_PLANE_ORIENTATION_SEQUENCE, DICOM_TEMPORAL_INDEX,
    DICOM_SAMPLES_PER_PIXEL, DICOM_PHOTOMETRIC, DICOM_NUMBER_OF_FRAMES, DICOM_ROWS, DICOM_COLUMNS,
    DICOM_PIXEL_SPACING, DICOM_BITS_ALLOCATED, DICOM_BITS_STORED, DICOM_HIGH_BIT, DICOM_PIXEL_REPRESENTATION,
    DICOM_RESCALE_INTERCEPT, DICOM_RESCALE_SLOPE, DICOM_MODALITY_LUT, DICOM_PIXEL_MEASURES_SEQUENCE,
    DICOM_PIXEL_VALUE_SEQUENCE, DICOM_SHARED_GROUPS, DICOM_FRAME_GROUPS, DICOM_NOMINAL_PIXEL_SPACING,
    DICOM_REAL_WORLD_SEQUENCE, DICOM_REAL_WORLD_INTERCEPT, DICOM_REAL_WORLD_SLOPE, DICOM_ENERGY_VECTOR,
    DICOM_DETECTOR_VECTOR, DICOM_DETECTOR_SEQUENCE,
    DICOM_PHASE_VECTOR, DICOM_ROTATION_VECTOR, DICOM_RR_VECTOR, DICOM_TIME_SLOT_VECTOR, DICOM_SLICE_VECTOR,
    DICOM_ANGLE_VECTOR, DICOM_TIME_SLICE_VECTOR, DICOM_GRID_OFFSETS, DICOM_DOSE_SCALING,
    DICOM_SEGMENT_SEQUENCE, DICOM_SEGMENT_NUMBER, DICOM_SEGMENTS, DICOM_SEGMENT_OWN_NUMBER,
    DICOM_SEGMENT_LABEL, DICOM_REFERENCED_SERIES, DICOM_STRUCTURE_SEQUENCE, DICOM_STRUCTURE_NAME,
    DICOM_CHARACTER_SET, DICOM_SOP_CLASS_UID, DICOM_STUDY_DATE,
    DICOM_STUDY_TIME, DICOM_ACCESSION_NUMBER, DICOM_REFERRING_PHYSICIAN, DICOM_PATIENT_NAME,
    DICOM_LOSSY, DICOM_LOSSY_RATIO, DICOM_LOSSY_METHOD,
    DICOM_PATIENT_ID, DICOM_BIRTH_DATE, DICOM_SEX, DICOM_STUDY_UID, DICOM_STUDY_ID, DICOM_FRAME_OF_REFERENCE,
    DICOM_PIXEL_DATA, DICOM_FIELDS
};

/* Bytes that hold data elements, items or a value, and how they are coded. */
struct dicom_span {
    const unsigned char *data;
    size_t size;
    unsigned char explicit_vr, big;
};

struct dicom_element {
    struct dicom_span value; /* data NULL: the element is absent */
    char vr[3];              /* "" where implicit */
    unsigned char undefined; /* length: the value is items up to a delimiter */
};

enum dicom_encoding {
    DICOM_NATIVE, DICOM_DEFLATED, DICOM_RLE, DICOM_JPEG_LOSSLESS, DICOM_JPEG_BASELINE, DICOM_JPEG_LS,
    DICOM_JPEG_2000, DICOM_UNSUPPORTED
};
struct dicom_syntax {
    const char *uid, *name;
    enum dicom_encoding encoding;
    unsigned char big;
};

struct dicom_file {
    const char *name; /* for messages */
    struct dicom_element element[DICOM_FIELDS];
    struct dicom_syntax syntax;
    char syntax_uid[65];
    size_t size;             /* bytes of the data set, unpacked */
    unsigned char *inflated; /* of a deflated file */
};

/* Do these first bytes (160, fewer of a shorter file) begin a DICOM file? With preamble, or from the first
 * element where that is one of the groups 0002 or 0008. */
int dicom_recognise(const unsigned char *data, size_t size);
/* Reads the data set's elements up to the pixel data. data must outlive f; dicom_file_close after success. */
int dicom_file_open(struct dicom_file *f, const unsigned char *data, size_t size, const char *name,
                    struct error *e);
void dicom_file_close(struct dicom_file *f);
/* The known elements of an item. */
int dicom_scan(struct dicom_element element[DICOM_FIELDS], const struct dicom_span *set, struct error *e);
/* Next item of a sequence (or fragment of encapsulated pixel data), from *at = 0: 1, 0 after the last, -1
 * with a message. */
int dicom_next_item(struct dicom_span *item, const struct dicom_element *sequence, size_t *at,
                    struct error *e);

/* The values of a numeric element, at most max: how many, 0 where it is absent or empty, -1 where it is no
 * number. */
int dicom_numbers(double *v, int max, const struct dicom_element element[DICOM_FIELDS],
                  enum dicom_field field, struct error *e);
/* The value of the last decimal that the text of each of n numbers has: 0.01 of "-3.25", 10 of "2e1"; 0 where
 * it is no text. */
void dicom_units(double *unit, int n, const struct dicom_element element[DICOM_FIELDS],
                 enum dicom_field field);
/* One whole number within limits; `otherwise` where it is absent (NULL: that is an error). */
int dicom_integer(int *v, const struct dicom_element element[DICOM_FIELDS], enum dicom_field field, int low,
                  int high, const int *otherwise, struct error *e);
/* Text without padding; what is neither printable ASCII nor UTF-8 becomes '?'. */
void dicom_text(char *buf, size_t size, const struct dicom_element element[DICOM_FIELDS],
                enum dicom_field field);

/* ---- frames (io/dicom/dicom_pixels.c) ------------------------------------------------------------------ */

struct dicom_pixels {
    const struct dicom_file *file;
    /* bits allocated: 1, 8, 16 or 32; high: number of the highest stored bit */
    int rows, columns, frames, bits, stored, high, is_signed;
    struct dicom_span *fragment; /* of encapsulated data, without the offset table */
    int *first; /* [frames + 1]: fragments of frame k from first[k] */
    unsigned char *buffer;                                    /* a decoded frame, little endian */
};

/* What the elements say about the frames, without their data: f.e. for a header. */
int dicom_pixels_describe(struct dicom_pixels *p, const struct dicom_file *f, struct error *e);
/* The same, ready to decode: the data are there and hold as much as was said. Allocates at most 64 times the
 * bytes of the pixel data. */
int dicom_pixels_open(struct dicom_pixels *p, const struct dicom_file *f, struct error *e);
void dicom_pixels_close(struct dicom_pixels *p);
/* out[rows * columns], and exact where it is not NULL, = slope * stored value + intercept. */
int dicom_pixels_frame(float *out, double *exact, struct dicom_pixels *p, int frame, double slope,
                       double intercept, struct error *e);
/* Are there more bytes of native pixels than the frames take, and one to make them even? */
int dicom_pixels_followed(const struct dicom_pixels *p);
/* As stored in the file. */
enum voxel_type dicom_pixels_type(const struct dicom_pixels *p);

#endif
