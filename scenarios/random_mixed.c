/* random_mixed: a working set of slots. Each step picks one at random: a full one is freed, an
 * empty one is filled with a block of 16..1040 bytes (or of --size), whose first and last byte are
 * written. One operation is one step. The working set is in balance, half full, after a few times
 * as many steps as there are slots. */
#include "harness/arena.h"
#include "scenarios/blocks.h"
#include "scenarios/random.h"
#include "scenarios/scenario.h"

#include <stdbool.h>

enum { MIN_SIZE = 16, MAX_SIZE = 1040 };

struct random_mixed {
    struct hkl_random random;
    uint64_t min_size, max_size;
    uint64_t batch;
    uint64_t slots;
    bool label;              /* a mix of sizes: each block begins with its own */
    volatile char *blocks[]; /* slots of them; NULL: empty */
};

static size_t state_size(uint64_t slots) {
    return sizeof(struct random_mixed) + slots * sizeof(char *);
}

static void *setup(const struct hkl_params *params) {
    struct random_mixed *state = hkl_map(state_size(params->slots));
    if (!state)
        return NULL;
    state->random = hkl_random_seeded(params->seed, 0);
    state->min_size = params->size ? params->size : MIN_SIZE;
    state->max_size = params->size ? params->size : MAX_SIZE;
    state->batch = params->batch;
    state->slots = params->slots;
    state->label = !params->size;
    return state;
}

static uint64_t iterate(void *context) {
    struct random_mixed *state = context;
    for (uint64_t i = 0; i < state->batch; i++) {
        volatile char **slot = &state->blocks[hkl_random_below(&state->random, state->slots)];
        if (*slot) {
            hkl_release(*slot);
            *slot = NULL;
        } else {
            const size_t size =
                hkl_random_between(&state->random, state->min_size, state->max_size);
            *slot = hkl_allocate(size);
            hkl_touch_ends(*slot, size);
            if (state->label)
                *(volatile uint16_t *)(volatile void *)*slot = (uint16_t)size;
        }
    }
    return state->batch;
}

static uint64_t live_bytes(const void *context) {
    const struct random_mixed *state = context;
    uint64_t live = 0;
    for (uint64_t i = 0; i < state->slots; i++) {
        const volatile void *block = state->blocks[i];
        if (block)
            live += state->label ? *(const volatile uint16_t *)block : state->min_size;
    }
    return live;
}

static void teardown(void *context) {
    struct random_mixed *state = context;
    for (uint64_t i = 0; i < state->slots; i++)
        hkl_release(state->blocks[i]);
    hkl_unmap(state, state_size(state->slots));
}

HKL_SCENARIO(random_mixed) = {
    .name = "random_mixed",
    .summary = "random slots of a working set freed or filled, 16..1040 bytes or --size",
    .defaults = {.size = 0, .seed = 42, .threads = 1, .slots = 8192, .batch = 100000},
    .warmup = 10,
    .min_size = 1,
    .max_size = 1 << 20,
    .max_threads = 1,
    .setup = setup,
    .iterate = iterate,
    .teardown = teardown,
    .live_bytes = live_bytes,
};
