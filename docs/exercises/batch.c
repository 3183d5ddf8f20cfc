/* batch.c - exercise 1 of the chapter on batches: the size of an image on the network's grid, and how many
 * places of a batch are centred on foreground. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/prepare/preprocess.h"

int main(void)
{
    const int from[3] = {20, 256, 256}, batch = 12;
    const double spacing[3] = {5, 0.7, 0.7}, oversample = 0.33;
    const struct plan plan = {.dims = 3, .spacing = {2.5, 1, 1}};
    struct error error;
    int size[3], forced = 0;
    char text[64];
    if (preprocess_size(size, from, spacing, &plan, &error)) return 1;
    for (int place = 0; place < batch; place++) forced += place >= (int)rint(batch * (1 - oversample));
    snprintf(text, sizeof text, "%d x %d x %d", size[0], size[1], size[2]);
    printf("%s\n%d of %d\n", text, forced, batch);
    return strcmp(text, "40 x 179 x 179") != 0 || forced != 4;
}
