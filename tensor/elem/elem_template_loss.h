/* elem_template_loss.h - softmax and the segmentation loss; part of elem_template.h.
 *
 * Classes are few and lie side by side in memory, so lanes are voxels here: a tile of voxels is transposed to
 * [class][voxel], worked on, and transposed back. A tile's width is a multiple of 16; voxels beyond the end
 * are zeros without a label.
 * The book: docs/book/04_loss.md, 23_bits.md */

/* vmath_exp, lane by lane: the same operations in the same order. */
INLINE vf vector_exp(vf x)
{
    const vf round = vf_set(0x1.8p23f);
    x = vf_max(vf_set(-104.0f), x);
    x = vf_min(vf_set(89.0f), x);
    const vf n = vf_sub(vf_fma(x, vf_set(0x1.715476p+0f), round), round);
    vf r = vf_fma(n, vf_set(-0.693359375f), x);
    r = vf_fma(n, vf_set(2.12194440e-4f), r);
    vf p = vf_set(1.9875691500e-4f);
    p = vf_fma(p, r, vf_set(1.3981999507e-3f));
    p = vf_fma(p, r, vf_set(8.3334519073e-3f));
    p = vf_fma(p, r, vf_set(4.1665795894e-2f));
    p = vf_fma(p, r, vf_set(1.6666665459e-1f));
    p = vf_fma(p, r, vf_set(5.0000001201e-1f));
    p = vf_add(vf_fma(p, vf_mul(r, r), r), vf_set(1.0f));
    const vf half = vf_sub(vf_fma(n, vf_set(0.5f), round), round), bias = vf_set(0x1.0000fep23f);
    const vf low = vf_of(vi_shl23(vi_of(vf_add(half, bias))));
    const vf high = vf_of(vi_shl23(vi_of(vf_add(vf_sub(n, half), bias))));
    return vf_mul(vf_mul(p, low), high);
}

/* vmath_log for normal positive x and NaN: a softmax's denominator is between 1 and c, or NaN where a logit
 * was. */
INLINE vf vector_log(vf x)
{
    const vi shifted = vi_add(vi_of(x), vi_set(0x3f800000 - 0x3f3504f3));
    const vf e = vf_add(vf_set(-127.0f), vf_from_vi(vi_shr23(shifted)));
    const vi mantissa = vi_add(vi_and(shifted, vi_set(0x007fffff)), vi_set(0x3f3504f3));
    const vf f = vf_sub(vf_of(mantissa), vf_set(1.0f));
    const vf s = vf_div(f, vf_add(vf_set(2.0f), f));
    const vf z = vf_mul(s, s), w = vf_mul(z, z);
    const vf odd = vf_mul(w, vf_fma(w, vf_set(0xf89e26.0p-26f), vf_set(0xccce13.0p-25f)));
    const vf even = vf_mul(z, vf_fma(w, vf_set(0x91e9ee.0p-25f), vf_set(0xaaaaaa.0p-24f)));
    const vf half_square = vf_mul(vf_mul(vf_set(0.5f), f), f);
    const vf low = vf_fma(s, vf_add(half_square, vf_add(even, odd)), vf_mul(e, vf_set(9.0580006145e-6f)));
    const vf log = vf_fma(e, vf_set(6.9313812256e-1f), vf_sub(f, vf_sub(half_square, low)));
    return vf_select(vm_ne(x, x), x, log);
}

INLINE void transpose_in_c(float *tile, const float *x, int voxels, int c, int width)
{
    for (int k = 0; k < c; k++)
        for (int i = 0; i < voxels; i++) tile[k * width + i] = x[i * c + k];
}

/* With c constant in the common cases, the compiler makes the strided loops straight. */
static void transpose_in(float *tile, const float *x, int voxels, int c, int width)
{
    switch (c) {
    case 2: transpose_in_c(tile, x, voxels, 2, width); break;
    case 3: transpose_in_c(tile, x, voxels, 3, width); break;
    case 4: transpose_in_c(tile, x, voxels, 4, width); break;
    default: transpose_in_c(tile, x, voxels, c, width); break;
    }
    for (int k = 0; k < c; k++)
        for (int i = voxels; i < (voxels + 15) / 16 * 16; i++) tile[k * width + i] = 0;
}

static void transpose_out(float *y, const float *tile, int voxels, int c, int width, int accumulate)
{
    for (int k = 0; k < c; k++)
        for (int i = 0; i < voxels; i++)
            y[i * c + k] = accumulate ? y[i * c + k] + tile[k * width + i] : tile[k * width + i];
}

struct softmax_terms {
    vf max, sum, inverse;
};

