#include "apps/phantom/signal.h"

#include <math.h>
#include <string.h>

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

/* ---- the receiver -------------------------------------------------------------------------------------- */

/* dst(i) = src(i - shift), linear between samples, the border repeated; stride steps through a line of n. */
static void shift_line(float *dst, const float *src, int n, int stride, float shift)
{
    int whole = (int)shift;
    if (shift < (float)whole) whole--;
    const float part = shift - (float)whole;
    for (int i = 0; i < n; i++) {
        int a = i - whole, b = a - 1;
        a = a < 0 ? 0 : a >= n ? n - 1 : a;
        b = b < 0 ? 0 : b >= n ? n - 1 : b;
        dst[i * stride] = src[a * stride] + part * (src[b * stride] - src[a * stride]);
    }
}

static void shift_x(float *dst, const float *src, int nx, int ny, float shift)
{
    for (int j = 0; j < ny; j++)
        shift_line(dst + (size_t)j * (size_t)nx, src + (size_t)j * (size_t)nx, nx, 1, shift);
}

static void shift_y(float *dst, const float *src, int nx, int ny, float shift)
{
    for (int i = 0; i < nx; i++) shift_line(dst + i, src + i, ny, nx, shift);
}

/* Water and fat are in phase in a spin echo; in a gradient echo fat has turned by 2 pi df TE, with df = 3.4
 * ppm (217 Hz at 1.5 T). Fat suppression works less the farther from the magnet's centre. */
static void add_fat(float *out, const float *water, const float *fat, const struct plane_size *p,
                    const struct scan *s, enum channel c)
{
    const int n = p->nx * p->ny;
    if (c == CHANNEL_T2) {
        for (int i = 0; i < n; i++) out[i] = water[i] + fat[i];
        return;
    }
    float turns = (s->tesla3 ? 0.434f : 0.217f) * s->ce.te, sine, cosine;
    turns -= (float)(int)turns;
    vmath_sincos_2pi(&sine, &cosine, turns);
    for (int j = 0; j < p->ny; j++)
        for (int i = 0; i < p->nx; i++) {
            const float x = (p->x0 + (float)i * p->dx) / p->half, y = (p->y0 + (float)j * p->dy) / p->half;
            float left = s->ce.fat_left;
            if (left < 1) left += 0.25f * (x * x + y * y) * (x * x + y * y);
            const float f = fat[j * p->nx + i] * (left < 1 ? left : 1), w = water[j * p->nx + i];
            const float re = w + f * cosine, im = f * sine;
            out[j * p->nx + i] = sqrtf(re * re + im * im);
        }
}

/* Breathing along the phase-encoding axis: a short blur and two ghosts, as of a periodic displacement (Wood
 * and Henkelman, Med Phys 1985). */
static void move(float *out, float *scratch, const struct plane_size *p, const struct receiver *r)
{
    const int nx = p->nx, ny = p->ny, n = nx * ny;
    memcpy(scratch, out, (size_t)n * sizeof *out);
    const int step = (int)r->ghost_step;
    for (int j = 0; j < ny; j++) {
        const int up = j > 0 ? j - 1 : 0, down = j < ny - 1 ? j + 1 : j, a = (j + step) % ny,
                  b = (j - step % ny + ny) % ny;
        for (int i = 0; i < nx; i++) {
            const float sharp = scratch[j * nx + i], sides = scratch[up * nx + i] + scratch[down * nx + i];
            const float ghosts = scratch[a * nx + i] + scratch[b * nx + i];
            out[j * nx + i] = (1 - 2 * r->blur - 2 * r->ghost) * sharp + r->blur * sides + r->ghost * ghosts;
        }
    }
}

/* Sensitivity of the coils, then Rician noise (Gudbjartsson and Patz, MRM 1995): the length of the signal
 * plus complex normal noise. */
static void detect(float *out, const struct plane_size *p, const struct receiver *r, struct rng *rng)
{
    for (int j = 0; j < p->ny; j++) {
        const float y = (p->y0 + (float)j * p->dy) / p->half;
        for (int i = 0; i < p->nx; i++) {
            const float x = (p->x0 + (float)i * p->dx) / p->half;
            const float b = x * (r->bias[0] + x * r->bias[3] + y * r->bias[5]) +
                            y * (r->bias[1] + y * r->bias[4]) + p->z * r->bias[2];
            const float signal = out[j * p->nx + i] * vmath_exp(b);
            float sine, cosine;
            const double u = ((double)rng_u32(rng) + 0.5) * 0x1p-32;
            const float length = r->noise * (float)sqrt(-2.0 * vmath_log_d(u));
            vmath_sincos_2pi(&sine, &cosine, rng_float(rng));
            const float re = signal + length * cosine, im = length * sine;
            out[j * p->nx + i] = r->gain * sqrtf(re * re + im * im);
        }
    }
}

void receive_plane(float *out, float *water, float *fat, const struct plane_size *p, const struct scan *s,
                   enum channel c, struct rng *rng)
{
    const struct receiver *r = &s->receiver[c];
    shift_x(out, fat, p->nx, p->ny, r->fat_shift);
    memcpy(fat, out, (size_t)p->nx * (size_t)p->ny * sizeof *fat);
    add_fat(out, water, fat, p, s, c);
    shift_x(water, out, p->nx, p->ny, r->shift[0]);
    shift_y(out, water, p->nx, p->ny, r->shift[1]);
    move(out, water, p, r);
    detect(out, p, r, rng);
}
