/* info_datasets.c - a dataset: every case is read, and what they have in common is told. */
#include "apps/info/info.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "nn/data/sample.h"

struct summary {
    int read, problems;
    int size[2][3];
    double spacing[2][3], range[CHANNELS_MAX][2], mean[CHANNELS_MAX];
    double voxels[LABELS_MAX], ignored;
    int holds[LABELS_MAX]; /* cases with the label */
};

static void summarize(struct summary *m, const struct sample *s)
{
    size_t n = (size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2];
    for (int a = 0; a < 3; a++) {
        m->size[0][a] = !m->read || s->size[a] < m->size[0][a] ? s->size[a] : m->size[0][a];
        m->size[1][a] = s->size[a] > m->size[1][a] ? s->size[a] : m->size[1][a];
        m->spacing[0][a] = !m->read || s->spacing[a] < m->spacing[0][a] ? s->spacing[a] : m->spacing[0][a];
        m->spacing[1][a] = fmax(m->spacing[1][a], s->spacing[a]);
    }
    for (int c = 0; c < s->channels; c++) {
        double low = INFINITY, high = -INFINITY, sum = 0;
        for (size_t i = 0; i < n; i++) {
            double x = s->image[i * (size_t)s->channels + (size_t)c];
            low = fmin(low, x);
            high = fmax(high, x);
            sum += x;
        }
        m->range[c][0] = m->read ? fmin(m->range[c][0], low) : low;
        m->range[c][1] = m->read ? fmax(m->range[c][1], high) : high;
        m->mean[c] += sum / (double)n;
    }
    int seen[LABELS_MAX] = {0};
    for (size_t i = 0; s->label && i < n; i++) {
        if (s->label[i] >= LABELS_MAX) {
            m->ignored++;
            continue;
        }
        m->voxels[s->label[i]]++;
        seen[s->label[i]] = 1;
    }
    for (int k = 0; k < LABELS_MAX; k++) m->holds[k] += seen[k];
    m->read++;
}

static void add_sizes(struct json *j, const char *key, const int *v)
{
    struct json *list = json_add_array(j, key);
    for (int i = 0; i < 3; i++) json_add_int(list, NULL, v[i]);
}

static const char *numbered(char key[32], const char *what, int number)
{
    snprintf(key, 32, "%s %d", what, number);
    return key;
}

static void print_summary(const struct summary *m, const struct dataset *d, struct json *j)
{
    char key[32];
    double all = m->ignored;
    for (int k = 0; k < LABELS_MAX; k++) all += m->voxels[k];
    add_sizes(j, "least_size", m->size[0]);
    add_sizes(j, "largest_size", m->size[1]);
    info_add_numbers(j, "least_spacing", m->spacing[0], 3);
    info_add_numbers(j, "largest_spacing", m->spacing[1], 3);
    struct json *channels = json_add_array(j, "channels"), *labels = json_add_object(j, "labels");
    for (int c = 0; c < d->channels; c++) {
        struct json *of = json_add_object(channels, NULL);
        json_add_text(of, "name", d->channel_name[c]);
        json_add_number(of, "least", m->range[c][0]);
        json_add_number(of, "largest", m->range[c][1]);
        json_add_number(of, "mean", m->mean[c] / m->read);
    }
    for (int k = 0; k < d->labels && all > 0; k++) {
        struct json *of = json_add_object(labels, d->label_name[k]);
        json_add_int(of, "cases", m->holds[k]);
        json_add_number(of, "share_of_voxels", m->voxels[k] / all);
    }
    printf("  size (z y x)  %d x %d x %d to %d x %d x %d voxels\n", m->size[0][0], m->size[0][1],
           m->size[0][2], m->size[1][0], m->size[1][1], m->size[1][2]);
    printf("  spacing       %.5g x %.5g x %.5g to %.5g x %.5g x %.5g mm\n", m->spacing[0][0],
           m->spacing[0][1], m->spacing[0][2], m->spacing[1][0], m->spacing[1][1], m->spacing[1][2]);
    for (int c = 0; c < d->channels; c++)
        console("  %-12s  %s: %.6g to %.6g, mean of case means %.6g\n", numbered(key, "channel", c),
                d->channel_name[c], m->range[c][0], m->range[c][1], m->mean[c] / m->read);
    for (int k = 0; k < d->labels && all > 0; k++)
        console("  %-12s  %s: in %d cases, %.3f %% of voxels\n", numbered(key, "label", k), d->label_name[k],
                m->holds[k], 100 * m->voxels[k] / all);
    for (int r = 0; r < d->regions; r++)
        console("  %-12s  %s: labels %s, written as %d\n", numbered(key, "region", r + 1), d->region[r].name,
                d->region[r].key, d->region[r].written);
    if (d->ignore_label >= 0)
        printf("  %-12s  ignore: %.3f %% of voxels\n", numbered(key, "label", d->ignore_label),
               all > 0 ? 100 * m->ignored / all : 0);
}

struct told_grids {
    struct json *list;
    int count;
};

static void tell_grid(void *context, const char *text)
{
    struct told_grids *t = context;
    console("  warning       %s\n", text);
    json_add_text(t->list, NULL, text);
    t->count++;
}

static void tell_problem(struct summary *m, struct json *list, const char *text)
{
    console("  problem       %s\n", text);
    json_add_text(list, NULL, text);
    m->problems++;
}

/* Reads every case; what is wrong with one is told and does not stop the rest. */
int info_dataset(const char *path, struct json *j, struct error *e)
{
    struct dataset d;
    struct summary m;
    memset(&m, 0, sizeof m);
    if (dataset_open(&d, path, e)) return -1;
    struct told_grids told = {json_add_array(j, "warnings"), 0};
    const struct reading how = {
        .grids = {.rule = GRIDS_AS_NNUNET, .tell = tell_grid, .context = &told}};
    int maps = 0;
    for (int i = 0; i < d.cases; i++) maps += d.item[i].has_label_map;
    console("%s: dataset %s, %d cases, %d with a label map, file ending %s\n", path,
           info_shown(json_text(d.json, "name", d.name)), d.cases, maps, d.file_ending);
    json_add_text(j, "kind", "dataset");
    json_add_text(j, "name", d.name);
    json_add_int(j, "cases", d.cases);
    json_add_int(j, "label_maps", maps);
    json_add_text(j, "file_ending", d.file_ending);
    struct json *problems = json_add_array(j, "problems");
    if (d.classes) info_print_classes(&d, j);
    for (int i = 0; i < d.cases; i++) {
        struct sample s;
        if (dataset_load(&s, &d, i, &how, e)) {
            tell_problem(&m, problems, e->text);
            continue;
        }
        summarize(&m, &s);
        sample_free(&s);
    }
    int64_t announced = json_integer(d.json, "numTraining", d.cases);
    if (announced != d.cases) {
        error_set(e, "dataset.json: numTraining is %lld, there are %d cases", (long long)announced, d.cases);
        tell_problem(&m, problems, e->text);
    }
    if (m.read) print_summary(&m, &d, j);
    dataset_close(&d);
    return m.problems ? error_set(e, "%s: %d problem%s", path, m.problems, m.problems == 1 ? "" : "s") : 0;
}
