/* worker.c - behind a web service: loads a model once, then reads jobs "IMAGE[,IMAGE...] TAB OUT" line by
 * line from standard input and answers each with "ok TAB OUT" or "error TAB REASON". worker RUN */
#include <stdio.h>
#include <string.h>

#include "nephron.h"

enum { CHANNELS = 32 };

static int job(nephron *n, nephron_model *m, char *line, char **out)
{
    const char *path[CHANNELS];
    int files = 0;
    *out = strchr(line, '\t');
    if (!*out) return -2;
    *(*out)++ = 0;
    (*out)[strcspn(*out, "\n")] = 0;
    for (char *p = strtok(line, ","); p && files < CHANNELS; p = strtok(NULL, ",")) path[files++] = p;
    nephron_image *i = nephron_image_read(n, path, files);
    int status = i ? nephron_predict_file(m, i, *out) : -1;
    nephron_image_free(i);
    return status;
}

int main(int argc, char **argv)
{
    char line[8192], *out;
    if (argc != 2) return fprintf(stderr, "usage: worker RUN <jobs\n"), 2;
    nephron *n = nephron_open(NEPHRON_API, 0);
    nephron_model *m = nephron_model_load(n, argv[1], NULL);
    if (!m) return fprintf(stderr, "worker: %s\n", nephron_error(n)), 1;
    while (fgets(line, sizeof line, stdin)) {
        int status = job(n, m, line, &out);
        if (status == -2) printf("error\ta job is IMAGE[,IMAGE...] TAB OUT\n");
        else if (status) printf("error\t%s\n", nephron_error(n));
        else printf("ok\t%s\n", out);
        fflush(stdout);
    }
    nephron_model_free(m);
    nephron_close(n);
    return 0;
}
