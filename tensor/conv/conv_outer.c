/* conv_outer.c - the outer of conv_kernels.h over the threads: weight gradients.
 *
 * A job is one stripe of the lines of dy, one panel of k (or all) and one block of c. It goes over its lines
 * in chunks that fit the second cache: copies the panel of dy and the lines of x that belong to them (unless
 * they can be read in place), and then, tap by tap, adds the chunk's products to its sums, which are laid out
 * like packed weights. When all jobs are done, the stripes are added up into dw.
 *
 * The number of stripes depends on the shape only. It is 1 where panels and blocks alone make CONV_PARTS
 * jobs: then a job adds its sums to dw itself, while they are in the cache, and they need no memory beyond
 * it. */
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/conv/conv_algorithm.h"

/* Voxels in a chunk: a tile's accumulators are loaded and stored once for these. Few input channels make
 * small tiles, which are loaded fast and need dy from the first cache. */
enum { CHUNK_VOXELS = 256, THIN_CHUNK_VOXELS = 96 };
/* Sums of the panels that a job takes together, in one block of c: a quarter of the smallest second cache. */
enum { TOGETHER_FLOATS = 65536 };

enum { LEAST_BLOCK = 16 }; /* channels c of a job, however many threads there are */

struct outer_call {
    const struct conv3d_shape *s;
    const struct gather *forward; /* with x and dy */
    const struct outer_form *form; /* what computes the sums; NULL: the direct form, here */
    struct gather_source source; /* x NULL: lines of x are copied */
    int all_taps;                /* it has zeros where taps are outside */
    const struct conv_kernels *kernels;
    const void *x, *dy;
    float *dw, *db;
    size_t w_k, w_c;
    float *sums;   /* [stripe][weights as packed]; of one stripe: [thread][weights of a job] */
    float *bias_sums;  /* [stripe][k padded] */
    float *copies; /* [thread]: x, dy, table of lines; another form: what it needs */
    size_t sums_floats, x_floats, dy_floats, copy_floats;
    int taps, panels, stripes;
    int block, blocks; /* channels c of a job, and how many jobs that makes */
    int fetch;     /* x in place comes from far */
    int together;  /* panels of a job: all, or 1 */
    int chunk;     /* most lines of dy in a chunk */
    int positions; /* of a copied line of x */
};

/* Lines [r, r + lines) of dy: in one z, or whole planes; of one n. And the lines of x that they reach: [z0,
 * z1) x [y0, y1). */
struct chunk {
    int n, z, y, lines;
    int z0, z1, y0, y1;
};

static int lines_of(const struct conv3d_shape *s)
{
    return s->n * s->out[0] * s->out[1];
}

int outer_stripes(const struct conv3d_shape *s)
{
    return conv_max(1, conv_min(lines_of(s), CONV_PARTS / (conv_panels(s->k) * conv_blocks(s->c))));
}

static int chunk_lines(const struct conv3d_shape *s)
{
    return conv_max(1, (s->c <= CONV_THIN ? THIN_CHUNK_VOXELS : CHUNK_VOXELS) / s->out[2]);
}

/* x positions [*first, *end) along an axis that outputs [o, o + n) reach, inside of the volume. */
static void reach(const struct conv3d_shape *s, int axis, int o, int n, int *first, int *end)
{
    *first = conv_max(0, o * s->stride[axis] - s->pad[axis]);
    *end = conv_max(*first,
                    conv_min(s->in[axis], (o + n - 1) * s->stride[axis] - s->pad[axis] + s->kernel[axis]));
}

static struct chunk chunk_at(const struct conv3d_shape *s, int line, int end)
{
    const int h = s->out[1], most = conv_min(chunk_lines(s), end - line);
    struct chunk k = {.n = line / (h * s->out[0]), .z = line / h % s->out[0], .y = line % h};
    const int planes = k.y == 0 ? conv_min(most / h, s->out[0] - k.z) : 0;
    k.lines = planes ? planes * h : conv_min(most, h - k.y);
    reach(s, 0, k.z, planes ? planes : 1, &k.z0, &k.z1);
    reach(s, 1, k.y, planes ? h : k.lines, &k.y0, &k.y1);
    return k;
}

/* ---- copies -------------------------------------------------------------------------------------------- */

