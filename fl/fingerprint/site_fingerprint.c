/* site_fingerprint.c - extracting and merging; its JSON is in fingerprint_json.c. */
#include "fl/fingerprint/site_fingerprint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/data/crop.h"
#include "nn/plan/fingerprint.h"
#include "nn/plan/orientation.h"
#include "nn/data/roles.h"

/* Bins are the highest BIN_BITS bits of a float, mapped so that keys sort as values do: sign, exponent, 12
 * bits of the fraction. */
enum { BIN_BITS = 21, BIN_SHIFT = 32 - BIN_BITS };

static uint32_t bin_key(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (bits == 0x80000000u) bits = 0;
    bits >>= BIN_SHIFT;
    uint32_t sign = 1u << (BIN_BITS - 1);
    return bits & sign ? ~bits & (2 * sign - 1) : bits | sign;
}

/* The number of the bin that is nearest to 0: itself where it fits into 13 bits. */
static double bin_value(uint32_t key)
{
    uint32_t sign = 1u << (BIN_BITS - 1), bits = key & sign ? key & ~sign : ~key & (2 * sign - 1);
    float x;
    bits <<= BIN_SHIFT;
    memcpy(&x, &bits, sizeof x);
    return (double)x;
}

void site_fingerprint_free(struct site_fingerprint *f)
{
    free(f->spacing);
    free(f->shape);
    free(f->relative_size);
    for (int c = 0; c < CHANNELS_MAX; c++) free(f->channel[c].bin);
    json_free(f->dataset);
    memset(f, 0, sizeof *f);
}

/* ---- merging ------------------------------------------------------------------------------------------- */

static void merge_moments(struct channel_fingerprint *to, double count, double mean, double m2)
{
    double n = (double)to->count, all = n + count, distance = mean - to->mean;
    if (count == 0) return;
    to->mean += distance * (count / all);
    to->m2 += m2 + distance * distance * (n * count / all);
    to->count += (uint64_t)count;
}

static int merge_bins(struct channel_fingerprint *to, const struct channel_fingerprint *from)
{
    struct intensity_bin *bin = malloc(((size_t)to->bins + (size_t)from->bins + 1) * sizeof *bin);
    int n = 0, a = 0, b = 0;
    if (!bin) return -1;
    while (a < to->bins || b < from->bins) {
        int first = b == from->bins || (a < to->bins && to->bin[a].key <= from->bin[b].key);
        int both = first && b < from->bins && to->bin[a].key == from->bin[b].key;
        bin[n] = first ? to->bin[a++] : from->bin[b++];
        if (both) bin[n].count += from->bin[b++].count;
        n++;
    }
    free(to->bin);
    to->bin = bin;
    to->bins = n;
    return 0;
}

static int merge_channel(struct channel_fingerprint *to, const struct channel_fingerprint *from)
{
    int empty = to->count == 0;
    if (from->count == 0) return 0;
    to->min = empty || from->min < to->min ? from->min : to->min;
    to->max = empty || from->max > to->max ? from->max : to->max;
    merge_moments(to, (double)from->count, from->mean, from->m2);
    return merge_bins(to, from);
}

/* What dataset.json says of channels and labels. */
int site_fingerprint_same_labels(const struct json *a, const struct json *b)
{
    static const char *const key[] = {"channel_names", "labels", "regions_class_order"};
    int same = 1;
    for (size_t i = 0; i < sizeof key / sizeof *key; i++)
        same &= json_same(json_get(a, key[i]), json_get(b, key[i]));
    return same;
}

static int merge_cases(struct site_fingerprint *to, const struct site_fingerprint *from)
{
    size_t n = (size_t)to->cases, more = (size_t)from->cases;
    double (*spacing)[3] = realloc(to->spacing, (n + more + 1) * sizeof *spacing);
    if (spacing) to->spacing = spacing;
    int (*shape)[3] = realloc(to->shape, (n + more + 1) * sizeof *shape);
    if (shape) to->shape = shape;
    double *size = realloc(to->relative_size, (n + more + 1) * sizeof *size);
    if (size) to->relative_size = size;
    if (!spacing || !shape || !size) return -1;
    for (size_t i = 0; i < more; i++) {
        memcpy(spacing[n + i], from->spacing[i], sizeof *spacing);
        memcpy(shape[n + i], from->shape[i], sizeof *shape);
        size[n + i] = from->relative_size[i];
    }
    to->cases += from->cases;
    return 0;
}

