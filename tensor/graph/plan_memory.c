/* plan_memory.c - which buffer lives where in the block, decided before any arithmetic.
 *
 * Three parts, each made from the one before:
 *   schedule    nodes -> passes: forward in order, backward in reverse, cheap values computed again where
 *               backward reads them;
 *   liveness    passes -> buffers, each alive from its first to its last pass;
 *   placement   buffers -> offsets: two buffers that are alive at once may not overlap.
 * Placement is strip packing, NP-hard; greedy by size (Pisarchyk and Lee, "Efficient memory management for
 * deep neural net inference", 2020) with a little hill climbing comes close to the largest sum of live
 * buffers, which is a lower bound.
 *
 * Recomputation (Chen et al., "Training deep nets with sublinear memory cost", 2016) is used where it lowers
 * that bound: all cheap values are thrown away first; then, largest first, each is kept after all, or held
 * once recomputed, if the bound stays as low.
 *
 * The book: docs/book/05_graph.md
 */
#include <stdlib.h>
#include <string.h>

#include "tensor/graph/node.h"

enum { BLOCK_ALIGN = 64 };

static struct value *value_of(const struct tensor *t)
{
    return (struct value *)t;
}

static size_t value_bytes(const struct value *v)
{
    return shape_count(v->tensor.shape) * dtype_bytes(v->tensor.dtype);
}

/* ---- schedule ------------------------------------------------------------------------------------------ */

/* Without memory the graph has failed, and the schedule is not whole. */
static void add_pass(struct graph *g, struct node *n, enum pass pass)
{
    if (g->failed) return;
    if ((g->passes & (g->passes - 1)) == 0) { /* a power of two: full */
        size_t room = g->passes ? 2 * (size_t)g->passes : 1;
        struct node_pass *larger = realloc(g->pass, room * sizeof *g->pass);
        g->failed = !larger;
        if (!larger) return;
        g->pass = larger;
    }
    g->pass[g->passes++] = (struct node_pass){n, pass, -1, -1};
}

/* The backward of `reader` is about to read t: where t was thrown away, compute it again, and before it what
 * it is made of. */
static void want_data(struct graph *g, struct tensor *t, const struct node *reader)
{
    struct value *v = value_of(t);
    struct node *n = v->producer;
    if (!n || n->recompute == KEPT || v->fresh_for == reader->index) return;
    if (n->recompute == RECOMPUTED_ONCE && v->fresh_for >= 0) return;
    for (int i = 0; i < n->inputs; i++) want_data(g, n->in[i], reader);
    v->fresh_for = reader->index;
    add_pass(g, n, PASS_RECOMPUTE);
}

static void schedule_backward(struct graph *g, struct node *n)
{
    int wants_dx = 0;
    for (int i = 0; i < n->inputs; i++) wants_dx |= n->in[i]->needs_grad;
    for (int i = 0; i < n->inputs; i++)
        if (n->reads_in >> i & 1) want_data(g, n->in[i], n);
    if (n->reads_out) want_data(g, n->out, n);
    add_pass(g, n, PASS_BACKWARD);
    if (n->split && wants_dx) add_pass(g, n, PASS_BACKWARD_DATA);
    for (int i = 0; i < n->inputs; i++) {
        struct value *x = value_of(n->in[i]);
        if (!x->tensor.needs_grad) continue;
        /* grad_buffer serves as "has a gradient" until liveness numbers the buffers. */
        n->accumulate[i] = x->grad_buffer >= 0;
        x->grad_buffer = 0;
        if (x->producer) x->producer->reached = 1;
    }
}

static void schedule(struct graph *g)
{
    g->passes = 0;
    for (int i = 0; i < g->values; i++) {
        struct value *v = g->value[i];
        v->fresh_for = v->grad_buffer = -1;
        if (v->root) v->grad_buffer = 0;
        if (v->producer) v->producer->reached = v->root;
    }
    for (int i = 0; i < g->nodes; i++) add_pass(g, g->node[i], PASS_FORWARD);
    g->forward_passes = g->passes;
    for (int i = g->nodes - 1; i >= 0; i--)
        if (g->node[i]->reached) schedule_backward(g, g->node[i]);
}

