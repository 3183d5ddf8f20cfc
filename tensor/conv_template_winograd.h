/* conv_template_winograd.h - the transforms of conv_winograd.c over the vector of a vec_*.h; included by conv_template.h.
 *
 * In one dimension, two outputs y from four inputs d and three weights g (Winograd; Lavin and Gray, CVPR 2016):
 *   v = d0 - d2, d1 + d2, d2 - d1, d1 - d3      u = g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2
 *   m = u v, point by point                     y = m0 + m1 + m2, m1 - m2 - m3
 * and in several dimensions along w, then h, then d. The weight gradient takes the same v, and the transposed matrices for the other two:
 *   m = y0, y0 + y1, y0 - y1, -y1               g = u0 + (u1 + u2) / 2, (u1 - u2) / 2, (u1 + u2) / 2 + u3
 */

INLINE void transform_x(vf *v, vf d0, vf d1, vf d2, vf d3, const int step)
{
    v[0] = vf_sub(d0, d2);
    v[step] = vf_add(d1, d2);
    v[2 * step] = vf_sub(d2, d1);
    v[3 * step] = vf_sub(d1, d3);
}

INLINE void transform_w(vf *u, vf g0, vf g1, vf g2, const int step)
{
    const vf half = vf_set(0.5f), outer = vf_add(g0, g2);
    u[0] = g0;
    u[step] = vf_mul(half, vf_add(outer, g1));
    u[2 * step] = vf_mul(half, vf_sub(outer, g1));
    u[3 * step] = g2;
}

INLINE void transform_y(vf *y, vf m0, vf m1, vf m2, vf m3, const int step)
{
    y[0] = vf_add(vf_add(m0, m1), m2);
    y[step] = vf_sub(vf_sub(m1, m2), m3);
}

INLINE void winograd_x_step(const struct winograd_x *t, int c, const int depth, const int bf16, int n)
{
    vf plane[4][16];
    UNROLL for (int z = 0; z < depth; z++) {
        vf d[4][4], rows[4][4];
        UNROLL for (int y = 0; y < 4; y++) {
            UNROLL for (int x = 0; x < 4; x++) d[y][x] = get_as(t->x[z][y][x], bf16, c, n);
            transform_x(rows[y], d[y][0], d[y][1], d[y][2], d[y][3], 1);
        }
        UNROLL for (int x = 0; x < 4; x++) transform_x(plane[z] + x, rows[0][x], rows[1][x], rows[2][x], rows[3][x], 4);
    }
    float *v = t->v + c;
    UNROLL for (int i = 0; i < 16; i++, v += t->point) {
        if (depth == 1) {
            put(v, plane[0][i], n);
            continue;
        }
        vf column[4];
        transform_x(column, plane[0][i], plane[1][i], plane[2][i], plane[3][i], 1);
        UNROLL for (int z = 0; z < 4; z++) put(v + (size_t)z * 16 * t->point, column[z], n);
    }
}

INLINE void winograd_x_all(const struct winograd_x *t, const int depth, const int bf16)
{
    int c = 0;
    for (; c + LANES <= t->channels; c += LANES) winograd_x_step(t, c, depth, bf16, LANES);
    if (c < t->channels) winograd_x_step(t, c, depth, bf16, t->channels - c);
}

static void winograd_x(const struct winograd_x *t)
{
    if (t->type == CONV_BF16 && t->depth == 4)
        winograd_x_all(t, 4, 1);
    else if (t->type == CONV_BF16)
        winograd_x_all(t, 1, 1);
    else if (t->depth == 4)
        winograd_x_all(t, 4, 0);
    else
        winograd_x_all(t, 1, 0);
}

