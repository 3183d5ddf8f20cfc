#include "apps/base/overlay.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/picture/png.h"

/* Okabe and Ito's palette, told apart by colour-blind readers too. */
static const unsigned char palette[][3] = {{230, 159, 0}, {86, 180, 233}, {0, 158, 115}, {240, 228, 66},
                                           {213, 94, 0},  {204, 121, 167}, {0, 114, 178}};
enum { PALETTE = sizeof palette / sizeof *palette, PANEL_MIN = 320, GAP = 8 };

static int best_slice(const uint8_t *label, const int size[3])
{
    size_t plane = (size_t)size[1] * size[2], most = 0;
    int best = size[0] / 2;
    for (int z = 0; label && z < size[0]; z++) {
        size_t n = 0;
        for (size_t i = 0; i < plane; i++) {
            uint8_t v = label[(size_t)z * plane + i];
            n += v != 0 && v < LABELS_MAX;
        }
        if (n > most) {
            most = n;
            best = z;
        }
    }
    return best;
}

struct window {
    float low, high;
};

/* Grey window between the 1st and 99th percentile of the slice, from a histogram of 1024 bins. */
static struct window grey_window(const struct sample *s, int z)
{
    size_t plane = (size_t)s->size[1] * s->size[2];
    const float *v = s->image + (size_t)z * plane * s->channels;
    float low = v[0], high = v[0];
    for (size_t i = 0; i < plane; i++) {
        low = fminf(low, v[i * s->channels]);
        high = fmaxf(high, v[i * s->channels]);
    }
    struct window w = {low, high};
    if (!(high > low)) return w;
    size_t bins[1024] = {0}, below = 0;
    for (size_t i = 0; i < plane; i++) bins[(int)((v[i * s->channels] - low) / (high - low) * 1023)]++;
    for (int b = 0; b < 1024; b++) {
        if (below <= plane / 100) w.low = low + (high - low) * (float)b / 1024;
        below += bins[b];
        if (below <= plane - plane / 100) w.high = low + (high - low) * (float)(b + 1) / 1024;
    }
    return w;
}

static int label_at(const uint8_t *label, const int size[3], int z, int y, int x)
{
    if (y < 0 || x < 0 || y >= size[1] || x >= size[2]) return 0;
    return label[((size_t)z * size[1] + y) * size[2] + x];
}

/* One panel at column `left`. Outlines are drawn on the enlarged grid: a picture pixel is outline if a pixel beside it is in a voxel of
 * another label. Rows go from the back of the patient (top of a NIfTI's high y) down, so that anterior is up for RAS images. */
static void draw_panel(unsigned char *rgb, int width, int left, const struct sample *s, const uint8_t *label, int z,
                       int scale, struct window w)
{
    int h = s->size[1] * scale, columns = s->size[2] * scale;
    for (int r = 0; r < h; r++)
        for (int c = 0; c < columns; c++) {
            int y = s->size[1] - 1 - r / scale, x = c / scale;
            float v = s->image[(((size_t)z * s->size[1] + y) * s->size[2] + x) * s->channels];
            float grey = w.high > w.low ? (v - w.low) / (w.high - w.low) * 255 : 0;
            unsigned char g = (unsigned char)fminf(fmaxf(grey, 0), 255), *p = rgb + ((size_t)r * width + left + c) * 3;
            p[0] = p[1] = p[2] = g;
            int here = label ? label_at(label, s->size, z, y, x) : 0;
            if (!here || here >= LABELS_MAX) continue;
            const unsigned char *colour = palette[(here - 1) % PALETTE];
            int edge = 0;
            static const int step[4][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
            for (int k = 0; k < 4; k++) {
                int rr = r + step[k][0], cc = c + step[k][1];
                int ny = rr < 0 ? -1 : s->size[1] - 1 - rr / scale, nx = cc < 0 ? -1 : cc / scale;
                edge |= label_at(label, s->size, z, rr >= h ? -1 : ny, nx) != here;
            }
            for (int k = 0; k < 3; k++) p[k] = edge ? colour[k] : (unsigned char)((3 * g + colour[k]) / 4);
        }
}

int overlay_write(const char *path, const struct sample *raw, const uint8_t *reference, const uint8_t *prediction,
                  struct error *e)
{
    int panels = 1 + (reference != NULL) + (prediction != NULL);
    int longest = raw->size[1] > raw->size[2] ? raw->size[1] : raw->size[2];
    int scale = longest < PANEL_MIN ? (PANEL_MIN + longest - 1) / longest : 1;
    int panel = raw->size[2] * scale, width = panels * panel + (panels - 1) * GAP, height = raw->size[1] * scale;
    unsigned char *rgb = malloc((size_t)width * height * 3);
    if (!rgb) return error_set(e, "%s: out of memory for a picture of %d x %d", path, width, height);
    memset(rgb, 255, (size_t)width * height * 3);
    int z = best_slice(reference ? reference : prediction, raw->size);
    struct window w = grey_window(raw, z);
    const uint8_t *shown[3] = {NULL};
    int n = 1;
    if (reference) shown[n++] = reference;
    if (prediction) shown[n++] = prediction;
    for (int k = 0; k < n; k++) draw_panel(rgb, width, k * (panel + GAP), raw, shown[k], z, scale, w);
    int status = png_write(path, rgb, width, height, 3, e);
    free(rgb);
    return status;
}
