/* intensity.c - changes of the intensities of one channel. All arithmetic is plain float products and sums in
 * a fixed order (statistics in double), so the bits are the same everywhere. Loops go over blocks of constant
 * length, which the compiler makes vectors of; a `step` is inlined into the blocks and into the rest. Sums in
 * double are chains that wait for each addition: what else a pass does is done beside them.
 * The book: docs/book/11_batch.md */
#include "nn/batch/intensity.h"

#include <math.h>
#include <string.h>

#include "tensor/base/vmath.h"

enum { BLOCK = 32 };

#define INLINE static inline __attribute__((always_inline))

/* ---- brightness, contrast, gamma ----------------------------------------------------------------------- */

INLINE void scale_step(float *v, int n, float factor)
{
    for (int k = 0; k < n; k++) v[k] *= factor;
}

void intensity_scale(float *v, size_t n, float factor)
{
    size_t i = 0;
    for (; n - i >= BLOCK; i += BLOCK) scale_step(v + i, BLOCK, factor);
    scale_step(v + i, (int)(n - i), factor);
}

struct survey {
    double sum;
    float low[BLOCK], high[BLOCK]; /* of the values at each place of a block */
};

/* Of sign * v, which it becomes. */
INLINE void survey_step(struct survey *s, float *v, int n, float sign)
{
    for (int k = 0; k < n; k++) v[k] *= sign;
    for (int k = 0; k < n; k++) s->low[k] = v[k] < s->low[k] ? v[k] : s->low[k];
    for (int k = 0; k < n; k++) s->high[k] = v[k] > s->high[k] ? v[k] : s->high[k];
    for (int k = 0; k < n; k++) s->sum += v[k];
}

/* v *= sign; its mean, its least and its largest value. */
static double survey(float range[2], float *v, size_t n, float sign)
{
    struct survey s = {.sum = 0};
    size_t i = 0;
    for (int k = 0; k < BLOCK; k++) s.low[k] = s.high[k] = sign * v[0];
    for (; n - i >= BLOCK; i += BLOCK) survey_step(&s, v + i, BLOCK, sign);
    survey_step(&s, v + i, (int)(n - i), sign);
    range[0] = s.low[0];
    range[1] = s.high[0];
    for (int k = 1; k < BLOCK; k++) {
        range[0] = s.low[k] < range[0] ? s.low[k] : range[0];
        range[1] = s.high[k] > range[1] ? s.high[k] : range[1];
    }
    return s.sum / (double)n;
}

INLINE void contrast_step(float *v, int n, float factor, float mean, const float range[2])
{
    const float low = range[0], high = range[1];
    for (int k = 0; k < n; k++) {
        const float x = (v[k] - mean) * factor + mean;
        v[k] = x < low ? low : x > high ? high : x;
    }
}

void intensity_contrast(float *v, size_t n, float factor)
{
    float range[2];
    const float mean = (float)survey(range, v, n, 1);
    size_t i = 0;
    for (; n - i >= BLOCK; i += BLOCK) contrast_step(v + i, BLOCK, factor, mean, range);
    contrast_step(v + i, (int)(n - i), factor, mean, range);
}

INLINE double squares_step(double sum, const float *v, int n, double mean)
{
    for (int k = 0; k < n; k++) sum += (v[k] - mean) * (v[k] - mean);
    return sum;
}

/* Sample standard deviation (n - 1), as torch.std, of a sum of squares. */
static double deviation_of(double squares, size_t n)
{
    return n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
}

static double deviation(const float *v, size_t n, double mean)
{
    double sum = 0;
    size_t i = 0;
    for (; n - i >= BLOCK; i += BLOCK) sum = squares_step(sum, v + i, BLOCK, mean);
    return deviation_of(squares_step(sum, v + i, (int)(n - i), mean), n);
}

/* The powers, and what they are made of and become; the sum of the results. */
INLINE double power_step(double sum, float *v, int n, float gamma, float low, float range)
{
    const float divisor = range > 1e-7f ? range : 1e-7f;
    for (int k = 0; k < n; k++) v[k] = (v[k] - low) / divisor;
    vmath_pow_many(v, (size_t)n, gamma);
    for (int k = 0; k < n; k++) v[k] = v[k] * range + low;
    for (int k = 0; k < n; k++) sum += v[k];
    return sum;
}

