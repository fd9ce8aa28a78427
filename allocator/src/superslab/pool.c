/* See pool.h. */
#include "superslab/pool.h"

#include <pthread.h>
#include <string.h>

#include "superslab/arena.h"
#include "superslab/lru.h"

/* Of each class: slabs with free blocks that nobody holds. Fuller ones in front, so that the others may empty. */
__extension__ static struct class_list {
    _Alignas(64) pthread_mutex_t lock;
    struct hkm_slab *first, *last;
    _Atomic uint32_t waiting; /* slabs on the list; read without the lock to pass by an empty one */
} lists[HKM_CLASSES] = {[0 ... HKM_CLASSES - 1] = {.lock = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP}};

/* SuperSlabs with at least one free slab, by kind and tier (HOT and DRAINING). Lock order: a list's, then this. */
static pthread_mutex_t pool_lock = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
static struct hkm_superslab *tiers[HKM_KINDS][3];

/* ---- SuperSlabs, under pool_lock ---- */

static uint64_t all_slabs(const struct hkm_superslab *superslab) {
    return superslab->slabs == 64 ? ~UINT64_C(0) : (UINT64_C(1) << superslab->slabs) - 1;
}

static unsigned slabs_in_use(const struct hkm_superslab *superslab) {
    return superslab->slabs - (unsigned)__builtin_popcountll(superslab->free_slabs);
}

static enum hkm_tier tier_of(const struct hkm_superslab *superslab) {
    const unsigned used = slabs_in_use(superslab);
    return used == 0 ? HKM_TIER_FREE : used * 4 > superslab->slabs ? HKM_TIER_HOT : HKM_TIER_DRAINING;
}

static void link_superslab(struct hkm_superslab *superslab) {
    struct hkm_superslab **list = &tiers[superslab->kind][superslab->tier];
    superslab->prev = NULL;
    superslab->next = *list;
    if (*list != NULL) {
        (*list)->prev = superslab;
    }
    *list = superslab;
}

static void unlink_superslab(struct hkm_superslab *superslab) {
    *(superslab->prev != NULL ? &superslab->prev->next : &tiers[superslab->kind][superslab->tier]) = superslab->next;
    if (superslab->next != NULL) {
        superslab->next->prev = superslab->prev;
    }
    superslab->next = superslab->prev = NULL;
}

static void count_tier(enum hkm_tier tier, int64_t by) {
    if (tier != HKM_TIER_FREE) {
        hkm_count(tier == HKM_TIER_HOT ? HKM_SUPERSLAB_HOT : HKM_SUPERSLAB_DRAINING, (uint64_t)by);
    }
}

/* Changes the set of free slabs, and with it tier and list. A SuperSlab without free slabs is on no list. */
static void set_free_slabs(struct hkm_superslab *superslab, uint64_t free_slabs) {
    const enum hkm_tier before = (enum hkm_tier)superslab->tier;
    const bool was_listed = superslab->free_slabs != 0 && before != HKM_TIER_FREE;
    superslab->free_slabs = free_slabs;
    const enum hkm_tier after = tier_of(superslab);
    const bool is_listed = free_slabs != 0 && after != HKM_TIER_FREE;
    if (was_listed && (!is_listed || before != after)) {
        unlink_superslab(superslab);
    }
    superslab->tier = (uint8_t)after;
    if (is_listed && (!was_listed || before != after)) {
        link_superslab(superslab);
    }
    if (before != after) {
        count_tier(before, -1);
        count_tier(after, 1);
    }
}

