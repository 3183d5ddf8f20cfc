/* planner.c - nnU-Net's planning: topology, patch, batch, and the configurations of a dataset.
 * The book: docs/book/10_planning.md */
#include "nn/plan/fingerprint.h"
#include "nn/planner/planner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/planner/plans_json.h"
#include "tensor/base/check.h"

enum { MIN_EDGE = 4 }; /* smallest edge of a feature map */

struct plan_options plan_options_default(void)
{
    return (struct plan_options){
        .memory_gb = 0, .preset = network_default(0)->presets[0].name, .base_features = 32};
}

int plan_options_network(struct plan_options *o, const char *network, const char *preset, struct error *e)
{
    const struct plan_preset *facts;
    const struct network *named = network ? network_find(network) : NULL,
                         *planned = preset ? network_of_preset(preset, &facts) : NULL;
    if (network && (!named || !named->segment))
        return error_set(e, "no network that segments is called '%s'", network);
    if (preset && !planned) return error_set(e, "no preset '%s'", preset);
    if (named && planned && named != planned)
        return error_set(e, "--preset %s plans network %s, not %s", preset, planned->name, network);
    if (preset) o->preset = preset;
    else if (named) o->preset = named->presets[0].name;
    return 0;
}

/* ---- topology: which axes are halved at each stage ----------------------------------------------------- */

struct topology {
    int stages;
    int kernel[STAGES_MAX][3], stride[STAGES_MAX][3];
    double divisor[3]; /* 2^pools of each axis */
};

/* The axes that the next stage halves, as a bit set: long enough, and of a spacing within a factor of 2 of
 * the finest such axis. A single axis has to be longer. */
static int axes_to_halve(const double size[3], const double spacing[3], int first)
{
    double finest = INFINITY;
    for (int a = first; a < 3; a++)
        if (size[a] >= 2 * MIN_EDGE) finest = fmin(finest, spacing[a]);
    int axes = 0, count = 0, last = 0;
    for (int a = first; a < 3; a++)
        if (size[a] >= 2 * MIN_EDGE && spacing[a] / finest < 2) {
            axes |= 1 << a;
            count++;
            last = a;
        }
    return count == 1 && size[last] < 3 * MIN_EDGE ? 0 : axes;
}

/* Pads the patch to a multiple of the divisor, as nnU-Net does it: patches of fractional size (medians)
 * become whole. */
static double round_up_to(double size, double divisor)
{
    double rest = fmod(size, divisor);
    return rest == 0 ? size : size + divisor - rest;
}

/* get_pool_and_conv_props. Pads `patch`. Axes below `first` (the slice axis of 2D plans) are left alone. */
static void topology_find(struct topology *t, double patch[3], const double spacing[3], int first)
{
    double size[3], now[3];
    for (int a = 0; a < 3; a++) {
        size[a] = patch[a];
        now[a] = spacing[a];
        t->divisor[a] = 1;
        t->stride[0][a] = 1;
    }
    int kernel[3] = {1, 1, 1}, axes;
    for (t->stages = 1; t->stages < STAGES_MAX && (axes = axes_to_halve(size, now, first)); t->stages++) {
        double finest = INFINITY;
        for (int a = first; a < 3; a++) finest = fmin(finest, now[a]);
        for (int a = first; a < 3; a++)
            if (now[a] / finest < 2) kernel[a] = 3;
        memcpy(t->kernel[t->stages - 1], kernel, sizeof kernel);
        for (int a = 0; a < 3; a++) {
            int halved = axes >> a & 1;
            t->stride[t->stages][a] = halved ? 2 : 1;
            if (!halved) continue;
            now[a] *= 2;
            size[a] = ceil(size[a] / 2);
            t->divisor[a] *= 2;
        }
    }
    for (int a = 0; a < 3; a++) t->kernel[t->stages - 1][a] = a < first ? 1 : 3; /* bottleneck */
    for (int a = first; a < 3; a++) patch[a] = round_up_to(patch[a], t->divisor[a]);
}

static int features_of_stage(int stage, int base, int dims)
{
    int most = dims == 2 ? 512 : 320;
    return stage >= 10 || (base << stage) > most ? most : base << stage;
}

