/* dicom.c - the data elements of a DICOM file. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/dicom/dicom_file.h"
#include "io/pack/gzip.h"
#include "io/base/text.h"
#include "io/pack/inflate.h"

enum { DEPTH_MAX = 16, PREAMBLE = 128 };
#define UNDEFINED 0xffffffffu
#define ITEM 0xfffee000u
#define ITEM_END 0xfffee00du
#define SEQUENCE_END 0xfffee0ddu
#define TRANSFER_SYNTAX 0x00020010u
#define PIXEL_DATA 0x7fe00010u

/* The form of the value, for implicit VR does not tell: T text, D decimal text, U 16-bit, L 32-bit, F 64-bit
 * float, Q sequence, P pixels. */
static const struct {
    uint32_t tag;
    char form;
    const char *name;
} fields[DICOM_FIELDS] = {
    [DICOM_IMAGE_TYPE] = {0x00080008, 'T', "Image Type"},
    [DICOM_SOP_INSTANCE_UID] = {0x00080018, 'T', "SOP Instance UID"},
    [DICOM_MODALITY] = {0x00080060, 'T', "Modality"},
    [DICOM_MANUFACTURER] = {0x00080070, 'T', "Manufacturer"},
    [DICOM_SERIES_DESCRIPTION] = {0x0008103e, 'T', "Series Description"},
    [DICOM_SLICE_THICKNESS] = {0x00180050, 'D', "Slice Thickness"},
    [DICOM_REPETITION_TIME] = {0x00180080, 'D', "Repetition Time"},
    [DICOM_ECHO_TIME] = {0x00180081, 'D', "Echo Time"},
    [DICOM_ECHO_NUMBER] = {0x00180086, 'D', "Echo Number(s)"},
    [DICOM_FIELD_STRENGTH] = {0x00180087, 'D', "Magnetic Field Strength"},
    [DICOM_SLICE_SPACING] = {0x00180088, 'D', "Spacing Between Slices"},
    [DICOM_TRIGGER_TIME] = {0x00181060, 'D', "Trigger Time"},
    [DICOM_IMAGER_PIXEL_SPACING] = {0x00181164, 'D', "Imager Pixel Spacing"},
    [DICOM_EFFECTIVE_ECHO_TIME] = {0x00189082, 'F', "Effective Echo Time"},
    [DICOM_B_VALUE] = {0x00189087, 'F', "Diffusion b-value"},
    [DICOM_TIMING_SEQUENCE] = {0x00189112, 'Q', "MR Timing and Related Parameters Sequence"},
    [DICOM_ECHO_SEQUENCE] = {0x00189114, 'Q', "MR Echo Sequence"},
    [DICOM_DIFFUSION_SEQUENCE] = {0x00189117, 'Q', "MR Diffusion Sequence"},
    [DICOM_SERIES_INSTANCE_UID] = {0x0020000e, 'T', "Series Instance UID"},
    [DICOM_ACQUISITION_NUMBER] = {0x00200012, 'D', "Acquisition Number"},
    [DICOM_INSTANCE_NUMBER] = {0x00200013, 'D', "Instance Number"},
    [DICOM_IMAGE_POSITION] = {0x00200032, 'D', "Image Position (Patient)"},
    [DICOM_IMAGE_ORIENTATION] = {0x00200037, 'D', "Image Orientation (Patient)"},
    [DICOM_TEMPORAL_POSITION] = {0x00200100, 'D', "Temporal Position Identifier"},
    [DICOM_FRAME_CONTENT_SEQUENCE] = {0x00209111, 'Q', "Frame Content Sequence"},
    [DICOM_PLANE_POSITION_SEQUENCE] = {0x00209113, 'Q', "Plane Position Sequence"},
    [DICOM_PLANE_ORIENTATION_SEQUENCE] = {0x00209116, 'Q', "Plane Orientation Sequence"},
    [DICOM_TEMPORAL_INDEX] = {0x00209128, 'L', "Temporal Position Index"},
    [DICOM_SAMPLES_PER_PIXEL] = {0x00280002, 'U', "Samples per Pixel"},
    [DICOM_PHOTOMETRIC] = {0x00280004, 'T', "Photometric Interpretation"},
    [DICOM_NUMBER_OF_FRAMES] = {0x00280008, 'D', "Number of Frames"},
    [DICOM_ROWS] = {0x00280010, 'U', "Rows"},
    [DICOM_COLUMNS] = {0x00280011, 'U', "Columns"},
    [DICOM_PIXEL_SPACING] = {0x00280030, 'D', "Pixel Spacing"},
    [DICOM_BITS_ALLOCATED] = {0x00280100, 'U', "Bits Allocated"},
    [DICOM_BITS_STORED] = {0x00280101, 'U', "Bits Stored"},
    [DICOM_HIGH_BIT] = {0x00280102, 'U', "High Bit"},
    [DICOM_PIXEL_REPRESENTATION] = {0x00280103, 'U', "Pixel Representation"},
    [DICOM_RESCALE_INTERCEPT] = {0x00281052, 'D', "Rescale Intercept"},
    [DICOM_RESCALE_SLOPE] = {0x00281053, 'D', "Rescale Slope"},
    [DICOM_MODALITY_LUT] = {0x00283000, 'Q', "Modality LUT Sequence"},
    [DICOM_PIXEL_MEASURES_SEQUENCE] = {0x00289110, 'Q', "Pixel Measures Sequence"},
    [DICOM_PIXEL_VALUE_SEQUENCE] = {0x00289145, 'Q', "Pixel Value Transformation Sequence"},
    [DICOM_SHARED_GROUPS] = {0x52009229, 'Q', "Shared Functional Groups Sequence"},
    [DICOM_FRAME_GROUPS] = {0x52009230, 'Q', "Per-Frame Functional Groups Sequence"},
    [DICOM_NOMINAL_PIXEL_SPACING] = {0x00182010, 'D', "Nominal Scanned Pixel Spacing"},
    [DICOM_REAL_WORLD_SEQUENCE] = {0x00409096, 'Q', "Real World Value Mapping Sequence"},
    [DICOM_REAL_WORLD_INTERCEPT] = {0x00409224, 'F', "Real World Value Intercept"},
    [DICOM_REAL_WORLD_SLOPE] = {0x00409225, 'F', "Real World Value Slope"},
    [DICOM_ENERGY_VECTOR] = {0x00540010, 'U', "Energy Window Vector"},
    [DICOM_DETECTOR_VECTOR] = {0x00540020, 'U', "Detector Vector"},
    [DICOM_DETECTOR_SEQUENCE] = {0x00540022, 'Q', "Detector Information Sequence"},
    [DICOM_PHASE_VECTOR] = {0x00540030, 'U', "Phase Vector"},
    [DICOM_ROTATION_VECTOR] = {0x00540050, 'U', "Rotation Vector"},
    [DICOM_RR_VECTOR] = {0x00540060, 'U', "R-R Interval Vector"},
    [DICOM_TIME_SLOT_VECTOR] = {0x00540070, 'U', "Time Slot Vector"},
    [DICOM_SLICE_VECTOR] = {0x00540080, 'U', "Slice Vector"},
    [DICOM_ANGLE_VECTOR] = {0x00540090, 'U', "Angular View Vector"},
    [DICOM_TIME_SLICE_VECTOR] = {0x00540100, 'U', "Time Slice Vector"},
    [DICOM_GRID_OFFSETS] = {0x3004000c, 'D', "Grid Frame Offset Vector"},
    [DICOM_DOSE_SCALING] = {0x3004000e, 'D', "Dose Grid Scaling"},
    [DICOM_SEGMENT_SEQUENCE] = {0x0062000a, 'Q', "Segment Identification Sequence"},
    [DICOM_SEGMENTS] = {0x00620002, 'Q', "Segment Sequence"},
    [DICOM_SEGMENT_OWN_NUMBER] = {0x00620004, 'U', "Segment Number"},
    [DICOM_SEGMENT_LABEL] = {0x00620005, 'T', "Segment Label"},
    [DICOM_SEGMENT_NUMBER] = {0x0062000b, 'U', "Referenced Segment Number"},
    [DICOM_STRUCTURE_SEQUENCE] = {0x30060020, 'Q', "Structure Set ROI Sequence"},
    [DICOM_STRUCTURE_NAME] = {0x30060026, 'T', "ROI Name"},
    [DICOM_REFERENCED_SERIES] = {0x00081115, 'Q', "Referenced Series Sequence"},
    [DICOM_CHARACTER_SET] = {0x00080005, 'T', "Specific Character Set"},
    [DICOM_SOP_CLASS_UID] = {0x00080016, 'T', "SOP Class UID"},
    [DICOM_STUDY_DATE] = {0x00080020, 'T', "Study Date"},
    [DICOM_STUDY_TIME] = {0x00080030, 'T', "Study Time"},
    [DICOM_ACCESSION_NUMBER] = {0x00080050, 'T', "Accession Number"},
    [DICOM_REFERRING_PHYSICIAN] = {0x00080090, 'T', "Referring Physician's Name"},
    [DICOM_PATIENT_NAME] = {0x00100010, 'T', "Patient's Name"},
    [DICOM_PATIENT_ID] = {0x00100020, 'T', "Patient ID"},
    [DICOM_BIRTH_DATE] = {0x00100030, 'T', "Patient's Birth Date"},
    [DICOM_SEX] = {0x00100040, 'T', "Patient's Sex"},
    [DICOM_STUDY_UID] = {0x0020000d, 'T', "Study Instance UID"},
    [DICOM_STUDY_ID] = {0x00200010, 'T', "Study ID"},
    [DICOM_FRAME_OF_REFERENCE] = {0x00200052, 'T', "Frame of Reference UID"},
    [DICOM_LOSSY] = {0x00282110, 'T', "Lossy Image Compression"},
    [DICOM_LOSSY_RATIO] = {0x00282112, 'T', "Lossy Image Compression Ratio"},
    [DICOM_LOSSY_METHOD] = {0x00282114, 'T', "Lossy Image Compression Method"},
    [DICOM_PIXEL_DATA] = {PIXEL_DATA, 'P', "Pixel Data"},
};

