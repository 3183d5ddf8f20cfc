/* npz_weights.h - weights as NumPy's .npz: an array a tensor; metadata are lost. bfloat16 and 8-bit floats,
 * which NumPy has not, become float32, which holds them exactly.
 */
#ifndef IO_NPZ_WEIGHTS_H
#define IO_NPZ_WEIGHTS_H

#include "io/weights/weights_format.h"

extern const struct weights_format npz_format;

#endif
