/* conv_ref.h - what a 3D convolution is: its shape, and the definition of its passes in plain loops.
 *
 * Letters. N batch, D H W depth height width, C input channels, K output channels. Activations are
 * [N][D][H][W][C] without padding; weights as PyTorch stores them: [K][C][kd][kh][kw], transposed convolution
 * [C][K][kd][kh][kw].
 */
#ifndef TENSOR_CONV_REF_H
#define TENSOR_CONV_REF_H

enum conv_type { CONV_F32 = 0, CONV_BF16 = 1 };

/* One convolution. Axes are in the order d, h, w. */
struct conv3d_shape {
    int n;          /* batch */
    int c, k;       /* input and output channels of this call */
    int in[3];      /* input size */
    int out[3];     /* output size: (in + 2*pad - kernel) / stride + 1; transposed: in * stride */
    int kernel[3];
    int stride[3];
    int pad[3];
    int w_channels; /* input channels in the stored weight (>= w_offset + c) */
    int w_offset;   /* first of them that this call uses */
    enum conv_type x_type, y_type; /* of x and dx, of y and dy: float or uint16_t (bf16.h) */
};

/* Fills out[] and w_channels = c, w_offset = 0, types CONV_F32. */
struct conv3d_shape conv3d_shape(int n, int c, int k, const int in[3], const int kernel[3],
                                 const int stride[3], const int pad[3]);
/* The same for a transposed convolution with kernel = stride, no padding. */
struct conv3d_shape conv3d_shape_transposed(int n, int c, int k, const int in[3], const int stride[3]);

/* The definition in plain loops with double accumulation: what the kernels are tested against.
 * Signatures as above, without scratch and threads; fp32 whatever the types of the shape are. */
void conv3d_ref_fwd(float *y, const float *x, const float *w, const float *bias, const struct conv3d_shape *s,
                    int accumulate);
void conv3d_ref_bwd_d(float *dx, const float *dy, const float *w, const struct conv3d_shape *s,
                      int accumulate);
void conv3d_ref_bwd_w(float *dw, float *db, const float *x, const float *dy, const struct conv3d_shape *s);
void tconv3d_ref_fwd(float *y, const float *x, const float *w, const float *bias,
                     const struct conv3d_shape *s);
void tconv3d_ref_bwd_d(float *dx, const float *dy, const float *w, const struct conv3d_shape *s,
                       int accumulate);
void tconv3d_ref_bwd_w(float *dw, float *db, const float *x, const float *dy, const struct conv3d_shape *s);

#endif
