/* cmd_evaluate.c - evaluate: predictions against a reference. Label maps (folders or two files) give
 * nnU-Net's summary.json with more keys, tables of probabilities discrimination and calibration. */
#include "apps/base/options.h"
#include "apps/command/commands.h"
#include "apps/command/evaluate.h"
#include "io/base/file.h"
#include "nn/measure/evaluation.h"
#include "tensor/graph/machine.h"

static const char details[] =
    "Label maps: REF and PRED are folders whose files have the same names, or two files. Labels come from\n"
    "--dataset, else from dataset.json beside REF or in PRED, else from the maps; with regions there, a\n"
    "row is a region. The JSON is nnU-Net's summary.json with every metric of docs/metrics.md. Lesions\n"
    "are connected components (26 neighbours). Voxels that REF ignores count nowhere.\n\n"
    "Classification: REF is a table with columns case,label; PRED has case,probability (of class 1; for\n"
    "more classes probability_0, probability_1, ...). --validation takes a table case,label,probability\n"
    "of cases that trained nothing and are not in REF: logistic recalibration and the operating points\n"
    "come from it. --prior-from and --prior-to undo class weights.\n\n"
    "  nephron evaluate Dataset004_Hippocampus/labelsTs predictions -o summary.json\n"
    "  nephron evaluate labels.csv predictions.csv --validation validation.csv --json result.json";

/* What does not go together, or would change nothing; 0 where all is well. */
static int check_usage(const char *command, const struct evaluate *o, const struct operands *given,
                       const struct option_spec *spec, int tables)
{
    const char *other = options_given_below(given, spec, tables ? "label maps" : "classification");
    if (other)
        return app_usage(command, "--%s is for %s", other,
                         tables ? "label maps, these are tables" : "two tables (.csv), these are label maps");
    if ((o->prior_from > 0) != (o->prior_to > 0))
        return app_usage(command, "--prior-from and --prior-to go together");
    if (!o->validation && options_given(given, "sensitivity"))
        return app_usage(command, "--sensitivity changes nothing without --validation");
    return 0;
}

int cmd_evaluate(int argc, char **argv)
{
    struct evaluate o = {.grids = GRID_WARNINGS_NONE,
        .tolerance = 1, .boundary = EVALUATION_BOUNDARY_MM, .threshold = 0.5, .sensitivity = 0.9};
    const char *json = NULL;
    struct option_spec spec[] = {
        {"output", 'o', OPTION_OUTPUT, &o.out, "FILE", "write the results as JSON (summary.json)", 0, 0, 0},
        {"json", 0, OPTION_OUTPUT, &json, "FILE", "the same", 0, 0, 0},
        {"chill", 0, OPTION_FLAG, &o.chill, NULL,
         "evaluate only the cases that were predicted, as nnU-Net's --chill", 0, 0, 0},
        {OPTION_HEADING("label maps")},
        {"dataset", 0, OPTION_TEXT, &o.dataset, "FILE", "dataset.json with the labels", 0, 0, 0},
        {"tolerance", 0, OPTION_NUMBER, &o.tolerance, "MM", "of the normalised surface distance, NSD (1)", 0,
         1e6, 0},
        {"boundary-mm", 0, OPTION_NUMBER, &o.boundary, "MM", "width of the bands of boundary IoU (2)", 1e-3,
         1e6, 0},
        {"lesion-overlap", 0, OPTION_NUMBER, &o.lesion_overlap, "X",
         "a lesion counts as met where more than this share of it is in the other map (0: any voxel)", 0,
         0.999999, 0},
        OPTION_STRICT(o.grids.strict),
        {OPTION_HEADING("classification")},
        {"threshold", 0, OPTION_NUMBER, &o.threshold, "P", "positive from this probability on (0.5)", 0, 1,
         0},
        {"validation", 0, OPTION_TEXT, &o.validation, "FILE",
         "table of validation cases: recalibration, operating points", 0, 0, 0},
        {"sensitivity", 0, OPTION_NUMBER, &o.sensitivity, "S",
         "of the operating point that --validation fixes (0.9)", 0.01, 1, 0},
        {"prior-from", 0, OPTION_NUMBER, &o.prior_from, "P",
         "share of positives that training pretended (class weights: 0.5)", 1e-6, 0.999999, 0},
        {"prior-to", 0, OPTION_NUMBER, &o.prior_to, "P", "share of positives where the model is used", 1e-6,
         0.999999, 0},
        {"patients", 0, OPTION_TEXT, &o.patients, "FILE",
         "table case,patient: interval of the AUC by patients", 0, 0, 0},
        {OPTION_HEADING("common")},
        OPTION_THREADS(o.threads),
        OPTION_QUIET(o.quiet),
        {0}};
    struct command_help help = {
        "evaluate REF PRED [OPTIONS]",
        "Measures predictions against a reference: label maps, or a table of probabilities", details, spec};
    struct operands operands;
    struct error e = {""};
    int status;
    if (!options_parse(&operands, argc, argv, &help, 2, 2, &status)) return status;
    if (json && o.out) return app_usage(argv[0], "-o and --json are the same file: give one");
    o.ref = operands.text[0];
    o.pred = operands.text[1];
    if (json) o.out = json;
    static const char *const two_classes[] = {"threshold", "validation", "prior-to", NULL};
    for (const char *const *name = two_classes; *name && !o.two_classes; name++)
        if (options_given(&operands, *name)) o.two_classes = *name;
    if (o.threads <= 0) o.threads = machine_processors();
    int tables = file_has_suffix(o.ref, ".csv"), usage = check_usage(argv[0], &o, &operands, spec, tables);
    if (usage) return usage;
    if (tables != file_has_suffix(o.pred, ".csv")) {
        error_set(&e,
                  "%s is a table, %s is none: probabilities are two .csv, label maps two folders or two "
                  "images",
                  tables ? o.ref : o.pred, tables ? o.pred : o.ref);
        return app_fail(&e);
    }
    status = tables ? evaluate_tables(&o, &e) : evaluate_maps(&o, &e);
    grid_warnings_free(&o.grids);
    return status ? app_fail(&e) : 0;
}
