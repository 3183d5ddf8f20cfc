/* dicom_reference.c - the series that a label map belongs to: who and where it is. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/base/sha256.h"
#include "io/dicom/dicom_labels.h"
#include "io/dicom/dicom_order.h"
#include "io/dicom/dicom_series.h"
#include "io/dicom/dicom_tags.h"
#include "io/dicom/dicom_write.h"

/* ---- the series ---------------------------------------------------------------------------------------- */

static const struct {
    uint32_t tag;
    const char *vr;
    enum dicom_field field;
} copied[DICOM_IDENTITIES] = {{DCM_SPECIFIC_CHARACTER_SET, "CS", DICOM_CHARACTER_SET},
                              {DCM_STUDY_DATE, "DA", DICOM_STUDY_DATE},
                              {DCM_STUDY_TIME, "TM", DICOM_STUDY_TIME},
                              {DCM_ACCESSION_NUMBER, "SH", DICOM_ACCESSION_NUMBER},
                              {DCM_REFERRING_PHYSICIAN_NAME, "PN", DICOM_REFERRING_PHYSICIAN},
                              {DCM_PATIENT_NAME, "PN", DICOM_PATIENT_NAME},
                              {DCM_PATIENT_ID, "LO", DICOM_PATIENT_ID},
                              {DCM_PATIENT_BIRTH_DATE, "DA", DICOM_BIRTH_DATE},
                              {DCM_PATIENT_SEX, "CS", DICOM_SEX},
                              {DCM_STUDY_INSTANCE_UID, "UI", DICOM_STUDY_UID},
                              {DCM_STUDY_ID, "SH", DICOM_STUDY_ID},
                              {DCM_LOSSY_IMAGE_COMPRESSION, "CS", DICOM_LOSSY},
                              {DCM_LOSSY_IMAGE_COMPRESSION_RATIO, "DS", DICOM_LOSSY_RATIO},
                              {DCM_LOSSY_IMAGE_COMPRESSION_METHOD, "CS", DICOM_LOSSY_METHOD}};

static int take_identity(struct dicom_reference *r, const struct dicom_file *f, struct error *e)
{
    for (int i = 0; i < DICOM_IDENTITIES; i++) {
        const struct dicom_span *value = &f->element[copied[i].field].value;
        struct dicom_identity *to = &r->identity[i];
        *to = (struct dicom_identity){.tag = copied[i].tag, .vr = copied[i].vr};
        size_t size = value->data ? value->size : 0;
        while (size && (value->data[size - 1] == ' ' || value->data[size - 1] == 0)) size--;
        if (size > sizeof to->value)
            return error_set(e, "%s: element (%04X,%04X) has %zu bytes", f->name, to->tag >> 16,
                             to->tag & 0xffff, size);
        if (size) memcpy(to->value, value->data, size);
        to->size = size;
    }
    r->is_utf8 = r->identity[0].size == 10 && memcmp(r->identity[0].value, "ISO_IR 192", 10) == 0;
    dicom_text(r->study_uid, sizeof r->study_uid, f->element, DICOM_STUDY_UID);
    dicom_text(r->series_uid, sizeof r->series_uid, f->element, DICOM_SERIES_INSTANCE_UID);
    dicom_text(r->frame_of_reference, sizeof r->frame_of_reference, f->element, DICOM_FRAME_OF_REFERENCE);
    if (!r->study_uid[0] || !r->series_uid[0])
        return error_set(e, "%s: no %s Instance UID: nothing could refer to it", f->name,
                         r->study_uid[0] ? "Series" : "Study");
    if (!r->frame_of_reference[0]) {
        dicom_make_uid(r->frame_of_reference, r->series_uid, strlen(r->series_uid), "frame of reference");
        volume_assume(&r->geometry, "a Frame of Reference UID (0020,0052) made of the series': it has none");
    }
    return 0;
}

static int read_identity(struct dicom_reference *r, const char *path, struct error *e)
{
    struct dicom_file f;
    unsigned char *data;
    size_t size;
    if (file_read(path, 0, &data, &size, e)) return -1;
    int status = dicom_file_open(&f, data, size, path, e);
    if (!status) {
        status = take_identity(r, &f, e);
        dicom_file_close(&f);
    }
    free(data);
    return status;
}

