/* jpeg_2000_wavelet.c - the inverse wavelet transforms of JPEG 2000: T.800 annex F. A line is put together
 * from its low frequencies (even places of the image) and its high ones (odd places), continued beyond its
 * ends as in a mirror, and lifted back in steps.
 */
#include <stdlib.h>
#include <string.h>

#include "io/jpeg/jpeg_2000.h"

enum { MARGIN = 4 };

union sample {
    int32_t whole;
    float real;
};

/* A line with MARGIN samples before and behind its n; `odd`: its first one is at an odd place. */
struct line {
    union sample *at;
    int64_t n;
    int odd;
};

/* The mirror stands on the first and on the last sample; n >= 2. */
static void mirror(const struct line *l)
{
    int64_t turn = 2 * (l->n - 1);
    for (int64_t k = 1; k <= MARGIN; k++) {
        int64_t left = k % turn, right = (l->n - 1 + k) % turn;
        l->at[-k] = l->at[left < l->n ? left : turn - left];
        l->at[l->n - 1 + k] = l->at[right < l->n ? right : turn - right];
    }
}

/* The first place from `from` on that is odd (or even) in the image. */
static int64_t first_place(const struct line *l, int64_t from, int odd)
{
    return from + (((from + l->odd) & 1) != odd);
}

/* a + b with the wrap that damaged data may need. */
static int32_t add(int32_t a, int64_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)(int32_t)b);
}

static void lift_whole(const struct line *l)
{
    union sample *p = l->at;
    if (l->n == 1) {
        if (l->odd) p[0].whole >>= 1;
        return;
    }
    mirror(l);
    for (int64_t i = first_place(l, -1, 0); i <= l->n; i += 2)
        p[i].whole = add(p[i].whole, -(((int64_t)p[i - 1].whole + p[i + 1].whole + 2) >> 2));
    for (int64_t i = first_place(l, 0, 1); i < l->n; i += 2)
        p[i].whole = add(p[i].whole, ((int64_t)p[i - 1].whole + p[i + 1].whole) >> 1);
}

/* p[i] -= weight * (p[i - 1] + p[i + 1]) at every second place. */
static void step(const struct line *l, int64_t from, int64_t to, int odd, float weight)
{
    for (int64_t i = first_place(l, from, odd); i <= to; i += 2)
        l->at[i].real -= weight * (l->at[i - 1].real + l->at[i + 1].real);
}

/* Table F.4: alpha, beta, gamma, delta and K. */
static void lift_real(const struct line *l)
{
    static const float scale = 1.230174105f;
    int64_t n = l->n;
    if (n == 1) {
        if (l->odd) l->at[0].real /= 2;
        return;
    }
    mirror(l);
    for (int64_t i = -MARGIN; i < n + MARGIN; i++) l->at[i].real *= (i + l->odd) & 1 ? 1 / scale : scale;
    step(l, -3, n + 2, 0, 0.443506852f);
    step(l, -2, n + 1, 1, 0.882911075f);
    step(l, -1, n, 0, -0.052980118f);
    step(l, 0, n - 1, 1, -1.586134342f);
}

static int64_t half_up(int64_t v)
{
    return (v + 1) >> 1;
}

/* Each sample of the four bands to its place among the others. */
static void interleave(union sample *out, void *const band[4], const struct jpeg_2000_area *a)
{
    int64_t width = a->x1 - a->x0;
    for (int64_t y = a->y0; y < a->y1; y++)
        for (int64_t x = a->x0; x < a->x1; x++) {
            int high_x = (int)(x & 1), high_y = (int)(y & 1);
            int64_t x0 = high_x ? a->x0 >> 1 : half_up(a->x0), x1 = high_x ? a->x1 >> 1 : half_up(a->x1),
                    y0 = high_y ? a->y0 >> 1 : half_up(a->y0);
            const union sample *from = band[high_x + 2 * high_y];
            out[(y - a->y0) * width + x - a->x0] = from[((y >> 1) - y0) * (x1 - x0) + (x >> 1) - x0];
        }
}

void *jpeg_2000_synthesise(void *const band[4], const struct jpeg_2000_area *a, int reversible)
{
    int64_t width = a->x1 - a->x0, height = a->y1 - a->y0, longest = width > height ? width : height;
    union sample *out = malloc(((size_t)width * (size_t)height + 1) * sizeof *out),
                 *room = malloc(((size_t)longest + 2 * MARGIN) * sizeof *room);
    struct line row = {room ? room + MARGIN : NULL, width, (int)(a->x0 & 1)},
                column = {row.at, height, (int)(a->y0 & 1)};
    void (*lift)(const struct line *) = reversible ? lift_whole : lift_real;
    if (!out || !room) {
        free(out);
        free(room);
        return NULL;
    }
    if (width > 0 && height > 0) interleave(out, band, a);
    for (int64_t y = 0; y < height && width > 0; y++) {
        memcpy(row.at, out + y * width, (size_t)width * sizeof *out);
        lift(&row);
        memcpy(out + y * width, row.at, (size_t)width * sizeof *out);
    }
    for (int64_t x = 0; x < width && height > 0; x++) {
        for (int64_t y = 0; y < height; y++) column.at[y] = out[y * width + x];
        lift(&column);
        for (int64_t y = 0; y < height; y++) out[y * width + x] = column.at[y];
    }
    free(room);
    return out;
}
