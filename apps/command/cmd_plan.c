/* cmd_plan.c - `nephron plan`: fingerprint, plans.json, and what a step of each configuration needs in
 * memory. */
#include <stdio.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/base/dataset_warnings.h"
#include "apps/command/commands.h"
#include "apps/command/plan_layers.h"
#include "apps/training/budget.h"
#include "apps/base/grid_warnings.h"
#include "apps/base/options.h"
#include "apps/base/progress.h"
#include "io/base/file.h"
#include "nn/planner/planner.h"
#include "nn/folder/run.h"
#include "nn/planner/plans_json.h"
#include "tensor/graph/machine.h"

struct planning {
    struct budget budget;
    int threads;
    const char *output, *fingerprint_in, *fingerprint_out, *dataset_json, *configuration, *json, *precision;
    struct plan_options options;
    int quiet, layers;
    struct grid_check grids;
};

/* ---- memory -------------------------------------------------------------------------------------------- */

struct needs {
    size_t parameters, train_block, infer_block; /* floats; bytes */
    double train_flops, infer_flops;             /* forward: of a batch, of a patch */
};

/* Records and places both graphs; nothing is allocated that holds data, so that a plan for a larger machine
 * can be weighed here. */
static int measure(struct needs *n, const struct plan *p, int flags, struct error *e)
{
    if (network_plan_check(p, e)) return -1;
    struct model *m = model_create();
    struct graph *train = network_train_create(m, p, flags, NULL).graph,
                 *infer = graph_create(m, NULL, flags);
    network_segment(infer, p,
                 graph_input(infer, "image", SHAPE(1, p->patch[0], p->patch[1], p->patch[2], plan_inputs(p)),
                             DT_F32, 0),
                 0);
    int status = 0;
    if (graph_plan(train) || graph_plan(infer))
        status = error_set(e, "out of memory for the plan of its buffers");
    else *n = (struct needs){.train_block = graph_bytes(train), .infer_block = graph_bytes(infer),
                             .train_flops = graph_flops(train), .infer_flops = graph_flops(infer)};
    for (int i = 0; !status && i < m->params; i++) n->parameters += m->param[i].count;
    graph_destroy(train);
    graph_destroy(infer);
    model_destroy(m);
    return status;
}

static double gib(double bytes)
{
    return bytes / (1024.0 * 1024 * 1024);
}

static void print_needs(const struct plan *p)
{
    struct needs n, half;
    struct error e;
    if (measure(&n, p, 0, &e) || measure(&half, p, GRAPH_BF16, &e)) {
        console("  network             cannot be built here: %s\n", e.text);
        return;
    }
    double weights = 4.0 * (double)n.parameters;
    printf("  parameters          %zu\n", n.parameters);
    printf("  training step       %zu bytes (%.2f GiB) of activations and gradients, and %.0f bytes (%.2f "
           "GiB) of weights,\n"
           "                      their gradients and momentum; %.1f GFLOP\n",
           n.train_block, gib((double)n.train_block), 3 * weights, gib(3 * weights), 3 * n.train_flops / 1e9);
    printf("  inference           %zu bytes (%.2f GiB) a patch, and %.0f bytes of weights; %.1f GFLOP\n",
           n.infer_block, gib((double)n.infer_block), weights, n.infer_flops / 1e9);
    printf("  --precision bf16    %zu bytes (%.2f GiB) of activations and gradients; inference %zu bytes "
           "(%.2f GiB)\n",
           half.train_block, gib((double)half.train_block), half.infer_block, gib((double)half.infer_block));
}

/* ---- tables -------------------------------------------------------------------------------------------- */

/* Place of the image's axis a in the plan's arrays; -1 of the slice axis of a 2D plan, which no table shows.
 * Every table is in the order z, y, x of the image, as --patch is; the network's own order is told where it
 * differs. */