static const struct dicom_syntax syntaxes[] = {
    {"1.2.840.10008.1.2", "Implicit VR Little Endian", DICOM_NATIVE, 0},
    {"1.2.840.10008.1.2.1", "Explicit VR Little Endian", DICOM_NATIVE, 0},
    {"1.2.840.10008.1.2.2", "Explicit VR Big Endian", DICOM_NATIVE, 1},
    {"1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian", DICOM_DEFLATED, 0},
    {"1.2.840.10008.1.2.5", "RLE Lossless", DICOM_RLE, 0},
    {"1.2.840.10008.1.2.4.57", "JPEG Lossless (Process 14)", DICOM_JPEG_LOSSLESS, 0},
    {"1.2.840.10008.1.2.4.70", "JPEG Lossless, First-Order Prediction (Process 14, Selection Value 1)",
     DICOM_JPEG_LOSSLESS, 0},
    {"1.2.840.10008.1.2.1.98", "Encapsulated Uncompressed Explicit VR Little Endian", DICOM_UNSUPPORTED, 0},
    {"1.2.840.10008.1.2.4.50", "JPEG Baseline (Process 1)", DICOM_JPEG_BASELINE, 0},
    {"1.2.840.10008.1.2.4.51", "JPEG Extended (Process 2 and 4)", DICOM_JPEG_BASELINE, 0},
    {"1.2.840.10008.1.2.4.80", "JPEG-LS Lossless", DICOM_JPEG_LS, 0},
    {"1.2.840.10008.1.2.4.81", "JPEG-LS Near-Lossless", DICOM_JPEG_LS, 0},
    {"1.2.840.10008.1.2.4.90", "JPEG 2000 Lossless", DICOM_JPEG_2000, 0},
    {"1.2.840.10008.1.2.4.91", "JPEG 2000", DICOM_JPEG_2000, 0},
    {"1.2.840.10008.1.2.4.110", "JPEG XL Lossless", DICOM_UNSUPPORTED, 0},
    {"1.2.840.10008.1.2.4.112", "JPEG XL", DICOM_UNSUPPORTED, 0},
    {"1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000 Lossless", DICOM_UNSUPPORTED, 0},
    {"1.2.840.10008.1.2.4.203", "High-Throughput JPEG 2000", DICOM_UNSUPPORTED, 0},
    {"1.2.840.10008.1.2.4.100", "MPEG2 Main Profile", DICOM_UNSUPPORTED, 0},
    {"1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264 High Profile", DICOM_UNSUPPORTED, 0},
};
enum {
    SYNTAXES = sizeof syntaxes / sizeof *syntaxes,
    IMPLICIT_LITTLE = 0,
    EXPLICIT_LITTLE = 1,
    EXPLICIT_BIG = 2
};

