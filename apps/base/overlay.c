/* overlay.c - a slice of a case with its outlines, upright, with marks, legend and Dice. */
#include "apps/base/overlay.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/ops/ops.h"
#include "io/picture/letters.h"
#include "io/picture/png.h"

/* Okabe and Ito's palette, told apart by colour-blind readers too. */
static const unsigned char palette[][3] = {{230, 159, 0}, {86, 180, 233}, {0, 158, 115}, {240, 228, 66},
                                           {213, 94, 0},  {204, 121, 167}, {0, 114, 178}};
static const unsigned char black[3] = {0, 0, 0}, white[3] = {255, 255, 255};
enum { PALETTE = sizeof palette / sizeof *palette, PANEL_MIN = 320, PANEL_MAX = 4096, GAP = 8, LETTERS = 2, LINE = 20, MARGIN = 2 };

/* One axis of the picture: an axis of the voxels, perhaps run through backwards. */
struct run_of {
    int axis;         /* 0: d, 1: h, 2: w of the sample */
    int backwards;
    int begin, count; /* of its voxels, in the picture's order */
    char first, last; /* which sides of the patient lie at its ends */
    int pixels;
};

struct view {
    const struct sample *s;
    int through, slice;       /* axis across the slice, and the voxel along it */
    struct run_of across, down;
    float low, high;          /* grey window */
};

/* ---- which way is up ------------------------------------------------------------------------------------------------ */

/* The patient's axis (0: left to right, 1: back to front, 2: feet to head) nearest to each of d, h, w, no two the same. */
static void nearest_axes(int patient[3], int positive[3], const struct sample *s)
{
    int taken[3] = {0}, done[3] = {0};
    for (int n = 0; n < 3; n++) {
        double best = -1;
        int axis = 0, side = 0;
        for (int a = 0; a < 3; a++)
            for (int r = 0; r < 3; r++) {
                double length = 0, v = s->affine[r][2 - a];
                for (int k = 0; k < 3; k++) length += s->affine[k][2 - a] * s->affine[k][2 - a];
                double share = length > 0 ? fabs(v) / sqrt(length) : 0;
                if (done[a] || taken[r] || share <= best) continue;
                best = share;
                axis = a;
                side = r;
            }
        done[axis] = taken[side] = 1;
        patient[axis] = side;
        positive[axis] = s->affine[side][2 - axis] >= 0;
    }
}

/* The axis runs from the right, the front or the head of the patient: what stands left or on top. */
static struct run_of run_along(int axis, const int patient[3], const int positive[3], const struct sample *s)
{
    static const char plus[] = "RAS", minus[] = "LPI";
    struct run_of r = {.axis = axis, .backwards = positive[axis], .count = s->size[axis]};
    r.first = plus[patient[axis]];
    r.last = minus[patient[axis]];
    return r;
}

/* The voxel axis across the slice: the one of the largest spacing; of equal ones the one nearest to feet to head. */
static int across_slices(const int patient[3], const struct sample *s)
{
    int best = 0;
    for (int a = 1; a < 3; a++) {
        double ratio = s->spacing[a] / s->spacing[best];
        if (ratio > 1.01 || (ratio > 0.99 && patient[a] == 2)) best = a;
    }
    return s->flat ? 0 : best;
}

static size_t voxel(const struct view *v, int row, int column)
{
    int at[3];
    at[v->through] = v->slice;
    at[v->down.axis] = v->down.backwards ? v->s->size[v->down.axis] - 1 - row : row;
    at[v->across.axis] = v->across.backwards ? v->s->size[v->across.axis] - 1 - column : column;
    return ((size_t)at[0] * (size_t)v->s->size[1] + (size_t)at[1]) * (size_t)v->s->size[2] + (size_t)at[2];
}

static float grey_at(const struct view *v, int row, int column)
{
    return v->s->image[voxel(v, row, column) * (size_t)v->s->channels];
}

