/* tumour.c - where a tumour grows, how large, and what it looks like inside. */
#include "apps/phantom/tumour.h"

#include <math.h>
#include <string.h>

#include "tensor/base/vmath.h"

#define BIT(t) (1u << TISSUE_##t)

/* Two surfaces closer than this share of the radius are joined by a fillet (the polynomial smooth
 * maximum). */
static const float BLEND = 0.2f;

static const struct tumour_model models[TUMOUR_KINDS] = {
    /* name, malignant, share, women, age; diameter, spread; T1, T2, contrast */
    /* texture; necrosis, haemorrhage, fat, cystic, scar, capsule; lobulation, multifocal */
    [CLEAR_CELL] = {"clear cell", 1, 509.0f / 987, 0.35f, 60, 46, 0.60f, 1350, 104, {0.85f, 0.78f},
        0.30f, 0.48f, 0.25f, 0.03f, 0.16f, 0.04f, 0.40f, 0.22f, 0.015f},
    [PAPILLARY] = {"papillary", 1, 118.0f / 987, 0.27f, 60, 41, 0.60f, 1050, 62, {0.18f, 0.36f},
        0.17f, 0.28f, 0.36f, 0.02f, 0.10f, 0.02f, 0.50f, 0.17f, 0.04f},
    [CHROMOPHOBE] = {"chromophobe", 1, 96.0f / 987, 0.45f, 57, 48, 0.60f, 1200, 78, {0.45f, 0.55f},
        0.15f, 0.12f, 0.06f, 0.01f, 0.04f, 0.18f, 0.38f, 0.17f, 0.01f},
    [ONCOCYTOMA] = {"oncocytoma", 0, 106.0f / 987, 0.42f, 64, 34.5f, 0.55f, 1300, 96, {0.78f, 0.66f},
        0.15f, 0.06f, 0.05f, 0.01f, 0.02f, 0.36f, 0.36f, 0.15f, 0.025f},
    [ANGIOMYOLIPOMA] = {"angiomyolipoma", 0, 104.0f / 987, 0.78f, 51, 30.5f, 0.58f, 1000, 58, {0.62f, 0.50f},
        0.16f, 0.04f, 0.10f, 0.55f, 0.02f, 0.01f, 0.03f, 0.20f, 0.025f},
    [BENIGN_CYST] = {"complex cyst", 0, 54.0f / 987, 0.42f, 57, 34.5f, 0.55f, 1250, 85, {0.35f, 0.40f},
        0.14f, 0.02f, 0.25f, 0, 1, 0, 0.80f, 0.12f, 0.01f},
};

const struct tumour_model *tumour_model(enum tumour_kind k)
{
    return &models[k];
}

float tumour_separation(float difficulty)
{
    return difficulty < 1 ? 1.6f - 0.05f * difficulty : 2.3f - 0.75f * difficulty;
}

/* ---- parameters of one tumour -------------------------------------------------------------------------- */

struct traits { /* what the difficulty pulls together */
    float log_t1, log_t2, log_contrast, log_texture;
    float necrosis, haemorrhage, fat, cystic, scar, capsule, lobulation;
};
enum { TRAITS = sizeof(struct traits) / sizeof(float) };

static struct traits kind_traits(const struct tumour_model *m, float phase)
{
    return (struct traits){vmath_log(m->t1),
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
static void place(struct tumour *t, const struct anatomy *a, float r, float lobulation, struct rng *rng)
{
    const struct ellipsoid *k = &a->shape[a->kidney[t->side]].e;
    const float large = r > 40 ? 1 : r / 40;
    const float to_front = t->side ? 1.0f : -1.0f; /* a left kidney's second axis points to the front */
    const float lateral = rng_range(rng, -1, 0.35f - 0.5f * large), front = rng_range(rng, -1, 1),
                up = rng_range(rng, -1.2f, 1.2f);
    float d[3] = {lateral, front, up};
    d[1] += to_front * 1.2f * large;
    const float length = sqrtf(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]) + 1e-6f;
    /* of the tumour's radius, from the surface outwards */
    const float out = rng_range(rng, -0.80f, 0.45f + 0.10f * large);
    float normal[3] = {0}, surface[3], square = 0, centre[3], turns[3], radius[3], mean = 1;
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
        radius[j] = vmath_exp(0.12f * cut_normal(rng));
        mean *= radius[j];
    }
    mean = vmath_exp(vmath_log(mean) / 3);
    for (int j = 0; j < 3; j++) radius[j] *= r / mean;
    ellipsoid_set(&t->growth.e, centre, radius, turns, 0.75f * lobulation, r < 16 ? 11 : 0.7f * r,
                  rng_range(rng, 0, 16));
    t->growth.keep = rng_range(rng, 0.05f, 0.25f);
}

