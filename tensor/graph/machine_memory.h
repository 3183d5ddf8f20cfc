/* machine_memory.h - how much memory this process may have at the most: what the machine has, or less where a
 * container or a batch system sets a limit (Linux control groups, versions 1 and 2). */
#ifndef TENSOR_MACHINE_MEMORY_H
#define TENSOR_MACHINE_MEMORY_H

/* Bytes, free or not; 0 where the system does not tell. */
double machine_memory(void);
/* The smallest limit that a control group of this process, or one around it, sets; 0: none. `root` stands
 * before /proc/self/cgroup and /sys/fs/cgroup: "" for the system's own. */
double machine_memory_limit(const char *root);

#endif
