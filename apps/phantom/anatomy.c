#include "apps/phantom/anatomy.h"

#include <math.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/vmath.h"

#define BIT(t) (1u << TISSUE_##t)
#define OVER_FAT (BIT(VISCERAL_FAT))
#define OVER_SOFT                                                                                            \
    (BIT(VISCERAL_FAT) | BIT(LIVER) | BIT(SPLEEN) | BIT(PANCREAS) | BIT(GUT_WALL) | BIT(GUT_CONTENT) |       \
     BIT(GAS) | BIT(BILE))
#define OVER_BACK (BIT(VISCERAL_FAT) | BIT(FAT) | BIT(MUSCLE))
#define OVER_KIDNEY (BIT(CORTEX) | BIT(MEDULLA) | BIT(URINE) | BIT(VISCERAL_FAT))

const char *tissue_name(enum tissue t)
{
    static const char *const name[TISSUES] = {"air",          "skin",        "fat",
                                              "visceral fat", "muscle",      "marrow",
                                              "bone",         "disc",        "cerebrospinal fluid",
                                              "cord",         "liver",       "spleen",
                                              "pancreas",     "artery",      "vein",
                                              "gut wall",     "gut content", "gas",
                                              "bile",         "cortex",      "medulla",
                                              "urine",        "cyst",        "renal fascia",
                                              "tumour"};
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

/* ---- drawing a body ------------------------------------------------------------------------------------ */

/* A normal deviate cut at two standard deviations: nobody is built from the tail. Here and below, one draw a
 * statement: C leaves the order of arguments and initialisers to the compiler, and the numbers must not
 * depend on it. */
static float draw(struct rng *rng, float mean, float sd)
{
    float n = rng_normal(rng);
    n = n > 2 ? 2 : n < -2 ? -2 : n;
    return mean + sd * n;
}

static struct shape *add(struct anatomy *a, enum shape_kind kind, enum tissue t, uint32_t over,
                         const float centre[3], const float radius[3], const float turns[3], float rough,
                         float scale, struct rng *rng)
{
    ENSURE(a->shapes < SHAPES_MAX, "phantom: more than %d shapes", SHAPES_MAX);
    struct shape *s = &a->shape[a->shapes++];
    s->kind = kind;
    s->tissue = t;
    s->over = over;
    s->detail = 0;
    ellipsoid_set(&s->e, centre, radius, turns, rough, scale, rng_range(rng, 0, 16));
    return s;
}

#define V3(x, y, z) ((const float[3]){(x), (y), (z)})
#define NO_TURN V3(0, 0, 0)

/* Vertebrae, discs and canal; psoas, quadratus lumborum and the erectors of the spine. */
static void add_spine(struct anatomy *a, float s, float back, struct rng *rng)
{
    const float y = back - 72 * s;
    add(a, SHAPE_SOLID, TISSUE_MUSCLE, OVER_BACK, V3(-36 * s, back - 27 * s, 0), V3(38 * s, 19 * s, 0),
        NO_TURN, 0.12f, 30, rng);
    add(a, SHAPE_SOLID, TISSUE_MUSCLE, OVER_BACK, V3(36 * s, back - 27 * s, 0), V3(38 * s, 19 * s, 0),
        NO_TURN, 0.12f, 30, rng);
    for (int side = -1; side <= 1; side += 2) {
        const float m = (float)side;
        add(a, SHAPE_SOLID, TISSUE_MUSCLE, OVER_BACK, V3(m * 72 * s, back - 36 * s, -45),
            V3(22 * s, 9 * s, 75), NO_TURN, 0.1f, 30, rng);
        /* psoas: thin under the diaphragm, thick below, away from the spine downwards */
        add(a, SHAPE_SOLID, TISSUE_MUSCLE, OVER_BACK, V3(m * 37 * s, y + 6 * s, -75), V3(20 * s, 22 * s, 125),
            V3(0, -m * 0.02f, 0), 0.08f, 40, rng);
        /* transverse processes */
        add(a, SHAPE_RIB, TISSUE_BONE, OVER_BACK, V3(m * 30 * s, y + 24 * s, 4), V3(22 * s, 4, 7), NO_TURN, 0,
            10, rng);
    }
    const float width = draw(rng, 23, 1.5f) * s, depth = draw(rng, 17, 1.2f) * s;
    add(a, SHAPE_SPINE, TISSUE_MARROW, OVER_BACK | OVER_FAT, V3(0, y, 0), V3(width, depth, 0), NO_TURN, 0.03f,
        20, rng);
    add(a, SHAPE_SOLID, TISSUE_BONE, OVER_BACK, V3(0, y + 27 * s, 0), V3(16 * s, 13 * s, 0), NO_TURN, 0.1f,
        15, rng);
    add(a, SHAPE_SOLID, TISSUE_CSF, BIT(BONE) | BIT(MUSCLE) | BIT(MARROW), V3(0, y + 25 * s, 0),
        V3(10 * s, 8 * s, 0), NO_TURN, 0.05f, 15, rng);
    add(a, SHAPE_SOLID, TISSUE_CORD, BIT(CSF), V3(0, y + 26 * s, 0), V3(5 * s, 4 * s, 0), NO_TURN, 0.1f, 10,
        rng);
    add(a, SHAPE_RIB, TISSUE_BONE, OVER_BACK, V3(0, y + 46 * s, -2), V3(4, 15 * s, 12), NO_TURN, 0.05f, 10,
        rng);
    a->disc_phase = rng_range(rng, 0, 36);
}

/* Ribs 10 to 12 inside of the wall of the upper slices. */
static void add_ribs(struct anatomy *a, struct rng *rng)
{
    for (int side = -1; side <= 1; side += 2)
        for (int k = 0; k < 3; k++) {
            float sine, cosine;
            vmath_sincos_2pi(&sine, &cosine, 0.02f + 0.055f * (float)k + rng_range(rng, 0, 0.02f));
            const float in = 0.5f * a->wall;
            const float x = (a->half_width - a->fat_side - in) * cosine * (float)side,
                        y = (a->half_back - a->fat_back - in) * sine;
            const float z = 62 - 8 * (float)k + rng_range(rng, -5, 5);
            add(a, SHAPE_RIB, TISSUE_BONE, BIT(MUSCLE) | OVER_FAT, V3(x, y, z), V3(7, 7, 38), V3(0.08f, 0, 0),
                0.05f, 12, rng);
        }
}

static void add_gut(struct anatomy *a, float x, float y, float z, float r, float length, struct rng *rng)
{
    const float flat = rng_range(rng, 0.8f, 1.1f), about_x = rng_range(rng, -0.12f, 0.12f),
                about_y = rng_range(rng, -0.12f, 0.12f);
    struct shape *g = add(a, SHAPE_GUT, TISSUE_GUT_CONTENT, OVER_FAT, V3(x, y, z), V3(r, r * flat, length),
                          V3(about_x, about_y, 0), 0.25f, 18, rng);
    g->detail = rng_range(rng, -0.2f, 0.9f);
}

/* Stomach, ascending and descending colon, then loops of small bowel where there is room. */
static void add_bowel(struct anatomy *a, float s, float w, float f, struct rng *rng)
{
    const float stomach = draw(rng, 58, 8);
    add_gut(a, 0.45f * w, -0.40f * f, stomach, 34 * s, 42, rng);
    add_gut(a, -0.80f * w, -2, -55, 23 * s, 48, rng);
    add_gut(a, 0.82f * w, 8, -35, 17 * s, 60, rng);
    for (int i = 0; i < 26; i++) {
        const float x = rng_range(rng, -0.8f, 0.8f) * w, y = rng_range(rng, -0.85f, -0.1f) * f,
                    z = rng_range(rng, -110, 35);
        const float r = rng_range(rng, 11, 19), length = rng_range(rng, 20, 45);
        add_gut(a, x, y, z, r, length, rng);
    }
}

static void add_organs(struct anatomy *a, float s, struct rng *rng)
{
    const float w = a->half_width - a->fat_side - a->wall, f = a->half_front - a->fat_front - a->wall;
    const float liver = draw(rng, 1, 0.08f) * s, right = draw(rng, 62, 10), left = draw(rng, 78, 8);
    add(a, SHAPE_LIVER, TISSUE_LIVER, OVER_FAT, V3(-0.60f * w, -0.10f * f, right),
        V3(0.62f * w, 0.95f * f, 88 * liver), V3(0.02f, 0.03f, 0.03f), 0.16f, 45, rng);
    add(a, SHAPE_LIVER, TISSUE_LIVER, OVER_FAT, V3(0.02f * w, -0.55f * f, left),
        V3(0.5f * w, 0.36f * f, 48 * liver), V3(0, 0.05f, 0.02f), 0.14f, 35, rng);
    const float spleen_y = draw(rng, 22, 5), spleen_z = draw(rng, 52, 9), spleen = draw(rng, 54, 7) * s;
    add(a, SHAPE_SOLID, TISSUE_SPLEEN, OVER_FAT, V3(0.80f * w, spleen_y, spleen_z),
        V3(27 * s, 46 * s, spleen), V3(0.03f, 0.04f, -0.05f), 0.14f, 35, rng);
    const float bladder = draw(rng, 12, 8), pancreas = draw(rng, 26, 8);
    if (rng_float(rng) < 0.85f) /* the others have lost their gall bladder */
        add(a, SHAPE_SOLID, TISSUE_BILE, BIT(VISCERAL_FAT) | BIT(LIVER), V3(-0.42f * w, -0.55f * f, bladder),
            V3(14, 15, 30), V3(0.05f, 0.04f, 0), 0.1f, 20, rng);
    add(a, SHAPE_SOLID, TISSUE_PANCREAS, OVER_FAT, V3(10, -0.18f * f, pancreas), V3(58 * s, 12 * s, 15),
        V3(0, -0.06f, -0.04f), 0.3f, 15, rng);
    add_bowel(a, s, w, f, rng);
}

static void add_vessels(struct anatomy *a, float s, float back, struct rng *rng)
{
    const float y = back - 72 * s - 17 * s;
    const uint32_t over = OVER_SOFT | BIT(MUSCLE);
    add(a, SHAPE_SOLID, TISSUE_ARTERY, over, V3(9 * s, y - 11 * s, 0), V3(9.5f * s, 9.5f * s, 0), NO_TURN,
        0.04f, 30, rng);
    const float flat = rng_range(rng, 0.5f, 0.95f);
    add(a, SHAPE_SOLID, TISSUE_VEIN, over, V3(-20 * s, y - 9 * s, 0), V3(13 * s, 12 * s * flat, 0), NO_TURN,
        0.06f, 30, rng);
    add(a, SHAPE_SOLID, TISSUE_VEIN, over, V3(3 * s, y - 36 * s, 0), V3(6.5f, 6.5f, 0), NO_TURN, 0.06f, 30,
        rng); /* superior mesenteric */
    add(a, SHAPE_SOLID, TISSUE_ARTERY, over, V3(13 * s, y - 33 * s, 0), V3(3.8f, 3.8f, 0), NO_TURN, 0.06f, 30,
        rng);
}

/* Renal artery (i = 1) or vein from the hilum to the great vessel. */
static void add_renal_vessel(struct anatomy *a, int i, float m, const float centre[3], float s, float back,
                             struct rng *rng)
{
    const float from[3] = {centre[0] - m * 14, centre[1] - 6, centre[2] + (i ? 4.0f : -3.0f)};
    const float to[3] = {(i ? 9.0f : -18.0f) * s, back - 97 * s, centre[2] + (i ? 8.0f : 2.0f)};
    const float dx = to[0] - from[0], dy = to[1] - from[1], length = sqrtf(dx * dx + dy * dy);
    /* the turn about z whose tangent is dy/dx: arctan t = t (1 - t^2/3 + t^4/5) */
    const float t = dy / dx, turn = t * (1 - t * t * (0.3333f - 0.2f * t * t)) * 0.15915494f;
    const float r = i ? 2.6f : 4.5f;
    const float middle[3] = {0.5f * (from[0] + to[0]), 0.5f * (from[1] + to[1]), 0.5f * (from[2] + to[2])};
    add(a, SHAPE_SOLID, i ? TISSUE_ARTERY : TISSUE_VEIN, BIT(VISCERAL_FAT) | BIT(FASCIA) | BIT(GUT_WALL),
        middle, V3(0.5f * length, r, r), V3(0, 0, turn), 0.1f, 12, rng);
}

/* Length, width and thickness: Emamian et al., AJR 1993 (adults: left 11.2 cm, right 10.9 cm, width 5.7
 * to 5.8 cm). The upper poles lean to the spine and back; the hilum looks forwards. side: -1 right, 1 left.
 */
static void add_kidney(struct anatomy *a, int side, float s, float back, struct rng *rng)
{
    const float m = (float)side, shrink = draw(rng, 1, 0.07f) * s;
    const float width = draw(rng, 29, 2) * shrink, thick = draw(rng, 24, 1.8f) * shrink,
                lateral = draw(rng, 66, 4) * s;
    const float before = draw(rng, 66, 4) * s, high = draw(rng, m * 9, 6);
    const float lean_back = draw(rng, m * 0.025f, 0.01f), lean_in = draw(rng, 0.045f, 0.012f),
                hilum = draw(rng, m * 0.08f, 0.02f);
    const float radius[3] = {width, thick, (side < 0 ? 54.5f : 56) * shrink},
                centre[3] = {m * lateral, back - before, high};
    /* The unit x axis points to the hilum: to the patient's left for the right kidney, half a turn from there
     * for the left one. */
    const float turns[3] = {lean_back, lean_in, (side < 0 ? 0 : 0.5f) + hilum};
    const float room = draw(rng, 11, 3) * (a->fat_back / 16);
    float around[3], fascia[3];
    for (int i = 0; i < 3; i++) {
        around[i] = radius[i] + (room < 4 ? 4 : room > 22 ? 22 : room) * (i == 1 ? 0.7f : 1);
        fascia[i] = around[i] + 1.5f;
    }
    struct shape *f =
        add(a, SHAPE_FASCIA, TISSUE_VISCERAL_FAT, OVER_SOFT, centre, fascia, turns, 0.15f, 40, rng);
    f->detail = 1 - 2.0f / fascia[0];
    a->kidney[side > 0] = a->shapes;
    struct shape *k = add(a, SHAPE_KIDNEY, TISSUE_CORTEX, OVER_SOFT | BIT(FASCIA) | BIT(MUSCLE), centre,
                          radius, turns, 0.10f, 26, rng);
    k->detail = draw(rng, 8, 1) / 24;
    for (int i = 0; i < 2; i++) add_renal_vessel(a, i, m, centre, s, back, rng);
}

/* Simple cysts: one at least in a tenth of people of 40 and a third of those of 70. Ultrasound finds 2 % of
 * those of 30 to 49, 12 % to 70 and 22 % above (Ravine et al., Am J Kidney Dis 1993); MR sees smaller ones.
 */
static void add_cysts(struct anatomy *a, float age, struct rng *rng)
{
    const float chance = 0.003f * (age - 28);
    for (int i = 0; i < 3; i++) {
        const int side = (int)rng_below(rng, 2);
        const float along = rng_range(rng, -0.8f, 0.8f), out = rng_range(rng, -0.9f, -0.3f),
                    across = rng_range(rng, -0.6f, 0.6f);
        const float r = rng_range(rng, 4, 14), u = rng_float(rng);
        if (u >= chance) continue;
        const struct ellipsoid *k = &a->shape[a->kidney[side]].e;
        float c[3];
        for (int j = 0; j < 3; j++)
            c[j] = k->centre[j] + k->axis[0][j] * k->radius[0] * out + k->axis[1][j] * k->radius[1] * across +
                   k->axis[2][j] * k->radius[2] * along;
        add(a, SHAPE_SOLID, TISSUE_CYST, OVER_KIDNEY, c, V3(r, r, r), NO_TURN, 0.05f, 20, rng);
        a->simple_cysts++;
    }
}

/* Papillae look at the sinus from a fan around the lateral border, in front and behind by turns. */
static void draw_pyramids(struct anatomy *a, struct rng *rng)
{
    for (int i = 0; i < PYRAMIDS; i++) {
        float s, c;
        const float t = -0.36f + 0.72f * ((float)i + rng_range(rng, -0.2f, 0.2f)) / (PYRAMIDS - 1);
        vmath_sincos_2pi(&s, &c, t < 0 ? t + 1 : t);
        const float y = (i & 1 ? 0.55f : -0.55f) + rng_range(rng, -0.15f, 0.15f);
        const float scale = 1 / sqrtf(1 + y * y);
        a->pyramid[i][0] = -c * scale;
        a->pyramid[i][1] = y * scale;
        a->pyramid[i][2] = s * scale;
    }
}

void anatomy_draw(struct anatomy *a, const struct patient *p, struct rng *rng)
{
    const float s = p->size;
    a->shapes = a->simple_cysts = 0;
    lattice_fill(&a->noise, rng);
    a->fat_back = 16 * p->fat;
    a->fat_side = 13 * p->fat;
    a->fat_front = 18 * p->fat;
    a->wall = draw(rng, p->female ? 11 : 13.5f, 1.5f);
    const float inside = 8 * (p->fat - 1); /* visceral fat widens the belly too */
    a->half_width = draw(rng, 122, 4) * s + a->wall + a->fat_side + inside;
    a->half_front = draw(rng, 68, 5) * s + a->wall + a->fat_front + 1.5f * inside;
    a->half_back = draw(rng, 80, 3) * s + a->wall + a->fat_back;
    a->body_square = rng_range(rng, 0.35f, 0.7f);
    const float back = a->half_back - a->fat_back;
    add_spine(a, s, back, rng);
    add_ribs(a, rng);
    add_organs(a, s, rng);
    add_vessels(a, s, back, rng);
    draw_pyramids(a, rng);
    add_kidney(a, -1, s, back, rng);
    add_kidney(a, 1, s, back, rng);
    add_cysts(a, p->age, rng);
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
    if (end > first) memset(row + first, t, (size_t)(end - first));
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
    if (sinus < 1) {
        const float n = lattice_texture(&a->noise, mm, 9, s->e.rough_offset + 3);
        if (sinus + n < 0.22f) return TISSUE_URINE;
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
        return n * n + m * m < 0.003f ? TISSUE_VEIN : TISSUE_LIVER; /* where two surfaces meet: a line */
    }
    case SHAPE_SPINE: {
        float level = (mm[2] + a->disc_phase + 720) / 36; /* a vertebra and its disc */
        level -= (float)(int)level;
        if (level < 0.25f) return q > 0.88f ? TISSUE_BONE : TISSUE_DISC;
        return q > 0.86f || level < 0.29f || level > 0.96f ? TISSUE_BONE : TISSUE_MARROW;
    }
    case SHAPE_GUT: {
        const float wall = 1 - 3.0f / s->e.radius[0];
        if (q > wall * wall) return TISSUE_GUT_WALL;
        return p[1] < s->detail - 1.1f ? TISSUE_GAS
                                       : TISSUE_GUT_CONTENT; /* gas rises to the front of a supine patient */
    }
    case SHAPE_RIB: return q > 0.5f ? TISSUE_BONE : TISSUE_MARROW;
    case SHAPE_FASCIA: return q > s->detail * s->detail ? TISSUE_FASCIA : TISSUE_VISCERAL_FAT;
    case SHAPE_KIDNEY: return kidney_tissue(a, s, p, q, mm);
    }
    return s->tissue;
}

static void paint_row(uint8_t *row, const struct anatomy *a, const struct shape *s, const struct plane *g,
                      float y)
{
    const struct ellipsoid *e = &s->e;
    const float most = (1 + e->rough) * (1 + e->rough), least = (1 - e->rough) * (1 - e->rough);
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
        float q = l[0] * l[0] + l[1] * l[1] + l[2] * l[2];
        if (q > least) q /= ellipsoid_surface(e, &a->noise, mm);
        if (q < 1) row[i] = (uint8_t)inner_tissue(a, s, l, q, mm);
    }
}

void anatomy_paint(uint8_t *tissue, const struct anatomy *a, const struct plane *g)
{
    paint_body(tissue, a, g);
    for (int k = 0; k < a->shapes; k++) {
        const struct shape *s = &a->shape[k];
        if (fabsf(g->z - s->e.centre[2]) > s->e.extent[2]) continue;
        int first, end;
        plane_span(&first, &end, g->ny, g->y0, g->dy, s->e.centre[1] - s->e.extent[1],
                   s->e.centre[1] + s->e.extent[1]);
        for (int j = first; j < end; j++)
            paint_row(tissue + (size_t)j * (size_t)g->nx, a, s, g, g->y0 + (float)j * g->dy);
    }
}
