/* convert.h - what `convert` makes of each kind of input. Each says on the console what it has written, and
 * returns -1 with a message.
 */
#ifndef APPS_CONVERT_H
#define APPS_CONVERT_H

#include "io/base/error.h"
#include "io/image/image_format.h"

/* ---- convert_weights.c ---- */
/* A file of weights to .safetensors or .npz: the tensors below prefix without it; NULL: of an nnU-Net
 * checkpoint the network, of another file all. */
int convert_file(const char *in, const char *out, const char *prefix, struct error *e);
/* A model folder of nnU-Net to a run folder of all its folds. */
int convert_folder(const char *in, const char *out, struct error *e);
/* The network of one fold (NULL: the first) of a run or model folder, whoever trained it, without what
 * training kept beside it: to a file of weights, or to ONNX. checkpoint NULL: final, else best, else
 * latest. */
int convert_run(const char *in, const char *out, const char *fold, const char *checkpoint, struct error *e);

/* ---- convert_images.c ---- */
/* series NULL and volume 0: every one of a DICOM folder, a file each. */
int convert_image(const char *in, const char *out, const char *series, int volume, struct error *e);
/* Writes the volume, which it frees; part: what of `in` it is, "" of all. */
int convert_write(struct volume *v, const char *in, const char *out, const char *part, struct error *e);

/* ---- convert_dicom.c ---- */
struct convert_dicom {
    const char *like, *as, *labels; /* the series or the image, "seg" or "rtstruct", dataset.json or NULL */
    struct image_choice choice;     /* of the series */
};

int convert_to_dicom(const char *in, const char *out, const struct convert_dicom *o, struct error *e);
/* A label map, a segmentation in DICOM too, to an image on the grid of o->like, a series or an image. */
int convert_to_grid(const char *in, const char *out, const struct convert_dicom *o, struct error *e);

#endif