static struct hkm_superslab *superslab_with_room(unsigned kind, enum hkm_counter *stage) {
    struct hkm_superslab *superslab = tiers[kind][HKM_TIER_HOT];
    if (superslab == NULL) {
        superslab = tiers[kind][HKM_TIER_DRAINING];
    }
    if (superslab != NULL) {
        *stage = HKM_REFILL_SUPERSLAB;
        return superslab;
    }
    const unsigned arena = kind == HKM_KIND_SMALL ? HKM_ARENA_SMALL : HKM_ARENA_MIDDLE;
    superslab = hkm_lru_get(arena);
    *stage = HKM_REFILL_LRU;
    if (superslab == NULL) {
        superslab = hkm_arena_map_superslab(arena);
        *stage = HKM_REFILL_FRESH;
    }
    if (superslab == NULL) {
        return NULL;
    }
    const uint64_t live = atomic_fetch_add_explicit(&hkm_counters[HKM_SUPERSLAB_LIVE], 1, memory_order_relaxed) + 1;
    if (live > atomic_load_explicit(&hkm_counters[HKM_SUPERSLAB_PEAK], memory_order_relaxed)) {
        atomic_store_explicit(&hkm_counters[HKM_SUPERSLAB_PEAK], live, memory_order_relaxed);
    }
    superslab->kind = (uint8_t)kind;
    superslab->slabs = (uint8_t)(HKM_SUPERSLAB_SIZE >> hkm_slab_shift(kind));
    superslab->tier = HKM_TIER_FREE;
    superslab->free_slabs = all_slabs(superslab);
    return superslab;
}

/* ---- Slabs ---- */

struct hkm_slab *hkm_pool_new(unsigned cls, struct hkm_heap *owner, enum hkm_counter *stage) {
    const struct hkm_class *class = &hkm_classes[cls];
    pthread_mutex_lock(&pool_lock);
    hkm_lru_expire();
    struct hkm_superslab *superslab = superslab_with_room(class->kind, stage);
    if (superslab == NULL) {
        pthread_mutex_unlock(&pool_lock);
        return NULL;
    }
    const unsigned index = (unsigned)__builtin_ctzll(superslab->free_slabs);
    set_free_slabs(superslab, superslab->free_slabs & (superslab->free_slabs - 1));
    pthread_mutex_unlock(&pool_lock);

    struct hkm_slab *slab = &superslab->slab[index];
    slab->base = superslab->base + ((size_t)index << hkm_slab_shift(class->kind));
    slab->superslab = superslab;
    slab->next = slab->prev = NULL;
    slab->inverse = class->inverse;
    slab->block_size = class->size;
    slab->capacity = class->capacity;
    slab->cls = (uint8_t)cls;
    slab->index = (uint8_t)index;
    for (unsigned w = 0; w * 64 < class->capacity; w++) {
        atomic_store_explicit(&slab->free[w], hkm_slab_full_word(class->capacity, w), memory_order_relaxed);
    }
    atomic_store_explicit(&slab->owner, owner, memory_order_relaxed);
    const uint64_t before = atomic_load_explicit(&slab->control, memory_order_relaxed);
    atomic_store_explicit(&slab->control, hkm_control_with(before + HKM_GENERATION, HKM_SLAB_OWNED), memory_order_release);
    return slab;
}

static void unlink_slab(struct class_list *list, struct hkm_slab *slab) {
    *(slab->prev != NULL ? &slab->prev->next : &list->first) = slab->next;
    *(slab->next != NULL ? &slab->next->prev : &list->last) = slab->prev;
    slab->next = slab->prev = NULL;
    atomic_fetch_sub_explicit(&list->waiting, 1, memory_order_relaxed);
}

size_t hkm_pool_claim(unsigned cls, struct hkm_heap *owner, struct hkm_slab **got, size_t most) {
    struct class_list *list = &lists[cls];
    size_t n = 0;
    if (atomic_load_explicit(&list->waiting, memory_order_relaxed) == 0) {
        return 0; /* a slab that is listed this very moment is found the next time */
    }
    pthread_mutex_lock(&list->lock);
    while (n < most && list->first != NULL) {
        struct hkm_slab *slab = list->first;
        unlink_slab(list, slab);
        uint64_t control = atomic_load_explicit(&slab->control, memory_order_relaxed);
        hkm_slab_change(slab, &control, HKM_SLAB_OWNED); /* nobody else moves a LISTED slab without the lock */
        atomic_store_explicit(&slab->owner, owner, memory_order_relaxed);
        got[n++] = slab;
    }
    pthread_mutex_unlock(&list->lock);
    return n;
}

