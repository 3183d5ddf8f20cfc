/* device_export.c - writes the folder of an exported network. */
#include "nn/device/device_export.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/base/file.h"
#include "nn/device/device_program.h"
#include "nn/device/device_sources.h"
#include "nn/network/network.h"
#include "nn/plan/outputs.h"
#include "nn/train/classifier.h"
#include "tensor/base/rng.h"
#include "tensor/graph/graph_layout.h"

struct export;

/* What becomes of the logits, of a network from a plan or a classifier. */
struct result_form {
    const char *title, *result; /* "segmentation network", "a label for each voxel" */
    void (*put)(struct text *t, const struct export *x); /* the body of network_result, after `x` */
    int softmax;                /* the result is the softmax of the logits, as floats; else labels, bytes */
    int (*choose_patch)(struct export *x, struct error *e);
};

struct export {
    const struct run *run;
    const struct result_form *form;
    struct model *model;
    struct plan plan;      /* of a segmentation, with the patch wanted */
    const struct device_options *options;
    struct device_program program;
    size_t input, covariates, output; /* floats from the block's begin */
    struct shape in, out;
    int numbers;           /* covariates of a case */
    const char *folder;
    struct device_figures *figures;
};

/* The ends of the network: NULL without memory, and covariates also of a network that takes none. */
struct ends {
    struct tensor *image, *covariates, *logits;
};

/* The network in fp32. */
static struct graph *record(const struct export *x, struct ends *n)
{
    const struct train_options *o = &x->run->options;
    struct graph *g = graph_create(x->model, NULL, 0);
    *n = (struct ends){.image = NULL};
    if (o->task->planned) n->logits = o->task->infer(g, o, &x->plan, 1, &n->image);
    else n->logits = classifier_record(g, o, 1, &n->image, &n->covariates);
    return g;
}

static int make_program(struct export *x, struct error *e)
{
    struct ends n;
    struct graph *g = record(x, &n);
    int status = device_program_create(&x->program, g, x->model, e);
    if (!status) {
        x->input = graph_offset(g, n.image->id) / sizeof(float);
        x->output = graph_offset(g, n.logits->id) / sizeof(float);
        if (n.covariates) x->covariates = graph_offset(g, n.covariates->id) / sizeof(float);
        if (n.covariates) x->numbers = n.covariates->shape.c;
        x->in = n.image->shape;
        x->out = n.logits->shape;
        x->figures->products = graph_flops(g) / 2 / (double)shape_voxels(x->in);
    }
    graph_destroy(g);
    return status;
}

/* ---- network.h and network.c --------------------------------------------------------------------------- */

/* Text that neither ends the comment it stands in nor begins one: of a star and a slash beside each other
 * the second is left out. */
static void put_comment(struct text *t, const char *s)
{
    for (char before = ' '; *s; s++) {
        if ((unsigned char)*s < ' ' || (*s == '/' && before == '*') || (*s == '*' && before == '/')) continue;
        text_put(t, s, 1);
        before = *s;
    }
}

static void put_normalization(struct text *t, const struct plan *p, int c)
{
    text_printf(t, "%s%s", normalization_name(p->normalization[c]),
                p->use_mask_for_norm[c] ? ", inside of the nonzero voxels" : "");
    if (p->normalization[c] != NORM_CT) return;
    const double v[4] = {p->intensity[c].percentile_00_5, p->intensity[c].percentile_99_5,
                         p->intensity[c].mean, p->intensity[c].std};
    static const char *const name[4] = {": cut off below ", ", above ", ", mean ", ", standard deviation "};
    for (int i = 0; i < 4; i++) {
        text_puts(t, name[i]);
        text_put_double(t, v[i]);
    }
}

