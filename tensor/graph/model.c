/* model.c - parameters: registered by name while the first graph is recorded, then laid out in flat blocks.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/graph/node.h"

/* A view starts on a cache line: 16 floats. */
enum { VIEW_ALIGN = 16 };

/* Zeroed; NULL without memory. Pages come from the system zeroed, by calloc untouched: a gradient that no
 * backward pass writes takes no memory. What calloc gave stands before the block. */
static float *block_create(size_t count)
{
    const size_t line = VIEW_ALIGN * sizeof(float);
    char *whole = calloc(count + 2 * VIEW_ALIGN, sizeof(float));
    if (!whole) return NULL;
    char *block = whole + line + (line - (uintptr_t)whole % line) % line;
    memcpy(block - sizeof whole, &whole, sizeof whole);
    return (float *)(void *)block;
}

static void block_free(float *block)
{
    char *whole;
    if (!block) return;
    memcpy(&whole, (char *)block - sizeof whole, sizeof whole);
    free(whole);
}

struct model *model_create(void)
{
    return calloc(1, sizeof(struct model));
}

void model_destroy(struct model *m)
{
    if (!m) return;
    free(m->param);
    block_free(m->data);
    block_free(m->grad);
    free(m);
}

void model_drop_gradients(struct model *m)
{
    block_free(m->grad);
    m->grad = NULL;
}

struct param *model_find(const struct model *m, const char *name)
{
    for (int i = 0; i < m->params; i++)
        if (strcmp(m->param[i].name, name) == 0) return &m->param[i];
    return NULL;
}

int param_trained(const struct param *p)
{
    return p->kind != PARAM_MEAN && p->kind != PARAM_VAR;
}

int model_param(struct model *m, const struct param *want)
{
    struct param *p = model_find(m, want->name);
    if (p) {
        ENSURE(p->kind == want->kind && p->ndim == want->ndim &&
                   memcmp(p->dim, want->dim, sizeof p->dim) == 0,
               "parameter %s: recorded again with another shape: [%d %d %d %d %d], was [%d %d %d %d %d]",
               want->name, want->dim[0], want->dim[1], want->dim[2], want->dim[3], want->dim[4], p->dim[0],
               p->dim[1], p->dim[2], p->dim[3], p->dim[4]);
        return (int)(p - m->param);
    }
    ENSURE(!m->finished, "parameter %s: not in the finished model", want->name);
    if ((m->params & (m->params - 1)) == 0) { /* a power of two: full */
        size_t room = m->params ? 2 * (size_t)m->params : 1;
        struct param *larger = realloc(m->param, room * sizeof *m->param);
        if (!larger) {
            m->failed = 1;
            return -1;
        }
        m->param = larger;
    }
    p = &m->param[m->params];
    *p = *want;
    p->count = 1;
    for (int i = 0; i < p->ndim; i++) p->count *= (size_t)p->dim[i];
    p->offset = m->count;
    m->count += (p->count + VIEW_ALIGN - 1) / VIEW_ALIGN * VIEW_ALIGN;
    return m->params++;
}

int model_finish_inference(struct model *m)
{
    if (!m || m->failed) return -1;
    ENSURE(!m->finished, "a model was finished twice");
    m->data = block_create(m->count);
    if (!m->data) return -1;
    for (int i = 0; i < m->params; i++) {
        const struct param *p = &m->param[i];
        if (p->kind != PARAM_GAMMA && p->kind != PARAM_VAR) continue;
        for (size_t j = 0; j < p->count; j++) m->data[p->offset + j] = 1;
    }
    m->finished = 1;
    return 0;
}

int model_finish(struct model *m)
{
    if (model_finish_inference(m)) return -1;
    m->grad = block_create(m->count);
    return m->grad ? 0 : -1;
}

struct model *model_alike(const struct model *m)
{
    ENSURE(m->finished, "a model like one that is not finished");
    size_t bytes = (size_t)(m->params ? m->params : 1) * sizeof *m->param;
    struct model *copy = model_create();
    if (!copy) return NULL;
    *copy = *m;
    copy->param = malloc(bytes);
    copy->data = block_create(m->count);
    copy->grad = block_create(m->count);
    if (!copy->param || !copy->data || !copy->grad) {
        model_destroy(copy);
        return NULL;
    }
    if (m->params) memcpy(copy->param, m->param, bytes);
    /* The views' array is now exactly full or holds no room: model_param is never called on a finished
     * model. */
    return copy;
}

enum { ZERO_JOB = 1 << 16 }; /* floats in one job of model_zero_grad */

static void zero_job(void *arg, int job, int thread)
{
    struct model *m = arg;
    size_t first = (size_t)job * ZERO_JOB, left = m->count - first;
    (void)thread;
    memset(m->grad + first, 0, (left < ZERO_JOB ? left : ZERO_JOB) * sizeof(float));
}

void model_zero_grad(struct model *m, struct pool *pool)
{
    pool_run(pool, (int)((m->count + ZERO_JOB - 1) / ZERO_JOB), zero_job, m);
}

uint64_t model_hash(const struct model *m)
{
    uint64_t h = 14695981039346656037u; /* FNV's 64-bit offset and prime; a step takes 32 bits instead of 8 */
    for (int i = 0; i < m->params; i++)
        for (size_t j = 0; j < m->param[i].count; j++) {
            uint32_t bits;
            memcpy(&bits, &m->data[m->param[i].offset + j], sizeof bits);
            h = (h ^ bits) * 1099511628211u;
        }
    return h;
}
