/* body.c - draws a body: which shapes it has, where they lie and how large they are. */
#include "apps/phantom/anatomy.h"

#include <math.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/vmath.h"

#define BIT(t) (1u << TISSUE_##t)
#define OVER_FAT (BIT(VISCERAL_FAT))
#define OVER_SOFT                                                                                            \
    (BIT(VISCERAL_FAT) | BIT(LIVER) | BIT(SPLEEN) | BIT(PANCREAS) | BIT(GUT_WALL) | BIT(GUT_CONTENT) |       \
     BIT(STOOL) | BIT(GAS) | BIT(BILE))
#define OVER_BACK (BIT(VISCERAL_FAT) | BIT(FAT) | BIT(MUSCLE))
#define OVER_KIDNEY (BIT(CORTEX) | BIT(MEDULLA) | BIT(URINE) | BIT(VISCERAL_FAT))

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
    s->detail = s->lobule = 0;
    s->soft = 0;
    ellipsoid_set(&s->e, centre, radius, turns, rough, scale, rng_range(rng, 0, 16));
    return s;
}

static void set_lobule(struct shape *s, float lobule)
{
    s->lobule = lobule;
    for (int j = 0; j < 3; j++) s->e.extent[j] *= 1 + lobule;
}

/* Years beyond `from`. */
static float years(const struct patient *p, float from)
{
    return p->age > from ? p->age - from : 0;
}

#define V3(x, y, z) ((const float[3]){(x), (y), (z)})
#define NO_TURN V3(0, 0, 0)

/* Vertebrae, discs and canal; psoas, quadratus lumborum and the erectors of the spine. Women have thinner
 * muscles, and everybody's become thinner from 50 on. */
