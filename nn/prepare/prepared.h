/* prepared.h - a case as networks see it: on the network's grid, normalised; and where it came from, so that
 * a label map finds its way back to the file. What the files hold is struct sample (nn/data/sample.h).
 */
#ifndef NN_PREPARED_H
#define NN_PREPARED_H

#include "nn/data/sample.h"

/* Axes d, h, w after transposition; image [d][h][w][channels], label [d][h][w] or NULL: label indices,
 * LABEL_IGNORE, and LABEL_OUTSIDE (preprocess.h). */
struct prepared {
    int size[3];
    int channels;
    float *image;
    uint8_t *label;
    uint8_t *previous;   /* [d][h][w] label indices that the previous stage of a cascade gave, or NULL */
    int previous_labels; /* of a cascade: foreground labels, each an input channel of the network; else 0 */
    double spacing[3];   /* mm */
    size_t mapped;       /* bytes of the file_scratch that holds image and label; 0: each is malloc'ed */
    /* The raw sample that it was made of: its size and spacing in its own order of axes; which of these axes
     * each of the prepared ones is, and whether it runs against it; the box that was cut, on the turned grid,
     * and the size of that before it was resampled. Zero in classification. */
    int full_size[3];
    double full_spacing[3];
    int order[3], flip[3];
    int crop_begin[3], crop_end[3];
    int cropped_size[3];
    int masked; /* of a classification: cut to its mask, which is there and not empty */
};

void prepared_free(struct prepared *s);

#endif
