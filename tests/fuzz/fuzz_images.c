/* fuzz_images.c - any bytes to the readers of NRRD, MetaImage, PNG, TIFF and NIfTI: nothing may crash, leak
 * or hang. The first byte chooses the reader; in a replay all of them get the whole file.
 *
 *   replay:    cc ... tests/fuzz/fuzz_images.c libnephron.a && ./fuzz_images FILE...
 *   libFuzzer: clang -fsanitize=fuzzer,address,undefined -DLIBFUZZER ...
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/base/file.h"
#include "io/image/metaimage.h"
#include "io/image/nifti.h"
#include "io/image/nrrd.h"
#include "io/image/png_volume.h"
#include "io/picture/png.h"
#include "io/image/tiff.h"

enum { READERS = 5 };

static void must(int condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "fuzz_images: %s\n", what);
    abort();
}

static void try_bytes(int reader, const uint8_t *data, size_t size)
{
    for (int header_only = 0; header_only < 2; header_only++) {
        struct volume v;
        struct error e = {""};
        int status = reader == 0   ? nrrd_parse(&v, data, size, "fuzz", header_only, &e)
                     : reader == 1 ? metaimage_parse(&v, data, size, "fuzz", header_only, &e)
                     : reader == 2 ? png_parse(&v, data, size, "fuzz", header_only, &e)
                     : reader == 3 ? tiff_parse(&v, data, size, "fuzz", header_only, &e)
                                   : nifti_parse(&v, data, size, NULL, 0, "fuzz", header_only, &e);
        if (status) {
            must(e.text[0], "an error without a message");
            continue;
        }
        must(v.spacing[0] > 0 && v.spacing[1] > 0 && v.spacing[2] > 0, "a spacing that is not positive");
        must(v.size[0] > 0 && v.size[1] > 0 && v.size[2] > 0 && v.size[3] > 0, "an empty volume");
        volatile float sum = 0; /* every voxel is there */
        for (size_t i = 0; !header_only && i < volume_voxels(&v); i++) sum = sum + v.voxel[i];
        volume_free(&v);
    }
}

#ifdef LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size) try_bytes(data[0] % READERS, data + 1, size - 1);
    return 0;
}
#else
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        unsigned char *data;
        size_t size;
        struct error e;
        if (file_read(argv[i], 0, &data, &size, &e)) {
            fprintf(stderr, "fuzz_images: %s\n", e.text);
            return 1;
        }
        for (int reader = 0; reader < READERS; reader++) try_bytes(reader, data, size);
        free(data);
    }
    printf("fuzz_images: %d files\n", argc - 1);
    return 0;
}
#endif
