/* interrupt.c - the first SIGINT or SIGTERM is noted, the second ends the process. */
#include "apps/base/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static const int signals[] = {SIGINT, SIGTERM};
enum { SIGNALS = sizeof signals / sizeof *signals };

static volatile sig_atomic_t caught;

/* Only what a handler may call. */
static void note(int number)
{
    static const char text[] = "\nnephron: stops after this step or case; a second signal ends it at once\n";
    for (int i = 0; i < SIGNALS; i++) signal(signals[i], SIG_DFL);
    caught = number;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) return; /* nobody listens: it stops all the same */
}

static void set_handlers(void (*old)(int), void (*handler)(int))
{
    for (int i = 0; i < SIGNALS; i++) {
        struct sigaction a;
        if (sigaction(signals[i], NULL, &a) || a.sa_handler != old) continue;
        memset(&a, 0, sizeof a);
        a.sa_handler = handler;
        a.sa_flags = SA_RESTART;
        sigemptyset(&a.sa_mask);
        sigaction(signals[i], &a, NULL);
    }
}

void interrupt_begin(void)
{
    set_handlers(SIG_DFL, note);
}

void interrupt_end(void)
{
    set_handlers(note, SIG_DFL);
}

int interrupt_signal(void)
{
    return caught;
}

int interrupt_status(void)
{
    return 128 + interrupt_signal();
}
