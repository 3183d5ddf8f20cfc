/* signal.c - relaxation times of the tissues, and the signal that a sequence makes of them. */
#include "apps/phantom/signal.h"

#include "tensor/base/vmath.h"

/* ---- tissues ------------------------------------------------------------------------------------------- */

struct tissue_values {
    float t1[2], t2[2]; /* 1.5 T, 3 T */
    float pd, fat, spread;
    float contrast[2];  /* mM: corticomedullary, nephrographic phase */
};

/* T1 and T2: de Bazelaire et al., Radiology 2004 (kidney, liver, spleen, pancreas, muscle, fat, T2 of
 * marrow); Stanisz et al., MRM 2005 (blood, cord). T2 of fat is 1.8 times the spin echo's value: the echo
 * train undoes the J coupling (Henkelman et al., JMRI 1992). T2 of blood stands for the flow void of a spin
 * echo, not for blood at rest. Fluids and the rest, and the concentrations: docs/phantom.md. */
static const struct tissue_values values[TISSUES] = {
    [TISSUE_AIR] = {{1000, 1000}, {1, 1}, 0, 0, 0, {0, 0}},
    [TISSUE_SKIN] = {{900, 1000}, {30, 28}, 0.7f, 0.1f, 0.1f, {0.2f, 0.3f}},
    [TISSUE_FAT] = {{343, 382}, {104, 122}, 0.9f, 1, 0.04f, {0, 0}},
    [TISSUE_VISCERAL_FAT] = {{343, 382}, {104, 122}, 0.9f, 0.96f, 0.04f, {0.02f, 0.02f}},
    [TISSUE_MUSCLE] = {{856, 898}, {27, 29}, 0.8f, 0.02f, 0.07f, {0.10f, 0.15f}},
    [TISSUE_MARROW] = {{900, 1000}, {49, 49}, 0.75f, 0.42f, 0.09f, {0.10f, 0.15f}},
    [TISSUE_BONE] = {{800, 900}, {4, 4}, 0.25f, 0.05f, 0, {0, 0}},
    [TISSUE_DISC] = {{1000, 1150}, {70, 60}, 0.7f, 0, 0.25f, {0.02f, 0.03f}},
    [TISSUE_CSF] = {{4000, 4100}, {1800, 1500}, 1, 0, 0.02f, {0, 0}},
    [TISSUE_CORD] = {{745, 993}, {74, 78}, 0.8f, 0, 0.04f, {0, 0}},
    [TISSUE_LIVER] = {{586, 809}, {46, 34}, 0.8f, 0.04f, 0.09f, {0.20f, 0.50f}},
    [TISSUE_SPLEEN] = {{1057, 1328}, {79, 61}, 0.85f, 0, 0.08f, {0.80f, 0.65f}},
    [TISSUE_PANCREAS] = {{584, 725}, {46, 43}, 0.8f, 0.12f, 0.09f, {0.60f, 0.40f}},
    [TISSUE_ARTERY] = {{1441, 1932}, {25, 22}, 0.9f, 0, 0.05f, {2.8f, 1.1f}},
    [TISSUE_VEIN] = {{1441, 1932}, {48, 42}, 0.9f, 0, 0.05f, {0.8f, 1.1f}},
    [TISSUE_GUT_WALL] = {{900, 1000}, {55, 50}, 0.8f, 0.03f, 0.1f, {0.35f, 0.45f}},
    [TISSUE_GUT_CONTENT] = {{1300, 1500}, {140, 130}, 0.75f, 0.05f, 0.5f, {0, 0}},
    [TISSUE_GUT_FLUID] = {{2800, 3000}, {500, 450}, 0.95f, 0, 0.3f, {0, 0}},
    [TISSUE_STOOL] = {{500, 560}, {55, 48}, 0.65f, 0.15f, 0.3f, {0, 0}},
    [TISSUE_GAS] = {{1000, 1000}, {1, 1}, 0, 0, 0, {0, 0}},
    [TISSUE_BILE] = {{1500, 1700}, {500, 450}, 0.95f, 0, 0.3f, {0, 0}},
    [TISSUE_CORTEX] = {{966, 1142}, {87, 76}, 0.85f, 0, 0.07f, {1.90f, 1.40f}},
    [TISSUE_MEDULLA] = {{1412, 1545}, {85, 81}, 0.88f, 0, 0.07f, {0.45f, 1.15f}},
    [TISSUE_URINE] = {{3300, 3500}, {900, 800}, 1, 0, 0.1f, {0, 0.1f}},
    [TISSUE_CYST] = {{2800, 3000}, {700, 650}, 1, 0, 0.15f, {0, 0}},
    [TISSUE_FASCIA] = {{900, 950}, {30, 28}, 0.7f, 0.2f, 0.05f, {0.1f, 0.2f}},
    [TISSUE_TUMOUR] =
        {{1200, 1350}, {90, 80}, 0.87f, 0, 0, {0.8f, 0.8f}}, /* replaced point by point: tumour.c */
};

