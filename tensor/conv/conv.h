/* conv.h - 3D convolution kernels in fp32, channels-last; activations in memory are fp32 or bf16.
 *
 * Letters. N batch, D H W depth height width, C input channels, K output channels. Activations are
 * [N][D][H][W][C] without padding; weights as PyTorch stores them: [K][C][kd][kh][kw], transposed convolution
 * [C][K][kd][kh][kw].
 *
 * Order of arithmetic (the definition; every level up to avx512 gives these bits). Each output of fwd is one
 * chain of fused multiply-adds that starts at the bias (or 0, or the value already there when accumulating)
 * and runs over input-channel blocks of CONV_BLOCK, then kz, ky, kx, then the channels of the block. Taps
 * that fall outside of the input along d or h are skipped, those along w multiply a zero. bwd_d is the same
 * over (block of output channels, kz, ky, kx, output channel), with the taps that belong to dx's position
 * modulo the stride. bwd_w: the lines (n, d, h) of the output are cut into max(1, min(lines, 16 / (ceil(K /
 * 32) ceil(C / 64)))) stripes; each stripe is one chain in voxel order from 0 on (what is outside adds
 * nothing, or a zero's product), and the partial sums are added in stripe order; then the result is added to
 * what dw holds. db: the same stripes, a chain of additions. Kernels 3x3x3 and 1x3x3 with stride 1 and at
 * least 16 channels on both sides are computed in Winograd's form where it pays: tiles of 4x4 outputs along h
 * and w, or of 2x2 where those fit the borders better, or the direct form where a tile would save less than
 * about half of the products (volumes of a few voxels). winograd_form.c tells the rule and the order; both
 * depend on the shape only. So are those with stride 2 along h and w (and along d 2, or 1) and padding 1, in
 * tiles of two outputs, or of four of the gradient's, where their volumes and channels are large enough.
 * Tiles of 4x4 have 1.6 times the rounding error of the direct form with 32 channels, two thirds of it with
 * 320 (winograd.h).
 *
 * Activations in bf16. x_type is the type of x and dx in memory, y_type that of y and dy; any combination, in
 * all passes. Up to avx512 the arithmetic does not change: a bf16 operand is the float of that value, and a
 * bf16 output is rounded once, at the end of its chain (bf16.h); between the blocks of channels the sums stay
 * fp32 in scratch. The levels above, avx512bf16 and amx, multiply what is bf16 in other ways, each with bits
 * of its own (winograd/int16.h, tiles/tiles.h), and fp32 tensors as avx512 does. Weights, bias, dw, db are
 * fp32.
 *
 * A two-input convolution (what others do by concatenation) is two calls: the second one accumulates. With a
 * bf16 y it continues from what the first one rounded: two roundings. `w_channels` and `w_offset` say where
 * in the stored weight the C channels of this call are.
 * The book: docs/book/02_convolution.md, 08_deterministic_step.md, 23_bits.md */
#ifndef TENSOR_CONV_H
#define TENSOR_CONV_H

#include <stddef.h>
#include "tensor/base/cpu.h"
#include "tensor/base/pool.h"
#include "tensor/reference/conv_ref.h"

enum { CONV_BLOCK = 64 };

enum conv_pass { CONV_FORWARD, CONV_BACKWARD_DATA, CONV_BACKWARD_WEIGHTS, CONV_PASSES };

/* A convolution, or a transposed one with kernel = stride (nnU-Net's upsampling), and what computes each of
 * its passes: chosen once, at a level and for up to so many threads, and kept. The calls below are for that
 * level and no more threads. A transposed convolution's shape comes from conv3d_shape_transposed; x is
 * [n][in][c], y is [n][out][k]. It is bwd_d of the convolution from y's channels and size to x's, so that its
 * fwd, bwd_d, bwd_w have the chains of that convolution's bwd_d, fwd and (with x and dy in exchanged roles)
 * bwd_w; db has the stripes of a 1x1x1 convolution to y. */
struct conv_algorithm;
struct conv3d {
    struct conv3d_shape shape;
    int transposed, threads;
    enum isa level;
    const struct conv_algorithm *algorithm[CONV_PASSES];
    /* floats that the pass needs: packed weights, partial sums. 64-byte aligned */
    size_t scratch[CONV_PASSES];
};
struct conv3d conv3d_choose(const struct conv3d_shape *s, int transposed, int threads);
/* The algorithm of a pass in a word, for people: "direct", "winograd", "tiles"; some share one. */
const char *conv3d_algorithm(const struct conv3d *c, enum conv_pass pass);

/* One pass each. x, y, dx, dy have the types of the shape. The level is cpu_isa(). bias and db may be NULL.
 * `accumulate`: continue from what y (dx) holds, without bias. dw (stored layout, w_channels wide) and db are
 * always added to. */
void conv3d_fwd(void *y, const void *x, const float *w, const float *bias, const struct conv3d *c,
                int accumulate, float *scratch, struct pool *pool);
void conv3d_bwd_d(void *dx, const void *dy, const float *w, const struct conv3d *c, int accumulate,
                  float *scratch, struct pool *pool);
void conv3d_bwd_w(float *dw, float *db, const void *x, const void *dy, const struct conv3d *c, float *scratch,
                  struct pool *pool);

#endif