/* ---- data elements ------------------------------------------------------------------------------------- */

static uint64_t read_number(const unsigned char *p, int n, int big)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++) v |= (uint64_t)p[big ? n - 1 - i : i] << (8 * i);
    return v;
}

static uint32_t read_tag(const unsigned char *p, int big)
{
    return (uint32_t)(read_number(p, 2, big) << 16 | read_number(p + 2, 2, big));
}

static int is_letters(const unsigned char *p)
{
    return p[0] >= 'A' && p[0] <= 'Z' && p[1] >= 'A' && p[1] <= 'Z';
}

/* Is the VR at p in a list like "OB OW SQ"? */
static int vr_in(const unsigned char *p, const char *list)
{
    const char vr[3] = {(char)p[0], (char)p[1], 0};
    return is_letters(p) && strstr(list, vr) != NULL;
}

static const char short_vrs[] =
    "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US"; /* with a 16-bit length */
static const char long_vrs[] = "OB OD OF OL OV OW SQ SV UC UN UR UT UV";

static int is_known_vr(const unsigned char *p)
{
    return vr_in(p, short_vrs) || vr_in(p, long_vrs);
}

static int skip_items(const struct dicom_span *s, size_t *at, int depth, struct error *e);

/* Tag, VR and length at *at, which moves to the value. Items have no VR; a VR that is no letters means an
 * implicit element among explicit ones, as some devices write; letters that we do not know have the long form
 * (PS3.5 section 6.2, note on later VRs). */
