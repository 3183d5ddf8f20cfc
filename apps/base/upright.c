/* upright.c - which way a slice is shown, by the affine of its image. */
#include "apps/base/upright.h"

#include <math.h>
#include <string.h>

#include "nn/plan/orientation.h"
#include "tensor/ops/ops.h"

enum { MARGIN = 2, SCALE = 2, BINS = 4096 };

static int is_label(uint8_t value)
{
    return value != 0 && value != LABEL_IGNORE;
}

/* ---- the plane ----------------------------------------------------------------------------------------- */

static int across(const struct sample *s, const int *world)
{
    int best = 0;
    for (int a = 1; a < 3 && !s->flat; a++) {
        const double ratio = s->spacing[a] / s->spacing[best];
        if (ratio > 1.01 || (ratio > 0.99 && world && world[a] == 2)) best = a;
    }
    return best;
}

static void choose_slice(struct upright *u, const struct sample *s, const uint8_t *label)
{
    size_t most = 0;
    int best = s->size[u->through] / 2;
    for (u->slice = 0; label && u->slice < s->size[u->through]; u->slice++) {
        size_t n = 0;
        for (int r = 0; r < u->count[0]; r++)
            for (int c = 0; c < u->count[1]; c++) n += (size_t)is_label(label[upright_at(u, s, r, c)]);
        if (n > most) {
            most = n;
            best = u->slice;
        }
    }
    u->slice = best;
}

void upright_choose(struct upright *u, const struct sample *s, const uint8_t *label)
{
    static const char plus[] = "RAS", minus[] = "LPI", *const planes[] = {"sagittal", "coronal", "axial"};
    int world[3], forward[3], in[2], n = 0;
    const int known = orientation_axes(world, forward, s->affine);
    *u = (struct upright){.plane = "", .mark = "    "};
    u->through = across(s, known ? world : NULL);
    for (int a = 0; a < 3; a++)
        if (a != u->through) in[n++] = a;
    /* Head up, else the front; to the left goes the right side, or the front where the slice is sagittal. */
    const int first = !known || world[in[0]] > world[in[1]] ? 0 : 1;
    for (int k = 0; k < 2; k++) {
        const int a = u->axis[k] = in[k ? !first : first];
        u->count[k] = s->size[a];
        if (!known) continue;
        u->flip[k] = forward[a]; /* the letter of plus comes first */
        u->mark[k ? 0 : 2] = plus[world[a]];
        u->mark[k ? 1 : 3] = minus[world[a]];
    }
    if (known) u->plane = planes[world[u->through]];
    choose_slice(u, s, label);
}

/* ---- the part of it that is shown ---------------------------------------------------------------------- */

void upright_narrow(struct upright *u, const struct sample *s, const uint8_t *label, int voxels)
{
    double sum[2] = {0}, n = 0;
    for (int r = 0; label && r < u->count[0]; r++)
        for (int c = 0; c < u->count[1]; c++) {
            if (!is_label(label[upright_at(u, s, r, c)])) continue;
            n++;
            sum[0] += u->begin[0] + r;
            sum[1] += u->begin[1] + c;
        }
    for (int k = 0; k < 2; k++) {
        const int all = s->size[u->axis[k]];
        u->count[k] = all < voxels ? all : voxels;
        u->begin[k] = (int)(n > 0 ? sum[k] / n : all / 2.0) - u->count[k] / 2;
        if (u->begin[k] < 0) u->begin[k] = 0;
        if (u->begin[k] > all - u->count[k]) u->begin[k] = all - u->count[k];
    }
}

void upright_trim(struct upright *u, const struct sample *s, const uint8_t *const *map, int maps)
{
    float low, high;
    int first[2] = {u->count[0], u->count[1]}, last[2] = {-1, -1};
    upright_window(&low, &high, u, s, 0);
    const double range = (double)high - low, corner = s->image[upright_at(u, s, 0, 0) * (size_t)s->channels];
    for (int r = 0; r < u->count[0]; r++)
        for (int c = 0; c < u->count[1]; c++) {
            const size_t at = upright_at(u, s, r, c);
            const int place[2] = {r, c};
            int shown = fabs((double)s->image[at * (size_t)s->channels] - corner) > 0.02 * range;
            for (int m = 0; m < maps; m++) shown |= map[m] && is_label(map[m][at]);
            for (int k = 0; k < 2 && shown; k++) {
                if (place[k] < first[k]) first[k] = place[k];
                if (place[k] > last[k]) last[k] = place[k];
            }
        }
    for (int k = 0; k < 2 && last[0] >= 0; k++) {
        const int begin = first[k] > MARGIN ? first[k] - MARGIN : 0;
        const int end = last[k] + MARGIN < u->count[k] ? last[k] + MARGIN + 1 : u->count[k];
        u->begin[k] += begin;
        u->count[k] = end - begin;
    }
}

