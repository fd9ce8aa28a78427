/*
 * The whale cache: freed large blocks with their pages. Found again by best fit, larger ones are
 * split; bounded in bytes (policy/strategy.h) and in time. Or, as a setting for comparison
 * (HAKMEM_WHALE_RING=1), the ring of earlier days: a few slots, first in first out, exact size
 * only.
 *
 * What is evicted waits, still with its pages and still to be found, until there is a batch of it;
 * the batch is then purged outside the lock (hkm_whale_purge) and goes to the region cache.
 *
 * All under the large path's lock, but for hkm_whale_purge.
 */
#ifndef HKM_LARGE_WHALE_CACHE_H
#define HKM_LARGE_WHALE_CACHE_H

#include "large/range.h"

/* A range of at least `size` bytes; NULL when there is none. What the request does not need may be
 * given back by hkm_whale_put_rest. */
struct hkm_range *hkm_whale_get(size_t size, uintptr_t site);
/* Whether there is such a range. */
bool hkm_whale_has(size_t size, uintptr_t site);
/* Keeps a freed range. slack: bytes above the capacity that may be kept. May evict others, or this
 * one. */
void hkm_whale_put(struct hkm_range *range, size_t slack, uint64_t now_ns);
/* Keeps a part cut from a range that was taken out; evicts nothing. */
void hkm_whale_put_rest(struct hkm_range *range, uint64_t now_ns);
/* Evicts what is over the limits or was put before since_ns; with `all` set, everything that waits
 * is due at once. */
void hkm_whale_tick(size_t slack, uint64_t since_ns, uint64_t now_ns, bool all);
/* Puts every range where the strategy in force looks for it first. Else what another strategy has
 * put elsewhere would stay apart from its neighbours, and fit fewer requests. */
void hkm_whale_regroup(void);
/* Bytes that are free with their pages, those that wait for the purge included. */
size_t hkm_whale_bytes(void);
/* Whether there is a batch to be purged. */
bool hkm_whale_purge_is_due(void);
/* Takes the next range out that is due to be purged; NULL when there is none. */
struct hkm_range *hkm_whale_next_purge(void);

#endif
