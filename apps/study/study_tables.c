/* study_tables.c - report.json, whose keys are a contract, and the CSVs. */
#include "apps/study/study_tables.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/csv.h"
#include "io/base/file.h"
#include "io/base/json.h"
#include "nn/folder/run.h"
#include "tensor/base/clock.h"
#include "tensor/base/cpu.h"

/* ---- report.json ---------------------------------------------------------------------------------------------------------- */

static void add_pair(struct json *j, const char *key, double low, double high)
{
    struct json *list = json_add_array(j, key);
    json_add_number(list, NULL, low);
    json_add_number(list, NULL, high);
}

static void add_pairs(struct json *j, const struct study *s, const struct pair_test *pair, int n, const char *test)
{
    struct json *list = json_add_array(j, "comparisons");
    for (int i = 0; i < n; i++) {
        char a[80], b[80];
        struct json *o = json_add_object(list, NULL);
        study_arm_name(a, s, pair[i].a);
        study_arm_name(b, s, pair[i].b);
        json_add_text(o, "a", a);
        json_add_text(o, "b", b);
        json_add_text(o, "test", test);
        json_add_number(o, "difference", pair[i].difference);
        add_pair(o, "ci", pair[i].ci[0], pair[i].ci[1]);
        json_add_number(o, "p", pair[i].p);
        json_add_number(o, "p_holm", pair[i].holm);
    }
}

static void add_bland_altman(struct json *j, const struct bland_altman *b)
{
    json_add_number(j, "bias_ml", b->bias);
    json_add_number(j, "sd_ml", b->sd);
    add_pair(j, "limits_ml", b->limits[0], b->limits[1]);
    json_add_number(j, "icc_2_1", b->icc);
}

/* A value of every local arm, as a list by institution. */
#define ADD_LOCAL(j, key, s, expression)                              \
    do {                                                              \
        struct json *list_ = json_add_array(j, key);                  \
        for (int arm = ARM_LOCAL; arm < study_arms(s); arm++) json_add_number(list_, NULL, expression); \
    } while (0)

static void add_site_names(struct json *j, const struct study *s)
{
    struct json *list = json_add_array(j, "institutions");
    for (int k = 0; k < s->sites; k++) json_add_text(list, NULL, s->site_name[k]);
}

static void add_segment(struct json *root, const struct study *s, const struct segment_results *r)
{
    struct json *j = json_add_object(root, "segmentation"), *arms = json_add_object(j, "arms"), *local = json_add_object(arms, "local");
    add_site_names(local, s);
    ADD_LOCAL(local, "dice_mean", s, r->arm[arm].mean);
    ADD_LOCAL(local, "dice_sd", s, r->arm[arm].sd);
    ADD_LOCAL(local, "dice_median", s, r->arm[arm].median);
    ADD_LOCAL(local, "hd95_mean", s, r->arm[arm].hd95);
    ADD_LOCAL(local, "lesion_f1", s, r->arm[arm].lesions.f1);
    for (int a = 0; a < ARM_LOCAL; a++) {
        char name[80];
        study_arm_name(name, s, a);
        struct json *o = json_add_object(arms, name);
        json_add_number(o, "dice_mean", r->arm[a].mean);
        add_pair(o, "dice_ci", r->arm[a].ci[0], r->arm[a].ci[1]);
        json_add_number(o, "dice_sd", r->arm[a].sd);
        json_add_number(o, "dice_median", r->arm[a].median);
        json_add_number(o, "hd95_mean", r->arm[a].hd95);
        json_add_number(o, "lesion_sensitivity", r->arm[a].lesions.sensitivity);
        json_add_number(o, "lesion_precision", r->arm[a].lesions.precision);
        json_add_number(o, "lesion_f1", r->arm[a].lesions.f1);
        struct json *seeds = json_add_array(o, "dice_mean_by_seed");
        for (int k = 0; k < s->segment.seeds; k++) json_add_number(seeds, NULL, r->arm[a].seed_mean[k]);
        add_bland_altman(json_add_object(o, "volume"), &r->volume[a]);
    }
    struct json *w = json_add_object(j, "wilcoxon");
    json_add_text(w, "name", "Wilcoxon signed-rank, federated - centralised, two-sided, zeros as Pratt");
    json_add_number(w, "statistic", r->wilcoxon.statistic);
    json_add_number(w, "p", r->wilcoxon.p);
    json_add_int(w, "n", r->wilcoxon.n);
    json_add_bool(w, "exact", r->wilcoxon.exact);
    json_add_number(w, "difference", r->difference);
    add_pair(w, "ci", r->ci[0], r->ci[1]);
    struct json *q = json_add_object(j, "equivalence");
    json_add_text(q, "name", "TOST, paired t");
    json_add_number(q, "margin", s->dice_margin);
    json_add_number(q, "difference", r->tost.difference);
    add_pair(q, "ci_90", r->tost.ci[0], r->tost.ci[1]);
    json_add_number(q, "p", r->tost.p);
    json_add_bool(q, "equivalent", r->tost.equivalent);
    add_pairs(j, s, r->pair, r->pairs, "Wilcoxon signed-rank, two-sided, zeros as Pratt");
    json_add_int(j, "test_cases", s->segment.tests);
    json_add_int(j, "seeds", s->segment.seeds);
    json_add(j, "training", train_options_json(&s->segment.options));
}

