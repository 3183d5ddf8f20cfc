/* conv_template_winograd.h - the kernels of Winograd's form (winograd.h) over the vector of a vec_*.h;
 * included by conv_template.h. A plane has a transform along w and one along h; along d the driver, or the
 * weights', has another. */
#include "tensor/conv/winograd_transforms.h"

/* ---- planes of x and of dy ----------------------------------------------------------------------------- */

/* Up to six addresses `step` bytes apart. As in gather_block three share a pointer, so that the compiler
 * computes none of them ahead, and spills it. */
struct row {
    char *at[2];
    size_t step;
};

INLINE struct row row_at(const void *first, size_t step)
{
    struct row r = {{(char *)(uintptr_t)first, (char *)(uintptr_t)first + SHARED * step}, step};
    KEEP(r.at[0]);
    KEEP(r.at[1]);
    return r;
}

INLINE void *row_value(struct row r, const int i) { return r.at[i / SHARED] + (size_t)(i % SHARED) * r.step; }

static const float zeros[CONV_BLOCK];

/* Where the values of a piece of a volume are that has borders in it. */
struct winograd_pointers {
    const void *at[2][WINOGRAD_SIDE][WINOGRAD_SIDE];
};

INLINE void winograd_point_at(struct winograd_pointers *p, const struct winograd_plane *t, const int from,
                              const int planes)
{
    for (int i = 0; i < planes; i++)
        for (int y = 0; y < from; y++) {
            const int line = t->at[0] + y, inside = t->of[i] && line >= 0 && line < t->size[0];
            UNROLL for (int x = 0; x < from; x++) {
                const int column = t->at[1] + x;
                p->at[i][y][x] =
                    inside && column >= 0 && column < t->size[1]
                        ? conv_at(t->of[i], t->type, (size_t)line * t->line + (size_t)column * t->voxel)
                        : zeros;
            }
        }
}

/* The lines and columns of points; without p, nothing is outside. */
INLINE void winograd_plane_step(const struct winograd_plane *t, const struct winograd_pointers *p, int c,
                                const enum winograd_axis form, const int of_dy, const int planes,
                                const int bf16, int n, int width)
{
    vf rows[WINOGRAD_SIDE][WINOGRAD_SIDE];
    const int side = winograd_points(form), from = of_dy ? winograd_outputs(form) : winograd_inputs(form);
    const size_t size = bf16 ? sizeof(uint16_t) : sizeof(float);
    UNROLL for (int y = 0; y < from; y++) {
        vf d[WINOGRAD_SIDE];
        UNROLL for (int i = 0; i < planes; i++) {
            struct row line = {{NULL, NULL}, 0};
            if (!p)
                line = row_at(
                    conv_at(t->of[i], t->type,
                            (size_t)(t->at[0] + y) * t->line + (size_t)t->at[1] * t->voxel + (size_t)c),
                    t->voxel * size);
            UNROLL for (int x = 0; x < from; x++) {
                const vf value =
                    p ? get_as(p->at[i][y][x], bf16, c, n) : get_as(row_value(line, x), bf16, 0, n);
                d[x] = i == 0 ? value : vf_fma(vf_set(t->sign), value, d[x]);
            }
        }
        if (of_dy)
            transform_dy(rows[y], d, form);
        else
            transform_x(rows[y], d, form);
    }
    UNROLL for (int x = 0; x < side; x++) {
        vf d[WINOGRAD_SIDE], column[WINOGRAD_SIDE];
        UNROLL for (int y = 0; y < from; y++) d[y] = rows[y][x];
        if (of_dy)
            transform_dy(column, d, form);
        else
            transform_x(column, d, form);
        const struct row to =
            row_at(t->v + (size_t)x * t->point + c, (size_t)side * t->point * sizeof(float));
        UNROLL for (int y = 0; y < side; y++) put((float *)row_value(to, y), column[y], width);
    }
}

