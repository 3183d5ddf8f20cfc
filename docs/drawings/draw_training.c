/* draw_training.c - drawings of the chapters on random numbers, the step, optimisers, plans and batches. */
#include "docs/drawings/draw.h"

#include "nn/planner/planner.h"
#include "tensor/elem/elem.h"

static void streams(FILE *f)
{
    for (int i = 0; i < 4; i++) {
        const double x = 100 + i * 110;
        draw_labelled(f, INK, x, 16, 62, 30, i ? "state" : "seed", NULL);
        if (i) draw_arrow(f, INK, x - 48, 31, x, 31);
        draw_arrow(f, INK, x + 31, 46, x + 31, 68);
        draw_text(f, MIDDLE, x + 31, 82, "number %d", i);
        draw_labelled(f, BLUE, x, 112, 62, 30, i == 0 ? "7" : i == 1 ? "500" : i == 2 ? "8" : "12", NULL);
        draw_arrow(f, BLUE, x + 31, 142, x + 31, 164);
        draw_text(f, MIDDLE, x + 31, 178, "numbers");
    }
    draw_text(f, LEFT, 4, 36, "a state:");
    draw_text(f, LEFT, 4, 132, "a function:");
    draw_text(f, MIDDLE, 290, 102,
              "of seed, site, purpose and, below, the step: in any order, by any thread");
}

/* The jobs of pool.c's run_share for two numbers of threads, and the order in which sums are added. */
static void stripes(FILE *f)
{
    enum { JOBS = 10, WIDTH = 42 };
    static const int threads[] = {1, 7};
    for (int row = 0; row < 2; row++) {
        const double y = 14 + row * 54;
        draw_text(f, LEFT, 4, y + 20, threads[row] == 1 ? "1 thread" : "%d threads", threads[row]);
        for (int t = 0; t < threads[row]; t++) {
            const int first = t * JOBS / threads[row], end = (t + 1) * JOBS / threads[row];
            draw_bar(f, t % 2 ? ORANGE : BLUE, 86 + first * WIDTH + 1, y, (end - first) * WIDTH - 2, 30,
                     0.25);
        }
        for (int job = 0; job < JOBS; job++) draw_box(f, INK, 86 + job * WIDTH, y, WIDTH, 30);
        for (int job = 0; job < JOBS; job++) draw_text(f, MIDDLE, 107 + job * WIDTH, y + 20, "%d", job);
    }
    draw_text(f, LEFT, 4, 136, "added");
    for (int job = 0; job < JOBS; job++) draw_line(f, INK, 107 + job * WIDTH, 98, 107 + job * WIDTH, 126);
    draw_arrow(f, BLUE, 107, 132, 107 + (JOBS - 1) * WIDTH + 12, 132);
    draw_text(f, MIDDLE, 86 + JOBS * WIDTH / 2, 154, "(((s0 + s1) + s2) + s3) + ..., whoever computed them");
}

/* The way of two weights down a valley that is thirty times as steep across as along: nephron's own
 * updates. */
enum { STEPS = 40 };
static const float steep[2] = {1, 30};

static void walk(double *x, double *y, float momentum, const struct plot *p)
{
    float w[2] = {-2.6f, 0.55f}, m[2] = {0}, g[2];
    for (int i = 0; i <= STEPS; i++) {
        x[i] = plot_x(p, (double)w[0]);
        y[i] = plot_y(p, (double)w[1]);
        for (int k = 0; k < 2; k++) g[k] = steep[k] * w[k];
        const struct elem_sgd o = {.lr = 0.03f, .momentum = momentum, .clip = 1, .nesterov = momentum > 0};
        elem_f32_sgd(w, m, g, 2, &o, NULL);
    }
}

static void walk_adam(double *x, double *y, const struct plot *p)
{
    float w[2] = {-2.6f, 0.55f}, m[2] = {0}, v[2] = {0}, g[2];
    for (int i = 0; i <= STEPS; i++) {
        x[i] = plot_x(p, (double)w[0]);
        y[i] = plot_y(p, (double)w[1]);
        for (int k = 0; k < 2; k++) g[k] = steep[k] * w[k];
        const struct elem_adam o = {
            .lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip = 1, .step = i + 1};
        elem_f32_adam(w, m, v, g, 2, &o, NULL);
    }
}