int site_fingerprint_merge(struct site_fingerprint *to, const struct site_fingerprint *from, struct error *e)
{
    if (!to->dataset) {
        if (!(to->dataset = json_copy(from->dataset)))
            return error_set(e, "out of memory for the fingerprint of site %s", from->site);
        to->channels = from->channels;
        to->classes = from->classes;
        to->masked = 0;
        to->covariates = from->covariates;
        memcpy(to->fold, from->fold, sizeof to->fold);
    }
    if (to->channels != from->channels || !site_fingerprint_same_labels(to->dataset, from->dataset))
        return error_set(e,
                         "site %s: channels or labels of its dataset.json are not those of the other sites",
                         from->site);
    if (to->classes != from->classes)
        return error_set(e, "site %s has %d classes, the others %d", from->site, from->classes, to->classes);
    if (!covariates_same(&to->covariates, &from->covariates)) {
        char own[COVARIATE_LIST], others[COVARIATE_LIST];
        covariates_list(own, &from->covariates);
        covariates_list(others, &to->covariates);
        return error_set(e, "site %s: its fingerprint has the covariates (%s), the others have (%s)",
                         from->site, own, others);
    }
    if (strcmp(to->fold, from->fold) != 0)
        return error_set(e,
                         "site %s: the covariates of its fingerprint are of fold %s, the others' of fold %s",
                         from->site, from->fold[0] ? from->fold : "?", to->fold[0] ? to->fold : "?");
    covariate_part_merge(&to->part, &from->part, to->covariates.count);
    int bad = merge_cases(to, from);
    for (int c = 0; c < from->channels; c++) bad |= merge_channel(&to->channel[c], &from->channel[c]);
    for (int k = 0; k < LABELS_MAX; k++) to->class_cases[k] += from->class_cases[k];
    to->masked = to->masked < 0 || from->masked < 0 ? -1 : to->masked + from->masked;
    return bad ? error_set(e, "out of memory for the fingerprint of site %s", from->site) : 0;
}

/* ---- extracting ---------------------------------------------------------------------------------------- */

struct extraction {
    struct site_fingerprint *f;
    uint64_t *count[CHANNELS_MAX]; /* [1 << BIN_BITS] */
};

/* Moments of a case in two passes, merged into those of the cases before. */
static void add_channel(struct extraction *x, const struct sample *s, int c, const int begin[3],
                        const int end[3])
{
    struct channel_fingerprint *to = &x->f->channel[c];
    double n = 0, sum = 0, mean = 0, m2 = 0;
    for (int pass = 0; pass < 2; pass++) {
        if (pass) mean = n ? sum / n : 0;
        for (int z = begin[0]; z < end[0]; z++)
            for (int y = begin[1]; y < end[1]; y++) {
                size_t row = ((size_t)z * (size_t)s->size[1] + (size_t)y) * (size_t)s->size[2];
                for (size_t i = row + (size_t)begin[2]; i < row + (size_t)end[2]; i++) {
                    float v = s->image[i * (size_t)s->channels + (size_t)c];
                    if (!s->label[i]) continue;
                    if (pass) {
                        m2 += ((double)v - mean) * ((double)v - mean);
                        continue;
                    }
                    if ((to->count == 0 && n == 0) || (double)v < to->min) to->min = (double)v;
                    if ((to->count == 0 && n == 0) || (double)v > to->max) to->max = (double)v;
                    x->count[c][bin_key(v)]++;
                    sum += (double)v;
                    n++;
                }
            }
    }
    merge_moments(to, n, mean, m2);
}

static int extract_case(struct extraction *x, const struct dataset *d, int i, const struct reading *how,
                        struct error *e)
{
    struct site_fingerprint *f = x->f;
    struct sample s;
    int begin[3], end[3], order[3] = {0, 1, 2}, flip[3], k = f->cases;
    if (dataset_load(&s, d, i, how, e)) return -1;
    crop_nonzero(begin, end, NULL, s.image, s.channels, s.size);
    if (d->to_ras) orientation_to_ras(order, flip, s.affine);
    for (int a = 0; a < 3; a++) {
        f->spacing[k][a] = s.spacing[order[a]];
        f->shape[k][a] = end[order[a]] - begin[order[a]];
    }
    f->relative_size[k] = fingerprint_relative_size(f->shape[k], s.size);
    for (int c = 0; s.label && c < f->channels; c++) add_channel(x, &s, c, begin, end);
    sample_free(&s);
    f->cases++;
    return 0;
}

