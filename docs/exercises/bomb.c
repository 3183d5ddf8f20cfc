/* bomb.c - exercise 1 of the chapter on files: ten million zeros, packed, and unpacked with a limit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/pack/gzip.h"

int main(void)
{
    const size_t size = 10000000;
    unsigned char *zeros = calloc(size, 1), *out = NULL;
    size_t packed = 0, out_size;
    struct error error;
    unsigned char *file = zeros ? gzip_compress(zeros, size, 6, &packed) : NULL;
    if (!file) return 1;
    printf("%zu zeros are %zu bytes\n", size, packed);
    const int refused = gzip_decompress(file, packed, 1000, &out, &out_size, &error);
    printf("with a limit: %s\n", refused ? error.text : "it was unpacked");
    free(file);
    free(zeros);
    return !(refused && strstr(error.text, "unpacks to more than 1000 bytes"));
}
