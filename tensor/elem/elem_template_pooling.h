/* elem_template_pooling.h - pooling kernels; part of elem_template_act.h. Lanes are channels; windows run in
 * the order z, y, x. */

INLINE void ELEM_KERNEL(max_fwd_vector)(ELEM *y, int32_t *index, const ELEM *x, const struct box *b, size_t c,
                                      int n)
{
    vf best = vf_set(-INFINITY);
    vi where = vi_set((int32_t)box_voxel(b, b->begin[0], b->begin[1], b->begin[2]));
    for (int z = b->begin[0]; z < b->end[0]; z++)
        for (int h = b->begin[1]; h < b->end[1]; h++)
            for (int w = b->begin[2]; w < b->end[2]; w++) {
                const size_t voxel = box_voxel(b, z, h, w);
                const vf v = get(x + voxel * c, n);
                const vm better = vm_or(vm_gt(v, best), vm_ne(v, v));
                best = vf_select(better, v, best);
                where = vi_select(better, vi_set((int32_t)voxel), where);
            }
    put(y, best, n);
    if (!index) return;
    if (n == LANES)
        vi_store(index, where);
    else
        vi_store_n(index, where, n);
}

static void ELEM_KERNEL(max_fwd)(void *to, int32_t *index, const void *from, const struct pooling_shape *s,
                                 int n, int z, int line)
{
    ELEM *y = to;
    const ELEM *x = from;
    const size_t c = (size_t)s->c;
    struct box b = {.h = s->in[1], .w = s->in[2]};
    const struct box out = {.h = s->out[1], .w = s->out[2]};
    x += (size_t)n * (size_t)s->in[0] * box_voxel(&b, 1, 0, 0) * c;
    const size_t start =
        (size_t)n * (size_t)s->out[0] * box_voxel(&out, 1, 0, 0) + box_voxel(&out, z, line, 0);
    y += start * c;
    if (index) index += start * c;
    window(&b.begin[0], &b.end[0], s, 0, z);
    window(&b.begin[1], &b.end[1], s, 1, line);
    for (int o = 0; o < s->out[2]; o++, y += c) {
        window(&b.begin[2], &b.end[2], s, 2, o);
        int i = 0;
        for (; i + LANES <= s->c; i += LANES)
            ELEM_KERNEL(max_fwd_vector)(y + i, index ? index + i : NULL, x + i, &b, c, LANES);
        if (i < s->c) ELEM_KERNEL(max_fwd_vector)(y + i, index ? index + i : NULL, x + i, &b, c, s->c - i);
        if (index) index += c;
    }
}

/* Each input collects from the windows that chose it, so that no two threads write to one place. */
INLINE void ELEM_KERNEL(max_bwd_vector)(ELEM *dx, const ELEM *dy, const int32_t *index, size_t me,
                                      const struct box *b, size_t c, int accumulate, int n)
{
    vf sum = vf_set(0);
    const vi self = vi_set((int32_t)me);
    for (int z = b->begin[0]; z < b->end[0]; z++)
        for (int h = b->begin[1]; h < b->end[1]; h++)
            for (int w = b->begin[2]; w < b->end[2]; w++) {
                const size_t at = box_voxel(b, z, h, w) * c;
                const vi chosen = n == LANES ? vi_load(index + at) : vi_load_n(index + at, n);
                sum = vf_add(sum, vf_select(vm_eqi(chosen, self), get(dy + at, n), vf_set(0)));
            }
    put(dx, accumulate ? vf_add(get(dx, n), sum) : sum, n);
}

static void ELEM_KERNEL(max_bwd)(void *to, const void *from, const int32_t *index,
                                 const struct pooling_shape *s, int n, int z, int line, int accumulate)
{
    ELEM *dx = to;
    const ELEM *dy = from;
    const size_t c = (size_t)s->c;
    struct box b = {.h = s->out[1], .w = s->out[2]};
    const struct box in = {.h = s->in[1], .w = s->in[2]};
    const size_t out_start = (size_t)n * (size_t)s->out[0] * box_voxel(&b, 1, 0, 0) * c;
    size_t me = box_voxel(&in, z, line, 0);
    dx += ((size_t)n * (size_t)s->in[0] * box_voxel(&in, 1, 0, 0) + me) * c;
    dy += out_start;
    index += out_start;
    windows_over(&b.begin[0], &b.end[0], s, 0, z);
    windows_over(&b.begin[1], &b.end[1], s, 1, line);
    for (int i = 0; i < s->in[2]; i++, me++, dx += c) {
        windows_over(&b.begin[2], &b.end[2], s, 2, i);
        int k = 0;
        for (; k + LANES <= s->c; k += LANES)
            ELEM_KERNEL(max_bwd_vector)(dx + k, dy + k, index + k, me, &b, c, accumulate, LANES);
        if (k < s->c) ELEM_KERNEL(max_bwd_vector)(dx + k, dy + k, index + k, me, &b, c, accumulate, s->c - k);
    }
}