INLINE void winograd_plane_all(const struct winograd_plane *all, const enum winograd_axis form,
                               const int of_dy, const int planes, const int bf16)
{
    const int from = of_dy ? winograd_outputs(form) : winograd_inputs(form);
    const struct winograd_plane t = *all; /* which no store changes */
    int c = 0, whole = t.of[0] && (planes == 1 || t.of[1]);
    struct winograd_pointers p;
    for (int i = 0; i < 2; i++) whole &= t.at[i] >= 0 && t.at[i] + from <= t.size[i];
    if (whole)
        for (; c + LANES <= t.channels; c += LANES)
            winograd_plane_step(&t, NULL, c, form, of_dy, planes, bf16, LANES, LANES);
    if (c == t.width) return;
    winograd_point_at(&p, &t, from, planes);
    for (; c + LANES <= t.channels; c += LANES)
        winograd_plane_step(&t, &p, c, form, of_dy, planes, bf16, LANES, LANES);
    for (; c < t.width; c += LANES)
        winograd_plane_step(&t, &p, c, form, of_dy, planes, bf16, t.channels - c, t.width - c);
}

INLINE void winograd_plane_types(const struct winograd_plane *t, const enum winograd_axis form,
                                 const int of_dy)
{
    if (t->type == CONV_BF16 && t->planes == 2)
        winograd_plane_all(t, form, of_dy, 2, 1);
    else if (t->type == CONV_BF16)
        winograd_plane_all(t, form, of_dy, 1, 1);
    else if (t->planes == 2)
        winograd_plane_all(t, form, of_dy, 2, 0);
    else
        winograd_plane_all(t, form, of_dy, 1, 0);
}

static void winograd_x(const struct winograd_plane *t)
{
    switch (t->form) {
    case WINOGRAD_2: winograd_plane_types(t, WINOGRAD_2, 0); break;
    case WINOGRAD_4: winograd_plane_types(t, WINOGRAD_4, 0); break;
    case WINOGRAD_DOWN: winograd_plane_types(t, WINOGRAD_DOWN, 0); break;
    default: winograd_plane_types(t, WINOGRAD_UP, 0); break;
    }
}

static void winograd_dy(const struct winograd_plane *t)
{
    switch (t->form) {
    case WINOGRAD_2: winograd_plane_types(t, WINOGRAD_2, 1); break;
    case WINOGRAD_4: winograd_plane_types(t, WINOGRAD_4, 1); break;
    default: winograd_plane_types(t, WINOGRAD_DOWN, 1); break;
    }
}

/* ---- weights ------------------------------------------------------------------------------------------- */

INLINE void winograd_w_step(float *u, size_t u_row, const float *w, size_t row, int flip,
                            const enum winograd_axis depth, const enum winograd_axis form)
{
    const int taps = depth == WINOGRAD_NONE ? 9 : 27, side = winograd_points(form);
    vf g[WINOGRAD_DEPTH][9];
    for (int i = 0; i < 9; i++) {
        vf d[3], points[WINOGRAD_DEPTH];
        UNROLL for (int z = 0; z < taps / 9; z++) d[z] =
            vf_load(w + (size_t)(flip ? taps - 1 - 9 * z - i : 9 * z + i) * row);
        if (depth == WINOGRAD_NONE)
            points[0] = d[0];
        else
            transform_w(points, d, depth);
        UNROLL for (int z = 0; z < winograd_points(depth); z++) g[z][i] = points[z];
    }
    for (int z = 0; z < winograd_points(depth); z++, u += (size_t)(side * side) * u_row) {
        vf rows[3][WINOGRAD_SIDE];
        UNROLL for (int y = 0; y < 3; y++) transform_w(rows[y], g[z] + 3 * y, form);
        UNROLL for (int x = 0; x < side; x++) {
            const vf d[3] = {rows[0][x], rows[1][x], rows[2][x]};
            vf column[WINOGRAD_SIDE];
            transform_w(column, d, form);
            float *to = u + (size_t)x * u_row;
            UNROLL for (int y = 0; y < side; y++, to += (size_t)side * u_row) vf_store(to, column[y]);
        }
    }
}

