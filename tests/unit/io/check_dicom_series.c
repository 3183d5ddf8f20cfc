/* check_dicom_series.c - DICOM series in folders: their order, what is passed over or refused, several
 * series, several volumes at the same places. */
#include <sys/stat.h>
#include <unistd.h>

#include "io/dicom/dicom.h"
#include "io/base/file.h"
#include "tests/unit/io/dicom_build.h"
#include "io/formats/image_formats.h"
#include "io/image/voxels.h"
#include "tests/unit/expect.h"

static char folder[] = "/tmp/nephron_check_XXXXXX";

static void write_image(const char *name, const struct image *m)
{
    static struct bytes b;
    char path[300];
    struct error e;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    build(&b, m);
    CHECK(file_write(path, b.data, b.size, &e) == 0, "%s", e.text);
}

static void clear_folder(void)
{
    struct file_list list;
    struct error e;
    char path[600];
    if (file_list(folder, &list, &e)) return;
    for (int i = 0; i < list.count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, list.name[i]);
        unlink(path);
    }
    file_list_free(&list);
}

/* Slices 0 to 4, 2 mm apart, in files s0 to s4 of the series 1.2; the one of number `odd` is as given. */
static void write_series(int odd, const struct image *other)
{
    clear_folder();
    for (int i = 0; i < 5; i++) {
        char name[32], position[32], instance[32];
        struct image m = plain();
        snprintf(name, sizeof name, "s%d", i);
        snprintf(position, sizeof position, "0\\0\\%d", 2 * i);
        snprintf(instance, sizeof instance, "1.2.3.%d", i);
        m.position = position;
        m.instance = instance;
        write_image(name, i == odd ? other : &m);
    }
}

static void refuse_folder(const char *says, const char *also)
{
    struct volume v;
    struct error e = {""};
    int status = volume_read(&v, folder, &e);
    CHECK(status == -1 && strstr(e.text, says) && strstr(e.text, also), "want '%s' and '%s', got %d '%s'",
          says, also, status, e.text);
    if (!status) volume_free(&v);
}

#define ODD(says, also, ...)       \
    do {                           \
        struct image m_ = plain(); \
        m_.instance = "9";         \
        m_.position = "0\\0\\4";   \
        __VA_ARGS__;               \
        write_series(2, &m_);      \
        refuse_folder(says, also); \
    } while (0)

static void check_bad_series(void)
{
    ODD("s1 and ", "s2: are 2.1 mm apart, other neighbours 2 mm", m_.position = "0\\0\\4.1");
    ODD("s1 and ", "s3: are 4 mm apart, other neighbours 2 mm: slices are missing", m_.series = "1.2";
        m_.position = "0\\0\\10");
    ODD("s2 and ", "s3: are at the same place", m_.position = "0\\0\\6");
    ODD("not in one line", "s2", m_.position = "0.5\\0\\4");
    ODD("differ in size", "s2", m_.rows = 4; m_.columns = 3);
    ODD("differ in orientation", "s2", m_.orientation = "1\\0\\0\\0\\0\\1");
    ODD("differ in pixel spacing", "s2", m_.spacing = "1.1\\1");
    ODD("no Image Position (Patient)", "s2", m_.position = "");
    ODD("no Image Orientation (Patient)", "s2", m_.orientation = "");
    ODD("s2: cut off", "7FE0,0010", m_.size = 10);
    ODD("2 series, choose one with --series UID: 1.2 (CT, '', 4 files); 7.7 (CT, '', 1 file)", "",
        m_.series = "7.7");
    clear_folder();
    refuse_folder("without an image series", folder);
}

/* Slices so far apart by their positions, of a thickness and with Spacing Between Slices: what is told. */
static void expect_gap(int apart, const char *thickness, const char *between, const char *told)
{
    static struct bytes extra;
    struct volume v;
    struct error e = {""};
    clear_folder();
    extra.size = 0;
    put_text(&extra, 0x00180088, "DS", between);
    for (int i = 0; i < 4; i++) {
        char name[32], position[32];
        struct image m = plain();
        snprintf(name, sizeof name, "g%d", i);
        snprintf(position, sizeof position, "0\\0\\%d", apart * i);
        m.position = position;
        m.distance = thickness;
        m.extra = extra.data;
        m.extra_size = extra.size;
        write_image(name, &m);
    }
    const int status = volume_read(&v, folder, &e);
    CHECK(!status && v.spacing[2] == apart && (*told ? strstr(v.assumed, told) != NULL : !v.assumed[0]),
          "%d mm apart, %s thick, %s between: want '%s', got '%s'", apart, thickness, between, told,
          status ? e.text : v.assumed);
    if (!status) volume_free(&v);
    clear_folder();
}

