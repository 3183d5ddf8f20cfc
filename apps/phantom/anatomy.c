/* anatomy.c - shapes in millimetres, painted one over the other, and what grows and pushes them aside. */
#include "apps/phantom/anatomy.h"

#include <math.h>
#include <string.h>

#include "tensor/base/vmath.h"

const char *tissue_name(enum tissue t)
{
    static const char *const name[TISSUES] = {"air",          "skin",        "fat",
                                              "visceral fat", "muscle",      "marrow",
                                              "bone",         "disc",        "cerebrospinal fluid",
                                              "cord",         "liver",       "spleen",
                                              "pancreas",     "artery",      "vein",
                                              "gut wall",     "gut content", "gut fluid",
                                              "stool",        "gas",         "bile",
                                              "cortex",       "medulla",     "urine",
                                              "cyst",         "renal fascia", "tumour"};
    return name[t];
}

/* ---- ellipsoids ---------------------------------------------------------------------------------------- */

static void rotate(float m[3][3], int a, int b, float turns)
{
    float s, c;
    turns -= (float)(int)turns;
    if (turns < 0) turns += 1;
    vmath_sincos_2pi(&s, &c, turns < 1 ? turns : 0);
    for (int i = 0; i < 3; i++) {
        const float p = m[i][a], q = m[i][b];
        m[i][a] = c * p - s * q;
        m[i][b] = s * p + c * q;
    }
}

void ellipsoid_set(struct ellipsoid *e, const float centre[3], const float radius[3], const float turns[3],
                   float rough, float rough_scale, float rough_offset)
{
    memset(e, 0, sizeof *e);
    for (int i = 0; i < 3; i++) {
        e->axis[i][i] = 1;
        e->centre[i] = centre[i];
        e->radius[i] = radius[i];
    }
    rotate(e->axis, 1, 2, turns[0]);
    rotate(e->axis, 2, 0, turns[1]);
    rotate(e->axis, 0, 1, turns[2]);
    e->rough = rough;
    e->rough_scale = rough_scale;
    e->rough_offset = rough_offset;
    for (int j = 0; j < 3; j++) {
        float square = 0;
        for (int i = 0; i < 3; i++) {
            e->to_unit[i][j] = radius[i] > 0 ? e->axis[i][j] / radius[i] : 0;
            square += e->axis[i][j] * radius[i] * e->axis[i][j] * radius[i];
            if (!(radius[i] > 0) && fabsf(e->axis[i][j]) > 0.5f) square = 1e12f;
        }
        e->extent[j] = sqrtf(square) * (1 + rough);
    }
}

float ellipsoid_local(float local[3], const struct ellipsoid *e, const float mm[3])
{
    float q = 0;
    for (int i = 0; i < 3; i++) {
        local[i] = 0;
        for (int j = 0; j < 3; j++) local[i] += e->to_unit[i][j] * (mm[j] - e->centre[j]);
        q += local[i] * local[i];
    }
    return q;
}

float ellipsoid_surface(const struct ellipsoid *e, const struct lattice *l, const float mm[3])
{
    const float r = 1 + e->rough * lattice_texture(l, mm, e->rough_scale, e->rough_offset);
    return r * r;
}

/* ---- growth -------------------------------------------------------------------------------------------- */

static const float REACH = 2.6f;

void growth_origin(float from[3], const struct growth *w, const float mm[3])
{
    float local[3], factor = 1;
    const float q = ellipsoid_local(local, &w->e, mm);
    if (q < REACH * REACH) {
        const float r = sqrtf(q), s = (r - 1) / (REACH - 1), t = 1 - s * s,
                    cube = r > 1 ? 1 - (1 - w->keep) * t * t / (q * r) : w->keep;
        factor = vmath_exp(vmath_log(cube) / 3);
    }
    for (int j = 0; j < 3; j++) from[j] = w->e.centre[j] + factor * (mm[j] - w->e.centre[j]);
}

/* ---- painting ------------------------------------------------------------------------------------------ */

void plane_span(int *first, int *end, int n, float x0, float dx, float lo, float hi)
{
    const float a = (lo - x0) / dx, b = (hi - x0) / dx;
    *first = a <= 0 ? 0 : a >= (float)n ? n : (int)a + ((float)(int)a < a);
    *end = b < 0 ? 0 : b >= (float)n - 1 ? n : (int)b + 1;
}

