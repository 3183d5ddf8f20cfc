/* check_image_formats.c - the table of image formats: every member has a case here, is found by its endings
 * and by its content, and gives back what it wrote: size, type, voxels, place, and axes that are not at right
 * angles, or refuses them.
 */
#include <unistd.h>

#include "io/base/file.h"
#include "io/formats/image_formats.h"
#include "io/image/voxels.h"
#include "tests/unit/expect.h"

static char folder[] = "/tmp/nephron_check_XXXXXX";

/* A member without an entry here fails the check. `flat`: holds a plane only; `placed`: keeps origin and
 * direction. */
static const struct {
    const char *name;
    int flat, placed;
    const char *sample; /* a file or folder of other writers */
} cases[] = {{"DICOM", 0, 1, "tests/data/dicom/series"},
             {"NIfTI", 0, 1, "tests/data/images/scanner.nii.gz"},
             {"NRRD", 0, 1, "tests/data/images/packed.nrrd"},
             {"MetaImage", 0, 1, "tests/data/images/packed.mha"},
             {"PNG", 1, 0, NULL},
             {"TIFF", 0, 0, NULL}};
enum { CASES = sizeof cases / sizeof *cases };

static int case_of(const struct image_format *f)
{
    for (int i = 0; i < CASES; i++)
        if (strcmp(cases[i].name, f->name) == 0) return i;
    return -1;
}

static void make_path(char *path, size_t size, const char *ending)
{
    snprintf(path, size, "%s/image%s", folder, ending);
}

/* A turned grid; shear: of the third axis along the second. */
static struct volume make_volume(int flat, double shear)
{
    static const double r[3][3] = {{0.36, 0.48, -0.8}, {-0.8, 0.6, 0}, {-0.48, -0.64, -0.6}};
    struct volume v = {.size = {5, 4, flat ? 1 : 3, 1}, .spacing = {0.5, 2, 3}};
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++) v.affine[i][k] = r[i][k] * v.spacing[k];
        v.affine[i][2] += shear * v.affine[i][1];
        v.affine[i][3] = 10 * i - 7.25;
    }
    double sum = 0;
    for (int i = 0; i < 3; i++) sum += v.affine[i][2] * v.affine[i][2];
    v.spacing[2] = sqrt(sum);
    v.voxel = malloc(60 * sizeof *v.voxel);
    for (int i = 0; i < 60; i++) v.voxel[i] = (float)(7 * i % 100);
    return v;
}

static void round_trip(const struct image_format *f, const struct image_ending *n, int c, double shear)
{
    char path[256];
    struct error e = {""};
    struct volume v = make_volume(cases[c].flat, shear), r;
    make_path(path, sizeof path, n->text);
    int status = volume_write(&v, path, VOXEL_U8, &e);
    if (shear != 0 && !f->sheared) {
        CHECK(status && strstr(e.text, "right angles") && !file_exists(path), "%s: %s", path, e.text);
    } else {
        CHECK(!status && image_format_of(path) == f, "%s: %s", path, e.text);
        CHECK(!volume_read(&r, path, &e), "%s", e.text);
        CHECK(r.type == VOXEL_U8 && r.voxel &&
                  memcmp(r.voxel, v.voxel, volume_voxels(&v) * sizeof *v.voxel) == 0,
              "%s: voxels", path);
        if (cases[c].placed)
            for (int i = 0; i < 12; i++)
                CHECK_NEAR(r.affine[i / 4][i % 4], v.affine[i / 4][i % 4], 1e-5, "%s, shear %g: affine %d",
                           path, shear, i);
        volume_free(&r);
        CHECK(!volume_read_header(&r, path, &e) && !r.voxel && r.size[0] == 5, "%s: header: %s", path,
              e.text);
        if (f->sniff) { /* told by content under a name that says nothing, or the wrong thing */
            char other[256];
            unsigned char *data;
            size_t size;
            make_path(other, sizeof other, ".bin");
            CHECK(!file_read(path, 0, &data, &size, &e) && !file_write(other, data, size, &e), "%s", e.text);
            free(data);
            if (!strstr(n->text, ".gz"))
                CHECK(image_format_of(other) == f, "%s is not told by its content", path);
            unlink(other);
        }
        unlink(path);
    }
    volume_free(&v);
}

