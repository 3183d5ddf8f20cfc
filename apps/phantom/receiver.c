/* receiver.c - what a scanner adds to the signal: chemical shift, fat suppression, breathing, the end of
 * k-space, coils and noise. */
#include <math.h>
#include <string.h>

#include "apps/phantom/signal.h"
#include "tensor/base/check.h"
#include "tensor/base/vmath.h"

/* dst(i) = src(i - shift), linear between samples, the border repeated; stride steps through a line of n. */
static void shift_line(float *dst, const float *src, int n, int stride, float shift)
{
    int whole = (int)shift;
    if (shift < (float)whole) whole--;
    const float part = shift - (float)whole;
    for (int i = 0; i < n; i++) {
        int a = i - whole, b = a - 1;
        a = a < 0 ? 0 : a >= n ? n - 1 : a;
        b = b < 0 ? 0 : b >= n ? n - 1 : b;
        dst[i * stride] = src[a * stride] + part * (src[b * stride] - src[a * stride]);
    }
}

static void shift_x(float *dst, const float *src, int nx, int ny, float shift)
{
    for (int j = 0; j < ny; j++)
        shift_line(dst + (size_t)j * (size_t)nx, src + (size_t)j * (size_t)nx, nx, 1, shift);
}

static void shift_y(float *dst, const float *src, int nx, int ny, float shift)
{
    for (int i = 0; i < nx; i++) shift_line(dst + i, src + i, ny, nx, shift);
}

/* Water and fat are in phase in a spin echo; in a gradient echo fat has turned by 2 pi df TE, with df = 3.4
 * ppm (217 Hz at 1.5 T). Fat suppression works less the farther from the magnet's centre. */
static void add_fat(float *out, const float *water, const float *fat, const struct plane_size *p,
                    const struct scan *s, enum channel c)
{
    const float fat_left = c == CHANNEL_T2 ? s->t2.fat_left : s->ce.fat_left;
    float turns = (s->tesla3 ? 0.434f : 0.217f) * s->ce.te, sine = 0, cosine = 1;
    turns -= (float)(int)turns;
    if (c == CHANNEL_T1CE) vmath_sincos_2pi(&sine, &cosine, turns);
    for (int j = 0; j < p->ny; j++)
        for (int i = 0; i < p->nx; i++) {
            const float x = (p->x0 + (float)i * p->dx) / p->half, y = (p->y0 + (float)j * p->dy) / p->half;
            float left = fat_left;
            if (left < 1) left += 0.25f * (x * x + y * y) * (x * x + y * y);
            const float f = fat[j * p->nx + i] * (left < 1 ? left : 1), w = water[j * p->nx + i];
            const float re = w + f * cosine, im = f * sine;
            out[j * p->nx + i] = sqrtf(re * re + im * im);
        }
}

/* The point spread of a k-space of which the inner share `keep` was sampled, at whole voxels: a sinc, which
 * rings at edges (Gibbs), tapered to TAPS voxels as scanners' filters do. Sum 1; returns the sum of
 * squares. */
enum { TAPS = 6, LINE_MAX = 2048 };
static float make_kernel(float kernel[2 * TAPS + 1], float keep)
{
    float sum = 0, square = 0;
    for (int k = -TAPS; k <= TAPS; k++) {
        float turns = 0.5f * keep * (float)(k < 0 ? -k : k), sine, cosine, taper;
        turns -= (float)(int)turns;
        vmath_sincos_2pi(&sine, &cosine, turns);
        float *h = &kernel[k + TAPS];
        *h = k == 0 ? keep : sine / (3.14159265f * (float)(k < 0 ? -k : k));
        vmath_sincos_2pi(&sine, &taper, 0.5f * (float)(k < 0 ? -k : k) / (TAPS + 1));
        *h *= 0.5f + 0.5f * taper;
        sum += *h;
    }
    for (int k = 0; k <= 2 * TAPS; k++) {
        kernel[k] /= sum;
        square += kernel[k] * kernel[k];
    }
    return square;
}

/* Along one axis of a plane, the border repeated. across: step between neighbours, lines apart by `along`. */
static void filter_lines(float *v, int n, int across, int lines, int along, const float *kernel)
{
    float line[LINE_MAX + 2 * TAPS];
    ENSURE(n <= LINE_MAX, "filter_lines: %d samples", n);
    for (int j = 0; j < lines; j++) {
        float *at = v + (size_t)j * (size_t)along;
        for (int i = -TAPS; i < n + TAPS; i++) {
            const int from = i < 0 ? 0 : i >= n ? n - 1 : i;
            line[i + TAPS] = at[(size_t)from * (size_t)across];
        }
        for (int i = 0; i < n; i++) {
            float sum = 0;
            for (int k = 0; k <= 2 * TAPS; k++) sum += kernel[k] * line[i + k];
            at[(size_t)i * (size_t)across] = sum;
        }
    }
}

/* Both axes: x is read out, y phase-encoded and usually sampled less far. */
static void filter_plane(float *v, const struct plane_size *p, float kernel[2][2 * TAPS + 1],
                         const float keep[2])
{
    if (keep[0] < 1) filter_lines(v, p->nx, 1, p->ny, p->nx, kernel[0]);
    if (keep[1] < 1) filter_lines(v, p->ny, p->nx, p->nx, 1, kernel[1]);
}

