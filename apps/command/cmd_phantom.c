/* cmd_phantom.c - `nephron phantom`: a synthetic multi-centre renal MRI dataset from the physics in
 * apps/phantom/. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/base/options.h"
#include "apps/command/commands.h"
#include "apps/phantom/render.h"
#include "apps/base/progress.h"
#include "io/base/file.h"
#include "io/base/lock.h"
#include "io/image/voxels.h"
#include "io/base/json.h"
#include "tensor/base/pool.h"
#include "tensor/graph/machine.h"

struct record { /* what the tables tell of a case when its images are written */
    struct assignment is;
    struct patient patient;
    struct tumour tumour;
    struct scan scan;
    float diameter_mm, tumour_ml, field_of_view, spacing, slice;
    int64_t size[3];
    int simple_cysts;
};

struct work {
    const char *out, *size;
    int cases, quiet, first; /* first case of the running batch */
    double difficulty;
    struct phantom_options options;
    struct assignment *assigned;
    struct record *record;
    int *failed;
    struct error *error; /* of each job of a batch */
};

/* ---- images -------------------------------------------------------------------------------------------- */

static void case_name(char name[32], int i)
{
    snprintf(name, 32, "renal_%04d", i);
}

static int write_volume(const struct volume *v, const struct work *w, const char *folder, const char *file,
                        enum voxel_type type, struct error *e)
{
    char path[1024], name[128];
    snprintf(name, sizeof name, "%s/%s.nii.gz", folder, file);
    if (file_join(path, sizeof path, w->out, name, e)) return -1;
    voxels_round(v, type);
    return volume_write(v, path, type, e);
}

static int write_case(const struct phantom_case *p, const struct work *w, int index, struct error *e)
{
    char name[32], file[48];
    case_name(name, index);
    for (int c = 0; c < CHANNELS; c++) {
        snprintf(file, sizeof file, "%s_%04d", name, c);
        if (write_volume(&p->channel[c], w, "imagesTr", file, VOXEL_I16, e)) return -1;
    }
    return write_volume(&p->label, w, "labelsTr", name, VOXEL_U8, e);
}

static void keep(struct record *r, const struct phantom_case *p)
{
    *r = (struct record){p->is,
                         p->patient,
                         p->tumour,
                         p->scan,
                         p->diameter_mm,
                         p->tumour_ml,
                         p->field_of_view,
                         (float)p->label.spacing[0],
                         (float)p->label.spacing[2],
                         {p->label.size[0], p->label.size[1], p->label.size[2]},
                         p->body.simple_cysts};
    r->tumour.body = NULL;
}

static void case_job(void *arg, int job, int thread)
{
    struct work *w = arg;
    const int index = w->first + job;
    (void)thread;
    w->failed[job] = 1;
    struct phantom_case *p = malloc(sizeof *p);
    if (!p) {
        error_set(&w->error[job], "phantom: no memory for case %d", index);
        return;
    }
    if (!phantom_render(p, &w->options, index, &w->assigned[index], NULL, &w->error[job])) {
        w->failed[job] = write_case(p, w, index, &w->error[job]) != 0;
        keep(&w->record[index], p);
        phantom_free(p);
    }
    free(p);
}

/* In turns, so that the bar can move. */
static int write_images(struct work *w, struct pool *pool, struct error *e)
{
    struct progress bar = progress_begin("phantom", w->quiet);
    const int step = pool_turn(pool);
    int status = 0;
    for (w->first = 0; w->first < w->cases && !status; w->first += step) {
        const int jobs = w->cases - w->first < step ? w->cases - w->first : step;
        pool_take(pool, jobs, case_job, w);
        for (int i = 0; i < jobs && !status; i++)
            if (w->failed[i]) {
                *e = w->error[i];
                status = -1;
            }
        progress_update(&bar, w->first + jobs, w->cases, "");
    }
    progress_end(&bar);
    return status;
}

/* ---- tables -------------------------------------------------------------------------------------------- */

/* The part of the T category that size alone tells (TNM, 8th edition). */
static const char *size_stage(const struct record *r)
{
    if (!tumour_model(r->is.kind)->malignant) return "";
    return r->diameter_mm <= 40    ? "T1a"
           : r->diameter_mm <= 70  ? "T1b"
           : r->diameter_mm <= 100 ? "T2a"
                                   : "T2b";
}

