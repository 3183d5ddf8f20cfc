/* render.c - a case of the phantom: body, scanner, voxels and label map. */
#include "apps/phantom/render.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/vmath.h"

/* Streams of a case: drawing one thing differently leaves the others as they were. */
enum stream { STREAM_PATIENT, STREAM_BODY, STREAM_TUMOUR, STREAM_SCAN, STREAM_TISSUES, STREAM_NOISE };

static struct rng stream(const struct phantom_options *o, int index, uint64_t what)
{
    return rng_stream(o->seed, (uint32_t)index, what, RNG_PHANTOM);
}

static float limited(float x, float lo, float hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

static void patient_draw(struct patient *p, enum tumour_kind k, struct rng *rng)
{
    const struct tumour_model *m = tumour_model(k);
    p->female = rng_float(rng) < m->female;
    p->age = limited(m->age + 12 * rng_normal(rng), 22, 88);
    p->size = (p->female ? 0.95f : 1.03f) + 0.045f * limited(rng_normal(rng), -2, 2);
    p->fat = limited(vmath_exp((p->female ? 0.15f : 0.0f) + 0.35f * rng_normal(rng)), 0.45f, 2.2f);
}

/* ---- the signal of every tissue in this patient -------------------------------------------------------- */

struct signals { /* [tissue][channel][water, fat] */
    float part[TISSUES][CHANNELS][2];
    struct material fat, cortex;
};

/* Age dries discs and fattens marrow; some livers are fat. */
static void age_materials(struct material *m, const struct patient *p, struct rng *rng)
{
    const float fat = 0.035f * vmath_exp(0.8f * limited(rng_normal(rng), -2, 2));
    m[TISSUE_DISC].t2 *= limited(1 - 0.012f * (p->age - 45), 0.5f, 1.3f);
    m[TISSUE_MARROW].fat = limited(0.42f + 0.004f * (p->age - 58) + (p->female ? -0.02f : 0.02f), 0.2f, 0.6f);
    m[TISSUE_LIVER].fat = limited(fat, 0, 0.3f);
}

static void draw_signals(struct signals *s, const struct scan *scan, const struct patient *p, struct rng *rng)
{
    struct material m[TISSUES];
    /* cardiac output and dose: one factor for all concentrations */
    const float dose = vmath_exp(0.12f * limited(rng_normal(rng), -2, 2));
    for (int t = 0; t < TISSUES; t++) {
        m[t] = tissue_material((enum tissue)t, scan->tesla3, scan->ce.phase);
        const float spread = tissue_spread((enum tissue)t);
        m[t].t1 *= vmath_exp(spread * limited(rng_normal(rng), -2, 2));
        m[t].t2 *= vmath_exp(spread * limited(rng_normal(rng), -2, 2));
        m[t].contrast *= dose * vmath_exp(0.10f * limited(rng_normal(rng), -2, 2));
    }
    age_materials(m, p, rng);
    s->fat = m[TISSUE_FAT];
    s->cortex = m[TISSUE_CORTEX];
    for (int t = 0; t < TISSUES; t++)
        for (int c = 0; c < CHANNELS; c++)
            material_signal(s->part[t][c], &m[t], &s->fat, scan, (enum channel)c);
}

/* ---- voxels -------------------------------------------------------------------------------------------- */

struct planes { /* scratch of one slice */
    uint8_t *tissue;             /* sub-samples of one sub-slice */
    float *origin;               /* and where the growth of the tumour moved them from, mm */
    float *part[CHANNELS][2];    /* sums over the sub-samples of a voxel, then its mean */
    float *uneven;               /* amplitude of the texture, summed as part */
    float *vessels, *septa;      /* visceral and subcutaneous fat, as shares */
    uint16_t *tumour, *kidney;   /* counts of sub-samples */
    uint8_t *count;              /* [voxel][TISSUES], only when the tissue map is asked for */
};

static void planes_free(struct planes *p)
{
    free(p->tissue);
    free(p->origin);
    for (int c = 0; c < CHANNELS; c++)
        for (int i = 0; i < 2; i++) free(p->part[c][i]);
    free(p->uneven);
    free(p->vessels);
    free(p->septa);
    free(p->tumour);
    free(p->kidney);
    free(p->count);
}

static int planes_alloc(struct planes *p, size_t n, size_t samples, int want_tissue)
{
    memset(p, 0, sizeof *p);
    int ok = (p->tissue = malloc(n * samples)) != NULL;
    ok &= (p->origin = malloc(3 * n * samples * sizeof(float))) != NULL;
    for (int c = 0; c < CHANNELS; c++)
        for (int i = 0; i < 2; i++) ok &= (p->part[c][i] = malloc(n * sizeof(float))) != NULL;
    ok &= (p->uneven = malloc(n * sizeof(float))) != NULL;
    ok &= (p->vessels = malloc(n * sizeof(float))) != NULL;
    ok &= (p->septa = malloc(n * sizeof(float))) != NULL;
    ok &= (p->tumour = malloc(n * sizeof *p->tumour)) != NULL;
    ok &= (p->kidney = malloc(n * sizeof *p->kidney)) != NULL;
    if (want_tissue) ok &= (p->count = malloc(n * TISSUES)) != NULL;
    if (!ok) planes_free(p);
    return ok ? 0 : -1;
}

/* Adds one sub-slice to the sums. */
static void collect(struct planes *p, const struct phantom_case *k, const struct signals *s,
                    const struct plane *g, int f)
{
    const int nx = g->nx / f;
    for (int j = 0; j < g->ny; j++)
        for (int i = 0; i < g->nx; i++) {
            const int t = p->tissue[(size_t)j * (size_t)g->nx + (size_t)i];
            const size_t v = (size_t)(j / f) * (size_t)nx + (size_t)(i / f);
            float own[CHANNELS][2];
            const float(*part)[2] = s->part[t];
            if (t == TISSUE_TUMOUR) {
                const float mm[3] = {g->x0 + (float)i * g->dx, g->y0 + (float)j * g->dy, g->z};
                const struct material m = tumour_material(&k->tumour, mm);
                for (int c = 0; c < CHANNELS; c++)
                    material_signal(own[c], &m, &s->fat, &k->scan, (enum channel)c);
                part = (const float(*)[2])own;
                p->tumour[v]++;
            }
            p->kidney[v] = (uint16_t)(p->kidney[v] + tissue_is_kidney((enum tissue)t));
            p->uneven[v] += tissue_unevenness((enum tissue)t);
            p->vessels[v] += t == TISSUE_VISCERAL_FAT;
            p->septa[v] += t == TISSUE_FAT;
            if (p->count) p->count[v * TISSUES + (size_t)t]++;
            for (int c = 0; c < CHANNELS; c++) {
                p->part[c][0][v] += part[c][0];
                p->part[c][1][v] += part[c][1];
            }
        }
}

/* Vessels of the omentum and the mesentery: lines where two fields are 0, with the blood's signal. Septa of
 * subcutaneous fat: sheets where one is, half of them without signal. */
static void thread_fat(float value[CHANNELS][2], const struct lattice *l, const struct signals *s,
                       const float mm[3], float visceral, float subcutaneous)
{
    if (visceral > 0.2f) {
        const float n = lattice_texture(l, mm, 24, 31), m = lattice_texture(l, mm, 27, 37);
        const float line = 1 - (n * n + m * m) / 0.02f, share = line > 0 ? line * visceral : 0;
        for (int c = 0; c < CHANNELS; c++) {
            value[c][0] += share * s->part[TISSUE_VEIN][c][0];
            value[c][1] *= 1 - share;
        }
    }
    if (subcutaneous > 0.2f) {
        const float n = lattice_texture(l, mm, 20, 41), sheet = 1 - n * n / 0.004f;
        for (int c = 0; c < CHANNELS && sheet > 0; c++) value[c][1] *= 1 - 0.5f * sheet * subcutaneous;
    }
}

/* The mean, with the unevenness of living tissue: mostly coarse texture, the same in both sequences' water,
 * half of it in fat. */
static void finish_means(struct planes *p, const struct phantom_case *k, const struct signals *s,
                         const struct plane_size *g, float z, float samples)
{
    const struct lattice *l = &k->body.noise;
    for (int j = 0; j < g->ny; j++)
        for (int i = 0; i < g->nx; i++) {
            const size_t v = (size_t)j * (size_t)g->nx + (size_t)i;
            if (!(p->part[0][0][v] + p->part[0][1][v] > 0)) continue;
            const float mm[3] = {g->x0 + (float)i * g->dx, g->y0 + (float)j * g->dy, z};
            const float amplitude = p->uneven[v] / samples;
            const float uneven =
                amplitude * (0.24f * lattice_texture(l, mm, 11, 21) + 1.05f * lattice_texture(l, mm, 28, 25));
            float value[CHANNELS][2];
            for (int c = 0; c < CHANNELS; c++) {
                value[c][0] = p->part[c][0][v] * (1 + uneven) / samples;
                value[c][1] = p->part[c][1][v] * (1 + 0.5f * uneven) / samples;
            }
            thread_fat(value, l, s, mm, p->vessels[v] / samples, p->septa[v] / samples);
            for (int c = 0; c < CHANNELS; c++)
                for (int q = 0; q < 2; q++) p->part[c][q][v] = value[c][q];
        }
}

static void write_labels(float *label, const struct planes *p, const struct phantom_options *o, size_t n,
                         int samples)
{
    for (size_t v = 0; v < n; v++) {
        const int tumour = 2 * p->tumour[v] >= samples, kidney = 2 * (p->tumour[v] + p->kidney[v]) >= samples;
        label[v] = tumour ? (o->with_kidney ? 2 : 1) : kidney && o->with_kidney ? 1 : 0;
    }
}

static void write_tissue(uint8_t *tissue, const struct planes *p, size_t n)
{
    for (size_t v = 0; v < n; v++) {
        const uint8_t *count = p->count + v * TISSUES;
        int best = 0;
        for (int t = 1; t < TISSUES; t++)
            if (count[t] > count[best]) best = t;
        tissue[v] = (uint8_t)best;
    }
}

static void render_slice(struct phantom_case *k, struct planes *p, const struct signals *s,
                         const struct phantom_options *o, int index, int z, const struct plane_size *size,
                         float z_mm, size_t *tumour_samples, uint8_t *tissue)
{
    const int f = o->samples_xy, samples = f * f * o->samples_z;
    const size_t n = (size_t)size->nx * (size_t)size->ny, at = (size_t)z * n;
    const float slice = (float)k->label.spacing[2];
    for (int c = 0; c < CHANNELS; c++)
        for (int i = 0; i < 2; i++) memset(p->part[c][i], 0, n * sizeof(float));
    memset(p->uneven, 0, n * sizeof(float));
    memset(p->vessels, 0, n * sizeof(float));
    memset(p->septa, 0, n * sizeof(float));
    memset(p->tumour, 0, n * sizeof *p->tumour);
    memset(p->kidney, 0, n * sizeof *p->kidney);
    if (p->count) memset(p->count, 0, n * TISSUES);
    for (int i = 0; i < o->samples_z; i++) {
        const float step = 1.0f / (float)f, first = 0.5f * (step - 1);
        const struct plane g = {size->nx * f,
                                size->ny * f,
                                size->x0 + first * size->dx,
                                size->y0 + first * size->dy,
                                size->dx * step,
                                size->dy * step,
                                z_mm + slice * (((float)i + 0.5f) / (float)o->samples_z - 0.5f)};
        anatomy_paint(p->tissue, p->origin, &k->body, &k->tumour.growth, &g);
        tumour_paint(p->tissue, &k->tumour, &g);
        collect(p, k, s, &g, f);
    }
    finish_means(p, k, s, size, z_mm, (float)samples);
    for (size_t v = 0; v < n; v++) *tumour_samples += p->tumour[v];
    write_labels(k->label.voxel + at, p, o, n, samples);
    if (tissue) write_tissue(tissue + at, p, n);
    for (int c = 0; c < CHANNELS; c++) {
        struct rng rng = stream(o, index, STREAM_NOISE + (uint64_t)(CHANNELS * z + c));
        receive_plane(k->channel[c].voxel + at, p->part[c][0], p->part[c][1], size, &k->scan, (enum channel)c,
                      &rng);
    }
}

/* ---- the grid ------------------------------------------------------------------------------------------ */

static int volume_make(struct volume *v, const struct plane_size *g, int nz, float slice, float z0)
{
    const float spacing = g->dx;
    memset(v, 0, sizeof *v);
    v->size[0] = g->nx;
    v->size[1] = g->ny;
    v->size[2] = nz;
    v->size[3] = 1;
    v->spacing[0] = v->spacing[1] = spacing;
    v->spacing[2] = slice;
    /* LPS to RAS: x and y change their sign */
    v->affine[0][0] = v->affine[1][1] = -(double)spacing;
    v->affine[2][2] = slice;
    v->affine[0][3] = 0.5 * spacing * (g->nx - 1);
    v->affine[1][3] = -(double)g->y0;
    v->affine[2][3] = z0;
    snprintf(v->description, sizeof v->description, "nephron phantom");
    v->voxel = malloc((size_t)g->nx * (size_t)g->ny * (size_t)nz * sizeof(float));
    return v->voxel ? 0 : -1;
}

/* Of the sub-samples' volume: a ball's diameter = (6 V / pi)^(1/3). */
static void measure_tumour(struct phantom_case *p, size_t samples, float sample_mm3)
{
    const float mm3 = (float)samples * sample_mm3;
    p->tumour_ml = mm3 / 1000;
    p->diameter_mm = samples ? vmath_exp(vmath_log(mm3 * 1.90985932f) / 3) : 0;
}

/* An inner volume around both kidneys: 272 mm from side to side, 64 mm to the front of the middle and 80 mm
 * to the back, in whole blocks of 4 voxels. What lies outside is saturated, as in zoomed imaging: it leaves
 * no ghosts. */
static void keep_kidneys(struct plane_size *g, float y_middle)
{
    g->nx = 4 * (int)(272 / (4 * g->dx) + 0.5f);
    g->ny = 4 * (int)(144 / (4 * g->dy) + 0.5f);
    g->x0 = -0.5f * g->dx * (float)(g->nx - 1);
    g->y0 = y_middle + 8 - 0.5f * g->dy * (float)(g->ny - 1);
}

/* In-plane samples are a multiple of 8. The stack is centred between both kidneys, moved so that the tumour
 * is inside with 8 mm to spare; a tumour taller than the stack is in its middle. */
static int make_grid(struct phantom_case *p, struct plane_size *g, float *z_first,
                     const struct phantom_options *o, const struct hospital *h)
{
    const struct anatomy *a = &p->body;
    const int n = 8 * (int)(h->matrix * (float)o->matrix / 8 + 0.5f),
              nz = (int)(h->slices * (float)o->slices + 0.5f);
    const float slice = h->slice_mm * 24 / (float)o->slices * (o->slices > 24 ? 1.15f : 1),
                depth = slice * (float)(nz - 1);
    const float top = p->tumour.growth.e.centre[2] + p->tumour.extent[2] + 8,
                bottom = p->tumour.growth.e.centre[2] - p->tumour.extent[2] - 8;
    float middle = 0.5f * (a->shape[a->kidney[0]].e.centre[2] + a->shape[a->kidney[1]].e.centre[2]);
    if (middle + 0.5f * depth < top) middle = top - 0.5f * depth;
    if (middle - 0.5f * depth > bottom) middle = bottom + 0.5f * depth;
    if (top - bottom > depth) middle = p->tumour.growth.e.centre[2];
    const float wide = 2 * a->half_width + 6;
    p->field_of_view = h->field_of_view > wide ? h->field_of_view : 10 * (float)((int)(wide / 10) + 1);
    const float spacing = p->field_of_view / (float)n;
    const float y_middle = 0.5f * (a->half_back - a->half_front);
    const float reach = 0.5f * spacing * (float)(n - 1);
    *g = (struct plane_size){n, n, -reach, y_middle - reach, spacing, spacing, 0.5f * p->field_of_view, 0};
    if (o->kidneys_only) keep_kidneys(g, y_middle);
    *z_first = middle - 0.5f * depth;
    int failed = volume_make(&p->label, g, nz, slice, *z_first);
    for (int c = 0; c < CHANNELS; c++) failed |= volume_make(&p->channel[c], g, nz, slice, *z_first);
    return failed;
}

static int render_slices(struct phantom_case *p, const struct signals *s, const struct phantom_options *o,
                         int index, struct plane_size *g, float z_first, uint8_t **tissue)
{
    const int f = o->samples_xy, nz = (int)p->label.size[2];
    const size_t n = (size_t)g->nx * (size_t)g->ny;
    const float slice = (float)p->label.spacing[2];
    struct planes planes;
    size_t samples = 0;
    if (planes_alloc(&planes, n, (size_t)f * (size_t)f, tissue != NULL)) return -1;
    if (tissue && !(*tissue = malloc(n * (size_t)nz))) {
        planes_free(&planes);
        return -1;
    }
    for (int z = 0; z < nz; z++) {
        g->z = nz > 1 ? 2 * (float)z / (float)(nz - 1) - 1 : 0;
        render_slice(p, &planes, s, o, index, z, g, z_first + slice * (float)z, &samples,
                     tissue ? *tissue : NULL);
    }
    measure_tumour(p, samples, g->dx * g->dy * slice / (float)(f * f * o->samples_z));
    planes_free(&planes);
    return 0;
}

/* In plane and through it: nominal samples of the whole field of view, slices. Sub-samples of a voxel are
 * about 1.8 mm in plane and 2 mm through it for small, finer for the larger sizes. */
static const struct {
    const char *name;
    int matrix, slices, samples_xy, kidneys_only;
} sizes[] = {
    {"tiny", 56, 20, 2, 1},    {"kidneys-small", 88, 20, 2, 1}, {"small", 96, 24, 2, 0},
    {"medium", 192, 28, 2, 0}, {"kidneys", 256, 28, 2, 1},      {"full", 512, 32, 1, 0},
};

void phantom_size(struct phantom_options *o, const char *size)
{
    enum { SIZES = sizeof sizes / sizeof *sizes };
    int i = 0;
    while (i < SIZES && strcmp(sizes[i].name, size) != 0) i++;
    ENSURE(i < SIZES, "phantom of size %s", size);
    o->matrix = sizes[i].matrix;
    o->slices = sizes[i].slices;
    o->kidneys_only = sizes[i].kidneys_only;
    o->samples_xy = sizes[i].samples_xy;
    o->samples_z = 3;
}

/* Everything but the voxels. -1 without memory. */
static int begin_case(struct phantom_case *p, struct signals *s, struct plane_size *g, float *z_first,
                      const struct phantom_options *o, int index, const struct assignment *is)
{
    const struct hospital *h = hospital_get(is->hospital);
    struct rng patient = stream(o, index, STREAM_PATIENT), body = stream(o, index, STREAM_BODY),
               scan = stream(o, index, STREAM_SCAN);
    struct rng tissues = stream(o, index, STREAM_TISSUES), tumour = stream(o, index, STREAM_TUMOUR);
    p->is = *is;
    for (int c = 0; c < CHANNELS; c++) p->channel[c].voxel = NULL;
    p->label.voxel = NULL;
    patient_draw(&p->patient, is->kind, &patient);
    anatomy_draw(&p->body, &p->patient, &body);
    scan_draw(&p->scan, h, h->field_of_view / (float)o->matrix, o->difficulty, &scan);
    draw_signals(s, &p->scan, &p->patient, &tissues);
    tumour_draw(&p->tumour, is->kind, &p->body, &s->cortex, h->tesla3, p->scan.ce.phase, o->difficulty,
                &tumour);
    return make_grid(p, g, z_first, o, h);
}

static int no_memory(struct phantom_case *p, const struct phantom_options *o, int index, struct error *e)
{
    phantom_free(p);
    return error_set(e, "phantom: no memory for case %d (%d x %d samples a slice)", index, o->matrix,
                     o->matrix);
}

int phantom_outline(struct phantom_case *p, const struct phantom_options *o, int index,
                    const struct assignment *is, struct error *e)
{
    struct plane_size g;
    struct signals s;
    float z_first;
    return begin_case(p, &s, &g, &z_first, o, index, is) ? no_memory(p, o, index, e) : 0;
}

int phantom_render(struct phantom_case *p, const struct phantom_options *o, int index,
                   const struct assignment *is, uint8_t **tissue, struct error *e)
{
    struct plane_size g;
    struct signals s;
    float z_first;
    if (tissue) *tissue = NULL;
    if (begin_case(p, &s, &g, &z_first, o, index, is) ||
        render_slices(p, &s, o, index, &g, z_first, tissue))
        return no_memory(p, o, index, e);
    return 0;
}

void phantom_free(struct phantom_case *p)
{
    for (int c = 0; c < CHANNELS; c++) {
        free(p->channel[c].voxel);
        p->channel[c].voxel = NULL;
    }
    free(p->label.voxel);
    p->label.voxel = NULL;
}