static void retire_unlinked(struct hkm_slab *slab) {
    struct hkm_superslab *superslab = slab->superslab;
    pthread_mutex_lock(&pool_lock);
    set_free_slabs(superslab, superslab->free_slabs | UINT64_C(1) << slab->index);
    if (superslab->tier == HKM_TIER_FREE) {
        hkm_gauge_sub(HKM_SUPERSLAB_LIVE, 1);
        hkm_lru_put(superslab);
    }
    hkm_lru_expire();
    pthread_mutex_unlock(&pool_lock);
}

/* EMPTY, if all blocks are back and nothing else changed. The caller owns the slab or holds its list's lock, so nobody takes
 * blocks meanwhile. */
static bool empty(struct hkm_slab *slab, uint64_t control) {
    return atomic_load(&slab->control) == control && hkm_slab_all_free(slab, slab->capacity) &&
           hkm_slab_change(slab, &control, HKM_SLAB_EMPTY);
}

bool hkm_pool_retire(struct hkm_slab *slab, unsigned cls, uint64_t control) {
    bool retired;
    if (hkm_control_state(control) == HKM_SLAB_LISTED) {
        struct class_list *list = &lists[cls];
        pthread_mutex_lock(&list->lock);
        retired = empty(slab, control);
        if (retired) {
            unlink_slab(list, slab);
        }
        pthread_mutex_unlock(&list->lock);
    } else {
        retired = empty(slab, control);
    }
    if (retired) {
        retire_unlinked(slab);
    }
    return retired;
}

static bool is_mostly_free(struct hkm_slab *slab) {
    unsigned free_blocks = 0;
    for (unsigned w = 0; w < hkm_slab_words(slab); w++) {
        free_blocks += (unsigned)__builtin_popcountll(atomic_load_explicit(&slab->free[w], memory_order_relaxed));
    }
    return free_blocks * 4 >= slab->capacity * 3u;
}

void hkm_pool_list(struct hkm_slab *slab, unsigned cls, uint64_t control) {
    struct class_list *list = &lists[cls];
    bool listed;
    bool all_back = false;
    pthread_mutex_lock(&list->lock);
    listed = hkm_slab_change(slab, &control, HKM_SLAB_LISTED);
    if (listed) {
        atomic_fetch_add_explicit(&list->waiting, 1, memory_order_relaxed);
        if (is_mostly_free(slab)) {
            slab->next = NULL;
            slab->prev = list->last;
            *(list->last != NULL ? &list->last->next : &list->first) = slab;
            list->last = slab;
        } else {
            slab->prev = NULL;
            slab->next = list->first;
            *(list->first != NULL ? &list->first->prev : &list->last) = slab;
            list->first = slab;
        }
        all_back = hkm_slab_all_free(slab, slab->capacity);
    }
    pthread_mutex_unlock(&list->lock);
    if (all_back) { /* the giver of the last block saw another state and left it to us */
        hkm_pool_retire(slab, cls, control);
    }
}

void hkm_pool_tick(void) {
    pthread_mutex_lock(&pool_lock);
    hkm_lru_expire();
    pthread_mutex_unlock(&pool_lock);
}

void hkm_pool_lock_all(void) {
    for (unsigned cls = 1; cls < HKM_CLASSES; cls++) {
        pthread_mutex_lock(&lists[cls].lock);
    }
    pthread_mutex_lock(&pool_lock);
}

void hkm_pool_unlock_all(void) {
    pthread_mutex_unlock(&pool_lock);
    for (unsigned cls = HKM_CLASSES; cls-- > 1;) {
        pthread_mutex_unlock(&lists[cls].lock);
    }
}