static struct file_out *table(const struct work *w, const char *name, struct error *e)
{
    char path[1024];
    return file_join(path, sizeof path, w->out, name, e) ? NULL : file_create(path, e);
}

static int write_labels_csv(const struct work *w, struct error *e)
{
    struct file_out *f = table(w, "labels.csv", e);
    if (!f) return -1;
    file_printf(f, "case,label\n");
    for (int i = 0; i < w->cases; i++) {
        char name[32];
        case_name(name, i);
        file_printf(f, "%s,%d\n", name, tumour_model(w->record[i].is.kind)->malignant);
    }
    return file_commit(f, e);
}

static int write_sites_csv(const struct work *w, struct error *e)
{
    struct file_out *f = table(w, "sites.csv", e);
    if (!f) return -1;
    file_printf(f, "case,site\n");
    for (int i = 0; i < w->cases; i++) {
        char name[32];
        case_name(name, i);
        file_printf(f, "%s,%c\n", name, hospital_get(w->record[i].is.hospital)->institution);
    }
    return file_commit(f, e);
}

static int write_clinical_csv(const struct work *w, struct error *e)
{
    struct file_out *f = table(w, "clinical.csv", e);
    if (!f) return -1;
    file_printf(f, "case,hospital,institution,age,sex,side,histology,malignant,diameter_mm,volume_ml,"
                   "size_stage,grade,isointense,simple_cysts,field_strength_t,contrast_agent,fat_suppressed,"
                   "spacing_mm,slice_mm\n");
    for (int i = 0; i < w->cases; i++) {
        const struct record *r = &w->record[i];
        const struct hospital *h = hospital_get(r->is.hospital);
        const struct tumour_model *m = tumour_model(r->is.kind);
        char name[32], grade[12] = "";
        case_name(name, i);
        if (r->tumour.grade) snprintf(grade, sizeof grade, "%d", r->tumour.grade);
        file_printf(f, "%s,%s,%c,%d,%s,%s,%s,%d,%.1f,%.2f,%s,%s,%d,%d,%s,%s,%d,%.4f,%.4f\n", name, h->name,
                    h->institution, (int)r->patient.age, r->patient.female ? "F" : "M",
                    r->tumour.side ? "left" : "right", m->name, m->malignant, (double)r->diameter_mm,
                    (double)r->tumour_ml, size_stage(r), grade, r->tumour.isointense, r->simple_cysts,
                    r->scan.tesla3 ? "3" : "1.5", r->scan.ce.agent.name, r->scan.ce.fat_left < 1,
                    (double)r->spacing, (double)r->slice);
    }
    return file_commit(f, e);
}

/* ---- phantom.json -------------------------------------------------------------------------------------- */

/* Six digits: a float's own, instead of 0.21999999880790710. */
static void add_number(struct json *j, const char *key, float v)
{
    char text[32];
    snprintf(text, sizeof text, "%.6g", (double)v);
    json_add_number(j, key, strtod(text, NULL));
}

static void add_numbers(struct json *j, const char *key, const float *v, int n)
{
    struct json *list = json_add_array(j, key);
    for (int i = 0; i < n; i++) add_number(list, NULL, v[i]);
}

static void add_tissues(struct json *j)
{
    struct json *list = json_add_array(j, "tissues");
    for (int t = 0; t < TISSUES; t++) {
        if (t == TISSUE_TUMOUR) continue;
        const struct material early = tissue_material((enum tissue)t, 0, 0),
                              late = tissue_material((enum tissue)t, 0, 1);
        const struct material at3 = tissue_material((enum tissue)t, 1, 0);
        struct json *o = json_add_object(list, NULL);
        json_add_text(o, "name", tissue_name((enum tissue)t));
        add_numbers(o, "t1_ms", (const float[2]){early.t1, at3.t1}, 2);
        add_numbers(o, "t2_ms", (const float[2]){early.t2, at3.t2}, 2);
        add_number(o, "proton_density", early.pd);
        add_number(o, "fat", early.fat);
        add_numbers(o, "contrast_mm", (const float[2]){early.contrast, late.contrast}, 2);
        add_number(o, "spread", tissue_spread((enum tissue)t));
    }
}