void upright_size(struct upright *u, const struct sample *s, int longest)
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

/* ---- voxels and pixels --------------------------------------------------------------------------------- */

size_t upright_at(const struct upright *u, const struct sample *s, int row, int column)
{
    const int place[2] = {u->begin[0] + row, u->begin[1] + column};
    int index[3];
    index[u->through] = u->slice;
    for (int k = 0; k < 2; k++)
        index[u->axis[k]] = u->flip[k] ? s->size[u->axis[k]] - 1 - place[k] : place[k];
    return ((size_t)index[0] * (size_t)s->size[1] + (size_t)index[1]) * (size_t)s->size[2] + (size_t)index[2];
}

ptrdiff_t upright_voxel(const struct upright *u, const struct sample *s, int row, int column)
{
    if (row < 0 || column < 0 || row >= u->pixels[0] || column >= u->pixels[1]) return -1;
    return (ptrdiff_t)upright_at(u, s, (int)((int64_t)row * u->count[0] / u->pixels[0]),
                                 (int)((int64_t)column * u->count[1] / u->pixels[1]));
}

float upright_value(const struct upright *u, const struct sample *s, int channel, int row, int column)
{
    const int pixel[2] = {row, column};
    int first[2], next[2];
    float share[2], line[2];
    for (int k = 0; k < 2; k++) {
        const double at = (pixel[k] + 0.5) * u->count[k] / u->pixels[k] - 0.5;
        const double inside = fmin(fmax(at, 0), u->count[k] - 1);
        first[k] = (int)inside;
        next[k] = first[k] + 1 < u->count[k] ? first[k] + 1 : first[k];
        share[k] = (float)(inside - first[k]);
    }
    for (int k = 0; k < 2; k++) {
        const int r = k ? next[0] : first[0];
        const float a = s->image[upright_at(u, s, r, first[1]) * (size_t)s->channels + (size_t)channel],
                    b = s->image[upright_at(u, s, r, next[1]) * (size_t)s->channels + (size_t)channel];
        line[k] = a + share[1] * (b - a);
    }
    return line[0] + share[0] * (line[1] - line[0]);
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

/* From a histogram between the least and the largest value. */
void upright_window(float *low, float *high, const struct upright *u, const struct sample *s, int channel)
{
    size_t bins[BINS] = {0}, below = 0;
    const size_t all = (size_t)u->count[0] * (size_t)u->count[1], channels = (size_t)s->channels;
    const float *image = s->image + channel;
    /* in double: their difference may be no float */
    double least = image[upright_at(u, s, 0, 0) * channels], most = least;
    for (int r = 0; r < u->count[0]; r++)
        for (int c = 0; c < u->count[1]; c++) {
            const double v = image[upright_at(u, s, r, c) * channels];
            least = fmin(least, v);
            most = fmax(most, v);
        }
    *low = (float)least;
    *high = (float)most;
    if (!(most > least)) return;
    for (int r = 0; r < u->count[0]; r++)
        for (int c = 0; c < u->count[1]; c++) {
            const double v = image[upright_at(u, s, r, c) * channels];
            bins[(int)((v - least) / (most - least) * (BINS - 1))]++;
        }
    for (int b = 0; b < BINS; b++) {
        if (below <= all / 100) *low = (float)(least + (most - least) * b / BINS);
        below += bins[b];
        if (below <= all - all / 200) *high = (float)(least + (most - least) * (b + 1) / BINS);
    }
}

unsigned char upright_grey(float value, float low, float high)
{
    const double share = ((double)value - low) / ((double)high - low);
    return high > low ? (unsigned char)fmin(fmax(share * 255, 0), 255) : 0;
}

/* ---- letters ------------------------------------------------------------------------------------------- */

/* White with a black edge. */
static void draw_letter(struct letters_canvas *c, int x, int y, char letter)
{
    static const unsigned char black[3] = {0, 0, 0}, white[3] = {255, 255, 255};
    const char text[2] = {letter, 0};
    for (int k = 0; k < 9; k++) letters_draw(c, x + k % 3 - 1, y + k / 3 - 1, text, SCALE, black);
    letters_draw(c, x, y, text, SCALE, white);
}

void upright_marks(struct letters_canvas *c, int left, int top, const struct upright *u)
{
    const int high = LETTER_HEIGHT * SCALE, wide = (LETTER_STEP - 1) * SCALE;
    const int row = top + (u->pixels[0] - high) / 2, column = left + (u->pixels[1] - wide) / 2;
    draw_letter(c, left + 3, row, u->mark[0]);
    draw_letter(c, left + u->pixels[1] - wide - 3, row, u->mark[1]);
    draw_letter(c, column, top + 3, u->mark[2]);
    draw_letter(c, column, top + u->pixels[0] - high - 3, u->mark[3]);
}
