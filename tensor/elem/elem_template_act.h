/* elem_template_act.h - what reads or writes activations: included by elem_template.h once for each type ELEM
 * that they have in memory, float and uint16_t (bf16.h). Arithmetic is fp32 for both: a bf16 operand is the
 * float of that value, a result is rounded once, as it is stored. */

INLINE void ELEM_KERNEL(act_fwd_vector)(ELEM *y, const ELEM *x, vf slope, int n)
{
    put(y, activate(get(x, n), slope), n);
}

static void ELEM_KERNEL(act_fwd)(void *to, const void *from, size_t n, float slope)
{
    const vf s = vf_set(slope);
    ELEM *y = to;
    const ELEM *x = from;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) ELEM_KERNEL(act_fwd_vector)(y + i, x + i, s, LANES);
    if (i < n) ELEM_KERNEL(act_fwd_vector)(y + i, x + i, s, (int)(n - i));
}

INLINE void ELEM_KERNEL(act_bwd_vector)(ELEM *dx, const ELEM *dy, const ELEM *ref, vf slope, int accumulate,
                                        int n)
{
    const vf g = activation_gradient(get(dy, n), get(ref, n), slope);
    put(dx, accumulate ? vf_add(get(dx, n), g) : g, n);
}

static void ELEM_KERNEL(act_bwd)(void *to, const void *from, const void *sign, size_t n, float slope,
                                 int accumulate)
{
    ELEM *dx = to;
    const ELEM *dy = from, *ref = sign;
    const vf s = vf_set(slope);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        ELEM_KERNEL(act_bwd_vector)(dx + i, dy + i, ref + i, s, accumulate, LANES);
    if (i < n) ELEM_KERNEL(act_bwd_vector)(dx + i, dy + i, ref + i, s, accumulate, (int)(n - i));
}

INLINE void ELEM_KERNEL(add_act_vector)(ELEM *y, const ELEM *a, const ELEM *b, vf slope, int n)
{
    put(y, activate(vf_add(get(a, n), get(b, n)), slope), n);
}

static void ELEM_KERNEL(add_act)(void *to, const void *first, const void *second, size_t n, float slope)
{
    ELEM *y = to;
    const ELEM *a = first, *b = second;
    const vf s = vf_set(slope);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) ELEM_KERNEL(add_act_vector)(y + i, a + i, b + i, s, LANES);
    if (i < n) ELEM_KERNEL(add_act_vector)(y + i, a + i, b + i, s, (int)(n - i));
}

#include "tensor/elem/elem_template_norm.h"
#include "tensor/elem/elem_template_pooling.h"

static const struct act_kernels ELEM_KERNEL(act_kernels) = {
    .act_fwd = ELEM_KERNEL(act_fwd),
    .act_bwd = ELEM_KERNEL(act_bwd),
    .add_act = ELEM_KERNEL(add_act),
    .norm_sums = ELEM_KERNEL(norm_sums),
    .norm_apply = ELEM_KERNEL(norm_apply),
    .norm_bwd_sums = ELEM_KERNEL(norm_bwd_sums),
    .norm_bwd_apply = ELEM_KERNEL(norm_bwd_apply),
    .column_sums = ELEM_KERNEL(column_sums),
    .broadcast = ELEM_KERNEL(broadcast),
    .max_fwd = ELEM_KERNEL(max_fwd),
    .max_bwd = ELEM_KERNEL(max_bwd),
    .avg_fwd = ELEM_KERNEL(avg_fwd),
    .avg_bwd = ELEM_KERNEL(avg_bwd),
};