/* Balls that stick out of the main ellipsoid; more of them where the kind is lobulated and the tumour
 * large. */
static void draw_lobes(struct tumour *t, float expected, struct rng *rng)
{
    float most = 1;
    for (int i = 0; i < LOBES_MAX; i++) {
        struct lobe *l = &t->lobe[t->lobes];
        float square = 0;
        for (int j = 0; j < 3; j++) {
            l->centre[j] = rng_normal(rng);
            square += l->centre[j] * l->centre[j];
        }
        l->radius = rng_range(rng, 0.3f, 0.62f);
        const float out = rng_range(rng, 0.7f, 1.05f) / sqrtf(square + 1e-6f), u = rng_float(rng);
        for (int j = 0; j < 3; j++) l->centre[j] *= out;
        if (u * LOBES_MAX >= expected) continue;
        t->lobes++;
    }
    for (int i = 0; i < t->lobes; i++) {
        const float *c = t->lobe[i].centre;
        const float reach = sqrtf(c[0] * c[0] + c[1] * c[1] + c[2] * c[2]) + t->lobe[i].radius;
        most = reach > most ? reach : most;
    }
    for (int j = 0; j < 3; j++) t->extent[j] = t->growth.e.extent[j] * (most + BLEND / 4);
}

/* Small balls elsewhere in a kidney, half of them in the other one. */
static void draw_foci(struct tumour *t, const struct anatomy *a, float chance, struct rng *rng)
{
    for (int i = 0; i < FOCI_MAX; i++) {
        const float u = rng_float(rng), other = rng_float(rng), r = rng_range(rng, 5, 12);
        const struct ellipsoid *k = &a->shape[a->kidney[other < 0.5f ? t->side : !t->side]].e;
        const float along = rng_range(rng, -0.85f, 0.85f), out = rng_range(rng, -1.05f, -0.7f),
                    across = rng_range(rng, -0.5f, 0.5f), offset = rng_range(rng, 0, 16);
        float c[3];
        for (int j = 0; j < 3; j++)
            c[j] = k->centre[j] + k->axis[0][j] * k->radius[0] * out + k->axis[1][j] * k->radius[1] * across +
                   k->axis[2][j] * k->radius[2] * along;
        if (u >= (i ? 0.3f * chance : chance)) continue;
        ellipsoid_set(&t->focus[t->foci++], c, (const float[3]){r, r, r}, (const float[3]){0, 0, 0}, 0.1f, 12,
                      offset);
    }
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
    const float wide = 0.85f + 0.15f * difficulty;
    memset(t, 0, sizeof *t);
    t->kind = k;
    t->body = a;
    t->tesla3 = tesla3;
    t->side = (int)rng_below(rng, 2);
    /* what is larger is easier to find: 1.2 times the diameter at 0 */
    const float easy = difficulty < 1 ? 0.2f * (1 - difficulty) : 0;
    t->drawn_mm = limited(
        vmath_exp(vmath_log(models[k].diameter) + easy + models[k].spread * cut_normal(rng)), 12, 140);
    t->grade = draw_grade(k, t->drawn_mm, rng_float(rng));
    const float lobulation = limited(m.lobulation + 0.06f * cut_normal(rng), 0.03f, 0.4f),
                expected = 14 * lobulation * limited(0.6f + t->drawn_mm / 100, 0.7f, 1.5f);
    /* lobes add about a tenth of the volume each */
    place(t, a, 0.5f * t->drawn_mm * (1 - 0.025f * limited(expected, 0, LOBES_MAX)), lobulation, rng);
    draw_lobes(t, expected, rng);
    draw_foci(t, a, models[k].multifocal, rng);

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

/* How deep a point lies in the main part and its lobes, joined without edges, in radii: positive inside. */
static float main_depth(const struct tumour *t, const float mm[3])
{
    const struct ellipsoid *e = &t->growth.e;
    float u[3], depth;
    const float q = ellipsoid_local(u, e, mm);
    if (q > 6) return -1;
    depth = 1 - sqrtf(q);
    for (int i = 0; i < t->lobes; i++) {
        const struct lobe *l = &t->lobe[i];
        const float x = u[0] - l->centre[0], y = u[1] - l->centre[1], z = u[2] - l->centre[2];
        const float own = l->radius - sqrtf(x * x + y * y + z * z), gap = fabsf(depth - own);
        depth = depth > own ? depth : own;
        if (gap < BLEND) depth += (BLEND - gap) * (BLEND - gap) / (4 * BLEND);
    }
    if (fabsf(depth) > 1.2f * e->rough) return depth;
    return depth + e->rough * lattice_texture(&t->body->noise, mm, e->rough_scale, e->rough_offset);
}

/* The same with the other foci; *radius: in mm, of the part that the point is in. */
static float tumour_depth(float *radius, const struct tumour *t, const float mm[3])
{
    float depth = main_depth(t, mm);
    *radius = 0.5f * t->drawn_mm;
    for (int i = 0; i < t->foci && depth <= 0; i++) {
        float u[3];
        const float q = ellipsoid_local(u, &t->focus[i], mm);
        if (q >= 1.3f) continue;
        depth = 1 - sqrtf(q / ellipsoid_surface(&t->focus[i], &t->body->noise, mm));
        *radius = t->focus[i].radius[0];
    }
    return depth;
}

/* In the column of vertebrae and psoas, an oval, or behind it on the other side: a large tumour crosses the
 * midline in front of the great vessels only, else it would come out behind the spine in pieces. */
static int is_paraspinal(const struct tumour *t, const float mm[3])
{
    const float lateral = t->side ? mm[0] : -mm[0], back = t->body->half_back - t->body->fat_back,
                x = mm[0] / 48, y = (mm[1] - (back - 52)) / 44;
    return x * x + y * y < 1 || (lateral < 10 && mm[1] > back - 85);
}

/* Soft neighbours give way. So do vessels away from the midline and muscle close to the kidney, where it is
 * the psoas; the great vessels and the wall, of the same tissue, do not. */
static void paint_box(uint8_t *tissue, const struct tumour *t, const struct plane *g, const float centre[3],
                      const float extent[3])
{
    const uint32_t over = BIT(VISCERAL_FAT) | BIT(FASCIA) | BIT(CORTEX) | BIT(MEDULLA) | BIT(URINE) |
                          BIT(CYST) | BIT(GUT_WALL) | BIT(GUT_CONTENT) | BIT(GUT_FLUID) | BIT(STOOL) |
                          BIT(GAS) | BIT(PANCREAS) | BIT(LIVER) | BIT(SPLEEN) | BIT(BILE);
    const uint32_t vessels = BIT(VEIN) | BIT(ARTERY), over_near = over | vessels | BIT(MUSCLE);
    const struct ellipsoid *k = &t->body->shape[t->body->kidney[t->side]].e;
    int x0, x1, y0, y1;
    if (fabsf(g->z - centre[2]) > extent[2]) return;
    plane_span(&x0, &x1, g->nx, g->x0, g->dx, centre[0] - extent[0], centre[0] + extent[0]);
    plane_span(&y0, &y1, g->ny, g->y0, g->dy, centre[1] - extent[1], centre[1] + extent[1]);
    for (int j = y0; j < y1; j++)
        for (int i = x0; i < x1; i++) {
            const float mm[3] = {g->x0 + (float)i * g->dx, g->y0 + (float)j * g->dy, g->z};
            uint8_t *v = &tissue[(size_t)j * (size_t)g->nx + (size_t)i];
            float local[3], radius;
            if (!(over_near >> *v & 1) || is_paraspinal(t, mm) || tumour_depth(&radius, t, mm) <= 0) continue;
            const uint32_t here = fabsf(mm[0]) > 42 ? over | vessels : over;
            if (here >> *v & 1 || ellipsoid_local(local, k, mm) < 1.9f) *v = TISSUE_TUMOUR;
        }
}

void tumour_paint(uint8_t *tissue, const struct tumour *t, const struct plane *g)
{
    paint_box(tissue, t, g, t->growth.e.centre, t->extent);
    for (int i = 0; i < t->foci; i++) paint_box(tissue, t, g, t->focus[i].centre, t->focus[i].extent);
}

/* A field of the texture's distribution is above this value in about `share` of space. */
static float threshold(float share)
{
    return 0.5f * (1 - 2 * share);
}

struct material tumour_material(const struct tumour *t, const float mm[3])
{
    const struct lattice *l = &t->body->noise;
    const float o = t->growth.e.rough_offset;
    float r0;
    const float depth = tumour_depth(&r0, t, mm), r = depth > 1 ? 0 : depth < 0 ? 1 : 1 - depth;
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
