/* scanners.h - six hospitals in three institutions: field, protocol, contrast agent, spacing, noise and case
 * mix; and who goes where.
 *
 * The hospitals are invented; each has a scanner and a protocol of a kind that renal MRI studies report.
 * Institutions are what federated learning sees: A has hospitals 1 and 2, B 3 and 4, C 5 and 6, of decreasing
 * size.
 */
#ifndef APPS_PHANTOM_SCANNERS_H
#define APPS_PHANTOM_SCANNERS_H

#include "apps/phantom/tumour.h"

enum { HOSPITALS = 6, INSTITUTIONS = 3, READOUT = 256 };

struct hospital {
    const char *name;
    char institution;        /* 'A', 'B', 'C' */
    float share;             /* of all cases */
    float mix[TUMOUR_KINDS]; /* how often a kind comes here against the average */
    float matrix;            /* in-plane samples against the size's nominal count */
    float slices;            /* likewise */
    float field_of_view;     /* mm, more for wide patients */
    float slice_mm;          /* centre to centre */
    int tesla3;
    struct t2_protocol t2;
    struct ce_protocol ce;
    float bandwidth[CHANNELS]; /* Hz a sample of the READOUT samples across the field of view */
    float snr[CHANNELS];     /* renal cortex against the noise */
    float level[CHANNELS];   /* grey value of renal cortex */
    float bias, ghost, blur; /* strength of the smooth field, share of ghosts, weight of neighbours */
    float keep[2];           /* share of k-space along x and y */
    float shading;           /* share of the coils' shading that correction leaves */
};
const struct hospital *hospital_get(int i);

struct assignment { /* of one case */
    enum tumour_kind kind;
    int hospital;
};
/* Both margins are exact up to rounding (largest remainders): round(0.73 n) malignant, half of all clear
 * cell, the hospitals' shares. Depends on seed and n only. */
void assign_cases(struct assignment *out, int n, uint64_t seed);

/* The scan of one patient: the hospital's protocol with this day's receiver. spacing: in-plane, mm. */
void scan_draw(struct scan *s, const struct hospital *h, float spacing, float difficulty, struct rng *rng);

#endif