INLINE void ELEM_KERNEL(avg_fwd_vector)(ELEM *y, const ELEM *x, const struct box *b, size_t c, float count,
                                      int n)
{
    vf sum = vf_set(0);
    for (int z = b->begin[0]; z < b->end[0]; z++)
        for (int h = b->begin[1]; h < b->end[1]; h++)
            for (int w = b->begin[2]; w < b->end[2]; w++)
                sum = vf_add(sum, get(x + box_voxel(b, z, h, w) * c, n));
    put(y, vf_div(sum, vf_set(count)), n);
}

static void ELEM_KERNEL(avg_fwd)(void *to, const void *from, const struct pooling_shape *s, int n, int z,
                                 int line)
{
    ELEM *y = to;
    const ELEM *x = from;
    const size_t c = (size_t)s->c;
    struct box b = {.h = s->in[1], .w = s->in[2]};
    const struct box out = {.h = s->out[1], .w = s->out[2]};
    x += (size_t)n * (size_t)s->in[0] * box_voxel(&b, 1, 0, 0) * c;
    y += ((size_t)n * (size_t)s->out[0] * box_voxel(&out, 1, 0, 0) + box_voxel(&out, z, line, 0)) * c;
    window(&b.begin[0], &b.end[0], s, 0, z);
    window(&b.begin[1], &b.end[1], s, 1, line);
    for (int o = 0; o < s->out[2]; o++, y += c) {
        window(&b.begin[2], &b.end[2], s, 2, o);
        const float count =
            (float)((b.end[0] - b.begin[0]) * (b.end[1] - b.begin[1]) * (b.end[2] - b.begin[2]));
        int i = 0;
        for (; i + LANES <= s->c; i += LANES) ELEM_KERNEL(avg_fwd_vector)(y + i, x + i, &b, c, count, LANES);
        if (i < s->c) ELEM_KERNEL(avg_fwd_vector)(y + i, x + i, &b, c, count, s->c - i);
    }
}

INLINE void ELEM_KERNEL(avg_bwd_vector)(ELEM *dx, const ELEM *dy, const struct box *b,
                                      const struct pooling_shape *s, int accumulate, int n)
{
    const size_t c = (size_t)s->c;
    vf sum = vf_set(0);
    for (int z = b->begin[0]; z < b->end[0]; z++)
        for (int h = b->begin[1]; h < b->end[1]; h++)
            for (int w = b->begin[2]; w < b->end[2]; w++) {
                const int count = window_size(s, 0, z) * window_size(s, 1, h) * window_size(s, 2, w);
                sum = vf_add(sum, vf_div(get(dy + box_voxel(b, z, h, w) * c, n), vf_set((float)count)));
            }
    put(dx, accumulate ? vf_add(get(dx, n), sum) : sum, n);
}

static void ELEM_KERNEL(avg_bwd)(void *to, const void *from, const struct pooling_shape *s, int n, int z,
                                 int line, int accumulate)
{
    ELEM *dx = to;
    const ELEM *dy = from;
    const size_t c = (size_t)s->c;
    struct box b = {.h = s->out[1], .w = s->out[2]};
    const struct box in = {.h = s->in[1], .w = s->in[2]};
    dx += ((size_t)n * (size_t)s->in[0] * box_voxel(&in, 1, 0, 0) + box_voxel(&in, z, line, 0)) * c;
    dy += (size_t)n * (size_t)s->out[0] * box_voxel(&b, 1, 0, 0) * c;
    windows_over(&b.begin[0], &b.end[0], s, 0, z);
    windows_over(&b.begin[1], &b.end[1], s, 1, line);
    for (int i = 0; i < s->in[2]; i++, dx += c) {
        windows_over(&b.begin[2], &b.end[2], s, 2, i);
        int k = 0;
        for (; k + LANES <= s->c; k += LANES)
            ELEM_KERNEL(avg_bwd_vector)(dx + k, dy + k, &b, s, accumulate, LANES);
        if (k < s->c) ELEM_KERNEL(avg_bwd_vector)(dx + k, dy + k, &b, s, accumulate, s->c - k);
    }
}