static int read_element_head(const struct dicom_span *s, size_t *at, uint32_t *tag, struct dicom_element *el,
                             uint32_t *length, struct error *e)
{
    const unsigned char *p = s->data + *at;
    size_t left = s->size - *at, head = 8;
    if (left < 8) return error_set(e, "cut off: %zu bytes where a data element should be", left);
    *tag = read_tag(p, s->big);
    *el = (struct dicom_element){.value = *s};
    if (*tag >> 16 == 0xfffe || !s->explicit_vr || !is_letters(p + 4)) {
        *length = (uint32_t)read_number(p + 4, 4, s->big);
    } else {
        memcpy(el->vr, p + 4, 2);
        int is_short = vr_in(p + 4, short_vrs);
        head = is_short ? 8 : 12;
        if (left < head) return error_set(e, "cut off within element (%04X,%04X)", *tag >> 16, *tag & 0xffff);
        *length = (uint32_t)(is_short ? read_number(p + 6, 2, s->big) : read_number(p + 8, 4, s->big));
        if (*length == UNDEFINED && vr_in(p + 4, "UN"))
            el->value.explicit_vr = el->value.big = 0; /* PS3.5 section 6.2.2, note 1 */
    }
    *at += head;
    el->value.data = s->data + *at;
    el->value.size = s->size - *at;
    el->undefined = *length == UNDEFINED;
    return 0;
}

/* The element at *at, which moves behind it. The top level's pixel data may be cut off, which matters only to
 * who wants them. */
static int next_element(const struct dicom_span *s, size_t *at, uint32_t *tag, struct dicom_element *el,
                        int depth, struct error *e)
{
    uint32_t length = 0;
    if (read_element_head(s, at, tag, el, &length, e)) return -1;
    size_t left = s->size - *at;
    if (el->undefined && *tag == PIXEL_DATA && depth == 0) {
        *at = s->size;
    } else if (el->undefined) {
        size_t end = 0;
        if (skip_items(&el->value, &end, depth + 1, e)) return -1;
        el->value.size = end;
        *at += end;
    } else {
        if (length > left && !(*tag == PIXEL_DATA && depth == 0))
            return error_set(e, "cut off: element (%04X,%04X) has %u bytes, %zu are left", *tag >> 16,
                             *tag & 0xffff, (unsigned)length, left);
        el->value.size = length < left ? length : left;
        *at += el->value.size;
    }
    return 0;
}

