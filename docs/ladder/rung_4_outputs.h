/* rung_4_outputs.h - the second half of rung 4: from products back to outputs, and the walk over the tiles.
 */

/* The eight outputs of a tile, those that are inside of y. */
static void put_outputs(const struct winograd_call *call, const float *m, size_t panel, int z, int y, int x)
{
    const struct layer *l = call->l;
    for (int i = 0; i < VECTORS; i++) {
        const int k = (int)panel * PANEL + i * LANES, n = l->k - k < LANES ? l->k - k : LANES;
        vf a[POINTS];
        if (n <= 0) return;
        for (size_t p = 0; p < POINTS; p++) a[p] = vf_load(m + p * TILES * PANEL + (size_t)i * LANES);
        for (int axis = 0; axis < 3; axis++)
            for (int line = 0; line < 16; line++) {
                vf *b = a + line_begin(axis, line);
                const int s = axis_step[axis];
                const vf m1 = b[s], m2 = b[2 * s];
                b[0] = vf_add(vf_add(b[0], m1), m2);
                b[s] = vf_add(vf_sub(m1, m2), b[3 * s]);
            }
        for (int p = 0; p < 8; p++) {
            const int at[3] = {z + p / 4, y + p / 2 % 2, x + p % 2};
            if (at[0] >= l->d || at[1] >= l->h || at[2] >= l->w) continue;
            const size_t voxel =
                ((size_t)at[0] * (size_t)l->h + (size_t)at[1]) * (size_t)l->w + (size_t)at[2];
            vf_store_n(call->y + voxel * (size_t)l->k + k, a[p / 4 * 16 + p / 2 % 2 * 4 + p % 2], n);
        }
    }
}

/* A job is a batch of tiles: few enough for the second cache, enough to use each weight often. */
static void batch_job(void *arg, int job, int thread)
{
    const struct winograd_call *call = arg;
    const struct layer *l = call->l;
    const int across = (l->w + 1) / 2, down = (l->h + 1) / 2, all = (l->d + 1) / 2 * down * across,
              first = job * TILES;
    const size_t c = (size_t)l->c, line = (size_t)(l->w + 3) * c, plane = (size_t)(l->h + 3) * line;
    float *v = call->room + room_floats(l) * (size_t)thread, *m = v + POINTS * TILES * c;
    for (int t = first; t < first + TILES && t < all; t++) {
        const int z = t / across / down * 2, y = t / across % down * 2, x = t % across * 2;
        transform_tile(v + (size_t)(t - first) * c,
                       call->padded + (size_t)z * plane + (size_t)y * line + (size_t)x * c, c, line, plane);
    }
    for (size_t panel = 0; panel < panels_of(l); panel++) {
        for (size_t p = 0; p < POINTS; p++)
            multiply(m + p * TILES * PANEL, v + p * TILES * c,
                     call->weights + (panel * POINTS + p) * c * PANEL, c);
        for (int t = first; t < first + TILES && t < all; t++)
            put_outputs(call, m + (size_t)(t - first) * PANEL, panel, t / across / down * 2,
                        t / across % down * 2, t % across * 2);
    }
}

void winograd_run(float *y, const float *x, const float *w, const struct layer *l, void *scratch,
                  struct pool *pool)
{
    float *weights = scratch, *padded = weights + panels_of(l) * POINTS * (size_t)l->c * PANEL;
    struct winograd_call call = {l, padded, weights, y, padded + padded_floats(l, 1)};
    const int tiles = (l->d + 1) / 2 * ((l->h + 1) / 2) * ((l->w + 1) / 2);
    transform_weights(weights, w, l);
    pad_input(padded, x, l, 1);
    memset(call.room, 0, room_floats(l) * (size_t)pool_threads(pool) * sizeof(float));
    pool_run(pool, (tiles + TILES - 1) / TILES, batch_job, &call);
}
