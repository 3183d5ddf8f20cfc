/* predict_classify.c - class probabilities of cases: of a dataset, of a MedMNIST file or of images. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/base/dataset_warnings.h"
#include "apps/base/progress.h"
#include "apps/command/predict.h"
#include "apps/training/predictions.h"
#include "io/base/file.h"
#include "nn/data/labelmap.h"
#include "nn/train/classify.h"
#include "nn/train/learner_data.h"
#include "tensor/base/clock.h"

/* Cases of a dataset or .npz: all that are there, or one part of a MedMNIST file. */
static int load_dataset_cases(struct predict *p, struct dataset *d, struct learner_data *data,
                              struct error *e)
{
    const char *name = p->part ? p->part : "test";
    int part = strcmp(name, "train") == 0  ? PART_TRAIN
               : strcmp(name, "val") == 0  ? PART_VAL
               : strcmp(name, "test") == 0 ? PART_TEST
                                           : -1;
    if (dataset_open(d, p->inputs.text[0], e)) return -1;
    p->run.options.covariates_file = p->covariates;
    int *role = calloc((size_t)d->cases + 1, sizeof *role);
    int any = d->json == NULL;
    if (!role) return error_set(e, "out of memory for %d cases", d->cases);
    for (int i = 0; i < d->cases; i++) role[i] = part < 0 || !any || (int)d->item[i].part == part;
    struct progress bar = progress_begin("load", p->quiet);
    const struct reading how = {grid_warnings_check(p->grids), NULL, NULL, p->pool, progress_callback, &bar};
    int status = learner_data_load(data, d, &p->run.options, NULL, role, 1, &how, e);
    progress_end(&bar);
    free(role);
    return status;
}

/* Mask of the region to crop, masks/CASE.ending: any value but 0 is inside. */
static int load_mask(struct sample *s, const struct predict *p, const struct image_case *c,
                     struct error *e)
{
    const struct grid_check grids = grid_warnings_check(p->grids);
    const struct volume image = sample_grid(s);
    const struct dataset unlabelled = {.ignore_label = -1};
    char path[1300];
    struct label_index any;
    struct labelmap m;
    if (snprintf(path, sizeof path, "%s/%s%s", p->masks, c->id, p->run.dataset.file_ending) >=
        (int)sizeof path)
        return error_set(e, "%s: path is too long", p->masks);
    if (label_index_create(&any, &unlabelled, path, e)) return -1;
    int status = labelmap_read(&m, path, &any, e);
    label_index_free(&any);
    if (status) return -1;
    s->label = m.index;
    grids_assumed(&grids, &m.geometry, path);
    return grids_check(&grids, &image, c->path[0], &m.geometry, path, e);
}

/* Of images without a dataset: from --covariates, and volumes from --masks. */
static int read_covariates(struct predict *p, const struct image_cases *c, struct learner_data *data,
                           struct error *e)
{
    const struct covariates *v = &p->run.options.covariates;
    char names[COVARIATE_LIST];
    const int volume = covariates_volume(v), columns = v->count - (volume >= 0);
    if (!v->count) return 0;
    covariates_list(names, v);
    if (columns && !p->covariates)
        return error_set(e, "%s: takes %s beside the image: --covariates FILE with a column case and theirs",
                         p->run_path, names);
    if (volume >= 0 && !p->masks)
        return error_set(e, "%s: takes %s beside the image: --masks DIR for the volume", p->run_path, names);
    const char **id = malloc(((size_t)c->count + 1) * sizeof *id);
    data->covariate = malloc(((size_t)c->count + 1) * (size_t)v->count * sizeof *data->covariate);
    data->covariates = v->count;
    int status = id && data->covariate ? 0 : error_set(e, "out of memory for %d cases", c->count);
    for (int i = 0; !status && i < c->count; i++) id[i] = c->item[i].id;
    if (!status) status = covariates_read(data->covariate, v, id, c->count, &p->covariates, columns > 0, e);
    free(id);
    return status;
}

static int load_folder_cases(struct predict *p, struct image_cases *c, struct learner_data *data,
                             struct error *e)
{
    if (image_cases_list(c, &p->inputs, &p->run.dataset, &p->choice, e) || read_covariates(p, c, data, e))
        return -1;
    struct case_store *store = &data->store;
    const int volume = covariates_volume(&p->run.options.covariates);
    if (case_store_create(store, c->count, 0)) return error_set(e, "out of memory for %d cases", c->count);
    for (int i = 0; i < c->count; i++) {
        struct sample s;
        if (predict_load_images(&s, p, &c->item[i], e)) return -1;
        int status = p->masks ? load_mask(&s, p, &c->item[i], e) : 0;
        if (!status && volume >= 0)
            data->covariate[i * data->covariates + volume] = covariate_volume(&s);
        if (!status) status = classify_prepare(&store->prepared[i], &s, p->run.options.crop, 1, e);
        sample_free(&s);
        if (status) return -1;
    }
    return 0;
}

/* Options that would change nothing of these inputs, and inputs whose values are not such as the network was
 * trained with. */
