/* signal.h - from tissue to grey value: relaxation, the two sequences, and what a scanner adds.
 *
 * T2-weighted turbo spin echo:   S = PD (1 - exp(-TR/T1)) exp(-TE/T2)
 * contrast-enhanced T1-weighted spoiled gradient echo (Ernst):
 *     S = PD sin a (1 - E1) / (1 - cos a E1) exp(-TE R2*),
 *     E1 = exp(-TR R1), R1 = 1/T1 + r1 C, R2* = 1/T2 + r2 C + R2'
 * Times in ms, concentrations C of the contrast agent in mM, relaxivities in 1/(s mM). Sources and
 * simplifications: docs/phantom.md.
 */
#ifndef APPS_PHANTOM_SIGNAL_H
#define APPS_PHANTOM_SIGNAL_H

#include "apps/phantom/anatomy.h"

enum channel { CHANNEL_T2, CHANNEL_T1CE, CHANNELS };

struct agent { /* at one field strength */
    const char *name;
    float r1, r2;
};

struct t2_protocol {
    float tr, te;       /* ms; tr 0: one shot, no saturation */
    float fat_left;     /* as in ce_protocol */
};
struct ce_protocol {
    float tr, te, flip; /* ms, ms, degrees */
    float fat_left;     /* share of the fat's signal that fat suppression leaves; 1: none */
    struct agent agent;
    float phase;        /* 0 corticomedullary (35 s) ... 1 nephrographic (100 s) */
};
/* What the receiver does to one channel. */
enum { COILS = 6 };
struct receiver {
    float keep[2];      /* share of k-space that is sampled along x and y; 1: all, no filter */
    float fat_shift;    /* chemical shift in voxels along x */
    float shift[2];     /* misregistration against the mask in voxels along x, y */
    float blur;         /* weight of each neighbour along y */
    float ghost;        /* amplitude of the breathing ghosts where the body moves most */
    float ghost_step;   /* their distance in voxels along y */
    float bias[6]; /* log sensitivity: x, y, z, x^2, y^2, xy; each in units of half of the field of view */
    float coil[COILS][2]; /* places of the array's coils, in the same units */
    float coil_scale;   /* 1 over their sum in the middle */
    float shading;      /* share of the array's shading that is left, 0 to 1 */
    float noise;        /* standard deviation in either quadrature */
    float gain;
};

/* A small volume of tissue: water part and share of fat. */
struct material {
    float t1, t2;       /* ms */
    float pd;           /* proton density against water */
    float contrast;     /* mM */
    float fat;          /* share of the signal from fat, 0 to 1 */
};

struct scan {
    int tesla3;         /* 3 T or 1.5 T */
    struct t2_protocol t2;
    struct ce_protocol ce;
    struct receiver receiver[CHANNELS];
};

/* Literature values of a tissue at 1.5 T or 3 T with the contrast agent's concentration at that phase. */
struct material tissue_material(enum tissue t, int tesla3, float phase);
/* Relative standard deviation between people of T1 and T2 of this tissue. */
float tissue_spread(enum tissue t);
/* Amplitude of the texture inside of it, of a field of standard deviation 0.33. */
float tissue_unevenness(enum tissue t);

/* Magnitudes of the water and of the fat part in one channel: part[0] water, part[1] fat (before fat
 * suppression). */
void material_signal(float part[2], const struct material *m, const struct material *fat,
                     const struct scan *s, enum channel c);

/* Sum of water and fat planes through the receiver into out[ny*nx], rounded by the writer. scratch: as large.
 * z: -1 to 1 through the stack. The rng gives the noise of this plane alone. */
struct plane_size {
    int nx, ny;
    float x0, y0, dx, dy; /* mm */
    float half;           /* half of the field of view, mm */
    float z;
};
void receive_plane(float *out, float *water, float *fat, const struct plane_size *p, const struct scan *s,
                   enum channel c, struct rng *rng);

#endif
