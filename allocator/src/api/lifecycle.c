/* What happens when the library is loaded, at a fork, and when the program ends. */
#include <pthread.h>
#include <stdlib.h>

#include "debug/counters.h"
#include "debug/timing.h"
#include "front/heap.h"
#include "hakmem.h"
#include "large/large.h"
#include "policy/background.h"
#include "policy/learner.h"
#include "policy/settings.h"
#include "policy/site.h"
#include "superslab/arena.h"
#include "superslab/pool.h"

/* Every lock is taken before a fork, outermost first, so that the child finds none of them held by
 * a thread that it does not have. The state changes of slabs are single atomic steps and need none.
 */
static void before_fork(void) {
    hkm_heaps_lock();
    hkm_pool_lock_all();
    hkm_large_lock();
}

static void after_fork(void) {
    hkm_large_unlock();
    hkm_pool_unlock_all();
    hkm_heaps_unlock();
}

static void after_fork_in_child(void) {
    after_fork();
    hkm_background_start();
}

/* HAKMEM_PREWARM_CLASS, for a size that has a class under the settings and in this build. */
static void prewarm_class(void) {
    const unsigned cls = hkm_class_of(hkm_settings.prewarm_bytes);
    if (cls != 0) {
        hkm_pool_prewarm_class(cls, (unsigned)hkm_settings.prewarm_count);
    } else if (hkm_settings.prewarm_count > 0) {
        hkm_settings_refuse("HAKMEM_PREWARM_CLASS", getenv("HAKMEM_PREWARM_CLASS"),
                            "this size has no class here");
    }
}

__attribute__((constructor)) static void loaded(void) {
    /* also when there is no memory yet: the next call tries again, and may then fork */
    pthread_atfork(before_fork, after_fork, after_fork_in_child);
    if (hkm_start()) {
        hkm_pool_prewarm(HKM_ARENA_SMALL, (unsigned)hkm_settings.prewarm);
        prewarm_class();
        hkm_background_start();
    }
}

__attribute__((destructor)) static void ending(void) {
    if (hkm_settings.stats) {
        hak_stats_print(2);
    }
    if (hkm_settings.warm_pool_stats) {
        hkm_print_warm_pool(2);
    }
    if (hkm_settings.print) {
        hkm_settings_print(2);
    }
    if (hkm_settings.policy_stats) {
        hkm_learner_print(2);
    }
    if (hkm_settings.sites) {
        hkm_sites_print(2);
    }
    if (hkm_settings.superslab_debug) {
        hkm_pool_print(2);
    }
    hkm_timing_print(2);
}
