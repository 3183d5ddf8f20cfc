/* anatomy.h - a body between the diaphragm and the iliac crest: shapes in millimetres, each painted over the
 * ones before.
 *
 * Coordinates: LPS mm (x to the patient's left, y to the back, z to the head), origin in the middle of the
 * body between the kidneys. A shape is a rotated ellipsoid with an uneven surface; a kidney, a gut loop and
 * the spine have an inside of their own. Sizes are drawn for each case from published distributions:
 * docs/phantom.md lists them with sources and simplifications.
 */
#ifndef APPS_PHANTOM_ANATOMY_H
#define APPS_PHANTOM_ANATOMY_H

#include <stdint.h>
#include "apps/phantom/lattice.h"

enum tissue {
    TISSUE_AIR,
    TISSUE_SKIN,
    TISSUE_FAT,
    TISSUE_VISCERAL_FAT,
    TISSUE_MUSCLE,
    TISSUE_MARROW,
    TISSUE_BONE,
    TISSUE_DISC,
    TISSUE_CSF,
    TISSUE_CORD,
    TISSUE_LIVER,
    TISSUE_SPLEEN,
    TISSUE_PANCREAS,
    TISSUE_ARTERY,
    TISSUE_VEIN,
    TISSUE_GUT_WALL,
    TISSUE_GUT_CONTENT,
    TISSUE_GUT_FLUID,
    TISSUE_STOOL,
    TISSUE_GAS,
    TISSUE_BILE,
    TISSUE_CORTEX,
    TISSUE_MEDULLA,
    TISSUE_URINE,
    TISSUE_CYST,
    TISSUE_FASCIA,
    TISSUE_TUMOUR,
    TISSUES
};
const char *tissue_name(enum tissue t);
static inline int tissue_is_kidney(enum tissue t)
{
    return t == TISSUE_CORTEX || t == TISSUE_MEDULLA || t == TISSUE_URINE;
}

/* A rotated ellipsoid: the point p belongs to it where |to_unit (p - centre)|^2 < 1, roughened by noise. */
struct ellipsoid {
    float centre[3];
    float axis[3][3];  /* rows: unit vectors of the semi-axes */
    float radius[3];   /* mm; 0 means endless along that axis */
    float to_unit[3][3];
    float extent[3];   /* half of the bounding box, with room for the roughness; mm */
    float rough;       /* radius varies by this share, 0 to 0.4 */
    float rough_scale; /* mm */
    float rough_offset;
};
/* Unit-ball coordinates of a point; returns their squared length. */
float ellipsoid_local(float local[3], const struct ellipsoid *e, const float mm[3]);
/* Angles in turns about x, then y, then z. */
void ellipsoid_set(struct ellipsoid *e, const float centre[3], const float radius[3], const float turns[3],
                   float rough, float rough_scale, float rough_offset);
/* The squared radius of the uneven surface in the direction of mm. */
float ellipsoid_surface(const struct ellipsoid *e, const struct lattice *l, const float mm[3]);

enum shape_kind {
    SHAPE_SOLID,
    SHAPE_LIVER,  /* with vessels; the spleen too */
    SHAPE_SPINE,
    SHAPE_GUT,
    SHAPE_COLON,
    SHAPE_RIB,
    SHAPE_FASCIA,
    SHAPE_KIDNEY
};
struct shape {
    enum shape_kind kind;
    enum tissue tissue;  /* gut and colon: the content */
    uint32_t over;       /* bit t: tissue t may be replaced */
    struct ellipsoid e;
    int soft;     /* gives way to a growth */
    float detail; /* gut: share of gas; kidney: thickness of the cortex in units of the kidney's radius;
                     fascia: of the shell; liver: squared width of its vessels */
    float lobule; /* kidney: height of the bulges over the pyramids; colon: of its haustra; in radii */
};

enum { SHAPES_MAX = 96, PYRAMIDS = 9 };
struct anatomy {
    struct lattice noise;
    float half_width, half_front, half_back; /* of the body, mm */
    float fat_side, fat_front, fat_back, fat_inside, wall;
    float body_square;                       /* 0 ellipse ... 1 rectangle */
    float disc_phase;                        /* mm */
    float sinus; /* squared size of the renal sinus, about 1 */
    float pyramid[PYRAMIDS][3]; /* directions from the renal sinus, in a kidney's unit coordinates */
    int kidney[2];                           /* shapes: right, left */
    int simple_cysts;
    int shapes;
    struct shape shape[SHAPES_MAX];
};

struct patient {
    int female;
    float age;   /* years */
    float size;  /* linear scale of the trunk, about 1 */
    float fat;   /* thickness of fat against the average, about 1 */
};

/* The same rng gives the same body. */
void anatomy_draw(struct anatomy *a, const struct patient *p, struct rng *rng);

/* Something that has grown inside of this ellipsoid. It ate the share `keep` of what was there and pushed the
 * rest outwards, together with all soft tissue as far as REACH radii: in the ellipsoid's own coordinates a
 * point at r > 1 was at r' with r'^3 = r^3 - (1 - keep) w(r), where w falls from 1 at the surface to 0 at
 * REACH. Near the surface this keeps volumes. */
struct growth {
    struct ellipsoid e;
    float keep; /* above 0, at most 1 */
};
/* Where the point was before. */
void growth_origin(float from[3], const struct growth *w, const float mm[3]);

/* A plane of sample points at height z: (x0 + i*dx, y0 + j*dy). */
struct plane {
    int nx, ny;
    float x0, y0, dx, dy, z;
};
/* tissue[ny][nx]; w: NULL or what has grown; origin[ny][nx][3] is scratch for it. */
void anatomy_paint(uint8_t *tissue, float *origin, const struct anatomy *a, const struct growth *w,
                   const struct plane *g);

/* Index range [*first, *end) of the samples of one row of length n (first sample x0, step dx) that lie in
 * [lo, hi]. */
void plane_span(int *first, int *end, int n, float x0, float dx, float lo, float hi);

#endif
