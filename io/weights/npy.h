/* npy.h - NumPy arrays: .npy (version 1, 2 and 3) and .npz (zip of stored or deflated .npy). */
#ifndef IO_NPY_H
#define IO_NPY_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

enum { NPY_DIMS_MAX = 8 };

struct npy {
    char name[256];           /* in an archive, without ".npy" */
    char kind; /* 'b' bool, 'i', 'u', 'f' as in NumPy's descr; always native byte order in memory */
    int bytes;                /* of one element: 1, 2, 4, 8 */
    int ndim;
    int64_t dim[NPY_DIMS_MAX]; /* C order in memory (Fortran files are transposed) */
    void *data;               /* malloc'ed */
};

size_t npy_count(const struct npy *a);
double npy_value(const struct npy *a, size_t i); /* element i as double; f2 is converted */
int npy_read(struct npy *a, const char *path, struct error *e);
int npy_parse(struct npy *a, const unsigned char *data, size_t size, const char *name, struct error *e);
void npy_free(struct npy *a);

struct npz {
    struct npy *array;
    int count;
};
int npz_read(struct npz *z, const char *path, struct error *e);
int npz_parse(struct npz *z, const unsigned char *data, size_t size, const char *name, struct error *e);
/* level 0 stores, 1..9 deflates. Fixed time stamps: same arrays, same bytes. */
int npz_write(const struct npz *z, const char *path, int level, struct error *e);
struct npy *npz_find(const struct npz *z, const char *name);
void npz_free(struct npz *z);

#endif
