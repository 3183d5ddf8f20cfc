/* cost.c - one step of training of the network of cost.sh, counted by callgrind: the program of nephron's
 * side, and, linked as a library, the marks that cost.py calls. A step before it warms up uncounted. */
#include <stdio.h>
#include <valgrind/callgrind.h>

#include "apps/bench/bench_subject.h"

void cost_begin(void);
void cost_end(void);

void cost_begin(void)
{
    CALLGRIND_START_INSTRUMENTATION;
}

void cost_end(void)
{
    CALLGRIND_STOP_INSTRUMENTATION;
}

int main(void)
{
    static const struct bench_case c = {"cost", 0, "unet", 1, {16, 24, 16}, 4, 0, {0}};
    struct subject s = {.c = &c, .pool = pool_create(1)};
    struct error e;
    int status = !s.pool || subject_prepare(&s, &e) || subject_run(&s, &e);
    if (!status) {
        cost_begin();
        status = subject_run(&s, &e);
        cost_end();
    }
    if (status) fprintf(stderr, "cost: %s\n", s.pool ? e.text : "no pool");
    return status;
}
