/* dicom_write.c - data elements, sequences and files of DICOM, written. */
#include "io/dicom/dicom_tags.h"
#include "io/dicom/dicom_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/base/sha256.h"

static void put_little(struct text *t, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) text_put(t, &(unsigned char){(unsigned char)(v >> (8 * i))}, 1);
}

static void put_tag(struct text *t, uint32_t tag)
{
    put_little(t, tag >> 16, 2);
    put_little(t, tag & 0xffff, 2);
}

static void put_head(struct text *t, uint32_t tag, const char *vr, size_t length)
{
    int wide = strstr("OB OW SQ UN UT UC", vr) != NULL;
    put_tag(t, tag);
    text_put(t, vr, 2);
    if (wide) put_little(t, 0, 2);
    put_little(t, (uint32_t)length, wide ? 4 : 2);
}

void dicom_put(struct text *t, uint32_t tag, const char *vr, const void *value, size_t size)
{
    put_head(t, tag, vr, size + size % 2);
    text_put(t, value, size);
    if (size % 2) text_put(t, strstr("UI OB OW UN", vr) ? "\0" : " ", 1);
}

void dicom_put_text(struct text *t, uint32_t tag, const char *vr, const char *value)
{
    dicom_put(t, tag, vr, value, strlen(value));
}

void dicom_put_number(struct text *t, uint32_t tag, const char *vr, uint32_t value)
{
    int is_tag = strcmp(vr, "AT") == 0, bytes = strcmp(vr, "US") == 0 ? 2 : 4;
    put_head(t, tag, vr, (size_t)bytes);
    if (is_tag) put_tag(t, value);
    else put_little(t, value, bytes);
}

void dicom_put_integer(struct text *t, uint32_t tag, int value)
{
    char number[16];
    snprintf(number, sizeof number, "%d", value);
    dicom_put_text(t, tag, "IS", number);
}

void dicom_put_decimals(struct text *t, uint32_t tag, const double *v, int n)
{
    struct text list = {0};
    for (int i = 0; i < n; i++) {
        char number[TEXT_NUMBER + 8];
        text_format_double(number, v[i] == 0 ? 0 : v[i]); /* no -0 */
        for (int digits = 14; strlen(number) > 16 && digits > 1; digits--) {
            char shorter[40];
            double rounded;
            snprintf(shorter, sizeof shorter, "%.*e", digits - 1, v[i]);
            char *point = shorter + strcspn(shorter, ",");
            if (*point == ',') *point = '.'; /* another locale's */
            if (text_parse_double(&rounded, shorter, strlen(shorter)) == 0)
                text_format_double(number, rounded);
        }
        size_t length = strlen(number);
        if (length > 2 && strcmp(number + length - 2, ".0") == 0) number[length - 2] = 0;
        if (i) text_puts(&list, "\\");
        text_puts(&list, number);
    }
    if (list.size > 65534) list.failed = 1; /* more than a DS element holds: the caller keeps below */
    if (list.failed) text_append(t, &list);
    else dicom_put(t, tag, "DS", list.data ? list.data : "", list.size);
    free(list.data);
}

void dicom_put_item(struct text *items, struct text *item)
{
    put_tag(items, 0xfffee000);
    put_little(items, (uint32_t)item->size, 4);
    text_append(items, item);
    free(item->data);
    *item = (struct text){0};
}

void dicom_put_sequence(struct text *t, uint32_t tag, struct text *items)
{
    put_head(t, tag, "SQ", items->size);
    text_append(t, items);
    free(items->data);
    *items = (struct text){0};
}

void dicom_put_code(struct text *t, uint32_t tag, const char *value, const char *scheme, const char *meaning)
{
    struct text item = {0}, items = {0};
    dicom_put_text(&item, DCM_CODE_VALUE, "SH", value);
    dicom_put_text(&item, DCM_CODING_SCHEME_DESIGNATOR, "SH", scheme);
    dicom_put_text(&item, DCM_CODE_MEANING, "LO", meaning);
    dicom_put_item(&items, &item);
    dicom_put_sequence(t, tag, &items);
}

/* A UUID (of version 4's form) as a decimal number. */
void dicom_make_uid(char uid[65], const void *seed, size_t size, const char *what)
{
    unsigned char hash[32];
    char digits[48];
    int n = 0;
    struct sha256 s;
    sha256_init(&s);
    sha256_update(&s, what, strlen(what) + 1);
    sha256_update(&s, seed, size);
    sha256_final(&s, hash);
    hash[6] = (unsigned char)((hash[6] & 0x0f) | 0x40);
    hash[8] = (unsigned char)((hash[8] & 0x3f) | 0x80);
    for (int more = 1; more;) { /* divides 128 bits by ten */
        unsigned rest = 0;
        more = 0;
        for (int i = 0; i < 16; i++) {
            rest = rest << 8 | hash[i];
            hash[i] = (unsigned char)(rest / 10);
            rest %= 10;
            more |= hash[i];
        }
        digits[n++] = (char)('0' + rest);
    }
    memcpy(uid, "2.25.", 5);
    for (int i = 0; i < n; i++) uid[5 + i] = digits[n - 1 - i];
    uid[5 + n] = 0;
}

int dicom_write_file(const char *path, const char *class_uid, const char *instance_uid, struct text *set,
                     struct error *e)
{
    static const char preamble[128];
    struct text meta = {0}, all = {0};
    dicom_put(&meta, DCM_FILE_META_INFORMATION_VERSION, "OB", "\0\1", 2);
    dicom_put_text(&meta, DCM_MEDIA_STORAGE_SOP_CLASS_UID, "UI", class_uid);
    dicom_put_text(&meta, DCM_MEDIA_STORAGE_SOP_INSTANCE_UID, "UI", instance_uid);
    dicom_put_text(&meta, DCM_TRANSFER_SYNTAX_UID, "UI", "1.2.840.10008.1.2.1");
    dicom_put_text(&meta, DCM_IMPLEMENTATION_CLASS_UID, "UI",
                   "2.25.80302813137786398554742050926734630921"); /* of this implementation */
    dicom_put_text(&meta, DCM_IMPLEMENTATION_VERSION_NAME, "SH", "NEPHRON");
    text_put(&all, preamble, sizeof preamble);
    text_puts(&all, "DICM");
    dicom_put_number(&all, DCM_FILE_META_INFORMATION_GROUP_LENGTH, "UL", (uint32_t)meta.size);
    text_append(&all, &meta);
    text_append(&all, set);
    int status = all.size > UINT32_MAX ? error_set(e, "%s: more than 4 GB do not fit a DICOM file", path)
                                       : file_write(path, all.data, all.size, e);
    free(meta.data);
    free(all.data);
    free(set->data);
    *set = (struct text){0};
    return status;
}