/* Replaces the logits of LANES voxels by exp(logit - max). */
INLINE struct softmax_terms exponentials(float *tile, int c, int width)
{
    struct softmax_terms t = {.max = vf_load(tile), .sum = vf_set(0)};
    for (int k = 1; k < c; k++) t.max = vf_max(vf_load(tile + k * width), t.max);
    for (int k = 0; k < c; k++) {
        const vf e = vector_exp(vf_sub(vf_load(tile + k * width), t.max));
        vf_store(tile + k * width, e);
        t.sum = vf_add(t.sum, e);
    }
    t.inverse = vf_div(vf_set(1.0f), t.sum);
    return t;
}

static void softmax(float *y, const float *x, size_t rows, int c)
{
    float tile[LOSS_TILE_FLOATS];
    const int width = loss_tile(c);
    for (size_t r = 0; r < rows; r += (size_t)width) {
        const int voxels = rows - r < (size_t)width ? (int)(rows - r) : width;
        transpose_in(tile, x + r * (size_t)c, voxels, c, width);
        for (int i = 0; i < voxels; i += LANES) {
            const vf inverse = exponentials(tile + i, c, width).inverse;
            for (int k = 0; k < c; k++) {
                float *p = tile + k * width + i;
                vf_store(p, vf_mul(vf_load(p), inverse));
            }
        }
        transpose_out(y + r * (size_t)c, tile, voxels, c, width, 0);
    }
}

/* Labels as floats; -1 where the voxel counts nowhere. Fills up to a multiple of 16. */
static void load_labels(float *label, const uint8_t *labels, int voxels, int c)
{
    for (int i = 0; i < voxels; i++) label[i] = labels[i] < c ? (float)labels[i] : -1.0f;
    for (int i = voxels; i < (voxels + 15) / 16 * 16; i++) label[i] = -1.0f;
}

/* The value of row[label] in each lane; 0 without a label. */
INLINE vf pick_constant(const float *row, vf label, int c)
{
    vf v = vf_set(0);
    for (int k = 0; k < c; k++) v = vf_select(vm_eq(label, vf_set((float)k)), vf_set(row[k]), v);
    return v;
}

INLINE vf pick_plane(const float *tile, vf label, int c, int width)
{
    vf v = vf_set(0);
    for (int k = 0; k < c; k++) v = vf_select(vm_eq(label, vf_set((float)k)), vf_load(tile + k * width), v);
    return v;
}

