/* cpu_clock.c - preloaded, it lets a program measure processor time where it asks for the clock: for ratios
 * between programs of one thread on a machine that others use too. With more threads the sum of theirs is
 * counted.
 *
 *   cc -O2 -shared -fPIC -D_GNU_SOURCE -o cpu_clock.so tests/bench/cpu_clock.c
 *   LD_PRELOAD=./cpu_clock.so ./nephron bench step --case unet_hippo_b2 --precision fp32 --threads 1
 *   OMP_NUM_THREADS=1 LD_PRELOAD=./cpu_clock.so python tests/bench/rivals.py torch unet_hippo_b2 fp32 \
 *       --threads 1
 */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW) clock = CLOCK_PROCESS_CPUTIME_ID;
    return (int)syscall(SYS_clock_gettime, clock, now);
}
