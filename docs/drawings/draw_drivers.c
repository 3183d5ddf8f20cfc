/* draw_drivers.c - drawings of the drivers of convolutions: what is cut, packed and walked over. */
#include "docs/drawings/draw.h"

static void cells(FILE *f, enum style s, double x, double y, int columns, int rows, double size)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) draw_box(f, s, x + size * j, y + size * i, size, size);
}

/* Three boxes one behind the other: one for each point. */
static void stack(FILE *f, enum style s, double x, double y, const char *what)
{
    for (int i = 0; i < 3; i++) draw_box(f, s, x + 5 * i, y + 5 * i, 98, 42);
    draw_text(f, MIDDLE, x + 56, y + 32, "%s", what);
}

/* The direct form: a span of a line, its window, the weights of a panel, its tiles. */
static void gather(FILE *f)
{
    draw_text(f, MIDDLE, 80, 16, "x: lines along w");
    cells(f, INK, 30, 26, 6, 5, 20);
    cells(f, DASHED, 10, 26, 1, 5, 20);
    draw_box(f, BLUE, 10, 46, 120, 60);
    draw_arrow(f, BLUE, 156, 76, 216, 76);
    draw_text(f, MIDDLE, 184, 68, "copied");
    draw_labelled(f, BLUE, 220, 54, 130, 46, "window", "kz, ky, w, c");
    draw_labelled(f, ORANGE, 220, 124, 130, 46, "weights", "kz, ky, kx, c, 32 k");
    draw_text(f, MIDDLE, 285, 190, "packed once a job");
    draw_arrow(f, INK, 352, 78, 416, 92);
    draw_arrow(f, INK, 352, 146, 416, 112);
    draw_text(f, MIDDLE, 490, 16, "y: the same span");
    cells(f, INK, 420, 82, 6, 1, 24);
    draw_box(f, ORANGE, 420, 82, 72, 24);
    draw_text(f, LEFT, 420, 126, "a tile of it: registers");
    draw_text(f, LEFT, 420, 144, "then the next panel");
}

/* A batch of tiles through one plane of points. */
static void winograd(FILE *f)
{
    draw_text(f, MIDDLE, 60, 16, "x: 6 x 6 of a tile");
    cells(f, INK, 12, 26, 8, 6, 16);
    draw_box(f, BLUE, 12, 26, 96, 96);
    draw_arrow(f, BLUE, 142, 74, 186, 74);
    draw_text(f, MIDDLE, 163, 66, "B, B");
    stack(f, BLUE, 190, 40, "tiles, c");
    stack(f, ORANGE, 190, 118, "c, 32 k");
    draw_text(f, LEFT, 190, 190, "36 points: 36 products");
    draw_text(f, MIDDLE, 60, 148, "weights: G, G, G");
    draw_arrow(f, ORANGE, 122, 142, 186, 142);
    draw_arrow(f, INK, 304, 66, 346, 88);
    draw_arrow(f, INK, 304, 142, 346, 112);
    stack(f, INK, 350, 80, "tiles, 32 k");
    draw_arrow(f, INK, 458, 104, 502, 104);
    draw_text(f, MIDDLE, 480, 96, "A, A");
    cells(f, INK, 508, 72, 4, 4, 16);
    draw_text(f, MIDDLE, 540, 16, "y: 4 x 4");
    draw_text(f, MIDDLE, 540, 158, "added to the planes");
    draw_text(f, MIDDLE, 540, 176, "that it belongs to");
}

