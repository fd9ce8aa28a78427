/* See lru.h. */
#include "superslab/lru.h"

#include "debug/counters.h"
#include "policy/settings.h"
#include "superslab/arena.h"

/* Newest first; `oldest` is its end. */
static struct hkm_superslab *newest, *oldest;
static uint64_t kept;

static void unlink_superslab(struct hkm_superslab *superslab) {
    *(superslab->prev != NULL ? &superslab->prev->next : &newest) = superslab->next;
    *(superslab->next != NULL ? &superslab->next->prev : &oldest) = superslab->prev;
    superslab->next = superslab->prev = NULL;
    kept--;
    hkm_gauge_sub(HKM_SUPERSLAB_CACHED, 1);
}

static void evict_oldest(void) {
    struct hkm_superslab *superslab = oldest;
    unlink_superslab(superslab);
    hkm_count(HKM_LRU_EVICT, 1);
    hkm_arena_unmap_superslab(superslab);
}

void hkm_lru_put(struct hkm_superslab *superslab) {
    superslab->prev = NULL;
    superslab->next = newest;
    *(newest != NULL ? &newest->prev : &oldest) = superslab;
    newest = superslab;
    kept++;
    hkm_count(HKM_LRU_PUT, 1);
    hkm_count(HKM_SUPERSLAB_CACHED, 1);
    while (!hkm_settings.superslab || kept > hkm_settings.lru_max_count ||
           kept * HKM_SUPERSLAB_SIZE > hkm_settings.lru_max_bytes) {
        if (oldest == NULL) {
            break;
        }
        evict_oldest();
    }
}

struct hkm_superslab *hkm_lru_get(unsigned arena) {
    for (struct hkm_superslab *superslab = newest; superslab != NULL; superslab = superslab->next) {
        if (superslab->arena == arena) {
            unlink_superslab(superslab);
            return superslab;
        }
    }
    return NULL;
}

void hkm_lru_expire(uint64_t now_ns) {
    while (oldest != NULL && now_ns - oldest->emptied_ns >= hkm_settings.lru_ttl_ns) {
        evict_oldest();
    }
}