static int take_bins(struct extraction *x, struct error *e)
{
    for (int c = 0; c < x->f->channels; c++) {
        struct channel_fingerprint *to = &x->f->channel[c];
        for (uint32_t k = 0; k < 1u << BIN_BITS; k++) to->bins += x->count[c][k] > 0;
        to->bin = malloc(((size_t)to->bins + 1) * sizeof *to->bin);
        if (!to->bin) return error_set(e, "out of memory for %d bins", to->bins);
        to->bins = 0;
        for (uint32_t k = 0; k < 1u << BIN_BITS; k++)
            if (x->count[c][k]) to->bin[to->bins++] = (struct intensity_bin){k, x->count[c][k]};
    }
    return 0;
}

/* Cases of the role that count: with a label map, or with a class. */
static int counts(const struct dataset *d, const int *role, int segments, int i)
{
    if (role && !role[i]) return 0;
    return segments ? d->item[i].has_label_map : d->item[i].target >= 0;
}

static int extract_maps(struct extraction *x, const struct dataset *d, const int *role, int of,
                        const struct reading *how, struct error *e)
{
    int status = 0;
    for (int c = 0; c < x->f->channels; c++)
        if (!(x->count[c] = calloc((size_t)1 << BIN_BITS, sizeof *x->count[c])))
            status = error_set(e, "out of memory for a histogram");
    for (int i = 0; !status && i < d->cases; i++) {
        if (!counts(d, role, 1, i)) continue;
        status = extract_case(x, d, i, how, e);
        if (how && how->progress && !status) how->progress(how->arg, x->f->cases, of);
    }
    if (!status) status = take_bins(x, e);
    for (int c = 0; c < x->f->channels; c++) free(x->count[c]);
    return status;
}

int site_fingerprint_extract(struct site_fingerprint *f, const char *site, const struct dataset *d,
                             const int *role, int segments, const struct json *dataset_json,
                             const struct reading *how, struct error *e)
{
    struct extraction x = {.f = f};
    size_t of = 0;
    memset(f, 0, sizeof *f);
    snprintf(f->site, sizeof f->site, "%s", site);
    f->channels = d->channels;
    f->classes = segments ? 0 : d->classes;
    f->masked = segments || !d->json ? -1 : 0;
    f->dataset = json_copy(dataset_json);
    for (int i = 0; i < d->cases; i++) of += (size_t)counts(d, role, segments, i);
    f->spacing = calloc(of + 1, sizeof *f->spacing);
    f->shape = calloc(of + 1, sizeof *f->shape);
    f->relative_size = calloc(of + 1, sizeof *f->relative_size);
    int status = f->dataset && f->spacing && f->shape && f->relative_size
                     ? 0
                     : error_set(e, "out of memory for %zu cases", of);
    if (!status && of == 0) status = error_set(e, "%s: no case has a label", d->path);
    if (!status && segments) status = extract_maps(&x, d, role, (int)of, how, e);
    for (int i = 0; !status && !segments && i < d->cases; i++) {
        if (!counts(d, role, 0, i)) continue;
        f->class_cases[d->item[i].target]++;
        if (f->masked >= 0) f->masked += d->item[i].has_label_map;
        f->relative_size[f->cases] = 1;
        for (int a = 0; a < 3; a++) f->spacing[f->cases][a] = f->shape[f->cases][a] = 1;
        f->cases++;
    }
    if (status) site_fingerprint_free(f);
    return status;
}

/* Volumes of the cases that count; the tables have the rest. */
static int take_volumes(float *value, const struct covariates *c, const struct dataset *d, const int *role,
                        const struct reading *how, struct error *e)
{
    const int volume = covariates_volume(c);
    for (int i = 0; volume >= 0 && i < d->cases; i++) {
        struct sample s;
        if (role[i] != ROLE_TRAIN || d->item[i].target < 0) continue;
        if (dataset_load(&s, d, i, how, e)) return -1;
        value[i * c->count + volume] = covariate_volume(&s);
        sample_free(&s);
    }
    return 0;
}

