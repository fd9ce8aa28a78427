/* large_mix: twenty slots, each with a live block of 5..25 MiB, any whole number of bytes. Each
 * step picks a slot at random, frees its block, allocates another of a random size and zeroes all
 * of it. Writing every byte costs more than most allocators do; what is left to gain is page
 * faults. One operation is one replacement; the first ones find empty slots and only fill them. */
#include "harness/arena.h"
#include "scenarios/blocks.h"
#include "scenarios/random.h"
#include "scenarios/scenario.h"

#include <string.h>

enum { MIN_SIZE = 5 << 20, MAX_SIZE = 25 << 20 };

struct block {
    volatile char *start; /* NULL: the slot is empty */
    size_t size;
};

struct large_mix {
    struct hkl_random random;
    uint64_t batch;
    uint64_t slots;
    struct block blocks[];
};

static size_t state_size(uint64_t slots) {
    return sizeof(struct large_mix) + slots * sizeof(struct block);
}

static void *setup(const struct hkl_params *params) {
    struct large_mix *state = hkl_map(state_size(params->slots));
    if (!state)
        return NULL;
    state->random = hkl_random_seeded(params->seed, 0);
    state->batch = params->batch;
    state->slots = params->slots;
    return state;
}

static uint64_t iterate(void *context) {
    struct large_mix *state = context;
    for (uint64_t i = 0; i < state->batch; i++) {
        struct block *block = &state->blocks[hkl_random_below(&state->random, state->slots)];
        hkl_release(block->start);
        block->size = hkl_random_between(&state->random, MIN_SIZE, MAX_SIZE);
        block->start = hkl_allocate(block->size);
        memset((void *)block->start, 0, block->size);
    }
    return state->batch;
}

static uint64_t live_bytes(const void *context) {
    const struct large_mix *state = context;
    uint64_t live = 0;
    for (uint64_t i = 0; i < state->slots; i++)
        live += state->blocks[i].size;
    return live;
}

static void teardown(void *context) {
    struct large_mix *state = context;
    for (uint64_t i = 0; i < state->slots; i++)
        hkl_release(state->blocks[i].start);
    hkl_unmap(state, state_size(state->slots));
}

HKL_SCENARIO(large_mix) = {
    .name = "large_mix",
    .summary = "twenty live blocks of 5..25 MiB, a random one replaced and zeroed",
    .defaults = {.size = 0, .seed = 42, .threads = 1, .slots = 20, .batch = 4},
    .warmup = 20, /* 80 replacements: nearly every slot is full */
    .max_threads = 1,
    .setup = setup,
    .iterate = iterate,
    .teardown = teardown,
    .live_bytes = live_bytes,
};
