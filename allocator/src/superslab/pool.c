/* See pool.h. */
#include "superslab/pool.h"

#include <errno.h>
#include <pthread.h>

#include "debug/text.h"
#include "os/sys.h"
#include "policy/settings.h"
#include "superslab/arena.h"
#include "superslab/lru.h"

/* Spins a while before it waits; musl has none such. */
#ifdef PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP
#define LOCK_INITIALIZER PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP
#else
#define LOCK_INITIALIZER PTHREAD_MUTEX_INITIALIZER
#endif

/* Of each class: slabs with free blocks that nobody holds. Fuller ones in front, so that the others
 * may empty. */
__extension__ static struct class_list {
    _Alignas(64) pthread_mutex_t lock;
    struct hkm_slab *first, *last;
    _Atomic uint32_t waiting; /* slabs on the list; read without the lock to pass by an empty one */
} lists[HKM_CLASSES] = {[0 ... HKM_CLASSES - 1] = {.lock = LOCK_INITIALIZER}};

/* SuperSlabs with at least one free slab, by group and tier (HOT and DRAINING). A group shares
 * SuperSlabs: all classes of a kind of slab or, with HAKMEM_SHARED_POOL=0, a class by itself. Lock
 * order: a list's lock, then this. */
static pthread_mutex_t pool_lock = LOCK_INITIALIZER;
static struct hkm_superslab *tiers[HKM_KINDS + HKM_CLASSES][3];
static uint64_t next_tick_ns;

/* ---- SuperSlabs, under pool_lock ---- */

static uint64_t all_slabs(const struct hkm_superslab *superslab) {
    return superslab->slabs == 64 ? ~UINT64_C(0) : (UINT64_C(1) << superslab->slabs) - 1;
}

static unsigned slabs_in_use(const struct hkm_superslab *superslab) {
    return superslab->slabs - (unsigned)__builtin_popcountll(superslab->free_slabs);
}

static enum hkm_tier tier_of(const struct hkm_superslab *superslab) {
    const unsigned used = slabs_in_use(superslab);
    return used == 0                     ? HKM_TIER_FREE
           : used * 4 > superslab->slabs ? HKM_TIER_HOT
                                         : HKM_TIER_DRAINING;
}

static void link_superslab(struct hkm_superslab *superslab) {
    struct hkm_superslab **list = &tiers[superslab->group][superslab->tier];
    superslab->prev = NULL;
    superslab->next = *list;
    if (*list != NULL) {
        (*list)->prev = superslab;
    }
    *list = superslab;
}

