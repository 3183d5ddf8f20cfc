/* device_kernels.c - the arithmetic of an exported network in plain C (device_kernels.h). */
#include "nn/device/device_kernels.h"

#include <string.h>

#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error                                                                                                       \
    "floats are computed wider: other bits. s390x: -fexcess-precision=fast; i386: -msse2 -mfpmath=sse"
#endif
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error                                                                                                       \
    "-ffast-math (-Ofast) gives other bits, and takes numbers that are not finite for impossible: without it"
#endif

/* A loop over the outputs of a group becomes that many statements, and its sums registers. Clang does so
 * unasked. */
#if defined(__GNUC__) && !defined(__clang__)
#define UNROLL _Pragma("GCC unroll 8")
#else
#define UNROLL
#endif
#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

/* ---- a fused multiply-add and a square root, on any machine -------------------------------------------- */

#if defined(__FP_FAST_FMAF) || defined(__FMA__) || defined(__aarch64__) || defined(__ARM_FEATURE_FMA)
static inline float fma32(float a, float b, float c)
{
    return __builtin_fmaf(a, b, c);
}
#else
/* The product of two floats is exact in double. Where the sum is not, its last bit is made odd, so that
 * rounding once more, to float, goes where rounding the exact sum would (rounding to odd: Boldo and Melquiond
 * 2008). */
static inline float fma32(float a, float b, float c)
{
    const double product = (double)a * (double)b, term = (double)c;
    double sum = product + term;
    const double part = sum - product,
                 error = (product - (sum - part)) + (term - part); /* exact: Knuth's two-sum */
    uint64_t bits;
    memcpy(&bits, &sum, sizeof bits);
    if (error != 0 && !(bits & 1) && sum - sum == 0) { /* not of an infinite sum */
        bits += (error > 0) == (sum > 0) ? 1 : (uint64_t)-1;
        memcpy(&sum, &bits, sizeof sum);
    }
    return (float)sum;
}
#endif

/* Correctly rounded, digit by digit, of normal positive x; others (infinite, NaN) as they are. */
static double square_root(double x)
{
    uint64_t bits, root = 0, rest = 0;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52) - 1023;
    if (exponent <= -1023 || exponent >= 1024) return x;
    uint64_t mantissa = (bits & 0xfffffffffffff) | 0x10000000000000;
    if (exponent & 1) mantissa *= 2, exponent--;
    for (int i = 0; i < 54; i++) {
        /* two bits of the mantissa, then zeros, for one bit of the root: 53, and one to round by */
        rest = rest << 2 | (i < 27 ? mantissa >> (52 - 2 * i) & 3 : 0);
        const uint64_t trial = root << 2 | 1;
        root <<= 1;
        if (rest >= trial) {
            rest -= trial;
            root |= 1;
        }
    }
    bits = ((uint64_t)(exponent / 2 + 1022) << 52) +
           ((root + 1) >> 1); /* the root's leading bit counts one in the exponent */
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline int smaller(int a, int b)
{
    return a < b ? a : b;
}

static inline float activate(float z, float slope)
{
    return z > 0 ? z : slope * z;
}

/* ---- convolution, direct ------------------------------------------------------------------------------- */

/* What the loops over the taps of one output voxel share. */
struct taps {
    const struct device_conv *s;
    const float *x;
    ptrdiff_t at;       /* of the position of tap 0 in x, perhaps outside */
    int begin[3], end[3]; /* taps whose position is inside of x */
};

static struct taps taps_at(const struct device_conv *s, const float *x, const int o[3])
{
    struct taps t = {.s = s, .x = x};
    for (int i = 0; i < 3; i++) {
        const int first = o[i] * s->stride[i] - s->pad[i];
        t.begin[i] = first < 0 ? -first : 0;
        t.end[i] = smaller(s->kernel[i], s->in[i] - first);
        t.at = t.at * s->in[i] + first;
    }
    return t;
}

INLINE int has_zero(const float *sum, int n)
{
    for (int j = 0; j < n; j++)
        if (sum[j] == 0) return 1;
    return 0;
}

/* sum[j] += the products with output channels j < n. w: the weights of the first of these. Positions outside
 * of x along w are zeros that are multiplied, as in the program: that can change a sum that is itself zero,
 * its sign, and no other. */
