/* fuzz_jpeg.c - any bytes to the decoders of JPEG, JPEG-LS and JPEG 2000: nothing may crash, leak or hang.
 *
 *   replay:    cc ... tests/fuzz/fuzz_jpeg.c libnephron.a && ./fuzz_jpeg FILE...      (DICOM files: their
 * bytes from the first marker on) libFuzzer: clang -fsanitize=fuzzer,address,undefined -DLIBFUZZER ...
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/base/file.h"
#include "io/jpeg/jpeg_2000.h"
#include "io/jpeg/jpeg_baseline.h"
#include "io/jpeg/jpeg_lossless.h"
#include "io/jpeg/jpeg_ls.h"

static void try_bytes(const uint8_t *data, size_t size)
{
    static int (*const decode[])(uint16_t *, int, int, const unsigned char *, size_t, struct error *) = {
        jpeg_baseline_decode, jpeg_lossless_decode, jpeg_ls_decode, jpeg_2000_decode};
    static uint16_t out[37 * 29];
    struct error e;
    for (int k = 0; k < 4; k++) (void)decode[k](out, 37, 29, data, size, &e);
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
            fprintf(stderr, "fuzz_jpeg: %s\n", e.text);
            return 1;
        }
        size_t at = 0;
        while (at + 2 < size &&
               !(data[at] == 0xff && (data[at + 1] == 0xd8 || data[at + 1] == 0x4f) && data[at + 2] == 0xff))
            at++;
        try_bytes(data + at, size - at);
        free(data);
    }
    printf("fuzz_jpeg: %d files\n", argc - 1);
    return 0;
}
#endif
