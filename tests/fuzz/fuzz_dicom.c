/* fuzz_dicom.c - any bytes to the readers of DICOM and of lossless JPEG: nothing may crash, leak or hang, or
 * take more memory than dicom.h says.
 *
 *   replay:    cc ... tests/fuzz/fuzz_dicom.c libnephron.a && ./fuzz_dicom FILE...
 *   libFuzzer: clang -fsanitize=fuzzer,address,undefined -DLIBFUZZER ...
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/dicom/dicom.h"
#include "io/base/file.h"
#include "io/jpeg/jpeg_lossless.h"

static void must(int condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "fuzz_dicom: %s\n", what);
    abort();
}

static void try_bytes(const uint8_t *data, size_t size)
{
    struct volume v;
    struct error e;
    uint16_t frame[5 * 7];
    for (int header_only = 0; header_only < 2; header_only++) {
        if (dicom_parse(&v, data, size, "fuzz", header_only, &e)) continue;
        must(v.spacing[0] > 0 && v.spacing[1] > 0 && v.spacing[2] > 0, "a spacing that is not positive");
        must(header_only || volume_voxels(&v) <= size * 1032 * 64, "more voxels than the bytes can hold");
        for (size_t i = 0; !header_only && i < volume_voxels(&v); i++)
            must(v.voxel[i] == v.voxel[i], "a voxel is NaN");
        volume_free(&v);
    }
    (void)jpeg_lossless_decode(frame, 5, 7, data, size, &e);
}

#ifdef LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_bytes(data, size);
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
            fprintf(stderr, "fuzz_dicom: %s\n", e.text);
            return 1;
        }
        try_bytes(data, size);
        free(data);
    }
    printf("fuzz_dicom: %d files\n", argc - 1);
    return 0;
}
#endif
