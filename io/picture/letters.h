/* letters.h - text in pictures, of 5 x 7 dots. What is not ASCII is drawn as a question mark. */
#ifndef IO_LETTERS_H
#define IO_LETTERS_H

#include <stddef.h>

enum { LETTER_STEP = 6, LETTER_HEIGHT = 7 }; /* dots from a letter to the next, and of its height */

struct letters_canvas {
    unsigned char *rgb; /* [height][width][3] */
    int width, height;
};

/* Pixels that the text is wide, with dots of scale x scale pixels. */
int letters_width(const char *text, int scale);
/* (x, y): the upper left corner. What lies outside of the canvas is left out. */
void letters_draw(struct letters_canvas *c, int x, int y, const char *text, int scale,
                  const unsigned char colour[3]);

#endif
