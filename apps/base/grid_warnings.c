/* grid_warnings.c - warnings of grids that differ, each told once. */
#include "apps/base/grid_warnings.h"

#include <stdlib.h>

#include "apps/base/console.h"

/* FNV-1a, 64 bits. */
static uint64_t hash_text(const char *text)
{
    uint64_t h = 14695981039346656037u;
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h;
}

/* 1 where it is new. Without memory for the list a warning may come twice. */
static int is_new(struct grid_warnings *w, const char *text)
{
    uint64_t h = hash_text(text);
    for (int i = 0; i < w->count; i++)
        if (w->told[i] == h) return 0;
    if (w->count == w->room) {
        uint64_t *more = realloc(w->told, (size_t)(w->room + 64) * sizeof *more);
        if (!more) return 1;
        w->told = more;
        w->room += 64;
    }
    w->told[w->count++] = h;
    return 1;
}

static void tell(void *context, const char *text)
{
    struct grid_warnings *w = context;
    const int most = w->most ? w->most : GRID_WARNINGS_MOST;
    pthread_mutex_lock(&w->lock);
    if (w->count <= most && is_new(w, text)) {
        if (w->count <= most)
            console_to(stderr, "nephron: warning: %s; voxels count as they lie in the files, as in nnU-Net\n",
                       text);
        else
            console_to(stderr, "nephron: warning: more files differ so; `nephron info DATASET` tells them "
                               "all, --strict refuses the first\n");
    }
    pthread_mutex_unlock(&w->lock);
}

struct grid_check grid_warnings_check(struct grid_warnings *w)
{
    return (struct grid_check){w->strict ? GRIDS_STRICT : GRIDS_AS_NNUNET, tell, w};
}

void grid_warnings_free(struct grid_warnings *w)
{
    free(w->told);
    w->told = NULL;
    w->count = w->room = 0;
}