static void valley(FILE *f)
{
    static const char *const name[] = {"SGD", "SGD with Nesterov's momentum 0.9", "AdamW"};
    double x[STEPS + 1], y[STEPS + 1];
    for (int k = 0; k < 3; k++) {
        const struct plot p = {10, 6 + k * 92, 500, 76, -3, 1.2, -0.8, 0.8};
        for (int ring = 1; ring <= 3; ring++)
            fprintf(f,
                    "<ellipse cx=\"%.1f\" cy=\"%.1f\" rx=\"%.1f\" ry=\"%.1f\" fill=\"none\" "
                    "stroke=\"currentColor\" "
                    "stroke-opacity=\"0.3\"/>\n",
                    plot_x(&p, 0), plot_y(&p, 0), 119. * ring * 0.38, 47.5 * ring * 0.38 * 0.45);
        if (k < 2)
            walk(x, y, k ? 0.9f : 0, &p);
        else
            walk_adam(x, y, &p);
        draw_path(f, k ? BLUE : ORANGE, x, y, STEPS + 1);
        for (int i = 0; i <= STEPS; i++) draw_dot(f, k ? BLUE : ORANGE, x[i], y[i], 2);
        draw_text(f, LEFT, 12, 82 + k * 92, "%s", name[k]);
    }
    draw_text(f, MIDDLE, 260, 298, "to the right the weight of slope 1, upwards the one of slope 30");
}

/* The maps of a plan for thick slices, in its own strides, to the scale of their voxels. */
static void stages(FILE *f)
{
    const double spacing[3] = {5, 0.7, 0.7}, median[3] = {24, 256, 256};
    struct plan_options options = plan_options_default();
    struct plan plan;
    struct error error;
    int size[3] = {24, 256, 256};
    double x = 8;
    options.patch[0] = 24;
    options.patch[1] = options.patch[2] = 256;
    if (plan_topology(&plan, spacing, median, 3, 2, 1e9, &options, &error)) return;
    for (int s = 0; s < plan.stages; s++) {
        for (int a = 0; a < 3; a++) size[a] /= plan.stride[s][a];
        const double width = 0.62 * size[2], height = 3.4 * size[0], column = width < 44 ? 44 : width;
        draw_bar(f, BLUE, x + (column - width) / 2, 100 - height, width, height, 0.25);
        draw_box(f, INK, x + (column - width) / 2, 100 - height, width, height);
        draw_text(f, MIDDLE, x + column / 2, 118, "%dx%d", size[0], size[2]);
        draw_text(f, MIDDLE, x + column / 2, 136, "%dx%d", plan.kernel[s][0], plan.kernel[s][2]);
        x += column + 12;
    }
    draw_text(f, LEFT, x, 118, "slices x pixels");
    draw_text(f, LEFT, x, 136, "kernel");
}

static void pipeline(FILE *f)
{
    static const char *const once[] = {"transpose", "crop", "normalise", "resample", "keep"},
                             *const each[] = {"draw", "turn, scale", "noise, blur", "contrast", "mirror"};
    draw_text(f, LEFT, 4, 16, "once for each case");
    draw_text(f, RIGHT, 524, 98, "for each place of each batch");
    for (int i = 0; i < 5; i++) {
        draw_labelled(f, INK, 4 + i * 108, 26, 88, 34, once[i], NULL);
        draw_labelled(f, BLUE, 4 + i * 108, 106, 88, 34, each[i], NULL);
        if (i) draw_arrow(f, INK, 92 + (i - 1) * 108, 43, 112 + (i - 1) * 108, 43);
        if (i) draw_arrow(f, BLUE, 92 + (i - 1) * 108, 123, 112 + (i - 1) * 108, 123);
    }
    draw_arrow(f, DASHED, 480, 60, 50, 106);
}

const struct drawing drawings_of_training[] = {
    {"streams", "Numbers from a state, one after the other, and from a function, in any order", 540, 188,
     streams},
    {"stripes", "Ten jobs, dealt to one thread and to seven, added in the order of the jobs", 520, 164,
     stripes},
    {"valley", "The ways of three optimisers down a narrow valley", 520, 306, valley},
    {"stages", "The maps of seven stages for thick slices", 660, 146, stages},
    {"pipeline", "What is done once for a case, and what for each batch", 530, 150, pipeline},
    {0}};