static void unlink_superslab(struct hkm_superslab *superslab) {
    *(superslab->prev != NULL ? &superslab->prev->next
                              : &tiers[superslab->group][superslab->tier]) = superslab->next;
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

/* Changes the set of free slabs, and with it tier and list. A SuperSlab without free slabs is on no
 * list. */
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

/* A SuperSlab without slabs in use, cut into slabs of the class's kind. */
static struct hkm_superslab *new_superslab(unsigned kind, unsigned group, enum hkm_counter *stage) {
    const unsigned arena = kind == HKM_KIND_SMALL ? HKM_ARENA_SMALL : HKM_ARENA_MIDDLE;
    struct hkm_superslab *superslab = hkm_lru_get(arena);
    *stage = HKM_REFILL_LRU;
    if (superslab == NULL) {
        superslab = hkm_arena_map_superslab(arena);
        *stage = HKM_REFILL_FRESH;
    }
    if (superslab == NULL) {
        return NULL;
    }
    const uint64_t live =
        atomic_fetch_add_explicit(&hkm_counters[HKM_SUPERSLAB_LIVE], 1, memory_order_relaxed) + 1;
    if (live > atomic_load_explicit(&hkm_counters[HKM_SUPERSLAB_PEAK], memory_order_relaxed)) {
        atomic_store_explicit(&hkm_counters[HKM_SUPERSLAB_PEAK], live, memory_order_relaxed);
    }
    const bool all_zero =
        *stage == HKM_REFILL_FRESH || superslab->zero_slabs == all_slabs(superslab);
    const bool same_cut = superslab->kind == kind;
    superslab->kind = (uint8_t)kind;
    superslab->group = (uint8_t)group;
    superslab->slabs = (uint8_t)(HKM_SUPERSLAB_SIZE >> hkm_slab_shift(kind));
    superslab->tier = HKM_TIER_FREE;
    superslab->free_slabs = all_slabs(superslab);
    hkm_registry_add(superslab);
    superslab->zero_slabs = all_zero ? superslab->free_slabs : same_cut ? superslab->zero_slabs : 0;
    return superslab;
}

static struct hkm_superslab *superslab_with_room(unsigned cls, enum hkm_counter *stage) {
    const unsigned kind = hkm_classes[cls].kind;
    const unsigned group = hkm_settings.shared_pool ? kind : HKM_KINDS + cls;
    *stage = HKM_REFILL_SUPERSLAB;
    if (tiers[group][HKM_TIER_HOT] != NULL) {
        return tiers[group][HKM_TIER_HOT];
    }
    if (tiers[group][HKM_TIER_DRAINING] != NULL) {
        return tiers[group][HKM_TIER_DRAINING];
    }
    return new_superslab(kind, group, stage);
}

/* Gives the pages of slabs back that have been EMPTY for the LRU's time, run by run. */
static void purge(struct hkm_superslab *superslab, uint64_t now) {
    uint64_t dirty = superslab->free_slabs & ~superslab->zero_slabs;
    const unsigned shift = hkm_slab_shift(superslab->kind);
    if (now - superslab->emptied_ns < hkm_settings.lru_ttl_ns) {
        return;
    }
    while (dirty != 0) {
        const unsigned first = (unsigned)__builtin_ctzll(dirty);
        const uint64_t above = ~(dirty >> first);
        const unsigned run = above == 0 ? 64 : (unsigned)__builtin_ctzll(above);
        const uint64_t mask = (run == 64 ? ~UINT64_C(0) : (UINT64_C(1) << run) - 1) << first;
        if (hkm_sys_madvise_dontneed(superslab->base + ((size_t)first << shift),
                                     (size_t)run << shift)) {
            superslab->zero_slabs |= mask;
        }
        dirty &= ~mask;
    }
}

static void tick(uint64_t now) {
    next_tick_ns = now + hkm_settings.lru_ttl_ns / 4;
    hkm_lru_expire(now);
    for (unsigned group = 0; group < HKM_KINDS + HKM_CLASSES; group++) {
        for (unsigned tier = HKM_TIER_DRAINING; tier <= HKM_TIER_HOT; tier++) {
            for (struct hkm_superslab *superslab = tiers[group][tier]; superslab != NULL;
                 superslab = superslab->next) {
                purge(superslab, now);
            }
        }
    }
}

static void tick_if_due(uint64_t now) {
    if (now >= next_tick_ns) {
        tick(now);
    }
}

/* ---- Slabs ---- */

/* A slab that has just left the SuperSlab's free ones goes back. */
static void put_slab(struct hkm_superslab *superslab, unsigned index, bool zero) {
    superslab->emptied_ns = hkm_sys_clock_ns();
    superslab->zero_slabs |= (uint64_t)zero << index;
    set_free_slabs(superslab, superslab->free_slabs | UINT64_C(1) << index);
    if (superslab->tier == HKM_TIER_FREE) {
        hkm_gauge_sub(HKM_SUPERSLAB_LIVE, 1);
        hkm_registry_remove(superslab);
        hkm_lru_put(superslab);
    }
    tick_if_due(superslab->emptied_ns);
}

struct hkm_slab *hkm_pool_new(unsigned cls, struct hkm_heap *owner, enum hkm_counter *stage) {
    const struct hkm_class *class = &hkm_classes[cls];
    const unsigned shift = hkm_slab_shift(class->kind);
    pthread_mutex_lock(&pool_lock);
    tick_if_due(hkm_sys_clock_ns());
    struct hkm_superslab *superslab = superslab_with_room(cls, stage);
    if (superslab == NULL) {
        pthread_mutex_unlock(&pool_lock);
        return NULL;
    }
    /* rather one whose pages are there */
    const uint64_t dirty = superslab->free_slabs & ~superslab->zero_slabs;
    const unsigned index = (unsigned)__builtin_ctzll(dirty != 0 ? dirty : superslab->free_slabs);
    const bool zero = (superslab->zero_slabs >> index & 1) != 0;
    superslab->zero_slabs &= ~(UINT64_C(1) << index);
    set_free_slabs(superslab, superslab->free_slabs & ~(UINT64_C(1) << index));
    pthread_mutex_unlock(&pool_lock);

    char *const base = superslab->base + ((size_t)index << shift);
    if (!hkm_settings.superslab && !hkm_sys_mmap_at(base, (size_t)1 << shift)) {
        pthread_mutex_lock(&pool_lock);
        put_slab(superslab, index, true);
        pthread_mutex_unlock(&pool_lock);
        errno = ENOMEM;
        return NULL;
    }
    struct hkm_slab *slab = &superslab->slab[index];
    slab->base = base + hkm_slab_colour(class, superslab->number + index);
    slab->superslab = superslab;
    slab->next = slab->prev = NULL;
    slab->inverse = class->inverse;
    slab->virgin = zero && class->capacity <= 64 ? hkm_slab_full_word(class->capacity, 0) : 0;
    slab->block_size = class->size;
    slab->capacity = class->capacity;
    slab->cls = (uint8_t)cls;
    slab->index = (uint8_t)index;
    for (unsigned w = 0; w * 64 < class->capacity; w++) {
        atomic_store_explicit(&slab->free[w], hkm_slab_full_word(class->capacity, w),
                              memory_order_relaxed);
    }
    atomic_store_explicit(&slab->owner, owner, memory_order_relaxed);
    const uint64_t before = atomic_load_explicit(&slab->control, memory_order_relaxed);
    atomic_store_explicit(&slab->control, hkm_control_with(before + HKM_GENERATION, HKM_SLAB_OWNED),
                          memory_order_release);
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
        /* before the state: who sees the slab OWNED sees its owner */
        atomic_store_explicit(&slab->owner, owner, memory_order_relaxed);
        uint64_t control = atomic_load_explicit(&slab->control, memory_order_relaxed);
        hkm_slab_change(slab, &control,
                        HKM_SLAB_OWNED); /* nobody else moves a LISTED slab without the lock */
        got[n++] = slab;
    }
    pthread_mutex_unlock(&list->lock);
    return n;
}