static int label_at(const struct view *v, const uint8_t *label, int row, int column)
{
    if (row < 0 || column < 0 || row >= v->s->size[v->down.axis] || column >= v->s->size[v->across.axis]) return 0;
    int value = label[voxel(v, row, column)];
    return value < LABELS_MAX ? value : 0;
}

static int best_slice(struct view *v, const uint8_t *label)
{
    size_t most = 0;
    int best = v->s->size[v->through] / 2;
    for (v->slice = 0; label && v->slice < v->s->size[v->through]; v->slice++) {
        size_t n = 0;
        for (int r = 0; r < v->s->size[v->down.axis]; r++)
            for (int c = 0; c < v->s->size[v->across.axis]; c++) n += label_at(v, label, r, c) != 0;
        if (n > most) {
            most = n;
            best = v->slice;
        }
    }
    return best;
}

/* Grey window between the 1st and 99th percentile of the slice, from a histogram of 1024 bins. */
static void grey_window(struct view *v)
{
    int rows = v->s->size[v->down.axis], columns = v->s->size[v->across.axis];
    size_t bins[1024] = {0}, below = 0, all = (size_t)rows * (size_t)columns;
    float low = grey_at(v, 0, 0), high = low;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) {
            low = fminf(low, grey_at(v, r, c));
            high = fmaxf(high, grey_at(v, r, c));
        }
    v->low = low;
    v->high = high;
    if (!(high > low)) return;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) bins[(int)((grey_at(v, r, c) - low) / (high - low) * 1023)]++;
    for (int b = 0; b < 1024; b++) {
        if (below <= all / 100) v->low = low + (high - low) * (float)b / 1024;
        below += bins[b];
        if (below <= all - all / 100) v->high = low + (high - low) * (float)(b + 1) / 1024;
    }
}

/* Rows and columns of one grey value at the borders say nothing and are cut off, but for a margin; labelled voxels stay. */
static void cut_border(struct view *v, const uint8_t *const label[2])
{
    int rows = v->down.count, columns = v->across.count, top = rows, bottom = -1, left = columns, right = -1;
    float corner = grey_at(v, 0, 0);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) {
            int shown = fabsf(grey_at(v, r, c) - corner) > 0.02f * (v->high - v->low);
            for (int k = 0; k < 2; k++) shown |= label[k] && label_at(v, label[k], r, c);
            if (!shown) continue;
            if (r < top) top = r;
            if (r > bottom) bottom = r;
            if (c < left) left = c;
            if (c > right) right = c;
        }
    if (bottom < 0) return;
    top = top > MARGIN ? top - MARGIN : 0;
    left = left > MARGIN ? left - MARGIN : 0;
    bottom = bottom + MARGIN < rows ? bottom + MARGIN : rows - 1;
    right = right + MARGIN < columns ? right + MARGIN : columns - 1;
    v->down.begin = top;
    v->down.count = bottom + 1 - top;
    v->across.begin = left;
    v->across.count = right + 1 - left;
}

/* Pixels in the proportions of the millimetres, the longer side at least PANEL_MIN. */
static void choose_pixels(struct view *v)
{
    double down = v->down.count * v->s->spacing[v->down.axis], across = v->across.count * v->s->spacing[v->across.axis];
    double finest = fmin(v->s->spacing[v->down.axis], v->s->spacing[v->across.axis]), longest = fmax(down, across) / finest;
    double scale = longest < PANEL_MIN ? ceil(PANEL_MIN / longest) : longest > PANEL_MAX ? PANEL_MAX / longest : 1;
    v->down.pixels = (int)fmax(1, floor(down / finest * scale + 0.5));
    v->across.pixels = (int)fmax(1, floor(across / finest * scale + 0.5));
}