/* CALL(depth, form) for the forms that there are. */
#define WINOGRAD_FORMS(CALL)                                                                        \
    do {                                                                                            \
        if (depth == WINOGRAD_NONE && form == WINOGRAD_2) CALL(WINOGRAD_NONE, WINOGRAD_2);           \
        else if (depth == WINOGRAD_NONE && form == WINOGRAD_4) CALL(WINOGRAD_NONE, WINOGRAD_4);      \
        else if (depth == WINOGRAD_NONE) CALL(WINOGRAD_NONE, WINOGRAD_DOWN);                         \
        else if (depth == WINOGRAD_2 && form == WINOGRAD_2) CALL(WINOGRAD_2, WINOGRAD_2);            \
        else if (depth == WINOGRAD_2 && form == WINOGRAD_4) CALL(WINOGRAD_2, WINOGRAD_4);            \
        else if (depth == WINOGRAD_2) CALL(WINOGRAD_2, WINOGRAD_DOWN);                               \
        else CALL(WINOGRAD_DOWN, WINOGRAD_DOWN);                                                     \
    } while (0)

static void winograd_w(float *u, size_t u_row, const float *w, size_t row, int flip, enum winograd_axis depth,
                       enum winograd_axis form)
{
#define CALL(d, f) winograd_w_step(u + i, u_row, w + i, row, flip, d, f)
    for (size_t i = 0; i < row; i += LANES) WINOGRAD_FORMS(CALL);
#undef CALL
}

INLINE void winograd_dw_step(float *dw, size_t row, const float *u, size_t u_row,
                             const enum winograd_axis depth, const enum winograd_axis form)
{
    const int side = winograd_points(form);
    vf g[WINOGRAD_DEPTH][9];
    for (int z = 0; z < winograd_points(depth); z++, u += (size_t)(side * side) * u_row) {
        vf rows[WINOGRAD_SIDE][3];
        UNROLL for (int y = 0; y < side; y++) {
            vf p[WINOGRAD_SIDE];
            UNROLL for (int x = 0; x < side; x++) p[x] = vf_load(u + (size_t)(side * y + x) * u_row);
            transform_dw(rows[y], p, form);
        }
        UNROLL for (int x = 0; x < 3; x++) {
            vf p[WINOGRAD_SIDE], column[3];
            UNROLL for (int y = 0; y < side; y++) p[y] = rows[y][x];
            transform_dw(column, p, form);
            UNROLL for (int y = 0; y < 3; y++) g[z][3 * y + x] = column[y];
        }
    }
    for (int i = 0; i < 9; i++, dw += row) {
        if (depth == WINOGRAD_NONE) {
            vf_store(dw, g[0][i]);
            continue;
        }
        vf p[WINOGRAD_DEPTH], taps[3];
        UNROLL for (int z = 0; z < winograd_points(depth); z++) p[z] = g[z][i];
        transform_dw(taps, p, depth);
        UNROLL for (int z = 0; z < 3; z++) vf_store(dw + (size_t)(9 * z) * row, taps[z]);
    }
}

static void winograd_dw(float *dw, size_t row, const float *u, size_t u_row, size_t n,
                        enum winograd_axis depth, enum winograd_axis form)
{
#define CALL(d, f) winograd_dw_step(dw + i, row, u + i, u_row, d, f)
    for (size_t i = 0; i < n; i += LANES) WINOGRAD_FORMS(CALL);
#undef CALL
}

/* ---- y ------------------------------------------------------------------------------------------------- */

/* Line `line` of a place, k values on. */
INLINE struct row winograd_line(const struct winograd_place *p, int line, int k, const int bf16)
{
    return row_at(conv_at(p->at, bf16 ? CONV_BF16 : CONV_F32, (size_t)line * p->line + (size_t)k),
                  p->voxel * (bf16 ? sizeof(uint16_t) : sizeof(float)));
}