static void retire_unlinked(struct hkm_slab *slab) {
    struct hkm_superslab *superslab = slab->superslab;
    const unsigned shift = hkm_slab_shift(superslab->kind);
    char *const start = superslab->base + ((size_t)slab->index << shift);
    if (!hkm_settings.superslab && !hkm_sys_munmap(start, (size_t)1 << shift)) {
        /* One mapping too many for the kernel: where something is mapped, no other slab can be. */
        hkm_sys_madvise_dontneed(start, (size_t)1 << shift);
        return;
    }
    pthread_mutex_lock(&pool_lock);
    put_slab(superslab, slab->index, !hkm_settings.superslab);
    pthread_mutex_unlock(&pool_lock);
}

/* EMPTY, if all blocks are back and nothing else changed. The caller owns the slab or holds its
 * list's lock, so nobody takes blocks meanwhile. The slab may long be another class's: of its
 * fields only the atomic ones are read. */
static bool empty(struct hkm_slab *slab, unsigned cls, uint64_t control) {
    return atomic_load(&slab->control) == control &&
           hkm_slab_all_free(slab, hkm_classes[cls].capacity) &&
           hkm_slab_change(slab, &control, HKM_SLAB_EMPTY);
}

bool hkm_pool_retire(struct hkm_slab *slab, unsigned cls, uint64_t control) {
    bool retired;
    if (hkm_control_state(control) == HKM_SLAB_LISTED) {
        struct class_list *list = &lists[cls];
        pthread_mutex_lock(&list->lock);
        retired = empty(slab, cls, control);
        if (retired) {
            unlink_slab(list, slab);
        }
        pthread_mutex_unlock(&list->lock);
    } else {
        retired = empty(slab, cls, control);
    }
    if (retired) {
        retire_unlinked(slab);
    }
    return retired;
}

