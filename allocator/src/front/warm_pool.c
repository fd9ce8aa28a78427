/* See warm_pool.h. */
#include "front/warm_pool.h"

#include "debug/misuse.h"
#include "debug/timing.h"
#include "policy/settings.h"
#include "superslab/pool.h"

/* Secondary prefill: slabs that are brought in at once when the pool runs dry, one more each time
 * it does, so that a thread that needs little does not hoard. Big slabs come one at a time. */
#define MOST_PREFILL 3u
static size_t prefill(struct hkm_warm *warm, unsigned cls) {
    if (warm->prefill < hkm_settings.warm_prefill &&
        (warm->prefill == 0 || hkm_classes[cls].kind <= HKM_KIND_8K)) {
        warm->prefill++;
    }
    return warm->prefill > 0 ? warm->prefill : 1;
}

/* By address: blocks are taken from the lowest slab that has any, so that the higher ones may empty
 * and pages that no block needs are never touched. */
static void insert(struct hkm_warm *warm, struct hkm_slab *slab) {
    struct hkm_slab **at = &warm->first;
    while (*at != NULL && (uintptr_t)(*at)->base < (uintptr_t)slab->base) {
        at = &(*at)->next;
    }
    slab->next = *at;
    *at = slab;
    warm->slabs++;
}

static void remove_slab(struct hkm_warm *warm, struct hkm_slab *slab) {
    for (struct hkm_slab **at = &warm->first; *at != NULL; at = &(*at)->next) {
        if (*at == slab) {
            *at = slab->next;
            slab->next = NULL;
            warm->slabs--;
            return;
        }
    }
}

/* The first slab held that has free blocks; lets go of those before it. */
static struct hkm_slab *first_with_free(struct hkm_warm *warm) {
    while (warm->first != NULL) {
        struct hkm_slab *slab = warm->first;
        if (hkm_slab_has_free(slab, slab->capacity)) {
            return slab;
        }
        warm->first = slab->next;
        warm->slabs--;
        slab->next = NULL;
        if (!hkm_slab_release_full(slab)) {
            insert(warm, slab);
        }
    }
    return NULL;
}

struct hkm_slab *hkm_warm_slab(struct hkm_heap *heap, unsigned cls) {
    struct hkm_warm *warm = &heap->warm[cls];
    struct hkm_slab *held = first_with_free(warm);
    if (held != NULL) {
        hkm_heap_count(heap, HKM_REFILL_WARM, 1);
        hkm_count_own(&warm->hits);
        return held;
    }
    hkm_count_own(&warm->misses);
    struct hkm_slab *got[MOST_PREFILL];
    size_t n;
    while ((n = hkm_pool_claim(cls, heap, got, prefill(warm, cls))) > 0) {
        hkm_heap_count(heap, HKM_SLAB_ADOPTED, n);
        for (size_t i = 0; i < n; i++) {
            insert(warm, got[i]);
        }
        /* A slab whose owner took the block that came back before its giver listed it has none. */
        held = first_with_free(warm);
        if (held != NULL) {
            hkm_heap_count(heap, HKM_REFILL_SHARED, 1);
            return held;
        }
    }
    enum hkm_counter stage;
    HKM_TIMED_BEGIN;
    struct hkm_slab *slab = hkm_pool_new(cls, heap, &stage);
    HKM_TIMED_END(NEW_SLAB);
    if (slab != NULL) {
        hkm_heap_count(heap, stage, 1);
        insert(warm, slab);
    }
    return slab;
}

/* An own slab all of whose blocks are back is retired, but for the one that is in use: it saves the
 * way to the shared pool. Big slabs hold too much memory for that. */
static void retire_owned(struct hkm_heap *heap, struct hkm_slab *slab, unsigned cls,
                         uint64_t control) {
    struct hkm_warm *warm = &heap->warm[cls];
    if (slab == warm->first && hkm_classes[cls].kind <= HKM_KIND_8K) {
        return;
    }
    remove_slab(warm, slab);
    if (hkm_pool_retire(slab, cls, control)) {
        hkm_heap_count(heap, HKM_SLAB_RETIRED, 1);
    } else {
        insert(warm, slab);
    }
}

void hkm_warm_give(struct hkm_heap *heap, struct hkm_slab *slab, unsigned word, uint64_t mask,
                   unsigned n) {
    const unsigned cls = slab->cls;
    uint64_t control, twice;
    const enum hkm_given given = hkm_slab_give(slab, word, mask, &control, &twice);
    /* after the state: OWNED by this heap, or FULL and last held by it, stays so */
    const bool own =
        heap != NULL && atomic_load_explicit(&slab->owner, memory_order_relaxed) == heap;
    for (; hkm_unlikely(twice != 0); twice &= twice - 1) {
        const unsigned index = word * 64 + (unsigned)__builtin_ctzll(twice);
        hkm_misuse("free", slab->base + (size_t)index * slab->block_size,
                   "double free by two threads");
    }
    if (heap != NULL) {
        hkm_heap_count(heap, own ? HKM_FREE_LOCAL : HKM_FREE_REMOTE, n);
    }
    if (given == HKM_GIVEN_TO_FULL) {
        if (own && heap->warm[cls].slabs < hkm_settings.warm_slabs) {
            if (hkm_slab_change(slab, &control, HKM_SLAB_OWNED)) {
                insert(&heap->warm[cls], slab);
                if (hkm_slab_all_free(slab, slab->capacity)) {
                    retire_owned(heap, slab, cls, control);
                }
            }
        } else {
            hkm_pool_list(slab, cls, control);
        }
    } else if (given == HKM_GIVEN_LAST) {
        if (hkm_control_state(control) == HKM_SLAB_LISTED) {
            hkm_pool_retire(slab, cls, control);
        } else if (own && hkm_control_state(control) == HKM_SLAB_OWNED) {
            retire_owned(heap, slab, cls, control);
        }
    }
}

void hkm_warm_release(struct hkm_heap *heap, unsigned cls) {
    struct hkm_warm *warm = &heap->warm[cls];
    while (warm->first != NULL) {
        struct hkm_slab *slab = warm->first;
        warm->first = slab->next;
        slab->next = NULL;
        if (hkm_slab_has_free(slab, slab->capacity) || !hkm_slab_release_full(slab)) {
            hkm_pool_list(slab, cls, atomic_load_explicit(&slab->control, memory_order_relaxed));
        }
    }
    warm->slabs = 0;
    warm->prefill = 0;
}