INLINE void add_taps(float *sum, const struct taps *t, const float *w, int n)
{
    const struct device_conv *s = t->s;
    const size_t k = (size_t)s->k, taps_x = (size_t)s->kernel[2];
    for (int first = 0; first < s->c; first += DEVICE_BLOCK) {
        const int channels = smaller(DEVICE_BLOCK, s->c - first);
        const size_t tap_size = (size_t)channels * k;
        for (int z = t->begin[0]; z < t->end[0]; z++)
            for (int y = t->begin[1]; y < t->end[1]; y++) {
                const float *row = w + ((size_t)z * (size_t)s->kernel[1] + (size_t)y) * taps_x * tap_size;
                const ptrdiff_t line = ((ptrdiff_t)z * s->in[1] + y) * s->in[2];
                for (int i = 0; i < s->kernel[2]; i++, row += tap_size) {
                    const int inside = i >= t->begin[2] && i < t->end[2];
                    if (!inside && !has_zero(sum, n)) continue;
                    const ptrdiff_t x = (t->at + line + i) * s->c + first;
                    const float *at = row;
                    for (int c = 0; c < channels; c++, at += k) {
                        const float value = inside ? t->x[x + c] : 0;
                        UNROLL for (int j = 0; j < n; j++) sum[j] = fma32(value, at[j], sum[j]);
                    }
                }
            }
        w += (size_t)s->kernel[0] * (size_t)s->kernel[1] * taps_x * tap_size;
    }
}

INLINE void direct_group(float *y, const struct taps *t, const float *w, const float *bias, int accumulate,
                         int n)
{
    float sum[DEVICE_GROUP];
    UNROLL for (int j = 0; j < n; j++) sum[j] = accumulate ? y[j] : bias ? bias[j] : 0;
    add_taps(sum, t, w, n);
    UNROLL for (int j = 0; j < n; j++) y[j] = sum[j];
}

static void direct(float *y, const float *x, const float *w, const float *bias, int accumulate,
                   const struct device_conv *s)
{
    int o[3];
    for (o[0] = 0; o[0] < s->out[0]; o[0]++)
        for (o[1] = 0; o[1] < s->out[1]; o[1]++)
            for (o[2] = 0; o[2] < s->out[2]; o[2]++, y += s->k) {
                const struct taps t = taps_at(s, x, o);
                int k = 0;
                for (; k + DEVICE_GROUP <= s->k; k += DEVICE_GROUP)
                    direct_group(y + k, &t, w + k, bias ? bias + k : NULL, accumulate, DEVICE_GROUP);
                if (k < s->k) direct_group(y + k, &t, w + k, bias ? bias + k : NULL, accumulate, s->k - k);
            }
}

void device_conv_transpose3d(float *y, const float *x, const float *w, const float *bias,
                             const struct device_conv *s)
{
    const size_t tap_size = (size_t)s->c * (size_t)s->k;
    for (int oz = 0; oz < s->out[0]; oz++)
        for (int oy = 0; oy < s->out[1]; oy++)
            for (int ox = 0; ox < s->out[2]; ox++, y += s->k) {
                const size_t voxel =
                    ((size_t)(oz / s->stride[0]) * (size_t)s->in[1] + (size_t)(oy / s->stride[1])) *
                        (size_t)s->in[2] +
                    (size_t)(ox / s->stride[2]);
                const size_t tap =
                    ((size_t)(oz % s->stride[0]) * (size_t)s->stride[1] + (size_t)(oy % s->stride[1])) *
                        (size_t)s->stride[2] +
                    (size_t)(ox % s->stride[2]);
                const float *from = x + voxel * (size_t)s->c, *at = w + tap * tap_size;
                for (int k = 0; k < s->k; k++) y[k] = bias ? bias[k] : 0;
                for (int c = 0; c < s->c; c++, at += s->k)
                    for (int k = 0; k < s->k; k++) y[k] = fma32(from[c], at[k], y[k]);
            }
}

/* ---- convolution, Winograd's form ---------------------------------------------------------------------- */

/* In one dimension the outputs come from inputs d and three weights g by way of products m = u v, point by
 * point (Winograd; Lavin and Gray, CVPR 2016): the points 0, 1, -1 and infinity for two outputs; 0, +-3/4,
 * +-3/2 and infinity for four; and with stride 2 the points 0, 1 and infinity for the even inputs, the odd
 * ones by themselves. */
