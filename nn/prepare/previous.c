/* previous.c - a previous stage's labels as input channels: joined to the image, augmented. */
#include "nn/prepare/previous.h"

#include <stdlib.h>
#include <string.h>

#include "io/weights/npy.h"
#include "nn/data/components.h"

static const float p_operator = 0.4f, p_removal = 0.2f, p_label = 0.5f;

static size_t voxels_of(const int size[3])
{
    return (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
}

/* ---- binary operators ---------------------------------------------------------------------------------- */

/* Voxels farther than this from the mask, squared and in half voxels, are in no ball: 3 * 16^2 and more. */
enum { FAR = 30000 };

/* skimage's ball of radius r has floor(2 r + 1) voxels along each axis, an even number of which lie off the
 * centre by half a voxel. So distances are counted in half voxels. out[i] = min over the ball's row of in[i +
 * d] + (distance of d)^2, along the axis whose neighbours are `inner` elements apart. */
static void nearest_along(uint16_t *out, const uint16_t *in, size_t outer, int n, size_t inner, int width)
{
    int left = (width - 1) / 2;
    size_t block = (size_t)n * inner;
    for (size_t i = 0; i < outer * block; i++) out[i] = FAR;
    for (int d = -left; d < width - left; d++) {
        int away = 2 * d - (width % 2 == 0), first = d < 0 ? -d : 0, last = d > 0 ? n - d : n;
        uint16_t cost = (uint16_t)(away * away);
        for (size_t o = 0; o < outer; o++) {
            uint16_t *to = out + o * block;
            const uint16_t *from = in + o * block;
            for (ptrdiff_t i = first * (ptrdiff_t)inner, shift = d * (ptrdiff_t)inner;
                 i < last * (ptrdiff_t)inner; i++) {
                uint16_t v = (uint16_t)(from[i + shift] + cost);
                if (v < to[i]) to[i] = v;
            }
        }
    }
}

/* mask becomes its dilation by a ball `width` voxels wide; outside of the map is nothing. inside 0: erosion,
 * the dilation of the rest. */
static void dilate(uint8_t *mask, int inside, const int size[3], int width, uint16_t *work)
{
    size_t n = voxels_of(size), plane = (size_t)size[1] * (size_t)size[2];
    uint16_t *a = work, *b = work + n;
    for (size_t i = 0; i < n; i++) a[i] = mask[i] == inside ? 0 : FAR;
    nearest_along(b, a, n / (size_t)size[2], size[2], 1, width);
    nearest_along(a, b, (size_t)size[0], size[1], (size_t)size[2], width);
    nearest_along(b, a, 1, size[0], plane, width);
    for (size_t i = 0; i < n; i++)
        if (b[i] <= (width - 1) * (width - 1)) mask[i] = (uint8_t)inside;
}

enum operator { DILATION, EROSION, CLOSING, OPENING, OPERATORS };

static void apply_operator(uint8_t *mask, enum operator op, const int size[3], int width, uint16_t *work)
{
    int first = op == DILATION || op == CLOSING;
    dilate(mask, first, size, width, work);
    if (op == CLOSING || op == OPENING) dilate(mask, !first, size, width, work);
}

static void operate(uint8_t *map, uint8_t label, const int size[3], struct rng *rng, uint16_t *work,
                    uint8_t *mask)
{
    size_t n = voxels_of(size);
    enum operator op = (enum operator)rng_below(rng, OPERATORS);
    int width = (int)(2 * rng_range(rng, 1, 8) + 1);
    for (size_t i = 0; i < n; i++) mask[i] = map[i] == label;
    apply_operator(mask, op, size, width, work);
    for (size_t i = 0; i < n; i++) {
        if (mask[i]) map[i] = label;
        else if (map[i] == label) map[i] = 0;
    }
}

/* ---- components ---------------------------------------------------------------------------------------- */

/* At most 6 components have 15 % of the voxels or more. */
enum { LARGE_MAX = 7 };

static int compare_ids(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Their ids, ascending. What has more than an eighth of the voxels is among seven candidates that one pass
 * finds without a count for every component (Misra and Gries 1982); a second pass counts those. */
static int large_components(int32_t large[LARGE_MAX], const int32_t *id, size_t n)
{
    int32_t candidate[LARGE_MAX] = {0};
    size_t votes[LARGE_MAX] = {0}, count[LARGE_MAX] = {0};
    int larges = 0;
    for (size_t i = 0; i < n; i++) {
        int k = 0, empty = -1;
        if (id[i] == 0) continue;
        for (; k < LARGE_MAX && !(votes[k] && candidate[k] == id[i]); k++)
            if (!votes[k]) empty = k;
        if (k < LARGE_MAX) votes[k]++;
        else if (empty >= 0) candidate[empty] = id[i], votes[empty] = 1;
        else
            for (k = 0; k < LARGE_MAX; k++) votes[k]--;
    }
    for (size_t i = 0; i < n; i++)
        for (int k = 0; id[i] && k < LARGE_MAX; k++) count[k] += votes[k] && candidate[k] == id[i];
    for (int k = 0; k < LARGE_MAX; k++)
        if (votes[k] && !((double)count[k] < (double)n * 0.15)) large[larges++] = candidate[k];
    qsort(large, (size_t)larges, sizeof *large, compare_ids);
    return larges;
}

static void remove_component(uint8_t *map, uint8_t label, const int size[3], struct rng *rng, int32_t *id,
                             uint8_t *mask)
{
    size_t n = voxels_of(size);
    for (size_t i = 0; i < n; i++) mask[i] = map[i] == label;
    int found = components_find(id, mask, size);
    if (found < 1) return;
    int32_t large[LARGE_MAX];
    int larges = large_components(large, id, n);
    if (larges == found) return;
    int32_t chosen =
        1 + (int32_t)rng_below(rng, (uint32_t)(found - larges)); /* of those that are not large */
    for (int k = 0; k < larges; k++) chosen += large[k] <= chosen;
    for (size_t i = 0; i < n; i++)
        if (id[i] == chosen) map[i] = 0;
}

void previous_augment(uint8_t *map, const int size[3], int labels, float strength, struct rng *rng,
                      void *work)
{
    int order[LABELS_MAX];
    uint8_t *mask = (uint8_t *)work + voxels_of(size) * sizeof(int32_t);
    for (int turn = 0; turn < 2; turn++) {
        if (rng_float(rng) >= (turn == 0 ? p_operator : p_removal) * strength) continue;
        for (int k = 0; k + 1 < labels; k++) order[k] = k + 1;
        rng_shuffle(rng, order, labels - 1);
        for (int k = 0; k + 1 < labels; k++) {
            if (rng_float(rng) >= p_label) continue;
            if (turn == 0) operate(map, (uint8_t)order[k], size, rng, work, mask);
            else remove_component(map, (uint8_t)order[k], size, rng, work, mask);
        }
    }
}

/* ---- inference ----------------------------------------------------------------------------------------- */

size_t previous_bytes(int channels, int labels, size_t raw, size_t prepared)
{
    size_t read = raw * (size_t)channels + 2 * raw;
    size_t joined = prepared * (size_t)channels + prepared * (size_t)(channels + labels);
    return (read > joined ? read : joined) * sizeof(float);
}

int previous_join(struct prepared *s, struct error *e)
{
    size_t n = voxels_of(s->size), before = (size_t)s->channels, after = before + (size_t)s->previous_labels;
    float *image = malloc(n * after * sizeof *image), *to = image;
    if (!image) return error_set(e, "no memory for %zu voxels of %zu channels", n, after);
    for (size_t i = 0; i < n; i++, to += after) {
        memcpy(to, s->image + i * before, before * sizeof *to);
        for (size_t k = before; k < after; k++) to[k] = s->previous[i] == k - before + 1;
    }
    free(s->image);
    s->image = image;
    s->channels = (int)after;
    return 0;
}
