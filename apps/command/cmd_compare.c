/* cmd_compare.c - compare: paired statistics of two evaluations, or two sets of them (one a seed), of the
 * same cases. */
#include <stdlib.h>
#include <string.h>

#include "apps/base/options.h"
#include "apps/command/commands.h"
#include "apps/compare/compare.h"
#include "io/base/file.h"
#include "nn/measure/metric.h"

/* One path, or several with commas between. A file whose name has a comma is one path. */
static int split_paths(struct compare_arm *a, const char *operand, struct error *e)
{
    *a = (struct compare_arm){.name = operand, .text = malloc(strlen(operand) + 1)};
    if (!a->text) return error_set(e, "out of memory");
    strcpy(a->text, operand);
    if (file_exists(operand)) {
        a->path[a->seeds++] = a->text;
        return 0;
    }
    for (char *at = a->text, *comma; at; at = comma) {
        if (a->seeds == COMPARE_SEEDS_MAX)
            return error_set(e, "%s: more than %d files", operand, COMPARE_SEEDS_MAX);
        if ((comma = strchr(at, ','))) *comma++ = 0;
        if (!*at) return error_set(e, "%s: a comma without a file on one side", operand);
        for (int k = 0; k < a->seeds; k++) /* as two seeds that agree in everything */
            if (file_is_same(a->path[k], at))
                return error_set(e, "%s: is given twice in %s; each file is of another seed", at, operand);
        a->path[a->seeds++] = at;
    }
    return 0;
}

static int run(struct compare *c, struct error *e)
{
    struct json *j = json_object();
    const int tables = file_has_suffix(c->arm[0].path[0], ".csv");
    json_add_text(j, "a", c->arm[0].name);
    json_add_text(j, "b", c->arm[1].name);
    int status = tables ? compare_tables(j, c, e) : compare_maps(j, c, e);
    /* What is printed is taken from it: a comparison that was lost in part is none. */
    if (!status && json_failed(j))
        status = error_set(e, "out of memory: a part of the comparison is left out");
    if (!status && c->out) status = json_write(j, c->out, e);
    json_free(j);
    return status;
}

/* The first of the names that was given, NULL where none was. */
static const char *given_among(const struct operands *given, const char *const *names)
{
    while (*names && !options_given(given, *names)) names++;
    return *names;
}

/* What does not go together, as a wrong usage; 0 where all is well. */
static int check_usage(const char *command, const struct compare *c, const struct operands *given,
                       const struct option_spec *spec)
{
    const struct compare_arm *a = &c->arm[0], *b = &c->arm[1];
    const int tables = file_has_suffix(a->path[0], ".csv");
    for (int arm = 0; arm < 2; arm++)
        for (int s = 0; s < c->arm[arm].seeds; s++)
            if (file_has_suffix(c->arm[arm].path[s], ".csv") != tables)
                return app_usage(command, "%s and %s: one is a table, the other is not", a->path[0],
                                 c->arm[arm].path[s]);
    const char *other = options_given_below(given, spec, tables ? "label maps" : "tables");
    if (other)
        return app_usage(command, "--%s is for %s", other,
                         tables ? "label maps, these are tables" : "tables, these are of label maps");
    if (a->seeds != b->seeds)
        return app_usage(command, "A has %d files, B %d: seed k of both belongs together", a->seeds,
                         b->seeds);
    if (c->unpaired && a->seeds > 1) return app_usage(command, "--unpaired takes one file of A and one of B");
    if (c->unpaired && c->patients) return app_usage(command, "--unpaired has no --patients");
    if (c->unpaired && options_given(given, "zeros"))
        return app_usage(command, "--zeros is of Wilcoxon's test of pairs, --unpaired has none");
    static const char *const resampled[] = {"level", "resamples", "seed", NULL},
                             *const shares[] = {"margin", "threshold", NULL};
    if (c->unpaired && (other = given_among(given, resampled)))
        return app_usage(command, "--%s is of the bootstrap of pairs, --unpaired has none", other);
    if (c->unpaired && (other = given_among(given, shares)))
        return app_usage(command, "--%s is of pairs, --unpaired compares the %s alone", other,
                         tables ? "areas" : "ranks");
    if (tables && a->seeds == 1 && options_given(given, "level"))
        return app_usage(command,
                         "--level is for several files of each side; intervals of one area are 95 %%");
    if (tables && a->seeds == 1 && c->patients && (other = given_among(given, resampled)))
        return app_usage(command, "--%s is of a bootstrap of cases, and --patients leaves it out", other);
    return 0;
}

