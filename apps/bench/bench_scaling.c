/* bench_scaling.c - what a training step would take with more cores than this machine has.
 *
 * All work is done in pool_runs: T threads take fixed shares of the jobs, and the next run begins when the
 * slowest has finished. So every share is run and timed alone, by one thread, as T threads would have it
 * (pool_create_alone); a run then takes as long as its slowest share, and an op the sum of its runs, of what
 * happens between them (measured with one thread), and of a hand-over to T threads and back each. It takes no
 * less than its traffic of memory, bytes of the tensors that it reads and writes, over the stated bandwidth.
 *
 * Assumed, not measured: hand-overs to more than two threads cost a quarter of the measured one more for each
 * of them (a line of the counter travels once instead of four times), caches and clock rate are as with one
 * thread, and memory gives T times the bandwidth of one thread up to the stated one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps/bench/bench.h"
#include "apps/bench/bench_subject.h"
#include "tensor/base/clock.h"
#include "tensor/base/cpu.h"
#include "tensor/graph/machine.h"

enum { OPS_MAX = 1024, REPEATS = 4, HANDOVERS = 4000 };
enum { COPY_FLOATS = 16 << 20, COPY_JOBS = 64 };

/* An op of the step, or the optimiser. Times are the shortest of the repeats. */
struct op_time {
    char name[128];
    size_t bytes;
    int runs;
    double seconds, slowest, all; /* elapsed; of shares alone: sums over the runs */
};

/* What a child process found out. */
struct found {
    int status, ops;
    struct error error;
    double handover, bandwidth; /* seconds; bytes a second */
    struct op_time op[OPS_MAX];
};

struct watcher {
    struct found *f;
    struct subject *s;
    double last;
    int alone, first[OPS_MAX + 1]; /* pool_runs before an op */
};

static void note(void *arg, int pass)
{
    struct watcher *w = arg;
    const double now = clock_seconds(), seconds = now - w->last;
    struct op_time *op = &w->f->op[pass];
    if (op->seconds <= 0 || seconds < op->seconds) op->seconds = seconds;
    if (w->alone) w->first[pass + 1] = pool_runs(w->s->pool);
    w->last = clock_seconds();
}

static void name_ops(struct found *f, const struct subject *s)
{
    f->ops = graph_passes(s->graph) + 1;
    for (int i = 0; i + 1 < f->ops; i++) {
        const struct graph_pass pass = graph_pass(s->graph, i);
        snprintf(f->op[i].name, sizeof f->op[i].name, "%s/%s/%s", s->c->name, pass.node, pass.pass);
        f->op[i].bytes = pass.bytes;
    }
    struct op_time *last = &f->op[f->ops - 1];
    snprintf(last->name, sizeof last->name, "%s/optimizer", s->c->name);
    last->bytes = s->model->count * 5 * sizeof(float); /* weights and momentum read and written, gradients */
}

static int watch_steps(struct found *f, struct subject *s, int alone, struct error *e)
{
    struct watcher *w = calloc(1, sizeof *w);
    if (!w) return error_set(e, "%s: out of memory", s->c->name);
    w->f = f;
    w->s = s;
    w->alone = alone;
    name_ops(f, s);
    graph_watch(s->graph, note, w);
    for (int i = 0; i <= REPEATS; i++) { /* the first one is the warm-up: its times are too long to count */
        if (alone) pool_repeat(s->pool, i > 1);
        w->last = clock_seconds();
        subject_run(s, e);
        note(w, f->ops - 1);
    }
    for (int i = 0; alone && i < f->ops; i++) {
        f->op[i].runs = w->first[i + 1] - w->first[i];
        pool_times(s->pool, w->first[i], w->first[i + 1], &f->op[i].slowest, &f->op[i].all);
    }
    const int failed = alone && pool_runs(s->pool) < 0;
    free(w);
    return failed ? error_set(e, "%s: out of memory for times", s->c->name) : 0;
}

/* ---- the machine --------------------------------------------------------------------------------------- */

static void nothing_job(void *arg, int job, int thread) { (void)arg, (void)job, (void)thread; }

static void copy_job(void *arg, int job, int thread)
{
    float *from = arg, *to = from + COPY_FLOATS;
    const size_t n = COPY_FLOATS / COPY_JOBS;
    (void)thread;
    memcpy(to + (size_t)job * n, from + (size_t)job * n, n * sizeof *to);
}

