#include "apps/phantom/tumour.h"

#include <math.h>
#include <string.h>

#include "tensor/base/vmath.h"

#define BIT(t) (1u << TISSUE_##t)

static const struct tumour_model models[TUMOUR_KINDS] = {
    /* name, malignant, share, women, age; diameter, spread; T1, T2, contrast */
    /* texture; necrosis, haemorrhage, fat, cystic, scar, capsule; lobulation */
    [CLEAR_CELL] = {"clear cell", 1, 509.0f / 987, 0.35f, 60, 42, 0.48f, 1350, 104, {0.85f, 0.78f},
        0.30f, 0.48f, 0.25f, 0.03f, 0.16f, 0.04f, 0.40f, 0.22f},
    [PAPILLARY] = {"papillary", 1, 118.0f / 987, 0.27f, 60, 34, 0.50f, 1050, 62, {0.18f, 0.36f},
        0.17f, 0.28f, 0.36f, 0.02f, 0.10f, 0.02f, 0.50f, 0.14f},
    [CHROMOPHOBE] = {"chromophobe", 1, 96.0f / 987, 0.45f, 57, 44, 0.50f, 1200, 78, {0.45f, 0.55f},
        0.15f, 0.12f, 0.06f, 0.01f, 0.04f, 0.18f, 0.38f, 0.14f},
    [ONCOCYTOMA] = {"oncocytoma", 0, 106.0f / 987, 0.42f, 64, 33, 0.45f, 1300, 96, {0.78f, 0.66f},
        0.15f, 0.06f, 0.05f, 0.01f, 0.02f, 0.36f, 0.36f, 0.11f},
    [ANGIOMYOLIPOMA] = {"angiomyolipoma", 0, 104.0f / 987, 0.78f, 51, 27, 0.50f, 1000, 58, {0.62f, 0.50f},
        0.16f, 0.04f, 0.10f, 0.55f, 0.02f, 0.01f, 0.03f, 0.15f},
    [BENIGN_CYST] = {"complex cyst", 0, 54.0f / 987, 0.42f, 57, 33, 0.45f, 1250, 85, {0.35f, 0.40f},
        0.14f, 0.02f, 0.25f, 0, 1, 0, 0.80f, 0.08f},
};

const struct tumour_model *tumour_model(enum tumour_kind k)
{
    return &models[k];
}

float tumour_separation(float difficulty)
{
    return 2.3f - 0.75f * difficulty;
}

/* ---- parameters of one tumour -------------------------------------------------------------------------- */

struct traits { /* what the difficulty pulls together */
    float log_diameter, log_t1, log_t2, log_contrast, log_texture;
    float necrosis, haemorrhage, fat, cystic, scar, capsule, lobulation;
};
enum { TRAITS = sizeof(struct traits) / sizeof(float) };

static struct traits kind_traits(const struct tumour_model *m, float phase)
{
    return (struct traits){vmath_log(m->diameter),
                           vmath_log(m->t1),
                           vmath_log(m->t2),
                           vmath_log(m->contrast[0] + phase * (m->contrast[1] - m->contrast[0])),
                           vmath_log(m->texture),
                           m->necrosis,
                           m->haemorrhage,
                           m->fat,
                           m->cystic,
                           m->scar,
                           m->capsule,
                           m->lobulation};
}

static struct traits pulled_traits(enum tumour_kind k, float phase, float separation)
{
    float mean[TRAITS] = {0}, own[TRAITS], each[TRAITS];
    for (int i = 0; i < TUMOUR_KINDS; i++) {
        const struct traits t = kind_traits(&models[i], phase);
        memcpy(each, &t, sizeof each);
        if (i == (int)k) memcpy(own, &t, sizeof own);
        for (int j = 0; j < TRAITS; j++) mean[j] += models[i].share * each[j];
    }
    for (int j = 0; j < TRAITS; j++) own[j] = mean[j] + separation * (own[j] - mean[j]);
    struct traits t;
    memcpy(&t, own, sizeof t);
    return t;
}

static float cut_normal(struct rng *rng)
{
    const float n = rng_normal(rng);
    return n > 2.5f ? 2.5f : n < -2.5f ? -2.5f : n;
}

/* A share in [lo, hi) with this chance, else 0; draws the same count of numbers either way. */
static float by_chance(struct rng *rng, float chance, float lo, float hi)
{
    const float u = rng_float(rng), share = rng_range(rng, lo, hi);
    return u < chance ? share : 0;
}

/* At the kidney's surface but not in the hilum; the centre inside (endophytic) or outside of it (exophytic).
 * Large ones have to grow away from the spine and the wall: to the front and the poles. */
