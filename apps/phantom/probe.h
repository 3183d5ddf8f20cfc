/* probe.h - what the phantom's images will be like, before they are made: one patient of each hospital.
 */
#ifndef APPS_PHANTOM_PROBE_H
#define APPS_PHANTOM_PROBE_H

#include <stdint.h>

#include "nn/data/sample.h"

enum { PROBES = 6, PROBE_CHANNELS = 2, PROBE_INSTITUTIONS = 3 };

struct phantom_probe { /* of a hospital */
    double share;      /* of all cases */
    int size[3];       /* d, h, w */
    double spacing[3]; /* mm */
    double make, read; /* processor seconds: drawn and packed as in its files; unpacked */
};

/* size: of `nephron phantom --size`. *typical receives the case of the hospital that has most. -1 when memory
 * is out. */
int phantom_probe(struct phantom_probe probe[PROBES], struct sample *typical, const char *size,
                  double difficulty, uint64_t seed, struct error *e);

#endif