/* A weight gradient: stripes of dy, a chunk, a tap's lines of x. */
static void outer(FILE *f)
{
    draw_text(f, MIDDLE, 80, 16, "dy: lines in stripes");
    cells(f, INK, 20, 26, 6, 8, 20);
    for (int i = 1; i < 4; i++) draw_line(f, BOLD, 10, 26 + 40 * i, 150, 26 + 40 * i);
    draw_box(f, ORANGE, 20, 66, 120, 40);
    draw_text(f, MIDDLE, 260, 16, "x: what a tap sees of it");
    cells(f, INK, 200, 26, 6, 8, 20);
    cells(f, DASHED, 180, 26, 1, 8, 20);
    draw_box(f, BLUE, 180, 46, 120, 40);
    draw_text(f, MIDDLE, 170, 206, "the tap (ky, kx) = (0, 0): a line up, a voxel to the left");
    draw_arrow(f, INK, 324, 92, 376, 92);
    draw_labelled(f, INK, 380, 52, 150, 80, "sums", "tap, c, 32 k");
    draw_text(f, MIDDLE, 455, 152, "of each stripe; added");
    draw_text(f, MIDDLE, 455, 170, "in the order of stripes");
}

/* Lines of x in a window, with zeros between: a tap is a distance. */
static void tiles(FILE *f)
{
    for (int line = 0; line < 3; line++) {
        for (int i = 0; i < 6; i++) {
            const double x = 10 + 30 * (6 * line + i);
            draw_box(f, i == 5 ? DASHED : INK, x, 40, 30, 26);
            draw_text(f, MIDDLE, x + 15, 58, i == 5 ? "0" : "x%d%d", line, i);
            draw_box(f, i == 5 ? DASHED : INK, x, 122, 30, 26);
            if (i < 5) draw_text(f, MIDDLE, x + 15, 140, "y%d%d", line, i);
        }
    }
    draw_text(f, LEFT, 10, 26, "window: lines of x one behind the other, a column of zeros between them");
    for (int i = 0; i < 4; i++) draw_arrow(f, BLUE, 25 + 30 * (i + 1), 120, 25 + 30 * (i + 8), 68);
    draw_box(f, ORANGE, 40, 122, 120, 26);
    draw_text(f, LEFT, 10, 172,
              "the tap one line down and one to the right is the distance 7, for all of a tile;");
    draw_text(f, LEFT, 10, 190, "what is computed at the ends of lines is not stored");
}

/* Integers: a batch of columns along d. */
static void columns(FILE *f)
{
    draw_text(f, MIDDLE, 100, 16, "x: a column of tiles along d");
    for (int z = 0; z < 5; z++) {
        draw_box(f, z < 3 ? BLUE : INK, 20 + 34 * z, 30 + 10 * z, 56, 56);
        draw_text(f, MIDDLE, 32 + 34 * z, 44 + 10 * z, "%d", z);
    }
    draw_text(f, MIDDLE, 118, 152, "M: the largest of them all");
    draw_arrow(f, BLUE, 236, 80, 284, 80);
    draw_text(f, MIDDLE, 260, 72, "int16");
    for (int z = 0; z < 3; z++) {
        draw_box(f, BLUE, 288, 26 + 40 * z, 110, 32);
        draw_text(f, MIDDLE, 343, 46 + 40 * z, "plane %d", z);
    }
    draw_text(f, MIDDLE, 343, 164, "three slots: the points of");
    draw_text(f, MIDDLE, 343, 182, "the planes that y 1 sees");
    draw_arrow(f, INK, 402, 80, 446, 80);
    draw_labelled(f, INK, 450, 56, 120, 48, "y 1", "fp32, units of M");
    draw_text(f, MIDDLE, 510, 126, "then plane 3 takes");
    draw_text(f, MIDDLE, 510, 144, "the slot of plane 0");
}

const struct drawing drawings_of_drivers[] = {
    {"gather", "The direct form: a span of outputs, the window that its taps see, the weights of a panel",
     580, 200, gather},
    {"winograd", "A batch of tiles through the points of one plane: transform, 36 products, transform",
     612, 200, winograd},
    {"outer", "A weight gradient: a chunk of lines of dy, the lines of x that a tap sees, the tap's sums",
     560, 216, outer},
    {"tiles", "A window: lines of x one behind the other, so that a tap is a distance", 560, 200, tiles},
    {"columns", "Products of integers: a column of tiles along d, three planes of it kept as integers",
     590, 192, columns},
    {0}};