/* What belongs before and behind the network. */
static void put_around(struct text *t, const struct export *x)
{
    const struct dataset *d = &x->run->dataset;
    const struct plan *p = x->run->plan ? &x->plan : NULL;
    for (int c = 0; c < d->channels; c++) {
        text_printf(t, " *   channel %d: ", c);
        put_comment(t, d->channel_name[c]);
        if (p) {
            text_puts(t, ", ");
            put_normalization(t, p, c);
        }
        text_puts(t, "\n");
    }
    for (int c = 0; p && c < p->previous_labels; c++)
        text_printf(t, " *   channel %d: 1 where the previous stage gave label %d, else 0\n", p->channels + c,
                    c + 1);
    if (!p) text_printf(t, " * Intensities of the crop: %s.\n", run_intensities(x->run));
    const struct covariates *c = &x->run->options.covariates;
    for (int i = 0; i < x->numbers; i++) {
        text_printf(t, " *   covariate %d: ", i);
        put_comment(t, c->name[i]);
        text_puts(t, i == covariates_volume(c) ? ", the logarithm of the ml of the mask" : "");
        text_puts(t, ", NaN where it is missing\n");
    }
    for (int i = 0; p && i < 3; i++) {
        text_puts(t, i == 0 ? " * Spacing of the voxels (d, h, w): " : ", ");
        if (p->spacing[i] > 0) text_put_double(t, p->spacing[i]);
        else text_puts(t, "its own"); /* of the slices of a 2D plan */
    }
    if (p)
        text_printf(t, "; along the axes %c, %c, %c of the file%s\n", "zyx"[p->transpose[0]],
                    "zyx"[p->transpose[1]], "zyx"[p->transpose[2]], p->to_ras ? " turned to RAS" : "");
    for (int i = 0; p && i < d->labels; i++) {
        text_printf(t, " *   label %d: ", d->label_value[i]);
        put_comment(t, d->label_name[i]);
        text_puts(t, "\n");
    }
}

static void put_header(struct text *t, const struct export *x)
{
    const struct device_figures *f = x->figures;
    text_printf(
        t,
        "/* network.h - a %s of nephron, for inference on a device. Written by `nephron export`.\n *\n"
        " *     static _Alignas(64) unsigned char block[NETWORK_BLOCK_BYTES];\n"
        " *     float *voxels = network_input(block);      [d][h][w][channel], to be filled each time\n"
        "%s"
        " *     network_run(block, network_weights);\n"
        " *     network_result(result, block);\n *\n"
        " * No memory but the block, no files, no threads, no library but memcpy and memset. Build with "
        "-std=c11 -ffp-contract=off.\n *\n",
        x->form->title,
        x->numbers ? " *     float *numbers = network_covariates(block);      [covariate], the same\n" : "");
    put_around(t, x);
    text_puts(t, " */\n#ifndef NETWORK_H\n#define NETWORK_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n");
    text_printf(t, "#define NETWORK_BLOCK_BYTES %zu\n#define NETWORK_WEIGHTS %zu /* floats */\n",
                f->block_bytes, x->program.weight_count);
    text_printf(t, "#define NETWORK_DEPTH %d\n#define NETWORK_HEIGHT %d\n#define NETWORK_WIDTH %d\n", x->in.d,
                x->in.h, x->in.w);
    text_printf(t, "#define NETWORK_CHANNELS %d\n#define NETWORK_CLASSES %d\n", x->in.c, x->out.c);
    text_printf(t, "#define NETWORK_COVARIATES %d /* floats beside a patch */\n", x->numbers);
    text_printf(
        t, "#define NETWORK_INPUTS %zu /* floats of a patch */\n#define NETWORK_OUTPUTS %zu /* logits */\n",
        shape_count(x->in), shape_count(x->out));
    text_printf(t, "#define NETWORK_RESULT_BYTES %zu /* %s */\n\n", f->result_bytes, x->form->result);
    text_puts(t, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
                 "extern const float network_weights[NETWORK_WEIGHTS];\n\n"
                 "/* 0 if these are the weights that were exported, else -1. */\n"
                 "int network_check(const float *weights);\n"
                 "/* Where the voxels go; their place is not used again until the next run. The block is "
                 "64-byte aligned. */\n"
                 "float *network_input(void *block);\n"
                 "/* Where the covariates go, as the voxels; NULL of a network that takes none. */\n"
                 "float *network_covariates(void *block);\n"
                 "void network_run(void *block, const float *weights);\n"
                 "/* Logits [d][h][w][class] (of a classifier [class]), valid until the next run. */\n"
                 "const float *network_output(const void *block);\n"
                 "/* NETWORK_RESULT_BYTES: labels [d][h][w], or probabilities. */\n"
                 "void network_result(void *result, const void *block);\n\n"
                 "#ifdef __cplusplus\n}\n#endif\n#endif\n");
}

static void put_probabilities(struct text *t, const struct export *x)
{
    (void)x;
    text_puts(t, "    float y[NETWORK_CLASSES];\n"
                 "    device_softmax(y, x, NETWORK_CLASSES);\n"
                 "    memcpy(result, y, sizeof y);\n}\n");
}

