/* bench_networks.c - training steps and inference of whole networks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps/bench/bench.h"
#include "apps/bench/bench_subject.h"
#include "tensor/base/clock.h"
#include "tensor/base/cpu.h"

enum { RUNS_MAX = 9 };

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

struct measured {
    double seconds, bytes, flops;
    int status;
    struct error error;
};

/* At least three runs, at most nine, about ten seconds; long ones just once after the warm-up. */
static int measure(struct measured *m, const struct bench_case *c, int bf16, int threads, struct error *e)
{
    struct subject s = {.c = c, .flags = bf16 ? GRAPH_BF16 : 0};
    double times[RUNS_MAX], begin, spent = 0;
    int n = 0;
    s.pool = pool_create(threads);
    if (!s.pool) return error_set(e, "cannot start %d threads", threads);
    if (subject_prepare(&s, e)) return -1;
    begin = clock_seconds();
    if (!c->volume[0] && subject_run(&s, e)) return -1; /* warm-up; a sliding window is its own */
    int most = clock_seconds() - begin > 20 || c->volume[0] ? 1 : RUNS_MAX;
    while (n < most && (n < 3 || spent < 10)) {
        begin = clock_seconds();
        if (subject_run(&s, e)) return -1;
        spent += times[n++] = clock_seconds() - begin;
    }
    qsort(times, (size_t)n, sizeof *times, compare_doubles);
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    m->seconds = n % 2 ? times[n / 2] : (times[n / 2 - 1] + times[n / 2]) / 2;
    m->bytes = (double)u.ru_maxrss * 1024;
    m->flops = s.graph        ? graph_flops(s.graph) * (c->inference ? 1 : 3)
               : c->volume[0] ? 0
                              : graph_flops(s.predictor.graph);
    return 0;
}

/* In a child, which the operating system cleans up after: the next case starts from nothing. */
static int measure_apart(struct measured *m, const struct bench_case *c, int bf16, int threads,
                         struct error *e)
{
    int pipe_end[2], status;
    if (pipe(pipe_end)) return error_set(e, "%s: no pipe", c->name);
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) return error_set(e, "%s: no process", c->name);
    if (child == 0) {
        close(pipe_end[0]);
        memset(m, 0, sizeof *m);
        m->status = measure(m, c, bf16, threads, &m->error);
        _exit(write(pipe_end[1], m, sizeof *m) != (ssize_t)sizeof *m);
    }
    close(pipe_end[1]);
    size_t got = 0;
    ssize_t n;
    while (got < sizeof *m && (n = read(pipe_end[0], (char *)m + got, sizeof *m - got)) > 0) got += (size_t)n;
    close(pipe_end[0]);
    waitpid(child, &status, 0);
    if (got < sizeof *m) return error_set(e, "%s: the process ended without a result", c->name);
    return m->status ? error_set(e, "%s", m->error.text) : 0;
}

int bench_networks(struct text *table, int threads, const char *filter, const char *precision, int inference,
                   struct error *e)
{
    int status = 0, found = 0;
    text_puts(table, "name,precision,threads,seconds,peak_bytes\n");
    printf("%-26s %-9s %-7s %7s %10s %10s %10s\n", "name", "precision", "isa", "threads", "seconds",
           "GFLOP/s", "peak MB");
    for (int i = 0; !status && bench_case(i / 2); i++) {
        const struct bench_case *c = bench_case(i / 2);
        const char *type = i % 2 ? "bf16" : "fp32";
        struct measured m;
        if (c->inference != inference || (filter && !strstr(c->name, filter)) ||
            (precision && strcmp(precision, type)))
            continue;
        found = 1;
        status = measure_apart(&m, c, i % 2, threads, e);
        if (status) break;
        printf("%-26s %-9s %-7s %7d %10.4f ", c->name, type, cpu_isa_name(cpu_isa()), threads, m.seconds);
        if (m.flops > 0) printf("%10.1f ", m.flops / m.seconds * 1e-9);
        else printf("%10s ", "-");
        printf("%10.0f\n", m.bytes * 1e-6);
        char row[200];
        snprintf(row, sizeof row, "%s,%s,%d,%.6f,%.0f\n", c->name, type, threads, m.seconds, m.bytes);
        text_puts(table, row);
    }
    if (!status && !found)
        status = error_set(e, "--case %s: no case of bench %s has it in its name", filter,
                           inference ? "inference" : "step");
    return status;
}