#define POINT_A 0.75
#define POINT_B 1.5
#define SQUARE(p) ((p) * (p))
#define CUBE(p) ((p) * (p) * (p))
#define A2 ((float)SQUARE(POINT_A))
#define B2 ((float)SQUARE(POINT_B))
#define SCALE_0 ((float)(1 / (SQUARE(POINT_A) * SQUARE(POINT_B))))
#define SCALE_A ((float)(1 / (2 * SQUARE(POINT_A) * (SQUARE(POINT_A) - SQUARE(POINT_B)))))
#define SCALE_B ((float)(1 / (2 * SQUARE(POINT_B) * (SQUARE(POINT_B) - SQUARE(POINT_A)))))

enum { SIDE = 6, POINTS = SIDE * SIDE, OUTPUTS = 4 };

static int form_outputs(int form) { return form == DEVICE_DIRECT ? 1 : form == DEVICE_FOUR ? 4 : 2; }
static int form_inputs(int form)
{
    return form == DEVICE_DIRECT ? 1 : form == DEVICE_TWO ? 4 : form == DEVICE_FOUR ? 6 : 5;
}
static int form_points(int form) { return form_inputs(form); }
/* Positions of x from one tile to the next. */
static int form_stride(int form) { return form == DEVICE_DOWN ? 4 : form_outputs(form); }

static inline void opposite(float *v, float even, float odd, float p)
{
    v[0] = fma32(p, odd, even);
    v[1] = fma32(-p, odd, even);
}

static void transform_x(float *v, const float *d, int form)
{
    const float product = (float)(SQUARE(POINT_A) * SQUARE(POINT_B)),
                sum = (float)(SQUARE(POINT_A) + SQUARE(POINT_B));
    switch (form) {
    case DEVICE_DOWN:
        v[0] = d[0] - d[2];
        v[1] = d[2];
        v[2] = d[4] - d[2];
        v[3] = d[1];
        v[4] = d[3];
        break;
    case DEVICE_TWO:
        v[0] = d[0] - d[2];
        v[1] = d[1] + d[2];
        v[2] = d[2] - d[1];
        v[3] = d[3] - d[1];
        break;
    default:
        v[0] = fma32(product, d[0], fma32(-sum, d[2], d[4]));
        opposite(v + 1, fma32(-B2, d[2], d[4]), fma32(-B2, d[1], d[3]), (float)POINT_A);
        opposite(v + 3, fma32(-A2, d[2], d[4]), fma32(-A2, d[1], d[3]), (float)POINT_B);
        v[5] = fma32(product, d[1], fma32(-sum, d[3], d[5]));
    }
}

static void transform_w(float *u, const float *g, int form)
{
    switch (form) {
    case DEVICE_DOWN:
        u[0] = g[0];
        u[1] = g[0] + g[2];
        u[2] = g[2];
        u[3] = u[4] = g[1];
        break;
    case DEVICE_TWO:
        u[0] = g[0];
        u[1] = 0.5f * ((g[0] + g[2]) + g[1]);
        u[2] = 0.5f * ((g[0] + g[2]) - g[1]);
        u[3] = g[2];
        break;
    default:
        u[0] = SCALE_0 * g[0];
        opposite(u + 1, fma32(A2, g[2], g[0]), g[1], (float)POINT_A);
        opposite(u + 3, fma32(B2, g[2], g[0]), g[1], (float)POINT_B);
        for (int i = 1; i < 5; i++) u[i] = (i < 3 ? SCALE_A : SCALE_B) * u[i];
        u[5] = g[2];
    }
}

static void transform_y(float *y, const float *m, int form)
{
    if (form == DEVICE_DOWN) {
        y[0] = (m[0] + m[1]) + m[3];
        y[1] = (m[1] + m[2]) + m[4];
        return;
    }
    const float sum = m[1] + m[2], difference = m[1] - m[2];
    y[0] = m[0] + sum;
    if (form == DEVICE_TWO) {
        y[1] = difference + m[3];
        return;
    }
    const float sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    y[0] = y[0] + sum_b;
    y[1] = fma32((float)POINT_B, difference_b, (float)POINT_A * difference);
    y[2] = fma32(B2, sum_b, A2 * sum);
    y[3] = fma32((float)CUBE(POINT_B), difference_b, fma32((float)CUBE(POINT_A), difference, m[5]));
}

