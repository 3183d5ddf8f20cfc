/* elem_template.h - the kernels of elem_kernels.h over the vector of a vec_*.h. No include guard: each
 * elem_<isa>.c includes it once, inside its ISA region, with ELEM_TABLE the name of the table.
 *
 * Lanes are independent outputs, so that the number of lanes changes nothing. Each loop does whole vectors
 * and then the rest with the _n forms, which touch no memory beyond the end; a `step` is inlined into both
 * with n constant in the first.
 * The book: docs/book/09_optimizers.md */
#define INLINE static inline __attribute__((always_inline))

INLINE vf get_f32(const float *p, int n)
{
    return n == LANES ? vf_load(p) : vf_load_n(p, n);
}

INLINE vf get_bf16(const uint16_t *p, int n)
{
    return n == LANES ? vf_load_bf16(p) : vf_load_bf16_n(p, n);
}

INLINE void put_f32(float *p, vf v, int n)
{
    if (n == LANES)
        vf_store(p, v);
    else
        vf_store_n(p, v, n);
}

INLINE void put_bf16(uint16_t *p, vf v, int n)
{
    if (n == LANES)
        vf_store_bf16(p, v);
    else
        vf_store_bf16_n(p, v, n);
}

/* n values in memory as a vector, by the type of the pointer. */
#define get(p, n) _Generic((p), uint16_t *: get_bf16, const uint16_t *: get_bf16, default: get_f32)(p, n)
#define put(p, v, n) _Generic((p), uint16_t *: put_bf16, default: put_f32)(p, v, n)

INLINE vf activate(vf z, vf slope)
{
    return vf_select(vm_gt(z, vf_set(0)), z, vf_mul(slope, z));
}

INLINE vf activation_gradient(vf dy, vf z, vf slope)
{
    return vf_select(vm_gt(z, vf_set(0)), dy, vf_mul(slope, dy));
}

/* ---- elementwise, fp32 --------------------------------------------------------------------------------- */

INLINE void axpy_step(float *y, vf a, const float *x, int n)
{
    put(y, vf_fma(a, get(x, n), get(y, n)), n);
}

static void axpy(float *y, float a, const float *x, size_t n)
{
    const vf factor = vf_set(a);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) axpy_step(y + i, factor, x + i, LANES);
    if (i < n) axpy_step(y + i, factor, x + i, (int)(n - i));
}

static void scale(float *x, float a, size_t n)
{
    const vf factor = vf_set(a);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) vf_store(x + i, vf_mul(vf_load(x + i), factor));
    if (i < n) vf_store_n(x + i, vf_mul(vf_load_n(x + i, (int)(n - i)), factor), (int)(n - i));
}

/* ---- long reductions without channels: sixteen chains, index mod 16 ------------------------------------ */

/* lane[i mod 16] = fma(a, b, lane[i mod 16]) over n pairs. */
INLINE void chains16(float lane[16], const float *a, const float *b, int n)
{
    vf sum[16 / LANES];
    for (int j = 0; j < 16 / LANES; j++) sum[j] = vf_set(0);
    int i = 0;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16 / LANES; j++)
            sum[j] = vf_fma(vf_load(a + i + j * LANES), vf_load(b + i + j * LANES), sum[j]);
    for (int j = 0; j < 16 / LANES; j++) vf_store(lane + j * LANES, sum[j]);
    for (int j = 0; i < n; i++, j++) lane[j] = fmaf(a[i], b[i], lane[j]);
}

/* Chains of at most 64 squares in fp32; above that, double. */
static double sum_squares(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i += 1024) {
        float lane[16];
        chains16(lane, x + i, x + i, n - i < 1024 ? (int)(n - i) : 1024);
        for (int j = 0; j < 16; j++) sum += (double)lane[j];
    }
    return sum;
}

static float dot(const float *a, const float *b, int n)
{
    float lane[16], sum = 0;
    chains16(lane, a, b, n);
    for (int j = 0; j < 16; j++) sum += lane[j];
    return sum;
}

INLINE void combine_step(float *y, const float *coef, size_t coef_stride, const float *x, size_t x_stride,
                         int rows, int accumulate, int n)
{
    vf sum = accumulate ? get(y, n) : vf_set(0);
    for (int i = 0; i < rows; i++)
        sum = vf_fma(vf_set(coef[(size_t)i * coef_stride]), get(x + (size_t)i * x_stride, n), sum);
    put(y, sum, n);
}

static void combine(float *y, const float *coef, size_t coef_stride, const float *x, size_t x_stride,
                    int rows, int width, int accumulate)
{
    int j = 0;
    for (; j + LANES <= width; j += LANES)
        combine_step(y + j, coef, coef_stride, x + j, x_stride, rows, accumulate, LANES);
    if (j < width) combine_step(y + j, coef, coef_stride, x + j, x_stride, rows, accumulate, width - j);
}

/* ---- optimisers ---------------------------------------------------------------------------------------- */

INLINE void sgd_step(float *w, float *m, float *g, const struct elem_sgd *o, int n)
{
    const vf momentum = vf_set(o->momentum), weight = get(w, n);
    const vf gradient = vf_fma(vf_set(o->decay), weight, vf_mul(vf_set(o->clip), get(g, n)));
    const vf velocity = vf_fma(momentum, get(m, n), gradient);
    const vf step = o->nesterov ? vf_fma(momentum, velocity, gradient) : velocity;
    put(m, velocity, n);
    put(w, vf_fnma(vf_set(o->lr), step, weight), n);
    put(g, vf_set(0), n);
}

