/* list_model.c - what is in a trained network: list_model RUN [FOLD] */
#include <inttypes.h>
#include <stdio.h>

#include "nephron.h"

int main(int argc, char **argv)
{
    const char *name;
    int shape[5], axes, channels = 0, classes = 0, segments = 0;
    size_t offset;
    if (argc < 2) return fprintf(stderr, "usage: list_model RUN [FOLD]\n"), 2;
    nephron *n = nephron_open(NEPHRON_API, 1);
    nephron_model *m = nephron_model_load(n, argv[1], argc > 2 ? argv[2] : "0");
    if (nephron_model_info(m, &channels, &classes, &segments))
        return fprintf(stderr, "list_model: %s\n", nephron_error(n)), 1;
    printf("%s: %d channels, %d classes, %zu weights, hash %016" PRIx64 "\n",
           segments ? "segmentation" : "classification", channels, classes, nephron_weights_count(m),
           nephron_weights_hash(m));
    for (int i = 0; (axes = nephron_weights_view(m, i, &name, shape, &offset)) > 0; i++) {
        printf("%10zu  %-60s", offset, name);
        for (int a = 0; a < axes; a++) printf("%s%d", a ? " x " : " ", shape[a]);
        printf("\n");
    }
    nephron_model_free(m);
    nephron_close(n);
    return 0;
}
