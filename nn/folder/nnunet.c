#include "nn/folder/nnunet.h"

#include <string.h>

#include "nn/train/checkpoint.h"
#include "nn/folder/run.h"

const char *nnunet_tensor_name(const char *name)
{
    if (strncmp(name, "module.", 7) == 0) name += 7; /* trained on several GPUs */
    if (strncmp(name, "encoder.", 8) != 0 && strncmp(name, "decoder.", 8) != 0) return NULL;
    if (strncmp(name, "decoder.encoder.", 16) == 0 || strstr(name, ".all_modules.") != NULL) return NULL;
    return name;
}

int nnunet_network(struct safetensors *out, const struct pth *p, const char *path, struct error *e)
{
    const size_t n = strlen(NNUNET_NETWORK);
    memset(out, 0, sizeof *out);
    if (json_get(p->values, NNUNET_NETWORK) == NULL)
        return error_set(e, "%s: has no %s: is it a checkpoint of nnU-Net?", path, NNUNET_NETWORK);
    for (int i = 0; i < p->tensors.count; i++) {
        const struct safetensor *t = &p->tensors.tensor[i];
        if (strncmp(t->name, NNUNET_NETWORK, n) != 0 || t->name[n] != '.') continue;
        const char *name = nnunet_tensor_name(t->name + n + 1);
        if (name != NULL) safetensors_add(out, name, t->dtype, t->ndim, t->dim, t->data);
    }
    return 0;
}

int nnunet_read(const char *path, struct model *m, struct error *e)
{
    struct pth p;
    struct safetensors network = {0};
    if (pth_read(&p, path, e)) return -1;
    int status = nnunet_network(&network, &p, path, e);
    if (!status) status = checkpoint_load(&network, path, m, e);
    safetensors_free(&network);
    pth_free(&p);
    return status;
}

struct json *nnunet_manifest(const struct json *values, const char *folder)
{
    const struct json *axes = json_get(values, "inference_allowed_mirroring_axes");
    struct train_options o = train_options_default(TASK_SEGMENT);
    struct json *j = json_object();
    int64_t epochs = json_integer(values, "current_epoch", 0);
    if (epochs > 0 && epochs < 1000000) o.epochs = (int)epochs;
    o.iterations = 250; /* an epoch of nnU-Net */
    json_add_text(j, "program", "nephron");
    json_add_text(j, "configuration",
                  json_text(json_get(values, "init_args"), "configuration", "3d_fullres"));
    json_add(j, "training", train_options_json(&o));
    struct json *origin = json_add_object(j, "converted_from");
    json_add_text(origin, "folder", folder);
    json_add_text(origin, "trainer", json_text(values, "trainer_name", ""));
    json_add_int(origin, "epochs", epochs);
    if (axes != NULL) json_add(origin, "inference_allowed_mirroring_axes", json_copy(axes));
    return j;
}