static void check_members(void)
{
    char name[64];
    int members = 0;
    for (const struct image_format *f; (f = image_format_at(members)) != NULL; members++) {
        int c = case_of(f);
        CHECK(c >= 0, "no case for %s", f->name);
        CHECK((f->sniff || f->endings) && f->read && !f->read_series == !f->list_series, "%s: incomplete",
              f->name);
        if (c < 0) continue;
        if (cases[c].sample) {
            struct volume v;
            struct error e = {""};
            CHECK(image_format_of(cases[c].sample) == f, "%s is not %s", cases[c].sample, f->name);
            CHECK(!volume_read(&v, cases[c].sample, &e), "%s", e.text);
            volume_free(&v);
        }
        int written = 0;
        for (const struct image_ending *n = f->endings; n && n->text; n++) {
            snprintf(name, sizeof name, "a.b%s", n->text);
            CHECK(image_format_named(name) == f && volume_suffix(name) == (n->part ? 0 : strlen(n->text)),
                  "%s", name);
            written |= n->written;
            if (!n->written) continue;
            CHECK(f->write != NULL, "%s cannot write %s", f->name, n->text);
            round_trip(f, n, c, 0);
            if (!cases[c].flat) round_trip(f, n, c, 0.3);
            if (!cases[c].flat) round_trip(f, n, c, 0.0137);
        }
        CHECK(written == (f->write != NULL), "%s: writes what it names, and names what it writes", f->name);
    }
    CHECK(members == CASES, "%d members, %d cases", members, CASES);
}

static void check_exact(void)
{
    static const char *const ending[] = {".nii", ".nrrd", ".mha", ".tif"};
    static const double big[][2] = {[VOXEL_U32] = {16777217, 4294967295.0},
                                    [VOXEL_I32] = {-16777217, 2147483647.0},
                                    [VOXEL_U64] = {16777217, 9007199254740991.0},
                                    [VOXEL_I64] = {-9007199254740991.0, 16777217},
                                    [VOXEL_F64] = {0.1, 16777217}};
    char path[256];
    for (int t = VOXEL_U32; t <= VOXEL_F64; t++) {
        if (t == VOXEL_F32) continue;
        for (int i = 0; i < 4; i++) {
            double exact[60];
            struct error e = {""};
            struct volume v = make_volume(0, 0), r;
            for (int k = 0; k < 60; k++) exact[k] = v.voxel[k];
            exact[3] = big[t][0];
            exact[41] = big[t][1];
            v.exact = exact;
            make_path(path, sizeof path, ending[i]);
            CHECK(!volume_write(&v, path, (enum voxel_type)t, &e) &&
                      !volume_read_choice(&r, NULL, path, NULL, VOLUME_EXACT, &e),
                  "%s", e.text);
            CHECK(r.exact && memcmp(r.exact, exact, sizeof exact) == 0, "%s, %s", path,
                  voxel_type_name((enum voxel_type)t));
            CHECK(voxels_check(&r, VOXEL_F32, &e) && strstr(e.text, "voxel (3, 0, 0) is"), "%s", e.text);
            volume_free(&r);
            CHECK(!volume_read(&r, path, &e) && !r.exact && r.voxel[3] == (float)big[t][0], "%s", e.text);
            volume_free(&r);
            v.exact = NULL;
            volume_free(&v);
            unlink(path);
        }
    }
}

/* From one volume to the next: what a format has no place for is 0, and its unit too. */
static void check_steps(void)
{
    static const struct {
        const char *ending;
        int step, unit;
    } held[] = {{".nii.gz", 1, 1}, {".nrrd", 1, 1}, {".nhdr", 1, 1}, {".mha", 1, 0}, {".tif", 0, 0}};
    static const struct {
        double step;
        int unit;
    } given[] = {{2.5, 8}, {40, 16}, {1, 8}, {2.5, 0}, {0, 0}};
    for (size_t i = 0; i < sizeof held / sizeof *held * 5; i++) {
        char path[256];
        struct error e = {""};
        struct volume v = make_volume(0, 0), r;
        const int k = (int)(i % 5);
        v.size[2] = 1; /* the slices become volumes */
        v.size[3] = 3;
        v.step = given[k].step;
        v.step_unit = given[k].unit;
        make_path(path, sizeof path, held[i / 5].ending);
        CHECK(!volume_write(&v, path, VOXEL_U8, &e) && !volume_read(&r, path, &e), "%s", e.text);
        CHECK(r.size[3] == 3 && memcmp(r.voxel, v.voxel, 60 * sizeof *v.voxel) == 0, "%s: voxels", path);
        const double want = held[i / 5].step && (held[i / 5].unit || v.step != 1) ? v.step : 0;
        CHECK(r.step == want && r.step_unit == (held[i / 5].unit ? v.step_unit : 0),
              "%s: step %g of unit %d becomes %g of %d", path, v.step, v.step_unit, r.step, r.step_unit);
        volume_free(&v);
        volume_free(&r);
        unlink(path);
    }
}