static int shown_place(const struct plan *p, int a)
{
    int k = plan_place(p, a);
    return k < 3 - p->dims ? -1 : k;
}

static void print_sizes(const struct plan *p, const int *sizes, const double *lengths, const char *between)
{
    int any = 0;
    for (int a = 0; a < 3; a++) {
        int k = shown_place(p, a);
        if (k < 0) continue;
        if (any++) printf("%s", between);
        if (sizes) printf("%d", sizes[k]);
        else printf("%.6g", lengths[k]);
    }
}

static void print_stages(const char *title, const int (*v)[3], const struct plan *p)
{
    printf("  %-20s", title);
    for (int s = 0; s < p->stages; s++) {
        print_sizes(p, v[s], NULL, "x");
        printf(s + 1 < p->stages ? " " : "\n");
    }
}

static void print_plan(const struct plan *p)
{
    static const char axis[] = "zyx";
    console("\n%s (%s)\n  %-20s", p->configuration, p->network->title, "patch");
    print_sizes(p, p->patch, NULL, " x ");
    printf(" voxels, batch %d\n  %-20s", p->batch, "spacing");
    print_sizes(p, NULL, p->spacing, " x ");
    printf(" mm\n  %-20s", "median image");
    print_sizes(p, NULL, p->median_size, " x ");
    printf(" voxels\n  %-20s", "features");
    for (int s = 0; s < p->stages; s++) printf("%d%s", p->features[s], s + 1 < p->stages ? " " : "\n");
    print_stages("kernels", p->kernel, p);
    print_stages("strides", p->stride, p);
    if (p->to_ras) printf("  %-20simages are turned to RAS first, as the dataset's reader asks\n", "axes");
    if (p->transpose[0] != 0 || p->transpose[1] != 1)
        printf("  %-20sz, y, x of the image, as here; the network and plans.json have them as %c, %c, %c\n",
               "axes", axis[p->transpose[0]], axis[p->transpose[1]], axis[p->transpose[2]]);
    printf("  %-20s%.0f elements of feature maps for one example\n", "nnU-Net's estimate", p->estimate);
    print_needs(p);
}

static void print_fingerprint(const struct fingerprint *f, const struct dataset *d)
{
    console("%s: %d cases, %d channel%s, %d labels%s", d->name, f->cases, d->channels,
            d->channels == 1 ? "" : "s", d->labels, d->ignore_label >= 0 ? " and ignore" : "");
    if (d->regions) printf(" in %d regions", d->regions);
    printf("\n");
    printf("median of the image left after cropping to nonzero: %.1f %%\n", 100 * f->median_relative_size);
    for (int c = 0; c < d->channels; c++)
        console("channel %d (%s): foreground mean %.6g, std %.6g, 0.5 %% to 99.5 %%: %.6g to %.6g; %s\n", c,
                d->channel_name[c], f->intensity[c].mean, f->intensity[c].std,
                f->intensity[c].percentile_00_5, f->intensity[c].percentile_99_5,
                normalization_name(normalization_of_channel(d->channel_name[c])));
}

/* ---- as JSON ------------------------------------------------------------------------------------------- */

static void add_sizes(struct json *j, const char *key, const int *v, int count)
{
    struct json *list = json_add_array(j, key);
    for (int i = 0; i < count; i++) json_add_int(list, NULL, v[i]);
}

static void add_needs(struct json *j, const char *key, const struct needs *n)
{
    struct json *of = json_add_object(j, key);
    json_add_int(of, "train_bytes", (int64_t)n->train_block);
    json_add_int(of, "infer_bytes", (int64_t)n->infer_block);
}

