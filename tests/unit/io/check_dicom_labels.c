/* check_dicom_labels.c - label maps as DICOM Segmentation and RT Structure Set: a segmentation is read back
 * equal; contours, filled by the even-odd rule at the centres of voxels, give the labels back, holes and all;
 * nothing private and no more of the patient than is needed goes over; label maps of another grid are
 * refused. highdicom and pydicom judged the same files (tests/golden/judge_dicom_labels.py).
 */
#include <unistd.h>

#include "io/base/file.h"
#include "io/dicom/dicom.h"
#include "io/dicom/dicom_labels.h"
#include "io/image/grids.h"
#include "tests/unit/expect.h"
#include "tests/unit/io/dicom_build.h"

enum { WIDTH = 13, HEIGHT = 11, DEPTH = 5, PLANE = WIDTH * HEIGHT, VOXELS = PLANE * DEPTH, LABELS = 3 };
static char folder[] = "/tmp/nephron_check_XXXXXX";
static uint32_t random_state = 7;

static uint32_t next_random(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static const char *in_folder(const char *name)
{
    static char path[2][256];
    static int turn;
    turn ^= 1;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

/* `tilt`: how far each slice is shifted along y, as by a tilted gantry. */
static void write_series(double tilt)
{
    static struct bytes b, extra;
    static const unsigned char pixels[2 * PLANE] = {1};
    for (int z = 0; z < DEPTH; z++) {
        char name[32], position[64], instance[32];
        struct image m = plain();
        struct error e;
        snprintf(name, sizeof name, "series/s%d", z);
        snprintf(position, sizeof position, "-10\\%g\\%d", 20 + tilt * z, 7 + 3 * z);
        snprintf(instance, sizeof instance, "1.2.3.%d", z);
        extra.size = 0;
        put_text(&extra, 0x00080005, "CS", "ISO_IR 100");
        put_text(&extra, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2");
        put_text(&extra, 0x00100010, "PN", "Doe^Jane");
        put_text(&extra, 0x00100020, "LO", "4711");
        put_text(&extra, 0x00101040, "LO", "secret street");
        put_text(&extra, 0x00111001, "LO", "private secret");
        put_text(&extra, 0x0020000d, "UI", "1.2.77");
        put_text(&extra, 0x00200052, "UI", "1.2.79");
        m.position = position, m.instance = instance, m.spacing = "0.5\\0.75";
        m.rows = HEIGHT, m.columns = WIDTH;
        m.pixels = pixels, m.size = sizeof pixels;
        m.extra = extra.data, m.extra_size = extra.size;
        build(&b, &m);
        CHECK(!file_write(in_folder(name), b.data, b.size, &e), "%s", e.text);
    }
}

/* Is the text in the file? */
static int holds(const unsigned char *data, size_t size, const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i + n <= size; i++)
        if (memcmp(data + i, text, n) == 0) return 1;
    return 0;
}

/* ---- contours filled ----------------------------------------------------------------------------------- */

static void fill_contour(int *map, int label, char *text, const char *says)
{
    double x[4 * PLANE], y[4 * PLANE], z = 0;
    int n = 0;
    for (char *p = strtok(text, "\\"); p && n < 4 * PLANE; n++) { /* LPS millimetres to voxels */
        x[n] = (atof(p) + 10) / 0.75;
        y[n] = (atof(strtok(NULL, "\\")) - 20) / 0.5;
        z = (atof(strtok(NULL, "\\")) - 7) / 3;
        p = strtok(NULL, "\\");
    }
    CHECK(n == atoi(says) && z == (int)z && z >= 0 && z < DEPTH, "%d points, said %s, at slice %g", n, says,
          z);
    for (int v = 0; v < HEIGHT; v++)
        for (int u = 0; u < WIDTH; u++) {
            int crossings = 0, i = ((int)z * HEIGHT + v) * WIDTH + u;
            for (int k = 0; k < n; k++) {
                int l = (k + 1) % n;
                crossings += (y[k] <= v) != (y[l] <= v) && x[k] > u; /* edges are upright or level */
            }
            if (crossings % 2 == 0) continue;
            CHECK(map[i] == 0, "voxel %d is inside twice", i);
            map[i] = label;
        }
}

/* Goes over the bytes for contour data, and for the numbers of the regions that come behind them. */
static void fill_contours(int *map, const unsigned char *data, size_t size)
{
    static char text[200][65536 / 4];
    static char points[200][16];
    int count = 0;
    for (size_t i = 0; i + 8 < size; i++) {
        const unsigned char *p = data + i;
        if (p[0] != 6 || p[1] != 0x30 || p[3] != 0) continue;
        size_t length = p[6] | (size_t)p[7] << 8;
        if (p[2] == 0x46 && p[4] == 'I')
            snprintf(points[count], sizeof points[0], "%.*s", (int)length, (const char *)p + 8);
        if (p[2] == 0x50 && p[4] == 'D')
            snprintf(text[count++], sizeof text[0], "%.*s", (int)length, (const char *)p + 8);
        if (p[2] != 0x84 || p[4] != 'I') continue;
        for (int k = 0; k < count; k++) fill_contour(map, p[8] - '0', text[k], points[k]);
        count = 0;
    }
}

/* ---- labels -------------------------------------------------------------------------------------------- */

static void check_map(const struct dicom_reference *r, const uint16_t *map, const char *what)
{
    static const struct dicom_label label[LABELS] = {{1, "liver"}, {2, "left\\kidney"}, {3, "Milz \xc3\xa4"}};
    static int filled[VOXELS];
    struct error e = {""};
    struct volume v;
    unsigned char *data;
    size_t size;
    CHECK(!dicom_seg_write(in_folder("seg.dcm"), map, label, LABELS, r, "test 1", "20200102", "030405", &e),
          "%s", e.text);
    CHECK(!dicom_read(&v, in_folder("seg.dcm"), 0, &e), "%s: %s", what, e.text);
    int wrong = 0,
        first = (int)lround((v.affine[2][3] - 7) / 3); /* empty slices before the first are not there */
    for (int i = 0; v.voxel && i < (int)volume_voxels(&v); i++) wrong += v.voxel[i] != map[first * PLANE + i];
    for (int i = 0; i < VOXELS; i++)
        wrong += map[i] != 0 && (i / PLANE < first || i / PLANE >= first + v.size[2]);
    CHECK(!wrong && v.spacing[0] == 0.75 && v.spacing[1] == 0.5 && v.spacing[2] == 3, "%s: %d voxels differ",
          what, wrong);
    volume_free(&v);
    CHECK(
        !dicom_rtstruct_write(in_folder("rt.dcm"), map, label, LABELS, r, "test 1", "20200102", "030405", &e),
        "%s", e.text);
    char (*name)[65];
    int count;
    CHECK(dicom_list_structures(&name, &count, in_folder("rt.dcm"), &e) == 1 && count == LABELS &&
              strcmp(name[0], "liver") == 0 && strcmp(name[1], "left?kidney") == 0,
          "%s: %d structures are listed", what, count);
    free(name);
    CHECK(dicom_list_structures(&name, &count, in_folder("seg.dcm"), &e) == 0 && !name,
          "%s: a segmentation", what);
    int *number;
    CHECK(dicom_list_segments(&name, &number, &count, in_folder("seg.dcm"), &e) == 1 && count == LABELS &&
              number[1] == 2 && strcmp(name[1], "left?kidney") == 0,
          "%s: %d segments are listed", what, count);
    free(name);
    free(number);
    CHECK(dicom_list_segments(&name, &number, &count, in_folder("rt.dcm"), &e) == 0 && !name && !number,
          "%s: a structure set", what);
    for (int k = 0; k < 2; k++) {
        CHECK(!file_read(in_folder(k ? "rt.dcm" : "seg.dcm"), 0, &data, &size, &e), "%s", e.text);
        CHECK(!holds(data, size, "secret") && holds(data, size, "Doe^Jane") && holds(data, size, "1.2.77") &&
                  holds(data, size, "1.2.79") && holds(data, size, "1.2.3.2"),
              "%s: what is copied", what);
        CHECK(holds(data, size, "liver") && holds(data, size, "left?kidney") && holds(data, size, "Milz ?"),
              "%s: names", what);
        if (k) {
            memset(filled, 0, sizeof filled);
            fill_contours(filled, data, size);
            wrong = 0;
            for (int i = 0; i < VOXELS; i++) wrong += filled[i] != map[i];
            CHECK(!wrong, "%s: %d voxels of the contours differ", what, wrong);
        }
        free(data);
    }
}

static void check_maps(const struct dicom_reference *r)
{
    static uint16_t map[VOXELS];
    for (int round = 0; round < 12; round++) {
        /* noise of several densities: holes in holes, touching corners */
        for (int i = 0; i < VOXELS; i++)
            map[i] = next_random() % 12 < (uint32_t)round ? (uint16_t)(1 + next_random() % LABELS) : 0;
        check_map(r, map, "noise");
    }
    memset(map, 0, sizeof map);
    for (int y = 0; y < HEIGHT; y++) /* rings in rings, to the border */
        for (int x = 0; x < WIDTH; x++) {
            int d = x < y ? x : y, far = WIDTH - 1 - x < HEIGHT - 1 - y ? WIDTH - 1 - x : HEIGHT - 1 - y;
            map[2 * PLANE + y * WIDTH + x] = (uint16_t)((d < far ? d : far) % 2 ? 0 : 2);
        }
    check_map(r, map, "rings");
    for (int i = 0; i < VOXELS; i++) map[i] = 1;
    check_map(r, map, "all of it");
}

/* Slices of a tilted gantry: read back where they are, empty slices between the labels too. */
static void check_tilted(void)
{
    static const struct dicom_label label = {1, "liver"};
    static uint16_t map[VOXELS];
    struct dicom_reference r;
    struct error e = {""};
    struct volume v = {0};
    write_series(0.8);
    CHECK(!dicom_reference_read(&r, in_folder("series"), NULL, in_folder("seg.dcm"), &e), "%s", e.text);
    for (int i = 0; i < PLANE; i++) map[PLANE + i] = map[3 * PLANE + i] = (uint16_t)(i % 3 == 0);
    CHECK(!dicom_seg_write(in_folder("seg.dcm"), map, &label, 1, &r, "test 1", "20200102", "030405", &e) &&
              !dicom_read(&v, in_folder("seg.dcm"), 0, &e),
          "%s", e.text);
    int wrong = 0;
    for (int i = 0; v.voxel && i < (int)volume_voxels(&v); i++) wrong += v.voxel[i] != map[PLANE + i];
    CHECK(v.size[2] == 3 && !wrong, "%lld slices, %d voxels differ", (long long)v.size[2], wrong);
    for (int i = 0; i < 3; i++) {
        const double first = r.geometry.affine[i][3] + r.geometry.affine[i][2];
        CHECK_NEAR(v.affine[i][2], r.geometry.affine[i][2], 1e-9, "step of the slices along axis %d", i);
        CHECK_NEAR(v.affine[i][3], first, 1e-9, "place of the first slice along axis %d", i);
    }
    volume_free(&v);
    dicom_reference_free(&r);
}

/* The labels of a segmentation in the folder on a grid, or what it is refused with. */
static void check_on_grid(const char *name, const struct volume *grid, const uint16_t *want, const char *says)
{
    const struct image_choice choice = {.grid = grid};
    struct error e = {""};
    struct volume v;
    const int status = dicom_read_series(&v, NULL, in_folder(name), &choice, 0, &e);
    uint16_t *map = status ? NULL : grids_labels(&v, grid, &e);
    if (!status) volume_free(&v);
    if (want) CHECK(map && memcmp(map, want, VOXELS * sizeof *map) == 0, "%s on the grid: %s", name, e.text);
    else CHECK(!map && strstr(e.text, says), "%s: want '%s', got '%s'", name, says, e.text);
    free(map);
}

/* Takes an element with a text out of a file: its tag becomes one that nobody knows. */
static void hide_element(const char *name, const char *tag)
{
    unsigned char *data;
    size_t size;
    struct error e;
    CHECK(!file_read(in_folder(name), 0, &data, &size, &e), "%s", e.text);
    for (size_t i = 0; i + 6 < size; i++)
        if (memcmp(data + i, tag, 6) == 0) data[i + 2] = 1;
    CHECK(!file_write(in_folder(name), data, size, &e), "%s", e.text);
    free(data);
}

/* Frames of a tilted gantry, of a single slice too, lie on the grid of their series. Where the file does not
 * say how far slices are apart, thickness or frames do. */
static void check_grid_frames(void)
{
    static const struct dicom_label label[] = {{1, "liver"}, {2, "spleen"}};
    static uint16_t map[VOXELS];
    struct dicom_reference r;
    struct volume v, other;
    struct error e = {""};
    write_series(0.8);
    CHECK(!dicom_reference_read(&r, in_folder("series"), NULL, in_folder("seg.dcm"), &e), "%s", e.text);
    for (int round = 0; round < 3; round++) { /* slice 3; then 0; then 4 */
        const int slices[] = {3, 0, 4};
        for (int i = 0; i < PLANE; i++) map[slices[round] * PLANE + i] = (uint16_t)(next_random() % 3);
        CHECK(!dicom_seg_write(in_folder("seg.dcm"), map, label, 2, &r, "test 1", "20200102", "030405", &e),
              "%s", e.text);
        check_on_grid("seg.dcm", &r.geometry, map, NULL);
        other = r.geometry;
        for (int i = 0; i < 3; i++) other.affine[i][2] /= 3;
        other.size[2] *= 3;
        if (round < 2)
            check_on_grid("seg.dcm", &other, NULL,
                          "slices are 3 mm apart, by Spacing Between Slices (0018,0088), those there 1 mm");
        other = r.geometry;
        for (int i = 0; i < 3; i++) other.affine[i][0] *= 1.03; /* 0.36 of a voxel at the end of a row */
        check_on_grid("seg.dcm", &other, NULL, "voxel (12, 0) of frame 1 lies at voxel (11.650, 0.000, ");
        hide_element("seg.dcm", "\x18\0\x88\0DS");
        if (round == 1) { /* 0 and 3: frames are 9 mm apart, 3 mm thick */
            check_on_grid("seg.dcm", &r.geometry, map, NULL);
            CHECK(!dicom_read(&v, in_folder("seg.dcm"), 0, &e) && v.size[2] == 4 &&
                      strstr(v.assumed, "Slice Thickness; that the image ends with its frames: slices 4, "
                                        "without a frame and empty 2"),
                  "%s, %s", e.text, v.assumed);
            volume_free(&v);
            hide_element("seg.dcm", "\x18\0\x50\0DS");
            check_on_grid("seg.dcm", &r.geometry, map, NULL);
            CHECK(!dicom_read(&v, in_folder("seg.dcm"), 0, &e) && v.size[2] == 2 &&
                      strstr(v.assumed, "distance of slices: 9 mm, the least between frames"),
                  "%s, %s", e.text, v.assumed);
            volume_free(&v);
        }
    }
    dicom_reference_free(&r);
}

/* Two objects of one series: each numbers its segments from 1, so that they are no one label map. */
static void check_several(const struct dicom_reference *r)
{
    static const struct dicom_label label = {1, "liver"};
    static uint16_t map[VOXELS];
    struct error e = {""};
    struct volume v;
    unsigned char *data;
    size_t size;
    CHECK(!file_mkdirs(in_folder("several"), &e), "%s", e.text);
    for (int k = 0; k < 2; k++) {
        memset(map, 0, sizeof map);
        map[2 * PLANE + 5 + k] = 1;
        const char *name = k ? "several/b" : "several/a";
        static const unsigned char tag[4] = {0x20, 0, 0x0e, 0};
        CHECK(!dicom_seg_write(in_folder(name), map, &label, 1, r, "test 1", "20200102", "030405", &e) &&
                  !file_read(in_folder(name), 0, &data, &size, &e),
              "%s", e.text);
        for (size_t i = 0; i + 12 < size; i++) {
            if (memcmp(data + i, tag, 4) != 0 || data[i + 8] != '2') continue; /* that of the object itself */
            memset(data + i + 8, 0, data[i + 6]);
            memcpy(data + i + 8, "1.2.3", 5);
        }
        CHECK(!file_write(in_folder(name), data, size, &e), "%s", e.text);
        free(data);
    }
    CHECK(dicom_read(&v, in_folder("several"), 0, &e) && strstr(e.text, "several/a and ") &&
              strstr(e.text, "segmentations of one series"),
          "two segmentations: %s", e.text);
    const int status = dicom_read(&v, in_folder("several/b"), 0, &e);
    CHECK(!status && v.size[2] == 1 && v.voxel[5] == 0 && v.voxel[6] == 1, "the second of two: %s", e.text);
    if (!status) volume_free(&v);
}

/* One of shares of a voxel, eight bits each: made of a binary one, whose bits are enough for one row. */
static void check_fractional(const struct dicom_reference *r)
{
    static const struct {
        unsigned char tag[2];
        int value;
    } changed[] = {{{0x10, 0x00}, 1}, {{0x00, 0x01}, 8}, {{0x01, 0x01}, 8}, {{0x02, 0x01}, 7}};
    static const struct dicom_label label = {1, "liver"};
    static uint16_t map[VOXELS] = {1};
    struct error e = {""};
    struct volume v;
    unsigned char *data;
    size_t size;
    CHECK(!dicom_seg_write(in_folder("shares"), map, &label, 1, r, "test 1", "20200102", "030405", &e) &&
              !file_read(in_folder("shares"), 0, &data, &size, &e),
          "%s", e.text);
    for (int k = 0; k < 4; k++)
        for (size_t i = 0; i + 10 < size; i++) {
            const unsigned char head[6] = {0x28, 0, changed[k].tag[0], changed[k].tag[1], 'U', 'S'};
            if (memcmp(data + i, head, 6) == 0) data[i + 8] = (unsigned char)changed[k].value;
        }
    CHECK(!file_write(in_folder("shares"), data, size, &e), "%s", e.text);
    free(data);
    CHECK(dicom_read(&v, in_folder("shares"), 0, &e) && strstr(e.text, "shares: Bits Allocated is 8") &&
              strstr(e.text, "fractional"),
          "a fractional segmentation: %s", e.text);
}

/* Of a name longer than 64 bytes whole characters remain. */
static void check_long_name(void)
{
    static const struct dicom_reference utf8 = {.is_utf8 = 1};
    char name[65];
    struct text t = {0};
    memset(name, 'a', 63);
    strcpy(name + 63, "\xc3"); /* of two bytes */
    dicom_put_name(&t, 0x30060026, "LO", name, &utf8);
    CHECK(t.size == 8 + 64 && t.data[8 + 62] == 'a' && t.data[8 + 63] == ' ', "%zu bytes: '%.*s'", t.size,
          (int)t.size, t.data);
    free(t.data);
}

/* A label without a voxel has no contours: a sequence without items is not allowed there. */
static void check_no_contours(const struct dicom_reference *r)
{
    static const struct dicom_label label[] = {{1, "liver"}, {2, "spleen"}};
    static const unsigned char tag[6] = {6, 0x30, 0x40, 0, 'S', 'Q'};
    static uint16_t map[VOXELS];
    struct error e = {""};
    unsigned char *data = NULL;
    size_t size = 0;
    int sequences = 0;
    map[7] = 1;
    CHECK(!dicom_rtstruct_write(in_folder("rt.dcm"), map, label, 2, r, "test 1", "20200102", "030405", &e) &&
              !file_read(in_folder("rt.dcm"), 0, &data, &size, &e),
          "%s", e.text);
    for (size_t i = 0; i + 6 < size; i++) sequences += memcmp(data + i, tag, 6) == 0;
    CHECK(sequences == 1, "%d contour sequences", sequences);
    free(data);
}

/* A contour of a multi-frame image names its frame. */
static void check_frames(struct dicom_reference *r)
{
    static const struct dicom_label label = {1, "liver"};
    static const unsigned char tag[8] = {8, 0, 0x60, 0x11, 'I', 'S', 2, 0};
    static uint16_t map[VOXELS];
    const int slices[] = {1, 4};
    struct error e = {""};
    unsigned char *data;
    size_t size = 0;
    int named = 0;
    for (int z = 0; z < DEPTH; z++) {
        strcpy(r->image[z].instance_uid, "1.2.9");
        r->image[z].frame = z + 1;
    }
    for (int k = 0; k < 2; k++) map[slices[k] * PLANE + 5] = 1;
    CHECK(!dicom_rtstruct_write(in_folder("rt.dcm"), map, &label, 1, r, "test 1", "20200102", "030405", &e) &&
              !file_read(in_folder("rt.dcm"), 0, &data, &size, &e),
          "%s", e.text);
    for (size_t i = 0; i + 9 < size; i++) {
        if (memcmp(data + i, tag, 8) != 0) continue;
        CHECK(named < 2 && data[i + 8] == '1' + slices[named], "contour %d is of frame %c", named,
              data[i + 8]);
        named++;
    }
    CHECK(named == 2, "%d contours name their frame", named);
    free(data);
}

enum { LONG = 80, POINTS_MAX = 12000 };

/* Fills the next contour's data, from *at on, and tells how many points it has; 0 where there is no other. */
static int fill_long(int *map, const unsigned char *data, size_t size, size_t *at)
{
    static const unsigned char tag[6] = {6, 0x30, 0x50, 0, 'D', 'S'};
    static double x[POINTS_MAX], y[POINTS_MAX];
    int n = 0;
    while (*at + 8 < size && memcmp(data + *at, tag, sizeof tag) != 0) ++*at;
    if (*at + 8 >= size) return 0;
    char *next = (char *)data + *at + 8, *stop = next + (data[*at + 6] | (size_t)data[*at + 7] << 8);
    for (; next < stop && n < POINTS_MAX; n++, next++) {
        x[n] = strtod(next, &next) - 100.1234;
        y[n] = strtod(next + 1, &next) + 50.4321;
        CHECK(strtod(next + 1, &next) == 7, "point %d", n);
    }
    for (int v = 0; v < LONG; v++)
        for (int u = 0; u < LONG; u++) {
            int crossings = 0;
            for (int k = 0; k < n; k++) crossings += (y[k] <= v) != (y[(k + 1) % n] <= v) && x[k] > u;
            map[v * LONG + u] += crossings % 2;
        }
    *at = (size_t)((unsigned char *)stop - data);
    return n;
}

/* An area whose outline has more bytes than an element may, for its holes: several areas that touch. */
static void check_long_contour(void)
{
    static const struct dicom_label label = {1, "liver"};
    static uint16_t map[LONG * LONG];
    static int filled[LONG * LONG];
    struct dicom_image_uid image = {.class_uid = "1.2", .instance_uid = "1.2.3"};
    struct dicom_reference r = {
        .series_uid = "1.2.4",
        .study_uid = "1.2.5",
        .frame_of_reference = "1.2.6",
        .geometry = {.size = {LONG, LONG, 1, 1},
                     .spacing = {1, 1, 1},
                     .affine = {{-1, 0, 0, -100.1234}, {0, -1, 0, 50.4321}, {0, 0, 1, 7}}},
        .image = &image};
    struct error e = {""};
    unsigned char *data = NULL;
    size_t size = 0, at = 0;
    int contours = 0, points = 0, wrong = 0;
    for (int i = 0; i < LONG * LONG; i++) map[i] = !(i % LONG % 2 && i / LONG % 2 && i % LONG < LONG - 1);
    int status = dicom_rtstruct_write(in_folder("rt.dcm"), map, &label, 1, &r, "test", "20200102", "030405",
                                      &e);
    CHECK(!status && !file_read(in_folder("rt.dcm"), 0, &data, &size, &e), "%s", e.text);
    for (int n; data && (n = fill_long(filled, data, size, &at)) > 0; contours++) points += n;
    for (int i = 0; i < LONG * LONG; i++) wrong += filled[i] != map[i];
    CHECK(contours > 1 && points > 4 * (LONG / 2 - 1) * (LONG / 2 - 1) && !wrong,
          "%d contours of %d points, %d voxels differ", contours, points, wrong);
    free(data);
}

static void refuse(const struct volume *labels, const struct dicom_reference *r, const char *says)
{
    struct error e = {""};
    uint16_t *map = grids_labels(labels, &r->geometry, &e);
    CHECK(!map && strstr(e.text, says), "want '%s', got '%s'", says, e.text);
    free(map);
}

/* A label map whose axes run the other way is the same; another grid is none. */
static void check_grids(const struct dicom_reference *r)
{
    static float voxel[VOXELS];
    struct volume v = r->geometry;
    struct error e = {""};
    v.voxel = voxel;
    for (int i = 0; i < VOXELS; i++) voxel[i] = (float)(i % 250);
    for (int i = 0; i < 3; i++) { /* x and z turned */
        v.affine[i][3] += v.affine[i][0] * (WIDTH - 1) + v.affine[i][2] * (DEPTH - 1);
        v.affine[i][0] *= -1;
        v.affine[i][2] *= -1;
    }
    uint16_t *map = grids_labels(&v, &r->geometry, &e);
    int wrong = map == NULL;
    for (int i = 0; map && i < VOXELS; i++) {
        int x = i % WIDTH, y = i / WIDTH % HEIGHT, z = i / PLANE;
        wrong += map[i] != voxel[((DEPTH - 1 - z) * HEIGHT + y) * WIDTH + WIDTH - 1 - x];
    }
    CHECK(!wrong, "%d voxels of a turned map are wrong: %s", wrong, e.text);
    free(map);
    v.affine[0][3] += 0.2;
    refuse(&v, r, "not those of the grid: voxel (0, 0, 0) lies at voxel (11.733, 0.000, 4.000) there");
    v.affine[0][3] += 0.75 - 0.2;
    refuse(&v, r, "outside of the grid: they span voxels (-1, 0, 0) to (11, 10, 4) there, it has 13 x 11 x");
    v = r->geometry;
    v.voxel = voxel;
    voxel[5] = 1.5f;
    refuse(&v, r, "voxel 5 is 1.5");
    voxel[5] = -1;
    refuse(&v, r, "voxel 5 is -1");
    v.size[3] = 2;
    refuse(&v, r, "has 2 volumes");
}

int main(void)
{
    struct dicom_reference r;
    struct error e = {""};
    char command[64];
    if (!mkdtemp(folder) || file_mkdirs(in_folder("series"), &e)) return 1;
    write_series(0);
    int status = dicom_reference_read(&r, in_folder("series"), NULL, in_folder("seg.dcm"), &e);
    CHECK(!status && r.geometry.size[2] == DEPTH && strcmp(r.image[4].instance_uid, "1.2.3.4") == 0, "%s",
          e.text);
    if (!status) {
        check_maps(&r);
        check_grids(&r);
        check_several(&r);
        check_fractional(&r);
        check_no_contours(&r);
        check_frames(&r);
        check_long_name();
        check_long_contour();
        dicom_reference_free(&r);
        check_tilted();
        check_grid_frames();
    }
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0, "%s", command);
    return check_done("check_dicom_labels");
}
