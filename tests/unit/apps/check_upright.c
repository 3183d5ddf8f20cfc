/* check_upright.c - which voxel is under which pixel, and which letters stand where, for images that lie in
 * every way. */
#include "apps/base/upright.h"
#include "tests/unit/expect.h"

/* A sample whose axes (x, y, z of the file) run along the world axes named: "RAS", "LPS", "PIR" ... */
static struct sample lay(const char *code, const double mm[3])
{
    static const char plus[] = "RAS", minus[] = "LPI";
    struct sample s = {.size = {4, 6, 8}, .channels = 1, .spacing = {mm[2], mm[1], mm[0]}};
    for (int k = 0; k < 3; k++)
        for (int w = 0; w < 3; w++)
            s.affine[w][k] = code[k] == plus[w] ? mm[k] : code[k] == minus[w] ? -mm[k] : 0;
    return s;
}

/* World position of the voxel under a pixel. */
static void place(double world[3], const struct sample *s, ptrdiff_t voxel)
{
    const double x = (double)(voxel % s->size[2]), y = (double)(voxel / s->size[2] % s->size[1]),
                 z = (double)(voxel / s->size[2] / s->size[1]);
    for (int w = 0; w < 3; w++) world[w] = s->affine[w][0] * x + s->affine[w][1] * y + s->affine[w][2] * z;
}

static void check_way(const char *code, const char *marks)
{
    static const double mm[3] = {1, 1.5, 3};
    static const char letters[] = "RASLPI";
    struct sample s = lay(code, mm);
    struct upright u;
    upright_choose(&u, &s, NULL);
    upright_size(&u, &s, 240);
    CHECK(u.through == 0 && u.slice == 2, "%s: slice %d across axis %d", code, u.slice, u.through);
    CHECK(memcmp(u.mark, marks, 4) == 0, "%s: marks %.4s, not %s", code, u.mark, marks);
    CHECK(u.pixels[0] == 240 || u.pixels[1] == 240, "%s: %d x %d pixels", code, u.pixels[0], u.pixels[1]);
    const double high = u.count[0] * s.spacing[u.axis[0]], wide = u.count[1] * s.spacing[u.axis[1]];
    CHECK_NEAR((double)u.pixels[0] / u.pixels[1], high / wide, 0.02, "%s: pixels are square in mm", code);
    double first[3], right[3], down[3];
    place(first, &s, upright_voxel(&u, &s, 0, 0));
    place(right, &s, upright_voxel(&u, &s, 0, u.pixels[1] - 1));
    place(down, &s, upright_voxel(&u, &s, u.pixels[0] - 1, 0));
    const int left_letter = (int)(strchr(letters, marks[0]) - letters),
              top_letter = (int)(strchr(letters, marks[2]) - letters);
    CHECK(first[left_letter] > right[left_letter], "%s: %c is not on the left", code, marks[0]);
    CHECK(first[top_letter] > down[top_letter], "%s: %c is not at the top", code, marks[2]);
    CHECK(upright_voxel(&u, &s, -1, 0) < 0 && upright_voxel(&u, &s, 0, u.pixels[1]) < 0,
          "%s: a pixel outside", code);
}

static void check_narrow(void)
{
    static const double mm[3] = {1, 1, 1};
    struct sample s = lay("RAS", mm);
    uint8_t map[4 * 6 * 8] = {0};
    struct upright u;
    map[(2 * 6 + 5) * 8 + 7] = 1; /* a corner: left, front */
    upright_choose(&u, &s, map);
    upright_narrow(&u, &s, map, 4);
    upright_size(&u, &s, 100);
    CHECK(u.count[0] == 4 && u.count[1] == 4 && u.begin[0] == 0 && u.begin[1] == 0,
          "the window stays within the image: %d, %d", u.begin[0], u.begin[1]);
    const ptrdiff_t corner = upright_voxel(&u, &s, 0, 0);
    CHECK(map[corner] == 1, "front and right are at the top left");
    CHECK(upright_edge(&u, &s, map, 0, 0) && upright_edge(&u, &s, map, 24, 24) &&
              !upright_edge(&u, &s, map, 10, 10) && !upright_edge(&u, &s, map, 60, 60),
          "outlines");
}

