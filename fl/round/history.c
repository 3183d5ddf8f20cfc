/* history.c - the rows of a run: in a checkpoint's JSON, as tables and as curves. */
#include "fl/round/history.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/csv.h"
#include "io/base/file.h"
#include "io/picture/svg.h"

struct round_record round_record_of(int round, int site)
{
    return (struct round_record){.round = round,
                                 .site = site,
                                 .metric = NAN,
                                 .validation_loss = NAN,
                                 .seconds = NAN,
                                 .metric_local = NAN,
                                 .norm = NAN,
                                 .cosine = NAN};
}

void round_record_add(struct round_record *round, const struct round_record *site)
{
    round->examples += site->examples;
    round->loss += site->examples * site->loss;
    round->bytes += site->bytes;
}

void round_record_close(struct round_record *round)
{
    round->loss /= round->examples;
}

/* Every private round has a norm; what it has spent may be 0, with much noise. */
static int is_private(const struct round_record *r)
{
    return r->clip > 0;
}

int history_reserve(struct history *h, int rows, struct error *e)
{
    if (rows <= h->room - h->count) return 0;
    const int least = h->count + (rows > 64 ? rows : 64), room = 2 * h->room > least ? 2 * h->room : least;
    struct round_record *more = realloc(h->record, (size_t)room * sizeof *more);
    if (!more) return error_set(e, "out of memory for %d rows of rounds", room);
    h->record = more;
    h->room = room;
    return 0;
}

int history_add(struct history *h, const struct round_record *r, struct error *e)
{
    if (history_reserve(h, 1, e)) return -1;
    h->record[h->count++] = *r;
    return 0;
}

/* One array a row, in the order of struct round_record; the hash as text because JSON numbers lose bits. Two
 * more numbers with privacy. */
enum { ROW_NUMBERS = 12, ROW_PRIVACY = 2 };
#define EXAMPLES_MOST 1e15 /* of a million sites of as many as one may have */

struct json *history_json(const struct history *h)
{
    struct json *j = json_array();
    for (int i = 0; i < h->count; i++) {
        const struct round_record *r = &h->record[i];
        double v[ROW_NUMBERS] = {
            r->round, r->site,    r->examples, r->loss,         r->metric, r->validation_loss,
            r->lr,    r->seconds, r->bytes,    r->metric_local, r->norm,   r->cosine};
        char hash[17];
        struct json *row = json_add_array(j, NULL);
        for (int k = 0; k < ROW_NUMBERS; k++) json_add_number(row, NULL, v[k]);
        snprintf(hash, sizeof hash, "%016" PRIx64, r->hash);
        json_add_text(row, NULL, hash);
        if (is_private(r)) json_add_number(row, NULL, r->epsilon);
        if (is_private(r)) json_add_number(row, NULL, r->clip);
    }
    return j;
}

static int read_row(struct round_record *r, const struct json *row, int round, int sites)
{
    double v[ROW_NUMBERS], privacy[ROW_PRIVACY] = {0, 0};
    if (row->type != JSON_ARRAY ||
        (row->count != ROW_NUMBERS + 1 && row->count != ROW_NUMBERS + 1 + ROW_PRIVACY))
        return -1;
    const struct json *hash = json_at(row, ROW_NUMBERS);
    if (hash->type != JSON_STRING ||
        strlen(hash->string) != 16)
        return -1;
    for (int k = 0; k < ROW_NUMBERS; k++) {
        const struct json *n = json_at(row, k);
        if (n->type != JSON_INT && n->type != JSON_DOUBLE) return -1;
        v[k] = n->number;
    }
    for (int k = ROW_NUMBERS + 1; k < row->count; k++) {
        const struct json *n = json_at(row, k);
        if (n->type != JSON_INT && n->type != JSON_DOUBLE) return -1;
        privacy[k - ROW_NUMBERS - 1] = n->number;
    }
    if (v[0] != round || !(v[1] >= -1 && v[1] < sites) || v[1] != floor(v[1])) return -1;
    if (!(v[2] >= 0 && v[2] <= EXAMPLES_MOST)) return -1;
    *r = (struct round_record){round,
                               (int)v[1],
                               v[2],
                               v[3],
                               v[4],
                               v[5],
                               v[6],
                               v[7],
                               v[8],
                               v[9],
                               v[10],
                               v[11],
                               strtoull(hash->string, NULL, 16),
                               privacy[0],
                               privacy[1]};
    return 0;
}