/* The outline u^2 + v^2 - square u^2 v^2 = 1 (Fernandez Guasti's squircle), half axes a and b by the side of
 * y. */
static void paint_oval(uint8_t *row, const struct anatomy *a, const struct plane *g, float y, float in_side,
                       float in_front, float in_back, enum tissue t)
{
    const float v = y < 0 ? y / (a->half_front - in_front) : y / (a->half_back - in_back);
    if (v * v >= 1) return;
    const float u = sqrtf((1 - v * v) / (1 - a->body_square * v * v)) * (a->half_width - in_side);
    /* neither side is an oval: a few percent along y and z, the inner outlines more than the skin */
    const float bump = 0.035f + 0.002f * in_side, p[3] = {in_side, y, g->z};
    const float right = u * (1 + bump * lattice_texture(&a->noise, p, 45, 7)),
                left = u * (1 + bump * lattice_texture(&a->noise, p, 45, 13));
    int first, end;
    plane_span(&first, &end, g->nx, g->x0, g->dx, -right, left);
    if (end > first) memset(row + first, (int)t, (size_t)(end - first));
}

static void paint_body(uint8_t *tissue, const struct anatomy *a, const struct plane *g)
{
    memset(tissue, TISSUE_AIR, (size_t)g->nx * (size_t)g->ny);
    for (int j = 0; j < g->ny; j++) {
        uint8_t *row = tissue + (size_t)j * (size_t)g->nx;
        const float y = g->y0 + (float)j * g->dy, skin = 2;
        paint_oval(row, a, g, y, 0, 0, 0, TISSUE_SKIN);
        paint_oval(row, a, g, y, skin, skin, skin, TISSUE_FAT);
        paint_oval(row, a, g, y, a->fat_side, a->fat_front, a->fat_back, TISSUE_MUSCLE);
        paint_oval(row, a, g, y, a->fat_side + a->wall, a->fat_front + 0.7f * a->wall,
                   a->fat_back + 0.5f * a->wall, TISSUE_VISCERAL_FAT);
    }
}

/* Sinus: an ellipsoid open to the hilum, filled with fat, the pelvis and vessels. Else cortex, with pyramids
 * of medulla below it. */