static struct json *add_plan(struct json *list, const struct plan *p)
{
    struct json *j = json_add_object(list, NULL);
    struct needs n, half;
    struct error e;
    json_add_text(j, "configuration", p->configuration);
    json_add_text(j, "network", p->network->name);
    int patch[3];
    for (int a = 0; a < 3; a++) patch[a] = p->patch[plan_place(p, a)];
    add_sizes(j, "patch", patch, 3); /* z, y, x of the image */
    add_sizes(j, "transpose", p->transpose, 3);
    json_add_int(j, "batch", p->batch);
    add_sizes(j, "features", p->features, p->stages);
    if (measure(&n, p, 0, &e) || measure(&half, p, GRAPH_BF16, &e)) {
        json_add_text(j, "error", e.text);
        return j;
    }
    json_add_int(j, "parameters", (int64_t)n.parameters);
    json_add_number(j, "train_gflop", 3 * n.train_flops / 1e9);
    json_add_number(j, "infer_gflop", n.infer_flops / 1e9);
    add_needs(j, "fp32", &n);
    add_needs(j, "bf16", &half);
    return j;
}

/* ---- the work ------------------------------------------------------------------------------------------ */

static int get_fingerprint(struct fingerprint *f, const struct planning *w, const struct dataset *d,
                           struct error *e)
{
    if (w->fingerprint_in) {
        struct json *j = json_read(w->fingerprint_in, e);
        if (!j) return -1;
        int status = fingerprint_from_json(f, j, w->fingerprint_in, e);
        json_free(j);
        return status;
    }
    struct progress bar = progress_begin("fingerprint", w->quiet);
    struct pool *pool = pool_create(w->threads); /* or none: one thread */
    const struct reading how = {.grids = w->grids, .pool = pool, .progress = progress_callback, .arg = &bar};
    int status = fingerprint_extract(f, d, NULL, &how, e);
    pool_destroy(pool);
    progress_end(&bar);
    return status;
}

static int write_files(const struct planning *w, const struct fingerprint *f, const struct plans *p,
                       struct error *e)
{
    if (w->fingerprint_out) {
        struct json *j = fingerprint_json(f);
        int status = json_write(j, w->fingerprint_out, e);
        json_free(j);
        if (status) return -1;
    }
    return w->output ? plans_write(p, w->output, e) : 0;
}

/* --hours, of which the fingerprint is no part; the validation is that of a fold of five. */
static int plan_in_time(struct plans *p, const struct planning *w, const struct fingerprint *f,
                        const struct dataset *d, struct error *e)
{
    struct budget b = w->budget;
    struct train_options t = train_options_default(&task_segment);
    budget_recipe(&t);
    struct pool *pool = pool_create(w->threads);
    if (!pool) return error_set(e, "cannot start %d threads", w->threads);
    b.validation_cases = (f->cases + 4) / 5;
    int status = budget_plans(&b, p, f, d, &w->options, w->configuration ? w->configuration : "3d_fullres",
                              &t, pool, e);
    pool_destroy(pool);
    if (!status && !w->quiet) budget_print(&b);
    return status;
}

/* The table, and the same as JSON where it is asked for; `only` one of the plans or NULL. */
static int show(const struct planning *w, const struct fingerprint *f, const struct dataset *d,
                const struct plans *p, const struct plan *only, struct error *e)
{
    struct json *j = w->json ? json_object() : NULL, *list = json_add_array(j, "configurations");
    const int bf16 = strcmp(w->precision, "bf16") == 0;
    int status = 0;
    if (j) json_add_text(j, "dataset", d->name);
    if (!w->quiet) print_fingerprint(f, d);
    for (int i = 0; i < p->count && !status; i++) {
        if (only && only != &p->plan[i]) continue;
        struct json *of = list ? add_plan(list, &p->plan[i]) : NULL;
        if (!w->quiet) print_plan(&p->plan[i]);
        if (w->layers) status = plan_layers(&p->plan[i], bf16, w->threads, !w->quiet, of, e);
    }
    if (!status && w->json) status = json_write(j, w->json, e);
    json_free(j);
    return status;
}

