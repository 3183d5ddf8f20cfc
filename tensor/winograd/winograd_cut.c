/* winograd_cut.c - the cut of Winograd's form: how the panels of k and the tiles are dealt to the threads,
 * and what memory that takes.
 * The book: docs/book/20_winograd.md */
#include "tensor/winograd/winograd.h"

enum {
    /* transformed weights of a job's panels: two panels of 64 channels c, so that x is transformed once for
     * both */
    WEIGHT_FLOATS = 600000,
    SUMS_FLOATS = 131072, /* sums that wait for their next block, where one tile does not need more */
    X_COST = 6 /* transforms of a tile of x that take as long as its products with a panel */
};

/* Ranges of as many panels as fit, over which threads share the tiles; or panels dealt out to the threads, so
 * that nobody transforms the same weights again, where transforming x for fewer panels at a time takes
 * less. */
static void cut(struct winograd_call *s, int fit, int threads)
{
    const int tiles = winograd_all_tiles(s), shared = (s->panels + fit - 1) / fit,
              dealt = threads * ((s->panels / threads + fit - 1) / fit);
    const int deal =
        s->panels % threads == 0 &&
        (dealt - shared) * tiles <= WINOGRAD_WEIGHTS_COST * X_COST * (threads - 1) * s->panels;
    s->ranges = deal ? dealt : shared;
    s->range = fit; /* or fewer: the scratch of fewer threads must not be more */
    s->chunks = deal ? 1 : conv_min(threads, tiles);
}

/* A bf16 y waits in scratch for its last plane and block. */
static void make_sums(struct winograd_call *s)
{
    s->sums = (size_t)(winograd_outputs(s->form[1]) * winograd_outputs(s->form[2]) * CONV_PANEL);
    const size_t tile = s->sums * (size_t)(s->range * winograd_outputs(s->form[0]));
    s->waiting = WINOGRAD_BATCH;
    if (s->blocks > 1)
        s->waiting = conv_max(1, conv_min((int)(SUMS_FLOATS / tile), winograd_all_tiles(s)));
    s->thread_floats += (size_t)s->waiting * tile;
}

static struct winograd_call cut_call(const struct gather *g, int threads)
{
    struct winograd_call s = winograd_call_of(g, winograd_form(g));
    const int cn = conv_min(CONV_BLOCK, g->c);
    const size_t panel = winograd_u_point(cn, conv_width(g->k, 0)) * (size_t)(s.depth * s.plane);
    cut(&s, conv_max(1, conv_min(s.panels, (int)(WEIGHT_FLOATS / panel))), threads);
    s.u_floats = conv_align((size_t)s.range * panel);
    /* more than load_w packs */
    s.v_floats = conv_align((size_t)s.plane * winograd_v_point(cn, WINOGRAD_BATCH));
    s.m_floats = conv_align((size_t)s.plane * winograd_m_point(CONV_PANEL, WINOGRAD_BATCH));
    s.thread_floats = s.u_floats + s.v_floats + s.m_floats;
    if (g->y_type == CONV_BF16 && (s.blocks > 1 || s.depth > 1)) make_sums(&s);
    return s;
}

/* ---- the algorithm ------------------------------------------------------------------------------------- */

static struct outer_form form_of(const struct conv_problem *p)
{
    return (struct outer_form){winograd_outer_sums, winograd_outer_floats(&p->gather, p->stripes)};
}

static int supports(const struct conv_problem *p, enum isa level)
{
    (void)level;
    return winograd_fits(&p->gather);
}

static int pays(const struct conv_problem *p, enum isa level)
{
    (void)level;
    return p->pass == CONV_BACKWARD_WEIGHTS ? winograd_outer_pays(&p->gather, p->stripes)
                                            : winograd_pays(&p->gather);
}

static size_t scratch_of(const struct conv_problem *p, int threads)
{
    if (p->pass != CONV_BACKWARD_WEIGHTS)
        return (size_t)threads * cut_call(&p->gather, threads).thread_floats;
    const struct outer_form form = form_of(p);
    return outer_scratch(p, &form, threads);
}

static void run(const struct conv_problem *p, float *scratch, struct pool *pool)
{
    if (p->pass == CONV_BACKWARD_WEIGHTS) {
        const struct outer_form form = form_of(p);
        outer_run(p, &form, scratch, pool);
        return;
    }
    struct winograd_call s = cut_call(&p->gather, pool_threads(pool));
    s.kernels = conv_kernels();
    s.scratch = scratch;
    pool_run(pool, s.ranges * s.chunks, winograd_job, &s);
}

const struct conv_algorithm winograd_algorithm = {"winograd", supports, pays, scratch_of, run};