static enum tissue kidney_tissue(const struct anatomy *a, const struct shape *s, const float p[3], float q,
                                 const float mm[3])
{
    const float v[3] = {p[0] - 0.50f, p[1], p[2]};
    const float sinus = v[0] * v[0] / 0.36f + v[1] * v[1] / 0.14f + v[2] * v[2] / 0.30f;
    if (sinus < a->sinus) {
        const float n = lattice_texture(&a->noise, mm, 9, s->e.rough_offset + 3);
        if (sinus + n < 0.22f * a->sinus) return TISSUE_URINE;
        return n > 0.28f ? TISSUE_VEIN : TISSUE_VISCERAL_FAT;
    }
    if (q > (1 - s->detail) * (1 - s->detail)) return TISSUE_CORTEX;
    const float length = sqrtf(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    for (int i = 0; i < PYRAMIDS; i++)
        if (v[0] * a->pyramid[i][0] + v[1] * a->pyramid[i][1] + v[2] * a->pyramid[i][2] > 0.90f * length)
            return TISSUE_MEDULLA;
    return TISSUE_CORTEX;
}

static enum tissue inner_tissue(const struct anatomy *a, const struct shape *s, const float p[3], float q,
                                const float mm[3])
{
    switch (s->kind) {
    case SHAPE_SOLID: return s->tissue;
    case SHAPE_LIVER: {
        const float n = lattice_texture(&a->noise, mm, 30, s->e.rough_offset + 5),
                    m = lattice_texture(&a->noise, mm, 34, s->e.rough_offset + 11);
        return n * n + m * m < s->detail ? TISSUE_VEIN : s->tissue; /* where two surfaces meet: a line */
    }
    case SHAPE_SPINE: {
        float level = (mm[2] + a->disc_phase + 720) / 36; /* a vertebra and its disc */
        level -= (float)(int)level;
        if (level < 0.25f) return q > 0.88f ? TISSUE_BONE : TISSUE_DISC;
        return q > 0.86f || level < 0.29f || level > 0.96f ? TISSUE_BONE : TISSUE_MARROW;
    }
    case SHAPE_GUT:
    case SHAPE_COLON: {
        const float wall = 1 - 3.0f / s->e.radius[1];
        if (q > wall * wall) return TISSUE_GUT_WALL;
        if (p[1] < s->detail - 1.1f) return TISSUE_GAS; /* it rises to the front of a supine patient */
        if (s->tissue != TISSUE_STOOL) return s->tissue;
        const float n = lattice_texture(&a->noise, mm, 8, s->e.rough_offset + 4);
        return n > 0.38f ? TISSUE_GAS : n < -0.3f ? TISSUE_GUT_CONTENT : TISSUE_STOOL;
    }
    case SHAPE_RIB: return q > 0.5f ? TISSUE_BONE : TISSUE_MARROW;
    case SHAPE_FASCIA: return q > s->detail * s->detail ? TISSUE_FASCIA : TISSUE_VISCERAL_FAT;
    case SHAPE_KIDNEY: return kidney_tissue(a, s, p, q, mm);
    }
    return s->tissue;
}

/* Squared radius of the surface in the direction of l (unit coordinates) at mm. */
static float surface_at(const struct anatomy *a, const struct shape *s, const float l[3], const float mm[3])
{
    float square = ellipsoid_surface(&s->e, &a->noise, mm), bump = 0;
    if (!(s->lobule > 0)) return square;
    if (s->kind == SHAPE_KIDNEY) {
        /* towards a pyramid 1, halfway between two about -1 */
        const float v[3] = {l[0] - 0.5f, l[1], l[2]};
        const float length = sqrtf(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]) + 1e-6f;
        float best = 0;
        for (int i = 0; i < PYRAMIDS; i++) {
            const float d = v[0] * a->pyramid[i][0] + v[1] * a->pyramid[i][1] + v[2] * a->pyramid[i][2];
            best = d > best ? d : best;
        }
        bump = (best / length - 0.955f) / 0.045f;
        bump = bump < -1 ? -1 : bump;
    } else { /* haustra: folds every 30 mm along the longest axis */
        const int along = s->e.radius[0] > s->e.radius[2] ? 0 : 2;
        float t = l[along] * s->e.radius[along] / 30 + 64;
        t -= (float)(int)t;
        bump = 1 - 4 * (t < 0.5f ? t : 1 - t);
    }
    const float r = 1 + s->lobule * bump;
    return square * r * r;
}

static void paint_sample(uint8_t *v, const struct anatomy *a, const struct shape *s, const float l[3],
                         const float mm[3], float least)
{
    float q = l[0] * l[0] + l[1] * l[1] + l[2] * l[2];
    if (q > least) q /= surface_at(a, s, l, mm);
    if (q < 1) *v = (uint8_t)inner_tissue(a, s, l, q, mm);
}

static float squared(float x)
{
    return x * x;
}

static void paint_row(uint8_t *row, const struct anatomy *a, const struct shape *s, const struct plane *g,
                      float y)
{
    const struct ellipsoid *e = &s->e;
    const float most = squared((1 + e->rough) * (1 + s->lobule)),
                least = squared((1 - e->rough) * (1 - s->lobule));
    float p[3];
    float mm[3] = {e->centre[0], y, g->z};
    /* along x: |p + t d|^2 = q0 + 2 b t + d2 t^2 */
    const float q0 = ellipsoid_local(p, e, mm);
    float d2 = 0, b = 0;
    for (int i = 0; i < 3; i++) {
        d2 += e->to_unit[i][0] * e->to_unit[i][0];
        b += e->to_unit[i][0] * p[i];
    }
    const float disc = b * b - d2 * (q0 - most);
    if (disc <= 0) return;
    const float half = sqrtf(disc) / d2, middle = e->centre[0] - b / d2;
    int first, end;
    plane_span(&first, &end, g->nx, g->x0, g->dx, middle - half, middle + half);
    for (int i = first; i < end; i++) {
        if (!(s->over >> row[i] & 1)) continue;
        mm[0] = g->x0 + (float)i * g->dx;
        const float t = mm[0] - e->centre[0],
                    l[3] = {p[0] + t * e->to_unit[0][0], p[1] + t * e->to_unit[1][0],
                            p[2] + t * e->to_unit[2][0]};
        paint_sample(&row[i], a, s, l, mm, least);
    }
}