static void look(struct view *v, const struct sample *s, const uint8_t *reference, const uint8_t *prediction)
{
    int patient[3], positive[3], in[2], n = 0;
    *v = (struct view){.s = s};
    nearest_axes(patient, positive, s);
    v->through = across_slices(patient, s);
    for (int a = 0; a < 3; a++)
        if (a != v->through) in[n++] = a;
    /* Head up, else the front up; across goes right to left, or front to back where the slice is sagittal. */
    int first_down = patient[in[0]] == 2 || (patient[in[0]] == 1 && patient[in[1]] == 0);
    v->down = run_along(in[!first_down], patient, positive, s);
    v->across = run_along(in[first_down], patient, positive, s);
    v->slice = best_slice(v, reference ? reference : prediction);
    grey_window(v);
    const uint8_t *const label[2] = {reference, prediction};
    cut_border(v, label);
    choose_pixels(v);
}

/* ---- drawing -------------------------------------------------------------------------------------------------------- */

static int row_of(const struct view *v, int pixel)
{
    return pixel < 0 || pixel >= v->down.pixels ? -1 : v->down.begin + (int)((long long)pixel * v->down.count / v->down.pixels);
}

static int column_of(const struct view *v, int pixel)
{
    return pixel < 0 || pixel >= v->across.pixels ? -1 : v->across.begin + (int)((long long)pixel * v->across.count / v->across.pixels);
}

/* One panel at (left, top). A pixel is outline if one beside it is in a voxel of another label. */
static void draw_panel(struct letters_canvas *c, int left, int top, const struct view *v, const uint8_t *label)
{
    static const int step[4][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
    for (int y = 0; y < v->down.pixels; y++)
        for (int x = 0; x < v->across.pixels; x++) {
            int row = row_of(v, y), column = column_of(v, x), edge = 0;
            float value = grey_at(v, row, column), grey = v->high > v->low ? (value - v->low) / (v->high - v->low) * 255 : 0;
            unsigned char g = (unsigned char)fminf(fmaxf(grey, 0), 255);
            unsigned char *p = c->rgb + ((size_t)(top + y) * (size_t)c->width + (size_t)(left + x)) * 3;
            p[0] = p[1] = p[2] = g;
            int here = label ? label_at(v, label, row, column) : 0;
            if (!here) continue;
            for (int k = 0; k < 4; k++) edge |= label_at(v, label, row_of(v, y + step[k][0]), column_of(v, x + step[k][1])) != here;
            const unsigned char *colour = palette[(here - 1) % PALETTE];
            for (int k = 0; k < 3; k++) p[k] = edge ? colour[k] : (unsigned char)((3 * g + colour[k]) / 4);
        }
}

/* A letter that is read on dark and on bright. */
static void draw_mark(struct letters_canvas *c, int x, int y, char letter)
{
    char text[2] = {letter, 0};
    for (int k = 0; k < 9; k++) letters_draw(c, x + k % 3 - 1, y + k / 3 - 1, text, LETTERS, black);
    letters_draw(c, x, y, text, LETTERS, white);
}

static void draw_marks(struct letters_canvas *c, int left, int top, const struct view *v)
{
    int width = v->across.pixels, height = v->down.pixels, letter = LETTERS * LETTER_HEIGHT;
    draw_mark(c, left + 4, top + (height - letter) / 2, v->across.first);
    draw_mark(c, left + width - 4 - 5 * LETTERS, top + (height - letter) / 2, v->across.last);
    draw_mark(c, left + (width - 5 * LETTERS) / 2, top + 4, v->down.first);
    draw_mark(c, left + (width - 5 * LETTERS) / 2, top + height - 4 - letter, v->down.last);
}

/* Dice of a label over the whole case, NaN where neither map has it. */
static double dice_of(int label, const struct sample *s, const uint8_t *reference, const uint8_t *prediction)
{
    size_t n = (size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2], both = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (reference[i] == LABEL_IGNORE) continue;
        int a = reference[i] == label, b = prediction[i] == label;
        both += (size_t)(a && b);
        sum += (size_t)(a + b);
    }
    return sum ? 2.0 * (double)both / (double)sum : NAN;
}