/* ---- liveness ------------------------------------------------------------------------------------------ */

static int add_buffer(struct graph *g, enum buffer_kind kind, size_t bytes)
{
    if (bytes == 0) return -1;
    bytes = (bytes + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN;
    g->buffer[g->buffers] = (struct buffer){kind, bytes, 0, g->passes, -1, g->buffers};
    return g->buffers++;
}

static int owner(const struct graph *g, int buffer)
{
    while (g->buffer[buffer].alias != buffer) buffer = g->buffer[buffer].alias;
    return buffer;
}

static void touch(struct graph *g, int buffer, int pass)
{
    if (buffer < 0) return;
    struct buffer *b = &g->buffer[buffer];
    if (pass < b->first) b->first = pass;
    if (pass > b->last) b->last = pass;
}

/* In the order of the passes: a pass reads what the last one before it wrote. */
static void touch_pass(struct graph *g, int index)
{
    const struct node *n = g->pass[index].node;
    enum pass pass = g->pass[index].pass;
    int computes = pass == PASS_FORWARD || pass == PASS_RECOMPUTE;
    if (computes) value_of(n->out)->current = g->pass[index].buffer;
    for (int i = 0; i < n->inputs; i++) {
        if (computes || (pass == PASS_BACKWARD && (n->reads_in >> i & 1)))
            touch(g, value_of(n->in[i])->current, index);
        if (n->in[i]->needs_grad && pass == (n->split ? PASS_BACKWARD_DATA : PASS_BACKWARD))
            touch(g, value_of(n->in[i])->grad_buffer, index);
    }
    if (computes || (pass == PASS_BACKWARD && n->reads_out)) touch(g, value_of(n->out)->current, index);
    if (!computes) touch(g, value_of(n->out)->grad_buffer, index);
    touch(g, n->saved_buffer, index);
    touch(g, g->pass[index].scratch, index);
}

static int number_buffers(struct graph *g)
{
    /* A value has data and a gradient, a node saved data, a pass scratch and recomputed data. */
    size_t most = 2 * (size_t)g->values + (size_t)g->nodes + 2 * (size_t)g->passes;
    struct buffer *larger = realloc(g->buffer, most * sizeof *g->buffer);
    if (!larger) return -1;
    g->buffers = 0;
    g->buffer = larger;
    for (int i = 0; i < g->values; i++) {
        struct value *v = g->value[i];
        v->current = v->buffer = add_buffer(g, BUFFER_DATA, value_bytes(v));
        v->grad_buffer = v->grad_buffer < 0 ? -1 : add_buffer(g, BUFFER_GRAD, value_bytes(v));
    }
    for (int i = 0; i < g->nodes; i++) {
        struct node *n = g->node[i];
        n->saved_buffer = add_buffer(g, BUFFER_SAVED, n->saved_bytes);
    }
    for (int i = 0; i < g->passes; i++) {
        struct node_pass *s = &g->pass[i];
        struct value *out = value_of(s->node->out);
        if (s->pass == PASS_FORWARD) s->buffer = out->buffer;
        if (s->pass == PASS_RECOMPUTE) s->buffer = add_buffer(g, BUFFER_DATA, value_bytes(out));
        s->scratch = add_buffer(g, BUFFER_SCRATCH, s->node->scratch_bytes[s->pass]);
    }
    return 0;
}

/* In place: `to`, born in this pass, takes the place of `from`, which dies in it. */
static void share(struct graph *g, int to, int from, int pass)
{
    if (to < 0 || from < 0) return;
    from = owner(g, from);
    struct buffer *a = &g->buffer[from], *b = &g->buffer[to];
    if (a->last != pass || b->first != pass || a->bytes != b->bytes) return;
    b->alias = from;
    a->last = b->last;
}

static void share_in_place(struct graph *g)
{
    for (int i = 0; i < g->passes; i++) {
        const struct node_pass *s = &g->pass[i];
        const struct node *n = s->node;
        struct value *x = n->inputs ? value_of(n->in[0]) : NULL, *y = value_of(n->out);
        /* What the caller may look at after the run stays, even if this is the last pass. */
        if (s->buffer >= 0 && x && n->in_place && x->producer && !x->keep) share(g, s->buffer, x->current, i);
        if (s->buffer >= 0) y->current = s->buffer;
        if (s->pass == PASS_BACKWARD && x && n->grad_in_place && !n->split && !y->keep)
            share(g, x->grad_buffer, y->grad_buffer, i);
    }
}

static int liveness(struct graph *g)
{
    if (number_buffers(g)) return -1;
    for (int i = 0; i < g->passes; i++) touch_pass(g, i);
    for (int i = 0; i < g->values; i++) {
        struct value *v = g->value[i];
        int last = g->passes - 1;
        if (!v->producer) touch(g, v->buffer, 0); /* filled before the step begins */
        /* A result that no op reads is there for the caller. */
        if (!v->producer || v->keep || v->consumers == 0) touch(g, v->buffer, last);
        if (v->root) touch(g, v->grad_buffer, g->forward_passes);
        if (!v->producer || v->keep) touch(g, v->grad_buffer, last);
    }
    share_in_place(g);
    return 0;
}

/* The largest sum of live bytes over the passes; 0 without memory. */
static size_t peak_bytes(const struct graph *g)
{
    size_t live = 0, peak = 0;
    size_t *born = calloc(2 * (size_t)g->passes + 2, sizeof *born);
    if (!born) return 0;
    size_t *dead = born + g->passes + 1;
    for (int i = 0; i < g->buffers; i++) {
        const struct buffer *b = &g->buffer[i];
        if (b->alias != i || b->last < 0) continue;
        born[b->first] += b->bytes;
        dead[b->last + 1] += b->bytes;
    }
    for (int i = 0; i < g->passes; i++) {
        live += born[i];
        live -= dead[i];
        if (live > peak) peak = live;
    }
    free(born);
    return peak;
}

/* ---- recomputation ------------------------------------------------------------------------------------- */

/* The peak of the schedule under the present choice of what is recomputed. No buffer is empty: 0 means no
 * memory. */
static size_t try_schedule(struct graph *g)
{
    if (!g->failed) schedule(g);
    size_t peak = g->failed || liveness(g) ? 0 : peak_bytes(g);
    g->failed = peak == 0;
    return peak;
}

static int larger_output(const void *a, const void *b)
{
    const struct node *p = *(struct node *const *)a, *q = *(struct node *const *)b;
    size_t pb = shape_count(p->out->shape), qb = shape_count(q->out->shape);
    if (pb != qb) return pb < qb ? 1 : -1;
    return p->index < q->index ? 1 : -1; /* later first: it would be thrown away for the shortest time */
}

/* Recomputed at each use, and after a value that is itself recomputed: the time would grow with the square of
 * the chain. */
static int in_chain(const struct node *n)
{
    for (int i = 0; i < n->inputs; i++) {
        const struct node *p = value_of(n->in[i])->producer;
        if (p && p->recompute != KEPT) return 1;
    }
    return 0;
}

static int choose_recomputed(struct graph *g)
{
    int count = 0;
    struct node **cheap = malloc((size_t)g->nodes * sizeof *cheap);
    if (!cheap) return -1;
    for (int i = 0; i < g->nodes; i++) {
        struct node *n = g->node[i];
        n->recompute = KEPT;
        if (!n->cheap || !(g->flags & GRAPH_TRAIN) || value_of(n->out)->keep) continue;
        n->recompute = in_chain(n) ? RECOMPUTED_ONCE : RECOMPUTED_EACH;
        cheap[count++] = n;
    }
    qsort(cheap, (size_t)count, sizeof *cheap, larger_output);
    size_t best = try_schedule(g);
    for (int i = 0; i < count && !g->failed; i++) {
        enum recompute most = cheap[i]->recompute;
        for (enum recompute r = KEPT; r < most; r++) {
            cheap[i]->recompute = r;
            size_t peak = try_schedule(g);
            if (peak <= best) {
                best = peak;
                most = r;
            }
        }
        cheap[i]->recompute = most;
    }
    g->peak_bytes = try_schedule(g);
    free(cheap);
    return g->failed ? -1 : 0;
}

/* ---- placement ----------------------------------------------------------------------------------------- */

/* Largest first, of equals the one numbered first. An insertion sort: equal sizes are many, and their order
 * must not be qsort's. */
static void sort_by_size(const struct graph *g, int *order, int count)
{
    for (int i = 1; i < count; i++) {
        int buffer = order[i], at = i;
        for (; at > 0 && g->buffer[order[at - 1]].bytes < g->buffer[buffer].bytes; at--)
            order[at] = order[at - 1];
        order[at] = buffer;
    }
}

static void move_last_to_front(const struct graph *g, int *order, int count)
{
    int last = 0;
    for (int i = 1; i < count; i++) {
        const struct buffer *a = &g->buffer[order[i]], *b = &g->buffer[order[last]];
        if (a->offset + a->bytes > b->offset + b->bytes) last = i;
    }
    int buffer = order[last];
    memmove(order + 1, order, (size_t)last * sizeof *order);
    order[0] = buffer;
}

/* Places the buffers in this order, each into the smallest gap that holds it; returns the bytes of the block.
 * `placed` lists the buffers placed so far by offset. */
static size_t place(struct graph *g, const int *order, int count, int *placed)
{
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        struct buffer *b = &g->buffer[order[i]];
        size_t end = 0, offset = 0, smallest = SIZE_MAX; /* end: of what is alive with b, so far */
        int at;
        for (int j = 0; j < i; j++) {
            const struct buffer *other = &g->buffer[placed[j]];
            if (other->last < b->first || other->first > b->last) continue;
            if (other->offset > end && other->offset - end >= b->bytes && other->offset - end < smallest) {
                smallest = other->offset - end;
                offset = end;
            }
            if (other->offset + other->bytes > end) end = other->offset + other->bytes;
        }
        b->offset = smallest == SIZE_MAX ? end : offset;
        if (b->offset + b->bytes > total) total = b->offset + b->bytes;
        for (at = i; at > 0 && g->buffer[placed[at - 1]].offset > b->offset; at--)
            placed[at] = placed[at - 1];
        placed[at] = order[i];
    }
    return total;
}