INLINE void rescale_step(float *v, int n, float mean_now, float scale, float mean, float sign)
{
    for (int k = 0; k < n; k++) v[k] = sign * ((v[k] - mean_now) * scale + mean);
}

void intensity_gamma(float *v, size_t n, float gamma, float sign)
{
    float limit[2];
    const double mean = survey(limit, v, n, sign);
    const float range = limit[1] - limit[0];
    double squares = 0, sum = 0;
    size_t i = 0;
    for (; n - i >= BLOCK; i += BLOCK) {
        squares = squares_step(squares, v + i, BLOCK, mean);
        sum = power_step(sum, v + i, BLOCK, gamma, limit[0], range);
    }
    squares = squares_step(squares, v + i, (int)(n - i), mean);
    sum = power_step(sum, v + i, (int)(n - i), gamma, limit[0], range);
    const double mean_now = sum / (double)n, std_now = deviation(v, n, mean_now);
    const float scale = (float)(deviation_of(squares, n) / (std_now > 1e-7 ? std_now : 1e-7));
    for (i = 0; n - i >= BLOCK; i += BLOCK)
        rescale_step(v + i, BLOCK, (float)mean_now, scale, (float)mean, sign);
    rescale_step(v + i, (int)(n - i), (float)mean_now, scale, (float)mean, sign);
}

/* ---- blur ---------------------------------------------------------------------------------------------- */

enum { REACH = 3 }; /* of the kernel, at most */

/* batchgeneratorsv2's kernel: about 6 sigma long, odd; at most 7 for sigma <= 1. Returns its half length. */
static int blur_kernel(float kernel[REACH + 1], float sigma)
{
    int length = (int)rint((double)sigma * 6 + 0.5);
    if (length % 2 == 0) length += (double)sigma * 6 + 0.5 >= length ? 1 : -1;
    int half = length / 2;
    float sum = 0;
    for (int k = 0; k <= half; k++) {
        const float x = (float)k / sigma;
        kernel[k] = vmath_exp(-0.5f * x * x);
        sum += k ? 2 * kernel[k] : kernel[k];
    }
    for (int k = 0; k <= half; k++) kernel[k] /= sum;
    return half;
}

/* Mirrored at the border without repeating the voxel there. */
static int reflect(int i, int n)
{
    if (n == 1) return 0;
    while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
    return i;
}

/* n outputs, of the rows of inputs from REACH before them to REACH behind. */
INLINE void blur_step(float *out, const float *const row[2 * REACH + 1], int n,
                      const float kernel[REACH + 1], int half)
{
    float sum[BLOCK];
    for (int j = 0; j < n; j++) sum[j] = kernel[0] * row[REACH][j];
    for (int k = 1; k <= half; k++) {
        const float *a = row[REACH - k], *b = row[REACH + k], weight = kernel[k];
        for (int j = 0; j < n; j++) sum[j] += weight * (a[j] + b[j]);
    }
    memcpy(out, sum, (size_t)n * sizeof *out);
}

/* Along an axis of n steps of `stride` floats, each float of a step on its own. */
static void blur_steps(float *out, const float *in, int n, size_t stride, const float kernel[REACH + 1],
                       int half)
{
    const float *row[2 * REACH + 1];
    for (int i = 0; i < n; i++, out += stride) {
        size_t j = 0;
        for (int k = -REACH; k <= REACH; k++) row[REACH + k] = in + (size_t)reflect(i + k, n) * stride;
        for (; stride - j >= BLOCK; j += BLOCK) {
            blur_step(out + j, row, BLOCK, kernel, half);
            for (int k = 0; k <= 2 * REACH; k++) row[k] += BLOCK;
        }
        blur_step(out + j, row, (int)(stride - j), kernel, half);
    }
}

