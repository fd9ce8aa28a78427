/*
 * The allocator's counters: the list, and how code counts. Counted off the fast paths only. What
 * happens once for a batch of blocks is counted in the thread's own heap (front/heap.h); rarer
 * events here.
 */
#ifndef HKM_DEBUG_COUNTERS_H
#define HKM_DEBUG_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "visibility.h"

/* id, public name, kind. The first HKM_HEAP_COUNTERS of them are kept by heap, without atomic
 * operations. */
#define HKM_COUNTER_LIST(X)                                                                        \
    X(REFILL_WARM, "refill.warm", COUNTER) /* unified cache filled from a slab the thread holds */ \
    X(REFILL_SHARED, "refill.shared",                                                              \
      COUNTER) /* ... from a slab of the class in the shared pool */                               \
    X(REFILL_SUPERSLAB, "refill.superslab",                                                        \
      COUNTER)                                 /* ... from a free slab of a live SuperSlab */      \
    X(REFILL_LRU, "refill.lru", COUNTER)       /* ... from an emptied SuperSlab that was kept */   \
    X(REFILL_FRESH, "refill.fresh", COUNTER)   /* ... from a newly mapped SuperSlab */             \
    X(REFILL_BLOCKS, "refill.blocks", COUNTER) /* blocks brought into unified caches */            \
    X(FLUSH, "flush.count", COUNTER)           /* times a unified cache was full */                \
    X(FREE_LOCAL, "free.local",                                                                    \
      COUNTER) /* blocks given back to a slab that the thread holds or held last */                \
    X(FREE_REMOTE, "free.remote", COUNTER)   /* blocks given back to another thread's slab */      \
    X(FREE_DIRECT, "free.direct", COUNTER)   /* blocks freed after the thread's cache was gone */  \
    X(SLAB_ADOPTED, "slab.adopted", COUNTER) /* slabs taken over that another thread held last */  \
    X(SLAB_RETIRED, "slab.retired", COUNTER) /* slabs that became empty and went back */           \
    X(SLAB_PREWARMED, "slab.prewarmed", GAUGE) /* slabs made at start for a class */               \
    X(ZERO_SKIPPED, "calloc.skipped_bytes",                                                        \
      COUNTER) /* bytes that calloc did not clear, being known to be zero */                       \
    X(SUPERSLAB_LIVE, "superslab.live", GAUGE)                                                     \
    X(SUPERSLAB_PEAK, "superslab.peak", GAUGE)                                                     \
    X(SUPERSLAB_HOT, "superslab.hot", GAUGE)                                                       \
    X(SUPERSLAB_DRAINING, "superslab.draining", GAUGE)                                             \
    X(SUPERSLAB_CACHED, "superslab.cached", GAUGE)                                                 \
    X(LRU_PUT, "lru.put", COUNTER)                                                                 \
    X(LRU_EVICT, "lru.evict", COUNTER)                                                             \
    X(HEAP_CREATED, "heap.created", COUNTER)                                                       \
    X(HEAP_REUSED, "heap.reused", COUNTER)                                                         \
    X(LARGE_ALLOC, "large.alloc", COUNTER)                                                         \
    X(LARGE_FREE, "large.free", COUNTER)                                                           \
    X(LARGE_BYTES, "large.live_bytes", GAUGE)                                                      \
    X(BIG_HIT, "big.hit", COUNTER)                                                                 \
    X(BIG_MISS, "big.miss", COUNTER)                                                               \
    X(BIG_PUT, "big.put", COUNTER)                                                                 \
    X(BIG_BYTES, "big.cached_bytes", GAUGE)                                                        \
    X(WHALE_HIT, "whale.hit", COUNTER)                                                             \
    X(WHALE_MISS, "whale.miss", COUNTER)                                                           \
    X(WHALE_PUT, "whale.put", COUNTER)                                                             \
    X(WHALE_EVICT, "whale.evict", COUNTER)                                                         \
    X(WHALE_BYTES, "whale.cached_bytes", GAUGE)                                                    \
    X(REGION_HIT, "region.hit", COUNTER)                                                           \
    X(REGION_PUT, "region.put", COUNTER)                                                           \
    X(REGION_UNMAP, "region.unmap", COUNTER)                                                       \
    X(REGION_BYTES, "region.cached_bytes", GAUGE)                                                  \
    X(SITE_IGNORED, "site.ignored", COUNTER) /* events of call sites without a place */            \
    X(POLICY_EPISODES, "policy.episodes", COUNTER)                                                 \
    X(POLICY_MATCHES, "policy.matches", COUNTER)                                                   \
    X(POLICY_FREEZES, "policy.freezes", COUNTER)                                                   \
    X(POLICY_THAWS, "policy.thaws", COUNTER)                                                       \
    X(POLICY_STRATEGY, "policy.strategy", GAUGE) /* index of the one in force */                   \
    X(SYS_MMAP, "sys.mmap", COUNTER)                                                               \
    X(SYS_MUNMAP, "sys.munmap", COUNTER)                                                           \
    X(SYS_MADVISE, "sys.madvise", COUNTER)                                                         \
    X(SYS_MREMAP, "sys.mremap", COUNTER)                                                           \
    X(SYS_MPROTECT, "sys.mprotect", COUNTER) /* in variant 'hardened' only: one per large block */ \
    X(SYS_MINCORE, "sys.mincore", COUNTER)   /* in variant 'guess' only: one per doubtful free */  \
    X(MISUSE, "misuse.detected", COUNTER)    /* wrong frees that were caught */

enum hkm_counter {
#define HKM_X(id, name, kind) HKM_##id,
    HKM_COUNTER_LIST(HKM_X)
#undef HKM_X
        HKM_COUNTERS
};
#define HKM_HEAP_COUNTERS (HKM_SLAB_RETIRED + 1)

/* Prints each class's warm pool hits and misses to a file descriptor. */
void hkm_print_warm_pool(int fd);

/* Process-wide part of every counter; the heaps' parts are added in a snapshot. */
extern HKM_HIDDEN _Atomic uint64_t hkm_counters[HKM_COUNTERS];

static inline void hkm_count(enum hkm_counter counter, uint64_t n) {
    atomic_fetch_add_explicit(&hkm_counters[counter], n, memory_order_relaxed);
}

static inline void hkm_gauge_sub(enum hkm_counter counter, uint64_t n) {
    atomic_fetch_sub_explicit(&hkm_counters[counter], n, memory_order_relaxed);
}

#endif