static int check_options(const struct predict *p, int from_dataset, struct error *e)
{
    const char *in = p->inputs.text[0];
    if (p->covariates && !p->run.options.covariates.count)
        return error_set(e, "--covariates: %s takes images alone", p->run_path);
    if (from_dataset && p->inputs.count > 1)
        return error_set(e, "%s: is a dataset, and no other -i can stand beside it", in);
    if (from_dataset && (p->choice.series || p->choice.volume))
        return error_set(e, "--%s: %s is a dataset; it chooses among the DICOM series of a folder",
                         p->choice.series ? "series" : "volume", in);
    if (from_dataset && p->masks)
        return error_set(e, "--masks %s: %s is a dataset, whose own label maps are the masks", p->masks, in);
    const int arrays = file_has_suffix(in, ".npz");
    if (p->part && !p->resume && !arrays)
        return error_set(e, "--part %s: %s is no MedMNIST file, which alone has parts", p->part, in);
    if (arrays == run_of_arrays(&p->run)) return 0;
    if (arrays)
        return error_set(e,
                         "-i %s: has values from 0 to 1, but %s was trained on images, whose channels get "
                         "mean 0 and standard deviation 1: give images",
                         in, p->run_path);
    return error_set(e,
                     "-i %s: is no MedMNIST file, but %s was trained on one, whose values are from 0 to 1: "
                     "give such a file",
                     in, p->run_path);
}

/* A network that learned from crops around masks sees something else in a whole image, and the other way
 * round. */
static int check_masks(const struct predict *p, const struct learner_data *d, const char *const *id,
                       int from_dataset, struct error *e)
{
    const struct run *r = &p->run;
    struct error text;
    int first;
    const int masked = classify_masked(&first, d), n = d->store.cases;
    if (!r->cases || run_of_arrays(r)) return 0;
    if (r->masked == r->cases && masked < n)
        error_set(&text,
                  "%s: was trained on what lies around the masks of its cases, and %d of %d cases have none, "
                  "or an empty one: the network sees all of their image; the first is %s%s",
                  p->run_path, n - masked, n, id[first],
                  from_dataset || p->masks ? "" : "; --masks DIR takes masks");
    else if (!r->masked && masked)
        error_set(&text,
                  "%s: was trained on whole images, and of %d of %d cases sees what lies around their masks",
                  p->run_path, masked, n);
    else return 0;
    return warning_tell(text.text, p->grids->strict, e);
}

/* An AUC is printed: that it is one of training cases has to be said beside it. */
static int tell_trained(const struct predict *p, const struct dataset *d, struct error *e)
{
    char hash[65];
    const int held_out = !d->json && (!p->part || strcmp(p->part, "test") == 0 ||
                                      strcmp(p->part, "val") == 0);
    if (p->quiet || held_out || !p->run.data_hash[0] || d->cases < p->run.cases) return 0; /* reads all */
    if (dataset_hash(d, hash, e)) return -1;
    if (strcmp(hash, p->run.data_hash) == 0)
        console_to(stderr,
                   "nephron: note: %s: has the cases that %s was trained on, which says nothing of others; "
                   "those that were held out are in its fold_K/validation\n",
                   p->inputs.text[0], p->run_path);
    return 0;
}

int predict_classify(struct predict *p, struct model **model, struct error *e)
{
    struct dataset d = {0};
    struct image_cases images = {0};
    struct learner_data data = {0};
    static const char *const table[] = {"predictions.csv", NULL};
    char json[1300], path[1300];
    if (file_join(json, sizeof json, p->inputs.text[0], "dataset.json", e) ||
        file_join(path, sizeof path, p->out, "predictions.csv", e))
        return -1;
    int from_dataset = file_exists(json) || file_has_suffix(p->inputs.text[0], ".npz");
    if (check_options(p, from_dataset, e) || dataset_spare(p->out, e) || run_spare(p->out, e) ||
        predict_check_folder(p, table, e))
        return -1;
    const double start = clock_seconds();
    int status = predict_record_begin(
        p, model, NULL, e); /* before anything is replaced: other weights are an error at --resume */
    if (!status)
        status = from_dataset ? load_dataset_cases(p, &d, &data, e) : load_folder_cases(p, &images, &data, e);
    if (!status) status = predict_record_write(p, e);
    struct predictions r = {0};
    if (!status) predict_tell_missing(p, &data);
    if (!status) status = predictions_create(&r, data.store.cases, p->run.options.classifier.classes, e);
    for (int i = 0; !status && i < r.cases; i++) {
        r.id[i] = from_dataset ? d.item[data.store.index[i]].id : images.item[i].id;
        r.label[i] = from_dataset ? d.item[data.store.index[i]].target : -1;
    }
    if (!status) status = check_masks(p, &data, r.id, from_dataset, e);
    if (!status) status = predictions_run(&r, model, p->fold_count, &p->run.options, &data, p->pool, NULL, e);
    if (!status) status = predictions_write(&r, path, e);
    if (!status) status = predict_record_finish(p, r.cases, clock_seconds() - start, e);
    json_free(p->record);
    p->record = NULL;
    if (!status && from_dataset) status = tell_trained(p, &d, e);
    if (!status && !p->quiet) predictions_print(&r, path);
    predictions_free(&r);
    learner_data_free(&data);
    dataset_close(&d);
    image_cases_free(&images);
    return status;
}
