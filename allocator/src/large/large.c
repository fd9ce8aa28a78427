/*
 * See large.h. A freed block goes, pages and all, into the BigCache or the whale cache; what the
 * whale cache evicts gives its pages back and goes into the region cache, where its address range
 * is found again.
 */
#include "large/large.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "debug/counters.h"
#include "debug/misuse.h"
#include "debug/sanitizer.h"
#include "debug/timing.h"
#include "large/big_cache.h"
#include "large/demand.h"
#include "large/guarded.h"
#include "large/range_set.h"
#include "large/region_cache.h"
#include "large/whale_cache.h"
#include "os/sys.h"
#include "policy/learner.h"
#include "policy/settings.h"
#include "policy/site.h"
#include "policy/strategy.h"

/* What a block that grows gets more than was asked for is less than this. */
#define GROWTH_MAX ((size_t)4 << 20)

static pthread_mutex_t large_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hkm_demand demand;
/* The time of the present operation: read once for each, under the lock. */
static uint64_t now_ns;

static void gauges(void) {
    atomic_store_explicit(&hkm_counters[HKM_LARGE_BYTES], demand.live, memory_order_relaxed);
    atomic_store_explicit(&hkm_counters[HKM_WHALE_BYTES], hkm_whale_bytes(), memory_order_relaxed);
    atomic_store_explicit(&hkm_counters[HKM_REGION_BYTES], hkm_region_bytes(),
                          memory_order_relaxed);
}

/* Accounts for a change of live bytes. */
static void changed(const struct hkm_range *range, enum hkm_site_event event, size_t bytes) {
    hkm_demand_change(&demand, bytes, now_ns);
    if (hkm_unlikely(hkm_settings.sites)) {
        hkm_site_change(range->site, event, bytes);
    }
}

/* Purges what is due, one range at a time, outside the lock: a range in no set is nobody else's. */
static void purge(void) {
    for (;;) {
        hkm_large_lock();
        struct hkm_range *range = hkm_whale_next_purge();
        const enum hkm_purge kind = hkm_strategy.purge;
        hkm_large_unlock();
        if (range == NULL) {
            return;
        }
        bool gone = false;
        range->zero = false;
        if (kind == HKM_PURGE_MUNMAP) {
            gone = hkm_sys_munmap(range->base, range->size);
        } else if (kind == HKM_PURGE_FREE) {
            hkm_sys_madvise_free(range->base, range->size);
        }
        /* also where the hole would be one mapping too many for the kernel */
        if (kind == HKM_PURGE_DONTNEED || (kind == HKM_PURGE_MUNMAP && !gone)) {
            range->zero = hkm_sys_madvise_dontneed(range->base, range->size);
        }
        hkm_large_lock();
        if (gone) {
            hkm_range_delete(range);
        } else {
            hkm_count(HKM_REGION_PUT, 1);
            hkm_region_put(range, now_ns);
        }
        gauges();
        hkm_large_unlock();
    }
}

/* A rest this large is worth a range of its own; a smaller one is left with the block. */
static bool worth_splitting(size_t size, size_t needed) {
    const size_t rest = size - needed;
    return !hkm_settings.whale_ring && (rest >= needed / 16 || rest >= (256u << 10));
}

/* Puts a part that was cut off a taken range where it came from. */
static void put_rest(struct hkm_range *rest, bool with_pages, bool zero) {
    if (rest == NULL) {
        return; /* no memory to cut it off: it stays with the block */
    }
    rest->zero = zero;
    if (with_pages) {
        hkm_whale_put_rest(rest, now_ns);
    } else {
        hkm_region_put(rest, now_ns);
    }
}

static struct hkm_range *map_fresh(size_t size) {
    char *base = hkm_sys_mmap(size);
    if (base == NULL) {
        return NULL;
    }
    struct hkm_range *range = hkm_range_new(base, size);
    if (range == NULL) {
        hkm_sys_munmap(base, size);
        return NULL;
    }
    range->zero = true;
    if (hkm_settings.thp) {
        hkm_sys_madvise_hugepage(base, size);
    }
    return range;
}

