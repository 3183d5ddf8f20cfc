/* winograd_matrices.h - the algebra of Winograd's form, stated once: y = A (G g * B d), * number by number,
 * makes the outputs y of the inputs d and three weights g along one axis (Winograd; Lavin and Gray, CVPR
 * 2016). Its adjoint is dg = G' (B d * A' dy). winograd_transforms.h makes the transforms from these
 * numbers, for products in fp32 and in integers; the drivers take from them which planes meet along d, and
 * how much a transform can enlarge a number.
 *
 * Where they come from. A polynomial of degree n - 1 is known by its values at n points, infinity among them,
 * where its value is the highest coefficient. Multiplying two polynomials is n products of such values; a
 * convolution is the adjoint of that. So a row of A' and of G has the powers of its point p, 0 to outputs - 1
 * and 0 to 2; that of G is divided by the product of the differences from p to the other finite points; and
 * the row of B has the coefficients of the product of (x - q) over the other finite points q. Where p and -p
 * both are points, their rows differ in the signs of the odd places.
 *
 * The points: 0, 1, -1, infinity of WINOGRAD_2; 0, P, -P, Q, -Q, infinity of WINOGRAD_4, whose error is
 * near the smallest (winograd.h); with a stride, the taps 0 and 2 meet the even inputs only and have 0, 1,
 * infinity, and tap 1 the odd ones, a product each.
 * The book: docs/book/20_winograd.md, 22_strides.md */
#ifndef TENSOR_WINOGRAD_MATRICES_H
#define TENSOR_WINOGRAD_MATRICES_H

/* What a tile is along an axis. */
enum winograd_axis {
    WINOGRAD_NONE, /* one output of one input, with one tap */
    WINOGRAD_2,    /* two outputs, three taps */
    WINOGRAD_4,    /* four */
    WINOGRAD_DOWN, /* two outputs, three taps, stride 2 */
    WINOGRAD_UP    /* the gradient of that: four outputs */
};
/* Most points along an axis of a plane, and along d; most outputs; taps. */
enum { WINOGRAD_SIDE = 6, WINOGRAD_DEPTH = 5, WINOGRAD_OUTPUTS = 4, WINOGRAD_TAPS = 3 };

struct winograd_matrices {
    int outputs, inputs, points;
    int pairs; /* of points p and -p: points 1 and 2, 3 and 4 */
    double b[WINOGRAD_SIDE][WINOGRAD_SIDE];    /* [point][input] */
    double g[WINOGRAD_SIDE][WINOGRAD_TAPS];    /* [point][tap] */
    double a[WINOGRAD_OUTPUTS][WINOGRAD_SIDE]; /* [output][point] */
};

#define P 0.75
#define Q 1.5
#define P2 (P * P)
#define Q2 (Q * Q)
#define GP (1 / (2 * P2 * (P2 - Q2))) /* 1 / ((P - 0) (P + P) (P - Q) (P + Q)) */
#define GQ (1 / (2 * Q2 * (Q2 - P2)))

static const struct winograd_matrices winograd_matrices[] = {
    [WINOGRAD_NONE] = {1, 1, 1, 0, {{1}}, {{1}}, {{1}}},
    [WINOGRAD_2] = {2, 4, 4, 1,
        .b = {{1,  0, -1, 0},
              {0,  1,  1, 0},
              {0, -1,  1, 0},
              {0, -1,  0, 1}},
        .g = {{1,    0,   0  },
              {0.5,  0.5, 0.5},
              {0.5, -0.5, 0.5},
              {0,    0,   1  }},
        .a = {{1, 1,  1, 0},
              {0, 1, -1, 1}}},
    [WINOGRAD_4] = {4, 6, 6, 2,
        .b = {{P2 * Q2, 0,       -(P2 + Q2), 0,          1, 0},
              {0,       -P * Q2, -Q2,        P,          1, 0},
              {0,       P * Q2,  -Q2,        -P,         1, 0},
              {0,       -Q * P2, -P2,        Q,          1, 0},
              {0,       Q * P2,  -P2,        -Q,         1, 0},
              {0,       P2 * Q2, 0,          -(P2 + Q2), 0, 1}},
        .g = {{1 / (P2 * Q2), 0,       0      },
              {GP,            P * GP,  P2 * GP},
              {GP,            -P * GP, P2 * GP},
              {GQ,            Q * GQ,  Q2 * GQ},
              {GQ,            -Q * GQ, Q2 * GQ},
              {0,             0,       1      }},
        .a = {{1, 1,      1,       1,      1,       0},
              {0, P,      -P,      Q,      -Q,      0},
              {0, P2,     P2,      Q2,     Q2,      0},
              {0, P * P2, -P * P2, Q * Q2, -Q * Q2, 1}}},
    [WINOGRAD_DOWN] = {2, 5, 5, 0,
        .b = {{1, 0, -1, 0, 0},
              {0, 0,  1, 0, 0},
              {0, 0, -1, 0, 1},
              {0, 1,  0, 0, 0},
              {0, 0,  0, 1, 0}},
        .g = {{1, 0, 0}, {1, 0, 1}, {0, 0, 1}, {0, 1, 0}, {0, 1, 0}},
        .a = {{1, 1, 0, 1, 0},
              {0, 1, 1, 0, 1}}},
    [WINOGRAD_UP] = {4, 3, 5, 0, /* with the taps in reverse order */
        .b = {{1, -1, 0},
              {0,  1, 0},
              {0, -1, 1},
              {1,  0, 0},
              {0,  1, 0}},
        .g = {{1, 0, 0}, {1, 0, 1}, {0, 0, 1}, {0, 1, 0}, {0, 1, 0}},
        .a = {{0, 0, 0, 1, 0},
              {1, 1, 0, 0, 0},
              {0, 0, 0, 0, 1},
              {0, 1, 1, 0, 0}}}};

#undef P
#undef Q
#undef P2
#undef Q2
#undef GP
#undef GQ

static inline int winograd_outputs(enum winograd_axis form) { return winograd_matrices[form].outputs; }
static inline int winograd_inputs(enum winograd_axis form) { return winograd_matrices[form].inputs; }
static inline int winograd_points(enum winograd_axis form) { return winograd_matrices[form].points; }

#endif
