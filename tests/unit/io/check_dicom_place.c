/* check_dicom_place.c - where DICOM slices lie and what their numbers mean: nuclear medicine's vectors and
 * signed distances, dose grids, positions that their writer rounded, slopes of 0; and what is assumed is
 * told.
 */
#include <unistd.h>

#include "io/base/file.h"
#include "io/dicom/dicom.h"
#include "tests/unit/expect.h"
#include "tests/unit/io/dicom_build.h"

static char folder[] = "/tmp/nephron_check_XXXXXX";
enum { FRAMES = 7, FRAME_BYTES = 24 }; /* of 3 rows of 4 values of 16 bits */

static void put_vector(struct bytes *b, uint32_t tag, const int *v, int n)
{
    put_head(b, tag, "US", (uint32_t)(2 * n));
    for (int i = 0; i < n; i++) put_number(b, (uint64_t)v[i], 2);
}

/* n frames without a place for each; `extra` has what places them. Frame k begins with voxel value k. */
static int parse(struct volume *v, const char *count, const char *position, const char *orientation,
                 const struct bytes *extra, struct error *e)
{
    static struct bytes b;
    static unsigned char pixels[FRAMES * FRAME_BYTES];
    struct image m = plain();
    for (int k = 0; k < FRAMES; k++) pixels[FRAME_BYTES * k] = (unsigned char)k;
    m.frames = count;
    m.position = position;
    m.orientation = orientation;
    m.pixels = pixels;
    m.size = (size_t)(24 * atoi(count));
    m.extra = extra->data;
    m.extra_size = extra->size;
    build(&b, &m);
    return dicom_parse(v, b.data, b.size, "memory", 0, e);
}

/* The place in z (of the patient) of each frame, told by its first voxel. */
static void expect_places(const char *what, const char *count, const char *position, const char *orientation,
                          const struct bytes *extra, const double *z)
{
    struct volume v;
    struct error e = {""};
    int status = parse(&v, count, position, orientation, extra, &e), n = atoi(count);
    CHECK(!status && v.size[2] == n, "%s: %s", what, e.text);
    if (status) return;
    for (int k = 0; k < n; k++) {
        int frame = (int)v.voxel[12 * k];
        CHECK_NEAR(v.affine[2][3] + k * v.affine[2][2], z[frame], 1e-9, "%s: frame %d", what, frame);
    }
    volume_free(&v);
}

static void refuse(const char *what, const char *says, const char *count, const char *position,
                   const char *orientation, const struct bytes *extra)
{
    struct volume v;
    struct error e = {""};
    int status = parse(&v, count, position, orientation, extra, &e);
    CHECK(status && strstr(e.text, says), "%s: want '%s', got '%s'", what, says,
          status ? e.text : "a volume");
    if (!status) volume_free(&v);
}

static const char axial[] = "1\\0\\0\\0\\1\\0", upward[] = "1\\0\\0\\0\\-1\\0";