static void check_gaps(void)
{
    expect_gap(4, "3", "4", "");
    expect_gap(4, "2", "4", "");
    expect_gap(4, "4", "2", "that no slices are missing: they lie 4 mm apart, Spacing Between Slices");
    expect_gap(4, "1", "2", "that no slices are missing");
    expect_gap(4, "2", "2", "that no slices are missing"); /* contiguous and halved, or a gap of 2 mm */
    expect_gap(4, "3", "1", "Spacing Between Slices (0018,0088) of 1 mm is the gap between slices of 3 mm");
    expect_gap(6, "4", "2", "is the gap between slices of 4 mm: they lie 6 mm apart");
    expect_gap(4, "", "2", "that no slices are missing");
}

static void check_folder(void)
{
    struct volume v;
    struct image_info d;
    struct error e = {""};
    struct image m = plain();
    char path[300];
    m.series = "7.7", m.instance = "9", m.position = "0\\0\\100";
    write_series(-1, NULL);
    write_image("other", &m);
    int status = dicom_read_series(&v, &d, folder, &(struct image_choice){.series = "1.2"}, 0, &e);
    CHECK(!status && v.size[2] == 5 && v.spacing[2] == 2 && d.files == 5 && v.voxel[4 * 12 + 3] == 4,
          "series of two: %s", e.text);
    if (!status) volume_free(&v);
    status = dicom_read_series(&v, &d, folder, &(struct image_choice){.series = "7.7"}, 0, &e);
    CHECK(!status && v.size[2] == 1 && d.files == 1, "the other of two: %s", e.text);
    if (!status) volume_free(&v);
    CHECK(dicom_read_series(&v, &d, folder, &(struct image_choice){.series = "7"}, 0, &e) == -1 &&
              strstr(e.text, "no DICOM image of series 7"),
          "no such series: %s", e.text);
    snprintf(path, sizeof path, "%s/s3", folder);
    status = volume_read(&v, path, &e);
    CHECK(!status && v.size[2] == 5, "a file's series of two: %s", e.text);
    if (!status) volume_free(&v);
    CHECK(dicom_read_series(&v, &d, path, &(struct image_choice){.series = "7.7"}, 0, &e) == -1 &&
              strstr(e.text, "is of series 1.2, not 7.7"),
          "a file of another series: %s", e.text);
    clear_folder(); /* a tilted gantry: each slice is shifted within its plane */
    for (int i = 0; i < 4; i++) {
        char name[32], position[32];
        struct image t = plain();
        snprintf(name, sizeof name, "t%d", i);
        snprintf(position, sizeof position, "0\\%g\\%d", 0.5 * i, 2 * i);
        t.position = position;
        write_image(name, &t);
    }
    status = volume_read(&v, folder, &e);
    CHECK(!status && v.affine[1][2] == -0.5 && v.affine[2][2] == 2 && fabs(v.spacing[2] - sqrt(4.25)) < 1e-12,
          "a tilted gantry: %s", e.text);
    if (!status) volume_free(&v);
    /* What is no image of the series is passed over: text, a report without pixels, a folder, a copy of the
     * named file. */
    write_series(-1, NULL);
    m.series = "1.2", m.pixels = NULL, m.rows = m.columns = -1;
    write_image("report", &m);
    m = plain();
    m.instance = "1.2.3.3", m.position = "0\\0\\6";
    write_image("copy", &m);
    snprintf(path, sizeof path, "%s/readme", folder);
    CHECK(file_write(path, "hello\n", 6, &e) == 0, "%s", e.text);
    snprintf(path, sizeof path, "%s/s3", folder);
    status = volume_read(&v, path, &e);
    CHECK(!status && v.size[2] == 5 && v.affine[2][2] == 2, "with other things: %s", e.text);
    if (!status) volume_free(&v);
    refuse_folder("are at the same place", "copy");
    clear_folder();
}

/* A slice that was not copied to its end is told of: at an end of the series nothing else tells that it is
 * missing. Of text beside the series nothing is. */
