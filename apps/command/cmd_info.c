/* cmd_info.c - `nephron info`: what a file is. Images, checkpoints, arrays, JSON, datasets, run folders. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/base/options.h"
#include "apps/command/commands.h"
#include "io/base/csv.h"
#include "io/base/file.h"
#include "io/base/json.h"
#include "io/base/text.h"
#include "io/weights/npy.h"
#include "io/weights/pth.h"
#include "io/weights/safetensors.h"
#include "io/weights/seal.h"
#include "io/formats/image_formats.h"
#include "nn/data/dataset.h"
#include "nn/data/nnunet_paths.h"
#include "nn/data/sample.h"
#include "nn/folder/nnunet.h"
#include "nn/folder/run.h"

/* Text of a file, safe for a terminal. One of four buffers, taken in turn. */
static const char *shown(const char *s)
{
    static char text[4][512];
    static int turn;
    turn = (turn + 1) % 4;
    return text_shown(text[turn], sizeof text[turn], s);
}

/* ---- images -------------------------------------------------------------------------------------------- */

/* The anatomical direction in which each voxel axis grows, as nibabel's aff2axcodes: the axes choose in order
 * of how clear they are. */
static void orientation_code(char code[4], const struct volume *v)
{
    static const char letter[3][2] = {{'L', 'R'}, {'P', 'A'}, {'I', 'S'}};
    int taken[3] = {0, 0, 0};
    strcpy(code, "???");
    for (int round = 0; round < 3; round++) {
        int axis = -1, world = -1;
        double best = -1;
        for (int a = 0; a < 3; a++)
            for (int w = 0; w < 3; w++) {
                double cosine = fabs(v->affine[w][a]) / v->spacing[a];
                if (code[a] == '?' && !taken[w] && cosine > best) {
                    best = cosine;
                    axis = a;
                    world = w;
                }
            }
        if (axis < 0) return;
        code[axis] = letter[world][v->affine[world][axis] > 0];
        taken[world] = 1;
    }
}

static void print_values(const struct volume *v, struct json *j)
{
    size_t n = volume_voxels(v), bad = 0;
    double low = INFINITY, high = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) {
        double x = v->exact ? v->exact[i] : (double)v->voxel[i];
        if (!isfinite(x)) {
            bad++;
            continue;
        }
        low = fmin(low, x);
        high = fmax(high, x);
        sum += x;
    }
    int digits = v->exact ? 17 : 9;
    if (bad < n)
        printf("  values        %.*g to %.*g, mean %.9g\n", digits, low, digits, high,
               sum / (double)(n - bad));
    if (bad < n) {
        json_add_number(j, "least", low);
        json_add_number(j, "largest", high);
        json_add_number(j, "mean", sum / (double)(n - bad));
    }
    json_add_int(j, "not_finite", (int64_t)bad);
    if (bad) printf("  not finite    %zu voxels (NaN or infinite)\n", bad);
}

static void add_numbers(struct json *j, const char *key, const double *v, int count)
{
    struct json *list = json_add_array(j, key);
    for (int i = 0; i < count; i++) json_add_number(list, NULL, v[i]);
}

static void print_volume(const struct volume *v, const char *path, struct json *j)
{
    char code[4];
    orientation_code(code, v);
    console("%s: %s image\n  size          %lld x %lld x %lld voxels", path, v->format, (long long)v->size[0],
           (long long)v->size[1], (long long)v->size[2]);
    if (v->size[3] > 1) printf(", %lld volumes", (long long)v->size[3]);
    printf("\n  spacing       %.7g x %.7g x %.7g mm\n", v->spacing[0], v->spacing[1], v->spacing[2]);
    printf("  orientation   %s, %.3g degrees oblique", code, volume_obliquity(v));
    if (volume_shear(v) > 1e-6) printf(", axes not at right angles: cosine %.3g", volume_shear(v));
    printf("\n  data type     %s\n", voxel_type_name(v->type));
    for (int r = 0; r < 3; r++)
        printf("  %-13s %12.6f %12.6f %12.6f %12.6f\n", r ? "" : "affine (RAS)", v->affine[r][0],
               v->affine[r][1], v->affine[r][2], v->affine[r][3]);
    if (v->assumed[0]) console("  assumed       %s\n", v->assumed);
    struct json *size = json_add_array(j, "size"), *affine;
    for (int a = 0; a < 4; a++) json_add_int(size, NULL, v->size[a]);
    json_add_text(j, "format", v->format);
    add_numbers(j, "spacing", v->spacing, 3);
    json_add_text(j, "orientation", code);
    json_add_number(j, "obliquity_degrees", volume_obliquity(v));
    json_add_number(j, "shear", volume_shear(v));
    json_add_text(j, "data_type", voxel_type_name(v->type));
    affine = json_add_array(j, "affine");
    for (int r = 0; r < 3; r++) add_numbers(affine, NULL, v->affine[r], 4);
    if (v->assumed[0]) json_add_text(j, "assumed", v->assumed);
    if (v->description[0]) json_add_text(j, "description", v->description);
    print_values(v, j);
    if (v->description[0]) printf("  description   %s\n", shown(v->description));
}

