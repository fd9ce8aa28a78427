/* See background.h. */
#include "policy/background.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "front/heap.h"
#include "large/large.h"
#include "policy/settings.h"
#include "superslab/pool.h"

static void *run(void *unused) {
    /* Four looks in the time that unused memory is kept: at most a quarter late. */
    uint64_t pause = hkm_settings.lru_ttl_ns / 4;
    const uint64_t least = 50000000;
    pause = pause < least ? least : pause;
    const struct timespec time = {.tv_sec = (time_t)(pause / 1000000000u),
                                  .tv_nsec = (long)(pause % 1000000000u)};
    (void)unused;
    for (;;) {
        nanosleep(&time, NULL);
        hkm_heaps_trim();
        hkm_pool_tick();
        hkm_large_tick();
    }
    return NULL;
}

void hkm_background_start(void) {
    if (!hkm_settings.background) {
        return;
    }
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the program's signals are for its own threads */
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_create(&thread, &attributes, run,
                   NULL); /* without it, memory is given back on use only */
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