static void check_passed(void)
{
    static const struct {
        const char *name, *text;
        int told;
    } files[] = {{"s5.dcm", "", 1}, {"IM5", "", 1}, {"s5.dcm", "half", 1}, {"s5.IMA", "half", 1},
                 {"readme", "half", 0}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct volume v;
        struct error e = {""};
        char path[300];
        write_series(-1, NULL);
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        CHECK(file_write(path, files[i].text, strlen(files[i].text), &e) == 0, "%s", e.text);
        const int status = volume_read(&v, folder, &e);
        CHECK(!status && v.size[2] == 5 && !strstr(v.assumed, "which is no DICOM file") == !files[i].told,
              "%s: %s%s", files[i].name, e.text, v.assumed);
        if (!status) volume_free(&v);
    }
    clear_folder();
}

/* Pictures of another series that cannot be read keep nobody from the series, and are listed. */
static void check_unlike(void)
{
    struct image m = plain();
    struct volume v;
    struct error e = {""};
    char (*uid)[65] = NULL;
    int count = 0;
    m.series = "1.9", m.instance = "1.9.1", m.photometric = "RGB", m.samples = 3;
    write_series(-1, NULL);
    write_image("colours", &m);
    refuse_folder("2 series, choose one", "1.9 (CT, '', 1 file)");
    CHECK(!dicom_list_series(&uid, &count, folder, NULL, &e) && count == 2 && strcmp(uid[1], "1.9") == 0,
          "%d series %s", count, e.text);
    free(uid);
    CHECK(!dicom_read_series(&v, NULL, folder, &(struct image_choice){.series = "1.2"}, 0, &e) &&
              v.size[2] == 5,
          "%s", e.text);
    volume_free(&v);
    CHECK(dicom_read_series(&v, NULL, folder, &(struct image_choice){.series = "1.9"}, 0, &e) == -1 &&
              strstr(e.text, "colours: Photometric Interpretation (0028,0004) is 'RGB'"),
          "%s", e.text);
    clear_folder();
}

/* A slice without its voxels is a slice that is missing; a report, which has no rows, is none. */
static void check_no_voxels(void)
{
    struct image m = plain();
    struct volume v;
    struct error e = {""};
    m.position = "0\\0\\10", m.instance = "1.2.3.9", m.pixels = NULL;
    write_series(-1, NULL);
    write_image("s5", &m);
    refuse_folder("s5: no Pixel Data (7FE0,0010)", "");
    m.rows = m.columns = -1;
    write_image("s5", &m);
    const int status = volume_read(&v, folder, &e);
    CHECK(!status && v.size[2] == 5, "%s", e.text);
    if (!status) volume_free(&v);
    clear_folder();
}

/* Fragments under a transfer syntax that has none: their heads and codes would be taken for voxels. */
static void check_false_syntax(void)
{
    static struct bytes b;
    struct image m = plain();
    put_head(&b, 0x7fe00010, "OB", 0xffffffff);
    put_item(&b, "", 0);
    put_item(&b, "123456789012345678901234", 24);
    put_head(&b, 0xfffee0dd, "", 0);
    m.pixels = NULL, m.extra = b.data, m.extra_size = b.size;
    clear_folder();
    write_image("s0", &m);
    refuse_folder("s0: Pixel Data (7FE0,0010) is in fragments", "'1.2.840.10008.1.2.1'");
    m.syntax = NULL;
    write_image("s0", &m);
    refuse_folder("s0: Pixel Data (7FE0,0010) is in fragments", "Explicit VR Little Endian");
    clear_folder();
}

/* Tiles of one plane are no plane; a word that only begins so is none. */
static void check_mosaic(void)
{
    static struct bytes b;
    struct volume v;
    struct error e = {""};
    for (int k = 0; k < 2; k++) {
        struct image m = plain();
        b.size = 0;
        put_text(&b, 0x00080008, "CS", k ? "ORIGINAL\\PRIMARY\\MOSAICS" : "ORIGINAL\\PRIMARY\\M\\ND\\MOSAIC");
        m.extra = b.data, m.extra_size = b.size;
        clear_folder();
        write_image("s0", &m);
        if (!k) refuse_folder("Image Type (0008,0008) is that of a mosaic", "s0");
        else if (volume_read(&v, folder, &e)) CHECK(0, "%s", e.text);
        else volume_free(&v);
    }
    clear_folder();
}

