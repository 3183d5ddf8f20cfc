/* dicom_seg.c - a label map as a DICOM Segmentation: a binary segment for each label, a frame for each slice
 * that has it (PS3.3 A.51, C.8.20). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/dicom/dicom_labels.h"
#include "io/dicom/dicom_write.h"

#define SEGMENTATION_CLASS "1.2.840.10008.5.1.4.1.1.66.4"

struct frame {
    int label, z; /* number of the label in the list, and of the slice */
};

/* LPS of column k of the affine. */
static void to_lps(double out[3], const struct volume *g, int k, double scale)
{
    for (int i = 0; i < 3; i++) out[i] = (i < 2 ? -1 : 1) * g->affine[i][k] * scale;
}

/* The frames of each label in turn; one at least, for there is no object without. */
static struct frame *list_frames(int *count, const uint16_t *map, const struct dicom_label *label, int labels,
                                 const struct volume *g)
{
    size_t plane = (size_t)g->size[0] * (size_t)g->size[1], room = (size_t)labels * (size_t)g->size[2] + 1;
    struct frame *frame = malloc(room * sizeof *frame);
    *count = 0;
    for (int l = 0; frame && l < labels; l++)
        for (int z = 0; z < g->size[2]; z++) {
            const uint16_t *slice = map + (size_t)z * plane;
            size_t i = 0;
            while (i < plane && slice[i] != label[l].value) i++;
            if (i < plane) frame[(*count)++] = (struct frame){l, z};
        }
    if (frame && *count == 0) frame[(*count)++] = (struct frame){0, 0};
    return frame;
}

/* ---- what stands for all frames ------------------------------------------------------------------------ */

static void put_segments(struct text *set, const struct dicom_label *label, int labels,
                         const struct dicom_reference *r, const char *software)
{
    struct text items = {0};
    for (int l = 0; l < labels; l++) {
        struct text item = {0};
        dicom_put_code(&item, 0x00620003, "123037004", "SCT", "Anatomical Structure");
        dicom_put_number(&item, 0x00620004, "US", (uint32_t)l + 1);
        dicom_put_name(&item, 0x00620005, "LO", label[l].name, r);
        dicom_put_text(&item, 0x00620008, "CS", "AUTOMATIC");
        dicom_put_text(&item, 0x00620009, "LO", software);
        dicom_put_code(&item, 0x0062000f, "85756007", "SCT", "Tissue");
        dicom_put_item(&items, &item);
    }
    dicom_put_sequence(set, 0x00620002, &items);
}

static void put_shared_groups(struct text *set, const struct volume *g)
{
    struct text group = {0}, items = {0}, item = {0}, groups = {0};
    double cosines[6], step[3], distance = 0; /* of slices, along their normal: shorter than a tilted step */
    to_lps(cosines, g, 0, 1 / g->spacing[0]);
    to_lps(cosines + 3, g, 1, 1 / g->spacing[1]);
    to_lps(step, g, 2, 1);
    for (int i = 0; i < 3; i++) {
        const int j = (i + 1) % 3, k = (i + 2) % 3;
        distance += step[i] * (cosines[j] * cosines[3 + k] - cosines[k] * cosines[3 + j]);
    }
    distance = fabs(distance);
    dicom_put_decimals(&item, 0x00200037, cosines, 6);
    dicom_put_item(&items, &item);
    dicom_put_sequence(&group, 0x00209116, &items); /* Plane Orientation */
    dicom_put_decimals(&item, 0x00180050, &distance, 1);
    dicom_put_decimals(&item, 0x00180088, &distance, 1);
    dicom_put_decimals(&item, 0x00280030, (const double[]){g->spacing[1], g->spacing[0]}, 2);
    dicom_put_item(&items, &item);
    dicom_put_sequence(&group, 0x00289110, &items); /* Pixel Measures */
    dicom_put_item(&groups, &group);
    dicom_put_sequence(set, 0x52009229, &groups);
}