static void copy_x(const struct outer_call *a, float *dst, const struct chunk *k, int c0, int cn)
{
    const struct conv3d_shape *s = a->s;
    const size_t row = (size_t)cn;
    const int before = conv_min(s->pad[2], a->positions),
              inside = conv_max(0, conv_min(s->in[2], a->positions - before));
    const int after = a->positions - before - inside;
    for (int z = k->z0; z < k->z1; z++)
        for (int y = k->y0; y < k->y1; y++) {
            const size_t line = ((size_t)k->n * (size_t)s->in[0] + (size_t)z) * (size_t)s->in[1] + (size_t)y;
            const void *src = conv_at(a->x, s->x_type, line * (size_t)s->in[2] * (size_t)s->c + (size_t)c0);
            memset(dst, 0, (size_t)before * row * sizeof *dst);
            dst += (size_t)before * row;
            conv_copy(a->kernels, dst, src, s->x_type, inside, cn, s->c);
            dst += (size_t)inside * row;
            memset(dst, 0, (size_t)after * row * sizeof *dst);
            dst += (size_t)after * row;
        }
}

/* A panel of dy, of which a voxel's width floats are followed by `skip` others. */
struct outer_dy {
    const float *dy;
    int width;
    size_t skip;
};

/* Where that is dy itself, or else a copy, filled up with zeros. */
static struct outer_dy panel_of_dy(const struct outer_call *a, float *dst, const struct chunk *k, int k0,
                                   int kn, int width)
{
    const struct conv3d_shape *s = a->s;
    const struct outer_dy copied = {dst, width, 0};
    const size_t line = ((size_t)k->n * (size_t)s->out[0] + (size_t)k->z) * (size_t)s->out[1] + (size_t)k->y;
    const void *from = conv_at(a->dy, s->y_type, line * (size_t)s->out[2] * (size_t)s->k + (size_t)k0);
    const float *src = from;
    const int voxels = k->lines * s->out[2];
    int step = s->k;
    if (s->y_type == CONV_F32 && kn == width) return (struct outer_dy){src, width, (size_t)(s->k - width)};
    if (s->y_type == CONV_BF16) {
        float *rows = dst + (size_t)voxels *
                                (size_t)(width - kn); /* where filling them up below does not overtake them */
        conv_copy(a->kernels, rows, from, s->y_type, voxels, kn, s->k);
        if (kn == width) return copied;
        src = rows;
        step = kn;
    }
    for (int i = 0; i < voxels; i++, src += step, dst += width) {
        for (int j = 0; j < kn; j++) dst[j] = src[j];
        for (int j = kn; j < width; j++) dst[j] = 0;
    }
    return copied;
}

/* The lines of x of a chunk and its n: position (z, y) at x + ((z + z0) * height + y + y0) * row. */
struct outer_x {
    const float *x;
    int z0, y0, height;
    size_t row, voxel;
};

static struct outer_x lines_of_x(const struct outer_call *a, float *copy, const struct chunk *k, int c0,
                                 int cn)
{
    const struct conv3d_shape *s = a->s;
    const struct gather_source *p = &a->source;
    if (!p->x) {
        copy_x(a, copy, k, c0, cn);
        return (struct outer_x){copy,      -k->z0, -k->y0, k->y1 - k->y0, (size_t)a->positions * (size_t)cn,
                                (size_t)cn};
    }
    const size_t row = (size_t)p->size[2] * (size_t)s->c;
    for (int z = k->z0; a->fetch && z < k->z1; z++) {
        const float *from =
            p->x + (((size_t)k->n * (size_t)s->in[0] + (size_t)z) * (size_t)s->in[1] + (size_t)k->y0) * row +
            (size_t)c0;
        conv_prefetch(from, (k->y1 - k->y0) * s->in[2], (size_t)s->c, cn, 0);
    }
    return (struct outer_x){p->x + (size_t)k->n * (size_t)p->size[0] * (size_t)p->size[1] * row + (size_t)c0,
                            p->before[0],
                            p->before[1],
                            p->size[1],
                            row,
                            (size_t)s->c};
}

/* ---- sums ---------------------------------------------------------------------------------------------- */

