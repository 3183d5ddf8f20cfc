#include "fl/history.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/base/csv.h"
#include "io/base/file.h"
#include "io/picture/svg.h"
#include "tensor/base/check.h"

void history_add(struct history *h, const struct round_record *r)
{
    if (h->count == h->room) {
        h->room = h->room ? 2 * h->room : 64;
        h->record = realloc(h->record, (size_t)h->room * sizeof *h->record);
        ENSURE(h->record, "out of memory for %d rounds", h->room);
    }
    h->record[h->count++] = *r;
}

/* One array a row, in the order of struct round_record; the hash as text because JSON numbers lose bits. */
struct json *history_json(const struct history *h)
{
    struct json *j = json_array();
    for (int i = 0; i < h->count; i++) {
        const struct round_record *r = &h->record[i];
        double v[] = {r->round, r->site, r->examples, r->loss, r->metric, r->validation_loss, r->lr, r->seconds, r->bytes};
        char hash[17];
        struct json *row = json_add_array(j, NULL);
        for (size_t k = 0; k < sizeof v / sizeof *v; k++) json_add_number(row, NULL, v[k]);
        snprintf(hash, sizeof hash, "%016" PRIx64, r->hash);
        json_add_text(row, NULL, hash);
    }
    return j;
}

static double value_at(const struct json *row, int i)
{
    const struct json *v = json_at(row, i);
    return v && (v->type == JSON_INT || v->type == JSON_DOUBLE) ? v->number : NAN;
}

int history_from_json(struct history *h, const struct json *j, const char *name, struct error *e)
{
    for (int i = 0; j && i < j->count; i++) {
        const struct json *row = json_at(j, i), *hash = json_at(row, 9);
        if (row->type != JSON_ARRAY || row->count != 10 || !hash || hash->type != JSON_STRING)
            return error_set(e, "%s: history[%d] is no row of 10 values", name, i);
        struct round_record r = {(int)value_at(row, 0), (int)value_at(row, 1), value_at(row, 2), value_at(row, 3),
                                 value_at(row, 4), value_at(row, 5), value_at(row, 6), value_at(row, 7),
                                 value_at(row, 8), strtoull(hash->string, NULL, 16)};
        history_add(h, &r);
    }
    return 0;
}

static void put_number(struct file_out *f, double v)
{
    if (isfinite(v)) file_printf(f, ",%.9g", v);
    else file_printf(f, ",");
}

static int write_curves(const struct history *h, const char *path, enum task_kind task, struct error *e)
{
    size_t n = (size_t)h->count + 1;
    double *v = malloc(4 * n * sizeof *v);
    if (!v) return error_set(e, "%s: out of memory", path);
    double *x = v, *loss = v + n, *validation = v + 2 * n, *metric = v + 3 * n;
    int count = 0, validated = 0;
    for (int i = 0; i < h->count; i++) {
        const struct round_record *r = &h->record[i];
        if (r->site >= 0) continue;
        x[count] = r->round + 1;
        loss[count] = r->loss;
        validation[count] = r->validation_loss;
        metric[count++] = r->metric;
        validated |= isfinite(r->metric);
    }
    const char *metric_name = task == TASK_SEGMENT ? "validation Dice" : "validation AUC";
    struct svg_chart c = {.title = "Training", .x_label = "epoch or round", .y_label = "loss"};
    c.series[c.count++] = (struct svg_series){"training loss", x, loss, count, 0};
    if (validated) {
        c.right_label = metric_name;
        c.series[c.count++] = (struct svg_series){"validation loss", x, validation, count, 0};
        c.series[c.count++] = (struct svg_series){metric_name, x, metric, count, 1};
    }
    int status = svg_write(&c, path, e);
    free(v);
    return status;
}

int history_write_progress(const struct history *h, const char *folder, enum task_kind task, struct error *e)
{
    char path[1200];
    if (file_join(path, sizeof path, folder, "progress.csv", e)) return -1;
    struct file_out *f = file_create(path, e);
    if (!f) return -1;
    file_printf(f, "epoch,learning_rate,train_loss,validation_loss,metric,seconds,weight_hash\n");
    for (int i = 0; i < h->count; i++) {
        const struct round_record *r = &h->record[i];
        if (r->site >= 0) continue;
        file_printf(f, "%d", r->round);
        put_number(f, r->lr);
        put_number(f, r->loss);
        put_number(f, r->validation_loss);
        put_number(f, r->metric);
        file_printf(f, ",%.3f,%016" PRIx64 "\n", r->seconds, r->hash);
    }
    if (file_commit(f, e) || file_join(path, sizeof path, folder, "progress.svg", e)) return -1;
    return write_curves(h, path, task, e);
}

int history_write_rounds(const struct history *h, const char *folder, const struct federate_client *client,
                         struct error *e)
{
    char path[1200];
    if (file_join(path, sizeof path, folder, "rounds.csv", e)) return -1;
    struct file_out *f = file_create(path, e);
    if (!f) return -1;
    file_printf(f, "round,site,examples,local_loss,metric,seconds,bytes\n");
    for (int i = 0; i < h->count; i++) {
        const struct round_record *r = &h->record[i];
        char site[2 * SITE_NAME_MAX + 4];
        csv_quote(site, sizeof site, r->site < 0 ? "global" : client[r->site].name);
        file_printf(f, "%d,%s,%.0f", r->round, site, r->examples);
        put_number(f, r->loss);
        put_number(f, r->metric);
        file_printf(f, ",%.3f,%.0f\n", r->seconds, r->bytes);
    }
    return file_commit(f, e);
}
