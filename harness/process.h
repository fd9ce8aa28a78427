/* Figures about this process and the machine, as the kernel keeps them. Nothing here allocates. */
#ifndef HKL_PROCESS_H
#define HKL_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* Resources used so far by the whole process, all threads, finished ones too. */
struct hkl_usage {
    int64_t minflt, majflt; /* page faults */
    int64_t nvcsw, nivcsw;  /* context switches, voluntary and not */
    int64_t user_ns, sys_ns;
};

/* Memory of the process now. */
struct hkl_memory {
    int64_t rss_kib;  /* VmRSS */
    int64_t peak_kib; /* VmHWM */
    int64_t maps;     /* number of mappings */
};

/* What may disturb a measurement, as running totals; -1 where the kernel does not tell. */
struct hkl_disturbance {
    int64_t steal_ticks; /* 1/USER_HZ s, all CPUs */
    int64_t migrations;  /* of the main thread, from one CPU to another */
};

/* The resources used so far. Cheap: one system call. */
struct hkl_usage hkl_process_usage(void);

/* later - earlier, field by field. */
struct hkl_usage hkl_usage_since(const struct hkl_usage *later, const struct hkl_usage *earlier);

/* VmSize, KiB; -1 when /proc cannot be read. */
int64_t hkl_process_address_space_kib(void);

/* Ends the driver with a message when /proc cannot be read. */
struct hkl_memory hkl_process_memory(void);

struct hkl_disturbance hkl_process_disturbance(void);

/* Stores the 1-minute load average; false when unknown. */
bool hkl_process_load1(double *load);

#endif