static void place(struct tumour *t, const struct anatomy *a, float lobulation, struct rng *rng)
{
    const struct ellipsoid *k = &a->shape[a->kidney[t->side]].e;
    const float r = 0.5f * t->drawn_mm, large = r > 40 ? 1 : r / 40;
    const float to_front = t->side ? 1.0f : -1.0f; /* a left kidney's second axis points to the front */
    const float lateral = rng_range(rng, -1, 0.35f - 0.5f * large), front = rng_range(rng, -1, 1),
                up = rng_range(rng, -1.2f, 1.2f);
    float d[3] = {lateral, front, up};
    d[1] += to_front * 1.2f * large;
    const float length = sqrtf(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]) + 1e-6f;
    const float out =
        rng_range(rng, -0.65f, 0.30f + 0.25f * large); /* of the tumour's radius, from the surface outwards */
    float normal[3] = {0}, surface[3], square = 0, centre[3], turns[3], radius[3];
    for (int j = 0; j < 3; j++) {
        surface[j] = k->centre[j];
        for (int i = 0; i < 3; i++) {
            surface[j] += k->axis[i][j] * k->radius[i] * d[i] / length;
            normal[j] += k->axis[i][j] / k->radius[i] * d[i] / length;
        }
        square += normal[j] * normal[j];
    }
    for (int j = 0; j < 3; j++) {
        centre[j] = surface[j] + out * r * normal[j] / sqrtf(square);
        turns[j] = rng_float(rng);
        radius[j] = r * rng_range(rng, 0.86f, 1.16f);
    }
    ellipsoid_set(&t->e, centre, radius, turns, lobulation, r < 16 ? 11 : 0.7f * r, rng_range(rng, 0, 16));
}

/* Larger tumours have higher grades (Frank et al., J Urol 2003). */
static int draw_grade(enum tumour_kind k, float diameter, float u)
{
    if (k != CLEAR_CELL && k != PAPILLARY) return 0;
    u += 0.004f * (diameter - 40);
    return u < 0.12f ? 1 : u < 0.62f ? 2 : u < 0.92f ? 3 : 4;
}