static const char details[] =
    "A and B are two summary.json (of evaluate or of nnU-Net), or two tables with columns\n"
    "case,label,probability (for more classes probability_0, probability_1, ...). Cases are paired by\n"
    "name; those that are left out are told with the reason. Differences are A - B. Each test says what\n"
    "it could have shown: the smallest difference found with the given power, and its power at the\n"
    "margin.\n\n"
    "Several files with commas between are the same arm trained with several seeds: then patients and\n"
    "seeds are both random (mixed model, Obuchowski-Rockette, crossed bootstrap), and the conclusion is\n"
    "about the way of training instead of two trained models.\n\n"
    "  nephron compare federated/summary.json centralised/summary.json --margin 0.02 --json out.json\n"
    "  nephron compare federated.csv centralised.csv --patients patients.csv\n"
    "  nephron compare f1.csv,f2.csv,f3.csv c1.csv,c2.csv,c3.csv";

int cmd_compare(int argc, char **argv)
{
    struct compare c = {.metric = metric_at(0)->name,
                        .zeros = "pratt",
                        .threshold = 0.5,
                        .level = 0.95,
                        .power = 0.8,
                        .resamples = 10000,
                        .seed = 1};
    char choices[METRIC_CHOICES_SIZE];
    metric_choices(choices);
    struct option_spec spec[] = {
        {"json", 0, OPTION_OUTPUT, &c.out, "FILE", "write the results as JSON", 0, 0, 0},
        {"margin", 0, OPTION_NUMBER, &c.margin, "X",
         "test equivalence within +-X, and whether A is worse by less (of the metric, or of the AUC)", 1e-6,
         1e6, 0},
        {"patients", 0, OPTION_TEXT, &c.patients, "FILE",
         "table case,patient: tests by patients, who may have several cases", 0, 0, 0},
        {"unpaired", 0, OPTION_FLAG, &c.unpaired, NULL,
         "A and B are of different cases, as of two hospitals: Mann-Whitney, unpaired DeLong", 0, 0, 0},
        {"level", 0, OPTION_NUMBER, &c.level, "P", "of the bootstrap and shift intervals (0.95)", 0.5, 0.999,
         0},
        {"power", 0, OPTION_NUMBER, &c.power, "P", "of the smallest difference that is printed (0.8)", 0.1,
         0.999, 0},
        {"resamples", 0, OPTION_INT, &c.resamples, "N", "of the bootstrap (10000; of areas at most 2000)",
         100, 10000000, 0},
        {OPTION_HEADING("label maps")},
        {"metric", 0, OPTION_TEXT, &c.metric, "NAME", "of summary.json (Dice)", 0, 0, choices},
        {"zeros", 0, OPTION_TEXT, &c.zeros, "HOW",
         "Wilcoxon: rank zero differences and then leave them out (pratt, as study does), or before (wilcox)",
         0, 0, "pratt|wilcox"},
        {OPTION_HEADING("tables")},
        {"threshold", 0, OPTION_NUMBER, &c.threshold, "P", "positive from this probability on (0.5)", 0, 1,
         0},
        {OPTION_HEADING("common")},
        OPTION_SEED_(c.seed),
        OPTION_QUIET(c.quiet),
        {0}};
    struct command_help help = {"compare A B [OPTIONS]",
                                "Paired statistics of two evaluations of the same cases", details, spec};
    struct operands operands;
    struct error e = {""};
    int status;
    if (!options_parse(&operands, argc, argv, &help, 2, 2, &status)) return status;
    status = split_paths(&c.arm[0], operands.text[0], &e) || split_paths(&c.arm[1], operands.text[1], &e);
    int usage = status ? 0 : check_usage(argv[0], &c, &operands, spec);
    static const char *const two_classes[] = {"margin", "threshold", "level", "resamples",
                                              "power",  "seed",      NULL};
    c.two_classes = given_among(&operands, two_classes);
    if (!status && !usage) status = run(&c, &e);
    free(c.arm[0].text);
    free(c.arm[1].text);
    return usage ? usage : status ? app_fail(&e) : 0;
}