static void add_spine(struct anatomy *a, const struct patient *p, float back, struct rng *rng)
{
    const float s = p->size, y = back - 72 * s;
    const float muscle = (p->female ? 0.9f : 1.02f) * (1 - 0.004f * years(p, 50));
    add(a, SHAPE_SOLID, TISSUE_MUSCLE, OVER_BACK, V3(-36 * s, back - 27 * s, 0), V3(38 * s, 19 * s, 0),
        NO_TURN, 0.12f, 30, rng);
    add(a, SHAPE_SOLID, TISSUE_MUSCLE, OVER_BACK, V3(36 * s, back - 27 * s, 0), V3(38 * s, 19 * s, 0),
        NO_TURN, 0.12f, 30, rng);
    for (int side = -1; side <= 1; side += 2) {
        const float m = (float)side;
        add(a, SHAPE_SOLID, TISSUE_MUSCLE, OVER_BACK, V3(m * 72 * s, back - 36 * s, -45),
            V3(22 * s * muscle, 9 * s * muscle, 75), NO_TURN, 0.1f, 30, rng);
        /* psoas: thin under the diaphragm, thick below, away from the spine downwards */
        add(a, SHAPE_SOLID, TISSUE_MUSCLE, OVER_BACK, V3(m * 37 * s, y + 6 * s, -75),
            V3(20 * s * muscle, 22 * s * muscle, 125), V3(0, -m * 0.02f, 0), 0.08f, 40, rng);
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

/* A loop of small bowel: fluid or thicker content, gas by chance. */
static struct shape *add_gut(struct anatomy *a, float x, float y, float z, float r, float length,
                             struct rng *rng)
{
    const float flat = rng_range(rng, 0.8f, 1.1f), about_x = rng_range(rng, -0.12f, 0.12f),
                about_y = rng_range(rng, -0.12f, 0.12f), gas = rng_range(rng, -0.2f, 0.9f),
                fluid = rng_float(rng);
    struct shape *g = add(a, SHAPE_GUT, fluid < 0.25f ? TISSUE_GUT_FLUID : TISSUE_GUT_CONTENT, OVER_FAT,
                          V3(x, y, z), V3(r, r * flat, length), V3(about_x, about_y, 0), 0.25f, 18, rng);
    g->detail = gas;
    g->soft = 1;
    return g;
}

/* A piece of colon: wide, with haustra, stool and more gas. */
static void add_colon(struct anatomy *a, float x, float y, float z, float r, float length, int across,
                      struct rng *rng)
{
    const float flat = rng_range(rng, 0.85f, 1.1f), tilt = rng_range(rng, -0.03f, 0.03f),
                gas = rng_range(rng, 0, 1.4f), stool = rng_float(rng);
    struct shape *g = add(a, SHAPE_COLON, stool < 0.7f ? TISSUE_STOOL : TISSUE_GUT_CONTENT, OVER_FAT,
                          V3(x, y, z), across ? V3(length, r * flat, r) : V3(r, r * flat, length),
                          across ? V3(0, tilt, 0) : V3(tilt, tilt, 0), 0.18f, 22, rng);
    g->detail = gas;
    g->soft = 1;
    set_lobule(g, 0.12f);
}

/* Stomach; ascending, transverse and descending colon with both flexures; then loops of small bowel where
 * there is room. */
static void add_bowel(struct anatomy *a, float s, float w, float f, struct rng *rng)
{
    const float stomach = draw(rng, 58, 8), width = draw(rng, 1, 0.18f), transverse = draw(rng, -8, 14);
    add_gut(a, 0.45f * w, -0.40f * f, stomach, 34 * s, 42, rng);
    add_colon(a, -0.80f * w, -2, -70, 23 * s * width, 58, 0, rng);
    add_colon(a, -0.66f * w, -0.35f * f, -12, 19 * s * width, 30, 1, rng);
    add_colon(a, 0.05f * w, -0.72f * f, transverse, 17 * s * width, 95 * s, 1, rng);
    add_colon(a, 0.72f * w, -0.12f * f, 22, 17 * s * width, 26, 1, rng);
    add_colon(a, 0.82f * w, 8, -50, 16 * s * width, 75, 0, rng);
    for (int i = 0; i < 26; i++) {
        const float x = rng_range(rng, -0.8f, 0.8f) * w, y = rng_range(rng, -0.85f, -0.1f) * f,
                    z = rng_range(rng, -110, 35);
        const float r = rng_range(rng, 11, 19), length = rng_range(rng, 20, 45);
        add_gut(a, x, y, z, r, length, rng);
    }
}

/* Vessels: the square of a field's distance from zero below which a line is drawn. */
static struct shape *soften(struct shape *s, float vessels)
{
    s->soft = 1;
    s->detail = vessels;
    return s;
}

static void add_organs(struct anatomy *a, const struct patient *p, struct rng *rng)
{
    const float s = p->size;
    const float w = a->half_width - a->fat_side - a->wall, f = a->half_front - a->fat_front - a->wall;
    const float liver = draw(rng, 1, 0.08f) * s, right = draw(rng, 62, 10), left = draw(rng, 78, 8);
    soften(add(a, SHAPE_LIVER, TISSUE_LIVER, OVER_FAT, V3(-0.60f * w, -0.10f * f, right),
               V3(0.62f * w, 0.95f * f, 88 * liver), V3(0.02f, 0.03f, 0.03f), 0.16f, 45, rng),
           0.005f);
    soften(add(a, SHAPE_LIVER, TISSUE_LIVER, OVER_FAT, V3(0.02f * w, -0.55f * f, left),
               V3(0.5f * w, 0.36f * f, 48 * liver), V3(0, 0.05f, 0.02f), 0.14f, 35, rng),
           0.005f);
    const float spleen_y = draw(rng, 22, 5), spleen_z = draw(rng, 52, 9),
                spleen = draw(rng, 54, 7) * s * (1 - 0.004f * years(p, 50));
    soften(add(a, SHAPE_LIVER, TISSUE_SPLEEN, OVER_FAT, V3(0.80f * w, spleen_y, spleen_z),
               V3(27 * s, 46 * s, spleen), V3(0.03f, 0.04f, -0.05f), 0.14f, 35, rng),
           0.002f);
    const float bladder = draw(rng, 12, 8), pancreas = draw(rng, 26, 8);
    if (rng_float(rng) < 0.85f) /* the others have lost their gall bladder */
        soften(add(a, SHAPE_SOLID, TISSUE_BILE, BIT(VISCERAL_FAT) | BIT(LIVER),
                   V3(-0.42f * w, -0.55f * f, bladder), V3(14, 15, 30), V3(0.05f, 0.04f, 0), 0.1f, 20, rng),
               0);
    soften(add(a, SHAPE_SOLID, TISSUE_PANCREAS, OVER_FAT, V3(10, -0.18f * f, pancreas),
               V3(58 * s, 12 * s, 15), V3(0, -0.06f, -0.04f), 0.3f, 15, rng),
           0);
    add_bowel(a, s, w, f, rng);
}

/* The aorta widens with age and is narrower in women. */
static void add_vessels(struct anatomy *a, const struct patient *p, float back, struct rng *rng)
{
    const float s = p->size, y = back - 72 * s - 17 * s,
                aorta = 9.5f * s * (1 + 0.005f * (p->age - 55)) * (p->female ? 0.93f : 1.02f);
    const uint32_t over = OVER_SOFT | BIT(MUSCLE);
    add(a, SHAPE_SOLID, TISSUE_ARTERY, over, V3(9 * s, y - 11 * s, 0), V3(aorta, aorta, 0), NO_TURN,
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
    soften(add(a, SHAPE_SOLID, i ? TISSUE_ARTERY : TISSUE_VEIN,
               BIT(VISCERAL_FAT) | BIT(FASCIA) | BIT(GUT_WALL), middle, V3(0.5f * length, r, r),
               V3(0, 0, turn), 0.1f, 12, rng),
           0);
}

/* Length and volume: Cheong et al., CJASN 2007 (MR: 12.4 and 11.6 cm, 202 and 154 ml in men and women); the
 * left one is a little longer (Emamian et al., AJR 1993). From 50 on they lose volume. Some keep the lobules
 * of childhood. The upper poles lean to the spine and back; the hilum looks forwards. side: -1 right, 1
 * left. */
static void add_kidney(struct anatomy *a, int side, const struct patient *p, float both, float back,
                       struct rng *rng)
{
    const float s = p->size, m = (float)side,
                shrink = (both + draw(rng, 0, 0.03f)) * s * (1 - 0.0025f * years(p, 50));
    const float width = draw(rng, 32.5f, 2) * shrink, thick = draw(rng, 27, 1.8f) * shrink,
                lateral = draw(rng, 68, 4) * s;
    const float before = draw(rng, 66, 4) * s, high = draw(rng, m * 9, 6);
    const float lean_back = draw(rng, m * 0.025f, 0.01f), lean_in = draw(rng, 0.045f, 0.012f),
                hilum = draw(rng, m * 0.08f, 0.02f);
    const float radius[3] = {width, thick, (side < 0 ? 60 : 61.5f) * shrink},
                centre[3] = {m * lateral, back - before, high};
    /* The unit x axis points to the hilum: to the patient's left for the right kidney, half a turn from there
     * for the left one. */
    const float turns[3] = {lean_back, lean_in, (side < 0 ? 0 : 0.5f) + hilum};
    const float room = draw(rng, 11, 3) * (a->fat_inside / 16), lobes = rng_float(rng),
                lobe = rng_range(rng, 0.02f, 0.06f), rough = rng_range(rng, 0.07f, 0.14f);
    float around[3], fascia[3];
    for (int i = 0; i < 3; i++) {
        around[i] = radius[i] + (room < 4 ? 4 : room > 26 ? 26 : room) * (i == 1 ? 0.7f : 1);
        fascia[i] = around[i] + 1.5f;
    }
    struct shape *f =
        add(a, SHAPE_FASCIA, TISSUE_VISCERAL_FAT, OVER_SOFT, centre, fascia, turns, 0.15f, 40, rng);
    soften(f, 1 - 2.0f / fascia[0]);
    a->kidney[side > 0] = a->shapes;
    struct shape *k = add(a, SHAPE_KIDNEY, TISSUE_CORTEX, OVER_SOFT | BIT(FASCIA) | BIT(MUSCLE), centre,
                          radius, turns, rough, 26, rng);
    soften(k, draw(rng, 8, 1) / 26);
    set_lobule(k, lobes < 0.3f ? lobe : 0.01f);
    for (int i = 0; i < 2; i++) add_renal_vessel(a, i, m, centre, s, back, rng);
}

/* Simple cysts: one at least in a tenth of people of 40 and a third of those of 70, more often in men.
 * Ultrasound finds 2 % of those of 30 to 49, 12 % to 70 and 22 % above (Ravine et al., Am J Kidney Dis 1993);
 * MR sees smaller ones. One in thirty has many, in both kidneys. Some bulge out of the kidney. */
static void add_cysts(struct anatomy *a, const struct patient *p, struct rng *rng)
{
    const float chance = 0.003f * (p->age - 28) * (p->female ? 0.8f : 1.15f);
    const int many = rng_float(rng) < 0.033f;
    for (int i = 0; i < 12; i++) {
        const int side = (int)rng_below(rng, 2);
        const float along = rng_range(rng, -0.85f, 0.85f), out = rng_range(rng, -1.1f, -0.3f),
                    across = rng_range(rng, -0.6f, 0.6f);
        const float r = rng_range(rng, 4, 14), wide = rng_float(rng), u = rng_float(rng);
        if (many ? u > 0.8f : i >= 3 || u >= chance) continue;
        const struct ellipsoid *k = &a->shape[a->kidney[side]].e;
        const float radius = wide < 0.12f ? 1.8f * r : r;
        float c[3];
        for (int j = 0; j < 3; j++)
            c[j] = k->centre[j] + k->axis[0][j] * k->radius[0] * out + k->axis[1][j] * k->radius[1] * across +
                   k->axis[2][j] * k->radius[2] * along;
        soften(add(a, SHAPE_SOLID, TISSUE_CYST, OVER_KIDNEY | BIT(FASCIA), c, V3(radius, radius, radius),
                   NO_TURN, 0.05f, 20, rng),
               0);
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

/* Women carry more fat under the skin, men more inside; what is inside grows with age. */
static void draw_trunk(struct anatomy *a, const struct patient *p, struct rng *rng)
{
    const float s = p->size, inside = p->fat * (p->female ? 0.8f : 1.1f) * (1 + 0.006f * (p->age - 55));
    a->fat_back = 16 * p->fat;
    a->fat_side = 13 * p->fat;
    a->fat_front = 18 * p->fat;
    a->fat_inside = 16 * inside;
    a->wall = draw(rng, p->female ? 11 : 13.5f, 1.5f);
    const float belly = 8 * (inside - 1); /* it widens the belly too */
    a->half_width = draw(rng, 124, 4) * s + a->wall + a->fat_side + belly;
    a->half_front = draw(rng, 70, 5) * s + a->wall + a->fat_front + 1.5f * belly;
    a->half_back = draw(rng, 80, 3) * s + a->wall + a->fat_back;
    a->body_square = rng_range(rng, 0.35f, 0.7f);
}

void anatomy_draw(struct anatomy *a, const struct patient *p, struct rng *rng)
{
    a->shapes = a->simple_cysts = 0;
    lattice_fill(&a->noise, rng);
    draw_trunk(a, p, rng);
    const float back = a->half_back - a->fat_back;
    add_spine(a, p, back, rng);
    add_ribs(a, rng);
    add_organs(a, p, rng);
    add_vessels(a, p, back, rng);
    draw_pyramids(a, rng);
    const float both = draw(rng, 1, 0.055f), sinus = draw(rng, 1, 0.12f) + 0.007f * (p->age - 55);
    a->sinus = sinus < 0.6f ? 0.6f : sinus > 1.4f ? 1.4f : sinus;
    add_kidney(a, -1, p, both, back, rng);
    add_kidney(a, 1, p, both, back, rng);
    add_cysts(a, p, rng);
}
