/* check_geometry.c - where the voxels of an image are and what their values mean: units, matrices, slopes,
 * what a header leaves open, and what it cannot mean. */
#include <unistd.h>

#include "io/image/metaimage.h"
#include "io/image/nifti.h"
#include "io/image/nrrd.h"
#include "io/tiff/tiff.h"
#include "io/image/png_volume.h"
#include "io/image/voxels.h"
#include "io/pack/gzip.h"
#include "tests/unit/io/image_files.h"

/* What a file does not say, or cannot mean, is told. */
static void check_assumed(void)
{
    static const struct {
        const char *name, *text, *says;
    } files[] = {
        {"a.nrrd", "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 1 2\nencoding: raw\n\nabcd",
         "spacing 1 mm along axis 0"},
        {"a.nrrd",
         "NRRD0004\ntype: uchar\ndimension: 3\nspacings: 1 2 -3\nsizes: 2 1 2\nencoding: raw\n\nabcd",
         "no space directions"},
        {"a.nrrd",
         "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 1 2\nspace: scanner-xyz\nspace directions: (1,0,0) "
         "(0,1,0) (0,0,2)\nencoding: raw\n\nabcd",
         "place 0"},
        {"a.nrrd",
         "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 1 2\nspace dimension: 3\nspace directions: (1,0,0) "
         "(0,1,0) (0,0,2)\nspace origin: (0,0,0)\nencoding: raw\n\nabcd",
         "x to the left, y to the back, z to the head: the space is 'not named'"},
        {"a.nrrd",
         "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 1 2\nold min: -1\nold max: 3\nencoding: raw\n\nabcd",
         "old min, old max is not applied"},
        {"a.mha", "NDims = 3\nDimSize = 2 1 2\nElementType = MET_UCHAR\nElementDataFile = LOCAL\nabcd",
         "no ElementSpacing"},
        {"a.mha",
         "NDims = 3\nDimSize = 2 1 2\nElementSpacing = 1 1 1\nElementToIntensityFunctionSlope = "
         "0\nElementType = MET_UCHAR\nElementDataFile = LOCAL\nabcd",
         "ElementToIntensityFunction is not applied"},
        {"a.mha",
         "NDims = 3\nDimSize = 2 1 2\nElementSpacing = 1 1 1\nDistanceUnits = furlong\nElementType = "
         "MET_UCHAR\nElementDataFile = LOCAL\nabcd",
         "the unit 'furlong' is not applied"},
        {"a.nrrd",
         "NRRD0004\ntype: uchar\ndimension: 3\nspacings: 1 1 1\nunits: \"mm\" \"ell\" \"mm\"\nsizes: 2 1 2\n"
         "encoding: raw\n\nabcd",
         "the unit 'ell' is not applied"},
        {"a.nrrd",
         "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 1 2\nspace: LPS\nspace directions: (1,0,0) (0,1,0) "
         "(0,0,1)\nspace units: \"mm\" \"cm\" \"mm\"\nencoding: raw\n\nabcd",
         "the unit 'cm' is not applied"},
        {"a.nrrd",
         "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 1 2\naxis mins: 1 0 0\naxis maxs: 5 3 8\nencoding: "
         "raw\n\nabcd",
         "spacing of axis mins and maxs along axis 0"},
        {"a.nrrd", "NRRD0004\ntype: uchar\ndimension: 2\nspacings: 1 2\nsizes: 2 2\nencoding: raw\n\nabcd",
         "999 times the larger spacing"},
        {"a.nrrd",
         "NRRD0004\ntype: uchar\ndimension: 3\nspacings: 1 1 1\nsizes: 2 1 2\nencoding: raw\n\nabcde",
         VOXELS_FOLLOWED},
        {"a.nrrd",
         "NRRD0004\ntype: uchar\ndimension: 3\nspacings: 1 1 1\nsizes: 2 1 2\nencoding: ascii\n\n1 2 3 4\n5",
         VOXELS_FOLLOWED},
        {"a.nrrd",
         "NRRD0004\ntype: uchar\ndimension: 3\nspacings: 1 1 1\nsizes: 2 1 2\nencoding: hex\n\n61626364\n65",
         VOXELS_FOLLOWED},
        {"a.mha",
         "NDims = 3\nDimSize = 2 1 2\nElementSpacing = 1 1 1\nElementType = MET_UCHAR\nElementDataFile = "
         "LOCAL\nabcdefgh",
         VOXELS_FOLLOWED},
        {"a.mha",
         "NDims = 3\nDimSize = 2 1 2\nElementSpacing = 1 1 1\nBinaryData = False\nElementType = MET_UCHAR\n"
         "ElementDataFile = LOCAL\n1 2 3 4 5",
         VOXELS_FOLLOWED}};
    struct error e = {""};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct volume v = {0};
        CHECK(!file_write(in_folder(files[i].name), files[i].text, strlen(files[i].text), &e) &&
                  !volume_read(&v, in_folder(files[i].name), &e),
              "%s", e.text);
        CHECK(strstr(v.assumed, files[i].says), "%s: '%s', not '%s'", files[i].name, v.assumed,
              files[i].says);
        if (i == 1)
            CHECK(v.spacing[2] == 3 && v.affine[2][2] == -3, "a negative spacing runs the other way: %g",
                  v.affine[2][2]);
        volume_free(&v);
    }
}

