/* clock.h - the one clock: for progress, records of rounds and benchmarks. */
#ifndef TENSOR_CLOCK_H
#define TENSOR_CLOCK_H

/* Monotonic seconds from an arbitrary start. Any thread. */
double clock_seconds(void);
/* Processor seconds of the whole process. */
double clock_cpu_seconds(void);

#endif
