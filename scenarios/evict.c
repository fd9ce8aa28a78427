/* evict: big blocks of twelve sizes, 2, 4 .. 24 MiB, in sixteen slots. Each step picks a slot at
 * random: a full one is freed, an empty one is filled with a block of a random size, every page
 * written. More sizes and more live blocks than a small cache of mappings has room for, so that
 * eviction is the normal case. One operation is one step. */
#include "scenarios/big_slots.h"

enum { SIZES = 12, SIZE_STEP = 2 << 20 };

static size_t next_size(struct hkl_big_slots *state) {
    return SIZE_STEP * hkl_random_between(&state->random, 1, SIZES);
}

static uint64_t iterate(void *state) {
    return hkl_big_slots_steps(state, next_size, SIZE_MAX);
}

HKL_SCENARIO(evict) = {
    .name = "evict",
    .summary = "twelve sizes of 2..24 MiB in sixteen random slots, every page written",
    .defaults = {.size = 0, .seed = 42, .threads = 1, .slots = 16, .batch = 16},
    .warmup = 20, /* 320 steps: every slot has been used many times, in every size */
    .max_threads = 1,
    .setup = hkl_big_slots_setup,
    .iterate = iterate,
    .teardown = hkl_big_slots_teardown,
    .live_bytes = hkl_big_slots_live_bytes,
};