/* Of a point along d: the planes of x (in the tile; -1: no second one) and the sign of the second; the signs
 * that it has in the planes of y, 0 where it adds nothing. */
struct depth_point {
    signed char x[2], x_sign, y_sign[2];
};

static struct depth_point depth_point(int form, int z)
{
    static const struct depth_point none = {{0, -1}, 0, {1, 0}},
                                    two[4] = {{{0, 2}, -1, {1, 0}},
                                              {{1, 2}, 1, {1, 1}},
                                              {{2, 1}, -1, {1, -1}},
                                              {{3, 1}, -1, {0, 1}}},
                                    down[5] = {{{0, 2}, -1, {1, 0}},
                                               {{2, -1}, 0, {1, 1}},
                                               {{4, 2}, -1, {0, 1}},
                                               {{1, -1}, 0, {1, 0}},
                                               {{3, -1}, 0, {0, 1}}};
    return form == DEVICE_DIRECT ? none : form == DEVICE_TWO ? two[z] : down[z];
}

/* The call, and where it is: a block of input channels, a group of output channels, a point along d, a
 * tile. */
struct winograd {
    const struct device_conv *s;
    const float *x, *w;
    int side, points;     /* points along an axis of the plane, and of the plane */
    int first, channels;  /* input */
    int k, group;         /* output: the first one, and how many */
    int z;                /* the point along d */
    int tile[3];
    float *u, *v;         /* [point][channels][group], [point][channels] */
};

/* u: the transformed weights of plane z of points. Along d first, then w, then h. */
static void transform_weights(const struct winograd *a)
{
    const struct device_conv *s = a->s;
    const size_t tap = (size_t)a->channels * (size_t)s->k;
    for (int c = 0; c < a->channels; c++)
        for (int j = 0; j < a->group; j++) {
            const float *w = a->w + (size_t)c * (size_t)s->k + (size_t)(a->k + j);
            float plane[9], rows[3][SIDE];
            for (int i = 0; i < 9; i++) {
                float d[3], points[SIDE];
                for (int z = 0; z < s->kernel[0]; z++) d[z] = w[(size_t)(9 * z + i) * tap];
                if (s->depth != DEVICE_DIRECT) transform_w(points, d, s->depth);
                plane[i] = s->depth == DEVICE_DIRECT ? d[0] : points[a->z];
            }
            for (int y = 0; y < 3; y++) transform_w(rows[y], plane + 3 * y, s->plane);
            for (int x = 0; x < a->side; x++) {
                const float d[3] = {rows[0][x], rows[1][x], rows[2][x]};
                float column[SIDE];
                transform_w(column, d, s->plane);
                for (int y = 0; y < a->side; y++)
                    a->u[((size_t)(y * a->side + x) * (size_t)a->channels + (size_t)c) * (size_t)a->group +
                         (size_t)j] = column[y];
            }
        }
}

/* Where plane `z` of the tile's x is; NULL outside. */
static const float *plane_of_x(const struct winograd *a, int z)
{
    const struct device_conv *s = a->s;
    const int at = a->tile[0] * form_stride(s->depth) - s->pad[0] + z;
    return at < 0 || at >= s->in[0]
               ? NULL
               : a->x + (size_t)at * (size_t)s->in[1] * (size_t)s->in[2] * (size_t)s->c + a->first;
}

/* Where the tile's positions of a plane of x are; -1 outside. */
static void place_tile(ptrdiff_t at[SIDE][SIDE], const struct winograd *a)
{
    const struct device_conv *s = a->s;
    const int inputs = form_inputs(s->plane), step = form_stride(s->plane);
    for (int i = 0; i < inputs; i++)
        for (int j = 0; j < inputs; j++) {
            const int y = a->tile[1] * step - s->pad[1] + i, x = a->tile[2] * step - s->pad[2] + j;
            const int inside = y >= 0 && y < s->in[1] && x >= 0 && x < s->in[2];
            at[i][j] = inside ? ((ptrdiff_t)y * s->in[2] + x) * s->c : -1;
        }
}

