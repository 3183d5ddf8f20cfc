/* probe.c - what the phantom's images will be like, and what they cost, from one patient of each hospital. */
#include "apps/phantom/probe.h"

#include <stdlib.h>
#include <string.h>

#include "apps/phantom/render.h"
#include "io/image/voxels.h"
#include "io/pack/gzip.h"
#include "tensor/base/clock.h"

_Static_assert((int)PROBES == (int)HOSPITALS && (int)PROBE_CHANNELS == (int)CHANNELS &&
                   (int)PROBE_INSTITUTIONS == (int)INSTITUTIONS,
               "probe.h says what sites.h and signal.h say");

/* As a file's voxels, packed and unpacked again. */
static int time_file(double *pack, double *unpack, const struct volume *v, enum voxel_type type,
                     struct error *e)
{
    const size_t n = volume_voxels(v), bytes = n * (size_t)voxel_type_bytes(type);
    const double start = clock_cpu_seconds();
    unsigned char *data = malloc(bytes), *packed = NULL, *again = NULL;
    size_t size, read;
    voxels_round(v, type);
    if (data) voxels_encode(data, v, 0, n, type);
    if (data) packed = gzip_compress(data, bytes, 6, &size);
    int status = packed ? 0 : error_set(e, "out of memory for an image of %zu bytes", bytes);
    const double packed_at = clock_cpu_seconds();
    if (!status) status = gzip_decompress(packed, size, bytes, &again, &read, e);
    *pack += packed_at - start;
    *unpack += clock_cpu_seconds() - packed_at;
    free(data);
    free(packed);
    free(again);
    return status;
}

static int time_files(struct phantom_probe *probe, const struct phantom_case *p, struct error *e)
{
    for (int c = 0; c < CHANNELS; c++)
        if (time_file(&probe->make, &probe->read, &p->channel[c], VOXEL_I16, e)) return -1;
    return time_file(&probe->make, &probe->read, &p->label, VOXEL_U8, e);
}

/* The case as a dataset would give it. */
static int take_case(struct sample *s, const struct phantom_case *p, struct error *e)
{
    const size_t n = volume_voxels(&p->label);
    sample_free(s);
    *s = (struct sample){.channels = CHANNELS,
                         .image = malloc(n * CHANNELS * sizeof *s->image),
                         .label = malloc(n)};
    if (!s->image || !s->label) return error_set(e, "out of memory for a case of %zu voxels", n);
    for (int a = 0; a < 3; a++) {
        s->size[a] = (int)p->label.size[2 - a];
        s->spacing[a] = p->label.spacing[2 - a];
    }
    memcpy(s->affine, p->label.affine, sizeof s->affine);
    for (size_t i = 0; i < n; i++) {
        for (int c = 0; c < CHANNELS; c++) s->image[i * CHANNELS + (size_t)c] = p->channel[c].voxel[i];
        s->label[i] = (uint8_t)p->label.voxel[i];
    }
    return 0;
}

int phantom_probe(struct phantom_probe probe[PROBES], struct sample *typical, const char *size,
                  double difficulty, uint64_t seed, struct error *e)
{
    struct phantom_options o = {.seed = seed, .difficulty = (float)difficulty};
    struct phantom_case *p = malloc(sizeof *p);
    int status = p ? 0 : error_set(e, "out of memory");
    double most = 0;
    phantom_size(&o, size);
    for (int h = 0; !status && h < HOSPITALS; h++) {
        const struct assignment is = {.hospital = h};
        const double start = clock_cpu_seconds();
        if ((status = phantom_render(p, &o, h, &is, NULL, e))) break;
        probe[h].make = clock_cpu_seconds() - start;
        probe[h].read = 0;
        probe[h].share = (double)hospital_get(h)->share;
        for (int a = 0; a < 3; a++) {
            probe[h].size[a] = (int)p->label.size[2 - a];
            probe[h].spacing[a] = p->label.spacing[2 - a];
        }
        status = time_files(&probe[h], p, e);
        if (!status && probe[h].share > most) {
            most = probe[h].share;
            status = take_case(typical, p, e);
        }
        phantom_free(p);
    }
    free(p);
    return status;
}
