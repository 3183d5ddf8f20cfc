/* overlay.c - a slice of a case with its outlines, upright, with marks, legend and Dice. */
#include "apps/training/overlay.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/upright.h"
#include "io/picture/png.h"
#include "tensor/ops/ops.h"

/* Okabe and Ito's palette, told apart by colour-blind readers too. */
static const unsigned char palette[][3] = {{230, 159, 0}, {86, 180, 233},  {0, 158, 115}, {240, 228, 66},
                                           {213, 94, 0},  {204, 121, 167}, {0, 114, 178}};
static const unsigned char black[3] = {0, 0, 0};
enum {
    PALETTE = sizeof palette / sizeof *palette,
    PANEL_MIN = 320,
    PANEL_MAX = 4096,
    GAP = 8,
    LETTERS = 2,
    LINE = 20
};

/* What is drawn: the case, and its maps, either of which may be NULL. */
struct overlay {
    const struct dataset *d;
    const struct sample *s;
    const uint8_t *reference, *prediction;
    struct upright view;
    float low, high;
};

/* Pixels of the longer side: whole multiples of the finer voxel as far as that goes. */
static int longest_side(const struct overlay *o)
{
    const struct upright *u = &o->view;
    const double down = o->s->spacing[u->axis[0]], across = o->s->spacing[u->axis[1]],
                 finest = fmin(down, across);
    const double voxels = fmax(u->count[0] * down, u->count[1] * across) / finest;
    if (voxels >= PANEL_MIN) return (int)fmin(voxels, PANEL_MAX);
    return (int)(voxels * ceil(PANEL_MIN / voxels) + 0.5);
}

static void look(struct overlay *o)
{
    const uint8_t *const maps[2] = {o->reference, o->prediction};
    upright_choose(&o->view, o->s, o->reference ? o->reference : o->prediction);
    upright_window(&o->low, &o->high, &o->view, o->s, 0);
    upright_trim(&o->view, o->s, maps, 2);
    upright_size(&o->view, o->s, longest_side(o));
}

/* One panel at (left, top): image and, where map is not NULL, its labels tinted and outlined. */
static void draw_panel(struct letters_canvas *c, int left, int top, const struct overlay *o,
                       const uint8_t *map)
{
    const struct upright *u = &o->view;
    for (int y = 0; y < u->pixels[0]; y++)
        for (int x = 0; x < u->pixels[1]; x++) {
            const ptrdiff_t at = upright_voxel(u, o->s, y, x);
            const unsigned char grey = upright_grey(o->s->image[at * o->s->channels], o->low, o->high);
            unsigned char *p = c->rgb + ((size_t)(top + y) * (size_t)c->width + (size_t)(left + x)) * 3;
            p[0] = p[1] = p[2] = grey;
            if (!map || map[at] == 0 || map[at] == LABEL_IGNORE) continue;
            const unsigned char *colour = palette[(map[at] - 1) % PALETTE];
            const int edge = upright_edge(u, o->s, map, y, x);
            for (int k = 0; k < 3; k++) p[k] = edge ? colour[k] : (unsigned char)((3 * grey + colour[k]) / 4);
        }
    upright_marks(c, left, top, u);
}

static size_t voxels_of(const struct sample *s)
{
    return (size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2];
}

/* Dice of a label over the whole case, NaN where neither map has it. */
static double dice_of(int label, const struct overlay *o)
{
    size_t both = 0, sum = 0;
    for (size_t i = 0; i < voxels_of(o->s); i++) {
        if (o->reference[i] == LABEL_IGNORE) continue;
        const int a = o->reference[i] == label, b = o->prediction[i] == label;
        both += (size_t)(a && b);
        sum += (size_t)(a + b);
    }
    return sum ? 2.0 * (double)both / (double)sum : NAN;
}

static void draw_square(struct letters_canvas *c, int left, int top, const unsigned char colour[3])
{
    const int side = LETTERS * LETTER_HEIGHT;
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side && left + x < c->width; x++)
            memcpy(c->rgb + ((size_t)(top + y) * (size_t)c->width + (size_t)(left + x)) * 3, colour, 3);
}

/* The labels that occur, in lines of the canvas's width; without a picture (c->rgb NULL) they are only
 * counted. Returns the lines. */
static int draw_legend(struct letters_canvas *c, int top, const struct overlay *o)
{
    unsigned char seen[256] = {0};
    int x = 4, line = 0;
    for (size_t i = 0; i < voxels_of(o->s); i++) {
        if (o->reference) seen[o->reference[i]] = 1;
        if (o->prediction) seen[o->prediction[i]] = 1;
    }
    for (int k = 1; k < o->d->labels; k++) {
        char text[100];
        if (!seen[k]) continue;
        const int used = snprintf(text, sizeof text, "%.60s", o->d->label_name[k]);
        if (o->reference && o->prediction)
            snprintf(text + used, sizeof text - (size_t)used, " Dice %.3f", dice_of(k, o));
        const int wide = LINE + letters_width(text, LETTERS) + 2 * LINE;
        if (x > 4 && x + wide > c->width) {
            x = 4;
            line++;
        }
        if (c->rgb) {
            draw_square(c, x, top + line * LINE, palette[(k - 1) % PALETTE]);
            letters_draw(c, x + LINE, top + line * LINE, text, LETTERS, black);
        }
        x += wide;
    }
    return line + 1;
}

int overlay_write(const char *path, const char *case_name, const struct dataset *d, const struct sample *raw,
                  const uint8_t *reference, const uint8_t *prediction, struct error *e)
{
    const struct {
        const char *name;
        const uint8_t *map;
    } panel[] = {{"image", NULL}, {"reference", reference}, {"prediction", prediction}};
    struct overlay o = {.d = d, .s = raw, .reference = reference, .prediction = prediction};
    struct letters_canvas c = {0};
    const int panels = 1 + (reference != NULL) + (prediction != NULL), top = 2 * LINE + 4;
    char title[200];
    look(&o);
    const struct upright *u = &o.view;
    snprintf(title, sizeof title, "%.80s, %.40s, %s%sslice %d of %d", case_name,
             d->channels ? d->channel_name[0] : "image", u->plane, *u->plane ? " " : "", u->slice + 1,
             raw->size[u->through]);
    c.width = panels * u->pixels[1] + (panels - 1) * GAP;
    if (c.width < letters_width(title, LETTERS) + 8) c.width = letters_width(title, LETTERS) + 8;
    c.height = top + u->pixels[0] + GAP + draw_legend(&c, 0, &o) * LINE;
    const size_t bytes = (size_t)c.width * (size_t)c.height * 3;
    if (!(c.rgb = malloc(bytes)))
        return error_set(e, "%s: out of memory for a picture of %d x %d", path, c.width, c.height);
    memset(c.rgb, 255, bytes);
    letters_draw(&c, 4, 4, title, LETTERS, black);
    for (int k = 0, left = 0; k < 3; k++) {
        if (k && !panel[k].map) continue;
        letters_draw(&c, left + 4, 4 + LINE, panel[k].name, LETTERS, black);
        draw_panel(&c, left, top, &o, panel[k].map);
        left += u->pixels[1] + GAP;
    }
    draw_legend(&c, top + u->pixels[0] + GAP, &o);
    const int status = png_write(path, c.rgb, c.width, c.height, 3, e);
    free(c.rgb);
    return status;
}