static void check_nuclear(void)
{
    static struct bytes x, item, detector;
    static const int slices[] = {3, 1, 2, 4}, one_each[] = {1, 2, 3, 4}, same[] = {1, 1, 1, 1};
    struct volume v;
    struct error e;
    x.size = 0;
    put_text(&x, 0x00180088, "DS", "-4");
    expect_places("distance of -4", "4", "-10\\-20\\100", axial, &x, (const double[]){100, 96, 92, 88});
    CHECK(!parse(&v, "4", "-10\\-20\\100", axial, &x, &e) && v.affine[2][2] == -4 &&
              strstr(v.assumed, "follow each other"),
          "order of the file: %s", v.assumed);
    volume_free(&v);
    expect_places("distance of -4, normal to the feet", "4", "-10\\-20\\100", upward, &x,
                  (const double[]){100, 104, 108, 112});
    put_vector(&x, 0x00540080, slices, 4);
    expect_places("Slice Vector", "4", "-10\\-20\\100", axial, &x, (const double[]){92, 100, 96, 88});
    put_vector(&x, 0x00540020, same, 4);
    expect_places("and one detector", "4", "-10\\-20\\100", axial, &x, (const double[]){92, 100, 96, 88});
    x.size = 0;
    put_vector(&x, 0x00540080, one_each, 3);
    refuse("a short Slice Vector", "Slice Vector (0054,0080) has 3 values for 4 frames", "4", "0\\0\\0",
           axial, &x);
    /* Place and direction in the Detector Information Sequence. */
    item.size = detector.size = x.size = 0;
    put_text(&item, 0x00200032, "DS", "1\\2\\50");
    put_text(&item, 0x00200037, "DS", upward);
    put_item(&detector, item.data, item.size);
    put_text(&x, 0x00180088, "DS", "2.5");
    put_head(&x, 0x00540022, "SQ", (uint32_t)detector.size);
    put(&x, detector.data, detector.size);
    expect_places("place of the detector", "3", "", "", &x, (const double[]){50, 47.5, 45});
    /* Frames of several views, detectors, times are no slices of one volume. */
    x.size = 0;
    put_vector(&x, 0x00540090, one_each, 4);
    refuse("angular views", "holds 4 volumes", "4", "0\\0\\0", axial, &x);
    /* Without any distance one is assumed and told. */
    x.size = 0;
    put_text(&x, 0x00180050, "DS", "3");
    CHECK(!parse(&v, "2", "0\\0\\0", axial, &x, &e) && v.spacing[2] == 3 &&
              strstr(v.assumed, "distance of slices: Slice Thickness"),
          "a thickness: %s", v.assumed);
    volume_free(&v);
    x.size = 0;
    CHECK(!parse(&v, "2", "0\\0\\0", axial, &x, &e) && v.spacing[2] == 1 &&
              strstr(v.assumed, "distance of slices 1 mm"),
          "no distance: %s", v.assumed);
    volume_free(&v);
}

static void check_dose(void)
{
    static struct bytes x;
    struct volume v;
    struct error e;
    x.size = 0;
    put_text(&x, 0x3004000c, "DS", "0\\2.5\\5\\7.5");
    expect_places("relative offsets", "4", "0\\0\\-40", axial, &x, (const double[]){-40, -37.5, -35, -32.5});
    put_text(&x, 0x3004000e, "DS", "0.25");
    CHECK(!parse(&v, "4", "0\\0\\-40", axial, &x, &e) && v.voxel[36] == 0.75f, "Dose Grid Scaling: %g",
          v.voxel[36]);
    volume_free(&v);
    x.size = 0;
    put_text(&x, 0x3004000c, "DS", "-40\\-42.5\\-45\\-47.5");
    expect_places("places, downwards", "4", "0\\0\\-40", axial, &x, (const double[]){-40, -42.5, -45, -47.5});
    expect_places("places, with the normal to the feet", "4", "0\\0\\-40", upward, &x,
                  (const double[]){-40, -42.5, -45, -47.5});
    x.size = 0;
    put_text(&x, 0x3004000c, "DS", "0\\5\\2.5\\7.5");
    expect_places("offsets in any order", "4", "0\\0\\-40", axial, &x,
                  (const double[]){-40, -35, -37.5, -32.5});
    x.size = 0;
    put_text(&x, 0x3004000c, "DS", "0\\2.5\\5");
    refuse("too few offsets", "Grid Frame Offset Vector (3004,000C) has 3 values for 4 frames", "4",
           "0\\0\\-40", axial, &x);
    x.size = 0;
    put_text(&x, 0x3004000c, "DS", "7\\2.5\\5\\9");
    refuse("an offset of nowhere", "neither 0 nor -40", "4", "0\\0\\-40", axial, &x);
    x.size = 0;
    put_text(&x, 0x3004000c, "DS", "0\\2.5\\5\\9");
    refuse("uneven offsets", "are 4 mm apart, other neighbours 2.5 mm", "4", "0\\0\\-40", axial, &x);
    x.size = 0;
    put_text(&x, 0x3004000e, "DS", "0");
    refuse("a dose scaling of 0", "(3004,000E) is 0", "4", "0\\0\\-40", axial, &x);
}

