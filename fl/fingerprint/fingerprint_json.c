/* fingerprint_json.c - a site's fingerprint as a file, checked when it comes back. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/fingerprint/fingerprint_json.h"
#include "fl/fingerprint/site_fingerprint.h"
#include "fl/message/vectors.h"
#include "io/base/text.h"

enum { FINGERPRINT_FORMAT = 1, CASES_MOST = 10000000, KEY_MOST = 1 << 21 };
#define VOXELS_MOST INT64_C(10000000000000) /* a million sites of so many add up in 64 bits */

/* ---- writing ------------------------------------------------------------------------------------------- */

static void add_channel(struct json *list, const struct channel_fingerprint *c)
{
    struct json *j = json_add_object(list, NULL);
    json_add_int(j, "voxels", (int64_t)c->count);
    json_add_number(j, "mean", c->mean);
    json_add_number(j, "sum_of_squared_distances", c->m2);
    json_add_number(j, "min", c->min);
    json_add_number(j, "max", c->max);
    struct json *keys = json_add_array(j, "bins"), *counts = json_add_array(j, "counts");
    for (int i = 0; i < c->bins; i++) {
        json_add_int(keys, NULL, c->bin[i].key);
        json_add_int(counts, NULL, (int64_t)c->bin[i].count);
    }
}

/* Classes beyond COVARIATE_CLASSES have no regression. */
static int regressions(const struct site_fingerprint *f)
{
    return f->classes < COVARIATE_CLASSES ? f->classes : COVARIATE_CLASSES;
}

static void add_covariates(struct json *j, const struct site_fingerprint *f)
{
    if (f->fold[0]) json_add_text(j, "covariates_fold", f->fold);
    struct json *list = json_add_array(j, "covariates"), *cases = json_add_array(j, "regression_cases");
    for (int i = 0; i < regressions(f); i++) json_add_int(cases, NULL, f->part.cases[i]);
    for (int k = 0; k < f->covariates.count; k++) {
        struct json *one = json_add_object(list, NULL);
        json_add_text(one, "name", f->covariates.name[k]);
        json_add_int(one, "cases", f->part.count[k]);
        json_add_number(one, "mean", f->part.mean[k]);
        json_add_number(one, "sum_of_squared_distances", f->part.m2[k]);
        struct json *slopes = json_add_array(one, "slopes");
        for (int i = 0; i < regressions(f); i++) json_add_number(slopes, NULL, f->part.slope[i][k]);
    }
}

