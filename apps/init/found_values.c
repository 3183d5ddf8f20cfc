/* found_values.c - what the headers of a dataset's images and the values of its label maps say. */
#include <stdlib.h>
#include <string.h>

#include "apps/init/found.h"
#include "io/formats/image_formats.h"
#include "io/image/grids.h"
#include "nn/data/labelmap.h"

static void widen(double range[2][3], int axis, double v, int first)
{
    if (first || v < range[0][axis]) range[0][axis] = v;
    if (first || v > range[1][axis]) range[1][axis] = v;
}

/* The header of a file of the case into v, its volumes or components counted into *held; on the grid of
 * `first`, NULL where it is the first. */
static int look_at_file(struct volume *v, int *held, struct found *w, const char *path,
                        const struct volume *first, const char *first_path, struct error *e)
{
    const struct grid_check grids = grid_warnings_check(&w->grids);
    if (volume_read_header(v, path, e)) return -1;
    volume_free(v); /* a header owns nothing that is looked at here */
    *held = (int)(v->size[3] < CHANNELS_MAX ? v->size[3] : CHANNELS_MAX);
    v->size[3] = 1;
    return first ? grids_check(&grids, first, first_path, v, path, e) : 0;
}

/* Drawing programs and scripts write masks of 0 and 255. */
static int refuse_value(const char *path, const uint8_t *seen, int value, struct error *e)
{
    int others = 0;
    for (int v = 1; v < LABEL_VALUES; v++) others += v != value && seen[v];
    if (!others)
        return error_set(e, "%s: holds 0 and %d alone: a label of a dataset is 1 there, not %d", path, value,
                         value);
    return error_set(e, "%s: holds the label value %d; values are consecutive from 0, and at most %d", path,
                     value, LABELS_MAX - 1);
}

static int look_at_case(struct found *w, int i, uint8_t *seen, struct error *e)
{
    struct found_case *c = &w->item[i];
    struct volume first, v;
    int held = 0, one;
    for (int k = 0; k < c->files; k++) {
        if (look_at_file(k ? &v : &first, &one, w, c->image[k], k ? &first : NULL, c->image[0], e)) return -1;
        held += one;
    }
    for (int a = 0; a < 3; a++)
        widen(w->spacing, a, first.spacing[a], i == 0), widen(w->size, a, (double)first.size[a], i == 0);
    if (i && held != w->channels)
        return error_set(e, "case %s has %d channel%s, %s has %d", c->id, held, held == 1 ? "" : "s",
                         w->item[0].id, w->channels);
    w->channels = held;
    int status = 0;
    if (c->label[0]) {
        memset(seen, 0, LABEL_VALUES);
        status = look_at_file(&v, &one, w, c->label, &first, c->image[0], e);
        if (!status) status = labelmap_values(seen, c->label, e);
        for (int value = 0; !status && value < LABEL_VALUES; value++) {
            if (!seen[value]) continue;
            if (value >= LABELS_MAX) status = refuse_value(c->label, seen, value, e);
            else if (!w->seen_in[value]++) w->first_with[value] = i;
            if (!status && value >= w->values) w->values = value + 1;
        }
    }
    return status;
}

int found_values(struct found *w, struct error *e)
{
    uint8_t *seen = malloc(LABEL_VALUES);
    int status = seen ? 0 : error_set(e, "out of memory");
    for (int i = 0; !status && i < w->cases; i++) status = look_at_case(w, i, seen, e);
    free(seen);
    return status;
}
