/* check_phantom_shapes.c - the phantom against the bounds of docs/phantom.md: sizes and axes of tumours, what
 * they do to a kidney, texture, and fat that moves by millimetres. */
#include "apps/phantom/render.h"
#include "nn/stats/stats_auc.h"
#include "tests/unit/expect.h"

/* What has grown moves its surroundings outwards without folding them, keeps their volume near its surface
 * and leaves alone what is far off. */
static void check_growth(void)
{
    struct growth w = {.keep = 0.2f};
    float before = 0;
    ellipsoid_set(&w.e, (const float[3]){10, -5, 3}, (const float[3]){20, 30, 25},
                  (const float[3]){0.1f, 0, 0.2f}, 0.1f, 12, 3);
    for (int i = 1; i <= 300; i++) {
        const float r = 0.01f * (float)i, at[3] = {10 + r * 20 * w.e.axis[0][0], -5 + r * 20 * w.e.axis[0][1],
                                                   3 + r * 20 * w.e.axis[0][2]};
        float from[3], local[3];
        growth_origin(from, &w, at);
        const float q = sqrtf(ellipsoid_local(local, &w.e, from));
        CHECK(q > before && q <= r * 1.0001f, "radius %g was %g, the one before %g", (double)r, (double)q,
              (double)before);
        if (i == 100) CHECK_NEAR(q * q * q, 0.2, 1e-4, "the share that is eaten, at the surface");
        if (i == 105) CHECK_NEAR(q * q * q, 1.05 * 1.05 * 1.05 - 0.8, 0.01, "volume near the surface");
        if (i > 261) CHECK_NEAR(q, r, 1e-5, "far off");
        before = q;
    }
}

/* Short over long axis of the marked samples, from second moments. */
static double axis_ratio(const struct tumour *t)
{
    enum { SIDE = 64 };
    static uint8_t tissue[SIDE * SIDE];
    const float step = 5.2f * t->drawn_mm / 2 / SIDE;
    double n = 0, mean[3] = {0}, m[3][3] = {{0}};
    for (int k = 0; k < SIDE; k++) {
        const float *c = t->growth.e.centre, far = 0.5f * step * (SIDE - 1);
        const struct plane g = {SIDE, SIDE, c[0] - far, c[1] - far, step, step, c[2] - far + step * (float)k};
        memset(tissue, TISSUE_VISCERAL_FAT, sizeof tissue);
        tumour_paint(tissue, t, &g);
        for (int i = 0; i < SIDE * SIDE; i++) {
            const double x[3] = {i % SIDE, i / SIDE, k};
            if (tissue[i] != TISSUE_TUMOUR) continue;
            n++;
            for (int a = 0; a < 3; a++) {
                mean[a] += x[a];
                for (int b = 0; b < 3; b++) m[a][b] += x[a] * x[b];
            }
        }
    }
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++) m[a][b] = m[a][b] / n - mean[a] * mean[b] / (n * n);
    /* eigenvalues of a symmetric 3 x 3 matrix (Smith 1961) */
    const double q = (m[0][0] + m[1][1] + m[2][2]) / 3;
    double p2 = 2 * (m[0][1] * m[0][1] + m[0][2] * m[0][2] + m[1][2] * m[1][2]);
    for (int a = 0; a < 3; a++) {
        m[a][a] -= q;
        p2 += m[a][a] * m[a][a];
    }
    const double p = sqrt(p2 / 6), det = m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[1][2]) -
                                         m[0][1] * (m[0][1] * m[2][2] - m[1][2] * m[0][2]) +
                                         m[0][2] * (m[0][1] * m[1][2] - m[1][1] * m[0][2]);
    const double phi = acos(fmax(-1, fmin(1, det / (2 * p * p * p)))) / 3;
    return sqrt((q + 2 * p * cos(phi + 2.0943951023931953)) / (q + 2 * p * cos(phi)));
}