/* The lines of the chunk that have the tap (kz, ky) inside of x; of them, from voxel `first` on, tap kx. */
static int tap_lines(const struct outer_call *a, struct outer_line *line, const struct chunk *k,
                     const struct outer_x *x, const struct outer_dy *dy, int kz, int ky, int kx, int first)
{
    const struct conv3d_shape *s = a->s;
    int count = 0;
    for (int i = 0; i < k->lines; i++) {
        const int z = k->z + (k->y + i) / s->out[1], y = (k->y + i) % s->out[1];
        const int iz = z * s->stride[0] - s->pad[0] + kz, iy = y * s->stride[1] - s->pad[1] + ky;
        if (!a->all_taps && (iz < 0 || iz >= s->in[0] || iy < 0 || iy >= s->in[1])) continue;
        line[count].x = x->x + ((size_t)(iz + x->z0) * (size_t)x->height + (size_t)(iy + x->y0)) * x->row +
                        (size_t)(first * s->stride[2] + kx) * x->voxel;
        line[count++].dy = dy->dy + (size_t)(i * s->out[2] + first) * ((size_t)dy->width + dy->skip);
    }
    return count;
}

/* The voxels of a line, [*first, *end), for which taps [kx, kx + taps) along w are not all outside of x: the
 * others would add zeros. */
static void tap_voxels(const struct conv3d_shape *s, int kx, int taps, int *first, int *end)
{
    const int stride = s->stride[2], low = s->pad[2] - kx - taps + 1,
              high = s->in[2] + s->pad[2] - kx; /* low <= o * stride < high */
    *first = low > 0 ? (low + stride - 1) / stride : 0;
    *end = high > 0 ? conv_min(s->out[2], (high + stride - 1) / stride) : 0;
}

/* `length` sums from t->acc on, evenly cut into tiles. */
static void run_tiles(const struct outer_call *a, struct outer_tile t, float *sums, int length)
{
    const int tiles = (length + a->kernels->outer_count - 1) / a->kernels->outer_count;
    for (int i = 0; i < tiles; i++) {
        const int first = (int)((long long)length * i / tiles);
        t.count = (int)((long long)length * (i + 1) / tiles) - first;
        t.x_first = (size_t)first;
        t.acc = sums + (size_t)first * (size_t)t.width;
        a->kernels->outer(&t);
    }
}

/* Taps along w are taken together where the channels of one of them are too few for whole tiles and follow
 * one another. */
static void run_chunk(const struct outer_call *a, float *sums, struct outer_line *line, const struct chunk *k,
                      const struct outer_x *x, const struct outer_dy *dy, int cn)
{
    const struct conv3d_shape *s = a->s;
    struct outer_tile t = {.line = line,
                           .width = dy->width,
                           .dy_skip = dy->skip,
                           .x_row = x->row,
                           .x_voxel = (size_t)s->stride[2] * x->voxel};
    const int together = cn < CONV_BLOCK && x->voxel == (size_t)cn ? s->kernel[2] : 1, length = together * cn;
    const int most = a->all_taps && length == 3 ? conv_min(3, a->kernels->outer_count / 3) : 1;
    for (int tap = 0; tap < a->taps;
         tap += t.rows * together, sums += (size_t)(t.rows * length) * (size_t)t.width) {
        const int kx = tap % s->kernel[2], ky = tap / s->kernel[2] % s->kernel[1],
                  kz = tap / s->kernel[2] / s->kernel[1];
        int first, end;
        tap_voxels(s, kx, together, &first, &end);
        t.rows = conv_min(most, s->kernel[1] - ky);
        t.voxels = end - first;
        t.lines = tap_lines(a, line, k, x, dy, kz, ky, kx, first);
        if (t.lines && t.voxels > 0) run_tiles(a, t, sums, length);
    }
}

/* Lines [first, end) of dy, channels k of a panel. */
static void add_bias(const struct outer_call *a, float *bias_sums, int first, int end, int k0, int kn)
{
    const struct conv3d_shape *s = a->s;
    const size_t at = (size_t)first * (size_t)s->out[2] * (size_t)s->k + (size_t)k0,
                 voxels = (size_t)(end - first) * (size_t)s->out[2];
    a->kernels->add_rows(bias_sums, conv_at(a->dy, s->y_type, at), s->y_type, voxels, kn, (size_t)s->k);
}

