/* See cache.h. */
#include "front/cache.h"

#include <string.h>

#include "debug/hardened.h"
#include "front/warm_pool.h"
#include "policy/settings.h"
#include "superslab/arena.h"

#define FIRST_CAPACITY 8u

/* What the bin is about to hold. A bin that is both emptied and filled doubles from a small start,
 * and keeps half of its blocks, or of its room, for what comes next. One that only goes one way
 * stays small, and goes all the way. */
struct plan {
    unsigned capacity;
    unsigned blocks; /* to bring in, or to give back */
};

static struct plan plan(struct hkm_warm *warm, unsigned cls, bool refill) {
    const struct hkm_class *class = &hkm_classes[cls];
    const bool one_way = warm->filled_last == refill && warm->capacity != 0;
    const unsigned most = one_way ? class->lean_slots : class->cache_slots;
    const unsigned now = warm->capacity;
    const unsigned next = now == 0 ? FIRST_CAPACITY : now * 2;
    const unsigned capacity = next < most ? next : now > most ? now : most;
    warm->filled_last = refill;
    return (struct plan){capacity, one_way ? capacity : (capacity + 1) / 2};
}

/* Slot of the bin's NULL, for a capacity. */
static void **bottom_of(struct hkm_heap *heap, unsigned cls, unsigned capacity) {
    return &heap->bins[cls][HKM_BIN_SLOTS - 1 - capacity];
}

void *hkm_cache_refill(struct hkm_heap *heap, unsigned cls, bool *zero) {
    struct hkm_slab *slab = hkm_warm_slab(heap, cls);
    if (slab == NULL) {
        return NULL;
    }
    const struct plan next = plan(&heap->warm[cls], cls, true);
    void *blocks[HKM_BIN_SLOTS];
    size_t n = hkm_slab_take(slab, blocks, next.blocks, zero);
    for (slab = slab->next; slab != NULL && n < next.blocks; slab = slab->next) {
        bool other;
        n += hkm_slab_take(slab, blocks + n, next.blocks - n, &other);
    }
#ifdef HKM_HARDENED
    *zero = *zero && n == 1; /* it speaks of the first block */
    hkm_hardened_shuffle(blocks, n);
#endif
    heap->warm[cls].capacity = (uint8_t)next.capacity;
    void **bottom = bottom_of(heap, cls, next.capacity);
    *bottom = NULL;
    /* the lowest address goes on top */
    for (size_t i = 1; i < n; i++) {
        bottom[i] = blocks[n - i];
    }
    heap->top[cls] = bottom + (n - 1);
    hkm_heap_count(heap, HKM_REFILL_BLOCKS, n);
    if (hkm_settings.warm_slabs == 0) {
        hkm_warm_release(heap, cls);
    }
    return blocks[0];
}

static struct hkm_slab *slab_of_block(const void *block, unsigned cls) {
    return hkm_slab_of(hkm_superslab_of(block, hkm_arena_of_class(cls)), block);
}

/* Gives blocks[0 .. n-1], all of one class, back to their slabs: one atomic step for those that
 * share a word of free bits. Blocks freed in no order share few: then only the next few are looked
 * at, as the search among all would cost more than the steps that it saves. */
static void give_back(struct hkm_heap *heap, unsigned cls, void **blocks, size_t n) {
    size_t window = n;
    while (n > 0) {
        struct hkm_slab *slab = slab_of_block(blocks[0], cls);
        const char *const base = slab->base;
        const uint64_t inverse = slab->inverse;
        const uint64_t span = (uint64_t)slab->block_size * slab->capacity;
        const unsigned word = hkm_block_index(slab, blocks[0]) / 64;
        uint64_t mask = 0;
        size_t given = window < n ? window : n;
        /* The others move to the window's end. No branch in here: which blocks lie together is
         * anybody's guess. */
        for (size_t i = given; i-- > 0;) {
            void *const block = blocks[i];
            const uint64_t offset = (uintptr_t)block - (uintptr_t)base;
            const uint64_t index = (offset * inverse) >> 42; /* nonsense beyond the slab */
            const bool here = (offset < span) & (index / 64 == word);
            mask |= (uint64_t)here << (index % 64);
            blocks[given - 1] = block;
            given -= !here;
        }
        blocks += given;
        n -= given;
        window = given * 16;
        hkm_warm_give(heap, slab, word, mask, (unsigned)given);
    }
}

void hkm_cache_flush_and_put(struct hkm_heap *heap, unsigned cls, void *block) {
    struct hkm_warm *warm = &heap->warm[cls];
    const unsigned before = warm->capacity;
    const struct plan next = plan(warm, cls, false);
    void **bottom = bottom_of(heap, cls, next.capacity);
    warm->capacity = (uint8_t)next.capacity;
    if (before == 0) {
        *bottom = NULL;
        heap->top[cls] = bottom;
    } else if (next.capacity > before) {
        /* not yet as large as it may be: move the blocks down and the bottom with them */
        memmove(bottom, bottom_of(heap, cls, before), (before + 1) * sizeof *bottom);
        heap->top[cls] = bottom + before;
    } else {
        /* the older ones go: what was freed last is in the processor's caches and comes back first
         */
        void *blocks[HKM_BIN_SLOTS];
        memcpy(blocks, bottom + 1, next.blocks * sizeof *blocks);
        memmove(bottom + 1, bottom + 1 + next.blocks, (before - next.blocks) * sizeof *bottom);
        heap->top[cls] = bottom + (before - next.blocks);
        hkm_heap_count(heap, HKM_FLUSH, 1);
        give_back(heap, cls, blocks, next.blocks);
    }
    *++heap->top[cls] = block;
}

void hkm_cache_free_direct(void *block, unsigned cls) {
    struct hkm_slab *slab = slab_of_block(block, cls);
    const unsigned index = hkm_block_index(slab, block);
    hkm_count(HKM_FREE_DIRECT, 1);
    hkm_warm_give(NULL, slab, index / 64, UINT64_C(1) << (index % 64), 1);
}

void hkm_cache_release(struct hkm_heap *heap, bool keep_small) {
    for (unsigned cls = 1; cls < HKM_CLASSES; cls++) {
        struct hkm_warm *warm = &heap->warm[cls];
        if (warm->capacity == 0) {
            continue;
        }
        if (!keep_small || hkm_classes[cls].kind > HKM_KIND_8K) {
            void **bottom = bottom_of(heap, cls, warm->capacity);
            give_back(heap, cls, bottom + 1, (size_t)(heap->top[cls] - bottom));
            warm->capacity = 0;
            warm->filled_last = false;
            heap->top[cls] = &hkm_no_bin[HKM_BIN_SLOTS - 1];
        }
        hkm_warm_release(heap, cls);
    }
}