/* The sums y of a plane to target i, whose types are these; whole: all of them are inside. */
INLINE void winograd_y_add(const struct winograd_y *t, int i, vf y[4][4], int k, const int outputs,
                           const int whole, const int from_bf16, const int to_bf16, int n)
{
    const int starts = !t->from[i].at;
    const vf sign = vf_set(t->sign[i]), start = starts && t->start ? get(t->start + k, n) : vf_set(0);
    UNROLL for (int line = 0; line < outputs; line++) {
        if (!whole && line >= t->lines) continue;
        const struct row from = winograd_line(starts ? &t->to[i] : &t->from[i], line, k, from_bf16),
                         to = winograd_line(&t->to[i], line, k, to_bf16);
        UNROLL for (int x = 0; x < outputs; x++) {
            if (!whole && x >= t->columns) continue;
            const vf v =
                vf_fma(sign, y[line][x], starts ? start : get_as(row_value(from, x), from_bf16, 0, n));
            if (!to_bf16)
                put((float *)row_value(to, x), v, n);
            else if (n >= LANES)
                vf_store_bf16((uint16_t *)row_value(to, x), v);
            else
                vf_store_bf16_n((uint16_t *)row_value(to, x), v, n);
        }
    }
}

INLINE void winograd_y_step(const struct winograd_y *t, int k, const enum winograd_axis form, const int plain,
                            int n)
{
    const int side = winograd_points(form), outputs = winograd_outputs(form);
    vf rows[WINOGRAD_SIDE][4], y[4][4];
    UNROLL for (int i = 0; i < side; i++) {
        vf p[WINOGRAD_SIDE];
        const struct row m = row_at(t->m + (size_t)(i * side) * t->point + k, t->point * sizeof(float));
        UNROLL for (int x = 0; x < side; x++) p[x] = vf_load((const float *)row_value(m, x));
        transform_y(rows[i], p, form);
    }
    UNROLL for (int x = 0; x < outputs; x++) {
        vf p[WINOGRAD_SIDE], column[4];
        UNROLL for (int i = 0; i < side; i++) p[i] = rows[i][x];
        transform_y(column, p, form);
        UNROLL for (int i = 0; i < outputs; i++) y[i][x] = column[i];
    }
    for (int i = 0; i < t->targets; i++) {
        if (plain)
            winograd_y_add(t, i, y, k, outputs, 1, 0, 0, n);
        else if (t->from[i].type == CONV_F32 && t->to[i].type == CONV_F32)
            winograd_y_add(t, i, y, k, outputs, 0, 0, 0, n);
        else if (t->from[i].type == CONV_F32)
            winograd_y_add(t, i, y, k, outputs, 0, 0, 1, n);
        else if (t->to[i].type == CONV_F32)
            winograd_y_add(t, i, y, k, outputs, 0, 1, 0, n);
        else
            winograd_y_add(t, i, y, k, outputs, 0, 1, 1, n);
    }
}

INLINE void winograd_y_all(const struct winograd_y *all, const enum winograd_axis form)
{
    const struct winograd_y t = *all;
    int k = 0, plain = t.lines == winograd_outputs(form) && t.columns == winograd_outputs(form);
    for (int i = 0; i < t.targets; i++) plain &= t.from[i].type == CONV_F32 && t.to[i].type == CONV_F32;
    if (plain)
        for (; k + LANES <= t.k; k += LANES) winograd_y_step(&t, k, form, 1, LANES);
    for (; k < t.k; k += LANES) winograd_y_step(&t, k, form, 0, t.k - k);
}

static void winograd_y(const struct winograd_y *t)
{
    switch (t->form) {
    case WINOGRAD_2: winograd_y_all(t, WINOGRAD_2); break;
    case WINOGRAD_4: winograd_y_all(t, WINOGRAD_4); break;
    case WINOGRAD_DOWN: winograd_y_all(t, WINOGRAD_DOWN); break;
    default: winograd_y_all(t, WINOGRAD_UP); break;
    }
}

#undef WINOGRAD_FORMS
#undef CONSTANT
