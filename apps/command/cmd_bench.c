/* cmd_bench.c - `nephron bench`: which measurements, and their tables. */
#include <stdlib.h>
#include <string.h>

#include "apps/bench/bench.h"
#include "apps/base/options.h"
#include "apps/command/commands.h"
#include "io/base/csv.h"
#include "io/base/file.h"
#include "io/base/json.h"
#include "io/base/text.h"
#include "tensor/graph/machine.h"

static const char bench_details[] =
    "kernels    convolution layers: forward (fwd), gradient of the input (bwd_d) and of the weights (bwd_w)\n"
    "step       training steps: forward, loss, backward, optimiser\n"
    "inference  forward passes, and a sliding window of 128 x 256 x 256 voxels with eight mirrors\n"
    "scaling    a training step with more threads than there are cores: every thread's share of every op is "
    "measured alone and laid out as the pool would (fp32 and unet_hippo_b2, unless asked "
    "otherwise)\nWithout a name, kernels. Each figure is the median of several calls after a warm-up, "
    "of scaling the shortest.\n\n"
    "  nephron bench step --case unet_hippo --csv step.csv\n"
    "  nephron bench scaling --threads-list 1,2,4,8,16,32,64,128 --csv scaling.csv";

/* The rows of a table as objects; what reads as a number is one. */
static int write_json(const char *json, const struct text *table, struct error *e)
{
    struct csv t;
    struct json *rows = json_array();
    if (csv_parse(&t, table->data, table->size, json, e)) {
        json_free(rows);
        return -1;
    }
    for (int r = 0; r < t.rows; r++) {
        struct json *row = json_add_object(rows, NULL);
        for (int c = 0; c < t.columns; c++) {
            const char *cell = csv_cell(&t, r, c);
            double v;
            if (text_parse_double(&v, cell, strlen(cell)) == 0) json_add_number(row, t.header[c], v);
            else json_add_text(row, t.header[c], cell);
        }
    }
    csv_free(&t);
    int status = json_write(rows, json, e);
    json_free(rows);
    return status;
}

/* Numbers with commas between them. */
static int parse_list(struct scaling_options *o, const char *text, struct error *e)
{
    for (const char *p = text;; p++) {
        const size_t length = strcspn(p, ",");
        double v;
        if (o->counts == SCALING_COUNTS)
            return error_set(e, "--threads-list: more than %d numbers", SCALING_COUNTS);
        if (options_number(&v, p, length) || v < 1 || v > 1024 || v != (int)v)
            return error_set(e, "--threads-list: '%.*s' in '%s' is not a number of threads from 1 to 1024",
                             (int)length, p, text);
        o->threads[o->counts++] = (int)v;
        p += length;
        if (!*p) return 0;
    }
}

int cmd_bench(int argc, char **argv)
{
    const char *csv = NULL, *json = NULL, *filter = NULL, *precision = NULL, *list = NULL;
    struct scaling_options scaling = {.bandwidth = 300};
    int threads = 0;
    struct option_spec spec[] = {
        {"csv", 0, OPTION_OUTPUT, &csv, "FILE", "also as a table", 0, 0, 0},
        {"json", 0, OPTION_OUTPUT, &json, "FILE", "the table as JSON, a list of rows", 0, 0, 0},
        {"case", 0, OPTION_TEXT, &filter, "NAME", "only the cases with this in their name", 0, 0, 0},
        {"precision", 0, OPTION_TEXT, &precision, "P", "fp32 or bf16 alone (default: both)", 0, 0,
         "fp32|bf16"},
        {"threads-list", 0, OPTION_TEXT, &list, "N,N,...", "scaling: numbers of threads", 0, 0, 0},
        {"bandwidth", 0, OPTION_NUMBER, &scaling.bandwidth, "GB/S",
         "scaling: of the memory of a machine with many cores (default 300)", 1, 1e5, 0},
        OPTION_THREADS(threads),
        {0}};
    struct command_help help = {"bench [kernels|step|inference|scaling] [OPTIONS]",
                                "Measures speed on this machine, against its measured peak", bench_details,
                                spec};
    struct operands operands;
    struct text table = {0};
    struct error e = {""};
    int status;
    if (!options_parse(&operands, argc, argv, &help, 0, 1, &status)) return status;
    const char *what = operands.count ? operands.text[0] : "kernels";
    if (strcmp(what, "scaling") != 0 &&
        (options_given(&operands, "threads-list") || options_given(&operands, "bandwidth")))
        return app_usage(argv[0], "--%s changes nothing without scaling",
                         list ? "threads-list" : "bandwidth");
    if (strcmp(what, "scaling") == 0 && threads > 0)
        return app_usage(argv[0], "--threads changes nothing with scaling, which --threads-list is for");
    if (threads <= 0) threads = machine_processors();
    if (strcmp(what, "kernels") == 0) status = bench_kernels(&table, threads, filter, precision, &e);
    else if (strcmp(what, "step") == 0 || strcmp(what, "inference") == 0)
        status = bench_networks(&table, threads, filter, precision, what[0] == 'i', &e);
    else if (strcmp(what, "scaling") == 0) {
        if (parse_list(&scaling, list ? list : "1,2,4,8,16,32,64,128", &e))
            return app_usage(argv[0], "%s", e.text);
        status = bench_scaling(&table, &scaling, filter, precision, &e);
    } else return app_usage(argv[0], "'%s' is not kernels, step, inference or scaling", what);
    if (!status && table.failed) status = error_set(&e, "bench: out of memory for the table");
    if (!status && csv) status = file_write(csv, table.data, table.size, &e);
    if (!status && json) status = write_json(json, &table, &e);
    free(table.data);
    return status ? app_fail(&e) : 0;
}
