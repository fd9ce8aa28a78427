/*
 * The entry points, and the fast paths of malloc and free. A request is routed by its size: small
 * and middle ones to the unified cache, larger ones to the large path. A pointer is routed by the
 * state map.
 *
 * The fast paths are written for their instruction count: no check for start-up, for "is this
 * thread known", for NULL or for misuse that is not also the check that they need anyway
 * (front/heap.h, superslab/arena.h).
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "debug/counters.h"
#include "debug/hardened.h"
#include "debug/misuse.h"
#include "debug/sanitizer.h"
#include "debug/timing.h"
#include "front/cache.h"
#include "hakmem.h"
#include "large/large.h"
#include "os/sys.h"
#include "policy/settings.h"
#include "superslab/arena.h"
#include "superslab/guess.h"
#include "superslab/pool.h"
#include "superslab/superslab.h"
#include "visibility.h"

/* ---- malloc ---- */

/* A block of class `cls` when the bin had none. *zero says whether it is known to read as zero. */
static HKM_NOINLINE void *class_alloc_slow(unsigned cls, bool *zero) {
    *zero = false;
    struct hkm_heap *heap = hkm_heap_get();
    const bool own = heap != NULL;
    if (!own && (heap = hkm_heap_fallback_lock()) == NULL) {
        return NULL;
    }
    void *block =
        *heap->top[cls]; /* a heap that was made just now, or the fallback heap, may have some */
    if (block != NULL) {
        heap->top[cls]--;
    } else {
        HKM_TIMED_BEGIN;
        block = hkm_cache_refill(heap, cls, zero);
        HKM_TIMED_END(REFILL);
    }
    if (!own) {
        hkm_heap_fallback_unlock();
    }
    if (block != NULL) {
        HKM_ALLOCATED(block, hkm_classes[cls].size);
        hkm_state_set(block, cls, hkm_arena_of_class(cls));
    }
    return block;
}

static HKM_NOINLINE void *malloc_slow(size_t size) {
    bool zero;
    if (!hkm_start()) {
        return NULL;
    }
    if (hkm_is_large(size)) {
        /* reached by a jump from malloc, so that this is where malloc returns to: the call site */
        return hkm_large_alloc(size, 1, (uintptr_t)__builtin_return_address(0), &zero);
    }
    return class_alloc_slow(hkm_class_of(size), &zero);
}

/* Pops a block of the class; NULL when the bin is empty. */
static inline void *pop(struct hkm_heap *heap, size_t cls, unsigned arena) {
    void **const top = heap->top[cls];
    void *const block = *top;
    if (hkm_likely(block != NULL)) {
        HKM_ALLOCATED(block, hkm_classes[cls].size);
        hkm_state_set(block, (unsigned)cls, arena);
        heap->top[cls] = top - 1;
    }
    return block;
}

HKM_PUBLIC void *hak_malloc(size_t size) {
    struct hkm_heap *const heap = hkm_heap_self;
    void *block = NULL;
    if (HKM_TINY && hkm_likely(size <= HKM_SMALL_MAX)) {
        block = pop(heap, heap->class_by_16[(size + 15) >> 4], HKM_ARENA_SMALL);
    } else if (hkm_likely(size <= HKM_MIDDLE_MAX)) {
        block = pop(heap, hkm_class_of_middle(size), HKM_ARENA_MIDDLE);
    }
    return hkm_likely(block != NULL) ? block : malloc_slow(size);
}

/* ---- free ---- */

/* Says what is wrong with a pointer into an arena that is not an allocated block. */
static HKM_COLD void misuse_in_arena(const char *function, const void *pointer, unsigned arena) {
    struct hkm_superslab *superslab = hkm_superslab_of(pointer, arena);
    const char *what = "double free, or never given out";
    if (superslab->slabs != 0) {
        const struct hkm_slab *slab = hkm_slab_of(superslab, pointer);
        const size_t offset = (size_t)((const char *)pointer - slab->base);
        if (slab->block_size != 0 && offset < (size_t)slab->block_size * slab->capacity) {
            what = offset % slab->block_size == 0 ? "double free"
                                                  : "points into the middle of a block";
        }
    }
    hkm_misuse(function, pointer, what);
}

/* In variant 'guess' (superslab/guess.h): whether the kernel says that there is nothing. */
static inline bool guessed_foreign(const void *pointer, const char *function) {
    if (hkm_guess_mapped(pointer)) {
        return false;
    }
    hkm_misuse(function, pointer, "not a pointer that hakmem gave out");
    return true;
}

/* Frees what the state map does not show as an allocated small or middle block: a large block, or
 * misuse. */
static HKM_NOINLINE void free_elsewhere(void *pointer, const char *function) {
    if (guessed_foreign(pointer, function)) {
        return;
    }
    for (unsigned arena = 0; arena < HKM_ARENAS; arena++) {
        const uintptr_t granule =
            ((uintptr_t)pointer - hkm_arenas[arena].base) >> hkm_granule_shift(arena);
        if (granule < atomic_load_explicit(&hkm_arenas[arena].limit, memory_order_relaxed)) {
            misuse_in_arena(function, pointer, arena);
            return;
        }
    }
    hkm_large_free(pointer, function);
}

