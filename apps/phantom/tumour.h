/* tumour.h - six kinds of renal tumour: what differs between them, how much they overlap, and what one is
 * made of at each point.
 *
 * A tumour is an uneven ellipsoid with lobes at the surface of a kidney, which it pushes away more than it
 * eats it. A few have further foci. Inside are solid tissue with texture, and by chance necrosis,
 * haemorrhage, fat, cysts, a central scar and a capsule. Every parameter of a kind is pulled towards the mean
 * over all kinds by the difficulty, so that kinds differ clearly at 0 and hardly at 2. The numbers and their
 * sources: docs/phantom.md.
 */
#ifndef APPS_PHANTOM_TUMOUR_H
#define APPS_PHANTOM_TUMOUR_H

#include "apps/phantom/signal.h"

enum tumour_kind {
    CLEAR_CELL,
    PAPILLARY,
    CHROMOPHOBE,
    ONCOCYTOMA,
    ANGIOMYOLIPOMA,
    BENIGN_CYST,
    TUMOUR_KINDS
};

struct tumour_model {
    const char *name;
    int malignant;
    float share;             /* of all patients */
    float female, age;       /* share of women; mean age in years */
    float diameter, spread;  /* median, mm; standard deviation of its logarithm */
    float t1, t2;            /* of solid tissue at 1.5 T, ms */
    float contrast[2];       /* of solid tissue against the renal cortex: corticomedullary, nephrographic */
    float texture;           /* standard deviation of log T2 and log concentration inside of one tumour */
    float necrosis, haemorrhage, fat, cystic, scar, capsule; /* chances */
    float lobulation;        /* roughness of the outline, and a twelfth of the number of lobes */
    float multifocal;        /* chance of a second focus */
};
const struct tumour_model *tumour_model(enum tumour_kind k);
/* How far a kind's parameters stand from the mean of all kinds: 1 at full distance. */
float tumour_separation(float difficulty);

enum { LOBES_MAX = 6, FOCI_MAX = 2 };
struct lobe { /* a ball in the main ellipsoid's unit coordinates */
    float centre[3], radius;
};

struct tumour {
    enum tumour_kind kind;
    int side;                /* 0 right, 1 left */
    int grade;               /* 1 to 4 for clear cell and papillary, else 0 */
    float drawn_mm;          /* mean diameter before clipping at neighbours */
    int isointense;
    struct growth growth;    /* its ellipsoid is the main part */
    int lobes, foci;
    struct lobe lobe[LOBES_MAX];
    struct ellipsoid focus[FOCI_MAX];
    float extent[3];         /* half of a box around the main part and its lobes; mm */
    struct material solid;
    float texture, texture_scale;
    float necrosis, haemorrhage, fat, cystic; /* shares of the volume; 0: none */
    float scar, capsule;     /* radius as a share; thickness in mm */
    float septa;
    const struct anatomy *body;
    int tesla3;
};

/* kidney: what the host's cortex is made of in this patient. */
void tumour_draw(struct tumour *t, enum tumour_kind k, const struct anatomy *a, const struct material *cortex,
                 int tesla3, float phase, float difficulty, struct rng *rng);
/* Marks TISSUE_TUMOUR where the tumour takes the place of the kidney, fat or a soft organ, not of wall, spine
 * or great vessels. */
void tumour_paint(uint8_t *tissue, const struct tumour *t, const struct plane *g);
/* What is at a point that tumour_paint marked. */
struct material tumour_material(const struct tumour *t, const float mm[3]);

#endif
