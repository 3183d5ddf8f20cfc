/* dicom_seg.c - a label map as a DICOM Segmentation: a binary segment for each label, a frame for each slice
 * that has it (PS3.3 A.51, C.8.20). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/dicom/dicom_labels.h"
#include "io/dicom/dicom_slices.h"
#include "io/dicom/dicom_tags.h"
#include "io/dicom/dicom_write.h"

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
        dicom_put_code(&item, DCM_SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, "123037004", "SCT",
                       "Anatomical Structure");
        dicom_put_number(&item, DCM_SEGMENT_NUMBER, "US", (uint32_t)l + 1);
        dicom_put_name(&item, DCM_SEGMENT_LABEL, "LO", label[l].name, r);
        dicom_put_text(&item, DCM_SEGMENT_ALGORITHM_TYPE, "CS", "AUTOMATIC");
        dicom_put_text(&item, DCM_SEGMENT_ALGORITHM_NAME, "LO", software);
        dicom_put_code(&item, DCM_SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, "85756007", "SCT", "Tissue");
        dicom_put_item(&items, &item);
    }
    dicom_put_sequence(set, DCM_SEGMENT_SEQUENCE, &items);
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
    dicom_put_decimals(&item, DCM_IMAGE_ORIENTATION_PATIENT, cosines, 6);
    dicom_put_item(&items, &item);
    dicom_put_sequence(&group, DCM_PLANE_ORIENTATION_SEQUENCE, &items);
    dicom_put_decimals(&item, DCM_SLICE_THICKNESS, &distance, 1);
    dicom_put_decimals(&item, DCM_SPACING_BETWEEN_SLICES, &distance, 1);
    dicom_put_decimals(&item, DCM_PIXEL_SPACING, (const double[]){g->spacing[1], g->spacing[0]}, 2);
    dicom_put_item(&items, &item);
    dicom_put_sequence(&group, DCM_PIXEL_MEASURES_SEQUENCE, &items);
    dicom_put_item(&groups, &group);
    dicom_put_sequence(set, DCM_SHARED_FUNCTIONAL_GROUPS_SEQUENCE, &groups);
}

/* Frames are told apart by segment and place. */
static void put_dimensions(struct text *set, const char *organisation)
{
    static const uint32_t pointer[2][2] = {
        {DCM_REFERENCED_SEGMENT_NUMBER, DCM_SEGMENT_IDENTIFICATION_SEQUENCE},
        {DCM_IMAGE_POSITION_PATIENT, DCM_PLANE_POSITION_SEQUENCE}};
    struct text items = {0}, item = {0};
    dicom_put_text(&item, DCM_DIMENSION_ORGANIZATION_UID, "UI", organisation);
    dicom_put_item(&items, &item);
    dicom_put_sequence(set, DCM_DIMENSION_ORGANIZATION_SEQUENCE, &items);
    for (int i = 0; i < 2; i++) {
        dicom_put_text(&item, DCM_DIMENSION_ORGANIZATION_UID, "UI", organisation);
        dicom_put_number(&item, DCM_DIMENSION_INDEX_POINTER, "AT", pointer[i][0]);
        dicom_put_number(&item, DCM_FUNCTIONAL_GROUP_POINTER, "AT", pointer[i][1]);
        dicom_put_text(&item, DCM_DIMENSION_DESCRIPTION_LABEL, "LO",
                       i ? "Image Position Patient" : "Segment Number");
        dicom_put_item(&items, &item);
    }
    dicom_put_sequence(set, DCM_DIMENSION_INDEX_SEQUENCE, &items);
    dicom_put_text(set, DCM_DIMENSION_ORGANIZATION_TYPE, "CS", "3D");
}

/* ---- frames -------------------------------------------------------------------------------------------- */