/* The patient's name and number are not told: the output may be shown or kept. */
static void print_series(const struct image_info *d, struct json *j)
{
    json_add_text(j, "series", d->series_uid);
    json_add_int(j, "files", d->files);
    json_add_text(j, "modality", d->modality);
    json_add_text(j, "manufacturer", d->manufacturer);
    json_add_text(j, "syntax", d->syntax_uid);
    if (!isnan(d->field_strength)) json_add_number(j, "field_t", d->field_strength);
    if (!isnan(d->repetition_time)) json_add_number(j, "tr_ms", d->repetition_time);
    if (!isnan(d->echo_time)) json_add_number(j, "te_ms", d->echo_time);
    console("  series        %s, %d file%s\n", d->series_uid[0] ? d->series_uid : "without a UID", d->files,
           d->files > 1 ? "s" : "");
    if (d->modality[0]) printf("  modality      %s\n", shown(d->modality));
    if (d->manufacturer[0]) printf("  manufacturer  %s\n", shown(d->manufacturer));
    if (!isnan(d->field_strength)) printf("  field         %.7g T\n", d->field_strength);
    if (!isnan(d->repetition_time)) printf("  TR            %.7g ms\n", d->repetition_time);
    if (!isnan(d->echo_time)) printf("  TE            %.7g ms\n", d->echo_time);
    console("  syntax        %s%s%s%s\n", d->syntax, d->syntax_uid[0] ? " (" : "", d->syntax_uid,
           d->syntax_uid[0] ? ")" : "");
}

/* Numbers beyond 2^53 are told rounded, which is said. */
static int read_exact(struct volume *v, struct image_info *d, const char *path,
                      const struct image_choice *choice, struct error *e)
{
    if (!volume_read_choice(v, d, path, choice, VOLUME_EXACT, e)) return 0;
    if (volume_read_choice(v, d, path, choice, 0, e)) return -1;
    volume_assume(v, "values rounded to float32: some are beyond 2^53");
    return 0;
}

static int info_volume(int *volumes, const char *path, const struct image_choice *choice, struct json *list,
                       struct error *e)
{
    struct volume v;
    struct image_info d;
    if (read_exact(&v, &d, path, choice, e)) return -1;
    *volumes = d.volumes;
    struct json *j = json_add_object(list, NULL);
    print_volume(&v, path, j);
    if (d.volumes > 1) json_add_int(j, "volume", choice->volume);
    if (d.volumes > 1)
        console("  volume        %d of %d%s%s\n", choice->volume, d.volumes, d.part[0] ? ": " : "", d.part);
    if (d.files) print_series(&d, j);
    volume_free(&v);
    return 0;
}

/* Every volume of every series, or of the one that was asked for. */
static int info_image(const char *path, const char *series, struct json *j, struct error *e)
{
    char (*uid)[65];
    int count, status = volume_list_series(&uid, &count, path, series, e);
    json_add_text(j, "kind", "image");
    struct json *list = json_add_array(j, "images");
    for (int i = 0; !status && i < count; i++) {
        struct image_choice choice = {uid[i][0] ? uid[i] : NULL, 1};
        for (int volumes = 1; !status && choice.volume <= volumes; choice.volume++)
            status = info_volume(&volumes, path, &choice, list, e);
    }
    free(uid);
    return status;
}

/* Members of an object, shortened to width. */
static void print_members(const struct json *j, int width)
{
    for (int i = 0; j->type == JSON_OBJECT && i < j->count; i++) {
        const struct json *m = j->item[i];
        char *text = json_format(m, 0);
        if (!text) continue;
        int whole = (int)strlen(text) <= width;
        printf("  %-28s %.*s%s\n", shown(m->key), width, shown(text), whole ? "" : "...");
        free(text);
    }
}

