/*
 * A thread's heap: its unified cache (cache.h), its warm pool (warm_pool.h) and its counters. Made
 * when the thread first allocates or frees, given up when it exits, then used again by another
 * thread.
 */
#ifndef HKM_FRONT_HEAP_H
#define HKM_FRONT_HEAP_H

#include <stdbool.h>

#include "debug/counters.h"
#include "superslab/classes.h"

struct hkm_slab;

/* A bin is an array of this many slots, aligned to its own size; a power of two. */
#define HKM_BIN_SLOTS 128u
/* Codes of the state map that the fast paths may look up. */
#define HKM_BINS 128u

/*
 * The fast paths see only `top`. The bin's blocks are in the slots after its *bottom* slot, which
 * holds NULL, up to *top. So
 *   - the bin is empty when *top is NULL (top is at the bottom),
 *   - it is full when the next slot's address is a multiple of a bin's size,
 *   - its capacity is set by where the bottom lies, at no cost on the fast paths. The slots below
 * the bottom are never touched.
 * Codes that stand for no class, and classes not used yet, point to hkm_no_bin's last slot, which
 * holds NULL: empty and full at once, so both fast paths leave for the slow path, and no other
 * check for "not initialised" is needed.
 */
struct hkm_heap {
    void **top[HKM_BINS];
    uint8_t class_by_16[HKM_SMALL_MAX / 16 + 1]; /* as hkm_class_by_16, at hand */
    struct hkm_warm {
        struct hkm_slab *first;  /* held slabs, linked by next; blocks are taken from the first */
        _Atomic uint32_t hits;   /* refills from a held slab; written by the holder only */
        _Atomic uint32_t misses; /* other refills; likewise */
        uint8_t slabs;
        uint8_t prefill;  /* slabs to bring in when it runs dry the next time */
        uint8_t capacity; /* of the bin, in blocks; 0: not set up */
        bool filled_last; /* the bin's last event was a refill, not a flush */
    } warm[HKM_CLASSES];
    _Atomic uint64_t counters[HKM_HEAP_COUNTERS]; /* written by the holder only */
    struct hkm_heap *next;                        /* of all heaps */
    struct hkm_heap *next_idle;
    _Alignas(HKM_BIN_SLOTS * sizeof(void *)) void *bins[][HKM_BIN_SLOTS]; /* HKM_CLASSES */
};

/* Stands for "no heap": every bin is empty and full at once. */
extern HKM_HIDDEN struct hkm_heap hkm_no_heap;
extern HKM_HIDDEN void *hkm_no_bin[HKM_BIN_SLOTS];
extern HKM_HIDDEN _Thread_local struct hkm_heap *hkm_heap_self;

/* Whether a slot is the one after a bin's last. */
static inline bool hkm_bin_ends(void **slot) {
    return ((uintptr_t)slot & (HKM_BIN_SLOTS * sizeof(void *) - 1)) == 0;
}

/* Sums of the heaps' warm pool hits and misses of a class. */
void hkm_heaps_warm_stats(unsigned cls, uint64_t *hits, uint64_t *misses);

/* Adds one to a counter that only the calling thread writes. */
static inline void hkm_count_own(_Atomic uint32_t *counter) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static inline void hkm_heap_count(struct hkm_heap *heap, enum hkm_counter counter, uint64_t n) {
    _Atomic uint64_t *value = &heap->counters[counter];
    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* The calling thread's heap, made if it has none. NULL when there is no memory or the thread's heap
 * is gone because the thread is exiting: blocks are then freed one by one (hkm_cache_free_direct)
 * and come from the fallback heap. */
struct hkm_heap *hkm_heap_get(void);
/* A heap shared by threads that have none, locked until hkm_heap_fallback_unlock; NULL when there
 * is no memory. */
struct hkm_heap *hkm_heap_fallback_lock(void);
void hkm_heap_fallback_unlock(void);

/* Adds what the heaps have counted to values[0 .. HKM_HEAP_COUNTERS-1]. */
void hkm_heaps_add_counters(uint64_t *values);

/* Starts the allocator if it is not started. Returns false when there is no memory for it. */
bool hkm_start(void);

/* Gives back what the heaps of exited threads still cache. */
void hkm_heaps_trim(void);

void hkm_heaps_lock(void);
void hkm_heaps_unlock(void);

#endif