/* Linear between voxels: a ramp along x stays one, and at the middle of a voxel stands the voxel. */
static void check_values(void)
{
    static const double mm[3] = {1, 1, 1};
    float image[4 * 6 * 8 * 2];
    struct sample s = lay("RAS", mm);
    struct upright u;
    s.channels = 2;
    s.image = image;
    for (int i = 0; i < 4 * 6 * 8; i++) {
        image[2 * i] = -1000;
        image[2 * i + 1] = (float)(i % 8 + 10 * (i / 8 % 6));
    }
    upright_choose(&u, &s, NULL);
    upright_size(&u, &s, 40); /* 5 pixels a voxel; the right side and the front come first */
    CHECK(u.pixels[0] == 30 && u.pixels[1] == 40, "%d x %d pixels", u.pixels[0], u.pixels[1]);
    for (int r = 2; r < 28; r++)
        for (int c = 2; c < 38; c++)
            CHECK_NEAR(upright_value(&u, &s, 1, r, c), (37 - c) / 5.0 + 10 * (27 - r) / 5.0, 1e-4,
                       "pixel %d, %d of a ramp", r, c);
    CHECK(upright_value(&u, &s, 1, 0, 0) == 57 && upright_value(&u, &s, 1, 29, 39) == 0,
          "beyond the middle of the last voxel stands the voxel");
}

static void check_letters(void)
{
    static const double mm[3] = {1, 1, 1};
    static unsigned char rgb[110 * 150 * 3];
    struct sample s = lay("RAS", mm);
    struct upright u;
    upright_choose(&u, &s, NULL);
    upright_size(&u, &s, 100);
    memset(rgb, 90, sizeof rgb);
    upright_marks(&(struct letters_canvas){rgb, 150, 110}, 20, 0, &u);
    int outside = 0, white = 0;
    for (int r = 0; r < 110; r++)
        for (int c = 0; c < 150; c++) {
            const int in = r < u.pixels[0] && c >= 20 && c < 20 + u.pixels[1];
            outside += !in && rgb[(r * 150 + c) * 3] != 90;
            white += rgb[(r * 150 + c) * 3] == 255;
        }
    CHECK(outside == 0 && white > 100, "%d pixels outside of the panel, %d white", outside, white);
}

/* Spacing decides the plane; without an affine the array lies as it is, without letters. */
static void check_planes(void)
{
    static const double coarse_x[3] = {4, 1, 1}, mm[3] = {1, 1, 2};
    struct sample s = lay("RAS", coarse_x);
    struct upright u;
    upright_choose(&u, &s, NULL);
    CHECK(u.through == 2 && strcmp(u.plane, "sagittal") == 0 && memcmp(u.mark, "APSI", 4) == 0,
          "coarse along x: %s %.4s", u.plane, u.mark);
    s = lay("???", mm);
    upright_choose(&u, &s, NULL);
    CHECK(u.through == 0 && u.axis[0] == 1 && !u.flip[0] && !u.flip[1] && memcmp(u.mark, "    ", 4) == 0 &&
              !*u.plane,
          "no affine");
}

/* Values whose difference is no float. */
static void check_extremes(void)
{
    static const double mm[3] = {1, 1, 1};
    static float image[4 * 6 * 8];
    struct sample s = lay("RAS", mm);
    struct upright u;
    float low = 0, high = 0;
    for (int i = 0; i < 4 * 6 * 8; i++) image[i] = i % 2 ? 3e38f : -3e38f;
    s.image = image;
    upright_choose(&u, &s, NULL);
    upright_window(&low, &high, &u, &s, 0);
    CHECK(low == -3e38f && high > 2.9e38f && isfinite(high), "from %g to %g", (double)low, (double)high);
    CHECK(upright_grey(-3e38f, low, high) == 0 && upright_grey(3e38f, low, high) == 255, "their greys");
}

int main(void)
{
    check_way("RAS", "RLAP");
    check_way("LPS", "RLAP");
    check_way("LAS", "RLAP");
    check_way("ARS", "RLAP"); /* rows and columns swapped */
    check_way("PSR", "APSI"); /* sagittal slices */
    check_way("LSA", "RLSI"); /* coronal slices */
    check_planes();
    check_narrow();
    check_values();
    check_letters();
    check_extremes();
    return check_done("check_upright");
}