/* Seconds that a pool_run takes beside its jobs; bytes a second that its threads read and write. */
static int measure_machine(struct found *f, struct pool *pool, struct error *e)
{
    float *values = calloc(2 * COPY_FLOATS, sizeof *values);
    if (!values) return error_set(e, "bench scaling: out of memory");
    for (int i = 0; i < 5; i++) {
        const double begin = clock_seconds();
        pool_run(pool, COPY_JOBS, copy_job, values);
        const double rate = 2.0 * COPY_FLOATS * sizeof *values / (clock_seconds() - begin);
        if (rate > f->bandwidth) f->bandwidth = rate;
    }
    free(values);
    for (int i = 0; i < 5; i++) {
        const double begin = clock_seconds();
        for (int k = 0; k < HANDOVERS / 5; k++) pool_run(pool, pool_threads(pool), nothing_job, NULL);
        const double each = (clock_seconds() - begin) * 5 / HANDOVERS;
        if (i == 0 || each < f->handover) f->handover = each;
    }
    return 0;
}

/* ---- children ------------------------------------------------------------------------------------------ */

static int find_out(struct found *f, const struct bench_case *c, int bf16, int threads, int alone,
                    struct error *e)
{
    struct subject s = {.c = c, .flags = bf16 ? GRAPH_BF16 : 0};
    s.pool = alone ? pool_create_alone(threads) : pool_create(threads);
    if (!s.pool) return error_set(e, "cannot start %d threads", threads);
    if (!c) return measure_machine(f, s.pool, e);
    if (subject_prepare(&s, e)) return -1;
    if (graph_passes(s.graph) >= OPS_MAX) return error_set(e, "%s: more than %d ops", c->name, OPS_MAX);
    return watch_steps(f, &s, alone, e);
}

/* Of a case, or of the machine alone (c NULL). In a child, whose memory the operating system takes back. */
static int find_apart(struct found *f, const struct bench_case *c, int bf16, int threads, int alone,
                      struct error *e)
{
    int status;
    memset(f, 0, sizeof *f);
    f->status = 1;
    fflush(stdout);
    const pid_t child = fork();
    if (child < 0) return error_set(e, "bench scaling: no process");
    if (child == 0) {
        f->status = find_out(f, c, bf16, threads, alone, &f->error);
        _exit(0);
    }
    waitpid(child, &status, 0);
    if (f->status == 0) return 0;
    return f->error.text[0] ? error_set(e, "%s", f->error.text)
                            : error_set(e, "bench scaling: the process ended without a result");
}

/* ---- the table ----------------------------------------------------------------------------------------- */

struct scaling {
    struct found *one, *alone, *real; /* one thread alone; so many alone; so many, if the machine has them */
    double handover, one_bandwidth, most_bandwidth;
};

/* The op of that name in f; of those with one name the one that is `op` in `from`. NULL: none. More threads
 * need more scratch, and so another plan may throw other values away and compute them again. */
static const struct op_time *same_op(const struct found *f, const struct found *from, int op)
{
    int nth = 0;
    for (int i = 0; i < op; i++) nth += strcmp(from->op[i].name, from->op[op].name) == 0;
    for (int i = 0; i < f->ops; i++)
        if (strcmp(f->op[i].name, from->op[op].name) == 0 && nth-- == 0) return &f->op[i];
    return NULL;
}

/* Op `op` of `alone` with so many threads. */
static double predict_op(const struct scaling *s, const struct found *alone, int op, int threads)
{
    const struct op_time *o = &alone->op[op], *one = same_op(s->one, alone, op), *serial = one ? one : o;
    const double between = serial->seconds > serial->all ? serial->seconds - serial->all : 0;
    const double handover = threads > 1 ? s->handover * (1 + (threads - 2) / 4.0) : 0;
    double bandwidth = threads * s->one_bandwidth;
    if (bandwidth > s->most_bandwidth) bandwidth = s->most_bandwidth;
    const double seconds = between + o->slowest + o->runs * handover, least = (double)o->bytes / bandwidth;
    return threads > 1 && seconds < least ? least : seconds;
}