/* Sum of the 16 chains (voxel mod 16) in a fixed tree. */
static double sum16(const float lane[16])
{
    double s[4];
    for (int i = 0; i < 4; i++)
        s[i] = ((double)lane[i] + (double)lane[i + 4]) + ((double)lane[i + 8] + (double)lane[i + 12]);
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static double sum_plane(const float *v, int voxels)
{
    float lane[16];
    for (int j = 0; j < 16; j += LANES) {
        vf sum = vf_set(0);
        for (int i = j; i < voxels; i += 16) sum = vf_add(sum, vf_load(v + i));
        vf_store(lane + j, sum);
    }
    return sum16(lane);
}

/* tp, sum of p and sum of g of class k, from its plane of probabilities. */
static void class_sums(double *tp, double *p, double *g, const float *plane, const float *label, int k,
                       int voxels)
{
    float lane_tp[16], lane_p[16], lane_g[16];
    for (int j = 0; j < 16; j += LANES) {
        vf sum_tp = vf_set(0), sum_p = vf_set(0), sum_g = vf_set(0);
        for (int i = j; i < voxels; i += 16) {
            const vf v = vf_load(plane + i);
            const vm mine = vm_eq(vf_load(label + i), vf_set((float)k));
            sum_p = vf_add(sum_p, v);
            sum_tp = vf_add(sum_tp, vf_select(mine, v, vf_set(0)));
            sum_g = vf_add(sum_g, vf_select(mine, vf_set(1), vf_set(0)));
        }
        vf_store(lane_tp + j, sum_tp);
        vf_store(lane_p + j, sum_p);
        vf_store(lane_g + j, sum_g);
    }
    *tp += sum16(lane_tp);
    *p += sum16(lane_p);
    *g += sum16(lane_g);
}

INLINE vf whole_power(vf x, int exponent)
{
    vf y = vf_set(1);
    for (int k = 0; k < exponent; k++) y = vf_mul(y, x);
    return y;
}

/* What the gradient of -log p is multiplied by, for that of (1 - p)^gamma times it:
 * (1 - p)^(gamma - 1) ((1 - p) - gamma p log p). */
INLINE vf focal_slope(vf p, vf minus_log_p, int gamma)
{
    const vf miss = vf_sub(vf_set(1), p);
    return vf_mul(whole_power(miss, gamma - 1), vf_fma(vf_mul(vf_set((float)gamma), p), minus_log_p, miss));
}

static void loss_sums(double *sums, const float *logits, const uint8_t *labels, int voxels, int c,
                      const float *class_weight, int gamma)
{
    float tile[LOSS_TILE_FLOATS], label[LOSS_TILE_WIDTH], entropy[LOSS_TILE_WIDTH], weight[LOSS_TILE_WIDTH];
    const int width = loss_tile(c), padded = (voxels + 15) / 16 * 16;
    load_labels(label, labels, voxels, c);
    transpose_in(tile, logits, voxels, c, width);
    for (int i = 0; i < padded; i += LANES) {
        const vf l = vf_load(label + i), w = pick_constant(class_weight, l, c);
        const vm counts = vm_gt(l, vf_set(-0.5f));
        const vf logit = pick_plane(tile + i, l, c, width);
        const struct softmax_terms t = exponentials(tile + i, c, width);
        vf minus_log_p = vf_add(vector_log(t.sum), vf_sub(t.max, logit));
        if (gamma) {
            const vf p = vf_mul(pick_plane(tile + i, l, c, width), t.inverse);
            minus_log_p = vf_mul(whole_power(vf_sub(vf_set(1), p), gamma), minus_log_p);
        }
        vf_store(entropy + i, vf_select(counts, vf_mul(w, minus_log_p), vf_set(0)));
        vf_store(weight + i, w);
        for (int k = 0; k < c; k++) {
            float *p = tile + k * width + i;
            vf_store(p, vf_select(counts, vf_mul(vf_load(p), t.inverse), vf_set(0)));
        }
    }
    for (int k = 0; k < c; k++)
        class_sums(&sums[LOSS_TP * c + k], &sums[LOSS_P * c + k], &sums[LOSS_G * c + k], tile + k * width,
                   label, k, padded);
    sums[LOSS_CE(c)] += sum_plane(entropy, padded);
    sums[LOSS_COUNT(c)] += sum_plane(weight, padded);
}

/* With d_k = dL/dp_k = p_scale[k] + tp_scale[k] g_k, the softmax's gradient is p_k (d_k - sum_j p_j d_j). */
INLINE void loss_bwd_vector(float *tile, vf label, int c, int width, float ce_scale, const float *tp_scale,
                            const float *p_scale, vf weight, int gamma)
{
    const vf logit = gamma ? pick_plane(tile, label, c, width) : vf_set(0);
    const struct softmax_terms t = exponentials(tile, c, width);
    const vf inverse = t.inverse;
    vf factor = vf_mul(vf_set(ce_scale), weight);
    if (gamma) {
        const vf minus_log_p = vf_add(vector_log(t.sum), vf_sub(t.max, logit));
        factor = vf_mul(factor,
                        focal_slope(vf_mul(pick_plane(tile, label, c, width), inverse), minus_log_p, gamma));
    }
    const vm counts = vm_gt(label, vf_set(-0.5f));
    vf mean = vf_set(0);
    for (int k = 0; k < c; k++) {
        const vm mine = vm_eq(label, vf_set((float)k));
        const vf p = vf_mul(vf_load(tile + k * width), inverse), d = vf_set(p_scale[k]);
        vf_store(tile + k * width, p);
        mean = vf_fma(p, vf_select(mine, vf_add(d, vf_set(tp_scale[k])), d), mean);
    }
    for (int k = 0; k < c; k++) {
        const vm mine = vm_eq(label, vf_set((float)k));
        const vf p = vf_load(tile + k * width), d = vf_set(p_scale[k]);
        const vf slope = vf_sub(vf_select(mine, vf_add(d, vf_set(tp_scale[k])), d), mean);
        const vf entropy = vf_mul(factor, vf_sub(p, vf_select(mine, vf_set(1), vf_set(0))));
        vf_store(tile + k * width, vf_select(counts, vf_fma(p, slope, entropy), vf_set(0)));
    }
}

static void loss_bwd(float *dlogits, const float *logits, const uint8_t *labels, int voxels, int c,
                     float ce_scale, const float *tp_scale, const float *p_scale, const float *class_weight,
                     int gamma, int accumulate)
{
    float tile[LOSS_TILE_FLOATS], label[LOSS_TILE_WIDTH];
    const int width = loss_tile(c);
    load_labels(label, labels, voxels, c);
    transpose_in(tile, logits, voxels, c, width);
    for (int i = 0; i < voxels; i += LANES) {
        const vf l = vf_load(label + i);
        loss_bwd_vector(tile + i, l, c, width, ce_scale, tp_scale, p_scale, pick_constant(class_weight, l, c),
                        gamma);
    }
    transpose_out(dlogits, tile, voxels, c, width, accumulate);
}

/* ---- regions: a sigmoid for each output ---------------------------------------------------------------- */

/* 1 where the label is of the region, 0 where it is not, -1 where the voxel counts nowhere. Fills up to a
 * multiple of 16. */
static void load_region(float *g, const uint8_t *labels, int voxels, const struct label_set *region)
{
    for (int i = 0; i < voxels; i++)
        g[i] = labels[i] < LABEL_SET_MAX ? (float)label_set_has(region, labels[i]) : -1.0f;
    for (int i = voxels; i < (voxels + 15) / 16 * 16; i++) g[i] = -1.0f;
}

struct sigmoid_terms {
    vf p, sum, magnitude; /* 1 / (1 + exp(-x)), 1 + exp(-|x|), |x| */
};

INLINE struct sigmoid_terms sigmoid(vf x)
{
    struct sigmoid_terms t;
    t.magnitude = vf_max(vf_sub(vf_set(0), x), x);
    const vf e = vector_exp(vf_sub(vf_set(0), t.magnitude));
    t.sum = vf_add(vf_set(1), e);
    t.p = vf_div(vf_select(vm_gt(vf_set(0), x), e, vf_set(1)), t.sum);
    return t;
}

/* The probability of what is there: p inside of the region, 1 - p outside. */
INLINE vf region_truth(vf p, vf member)
{
    return vf_select(vm_gt(member, vf_set(0.5f)), p, vf_sub(vf_set(1), p));
}

static void region_sums(double *sums, const float *logits, const uint8_t *labels, int voxels, int c,
                        const struct label_set *region, int gamma)
{
    float tile[LOSS_TILE_FLOATS], member[LOSS_TILE_WIDTH], entropy[LOSS_TILE_WIDTH];
    const int width = loss_tile(c), padded = (voxels + 15) / 16 * 16;
    transpose_in(tile, logits, voxels, c, width);
    for (int k = 0; k < c; k++) {
        float *plane = tile + k * width;
        load_region(member, labels, voxels, &region[k]);
        for (int i = 0; i < padded; i += LANES) {
            const vf x = vf_load(plane + i), g = vf_load(member + i);
            const vm counts = vm_gt(g, vf_set(-0.5f));
            const struct sigmoid_terms t = sigmoid(x);
            /* max(x, 0) - x g + log(1 + exp(-|x|)) */
            vf minus_log = vf_add(vector_log(t.sum), vf_fnma(x, g, vf_max(vf_set(0), x)));
            if (gamma)
                minus_log = vf_mul(whole_power(vf_sub(vf_set(1), region_truth(t.p, g)), gamma), minus_log);
            vf_store(entropy + i, vf_select(counts, minus_log, vf_set(0)));
            vf_store(plane + i, vf_select(counts, t.p, vf_set(0)));
        }
        class_sums(&sums[LOSS_TP * c + k], &sums[LOSS_P * c + k], &sums[LOSS_G * c + k], plane, member, 1,
                   padded);
        sums[LOSS_CE(c)] += sum_plane(entropy, padded);
    }
    for (int i = 0; i < voxels; i++) sums[LOSS_COUNT(c)] += labels[i] < LABEL_SET_MAX;
}

/* With d = dL/dp = p_scale + tp_scale g, the gradient is p (1 - p) d + ce_scale (p - g). */
static void region_bwd(float *dlogits, const float *logits, const uint8_t *labels, int voxels, int c,
                       float ce_scale, const float *tp_scale, const float *p_scale,
                       const struct label_set *region, int gamma, int accumulate)
{
    float tile[LOSS_TILE_FLOATS], member[LOSS_TILE_WIDTH];
    const int width = loss_tile(c);
    transpose_in(tile, logits, voxels, c, width);
    for (int k = 0; k < c; k++) {
        float *plane = tile + k * width;
        load_region(member, labels, voxels, &region[k]);
        for (int i = 0; i < voxels; i += LANES) {
            const vf x = vf_load(plane + i), g = vf_load(member + i);
            const struct sigmoid_terms t = sigmoid(x);
            const vf p = t.p;
            const vf d = vf_fma(vf_set(tp_scale[k]), g, vf_set(p_scale[k]));
            const vf slope = vf_mul(vf_mul(p, vf_sub(vf_set(1), p)), d);
            vf factor = vf_set(ce_scale);
            if (gamma) {
                const vf minus_log = vf_add(vector_log(t.sum), vf_fnma(x, g, vf_max(vf_set(0), x)));
                factor = vf_mul(factor, focal_slope(region_truth(p, g), minus_log, gamma));
            }
            const vf dx = vf_fma(factor, vf_sub(p, g), slope);
            vf_store(plane + i, vf_select(vm_gt(g, vf_set(-0.5f)), dx, vf_set(0)));
        }
    }
    transpose_out(dlogits, tile, voxels, c, width, accumulate);
}