/* ---- checkpoints and arrays ---------------------------------------------------------------------------- */

static void print_shape(const int64_t *dim, int ndim)
{
    printf("[");
    for (int i = 0; i < ndim; i++) printf("%s%lld", i ? ", " : "", (long long)dim[i]);
    printf("]");
}

/* Elements of the tensors whose names begin so. */
static double count_values(const struct safetensors *s, const char *prefix)
{
    double sum = 0;
    for (int i = 0; i < s->count; i++) {
        double count = 1;
        for (int k = 0; k < s->tensor[i].ndim; k++) count *= (double)s->tensor[i].dim[k];
        if (strncmp(s->tensor[i].name, prefix, strlen(prefix)) == 0) sum += count;
    }
    return sum;
}

static void print_tensors(const struct safetensors *s, struct json *j)
{
    struct json *list = json_add_array(j, "tensors");
    for (int i = 0; i < s->count; i++) {
        printf("  %-5s ", s->tensor[i].dtype);
        print_shape(s->tensor[i].dim, s->tensor[i].ndim);
        printf(" %s\n", shown(s->tensor[i].name));
        struct json *t = json_add_object(list, NULL), *shape;
        json_add_text(t, "name", s->tensor[i].name);
        json_add_text(t, "type", s->tensor[i].dtype);
        shape = json_add_array(t, "shape");
        for (int k = 0; k < s->tensor[i].ndim; k++) json_add_int(shape, NULL, s->tensor[i].dim[k]);
    }
}

static int info_safetensors(const char *path, struct json *j, struct error *e)
{
    struct safetensors s;
    size_t bytes = 0;
    if (seal_read(&s, path, 0, e)) return -1;
    for (int i = 0; i < s.count; i++) bytes += s.tensor[i].bytes;
    double other = count_values(&s, "optimizer.");
    console("%s: safetensors, %d tensors, %zu bytes\n  parameters    %.0f\n", path, s.count, bytes,
           count_values(&s, "") - other);
    if (other > 0) printf("  optimiser     %.0f values\n", other);
    for (int i = 0; i < s.metas; i++)
        printf("  metadata      %s: %.200s%s\n", shown(s.meta_key[i]), shown(s.meta_value[i]),
               strlen(s.meta_value[i]) > 200 ? "..." : "");
    json_add_text(j, "kind", "safetensors");
    json_add_int(j, "bytes", (int64_t)bytes);
    json_add_number(j, "parameters", count_values(&s, "") - other);
    struct json *meta = json_add_object(j, "metadata");
    for (int i = 0; i < s.metas; i++) json_add_text(meta, s.meta_key[i], s.meta_value[i]);
    print_tensors(&s, j);
    safetensors_free(&s);
    return 0;
}

/* PyTorch's file: its plain values, shortened, and its tensors; of an nnU-Net checkpoint each tensor of the
 * network once. */
static int info_pth(const char *path, struct json *j, struct error *e)
{
    struct pth p;
    struct safetensors network = {0};
    if (pth_read(&p, path, e)) return -1;
    int nnunet = json_get(p.values, NNUNET_NETWORK) && nnunet_network(&network, &p, path, e) == 0 &&
                 network.count > 0;
    const struct safetensors *shown = nnunet ? &network : &p.tensors;
    console("%s: PyTorch %s, %d tensors\n", path, nnunet ? "checkpoint of nnU-Net" : "file", p.tensors.count);
    print_members(p.values, 100);
    if (nnunet) printf("  parameters    %.0f of the network\n", count_values(shown, ""));
    json_add_text(j, "kind", nnunet ? "checkpoint of nnU-Net" : "PyTorch");
    if (nnunet) json_add_number(j, "parameters", count_values(shown, ""));
    print_tensors(shown, j);
    safetensors_free(&network);
    pth_free(&p);
    return 0;
}