/* measured, one: 0 where there is none; one: of one thread. */
static void put_row(struct text *table, const char *name, int threads, double predicted, double measured,
                    double one)
{
    char row[300];
    snprintf(row, sizeof row, "%s,%d,%.9f,", name, threads, predicted);
    text_puts(table, row);
    if (measured > 0) {
        snprintf(row, sizeof row, "%.9f", measured);
        text_puts(table, row);
    }
    text_puts(table, ",");
    if (one > 0) {
        snprintf(row, sizeof row, "%.4f", one / (threads * predicted));
        text_puts(table, row);
    }
    text_puts(table, "\n");
}

static void put_rows(struct text *table, const struct scaling *s, const char *name, int threads, int measured)
{
    double predicted = 0, real = 0, one = 0;
    for (int i = 0; i < s->one->ops; i++) one += predict_op(s, s->one, i, 1);
    for (int i = 0; i < s->alone->ops; i++) predicted += predict_op(s, s->alone, i, threads);
    for (int i = 0; measured && i < s->real->ops; i++) real += s->real->op[i].seconds;
    put_row(table, name, threads, predicted, real, one);
    printf("%-22s %7d %12.4f ", name, threads, predicted);
    if (measured)
        printf("%12.4f ", real);
    else
        printf("%12s ", "-");
    printf("%9.2f %9.1f%%\n", one / predicted, 100 * one / (threads * predicted));
    for (int i = 0; i < s->alone->ops; i++) {
        const struct op_time *of_real = measured ? same_op(s->real, s->alone, i) : NULL,
                             *of_one = same_op(s->one, s->alone, i);
        put_row(table, s->alone->op[i].name, threads, predict_op(s, s->alone, i, threads),
                of_real ? of_real->seconds : 0,
                of_one ? predict_op(s, s->one, (int)(of_one - s->one->op), 1) : 0);
    }
}

static int scale_case(struct text *table, const struct scaling_options *o, const struct bench_case *c,
                      int bf16, struct scaling *s, struct error *e)
{
    const int cores = machine_processors();
    if (find_apart(s->real, NULL, 0, 1, 0, e)) return -1;
    s->one_bandwidth = s->real->bandwidth;
    if (cores > 1 && find_apart(s->real, NULL, 0, 2, 0, e)) return -1;
    s->handover = cores > 1 ? s->real->handover : 0;
    s->most_bandwidth = o->bandwidth * 1e9;
    if (find_apart(s->one, c, bf16, 1, 1, e)) return -1;
    printf("%s, %s, %s; hand-over to two threads %.2f us; memory %.1f GB/s a thread, stated %.0f GB/s\n",
           c->name, bf16 ? "bf16" : "fp32", cpu_isa_name(cpu_isa()), s->handover * 1e6,
           s->one_bandwidth * 1e-9, o->bandwidth);
    double bytes = 0;
    for (int k = 0; k < s->one->ops; k++) bytes += (double)s->one->op[k].bytes;
    printf("tensors that a step reads and writes, op by op: %.2f GB\n", bytes * 1e-9);
    printf("%-22s %7s %12s %12s %9s %10s\n", "name", "threads", "predicted s", "measured s", "speed-up",
           "efficiency");
    for (int i = 0; i < o->counts; i++) {
        const int threads = o->threads[i], measured = threads <= cores;
        if (measured && find_apart(s->real, c, bf16, threads, 0, e)) return -1;
        if (threads == 1)
            memcpy(s->alone, s->one, sizeof *s->one);
        else if (find_apart(s->alone, c, bf16, threads, 1, e))
            return -1;
        put_rows(table, s, c->name, threads, measured);
    }
    return 0;
}

int bench_scaling(struct text *table, const struct scaling_options *o, const char *filter,
                  const char *precision, struct error *e)
{
    struct scaling s = {0};
    struct found *f = mmap(NULL, 3 * sizeof *f, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (f == MAP_FAILED) return error_set(e, "bench scaling: out of memory");
    s.one = f;
    s.alone = f + 1;
    s.real = f + 2;
    int status = 0, found = 0;
    text_puts(table, "name,threads,predicted_seconds,measured_seconds,efficiency\n");
    for (int i = 0; !status && bench_case(i); i++) {
        const struct bench_case *c = bench_case(i);
        if (c->inference || !strstr(c->name, filter ? filter : "unet_hippo_b2")) continue;
        found = 1;
        status = scale_case(table, o, c, precision && strcmp(precision, "bf16") == 0, &s, e);
    }
    munmap(f, 3 * sizeof *f);
    if (!status && !found)
        status = error_set(e, "--case %s: no training step has it in its name", filter ? filter : "");
    return status;
}
