/* probe.c - what the phantom's images will be like, and what some of them cost. */
#include "apps/phantom/probe.h"

#include <stdlib.h>
#include <string.h>

#include "apps/phantom/render.h"
#include "io/image/voxels.h"
#include "io/pack/gzip.h"
#include "tensor/base/clock.h"

enum { MEASURED = 6 }; /* cases that are drawn, evenly over all; of the others the geometry is enough */

_Static_assert((int)PROBE_CHANNELS == (int)CHANNELS && (int)PROBE_INSTITUTIONS == (int)INSTITUTIONS,
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

static int time_files(struct phantom_cost *cost, const struct phantom_case *p, struct error *e)
{
    for (int c = 0; c < CHANNELS; c++)
        if (time_file(&cost->make, &cost->read, &p->channel[c], VOXEL_I16, e)) return -1;
    return time_file(&cost->make, &cost->read, &p->label, VOXEL_U8, e);
}

/* The case as a dataset would give it. */
static int take_case(struct sample *s, const struct phantom_case *p, struct error *e)
{
    const size_t n = volume_voxels(&p->label);
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

/* Drawn and packed as it will be; kept in *typical, where there is one. */
static int measure_case(struct phantom_cost *cost, struct sample *typical, const struct phantom_options *o,
                        int index, const struct assignment *is, struct error *e)
{
    struct phantom_case *p = malloc(sizeof *p);
    if (!p) return error_set(e, "out of memory");
    const double start = clock_cpu_seconds();
    int status = phantom_render(p, o, index, is, NULL, e);
    if (!status) {
        cost->make += clock_cpu_seconds() - start;
        status = time_files(cost, p, e) || (typical && take_case(typical, p, e)) ? -1 : 0;
        phantom_free(p);
    }
    free(p);
    return status;
}

static int outline_cases(struct phantom_probe *probe, const struct phantom_options *o, int cases,
                         const struct assignment *is, struct error *e)
{
    struct phantom_case *p = malloc(sizeof *p);
    int status = p ? 0 : error_set(e, "out of memory");
    for (int k = 0; !status && k < cases; k++) {
        if ((status = phantom_outline(p, o, k, &is[k], e))) break;
        for (int a = 0; a < 3; a++) {
            probe[k].size[a] = (int)p->label.size[2 - a];
            probe[k].spacing[a] = p->label.spacing[2 - a];
        }
        phantom_free(p);
    }
    free(p);
    return status;
}

int phantom_probe(struct phantom_probe *probe, struct phantom_cost *cost, struct sample *typical,
                  const char *size, double difficulty, uint64_t seed, int cases, struct error *e)
{
    struct phantom_options o = {.seed = seed, .difficulty = (float)difficulty};
    struct assignment *is = malloc(((size_t)cases + 1) * sizeof *is);
    *cost = (struct phantom_cost){0, 0};
    phantom_size(&o, size);
    if (!is) return error_set(e, "out of memory for %d cases", cases);
    assign_cases(is, cases, seed);
    int status = outline_cases(probe, &o, cases, is, e);
    for (int k = 0; !status && k < MEASURED; k++) {
        const int index = (int)((long long)k * cases / MEASURED);
        status = measure_case(cost, k ? NULL : typical, &o, index, &is[index], e);
    }
    cost->make /= MEASURED;
    cost->read /= MEASURED;
    free(is);
    return status;
}
