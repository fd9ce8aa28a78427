/* remote_free: this thread allocates, another one frees. One operation is one block.
 *
 * The other thread is ours and not Google Benchmark's, which would divide the time by the number of
 * its threads. It starts and ends with each call of the body; a body that runs for milliseconds
 * does not notice. */
#include "harness/micro/micro.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

enum { RING = 256, SPINS_BEFORE_YIELD = 200, CACHE_LINE = 64 };

/* A bounded queue of one producer and one consumer. Positions only grow. */
static struct {
    uint64_t total; /* blocks to come */
    _Alignas(CACHE_LINE) _Atomic uint64_t pushed;
    _Alignas(CACHE_LINE) _Atomic uint64_t popped;
    _Alignas(CACHE_LINE) volatile char *blocks[RING];
} ring;

static void wait_a_moment(unsigned *spins) {
    if (++*spins < SPINS_BEFORE_YIELD)
        return;
    *spins = 0;
    sched_yield();
}

static void *consumer(void *unused) {
    (void)unused;
    unsigned spins = 0;
    for (uint64_t i = 0; i < ring.total; i++) {
        while (i == atomic_load_explicit(&ring.pushed, memory_order_acquire))
            wait_a_moment(&spins);
        hkl_release(ring.blocks[i % RING]);
        atomic_store_explicit(&ring.popped, i + 1, memory_order_release);
    }
    return NULL;
}

static void remote_free(uint64_t iterations, size_t size) {
    pthread_t thread;
    unsigned spins = 0;
    ring.total = iterations;
    atomic_store(&ring.pushed, 0);
    atomic_store(&ring.popped, 0);
    const int error = pthread_create(&thread, NULL, consumer, NULL);
    if (error)
        hkl_fail(HKL_EXIT_FAILED, "cannot start a thread: %s", strerror(error));
    for (uint64_t i = 0; i < iterations; i++) {
        volatile char *block = hkl_allocate(size);
        block[0] = 1;
        while (i - atomic_load_explicit(&ring.popped, memory_order_acquire) == RING)
            wait_a_moment(&spins);
        ring.blocks[i % RING] = block;
        atomic_store_explicit(&ring.pushed, i + 1, memory_order_release);
    }
    pthread_join(thread, NULL);
}

HKL_MICRO(remote_free, remote_free);