INLINE void winograd_w_step(float *u, size_t u_row, const float *w, size_t row, int flip, const int depth)
{
    const int taps = depth == 4 ? 27 : 9;
    vf plane[3][16];
    for (int z = 0; z < (depth == 4 ? 3 : 1); z++) {
        vf rows[3][4];
        UNROLL for (int y = 0; y < 3; y++) {
            vf g[3];
            UNROLL for (int x = 0; x < 3; x++) {
                const int tap = (z * 3 + y) * 3 + x;
                g[x] = vf_load(w + (size_t)(flip ? taps - 1 - tap : tap) * row);
            }
            transform_w(rows[y], g[0], g[1], g[2], 1);
        }
        UNROLL for (int x = 0; x < 4; x++) transform_w(plane[z] + x, rows[0][x], rows[1][x], rows[2][x], 4);
    }
    for (int i = 0; i < 16; i++, u += u_row) {
        if (depth == 1) {
            vf_store(u, plane[0][i]);
            continue;
        }
        vf column[4];
        transform_w(column, plane[0][i], plane[1][i], plane[2][i], 1);
        UNROLL for (int z = 0; z < 4; z++) vf_store(u + (size_t)z * 16 * u_row, column[z]);
    }
}

static void winograd_w(float *u, size_t u_row, const float *w, size_t row, int flip, int depth)
{
    for (size_t i = 0; i < row; i += LANES) {
        if (depth == 4)
            winograd_w_step(u + i, u_row, w + i, row, flip, 4);
        else
            winograd_w_step(u + i, u_row, w + i, row, flip, 1);
    }
}

/* One vector of y, at k of its voxel, at `sum` of the sums. */
INLINE void winograd_y_add(const struct winograd_y *t, void *y, int sum, int k, vf start, vf v, int n)
{
    if (t->sums_in)
        start = get(t->sums_in + sum, n);
    else if (t->accumulate)
        start = t->type == CONV_BF16 ? get_as(y, 1, k, n) : get_as(y, 0, k, n);
    v = vf_add(start, v);
    if (t->sums_out)
        put(t->sums_out + sum, v, n);
    else if (t->type == CONV_F32)
        put((float *)y + k, v, n);
    else if (n >= LANES)
        vf_store_bf16((uint16_t *)y + k, v);
    else if (n > 0)
        vf_store_bf16_n((uint16_t *)y + k, v, n);
}

INLINE void winograd_y_step(const struct winograd_y *t, int k, const int depth, int n)
{
    const vf start = t->start ? get(t->start + k, n) : vf_set(0);
    vf plane[4][4], y[2][4];
    const float *m = t->m + k;
    UNROLL for (int z = 0; z < depth; z++) {
        vf rows[4][2];
        UNROLL for (int i = 0; i < 4; i++) {
            vf p[4];
            UNROLL for (int x = 0; x < 4; x++, m += t->point) p[x] = vf_load(m);
            transform_y(rows[i], p[0], p[1], p[2], p[3], 1);
        }
        UNROLL for (int x = 0; x < 2; x++) transform_y(plane[z] + x, rows[0][x], rows[1][x], rows[2][x], rows[3][x], 2);
    }
    UNROLL for (int i = 0; i < 4; i++) {
        if (depth == 1)
            y[0][i] = plane[0][i];
        else
            transform_y(&y[0][i], plane[0][i], plane[1][i], plane[2][i], plane[3][i], 4);
    }
    for (int z = 0; z < (depth == 1 ? 1 : 2); z++)
        UNROLL for (int i = 0; i < 4; i++) {
            void *const to = t->y[z][i / 2][i % 2];
            if (to) winograd_y_add(t, to, (z * 4 + i) * CONV_PANEL + k, k, start, y[z][i], n);
        }
}

static void winograd_y(const struct winograd_y *t)
{
    for (int k = 0; k < t->k; k += LANES) {
        const int n = t->k - k;
        if (t->depth == 4 && n >= LANES)
            winograd_y_step(t, k, 4, LANES);
        else if (t->depth == 4)
            winograd_y_step(t, k, 4, n);
        else
            winograd_y_step(t, k, 1, n);
    }
}