static size_t sums_offset(const struct outer_call *a, int panel, int block)
{
    const size_t width = (size_t)conv_width(a->s->k, panel), taps = (size_t)a->taps;
    return (size_t)panel * CONV_PANEL * (size_t)a->s->c * taps + (size_t)(block * a->block) * width * taps;
}

/* ---- adding the stripes up ----------------------------------------------------------------------------- */

static void add_up(const struct outer_call *a, int panel, int block, const float *sums)
{
    const struct conv3d_shape *s = a->s;
    const int k0 = panel * CONV_PANEL, c0 = block * a->block;
    const int width = conv_width(s->k, panel), kn = conv_min(width, s->k - k0),
              cn = conv_min(a->block, s->c - c0);
    const int run = a->w_c == (size_t)a->taps ? cn : 1; /* channels whose weights follow one another */
    for (int c = 0; c < cn; c += run) {
        float *dw = a->dw + (size_t)k0 * a->w_k + (size_t)(c0 + c) * a->w_c;
        int tap = 0, channel = c;
        for (int first = 0, count; first < run * a->taps; first += count) {
            const float *from[CONV_COLUMNS];
            count = conv_min(CONV_COLUMNS, run * a->taps - first);
            for (int i = 0; i < count; i++) {
                from[i] = sums + ((size_t)tap * (size_t)cn + (size_t)channel) * (size_t)width;
                if (++tap == a->taps) tap = 0, channel++;
            }
            conv_prefetch(dw + first + count, kn, a->w_k,
                          conv_min(CONV_COLUMNS, run * a->taps - first - count), 1);
            a->kernels->unpack(dw + first, a->w_k, from, a->sums_floats, a->stripes, count, kn);
        }
    }
    for (int k = 0; a->db && block == 0 && k < kn; k++) {
        const float *sum = a->bias_sums + k0 + k;
        float all = sum[0];
        for (int i = 1; i < a->stripes; i++) all += sum[(size_t)i * conv_padded(s->k)];
        a->db[k0 + k] += all;
    }
}

/* ---- jobs ---------------------------------------------------------------------------------------------- */

/* Lines [first, end) of a chunk for panels [p0, p1), from `sums` of the first one on. */
static void run_panels(const struct outer_call *a, const struct chunk *k, int block, int p0, int p1,
                       float *sums, float *copies)
{
    const struct conv3d_shape *s = a->s;
    const int c0 = block * a->block, cn = conv_min(a->block, s->c - c0);
    float *dy = copies + a->x_floats;
    struct outer_line *line = (struct outer_line *)(dy + a->dy_floats);
    const struct outer_x x = lines_of_x(a, copies, k, c0, cn);
    for (int panel = p0; panel < p1; panel++) {
        const int k0 = panel * CONV_PANEL, width = conv_width(s->k, panel), kn = conv_min(width, s->k - k0);
        const struct outer_dy panel_dy = panel_of_dy(a, dy, k, k0, kn, width);
        run_chunk(a, sums + (sums_offset(a, panel, block) - sums_offset(a, p0, block)), line, k, &x,
                  &panel_dy, cn);
    }
}

/* All panels of a stripe and a block where their sums stay in the second cache together: then x is copied
 * once for all of them. */
static void outer_job(void *arg, int job, int thread)
{
    const struct outer_call *a = arg;
    const struct conv3d_shape *s = a->s;
    const int groups = a->panels / a->together, block = job % a->blocks,
              p0 = job / a->blocks % groups * a->together, p1 = p0 + a->together;
    const int stripe = job / a->blocks / groups, cn = conv_min(a->block, s->c - block * a->block);
    float *sums = a->stripes == 1 ? a->sums + (size_t)thread * a->sums_floats
                                  : a->sums + (size_t)stripe * a->sums_floats + sums_offset(a, p0, block);
    const int k0 = p0 * CONV_PANEL, kn = conv_min(s->k, p1 * CONV_PANEL) - k0;
    float *bias_sums = a->db && block == 0 ? a->bias_sums + (size_t)stripe * conv_padded(s->k) + k0 : NULL;
    float *copies = a->copies + (size_t)thread * a->copy_floats;
    const long long lines = lines_of(s);
    const int end = (int)(lines * (stripe + 1) / a->stripes);
    const int direct = !a->form;
    for (int panel = p0; direct && panel < p1; panel++)
        memset(sums + (sums_offset(a, panel, block) - sums_offset(a, p0, block)), 0,
               (size_t)conv_width(s->k, panel) * (size_t)cn * (size_t)a->taps * sizeof *sums);
    if (bias_sums) memset(bias_sums, 0, (size_t)kn * sizeof *bias_sums);
    for (int first = (int)(lines * stripe / a->stripes); (direct || bias_sums) && first < end;) {
        const struct chunk k = chunk_at(s, first, end);
        if (direct) run_panels(a, &k, block, p0, p1, sums, copies);
        if (bias_sums) add_bias(a, bias_sums, first, first + k.lines, k0, kn);
        first += k.lines;
    }
    if (a->form) a->form->sums(sums, a->forward, p0, block * a->block, cn, stripe, a->stripes, copies);
    if (a->stripes == 1) add_up(a, p0, block, sums);
}