static void put_labels(struct text *t, const struct export *x)
{
    const struct plan *p = &x->plan;
    text_puts(t, "    uint8_t *label = result;\n"
                 "    for (size_t i = 0; i < NETWORK_RESULT_BYTES; i++, x += NETWORK_CLASSES) {\n");
    if (p->regions) {
        text_puts(t, "        static const uint8_t written[NETWORK_CLASSES] = {");
        for (int r = 0; r < p->regions; r++) text_printf(t, "%s%d", r ? ", " : "", p->region_written[r]);
        text_puts(t, "}; /* later regions go over earlier ones */\n        label[i] = 0;\n"
                     "        for (int r = 0; r < NETWORK_CLASSES; r++)\n"
                     "            if (device_sigmoid(x[r]) > 0.5f) label[i] = written[r];\n    }\n}\n");
    } else {
        text_puts(t, "        label[i] = (uint8_t)device_largest(x, NETWORK_CLASSES);\n    }\n}\n");
    }
}

static void put_network(struct text *t, const struct export *x)
{
    text_printf(t, "/* network.c - the network of network.h: %d steps. Written by `nephron export`. */\n",
                x->program.steps);
    text_puts(t, "#include \"network.h\"\n\n#include <string.h>\n\n#include \"device_kernels.h\"\n\n");
    text_printf(t,
                "int network_check(const float *weights)\n{\n"
                "    return device_hash(weights, NETWORK_WEIGHTS) == UINT64_C(%llu) ? 0 : -1;\n}\n\n",
                (unsigned long long)device_hash(x->program.weights, x->program.weight_count));
    text_printf(t, "float *network_input(void *block)\n{\n    return (float *)block + %zu;\n}\n\n", x->input);
    text_puts(t, "float *network_covariates(void *block)\n{\n");
    if (x->numbers) text_printf(t, "    return (float *)block + %zu;\n}\n\n", x->covariates);
    else text_puts(t, "    (void)block;\n    return NULL;\n}\n\n");
    text_printf(
        t, "const float *network_output(const void *block)\n{\n    return (const float *)block + %zu;\n}\n\n",
        x->output);
    text_puts(t, "/* b + N: a place in the block; w + N: weights; behind a convolution's window: its forms "
                 "along d and in the plane. */\n"
                 "void network_run(void *block, const float *weights)\n{\n"
                 "    float *const b = block;\n"
                 "    const float *const w = weights;\n");
    text_append(t, &x->program.calls);
    text_puts(t, "}\n\n");
    text_puts(t, "void network_result(void *result, const void *block)\n{\n"
                 "    const float *x = network_output(block);\n");
    x->form->put(t, x);
}

/* ---- weights ------------------------------------------------------------------------------------------- */

/* A finite float in hexadecimal: exact, and the same under every locale. */
static void format_float(char out[24], float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    const int exponent = (int)(bits >> 23 & 0xff);
    const unsigned fraction = (bits & 0x7fffff) << 1;
    if (exponent == 0 && fraction == 0) snprintf(out, 24, "%s0.0f", bits >> 31 ? "-" : "");
    else
        snprintf(out, 24, "%s0x%d.%06xp%df", bits >> 31 ? "-" : "", exponent > 0, fraction,
                 exponent ? exponent - 127 : -126);
}

static int write_floats(const struct export *x, const char *name, const float *v, size_t n, struct error *e)
{
    char path[1400];
    if (file_join(path, sizeof path, x->folder, name, e)) return -1;
    struct file_out *f = file_create(path, e);
    if (!f) return -1;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        const unsigned char b[4] = {(unsigned char)bits, (unsigned char)(bits >> 8),
                                    (unsigned char)(bits >> 16), (unsigned char)(bits >> 24)};
        file_put(f, b, sizeof b);
    }
    return file_commit(f, e);
}

static int write_text(const struct export *x, const char *name, struct text *t, struct error *e)
{
    char path[1400];
    const size_t size = t->size;
    char *data = text_take(t);
    int status =
        data ? file_join(path, sizeof path, x->folder, name, e) : error_set(e, "%s: out of memory", name);
    if (!status) status = file_write(path, data, size, e);
    free(data);
    return status;
}

static int write_const(const struct export *x, struct error *e)
{
    char path[1400], number[24];
    if (file_join(path, sizeof path, x->folder, "weights.c", e)) return -1;
    struct file_out *f = file_create(path, e);
    if (!f) return -1;
    file_printf(
        f,
        "/* weights.c - the weights of network.h. Written by `nephron export`. */\n#include \"network.h\"\n\n"
        "const float network_weights[NETWORK_WEIGHTS] = {");
    for (size_t i = 0; i < x->program.weight_count; i++) {
        format_float(number, x->program.weights[i]);
        file_printf(f, "%s%s,", i % 6 ? " " : "\n    ", number);
    }
    file_printf(f, "\n};\n");
    return file_commit(f, e);
}