/* ---- series -------------------------------------------------------------------------------------------- */

static void write_slice(int i, const char *position, const char *slope)
{
    static struct bytes b;
    struct image m = plain();
    char path[300], instance[32];
    struct error e;
    snprintf(path, sizeof path, "%s/s%03d", folder, i);
    snprintf(instance, sizeof instance, "1.2.3.%d", i);
    m.instance = instance;
    m.position = position;
    m.slope = slope;
    build(&b, &m);
    CHECK(file_write(path, b.data, b.size, &e) == 0, "%s", e.text);
}

static void clear_folder(void)
{
    char path[300];
    for (int i = 0; i < 64; i++) {
        snprintf(path, sizeof path, "%s/s%03d", folder, i);
        unlink(path);
    }
}

/* Slices at places with so many decimals, and the folder of n of them. */
struct rounded {
    double first, distance;
    int decimals;
};

static void write_rounded(const struct rounded *r, double i, int name)
{
    char position[64];
    snprintf(position, sizeof position, "0\\0\\%.*f", r->decimals, r->first + r->distance * i);
    write_slice(name, position, "");
}

static void write_all(const struct rounded *r, int n)
{
    clear_folder();
    for (int i = 0; i < n; i++) write_rounded(r, i, i);
}

/* The folder without slice `odd`, and with it a third of the distance further; then it is as before. */
static void check_odd(const struct rounded *r, int n, int odd)
{
    struct volume v;
    struct error e = {""};
    char path[300];
    snprintf(path, sizeof path, "%s/s%03d", folder, odd);
    CHECK(!unlink(path), "%s cannot be removed", path);
    int status = dicom_read(&v, folder, 0, &e);
    CHECK(status && strstr(e.text, "slices are missing"), "%d slices %g apart, %d decimals, without %d", n,
          r->distance, r->decimals, odd);
    if (!status) volume_free(&v);
    if (pow(10, -r->decimals) <= 0.2 * r->distance) { /* or a third of the distance is a decimal */
        write_rounded(r, odd + 1 / 3.0, odd);
        status = dicom_read(&v, folder, 0, &e);
        CHECK(status && strstr(e.text, "mm apart"), "%d slices %g apart, %d decimals, %d moved", n,
              r->distance, r->decimals, odd);
        if (!status) volume_free(&v);
    }
    write_rounded(r, odd, odd);
}

static void check_rounding(void)
{
    static const struct rounded cases[] = {{10, 0.625, 2},      {10, 0.625, 1},  {-3.3, 0.3, 1},
                                           {0.123456, 1.25, 1}, {-500, 0.45, 2}, {7.77, 3.3, 0},
                                           {12.5, 2.5, 0},      {0.1, 0.7003, 3}, {0, 5, 0}};
    struct volume v;
    struct error e = {""};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (int n = 5; n <= 40; n += 7) {
            const struct rounded *r = &cases[c];
            write_all(r, n);
            const int status = dicom_read(&v, folder, 0, &e);
            CHECK(!status && v.size[2] == n, "%d slices %g apart, %d decimals: %s", n, r->distance,
                  r->decimals, e.text);
            if (status) continue;
            for (int k = 0; k < n; k++)
                CHECK_NEAR(v.affine[2][3] + k * v.affine[2][2], r->first + k * r->distance,
                           0.7 * pow(10, -r->decimals), "%d slices %g apart, %d decimals: slice %d", n,
                           r->distance, r->decimals, k);
            volume_free(&v);
            for (int odd = 1; odd < n - 1; odd += 3) check_odd(r, n, odd);
        }
    write_all(&cases[0], 8);
    write_rounded(&cases[0], 2, 20);
    CHECK(dicom_read(&v, folder, 0, &e) && strstr(e.text, "s002 and") && strstr(e.text, "s020"),
          "a doubled slice: %s", e.text);
}