/* Puts back a block that is no longer the program's, whatever its bin looks like. */
static void put(void *block, unsigned cls) {
    const int saved = errno;
    if (guessed_foreign(block, "free")) {
        errno = saved;
        return;
    }
    struct hkm_heap *heap = hkm_heap_get();
    HKM_FREED(block, hkm_classes[cls].size);
    if (heap == NULL) {
        hkm_cache_free_direct(block, cls);
        errno = saved;
        return;
    }
    void **const top =
        heap->top[cls] + 1; /* a heap that was made just now has room, or no bin yet */
    if (!hkm_bin_ends(top)) {
        *top = block;
        heap->top[cls] = top;
    } else {
        HKM_TIMED_BEGIN;
        hkm_cache_flush_and_put(heap, cls, block);
        HKM_TIMED_END(FLUSH);
    }
    errno = saved;
}

/* A block whose bin is full, or not set up, or no block at all. *state is its state byte. */
static HKM_NOINLINE void free_slow(void *block, uint8_t *state) {
    const unsigned cls = *state;
    if (hkm_unlikely(cls == 0)) {
        free_elsewhere(block, "free");
        return;
    }
    *state = 0;
    put(block, cls);
}

/* A block of more than 64 KiB is claimed by an atomic step: when two threads free it at the same
 * time, one of them is told. The step is not only cheap beside the block's pages; a locked
 * instruction after writes to many of them lets the processor finish these sooner. */
static HKM_NOINLINE void free_big(void *block, uint8_t *state) {
    const unsigned cls = __atomic_exchange_n(state, 0, __ATOMIC_ACQ_REL);
    if (hkm_unlikely(cls == 0)) {
        free_elsewhere(block, "free");
        return;
    }
    put(block, cls);
}

/* Pushes a block that *state says is allocated. */
static inline void free_class(void *block, uint8_t *state) {
    struct hkm_heap *const heap = hkm_heap_self;
    const size_t cls = *state; /* 0, not a block, finds a bin that is always full */
    void **const top = heap->top[cls] + 1;
    if (hkm_unlikely(hkm_bin_ends(top))) {
        free_slow(block, state);
        return;
    }
    *state = 0;
    HKM_FREED(block, hkm_classes[cls].size);
    *top = block;
    heap->top[cls] = top;
}

static HKM_NOINLINE void free_other(void *block) {
    if (block != NULL) {
        const int saved = errno;
        free_elsewhere(block, "free");
        errno = saved;
    }
}

/* What is not in the small arena. Marked cold so that the path of small blocks runs straight
 * through: gcc would have it jump over the call to this. */
static HKM_COLD void free_not_small(void *block) {
    uint8_t *state;
    if (hkm_unlikely(!hkm_state_of(block, HKM_ARENA_MIDDLE, &state))) {
        free_other(block);
    } else if (hkm_unlikely(*state >= HKM_BIG_FIRST)) {
        free_big(block, state);
    } else {
        free_class(block, state);
    }
}

#ifndef HKM_SLOW_FREE
#define HKM_SLOW_FREE 0
#endif

/* Nothing, but for the variant slow-free: the slowdown planted for the regression gate to find. */
static inline void planted_delay(void) {
    for (unsigned turns = HKM_SLOW_FREE; turns > 0; turns--) {
        __asm__ volatile("" : "+r"(turns));
    }
}

HKM_PUBLIC void hak_free(void *block) {
#ifdef HKM_HARDENED
    block = hkm_hardened_exchange(block);
#endif
    planted_delay();
    uint8_t *state;
    if (hkm_unlikely(!hkm_state_of(block, HKM_ARENA_SMALL, &state))) {
        free_not_small(block);
        return;
    }
    free_class(block, state);
}

/* ---- the rest of the family ---- */

/* Class of a live small or middle block; 0 for anything else. */
static unsigned class_of_block(const void *block) {
    for (unsigned arena = 0; arena < HKM_ARENAS; arena++) {
        uint8_t *state;
        if (hkm_state_of(block, arena, &state)) {
            return *state;
        }
    }
    return 0;
}

HKM_PUBLIC size_t hak_malloc_usable_size(const void *block) {
    if (block == NULL) {
        return 0;
    }
    const unsigned cls = class_of_block(block);
    return cls != 0 ? hkm_classes[cls].size : hkm_large_size(block);
}

HKM_PUBLIC void *hak_calloc(size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = NULL;
    bool zero = false;
    if (bytes <= HKM_SMALL_MAX) {
        block = hak_malloc(bytes);
    } else if (bytes <= HKM_MIDDLE_MAX) {
        block = pop(hkm_heap_self, hkm_class_of_middle(bytes), HKM_ARENA_MIDDLE);
    }
    if (block == NULL && bytes > HKM_SMALL_MAX && hkm_start()) {
        block = hkm_is_large(bytes)
                    ? hkm_large_alloc(bytes, 1, (uintptr_t)__builtin_return_address(0), &zero)
                    : class_alloc_slow(hkm_class_of_middle(bytes), &zero);
    }
    if (block == NULL) {
        return NULL;
    }
    if (zero && hkm_settings.lazy_zero) {
        hkm_count(HKM_ZERO_SKIPPED, bytes);
        return block;
    }
    return memset(block, 0, bytes);
}

