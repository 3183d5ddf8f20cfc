/* scanners.c - the six hospitals, which case goes where, and the scan that is drawn for it. */
#include "apps/phantom/scanners.h"

#include <math.h>
#include <stdlib.h>

#include "tensor/base/check.h"
#include "tensor/base/vmath.h"

/* Relaxivities: Rohrer et al., Invest Radiol 2005 (plasma, 37 degrees). */
static const struct agent gadopentetate_15 = {"gadopentetate", 4.1f, 4.6f};
static const struct agent gadobutrol_15 = {"gadobutrol", 5.2f, 6.1f};
static const struct agent gadobutrol_30 = {"gadobutrol", 5.0f, 7.1f};
static const struct agent gadoterate_15 = {"gadoterate", 3.6f, 4.3f};
static const struct agent gadoterate_30 = {"gadoterate", 3.5f, 4.9f};
static const struct agent gadobenate_30 = {"gadobenate", 5.5f, 11.0f};

const struct hospital *hospital_get(int i)
{
    /* share, mix in the order of enum tumour_kind, matrix, slices, field of view, slice, 3 T; T2: TR, TE, fat
     * left */
    /* CE-T1: TR, TE, flip, fat left, agent, phase; bandwidth, SNR, level; bias, ghost, blur, keep, shading */
    static const struct hospital hospital[HOSPITALS] = {
        {"H1", 'A', 0.25f, {1.1f, 0.9f, 1, 1, 0.8f, 0.9f}, 1, 1, 310, 6, 0, {4000, 90, 1},
            {4.5f, 2.1f, 12, 1, {0}, 0.75f}, {190, 290}, {46, 42}, {420, 380},
            0.22f, 0.016f, 0.08f, {0.92f, 0.75f}, 0.35f},
        {"H2", 'A', 0.20f, {1.1f, 1, 0.9f, 0.8f, 0.9f, 1}, 1, 1, 320, 5.5f, 1, {0, 95, 1},
            {3.9f, 1.9f, 11, 0.18f, {0}, 0.9f}, {370, 540}, {52, 50}, {260, 210},
            0.36f, 0.008f, 0.16f, {0.90f, 0.62f}, 0.50f},
        {"H3", 'B', 0.18f, {1, 1.1f, 1, 1.1f, 1, 1}, 0.917f, 1.083f, 310, 5, 0, {3200, 85, 1},
            {5.2f, 2.4f, 15, 1, {0}, 0.35f}, {170, 240}, {38, 36}, {900, 700},
            0.24f, 0.022f, 0.10f, {0.95f, 0.70f}, 0.40f},
        {"H4", 'B', 0.14f, {0.9f, 1, 1.2f, 1, 1.1f, 1.2f}, 1, 1, 300, 6, 1, {5000, 100, 0.14f},
            {4.2f, 1.2f, 10, 1, {0}, 0.85f}, {330, 480}, {58, 53}, {500, 330},
            0.34f, 0.012f, 0.09f, {0.92f, 0.72f}, 0.50f},
        {"H5", 'C', 0.13f, {0.9f, 1, 1, 1.2f, 1.4f, 1}, 0.917f, 1, 330, 6.5f, 0, {0, 80, 1},
            {5.8f, 2.7f, 18, 1, {0}, 0.6f}, {150, 220}, {32, 30}, {310, 260},
            0.28f, 0.014f, 0.18f, {0.85f, 0.60f}, 0.45f},
        {"H6", 'C', 0.10f, {0.9f, 1, 0.9f, 1.1f, 1.2f, 1.2f}, 1, 1.083f, 315, 5, 1, {3600, 92, 0.10f},
            {3.6f, 1.3f, 9, 0.12f, {0}, 1}, {360, 530}, {50, 50}, {640, 450},
            0.40f, 0.012f, 0.10f, {0.95f, 0.80f}, 0.55f},
    };
    ENSURE(i >= 0 && i < HOSPITALS, "hospital %d", i);
    return &hospital[i];
}

static struct agent hospital_agent(const struct hospital *h)
{
    switch (h->name[1]) {
    case '1': return gadopentetate_15;
    case '2': return gadobutrol_30;
    case '3': return gadobutrol_15;
    case '4': return gadoterate_30;
    case '5': return gadoterate_15;
    default: return gadobenate_30;
    }
}

/* ---- who goes where ------------------------------------------------------------------------------------ */

/* n split by shares, largest remainders first. */
static void apportion(int *count, int n, const float *share, int parts)
{
    float total = 0, rest[16];
    int given = 0;
    ENSURE(parts <= 16, "apportion: %d parts", parts);
    for (int i = 0; i < parts; i++) total += share[i];
    for (int i = 0; i < parts; i++) {
        const double exact = (double)n * share[i] / total;
        count[i] = (int)exact;
        rest[i] = (float)(exact - count[i]);
        given += count[i];
    }
    for (; given < n; given++) {
        int best = 0;
        for (int i = 1; i < parts; i++)
            if (rest[i] > rest[best]) best = i;
        count[best]++;
        rest[best] = -1;
    }
}