/* The end of a line behind numbers is none of them. */
static void check_line_end(void)
{
    static const char *const text[] = {"ascii\n\n1 2 3 4\n", "hex\n\n0102 0304\r\n"};
    for (int i = 0; i < 2; i++) {
        struct volume v = {0};
        struct error e = {""};
        char file[200];
        snprintf(file, sizeof file, "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 1 2\nencoding: %s",
                 text[i]);
        CHECK(!file_write(in_folder("end.nrrd"), file, strlen(file), &e) &&
                  !volume_read(&v, in_folder("end.nrrd"), &e),
              "%s", e.text);
        CHECK(v.voxel[3] == 4 && !strstr(v.assumed, VOXELS_FOLLOWED), "%s", v.assumed);
        volume_free(&v);
    }
}

/* A field that is there twice is an error, as it is to ITK. */
static void check_twice(void)
{
    static const char text[] = "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 1 2\nsizes: 1 2 2\n"
                               "encoding: raw\n\nabcd";
    struct volume v;
    struct error e = {""};
    CHECK(!file_write(in_folder("twice.nrrd"), text, strlen(text), &e) &&
              volume_read(&v, in_folder("twice.nrrd"), &e) && strstr(e.text, "'sizes' is there twice"),
          "sizes twice: '%s'", e.text);
}

/* Units of length are left aside, as ITK does (SimpleITK 2.5 gives these numbers, but for the spacing of the
 * ends of axes, which it takes as 1); a negative spacing runs the other way. */
