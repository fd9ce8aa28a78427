/* larson: threads with a chest of blocks each, 8..1000 bytes (or --size), after Larson and
 * Krishnan, "Memory allocation for long-running server applications" (ISMM 1998). A thread replaces
 * random blocks of its chest, then hands the chest to a fresh thread and exits: blocks are freed by
 * another thread than the one that allocated them, which may be gone.
 *
 * An iteration starts one fresh thread for each chest, lets each do `batch` replacements and waits
 * for all of them, so that a thread's start and end are part of the time. One operation is one
 * replacement; the first ones find empty places and only fill them. */
#include "harness/arena.h"
#include "scenarios/blocks.h"
#include "scenarios/random.h"
#include "scenarios/scenario.h"

#include <pthread.h>
#include <string.h>

enum { MIN_SIZE = 8, MAX_SIZE = 1000, MAX_THREADS = 64, CACHE_LINE = 64 };

struct chest {
    /* The worker's own; apart from its neighbour's. */
    _Alignas(CACHE_LINE) struct hkl_random random;
    pthread_t thread;
    uint64_t min_size, max_size;
    uint64_t batch;
    uint64_t slots;
    volatile char **blocks; /* slots of them; NULL: empty */
};

struct larson {
    uint64_t threads;
    uint64_t slots;
    volatile char **blocks; /* of all chests, one after the other */
    struct chest chests[MAX_THREADS];
};

static size_t blocks_size(uint64_t threads, uint64_t slots) {
    return threads * slots * sizeof(char *);
}

static void *setup(const struct hkl_params *params) {
    struct larson *state = hkl_map(sizeof *state);
    if (!state)
        return NULL;
    state->threads = params->threads;
    state->slots = params->slots;
    state->blocks = hkl_map(blocks_size(params->threads, params->slots));
    if (!state->blocks)
        return NULL;
    for (uint64_t i = 0; i < params->threads; i++)
        state->chests[i] = (struct chest){
            .random = hkl_random_seeded(params->seed, i),
            .min_size = params->size ? params->size : MIN_SIZE,
            .max_size = params->size ? params->size : MAX_SIZE,
            .batch = params->batch,
            .slots = params->slots,
            .blocks = state->blocks + i * params->slots,
        };
    return state;
}

static void *replace_blocks(void *context) {
    struct chest *chest = context;
    struct hkl_random random = chest->random;
    for (uint64_t i = 0; i < chest->batch; i++) {
        volatile char **slot = &chest->blocks[hkl_random_below(&random, chest->slots)];
        const size_t size = hkl_random_between(&random, chest->min_size, chest->max_size);
        if (*slot)
            hkl_release(*slot);
        *slot = hkl_allocate(size);
        hkl_touch_ends(*slot, size);
    }
    chest->random = random;
    return NULL;
}

static uint64_t iterate(void *context) {
    struct larson *state = context;
    uint64_t ops = 0;
    for (uint64_t i = 0; i < state->threads; i++) {
        struct chest *chest = &state->chests[i];
        const int error = pthread_create(&chest->thread, NULL, replace_blocks, chest);
        if (error)
            hkl_fail(HKL_EXIT_FAILED, "scenario failed: cannot start a thread: %s",
                     strerror(error));
    }
    for (uint64_t i = 0; i < state->threads; i++) {
        pthread_join(state->chests[i].thread, NULL);
        ops += state->chests[i].batch;
    }
    return ops;
}

static void teardown(void *context) {
    struct larson *state = context;
    for (uint64_t i = 0; i < state->threads * state->slots; i++)
        hkl_release(state->blocks[i]);
    hkl_unmap(state->blocks, blocks_size(state->threads, state->slots));
    hkl_unmap(state, sizeof *state);
}

HKL_SCENARIO(larson) = {
    .name = "larson",
    .summary = "threads replace random blocks, hand them to a fresh thread and exit",
    .defaults = {.size = 0, .seed = 42, .threads = 2, .slots = 1000, .batch = 20000},
    .warmup = 10,
    .min_size = 1,
    .max_size = 1 << 20,
    .max_threads = MAX_THREADS,
    .setup = setup,
    .iterate = iterate,
    .teardown = teardown,
};