/* What a growth moves in one plane: samples [x0, x1) x [y0, y1) come from origin, none by more than `most`
 * mm. */
struct moved {
    const float *origin;
    int x0, x1, y0, y1;
    float lo[3], hi[3], most;
};

static void move_plane(struct moved *m, float *origin, const struct growth *w, const struct plane *g)
{
    const float *r = w->e.radius, widest = r[0] > r[1]   ? (r[0] > r[2] ? r[0] : r[2])
                                           : r[1] > r[2] ? r[1]
                                                         : r[2];
    memset(m, 0, sizeof *m);
    for (int j = 0; j < 3; j++) {
        const float reach = REACH * w->e.extent[j] / (1 + w->e.rough);
        m->lo[j] = w->e.centre[j] - reach;
        m->hi[j] = w->e.centre[j] + reach;
    }
    if (g->z < m->lo[2] || g->z > m->hi[2]) return;
    m->origin = origin;
    m->most = widest; /* a point of the surface comes from the centre at most */
    plane_span(&m->x0, &m->x1, g->nx, g->x0, g->dx, m->lo[0], m->hi[0]);
    plane_span(&m->y0, &m->y1, g->ny, g->y0, g->dy, m->lo[1], m->hi[1]);
    for (int j = m->y0; j < m->y1; j++)
        for (int i = m->x0; i < m->x1; i++) {
            const float mm[3] = {g->x0 + (float)i * g->dx, g->y0 + (float)j * g->dy, g->z};
            growth_origin(origin + 3 * ((size_t)j * (size_t)g->nx + (size_t)i), w, mm);
        }
}

static int is_moved(const struct moved *m, const struct shape *s)
{
    if (!m->origin || !s->soft) return 0;
    for (int j = 0; j < 3; j++)
        if (s->e.centre[j] + s->e.extent[j] < m->lo[j] || s->e.centre[j] - s->e.extent[j] > m->hi[j])
            return 0;
    return 1;
}

/* Sample by sample: a moved shape has no simple outline. */
static void paint_moved(uint8_t *tissue, const struct anatomy *a, const struct shape *s,
                        const struct moved *m, const struct plane *g)
{
    const struct ellipsoid *e = &s->e;
    const float most = squared((1 + e->rough) * (1 + s->lobule)),
                least = squared((1 - e->rough) * (1 - s->lobule));
    int x0, x1, y0, y1;
    plane_span(&x0, &x1, g->nx, g->x0, g->dx, e->centre[0] - e->extent[0] - m->most,
               e->centre[0] + e->extent[0] + m->most);
    plane_span(&y0, &y1, g->ny, g->y0, g->dy, e->centre[1] - e->extent[1] - m->most,
               e->centre[1] + e->extent[1] + m->most);
    for (int j = y0; j < y1; j++)
        for (int i = x0; i < x1; i++) {
            const size_t v = (size_t)j * (size_t)g->nx + (size_t)i;
            const float still[3] = {g->x0 + (float)i * g->dx, g->y0 + (float)j * g->dy, g->z};
            const float *mm = i >= m->x0 && i < m->x1 && j >= m->y0 && j < m->y1 ? m->origin + 3 * v : still;
            float l[3];
            if ((s->over >> tissue[v] & 1) && ellipsoid_local(l, e, mm) < most)
                paint_sample(&tissue[v], a, s, l, mm, least);
        }
}

void anatomy_paint(uint8_t *tissue, float *origin, const struct anatomy *a, const struct growth *w,
                   const struct plane *g)
{
    struct moved m = {0};
    paint_body(tissue, a, g);
    if (w) move_plane(&m, origin, w, g);
    for (int k = 0; k < a->shapes; k++) {
        const struct shape *s = &a->shape[k];
        const int moved = is_moved(&m, s);
        if (fabsf(g->z - s->e.centre[2]) > s->e.extent[2] + (moved ? m.most : 0)) continue;
        if (moved) {
            paint_moved(tissue, a, s, &m, g);
            continue;
        }
        int first, end;
        plane_span(&first, &end, g->ny, g->y0, g->dy, s->e.centre[1] - s->e.extent[1],
                   s->e.centre[1] + s->e.extent[1]);
        for (int j = first; j < end; j++)
            paint_row(tissue + (size_t)j * (size_t)g->nx, a, s, g, g->y0 + (float)j * g->dy);
    }
}
