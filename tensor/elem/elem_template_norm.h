/* elem_template_norm.h - norm kernels; part of elem_template_act.h.
 *
 * Sums go through blocks of ELEM_BLOCK rows that fit in the first-level cache, so that a block can be read
 * twice for the price of once. While one block is read, the same place in the next is fetched: the rows are
 * too far apart for the processor to guess.
 * The book: docs/book/03_norm.md */

INLINE vf ELEM_KERNEL(block_sum)(const ELEM *x, int rows, size_t stride, int n)
{
    struct four s = four_zero();
    int i = 0;
    for (; i + 4 <= rows; i += 4, x += 4 * stride) {
        for (int j = 0; j < 4; j++) __builtin_prefetch(x + (ELEM_BLOCK + (size_t)j) * stride);
        s.a = vf_add(s.a, get(x, n));
        s.b = vf_add(s.b, get(x + stride, n));
        s.c = vf_add(s.c, get(x + 2 * stride, n));
        s.d = vf_add(s.d, get(x + 3 * stride, n));
    }
    if (i < rows) s.a = vf_add(s.a, get(x, n));
    if (i + 1 < rows) s.b = vf_add(s.b, get(x + stride, n));
    if (i + 2 < rows) s.c = vf_add(s.c, get(x + 2 * stride, n));
    return four_sum(s);
}

/* With m the block's mean in fp32, sum x = rows m + sum (x - m) and sum x^2 = sum (x - m)^2 + 2 m sum (x - m)
 * + rows m^2 hold for any m; the large terms are made in double, and the small ones are small because m is
 * near the mean. */
INLINE void ELEM_KERNEL(norm_sums_block)(double *restrict sum, double *restrict square, const ELEM *x,
                                         int rows, size_t stride, int n)
{
    const vf pivot = vf_mul(ELEM_KERNEL(block_sum)(x, rows, stride, n), vf_set(1.0f / (float)rows));
    struct four s = four_zero(), q = four_zero();
    int i = 0;
    for (; i + 4 <= rows; i += 4, x += 4 * stride) {
        centred(&s.a, &q.a, get(x, n), pivot);
        centred(&s.b, &q.b, get(x + stride, n), pivot);
        centred(&s.c, &q.c, get(x + 2 * stride, n), pivot);
        centred(&s.d, &q.d, get(x + 3 * stride, n), pivot);
    }
    if (i < rows) centred(&s.a, &q.a, get(x, n), pivot);
    if (i + 1 < rows) centred(&s.b, &q.b, get(x + stride, n), pivot);
    if (i + 2 < rows) centred(&s.c, &q.c, get(x + 2 * stride, n), pivot);
    float m[LANES], s1[LANES], s2[LANES];
    vf_store(m, pivot);
    vf_store(s1, four_sum(s));
    vf_store(s2, four_sum(q));
    const double count = rows;
    for (int j = 0; j < n; j++) {
        const double mean = (double)m[j], rest = (double)s1[j];
        sum[j] += count * mean + rest;
        square[j] += (double)s2[j] + mean * (2 * rest + count * mean);
    }
}

static void ELEM_KERNEL(norm_sums)(double *sum, double *square, const void *from, struct columns s)
{
    const ELEM *x = from;
    for (size_t r = 0; r < s.rows; r += ELEM_BLOCK, x += ELEM_BLOCK * s.stride) {
        const int rows = s.rows - r < ELEM_BLOCK ? (int)(s.rows - r) : ELEM_BLOCK;
        int c = 0;
        for (; c + LANES <= s.width; c += LANES)
            ELEM_KERNEL(norm_sums_block)(sum + c, square + c, x + c, rows, s.stride, LANES);
        if (c < s.width)
            ELEM_KERNEL(norm_sums_block)(sum + c, square + c, x + c, rows, s.stride, s.width - c);
    }
}