/* Frames are told apart by segment and place. */
static void put_dimensions(struct text *set, const char *organisation)
{
    static const uint32_t pointer[2][2] = {{0x0062000b, 0x0062000a}, {0x00200032, 0x00209113}};
    struct text items = {0}, item = {0};
    dicom_put_text(&item, 0x00209164, "UI", organisation);
    dicom_put_item(&items, &item);
    dicom_put_sequence(set, 0x00209221, &items);
    for (int i = 0; i < 2; i++) {
        dicom_put_text(&item, 0x00209164, "UI", organisation);
        dicom_put_number(&item, 0x00209165, "AT", pointer[i][0]);
        dicom_put_number(&item, 0x00209167, "AT", pointer[i][1]);
        dicom_put_text(&item, 0x00209421, "LO", i ? "Image Position Patient" : "Segment Number");
        dicom_put_item(&items, &item);
    }
    dicom_put_sequence(set, 0x00209222, &items);
    dicom_put_text(set, 0x00209311, "CS", "3D");
}

/* ---- frames -------------------------------------------------------------------------------------------- */

/* The image that the frame's labels were made of. */
static void put_derivation(struct text *group, const struct dicom_reference *r, int z)
{
    struct text items = {0}, item = {0}, source = {0}, sources = {0};
    const struct dicom_image_uid *image = &r->image[z];
    dicom_put_text(&source, 0x00081150, "UI", image->class_uid);
    dicom_put_text(&source, 0x00081155, "UI", image->instance_uid);
    if (image->frame) dicom_put_integer(&source, 0x00081160, image->frame);
    dicom_put_code(&source, 0x0040a170, "121322", "DCM", "Source image for image processing operation");
    dicom_put_item(&sources, &source);
    dicom_put_sequence(&item, 0x00082112, &sources);
    dicom_put_code(&item, 0x00089215, "113076", "DCM", "Segmentation");
    dicom_put_item(&items, &item);
    dicom_put_sequence(group, 0x00089124, &items);
}

static void put_frame_groups(struct text *set, const struct frame *frame, int count,
                             const struct dicom_reference *r)
{
    const struct volume *g = &r->geometry;
    struct text groups = {0}, group = {0}, items = {0}, item = {0};
    for (int i = 0; i < count; i++) {
        unsigned char index[8] = {0};
        double place[3], step[3];
        put_derivation(&group, r, frame[i].z);
        for (int k = 0; k < 4; k++) {
            index[k] = (unsigned char)((uint32_t)(frame[i].label + 1) >> (8 * k));
            index[4 + k] = (unsigned char)((uint32_t)(frame[i].z + 1) >> (8 * k));
        }
        dicom_put(&item, 0x00209157, "UL", index, sizeof index);
        dicom_put_item(&items, &item);
        dicom_put_sequence(&group, 0x00209111, &items); /* Frame Content */
        to_lps(place, g, 3, 1);
        to_lps(step, g, 2, frame[i].z);
        for (int k = 0; k < 3; k++) place[k] += step[k];
        dicom_put_decimals(&item, 0x00200032, place, 3);
        dicom_put_item(&items, &item);
        dicom_put_sequence(&group, 0x00209113, &items); /* Plane Position */
        dicom_put_number(&item, 0x0062000b, "US", (uint32_t)frame[i].label + 1);
        dicom_put_item(&items, &item);
        dicom_put_sequence(&group, 0x0062000a, &items); /* Segment Identification */
        dicom_put_item(&groups, &group);
    }
    dicom_put_sequence(set, 0x52009230, &groups);
}

/* A bit a voxel, the first in the lowest; frames follow each other without a gap. */
static int put_pixels(struct text *set, const uint16_t *map, const struct dicom_label *label,
                      const struct frame *frame, int count, const struct volume *g)
{
    size_t plane = (size_t)g->size[0] * (size_t)g->size[1], bytes = (plane * (size_t)count + 7) / 8;
    unsigned char *bits = calloc(bytes + 1, 1);
    for (int i = 0; bits && i < count; i++)
        for (size_t k = 0; k < plane; k++) {
            size_t at = (size_t)i * plane + k;
            if (map[(size_t)frame[i].z * plane + k] == label[frame[i].label].value)
                bits[at / 8] |= (unsigned char)(1 << at % 8);
        }
    if (bits && bytes < UINT32_MAX) dicom_put(set, 0x7fe00010, "OB", bits, bytes);
    int lost = !bits || bytes >= UINT32_MAX;
    free(bits);
    return lost;
}

