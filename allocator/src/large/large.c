/*
 * See large.h. A freed block goes, pages and all, into the whale cache; what the whale cache evicts
 * gives its pages back and goes into the region cache, where its address range is found again; what
 * that evicts is unmapped.
 */
#include "large/large.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "debug/counters.h"
#include "debug/misuse.h"
#include "debug/timing.h"
#include "large/demand.h"
#include "large/range_set.h"
#include "os/sys.h"
#include "policy/settings.h"

static pthread_mutex_t large_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hkm_range_set whales = {.state = HKM_RANGE_WHALE};
static struct hkm_range_set regions = {.state = HKM_RANGE_REGION};
static struct hkm_demand demand;
/* The time of the present operation: read once for each, under the lock. */
static uint64_t now_ns;

/* Pages are given back in whole huge pages, so that none is broken up without need. */
#define HUGE_PAGE ((size_t)2 << 20)

/* A cached range may serve a smaller request whole when this little would be wasted: it saves a
 * fragment. */
static bool worth_splitting(size_t size, size_t needed) {
    const size_t rest = size - needed;
    return rest >= needed / 16 || rest >= (256u << 10);
}

static void gauges(void) {
    atomic_store_explicit(&hkm_counters[HKM_LARGE_BYTES], demand.live, memory_order_relaxed);
    atomic_store_explicit(&hkm_counters[HKM_WHALE_BYTES], whales.bytes, memory_order_relaxed);
    atomic_store_explicit(&hkm_counters[HKM_REGION_BYTES], regions.bytes, memory_order_relaxed);
}

static void region_put(struct hkm_range *range) {
    hkm_count(HKM_REGION_PUT, 1);
    hkm_range_set_put(&regions, range, now_ns);
    while (regions.oldest != NULL && (regions.bytes > hkm_settings.region_max_bytes ||
                                      regions.count > hkm_settings.region_max_count)) {
        struct hkm_range *old = regions.oldest;
        if (!hkm_sys_munmap(old->base, old->size)) {
            break; /* a hole would be one mapping too many for the kernel: kept for the next request
                    */
        }
        hkm_range_set_remove(&regions, old);
        hkm_range_delete(old);
        hkm_count(HKM_REGION_UNMAP, 1);
    }
}

/* Moves a range from the whale cache to the region cache, at most `bytes` of it. */
static void evict(struct hkm_range *range, size_t bytes) {
    hkm_range_set_remove(&whales, range);
    if (range->size > bytes) {
        struct hkm_range *kept = hkm_range_split(range, bytes);
        if (kept != NULL) {
            hkm_range_set_put(&whales, kept, range->freed_ns);
        }
    }
    if (!hkm_sys_madvise_dontneed(range->base, range->size)) {
        memset(range->base, 0,
               range->size); /* locked pages stay: a region still has to read as zero */
    }
    hkm_count(HKM_WHALE_EVICT, 1);
    region_put(range);
}

/* Evicts what is past its time, and the oldest above the whale cache's limit: the setting, and what
 * was live at the recent peak. */