/* To the end of an item of undefined length, behind its delimiter. */
static int skip_set(const struct dicom_span *s, size_t *at, int depth, struct error *e)
{
    uint32_t tag;
    struct dicom_element el;
    do
        if (next_element(s, at, &tag, &el, depth, e)) return -1;
    while (tag != ITEM_END);
    return 0;
}

/* The item at *at, which moves behind it: 1; 0 at the end of the sequence. */
static int next_item(struct dicom_span *item, const struct dicom_span *s, size_t *at, int undefined,
                     int depth, struct error *e)
{
    if (*at >= s->size && !undefined) return 0;
    size_t left = s->size - *at;
    if (left < 8) return error_set(e, "cut off: %zu bytes where an item of a sequence should be", left);
    const unsigned char *p = s->data + *at;
    uint32_t tag = read_tag(p, s->big), length = (uint32_t)read_number(p + 4, 4, s->big);
    *at += 8;
    if (tag == SEQUENCE_END) return 0;
    if (tag != ITEM)
        return error_set(e, "(%04X,%04X) where an item of a sequence should be", tag >> 16, tag & 0xffff);
    *item = *s;
    item->data = s->data + *at;
    item->size = length;
    if (length == UNDEFINED) {
        size_t begin = *at;
        if (skip_set(s, at, depth, e)) return -1;
        item->size = *at - begin - 8;
        return 1;
    }
    if (length > left - 8)
        return error_set(e, "cut off: an item has %u bytes, %zu are left", (unsigned)length, left - 8);
    *at += length;
    return 1;
}

static int skip_items(const struct dicom_span *s, size_t *at, int depth, struct error *e)
{
    struct dicom_span item;
    int more;
    if (depth > DEPTH_MAX) return error_set(e, "sequences are nested more than %d deep", DEPTH_MAX);
    while ((more = next_item(&item, s, at, 1, depth, e)) > 0) continue;
    return more;
}

int dicom_next_item(struct dicom_span *item, const struct dicom_element *sequence, size_t *at,
                    struct error *e)
{
    return next_item(item, &sequence->value, at, sequence->undefined, 1, e);
}

static int find_field(uint32_t tag)
{
    for (int i = 0; i < DICOM_FIELDS; i++)
        if (fields[i].tag == tag) return i;
    return -1;
}

static int scan(struct dicom_element element[DICOM_FIELDS], const struct dicom_span *set, int depth,
                struct error *e)
{
    size_t at = 0;
    uint32_t tag = 0;
    memset(element, 0, DICOM_FIELDS * sizeof *element);
    while (at < set->size && tag != PIXEL_DATA) { /* what comes after the pixels is padding and signatures */
        struct dicom_element el;
        if (next_element(set, &at, &tag, &el, depth, e)) return -1;
        int i = find_field(tag);
        if (i >= 0 && !element[i].value.data) element[i] = el;
    }
    return 0;
}

int dicom_scan(struct dicom_element element[DICOM_FIELDS], const struct dicom_span *set, struct error *e)
{
    return scan(element, set, 1, e);
}

/* ---- files --------------------------------------------------------------------------------------------- */

/* A first element of group 0002 or 0008, for files that lack the preamble. Raw voxels can look like one
 * without VR: there the second element must be of the same group too. */
static int begins_set(const unsigned char *p, size_t size)
{
    if (size < 8) return 0;
    int big = p[0] == 0 && p[1] == 8;
    uint32_t tag = read_tag(p, big);
    if ((tag >> 16 != 2 && tag >> 16 != 8) || (tag & 0xffff) > 0x18) return 0;
    if (is_known_vr(p + 4)) return vr_in(p + 4, long_vrs) || read_number(p + 6, 2, big) <= 256;
    uint64_t length = read_number(p + 4, 4, 0);
    if (big || tag >> 16 != 8 || length < 2 || length > 64 || length % 2 || size < 12 + length) return 0;
    uint32_t next = read_tag(p + 8 + length, 0);
    return next >> 16 == 8 && next > tag;
}