static void check_units(void)
{
    static const struct {
        const char *name, *text;
        double spacing[3], origin; /* origin along x in LPS */
    } files[] = {
        {"a.nrrd",
         "NRRD0004\ntype: uchar\n"
         "dimension: 3\n"
         "sizes: 2 1 2\n"
         "space: left-posterior-superior\n"
         "space directions: (2,0,0) (0,3,0) (0,0,4)\n"
         "space units: \"cm\" \"mm\" \"um\"\n"
         "space origin: (5,0,0)\n"
         "encoding: raw\n\nabcd",
         {2, 3, 4},
         5},
        {"a.nrrd",
         "NRRD0004\ntype: uchar\n"
         "dimension: 3\n"
         "sizes: 2 1 2\n"
         "spacings: 2 3 4\n"
         "units: \"m\" \"mm\" \"microns\"\n"
         "encoding: raw\n\nabcd",
         {2, 3, 4},
         0},
        {"a.nrrd",
         "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 1 2\naxis mins: 1 0 0\naxis maxs: 5 3 8\nencoding: "
         "raw\n\nabcd",
         {2, 3, 4},
         2},
        {"a.mha",
         "NDims = 3\nDimSize = 2 1 2\n"
         "ElementSpacing = 2 3 4\n"
         "Offset = 5 0 0\n"
         "DistanceUnits = cm\n"
         "ElementType = MET_UCHAR\n"
         "ElementDataFile = LOCAL\nabcd",
         {2, 3, 4},
         5},
        {"a.mha",
         "NDims = 3\nDimSize = 2 1 2\n"
         "ElementSpacing = 2 3 -4\n"
         "Offset = 5 0 0\n"
         "DistanceUnits = mm\n"
         "ElementType = MET_UCHAR\n"
         "ElementDataFile = LOCAL\nabcd",
         {2, 3, 4},
         5}};
    struct error e = {""};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct volume v = {0};
        CHECK(!file_write(in_folder(files[i].name), files[i].text, strlen(files[i].text), &e) &&
                  !volume_read(&v, in_folder(files[i].name), &e),
              "%s", e.text);
        for (int k = 0; k < 3; k++)
            CHECK(fabs(v.spacing[k] / files[i].spacing[k] - 1) < 1e-12, "file %zu: spacing[%d] is %g", i, k,
                  v.spacing[k]);
        CHECK(v.affine[0][3] == -files[i].origin, "file %zu: origin %g", i, v.affine[0][3]);
        CHECK(v.affine[2][2] == (i == 4 ? -4 : files[i].spacing[2]), "file %zu: %g", i, v.affine[2][2]);
        volume_free(&v);
    }
}

/* Matrices that cannot be meant, and numbers that the type cannot hold. */
static void check_refused(void)
{
    static const struct {
        const char *text, *says;
    } files[] = {
        {"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 1 2\nspace: ras\nspace directions: (1,0,0) (2,0,0) "
         "(0,0,4)\nencoding: raw\n\nabcd",
         "lie in a plane"},
        {"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 1 2\nspace: ras\nspace directions: (nan,0,1) (0,1,0) "
         "(0,0,4)\nencoding: raw\n\nabcd",
         "axis 0 has direction"},
        {"NRRD0004\ntype: uchar\n"
         "dimension: 4\n"
         "sizes: 2 1 2 1\n"
         "kinds: complex domain domain domain\n"
         "encoding: raw\n\nabcd",
         "complex"},
        {"NRRD0004\ntype: uchar\nkinds: vector domain domain domain\ndimension: 4\nsizes: 2 1 2 1\n"
         "encoding: raw\n\nabcd",
         "kinds stand before dimension"},
        {"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 1 1\nencoding: ascii\n\n256 1", "uint8 cannot hold"},
        {"NRRD0004\ntype: short\ndimension: 3\nsizes: 2 1 1\nencoding: ascii\n\n1.5 1", "int16 cannot hold"},
        {"NDims = 3\nDimSize = 2 1 1\n"
         "BinaryData = False\n"
         "ElementType = MET_USHORT\n"
         "ElementDataFile = LOCAL\n-1 2",
         "uint16 cannot hold"},
        {"NDims = 3\nDimSize = 2 1 2\nTransformMatrix = 1 0 0 0 1 0 1 1 0\nElementType = "
         "MET_UCHAR\nElementDataFile = LOCAL\nabcd",
         "lie in a plane"}};
    struct error e = {""};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct volume v = {0};
        const char *name = files[i].text[1] == 'R' ? "r.nrrd" : "r.mha";
        CHECK(!file_write(in_folder(name), files[i].text, strlen(files[i].text), &e), "%s", e.text);
        CHECK(volume_read(&v, in_folder(name), &e) && strstr(e.text, files[i].says),
              "file %zu: want '%s', got '%s'", i, files[i].says, e.text);
    }
}

