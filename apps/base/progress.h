/* progress.h - how far long work is: a bar with time left on a terminal, plain lines elsewhere. On stderr.
 */
#ifndef APPS_PROGRESS_H
#define APPS_PROGRESS_H

struct progress {
    const char *title;
    int quiet, terminal;
    double start, shown;   /* seconds, monotonic */
    double from;           /* work that was done at start: by a run that this one continues */
    int shown_percent, drawn, stepped;
};

/* "12 days" (from three on), "1:02:03", "4:05" or "12.3 s". */
void progress_time(char buf[32], double seconds);
struct progress progress_begin(const char *title, int quiet);
/* done of `of`; note: short text behind the bar, or "". */
void progress_update(struct progress *p, double done, double of, const char *note);
/* Steps of a training, behind the bar its loss. The first call tells where the run goes on, so that steps of
 * before do not make the rest look short. */
void progress_steps(struct progress *p, double done, double of, double loss);
/* As a callback void (*)(void *, int, int) with arg = struct progress *. */
void progress_callback(void *arg, int done, int of);
/* Of work on several cases: where inside of one it is. */
struct case_progress {
    struct progress *bar;
    int at, of;       /* this case, cases */
    const char *name;
};
/* A struct sliding_options' progress, arg the above: 1 where a signal asks to stop
 * (apps/base/interrupt.h). */
int case_progress(void *arg, int done, int of);
/* Clears the bar. */
void progress_end(struct progress *p);
/* Clears the bar if drawn, so that a line can be printed. */
void progress_clear(struct progress *p);

#endif
