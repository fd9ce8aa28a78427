/* A memory limit for this process, for scenarios that want to run short of memory.
 *
 * Where cgroup v2 lets us, the process is put into a control group of its own that bounds resident
 * memory: an allocator that holds on to pages beyond it is killed by the kernel. Elsewhere
 * RLIMIT_AS bounds the address space: an allocator that cannot map gets an error. */
#ifndef HKL_LIMIT_H
#define HKL_LIMIT_H

#include <stdint.h>

/* One for the process. `kind` is NULL until hkl_limit_set(). */
struct hkl_limit {
    const char *kind;  /* "cgroup" or "rlimit-as" */
    uint64_t bytes;    /* on top of what the process had when the limit was set */
    uint64_t failures; /* allocations that returned NULL, counted by the scenario */
};

extern struct hkl_limit hkl_limit;

/* From now on the process may take `bytes` more than it has. Ends the driver with a message when no
 * limit can be set. */
void hkl_limit_set(uint64_t bytes);

/* Takes the limit away; the figures stay. No limit: a no-op. */
void hkl_limit_lift(void);

#endif
