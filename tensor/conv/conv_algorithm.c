/* conv_algorithm.c - the list of all algorithms of convolutions, in order of preference. Each is defined
 * beside its code; a new one is added here.
 * The book: docs/book/19_drivers.md */
#include "tensor/conv/conv_algorithm.h"

#include "tensor/base/check.h"

extern const struct conv_algorithm winograd_int16_algorithm; /* winograd/int16_cut.c */
extern const struct conv_algorithm tiles_algorithm;         /* tiles/tiles_cut.c */
extern const struct conv_algorithm tiles_outer_algorithm;   /* tiles/tiles_outer_cut.c */
extern const struct conv_algorithm winograd_algorithm;      /* winograd/winograd_cut.c */
extern const struct conv_algorithm gather_algorithm;        /* direct/gather_cut.c */
extern const struct conv_algorithm exchanged_algorithm;     /* direct/exchanged.c */
extern const struct conv_algorithm outer_algorithm;         /* direct/outer_cut.c */

const struct conv_algorithm *const conv_algorithms[] = {
    &winograd_int16_algorithm, &tiles_algorithm,     &tiles_outer_algorithm, &winograd_algorithm,
    &gather_algorithm,        &exchanged_algorithm, &outer_algorithm,       NULL,
};

const struct conv_algorithm *conv_choose(const struct conv_problem *p, enum isa level)
{
    for (int i = 0; conv_algorithms[i]; i++) {
        const struct conv_algorithm *a = conv_algorithms[i];
        if (a->supports(p, level) && (!a->pays || a->pays(p, level))) return a;
    }
    check_fail(__FILE__, __LINE__, "no algorithm supports pass %d of a convolution", (int)p->pass);
}