static void check_slopes(void)
{
    struct volume v;
    struct error e = {""};
    clear_folder();
    for (int i = 0; i < 4; i++)
        write_slice(i, (const char *const[]){"0\\0\\0", "0\\0\\2", "0\\0\\4", "0\\0\\6"}[i], "0");
    CHECK(!dicom_read(&v, folder, 0, &e) && v.voxel[1] == 2 && strstr(v.assumed, "(0028,1053) is 0"),
          "slopes of 0: values as stored, and told: %s", e.text);
    volume_free(&v);
    write_slice(2, "0\\0\\4", "3");
    CHECK(dicom_read(&v, folder, 0, &e) && strstr(e.text, "(0028,1053) is 0") && strstr(e.text, "s002"),
          "a slope of 0 among others: %s", e.text);
    write_slice(2, "0\\0\\4", "");
    for (int i = 0; i < 4; i++)
        if (i != 2) write_slice(i, (const char *const[]){"0\\0\\0", "0\\0\\2", "0\\0\\4", "0\\0\\6"}[i], "3");
    CHECK(!dicom_read(&v, folder, 0, &e) && strstr(v.assumed, "a scale of 1"),
          "a slice without a slope among others: %s %s", e.text, v.assumed);
    volume_free(&v);
    clear_folder();
}

/* Two patients under one series UID, as a careless anonymiser leaves them; frames of reference and
 * MONOCHROME1 are told. */
static void check_mixed(void)
{
    static const struct {
        uint32_t tag;
        const char *vr, *photometric, *says;
        int refused;
    } cases[] = {{0x00100020, "LO", "MONOCHROME2", "two patients", 1},
                 {0x00200052, "UI", "MONOCHROME2", "Frame of Reference UID (0020,0052) differs", 0},
                 {0x00104000, "LT", "MONOCHROME1", "MONOCHROME1", 0},
                 {0x00104000, "LT", NULL, "differ in Photometric Interpretation", 1}}; /* two of each */
    static struct bytes b, x;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct volume v;
        struct error e = {""};
        clear_folder();
        for (int i = 0; i < 4; i++) {
            char path[300], instance[32], value[2] = {(char)('1' + (i > 1)), 0};
            struct image m = plain();
            snprintf(path, sizeof path, "%s/s%03d", folder, i);
            snprintf(instance, sizeof instance, "1.2.3.%d", i);
            x.size = 0;
            put_text(&x, cases[c].tag, cases[c].vr, value);
            m.instance = instance;
            m.position = (const char *const[]){"0\\0\\0", "0\\0\\2", "0\\0\\4", "0\\0\\6"}[i];
            m.photometric = cases[c].photometric ? cases[c].photometric
                            : i > 1              ? "MONOCHROME1"
                                                 : "MONOCHROME2";
            m.extra = x.data;
            m.extra_size = x.size;
            build(&b, &m);
            CHECK(file_write(path, b.data, b.size, &e) == 0, "%s", e.text);
        }
        const int status = dicom_read(&v, folder, 0, &e);
        CHECK((status != 0) == cases[c].refused &&
                  strstr(status ? e.text : v.assumed, cases[c].says),
              "%s: %s %s", cases[c].says, e.text, status ? "" : v.assumed);
        if (!status) volume_free(&v);
    }
    clear_folder();
}

int main(void)
{
    if (!mkdtemp(folder)) return 1;
    check_nuclear();
    check_dose();
    check_rounding();
    check_slopes();
    check_mixed();
    rmdir(folder);
    return check_done("check_dicom_place");
}
