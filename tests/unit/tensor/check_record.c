/* check_record.c - recording an op without memory: the op returns the null tensor, and so does every op after
 * it.
 *
 * Every case of every op is recorded, finished and planned once for each of its allocations: that one fails,
 * or it and all after it do. The allocating files of tensor/graph are compiled into this program with an
 * allocator of our own, so that it works under every sanitizer, which is where a read through a null tensor
 * or of a node half made would show.
 */
#include <stdlib.h>

/* So many allocations more succeed; then one fails, or all. Negative: none does. */
static long failing = -1;
static int failing_from;
static long blocks; /* in use */

static int fails(void)
{
    if (failing < 0) return 0;
    if (failing > 0) return failing--, 0;
    if (!failing_from) failing = -1;
    return 1;
}

static void *counted(void *p)
{
    blocks += p != NULL;
    return p;
}

static void *test_malloc(size_t size)
{
    return fails() ? NULL : counted(malloc(size));
}

static void *test_calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(calloc(count, size));
}

static void *test_realloc(void *old, size_t size)
{
    if (fails()) return NULL;
    return old ? realloc(old, size) : counted(malloc(size));
}

static void test_free(void *p)
{
    blocks -= p != NULL;
    free(p);
}

#define malloc test_malloc
#define calloc test_calloc
#define realloc test_realloc
#define free test_free
#include "tensor/graph/graph.c"
#include "tensor/graph/model.c"
#include "tensor/graph/plan_memory.c"
#undef malloc
#undef calloc
#undef realloc
#undef free

#include "tests/unit/expect.h"
#include "tests/unit/tensor/op_cases.h"

/* ---- each allocation fails ----------------------------------------------------------------------------- */

/* The case, and after it an op of each kind of output on what it gave. */
static struct tensor *record(struct bench *b, record_case *op)
{
    struct tensor *y = op(b);
    graph_keep(b->graph, y);
    op_activation(b->graph, y, 0.1f);
    return op_global_avg_pool(b->graph, op_add(b->graph, y, y, 1));
}

/* 1: a failure was told; 0: all allocations succeeded. */
static int record_with_failure(const char *what, record_case *op, int flags, long n, int from)
{
    failing = n;
    failing_from = from;
    struct bench b = {.model = model_create()};
    b.graph = graph_create(b.model, NULL, flags);
    const struct tensor *y = record(&b, op);
    const int failed = graph_failed(b.graph), finished = model_finish(b.model), planned = graph_plan(b.graph);
    failing = -1;
    CHECK(!failed || !y, "%s, allocation %ld: a failed graph gave a tensor", what, n);
    CHECK(!failed || (finished && planned), "%s, allocation %ld: recording failed, finish gives %d, plan %d",
          what, n, finished, planned);
    struct graph_op op_read;
    CHECK(!graph_failed(b.graph) || !graph_read_op(b.graph, 0, &op_read), "%s: a failed graph was read",
          what);
    graph_destroy(b.graph);
    model_destroy(b.model);
    return finished || planned;
}

static void check_case(const char *op, const char *what, record_case *record)
{
    char name[120];
    const long before = blocks;
    for (int variant = 0; variant < 8; variant++) {
        const int flags = variant & (GRAPH_TRAIN | GRAPH_BF16), from = variant >> 2;
        long n = 0;
        snprintf(name, sizeof name, "%s %s, flags %d", op, what, flags);
        while (record_with_failure(name, record, flags, n, from)) n++;
        CHECK(n > 10, "%s: %ld allocations", name, n);
        CHECK(blocks == before, "%s: %ld blocks are lost", name, blocks - before);
    }
}

/* ---- graphs that had failed before --------------------------------------------------------------------- */

static void check_failed_graphs(const char *what, record_case *op)
{
    struct bench null = {0};
    CHECK(!op(&null), "%s: the NULL graph gave a tensor", what);
    for (int flags = 0; flags < 4; flags++) {
        struct bench b = {.model = model_create()};
        b.graph = graph_create(b.model, NULL, flags);
        failing = 0;
        failing_from = 0;
        CHECK(!graph_input(b.graph, "x", SHAPE(1, 1, 1, 1, 1), DT_F32, 0), "an input without memory");
        failing = -1;
        const long before = blocks;
        CHECK(!op(&b), "%s: a failed graph gave a tensor", what);
        CHECK(blocks == before, "%s: recording in a failed graph allocated", what);
        graph_destroy(b.graph);
        model_destroy(b.model);
    }
}

int main(void)
{
    for (int i = 0; op_table[i]; i++) {
        int found = 0;
        for (int j = 0; j < OP_CASES; j++) found += strcmp(op_table[i]->name, op_cases[j].op) == 0;
        CHECK(found > 0, "the op %s has no case", op_table[i]->name);
    }
    for (int i = 0; i < OP_CASES; i++) {
        check_case(op_cases[i].op, op_cases[i].what, op_cases[i].record);
        check_failed_graphs(op_cases[i].op, op_cases[i].record);
    }
    return check_done("check_record");
}