/* v: the transformed x of the tile. Along d first, then w, then h; zeros outside. */
static void transform_tile(const struct winograd *a)
{
    const struct device_conv *s = a->s;
    const struct depth_point p = depth_point(s->depth, a->z);
    const int planes = p.x[1] < 0 ? 1 : 2, inputs = form_inputs(s->plane);
    const float *of[2] = {plane_of_x(a, p.x[0]), planes == 2 ? plane_of_x(a, p.x[1]) : NULL};
    ptrdiff_t at[SIDE][SIDE];
    place_tile(at, a);
    for (int c = 0; c < a->channels; c++) {
        float rows[SIDE][SIDE];
        for (int y = 0; y < inputs; y++) {
            float d[SIDE];
            for (int x = 0; x < inputs; x++) d[x] = of[0] && at[y][x] >= 0 ? of[0][at[y][x] + c] : 0;
            for (int x = 0; planes == 2 && x < inputs; x++)
                d[x] = fma32((float)p.x_sign, of[1] && at[y][x] >= 0 ? of[1][at[y][x] + c] : 0, d[x]);
            transform_x(rows[y], d, s->plane);
        }
        for (int x = 0; x < a->side; x++) {
            float d[SIDE], column[SIDE];
            for (int y = 0; y < inputs; y++) d[y] = rows[y][x];
            transform_x(column, d, s->plane);
            for (int y = 0; y < a->side; y++)
                a->v[(size_t)(y * a->side + x) * (size_t)a->channels + (size_t)c] = column[y];
        }
    }
}

/* m[point][j]: one chain over the channels of the block for each. */
INLINE void multiply(float m[POINTS][DEVICE_GROUP], const struct winograd *a, int group)
{
    const float *u = a->u, *v = a->v;
    for (int i = 0; i < a->points; i++) {
        float sum[DEVICE_GROUP] = {0};
        for (int c = 0; c < a->channels; c++, u += group, v++)
            UNROLL for (int j = 0; j < group; j++) sum[j] = fma32(*v, u[j], sum[j]);
        UNROLL for (int j = 0; j < group; j++) m[i][j] = sum[j];
    }
}

/* Whether an earlier point along d has put something into plane o of y. */
static int begun(const struct winograd *a, int o)
{
    for (int z = 0; z < a->z; z++)
        if (depth_point(a->s->depth, z).y_sign[o] != 0) return 1;
    return a->first > 0;
}

/* Adds the outputs of the plane of points, along w first, then h, to the planes of y that they belong to. */
static void add_outputs(float *y, float m[POINTS][DEVICE_GROUP], const struct winograd *a, const float *bias,
                        int accumulate)
{
    const struct device_conv *s = a->s;
    const struct depth_point p = depth_point(s->depth, a->z);
    const int outputs = form_outputs(s->plane), z0 = a->tile[0] * form_outputs(s->depth);
    const int y0 = a->tile[1] * outputs, x0 = a->tile[2] * outputs;
    for (int j = 0; j < a->group; j++) {
        float rows[SIDE][OUTPUTS], out[OUTPUTS][OUTPUTS];
        for (int i = 0; i < a->side; i++) {
            float d[SIDE];
            for (int x = 0; x < a->side; x++) d[x] = m[i * a->side + x][j];
            transform_y(rows[i], d, s->plane);
        }
        for (int x = 0; x < outputs; x++) {
            float d[SIDE], column[OUTPUTS];
            for (int i = 0; i < a->side; i++) d[i] = rows[i][x];
            transform_y(column, d, s->plane);
            for (int i = 0; i < outputs; i++) out[i][x] = column[i];
        }
        for (int o = 0; o < form_outputs(s->depth) && z0 + o < s->out[0]; o++) {
            const int adds = accumulate || begun(a, o);
            const float start = bias ? bias[j] : 0;
            for (int i = 0; p.y_sign[o] != 0 && i < outputs && y0 + i < s->out[1]; i++)
                for (int x = 0; x < outputs && x0 + x < s->out[2]; x++) {
                    float *at =
                        y +
                        (((size_t)(z0 + o) * (size_t)s->out[1] + (size_t)(y0 + i)) * (size_t)s->out[2] +
                         (size_t)(x0 + x)) *
                            (size_t)s->k +
                        (size_t)(a->k + j);
                    *at = fma32((float)p.y_sign[o], out[i][x], adds ? *at : start);
                }
        }
    }
}

