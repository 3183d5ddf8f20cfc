/* check_progress.c - the time that a bar says is left, of work begun here and of work that a run before it
 * began. The clock is not waited for: the bar's start is moved back by hand. */
#include <stdlib.h>
#include <unistd.h>

#include "apps/base/progress.h"
#include "tests/unit/expect.h"

/* The line that an update writes to a standard error that is no terminal, `seconds` after the last one. */
static void update(char *line, size_t size, struct progress *p, double seconds, int steps, double done)
{
    FILE *f = tmpfile();
    const int kept = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fileno(f), STDERR_FILENO);
    p->start -= seconds;
    p->shown -= seconds;
    if (steps) progress_steps(p, done, 1000, 0.5);
    else progress_update(p, done, 1000, "");
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(f);
    const size_t n = fread(line, 1, size - 1, f);
    line[n] = 0;
    fclose(f);
}

int main(void)
{
    char line[256];

    /* Begun here: a tenth in 10 seconds leaves 90. */
    struct progress p = progress_begin("work", 0);
    p.terminal = 0;
    update(line, sizeof line, &p, 10, 0, 100);
    CHECK(strcmp(line, "work: 10 %, 1:30 left\n") == 0, "begun here: %s", line);
    update(line, sizeof line, &p, 10, 0, 200);
    CHECK(strcmp(line, "work: 20 %, 1:20 left\n") == 0, "the next tenth: %s", line);

    /* A training that goes on at four fifths: nothing is known at its first step, and then what this process
     * has needed counts alone: 100 steps in 60 seconds leave 100 in a minute, not in ten seconds. */
    p = progress_begin("train", 0);
    p.terminal = 0;
    update(line, sizeof line, &p, 10, 1, 800);
    CHECK(strcmp(line, "train: 80 %, ? left, loss 0.5000\n") == 0, "goes on: %s", line);
    update(line, sizeof line, &p, 60, 1, 900);
    CHECK(strcmp(line, "train: 90 %, 1:00 left, loss 0.5000\n") == 0, "after a tenth of it: %s", line);

    /* Silence where it was asked for. */
    p = progress_begin("work", 1);
    update(line, sizeof line, &p, 10, 1, 500);
    CHECK(line[0] == 0, "quiet: %s", line);
    return check_done("check_progress");
}