/* Where the elements begin, or -1. A stray padding byte before them is seen where the head was cut away. */
static int find_begin(const unsigned char *data, size_t size)
{
    if (size >= PREAMBLE + 4 && memcmp(data + PREAMBLE, "DICM", 4) == 0) return PREAMBLE + 4;
    if (begins_set(data, size)) return 0;
    if (size > 1 && (data[0] == 0 || data[0] == ' ') && begins_set(data + 1, size - 1)) return 1;
    return -1;
}

int dicom_recognise(const unsigned char *data, size_t size)
{
    return find_begin(data, size) >= 0;
}

static void copy_text(char *buf, size_t size, const struct dicom_span *value);

/* The file meta information: group 0002, always explicit little endian. */
static int read_meta(struct dicom_file *f, const struct dicom_span *all, size_t *at, struct error *e)
{
    while (all->size - *at >= 8 && read_tag(all->data + *at, 0) >> 16 == 2) {
        uint32_t tag;
        struct dicom_element el;
        if (next_element(all, at, &tag, &el, 1, e)) return -1;
        if (tag == TRANSFER_SYNTAX) copy_text(f->syntax_uid, sizeof f->syntax_uid, &el.value);
    }
    return 0;
}

static void choose_syntax(struct dicom_file *f, const struct dicom_span *set)
{
    f->syntax = (struct dicom_syntax){f->syntax_uid, "unknown", DICOM_UNSUPPORTED, 0};
    for (int i = 0; i < SYNTAXES; i++)
        if (strcmp(syntaxes[i].uid, f->syntax_uid) == 0) f->syntax = syntaxes[i];
    if (f->syntax_uid[0]) return;
    int big = set->size >= 8 && set->data[0] == 0, explicit_vr = set->size >= 8 && is_known_vr(set->data + 4);
    f->syntax = syntaxes[big ? EXPLICIT_BIG : explicit_vr ? EXPLICIT_LITTLE : IMPLICIT_LITTLE];
}

static int open_set(struct dicom_file *f, const unsigned char *data, size_t size, struct error *e)
{
    int begin = find_begin(data, size);
    if (begin < 0)
        return error_set(e, "no DICOM file: neither 'DICM' after 128 bytes nor a data element at the start");
    struct dicom_span set = {data, size, 1, 0};
    size_t at = (size_t)begin;
    if (read_meta(f, &set, &at, e)) return -1;
    set.data += at;
    set.size -= at;
    choose_syntax(f, &set);
    set.big = f->syntax.big;
    if (f->syntax.encoding == DICOM_DEFLATED) {
        if (inflate_raw(set.data, set.size, 0, SIZE_MAX / 2, &f->inflated, &set.size, NULL, e)) return -1;
        set.data = f->inflated;
    }
    /* The first element shows its VR or not: some devices state one syntax and write the other. */
    set.explicit_vr = set.size >= 8 && is_known_vr(set.data + 4);
    f->size = set.size;
    return scan(f->element, &set, 0, e);
}

int dicom_file_open(struct dicom_file *f, const unsigned char *data, size_t size, const char *name,
                    struct error *e)
{
    memset(f, 0, sizeof *f);
    f->name = name;
    if (open_set(f, data, size, e) == 0) return 0;
    dicom_file_close(f);
    return error_prefix(e, "%s", name);
}

void dicom_file_close(struct dicom_file *f)
{
    free(f->inflated);
    f->inflated = NULL;
}

/* ---- values -------------------------------------------------------------------------------------------- */

static void trim(const char **text, size_t *size)
{
    while (*size && (**text == ' ' || **text == 0)) ++*text, --*size;
    while (*size && ((*text)[*size - 1] == ' ' || (*text)[*size - 1] == 0)) --*size;
}

static void copy_text(char *buf, size_t size, const struct dicom_span *value)
{
    const char *text = (const char *)value->data;
    size_t left = value->size, n = 0;
    trim(&text, &left);
    while (left > 0) {
        int whole = text_utf8_length(text, text + left), used = whole ? whole : 1;
        if (n + (size_t)used >= size) break;
        memcpy(buf + n, text, (size_t)used);
        if (!whole || (unsigned char)*text < 32 || *text == 127) buf[n] = '?';
        n += (size_t)used;
        text += used;
        left -= (size_t)used;
    }
    buf[n] = 0;
}

void dicom_text(char *buf, size_t size, const struct dicom_element element[DICOM_FIELDS],
                enum dicom_field field)
{
    buf[0] = 0;
    if (element[field].value.data) copy_text(buf, size, &element[field].value);
}