int dicom_seg_write(const char *path, const uint16_t *map, const struct dicom_label *label, int labels,
                    const struct dicom_reference *r, const char *software, const char *date, const char *time,
                    struct error *e)
{
    const struct volume *g = &r->geometry;
    struct text set = {0}, items = {0}, item = {0};
    char instance[65], series[65], organisation[65];
    int count;
    if (g->size[0] > 65535 || g->size[1] > 65535)
        return error_set(e, "%s: frames of %lld x %lld do not fit DICOM", path, (long long)g->size[0],
                         (long long)g->size[1]);
    struct frame *frame = list_frames(&count, map, label, labels, g);
    if (!frame) return error_set(e, "%s: out of memory for frames", path);
    dicom_object_uid(instance, map, r, "segmentation", date, time);
    dicom_object_uid(series, map, r, "segmentation series", date, time);
    dicom_object_uid(organisation, map, r, "dimension organisation", date, time);
    dicom_put_identity(&set, r, 0x00080005, 0x00080005);
    dicom_put_text(&set, 0x00080008, "CS", "DERIVED\\PRIMARY");
    dicom_put_text(&set, 0x00080016, "UI", SEGMENTATION_CLASS);
    dicom_put_text(&set, 0x00080018, "UI", instance);
    dicom_put_identity(&set, r, 0x00080020, 0x00080020);
    dicom_put_text(&set, 0x00080021, "DA", date);
    dicom_put_text(&set, 0x00080023, "DA", date);
    dicom_put_identity(&set, r, 0x00080030, 0x00080030);
    dicom_put_text(&set, 0x00080031, "TM", time);
    dicom_put_text(&set, 0x00080033, "TM", time);
    dicom_put_identity(&set, r, 0x00080050, 0x00080050);
    dicom_put_text(&set, 0x00080060, "CS", "SEG");
    dicom_put_text(&set, 0x00080070, "LO", "nephron");
    dicom_put_identity(&set, r, 0x00080090, 0x00080090);
    dicom_put_text(&set, 0x0008103e, "LO", "Segmentation");
    dicom_put_text(&set, 0x00081090, "LO", "nephron");
    dicom_put_images(&item, r, 0, (int)g->size[2]);
    struct text images = item;
    item = (struct text){0};
    dicom_put_sequence(&item, 0x0008114a, &images);
    dicom_put_text(&item, 0x0020000e, "UI", r->series_uid);
    dicom_put_item(&items, &item);
    dicom_put_sequence(&set, 0x00081115, &items); /* Referenced Series */
    dicom_put_identity(&set, r, 0x00100010, 0x00100040);
    dicom_put_text(&set, 0x00181000, "LO", "1");
    dicom_put_text(&set, 0x00181020, "LO", software);
    dicom_put_identity(&set, r, 0x0020000d, 0x0020000d);
    dicom_put_text(&set, 0x0020000e, "UI", series);
    dicom_put_identity(&set, r, 0x00200010, 0x00200010);
    dicom_put_integer(&set, 0x00200011, 100);
    dicom_put_integer(&set, 0x00200013, 1);
    dicom_put_text(&set, 0x00200052, "UI", r->frame_of_reference);
    dicom_put_text(&set, 0x00201040, "LO", "");
    put_dimensions(&set, organisation);
    dicom_put_number(&set, 0x00280002, "US", 1);
    dicom_put_text(&set, 0x00280004, "CS", "MONOCHROME2");
    dicom_put_integer(&set, 0x00280008, count);
    dicom_put_number(&set, 0x00280010, "US", (uint32_t)g->size[1]);
    dicom_put_number(&set, 0x00280011, "US", (uint32_t)g->size[0]);
    dicom_put_number(&set, 0x00280100, "US", 1);
    dicom_put_number(&set, 0x00280101, "US", 1);
    dicom_put_number(&set, 0x00280102, "US", 0);
    dicom_put_number(&set, 0x00280103, "US", 0);
    dicom_put_text(&set, 0x00282110, "CS", "00");
    dicom_put_text(&set, 0x00620001, "CS", "BINARY");
    put_segments(&set, label, labels, r, software);
    dicom_put_text(&set, 0x00700080, "CS", "SEGMENTATION");
    dicom_put_text(&set, 0x00700081, "LO", "Labels of an automatic segmentation");
    dicom_put_text(&set, 0x00700084, "PN", "nephron^automatic");
    put_shared_groups(&set, g);
    put_frame_groups(&set, frame, count, r);
    int lost = put_pixels(&set, map, label, frame, count, g);
    free(frame);
    if (lost) {
        free(set.data);
        return error_set(e, "%s: out of memory for %d frames, or more than 4 GB", path, count);
    }
    return dicom_write_file(path, SEGMENTATION_CLASS, instance, &set, e);
}