/* ElementSpacing as it is written: a last bit more of a turned axis made 13 of 12.5 voxels. */
static void check_exact_spacing(void)
{
    static const char text[] =
        "NDims = 3\nDimSize = 2 1 2\nElementSpacing = 0.625 0.88 0.55\n"
        "TransformMatrix = 0.98028571642114604 0.14991482181816984 -0.12870687774904435 -0.18817419464254206 "
        "0.90699212025614573 -0.37677017698312049 0.06025268999232946 0.39356173593540272 "
        "0.91732152125424404\nElementType = MET_UCHAR\nElementDataFile = LOCAL\nabcd";
    struct volume v = {0};
    struct error e = {""};
    CHECK(!file_write(in_folder("turned.mha"), text, sizeof text - 1, &e) &&
              !volume_read(&v, in_folder("turned.mha"), &e),
          "%s", e.text);
    CHECK(v.spacing[0] == 0.625 && v.spacing[1] == 0.88 && v.spacing[2] == 0.55, "%.17g %.17g %.17g",
          v.spacing[0], v.spacing[1], v.spacing[2]);
    volume_free(&v);
}

/* The step from volume to volume: of the axis that is none of space, or in ITK's fourth component. */
static void check_nrrd_steps(void)
{
    static const struct {
        const char *fields;
        double step;
        int unit;
    } files[] = {
        {"space dimension: 4\nspace directions: (1,0,0,0) (0,2,0,0) (0,0,3,0) (0,0,0,2.5)\n", 2.5, 0},
        {"space: LPST\nspace directions: (1,0,0,0) (0,2,0,0) (0,0,3,0) (0,0,0,40)\n"
         "space units: \"mm\" \"mm\" \"mm\" \"ms\"\n", 40, 16},
        {"spacings: 1 2 3 2.5\nunits: \"mm\" \"mm\" \"mm\" \"s\"\n", 2.5, 8},
        {"kinds: domain domain domain list\nspacings: 1 2 3 1\n", 0, 0},
        {"kinds: domain domain domain time\naxis mins: nan nan nan 0\naxis maxs: nan nan nan 9\n", 4.5, 0},
        {"space: LPS\nspace directions: (1,0,0) (0,2,0) (0,0,3) none\nspacings: nan nan nan 7\n", 7, 0},
        {"space: LPS\nspace directions: (1,0,0) (0,2,0) (0,0,3) none\n", 0, 0}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char text[400];
        struct volume v = {0};
        struct error e = {""};
        snprintf(text, sizeof text,
                 "NRRD0004\ntype: uchar\ndimension: 4\nsizes: 2 1 1 2\n%sencoding: raw\n\nabcd",
                 files[i].fields);
        CHECK(!file_write(in_folder("step.nrrd"), text, strlen(text), &e) &&
                  !volume_read(&v, in_folder("step.nrrd"), &e),
              "%s", e.text);
        CHECK(v.step == files[i].step && v.step_unit == files[i].unit && v.size[3] == 2,
              "file %zu: step %g of unit %d", i, v.step, v.step_unit);
        volume_free(&v);
    }
}

/* The first end of an axis alone is no length; an axis has a centring of its own. The numbers are
 * SimpleITK 2.5's, but for the place without a spacing, which it takes as 0. */
static void check_axis_ends(void)
{
    static const struct {
        const char *fields;
        double spacing, place[3]; /* LPS */
        int placed;
    } files[] = {{"dimension: 3\nsizes: 3 1 4\naxis mins: 5 5 -3\n", 1, {5.5, 5.5, -2.5}, 1},
                 {"dimension: 3\nsizes: 3 1 4\nspacings: 2.3 2.3 2.3\ncenterings: cell node cell\n"
                  "axis mins: -3 5 0\n",
                  2.3, {-1.85, 5, 1.15}, 1},
                 {"dimension: 4\nsizes: 1 3 1 4\nkinds: list domain domain domain\nspacings: nan 2 2 2\n"
                  "axis mins: nan -3 5 0\n",
                  2, {-2, 6, 1}, 1},
                 {"dimension: 4\nsizes: 1 3 1 4\nkinds: list domain domain domain\nspacings: nan 2 2 2\n"
                  "axis mins: nan -3 5 nan\n",
                  2, {-2, 6, 0}, 0}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char text[400];
        struct volume v = {0};
        struct error e = {""};
        snprintf(text, sizeof text, "NRRD0004\ntype: uchar\n%sencoding: raw\n\nabcdefghijkl",
                 files[i].fields);
        CHECK(!file_write(in_folder("ends.nrrd"), text, strlen(text), &e) &&
                  !volume_read(&v, in_folder("ends.nrrd"), &e),
              "%s", e.text);
        for (int k = 0; k < 3; k++) {
            const double sign = k < 2 ? -1 : 1;
            CHECK(v.spacing[k] == files[i].spacing && v.affine[k][k] == sign * files[i].spacing,
                  "file %zu, axis %d: spacing %g, step %g", i, k, v.spacing[k], v.affine[k][k]);
            CHECK(fabs(v.affine[k][3] - sign * files[i].place[k]) < 1e-12, "file %zu, axis %d: place %g", i,
                  k, v.affine[k][3]);
        }
        CHECK((strstr(v.assumed, "place 0") == NULL) == files[i].placed && !strstr(v.assumed, "maxs"), "%s",
              v.assumed);
        volume_free(&v);
    }
}