static int bad_value(const struct dicom_element element[DICOM_FIELDS], enum dicom_field field,
                     const char *what, struct error *e)
{
    char text[65];
    dicom_text(text, sizeof text, element, field);
    return error_set(e, "%s (%04X,%04X) is '%s', %s", fields[field].name, fields[field].tag >> 16,
                     fields[field].tag & 0xffff, text, what);
}

/* Numbers as text, between backslashes. */
static int parse_decimals(double *v, int max, const struct dicom_span *value)
{
    const char *text = (const char *)value->data, *end = text + value->size;
    int n = 0;
    while (n < max && text <= end) {
        const char *next = memchr(text, '\\', (size_t)(end - text)), *number = text;
        size_t size = (size_t)((next ? next : end) - text);
        trim(&number, &size);
        if (size == 0 && n == 0 && !next) return 0;
        if (text_parse_double(&v[n], number, size) || !isfinite(v[n])) return -1;
        n++;
        if (!next) break;
        text = next + 1;
    }
    return n;
}

int dicom_numbers(double *v, int max, const struct dicom_element element[DICOM_FIELDS],
                  enum dicom_field field, struct error *e)
{
    const struct dicom_span *value = &element[field].value;
    int n, width = fields[field].form == 'U' ? 2 : fields[field].form == 'L' ? 4 : 8;
    if (!value->data) return 0;
    if (fields[field].form == 'D') {
        n = parse_decimals(v, max, value);
        return n < 0 ? bad_value(element, field, "which is no number", e) : n;
    }
    for (n = 0; n < max && value->size >= (size_t)(n + 1) * (size_t)width; n++) {
        uint64_t bits = read_number(value->data + n * width, width, value->big);
        v[n] = (double)bits;
        if (width == 8) memcpy(&v[n], &bits, 8);
        if (!isfinite(v[n]))
            return error_set(e, "%s (%04X,%04X) is not finite", fields[field].name, fields[field].tag >> 16,
                             fields[field].tag & 0xffff);
    }
    return n;
}

/* "-3.25e-1": two digits behind the point, and the power of ten. */
static double unit_of(const char *text, size_t size)
{
    int decimals = 0, power = 0, sign = 1, behind = 0;
    size_t i = 0;
    for (; i < size && text[i] != 'e' && text[i] != 'E'; i++) {
        if (behind) decimals += text[i] >= '0' && text[i] <= '9';
        behind |= text[i] == '.';
    }
    for (i++; i < size; i++) {
        if (text[i] == '-') sign = -1;
        else if (text[i] >= '0' && text[i] <= '9' && power < 400) power = 10 * power + text[i] - '0';
    }
    return pow(10, sign * power - decimals);
}

void dicom_units(double *unit, int n, const struct dicom_element element[DICOM_FIELDS],
                 enum dicom_field field)
{
    const struct dicom_span *value = &element[field].value;
    const char *text = (const char *)value->data, *end = text + value->size;
    for (int i = 0; i < n; i++) {
        const char *next = text ? memchr(text, '\\', (size_t)(end - text)) : NULL, *number = text;
        unit[i] = 0;
        if (!text) continue;
        size_t size = (size_t)((next ? next : end) - text);
        trim(&number, &size);
        unit[i] = size ? unit_of(number, size) : 0;
        text = next ? next + 1 : NULL;
    }
}

int dicom_integer(int *v, const struct dicom_element element[DICOM_FIELDS], enum dicom_field field, int low,
                  int high, const int *otherwise, struct error *e)
{
    double x;
    int n = dicom_numbers(&x, 1, element, field, e);
    uint32_t tag = fields[field].tag;
    if (n < 0) return -1;
    if (n == 0 && !otherwise)
        return error_set(e, "no %s (%04X,%04X)", fields[field].name, tag >> 16, tag & 0xffff);
    if (n == 0) x = *otherwise;
    if (x < low || x > high || x != floor(x))
        return error_set(e, "%s (%04X,%04X) is %g, expected a whole number from %d to %d", fields[field].name,
                         tag >> 16, tag & 0xffff, x, low, high);
    *v = (int)x;
    return 0;
}
