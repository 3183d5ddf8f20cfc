/* strides.c - exercise 1 of the chapter on nnU-Net's rules: the strides that the planner gives to a patch. */
#include <stdio.h>
#include <string.h>

#include "nn/planner/planner.h"

int main(void)
{
    const double spacing[3] = {5, 0.7, 0.7}, median[3] = {24, 256, 256};
    struct plan_options options = plan_options_default();
    struct plan plan;
    struct error error;
    char text[256] = "";
    size_t used = 0;
    options.patch[0] = 24;
    options.patch[1] = options.patch[2] = 256;
    if (plan_topology(&plan, spacing, median, 3, 2, 1e9, &options, &error)) return 1;
    for (int s = 0; s < plan.stages; s++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%dx%dx%d", s ? " " : "",
                                 plan.stride[s][0], plan.stride[s][1], plan.stride[s][2]);
    printf("%s\n", text);
    return strcmp(text, "1x1x1 1x2x2 1x2x2 2x2x2 2x2x2 1x2x2 1x2x2") != 0;
}
