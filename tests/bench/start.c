/* start.c - from the start of the program to a line that it prints: processor time of a command until it
 * prints one that has MARK in it, then it is stopped. `start MARK COMMAND [ARGUMENT ...]`, for example
 *
 *     cc -O2 -D_GNU_SOURCE -o start tests/bench/start.c
 *     ./start "a step:" ./nephron train tests/data/hippocampus -o run --plans plans.json --overwrite -j 1
 *     ./start nephron ./nephron --version
 *
 * `train` prints the line "a step: ... MB planned" when options, data set, cases, weights and the plan of the
 * memory are there; first_step.sh goes on to the step itself. With -j 1 all of it is on the thread that is
 * counted here (Linux: /proc/PID/schedstat, in ns), so that other work on the machine changes little. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of the process's first thread so far; -1 where the system does not tell. */
static double processor_seconds(pid_t pid)
{
    char path[64];
    unsigned long long ns;
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    FILE *f = fopen(path, "r");
    const int found = f ? fscanf(f, "%llu", &ns) : 0;
    if (f) fclose(f);
    return found == 1 ? (double)ns * 1e-9 : -1;
}

static pid_t start(int *from, char **argv)
{
    int ends[2];
    if (pipe(ends)) return -1;
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(ends[1]);
    *from = ends[0];
    return pid;
}

int main(int argc, char **argv)
{
    char line[4096];
    int from, found = 0;
    double seconds = -1;
    if (argc < 3) return 2;
    const pid_t pid = start(&from, argv + 2);
    FILE *out = pid > 0 ? fdopen(from, "r") : NULL;
    while (out && !found && fgets(line, sizeof line, out)) found = strstr(line, argv[1]) != NULL;
    if (found) {
        kill(pid, SIGSTOP); /* what it did since it wrote the line is a moment */
        seconds = processor_seconds(pid);
    }
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    if (seconds >= 0) printf("%.4f s\n", seconds);
    else fprintf(stderr, "start: %s\n", found ? "no schedstat here" : "no line has the mark");
    return seconds >= 0 ? 0 : 1;
}