int history_fewest_cases(const struct history *h, int sites, int *all)
{
    unsigned char *there = calloc((size_t)sites + 1, 1);
    double cases = INT32_MAX;
    int answered = 0;
    for (int i = 0; i < h->count; i++) {
        const struct round_record *r = &h->record[i];
        if (r->site < 0 || r->site >= sites) continue;
        cases = fmin(cases, r->examples);
        if (there) answered += !there[r->site], there[r->site] = 1;
    }
    free(there);
    *all = answered == sites;
    return (int)cases;
}

int history_from_json(struct history *h, const struct json *j, int rounds, int sites, const char *name,
                      struct error *e)
{
    int round = 0;
    for (int i = 0; j && j->type == JSON_ARRAY && i < j->count; i++) {
        struct round_record r;
        if (round >= rounds || read_row(&r, j->item[i], round, sites)) {
            h->count = 0;
            return error_set(e, "%s: history[%d] is no row of round %d and a site of %d", name, i, round,
                             sites);
        }
        if (history_add(h, &r, e)) return -1;
        round += r.site < 0;
    }
    if (round == rounds) return 0;
    h->count = 0;
    return error_set(e, "%s: the history has %d rounds, %d are done", name, round, rounds);
}

static void put_number(struct file_out *f, int digits, double v)
{
    if (isfinite(v)) file_printf(f, ",%.*g", digits, v);
    else file_printf(f, ",");
}

static void put_seconds(struct file_out *f, double v)
{
    if (isfinite(v))
        file_printf(f, ",%.3f", v);
    else
        file_printf(f, ",");
}

/* ---- curves -------------------------------------------------------------------------------------------- */

enum { CURVES = 4, CURVE_SITES = 9, LOSS_SITES = 4 };

/* Of one site (-1: global): rounds and losses, validation losses, metrics. Returns the points. */
static int take_curve(double *v[CURVES], const struct history *h, int site)
{
    int n = 0;
    for (int i = 0; i < h->count; i++) {
        const struct round_record *r = &h->record[i];
        if (r->site != site) continue;
        v[0][n] = r->round + 1;
        v[1][n] = r->loss;
        v[2][n] = r->validation_loss;
        v[3][n++] = r->metric;
    }
    return n;
}

static int any_finite(const double *v, int n)
{
    int any = 0;
    for (int i = 0; i < n; i++) any |= isfinite(v[i]);
    return any;
}

static void add_series(struct svg_chart *c, const char *name, const double *x, const double *y, int n,
                       int right)
{
    if (c->count < (int)(sizeof c->series / sizeof *c->series) && any_finite(y, n))
        c->series[c->count++] = (struct svg_series){name, x, y, n, right};
}

/* Global curves, and of up to CURVE_SITES sites the metric, of up to LOSS_SITES the loss as well: what one
 * picture holds. */
static int write_curves(const struct history *h, const char *path, const char *metric,
                        const char *const *names, struct error *e)
{
    size_t n = (size_t)h->count + 1;
    double *block = malloc((1 + CURVE_SITES) * CURVES * n * sizeof *block), *v[CURVES];
    char name[CURVE_SITES][2][SITE_NAME_MAX + 24];
    int sites = 0;
    if (!block) return error_set(e, "%s: out of memory", path);
    for (int k = 0; k < CURVES; k++) v[k] = block + (size_t)k * n;
    char global[64];
    snprintf(global, sizeof global, "validation %s", metric);
    struct svg_chart c = {
        .title = "Training", .x_label = "epoch or round", .y_label = "loss", .right_label = global};
    int count = take_curve(v, h, -1);
    add_series(&c, "training loss", v[0], v[1], count, 0);
    add_series(&c, "validation loss", v[0], v[2], count, 0);
    add_series(&c, global, v[0], v[3], count, 1);
    if (!any_finite(v[3], count)) c.right_label = NULL;
    for (int i = 0; i < h->count; i++) sites = h->record[i].site >= sites ? h->record[i].site + 1 : sites;
    for (int k = 0; k < sites && sites <= CURVE_SITES; k++) {
        for (int i = 0; i < CURVES; i++) v[i] = block + (size_t)((1 + k) * CURVES + i) * n;
        snprintf(name[k][0], sizeof name[k][0], "%s, loss", names[k]);
        snprintf(name[k][1], sizeof name[k][1], "%s, %s", names[k], metric);
        count = take_curve(v, h, k);
        if (sites <= LOSS_SITES) add_series(&c, name[k][0], v[0], v[1], count, 0);
        add_series(&c, name[k][1], v[0], v[3], count, 1);
    }
    int status = svg_write(&c, path, e);
    free(block);
    return status;
}

