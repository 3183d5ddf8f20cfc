/* study_tables_csv.c - cases.csv, sites.csv, rounds.csv, and the probabilities of the test cases. */
#include "apps/study/study_tables.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/base/csv.h"
#include "io/base/file.h"

static struct file_out *table(const struct study *s, const char *name, struct error *e)
{
    char path[1300];
    return file_join(path, sizeof path, s->out, name, e) ? NULL : file_create(path, e);
}

static void put_name(struct file_out *f, const char *name)
{
    char quoted[2 * ID_MAX + 4];
    csv_quote(quoted, sizeof quoted, name);
    file_printf(f, "%s", quoted);
}

/* An empty cell for NaN. */
static void put_value(struct file_out *f, double v)
{
    if (isfinite(v)) file_printf(f, ",%.6g", v);
    else file_printf(f, ",");
}

static void put_header(struct file_out *f, const struct study *s, const char *prefix)
{
    for (int a = 0; a < s->arms; a++) {
        char name[80];
        study_arm_file(name, s, a);
        file_printf(f, ",%s_%s", prefix, name);
    }
}

static int find_test(const struct study_task *t, int item)
{
    for (int k = 0; t->present && k < t->tests + t->externals; k++)
        if (t->test[k] == item) return k;
    return -1;
}

static int write_cases(const struct study *s, const struct results *r, struct error *e)
{
    static const char *const role_name[] = {"unused", "training", "validation", "test", "external"};
    struct file_out *f = table(s, "cases.csv", e);
    if (!f) return -1;
    file_printf(f, "case,site,part,label,reference_ml");
    if (s->segment.present) put_header(f, s, "dice");
    if (s->segment.present) file_printf(f, ",volume_ml_federated,volume_ml_centralised");
    if (s->classify.present) put_header(f, s, "probability");
    file_printf(f, "\n");
    for (int i = 0; i < s->dataset.cases; i++) {
        const struct study_case *c = &s->item[i];
        int seg = find_test(&s->segment, i), cls = find_test(&s->classify, i);
        put_name(f, s->dataset.item[i].id);
        file_printf(f, ",");
        put_name(f, c->site >= 0 ? s->site_name[c->site] : "");
        file_printf(f, ",%s,", role_name[c->role]);
        if (s->dataset.item[i].target >= 0) file_printf(f, "%d", s->dataset.item[i].target);
        put_value(f, c->volume_ml);
        for (int a = 0; s->segment.present && a < s->arms; a++)
            put_value(f, seg < 0 ? NAN : r->segment.arm[a].value[seg]);
        for (int a = 0; s->segment.present && a < ARMS_MAIN; a++)
            put_value(f, seg < 0 ? NAN : r->segment.volume_ml[a][seg]);
        for (int a = 0; s->classify.present && a < s->arms; a++)
            put_value(f, cls < 0 ? NAN : r->classify.arm[a].probability[cls]);
        file_printf(f, "\n");
    }
    return file_commit(f, e);
}

static int write_sites(const struct study *s, const struct results *r, struct error *e)
{
    struct file_out *f = table(s, "sites.csv", e);
    if (!f) return -1;
    file_printf(f, "site,training,validation,test");
    if (s->segment.present) put_header(f, s, "dice");
    if (s->classify.present) put_header(f, s, "auc");
    file_printf(f, "\n");
    for (int k = 0; k < s->sites; k++) {
        put_name(f, s->site_name[k]);
        file_printf(f, ",%d,%d,%d", study_count(s, k, STUDY_TRAIN, -1),
                    study_count(s, k, STUDY_VALIDATION, -1), study_count(s, k, STUDY_TEST, -1));
        for (int a = 0; s->segment.present && a < s->arms; a++)
            put_value(f, r->segment.arm[a].by.site[k].value);
        for (int a = 0; s->classify.present && a < s->arms; a++)
            put_value(f, r->classify.arm[a].by.site[k].value);
        file_printf(f, "\n");
    }
    return file_commit(f, e);
}

static void put_rounds(struct file_out *f, const struct study *s, const struct study_task *t,
                       const char *task)
{
    for (int a = 0; t->present && a < t->arms; a++)
        for (int k = 0; k < t->seeds; k++)
            for (int i = 0; i < t->run[a][k].records; i++) {
                const struct round_record *r = &t->run[a][k].record[i];
                char arm[80];
                study_arm_key(arm, s, a);
                file_printf(f, "%s,", task);
                put_name(f, arm);
                file_printf(f, ",%d,%d,", k + 1, r->round + 1);
                put_name(f, r->site < 0 ? "all"
                                        : s->site_name[arm_site(
                                              s, a, r->site)]); /* federated arms alone have rows of sites */
                put_value(f, r->examples);
                put_value(f, r->loss);
                put_value(f, r->validation_loss);
                put_value(f, r->metric);
                put_value(f, r->seconds);
                put_value(f, r->bytes);
                if (r->site < 0) file_printf(f, ",%016" PRIx64 "\n", r->hash);
                else file_printf(f, ",\n");
            }
}

static int write_rounds(const struct study *s, struct error *e)
{
    struct file_out *f = table(s, "rounds.csv", e);
    if (!f) return -1;
    file_printf(f, "task,arm,seed,round,site,examples,loss,validation_loss,metric,seconds,bytes,weights\n");
    put_rounds(f, s, &s->segment, "segmentation");
    put_rounds(f, s, &s->classify, "classification");
    return file_commit(f, e);
}

/* The mean over seeds of each arm, in the form that `evaluate` and `compare` read. */
static int write_probabilities(const struct study *s, const struct results *r, struct error *e)
{
    const struct study_task *t = &s->classify;
    for (int a = 0; t->present && a < t->arms; a++) {
        char file[80], name[100], path[1300];
        study_arm_file(file, s, a);
        snprintf(name, sizeof name, "%s.csv", file);
        struct file_out *f = study_path(path, sizeof path, s, "predictions/classification", name, e)
                                 ? NULL
                                 : file_create(path, e);
        if (!f) return -1;
        const struct arm_classes *arm = &r->classify.arm[a];
        const int many = r->classify.classes > 2 ? r->classify.classes : 0;
        file_printf(f, many ? "case,label" : "case,label,probability");
        for (int c = 0; c < many; c++) file_printf(f, ",probability_%d", c);
        for (int k = 0; k < t->tests; k++) {
            file_printf(f, "\n");
            put_name(f, s->dataset.item[t->test[k]].id);
            file_printf(f, ",%d", r->classify.label[k]);
            if (!many) file_printf(f, ",%.9g", arm->probability[k]);
            for (int c = 0; c < many; c++) file_printf(f, ",%.9g", arm->of_class[k * many + c]);
        }
        file_printf(f, "\n");
        if (file_commit(f, e)) return -1;
    }
    return 0;
}

int tables_csv(const struct study *s, const struct results *r, struct error *e)
{
    return write_cases(s, r, e) || write_sites(s, r, e) || write_rounds(s, e) || write_probabilities(s, r, e)
               ? -1
               : 0;
}
