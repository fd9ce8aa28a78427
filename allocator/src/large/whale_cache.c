/* See whale_cache.h. */
#include "large/whale_cache.h"

#include "debug/counters.h"
#include "large/range_set.h"
#include "policy/settings.h"
#include "policy/strategy.h"

/* Pages are given back in whole huge pages, so that none is broken up without need, and in batches.
 */
#define HUGE_PAGE   ((size_t)2 << 20)
#define BATCH_BYTES ((size_t)8 << 20)
#define BATCH_COUNT 16u

/* Ring 0 serves all sites; with per_site, each site has one of the others. */
#define RINGS 8u
static struct hkm_range_set rings[RINGS];
/* Evicted, to be purged. */
static struct hkm_range_set waiting;
static bool purge_is_due;

static struct hkm_range_set *ring_of(uintptr_t site) {
    const size_t hash = (size_t)((site * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
    struct hkm_range_set *ring = &rings[hkm_strategy.per_site ? 1 + hash % (RINGS - 1) : 0];
    ring->apart = hkm_settings.whale_ring;
    return ring;
}

static size_t ring_bytes(void) {
    size_t bytes = 0;
    for (unsigned i = 0; i < RINGS; i++) {
        bytes += rings[i].bytes;
    }
    return bytes;
}

size_t hkm_whale_bytes(void) {
    return ring_bytes() + waiting.bytes;
}

static struct hkm_range *find(size_t size, uintptr_t site) {
    struct hkm_range_set *own = ring_of(site);
    if (hkm_settings.whale_ring) {
        return hkm_range_set_find_exact(own, size);
    }
    struct hkm_range *range = hkm_range_set_find(own, size);
    for (unsigned i = 0; range == NULL && i < RINGS; i++) {
        range = hkm_range_set_find(&rings[i], size);
    }
    return range != NULL ? range : hkm_range_set_find(&waiting, size);
}

bool hkm_whale_has(size_t size, uintptr_t site) {
    return find(size, site) != NULL;
}

struct hkm_range *hkm_whale_get(size_t size, uintptr_t site) {
    struct hkm_range *range = find(size, site);
    hkm_count(range != NULL ? HKM_WHALE_HIT : HKM_WHALE_MISS, 1);
    if (range != NULL) {
        hkm_range_set_remove(range->set, range);
    }
    return range;
}

/* Puts a range, at most `bytes` of it, among those that wait for the purge. */
static void evict(struct hkm_range *range, size_t bytes, uint64_t now_ns) {
    struct hkm_range_set *ring = range->set;
    hkm_range_set_remove(ring, range);
    if (range->size > bytes) {
        struct hkm_range *kept = hkm_range_split(range, bytes);
        if (kept != NULL) {
            hkm_range_set_put(ring, kept, range->freed_ns);
        }
    }
    hkm_range_set_put(&waiting, range, now_ns);
    hkm_count(HKM_WHALE_EVICT, 1);
    const bool keeps_none = hkm_strategy.capacity == 0 && !hkm_strategy.learn;
    purge_is_due |= hkm_settings.whale_ring || keeps_none || waiting.bytes >= BATCH_BYTES ||
                    waiting.count >= BATCH_COUNT;
}

static struct hkm_range *oldest(void) {
    struct hkm_range *old = NULL;
    for (unsigned i = 0; i < RINGS; i++) {
        struct hkm_range *range = rings[i].oldest;
        if (range != NULL && (old == NULL || range->freed_ns < old->freed_ns)) {
            old = range;
        }
    }
    return old;
}

static void evict_over_limits(size_t slack, uint64_t now_ns) {
    if (hkm_settings.whale_ring) {
        for (unsigned i = 0; i < RINGS; i++) {
            while (rings[i].count > hkm_settings.whale_slots) {
                evict(rings[i].oldest, SIZE_MAX, now_ns);
            }
        }
        return;
    }
    const size_t limit = hkm_strategy.capacity + (hkm_strategy.learn ? slack : 0);
    for (size_t bytes = ring_bytes(); bytes > limit; bytes = ring_bytes()) {
        evict(oldest(), (bytes - limit + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1), now_ns);
    }
}

void hkm_whale_put_rest(struct hkm_range *range, uint64_t now_ns) {
    range->zero = false;
    hkm_range_set_put(ring_of(range->site), range, now_ns);
}

void hkm_whale_put(struct hkm_range *range, size_t slack, uint64_t now_ns) {
    hkm_count(HKM_WHALE_PUT, 1);
    hkm_whale_put_rest(range, now_ns);
    evict_over_limits(slack, now_ns);
}

void hkm_whale_tick(size_t slack, uint64_t since_ns, uint64_t now_ns, bool all) {
    for (struct hkm_range *old = oldest(); old != NULL && old->freed_ns <= since_ns;
         old = oldest()) {
        evict(old, SIZE_MAX, now_ns);
    }
    evict_over_limits(slack, now_ns);
    purge_is_due |= all || (waiting.oldest != NULL && waiting.oldest->freed_ns <= since_ns);
}

void hkm_whale_regroup(void) {
    static struct hkm_range_set all; /* empty but in here */
    all.apart = hkm_settings.whale_ring;
    for (struct hkm_range *old = oldest(); old != NULL; old = oldest()) {
        hkm_range_set_remove(old->set, old);
        hkm_range_set_put(&all, old, old->freed_ns);
    }
    while (all.oldest != NULL) {
        struct hkm_range *old = all.oldest;
        hkm_range_set_remove(&all, old);
        hkm_range_set_put(ring_of(old->site), old, old->freed_ns);
    }
}

bool hkm_whale_purge_is_due(void) {
    return purge_is_due;
}

struct hkm_range *hkm_whale_next_purge(void) {
    struct hkm_range *range = purge_is_due ? waiting.oldest : NULL;
    if (range == NULL) {
        purge_is_due = false;
    } else {
        hkm_range_set_remove(&waiting, range);
    }
    return range;
}