static int plan_dataset(const struct planning *w, const struct dataset *d, struct error *e)
{
    struct fingerprint f;
    struct plans p;
    if (!d->labels) return error_set(e, "%s: no segmentation labels to plan for", d->path);
    if ((!w->dataset_json && dataset_warn(d, w->grids.rule == GRIDS_STRICT, e)) ||
        get_fingerprint(&f, w, d, e))
        return -1;
    int failed = w->budget.hours > 0 ? plan_in_time(&p, w, &f, d, e) : plans_make(&p, &f, d, &w->options, e);
    if (failed) {
        fingerprint_free(&f);
        return -1;
    }
    const struct plan *only = w->configuration ? plans_find(&p, w->configuration, e) : NULL;
    int status = 0;
    if (w->configuration && !only) status = error_prefix(e, "--configuration %s", w->configuration);
    else if (only && only->dims == 2 && w->options.patch[only->transpose[0]] > 1)
        status = error_set(
            e, "--patch: configuration %s takes single slices, so the patch is 1 along axis %c, not %d",
            only->configuration, "zyx"[only->transpose[0]], w->options.patch[only->transpose[0]]);
    else status = write_files(w, &f, &p, e);
    if (!status) status = show(w, &f, d, &p, only, e);
    plans_free(&p);
    fingerprint_free(&f);
    return status;
}

/* nnU-Net calls a dataset by its folder; dataset.json lies in it. */
static int read_description(struct dataset *d, const char *path, struct error *e)
{
    char folder[1024];
    if (dataset_read_header(d, path, e)) return -1;
    size_t length = (size_t)(file_name(path) - path);
    while (length && path[length - 1] == '/') length--;
    if (length == 0 || length >= sizeof folder) return 0;
    memcpy(folder, path, length);
    folder[length] = 0;
    snprintf(d->name, sizeof d->name, "%.127s", file_name(folder));
    return 0;
}

/* Three numbers above 0 with commas between. */
static int parse_spacing(double spacing[3], const char *text)
{
    for (int a = 0; a < 3; a++) {
        const size_t n = strcspn(text, ",");
        if (options_number(&spacing[a], text, n) || !(spacing[a] > 0) || (text[n] == ',') != (a < 2))
            return -1;
        text += n + (a < 2);
    }
    return 0;
}

