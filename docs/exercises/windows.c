/* windows.c - exercise 1 of the chapter on sliding windows: where they begin along an axis. */
#include <stdio.h>
#include <string.h>

#include "nn/infer/sliding.h"

int main(void)
{
    const int size[] = {64, 65, 96, 150};
    char last[64] = "";
    for (int i = 0; i < 4; i++) {
        int start[16];
        const int n = sliding_starts(start, 16, size[i], 64, 0.5);
        size_t used = (size_t)snprintf(last, sizeof last, "%d:", size[i]);
        for (int k = 0; k < n; k++)
            used += (size_t)snprintf(last + used, sizeof last - used, " %d", start[k]);
        printf("%s\n", last);
    }
    return strcmp(last, "150: 0 29 57 86") != 0;
}