static void print_array(const struct npy *a, struct json *list)
{
    struct json *j = json_add_object(list, NULL), *shape;
    char type[16];
    snprintf(type, sizeof type, "%c%d", a->kind, a->bytes);
    json_add_text(j, "name", a->name);
    json_add_text(j, "type", type);
    shape = json_add_array(j, "shape");
    for (int i = 0; i < a->ndim; i++) json_add_int(shape, NULL, a->dim[i]);
    size_t n = npy_count(a);
    printf("  %c%d ", a->kind, a->bytes);
    print_shape(a->dim, a->ndim);
    printf(" %s", shown(a->name));
    if (n) {
        double low = npy_value(a, 0), high = low, sum = 0;
        for (size_t i = 0; i < n; i++) {
            double x = npy_value(a, i);
            low = x < low ? x : low;
            high = x > high ? x : high;
            sum += x;
        }
        printf(": %.9g to %.9g, mean %.9g", low, high, sum / (double)n);
        json_add_number(j, "least", low);
        json_add_number(j, "largest", high);
        json_add_number(j, "mean", sum / (double)n);
    }
    printf("\n");
}

static void print_classes(const struct dataset *d, struct json *out)
{
    struct json *classes = json_add_object(out, "classes");
    static const char *const part[] = {"train", "val", "test"};
    for (int p = PART_TRAIN; p <= PART_TEST; p++) {
        int count[LABELS_MAX] = {0}, of = 0;
        for (int i = 0; i < d->cases; i++)
            if (d->item[i].part == (enum data_part)p && d->item[i].target >= 0) {
                count[d->item[i].target]++;
                of++;
            }
        if (!of) continue;
        printf("  %-13s %d cases; by class:", d->json ? "labels.csv" : part[p], of);
        struct json *counts = json_add_array(classes, d->json ? "labels.csv" : part[p]);
        for (int c = 0; c < d->classes; c++) printf(" %d", count[c]);
        for (int c = 0; c < d->classes; c++) json_add_int(counts, NULL, count[c]);
        printf("\n");
    }
}

static int info_npz(const char *path, struct json *j, struct error *e)
{
    struct npz z;
    struct dataset d;
    struct error ignored;
    if (npz_read(&z, path, e)) return -1;
    console("%s: npz, %d arrays\n", path, z.count);
    json_add_text(j, "kind", "npz");
    struct json *list = json_add_array(j, "arrays");
    for (int i = 0; i < z.count; i++) print_array(&z.array[i], list);
    int medmnist = npz_find(&z, "train_images") != NULL;
    npz_free(&z);
    if (!medmnist) return 0;
    if (dataset_open(&d, path, &ignored)) { /* arrays that are no dataset for us: told, not an error */
        console("  not a dataset that can be trained on: %s\n", ignored.text);
        return 0;
    }
    print_classes(&d, j);
    dataset_close(&d);
    return 0;
}

static int info_npy(const char *path, struct json *j, struct error *e)
{
    struct npy a;
    if (npy_read(&a, path, e)) return -1;
    console("%s: npy\n", path);
    json_add_text(j, "kind", "npy");
    print_array(&a, json_add_array(j, "arrays"));
    npy_free(&a);
    return 0;
}

/* ---- JSON and tables ----------------------------------------------------------------------------------- */

static int print_json(const char *path, int width, struct json *out, struct error *e)
{
    static const char *const kind[] = {"null", "boolean", "number", "number", "text", "list", "object"};
    struct json *j = json_read(path, e);
    if (!j) return -1;
    console("%s: JSON %s", path, kind[j->type]);
    if (j->type == JSON_OBJECT || j->type == JSON_ARRAY) printf(" of %d", j->count);
    printf("\n");
    print_members(j, width);
    json_add_text(out, "kind", "JSON");
    json_add(out, "content", json_copy(j));
    json_free(j);
    return 0;
}

static int info_csv(const char *path, struct json *j, struct error *e)
{
    struct csv t;
    if (csv_read(&t, path, e)) return -1;
    json_add_text(j, "kind", "table");
    json_add_int(j, "rows", t.rows);
    struct json *columns = json_add_array(j, "columns");
    for (int c = 0; c < t.columns; c++) json_add_text(columns, NULL, t.header[c]);
    console("%s: table of %d rows\n  columns      ", path, t.rows);
    for (int c = 0; c < t.columns; c++) printf(" %s", shown(t.header[c]));
    printf("\n");
    csv_free(&t);
    return 0;
}

/* ---- datasets ------------------------------------------------------------------------------------------ */

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