/* Breathing along the phase-encoding axis: a short blur, and two ghosts at either side as of a periodic
 * displacement (Wood and Henkelman, Med Phys 1985), the second of a third of the first's strength. The front
 * of the belly moves, the back does not; sign: the phase at which breathing met this slice, -1 to 1. */
static void move(float *out, float *scratch, const struct plane_size *p, const struct receiver *r, float sign)
{
    const int nx = p->nx, ny = p->ny, n = nx * ny;
    const int step = (int)r->ghost_step;
    if (!(r->blur > 0) && !(r->ghost > 0)) return;
    memcpy(scratch, out, (size_t)n * sizeof *out);
    for (int j = 0; j < ny; j++) {
        const float *row = scratch + j * nx, *up = j > 0 ? row - nx : row,
                    *down = j < ny - 1 ? row + nx : row;
        const float *ghost[4];
        float weight[4];
        for (int k = 0; k < 4; k++) {
            const int shift = (k & 1 ? -1 : 1) * (k < 2 ? 1 : 2) * step % ny, from = (j + shift + ny) % ny;
            const float y = (p->y0 + (float)from * p->dy) / p->half, front = 0.5f - 0.9f * y;
            ghost[k] = scratch + from * nx;
            weight[k] = r->ghost * sign * (k < 2 ? 1 : 0.33f) * (front < 0.1f ? 0.1f : front > 1 ? 1 : front);
        }
        for (int i = 0; i < nx; i++) {
            float v = (1 - 2 * r->blur) * row[i] + r->blur * (up[i] + down[i]);
            for (int k = 0; k < 4; k++) v += weight[k] * (ghost[k][i] - row[i]);
            out[j * nx + i] = v > 0 ? v : 0;
        }
    }
}

/* The array's root of the sum of squares: six coils around the body, each with the field of a loop far off,
 * against the middle of the field of view; what the scanner's correction leaves of it. */
static float coil_shading(const struct receiver *r, float x, float y)
{
    float sum = 0;
    for (int k = 0; k < COILS; k++) {
        const float dx = x - r->coil[k][0], dy = y - r->coil[k][1], d = 1 + (dx * dx + dy * dy) * 6;
        sum += 1 / (d * d);
    }
    return 1 + r->shading * (sqrtf(sum) * r->coil_scale - 1);
}

/* Sensitivity of the coils, then Rician noise (Gudbjartsson and Patz, MRM 1995): the length of the signal
 * plus complex normal noise re + i im of deviation 1, which the filter of k-space has made uneven. */
static void detect(float *out, const float *re, const float *im, const struct plane_size *p,
                   const struct receiver *r, float noise)
{
    for (int j = 0; j < p->ny; j++) {
        const float y = (p->y0 + (float)j * p->dy) / p->half;
        for (int i = 0; i < p->nx; i++) {
            const size_t v = (size_t)j * (size_t)p->nx + (size_t)i;
            const float x = (p->x0 + (float)i * p->dx) / p->half;
            const float b = x * (r->bias[0] + x * r->bias[3] + y * r->bias[5]) +
                            y * (r->bias[1] + y * r->bias[4]) + p->z * r->bias[2];
            float signal = out[v] * vmath_exp(b);
            if (r->shading > 0) signal *= coil_shading(r, x, y);
            const float a = signal + noise * re[v], c = noise * im[v];
            out[v] = r->gain * sqrtf(a * a + c * c);
        }
    }
}

static void draw_noise(float *re, float *im, int n, struct rng *rng)
{
    for (int i = 0; i < n; i++) {
        const double u = ((double)rng_u32(rng) + 0.5) * 0x1p-32;
        const float length = (float)sqrt(-2.0 * vmath_log_d(u));
        float sine, cosine;
        vmath_sincos_2pi(&sine, &cosine, rng_float(rng));
        re[i] = length * cosine;
        im[i] = length * sine;
    }
}

void receive_plane(float *out, float *water, float *fat, const struct plane_size *p, const struct scan *s,
                   enum channel c, struct rng *rng)
{
    const struct receiver *r = &s->receiver[c];
    float kernel[2][2 * TAPS + 1], sine, phase, square = 1;
    for (int a = 0; a < 2; a++)
        if (r->keep[a] < 1) square *= make_kernel(kernel[a], r->keep[a]);
    vmath_sincos_2pi(&sine, &phase, rng_float(rng));
    shift_x(out, fat, p->nx, p->ny, r->fat_shift);
    memcpy(fat, out, (size_t)p->nx * (size_t)p->ny * sizeof *fat);
    add_fat(out, water, fat, p, s, c);
    shift_x(water, out, p->nx, p->ny, r->shift[0]);
    shift_y(out, water, p->nx, p->ny, r->shift[1]);
    move(out, water, p, r, phase);
    filter_plane(out, p, kernel, r->keep);
    draw_noise(water, fat, p->nx * p->ny, rng);
    filter_plane(water, p, kernel, r->keep);
    filter_plane(fat, p, kernel, r->keep);
    detect(out, water, fat, p, r, r->noise / sqrtf(square));
}
