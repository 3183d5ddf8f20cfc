/* grid_warnings.c - warnings of grids that differ, each told once. */
#include "apps/base/grid_warnings.h"

#include <stdio.h>
#include <stdlib.h>

#include "apps/base/console.h"

/* FNV-1a, 64 bits. */
static uint64_t hash_text(const char *text)
{
    uint64_t h = 14695981039346656037u;
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h;
}

/* 1 where it is new. Without memory for the list a text may come twice. */
static int is_new(struct told *t, const char *text)
{
    uint64_t h = hash_text(text);
    for (int i = 0; i < t->count; i++)
        if (t->hash[i] == h) return 0;
    if (t->count == t->room) {
        uint64_t *more = realloc(t->hash, (size_t)(t->room + 64) * sizeof *more);
        if (!more) return 1;
        t->hash = more;
        t->room += 64;
    }
    t->hash[t->count++] = h;
    return 1;
}

static void tell(void *context, const char *text)
{
    struct grid_warnings *w = context;
    const int most = w->most ? w->most : GRID_WARNINGS_MOST;
    pthread_mutex_lock(&w->lock);
    if (w->warned.count <= most && is_new(&w->warned, text)) {
        if (w->warned.count <= most)
            console_to(stderr, "nephron: warning: %s; voxels count as they lie in the files, as in nnU-Net\n",
                       text);
        else
            console_to(stderr, "nephron: warning: more files differ so; `nephron info DATASET` tells them "
                               "all, --strict refuses the first\n");
    }
    pthread_mutex_unlock(&w->lock);
}

static void tell_assumed(void *context, const char *path, const char *assumed)
{
    struct grid_warnings *w = context;
    pthread_mutex_lock(&w->lock);
    if (w->assumed.count < GRID_WARNINGS_MOST && is_new(&w->assumed, assumed))
        console_to(stderr, "nephron: note: %s: assumed %s (said of the first such file only)\n", path,
                   assumed);
    pthread_mutex_unlock(&w->lock);
}

static void tell_constant(void *context, const char *path, int channel, double value)
{
    struct grid_warnings *w = context;
    char text[1500];
    snprintf(text, sizeof text, "%d %s", channel, path);
    pthread_mutex_lock(&w->lock);
    if (is_new(&w->constant, text) && w->constant.count == 1) {
        console_to(stderr, "nephron: note: %s: all voxels of channel %d are %g: it shows nothing\n", path,
                   channel, value);
        w->counted = 1;
    }
    pthread_mutex_unlock(&w->lock);
}

void grid_warnings_count(struct grid_warnings *w)
{
    pthread_mutex_lock(&w->lock);
    if (w->constant.count > w->counted)
        console_to(stderr, "nephron: note: %d channels of the files that were read have one value in all "
                           "voxels\n",
                   w->constant.count);
    w->counted = w->constant.count;
    pthread_mutex_unlock(&w->lock);
}

struct grid_check grid_warnings_check(struct grid_warnings *w)
{
    return (struct grid_check){.rule = w->strict ? GRIDS_STRICT : GRIDS_AS_NNUNET,
                               .tell = tell,
                               .tell_assumed = tell_assumed,
                               .tell_constant = tell_constant,
                               .context = w};
}

void grid_warnings_free(struct grid_warnings *w)
{
    grid_warnings_count(w);
    free(w->warned.hash);
    free(w->assumed.hash);
    free(w->constant.hash);
    w->warned = w->assumed = w->constant = (struct told){0};
    w->counted = 0;
}
