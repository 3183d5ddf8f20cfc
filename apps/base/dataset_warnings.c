/* dataset_warnings.c - what a dataset says of itself that its files, or another's, do not bear out. */
#include "apps/base/dataset_warnings.h"

#include <string.h>

#include "apps/base/console.h"
#include "io/base/file.h"
#include "nn/data/labelmap.h"
#include "nn/train/classify.h"

int warning_tell(const char *text, int strict, struct error *e)
{
    if (strict) return error_set(e, "%s", text);
    console_to(stderr, "nephron: warning: %s\n", text);
    return 0;
}

/* Cases of a class. */
static int count_class(const struct learner_data *d, int class)
{
    int n = 0;
    for (int i = 0; i < d->store.cases; i++) n += d->target[i] == class;
    return n;
}

int dataset_warn_fold(const struct dataset *d, const char *fold, const struct learner_data *train,
                      const struct learner_data *validation, int classes, int strict, struct error *e)
{
    struct error text;
    for (int k = 0; k < classes; k++) {
        if (count_class(train, k)) continue;
        error_set(&text, "%s: fold %s has no training case of class %d, which the network never sees",
                  d->path, fold, k);
        if (warning_tell(text.text, strict, e)) return -1;
    }
    for (int k = 0; validation->store.cases && classes == 2 && k < classes; k++) {
        if (count_class(validation, k)) continue;
        error_set(&text, "%s: fold %s holds no case of class %d out, so that there is no AUC", d->path, fold,
                  k);
        if (warning_tell(text.text, strict, e)) return -1;
    }
    return 0;
}

int dataset_warn_masks(const struct dataset *d, const struct learner_data *train,
                       const struct learner_data *validation, int strict, struct error *e)
{
    const struct learner_data *const part[] = {train, validation};
    const char *name = NULL;
    struct error text;
    int masked = 0, cases = 0;
    for (int k = 0; k < 2; k++) {
        int first;
        masked += classify_masked(&first, part[k]);
        cases += part[k]->store.cases;
        if (first >= 0 && !name) name = d->item[part[k]->store.index[first]].id;
    }
    if (!masked || masked == cases) return 0;
    error_set(&text,
              "%s/labelsTr: %d of %d cases have no mask, or an empty one: the network sees all of their "
              "image, and of the others what lies around the mask; the first is %s",
              d->path, cases - masked, cases, name);
    return warning_tell(text.text, strict, e);
}

int dataset_warn_site_masks(const struct site_fingerprint *one, int sites, const struct site_fingerprint *all,
                            int strict, struct error *e)
{
    struct error text;
    int k = 0;
    if (all->masked <= 0 || all->masked == all->cases) return 0;
    while (k < sites - 1 && one[k].masked == one[k].cases) k++;
    error_set(&text,
              "fingerprint/%s.json: %d of %d cases have no mask, and %d of the %d of all sites have one: the "
              "network sees all of the image of the former, and of the others what lies around the mask",
              one[k].site, one[k].cases - one[k].masked, one[k].cases, all->masked, all->cases);
    return warning_tell(text.text, strict, e);
}

int dataset_warn_other_masks(const struct dataset *d, const struct learner_data *train,
                             const struct learner_data *validation, int others, int others_masked, int strict,
                             struct error *e)
{
    struct error text;
    int first;
    const int masked = classify_masked(&first, train) + classify_masked(&first, validation),
              cases = train->store.cases + validation->store.cases;
    if (cases == 0 || others_masked < 0) return 0;
    if (masked == 0 && others_masked == others)
        error_set(&text,
                  "%s/labelsTr: none of %d cases has a mask, and all %d of the federation have one: the "
                  "network sees all of their image, and of the others what lies around the mask",
                  d->path, cases, others);
    else if (masked && others_masked == 0)
        error_set(&text,
                  "%s/labelsTr: %d of %d cases have a mask, and none of the %d of the federation: the "
                  "network sees what lies around it, and all of the others' image",
                  d->path, masked, cases, others);
    else return 0;
    return warning_tell(text.text, strict, e);
}

/* Label maps that belong to no case; the first one's name goes into first. */
static int without_image(char first[ID_MAX], const struct dataset *d, struct error *e)
{
    char path[1200], id[ID_MAX];
    struct file_list list;
    struct error ignored;
    int count = 0;
    if (file_join(path, sizeof path, d->path, "labelsTr", e)) return -1;
    if (!file_is_dir(path)) return 0;
    if (file_list(path, &list, e)) return -1;
    for (int i = 0; i < list.count; i++) {
        if (!volume_suffix(list.name[i]) || labelmap_case_name(id, list.name[i], &ignored) ||
            dataset_find(d, id, &ignored) >= 0)
            continue;
        if (count++ == 0) snprintf(first, ID_MAX, "%s", id);
    }
    file_list_free(&list);
    return count;
}

