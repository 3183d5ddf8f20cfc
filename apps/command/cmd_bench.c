#include <string.h>

#include "apps/bench/bench.h"
#include "apps/base/options.h"
#include "tensor/base/cpu.h"

static const char bench_details[] =
    "kernels    convolution layers: forward (fwd), gradient of the input (bwd_d) and of the weights (bwd_w)\n"
    "step       training steps: forward, loss, backward, optimiser\n"
    "inference  forward passes, and a sliding window of 128 x 256 x 256 voxels with eight mirrors\n"
    "Without a name, kernels. Each figure is the median of several calls after a warm-up.\n\n"
    "  nephron bench step --case unet_hippo --csv step.csv";

int cmd_bench(int argc, char **argv)
{
    const char *csv = NULL, *filter = NULL, *precision = NULL;
    int threads = 0;
    struct option_spec spec[] = {{"csv", 0, OPTION_TEXT, &csv, "FILE", "also as a table", 0, 0, 0},
                                 {"case", 0, OPTION_TEXT, &filter, "NAME", "only the cases with this in their name", 0, 0, 0},
                                 {"precision", 0, OPTION_TEXT, &precision, "P", "fp32 or bf16 alone (default: both)", 0, 0, "fp32|bf16"},
                                 OPTION_THREADS(threads),
                                 {0}};
    struct command_help help = {"bench [kernels|step|inference] [OPTIONS]", "Measures speed on this machine, against its measured peak",
                                bench_details, spec};
    struct operands operands;
    struct error e = {""};
    int status;
    if (!options_parse(&operands, argc, argv, &help, 0, 1, &status)) return status;
    const char *what = operands.count ? operands.text[0] : "kernels";
    if (threads <= 0) threads = cpu_count();
    if (strcmp(what, "kernels") == 0) status = bench_kernels(csv, threads, filter, precision, &e);
    else if (strcmp(what, "step") == 0 || strcmp(what, "inference") == 0) status = bench_networks(csv, threads, filter, precision, what[0] == 'i', &e);
    else return app_usage(argv[0], "'%s' is not kernels, step or inference", what);
    return status ? app_fail(&e) : 0;
}
