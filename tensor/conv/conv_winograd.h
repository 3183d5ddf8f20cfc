/* conv_winograd.h - what others ask of Winograd's form in fp32 (conv_winograd.c). Not for other rooms. */
#ifndef TENSOR_CONV_WINOGRAD_H
#define TENSOR_CONV_WINOGRAD_H

#include "tensor/conv/conv_algorithm.h"

/* Whether the gather has a form of fewer multiplications, and the one of a tile along h and w that takes
 * fewest; WINOGRAD_NONE: none. */
enum winograd_axis winograd_form(const struct gather *g);
/* Whether that saves enough of them. */
int winograd_pays(const struct gather *g);
/* Of the weight gradient of the forward gather g in so many stripes. */
enum winograd_axis winograd_outer_form(const struct gather *g, int stripes);
int winograd_tiles(const struct gather *g); /* of 2 x 2 (x 2) outputs */

#endif
