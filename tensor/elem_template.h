/* elem_template.h - the kernels of elem_kernels.h over the vector of a vec_*.h. No include guard: each elem_<isa>.c includes it
 * once, inside its ISA region, with ELEM_TABLE the name of the table.
 *
 * Lanes are independent outputs, so that the number of lanes changes nothing. Each loop does whole vectors and then the
 * rest with the _n forms, which touch no memory beyond the end; a `step` is inlined into both with n constant in the first.
 */
#define INLINE static inline __attribute__((always_inline))

INLINE vf get(const float *p, int n)
{
    return n == LANES ? vf_load(p) : vf_load_n(p, n);
}

INLINE void put(float *p, vf v, int n)
{
    if (n == LANES)
        vf_store(p, v);
    else
        vf_store_n(p, v, n);
}

INLINE vf activate(vf z, vf slope)
{
    return vf_select(vm_gt(z, vf_set(0)), z, vf_mul(slope, z));
}

INLINE vf activation_gradient(vf dy, vf z, vf slope)
{
    return vf_select(vm_gt(z, vf_set(0)), dy, vf_mul(slope, dy));
}

/* ---- elementwise ---------------------------------------------------------------------------------------------------- */

static void act_fwd(float *y, const float *x, size_t n, float slope)
{
    const vf s = vf_set(slope);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) vf_store(y + i, activate(vf_load(x + i), s));
    if (i < n) vf_store_n(y + i, activate(vf_load_n(x + i, (int)(n - i)), s), (int)(n - i));
}

INLINE void act_bwd_step(float *dx, const float *dy, const float *ref, vf slope, int accumulate, int n)
{
    const vf g = activation_gradient(get(dy, n), get(ref, n), slope);
    put(dx, accumulate ? vf_add(get(dx, n), g) : g, n);
}

static void act_bwd(float *dx, const float *dy, const float *ref, size_t n, float slope, int accumulate)
{
    const vf s = vf_set(slope);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) act_bwd_step(dx + i, dy + i, ref + i, s, accumulate, LANES);
    if (i < n) act_bwd_step(dx + i, dy + i, ref + i, s, accumulate, (int)(n - i));
}

INLINE void add_act_step(float *y, const float *a, const float *b, vf slope, int n)
{
    put(y, activate(vf_add(get(a, n), get(b, n)), slope), n);
}

static void add_act(float *y, const float *a, const float *b, size_t n, float slope)
{
    const vf s = vf_set(slope);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) add_act_step(y + i, a + i, b + i, s, LANES);
    if (i < n) add_act_step(y + i, a + i, b + i, s, (int)(n - i));
}

static void add(float *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) vf_store(y + i, vf_add(vf_load(y + i), vf_load(x + i)));
    if (i < n) put(y + i, vf_add(get(y + i, (int)(n - i)), get(x + i, (int)(n - i))), (int)(n - i));
}

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

static void fill(float *x, float value, size_t n)
{
    const vf v = vf_set(value);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) vf_store(x + i, v);
    if (i < n) vf_store_n(x + i, v, (int)(n - i));
}

/* ---- long reductions without channels: sixteen chains, index mod 16 -------------------------------------------------- */

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

INLINE void combine_step(float *y, const float *coef, size_t coef_stride, const float *x, size_t x_stride, int rows,
                         int accumulate, int n)
{
    vf sum = accumulate ? get(y, n) : vf_set(0);
    for (int i = 0; i < rows; i++)
        sum = vf_fma(vf_set(coef[(size_t)i * coef_stride]), get(x + (size_t)i * x_stride, n), sum);
    put(y, sum, n);
}

static void combine(float *y, const float *coef, size_t coef_stride, const float *x, size_t x_stride, int rows,
                    int width, int accumulate)
{
    int j = 0;
    for (; j + LANES <= width; j += LANES)
        combine_step(y + j, coef, coef_stride, x + j, x_stride, rows, accumulate, LANES);
    if (j < width) combine_step(y + j, coef, coef_stride, x + j, x_stride, rows, accumulate, width - j);
}

/* ---- optimisers --------------------------------------------------------------------------------------------------------- */

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

INLINE void adamw_step(float *w, float *m, float *v, float *g, const struct adamw_factors *o, int n)
{
    const vf gradient = vf_mul(vf_set(o->clip), get(g, n)), mean = get(m, n);
    const vf weight = vf_mul(vf_set(o->keep), get(w, n));
    const vf first = vf_fma(vf_set(o->beta1_rest), vf_sub(gradient, mean), mean);
    const vf second = vf_fma(vf_mul(vf_set(o->beta2_rest), gradient), gradient, vf_mul(vf_set(o->beta2), get(v, n)));
    const vf root = vf_fma(vf_sqrt(second), vf_set(o->inverse_root), vf_set(o->eps));
    put(m, first, n);
    put(v, second, n);
    put(w, vf_fnma(vf_set(o->step), vf_div(first, root), weight), n);
    put(g, vf_set(0), n);
}

static void adamw(float *w, float *m, float *v, float *g, size_t n, const struct adamw_factors *o)
{
    const struct adamw_factors local = *o;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) adamw_step(w + i, m + i, v + i, g + i, &local, LANES);
    if (i < n) adamw_step(w + i, m + i, v + i, g + i, &local, (int)(n - i));
}

#include "tensor/elem_template_norm.h"
#include "tensor/elem_template_pool.h"
#include "tensor/elem_template_loss.h"

const struct elem_kernels ELEM_TABLE = {
    .act_fwd = act_fwd,
    .act_bwd = act_bwd,
    .add_act = add_act,
    .add = add,
    .axpy = axpy,
    .scale = scale,
    .fill = fill,
    .sum_squares = sum_squares,
    .sgd = sgd,
    .adamw = adamw,
    .dot = dot,
    .combine = combine,
    .norm_sums = norm_sums,
    .norm_apply = norm_apply,
    .norm_bwd_sums = norm_bwd_sums,
    .norm_bwd_apply = norm_bwd_apply,
    .column_sums = column_sums,
    .broadcast = broadcast,
    .max_fwd = max_fwd,
    .max_bwd = max_bwd,
    .avg_fwd = avg_fwd,
    .avg_bwd = avg_bwd,
    .softmax = softmax,
    .loss_sums = loss_sums,
    .loss_bwd = loss_bwd,
    .region_sums = region_sums,
    .region_bwd = region_bwd,
};

#undef INLINE
