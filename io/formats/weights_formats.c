/* weights_formats.c - the table of file formats of weights: who reads a path, who writes it. */
#include "io/formats/weights_formats.h"

#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/base/text.h"
#include "io/weights/npz_weights.h"
#include "io/weights/onnx.h"
#include "io/weights/pth.h"

static const struct weights_format *const formats[] = {&pth_format, &safetensors_format, &npz_format,
                                                       &onnx_format};
enum { FORMATS = sizeof formats / sizeof *formats };

const struct weights_format *weights_format_at(int i)
{
    return i >= 0 && i < FORMATS ? formats[i] : NULL;
}

const struct weights_format *weights_format_named(const char *path)
{
    for (int i = 0; i < FORMATS; i++)
        for (const char *const *ending = formats[i]->endings; *ending; ending++)
            if (file_has_suffix(path, *ending)) return formats[i];
    return NULL;
}

/* "PATH: ... (.pth, .pt, ...)", with the endings of what is read, or written. */
static int unknown(const char *path, int written, struct error *e)
{
    struct text list = {0};
    for (int i = 0; i < FORMATS; i++)
        for (const char *const *ending = formats[i]->endings;
             *ending && (written ? formats[i]->write != NULL : formats[i]->read != NULL); ending++)
            text_printf(&list, "%s%s", list.size ? ", " : "", *ending);
    error_set(e, "%s: %s (%s: %s)", path, written ? "weights are not written to it" : "no file of weights",
              written ? "written" : "read", list.data ? list.data : "");
    free(list.data);
    return -1;
}

int weights_read(struct weights *w, const char *path, struct error *e)
{
    const struct weights_format *f = weights_format_named(path);
    memset(w, 0, sizeof *w);
    if (!f || !f->read) return unknown(path, 0, e);
    if (f->read(w, path, e)) return -1;
    if (!w->tensors.failed) return 0;
    weights_free(w);
    return error_set(e, "%s: out of memory for the names of its tensors", path);
}

int weights_write(const struct safetensors *s, const char *path, size_t *changed, struct error *e)
{
    const struct weights_format *f = weights_format_named(path);
    *changed = 0;
    if (!f || !f->write) return unknown(path, 1, e);
    return f->write(s, path, changed, e);
}
