/* probe.c - what the phantom's images will be like, from one patient of each hospital. */
#include "apps/phantom/probe.h"

#include <stdlib.h>

#include "apps/phantom/render.h"

_Static_assert((int)PROBES == (int)HOSPITALS && (int)PROBE_CHANNELS == (int)CHANNELS &&
                   (int)PROBE_INSTITUTIONS == (int)INSTITUTIONS,
               "probe.h says what sites.h and signal.h say");

int phantom_probe(struct phantom_probe probe[PROBES], const char *size, double difficulty, uint64_t seed,
                  struct error *e)
{
    struct phantom_options o = {.seed = seed, .difficulty = (float)difficulty};
    struct phantom_case *p = malloc(sizeof *p);
    int status = p ? 0 : error_set(e, "out of memory");
    phantom_size(&o, size);
    for (int h = 0; !status && h < HOSPITALS; h++) {
        const struct assignment is = {.hospital = h};
        if ((status = phantom_render(p, &o, h, &is, NULL, e))) break;
        probe[h].share = (double)hospital_get(h)->share;
        for (int a = 0; a < 3; a++) {
            probe[h].size[a] = (int)p->label.size[2 - a];
            probe[h].spacing[a] = p->label.spacing[2 - a];
        }
        phantom_free(p);
    }
    free(p);
    return status;
}
