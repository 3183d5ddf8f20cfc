/* check_gradients.c - every op against central differences.
 *
 * A case records one op on a few inputs. Every input and parameter block is then varied in directions that
 * have a known slope: random halves of its own gradient (an error anywhere in the block shows, and nothing
 * cancels) and single coordinates. The loss is a fixed random functional of the output, summed in double, or
 * the op's own scalar. A gradient wrong by one percent fails: the check proves that on two wrong ops before
 * it believes itself. An op of op_table without a case fails.
 * The book: docs/book/24_testing.md */
#include "tests/unit/expect.h"
#include "tests/unit/tensor/op_cases.h"

enum { BLOCKS_MAX = 12 };

/* ---- faults of our own --------------------------------------------------------------------------------- */

/* 2x with a wrong gradient: 1 % too large everywhere, or missing in one row of four. */
static void wrong_forward(struct graph *g, struct node *n)
{
    (void)g;
    for (size_t i = 0; i < shape_count(n->out->shape); i++)
        tensor_f32(n->out)[i] = 2 * tensor_f32(n->in[0])[i];
}

static void wrong_scale_backward(struct graph *g, struct node *n)
{
    (void)g;
    for (size_t i = 0; i < shape_count(n->out->shape); i++)
        ((float *)node_dx(n, 0))[i] = 2.02f * tensor_grad_f32(n->out)[i];
}

static void wrong_row_backward(struct graph *g, struct node *n)
{
    (void)g;
    for (size_t i = 0; i < shape_count(n->out->shape); i++)
        ((float *)node_dx(n, 0))[i] = i / 5 % 4 == 3 ? 0 : 2 * tensor_grad_f32(n->out)[i];
}

static void right_backward(struct graph *g, struct node *n)
{
    (void)g;
    for (size_t i = 0; i < shape_count(n->out->shape); i++)
        ((float *)node_dx(n, 0))[i] = 2 * tensor_grad_f32(n->out)[i];
}

static const struct op wrong_scale_op = {"wrong scale", wrong_forward, wrong_scale_backward, NULL, NULL};
static const struct op wrong_row_op = {"wrong row", wrong_forward, wrong_row_backward, NULL, NULL};
static const struct op right_op = {"right", wrong_forward, right_backward, NULL, NULL};

/* ---- differences --------------------------------------------------------------------------------------- */

static double bench_loss(struct bench *b)
{
    double sum = 0;
    graph_forward(b->graph);
    if (!b->functional) return tensor_f32(b->loss)[0];
    for (size_t i = 0; i < shape_count(b->y->shape); i++)
        sum += (double)b->functional[i] * tensor_f32(b->y)[i];
    return sum;
}

/* Something to differentiate by. */
struct block {
    char name[128];
    float *data, *grad; /* grad: a copy */
    size_t count;
};

static int bench_blocks(struct bench *b, struct block *block)
{
    int count = 0;
    for (int i = 0; i < b->xs; i++, count++) {
        snprintf(block[count].name, sizeof block[count].name, "input %d", i);
        block[count].data = tensor_f32(b->x[i]);
        block[count].grad = b->x[i]->grad;
        block[count].count = shape_count(b->x[i]->shape);
    }
    for (int i = 0; i < b->model->params; i++) {
        const struct param *p = &b->model->param[i];
        if (!param_trained(p)) continue;
        snprintf(block[count].name, sizeof block[count].name, "%s", p->name);
        block[count].data = b->model->data + p->offset;
        block[count].grad = b->model->grad + p->offset;
        block[count++].count = p->count;
    }
    for (int i = 0; i < count; i++) {
        float *copy = malloc(block[i].count * sizeof(float));
        memcpy(copy, block[i].grad, block[i].count * sizeof(float));
        block[i].grad = copy;
    }
    return count;
}

/* The central difference of the loss along v, |step| in units of v, and the slope that the gradient says. x +
 * h*v is rounded to float; the slope uses the difference that was really made. */
static double difference(struct bench *b, struct block *k, const float *v, float h, double *slope)
{
    float *x = malloc(2 * k->count * sizeof(float)), *up = x + k->count;
    memcpy(x, k->data, k->count * sizeof(float));
    for (size_t i = 0; i < k->count; i++) k->data[i] = up[i] = x[i] + h * v[i];
    double high = bench_loss(b);
    *slope = 0;
    for (size_t i = 0; i < k->count; i++) {
        k->data[i] = x[i] - h * v[i];
        *slope += (double)k->grad[i] * ((double)up[i] - k->data[i]);
    }
    double low = bench_loss(b);
    memcpy(k->data, x, k->count * sizeof(float));
    free(x);
    return high - low;
}

/* What is wrong. */
struct why {
    char block[160], what[160];
};

/* A random half of the gradient as a direction, scaled so that its elements are about 1. Beside a kink a
 * smaller step is right: a wrong gradient fails with every step. */
static int half_is_right(struct bench *b, struct block *k, struct rng *rng, struct why *why)
{
    double square = 0, slope, got;
    float *v = calloc(k->count, sizeof(float));
    for (size_t i = 0; i < k->count; i++) {
        if (k->count == 1 || rng_below(rng, 2)) v[i] = k->grad[i];
        square += (double)v[i] * v[i];
    }
    for (size_t i = 0; square > 0 && i < k->count; i++) v[i] /= (float)sqrt(square / (double)k->count);
    int right = 0;
    for (float h = 1e-3f; h > 2e-4f && !right; h /= 4) {
        got = difference(b, k, v, h, &slope);
        right = fabs(got - slope) <= 0.003 * fabs(slope) + 1e-9;
        snprintf(why->what, sizeof why->what, "half: difference %.6g, gradient %.6g", got, slope);
    }
    free(v);
    return right;
}

