/* check_machine.c - the limits of memory and processors that control groups set, of systems made here. */
#include <sched.h>
#include <sys/stat.h>

#include "tensor/base/cpu.h"
#include "tensor/graph/machine.h"
#include "tests/unit/expect.h"
#include "tests/unit/remove_folder.h"

/* A file of a system's root, with the folders above it. */
static void put(const char *root, const char *name, const char *text)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = 0;
        mkdir(path, 0700);
    }
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && !fclose(f), "%s", path);
}

static void check_memory_limits(void)
{
    char root[] = "/tmp/nephron_memory_XXXXXX";
    CHECK(mkdtemp(root) && machine_memory_limit(root) == 0, "a system without control groups");
    put(root, "proc/self/cgroup", "12:cpu,cpuacct:/job\n0::/a/b\n");
    CHECK(machine_memory_limit(root) == 0, "groups without limits");
    put(root, "sys/fs/cgroup/a/b/memory.max", "max\n");
    CHECK(machine_memory_limit(root) == 0, "a group with the limit max");
    put(root, "sys/fs/cgroup/a/memory.max", "4294967296\n");
    CHECK(machine_memory_limit(root) == 0x1p32, "the limit of a group around it");
    put(root, "sys/fs/cgroup/a/b/memory.max", "1073741824\n");
    CHECK(machine_memory_limit(root) == 0x1p30, "the smaller one of two");
    put(root, "sys/fs/cgroup/memory.max", "536870912\n");
    CHECK(machine_memory_limit(root) == 0x1p29, "that of a container's root");
    put(root, "proc/self/cgroup", "4:memory:/job\n1:name=systemd:/\n0::/\n");
    put(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put(root, "sys/fs/cgroup/memory/job/memory.limit_in_bytes", "268435456\n");
    CHECK(machine_memory_limit(root) == 0x1p28, "version 1");
    put(root, "sys/fs/cgroup/memory/job/memory.limit_in_bytes", "none\n");
    put(root, "proc/self/cgroup", "4:memory\n::\n0:\n7:hugememory,memoryless:/job\n");
    CHECK(machine_memory_limit(root) == 0, "lines that say nothing");
    remove_folder(root);
    const double bytes = machine_memory();
    CHECK(bytes == 0 || (bytes > 0x1p20 && bytes < 0x1p60), "this machine's %g bytes", bytes);
}

/* A container of two processors on a machine of many would else have a thread for each of these. */
static void check_processor_limits(void)
{
    char root[] = "/tmp/nephron_processors_XXXXXX";
    CHECK(mkdtemp(root) && machine_processor_limit(root) == 0, "a system without control groups");
    put(root, "proc/self/cgroup", "0::/a/b\n");
    CHECK(machine_processor_limit(root) == 0, "groups without limits");
    put(root, "sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    CHECK(machine_processor_limit(root) == 0, "a group with the limit max");
    put(root, "sys/fs/cgroup/a/cpu.max", "400000 100000\n");
    CHECK(machine_processor_limit(root) == 4, "the limit of a group around it");
    put(root, "sys/fs/cgroup/a/b/cpu.max", "125000 50000\n");
    CHECK(machine_processor_limit(root) == 2.5, "the smaller one of two");
    put(root, "sys/fs/cgroup/a/b/cpu.max", "50000\n");
    CHECK(machine_processor_limit(root) == 4, "no period");
    put(root, "proc/self/cgroup", "0::/host/path\n");
    put(root, "sys/fs/cgroup/cpu.max", "50000 100000\n");
    CHECK(machine_processor_limit(root) == 0.5, "that of a container's root");
    put(root, "proc/self/cgroup", "5:cpuset:/job\n4:cpu,cpuacct:/job\n");
    put(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    CHECK(machine_processor_limit(root) == 0, "version 1 without a limit");
    put(root, "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "150000\n");
    put(root, "sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
    CHECK(machine_processor_limit(root) == 1.5, "version 1");
    remove_folder(root);
    const int processors = machine_processors();
    CHECK(processors >= 1 && processors <= cpu_count(), "this machine's %d processors of %d", processors,
          cpu_count());
#if defined(__linux__)
    cpu_set_t before, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof before, &before)) return; /* of more than 1024 */
    for (size_t k = 0; k < (size_t)CPU_SETSIZE && !CPU_COUNT(&one); k++)
        if (CPU_ISSET(k, &before)) CPU_SET(k, &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0 && cpu_count() == 1 && machine_processors() == 1,
          "%d processors of one that this process may run on", cpu_count());
    CHECK(sched_setaffinity(0, sizeof before, &before) == 0 && cpu_count() == CPU_COUNT(&before),
          "%d processors of %d", cpu_count(), CPU_COUNT(&before));
#endif
}

int main(void)
{
    check_memory_limits();
    check_processor_limits();
    return check_done("check_machine");
}