HKM_PUBLIC void *hak_realloc(void *block, size_t size) {
    if (block == NULL) {
        return hak_malloc(size);
    }
    if (size == 0) {
        hak_free(block);
        return NULL;
    }
    const unsigned cls = class_of_block(block);
    size_t usable;
    if (cls != 0) {
        usable = hkm_classes[cls].size;
        /* in place while at least half of the block stays in use */
        if (size <= usable && size >= usable / 2) {
            return block;
        }
    } else {
        void *resized = hkm_large_resize(block, size, &usable);
        if (resized != NULL) {
            return resized;
        }
        if (usable == 0) {
            free_elsewhere(block, "realloc"); /* not a block: says so */
            return NULL;
        }
    }
    void *moved = size > HKM_GROWS_ABOVE && size > usable
                      ? hkm_large_alloc_to_grow(size, (uintptr_t)__builtin_return_address(0))
                      : hak_malloc(size);
    if (moved != NULL) {
        memcpy(moved, block, size < usable ? size : usable);
        hak_free(block);
    }
    return moved;
}

HKM_PUBLIC void *hak_reallocarray(void *block, size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return hak_realloc(block, bytes);
}

/* Aligned to a power of two. */
static void *alloc_aligned(size_t alignment, size_t size) {
    if (alignment <= 16) {
        return hak_malloc(size);
    }
    if (!hkm_start()) {
        return NULL;
    }
    const unsigned cls = hkm_class_aligned(size, alignment);
    if (cls != 0) {
        return hak_malloc(hkm_classes[cls].size);
    }
    bool zero;
    return hkm_large_alloc(size == 0 ? 1 : size, alignment, 0, &zero);
}

static bool is_power_of_two(size_t n) {
    return n != 0 && (n & (n - 1)) == 0;
}

HKM_PUBLIC void *hak_aligned_alloc(size_t alignment, size_t size) {
    if (!is_power_of_two(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return alloc_aligned(alignment, size);
}

HKM_PUBLIC int hak_posix_memalign(void **out, size_t alignment, size_t size) {
    if (!is_power_of_two(alignment) || alignment % sizeof(void *) != 0) {
        return EINVAL;
    }
    const int saved = errno;
    void *block = alloc_aligned(alignment, size);
    errno = saved;
    if (block == NULL) {
        return ENOMEM;
    }
    *out = block;
    return 0;
}

HKM_PUBLIC const char *hak_version(void) {
    return HAKMEM_VERSION;
}

/* ---- control ---- */

HKM_PUBLIC unsigned hak_class_count(void) {
    return HKM_CLASSES - 1;
}

HKM_PUBLIC size_t hak_class_size(unsigned cls) {
    return cls < HKM_CLASSES && hkm_start() ? hkm_classes[cls].size : 0;
}

HKM_PUBLIC unsigned hak_ss_prewarm_class(unsigned cls, unsigned n) {
    return hak_class_size(cls) != 0 ? hkm_pool_prewarm(hkm_arena_of_class(cls), n) : 0;
}

/* ---- the standard names of the same functions, unless a sanitizer has them ---- */

#ifndef HKM_PREFIXED
#define SECOND_NAME(of) HKM_PUBLIC __attribute__((alias(#of)))
SECOND_NAME(hak_malloc) void *malloc(size_t size);
SECOND_NAME(hak_free) void free(void *block);
SECOND_NAME(hak_calloc) void *calloc(size_t n, size_t size);
SECOND_NAME(hak_realloc) void *realloc(void *block, size_t size);
SECOND_NAME(hak_reallocarray) void *reallocarray(void *block, size_t n, size_t size);
SECOND_NAME(hak_aligned_alloc) void *aligned_alloc(size_t alignment, size_t size);
SECOND_NAME(hak_aligned_alloc) void *memalign(size_t alignment, size_t size);
SECOND_NAME(hak_posix_memalign) int posix_memalign(void **out, size_t alignment, size_t size);
SECOND_NAME(hak_malloc_usable_size) size_t malloc_usable_size(void *block);

HKM_PUBLIC void *valloc(size_t size);
HKM_PUBLIC void *valloc(size_t size) {
    return hak_aligned_alloc(HKM_PAGE, size);
}

HKM_PUBLIC void *pvalloc(size_t size);
HKM_PUBLIC void *pvalloc(size_t size) {
    if (size > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    const size_t pages = size == 0 ? HKM_PAGE : (size + HKM_PAGE - 1) & ~(size_t)(HKM_PAGE - 1);
    return hak_aligned_alloc(HKM_PAGE, pages);
}
#endif
