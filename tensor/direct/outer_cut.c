/* outer_cut.c - the cut of a weight gradient: stripes, panels and blocks for the threads, and what memory
 * that takes. For any kernel, stride and padding.
 * The book: docs/book/08_deterministic_step.md, 19_drivers.md */
#include <string.h>

#include "tensor/direct/thin.h"
#include "tensor/direct/outer.h"

/* Sums of the panels that a job takes together, in one block of c: a quarter of the smallest second cache. */
enum { TOGETHER_FLOATS = 65536 };

enum { LEAST_BLOCK = 16 }; /* channels c of a job, however many threads there are */

/* ---- sizes --------------------------------------------------------------------------------------------- */

/* Whether no two taps read the same float of x, inside of it: a copy would be read once for each tile of its
 * channels only. */
static int taps_apart(const struct conv3d_shape *s)
{
    for (int i = 0; i < 3; i++)
        if (s->kernel[i] > s->stride[i] || s->pad[i] > 0) return 0;
    return s->x_type == CONV_F32;
}

static struct outer_call cut_call(const struct conv_problem *p, const struct outer_form *form)
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
    a.chunk = outer_chunk_lines(s);
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
    const struct outer_call a = cut_call(p, form);
    return sums_floats(&a, threads) + (size_t)a.stripes * conv_padded(a.s->k) +
           (size_t)threads * a.copy_floats + thin_floats(a.forward);
}

void outer_run(const struct conv_problem *p, const struct outer_form *form, float *scratch, struct pool *pool)
{
    struct outer_call a = cut_call(p, form);
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
    if (a.stripes > 1) pool_run(pool, a.panels * a.blocks, outer_add_up_job, &a);
}

/* ---- the algorithm ------------------------------------------------------------------------------------- */

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