static float limited(float x, float lo, float hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

void tumour_draw(struct tumour *t, enum tumour_kind k, const struct anatomy *a, const struct material *cortex,
                 int tesla3, float phase, float difficulty, struct rng *rng)
{
    const struct traits m = pulled_traits(k, phase, tumour_separation(difficulty));
    const float wide = 0.7f + 0.3f * difficulty;
    memset(t, 0, sizeof *t);
    t->kind = k;
    t->body = a;
    t->tesla3 = tesla3;
    t->side = (int)rng_below(rng, 2);
    const float easy = difficulty < 1 ? 0.35f * (1 - difficulty)
                                      : 0; /* what is larger is easier to find: 1.4 times the diameter at 0 */
    t->drawn_mm = limited(vmath_exp(m.log_diameter + easy + models[k].spread * cut_normal(rng)), 12, 105);
    t->grade = draw_grade(k, t->drawn_mm, rng_float(rng));
    place(t, a, limited(m.lobulation + 0.05f * cut_normal(rng), 0.03f, 0.4f), rng);

    /* 3 T lengthens T1 and shortens T2 of the kidney by these factors (de Bazelaire); tumours are taken to
     * follow. */
    t->solid.t1 = vmath_exp(m.log_t1 + 0.14f * wide * cut_normal(rng)) * (tesla3 ? 1.15f : 1);
    t->solid.t2 = vmath_exp(m.log_t2 + 0.18f * wide * cut_normal(rng)) * (tesla3 ? 0.9f : 1);
    t->solid.contrast = vmath_exp(m.log_contrast + 0.26f * wide * cut_normal(rng)) * cortex->contrast;
    t->solid.pd = 0.87f;
    t->solid.fat =
        k == CLEAR_CELL || k == ANGIOMYOLIPOMA ? rng_range(rng, 0, 0.08f) : rng_range(rng, 0, 0.02f);
    /* Some tumours look like the kidney that they grow in. */
    t->isointense = rng_float(rng) < 0.15f * difficulty;
    if (t->isointense) {
        t->solid.t1 += 0.75f * (cortex->t1 - t->solid.t1);
        t->solid.t2 += 0.75f * (cortex->t2 - t->solid.t2);
        t->solid.contrast += 0.75f * (0.9f * cortex->contrast - t->solid.contrast);
    }
    const float large = limited(t->drawn_mm / 45, 0.4f, 1.6f), high = t->grade > 2 ? 1.4f : 1;
    t->texture = vmath_exp(m.log_texture + 0.35f * cut_normal(rng));
    t->texture_scale = rng_range(rng, 6, 12);
    t->necrosis = by_chance(rng, m.necrosis * large * high, 0.05f, 0.5f);
    t->haemorrhage = by_chance(rng, m.haemorrhage * large, 0.04f, 0.3f);
    t->fat = by_chance(rng, m.fat, 0.08f, 0.8f);
    t->cystic = by_chance(rng, m.cystic, 0.35f, 0.95f);
    t->scar = by_chance(rng, m.scar * large, 0.25f, 0.45f);
    t->capsule = by_chance(rng, m.capsule, 1, 2.5f);
    t->septa = rng_range(rng, 0.015f, 0.06f);
}

/* ---- space --------------------------------------------------------------------------------------------- */

void tumour_paint(uint8_t *tissue, const struct tumour *t, const struct plane *g)
{
    const struct ellipsoid *e = &t->e;
    /* Soft neighbours give way. So do vessels and muscle close to the kidney, where they are renal vessels
     * and the psoas; the great vessels and the wall, of the same tissue, do not. */
    const uint32_t over = BIT(VISCERAL_FAT) | BIT(FASCIA) | BIT(CORTEX) | BIT(MEDULLA) | BIT(URINE) |
                          BIT(CYST) | BIT(GUT_WALL) | BIT(GUT_CONTENT) | BIT(GAS) | BIT(PANCREAS) |
                          BIT(LIVER) | BIT(SPLEEN) | BIT(BILE);
    const uint32_t over_near = over | BIT(VEIN) | BIT(ARTERY) | BIT(MUSCLE);
    const struct ellipsoid *k = &t->body->shape[t->body->kidney[t->side]].e;
    int x0, x1, y0, y1;
    if (fabsf(g->z - e->centre[2]) > e->extent[2]) return;
    plane_span(&x0, &x1, g->nx, g->x0, g->dx, e->centre[0] - e->extent[0], e->centre[0] + e->extent[0]);
    plane_span(&y0, &y1, g->ny, g->y0, g->dy, e->centre[1] - e->extent[1], e->centre[1] + e->extent[1]);
    for (int j = y0; j < y1; j++)
        for (int i = x0; i < x1; i++) {
            const float mm[3] = {g->x0 + (float)i * g->dx, g->y0 + (float)j * g->dy, g->z};
            float local[3];
            const float q = ellipsoid_local(local, e, mm);
            if (q > (1 + e->rough) * (1 + e->rough)) continue;
            uint8_t *v = &tissue[(size_t)j * (size_t)g->nx + (size_t)i];
            const int near_kidney = ellipsoid_local(local, k, mm) < 1.9f;
            if (((near_kidney ? over_near : over) >> *v & 1) && q < ellipsoid_surface(e, &t->body->noise, mm))
                *v = TISSUE_TUMOUR;
        }
}

/* A field of the texture's distribution is above this value in about `share` of space. */
static float threshold(float share)
{
    return 0.5f * (1 - 2 * share);
}

struct material tumour_material(const struct tumour *t, const float mm[3])
{
    const struct lattice *l = &t->body->noise;
    const float o = t->e.rough_offset, r0 = 0.5f * t->drawn_mm;
    float local[3];
    const float q = ellipsoid_local(local, &t->e, mm) / ellipsoid_surface(&t->e, l, mm), r = sqrtf(q);
    struct material m = t->solid;
    const float f = t->tesla3 ? 1.1f : 1;
    if (t->capsule > 0 && (1 - r) * r0 < t->capsule)
        return (struct material){1000 * f, 42, 0.75f, 0.35f * m.contrast, 0};
    if (t->cystic > 0) {
        const float septum = lattice_texture(l, mm, 0.45f * r0 + 4, o + 1);
        if ((1 - r) * r0 > 2.5f && septum < threshold(1 - t->cystic) && fabsf(septum) > t->septa) {
            /* old blood and protein shorten both times */
            const float stale = t->haemorrhage > 0 ? 1 : 0;
            return (struct material){2600 - 1900 * stale, 600 - 480 * stale, 1, 0, 0};
        }
    }
    if (t->fat > 0 && lattice_texture(l, mm, 0.5f * r0 + 3, o + 2) > threshold(t->fat))
        return (struct material){900 * f, 60, 0.85f, 0.5f * m.contrast, 0.85f};
    if (t->scar > 0 && r < t->scar + 0.9f * lattice_texture(l, mm, 0.3f * r0 + 2, o + 3))
        return (struct material){1500 * f, 110, 0.85f, 0.25f * m.contrast, 0};
    if (t->necrosis > 0 &&
        lattice_texture(l, mm, 0.5f * r0 + 3, o + 4) + 0.25f * (0.6f - r) > threshold(t->necrosis))
        return (struct material){1900 * f, 190, 0.93f, 0.04f * m.contrast, 0};
    if (t->haemorrhage > 0 && lattice_texture(l, mm, 0.4f * r0 + 3, o + 6) > threshold(t->haemorrhage))
        return (struct material){560 * f, 48, 0.88f, 0.1f * m.contrast, 0};
    /* A texture field has a standard deviation of 0.28: log T2 varies by 0.9 and log concentration by 1.1
     * times `texture`. */
    m.t2 *= vmath_exp(3.2f * t->texture * lattice_texture(l, mm, t->texture_scale, o + 7));
    m.contrast *= vmath_exp(4 * t->texture * lattice_texture(l, mm, t->texture_scale, o + 9));
    return m;
}