static void add_class_arm(struct json *o, const struct study *s, const struct arm_classes *a)
{
    json_add_number(o, "auc", a->c.auc);
    add_pair(o, "auc_ci", a->c.auc_ci[0], a->c.auc_ci[1]);
    json_add_number(o, "accuracy", a->c.accuracy);
    add_pair(o, "accuracy_ci", a->accuracy_ci[0], a->accuracy_ci[1]);
    json_add_number(o, "sensitivity", a->c.sensitivity);
    add_pair(o, "sensitivity_ci", a->sensitivity_ci[0], a->sensitivity_ci[1]);
    json_add_number(o, "specificity", a->c.specificity);
    add_pair(o, "specificity_ci", a->specificity_ci[0], a->specificity_ci[1]);
    json_add_number(o, "balanced_accuracy", a->c.balanced_accuracy);
    json_add_number(o, "brier", a->c.brier);
    json_add_number(o, "ece", a->c.ece);
    add_pair(o, "auc_ci_bca", a->auc_bca[0], a->auc_bca[1]);
    add_pair(o, "accuracy_ci_exact", a->accuracy_exact[0], a->accuracy_exact[1]);
    add_pair(o, "sensitivity_ci_exact", a->sensitivity_exact[0], a->sensitivity_exact[1]);
    add_pair(o, "specificity_ci_exact", a->specificity_exact[0], a->specificity_exact[1]);
    struct json *h = json_add_object(o, "hosmer_lemeshow");
    json_add_number(h, "statistic", a->hosmer.statistic);
    json_add_int(h, "degrees_of_freedom", a->hosmer.groups);
    json_add_number(h, "p", a->hosmer.p);
    struct json *seeds = json_add_array(o, "auc_by_seed");
    for (int k = 0; k < s->classify.seeds; k++) json_add_number(seeds, NULL, a->seed_auc[k]);
    if (!a->piped) return;
    struct json *p = json_add_object(o, "predicted_mask");
    json_add_number(p, "auc", a->c_piped.auc);
    add_pair(p, "auc_ci", a->c_piped.auc_ci[0], a->c_piped.auc_ci[1]);
    json_add_number(p, "accuracy", a->c_piped.accuracy);
    json_add_number(p, "sensitivity", a->c_piped.sensitivity);
    json_add_number(p, "specificity", a->c_piped.specificity);
}

