/* What happens when the library is loaded, at a fork, and when the program ends. */
#include <pthread.h>

#include "front/heap.h"
#include "hakmem.h"
#include "large/large.h"
#include "policy/settings.h"
#include "superslab/pool.h"

/* Every lock is taken before a fork, outermost first, so that the child finds none of them held by a thread that it does
 * not have. The state changes of slabs are single atomic steps and need none. */
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

__attribute__((constructor)) static void loaded(void) {
    hkm_start();
    pthread_atfork(before_fork, after_fork, after_fork);
}

__attribute__((destructor)) static void ending(void) {
    if (hkm_settings.stats) {
        hak_stats_print(2);
    }
}