static void add_kinds(struct json *j)
{
    struct json *list = json_add_array(j, "kinds");
    for (int k = 0; k < TUMOUR_KINDS; k++) {
        const struct tumour_model *m = tumour_model((enum tumour_kind)k);
        struct json *o = json_add_object(list, NULL);
        json_add_text(o, "name", m->name);
        json_add_bool(o, "malignant", m->malignant);
        add_number(o, "share", m->share);
        add_number(o, "female", m->female);
        add_number(o, "age", m->age);
        add_number(o, "diameter_mm", m->diameter);
        add_number(o, "diameter_log_sd", m->spread);
        add_number(o, "t1_ms", m->t1);
        add_number(o, "t2_ms", m->t2);
        add_numbers(o, "contrast_of_cortex", m->contrast, 2);
        add_number(o, "texture", m->texture);
        add_number(o, "necrosis", m->necrosis);
        add_number(o, "haemorrhage", m->haemorrhage);
        add_number(o, "fat", m->fat);
        add_number(o, "cystic", m->cystic);
        add_number(o, "scar", m->scar);
        add_number(o, "capsule", m->capsule);
        add_number(o, "lobulation", m->lobulation);
        add_number(o, "multifocal", m->multifocal);
    }
}

static void add_hospitals(struct json *j)
{
    struct json *list = json_add_array(j, "hospitals");
    for (int i = 0; i < HOSPITALS; i++) {
        const struct hospital *h = hospital_get(i);
        struct json *o = json_add_object(list, NULL);
        const char institution[2] = {h->institution, 0};
        json_add_text(o, "name", h->name);
        json_add_text(o, "institution", institution);
        add_number(o, "share", h->share);
        add_numbers(o, "case_mix", h->mix, TUMOUR_KINDS);
        add_number(o, "tesla", h->tesla3 ? 3 : 1.5f);
        add_numbers(o, "t2_tr_te_ms", (const float[2]){h->t2.tr, h->t2.te}, 2);
        add_number(o, "t2_fat_left", h->t2.fat_left);
        add_numbers(o, "t1ce_tr_te_flip", (const float[3]){h->ce.tr, h->ce.te, h->ce.flip}, 3);
        add_number(o, "fat_left", h->ce.fat_left);
        add_number(o, "phase", h->ce.phase);
        add_numbers(o, "bandwidth_hz", h->bandwidth, CHANNELS);
        add_numbers(o, "snr", h->snr, CHANNELS);
        add_numbers(o, "level", h->level, CHANNELS);
        add_numbers(o, "bias_ghost_blur", (const float[3]){h->bias, h->ghost, h->blur}, 3);
        add_numbers(o, "k_space", h->keep, 2);
        add_number(o, "shading", h->shading);
        add_number(o, "field_of_view_mm", h->field_of_view);
    }
}

static void add_cases(struct json *j, const struct work *w)
{
    struct json *list = json_add_array(j, "cases");
    for (int i = 0; i < w->cases; i++) {
        const struct record *r = &w->record[i];
        const struct tumour *t = &r->tumour;
        struct json *o = json_add_object(list, NULL);
        char name[32];
        case_name(name, i);
        json_add_text(o, "case", name);
        json_add_text(o, "kind", tumour_model(r->is.kind)->name);
        json_add_text(o, "hospital", hospital_get(r->is.hospital)->name);
        add_numbers(o, "centre_lps_mm", t->growth.e.centre, 3);
        add_numbers(o, "radius_mm", t->growth.e.radius, 3);
        json_add_int(o, "lobes", t->lobes);
        json_add_int(o, "foci", 1 + t->foci);
        add_number(o, "eaten", t->growth.keep);
        add_numbers(o, "solid_t1_t2_contrast", (const float[3]){t->solid.t1, t->solid.t2, t->solid.contrast},
                    3);
        add_numbers(o, "texture_and_scale", (const float[2]){t->texture, t->texture_scale}, 2);
        add_numbers(o, "necrosis_haemorrhage_fat_cystic_scar_capsule",
                    (const float[6]){t->necrosis, t->haemorrhage, t->fat, t->cystic, t->scar, t->capsule}, 6);
        add_number(o, "phase", r->scan.ce.phase);
        add_number(o, "field_of_view_mm", r->field_of_view);
        for (int c = 0; c < CHANNELS; c++) {
            const struct receiver *v = &r->scan.receiver[c];
            struct json *s = json_add_object(o, c == CHANNEL_T2 ? "t2" : "t1ce");
            add_number(s, "gain", v->gain);
            add_number(s, "noise", v->noise);
            add_number(s, "fat_shift_voxels", v->fat_shift);
            add_numbers(s, "misregistration_voxels", v->shift, 2);
            add_numbers(s, "ghost_and_step", (const float[2]){v->ghost, v->ghost_step}, 2);
            add_numbers(s, "log_bias", v->bias, 6);
        }
    }
}

