/* nnunet.c - a model folder as nnU-Net leaves it, opened as a run. */
#include "nn/folder/nnunet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "nn/folder/run.h"
#include "nn/network/network_norm.h"
#include "nn/train/checkpoint.h"

const char *nnunet_tensor_name(const char *name)
{
    name = checkpoint_plain_name(name);
    if (strncmp(name, "decoder.encoder.", 16) == 0 || strstr(name, ".all_modules.") != NULL) return NULL;
    return name;
}

static int is_unet(const char *name)
{
    return strncmp(name, "encoder.", 8) == 0 || strncmp(name, "decoder.", 8) == 0;
}

int nnunet_has_unet(const struct safetensors *s)
{
    int found = 0;
    for (int i = 0; i < s->count; i++) found |= is_unet(s->tensor[i].name);
    return found;
}

int nnunet_network(struct safetensors *out, const struct pth *p, int all, const char *path, struct error *e)
{
    const size_t n = strlen(NNUNET_NETWORK);
    memset(out, 0, sizeof *out);
    if (json_get(p->values, NNUNET_NETWORK) == NULL)
        return error_set(e, "%s: has no %s: is it a checkpoint of nnU-Net?", path, NNUNET_NETWORK);
    for (int i = 0; i < p->tensors.count; i++) {
        const struct safetensor *t = &p->tensors.tensor[i];
        if (strncmp(t->name, NNUNET_NETWORK, n) != 0 || t->name[n] != '.') continue;
        const char *name = nnunet_tensor_name(t->name + n + 1);
        if (name && (all || is_unet(name))) safetensors_add(out, name, t->dtype, t->ndim, t->dim, t->data);
    }
    if (out->failed) return error_set(e, "%s: out of memory for the names of its tensors", path);
    return 0;
}

int nnunet_read(const char *path, struct model *m, struct error *e)
{
    struct pth p;
    struct safetensors network = {0};
    if (pth_read(&p, path, e)) return -1;
    const char *trainer = json_text(p.values, "trainer_name", "nnUNetTrainer");
    int status = nnunet_network(&network, &p, 1, path, e);
    if (!status && checkpoint_load(&network, path, m, e))
        status = strcmp(trainer, "nnUNetTrainer") == 0
                     ? -1
                     : error_prefix(e, "trained by %.100s, whose network may not be that of plans.json",
                                    trainer);
    safetensors_free(&network);
    pth_free(&p);
    return status;
}

int nnunet_refuse_version_1(const char *path, struct error *e)
{
    static const char *const inside[] = {"plans.pkl", "../plans.pkl"};
    char name[1400];
    int old = file_has_suffix(path, ".model") || file_has_suffix(path, ".model.pkl") ||
              strcmp(file_name(path), "plans.pkl") == 0;
    for (int i = 0; i < 2 && !old && file_is_dir(path); i++)
        old = snprintf(name, sizeof name, "%s/%s", path, inside[i]) < (int)sizeof name && file_exists(name);
    if (!old) return 0;
    return error_set(
        e,
        "%s: is a model of nnU-Net version 1 (plans.pkl, .model), which is not read, as nnU-Net 2 does not "
        "read it: train again, its dataset.json and its images are read as they are",
        path);
}

/* 1, and the path of the first checkpoint, where nnU-Net has trained a fold in the folder. */
static int find_trained(char path[1400], const char *folder)
{
    struct file_list folds, files;
    struct error ignored;
    char fold[1300];
    int found = 0;
    if (!file_is_dir(folder) || file_list(folder, &folds, &ignored)) return 0;
    for (int i = 0; !found && i < folds.count; i++) {
        if (strncmp(folds.name[i], "fold_", 5) != 0 ||
            file_join(fold, sizeof fold, folder, folds.name[i], &ignored) || !file_is_dir(fold) ||
            file_list(fold, &files, &ignored))
            continue;
        for (int n = 0; !found && n < files.count; n++)
            found = strncmp(files.name[n], "checkpoint_", 11) == 0 &&
                    file_has_suffix(files.name[n], ".pth") &&
                    file_join(path, 1400, fold, files.name[n], &ignored) == 0;
        file_list_free(&files);
    }
    file_list_free(&folds);
    return found;
}

int nnunet_spare(const char *folder, struct error *e)
{
    char path[1400];
    if (!find_trained(path, folder)) return 0;
    return error_set(e, "%s: nnU-Net has trained this model folder: give another RUN", path);
}

/* Running averages are of batch norm alone: nnUNetTrainerBN puts it into the place of the plan's norm, and
 * plans.json says nothing of it. NULL: there are none. */
static const struct network_norm *norm_of(const struct safetensors *s)
{
    int k = 0, averages = 0;
    for (int i = 0; i < s->count; i++) averages |= file_has_suffix(s->tensor[i].name, ".norm.running_mean");
    while (averages && network_norms[k] && !network_norms[k]->over_batch) k++;
    return averages ? network_norms[k] : NULL;
}

struct json *nnunet_manifest(const struct json *values, const struct safetensors *tensors, const char *folder)
{
    const struct json *axes = json_get(values, "inference_allowed_mirroring_axes");
    const struct network_norm *norm = norm_of(tensors);
    struct train_options o = train_options_default(&task_segment);
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
    if (norm) json_add_text(origin, "norm", norm->name);
    if (axes != NULL) json_add(origin, "inference_allowed_mirroring_axes", json_copy(axes));
    else json_add_null(origin, "inference_allowed_mirroring_axes"); /* nnU-Net's predictor then takes none */
    return j;
}
