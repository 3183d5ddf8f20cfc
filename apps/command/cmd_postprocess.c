/* cmd_postprocess.c - nnU-Net's determine_postprocessing on the validation cases of a run:
 * postprocessing.json. */
#include "apps/command/commands.h"
#include "nn/infer/crossval.h"
#include "apps/base/options.h"
#include "apps/base/result_tables.h"
#include "io/base/file.h"
#include "tensor/graph/machine.h"

static int determine(const char *path, const char *ref, const char *out, int threads, int quiet,
                     struct error *e)
{
    struct run run;
    struct crossval v;
    char beside[1300];
    if (run_open(&run, path, e)) return -1;
    int status = run.plan ? crossval_begin(&v, &run.dataset, path, threads, e)
                          : error_set(e, "%s: is no segmentation run", path);
    if (!status && !out) {
        status = file_join(beside, sizeof beside, run.path, "postprocessing.json", e);
        out = beside;
    }
    if (!status) status = file_check_place(out, e);
    if (!status) status = crossval_add_run(&v, &run, ref, e);
    if (!status) status = crossval_determine(&v, out, e);
    if (!status && !quiet) crossval_print(&v, out);
    if (run.plan) crossval_end(&v);
    run_close(&run);
    return status;
}

int cmd_postprocess(int argc, char **argv)
{
    const char *ref = NULL, *out = NULL;
    int threads = 0, quiet = 0;
    struct option_spec spec[] = {{"ref", 'r', OPTION_TEXT, &ref, "DIR",
                                  "folder of the references (default: where summary.json says)", 0, 0, 0},
                                 {"output", 'o', OPTION_OUTPUT, &out, "FILE",
                                  "default: RUN/postprocessing.json, which predict applies", 0, 0, 0},
                                 OPTION_THREADS(threads),
                                 OPTION_QUIET(quiet),
                                 {0}};
    struct command_help help = {
        "postprocess RUN [OPTIONS]",
        "Decides on the validation cases of all folds which labels keep only their largest component",
        "nnU-Net's rule: first of all foreground together, if the mean Dice rises and falls for no label; "
        "then of each label\n"
        "or region, if its Dice rises. Components join through faces, edges and corners.\n\n"
        "  nephron postprocess run && nephron predict run -i images -o predictions",
        spec};
    struct operands operands;
    struct error e = {""};
    int status;
    if (!options_parse(&operands, argc, argv, &help, 1, 1, &status)) return status;
    return determine(operands.text[0], ref, out, threads > 0 ? threads : machine_processors(), quiet, &e)
               ? app_fail(&e)
               : 0;
}