/* ---- patch --------------------------------------------------------------------------------------------- */

/* Newton's iteration from above: the same bits with any libm. */
static double cube_root(double x)
{
    double r = x > 1 ? x : 1;
    for (int i = 0; i < 3000; i++) {
        double next = r - (r - x / (r * r)) / 3;
        if (!(next < r)) break;
        r = next;
    }
    return r;
}

/* A patch of 256^3 (2048^2) voxels in the shape of the spacing, not larger than the median image. */
static void initial_patch(double patch[3], const double spacing[3], const double median[3], int dims)
{
    if (dims == 3) {
        double volume = 1 / spacing[0] * (1 / spacing[1]) * (1 / spacing[2]),
               scale = cube_root(256.0 * 256 * 256 / volume);
        for (int a = 0; a < 3; a++) patch[a] = fmin(fmax(nearbyint(1 / spacing[a] * scale), 1), median[a]);
    } else {
        double area = 1 / spacing[1] * (1 / spacing[2]), scale = sqrt(2048.0 * 2048 / area);
        patch[0] = 1;
        for (int a = 1; a < 3; a++) patch[a] = fmin(fmax(nearbyint(1 / spacing[a] * scale), 1), median[a]);
    }
}

/* A U-Net has two stages at least. Images too small for that are padded: their axes grow to 8, and to 12
 * where only one of them can be halved. nnU-Net builds a network without a decoder there, and fails. */
static void grow_to_two_stages(struct topology *t, double patch[3], const double spacing[3],
                               const double median[3], int first)
{
    int flat = 1;
    for (int a = first; a < 3; a++) flat = flat && median[a] <= 1;
    for (int floor = 2; t->stages < 2 && floor <= 3; floor++) {
        for (int a = first; a < 3; a++)
            if (median[a] > 1 || flat) patch[a] = fmax(patch[a], floor * MIN_EDGE);
        topology_find(t, patch, spacing, first);
    }
}

/* One step of the shrinking search: the axis that is longest against the median image loses its divisor,
 * taken of the topology after the loss (so that 224 is not skipped between 256 and 192). Returns 0 where
 * nothing is left to lose: no axis, no second stage, or no voxel (padding can take the loss back). */
static int shrink_patch(struct topology *t, double patch[3], const double spacing[3], const double median[3],
                        int first)
{
    double before = patch[0] * patch[1] * patch[2];
    int axis = -1;
    for (int a = first; a < 3; a++)
        if (patch[a] > t->divisor[a] && (axis < 0 || patch[a] / median[a] >= patch[axis] / median[axis]))
            axis = a;
    if (axis < 0) return 0;
    double trial[3] = {patch[0], patch[1], patch[2]};
    trial[axis] -= t->divisor[axis];
    topology_find(t, trial, spacing, first);
    patch[axis] -= t->divisor[axis];
    topology_find(t, patch, spacing, first);
    return t->stages >= 2 && patch[axis] >= 1 && patch[0] * patch[1] * patch[2] < before;
}

/* ---- one configuration --------------------------------------------------------------------------------- */

static int check_facts(const double spacing[3], const double median[3], int first, int classes,
                       const struct plan_options *o, struct error *e)
{
    for (int a = first; a < 3; a++) {
        if (!(spacing[a] >= 1e-6 && spacing[a] <= 1e6))
            return error_set(e, "plan: spacing of axis %d is %g mm", a, spacing[a]);
        if (!(median[a] >= 1 && median[a] <= 1e7))
            return error_set(e, "plan: median size of axis %d is %g voxels of %g mm", a, median[a],
                             spacing[a]);
    }
    if (classes < 1) return error_set(e, "plan: the dataset has no segmentation labels");
    const struct plan_preset *preset;
    if (!network_of_preset(o->preset, &preset)) return error_set(e, "plan: no preset '%s'", o->preset);
    if (!(o->memory_gb >= 0 && o->memory_gb <= 1e6))
        return error_set(e, "plan: memory of %g GB", o->memory_gb);
    if (o->base_features < 1 || o->base_features > BASE_FEATURES_MAX)
        return error_set(e, "plan: %d base features, not 1 to %d", o->base_features, BASE_FEATURES_MAX);
    if (o->batch < 0 || o->batch > 65536) return error_set(e, "plan: batch of %d", o->batch);
    for (int a = 0; a < 3; a++)
        if (o->patch[a] < 0 || o->patch[a] > PATCH_MAX)
            return error_set(e, "plan: patch of %d voxels", o->patch[a]);
    return 0;
}