static bool is_mostly_free(struct hkm_slab *slab) {
    unsigned free_blocks = 0;
    for (unsigned w = 0; w < hkm_slab_words(slab); w++) {
        free_blocks += (unsigned)__builtin_popcountll(
            atomic_load_explicit(&slab->free[w], memory_order_relaxed));
    }
    return free_blocks * 4 >= slab->capacity * 3u;
}

/* At the end of the list: the fullest are used first. */
static void link_last(struct class_list *list, struct hkm_slab *slab) {
    slab->next = NULL;
    slab->prev = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = slab;
    list->last = slab;
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
            link_last(list, slab);
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
    tick(hkm_sys_clock_ns());
    pthread_mutex_unlock(&pool_lock);
}

void hkm_pool_tick_if_due(void) {
    pthread_mutex_lock(&pool_lock);
    tick_if_due(hkm_sys_clock_ns());
    pthread_mutex_unlock(&pool_lock);
}

void hkm_pool_print(int fd) {
    static const char *const tier_names[] = {"FREE", "DRAINING", "HOT"};
    static const unsigned block_limits[HKM_KINDS] = {1024, 8192, 65536, 1048576};
    pthread_mutex_lock(&pool_lock);
    for (unsigned arena = 0; arena < HKM_ARENAS; arena++) {
        for (size_t number = 0; number < hkm_arena_places(arena); number++) {
            const struct hkm_superslab *superslab = &hkm_arenas[arena].descriptors[number];
            if (superslab->base == NULL) {
                continue;
            }
            struct hkm_text line = {.length = 0};
            hkm_text_string(&line, "superslab ");
            hkm_text_address(&line, superslab->base);
            hkm_text_string(&line, " blocks up to ");
            hkm_text_number(&line, block_limits[superslab->kind]);
            hkm_text_string(&line, " tier ");
            hkm_text_string(&line, tier_names[superslab->tier]);
            hkm_text_string(&line, " slabs in use ");
            hkm_text_number(&line, slabs_in_use(superslab));
            hkm_text_string(&line, " of ");
            hkm_text_number(&line, superslab->slabs);
            hkm_text_string(&line, "\n");
            hkm_sys_write(fd, line.bytes, line.length);
        }
    }
    pthread_mutex_unlock(&pool_lock);
}

unsigned hkm_pool_prewarm(unsigned arena, unsigned n) {
    unsigned done = 0;
    pthread_mutex_lock(&pool_lock);
    while (hkm_settings.superslab && done < n) {
        struct hkm_superslab *superslab = hkm_arena_map_superslab(arena);
        if (superslab == NULL) {
            break;
        }
        superslab->slabs = 1;
        superslab->kind = HKM_KIND_1M; /* until it is cut anew: one slab, all zero */
        superslab->zero_slabs = superslab->free_slabs = 1;
        superslab->emptied_ns = hkm_sys_clock_ns();
        hkm_lru_put(superslab);
        done++;
    }
    pthread_mutex_unlock(&pool_lock);
    return done;
}

unsigned hkm_pool_prewarm_class(unsigned cls, unsigned n) {
    struct class_list *list = &lists[cls];
    unsigned done = 0;
    enum hkm_counter stage;
    struct hkm_slab *slab;
    while (done < n && (slab = hkm_pool_new(cls, NULL, &stage)) != NULL) {
        uint64_t control = atomic_load_explicit(&slab->control, memory_order_relaxed);
        pthread_mutex_lock(&list->lock);
        if (hkm_slab_change(slab, &control, HKM_SLAB_LISTED)) {
            atomic_fetch_add_explicit(&list->waiting, 1, memory_order_relaxed);
            link_last(list, slab);
        }
        pthread_mutex_unlock(&list->lock);
        done++;
    }
    hkm_count(HKM_SLAB_PREWARMED, done);
    return done;
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
