/*
 * Cycle counts of the allocator's slower steps, by category. Built in with HAKMEM_DEBUG_TIMING=1
 * (make VARIANT=timing), switched on with HAKMEM_TIMING=1, printed when the program ends, and among
 * hak_stats_* as timing.CATEGORY.calls and .cycles. In other builds the macros leave nothing
 * behind.
 *
 *     HKM_TIMED_BEGIN;
 *     ... the step ...
 *     HKM_TIMED_END(MADVISE);
 *
 * Each thread adds to its own sums, without locks or atomic read-modify-write.
 */
#ifndef HKM_DEBUG_TIMING_H
#define HKM_DEBUG_TIMING_H

#include <stdint.h>

#define HKM_TIMING_LIST(X)                                                                         \
    X(MMAP, "mmap")                                                                                \
    X(MUNMAP, "munmap")                                                                            \
    X(MADVISE, "madvise")                                                                          \
    X(MREMAP, "mremap")                                                                            \
    X(REFILL, "refill")       /* of a unified cache, all stages */                                 \
    X(FLUSH, "flush")         /* of a unified cache */                                             \
    X(NEW_SLAB, "new_slab")   /* from the pool, mapping a SuperSlab included */                    \
    X(WHALE_GET, "whale_get") /* look-up in whale cache and region cache */                        \
    X(WHALE_PUT, "whale_put") /* evictions included */

enum hkm_timing {
#define HKM_X(id, name) HKM_TIMING_##id,
    HKM_TIMING_LIST(HKM_X)
#undef HKM_X
        HKM_TIMINGS
};

#if HAKMEM_DEBUG_TIMING

/* Reads the processor's counter (cycles.h), or a nanosecond clock where it has none; 0 where
 * nothing is to be timed. */
uint64_t hkm_timing_now(void);
/* Adds one step of the category that began at `begin`. */
void hkm_timing_add(enum hkm_timing category, uint64_t begin);
/* Calls and cycles of a category, summed over all threads. */
struct hkm_timing_sum {
    uint64_t calls, cycles;
};
struct hkm_timing_sum hkm_timing_sum(enum hkm_timing category);
/* Prints category, calls, cycles and cycles per call, summed over all threads, to file descriptor
 * fd. */
void hkm_timing_print(int fd);

#define HKM_TIMED_BEGIN         const uint64_t hkm_timed_begin = hkm_timing_now()
#define HKM_TIMED_END(category) hkm_timing_add(HKM_TIMING_##category, hkm_timed_begin)

#else

#define HKM_TIMED_BEGIN         (void)0
#define HKM_TIMED_END(category) (void)0
#define hkm_timing_print(fd)    (void)0

#endif

#endif