/* A range of at least `size` bytes, at a multiple of `alignment`, in no set, from the whale cache,
 * the region cache or the kernel. */
static struct hkm_range *take(size_t size, size_t alignment, uintptr_t site) {
    const size_t needed = size + (alignment > HKM_PAGE ? alignment - HKM_PAGE : 0);
    struct hkm_range *range = hkm_whale_get(needed, site);
    const bool with_pages = range != NULL;
    if (range == NULL) {
        range = hkm_region_get(needed);
    }
    if (range == NULL) {
        range = map_fresh(needed);
    }
    if (range == NULL) {
        return NULL;
    }
    const bool zero = range->zero;
    const size_t lead = (size_t)(-(uintptr_t)range->base & (alignment - 1));
    if (lead > 0) {
        struct hkm_range *aligned = hkm_range_split(range, lead);
        put_rest(range, with_pages, zero);
        range = aligned;
    }
    /* the ring finds by exact size: a range that keeps a rest would not be found again */
    if (range != NULL && range->size > size &&
        (hkm_settings.whale_ring || worth_splitting(range->size, size))) {
        put_rest(hkm_range_split(range, size), with_pages, zero);
    }
    if (range != NULL) {
        range->zero = zero;
    }
    return range;
}

static size_t page_ceil(size_t size) {
    return (size + HKM_PAGE - 1) & ~(size_t)(HKM_PAGE - 1);
}

/* Lets go of what nobody has used for HAKMEM_SUPERSLAB_TTL_SEC. */
static uint64_t next_tick_ns;
static void tick(void) {
    const uint64_t since = now_ns > hkm_settings.lru_ttl_ns ? now_ns - hkm_settings.lru_ttl_ns : 0;
    const size_t slack = hkm_demand_slack(&demand);
    next_tick_ns = now_ns + hkm_settings.lru_ttl_ns / 4;
    for (struct hkm_range *old = hkm_big_expire(since); old != NULL; old = hkm_big_expire(since)) {
        hkm_whale_put(old, slack, old->freed_ns);
    }
    hkm_whale_tick(slack, since, now_ns, true);
}

static void tick_if_due(void) {
    if (now_ns >= next_tick_ns) {
        tick();
    }
}

/* A range for a block of `size` bytes, whole pages. */
static struct hkm_range *acquire(size_t size, size_t alignment, uintptr_t site) {
    if (HKM_GUARDED) {
        return hkm_guarded_new(size, alignment);
    }
    struct hkm_range *range = NULL;
    if (hkm_settings.big_cache && size > HKM_BIG_ABOVE && size < hkm_strategy.threshold &&
        alignment <= HKM_PAGE) {
        size = hkm_big_round(size);
        range = hkm_big_get(size, site);
    }
    if (range == NULL) {
        range = take(size, alignment, site);
    }
    if (range != NULL) {
        HKM_ALLOCATED(range->base, range->size);
    }
    return range;
}

/* Keeps the range of a freed block. */
static void retire(struct hkm_range *range) {
    if (HKM_GUARDED) {
        hkm_guarded_retire(range);
        return;
    }
    HKM_FREED(range->base, range->size);
    if (!hkm_settings.big_cache || range->size >= hkm_strategy.threshold ||
        !hkm_big_put(range, now_ns)) {
        hkm_whale_put(range, hkm_demand_slack(&demand), now_ns);
        tick_if_due();
    }
}

static void *allocate(size_t size, size_t alignment, uintptr_t site, bool *zero) {
    if (size > PTRDIFF_MAX - HKM_PAGE || alignment > PTRDIFF_MAX - HKM_PAGE - size) {
        errno = ENOMEM;
        return NULL;
    }
    size = page_ceil(size);
    hkm_large_lock();
    HKM_TIMED_BEGIN;
    struct hkm_range *range = acquire(size, alignment, site);
    HKM_TIMED_END(WHALE_GET);
    if (range == NULL) {
        hkm_large_unlock();
        errno = ENOMEM;
        return NULL;
    }
    range->live = true;
    range->site = site;
    *zero = range->zero;
    hkm_count(HKM_LARGE_ALLOC, 1);
    changed(range, HKM_SITE_ALLOC, range->size);
    gauges();
    char *const base = range->base;
    hkm_large_unlock();
    return base;
}