static int write_json(struct json *j, const struct work *w, const char *name, struct error *e)
{
    char path[1024];
    const int status = file_join(path, sizeof path, w->out, name, e) || json_write(j, path, e);
    json_free(j);
    return status ? -1 : 0;
}

static int write_parameters(const struct work *w, struct error *e)
{
    struct json *j = json_object();
    json_add_text(j, "program", "nephron " NEPHRON_VERSION);
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)w->options.seed);
    json_add_text(j, "seed", seed);
    json_add_int(j, "cases_written", w->cases);
    json_add_text(j, "size", w->size);
    json_add_number(j, "difficulty", w->difficulty);
    add_number(j, "separation", tumour_separation(w->options.difficulty));
    json_add_bool(j, "with_kidney", w->options.with_kidney);
    add_tissues(j);
    add_kinds(j);
    add_hospitals(j);
    add_cases(j, w);
    return write_json(j, w, "phantom.json", e);
}

/* Written last: a folder with dataset.json is complete. */
static int write_dataset_json(const struct work *w, struct error *e)
{
    struct json *j = json_object(), *names = json_add_object(j, "channel_names");
    json_add_text(names, "0", "T2");
    json_add_text(names, "1", "T1CE");
    struct json *labels = json_add_object(j, "labels");
    json_add_int(labels, "background", 0);
    if (w->options.with_kidney) json_add_int(labels, "kidney", 1);
    json_add_int(labels, "tumor", w->options.with_kidney ? 2 : 1);
    json_add_int(j, "numTraining", w->cases);
    json_add_text(j, "file_ending", ".nii.gz");
    json_add_text(j, "name", "nephron phantom");
    json_add_text(j, "description",
                  "Synthetic renal MRI: T2-weighted and contrast-enhanced T1-weighted images on one grid, "
                  "taken as registered");
    return write_json(j, w, "dataset.json", e);
}

/* ---- the work ------------------------------------------------------------------------------------------ */

/* Of a phantom that was stopped, which MARK says, nothing stays: its cases, which may be more, would lie
 * beside the new ones. What lies there without the mark is somebody else's. */
#define MARK ".unfinished_phantom"
static int clear_folder(const char *folder, int stopped, struct error *e)
{
    struct file_list list;
    if (stopped && file_remove_tree(folder, e)) return -1;
    if (file_mkdirs(folder, e) || file_list(folder, &list, e)) return -1;
    const int status = list.count ? error_set(e, "%s: holds %s already; choose another folder", folder,
                                              list.name[0])
                                  : 0;
    file_list_free(&list);
    return status;
}

static int dataset_is_there(const struct work *w, struct error *e)
{
    char path[1024];
    if (file_join(path, sizeof path, w->out, "dataset.json", e)) return -1;
    return file_exists(path)
               ? error_set(e, "%s: there is a dataset already; remove it or choose another folder", path)
               : 0;
}

static int make_folders(const struct work *w, struct error *e)
{
    static const char *const folder[] = {"imagesTr", "labelsTr"};
    char path[1024];
    if (file_join(path, sizeof path, w->out, MARK, e)) return -1;
    const int stopped = file_exists(path);
    for (int i = 0; i < 2; i++)
        if (file_join(path, sizeof path, w->out, folder[i], e) || clear_folder(path, stopped, e)) return -1;
    return file_join(path, sizeof path, w->out, MARK, e) || file_write(path, "", 0, e) ? -1 : 0;
}