/* Sizes, axes and further foci of the tumours of 700 patients, as the study draws them. */
static void check_tumours(void)
{
    enum { N = 700, AXES = 60 };
    static struct assignment is[N];
    struct anatomy *a = malloc(sizeof *a);
    const struct patient patient = {0, 60, 1, 1};
    const struct material cortex = tissue_material(TISSUE_CORTEX, 0, 0.7f);
    struct rng body = rng_stream(1, 1, 1, RNG_TEST);
    double large = 0, foci = 0, lobes = 0, axes = 0;
    anatomy_draw(a, &patient, &body);
    assign_cases(is, N, 2);
    for (int i = 0; i < N; i++) {
        struct tumour t;
        struct rng rng = rng_stream(2, (uint32_t)i, 2, RNG_TEST);
        tumour_draw(&t, is[i].kind, a, &cortex, 0, 0.7f, 1, &rng);
        large += t.drawn_mm > 70 ? 1.0 / N : 0;
        foci += t.foci > 0 ? 1.0 / N : 0;
        lobes += (double)t.lobes / N;
        if (i < AXES) axes += axis_ratio(&t) / AXES;
    }
    CHECK(large > 0.14 && large < 0.25, "%.3f larger than 7 cm", large);
    CHECK(foci > 0.004 && foci < 0.05, "%.3f with further foci", foci);
    CHECK(lobes > 1.5 && lobes < 4.5, "%.2f lobes", lobes);
    CHECK(axes > 0.67 && axes < 0.80, "short over long axis %.3f", axes);
    free(a);
}