static void print_summary(const struct summary *m, const struct dataset *d, struct json *j)
{
    double all = m->ignored;
    for (int k = 0; k < LABELS_MAX; k++) all += m->voxels[k];
    add_sizes(j, "least_size", m->size[0]);
    add_sizes(j, "largest_size", m->size[1]);
    add_numbers(j, "least_spacing", m->spacing[0], 3);
    add_numbers(j, "largest_spacing", m->spacing[1], 3);
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
        printf("  channel %d     %s: %.6g to %.6g, mean of case means %.6g\n", c, shown(d->channel_name[c]),
               m->range[c][0], m->range[c][1], m->mean[c] / m->read);
    for (int k = 0; k < d->labels && all > 0; k++)
        printf("  label %-2d      %s: in %d cases, %.3f %% of voxels\n", k, shown(d->label_name[k]),
               m->holds[k], 100 * m->voxels[k] / all);
    for (int r = 0; r < d->regions; r++) {
        char key[REGION_KEY_SIZE];
        dataset_region_key(key, sizeof key, &d->region[r]);
        printf("  region %d     %s: labels %s, written as %d\n", r + 1, d->region[r].name, key,
               d->region[r].written);
    }
    if (d->ignore_label >= 0)
        printf("  label %-2d      ignore: %.3f %% of voxels\n", d->ignore_label,
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

/* Reads every case; what is wrong with one is told and does not stop the rest. */
static int info_dataset(const char *path, struct json *j, struct error *e)
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
           shown(json_text(d.json, "name", d.name)), d.cases, maps, d.file_ending);
    json_add_text(j, "kind", "dataset");
    json_add_text(j, "name", d.name);
    json_add_int(j, "cases", d.cases);
    json_add_int(j, "label_maps", maps);
    json_add_text(j, "file_ending", d.file_ending);
    struct json *problems = json_add_array(j, "problems");
    if (d.classes) print_classes(&d, j);
    for (int i = 0; i < d.cases; i++) {
        struct sample s;
        if (dataset_load(&s, &d, i, &how, e)) {
            console("  problem       %s\n", e->text);
            json_add_text(problems, NULL, e->text);
            m.problems++;
            continue;
        }
        summarize(&m, &s);
        sample_free(&s);
    }
    int64_t announced = json_integer(d.json, "numTraining", d.cases);
    if (announced != d.cases) {
        console("  problem       dataset.json: numTraining is %lld, there are %d cases\n",
               (long long)announced, d.cases);
        m.problems++;
    }
    if (m.read) print_summary(&m, &d, j);
    dataset_close(&d);
    return m.problems ? error_set(e, "%s: %d problems", path, m.problems) : 0;
}

/* A RUN folder: its manifest and checkpoints. */
static int info_run(const char *path, const char *manifest, struct json *j, struct error *e)
{
    char dir[1200];
    struct file_list folds, files;
    if (print_json(manifest, 100, j, e) || file_list(path, &folds, e)) return -1;
    json_add_text(j, "kind", "run");
    struct json *checkpoints = json_add_array(j, "checkpoints");
    for (int i = 0; i < folds.count; i++) {
        if (strncmp(folds.name[i], "fold_", 5) != 0) continue;
        if (file_join(dir, sizeof dir, path, folds.name[i], e) || file_list(dir, &files, e)) {
            file_list_free(&folds);
            return -1;
        }
        for (int k = 0; k < files.count; k++)
            if (file_has_suffix(files.name[k], ".safetensors")) {
                printf("  checkpoint                   %s/%s\n", folds.name[i], files.name[k]);
                char name[600];
                snprintf(name, sizeof name, "%.250s/%.300s", folds.name[i], files.name[k]);
                json_add_text(checkpoints, NULL, name);
            }
        file_list_free(&files);
    }
    file_list_free(&folds);
    return 0;
}

/* A model folder of nnU-Net: what predict would take from it. */
static int info_model(const char *path, struct json *j, struct error *e)
{
    struct run r;
    char fold[64][16];
    if (run_open(&r, path, e)) return -1;
    int n = run_folds(fold, 64, &r, NULL);
    json_add_text(j, "kind", "model folder of nnU-Net");
    json_add_text(j, "configuration", r.configuration);
    struct json *folds = json_add_array(j, "folds");
    for (int i = 0; i < n; i++) json_add_text(folds, NULL, fold[i]);
    console(
        "%s: model folder of nnU-Net, configuration %s\n  patch         %d x %d x %d, spacing %.5g x %.5g "
        "x %.5g mm\n  mirroring    ",
        path, r.configuration, r.plan->patch[plan_place(r.plan, 0)], r.plan->patch[plan_place(r.plan, 1)],
        r.plan->patch[plan_place(r.plan, 2)], r.plan->spacing[plan_place(r.plan, 0)],
        r.plan->spacing[plan_place(r.plan, 1)], r.plan->spacing[plan_place(r.plan, 2)]);
    for (int a = 0; a < 3; a++)
        if (r.mirror[a]) printf(" %d", a);
    printf("\n  folds        ");
    for (int i = 0; i < n; i++) printf(" %s", fold[i]);
    printf("\n");
    run_close(&r);
    return 0;
}