int history_write_progress(const struct history *h, const char *folder, const char *metric,
                           const char *const *names, struct error *e)
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
        put_number(f, 9, r->lr);
        put_number(f, 9, r->loss);
        put_number(f, 9, r->validation_loss);
        put_number(f, 9, r->metric);
        put_seconds(f, r->seconds);
        file_printf(f, ",%016" PRIx64 "\n", r->hash);
    }
    if (file_commit(f, e) || file_join(path, sizeof path, folder, "progress.svg", e)) return -1;
    return write_curves(h, path, metric, names, e);
}

static void put_privacy(struct file_out *f, const struct round_record *r)
{
    put_number(f, 6, is_private(r) ? r->epsilon : NAN);
    put_number(f, 6, is_private(r) ? r->clip : NAN);
}

static void put_row(struct file_out *f, const struct round_record *r, const char *name, int private)
{
    char site[2 * SITE_NAME_MAX + 4];
    csv_quote(site, sizeof site, name);
    file_printf(f, "%d,%s,%.0f", r->round, site, r->examples);
    put_number(f, 9, r->loss);
    put_number(f, 9, r->metric);
    put_seconds(f, r->seconds);
    file_printf(f, ",%.0f", r->bytes);
    put_number(f, 9, r->metric_local);
    put_number(f, 9, r->norm);
    put_number(f, 9, r->cosine);
    if (private) put_privacy(f, r);
    if (r->site < 0)
        file_printf(f, ",%016" PRIx64 "\n", r->hash);
    else
        file_printf(f, ",\n");
}

int history_write_rounds(const struct history *h, const char *folder, const char *const *names, int sites,
                         struct error *e)
{
    char path[1200];
    if (file_join(path, sizeof path, folder, "rounds.csv", e)) return -1;
    int private = 0;
    for (int i = 0; i < h->count; i++) private |= is_private(&h->record[i]);
    struct file_out *f = file_create(path, e);
    if (!f) return -1;
    file_printf(
        f,
        "round,site,examples,local_loss,metric,seconds,bytes,metric_local,update_norm,cosine,%sweight_hash\n",
        private ? "epsilon,clip," : "");
    for (int i = 0, next = 0; i < h->count; i++) {
        const struct round_record *r = &h->record[i];
        for (; next < (r->site < 0 ? sites : r->site) && sites; next++) {
            struct round_record none = round_record_of(r->round, next);
            none.loss = NAN;
            put_row(f, &none, names[next], private);
        }
        put_row(f, r, r->site < 0 ? "global" : names[r->site], private);
        next = r->site < 0 ? 0 : r->site + 1;
    }
    return file_commit(f, e);
}

static void write_pair(struct file_out *f, int round, const char *site, const char *other, double cosine)
{
    char a[2 * SITE_NAME_MAX + 4], b[2 * SITE_NAME_MAX + 4];
    csv_quote(a, sizeof a, site);
    csv_quote(b, sizeof b, other);
    file_printf(f, "%d,%s,%s,", round, a, b);
    if (isfinite(cosine)) file_printf(f, "%.6f", cosine); /* an update of norm 0 has none */
    file_printf(f, "\n");
}

/* The lines of earlier rounds: a round that is repeated after a kill stands once. */
static void keep_rounds(struct file_out *f, const char *old, int round)
{
    for (const char *line = old; *line;) {
        const char *end = strchr(line, '\n');
        size_t n = end ? (size_t)(end - line) + 1 : strlen(line);
        if (line != old && atoi(line) < round) file_put(f, line, n);
        line += n;
    }
}

int history_write_similarity(const struct server *v, int round, const char *folder, struct error *e)
{
    char path[1300];
    unsigned char *old = NULL;
    size_t size = 0;
    const int updates = v->cosine ? v->updates : 0, more = updates > 1;
    if (file_join(path, sizeof path, folder, "similarity.csv", e)) return -1;
    if (!file_exists(path) && !more) return 0;
    if (file_exists(path) && file_read(path, 0, &old, &size, e)) return -1;
    struct file_out *f = file_create(path, e);
    if (!f) return free(old), -1;
    file_printf(f, "round,site,other,cosine\n");
    if (size) keep_rounds(f, (const char *)old, more ? round : round + 1);
    for (int i = 0; i < updates; i++)
        for (int k = 0; k < i; k++)
            write_pair(f, round, v->update[i].site, v->update[k].site, v->cosine[i * updates + k]);
    free(old);
    return file_commit(f, e);
}