static void sgd(float *w, float *m, float *g, size_t n, const struct elem_sgd *o)
{
    const struct elem_sgd local = *o; /* the stores below cannot alias it */
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) sgd_step(w + i, m + i, g + i, &local, LANES);
    if (i < n) sgd_step(w + i, m + i, g + i, &local, (int)(n - i));
}

INLINE void adam_step(float *w, float *m, float *v, float *g, const struct adam_factors *o, int n)
{
    const vf before = get(w, n), mean = get(m, n), clipped = vf_mul(vf_set(o->clip), get(g, n));
    const vf gradient = o->coupled != 0 ? vf_fma(vf_set(o->coupled), before, clipped) : clipped;
    const vf weight = vf_mul(vf_set(o->keep), before);
    const vf first = vf_fma(vf_set(o->beta1_rest), vf_sub(gradient, mean), mean);
    const vf second =
        vf_fma(vf_mul(vf_set(o->beta2_rest), gradient), gradient, vf_mul(vf_set(o->beta2), get(v, n)));
    const vf root = vf_fma(vf_sqrt(second), vf_set(o->inverse_root), vf_set(o->eps));
    put(m, first, n);
    put(v, second, n);
    put(w, vf_fnma(vf_set(o->step), vf_div(first, root), weight), n);
    put(g, vf_set(0), n);
}

static void adam(float *w, float *m, float *v, float *g, size_t n, const struct adam_factors *o)
{
    const struct adam_factors local = *o;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) adam_step(w + i, m + i, v + i, g + i, &local, LANES);
    if (i < n) adam_step(w + i, m + i, v + i, g + i, &local, (int)(n - i));
}

/* ---- helpers of what follows --------------------------------------------------------------------------- */

/* The four chains of a column sum, row mod 4, at row `i` of `rows`. */
struct four {
    vf a, b, c, d;
};

INLINE struct four four_zero(void)
{
    return (struct four){vf_set(0), vf_set(0), vf_set(0), vf_set(0)};
}

INLINE vf four_sum(struct four s)
{
    return vf_add(vf_add(s.a, s.b), vf_add(s.c, s.d));
}

INLINE void centred(vf *sum, vf *square, vf x, vf pivot)
{
    const vf d = vf_sub(x, pivot);
    *sum = vf_add(*sum, d);
    *square = vf_fma(d, d, *square);
}

/* What both backward passes need of the coefficients of some channels. */
struct bwd_coef {
    vf mean, scale, shift, factor, offset, slope;
};

/* factor and offset are rows `f` and `f + 1`: RSTD, XSHIFT or DX, DSHIFT. */
INLINE struct bwd_coef bwd_coef(const float *coef, size_t stride, int f, vf slope, int n)
{
    return (struct bwd_coef){get(coef + COEF_MEAN * stride, n),  get(coef + COEF_SCALE * stride, n),
                             get(coef + COEF_SHIFT * stride, n), get(coef + (size_t)f * stride, n),
                             get(coef + (size_t)(f + 1) * stride, n), slope};
}

/* First and one-past-last input position of the window of output o, inside the input. */
INLINE void window(int *begin, int *end, const struct pooling_shape *s, int axis, int o)
{
    const int start = o * s->stride[axis] - s->pad[axis], stop = start + s->kernel[axis];
    *begin = start > 0 ? start : 0;
    *end = stop < s->in[axis] ? stop : s->in[axis];
}

/* First and one-past-last output whose window covers input i. */
INLINE void windows_over(int *begin, int *end, const struct pooling_shape *s, int axis, int i)
{
    const int first = i + s->pad[axis] - s->kernel[axis] + 1, last = (i + s->pad[axis]) / s->stride[axis];
    *begin = first > 0 ? (first + s->stride[axis] - 1) / s->stride[axis] : 0;
    *end = last < s->out[axis] ? last + 1 : s->out[axis];
}

INLINE int window_size(const struct pooling_shape *s, int axis, int o)
{
    int begin, end;
    window(&begin, &end, s, axis, o);
    return end - begin;
}

/* A box of positions [begin, end) on a grid, and where the grid's values for one case start. */
struct box {
    int begin[3], end[3];
    int h, w;
};

INLINE size_t box_voxel(const struct box *b, int z, int y, int x)
{
    return ((size_t)z * (size_t)b->h + (size_t)y) * (size_t)b->w + (size_t)x;
}

#define ELEM float
#define ELEM_KERNEL(name) name##_f32
#include "tensor/elem/elem_template_act.h"
#undef ELEM
#undef ELEM_KERNEL
#define ELEM uint16_t
#define ELEM_KERNEL(name) name##_bf16
#include "tensor/elem/elem_template_act.h"
#undef ELEM
#undef ELEM_KERNEL

#include "tensor/elem/elem_template_loss.h"

const struct elem_kernels ELEM_TABLE = {
    .act = {&act_kernels_f32, &act_kernels_bf16},
    .axpy = axpy,
    .scale = scale,
    .sum_squares = sum_squares,
    .sgd = sgd,
    .adam = adam,
    .dot = dot,
    .combine = combine,
    .softmax = softmax,
    .loss_sums = loss_sums,
    .loss_bwd = loss_bwd,
    .region_sums = region_sums,
    .region_bwd = region_bwd,
};

#undef get
#undef put
#undef INLINE