int site_fingerprint_write(const struct site_fingerprint *f, const char *path, struct error *e)
{
    struct json *j = json_object();
    json_add_int(j, "format", FINGERPRINT_FORMAT);
    json_add_text(j, "site", f->site);
    if (f->data_hash[0]) json_add_text(j, "data_sha256", f->data_hash);
    json_add_int(j, "cases", f->cases);
    json_add_int(j, "channels", f->channels);
    json_add_int(j, "classes", f->classes);
    struct json *classes = json_add_array(j, "class_cases");
    for (int k = 0; k < f->classes; k++) json_add_int(classes, NULL, f->class_cases[k]);
    if (f->masked >= 0) json_add_int(j, "masked_cases", f->masked);
    struct json *spacings = json_add_array(j, "spacings"), *shapes = json_add_array(j, "shapes_after_crop"),
                *sizes = json_add_array(j, "relative_sizes");
    for (int i = 0; i < f->cases; i++) {
        struct json *spacing = json_add_array(spacings, NULL), *shape = json_add_array(shapes, NULL);
        for (int a = 0; a < 3; a++)
            json_add_number(spacing, NULL, f->spacing[i][a]), json_add_int(shape, NULL, f->shape[i][a]);
        json_add_number(sizes, NULL, f->relative_size[i]);
    }
    struct json *channels = json_add_array(j, "foreground");
    for (int c = 0; c < f->channels; c++) add_channel(channels, &f->channel[c]);
    if (f->covariates.count) add_covariates(j, f);
    json_add(j, "dataset", json_copy(f->dataset));
    int status = json_write(j, path, e);
    json_free(j);
    return status;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static int whole(const struct json *v, int64_t min, int64_t max)
{
    return v && v->type == JSON_INT && v->integer >= min && v->integer <= max;
}

static int list_of(const struct json *j, const char *key, int count, const struct json **list,
                   const char *path, struct error *e)
{
    *list = json_get(j, key);
    if (*list && (*list)->type == JSON_ARRAY && (*list)->count == count) return 0;
    return error_set(e, "%s: %s is no list of %d", path, key, count);
}

static int take_channel(struct channel_fingerprint *c, const struct json *j, int segments, const char *path,
                        struct error *e)
{
    int64_t voxels;
    const struct json *keys = json_get(j, "bins"), *counts;
    uint64_t sum = 0;
    if (take_integer(&voxels, j, "voxels", 0, VOXELS_MOST, path, e) ||
        take_number(&c->mean, j, "mean", -1e30, 1e30, path, e) ||
        take_number(&c->m2, j, "sum_of_squared_distances", 0, 1e60, path, e) ||
        take_number(&c->min, j, "min", -1e30, 1e30, path, e) ||
        take_number(&c->max, j, "max", -1e30, 1e30, path, e))
        return -1;
    if (!keys || keys->type != JSON_ARRAY || list_of(j, "counts", keys->count, &counts, path, e))
        return error_set(e, "%s: bins and counts do not fit", path);
    if (!(c->bin = malloc(((size_t)keys->count + 1) * sizeof *c->bin)))
        return error_set(e, "%s: out of memory", path);
    for (int i = 0; i < keys->count; i++) {
        const struct json *k = keys->item[i], *n = counts->item[i];
        if (!whole(k, i ? (int64_t)c->bin[i - 1].key + 1 : 0, KEY_MOST - 1) || !whole(n, 1, voxels))
            return error_set(e, "%s: bin %d is no bin in order with a count", path, i);
        c->bin[c->bins++] = (struct intensity_bin){(uint32_t)k->integer, (uint64_t)n->integer};
        sum += (uint64_t)n->integer;
        if (sum > (uint64_t)voxels) break; /* far below where it would overflow */
    }
    c->count = (uint64_t)voxels;
    if (sum != c->count || c->min > c->max)
        return error_set(e, "%s: the bins hold %llu of %lld voxels", path, (unsigned long long)sum,
                         (long long)voxels);
    return segments || voxels == 0 ? 0 : error_set(e, "%s: a histogram without label maps", path);
}

static int take_cases(struct site_fingerprint *f, const struct json *j, const char *path, struct error *e)
{
    const struct json *spacings, *shapes, *sizes;
    size_t n = (size_t)f->cases + 1;
    if (list_of(j, "spacings", f->cases, &spacings, path, e) ||
        list_of(j, "shapes_after_crop", f->cases, &shapes, path, e) ||
        list_of(j, "relative_sizes", f->cases, &sizes, path, e))
        return -1;
    f->spacing = calloc(n, sizeof *f->spacing);
    f->shape = calloc(n, sizeof *f->shape);
    f->relative_size = calloc(n, sizeof *f->relative_size);
    if (!f->spacing || !f->shape || !f->relative_size)
        return error_set(e, "%s: out of memory for %d cases", path, f->cases);
    for (int i = 0; i < f->cases; i++) {
        const struct json *size = sizes->item[i];
        int good =
            (size->type == JSON_INT || size->type == JSON_DOUBLE) && size->number >= 0 && size->number <= 1;
        for (int a = 0; good && a < 3; a++) {
            const struct json *x = json_at(spacings->item[i], a), *n3 = json_at(shapes->item[i], a);
            good = x && (x->type == JSON_INT || x->type == JSON_DOUBLE) && x->number > 0 &&
                   x->number <= 1e6 && whole(n3, 1, 1000000);
            if (!good) break;
            f->spacing[i][a] = x->number;
            f->shape[i][a] = (int)n3->integer;
        }
        if (!good)
            return error_set(e, "%s: spacing, shape or relative size of case %d are not what an image has",
                             path, i);
        f->relative_size[i] = size->number;
    }
    return 0;
}

static int take_covariate(struct site_fingerprint *f, int k, const struct json *j, const char *path,
                          struct error *e)
{
    struct covariate_part *p = &f->part;
    const struct json *slopes;
    int64_t cases;
    if (take_integer(&cases, j, "cases", 0, f->cases, path, e) ||
        take_number(&p->mean[k], j, "mean", -1e39, 1e39, path, e) ||
        take_number(&p->m2[k], j, "sum_of_squared_distances", 0, 1e90, path, e) ||
        list_of(j, "slopes", regressions(f), &slopes, path, e))
        return -1;
    p->count[k] = (int)cases;
    for (int i = 0; i < slopes->count; i++) {
        const struct json *s = slopes->item[i];
        if ((s->type != JSON_INT && s->type != JSON_DOUBLE) || !(fabs(s->number) <= 1e30))
            return error_set(e, "%s: slope %d of '%s' is no number", path, i, f->covariates.name[k]);
        p->slope[i][k] = s->number;
    }
    return 0;
}

static int take_covariates(struct site_fingerprint *f, const struct json *j, const char *path,
                           struct error *e)
{
    const struct json *list = json_get(j, "covariates"), *cases;
    struct text names = {0};
    if (!list) return 0;
    snprintf(f->fold, sizeof f->fold, "%s", json_text(j, "covariates_fold", ""));
    if (list->type != JSON_ARRAY || list_of(j, "regression_cases", regressions(f), &cases, path, e))
        return error_set(e, "%s: covariates is no list with regression_cases", path);
    for (int k = 0; k < list->count; k++)
        text_printf(&names, "%s%s", k ? "," : "", json_text(list->item[k], "name", ""));
    char *text = text_take(&names);
    int status = covariates_parse(&f->covariates, text ? text : "", e);
    free(text);
    if (status) return error_prefix(e, "%s", path);
    if (f->covariates.count != list->count)
        return error_set(e, "%s: covariates has %d objects with %d names", path, list->count,
                         f->covariates.count);
    for (int i = 0; i < cases->count; i++) {
        if (!whole(cases->item[i], 0, f->cases))
            return error_set(e, "%s: regression_cases[%d] is no number of cases", path, i);
        f->part.cases[i] = (int)cases->item[i]->integer;
    }
    for (int k = 0; !status && k < list->count; k++) status = take_covariate(f, k, list->item[k], path, e);
    return status;
}

static int take_all(struct site_fingerprint *f, const struct json *j, const char *path, struct error *e)
{
    int64_t cases, channels, classes, masked = -1;
    const struct json *list, *dataset = json_get(j, "dataset");
    const char *site = json_text(j, "site", "");
    if (json_integer(j, "format", -1) != FINGERPRINT_FORMAT)
        return error_set(e, "%s: is no fingerprint of format %d", path, FINGERPRINT_FORMAT);
    if (!*site || strlen(site) >= sizeof f->site)
        return error_set(e, "%s: site '%.80s' is no name", path, site);
    if (take_integer(&cases, j, "cases", 1, CASES_MOST, path, e) ||
        take_integer(&channels, j, "channels", 1, CHANNELS_MAX, path, e) ||
        take_integer(&classes, j, "classes", 0, LABELS_MAX, path, e) ||
        (json_get(j, "masked_cases") && take_integer(&masked, j, "masked_cases", 0, cases, path, e)))
        return -1;
    f->masked = (int)masked;
    if (!dataset || dataset->type != JSON_OBJECT) return error_set(e, "%s: has no dataset.json in it", path);
    snprintf(f->site, sizeof f->site, "%s", site);
    snprintf(f->data_hash, sizeof f->data_hash, "%s", json_text(j, "data_sha256", ""));
    f->cases = (int)cases;
    f->channels = (int)channels;
    f->classes = (int)classes;
    if (!(f->dataset = json_copy(dataset))) return error_set(e, "%s: out of memory", path);
    if (list_of(j, "class_cases", f->classes, &list, path, e)) return -1;
    for (int k = 0; k < f->classes; k++) {
        if (!whole(list->item[k], 0, cases))
            return error_set(e, "%s: class_cases[%d] is no number of cases", path, k);
        f->class_cases[k] = list->item[k]->integer;
    }
    if (take_cases(f, j, path, e) || take_covariates(f, j, path, e) ||
        list_of(j, "foreground", f->channels, &list, path, e)) return -1;
    for (int c = 0; c < f->channels; c++)
        if (take_channel(&f->channel[c], list->item[c], f->classes == 0, path, e)) return -1;
    return 0;
}

int site_fingerprint_read(struct site_fingerprint *f, const char *path, struct error *e)
{
    memset(f, 0, sizeof *f);
    struct json *j = json_read(path, e);
    int status = j ? take_all(f, j, path, e) : -1;
    json_free(j);
    if (status) site_fingerprint_free(f);
    return status;
}
