/* pth.h - PyTorch's .pth and .pt files: tensors and plain values. Executes nothing.
 *
 * What torch.save writes since version 1.6 (pth_legacy.c has the form before it) is a zip archive:
 * NAME/data.pkl, a pickle (io/weights/pickle.h) of nested dicts, and NAME/data/K, the bytes of storage K. A
 * tensor is a call of torch._utils._rebuild_tensor_v2 in the pickle: storage, offset, shape, strides. Calls
 * that are not known here are kept as data, whatever they name.
 */
#ifndef IO_PTH_H
#define IO_PTH_H

#include "io/base/json.h"
#include "io/weights/safetensors.h"
#include "io/weights/weights_format.h"

extern const struct weights_format pth_format;

struct pth {
    /* Every tensor, contiguous. The name is the path of keys and indices to it:
     * "network_weights.encoder.stages.0.0.convs.0.conv.weight". Tensors that share a storage share bytes here
     * too. Data need not be aligned. */
    struct safetensors tensors;
    /* All the rest: dicts as objects (members that are tensors are left out), lists and tuples as arrays
     * (null for a tensor), NumPy's numbers as numbers, classes as "module.name", other calls as {"__class__":
     * name, "arguments", "items", "state"}. */
    struct json *values;
    unsigned char **block; /* storages that had to be unpacked or rearranged */
    int blocks;
};

int pth_read(struct pth *p, const char *path, struct error *e);
int pth_parse(struct pth *p, unsigned char *data, size_t size, const char *name,
              struct error *e); /* takes data on success */
void pth_free(struct pth *p);

#endif
