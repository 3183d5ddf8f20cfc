/* upright.c - which way a slice is shown, by the affine of its image. */
#include "apps/base/upright.h"

#include <math.h>

#include "io/picture/letters.h"
#include "tensor/ops/ops.h"

/* World axis (0 right, 1 front, 2 head) along which an axis of the array runs most, and whether it runs towards the letter's other end.
 * The affine's columns are those of a file, x first: axis 2 of the array is column 0. */
static int world_axis(const struct sample *s, int axis, int *backward)
{
    int best = 0;
    for (int w = 1; w < 3; w++)
        if (fabs(s->affine[w][2 - axis]) > fabs(s->affine[best][2 - axis])) best = w;
    *backward = s->affine[best][2 - axis] < 0;
    return best;
}

static void size_pixels(struct upright *u, const struct sample *s, int longest)
{
    double mm[2], most = 0;
    for (int k = 0; k < 2; k++) {
        mm[k] = u->count[k] * s->spacing[u->axis[k]];
        most = fmax(most, mm[k]);
    }
    for (int k = 0; k < 2; k++) {
        u->pixels[k] = most > 0 ? (int)(longest * mm[k] / most + 0.5) : longest;
        if (u->pixels[k] < 1) u->pixels[k] = 1;
    }
}

void upright_choose(struct upright *u, const struct sample *s, int z, int longest)
{
    static const char plus[] = "RAS", minus[] = "LPI";
    int backward[3], world[3];
    for (int a = 1; a < 3; a++) world[a] = world_axis(s, a, &backward[a]);
    if (world[1] == world[2]) { /* no affine to go by: as the array lies, without letters */
        *u = (struct upright){.z = z, .axis = {1, 2}, .count = {s->size[1], s->size[2]}, .mark = "    "};
        size_pixels(u, s, longest);
        return;
    }
    const int rows = world[1] > world[2] ? 1 : 2; /* head or front up; right, or front, to the left */
    *u = (struct upright){.z = z, .axis = {rows, 3 - rows}, .mark = "    "};
    for (int k = 0; k < 2; k++) {
        const int a = u->axis[k], w = world[a];
        u->flip[k] = !backward[a]; /* the letter of plus comes first */
        u->count[k] = s->size[a];
        u->mark[k ? 0 : 2] = plus[w];
        u->mark[k ? 1 : 3] = minus[w];
    }
    size_pixels(u, s, longest);
}

void upright_narrow(struct upright *u, const struct sample *s, const uint8_t *label, int voxels, int longest)
{
    const size_t plane = (size_t)s->size[1] * s->size[2];
    double middle[3] = {0, s->size[1] / 2.0, s->size[2] / 2.0}, sum[3] = {0};
    for (size_t i = 0; label && i < plane; i++) {
        const uint8_t l = label[(size_t)u->z * plane + i];
        if (l == 0 || l == LABEL_IGNORE) continue;
        sum[0]++;
        sum[1] += (double)(i / (size_t)s->size[2]);
        sum[2] += (double)(i % (size_t)s->size[2]);
    }
    for (int k = 0; k < 2; k++) {
        const int a = u->axis[k], all = s->size[a];
        if (sum[0] > 0) middle[a] = sum[a] / sum[0];
        u->count[k] = all < voxels ? all : voxels;
        u->begin[k] = (int)middle[a] - u->count[k] / 2;
        if (u->begin[k] < 0) u->begin[k] = 0;
        if (u->begin[k] > all - u->count[k]) u->begin[k] = all - u->count[k];
    }
    size_pixels(u, s, longest);
}

ptrdiff_t upright_voxel(const struct upright *u, const struct sample *s, int row, int column)
{
    const int at[2] = {row, column};
    int index[3] = {u->z, 0, 0};
    for (int k = 0; k < 2; k++) {
        if (at[k] < 0 || at[k] >= u->pixels[k]) return -1;
        const int i = (int)((int64_t)at[k] * u->count[k] / u->pixels[k]);
        index[u->axis[k]] = u->begin[k] + (u->flip[k] ? u->count[k] - 1 - i : i);
    }
    return ((ptrdiff_t)index[0] * s->size[1] + index[1]) * s->size[2] + index[2];
}

int upright_edge(const struct upright *u, const struct sample *s, const uint8_t *map, int row, int column)
{
    static const int step[4][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
    const ptrdiff_t here = upright_voxel(u, s, row, column);
    for (int k = 0; k < 4; k++) {
        const ptrdiff_t there = upright_voxel(u, s, row + step[k][0], column + step[k][1]);
        if ((there < 0 ? 0 : map[there]) != map[here]) return 1;
    }
    return 0;
}

/* ---- letters ------------------------------------------------------------------------------------------------------------- */

enum { SCALE = 2 };

/* White with a black edge. */
static void draw_letter(struct letters_canvas *c, int x, int y, char letter)
{
    static const unsigned char black[3] = {0, 0, 0}, white[3] = {255, 255, 255};
    const char text[2] = {letter, 0};
    for (int k = 0; k < 9; k++) letters_draw(c, x + k % 3 - 1, y + k / 3 - 1, text, SCALE, black);
    letters_draw(c, x, y, text, SCALE, white);
}

void upright_marks(unsigned char *rgb, int width, int left, const struct upright *u)
{
    struct letters_canvas c = {rgb, width, u->pixels[0]};
    const int high = LETTER_HEIGHT * SCALE, wide = (LETTER_STEP - 1) * SCALE, row = (u->pixels[0] - high) / 2, column = left + (u->pixels[1] - wide) / 2;
    draw_letter(&c, left + 3, row, u->mark[0]);
    draw_letter(&c, left + u->pixels[1] - wide - 3, row, u->mark[1]);
    draw_letter(&c, column, 3, u->mark[2]);
    draw_letter(&c, column, u->pixels[0] - high - 3, u->mark[3]);
}