INLINE void ELEM_KERNEL(column_sums_block)(double *sum, const ELEM *x, int rows, size_t stride, int n)
{
    float lane[LANES];
    vf_store(lane, ELEM_KERNEL(block_sum)(x, rows, stride, n));
    for (int j = 0; j < n; j++) sum[j] += (double)lane[j];
}

static void ELEM_KERNEL(column_sums)(double *sum, const void *from, struct columns s)
{
    const ELEM *x = from;
    for (size_t r = 0; r < s.rows; r += ELEM_BLOCK, x += ELEM_BLOCK * s.stride) {
        const int rows = s.rows - r < ELEM_BLOCK ? (int)(s.rows - r) : ELEM_BLOCK;
        int c = 0;
        for (; c + LANES <= s.width; c += LANES)
            ELEM_KERNEL(column_sums_block)(sum + c, x + c, rows, s.stride, LANES);
        if (c < s.width) ELEM_KERNEL(column_sums_block)(sum + c, x + c, rows, s.stride, s.width - c);
    }
}

INLINE void ELEM_KERNEL(norm_apply_vector)(ELEM *y, const ELEM *x, const float *coef, size_t stride, vf slope,
                                           int n)
{
    const vf centre = vf_sub(get(x, n), get(coef + COEF_MEAN * stride, n));
    const vf z = vf_fma(centre, get(coef + COEF_SCALE * stride, n), get(coef + COEF_SHIFT * stride, n));
    put(y, activate(z, slope), n);
}

static void ELEM_KERNEL(norm_apply)(void *to, const void *from, const float *coef, struct columns s,
                                    float slope)
{
    ELEM *y = to;
    const ELEM *x = from;
    const vf v = vf_set(slope);
    for (size_t r = 0; r < s.rows; r++, x += s.stride, y += s.stride) {
        int c = 0;
        for (; c + LANES <= s.width; c += LANES)
            ELEM_KERNEL(norm_apply_vector)(y + c, x + c, coef + c, s.stride, v, LANES);
        if (c < s.width) ELEM_KERNEL(norm_apply_vector)(y + c, x + c, coef + c, s.stride, v, s.width - c);
    }
}

INLINE void ELEM_KERNEL(bwd_sums_row)(vf *sum, vf *product, const ELEM *dy, const ELEM *x,
                                      const struct bwd_coef *k, int n)
{
    const vf centre = vf_sub(get(x, n), k->mean);
    const vf g = activation_gradient(get(dy, n), vf_fma(centre, k->scale, k->shift), k->slope);
    *sum = vf_add(*sum, g);
    *product = vf_fma(g, vf_fma(centre, k->factor, k->offset), *product);
}

INLINE void ELEM_KERNEL(norm_bwd_sums_block)(double *restrict sum, double *restrict product, const ELEM *dy,
                                             const ELEM *x, const struct bwd_coef *k, int rows, size_t stride,
                                             int n)
{
    struct four s = four_zero(), p = four_zero();
    int i = 0;
    for (; i + 4 <= rows; i += 4, x += 4 * stride, dy += 4 * stride) {
        for (int j = 0; j < 4; j++) {
            __builtin_prefetch(x + (ELEM_BLOCK + (size_t)j) * stride);
            __builtin_prefetch(dy + (ELEM_BLOCK + (size_t)j) * stride);
        }
        ELEM_KERNEL(bwd_sums_row)(&s.a, &p.a, dy, x, k, n);
        ELEM_KERNEL(bwd_sums_row)(&s.b, &p.b, dy + stride, x + stride, k, n);
        ELEM_KERNEL(bwd_sums_row)(&s.c, &p.c, dy + 2 * stride, x + 2 * stride, k, n);
        ELEM_KERNEL(bwd_sums_row)(&s.d, &p.d, dy + 3 * stride, x + 3 * stride, k, n);
    }
    if (i < rows) ELEM_KERNEL(bwd_sums_row)(&s.a, &p.a, dy, x, k, n);
    if (i + 1 < rows) ELEM_KERNEL(bwd_sums_row)(&s.b, &p.b, dy + stride, x + stride, k, n);
    if (i + 2 < rows) ELEM_KERNEL(bwd_sums_row)(&s.c, &p.c, dy + 2 * stride, x + 2 * stride, k, n);
    float s1[LANES], s2[LANES];
    vf_store(s1, four_sum(s));
    vf_store(s2, four_sum(p));
    for (int j = 0; j < n; j++) {
        sum[j] += (double)s1[j];
        product[j] += (double)s2[j];
    }
}