int site_fingerprint_covariates(struct site_fingerprint *f, const struct covariates *c,
                                const struct dataset *d, const int *role, const struct reading *how,
                                struct error *e)
{
    const size_t count = (size_t)c->count, cases = (size_t)d->cases;
    float *value = malloc((cases * count + 1) * sizeof *value);
    int *target = malloc((cases + 1) * sizeof *target), n = 0;
    int status = value && target ? 0 : error_set(e, "out of memory for %zu cases", cases);
    if (!status)
        status = covariates_of_dataset(value, c, d, NULL, e) || take_volumes(value, c, d, role, how, e);
    for (size_t i = 0; !status && i < cases; i++) {
        if (role[i] != ROLE_TRAIN || d->item[i].target < 0) continue;
        memmove(value + (size_t)n * count, value + i * count, count * sizeof *value);
        target[n++] = d->item[i].target;
    }
    if (!status) status = covariate_part_take(&f->part, c, value, target, n, f->classes, e);
    if (!status) f->covariates = *c;
    free(value);
    free(target);
    return status ? -1 : 0;
}

/* ---- what follows from it ------------------------------------------------------------------------------ */

/* Voxel number k, counting from 0, of the sorted list. */
static double voxel_at(const struct channel_fingerprint *c, double k)
{
    double before = 0;
    for (int i = 0; i < c->bins; i++) {
        before += (double)c->bin[i].count;
        if (k < before) return bin_value(c->bin[i].key);
    }
    return c->max;
}

double site_fingerprint_percentile(const struct channel_fingerprint *c, double q)
{
    double at = q * ((double)c->count - 1), k = floor(at), a = voxel_at(c, k), b = voxel_at(c, k + 1);
    return a + (b - a) * (at - k);
}

double site_fingerprint_distance(const struct channel_fingerprint *a, const struct channel_fingerprint *b)
{
    double distance = 0, fa = 0, fb = 0, last = 0;
    int i = 0, k = 0;
    if (a->count == 0 || b->count == 0) return NAN;
    while (i < a->bins || k < b->bins) {
        uint32_t key =
            k == b->bins || (i < a->bins && a->bin[i].key < b->bin[k].key) ? a->bin[i].key : b->bin[k].key;
        double x = bin_value(key);
        if (i || k) distance += fabs(fa / (double)a->count - fb / (double)b->count) * (x - last);
        if (i < a->bins && a->bin[i].key == key) fa += (double)a->bin[i++].count;
        if (k < b->bins && b->bin[k].key == key) fb += (double)b->bin[k++].count;
        last = x;
    }
    return distance;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int site_fingerprint_plan(struct fingerprint *p, const struct site_fingerprint *f, struct error *e)
{
    size_t n = (size_t)f->cases;
    memset(p, 0, sizeof *p);
    for (int c = 0; c < f->channels; c++)
        if (f->channel[c].count == 0) return error_set(e, "no label map has foreground");
    double *size = malloc((n + 1) * sizeof *size);
    p->spacing = calloc(n + 1, sizeof *p->spacing);
    p->shape = calloc(n + 1, sizeof *p->shape);
    if (!size || !p->spacing || !p->shape || n == 0) {
        free(size);
        fingerprint_free(p);
        return error_set(e, n ? "out of memory for the fingerprint" : "no site has a case");
    }
    p->cases = f->cases;
    p->channels = f->channels;
    memcpy(p->spacing, f->spacing, n * sizeof *p->spacing);
    memcpy(p->shape, f->shape, n * sizeof *p->shape);
    memcpy(size, f->relative_size, n * sizeof *size);
    qsort(size, n, sizeof *size, compare_doubles);
    p->median_relative_size = n % 2 ? size[n / 2] : (size[n / 2 - 1] + size[n / 2]) / 2;
    free(size);
    for (int c = 0; c < f->channels; c++) {
        const struct channel_fingerprint *v = &f->channel[c];
        p->intensity[c] = (struct intensity){.mean = v->mean,
                                             .std = sqrt(v->m2 / (double)v->count),
                                             .min = v->min,
                                             .max = v->max,
                                             .median = site_fingerprint_percentile(v, 0.5),
                                             .percentile_00_5 = site_fingerprint_percentile(v, 0.005),
                                             .percentile_99_5 = site_fingerprint_percentile(v, 0.995)};
    }
    return 0;
}
