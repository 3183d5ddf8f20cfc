/* progress.c - a bar with the time that is left on a terminal, plain lines elsewhere. */
#include "apps/base/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apps/base/interrupt.h"
#include "tensor/base/clock.h"

void progress_time(char buf[32], double seconds)
{
    if (seconds < 0) seconds = 0;
    if (seconds > 1e9) seconds = 1e9;
    long s = (long)(seconds + 0.5);
    if (seconds < 60) snprintf(buf, 32, "%.1f s", seconds);
    else if (s < 3600) snprintf(buf, 32, "%ld:%02ld", s / 60, s % 60);
    else if (s >= 72 * 3600) snprintf(buf, 32, "%.0f days", seconds / 86400);
    else snprintf(buf, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

struct progress progress_begin(const char *title, int quiet)
{
    struct progress p = {.title = title, .quiet = quiet, .shown_percent = -1};
    p.terminal = !quiet && isatty(STDERR_FILENO);
    p.start = clock_seconds();
    p.shown = p.start;
    return p;
}

void progress_clear(struct progress *p)
{
    if (p->drawn) fprintf(stderr, "\r\033[K");
    p->drawn = 0;
}

/* A terminal sees ten updates a second, a log one line every tenth of the work, and none sooner than after 5
 * s. */
void progress_update(struct progress *p, double done, double of, const char *note)
{
    if (p->quiet || of <= 0) return;
    double now = clock_seconds(), elapsed = now - p->start;
    int percent = (int)(100 * done / of);
    char left[32];
    const int known = done > p->from;
    progress_time(left, known ? elapsed * (of - done) / (done - p->from) : 0);
    if (!known) snprintf(left, sizeof left, "?");
    if (p->terminal) {
        if (now - p->shown < 0.1 && done < of) return;
        char bar[31];
        int filled = (int)(30 * done / of);
        for (int i = 0; i < 30; i++) bar[i] = i < filled ? '#' : '.';
        bar[30] = 0;
        fprintf(stderr, "\r%s [%s] %3d %% %s left%s%s\033[K", p->title, bar, percent, left,
                note[0] ? ", " : "", note);
        fflush(stderr);
        p->drawn = 1;
        p->shown = now;
    } else if (percent / 10 > p->shown_percent / 10 && now - p->shown > 5) {
        fprintf(stderr, "%s: %d %%, %s left%s%s\n", p->title, percent, left, note[0] ? ", " : "", note);
        p->shown_percent = percent;
        p->shown = now;
    }
}

void progress_steps(struct progress *p, double done, double of, double loss)
{
    char note[48];
    snprintf(note, sizeof note, "loss %.4f", loss);
    if (!p->stepped++) {
        p->from = done;
        p->start = clock_seconds();
    }
    progress_update(p, done, of, note);
}

void progress_callback(void *arg, int done, int of)
{
    progress_update(arg, done, of, "");
}

void progress_end(struct progress *p)
{
    progress_clear(p);
}

int case_progress(void *arg, int done, int of)
{
    const struct case_progress *c = arg;
    progress_update(c->bar, c->at + (double)done / of, c->of, c->name);
    return interrupt_signal() != 0;
}