static struct hkm_range *live_at(const void *block) {
    struct hkm_range *range = hkm_range_at(block);
    return range != NULL && range->live ? range : NULL;
}

static void release(void *block, const char *function) {
    hkm_large_lock();
    struct hkm_range *range = live_at(block);
    if (range == NULL) {
        const struct hkm_range *around = hkm_range_around(block);
        const char *what = "not a pointer that hakmem gave out";
        if (around != NULL) {
            what = !around->live ? "double free of a large block"
                                 : "points into the middle of a large block";
        }
        hkm_large_unlock();
        hkm_misuse(function, block, what);
        return;
    }
    HKM_TIMED_BEGIN;
    hkm_count(HKM_LARGE_FREE, 1);
    changed(range, HKM_SITE_FREE, -range->size);
    range->live = false;
    retire(range);
    HKM_TIMED_END(WHALE_PUT);
    gauges();
    const bool due = hkm_whale_purge_is_due();
    hkm_large_unlock();
    if (due) {
        purge();
    }
}

size_t hkm_large_size(const void *block) {
    hkm_large_lock();
    const struct hkm_range *range = live_at(block);
    const size_t size = range != NULL ? range->size : 0;
    hkm_large_unlock();
    return size;
}

/* What a block that has grown to `size` bytes, whole pages, gets, so that many small steps are few
 * moves: as the middle classes four sizes to a doubling, at most GROWTH_MAX apart. More than was
 * asked for is only addresses, until it is used. */
static size_t with_room(size_t size) {
    const size_t quarter = ((size_t)1 << 61) >> __builtin_clzll(size);
    const size_t step = quarter < GROWTH_MAX ? quarter : GROWTH_MAX;
    /* with guard pages, one is to lie behind what was asked for */
    return HKM_GUARDED || step <= HKM_PAGE ? size : (size + step - 1) & ~(step - 1);
}

/* Grows a live range into the free range behind it, where that is large enough. */
static bool grow_in_place(struct hkm_range *range, size_t size) {
    const size_t before = range->size;
    struct hkm_range *next = hkm_range_at(range->base + before);
    if (next == NULL || next->set == NULL || before + next->size < size) {
        return false;
    }
    const bool with_pages = !hkm_region_holds(next);
    const bool zero = next->zero;
    hkm_range_set_remove(next->set, next);
    if (next->size > size - before) {
        put_rest(hkm_range_split(next, size - before), with_pages, zero);
    }
    const size_t grown = before + next->size;
    hkm_range_delete(next);
    hkm_range_move(range, range->base, grown);
    HKM_ALLOCATED(range->base + before, grown - before);
    return true;
}

/* Moves the pages of a live range to where it has room for `size` bytes. */
static bool move(struct hkm_range *range, size_t size) {
    void *base = hkm_sys_mremap(range->base, range->size, size);
    if (base != NULL) {
        hkm_range_move(range, base, size);
    }
    return base != NULL;
}

/* Whether a block that is to grow by so much is rather copied to a free range that has its pages
 * than moved by mremap: its new pages would each fault, and as many would be free and unused.
 * Measured on growth to 1 and to 8 MiB, two to 32 blocks side by side: copying is ahead or equal
 * from steps of an eighth on. */
static bool is_cheap_to_copy(size_t before, size_t size) {
    return before <= 8 * (size - before) + (64u << 10);
}

/* Cuts a live range down to `size` bytes, where the rest is worth it. */
static void shrink(struct hkm_range *range, size_t size) {
    const size_t before = range->size;
    if (before > with_room(size) && worth_splitting(before, size)) {
        /* the whale cache is over its limit until the next block is freed, at most */
        struct hkm_range *rest = hkm_range_split(range, size);
        HKM_FREED(range->base + range->size, before - range->size);
        put_rest(rest, true, false);
    }
}

/* Grows a live range to `size` bytes, or more; false when it is rather copied. */
static bool grow(struct hkm_range *range, size_t size) {
    const size_t roomy = with_room(size);
    if (grow_in_place(range, roomy)) {
        return true;
    }
    if (is_cheap_to_copy(range->size, roomy) && hkm_whale_has(roomy, range->site)) {
        return false;
    }
    return move(range, roomy) ||
           (roomy > size && (grow_in_place(range, size) || move(range, size)));
}