/* Batch that fills the reference, of at most the covered part of the dataset; Python's round is ties to even,
 * as nearbyint's. */
static int batch_size(const struct plan_preset *s, double reference, double estimate, int dims,
                      double dataset_voxels, const double patch[3])
{
    double fits = nearbyint(reference / estimate * (dims == 2 ? 12 : 2));
    double covered = nearbyint(dataset_voxels * s->covered / (patch[0] * patch[1] * patch[2]));
    return (int)fmin(fmax(fmin(fits, covered), 2), 65536);
}

static void plan_fill(struct plan *p, const struct topology *t, const double patch[3], int base)
{
    p->stages = t->stages;
    for (int a = 0; a < 3; a++) p->patch[a] = (int)patch[a];
    for (int s = 0; s < STAGES_MAX; s++) { /* 0 beyond the last stage */
        int used = s < t->stages;
        p->features[s] = used ? features_of_stage(s, base, p->dims) : 0;
        p->encoder_blocks[s] = used ? p->network->encoder_blocks[s < 3 ? s : 3] : 0;
        p->decoder_blocks[s] = s + 1 < t->stages ? p->network->decoder_blocks : 0;
        for (int a = 0; a < 3; a++) {
            p->kernel[s][a] = used ? t->kernel[s][a] : 0;
            p->stride[s][a] = used ? t->stride[s][a] : 0;
        }
    }
    p->norm_groups = network_norm_groups(network_plan_norm_of(p), p->features, p->stages);
}

int plan_topology(struct plan *p, const double spacing[3], const double median_size[3], int dims, int classes,
                  double dataset_voxels, const struct plan_options *o, struct error *e)
{
    ENSURE(dims == 2 || dims == 3, "dims is %d", dims);
    int first = 3 - dims;
    if (check_facts(spacing, median_size, first, classes, o, e)) return -1;
    const struct plan_preset *preset;
    memset(p, 0, sizeof *p);
    p->network = network_of_preset(o->preset, &preset);
    p->network_norm = o->norm ? o->norm : p->network->norm;
    p->dims = dims;
    p->classes = classes;
    p->deep_supervision = 1;
    for (int a = 0; a < 3; a++) {
        p->transpose[a] = a;
        p->spacing[a] = a < first ? 0 : spacing[a];
        p->median_size[a] = a < first ? 1 : median_size[a];
    }
    double memory = o->memory_gb > 0 ? o->memory_gb : preset->memory_gb;
    double reference =
        (dims == 2 ? preset->reference_2d : preset->reference_3d) * (memory / preset->memory_gb);
    double patch[3], share = dims == 3 ? 1 : preset->share_2d;
    struct topology t;
    int given = o->patch[first] > 0;
    initial_patch(patch, spacing, median_size, dims);
    for (int a = first; a < 3 && given; a++) patch[a] = o->patch[a];
    topology_find(&t, patch, spacing, first);
    grow_to_two_stages(&t, patch, spacing, median_size, first);
    plan_fill(p, &t, patch, o->base_features);
    while (!given && (p->estimate = plan_estimate(p, classes)) / share > reference) {
        if (!shrink_patch(&t, patch, spacing, median_size, first))
            return error_set(e, "plan: no patch of a %dD network fits into %g GB", dims, memory);
        plan_fill(p, &t, patch, o->base_features);
    }
    for (int a = first; a < 3; a++)
        if (patch[a] > PATCH_MAX) return error_set(e, "plan: patch of %g voxels along axis %d", patch[a], a);
    p->estimate = plan_estimate(p, classes);
    p->batch = o->batch ? o->batch : batch_size(preset, reference, p->estimate, dims, dataset_voxels, patch);
    return 0;
}