/* One coordinate; `rms` of the block's gradient is the scale of rounding noise. */
static int coordinate_is_right(struct bench *b, struct block *k, size_t at, double rms, struct why *why)
{
    float *v = calloc(k->count, sizeof(float));
    int right = 0;
    v[at] = 1;
    for (float h = 1e-2f; h > 5e-4f && !right; h /= 4) {
        double slope, got = difference(b, k, v, h, &slope);
        right = fabs(got - slope) <= 0.004 * fabs(slope) + 2 * h * 0.004 * rms;
        snprintf(why->what, sizeof why->what, "element %zu: difference %.6g, gradient %.6g", at,
                 got / (2 * h), slope / (2 * h));
    }
    free(v);
    return right;
}

static int block_is_right(struct bench *b, struct block *k, struct rng *rng, struct why *why)
{
    double square = 0;
    for (size_t i = 0; i < k->count; i++) square += (double)k->grad[i] * k->grad[i];
    if (!(square > 0)) {
        snprintf(why->what, sizeof why->what, "the gradient is %g", square);
        return 0;
    }
    for (int i = 0; i < 6; i++)
        if (!half_is_right(b, k, rng, why)) return 0;
    for (int i = 0; i < 12; i++) {
        size_t at = rng_below(rng, (uint32_t)k->count);
        if (!coordinate_is_right(b, k, at, sqrt(square / (double)k->count), why)) return 0;
    }
    return 1;
}

/* 1 if every gradient of the case is right; else `why` says which is not. */
static int case_is_right(record_case *record, const char *op, struct why *why)
{
    struct bench b;
    struct block block[BLOCKS_MAX];
    struct rng rng = rng_stream(2, 0, 0, RNG_TEST);
    int right = 1, recorded = 0;
    bench_create(&b, record, GRAPH_TRAIN);
    bench_fill(&b, 1);
    graph_set_step(b.graph, 7, 0, 3);
    for (int i = 0; i < b.graph->nodes; i++) recorded |= strcmp(b.graph->node[i]->op->name, op) == 0;
    ENSURE(recorded, "the case of %s does not record it", op);
    graph_forward(b.graph);
    graph_backward(b.graph, b.loss);
    int blocks = bench_blocks(&b, block);
    for (int i = 0; i < blocks; i++) {
        if (right && !block_is_right(&b, &block[i], &rng, why)) {
            right = 0;
            memcpy(why->block, block[i].name, sizeof block[i].name);
        }
        free(block[i].grad);
    }
    bench_destroy(&b);
    return right;
}

/* ---- cases --------------------------------------------------------------------------------------------- */

static struct tensor *faulty(struct bench *b, const struct op *op)
{
    struct tensor *x = input(b, 2, 2, 3, 4, 5);
    struct node *n = node_create(b->graph, op, op->name, 0);
    node_input(n, x);
    return node_output(b->graph, n, x->shape);
}

static struct tensor *faulty_scale(struct bench *b)
{
    return faulty(b, &wrong_scale_op);
}

static struct tensor *faulty_row(struct bench *b)
{
    return faulty(b, &wrong_row_op);
}

static struct tensor *faultless(struct bench *b)
{
    return faulty(b, &right_op);
}

/* An op without a gradient: nothing asks for one, and its rows are distributions. */
static void check_softmax(void)
{
    struct bench b;
    bench_create(&b, softmax_rows, GRAPH_TRAIN);
    bench_fill(&b, 1);
    graph_forward(b.graph);
    CHECK(!b.y->needs_grad && b.y->grad == NULL, "softmax has a gradient");
    for (int i = 0; i < 12; i++) {
        const float *x = tensor_f32(b.x[0]) + 5 * i, *p = tensor_f32(b.y) + 5 * i;
        double sum = 0;
        for (int c = 0; c < 5; c++) sum += exp((double)x[c]);
        for (int c = 0; c < 5; c++) CHECK_NEAR(p[c], exp((double)x[c]) / sum, 3e-7, "softmax of row %d", i);
    }
    bench_destroy(&b);
}

static void check_ops(void)
{
    struct why why;
    for (int i = 0; op_table[i]; i++) {
        int found = 0;
        for (int j = 0; j < OP_CASES; j++) found += strcmp(op_table[i]->name, op_cases[j].op) == 0;
        CHECK(found > 0, "the op %s has no case", op_table[i]->name);
    }
    for (int i = 0; i < OP_CASES; i++) {
        if (op_cases[i].record == softmax_rows) continue;
        CHECK(case_is_right(op_cases[i].record, op_cases[i].op, &why), "%s, %s: %s: %s", op_cases[i].op,
              op_cases[i].what, why.block, why.what);
    }
    check_softmax();
    CHECK(case_is_right(faultless, "right", &why), "the check finds faults where there are none: %s",
          why.what);
    CHECK(!case_is_right(faulty_scale, "wrong scale", &why), "a gradient wrong by 1 %% was not found");
    CHECK(!case_is_right(faulty_row, "wrong row", &why), "a missing row was not found");
}

int main(void)
{
    check_ops();
    return check_done("check_gradients");
}
