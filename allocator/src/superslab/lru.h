/*
 * Lazy deallocation: emptied SuperSlabs are kept, mapped, for the next use. Oldest out first when
 * there are too many of them (HAKMEM_SUPERSLAB_MAX_CACHED, HAKMEM_SUPERSLAB_MAX_MEMORY_MB) or they
 * are too old (HAKMEM_SUPERSLAB_TTL_SEC). All under the pool's lock.
 */
#ifndef HKM_SUPERSLAB_LRU_H
#define HKM_SUPERSLAB_LRU_H

#include "superslab/superslab.h"

/* Keeps an emptied SuperSlab, as of its emptied_ns; may unmap older ones, or this one where the
 * limits allow none. */
void hkm_lru_put(struct hkm_superslab *superslab);
/* The SuperSlab of the arena that was put last; NULL when there is none. */
struct hkm_superslab *hkm_lru_get(unsigned arena);
/* Unmaps what is past its time at now_ns. */
void hkm_lru_expire(uint64_t now_ns);

#endif