static void add_up_job(void *arg, int job, int thread)
{
    const struct outer_call *a = arg;
    const int panel = job / a->blocks, block = job % a->blocks;
    (void)thread;
    add_up(a, panel, block, a->sums + sums_offset(a, panel, block));
}

/* ---- the call ------------------------------------------------------------------------------------------ */

/* Whether no two taps read the same float of x, inside of it: a copy would be read once for each tile of its
 * channels only. */
static int taps_apart(const struct conv3d_shape *s)
{
    for (int i = 0; i < 3; i++)
        if (s->kernel[i] > s->stride[i] || s->pad[i] > 0) return 0;
    return s->x_type == CONV_F32;
}

static struct outer_call plan(const struct conv_problem *p, const struct outer_form *form)
{
    const struct conv3d_shape *s = &p->shape;
    struct outer_call a = {.s = s,
                           .forward = &p->gather,
                           .form = form,
                           .panels = conv_panels(s->k),
                           .block = CONV_BLOCK,
                           .blocks = conv_blocks(s->c)};
    a.stripes = p->stripes;
    a.x = p->gather.x;
    const int h = s->out[1], cn = conv_min(CONV_BLOCK, s->c);
    a.taps = s->kernel[0] * s->kernel[1] * s->kernel[2];
    a.chunk = chunk_lines(s);
    a.positions = (s->out[2] - 1) * s->stride[2] + s->kernel[2];
    /* The lines of x under a chunk in one plane, and under one of whole planes. */
    const int planes = conv_min(conv_max(1, a.chunk / h), s->out[0]), rows = conv_min(a.chunk, h);
    const int depth = conv_min(s->in[0], (planes - 1) * s->stride[0] + s->kernel[0]);
    const int height = conv_min(s->in[1], (rows - 1) * s->stride[1] + s->kernel[1]);
    a.x_floats = conv_align((size_t)depth * (size_t)height * (size_t)a.positions * (size_t)cn);
    a.dy_floats = (size_t)a.chunk * (size_t)s->out[2] * CONV_PANEL;
    a.all_taps = thin_floats(a.forward) > 0;
    if (gather_in_place(&a.source, a.forward) || a.all_taps)
        a.x_floats = 0;
    else if (taps_apart(s)) {
        a.x_floats = 0;
        a.fetch = 1;
        a.source = (struct gather_source){.x = a.x};
        memcpy(a.source.size, s->in, sizeof s->in);
    }
    if (form) a.x_floats = 0;
    a.copy_floats =
        a.x_floats + a.dy_floats + conv_align((size_t)a.chunk * sizeof(struct outer_line) / sizeof(float));
    if (form && form->floats > a.copy_floats) a.copy_floats = conv_align(form->floats);
    a.sums_floats = conv_align(a.stripes == 1 ? (size_t)CONV_PANEL * (size_t)cn * (size_t)a.taps
                                              : conv_padded(s->k) * (size_t)s->c * (size_t)a.taps);
    return a;
}

static size_t sums_floats(const struct outer_call *a, int threads)
{
    return (size_t)(a->stripes == 1 ? threads : a->stripes) * a->sums_floats;
}

size_t outer_scratch(const struct conv_problem *p, const struct outer_form *form, int threads)
{
    const struct outer_call a = plan(p, form);
    return sums_floats(&a, threads) + (size_t)a.stripes * conv_padded(a.s->k) +
           (size_t)threads * a.copy_floats + thin_floats(a.forward);
}