/* The components of a voxel, which SimpleITK writes into dim[5], are volumes; five dimensions are none. */
static void check_components(void)
{
    static const unsigned char dims[3][6] = {{5, 2, 1, 1, 1, 3}, {5, 2, 1, 1, 3, 1}, {5, 2, 1, 1, 3, 2}};
    float voxel[6] = {1, 2, 3, 4, 5, 6};
    struct volume v = {.size = {2, 1, 1, 3}, .spacing = {1, 1, 1}, .step = 2, .voxel = voxel};
    struct error e = {""};
    unsigned char *data;
    size_t size;
    for (int i = 0; i < 3; i++) v.affine[i][i] = 1;
    CHECK(!volume_write(&v, in_folder("parts.nii"), VOXEL_F32, &e) &&
              !file_read(in_folder("parts.nii"), 0, &data, &size, &e),
          "%s", e.text);
    for (int i = 0; i < 3; i++) {
        struct volume r = {0};
        for (int k = 0; k < 6; k++) bytes_set(data + 40 + 2 * k, dims[i][k], 2, 0);
        const int status = nifti_parse(&r, data, size, NULL, 0, "parts", 0, &e);
        if (i == 2) {
            CHECK(status && strstr(e.text, "dim[5] is 2: more than four dimensions"), "%s", e.text);
            continue;
        }
        CHECK(!status, "%s", e.text);
        CHECK(r.size[3] == 3 && r.size[2] == 1 && r.voxel[5] == 6, "%lld volumes", (long long)r.size[3]);
        CHECK(r.step == (i ? 2 : 0), "step %g: components have none", r.step);
        volume_free(&r);
    }
    free(data);
}

/* In text too: 2^53 + 1 would be read as 2^53. */
static void check_long_text(void)
{
    static const char *const last[] = {"9007199254740993", "-9007199254740993", "9007199254740991"};
    for (int i = 0; i < 3; i++) {
        char text[200];
        struct volume v;
        struct error e = {""};
        snprintf(text, sizeof text,
                 "NRRD0004\ntype: int64\ndimension: 3\nsizes: 2 1 1\nencoding: ascii\n\n5 %s\n", last[i]);
        CHECK(!file_write(in_folder("long.nrrd"), text, strlen(text), &e), "%s", e.text);
        const int status = volume_read_choice(&v, NULL, in_folder("long.nrrd"), NULL, VOLUME_EXACT, &e);
        CHECK(i < 2 ? status && strstr(e.text, VOXELS_BEYOND) && strstr(e.text, last[i])
                    : !status && v.exact && v.exact[1] == 9007199254740991.0,
              "%s: %s", last[i], e.text);
        if (!status) volume_free(&v);
    }
}

