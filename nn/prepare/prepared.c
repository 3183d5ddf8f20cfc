/* prepared.c - the memory of a prepared case. */
#include "nn/prepare/prepared.h"

#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"

void prepared_free(struct prepared *s)
{
    if (s->mapped) {
        file_scratch_free(s->image, s->mapped);
    } else {
        free(s->image);
        free(s->label);
    }
    free(s->previous);
    memset(s, 0, sizeof *s);
}