/* Of a slice, or in the functional groups of all frames: a Rescale Slope of that text, where there is any,
 * and a Real World Value Mapping. */
static void put_scales(struct bytes *b, int grouped, double slope, const char *rescale)
{
    static struct bytes item, sequence, group;
    const double intercept = 0;
    item.size = sequence.size = group.size = b->size = 0;
    put_text(grouped ? &item : b, 0x00281053, "DS", rescale);
    put_item(&sequence, item.data, item.size);
    put_head(&group, 0x00289145, "SQ", (uint32_t)sequence.size);
    put(&group, sequence.data, sequence.size);
    item.size = sequence.size = 0;
    put_head(&item, 0x00409224, "FD", 8);
    put(&item, &intercept, 8);
    put_head(&item, 0x00409225, "FD", 8);
    put(&item, &slope, 8);
    put_item(&sequence, item.data, item.size);
    put_head(grouped ? &group : b, 0x00409096, "SQ", (uint32_t)sequence.size);
    put(grouped ? &group : b, sequence.data, sequence.size);
    if (!grouped) return;
    sequence.size = 0;
    put_item(&sequence, group.data, group.size);
    put_head(b, 0x52009229, "SQ", (uint32_t)sequence.size);
    put(b, sequence.data, sequence.size);
}

/* Values as stored beside a mapping that would change them: told; not where they are scaled, or it is one. */
static void check_real_world(void)
{
    static const struct {
        double slope;
        const char *rescale;
        int told;
    } groups[] = {{0.5, "", 1}, {0.5, "1", 1}, {0.5, "2", 0}, {1, "", 0}, {1, "1", 0}};
    static struct bytes b;
    for (size_t k = 0; k < 2 * sizeof groups / sizeof *groups; k++) {
        const size_t i = k / 2;
        struct image m = plain();
        struct volume v;
        struct error e = {""};
        put_scales(&b, k % 2 == 0, groups[i].slope, groups[i].rescale);
        m.extra = b.data, m.extra_size = b.size;
        clear_folder();
        write_image("s0", &m);
        const int status = volume_read(&v, folder, &e);
        CHECK(!status && !strstr(v.assumed, "Real World Value Mapping") == !groups[i].told, "%zu: %s%s", k,
              e.text, v.assumed);
        if (!status) volume_free(&v);
    }
    clear_folder();
}

/* A voxel of a bit, scaled beyond what float32 holds. */
static void check_bit_exact(void)
{
    static const unsigned char pixels[2] = {5, 0};
    static struct bytes b;
    struct image m = plain();
    struct volume v;
    struct error e = {""};
    b.size = 0;
    put_text(&b, 0x00281052, "DS", "16777217");
    m.rows = 1, m.columns = 3, m.bits = m.stored = 1, m.high = 0, m.slope = "2";
    m.pixels = pixels, m.size = 2, m.extra = b.data, m.extra_size = b.size;
    clear_folder();
    write_image("s0", &m);
    const int status = volume_read_choice(&v, NULL, folder, NULL, VOLUME_EXACT, &e);
    CHECK(!status && v.exact && v.exact[0] == 16777219 && v.exact[1] == 16777217 && v.exact[2] == 16777219,
          "%s", e.text);
    if (!status) volume_free(&v);
    clear_folder();
}

/* A slice of 32 bits among those of 16. */
static void check_wide_slice(void)
{
    static const unsigned char pixels[48] = {1, 0, 0, 1}; /* 2^24 + 1 */
    struct image wide = plain();
    struct volume v;
    struct error e = {""};
    wide.bits = wide.stored = 32, wide.high = 31, wide.position = "0\\0\\4", wide.instance = "1.2.3.2";
    wide.pixels = pixels, wide.size = sizeof pixels;
    write_series(2, &wide);
    const int status = volume_read_choice(&v, NULL, folder, NULL, VOLUME_EXACT, &e);
    CHECK(!status && v.exact && v.exact[24] == 16777217 && v.type == VOXEL_U32, "%s", e.text);
    if (!status) volume_free(&v);
    clear_folder();
}

