/* main.c - the program: finds the command and hands over. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/base/options.h"
#include "apps/command/commands.h"
#include "tensor/base/cpu.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* NULL: a heading */
    const char *summary;
};

static const struct command commands[] = {
    {"look and prepare", NULL, NULL},
    {"info", cmd_info, "what a file is: image header, checkpoint tensors, dataset"},
    {"init", cmd_init, "dataset.json of a folder of images and label maps, from what is found there"},
    {"convert", cmd_convert,
     "images between formats, from DICOM; weights between nnU-Net, safetensors, npz, ONNX"},
    {"plan", cmd_plan, "fingerprint and plan of a dataset; exact memory of a step"},
    {"phantom", cmd_phantom, "writes a synthetic multi-centre renal MRI dataset"},
    {"train and predict", NULL, NULL},
    {"train", cmd_train, "centralised training: segmentation or classification"},
    {"federate", cmd_federate,
     "federated training: over simulated sites, or between machines by carried files"},
    {"predict", cmd_predict, "segment images, or class probabilities, with a trained run"},
    {"export", cmd_export, "a trained network as C for a device: one block of memory, no library"},
    {"postprocess", cmd_postprocess,
     "decide on a run's validation cases which labels keep only their largest component"},
    {"ensemble", cmd_ensemble, "label maps from the mean of several predictions' probabilities"},
    {"measure and report", NULL, NULL},
    {"evaluate", cmd_evaluate, "metrics of predictions against a reference"},
    {"compare", cmd_compare, "paired statistics of two evaluations"},
    {"best", cmd_best, "which run, or ensemble of two, is best on the held-out cases"},
    {"study", cmd_study, "local, federated and centralised training on one test set, with a report"},
    {"bench", cmd_bench, "speed on this machine, against its measured peak"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_usage(FILE *f)
{
    fprintf(
        f, "nephron %s: deep learning for federated 3D medical imaging\n\nusage: nephron COMMAND [OPTIONS]\n",
        NEPHRON_VERSION);
    for (int i = 0; i < COMMANDS; i++) {
        if (commands[i].run) fprintf(f, "  %-11s %s\n", commands[i].name, commands[i].summary);
        else fprintf(f, "\n%s:\n", commands[i].name);
    }
    fprintf(f, "\n"
               "`nephron help COMMAND` tells a command's options; every command takes --threads N, --seed N "
               "and --quiet.\n"
               "A FILE that is written may be -, standard output, where then nothing else is printed.\n"
               "Exit code: 0 done, 1 failed, 2 wrong usage; 3 a federation's step waits for others; 128 and "
               "the signal where one stopped it.\n"
               "The environment variable NEPHRON_ISA (scalar, avx2, avx512, avx512bf16, amx, neon, simd128) "
               "lowers the instruction set.\n");
}

/* `nephron help --list`: a command a line, for the shells' completion and for the manual pages. */
static void print_list(void)
{
    for (int i = 0; i < COMMANDS; i++)
        if (commands[i].run) printf("%s\t%s\n", commands[i].name, commands[i].summary);
}

static const struct command *find_command(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (commands[i].run && strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

/* The command that does what nnU-Net's of that name does (docs/from_nnunet.md), or TotalSegmentator; NULL:
 * none of them. */
static const char *command_of_others(const char *name)
{
    static const char *const names[][2] = {
        {"plan_and_preprocess", "plan"}, {"extract_fingerprint", "plan"}, {"plan_experiment", "plan"},
        {"preprocess", "plan"}, {"convert_MSD_dataset", "plan"}, {"convert_old_nnUNet_dataset", "plan"},
        {"predict_from_modelfolder", "predict"}, {"apply_postprocessing", "predict"},
        {"determine_postprocessing", "postprocess"}, {"evaluate_folder", "evaluate"},
        {"evaluate_simple", "evaluate"}, {"find_best_configuration", "best"},
        {"accumulate_crossval_results", "best"}, {"TotalSegmentator", "predict"},
    };
    if (strncmp(name, "nnUNetv2_", 9) == 0) name += 9;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i][0]) == 0) return names[i][1];
    const struct command *c = find_command(name);
    return c ? c->name : NULL;
}

static int run(const char *name, int argc, char **argv)
{
    const struct command *c = find_command(name);
    const char *isa = cpu_isa_unknown();
    if (c && isa) {
        fprintf(stderr, "nephron: NEPHRON_ISA is '%s', must be one of " CPU_ISA_NAMES "\n", isa);
        return 2;
    }
    if (c) return c->run(argc, argv);
    const char *best = command_of_others(name);
    int distance = best ? 0 : OPTIONS_FAR;
    for (int i = 0; i < COMMANDS; i++)
        if (commands[i].run) distance = options_closer(&best, commands[i].name, name, distance);
    if (best)
        console_to(stderr, "nephron: unknown command '%s', did you mean %s? (nephron help lists all)\n", name,
                   best);
    else console_to(stderr, "nephron: unknown command '%s' (nephron help lists them)\n", name);
    return 2;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return 2;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) {
        printf("nephron %s\n", NEPHRON_VERSION);
        return 0;
    }
    if (strcmp(name, "help") && strcmp(name, "-h") && strcmp(name, "--help"))
        return run(name, argc - 1, argv + 1);
    if (argc < 3 || !strcmp(argv[2], "help") || !strcmp(argv[2], "-h") || !strcmp(argv[2], "--help")) {
        print_usage(stdout);
        return 0;
    }
    if (strcmp(argv[2], "--list") == 0) {
        print_list();
        return 0;
    }
    char help[] = "-h", *args[] = {argv[2], help, NULL};
    return run(argv[2], 2, args);
}

int main(int argc, char **argv)
{
    console_open();
    signal(SIGPIPE, SIG_IGN); /* what cannot be written returns an error, in place of killing the process */
    signal(SIGXFSZ, SIG_IGN);
    int status = dispatch(argc, argv);
    if (console_lost()) {
        fprintf(stderr, "nephron: out of memory: a part of what was to be printed is left out\n");
        status = status ? status : 1;
    }
    if (fflush(stdout) || ferror(stdout)) {
        /* output that could not be written (a full disk) is a failure too */
        if (errno != EPIPE) perror("nephron: standard output"); /* head and grep -q have seen enough */
        return status ? status : 1;
    }
    return status;
}
