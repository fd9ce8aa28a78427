/* evict: big blocks of twelve sizes, 2, 4 .. 24 MiB, in sixteen slots. Each step picks a slot at
 * random: a full one is freed, an empty one is filled with a block of a random size, every page
 * written. More sizes and more live blocks than a small cache of mappings has room for, so that
 * eviction is the normal case. One operation is one step. */
#include "harness/arena.h"
#include "scenarios/blocks.h"
#include "scenarios/random.h"
#include "scenarios/scenario.h"

enum { SIZES = 12, SIZE_STEP = 2 << 20 };

struct evict {
    struct hkl_random random;
    uint64_t batch;
    uint64_t slots;
    volatile char *blocks[]; /* slots of them; NULL: empty */
};

static size_t state_size(uint64_t slots) {
    return sizeof(struct evict) + slots * sizeof(char *);
}

static void *setup(const struct hkl_params *params) {
    struct evict *state = hkl_map(state_size(params->slots));
    if (!state)
        return NULL;
    state->random = hkl_random_seeded(params->seed, 0);
    state->batch = params->batch;
    state->slots = params->slots;
    return state;
}

static uint64_t iterate(void *context) {
    struct evict *state = context;
    for (uint64_t i = 0; i < state->batch; i++) {
        volatile char **slot = &state->blocks[hkl_random_below(&state->random, state->slots)];
        if (*slot) {
            hkl_release(*slot);
            *slot = NULL;
        } else {
            const size_t size = SIZE_STEP * hkl_random_between(&state->random, 1, SIZES);
            *slot = hkl_allocate(size);
            hkl_touch_pages(*slot, size);
        }
    }
    return state->batch;
}

static void teardown(void *context) {
    struct evict *state = context;
    for (uint64_t i = 0; i < state->slots; i++)
        hkl_release(state->blocks[i]);
    hkl_unmap(state, state_size(state->slots));
}

HKL_SCENARIO(evict) = {
    .name = "evict",
    .summary = "twelve sizes of 2..24 MiB in sixteen random slots, every page written",
    .defaults = {.size = 0, .seed = 42, .threads = 1, .slots = 16, .batch = 16},
    .warmup = 20, /* 320 steps: every slot has been used many times, in every size */
    .max_threads = 1,
    .setup = setup,
    .iterate = iterate,
    .teardown = teardown,
};