static int take_images(struct dicom_reference *r, const struct dicom_series *s, struct error *e)
{
    r->image = calloc((size_t)r->geometry.size[2], sizeof *r->image);
    if (!r->image) return error_set(e, "out of memory for %lld images", (long long)r->geometry.size[2]);
    for (int i = 0; i < s->files; i++)
        for (int k = 0; k < s->file[i].slices; k++) {
            int z = s->file[i].slice[k].z;
            if (z < 0) continue;
            struct dicom_image_uid *to = &r->image[z];
            snprintf(to->class_uid, sizeof to->class_uid, "%s", s->file[i].class_uid);
            snprintf(to->instance_uid, sizeof to->instance_uid, "%s", s->file[i].instance);
            to->frame = s->file[i].slices > 1 ? k + 1 : 0;
            if (!to->class_uid[0] || !to->instance_uid[0])
                return error_set(e, "%s: no SOP Class or Instance UID: nothing could refer to it",
                                 s->file[i].path);
        }
    return 0;
}

int dicom_reference_read(struct dicom_reference *r, const char *path, const struct image_choice *choice,
                         const char *out, struct error *e)
{
    struct dicom_series s = {.header_only = 1};
    struct image_info info;
    memset(r, 0, sizeof *r);
    int status = dicom_series_load(&s, path, choice ? choice->series : NULL, e);
    for (int i = 0; !status && i < s.files; i++)
        if (file_is_same(s.file[i].path, out))
            status = error_set(e, "%s: is a file of the series, which the labels would replace", out);
    if (!status) status = dicom_arrange(&r->geometry, &info, &s, choice ? choice->volume : 0, e);
    if (!status) status = read_identity(r, s.file[0].path, e);
    if (!status) status = take_images(r, &s, e);
    dicom_series_free(&s);
    if (status) dicom_reference_free(r);
    return status;
}

void dicom_reference_free(struct dicom_reference *r)
{
    free(r->image);
    r->image = NULL;
}

/* ---- what objects say of it ---------------------------------------------------------------------------- */

/* The standard wants all of them, empty where not known; but no character set where none is told, and of a
 * loss what is told. */
void dicom_put_identity(struct text *t, const struct dicom_reference *r, uint32_t from, uint32_t to)
{
    for (int i = 0; i < DICOM_IDENTITIES; i++)
        if (r->identity[i].tag >= from && r->identity[i].tag <= to &&
            ((i > 0 && r->identity[i].tag < DCM_LOSSY_IMAGE_COMPRESSION) || r->identity[i].size))
            dicom_put(t, r->identity[i].tag, r->identity[i].vr, r->identity[i].value, r->identity[i].size);
}

void dicom_label_name(char plain[65], const char *name, const struct dicom_reference *r)
{
    size_t n = 0;
    for (const char *p = name; *p && n < 64; p++) { /* a backslash would begin a second value */
        unsigned char c = (unsigned char)*p;
        if (c >= 0x80 && (c & 0xc0) == 0x80 && !r->is_utf8) continue; /* the rest of a character */
        plain[n++] = c == '\\' || c < 32 || c == 127 || (c >= 0x80 && !r->is_utf8) ? '?' : (char)c;
    }
    size_t whole = 0; /* of a name that is too long the last character may be cut through */
    for (int k; (k = text_utf8_length(plain + whole, plain + n)) > 0;) whole += (size_t)k;
    plain[whole] = 0;
}

void dicom_put_name(struct text *t, uint32_t tag, const char *vr, const char *name,
                    const struct dicom_reference *r)
{
    char plain[65];
    dicom_label_name(plain, name, r);
    dicom_put_text(t, tag, vr, plain);
}

void dicom_put_images(struct text *items, const struct dicom_reference *r, int z0, int z1)
{
    for (int z = z0; z < z1; z++) {
        struct text item = {0};
        int told = 0;
        for (int k = z0; k < z && r->image[z].frame; k++)
            told |= strcmp(r->image[k].instance_uid, r->image[z].instance_uid) == 0;
        if (told) continue;
        dicom_put_text(&item, DCM_REFERENCED_SOP_CLASS_UID, "UI", r->image[z].class_uid);
        dicom_put_text(&item, DCM_REFERENCED_SOP_INSTANCE_UID, "UI", r->image[z].instance_uid);
        if (z1 == z0 + 1 && r->image[z].frame)
            dicom_put_integer(&item, DCM_REFERENCED_FRAME_NUMBER, r->image[z].frame);
        dicom_put_item(items, &item);
    }
}

void dicom_object_uid(char uid[65], const uint16_t *map, const struct dicom_reference *r, const char *what,
                      const char *date, const char *time)
{
    struct sha256 s;
    unsigned char hash[32];
    sha256_init(&s);
    sha256_update(&s, r->series_uid, strlen(r->series_uid));
    sha256_update(&s, date, strlen(date));
    sha256_update(&s, time, strlen(time));
    for (size_t i = 0; i < volume_voxels(&r->geometry); i++)
        sha256_update(&s, (unsigned char[]){(unsigned char)map[i], (unsigned char)(map[i] >> 8)}, 2);
    sha256_final(&s, hash);
    dicom_make_uid(uid, hash, sizeof hash, what);
}
