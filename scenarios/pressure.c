/* pressure: random_mixed, then evict, under a memory limit. An iteration is a phase of small blocks
 * (16..1040 bytes in 8192 slots), then a phase of big ones (2, 4 .. 24 MiB in sixteen slots), each
 * as its namesake does it; one step in a thousand is a big one. One operation is one step.
 *
 * The big blocks that live at once are never more than LIVE_BYTES in all: a step that would exceed
 * it leaves its slot empty. The limit (harness/limit.h) is --limit per cent of LIVE_BYTES, on top
 * of what the process has at the start. So an allocator that wastes little never fails; one that
 * does gets NULL from the system. A failed allocation is counted, leaves the slot empty, and the
 * run goes on. */
#include "harness/arena.h"
#include "harness/limit.h"
#include "scenarios/blocks.h"
#include "scenarios/random.h"
#include "scenarios/scenario.h"

#include <stdbool.h>

enum { MIN_SIZE = 16, MAX_SIZE = 1040 };
enum { BIG_SIZES = 12, BIG_STEP = 2 << 20, BIG_SLOTS = 16, STEPS_PER_BIG_STEP = 1000 };
enum { LIVE_BYTES = 104 << 20 }; /* what sixteen slots, half of them full, hold on average */

struct block {
    volatile char *start; /* NULL: the slot is empty */
    size_t size;
};

struct pressure {
    struct hkl_random random;
    uint64_t batch;
    uint64_t slots;
    uint64_t big_bytes, small_bytes; /* live */
    struct block big[BIG_SLOTS];
    struct block small[]; /* slots of them */
};

static size_t state_size(uint64_t slots) {
    return sizeof(struct pressure) + slots * sizeof(struct block);
}

static void *setup(const struct hkl_params *params) {
    struct pressure *state = hkl_map(state_size(params->slots));
    if (!state)
        return NULL;
    state->random = hkl_random_seeded(params->seed, 0);
    state->batch = params->batch;
    state->slots = params->slots;
    hkl_limit_set((uint64_t)LIVE_BYTES / 100 * params->limit);
    return state;
}

static void empty(struct block *block, uint64_t *live) {
    hkl_release(block->start);
    block->start = NULL;
    *live -= block->size;
}

/* Returns false, the failure counted, when there is no memory. */
static bool fill(struct block *block, size_t size, uint64_t *live) {
    block->start = malloc(size);
    if (!block->start) {
        hkl_limit.failures++;
        return false;
    }
    block->size = size;
    *live += size;
    return true;
}

static void small_step(struct pressure *state) {
    struct block *block = &state->small[hkl_random_below(&state->random, state->slots)];
    const size_t size = hkl_random_between(&state->random, MIN_SIZE, MAX_SIZE);
    if (block->start)
        empty(block, &state->small_bytes);
    else if (fill(block, size, &state->small_bytes))
        hkl_touch_ends(block->start, size);
}

static void big_step(struct pressure *state) {
    struct block *block = &state->big[hkl_random_below(&state->random, BIG_SLOTS)];
    const size_t size = BIG_STEP * hkl_random_between(&state->random, 1, BIG_SIZES);
    if (block->start)
        empty(block, &state->big_bytes);
    else if (state->big_bytes + size <= LIVE_BYTES && fill(block, size, &state->big_bytes))
        hkl_touch_pages(block->start, size);
}

static uint64_t iterate(void *context) {
    struct pressure *state = context;
    const uint64_t big_steps = (state->batch + STEPS_PER_BIG_STEP - 1) / STEPS_PER_BIG_STEP;
    for (uint64_t i = big_steps; i < state->batch; i++)
        small_step(state);
    for (uint64_t i = 0; i < big_steps; i++)
        big_step(state);
    return state->batch;
}

static uint64_t live_bytes(const void *context) {
    const struct pressure *state = context;
    return state->small_bytes + state->big_bytes;
}

static void teardown(void *context) {
    struct pressure *state = context;
    for (uint64_t i = 0; i < state->slots; i++)
        hkl_release(state->small[i].start);
    for (uint64_t i = 0; i < BIG_SLOTS; i++)
        hkl_release(state->big[i].start);
    hkl_unmap(state, state_size(state->slots));
}

HKL_SCENARIO(pressure) = {
    .name = "pressure",
    .summary = "random_mixed, then evict, under a memory limit (--limit: % of the live bytes)",
    .defaults = {.seed = 42, .threads = 1, .slots = 8192, .batch = 20000, .limit = 150},
    .warmup = 20,
    .max_threads = 1,
    .setup = setup,
    .iterate = iterate,
    .teardown = teardown,
    .live_bytes = live_bytes,
};
