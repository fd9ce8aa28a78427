/*
 * The warm pool: for each class the few slabs that the thread holds (OWNED), so that an empty
 * unified cache is filled without a lock and without a search.
 */
#ifndef HKM_FRONT_WARM_POOL_H
#define HKM_FRONT_WARM_POOL_H

#include "front/heap.h"
#include "superslab/slab.h"

/* A slab with free blocks that the heap owns; it stays in the pool. Where the pool is dry, it is
 * filled from the shared pool, several slabs at once (secondary prefill). NULL with errno ENOMEM
 * when there is no memory. */
struct hkm_slab *hkm_warm_slab(struct hkm_heap *heap, unsigned cls);
/* Gives n blocks (bits `mask` of a word) back to a slab, and does what the slab's new state asks
 * for. heap is NULL for a thread without one. */
void hkm_warm_give(struct hkm_heap *heap, struct hkm_slab *slab, unsigned word, uint64_t mask,
                   unsigned n);
/* Lets go of all slabs: what has free blocks waits in the shared pool, what is empty is retired. */
void hkm_warm_release(struct hkm_heap *heap, unsigned cls);

#endif