/* More planes in the pixels than there are frames: told, or refused. */
static void check_followed(void)
{
    static struct bytes b;
    static const unsigned char planes[3 * 24 + 2] = {1, 0, 2};
    struct volume v;
    struct error e = {""};
    for (int more = 0; more < 3; more++) { /* a byte to make it even, one more than that, two planes more */
        struct image m = plain();
        clear_folder();
        m.rows = 1, m.columns = 3, m.bits = m.stored = 8, m.high = 7;
        m.pixels = planes, m.size = more == 0 ? 4 : more == 1 ? 6 : 9;
        write_image("s0", &m);
        const int status = volume_read(&v, folder, &e);
        CHECK(!status && v.size[2] == 1 && !strstr(v.assumed, VOXELS_FOLLOWED) == !more, "%d: %s%s", more,
              e.text, v.assumed);
        if (!status) volume_free(&v);
    }
    struct image m = plain();
    clear_folder();
    b.size = 0;
    put_item(&b, NULL, 0);
    for (int k = 0; k < 3; k++) put_rle(&b, planes + 24 * k, 12, 2);
    m.syntax = rle, m.pixels = b.data, m.size = b.size;
    write_image("s0", &m);
    refuse_folder("3 fragments do not make up 1 frames", "s0");
    m = plain();
    b.size = 0;
    put_head(&b, 0x52009230, "SQ", 16);
    for (int k = 0; k < 2; k++) put_item(&b, NULL, 0);
    m.extra = b.data, m.extra_size = b.size;
    write_image("s0", &m);
    refuse_folder("has more than 1 items for 1 frames", "s0");
    clear_folder();
}

/* ---- several volumes at the same places ---------------------------------------------------------------- */

enum { VOLUMES = 3, SLICES = 4 };

/* What tells volume k's slice z: elements in ascending order. `kind` as below; inst: its Instance Number. */
static void put_keys(struct bytes *b, const char *kind, int k, int z)
{
    char text[32];
    b->size = 0;
    if (strcmp(kind, "echo") == 0) {
        snprintf(text, sizeof text, "%g", 4.5 * (k + 1));
        put_text(b, 0x00180081, "DS", text);
        snprintf(text, sizeof text, "%d", k + 1);
        put_text(b, 0x00180086, "IS", text);
    }
    if (strcmp(kind, "b") == 0) {
        double v = 400 * k;
        put_head(b, 0x00189087, "FD", 8);
        put(b, &v, 8);
    }
    snprintf(text, sizeof text, "%d", strcmp(kind, "acquisition") == 0 ? k + 1 : 1);
    put_text(b, 0x00200012, "IS", text);
    snprintf(text, sizeof text, "%d",
             strcmp(kind, "instance") == 0 ? z * VOLUMES + k
             : strcmp(kind, "copies") == 0 ? 1
                                           : k * SLICES + z);
    put_text(b, 0x00200013, "IS", text);
    snprintf(text, sizeof text, "%d", k + 1);
    if (strcmp(kind, "time") == 0) put_text(b, 0x00200100, "IS", text);
}

/* VOLUMES volumes of SLICES slices; the first voxel of slice z of volume k is 10 k + z. without: this file of
 * the last volume is not written. */
static void write_volumes(const char *kind, int without)
{
    clear_folder();
    for (int k = 0; k < VOLUMES; k++)
        for (int z = 0; z < SLICES; z++) {
            static struct bytes keys;
            unsigned char pixels[4 * 3 * 2] = {(unsigned char)(10 * k + z)};
            struct image m = plain();
            char name[32], position[32], instance[32];
            if (k == VOLUMES - 1 && z == without) continue;
            put_keys(&keys, kind, k, z);
            snprintf(name, sizeof name, "f%02d", (7 * (k * SLICES + z) + 3) % (VOLUMES * SLICES));
            snprintf(position, sizeof position, "0\\0\\%d", 3 * z);
            snprintf(instance, sizeof instance, "1.2.3.%d", k * SLICES + z);
            m.position = position, m.instance = instance, m.pixels = pixels, m.extra = keys.data,
            m.extra_size = keys.size;
            write_image(name, &m);
        }
}