static void add_classify(struct json *root, const struct study *s, const struct class_results *r)
{
    struct json *j = json_add_object(root, "classification"), *arms = json_add_object(j, "arms"), *local = json_add_object(arms, "local");
    add_site_names(local, s);
    ADD_LOCAL(local, "auc", s, r->arm[arm].c.auc);
    ADD_LOCAL(local, "accuracy", s, r->arm[arm].c.accuracy);
    ADD_LOCAL(local, "sensitivity", s, r->arm[arm].c.sensitivity);
    ADD_LOCAL(local, "specificity", s, r->arm[arm].c.specificity);
    if (r->arm[0].piped) ADD_LOCAL(local, "auc_predicted_mask", s, r->arm[arm].c_piped.auc);
    for (int a = 0; a < ARM_LOCAL; a++) {
        char name[80];
        study_arm_name(name, s, a);
        add_class_arm(json_add_object(arms, name), s, &r->arm[a]);
    }
    struct json *d = json_add_object(j, "delong");
    json_add_text(d, "name", "DeLong, paired, federated - centralised, two-sided");
    json_add_number(d, "difference", r->delong.difference);
    json_add_number(d, "se", r->delong.se);
    json_add_number(d, "z", r->delong.z);
    json_add_number(d, "p", r->delong.p);
    add_pair(d, "ci", r->delong.ci[0], r->delong.ci[1]);
    json_add_number(d, "p_one_sided_federated_less", r->one_sided);
    struct json *q = json_add_object(j, "equivalence");
    json_add_text(q, "name", "two one-sided normal tests with DeLong's standard error");
    json_add_number(q, "margin", r->equivalence.margin);
    add_pair(q, "ci_90", r->equivalence.ci[0], r->equivalence.ci[1]);
    json_add_number(q, "p", r->equivalence.p);
    json_add_bool(q, "equivalent", r->equivalence.equivalent);
    struct json *m = json_add_object(j, "mcnemar");
    json_add_text(m, "name", "McNemar, exact, two-sided, threshold 0.5");
    json_add_int(m, "b", r->mcnemar.b);
    json_add_int(m, "c", r->mcnemar.c);
    json_add_number(m, "p", r->mcnemar.p);
    add_pairs(j, s, r->pair, r->pairs, "DeLong, paired, two-sided");
    json_add_int(j, "test_cases", s->classify.tests);
    json_add_int(j, "positives", r->arm[0].c.positives);
    json_add_int(j, "seeds", s->classify.seeds);
    json_add(j, "training", train_options_json(&s->classify.options));
}

static void add_sites(struct json *root, const struct study *s)
{
    struct json *list = json_add_array(root, "sites");
    for (int k = 0; k < s->sites; k++) {
        struct json *o = json_add_object(list, NULL);
        json_add_text(o, "name", s->site_name[k]);
        json_add_int(o, "training", study_count(s, k, STUDY_TRAIN, -1));
        json_add_int(o, "validation", study_count(s, k, STUDY_VALIDATION, -1));
        json_add_int(o, "test", study_count(s, k, STUDY_TEST, -1));
        for (int z = 0; z < 2; z++) { /* [channel][other site] */
            struct json *channels = json_add_array(o, z ? "emd_normalised" : "emd_raw");
            for (int c = 0; c < s->dataset.channels; c++) {
                struct json *row = json_add_array(channels, NULL);
                for (int other = 0; other < s->sites; other++) json_add_number(row, NULL, study_shift(s, k, other, c, z));
            }
        }
    }
}

static void add_hashes(struct json *root, const struct study *s, const struct study_task *t, const char *key)
{
    struct json *j = json_add_object(root, key);
    for (int a = 0; t->present && a < t->arms; a++) {
        char name[80], hash[17];
        study_arm_name(name, s, a);
        struct json *list = json_add_array(j, name);
        for (int k = 0; k < t->seeds; k++) {
            snprintf(hash, sizeof hash, "%016" PRIx64, t->run[a][k].hash);
            json_add_text(list, NULL, hash);
        }
    }
}