static void ELEM_KERNEL(norm_bwd_sums)(double *sum, double *product, const void *gradient, const void *from,
                                       const float *coef, struct columns s, float slope)
{
    const ELEM *dy = gradient, *x = from;
    const vf v = vf_set(slope);
    for (size_t r = 0; r < s.rows; r += ELEM_BLOCK, x += ELEM_BLOCK * s.stride, dy += ELEM_BLOCK * s.stride) {
        const int rows = s.rows - r < ELEM_BLOCK ? (int)(s.rows - r) : ELEM_BLOCK;
        int c = 0;
        for (; c + LANES <= s.width; c += LANES) {
            const struct bwd_coef k = bwd_coef(coef + c, s.stride, COEF_RSTD, v, LANES);
            ELEM_KERNEL(norm_bwd_sums_block)(sum + c, product + c, dy + c, x + c, &k, rows, s.stride, LANES);
        }
        if (c < s.width) {
            const struct bwd_coef k = bwd_coef(coef + c, s.stride, COEF_RSTD, v, s.width - c);
            ELEM_KERNEL(norm_bwd_sums_block)
            (sum + c, product + c, dy + c, x + c, &k, rows, s.stride, s.width - c);
        }
    }
}

INLINE void ELEM_KERNEL(norm_bwd_apply_vector)(ELEM *dx, const ELEM *dy, const ELEM *x, const float *coef,
                                               size_t stride, vf slope, int accumulate, int n)
{
    const struct bwd_coef k = bwd_coef(coef, stride, COEF_DX, slope, n);
    const vf centre = vf_sub(get(x, n), k.mean);
    const vf g = activation_gradient(get(dy, n), vf_fma(centre, k.scale, k.shift), slope);
    const vf d = vf_fma(k.scale, g, vf_fma(centre, k.factor, k.offset));
    put(dx, accumulate ? vf_add(get(dx, n), d) : d, n);
}

static void ELEM_KERNEL(norm_bwd_apply)(void *to, const void *gradient, const void *from, const float *coef,
                                        struct columns s, float slope, int accumulate)
{
    ELEM *dx = to;
    const ELEM *dy = gradient, *x = from;
    const vf v = vf_set(slope);
    for (size_t r = 0; r < s.rows; r++, x += s.stride, dy += s.stride, dx += s.stride) {
        int c = 0;
        for (; c + LANES <= s.width; c += LANES)
            ELEM_KERNEL(norm_bwd_apply_vector)
            (dx + c, dy + c, x + c, coef + c, s.stride, v, accumulate, LANES);
        if (c < s.width)
            ELEM_KERNEL(norm_bwd_apply_vector)
            (dx + c, dy + c, x + c, coef + c, s.stride, v, accumulate, s.width - c);
    }
}

INLINE void ELEM_KERNEL(broadcast_vector)(ELEM *y, const float *row, int accumulate, int n)
{
    put(y, accumulate ? vf_add(get(y, n), get(row, n)) : get(row, n), n);
}

static void ELEM_KERNEL(broadcast)(void *to, const float *row, struct columns s, int accumulate)
{
    ELEM *y = to;
    for (size_t r = 0; r < s.rows; r++, y += s.stride) {
        int c = 0;
        for (; c + LANES <= s.width; c += LANES)
            ELEM_KERNEL(broadcast_vector)(y + c, row + c, accumulate, LANES);
        if (c < s.width) ELEM_KERNEL(broadcast_vector)(y + c, row + c, accumulate, s.width - c);
    }
}