/* NIfTI's two matrices and pixdim, against each other: what is taken is told where they differ. */
static void check_matrices(void)
{
    static const struct {
        int at; /* a float of the header, by its byte */
        float value;
        int qform, sform;
        const char *says;
    } changes[] = {
        {280, 1, 1, 1, ""},   /* as it was */
        {280, -1, 1, 1, "the sform: the qform lies elsewhere"},
        {280, 5, 0, 1, "spacing of pixdim[1], 1: the sform has 5"},
        {280, 5, 1, 2, "the qform: the sform lies elsewhere"},
        {280, 0, 1, 1, "the qform: the sform is singular"},
        {284, 0.5f, 1, 1, "the qform: the sform is sheared"},
        {280, NAN, 1, 1, "the qform: the sform is singular"},
        {292, INFINITY, 0, 1, "place 0 along x: the sform has inf"},
        {268, NAN, 1, 0, "place 0 along x: the qform has nan"},
        {256, 2, 1, 0, "the quaternion has the length 2"},
        {256, NAN, 1, 0, "the qform is singular"},
        {80, -1, 1, 1, "pixdim[1] is -1: its size is taken"},
        {80, NAN, 0, 1, "pixdim[1] is nan: spacing of the matrix"},
    };
    static const double identity[3][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}};
    float voxel[8] = {3, 5};
    struct volume v = {.size = {2, 2, 2, 1}, .spacing = {1, 1, 1}, .voxel = voxel}, r;
    struct error e = {""};
    unsigned char *data, changed[400];
    size_t size;
    memcpy(v.affine, identity, sizeof identity);
    CHECK(!volume_write(&v, in_folder("m.nii"), VOXEL_I16, &e) &&
              !file_read(in_folder("m.nii"), 0, &data, &size, &e) && size <= sizeof changed,
          "%s", e.text);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        uint32_t bits;
        memcpy(changed, data, size);
        memcpy(&bits, &changes[i].value, 4);
        bytes_set(changed + changes[i].at, bits, 4, 0);
        bytes_set(changed + 252, (uint64_t)changes[i].qform, 2, 0);
        bytes_set(changed + 254, (uint64_t)changes[i].sform, 2, 0);
        CHECK(!nifti_parse(&r, changed, size, NULL, 0, "m", 0, &e), "%s", e.text);
        CHECK(changes[i].says[0] ? strstr(r.assumed, changes[i].says) != NULL : !r.assumed[0],
              "change %zu: '%s', not '%s'", i, r.assumed, changes[i].says);
        for (int k = 0; k < 3; k++)
            for (int c = 0; c < 4; c++) CHECK(isfinite(r.affine[k][c]), "change %zu: affine", i);
        volume_free(&r);
    }
    /* A thousandth of the spacing is rounding: 4 mm beside 4.003, but not beside 4.005. */
    for (int apart = 0; apart < 2; apart++) {
        const float four = 4, column = apart ? 4.005f : 4.003f;
        uint32_t bits;
        memcpy(changed, data, size);
        memcpy(&bits, &four, 4);
        bytes_set(changed + 80, bits, 4, 0);
        memcpy(&bits, &column, 4);
        bytes_set(changed + 280, bits, 4, 0);
        bytes_set(changed + 252, 0, 2, 0);
        CHECK(!nifti_parse(&r, changed, size, NULL, 0, "m", 0, &e), "%s", e.text);
        CHECK(apart ? strstr(r.assumed, "spacing of pixdim[1], 4: the sform has 4.005") != NULL
                    : !r.assumed[0],
              "spacing of the sform %g: '%s'", (double)column, r.assumed);
        volume_free(&r);
    }
    bytes_set(data + 123, 5, 1, 0);
    CHECK(!nifti_parse(&r, data, size, NULL, 0, "m", 0, &e) && strstr(r.assumed, "xyzt_units is 5") &&
              !strstr(r.assumed, "last voxel"),
          "%s", e.text);
    volume_free(&r);
    bytes_set(data + 46, 1, 2, 0); /* a plane less than there is */
    CHECK(!nifti_parse(&r, data, size, NULL, 0, "m", 0, &e) &&
              strstr(r.assumed, "what follows the last voxel is none"),
          "%s %s", e.text, r.assumed);
    volume_free(&r);
    bytes_set(data + 46, 2, 2, 0);
    memset(data + 344, 0, 4); /* an Analyze header, with SPM's scale */
    bytes_set(data + 112, 0x3f000000, 4, 0);
    CHECK(!nifti_parse(&r, data, 348, data + 352, size - 352, "m", 0, &e) &&
              strstr(r.assumed, "SPM's scale 0.5"),
          "%s %s", e.text, r.assumed);
    volume_free(&r);
    free(data);
}

