/*
 * The shared pool: SuperSlabs by tier, from which every class of every thread gets its slabs, and
 * for each class a list of slabs that wait with free blocks in them.
 */
#ifndef HKM_SUPERSLAB_POOL_H
#define HKM_SUPERSLAB_POOL_H

#include "debug/counters.h"
#include "superslab/slab.h"

/* Tier of a SuperSlab, by the share of its slabs in use: more than 25 %, up to 25 %, none. New
 * slabs come from HOT ones first, so that DRAINING ones may empty; FREE ones are kept by the LRU
 * (lru.h). */
enum hkm_tier { HKM_TIER_FREE, HKM_TIER_DRAINING, HKM_TIER_HOT };

/* Claims up to `most` LISTED slabs of the class for `owner` into got[]; returns how many. */
size_t hkm_pool_claim(unsigned cls, struct hkm_heap *owner, struct hkm_slab **got, size_t most);
/* Makes a new slab of the class, with all blocks free, OWNED by `owner`. *stage says where it came
 * from (one of the HKM_REFILL_ counters). NULL with errno ENOMEM when there is no memory. */
struct hkm_slab *hkm_pool_new(unsigned cls, struct hkm_heap *owner, enum hkm_counter *stage);
/* Puts a slab on its class's list, if its state and generation still are those of `control` (FULL
 * or OWNED). */
void hkm_pool_list(struct hkm_slab *slab, unsigned cls, uint64_t control);
/* Retires a slab all of whose blocks are back, if that is still so: LISTED ones leave their list.
 * An OWNED slab may be passed by its owner only, after it left the warm pool. Returns whether it
 * was retired. */
bool hkm_pool_retire(struct hkm_slab *slab, unsigned cls, uint64_t control);
/* Gives memory back that nobody has used for the LRU's time: kept SuperSlabs, and the pages of
 * EMPTY slabs in others. The pool does it by itself, four times in that time, when slabs come and
 * go. */
void hkm_pool_tick(void);
/* The same, if it is time for it; when a thread exits. */
void hkm_pool_tick_if_due(void);
/* Prints one line for each SuperSlab in use or kept to file descriptor fd. */
void hkm_pool_print(int fd);
/* Maps up to n SuperSlabs of an arena for later; returns how many there was memory for. */
unsigned hkm_pool_prewarm(unsigned arena, unsigned n);

/* Makes n slabs of the class, which wait LISTED for whoever needs one; returns how many there was
 * memory for. */
unsigned hkm_pool_prewarm_class(unsigned cls, unsigned n);

/* Locks every lock of the pool before a fork, and unlocks them after it in parent and child. */
void hkm_pool_lock_all(void);
void hkm_pool_unlock_all(void);

#endif
