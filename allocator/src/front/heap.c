/* See heap.h. Also the allocator's start, which the first heap needs, and the end of a thread. */
#include "front/heap.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "front/cache.h"
#include "os/sys.h"
#include "policy/learner.h"
#include "policy/settings.h"
#include "superslab/arena.h"
#include "superslab/pool.h"

_Alignas(HKM_BIN_SLOTS * sizeof(void *)) void *hkm_no_bin[HKM_BIN_SLOTS];

#define NO_BIN &hkm_no_bin[HKM_BIN_SLOTS - 1]
__extension__ struct hkm_heap hkm_no_heap = {.top = {[0 ... HKM_BINS - 1] = NO_BIN}};
_Thread_local struct hkm_heap *hkm_heap_self = &hkm_no_heap;

/* Set once the thread's heap is gone: destructors that run later must not make a new one that
 * nobody gives up. */
static _Thread_local bool thread_is_ending;

static pthread_mutex_t heaps_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hkm_heap *all_heaps; /* heaps are never unmapped */
/* Heaps of threads that have exited. The last few keep their small cached blocks for the next
 * threads: a program that starts threads again and again would otherwise give back and fetch the
 * same blocks each time. Their slabs are free to be adopted all the same. */
#define IDLE_WITH_BLOCKS 8u
static struct hkm_heap *idle_heaps;
static unsigned idle_count;
static pthread_mutex_t fallback_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hkm_heap *fallback;

static _Atomic bool started;
static pthread_key_t exit_key;

static void thread_exit(void *heap);

bool hkm_start(void) {
    if (atomic_load_explicit(&started, memory_order_acquire)) {
        return true;
    }
    pthread_mutex_lock(&heaps_lock);
    if (!atomic_load_explicit(&started, memory_order_relaxed)) {
        const int saved = errno;
        hkm_settings_read();
        hkm_learner_init();
        hkm_classes_init();
        if (hkm_arenas_init() && pthread_key_create(&exit_key, thread_exit) == 0) {
            atomic_store_explicit(&started, true, memory_order_release);
            errno = saved;
        } else {
            errno = ENOMEM;
        }
    }
    pthread_mutex_unlock(&heaps_lock);
    return atomic_load_explicit(&started, memory_order_relaxed);
}

static struct hkm_heap *heap_take(void) {
    pthread_mutex_lock(&heaps_lock);
    struct hkm_heap *heap = idle_heaps;
    if (heap != NULL) {
        idle_heaps = heap->next_idle;
        idle_count--;
        hkm_count(HKM_HEAP_REUSED, 1);
    } else {
        heap = hkm_sys_mmap(sizeof *heap + HKM_CLASSES * sizeof heap->bins[0]); /* page-aligned */
        if (heap != NULL) {
            for (unsigned i = 0; i < HKM_BINS; i++) {
                heap->top[i] = NO_BIN;
            }
            memcpy(heap->class_by_16, hkm_class_by_16, sizeof heap->class_by_16);
            heap->next = all_heaps;
            all_heaps = heap;
            hkm_count(HKM_HEAP_CREATED, 1);
        }
    }
    pthread_mutex_unlock(&heaps_lock);
    return heap;
}

static void idle_put(struct hkm_heap *heap) {
    pthread_mutex_lock(&heaps_lock);
    heap->next_idle = idle_heaps;
    idle_heaps = heap;
    idle_count++;
    pthread_mutex_unlock(&heaps_lock);
}

static void heap_give_up(struct hkm_heap *heap) {
    pthread_mutex_lock(&heaps_lock);
    const bool keep_small = idle_count < IDLE_WITH_BLOCKS;
    pthread_mutex_unlock(&heaps_lock);
    hkm_cache_release(heap, keep_small);
    idle_put(heap);
}

struct hkm_heap *hkm_heap_get(void) {
    if (hkm_likely(hkm_heap_self != &hkm_no_heap)) {
        return hkm_heap_self;
    }
    if (thread_is_ending || !hkm_start()) {
        return NULL;
    }
    struct hkm_heap *heap = heap_take();
    if (heap != NULL) {
        hkm_heap_self = heap; /* first: what follows may allocate */
        pthread_setspecific(exit_key,
                            heap); /* a failure costs the heap when the thread ends, no more */
    }
    return heap;
}

static void thread_exit(void *heap) {
    thread_is_ending = true;
    hkm_heap_self = &hkm_no_heap;
    heap_give_up(heap);
    hkm_pool_tick_if_due();
}

struct hkm_heap *hkm_heap_fallback_lock(void) {
    if (!hkm_start()) {
        return NULL;
    }
    pthread_mutex_lock(&fallback_lock);
    if (fallback == NULL) {
        fallback = heap_take();
    }
    if (fallback == NULL) {
        pthread_mutex_unlock(&fallback_lock);
    }
    return fallback;
}

void hkm_heap_fallback_unlock(void) {
    pthread_mutex_unlock(&fallback_lock);
}

void hkm_heaps_add_counters(uint64_t *values) {
    pthread_mutex_lock(&heaps_lock);
    for (struct hkm_heap *heap = all_heaps; heap != NULL; heap = heap->next) {
        for (unsigned i = 0; i < HKM_HEAP_COUNTERS; i++) {
            values[i] += atomic_load_explicit(&heap->counters[i], memory_order_relaxed);
        }
    }
    pthread_mutex_unlock(&heaps_lock);
}

void hkm_heaps_warm_stats(unsigned cls, uint64_t *hits, uint64_t *misses) {
    *hits = *misses = 0;
    pthread_mutex_lock(&heaps_lock);
    for (struct hkm_heap *heap = all_heaps; heap != NULL; heap = heap->next) {
        *hits += atomic_load_explicit(&heap->warm[cls].hits, memory_order_relaxed);
        *misses += atomic_load_explicit(&heap->warm[cls].misses, memory_order_relaxed);
    }
    pthread_mutex_unlock(&heaps_lock);
}

void hkm_heaps_trim(void) {
    pthread_mutex_lock(&heaps_lock);
    struct hkm_heap *heap = idle_heaps;
    idle_heaps = NULL;
    idle_count = 0;
    pthread_mutex_unlock(&heaps_lock);
    while (heap != NULL) {
        struct hkm_heap *next = heap->next_idle;
        hkm_cache_release(heap, false);
        idle_put(heap);
        heap = next;
    }
}

void hkm_heaps_lock(void) {
    pthread_mutex_lock(&fallback_lock);
    pthread_mutex_lock(&heaps_lock);
}

void hkm_heaps_unlock(void) {
    pthread_mutex_unlock(&heaps_lock);
    pthread_mutex_unlock(&fallback_lock);
}