/* NIfTI's slopes that cannot be meant: values as stored, told where something is lost by it. */
static void check_slopes(void)
{
    static const struct {
        float slope, inter;
        const char *says;
    } slopes[] = {{0, 0, ""},
                  {NAN, NAN, ""},
                  {0, 7, "scl_slope is 0, scl_inter 7"},
                  {NAN, 7, "scl_inter 7"},
                  {INFINITY, 0, "scl_slope is inf"},
                  {1, NAN, "scl_inter 0"}};
    static const double identity[3][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}};
    float voxel[2] = {3, 5};
    struct volume v = {.size = {2, 1, 1, 1}, .spacing = {1, 1, 1}, .voxel = voxel}, r;
    struct error e = {""};
    unsigned char *data;
    size_t size;
    memcpy(v.affine, identity, sizeof identity);
    CHECK(!volume_write(&v, in_folder("s.nii"), VOXEL_I16, &e) &&
              !file_read(in_folder("s.nii"), 0, &data, &size, &e),
          "%s", e.text);
    for (size_t i = 0; i < sizeof slopes / sizeof *slopes; i++) {
        uint32_t bits[2];
        memcpy(&bits[0], &slopes[i].slope, 4);
        memcpy(&bits[1], &slopes[i].inter, 4);
        for (int k = 0; k < 2; k++) bytes_set(data + 112 + 4 * k, bits[k], 4, 0);
        CHECK(!nifti_parse(&r, data, size, NULL, 0, "s", 0, &e) && r.voxel[0] == 3 && r.voxel[1] == 5,
              "slope %g: %s", slopes[i].slope, e.text);
        CHECK(slopes[i].says[0] ? strstr(r.assumed, slopes[i].says) != NULL : !r.assumed[0],
              "slope %g, inter %g: '%s'", slopes[i].slope, slopes[i].inter, r.assumed);
        volume_free(&r);
    }
    const float swallowed[2] = {1e-42F, 5}; /* every 16-bit number times this is nothing beside 5 */
    uint32_t bits[2];
    memcpy(bits, swallowed, sizeof bits);
    for (int k = 0; k < 2; k++) bytes_set(data + 112 + 4 * k, bits[k], 4, 0);
    CHECK(nifti_parse(&r, data, size, NULL, 0, "s", 0, &e) && strstr(e.text, "makes all of them the same"),
          "%s", e.text);
    free(data);
}

/* Scaled numbers that float32 would round are there as doubles (nibabel's get_fdata gives these), so that
 * convert writes float64; 16 bits with a slope stay float32, unless the intercept swallows the steps. */