/* Labels that occur, one after the other in lines of the canvas's width; c NULL: only counts. Returns the lines. */
static int draw_legend(struct letters_canvas *c, int width, int top, const struct dataset *d, const struct sample *s, const uint8_t *reference,
                       const uint8_t *prediction)
{
    size_t n = (size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2];
    unsigned char seen[256] = {0};
    int x = 4, line = 0;
    for (size_t i = 0; i < n; i++) {
        if (reference) seen[reference[i]] = 1;
        if (prediction) seen[prediction[i]] = 1;
    }
    for (int k = 1; k < d->labels; k++) {
        char text[100];
        if (!seen[k]) continue;
        int used = snprintf(text, sizeof text, "%.60s", d->label_name[k]);
        if (reference && prediction) snprintf(text + used, sizeof text - (size_t)used, " Dice %.3f", dice_of(k, s, reference, prediction));
        int wide = LINE + letters_width(text, LETTERS) + 2 * LINE;
        if (x > 4 && x + wide > width) {
            x = 4;
            line++;
        }
        if (c) {
            for (int y = 0; y < 14; y++)
                for (int i = 0; i < 14 && x + i < c->width; i++)
                    memcpy(c->rgb + ((size_t)(top + line * LINE + y) * (size_t)c->width + (size_t)(x + i)) * 3, palette[(k - 1) % PALETTE], 3);
            letters_draw(c, x + LINE, top + line * LINE, text, LETTERS, black);
        }
        x += wide;
    }
    return line + 1;
}

static void title(char text[200], const char *case_name, const struct dataset *d, const struct view *v)
{
    static const char *const plane[] = {"sagittal", "coronal", "axial"};
    int patient[3], positive[3];
    nearest_axes(patient, positive, v->s);
    snprintf(text, 200, "%.80s, %.40s, %s slice %d of %d", case_name, d->channels ? d->channel_name[0] : "image", plane[patient[v->through]], v->slice + 1,
             v->s->size[v->through]);
}

int overlay_write(const char *path, const char *case_name, const struct dataset *d, const struct sample *raw, const uint8_t *reference,
                  const uint8_t *prediction, struct error *e)
{
    static const char *const name[] = {"image", "reference", "prediction"};
    const uint8_t *shown[3] = {NULL};
    const char *called[3] = {name[0]};
    char text[200];
    struct view v;
    int n = 1;
    look(&v, raw, reference, prediction);
    if (reference) called[n] = name[1], shown[n++] = reference;
    if (prediction) called[n] = name[2], shown[n++] = prediction;
    title(text, case_name, d, &v);
    struct letters_canvas c = {.width = n * v.across.pixels + (n - 1) * GAP};
    if (c.width < letters_width(text, LETTERS) + 8) c.width = letters_width(text, LETTERS) + 8;
    int top = 2 * LINE + 4, lines = draw_legend(NULL, c.width, 0, d, raw, reference, prediction);
    c.height = top + v.down.pixels + GAP + lines * LINE;
    size_t bytes = (size_t)c.width * (size_t)c.height * 3;
    if (!(c.rgb = malloc(bytes))) return error_set(e, "%s: out of memory for a picture of %d x %d", path, c.width, c.height);
    memset(c.rgb, 255, bytes);
    letters_draw(&c, 4, 4, text, LETTERS, black);
    for (int k = 0; k < n; k++) {
        int left = k * (v.across.pixels + GAP);
        letters_draw(&c, left + 4, 4 + LINE, called[k], LETTERS, black);
        draw_panel(&c, left, top, &v, shown[k]);
        draw_marks(&c, left, top, &v);
    }
    draw_legend(&c, c.width, top + v.down.pixels + GAP, d, raw, reference, prediction);
    int status = png_write(path, c.rgb, c.width, c.height, 3, e);
    free(c.rgb);
    return status;
}