static int info_folder(const char *path, const char *series, struct json *j, struct error *e)
{
    char name[1200];
    if (file_join(name, sizeof name, path, "manifest.json", e)) return -1;
    if (file_exists(name)) return info_run(path, name, j, e);
    if (file_join(name, sizeof name, path, "dataset.json", e)) return -1;
    int dataset = file_exists(name);
    if (file_join(name, sizeof name, path, "plans.json", e)) return -1;
    int model = dataset && file_exists(name);
    if (file_join(name, sizeof name, path, "imagesTr", e)) return -1;
    if (model && !file_exists(name)) return info_model(path, j, e);
    if (dataset) return info_dataset(path, j, e);
    if (image_format_of(path)) return info_image(path, series, j, e);
    if (nnunet_refuse_version_1(path, e)) return -1;
    return error_set(e, "%s: neither a dataset (dataset.json) nor a run (manifest.json) nor a DICOM series",
                     path);
}

static int info_json(const char *path, struct json *j, struct error *e)
{
    return print_json(path, 60, j, e);
}

/* Files that are told by their names; all others are images, which are told by their content. */
static const struct {
    const char *ending;
    int (*tell)(const char *path, struct json *j, struct error *e);
} kinds[] = {{".safetensors", info_safetensors},
             {".pth", info_pth},
             {".pt", info_pth},
             {".npz", info_npz},
             {".npy", info_npy},
             {".json", info_json},
             {".csv", info_csv}};

static int info_file(const char *path, const char *series, struct json *j, struct error *e)
{
    char found[1100];
    if (nnunet_find_dataset(found, sizeof found, path, e)) return -1;
    path = found;
    if (file_is_dir(path)) return info_folder(path, series, j, e);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (file_has_suffix(path, kinds[i].ending)) return kinds[i].tell(path, j, e);
    return nnunet_refuse_version_1(path, e) ? -1 : info_image(path, series, j, e);
}

int cmd_info(int argc, char **argv)
{
    const char *series = NULL, *json = NULL;
    double max_gb = 0;
    const struct option_spec spec[] = {
        {"max-gb", 0, OPTION_NUMBER, &max_gb, "G",
         "refuse images of more than G gigabytes in memory (default 8)", 1e-6, 1e6, 0},
        {"series", 0, OPTION_TEXT, &series, "UID",
         "of a folder with several DICOM series: the one to tell (default: all)", 0, 0, 0},
        {"json", 0, OPTION_TEXT, &json, "FILE", "what is told, as JSON: {\"files\": [...]}", 0, 0, 0},
        {0}};
    const struct command_help help = {
        "info FILE...",
        "What a file is: image, DICOM series, checkpoint, arrays, JSON, table, dataset or run folder",
        "Reads everything: a dataset's cases are checked one by one. Exit code 1 if any file is unreadable "
        "or a dataset\n"
        "has problems; the other files are still told. A DICOM series is given by its folder or by any file "
        "of it; the\n"
        "patient's name and number are not printed.",
        spec};
    struct operands operands;
    int status;
    if (!options_parse(&operands, argc, argv, &help, 1, OPERANDS_MAX, &status)) return status;
    if (max_gb > 0) volume_set_limit(max_gb);
    struct json *all = json ? json_object() : NULL, *files = json_add_array(all, "files");
    struct error e;
    for (int i = 0; i < operands.count; i++) {
        struct json *j = json_add_object(files, NULL);
        json_add_text(j, "path", operands.text[i]);
        if (!info_file(operands.text[i], series, j, &e)) continue;
        json_add_text(j, "error", e.text);
        status = app_fail(&e);
    }
    if (json && json_write(all, json, &e)) status = app_fail(&e);
    json_free(all);
    return status;
}