int cmd_plan(int argc, char **argv)
{
    struct planning w = {.options = plan_options_default(),
                         .precision = "fp32",
                         .budget = {.window_step = 0.5, .mirror = 1, .validation_batches = -1}};
    struct grid_warnings grids = GRID_WARNINGS_NONE;
    int width = 0;
    const char *network = NULL, *preset = NULL, *norm = NULL, *spacing = NULL;
    char networks[NETWORK_NAMES], presets[NETWORK_NAMES], norms[NETWORK_NORM_NAMES];
    network_norm_names(norms);
    network_names(networks, NETWORKS_THAT_SEGMENT);
    network_preset_names(presets);
    struct plan_options *o = &w.options;
    const struct option_spec spec[] = {
        {"output", 'o', OPTION_OUTPUT, &w.output, "FILE", "write plans.json here", 0, 0, 0},
        {"configuration", 0, OPTION_TEXT, &w.configuration, "C",
         "print only this one: 2d, 3d_fullres, 3d_lowres, 3d_cascade_fullres", 0, 0, 0},
        {"network", 0, OPTION_TEXT, &network, "NAME", "that is planned (default: unet)", 0, 0, networks},
        {"preset", 0, OPTION_TEXT, &preset, "NAME", "planner (default: the network's first)", 0, 0, presets},
        {"norm", 0, OPTION_TEXT, &norm, "NAME", "between the layers (default: the network's own)", 0, 0,
         norms},
        {"memory-gb", 0, OPTION_NUMBER, &o->memory_gb, "G",
         "nnU-Net's memory target (default: 8; resenc_l 24, resenc_xl 40)", 0.1, 4096, 0},
        {"base-features", 0, OPTION_INT, &width, "N", "features of the first stage (32)", 1, 320, 0},
        {"hours", 0, OPTION_NUMBER, &w.budget.hours, "H",
         "base features, batch and iterations of a training that ends in H hours on this machine", 1e-6,
         10000, 0},
        {"batch", 0, OPTION_INT, &o->batch, "N", "batch instead of the planned one", 1, 4096, 0},
        {"patch", 0, OPTION_SIZE3, o->patch, "Z,Y,X",
         "patch along the image's axes instead of the planned one; padded to what the strides divide", 1,
         PATCH_MAX, 0},
        {"spacing", 0, OPTION_TEXT, &spacing, "Z,Y,X",
         "target spacing in mm along the image's axes instead of the planned one", 0, 0, 0},
        {"fingerprint", 0, OPTION_TEXT, &w.fingerprint_in, "FILE",
         "dataset_fingerprint.json instead of reading images", 0, 0, 0},
        {"dataset", 0, OPTION_TEXT, &w.dataset_json, "FILE",
         "dataset.json instead of DATASET, with --fingerprint", 0, 0, 0},
        {"write-fingerprint", 0, OPTION_OUTPUT, &w.fingerprint_out, "FILE",
         "write dataset_fingerprint.json here", 0, 0, 0},
        {"layers", 0, OPTION_FLAG, &w.layers, NULL,
         "a table of the convolutions: shapes, the algorithm of each pass on this machine, scratch", 0, 0, 0},
        {"precision", 0, OPTION_TEXT, &w.precision, "P", "of the step that --layers shows (default: fp32)", 0,
         0, "fp32|bf16"},
        OPTION_STRICT(grids.strict),
        {"json", 0, OPTION_OUTPUT, &w.json, "FILE", "what is printed, as JSON", 0, 0, 0},
        OPTION_THREADS(w.threads),
        OPTION_QUIET(w.quiet),
        {0}};
    const struct command_help help = {
        "plan DATASET [-o plans.json] [OPTIONS]",
        "Fingerprint and plan of a dataset, with the exact memory of a step",
        "Plans as nnU-Net v2.8 does, in its plans.json. Without images:\n"
        "  nephron plan --fingerprint dataset_fingerprint.json --dataset dataset.json -o plans.json",
        spec};
    struct operands operands;
    struct dataset d;
    struct error e;
    int status;
    if (!options_parse(&operands, argc, argv, &help, 0, 1, &status)) return status;
    if (plan_options_network(o, network, preset, &e)) return app_usage("plan", "%s", e.text);
    o->norm = norm ? network_norm_find(norm) : NULL;
    if (width) o->base_features = width;
    if (spacing && parse_spacing(o->spacing, spacing))
        return app_usage("plan", "--spacing is '%s', must be three numbers of mm above 0, Z,Y,X", spacing);
    if (w.threads <= 0) w.threads = machine_processors();
    w.budget.fixed_features = width > 0;
    if (operands.count == 1 && w.dataset_json)
        return app_usage("plan", "takes DATASET or --dataset, not both");
    if (operands.count == 0 && !w.dataset_json)
        return app_usage("plan", "needs DATASET, or --fingerprint with --dataset");
    if (!w.layers && options_given(&operands, "precision"))
        return app_usage("plan", "--precision changes nothing without --layers");
    if (w.dataset_json && !w.fingerprint_in) return app_usage("plan", "--dataset needs --fingerprint");
    if (w.dataset_json && options_given(&operands, "strict"))
        return app_usage("plan", "--strict changes nothing with --dataset: no image is read");
    if (w.dataset_json ? read_description(&d, w.dataset_json, &e) : dataset_open(&d, operands.text[0], &e))
        return app_fail(&e);
    w.grids = grid_warnings_check(&grids);
    status = plan_dataset(&w, &d, &e);
    dataset_close(&d);
    grid_warnings_free(&grids);
    return status ? app_fail(&e) : 0;
}