/* The image that the frame's labels were made of. */
static void put_derivation(struct text *group, const struct dicom_reference *r, int z)
{
    struct text items = {0}, item = {0}, source = {0}, sources = {0};
    const struct dicom_image_uid *image = &r->image[z];
    dicom_put_text(&source, DCM_REFERENCED_SOP_CLASS_UID, "UI", image->class_uid);
    dicom_put_text(&source, DCM_REFERENCED_SOP_INSTANCE_UID, "UI", image->instance_uid);
    if (image->frame) dicom_put_integer(&source, DCM_REFERENCED_FRAME_NUMBER, image->frame);
    dicom_put_code(&source, DCM_PURPOSE_OF_REFERENCE_CODE_SEQUENCE, "121322", "DCM",
                   "Source image for image processing operation");
    dicom_put_item(&sources, &source);
    dicom_put_sequence(&item, DCM_SOURCE_IMAGE_SEQUENCE, &sources);
    dicom_put_code(&item, DCM_DERIVATION_CODE_SEQUENCE, "113076", "DCM", "Segmentation");
    dicom_put_item(&items, &item);
    dicom_put_sequence(group, DCM_DERIVATION_IMAGE_SEQUENCE, &items);
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
        dicom_put(&item, DCM_DIMENSION_INDEX_VALUES, "UL", index, sizeof index);
        dicom_put_item(&items, &item);
        dicom_put_sequence(&group, DCM_FRAME_CONTENT_SEQUENCE, &items);
        to_lps(place, g, 3, 1);
        to_lps(step, g, 2, frame[i].z);
        for (int k = 0; k < 3; k++) place[k] += step[k];
        dicom_put_decimals(&item, DCM_IMAGE_POSITION_PATIENT, place, 3);
        dicom_put_item(&items, &item);
        dicom_put_sequence(&group, DCM_PLANE_POSITION_SEQUENCE, &items);
        dicom_put_number(&item, DCM_REFERENCED_SEGMENT_NUMBER, "US", (uint32_t)frame[i].label + 1);
        dicom_put_item(&items, &item);
        dicom_put_sequence(&group, DCM_SEGMENT_IDENTIFICATION_SEQUENCE, &items);
        dicom_put_item(&groups, &group);
    }
    dicom_put_sequence(set, DCM_PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, &groups);
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
    if (bits && bytes < UINT32_MAX) dicom_put(set, DCM_PIXEL_DATA, "OB", bits, bytes);
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
    dicom_put_identity(&set, r, DCM_SPECIFIC_CHARACTER_SET, DCM_SPECIFIC_CHARACTER_SET);
    dicom_put_text(&set, DCM_IMAGE_TYPE, "CS", "DERIVED\\PRIMARY");
    dicom_put_text(&set, DCM_SOP_CLASS_UID, "UI", DICOM_SEGMENTATION_CLASS);
    dicom_put_text(&set, DCM_SOP_INSTANCE_UID, "UI", instance);
    dicom_put_identity(&set, r, DCM_STUDY_DATE, DCM_STUDY_DATE);
    dicom_put_text(&set, DCM_SERIES_DATE, "DA", date);
    dicom_put_text(&set, DCM_CONTENT_DATE, "DA", date);
    dicom_put_identity(&set, r, DCM_STUDY_TIME, DCM_STUDY_TIME);
    dicom_put_text(&set, DCM_SERIES_TIME, "TM", time);
    dicom_put_text(&set, DCM_CONTENT_TIME, "TM", time);
    dicom_put_identity(&set, r, DCM_ACCESSION_NUMBER, DCM_ACCESSION_NUMBER);
    dicom_put_text(&set, DCM_MODALITY, "CS", "SEG");
    dicom_put_text(&set, DCM_MANUFACTURER, "LO", "nephron");
    dicom_put_identity(&set, r, DCM_REFERRING_PHYSICIAN_NAME, DCM_REFERRING_PHYSICIAN_NAME);
    dicom_put_text(&set, DCM_SERIES_DESCRIPTION, "LO", "Segmentation");
    dicom_put_text(&set, DCM_MANUFACTURER_MODEL_NAME, "LO", "nephron");
    dicom_put_images(&item, r, 0, (int)g->size[2]);
    struct text images = item;
    item = (struct text){0};
    dicom_put_sequence(&item, DCM_REFERENCED_INSTANCE_SEQUENCE, &images);
    dicom_put_text(&item, DCM_SERIES_INSTANCE_UID, "UI", r->series_uid);
    dicom_put_item(&items, &item);
    dicom_put_sequence(&set, DCM_REFERENCED_SERIES_SEQUENCE, &items);
    dicom_put_identity(&set, r, DCM_PATIENT_NAME, DCM_PATIENT_SEX);
    dicom_put_text(&set, DCM_DEVICE_SERIAL_NUMBER, "LO", "1");
    dicom_put_text(&set, DCM_SOFTWARE_VERSIONS, "LO", software);
    dicom_put_identity(&set, r, DCM_STUDY_INSTANCE_UID, DCM_STUDY_INSTANCE_UID);
    dicom_put_text(&set, DCM_SERIES_INSTANCE_UID, "UI", series);
    dicom_put_identity(&set, r, DCM_STUDY_ID, DCM_STUDY_ID);
    dicom_put_integer(&set, DCM_SERIES_NUMBER, 100);
    dicom_put_integer(&set, DCM_INSTANCE_NUMBER, 1);
    dicom_put_text(&set, DCM_FRAME_OF_REFERENCE_UID, "UI", r->frame_of_reference);
    dicom_put_text(&set, DCM_POSITION_REFERENCE_INDICATOR, "LO", "");
    put_dimensions(&set, organisation);
    dicom_put_number(&set, DCM_SAMPLES_PER_PIXEL, "US", 1);
    dicom_put_text(&set, DCM_PHOTOMETRIC_INTERPRETATION, "CS", "MONOCHROME2");
    dicom_put_integer(&set, DCM_NUMBER_OF_FRAMES, count);
    dicom_put_number(&set, DCM_ROWS, "US", (uint32_t)g->size[1]);
    dicom_put_number(&set, DCM_COLUMNS, "US", (uint32_t)g->size[0]);
    dicom_put_number(&set, DCM_BITS_ALLOCATED, "US", 1);
    dicom_put_number(&set, DCM_BITS_STORED, "US", 1);
    dicom_put_number(&set, DCM_HIGH_BIT, "US", 0);
    dicom_put_number(&set, DCM_PIXEL_REPRESENTATION, "US", 0);
    const size_t before = set.size; /* what was made of images with a loss has it too */
    dicom_put_identity(&set, r, DCM_LOSSY_IMAGE_COMPRESSION, DCM_LOSSY_IMAGE_COMPRESSION_METHOD);
    if (set.size == before) dicom_put_text(&set, DCM_LOSSY_IMAGE_COMPRESSION, "CS", "00");
    dicom_put_text(&set, DCM_SEGMENTATION_TYPE, "CS", "BINARY");
    put_segments(&set, label, labels, r, software);
    dicom_put_text(&set, DCM_CONTENT_LABEL, "CS", "SEGMENTATION");
    dicom_put_text(&set, DCM_CONTENT_DESCRIPTION, "LO", "Labels of an automatic segmentation");
    dicom_put_text(&set, DCM_CONTENT_CREATOR_NAME, "PN", "nephron^automatic");
    put_shared_groups(&set, g);
    put_frame_groups(&set, frame, count, r);
    int lost = put_pixels(&set, map, label, frame, count, g);
    free(frame);
    if (lost) {
        free(set.data);
        return error_set(e, "%s: out of memory for %d frames, or more than 4 GB", path, count);
    }
    return dicom_write_file(path, DICOM_SEGMENTATION_CLASS, instance, &set, e);
}