static int tiles_along(const struct device_conv *s, int axis)
{
    const int step = form_outputs(axis == 0 ? s->depth : s->plane);
    return (s->out[axis] + step - 1) / step;
}

static void winograd_plane(float *y, struct winograd *a, const float *bias, int accumulate)
{
    float m[POINTS][DEVICE_GROUP];
    transform_weights(a);
    for (a->tile[0] = 0; a->tile[0] < tiles_along(a->s, 0); a->tile[0]++)
        for (a->tile[1] = 0; a->tile[1] < tiles_along(a->s, 1); a->tile[1]++)
            for (a->tile[2] = 0; a->tile[2] < tiles_along(a->s, 2); a->tile[2]++) {
                transform_tile(a);
                if (a->group == DEVICE_GROUP) multiply(m, a, DEVICE_GROUP);
                else multiply(m, a, a->group);
                add_outputs(y, m, a, bias, accumulate);
            }
}

/* Of each output, plane after plane of points of one block after the other is added. */
static void winograd(float *y, const float *x, const float *w, const float *bias, int accumulate,
                     const struct device_conv *s, float *scratch)
{
    struct winograd a = {.s = s, .x = x, .w = w, .side = form_points(s->plane), .u = scratch};
    a.points = a.side * a.side;
    for (a.first = 0; a.first < s->c; a.first += DEVICE_BLOCK) {
        a.channels = smaller(DEVICE_BLOCK, s->c - a.first);
        a.v = scratch + (size_t)(a.points * a.channels * DEVICE_GROUP);
        for (a.k = 0; a.k < s->k; a.k += DEVICE_GROUP) {
            a.group = smaller(DEVICE_GROUP, s->k - a.k);
            for (a.z = 0; a.z < form_points(s->depth); a.z++)
                winograd_plane(y, &a, bias ? bias + a.k : NULL, accumulate);
        }
        a.w += (size_t)(9 * s->kernel[0] * a.channels) * (size_t)s->k;
    }
}

size_t device_conv_scratch(const struct device_conv *s)
{
    const int side = form_points(s->plane);
    return s->plane == DEVICE_DIRECT
               ? 0
               : (size_t)(side * side * smaller(DEVICE_BLOCK, s->c) * (DEVICE_GROUP + 1));
}

void device_conv3d(float *y, const float *x, const float *w, const float *bias, int accumulate,
                   const struct device_conv *s, float *scratch)
{
    if (s->plane == DEVICE_DIRECT) direct(y, x, w, bias, accumulate, s);
    else winograd(y, x, w, bias, accumulate, s, scratch);
}

/* ---- norms --------------------------------------------------------------------------------------------- */

/* A long sum over the voxels is cut into stripes, these into blocks; a block is summed in four chains (voxel
 * mod 4) in float, everything above it in double. */
enum { STRIPES = 16, BLOCK = 64 };