static int write_blob(const struct export *x, struct error *e)
{
    struct text t = {0};
    text_puts(&t, "/* weights.S - network_weights of network.h from weights.bin (floats, little-endian), for "
                  "ELF. Written by `nephron export`.\n"
                  " * A device that keeps weights.bin elsewhere leaves this file out, and gives its address "
                  "to network_run. */\n"
                  "    .section .rodata\n"
                  "    .balign 64\n"
                  "    .global network_weights\n"
                  "network_weights:\n"
                  "    .incbin \"weights.bin\"\n");
    text_printf(
        &t,
        "    .if . - network_weights - %zu\n    .error \"weights.bin is of another network\"\n    .endif\n",
        x->figures->weight_bytes);
    text_puts(&t, "#ifdef __linux__\n    .section .note.GNU-stack, \"\", %progbits\n#endif\n");
    return write_text(x, "weights.S", &t, e) ||
                   write_floats(x, "weights.bin", x->program.weights, x->program.weight_count, e)
               ? -1
               : 0;
}

/* ---- the sample ---------------------------------------------------------------------------------------- */

/* What the program itself makes of the logits: labels, or the softmax of *classes. */
static int write_result(const struct export *x, const float *logits, const struct tensor *classes,
                        struct error *e)
{
    if (classes) return write_floats(x, "sample.result", tensor_f32(classes), shape_count(x->out), e);
    char path[1400];
    if (file_join(path, sizeof path, x->folder, "sample.result", e)) return -1;
    struct file_out *f = file_create(path, e);
    if (!f) return -1;
    for (size_t i = 0; i < shape_voxels(x->out); i++) {
        const uint8_t label = output_label(&x->plan, logits + i * (size_t)x->out.c);
        file_put(f, &label, 1);
    }
    return file_commit(f, e);
}

/* Covariates such as the training cases had; of several the last one is missing. */
static void draw_covariates(float *value, const struct covariates *c, struct rng *rng)
{
    for (int k = 0; k < c->count; k++)
        value[k] = (float)(c->mean[k] + sqrt(c->variance[k]) * (double)rng_normal(rng));
    if (c->count > 1) value[c->count - 1] = NAN;
}

/* The image, and behind it the covariates, as main.c reads them. */
static int write_input(const struct export *x, const struct ends *n, struct error *e)
{
    const size_t voxels = shape_count(x->in), all = voxels + (size_t)x->numbers;
    float *v = malloc(all * sizeof *v);
    if (!v) return error_set(e, "out of memory for the sample");
    memcpy(v, tensor_f32(n->image), voxels * sizeof *v);
    if (n->covariates) memcpy(v + voxels, tensor_f32(n->covariates), (size_t)x->numbers * sizeof *v);
    const int status = write_floats(x, "sample.input", v, all, e);
    free(v);
    return status;
}

/* Normal numbers as voxels, through the program's own kernels. */
static int write_sample(const struct export *x, struct error *e)
{
    struct ends n;
    struct graph *g = record(x, &n);
    struct tensor *classes = x->form->softmax ? op_softmax(g, n.logits) : NULL;
    struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
    if (!graph_failed(g)) graph_keep(g, n.logits);
    const int planned = !graph_failed(g) && !graph_plan(g);
    if (!planned || network_bind(g, "the sample's inference", (double)shape_voxels(x->in), e)) {
        const int *patch = x->options->patch;
        graph_destroy(g);
        if (!planned) return error_set(e, "out of memory for the plan of the sample's inference");
        return patch[0] ? error_prefix(e, "--patch %d,%d,%d", patch[0], patch[1], patch[2]) : -1;
    }
    rng_normals(&rng, tensor_f32(n.image), shape_count(x->in));
    if (n.covariates) draw_covariates(tensor_f32(n.covariates), &x->run->options.covariates, &rng);
    int status = write_input(x, &n, e);
    if (!status) {
        graph_forward(g);
        status = write_floats(x, "sample.logits", tensor_f32(n.logits), shape_count(x->out), e) ||
                 write_result(x, tensor_f32(n.logits), classes, e) ? -1 : 0;
    }
    graph_destroy(g);
    return status;
}

/* ---- the folder ---------------------------------------------------------------------------------------- */

static int write_sources(const struct export *x, struct error *e)
{
    for (const struct device_source *s = device_sources; s->name; s++) {
        struct text t = {0};
        for (const char *const *line = s->line; *line; line++) text_puts(&t, *line);
        if (write_text(x, s->name, &t, e)) return -1;
    }
    return 0;
}