/* A file beside a TIFF that is there, but has no spacing: 1 mm is told as it is without one. */
static void check_spacing_file(void)
{
    static const struct {
        const char *json, *says;
        double spacing;
    } files[] = {{"{\"spacing\": [3, 2, 0.5]}", "place 0", 0.5},
                 {"{\"Modality\": \"CT\"}", "spacing 1 mm: image.json names none", 1}};
    for (int i = 0; i < 2; i++) {
        char path[256], beside[256];
        struct error e = {""};
        struct volume v = make_volume(0, 0), r;
        make_path(path, sizeof path, ".tif");
        make_path(beside, sizeof beside, ".json");
        CHECK(!volume_write(&v, path, VOXEL_U8, &e) &&
                  !file_write(beside, files[i].json, strlen(files[i].json), &e) && !volume_read(&r, path, &e),
              "%s", e.text);
        CHECK(r.spacing[0] == files[i].spacing && strstr(r.assumed, files[i].says) &&
                  !strstr(r.assumed, "1 mm") == (i == 0),
              "%s: %g mm, '%s'", files[i].json, r.spacing[0], r.assumed);
        volume_free(&v);
        volume_free(&r);
        unlink(path);
    }
}

/* A single page is a picture, and with three spacings beside it a volume of one slice, as nnU-Net's Tiff3DIO
 * has it: with one, a case among thicker ones would be resampled to a thousand slices. */
static void check_one_slice(void)
{
    char path[256], beside[256];
    struct error e = {""};
    struct volume v = make_volume(0, 0), r;
    make_path(path, sizeof path, ".tif");
    make_path(beside, sizeof beside, ".json");
    v.size[2] = 1;
    v.spacing[2] = 5;
    for (int i = 0; i < 12; i++) v.affine[i / 4][i % 4] = i % 5 == 0 ? v.spacing[i / 5] : 0;
    CHECK(!volume_write(&v, path, VOXEL_U8, &e) && !volume_read(&r, path, &e), "%s", e.text);
    CHECK(!r.flat && r.spacing[0] == v.spacing[0] && r.spacing[2] == 5 && !strstr(r.assumed, "999"),
          "one slice: flat %d, %g mm, '%s'", r.flat, r.spacing[2], r.assumed);
    volume_free(&r);
    CHECK(!file_write(beside, "{\"spacing\": [1, 1]}", 19, &e) && !volume_read(&r, path, &e), "%s", e.text);
    CHECK(r.flat && r.spacing[2] == 999, "a picture: flat %d, %g mm", r.flat, r.spacing[2]);
    volume_free(&v);
    volume_free(&r);
    unlink(path);
    unlink(beside);
    CHECK(!volume_read(&r, "tests/data/images/three_slices.tif", &e), "%s", e.text);
    CHECK(r.size[2] == 3 && r.size[3] == 1 && r.spacing[2] == 3, "three slices: %lld, %lld channels",
          (long long)r.size[2], (long long)r.size[3]);
    for (int i = 0; i < 60; i++) CHECK(r.voxel[i] == (float)i, "voxel %d is %g", i, r.voxel[i]);
    volume_free(&r);
}

int main(void)
{
    if (!mkdtemp(folder)) return 1;
    check_members();
    check_spacing_file();
    check_one_slice();
    check_steps();
    check_exact();
    CHECK(image_format_of("tests/data") == NULL && image_format_named("a.txt") == NULL,
          "what is no image is none");
    CHECK(volume_is_named("a.bmp") && volume_is_named("a.nii") && !volume_is_named("a.txt"),
          "names of images");
    char path[256];
    make_path(path, sizeof path, ".json");
    unlink(path);
    static const char *const voxels[] = {"image.zraw", "image.raw.gz"}; /* of headers that name a file */
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, voxels[i]);
        unlink(path);
    }
    CHECK(rmdir(folder) == 0, "%s is not empty", folder);
    return check_done("check_image_formats");
}
