/* check_phantom.c - the phantom: same bytes for any number of threads, prevalences, files that agree, anatomy
 * and intensities that are physically in order, wrong usage. */
#include <unistd.h>

#include "apps/base/options.h"
#include "apps/command/commands.h"
#include "apps/phantom/render.h"
#include "io/base/csv.h"
#include "io/base/file.h"
#include "io/base/sha256.h"
#include "nn/data/dataset.h"
#include "nn/data/sample.h"
#include "tests/unit/expect.h"

static char folder[] = "/tmp/nephron_phantom_XXXXXX";

static const char *path_of(const char *a, const char *b)
{
    static char path[4][1024];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s%s", folder, a, b);
    return path[turn];
}

static void remove_tree(const char *path)
{
    struct file_list list;
    struct error e;
    if (!file_is_dir(path)) {
        unlink(path);
        return;
    }
    if (file_list(path, &list, &e)) return;
    for (int i = 0; i < list.count; i++) {
        char inner[2048];
        snprintf(inner, sizeof inner, "%s/%s", path, list.name[i]);
        remove_tree(inner);
    }
    file_list_free(&list);
    rmdir(path);
}

/* Names and bytes of every file below path. */
static void hash_tree(struct sha256 *s, const char *path)
{
    struct file_list list;
    struct error e;
    unsigned char *data;
    size_t size;
    if (!file_is_dir(path)) {
        if (file_read(path, 0, &data, &size, &e)) return;
        sha256_update(s, file_name(path), strlen(file_name(path)));
        sha256_update(s, data, size);
        free(data);
        return;
    }
    if (file_list(path, &list, &e)) return;
    for (int i = 0; i < list.count; i++) {
        char inner[2048];
        snprintf(inner, sizeof inner, "%s/%s", path, list.name[i]);
        hash_tree(s, inner);
    }
    file_list_free(&list);
}

static void hash_of(unsigned char digest[32], const char *path)
{
    struct sha256 s;
    sha256_init(&s);
    hash_tree(&s, path);
    sha256_final(&s, digest);
}

static int command(const char *out, const char *const *more, int n)
{
    char name[] = "phantom", quiet[] = "--quiet", *argv[16] = {name, (char *)(size_t)out, quiet};
    for (int i = 0; i < n; i++) argv[3 + i] = (char *)(size_t)more[i];
    return cmd_phantom(3 + n, argv);
}
#define COMMAND(out, ...)                                                                                    \
    command(out, (const char *const[]){__VA_ARGS__},                                                         \
            (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))

/* ---- same seed, same bytes ----------------------------------------------------------------------------- */

static void check_determinism(void)
{
    static const char *const first[] = {"/imagesTr/renal_0000_0000.nii.gz", "/labelsTr/renal_0000.nii.gz"};
    unsigned char one[32], three[32], other[32];
    CHECK(COMMAND(path_of("one", ""), "--cases", "4", "--threads", "1", "--with-kidney") == 0, "one thread");
    CHECK(COMMAND(path_of("three", ""), "--cases", "4", "--threads", "3", "--with-kidney") == 0,
          "three threads");
    CHECK(COMMAND(path_of("other", ""), "--cases", "1", "--seed", "2", "--with-kidney") == 0, "another seed");
    hash_of(one, path_of("one", ""));
    hash_of(three, path_of("three", ""));
    CHECK(memcmp(one, three, 32) == 0, "bytes differ between 1 and 3 threads");
    for (int i = 0; i < 2; i++) {
        hash_of(one, path_of("one", first[i]));
        hash_of(other, path_of("other", first[i]));
        CHECK(memcmp(one, other, 32) != 0, "seeds 1 and 2 give the same %s", first[i]);
    }
}