int tables_json(const struct study *s, const struct results *r, struct error *e)
{
    char path[1300];
    struct json *j = json_object();
    json_add_text(j, "program", "nephron");
    json_add_text(j, "version", NEPHRON_VERSION);
    json_add_text(j, "command", s->command);
    json_add_text(j, "preset", s->sizes.preset);
    json_add_int(j, "seed", (int64_t)s->seed);
    json_add_text(j, "precision", s->sizes.bf16 ? "bf16" : "fp32");
    json_add_text(j, "isa", cpu_isa_name(cpu_isa()));
    json_add_int(j, "threads", s->threads);
    json_add_text(j, "data", s->data);
    json_add_text(j, "data_sha256", s->data_hash);
    json_add_bool(j, "synthetic", s->synthetic);
    json_add_bool(j, "sites_drawn_at_random", s->sites_drawn);
    json_add_int(j, "cases", s->dataset.cases);
    add_sites(j, s);
    if (s->segment.present) add_segment(j, s, &r->segment);
    else json_add_text(j, "segmentation_absent", s->segment.why_not);
    if (s->classify.present) add_classify(j, s, &r->classify);
    else json_add_text(j, "classification_absent", s->classify.why_not);
    struct json *hashes = json_add_object(j, "weight_hashes");
    add_hashes(hashes, s, &s->segment, "segmentation");
    add_hashes(hashes, s, &s->classify, "classification");
    json_add_number(j, "wall_seconds", s->seconds);
    json_add_number(j, "processor_seconds", clock_cpu_seconds());
    json_add_number(j, "peak_memory_bytes", s->peak_bytes);
    int status = file_join(path, sizeof path, s->out, "report.json", e) ? -1 : json_write(j, path, e);
    json_free(j);
    return status;
}

/* ---- CSVs ---------------------------------------------------------------------------------------------------------------------- */

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
    for (int a = 0; a < study_arms(s); a++) {
        char name[80];
        study_arm_file(name, s, a);
        file_printf(f, ",%s_%s", prefix, name);
    }
}

static int find_test(const struct study_task *t, int item)
{
    for (int k = 0; t->present && k < t->tests; k++)
        if (t->test[k] == item) return k;
    return -1;
}

static int write_cases(const struct study *s, const struct results *r, struct error *e)
{
    static const char *const role_name[] = {"unused", "training", "validation", "test"};
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
        for (int a = 0; s->segment.present && a < study_arms(s); a++) put_value(f, seg < 0 ? NAN : r->segment.arm[a].value[seg]);
        for (int a = 0; s->segment.present && a < ARM_LOCAL; a++) put_value(f, seg < 0 ? NAN : r->segment.volume_ml[a][seg]);
        for (int a = 0; s->classify.present && a < study_arms(s); a++) put_value(f, cls < 0 ? NAN : r->classify.arm[a].probability[cls]);
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
        file_printf(f, ",%d,%d,%d", study_count(s, k, STUDY_TRAIN, -1), study_count(s, k, STUDY_VALIDATION, -1), study_count(s, k, STUDY_TEST, -1));
        for (int a = 0; s->segment.present && a < study_arms(s); a++) put_value(f, results_site_mean(s, &s->segment, r->segment.arm[a].value, k));
        for (int a = 0; s->classify.present && a < study_arms(s); a++) put_value(f, results_site_auc(s, r->classify.label, r->classify.arm[a].probability, k));
        file_printf(f, "\n");
    }
    return file_commit(f, e);
}

static void put_rounds(struct file_out *f, const struct study *s, const struct study_task *t, const char *task)
{
    for (int a = 0; t->present && a < t->arms; a++)
        for (int k = 0; k < t->seeds; k++)
            for (int i = 0; i < t->run[a][k].records; i++) {
                const struct round_record *r = &t->run[a][k].record[i];
                char arm[80];
                study_arm_name(arm, s, a);
                file_printf(f, "%s,", task);
                put_name(f, arm);
                file_printf(f, ",%d,%d,", k + 1, r->round + 1);
                put_name(f, r->site < 0 ? "all" : s->site_name[r->site]); /* only the federated arm has rows of sites */
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
        struct file_out *f = study_path(path, sizeof path, s, "predictions/classification", name, e) ? NULL : file_create(path, e);
        if (!f) return -1;
        file_printf(f, "case,label,probability\n");
        for (int k = 0; k < t->tests; k++) {
            put_name(f, s->dataset.item[t->test[k]].id);
            file_printf(f, ",%d,%.9g\n", r->classify.label[k], r->classify.arm[a].probability[k]);
        }
        if (file_commit(f, e)) return -1;
    }
    return 0;
}

int tables_csv(const struct study *s, const struct results *r, struct error *e)
{
    return write_cases(s, r, e) || write_sites(s, r, e) || write_rounds(s, e) || write_probabilities(s, r, e) ? -1 : 0;
}