static int write_files(const struct export *x, struct error *e)
{
    struct text header = {0}, network = {0};
    put_header(&header, x);
    put_network(&network, x);
    int status = write_text(x, "network.c", &network, e) ||
                 (x->options->blob ? write_blob(x, e) : write_const(x, e)) || write_sources(x, e) ||
                 write_sample(x, e) || write_text(x, "network.h", &header, e);
    free(text_take(&header)); /* where nobody took them */
    free(text_take(&network));
    return status ? -1 : 0;
}

static int check_folder(const char *dir, struct error *e)
{
    struct file_list names;
    if (!file_exists(dir)) return 0;
    if (!file_is_dir(dir)) return error_set(e, "%s: is there and no folder", dir);
    if (file_list(dir, &names, e)) return -1;
    int status = names.count ? error_set(e, "%s: is not empty (%s is in it): an export needs a new folder",
                                         dir, names.name[0])
                             : 0;
    file_list_free(&names);
    return status;
}

/* What was written of an export that failed; and the folder, if it was not there before. */
static void remove_files(const char *dir, int was_there)
{
    static const char *const name[] = {"network.c",   "network.h",    "weights.c",     "weights.S",
                                       "weights.bin", "sample.input", "sample.logits", "sample.result"};
    struct error ignored;
    char path[1400];
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (!file_join(path, sizeof path, dir, name[i], &ignored)) file_remove(path, &ignored);
    for (const struct device_source *s = device_sources; s->name; s++)
        if (!file_join(path, sizeof path, dir, s->name, &ignored)) file_remove(path, &ignored);
    if (!was_there) rmdir(dir);
}

static int keep_crop(struct export *x, struct error *e)
{
    const int *crop = x->run->options.crop;
    if (!x->options->patch[0]) return 0;
    return error_set(e, "--patch: a classifier takes the crop that it was trained with, %d,%d,%d", crop[0],
                     crop[1], crop[2]);
}

/* The plan with the patch that was asked for. */
static int choose_patch(struct export *x, struct error *e)
{
    const int *patch = x->options->patch;
    x->plan = *x->run->plan;
    if (patch[0]) memcpy(x->plan.patch, patch, sizeof x->plan.patch);
    if (x->plan.dims == 2 && x->plan.patch[0] != 1)
        return error_set(e, "--patch: the first size is %d, but configuration %s is of single slices: 1",
                         x->plan.patch[0], x->plan.configuration);
    const int status = network_plan_check(&x->plan, e);
    if (status && patch[0]) error_prefix(e, "--patch %d,%d,%d", patch[0], patch[1], patch[2]);
    return status;
}

static int check_finite(const struct export *x, struct error *e)
{
    for (int i = 0; i < x->model->params; i++) {
        const struct param *p = &x->model->param[i];
        for (size_t j = 0; j < p->count; j++)
            if (!isfinite(x->model->data[p->offset + j]))
                return error_set(e, "%s: %s holds a value that is not finite", x->run->path, p->name);
    }
    return 0;
}

static void take_figures(struct device_figures *f, const struct export *x)
{
    const int size[3] = {x->in.d, x->in.h, x->in.w};
    memcpy(f->size, size, sizeof size);
    f->channels = x->in.c;
    f->outputs = x->out.c;
    f->steps = x->program.steps;
    f->block_bytes = x->program.block_bytes;
    f->weight_bytes = x->program.weight_count * sizeof(float);
    f->result_bytes = x->form->softmax ? (size_t)x->out.c * sizeof(float) : shape_voxels(x->out);
}

static const struct result_form labels = {"segmentation network", "a label for each voxel", put_labels, 0,
                                          choose_patch},
                                probabilities = {"classifier", "a probability (float) for each class",
                                                 put_probabilities, 1, keep_crop};

int device_export(struct device_figures *f, const struct run *r, struct model *m, const char *dir,
                  const struct device_options *o, struct error *e)
{
    struct export x = {.run = r,
                       .form = r->options.task->planned ? &labels : &probabilities,
                       .model = m,
                       .options = o,
                       .folder = dir,
                       .figures = f};
    memset(f, 0, sizeof *f);
    if (check_folder(dir, e) || check_finite(&x, e) || x.form->choose_patch(&x, e)) return -1;
    const int was_there = file_exists(dir);
    int status = make_program(&x, e);
    if (!status) {
        take_figures(f, &x);
        status = file_mkdirs(dir, e) || write_files(&x, e) ? -1 : 0;
        if (status) remove_files(dir, was_there);
    }
    device_program_free(&x.program);
    return status;
}