static void check_volumes(void)
{
    static const struct {
        const char *kind, *part;
    } kinds[] = {{"time", "time 2"},
                 {"echo", "echo 2, TE 9 ms"},
                 {"b", "b 400"},
                 {"acquisition", ""},
                 {"instance", ""}};
    struct volume v;
    struct image_info d;
    struct error e = {""};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        write_volumes(kinds[i].kind, -1);
        for (int k = 0; k < VOLUMES; k++) {
            int status = dicom_read_series(&v, &d, folder, &(struct image_choice){.volume = k + 1}, 0, &e);
            CHECK(!status && v.size[2] == SLICES && v.spacing[2] == 3 && d.volumes == VOLUMES, "%s %d: %s",
                  kinds[i].kind, k, e.text);
            if (status) continue;
            for (int z = 0; z < SLICES; z++)
                CHECK(v.voxel[12 * z] == 10 * k + z, "%s: slice %d of volume %d is %g", kinds[i].kind, z, k,
                      v.voxel[12 * z]);
            if (k == 1) CHECK(strcmp(d.part, kinds[i].part) == 0, "%s: '%s'", kinds[i].kind, d.part);
            volume_free(&v);
        }
        refuse_folder("series 1.2 holds 3 volumes at the same places, choose one with --volume N: 1",
                      kinds[i].part);
        CHECK(dicom_read_series(&v, &d, folder, &(struct image_choice){.volume = 4}, 0, &e) == -1 &&
                  strstr(e.text, "there is no volume 4"),
              "volume 4 of 3: %s", e.text);
    }
    write_volumes("copies", -1);
    refuse_folder("are at the same place", "");
    write_volumes("instance", SLICES - 1);
    refuse_folder("that nothing tells apart", "");
    write_volumes("time", SLICES - 1); /* what tells them surely needs no equal numbers */
    const struct image_choice third = {.series = "1.2", .volume = 3};
    int status = dicom_read_series(&v, &d, folder, &third, 0, &e);
    CHECK(!status && v.size[2] == SLICES - 1 &&
              strstr(v.assumed, "that no slices are missing: it has 3, another volume of its series 4"),
          "a shorter volume: %s", status ? e.text : v.assumed);
    if (!status) volume_free(&v);
    status = dicom_read_series(&v, &d, folder, &(struct image_choice){.series = "1.2", .volume = 2}, 0, &e);
    CHECK(!status && !v.assumed[0], "a whole volume: %s", status ? e.text : v.assumed);
    if (!status) volume_free(&v);
    write_volumes("time", 1);
    status = dicom_read_series(&v, &d, folder, &(struct image_choice){.series = "1.2", .volume = 3}, 0, &e);
    CHECK(status && strstr(e.text, "slices are missing"), "a gap in a volume: %s", e.text);
    clear_folder();
}

/* Two frames at one place, and nothing but their order that tells them apart: two volumes, and told. */
static void check_order(void)
{
    static struct bytes place, position, group, groups, b;
    static const unsigned char pixels[48] = {7, [24] = 8};
    struct image m = plain();
    struct volume v;
    struct image_info d;
    struct error e = {""};
    place.size = position.size = group.size = groups.size = b.size = 0;
    put_text(&place, 0x00200032, "DS", "0\\0\\5");
    put_item(&position, place.data, place.size);
    put_head(&group, 0x00209113, "SQ", (uint32_t)position.size);
    put(&group, position.data, position.size);
    for (int k = 0; k < 2; k++) put_item(&groups, group.data, group.size);
    put_head(&b, 0x52009230, "SQ", (uint32_t)groups.size);
    put(&b, groups.data, groups.size);
    m.frames = "2", m.pixels = pixels, m.size = sizeof pixels, m.extra = b.data, m.extra_size = b.size;
    clear_folder();
    write_image("s0", &m);
    const int status = dicom_read_series(&v, &d, folder, &(struct image_choice){.volume = 2}, 0, &e);
    CHECK(!status && d.volumes == 2 && v.size[2] == 1 && v.voxel[0] == 8 &&
              strstr(v.assumed, "volumes in the order of the file"),
          "%s%s", e.text, status ? "" : v.assumed);
    if (!status) volume_free(&v);
    clear_folder();
}

int main(void)
{
    if (!mkdtemp(folder)) return 1;
    check_bad_series();
    check_gaps();
    check_folder();
    check_volumes();
    check_followed();
    check_mosaic();
    check_passed();
    check_real_world();
    check_bit_exact();
    check_wide_slice();
    check_order();
    check_unlike();
    check_no_voxels();
    check_false_syntax();
    rmdir(folder);
    return check_done("check_dicom_series");
}