static float block_sum(const float *x, int rows, size_t stride)
{
    float s[4] = {0, 0, 0, 0};
    for (int i = 0; i < rows; i++) s[i % 4] = s[i % 4] + x[(size_t)i * stride];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

/* Adds the sums over a block, made of differences from its mean, to sum and square. */
static void add_block(double *sum, double *square, const float *x, int rows, size_t stride)
{
    const float pivot = block_sum(x, rows, stride) * (1.0f / (float)rows);
    float s[4] = {0, 0, 0, 0}, q[4] = {0, 0, 0, 0};
    for (int i = 0; i < rows; i++) {
        const float d = x[(size_t)i * stride] - pivot;
        s[i % 4] = s[i % 4] + d;
        q[i % 4] = fma32(d, d, q[i % 4]);
    }
    const double count = rows, mean = (double)pivot, rest = (double)((s[0] + s[1]) + (s[2] + s[3]));
    *sum += count * mean + rest;
    *square += (double)((q[0] + q[1]) + (q[2] + q[3])) + mean * (2 * rest + count * mean);
}

/* The sum over the voxels of one channel, and of the squares (NULL: not wanted). */
static double channel_sum(double *square, const float *x, size_t voxels, size_t stride)
{
    const size_t blocks = (voxels + BLOCK - 1) / BLOCK, stripes = blocks < STRIPES ? blocks : STRIPES;
    double all = 0, all_squares = 0;
    for (size_t i = 0; i < stripes; i++) {
        double sum = 0, squares = 0;
        for (size_t b = i * blocks / stripes; b < (i + 1) * blocks / stripes; b++) {
            const int rows = voxels - b * BLOCK < BLOCK ? (int)(voxels - b * BLOCK) : BLOCK;
            const float *at = x + b * BLOCK * stride;
            if (square) add_block(&sum, &squares, at, rows, stride);
            else sum += (double)block_sum(at, rows, stride);
        }
        all += sum;
        all_squares += squares;
    }
    if (square) *square = all_squares;
    return all;
}

/* y = act(gamma (x - mean) / sqrt(var + eps) + beta) of one channel. */
static void apply(float *y, const float *x, double mean, double var, float gamma, float beta, size_t voxels,
                  size_t stride, float slope)
{
    const float high = (float)mean, low = (float)(mean - (double)high);
    const float scale = gamma * (float)(1 / square_root(var + (double)1e-5f)),
                shift = fma32(-low, scale, beta);
    for (size_t i = 0; i < voxels * stride; i += stride)
        y[i] = activate(fma32(x[i] - high, scale, shift), slope);
}

void device_instance_norm(float *y, const float *x, const float *param, size_t voxels, int c, float slope)
{
    for (int i = 0; i < c; i++) {
        double square;
        const double count = (double)voxels, mean = channel_sum(&square, x + i, voxels, (size_t)c) / count;
        const double var = square / count - mean * mean;
        apply(y + i, x + i, mean, var < 0 ? 0 : var, param[i], param[c + i], voxels, (size_t)c, slope);
    }
}

void device_group_norm(float *y, const float *x, const float *param, size_t voxels, int c, int groups,
                       float slope)
{
    const int shared = c / groups;
    for (int first = 0; first < c; first += shared) {
        double sum = 0, square = 0;
        for (int i = first; i < first + shared; i++) {
            double squares;
            const double part = channel_sum(&squares, x + i, voxels, (size_t)c);
            sum = i == first ? part : sum + part;
            square = i == first ? squares : square + squares;
        }
        const double count = (double)voxels * shared, mean = sum / count, var = square / count - mean * mean;
        for (int i = first; i < first + shared; i++)
            apply(y + i, x + i, mean, var < 0 ? 0 : var, param[i], param[c + i], voxels, (size_t)c, slope);
    }
}

void device_batch_norm(float *y, const float *x, const float *param, size_t voxels, int c, float slope)
{
    for (int i = 0; i < c; i++)
        apply(y + i, x + i, (double)param[2 * c + i], (double)param[3 * c + i], param[i], param[c + i],
              voxels, (size_t)c, slope);
}

void device_activation(float *y, const float *x, size_t n, float slope)
{
    for (size_t i = 0; i < n; i++) y[i] = activate(x[i], slope);
}

void device_add(float *y, const float *a, const float *b, size_t n, float slope)
{
    for (size_t i = 0; i < n; i++) y[i] = activate(a[i] + b[i], slope);
}

/* ---- pooling, linear layer ----------------------------------------------------------------------------- */

/* [begin, end) of the window of output o that is inside of x. */
static void window(int *begin, int *end, const struct device_window *s, int axis, int o)
{
    const int first = o * s->stride[axis] - s->pad[axis];
    *begin = first > 0 ? first : 0;
    *end = smaller(first + s->kernel[axis], s->in[axis]);
}

/* The maximum (NaN wins), or the sum, of channel c of the voxels in a box. */
static float pooled(const float *x, const struct device_window *s, const int begin[3], const int end[3],
                    int maximum)
{
    float best = maximum ? -__builtin_inff() : 0;
    for (int z = begin[0]; z < end[0]; z++)
        for (int h = begin[1]; h < end[1]; h++)
            for (int w = begin[2]; w < end[2]; w++) {
                const float v =
                    x[(((size_t)z * (size_t)s->in[1] + (size_t)h) * (size_t)s->in[2] + (size_t)w) *
                      (size_t)s->c];
                if (!maximum) best = best + v;
                else if (v > best || v != v) best = v;
            }
    return best;
}

static void pooling3d(float *y, const float *x, const struct device_window *s, int maximum)
{
    int begin[3], end[3];
    for (int z = 0; z < s->out[0]; z++)
        for (int h = 0; h < s->out[1]; h++)
            for (int w = 0; w < s->out[2]; w++) {
                window(&begin[0], &end[0], s, 0, z);
                window(&begin[1], &end[1], s, 1, h);
                window(&begin[2], &end[2], s, 2, w);
                const float count = (float)((end[0] - begin[0]) * (end[1] - begin[1]) * (end[2] - begin[2]));
                for (int c = 0; c < s->c; c++) {
                    const float v = pooled(x + c, s, begin, end, maximum);
                    *y++ = maximum ? v : v / count;
                }
            }
}

void device_max_pool3d(float *y, const float *x, const struct device_window *s)
{
    pooling3d(y, x, s, 1);
}

void device_avg_pool3d(float *y, const float *x, const struct device_window *s)
{
    pooling3d(y, x, s, 0);
}

void device_global_avg_pool(float *y, const float *x, size_t voxels, int c)
{
    for (int i = 0; i < c; i++) y[i] = (float)(channel_sum(NULL, x + i, voxels, (size_t)c) / (double)voxels);
}

/* Sixteen chains, channel mod 16, added in order. */
void device_linear(float *y, const float *x, const float *w, const float *bias, int c, int k)
{
    for (int o = 0; o < k; o++, w += c) {
        float lane[16] = {0}, sum = 0;
        for (int i = 0; i < c; i++) lane[i % 16] = fma32(x[i], w[i], lane[i % 16]);
        for (int j = 0; j < 16; j++) sum += lane[j];
        y[o] = sum + (bias ? bias[o] : 0);
    }
}

void device_standardize(float *y, const float *x, const float *param, int c)
{
    for (int i = 0; i < c; i++) {
        const double variance = (double)param[c + i];
        const float scale = variance > 0 ? 1 / (float)square_root(variance) : 0;
        y[i] = x[i] != x[i] ? 0 : (x[i] - param[i]) * scale; /* itself but for NaN */
    }
}

/* ---- what becomes of logits ---------------------------------------------------------------------------- */

/* exp(x) = 2^n exp(r), |r| <= ln(2)/2, by a polynomial (Cephes' expf, Moshier); 2^n in two factors, because n
 * reaches -150 and 128. */
static float exponential(float x)
{
    const float round = 0x1.8p23f, bias = 0x1.0000fep23f;
    x = -104.0f > x ? -104.0f : x;
    x = 89.0f < x ? 89.0f : x;
    const float n = fma32(x, 0x1.715476p+0f, round) - round;
    float r = fma32(n, -0.693359375f, x);
    r = fma32(n, 2.12194440e-4f, r);
    float p = 1.9875691500e-4f;
    p = fma32(p, r, 1.3981999507e-3f);
    p = fma32(p, r, 8.3334519073e-3f);
    p = fma32(p, r, 4.1665795894e-2f);
    p = fma32(p, r, 1.6666665459e-1f);
    p = fma32(p, r, 5.0000001201e-1f);
    p = fma32(p, r * r, r) + 1.0f;
    const float half = fma32(n, 0.5f, round) - round;
    return p * float_of(bits_of(half + bias) << 23) * float_of(bits_of((n - half) + bias) << 23);
}

void device_softmax(float *y, const float *x, int c)
{
    float top = x[0], sum = 0;
    for (int i = 1; i < c; i++) top = x[i] > top ? x[i] : top;
    for (int i = 0; i < c; i++) {
        y[i] = exponential(x[i] - top);
        sum = sum + y[i];
    }
    const float inverse = 1.0f / sum;
    for (int i = 0; i < c; i++) y[i] = y[i] * inverse;
}

float device_sigmoid(float x)
{
    const float e = exponential(x < 0 ? x : -x);
    return (x < 0 ? e : 1) / (1 + e);
}

int device_largest(const float *x, int c)
{
    int best = 0;
    for (int i = 1; i < c; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

uint64_t device_hash(const float *x, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++) h = (h ^ bits_of(x[i])) * 1099511628211u;
    return h;
}