void outer_run(const struct conv_problem *p, const struct outer_form *form, float *scratch, struct pool *pool)
{
    struct outer_call a = plan(p, form);
    a.kernels = conv_kernels();
    a.dy = p->gather.y;
    a.dw = p->dw;
    a.db = p->db;
    a.w_k = p->gather.w_k;
    a.w_c = p->gather.w_c;
    a.sums = scratch;
    a.bias_sums = scratch + sums_floats(&a, pool_threads(pool));
    a.copies = a.bias_sums + (size_t)a.stripes * conv_padded(a.s->k);
    if (a.all_taps)
        thin_copy(&a.source, a.copies + (size_t)pool_threads(pool) * a.copy_floats, a.forward, pool);
    const int fit = (size_t)a.panels * CONV_PANEL * (size_t)conv_min(CONV_BLOCK, a.s->c) * (size_t)a.taps <=
                    TOGETHER_FLOATS;
    a.together =
        a.stripes > 1 && !form && a.stripes * a.blocks % pool_threads(pool) == 0 && fit ? a.panels : 1;
    /* More threads than jobs: smaller jobs, which transform or copy dy more often. */
    while (a.together == 1 && a.stripes * a.panels * a.blocks < pool_threads(pool) && a.block > LEAST_BLOCK) {
        a.block /= 2;
        a.blocks = (a.s->c + a.block - 1) / a.block;
    }
    pool_run(pool, a.stripes * (a.panels / a.together) * a.blocks, outer_job, &a);
    if (a.stripes > 1) pool_run(pool, a.panels * a.blocks, add_up_job, &a);
}

/* ---- the algorithms ------------------------------------------------------------------------------------ */

static int supports(const struct conv_problem *p, enum isa level)
{
    (void)level;
    return p->pass == CONV_BACKWARD_WEIGHTS;
}

static size_t scratch_of(const struct conv_problem *p, int threads)
{
    return outer_scratch(p, NULL, threads);
}
static void run(const struct conv_problem *p, float *scratch, struct pool *pool)
{
    outer_run(p, NULL, scratch, pool);
}

const struct conv_algorithm outer_algorithm = {"direct", supports, NULL, scratch_of, run};

/* Few outputs of one tap fill a panel badly: the same products with x and dy in exchanged roles, the many
 * channels of x in the lanes. */
static int exchanged_supports(const struct conv_problem *p, enum isa level)
{
    const struct conv3d_shape *s = &p->shape;
    (void)level;
    for (int i = 0; i < 3; i++)
        if (s->kernel[i] != 1 || s->stride[i] != 1 || s->pad[i] != 0) return 0;
    return p->pass == CONV_BACKWARD_WEIGHTS;
}

static int exchanged_pays(const struct conv_problem *p, enum isa level)
{
    (void)level;
    return p->shape.k < CONV_HALF_PANEL && p->shape.c >= CONV_HALF_PANEL;
}

static struct conv_problem exchange(const struct conv_problem *p)
{
    const struct conv3d_shape *s = &p->shape;
    struct conv_problem e = {.pass = p->pass,
                             .shape = conv3d_shape(s->n, s->k, s->c, s->in, s->kernel, s->stride, s->pad),
                             .stripes = p->stripes,
                             .dw = p->dw};
    e.shape.x_type = s->y_type;
    e.shape.y_type = s->x_type;
    e.gather = gather_forward(&e.shape);
    e.gather.x = p->gather.y;
    e.gather.y = (void *)(uintptr_t)p->gather.x; /* is only read */
    e.gather.w_k = p->gather.w_c;
    e.gather.w_c = p->gather.w_k;
    return e;
}

static size_t exchanged_scratch(const struct conv_problem *p, int threads)
{
    const struct conv_problem e = exchange(p);
    const size_t weights = outer_scratch(&e, NULL, threads), bias = bias_scratch(&p->shape);
    return weights > bias ? weights : bias;
}

static void exchanged_run(const struct conv_problem *p, float *scratch, struct pool *pool)
{
    const struct conv_problem e = exchange(p);
    outer_run(&e, NULL, scratch, pool);
    if (p->db) bias_run(p->db, p->gather.y, &p->shape, scratch, pool);
}

const struct conv_algorithm exchanged_algorithm = {"exchanged", exchanged_supports, exchanged_pays,
                                                   exchanged_scratch, exchanged_run};
