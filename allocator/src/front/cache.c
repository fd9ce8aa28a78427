/* See cache.h. */
#include "front/cache.h"

#include <string.h>

#include "front/warm_pool.h"
#include "superslab/arena.h"

#define FIRST_CAPACITY 8u
#define LAST_SLOT      (HKM_BIN_SLOTS - 1)

/* Capacity for the bin from now on: it starts small and doubles, while the bin is both emptied and filled. */
static unsigned next_capacity(struct hkm_warm *warm, unsigned cls, bool refill) {
    const struct hkm_class *class = &hkm_classes[cls];
    const unsigned most = warm->filled_last != refill ? class->cache_slots : class->lean_slots;
    const unsigned now = warm->capacity;
    const unsigned next = now == 0 ? FIRST_CAPACITY : now * 2;
    warm->filled_last = refill;
    return next < most ? next : now > most ? now : most;
}

/* Slot of the bin's NULL, for a capacity. */
static void **bottom_of(struct hkm_heap *heap, unsigned cls, unsigned capacity) {
    return &heap->slots[cls][LAST_SLOT - capacity];
}

void *hkm_cache_refill(struct hkm_heap *heap, unsigned cls) {
    struct hkm_slab *slab = hkm_warm_slab(heap, cls);
    if (slab == NULL) {
        return NULL;
    }
    /* Half full: room for what is freed next. The lowest address goes on top. */
    const unsigned capacity = next_capacity(&heap->warm[cls], cls, true);
    void *blocks[HKM_BIN_SLOTS];
    const size_t want = (capacity + 1) / 2;
    size_t n = hkm_slab_take(slab, blocks, want);
    for (slab = slab->next; slab != NULL && n < want; slab = slab->next) {
        n += hkm_slab_take(slab, blocks + n, want - n);
    }
    heap->warm[cls].capacity = (uint8_t)capacity;
    void **bottom = bottom_of(heap, cls, capacity);
    *bottom = NULL;
    for (size_t i = 1; i < n; i++) {
        bottom[i] = blocks[n - i];
    }
    heap->top[cls] = bottom + (n - 1);
    hkm_heap_count(heap, HKM_REFILL_BLOCKS, n);
    return blocks[0];
}

static struct hkm_slab *slab_of_block(const void *block, unsigned cls) {
    return hkm_slab_of(hkm_superslab_of(block, hkm_arena_of_class(cls)), block);
}

/* Gives blocks[0 .. n-1], all of one class, back to their slabs: one atomic step for all that share a word of
 * free bits. */
static void give_back(struct hkm_heap *heap, unsigned cls, void **blocks, size_t n) {
    while (n > 0) {
        struct hkm_slab *slab = slab_of_block(blocks[0], cls);
        const char *const base = slab->base;
        const uintptr_t span = (uintptr_t)1 << hkm_slab_shift(hkm_classes[cls].kind);
        const unsigned word = hkm_block_index(slab, blocks[0]) / 64;
        uint64_t mask = 0;
        size_t left = 0;
        for (size_t i = 0; i < n; i++) {
            if ((uintptr_t)blocks[i] - (uintptr_t)base < span) {
                const unsigned index = hkm_block_index(slab, blocks[i]);
                if (index / 64 == word) {
                    mask |= UINT64_C(1) << (index % 64);
                    continue;
                }
            }
            blocks[left++] = blocks[i];
        }
        n = left;
        hkm_warm_give(heap, slab, word, mask);
    }
}

void hkm_cache_flush_and_put(struct hkm_heap *heap, unsigned cls, void *block) {
    struct hkm_warm *warm = &heap->warm[cls];
    const unsigned before = warm->capacity;
    const unsigned after = next_capacity(warm, cls, false);
    if (before == 0) {
        warm->capacity = (uint8_t)after;
        heap->top[cls] = bottom_of(heap, cls, after);
        *heap->top[cls] = NULL;
    } else if (after > before) {
        /* not yet as large as it may be: move the blocks down and the bottom with them */
        void **bottom = bottom_of(heap, cls, after);
        memmove(bottom, bottom_of(heap, cls, before), (before + 1) * sizeof *bottom);
        warm->capacity = (uint8_t)after;
        heap->top[cls] = bottom + before;
    } else {
        /* the older half goes: what was freed last is in the processor's caches and comes back first */
        const unsigned old = (before + 1) / 2;
        void **bottom = bottom_of(heap, cls, before);
        void *blocks[HKM_BIN_SLOTS];
        memcpy(blocks, bottom + 1, old * sizeof *blocks);
        memmove(bottom + 1, bottom + 1 + old, (before - old) * sizeof *bottom);
        heap->top[cls] = bottom + (before - old);
        hkm_heap_count(heap, HKM_FLUSH, 1);
        give_back(heap, cls, blocks, old);
    }
    *++heap->top[cls] = block;
}

void hkm_cache_free_direct(void *block, unsigned cls) {
    struct hkm_slab *slab = slab_of_block(block, cls);
    const unsigned index = hkm_block_index(slab, block);
    hkm_count(HKM_FREE_DIRECT, 1);
    hkm_warm_give(NULL, slab, index / 64, UINT64_C(1) << (index % 64));
}

void hkm_cache_release(struct hkm_heap *heap) {
    for (unsigned cls = 1; cls < HKM_CLASSES; cls++) {
        struct hkm_warm *warm = &heap->warm[cls];
        if (warm->capacity == 0) {
            continue;
        }
        void **bottom = bottom_of(heap, cls, warm->capacity);
        give_back(heap, cls, bottom + 1, (size_t)(heap->top[cls] - bottom));
        hkm_warm_release(heap, cls);
        warm->capacity = 0;
        warm->filled_last = false;
        heap->top[cls] = &hkm_no_bin[LAST_SLOT];
    }
}