static void print_summary(const struct work *w)
{
    int malignant = 0, kinds[TUMOUR_KINDS] = {0};
    for (int i = 0; i < w->cases; i++) {
        malignant += tumour_model(w->record[i].is.kind)->malignant;
        kinds[w->record[i].is.kind]++;
    }
    console("%s: %d cases, %d malignant (", w->out, w->cases, malignant);
    for (int k = 0; k < TUMOUR_KINDS; k++)
        printf("%s%d %s", k ? ", " : "", kinds[k], tumour_model((enum tumour_kind)k)->name);
    printf("), %lldx%lldx%lld voxels in the first\n", (long long)w->record[0].size[2],
           (long long)w->record[0].size[1], (long long)w->record[0].size[0]);
}

static int make_dataset(struct work *w, int threads, struct error *e)
{
    char mark[1300];
    if (dataset_is_there(w, e) || make_folders(w, e)) return -1;
    struct pool *pool = pool_create(threads);
    if (!pool) return error_set(e, "cannot start %d threads", threads);
    w->assigned = calloc((size_t)w->cases, sizeof *w->assigned);
    w->record = calloc((size_t)w->cases, sizeof *w->record);
    w->failed = calloc((size_t)pool_turn(pool), sizeof *w->failed);
    w->error = calloc((size_t)pool_turn(pool), sizeof *w->error);
    int status = -1;
    if (w->assigned && w->record && w->failed && w->error) {
        assign_cases(w->assigned, w->cases, w->options.seed);
        status = write_images(w, pool, e) || write_labels_csv(w, e) || write_sites_csv(w, e) ||
                 write_clinical_csv(w, e) || write_parameters(w, e) || write_dataset_json(w, e) ||
                 file_join(mark, sizeof mark, w->out, MARK, e) || file_remove(mark, e);
        if (!status && !w->quiet) print_summary(w);
    } else {
        error_set(e, "no memory for %d cases", w->cases);
    }
    pool_destroy(pool);
    free(w->assigned);
    free(w->record);
    free(w->failed);
    free(w->error);
    return status ? -1 : 0;
}

int cmd_phantom(int argc, char **argv)
{
    struct work w = {.cases = 60, .difficulty = 1, .size = "small", .options = {.seed = 1}};
    int threads = machine_processors();
    const struct option_spec spec[] = {
        {"cases", 'n', OPTION_INT, &w.cases, "N", "how many patients (60)", 1, 9999, 0},
        {"size", 0, OPTION_TEXT, &w.size, "SIZE",
         "about 20x24x44 (around the kidneys, 6 mm), 20x40x76 (around the kidneys, 3.6 mm), 24x96x96, "
         "28x192x192, 28x112x216 (around the kidneys, 1.25 mm) or 32x512x512 voxels (small)",
         0, 0, "tiny|kidneys-small|small|medium|kidneys|full"},
        {"difficulty", 0, OPTION_NUMBER, &w.difficulty, "X",
         "0 easy ... 2 nearly hopeless: overlap of the kinds, noise, motion (1)", 0, 2, 0},
        {"with-kidney", 0, OPTION_FLAG, &w.options.with_kidney, NULL,
         "labels kidney 1 and tumor 2, instead of tumor 1", 0, 0, 0},
        OPTION_SEED_(w.options.seed),
        OPTION_THREADS(threads),
        OPTION_QUIET(w.quiet),
        {0}};
    const struct command_help help = {"phantom OUT [OPTIONS]",
                                      "Writes a synthetic multi-centre renal MRI dataset from MR physics",
                                      "OUT becomes an nnU-Net dataset: imagesTr (channel 0000 T2-weighted, "
                                      "0001 contrast-enhanced T1-weighted, on one grid), labelsTr,\n"
                                      "dataset.json; labels.csv (1 malignant, 0 benign), sites.csv "
                                      "(institution A, B or C), clinical.csv, and phantom.json with every\n"
                                      "parameter. The same seed, number of cases and options give the same "
                                      "bytes for any number of threads. docs/phantom.md tells the physics.",
                                      spec};
    struct operands operands;
    struct error e;
    int status;
    if (!options_parse(&operands, argc, argv, &help, 1, 1, &status)) return status;
    w.out = operands.text[0];
    w.options.difficulty = (float)w.difficulty;
    phantom_size(&w.options, w.size);
    /* held, for the mark of a phantom that is being written looks like that of one that was stopped */
    struct folder_hold hold = FOLDER_FREE;
    status = dataset_is_there(&w, &e) || folder_hold(&hold, w.out, &e) || make_dataset(&w, threads, &e);
    folder_release(&hold);
    return status ? app_fail(&e) : 0;
}
