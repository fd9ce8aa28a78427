/* handoff: `threads` producers allocate blocks of 16..4096 bytes (or --size) and pass each one
 * through a bounded queue to a consumer of their own, which frees it. No block is freed by the
 * thread that allocated it.
 *
 * The threads live as long as the run and wait at a barrier between iterations. An iteration passes
 * `batch` blocks from each producer; one operation is one block handed over. */
#include "harness/arena.h"
#include "scenarios/blocks.h"
#include "scenarios/random.h"
#include "scenarios/scenario.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

enum { MIN_SIZE = 16, MAX_SIZE = 4096, MAX_PAIRS = 32, CACHE_LINE = 64 };
enum { QUEUE_SLOTS = 256 }; /* a power of two */
enum { SPINS_BEFORE_YIELD = 200 };

struct handoff;

/* A producer, a consumer, and the ring between them. Positions only grow; a slot is position %
 * QUEUE_SLOTS. */
struct pair {
    struct handoff *run;
    pthread_t producer, consumer;
    struct hkl_random random; /* the producer's */
    _Alignas(CACHE_LINE) _Atomic uint64_t pushed;
    _Alignas(CACHE_LINE) _Atomic uint64_t popped;
    _Alignas(CACHE_LINE) volatile char *blocks[QUEUE_SLOTS];
};

struct handoff {
    uint64_t pairs_count;
    uint64_t min_size, max_size;
    uint64_t batch;
    bool stop;               /* read by the threads after `begin` */
    pthread_barrier_t begin; /* of an iteration: all threads and the main one */
    pthread_barrier_t end;
    struct pair pairs[MAX_PAIRS];
};

/* Waits a moment; `spins` counts the moments waited in a row. */
static void wait_a_moment(unsigned *spins) {
    if (++*spins < SPINS_BEFORE_YIELD)
        return;
    *spins = 0;
    sched_yield();
}

static void push(struct pair *pair, volatile char *block) {
    const uint64_t position = atomic_load_explicit(&pair->pushed, memory_order_relaxed);
    unsigned spins = 0;
    while (position - atomic_load_explicit(&pair->popped, memory_order_acquire) == QUEUE_SLOTS)
        wait_a_moment(&spins);
    pair->blocks[position % QUEUE_SLOTS] = block;
    atomic_store_explicit(&pair->pushed, position + 1, memory_order_release);
}

static volatile char *pop(struct pair *pair) {
    const uint64_t position = atomic_load_explicit(&pair->popped, memory_order_relaxed);
    unsigned spins = 0;
    while (position == atomic_load_explicit(&pair->pushed, memory_order_acquire))
        wait_a_moment(&spins);
    volatile char *block = pair->blocks[position % QUEUE_SLOTS];
    atomic_store_explicit(&pair->popped, position + 1, memory_order_release);
    return block;
}

static void produce(struct pair *pair) {
    const struct handoff *run = pair->run;
    for (uint64_t i = 0; i < run->batch; i++) {
        const size_t size = hkl_random_between(&pair->random, run->min_size, run->max_size);
        volatile char *block = hkl_allocate(size);
        hkl_touch_ends(block, size);
        push(pair, block);
    }
}

static void consume(struct pair *pair) {
    for (uint64_t i = 0; i < pair->run->batch; i++) {
        volatile char *block = pop(pair);
        (void)block[0]; /* a consumer reads what it is given */
        hkl_release(block);
    }
}

/* Does `work` once for each iteration until the run stops. */
static void work_in_iterations(struct pair *pair, void (*work)(struct pair *)) {
    struct handoff *run = pair->run;
    for (;;) {
        pthread_barrier_wait(&run->begin);
        if (run->stop)
            return;
        work(pair);
        pthread_barrier_wait(&run->end);
    }
}

static void *producer(void *pair) {
    work_in_iterations(pair, produce);
    return NULL;
}

static void *consumer(void *pair) {
    work_in_iterations(pair, consume);
    return NULL;
}

static void start_thread(pthread_t *thread, void *(*body)(void *), struct pair *pair) {
    const int error = pthread_create(thread, NULL, body, pair);
    if (error)
        hkl_fail(HKL_EXIT_FAILED, "scenario failed: cannot start a thread: %s", strerror(error));
}

static void *setup(const struct hkl_params *params) {
    struct handoff *run = hkl_map(sizeof *run);
    if (!run)
        return NULL;
    run->pairs_count = params->threads;
    run->min_size = params->size ? params->size : MIN_SIZE;
    run->max_size = params->size ? params->size : MAX_SIZE;
    run->batch = params->batch;
    const unsigned waiting = 2 * params->threads + 1;
    pthread_barrier_init(&run->begin, NULL, waiting);
    pthread_barrier_init(&run->end, NULL, waiting);
    for (uint64_t i = 0; i < run->pairs_count; i++) {
        struct pair *pair = &run->pairs[i];
        pair->run = run;
        pair->random = hkl_random_seeded(params->seed, i);
        start_thread(&pair->producer, producer, pair);
        start_thread(&pair->consumer, consumer, pair);
    }
    return run;
}

static uint64_t iterate(void *context) {
    struct handoff *run = context;
    pthread_barrier_wait(&run->begin);
    pthread_barrier_wait(&run->end);
    return run->pairs_count * run->batch;
}

static void teardown(void *context) {
    struct handoff *run = context;
    run->stop = true;
    pthread_barrier_wait(&run->begin);
    for (uint64_t i = 0; i < run->pairs_count; i++) {
        pthread_join(run->pairs[i].producer, NULL);
        pthread_join(run->pairs[i].consumer, NULL);
    }
    pthread_barrier_destroy(&run->begin);
    pthread_barrier_destroy(&run->end);
    hkl_unmap(run, sizeof *run);
}

HKL_SCENARIO(handoff) = {
    .name = "handoff",
    .summary = "producers allocate, consumers free, through bounded queues",
    .defaults = {.size = 0, .seed = 42, .threads = 1, .slots = 0, .batch = 20000},
    .warmup = 10,
    .min_size = 1,
    .max_size = 1 << 20,
    .max_threads = MAX_PAIRS,
    .setup = setup,
    .iterate = iterate,
    .teardown = teardown,
};