int dataset_warn_classes(const struct dataset *d, int strict, struct error *e)
{
    const char *first = NULL;
    struct error text;
    int left = 0;
    for (int k = 0; k < d->classes; k++) {
        int any = 0;
        for (int i = 0; i < d->cases && !any; i++) any = d->item[i].target == k;
        if (!any)
            return error_set(e,
                             "%s%s: no case has label %d, and the highest is %d: classes are numbered from 0",
                             d->path, d->json ? "/labels.csv" : "", k, d->classes - 1);
    }
    if (!d->json) return 0;
    for (int i = 0; i < d->cases; i++)
        if (d->item[i].target < 0 && left++ == 0) first = d->item[i].id;
    if (!left) return 0;
    error_set(&text, "%s/labels.csv: %d case%s of imagesTr %s no row and %s left out, the first is %s",
              d->path, left, left == 1 ? "" : "s", left == 1 ? "has" : "have", left == 1 ? "is" : "are",
              first);
    return warning_tell(text.text, strict, e);
}

int dataset_warn(const struct dataset *d, int strict, struct error *e)
{
    const struct json *number = json_get(d->json, "numTraining");
    const int64_t told = json_integer(d->json, "numTraining", d->cases);
    struct error text;
    char first[ID_MAX];
    if (!d->json) return 0;
    if (number && number->type != JSON_INT) {
        error_set(&text, "%s/dataset.json: numTraining is no whole number; imagesTr has %d cases", d->path,
                  d->cases);
        if (warning_tell(text.text, strict, e)) return -1;
    }
    if (told != d->cases) {
        error_set(&text,
                  "%s/dataset.json: numTraining is %lld, imagesTr has %d cases; the planner counts with "
                  "numTraining, as nnU-Net's",
                  d->path, (long long)told, d->cases);
        if (warning_tell(text.text, strict, e)) return -1;
    }
    const int lost = without_image(first, d, e);
    if (lost <= 0) return lost;
    error_set(&text, "%s/labelsTr: %d label map%s no image in imagesTr, the first is %s", d->path, lost,
              lost == 1 ? " has" : "s have", first);
    return warning_tell(text.text, strict, e);
}

/* Value of the label of that name in d, -1 where there is none. */
static int value_named(const struct dataset *d, const char *name)
{
    for (int k = 0; k < d->labels; k++)
        if (strcmp(d->label_name[k], name) == 0) return k;
    return -1;
}

static int channel_named(const struct dataset *d, const char *name)
{
    for (int c = 0; c < d->channels; c++)
        if (strcmp(d->channel_name[c], name) == 0) return c;
    return -1;
}

int dataset_same_channels(const struct dataset *d, const struct dataset *other, const char *name, int strict,
                          struct error *e)
{
    struct error text;
    int different = -1;
    for (int c = 0; c < d->channels && d->channels == other->channels; c++) {
        const int there = channel_named(other, d->channel_name[c]);
        if (there >= 0 && there != c && strcmp(d->channel_name[c], other->channel_name[c]))
            return error_set(e, "%s: channel %s is %d, in %s it is %d", name, d->channel_name[c], there,
                             d->path, c);
        if (there < 0 && different < 0) different = c;
    }
    if (different < 0) return 0;
    error_set(&text, "%s: channel %d is called %s, in %s %s", name, different,
              other->channel_name[different], d->path, d->channel_name[different]);
    return warning_tell(text.text, strict, e);
}

int dataset_same_labels(const struct dataset *d, const struct dataset *other, struct error *e)
{
    const char *path = other->path;
    int status = d->labels == other->labels && d->regions == other->regions
                     ? 0
                     : error_set(e, "%s: has %d labels and %d regions, %s has %d and %d", path, other->labels,
                                 other->regions, d->path, d->labels, d->regions);
    for (int k = 0; !status && !d->regions && k < d->labels; k++) {
        const int there = value_named(other, d->label_name[k]);
        if (there == k) continue;
        if (there >= 0)
            status = error_set(e, "%s: label %s is %d, in %s it is %d: their probabilities have no mean",
                               path, d->label_name[k], there, d->path, k);
        else
            console_to(stderr, "nephron: warning: %s: label %d is called %s, in %s %s\n", path, k,
                       other->label_name[k], d->path, d->label_name[k]);
    }
    for (int r = 0; !status && r < d->regions; r++) {
        const struct region *a = &d->region[r], *b = &other->region[r];
        if (!label_set_equal(&a->labels, &b->labels))
            status = error_set(e, "%s: region %d, %s, has other labels than %s of %s", path, r, b->name,
                               a->name, d->path);
        else if (strcmp(a->name, b->name) != 0)
            console_to(stderr, "nephron: warning: %s: region %d is called %s, in %s %s\n", path, r, b->name,
                       d->path, a->name);
    }
    return status;
}
