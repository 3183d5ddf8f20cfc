/* cmd_export.c - a trained network as C for a device. */
#include <stdio.h>
#include <string.h>

#include "apps/base/options.h"
#include "apps/training/run_notes.h"
#include "apps/command/commands.h"
#include "nn/data/roles.h"
#include "nn/device/device_export.h"

static void print_figures(const struct device_figures *f, const char *dir)
{
    printf("%s: input %d x %d x %d of %d channels, %d outputs, %d steps\n", dir, f->size[0], f->size[1],
           f->size[2], f->channels, f->outputs, f->steps);
    printf("  block          %zu bytes\n  weights        %zu bytes\n  result         %zu bytes\n",
           f->block_bytes, f->weight_bytes, f->result_bytes);
    printf("  multiply-adds  %.0f a voxel (direct form)\n", f->products);
}

static int export_run(const char *in, const char *out, const char *fold, const char *checkpoint,
                      const struct device_options *o, int quiet, struct error *e)
{
    struct run r;
    struct device_figures f;
    if (run_open(&r, in, e)) return -1;
    struct model *m = run_one_model(&r, fold, checkpoint, e);
    int status = m ? device_export(&f, &r, m, out, o, e) : -1;
    if (!status && !quiet) print_figures(&f, out);
    if (m) model_destroy(m);
    run_close(&r);
    return status;
}

int cmd_export(int argc, char **argv)
{
    const char *fold = NULL, *checkpoint = NULL, *weights = "const";
    int quiet = 0;
    struct device_options o = {.blob = 0};
    struct option_spec spec[] = {
        {"fold", 'f', OPTION_TEXT, &fold, "K",
         "the network of this fold (default: the first trained to its end)", 0, 0, 0},
        {"checkpoint", 0, OPTION_TEXT, &checkpoint, "NAME",
         "which weights (default: final, else best, else latest)", 0, 0, "final|best|latest"},
        {"patch", 0, OPTION_SIZE3, o.patch, "Z,Y,X",
         "of a segmentation: size of the input (default: the run's patch)", 0, 0, 0},
        {"weights", 'w', OPTION_TEXT, &weights, "FORM",
         "const: an array in weights.c; blob: weights.bin, which the linker or the device takes in (const)",
         0, 0, "const|blob"},
        OPTION_QUIET(quiet),
        {0}};
    struct command_help help = {
        "export RUN OUT_DIR",
        "a trained network as C for a device: no memory but one block, no files, no threads, no library",
        "OUT_DIR (new or empty) receives the network as C11: network.c and network.h, its weights, the "
        "kernels that it needs, a main.c\n"
        "that reads patches from standard input (float, [d][h][w][channel]; covariates behind them) and "
        "writes labels, or a classifier's\nprobabilities, to standard output; and sample.input with "
        "sample.result and sample.logits, the program's own answer to it:\n\n  nephron export RUN device\n"
        "  cc -std=c11 -O2 -ffp-contract=off device/*.c -o network\n"
        "  ./network <device/sample.input | cmp - device/sample.result\n\n"
        "The bits are those of `nephron predict --precision fp32` for a patch. All memory is one block, "
        "NETWORK_BLOCK_BYTES long. How a\n"
        "device does a whole volume, and figures: docs/export.md.",
        spec};
    struct operands operands;
    struct error e;
    int status;
    if (!options_parse(&operands, argc, argv, &help, 2, 2, &status)) return status;
    if (fold && !roles_is_fold(fold))
        return app_usage(argv[0], "--fold is '%s', must be 0, 1 and so on, or all", fold);
    o.blob = strcmp(weights, "blob") == 0;
    return export_run(operands.text[0], operands.text[1], fold, checkpoint, &o, quiet, &e) ? app_fail(&e) : 0;
}