/* Every bit of one case, fixed when it was written: another compiler, level or library must give the same. */
static void check_bits(void)
{
    static const struct phantom_options o = {.seed = 11,
                                             .difficulty = 1,
                                             .matrix = 48,
                                             .slices = 12,
                                             .samples_xy = 2,
                                             .samples_z = 2,
                                             .with_kidney = 1};
    const struct assignment is = {CLEAR_CELL, 2};
    struct phantom_case *p = malloc(sizeof *p);
    struct error e;
    struct sha256 s;
    unsigned char digest[32];
    char hex[17];
    CHECK(phantom_render(p, &o, 7, &is, NULL, &e) == 0, "%s", e.text);
    sha256_init(&s);
    for (int c = 0; c < CHANNELS; c++)
        sha256_update(&s, p->channel[c].voxel, volume_voxels(&p->channel[c]) * sizeof(float));
    sha256_update(&s, p->label.voxel, volume_voxels(&p->label) * sizeof(float));
    sha256_final(&s, digest);
    for (int i = 0; i < 8; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    CHECK(strcmp(hex, "b36aaed23135fbbd") == 0, "hash of a case is %s", hex);
    phantom_free(p);
    free(p);
}

/* ---- who has what, and where --------------------------------------------------------------------------- */

static void check_assignment(int n)
{
    struct assignment *a = malloc((size_t)n * sizeof *a);
    int malignant = 0, clear = 0, at[HOSPITALS] = {0}, at_benign[HOSPITALS] = {0};
    assign_cases(a, n, 3);
    for (int i = 0; i < n; i++) {
        const int m = tumour_model(a[i].kind)->malignant;
        malignant += m;
        clear += a[i].kind == CLEAR_CELL;
        at[a[i].hospital]++;
        at_benign[a[i].hospital] += !m;
    }
    CHECK_NEAR(malignant, 723.0 * n / 987, 0.5001, "malignant of %d", n);
    CHECK_NEAR(clear, 509.0 * n / 987, 1.0, "clear cell of %d", n);
    for (int h = 0; h < HOSPITALS; h++)
        CHECK_NEAR(at[h], hospital_get(h)->share * n, 1.0, "%s of %d", hospital_get(h)->name, n);
    if (n == 987)
        CHECK((double)at_benign[4] / at[4] > (double)at_benign[0] / at[0], "case mix of H5 against H1");
    free(a);
}

static void check_prevalences(void)
{
    const int n[] = {1, 2, 7, 60, 987};
    for (int i = 0; i < 5; i++) check_assignment(n[i]);
    float share = 0, malignant = 0, women = 0;
    for (int k = 0; k < TUMOUR_KINDS; k++) {
        const struct tumour_model *m = tumour_model((enum tumour_kind)k);
        share += m->share;
        malignant += m->malignant ? m->share : 0;
        women += m->share * m->female;
    }
    CHECK_NEAR(share, 1, 1e-6, "shares of the kinds");
    CHECK_NEAR(malignant, 723.0 / 987, 1e-6, "malignant");
    CHECK_NEAR(women, 403.0 / 987, 0.02, "women");
}

/* ---- the folder ---------------------------------------------------------------------------------------- */

static void check_tables(const struct dataset *d)
{
    struct csv labels, sites, clinical;
    struct error e;
    CHECK(csv_read(&labels, path_of("one", "/labels.csv"), &e) == 0 &&
              csv_read(&sites, path_of("one", "/sites.csv"), &e) == 0 &&
              csv_read(&clinical, path_of("one", "/clinical.csv"), &e) == 0,
          "%s", e.text);
    CHECK(labels.rows == d->cases && sites.rows == d->cases && clinical.rows == d->cases, "rows");
    const int institution = csv_column(&clinical, "institution", &e),
              malignant = csv_column(&clinical, "malignant", &e);
    CHECK(institution > 0 && malignant > 0, "%s", e.text);
    for (int i = 0; i < d->cases; i++) {
        const char *id = csv_cell(&labels, i, 0);
        CHECK(strcmp(id, d->item[i].id) == 0 && strcmp(id, csv_cell(&sites, i, 0)) == 0 &&
                  strcmp(id, csv_cell(&clinical, i, 0)) == 0,
              "case of row %d: %s", i, id);
        CHECK(d->item[i].target == atoi(csv_cell(&labels, i, 1)), "target of %s", id);
        CHECK(strcmp(csv_cell(&labels, i, 1), csv_cell(&clinical, i, malignant)) == 0, "label of %s", id);
        CHECK(strcmp(csv_cell(&sites, i, 1), csv_cell(&clinical, i, institution)) == 0, "site of %s", id);
    }
    csv_free(&labels);
    csv_free(&sites);
    csv_free(&clinical);
}

static void check_files(void)
{
    struct dataset d;
    struct error e;
    CHECK(dataset_open(&d, path_of("one", ""), &e) == 0, "%s", e.text);
    CHECK(d.cases == 4 && d.channels == 2 && d.labels == 3 && d.classes == 2,
          "%d cases, %d channels, %d labels, %d classes", d.cases, d.channels, d.labels, d.classes);
    CHECK(strcmp(d.channel_name[0], "T2") == 0 && strcmp(d.channel_name[1], "T1CE") == 0, "channels");
    check_tables(&d);
    for (int i = 0; i < d.cases; i++) {
        struct sample s;
        CHECK(dataset_load(&s, &d, i, NULL, &e) == 0, "%s",
              e.text); /* the same geometry of channels and mask is checked there */
        size_t count[3] = {0}, n = (size_t)s.size[0] * (size_t)s.size[1] * (size_t)s.size[2];
        for (size_t v = 0; v < n; v++) count[s.label[v]]++;
        CHECK(count[1] > 500 && count[2] > 3, "%s: %zu voxels of kidney, %zu of tumour", d.item[i].id,
              count[1], count[2]);
        CHECK(s.spacing[0] > s.spacing[1] && s.spacing[1] > 1, "%s: spacing %g, %g", d.item[i].id,
              s.spacing[0], s.spacing[1]);
        sample_free(&s);
    }
    dataset_close(&d);
}

/* ---- one case, tissue by tissue ------------------------------------------------------------------------ */

struct means {
    double value[TISSUES][CHANNELS];
    long count[TISSUES];
};

/* By the tissue that fills most of a voxel: thin tissues are mixed with their neighbours. */
static void measure(struct means *m, const struct phantom_case *p, const uint8_t *tissue)
{
    const size_t n = volume_voxels(&p->label);
    memset(m, 0, sizeof *m);
    for (size_t v = 0; v < n; v++) {
        m->count[tissue[v]]++;
        for (int c = 0; c < CHANNELS; c++) m->value[tissue[v]][c] += p->channel[c].voxel[v];
    }
    for (int t = 0; t < TISSUES; t++)
        for (int c = 0; c < CHANNELS; c++) m->value[t][c] /= m->count[t] ? (double)m->count[t] : 1;
}

static void check_order(const struct means *m, enum channel c, enum tissue brighter, enum tissue darker,
                        const char *where)
{
    if (m->count[brighter] < 20 || m->count[darker] < 20) return;
    CHECK(m->value[brighter][c] > m->value[darker][c], "%s, channel %d: %s %.1f, %s %.1f", where, c,
          tissue_name(brighter), m->value[brighter][c], tissue_name(darker), m->value[darker][c]);
}

static void check_intensities(const struct phantom_case *p, const struct means *m)
{
    const char *h = hospital_get(p->is.hospital)->name;
    for (int c = 0; c < CHANNELS; c++) check_order(m, (enum channel)c, TISSUE_MUSCLE, TISSUE_AIR, h);
    /* T2: fluid brightest, then fat and kidney; liver and muscle dark, flowing blood void */
    check_order(m, CHANNEL_T2, TISSUE_BILE, TISSUE_FAT, h);
    check_order(m, CHANNEL_T2, TISSUE_CSF, TISSUE_CORTEX, h);
    check_order(m, CHANNEL_T2, TISSUE_FAT, TISSUE_MUSCLE, h);
    check_order(m, CHANNEL_T2, TISSUE_CORTEX, TISSUE_LIVER, h);
    check_order(m, CHANNEL_T2, TISSUE_SPLEEN, TISSUE_MUSCLE, h);
    check_order(m, CHANNEL_T2, TISSUE_CORTEX, TISSUE_ARTERY, h);
    /* T1 with contrast: cortex and vessels bright, fluid dark, fat bright unless suppressed */
    check_order(m, CHANNEL_T1CE, TISSUE_CORTEX, TISSUE_LIVER, h);
    check_order(m, CHANNEL_T1CE, TISSUE_ARTERY, TISSUE_MUSCLE, h);
    check_order(m, CHANNEL_T1CE, TISSUE_LIVER, TISSUE_MUSCLE, h);
    check_order(m, CHANNEL_T1CE, TISSUE_MUSCLE, TISSUE_CSF, h);
    if (p->scan.ce.phase < 0.5f)
        check_order(m, CHANNEL_T1CE, TISSUE_CORTEX, TISSUE_MEDULLA, h); /* later they are alike */
    if (p->scan.ce.fat_left == 1)
        check_order(m, CHANNEL_T1CE, TISSUE_FAT, TISSUE_MUSCLE, h);
    else
        check_order(m, CHANNEL_T1CE, TISSUE_MUSCLE, TISSUE_FAT, h);
}

/* The tumour's mask touches kidney, or the ellipsoid of its kidney where it has replaced all of it there. */
static void check_position(const struct phantom_case *p, const uint8_t *tissue)
{
    const int nx = (int)p->label.size[0], ny = (int)p->label.size[1], nz = (int)p->label.size[2];
    long tumour = 0, touching = 0;
    for (int z = 1; z < nz - 1; z++)
        for (int y = 1; y < ny - 1; y++)
            for (int x = 1; x < nx - 1; x++) {
                const long v = ((long)z * ny + y) * nx + x, step[3] = {1, nx, (long)nx * ny};
                if (p->label.voxel[v] != 2) continue;
                tumour++;
                for (int a = 0; a < 3; a++)
                    touching += tissue_is_kidney(tissue[v - step[a]]) + tissue_is_kidney(tissue[v + step[a]]);
            }
    CHECK(tumour > 0 && touching > 0, "case of %s: %ld voxels of tumour, %ld contacts with kidney",
          tumour_model(p->is.kind)->name, tumour, touching);
    const double ml = (double)tumour * p->label.spacing[0] * p->label.spacing[1] * p->label.spacing[2] / 1000;
    CHECK(ml > 0.6 * p->tumour_ml && ml < 1.2 * p->tumour_ml, "mask of %.2f ml, tumour of %.2f ml", ml,
          (double)p->tumour_ml);
}

/* The kidney without the tumour is where it belongs and of a kidney's size (Cheong et al. 2007: 202 ml in
 * men, 154 ml in women, standard deviation about 35). */
static void check_kidneys(const struct phantom_case *p, const uint8_t *tissue)
{
    const int nx = (int)p->label.size[0], half = nx / 2;
    long side[2] = {0, 0};
    for (size_t v = 0; v < volume_voxels(&p->label); v++)
        side[(int)(v % (size_t)nx) >= half] += tissue_is_kidney(tissue[v]);
    const double ml = p->label.spacing[0] * p->label.spacing[1] * p->label.spacing[2] / 1000;
    /* x grows to the patient's left; the healthy side is whole */
    const double healthy = (double)side[!p->tumour.side] * ml;
    CHECK(healthy > 75 && healthy < 320, "%s kidney of %.0f ml", p->tumour.side ? "right" : "left", healthy);
}

/* Centre of the label map's foreground in RAS mm. */
static int label_centre(double mm[3], const struct volume *v)
{
    double sum[3] = {0}, count = 0;
    size_t i = 0;
    for (int z = 0; z < (int)v->size[2]; z++)
        for (int y = 0; y < (int)v->size[1]; y++)
            for (int x = 0; x < (int)v->size[0]; x++, i++) {
                if (v->voxel[i] == 0) continue;
                sum[0] += x, sum[1] += y, sum[2] += z, count++;
            }
    for (int a = 0; a < 3; a++)
        mm[a] =
            count > 0
                ? v->affine[a][3] +
                      (v->affine[a][0] * sum[0] + v->affine[a][1] * sum[1] + v->affine[a][2] * sum[2]) / count
                : 0;
    return count > 0;
}

static int same_grid(const struct volume *a, const struct volume *b)
{
    return memcmp(a->size, b->size, sizeof a->size) == 0 &&
           memcmp(a->spacing, b->spacing, sizeof a->spacing) == 0 &&
           memcmp(a->affine, b->affine, sizeof a->affine) == 0;
}

/* What is told without drawing is what is drawn. */
static void check_outline(const struct phantom_case *drawn, const struct phantom_options *o, int index,
                          const struct assignment *is)
{
    struct phantom_case *p = malloc(sizeof *p);
    struct error e;
    CHECK(phantom_outline(p, o, index, is, &e) == 0, "%s", e.text);
    CHECK(same_grid(&p->label, &drawn->label), "case %d: the grid of its label", index);
    for (int c = 0; c < CHANNELS; c++)
        CHECK(same_grid(&p->channel[c], &drawn->channel[c]), "case %d: the grid of channel %d", index, c);
    CHECK(memcmp(&p->patient, &drawn->patient, sizeof p->patient) == 0, "case %d: its patient", index);
    phantom_free(p);
    free(p);
}

/* The box around the kidneys is a part of the whole scan: the same patient, the same tumour at the same
 * place. */
static void check_box(void)
{
    struct phantom_case *whole = malloc(sizeof *whole), *box = malloc(sizeof *box);
    for (int i = 0; i < HOSPITALS; i++) {
        struct phantom_options o = {
            .seed = 4, .difficulty = 1, .matrix = 96, .slices = 24, .samples_xy = 2, .samples_z = 2};
        const struct assignment is = {(enum tumour_kind)i, i};
        struct error e;
        double a[3], b[3];
        CHECK(phantom_render(whole, &o, i, &is, NULL, &e) == 0, "%s", e.text);
        check_outline(whole, &o, i, &is);
        o.kidneys_only = 1;
        CHECK(phantom_render(box, &o, i, &is, NULL, &e) == 0, "%s", e.text);
        check_outline(box, &o, i, &is);
        CHECK(box->label.size[0] % 4 == 0 && box->label.size[1] % 4 == 0 &&
                  box->label.size[1] < box->label.size[0] && box->label.size[0] < whole->label.size[0],
              "box of %d x %d voxels", (int)box->label.size[0], (int)box->label.size[1]);
        CHECK(fabs(box->tumour_ml - whole->tumour_ml) < 0.05 * whole->tumour_ml + 0.3,
              "case %d: %g ml in the box, %g in the whole", i, box->tumour_ml, whole->tumour_ml);
        CHECK(label_centre(a, &whole->label) && label_centre(b, &box->label), "case %d has a tumour", i);
        for (int k = 0; k < 3; k++) CHECK_NEAR(a[k], b[k], 1.5, "case %d: the tumour's place, axis %d", i, k);
        phantom_free(whole);
        phantom_free(box);
    }
    free(whole);
    free(box);
}

/* The boxes around the kidneys that studies are made of: in-plane voxels of every hospital and how many there
 * are. */
static void check_kidneys_sizes(void)
{
    static const struct {
        const char *size;
        double least, most; /* mm */
        int voxels;
    } box[] = {{"tiny", 5.3, 7.3, 30000}, {"kidneys-small", 3.4, 4.4, 80000}, {"kidneys", 1.1, 1.7, 900000}};
    struct phantom_case *p = malloc(sizeof *p);
    for (int i = 0; i < 3 * HOSPITALS; i++) {
        struct phantom_options o = {.seed = 4, .difficulty = 1};
        const struct assignment is = {ONCOCYTOMA, i % HOSPITALS};
        const int k = i / HOSPITALS;
        struct error e;
        phantom_size(&o, box[k].size);
        o.samples_xy = o.samples_z = 1; /* as fast as can be */
        CHECK(phantom_render(p, &o, i, &is, NULL, &e) == 0, "%s", e.text);
        const double mm = p->label.spacing[0];
        const int64_t *size = p->label.size;
        CHECK(o.kidneys_only && mm > box[k].least && mm < box[k].most, "%s, hospital %d: %g mm", box[k].size,
              i % HOSPITALS + 1, mm);
        CHECK(size[0] > size[1] && size[2] >= 20 && size[0] * size[1] * size[2] < box[k].voxels,
              "%s: %d x %d x %d voxels", box[k].size, (int)size[0], (int)size[1], (int)size[2]);
        phantom_free(p);
    }
    free(p);
}

static void check_anatomy(void)
{
    struct phantom_case *p = malloc(sizeof *p);
    for (int i = 0; i < 2 * HOSPITALS; i++) {
        const struct phantom_options o = {.seed = 4,
                                          .difficulty = 1,
                                          .matrix = 96,
                                          .slices = 24,
                                          .samples_xy = 2,
                                          .samples_z = 2,
                                          .with_kidney = 1};
        const struct assignment is = {(enum tumour_kind)((i + i / HOSPITALS) % TUMOUR_KINDS), i % HOSPITALS};
        struct means m;
        struct error e;
        uint8_t *tissue;
        CHECK(phantom_render(p, &o, i, &is, &tissue, &e) == 0, "%s", e.text);
        measure(&m, p, tissue);
        check_intensities(p, &m);
        check_position(p, tissue);
        check_kidneys(p, tissue);
        phantom_free(p);
        free(tissue);
    }
    free(p);
}

/* ---- equations ----------------------------------------------------------------------------------------- */

static void check_equations(void)
{
    struct scan s = {.t2 = {3000, 80, 1}, .ce = {4, 2, 12, 1, {"none", 4, 5}, 0}};
    const struct material m = {1000, 80, 1, 0.5f, 0.25f}, fat = {350, 100, 0.9f, 0, 1};
    float part[2];
    material_signal(part, &m, &fat, &s, CHANNEL_T2);
    CHECK_NEAR(part[0], 0.75 * (1 - exp(-3.0)) * exp(-1.0), 1e-6, "turbo spin echo, water");
    CHECK_NEAR(part[1], 0.25 * 0.9 * (1 - exp(-3000.0 / 350)) * exp(-0.8), 1e-6, "turbo spin echo, fat");
    material_signal(part, &m, &fat, &s, CHANNEL_T1CE);
    const double a = 12 * 3.14159265358979 / 180, e1 = exp(-4 * (0.001 + 0.002));
    CHECK_NEAR(part[0], 0.75 * sin(a) * (1 - e1) / (1 - cos(a) * e1) * exp(-2 * (1.0 / 80 + 0.0025 + 0.01)),
               1e-5, "spoiled gradient echo, water");
    s.t2.tr = 0;
    material_signal(part, &m, &fat, &s, CHANNEL_T2);
    CHECK_NEAR(part[0], 0.75 * exp(-1.0), 1e-6, "one shot, water");
}

/* Without signal the magnitude of complex noise has mean sqrt(pi/2) and second moment 2 (Rayleigh). */
static void check_noise(void)
{
    enum { SIDE = 128 };
    static float out[SIDE * SIDE], water[SIDE * SIDE], fat[SIDE * SIDE];
    const struct plane_size p = {SIDE, SIDE, -64, -64, 1, 1, 64, 0};
    struct scan s = {.t2 = {.fat_left = 1}, .ce = {.te = 2, .fat_left = 1}};
    struct rng rng = rng_stream(1, 2, 3, RNG_TEST);
    double mean = 0, square = 0;
    s.receiver[CHANNEL_T1CE] = (struct receiver){.keep = {1, 1}, .noise = 3, .gain = 2};
    receive_plane(out, water, fat, &p, &s, CHANNEL_T1CE, &rng);
    for (int i = 0; i < SIDE * SIDE; i++) {
        mean += out[i] / (6.0 * SIDE * SIDE);
        square += (double)out[i] * out[i] / (36.0 * SIDE * SIDE);
    }
    CHECK_NEAR(mean, 1.2533141, 0.02, "mean of the background");
    CHECK_NEAR(square, 2, 0.06, "power of the background");
    /* A line of fat moves by the chemical shift, water does not. */
    s.receiver[CHANNEL_T2] = (struct receiver){.keep = {1, 1}, .fat_shift = 1.5f, .gain = 1};
    memset(water, 0, sizeof water);
    memset(fat, 0, sizeof fat);
    for (int j = 0; j < SIDE; j++) {
        water[j * SIDE + 20] = 1;
        fat[j * SIDE + 60] = 1;
    }
    receive_plane(out, water, fat, &p, &s, CHANNEL_T2, &rng);
    CHECK_NEAR(out[64 * SIDE + 20], 1, 1e-6, "water stays");
    CHECK_NEAR(out[64 * SIDE + 61], 0.5, 1e-6, "fat moves by 1.5 voxels");
    CHECK_NEAR(out[64 * SIDE + 62], 0.5, 1e-6, "fat moves by 1.5 voxels");
    CHECK_NEAR(out[64 * SIDE + 60], 0, 1e-6, "no fat where it was");
}

/* Difficulty brings the kinds together: distance of clear cell and papillary in log T2. */
static void check_difficulty(void)
{
    double gap[3];
    struct anatomy *a = malloc(sizeof *a);
    const struct patient patient = {0, 60, 1, 1};
    const struct material cortex = tissue_material(TISSUE_CORTEX, 0, 0.7f);
    struct rng body = rng_stream(1, 1, 1, RNG_TEST);
    anatomy_draw(a, &patient, &body);
    for (int d = 0; d < 3; d++) {
        double mean[2] = {0, 0};
        for (int k = 0; k < 2; k++)
            for (int i = 0; i < 300; i++) {
                struct tumour t;
                struct rng rng = rng_stream(7, (uint32_t)i, (uint64_t)k, RNG_TEST);
                tumour_draw(&t, k ? PAPILLARY : CLEAR_CELL, a, &cortex, 0, 0.7f, (float)d, &rng);
                mean[k] += log(t.solid.t2) / 300;
            }
        gap[d] = mean[0] - mean[1];
    }
    CHECK(gap[0] > gap[1] && gap[1] > gap[2] && gap[2] > 0,
          "log T2 of clear cell against papillary: %.3f, %.3f, %.3f", gap[0], gap[1], gap[2]);
    free(a);
}

/* ---- wrong usage --------------------------------------------------------------------------------------- */

static void check_refusals(void)
{
    fflush(stderr);
    const int keep = dup(2);
    if (!freopen("/dev/null", "w", stderr)) exit(1);
    char name[] = "phantom", *none[] = {name, NULL};
    const int no_folder = cmd_phantom(1, none);
    const int zero = COMMAND(path_of("bad", ""), "--cases", "0"),
              hard = COMMAND(path_of("bad", ""), "--difficulty", "2.5");
    const int nan_hard = COMMAND(path_of("bad", ""), "--difficulty", "nan"),
              size = COMMAND(path_of("bad", ""), "--size", "huge");
    const int unknown = COMMAND(path_of("bad", ""), "--colour", "red"),
              again = COMMAND(path_of("one", ""), "--cases", "1");
    const int under_file = COMMAND(path_of("one", "/labels.csv/below"), "--cases", "1");
    fflush(stderr);
    dup2(keep, 2);
    close(keep);
    CHECK(no_folder == 2, "no folder: %d", no_folder);
    CHECK(zero == 2 && hard == 2 && nan_hard == 2, "numbers out of range: %d, %d, %d", zero, hard, nan_hard);
    CHECK(size == 2 && unknown == 2, "unknown size %d and option %d", size, unknown);
    CHECK(again == 1, "a folder with a dataset: %d", again);
    CHECK(under_file == 1, "a folder below a file: %d", under_file);
    CHECK(!file_exists(path_of("bad", "")), "wrong usage made a folder");
}

int main(void)
{
    if (!mkdtemp(folder)) return 1;
    check_equations();
    check_noise();
    check_difficulty();
    check_prevalences();
    check_bits();
    check_determinism();
    check_files();
    check_refusals();
    check_anatomy();
    check_box();
    check_kidneys_sizes();
    remove_tree(folder);
    return check_done("check_phantom");
}