/* Along the row itself. */
static void blur_row(float *out, const float *in, int n, const float kernel[REACH + 1], int half)
{
    float window[BLOCK + 2 * REACH];
    const float *row[2 * REACH + 1];
    for (int i = 0; i < n; i += BLOCK) {
        const int count = n - i < BLOCK ? n - i : BLOCK, whole = i >= REACH && i + BLOCK + REACH <= n;
        const float *from = whole ? in + i - REACH : window;
        for (int k = 0; !whole && k < count + 2 * REACH; k++) window[k] = in[reflect(i + k - REACH, n)];
        for (int k = 0; k <= 2 * REACH; k++) row[k] = from + k;
        if (count == BLOCK) blur_step(out + i, row, BLOCK, kernel, half);
        else blur_step(out + i, row, count, kernel, half);
    }
}

void intensity_blur(float *v, float *spare, const int size[3], const float sigma[3])
{
    const size_t d = (size_t)size[0], h = (size_t)size[1], w = (size_t)size[2];
    float kernel[REACH + 1];
    int half = blur_kernel(kernel, sigma[0]);
    blur_steps(spare, v, size[0], h * w, kernel, half);
    half = blur_kernel(kernel, sigma[1]);
    for (size_t z = 0; z < d; z++) blur_steps(v + z * h * w, spare + z * h * w, size[1], w, kernel, half);
    half = blur_kernel(kernel, sigma[2]);
    for (size_t y = 0; y < d * h; y++) blur_row(spare + y * w, v + y * w, size[2], kernel, half);
    memcpy(v, spare, d * h * w * sizeof *v);
}

/* ---- a coarser grid and back --------------------------------------------------------------------------- */

/* Where output voxel i of n lies on a grid of m voxels (torch's interpolate, align_corners False): the lower
 * neighbour and the weight of the upper one. */
static int linear_source(float *weight, int i, int n, int m)
{
    float at = ((float)i + 0.5f) * ((float)m / (float)n) - 0.5f;
    if (at < 0) at = 0;
    int low = (int)at < m - 1 ? (int)at : m - 1;
    *weight = low + 1 < m ? at - (float)low : 0;
    return low;
}

static int nearest_source(int i, int n_out, int n_in)
{
    int at = (int)(((float)i + 0.5f) * ((float)n_in / (float)n_out));
    return at < n_in ? at : n_in - 1;
}

void intensity_coarsen(float *v, float *spare, const int size[3], const int coarse[3])
{
    float *low = spare, *row = spare + (size_t)coarse[0] * (size_t)coarse[1] * (size_t)coarse[2], *o = low;
    for (int z = 0; z < coarse[0]; z++)
        for (int y = 0; y < coarse[1]; y++) {
            const float *in = v + ((size_t)nearest_source(z, coarse[0], size[0]) * (size_t)size[1] +
                                   (size_t)nearest_source(y, coarse[1], size[1])) *
                                      (size_t)size[2];
            for (int x = 0; x < coarse[2]; x++) *o++ = in[nearest_source(x, coarse[2], size[2])];
        }
    for (int z = 0; z < size[0]; z++)
        for (int y = 0; y < size[1]; y++) {
            float fz, fy, fx;
            int at_z = linear_source(&fz, z, size[0], coarse[0]),
                at_y = linear_source(&fy, y, size[1], coarse[1]);
            size_t next_y = fy > 0 ? (size_t)coarse[2] : 0,
                   next_z = fz > 0 ? (size_t)coarse[1] * (size_t)coarse[2] : 0;
            const float *a = low + ((size_t)at_z * (size_t)coarse[1] + (size_t)at_y) * (size_t)coarse[2],
                        *b = a + next_y, *c = a + next_z, *d = c + next_y;
            for (int x = 0; x < coarse[2]; x++) {
                const float ab = a[x] + fy * (b[x] - a[x]), cd = c[x] + fy * (d[x] - c[x]);
                row[x] = ab + fz * (cd - ab);
            }
            for (int x = 0; x < size[2]; x++) {
                int at = linear_source(&fx, x, size[2], coarse[2]);
                *v++ = row[at] + fx * (row[at + (fx > 0)] - row[at]);
            }
        }
}
