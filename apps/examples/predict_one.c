/* predict_one.c - segments one case: predict_one RUN OUT.nii.gz CHANNEL_0.nii.gz [CHANNEL_1.nii.gz ...] */
#include <stdio.h>

#include "nephron.h"

int main(int argc, char **argv)
{
    if (argc < 4) return fprintf(stderr, "usage: predict_one RUN OUT IMAGE...\n"), 2;
    nephron *n = nephron_open(NEPHRON_API, 0);
    nephron_model *m = nephron_model_load(n, argv[1], NULL);
    nephron_image *i = m ? nephron_image_read(n, (const char *const *)argv + 3, argc - 3) : NULL;
    int status = i ? nephron_predict_file(m, i, argv[2]) : -1;
    if (status) fprintf(stderr, "predict_one: %s\n", nephron_error(n));
    else
        printf("%s: written, at most %.1f MB were needed\n", argv[2],
               (double)nephron_predict_bytes(m, i) * 1e-6);
    nephron_image_free(i);
    nephron_model_free(m);
    nephron_close(n);
    return status ? 1 : 0;
}
