/* draw_networks.c - drawings of the chapters on voxels, operations, losses, the graph and the networks. */
#include "docs/drawings/draw.h"

static void voxel(FILE *f)
{
    const double origin[2] = {130, 160}, step_x[2] = {70, -20}, step_y[2] = {-12, -42};
    draw_arrow(f, INK, 40, 200, 430, 200);
    draw_arrow(f, INK, 40, 200, 40, 20);
    draw_text(f, LEFT, 436, 204, "R");
    draw_text(f, MIDDLE, 40, 14, "A");
    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 4; x++)
            draw_dot(f, INK, origin[0] + x * step_x[0] + y * step_y[0],
                     origin[1] + x * step_x[1] + y * step_y[1], x || y ? 3 : 5);
    draw_arrow(f, BLUE, 40, 200, origin[0] - 5, origin[1] + 2);
    draw_arrow(f, BLUE, origin[0], origin[1], origin[0] + step_x[0] - 4, origin[1] + step_x[1] + 1);
    draw_arrow(f, BLUE, origin[0], origin[1], origin[0] + step_y[0] + 1, origin[1] + step_y[1] + 4);
    draw_text(f, LEFT, 150, 176, "column 0: a step in x");
    draw_text(f, RIGHT, 114, 140, "column 1");
    draw_text(f, LEFT, 60, 218, "column 3: voxel (0, 0, 0)");
}

/* Which inputs which outputs see: in = out * stride - pad + tap. */
static void taps(FILE *f)
{
    enum { INPUTS = 5, OUTPUTS = 3, STRIDE = 2, PAD = 1, KERNEL = 3, APART = 70 };
    for (int in = -PAD; in < INPUTS + PAD; in++) {
        const int inside = in >= 0 && in < INPUTS;
        const double x = 20 + (in + PAD) * APART;
        draw_box(f, inside ? INK : DASHED, x, 30, 50, 32);
        if (inside)
            draw_text(f, MIDDLE, x + 25, 51, "x[%d]", in);
        else
            draw_text(f, MIDDLE, x + 25, 51, "0");
    }
    for (int out = 0; out < OUTPUTS; out++) {
        const double x = 20 + (out * STRIDE + PAD) * APART;
        draw_box(f, INK, x, 130, 50, 32);
        draw_text(f, MIDDLE, x + 25, 151, "y[%d]", out);
        for (int tap = 0; tap < KERNEL; tap++) {
            const int in = out * STRIDE - PAD + tap;
            draw_line(f, in >= 0 && in < INPUTS ? BLUE : DASHED, 20 + (in + PAD) * APART + 25, 62, x + 25,
                      130);
        }
    }
    draw_text(f, MIDDLE, 255, 182, "one axis: 5 inputs, kernel 3, stride 2, pad 1, 3 outputs");
}

static void norm(FILE *f)
{
    static const char *const pass[] = {"sums of x", "z, y", "g, its sums", "dx"},
                             *const reads[] = {"reads x", "reads x", "reads x, dy", "reads x, dy"},
                             *const writes[] = {"", "writes y", "", "writes dx"};
    for (int i = 0; i < 4; i++) {
        const double x = 10 + i * 130;
        draw_labelled(f, INK, x, 30, 110, 36, pass[i], NULL);
        if (i) draw_arrow(f, INK, x - 20, 48, x, 48);
        draw_text(f, MIDDLE, x + 55, 84, "%s", reads[i]);
        draw_text(f, MIDDLE, x + 55, 101, "%s", writes[i]);
    }
    draw_text(f, MIDDLE, 130, 20, "forward");
    draw_text(f, MIDDLE, 390, 20, "backward");
    draw_text(f, MIDDLE, 260, 130, "z and xhat are computed again from x: they are never in memory");
}

/* The size of dl at a voxel of the label, whose probability is p: 1 - p, and a multiple of p (1 - p). */
static double cross_entropy(double p)
{
    return 1 - p;
}
static double dice(double p)
{
    return 2.4 * p * (1 - p);
}