static void whale_evict(void) {
    const size_t limit =
        hkm_settings.whale_max_bytes + (hkm_settings.whale_learn ? hkm_demand_slack(&demand) : 0);
    while (whales.oldest != NULL && now_ns - whales.oldest->freed_ns >= hkm_settings.lru_ttl_ns) {
        evict(whales.oldest, SIZE_MAX);
    }
    while (whales.oldest != NULL && whales.bytes > limit) {
        evict(whales.oldest, (whales.bytes - limit + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
    }
}

/* Gives the bytes of a taken range beyond `size` back to the set that it came from. */
static void trim(struct hkm_range_set *from, struct hkm_range *range, size_t size) {
    if (range->size > size) {
        struct hkm_range *rest = hkm_range_split(range, size);
        if (rest != NULL) {
            hkm_range_set_put(from, rest, now_ns);
        }
    }
}

/* A range of at least `size` bytes whose base is a multiple of `alignment`, in no set; *from is
 * where it came from. */
static struct hkm_range *take(size_t size, size_t alignment, struct hkm_range_set **from) {
    const size_t needed = size + (alignment > HKM_PAGE ? alignment - HKM_PAGE : 0);
    struct hkm_range *range = hkm_range_set_find(&whales, needed);
    *from = &whales;
    if (range != NULL) {
        hkm_count(HKM_WHALE_HIT, 1);
    } else {
        hkm_count(HKM_WHALE_MISS, 1);
        range = hkm_range_set_find(&regions, needed);
        *from = &regions;
        if (range != NULL) {
            hkm_count(HKM_REGION_HIT, 1);
        }
    }
    if (range != NULL) {
        hkm_range_set_remove(*from, range);
    } else {
        char *base = hkm_sys_mmap(needed);
        if (base == NULL) {
            return NULL;
        }
        range = hkm_range_new(base, needed); /* its pages are fresh, like a region's */
        if (range == NULL) {
            hkm_sys_munmap(base, needed);
            return NULL;
        }
    }
    const size_t lead = (size_t)(-(uintptr_t)range->base & (alignment - 1));
    if (lead > 0) {
        struct hkm_range *aligned = hkm_range_split(range, lead);
        hkm_range_set_put(*from, range, now_ns);
        range = aligned;
    }
    return range;
}

static size_t page_ceil(size_t size) {
    return (size + HKM_PAGE - 1) & ~(size_t)(HKM_PAGE - 1);
}

void *hkm_large_alloc(size_t size, size_t alignment, bool *zero) {
    struct hkm_range_set *from;
    if (size > PTRDIFF_MAX - HKM_PAGE || alignment > PTRDIFF_MAX - HKM_PAGE - size) {
        errno = ENOMEM;
        return NULL;
    }
    size = page_ceil(size);
    hkm_large_lock();
    HKM_TIMED_BEGIN;
    struct hkm_range *range = take(size, alignment, &from);
    HKM_TIMED_END(WHALE_GET);
    if (range == NULL) {
        hkm_large_unlock();
        errno = ENOMEM;
        return NULL;
    }
    if (worth_splitting(range->size, size)) {
        trim(from, range, size);
    }
    *zero = from == &regions;
    hkm_count(HKM_LARGE_ALLOC, 1);
    hkm_demand_change(&demand, range->size, now_ns);
    gauges();
    char *const base = range->base;
    hkm_large_unlock();
    return base;
}

static struct hkm_range *live_at(const void *block) {
    struct hkm_range *range = hkm_range_at(block);
    return range != NULL && range->state == HKM_RANGE_LIVE ? range : NULL;
}

void hkm_large_free(void *block, const char *function) {
    hkm_large_lock();
    struct hkm_range *range = live_at(block);
    if (range == NULL) {
        const struct hkm_range *around = hkm_range_around(block);
        const char *what = "not a pointer that hakmem gave out";
        if (around != NULL) {
            what = around->state != HKM_RANGE_LIVE ? "double free of a large block"
                                                   : "points into the middle of a large block";
        }
        hkm_large_unlock();
        hkm_misuse(function, block, what);
        return;
    }
    hkm_count(HKM_LARGE_FREE, 1);
    HKM_TIMED_BEGIN;
    hkm_count(HKM_WHALE_PUT, 1);
    hkm_demand_change(&demand, -range->size, now_ns);
    hkm_range_set_put(&whales, range, now_ns);
    whale_evict();
    HKM_TIMED_END(WHALE_PUT);
    gauges();
    hkm_large_unlock();
}

size_t hkm_large_size(const void *block) {
    hkm_large_lock();
    const struct hkm_range *range = live_at(block);
    const size_t size = range != NULL ? range->size : 0;
    hkm_large_unlock();
    return size;
}

/* Grows a live range into the free range behind it, where that is large enough. */
static bool grow_in_place(struct hkm_range *range, size_t size) {
    struct hkm_range *next = hkm_range_at(range->base + range->size);
    if (next == NULL || next->state == HKM_RANGE_LIVE || range->size + next->size < size) {
        return false;
    }
    struct hkm_range_set *set = next->state == HKM_RANGE_WHALE ? &whales : &regions;
    const size_t missing = size - range->size;
    hkm_range_set_remove(set, next);
    trim(set, next, missing);
    const size_t grown = range->size + next->size;
    hkm_range_delete(next);
    hkm_range_move(range, range->base, grown);
    return true;
}

void *hkm_large_resize(void *block, size_t size) {
    if (size > PTRDIFF_MAX - HKM_PAGE) {
        return NULL;
    }
    size = page_ceil(size);
    hkm_large_lock();
    struct hkm_range *range = live_at(block);
    void *result = NULL;
    if (range != NULL) {
        const size_t before = range->size;
        if (size <= before) {
            if (worth_splitting(before, size)) {
                trim(&whales, range,
                     size); /* over its limit at most until the next block is freed */
            }
            result = block;
        } else if (grow_in_place(range, size)) {
            result = block;
        } else {
            result = hkm_sys_mremap(range->base, before, size);
            if (result != NULL) {
                hkm_range_move(range, result, size);
            }
        }
        hkm_demand_change(&demand, range->size - before, now_ns);
        gauges();
    }
    hkm_large_unlock();
    return result;
}

void hkm_large_tick(void) {
    hkm_large_lock();
    hkm_demand_change(&demand, 0, now_ns);
    whale_evict();
    gauges();
    hkm_large_unlock();
}

void hkm_large_lock(void) {
    pthread_mutex_lock(&large_lock);
    now_ns = hkm_sys_clock_ns();
}

void hkm_large_unlock(void) {
    pthread_mutex_unlock(&large_lock);
}