static void *resize(void *block, size_t size, size_t *usable) {
    hkm_large_lock();
    struct hkm_range *range = live_at(block);
    void *result = NULL;
    *usable = range != NULL ? range->size : 0;
    /* not where it is to be copied to a class, or to between other guard pages */
    if (range != NULL && size <= PTRDIFF_MAX - HKM_PAGE - GROWTH_MAX &&
        (size > HKM_GROWS_ABOVE || size >= *usable / 2) &&
        !(HKM_GUARDED && page_ceil(size) != *usable)) {
        size = page_ceil(size);
        if (size <= *usable) {
            shrink(range, size);
            result = range->base;
        } else if (grow(range, size)) {
            result = range->base;
        }
        if (range->size != *usable) {
            changed(range, HKM_SITE_RESIZE, range->size - *usable);
            gauges();
        }
    }
    hkm_large_unlock();
    return result;
}

/* ---- With the learner watching, where it is on ---- */

static void tell_learner(uint64_t begin_ns, size_t size) {
    hkm_large_lock();
    const size_t kept = hkm_whale_bytes() + (size_t)atomic_load_explicit(
                                                &hkm_counters[HKM_BIG_BYTES], memory_order_relaxed);
    hkm_learner_operation(begin_ns, size, kept);
    hkm_large_unlock();
}

void *hkm_large_alloc(size_t size, size_t alignment, uintptr_t site, bool *zero) {
    if (hkm_unlikely(hkm_learner_watches())) {
        const uint64_t begin_ns = hkm_sys_precise_ns();
        void *block = allocate(size, alignment, site, zero);
        tell_learner(begin_ns, size);
        return block;
    }
    return allocate(size, alignment, site, zero);
}

void *hkm_large_alloc_to_grow(size_t size, uintptr_t site) {
    bool zero;
    const int before = errno;
    void *block = NULL;
    if (size <= PTRDIFF_MAX - HKM_PAGE - GROWTH_MAX) {
        block = hkm_large_alloc(with_room(page_ceil(size)), 1, site, &zero);
    }
    if (block == NULL) {
        errno = before;
        block = hkm_large_alloc(size, 1, site, &zero);
    }
    return block;
}

void hkm_large_free(void *block, const char *function) {
    if (hkm_unlikely(hkm_learner_watches())) {
        const uint64_t begin_ns = hkm_sys_precise_ns();
        release(block, function);
        tell_learner(begin_ns, 0);
        return;
    }
    release(block, function);
}

void *hkm_large_resize(void *block, size_t size, size_t *usable) {
    if (hkm_unlikely(hkm_learner_watches())) {
        const uint64_t begin_ns = hkm_sys_precise_ns();
        void *resized = resize(block, size, usable);
        tell_learner(begin_ns, size);
        return resized;
    }
    return resize(block, size, usable);
}

void hkm_large_apply(const struct hkm_strategy *strategy) {
    if (strategy->threshold != hkm_strategy.threshold) {
        /* what the new threshold has no use for must not stay behind */
        for (struct hkm_range *range = hkm_big_expire(UINT64_MAX); range != NULL;
             range = hkm_big_expire(UINT64_MAX)) {
            hkm_whale_put_rest(range, now_ns);
        }
    }
    const bool regroup = strategy->per_site != hkm_strategy.per_site;
    hkm_strategy = *strategy;
    if (regroup) {
        hkm_whale_regroup();
    }
    gauges();
}

void hkm_large_tick(void) {
    hkm_large_lock();
    hkm_demand_change(&demand, 0, now_ns);
    tick();
    gauges();
    const bool due = hkm_whale_purge_is_due();
    hkm_large_unlock();
    if (due) {
        purge();
    }
}

void hkm_large_lock(void) {
    pthread_mutex_lock(&large_lock);
    now_ns = hkm_sys_clock_ns();
}

void hkm_large_unlock(void) {
    pthread_mutex_unlock(&large_lock);
}