static void check_scaled(void)
{
    static const struct {
        enum voxel_type type;
        float slope, inter;
        double stored;
        int exact;
    } files[] = {{VOXEL_I32, 0.1F, 0, 2147483647, 1}, {VOXEL_I32, 0.5F, 0, 6, 0},
                 {VOXEL_U32, 1, 0.5F, 4294967295.0, 1}, {VOXEL_F64, 2, 1, 1 / 3.0, 1},
                 {VOXEL_F32, 1, 1e9F, 1.5, 1},          {VOXEL_F32, 0.1F, 0, 1.5, 0},
                 {VOXEL_I16, 0.1F, 0, 32767, 0},        {VOXEL_I16, 0.1F, 1e6F, 32767, 1},
                 {VOXEL_U8, 1, 1e9F, 255, 1}};
    static const double identity[3][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}};
    struct error e = {""};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        float voxel[2] = {0, (float)files[i].stored};
        double exact[2] = {0, files[i].stored};
        struct volume v = {.size = {2, 1, 1, 1}, .spacing = {1, 1, 1}, .voxel = voxel, .exact = exact};
        struct volume r = {0};
        unsigned char *data;
        size_t size;
        uint32_t bits[2];
        memcpy(v.affine, identity, sizeof identity);
        CHECK(!volume_write(&v, in_folder("f.nii"), files[i].type, &e) &&
                  !file_read(in_folder("f.nii"), 0, &data, &size, &e),
              "%s", e.text);
        memcpy(&bits[0], &files[i].slope, 4);
        memcpy(&bits[1], &files[i].inter, 4);
        for (int k = 0; k < 2; k++) bytes_set(data + 112 + 4 * k, bits[k], 4, 0);
        const double right = files[i].stored * files[i].slope + files[i].inter;
        CHECK(!nifti_parse(&r, data, size, NULL, 0, "f", VOLUME_EXACT, &e) && r.voxel[1] == (float)right,
              "%s", e.text);
        CHECK((r.exact != NULL) == files[i].exact && (!r.exact || r.exact[1] == right), "file %zu: %.17g", i,
              r.exact ? r.exact[1] : (double)r.voxel[1]);
        volume_free(&r);
        free(data);
    }
}

/* Of an animation one picture is read, which is told. */
static void check_animation(void)
{
    static const unsigned char control[] = {0, 0, 0, 8, 'a', 'c', 'T', 'L', 0, 0, 0, 3, 0, 0, 0, 0};
    enum { HEAD = 33, CONTROL = sizeof control + 4 };
    unsigned char *data = NULL, *more = NULL;
    size_t size;
    struct volume v;
    struct error e = {""};
    CHECK(!file_read(in_golden("grey.png"), 0, &data, &size, &e) && (more = malloc(size + CONTROL)), "%s",
          e.text);
    memcpy(more, data, HEAD);
    memcpy(more + HEAD, control, sizeof control);
    bytes_set(more + HEAD + sizeof control, crc32_update(0, control + 4, sizeof control - 4), 4, 1);
    memcpy(more + HEAD + CONTROL, data + HEAD, size - HEAD);
    CHECK(!png_parse(&v, more, size + CONTROL, "m", 0, &e) &&
              strstr(v.assumed, "the 3 frames of an animation"),
          "%s %s", e.text, v.assumed);
    volume_free(&v);
    free(more);
    free(data);
}

/* A mask of what is transparent is a page of a TIFF, and no slice. */
static void check_mask(void)
{
    static const unsigned char black_is_zero[12] = {0x06, 1, 3, 0, 1, 0, 0, 0, 1, 0, 0, 0};
    float voxel[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct volume v = {.size = {2, 2, 2, 1}, .spacing = {1, 1, 1}, .voxel = voxel}, r;
    struct error e = {""};
    unsigned char *data = NULL, *page = NULL;
    size_t size = 0;
    for (int i = 0; i < 3; i++) v.affine[i][i] = 1;
    CHECK(!volume_write(&v, in_folder("mask.tif"), VOXEL_U8, &e) &&
              !file_read(in_folder("mask.tif"), 0, &data, &size, &e),
          "%s", e.text);
    if (data) page = memmem(data, size, black_is_zero, sizeof black_is_zero);
    if (page) page = memmem(page + 1, size - (size_t)(page + 1 - data), black_is_zero, sizeof black_is_zero);
    if (page) page[8] = 4;
    CHECK(page && tiff_parse(&r, data, size, "m", 0, &e) && strstr(e.text, "page 1 is a transparency mask"),
          "a mask behind a slice: %s", e.text);
    free(data);
}

int main(void)
{
    char command[64];
    if (!mkdtemp(folder)) return 1;
    check_assumed();
    check_animation();
    check_mask();
    check_line_end();
    check_units();
    check_twice();
    check_refused();
    check_exact_spacing();
    check_nrrd_steps();
    check_axis_ends();
    check_components();
    check_long_text();
    check_matrices();
    check_slopes();
    check_scaled();
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0, "%s", command);
    return check_done("check_geometry");
}
