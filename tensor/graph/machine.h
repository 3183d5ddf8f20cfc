/* machine.h - how much memory and how many processors this process may have at the most: what the machine
 * has, or less where a container or a batch system sets a limit (Linux control groups, versions 1 and 2). */
#ifndef TENSOR_MACHINE_H
#define TENSOR_MACHINE_H

/* Bytes, free or not; 0 where the system does not tell. */
double machine_memory(void);
/* The smallest limit that a control group of this process, or one around it, sets; 0: none. `root` stands
 * before /proc/self/cgroup and /sys/fs/cgroup: "" for the system's own. */
double machine_memory_limit(const char *root);

/* Threads that can run at a time, at least 1: the processors that this process may run on (cpu_count), or
 * the time of how many it gets, rounded up. More threads than that would wait for each other while the system
 * makes them stand still. */
int machine_processors(void);
/* As machine_memory_limit: the time of how many processors, 2.5 say; 0: no limit. */
double machine_processor_limit(const char *root);

#endif
