/* interrupt.h - SIGINT and SIGTERM as a wish to stop at the next good place, of commands that keep what they
 * did.
 *
 * Before interrupt_begin and after interrupt_end a signal ends the process at once, as ever. Between, the
 * first one is noted, and interrupt_signal tells of it from then on; a second one ends the process at once.
 * Signals that were ignored when the program began (nohup) stay ignored.
 */
#ifndef APPS_INTERRUPT_H
#define APPS_INTERRUPT_H

void interrupt_begin(void);
void interrupt_end(void);
/* The signal that came, or 0. From any thread. */
int interrupt_signal(void);
/* The exit code of a command that stopped so: 128 + the signal. */
int interrupt_status(void);

#endif
