/* probe.h - what the phantom's images will be like, before they are made. */
#ifndef APPS_PHANTOM_PROBE_H
#define APPS_PHANTOM_PROBE_H

#include <stdint.h>

#include "nn/data/sample.h"

enum { PROBE_CHANNELS = 2, PROBE_INSTITUTIONS = 3 };

struct phantom_probe { /* a patient */
    int size[3];       /* d, h, w */
    double spacing[3]; /* mm */
};
struct phantom_cost { /* processor seconds a case */
    double make, read; /* drawn and packed as in its files; unpacked */
};

/* probe: [cases] receives the geometry of every patient of a phantom of so many. size: of `nephron phantom
 * --size`. *typical receives the first; sample_free. -1 when memory is out. */
int phantom_probe(struct phantom_probe *probe, struct phantom_cost *cost, struct sample *typical,
                  const char *size, double difficulty, uint64_t seed, int cases, struct error *e);

#endif