/* The area under the ROC curve of the diameter alone, as it is drawn: .65 for the average seed. */
static void check_size_alone(void)
{
    enum { N = 700, SEEDS = 20 };
    static struct assignment is[N];
    static double diameter[N];
    static int malignant[N];
    struct anatomy *a = malloc(sizeof *a);
    const struct patient patient = {0, 60, 1, 1};
    const struct material cortex = tissue_material(TISSUE_CORTEX, 0, 0.7f);
    struct rng body = rng_stream(1, 1, 1, RNG_TEST);
    double mean = 0;
    anatomy_draw(a, &patient, &body);
    for (int seed = 1; seed <= SEEDS; seed++) {
        assign_cases(is, N, (uint64_t)seed);
        for (int i = 0; i < N; i++) {
            struct tumour t;
            struct rng rng = rng_stream((uint64_t)seed, (uint32_t)i, 2, RNG_PHANTOM);
            tumour_draw(&t, is[i].kind, a, &cortex, 0, 0.7f, 1, &rng);
            diameter[i] = (double)t.drawn_mm;
            malignant[i] = tumour_model(is[i].kind)->malignant;
        }
        const double area = stats_auc(malignant, diameter, N);
        CHECK(area > 0.57 && area < 0.73, "seed %d: area of the diameter alone %.3f", seed, area);
        mean += area / SEEDS;
    }
    CHECK(mean > 0.64 && mean < 0.67, "area of the diameter alone, mean of %d seeds: %.3f", SEEDS, mean);
    free(a);
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The sum of the image under a Gaussian of one voxel, in plane; *inside: all voxels around are kidney. */
static double smoothed(const float *v, const float *label, int nx, int *inside)
{
    enum { R = 4 };
    double sum = 0, total = 0;
    *inside = 1;
    for (int b = -R; b <= R; b++)
        for (int a = -R; a <= R; a++) {
            const double w = exp(-0.5 * (a * a + b * b));
            sum += w * (double)v[b * nx + a];
            total += w;
            if (abs(a) <= 1 && abs(b) <= 1) *inside &= label[b * nx + a] == 1;
        }
    return sum / total;
}

/* Of the healthy kidney, one voxel inside of its border: the image less its Gaussian of one voxel (robust
 * deviation: median / 0.6745) and the deviation of that Gaussian, over the kidney's mean, as
 * tests/bench/phantom_statistics.py measures them. */
static void texture(double *noise, double *structure, const struct phantom_case *p)
{
    const int nx = (int)p->label.size[0], ny = (int)p->label.size[1], half = nx / 2;
    const int x0 = p->tumour.side ? 4 : half, x1 = p->tumour.side ? half : nx - 4;
    double *rest = malloc(volume_voxels(&p->label) * sizeof *rest), mean = 0, sum = 0, square = 0;
    int kidney = 0, n = 0;
    for (int z = 0; z < (int)p->label.size[2]; z++)
        for (int y = 4; y < ny - 4; y++)
            for (int x = x0; x < x1; x++) {
                const size_t i = ((size_t)z * (size_t)ny + (size_t)y) * (size_t)nx + (size_t)x;
                const float *v = p->channel[CHANNEL_T2].voxel + i, *label = p->label.voxel + i;
                int inside;
                if (*label != 1) continue;
                const double smooth = smoothed(v, label, nx, &inside);
                mean += (double)*v;
                kidney++;
                if (!inside) continue;
                sum += smooth;
                square += smooth * smooth;
                rest[n++] = fabs((double)*v - smooth);
            }
    CHECK(n > 100, "%d voxels inside of a kidney", n);
    qsort(rest, (size_t)n, sizeof *rest, compare_doubles);
    mean /= kidney;
    *noise = rest[n / 2] / 0.6745 / mean;
    *structure = sqrt(square / n - sum / n * (sum / n)) / mean;
    free(rest);
}

/* Medians over patients, against CHAOS' T2-weighted images: noise .049, structure .158. */
static void check_texture(void)
{
    enum { N = 12 };
    double noise[N], structure[N];
    struct phantom_case *p = malloc(sizeof *p);
    for (int i = 0; i < N; i++) {
        struct phantom_options o = {.seed = 6, .difficulty = 1, .with_kidney = 1};
        const struct assignment is = {(enum tumour_kind)(i % TUMOUR_KINDS), i / 2};
        struct error e;
        phantom_size(&o, "small");
        CHECK(phantom_render(p, &o, i, &is, NULL, &e) == 0, "%s", e.text);
        texture(&noise[i], &structure[i], p);
        phantom_free(p);
    }
    free(p);
    qsort(noise, N, sizeof *noise, compare_doubles);
    qsort(structure, N, sizeof *structure, compare_doubles);
    CHECK(noise[N / 2] > 0.042 && noise[N / 2] < 0.057, "T2 noise %.4f", noise[N / 2]);
    CHECK(structure[N / 2] > 0.14 && structure[N / 2] < 0.18, "T2 structure %.4f", structure[N / 2]);
}

/* Fat moves by the same way in mm in images of every size. */
static void check_fat_shift(void)
{
    for (int h = 0; h < HOSPITALS; h++) {
        struct rng one = rng_stream(1, 1, 1, RNG_TEST), other = rng_stream(1, 1, 1, RNG_TEST);
        struct scan coarse, fine;
        scan_draw(&coarse, hospital_get(h), 3.2f, 1, &one);
        scan_draw(&fine, hospital_get(h), 0.8f, 1, &other);
        for (int c = 0; c < CHANNELS; c++) {
            const double mm = 3.2 * (double)coarse.receiver[c].fat_shift;
            CHECK_NEAR(mm, 0.8 * (double)fine.receiver[c].fat_shift, 1e-5, "H%d: fat in mm", h + 1);
            CHECK(mm > 0.8 && mm < 2.2, "H%d: fat moves by %.2f mm", h + 1, mm);
        }
    }
}

/* Kidneys: volume of the healthy one; a host that is pushed away, not eaten, by tumours above 60 ml. */
static void check_mass_effect(void)
{
    enum { N = 48 };
    double ratio[N], sum = 0;
    int n = 0;
    struct phantom_case *p = malloc(sizeof *p);
    for (int i = 0; i < N; i++) {
        const struct phantom_options o = {.seed = 5,
                                          .difficulty = 1,
                                          .matrix = 72,
                                          .slices = 20,
                                          .samples_xy = 1,
                                          .samples_z = 1,
                                          .kidneys_only = 1,
                                          .with_kidney = 1};
        const struct assignment is = {i % 2 ? CLEAR_CELL : CHROMOPHOBE, i % HOSPITALS};
        double ml[2] = {0, 0};
        struct error e;
        CHECK(phantom_render(p, &o, i, &is, NULL, &e) == 0, "%s", e.text);
        const double voxel = p->label.spacing[0] * p->label.spacing[1] * p->label.spacing[2] / 1000;
        const int nx = (int)p->label.size[0];
        for (size_t v = 0; v < volume_voxels(&p->label); v++)
            ml[(int)(v % (size_t)nx) >= nx / 2] += p->label.voxel[v] == 1 ? voxel : 0;
        sum += ml[!p->tumour.side] / N;
        if (p->tumour_ml > 60) ratio[n++] = ml[p->tumour.side] / ml[!p->tumour.side];
        phantom_free(p);
    }
    free(p);
    CHECK(sum > 150 && sum < 220, "kidneys without a tumour have %.0f ml", sum);
    qsort(ratio, (size_t)n, sizeof *ratio, compare_doubles);
    CHECK(n >= 8, "%d tumours above 60 ml", n);
    CHECK(n < 1 || (ratio[n / 2] > 0.75 && ratio[n / 2] < 1.1), "host over other kidney: median %.2f of %d",
          n ? ratio[n / 2] : 0, n);
}

int main(void)
{
    check_growth();
    check_tumours();
    check_size_alone();
    check_mass_effect();
    check_texture();
    check_fat_shift();
    return check_done("check_phantom_shapes");
}
