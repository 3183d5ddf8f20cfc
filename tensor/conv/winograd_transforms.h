/* winograd_transforms.h - the transforms of one axis over the vector of a vec_*.h, made from the matrices.
 * No include guard: conv_template_winograd.h includes it for fp32, int16_avx512vnni.c for integers, inside
 * their ISA region. `form` is a constant in each instance of an inlined function, so that the loops become
 * straight lines, and the zeros and ones of the matrices no operation.
 *
 * The order of operations, which decides the bits:
 *   a row times a vector   begins at the first place that is 1; then the others, from the last one down
 *   opposite points        even +- p odd, of the even and the odd places, each of them a row like that
 *   a column               the sums and differences of opposite points come first. Then the single points
 *                          that are 1; the pairs, of y upwards, of the weights downwards; other single points
 * The book: docs/book/20_winograd.md, 22_strides.md */
#define CONSTANT(value) vf_set((float)(value))

INLINE vf times(const double c, vf v) { return c == 1 ? v : vf_mul(CONSTANT(c), v); }

/* sum + c v */
INLINE vf add_times(vf sum, const double c, vf v)
{
    if (c == 0) return sum;
    if (c == 1) return vf_add(sum, v);
    if (c == -1) return vf_sub(sum, v);
    return c > 0 ? vf_fma(CONSTANT(c), v, sum) : vf_fnma(CONSTANT(-c), v, sum);
}

/* A row, or with a step of 2 its even or odd places, as a multiple of `unit`. */
INLINE vf row_times(const double *row, const vf *v, const int n, const int first, const int step,
                    const double unit)
{
    int one = n;
    vf sum = vf_set(0);
    UNROLL for (int j = n - 1; j >= 0; j--)
        if (j % step == first && row[j] == unit) sum = v[j], one = j;
    UNROLL for (int j = n - 1; j >= 0; j--)
        if (j % step == first && j != one) sum = add_times(sum, row[j] / unit, v[j]);
    return sum;
}

/* Two opposite points. Of integers the summands are rounded, too (ROUND_SUMMANDS). */
INLINE void opposite(vf *v, vf even, vf odd, const double p, const double scale)
{
#ifdef ROUND_SUMMANDS
    const vf e = times(scale, even), o = times(p, times(scale, odd));
    v[0] = vf_add(e, o);
    v[1] = vf_sub(e, o);
#else
    v[0] = times(scale, add_times(even, p, odd));
    v[1] = times(scale, add_times(even, -p, odd));
#endif
}

/* Whether point i is one of two opposite ones. */
INLINE int paired(const struct winograd_matrices *m, const int i) { return i >= 1 && i <= 2 * m->pairs; }

/* ---- rows: v = B d, A' dy, G g ------------------------------------------------------------------------- */

INLINE void transform_x(vf *v, const vf *d, const enum winograd_axis form)
{
    const struct winograd_matrices *m = &winograd_matrices[form];
    UNROLL for (int i = 0; i < m->points; i++) {
        const double *row = m->b[i];
        if (!paired(m, i)) v[i] = row_times(row, d, m->inputs, 0, 1, 1);
        else if (i % 2) {
            const double p = m->a[1][i];
            opposite(v + i, row_times(row, d, m->inputs, 0, 2, 1), row_times(row, d, m->inputs, 1, 2, p), p,
                     1);
        }
    }
}

INLINE void transform_dy(vf *v, const vf *dy, const enum winograd_axis form)
{
    const struct winograd_matrices *m = &winograd_matrices[form];
    UNROLL for (int i = 0; i < m->points; i++) {
        double row[WINOGRAD_OUTPUTS];
        UNROLL for (int o = 0; o < m->outputs; o++) row[o] = m->a[o][i];
        if (!paired(m, i)) v[i] = row_times(row, dy, m->outputs, 0, 1, 1);
        else if (i % 2) {
            const double p = m->a[1][i];
            opposite(v + i, row_times(row, dy, m->outputs, 0, 2, 1), row_times(row, dy, m->outputs, 1, 2, p),
                     p, 1);
        }
    }
}

INLINE void transform_w(vf *u, const vf *g, const enum winograd_axis form)
{
    const struct winograd_matrices *m = &winograd_matrices[form];
    UNROLL for (int i = 0; i < m->points; i++) {
        const double *row = m->g[i], scale = row[0] != 0 ? row[0] : 1;
        if (!paired(m, i)) u[i] = times(scale, row_times(row, g, WINOGRAD_TAPS, 0, 1, scale));
        else if (i % 2)
            opposite(u + i, row_times(row, g, WINOGRAD_TAPS, 0, 2, scale),
                     row_times(row, g, WINOGRAD_TAPS, 1, 2, row[1]), row[1] / scale, scale);
    }
}

/* ---- columns: y = A m, dg = G' u ----------------------------------------------------------------------- */

/* The sums and differences of opposite points in place of these. */
INLINE void fold(vf *to, const vf *v, const struct winograd_matrices *m, const double scale)
{
    UNROLL for (int i = 0; i < m->points; i++) {
        if (!paired(m, i)) to[i] = v[i];
        else to[i] = times(scale, i % 2 ? vf_add(v[i], v[i + 1]) : vf_sub(v[i - 1], v[i]));
    }
}

/* The sum over all points of column[i] * v[i], which are folded. */
INLINE vf column_times(const double *column, const vf *v, const struct winograd_matrices *m, const int down)
{
    int begun = 0;
    vf sum = vf_set(0);
#define ADD(i, c)                                                                 \
    do {                                                                          \
        if ((c) != 0) sum = begun ? add_times(sum, c, v[i]) : times(c, v[i]), begun = 1; \
    } while (0)
    UNROLL for (int i = 0; i < m->points; i++) if (!paired(m, i) && column[i] == 1) ADD(i, 1);
    UNROLL for (int j = 0; j < m->pairs; j++) {
        const int i = 1 + 2 * (down ? m->pairs - 1 - j : j);
        ADD(column[i] == column[i + 1] ? i : i + 1, column[i]);
    }
    UNROLL for (int i = 0; i < m->points; i++) if (!paired(m, i) && column[i] != 1) ADD(i, column[i]);
#undef ADD
    return sum;
}

INLINE void transform_y(vf *y, const vf *v, const enum winograd_axis form)
{
    const struct winograd_matrices *m = &winograd_matrices[form];
    vf folded[WINOGRAD_SIDE];
    fold(folded, v, m, 1);
    UNROLL for (int o = 0; o < m->outputs; o++) y[o] = column_times(m->a[o], folded, m, 0);
}

INLINE void transform_dw(vf *g, const vf *u, const enum winograd_axis form)
{
    const struct winograd_matrices *m = &winograd_matrices[form];
    const double half = form == WINOGRAD_2 ? 0.5 : 1; /* what all rows of opposite points share, exactly */
    vf folded[WINOGRAD_SIDE];
    fold(folded, u, m, half);
    UNROLL for (int t = 0; t < WINOGRAD_TAPS; t++) {
        double column[WINOGRAD_SIDE];
        UNROLL for (int i = 0; i < m->points; i++) column[i] = m->g[i][t] / (paired(m, i) ? half : 1);
        g[t] = column_times(column, folded, m, 1);
    }
}