/* ---- all configurations -------------------------------------------------------------------------------- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* NumPy's percentile with linear interpolation; sorts v. */
static double percentile(double *v, int n, double q)
{
    qsort(v, (size_t)n, sizeof *v, compare_doubles);
    double at = q / 100 * (n - 1);
    int i = (int)at;
    if (i >= n - 1) return v[n - 1];
    double t = at - i, diff = v[i + 1] - v[i];
    return t >= 0.5 ? v[i + 1] - diff * (1 - t) : v[i] + diff * t;
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, compare_doubles);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* determine_fullres_target_spacing: the median, but a fine percentile along a coarse axis of few slices. */
static void target_spacing(double target[3], const struct fingerprint *f, double *scratch)
{
    double size[3];
    int worst = 0;
    for (int a = 0; a < 3; a++) {
        for (int i = 0; i < f->cases; i++) scratch[i] = f->spacing[i][a];
        target[a] = percentile(scratch, f->cases, 50);
        for (int i = 0; i < f->cases; i++) scratch[i] = f->shape[i][a];
        size[a] = percentile(scratch, f->cases, 50);
        if (target[a] > target[worst]) worst = a;
    }
    int b = (worst + 1) % 3, c = (worst + 2) % 3;
    double others = fmax(target[b], target[c]);
    if (!(target[worst] > 3 * others && size[worst] * 3 < fmin(size[b], size[c]))) return;
    for (int i = 0; i < f->cases; i++) scratch[i] = f->spacing[i][worst];
    double fine = percentile(scratch, f->cases, 10);
    target[worst] = fine < others ? others + 1e-5 : fine;
}

struct facts { /* of the dataset at the full resolution, transposed */
    int transpose[3];
    double spacing[3], median_size[3], voxels;
    int labels, training;
};

static void facts_find(struct facts *k, const struct fingerprint *f, const struct dataset *d,
                       const struct plan_options *options, double *scratch)
{
    double target[3];
    if (options->spacing[0] > 0) memcpy(target, options->spacing, sizeof target);
    else target_spacing(target, f, scratch);
    int worst = 0;
    for (int a = 1; a < 3; a++)
        if (target[a] > target[worst]) worst = a;
    k->transpose[0] = worst;
    k->transpose[1] = worst == 0 ? 1 : 0;
    k->transpose[2] = worst == 2 ? 1 : 2;
    for (int a = 0; a < 3; a++) {
        int o = k->transpose[a];
        k->spacing[a] = target[o];
        for (int i = 0; i < f->cases; i++)
            scratch[i] = nearbyint(f->spacing[i][o] / target[o] * f->shape[i][o]);
        k->median_size[a] = median(scratch, f->cases);
    }
    int64_t training = json_integer(d->json, "numTraining", f->cases);
    k->training = training >= 1 && training <= 1000000000 ? (int)training : f->cases;
    k->voxels = k->median_size[0] * k->median_size[1] * k->median_size[2] * k->training;
    k->labels = d->entries;
}

static void plan_dress(struct plan *p, const char *configuration, const struct fingerprint *f,
                       const struct dataset *d, const struct facts *k)
{
    snprintf(p->configuration, sizeof p->configuration, "%s", configuration);
    p->to_ras = d->to_ras;
    memcpy(p->transpose, k->transpose, sizeof p->transpose);
    p->channels = d->channels;
    plan_take_labels(p, d);
    for (int c = 0; c < d->channels; c++) {
        p->normalization[c] = normalization_of_channel(d->channel_name[c]);
        p->use_mask_for_norm[c] = p->normalization[c] == NORM_ZSCORE && f->median_relative_size < 0.75;
        p->intensity[c] = f->intensity[c];
    }
}

/* The spacing grows by 3 % (first of the axes that are more than twice as fine as the coarsest) until the
 * patch sees a quarter of the image. Returns 1 if a configuration of at most half the voxels was found. */