/* ---- weight gradient ------------------------------------------------------------------------------------------------- */

INLINE void transform_dy(vf *m, vf y0, vf y1, const int step)
{
    m[0] = y0;
    m[step] = vf_add(y0, y1);
    m[2 * step] = vf_sub(y0, y1);
    m[3 * step] = vf_sub(vf_set(0), y1);
}

INLINE void transform_dw(vf *g, vf u0, vf u1, vf u2, vf u3, const int step)
{
    const vf half = vf_set(0.5f), even = vf_mul(half, vf_add(u1, u2));
    g[0] = vf_add(u0, even);
    g[step] = vf_mul(half, vf_sub(u1, u2));
    g[2 * step] = vf_add(even, u3);
}

INLINE void winograd_dy_step(const struct winograd_dy *t, int k, const int depth, const int bf16, int n)
{
    vf plane[2][16];
    UNROLL for (int z = 0; z < (depth + 1) / 2; z++) {
        vf rows[2][4];
        UNROLL for (int y = 0; y < 2; y++) transform_dy(rows[y], get_as(t->dy[z][y][0], bf16, k, n), get_as(t->dy[z][y][1], bf16, k, n), 1);
        UNROLL for (int x = 0; x < 4; x++) transform_dy(plane[z] + x, rows[0][x], rows[1][x], 4);
    }
    float *m = t->m + k;
    UNROLL for (int i = 0; i < 16; i++, m += t->point) {
        if (depth == 1) {
            vf_store(m, plane[0][i]);
            continue;
        }
        vf column[4];
        transform_dy(column, plane[0][i], plane[1][i], 1);
        UNROLL for (int z = 0; z < 4; z++) vf_store(m + (size_t)z * 16 * t->point, column[z]);
    }
}

INLINE void winograd_dy_all(const struct winograd_dy *t, const int bf16)
{
    for (int k = 0; k < t->width; k += LANES) {
        const int n = t->k - k;
        if (t->depth == 4 && n >= LANES)
            winograd_dy_step(t, k, 4, bf16, LANES);
        else if (t->depth == 4)
            winograd_dy_step(t, k, 4, bf16, n);
        else
            winograd_dy_step(t, k, 1, bf16, n);
    }
}

static void winograd_dy(const struct winograd_dy *t)
{
    if (t->type == CONV_BF16)
        winograd_dy_all(t, 1);
    else
        winograd_dy_all(t, 0);
}

INLINE void winograd_dw_step(float *dw, const float *u, size_t u_row, size_t row, const int depth)
{
    vf plane[3][16];
    UNROLL for (int i = 0; i < 16; i++, u += u_row) {
        if (depth == 1)
            plane[0][i] = vf_load(u);
        else
            transform_dw(&plane[0][i], vf_load(u), vf_load(u + 16 * u_row), vf_load(u + 32 * u_row), vf_load(u + 48 * u_row), 16);
    }
    for (int z = 0; z < (depth == 1 ? 1 : 3); z++) {
        vf rows[3][4], g[9];
        UNROLL for (int x = 0; x < 4; x++) transform_dw(&rows[0][x], plane[z][x], plane[z][4 + x], plane[z][8 + x], plane[z][12 + x], 4);
        UNROLL for (int y = 0; y < 3; y++) transform_dw(g + 3 * y, rows[y][0], rows[y][1], rows[y][2], rows[y][3], 1);
        UNROLL for (int i = 0; i < 9; i++, dw += row) vf_store(dw, g[i]);
    }
}

static void winograd_dw(float *dw, const float *u, size_t u_row, size_t row, int depth)
{
    for (size_t i = 0; i < row; i += LANES) {
        if (depth == 4)
            winograd_dw_step(dw + i, u + i, u_row, row, 4);
        else
            winograd_dw_step(dw + i, u + i, u_row, row, 1);
    }
}