/* Malignant against benign first, so that their prevalence is right for few cases too. */
static void apportion_kinds(int count[TUMOUR_KINDS], int n)
{
    float share[TUMOUR_KINDS], both[2] = {0, 0};
    int halves[2], first[2] = {TUMOUR_KINDS, TUMOUR_KINDS}, kinds[2] = {0, 0};
    for (int k = 0; k < TUMOUR_KINDS; k++) {
        const int m = tumour_model((enum tumour_kind)k)->malignant;
        share[k] = tumour_model((enum tumour_kind)k)->share;
        both[m] += share[k];
        if (kinds[m]++ == 0) first[m] = k;
    }
    apportion(halves, n, both, 2);
    for (int m = 0; m < 2; m++) apportion(count + first[m], halves[m], share + first[m], kinds[m]);
}

/* Kinds in random order; then each case draws a hospital among the places left, weighted by how often its
 * kind comes there. */
void assign_cases(struct assignment *out, int n, uint64_t seed)
{
    int kinds[TUMOUR_KINDS], places[HOSPITALS], next = 0;
    float share[HOSPITALS];
    struct rng rng = rng_stream(seed, UINT32_MAX, 0, RNG_PHANTOM);
    for (int h = 0; h < HOSPITALS; h++) share[h] = hospital_get(h)->share;
    apportion_kinds(kinds, n);
    apportion(places, n, share, HOSPITALS);
    for (int k = 0; k < TUMOUR_KINDS; k++)
        for (int i = 0; i < kinds[k]; i++) out[next++].kind = (enum tumour_kind)k;
    ENSURE(next == n, "assign_cases: %d of %d", next, n);
    for (int i = n - 1; i > 0; i--) {
        const uint32_t j = rng_below(&rng, (uint32_t)i + 1);
        const struct assignment t = out[i];
        out[i] = out[j];
        out[j] = t;
    }
    for (int i = 0; i < n; i++) {
        float total = 0;
        int h = 0;
        for (int g = 0; g < HOSPITALS; g++) total += (float)places[g] * hospital_get(g)->mix[out[i].kind];
        float u = rng_float(&rng) * total;
        for (;; h++) {
            const float w = (float)places[h] * hospital_get(h)->mix[out[i].kind];
            if (places[h] > 0 && u < w) break;
            u -= w;
            if (h == HOSPITALS - 1) { /* the sum's rounding: take the last that has a place */
                while (places[h] == 0) h--;
                break;
            }
        }
        places[h]--;
        out[i].hospital = h;
    }
}

/* ---- the scan of a day --------------------------------------------------------------------------------- */

static float near(struct rng *rng, float mean, float relative)
{
    return mean * (1 + relative * rng_range(rng, -1.7f, 1.7f));
}

/* Around an oval of 0.9 by 0.65 of half of the field of view, turned by chance. */
static void place_coils(struct receiver *r, float shading, struct rng *rng)
{
    const float turn = rng_float(rng) / COILS;
    float sum = 0;
    for (int k = 0; k < COILS; k++) {
        float s, c;
        vmath_sincos_2pi(&s, &c, ((float)k + 0.999f * turn * COILS) / COILS);
        r->coil[k][0] = 0.9f * c;
        r->coil[k][1] = 0.65f * s;
        const float d = 1 + 6 * (r->coil[k][0] * r->coil[k][0] + r->coil[k][1] * r->coil[k][1]);
        sum += 1 / (d * d);
    }
    r->coil_scale = 1 / sqrtf(sum);
    r->shading = near(rng, shading, 0.3f);
}

void scan_draw(struct scan *s, const struct hospital *h, float spacing, float difficulty, struct rng *rng)
{
    *s = (struct scan){.tesla3 = h->tesla3, .t2 = h->t2, .ce = h->ce};
    s->ce.agent = hospital_agent(h);
    /* breath holds and the circulation decide when the agent is where */
    s->ce.phase = h->ce.phase + rng_range(rng, -0.2f, 0.2f);
    s->ce.phase = s->ce.phase < 0 ? 0 : s->ce.phase > 1 ? 1 : s->ce.phase;
    for (int c = 0; c < CHANNELS; c++) {
        struct receiver *r = &s->receiver[c];
        const struct material cortex = tissue_material(TISSUE_CORTEX, h->tesla3, h->ce.phase),
                              fat = tissue_material(TISSUE_FAT, h->tesla3, 0);
        float part[2];
        material_signal(part, &cortex, &fat, s, (enum channel)c);
        /* Images of every size are averages of what was read out: fat moves by the same way in mm. */
        r->fat_shift = (h->tesla3 ? 434.0f : 217.0f) / h->bandwidth[c] * h->field_of_view / READOUT / spacing;
        r->gain = near(rng, h->level[c], 0.12f) / part[0];
        r->noise = part[0] / h->snr[c] * (0.5f + 0.5f * difficulty);
        r->blur = h->blur * (c == CHANNEL_T2 ? 1 : 0.5f);
        r->ghost = near(rng, h->ghost, 0.5f) * (0.4f + 0.6f * difficulty) * (c == CHANNEL_T2 ? 1 : 0.6f);
        r->ghost_step = near(rng, 45, 0.35f) / spacing;
        /* Surface coils see near tissue better; at 3 T standing waves darken the middle of T2-weighted
         * images. */
        for (int i = 0; i < 6; i++) r->bias[i] = h->bias * rng_range(rng, -0.6f, 0.6f);
        place_coils(r, h->shading, rng);
        for (int i = 0; i < 2; i++) r->keep[i] = h->keep[i];
        r->bias[3] += h->bias * 0.5f;
        r->bias[4] += h->bias;
        for (int i = 0; i < 2; i++)
            r->shift[i] = c == CHANNEL_T1CE ? difficulty * 1.2f * rng_range(rng, -1, 1) / spacing : 0;
    }
}