static void losses(FILE *f)
{
    const struct plot p = {60, 20, 400, 140, 0, 1, 0, 1.05};
    plot_axes(f, &p);
    plot_curve(f, BLUE, &p, cross_entropy);
    plot_curve(f, ORANGE, &p, dice);
    draw_text(f, LEFT, plot_x(&p, 0.13), plot_y(&p, 0.93), "cross-entropy: 1 - p");
    draw_text(f, LEFT, plot_x(&p, 0.67), plot_y(&p, 0.80), "Dice: p (1 - p) times");
    draw_text(f, LEFT, plot_x(&p, 0.67), plot_y(&p, 0.68), "what the class needs");
    for (int i = 0; i <= 4; i++) draw_text(f, MIDDLE, plot_x(&p, i / 4.), 176, "%.2f", i / 4.);
    draw_text(f, MIDDLE, 260, 196, "p of the true label: missed on the left, right on the right");
    draw_text(f, MIDDLE, 32, 96, "pull");
}

/* Which steps, of ten, a buffer lives in. */
static void lifetimes(FILE *f)
{
    static const struct {
        const char *name;
        int first[4], last[4], bars;
        enum style style;
    } rows[] = {{"image", {0}, {9}, 1, BLUE},
                {"conv 1", {1}, {8}, 1, BLUE},
                {"conv 2", {2}, {6}, 1, BLUE},
                {"logits", {3}, {5}, 1, BLUE},
                {"gradients", {5, 6, 8}, {6, 8, 9}, 3, ORANGE}};
    enum { STEP = 43, ROW = 24 };
    draw_line(f, INK, 76, 14, 76, 160);
    draw_line(f, INK, 76, 160, 516, 160);
    draw_line(f, DASHED, 80 + 5 * STEP, 14, 80 + 5 * STEP, 160);
    for (int r = 0; r < 5; r++) {
        draw_text(f, RIGHT, 70, 36 + r * ROW, "%s", rows[r].name);
        for (int b = 0; b < rows[r].bars; b++)
            draw_bar(f, rows[r].style, 80 + rows[r].first[b] * STEP + 1, 25 + r * ROW,
                     (rows[r].last[b] + 1 - rows[r].first[b]) * STEP - 2, 14, b % 2 ? 0.6 : 1);
    }
    draw_text(f, MIDDLE, 80 + 2.5 * STEP, 180, "forward");
    draw_text(f, MIDDLE, 80 + 7.5 * STEP, 180, "backward");
}

static void unet(FILE *f)
{
    static const char *const size[] = {"1/1", "1/2", "1/4", "1/8", "1/4", "1/2", "1/1"};
    double x = 16, right[7], top[7];
    for (int i = 0; i < 7; i++) {
        const int stage = i < 4 ? i : 6 - i;
        const double width = 24 + 12 * stage, height = 120. / (1 << stage);
        top[i] = 20 + (120 - height) / 2;
        draw_box(f, INK, x, top[i], width, height);
        draw_text(f, MIDDLE, x + width / 2, 160, "%s", size[i]);
        if (i) draw_arrow(f, INK, right[i - 1], 80, x, 80);
        if (i > 3) draw_arrow(f, BLUE_DASHED, right[6 - i], top[i] + 4, x, top[i] + 4);
        right[i] = x + width;
        x += width + 40;
    }
    draw_text(f, MIDDLE, 268, 20, "skips");
    draw_text(f, MIDDLE, 130, 184, "encoder: convolution, stride 2");
    draw_text(f, MIDDLE, 400, 184, "decoder: transposed convolution");
    draw_text(f, MIDDLE, 268, 206, "height: size of the map; width: number of its channels");
}

const struct drawing drawings_of_networks[] = {
    {"voxel", "A lattice of voxels, turned in the patient; the columns of the affine are its steps", 460, 230,
     voxel},
    {"taps", "Five inputs, three outputs, kernel three, stride two, padding one", 520, 190, taps},
    {"norm", "Two passes forward and two passes backward over the voxels of a channel", 520, 140, norm},
    {"losses", "How strongly both losses pull at a voxel, against its probability", 520, 204, losses},
    {"lifetimes", "Lifetimes of buffers over the steps of a small graph", 530, 190, lifetimes},
    {"unet", "A U-Net of four stages with its skip connections", 540, 214, unet},
    {0}};