enum { PLACE_TRIES = 256 };

/* Greedy by size; then, while the block is larger than it must be, the buffer at its very end goes first and
 * all are placed anew. */
static int place_all(struct graph *g)
{
    int *order = malloc(3 * (size_t)g->buffers * sizeof *order), count = 0;
    if (!order) return -1;
    int *best = order + g->buffers, *placed = best + g->buffers;
    for (int i = 0; i < g->buffers; i++)
        if (g->buffer[i].alias == i) order[count++] = i;
    sort_by_size(g, order, count);
    g->bytes = SIZE_MAX;
    for (int i = 0; i < PLACE_TRIES && g->bytes > g->peak_bytes; i++) {
        size_t bytes = place(g, order, count, placed);
        if (bytes < g->bytes) memcpy(best, order, (size_t)count * sizeof *best);
        if (bytes < g->bytes) g->bytes = bytes;
        move_last_to_front(g, order, count);
    }
    place(g, best, count, placed);
    for (int i = 0; i < g->buffers; i++) g->buffer[i].offset = g->buffer[owner(g, i)].offset;
    free(order);
    return 0;
}

int plan_memory(struct graph *g)
{
    for (int i = 0; i < g->values; i++) {
        struct value *v = g->value[i];
        v->root =
            v->tensor.needs_grad && v->consumers == 0 && v->producer && shape_count(v->tensor.shape) == 1;
    }
    return choose_recomputed(g) || place_all(g) ? -1 : 0;
}