static int plan_lowres(struct plan *low, const struct plan *full, const struct facts *k,
                       const struct plan_options *o)
{
    const double *size = k->median_size;
    double voxels_full = size[0] * size[1] * size[2], voxels = voxels_full;
    double patch = (double)full->patch[0] * full->patch[1] * full->patch[2];
    double spacing[3] = {full->spacing[0], full->spacing[1], full->spacing[2]};
    struct error ignored;
    int found = 0;
    for (int step = 0; patch / voxels < 0.25; step++) {
        double coarsest = fmax(spacing[0], fmax(spacing[1], spacing[2])), median_size[3], whole[3];
        int uneven = 0;
        for (int a = 0; a < 3; a++) uneven |= coarsest / spacing[a] > 2;
        for (int a = 0; a < 3; a++) {
            if (!uneven || coarsest / spacing[a] > 2) spacing[a] *= 1.03;
            whole[a] = full->spacing[a] / spacing[a] * size[a];
            median_size[a] = fmax(nearbyint(whole[a]), 1);
        }
        voxels = whole[0] * whole[1] * whole[2];
        /* 1.03^1000 shrinks any image to nothing: what has not met by then never will. */
        if (step == 1000 ||
            plan_topology(low, spacing, median_size, 3, k->labels, voxels * k->training, o, &ignored))
            return 0;
        patch = (double)low->patch[0] * low->patch[1] * low->patch[2];
        found = 1;
    }
    return found && voxels_full / voxels >= 2;
}

static int plan_all(struct plans *p, const struct fingerprint *f, const struct dataset *d,
                    const struct plan_options *o, struct facts *k, struct error *e)
{
    enum { MOST = 4 }; /* 2d, 3d_lowres, 3d_fullres, 3d_cascade_fullres */
    if (!(p->plan = calloc(MOST, sizeof *p->plan))) return error_set(e, "plan: out of memory");
    struct plan *flat = &p->plan[p->count++];
    if (plan_topology(flat, k->spacing, k->median_size, 2, k->labels, k->voxels, o, e)) return -1;
    flat->batch_dice = 1;
    plan_dress(flat, "2d", f, d, k);
    if (k->median_size[0] == 1) return 0; /* no third dimension */
    struct plan full;
    if (plan_topology(&full, k->spacing, k->median_size, 3, k->labels, k->voxels, o, e)) return -1;
    struct plan *low = &p->plan[p->count];
    if (plan_lowres(low, &full, k, o)) {
        plan_dress(low, "3d_lowres", f, d, k);
        full.batch_dice = 1;
        p->count++;
    }
    plan_dress(&full, "3d_fullres", f, d, k);
    p->plan[p->count++] = full;
    if (full.batch_dice) { /* there is a first stage */
        struct plan *cascade = &p->plan[p->count++];
        *cascade = full;
        snprintf(cascade->configuration, sizeof cascade->configuration, "3d_cascade_fullres");
        plan_cascade(cascade, "3d_lowres");
    }
    return 0;
}

int plans_make(struct plans *p, const struct fingerprint *f, const struct dataset *d,
               const struct plan_options *o, struct error *e)
{
    memset(p, 0, sizeof *p);
    if (f->cases < 1) return error_set(e, "%s: no training cases to plan for", d->path);
    if (f->channels != d->channels)
        return error_set(e, "%s: %d channels, but the fingerprint has %d", d->path, d->channels, f->channels);
    const struct plan_preset *preset;
    if (!network_of_preset(o->preset, &preset)) return error_set(e, "plan: no preset '%s'", o->preset);
    double *scratch = malloc((size_t)f->cases * sizeof *scratch), spacing[3], shape[3];
    if (!scratch) return error_set(e, "plan: no memory for %d cases", f->cases);
    struct facts k;
    facts_find(&k, f, d, o, scratch);
    for (int a = 0; a < 3; a++) {
        for (int i = 0; i < f->cases; i++) scratch[i] = f->spacing[i][k.transpose[a]];
        spacing[a] = median(scratch, f->cases);
        for (int i = 0; i < f->cases; i++) scratch[i] = f->shape[i][k.transpose[a]];
        shape[a] = median(scratch, f->cases);
    }
    free(scratch);
    snprintf(p->name, sizeof p->name, "%s", preset->plans_name);
    struct plan_options placed = *o; /* the patch is asked for along the image's axes */
    for (int a = 0; a < 3; a++) placed.patch[a] = o->patch[k.transpose[a]];
    if (plan_all(p, f, d, &placed, &k, e)) {
        plans_free(p);
        return -1;
    }
    p->json = plans_json(p, d, o, spacing, shape);
    plans_take_slices(p);
    return 0;
}
