/* pretrained.c - initial weights from a file of any format that is read. */
#include "nn/folder/pretrained.h"

#include <string.h>

#include "io/base/file.h"
#include "io/formats/weights_formats.h"
#include "io/weights/seal.h"
#include "nn/folder/nnunet.h"
#include "nn/train/checkpoint.h"

/* The weights or the bias of a layer with an output for each class, in the file for another number of
 * them. */
static int of_other_classes(const struct param *p, const struct safetensor *t, int classes)
{
    if (!p || t->ndim != p->ndim || p->ndim < 1 || p->dim[0] != classes || t->dim[0] == classes) return 0;
    for (int i = 1; i < p->ndim; i++)
        if (t->dim[i] != p->dim[i]) return 0;
    return 1;
}

/* A view of the file with the model's own tensors in the place of those of other classes. */
static int take(const struct safetensors *s, const char *path, struct model *m, int classes, int *drawn,
                struct error *e)
{
    struct safetensors view = {0};
    for (int i = 0; i < s->count; i++) {
        const struct safetensor *t = &s->tensor[i];
        const char *name = checkpoint_plain_name(t->name);
        const struct param *p = model_find(m, name);
        if (!of_other_classes(p, t, classes)) {
            safetensors_add(&view, name, t->dtype, t->ndim, t->dim, t->data);
            continue;
        }
        int64_t dim[5];
        for (int k = 0; k < p->ndim; k++) dim[k] = p->dim[k];
        safetensors_add(&view, name, "F32", p->ndim, dim, m->data + p->offset);
        ++*drawn;
    }
    int status = view.failed ? error_set(e, "%s: out of memory for %d tensors", path, s->count)
                             : checkpoint_load(&view, path, m, e);
    safetensors_free(&view);
    return status;
}

/* What model.state_dict() gave, saved as it is or as member "state_dict" (PyTorch Lightning, MedicalNet). */
static int plain_network(struct safetensors *out, const struct pth *p, const char *path, struct error *e)
{
    static const char member[] = "state_dict.";
    const size_t n = json_get(p->values, "state_dict") ? sizeof member - 1 : 0;
    for (int i = 0; i < p->tensors.count; i++) {
        const struct safetensor *t = &p->tensors.tensor[i];
        if (strncmp(t->name, member, n) == 0)
            safetensors_add(out, t->name + n, t->dtype, t->ndim, t->dim, t->data);
    }
    return out->failed ? error_set(e, "%s: out of memory for the names of its tensors", path) : 0;
}

static int take_pth(const char *path, struct model *m, int classes, int *drawn, struct error *e)
{
    struct pth p;
    struct safetensors network = {0};
    if (pth_read(&p, path, e)) return -1;
    int status = json_get(p.values, NNUNET_NETWORK) ? nnunet_network(&network, &p, 0, path, e)
                                                    : plain_network(&network, &p, path, e);
    if (!status) status = take(&network, path, m, classes, drawn, e);
    safetensors_free(&network);
    pth_free(&p);
    return status;
}

int pretrained_read(const char *path, struct model *m, int classes, int *drawn, struct error *e)
{
    *drawn = 0;
    if (file_has_suffix(path, ".pth") || file_has_suffix(path, ".pt"))
        return take_pth(path, m, classes, drawn, e);
    struct weights w = {0};
    const int sealed = !file_has_suffix(path, ".npz");
    if (sealed ? seal_read(&w.tensors, path, 0, e) : weights_read(&w, path, e)) return -1;
    int status = take(&w.tensors, path, m, classes, drawn, e);
    if (sealed) safetensors_free(&w.tensors);
    else weights_free(&w);
    return status;
}