struct material tissue_material(enum tissue t, int tesla3, float phase)
{
    const struct tissue_values *v = &values[t];
    const int f = tesla3 != 0;
    return (struct material){v->t1[f], v->t2[f], v->pd,
                             v->contrast[0] + phase * (v->contrast[1] - v->contrast[0]), v->fat};
}

float tissue_spread(enum tissue t)
{
    return values[t].spread;
}

float tissue_unevenness(enum tissue t)
{
    switch (t) {
    case TISSUE_CORTEX:
    case TISSUE_MEDULLA: return 0.57f;
    case TISSUE_LIVER: return 0.22f;
    case TISSUE_SPLEEN: return 0.18f;
    case TISSUE_PANCREAS:
    case TISSUE_MUSCLE:
    case TISSUE_MARROW: return 0.34f;
    case TISSUE_FAT:
    case TISSUE_VISCERAL_FAT: return 0.4f;
    case TISSUE_GUT_CONTENT:
    case TISSUE_STOOL: return 0.5f;
    case TISSUE_TUMOUR: return 0.1f; /* it has its own texture */
    case TISSUE_BILE:
    case TISSUE_CYST:
    case TISSUE_URINE: return 0.05f;
    default: return 0.16f;
    }
}

/* ---- sequences ----------------------------------------------------------------------------------------- */

static float turbo_spin_echo(const struct material *m, const struct t2_protocol *p)
{
    const float saturation = p->tr > 0 ? 1 - vmath_exp(-p->tr / m->t1) : 1;
    return m->pd * saturation * vmath_exp(-p->te / m->t2);
}

/* R2': dephasing in the field's own unevenness, proportional to it: 10 and 20 1/s in the abdomen. */
static float spoiled_gradient_echo(const struct material *m, const struct ce_protocol *p, int tesla3)
{
    float s, c;
    vmath_sincos_2pi(&s, &c, p->flip / 360);
    const float e1 = vmath_exp(-p->tr * (1 / m->t1 + 0.001f * p->agent.r1 * m->contrast));
    const float decay =
        vmath_exp(-p->te * (1 / m->t2 + 0.001f * (p->agent.r2 * m->contrast + (tesla3 ? 20.0f : 10.0f))));
    return m->pd * s * (1 - e1) / (1 - c * e1) * decay;
}

void material_signal(float part[2], const struct material *m, const struct material *fat,
                     const struct scan *s, enum channel c)
{
    const float w =
        c == CHANNEL_T2 ? turbo_spin_echo(m, &s->t2) : spoiled_gradient_echo(m, &s->ce, s->tesla3);
    const float f = m->fat <= 0       ? 0
                    : c == CHANNEL_T2 ? turbo_spin_echo(fat, &s->t2)
                                      : spoiled_gradient_echo(fat, &s->ce, s->tesla3);
    part[0] = (1 - m->fat) * w;
    part[1] = m->fat * f;
}
